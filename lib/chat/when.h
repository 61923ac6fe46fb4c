/* SPDX-License-Identifier: ISC */
#ifndef WHEN_H
#define WHEN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

/*
 * Times as headers write them. Pure; false for anything else, and for none.
 */
#define WHEN_MAX_MS ((int64_t)400 * 24 * 3600 * 1000) /* more is as much */

/* "2" or "0.25" in units of unit_ms, rounded up; at most WHEN_MAX_MS. */
bool when_decimal(struct span text, int64_t unit_ms, int64_t *value_ms);

/* "6m0s", "1h2.5s", "500ms", "1d"; at most WHEN_MAX_MS. */
bool when_duration(struct span text, int64_t *value_ms);

/* A date of RFC 9110 §5.6.7, the form in use and the two of old, in ms since
 * 1970. */
bool when_date(struct span text, int64_t *wall_ms);

/* "2026-01-27T12:00:00.5Z", RFC 3339, in ms since 1970. */
bool when_timestamp(struct span text, int64_t *wall_ms);

#endif
