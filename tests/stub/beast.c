/* SPDX-License-Identifier: ISC */
/*
 * A command that does what the prompt says (deeds.h); any other prompt is its
 * own answer in capitals. As "beast lines" it is one for --per-worker.
 *
 *	bytes		an answer with a NUL and bytes that are no UTF-8
 *	half		half an answer, then silence
 */
#include <ctype.h>

#include "deeds.h"

static char prompt[1 << 16];

static void
shout(void)
{
	for (char *at = prompt; *at != '\0'; at++)
		*at = (char)toupper((unsigned char)*at);
}

static void
say(const char *text, size_t size)
{
	fwrite(text, 1, size, stdout);
	fflush(stdout);
}

static int
answer_once(void)
{
	size_t size = fread(prompt, 1, sizeof(prompt) - 1, stdin);

	prompt[size] = '\0';
	prompt[strcspn(prompt, "\n")] = '\0';
	if (strcmp(prompt, "half") == 0) {
		say("HAL", 3);
		deed_hang(0);
	}
	if (strcmp(prompt, "bytes") == 0) {
		say("a\0\xff\xfe z", 6);
		return 0;
	}
	deed_do(prompt);
	shout();
	return puts(prompt) < 0;
}

/* Of a request only the number, and a prompt without escapes. */
static int
read_request(unsigned *id)
{
	static char line[1 << 16];
	const char *at;

	if (fgets(line, sizeof(line), stdin) == NULL ||
	    (at = strstr(line, "\"id\":")) == NULL ||
	    sscanf(at, "\"id\":%u", id) != 1 ||
	    (at = strstr(line, "\"prompt\":\"")) == NULL)
		return 0;
	snprintf(prompt, sizeof(prompt), "%s", at + strlen("\"prompt\":\""));
	prompt[strcspn(prompt, "\"")] = '\0';
	return 1;
}

static int
answer_lines(void)
{
	unsigned id;

	puts("{\"ready\":true}");
	fflush(stdout);
	while (read_request(&id)) {
		if (strcmp(prompt, "half") == 0) {
			say("{\"id\":", 6);
			deed_hang(0);
		}
		if (strcmp(prompt, "bytes") == 0)
			say("{\"id\":1,\"result\":\"\0\xff\"}\n", 22);
		deed_do(prompt);
		shout();
		printf("{\"id\":%u,\"result\":\"%s\"}\n", id, prompt);
		fflush(stdout);
	}
	return 0;
}

int
main(int argc, char *argv[])
{
	if (argc > 1 && strcmp(argv[1], "lines") == 0)
		return answer_lines();
	return answer_once();
}
