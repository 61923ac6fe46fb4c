/* SPDX-License-Identifier: ISC */
/*
 * What a batch system says about our time. It is asked once at most: its
 * controller serves a whole cluster.
 */
#include "api/batch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/moment.h"
#include "chat/child.h"

#define ASK_NS (10 * CLOCK_S) /* for a controller that does not answer */
#define ANSWER_MAX_BYTES 4096

/* Are we in a batch job of any kind? */
static bool
is_job(void)
{
	static const char *const names[] = {"SLURM_JOB_ID", "PBS_JOBID",
	    "LSB_JOBID", "OAR_JOB_ID", "FLUX_JOB_ID", "COBALT_JOBID",
	    "JOB_ID" /* Grid Engine */};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (getenv(names[i]) != NULL)
			return true;
	return false;
}

bool
batch_is_login_node(void)
{
	static const char *const names[] = {
	    "sbatch", "qsub", "bsub", "oarsub", "flux"};
	bool submits = false;

	for (size_t i = 0; i < sizeof names / sizeof names[0] && !submits;
	     i++) {
		char *path = child_find(names[i]);

		submits = path != NULL;
		free(path);
	}
	return submits && !is_job();
}

/* Only digits: an array's task has a number of its own. */
static bool
is_plain(const char *job)
{
	return *job != '\0' && strspn(job, "0123456789") == strlen(job);
}

static int64_t
ask_slurm(const char *job)
{
	const char *const argv[] = {
	    "squeue", "-h", "-j", job, "-o", "%e", NULL};
	int64_t end_ms = 0;
	struct buf answer;

	buf_init(&answer, ANSWER_MAX_BYTES);
	if (child_ask(argv, ASK_NS, &answer) == 0 && answer.size > 0) {
		answer.data[strcspn(answer.data, "\n")] = '\0';
		if (!moment_read(answer.data, clock_wall_ms(), &end_ms)) {
			end_ms = 0;
			log_say(LOG_INFO,
			    "squeue does not say when job %s ends (%.40s); "
			    "--deadline does",
			    job, answer.data);
		}
	}
	buf_free(&answer);
	return end_ms;
}

int64_t
batch_end_ms(void)
{
	const char *end = getenv("SLURM_JOB_END_TIME");
	const char *job = getenv("SLURM_JOB_ID");
	char moment[32];
	int64_t end_ms;

	if (end != NULL) {
		snprintf(moment, sizeof moment, "@%s", end);
		if (moment_read(moment, clock_wall_ms(), &end_ms))
			return end_ms;
	}
	return job != NULL && is_plain(job) ? ask_slurm(job) : 0;
}
