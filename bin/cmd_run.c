/* SPDX-License-Identifier: ISC */
/*
 * llmill run: the library does the work; here it is settled where the prompts
 * come from when nobody says.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "cmd.h"
#include "say.h"

/* No INPUT means stdin, but nobody types a prompt list by hand.
 * Gives false after a line that says what to do. */
static bool
choose_input(struct llmill_run_conf *conf)
{
	static const char *const standard_input[] = {"-", NULL};

	if (conf->inputs || conf->prompts)
		return true;
	if (isatty(STDIN_FILENO)) {
		say_error("no prompts: give a file, --prompt TEXT, or a list "
			  "on standard input");
		cmd_examples(stderr);
		return false;
	}
	conf->inputs = standard_input;
	return true;
}

static volatile sig_atomic_t early_status = LLMILL_EXIT_EARLY;

static void
leave_early(int number)
{
	(void)number;
	_exit(early_status);
}

static void
leave_interrupted(int number)
{
	(void)number;
	_exit(LLMILL_EXIT_INTERRUPTED);
}

/* While the input is read nothing is there that could be left behind; then the
 * run takes the signals. Until then the status says what it would. */
static void
leave_by_signals(const struct opts *opts)
{
	static const int numbers[] = {
	    SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2};
	int terminal = open("/dev/tty", O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct sigaction action = {.sa_handler = SIG_DFL};

	early_status = (int)opts->drain_exit;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if (sigaction(numbers[i], NULL, &action) == -1 ||
		    action.sa_handler == SIG_IGN)
			continue;
		action.sa_handler = numbers[i] == SIGINT && terminal != -1
					? leave_interrupted
					: leave_early;
		sigaction(numbers[i], &action, NULL);
	}
	if (terminal != -1)
		close(terminal);
}

int
cmd_run(const char *const *words)
{
	struct opts opts;
	int status = LLMILL_EXIT_USAGE;

	if (cmd_begin(&opts, OPTS_RUN, words, NULL, &status) &&
	    choose_input(&opts.conf)) {
		leave_by_signals(&opts);
		status = cmd_work_off(&opts);
	}
	opts_free(&opts);
	return status;
}
