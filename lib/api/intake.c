/* SPDX-License-Identifier: ISC */
/*
 * The prompts of a run: from its input, or from the database that it goes on
 * with.
 */
#include <string.h>

#include "api/mill.h"
#include "base/err.h"
#include "base/log.h"
#include "chat/api.h"
#include "chat/chat.h"
#include "data/prompts.h"
#include "data/recall.h"
#include "llmill_run.h"

/* Say which records are bad, a line each. */
static void
list_troubles(enum log_level level, const char *troubles)
{
	while (troubles != NULL && *troubles != '\0') {
		size_t size = strcspn(troubles, "\n");

		log_say(level, "%.*s", (int)size, troubles);
		troubles += size + 1;
	}
}

/* What was left out of the list. */
static void
say_skipped(const struct input_facts *facts)
{
	if (facts->empty_count > 0)
		log_say(LOG_INFO, "%llu empty %s skipped",
		    (unsigned long long)facts->empty_count,
		    facts->empty_count == 1 ? "line" : "lines");
	if (facts->bad_count == 0)
		return;
	list_troubles(LOG_NOTE, facts->troubles);
	log_say(LOG_WARN, "%llu bad %s skipped%s",
	    (unsigned long long)facts->bad_count,
	    facts->bad_count == 1 ? "record" : "records",
	    facts->bad_count > INPUT_TROUBLES_SHOWN ? ", the first are listed"
						    : "");
}

/* The database has the prompts. */
static int
recall_input(struct mill *mill, struct err *err)
{
	const char *system = mill->conf->system;
	struct recall recall;
	int done;

	if (system != NULL && strstr(system, "{{") != NULL)
		return err_set(err, ERR_USAGE,
		    "-s: {{name}} is filled in when prompts are read; a "
		    "database has them as they are");
	done = recall_open(&recall, mill->conf->db, err);
	if (done == -1)
		return -1;
	done = recall_prompts(&recall, mill->prompts, err);
	recall_close(&recall);
	return done;
}

static int
read_files(struct mill *mill, struct err *err)
{
	static const char *const none[] = {NULL};
	const struct llmill_run_conf *conf = mill->conf;
	struct input_conf input = {
	    .paths = conf->inputs != NULL ? conf->inputs : none,
	    .texts = conf->prompts != NULL ? conf->prompts : none,
	    .format = (enum input_format)conf->input_format,
	    .template = conf->prompt_template,
	    .system = conf->system,
	    .prompt_max_bytes = conf->max_prompt_bytes,
	    .repeat = conf->repeat,
	    .skip_bad = conf->skip_bad,
	    .text_only = mill->backend.chat.kind->text_only,
	};

	while (input.paths[input.path_count] != NULL)
		input.path_count++;
	while (input.texts[input.text_count] != NULL)
		input.text_count++;
	if (input_read(&input, mill->prompts, &mill->input, err) == -1) {
		/* A mistake in an option is that of all records. */
		if (err->class == ERR_INPUT)
			list_troubles(LOG_ERROR, mill->input.troubles);
		return -1;
	}
	say_skipped(&mill->input);
	if (mill->input.is_constant)
		log_say(LOG_WARN,
		    "-t has no {{name}} in it: every prompt is the same");
	if (mill->input.has_systems)
		backend_drop_system(&mill->backend);
	return 0;
}

/* What was said of requests cannot change those that go out as they stand. */
static int
check_requests(const struct mill *mill, struct err *err)
{
	const struct llmill_run_conf *conf = mill->conf;
	const struct plan *plan = &mill->backend.plan;

	if (strcmp(mill->backend.chat.kind->name, "http") != 0)
		return 0;
	if (mill->backend.chat.api != &api_openai)
		return err_set(err, ERR_USAGE,
		    "requests of an OpenAI batch go to an OpenAI-compatible "
		    "server, not by --api %s",
		    mill->backend.chat.api->name);
	if (conf->stream == LLMILL_STREAM_ON)
		return err_set(err, ERR_USAGE,
		    "--stream on: requests of an OpenAI batch go out as they "
		    "stand, and ask for no stream");
	if (conf->model != NULL || plan->system.data != NULL ||
	    plan->params.data != NULL || conf->max_tokens > 0)
		return err_set(err, ERR_USAGE,
		    "requests of an OpenAI batch go out as they stand: leave "
		    "out -m, -s, -p and what else would change them");
	return 0;
}

/* Are there records that are whole requests? Then all must be; their
 * responses are kept, and come in one piece. */
static int
settle_requests(struct mill *mill, struct err *err)
{
	uint32_t count = 0;
	uint32_t bad = 0;

	for (uint32_t i = 0; i < mill->count; i++) {
		const struct record record = prompts_at(mill->prompts, i);

		count += record_request(&record).data != NULL;
		bad += record_is_bad(&record);
	}
	if (count == 0)
		return 0;
	if (count + bad != mill->count)
		return err_set(err, ERR_USAGE,
		    "requests of an OpenAI batch cannot stand beside other "
		    "prompts: give them runs of their own");
	mill->backend.chat.keep_raw = true;
	mill->backend.chat.stream = false;
	mill->backend.chat.stream_optional = false;
	return check_requests(mill, err);
}

int
mill_read_input(struct mill *mill, struct err *err)
{
	int done;

	mill->prompts = prompts_new(err);
	if (mill->prompts == NULL)
		return -1;
	if (mill->conf->shard_count > 1)
		prompts_take_share(mill->prompts,
		    (struct share){mill->conf->shard, mill->conf->shard_count});
	done = mill->conf->resume ? recall_input(mill, err)
				  : read_files(mill, err);
	if (done == -1)
		return -1;
	if (prompts_seal(mill->prompts, err) == -1)
		return -1;
	mill->count = prompts_count(mill->prompts);
	mill->backend.plan.prompts = mill->prompts;
	mill->backend.chat.prompts = mill->prompts;
	return settle_requests(mill, err);
}
