/* SPDX-License-Identifier: ISC */
/*
 * The program: make the process fit to work in, find the command, leave with
 * its status.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include <bsd/unistd.h>

#include "cmd.h"
#include "say.h"

extern char **environ;

/*
 * Descriptors 0, 1 and 2 that were closed would be taken by the next files
 * opened. Input and output become /dev/null the wrong way round: who uses them
 * gets an error, not silence.
 */
static int
fill_descriptors(void)
{
	static const int modes[] = {O_WRONLY, O_RDONLY, O_WRONLY};

	for (int fd = 0; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) != -1 || errno != EBADF)
			continue;
		/* The lowest free one, and those below are taken. */
		if (open("/dev/null", modes[fd]) != fd)
			return -1;
	}
	return 0;
}

/* What a parent left behind is not ours: an ignored SIGCHLD makes children
 * vanish unseen, the other two kill over a full disk or a closed pipe. */
static void
settle_signals(void)
{
	signal(SIGCHLD, SIG_DFL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
}

static int
print_short_usage(void)
{
	fputs("usage: llmill COMMAND [options]; \"llmill help\" says more\n",
	    stderr);
	cmd_examples(stderr);
	return LLMILL_EXIT_USAGE;
}

static int
dispatch(const char *const *words)
{
	static const struct alias {
		const char *word;
		const char *command;
	} aliases[] = {
	    {"--version", "version"},
	    {"-V", "version"},
	    {"--help", "help"},
	    {"-h", "help"},
	};
	const char *name = words[0] ? words[1] : NULL;
	const struct cmd *cmd;

	if (!name)
		return print_short_usage();
	for (size_t i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++)
		if (strcmp(name, aliases[i].word) == 0)
			name = aliases[i].command;
	cmd = cmd_find(name);
	return cmd ? cmd->run(words) : cmd_refuse(name);
}

int
main(int argc, char **argv)
{
	setproctitle_init(argc, argv, environ);
	if (fill_descriptors() < 0)
		return LLMILL_EXIT_SYSTEM;
	if (getauxval(AT_SECURE)) {
		say_error("refusing to run with more rights than the user "
			  "has (setuid, setgid or file capabilities)");
		return LLMILL_EXIT_SYSTEM;
	}
	settle_signals();
	return say_end(dispatch((const char *const *)argv));
}
