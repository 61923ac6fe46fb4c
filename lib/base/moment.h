/* SPDX-License-Identifier: ISC */
#ifndef MOMENT_H
#define MOMENT_H

#include <stdbool.h>
#include <stdint.h>

/*
 * A moment as people type it, local time → ms since 1970. Pure but for the
 * time zone.
 *
 *	18:30  18:30:15		the next time that the clock says so
 *	2026-11-23T18:30[:15]	also with a blank for the T
 *	@1795632600		seconds since 1970
 *	+8h  +30m  +08:00:00	from now on: s, m, h, d or plain seconds
 *	+1-12:00:00		days, as Slurm writes them
 *
 * None is more than a hundred years ahead.
 */
bool moment_read(const char *text, int64_t now_ms, int64_t *moment_ms);

#endif
