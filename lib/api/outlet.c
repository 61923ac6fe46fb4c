/* SPDX-License-Identifier: ISC */
/*
 * Public options become a style.
 */
#include "api/outlet.h"

#include <string.h>

#include "base/err.h"
#include "data/store.h"

static enum export_format
format_of(enum llmill_format format)
{
	switch (format) {
	case LLMILL_FORMAT_JSONL:
		return EXPORT_JSONL;
	case LLMILL_FORMAT_TXT:
		return EXPORT_TXT;
	case LLMILL_FORMAT_NUL:
		return EXPORT_NUL;
	case LLMILL_FORMAT_CSV:
		return EXPORT_CSV;
	case LLMILL_FORMAT_TSV:
		return EXPORT_TSV;
	case LLMILL_FORMAT_OPENAI_BATCH:
		return EXPORT_BATCH;
	default:
		return EXPORT_AUTO;
	}
}

static unsigned
states_of(enum llmill_only only)
{
	static const unsigned states[] = {
	    [LLMILL_ONLY_ALL] = 0,
	    [LLMILL_ONLY_OK] = 1u << STORE_ANSWERED,
	    [LLMILL_ONLY_FAILED] = 1u << STORE_FAILED,
	    [LLMILL_ONLY_OPEN] = 1u << STORE_OPEN,
	};

	return states[only];
}

/* What a file is called says what it is. */
static enum export_format
format_by_ending(const char *path)
{
	static const struct {
		const char *ending;
		enum export_format format;
	} rows[] = {
	    {".csv", EXPORT_CSV},
	    {".tsv", EXPORT_TSV},
	    {".txt", EXPORT_TXT},
	    {".jsonl", EXPORT_JSONL},
	};
	const char *ending = path != NULL ? strrchr(path, '.') : NULL;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (ending != NULL && strcmp(ending, rows[i].ending) == 0)
			return rows[i].format;
	return EXPORT_AUTO;
}

int
outlet_init(struct outlet *outlet, const struct llmill_output *conf,
    const char *path, struct err *err)
{
	struct export_style *style = &outlet->style;
	bool is_table;

	columns_init(&outlet->columns);
	*style = (struct export_style){
	    .format = format_of(conf->format),
	    .only = states_of(conf->only),
	    .csv_safe = conf->csv_safe,
	};
	if (style->format == EXPORT_AUTO)
		style->format = format_by_ending(path);
	is_table = style->format == EXPORT_CSV || style->format == EXPORT_TSV;
	outlet->has_columns = is_table || conf->fields != NULL;
	if (conf->csv_safe && !is_table)
		return err_set(err, ERR_USAGE,
		    "--csv-safe is for tables: give -f csv or -f tsv");
	if (conf->fields != NULL && style->format == EXPORT_AUTO)
		style->format = EXPORT_JSONL;
	if (conf->fields != NULL && !is_table && style->format != EXPORT_JSONL)
		return err_set(err, ERR_USAGE,
		    "--fields chooses members of jsonl and columns of csv and "
		    "tsv; the other formats have none");
	return 0;
}

void
outlet_free(struct outlet *outlet)
{
	columns_free(&outlet->columns);
}

const struct columns *
outlet_columns(const struct outlet *outlet)
{
	return outlet->has_columns ? &outlet->columns : NULL;
}
