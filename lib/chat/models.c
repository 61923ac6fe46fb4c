/* SPDX-License-Identifier: ISC */
/*
 * The list of models, read as the names in data[].id; whatever else a server
 * says there is not looked at.
 */
#include "chat/models.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/text.h"
#include "chat/api_error.h"
#include "chat/chat.h"
#include "chat/curl.h"
#include "chat/http.h"
#include "chat/retry.h"

#define MODELS_CAP_BYTES ((size_t)16 << 20) /* hundreds of long entries */
#define MODELS_WITHIN_NS (30 * CLOCK_S)	    /* a list, not a generation */
#define MODELS_EXCERPT_BYTES 300	    /* of what the server said */

static int
read_names(struct span body, struct buf *names, struct err *err)
{
	struct json *root = json_parse_lenient(body, NULL);
	struct json *list = json_get(root, "data");
	size_t count = json_count(list);

	for (size_t i = 0; i < count; i++) {
		struct span id = json_string(json_get(json_at(list, i), "id"));

		buf_add(names, id.data, id.size);
		buf_add_byte(names, '\n');
	}
	json_free(root);
	if (names->failed)
		return err_set_memory(err, "list of models");
	if (count == 0)
		return err_set(
		    err, ERR_USAGE, "no -m MODEL, and the server lists none");
	return (int)count;
}

/* What does a status that is no 200 mean, and what is said with it? */
static enum outcome
judge(const struct curl_response *response, struct buf *said)
{
	struct span body = {response->body, response->body_size};
	struct json *root = json_parse_lenient(body, NULL);
	struct retry_facts facts = {
	    .status = response->status, .wall_ms = clock_wall_ms()};
	struct api_error error;
	struct buf scratch;
	int64_t after_ms;

	buf_init(&scratch, MODELS_CAP_BYTES);
	api_error_read(root, &scratch, &error);
	facts.error_type = error.type;
	facts.error_code = error.code;
	facts.message = error.message.size > 0 ? error.message : body;
	buf_printf(said, "HTTP %d: ", response->status);
	text_one_line(said, facts.message, MODELS_EXCERPT_BYTES);
	json_free(root);
	buf_free(&scratch);
	return retry_judge(&facts, &after_ms);
}

/* Say what came instead of a list, with all keys struck out. */
static int
refuse(const struct chat_conf *conf, const struct curl_response *response,
    enum outcome *outcome, struct err *err)
{
	const struct outcome_trait *trait;
	struct buf said;
	bool blames;

	buf_init(&said, 8 * MODELS_EXCERPT_BYTES);
	*outcome = response->outcome;
	if (response->outcome == OUTCOME_OK)
		*outcome = judge(response, &said);
	else
		text_one_line(&said, response->error, MODELS_EXCERPT_BYTES);
	if (said.size > 0)
		said.size = http_redact(conf, said.data, said.size);
	/* Without a list there may be models all the same. */
	if (*outcome == OUTCOME_NO_MODEL)
		*outcome = OUTCOME_BAD_REQUEST;
	trait = outcome_trait(*outcome);
	blames = trait->blames_run;
	err_set(err, blames || trait->retries ? ERR_BACKEND : ERR_USAGE,
	    "%s%sno -m MODEL, and the server does not list its models (%s)",
	    blames ? trait->words : "", blames ? ": " : "",
	    buf_span(&said).data);
	buf_free(&said);
	return -1;
}

int
models_ask(const struct chat_conf *conf, uint32_t endpoint, struct buf *names,
    int stop_fd, enum outcome *outcome, struct err *err)
{
	struct curl_request request = {
	    .cap_bytes = MODELS_CAP_BYTES,
	    .started_ns = clock_now_ns(),
	    .allowed_ns = MODELS_WITHIN_NS,
	    .stop_fd = stop_fd,
	};
	struct curl_response response;
	struct curl_client *client;
	int count;

	*outcome = OUTCOME_OK;
	if (curl_client_prepare(err) == -1)
		return -1;
	client = http_open_client(conf, endpoint, true);
	if (client == NULL)
		return err_set_memory(err, "HTTP client");
	curl_client_post(client, &request, &response);
	response.body_size =
	    http_redact(conf, response.body, response.body_size);
	if (response.outcome == OUTCOME_OK && response.status == 200)
		count =
		    read_names((struct span){response.body, response.body_size},
			names, err);
	else
		count = refuse(conf, &response, outcome, err);
	curl_client_close(client);
	return count;
}
