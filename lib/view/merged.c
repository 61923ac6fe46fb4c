/* SPDX-License-Identifier: ISC */
/*
 * What is said at the end of a merge. Answers that were not taken are paid for
 * as well: each is named, as far as there is room.
 */
#include "view/merged.h"

#include <inttypes.h>

#include "base/json.h"
#include "base/text.h"
#include "data/merge.h"
#include "view/line.h"

static size_t
shown_count(const struct merge *merge)
{
	return merge->conflicts < MERGE_SHOWN ? (size_t)merge->conflicts
					      : MERGE_SHOWN;
}

static void
put_line(const struct line_page *page, const char *label, struct buf *list,
    bool is_list)
{
	line_put(page, label, buf_span(list), is_list);
	buf_clear(list);
}

/* "17: a.db, not b.db", a line each. */
static void
put_conflicts(
    const struct line_page *page, const struct merge *merge, struct buf *list)
{
	if (merge->conflicts == 0)
		return;
	line_add(list, merge->conflicts,
	    "prompt has different answers; the first named DB's was taken:",
	    "prompts have different answers; the first named DB's was taken:");
	put_line(page, "differ:", list, false);
	for (size_t i = 0; i < shown_count(merge); i++) {
		const struct merge_conflict *conflict = &merge->shown[i];

		buf_printf(list, "%" PRId64 ": ", conflict->id);
		text_escape(list, span_of(conflict->taken), 0);
		buf_add_text(list, ", not ");
		text_escape(list, span_of(conflict->other), 0);
		put_line(page, " ", list, false);
	}
	if (merge->conflicts > MERGE_SHOWN)
		buf_add_text(list, "…");
	put_line(page, " ", list, false);
}

/* "shards 3,7; sbatch --array=3,7 of the same job does them". */
static struct span
shards_lacking(const struct merge *merge, struct buf *list)
{
	buf_clear(list);
	buf_printf(list,
	    "shards %s; sbatch --array=%s of the same job does them",
	    merge->lacking.data, merge->lacking.data);
	return buf_span(list);
}

void
merged_render(const struct merge *merge, unsigned columns, struct buf *out)
{
	struct line_page page = line_page(out, columns);
	uint64_t total = merge->answered + merge->failed + merge->open;
	struct buf list;
	char text[32];

	buf_init(&list, LINE_LIST_CAP);
	text_escape(out, span_of(merge->name), 0);
	buf_printf(out, ": merged from %s %s\n",
	    text_count(merge->shards, text, sizeof(text)),
	    merge->shards == 1 ? "database" : "databases");
	buf_printf(&list, "%s: ", text_count(total, text, sizeof(text)));
	buf_printf(&list, "%s answered",
	    text_count(merge->answered, text, sizeof(text)));
	line_add(&list, merge->failed, "failed", "failed");
	line_add(&list, merge->open, "open", "open");
	put_line(&page, "prompts:", &list, true);
	line_add(&list, merge->attempts, "try", "tries");
	line_add(&list, merge->runs, "run", "runs");
	put_line(&page, "kept:", &list, true);
	put_conflicts(&page, merge, &list);
	if (merge->lacking.size > 0)
		line_put(
		    &page, "lacking:", shards_lacking(merge, &list), false);
	buf_free(&list);
}

static void
put_json_conflicts(struct buf *out, const struct merge *merge)
{
	json_put_integer(out, "conflicts", (int64_t)merge->conflicts);
	json_put_key(out, "first_conflicts");
	buf_add_byte(out, '[');
	for (size_t i = 0; i < shown_count(merge); i++) {
		const struct merge_conflict *conflict = &merge->shown[i];

		if (i > 0)
			buf_add_byte(out, ',');
		buf_add_byte(out, '{');
		json_put_integer(out, "id", conflict->id);
		json_put_text(out, "taken", span_of(conflict->taken));
		json_put_text(out, "other", span_of(conflict->other));
		buf_add_byte(out, '}');
	}
	buf_add_byte(out, ']');
}

void
merged_render_json(const struct merge *merge, struct buf *out)
{
	uint64_t total = merge->answered + merge->failed + merge->open;

	buf_add_byte(out, '{');
	json_put_text(out, "database", span_of(merge->name));
	json_put_integer(out, "merged", (int64_t)merge->shards);
	json_put_integer(out, "total", (int64_t)total);
	json_put_integer(out, "answered", (int64_t)merge->answered);
	json_put_integer(out, "failed", (int64_t)merge->failed);
	json_put_integer(out, "open", (int64_t)merge->open);
	json_put_integer(out, "attempts", (int64_t)merge->attempts);
	json_put_integer(out, "runs", (int64_t)merge->runs);
	put_json_conflicts(out, merge);
	json_put_integer(out, "missing", (int64_t)merge->missing);
	json_put_key(out, "first_missing");
	if (merge->first_missing > 0)
		buf_printf(out, "%" PRId64, merge->first_missing);
	else
		buf_add_text(out, "null");
	json_put_bool(out, "plans_differ", merge->plans_differ);
	json_put_text(out, "shards_lacking",
	    merge->lacking.size > 0 ? buf_span(&merge->lacking)
				    : span_of(NULL));
	buf_add_text(out, "}\n");
}
