/* SPDX-License-Identifier: ISC */
/*
 * Which part of a list this process has, as it was typed or as a batch system
 * says in the environment.
 */
#include "shard.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "say.h"
#include "value.h"

#define SHARDS_MOST 1000000
#define TAKES                                                                  \
	"--shard: \"%.80s\" is not allowed; it takes K/N, K from 0 to N-1, "   \
	"or auto/N"

/* Where a number stands, and how the batch system counts. The tasks of an array
 * come before the ranks in a step: each may have some. */
static const struct source {
	const char *index;
	unsigned least;	    /* the first one's */
	const char *count;  /* how many there are; NULL: it does not say */
	const char *inside; /* only where this is set; NULL: anywhere */
	const char *how;    /* to ask for them */
} sources[] = {
    {"SLURM_ARRAY_TASK_ID", 0, NULL, NULL, " (sbatch --array)"},
    {"PBS_ARRAY_INDEX", 0, NULL, NULL, " (qsub -J)"},
    {"PBS_ARRAYID", 0, NULL, NULL, " (qsub -t)"},
    {"LSB_JOBINDEX", 1, NULL, NULL, " (bsub -J 'name[1-N]')"},
    {"OAR_ARRAY_INDEX", 1, NULL, NULL, " (oarsub --array)"},
    {"FLUX_JOB_CC", 0, NULL, NULL, " (flux bulksubmit --cc)"},
    /* A batch script that is in no step has a SLURM_PROCID, too. */
    {"SLURM_PROCID", 0, "SLURM_STEP_NUM_TASKS", "SLURM_STEP_ID", " (srun -n)"},
    {"OMPI_COMM_WORLD_RANK", 0, "OMPI_COMM_WORLD_SIZE", NULL, " (mpirun -n)"},
    {"PMI_RANK", 0, "PMI_SIZE", NULL, " (mpiexec -n)"},
    {"FLUX_TASK_RANK", 0, "FLUX_JOB_SIZE", NULL, " (flux run -n)"},
};
#define SOURCE_COUNT (sizeof(sources) / sizeof(sources[0]))

static const char *
look(const char *name)
{
	const char *text = name ? getenv(name) : NULL;

	return text && *text ? text : NULL;
}

/* Outside of an array LSF says 0. */
static bool
says(const struct source *source)
{
	const char *text = look(source->index);

	return text && (!source->inside || look(source->inside)) &&
	       !(source->least == 1 && strcmp(text, "0") == 0);
}

static int
take_source(const struct source *source, struct llmill_run_conf *conf,
    struct llmill_err *err)
{
	const char *text = look(source->index);
	const char *tasks = look(source->count);
	uint32_t count = conf->shard_count;
	uint64_t number;
	uint64_t all;

	if (!value_count(text, &number) || number < source->least ||
	    number - source->least >= count)
		return say_refuse(err,
		    "$%s is \"%.40s\": --shard auto/%u wants %u to %u%s",
		    source->index, text, (unsigned)count, source->least,
		    (unsigned)count - 1 + source->least, source->how);
	if (tasks && (!value_count(tasks, &all) || all != count))
		return say_refuse(err,
		    "$%s is \"%.40s\", but --shard auto/%u wants %u tasks, or "
		    "some shards are nobody's",
		    source->count, tasks, (unsigned)count, (unsigned)count);
	conf->shard = (uint32_t)number - source->least;
	return 0;
}

static int
find_number(struct llmill_run_conf *conf, struct llmill_err *err)
{
	for (size_t i = 0; i < SOURCE_COUNT; i++)
		if (says(&sources[i]))
			return take_source(&sources[i], conf, err);
	return say_refuse(err,
	    "--shard auto/%u: this is no task of an array and no rank of a "
	    "step ($SLURM_ARRAY_TASK_ID, $PBS_ARRAY_INDEX, $LSB_JOBINDEX, "
	    "$OAR_ARRAY_INDEX, $FLUX_JOB_CC, $SLURM_PROCID, "
	    "$OMPI_COMM_WORLD_RANK are not set); give --shard K/%u",
	    (unsigned)conf->shard_count, (unsigned)conf->shard_count);
}

int
shard_read_auto(const char *text, uint32_t *count, struct llmill_err *err)
{
	uint64_t number;

	*count = 0;
	if (!text)
		return 0;
	if (strncmp(text, "auto/", 5) != 0 || !value_count(text + 5, &number) ||
	    number < 1 || number > SHARDS_MOST)
		return say_refuse(err,
		    "--shard: \"%.80s\" is for one process; a batch script "
		    "takes auto/N",
		    text);
	*count = (uint32_t)number;
	return 0;
}

static int
read_shard(
    struct llmill_run_conf *conf, const char *text, struct llmill_err *err)
{
	const char *slash = strchr(text, '/');
	char before[16];
	uint64_t count;
	uint64_t number = 0;
	bool automatic;

	if (!slash || (size_t)(slash - text) >= sizeof(before) ||
	    !value_count(slash + 1, &count) || count < 1 || count > SHARDS_MOST)
		return say_refuse(err, TAKES, text);
	memcpy(before, text, (size_t)(slash - text));
	before[slash - text] = '\0';
	automatic = strcmp(before, "auto") == 0;
	if (!automatic && (!value_count(before, &number) || number >= count))
		return say_refuse(err, TAKES, text);
	conf->shard_count = (uint32_t)count;
	conf->shard = (uint32_t)number;
	return automatic ? find_number(conf, err) : 0;
}

/* Put the shard's name into a path. */
static int
expand(struct opts *opts, const char **path, struct llmill_err *err)
{
	const struct llmill_run_conf *conf = &opts->conf;
	const char *mark = *path ? strstr(*path, SHARD_MARK) : NULL;
	char *text;

	if (!mark)
		return 0;
	if (conf->shard_count == 0)
		return say_refuse(err,
		    SHARD_MARK " in %s means nothing without --shard", *path);
	if (asprintf(&text, "%.*s%03uof%03u%s", (int)(mark - *path), *path,
		(unsigned)conf->shard, (unsigned)conf->shard_count,
		mark + strlen(SHARD_MARK)) < 0)
		text = NULL;
	*path = opts_own(opts, text, err);
	return *path ? 0 : -1;
}

int
shard_settle(struct opts *opts, struct llmill_err *err)
{
	struct llmill_run_conf *conf = &opts->conf;

	if (opts->shard && read_shard(conf, opts->shard, err) < 0)
		return -1;
	if (opts->shard && !conf->db)
		return say_refuse(err,
		    "--shard wants a --db of its own for each, such as "
		    "answers." SHARD_MARK ".db");
	if (conf->extend && !opts->shard)
		return say_refuse(err,
		    "--extend is for --shard; without it a list that only "
		    "grew is taken anyway");
	if (expand(opts, &conf->db, err) < 0 ||
	    expand(opts, &conf->output, err) < 0 ||
	    expand(opts, &conf->metrics, err) < 0 ||
	    expand(opts, &conf->report, err) < 0)
		return -1;
	return 0;
}
