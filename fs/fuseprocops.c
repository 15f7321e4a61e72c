/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/fuseprocops.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "fs/base/cleanup.h"
#include "fs/base/clock.h"
#include "fs/fuseproctext.h"
#include "fs/proc/proctext.h"

#define MAX_WRITE 4096u
#define NAMES_TTL 1e9
#define OPEN_MAX 4096u /* images at a time; each costs its text */

static struct fuseproc_mount *mount_of(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

/* Attributes. */

/* Is this file one of this mount's own? */
static bool is_served(const struct fuseproc_mount *m,
		      const struct procfiles_node *node)
{
	return (node->row->kind == PROCFILES_OPENED) ==
	       (m->kind == FUSEPROC_OPENED);
}

/* A text that is kept, whose size is the file's. */
static bool has_image(const struct fuseproc_mount *m,
		      const struct procfiles_node *node)
{
	return node->row && !node->per_cpu && is_served(m, node) &&
	       m->kind == FUSEPROC_SHARED;
}

/* `known`: its size as it was known last, nothing is read for it. */
static int fill(struct fuseproc_mount *m, const struct procfiles_node *node,
		bool known, struct stat *st)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	struct fuseproc_image *i;
	int r;

	*st = (struct stat){ .st_ino = node->ino,
			     .st_uid = m->s->cfg->uid,
			     .st_gid = m->s->cfg->gid,
			     .st_mode = S_IFDIR | 0555,
			     .st_nlink = 2,
			     .st_blksize = 4096 };
	st->st_mtim.tv_sec = (time_t)m->s->begun;
	if (!node->row) {
		st->st_ctim = st->st_atim = st->st_mtim;
		return 0;
	}
	st->st_mode = S_IFREG | node->row->mode;
	st->st_nlink = 1;
	if (!is_served(m, node)) {
		/* empty */
	} else if (m->kind == FUSEPROC_OPENED) {
		/* not known before; as sysfs has it. For what is empty
		 * sendfile(2) would not even ask. */
		st->st_size = 4096;
	} else if (node->per_cpu) {
		r = fuseproctext_render(m->s, node, 0, &text);
		if (r < 0)
			return r;
		st->st_size = (off_t)text.len;
		st->st_mtim.tv_nsec = fuseproctext_cpus(m->s);
	} else {
		i = &m->image[node->index];
		r = known ? 0 : fuseproctext_get(m, node, true, &i);
		if (r < 0)
			return r;
		st->st_size = (off_t)i->text.len;
		st->st_mtim = i->changed;
	}
	st->st_ctim = st->st_atim = st->st_mtim;
	return 0;
}

/* Seconds that the kernel may believe this. */
static double ttl_of(const struct procfiles_node *node)
{
	if (!node->row)
		return node->per_cpu ? 1 : NAMES_TTL;
	return node->row->kind == PROCFILES_OPENED ? NAMES_TTL
						   : node->row->ttl / 1000.0;
}

/* Operations. */

static void op_init(void *userdata, struct fuse_conn_info *conn)
{
	struct fuseproc_mount *m = userdata;

	conn->want = 0;
	conn->want_ext = 0;
	fuse_set_feature_flag(conn, FUSE_CAP_ASYNC_READ);
	if (m->kind == FUSEPROC_SHARED)
		fuse_set_feature_flag(conn, FUSE_CAP_AUTO_INVAL_DATA);
	conn->max_write = MAX_WRITE;
	conn->time_gran = 1;
	m->ready = true;
}

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fuseproc_mount *m = mount_of(req);
	struct fuse_entry_param e = { .entry_timeout = 1 };
	struct procfiles_node node;
	int r;

	if (!procfiles_lookup(parent, name, fuseproctext_cpus(m->s), &node) ||
	    !fuseproctext_is_there(m->s, &node)) {
		fuse_reply_entry(req, &e);
		return;
	}
	r = fill(m, &node, true, &e.attr);
	if (r < 0) {
		fuse_reply_err(req, -r);
		return;
	}
	e.ino = node.ino;
	/* Who only binds it does not want to know: who does asks at once. */
	e.attr_timeout = has_image(m, &node) ? 0 : ttl_of(&node);
	e.entry_timeout = node.per_cpu ? 1 : NAMES_TTL;
	fuse_reply_entry(req, &e);
}

static void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t n)
{
	(void)ino;
	(void)n;
	fuse_reply_none(req);
}

/* An inode of a request; false: answered. */
static bool find(fuse_req_t req, fuse_ino_t ino, struct procfiles_node *node)
{
	if (procfiles_get(ino, fuseproctext_cpus(mount_of(req)->s), node))
		return true;
	fuse_reply_err(req, ESTALE);
	return false;
}

static void op_getattr(fuse_req_t req, fuse_ino_t ino,
		       struct fuse_file_info *fi)
{
	struct procfiles_node node;
	struct stat st;
	int r;

	(void)fi;
	if (!find(req, ino, &node))
		return;
	r = fill(mount_of(req), &node, false, &st);
	if (r < 0)
		fuse_reply_err(req, -r);
	else
		fuse_reply_attr(req, &st, ttl_of(&node));
}

static void reply_part(fuse_req_t req, const struct strbuf *text, size_t size,
		       off_t off)
{
	size_t at = (size_t)off;

	if (off < 0 || at >= text->len)
		fuse_reply_buf(req, NULL, 0);
	else
		fuse_reply_buf(req, strbuf_get(text) + at,
			       proctext_min(size, text->len - at));
}

/* Opening. */

static struct fuseproc_opening *find_opening(struct fuseproc_mount *m,
					     uint64_t fh)
{
	struct fuseproc_opening *o = m->openings;

	while (o && o->fh != fh)
		o = o->next;
	return o;
}

static struct fuseproc_opening *add_opening(struct fuseproc_mount *m,
					    uint64_t fh)
{
	struct fuseproc_opening *o;

	if (m->n_openings >= OPEN_MAX)
		return NULL;
	o = calloc(1, sizeof(*o));
	if (!o)
		return NULL;
	o->fh = fh;
	o->next = m->openings;
	m->openings = o;
	m->n_openings++;
	return o;
}

static void drop_opening(struct fuseproc_mount *m, uint64_t fh)
{
	struct fuseproc_opening **at = &m->openings, *o;

	while (*at && (*at)->fh != fh)
		at = &(*at)->next;
	o = *at;
	if (!o)
		return;
	*at = o->next;
	m->n_openings--;
	strbuf_free(&o->image.text);
	free(o);
}

static int fill_opening(fuse_req_t req, const struct procfiles_node *node,
			struct fuseproc_opening *o)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	int r = fuseproctext_render(mount_of(req)->s, node,
				    fuse_req_ctx(req)->pid, &text);

	if (r == 0)
		fuseproctext_set(&o->image, &text);
	o->image.was_read = false;
	return r;
}

static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct fuseproc_mount *m = mount_of(req);
	struct procfiles_node node;
	struct fuseproc_opening *o;
	int r;

	if (m->kind == FUSEPROC_SHARED) {
		/* never asked again */
		fuse_reply_err(req, ENOSYS);
		return;
	}
	if (!find(req, ino, &node))
		return;
	if ((fi->flags & O_ACCMODE) != O_RDONLY) {
		fuse_reply_err(req, EACCES);
		return;
	}
	fi->direct_io = 1;
	fi->noflush = 1;
	fi->fh = m->next_fh++;
	if (!node.row || !is_served(m, &node)) {
		fuse_reply_open(req, fi);
		return;
	}
	o = add_opening(m, fi->fh);
	r = o ? fill_opening(req, &node, o) : -ENFILE;
	m->expects = r == 0;
	if (r < 0 || fuse_reply_open(req, fi) != 0)
		drop_opening(m, fi->fh);
	if (r < 0)
		fuse_reply_err(req, -r);
}

static void op_release(fuse_req_t req, fuse_ino_t ino,
		       struct fuse_file_info *fi)
{
	(void)ino;
	drop_opening(mount_of(req), fi->fh);
	fuse_reply_err(req, 0);
}

static void read_opened(fuse_req_t req, const struct procfiles_node *node,
			size_t size, off_t off, uint64_t fh)
{
	struct fuseproc_mount *m = mount_of(req);
	struct fuseproc_opening *o = find_opening(m, fh);
	int r = 0;

	/* As with the kernel's own: who begins again reads what is now. */
	if (o && off == 0 && o->image.was_read) {
		r = fill_opening(req, node, o);
	} else if (!o) {
		o = add_opening(m, fh);
		r = o ? fill_opening(req, node, o) : -ENFILE;
	}
	if (r < 0) {
		fuse_reply_err(req, -r);
		return;
	}
	o->image.was_read = true;
	m->expects = (size_t)off < o->image.text.len;
	reply_part(req, &o->image.text, size, off);
}

static void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		    struct fuse_file_info *fi)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	struct fuseproc_mount *m = mount_of(req);
	struct procfiles_node node;
	struct fuseproc_image *i;
	int r;

	if (!find(req, ino, &node))
		return;
	if (!node.row) {
		fuse_reply_err(req, EISDIR);
	} else if (!is_served(m, &node)) {
		fuse_reply_buf(req, NULL, 0);
	} else if (m->kind == FUSEPROC_OPENED && !fi->lock_owner) {
		/* For the cache of pages, of which there is one for all
		 * openings: who uses sendfile(2) has to read. */
		fuse_reply_err(req, EINVAL);
	} else if (m->kind == FUSEPROC_OPENED) {
		read_opened(req, &node, size, off, fi->fh);
	} else if (node.per_cpu) {
		r = fuseproctext_render(m->s, &node, 0, &text);
		if (r < 0)
			fuse_reply_err(req, -r);
		else
			reply_part(req, &text, size, off);
	} else {
		r = fuseproctext_get(m, &node, false, &i);
		if (r < 0)
			fuse_reply_err(req, -r);
		else
			reply_part(req, &i->text, size, off);
	}
}

static void op_write(fuse_req_t req, fuse_ino_t ino, const char *buf,
		     size_t size, off_t off, struct fuse_file_info *fi)
{
	(void)ino;
	(void)buf;
	(void)size;
	(void)off;
	(void)fi;
	fuse_reply_err(req, EACCES);
}

static void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr,
		       int valid, struct fuse_file_info *fi)
{
	(void)ino;
	(void)attr;
	(void)valid;
	(void)fi;
	fuse_reply_err(req, EACCES);
}

/* What would change a directory: each kind of request has its own arguments. */

static void op_create(fuse_req_t req, fuse_ino_t parent, const char *name,
		      mode_t mode, struct fuse_file_info *fi)
{
	(void)parent;
	(void)name;
	(void)mode;
	(void)fi;
	fuse_reply_err(req, EACCES);
}

static void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name,
		     mode_t mode, dev_t rdev)
{
	(void)rdev;
	op_create(req, parent, name, mode, NULL);
}

static void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name,
		     mode_t mode)
{
	op_create(req, parent, name, mode, NULL);
}

static void op_remove(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	op_create(req, parent, name, 0, NULL);
}

static void op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent,
		       const char *name)
{
	(void)target;
	op_create(req, parent, name, 0, NULL);
}

static void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent,
		    const char *name)
{
	(void)ino;
	op_create(req, parent, name, 0, NULL);
}

static void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name,
		      fuse_ino_t to, const char *new_name, unsigned flags)
{
	(void)to;
	(void)new_name;
	(void)flags;
	op_create(req, parent, name, 0, NULL);
}

static void op_opendir(fuse_req_t req, fuse_ino_t ino,
		       struct fuse_file_info *fi)
{
	(void)ino;
	(void)fi;
	fuse_reply_err(req, ENOSYS);
}

/* The place in a listing: 0 and 1 are "." and "..", others + 2. */
static void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		       struct fuse_file_info *fi)
{
	struct fuseproc_mount *m = mount_of(req);
	_cleanup_free_ char *buf = malloc(size);
	uint32_t n = fuseproctext_cpus(m->s);
	size_t used = 0;

	(void)fi;
	if (!buf) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	for (;;) {
		char name[PROCFILES_NAME_MAX];
		struct stat st = { .st_mode = S_IFDIR, .st_ino = ino };
		struct procfiles_node node;
		uint64_t at = off >= 2 ? (uint64_t)off - 2 : 0;
		size_t room;

		if (off < 2) {
			snprintf(name, sizeof(name), "%s", off ? ".." : ".");
			off++;
		} else if (procfiles_next(ino, &at, n, name, &node)) {
			off = (off_t)at + 2;
			if (!fuseproctext_is_there(m->s, &node))
				continue;
			st.st_ino = node.ino;
			st.st_mode = node.row ? S_IFREG : S_IFDIR;
		} else {
			break;
		}
		room = fuse_add_direntry(req, buf + used, size - used, name,
					 &st, off);
		if (room > size - used)
			break;
		used += room;
	}
	fuse_reply_buf(req, buf, used);
}

static void op_statfs(fuse_req_t req, fuse_ino_t ino)
{
	const struct statvfs st = { .f_bsize = 4096,
				    .f_frsize = 4096,
				    .f_namemax = PROCFILES_NAME_MAX };

	(void)ino;
	fuse_reply_statfs(req, &st);
}

const struct fuse_lowlevel_ops fuseprocops = {
	.init = op_init,
	.lookup = op_lookup,
	.forget = op_forget,
	.getattr = op_getattr,
	.setattr = op_setattr,
	.open = op_open,
	.create = op_create,
	.mknod = op_mknod,
	.mkdir = op_mkdir,
	.unlink = op_remove,
	.rmdir = op_remove,
	.symlink = op_symlink,
	.link = op_link,
	.rename = op_rename,
	.read = op_read,
	.write = op_write,
	.release = op_release,
	.opendir = op_opendir,
	.readdir = op_readdir,
	.statfs = op_statfs,
};

void fuseprocops_free(struct fuseproc_mount *m)
{
	while (m->openings)
		drop_opening(m, m->openings->fh);
	for (unsigned i = 0; m->image && i < m->s->n_rows; i++)
		strbuf_free(&m->image[i].text);
	free(m->image);
	m->image = NULL;
}
