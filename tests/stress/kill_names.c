/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Operations on names in a process's own tree. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "tests/stress/kill.h"

/* The open of a new file, which may have been interrupted after it was made. */
static int create(struct kill_proc *p, const struct kill_place *at)
{
	int flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW;
	int fd = (int)KILL_DO(p, at->node ? EEXIST : 0, at->path,
			      openat(p->dir, at->path, flags | O_CREAT | O_EXCL,
				     0640));

	if (fd < 0 && p->happened)
		fd = (int)KILL_DO(p, 0, at->path,
				  openat(p->dir, at->path, flags));
	return fd;
}

static void op_create(struct kill_proc *p)
{
	struct kill_place at = kill_pick_place(p);
	unsigned file = kill_new_file(p, 0640);
	int fd;

	if (!kill_free_node(p) || file == KILL_FILES)
		return;
	fd = create(p, &at);
	if (fd < 0)
		return;
	kill_add_node(p, &at,
		      (struct kill_node){ .type = KILL_FILE,
					  .file = (uint16_t)file });
	if (!kill_chance(p, 4))
		kill_change(p, fd, &p->files[file], O_RDWR, at.path);
	kill_close(p, fd, at.path);
}

/* Made if it is not there, without O_EXCL. */
static void op_open_create(struct kill_proc *p)
{
	struct kill_place at = kill_pick_place(p);
	struct kill_node *n = &p->nodes[at.node];
	unsigned file;
	int fd;

	if (at.node && n->type != KILL_FILE && n->type != KILL_DIR)
		return;
	file = at.node ? n->file : kill_new_file(p, 0600);
	if (!kill_free_node(p) || file == KILL_FILES)
		return;
	fd = (int)KILL_DO(
		p, at.node && n->type == KILL_DIR ? EISDIR : 0, at.path,
		openat(p->dir, at.path, O_CREAT | O_RDWR | O_CLOEXEC, 0600));
	if (fd < 0)
		return;
	if (!at.node)
		kill_add_node(p, &at,
			      (struct kill_node){ .type = KILL_FILE,
						  .file = (uint16_t)file });
	kill_check_bytes(p, fd, &p->files[file], at.path);
	kill_close(p, fd, at.path);
}

/* After a name was made or not: it is there as the model has it now. */
static void look_again(struct kill_proc *p, const struct kill_place *at)
{
	struct kill_place now = *at;

	now.node = 0;
	for (unsigned n = 1; n < KILL_NODES; n++)
		if (p->nodes[n].used && p->nodes[n].parent == at->parent &&
		    !strcmp(p->nodes[n].name, at->name))
			now.node = n;
	if (!p->broken)
		kill_look(p, &now);
}

static int make_dir(struct kill_proc *p, const char *path, uint32_t mode)
{
	return mkdirat(p->dir, path, mode);
}

static int make_link(struct kill_proc *p, const char *path, uint32_t mode)
{
	char target[64];

	kill_target(target, sizeof(target), mode);
	return symlinkat(target, p->dir, path);
}

static int make_fifo(struct kill_proc *p, const char *path, uint32_t mode)
{
	return mknodat(p->dir, path, S_IFIFO | mode, 0);
}

static int make_file(struct kill_proc *p, const char *path, uint32_t mode)
{
	return mknodat(p->dir, path, S_IFREG | mode, 0);
}

static const struct {
	enum kill_type type;
	uint32_t mode;
	int (*make)(struct kill_proc *p, const char *path, uint32_t mode);
} kinds[] = {
	{ KILL_DIR, 0751, make_dir },	{ KILL_DIR, 0755, make_dir },
	{ KILL_DIR, 0700, make_dir },	{ KILL_LINK, 1, make_link },
	{ KILL_LINK, 777, make_link },	{ KILL_FIFO, 0604, make_fifo },
	{ KILL_FILE, 0644, make_file },
};

static void op_make(struct kill_proc *p)
{
	unsigned k = kill_random(p, sizeof(kinds) / sizeof(kinds[0]));
	struct kill_place at = kill_pick_place(p);
	struct kill_node n = { .type = (uint8_t)kinds[k].type,
			       .mode = kinds[k].mode };
	unsigned file = kill_new_file(p, n.mode);

	n.file = (uint16_t)file;
	if (!kill_free_node(p) || file == KILL_FILES)
		return;
	if (KILL_DO(p, at.node ? EEXIST : 0, at.path,
		    kinds[k].make(p, at.path, n.mode)) >= 0)
		kill_add_node(p, &at, n);
	look_again(p, &at);
}

static void op_link(struct kill_proc *p)
{
	struct kill_place from = kill_place_of(p, kill_pick(p, KILL_FILE));
	struct kill_place at = kill_pick_place(p);
	struct kill_node n = p->nodes[from.node];

	if (!from.node || !kill_free_node(p))
		return;
	if (KILL_DO(p, at.node ? EEXIST : 0, at.path,
		    linkat(p->dir, from.path, p->dir, at.path, 0)) >= 0)
		kill_add_node(p, &at, n);
	look_again(p, &from);
	look_again(p, &at);
}

static void op_unlink(struct kill_proc *p)
{
	struct kill_place at =
		kill_chance(p, 3) ? kill_pick_place(p)
				  : kill_place_of(p, kill_pick(p, KILL_FILE));
	const struct kill_node *n = &p->nodes[at.node];
	int want = at.node ? (n->type == KILL_DIR ? EISDIR : 0) : ENOENT;

	if (!at.name[0])
		return;
	if (KILL_DO(p, want, at.path, unlinkat(p->dir, at.path, 0)) >= 0)
		kill_drop_node(p, at.node);
	look_again(p, &at);
}

static void op_rmdir(struct kill_proc *p)
{
	struct kill_place at =
		kill_chance(p, 3) ? kill_pick_place(p)
				  : kill_place_of(p, kill_pick(p, KILL_DIR));
	const struct kill_node *n = &p->nodes[at.node];
	int want = 0;

	if (!at.name[0])
		return;
	if (!at.node)
		want = ENOENT;
	else if (n->type != KILL_DIR)
		want = ENOTDIR;
	else if (kill_has_children(p, at.node))
		want = ENOTEMPTY;
	if (KILL_DO(p, want, at.path,
		    unlinkat(p->dir, at.path, AT_REMOVEDIR)) >= 0)
		kill_drop_node(p, at.node);
	look_again(p, &at);
}

/* What a rename onto something else than itself comes to. */
static int rename_onto(const struct kill_proc *p, unsigned from, unsigned to)
{
	bool dir = p->nodes[from].type == KILL_DIR;
	bool onto_dir = p->nodes[to].type == KILL_DIR;

	if (dir && !onto_dir)
		return ENOTDIR;
	if (!dir && onto_dir)
		return EISDIR;
	return dir && kill_has_children(p, to) ? ENOTEMPTY : 0;
}

static int rename_outcome(const struct kill_proc *p,
			  const struct kill_place *from,
			  const struct kill_place *to, unsigned flags)
{
	if (!from->node)
		return ENOENT;
	if ((flags & RENAME_NOREPLACE) && to->node)
		return EEXIST;
	if ((flags & RENAME_EXCHANGE) && !to->node)
		return ENOENT;
	if (kill_is_below(p, to->parent, from->node))
		return EINVAL;
	if (to->node && kill_is_below(p, from->parent, to->node))
		return (flags & RENAME_EXCHANGE) ? EINVAL : ENOTEMPTY;
	if (flags || !to->node || from->node == to->node)
		return 0;
	return rename_onto(p, from->node, to->node);
}

/* Two names of one file: nothing happens, and both stay. */
static bool same_file(const struct kill_proc *p, unsigned a, unsigned b)
{
	return a && b && p->nodes[a].type == KILL_FILE &&
	       p->nodes[b].type == KILL_FILE &&
	       p->nodes[a].file == p->nodes[b].file;
}

static void move(struct kill_node *n, const struct kill_place *to)
{
	n->parent = (uint16_t)to->parent;
	memcpy(n->name, to->name, sizeof(n->name));
}

static void renamed(struct kill_proc *p, const struct kill_place *from,
		    const struct kill_place *to, unsigned flags)
{
	if (from->node == to->node || same_file(p, from->node, to->node))
		return;
	if (flags & RENAME_EXCHANGE)
		move(&p->nodes[to->node], from);
	else if (to->node)
		kill_drop_node(p, to->node);
	move(&p->nodes[from->node], to);
}

/*
 * Where the one lies below the other the kernel's own order of looking decides
 * between two errors: those are asked for by a plain rename only.
 */
static bool is_clear(const struct kill_proc *p, const struct kill_place *from,
		     const struct kill_place *to)
{
	return !from->node ||
	       (!kill_is_below(p, to->parent, from->node) &&
		!(to->node && kill_is_below(p, from->parent, to->node)));
}

static void op_rename(struct kill_proc *p)
{
	static const unsigned kinds_of[] = { 0, 0, 0, RENAME_NOREPLACE,
					     RENAME_EXCHANGE };
	unsigned flags = kinds_of[kill_random(p, 5)];
	struct kill_place from =
		kill_chance(p, 8) ? kill_pick_place(p)
				  : kill_place_of(p, kill_pick(p, KILL_ANY));
	struct kill_place to = kill_pick_place(p);

	if (!from.name[0])
		return;
	if (!is_clear(p, &from, &to))
		flags = 0;
	if (KILL_DO(p, rename_outcome(p, &from, &to, flags), from.path,
		    renameat2(p->dir, from.path, p->dir, to.path, flags)) >= 0)
		renamed(p, &from, &to, flags);
	/* with the names they had: paths of both may lead elsewhere now */
	if (is_clear(p, &from, &to)) {
		look_again(p, &from);
		look_again(p, &to);
	}
}

static void op_look(struct kill_proc *p)
{
	struct kill_place at = kill_pick_place(p);

	kill_look(p, &at);
}

const struct kill_op kill_names_ops[] = {
	{ "create", 12, op_create }, { "open-create", 4, op_open_create },
	{ "make", 10, op_make },     { "link", 6, op_link },
	{ "unlink", 8, op_unlink },  { "rmdir", 6, op_rmdir },
	{ "rename", 14, op_rename }, { "look", 6, op_look },
	{ NULL, 0, NULL },
};
