/* SPDX-License-Identifier: ISC */
/*
 * A blank reply: everything that can be unknown is.
 */
#include "wire/reply.h"

void
reply_init(struct reply *reply)
{
	*reply = (struct reply){
	    .outcome = OUTCOME_OK,
	    .retry_after_ms = -1,
	    .first_byte_ms = -1,
	    .input_tokens = -1,
	    .output_tokens = -1,
	    .requests = {-1, -1},
	    .tokens = {-1, -1},
	};
}
