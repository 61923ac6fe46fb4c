/* SPDX-License-Identifier: ISC */
/*
 * Whatever the first bytes say it is: packed or not, lines or JSON.
 */
#include "fuzz_input.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	return fuzz_format(INPUT_AUTO, NULL, data, size);
}
