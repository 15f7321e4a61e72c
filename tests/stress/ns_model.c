/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/stress/ns_model.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

/* Few names, so that they come again: over whiteouts, over each other. */
#define NAMES 24

unsigned ns_pick(struct ns_proc *p, unsigned type)
{
	for (unsigned tries = 0; tries < 40; tries++) {
		unsigned node = ns_random(p, NS_NODES);

		if (!p->nodes[node].used || (!node && type != NS_DIR))
			continue;
		if (type == NS_ANY || p->nodes[node].type == type)
			return node;
	}
	return 0;
}

static unsigned find(const struct ns_proc *p, unsigned parent, const char *name)
{
	for (unsigned n = 1; n < NS_NODES; n++) {
		if (p->nodes[n].used && p->nodes[n].parent == parent &&
		    strcmp(p->nodes[n].name, name) == 0)
			return n;
	}
	return 0;
}

static unsigned depth(const struct ns_proc *p, unsigned node)
{
	unsigned n = 0;

	for (; node; node = p->nodes[node].parent)
		n++;
	return n;
}

struct ns_place ns_pick_place(struct ns_proc *p)
{
	struct ns_place at = { .parent = ns_pick(p, NS_DIR) };

	if (depth(p, at.parent) > 12)
		at.parent = 0;
	snprintf(at.name, sizeof(at.name), "n%u", ns_random(p, NAMES));
	at.node = find(p, at.parent, at.name);
	return at;
}

const char *ns_path(const struct ns_proc *p, unsigned node, char *path)
{
	char *at = path + NS_PATH - 1;

	*at = '\0';
	if (!node)
		return memcpy(path, ".", 2);
	for (; node; node = p->nodes[node].parent) {
		size_t len = strlen(p->nodes[node].name);

		if ((size_t)(at - path) < len + 1)
			ns_fail(p, "the model has a loop");
		if (*at)
			*--at = '/';
		at -= len;
		memcpy(at, p->nodes[node].name, len);
	}
	return memmove(path, at, strlen(at) + 1);
}

const char *ns_place_path(const struct ns_proc *p, const struct ns_place *at,
			  char *path)
{
	size_t len = strlen(ns_path(p, at->parent, path));

	snprintf(path + len, NS_PATH - len, "/%s", at->name);
	return path;
}

unsigned ns_free_node(const struct ns_proc *p)
{
	for (unsigned n = 1; n < NS_NODES; n++) {
		if (!p->nodes[n].used)
			return n;
	}
	return 0;
}

unsigned ns_free_data(const struct ns_proc *p)
{
	unsigned n = 0;

	while (n < NS_DATAS && p->datas[n].links)
		n++;
	return n;
}

void ns_add_node(struct ns_proc *p, unsigned node, const struct ns_place *at,
		 uint8_t type)
{
	struct ns_node *n = &p->nodes[node];

	*n = (struct ns_node){ .used = true,
			       .type = type,
			       .parent = (uint16_t)at->parent };
	memcpy(n->name, at->name, NS_NAME);
}

void ns_drop_node(struct ns_proc *p, unsigned node)
{
	struct ns_node *n = &p->nodes[node];

	if (n->type == NS_FILE)
		p->datas[n->data].links--;
	n->used = false;
}

bool ns_has_children(const struct ns_proc *p, unsigned node)
{
	for (unsigned n = 1; n < NS_NODES; n++) {
		if (p->nodes[n].used && p->nodes[n].parent == node)
			return true;
	}
	return false;
}

bool ns_is_above(const struct ns_proc *p, unsigned node, unsigned dir)
{
	while (dir && dir != node)
		dir = p->nodes[dir].parent;
	return dir == node;
}

void ns_forget_numbers(struct ns_proc *p)
{
	for (unsigned n = 0; n < NS_NODES; n++)
		p->nodes[n].ino = 0;
	for (unsigned n = 0; n < NS_DATAS; n++)
		p->datas[n].ino = 0;
}

/* Comparing. */

bool ns_expect(struct ns_proc *p, int r, int want, const char *what,
	       const char *path)
{
	int got = r < 0 ? errno : 0;

	if (got != want)
		ns_fail(p, "%s %s: '%s', and not '%s'", what, path,
			strerror(got), strerror(want));
	return r >= 0;
}

void ns_check_bytes(struct ns_proc *p, int fd, const struct ns_data *d,
		    const char *when)
{
	static unsigned char buf[NS_BYTES + 1];
	ssize_t n = pread(fd, buf, sizeof(buf), 0);

	if (n != (ssize_t)d->size)
		ns_fail(p, "%s: %zd bytes, and not %u (%s)", when, n, d->size,
			strerror(errno));
	for (unsigned k = 0; k < d->size; k++) {
		if (buf[k] != d->bytes[k])
			ns_fail(p, "%s: byte %u of %u is %02x, and not %02x",
				when, k, d->size, buf[k], d->bytes[k]);
	}
}

#define EXPECT_NUMBER(what, got, want)                                         \
	do {                                                                   \
		unsigned long long got_ = (got), want_ = (want);               \
                                                                               \
		if (got_ != want_)                                             \
			ns_fail(p, "%s: %s is %llu, and not %llu", path, what, \
				got_, want_);                                  \
	} while (0)

static void check_number(struct ns_proc *p, const char *path, uint64_t *known,
			 uint64_t ino)
{
	if (!*known)
		*known = ino;
	EXPECT_NUMBER("the inode number", ino, *known);
}

static void check_file(struct ns_proc *p, const char *path, struct ns_data *d,
		       const struct stat *st)
{
	int fd = openat(p->dir, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	uint32_t attr = 0;

	if (fd < 0)
		ns_fail(p, "open %s: %s", path, strerror(errno));
	EXPECT_NUMBER("its mode", st->st_mode, S_IFREG | d->mode);
	EXPECT_NUMBER("its number of links", st->st_nlink, d->links);
	EXPECT_NUMBER("its size", (unsigned)st->st_size, d->size);
	EXPECT_NUMBER("its owner", st->st_uid, d->uid);
	EXPECT_NUMBER("its group", st->st_gid, d->gid);
	if (d->mtime) {
		EXPECT_NUMBER("its time", (unsigned)st->st_mtim.tv_sec,
			      (unsigned)d->mtime);
		EXPECT_NUMBER("its time's fraction",
			      (unsigned)st->st_mtim.tv_nsec, NS_NSEC);
	}
	check_number(p, path, &d->ino, st->st_ino);
	if (fgetxattr(fd, "user.ns", &attr, sizeof(attr)) < 0 &&
	    errno != ENODATA)
		ns_fail(p, "getxattr %s: %s", path, strerror(errno));
	EXPECT_NUMBER("its attribute", attr, d->attr);
	ns_check_bytes(p, fd, d, path);
	close(fd);
}

void ns_check_node(struct ns_proc *p, unsigned node)
{
	struct ns_node *n = &p->nodes[node];
	char path[NS_PATH], want[16], got[64] = "";
	struct stat st;

	ns_path(p, node, path);
	if (fstatat(p->dir, path, &st, AT_SYMLINK_NOFOLLOW))
		ns_fail(p, "stat %s: %s", path, strerror(errno));
	switch (n->type) {
	case NS_FILE:
		check_file(p, path, &p->datas[n->data], &st);
		return;
	case NS_DIR:
		if (node)
			EXPECT_NUMBER("its mode", st.st_mode,
				      S_IFDIR | n->mode);
		break;
	case NS_FIFO:
		EXPECT_NUMBER("its mode", st.st_mode, S_IFIFO | n->mode);
		break;
	default:
		snprintf(want, sizeof(want), "to-%u", n->mode);
		if (readlinkat(p->dir, path, got, sizeof(got) - 1) < 0 ||
		    strcmp(got, want) != 0)
			ns_fail(p, "%s points to '%s', and not '%s'", path, got,
				want);
	}
	check_number(p, path, &n->ino, st.st_ino);
}

void ns_check_dir(struct ns_proc *p, unsigned node)
{
	static const unsigned char types[] = { DT_REG, DT_DIR, DT_LNK,
					       DT_FIFO };
	bool seen[NS_NODES] = { false };
	char path[NS_PATH];
	struct dirent *e;
	DIR *d;

	ns_path(p, node, path);
	d = fdopendir(openat(p->dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	if (!d)
		ns_fail(p, "open %s: %s", path, strerror(errno));
	while (errno = 0, (e = readdir(d)) != NULL) {
		unsigned n = find(p, node, e->d_name);
		uint64_t ino;

		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (!n || seen[n])
			ns_fail(p, "%s lists '%s'%s", path, e->d_name,
				n ? " twice" : ", which is not there");
		seen[n] = true;
		EXPECT_NUMBER("a listed type", e->d_type,
			      types[p->nodes[n].type]);
		ino = p->nodes[n].type == NS_FILE
			      ? p->datas[p->nodes[n].data].ino
			      : p->nodes[n].ino;
		if (ino)
			EXPECT_NUMBER("a listed inode number", e->d_ino, ino);
	}
	if (errno)
		ns_fail(p, "readdir %s: %s", path, strerror(errno));
	closedir(d);
	for (unsigned n = 1; n < NS_NODES; n++) {
		if (p->nodes[n].used && p->nodes[n].parent == node && !seen[n])
			ns_fail(p, "%s does not list '%s'", path,
				p->nodes[n].name);
	}
}

void ns_check_absent(struct ns_proc *p, const char *path)
{
	struct stat st;

	if (!fstatat(p->dir, path, &st, AT_SYMLINK_NOFOLLOW))
		ns_fail(p, "%s is there", path);
	if (errno != ENOENT)
		ns_fail(p, "%s: %s", path, strerror(errno));
}

void ns_compare(struct ns_proc *p)
{
	for (unsigned n = 0; n < NS_NODES; n++) {
		if (!p->nodes[n].used)
			continue;
		ns_check_node(p, n);
		if (p->nodes[n].type == NS_DIR)
			ns_check_dir(p, n);
	}
}
