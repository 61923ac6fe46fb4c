/* SPDX-License-Identifier: ISC */
#ifndef ASSERT_TEXT_H
#define ASSERT_TEXT_H

#include "base/buf.h"

/* Is the text that one? NULL: none. Fails with both. Behind cmocka.h. */
static inline void
assert_text(struct span text, const char *want)
{
	if (!span_equals(text, span_of(want)))
		fail_msg("\"%.*s\" is not \"%s\"", (int)text.size,
		    text.data == NULL ? "(none)" : text.data,
		    want == NULL ? "(none)" : want);
}

#endif
