/* SPDX-License-Identifier: ISC */
/*
 * The numbers of the run at hand over those of the database before it, in both
 * forms that status knows: who reads the file has no more to do than to choose.
 */
#include "view/bulletin.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/place.h"
#include "data/lock.h"
#include "data/survey.h"
#include "view/stats.h"
#include "view/status.h"

#define BULLETIN_MAX_BYTES ((size_t)4 * STATUS_MAX_BYTES)

struct bulletin {
	char *path;
	struct survey survey; /* before the run */
	int64_t due_ns;
};

struct bulletin *
bulletin_new(const char *path, const struct survey *base, struct err *err)
{
	struct bulletin *bulletin = calloc(1, sizeof(*bulletin));

	if (bulletin == NULL ||
	    asprintf(&bulletin->path, "%s" BULLETIN_SUFFIX, path) == -1) {
		free(bulletin);
		err_set_memory(err, "status file");
		return NULL;
	}
	bulletin->survey = *base;
	return bulletin;
}

/* The run's numbers on top of what there was. */
static void
count_run(struct survey *survey, const struct stats *stats, int64_t now_ns)
{
	survey->answered += stats->answered;
	survey->failed += stats->failed;
	survey->open -= stats->answered + stats->failed;
	survey->cut_short = stats->cut_short;
	for (unsigned i = 0; i < OUTCOME_COUNT; i++) {
		survey->causes[i].count = stats->failed_by[i];
		survey->attempts_by[i] = stats->attempts_by[i];
	}
	survey->attempts = stats->attempts;
	survey->input_tokens = stats->input_tokens;
	survey->output_tokens = stats->output_tokens;
	survey->latency = stats->latency;
	survey->has_price = stats->price.input + stats->price.output > 0;
	survey->cost = price_of(&stats->price, &stats->paid);
	survey->last.done = stats->answered + stats->failed;
	survey->last.took_ms = (now_ns - stats->started_ns) / CLOCK_MS;
}

static void
render(struct buf *out, const struct survey *survey)
{
	struct buf text;
	struct buf json;

	buf_init(&text, STATUS_MAX_BYTES);
	buf_init(&json, STATUS_MAX_BYTES);
	status_render(survey, 0, &text);
	status_render_json(survey, &json);
	out->failed |= text.failed || json.failed;
	if (!out->failed) {
		buf_add_byte(out, '{');
		json_put_text(out, "text", buf_span(&text));
		json_put_text(out, "json", buf_span(&json));
		buf_add_text(out, "}\n");
	}
	buf_free(&json);
	buf_free(&text);
}

static void
write_file(const char *path, const struct buf *text)
{
	struct place place;

	if (text->failed || place_open_new(&place, path, NULL) == -1)
		return;
	if (fd_write_all(place.fd, text->data, text->size) == 0)
		(void)place_show(&place);
	else
		place_leave(&place);
}

void
bulletin_tick(
    struct bulletin *bulletin, const struct stats *stats, int64_t now_ns)
{
	struct survey survey = bulletin->survey;
	struct buf text;

	if (now_ns < bulletin->due_ns)
		return;
	bulletin->due_ns = now_ns + BULLETIN_EVERY_NS;
	count_run(&survey, stats, now_ns);
	buf_init(&text, BULLETIN_MAX_BYTES);
	render(&text, &survey);
	write_file(bulletin->path, &text);
	buf_free(&text);
}

int64_t
bulletin_due_ns(const struct bulletin *bulletin)
{
	return bulletin == NULL ? CLOCK_NEVER : bulletin->due_ns;
}

void
bulletin_end(struct bulletin *bulletin)
{
	if (bulletin == NULL)
		return;
	(void)unlink(bulletin->path);
	free(bulletin->path);
	free(bulletin);
}

static bool
put_part(struct buf *out, struct span text, bool json)
{
	struct json *root = json_parse(text, NULL);
	struct span part = json_string(json_get(root, json ? "json" : "text"));

	buf_add(out, part.data, part.size);
	json_free(root);
	return part.size > 0;
}

bool
bulletin_read(const char *path, bool json, struct buf *out)
{
	char *real = realpath(path, NULL);
	char *name = NULL;
	struct buf text;
	bool said = false;
	int fd = -1;

	buf_init(&text, BULLETIN_MAX_BYTES);
	/* One that a killed run left behind says nothing any more. */
	if (real != NULL && lock_is_held(real) == 1 &&
	    asprintf(&name, "%s" BULLETIN_SUFFIX, real) != -1)
		fd = open(name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd != -1 && fd_read_all(fd, &text) == 0)
		said = put_part(out, buf_span(&text), json);
	fd_close(&fd);
	buf_free(&text);
	free(name);
	free(real);
	return said;
}
