/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Crash points: which there are, and the worker made to die at one after the
 * other. A point counts once for each operation that comes by it.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fs/base/clock.h"
#include "tests/stress/kill_killer.h"

#define POINT_PATIENCE (500 * CLOCK_MS)

static bool is_recovery(unsigned where)
{
	return where >= CRASH_RECOVER_BEGUN;
}

static uint64_t hits(const struct killer *k, unsigned pair)
{
	return atomic_load(
		&k->control->hits[pair / CRASH_OPCODES][pair % CRASH_OPCODES]);
}

/* Come by only by a new worker, or by nobody who works on a request. */
static bool needs_kill(unsigned pair)
{
	return is_recovery(pair / CRASH_OPCODES) || pair % CRASH_OPCODES == 0;
}

static bool is_reached(const struct killer *k, unsigned pair)
{
	if (is_recovery(pair / CRASH_OPCODES))
		return pair % CRASH_OPCODES == 0;
	return hits(k, pair) != 0;
}

/* The next pair of point and opcode: one of those that had the fewest turns. */
static unsigned pick_pair(struct killer *k)
{
	unsigned best = KILLER_PAIRS,
		 from = kill_random(&k->self, KILLER_PAIRS);

	for (unsigned n = 0; n < KILLER_PAIRS; n++) {
		unsigned pair = (from + n) % KILLER_PAIRS;

		if (is_reached(k, pair) &&
		    (best == KILLER_PAIRS || k->turns[pair] < k->turns[best]))
			best = pair;
	}
	return best;
}

/* So that it fires within some 50 ms, but not always at the first. */
static uint32_t pick_countdown(struct killer *k, unsigned pair)
{
	uint64_t ms = (k->counted - k->began) / CLOCK_MS + 1;
	uint64_t most = k->counted_hits[pair] * 50 / ms;

	return kill_random(&k->self, most > 300 ? 300 : (unsigned)most + 1);
}

static bool wait_fired(struct killer *k, uint64_t before)
{
	uint64_t until = clock_now() + POINT_PATIENCE;

	while (atomic_load(&k->control->fired) == before) {
		if (clock_now() > until)
			return false;
		killer_pause(100 * CLOCK_US);
	}
	return true;
}

static void arm(struct killer *k, unsigned pair)
{
	unsigned where = pair / CRASH_OPCODES, opcode = pair % CRASH_OPCODES;
	bool kill_too = needs_kill(pair);

	k->turns[pair]++;
	atomic_store(&kill_state->point, (uint64_t)opcode << 16 | (where + 1));
	if (is_recovery(where))
		opcode = 0;
	else if (!opcode)
		opcode = CRASH_NO_OPCODE;
	atomic_store(&k->control->armed,
		     crash_arm_word((enum crash_where)where, opcode,
				    kill_too ? 0 : pick_countdown(k, pair)));
	if (kill_too)
		killer_strike(k);
}

/* Let the recovery of the recovery die as well. */
static void again_in_recovery(struct killer *k)
{
	unsigned first = CRASH_RECOVER_BEGUN, n = CRASH_MAX - first;
	unsigned where = first + kill_random(&k->self, n);

	atomic_store(&kill_state->point, where + 1);
	atomic_store(&k->control->armed,
		     crash_arm_word((enum crash_where)where, 0, 0));
}

/*
 * One that is not come by in time stays armed until the next turn: what is
 * rare may still come.
 */
bool killer_point(struct killer *k)
{
	uint64_t fired, then;
	unsigned pair = pick_pair(k);

	if (pair == KILLER_PAIRS)
		return killer_random(k);
	atomic_store(&k->control->armed, 0);
	fired = atomic_load(&k->control->fired);
	arm(k, pair);
	if (!wait_fired(k, fired)) {
		atomic_fetch_add(&kill_state->missed_points, 1);
		return needs_kill(pair) ? killer_wait_answer(k, clock_now())
					: killer_random(k);
	}
	/* a turn in vain is half a turn */
	k->turns[pair]++;
	then = clock_now();
	if (kill_chance(&k->self, 4))
		again_in_recovery(k);
	return killer_wait_answer(k, then);
}

static int map_control(const char *path, bool make, struct crash_control **c)
{
	int fd = open(path, O_RDWR | O_CLOEXEC | (make ? O_CREAT | O_EXCL : 0),
		      0600);
	void *map;

	if (fd < 0 || (make && ftruncate(fd, sizeof(**c)))) {
		perror(path);
		return -1;
	}
	map = mmap(NULL, sizeof(**c), PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		   0);
	close(fd);
	if (map == MAP_FAILED) {
		perror(path);
		return -1;
	}
	*c = map;
	return 0;
}

int kill_make_control(const struct kill_options *o, int top)
{
	struct crash_control *c;

	(void)top;
	if (!o->control || map_control(o->control, true, &c))
		return 2;
	c->size = sizeof(*c);
	c->points = CRASH_MAX;
	c->magic = CRASH_MAGIC;
	return 0;
}

struct crash_control *kill_control(const char *path)
{
	struct crash_control *c;

	return map_control(path, false, &c) ? NULL : c;
}

void killer_count_hits(struct killer *k)
{
	static uint64_t before[KILLER_PAIRS];

	for (unsigned n = 0; n < KILLER_PAIRS; n++)
		before[n] = hits(k, n);
	k->began = clock_now();
	killer_pause(k->o->count * CLOCK_MS);
	k->counted = clock_now();
	for (unsigned n = 0; n < KILLER_PAIRS; n++)
		k->counted_hits[n] = hits(k, n) - before[n];
}
