/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files that stay open for long, over many kills: of a name, without one any
 * more, and without one from the start (O_TMPFILE).
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "tests/stress/kill.h"

static struct kill_held *free_held(struct kill_proc *p)
{
	for (unsigned n = 0; n < KILL_HELD; n++)
		if (!p->held[n].fd)
			return &p->held[n];
	return NULL;
}

static struct kill_held *pick_held(struct kill_proc *p)
{
	struct kill_held *h = &p->held[kill_random(p, KILL_HELD)];

	return h->fd ? h : NULL;
}

static void hold(struct kill_proc *p, struct kill_held *h, int fd,
		 unsigned file, int flags)
{
	*h = (struct kill_held){ .fd = fd,
				 .file = (uint16_t)file,
				 .flags = flags };
	p->files[file].opens++;
}

static const char *name_of(const struct kill_proc *p, const struct kill_held *h,
			   char *text, size_t size)
{
	snprintf(text, size, "held %u (%u names)", (unsigned)(h - p->held),
		 p->files[h->file].links);
	return text;
}

static void let_go(struct kill_proc *p, struct kill_held *h)
{
	char text[64];

	p->files[h->file].opens--;
	kill_close(p, h->fd, name_of(p, h, text, sizeof(text)));
	h->fd = 0;
}

void kill_open_end(struct kill_proc *p)
{
	for (unsigned n = 0; n < KILL_HELD; n++)
		if (p->held[n].fd)
			let_go(p, &p->held[n]);
}

static void op_hold(struct kill_proc *p)
{
	static const int kinds[] = { O_RDWR, O_RDWR, O_RDONLY, O_WRONLY,
				     O_RDWR | O_APPEND };
	struct kill_place at = kill_place_of(p, kill_pick(p, KILL_FILE));
	struct kill_held *h = free_held(p);
	int flags = kinds[kill_random(p, 5)], fd;

	if (!at.node || !h)
		return;
	fd = (int)KILL_DO(p, 0, at.path,
			  openat(p->dir, at.path, flags | O_CLOEXEC));
	if (fd >= 0)
		hold(p, h, fd, p->nodes[at.node].file, flags);
}

/* Take away the last name of a file that is held. */
static void op_unname(struct kill_proc *p)
{
	struct kill_held *h = pick_held(p);
	struct kill_place at;

	if (!h)
		return;
	for (unsigned n = 1; n < KILL_NODES; n++) {
		if (!p->nodes[n].used || p->nodes[n].type != KILL_FILE ||
		    p->nodes[n].file != h->file)
			continue;
		at = kill_place_of(p, n);
		if (KILL_DO(p, 0, at.path, unlinkat(p->dir, at.path, 0)) < 0)
			return;
		kill_drop_node(p, n);
	}
}

static void op_tmpfile(struct kill_proc *p)
{
	struct kill_place dir = kill_place_of(p, kill_pick(p, KILL_DIR));
	struct kill_held *h = free_held(p);
	unsigned file = kill_new_file(p, 0600);
	int flags = O_RDWR | (kill_chance(p, 4) ? O_EXCL : 0), fd;

	if (!h || file == KILL_FILES)
		return;
	fd = (int)KILL_DO(p, 0, dir.path,
			  openat(p->dir, dir.path,
				 O_TMPFILE | flags | O_CLOEXEC, 0600));
	if (fd < 0)
		return;
	hold(p, h, fd, file, O_RDWR);
	h->linkable = !(flags & O_EXCL);
	kill_change(p, fd, &p->files[file], O_RDWR, dir.path);
}

/* A name for a file that has none: only one made for it can have it. */
static void op_name(struct kill_proc *p)
{
	struct kill_held *h = pick_held(p);
	struct kill_place at = kill_pick_place(p);
	char path[32];
	int want;

	if (!h || p->files[h->file].links || !kill_free_node(p))
		return;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", h->fd);
	want = at.node ? EEXIST : h->linkable ? 0 : ENOENT;
	if (KILL_DO(p, want, at.path,
		    linkat(AT_FDCWD, path, p->dir, at.path,
			   AT_SYMLINK_FOLLOW)) < 0)
		return;
	h->linkable = false;
	kill_add_node(p, &at,
		      (struct kill_node){ .type = KILL_FILE, .file = h->file });
	at = kill_place_of(p, 0);
}

static void look_held(struct kill_proc *p, struct kill_held *h,
		      const char *name)
{
	struct stat st = { 0 };

	if (KILL_DO(p, 0, name, fstat(h->fd, &st)) >= 0)
		kill_look_file(p, &st, &p->files[h->file], name);
}

/* Whatever happened to its names, the content is there and can be changed. */
static void op_use(struct kill_proc *p)
{
	struct kill_held *h = pick_held(p);
	char name[64];

	if (!h)
		return;
	name_of(p, h, name, sizeof(name));
	if ((h->flags & O_ACCMODE) != O_RDONLY && kill_chance(p, 2))
		kill_change(p, h->fd, &p->files[h->file], h->flags, name);
	if (!p->broken)
		look_held(p, h, name);
	if (!p->broken && (h->flags & O_ACCMODE) != O_WRONLY)
		kill_check_bytes(p, h->fd, &p->files[h->file], name);
}

/* A second descriptor of a file without a name. */
static void op_reopen(struct kill_proc *p)
{
	struct kill_held *h = pick_held(p);
	char path[32], name[64];
	int fd;

	if (!h || p->files[h->file].links)
		return;
	name_of(p, h, name, sizeof(name));
	snprintf(path, sizeof(path), "/proc/self/fd/%d", h->fd);
	fd = (int)KILL_DO(p, 0, name, open(path, O_RDWR | O_CLOEXEC));
	if (fd < 0)
		return;
	kill_check_bytes(p, fd, &p->files[h->file], name);
	if (!p->broken)
		kill_change(p, fd, &p->files[h->file], O_RDWR, name);
	kill_close(p, fd, name);
}

static void op_change_mode(struct kill_proc *p)
{
	struct kill_held *h = pick_held(p);
	uint32_t mode = 0400 | kill_random(p, 0400);
	char name[64];

	if (!h)
		return;
	name_of(p, h, name, sizeof(name));
	if (KILL_DO(p, 0, name, fchmod(h->fd, mode)) < 0)
		return;
	p->files[h->file].mode = mode;
	look_held(p, h, name);
}

static void op_let_go(struct kill_proc *p)
{
	struct kill_held *h = pick_held(p);

	if (h && kill_chance(p, 3))
		let_go(p, h);
}

const struct kill_op kill_open_ops[] = {
	{ "hold", 6, op_hold },
	{ "unname", 2, op_unname },
	{ "tmpfile", 4, op_tmpfile },
	{ "name", 4, op_name },
	{ "use", 20, op_use },
	{ "reopen", 3, op_reopen },
	{ "mode", 3, op_change_mode },
	{ "let-go", 14, op_let_go },
	{ NULL, 0, NULL },
};
