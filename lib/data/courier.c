/* SPDX-License-Identifier: ISC */
#include "data/courier.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bsd/unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/must.h"
#include "wire/reap.h"
#include "wire/spawn.h"

#define LOOKS 3 /* its birth, its death, one to spare */
#define DEATH_WAIT_MS                                                          \
	1000 /* after SIGKILL; a dead server may hold it longer                \
	      */

struct courier {
	struct courier_conf conf;
	struct nursery *nursery;
	unsigned journeys;
	char *part; /* what one that is killed leaves */
	bool is_out;
	int word_fd; /* what it says at the end; -1: none is out */
	int pid_fd;  /* -1: not born yet */
};

/* The journey: one word to go with, and one of how it went. */
static int
live(const struct spawn_child *child, void *arg)
{
	const struct courier *courier = arg;
	struct err err = {0};
	struct buf word;

	if (child->titled)
		setproctitle("-llmill: %s", courier->conf.title);
	buf_init(&word, PIPE_BUF + 1);
	if (fd_read_all(child->down_fd, &word) == -1)
		err_set_errno(&err, "cannot hear what to do");
	else
		(void)courier->conf.work(
		    courier->conf.arg, buf_span(&word).data, &err);
	buf_free(&word);
	return fd_write_all(child->up_fd, &err, sizeof err) == -1;
}

struct courier *
courier_new(const struct courier_conf *conf, struct err *err)
{
	struct courier *courier = calloc(1, sizeof *courier);
	const struct heritage heritage = {
	    .live = live, .arg = courier, .titled = conf->titled};

	if (courier == NULL) {
		err_set_memory(err, "courier");
		return NULL;
	}
	courier->conf = *conf;
	if (asprintf(&courier->part, "%s.part", conf->path) == -1) {
		free(courier);
		err_set_memory(err, "courier");
		return NULL;
	}
	courier->word_fd = -1;
	courier->pid_fd = -1;
	courier->nursery = nursery_open(&heritage, err);
	if (courier->nursery != NULL)
		return courier;
	free(courier->part);
	free(courier);
	return NULL;
}

/* The word fits the pipe: nobody waits. */
static int
ask(struct courier *courier, const char *word, int up_fd)
{
	int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	int down[2] = {-1, -1};
	int done = -1;

	if (null_fd != -1 && pipe2(down, O_CLOEXEC) == 0 &&
	    fd_write_all(down[1], word, strlen(word)) == 0)
		done = nursery_ask(courier->nursery, 0, ++courier->journeys,
		    down[0], up_fd, null_fd);
	fd_close(&down[0]);
	fd_close(&down[1]);
	fd_close(&null_fd);
	return done;
}

int
courier_send(struct courier *courier, const char *word, struct err *err)
{
	int ends[2];
	int done;

	MUST(!courier->is_out && strlen(word) <= PIPE_BUF);
	if (pipe2(ends, O_CLOEXEC) == -1)
		return err_set_errno(err, "cannot make a pipe");
	done = ask(courier, word, ends[1]);
	/* Somebody killed it. */
	if (done == -1 && errno == EPIPE &&
	    nursery_reopen(courier->nursery, err) == 0)
		done = ask(courier, word, ends[1]);
	if (done == -1)
		err_set_errno(
		    err, "cannot start a process that %s", courier->conf.title);
	fd_close(&ends[1]);
	courier->word_fd = ends[0];
	courier->is_out = done == 0;
	if (done == -1)
		fd_close(&courier->word_fd);
	return done;
}

bool
courier_is_out(const struct courier *courier)
{
	return courier->is_out;
}

/* Its birth is over: the pidfd is ours. Gives -1 when it will never be. */
static int
take_birth(struct courier *courier)
{
	struct birth birth;
	int got;

	if (courier->pid_fd != -1)
		return 0;
	got = nursery_next(courier->nursery, &birth);
	if (got == 1)
		courier->pid_fd = birth.pid_fd;
	return got == -1 || (got == 1 && birth.pid_fd == -1) ? -1 : 0;
}

/* It is dead, or never was: what did it say? */
static int
hear(struct courier *courier, const struct death *death, struct err *err)
{
	struct err word;
	char how[64] = "it was never born";
	ssize_t got = read(courier->word_fd, &word, sizeof word);

	fd_close(&courier->word_fd);
	fd_close(&courier->pid_fd);
	courier->is_out = false;
	if (got == (ssize_t)sizeof word && word.class == ERR_NONE)
		return 1;
	if (got == (ssize_t)sizeof word && err != NULL)
		*err = word;
	if (got == (ssize_t)sizeof word)
		return -1;
	if (death != NULL)
		reap_describe(death, how, sizeof how);
	return err_set(err, ERR_SYSTEM, "cannot write %s: the process: %s",
	    courier->conf.path, how);
}

int
courier_look(struct courier *courier, struct err *err)
{
	struct death death;

	MUST(courier->is_out);
	if (take_birth(courier) == -1)
		return hear(courier, NULL, err);
	if (courier->pid_fd == -1 ||
	    reap_look(courier->pid_fd, &death) == REAP_ALIVE)
		return 0;
	reap_bury(courier->pid_fd);
	return hear(courier, &death, err);
}

void
courier_recall(struct courier *courier)
{
	struct pollfd look = {.events = POLLIN};
	bool is_told = false;

	if (!courier->is_out)
		return;
	for (int i = 0; i < LOOKS && courier->is_out; i++) {
		if (courier->pid_fd != -1 && !is_told)
			is_told = reap_signal(courier->pid_fd, SIGKILL) == 0;
		look.fd = courier->pid_fd != -1 ? courier->pid_fd
						: nursery_fd(courier->nursery);
		(void)poll(&look, 1, DEATH_WAIT_MS);
		(void)courier_look(courier, NULL);
	}
	/* One that cannot die yet is left to itself. */
	(void)unlink(courier->part);
	fd_close(&courier->word_fd);
	fd_close(&courier->pid_fd);
	courier->is_out = false;
}

void
courier_free(struct courier *courier)
{
	if (courier == NULL)
		return;
	courier_recall(courier);
	nursery_close(courier->nursery);
	free(courier->part);
	free(courier);
}
