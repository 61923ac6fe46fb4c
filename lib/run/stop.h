/* SPDX-License-Identifier: ISC */
#ifndef STOP_H
#define STOP_H

#include <stdbool.h>
#include <stdint.h>

#include "wire/outcome.h"

/*
 * Why and until when: signals, a run that is itself wrong, the exit status.
 * Pure: now is an argument, nothing is sent from here. coord asks what phase
 * it is and does that.
 */
enum stop_phase {
	STOP_NONE = 0,	/* hand out, go on */
	STOP_DRAIN = 1, /* hand out nothing, let calls in flight finish */
	STOP_KILL = 2,	/* end the workers now */
};

/* Exit statuses, in the order in which one beats another at the end. */
#define STOP_EXIT_BACKEND 69
#define STOP_EXIT_LIMIT 4
#define STOP_EXIT_INTERRUPTED 130
#define STOP_EXIT_EARLY 75
#define STOP_EXIT_NOT_SAVED 74
#define STOP_EXIT_FAILED 1

#define STOP_SECOND_INTERRUPT_NS ((int64_t)300000000)
#define STOP_TERM_DRAIN_NS ((int64_t)20000000000) /* from the first TERM */
#define STOP_BLAMES_IN_A_ROW 3
#define STOP_EARLY_DEATHS_IN_A_ROW 10
#define STOP_DEATH_PROMPTS 3

struct stop {
	bool terminal; /* SIGINT comes from a person */
	uint32_t workers;
	enum stop_phase phase;
	int64_t drain_until_ns; /* then KILL; CLOCK_NEVER: as long as needed */
	int64_t deadline_ns;	/* of any drain; CLOCK_NEVER: none */
	int64_t interrupted_ns; /* the first SIGINT, -1 none */
	int64_t terminated_ns;	/* the first SIGTERM, -1 none */
	int exit_status;	/* the strongest reason so far, 0 none */
	char reason[512];	/* of that one, for people */

	/* is the run itself wrong? */
	enum outcome last;	 /* of an attempt without an answer; OK: none */
	uint32_t blames;	 /* in a row, no answer between */
	uint64_t answers;	 /* in this run */
	uint64_t failed_prompts; /* through with their tries */
	uint32_t early_deaths;	 /* in a row, before HELLO */
	uint32_t deaths;	 /* in a row, with or without a prompt */
	uint32_t death_prompts;	 /* different prompts among these, capped */
	uint32_t death_index[STOP_DEATH_PROMPTS];
};

void stop_init(struct stop *stop, bool terminal, uint32_t workers);

/* A signal came (SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2). */
void stop_signal(struct stop *stop, int signal_number, int64_t now_ns);

/* An attempt ended. why: its error text, lent; for the message. */
void stop_outcome(struct stop *stop, enum outcome outcome, const char *why);

/* A prompt is through with its tries and failed. */
void stop_prompt_failed(struct stop *stop, const char *why);

/* A worker died; ready: after HELLO; index of the prompt it held, or
 * UINT32_MAX. */
void stop_death(struct stop *stop, bool ready, uint32_t index, const char *why);

/* Somebody else wants an early end (output closed, …). */
void stop_ask(struct stop *stop, int exit_status, const char *reason);

/* Time passes: a drain may be over. Gives the phase now. */
enum stop_phase stop_tick(struct stop *stop, int64_t now_ns);
int64_t stop_due_ns(const struct stop *stop);

/* Keep the stronger of two exit statuses (order of contract). */
int stop_stronger(int one, int other);

#endif
