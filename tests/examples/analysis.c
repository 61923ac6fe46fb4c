/* SPDX-License-Identifier: ISC */
/*
 * Statistics by SQL: the database is an ordinary one of SQLite.
 *
 * Prints:
 *	4 results, success rate 75.0 %, average length 17.3
 *	longest: You said: a rather long one.
 */
#include <llmill.h>

#include <sqlite3.h>

#include "chat.h"

static char *
picky_chat(void *arg, const char *prompt, char **error)
{
	if (strcmp(prompt, "no") == 0)
		return NULL;
	return chat(arg, prompt, error);
}

static int
print_row(void *form, int count, char **values, char **names)
{
	(void)count;
	(void)names;
	if (strcmp(form, "rates") == 0)
		printf("%s results, success rate %s %%, average length %s\n",
		    values[0], values[1], values[2]);
	else
		printf("longest: %s\n", values[0]);
	return 0;
}

int
main(void)
{
	const char *const prompts[] = {"a", "no", "b", "a rather long one"};
	struct llmill_conf conf = LLMILL_CONF_DEFAULT;
	struct llmill_results *results = NULL;
	struct llmill_err err;
	struct llmill *mill;
	sqlite3 *db;

	conf.chat_fn = picky_chat;
	conf.retry_attempts = 1;
	conf.save_to_db = true;
	conf.db_filename = "analysis.db";
	mill = llmill_open(&conf, &err);
	if (mill != NULL)
		results = llmill_process_prompts(mill, prompts, 4, &err);
	if (results == NULL) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	llmill_results_free(results);
	llmill_close(mill);
	if (sqlite3_open("analysis.db", &db) != SQLITE_OK)
		return 1;
	sqlite3_exec(db,
	    "SELECT count(*), round(100.0 * avg(result NOT LIKE 'Error:%'), 1),"
	    " round(avg(CASE WHEN result NOT LIKE 'Error:%' THEN"
	    " length(result) END), 1) FROM llm_results",
	    print_row, "rates", NULL);
	sqlite3_exec(db,
	    "SELECT result FROM llm_results WHERE result NOT LIKE 'Error:%'"
	    " ORDER BY length(result) DESC LIMIT 1",
	    print_row, "longest", NULL);
	sqlite3_close(db);
	return 0;
}
