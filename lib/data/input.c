/* SPDX-License-Identifier: ISC */
/*
 * Opens each input, decides its format, lets the reader of that format cut
 * it up, and judges what all records have in common. Bad records are
 * collected, not thrown at the caller one by one.
 */
#include "data/input.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/text.h"
#include "data/reader.h"
#include "data/source.h"
#include "data/template.h"

#define TROUBLES_MAX_BYTES ((size_t)64 << 10)
#define NAME_MAX_BYTES 1024 /* of a name in a message */

static bool
ends_with(const char *name, const char *end)
{
	size_t size = strlen(name);
	size_t end_size = strlen(end);

	return size > end_size && strcasecmp(name + size - end_size, end) == 0;
}

/* As lines their bytes would be sent as prompts. */
static int
refuse_unknown(const char *path, struct err *err)
{
	static const char *const endings[] = {".bz2", ".xz", ".zip", ".parquet",
	    ".arrow", ".feather", ".xls", ".xlsx", ".ods", ".pdf"};

	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++)
		if (ends_with(path, endings[i]))
			return err_set(err, ERR_SYSTEM,
			    "there is no reader for %s files: make it lines, "
			    "jsonl or csv, or say --input-format lines",
			    endings[i]);
	return 0;
}

/* By its ending, what is packed by the one before that. Gives INPUT_AUTO
 * where that says nothing. */
static enum input_format
format_by_ending(const char *path)
{
	static const struct {
		const char *ending;
		enum input_format format;
	} rows[] = {
	    {".jsonl", INPUT_JSONL},
	    {".ndjson", INPUT_JSONL},
	    {".csv", INPUT_CSV},
	    {".tsv", INPUT_TSV},
	    {".tab", INPUT_TSV},
	    {".db", INPUT_DB},
	    {".sqlite", INPUT_DB},
	    {".sqlite3", INPUT_DB},
	};
	static const char *const packed[] = {"", ".gz", ".zst"};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (size_t j = 0; j < sizeof(packed) / sizeof(packed[0]);
		     j++) {
			char ending[32];

			snprintf(ending, sizeof(ending), "%s%s", rows[i].ending,
			    packed[j]);
			if (ends_with(path, ending))
				return rows[i].format;
		}
	return INPUT_AUTO;
}

/* Decide what INPUT_AUTO means for this input. */
static int
find_format(const struct reader *reader, struct source *source,
    const char *path, enum input_format *format, struct err *err)
{
	const bool any = reader->shape.prompt.template != NULL;
	struct span line;

	*format = format_by_ending(path);
	if (*format != INPUT_AUTO && *format != INPUT_JSONL)
		return 0;
	if (refuse_unknown(path, err) == -1 ||
	    source_peek(source, &line, err) == -1)
		return -1;
	if (read_batch_knows(line))
		*format = INPUT_BATCH;
	else if (*format == INPUT_AUTO)
		*format =
		    read_jsonl_knows(line, any) ? INPUT_JSONL : INPUT_LINES;
	return 0;
}

static int
read_as(struct reader *reader, struct source *source, enum input_format format,
    const char *path, struct err *err)
{
	/* One more for a CR that does not count. */
	if (format == INPUT_LINES || format == INPUT_NUL)
		source->piece_max = reader->prompt_max_bytes + 1;
	switch (format) {
	case INPUT_NUL:
		return read_nul(reader, source, err);
	case INPUT_JSONL:
		return read_jsonl(reader, source, err);
	case INPUT_CSV:
		return read_csv(reader, source, ',', err);
	case INPUT_TSV:
		return read_csv(reader, source, '\t', err);
	case INPUT_BATCH:
		if (shape_is_active(&reader->shape))
			return err_set(err, ERR_USAGE,
			    "-t and -s cannot change the requests of an "
			    "OpenAI batch: they go out as they stand");
		return read_batch(reader, source, err);
	case INPUT_FILES:
		return read_file(reader, source, path, err);
	case INPUT_DB:
		return read_db(reader, path, err);
	default:
		return read_lines(reader, source, err);
	}
}

static int
read_fd(struct reader *reader, int fd, const char *path, struct err *err)
{
	enum input_format format = reader->conf->format;
	struct source source;
	int done = 0;

	source_open(&source, fd, reader_json_max(reader));
	source.may_be_packed = true;
	/* Texts of machines, for machines. */
	source.keeps_mark = format == INPUT_NUL;
	if (format == INPUT_AUTO)
		done = find_format(reader, &source, path, &format, err);
	if (done == 0)
		done = read_as(reader, &source, format, path, err);
	source_close(&source);
	return done;
}

/* Directories cannot be read, and a device such as /dev/zero has no end. */
static int
check_kind(int fd, struct err *err)
{
	struct stat st;

	if (fstat(fd, &st) == -1)
		return err_set_errno(err, "cannot be read");
	if (S_ISDIR(st.st_mode))
		return err_set(
		    err, ERR_SYSTEM, "is a directory: name the files in it");
	if (S_ISCHR(st.st_mode) && st.st_rdev != makedev(1, 3) && !isatty(fd))
		return err_set(err, ERR_SYSTEM, "is a device, not a file");
	return 0;
}

static int
read_path(struct reader *reader, const char *path, struct err *err)
{
	bool is_stdin = strcmp(path, "-") == 0;
	int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	int done = -1;

	if (fd == -1) {
		err_set_errno(err, "cannot read %s", reader->name);
		goto out;
	}
	done = check_kind(fd, err);
	if (done == 0)
		done = read_fd(reader, fd, path, err);
	if (!is_stdin)
		fd_close(&fd);
	if (done == -1 && err != NULL && err->class == ERR_SYSTEM)
		err_add(err, "%s", reader->name);
out:
	/* Whatever the machine said of it: the input is what is wrong. */
	if (done == -1 && err != NULL && err->class == ERR_SYSTEM)
		err->class = ERR_INPUT;
	return done;
}

/* Name the input in prompts, and in name for messages. */
static int
begin_input(
    struct reader *reader, const char *name, struct buf *shown, struct err *err)
{
	buf_clear(shown);
	text_escape(shown, span_of(name), NAME_MAX_BYTES);
	if (shown->failed)
		return err_set_memory(err, "names of inputs");
	reader->name = buf_span(shown).data;
	return prompts_name_input(reader->prompts, name, &reader->file, err);
}

static int
read_texts(struct reader *reader, struct buf *shown, struct err *err)
{
	const struct input_conf *conf = reader->conf;

	if (conf->text_count == 0)
		return 0;
	if (begin_input(reader, "--prompt", shown, err) == -1)
		return -1;
	for (size_t i = 0; i < conf->text_count; i++) {
		struct record record = {.text = span_of(conf->texts[i]),
		    .file = reader->file,
		    .line = i + 1};

		if (reader_take_text(reader, &record, err) == -1)
			return -1;
	}
	return 0;
}

static int
read_all(struct reader *reader, struct err *err)
{
	const struct input_conf *conf = reader->conf;
	struct buf shown;
	int done;

	buf_init(&shown, 16 * NAME_MAX_BYTES);
	done = read_texts(reader, &shown, err);
	for (size_t i = 0; done == 0 && i < conf->path_count; i++) {
		const char *path = conf->paths[i];
		const char *name = strcmp(path, "-") == 0 ? "stdin" : path;

		done = begin_input(reader, name, &shown, err);
		if (done == 0)
			done = read_path(reader, path, err);
	}
	buf_free(&shown);
	return done;
}

/* Say where no prompt was found: "a.txt", "a.txt and 2 more". */
static int
say_nothing_found(const struct input_conf *conf, struct err *err)
{
	const char *first = conf->path_count > 0 ? conf->paths[0] : "--prompt";
	struct buf shown;

	buf_init(&shown, 16 * NAME_MAX_BYTES);
	text_escape(&shown, span_of(strcmp(first, "-") == 0 ? "stdin" : first),
	    NAME_MAX_BYTES);
	if (conf->path_count > 1)
		buf_printf(&shown, " and %zu more", conf->path_count - 1);
	err_set(err, ERR_INPUT, "no prompts in %s", buf_span(&shown).data);
	buf_free(&shown);
	return -1;
}

int
input_read(const struct input_conf *conf, struct prompts *prompts,
    struct input_facts *facts, struct err *err)
{
	struct reader reader = {
	    .conf = conf, .prompts = prompts, .facts = facts};
	uint64_t bad;
	int done;

	*facts = (struct input_facts){0};
	reader.prompt_max_bytes = conf->prompt_max_bytes != 0
				      ? conf->prompt_max_bytes
				      : INPUT_PROMPT_MAX_BYTES;
	buf_init(&reader.troubles, TROUBLES_MAX_BYTES);
	buf_init(&reader.members, 2 * reader_json_max(&reader));
	buf_init(&reader.system, 2 * reader_json_max(&reader));
	done = shape_open(&reader.shape, conf->template, conf->system,
	    reader_json_max(&reader), err);
	if (done == 0)
		done = read_all(&reader, err);
	if (done == 0)
		done = shape_check(&reader.shape, err);
	facts->is_constant = reader.shape.prompt.template != NULL &&
			     template_count(reader.shape.prompt.template) == 0;
	facts->has_systems = reader.shape.system.template != NULL;
	shape_close(&reader.shape);
	names_free(&reader.names);
	buf_free(&reader.system);
	buf_free(&reader.members);
	bad = facts->bad_count;
	if (reader.troubles.size > 0)
		facts->troubles = strdup(reader.troubles.data);
	buf_free(&reader.troubles);
	if (done == -1)
		return -1;
	if (bad > 0 && !conf->skip_bad)
		return err_set(err, ERR_INPUT,
		    "%llu bad record%s%s; --skip-bad goes on without %s",
		    (unsigned long long)bad, bad == 1 ? "" : "s",
		    bad > INPUT_TROUBLES_SHOWN ? " (the first are listed)" : "",
		    bad == 1 ? "it" : "them");
	if (prompts_seen(prompts) == 0)
		return say_nothing_found(conf, err);
	return 0;
}

void
input_facts_free(struct input_facts *facts)
{
	free(facts->troubles);
	*facts = (struct input_facts){0};
}
