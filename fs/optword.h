/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_OPTWORD_H
#define VEFS_FS_OPTWORD_H

/*
 * optword - the words of -o: what each of them means.
 *
 * Private to options: a state gathers what the words, one after the other,
 * add up to; options.c finishes and checks it as a whole. The state's owner
 * zeroes it, sets err and the defaults in `o`, and frees o and the strings.
 */
#include <stdbool.h>
#include <stddef.h>

#include "fs/base/cleanup.h"
#include "fs/options.h"

struct optword_state {
	struct options o;
	char *fsname, *source, *mountpoint; /* owned, NULL when not given */
	bool squash_root;

	int rc;	   /* 0 or the first error */
	char *err; /* errlen bytes for the first error's message */
	size_t errlen;
};

/*
 * How many bytes of S its first word has: up to the comma behind it, or all.
 * 0, or -EINVAL with the message set.
 */
int optword_span(struct optword_state *p, const char *s, size_t *len);

/*
 * Take the word of LEN bytes at TEXT, which a comma or a NUL follows. 0, or
 * -EINVAL or -ENOMEM with the message set and nothing else changed. An unknown
 * word is put into o.unknown; an empty one is nothing.
 */
int optword_take(struct optword_state *p, const char *text, size_t len);

/* Set the error and its message unless there is one; the state's first error. */
int optword_fail(struct optword_state *p, const char *fmt, ...) _printf_(2, 3);
int optword_no_memory(struct optword_state *p);

#endif
