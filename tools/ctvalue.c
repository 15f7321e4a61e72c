/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/ctvalue.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "fs/base/cleanup.h"
#include "fs/base/parse.h"
#include "fs/base/strbuf.h"

/* OpenVZ's words for no limit at all: of 32 bits (of things and pages; as bytes
 * it is a limit) and of 64. */
#define ENDLESS32 INT32_MAX
#define ENDLESS64 INT64_MAX

#define CPU_LAST 8191u
#define HOSTNAME_MAX 64u
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

int ctvalue_number(const char *s, uint64_t min, uint64_t max, uint64_t *out,
		   struct why *why)
{
	uint64_t n;
	int r = parse_u64(s, max, &n);

	if (r == 0 && n < min)
		r = -ERANGE;
	if (r < 0)
		return why_set(why, r,
			       "it is a number from %" PRIu64 " to %" PRIu64,
			       min, max);
	*out = n;
	return 0;
}

int ctvalue_bool(const char *s, bool *out, struct why *why)
{
	return parse_bool(s, out) < 0 ? why_set(why, -EINVAL, "it is yes or no")
				      : 0;
}

/* ---- amounts ---------------------------------------------------------------- */

static uint64_t page_size(void)
{
	return (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t factor_of(char suffix)
{
	switch (toupper((unsigned char)suffix)) {
	case 'B':
		return 1;
	case 'K':
		return 1024;
	case 'M':
		return 1024 * 1024;
	case 'G':
		return 1024 * 1024 * 1024;
	case 'T':
		return 1024ull * 1024 * 1024 * 1024;
	case 'P':
		return page_size();
	default:
		return 0;
	}
}

/* `unit` 0: things, which have no suffix. */
static int take_amount(const char **cursor, uint64_t unit, uint64_t *out)
{
	const char *s = *cursor;
	bool plain = true;
	uint64_t n;
	int r;

	if (strncasecmp(s, "unlimited", 9) == 0) {
		*cursor = s + 9;
		*out = SPEC_UNLIMITED;
		return 0;
	}
	r = parse_u64_at(&s, UINT64_MAX - 1, &n);
	if (r < 0)
		return r;
	if (unit && factor_of(*s)) {
		unit = factor_of(*s++);
		plain = false;
	}
	/* a page is what the old number for no limit was most often of */
	if (plain && n >= ENDLESS32 && (unit == 0 || unit == page_size()))
		n = SPEC_UNLIMITED;
	else if (__builtin_mul_overflow(n, unit ? unit : 1, &n) ||
		 n >= ENDLESS64)
		n = SPEC_UNLIMITED;
	*cursor = s;
	*out = n;
	return 0;
}

int ctvalue_amount(const char *s, uint64_t unit, uint64_t *out, struct why *why)
{
	uint64_t n;
	int r = take_amount(&s, unit, &n);

	if (r == 0 && *s)
		r = -EINVAL;
	if (r < 0)
		return why_set(why, r,
			       "it is a number, with one of B K M G T behind "
			       "it, or unlimited");
	*out = n;
	return 0;
}

int ctvalue_limits(const char *s, enum ctvalue_unit unit, uint64_t out[2],
		   struct why *why)
{
	static const char *const allowed[] = {
		[CTVALUE_COUNT] = "numbers",
		[CTVALUE_BYTES] = "numbers of bytes, or with B K M G T or P "
				  "(pages) behind them",
		[CTVALUE_PAGES] = "numbers of pages, or with B K M G T or P "
				  "(pages) behind them",
	};
	const uint64_t units[] = { [CTVALUE_COUNT] = 0,
				   [CTVALUE_BYTES] = 1,
				   [CTVALUE_PAGES] = page_size() };
	uint64_t of[2] = { 0, 0 };
	int r = take_amount(&s, units[unit], &of[0]);

	of[1] = of[0];
	if (r == 0 && *s == ':') {
		s++;
		r = take_amount(&s, units[unit], &of[1]);
	}
	if (r == 0 && *s)
		r = -EINVAL;
	if (r < 0)
		return why_set(why, r,
			       "it is BARRIER or BARRIER:LIMIT: %s, or "
			       "unlimited",
			       allowed[unit]);
	if (of[0] > of[1])
		return why_set(why, -ERANGE, "the barrier is above the limit");
	out[0] = of[0];
	out[1] = of[1];
	return 0;
}

/* ---- names ------------------------------------------------------------------- */

static bool is_list(const char *s)
{
	uint64_t a, b;

	do {
		if (parse_u64_at(&s, CPU_LAST, &a) < 0)
			return false;
		b = a;
		if (*s == '-') {
			s++;
			if (parse_u64_at(&s, CPU_LAST, &b) < 0)
				return false;
		}
		if (b < a)
			return false;
	} while (*s++ == ',');
	return s[-1] == '\0';
}

int ctvalue_list(const char *s, char out[SPEC_LIST], struct why *why)
{
	if (strcasecmp(s, "all") == 0) {
		out[0] = '\0';
		return 0;
	}
	if (!is_list(s))
		return why_set(why, -EINVAL,
			       "it is a list of numbers as 0-3,8, or all");
	if (strlen(s) >= SPEC_LIST)
		return why_set(why, -ERANGE, "it is too long: %u characters",
			       SPEC_LIST - 1);
	snprintf(out, SPEC_LIST, "%s", s);
	return 0;
}

int ctvalue_hostname(const char *s, struct why *why)
{
	size_t len = strlen(s);

	if (len == 0 || !isalnum((unsigned char)s[0]) ||
	    strspn(s, LETTERS DIGITS "._-") != len)
		return why_set(why, -EINVAL,
			       "it is a name of letters, digits, '.' and '-', "
			       "the first no '.' or '-'");
	if (len > HOSTNAME_MAX)
		return why_set(why, -ERANGE, "it is too long: %u characters",
			       HOSTNAME_MAX);
	return 0;
}

int ctvalue_ifname(const char *s, char out[IFNAMSIZ], struct why *why)
{
	size_t len = strlen(s);

	if (len == 0 || len >= IFNAMSIZ || s[0] == '.' || s[0] == '-' ||
	    strspn(s, LETTERS DIGITS "._-") != len)
		return why_set(why, -EINVAL,
			       "'%.40s' is no interface's name: 1 to %u "
			       "letters, digits, '.', '_', '-'",
			       s, IFNAMSIZ - 1);
	snprintf(out, IFNAMSIZ, "%s", s);
	return 0;
}

int ctvalue_mac(const char *s, uint8_t out[6], struct why *why)
{
	uint8_t mac[6], any = 0;
	bool good = strlen(s) == CTVALUE_MAC_TEXT - 1;

	for (int i = 0; good && i < 6; i++) {
		const char *p = s + 3 * i;

		good = isxdigit((unsigned char)p[0]) &&
		       isxdigit((unsigned char)p[1]) &&
		       p[2] == (i < 5 ? ':' : '\0');
		if (good)
			mac[i] = (uint8_t)strtoul(p, NULL, 16);
		any |= good ? mac[i] : 0;
	}
	if (!good || !any || (mac[0] & 1))
		return why_set(why, -EINVAL,
			       "'%.40s' is no interface's hardware address: "
			       "one is 02:00:5e:10:00:01",
			       s);
	memcpy(out, mac, sizeof(mac));
	return 0;
}

const char *ctvalue_print_mac(const uint8_t mac[6], char text[CTVALUE_MAC_TEXT])
{
	snprintf(text, CTVALUE_MAC_TEXT, "%02x:%02x:%02x:%02x:%02x:%02x",
		 mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
	return text;
}

/* ---- parts ------------------------------------------------------------------- */

int ctvalue_pair(const char *s, char *name, size_t size, const char **word)
{
	const char *colon = strrchr(s, ':');

	if (!colon || colon == s || (size_t)(colon - s) >= size)
		return -EINVAL;
	memcpy(name, s, (size_t)(colon - s));
	name[colon - s] = '\0';
	*word = colon + 1;
	return 0;
}

int ctvalue_next(const char **cursor, const char *ends, char *out, size_t size)
{
	const char *s = *cursor + strspn(*cursor, ends);
	size_t len = strcspn(s, ends);

	*cursor = s + len;
	if (len == 0)
		return 0;
	if (len >= size)
		return -ENAMETOOLONG;
	memcpy(out, s, len);
	out[len] = '\0';
	return 1;
}

void ctvalue_free_command(char **words)
{
	for (size_t i = 0; words && words[i]; i++)
		free(words[i]);
	free(words);
}

/* One word from *cursor on; -EINVAL: a quote has no end. */
static int take_word(const char **cursor, struct strbuf *b)
{
	const char *s = *cursor;
	char quote = '\0';

	for (; *s && (quote || !isblank((unsigned char)*s)); s++) {
		if (*s == quote) {
			quote = '\0';
		} else if (!quote && (*s == '"' || *s == '\'')) {
			quote = *s;
		} else {
			if (*s == '\\' && quote != '\'' && s[1])
				s++;
			strbuf_putc(b, *s);
		}
	}
	*cursor = s;
	return quote ? -EINVAL : strbuf_error(b);
}

static void free_wordsp(char ***words)
{
	ctvalue_free_command(*words);
}

/* Takes `word`. */
static int add_word(char ***words, size_t n, char *word)
{
	char **more = word ? reallocarray(*words, n + 2, sizeof(*more)) : NULL;

	if (!more) {
		free(word);
		return -ENOMEM;
	}
	more[n] = word;
	more[n + 1] = NULL;
	*words = more;
	return 0;
}

int ctvalue_command(const char *s, char ***out, struct why *why)
{
	_cleanup_(free_wordsp) char **words = NULL;
	size_t n = 0;
	int r = 0;

	for (s += strspn(s, " \t"); r == 0 && *s; s += strspn(s, " \t")) {
		_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

		r = take_word(&s, &b);
		if (r == 0)
			r = add_word(&words, n++, strbuf_take(&b));
	}
	if (r == -EINVAL)
		return why_set(why, r, "a quotation mark has no end");
	if (r < 0)
		return why_sys(why, r, "its words");
	if (!words || words[0][0] != '/')
		return why_set(why, -EINVAL,
			       "it is a command that begins with the absolute "
			       "path of a program");
	*out = TAKE_PTR(words);
	return 0;
}
