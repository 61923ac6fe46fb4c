/* SPDX-License-Identifier: ISC */
/*
 * The numbers of a run. Everything is a plain count but the current rate: a
 * ring with one slot per second since the start. Writers clear the slots they
 * step over; readers skip those that have aged out, so that the rate falls to
 * nothing when nothing happens, without anybody ticking.
 */
#include "view/stats.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/must.h"
#include "base/text.h"

/* A first answer after 1 ms is not a rate of 1,000/s. */
#define STATS_RATE_MIN_NS (100 * CLOCK_MS)

/* Fewer ends than this in the window (error 30 %) make no forecast. */
#define STATS_ETA_MIN_DONE 10

void
stats_start(struct stats *stats, int64_t now_ns)
{
	stats->started_ns = now_ns;
	stats->ended_ns = 0;
	stats->rate_second = 0;
	memset(stats->rate_done, 0, sizeof(stats->rate_done));
	memset(stats->rate_tokens, 0, sizeof(stats->rate_tokens));
}

static int64_t
stats_age_ns(const struct stats *stats, int64_t now_ns)
{
	return now_ns > stats->started_ns ? now_ns - stats->started_ns : 0;
}

/* Gives the ring's slot for now, after clearing those stepped over. */
static size_t
stats_turn_ring(struct stats *stats, int64_t now_ns)
{
	uint64_t second = (uint64_t)(stats_age_ns(stats, now_ns) / CLOCK_S);
	uint64_t steps;

	if (second > stats->rate_second) {
		steps = second - stats->rate_second;
		if (steps > STATS_RATE_SLOTS)
			steps = STATS_RATE_SLOTS;
		for (uint64_t i = 0; i < steps; i++) {
			size_t slot = (size_t)((second - i) % STATS_RATE_SLOTS);

			stats->rate_done[slot] = 0;
			stats->rate_tokens[slot] = 0;
		}
		stats->rate_second = second;
	}
	return (size_t)(stats->rate_second % STATS_RATE_SLOTS);
}

static void
stats_add_clamped(uint32_t *sum, uint64_t more)
{
	*sum = more > UINT32_MAX - *sum ? UINT32_MAX : *sum + (uint32_t)more;
}

/* Count one end in the history, after clearing what was stepped over. */
static void
count_history(struct stats *stats, int64_t now_ns)
{
	uint64_t slot =
	    (uint64_t)(stats_age_ns(stats, now_ns) / STATS_HISTORY_NS);
	uint64_t steps =
	    slot > stats->history_slot ? slot - stats->history_slot : 0;

	for (uint64_t i = 0; i < steps && i < STATS_HISTORY; i++)
		stats->history[(slot - i) % STATS_HISTORY] = 0;
	stats->history_slot = slot;
	stats_add_clamped(&stats->history[slot % STATS_HISTORY], 1);
}

unsigned
stats_history(const struct stats *stats, int64_t now_ns, uint32_t *counts)
{
	uint64_t last =
	    (uint64_t)(stats_age_ns(stats, now_ns) / STATS_HISTORY_NS);
	unsigned count =
	    last < STATS_HISTORY ? (unsigned)last + 1 : STATS_HISTORY;

	for (unsigned i = 0; i < count; i++) {
		uint64_t slot = last - (count - 1 - i);
		bool known = slot <= stats->history_slot &&
			     slot + STATS_HISTORY > stats->history_slot;

		counts[i] = known ? stats->history[slot % STATS_HISTORY] : 0;
	}
	return count;
}

static void
count_size(struct stats_sizes *sizes, int64_t size)
{
	uint64_t bound = 1;
	unsigned i = 0;

	if (size < 0)
		return;
	for (; i + 1 < STATS_SIZES && (uint64_t)size > bound; i++)
		bound *= 4;
	sizes->counts[i]++;
	sizes->sum += (uint64_t)size;
}

void
stats_count_answer(struct stats *stats, enum outcome outcome,
    int64_t duration_ms, int64_t input_tokens, int64_t output_tokens,
    int64_t now_ns)
{
	size_t slot = stats_turn_ring(stats, now_ns);

	MUST(outcome_trait(outcome)->answers);
	stats->answered++;
	stats_add_clamped(&stats->rate_done[slot], 1);
	count_history(stats, now_ns);
	if (outcome == OUTCOME_LENGTH)
		stats->cut_short++;
	if (duration_ms >= 0 && duration_ms <= INT64_MAX / CLOCK_MS)
		hist_add(&stats->latency, duration_ms * CLOCK_MS);
	count_size(&stats->input_sizes, input_tokens);
	count_size(&stats->output_sizes, output_tokens);
	if (input_tokens > 0)
		stats->input_tokens += (uint64_t)input_tokens;
	if (output_tokens > 0) {
		stats->output_tokens += (uint64_t)output_tokens;
		stats_add_clamped(
		    &stats->rate_tokens[slot], (uint64_t)output_tokens);
	}
}

void
stats_count_failure(struct stats *stats, enum outcome outcome, int64_t now_ns)
{
	size_t slot = stats_turn_ring(stats, now_ns);

	MUST(outcome < OUTCOME_COUNT);
	stats->failed++;
	stats->failed_by[outcome]++;
	stats_add_clamped(&stats->rate_done[slot], 1);
	count_history(stats, now_ns);
}

/* Gives the sum of the ring's slots that lie in the window that ends now, and
 * how long that window is. */
static uint64_t
stats_window(const struct stats *stats, const uint32_t *ring, int64_t now_ns,
    int64_t *window_ns)
{
	int64_t age_ns = stats_age_ns(stats, now_ns);
	uint64_t now_second = (uint64_t)(age_ns / CLOCK_S);
	uint64_t first = 0;
	uint64_t sum = 0;

	if (now_second < stats->rate_second)
		now_second = stats->rate_second;
	if (now_second >= STATS_RATE_SLOTS)
		first = now_second - (STATS_RATE_SLOTS - 1);
	for (uint64_t second = first; second <= stats->rate_second; second++)
		sum += ring[second % STATS_RATE_SLOTS];
	*window_ns = age_ns - (int64_t)first * CLOCK_S;
	if (*window_ns < STATS_RATE_MIN_NS)
		*window_ns = STATS_RATE_MIN_NS;
	return sum;
}

double
stats_per_second(uint64_t count, int64_t duration_ns)
{
	if (duration_ns <= 0)
		return 0;
	return (double)count * (double)CLOCK_S / (double)duration_ns;
}

double
stats_rate(const struct stats *stats, int64_t now_ns)
{
	int64_t window_ns;
	uint64_t done =
	    stats_window(stats, stats->rate_done, now_ns, &window_ns);

	return stats_per_second(done, window_ns);
}

double
stats_token_rate(const struct stats *stats, int64_t now_ns)
{
	int64_t window_ns;
	uint64_t tokens =
	    stats_window(stats, stats->rate_tokens, now_ns, &window_ns);

	return stats_per_second(tokens, window_ns);
}

/* By integers: a host's locale must not put a comma into the number. */
const char *
stats_rate_text(double per_second, char *out, size_t size)
{
	const char *unit = "s";
	double rate = per_second;
	char count[32];
	long long tenths;

	if (rate > 0 && rate < 0.095) {
		unit = "min";
		rate *= 60;
		if (rate < 0.95) {
			unit = "h";
			rate *= 60;
		}
	}
	if (rate >= 99.95) {
		text_count((uint64_t)(rate + 0.5), count, sizeof(count));
		snprintf(out, size, "%s/%s", count, unit);
	} else {
		tenths = (long long)(rate * 10 + 0.5);
		snprintf(
		    out, size, "%lld.%lld/%s", tenths / 10, tenths % 10, unit);
	}
	return out;
}

int64_t
stats_eta_ns(const struct stats *stats, int64_t now_ns)
{
	uint64_t left = stats_left(stats);
	uint64_t done;
	int64_t took_ns;
	double eta_ns;

	if (left == 0)
		return 0;
	done = stats_window(stats, stats->rate_done, now_ns, &took_ns);
	if (done < STATS_ETA_MIN_DONE) {
		done = stats->answered + stats->failed;
		took_ns = stats_age_ns(stats, now_ns);
	}
	if (done == 0)
		return -1;
	eta_ns = (double)left * (double)took_ns / (double)done;
	return eta_ns < (double)(INT64_MAX / 2) ? (int64_t)eta_ns : -1;
}

uint64_t
stats_left(const struct stats *stats)
{
	uint64_t done = stats->answered + stats->failed;

	return done < stats->asked ? stats->asked - done : 0;
}

int64_t
stats_took_ns(const struct stats *stats)
{
	return stats->ended_ns > stats->started_ns
		   ? stats->ended_ns - stats->started_ns
		   : 0;
}

uint64_t
stats_hangs(const struct stats *stats)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < OUTCOME_COUNT; i++)
		if (outcome_trait((enum outcome)i)->hangs)
			sum += stats->attempts_by[i];
	return sum;
}

void
stats_uncount_failure(struct stats *stats, enum outcome outcome, bool ours)
{
	if (!ours) {
		stats->before_failed--;
		stats->asked++;
		return;
	}
	stats->failed--;
	if (stats->failed_by[outcome] > 0)
		stats->failed_by[outcome]--;
}
