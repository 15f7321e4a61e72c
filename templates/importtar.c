/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "templates/importtar.h"

#include <archive.h>
#include <archive_entry.h>
#include <locale.h>
#include <nettle/sha2.h>
#include <string.h>

#include "fs/base/cleanup.h"
#include "templates/paxacl.h"
#include "templates/tarstream.h"
#include "templates/treepath.h"

/*
 * Names come out of libarchive by way of the thread's locale. It is "C" while
 * we read: what is not ASCII cannot be converted to that, and libarchive then
 * leaves the bytes as they are. In a UTF-8 locale it would compose accents,
 * and two names might become one.
 *
 * A tar without the end mark was cut off: libarchive would not say so, if it
 * was cut between two entries.
 */

#define BUFFER (256u * 1024u)
#define BLOCK 512
#define WHITEOUT ".wh."
#define OPAQUE ".wh..wh..opq"
/* A fifo with this attribute is a socket, which tar has no type for. */
#define SOCKET_XATTR "trusted.vefs.socket"

/* ---- one entry ----------------------------------------------------------- */

/* What a node borrows. */
struct scratch {
	struct node_xattrs xattrs;
	struct strbuf name, sorted, acl;
	bool has_access, has_default; /* ACLs that came as attributes */
};

static int get_acl(struct import *im, struct archive_entry *e, bool access,
		   struct node *n, struct scratch *s)
{
	const char *path = archive_entry_pathname(e), *name = NULL;
	int r = paxacl_get(e, access, &n->mode, &s->acl, &name);

	if (r == -ENOENT || r == -EINVAL || r == -ERANGE) {
		if (access ? s->has_access : s->has_default)
			return 0;
		importpriv_warn(im, "'%s': its ACL is left out, %s%s", path,
				r == -ERANGE ? "it has an id that is too large"
				: r == -ENOENT && name
					? "nobody here is called "
					: "it makes no sense",
				r == -ENOENT && name ? name : "");
		return 0;
	}
	if (r <= 0)
		return r;
	return node_xattrs_add(&s->xattrs,
			       access ? PAXACL_ACCESS : PAXACL_DEFAULT,
			       strlen(access ? PAXACL_ACCESS : PAXACL_DEFAULT),
			       strbuf_get(&s->acl), s->acl.len);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 'a' - 'A';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/*
 * Writers hide '%', '=' and some what is not ASCII as %XX, since a pax name
 * ends at a '='. What is no such code is the name's own.
 */
static const char *plain_name(const char *name, struct strbuf *to)
{
	strbuf_clear(to);
	while (*name) {
		int high = name[0] == '%' ? hex_digit(name[1]) : -1;
		int low = high < 0 ? -1 : hex_digit(name[2]);
		bool code = low >= 0 && high + low > 0;

		strbuf_putc(to, code ? (char)(high << 4 | low) : *name);
		name += code ? 3 : 1;
	}
	return strbuf_error(to) ? NULL : strbuf_get(to);
}

static int get_xattr(struct import *im, const char *path, struct node *n,
		     const struct node_xattr *x, struct scratch *s)
{
	unsigned before = s->xattrs.count;
	int r;

	if (!strcmp(x->name, SOCKET_XATTR) && S_ISFIFO(n->mode)) {
		n->mode = (n->mode & 07777) | S_IFSOCK;
		return 0;
	}
	r = importpriv_xattr(im, &s->xattrs, x->name, x->value, x->value_len,
			     path);
	if (r < 0 || s->xattrs.count == before)
		return r;
	if (!strcmp(x->name, PAXACL_DEFAULT))
		s->has_default = true;
	if (strcmp(x->name, PAXACL_ACCESS) != 0)
		return 0;
	s->has_access = true;
	return paxacl_mask(x->value, x->value_len, &n->mode);
}

static int get_xattrs(struct import *im, struct archive_entry *e,
		      struct node *n, struct scratch *s)
{
	const char *path = archive_entry_pathname(e);
	struct node_xattr x;
	const char *name;
	size_t len;
	int r = 0;

	node_xattrs_clear(&s->xattrs);
	s->has_access = s->has_default = false;
	archive_entry_xattr_reset(e);
	while (r == 0 && archive_entry_xattr_next(e, &name, &x.value, &len) ==
				 ARCHIVE_OK) {
		x.name = plain_name(name, &s->name);
		x.value_len = (uint32_t)len;
		r = x.name ? get_xattr(im, path, n, &x, s) : -ENOMEM;
	}
	if (r == 0 && !S_ISLNK(n->mode))
		r = get_acl(im, e, true, n, s);
	if (r == 0 && S_ISDIR(n->mode))
		r = get_acl(im, e, false, n, s);
	if (r == 0)
		r = node_xattrs_sort(&s->xattrs, &s->sorted);
	if (r < 0)
		return why_sys(im->why, r, "attributes of '%s'", path);
	n->xattrs = (const uint8_t *)strbuf_get(&s->sorted);
	n->xattrs_len = (uint32_t)s->sorted.len;
	return 0;
}

static int get_target(struct import *im, struct archive_entry *e,
		      struct node *n)
{
	const char *target = archive_entry_symlink(e);
	size_t len = target ? strlen(target) : 0;

	if (!len || len > NODE_TARGET_MAX)
		return why_set(im->why, -EBADMSG,
			       "symlink '%s' has a target of %zu bytes",
			       archive_entry_pathname(e), len);
	n->target = target;
	n->target_len = (uint32_t)len;
	n->size = len;
	return 0;
}

static int get_ids(struct import *im, struct archive_entry *e, struct node *n)
{
	int64_t uid = archive_entry_uid(e), gid = archive_entry_gid(e);

	if (uid < 0 || gid < 0 || uid >= UINT32_MAX || gid >= UINT32_MAX)
		return why_set(im->why, -EBADMSG,
			       "'%s' belongs to %lld:%lld, which are no ids",
			       archive_entry_pathname(e), (long long)uid,
			       (long long)gid);
	n->uid = (uint32_t)uid;
	n->gid = (uint32_t)gid;
	return 0;
}

static void get_times(struct archive_entry *e, struct node *n)
{
	n->mtime = (struct timespec){ archive_entry_mtime(e),
				      archive_entry_mtime_nsec(e) };
	if (n->mtime.tv_nsec < 0 || n->mtime.tv_nsec > 999999999)
		n->mtime.tv_nsec = 0;
	/* libarchive reads "-1.25" as -1 + .25 */
	if (n->mtime.tv_sec < 0 && n->mtime.tv_nsec > 0) {
		n->mtime.tv_sec--;
		n->mtime.tv_nsec = 1000000000 - n->mtime.tv_nsec;
	}
	n->atime = n->ctime = n->mtime;
	if (archive_entry_atime_is_set(e))
		n->atime.tv_sec = archive_entry_atime(e);
	if (archive_entry_ctime_is_set(e))
		n->ctime.tv_sec = archive_entry_ctime(e);
}

static int get_node(struct import *im, struct archive_entry *e, struct node *n,
		    struct scratch *s)
{
	int r;

	memset(n, 0, sizeof(*n));
	n->mode = archive_entry_filetype(e) | (archive_entry_perm(e) & 07777);
	switch (n->mode & S_IFMT) {
	case S_IFREG:
		if (archive_entry_size(e) < 0)
			return why_set(im->why, -EBADMSG,
				       "'%s' has a negative size",
				       archive_entry_pathname(e));
		n->size = (uint64_t)archive_entry_size(e);
		break;
	case S_IFLNK:
		n->mode = S_IFLNK | 0777;
		r = get_target(im, e, n);
		if (r < 0)
			return r;
		break;
	case S_IFCHR:
	case S_IFBLK:
		n->rdev_major = (uint32_t)archive_entry_rdevmajor(e);
		n->rdev_minor = (uint32_t)archive_entry_rdevminor(e);
		break;
	case S_IFDIR:
	case S_IFIFO:
		break;
	default:
		return why_set(im->why, -EBADMSG,
			       "'%s' is of a type that is not known (%o)",
			       archive_entry_pathname(e), n->mode);
	}
	get_times(e, n);
	r = get_ids(im, e, n);
	return r < 0 ? r : get_xattrs(im, e, n, s);
}

static int put_data(struct import *im, struct tarstream *t,
		    struct archive_entry *e, uint64_t ino, const char *name)
{
	uint64_t size = (uint64_t)archive_entry_size(e);
	const void *data;
	size_t len;
	la_int64_t off;
	struct archive *a = tarstream_archive(t);
	int r = importpriv_begin(im, ino, archive_entry_sparse_count(e) > 0);

	while (r == 0) {
		int got = archive_read_data_block(a, &data, &len, &off);

		if (got == ARCHIVE_EOF)
			break;
		if (got != ARCHIVE_OK && got != ARCHIVE_WARN)
			return tarstream_failed(t);
		if (off < 0 || (uint64_t)off > size ||
		    len > size - (uint64_t)off)
			return why_set(im->why, -EBADMSG,
				       "%s is damaged: data of '%s' beyond "
				       "its end",
				       name, archive_entry_pathname(e));
		r = importpriv_data(im, (uint64_t)off, data, len);
	}
	return r < 0 ? r : importpriv_end(im, size);
}

/* The last component, with what slashes may follow it. */
static const char *last_name(const char *path)
{
	const char *last = path;

	for (const char *p = path; *p; p++)
		if (*p == '/' && p[1] && p[1] != '/')
			last = p + 1;
	return last;
}

/* In a layer: 1 when the entry is no file but a mark on those below. */
static int put_mark(struct import *im, const char *path)
{
	_cleanup_strbuf_ struct strbuf of = STRBUF_INIT;
	const char *last = last_name(path);
	int r;

	if (strncmp(last, WHITEOUT, strlen(WHITEOUT)) != 0)
		return 0;
	strbuf_add(&of, path, (size_t)(last - path));
	if (!strcmp(last, OPAQUE)) {
		r = strbuf_error(&of)
			    ? -ENOMEM
			    : treepath_opaque(im->tree, strbuf_get(&of));
		return r < 0 ? r : 1;
	}
	/* other names of that kind are a storage driver's own */
	if (!strncmp(last, ".wh..wh.", 8))
		return 1;
	last += strlen(WHITEOUT);
	/* by way of "." it would hide the directory that it lies in */
	if (!strcmp(last, ".") || !strncmp(last, "./", 2))
		return why_set(im->why, -EBADMSG, "whiteout '%s' hides nothing",
			       path);
	strbuf_puts(&of, last);
	r = strbuf_error(&of) ? -ENOMEM
			      : treepath_whiteout(im->tree, strbuf_get(&of));
	return r < 0 ? r : 1;
}

static int put_entry(struct import *im, const struct tarstream_source *src,
		     struct tarstream *t, struct archive_entry *e,
		     struct scratch *s)
{
	const char *path = archive_entry_pathname(e);
	const char *link = archive_entry_hardlink(e);
	struct node n;
	uint64_t ino = 0;
	int r;

	if (!path)
		return why_set(im->why, -EBADMSG,
			       "%s has an entry without a readable name",
			       src->name);
	r = src->layer ? put_mark(im, path) : 0;
	if (r)
		return r < 0 ? r : 0;
	if (link)
		return treepath_link(im->tree, path, link);
	r = get_node(im, e, &n, s);
	if (r == 0)
		r = treepath_add(im->tree, path, &n, &ino);
	if (r == 0 && S_ISREG(n.mode))
		r = put_data(im, t, e, ino, src->name);
	return r;
}

/* The warning that a name was left as it is, which is what we want. */
static bool is_about_names(struct archive *a)
{
	const char *text = archive_error_string(a);

	return !text || strstr(text, "can't be converted");
}

static int read_all(struct import *im, const struct tarstream_source *src,
		    struct tarstream *t, struct scratch *s)
{
	struct archive *a = tarstream_archive(t);
	struct archive_entry *e;
	la_int64_t before = 0;
	int r, got;

	for (;;) {
		got = tarstream_next(t, &e);
		if (got == ARCHIVE_EOF)
			break;
		if (got != ARCHIVE_OK && got != ARCHIVE_WARN)
			return tarstream_failed(t);
		if (got == ARCHIVE_WARN && !is_about_names(a))
			importpriv_warn(im, "%s: %s", src->name,
					archive_error_string(a));
		r = put_entry(im, src, t, e, s);
		if (r == 0)
			r = importpriv_entry(im);
		if (r < 0)
			return r;
		if (archive_read_data_skip(a) < ARCHIVE_WARN)
			return tarstream_failed(t);
		before = archive_filter_bytes(a, 0);
	}
	if (archive_filter_bytes(a, 0) < before + BLOCK && !src->layer)
		return why_set(im->why, -EBADMSG,
			       "%s is cut off: the mark at its end is missing",
			       src->name);
	return 0;
}

/* Read what is behind the archive, for the sum of all and a writer's peace. */
static int drain(struct import *im, const struct tarstream_source *src)
{
	_cleanup_free_ uint8_t *buf = malloc(BUFFER);
	ssize_t n;

	if (!buf)
		return -ENOMEM;
	while ((n = read(src->fd, buf, BUFFER)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return why_sys(im->why, -errno, "reading %s",
				       src->name);
		if (src->sum)
			sha256_update(src->sum, (size_t)n, buf);
	}
	return 0;
}

int importtar_read(struct import *im, const struct tarstream_source *s)
{
	locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
	locale_t old = uselocale(plain);
	struct scratch scratch = { 0 };
	struct tarstream *t = NULL;
	int r = tarstream_open(im, s, &t);

	if (r == 0)
		r = read_all(im, s, t, &scratch);
	tarstream_free(t);
	if (r == 0)
		r = drain(im, s);
	uselocale(old);
	if (plain)
		freelocale(plain);
	node_xattrs_free(&scratch.xattrs);
	strbuf_free(&scratch.name);
	strbuf_free(&scratch.sorted);
	strbuf_free(&scratch.acl);
	return r;
}
