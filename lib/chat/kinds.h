/* SPDX-License-Identifier: ISC */
#ifndef KINDS_H
#define KINDS_H

/* All backends there are; chat.c lists them. */
struct chat;

extern const struct chat chat_coproc;
extern const struct chat chat_echo;
extern const struct chat chat_exec;
extern const struct chat chat_func;
extern const struct chat chat_http;
extern const struct chat chat_plugin;

#endif
