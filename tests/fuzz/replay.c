/* SPDX-License-Identifier: ISC */
/*
 * Runs a target on the files of its corpus, each a test of its own.
 *
 *	replay_NAME		in the top directory
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <glob.h>
#include <string.h>

#include "fuzz.h"

static void
replay(void **state)
{
	FILE *file = fopen(*state, "rb");
	uint8_t *data = malloc(1 << 20);
	size_t size;

	assert_non_null(file);
	assert_non_null(data);
	size = fread(data, 1, 1 << 20, file);
	fclose(file);
	assert_int_equal(LLVMFuzzerTestOneInput(data, size), 0);
	free(data);
}

int
main(int argc, char **argv)
{
	const char *name = strrchr(argv[0], '_');
	struct CMUnitTest *tests;
	char pattern[256];
	glob_t files;
	int failed;

	(void)argc;
	snprintf(pattern, sizeof(pattern), "tests/fuzz/corpus/%s/*",
	    name != NULL ? name + 1 : "");
	if (glob(pattern, 0, NULL, &files) != 0) {
		fprintf(stderr, "%s: there is no corpus\n", pattern);
		return 1;
	}
	tests = calloc(files.gl_pathc, sizeof(*tests));
	for (size_t i = 0; tests != NULL && i < files.gl_pathc; i++)
		tests[i] = (struct CMUnitTest){.name = files.gl_pathv[i],
		    .test_func = replay,
		    .initial_state = files.gl_pathv[i]};
	failed = tests == NULL ? 1
			       : _cmocka_run_group_tests("replay", tests,
				     files.gl_pathc, NULL, NULL);
	free(tests);
	globfree(&files);
	return failed;
}
