/* SPDX-License-Identifier: ISC */
#ifndef OUTCOME_H
#define OUTCOME_H

#include <stdbool.h>

/*
 * What became of one attempt: one vocabulary for wire, database, summary and
 * exports. The numbers cross process borders; the names are in databases.
 */
enum outcome {
	OUTCOME_OK = 0,
	OUTCOME_LENGTH = 1, /* an answer, cut short by the token limit */
	OUTCOME_TOOL_CALLS = 2,
	OUTCOME_REFUSED = 3,
	OUTCOME_EMPTY = 4,
	OUTCOME_CONTENT_FILTER = 5,
	OUTCOME_BAD_REQUEST = 6,
	OUTCOME_TOO_LONG = 7,
	OUTCOME_RATE_LIMITED = 8,
	OUTCOME_OVERLOADED = 9,
	OUTCOME_SERVER_ERROR = 10,
	OUTCOME_AUTH = 11,
	OUTCOME_NO_MONEY = 12,
	OUTCOME_NO_MODEL = 13,
	OUTCOME_NO_COMMAND = 14,
	OUTCOME_NO_SERVER = 15,
	OUTCOME_TLS = 16,
	OUTCOME_TRUNCATED = 17,
	OUTCOME_GARBAGE = 18,
	OUTCOME_TIMEOUT_CONNECT = 19,
	OUTCOME_TIMEOUT_FIRST_BYTE = 20,
	OUTCOME_TIMEOUT_STALL = 21,
	OUTCOME_TIMEOUT_TOTAL = 22,
	OUTCOME_CRASH = 23,
	OUTCOME_EXIT_STATUS = 24,
	OUTCOME_OUT_OF_MEMORY = 25,
	OUTCOME_POISON = 26,
	OUTCOME_INTERRUPTED = 27,
};
#define OUTCOME_COUNT 28

/*
 * What an outcome means to those who decide.
 */
struct outcome_trait {
	const char *name;   /* "timeout_total", as in the database */
	const char *words;  /* "timed out", for the summary */
	bool answers;	    /* the prompt is answered by it */
	bool retries;	    /* another try may help */
	bool charged;	    /* it uses up one of the prompt's tries */
	bool blames_run;    /* three in a row mean the run itself is wrong */
	bool blames_server; /* nobody is there: wait for it, charge nobody */
	bool hangs;	    /* a timeout */
	bool costs; /* a model may have worked on it, and be paid for that */
};

/* Gives the traits. Bug if outcome is out of range. */
const struct outcome_trait *outcome_trait(enum outcome outcome);

/* Gives true with *outcome for a name in the vocabulary. */
bool outcome_by_name(const char *name, enum outcome *outcome);

#endif
