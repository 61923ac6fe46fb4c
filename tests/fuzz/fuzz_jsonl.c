/* SPDX-License-Identifier: ISC */
/*
 * Lines of JSON objects.
 */
#include "fuzz_input.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return fuzz_format(INPUT_JSONL, NULL, data, size);
}
