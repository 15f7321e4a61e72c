/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/lowerpath.h"

#include <limits.h>
#include <stdio.h>

#include "fs/base/cleanup.h"
#include "fs/base/strbuf.h"
#include "fs/base/xattrio.h"
#include "fs/dirlayer.h"
#include "fs/xattrs.h"

/* The next component into `name`; the rest, or NULL at the end. */
static const char *component(const char *p, char name[NAME_MAX + 1])
{
	size_t n = 0;

	while (*p == '/')
		p++;
	while (p[n] && p[n] != '/')
		n++;
	if (n == 0)
		return NULL;
	/* Longer than any name: let it be one that cannot exist. */
	if (n > NAME_MAX) {
		memset(name, '/', NAME_MAX);
		name[NAME_MAX] = '\0';
		return p + n;
	}
	memcpy(name, p, n);
	name[n] = '\0';
	return p + n;
}

static bool is_dot(const char *name)
{
	return !strcmp(name, ".") || !strcmp(name, "..");
}

/* *redirect: what the directory is called further down, or NULL. */
static int step(struct layer *l, struct layer_entry *at, const char *name,
		bool *stop, char **redirect)
{
	struct layer_entry next;
	struct layer_marks m = { .opaque = false };
	int r;

	if (is_dot(name) || name[0] == '/' || !S_ISDIR(at->st.st_mode))
		return -ENOENT;
	r = l->ops->lookup(l, &at->ref, name, &next);
	if (r == -ENODATA) {
		*stop = true;
		return -ENOENT;
	}
	if (r < 0)
		return r;
	dirlayer_ref_close(&at->ref);
	*at = next;
	if (!S_ISDIR(next.st.st_mode))
		return 0;
	r = l->ops->marks(l, &next.ref, &m);
	/* A path from the roots leads out of what hides the rest. */
	if (r == 0 && m.redirect && m.redirect[0] == '/')
		*stop = false;
	if (r == 0 && m.opaque)
		*stop = true;
	*redirect = m.redirect;
	return r;
}

/* Follow a redirect in the path that the layers further down are asked for. */
static void rename_last(struct strbuf *b, const char *redirect)
{
	const char *slash = strrchr(strbuf_get(b), '/');

	if (redirect[0] == '/')
		strbuf_clear(b);
	else if (slash)
		strbuf_truncate(b, (size_t)(slash + 1 - strbuf_get(b)));
	strbuf_puts(b, redirect);
}

int lowerpath_walk(struct layer *l, const char *path, struct layer_entry *out,
		   struct lowerpath_below *below)
{
	_cleanup_(strbuf_free) struct strbuf b = STRBUF_INIT;
	_cleanup_free_ char *redirect = NULL;
	struct layer_entry at;
	char name[NAME_MAX + 1];
	bool renamed = false;
	int r = l->ops->root(l, &at);

	if (r < 0)
		return r;
	while (r == 0 && (path = component(path, name)) != NULL) {
		if (redirect) {
			rename_last(&b, redirect);
			renamed = true;
			free(TAKE_PTR(redirect));
		}
		strbuf_addf(&b, "/%s", name);
		r = step(l, &at, name, &below->stop, &redirect);
	}
	if (r == -ENOENT && path)
		strbuf_puts(&b, path);
	if (renamed && (r == 0 || r == -ENOENT)) {
		if (strbuf_error(&b) < 0) {
			r = r == 0 ? -ENOMEM : r;
		} else {
			free(below->path);
			below->path = strbuf_take(&b);
		}
	}
	if (r < 0) {
		dirlayer_ref_close(&at.ref);
		return r;
	}
	*out = at;
	return 0;
}

/* What the inode is called below: its redirect, else its name. */
static int own_part(struct overlay *o, const struct itable_view *v,
		    char buf[PATH_MAX])
{
	OVERLAY_DIR(d, o);
	ssize_t n;
	int r;

	itable_view_name(v, buf);
	if (!(v->flags & INODE_REDIRECT))
		return 0;
	r = overlay_upper_dir(o, v, &d.ent);
	if (r < 0)
		return r;
	n = xattrs_private_get(d.ent->fd, XATTRS_REDIRECT, buf, PATH_MAX - 1);
	if (n < 0)
		return (int)n;
	buf[n] = '\0';
	return 0;
}

int lowerpath_of(struct overlay *o, struct inode *i, char **out)
{
	_cleanup_free_ char *path = strdup("");
	struct itable_view v;
	char part[PATH_MAX];
	uint32_t x = itable_index(o->inodes, i);

	while (path && x && x != ITABLE_ROOT) {
		OVERLAY_PIN(p, o);
		char *longer;
		int r;

		p.inode = itable_get_index(o->inodes, x);
		if (!p.inode)
			return -ESTALE;
		itable_view(o->inodes, p.inode, &v);
		r = own_part(o, &v, part);
		if (r < 0)
			return r;
		if (asprintf(&longer, "%s%s%s", part[0] == '/' ? "" : "/", part,
			     path) < 0)
			return -ENOMEM;
		free(path);
		path = longer;
		if (part[0] == '/')
			break;
		x = v.parent;
	}
	if (!path)
		return -ENOMEM;
	*out = TAKE_PTR(path);
	return 0;
}

void lowerpath_replace_last(char **path, const char *name)
{
	char *slash = strrchr(*path, '/'), *fresh;

	if (asprintf(&fresh, "%.*s/%s", (int)(slash ? slash - *path : 0), *path,
		     name) < 0)
		return;
	free(*path);
	*path = fresh;
}
