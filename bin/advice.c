/* SPDX-License-Identifier: ISC */
/*
 * The first thing to try for every way in which a backend can fail. One row
 * per outcome; a test holds the rows against the library's vocabulary.
 */
#include "advice.h"

#include <stddef.h>
#include <string.h>

static const struct row {
	const char *outcome;
	const char *text;
} rows[] = {
    {"refused",
	"The model answered with a refusal. The backend works; try another "
	"--prompt."},
    {"empty",
	"The backend works but said nothing. Look at --max-tokens and --stop; "
	"--allow-empty takes such answers."},
    {"content_filter",
	"The server's content filter stopped the answer. The backend works; "
	"try another --prompt."},
    {"bad_request",
	"The server does not take such a request. Look at -p, --max-tokens, "
	"--temperature and the other parameters: not every server knows all "
	"of them."},
    {"too_long", "Prompt or answer is too long. Look at the model's window, "
		 "--max-tokens and --max-answer-bytes."},
    {"rate_limited",
	"The server wants fewer requests. Key and URL are right; wait a "
	"little. llmill run waits for this by itself; fewer workers (-j) "
	"help."},
    {"overloaded",
	"The server has too much to do. Key and URL are right; try later. "
	"llmill run tries again by itself; fewer workers (-j) help."},
    {"server_error",
	"The server failed at it. Its own log says why; try again."},
    {"auth", "The server does not take the key named above. Give another with "
	     "--key-file FILE, --key-env NAME or $OPENAI_API_KEY, and see that "
	     "key and URL belong together."},
    {"no_money", "The account has no credit left or reached its limit: see the "
		 "provider's billing page."},
    {"no_model",
	"The server has no such model, or the URL is not the API's base. Look "
	"at the list behind the URL followed by /models, and give one of it "
	"with -m."},
    {"no_command",
	"The command cannot be run. Is it in $PATH, or named with a path, and "
	"executable (chmod +x)? Does its first line name an interpreter that "
	"is there?"},
    {"no_server",
	"Nobody answers at this URL yet. Is the server running, on this host "
	"and port, and has it loaded its model? For example: vllm serve MODEL "
	"--port 8000, or llama-server -m MODEL.gguf --port 8080; then give -u "
	"localhost:PORT."},
    {"tls",
	"The encrypted connection failed. Is it really https there, or plain "
	"http (-u http://…)? Is the certificate valid and of this host, and "
	"its authority known here?"},
    {"truncated",
	"The connection broke before the answer was whole. Look at the "
	"server's log and at proxies in between."},
    {"garbage",
	"What came is no answer of such an API. Is the URL the API's base "
	"(often it ends in /v1), and not a web page?"},
    {"timeout_connect",
	"The host does not take the connection. Is the URL right? A firewall "
	"or proxy ($https_proxy) may be in between; --connect-timeout gives "
	"it more time."},
    {"timeout_first_byte",
	"The server took the request but began no answer. It may be loading "
	"the model or be busy; --timeout gives it more time."},
    {"timeout_stall",
	"The answer began but stopped. Look at the server's log."},
    {"timeout_total",
	"No answer in time. --timeout gives it more; a smaller --max-tokens "
	"needs less."},
    {"crash",
	"The process that made the call died. For a command, its own messages "
	"above say more; else please report this."},
    {"exit_status",
	"The command ended with a failure. Run it by hand with the prompt on "
	"its standard input; -vv shows what it says."},
    {"out_of_memory",
	"There was not enough memory. Look at ulimit -v and at the limits of "
	"the container or job."},
    {"poison", "The prompt crashed one worker after the other."},
    {"interrupted", "The call was cut short before an answer came."},
};

const char *
advice_on(const char *outcome)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (strcmp(rows[i].outcome, outcome) == 0)
			return rows[i].text;
	return NULL;
}
