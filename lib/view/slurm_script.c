/* SPDX-License-Identifier: ISC */
/*
 * A batch script for Slurm: the run, what to do when it has to go on later, and
 * the merge behind all tasks. sbatch and scontrol are called once at most in
 * each task.
 */
#include "view/slurm_script.h"

#include <string.h>

#include "base/text.h"

#define MARK "{shard}"
#define DEFAULT_DB "answers." MARK ".db"
#define WARN_SECONDS 300 /* before the job's end; Slurm may be 60 s early */

static void
put_head(struct buf *out, const struct slurm_script *script)
{
	bool is_array = script->shards > 0 && !script->one_job;

	buf_add_text(out,
	    "#!/bin/sh\n"
	    "# Submit it with sbatch, from the directory where the files are; "
	    "what your site\n"
	    "# wants (account, partition, time) can stand here or before its "
	    "name:\n"
	    "#	sbatch -p PARTITION -t 8:00:00 job.sh\n"
	    "#SBATCH --job-name=llmill\n");
	if (is_array)
		buf_printf(
		    out, "#SBATCH --array=0-%u", (unsigned)script->shards - 1);
	if (is_array && script->at_once > 0)
		buf_printf(out, "%%%u", (unsigned)script->at_once);
	if (is_array)
		buf_add_byte(out, '\n');
	if (script->one_job)
		buf_printf(out,
		    "#SBATCH --nodes=%u\n#SBATCH --ntasks-per-node=1\n",
		    (unsigned)script->shards);
	else
		buf_add_text(out, "#SBATCH --ntasks=1\n");
	buf_printf(out,
	    "#SBATCH --requeue\n"
	    "#SBATCH --open-mode=append\n"
	    "#SBATCH --signal=USR1@%d\n"
	    "#SBATCH --output=llmill-%s.out\n\n",
	    WARN_SECONDS, is_array ? "%A_%a" : "%j");
}

/* Append a name in which the mark became text, quoted; with glob it may stand
 * for any number. */
static void
put_name(struct buf *out, const char *db, const char *text, bool glob)
{
	const char *mark = strstr(db, MARK);
	size_t size = mark == NULL ? strlen(db) : (size_t)(mark - db);
	struct buf part;

	buf_init(&part, 65536);
	/* Without the mark its dot goes as well: answers.db. */
	if (!glob && size > 0 && mark != NULL && mark[strlen(MARK)] != '\0' &&
	    strchr("._-", db[size - 1]) != NULL)
		size--;
	buf_add(&part, db, size);
	if (glob) {
		text_quote_shell(out, buf_span(&part).data);
		buf_add_byte(out, '*');
		buf_clear(&part);
		buf_add_text(&part, text);
	}
	if (mark != NULL)
		buf_add_text(&part, mark + strlen(MARK));
	text_quote_shell(out, buf_span(&part).data);
	if (part.failed)
		out->failed = true;
	buf_free(&part);
}

static void
put_merge(struct buf *out, const struct slurm_script *script)
{
	char count[24];
	struct buf text;

	buf_init(&text, sizeof count);
	buf_printf(&text, "of%03u", (unsigned)script->shards);
	text_quote_shell(out, script->program);
	buf_add_text(out, " merge -o ");
	put_name(out, script->db, "", false);
	buf_add_byte(out, ' ');
	put_name(out, script->db, buf_span(&text).data, true);
	buf_add_byte(out, '\n');
	buf_free(&text);
}

/* The first task to begin leaves the job that follows. */
static void
put_follower(struct buf *out, const struct slurm_script *script)
{
	buf_add_text(out,
	    "# Behind all tasks, however they end: one database of theirs. It "
	    "says what is\n"
	    "# missing, if something is.\n"
	    "if [ \"$SLURM_ARRAY_TASK_ID\" = \"$SLURM_ARRAY_TASK_MIN\" ] &&\n"
	    "    [ \"${SLURM_RESTART_COUNT:-0}\" = 0 ]; then\n"
	    "	sbatch --dependency=\"afterany:$SLURM_ARRAY_JOB_ID\" \\\n"
	    "	    --job-name=llmill-merge --ntasks=1 \\\n"
	    "	    --output=llmill-merge-%j.out <<'END'\n"
	    "#!/bin/sh\n");
	put_merge(out, script);
	buf_add_text(out, "END\nfi\n\n");
}

static void
put_run(struct buf *out, const struct slurm_script *script, bool own_db)
{
	buf_add_text(out, script->one_job
			      ? "srun --overlap --kill-on-bad-exit=0 "
			      : "srun --overlap --ntasks=1 ");
	text_quote_shell(out, script->program);
	buf_add_text(out, " run");
	/* In front: behind "--" it would be a command's. */
	if (!own_db) {
		buf_add_text(out, " --db ");
		text_quote_shell(out, script->db);
	}
	for (const char *const *word = script->words; *word != NULL; word++) {
		buf_add_byte(out, ' ');
		text_quote_shell(out, *word);
	}
	buf_add_text(out, "\nstatus=$?\n\n");
}

static void
put_end(struct buf *out, const struct slurm_script *script)
{
	buf_printf(out,
	    "# 75: there was no time for all. The same job again goes on where "
	    "this one\n"
	    "# stopped.\n"
	    "if [ \"$status\" = 75 ]; then\n"
	    "	scontrol requeue \"%s\"\n",
	    script->shards > 0 && !script->one_job
		? "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID"
		: "$SLURM_JOB_ID");
	if (script->one_job) {
		buf_add_text(out, "elif [ \"$status\" -le 1 ]; then\n	");
		put_merge(out, script);
	}
	buf_add_text(out, "fi\nexit \"$status\"\n");
}

void
slurm_script_put(struct buf *out, const struct slurm_script *script)
{
	struct slurm_script own = *script;
	bool own_db = script->shards == 0 || script->db != NULL;

	if (!own_db)
		own.db = DEFAULT_DB;
	put_head(out, &own);
	if (own.shards > 0 && !own.one_job)
		put_follower(out, &own);
	put_run(out, &own, own_db);
	put_end(out, &own);
}
