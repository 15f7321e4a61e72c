/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "bench/floortree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BUCKETS 65536u

static struct floortree_name *buckets[BUCKETS];

void floortree_fail(const char *what)
{
	fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void *zeroed(size_t len)
{
	void *p = calloc(1, len);

	if (!p)
		floortree_fail("memory");
	return p;
}

void floortree_touch(struct floortree_node *n)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t); /* in the vDSO */
	n->attr.mtime = n->attr.ctime = (uint64_t)t.tv_sec;
	n->attr.mtimensec = n->attr.ctimensec = (uint32_t)t.tv_nsec;
}

struct floortree_node *floortree_new(uint32_t mode, uint32_t uid, uint32_t gid)
{
	static uint64_t inodes;
	struct floortree_node *n = zeroed(sizeof(*n));

	floortree_touch(n);
	n->attr.atime = n->attr.mtime;
	n->attr.ino = ++inodes;
	n->attr.mode = mode;
	n->attr.nlink = 1;
	n->attr.uid = uid;
	n->attr.gid = gid;
	n->attr.blksize = 4096;
	return n;
}

void floortree_release(struct floortree_node *n)
{
	if (n->attr.nlink || n->lookups)
		return;
	free(n->target);
	free(n);
}

struct floortree_name **floortree_slot(const struct floortree_node *dir,
				       const char *text)
{
	uint64_t hash = (uintptr_t)dir * 0x9e3779b97f4a7c15u;
	struct floortree_name **at;

	for (const char *c = text; *c; c++)
		hash = (hash ^ (unsigned char)*c) * 0x100000001b3u;
	at = &buckets[(hash >> 40) % BUCKETS];
	while (*at && ((*at)->dir != dir || strcmp((*at)->text, text) != 0))
		at = &(*at)->chain;
	return at;
}

void floortree_add(struct floortree_node *dir, const char *text,
		   struct floortree_node *n)
{
	static uint64_t cookies = FLOORTREE_DOTDOT;
	size_t len = strlen(text) + 1;
	struct floortree_name *e = zeroed(sizeof(*e) + len);

	memcpy(e->text, text, len);
	e->dir = dir;
	e->node = n;
	e->cookie = ++cookies;
	e->prev = dir->last;
	*(dir->last ? &dir->last->next : &dir->first) = e;
	dir->last = e;
	*floortree_slot(dir, text) = e;
	floortree_touch(dir);
}

void floortree_drop(struct floortree_name **slot)
{
	struct floortree_name *e = *slot;
	struct floortree_node *dir = e->dir;

	*slot = e->chain;
	*(e->prev ? &e->prev->next : &dir->first) = e->next;
	*(e->next ? &e->next->prev : &dir->last) = e->prev;
	if (dir->listed == e)
		dir->listed = NULL;
	floortree_touch(dir);
	free(e);
}

int floortree_remove(struct floortree_name **slot)
{
	struct floortree_node *n = (*slot)->node;

	if (n->first)
		return -ENOTEMPTY;
	floortree_drop(slot);
	n->attr.nlink--;
	floortree_touch(n);
	floortree_release(n);
	return 0;
}

struct floortree_name *floortree_after(const struct floortree_node *dir,
				       uint64_t cookie)
{
	struct floortree_name *e = dir->first;

	if (dir->listed && dir->listed->cookie == cookie)
		return dir->listed->next;
	while (e && e->cookie <= cookie)
		e = e->next;
	return e;
}

/* --- what is there --- */

static uint32_t file_backing(int at, const char *text,
			     floortree_backing *backing)
{
	int fd = openat(at, text, O_RDONLY | O_CLOEXEC);
	uint32_t id;

	if (fd < 0)
		floortree_fail(text);
	id = backing(fd);
	close(fd);
	return id;
}

static void load(struct floortree_node *dir, int at, const char *path,
		 bool lower, floortree_backing *backing);

/* What an upper layer has hides what is below, but for two directories. */
static void load_one(struct floortree_node *dir, int at, const char *text,
		     bool lower, floortree_backing *backing)
{
	struct floortree_name *there = *floortree_slot(dir, text);
	struct floortree_node *n;
	struct stat st;

	if (fstatat(at, text, &st, AT_SYMLINK_NOFOLLOW) < 0)
		floortree_fail(text);
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) {
		errno = EINVAL;
		floortree_fail(text);
	}
	n = there ? there->node
		  : floortree_new(st.st_mode, st.st_uid, st.st_gid);
	if (!there)
		floortree_add(dir, text, n);
	if (S_ISDIR(st.st_mode) && S_ISDIR(n->attr.mode)) {
		load(n, at, text, lower, backing);
	} else if (!there && st.st_size > 0) {
		n->attr.size = (uint64_t)st.st_size;
		n->attr.blocks = (uint64_t)st.st_blocks;
		n->lower = lower;
		n->backing = file_backing(at, text, backing);
	}
}

static void load(struct floortree_node *dir, int at, const char *path,
		 bool lower, floortree_backing *backing)
{
	int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;

	if (!d)
		floortree_fail(path);
	while ((e = readdir(d))) {
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			load_one(dir, fd, e->d_name, lower, backing);
	}
	closedir(d);
}

void floortree_load(struct floortree_node *dir, const char *path, bool lower,
		    floortree_backing *backing)
{
	load(dir, AT_FDCWD, path, lower, backing);
}
