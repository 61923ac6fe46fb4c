/* SPDX-License-Identifier: ISC */
#ifndef LEARN_H
#define LEARN_H

#include <stdbool.h>
#include <stdint.h>

#include "run/bucket.h"

/*
 * The rate that a server allows, learned from its refusals (429). Until the
 * first one nothing is held back. Pure.
 *
 * A server that counts fills a bucket. Between two moments at which it refused
 * the bucket was empty at both ends, so what it took in between, by the time,
 * is its rate exactly. From that the rate follows CUBIC's curve (RFC 9438): a
 * little under at once, flat for as long as it held before, then ever faster
 * up, so that a limit that was raised is found.
 */
struct learn {
	struct bucket bucket;  /* no limit until something is learned */
	double rate;	       /* per second, at grows_ns; 0 none */
	double flat_s;	       /* from grows_ns to the flat of the curve */
	int64_t begun_ns;      /* the first hand-out; -1 none yet */
	int64_t since_ns;      /* begin of the last episode; -1 none yet */
	int64_t grows_ns;      /* its pause was over: here the curve begins */
	int64_t guess_from_ns; /* guess at the first hand-out from then on;
				  CLOCK_NEVER: no guess is due */
	bool guessed;	       /* the rate is no more than that */
	uint64_t sent;	       /* since since_ns, or ever */
	uint64_t refused;      /* of these */
};

void learn_init(struct learn *learn);

/* From when on may the next one go? 0: from now on. */
int64_t learn_due_ns(const struct learn *learn);

/* One went out. */
void learn_sent(struct learn *learn, int64_t now_ns);

/* One that went out at started_ns was refused; nothing goes out before
 * until_ns (now_ns: the server named no time). */
void learn_refused(
    struct learn *learn, int64_t started_ns, int64_t until_ns, int64_t now_ns);

#endif
