/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "quota/limit.h"

#include <errno.h>

const char *const limit_names[LIMIT_RESOURCES] = { "space", "inodes" };

static bool is_late(const struct limit *l, int64_t now)
{
	return l->deadline && now >= l->deadline;
}

enum limit_verdict limit_ask(const struct limit *l, uint64_t more, int64_t now)
{
	uint64_t then;

	if (more == 0)
		return LIMIT_FITS;
	then = more > LIMIT_MAX ? UINT64_MAX : l->usage + more;
	if (l->hard && then > l->hard)
		return LIMIT_OVER_HARD;
	if (l->soft && then > l->soft && is_late(l, now))
		return LIMIT_OVER_TIME;
	return LIMIT_FITS;
}

uint64_t limit_room(const struct limit *l, int64_t now)
{
	uint64_t top = l->hard ? l->hard : UINT64_MAX;

	if (l->soft && is_late(l, now))
		top = l->soft;
	if (top == UINT64_MAX)
		return top;
	return top > l->usage ? top - l->usage : 0;
}

void limit_settle(struct limit *l, uint64_t usage, uint64_t grace, int64_t now)
{
	l->usage = usage;
	if (!l->soft || usage <= l->soft)
		l->deadline = 0;
	else if (!l->deadline)
		l->deadline = now + (int64_t)grace;
}

int limit_set(struct limit *l, uint64_t soft, uint64_t hard, uint64_t grace,
	      int64_t now)
{
	if (soft > LIMIT_MAX || hard > LIMIT_MAX)
		return -ERANGE;
	if (hard && soft > hard)
		return -EINVAL;
	l->soft = soft;
	l->hard = hard;
	limit_settle(l, l->usage, grace, now);
	return 0;
}
