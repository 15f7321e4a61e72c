/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "templates/export.h"

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <fcntl.h>
#include <locale.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "fs/base/cleanup.h"
#include "fs/base/fdio.h"
#include "fs/base/u64map.h"
#include "templates/paxacl.h"

/*
 * Depth first, names in order. What is to come stands on a stack, the next on
 * top: path, NUL, number. The first path of an inode with several names is
 * kept in `paths`, at the offset (plus one) that `first` has for its number.
 */

#define BUFFER (256u * 1024u)
#define SOCKET_XATTR "trusted.vefs.socket"

struct export
{
	struct object_pool pool;
	struct index *x;
	int fd;
	bool failed; /* nothing more is written, no end mark above all */
	struct archive *a;
	struct archive_entry *e;
	struct why *why;
	const struct export_options *options;
	struct strbuf stack, names, paths;
	struct u64map first;
	uint64_t entries, bytes;
	uint8_t buffer[BUFFER], zeros[BUFFER];
};

static int failed(struct export *x, const char *path)
{
	int e = archive_errno(x->a);

	return why_set(x->why, e > 0 ? -e : -EIO, "writing '%s': %s", path,
		       archive_error_string(x->a) ? archive_error_string(x->a)
						  : "unknown error");
}

/* ---- the header ---------------------------------------------------------- */

static int set_xattrs(struct export *x, const struct node *n)
{
	struct node_xattr at;
	char name[NODE_XATTR_NAME_MAX + 1];
	size_t pos = 0;
	int r = 0;

	while (r == 0 && node_xattr_next(n, &pos, &at)) {
		if (at.name_len > NODE_XATTR_NAME_MAX)
			return -EUCLEAN;
		memcpy(name, at.name, at.name_len);
		name[at.name_len] = '\0';
		if (!strcmp(name, PAXACL_ACCESS) ||
		    !strcmp(name, PAXACL_DEFAULT))
			r = paxacl_set(x->e, !strcmp(name, PAXACL_ACCESS),
				       at.value, at.value_len);
		else
			archive_entry_xattr_add_entry(x->e, name, at.value,
						      at.value_len);
	}
	if (S_ISSOCK(n->mode))
		archive_entry_xattr_add_entry(x->e, SOCKET_XATTR, "", 0);
	return r;
}

static void set_mtime(struct export *x, const struct node *n)
{
	time_t s = n->mtime.tv_sec;
	long ns = n->mtime.tv_nsec;

	/*
	 * libarchive writes the seconds, a point and the fraction: before 1970
	 * the fraction counts the other way. (-0.x it cannot write at all.)
	 */
	if (s < 0 && ns > 0) {
		s++;
		ns = 1000000000 - ns;
	}
	archive_entry_set_mtime(x->e, s, ns);
}

static int set_header(struct export *x, const struct node *n, const char *path)
{
	char target[NODE_TARGET_MAX + 1];
	uint32_t mode = n->mode;

	archive_entry_clear(x->e);
	archive_entry_copy_pathname(x->e, path);
	if (S_ISSOCK(mode))
		mode = (mode & 07777) | S_IFIFO;
	archive_entry_set_mode(x->e, mode);
	archive_entry_set_uid(x->e, n->uid);
	archive_entry_set_gid(x->e, n->gid);
	set_mtime(x, n);
	archive_entry_set_size(x->e, S_ISREG(mode) ? (la_int64_t)n->size : 0);
	if (S_ISCHR(mode) || S_ISBLK(mode)) {
		archive_entry_set_rdevmajor(x->e, n->rdev_major);
		archive_entry_set_rdevminor(x->e, n->rdev_minor);
	}
	if (S_ISLNK(mode)) {
		memcpy(target, n->target, n->target_len);
		target[n->target_len] = '\0';
		archive_entry_copy_symlink(x->e, target);
	}
	return set_xattrs(x, n);
}

/* Tell of the holes, so that they come as none. */
static int set_sparse(struct export *x, int fd, uint64_t size)
{
	off_t data = 0, hole;

	while ((uint64_t)data < size) {
		data = lseek(fd, data, SEEK_DATA);
		if (data < 0 || (uint64_t)data >= size)
			break;
		hole = lseek(fd, data, SEEK_HOLE);
		if (hole < 0)
			return -errno;
		if ((uint64_t)hole > size)
			hole = (off_t)size;
		archive_entry_sparse_add_entry(x->e, data, hole - data);
		data = hole;
	}
	/* nothing but a hole: a piece of no length at the end says so */
	if (archive_entry_sparse_count(x->e) == 0)
		archive_entry_sparse_add_entry(x->e, (la_int64_t)size, 0);
	return 0;
}

/* ---- data ---------------------------------------------------------------- */

static int put_hole(struct export *x, uint64_t len, const char *path)
{
	while (len > 0) {
		size_t n = len < BUFFER ? (size_t)len : BUFFER;

		if (archive_write_data(x->a, x->zeros, n) < 0)
			return failed(x, path);
		len -= n;
	}
	return 0;
}

static int put_data(struct export *x, int fd, uint64_t size, const char *path)
{
	uint64_t off = 0;

	while (off < size) {
		off_t data = lseek(fd, (off_t)off, SEEK_DATA);
		uint64_t next = data < 0 ? size : (uint64_t)data;
		ssize_t n;
		int r;

		if (data < 0 && errno != ENXIO)
			next = off;
		r = put_hole(x, next - off, path);
		if (r < 0)
			return r;
		off = next;
		if (off >= size)
			break;
		n = fdio_pread_full(fd, x->buffer,
				    size - off < BUFFER ? (size_t)(size - off)
							: BUFFER,
				    (off_t)off);
		if (n <= 0)
			return why_sys(x->why, n < 0 ? (int)n : -EUCLEAN,
				       "the object of '%s'", path);
		if (archive_write_data(x->a, x->buffer, (size_t)n) < 0)
			return failed(x, path);
		off += (uint64_t)n;
		x->bytes += (uint64_t)n;
	}
	return 0;
}

static int put_file(struct export *x, const struct node *n, const char *path)
{
	_cleanup_close_ int fd = object_open(&x->pool, &n->object, O_RDONLY);
	struct stat st;
	int r = 0;

	if (fd < 0 || fstat(fd, &st) < 0)
		return why_sys(x->why, fd < 0 ? fd : -errno,
			       "the object of '%s'", path);
	if ((uint64_t)st.st_size != n->size)
		return why_set(x->why, -EUCLEAN,
			       "the object of '%s' has another size: 'vefs "
			       "template verify' shows what is hit",
			       path);
	if ((uint64_t)st.st_blocks * 512 < n->size)
		r = set_sparse(x, fd, n->size);
	if (r < 0)
		return why_sys(x->why, r, "the object of '%s'", path);
	if (archive_write_header(x->a, x->e) < ARCHIVE_WARN)
		return failed(x, path);
	return put_data(x, fd, n->size, path);
}

/* ---- the walk ------------------------------------------------------------ */

static int push(struct export *x, const char *path, uint64_t ino)
{
	strbuf_add(&x->stack, path, strlen(path) + 1);
	return strbuf_add(&x->stack, &ino, sizeof(ino));
}

static bool pop(struct export *x, struct strbuf *path, uint64_t *ino)
{
	const char *s = strbuf_get(&x->stack);
	size_t end = x->stack.len, at;

	if (!end)
		return false;
	end -= sizeof(*ino);
	memcpy(ino, s + end, sizeof(*ino));
	/* what is before ends in a zero byte: no number is so large */
	for (at = end - 1; at > 0 && s[at - 1]; at--)
		;
	strbuf_clear(path);
	strbuf_puts(path, s + at);
	strbuf_truncate(&x->stack, at);
	return strbuf_error(path) == 0;
}

/* Children as they come: number, name, and the name's length behind it. */
static int gather_one(void *ctx, const char *name, size_t len,
		      const struct node_dirent *d)
{
	struct strbuf *b = &((struct export *)ctx)->names;

	strbuf_add(b, &d->ino, sizeof(d->ino));
	strbuf_add(b, name, len);
	return strbuf_putc(b, (char)len);
}

/* Onto the stack, the last first. */
static int push_children(struct export *x, uint64_t dir, struct strbuf *path)
{
	size_t len = path->len, end;
	int r;

	strbuf_clear(&x->names);
	r = index_list(x->x, dir, NULL, 0, gather_one, x);
	for (end = x->names.len; r == 0 && end > 0;) {
		const char *s = strbuf_get(&x->names);
		size_t n = (unsigned char)s[end - 1];
		uint64_t ino;

		end -= 1 + n;
		strbuf_add(path, s + end, n);
		end -= sizeof(ino);
		memcpy(&ino, s + end, sizeof(ino));
		r = push(x, strbuf_get(path), ino);
		strbuf_truncate(path, len);
	}
	return r < 0 ? r : strbuf_error(path);
}

/* 1: the entry is written, as another name of one that came before. */
static int put_link(struct export *x, uint64_t ino, const struct node *n,
		    const char *path)
{
	uint64_t *at = u64map_at(&x->first, ino);

	if (!at)
		return -ENOMEM;
	if (!*at) {
		*at = x->paths.len + 1;
		return strbuf_add(&x->paths, path, strlen(path) + 1);
	}
	archive_entry_clear(x->e);
	archive_entry_copy_pathname(x->e, path);
	archive_entry_set_mode(x->e, n->mode);
	archive_entry_set_uid(x->e, n->uid);
	archive_entry_set_gid(x->e, n->gid);
	set_mtime(x, n);
	archive_entry_set_size(x->e, 0);
	archive_entry_copy_hardlink(x->e, strbuf_get(&x->paths) + *at - 1);
	if (archive_write_header(x->a, x->e) < ARCHIVE_WARN)
		return failed(x, path);
	return 1;
}

static int put_one(struct export *x, uint64_t ino, struct strbuf *path)
{
	const char *p = strbuf_get(path);
	struct node n;
	int r = index_node(x->x, ino, &n);

	if (r < 0)
		return why_sys(x->why, -EUCLEAN, "the inode of '%s'", p);
	if (n.nlink > 1 && !S_ISDIR(n.mode)) {
		r = put_link(x, ino, &n, p);
		if (r)
			return r < 0 ? r : 0;
	}
	if (S_ISDIR(n.mode) && strbuf_putc(path, '/'))
		return -ENOMEM;
	p = strbuf_get(path);
	r = set_header(x, &n, p);
	if (r < 0)
		return why_sys(x->why, r, "attributes of '%s'", p);
	if (S_ISREG(n.mode))
		return put_file(x, &n, p);
	if (archive_write_header(x->a, x->e) < ARCHIVE_WARN)
		return failed(x, p);
	return S_ISDIR(n.mode) ? push_children(x, ino, path) : 0;
}

static int walk(struct export *x)
{
	_cleanup_strbuf_ struct strbuf path = STRBUF_INIT;
	uint64_t ino;
	int r = push(x, ".", NODE_ROOT);

	while (r == 0 && pop(x, &path, &ino)) {
		r = put_one(x, ino, &path);
		x->entries++;
		if (r == 0 && x->options && x->options->progress &&
		    x->options->progress(x->options->ctx, x->entries, x->bytes))
			r = why_set(x->why, -ECANCELED, "cancelled");
	}
	return r;
}

static la_ssize_t on_write(struct archive *a, void *ctx, const void *data,
			   size_t len)
{
	struct export *x = ctx;
	ssize_t n = -1;

	if (x->failed)
		return -1;
	do
		n = write(x->fd, data, len);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		archive_set_error(a, errno, "%s", strerror(errno));
	return n;
}

static int run(struct export *x)
{
	int r;

	x->a = archive_write_new();
	x->e = archive_entry_new();
	if (!x->a || !x->e)
		return -ENOMEM;
	archive_write_set_format_pax(x->a);
	/* once, in the form that all know */
	archive_write_set_options(x->a, "pax:xattrheader=SCHILY");
	archive_write_add_filter_none(x->a);
	archive_write_set_bytes_per_block(x->a, 256 * 1024);
	archive_write_set_bytes_in_last_block(x->a, 10240);
	if (archive_write_open(x->a, x, NULL, on_write, NULL) != ARCHIVE_OK)
		return failed(x, "the archive");
	r = walk(x);
	if (r == 0 && archive_write_close(x->a) != ARCHIVE_OK)
		r = failed(x, "the end");
	return r;
}

int export_tar(struct catalog *c, struct index *x, int fd,
	       const struct export_options *o, struct why *why)
{
	locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
	locale_t old = uselocale(utf8);
	struct export *ex = calloc(1, sizeof(*ex));
	int r = -ENOMEM;

	if (ex) {
		ex->pool = catalog_pool(c);
		ex->x = x;
		ex->why = why;
		ex->options = o;
		ex->fd = fd;
		r = run(ex);
		ex->failed = r < 0;
		/* it frees its buffer only when it is closed */
		if (ex->a)
			archive_write_close(ex->a);
		archive_write_free(ex->a);
		archive_entry_free(ex->e);
		strbuf_free(&ex->stack);
		strbuf_free(&ex->names);
		strbuf_free(&ex->paths);
		u64map_free(&ex->first);
		free(ex);
	}
	uselocale(old);
	if (utf8)
		freelocale(utf8);
	return r < 0 ? why_sys(why, r, "export") : 0;
}
