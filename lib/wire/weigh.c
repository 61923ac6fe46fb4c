/* SPDX-License-Identifier: ISC */
/*
 * Children are listed by the thread that made them (Linux 3.5 and newer), so
 * no other process of the machine is looked at.
 */
#include "wire/weigh.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define DEPTH_MAX 32 /* a fork bomb is not followed to its end */
#define PROCESSES_MAX 4096
#define PATH_BYTES 64

struct weighing {
	uint64_t bytes;
	unsigned processes;
};

/* Read the start of a file. Gives the bytes read. */
static size_t
read_start(const char *path, char *data, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd == -1 ? -1 : read(fd, data, size - 1);

	if (fd != -1)
		close(fd);
	data[got > 0 ? got : 0] = '\0';
	return got > 0 ? (size_t)got : 0;
}

static uint64_t
resident_bytes(pid_t pid)
{
	char path[PATH_BYTES];
	char text[128];
	unsigned long long whole;
	unsigned long long resident;

	snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
	if (read_start(path, text, sizeof(text)) == 0 ||
	    sscanf(text, "%llu %llu", &whole, &resident) != 2)
		return 0;
	return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void weigh(struct weighing *weighing, pid_t pid, unsigned depth);

static void
weigh_children(
    struct weighing *weighing, pid_t pid, const char *thread, unsigned depth)
{
	char path[PATH_BYTES];
	char list[4096];
	char *at = list;
	char *end;
	long child;

	snprintf(path, sizeof(path), "/proc/%d/task/%.20s/children", (int)pid,
	    thread);
	read_start(path, list, sizeof(list));
	while ((child = strtol(at, &end, 10)) > 1 && end != at) {
		weigh(weighing, (pid_t)child, depth + 1);
		at = end;
	}
}

static void
weigh(struct weighing *weighing, pid_t pid, unsigned depth)
{
	char path[PATH_BYTES];
	struct dirent *thread;
	DIR *threads;

	if (depth > DEPTH_MAX || ++weighing->processes > PROCESSES_MAX)
		return;
	weighing->bytes += resident_bytes(pid);
	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	threads = opendir(path);
	if (threads == NULL)
		return;
	while ((thread = readdir(threads)) != NULL)
		if (isdigit((unsigned char)thread->d_name[0]))
			weigh_children(weighing, pid, thread->d_name, depth);
	closedir(threads);
}

uint64_t
weigh_tree(pid_t pid)
{
	struct weighing weighing = {.bytes = 0};

	weigh(&weighing, pid, 0);
	return weighing.bytes;
}
