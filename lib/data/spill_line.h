/* SPDX-License-Identifier: ISC */
#ifndef SPILL_LINE_H
#define SPILL_LINE_H

#include "data/spill.h"

/* Read a line; what is no sound note is refused (-1). */
int spill_line_read(struct spill_line *line, struct span text);
void spill_line_free(struct spill_line *line);

/* Read the first sound line of a spill file that is ours alone. Gives 0, or
 * -1 when there is none. */
int spill_peek(const char *path, struct spill_line *line);

#endif
