/* SPDX-License-Identifier: ISC */
/*
 * Dry runs. The request is built by the code that builds it in a worker; here
 * it is only shown, and counted what would be sent.
 */
#include "api/dry.h"

#include <string.h>

#include "api/backend.h"
#include "api/endpoints.h"
#include "api/estimate.h"
#include "api/words.h"
#include "base/json.h"
#include "base/text.h"
#include "chat/coproc_line.h"
#include "chat/http.h"
#include "data/prompts.h"
#include "llmill_run.h"

#define PLACEHOLDER "{}" /* as the exec backend has it */

/* What there is to do. */
struct load {
	uint32_t count;
	uint32_t first; /* index */
	uint64_t bytes;
	struct tokens tokens; /* as limits count them */
	bool limited;	      /* all answers have a limit */
};

static struct load
measure(const struct dry *dry)
{
	struct span system = dry->backend->plan.system;
	struct load load = {.limited = true};

	for (uint32_t i = prompts_count(dry->prompts); i-- > 0;) {
		struct record record = prompts_at(dry->prompts, i);
		struct tokens use;

		if (!dry->asked[i])
			continue;
		load.count++;
		load.first = i;
		use = estimate_tokens(&dry->backend->chat, i);
		load.tokens.input += use.input;
		load.tokens.output += use.output;
		load.limited = load.limited && use.output > 0;
		load.bytes +=
		    system.size + (record.body.data != NULL ? record.body.size
							    : record.text.size);
	}
	return load;
}

static bool
is_http(const struct dry *dry)
{
	return strcmp(dry->backend->chat.kind->name, "http") == 0;
}

static bool
is_talk(const struct dry *dry)
{
	return strcmp(dry->backend->chat.kind->name, "coproc") == 0;
}

static bool
is_placeholder(const char *const *command, size_t i)
{
	return i > 0 && strcmp(command[i], PLACEHOLDER) == 0;
}

/* Is the prompt an argument? Then stdin is empty. */
static bool
in_argument(const char *const *command)
{
	for (size_t i = 0; command[i] != NULL; i++)
		if (is_placeholder(command, i))
			return true;
	return false;
}

/* ---- for people ---- */

/* The other servers, and what each is to get. */
static void
put_others(struct buf *out, const struct backend *backend)
{
	const uint32_t count = backend->chat.endpoint_count;

	if (count > 1)
		buf_printf(out, "\nservers: %u, by share\n", (unsigned)count);
	for (uint32_t i = 0; count > 1 && i < count; i++) {
		buf_add_text(out, "  ");
		endpoints_put(backend, i, out);
		if (http_key_header(&backend->chat, i) == NULL &&
		    backend->chat.key.text != NULL)
			buf_add_text(out, " (without the key)");
		buf_add_byte(out, '\n');
	}
}

static void
put_http(struct buf *out, const struct dry *dry, const struct record *record)
{
	const struct backend *backend = dry->backend;
	const char *const *headers = backend->chat.headers;

	const char *key_header = http_key_header(&backend->chat, 0);
	const char *own_header = http_own_header(&backend->chat);

	buf_printf(out, "POST %s\n", backend->urls[0].chat);
	if (key_header != NULL)
		buf_printf(out, "%s: %s(from %s)\n", key_header,
		    strcmp(key_header, "Authorization") == 0 ? "Bearer " : "",
		    backend->key_source);
	if (own_header != NULL)
		buf_printf(out, "%s\n", own_header);
	for (; headers != NULL && *headers != NULL; headers++)
		buf_printf(out, "%.*s: (as given)\n",
		    (int)strcspn(*headers, ":"), *headers);
	buf_add_text(out, "Content-Type: application/json\n\n");
	http_build_request(&backend->chat, record, out);
	buf_add_byte(out, '\n');
	put_others(out, backend);
	if (dry->asks_model)
		buf_add_text(out,
		    "\nmodel: none was named; the server would be asked, and "
		    "its only one taken;\nwhat a database holds was not looked "
		    "at\n");
}

static void
put_command(struct buf *out, const char *const *command, struct span prompt)
{
	buf_add_text(out, "command: ");
	for (size_t i = 0; command[i] != NULL; i++) {
		if (i > 0)
			buf_add_byte(out, ' ');
		/* It lies in the block of prompts without a NUL. */
		if (is_placeholder(command, i)) {
			struct buf word;

			buf_init(&word, prompt.size + 1);
			buf_add(&word, prompt.data, prompt.size);
			text_quote_shell(
			    out, word.data != NULL ? word.data : "");
			buf_free(&word);
		} else {
			text_quote_shell(out, command[i]);
		}
	}
	buf_add_text(out, "\nstdin:   ");
	if (in_argument(command))
		buf_add_text(out, "(empty)");
	else
		buf_add(out, prompt.data, prompt.size);
	buf_add_byte(out, '\n');
}

/* A command per worker: its arguments as they are, and one line. */
static void
put_talk(struct buf *out, const struct dry *dry, const struct record *record,
    uint64_t number)
{
	const struct chat_conf *chat = &dry->backend->chat;

	buf_add_text(out, "command: ");
	for (size_t i = 0; chat->command[i] != NULL; i++) {
		if (i > 0)
			buf_add_byte(out, ' ');
		text_quote_shell(out, chat->command[i]);
	}
	buf_add_text(out, "\nstdin:   ");
	coproc_put_request(out, number, record, chat->system);
}

static void
put_request(struct buf *out, const struct dry *dry, uint32_t index)
{
	struct record whole = prompts_at(dry->prompts, index);
	const struct record *record = &whole;

	if (is_http(dry)) {
		put_http(out, dry, record);
	} else if (is_talk(dry)) {
		put_talk(out, dry, record,
		    (uint64_t)prompts_id(dry->prompts, index));
	} else if (dry->backend->chat.command != NULL) {
		put_command(out, dry->backend->chat.command, record->text);
	} else {
		buf_printf(out, "backend: %s\n", dry->backend->chat.kind->name);
		if (dry->conf->plugin != NULL)
			buf_printf(out, "plugin:  %s\n", dry->conf->plugin);
		buf_add_text(out, "prompt:  ");
		buf_add(out, record->text.data, record->text.size);
		buf_add_byte(out, '\n');
	}
	buf_add_byte(out, '\n');
}

static void
put_database(struct buf *out, const struct dry *dry)
{
	char answered[32];
	char total[32];

	if (dry->db_path != NULL)
		buf_printf(out, "going on with %s: %s of %s answered\n",
		    dry->db_path,
		    text_count(dry->answered, answered, sizeof(answered)),
		    text_count(
			prompts_count(dry->prompts), total, sizeof(total)));
}

/* Would a limit end the run before its end? What a database has used already
 * is not looked at. */
static void
put_limits(struct buf *out, const struct dry *dry, const struct load *load)
{
	const struct llmill_run_conf *conf = dry->conf;
	const struct price price = {conf->price_in, conf->price_out};
	uint64_t tokens = tokens_sum(&load->tokens);
	uint64_t cost = price_of(&price, &load->tokens);
	char most[32];
	char needed[32];

	if (conf->max_requests > 0)
		buf_printf(out, "--max-requests %s is %s\n",
		    text_count(conf->max_requests, most, sizeof(most)),
		    conf->max_requests < load->count ? "not enough for all"
						     : "enough");
	if (conf->max_tokens_total > 0)
		buf_printf(out,
		    "--max-tokens-total %s is %s: at most about %s are "
		    "needed\n",
		    text_count(conf->max_tokens_total, most, sizeof(most)),
		    conf->max_tokens_total < tokens
			? "perhaps not enough for all"
			: "enough",
		    text_count(tokens, needed, sizeof(needed)));
	if (conf->max_cost == 0 && price.input + price.output > 0)
		buf_printf(out, "the cost is %s about %s\n",
		    load->limited ? "at most" : "at least",
		    price_text(cost, needed, sizeof(needed)));
	if (conf->max_cost > 0)
		buf_printf(out, "--max-cost %s is %s: %s about %s\n",
		    price_text(conf->max_cost * PRICE_PER_MILLIONTH, most,
			sizeof(most)),
		    conf->max_cost * PRICE_PER_MILLIONTH < cost
			? "perhaps not enough for all"
			: "enough",
		    load->limited ? "at most" : "at least",
		    price_text(cost, needed, sizeof(needed)));
}

void
dry_put(struct buf *out, const struct dry *dry)
{
	struct load load = measure(dry);
	char number[32];

	if (load.count > 0)
		put_request(out, dry, load.first);
	put_database(out, dry);
	if (load.count == 0)
		buf_add_text(out, "nothing to do\n");
	else
		buf_printf(out, "%s %s",
		    text_count(load.count, number, sizeof(number)),
		    load.count == 1 ? "prompt" : "prompts");
	if (load.count > 0)
		buf_printf(out,
		    " to do, about %s input tokens in all (bytes / 4)\n",
		    text_count(load.bytes / 4, number, sizeof(number)));
	if (load.limited && load.count > 0)
		buf_printf(out, "at most %s output tokens\n",
		    text_count(load.tokens.output, number, sizeof(number)));
	put_limits(out, dry, &load);
	buf_add_text(out, "nothing was sent, no file was made\n");
}

/* ---- for scripts ---- */

static void
put_json_http(
    struct buf *out, const struct dry *dry, const struct record *record)
{
	const struct backend *backend = dry->backend;
	bool sends_key = http_key_header(&backend->chat, 0) != NULL;

	json_put_text(out, "url", span_of(backend->urls[0].chat));
	endpoints_put_list(backend, "servers", out);
	json_put_text(
	    out, "key_from", span_of(sends_key ? backend->key_source : NULL));
	json_put_bool(out, "asks_model", dry->asks_model);
	json_put_key(out, "body");
	http_build_request(&backend->chat, record, out);
}

static void
put_json_command(
    struct buf *out, const char *const *command, struct span prompt)
{
	json_put_key(out, "command");
	buf_add_byte(out, '[');
	for (size_t i = 0; command[i] != NULL; i++) {
		if (i > 0)
			buf_add_byte(out, ',');
		json_put_string(out,
		    is_placeholder(command, i) ? prompt : span_of(command[i]));
	}
	buf_add_byte(out, ']');
	json_put_text(
	    out, "stdin", in_argument(command) ? span_of("") : prompt);
}

static void
put_json_talk(struct buf *out, const struct dry *dry,
    const struct record *record, uint64_t number)
{
	const struct chat_conf *chat = &dry->backend->chat;
	struct buf line;

	buf_init(&line, out->cap);
	coproc_put_request(&line, number, record, chat->system);
	json_put_key(out, "command");
	buf_add_byte(out, '[');
	for (size_t i = 0; chat->command[i] != NULL; i++) {
		if (i > 0)
			buf_add_byte(out, ',');
		json_put_string(out, span_of(chat->command[i]));
	}
	buf_add_byte(out, ']');
	json_put_text(out, "stdin", buf_span(&line));
	out->failed |= line.failed;
	buf_free(&line);
}

static void
put_json_request(struct buf *out, const struct dry *dry, uint32_t index)
{
	struct record record = prompts_at(dry->prompts, index);

	buf_add_byte(out, '{');
	json_put_integer(out, "id", prompts_id(dry->prompts, index));
	json_put_text(out, "backend", span_of(dry->backend->chat.kind->name));
	if (is_http(dry))
		put_json_http(out, dry, &record);
	else if (is_talk(dry))
		put_json_talk(out, dry, &record,
		    (uint64_t)prompts_id(dry->prompts, index));
	else if (dry->backend->chat.command != NULL)
		put_json_command(out, dry->backend->chat.command, record.text);
	else
		json_put_text(out, "prompt", record.text);
	if (dry->conf->plugin != NULL)
		json_put_text(out, "plugin", span_of(dry->conf->plugin));
	buf_add_byte(out, '}');
}

void
dry_put_json(struct buf *out, const struct dry *dry)
{
	struct load load = measure(dry);

	buf_add_byte(out, '{');
	json_put_key(out, "first");
	if (load.count > 0)
		put_json_request(out, dry, load.first);
	else
		buf_add_text(out, "null");
	json_put_integer(out, "total", prompts_count(dry->prompts));
	json_put_integer(out, "to_do", load.count);
	json_put_integer(out, "answered", dry->answered);
	json_put_text(out, "database", span_of(dry->db_path));
	json_put_integer(out, "input_tokens", (int64_t)(load.bytes / 4));
	json_put_integer(out, "tokens_most", (int64_t)tokens_sum(&load.tokens));
	json_put_key(out, "output_tokens_most");
	if (load.limited && load.count > 0)
		buf_printf(out, "%ju", (uintmax_t)load.tokens.output);
	else
		buf_add_text(out, "null");
	buf_add_text(out, "}\n");
}
