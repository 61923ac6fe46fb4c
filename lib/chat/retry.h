/* SPDX-License-Identifier: ISC */
#ifndef RETRY_H
#define RETRY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "wire/outcome.h"

/*
 * What an HTTP status means, with the headers and the error body beside it.
 * Pure: text in, outcome out.
 */
struct retry_facts {
	int status;		    /* 100 … 999; 200: an error that came in
				       a good response, its names decide */
	struct span should_retry;   /* header x-should-retry, or none */
	struct span retry_after;    /* header retry-after, or none */
	struct span retry_after_ms; /* header retry-after-ms, or none */
	struct span error_type;	    /* of the error body, or none */
	struct span error_code;	    /* as text, or none */
	struct span message;	    /* as text, or none */
	int64_t wall_ms;	    /* now, for dates */
};

/*
 * Gives the outcome class, never one that answers; *after_ms is what
 * Retry-After asks for, -1 none.
 */
enum outcome retry_judge(const struct retry_facts *facts, int64_t *after_ms);

/* Is it the URL that the server does not know, rather than the model? */
bool retry_is_no_path(const struct retry_facts *facts);

#endif
