/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "templates/catalogchange.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "fs/base/cleanup.h"
#include "fs/base/clock.h"
#include "fs/base/flockwait.h"
#include "templates/catalogpriv.h"
#include "templates/staging.h"

#define PAUSE_MS 20

static int check_unused(struct catalog *c, const struct catalog_id *id,
			const struct catalogchange_users *users,
			struct why *why)
{
	char one[CATALOG_NAME_MAX + 1] = "a container";
	_cleanup_close_ int fd = catalogpriv_version(c, id);
	int n;

	/* Who is to use it will be told that it is not there. */
	if (fd == -ENOENT)
		return 0;
	if (fd < 0)
		return why_sys(why, fd, "template %s:%s", id->name,
			       id->version);
	n = users && users->fn ? users->fn(users->ctx, id, one) : 0;
	if (n < 0)
		return why_sys(why, n, "looking for users of %s:%s", id->name,
			       id->version);
	if (n > 0)
		return why_set(why, -EBUSY,
			       "%s:%s is in use by %s%s: destroy what uses it "
			       "first",
			       id->name, id->version, one,
			       n > 1 ? " and others" : "");
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return why_set(why, -EWOULDBLOCK,
			       "%s:%s is in use (mounted, or being read): "
			       "unmount it first",
			       id->name, id->version);
	return 0;
}

/* Every version that `id` means. */
static int check_all_unused(struct catalog *c, const struct catalog_id *id,
			    const struct catalogchange_users *users,
			    struct why *why)
{
	_cleanup_free_ struct catalog_version *all = NULL;
	size_t n = 0;
	int r;

	if (id->version[0])
		return check_unused(c, id, users, why);
	r = catalog_list(c, &all, &n, why);
	for (size_t i = 0; i < n && r == 0; i++)
		if (strcmp(all[i].id.name, id->name) == 0)
			r = check_unused(c, &all[i].id, users, why);
	return r;
}

static int try_lock_unused(struct catalog *c, const struct catalog_id *id,
			   const struct catalogchange_users *users,
			   struct why *why)
{
	_cleanup_close_ int lock = catalog_lock(c, true, why);
	int r = lock < 0 ? lock : check_all_unused(c, id, users, why);

	return r < 0 ? r : TAKE_FD(lock);
}

/*
 * The store's lock, exclusive, with nobody who uses `id`: a descriptor. Who
 * just looks at a version, or was its mount and ends, is waited for; not under
 * the lock, and the version is never locked without it, or to hold one
 * (catalog_hold) could fail.
 */
static int lock_unused(struct catalog *c, const struct catalog_id *id,
		       const struct catalogchange_users *users, struct why *why)
{
	const struct timespec pause = { .tv_nsec = PAUSE_MS * (long)CLOCK_MS };
	const uint64_t until = clock_now() + FLOCKWAIT_ENDING * CLOCK_MS;

	for (;;) {
		int r = try_lock_unused(c, id, users, why);

		if (r != -EWOULDBLOCK)
			return r;
		if (clock_now() >= until)
			return -EBUSY;
		nanosleep(&pause, NULL);
	}
}

int catalogchange_remove(struct catalog *c, const struct catalog_id *id,
			 const struct catalogchange_users *users,
			 struct why *why)
{
	_cleanup_close_ int lock = lock_unused(c, id, users, why), name = -1;
	struct staging s = STAGING_NONE;
	int r;

	if (lock < 0)
		return lock;
	name = catalogpriv_name(c, id->name);
	r = name < 0 ? name : staging_bury(c, name, id->version, &s);
	if (r == 0)
		unlinkat(c->templates, id->name, AT_REMOVEDIR);
	else
		why_sys(why, r, "removing %s:%s", id->name, id->version);
	close(TAKE_FD(lock));
	staging_free(c, &s);
	return r;
}

static int rename_one(struct catalog *c, const struct catalog_id *from,
		      const struct catalog_id *to)
{
	_cleanup_close_ int a = -1, b = -1;
	int r = 0;

	if (mkdirat(c->templates, to->name, 0700) < 0 && errno != EEXIST)
		return -errno;
	a = catalogpriv_name(c, from->name);
	b = catalogpriv_name(c, to->name);
	if (a < 0 || b < 0)
		return a < 0 ? a : b;
	if (renameat2(a, from->version, b,
		      to->version[0] ? to->version : from->version,
		      RENAME_NOREPLACE) < 0)
		r = -errno;
	if (r == 0 && (fsync(b) < 0 || fsync(a) < 0))
		r = -errno;
	unlinkat(c->templates, r ? to->name : from->name, AT_REMOVEDIR);
	return r;
}

static int rename_all(struct catalog *c, const char *from, const char *to)
{
	/* an empty one is nobody's */
	unlinkat(c->templates, to, AT_REMOVEDIR);
	if (renameat2(c->templates, from, c->templates, to, RENAME_NOREPLACE) <
		    0 ||
	    fsync(c->templates) < 0)
		return -errno;
	return 0;
}

int catalogchange_rename(struct catalog *c, const struct catalog_id *from,
			 const struct catalog_id *to,
			 const struct catalogchange_users *users,
			 struct why *why)
{
	_cleanup_close_ int lock = -1;
	int r;

	if (!from->version[0] && to->version[0])
		return why_set(why, -EINVAL,
			       "which version of %s is to be %s:%s? Say "
			       "%s:VERSION",
			       from->name, to->name, to->version, from->name);
	lock = lock_unused(c, from, users, why);
	if (lock < 0)
		return lock;
	r = from->version[0] ? rename_one(c, from, to)
			     : rename_all(c, from->name, to->name);
	if (r == -EEXIST)
		return why_set(why, r, "%s%s%s is there already", to->name,
			       to->version[0] ? ":" : "", to->version);
	if (r == -ENOENT)
		return why_set(why, r, "there is no template %s%s%s in %s",
			       from->name, from->version[0] ? ":" : "",
			       from->version, c->root);
	return r < 0 ? why_sys(why, r, "renaming %s", from->name) : 0;
}
