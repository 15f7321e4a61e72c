/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/program.h"

#include <stdio.h>
#include <string.h>

#define MAX_DEPTH 8

/* The names from the root down to parent/name; their number, or 0. */
static unsigned names_down(struct overlay *o, struct inode *parent,
			   const char *name,
			   char names[MAX_DEPTH][ITABLE_NAME_MAX + 1])
{
	uint32_t x = itable_index(o->inodes, parent);
	unsigned n = MAX_DEPTH;

	snprintf(names[--n], ITABLE_NAME_MAX + 1, "%s", name);
	while (x != ITABLE_ROOT) {
		OVERLAY_PIN(p, o);
		struct itable_view v;

		p.inode = itable_get_index(o->inodes, x);
		if (!p.inode || n == 0)
			return 0;
		itable_view(o->inodes, p.inode, &v);
		itable_view_name(&v, names[--n]);
		x = v.parent;
		if (!x)
			return 0;
	}
	return MAX_DEPTH - n;
}

/* Is `tree` ("/a/b", up to ':') exactly these names? */
static bool tree_is(const char *tree, char (*names)[ITABLE_NAME_MAX + 1],
		    unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		size_t len = strlen(names[i]);

		while (*tree == '/')
			tree++;
		if (strncmp(tree, names[i], len) != 0)
			return false;
		tree += len;
		if (*tree != '/' && *tree != ':' && *tree != '\0')
			return false;
	}
	while (*tree == '/')
		tree++;
	return *tree == ':' || *tree == '\0';
}

static unsigned deepest(const char *trees)
{
	unsigned depth = 0, most = 0;

	for (const char *p = trees; *p; p++) {
		if (*p == ':')
			depth = 0;
		else if (*p != '/' && (p == trees || p[-1] == '/'))
			most = ++depth > most ? depth : most;
	}
	return most;
}

bool program_covers(struct overlay *o, struct inode *parent, const char *name)
{
	const char *trees = o->opts->program ? o->opts->program
					     : PROGRAM_DEFAULT;
	char names[MAX_DEPTH][ITABLE_NAME_MAX + 1];
	unsigned n;

	if (itable_flags(o->inodes, parent) & INODE_PROGRAM)
		return true;
	if (itable_index(o->inodes, parent) != ITABLE_ROOT &&
	    deepest(trees) < 2)
		return false;
	n = names_down(o, parent, name, names);
	for (const char *t = trees; n && t; t = strchr(t, ':')) {
		t += *t == ':';
		if (tree_is(t, names + MAX_DEPTH - n, n))
			return true;
	}
	return false;
}
