/* SPDX-License-Identifier: ISC */
#ifndef MUST_H
#define MUST_H

/*
 * Assertions that stay on. A broken claim is a bug in this program, never
 * bad input, a full disk or a misbehaving peer: those have err and outcome.
 */
#define MUST(claim)                                                            \
	((claim) ? (void)0 : must_fail(#claim, __FILE__, __LINE__, __func__))

/*
 * Say which claim broke, on descriptor 2, and abort.
 */
_Noreturn void must_fail(
    const char *claim, const char *file, int line, const char *function);

#endif
