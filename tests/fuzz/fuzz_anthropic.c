/* SPDX-License-Identifier: ISC */
/*
 * Anthropic's /messages.
 */
#include "fuzz_api.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return fuzz_all(&api_anthropic, data, size);
}
