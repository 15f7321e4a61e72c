/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "templates/node.h"

#include <endian.h>
#include <string.h>
#include <sys/sysmacros.h>

/*
 * A node's bytes: struct head, name, target, attributes. An attribute's:
 * struct xattr_head, name, value. All numbers are little endian. The first
 * NODE_CANONICAL bytes, the name, the target and the attributes make the
 * version's digest.
 */
struct head {
	uint32_t mode;
	uint32_t nlink;
	uint32_t uid;
	uint32_t gid;
	uint64_t size;
	uint32_t rdev_major;
	uint32_t rdev_minor;
	int64_t mtime_s;
	uint32_t mtime_ns;
	uint32_t zero;
	uint8_t object[DIGEST_BYTES];
	/* local from here */
	int64_t atime_s;
	int64_t ctime_s;
	uint32_t atime_ns;
	uint32_t ctime_ns;
	uint64_t blocks;
	uint64_t parent;
	uint32_t suffix;
	uint32_t xattrs_len;
	uint16_t name_len;
	uint16_t target_len;
	uint32_t zero2;
} __attribute__((packed));

#define CANONICAL offsetof(struct head, atime_s)

struct xattr_head {
	uint32_t value_len;
	uint16_t name_len;
} __attribute__((packed));

#define NS_PER_S 1000000000u

static void fill_head(const struct node *n, struct head *h)
{
	*h = (struct head){
		.mode = htole32(n->mode),
		.nlink = htole32(n->nlink),
		.uid = htole32(n->uid),
		.gid = htole32(n->gid),
		.size = htole64(n->size),
		.rdev_major = htole32(n->rdev_major),
		.rdev_minor = htole32(n->rdev_minor),
		.mtime_s = (int64_t)htole64((uint64_t)n->mtime.tv_sec),
		.mtime_ns = htole32((uint32_t)n->mtime.tv_nsec),
		.atime_s = (int64_t)htole64((uint64_t)n->atime.tv_sec),
		.ctime_s = (int64_t)htole64((uint64_t)n->ctime.tv_sec),
		.atime_ns = htole32((uint32_t)n->atime.tv_nsec),
		.ctime_ns = htole32((uint32_t)n->ctime.tv_nsec),
		.blocks = htole64(n->blocks),
		.parent = htole64(n->parent),
		.suffix = htole32(n->object.suffix),
		.xattrs_len = htole32(n->xattrs_len),
		.name_len = htole16((uint16_t)n->name_len),
		.target_len = htole16((uint16_t)n->target_len),
	};
	memcpy(h->object, n->object.digest.bytes, DIGEST_BYTES);
}

int node_encode(const struct node *n, struct strbuf *out)
{
	struct head h;

	if (n->name_len > NODE_NAME_MAX || n->target_len > NODE_TARGET_MAX)
		return -E2BIG;
	fill_head(n, &h);
	strbuf_clear(out);
	strbuf_add(out, &h, sizeof(h));
	strbuf_add(out, n->name, n->name_len);
	strbuf_add(out, n->target, n->target_len);
	return strbuf_add(out, n->xattrs, n->xattrs_len);
}

static int decode_time(int64_t s, uint32_t ns, struct timespec *out)
{
	if (le32toh(ns) >= NS_PER_S)
		return -EUCLEAN;
	out->tv_sec = (int64_t)le64toh((uint64_t)s);
	out->tv_nsec = le32toh(ns);
	return 0;
}

static bool mode_is_known(uint32_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
	case S_IFDIR:
	case S_IFLNK:
	case S_IFCHR:
	case S_IFBLK:
	case S_IFIFO:
	case S_IFSOCK:
		return (mode & ~(uint32_t)(S_IFMT | 07777)) == 0;
	}
	return false;
}

static bool xattrs_are_whole(const struct node *n)
{
	struct node_xattr x;
	size_t pos = 0;

	while (node_xattr_next(n, &pos, &x))
		;
	return pos == n->xattrs_len;
}

int node_decode(const void *data, size_t len, struct node *out)
{
	const uint8_t *at = data;
	struct node n = { 0 };
	struct head h;

	if (len < sizeof(h))
		return -EUCLEAN;
	memcpy(&h, data, sizeof(h));
	n.mode = le32toh(h.mode);
	n.nlink = le32toh(h.nlink);
	n.uid = le32toh(h.uid);
	n.gid = le32toh(h.gid);
	n.size = le64toh(h.size);
	n.rdev_major = le32toh(h.rdev_major);
	n.rdev_minor = le32toh(h.rdev_minor);
	n.blocks = le64toh(h.blocks);
	n.parent = le64toh(h.parent);
	n.object.suffix = le32toh(h.suffix);
	memcpy(n.object.digest.bytes, h.object, DIGEST_BYTES);
	n.name_len = le16toh(h.name_len);
	n.target_len = le16toh(h.target_len);
	n.xattrs_len = le32toh(h.xattrs_len);
	if (decode_time(h.mtime_s, h.mtime_ns, &n.mtime) ||
	    decode_time(h.atime_s, h.atime_ns, &n.atime) ||
	    decode_time(h.ctime_s, h.ctime_ns, &n.ctime))
		return -EUCLEAN;
	if (!mode_is_known(n.mode) || n.size > INT64_MAX ||
	    n.name_len > NODE_NAME_MAX || n.target_len > NODE_TARGET_MAX ||
	    (S_ISLNK(n.mode) && n.target_len == 0) ||
	    len - sizeof(h) !=
		    (uint64_t)n.name_len + n.target_len + n.xattrs_len)
		return -EUCLEAN;
	n.name = (const char *)at + sizeof(h);
	n.target = n.name + n.name_len;
	n.xattrs = (const uint8_t *)n.target + n.target_len;
	if (!xattrs_are_whole(&n))
		return -EUCLEAN;
	*out = n;
	return 0;
}

int node_get(struct store_txn *t, unsigned table, uint64_t ino,
	     struct node *out)
{
	struct store_bytes value;
	uint8_t key[8];
	int r;

	store_put_u64(key, ino);
	r = store_get(t, table, STORE_BYTES(key, 8), &value);
	return r < 0 ? r : node_decode(value.data, value.len, out);
}

void node_digest(const struct node *n, struct digest_state *s)
{
	uint32_t lens[3] = { htole32(n->name_len), htole32(n->target_len),
			     htole32(n->xattrs_len) };
	struct head h;

	fill_head(n, &h);
	digest_update(s, &h, CANONICAL);
	digest_update(s, lens, sizeof(lens));
	digest_update(s, n->name, n->name_len);
	digest_update(s, n->target, n->target_len);
	digest_update(s, n->xattrs, n->xattrs_len);
}

void node_dirent_encode(const struct node_dirent *d,
			uint8_t out[NODE_DIRENT_BYTES])
{
	uint64_t ino = htole64(d->ino);
	uint16_t layer = htole16(d->layer);

	memcpy(out, &ino, 8);
	out[8] = d->type;
	memcpy(out + 9, &layer, 2);
}

int node_dirent_decode(const void *data, size_t len, struct node_dirent *out)
{
	const uint8_t *p = data;
	uint64_t ino;
	uint16_t layer;

	if (len != NODE_DIRENT_BYTES)
		return -EUCLEAN;
	memcpy(&ino, p, 8);
	memcpy(&layer, p + 9, 2);
	if (!mode_is_known((uint32_t)p[8] << 12) || ino == 0)
		return -EUCLEAN;
	*out = (struct node_dirent){
		.ino = le64toh(ino),
		.type = p[8],
		.layer = le16toh(layer),
	};
	return 0;
}

size_t node_key(uint64_t dir, const char *name, size_t len,
		uint8_t out[NODE_KEY_MAX])
{
	for (int i = 7; i >= 0; i--, dir >>= 8)
		out[i] = (uint8_t)dir;
	memcpy(out + 8, name, len);
	return 8 + len;
}

int node_key_decode(const void *key, size_t len, uint64_t *dir,
		    const char **name, size_t *name_len)
{
	const uint8_t *p = key;
	uint64_t d = 0;

	if (len <= 8 || len > NODE_KEY_MAX || memchr(p + 8, '/', len - 8) ||
	    memchr(p + 8, '\0', len - 8))
		return -EUCLEAN;
	if (p[8] == '.' && (len == 9 || (len == 10 && p[9] == '.')))
		return -EUCLEAN;
	for (int i = 0; i < 8; i++)
		d = d << 8 | p[i];
	*dir = d;
	*name = (const char *)p + 8;
	*name_len = len - 8;
	return 0;
}

void node_stat(const struct node *n, uint64_t ino, struct stat *st)
{
	memset(st, 0, sizeof(*st));
	st->st_ino = ino;
	st->st_mode = n->mode;
	st->st_nlink = n->nlink;
	st->st_uid = n->uid;
	st->st_gid = n->gid;
	st->st_rdev = makedev(n->rdev_major, n->rdev_minor);
	st->st_size = (off_t)n->size;
	st->st_blksize = 4096;
	st->st_blocks = (blkcnt_t)n->blocks;
	st->st_atim = n->atime;
	st->st_mtim = n->mtime;
	st->st_ctim = n->ctime;
}

/* ---- attributes ---------------------------------------------------------- */

static int xattr_at(const uint8_t *data, size_t len, size_t *pos,
		    struct node_xattr *x)
{
	struct xattr_head h;
	size_t left;

	if (*pos > len || len - *pos < sizeof(h))
		return 0;
	memcpy(&h, data + *pos, sizeof(h));
	left = len - *pos - sizeof(h);
	x->name_len = le16toh(h.name_len);
	x->value_len = le32toh(h.value_len);
	if (!x->name_len || (uint64_t)x->name_len + x->value_len > left)
		return 0;
	x->name = (const char *)data + *pos + sizeof(h);
	x->value = x->name + x->name_len;
	*pos += sizeof(h) + x->name_len + x->value_len;
	return 1;
}

int node_xattr_next(const struct node *n, size_t *pos, struct node_xattr *x)
{
	return xattr_at(n->xattrs, n->xattrs_len, pos, x);
}

int node_xattr_get(const struct node *n, const char *name, struct node_xattr *x)
{
	struct node_xattr at;
	size_t pos = 0, len;

	if (!n->xattrs_len)
		return -ENODATA;
	len = strlen(name);
	while (node_xattr_next(n, &pos, &at)) {
		if (at.name_len != len || memcmp(at.name, name, len) != 0)
			continue;
		*x = at;
		return 0;
	}
	return -ENODATA;
}

void node_xattrs_clear(struct node_xattrs *x)
{
	strbuf_clear(&x->text);
	x->count = 0;
}

void node_xattrs_free(struct node_xattrs *x)
{
	strbuf_free(&x->text);
	x->count = 0;
}

int node_xattrs_add(struct node_xattrs *x, const char *name, size_t name_len,
		    const void *value, size_t value_len)
{
	struct xattr_head h = {
		.value_len = htole32((uint32_t)value_len),
		.name_len = htole16((uint16_t)name_len),
	};

	if (!name_len || name_len > NODE_XATTR_NAME_MAX ||
	    value_len > NODE_XATTR_VALUE_MAX || x->count >= NODE_XATTRS_MAX ||
	    memchr(name, '\0', name_len))
		return -E2BIG;
	if (strbuf_reserve(&x->text, sizeof(h) + name_len + value_len))
		return -ENOMEM;
	strbuf_add(&x->text, &h, sizeof(h));
	strbuf_add(&x->text, name, name_len);
	strbuf_add(&x->text, value, value_len);
	x->count++;
	return 0;
}

struct sorted {
	struct node_xattr x;
	unsigned order;
};

static int by_name(const void *a, const void *b)
{
	const struct sorted *l = a, *r = b;
	uint32_t n = l->x.name_len < r->x.name_len ? l->x.name_len
						   : r->x.name_len;
	int c = memcmp(l->x.name, r->x.name, n);

	if (c)
		return c;
	if (l->x.name_len != r->x.name_len)
		return l->x.name_len < r->x.name_len ? -1 : 1;
	return l->order < r->order ? -1 : l->order > r->order;
}

static bool same_name(const struct node_xattr *a, const struct node_xattr *b)
{
	return a->name_len == b->name_len &&
	       memcmp(a->name, b->name, a->name_len) == 0;
}

int node_xattrs_sort(const struct node_xattrs *x, struct strbuf *out)
{
	_cleanup_free_ struct sorted *all = NULL;
	size_t pos = 0;
	unsigned n = 0;

	strbuf_clear(out);
	if (!x->count)
		return 0;
	all = calloc(x->count, sizeof(*all));
	if (!all)
		return -ENOMEM;
	while (n < x->count && xattr_at((const uint8_t *)strbuf_get(&x->text),
					x->text.len, &pos, &all[n].x)) {
		all[n].order = n;
		n++;
	}
	qsort(all, n, sizeof(*all), by_name);
	for (unsigned i = 0; i < n; i++) {
		struct xattr_head h = {
			.value_len = htole32(all[i].x.value_len),
			.name_len = htole16((uint16_t)all[i].x.name_len),
		};

		if (i + 1 < n && same_name(&all[i].x, &all[i + 1].x))
			continue;
		strbuf_add(out, &h, sizeof(h));
		strbuf_add(out, all[i].x.name, all[i].x.name_len);
		strbuf_add(out, all[i].x.value, all[i].x.value_len);
	}
	return strbuf_error(out);
}
