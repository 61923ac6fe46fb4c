/* SPDX-License-Identifier: ISC */
#ifndef API_BENCH_H
#define API_BENCH_H

#include "assert_text.h"
#include "base/json.h"
#include "chat/answer.h"
#include "chat/api.h"
#include "chat/chat.h"

/* What the tests of all dialects share: a request built, a whole response
 * read. Behind cmocka.h. */
static inline void
bench_request(const struct api *api, const struct api_shape *shape,
    const struct chat_conf *conf, const struct record *record, const char *want)
{
	struct json *root;
	struct buf body;

	buf_init(&body, (size_t)1 << 20);
	api->build(conf, record, shape, &body);
	assert_false(body.failed);
	assert_text(buf_span(&body), want);
	root = json_parse(buf_span(&body), NULL);
	assert_non_null(root);
	json_free(root);
	buf_free(&body);
}

struct response {
	struct answer answer;
	struct reply reply;
};

static inline struct reply *
bench_response(const struct api *api, struct response *response,
    const char *body, bool allow_empty)
{
	struct json *root = json_parse_lenient(span_of(body), NULL);

	assert_non_null(root);
	answer_init(&response->answer, (size_t)1 << 20);
	reply_init(&response->reply);
	api->read(root, &response->answer);
	json_free(root);
	answer_judge(&response->answer, allow_empty, &response->reply);
	return &response->reply;
}

static inline void
drop(struct response *response)
{
	answer_free(&response->answer);
}

/* No answer comes of it, but this outcome for this reason. */
static inline void
bench_failure(const struct api *api, const char *body, enum outcome outcome,
    const char *error)
{
	struct response response;
	struct reply *reply = bench_response(api, &response, body, false);

	if (reply->outcome != outcome)
		fail_msg("%s is %s", body, outcome_trait(reply->outcome)->name);
	assert_text(reply->error, error);
	assert_text(reply->text, NULL);
	drop(&response);
}

#endif
