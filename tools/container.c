/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/container.h"

#include <ctype.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>

#include "fs/base/cleanup.h"
#include "fs/base/fdio.h"
#include "fs/base/log.h"
#include "fs/base/parse.h"
#include "fs/base/rmtree.h"
#include "templates/index.h"

/*
 * A container is made aside and gets its name by one rename; it is destroyed
 * by a rename to a name that no container has, then removed. Names that begin
 * with a dot are such leftovers.
 */
#define FOLDER "containers"
#define CONF "vefs.conf"
#define DEPTH 4096u
#define ID_FIRST 101u
#define ID_LAST (UINT32_MAX - 1)

/* What vefs.conf may say; other lines are kept by nobody and ignored. */
struct conf_key {
	const char *name;
	size_t at, size;
};

static const struct conf_key keys[] = {
	{ "OSTEMPLATE", offsetof(struct container, template),
	  sizeof(((struct container *)0)->template) },
	{ "VE_ROOT", offsetof(struct container, root),
	  sizeof(((struct container *)0)->root) },
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

static int open_folder(struct catalog *c, bool create, struct why *why)
{
	int store = catalog_dir(c), fd;

	if (create && mkdirat(store, FOLDER, 0700) < 0 && errno != EEXIST)
		return why_sys(why, -errno, FOLDER);
	fd = fdio_openat(store, FOLDER, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0 && fd != -ENOENT)
		why_sys(why, fd, FOLDER);
	return fd;
}

/* vefs.conf. */

/* `line` is KEY="value", with \" and \\ in it. */
static void take_line(struct container *one, const char *line)
{
	for (unsigned i = 0; i < ARRAY_SIZE(keys); i++) {
		size_t len = strlen(keys[i].name), n = 0;
		char *to = (char *)one + keys[i].at;
		const char *p;

		if (strncmp(line, keys[i].name, len) != 0 ||
		    strncmp(line + len, "=\"", 2) != 0)
			continue;
		for (p = line + len + 2;
		     *p && *p != '"' && n + 1 < keys[i].size; p++) {
			if (*p == '\\' && p[1])
				p++;
			to[n++] = *p;
		}
		to[n] = '\0';
	}
}

static int read_conf(struct container *one, struct why *why)
{
	_cleanup_free_ char *line = NULL;
	int fd = fdio_openat(one->dir, CONF, O_RDONLY, 0);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "r");
	size_t room = 0;

	if (!f && fd != -ENOENT) {
		if (fd >= 0)
			close(fd);
		return why_sys(why, fd < 0 ? fd : -ENOMEM,
			       "container %s: " CONF, one->id);
	}
	while (f && getline(&line, &room, f) > 0)
		take_line(one, line);
	if (f)
		fclose(f);
	if (one->template[0] && one->root[0] == '/')
		return 0;
	one->template[0] = one->root[0] = '\0';
	return why_set(why, -EUCLEAN,
		       "container %s: its " CONF " does not say OSTEMPLATE and "
		       "VE_ROOT: mend it, or 'vefs destroy %s'",
		       one->id, one->id);
}

static void put_value(FILE *f, const char *key, const char *value)
{
	fprintf(f, "%s=\"", key);
	for (; *value; value++) {
		if (*value == '"' || *value == '\\')
			fputc('\\', f);
		fputc(*value, f);
	}
	fputs("\"\n", f);
}

static int write_conf(const struct container *one)
{
	int fd = fdio_openat(one->dir, CONF, O_CREAT | O_EXCL | O_WRONLY, 0600);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
	bool bad;

	if (!f) {
		if (fd >= 0)
			close(fd);
		return fd < 0 ? fd : -ENOMEM;
	}
	for (unsigned i = 0; i < ARRAY_SIZE(keys); i++)
		put_value(f, keys[i].name, (const char *)one + keys[i].at);
	bad = fflush(f) != 0 || fsync(fd) < 0;
	return fclose(f) != 0 || bad ? -EIO : 0;
}

/* Making. */

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

static int fill(struct catalog *c, struct container *one, const char *spec,
		struct why *why)
{
	_cleanup_close_ int still = -1, version = -1;
	struct catalog_version v;
	struct catalog_id id;
	int r = catalog_parse(spec, &id, why);

	if (r < 0)
		return r;
	/* Until vefs.conf names it nobody knows that it is needed. */
	r = still = catalog_lock(c, false, why);
	if (r >= 0)
		r = catalog_find(c, &id, &v, why);
	if (r == 0)
		r = version = catalog_hold(c, &v.id, why);
	if (r < 0)
		return r;
	snprintf(one->template, sizeof(one->template), "%s:%s", v.id.name,
		 v.id.version);
	r = make_upper(one->dir, version);
	if (r == 0 && mkdirat(one->dir, "work", 0700) < 0)
		r = -errno;
	if (r == 0)
		r = write_conf(one);
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
	if (one->root[0] != '/' || n >= (int)sizeof(one->root))
		return why_set(why, -EINVAL,
			       "%s: the mount point must be an absolute path",
			       one->root);
	return 0;
}

int container_create(struct catalog *c, const char *store, const char *id,
		     const char *spec, const char *root, struct why *why)
{
	_cleanup_close_ int folder = -1;
	struct container one = CONTAINER_NONE;
	char tmp[32];
	int r = container_check_id(id, why);

	if (r == 0)
		r = folder = open_folder(c, true, why);
	if (r < 0)
		return r;
	if (fdio_exists(folder, id) > 0)
		return why_set(why, -EEXIST, "container %s exists already", id);
	snprintf(one.id, sizeof(one.id), "%s", id);
	r = name_root(&one, store, root, why);
	if (r < 0)
		return r;
	snprintf(tmp, sizeof(tmp), ".new-%d", getpid());
	rmtree_at(folder, tmp, DEPTH);
	if (mkdirat(folder, tmp, 0700) < 0)
		return why_sys(why, -errno, FOLDER "/%s", tmp);
	r = one.dir = fdio_openat(folder, tmp, O_RDONLY | O_DIRECTORY, 0);
	if (r >= 0)
		r = fill(c, &one, spec, why);
	if (r == 0 && renameat2(folder, tmp, folder, id, RENAME_NOREPLACE) < 0)
		r = errno == EEXIST ? why_set(why, -EEXIST,
					      "container %s exists already", id)
				    : why_sys(why, -errno, "container %s", id);
	if (r < 0)
		rmtree_at(folder, tmp, DEPTH);
	else
		fsync(folder);
	container_close(&one);
	return r;
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
		r = folder = open_folder(c, false, why);
	if (r >= 0)
		r = out->dir =
			fdio_openat(folder, id, O_RDONLY | O_DIRECTORY, 0);
	if (r == -ENOENT)
		return why_set(why, r,
			       "there is no container %s: 'vefs list' shows "
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
	return read_conf(out, why);
}

void container_close(struct container *c)
{
	if (c->lock >= 0)
		close(c->lock);
	if (c->dir >= 0)
		close(c->dir);
	c->dir = c->lock = -1;
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

		if (!source || strncmp(source, want, strlen(want)) != 0)
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
	struct statfs fs;
	struct statx sx;

	if (!c->root[0])
		return is_in_mountinfo(c->id, NULL);
	/* Nothing is asked of a daemon that may hang. */
	if (statx(AT_FDCWD, c->root, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, 0,
		  &sx) < 0)
		return errno == ENOTCONN && is_in_mountinfo(c->id, NULL);
	return (sx.stx_attributes & STATX_ATTR_MOUNT_ROOT) &&
	       (statfs(c->root, &fs) < 0 || fs.f_type == FUSE_SUPER_MAGIC) &&
	       is_in_mountinfo(c->id, &sx);
}

bool container_root_is_taken(const struct container *c)
{
	struct statx sx;

	if (statx(AT_FDCWD, c->root, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, 0,
		  &sx) < 0)
		return errno == ENOTCONN;
	return sx.stx_attributes & STATX_ATTR_MOUNT_ROOT;
}

int container_destroy(struct catalog *c, struct container *one, struct why *why)
{
	_cleanup_close_ int folder = open_folder(c, false, why);
	char tmp[32];
	int r = folder;

	snprintf(tmp, sizeof(tmp), ".gone-%d", getpid());
	if (r >= 0)
		r = rmtree_at(folder, tmp, DEPTH);
	if (r == 0 && renameat(folder, one->id, folder, tmp) < 0)
		r = -errno;
	if (r == 0)
		r = rmtree_at(folder, tmp, DEPTH);
	if (r < 0)
		return why_sys(why, r, "destroying container %s", one->id);
	/* Its mount point, where nothing else is in it. */
	if (one->root[0])
		rmdir(one->root);
	return 0;
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
	int n = scandirat(catalog_dir(c), FOLDER, &names, is_id, by_id);
	int r = 0;

	if (n < 0)
		return errno == ENOENT ? 0 : why_sys(why, -errno, FOLDER);
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

struct catalog_users container_users(struct catalog *c)
{
	return (struct catalog_users){ .fn = users, .ctx = c };
}
