/* SPDX-License-Identifier: ISC */
#ifndef FUZZ_INPUT_H
#define FUZZ_INPUT_H

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/scan.h"
#include "base/text.h"
#include "data/input.h"
#include "fuzz.h"

/*
 * What must hold of every reader: each record is a prompt that can be sent,
 * what stands beside it is JSON, and what is no record is counted and named.
 */

/* Read bytes as an input of a format. Gives what input_read gives; prompts
 * are the caller's to free. */
static inline int
fuzz_read(enum input_format format, const char *template, struct span bytes,
    bool skip_bad, struct prompts **prompts, struct input_facts *facts,
    struct err *err)
{
	int fd = memfd_create("input", MFD_CLOEXEC);
	char path[64];
	const char *paths[] = {path};
	const struct input_conf conf = {
	    .paths = paths,
	    .path_count = 1,
	    .format = format,
	    .template = template,
	    .prompt_max_bytes = 100000,
	    .skip_bad = skip_bad,
	};
	int done;

	*prompts = prompts_new(NULL);
	HOLDS(fd != -1 && *prompts != NULL);
	HOLDS(fd_write_all(fd, bytes.data, bytes.size) == 0);
	HOLDS(lseek(fd, 0, SEEK_SET) == 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	done = input_read(&conf, *prompts, facts, err);
	fd_close(&fd);
	return done;
}

static inline void
fuzz_check_record(const struct record *record)
{
	const char *reason;
	size_t at;

	HOLDS(record->text.data != NULL);
	if (record_is_bad(record)) {
		HOLDS(record->text.size == 0);
		return;
	}
	HOLDS(text_is_utf8(record->text, &at));
	HOLDS(memchr(record->text.data, '\0', record->text.size) == NULL);
	if (record->fields.data != NULL) {
		HOLDS(record->fields.data[0] == '{');
		HOLDS(scan_whole(record->fields, &at, &reason));
	}
	if (record->body.data != NULL) {
		HOLDS(record->body.data[0] == '{');
		HOLDS(scan_whole(record->body, &at, &reason));
	}
	if (record->custom_id.data != NULL)
		HOLDS(text_is_utf8(record->custom_id, &at));
}

/* Bad records keep their places, or end it: then none is there. */
static inline void
fuzz_judge(enum input_format format, const char *template, struct span bytes,
    bool skip_bad)
{
	struct err err = {.class = ERR_NONE};
	struct prompts *prompts;
	struct input_facts facts;
	uint32_t bad = 0;
	int done = fuzz_read(
	    format, template, bytes, skip_bad, &prompts, &facts, &err);

	HOLDS((done == -1) == (err.class != ERR_NONE));
	HOLDS(done == 0 || err.text[0] != '\0');
	for (uint32_t i = 0; i < prompts_count(prompts); i++) {
		const struct record record = prompts_at(prompts, i);

		fuzz_check_record(&record);
		bad += record_is_bad(&record);
	}
	HOLDS(bad == (skip_bad ? facts.bad_count : 0));
	HOLDS(skip_bad || facts.bad_count == 0 || done == -1);
	HOLDS((facts.troubles != NULL) == (facts.bad_count > 0));
	input_facts_free(&facts);
	prompts_free(prompts);
}

static inline int
fuzz_format(enum input_format format, const char *template, const uint8_t *data,
    size_t size)
{
	const struct span bytes = {(const char *)data, size};

	fuzz_judge(format, template, bytes, true);
	fuzz_judge(format, template, bytes, false);
	return 0;
}

#endif
