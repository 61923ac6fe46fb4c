/* SPDX-License-Identifier: ISC */
#ifndef ROW_KEY_H
#define ROW_KEY_H

#include <stdbool.h>

#include "base/buf.h"

struct store_row;

/* Our keys of a row that goes out, in their order. */
enum row_key {
	ROW_ID = 0,
	ROW_CUSTOM_ID = 1,
	ROW_RESULT = 2,
	ROW_RESULT_BASE64 = 3, /* of an answer that is no UTF-8 */
	ROW_OK = 4,
	ROW_ERROR = 5,
	ROW_MODEL = 6,
	ROW_FINISH_REASON = 7,
	ROW_REASONING = 8,
	ROW_ATTEMPTS = 9,
	ROW_DURATION_MS = 10,
	ROW_INPUT_TOKENS = 11,
	ROW_OUTPUT_TOKENS = 12,
	ROW_PROMPT = 13, /* only where it is asked for, as the next */
	ROW_STATE = 14,
};
#define ROW_KEYS 15
#define ROW_KEYS_USUAL 13 /* the first, which stand in every record */

const char *row_key_name(enum row_key key);

/* Gives its value as a text, none for null; numbers are put into scratch,
 * which is cleared. */
struct span row_key_text(
    const struct store_row *row, enum row_key key, struct buf *scratch);

/* Append it as JSON. */
void row_key_put_json(struct buf *buf, const struct store_row *row,
    enum row_key key, struct buf *scratch);

/* Why a row that failed did: the whole sentence. None for others. */
struct span row_error(const struct store_row *row);

#endif
