/* SPDX-License-Identifier: ISC */
#ifndef DEEDS_H
#define DEEDS_H

/*
 * What backends do that they should not, by name; for plugin.c, which does it
 * in the worker, and beast.c, which is a command. Those that come to an end
 * are done before the answer.
 *
 *	segv abort exit hang stop	what they say
 *	deaf		hangs and does not hear SIGTERM
 *	daemon		leaves a process of a session of its own
 *	bomb		forks, and so do its children, up to a limit
 *	noise		a megabyte on stdout and stderr
 *	flood		a gigabyte on stdout
 *	babble		writes to stderr for ever
 *	closes		closes all descriptors
 *	hoards N	takes N MB and keeps them, then sleeps
 *	burns		never stops computing
 *	scribbles	writes to all descriptors from 3 on
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEED_DESCRIPTORS 1024
#define DEED_USER 64999	   /* nobody has it: its processes are the bomb's */
#define DEED_PROCESSES 60  /* that a bomb may have */
#define DEED_FLOOD_MB 1024 /* of output */

static void
deed_hang(int deaf)
{
	if (deaf)
		signal(SIGTERM, SIG_IGN);
	for (;;)
		pause();
}

static void
deed_daemon(void)
{
	if (fork() == 0) {
		setsid();
		if (fork() == 0)
			deed_hang(0);
		_exit(0);
	}
	wait(NULL);
}

/* How many processes a limit has to allow to allow this one. */
static rlim_t
deed_count_processes(void)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	rlim_t count = 0;

	while (proc != NULL && (entry = readdir(proc)) != NULL)
		count += entry->d_name[0] >= '1' && entry->d_name[0] <= '9';
	if (proc != NULL)
		closedir(proc);
	return count;
}

/* No limit holds for root: it is given up first. */
static void
deed_bomb(void)
{
	struct rlimit limit = {DEED_PROCESSES, DEED_PROCESSES};

	if (fork() != 0)
		deed_hang(0);
	if (setuid(DEED_USER) == -1) {
		limit.rlim_cur += deed_count_processes();
		limit.rlim_max = limit.rlim_cur;
	}
	if (getuid() == 0 || setrlimit(RLIMIT_NPROC, &limit) == -1)
		abort();
	signal(SIGTERM, SIG_IGN);
	for (;;)
		fork();
}

static void
deed_write(int fd, int megabytes)
{
	static char piece[1 << 16];

	memset(piece, 'n', sizeof(piece));
	for (int i = 0; megabytes < 0 || i < megabytes * 16; i++)
		if (write(fd, piece, sizeof(piece)) == -1 && errno != EAGAIN)
			return;
}

static void
deed_noise(void)
{
	deed_write(STDOUT_FILENO, 1);
	deed_write(STDERR_FILENO, 1);
}

static void
deed_hoard(size_t megabytes)
{
	char *memory = malloc(megabytes << 20);

	if (memory == NULL)
		abort();
	memset(memory, 'h', megabytes << 20);
	deed_hang(0);
}

/* A full pipe must not hold it. */
static void
deed_scribble(void)
{
	for (int fd = 3; fd < DEED_DESCRIPTORS; fd++) {
		int flags = fcntl(fd, F_GETFL);

		if (flags == -1)
			continue;
		fcntl(fd, F_SETFL, flags | O_NONBLOCK);
		if (write(fd, "scribble", 8) == -1 && errno == EPIPE)
			abort();
	}
}

static void
deed_do(const char *deed)
{
	if (strcmp(deed, "segv") == 0)
		*(volatile int *)8 = 0;
	else if (strcmp(deed, "abort") == 0)
		abort();
	else if (strcmp(deed, "exit") == 0)
		exit(0);
	else if (strcmp(deed, "hang") == 0 || strcmp(deed, "deaf") == 0)
		deed_hang(deed[0] == 'd');
	else if (strcmp(deed, "stop") == 0)
		raise(SIGSTOP);
	else if (strcmp(deed, "daemon") == 0)
		deed_daemon();
	else if (strcmp(deed, "bomb") == 0)
		deed_bomb();
	else if (strcmp(deed, "noise") == 0)
		deed_noise();
	else if (strcmp(deed, "flood") == 0)
		deed_write(STDOUT_FILENO, DEED_FLOOD_MB);
	else if (strcmp(deed, "babble") == 0)
		deed_write(STDERR_FILENO, -1);
	else if (strncmp(deed, "hoards ", 7) == 0)
		deed_hoard((size_t)atol(deed + 7));
	else if (strcmp(deed, "burns") == 0)
		for (volatile int i = 0;; i++)
			continue;
	else if (strcmp(deed, "scribbles") == 0)
		deed_scribble();
	else if (strcmp(deed, "closes") == 0)
		for (int fd = 0; fd < DEED_DESCRIPTORS; fd++)
			close(fd);
}

#endif
