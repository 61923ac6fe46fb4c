/* SPDX-License-Identifier: ISC */
#ifndef LLMILL_RUN_H
#define LLMILL_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "llmill.h"
#include "llmill_abi.h"

LLMILL_BEGIN

/*
 * The whole mill as one call, with every option of the program. Nothing is
 * printed but to the descriptors given here; nothing exits; signals are taken
 * only when asked for.
 */
#define LLMILL_VERSION "0.1.0"

/* Exit statuses of the program, also what llmill_run gives. */
enum llmill_exit {
	LLMILL_EXIT_OK = 0,	       /* all prompts asked for are answered */
	LLMILL_EXIT_FAILED = 1,	       /* finished, some failed */
	LLMILL_EXIT_USAGE = 2,	       /* usage, other plan */
	LLMILL_EXIT_LIMIT = 4,	       /* stopped by a limit */
	LLMILL_EXIT_INPUT = 65,	       /* bad input, unusable database file */
	LLMILL_EXIT_BACKEND = 69,      /* backend unusable, stopped early */
	LLMILL_EXIT_SYSTEM = 71,       /* the machine refused (memory, fork) */
	LLMILL_EXIT_NOT_SAVED = 74,    /* finished, answers not where asked */
	LLMILL_EXIT_EARLY = 75,	       /* stopped early, go on later */
	LLMILL_EXIT_INTERRUPTED = 130, /* interrupted at the terminal */
};

enum llmill_format {
	LLMILL_FORMAT_AUTO = 0,
	LLMILL_FORMAT_LINES = 1, /* input only */
	LLMILL_FORMAT_NUL = 2,	 /* a NUL byte behind each */
	LLMILL_FORMAT_JSONL = 3,
	LLMILL_FORMAT_TXT = 4, /* output only */
	LLMILL_FORMAT_CSV = 5,
	LLMILL_FORMAT_TSV = 6,
	LLMILL_FORMAT_OPENAI_BATCH = 7,
	LLMILL_FORMAT_DB = 8,	 /* input only: prompts of a database */
	LLMILL_FORMAT_FILES = 9, /* input only: each file is a prompt */
};

/* How answers go out; strings are lent. */
enum llmill_only {
	LLMILL_ONLY_ALL = 0,
	LLMILL_ONLY_OK = 1,
	LLMILL_ONLY_FAILED = 2,
	LLMILL_ONLY_OPEN = 3,
};

struct llmill_output {
	enum llmill_format format; /* AUTO: by the file's ending, else txt on
				      a terminal and jsonl elsewhere */
	enum llmill_only only;	   /* these rows */
	const char *fields;	   /* "a,new=old": members of jsonl, columns of
				      tables; NULL: all */
	bool csv_safe; /* what a spreadsheet would compute becomes a text */
};

enum llmill_stream {
	LLMILL_STREAM_AUTO = 0, /* try where the timeout is over 120 s */
	LLMILL_STREAM_ON = 1,
	LLMILL_STREAM_OFF = 2,
	LLMILL_STREAM_TRY = 3, /* on, if the server knows how */
};

enum llmill_isolate {
	LLMILL_ISOLATE_NONE = 0,
	LLMILL_ISOLATE_NS = 1, /* in a process namespace of its own; who is not
				  root needs a user namespace around it */
};

enum llmill_progress {
	LLMILL_PROGRESS_AUTO = 0,
	LLMILL_PROGRESS_BAR = 1,
	LLMILL_PROGRESS_PLAIN = 2,
	LLMILL_PROGRESS_NONE = 3,
};

#define LLMILL_DEADLINE_JOB (-1)

/* One attempt, as it came back; what is lent dies with the call, but for
 * outcome and advice. */
struct llmill_attempt {
	uint32_t index;	  /* of the prompt, from 0 */
	uint32_t attempt; /* from 1 */
	bool answered;
	const char *outcome; /* name */
	int http_status;     /* 0 none */
	int64_t duration_ms;
	int64_t input_tokens;  /* -1 unknown */
	int64_t output_tokens; /* -1 unknown */
	const char *text;      /* answer; NULL none */
	size_t text_size;
	const char *error; /* reason; NULL none */
	size_t error_size;
	const char *model; /* that answered; NULL unknown */
	size_t model_size;
	const char *advice; /* what to do about it; NULL for an answer */
};

/* One prompt, when all is over; what is lent dies with the call. */
enum llmill_result_state {
	LLMILL_RESULT_OPEN = 0,
	LLMILL_RESULT_ANSWERED = 1,
	LLMILL_RESULT_FAILED = 2,
};

struct llmill_result {
	uint32_t index; /* from 0 */
	enum llmill_result_state state;
	const char *text; /* as llm_results has it; NULL: open */
	size_t text_size;
};

/* All settings; strings are lent. Times are in ns. Lists end with NULL. */
struct llmill_run_conf {
	/* input */
	const char *const *inputs;  /* files, "-" is stdin; NULL or empty */
	const char *const *prompts; /* --prompt; NULL or empty */
	enum llmill_format input_format;
	const char *prompt_template; /* "…{{name}}…", filled in with the
					members of each record; NULL: none */
	bool skip_bad;
	uint64_t max_prompt_bytes; /* 0: 16 MiB */
	uint32_t first;		   /* hand out only the first N; 0: all */
	uint32_t range_first;	   /* 1-based, inclusive; 0: from the first */
	uint32_t range_last;	   /* 0: to the last */
	uint32_t sample;	   /* of these only so many, by lot; 0: all */
	uint64_t sample_seed;	   /* the same seed chooses the same */
	/* One shard of the list: every shard_count-th prompt from the shard-th
	 * on, from 0, under the ids of the whole; 0 and 1: all of it. */
	uint32_t shard;
	uint32_t shard_count;
	bool extend;	 /* go on with a shard although the list grew */
	uint32_t repeat; /* each record so many times; 0 and 1: once */
	bool dedup;	 /* the same request is sent once, its answer copied */

	/* backend */
	const char *backend; /* "http", "exec", "coproc", "plugin",
				"func", "echo[:SCRIPT]";
				NULL: exec when command is set, else http */
	const char *const *command;
	const char *plugin;	 /* file of a plugin (llmill_plugin.h) */
	llmill_chat_fn *chat_fn; /* func; chat_arg is its arg */
	void *chat_arg;
	const char *api; /* of http: "openai", "anthropic"; NULL: openai */
	const char *const *urls; /* servers that do the same, NULL-terminated:
				    "gpu1:8000,weight=2,max=64", also
				    "unix:/run/llm.sock"; NULL: where
				    llmill_find_place says */
	bool urls_recalled; /* they stand only in a database: a key goes there
			       when it is named, or by default */
	const char *model;
	const char *system; /* with {{name}} in it each record has its own */
	const char *const *params;  /* "KEY=VALUE" */
	int64_t max_tokens;	    /* 0: not sent */
	const char *const *headers; /* "Name: value" */
	const char *key_file;
	const char *key_env;
	const char *cacert; /* PEM file of the only authorities to trust; NULL:
			       $SSL_CERT_FILE and _DIR, or the system's */
	enum llmill_stream stream; /* answers piece by piece */
	bool keep_raw;		   /* keep every response body */
	bool allow_http_key;	   /* send a key over plain http to any host */
	bool allow_empty;

	/* running */
	uint32_t workers;	 /* 1 … 8192 */
	uint32_t retry_attempts; /* 0 and 1: one try */
	int64_t retry_delay_ns;
	int64_t timeout_ns;	  /* 0: 600 s for http, 60 s else */
	int64_t start_timeout_ns; /* of a coproc command, to its first line */
	int64_t connect_timeout_ns;
	int64_t first_byte_timeout_ns; /* 0: none */
	int64_t stall_timeout_ns;      /* < 0: 120 s while streaming, else
					  none; 0: none */
	int64_t wait_server_ns; /* < 0: 30 s before, 900 s after the first
				   answer */
	int64_t max_wait_ns;
	/* End by then, in ms since 1970, and begin no call that would not; 0:
	 * never; LLMILL_DEADLINE_JOB: a minute before our batch job does. */
	int64_t deadline_ms;
	int64_t kill_grace_ns;
	uint64_t max_answer_bytes;
	uint32_t poison;
	uint32_t worker_jobs;	/* prompts until a worker is replaced; 0: any */
	uint64_t worker_memory; /* bytes, with all that it started; 0: any */
	int64_t worker_cpu_ns;	/* of each of its processes; 0: any */
	enum llmill_isolate isolate; /* of each worker */
	bool adaptive;	      /* as many calls at once as the server bears */
	uint32_t min_workers; /* then at least, 1 … workers */

	/* limits, 0: none; those that end a run count over all runs of the
	 * database */
	uint64_t rpm; /* requests per minute */
	uint64_t tpm; /* tokens per minute */
	uint64_t max_requests;
	uint64_t max_tokens_total;
	uint64_t max_cost; /* in millionths of the currency */
	uint64_t price_in; /* likewise, per million tokens; 0 and 0: unknown */
	uint64_t price_out;
	uint64_t max_failures;	     /* prompts */
	double max_failures_percent; /* of all prompts, 0 … 100 */

	/* database and output */
	const char *db; /* NULL: default name */
	bool no_db;
	bool new_db; /* never go on with an old default-named one */
	bool require_db;
	const char *scratch;	  /* a directory on this node: db is worked on
				     there, and copied to its place; "": what
				     $SLURM_TMPDIR says; NULL none */
	int64_t scratch_every_ns; /* between two copies, > 0 */
	bool steal_lock;	  /* of another host */
	int64_t wait_lock_ns; /* for another llmill on it; < 0: 12 minutes for
				 one of another host, without a terminal */
	bool resume;	      /* go on with db by the prompts in it; no input */
	const char *redo;     /* "failed,empty,na,length,7,20-30": these again;
				 NULL none */
	const char *output;   /* file or "-"; NULL none */
	struct llmill_output answers; /* how they stand there */

	/* seeing */
	int verbosity; /* -1 quiet, 0, 1, 2 */
	int screen_fd; /* people look here (stderr); -1 none */
	int result_fd; /* dry run and --json go here (stdout); -1 none */
	enum llmill_progress progress;
	const char *report; /* a page about the run, written anew; NULL none */
	int64_t report_every_ns; /* > 0 */
	const char *metrics;	 /* file for Prometheus; NULL none */
	const char *log_path;
	bool json;
	bool dry_run;

	/* the program's own business */
	const char *const *argv; /* as typed, for llm_runs and the line that
				    goes on; NULL in a library host */
	/* The words behind the first two, without those that choose a part of
	 * the list (first, range, sample); NULL: there are none such. */
	const char *const *rest_argv;
	bool take_signals; /* SIGINT, SIGTERM and others are ours meanwhile */
	bool set_titles;   /* setproctitle_init was called */
	bool own_process;  /* subreaper, rlimits: this process is ours */

	int stop_fd; /* an eventfd: once readable the run ends as by SIGTERM;
			-1 none */

	void (*on_attempt)(void *arg, const struct llmill_attempt *attempt);
	void *on_attempt_arg;
	/* A prompt is through, and that is durable. */
	void (*on_done)(void *arg, bool answered);
	void *on_done_arg;
	/* At the end, for each prompt in order. */
	void (*on_result)(void *arg, const struct llmill_result *result);
	void *on_result_arg;
};

/* Fill in all defaults. */
void llmill_run_conf_init(struct llmill_run_conf *conf);

/* Read a moment as people type it: 18:30, 2026-11-23T18:30, @EPOCH, +8h,
 * +08:00:00. Gives ms since 1970, -1 for anything else. */
int64_t llmill_moment(const char *text);

/* Where requests go, and with which key, if nothing else is said. */
struct llmill_place {
	const char *url;
	const char *url_variable; /* "$OPENAI_BASE_URL": it stands there;
				     NULL: the API's own */
	const char *key_variable; /* "$OPENAI_API_KEY", set or not */
};

/* Look it up for an API (NULL: openai). False when there is none so named. */
bool llmill_find_place(const char *api, struct llmill_place *place);

/*
 * Run. Gives an enum llmill_exit; err says why for every status but 0, 1, 4,
 * 69, 74, 75 and 130 of a run that began (its summary has said it), else its
 * text is empty.
 */
int llmill_run(const struct llmill_run_conf *conf, struct llmill_err *err);

/*
 * Going on from a database alone: what the last run on it was told.
 */
struct llmill_recalled;

/*
 * Fill conf (after llmill_run_conf_init, before settings that shall stand over
 * these) with resume, db, and what the last run had: backend, API, URL, model,
 * system text, parameters, workers, tries, times. Never a command, a file
 * name, a header's value or a key.
 * Takes db, lent to conf. Gives LLMILL_EXIT_OK, else err. *recalled owns the
 * strings in conf; free it in any case, when conf is done with.
 */
int llmill_recall(const char *db, struct llmill_run_conf *conf,
    struct llmill_recalled **recalled, struct llmill_err *err);

/* Gives what the last run went through, quoted for a shell; NULL: no command.
 */
const char *llmill_recalled_command(const struct llmill_recalled *recalled);

/* Gives the names of the headers that the last run sent; NULL: none. */
const char *llmill_recalled_headers(const struct llmill_recalled *recalled);

void llmill_recalled_free(struct llmill_recalled *recalled);

/* Append-free helper for messages: copy text with terminal controls escaped,
 * cut to size. Gives out. */
const char *llmill_escape(const char *text, char *out, size_t size);

/* Write "llmill 0.1.0 (SQLite 3.40.1, libcurl 7.88.1)", cut to size. Gives
 * out. */
const char *llmill_version_text(char *out, size_t size);

LLMILL_END

#endif
