/* SPDX-License-Identifier: ISC */
/*
 * Which backend a command line means, and whether its options mean anything
 * to it.
 */
#include "backend.h"

#include <string.h>

#include "python.h"
#include "say.h"

#define OPTS_COMMANDS (OPTS_EXEC | OPTS_COPROC) /* those that run one */

static const struct {
	unsigned bit;
	const char *name;
} backends[] = {
    {OPTS_HTTP, "http"},
    {OPTS_EXEC, "exec"},
    {OPTS_ECHO, "echo"},
    {OPTS_COPROC, "coproc"},
    {OPTS_PLUGIN, "plugin"},
};
#define BACKEND_COUNT (sizeof(backends) / sizeof(backends[0]))

static const struct {
	unsigned bit;
	const char *name;
} apis[] = {
    {OPTS_OPENAI, "openai"},
    {OPTS_ANTHROPIC, "anthropic"},
};

const char *
backend_name(unsigned backend)
{
	for (size_t i = 0; i < BACKEND_COUNT; i++)
		if (backends[i].bit == backend)
			return backends[i].name;
	return "none";
}

static int
choose_api(struct opts *opts, struct llmill_err *err)
{
	const char *name = opts->conf.api;

	opts->api = name ? 0 : OPTS_OPENAI;
	for (size_t i = 0; i < sizeof(apis) / sizeof(apis[0]) && name; i++)
		if (strcmp(name, apis[i].name) == 0)
			opts->api = apis[i].bit;
	if (opts->api == 0)
		return say_refuse(err,
		    "--api: there is no \"%.80s\"; allowed: openai, "
		    "anthropic",
		    name);
	return 0;
}

/* --plugin FILE alone says which backend. */
static int
choose_plugin(struct opts *opts, struct llmill_err *err)
{
	if (!opts->conf.plugin)
		return 0;
	if (opts->per_worker || opts->python ||
	    (opts_given(opts, "backend") &&
		strcmp(opts->conf.backend, "plugin") != 0))
		return say_refuse(err,
		    "--plugin is a backend of its own; leave %s out",
		    opts->per_worker ? "--per-worker"
		    : opts->python   ? "--python"
				     : "--backend");
	opts->conf.backend = "plugin";
	return 0;
}

int
backend_choose(struct opts *opts, struct llmill_err *err)
{
	const char *name = opts->conf.backend;

	if (choose_plugin(opts, err) < 0 || python_choose(opts, err) < 0)
		return -1;
	name = opts->conf.backend;
	if (opts->per_worker && opts_given(opts, "backend") &&
	    strcmp(name, "coproc") != 0)
		return say_refuse(err,
		    "--per-worker is about a command, not about the %.80s "
		    "backend; leave one out",
		    name);
	if (opts->per_worker)
		name = opts->conf.backend = "coproc";
	opts->backend = 0;
	if (!name)
		opts->backend = opts->child ? OPTS_EXEC : OPTS_HTTP;
	else if (strncmp(name, "echo:", 5) == 0)
		opts->backend = OPTS_ECHO;
	for (size_t i = 0; i < BACKEND_COUNT && name; i++)
		if (strcmp(name, backends[i].name) == 0)
			opts->backend = backends[i].bit;
	if (opts->backend == 0)
		return say_refuse(err,
		    "--backend: there is no \"%.80s\"; allowed: http, exec, "
		    "coproc, plugin, echo[:SCRIPT]",
		    name);
	if (opts->backend & OPTS_COMMANDS && !opts->child)
		return say_refuse(err,
		    "%s wants a command: llmill %s … -- COMMAND [ARG …]",
		    opts->per_worker		 ? "--per-worker"
		    : opts->backend == OPTS_EXEC ? "--backend exec"
						 : "--backend coproc",
		    opts_command_name(opts->command));
	if (opts->backend == OPTS_PLUGIN && !opts->conf.plugin)
		return say_refuse(
		    err, "--backend plugin wants a file: --plugin FILE");
	if (!(opts->backend & OPTS_COMMANDS) && opts->child)
		return say_refuse(err,
		    "--backend %s runs no command, but one stands behind --",
		    backend_name(opts->backend));
	return choose_api(opts, err);
}

int
backend_check(const struct opts *opts, struct llmill_err *err)
{
	char label[OPTS_LABEL_SIZE];

	for (size_t i = 0; opts_at(i); i++) {
		const struct opt *opt = opts_at(i);

		if (!opts_has_given(opts, opt))
			continue;
		if (opt->apis != 0 && !(opt->apis & opts->api))
			return say_refuse(err,
			    "%s means nothing to --api %s; leave it out",
			    opts_label(opt, label), opts->conf.api);
		if (opt->backends == 0 || (opt->backends & opts->backend))
			continue;
		return say_refuse(err,
		    "%s means nothing to the %s backend%s; leave it out",
		    opts_label(opt, label), backend_name(opts->backend),
		    opts->conf.backend ? "" : " (a command behind --)");
	}
	return 0;
}
