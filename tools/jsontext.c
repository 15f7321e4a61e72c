/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/jsontext.h"

#include "fs/base/cleanup.h"
#include "fs/base/strbuf.h"

/* How many bytes the UTF-8 character at `s` has; 0: it is none. */
static size_t utf8_len(const unsigned char *s, size_t left)
{
	size_t n = s[0] < 0x80			 ? 1
		   : s[0] >= 0xc2 && s[0] < 0xe0 ? 2
		   : s[0] >= 0xe0 && s[0] < 0xf0 ? 3
		   : s[0] >= 0xf0 && s[0] < 0xf5 ? 4
						 : 0;

	if (!n || n > left)
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

json_t *jsontext_new(const char *s, size_t len)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	for (size_t at = 0; at < len;) {
		size_t n = utf8_len((const unsigned char *)s + at, len - at);

		if (n)
			strbuf_add(&b, s + at, n);
		else
			strbuf_puts(&b, "\xef\xbf\xbd");
		at += n ? n : 1;
	}
	return strbuf_error(&b) ? NULL : json_stringn(strbuf_get(&b), b.len);
}
