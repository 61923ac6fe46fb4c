/* SPDX-License-Identifier: ISC */
/*
 * The mechanics of one slot: reading without blocking, keeping last words,
 * letting go. No decisions.
 */
#include "run/slot.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/text.h"

#define SLOT_READ_BYTES                                                        \
	65536 /* a pipe's worth: one buffer per slot and turn                  \
	       */

void
slot_init(struct slot *slot, uint32_t number, size_t frame_cap_bytes)
{
	*slot = (struct slot){
	    .number = number,
	    .pid = -1,
	    .pid_fd = -1,
	    .down_fd = -1,
	    .up_fd = -1,
	    .words_fd = -1,
	    .up_watch.fd = -1,
	    .words_watch.fd = -1,
	    .pid_watch.fd = -1,
	    .deadline_ns = CLOCK_NEVER,
	};
	buf_init(&slot->inbox, frame_cap_bytes + SLOT_READ_BYTES);
}

bool
slot_read(struct slot *slot)
{
	ssize_t got;

	if (slot->up_fd == -1 || slot->up_ended)
		return false;
	got = fd_read(slot->up_fd, &slot->inbox, SLOT_READ_BYTES);
	if (got > 0)
		return true;
	if (got == -1 && errno == EAGAIN)
		return false;
	slot->up_ended = true;
	return true;
}

ssize_t
slot_read_words(struct slot *slot, char *data, size_t size)
{
	ssize_t got;

	if (slot->words_fd == -1)
		return -1;
	do
		got = read(slot->words_fd, data, size);
	while (got == -1 && errno == EINTR);
	if (got > 0) {
		tail_keep(&slot->tail, data, (size_t)got);
		return got;
	}
	return got == -1 && errno == EAGAIN ? 0 : -1;
}

void
slot_put_tail(const struct slot *slot, struct buf *text)
{
	if (slot->tail.size == 0)
		return;
	buf_add_text(text, ": ");
	text_one_line(text, tail_span(&slot->tail), 0);
}

uint64_t
slot_ticket(const struct slot *slot)
{
	return (uint64_t)slot->generation << 32 | slot->sequence;
}

void
slot_clear(struct slot *slot, struct loop *loop)
{
	size_t inbox_cap = slot->inbox.cap;

	loop_unwatch(loop, &slot->up_watch);
	loop_unwatch(loop, &slot->words_watch);
	loop_unwatch(loop, &slot->pid_watch);
	fd_close(&slot->down_fd);
	fd_close(&slot->up_fd);
	fd_close(&slot->words_fd);
	fd_close(&slot->pid_fd);
	buf_free(&slot->inbox);
	buf_init(&slot->inbox, inbox_cap);
	slot->inbox_taken = 0;
	slot->tail.size = 0;
	slot->pid = -1;
	slot->birth_errno = 0;
	slot->up_ended = false;
	slot->dead = false;
	slot->late = false;
	slot->heard_out = false;
	slot->leaves = false;
	slot->jobs = 0;
	slot->has_job = false;
	slot->killed = false;
	slot->deadline_ns = CLOCK_NEVER;
}
