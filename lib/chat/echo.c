/* SPDX-License-Identifier: ISC */
/*
 * The null backend: it answers with the prompt and misbehaves by script. All
 * chance is a hash of seed, prompt and attempt, so that a run with faults can
 * be repeated and a test can say beforehand what must happen.
 */
#include "chat/echo.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <bsd/stdlib.h>
#include <bsd/string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/must.h"
#include "chat/chat.h"
#include "chat/kinds.h"
#include "wire/spawn.h"

#define SCRIPT_MAX_BYTES 512
#define MS_MAX 86400000 /* a day: longer sleeps are typing errors */
#define ANSWER_MAX_BYTES ((long long)1 << 30)
#define KEYS                                                                   \
	"ms, fail, refuse, empty, hang, crash, exit, garbage, bytes, tries, "  \
	"seed"

static const char *const fault_keys[ECHO_NONE] = {
    [ECHO_FAIL] = "fail",
    [ECHO_REFUSE] = "refuse",
    [ECHO_EMPTY] = "empty",
    [ECHO_HANG] = "hang",
    [ECHO_CRASH] = "crash",
    [ECHO_EXIT] = "exit",
    [ECHO_GARBAGE] = "garbage",
};

struct echo {
	struct echo_script script;
	struct buf answer; /* of bytes=N; empty: the prompt itself */
};

/* ---- the script ---- */

/* Read a whole number of that range. Gives false when it is none. */
static bool
read_number(const char *text, long long least, long long most, long long *value)
{
	const char *reason;

	if (text[0] < '0' || text[0] > '9')
		return false;
	*value = strtonum(text, least, most, &reason);
	return reason == NULL;
}

/* Read "0.5%" as 0.005, whatever the locale. */
static bool
read_share(const char *text, double *share)
{
	double value = 0;
	double place = 1;
	bool fraction = false;
	bool digits = false;

	for (; *text != '%'; text++) {
		if (*text == '.' && !fraction) {
			fraction = true;
			continue;
		}
		if (*text < '0' || *text > '9')
			return false;
		digits = true;
		if (fraction)
			value += (*text - '0') * (place /= 10);
		else
			value = value * 10 + (*text - '0');
	}
	*share = value / 100;
	return digits && text[1] == '\0' && *share <= 1;
}

/* Read "50" or "50-200". */
static bool
read_delay(const char *text, struct echo_script *script)
{
	char first[32] = "";
	const size_t size = strcspn(text, "-");
	long long least;
	long long most;

	if (size >= sizeof(first))
		return false;
	memcpy(first, text, size);
	if (!read_number(first, 0, MS_MAX, &least))
		return false;
	most = least;
	if (text[size] == '-' &&
	    !read_number(text + size + 1, least, MS_MAX, &most))
		return false;
	script->ms_least = least;
	script->ms_most = most;
	return true;
}

/* Gives what the value should have been, or NULL when it was taken. */
static const char *
read_setting(const char *key, const char *value, struct echo_script *script)
{
	long long number;

	for (int i = 0; i < ECHO_NONE; i++)
		if (strcmp(key, fault_keys[i]) == 0)
			return read_share(value, &script->share[i])
				   ? NULL
				   : "wants a share from 0% to 100%, such as "
				     "0.5%";
	if (strcmp(key, "ms") == 0)
		return read_delay(value, script)
			   ? NULL
			   : "wants milliseconds, such as 50 or 50-200";
	if (strcmp(key, "bytes") == 0) {
		if (!read_number(value, 1, ANSWER_MAX_BYTES, &number))
			return "wants a number from 1 to 1073741824";
		script->bytes = (uint64_t)number;
		return NULL;
	}
	if (strcmp(key, "tries") == 0) {
		if (!read_number(value, 1, UINT32_MAX, &number))
			return "wants a number from 1 to 4294967295";
		script->tries = (uint32_t)number;
		return NULL;
	}
	if (strcmp(key, "seed") == 0) {
		if (!read_number(value, 0, INT64_MAX, &number))
			return "wants a number from 0";
		script->seed = (uint64_t)number;
		return NULL;
	}
	return "is not known; there are " KEYS;
}

static int
check_sum(const struct echo_script *script, struct err *err)
{
	double sum = 0;

	for (int i = 0; i < ECHO_NONE; i++)
		sum += script->share[i];
	/* Room for what adding decimals in binary leaves over. */
	if (sum > 1 + 1e-9)
		return err_set(err, ERR_USAGE,
		    "echo: the faults add up to %g%%: each attempt meets at "
		    "most one, so 100%% is all there is",
		    sum * 100);
	return 0;
}

int
echo_read_script(const char *text, struct echo_script *script, struct err *err)
{
	char copy[SCRIPT_MAX_BYTES];
	char *rest = copy;
	char *setting;

	*script = (struct echo_script){0};
	if (text == NULL || text[0] == '\0')
		return 0;
	if (strlcpy(copy, text, sizeof(copy)) >= sizeof(copy))
		return err_set(err, ERR_USAGE,
		    "echo: a script has at most %d bytes",
		    SCRIPT_MAX_BYTES - 1);
	while ((setting = strsep(&rest, ",")) != NULL) {
		char *value = strchr(setting, '=');
		const char *trouble;

		if (value == NULL)
			return err_set(err, ERR_USAGE,
			    "echo: \"%s\" is no KEY=VALUE; there are " KEYS,
			    setting);
		*value++ = '\0';
		trouble = read_setting(setting, value, script);
		if (trouble != NULL)
			return err_set(err, ERR_USAGE, "echo: %s=%s: %s %s",
			    setting, value, setting, trouble);
	}
	return check_sum(script, err);
}

/* ---- chance ---- */

/* The finaliser of splitmix64: every bit out depends on every bit in. */
static uint64_t
mix(uint64_t value)
{
	value += 0x9e3779b97f4a7c15;
	value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
	value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
	return value ^ (value >> 31);
}

/* Gives 64 bits of chance; purpose keeps two questions apart. */
static uint64_t
chance(const struct echo_script *script, uint32_t index, uint32_t attempt,
    uint64_t purpose)
{
	return mix(
	    mix(script->seed + purpose) ^ ((uint64_t)index << 32 | attempt));
}

enum echo_fault
echo_choose(const struct echo_script *script, uint32_t index, uint32_t attempt)
{
	/* 53 bits, what a double holds: 0 ≤ draw < 1. */
	const double draw =
	    (double)(chance(script, index, attempt, 0) >> 11) * 0x1p-53;
	double below = 0;

	if (script->tries != 0 && attempt > script->tries)
		return ECHO_NONE;
	for (int i = 0; i < ECHO_NONE; i++) {
		below += script->share[i];
		if (draw < below)
			return (enum echo_fault)i;
	}
	return ECHO_NONE;
}

/* ---- the call ---- */

static int
echo_check(const struct chat_conf *conf, struct err *err)
{
	struct echo_script script;

	return echo_read_script(conf->script, &script, err);
}

static void
echo_close(void *arg)
{
	struct echo *self = arg;

	buf_free(&self->answer);
	free(self);
}

static void *
echo_open(const struct chat_conf *conf, uint32_t worker, struct reply *reply)
{
	struct echo *self = calloc(1, sizeof(*self));

	(void)worker;
	if (self == NULL)
		goto no_memory;
	MUST(echo_read_script(conf->script, &self->script, NULL) == 0);
	if (self->script.seed == 0)
		self->script.seed = conf->random_seed;
	buf_init(&self->answer, self->script.bytes);
	if (self->script.bytes > 0) {
		char *place = buf_reserve(&self->answer, self->script.bytes);

		if (place == NULL)
			goto no_memory;
		for (uint64_t i = 0; i < self->script.bytes; i++)
			place[i] = (char)('a' + i % 26);
		buf_grow(&self->answer, self->script.bytes);
	}
	return self;
no_memory:
	free(self);
	reply->outcome = OUTCOME_OUT_OF_MEMORY;
	reply->error = span_of("no memory for the echo");
	return NULL;
}

/* Deaf to everything but SIGKILL. */
static _Noreturn void
hang(void)
{
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	for (;;)
		pause();
}

/* As a wild pointer would, but without a core file for each. */
static _Noreturn void
crash(void)
{
	const struct rlimit none = {0, 0};

	setrlimit(RLIMIT_CORE, &none);
	signal(SIGSEGV, SIG_DFL);
	raise(SIGSEGV);
	abort();
}

/* Sleep as the script says, but no longer than allowed and wanted. Gives
 * OUTCOME_OK when the whole time passed. */
static enum outcome
delay(const struct echo *self, const struct chat_request *request)
{
	const struct echo_script *script = &self->script;
	const uint64_t range =
	    (uint64_t)(script->ms_most - script->ms_least) + 1;
	const int64_t ms =
	    script->ms_least +
	    (int64_t)(chance(script, request->index, request->attempt, 1) %
		      range);
	const int64_t done_ns = clock_add(request->started_ns, ms * CLOCK_MS);
	const int64_t late_ns =
	    clock_add(request->started_ns, request->allowed_ns);
	const int64_t until_ns = done_ns < late_ns ? done_ns : late_ns;
	struct pollfd stop = {.fd = request->stop_fd, .events = POLLIN};
	int64_t now_ns;

	while ((now_ns = clock_now_ns()) < until_ns)
		if (poll(&stop, 1, clock_wait_ms(now_ns, until_ns)) == 1)
			return OUTCOME_INTERRUPTED;
	return done_ns <= late_ns ? OUTCOME_OK : OUTCOME_TIMEOUT_TOTAL;
}

static void
suffer(enum echo_fault fault, struct reply *reply)
{
	unsigned char rubbish[64];

	switch (fault) {
	case ECHO_FAIL:
		reply->outcome = OUTCOME_SERVER_ERROR;
		reply->error = span_of("echo: failed by script");
		return;
	case ECHO_REFUSE:
		reply->outcome = OUTCOME_REFUSED;
		reply->error = span_of("echo: refused by script");
		return;
	case ECHO_EMPTY:
		reply->text = span_of("");
		return;
	case ECHO_CRASH:
		crash();
	case ECHO_EXIT:
		_exit(0);
	case ECHO_GARBAGE:
		memset(rubbish, 0xff, sizeof(rubbish));
		fd_write_all(SPAWN_UP_FD, rubbish, sizeof(rubbish));
		hang();
	case ECHO_HANG:
		hang();
	case ECHO_NONE:
		break;
	}
}

static void
echo_call(void *arg, const struct chat_request *request, struct reply *reply)
{
	struct echo *self = arg;
	const enum echo_fault fault =
	    echo_choose(&self->script, request->index, request->attempt);

	reply->outcome = delay(self, request);
	if (reply->outcome == OUTCOME_TIMEOUT_TOTAL)
		reply->error = span_of("no answer within the time allowed");
	else if (reply->outcome == OUTCOME_INTERRUPTED)
		reply->error = span_of("interrupted");
	else if (fault != ECHO_NONE)
		suffer(fault, reply);
	else
		reply->text = self->script.bytes > 0 ? buf_span(&self->answer)
						     : request->record.text;
}

const struct chat chat_echo = {
    .name = "echo",
    .check = echo_check,
    .open = echo_open,
    .call = echo_call,
    .close = echo_close,
};
