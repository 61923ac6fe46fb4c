/* SPDX-License-Identifier: ISC */
/*
 * One holder at a time, across processes, and no trace of one that is gone.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "data/lock.h"

#include "scratch.h"

static int64_t ticks_ns;

/* A clock that goes on by itself, so that a second is over soon. */
static int64_t
fast_clock(void)
{
	ticks_ns += CLOCK_S / 4;
	return ticks_ns;
}

static void
lock_names_its_holder(void **state)
{
	struct lock lock;
	char want[64];
	char text[256] = "";
	FILE *file;

	(void)state;
	assert_false(lock_is_held("a.db"));
	assert_int_equal(scratch_size("a.db.lock"), -1);
	assert_int_equal(lock_take(&lock, "a.db", NULL), 0);
	assert_true(lock_is_held("a.db"));
	file = fopen("a.db.lock", "re");
	assert_non_null(fgets(text, sizeof text, file));
	fclose(file);
	snprintf(want, sizeof want, "pid=%ld host=", (long)getpid());
	assert_memory_equal(text, want, strlen(want));
	assert_non_null(strstr(text, " job="));
	lock_release(&lock);
	assert_false(lock_is_held("a.db"));
	assert_int_equal(scratch_size("a.db.lock"), -1);
}

static void
a_second_one_is_refused_by_name(void **state)
{
	struct lock first;
	struct lock second;
	struct err err = {0};
	char want[64];

	(void)state;
	assert_int_equal(lock_take(&first, "a.db", NULL), 0);
	clock_set_test(fast_clock);
	assert_int_equal(lock_take(&second, "a.db", &err), -1);
	clock_set_test(NULL);
	assert_int_equal(second.fd, -1);
	assert_int_equal(err.class, ERR_BUSY);
	snprintf(want, sizeof want, "pid=%ld", (long)getpid());
	assert_non_null(strstr(err.text, want));
	assert_non_null(strstr(err.text, "a.db"));
	lock_release(&second);
	assert_int_equal(scratch_size("a.db.lock") > 0, 1);
	lock_release(&first);
}

/* A child that takes the lock, says so, and holds it until its input ends. */
static pid_t
hold_in_child(int *end)
{
	int go[2];
	int said[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(go), 0);
	assert_int_equal(pipe(said), 0);
	pid = fork();
	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		struct lock lock;

		close(go[1]);
		if (lock_take(&lock, "a.db", NULL) == -1)
			_exit(1);
		if (write(said[1], "x", 1) != 1 || read(go[0], &byte, 1) != 0)
			_exit(1);
		_exit(0);
	}
	close(go[0]);
	close(said[1]);
	assert_int_equal(read(said[0], &byte, 1), 1);
	close(said[0]);
	*end = go[1];
	return pid;
}

static void
a_dead_holder_holds_nothing(void **state)
{
	struct lock lock;
	int status;
	int end;
	pid_t pid = hold_in_child(&end);

	(void)state;
	assert_true(lock_is_held("a.db"));
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(end);
	assert_true(scratch_size("a.db.lock") > 0);
	assert_false(lock_is_held("a.db"));
	assert_int_equal(lock_take(&lock, "a.db", NULL), 0);
	lock_release(&lock);
}

static void
a_holder_that_leaves_is_waited_for(void **state)
{
	struct lock lock;
	int status;
	int end;
	pid_t pid = hold_in_child(&end);

	(void)state;
	close(end);
	assert_int_equal(lock_take(&lock, "a.db", NULL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	lock_release(&lock);
}

static struct lock leaving;

/* A clock at whose second look the holder lets go. */
static int64_t
clock_of_leaving(void)
{
	if (++ticks_ns == 2)
		lock_release(&leaving);
	return ticks_ns;
}

/* Who waits has the holder's file open; after that one was removed, it is not
 * the lock any more. */
static void
a_removed_file_is_not_the_lock(void **state)
{
	struct lock lock;

	(void)state;
	assert_int_equal(lock_take(&leaving, "a.db", NULL), 0);
	ticks_ns = 0;
	clock_set_test(clock_of_leaving);
	assert_int_equal(lock_take(&lock, "a.db", NULL), 0);
	clock_set_test(NULL);
	assert_true(ticks_ns >= 2);
	assert_true(lock_is_held("a.db"));
	lock_release(&lock);
	assert_false(lock_is_held("a.db"));
}

/* A holder whose file was removed does not remove another's. */
static void
release_removes_only_its_own_file(void **state)
{
	struct lock first;
	struct lock second;

	(void)state;
	assert_int_equal(lock_take(&first, "a.db", NULL), 0);
	assert_int_equal(unlink("a.db.lock"), 0);
	assert_int_equal(lock_take(&second, "a.db", NULL), 0);
	lock_release(&first);
	assert_true(lock_is_held("a.db"));
	lock_release(&second);
}

static void
a_symbolic_link_is_no_lock_file(void **state)
{
	struct lock lock;
	struct err err = {0};

	(void)state;
	assert_int_equal(symlink("victim", "a.db.lock"), 0);
	assert_int_equal(lock_take(&lock, "a.db", &err), -1);
	assert_int_equal(err.class, ERR_SYSTEM);
	assert_int_equal(scratch_size("victim"), -1);
}

#define IN_SCRATCH(test)                                                       \
	cmocka_unit_test_setup_teardown(test, scratch_enter, scratch_leave)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    IN_SCRATCH(lock_names_its_holder),
	    IN_SCRATCH(a_second_one_is_refused_by_name),
	    IN_SCRATCH(a_dead_holder_holds_nothing),
	    IN_SCRATCH(a_holder_that_leaves_is_waited_for),
	    IN_SCRATCH(a_removed_file_is_not_the_lock),
	    IN_SCRATCH(release_removes_only_its_own_file),
	    IN_SCRATCH(a_symbolic_link_is_no_lock_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
