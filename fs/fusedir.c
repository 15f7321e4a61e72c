/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/fusedir.h"

#include <limits.h>
#include <stdatomic.h>

#include "fs/base/cleanup.h"
#include "fs/dirsnap.h"
#include "fs/lookup.h"
#include "fs/misc.h"

/* One answer at most; the kernel asks again for more. */
#define LISTING_MAX 65536u

/*
 * Names with attributes in the first answer. The kernel asks for attributes at
 * the beginning of each listing, and goes on doing so if somebody used them:
 * who wants names alone shall not pay for many.
 */
#define FIRST_PLUS 32u

void fusedir_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	if (fusereq_server(req)->no_opendir) {
		fusereq_err(req, -ENOSYS); /* never asked again */
		return;
	}
	fi->fh = 0;
	fi->cache_readdir = 1;
	fi->keep_cache = 1;
	fuse_reply_open(req, fi);
}

void fusedir_releasedir(fuse_req_t req, fuse_ino_t ino,
			struct fuse_file_info *fi)
{
	(void)ino;
	(void)fi;
	fusereq_err(req, 0);
}

void fusedir_fsyncdir(fuse_req_t req, fuse_ino_t ino, int datasync,
		      struct fuse_file_info *fi)
{
	FUSEREQ_PIN(p, req, ino)

	(void)fi;
	fusereq_err(req,
		    misc_fsyncdir(fusereq_overlay(req), p.inode, datasync));
}

struct listing {
	fuse_req_t req;
	struct inode *dir;
	char *buf;
	size_t used, room;
	unsigned left; /* names more, of emit_plus() */
};

static int emit_plain(void *ctx, const struct dirsnap_entry *e)
{
	struct listing *l = ctx;
	struct stat st = { .st_ino = e->ino,
			   .st_mode = (mode_t)DTTOIF(e->type) };
	size_t n = fuse_add_direntry(l->req, l->buf + l->used,
				     l->room - l->used, e->name, &st,
				     (off_t)e->cookie);

	if (n > l->room - l->used)
		return 1;
	l->used += n;
	return 0;
}

static bool is_dots(const char *n)
{
	return n[0] == '.' && (!n[1] || (n[1] == '.' && !n[2]));
}

/* With attributes, so that no lookup follows. */
static int emit_plus(void *ctx, const struct dirsnap_entry *e)
{
	struct listing *l = ctx;
	struct overlay *o = fusereq_overlay(l->req);
	struct fuse_entry_param p = { .attr = { .st_ino = e->ino } };
	OVERLAY_PIN(found, o);
	struct stat st;
	size_t n = fuse_add_direntry_plus(l->req, NULL, 0, e->name, NULL, 0);
	int r = -ENOENT;

	if (n > l->room - l->used || l->left == 0)
		return 1;
	l->left--;
	p.attr.st_mode = (mode_t)DTTOIF(e->type);
	if (!is_dots(e->name)) {
		r = lookup_inode(o, l->dir, e->name, &found.inode, &st);
		if (r == -ENOENT)
			return 0; /* gone meanwhile */
		/* It is listed, though it cannot be looked at: rm -r finds it. */
		if (r < 0)
			dirsnap_ino(o, l->dir, e->name, &p.attr.st_ino);
	}
	if (r == 0)
		fusereq_fill(l->req, found.inode, &st, &p);
	l->used += fuse_add_direntry_plus(l->req, l->buf + l->used,
					  l->room - l->used, e->name, &p,
					  (off_t)e->cookie);
	return 0;
}

static void list(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		 bool plus)
{
	struct listing l = { .req = req };
	struct fuse_server *server;
	_cleanup_free_ char *buf = NULL;
	int r;
	FUSEREQ_PIN(dir, req, ino)

	l.room = size < LISTING_MAX ? size : LISTING_MAX;
	l.left = off == 0 ? FIRST_PLUS : UINT_MAX;
	l.dir = dir.inode;
	l.buf = buf = malloc(l.room);
	if (!buf) {
		fusereq_err(req, -ENOMEM);
		return;
	}
	atomic_fetch_add(&fusereq_server(req)->listing, 1);
	r = dirsnap_read(fusereq_overlay(req), dir.inode, (uint64_t)off, !plus,
			 plus ? emit_plus : emit_plain, &l);
	server = fusereq_server(req);
	if (r < 0 && l.used == 0)
		fusereq_err(req, r);
	else
		fuse_reply_buf(req, buf, l.used);
	atomic_fetch_sub(&server->listing, 1);
}

void fusedir_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		     struct fuse_file_info *fi)
{
	(void)fi;
	list(req, ino, size, off, false);
}

void fusedir_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
			 struct fuse_file_info *fi)
{
	(void)fi;
	list(req, ino, size, off, true);
}
