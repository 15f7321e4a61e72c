/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_BASE_PRINTABLE_H
#define VEFS_FS_BASE_PRINTABLE_H

/*
 * printable - bytes from anywhere, shown to people. What a terminal would obey
 * comes as "?": the control characters below space, DEL, and those from U+0080
 * to U+009F, in UTF-8 and as bytes that are no UTF-8. All else stays as it is.
 */
#include <stddef.h>
#include <stdio.h>

/* How many bytes the UTF-8 character at `text` has, of `len`; 0: it is none. */
size_t printable_utf8(const char *text, size_t len);

/* Print them. */
void printable_put(FILE *out, const char *s, size_t len);

/* Change them in place; control characters of the string `keep` stay. */
void printable_mask(char *s, size_t len, const char *keep);

#endif
