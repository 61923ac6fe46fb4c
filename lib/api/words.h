/* SPDX-License-Identifier: ISC */
#ifndef WORDS_H
#define WORDS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

struct backend;
struct prompts;
struct llmill_run_conf;

/*
 * Texts about a run: the command as typed, its settings as JSON, what to type
 * next.
 */
#define WORDS_MAX_BYTES ((size_t)64 << 20) /* a prompt may be 16 MiB */

/* Write a NUL-terminated text (NULL: nothing) to a descriptor (-1: none). */
void screen_write(int fd, const char *text);

/* Write what was asked for to the descriptor for results (-1: none). Fails
 * ERR_SYSTEM. */
int result_write(int fd, const struct buf *text, struct err *err);

/* Append the words quoted for a shell; masked: what looks like a key is ***.
 * Takes argv, NULL-terminated, or NULL. */
void put_argv(struct buf *out, const char *const *argv, bool masked);

/* Append all settings as a JSON object: header names without values, no key. */
void put_settings(struct buf *out, const struct llmill_run_conf *conf,
    const struct backend *backend);

/* Append the command that goes on; of a run that is finished the one that does
 * the rest of the list (left), or looks at the answers. */
void put_next_command(struct buf *out, const struct llmill_run_conf *conf,
    const char *db_path, bool finished, bool left);

/* Which prompts of count do --first and --range choose? From *from up to, but
 * not including, *to. */
void find_range(const struct llmill_run_conf *conf,
    const struct prompts *prompts, uint32_t *from, uint32_t *to);

/* Gives the exit status (enum llmill_exit) of an error. */
int status_of(enum err_class kind);

#endif
