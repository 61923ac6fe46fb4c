/* SPDX-License-Identifier: ISC */
#ifndef CONF_H
#define CONF_H

#include "opts.h"

/*
 * Complete opts->conf: options that exclude each other, files the options
 * name, lists. Call once after opts_read; conf is then ready for llmill_run
 * and lent from opts.
 * Fails with one sentence.
 */
int conf_complete(struct opts *opts, struct llmill_err *err);

#endif
