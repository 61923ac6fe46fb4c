/* SPDX-License-Identifier: ISC */
/*
 * One command from start to death: pipes that fill, that stay open, that
 * nobody reads; time and the word to stop. Every test is a process apart.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/fd.h"
#include "chat/child.h"
#include "chat/errand.h"

#include "apart.h"

#define LONG_NS (20 * CLOCK_S)

struct trip {
	struct errand errand;
	struct buf out;
	int down_fd; /* the coordinator's end of errand.stop_fd */
};

static void
trip_init(struct trip *trip)
{
	memset(trip, 0, sizeof(*trip));
	NEED(fd_pipe(&trip->errand.stop_fd, &trip->down_fd, NULL) == 0);
	buf_init(&trip->out, 1 << 20);
	trip->errand.out = &trip->out;
	trip->errand.deadline_ns = clock_now_ns() + LONG_NS;
	trip->errand.grace_ns = LONG_NS;
}

/* See a script through; gives how long it took. */
static int64_t
trip_run(struct trip *trip, const char *script)
{
	const char *const argv[] = {"/bin/bash", "-c", script, NULL};
	const char *const nothing[] = {NULL};
	const int64_t begin_ns = clock_now_ns();
	int null_fd = open("/dev/null", O_WRONLY);
	int screen_fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
	struct child child;
	bool in_exec;
	int number;

	/* What the command says on stderr is not for who reads the tests. */
	NEED(dup2(null_fd, STDERR_FILENO) != -1);
	NEED(child_start(&child, argv[0], argv, nothing, &number, &in_exec) ==
	     0);
	errand_run(&trip->errand, &child);
	NEED(dup2(screen_fd, STDERR_FILENO) != -1);
	fd_close(&null_fd);
	fd_close(&screen_fd);
	NEED(apart_is_childless());
	return clock_now_ns() - begin_ns;
}

static void
trip_free(struct trip *trip)
{
	fd_close(&trip->errand.stop_fd);
	fd_close(&trip->down_fd);
	buf_free(&trip->out);
}

#define ERRAND_TEST(name, body)                                                \
	static void name##_apart(void *arg)                                    \
	{                                                                      \
		struct trip trip;                                              \
                                                                               \
		(void)arg;                                                     \
		trip_init(&trip);                                              \
		body(&trip);                                                   \
		trip_free(&trip);                                              \
	}                                                                      \
	static void name(void **state)                                         \
	{                                                                      \
		(void)state;                                                   \
		assert_int_equal(apart_run(name##_apart, NULL), 0);            \
	}

static void
copy_much(struct trip *trip)
{
	const size_t size = 900000; /* many times what a pipe holds */
	char *data = malloc(size);

	memset(data, 'd', size);
	trip->errand.input = (struct span){data, size};
	trip_run(trip, "cat; echo done >&2");
	NEED(trip->errand.ending == ERRAND_ITSELF);
	NEED(!trip->errand.death.signalled && trip->errand.death.number == 0);
	NEED(trip->out.size == size);
	NEED(memcmp(trip->out.data, data, size) == 0);
	NEED(trip->errand.first_byte_ns > 0);
	NEED(trip->errand.tail.size == 5);
	free(data);
}
ERRAND_TEST(errand_moves_more_than_pipes_hold_both_ways, copy_much)

static void
read_nothing(struct trip *trip)
{
	const size_t size = 900000;
	char *data = calloc(1, size);

	trip->errand.input = (struct span){data, size};
	trip_run(trip, "exec 0<&-; echo enough");
	NEED(trip->errand.ending == ERRAND_ITSELF);
	NEED(trip->errand.death.number == 0);
	NEED(span_equals(buf_span(&trip->out), span_of("enough\n")));
	free(data);
}
ERRAND_TEST(errand_lets_a_command_leave_its_input_unread, read_nothing)

static void
hold_stdout(struct trip *trip)
{
	NEED(trip_run(trip, "setsid sleep 60 & echo answer") < 10 * CLOCK_S);
	NEED(trip->errand.ending == ERRAND_ITSELF);
	NEED(span_equals(buf_span(&trip->out), span_of("answer\n")));
}
ERRAND_TEST(errand_ends_by_death_not_by_the_end_of_stdout, hold_stdout)

static void
flood_pipes(struct trip *trip)
{
	trip_run(trip, "setsid cat /dev/zero >&2 & echo answer");
	NEED(trip->errand.ending == ERRAND_ITSELF);
	NEED(span_equals(buf_span(&trip->out), span_of("answer\n")));
}
ERRAND_TEST(errand_ends_although_a_stranger_floods_stderr, flood_pipes)

static void
close_all(struct trip *trip)
{
	trip_run(trip, "exec >&- 2>&- 0<&-; sleep 0.1; exit 4");
	NEED(trip->errand.ending == ERRAND_ITSELF);
	NEED(trip->errand.death.number == 4);
	NEED(trip->errand.first_byte_ns == -1);
}
ERRAND_TEST(errand_waits_for_death_when_all_pipes_are_closed, close_all)

static void
say_much(struct trip *trip)
{
	trip_run(trip, "for i in {1..2000}; do echo line $i; done >&2");
	NEED(trip->errand.tail.size == TAIL_BYTES);
	NEED(memcmp(trip->errand.tail.data + TAIL_BYTES - 10, "line 2000\n",
		 10) == 0);
}
ERRAND_TEST(errand_keeps_the_end_of_stderr, say_much)

static void
answer_for_ever(struct trip *trip)
{
	NEED(trip_run(trip, "trap '' TERM; cat /dev/zero") < 10 * CLOCK_S);
	NEED(trip->errand.ending == ERRAND_TOO_LONG);
	NEED(trip->out.size == trip->out.cap);
}
ERRAND_TEST(errand_kills_what_answers_beyond_the_cap, answer_for_ever)

static void
obey_term(struct trip *trip)
{
	trip->errand.deadline_ns = clock_now_ns() + 100 * CLOCK_MS;
	NEED(trip_run(trip, "sleep 60") < 10 * CLOCK_S);
	NEED(trip->errand.ending == ERRAND_TIMEOUT);
	NEED(trip->errand.death.number == SIGTERM);
}
ERRAND_TEST(errand_out_of_time_gets_term_first, obey_term)

/* Deaf to TERM from the moment on that it says so. */
#define DEAF "trap '' TERM; echo deaf; while :; do sleep 60; done"

static void
close_down(void *arg, uint64_t bytes)
{
	struct trip *trip = arg;

	(void)bytes;
	fd_close(&trip->down_fd);
}

static void
write_stop(void *arg, uint64_t bytes)
{
	struct trip *trip = arg;

	(void)bytes;
	NEED(write(trip->down_fd, "stop", 4) == 4);
}

static void
ignore_term(struct trip *trip)
{
	trip->errand.beat = write_stop;
	trip->errand.beat_arg = trip;
	trip->errand.grace_ns = 100 * CLOCK_MS;
	NEED(trip_run(trip, "setsid sleep 60 & " DEAF) < 10 * CLOCK_S);
	NEED(trip->errand.ending == ERRAND_GIVEN_UP);
	NEED(trip->errand.death.number == SIGKILL);
}
ERRAND_TEST(errand_deaf_to_term_is_killed_after_the_grace, ignore_term)

static void
stop_by_word(struct trip *trip)
{
	NEED(write(trip->down_fd, "stop", 4) == 4);
	NEED(trip_run(trip, "sleep 60") < 10 * CLOCK_S);
	NEED(trip->errand.ending == ERRAND_GIVEN_UP);
	NEED(trip->errand.death.number == SIGTERM);
	/* The word is still there for whom it is for. */
	char word[8];
	NEED(read(trip->errand.stop_fd, word, sizeof(word)) == 4);
}
ERRAND_TEST(errand_gives_up_at_a_word_and_leaves_it_unread, stop_by_word)

static void
stop_by_end(struct trip *trip)
{
	trip->errand.beat = close_down;
	trip->errand.beat_arg = trip;
	NEED(trip_run(trip, DEAF) < 2 * CLOCK_S); /* with its start */
	NEED(trip->errand.ending == ERRAND_GIVEN_UP);
	NEED(trip->errand.death.number == SIGKILL);
}
ERRAND_TEST(errand_without_coordinator_has_little_grace, stop_by_end)

static void
stop_and_close(void *arg, uint64_t bytes)
{
	struct trip *trip = arg;

	/* The other line comes when TERM has been heard. */
	if (trip->out.size == 5)
		write_stop(arg, bytes);
	else
		close_down(arg, bytes);
}

static void
stop_then_end(struct trip *trip)
{
	trip->errand.beat = stop_and_close;
	trip->errand.beat_arg = trip;
	NEED(trip_run(trip, "trap 'echo heard' TERM; echo deaf; while :; do "
			    "sleep 0.01; done") < 5 * CLOCK_S);
	NEED(span_equals(buf_span(&trip->out), span_of("deaf\nheard\n")));
	NEED(trip->errand.ending == ERRAND_GIVEN_UP);
	NEED(trip->errand.death.number == SIGKILL);
}
ERRAND_TEST(errand_told_to_stop_still_notices_a_dead_coordinator, stop_then_end)

static uint64_t beaten;

static void
count_beat(void *arg, uint64_t bytes)
{
	(void)arg;
	beaten = bytes;
}

static void
beat(struct trip *trip)
{
	trip->errand.beat = count_beat;
	trip_run(trip, "echo 123456789");
	NEED(beaten == 10);
}
ERRAND_TEST(errand_tells_how_much_is_in, beat)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(errand_moves_more_than_pipes_hold_both_ways),
	    cmocka_unit_test(errand_lets_a_command_leave_its_input_unread),
	    cmocka_unit_test(errand_ends_by_death_not_by_the_end_of_stdout),
	    cmocka_unit_test(errand_ends_although_a_stranger_floods_stderr),
	    cmocka_unit_test(errand_waits_for_death_when_all_pipes_are_closed),
	    cmocka_unit_test(errand_keeps_the_end_of_stderr),
	    cmocka_unit_test(errand_kills_what_answers_beyond_the_cap),
	    cmocka_unit_test(errand_out_of_time_gets_term_first),
	    cmocka_unit_test(errand_deaf_to_term_is_killed_after_the_grace),
	    cmocka_unit_test(errand_gives_up_at_a_word_and_leaves_it_unread),
	    cmocka_unit_test(errand_without_coordinator_has_little_grace),
	    cmocka_unit_test(
		errand_told_to_stop_still_notices_a_dead_coordinator),
	    cmocka_unit_test(errand_tells_how_much_is_in),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
