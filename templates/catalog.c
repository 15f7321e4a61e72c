/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "templates/catalog.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "fs/base/cleanup.h"
#include "fs/base/fdio.h"
#include "fs/base/parse.h"
#include "fs/base/smallfile.h"
#include "templates/catalogpriv.h"
#include "templates/staging.h"

/*
 * root/version	what this directory is; written last when a store is made
 * root/lock	exclusive: adding, renaming, removing, sweeping; shared: making
 *		a staging directory, gc while it marks
 * root/epoch	the generation (gc.c)
 * root/templates/NAME/VERSION, root/staging/NAME, root/objects
 *
 * A version is there or not by one rename between staging and templates. An
 * empty templates/NAME is nobody's and means nothing.
 *
 * Lock order: gc.lock, lock, a staging or version directory, a shard.
 */

#define VERSION_TEXT "vefs-store "

int catalog_dir(const struct catalog *c)
{
	return c->dir;
}

struct object_pool catalog_pool(const struct catalog *c)
{
	return (struct object_pool){ .dir = c->objects, .staging = -1 };
}

void catalog_free(struct catalog *c)
{
	int fds[4];

	if (!c)
		return;
	memcpy(fds, (int[]){ c->dir, c->objects, c->templates, c->staging },
	       sizeof(fds));
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	free(c);
}

/* ---- locks --------------------------------------------------------------- */

int catalogpriv_flock(struct catalog *c, const char *name, int how,
		      struct why *why)
{
	_cleanup_close_ int fd = openat(
		c->dir, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return why_sys(why, -errno, "%s/%s", c->root, name);
	while (flock(fd, how) < 0)
		if (errno != EINTR)
			return why_sys(why, -errno, "locking %s/%s", c->root,
				       name);
	return TAKE_FD(fd);
}

int catalog_lock(struct catalog *c, bool exclusive, struct why *why)
{
	return catalogpriv_flock(c, "lock", exclusive ? LOCK_EX : LOCK_SH, why);
}

/* ---- opening ------------------------------------------------------------- */

static int check_version(struct catalog *c, struct why *why)
{
	char text[64];
	uint32_t format;
	int r = smallfile_read(c->dir, "version", text, sizeof(text));

	if (r == -ENOENT)
		return r;
	if (r < 0)
		return why_sys(why, r, "%s/version", c->root);
	if (strncmp(text, VERSION_TEXT, strlen(VERSION_TEXT)) != 0 ||
	    parse_u32(text + strlen(VERSION_TEXT), UINT32_MAX, &format) < 0)
		return why_set(why, -EINVAL,
			       "%s is not a vefs store: its file 'version' "
			       "says '%s'",
			       c->root, text);
	if (format != CATALOG_FORMAT)
		return why_set(why, -EPROTONOSUPPORT,
			       "the store %s has format %u, this program knows "
			       "%u: use the vefs that made it",
			       c->root, format, CATALOG_FORMAT);
	return 0;
}

/* Names that may be in a directory that becomes a store. */
static bool is_ours(const char *name)
{
	static const char *const known[] = {
		".",	     "..",	  "lock",	 "objects",
		"templates", "staging",	  "epoch",	 "containers",
		"gc.lock",   "epoch.new", "version.new", "lost+found"
	};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (!strcmp(name, known[i]))
			return true;
	return false;
}

static int check_empty(struct catalog *c, struct why *why)
{
	_cleanup_closedir_ DIR *d = NULL;
	struct dirent *e;
	int r = fdio_opendir(fdio_reopen(c->dir, O_RDONLY | O_DIRECTORY), &d);

	if (r < 0)
		return why_sys(why, r, "%s", c->root);
	while ((e = readdir(d)))
		if (!is_ours(e->d_name))
			return why_set(why, -EINVAL,
				       "%s is no vefs store, it holds '%s': "
				       "give an empty directory (--root, "
				       "VEFS_ROOT)",
				       c->root, e->d_name);
	return 0;
}

static int open_parts(struct catalog *c, bool create)
{
	const struct {
		const char *name;
		int *fd;
	} parts[] = {
		{ "objects", &c->objects },
		{ "templates", &c->templates },
		{ "staging", &c->staging },
	};

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		if (create && mkdirat(c->dir, parts[i].name, 0700) < 0 &&
		    errno != EEXIST)
			return -errno;
		*parts[i].fd =
			openat(c->dir, parts[i].name,
			       O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (*parts[i].fd < 0)
			return -errno;
	}
	return 0;
}

static int make(struct catalog *c, struct why *why)
{
	_cleanup_close_ int lock = catalog_lock(c, true, why);
	char text[64];
	int r;

	if (lock < 0)
		return lock;
	/* somebody else may have made it meanwhile */
	r = check_version(c, why);
	if (r != -ENOENT)
		return r < 0 ? r : open_parts(c, false);
	r = check_empty(c, why);
	if (r < 0)
		return r;
	r = open_parts(c, true);
	if (r == 0)
		r = object_init(c->objects);
	if (r == 0)
		r = smallfile_write(c->dir, "epoch", "1\n");
	if (r == 0 && syncfs(c->dir) < 0)
		r = -errno;
	snprintf(text, sizeof(text), VERSION_TEXT "%u\n", CATALOG_FORMAT);
	if (r == 0)
		r = smallfile_write(c->dir, "version", text);
	return r < 0 ? why_sys(why, r, "making the store %s", c->root) : 0;
}

static int make_root(const char *root)
{
	_cleanup_free_ char *path = strdup(root);
	char *p;

	if (!path)
		return -ENOMEM;
	for (p = path + 1; *path && *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdir(path, 0755) < 0 && errno != EEXIST)
			return -errno;
		*p = '/';
	}
	return mkdir(path, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

int catalog_open(const char *root, bool create, struct catalog **out,
		 struct why *why)
{
	struct catalog *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return -ENOMEM;
	c->dir = c->objects = c->templates = c->staging = -1;
	snprintf(c->root, sizeof(c->root), "%s", root);
	r = create ? make_root(root) : 0;
	if (r == 0) {
		c->dir = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (c->dir < 0)
			r = -errno;
	}
	if (r < 0) {
		why_sys(why, r, "the store %s", root);
	} else {
		r = check_version(c, why);
		if (r == -ENOENT && create)
			r = make(c, why);
		else if (r == -ENOENT)
			why_set(why, r, "there is no vefs store in %s", root);
		else if (r == 0)
			r = open_parts(c, false);
	}
	if (r < 0) {
		why_sys(why, r, "the store %s", root);
		catalog_free(c);
		return r;
	}
	*out = c;
	return 0;
}

/* ---- names --------------------------------------------------------------- */

static bool is_name(const char *s, size_t len, size_t max)
{
	static const char first[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

	if (!len || len > max || !strchr(first, s[0]))
		return false;
	for (size_t i = 0; i < len; i++)
		if (!strchr(first, s[i]) && !strchr("._+-", s[i]))
			return false;
	return true;
}

int catalog_parse(const char *spec, struct catalog_id *out, struct why *why)
{
	const char *colon = strchr(spec, ':');
	size_t len = colon ? (size_t)(colon - spec) : strlen(spec);

	if (!is_name(spec, len, CATALOG_NAME_MAX) ||
	    (colon &&
	     !is_name(colon + 1, strlen(colon + 1), CATALOG_VERSION_MAX)))
		return why_set(why, -EINVAL,
			       "'%s' is not NAME[:VERSION]: letters, digits "
			       "and . _ + - (at most %u and %u)",
			       spec, CATALOG_NAME_MAX, CATALOG_VERSION_MAX);
	memset(out, 0, sizeof(*out));
	memcpy(out->name, spec, len);
	if (colon)
		memcpy(out->version, colon + 1, strlen(colon + 1));
	return 0;
}

int catalogpriv_name(struct catalog *c, const char *name)
{
	return fdio_openat(c->templates, name, O_RDONLY | O_DIRECTORY, 0);
}

int catalogpriv_version(struct catalog *c, const struct catalog_id *id)
{
	_cleanup_close_ int name = catalogpriv_name(c, id->name);

	if (name < 0)
		return name;
	return fdio_openat(name, id->version, O_RDONLY | O_DIRECTORY, 0);
}

/* ---- listing ------------------------------------------------------------- */

struct listing {
	struct catalog_version *v;
	size_t n, cap;
};

static int add(struct listing *l, const char *name, int dir,
	       const char *version)
{
	_cleanup_close_ int fd = -1;
	struct catalog_version *v;

	if (l->n == l->cap) {
		size_t cap = l->cap ? 2 * l->cap : 16;

		v = reallocarray(l->v, cap, sizeof(*v));
		if (!v)
			return -ENOMEM;
		l->v = v;
		l->cap = cap;
	}
	v = &l->v[l->n];
	memset(v, 0, sizeof(*v));
	memcpy(v->id.name, name, strlen(name));
	memcpy(v->id.version, version, strlen(version));
	fd = fdio_openat(dir, version, O_RDONLY | O_DIRECTORY, 0);
	v->error = fd < 0 ? fd : seal_read(fd, &v->seal);
	/* removed while we looked */
	if (fd != -ENOENT)
		l->n++;
	return 0;
}

/* Call for each well-formed name in `dir`, which fdio_opendir() takes. */
static int each_name(int dir, size_t max, struct listing *l,
		     const char *template,
		     int (*fn)(struct listing *l, const char *template, int dir,
			       const char *name))
{
	_cleanup_closedir_ DIR *d = NULL;
	struct dirent *e;
	int r = fdio_opendir(dir, &d);

	if (r < 0)
		return r;
	for (errno = 0; r == 0 && (e = readdir(d)); errno = 0)
		if (is_name(e->d_name, strlen(e->d_name), max))
			r = fn(l, template, dirfd(d), e->d_name);
	return r < 0 ? r : -errno;
}

static int add_all(struct listing *l, _unused_ const char *template, int dir,
		   const char *name)
{
	int fd = fdio_openat(dir, name, O_RDONLY | O_DIRECTORY, 0);

	if (fd == -ENOENT)
		return 0;
	return each_name(fd, CATALOG_VERSION_MAX, l, name, add);
}

static int by_order(const void *a, const void *b)
{
	const struct catalog_version *l = a, *r = b;
	int c = strcmp(l->id.name, r->id.name);

	if (c)
		return c;
	if (l->seal.serial != r->seal.serial)
		return l->seal.serial < r->seal.serial ? -1 : 1;
	return strcmp(l->id.version, r->id.version);
}

int catalog_list(struct catalog *c, struct catalog_version **out, size_t *n,
		 struct why *why)
{
	struct listing l = { 0 };
	int r = each_name(fdio_reopen(c->templates, O_RDONLY | O_DIRECTORY),
			  CATALOG_NAME_MAX, &l, NULL, add_all);

	if (r < 0) {
		free(l.v);
		return why_sys(why, r, "listing %s/templates", c->root);
	}
	if (l.n)
		qsort(l.v, l.n, sizeof(*l.v), by_order);
	*out = l.v;
	*n = l.n;
	return 0;
}

int catalog_find(struct catalog *c, const struct catalog_id *id,
		 struct catalog_version *out, struct why *why)
{
	struct listing l = { 0 };
	size_t i;
	int fd = catalogpriv_name(c, id->name);
	int r = fd < 0 ? fd
		       : each_name(fd, CATALOG_VERSION_MAX, &l, id->name, add);

	if (r == 0 && l.n)
		qsort(l.v, l.n, sizeof(*l.v), by_order);
	for (i = l.n; r == 0 && i > 0; i--)
		if (!id->version[0] ||
		    !strcmp(l.v[i - 1].id.version, id->version))
			break;
	if (r == 0 && i > 0)
		*out = l.v[i - 1];
	free(l.v);
	if (r == -ENOENT || (r == 0 && i == 0))
		return why_set(why, -ENOENT,
			       "there is no template %s%s%s in %s: "
			       "'vefs template list' shows what there is",
			       id->name, id->version[0] ? ":" : "", id->version,
			       c->root);
	return r < 0 ? why_sys(why, r, "template %s", id->name) : 0;
}

int catalog_hold(struct catalog *c, const struct catalog_id *id,
		 struct why *why)
{
	_cleanup_close_ int lock = catalog_lock(c, false, why);
	_cleanup_close_ int fd = -1;

	if (lock < 0)
		return lock;
	fd = catalogpriv_version(c, id);
	if (fd < 0)
		return why_sys(why, fd, "template %s:%s", id->name,
			       id->version);
	if (flock(fd, LOCK_SH | LOCK_NB) < 0)
		return why_sys(why, -errno, "template %s:%s", id->name,
			       id->version);
	return TAKE_FD(fd);
}
