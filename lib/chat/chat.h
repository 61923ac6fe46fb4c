/* SPDX-License-Identifier: ISC */
#ifndef CHAT_H
#define CHAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/secret.h"
#include "data/prompts.h"
#include "wire/msg.h"

struct api;
struct curl_proxy;
struct curl_trust;
struct err;

/*
 * One way to call a model: one request in, one reply out. It runs in a worker
 * process, alone, and may do there what it likes; it knows neither scheduler
 * nor database. Adding a backend is one file with a const struct chat, listed
 * in chat.c.
 */

/* One of several servers that do the same. */
struct chat_endpoint {
	const char *url;	  /* complete, …/chat/completions */
	struct curl_proxy *proxy; /* NULL: none is asked */
	bool keyless;		  /* the key is not for this one */
};

/* Settings of all backends; plain data, filled before the nursery opens and
 * inherited by every worker. Pointers are lent for the whole run. */
struct chat_conf {
	const struct chat *kind;
	const struct prompts *prompts;
	bool allow_empty;	 /* an empty answer is an answer */
	size_t answer_cap_bytes; /* longer fails as too_long */
	int64_t grace_ns;	 /* between SIGTERM and SIGKILL of a command */
	uint64_t random_seed;	 /* for scripted faults */
	uint64_t cpu_max_s;	 /* processor time of a process; 0: any */

	/* http */
	struct chat_endpoint endpoints[MSG_ENDPOINTS_MAX];
	uint32_t endpoint_count;
	const char *model;  /* NULL: none sent */
	const char *system; /* NULL: none */
	const char *params; /* raw JSON object of body parameters, or NULL */
	int64_t max_tokens; /* 0: not sent */
	const char *const *headers; /* "Name: value", NULL-terminated; NULL */
	struct secret key;	    /* text NULL: no Authorization is sent */
	const struct api *api;	    /* dialect; NULL: OpenAI's */
	bool stream;		    /* ask for answers piece by piece, */
	bool stream_optional;	    /* if the server knows how */
	bool keep_raw; /* every response body goes into the reply */
	int64_t connect_timeout_ms;
	int64_t first_byte_ns;	  /* of the body, from hand-out; 0: no limit */
	int64_t stall_ns;	  /* between two bytes of it; 0: no limit */
	struct curl_trust *trust; /* who vouches for a server; NULL: whom
				     libcurl trusts */
	const char *agent;	  /* User-Agent; NULL: "llmill" */

	/* exec, coproc */
	const char *const *command; /* argv, NULL-terminated */
	int64_t start_timeout_ns;   /* coproc: until its first line */

	/* plugin */
	const char *plugin; /* path with a slash */

	/* func */
	char *(*chat_fn)(void *arg, const char *prompt, char **error);
	void *chat_arg;

	/* echo */
	const char *script; /* "ms=50,fail=1%", without "echo:"; or NULL */
};

/* One call. */
struct chat_request {
	uint32_t index;	  /* of the prompt */
	int64_t id;	  /* that it has for people */
	uint32_t attempt; /* from 1 */
	uint32_t worker;  /* slot, from 0 */
	uint32_t endpoint;
	struct record record;
	int64_t started_ns; /* when the job came */
	int64_t allowed_ns; /* the whole call, from started_ns */
	int stop_fd; /* readable (or at its end) when the call must be given
			up at once: STOP, or the coordinator died. Only looked
			at, never read. */
	/* Tell how many bytes of the answer are in; cheap, throttled. */
	void (*beat)(void *arg, uint64_t bytes);
	void *beat_arg;
};

struct chat {
	const char *name; /* "http" */
	/* The worker must outlive a dead coordinator long enough to sweep
	 * commands it started: no PDEATHSIG, subreaper. */
	bool owns_processes;
	/* What it calls may leave some behind, for the coordinator to sweep. */
	bool leaves_processes;
	/* Of a record nothing but its text is used. */
	bool text_only;

	/* Look at the settings before anything is started: pure, no I/O.
	 * May be NULL. Fails ERR_USAGE. */
	int (*check)(const struct chat_conf *conf, struct err *err);

	/* Once, in the nursery: what all workers can share. May be NULL. */
	int (*prepare)(const struct chat_conf *conf, struct err *err);

	/* In the worker, before HELLO. NULL with reply->outcome and
	 * reply->error when it can never work (no such CA file). */
	void *(*open)(
	    const struct chat_conf *conf, uint32_t worker, struct reply *reply);

	/* One call. Fills reply; spans live until the next call or close. A
	 * given-up call (stop_fd) is OUTCOME_INTERRUPTED. The worker fills
	 * duration_ms. */
	void (*call)(void *self, const struct chat_request *request,
	    struct reply *reply);

	void (*close)(void *self);
};

/* Gives the backend, or NULL when there is none so named. */
const struct chat *chat_by_name(const char *name);

/* Gives "coproc, echo, exec, http" for messages. */
const char *chat_names(void);

#endif
