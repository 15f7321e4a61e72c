/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "quota/hostquota.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "fs/base/cleanup.h"
#include "fs/base/fdio.h"
#include "quota/hostproject.h"
#include "quota/hostsubvol.h"

const char *const hostquota_kinds[] = {
	[HOSTQUOTA_PROJECT] = "project",
	[HOSTQUOTA_SUBVOLUME] = "subvolume",
};

struct hostquota {
	enum hostquota_kind kind;
	int fd;	     /* borrowed */
	uint64_t id; /* of the project or subvolume */
};

/* Which kind a filesystem may have, or -EOPNOTSUPP. */
static int kind_of(int fd, char *why, size_t len)
{
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0) {
		int r = -errno;

		snprintf(why, len, "%s", strerror(-r));
		return r;
	}
	switch ((unsigned long)fs.f_type) {
	case XFS_SUPER_MAGIC:
	case EXT4_SUPER_MAGIC:
		return HOSTQUOTA_PROJECT;
	case BTRFS_SUPER_MAGIC:
		return HOSTQUOTA_SUBVOLUME;
	default:
		snprintf(why, len,
			 "it is neither XFS, ext4 nor btrfs (type %lx)",
			 (unsigned long)fs.f_type);
		return -EOPNOTSUPP;
	}
}

int hostquota_probe(int dirfd, char *why, size_t len)
{
	int kind = kind_of(dirfd, why, len), r = kind;

	if (kind == HOSTQUOTA_PROJECT)
		r = hostproject_probe(dirfd, why, len);
	else if (kind == HOSTQUOTA_SUBVOLUME)
		r = hostsubvol_probe(dirfd, why, len);
	return r < 0 ? r : kind;
}

/* Making and removing. */

static int make_project(int dirfd, const char *name, char *why, size_t len)
{
	_cleanup_close_ int fd = -1;
	int r;

	if (mkdirat(dirfd, name, 0700) < 0) {
		r = -errno;
		snprintf(why, len, "%s: %s", name, strerror(-r));
		return r;
	}
	r = fd = fdio_openat(dirfd, name, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		snprintf(why, len, "%s: %s", name, strerror(-r));
	else
		r = hostproject_give(fd, why, len);
	if (r < 0)
		unlinkat(dirfd, name, AT_REMOVEDIR);
	return r < 0 ? r : 0;
}

static int make_subvolume(int dirfd, const char *name, char *why, size_t len)
{
	int r = hostsubvol_create(dirfd, name);

	if (r < 0) {
		snprintf(why, len, "making a subvolume: %s", strerror(-r));
		return r;
	}
	if (fchmodat(dirfd, name, 0700, 0) == 0)
		return 0;
	r = -errno;
	snprintf(why, len, "%s: %s", name, strerror(-r));
	hostsubvol_destroy(dirfd, name);
	return r;
}

int hostquota_mkdir(int dirfd, const char *name, char *why, size_t len)
{
	int kind = hostquota_probe(dirfd, why, len);

	if (kind < 0)
		return kind;
	return kind == HOSTQUOTA_PROJECT
		       ? make_project(dirfd, name, why, len)
		       : make_subvolume(dirfd, name, why, len);
}

int hostquota_release(int dirfd, const char *name)
{
	_cleanup_close_ int fd =
		fdio_openat(dirfd, name, O_RDONLY | O_DIRECTORY, 0);
	char unused[8];
	uint64_t id = 0;
	uint32_t project = 0;
	bool root = false;
	int kind = fd < 0 ? fd : kind_of(fd, unused, sizeof(unused)), r = 0;

	switch (kind) {
	case HOSTQUOTA_PROJECT:
		r = hostproject_of(fd, &project);
		if (r < 0 || project < HOSTPROJECT_FIRST ||
		    project > HOSTPROJECT_LAST)
			return 0;
		r = hostproject_set(fd, project, 0);
		return r == -ESRCH || r == -ENOSYS ? 0 : r;
	case HOSTQUOTA_SUBVOLUME:
		r = hostsubvol_of(fd, &id, &root);
		return r == 0 && root ? hostsubvol_destroy(dirfd, name) : r;
	default:
		return kind == -EOPNOTSUPP || kind == -ENOENT ? 0 : kind;
	}
}

/* Using. */

static int unlike(const char *said, char *why, size_t len)
{
	snprintf(why, len, "%s", said);
	return -EOPNOTSUPP;
}

static int find_project(struct hostquota *q, const struct hostquota_place *at,
			char *why, size_t len)
{
	uint32_t upper = 0, work = 0;
	int r = hostproject_of(at->upper, &upper);

	if (r == 0)
		r = hostproject_of(at->work, &work);
	if (r < 0) {
		snprintf(why, len, "its project: %s", strerror(-r));
		return r;
	}
	if (!upper || upper != work)
		return unlike("upper and work do not have one project, which "
			      "what is made in them inherits",
			      why, len);
	q->id = upper;
	q->fd = at->upper;
	return 0;
}

/* The subvolume that a directory lies at the top of. */
static int top_of(int fd, uint64_t *id)
{
	_cleanup_close_ int up =
		openat(fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bool root = false;
	int r = up < 0 ? -errno : hostsubvol_of(up, id, &root);

	if (r == 0 && !root)
		*id = 0;
	return r;
}

static int find_subvolume(struct hostquota *q, const struct hostquota_place *at,
			  char *why, size_t len)
{
	uint64_t upper = 0, work = 0, other = 0;
	bool unused;
	int r = top_of(at->upper, &upper);

	if (r == 0)
		r = top_of(at->work, &work);
	if (r < 0) {
		snprintf(why, len, "its subvolume: %s", strerror(-r));
		return r;
	}
	if (upper != work || !hostsubvol_is_own(upper))
		return unlike("upper and work are not at the top of a "
			      "subvolume of their own",
			      why, len);
	if (hostsubvol_of(at->outside, &other, &unused) < 0 || other == upper ||
	    !hostsubvol_same_fs(at->outside, at->upper))
		return unlike("the quota's file must lie on the same "
			      "filesystem, outside of the subvolume",
			      why, len);
	q->id = upper;
	q->fd = at->outside;
	return 0;
}

int hostquota_open(struct hostquota **out, const struct hostquota_place *at,
		   char *why, size_t len)
{
	struct hostquota *q;
	int kind = hostquota_probe(at->upper, why, len), r;

	if (kind < 0)
		return kind;
	q = calloc(1, sizeof(*q));
	if (!q)
		return -ENOMEM;
	q->kind = (enum hostquota_kind)kind;
	r = kind == HOSTQUOTA_PROJECT ? find_project(q, at, why, len)
				      : find_subvolume(q, at, why, len);
	if (r < 0) {
		free(q);
		return r;
	}
	*out = q;
	return 0;
}

void hostquota_free(struct hostquota *q)
{
	free(q);
}

enum hostquota_kind hostquota_kind(const struct hostquota *q)
{
	return q->kind;
}

bool hostquota_has(const struct hostquota *q, int fd)
{
	uint64_t id = 0;
	uint32_t project = 0;
	bool unused;

	if (q->kind == HOSTQUOTA_PROJECT)
		return hostproject_of(fd, &project) == 0 && project == q->id;
	return hostsubvol_of(fd, &id, &unused) == 0 && id == q->id;
}

int hostquota_set(const struct hostquota *q, uint64_t limit)
{
	if (q->kind == HOSTQUOTA_PROJECT)
		return hostproject_set(q->fd, (uint32_t)q->id, limit);
	return hostsubvol_set(q->fd, q->id, limit);
}

int hostquota_get(const struct hostquota *q, uint64_t *limit, uint64_t *used)
{
	*limit = *used = 0;
	if (q->kind == HOSTQUOTA_PROJECT)
		return hostproject_get(q->fd, (uint32_t)q->id, limit, used);
	return hostsubvol_get(q->fd, q->id, limit, used);
}
