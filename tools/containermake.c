/* SPDX-License-Identifier: GPL-2.0-or-later */

/* Making a container, and removing it: see container.h. */
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "fs/base/cleanup.h"
#include "fs/base/fdio.h"
#include "fs/base/log.h"
#include "fs/base/parse.h"
#include "fs/base/rmtree.h"
#include "quota/hostquota.h"
#include "templates/index.h"
#include "tools/containerpriv.h"
#include "tools/ct/idrange.h"
#include "tools/ctname.h"

/*
 * A container is made aside and gets its name by one rename; it is destroyed
 * by a rename to a name that no container has, then removed. Names that begin
 * with a dot are such; one who makes a container has the folder locked, shared,
 * one who destroys it has its lock.
 */
#define NEW ".new-"
#define GONE ".gone-"

static int write_conf(const struct container *one,
		      const struct container_plan *plan)
{
	_cleanup_(conf_freep) struct conf *c = conf_new();
	int r = c ? 0 : -ENOMEM;

	for (unsigned i = 0; r == 0 && i < CONTAINERPRIV_KEYS; i++) {
		const struct containerpriv_key *k = &containerpriv_keys[i];
		const char *value = (const char *)one + k->at;

		if (value[0])
			r = conf_set(c, k->name, value);
	}
	if (r == 0 && plan->conf)
		r = conf_merge(c, plan->conf);
	return r < 0 ? r
		     : conf_create(c, one->dir, CONTAINER_CONF, !plan->passing);
}

static int copy_xattrs(const struct node *n, int fd)
{
	char name[NODE_XATTR_NAME_MAX + 1];
	struct node_xattr x;
	size_t pos = 0;
	int r;

	while ((r = node_xattr_next(n, &pos, &x)) > 0) {
		memcpy(name, x.name, x.name_len);
		name[x.name_len] = '\0';
		/* Marks of an overlay are no business of a root. */
		if (strncmp(name, "trusted.overlay.", 16) == 0)
			continue;
		if (fsetxattr(fd, name, x.value, x.value_len, 0) < 0 &&
		    errno != EOPNOTSUPP)
			return -errno;
	}
	return r;
}

/* Upper's directory is the container's root: it looks like the template's. */
static int make_upper(int dir, int version)
{
	_cleanup_close_ int fd = -1;
	struct index *x = NULL;
	struct timespec times[2];
	struct node n = { 0 };
	int r = index_open(version, 0, &x);

	if (r == 0)
		r = index_node(x, NODE_ROOT, &n);
	if (r == 0 && mkdirat(dir, "upper", 0700) < 0)
		r = -errno;
	if (r == 0)
		r = fd = fdio_openat(dir, "upper", O_RDONLY | O_DIRECTORY, 0);
	if (r >= 0)
		r = copy_xattrs(&n, fd);
	if (r == 0) {
		times[0] = n.atime;
		times[1] = n.mtime;
		if (fchown(fd, n.uid, n.gid) < 0 ||
		    fchmod(fd, n.mode & 07777) < 0 || futimens(fd, times) < 0)
			r = -errno;
	}
	index_free(x);
	return r < 0 ? r : 0;
}

/* Where upper and work come. */
static int make_data(struct container *one, enum container_enforce enforce,
		     struct why *why)
{
	char said[512] = "";
	int r = -EOPNOTSUPP;

	if (enforce != CONTAINER_DAEMON)
		r = hostquota_mkdir(one->dir, CONTAINER_DATA, said,
				    sizeof(said));
	if (r == -EOPNOTSUPP && enforce == CONTAINER_HOST)
		return why_set(why, r,
			       "--enforce host: the filesystem of the store "
			       "cannot keep a container's limit: %s; with "
			       "--enforce daemon vefs keeps it itself",
			       said);
	if (r < 0 && r != -EOPNOTSUPP)
		return why_set(why, r, "container %s: " CONTAINER_DATA ": %s",
			       one->id, said);
	if (enforce != CONTAINER_DAEMON)
		snprintf(one->enforce, sizeof(one->enforce), "%s",
			 r == 0 ? "host" : "daemon");
	return containerpriv_data(one, why);
}

/*
 * What keeps the template in its place. Nobody else knows that it is needed
 * until the container has its name and is seen by who removes or renames one.
 */
struct hold {
	int still, version;
};

static void let_go(struct hold *h)
{
	if (h->still >= 0)
		close(h->still);
	if (h->version >= 0)
		close(h->version);
}

static int fill(struct catalog *c, struct container *one,
		const struct container_plan *plan, struct hold *hold,
		struct why *why)
{
	struct catalog_version v;
	struct catalog_id id;
	int r = catalog_parse(plan->template, &id, why);

	if (r < 0)
		return r;
	r = hold->still = catalog_lock(c, false, why);
	if (r >= 0)
		r = catalog_find(c, &id, &v, why);
	if (r == 0)
		r = hold->version = catalog_hold(c, &v.id, why);
	if (r < 0)
		return r;
	snprintf(one->template, sizeof(one->template), "%s:%s", v.id.name,
		 v.id.version);
	r = make_data(one, plan->enforce, why);
	if (r < 0)
		return r;
	r = make_upper(one->data, hold->version);
	if (r == 0 && mkdirat(one->data, "work", 0700) < 0)
		r = -errno;
	if (r == 0)
		r = write_conf(one, plan);
	return r < 0 ? why_sys(why, r, "making container %s", one->id) : 0;
}

static int name_root(struct container *one, const char *store, const char *root,
		     struct why *why)
{
	char absolute[PATH_MAX];
	int n;

	if (!realpath(store, absolute))
		return why_sys(why, -errno, "%s", store);
	n = root ? snprintf(one->root, sizeof(one->root), "%s", root)
		 : snprintf(one->root, sizeof(one->root), "%.3900s/root/%s",
			    absolute, one->id);
	if (one->root[0] != '/' || n >= (int)sizeof(one->root) ||
	    strchr(one->root, '\n'))
		return why_set(why, -EINVAL,
			       "%s: the mount point must be an absolute path "
			       "without a newline",
			       one->root);
	return 0;
}

/* All of a directory in the folder, and what the host keeps for it. */
static int remove_folder(int folder, const char *name)
{
	_cleanup_close_ int fd =
		fdio_openat(folder, name, O_RDONLY | O_DIRECTORY, 0);
	int r = fd < 0 ? 0 : hostquota_release(fd, CONTAINER_DATA);

	return r < 0 ? r : rmtree_at(folder, name);
}

int container_lock_ids(struct catalog *c, bool shared, struct why *why)
{
	_cleanup_close_ int folder = containerpriv_folder(c, true, why);

	if (folder >= 0 && flock(folder, shared ? LOCK_SH : LOCK_EX) < 0)
		return why_sys(why, -errno, CONTAINERPRIV_FOLDER);
	return TAKE_FD(folder);
}

/*
 * Ids of the host, and names, are taken while the folder is locked, shared:
 * nobody gives some back that we count on. To give them back it is locked
 * alone, and it is seen that there is no such container.
 */
static int take_names(struct catalog *c, struct container *one,
		      const struct container_plan *plan, struct why *why)
{
	int store = catalog_dir(c), r = 0;
	uint32_t base;

	if (plan->userns)
		r = plan->passing
			    ? idrange_take_passing(store, one->id, &base, why)
			    : idrange_take(store, one->id, &base, why);
	if (r == 0 && plan->userns)
		snprintf(one->uidbase, sizeof(one->uidbase), "%" PRIu32, base);
	if (r == 0 && plan->name)
		r = ctname_take(store, plan->name, one->id, why);
	return r;
}

/* All ranges of one whose vefs.conf does not say which. */
static int release_ranges(int store, const char *id)
{
	_cleanup_closedir_ DIR *d = NULL;
	int dir = fdio_openat(store, "idranges", O_RDONLY | O_DIRECTORY, 0);
	int r = dir == -ENOENT ? 0 : fdio_opendir(dir, &d);
	struct dirent *de;
	uint32_t base;

	if (!d)
		return r;
	while (r == 0 && (errno = 0, de = readdir(d)))
		if (parse_u32(de->d_name, UINT32_MAX, &base) == 0) {
			r = idrange_release(store, id, base);
			r = r == -EPERM ? 0 : r;
		}
	return r;
}

/* With the folder locked alone; the container is gone, or never came. */
static int give_back(struct catalog *c, const struct container *one)
{
	int store = catalog_dir(c), r, n = 0;
	uint32_t base;

	if (parse_u32(one->uidbase, UINT32_MAX, &base) == 0)
		r = idrange_release(store, one->id, base);
	else
		r = release_ranges(store, one->id);
	/* what is another's is not ours to give back */
	if (r == -EPERM)
		r = 0;
	n = ctname_release(store, one->id, NULL);
	return r < 0 ? r : n;
}

/* `tmp` in the folder becomes the container. */
static int finish(int folder, const char *tmp, const char *id, bool sync,
		  struct why *why)
{
	if (renameat2(folder, tmp, folder, id, RENAME_NOREPLACE) == 0) {
		if (sync)
			fsync(folder);
		return 0;
	}
	return errno == EEXIST ? why_set(why, -EEXIST,
					 "container %s exists already", id)
			       : why_sys(why, -errno, "container %s", id);
}

static int make(struct catalog *c, int folder, struct container *one,
		const struct container_plan *plan, struct why *why)
{
	_cleanup_(let_go) struct hold hold = { .still = -1, .version = -1 };
	char tmp[32];
	int r;

	snprintf(tmp, sizeof(tmp), NEW "%d", getpid());
	remove_folder(folder, tmp);
	if (mkdirat(folder, tmp, 0700) < 0)
		return why_sys(why, -errno, CONTAINERPRIV_FOLDER "/%s", tmp);
	r = one->dir = fdio_openat(folder, tmp, O_RDONLY | O_DIRECTORY, 0);
	if (r >= 0)
		r = take_names(c, one, plan, why);
	if (r == 0)
		r = fill(c, one, plan, &hold, why);
	if (r == 0)
		r = finish(folder, tmp, one->id, !plan->passing, why);
	if (r < 0)
		remove_folder(folder, tmp);
	container_close(one);
	return r;
}

int container_create(struct catalog *c, const char *store,
		     const struct container_plan *plan, struct why *why)
{
	const char *id = plan->id;
	_cleanup_close_ int folder = -1;
	struct container one = CONTAINER_NONE;
	char other[CONTAINER_ID_MAX + 1];
	int r = container_check_id(id, why);

	if (r == 0)
		r = folder = container_lock_ids(c, !plan->name, why);
	if (r < 0)
		return r;
	if (fdio_exists(folder, id) > 0)
		return why_set(why, -EEXIST, "container %s exists already", id);
	if (ctname_find(catalog_dir(c), id, other) == 0 &&
	    fdio_exists(folder, other) > 0)
		return why_set(why, -EEXIST,
			       "%s is the name of container %s already", id,
			       other);
	snprintf(one.id, sizeof(one.id), "%s", id);
	r = name_root(&one, store, plan->root, why);
	if (r < 0)
		return r;
	r = make(c, folder, &one, plan, why);
	if (r < 0 && (plan->userns || plan->name) &&
	    flock(folder, LOCK_EX) == 0 && fdio_exists(folder, id) == 0)
		give_back(c, &one);
	return r;
}

static bool begins(const char *name, const char *with)
{
	return !strncmp(name, with, strlen(with));
}

/* With the folder locked alone: nobody makes one. */
static void unmake(int folder, const char *name)
{
	char to[NAME_MAX + 1];

	if (begins(name, NEW) &&
	    snprintf(to, sizeof(to), GONE "%s", name + 1) < (int)sizeof(to))
		renameat(folder, name, folder, to);
}

/* Its lock is free: who removed it was killed. */
static void remove_gone(int folder, const char *name)
{
	_cleanup_close_ int fd = -1;
	int r;

	if (!begins(name, GONE))
		return;
	fd = fdio_openat(folder, name, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
		return;
	r = remove_folder(folder, name);
	if (r < 0)
		log_warn(CONTAINERPRIV_FOLDER "/%s: %s", name, strerror(-r));
}

void container_sweep(struct catalog *c)
{
	static void (*const steps[])(int, const char *) = { unmake,
							    remove_gone };
	_cleanup_close_ int folder = container_lock_ids(c, false, NULL);
	_cleanup_closedir_ DIR *d = NULL;
	struct dirent *e;

	if (folder < 0 ||
	    fdio_opendir(fdio_reopen(folder, O_RDONLY | O_DIRECTORY), &d) < 0)
		return;
	for (unsigned i = 0; i < ARRAY_SIZE(steps); i++) {
		while ((e = readdir(d)))
			steps[i](folder, e->d_name);
		rewinddir(d);
		flock(folder, LOCK_UN);
	}
}

int container_destroy(struct catalog *c, struct container *one, struct why *why)
{
	_cleanup_close_ int folder = container_lock_ids(c, false, why);
	int r = folder, back = 0;
	char tmp[32];

	snprintf(tmp, sizeof(tmp), GONE "%d", getpid());
	if (r >= 0)
		r = remove_folder(folder, tmp);
	if (r == 0 && renameat(folder, one->id, folder, tmp) < 0)
		r = -errno;
	if (r == 0) {
		back = give_back(c, one);
		flock(folder, LOCK_UN);
		r = remove_folder(folder, tmp);
	}
	if (r == 0)
		r = back;
	if (r < 0)
		return why_sys(why, r, "destroying container %s", one->id);
	/* Its mount point, where nothing else is in it. */
	if (one->root[0])
		rmdir(one->root);
	return 0;
}
