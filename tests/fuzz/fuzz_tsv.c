/* SPDX-License-Identifier: ISC */
/*
 * Tables with tabs, the prompt in a column of its own.
 */
#include "fuzz_input.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return fuzz_format(INPUT_TSV, NULL, data, size);
}
