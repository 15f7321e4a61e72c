/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/container.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "fs/base/cleanup.h"
#include "fs/base/fdio.h"
#include "fs/base/flockwait.h"
#include "fs/base/log.h"
#include "fs/base/parse.h"
#include "quota/hostquota.h"
#include "tools/containerpriv.h"
#include "tools/ctname.h"

#define CONF CONTAINER_CONF
#define ID_FIRST 101u
#define ID_LAST (UINT32_MAX - 1)

const struct containerpriv_key containerpriv_keys[CONTAINERPRIV_KEYS] = {
	{ "OSTEMPLATE", offsetof(struct container, template),
	  sizeof(((struct container *)0)->template) },
	{ "VE_ROOT", offsetof(struct container, root),
	  sizeof(((struct container *)0)->root) },
	{ "ENFORCE", offsetof(struct container, enforce),
	  sizeof(((struct container *)0)->enforce) },
	{ "UIDBASE", offsetof(struct container, uidbase),
	  sizeof(((struct container *)0)->uidbase) },
	{ "NAME", offsetof(struct container, name),
	  sizeof(((struct container *)0)->name) },
};

int container_check_id(const char *id, struct why *why)
{
	uint32_t n;

	if (isdigit((unsigned char)id[0])) {
		/* 0101 would be another directory than 101 */
		if (id[0] != '0' && parse_u32(id, ID_LAST, &n) == 0 &&
		    n >= ID_FIRST)
			return 0;
		return why_set(why, -EINVAL,
			       "'%s': a container's number is between %u and "
			       "%u, without zeros in front",
			       id, ID_FIRST, ID_LAST);
	}
	if (!isalpha((unsigned char)id[0]) || strlen(id) > CONTAINER_ID_MAX ||
	    strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		       "0123456789._-") != strlen(id))
		return why_set(why, -EINVAL,
			       "'%s': a container has a number or a name of "
			       "letters, digits, '.', '_', '-'",
			       id);
	return 0;
}

int containerpriv_folder(struct catalog *c, bool create, struct why *why)
{
	int store = catalog_dir(c), fd;

	if (create && mkdirat(store, CONTAINERPRIV_FOLDER, 0700) < 0 &&
	    errno != EEXIST)
		return why_sys(why, -errno, CONTAINERPRIV_FOLDER);
	fd = fdio_openat(store, CONTAINERPRIV_FOLDER, O_RDONLY | O_DIRECTORY,
			 0);
	if (fd < 0 && fd != -ENOENT)
		why_sys(why, fd, CONTAINERPRIV_FOLDER);
	return fd;
}

/* vefs.conf. */

static int read_conf(struct container *one, struct why *why)
{
	_cleanup_(conf_freep) struct conf *c = NULL;
	int r = conf_read(one->dir, CONF, &c);

	if (r < 0 && r != -ENOENT && r != -EUCLEAN)
		return why_sys(why, r, "container %s: " CONF, one->id);
	for (unsigned i = 0; c && i < CONTAINERPRIV_KEYS; i++) {
		const struct containerpriv_key *k = &containerpriv_keys[i];

		conf_get(c, k->name, (char *)one + k->at, k->size);
	}
	if (one->template[0] && one->root[0] == '/')
		return 0;
	one->template[0] = one->root[0] = '\0';
	return why_set(why, -EUCLEAN,
		       "container %s: its " CONF " does not say OSTEMPLATE and "
		       "VE_ROOT: mend it, or 'vefs destroy %s'",
		       one->id, one->id);
}

/* Upper's and work's directory. */
int containerpriv_data(struct container *one, struct why *why)
{
	int fd = fdio_openat(one->dir, CONTAINER_DATA, O_RDONLY | O_DIRECTORY,
			     0);

	one->has_data = fd >= 0;
	if (fd == -ENOENT)
		fd = fdio_openat(one->dir, ".", O_RDONLY | O_DIRECTORY, 0);
	one->data = fd;
	return fd < 0 ? why_sys(why, fd, "container %s: " CONTAINER_DATA,
				one->id)
		      : 0;
}

/* Using. */

int container_open(struct catalog *c, const char *id, bool lock,
		   struct container *out, struct why *why)
{
	_cleanup_close_ int folder = -1;
	int r = container_check_id(id, why);

	*out = CONTAINER_NONE;
	snprintf(out->id, sizeof(out->id), "%s", id);
	if (r == 0)
		r = folder = containerpriv_folder(c, false, why);
	if (r >= 0)
		r = out->dir =
			fdio_openat(folder, id, O_RDONLY | O_DIRECTORY, 0);
	if (r == -ENOENT && ctname_find(catalog_dir(c), id, out->id) == 0)
		r = out->dir =
			fdio_openat(folder, out->id, O_RDONLY | O_DIRECTORY, 0);
	if (r == -ENOENT)
		return why_set(why, r,
			       "there is no container %s: 'vefs list -a' shows "
			       "which there are",
			       id);
	if (r < 0)
		return why_sys(why, r, "container %s", id);
	if (lock) {
		out->lock = fcntl(out->dir, F_DUPFD_CLOEXEC, 0);
		if (out->lock < 0 || flock(out->lock, LOCK_EX | LOCK_NB) < 0)
			return why_set(why, -EBUSY,
				       "container %s is locked: another "
				       "command works on it",
				       id);
	}
	r = containerpriv_data(out, why);
	return r < 0 ? r : read_conf(out, why);
}

void container_unlock(struct container *c)
{
	if (c->lock < 0)
		return;
	/* `dir` has the same lock: closing one of them is not enough */
	flock(c->lock, LOCK_UN);
	close(c->lock);
	c->lock = -1;
}

void container_close(struct container *c)
{
	if (c->data >= 0)
		close(c->data);
	if (c->lock >= 0)
		close(c->lock);
	if (c->dir >= 0)
		close(c->dir);
	c->dir = c->data = c->lock = -1;
}

/* Is there a mount by its name: on that device, or (NULL) on any? */
static bool is_in_mountinfo(const char *id, const struct statx *sx)
{
	_cleanup_free_ char *line = NULL;
	char want[CONTAINER_ID_MAX + 16];
	FILE *f = fopen("/proc/self/mountinfo", "re");
	bool found = false;
	size_t room = 0;

	/* What cannot be told is not destroyed. */
	if (!f)
		return true;
	snprintf(want, sizeof(want), " vefs:%s ", id);
	while (!found && getline(&line, &room, f) > 0) {
		const char *type = strstr(line, " - ");
		const char *source = type ? strchr(type + 3, ' ') : NULL;
		unsigned major, minor;

		if (!source || strncmp(type + 3, "fuse", 4) != 0 ||
		    strncmp(source, want, strlen(want)) != 0)
			continue;
		found = !sx ||
			(sscanf(line, "%*d %*d %u:%u", &major, &minor) == 2 &&
			 major == sx->stx_dev_major &&
			 minor == sx->stx_dev_minor);
	}
	fclose(f);
	return found;
}

bool container_is_mounted(const struct container *c)
{
	struct statx sx;

	if (!c->root[0])
		return is_in_mountinfo(c->id, NULL);
	/* Nothing is asked of a daemon that may hang. */
	if (statx(AT_FDCWD, c->root, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, 0,
		  &sx) < 0)
		return errno == ENOTCONN && is_in_mountinfo(c->id, NULL);
	return (sx.stx_attributes & STATX_ATTR_MOUNT_ROOT) &&
	       is_in_mountinfo(c->id, &sx);
}

int container_idle(const struct container *c, unsigned ms, int *fd,
		   struct why *why)
{
	_cleanup_close_ int work =
		fdio_openat(c->data, "work", O_RDONLY | O_DIRECTORY, 0);
	int r;

	*fd = -1;
	if (work == -ENOENT)
		return 0;
	r = work < 0 ? work : flockwait(work, LOCK_EX, ms);
	if (r == -EBUSY)
		return why_set(why, r,
			       "container %s is in use: it is mounted "
			       "elsewhere, something else hides its mount (see "
			       "findmnt), or a process still works in it",
			       c->id);
	if (r < 0)
		return why_sys(why, r, "container %s: work", c->id);
	*fd = TAKE_FD(work);
	return 0;
}

bool container_root_is_taken(const struct container *c)
{
	struct statx sx;

	if (statx(AT_FDCWD, c->root, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, 0,
		  &sx) < 0)
		return errno == ENOTCONN;
	return sx.stx_attributes & STATX_ATTR_MOUNT_ROOT;
}

bool container_host_keeps(const struct container *c)
{
	return c->has_data && strcmp(c->enforce, "host") == 0;
}

int container_free_host(const struct container *c, struct why *why)
{
	struct hostquota_place at = { -1, -1, c->dir };
	struct hostquota *q = NULL;
	char said[512] = "";
	int r = 0;

	if (!c->has_data)
		return 0;
	at.upper = fdio_openat(c->data, "upper", O_RDONLY | O_DIRECTORY, 0);
	at.work = fdio_openat(c->data, "work", O_RDONLY | O_DIRECTORY, 0);
	if (at.upper >= 0 && at.work >= 0)
		r = hostquota_open(&q, &at, said, sizeof(said));
	if (r == 0 && q)
		r = hostquota_set(q, 0);
	hostquota_free(q);
	cleanup_closep(&at.upper);
	cleanup_closep(&at.work);
	/* What enforces nothing has no limit either. */
	if (r == 0 || r == -EOPNOTSUPP)
		return 0;
	return why_set(why, r, "container %s: the host's limit: %s", c->id,
		       said[0] ? said : strerror(-r));
}

static int by_id(const struct dirent **a, const struct dirent **b)
{
	return strverscmp((*a)->d_name, (*b)->d_name);
}

static int is_id(const struct dirent *de)
{
	return de->d_name[0] != '.';
}

/* 1: open, as far as can be; 0: destroyed meanwhile. */
static int open_one(struct catalog *c, const char *id, struct container *one,
		    struct why *why)
{
	struct why none = { "" };
	int r = container_open(c, id, false, one, &none);

	if (r == 0 || r == -EUCLEAN)
		return 1;
	if (r == -ENOENT && one->dir < 0)
		return 0;
	return why_set(why, r, "%s", none.text);
}

int container_each(struct catalog *c,
		   int (*fn)(void *ctx, const struct container *one), void *ctx,
		   struct why *why)
{
	struct dirent **names = NULL;
	int n = scandirat(catalog_dir(c), CONTAINERPRIV_FOLDER, &names, is_id,
			  by_id);
	int r = 0;

	if (n < 0)
		return errno == ENOENT
			       ? 0
			       : why_sys(why, -errno, CONTAINERPRIV_FOLDER);
	for (int i = 0; i < n; i++) {
		struct container one = CONTAINER_NONE;

		if (r == 0)
			r = open_one(c, names[i]->d_name, &one, why);
		if (r > 0)
			r = fn(ctx, &one);
		container_close(&one);
		free(names[i]);
	}
	free(names);
	return r;
}

/* Users of a version. */

struct using
{
	const struct catalog_id *id;
	char *one;
	int count;
};

static int count_user(void *ctx, const struct container *c)
{
	struct using *u = ctx;
	char spec[CONTAINER_SPEC_MAX];

	if (!c->template[0]) {
		log_error("container %s: its " CONF " does not say what it is "
			  "made of: mend it, or 'vefs destroy %s'",
			  c->id, c->id);
		return -EUCLEAN;
	}
	snprintf(spec, sizeof(spec), "%s:%s", u->id->name, u->id->version);
	if (strcmp(spec, c->template) == 0 && u->count++ == 0)
		snprintf(u->one, CATALOG_NAME_MAX + 1, "%s", c->id);
	return 0;
}

static int users(void *ctx, const struct catalog_id *id,
		 char one[CATALOG_NAME_MAX + 1])
{
	struct using u = { .id = id };
	int r;

	u.one = one;
	r = container_each(ctx, count_user, &u, NULL);
	return r < 0 ? r : u.count;
}

struct catalogchange_users container_users(struct catalog *c)
{
	return (struct catalogchange_users){ .fn = users, .ctx = c };
}
