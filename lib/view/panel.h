/* SPDX-License-Identifier: ISC */
#ifndef PANEL_H
#define PANEL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "wire/msg.h"
#include "wire/outcome.h"

struct stats;

/*
 * How a run stands at this moment, more closely than its summary: who is at
 * work, how its servers do, what went wrong last. Told as one JSON object to
 * whoever asks at its socket.
 */
#define PANEL_ERRORS 8
#define PANEL_ERROR_BYTES 200

/* An attempt without an answer. */
struct panel_error {
	int64_t wall_ms;
	int64_t id; /* of the prompt */
	enum outcome outcome;
	char text[PANEL_ERROR_BYTES];
};

struct panel_server {
	const char *name; /* lent; "" a single one */
	uint32_t out;	  /* calls */
	bool is_aside;	  /* gets nothing any more */
	bool is_down;
	int64_t pause_ms; /* that it asked for, or until it is tried; 0 */
};

struct panel {
	const struct stats *stats; /* lent */
	uint64_t open;
	const char *phase;     /* "running", "paused", "draining", "stopping" */
	const char *note;      /* what it waits for, or NULL */
	uint32_t workers;      /* wanted at most, */
	uint32_t workers_most; /* and that could be */
	uint32_t starting;
	uint32_t idle;
	uint32_t busy;
	uint32_t late;
	int64_t oldest_id; /* of the prompt that is out longest; 0 none */
	uint32_t oldest_slot;
	int64_t oldest_ms;
	struct panel_server servers[MSG_ENDPOINTS_MAX];
	uint32_t server_count;
	const struct panel_error *errors; /* the oldest first, lent */
	unsigned error_count;
};

/* Append the members, without the braces. */
void panel_put_json(const struct panel *panel, int64_t now_ns, struct buf *out);

#endif
