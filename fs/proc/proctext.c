/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/proc/proctext.h"

#include <string.h>

bool proctext_line(const char **cursor, struct proctext *line)
{
	const char *end;

	if (!**cursor)
		return false;
	end = strchr(*cursor, '\n');
	line->s = *cursor;
	line->len = end ? (size_t)(end - *cursor) : strlen(*cursor);
	*cursor += line->len + (end ? 1 : 0);
	return true;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

bool proctext_word(struct proctext *line, struct proctext *word)
{
	while (line->len && is_blank(*line->s)) {
		line->s++;
		line->len--;
	}
	word->s = line->s;
	word->len = 0;
	while (word->len < line->len && !is_blank(line->s[word->len]))
		word->len++;
	line->s += word->len;
	line->len -= word->len;
	return word->len > 0;
}

bool proctext_is(const struct proctext *t, const char *s)
{
	return strlen(s) == t->len && !memcmp(t->s, s, t->len);
}

bool proctext_u64(const struct proctext *t, uint64_t *out)
{
	uint64_t v = 0;

	if (proctext_is(t, "max")) {
		*out = UINT64_MAX;
		return true;
	}
	for (size_t i = 0; i < t->len; i++) {
		unsigned digit = (unsigned)(t->s[i] - '0');

		if (digit > 9)
			return false;
		if (__builtin_mul_overflow(v, 10u, &v) ||
		    __builtin_add_overflow(v, digit, &v))
			v = UINT64_MAX;
		if (v == UINT64_MAX)
			break;
	}
	if (t->len == 0)
		return false;
	*out = v;
	return true;
}

bool proctext_key(const char *text, const char *key, uint64_t *out)
{
	struct proctext line, word;
	size_t len = strlen(key);

	while (proctext_line(&text, &line)) {
		if (!proctext_word(&line, &word) || word.len < len ||
		    memcmp(word.s, key, len) != 0)
			continue;
		if (word.len > len &&
		    !(word.len == len + 1 && word.s[len] == ':'))
			continue;
		return proctext_word(&line, &word) && proctext_u64(&word, out);
	}
	return false;
}

uint64_t proctext_number(const char *text, uint64_t none)
{
	struct proctext line, word, rest;
	uint64_t v;

	if (!proctext_line(&text, &line) || !proctext_word(&line, &word) ||
	    proctext_word(&line, &rest) || !proctext_u64(&word, &v))
		return none;
	return v;
}

/* "7" or "4-7", then a comma or the end; *s moves behind. */
static bool take_range(const char **s, uint32_t *from, uint32_t *to)
{
	struct proctext n = { *s, strspn(*s, "0123456789") };
	uint64_t a, b;

	if (!proctext_u64(&n, &a))
		return false;
	*s += n.len;
	b = a;
	if (**s == '-') {
		n.s = ++*s;
		n.len = strspn(*s, "0123456789");
		if (!proctext_u64(&n, &b))
			return false;
		*s += n.len;
	}
	if (**s == ',')
		++*s;
	else if (**s && **s != '\n')
		return false;
	if (b < a || b >= UINT32_MAX)
		return false;
	*from = (uint32_t)a;
	*to = (uint32_t)b;
	return true;
}

unsigned proctext_cpus(const char *text, uint32_t *out, unsigned max)
{
	uint32_t from, to;
	unsigned n = 0;

	while (*text && *text != '\n') {
		if (!take_range(&text, &from, &to))
			return 0;
		for (uint32_t cpu = from; cpu <= to && n < max; cpu++)
			out[n++] = cpu;
	}
	return n;
}
