/* SPDX-License-Identifier: ISC */
/*
 * A shard is useless beside shards of another list, or cut otherwise: so each
 * says what it is a part of.
 */
#include "data/pin.h"

#include <inttypes.h>
#include <stdio.h>

#include <bsd/string.h>
#include <sqlite3.h>

#include "base/err.h"
#include "base/json.h"
#include "data/db.h"
#include "data/sql.h"

static void
read_list(struct prompts_list *list, struct span settings)
{
	struct json *root = json_parse(settings, NULL);
	struct json *member = json_get(root, "list");
	struct span digest = json_string(json_get(member, "sha256"));

	if (digest.size == SHA256_HEX_BYTES - 1) {
		strlcpy(list->digest, digest.data, sizeof list->digest);
		list->count =
		    (uint64_t)json_integer(json_get(member, "count"), 0);
	}
	json_free(root);
}

int
pin_read(struct pin *pin, struct sqlite3 *db)
{
	struct sqlite3_stmt *stmt;
	int64_t merges = 0;
	int code = db_number(db, SQL_HAS_MERGES, &merges);

	*pin = (struct pin){.is_known = merges > 0, .share = SHARE_WHOLE};
	if (code != SQLITE_OK || merges > 0)
		return code;
	code = db_prepare(db, SQL_LAST_SHARE, &stmt);
	if (code == SQLITE_OK)
		code = sqlite3_step(stmt);
	if (code == SQLITE_ROW) {
		pin->is_known =
		    share_read(db_column(stmt, 0).data, &pin->share);
		read_list(&pin->list, db_column(stmt, 1));
		code = SQLITE_DONE;
	}
	sqlite3_finalize(stmt);
	return code == SQLITE_DONE ? SQLITE_OK : code;
}

static void
put_share(struct share share, char *text, size_t size)
{
	char digits[SHARE_TEXT_BYTES];

	share_put(share, digits);
	if (share.count > 1)
		snprintf(text, size, "shard %s", digits);
	else
		strlcpy(text, "a whole list", size);
}

static int
refuse_share(const struct pin *pin, struct share share, const char *name,
    struct err *err)
{
	char was[SHARE_TEXT_BYTES + 8];
	char is[SHARE_TEXT_BYTES + 8];

	put_share(pin->share, was, sizeof was);
	put_share(share, is, sizeof is);
	return err_set(err, ERR_USAGE,
	    "%s holds %s, this is %s; give another --db ({shard} in its name "
	    "is the shard's)",
	    name, was, is);
}

int
pin_check(const struct pin *pin, const struct prompts *prompts, bool extends,
    const char *name, struct err *err)
{
	const struct prompts_list *list = prompts_list(prompts);
	const struct share share = prompts_share(prompts);

	if (!pin->is_known)
		return 0;
	if (share.number != pin->share.number ||
	    share.count != pin->share.count)
		return refuse_share(pin, share, name, err);
	if (strcmp(pin->list.digest, list->digest) == 0)
		return 0;
	if (list->count <= pin->list.count)
		return err_set(err, ERR_USAGE,
		    "%s is a shard of another list (%" PRIu64
		    " prompts; this one has %" PRIu64 "); give another --db",
		    name, pin->list.count, list->count);
	if (!extends)
		return err_set(err, ERR_USAGE,
		    "%s is a shard of a list of %" PRIu64
		    " prompts, this one has %" PRIu64
		    "; --extend takes one that only grew",
		    name, pin->list.count, list->count);
	return 0;
}

void
pin_put_list(struct buf *buf, const struct prompts *prompts)
{
	const struct prompts_list *list = prompts_list(prompts);

	if (prompts_share(prompts).count == 1)
		return;
	json_put_key(buf, "list");
	buf_add_byte(buf, '{');
	json_put_integer(buf, "count", (int64_t)list->count);
	json_put_text(buf, "sha256", span_of(list->digest));
	buf_add_byte(buf, '}');
}
