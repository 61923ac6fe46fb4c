/* SPDX-License-Identifier: ISC */
/*
 * Run a program and kill one process of it at the entry of its n-th system
 * call, which then does not happen.
 *
 *	killat BIRTH N FILE COMMAND [ARG ...]
 *
 * BIRTH 0 is the program itself, k the k-th process that is born below it.
 * FILE gets one line: "killed CALL" with the number of the system call, or
 * "ended COUNT" when it made fewer than N. The exit status is the program's.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#define PTRACE_NOTHING ((void *)0)
#define CALL_STOP (SIGTRAP | 0x80)
#define FOLLOW (PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE)
#define BORN_MAX 256

struct watch {
	pid_t program;
	pid_t victim; /* 0: not born yet */
	long birth;
	long at;
	long calls;
	bool entering;
	long killed_in; /* -1: not killed */
	pid_t born[BORN_MAX];
	int born_count;
};

static void
go_on(const struct watch *watch, pid_t pid, int number)
{
	/* Who is not the victim is followed only until that is born. */
	int how = pid == watch->victim ? PTRACE_SYSCALL : PTRACE_CONT;

	if (how == PTRACE_CONT && watch->victim != 0)
		how = PTRACE_DETACH;
	(void)ptrace(how, pid, PTRACE_NOTHING, (long)number);
}

/* Is it the first that we hear of this process? Then it is numbered. */
static bool
note_birth(struct watch *watch, pid_t pid)
{
	for (int i = 0; i < watch->born_count; i++)
		if (watch->born[i] == pid)
			return false;
	if (watch->born_count < BORN_MAX)
		watch->born[watch->born_count++] = pid;
	if (watch->born_count - 1 == watch->birth)
		watch->victim = pid;
	return true;
}

static long
call_of(pid_t pid)
{
	struct __ptrace_syscall_info info = {0};

	if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, &info) <= 0)
		return -1;
	return (long)info.entry.nr;
}

static void
take_call(struct watch *watch)
{
	watch->entering = !watch->entering;
	if (watch->entering && ++watch->calls == watch->at) {
		watch->killed_in = call_of(watch->victim);
		(void)kill(watch->victim, SIGKILL);
	}
}

/* One stop of a traced process. */
static void
take_stop(struct watch *watch, pid_t pid, int status)
{
	bool first = note_birth(watch, pid);
	int number = WSTOPSIG(status);

	if (first && pid != watch->program && number == SIGSTOP)
		number = 0; /* it is born stopped */
	if (number == CALL_STOP) {
		take_call(watch);
		number = 0;
	} else if (number == SIGTRAP) {
		number = 0;
	}
	go_on(watch, pid, number);
}

static void
write_outcome(const struct watch *watch, const char *path)
{
	FILE *file = fopen(path, "w");

	if (file == NULL)
		exit(125);
	if (watch->killed_in != -1)
		fprintf(file, "killed %ld\n", watch->killed_in);
	else
		fprintf(file, "ended %ld\n", watch->calls);
	(void)fclose(file);
}

static int
watch_all(struct watch *watch)
{
	int ended = -1;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, __WALL)) > 0 || errno == EINTR) {
		if (pid <= 0)
			continue;
		if (WIFSTOPPED(status))
			take_stop(watch, pid, status);
		else if (pid == watch->program)
			ended = status;
	}
	return ended;
}

int
main(int argc, char **argv)
{
	struct watch watch = {.killed_in = -1};
	long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL;
	int status;

	if (argc < 5)
		return 125;
	watch.birth = atol(argv[1]);
	watch.at = atol(argv[2]);
	watch.program = fork();
	if (watch.program == 0) {
		(void)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		(void)raise(SIGSTOP);
		execv(argv[4], argv + 4);
		_exit(127);
	}
	if (watch.program == -1 || waitpid(watch.program, &status, 0) == -1)
		return 125;
	if (watch.birth > 0)
		options |= FOLLOW;
	(void)ptrace(PTRACE_SETOPTIONS, watch.program, PTRACE_NOTHING, options);
	(void)note_birth(&watch, watch.program);
	go_on(&watch, watch.program, 0);
	status = watch_all(&watch);
	write_outcome(&watch, argv[3]);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status)
				   : WEXITSTATUS(status);
}
