/* SPDX-License-Identifier: ISC */
/*
 * A run that is stopped in the middle, here by a signal, and goes on later:
 * what is answered is not asked again.
 *
 * Prints:
 *	stopped: some are open
 *	gone on: 100 of 100 answered, none of them twice
 *	recovered: 100 results
 */
#include <llmill.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "chat.h"

#define COUNT 100
#define LOG "calls.log"

static struct llmill *mill;

static void
handler(int number)
{
	(void)number;
	llmill_stop(mill);
}

/* Takes its time, and counts calls in a file, a byte for each. */
static char *
counted_chat(void *arg, const char *prompt, char **error)
{
	const struct timespec pause = {.tv_nsec = 5000000};
	int fd = open(LOG, O_WRONLY | O_CREAT | O_APPEND, 0600);

	nanosleep(&pause, NULL);
	if (fd != -1 && write(fd, "x", 1) == -1)
		*error = strdup("the call cannot be counted");
	close(fd);
	return chat(arg, prompt, error);
}

static void
stop_half_way(void *arg, size_t answered, size_t failed, size_t total)
{
	(void)arg;
	(void)failed;
	(void)total;
	if (answered == 30)
		raise(SIGUSR1);
}

static size_t
count_open(const struct llmill_results *results)
{
	size_t open = 0;

	for (size_t i = 0; i < llmill_results_count(results); i++)
		open += llmill_results_state(results, i) == LLMILL_OPEN;
	return open;
}

int
main(void)
{
	static char texts[COUNT][24];
	const char *prompts[COUNT];
	const struct sigaction action = {.sa_handler = handler};
	struct llmill_conf conf = LLMILL_CONF_DEFAULT;
	struct llmill_results *results;
	struct llmill_err err;
	struct stat calls;

	for (int i = 0; i < COUNT; i++) {
		snprintf(texts[i], sizeof(texts[i]), "prompt %d", i);
		prompts[i] = texts[i];
	}
	conf.chat_fn = counted_chat;
	conf.num_workers = 2;
	conf.save_to_db = true;
	conf.db_filename = "resume.db";
	conf.progress = stop_half_way;
	mill = llmill_open(&conf, &err);
	if (mill == NULL)
		return 1;
	sigaction(SIGUSR1, &action, NULL);
	results = llmill_process_prompts(mill, prompts, COUNT, &err);
	if (results == NULL || count_open(results) == 0)
		return 1;
	puts("stopped: some are open");
	llmill_results_free(results);
	llmill_close(mill);

	conf.progress = NULL;
	mill = llmill_open(&conf, &err);
	if (mill == NULL)
		return 1;
	results = llmill_process_prompts(mill, prompts, COUNT, &err);
	if (results == NULL || stat(LOG, &calls) == -1)
		return 1;
	printf("gone on: %zu of %d answered, %s of them twice\n",
	    COUNT - count_open(results), COUNT,
	    calls.st_size == COUNT ? "none" : "some");
	llmill_results_free(results);

	results = llmill_recover(mill, "resume.db", &err);
	if (results == NULL)
		return 1;
	printf("recovered: %zu results\n", llmill_results_count(results));
	llmill_results_free(results);
	llmill_close(mill);
	return 0;
}
