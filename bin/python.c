/* SPDX-License-Identifier: ISC */
/*
 * A function of Python as a chat backend: `python3 -m llmill_chat PLACE`, which
 * is the same wherever llmill is installed, so that a later run knows it again.
 */
#include "python.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "opts.h"
#include "say.h"

#define PATH_BYTES 4096
#define FILE_NAME "llmill_chat.py"

/* Write the directory of the file, seen from the program. */
static bool
find_directory(char out[PATH_BYTES])
{
	static const char *const places[] = {
	    "../share/llmill", /* installed */
	    "../../tools",     /* build/VARIANT/llmill */
	};
	char self[PATH_BYTES];
	ssize_t size = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (size <= 0)
		return false;
	self[size] = '\0';
	slash = strrchr(self, '/');
	if (!slash)
		return false;
	*slash = '\0';
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		char path[2 * PATH_BYTES];
		char file[2 * PATH_BYTES + sizeof(FILE_NAME)];

		snprintf(path, sizeof(path), "%s/%s", self, places[i]);
		snprintf(file, sizeof(file), "%s/%s", path, FILE_NAME);
		if (access(file, R_OK) == 0 && realpath(path, out))
			return true;
	}
	return false;
}

/* Put it in front of what Python looks through. */
static int
add_to_path(const char *directory, struct llmill_err *err)
{
	const char *old = getenv("PYTHONPATH");
	char *path;
	int done;

	if (asprintf(&path, "%s%s%s", directory, old && *old ? ":" : "",
		old ? old : "") == -1)
		return say_no_memory(err);
	done = setenv("PYTHONPATH", path, 1);
	free(path);
	return done == 0 ? 0 : say_no_memory(err);
}

int
python_choose(struct opts *opts, struct llmill_err *err)
{
	const char *place = opts->python;
	const char *colon = place ? strrchr(place, ':') : NULL;
	char directory[PATH_BYTES];

	if (!place)
		return 0;
	if (opts->child || opts_given(opts, "backend"))
		return say_refuse(err,
		    "--python is a backend of its own; leave %s out",
		    opts->child ? "the command behind --" : "--backend");
	if (!colon || colon == place || colon[1] == '\0')
		return say_refuse(err,
		    "--python %.300s: give MODULE:FUNCTION or "
		    "FILE.py:FUNCTION",
		    place);
	if (!find_directory(directory))
		return say_refuse(err,
		    "--python: " FILE_NAME " is not where it was installed, "
		    "in share/llmill beside the bin that llmill lies in; make "
		    "install puts it there");
	opts->python_words[0] = "python3";
	opts->python_words[1] = "-m";
	opts->python_words[2] = "llmill_chat";
	opts->python_words[3] = place;
	opts->child = opts->python_words;
	opts->per_worker = true;
	return add_to_path(directory, err);
}
