/* SPDX-License-Identifier: ISC */
/*
 * The terminal is put back however this ends: the few signals that would end it
 * are blocked, but for the time in which it waits.
 */
#include "screen.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "llmill_db.h"

#define DRAW_EVERY_S 1
#define ENTER "\x1b[?1049h\x1b[?25l" /* another screen, no cursor */
#define LEAVE "\x1b[?25h\x1b[?1049l"
#define HOME "\x1b[H"
#define LINE_END "\x1b[K"
#define REST_END "\x1b[J"
#define ESCAPE 27
#define CTRL_C 3
#define CTRL_D 4
#define CTRL_L 12
#define CTRL_Z 26

static const char keys[] = "q quit  p pause  + more workers  - fewer  "
			   "r retry failed  k kill a worker";

static const char few_keys[] = "q quit p pause +- r retry k kill";

struct view {
	const char *db;
	struct llmill_text panel; /* the last */
	char message[512];
	bool asks;	/* for the number of a worker, */
	char digits[8]; /* so far */
	bool quit;
	struct termios before;
};

static volatile sig_atomic_t caught; /* a signal that ends us, or 0 */

static void
catch_signal(int number)
{
	if (number != SIGWINCH)
		caught = number;
}

/* ---- the terminal ---- */

static void
enter(struct view *view)
{
	struct termios raw;

	tcgetattr(STDIN_FILENO, &view->before);
	raw = view->before;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ISIG);
	raw.c_cc[VMIN] = 0;
	raw.c_cc[VTIME] = 0;
	tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
	fputs(ENTER, stdout);
	fflush(stdout);
}

static void
leave(const struct view *view)
{
	fputs(LEAVE, stdout);
	fflush(stdout);
	tcsetattr(STDIN_FILENO, TCSADRAIN, &view->before);
}

static void
suspend(struct view *view)
{
	leave(view);
	raise(SIGSTOP);
	enter(view);
}

/* No line end behind the last line: it would scroll. */
static void
draw_lines(const char *text)
{
	fputs(HOME, stdout);
	for (; *text; text++) {
		if (*text == '\n')
			fputs(LINE_END, stdout);
		if (*text == '\n' && !text[1])
			break;
		putchar(*text);
	}
	fputs(REST_END, stdout);
	fflush(stdout);
}

static void
draw(struct view *view)
{
	struct winsize size = {0};
	struct llmill_err err;
	struct llmill_text text;
	struct llmill_draw_conf conf = {
	    .name = view->db, .colour = !getenv("NO_COLOR")};
	char question[64];

	(void)ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
	conf.columns = size.ws_col > 0 ? size.ws_col : 80;
	conf.rows = size.ws_row > 0 ? size.ws_row : 24;
	conf.keys = conf.columns < sizeof(keys) ? few_keys : keys;
	if (view->message[0])
		conf.message = view->message;
	if (view->asks) {
		snprintf(question, sizeof(question),
		    "kill which worker? (Enter: that of the oldest call) %s",
		    view->digits);
		conf.message = question;
	}
	if (llmill_draw(&conf, view->panel.data, &text, &err) != LLMILL_EXIT_OK)
		return;
	draw_lines(text.data);
	llmill_text_free(&text);
}

/* ---- the run ---- */

/* Gives false when it is over. */
static bool
look(struct view *view)
{
	struct llmill_text panel;
	struct llmill_err err;

	if (llmill_order(view->db, "{\"order\":\"status\"}", &panel, &err) !=
	    LLMILL_EXIT_OK)
		return err.status == LLMILL_EXIT_EARLY && view->panel.data;
	llmill_text_free(&view->panel);
	view->panel = panel;
	return true;
}

static void
tell(struct view *view, const char *order)
{
	struct llmill_text answer;
	struct llmill_err err;

	if (llmill_order(view->db, order, &answer, &err) == LLMILL_EXIT_OK) {
		(void)llmill_said(
		    answer.data, view->message, sizeof(view->message));
		llmill_text_free(&answer);
	} else {
		snprintf(
		    view->message, sizeof(view->message), "%.500s", err.text);
	}
}

/* Gives a number of the panel; -1: it has none so named. */
static long
number_of(const struct view *view, const char *key)
{
	const char *at = strstr(view->panel.data, key);

	return at ? strtol(at + strlen(key), NULL, 10) : -1;
}

static void
change_workers(struct view *view, int by)
{
	long wanted = number_of(view, "\"wanted\":");
	long step = wanted >= 64 ? wanted / 8 : wanted >= 16 ? 4 : 1;
	char order[64];

	if (wanted < 0)
		return;
	wanted += by * step;
	snprintf(order, sizeof(order), "{\"order\":\"workers\",\"count\":%ld}",
	    wanted > 1 ? wanted : 1);
	tell(view, order);
}

static void
kill_worker(struct view *view)
{
	long worker = view->digits[0] ? strtol(view->digits, NULL, 10)
				      : number_of(view, "\"oldest_worker\":");
	char order[64];

	view->asks = false;
	if (worker < 0) {
		snprintf(
		    view->message, sizeof(view->message), "no call is out");
		return;
	}
	snprintf(order, sizeof(order), "{\"order\":\"kill\",\"worker\":%ld}",
	    worker);
	tell(view, order);
}

static void
take_digit(struct view *view, char key)
{
	size_t size = strlen(view->digits);

	if (key >= '0' && key <= '9' && size + 1 < sizeof(view->digits))
		view->digits[size] = key;
	else if ((key == 127 || key == '\b') && size > 0)
		view->digits[size - 1] = '\0';
	else if (key == '\r' || key == '\n')
		kill_worker(view);
	else if (key == ESCAPE || key == 'q' || key == CTRL_C)
		view->asks = false;
}

static void
take_key(struct view *view, char key)
{
	const char *panel = view->panel.data;

	if (view->asks) {
		take_digit(view, key);
		return;
	}
	view->message[0] = '\0';
	switch (key) {
	case 'q':
	case CTRL_C:
	case CTRL_D:
		view->quit = true;
		break;
	case 'p':
		tell(view, strstr(panel, "\"phase\":\"paused\"")
			       ? "{\"order\":\"resume\"}"
			       : "{\"order\":\"pause\"}");
		break;
	case '+':
	case '=':
		change_workers(view, 1);
		break;
	case '-':
		change_workers(view, -1);
		break;
	case 'r':
		tell(view, "{\"order\":\"retry\",\"ids\":\"failed\"}");
		break;
	case 'k':
		view->asks = true;
		memset(view->digits, 0, sizeof(view->digits));
		break;
	case CTRL_L:
		fputs(HOME REST_END, stdout);
		break;
	case CTRL_Z:
		suspend(view);
		break;
	default:
		break;
	}
}

/* Wait for a key, a second, another size or the end. */
static void
wait_for_keys(struct view *view, const sigset_t *open)
{
	struct pollfd look = {.fd = STDIN_FILENO, .events = POLLIN};
	const struct timespec second = {.tv_sec = DRAW_EVERY_S};
	char typed[64];
	ssize_t got;

	if (ppoll(&look, 1, &second, open) != 1)
		return;
	got = read(STDIN_FILENO, typed, sizeof(typed));
	if (got == 0 || (got == -1 && errno != EINTR && errno != EAGAIN))
		view->quit = true; /* the terminal is gone */
	/* An arrow key is several bytes: none of them is meant. */
	if (got > 1 && typed[0] == ESCAPE)
		return;
	for (ssize_t i = 0; i < got; i++)
		take_key(view, typed[i]);
}

static void
hold_signals(sigset_t *before)
{
	static const int ours[] = {SIGINT, SIGTERM, SIGHUP, SIGWINCH};
	struct sigaction act = {.sa_handler = catch_signal};
	sigset_t held;

	sigemptyset(&held);
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
		sigaddset(&held, ours[i]);
		sigaction(ours[i], &act, NULL);
	}
	sigprocmask(SIG_BLOCK, &held, before);
}

bool
screen_watch(const char *db, bool *quit)
{
	struct view view = {.db = db};
	sigset_t before;

	*quit = false;
	if (!look(&view))
		return false;
	hold_signals(&before);
	enter(&view);
	do {
		draw(&view);
		wait_for_keys(&view, &before);
	} while (!caught && !view.quit && look(&view));
	leave(&view);
	llmill_text_free(&view.panel);
	sigprocmask(SIG_SETMASK, &before, NULL);
	if (caught) {
		signal(caught, SIG_DFL);
		raise(caught);
	}
	*quit = view.quit;
	return true;
}
