/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/dirlayer.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#include "fs/absent.h"
#include "fs/base/cleanup.h"
#include "fs/base/fdio.h"
#include "fs/base/xattrio.h"
#include "fs/xattrs.h"

#define WH_PREFIX ".wh."
#define WH_LEN 4
#define WH_OPAQUE ".wh..wh..opq"

struct dirlayer {
	struct layer pub;
	int rootfd;
	bool handles;  /* the filesystem has usable file handles */
	bool wh_names; /* .wh.X is a whiteout of X */
	bool bottom;   /* nothing lies below */
	bool records;  /* it was an upper once: inodes may have records */
	struct absent *absent; /* NULL: it changes */
	struct fdcache *fds;
};

struct dirlayer_handle {
	struct file_handle h;
	unsigned char bytes[REF_BYTES];
};

static struct dirlayer *dl(const struct layer *l)
{
	return (struct dirlayer *)l;
}

/* Refs. */

static int pin(struct dirlayer *d, int fd, uint64_t ino, struct ref *out)
{
	*out = (struct ref){ .layer = d->pub.index, .type = REF_PINNED };
	out->len = sizeof(ino);
	memcpy(out->bytes, &ino, sizeof(ino));
	out->fd = fd;
	return 0;
}

static int handle_of(struct dirlayer *d, int dirfd, const char *name, int flags,
		     struct ref *out)
{
	struct dirlayer_handle h;
	int mount_id;

	h.h.handle_bytes = REF_BYTES;
	if (name_to_handle_at(dirfd, name, &h.h, &mount_id, flags) < 0)
		return -errno;
	*out = (struct ref){ .layer = d->pub.index, .fd = -1 };
	out->len = (uint8_t)h.h.handle_bytes;
	out->type = (uint16_t)h.h.handle_type;
	memcpy(out->bytes, h.bytes, out->len);
	return 0;
}

int dirlayer_ref_fd(struct layer *l, int fd, uint64_t ino, struct ref *out)
{
	int dup_fd;

	if (dl(l)->handles)
		return handle_of(dl(l), fd, "", AT_EMPTY_PATH, out);
	dup_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	return dup_fd < 0 ? -errno : pin(dl(l), dup_fd, ino, out);
}

int dirlayer_ref_at(struct layer *l, int dirfd, const char *name, uint64_t ino,
		    struct ref *out)
{
	int fd;

	if (dl(l)->handles)
		return handle_of(dl(l), dirfd, name, 0, out);
	fd = fdio_openat(dirfd, name, O_PATH, 0);
	return fd < 0 ? fd : pin(dl(l), fd, ino, out);
}

void dirlayer_ref_close(struct ref *r)
{
	if (r->type == REF_PINNED && r->fd >= 0)
		close(r->fd);
	r->fd = -1;
}

static int open_ref(struct layer *l, const struct ref *r, int flags)
{
	struct dirlayer_handle h;
	int fd;

	if (r->type == REF_PINNED)
		return fdio_reopen(r->fd, flags);
	h.h.handle_bytes = r->len;
	h.h.handle_type = r->type;
	memcpy(h.bytes, r->bytes, r->len);
	fd = open_by_handle_at(dl(l)->rootfd, &h.h, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int dirlayer_dir(struct layer *l, const struct ref *dir,
		 struct fdcache_ent **out)
{
	struct fdcache_ent *e = fdcache_get(dl(l)->fds, dir);
	int fd;

	if (!e) {
		fd = open_ref(l, dir, O_RDONLY | O_DIRECTORY);
		if (fd < 0)
			return fd;
		e = fdcache_add(dl(l)->fds, dir, fd);
		if (!e)
			return -ENOMEM;
	}
	*out = e;
	return 0;
}

/* A directory borrowed for one scope. */
struct borrowed {
	struct fdcache *fds;
	struct fdcache_ent *ent;
};

static void borrowed_end(struct borrowed *b)
{
	fdcache_put(b->fds, b->ent);
}

#define BORROWED(name, l)                                                      \
	_cleanup_(borrowed_end) struct borrowed name = { .fds = dl(l)->fds }

/* Whiteouts. */

static bool is_wh_name(const struct dirlayer *d, const char *name)
{
	return d->wh_names && strncmp(name, WH_PREFIX, WH_LEN) == 0;
}

/* Does `.wh.NAME` stand in the directory? A name too long for it: no. */
static int has_wh_name(int dirfd, const char *name)
{
	char wh[NAME_MAX + 1];

	if (strlen(name) > NAME_MAX - WH_LEN)
		return 0;
	snprintf(wh, sizeof(wh), WH_PREFIX "%s", name);
	return fdio_exists(dirfd, wh);
}

/* In either form that is an inode: 1, 0 or -errno. */
static int is_whiteout(int dirfd, const char *name, const struct stat *st)
{
	ssize_t n;

	if (dirlayer_is_whiteout(st))
		return 1;
	if (!S_ISREG(st->st_mode) || st->st_size != 0)
		return 0;
	n = xattrs_private_getat(dirfd, name, XATTRS_WHITEOUT, NULL, 0);
	if (n >= 0)
		return 1;
	return n == -ENODATA || n == -EOPNOTSUPP ? 0 : (int)n;
}

/* Links that stand in an index alone, or in nothing but it, are counted so. */
static void count_links(const struct xattrs_record *rec, struct stat *st)
{
	if (rec->indexed && !S_ISDIR(st->st_mode))
		st->st_nlink = (nlink_t)((long)st->st_nlink + rec->link_delta);
}

int dirlayer_stat(struct layer *l, int fd, struct stat *st)
{
	struct xattrs_record rec;
	int r = fdio_stat(fd, st);

	if (r < 0 || !dl(l)->records)
		return r;
	r = xattrs_record_get(fd, &rec);
	if (r > 0)
		count_links(&rec, st);
	return r < 0 ? r : 0;
}

/* What a former upper remembers of the inode, where this is one. */
static int read_record(struct dirlayer *d, int dirfd, const char *name,
		       struct layer_entry *e)
{
	struct xattrs_record rec;
	int r;

	e->ino = layer_ino(&d->pub, e->st.st_ino);
	e->metacopy = e->recorded = false;
	if (!d->records)
		return 0;
	r = xattrs_record_getat(dirfd, name, &rec);
	if (r <= 0)
		return r;
	count_links(&rec, &e->st);
	if (rec.ino)
		e->ino = rec.ino;
	e->recorded = rec.ino != 0;
	e->metacopy = rec.metacopy && S_ISREG(e->st.st_mode);
	return 0;
}

/* The contract's functions. */

static int lookup(struct layer *l, const struct ref *dir, const char *name,
		  struct layer_entry *out)
{
	struct dirlayer *d = dl(l);
	struct layer_entry e;
	BORROWED(b, l);
	int r;

	if (d->absent && absent_knows(d->absent, dir, name))
		return -ENOENT;
	r = dirlayer_dir(l, dir, &b.ent);
	if (r < 0)
		return r;
	if (is_wh_name(d, name))
		return -ENOENT;
	r = fdio_statat(b.ent->fd, name, &e.st);
	if (r == -ENOENT && d->wh_names && !d->bottom) {
		r = has_wh_name(b.ent->fd, name);
		r = r > 0 ? -ENODATA : r < 0 ? r : -ENOENT;
	}
	if (r == -ENOENT && d->absent)
		absent_note(d->absent, dir, name);
	if (r < 0)
		return r;
	r = is_whiteout(b.ent->fd, name, &e.st);
	if (r != 0)
		return r < 0 ? r : -ENODATA;
	r = read_record(d, b.ent->fd, name, &e);
	if (r == 0)
		r = dirlayer_ref_at(l, b.ent->fd, name, e.st.st_ino, &e.ref);
	if (r < 0)
		return r;
	*out = e;
	return 0;
}

static int root(struct layer *l, struct layer_entry *out)
{
	struct layer_entry e;
	int r = fdio_stat(dl(l)->rootfd, &e.st);

	if (r == 0)
		r = dirlayer_ref_fd(l, dl(l)->rootfd, e.st.st_ino, &e.ref);
	if (r < 0)
		return r;
	e.ino = layer_ino(l, e.st.st_ino);
	e.metacopy = e.recorded = false;
	*out = e;
	return 0;
}

static int marks(struct layer *l, const struct ref *dir,
		 struct layer_marks *out)
{
	BORROWED(b, l);
	int r = dirlayer_dir(l, dir, &b.ent), wh_opaque = 0;

	if (r < 0)
		return r;
	if (dl(l)->wh_names) {
		wh_opaque = fdio_exists(b.ent->fd, WH_OPAQUE);
		if (wh_opaque < 0)
			return wh_opaque;
	}
	r = xattrs_marks_get(b.ent->fd, out);
	if (r == 0 && wh_opaque)
		out->opaque = true;
	return r;
}

struct listing {
	struct dirlayer *d;
	int fd;
	bool xattr_whiteouts;
	bool records;
	layer_emit_fn emit;
	void *ctx;
};

/* `name` is what `.wh.` stood before. */
static int list_wh_name(struct listing *li, const char *name)
{
	int r;

	if (!*name || is_wh_name(li->d, name))
		return 0;
	r = fdio_exists(li->fd, name);
	if (r != 0)
		return r < 0 ? r : 0;
	return li->emit(li->ctx, name, 0, LAYER_DT_WHITEOUT);
}

/* A type that only the inode tells. */
static int true_type(struct listing *li, const char *name, unsigned *type)
{
	struct stat st;
	int r;

	if (*type != DT_UNKNOWN && *type != DT_CHR &&
	    (*type != DT_REG || !li->xattr_whiteouts))
		return 0;
	r = fdio_statat(li->fd, name, &st);
	if (r == 0)
		r = is_whiteout(li->fd, name, &st);
	if (r >= 0)
		*type = r ? LAYER_DT_WHITEOUT : IFTODT(st.st_mode);
	return r < 0 ? r : 0;
}

static int list_one(struct listing *li, const struct dirent *de)
{
	const char *name = de->d_name;
	unsigned type = de->d_type;
	struct xattrs_record rec = { .ino = 0 };
	uint64_t ino = layer_ino(&li->d->pub, de->d_ino);
	int r;

	if (name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2])))
		return 0;
	if (is_wh_name(li->d, name))
		return list_wh_name(li, name + WH_LEN);
	r = true_type(li, name, &type);
	if (r == 0 && li->records)
		r = xattrs_record_getat(li->fd, name, &rec);
	if (r < 0)
		return r == -ENOENT ? 0 : r; /* gone meanwhile */
	return li->emit(li->ctx, name, rec.ino ? rec.ino : ino, type);
}

/* What must be known of the directory before its names are. */
static int list_marks(struct listing *li)
{
	int r = xattrs_has_whiteouts(li->fd);

	if (r < 0)
		return r;
	li->xattr_whiteouts = r;
	r = li->d->records ? xattrs_private_has(li->fd, XATTRS_IMPURE) : 0;
	if (r < 0)
		return r;
	li->records = r;
	return 0;
}

static int list(struct layer *l, const struct ref *dir, layer_emit_fn emit,
		void *ctx)
{
	_cleanup_closedir_ DIR *dirp = NULL;
	struct listing li = { .d = dl(l), .emit = emit, .ctx = ctx };
	int r;

	li.fd = open_ref(l, dir, O_RDONLY | O_DIRECTORY);
	r = fdio_opendir(li.fd, &dirp);
	if (r == 0)
		r = list_marks(&li);
	while (r == 0) {
		struct dirent *de;

		errno = 0;
		de = readdir(dirp);
		if (!de)
			return -errno;
		r = list_one(&li, de);
	}
	return r;
}

static int stat_ref(struct layer *l, const struct ref *r, struct stat *st)
{
	_cleanup_close_ int fd = -1;
	BORROWED(dir, l);

	if (r->type == REF_PINNED)
		return dirlayer_stat(l, r->fd, st);
	/* After each change in a directory the kernel asks for it. */
	dir.ent = fdcache_get(dir.fds, r);
	if (dir.ent)
		return dirlayer_stat(l, dir.ent->fd, st);
	fd = open_ref(l, r, O_PATH);
	return fd < 0 ? fd : dirlayer_stat(l, fd, st);
}

static int redirect(struct layer *l, const struct ref *r, char *path)
{
	_cleanup_close_ int fd = open_ref(l, r, O_PATH);
	ssize_t n;

	if (fd < 0)
		return fd;
	n = xattrs_private_get(fd, XATTRS_REDIRECT, path, PATH_MAX - 1);
	if (n < 0)
		return (int)n;
	path[n] = '\0';
	return xattrs_redirect_ok(path) ? 0 : -EUCLEAN;
}

static void layer_free(struct layer *l)
{
	if (!l)
		return;
	close(dl(l)->rootfd);
	absent_free(dl(l)->absent);
	free(l);
}

int dirlayer_rootfd(const struct layer *l)
{
	return dl(l)->rootfd;
}

static const struct layer_ops dirlayer_ops = {
	.root = root,
	.lookup = lookup,
	.marks = marks,
	.list = list,
	.stat = stat_ref,
	.redirect = redirect,
	.open = open_ref,
	.rootfd = dirlayer_rootfd,
	.free = layer_free,
};

/* Opening. */

/* A read-only view of the tree that leaves access times alone. */
static int open_tree_private(int dirfd, const char *path)
{
	struct mount_attr attr = {
		.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOATIME,
		.attr_clr = MOUNT_ATTR__ATIME,
	};
	_cleanup_close_ int tree = -1;

	tree = (int)syscall(SYS_open_tree, dirfd, path,
			    OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC |
				    AT_EMPTY_PATH);
	if (tree < 0 || syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH,
				&attr, sizeof(attr)) < 0)
		return -errno;
	return fdio_openat(tree, ".", O_RDONLY | O_DIRECTORY, 0);
}

int dirlayer_private(int dirfd)
{
	int fd = open_tree_private(dirfd, "");

	return fd >= 0 ? fd
		       : fdio_openat(dirfd, ".", O_RDONLY | O_DIRECTORY, 0);
}

/*
 * Are there file handles, and may we use them: 1, 0; -errno if that cannot be
 * told. FUSE's lead to nothing once the kernel has forgotten the inode. An
 * index was named after what it was when it was made.
 */
static int handles_work(struct dirlayer *d)
{
	static const int no[] = { -EOPNOTSUPP, -EOVERFLOW, -ENOSYS, -EPERM,
				  -EACCES,     -EINVAL,	   -ESTALE };
	struct ref ref = REF_NONE;
	struct statfs fs;
	int r = fstatfs(d->rootfd, &fs) < 0 ? -errno : 0;

	if (r == 0 && fs.f_type == FUSE_SUPER_MAGIC)
		return 0;
	if (r == 0)
		r = handle_of(d, d->rootfd, "", AT_EMPTY_PATH, &ref);
	if (r == 0)
		r = open_ref(&d->pub, &ref, O_PATH);
	if (r >= 0) {
		close(r);
		return 1;
	}
	for (unsigned i = 0; i < ARRAY_SIZE(no); i++) {
		if (r == no[i])
			return 0;
	}
	return r;
}

static int open_lower(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int tree;

	if (fd < 0)
		return -errno;
	tree = open_tree_private(AT_FDCWD, path);
	return tree >= 0 ? tree : TAKE_FD(fd);
}

/* What its root says of the whole layer. */
static int read_root(struct dirlayer *d)
{
	int marked = xattrs_is_marked(d->rootfd);
	int impure = xattrs_private_has(d->rootfd, XATTRS_IMPURE);
	int handles = handles_work(d);

	if (marked < 0 || impure < 0)
		return marked < 0 ? marked : impure;
	if (handles < 0)
		return handles;
	d->handles = handles;
	d->wh_names = !marked;
	d->records = d->pub.index != REF_UPPER && (marked || impure);
	return 0;
}

int dirlayer_new(struct layer **out, const struct dirlayer_config *cfg,
		 char *err, size_t errlen)
{
	struct dirlayer *d = calloc(1, sizeof(*d));
	int r;

	if (!d)
		return -ENOMEM;
	d->pub.ops = &dirlayer_ops;
	d->pub.own_fd = -1;
	d->pub.index = cfg->index;
	d->pub.fsidx = cfg->fsidx;
	d->fds = cfg->fds;
	r = cfg->path ? open_lower(cfg->path) : cfg->rootfd;
	/* Without memory for it all is looked up. */
	if (cfg->index != REF_UPPER)
		d->absent = absent_new();
	if (r >= 0) {
		d->rootfd = r;
		r = read_root(d);
		if (r < 0 && cfg->path)
			close(d->rootfd);
	}
	if (r < 0) {
		snprintf(err, errlen, "lower directory '%s': %s",
			 cfg->path ? cfg->path : "", strerror(-r));
		absent_free(d->absent);
		free(d);
		return r;
	}
	*out = &d->pub;
	return 0;
}

void dirlayer_set_bottom(struct layer *l)
{
	dl(l)->bottom = true;
}

bool dirlayer_wh_names(const struct layer *l)
{
	return dl(l)->wh_names;
}

void dirlayer_set_wh_names(struct layer *l, bool on)
{
	dl(l)->wh_names = on;
}
