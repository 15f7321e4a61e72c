/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/ovl.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "fs/attr.h"
#include "fs/base/cleanup.h"
#include "fs/base/creds.h"
#include "fs/base/fdio.h"
#include "fs/create.h"
#include "fs/dirsnap.h"
#include "fs/file.h"
#include "fs/htable.h"
#include "fs/lookup.h"
#include "fs/remove.h"
#include "fs/rename.h"
#include "fs/stack.h"

#define BOTTOM_UP 64

const char *ovl_set_up(struct ovl *v, unsigned n_lower)
{
	char name[16];

	if (geteuid())
		return "needs root";
	if (unit_lack())
		return unit_lack();
	*v = (struct ovl){ .n_lower = n_lower };
	v->dir = unit_tmpdir(v->path);
	ck_assert_int_eq(creds_thread_init(), 0);
	for (unsigned i = 1; i <= n_lower; i++) {
		snprintf(name, sizeof(name), "l%u", i);
		ovl_mkdir(v, name);
	}
	ovl_mkdir(v, "u");
	ovl_mkdir(v, "w");
	return NULL;
}

void ovl_tear_down(struct ovl *v)
{
	if (v->o)
		ovl_end(v);
	close(v->dir);
}

void ovl_begin(struct ovl *v, bool rw)
{
	char words[BOTTOM_UP * UNIT_PATH_MAX], err[512];
	char *argv[] = { (char *)"vefsd", (char *)"-o", words, (char *)"/t",
			 NULL };
	size_t n = (size_t)snprintf(words, sizeof(words), "lowerdir=");
	int r;

	for (unsigned i = 1; i <= v->n_lower; i++)
		n += (size_t)snprintf(words + n, sizeof(words) - n, "%s%s/l%u",
				      i > 1 ? ":" : "", v->path, i);
	if (rw)
		n += (size_t)snprintf(words + n, sizeof(words) - n,
				      ",upperdir=%s/u,workdir=%s/w", v->path,
				      v->path);
	snprintf(words + n, sizeof(words) - n, "%s", v->more ? v->more : "");
	r = options_parse(&v->opts, 4, argv, err, sizeof(err));
	ck_assert_msg(!r, "%s: %s", words, err);
	r = stack_new(&v->o, &v->opts, err, sizeof(err));
	ck_assert_msg(!r, "%s: %s", words, err);
}

void ovl_end(struct ovl *v)
{
	stack_free(v->o);
	v->o = NULL;
	options_free(&v->opts);
}

void ovl_again(struct ovl *v)
{
	bool rw = v->o->upper != NULL;

	ovl_end(v);
	ovl_begin(v, rw);
}

/* Below the overlay. */

void ovl_put(const struct ovl *v, const char *path, const char *text)
{
	_cleanup_close_ int fd = openat(
		v->dir, path, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0644);

	ck_assert_msg(fd >= 0, "%s: %s", path, strerror(errno));
	ck_assert_int_eq(write(fd, text, strlen(text)), (int)strlen(text));
}

void ovl_mkdir(const struct ovl *v, const char *path)
{
	ck_assert_msg(!mkdirat(v->dir, path, 0755), "mkdir %s: %s", path,
		      strerror(errno));
}

void ovl_whiteout(const struct ovl *v, const char *path)
{
	ck_assert_msg(!mknodat(v->dir, path, S_IFCHR, makedev(0, 0)),
		      "whiteout %s: %s", path, strerror(errno));
}

void ovl_mark(const struct ovl *v, const char *path, const char *attr,
	      const char *value)
{
	char full[2 * UNIT_PATH_MAX];

	snprintf(full, sizeof(full), "%s/%s", v->path, path);
	ck_assert_msg(!lsetxattr(full, attr, value, strlen(value), 0),
		      "%s %s: %s", full, attr, strerror(errno));
}

const char *ovl_text(const struct ovl *v, const char *path, char buf[4096])
{
	_cleanup_close_ int fd =
		openat(v->dir, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, 4095);

	if (n < 0)
		return "-";
	buf[n] = '\0';
	return buf;
}

bool ovl_stat(const struct ovl *v, const char *path, struct stat *st)
{
	if (!fstatat(v->dir, path, st, AT_SYMLINK_NOFOLLOW))
		return true;
	ck_assert_msg(errno == ENOENT, "%s: %s", path, strerror(errno));
	return false;
}

/* In the overlay. */

struct inode *ovl_walk(const struct ovl *v, const char *path, struct stat *st,
		       int *err)
{
	struct inode *at = itable_get(v->o->inodes, ITABLE_ROOT), *next;
	char name[ITABLE_NAME_MAX + 1];
	struct stat own;

	if (!st)
		st = &own;
	*err = attr_get(v->o, at, st);
	while (*path && !*err) {
		size_t n = strcspn(path, "/");

		memcpy(name, path, n);
		name[n] = '\0';
		path += n + (path[n] == '/');
		*err = lookup_inode(v->o, at, name, &next, st);
		itable_unpin(v->o->inodes, at);
		at = *err ? NULL : next;
	}
	return at;
}

struct inode *ovl_get(const struct ovl *v, const char *path, struct stat *st)
{
	int err;
	struct inode *i = ovl_walk(v, path, st, &err);

	ck_assert_msg(i != NULL, "%s: %s", path, strerror(-err));
	return i;
}

void ovl_put_back(const struct ovl *v, struct inode *i)
{
	itable_unpin(v->o->inodes, i);
}

int ovl_look(const struct ovl *v, const char *path)
{
	int err;
	struct inode *i = ovl_walk(v, path, NULL, &err);

	ovl_put_back(v, i);
	return err;
}

const char *ovl_read(const struct ovl *v, const char *path, char buf[4096])
{
	struct inode *i = ovl_get(v, path, NULL);
	struct file_opened f;
	ssize_t n = file_open(v->o, i, O_RDONLY, false, &f);

	if (n == 0) {
		n = file_read(v->o, f.fh, buf, 4095, 0);
		file_release(v->o, f.fh);
	}
	if (n < 0)
		snprintf(buf, 4096, "%zd", n);
	else
		buf[n] = '\0';
	ovl_put_back(v, i);
	return buf;
}

int ovl_write(const struct ovl *v, const char *path, const char *text)
{
	struct file_opened f;
	int err, r;
	struct inode *i = ovl_walk(v, path, NULL, &err);

	if (!i)
		return err;
	r = file_open(v->o, i, O_WRONLY | O_TRUNC, false, &f);
	if (r == 0) {
		ssize_t n = file_write(v->o, f.fh, text, strlen(text), 0, 0);

		r = n < 0 ? (int)n : 0;
		file_release(v->o, f.fh);
	}
	ovl_put_back(v, i);
	return r;
}

int ovl_make(const struct ovl *v, const char *parent, const char *name,
	     mode_t mode)
{
	struct create_spec spec = { .mode = mode, .target = "target" };
	struct inode *dir = ovl_get(v, parent, NULL);
	struct create_result res;
	int r = create(v->o, dir, name, &spec, &res);

	if (r == 0) {
		ck_assert_int_eq(res.fd, -1);
		ovl_put_back(v, res.inode);
	}
	ovl_put_back(v, dir);
	return r;
}

int ovl_remove(const struct ovl *v, const char *parent, const char *name,
	       bool is_dir)
{
	struct inode *dir = ovl_get(v, parent, NULL);
	int r = remove_name(v->o, dir, name, is_dir);

	ovl_put_back(v, dir);
	return r;
}

int ovl_rename(const struct ovl *v, const char *from_dir, const char *from,
	       const char *to_dir, const char *to, unsigned flags)
{
	struct rename_spec spec = { .from = from, .to = to, .flags = flags };
	int r;

	spec.from_dir = ovl_get(v, from_dir, NULL);
	spec.to_dir = ovl_get(v, to_dir, NULL);
	r = rename_name(v->o, &spec);
	ovl_put_back(v, spec.from_dir);
	ovl_put_back(v, spec.to_dir);
	return r;
}

struct names {
	char *list[128];
	size_t n;
};

static int add_name(void *ctx, const struct dirsnap_entry *e)
{
	struct names *names = ctx;

	if (!strcmp(e->name, ".") || !strcmp(e->name, ".."))
		return 0;
	ck_assert_uint_lt(names->n, ARRAY_SIZE(names->list));
	names->list[names->n++] = strdup(e->name);
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

const char *ovl_names(const struct ovl *v, const char *path, char buf[4096])
{
	struct inode *i = ovl_get(v, path, NULL);
	struct names names = { .n = 0 };
	size_t len = 0;

	buf[0] = '\0';
	ck_assert_int_eq(dirsnap_read(v->o, i, 0, false, add_name, &names), 0);
	ovl_put_back(v, i);
	qsort(names.list, names.n, sizeof(*names.list), by_name);
	for (size_t n = 0; n < names.n; n++) {
		len += (size_t)snprintf(buf + len, 4096 - len, "%s%s",
					n ? " " : "", names.list[n]);
		free(names.list[n]);
	}
	return buf;
}

void ovl_check_idle(const struct ovl *v)
{
	struct itable_stats s;

	itable_stats(v->o->inodes, &s);
	ck_assert_uint_eq(s.inodes, 1);
	ck_assert_uint_eq(s.lookups, 1);
	ck_assert_uint_eq(htable_count(v->o->handles), 0);
}
