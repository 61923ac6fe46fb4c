/* SPDX-License-Identifier: ISC */
/*
 * The list of models, read as the names in data[].id; whatever else a server
 * says there is not looked at.
 */
#include "chat/models.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/json.h"
#include "base/secret.h"
#include "base/text.h"
#include "chat/chat.h"
#include "chat/curl.h"
#include "chat/http.h"
#include "chat/url.h"

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

/* Say what came instead of a list, with the key struck out. */
static int
refuse(const struct chat_conf *conf, struct curl_response *response,
    struct err *err)
{
	struct span said = response->error;
	struct buf line;

	if (response->outcome == OUTCOME_OK) {
		said.data = response->body;
		said.size = secret_redact(
		    &conf->key, response->body, response->body_size);
	}
	buf_init(&line, 8 * MODELS_EXCERPT_BYTES);
	text_one_line(&line, said, MODELS_EXCERPT_BYTES);
	if (response->outcome == OUTCOME_OK)
		err_set(err, ERR_USAGE,
		    "no -m MODEL, and the server does not list its models "
		    "(HTTP %d: %s)",
		    response->status, line.data);
	else
		err_set(err, ERR_BACKEND,
		    "no -m MODEL, and the server cannot be asked for its "
		    "models: %s",
		    line.data != NULL ? line.data : "");
	buf_free(&line);
	return -1;
}

int
models_ask(const struct chat_conf *conf, const struct url *url,
    struct buf *names, struct err *err)
{
	struct curl_request request = {
	    .cap_bytes = MODELS_CAP_BYTES,
	    .started_ns = clock_now_ns(),
	    .allowed_ns = MODELS_WITHIN_NS,
	    .stop_fd = -1,
	};
	struct curl_response response;
	struct curl_client *client;
	int count;

	if (curl_client_prepare(err) == -1)
		return -1;
	client = http_open_client(conf, url, true);
	if (client == NULL)
		return err_set_memory(err, "HTTP client");
	curl_client_post(client, &request, &response);
	if (response.outcome == OUTCOME_OK && response.status == 200)
		count =
		    read_names((struct span){response.body, response.body_size},
			names, err);
	else
		count = refuse(conf, &response, err);
	curl_client_close(client);
	return count;
}
