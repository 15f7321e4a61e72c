/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "templates/treepath.h"

#include <dirent.h>
#include <string.h>

#include "fs/base/cleanup.h"
#include "templates/treepriv.h"

/*
 * The directory of the last path is remembered: entries come directory by
 * directory. It is forgotten when any directory is removed.
 */

#define PATH_MAX_BYTES 65536u

/* ---- paths --------------------------------------------------------------- */

/* Go down to, and keep or make, the directory `name` in *dir. */
static int enter(struct tree *t, uint64_t *dir, const char *name,
		 const char *path)
{
	struct node_dirent d;
	int r = treepriv_check_name(t, name);

	if (r < 0)
		return r;
	r = treepriv_get_name(t, *dir, name, strlen(name), &d);
	if (r == -ENOENT)
		return treepriv_add(t, *dir, name, &treepriv_implied, dir);
	if (r < 0)
		return why_sys(t->why, r, "the staging index");
	if (d.type != DT_DIR)
		return why_set(t->why, d.type == DT_LNK ? -ELOOP : -ENOTDIR,
			       "'%s' lies below '%s', which is %s", path, name,
			       d.type == DT_LNK ? "a symlink"
						: "not a directory");
	if (d.layer != t->layer) {
		d.layer = t->layer;
		r = treepriv_put_name(t, *dir, name, strlen(name), &d);
	}
	*dir = d.ino;
	return r;
}

/*
 * Split `path` into its directory, which is entered, and its last name, which
 * is left in `copy` at *name; "" for the root.
 */
static int resolve(struct tree *t, const char *path, struct strbuf *copy,
		   uint64_t *dir, char **name)
{
	static char none[] = "";
	char *part, *next, *s;
	size_t len = strlen(path);
	int r;

	*dir = NODE_ROOT;
	*name = none;
	if (path[0] == '/')
		return why_set(t->why, -EINVAL,
			       "'%s' is absolute: make the archive with names "
			       "relative to the root",
			       path);
	if (len >= PATH_MAX_BYTES)
		return why_set(t->why, -ENAMETOOLONG,
			       "a path of %zu bytes: '%.64s...'", len, path);
	r = strbuf_puts(copy, path);
	if (r < 0)
		return r;
	s = copy->s;
	*name = s + len;
	for (part = s; *part; part = next) {
		next = part + strcspn(part, "/");
		if (*next)
			*next++ = '\0';
		if (!*part || !strcmp(part, "."))
			continue;
		if (!strcmp(part, ".."))
			return why_set(t->why, -EINVAL,
				       "'%s' leads out of the tree", path);
		if (**name) {
			r = enter(t, dir, *name, path);
			if (r < 0)
				return r;
		}
		*name = part;
	}
	return 0;
}

/* Where the directory part of a path ends that names the same directory again. */
static size_t dir_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] && strcmp(slash, "/.") && strcmp(slash, "/..")
		       ? (size_t)(slash - path) + 1
		       : 0;
}

int treepath_add(struct tree *t, const char *path, const struct node *n,
		 uint64_t *ino)
{
	_cleanup_strbuf_ struct strbuf copy = STRBUF_INIT;
	size_t part = dir_part(path);
	uint64_t dir = NODE_ROOT;
	char *name;
	int r = treepriv_count(t, n);

	if (r < 0)
		return r;
	if (part && t->last_dir && t->last_path.len == part &&
	    !memcmp(strbuf_get(&t->last_path), path, part))
		return strlen(path + part) > NODE_NAME_MAX
			       ? treepriv_check_name(t, path + part)
			       : treepriv_add(t, t->last_dir, path + part, n,
					      ino);
	r = resolve(t, path, &copy, &dir, &name);
	if (r < 0)
		return r;
	if (!*name) {
		if (!S_ISDIR(n->mode))
			return why_set(t->why, -ENOTDIR,
				       "the root ('%s') is not a directory",
				       path);
		*ino = NODE_ROOT;
		return treepriv_put_node(t, NODE_ROOT, n);
	}
	r = treepriv_check_name(t, name);
	if (r == 0)
		r = treepriv_add(t, dir, name, n, ino);
	if (r == 0 && part) {
		strbuf_clear(&t->last_path);
		t->last_dir = strbuf_add(&t->last_path, path, part) < 0 ? 0
									: dir;
	}
	return r;
}

static bool leads_up(const char *path)
{
	for (const char *p = path; *p; p += strcspn(p, "/")) {
		while (*p == '/')
			p++;
		if (!strncmp(p, "..", 2) && (p[2] == '/' || !p[2]))
			return true;
	}
	return false;
}

/* Where a path leads; all zeroes before, place_free() after. */
struct place {
	uint64_t dir; /* that has it; 0: it is the root */
	const char *name;
	struct node_dirent d;
	struct strbuf text; /* private: the path in parts */
};

static void place_free(struct place *p)
{
	strbuf_free(&p->text);
}

/* Find without making anything. */
static int find(struct tree *t, const char *path, struct place *p)
{
	char *part, *next;
	int r = path[0] == '/' || leads_up(path) ? -EINVAL
						 : strbuf_puts(&p->text, path);

	p->dir = 0;
	p->name = "";
	p->d = (struct node_dirent){ .ino = NODE_ROOT, .type = DT_DIR };
	for (part = p->text.s; r == 0 && *part; part = next) {
		next = part + strcspn(part, "/");
		if (*next)
			*next++ = '\0';
		if (!*part || !strcmp(part, "."))
			continue;
		if (strlen(part) > NODE_NAME_MAX)
			return -ENOENT;
		if (p->d.type != DT_DIR)
			return -ENOENT;
		p->dir = p->d.ino;
		p->name = part;
		r = treepriv_get_name(t, p->dir, part, strlen(part), &p->d);
	}
	return r;
}

int treepath_link(struct tree *t, const char *path, const char *target)
{
	_cleanup_strbuf_ struct strbuf copy = STRBUF_INIT;
	_cleanup_(place_free) struct place to = { 0 };
	uint64_t dir = 0;
	char *name;
	int r = find(t, target, &to);

	if (r == -EINVAL)
		return why_set(t->why, r,
			       "hard link '%s' points out of the tree, to '%s'",
			       path, target);
	if (r == -ENOENT)
		return why_set(t->why, r,
			       "hard link '%s' points to '%s', which has not "
			       "come before it",
			       path, target);
	if (r < 0)
		return why_sys(t->why, r, "the staging index");
	r = treepriv_count(t, &(struct node){ 0 });
	if (r < 0)
		return r;
	r = resolve(t, path, &copy, &dir, &name);
	return r < 0 ? r : tree_link_at(t, dir, name, to.d.ino);
}

/* ---- layers -------------------------------------------------------------- */

/* `r` < 0 is the error of finding what a whiteout or the like names. */
static int not_found(struct tree *t, int r, const char *what, const char *path)
{
	return r == -EINVAL
		       ? why_set(t->why, r, "%s '%s' leads out of the tree",
				 what, path)
		       : why_sys(t->why, r, "%s '%s'", what, path);
}

int treepath_whiteout(struct tree *t, const char *path)
{
	_cleanup_(place_free) struct place p = { 0 };
	int r = find(t, path, &p);

	if (r == -ENOENT)
		return 0;
	if (r < 0 || !p.dir)
		return not_found(t, r < 0 ? r : -EINVAL, "whiteout", path);
	if (p.d.layer < t->layer)
		r = treepriv_remove_name(t, p.dir, p.name, strlen(p.name),
					 &p.d);
	else if (p.d.type == DT_DIR)
		r = treepriv_prune(t, p.d.ino);
	return r < 0 ? why_sys(t->why, r, "whiteout '%s'", path) : 0;
}

int treepath_opaque(struct tree *t, const char *path)
{
	_cleanup_(place_free) struct place p = { 0 };
	int r = find(t, path, &p);

	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return not_found(t, r, "opaque", path);
	if (p.d.type == DT_DIR)
		r = treepriv_prune(t, p.d.ino);
	return r < 0 ? why_sys(t->why, r, "opaque '%s'", path) : 0;
}
