/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Looking: at the mount's tree, at upper's whiteouts, and at what can be done
 * with files of several names.
 */
#include "tests/stress/powercut_found.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "fs/base/cleanup.h"

static DIR *open_dir(int root, const char *path)
{
	int fd = openat(root, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir)
		pc_fail("%s: %s", path, strerror(errno));
	return dir;
}

/* The next name but "." and ".."; NULL: the end. */
static const char *next_name(DIR *dir, const char *path)
{
	struct dirent *de;

	do {
		errno = 0;
		de = readdir(dir);
		if (!de && errno)
			pc_fail("reading %s: %s", path, strerror(errno));
	} while (de && (!strcmp(de->d_name, ".") || !strcmp(de->d_name, "..")));
	return de ? de->d_name : NULL;
}

/* Walking. */

static uint8_t type_of(const struct stat *st)
{
	switch (st->st_mode & S_IFMT) {
	case S_IFREG:
		return PC_FILE;
	case S_IFDIR:
		return PC_DIR;
	case S_IFLNK:
		return PC_SYMLINK;
	case S_IFIFO:
		return PC_FIFO;
	default:
		return 255;
	}
}

static uint32_t attr_of(int root, const char *path, const struct stat *st)
{
	char text[16] = "", proc[64], target[16] = "";
	int fd;
	ssize_t n;

	if (S_ISLNK(st->st_mode)) {
		n = readlinkat(root, path, target, sizeof(target) - 1);
		return n > 0 && !strcmp(target, "nowhere") ? 0 : PC_WRONG;
	}
	fd = openat(root, path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		pc_fail("%s: %s", path, strerror(errno));
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	n = getxattr(proc, PC_ATTR, text, sizeof(text) - 1);
	if (n < 0 && errno != ENODATA && errno != EPERM)
		pc_fail("%s: its attribute: %s", path, strerror(errno));
	close(fd);
	return n > 0 ? (uint32_t)strtoul(text, NULL, 10) : 0;
}

/* sN belongs to nobody, sN/pM.X and all below it to process M. */
static unsigned proc_of(const char *path)
{
	if (strlen(path) == 2 && path[0] == 's')
		return PC_PROCS;
	if (strlen(path) < 6 || path[2] != '/' || path[3] != 'p' ||
	    path[4] < '0' || path[4] >= '0' + PC_PROCS || path[5] != '.')
		pc_fail("%s: nobody made that", path);
	return (unsigned)(path[4] - '0');
}

/* The kernel's overlayfs has several devices, we have one. */
static uint64_t number_of(const struct stat *st)
{
	return st->st_ino ^ (uint64_t)st->st_dev << 48;
}

static void add(struct pc_found *f, int root, const char *path)
{
	struct pc_found_entry *e;
	struct stat st;

	if (f->n % 256 == 0) {
		f->entries =
			realloc(f->entries, (f->n + 256) * sizeof(*f->entries));
		if (!f->entries)
			pc_fail("no memory");
	}
	if (fstatat(root, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		pc_fail("%s: it is listed, but: %s", path, strerror(errno));
	e = &f->entries[f->n++];
	*e = (struct pc_found_entry){ .ino = number_of(&st),
				      .size = (uint64_t)st.st_size,
				      .links = (uint32_t)st.st_nlink,
				      .proc = proc_of(path) };
	snprintf(e->e.path, sizeof(e->e.path), "%s", path);
	e->e.type = type_of(&st);
	e->e.mode = st.st_mode & 07777;
	e->e.owner = st.st_gid == pc_group_of(st.st_uid) ? st.st_uid : PC_WRONG;
	e->e.value = attr_of(root, path, &st);
}

static void walk(struct pc_found *f, int root, const char *path)
{
	_cleanup_closedir_ DIR *dir = open_dir(root, path[0] ? path : ".");
	const char *name;

	while ((name = next_name(dir, path))) {
		char below[PC_PATH];

		if (snprintf(below, sizeof(below), "%s%s%s", path,
			     path[0] ? "/" : "", name) >= (int)sizeof(below))
			pc_fail("%s/%s: a path that is too long", path, name);
		add(f, root, below);
		if (f->entries[f->n - 1].e.type == PC_DIR)
			walk(f, root, below);
	}
}

static int by_path(const void *a, const void *b)
{
	const struct pc_found_entry *x = a, *y = b;

	return strcmp(x->e.path, y->e.path);
}

void pc_found_walk(int root, struct pc_found *out)
{
	*out = (struct pc_found){ .n = 0 };
	walk(out, root, "");
	if (out->n)
		qsort(out->entries, out->n, sizeof(*out->entries), by_path);
	for (size_t i = 1; i < out->n; i++) {
		if (!by_path(&out->entries[i - 1], &out->entries[i]))
			pc_fail("%s: listed twice", out->entries[i].e.path);
	}
}

void pc_found_free(struct pc_found *f)
{
	free(f->entries);
}

const struct pc_found_entry *pc_found_get(const struct pc_found *f,
					  const char *path)
{
	struct pc_found_entry key = { .ino = 0 };

	snprintf(key.e.path, sizeof(key.e.path), "%s", path);
	return bsearch(&key, f->entries, f->n, sizeof(key), by_path);
}

unsigned char *pc_found_read(int root, const char *path, uint64_t size)
{
	_cleanup_close_ int fd = openat(root, path, O_RDONLY | O_CLOEXEC);
	_cleanup_free_ unsigned char *buf = malloc(size + 1);
	uint64_t have = 0;

	while (fd >= 0 && buf) {
		ssize_t n = read(fd, buf + have, size + 1 - have);

		if (n < 0)
			break;
		have += (uint64_t)n;
		if (n == 0 && have == size)
			return TAKE_PTR(buf);
		if (n == 0 || have > size) {
			printf("%s: its size is %llu, its data %llu bytes\n",
			       path, (unsigned long long)size,
			       (unsigned long long)have);
			return NULL;
		}
	}
	printf("%s: %s\n", path, strerror(errno));
	return NULL;
}

/* Whiteouts. */

struct layers {
	int upper, lower[2];
	unsigned bad;
};

static bool is_below(const struct layers *l, const char *path)
{
	struct stat st;

	return path[0] &&
	       (!fstatat(l->lower[0], path, &st, AT_SYMLINK_NOFOLLOW) ||
		!fstatat(l->lower[1], path, &st, AT_SYMLINK_NOFOLLOW));
}

/* Where the lower part of a directory is; "": it has none. */
static void lower_part(int dir, const char *lower, const char *name,
		       char out[PC_PATH])
{
	char value[PC_PATH] = "";

	out[0] = '\0';
	if (fgetxattr(dir, "trusted.overlay.opaque", value, 1) == 1)
		return;
	if (fgetxattr(dir, "trusted.overlay.redirect", value,
		      sizeof(value) - 1) <= 0)
		snprintf(value, sizeof(value), "%s", name);
	if (value[0] == '/')
		memcpy(out, value + 1, strlen(value));
	else if (lower[0] &&
		 snprintf(out, PC_PATH, "%s/%s", lower, value) >= PC_PATH)
		pc_fail("%s/%s: a path that is too long", lower, value);
}

static void look_for_whiteouts(struct layers *l, int top, const char *lower)
{
	_cleanup_closedir_ DIR *dir = open_dir(top, ".");
	const char *name;

	while ((name = next_name(dir, lower))) {
		char below[PC_PATH] = "";
		struct stat st;

		if (fstatat(top, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			pc_fail("upper, %s: %s", name, strerror(errno));
		if (S_ISCHR(st.st_mode) && st.st_rdev == 0) {
			if (lower[0])
				snprintf(below, sizeof(below), "%.*s/%.*s",
					 PC_PATH - PC_NAME - 2, lower, PC_NAME,
					 name);
			if (is_below(l, below))
				continue;
			printf("the whiteout %s hides nothing in /%s\n", name,
			       lower);
			l->bad++;
		} else if (S_ISDIR(st.st_mode)) {
			_cleanup_close_ int fd = openat(
				top, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

			if (fd < 0)
				pc_fail("upper, %s: %s", name, strerror(errno));
			lower_part(fd, lower, name, below);
			look_for_whiteouts(l, fd, below);
		}
	}
}

int pc_marks(const char *upper, const char *a, const char *b)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
	_cleanup_close_ int u = open(upper, flags);
	_cleanup_close_ int la = open(a, flags);
	_cleanup_close_ int lb = open(b, flags);
	struct layers l = { .upper = u, .lower = { la, lb } };

	if (u < 0 || la < 0 || lb < 0)
		pc_fail("%s, %s, %s: %s", upper, a, b, strerror(errno));
	/* "." has a lower part, and no name of its own */
	look_for_whiteouts(&l, u, ".");
	return l.bad > 0;
}

/* Using. */

static void must_show(int root, const struct pc_found_entry *e, uint32_t links,
		      const unsigned char *want)
{
	_cleanup_free_ unsigned char *data = NULL;
	struct stat st;

	if (fstatat(root, e->e.path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		pc_fail("%s: %s", e->e.path, strerror(errno));
	if (st.st_nlink != links || number_of(&st) != e->ino)
		pc_fail("%s: inode %llx with %u links, not %llx with %u",
			e->e.path, (unsigned long long)number_of(&st),
			(unsigned)st.st_nlink, (unsigned long long)e->ino,
			links);
	data = pc_found_read(root, e->e.path, e->size);
	if (!data || memcmp(data, want, e->size))
		pc_fail("%s: not what its other name got", e->e.path);
}

/* Names of one file: write to the first; take one after the other away. */
static void use(int root, const struct pc_found_entry *const *names, uint32_t n)
{
	const struct pc_found_entry *e = names[0];
	_cleanup_close_ int fd = openat(root, e->e.path, O_WRONLY | O_CLOEXEC);
	_cleanup_free_ unsigned char *want = NULL;
	size_t len = e->size < 8 ? e->size : 8;

	want = pc_found_read(root, e->e.path, e->size);
	if (fd < 0 || !want)
		pc_fail("%s: %s", e->e.path, strerror(errno));
	memset(want, 'u', len);
	if (pwrite(fd, want, len, 0) != (ssize_t)len)
		pc_fail("%s: %s", e->e.path, strerror(errno));
	for (uint32_t gone = 0; gone < n; gone++) {
		for (uint32_t i = gone; i < n; i++)
			must_show(root, names[i], n - gone, want);
		if (unlinkat(root, names[gone]->e.path, 0) < 0)
			pc_fail("%s: %s", names[gone]->e.path, strerror(errno));
	}
}

int pc_use(const char *dir)
{
	_cleanup_close_ int root =
		open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct pc_found f;

	if (root < 0)
		pc_fail("%s: %s", dir, strerror(errno));
	pc_found_walk(root, &f);
	for (size_t i = 0; i < f.n; i++) {
		const struct pc_found_entry *names[16];
		uint32_t n = 0;

		if (f.entries[i].e.type != PC_FILE || f.entries[i].links < 2)
			continue;
		for (size_t k = 0; k < f.n && n < 16; k++) {
			if (f.entries[k].ino == f.entries[i].ino)
				names[n++] = &f.entries[k];
		}
		if (n != f.entries[i].links)
			pc_fail("%s: %u links, but %u names",
				f.entries[i].e.path, f.entries[i].links, n);
		if (names[0] == &f.entries[i])
			use(root, names, n);
	}
	pc_found_free(&f);
	return 0;
}
