/* SPDX-License-Identifier: ISC */
#ifndef WIDTH_H
#define WIDTH_H

#include <stddef.h>
#include <stdint.h>

/*
 * Columns of one character in a terminal: 0 (marks, controls), 1 or 2 (East
 * Asian wide, emoji). Source: Unicode 14, East Asian Width and general
 * category, for the scripts in daily use.
 */
size_t width_of(uint32_t code);

#endif
