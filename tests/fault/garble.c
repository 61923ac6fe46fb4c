/* SPDX-License-Identifier: ISC */
/*
 * A worker that does not keep to the protocol: of the frames that it writes to
 * the coordinator GARBLE_SHARE in a thousand are spoilt, each in another way.
 * Nothing else that the process writes is touched.
 *
 *	GARBLE_FILE	a line for each: "KIND WAY", the frame's kind and what
 *			was done to it
 *	GARBLE_SEED	with the process's id it chooses
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shim.h"

#define UP_FD 4 /* SPAWN_UP_FD */
#define HEAD 8	/* u32 length of what follows it, u16 kind, u16 version */
#define HELLO 3
#define BEAT 4
#define DONE 5
#define FIXED 86  /* bytes of a DONE before its texts */
#define OUTCOME 8 /* where a DONE has it, behind the ticket */
#define FLOOD 5000

static ssize_t (*real_write)(int, const void *, size_t);

static uint64_t state;

static uint32_t
chance(uint32_t below)
{
	if (state == 0)
		state = strtoull(getenv("GARBLE_SEED"), NULL, 10) +
			(uint64_t)getpid() * 0x9e3779b97f4a7c15u + 1;
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)((state >> 16) % below);
}

static uint16_t
kind_of(const unsigned char *frame)
{
	return (uint16_t)(frame[4] | frame[5] << 8);
}

/* Is that one whole frame up? */
static int
is_frame(int fd, const unsigned char *data, size_t size)
{
	uint32_t length;

	if (fd != UP_FD || size <= HEAD)
		return 0;
	memcpy(&length, data, 4);
	return length == size - 4 && data[6] == 1 && data[7] == 0 &&
	       kind_of(data) >= HELLO && kind_of(data) <= DONE;
}

static void
note(int kind, const char *way)
{
	char line[64];
	int size = snprintf(line, sizeof(line), "%d %s\n", kind, way);
	int fd = open(getenv("GARBLE_FILE"),
	    O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);

	real_write(fd, line, (size_t)size);
	close(fd);
}

/* Put a value that is seldom right over four bytes. */
static void
spoil_number(unsigned char *at)
{
	static const uint32_t values[] = {
	    0, 1, UINT32_MAX, INT32_MAX, (uint32_t)INT32_MAX + 1};
	uint32_t which = chance(6);
	uint32_t value = which < 5 ? values[which] : chance(UINT32_MAX);

	memcpy(at, &value, 4);
}

/* What a DONE says of a call may be wrong in ways that nobody can see, but its
 * texts stay: those are what the test compares. Its outcome is never another
 * that there is. */
static void
spoil_field(unsigned char *frame, size_t size)
{
	size_t room = size - HEAD;
	size_t at;

	if (kind_of(frame) == DONE && room > FIXED)
		room = FIXED;
	at = room > 4 ? chance((uint32_t)(room - 4)) : 0;
	/* A HELLO is an outcome and a text. */
	if (kind_of(frame) == HELLO)
		frame[HEAD] = (unsigned char)(100 + chance(156));
	else if (kind_of(frame) == BEAT || at + 4 <= OUTCOME || at > OUTCOME)
		spoil_number(frame + HEAD + at);
	else
		frame[HEAD + OUTCOME] = (unsigned char)(100 + chance(156));
}

static void
send_flood(const unsigned char *frame)
{
	unsigned char beat[HEAD + 16] = {20, 0, 0, 0, BEAT, 0, 1, 0};

	if (kind_of(frame) != HELLO) /* it has no ticket */
		memcpy(beat + HEAD, frame + HEAD, 8);
	for (int i = 0; i < FLOOD; i++)
		if (real_write(UP_FD, beat, sizeof(beat)) == -1)
			return;
}

/* Gives what write gives. */
static ssize_t
spoil(unsigned char *frame, size_t size)
{
	static const char *const ways[] = {"field", "field", "field", "ticket",
	    "half", "twice", "silence", "kind", "version", "length", "flood",
	    "noise"};
	static const uint32_t early[] = {0, 5, 7, 8};
	uint32_t way = chance(sizeof(ways) / sizeof(ways[0]));
	int kind = kind_of(frame);

	/* Of those that never say it only a few: each is waited for. */
	if (kind == HELLO && chance(40) > 0)
		way = early[chance(sizeof(early) / sizeof(early[0]))];
	note(kind, ways[way]);
	switch (way) {
	case 3:
		frame[HEAD + chance(kind == HELLO ? 1 : 8)]++;
		break;
	case 4:
		real_write(UP_FD, frame, size / 2);
		return (ssize_t)size;
	case 5:
		real_write(UP_FD, frame, size);
		break;
	case 6:
		return (ssize_t)size;
	case 7:
		frame[4] = (unsigned char)(chance(2) ? 0 : 7 + chance(249));
		break;
	case 8:
		frame[6] = (unsigned char)(2 + chance(254));
		break;
	case 9:
		spoil_number(frame);
		break;
	case 10:
		send_flood(frame);
		break;
	case 11:
		for (size_t i = 0; i < HEAD; i++)
			frame[i] = (unsigned char)chance(256);
		break;
	default:
		spoil_field(frame, size);
	}
	real_write(UP_FD, frame, size);
	return (ssize_t)size;
}

ssize_t
write(int fd, const void *data, size_t size)
{
	const char *share = getenv("GARBLE_SHARE");
	unsigned char *copy;
	ssize_t done;

	REAL(write);
	if (share == NULL || !is_frame(fd, data, size) ||
	    chance(1000) >= (uint32_t)atoi(share))
		return real_write(fd, data, size);
	copy = malloc(size);
	if (copy == NULL)
		return -1;
	memcpy(copy, data, size);
	done = spoil(copy, size);
	free(copy);
	return done;
}
