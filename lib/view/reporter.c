/* SPDX-License-Identifier: ISC */
#include "view/reporter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/place.h"
#include "data/courier.h"
#include "view/report.h"

#define LOOK_NS (250 * CLOCK_MS) /* at a page that is being written */
#define FIRST_NS CLOCK_S	 /* there is something to see by then */

struct reporter {
	struct reporter_conf conf;
	struct courier *courier;
	char *title;
	char *words; /* for the courier: path, line's end, name */
	char *called;
	int64_t due_ns;
	int64_t sent_ns;
	bool is_broken; /* and that was said */
};

/* In the courier: the word is the database's path and, in the next line, what
 * it is called. */
static int
write_page(void *arg, const char *word, struct err *err)
{
	const struct reporter *reporter = arg;
	char *path = strdup(word);
	char *called = path == NULL ? NULL : strchr(path, '\n');
	const char *const databases[] = {path, NULL};
	struct report_conf conf = {
	    .path = reporter->conf.path,
	    .databases = databases,
	    .again_ms = reporter->conf.every_ns / CLOCK_MS,
	};
	int done;

	if (called == NULL) {
		free(path);
		return err_set_memory(err, "the report");
	}
	*called = '\0';
	conf.called = called + 1;
	done = report_make(&conf, err);
	free(path);
	return done;
}

static int
try_place(const char *path, struct err *err)
{
	struct place place;

	if (place_open(&place, path, err) == -1)
		return -1;
	place_discard(&place);
	return 0;
}

static void
reporter_free(struct reporter *reporter)
{
	courier_free(reporter->courier);
	free(reporter->title);
	free(reporter->words);
	free(reporter->called);
	free(reporter);
}

struct reporter *
reporter_new(const struct reporter_conf *conf, struct err *err)
{
	struct reporter *reporter = calloc(1, sizeof *reporter);
	struct courier_conf courier = {
	    .work = write_page,
	    .arg = reporter,
	    .path = conf->path,
	    .titled = conf->titled,
	};

	if (reporter == NULL ||
	    asprintf(&reporter->title, "writes %s", conf->path) == -1) {
		free(reporter);
		err_set_memory(err, "the report");
		return NULL;
	}
	reporter->conf = *conf;
	reporter->due_ns = CLOCK_NEVER;
	courier.title = reporter->title;
	if (try_place(conf->path, err) == 0)
		reporter->courier = courier_new(&courier, err);
	if (reporter->courier != NULL)
		return reporter;
	reporter_free(reporter);
	return NULL;
}

int
reporter_begin(struct reporter *reporter, const char *database,
    const char *called, bool shut, struct err *err)
{
	if (reporter == NULL)
		return 0;
	reporter->called = strdup(called);
	if (reporter->called == NULL ||
	    asprintf(&reporter->words, "%s\n%s", database, called) == -1) {
		reporter->words = NULL;
		return err_set_memory(err, "the report");
	}
	if (shut)
		log_say(LOG_NOTE,
		    "%s is written at the end: nobody else can read %s "
		    "before",
		    reporter->conf.path, called);
	else
		reporter->due_ns = clock_add(clock_now_ns(), FIRST_NS);
	return 0;
}

int64_t
reporter_due_ns(const struct reporter *reporter)
{
	return reporter == NULL ? CLOCK_NEVER : reporter->due_ns;
}

static void
say_trouble(struct reporter *reporter, const struct err *err)
{
	if (!reporter->is_broken)
		log_say(LOG_WARN, "%s; it is tried again", err->text);
	reporter->is_broken = true;
}

static void
look_after(struct reporter *reporter, int64_t now_ns)
{
	struct err err = {0};
	int back = courier_look(reporter->courier, &err);

	reporter->due_ns = clock_add(now_ns, LOOK_NS);
	if (back == 0)
		return;
	reporter->due_ns =
	    clock_add(reporter->sent_ns, reporter->conf.every_ns);
	if (back == 1)
		reporter->is_broken = false;
	else
		say_trouble(reporter, &err);
}

void
reporter_tick(struct reporter *reporter, int64_t now_ns)
{
	struct err err = {0};

	if (now_ns < reporter_due_ns(reporter))
		return;
	if (courier_is_out(reporter->courier)) {
		look_after(reporter, now_ns);
		return;
	}
	reporter->sent_ns = now_ns;
	reporter->due_ns = clock_add(now_ns, LOOK_NS);
	if (courier_send(reporter->courier, reporter->words, &err) == 0)
		return;
	reporter->due_ns = clock_add(now_ns, reporter->conf.every_ns);
	say_trouble(reporter, &err);
}

void
reporter_recall(struct reporter *reporter)
{
	if (reporter != NULL)
		courier_recall(reporter->courier);
}

int
reporter_end(struct reporter *reporter, const char *database,
    bool (*hurry)(void *arg), void *arg, struct err *err)
{
	const char *const databases[] = {database, NULL};
	struct report_conf conf = {
	    .databases = databases, .hurry = hurry, .arg = arg};
	int done = 0;

	if (reporter == NULL)
		return 0;
	conf.path = reporter->conf.path;
	conf.called = reporter->called;
	if (database != NULL && reporter->called != NULL)
		done = report_make(&conf, err);
	reporter_free(reporter);
	return done;
}
