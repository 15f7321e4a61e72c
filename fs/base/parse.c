/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/base/parse.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "fs/base/cleanup.h"

struct unit {
	const char *name;
	uint64_t factor;
};

static const struct unit duration_units[] = {
	{ "ns", 1 },
	{ "us", 1000 },
	{ "ms", 1000000 },
	{ "s", 1000000000 },
	{ "m", 60ull * 1000000000 },
	{ "min", 60ull * 1000000000 },
	{ "h", 3600ull * 1000000000 },
	{ "d", 86400ull * 1000000000 },
};

static const struct unit size_units[] = {
	{ "", 1 },	     { "b", 1 },	  { "k", 1ull << 10 },
	{ "m", 1ull << 20 }, { "g", 1ull << 30 }, { "t", 1ull << 40 },
};

static const struct {
	const char *word;
	bool value;
} bool_words[] = {
	{ "1", true },	{ "on", true },	  { "yes", true }, { "true", true },
	{ "0", false }, { "off", false }, { "no", false }, { "false", false },
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

int parse_u64_at(const char **cursor, uint64_t max, uint64_t *out)
{
	const char *s = *cursor;
	uint64_t n = 0;

	if (!is_digit(*s))
		return -EINVAL;
	for (; is_digit(*s); s++) {
		uint64_t digit = (uint64_t)(*s - '0');

		if (__builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, digit, &n) || n > max)
			return -ERANGE;
	}
	*cursor = s;
	*out = n;
	return 0;
}

int parse_u64(const char *s, uint64_t max, uint64_t *out)
{
	bool digits = *s && !s[strspn(s, "0123456789")];

	return digits ? parse_u64_at(&s, max, out) : -EINVAL;
}

int parse_u32(const char *s, uint32_t max, uint32_t *out)
{
	uint64_t n;
	int rc = parse_u64(s, max, &n);

	if (!rc)
		*out = (uint32_t)n;
	return rc;
}

int parse_id(const char *s, uint32_t *out)
{
	return parse_u32(s, UINT32_MAX - 1, out);
}

/* The factor of the unit NAME[LEN], or 0. */
static uint64_t find_unit(const struct unit *units, size_t n, const char *name,
			  size_t len)
{
	for (size_t i = 0; i < n; i++)
		if (strlen(units[i].name) == len &&
		    !strncasecmp(units[i].name, name, len))
			return units[i].factor;
	return 0;
}

int parse_size(const char *s, uint64_t *bytes)
{
	const char *suffix = s + strspn(s, "0123456789");
	size_t len = strlen(suffix);
	uint64_t n, factor;
	int rc;

	if (len == 2 && !strcasecmp(suffix + 1, "b"))
		len = 1;
	else if (len == 3 && !strcasecmp(suffix + 1, "ib"))
		len = 1;
	factor = find_unit(size_units, ARRAY_SIZE(size_units), suffix, len);
	if (!factor || (factor == 1 && len != strlen(suffix)))
		return -EINVAL;

	rc = parse_u64_at(&s, UINT64_MAX, &n);
	if (rc)
		return rc;
	if (__builtin_mul_overflow(n, factor, &n))
		return -ERANGE;
	*bytes = n;
	return 0;
}

/* The part of FACTOR that the digits at *cursor, behind a point, stand for. */
static uint64_t fraction(const char **cursor, uint64_t factor)
{
	uint64_t part = 0, scale = 1;
	const char *s;

	/* Beyond 15 digits nothing is left of a nanosecond in a day. */
	for (s = *cursor; is_digit(*s); s++) {
		if (s - *cursor >= 15)
			continue;
		part = part * 10 + (uint64_t)(*s - '0');
		scale *= 10;
	}
	*cursor = s;
	return (uint64_t)((unsigned __int128)part * factor / scale);
}

/*
 * One number with its unit at *cursor, in nanoseconds. BARE_NS is the unit of
 * a number that the string ends behind; 0: it needs a unit. A value too large
 * is -ERANGE only after the form was found right.
 */
static int duration_term(const char **cursor, uint64_t bare_ns, uint64_t *ns)
{
	const char *number = *cursor, *unit, *end, *point;
	uint64_t n, factor, part = 0;
	int rc;

	point = number + strspn(number, "0123456789");
	unit = point;
	if (*point == '.') {
		unit = point + 1 + strspn(point + 1, "0123456789");
		if (unit == point + 1)
			return -EINVAL;
	}
	for (end = unit; is_letter(*end); end++)
		;
	factor = bare_ns;
	if (end != unit)
		factor = find_unit(duration_units, ARRAY_SIZE(duration_units),
				   unit, (size_t)(end - unit));
	if (point == number || !factor || (end == unit && *end))
		return -EINVAL;

	*cursor = end;
	if (*point == '.') {
		point++;
		part = fraction(&point, factor);
	}
	rc = parse_u64_at(&number, UINT64_MAX, &n);
	if (rc)
		return rc;
	if (__builtin_mul_overflow(n, factor, &n) ||
	    __builtin_add_overflow(n, part, &n))
		return -ERANGE;
	*ns = n;
	return 0;
}

int parse_duration(const char *s, uint64_t unit_ns, uint64_t *ns)
{
	uint64_t total = 0, term;
	int rc, late = 0;

	do {
		rc = duration_term(&s, unit_ns, &term);
		if (rc == -EINVAL)
			return rc;
		if (rc || __builtin_add_overflow(total, term, &total))
			late = -ERANGE;
		unit_ns = 0;
	} while (*s);
	if (late)
		return late;
	*ns = total;
	return 0;
}

int parse_bool(const char *s, bool *out)
{
	for (size_t i = 0; i < ARRAY_SIZE(bool_words); i++) {
		if (strcasecmp(s, bool_words[i].word))
			continue;
		*out = bool_words[i].value;
		return 0;
	}
	return -EINVAL;
}
