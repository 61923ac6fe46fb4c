/* SPDX-License-Identifier: ISC */
#ifndef SQL_H
#define SQL_H

#include "base/price.h"

/*
 * All SQL of the project's writing side, prepared once, bound by name. Each
 * text has a line on what it is for.
 *
 * The plan of a run: llm_runs.plan is the digest (plan_digest); in
 * llm_runs.settings the key "plan" is what plan_put_settings wrote, and
 * "requests" the digest of these settings (plan_settings_digest).
 *
 * A seed's database that was taken over has a run 0 of version 'seed': in it
 * '' and 'NA' mean open as well, unless an attempt says otherwise.
 */
#define SQL_APPLICATION_ID 0x4C4C4D4C /* "LLML" */
#define SQL_SCHEMA_VERSION 1	      /* user_version */

/* Outcomes that answer, as a list for IN (outcome_trait says the same). */
#define SQL_ANSWERING "('ok', 'length', 'tool_calls')"

/* Does the result of row r begin with "Error: Failed after "? As a range: it
 * is asked of every row. Whether the prompt did fail is known from the last
 * attempt: an answer may begin like that, too. */
#define SQL_LOOKS_FAILED                                                       \
	"(r.result >= 'Error: Failed after '"                                  \
	" AND r.result < 'Error: Failed after!')"

/* Is it one of the texts that a seed's database means "open" by? */
#define SQL_LOOKS_BLANK "(r.result = '' OR r.result = 'NA')"

/* What the result of row r looks like, as enum look has it: 0 open, 1 an
 * answer, 2 failed, 3 open if the database is a seed's. */
#define SQL_LOOK                                                               \
	"CASE WHEN r.result IS NULL THEN 0"                                    \
	" WHEN " SQL_LOOKS_BLANK " THEN 3"                                     \
	" WHEN " SQL_LOOKS_FAILED " THEN 2 ELSE 1 END"

/* The columns of an attempt, and the parameters that they are bound by. */
#define SQL_ATTEMPT_COLUMNS                                                    \
	"id, run_id, attempt, worker, outcome, started_ms, duration_ms,"       \
	" first_byte_ms, http_status, error, request_id, model,"               \
	" finish_reason, input_tokens, output_tokens, reasoning, refusal,"     \
	" sha256, raw"
#define SQL_ATTEMPT_VALUES                                                     \
	":id, :run_id, :attempt, :worker, :outcome, :started_ms,"              \
	" :duration_ms, :first_byte_ms, :http_status, :error, :request_id,"    \
	" :model, :finish_reason, :input_tokens, :output_tokens, :reasoning,"  \
	" :refusal, :sha256, :raw"

/* The one table that answers need: the seed's, to the letter. */
#define SQL_CREATE_RESULTS                                                     \
	"CREATE TABLE llm_results (\n"                                         \
	"    id INTEGER PRIMARY KEY,\n"                                        \
	"    prompt TEXT NOT NULL,\n"                                          \
	"    result TEXT,\n"                                                   \
	"    created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP\n"                 \
	");\n"

/* What stands beside it. Attempts have no key of their own: rowid is the
 * order in which they were written. */
#define SQL_CREATE_SIDE                                                        \
	"CREATE TABLE llm_runs (\n"                                            \
	"    run_id INTEGER PRIMARY KEY,\n"                                    \
	"    started_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP,\n"                \
	"    ended_at TIMESTAMP,\n"                                            \
	"    status TEXT, -- running, finished, interrupted, lost\n"           \
	"    version TEXT,\n"                                                  \
	"    host TEXT,\n"                                                     \
	"    pid INTEGER,\n"                                                   \
	"    user TEXT,\n"                                                     \
	"    cwd TEXT,\n"                                                      \
	"    argv TEXT,\n"                                                     \
	"    slurm_job_id TEXT,\n"                                             \
	"    plan TEXT, -- sha256\n"                                           \
	"    shard TEXT,\n"                                                    \
	"    settings TEXT -- JSON\n"                                          \
	");\n"                                                                 \
	"CREATE TABLE llm_attempts (\n"                                        \
	"    id INTEGER NOT NULL, -- of the prompt\n"                          \
	"    run_id INTEGER,\n"                                                \
	"    attempt INTEGER NOT NULL,\n"                                      \
	"    worker INTEGER,\n"                                                \
	"    outcome TEXT NOT NULL,\n"                                         \
	"    started_ms INTEGER, -- since 1970, UTC\n"                         \
	"    duration_ms INTEGER,\n"                                           \
	"    first_byte_ms INTEGER,\n"                                         \
	"    http_status INTEGER,\n"                                           \
	"    error TEXT,\n"                                                    \
	"    request_id TEXT,\n"                                               \
	"    model TEXT,\n"                                                    \
	"    finish_reason TEXT,\n"                                            \
	"    input_tokens INTEGER,\n"                                          \
	"    output_tokens INTEGER,\n"                                         \
	"    reasoning TEXT,\n"                                                \
	"    refusal TEXT,\n"                                                  \
	"    sha256 TEXT, -- of the answer\n"                                  \
	"    raw TEXT\n"                                                       \
	");\n"                                                                 \
	"CREATE INDEX llm_attempts_id ON llm_attempts (id);\n"                 \
	"CREATE TABLE llm_inputs (\n"                                          \
	"    id INTEGER PRIMARY KEY, -- of the prompt\n"                       \
	"    custom_id TEXT,\n"                                                \
	"    file TEXT,\n"                                                     \
	"    line INTEGER,\n"                                                  \
	"    fields TEXT, -- JSON: the record's other keys\n"                  \
	"    body TEXT -- JSON: messages, system, model, params\n"             \
	");\n"                                                                 \
	"CREATE VIEW llm_status AS\n"                                          \
	"SELECT r.id AS id,\n"                                                 \
	"    CASE\n"                                                           \
	"    WHEN r.result IS NULL THEN 'open'\n"                              \
	"    WHEN a.outcome IN " SQL_ANSWERING " THEN 'answered'\n"            \
	"    WHEN " SQL_LOOKS_FAILED " THEN 'failed'\n"                        \
	"    WHEN " SQL_LOOKS_BLANK " AND EXISTS (SELECT 1 FROM llm_runs\n"    \
	"        WHERE run_id = 0 AND version = 'seed') THEN 'open'\n"         \
	"    ELSE 'answered' END AS state,\n"                                  \
	"    (SELECT count(*) FROM llm_attempts c WHERE c.id = r.id\n"         \
	"        AND c.attempt > 0)\n"                                         \
	"        AS attempts,\n"                                               \
	"    a.outcome AS outcome, a.duration_ms AS duration_ms,\n"            \
	"    a.input_tokens AS input_tokens,\n"                                \
	"    a.output_tokens AS output_tokens\n"                               \
	"FROM llm_results r LEFT JOIN llm_attempts a ON a.rowid =\n"           \
	"    (SELECT max(b.rowid) FROM llm_attempts b WHERE b.id = r.id);\n"   \
	"CREATE VIEW llm_failures AS\n"                                        \
	"SELECT s.id AS id, s.attempts AS attempts, s.outcome AS outcome,\n"   \
	"    r.result AS error, r.prompt AS prompt\n"                          \
	"FROM llm_status s JOIN llm_results r ON r.id = s.id\n"                \
	"WHERE s.state = 'failed';\n"

/* Marks a seed's database as taken over. */
#define SQL_ADOPT                                                              \
	"INSERT INTO llm_runs (run_id, status, version)"                       \
	" VALUES (0, 'adopted', 'seed')"

/* Is there anything in the file? */
#define SQL_COUNT_OBJECTS "SELECT count(*) FROM sqlite_schema"

/* Is there a table of the seed's name? */
#define SQL_HAS_RESULTS                                                        \
	"SELECT count(*) FROM sqlite_schema"                                   \
	" WHERE name = 'llm_results' AND type = 'table'"

/* Which of the seed's columns does it lack? NULL: none. */
#define SQL_MISSING_COLUMNS                                                    \
	"WITH wanted (name) AS"                                                \
	" (VALUES ('id'), ('prompt'), ('result'), ('created_at'))"             \
	" SELECT group_concat(name, ', ') FROM wanted WHERE name NOT IN"       \
	" (SELECT lower(c.name) FROM pragma_table_info('llm_results') AS c)"

/* Is id its primary key, and alone? */
#define SQL_ID_IS_KEY                                                          \
	"SELECT count(*) = 1 AND max(lower(c.name) = 'id')"                    \
	" FROM pragma_table_info('llm_results') AS c WHERE c.pk > 0"

/* Are our tables there? 3 if so. */
#define SQL_COUNT_SIDE                                                         \
	"SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name IN"  \
	" ('llm_runs', 'llm_attempts', 'llm_inputs')"

/* Is it a seed's database that was taken over? */
#define SQL_IS_SEED                                                            \
	"SELECT count(*) FROM llm_runs WHERE run_id = 0 AND version = 'seed'"

/* How many prompts there are, and from which id to which. */
#define SQL_COUNT_PROMPTS                                                      \
	"SELECT count(*), coalesce(min(id), 1), coalesce(max(id), 0)"          \
	" FROM llm_results"

/* The last id, to know a database again. */
#define SQL_MAX_ID "SELECT coalesce(max(id), 0) FROM llm_results"

/* Their ids, where they have gaps. */
#define SQL_IDS "SELECT id FROM llm_results ORDER BY id"

/* The plan of the last run that had one. */
#define SQL_LAST_PLAN                                                          \
	"SELECT plan, settings, CAST(strftime('%s', started_at) AS INTEGER)"   \
	" FROM llm_runs WHERE plan IS NOT NULL"                                \
	" ORDER BY run_id DESC LIMIT 1"

/* Which part of which list the last run had. */
#define SQL_LAST_SHARE                                                         \
	"SELECT shard, settings FROM llm_runs WHERE run_id > 0"                \
	" ORDER BY run_id DESC LIMIT 1"

/* All prompts in order, to compare them with a list. */
#define SQL_PROMPTS                                                            \
	"SELECT r.id, r.prompt, i.body FROM llm_results r"                     \
	" LEFT JOIN llm_inputs i ON i.id = r.id ORDER BY r.id"

/* Under which digests runs sent their requests. */
#define SQL_ALL_SETTINGS                                                       \
	"SELECT DISTINCT settings FROM llm_runs WHERE settings IS NOT NULL"

/* All prompts in order with what stood beside them; of a seed's database there
 * is no more than the prompts. */
#define SQL_RECALL                                                             \
	"SELECT r.id, r.prompt, i.custom_id, i.fields, i.body, i.file, i.line" \
	" FROM llm_results r LEFT JOIN llm_inputs i ON i.id = r.id"            \
	" ORDER BY r.id"
#define SQL_RECALL_SEED                                                        \
	"SELECT r.id, r.prompt, NULL, NULL, NULL, NULL, NULL"                  \
	" FROM llm_results r ORDER BY r.id"
/* All of a prompt but its attempts, and of all prompts what stood beside. */
#define SQL_ARCHIVE                                                            \
	"SELECT r.id, " SQL_LOOK ", r.prompt, r.result, i.custom_id, i.fields" \
	" FROM llm_results r LEFT JOIN llm_inputs i ON i.id = r.id"            \
	" ORDER BY r.id"
#define SQL_ARCHIVE_SEED                                                       \
	"SELECT r.id, " SQL_LOOK ", r.prompt, r.result, NULL, NULL"            \
	" FROM llm_results r ORDER BY r.id"
#define SQL_ALL_FIELDS                                                         \
	"SELECT fields FROM llm_inputs WHERE fields IS NOT NULL ORDER BY id"
/* The results as they are, with what they look like. */
#define SQL_RECALL_RESULTS                                                     \
	"SELECT r.id, " SQL_LOOK ", r.result FROM llm_results r ORDER BY r.id"
/* For one who only looks at a seed's database: what SQL_PROMPTS joins. */
#define SQL_EMPTY_INPUTS                                                       \
	"CREATE TEMP TABLE llm_inputs (id INTEGER PRIMARY KEY, body TEXT)"

/* The results that do not look like an answer: 0 open, 2 failed, 3 open if
 * the database is a seed's. Two and three need a look at the attempts. */
#define SQL_LOOKS                                                              \
	"SELECT r.id, CASE WHEN r.result IS NULL THEN 0"                       \
	" WHEN " SQL_LOOKS_BLANK " THEN 3 ELSE 2 END"                          \
	" FROM llm_results r WHERE r.result IS NULL"                           \
	" OR " SQL_LOOKS_FAILED " OR " SQL_LOOKS_BLANK

/* One moment for the created_at of all prompts inserted together. */
#define SQL_NOW "SELECT CURRENT_TIMESTAMP"

/* A new prompt. */
#define SQL_INSERT_PROMPT                                                      \
	"INSERT INTO llm_results (id, prompt, created_at)"                     \
	" VALUES (:id, :prompt, :created_at)"

/* What a record was beside its prompt. */
#define SQL_INSERT_INPUT                                                       \
	"INSERT OR REPLACE INTO llm_inputs"                                    \
	" (id, custom_id, file, line, fields, body)"                           \
	" VALUES (:id, :custom_id, :file, :line, :fields, :body)"

/* Runs whose coordinator never came to say how they ended. */
#define SQL_END_LOST_RUNS                                                      \
	"UPDATE llm_runs SET status = 'lost'"                                  \
	" WHERE ended_at IS NULL AND status = 'running'"

/* This run begins. */
#define SQL_INSERT_RUN                                                         \
	"INSERT INTO llm_runs (status, version, host, pid, user, cwd, argv,"   \
	" slurm_job_id, plan, shard, settings)"                                \
	" VALUES ('running', :version, :host, :pid, :user, :cwd, :argv,"       \
	" :slurm_job_id, :plan, :shard, :settings)"

/* This run ends. */
#define SQL_END_RUN                                                            \
	"UPDATE llm_runs SET ended_at = CURRENT_TIMESTAMP, status = :status"   \
	" WHERE run_id = :run_id"

/* Is the attempt there already? After a COMMIT that may have failed it is
 * written again, and so it is from a spill file that was taken in before. Not
 * a condition of the INSERT: SQLite would make a table for each. */
#define SQL_HAS_ATTEMPT                                                        \
	"SELECT EXISTS (SELECT 1 FROM llm_attempts WHERE id = :id"             \
	" AND run_id IS :run_id AND attempt = :attempt AND worker = :worker"   \
	" AND started_ms = :started_ms)"

/* One attempt. */
#define SQL_INSERT_ATTEMPT                                                     \
	"INSERT INTO llm_attempts (" SQL_ATTEMPT_COLUMNS ")"                   \
	" VALUES (" SQL_ATTEMPT_VALUES ")"

/* The prompt's end, if this note is one. */
#define SQL_SET_RESULT "UPDATE llm_results SET result = :result WHERE id = :id"
/* The same where the prompts are not in the database. */
#define SQL_PUT_RESULT                                                         \
	"INSERT OR REPLACE INTO llm_results (result, id, prompt)"              \
	" VALUES (:result, :id, '')"

/* The last attempt at a prompt, to tell an answer from a failure, and whose
 * run's it was. */
#define SQL_LAST_OUTCOME                                                       \
	"SELECT outcome, run_id FROM llm_attempts WHERE id = :id"              \
	" ORDER BY rowid DESC LIMIT 1"

/* One prompt's result, for exports. */
#define SQL_READ_RESULT "SELECT result FROM llm_results WHERE id = :id"

/* Its last attempt, and how many there are. */
#define SQL_READ_ATTEMPT                                                       \
	"SELECT outcome, error, model, finish_reason, reasoning,"              \
	" duration_ms, input_tokens, output_tokens,"                           \
	" (SELECT count(*) FROM llm_attempts WHERE id = :id AND attempt > 0)," \
	" http_status, request_id, raw"                                        \
	" FROM llm_attempts WHERE id = :id ORDER BY rowid DESC LIMIT 1"

/* Answers that are asked for again: empty ones, "NA", those cut short. */
#define SQL_FIND_EMPTY "SELECT id FROM llm_results WHERE result = ''"
#define SQL_FIND_NA "SELECT id FROM llm_results WHERE result = 'NA'"
#define SQL_FIND_LENGTH                                                        \
	"SELECT a.id FROM llm_attempts a WHERE a.outcome = 'length' AND"       \
	" a.rowid = (SELECT max(b.rowid) FROM llm_attempts b"                  \
	" WHERE b.id = a.id)"

/* Is there anything to do in a database lying around? */
#define SQL_ANY_OPEN                                                           \
	"SELECT EXISTS (SELECT 1 FROM llm_results WHERE result IS NULL)"

/* What every result looks like, and the text of those that failed. */
#define SQL_SURVEY_RESULTS                                                     \
	"SELECT r.id, " SQL_LOOK ","                                           \
	" CASE WHEN " SQL_LOOKS_FAILED " THEN r.result END"                    \
	" FROM llm_results r"

/* The numbers of every attempt, as they were written. */
#define SQL_SURVEY_ATTEMPTS                                                    \
	"SELECT run_id, outcome, started_ms, duration_ms, input_tokens,"       \
	" output_tokens FROM llm_attempts WHERE attempt > 0"

/* What runs were set to: prices are among it. */
#define SQL_SURVEY_SETTINGS                                                    \
	"SELECT run_id, settings FROM llm_runs"                                \
	" WHERE settings LIKE '%\"" PRICE_IN_KEY "\":%' ORDER BY run_id"

/* What every attempt cost, as far as it was told. */
#define SQL_USAGE                                                              \
	"SELECT id, outcome, input_tokens, output_tokens FROM llm_attempts"    \
	" WHERE attempt > 0"

/* The last run; times as seconds since 1970 as well. */
#define SQL_SURVEY_LAST_RUN                                                    \
	"SELECT run_id, status, started_at, ended_at,"                         \
	" CAST(strftime('%s', started_at) AS INTEGER),"                        \
	" CAST(strftime('%s', ended_at) AS INTEGER), version, host, pid"       \
	" FROM llm_runs WHERE run_id > 0 ORDER BY run_id DESC LIMIT 1"

/* A run in words by which it is known again in a copy of its database. */
#define SQL_RUN_WORDS                                                          \
	"run_id || ' ' || ifnull(started_at, '') || ' ' || ifnull(host, '')"   \
	" || ' ' || ifnull(pid, '') || ' ' || ifnull(argv, '')"
#define SQL_LAST_RUN_WORDS                                                     \
	"SELECT " SQL_RUN_WORDS                                                \
	" FROM llm_runs WHERE run_id > 0 ORDER BY run_id DESC LIMIT 1"
#define SQL_FIND_RUN_WORDS                                                     \
	"SELECT 1 FROM llm_runs WHERE " SQL_RUN_WORDS " = :words"

#define SQL_REPORT_RUN                                                         \
	"SELECT argv, settings FROM llm_runs WHERE run_id > 0"                 \
	" ORDER BY run_id DESC LIMIT 1"

/* When each run was at work, by its attempts, and what it was set to. */
#define SQL_CHRONICLE_RUNS                                                     \
	"SELECT coalesce(a.run_id, 0), min(a.started_ms),"                     \
	" max(a.started_ms + coalesce(a.duration_ms, 0)), r.settings"          \
	" FROM llm_attempts a LEFT JOIN llm_runs r ON r.run_id = a.run_id"     \
	" WHERE a.attempt > 0 AND a.started_ms > 0"                            \
	" GROUP BY coalesce(a.run_id, 0) ORDER BY 1"
#define SQL_CHRONICLE_ATTEMPTS                                                 \
	"SELECT coalesce(run_id, 0), coalesce(worker, -1), outcome,"           \
	" started_ms, duration_ms, input_tokens, output_tokens, error"         \
	" FROM llm_attempts WHERE attempt > 0 AND started_ms > 0"
/* How many prompts have how many attempts. */
#define SQL_CHRONICLE_TRIES                                                    \
	"SELECT n, count(*) FROM (SELECT count(*) AS n FROM llm_attempts"      \
	" WHERE attempt > 0 GROUP BY id) GROUP BY n"

/* How many runs there were. */
#define SQL_SURVEY_RUNS "SELECT count(*) FROM llm_runs WHERE run_id > 0"

/* Is the file sound? One row "ok", or one per fault. */
#define SQL_VERIFY_FILE "PRAGMA integrity_check(20)"

/* Every result, and the sha256 of every attempt that answered: both in the
 * order of the prompts, so that one walk over both brings them together. */
#define SQL_VERIFY_RESULTS                                                     \
	"SELECT r.id, r.result FROM llm_results r ORDER BY r.id"
#define SQL_VERIFY_ATTEMPTS                                                    \
	"SELECT a.id, a.sha256 FROM llm_attempts a"                            \
	" WHERE a.sha256 IS NOT NULL ORDER BY a.id, a.rowid"

/* What a shard has, each in the order in which it is written again: runs (with
 * when they began), prompts with what stood beside them (a seed's have nothing
 * there), attempts. The columns in front are the parameters of the statement
 * that writes them. */
#define SQL_SHARD_RUNS                                                         \
	"SELECT started_at, ended_at, status, version, host, pid, user, cwd,"  \
	" argv, slurm_job_id, plan, shard, settings, run_id,"                  \
	" CAST(strftime('%s', started_at) AS INTEGER)"                         \
	" FROM llm_runs WHERE run_id > 0 ORDER BY run_id"
#define SQL_SHARD_COLUMNS "r.id, r.prompt, r.result, r.created_at, " SQL_LOOK
#define SQL_SHARD_ROWS                                                         \
	"SELECT " SQL_SHARD_COLUMNS ","                                        \
	" i.id, i.custom_id, i.file, i.line, i.fields, i.body"                 \
	" FROM llm_results r LEFT JOIN llm_inputs i ON i.id = r.id"            \
	" ORDER BY r.id"
#define SQL_SHARD_SEED_ROWS                                                    \
	"SELECT " SQL_SHARD_COLUMNS " FROM llm_results r ORDER BY r.id"
#define SQL_SHARD_ATTEMPTS                                                     \
	"SELECT " SQL_ATTEMPT_COLUMNS " FROM llm_attempts ORDER BY id, rowid"

/* Does an attempt vouch for the prompt's answer? */
#define SQL_SHARD_VOUCHER                                                      \
	"SELECT EXISTS (SELECT 1 FROM llm_attempts WHERE id = :id"             \
	" AND sha256 IS NOT NULL)"

/* The command of the last run that has one, for people to type again. */
#define SQL_LAST_ARGV                                                          \
	"SELECT argv FROM llm_runs WHERE argv IS NOT NULL"                     \
	" ORDER BY run_id DESC LIMIT 1"

/* What the merged database gets. */
#define SQL_MERGE_RUN                                                          \
	"INSERT INTO llm_runs (started_at, ended_at, status, version, host,"   \
	" pid, user, cwd, argv, slurm_job_id, plan, shard, settings)"          \
	" VALUES (:started_at, :ended_at, :status, :version, :host, :pid,"     \
	" :user, :cwd, :argv, :slurm_job_id, :plan, :shard, :settings)"
#define SQL_MERGE_RESULT                                                       \
	"INSERT INTO llm_results (id, prompt, result, created_at)"             \
	" VALUES (:id, :prompt, :result, :created_at)"

/* What a merged database is made of, and its last run then. */
#define SQL_CREATE_MERGES                                                      \
	"CREATE TABLE llm_merges (\n"                                          \
	"    file TEXT NOT NULL,\n"                                            \
	"    shard TEXT,\n"                                                    \
	"    last_run INTEGER NOT NULL,\n"                                     \
	"    merged_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP\n"                  \
	");\n"
#define SQL_INSERT_MERGE                                                       \
	"INSERT INTO llm_merges (file, shard, last_run)"                       \
	" SELECT :file, :shard, coalesce(max(run_id), 0) FROM llm_runs"
#define SQL_HAS_MERGES                                                         \
	"SELECT count(*) FROM sqlite_schema"                                   \
	" WHERE type = 'table' AND name = 'llm_merges'"
#define SQL_RUNS_SINCE_MERGE                                                   \
	"SELECT count(*) FROM llm_runs"                                        \
	" WHERE run_id > (SELECT max(last_run) FROM llm_merges)"

/* How many prompts are open, beside those that a seed's database means by its
 * texts. */
#define SQL_COUNT_OPEN "SELECT count(*) FROM llm_results WHERE result IS NULL"

/* Save everything that the connection sees into another file. */
#define SQL_RESCUE "VACUUM INTO :path"

#endif
