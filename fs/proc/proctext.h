/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_PROC_PROCTEXT_H
#define VEFS_FS_PROC_PROCTEXT_H

/*
 * proctext - taking texts apart that kernels write: lines, words, numbers,
 * lists of processors. Nothing is allocated; a text that is cut short or
 * makes no sense gives less, never something else. Keys are compared whole:
 * "mapped" is not found in "mapped_file 4096".
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A piece of a text, not ended by NUL. */
struct proctext {
	const char *s;
	size_t len;
};

/* The next line, without its end, of the text at *cursor; false: no more. */
bool proctext_line(const char **cursor, struct proctext *line);

/* The next word of a line, which is cut off from it; blanks are around it. */
bool proctext_word(struct proctext *line, struct proctext *word);

/* Is it just this? */
bool proctext_is(const struct proctext *t, const char *s);

/* A number, all of the piece. "max" is UINT64_MAX; what is too large too. */
bool proctext_u64(const struct proctext *t, uint64_t *out);

/* The number behind a key, "key 12" or "key: 12 kB"; false: not there. */
bool proctext_key(const char *text, const char *key, uint64_t *out);

/* A text that is one number; `none` if it is not. */
uint64_t proctext_number(const char *text, uint64_t none);

/*
 * The processors of a list like "0-3,8" into out[], ascending as they are
 * given, at most `max`. How many; 0 for what is no such list.
 */
unsigned proctext_cpus(const char *text, uint32_t *out, unsigned max);

/* a - b, or 0. */
static inline uint64_t proctext_less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

static inline uint64_t proctext_min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* a * b / c, without overflow in between. `c` is not 0. */
static inline uint64_t proctext_scale(uint64_t a, uint64_t b, uint64_t c)
{
	unsigned __int128 v = (unsigned __int128)a * b / c;

	return v > UINT64_MAX ? UINT64_MAX : (uint64_t)v;
}

#endif
