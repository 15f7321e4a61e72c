/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/optvalue.h"

#include <string.h>

#include "fs/base/cleanup.h"
#include "fs/base/parse.h"
#include "fs/base/strbuf.h"

void optvalue_free_list(char **v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(v[i]);
	free(v);
}

int optvalue_unescape(const char *s, size_t len, char **out)
{
	char *to, *copy = malloc(len + 1);

	if (!copy)
		return -ENOMEM;
	to = copy;
	for (size_t i = 0; i < len; i++) {
		if (s[i] == '\\' && i + 1 < len)
			i++;
		*to++ = s[i];
	}
	*to = '\0';
	*out = copy;
	return 0;
}

size_t optvalue_span(const char *s, char stop)
{
	size_t i;

	for (i = 0; s[i] && s[i] != stop; i++)
		if (s[i] == '\\' && s[i + 1])
			i++;
	return i;
}

int optvalue_dirs(const char *s, char ***dirs, size_t *n)
{
	size_t used = 0, room = 1, len;
	char **v;
	int rc = 0;

	for (const char *c = s; *c; c++)
		room += *c == ':';
	v = calloc(room, sizeof(*v));
	if (!v)
		return -ENOMEM;

	for (;; s += len + 1) {
		len = optvalue_span(s, ':');
		rc = len ? optvalue_unescape(s, len, &v[used]) : -EINVAL;
		if (rc)
			break;
		used++;
		if (!s[len])
			break;
	}
	if (rc) {
		optvalue_free_list(v, used);
		return rc;
	}
	*dirs = v;
	*n = used;
	return 0;
}

/* One number of a mapping, and the colon behind it unless it ends there. */
static int id_field(const char **cursor, uint32_t *out)
{
	const char *s = *cursor;
	uint64_t n;
	int rc = parse_u64_at(&s, UINT32_MAX, &n);

	if (rc)
		return rc;
	if (*s == ':' && s[1])
		s++;
	else if (*s)
		return -EINVAL;
	*cursor = s;
	*out = (uint32_t)n;
	return 0;
}

static int id_run(const char **cursor, struct options_idrun *run,
		  const char **why)
{
	uint32_t *const field[] = { &run->disk, &run->shown, &run->count };

	for (size_t i = 0; i < ARRAY_SIZE(field); i++) {
		int rc = id_field(cursor, field[i]);

		if (rc == -ERANGE)
			*why = "a number is beyond 4294967295";
		else if (rc)
			*why = "it takes numbers in threes, DISK:SHOWN:COUNT";
		if (rc)
			return -EINVAL;
	}
	if (!run->count)
		*why = "a count is 0";
	else if (run->disk > UINT32_MAX - run->count ||
		 run->shown > UINT32_MAX - run->count)
		*why = "a run goes beyond the last id, 4294967294";
	else
		return 0;
	return -EINVAL;
}

static bool overlap(uint32_t a, uint32_t n_a, uint32_t b, uint32_t n_b)
{
	return a < b ? b - a < n_a : a - b < n_b;
}

static int check_overlap(const struct options_idrun *runs, size_t n,
			 const char **why)
{
	const struct options_idrun *last = &runs[n];

	for (size_t i = 0; i < n; i++) {
		const struct options_idrun *r = &runs[i];

		if (overlap(r->disk, r->count, last->disk, last->count))
			*why = "two runs share ids on disk";
		else if (overlap(r->shown, r->count, last->shown, last->count))
			*why = "two runs show as the same ids";
		else
			continue;
		return -EINVAL;
	}
	return 0;
}

int optvalue_idmap(const char *s, struct options_idmap *map, const char **why)
{
	_cleanup_free_ struct options_idrun *runs =
		calloc(OPTIONS_IDRUNS_MAX, sizeof(*runs));
	struct options_idrun *fit;
	size_t n = 0;

	if (!runs)
		return -ENOMEM;
	s += strspn(s, ":");
	do {
		if (n == OPTIONS_IDRUNS_MAX) {
			*why = "more than 340 runs";
			return -EINVAL;
		}
		if (id_run(&s, &runs[n], why) || check_overlap(runs, n, why))
			return -EINVAL;
		n++;
	} while (*s);

	fit = realloc(runs, n * sizeof(*runs));
	if (!fit)
		return -ENOMEM;
	runs = NULL;
	map->runs = fit;
	map->n = n;
	return 0;
}

/* Add one tree, LEN bytes at S, with single slashes and none at its end. */
static int add_tree(struct strbuf *b, const char *s, size_t len,
		    const char **why)
{
	const char *end = s + len;
	size_t start = b->len;

	*why = "a program tree is an absolute path as seen inside the mount";
	if (!len || *s != '/')
		return -EINVAL;
	while (s < end) {
		size_t part;

		s += strspn(s, "/");
		part = strcspn(s, "/:");
		if (!part)
			break;
		if ((part == 1 && s[0] == '.') ||
		    (part == 2 && s[0] == '.' && s[1] == '.')) {
			*why = "a program tree has no \".\" or \"..\" in it";
			return -EINVAL;
		}
		strbuf_putc(b, '/');
		strbuf_add(b, s, part);
		s += part;
	}
	if (b->len == start)
		strbuf_putc(b, '/');
	return strbuf_error(b);
}

int optvalue_trees(const char *s, char **out, const char **why)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	char *text;
	int rc;

	if (strchr(s, '\\')) {
		*why = "a program tree has no backslash in it";
		return -EINVAL;
	}
	if (!strcmp(s, "none"))
		s = "";
	while (*s) {
		size_t len = strcspn(s, ":");

		rc = b.len ? strbuf_putc(&b, ':') : 0;
		if (!rc)
			rc = add_tree(&b, s, len, why);
		if (rc)
			return rc;
		s += len;
		if (*s == ':' && !s[1]) {
			*why = "a ':' too many";
			return -EINVAL;
		}
		s += *s == ':';
	}
	text = strbuf_take(&b);
	if (!text)
		return -ENOMEM;
	*out = text;
	return 0;
}
