/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/override.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "fs/base/xattrio.h"

#define VALUE_MAX 64

/* A number in `base` up to ':' or the end; the rest, or NULL. */
static const char *number(const char *p, int base, unsigned long max,
			  unsigned long *out)
{
	char *end;

	if (*p < '0' || *p > '9')
		return NULL;
	errno = 0;
	*out = strtoul(p, &end, base);
	if (errno || *out > max || (*end && *end != ':'))
		return NULL;
	return *end ? end + 1 : end;
}

static int parse(const char *text, struct stat *st)
{
	unsigned long uid, gid, mode;
	const char *p = number(text, 10, UINT_MAX - 1ul, &uid);

	p = p ? number(p, 10, UINT_MAX - 1ul, &gid) : NULL;
	p = p ? number(p, 8, 0177777, &mode) : NULL;
	if (!p)
		return -EINVAL;
	st->st_uid = (uid_t)uid;
	st->st_gid = (gid_t)gid;
	st->st_mode = (st->st_mode & S_IFMT) | (mode & 07777);
	return 0;
}

int override_read(int fd, struct stat *st)
{
	char text[VALUE_MAX + 1];
	ssize_t n;

	if (!S_ISREG(st->st_mode) && !S_ISDIR(st->st_mode))
		return 0;
	n = xattrio_get(fd, OVERRIDE_XATTR, text, VALUE_MAX);
	if (n == -ENODATA || n == -EOPNOTSUPP)
		return 0;
	if (n < 0)
		return n == -ERANGE ? -EINVAL : (int)n;
	text[n] = '\0';
	return parse(text, st);
}

int override_write(int fd, const struct stat *st)
{
	char text[VALUE_MAX];
	int n;

	if (!S_ISREG(st->st_mode) && !S_ISDIR(st->st_mode))
		return 0;
	n = snprintf(text, sizeof(text), "%u:%u:0%o", st->st_uid, st->st_gid,
		     st->st_mode);
	return xattrio_set(fd, OVERRIDE_XATTR, text, (size_t)n, 0);
}
