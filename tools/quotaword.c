/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/quotaword.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "fs/base/parse.h"

#define KIB 1024u
/* What vzctl writes for "unlimited". */
#define VZ_UNLIMITED ((uint64_t)INT64_MAX)

static const struct {
	char letter;
	unsigned shift;
} sizes[] = {
	{ 'B', 0 },  { 'K', 10 }, { 'M', 20 },
	{ 'G', 30 }, { 'T', 40 }, { 'P', 50 },
};

static const struct {
	const char *name;
	uint64_t seconds;
	bool spelled; /* may have an "s" behind it */
} times[] = {
	{ "", 1, false },
	{ "s", 1, false },
	{ "sec", 1, true },
	{ "second", 1, true },
	{ "min", 60, true },
	{ "minute", 60, true },
	{ "h", 3600, false },
	{ "hour", 3600, true },
	{ "d", 86400, false },
	{ "day", 86400, true },
	{ "w", 7 * 86400, false },
	{ "week", 7 * 86400, true },
	{ "m", 30 * 86400, false },
	{ "month", 30 * 86400, true },
	{ "y", 365 * 86400, false },
	{ "year", 365 * 86400, true },
};

/* ---- limits --------------------------------------------------------------- */

/* The shift of a suffix; -EINVAL. */
static int size_shift(const char *suffix, enum quotaword_from from,
		      struct why *why)
{
	if (!*suffix)
		return 10;
	if (suffix[1] && strcasecmp(suffix + 1, "b") != 0 &&
	    strcasecmp(suffix + 1, "ib") != 0)
		return -EINVAL;
	for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
		if (strncasecmp(&sizes[i].letter, suffix, 1) != 0)
			continue;
		if (sizes[i].letter == 'B' && suffix[1])
			return -EINVAL;
		if (sizes[i].letter == 'P' && !suffix[1] &&
		    from != QUOTAWORD_OURS)
			return why_set(why, -EINVAL,
				       "P means pages of 4 KiB in OpenVZ: "
				       "write KiB, T, or PiB");
		return (int)sizes[i].shift;
	}
	return -EINVAL;
}

static int parse_space(const char *s, enum quotaword_from from, uint64_t *out,
		       struct why *why)
{
	uint64_t n;
	int r = parse_u64_at(&s, UINT64_MAX, &n), shift;

	if (r < 0)
		return r;
	shift = size_shift(s, from, why);
	if (shift < 0)
		return shift;
	if (n > (uint64_t)LIMIT_MAX >> shift)
		return -ERANGE;
	n = ((n << shift) + KIB - 1) / KIB * KIB;
	if (n > LIMIT_MAX)
		return -ERANGE;
	*out = n;
	return 0;
}

static int parse_one(enum limit_resource what, enum quotaword_from from,
		     const char *s, uint64_t *out, struct why *why)
{
	uint64_t n;
	int r;

	if (!strcasecmp(s, "unlimited")) {
		*out = 0;
		return 0;
	}
	if (from != QUOTAWORD_OURS && parse_u64(s, UINT64_MAX, &n) == 0 &&
	    n == VZ_UNLIMITED) {
		*out = 0;
		return 0;
	}
	r = what == LIMIT_SPACE ? parse_space(s, from, out, why)
				: parse_u64(s, LIMIT_MAX, out);
	if (r == 0 && *out == 0 && from == QUOTAWORD_CONF)
		return why_set(why, -EINVAL,
			       "0 means none at all in OpenVZ, and no limit "
			       "here: write \"unlimited\", or a limit");
	return r;
}

/* `told` is what is known of the reason, or "". */
static int refuse(struct why *why, int err, enum limit_resource what,
		  const char *s, const char *told)
{
	static const char *const wanted[] = {
		[LIMIT_SPACE] = "a size is a number of KiB, or has one of "
				"B K M G T P behind it, or is \"unlimited\"",
		[LIMIT_INODES] = "a number of inodes, or \"unlimited\"",
	};

	if (told[0])
		return why_set(why, err, "'%.200s': %.400s", s, told);
	if (err == -ERANGE)
		return why_set(why, err, "'%.200s': too large", s);
	return why_set(why, err, "'%.200s' is no limit: SOFT or SOFT:HARD; %s",
		       s, wanted[what]);
}

int quotaword_limits(enum limit_resource what, enum quotaword_from from,
		     const char *s, struct quotaword *out, struct why *why)
{
	const char *colon = strchr(s, ':');
	struct why told = { "" };
	struct quotaword w = { 0, 0 };
	char soft[64];
	size_t len = colon ? (size_t)(colon - s) : strlen(s);
	int r;

	if (len >= sizeof(soft))
		return refuse(why, -EINVAL, what, s, "");
	memcpy(soft, s, len);
	soft[len] = '\0';
	r = parse_one(what, from, soft, &w.soft, &told);
	w.hard = w.soft;
	if (r == 0 && colon)
		r = parse_one(what, from, colon + 1, &w.hard, &told);
	if (r < 0)
		return refuse(why, r, what, s, told.text);
	if (w.hard && w.soft > w.hard)
		return why_set(why, -ERANGE,
			       "'%.200s': the soft limit is above the hard one",
			       s);
	*out = w;
	return 0;
}

/* ---- times ---------------------------------------------------------------- */

/* [[dd:]hh:]mm:ss, and ss; each part may have any size. */
static int parse_colons(const char *s, uint64_t *out)
{
	static const uint64_t seconds[] = { 1, 60, 3600, 86400 };
	uint64_t parts[4], total = 0, n;
	unsigned count = 0;
	int r;

	for (;; s++) {
		if (count == ARRAY_SIZE(parts))
			return -EINVAL;
		r = parse_u64_at(&s, QUOTAWORD_TIME_MAX, &n);
		if (r < 0)
			return r;
		parts[count++] = n;
		if (*s != ':')
			break;
	}
	if (*s)
		return -EINVAL;
	for (unsigned i = 0; i < count; i++)
		total += parts[i] * seconds[count - 1 - i];
	*out = total;
	return 0;
}

static uint64_t time_unit(const char *name)
{
	for (unsigned i = 0; i < ARRAY_SIZE(times); i++) {
		size_t len = strlen(times[i].name);

		if (strncasecmp(times[i].name, name, len) != 0)
			continue;
		if (!name[len] ||
		    (times[i].spelled && !strcasecmp(name + len, "s")))
			return times[i].seconds;
	}
	return 0;
}

int quotaword_time(const char *s, uint64_t *seconds, struct why *why)
{
	const char *unit = s;
	uint64_t n = 0, factor;
	int r;

	if (strchr(s, ':')) {
		r = parse_colons(s, &n);
	} else {
		r = parse_u64_at(&unit, QUOTAWORD_TIME_MAX, &n);
		factor = r == 0 ? time_unit(unit) : 1;
		if (factor == 0)
			r = -EINVAL;
		n *= factor;
	}
	if (r == 0 && n > QUOTAWORD_TIME_MAX)
		r = -ERANGE;
	if (r == -ERANGE)
		return why_set(why, r,
			       "'%.200s': too long, 100 years are the most", s);
	if (r < 0)
		return why_set(
			why, r,
			"'%.200s' is no time: seconds, dd:hh:mm:ss, or a "
			"number with s, min, h, d, w, m (30 days) or y",
			s);
	*seconds = n;
	return 0;
}

/* ---- printing ------------------------------------------------------------- */

const char *quotaword_print_time(uint64_t seconds, char text[QUOTAWORD_SIZE])
{
	uint64_t minutes = (seconds + 30) / 60, hours = minutes / 60;
	uint64_t days = (hours + 12) / 24;

	if (days >= 2)
		snprintf(text, QUOTAWORD_SIZE, "%" PRIu64 "days", days);
	else
		snprintf(text, QUOTAWORD_SIZE, "%02u:%02u", (unsigned)hours,
			 (unsigned)(minutes % 60));
	return text;
}

const char *quotaword_print_exact(uint64_t seconds, char text[QUOTAWORD_SIZE])
{
	static const struct {
		const char *name;
		uint64_t seconds;
	} units[] = { { "day", 86400 }, { "h", 3600 }, { "min", 60 } };

	for (unsigned i = 0; seconds && i < ARRAY_SIZE(units); i++) {
		uint64_t n = seconds / units[i].seconds;

		if (seconds % units[i].seconds)
			continue;
		snprintf(text, QUOTAWORD_SIZE, "%" PRIu64 "%s%s", n,
			 units[i].name, i == 0 && n > 1 ? "s" : "");
		return text;
	}
	snprintf(text, QUOTAWORD_SIZE, "%" PRIu64 "s", seconds);
	return text;
}

const char *quotaword_print_grace(const struct limit *l, int64_t now,
				  char text[QUOTAWORD_SIZE])
{
	text[0] = '\0';
	if (!l->deadline || !l->soft || l->usage <= l->soft)
		return text;
	if (l->deadline <= now)
		snprintf(text, QUOTAWORD_SIZE, "none");
	else
		quotaword_print_time((uint64_t)(l->deadline - now), text);
	return text;
}

bool quotaword_is_over(const struct limit *l)
{
	return (l->soft && l->usage > l->soft) ||
	       (l->hard && l->usage > l->hard);
}

uint64_t quotaword_units(enum limit_resource what, uint64_t n)
{
	return what == LIMIT_SPACE ? n / KIB + (n % KIB != 0) : n;
}

const char *quotaword_print_limits(enum limit_resource what,
				   const struct quotaword *w,
				   char text[2 * QUOTAWORD_SIZE])
{
	uint64_t of[2] = { w->soft, w->hard };
	int at = 0;

	for (int i = 0; i < 2; i++) {
		const char *colon = i ? ":" : "";
		size_t room = (size_t)(2 * QUOTAWORD_SIZE - at);

		at += of[i] ? snprintf(text + at, room, "%s%" PRIu64, colon,
				       quotaword_units(what, of[i]))
			    : snprintf(text + at, room, "%sunlimited", colon);
	}
	return text;
}
