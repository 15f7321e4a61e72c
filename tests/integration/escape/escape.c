/* SPDX-License-Identifier: GPL-2.0-or-later */
/* escape - the frame. */
#include "escape.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct escape_way *const tables[] = { escape_calls, escape_mounts,
						   escape_procs };

int escape_out(const char *what)
{
	printf("escaped: %s\n", what);
	return ESCAPED;
}

int escape_closed(const char *what)
{
	printf("closed: %s: %s\n", what, strerrorname_np(errno));
	return CLOSED;
}

int escape_absent(const char *what)
{
	printf("absent: %s: %s\n", what, strerrorname_np(errno));
	return ABSENT;
}

int escape_right(const char *what, long r)
{
	if (r < 0 && (errno == EPERM || errno == EACCES || errno == ENOSYS))
		return escape_closed(what);
	if (r < 0)
		printf("past the gate, then %s\n", strerrorname_np(errno));
	return escape_out(what);
}

int main(int argc, char **argv)
{
	for (size_t t = 0; argc > 1 && t < 3; t++)
		for (const struct escape_way *w = tables[t]; w->name; w++)
			if (!strcmp(w->name, argv[1]) && argc - 2 >= w->args)
				return w->run(argv + 2);
	fprintf(stderr, "escape: no such way, or its arguments are missing\n");
	return 3;
}
