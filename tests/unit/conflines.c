/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/conflines.h"

#include <string.h>

#include "tests/unit/unit.h"
#include "tools/ctvalue.h"

struct conf *conflines_new(const char *text)
{
	struct conf *c = conf_new();
	char line[1024];
	char *equal;

	ck_assert_ptr_nonnull(c);
	while (ctvalue_next(&text, "\n", line, sizeof(line)) > 0) {
		equal = strchr(line, '=');
		ck_assert_ptr_nonnull(equal);
		*equal = '\0';
		ck_assert_int_eq(conf_set(c, line, equal + 1), 0);
	}
	return c;
}
