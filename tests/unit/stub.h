/* SPDX-License-Identifier: ISC */
#ifndef STUB_H
#define STUB_H

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "assert_text.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/json.h"
#include "chat/chat.h"
#include "chat/kinds.h"

/*
 * For tests of the http backend: the scripted server of tests/stub (or
 * $STUB_DIR) in a process of its own, and calls of the backend against it.
 * Include it behind cmocka.h.
 */
#define READY_WAIT_MS 10000
#define CALL_WAIT_NS (20 * CLOCK_S)

struct stub {
	pid_t pid;
	int in;	 /* its stdin: closing it ends the server */
	int out; /* its ready line */
	char dir[1024];
	char script[1056];
	char log[1056];
	char url[64];

	struct chat_conf conf;
	void *self; /* the backend, once it is open */
};

static inline void
run_server(struct stub *stub, int in, int out)
{
	const char *dir = getenv("STUB_DIR");
	char path[4096];

	snprintf(path, sizeof(path), "%s/llm_server.py",
	    dir == NULL ? "tests/stub" : dir);
	dup2(in, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	execl("/usr/bin/python3", "python3", path, "--script", stub->script,
	    "--log", stub->log, (char *)NULL);
	_exit(127);
}

static inline void
await_ready(struct stub *stub)
{
	struct pollfd poll_fd = {.fd = stub->out, .events = POLLIN};
	struct buf line;

	buf_init(&line, 256);
	while (line.size == 0 || line.data[line.size - 1] != '\n') {
		assert_int_equal(poll(&poll_fd, 1, READY_WAIT_MS), 1);
		assert_true(fd_read(stub->out, &line, 128) > 0);
	}
	assert_int_equal(sscanf(line.data, "ready %63s", stub->url), 1);
	buf_free(&line);
}

/* Start a server with a script (a JSON list of rules). */
static inline struct stub *
start(const char *script)
{
	const char *tmp = getenv("TMPDIR");
	struct stub *stub = calloc(1, sizeof(*stub));
	int in;
	int fd;
	int out;

	assert_non_null(stub);
	snprintf(stub->dir, sizeof(stub->dir), "%s/llmill-test-XXXXXX",
	    tmp == NULL ? "/tmp" : tmp);
	assert_non_null(mkdtemp(stub->dir));
	snprintf(stub->script, sizeof(stub->script), "%s/script", stub->dir);
	snprintf(stub->log, sizeof(stub->log), "%s/log", stub->dir);
	fd = open(stub->script, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(fd_write_all(fd, script, strlen(script)), 0);
	close(fd);
	assert_int_equal(fd_pipe(&in, &stub->in, NULL), 0);
	assert_int_equal(fd_pipe(&stub->out, &out, NULL), 0);
	stub->pid = fork();
	assert_true(stub->pid >= 0);
	if (stub->pid == 0)
		run_server(stub, in, out);
	close(in);
	close(out);
	await_ready(stub);
	stub->conf = (struct chat_conf){
	    .kind = &chat_http,
	    .answer_cap_bytes = 64 << 10,
	    .endpoints = {{.url = stub->url}},
	    .endpoint_count = 1,
	    .model = "m",
	    .connect_timeout_ms = 10000,
	};
	return stub;
}

static inline void
stop(struct stub *stub)
{
	int status;

	chat_http.close(stub->self);
	close(stub->in);
	close(stub->out);
	assert_int_equal(waitpid(stub->pid, &status, 0), stub->pid);
	assert_int_equal(status, 0);
	unlink(stub->script);
	unlink(stub->log);
	rmdir(stub->dir);
	free(stub);
}

static inline void
open_backend(struct stub *stub)
{
	struct err err;
	struct reply reply;

	reply_init(&reply);
	if (chat_http.check(&stub->conf, &err) != 0)
		fail_msg("%s", err.text);
	stub->self = chat_http.open(&stub->conf, 0, &reply);
	assert_non_null(stub->self);
}

static inline struct reply
call_with(
    struct stub *stub, const char *prompt, int64_t allowed_ns, int stop_fd)
{
	struct chat_request request = {
	    .attempt = 1,
	    .record.text = span_of(prompt),
	    .started_ns = clock_now_ns(),
	    .allowed_ns = allowed_ns,
	    .stop_fd = stop_fd,
	};
	struct reply reply;

	if (stub->self == NULL)
		open_backend(stub);
	chat_http.call(stub->self, &request, &reply);
	return reply;
}

static inline struct reply
call(struct stub *stub, const char *prompt)
{
	return call_with(stub, prompt, CALL_WAIT_NS, -1);
}

static inline bool
holds(struct span text, const char *part)
{
	return text.data != NULL &&
	       memmem(text.data, text.size, part, strlen(part)) != NULL;
}

static inline void
assert_holds(struct span text, const char *part)
{
	if (!holds(text, part))
		fail_msg("\"%.*s\" holds no \"%s\"", (int)text.size,
		    text.data == NULL ? "" : text.data, part);
}

static inline void
assert_outcome(const struct reply *reply, enum outcome want)
{
	if (reply->outcome != want)
		fail_msg("%s instead of %s: %.*s",
		    outcome_trait(reply->outcome)->name,
		    outcome_trait(want)->name, (int)reply->error.size,
		    reply->error.data == NULL ? "" : reply->error.data);
}

/* Read the n-th request of the log (from 0). Gives NULL when there is none;
 * json_free it. */
static inline struct json *
read_request(const struct stub *stub, size_t number)
{
	struct json *found = NULL;
	struct buf all;
	int fd = open(stub->log, O_RDONLY | O_CLOEXEC);
	char *rest;
	char *line;

	assert_true(fd >= 0);
	buf_init(&all, (size_t)16 << 20);
	assert_int_equal(fd_read_all(fd, &all), 0);
	close(fd);
	rest = all.data;
	while (found == NULL && (line = strsep(&rest, "\n")) != NULL) {
		struct json *root = json_parse(span_of(line), NULL);
		struct span event = json_string(json_get(root, "event"));

		if (span_equals(event, span_of("request")) && number-- == 0)
			found = root;
		else
			json_free(root);
	}
	buf_free(&all);
	return found;
}

static inline int64_t
connection_of(const struct stub *stub, size_t number)
{
	struct json *root = read_request(stub, number);
	int64_t connection = json_integer(json_get(root, "connection"), -1);

	json_free(root);
	return connection;
}

#endif
