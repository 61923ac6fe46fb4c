/* SPDX-License-Identifier: ISC */
/*
 * The first thing to try for every way in which a backend can fail. One row
 * per outcome; a test holds the rows against the library's vocabulary.
 */
#include "api/advice.h"

#include "api/backend.h"
#include "chat/api.h"

static const char *const texts[OUTCOME_COUNT] = {
    [OUTCOME_REFUSED] =
	"The model answered with a refusal. The backend works; try another "
	"prompt.",
    [OUTCOME_EMPTY] =
	"The backend works but said nothing. Look at --max-tokens and --stop; "
	"--allow-empty takes such answers.",
    [OUTCOME_CONTENT_FILTER] =
	"The server's content filter stopped the answer. The backend works; "
	"try another prompt.",
    [OUTCOME_BAD_REQUEST] =
	"The server does not take such a request. Look at -p, --max-tokens, "
	"--temperature and the other parameters: not every server knows all "
	"of them.",
    [OUTCOME_TOO_LONG] =
	"Prompt or answer is too long. Look at the model's window, "
	"--max-tokens and --max-answer-bytes.",
    [OUTCOME_RATE_LIMITED] =
	"The server wants fewer requests. Key and URL are right; wait a "
	"little. llmill run waits for this by itself; fewer workers (-j) "
	"help.",
    [OUTCOME_OVERLOADED] =
	"The server has too much to do. Key and URL are right; try later. "
	"llmill run tries again by itself; fewer workers (-j) help.",
    [OUTCOME_SERVER_ERROR] =
	"The server failed at it. Its own log says why; try again.",
    [OUTCOME_NO_MONEY] =
	"The account has no credit left or reached its limit: see the "
	"provider's billing page.",
    [OUTCOME_NO_MODEL] =
	"The server has no such model, or the URL is not the base of this API "
	"(--api). Look at the list behind the URL followed by /models, and "
	"give one of it with -m.",
    [OUTCOME_NO_COMMAND] =
	"The command cannot be run. Is it in $PATH, or named with a path, and "
	"executable (chmod +x)? Does its first line name an interpreter that "
	"is there?",
    [OUTCOME_NO_SERVER] =
	"Nobody answers at this URL yet. Is the server running, on this host "
	"and port, and has it loaded its model? For example: vllm serve MODEL "
	"--port 8000, or llama-server -m MODEL.gguf --port 8080; then give -u "
	"localhost:PORT.",
    [OUTCOME_TLS] =
	"The encrypted connection failed. Is it really https there, or plain "
	"http (-u http://…)? Is the certificate valid and of this host, and "
	"its authority known here, by the system or by --cacert FILE?",
    [OUTCOME_TRUNCATED] =
	"The connection broke before the answer was whole. Look at the "
	"server's log and at proxies in between.",
    [OUTCOME_GARBAGE] =
	"What came is no answer of such an API. Is the URL the API's base "
	"(often it ends in /v1), and not a web page? Is --api right?",
    [OUTCOME_TIMEOUT_CONNECT] =
	"The host does not take the connection. Is the URL right? A firewall "
	"or proxy ($https_proxy) may be in between; --connect-timeout gives "
	"it more time.",
    [OUTCOME_TIMEOUT_FIRST_BYTE] =
	"The server took the request but began no answer. It may be loading "
	"the model or be busy; --timeout gives it more time.",
    [OUTCOME_TIMEOUT_STALL] =
	"The answer began but stopped. Look at the server's log.",
    [OUTCOME_TIMEOUT_TOTAL] =
	"No answer in time. --timeout gives it more; a smaller --max-tokens "
	"needs less.",
    [OUTCOME_CRASH] =
	"The process that made the call died. For a command, its own messages "
	"above say more; else please report this.",
    [OUTCOME_EXIT_STATUS] =
	"The command ended with a failure. Run it by hand with the prompt on "
	"its standard input; -vv shows what it says.",
    [OUTCOME_OUT_OF_MEMORY] =
	"There was not enough memory. Look at ulimit -v and at the limits of "
	"the container or job.",
    [OUTCOME_POISON] = "The prompt crashed one worker after the other.",
    [OUTCOME_INTERRUPTED] = "The call was cut short before an answer came.",
};

/* Of a key, with the name that each API has for it. */
#define ON_KEY(name)                                                           \
	{                                                                      \
		.wrong =                                                       \
		    "The server does not take this key. Give another with "    \
		    "--key-file FILE, --key-env NAME or $" name                \
		    ", and see that key and URL belong together.",             \
		.withheld =                                                    \
		    "$" name " was not sent, because the URL is plain "        \
		    "http: name it with --key-env " name                       \
		    " if it belongs there.",                                   \
		.none = "No key was sent: give one with --key-file FILE, "     \
			"--key-env NAME or $" name ".",                        \
	}

static const struct on_key {
	const char *wrong;
	const char *withheld;
	const char *none;
} on_openai = ON_KEY("OPENAI_API_KEY"),
  on_anthropic = ON_KEY("ANTHROPIC_API_KEY");

static const char *
on_key(const struct backend *backend)
{
	const struct on_key *on =
	    backend->chat.api == &api_anthropic ? &on_anthropic : &on_openai;

	if (backend_has_key(backend))
		return on->wrong;
	return backend->key_withheld ? on->withheld : on->none;
}

const char *
advice_on(enum outcome outcome, const struct backend *backend)
{
	return outcome == OUTCOME_AUTH ? on_key(backend) : texts[outcome];
}
