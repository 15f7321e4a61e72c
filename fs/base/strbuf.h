/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_BASE_STRBUF_H
#define VEFS_FS_BASE_STRBUF_H

/*
 * strbuf - a string that grows.
 *
 * Starts as STRBUF_INIT (or all zeroes), usually on the stack with
 * _cleanup_strbuf_. May hold any bytes; a NUL always follows the last one.
 *
 * A call that fails changes nothing but the buffer's error, and the error
 * stays: later additions return it without doing anything, and strbuf_take()
 * gives nothing. So a long text may be written without looking at each call
 * and checked once at the end. strbuf_clear() forgets the error.
 *
 * Not locked: one thread at a time.
 */
#include <stdarg.h>
#include <stddef.h>

#include "fs/base/cleanup.h"

struct strbuf {
	char *s;    /* private: read it with strbuf_get() */
	size_t len; /* bytes in use, without the NUL; may be read */
	size_t cap; /* private: bytes that s has room for, with the NUL */
	int err;    /* private: read it with strbuf_error() */
};

#define STRBUF_INIT                                                            \
	{                                                                      \
		NULL, 0, 0, 0                                                  \
	}

/* No buffer grows beyond this many bytes: -ENOMEM instead. */
#define STRBUF_MAX ((size_t)1 << 30)

#define _cleanup_strbuf_ _cleanup_(strbuf_free)

/* Give the memory back; the buffer is as STRBUF_INIT afterwards. */
void strbuf_free(struct strbuf *b);

/* Empty it, forget its error, keep its memory. */
void strbuf_clear(struct strbuf *b);

/* Keep the first LEN bytes; nothing happens when it is no longer than that. */
void strbuf_truncate(struct strbuf *b, size_t len);

/*
 * Make room for N more bytes (and the NUL). After 0, additions of up to N
 * bytes cannot fail. -ENOMEM.
 */
int strbuf_reserve(struct strbuf *b, size_t n);

/*
 * Add LEN bytes of DATA; a string; a byte; text as by printf(3). DATA must
 * not lie in the buffer itself. Return 0 or -ENOMEM; strbuf_addf() and
 * strbuf_vaddf() also -EINVAL for a format that cannot be printed.
 */
int strbuf_add(struct strbuf *b, const void *data, size_t len);
int strbuf_puts(struct strbuf *b, const char *s);
int strbuf_putc(struct strbuf *b, char c);
int strbuf_addf(struct strbuf *b, const char *fmt, ...) _printf_(2, 3);
int strbuf_vaddf(struct strbuf *b, const char *fmt, va_list ap) _printf_(2, 0);

/* The first error of an addition since the start or strbuf_clear(), or 0. */
int strbuf_error(const struct strbuf *b);

/* The text, borrowed until the next change of the buffer; never NULL. */
const char *strbuf_get(const struct strbuf *b);

/*
 * Hand the text over: free(3) it. The buffer is as STRBUF_INIT afterwards.
 * NULL when an addition had failed, or with no memory for an empty text.
 */
char *strbuf_take(struct strbuf *b) _must_check_;

#endif
