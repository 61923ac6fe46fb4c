/* SPDX-License-Identifier: ISC */
/*
 * ELIZA with the DOCTOR script of Joseph Weizenbaum (Communications of the
 * ACM 9:1, 1966), as a command for llmill to run: a prompt on stdin, a reply
 * on stdout. Lines before the last are the earlier turns of the conversation.
 * With --flaky it crashes and hangs now and then, as real backends do.
 */
#include <ctype.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <unistd.h>

#include "doctor.h"

#define WORDS_MAX 200 /* of a clause; what is longer is cut */
#define WORD_BYTES 64 /* the same */
#define PARTS_MAX 10  /* of a decomposition */
#define MEMORY_MAX 8  /* turns remembered */
#define REPLY_BYTES (2 * WORDS_MAX * WORD_BYTES)

#define LENGTH(a) (sizeof(a) / sizeof((a)[0]))

struct part {
	size_t from;
	size_t count;
};

struct clause {
	char words[WORDS_MAX][WORD_BYTES];
	size_t count;
	size_t keys[WORDS_MAX]; /* lines of doctor, the best first */
	size_t key_count;
};

struct mind {
	size_t used[LENGTH(doctor)]; /* how often each decomposition */
	size_t first;		     /* where all rotations begin */
	char memory[MEMORY_MAX][REPLY_BYTES];
	size_t memory_count;
};

static uint64_t
hash(const char *text)
{
	uint64_t sum = 14695981039346656037U; /* FNV-1a */

	for (; *text != '\0'; text++)
		sum = (sum ^ (unsigned char)*text) * 1099511628211U;
	sum = (sum ^ sum >> 32) * 0xd6e8feb86659fd93U;
	return sum ^ sum >> 32;
}

/* Gives the line of a keyword, LENGTH(doctor) when the word is none. */
static size_t
key_find(const char *word, size_t length)
{
	size_t i;

	for (i = 0; i < LENGTH(doctor); i++)
		if (doctor[i][0] == '#' &&
		    strcspn(doctor[i] + 1, "= ") == length &&
		    strncasecmp(doctor[i] + 1, word, length) == 0)
			break;
	return i;
}

static long
key_rank(size_t key)
{
	return strtol(doctor[key] + strcspn(doctor[key], " "), NULL, 10);
}

/* Has it rules of its own, or does it only turn a word into another? */
static bool
key_has_rules(size_t key)
{
	return key + 1 < LENGTH(doctor) && doctor[key + 1][0] != '#';
}

static void
clause_add(struct clause *clause, const char *text, size_t length)
{
	static const char *const shorts[][2] = {{"'m", "am"}, {"'re", "are"},
	    {"'ve", "have"}, {"'ll", "will"}, {"'d", "would"}};
	char *word = clause->words[clause->count];
	size_t i, tail;

	for (i = 0; i < LENGTH(shorts); i++) {
		tail = strlen(shorts[i][0]);
		if (length > tail &&
		    !strncasecmp(text + length - tail, shorts[i][0], tail)) {
			clause_add(clause, text, length - tail);
			clause_add(clause, shorts[i][1], strlen(shorts[i][1]));
			return;
		}
	}
	if (clause->count == WORDS_MAX)
		return;
	if (length >= WORD_BYTES)
		for (length = WORD_BYTES - 1; (text[length] & 0xc0) == 0x80;)
			length--;
	snprintf(word, WORD_BYTES, "%.*s", (int)length, text);
	if (clause->count == 0 && islower((unsigned char)word[1]))
		word[0] = (char)tolower((unsigned char)word[0]);
	clause->count++;
}

static bool
is_letter(char c)
{
	return isalnum((unsigned char)c) || c == '\'' || c == '-' || c & 0x80;
}

/* Read the words up to a delimiter or "but". Gives what follows it. */
static const char *
clause_read(struct clause *clause, const char *at)
{
	size_t length;

	clause->count = clause->key_count = 0;
	while (*at != '\0') {
		for (length = 0; is_letter(at[length]); length++)
			;
		if (length == 3 && strncasecmp(at, "but", 3) == 0)
			return at + length;
		if (length > 0)
			clause_add(clause, at, length);
		at += length;
		if (*at == '\0')
			break;
		if (strchr(",.?!;:", *at) && !is_letter(at[1]))
			return at + 1;
		at++;
	}
	return at;
}

/* Turn the words round and stack the keywords: one of higher rank than the
 * top goes on top, every other to the bottom. */
static void
clause_turn(struct clause *clause)
{
	size_t i, key, at;
	const char *swap;
	char *word;

	for (i = 0; i < clause->count; i++) {
		word = clause->words[i];
		key = key_find(word, strlen(word));
		if (key == LENGTH(doctor))
			continue;
		if (key_has_rules(key)) {
			at = clause->key_count++;
			if (at > 0 &&
			    key_rank(key) > key_rank(clause->keys[0])) {
				memmove(clause->keys + 1, clause->keys,
				    at * sizeof(clause->keys[0]));
				at = 0;
			}
			clause->keys[at] = key;
		}
		swap = strchr(doctor[key], '=');
		if (swap)
			snprintf(word, WORD_BYTES, "%.*s",
			    (int)strcspn(swap + 1, " "), swap + 1);
	}
}

/* Is the word one of "a/b/c"? */
static bool
word_is(const char *word, const char *list, size_t length)
{
	const char *end = list + length;
	size_t one;

	for (; list < end; list += one + 1) {
		for (one = 0; list + one < end && list[one] != '/'; one++)
			;
		if (strlen(word) == one && strncasecmp(word, list, one) == 0)
			return true;
	}
	return false;
}

/* Take the words from at apart by the pattern; the shortest "*" wins. */
static bool
clause_match(const struct clause *clause, size_t at, const char *pattern,
    struct part *parts)
{
	size_t length = strcspn(pattern, " ");
	const char *rest = pattern + length + (pattern[length] == ' ');
	size_t least = 1, most = 1;

	if (length == 0)
		return at == clause->count;
	if (*pattern == '*') {
		least = 0;
		most = clause->count - at;
	} else if (at == clause->count ||
		   !word_is(clause->words[at], pattern, length)) {
		return false;
	}
	for (; least <= most; least++) {
		*parts = (struct part){at, least};
		if (clause_match(clause, at + least, rest, parts + 1))
			return true;
	}
	return false;
}

static void
put(char *out, const char *text, size_t length)
{
	size_t used = strlen(out);

	snprintf(out + used, REPLY_BYTES - used, "%.*s", (int)length, text);
}

/* Put a part of what was said; the grammar that turning broke is mended. */
static void
put_part(char *out, const struct clause *clause, struct part part)
{
	const char *word, *last = "";
	size_t i;

	for (i = part.from; i < part.from + part.count; i++) {
		word = clause->words[i];
		if (!strcmp(word, "i"))
			word = i > part.from && i + 1 == part.from + part.count
				   ? "me"
				   : "I";
		else if (!strcmp(word, "are") && !strcmp(last, "I"))
			word = "am";
		else if (!strcmp(word, "was") && !strcmp(last, "you"))
			word = "were";
		if (i > part.from)
			put(out, " ", 1);
		put(out, word, strlen(word));
		last = word;
	}
}

/* Put a reply together. Gives false when it wants a part that is empty. */
static bool
reply_build(char *out, const char *reply, size_t length,
    const struct clause *clause, const struct part *parts)
{
	const char *end = reply + length;
	struct part part;

	out[0] = '\0';
	for (; reply < end; reply++) {
		if (*reply != '(') {
			put(out, reply, 1);
			continue;
		}
		part = parts[reply[1] - '1'];
		if (part.count == 0)
			return false;
		put_part(out, clause, part);
		reply += 2;
	}
	out[0] = (char)toupper((unsigned char)out[0]);
	return true;
}

/* Gives the n-th reply (modulo their count) of a list. */
static const char *
reply_at(const char *list, size_t n, size_t *length)
{
	const char *p;
	size_t count = 1;

	for (p = list; *p != '\0'; p++)
		count += *p == '|';
	for (n %= count; n > 0; n--)
		list = strchr(list, '|') + 1;
	*length = strcspn(list, "|");
	return list;
}

/* Answer by one keyword. Gives false when the next one shall try. */
static bool
key_reply(struct mind *mind, const struct clause *clause, size_t key, char *out)
{
	struct part parts[PARTS_MAX];
	const char *reply;
	size_t i, tries, length;

	for (i = key + 1; i < LENGTH(doctor) && doctor[i][0] != '#'; i += 2) {
		if (!clause_match(clause, 0, doctor[i], parts))
			continue;
		for (tries = 0; tries < 9; tries++) {
			reply = reply_at(doctor[i + 1],
			    mind->first + mind->used[i]++, &length);
			if (*reply == '>')
				return length > 1 &&
				       key_reply(mind, clause,
					   key_find(reply + 1, length - 1),
					   out);
			if (reply_build(out, reply, length, clause, parts))
				return true;
		}
	}
	return false;
}

/* Keep something of a clause about "my …" for when there is nothing to say. */
static void
mind_remember(struct mind *mind, const struct clause *clause)
{
	struct part parts[PARTS_MAX];
	const char *reply;
	size_t key = key_find("xmemory", 7), length;

	if (mind->memory_count == MEMORY_MAX ||
	    !clause_match(clause, 0, doctor[key + 1], parts))
		return;
	reply = reply_at(doctor[key + 2],
	    (size_t)hash(clause->words[clause->count - 1]), &length);
	if (reply_build(
		mind->memory[mind->memory_count], reply, length, clause, parts))
		mind->memory_count++;
}

/* Answer one turn of the conversation. */
static void
mind_reply(struct mind *mind, const char *line, char *out)
{
	static struct clause clause;
	size_t i;

	do {
		line = clause_read(&clause, line);
		clause_turn(&clause);
	} while (clause.key_count == 0 && *line != '\0');

	for (i = 0; i < clause.key_count; i++)
		if (key_reply(mind, &clause, clause.keys[i], out))
			break;
	if (i < clause.key_count) {
		if (clause.keys[0] == key_find("my", 2))
			mind_remember(mind, &clause);
	} else if (mind->memory_count > 0) {
		memcpy(out, mind->memory[0], REPLY_BYTES);
		memmove(mind->memory, mind->memory + 1,
		    --mind->memory_count * sizeof(mind->memory[0]));
	} else {
		key_reply(mind, &clause, key_find("xnone", 5), out);
	}
}

/* Curly apostrophes become plain, other general punctuation blanks. */
static void
line_clean(char *line)
{
	unsigned char *p = (unsigned char *)line, *to = p;

	for (; *p != '\0'; p++) {
		if (p[0] == 0xe2 && p[1] == 0x80 && p[2] != '\0') {
			*to++ = p[2] == 0x98 || p[2] == 0x99 ? '\'' : ' ';
			p += 2;
		} else {
			*to++ = *p;
		}
	}
	*to = '\0';
}

/*
 * Fail as a real backend would: 4 of 100 first calls crash, 3 hang; of later
 * attempts a tenth of that. The same prompt and attempt fare the same again.
 */
static void
misbehave(const char *id, const char *attempt)
{
	bool again = strtol(attempt, NULL, 10) > 1;
	uint64_t fate = (hash(id) ^ hash(attempt)) % 1000;

	if (fate < (again ? 4 : 40)) {
		fputs("eliza: I feel so useless today\n", stderr);
		setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
		raise(SIGSEGV);
	} else if (fate < (again ? 7 : 70)) {
		fputs("eliza: let me think about that\n", stderr);
		for (;;)
			pause();
	}
}

static const char *
environment(const char *name)
{
	const char *value = getenv(name);

	return value ? value : "1";
}

int
main(int argc, char **argv)
{
	static struct mind mind;
	static char reply[REPLY_BYTES] = "How do you do. Please tell me your "
					 "problem.";
	bool flaky = argc == 2 && strcmp(argv[1], "--flaky") == 0;
	bool talk = argc == 2 && strcmp(argv[1], "--talk") == 0;
	char *line = NULL;
	size_t size = 0;
	FILE *say = stdout;

	if (argc > 1 && !flaky && !talk) {
		say = strcmp(argv[1], "--help") == 0 ? stdout : stderr;
		fputs("usage: eliza [--flaky | --talk | --help] <PROMPT\n"
		      "Reads a conversation, a turn a line, and replies to its "
		      "last line.\n--flaky  crash at 4 % and hang at 3 % of "
		      "the first attempts\n--talk   reply to every line\n",
		    say);
		return say == stdout ? 0 : 2;
	}
	if (flaky)
		misbehave(environment("LLMILL_PROMPT_ID"),
		    environment("LLMILL_ATTEMPT"));
	mind.first = (size_t)hash(environment("LLMILL_PROMPT_ID"));
	while (getline(&line, &size, stdin) > 0) {
		line_clean(line);
		if (line[strspn(line, " \t\r\n")] == '\0')
			continue;
		mind_reply(&mind, line, reply);
		if (talk)
			puts(reply);
	}
	free(line);
	if (!talk)
		puts(reply);
	return fflush(stdout) == 0 ? 0 : 1;
}
