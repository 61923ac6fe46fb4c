/* SPDX-License-Identifier: ISC */
/*
 * Lines of OpenAI batches.
 */
#include "fuzz_input.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return fuzz_format(INPUT_BATCH, NULL, data, size);
}
