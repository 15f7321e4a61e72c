/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/xattrs.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fs/base/cleanup.h"
#include "fs/base/xattrio.h"

#define FAMILY_TRUSTED 0
#define FAMILY_USER 1

static const char *const families[] = {
	[FAMILY_TRUSTED] = "trusted.overlay.",
	[FAMILY_USER] = "user.overlay.",
};

#define ESCAPE "overlay."
#define RECORD_VERSION 1

/* The record as it is on disk, little endian. */
struct record_disk {
	uint8_t version;
	uint8_t flags;
	uint16_t zero;
	uint32_t link_delta;
	uint64_t ino;
} __attribute__((packed));

#define RECORD_METACOPY 1u
#define RECORD_INDEXED 2u

static int family = FAMILY_TRUSTED;

void xattrs_use_user(bool on)
{
	family = on ? FAMILY_USER : FAMILY_TRUSTED;
}

bool xattrs_uses_user(void)
{
	return family == FAMILY_USER;
}

static const char *full_of(int fam, const char *mark, char buf[XATTRS_NAME_MAX])
{
	snprintf(buf, XATTRS_NAME_MAX, "%s%s", families[fam], mark);
	return buf;
}

static const char *full(const char *mark, char buf[XATTRS_NAME_MAX])
{
	return full_of(family, mark, buf);
}

/* Our marks. */

ssize_t xattrs_private_get(int fd, const char *mark, void *buf, size_t size)
{
	char name[XATTRS_NAME_MAX];

	return xattrio_get(fd, full(mark, name), buf, size);
}

ssize_t xattrs_private_getat(int dirfd, const char *name, const char *mark,
			     void *buf, size_t size)
{
	char attr[XATTRS_NAME_MAX];

	return xattrio_getat(dirfd, name, full(mark, attr), buf, size);
}

int xattrs_private_set(int fd, const char *mark, const void *buf, size_t size)
{
	char name[XATTRS_NAME_MAX];

	return xattrio_set(fd, full(mark, name), buf, size, 0);
}

int xattrs_private_remove(int fd, const char *mark)
{
	char name[XATTRS_NAME_MAX];
	int r = xattrio_remove(fd, full(mark, name));

	return r == -ENODATA ? 0 : r;
}

/* A length or an error, as an answer to "is it there?". */
static int presence(ssize_t n)
{
	if (n >= 0)
		return 1;
	return n == -ENODATA || n == -EOPNOTSUPP ? 0 : (int)n;
}

int xattrs_private_has(int fd, const char *mark)
{
	return presence(xattrs_private_get(fd, mark, NULL, 0));
}

static const char *strip_family(const char *name)
{
	for (unsigned i = 0; i < ARRAY_SIZE(families); i++) {
		size_t n = strlen(families[i]);

		if (strncmp(name, families[i], n) == 0)
			return name + n;
	}
	return NULL;
}

/* Is the value of an opaque mark just this? 1, 0 or -errno. */
static int opaque_is(int fd, const char *name, char what)
{
	char v = 0;
	ssize_t n = xattrio_get(fd, name, &v, 1);

	if (n == -ERANGE)
		return 0;
	return n < 0 ? presence(n) : n == 1 && v == what;
}

static int marks_one(int fd, const char *name, const char *mark,
		     struct layer_marks *out)
{
	if (strcmp(mark, XATTRS_OPAQUE) == 0) {
		int r = opaque_is(fd, name, 'y');

		if (r < 0)
			return r;
		out->opaque = out->opaque || r;
	} else if (strcmp(mark, XATTRS_IMPURE) == 0) {
		out->impure = true;
	} else if (strcmp(mark, XATTRS_REDIRECT) == 0 && !out->redirect) {
		ssize_t n = xattrio_dup(fd, name, &out->redirect);

		if (n < 0 && n != -ENODATA)
			return (int)n;
		/* Leading who knows where: nowhere, then. */
		if (n >= 0 && !xattrs_redirect_ok(out->redirect)) {
			free(TAKE_PTR(out->redirect));
			out->opaque = true;
		}
	}
	return 0;
}

bool xattrs_redirect_ok(const char *redirect)
{
	if (redirect[0] == '/')
		return true;
	return redirect[0] && !strchr(redirect, '/') &&
	       strcmp(redirect, ".") != 0 && strcmp(redirect, "..") != 0;
}

int xattrs_marks_get(int fd, struct layer_marks *out)
{
	struct layer_marks m = { .opaque = false };
	_cleanup_free_ char *big = NULL;
	char small[512], *names = small;
	ssize_t n = xattrio_list(fd, small, sizeof(small));
	int r = 0;

	if (n == -ERANGE) {
		n = xattrio_dup(fd, NULL, &big);
		names = big;
	}
	if (n == -EOPNOTSUPP)
		n = 0;
	if (n < 0)
		return (int)n;
	for (const char *p = names; p < names + n && r == 0;
	     p += strlen(p) + 1) {
		const char *mark = strip_family(p);

		if (mark)
			r = marks_one(fd, p, mark, &m);
	}
	if (r < 0) {
		free(m.redirect);
		return r;
	}
	*out = m;
	return 0;
}

int xattrs_has_whiteouts(int fd)
{
	char name[XATTRS_NAME_MAX];

	return opaque_is(fd, full(XATTRS_OPAQUE, name), 'x');
}

int xattrs_is_marked(int fd)
{
	char name[XATTRS_NAME_MAX];
	int r = 0;

	for (int i = 0; i < (int)ARRAY_SIZE(families) && r == 0; i++)
		r = presence(xattrio_get(fd, full_of(i, XATTRS_FORMAT, name),
					 NULL, 0));
	return r;
}

/* Records. */

static int record_parse(const struct record_disk *d, ssize_t n,
			struct xattrs_record *out)
{
	if (n != (ssize_t)sizeof(*d) || d->version != RECORD_VERSION)
		return -EUCLEAN;
	out->ino = le64toh(d->ino);
	out->link_delta = (int32_t)le32toh(d->link_delta);
	out->metacopy = d->flags & RECORD_METACOPY;
	out->indexed = d->flags & RECORD_INDEXED;
	return 1;
}

int xattrs_record_getat(int dirfd, const char *name, struct xattrs_record *out)
{
	struct record_disk d;
	ssize_t n =
		xattrs_private_getat(dirfd, name, XATTRS_RECORD, &d, sizeof(d));

	if (n == -ENODATA) {
		n = xattrs_private_getat(dirfd, name, XATTRS_METACOPY, NULL, 0);
		if (n < 0)
			return n == -ENODATA || n == -EOPNOTSUPP ? 0 : (int)n;
		*out = (struct xattrs_record){ .metacopy = true };
		return 1;
	}
	if (n == -EOPNOTSUPP)
		return 0;
	if (n == -ERANGE)
		return -EUCLEAN;
	return n < 0 ? (int)n : record_parse(&d, n, out);
}

int xattrs_record_get(int fd, struct xattrs_record *out)
{
	struct record_disk d;
	ssize_t n = xattrs_private_get(fd, XATTRS_RECORD, &d, sizeof(d));

	if (n == -ENODATA || n == -EOPNOTSUPP)
		return 0;
	if (n == -ERANGE)
		return -EUCLEAN;
	return n < 0 ? (int)n : record_parse(&d, n, out);
}

int xattrs_record_set(int fd, const struct xattrs_record *rec)
{
	struct record_disk d = {
		.version = RECORD_VERSION,
		.flags = (uint8_t)((rec->metacopy ? RECORD_METACOPY : 0) |
				   (rec->indexed ? RECORD_INDEXED : 0)),
		.link_delta = htole32((uint32_t)rec->link_delta),
		.ino = htole64(rec->ino),
	};

	return xattrs_private_set(fd, XATTRS_RECORD, &d, sizeof(d));
}

/* The guest's names. */

const char *xattrs_to_disk(const char *guest, char buf[XATTRS_NAME_MAX])
{
	const char *rest = strip_family(guest);
	int head;

	if (!rest)
		return guest;
	head = (int)(rest - guest);
	if (snprintf(buf, XATTRS_NAME_MAX, "%.*s" ESCAPE "%s", head, guest,
		     rest) >= XATTRS_NAME_MAX)
		return NULL;
	return buf;
}

const char *xattrs_to_guest(const char *disk, char buf[XATTRS_NAME_MAX])
{
	const char *rest = strip_family(disk);

	if (!rest)
		return disk;
	if (strncmp(rest, ESCAPE, strlen(ESCAPE)) != 0)
		return NULL;
	snprintf(buf, XATTRS_NAME_MAX, "%.*s%s", (int)(rest - disk), disk,
		 rest + strlen(ESCAPE));
	return buf;
}

/* Who may do what with the file: never lost in silence. */
static bool is_vital(const char *name)
{
	return strncmp(name, "system.posix_acl_", 17) == 0 ||
	       strcmp(name, "security.capability") == 0;
}

/*
 * Is it no loss? What upper's filesystem does not know is for the lower's own
 * (btrfs.compression); other security is the host's.
 */
static bool may_fail(const char *name, int r)
{
	return !is_vital(name) &&
	       (r == -EOPNOTSUPP || strncmp(name, "security.", 9) == 0);
}

int xattrs_put(int to, const char *disk, const void *value, size_t size)
{
	int r = xattrio_set(to, disk, value, size, 0);

	return r < 0 && may_fail(disk, r) ? 0 : r;
}

static int copy_one(int from, int to, const char *name)
{
	_cleanup_free_ char *value = NULL;
	ssize_t n = xattrio_dup(from, name, &value);

	if (n < 0)
		return n == -ENODATA ? 0 : (int)n;
	return xattrs_put(to, name, value, (size_t)n);
}

int xattrs_copy(int from, int to)
{
	_cleanup_free_ char *names = NULL;
	ssize_t n = xattrio_dup(from, NULL, &names);
	char buf[XATTRS_NAME_MAX];

	if (n < 0)
		return n == -EOPNOTSUPP ? 0 : (int)n;
	for (const char *p = names; p < names + n; p += strlen(p) + 1) {
		int r = xattrs_to_guest(p, buf) ? copy_one(from, to, p) : 0;

		if (r < 0)
			return r;
	}
	return 0;
}

bool xattrs_is_bare(int fd)
{
	char names[256], mapped[XATTRS_NAME_MAX];
	ssize_t n = flistxattr(fd, names, sizeof(names));

	for (const char *p = names; n > 0 && p < names + n; p += strlen(p) + 1)
		if (xattrs_to_guest(p, mapped))
			return false;
	return n >= 0;
}
