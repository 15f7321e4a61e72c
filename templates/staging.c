/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "templates/staging.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>

#include "fs/base/cleanup.h"
#include "fs/base/fdio.h"
#include "fs/base/parse.h"
#include "fs/base/rmtree.h"
#include "fs/base/smallfile.h"
#include "templates/catalogpriv.h"

/*
 * A staging directory is made and locked under the store's shared lock and
 * swept under the exclusive one, so a sweeper never sees one that is made and
 * not yet locked. The lock is the directory's own flock: it goes with its
 * owner, however that ends.
 *
 * The epoch is read after the directory is there, so that staging_new_epoch(),
 * which first raises the epoch and then looks at the directories, either sees
 * the directory or is seen by its owner. While one does not yet say its epoch
 * gc frees nothing.
 *
 * A version that is removed becomes one by a rename: on a full disk there is
 * room for no other.
 */
#define GONE "gone-"

static int read_epoch(int dir, uint64_t *epoch)
{
	char text[32];
	int r = smallfile_read(dir, "epoch", text, sizeof(text));

	if (r < 0)
		return r;
	return parse_u64(text, INT32_MAX, epoch) < 0 ? -EUCLEAN : 0;
}

/* Where there is no room for another file: it grows by a digit at most. */
static int overwrite_epoch(int dir, const char *text)
{
	_cleanup_close_ int fd = fdio_openat(dir, "epoch", O_WRONLY, 0);
	ssize_t n;

	if (fd < 0)
		return fd;
	n = fdio_pwrite_full(fd, text, strlen(text), 0);
	if (n < 0)
		return (int)n;
	return fsync(fd) < 0 ? -errno : 0;
}

/* gc is what makes room: it needs none. */
static int write_epoch(int dir, uint64_t epoch)
{
	char text[32];
	int r;

	snprintf(text, sizeof(text), "%llu\n", (unsigned long long)epoch);
	r = smallfile_write(dir, "epoch", text);
	return r == -ENOSPC || r == -EDQUOT ? overwrite_epoch(dir, text) : r;
}

/* Without a sync: it need not outlive us. */
static int tell_epoch(int dir, uint64_t epoch)
{
	_cleanup_close_ int fd = openat(
		dir, "epoch", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	char text[32];
	int n = snprintf(text, sizeof(text), "%llu\n",
			 (unsigned long long)epoch);

	if (fd < 0)
		return -errno;
	return fdio_pwrite_full(fd, text, (size_t)n, 0) == n ? 0 : -ENOSPC;
}

static int pick_name(struct staging *s, const char *what)
{
	unsigned number;

	if (getrandom(&number, sizeof(number), 0) != (ssize_t)sizeof(number))
		return -EIO;
	snprintf(s->name, sizeof(s->name), "%s%d-%08x", what, getpid(), number);
	return 0;
}

static int make_dir(struct catalog *c, struct staging *s)
{
	_cleanup_close_ int fd = -1;

	for (int tries = 0; tries < 100; tries++) {
		int r = pick_name(s, "");

		if (r < 0)
			return r;
		if (mkdirat(c->staging, s->name, 0700) == 0)
			break;
		if (errno != EEXIST)
			return -errno;
	}
	fd = fdio_openat(c->staging, s->name, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return fd;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return -errno;
	s->dir = TAKE_FD(fd);
	return 0;
}

int staging_new(struct catalog *c, struct staging *s, struct why *why)
{
	int lock = catalog_lock(c, false, why), r;

	*s = STAGING_NONE;
	if (lock < 0)
		return lock;
	r = make_dir(c, s);
	close(lock);
	if (r == 0)
		r = read_epoch(c->dir, &s->epoch);
	if (r == 0)
		r = tell_epoch(s->dir, s->epoch);
	if (r == 0 && mkdirat(s->dir, "out", 0700) < 0)
		r = -errno;
	if (r < 0) {
		staging_free(c, s);
		return why_sys(why, r, "a directory in %s/staging", c->root);
	}
	return 0;
}

int staging_bury(struct catalog *c, int dir, const char *name,
		 struct staging *s)
{
	_cleanup_close_ int fd =
		fdio_openat(dir, name, O_RDONLY | O_DIRECTORY, 0);
	int r;

	*s = STAGING_NONE;
	if (fd < 0)
		return fd;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return -errno;
	r = pick_name(s, GONE);
	if (r < 0)
		return r;
	if (renameat2(dir, name, c->staging, s->name, RENAME_NOREPLACE) < 0)
		return -errno;
	s->dir = TAKE_FD(fd);
	return fsync(dir) < 0 ? -errno : 0;
}

void staging_free(struct catalog *c, struct staging *s)
{
	if (s->dir < 0)
		return;
	/* what cannot be removed now is swept later: the lock goes */
	rmtree_at(c->staging, s->name);
	close(s->dir);
	s->dir = -1;
}

struct object_pool staging_pool(const struct catalog *c,
				const struct staging *s)
{
	return (struct object_pool){
		.dir = c->objects,
		.staging = s->dir,
		.epoch = s->epoch,
	};
}

/* ---- publishing ---------------------------------------------------------- */

/* Under the exclusive lock: the order of import, and a version's name. */
static int number(struct catalog *c, struct catalog_id *id, struct seal *seal,
		  struct why *why)
{
	_cleanup_free_ struct catalog_version *all = NULL;
	uint64_t highest = 0, own = 0, n;
	size_t count = 0;
	int r = catalog_list(c, &all, &count, why);

	if (r < 0)
		return r;
	for (size_t i = 0; i < count; i++) {
		if (!all[i].error && all[i].seal.serial > highest)
			highest = all[i].seal.serial;
		if (strcmp(all[i].id.name, id->name) != 0)
			continue;
		if (parse_u64(all[i].id.version, UINT32_MAX, &n) == 0 &&
		    n > own)
			own = n;
	}
	seal->serial = highest + 1;
	seal->created = (uint64_t)time(NULL);
	if (!id->version[0])
		snprintf(id->version, sizeof(id->version), "%llu",
			 (unsigned long long)own + 1);
	return 0;
}

static int put_in_place(struct catalog *c, const struct staging *s,
			const struct catalog_id *id, bool sync)
{
	_cleanup_close_ int dir = -1;

	if (mkdirat(c->templates, id->name, 0700) < 0 && errno != EEXIST)
		return -errno;
	dir = fdio_openat(c->templates, id->name, O_RDONLY | O_DIRECTORY, 0);
	if (dir < 0)
		return dir;
	if (renameat2(s->dir, "out", dir, id->version, RENAME_NOREPLACE) < 0)
		return errno == ENOTEMPTY ? -EEXIST : -errno;
	if (sync && (fsync(dir) < 0 || fsync(c->templates) < 0))
		return -errno;
	return 0;
}

int staging_publish(struct catalog *c, const struct staging *s,
		    struct catalog_id *id, struct seal *seal, bool sync,
		    struct why *why)
{
	_cleanup_close_ int lock = -1, out = -1;
	int r;

	/* one for all objects, the index, and names of both */
	if (sync && syncfs(c->objects) < 0)
		return why_sys(why, -errno, "writing to %s", c->root);
	out = fdio_openat(s->dir, "out", O_RDONLY | O_DIRECTORY, 0);
	if (out < 0)
		return why_sys(why, out, "%s/staging", c->root);
	lock = catalog_lock(c, true, why);
	if (lock < 0)
		return lock;
	r = number(c, id, seal, why);
	if (r == 0)
		r = seal_write(out, seal);
	if (r == 0 && sync && fsync(out) < 0)
		r = -errno;
	if (r == 0)
		r = put_in_place(c, s, id, sync);
	if (r == -EEXIST)
		return why_set(why, r,
			       "%s:%s is there already: take another version, "
			       "or remove it first",
			       id->name, id->version);
	return r < 0 ? why_sys(why, r, "publishing %s:%s", id->name,
			       id->version)
		     : 0;
}

/* ---- leftovers and generations ------------------------------------------- */

/* 1: its owner is dead, and `fd` holds its lock; 0: it lives. */
static int is_dead(int fd)
{
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return 1;
	return errno == EWOULDBLOCK ? 0 : -errno;
}

typedef int (*each_fn)(struct catalog *c, const char *name, int fd, void *ctx);

static int each(struct catalog *c, each_fn fn, void *ctx)
{
	_cleanup_closedir_ DIR *d = NULL;
	struct dirent *e;
	int fd = fdio_reopen(c->staging, O_RDONLY | O_DIRECTORY);
	int r = fdio_opendir(fd, &d);

	if (r < 0)
		return r;
	for (errno = 0; r >= 0 && (e = readdir(d)); errno = 0) {
		_cleanup_close_ int dir = -1;

		if (e->d_name[0] == '.')
			continue;
		dir = fdio_openat(c->staging, e->d_name, O_RDONLY, 0);
		if (dir < 0 && dir != -ENOENT)
			return dir;
		if (dir >= 0)
			r = fn(c, e->d_name, dir, ctx);
	}
	return r < 0 ? r : -errno;
}

static int sweep_one(struct catalog *c, const char *name, int fd, void *ctx)
{
	int *n = ctx, r = is_dead(fd);

	if (r <= 0)
		return r;
	r = rmtree_at(c->staging, name);
	if (r == 0)
		++*n;
	return r;
}

int staging_sweep(struct catalog *c, struct why *why)
{
	_cleanup_close_ int lock = catalog_lock(c, true, why);
	int n = 0, r;

	if (lock < 0)
		return lock;
	r = each(c, sweep_one, &n);
	return r < 0 ? why_sys(why, r, "sweeping %s/staging", c->root) : n;
}

static int lower(_unused_ struct catalog *c, const char *name, int fd,
		 void *ctx)
{
	uint64_t *floor = ctx, epoch;

	/* what was a version puts nothing in */
	if (!strncmp(name, GONE, strlen(GONE)))
		return 0;
	/* one that has not said yet may have read any */
	if (read_epoch(fd, &epoch) < 0)
		epoch = 0;
	if (epoch < *floor)
		*floor = epoch;
	return 0;
}

int staging_new_epoch(struct catalog *c, uint64_t *floor, struct why *why)
{
	uint64_t lowest = 0;
	int r = read_epoch(c->dir, &lowest);

	lowest++;
	if (r == 0)
		r = write_epoch(c->dir, lowest);
	if (r == 0)
		r = each(c, lower, &lowest);
	if (r < 0)
		return why_sys(why, r, "%s/epoch", c->root);
	*floor = lowest;
	return 0;
}
