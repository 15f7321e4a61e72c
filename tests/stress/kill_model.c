/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The model of a process's own tree: few names, so that they come again, over
 * whiteouts and over each other.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "tests/stress/kill.h"

#define NAMES 14

unsigned kill_pick(struct kill_proc *p, unsigned type)
{
	for (unsigned tries = 0; tries < 40; tries++) {
		unsigned node = kill_random(p, KILL_NODES);

		if (!p->nodes[node].used || (!node && type != KILL_DIR))
			continue;
		if (type == KILL_ANY || p->nodes[node].type == type)
			return node;
	}
	return 0;
}

bool kill_is_below(const struct kill_proc *p, unsigned node, unsigned top)
{
	for (; node; node = p->nodes[node].parent)
		if (node == top)
			return true;
	return top == 0;
}

bool kill_has_children(const struct kill_proc *p, unsigned node)
{
	for (unsigned n = 1; n < KILL_NODES; n++)
		if (p->nodes[n].used && p->nodes[n].parent == node)
			return true;
	return false;
}

static unsigned depth(const struct kill_proc *p, unsigned node)
{
	unsigned n = 0;

	for (; node; node = p->nodes[node].parent)
		n++;
	return n;
}

/* The path of a name in `parent`, from the tree's root. */
static void put_path(const struct kill_proc *p, unsigned parent,
		     const char *name, char *path)
{
	char text[KILL_PATH], *at = text + sizeof(text) - 1;
	size_t len = strlen(name);

	*at = '\0';
	for (;;) {
		if ((size_t)(at - text) < len + 1)
			break;
		at -= len;
		memcpy(at, name, len);
		if (!parent)
			break;
		*--at = '/';
		name = p->nodes[parent].name;
		len = strlen(name);
		parent = p->nodes[parent].parent;
	}
	memmove(path, at, strlen(at) + 1);
}

struct kill_place kill_pick_place(struct kill_proc *p)
{
	struct kill_place at = { .parent = kill_pick(p, KILL_DIR) };

	if (depth(p, at.parent) > KILL_DEPTH)
		at.parent = 0;
	snprintf(at.name, sizeof(at.name), "n%u", kill_random(p, NAMES));
	for (unsigned n = 1; n < KILL_NODES; n++)
		if (p->nodes[n].used && p->nodes[n].parent == at.parent &&
		    !strcmp(p->nodes[n].name, at.name))
			at.node = n;
	put_path(p, at.parent, at.name, at.path);
	return at;
}

struct kill_place kill_place_of(const struct kill_proc *p, unsigned node)
{
	struct kill_place at = { .parent = p->nodes[node].parent,
				 .node = node };

	if (!node) {
		memcpy(at.path, ".", 2);
		return at;
	}
	memcpy(at.name, p->nodes[node].name, sizeof(at.name));
	put_path(p, at.parent, at.name, at.path);
	return at;
}

unsigned kill_free_node(const struct kill_proc *p)
{
	for (unsigned n = 1; n < KILL_NODES; n++)
		if (!p->nodes[n].used)
			return n;
	return 0;
}

unsigned kill_new_file(struct kill_proc *p, uint32_t mode)
{
	unsigned n = 0;

	while (n < KILL_FILES && (p->files[n].links || p->files[n].opens))
		n++;
	if (n < KILL_FILES)
		memset(&p->files[n], 0, sizeof(p->files[n]));
	if (n < KILL_FILES)
		p->files[n].mode = mode;
	return n;
}

void kill_add_node(struct kill_proc *p, const struct kill_place *at,
		   struct kill_node n)
{
	unsigned node = kill_free_node(p);

	n.used = true;
	n.parent = (uint16_t)at->parent;
	memcpy(n.name, at->name, sizeof(n.name));
	p->nodes[node] = n;
	if (n.type == KILL_FILE)
		p->files[n.file].links++;
}

void kill_drop_node(struct kill_proc *p, unsigned node)
{
	if (p->nodes[node].type == KILL_FILE)
		p->files[p->nodes[node].file].links--;
	p->nodes[node].used = false;
}

void kill_number(struct kill_proc *p, uint64_t *ino, uint64_t now,
		 const char *path)
{
	if (*ino && *ino != now)
		KILL_WRONG(p, "%s: inode number %llu, was %llu", path,
			   (unsigned long long)now, (unsigned long long)*ino);
	*ino = now;
}

void kill_target(char *text, size_t size, uint32_t number)
{
	snprintf(text, size, "to/%u", number);
}

static int64_t mtime_of(const struct stat *st)
{
	return (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}

void kill_look_file(struct kill_proc *p, const struct stat *st,
		    struct kill_file *f, const char *path)
{
	const struct kill_row rows[] = {
		{ "type", S_IFREG, st->st_mode & S_IFMT },
		{ "links", f->links, st->st_nlink },
		{ "size", f->size, (uint64_t)st->st_size },
		{ "mode", f->mode, st->st_mode & 07777 },
		{ "uid", f->uid, st->st_uid },
		{ "gid", f->gid, st->st_gid },
		{ "mtime", (uint64_t)f->mtime,
		  f->mtime ? (uint64_t)mtime_of(st) : 0 },
	};

	if (kill_same(p, path, rows, sizeof(rows) / sizeof(rows[0])))
		kill_number(p, &f->ino, st->st_ino, path);
}

static void look_other(struct kill_proc *p, const struct stat *st,
		       struct kill_node *n, const char *path)
{
	static const mode_t types[] = {
		[KILL_DIR] = S_IFDIR, [KILL_LINK] = S_IFLNK, [KILL_FIFO] = S_IFIFO
	};
	mode_t want = types[n->type] | (n->type == KILL_LINK ? 0777 : n->mode);
	char text[64] = "", target[64];

	if (st->st_mode != want) {
		KILL_WRONG(p, "%s: mode is %o, expected %o", path, st->st_mode,
			   want);
		return;
	}
	kill_number(p, &n->ino, st->st_ino, path);
	if (n->type != KILL_LINK)
		return;
	kill_target(target, sizeof(target), n->mode);
	if (KILL_DO(p, 0, path, readlinkat(p->dir, path, text, 63)) < 0)
		return;
	if (strcmp(text, target) != 0)
		KILL_WRONG(p, "%s: a link to %s, expected %s", path, text,
			   target);
}

void kill_look(struct kill_proc *p, const struct kill_place *at)
{
	struct kill_node *n = &p->nodes[at->node];
	struct stat st = { 0 };

	if (KILL_DO(p, at->node ? 0 : ENOENT, at->path,
		    fstatat(p->dir, at->path, &st, AT_SYMLINK_NOFOLLOW)) < 0)
		return;
	if (n->type == KILL_FILE)
		kill_look_file(p, &st, &p->files[n->file], at->path);
	else
		look_other(p, &st, n, at->path);
}
