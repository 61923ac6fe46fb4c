/* SPDX-License-Identifier: ISC */
#ifndef PYTHON_H
#define PYTHON_H

struct llmill_err;
struct opts;

#define PYTHON_WORDS 4 /* of the command that --python stands for */
#define PYTHON_COMMAND "python3 -m llmill_chat "

/*
 * Turn --python MODULE:FUNCTION into a command per worker, and let Python find
 * llmill_chat.py, which lies in the source tree or where llmill was installed.
 * Does nothing where there is no such option.
 */
int python_choose(struct opts *opts, struct llmill_err *err);

#endif
