/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/follow.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/base/clock.h"

/*
 * A look costs some 3 us, the first one at a new caller 8: not at who asks for
 * one thing and goes, and then seldom.
 */
#define FIRST 3
#define EVERY 32
#define APART_MAX 4  /* looks */
#define OTHERS_MAX 8 /* changes of the caller in EVERY requests */
#define PAUSE_MIN (100 * CLOCK_MS)
#define PAUSE_MAX (10 * CLOCK_S)
#define PAUSE_SHARED (500 * CLOCK_MS)
#define PROCESSOR 39 /* of proc(5)'s fields of stat, from 1 */
#define STATE 3	     /* the field after the name in parentheses */

static void forget(struct follow *f)
{
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
	f->caller = 0;
}

/*
 * An affinity that was asked for stays when the cpuset grows: unless somebody
 * has restricted us, all processors are asked for.
 */
void follow_begin(struct follow *f)
{
	cpu_set_t was, may;

	*f = (struct follow){ .fd = -1 };
	if (sched_getaffinity(0, sizeof(was), &was) < 0)
		return;
	memset(&f->all, 0xff, sizeof(f->all));
	if (sched_setaffinity(0, sizeof(f->all), &f->all) == 0 &&
	    sched_getaffinity(0, sizeof(may), &may) == 0 &&
	    CPU_EQUAL(&was, &may))
		return;
	f->all = was;
	sched_setaffinity(0, sizeof(was), &was);
}

void follow_part(struct follow *f)
{
	if (f->together)
		sched_setaffinity(0, sizeof(f->all), &f->all);
	f->together = false;
}

void follow_end(struct follow *f)
{
	forget(f);
	follow_part(f);
}

static void part_again(struct follow *f)
{
	follow_part(f);
	f->apart = 0;
}

static void give_up(struct follow *f)
{
	part_again(f);
	backoff_pause(&f->away, clock_coarse(), PAUSE_MIN, PAUSE_MAX);
}

/* The processor field of a stat line, or -1. */
static int processor_of(char *line)
{
	char *p = strrchr(line, ')'), *end;
	long cpu;

	for (int field = STATE - 1; p && field < PROCESSOR; field++)
		p = strchr(p + 1, ' ');
	if (!p)
		return -1;
	cpu = strtol(p + 1, &end, 10);
	return end == p + 1 || cpu < 0 || cpu >= CPU_SETSIZE ? -1 : (int)cpu;
}

/* Where the caller is, or was when it went to sleep; -1: it is gone. */
static int look(struct follow *f)
{
	char buf[512];
	ssize_t n;

	if (f->fd < 0) {
		snprintf(buf, sizeof(buf), "/proc/%u/task/%u/stat", f->caller,
			 f->caller);
		f->fd = open(buf, O_RDONLY | O_CLOEXEC);
		if (f->fd < 0)
			return -1;
	}
	n = pread(f->fd, buf, sizeof(buf) - 1, 0);
	if (n <= 0)
		return -1;
	buf[n] = '\0';
	return processor_of(buf);
}

/* False: we may not, or cannot. */
static bool go_to(struct follow *f, int cpu)
{
	cpu_set_t one;

	if (!CPU_ISSET(cpu, &f->all))
		return false;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	if (sched_setaffinity(0, sizeof(one), &one) < 0)
		return false;
	f->together = true;
	f->shared = false;
	return true;
}

/* Do several ask in turns? Then no processor is the right one. */
static bool is_shared(struct follow *f, bool other)
{
	const unsigned others = f->others += other;

	if (++f->counted < EVERY)
		return false;
	f->counted = f->others = 0;
	return others > OTHERS_MAX;
}

/* Is it time for a look at who asks? */
static bool is_due(struct follow *f, uint32_t caller)
{
	bool other = caller != f->caller;

	if (is_shared(f, other)) {
		part_again(f);
		f->away.until = clock_coarse() + PAUSE_SHARED;
		f->shared = true;
		return false;
	}
	if (other) {
		forget(f);
		f->caller = caller;
		f->asked = EVERY - FIRST;
		f->row = 0;
	}
	if (f->row < FOLLOW_ROW)
		f->row++;
	if (++f->asked < EVERY)
		return false;
	f->asked = 0;
	return !backoff_is_on(&f->away, clock_coarse);
}

void follow_request(struct follow *f, uint32_t caller)
{
	int cpu;

	if (!caller || !is_due(f, caller))
		return;
	cpu = look(f);
	if (cpu < 0) {
		forget(f);
		give_up(f);
	} else if (f->together && cpu == sched_getcpu()) {
		f->apart = 0;
		f->away = (struct backoff){ .until = 0 };
	} else if (++f->apart > APART_MAX || !go_to(f, cpu)) {
		give_up(f);
	}
}
