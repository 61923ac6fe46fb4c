/* SPDX-License-Identifier: ISC */
#ifndef VALUE_H
#define VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * What people type for numbers → numbers. Strict: signs, blanks, NaN, inf,
 * empty text, trailing garbage and what does not fit are false, and then
 * nothing is stored. Whoever asks knows the option and the limits.
 */

/* "500ms", "30s", "5m", "1h", or plain seconds; decimals with all of them,
 * what is finer than 1 ns is dropped. */
bool value_duration(const char *text, int64_t *ns);

/* Bytes: "65536", "64K", "2M", "1G", in steps of 1024, in either case. */
bool value_size(const char *text, uint64_t *bytes);

/* "812", "10k", "2M", in steps of 1000. */
bool value_count(const char *text, uint64_t *count);

/* "0.15", "3", ".6": in millionths; what is finer is false. */
bool value_money(const char *text, uint64_t *millionths);

/* "5%", "0.5%": more than 0, at most 100. */
bool value_percent(const char *text, double *percent);

/* "A:B", "A:" (last is 0: to the end), ":B" (first is 0: from the start);
 * from 1, inclusive, A ≤ B. */
bool value_range(const char *text, uint32_t *first, uint32_t *last);

/* "100", "100:7": how many, from 1, and a seed, 1 where none is given. */
bool value_sample(const char *text, uint32_t *count, uint64_t *seed);

/* Is it a number, an integer of 64 bits, as JSON writes it? */
bool value_is_number(const char *text);
bool value_is_integer(const char *text);

/* Write a limit the way it could be typed: "8760h", "1G". Takes whole
 * milliseconds, size ≥ 24. Gives out. */
const char *value_duration_text(int64_t ns, char *out, size_t size);
const char *value_size_text(uint64_t bytes, char *out, size_t size);

#endif
