/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/base/printable.h"

#include <stdbool.h>
#include <string.h>

size_t printable_utf8(const char *text, size_t len)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t n = s[0] < 0x80			 ? 1
		   : s[0] >= 0xc2 && s[0] < 0xe0 ? 2
		   : s[0] >= 0xe0 && s[0] < 0xf0 ? 3
		   : s[0] >= 0xf0 && s[0] < 0xf5 ? 4
						 : 0;

	if (!n || n > len)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	/* too long, surrogates, beyond the end */
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

/* How many bytes at `s` are shown together; 0: the first one is not. */
static size_t shown(const char *s, size_t len)
{
	unsigned char c = (unsigned char)s[0];
	size_t n = printable_utf8(s, len);

	if (n == 2 && c == 0xc2 && (unsigned char)s[1] < 0xa0)
		return 0;
	if (n > 1)
		return n;
	return c >= ' ' && (c < 0x7f || c >= 0xa0);
}

void printable_put(FILE *out, const char *s, size_t len)
{
	size_t n;

	for (; len > 0; s += n, len -= n) {
		n = shown(s, len);
		if (n)
			fwrite(s, 1, n, out);
		else
			fputc('?', out);
		n += !n;
	}
}

void printable_mask(char *s, size_t len, const char *keep)
{
	size_t n;

	for (; len > 0; s += n, len -= n) {
		n = shown(s, len);
		if (!n && (!*s || !strchr(keep, *s)))
			*s = '?';
		n += !n;
	}
}
