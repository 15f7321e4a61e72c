/* SPDX-License-Identifier: GPL-2.0-or-later */

/* cmd.h: what commands print, apart from vefs.c so that tests have it. */
#include <stdio.h>

#include "fs/base/printable.h"
#include "tools/cmd.h"

const char *cmd_size(uint64_t bytes, char text[CMD_SIZE_MAX])
{
	static const char *const units[] = { "B",   "KiB", "MiB",
					     "GiB", "TiB", "PiB" };
	double v = (double)bytes;
	size_t unit = 0;

	while (v >= 1024 && unit + 1 < sizeof(units) / sizeof(units[0])) {
		v /= 1024;
		unit++;
	}
	snprintf(text, CMD_SIZE_MAX, unit && v < 100 ? "%.1f %s" : "%.0f %s", v,
		 units[unit]);
	return text;
}

void cmd_print_name(const char *s, size_t len)
{
	printable_put(stdout, s, len);
}
