/* SPDX-License-Identifier: ISC */
#ifndef ERR_H
#define ERR_H

/*
 * What the world did to us: one class, one errno, one sentence that says
 * what, which, why and what to do. It travels up by value and is printed
 * once, by bin/. The class decides the exit status (llmill_run.h).
 */
#define ERR_TEXT_MAX 2048 /* bytes with the NUL; longer sentences are cut */

enum err_class {
	ERR_NONE = 0,
	ERR_USAGE = 1,	 /* an option or a plan that cannot be */
	ERR_INPUT = 2,	 /* bad records; a file that is not what it should be */
	ERR_BACKEND = 3, /* the server or command cannot be used at all */
	ERR_BUSY = 4,	 /* somebody else holds what we need */
	ERR_SYSTEM = 5,	 /* the machine refused */
	ERR_MEMORY = 6,	 /* no memory */
};

struct err {
	enum err_class class;
	int number; /* errno, 0 where there was none */
	char text[ERR_TEXT_MAX];
};

/*
 * Fill err with a class and a sentence.
 * Takes err, or NULL when the caller does not want to know.
 * Gives always -1, so that a failing call can end with return err_set(…).
 */
int err_set(struct err *err, enum err_class class, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/*
 * The same for a failed system call: keeps errno and appends ": reason".
 * The class is ERR_SYSTEM, or ERR_MEMORY for ENOMEM.
 */
int err_set_errno(struct err *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * Say "out of memory (what)". Gives always -1.
 */
int err_set_memory(struct err *err, const char *what);

/*
 * Put what was being tried in front: "format: old text". Gives always -1.
 */
int err_add(struct err *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
