/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/jsontext.h"

#include "fs/base/cleanup.h"
#include "fs/base/printable.h"
#include "fs/base/strbuf.h"

json_t *jsontext_new(const char *s, size_t len)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	for (size_t at = 0; at < len;) {
		size_t n = printable_utf8(s + at, len - at);

		if (n)
			strbuf_add(&b, s + at, n);
		else
			strbuf_puts(&b, "\xef\xbf\xbd");
		at += n ? n : 1;
	}
	return strbuf_error(&b) ? NULL : json_stringn(strbuf_get(&b), b.len);
}
