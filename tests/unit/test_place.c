/* SPDX-License-Identifier: ISC */
/*
 * A file that appears whole or not at all.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/place.h"

/* Every test begins in an empty directory of its own. */
static int
enter_directory(void **state)
{
	static char path[4096];
	const char *base = getenv("TMPDIR");

	snprintf(path, sizeof(path), "%s/place-XXXXXX",
	    base == NULL ? "/tmp" : base);
	*state = mkdtemp(path);
	return *state == NULL ? -1 : chdir(path);
}

static int
leave_directory(void **state)
{
	static const char *const names[] = {"out", "out.part", "real",
	    "real.part", "dir", "dir.part", "victim", "victim.part"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		remove(names[i]);
	return chdir("/") | rmdir(*state);
}

static void
write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
	fd_close(&fd);
}

static void
assert_holds(const char *path, const char *text)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct buf buf;

	assert_true(fd >= 0);
	buf_init(&buf, 1000);
	assert_int_equal(fd_read_all(fd, &buf), 0);
	assert_true(span_equals(buf_span(&buf), span_of(text)));
	buf_free(&buf);
	fd_close(&fd);
}

static void
assert_no_file(const char *path)
{
	assert_int_equal(access(path, F_OK), -1);
}

static void
assert_refused(const char *path, const char *wanted)
{
	struct place place;
	struct err err = {0};

	assert_int_equal(place_open(&place, path, &err), -1);
	assert_int_equal(err.class, ERR_SYSTEM);
	assert_non_null(strstr(err.text, path));
	if (strstr(err.text, wanted) == NULL)
		fail_msg("%s", err.text);
	assert_int_equal(place.fd, -1);
	place_leave(&place); /* calm */
}

static void
place_shows_the_old_file_until_commit(void **state)
{
	struct place place;
	struct err err;

	(void)state;
	write_file("out", "old");
	assert_int_equal(place_open(&place, "out", &err), 0);
	assert_int_equal(fcntl(place.fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fcntl(place.fd, F_GETFL) & O_NONBLOCK, 0);
	assert_int_equal(fd_write_all(place.fd, "new", 3), 0);
	assert_holds("out", "old");
	assert_holds("out.part", "new");
	assert_int_equal(place_commit(&place, &err), 0);
	assert_int_equal(place.fd, -1);
	assert_holds("out", "new");
	assert_no_file("out.part");
}

static void
place_left_keeps_the_part_and_the_old_file(void **state)
{
	struct place place;

	(void)state;
	write_file("out", "old");
	assert_int_equal(place_open(&place, "out", NULL), 0);
	assert_int_equal(fd_write_all(place.fd, "half", 4), 0);
	place_leave(&place);
	place_leave(&place);
	assert_holds("out", "old");
	assert_holds("out.part", "half");
}

static void
place_begins_anew_over_an_old_part(void **state)
{
	struct place place;

	(void)state;
	write_file("out.part", "from an earlier run");
	assert_int_equal(place_open(&place, "out", NULL), 0);
	assert_int_equal(fd_write_all(place.fd, "new", 3), 0);
	assert_int_equal(place_commit(&place, NULL), 0);
	assert_holds("out", "new");
}

static void
place_respects_the_umask(void **state)
{
	struct place place;
	struct stat now;
	mode_t old = umask(027);

	(void)state;
	assert_int_equal(place_open(&place, "out", NULL), 0);
	umask(old);
	assert_int_equal(place_commit(&place, NULL), 0);
	assert_int_equal(stat("out", &now), 0);
	assert_int_equal(now.st_mode & 0777, 0640);
}

static void
place_refuses_a_link_as_part_and_leaves_its_target(void **state)
{
	(void)state;
	write_file("victim", "precious");
	assert_int_equal(symlink("victim", "out.part"), 0);
	assert_refused("out", "symbolic link");
	assert_holds("victim", "precious");
	assert_no_file("out");
}

static void
place_refuses_a_pipe_as_part_without_waiting(void **state)
{
	int reader;

	(void)state;
	assert_int_equal(mkfifo("out.part", 0600), 0);
	assert_refused("out", "out.part"); /* nobody reads it */
	reader = open("out.part", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	assert_true(reader >= 0);
	assert_refused("out", "no regular file");
	fd_close(&reader);
}

static void
place_refuses_what_must_not_be_replaced(void **state)
{
	const struct sockaddr_un name = {AF_UNIX, "real"};
	int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	/* Not /dev/null: should this ever fail, it must harm nothing. */
	(void)state;
	assert_int_equal(
	    bind(listener, (const struct sockaddr *)&name, sizeof(name)), 0);
	assert_refused("real", "no regular file");
	assert_int_equal(symlink("real", "victim"), 0);
	assert_refused("victim", "no regular file");
	assert_int_equal(mkdir("dir", 0700), 0);
	assert_refused("dir", "no regular file");
	assert_int_equal(mkfifo("out", 0600), 0);
	assert_refused("out", "no regular file");
	assert_no_file("real.part");
	assert_no_file("victim.part");
	assert_no_file("dir.part");
	assert_no_file("out.part");
	fd_close(&listener);
}

static void
place_refuses_a_directory_that_is_not_there(void **state)
{
	(void)state;
	assert_refused("no/out", "No such file or directory");
}

static void
place_replaces_the_file_behind_a_link(void **state)
{
	struct place place;
	struct stat now;

	(void)state;
	write_file("real", "old");
	assert_int_equal(symlink("real", "out"), 0);
	assert_int_equal(place_open(&place, "out", NULL), 0);
	assert_int_equal(fd_write_all(place.fd, "new", 3), 0);
	assert_int_equal(place_commit(&place, NULL), 0);
	assert_int_equal(lstat("out", &now), 0);
	assert_true(S_ISLNK(now.st_mode));
	assert_holds("real", "new");
}

static void
place_keeps_the_part_when_it_cannot_be_renamed(void **state)
{
	struct place place;
	struct err err = {0};

	(void)state;
	assert_int_equal(place_open(&place, "out", NULL), 0);
	assert_int_equal(fd_write_all(place.fd, "new", 3), 0);
	assert_int_equal(mkdir("out", 0700), 0); /* meanwhile */
	assert_int_equal(place_commit(&place, &err), -1);
	assert_int_equal(err.class, ERR_SYSTEM);
	assert_non_null(strstr(err.text, "out.part"));
	assert_int_equal(place.fd, -1);
	assert_holds("out.part", "new");
}

static void
place_new_is_private_and_appears_whole(void **state)
{
	struct place place;
	struct stat now;
	mode_t old = umask(0);

	(void)state;
	write_file("out.part", "of a dead process");
	assert_int_equal(place_open_new(&place, "out", NULL), 0);
	umask(old);
	assert_int_equal(fcntl(place.fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fd_write_all(place.fd, "new", 3), 0);
	assert_no_file("out");
	assert_int_equal(place_commit(&place, NULL), 0);
	assert_int_equal(place.fd, -1);
	assert_holds("out", "new");
	assert_no_file("out.part");
	assert_int_equal(stat("out", &now), 0);
	assert_int_equal(now.st_mode & 0777, 0600);
}

static void
place_new_that_is_left_leaves_nothing(void **state)
{
	struct place place;

	(void)state;
	assert_int_equal(place_open_new(&place, "out", NULL), 0);
	assert_int_equal(fd_write_all(place.fd, "half", 4), 0);
	place_leave(&place);
	place_leave(&place);
	assert_no_file("out.part");
	assert_no_file("out");
}

static void
place_new_replaces_nothing_that_came_meanwhile(void **state)
{
	struct place place;
	struct err err = {0};

	(void)state;
	assert_int_equal(place_open_new(&place, "out", NULL), 0);
	assert_int_equal(fd_write_all(place.fd, "new", 3), 0);
	write_file("out", "somebody else's");
	assert_int_equal(place_commit(&place, &err), -1);
	assert_int_equal(err.class, ERR_SYSTEM);
	assert_non_null(strstr(err.text, "File exists"));
	assert_int_equal(place.fd, -1);
	assert_holds("out", "somebody else's");
	assert_no_file("out.part");
}

static void
place_new_follows_no_link_that_lies_as_part(void **state)
{
	struct place place;

	(void)state;
	write_file("victim", "precious");
	assert_int_equal(symlink("victim", "out.part"), 0);
	assert_int_equal(place_open_new(&place, "out", NULL), 0);
	assert_int_equal(fd_write_all(place.fd, "new", 3), 0);
	place_leave(&place);
	assert_holds("victim", "precious");
}

#define PLACE_TEST(test)                                                       \
	cmocka_unit_test_setup_teardown(test, enter_directory, leave_directory)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    PLACE_TEST(place_shows_the_old_file_until_commit),
	    PLACE_TEST(place_left_keeps_the_part_and_the_old_file),
	    PLACE_TEST(place_begins_anew_over_an_old_part),
	    PLACE_TEST(place_respects_the_umask),
	    PLACE_TEST(place_refuses_a_link_as_part_and_leaves_its_target),
	    PLACE_TEST(place_refuses_a_pipe_as_part_without_waiting),
	    PLACE_TEST(place_refuses_what_must_not_be_replaced),
	    PLACE_TEST(place_refuses_a_directory_that_is_not_there),
	    PLACE_TEST(place_replaces_the_file_behind_a_link),
	    PLACE_TEST(place_keeps_the_part_when_it_cannot_be_renamed),
	    PLACE_TEST(place_new_is_private_and_appears_whole),
	    PLACE_TEST(place_new_that_is_left_leaves_nothing),
	    PLACE_TEST(place_new_replaces_nothing_that_came_meanwhile),
	    PLACE_TEST(place_new_follows_no_link_that_lies_as_part),
	};

	alarm(30); /* a pipe that is waited for fails the test */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
