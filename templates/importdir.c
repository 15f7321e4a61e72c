/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "templates/importdir.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "fs/base/cleanup.h"
#include "fs/base/fdio.h"
#include "fs/base/u64map.h"
#include "fs/base/xattrio.h"
#include "templates/treepath.h"

/*
 * Directories yet to be read stand on a stack, by path below the root, so that
 * any depth takes no descriptors. All is opened beneath the root and through
 * no symlink, first as O_PATH: what was looked at is what is read.
 */

#define BUFFER (256u * 1024u)

struct walk {
	struct import *im;
	int root;
	const char *name;
	struct strbuf stack; /* of: path, NUL, tree's number */
	struct u64map links; /* source's inode -> tree's number */
	struct node_xattrs xattrs;
	struct strbuf sorted;
	uint8_t buffer[BUFFER];
};

static int failed(struct walk *w, int r, const char *path)
{
	return why_sys(w->im->why, r, "%s/%s", w->name, path);
}

static int push(struct walk *w, const char *path, uint64_t dir)
{
	strbuf_add(&w->stack, path, strlen(path) + 1);
	return strbuf_add(&w->stack, &dir, sizeof(dir));
}

static bool pop(struct walk *w, struct strbuf *path, uint64_t *dir)
{
	const char *s = strbuf_get(&w->stack);
	size_t end = w->stack.len, at;

	if (!end)
		return false;
	end -= sizeof(*dir);
	memcpy(dir, s + end, sizeof(*dir));
	for (at = end - 1; at > 0 && s[at - 1]; at--)
		;
	/* what is before ends in a zero byte: no number is so large */
	strbuf_clear(path);
	strbuf_puts(path, s + at);
	strbuf_truncate(&w->stack, at);
	return true;
}

/* ---- one inode ----------------------------------------------------------- */

static int get_xattrs(struct walk *w, int fd, struct node *n, const char *path)
{
	_cleanup_free_ char *names = NULL;
	ssize_t len = xattrio_dup(fd, NULL, &names);
	int r = 0;

	node_xattrs_clear(&w->xattrs);
	if (len == -EOPNOTSUPP)
		len = 0;
	for (char *name = names; r == 0 && len > 0 && name < names + len;
	     name += strlen(name) + 1) {
		_cleanup_free_ char *value = NULL;
		ssize_t size = xattrio_dup(fd, name, &value);

		if (size < 0)
			return (int)size;
		r = importpriv_xattr(w->im, &w->xattrs, name, value,
				     (size_t)size, path);
	}
	if (len < 0 || r < 0)
		return len < 0 ? (int)len : r;
	r = node_xattrs_sort(&w->xattrs, &w->sorted);
	n->xattrs = (const uint8_t *)strbuf_get(&w->sorted);
	n->xattrs_len = (uint32_t)w->sorted.len;
	return r;
}

static void from_stat(struct node *n, const struct stat *st)
{
	*n = (struct node){
		.mode = st->st_mode,
		.uid = st->st_uid,
		.gid = st->st_gid,
		.mtime = st->st_mtim,
		.atime = st->st_atim,
		.ctime = st->st_ctim,
	};
	if (S_ISREG(st->st_mode) || S_ISLNK(st->st_mode))
		n->size = (uint64_t)st->st_size;
	if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode)) {
		n->rdev_major = major(st->st_rdev);
		n->rdev_minor = minor(st->st_rdev);
	}
}

/*
 * The next data from *off on and where it ends; -ENXIO: none. A filesystem
 * that cannot tell has data only.
 */
static int next_extent(int fd, uint64_t size, uint64_t *off, uint64_t *end)
{
	off_t data = lseek(fd, (off_t)*off, SEEK_DATA), hole;

	if (data < 0 && errno == ENXIO)
		return -ENXIO;
	hole = data < 0 ? -1 : lseek(fd, data, SEEK_HOLE);
	if (data > 0)
		*off = (uint64_t)data;
	*end = hole < 0 || (uint64_t)hole > size ? size : (uint64_t)hole;
	return *off < size ? 0 : -ENXIO;
}

static int put_piece(struct walk *w, int fd, uint64_t off, size_t len)
{
	ssize_t n = fdio_pread_full(fd, w->buffer, len, (off_t)off);
	int r;

	if (n < 0)
		return (int)n;
	if ((size_t)n < len)
		return -EAGAIN;
	r = importpriv_data(w->im, off, w->buffer, len);
	return r < 0 ? r : importpriv_read(w->im, len);
}

static int put_extents(struct walk *w, int fd, uint64_t size)
{
	uint64_t off = 0, end = 0;
	int r;

	while (off < size) {
		size_t len;

		if (off >= end) {
			r = next_extent(fd, size, &off, &end);
			if (r < 0)
				return r == -ENXIO ? 0 : r;
		}
		len = end - off < BUFFER ? (size_t)(end - off) : BUFFER;
		r = put_piece(w, fd, off, len);
		if (r < 0)
			return r;
		off += len;
	}
	return 0;
}

static int put_data(struct walk *w, int path_fd, uint64_t ino,
		    const struct stat *st, const char *path)
{
	_cleanup_close_ int fd = fdio_reopen(path_fd, O_RDONLY | O_NOATIME);
	bool sparse = (uint64_t)st->st_blocks * 512 < (uint64_t)st->st_size;
	int r;

	if (fd == -EPERM)
		fd = fdio_reopen(path_fd, O_RDONLY);
	if (fd < 0)
		return failed(w, fd, path);
	r = importpriv_begin(w->im, ino, sparse);
	if (r == 0)
		r = put_extents(w, fd, (uint64_t)st->st_size);
	if (r == -EAGAIN)
		return why_set(w->im->why, r,
			       "%s/%s became shorter while it was read",
			       w->name, path);
	if (r < 0)
		return failed(w, r, path);
	return importpriv_end(w->im, (uint64_t)st->st_size);
}

static uint64_t link_key(const struct stat *st)
{
	return (st->st_ino ^ st->st_dev * 0x9e3779b97f4a7c15u) & INT64_MAX;
}

/* An inode that has other names: 1 when it is in the tree already. */
static int link_again(struct walk *w, uint64_t dir, const char *name,
		      const struct stat *st)
{
	uint64_t *ino = u64map_find(&w->links, link_key(st));
	int r;

	if (!ino)
		return 0;
	r = tree_link_at(w->im->tree, dir, name, *ino);
	return r < 0 ? r : 1;
}

static int remember(struct walk *w, const struct stat *st, uint64_t ino)
{
	uint64_t *at = u64map_at(&w->links, link_key(st));

	if (!at)
		return -ENOMEM;
	*at = ino;
	return 0;
}

static int put_inode(struct walk *w, uint64_t dir, int fd, const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	char target[PATH_MAX];
	struct node n;
	struct stat st;
	uint64_t ino;
	int r = fdio_stat(fd, &st);

	if (r < 0)
		return failed(w, r, path);
	if (st.st_nlink > 1 && !S_ISDIR(st.st_mode)) {
		r = link_again(w, dir, name, &st);
		if (r)
			return r < 0 ? r : 0;
	}
	from_stat(&n, &st);
	if (S_ISLNK(st.st_mode)) {
		ssize_t len = readlinkat(fd, "", target, sizeof(target));

		if (len < 0)
			return failed(w, -errno, path);
		n.target = target;
		n.target_len = (uint32_t)len;
		n.size = (uint64_t)len;
	}
	r = get_xattrs(w, fd, &n, path);
	if (r < 0)
		return failed(w, r, path);
	r = *name ? tree_add_at(w->im->tree, dir, name, &n, &ino)
		  : treepath_add(w->im->tree, "", &n, &ino);
	if (r == 0 && st.st_nlink > 1 && !S_ISDIR(st.st_mode))
		r = remember(w, &st, ino);
	if (r == 0 && S_ISREG(st.st_mode))
		r = put_data(w, fd, ino, &st, path);
	if (r == 0 && S_ISDIR(st.st_mode))
		r = push(w, path, ino);
	return r == 0 ? importpriv_entry(w->im) : r;
}

/* ---- directories --------------------------------------------------------- */

static int put_name(struct walk *w, DIR *d, uint64_t dir, struct strbuf *path,
		    const char *name)
{
	_cleanup_close_ int fd = -1;
	size_t len = path->len;
	int r;

	fd = fdio_openat(dirfd(d), name, O_PATH, 0);
	if (fd == -EXDEV) {
		importpriv_warn(w->im,
				"%s/%s/%s is another filesystem's: "
				"left empty",
				w->name, strbuf_get(path), name);
		fd = openat(dirfd(d), name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0)
			fd = -errno;
	}
	if (len)
		strbuf_putc(path, '/');
	r = strbuf_puts(path, name);
	if (r == 0)
		r = fd < 0 ? failed(w, fd, strbuf_get(path))
			   : put_inode(w, dir, fd, strbuf_get(path));
	strbuf_truncate(path, len);
	return r;
}

static int read_dir(struct walk *w, uint64_t dir, struct strbuf *path)
{
	const char *at = path->len ? strbuf_get(path) : ".";
	_cleanup_closedir_ DIR *d = NULL;
	struct dirent *e;
	int fd, r;

	fd = fdio_open_beneath(w->root, at, O_RDONLY | O_DIRECTORY | O_NOATIME);
	/* another's, and we are not root */
	if (fd == -EPERM)
		fd = fdio_open_beneath(w->root, at, O_RDONLY | O_DIRECTORY);
	if (fd == -EXDEV)
		return 0;
	r = fdio_opendir(fd, &d);
	if (r < 0)
		return failed(w, r, strbuf_get(path));
	for (errno = 0; (e = readdir(d)); errno = 0) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		r = put_name(w, d, dir, path, e->d_name);
		if (r < 0)
			return r;
	}
	return errno ? failed(w, -errno, strbuf_get(path)) : 0;
}

int importdir_read(struct import *im, int root, const char *name)
{
	_cleanup_strbuf_ struct strbuf path = STRBUF_INIT;
	struct walk *w = calloc(1, sizeof(*w));
	uint64_t dir = NODE_ROOT;
	int r;

	if (!w)
		return -ENOMEM;
	w->im = im;
	w->root = root;
	w->name = name;
	r = put_inode(w, 0, root, "");
	while (r == 0 && pop(w, &path, &dir))
		r = read_dir(w, dir, &path);
	u64map_free(&w->links);
	node_xattrs_free(&w->xattrs);
	strbuf_free(&w->sorted);
	strbuf_free(&w->stack);
	free(w);
	return r;
}
