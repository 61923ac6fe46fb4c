/* SPDX-License-Identifier: ISC */
/*
 * Tables with commas, and a template over their columns.
 */
#include "fuzz_input.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return fuzz_format(INPUT_CSV, "{{a}} {{b|json}}", data, size);
}
