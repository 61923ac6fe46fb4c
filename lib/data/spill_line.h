/* SPDX-License-Identifier: ISC */
#ifndef SPILL_LINE_H
#define SPILL_LINE_H

#include "data/spill.h"

/* Read a line; what is no sound note is refused (-1). */
int spill_line_read(struct spill_line *line, struct span text);
void spill_line_free(struct spill_line *line);

#endif
