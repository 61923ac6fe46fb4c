/* SPDX-License-Identifier: ISC */
/*
 * OpenAI's /chat/completions.
 */
#include "fuzz_api.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return fuzz_all(&api_openai, data, size);
}
