/* SPDX-License-Identifier: ISC */
/*
 * C code of others, loaded in the worker. It is bound whole at once, so that
 * what is missing in it is known before a prompt is spent on it.
 */
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "chat/chat.h"
#include "chat/kinds.h"
#include "llmill_plugin.h"

#define SYMBOL "llmill_plugin"
#define ERROR_MAX_BYTES ((size_t)8192)

struct plugin {
	const struct chat_conf *conf;
	const struct llmill_plugin *code;
	void *self; /* theirs */
	struct llmill_plugin_reply said;
	bool said_something;
	struct buf prompt; /* with a NUL behind */
	struct buf record;
	struct buf error;
};

static int
plugin_check(const struct chat_conf *conf, struct err *err)
{
	if (conf->plugin != NULL)
		return 0;
	return err_set(
	    err, ERR_USAGE, "the plugin backend needs a file: --plugin FILE");
}

/* What it said last is not needed any more. */
static void
let_go(struct plugin *plugin)
{
	if (plugin->said_something && plugin->code->free != NULL)
		plugin->code->free(plugin->self, &plugin->said);
	plugin->said_something = false;
}

static void
plugin_close(void *arg)
{
	struct plugin *plugin = arg;

	let_go(plugin);
	if (plugin->code->close != NULL)
		plugin->code->close(plugin->self);
	buf_free(&plugin->prompt);
	buf_free(&plugin->record);
	buf_free(&plugin->error);
	free(plugin); /* its code stays: threads of it may still run */
}

/* Gives NULL, or why it cannot be used. */
static const char *
load(struct plugin *plugin)
{
	void *library = dlopen(plugin->conf->plugin, RTLD_NOW | RTLD_LOCAL);
	struct buf *why = &plugin->error;

	if (library == NULL) {
		buf_add_text(why, dlerror());
		return why->data;
	}
	plugin->code = dlsym(library, SYMBOL);
	if (plugin->code == NULL) {
		buf_printf(
		    why, "%s: it has no symbol " SYMBOL, plugin->conf->plugin);
		return why->data;
	}
	if (plugin->code->abi != LLMILL_PLUGIN_ABI) {
		buf_printf(why,
		    "%s: it is made for version %u of llmill_plugin.h, and "
		    "this is version %u; build it again",
		    plugin->conf->plugin, (unsigned)plugin->code->abi,
		    (unsigned)LLMILL_PLUGIN_ABI);
		return why->data;
	}
	if (plugin->code->call != NULL)
		return NULL;
	buf_printf(why, "%s: it has no call", plugin->conf->plugin);
	return why->data;
}

/* Gives NULL, or why it cannot work. */
static const char *
begin(struct plugin *plugin, uint32_t worker)
{
	const char *why = NULL;

	if (plugin->code->init != NULL)
		plugin->self = plugin->code->init(worker, &why);
	return why;
}

static void *
plugin_open(const struct chat_conf *conf, uint32_t worker, struct reply *reply)
{
	struct plugin *plugin = calloc(1, sizeof(*plugin));
	const char *why;

	if (plugin == NULL) {
		reply->outcome = OUTCOME_OUT_OF_MEMORY;
		reply->error = span_of("no memory for the plugin");
		return NULL;
	}
	plugin->conf = conf;
	buf_init(&plugin->prompt, SIZE_MAX / 4);
	buf_init(&plugin->record, SIZE_MAX / 4);
	buf_init(&plugin->error, ERROR_MAX_BYTES);
	why = load(plugin);
	/* The worker ends with what it says: nothing is freed. */
	reply->outcome = why != NULL ? OUTCOME_NO_COMMAND : OUTCOME_OK;
	if (why == NULL && (why = begin(plugin, worker)) != NULL)
		reply->outcome = OUTCOME_CRASH;
	if (why == NULL)
		return plugin;
	reply->error = span_of(why);
	return NULL;
}

/* Copy a text and put a NUL behind it. Gives it, or NULL for none. */
static const char *
copy(struct buf *buf, struct span text, size_t *size)
{
	buf_clear(buf);
	*size = text.size;
	if (text.data == NULL)
		return NULL;
	buf_add(buf, text.data, text.size);
	buf_add_byte(buf, '\0');
	return buf->data;
}

/* It failed: is another try any use, and when? */
static void
take_failure(struct plugin *plugin, struct reply *reply)
{
	const struct llmill_plugin_reply *said = &plugin->said;

	reply->outcome = OUTCOME_EXIT_STATUS;
	if (said->retry_after_ms >= 0) {
		reply->outcome = OUTCOME_RATE_LIMITED;
		reply->retry_after_ms = said->retry_after_ms;
	} else if (said->final) {
		reply->outcome = OUTCOME_BAD_REQUEST;
	}
	buf_clear(&plugin->error);
	buf_add_text(&plugin->error,
	    said->error[0] != '\0' ? said->error : "it failed without a word");
	reply->error = buf_span(&plugin->error);
}

static void
take(struct plugin *plugin, struct reply *reply)
{
	const struct llmill_plugin_reply *said = &plugin->said;

	reply->input_tokens = said->input_tokens;
	reply->output_tokens = said->output_tokens;
	reply->model = span_of(said->model);
	reply->finish_reason = span_of(said->finish_reason);
	if (said->error != NULL) {
		take_failure(plugin, reply);
	} else if (said->text == NULL) {
		reply->outcome = OUTCOME_GARBAGE;
		reply->error = span_of("the plugin gave neither a text nor an "
				       "error");
	} else {
		reply->outcome = OUTCOME_OK;
		reply->text = (struct span){said->text, said->text_size};
	}
}

static void
plugin_call(void *arg, const struct chat_request *request, struct reply *reply)
{
	struct plugin *plugin = arg;
	struct llmill_plugin_request asked = {
	    .id = (uint64_t)request->id,
	    .attempt = request->attempt,
	    .worker = request->worker,
	    .system = plugin->conf->system,
	    .allowed_ms = request->allowed_ns / CLOCK_MS,
	};

	let_go(plugin);
	asked.prompt =
	    copy(&plugin->prompt, request->record.text, &asked.prompt_size);
	asked.record =
	    copy(&plugin->record, request->record.body, &asked.record_size);
	if (plugin->prompt.failed || plugin->record.failed) {
		reply->outcome = OUTCOME_OUT_OF_MEMORY;
		reply->error = span_of("no memory for the prompt");
		return;
	}
	plugin->said = (struct llmill_plugin_reply){
	    .retry_after_ms = -1,
	    .input_tokens = -1,
	    .output_tokens = -1,
	};
	plugin->said_something = true;
	plugin->code->call(plugin->self, &asked, &plugin->said);
	take(plugin, reply);
}

const struct chat chat_plugin = {
    .name = "plugin",
    .leaves_processes = true,
    .check = plugin_check,
    .open = plugin_open,
    .call = plugin_call,
    .close = plugin_close,
};
