/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/base/strbuf.h"

#include <stdio.h>
#include <string.h>

/*
 * Invariants: s is NULL exactly when cap is 0; otherwise len < cap and
 * s[len] is NUL. cap <= STRBUF_MAX + 1.
 */

#define FIRST_SIZE ((size_t)64)

static int fail(struct strbuf *b, int err)
{
	b->err = err;
	return err;
}

void strbuf_free(struct strbuf *b)
{
	int saved = errno;

	free(b->s);
	*b = (struct strbuf)STRBUF_INIT;
	errno = saved;
}

void strbuf_clear(struct strbuf *b)
{
	b->err = 0;
	strbuf_truncate(b, 0);
}

void strbuf_truncate(struct strbuf *b, size_t len)
{
	if (len >= b->len)
		return;
	b->len = len;
	b->s[len] = '\0';
}

int strbuf_reserve(struct strbuf *b, size_t n)
{
	size_t cap = b->cap ? b->cap : FIRST_SIZE;
	char *s;

	if (b->err)
		return b->err;
	if (n > STRBUF_MAX - b->len)
		return fail(b, -ENOMEM);
	if (b->cap > b->len + n)
		return 0;

	while (cap <= b->len + n)
		cap *= 2;
	if (cap > STRBUF_MAX + 1)
		cap = STRBUF_MAX + 1;
	s = realloc(b->s, cap);
	if (!s)
		return fail(b, -ENOMEM);
	s[b->len] = '\0';
	b->s = s;
	b->cap = cap;
	return 0;
}

int strbuf_add(struct strbuf *b, const void *data, size_t len)
{
	int rc = strbuf_reserve(b, len);

	if (rc)
		return rc;
	if (len)
		memcpy(b->s + b->len, data, len);
	b->len += len;
	b->s[b->len] = '\0';
	return 0;
}

int strbuf_puts(struct strbuf *b, const char *s)
{
	return strbuf_add(b, s, strlen(s));
}

int strbuf_putc(struct strbuf *b, char c)
{
	return strbuf_add(b, &c, 1);
}

int strbuf_vaddf(struct strbuf *b, const char *fmt, va_list ap)
{
	va_list again;
	size_t room;
	int need, rc;

	rc = strbuf_reserve(b, 0);
	if (rc)
		return rc;

	room = b->cap - b->len;
	va_copy(again, ap);
	need = vsnprintf(b->s + b->len, room, fmt, ap);
	if (need >= 0 && (size_t)need >= room) {
		b->s[b->len] = '\0';
		rc = strbuf_reserve(b, (size_t)need);
		if (!rc)
			vsnprintf(b->s + b->len, (size_t)need + 1, fmt, again);
	}
	va_end(again);
	if (rc)
		return rc;
	if (need < 0) {
		b->s[b->len] = '\0';
		return fail(b, -EINVAL);
	}
	b->len += (size_t)need;
	return 0;
}

int strbuf_addf(struct strbuf *b, const char *fmt, ...)
{
	va_list ap;
	int rc;

	va_start(ap, fmt);
	rc = strbuf_vaddf(b, fmt, ap);
	va_end(ap);
	return rc;
}

int strbuf_error(const struct strbuf *b)
{
	return b->err;
}

const char *strbuf_get(const struct strbuf *b)
{
	return b->s ? b->s : "";
}

char *strbuf_take(struct strbuf *b)
{
	char *s = NULL;

	if (!b->err && !strbuf_reserve(b, 0))
		s = TAKE_PTR(b->s);
	strbuf_free(b);
	return s;
}
