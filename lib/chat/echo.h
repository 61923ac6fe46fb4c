/* SPDX-License-Identifier: ISC */
#ifndef ECHO_H
#define ECHO_H

#include <stdbool.h>
#include <stdint.h>

struct err;

/*
 * The null backend: answers with the prompt, after faults by script. Which
 * prompt suffers which fault depends on seed, prompt index and attempt alone,
 * so a run can be repeated.
 *
 * Script: comma-separated KEY=VALUE
 *   ms=N[-M]      answer after N (to M) milliseconds       default 0
 *   fail=P%       server_error, retried
 *   refuse=P%     refused, not retried
 *   empty=P%      an empty answer
 *   hang=P%       never answer, deaf to everything but SIGKILL
 *   crash=P%      SIGSEGV
 *   exit=P%       exit(0) without an answer
 *   garbage=P%    bytes that are no frame
 *   bytes=N       answer of N bytes instead of the prompt
 *   tries=N       faults hit only the first N tries of a prompt (default all)
 *   seed=N
 * P may be 0 … 100 with decimals; each attempt meets at most one fault.
 */
struct echo_script {
	int64_t ms_least;
	int64_t ms_most;
	double share[7]; /* 0 … 1 in the order above */
	uint64_t bytes;	 /* 0: the prompt itself */
	uint32_t tries;	 /* 0: all */
	uint64_t seed;
};

enum echo_fault {
	ECHO_FAIL = 0,
	ECHO_REFUSE = 1,
	ECHO_EMPTY = 2,
	ECHO_HANG = 3,
	ECHO_CRASH = 4,
	ECHO_EXIT = 5,
	ECHO_GARBAGE = 6,
	ECHO_NONE = 7,
};

/* Read a script (NULL or "" is all defaults). Fails ERR_USAGE naming the key
 * and listing the known ones. */
int echo_read_script(
    const char *text, struct echo_script *script, struct err *err);

/* Which fault meets this attempt? Pure. */
enum echo_fault echo_choose(
    const struct echo_script *script, uint32_t index, uint32_t attempt);

#endif
