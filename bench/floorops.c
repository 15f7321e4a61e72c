/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "bench/floorops.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>

#define OPEN_PASSTHROUGH (1u << 7) /* of Linux 6.9 */
#define FOREVER 1000000000u
#define SILENT 1 /* not an answer's length: the kernel wants none */
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static struct floortree_node *root;
static uint32_t scratch;
static struct {
	struct fuse_out_header h;
	_Alignas(8) char body[65536]; /* as long a listing as vefs answers */
} answer;

/* The kernel's number of a node is its address. */
static struct floortree_node *node_of(uint64_t id)
{
	return id == FUSE_ROOT_ID ? root
				  : (struct floortree_node *)(uintptr_t)id;
}

/* --- answers: their length, -errno or SILENT --- */

static void entry_fill(struct fuse_entry_out *e, struct floortree_node *n)
{
	*e = (struct fuse_entry_out){ .entry_valid = FOREVER };
	if (!n)
		return;
	n->lookups++;
	e->nodeid = (uintptr_t)n;
	e->attr_valid = FOREVER;
	e->attr = n->attr;
}

static int say_entry(struct floortree_node *n)
{
	entry_fill((void *)answer.body, n);
	return sizeof(struct fuse_entry_out);
}

static int say_attr(const struct floortree_node *n)
{
	struct fuse_attr_out *out = (void *)answer.body;

	*out = (struct fuse_attr_out){ .attr_valid = FOREVER, .attr = n->attr };
	return sizeof(*out);
}

static void open_fill(struct fuse_open_out *out, const struct floortree_node *n)
{
	*out = (struct fuse_open_out){
		.open_flags = FOPEN_NOFLUSH | (n->backing ? OPEN_PASSTHROUGH
							  : FOPEN_KEEP_CACHE),
#ifdef FUSE_PASSTHROUGH
		.backing_id = (int32_t)n->backing,
#else
		.padding = n->backing, /* what Linux 6.9 made of it */
#endif
	};
}

static int do_lookup(const struct fuse_in_header *h)
{
	const char *text = (const char *)(h + 1);
	const struct floortree_name *e =
		*floortree_slot(node_of(h->nodeid), text);

	return say_entry(e ? e->node : NULL);
}

static void forget(uint64_t id, uint64_t lookups)
{
	struct floortree_node *n = node_of(id);

	n->lookups -= lookups;
	if (n != root)
		floortree_release(n);
}

static int do_forget(const struct fuse_in_header *h)
{
	const struct fuse_forget_in *in = (const void *)(h + 1);

	forget(h->nodeid, in->nlookup);
	return SILENT;
}

static int do_batch_forget(const struct fuse_in_header *h)
{
	const struct fuse_batch_forget_in *in = (const void *)(h + 1);
	const struct fuse_forget_one *one = (const void *)(in + 1);

	for (uint32_t i = 0; i < in->count; i++)
		forget(one[i].nodeid, one[i].nlookup);
	return SILENT;
}

static int do_getattr(const struct fuse_in_header *h)
{
	return say_attr(node_of(h->nodeid));
}

static int do_setattr(const struct fuse_in_header *h)
{
	const struct fuse_setattr_in *in = (const void *)(h + 1);
	struct floortree_node *n = node_of(h->nodeid);
	struct fuse_attr *a = &n->attr;

	floortree_touch(n);
	if (in->valid & FATTR_MODE)
		a->mode = (a->mode & S_IFMT) | (in->mode & 07777);
	if (in->valid & FATTR_UID)
		a->uid = in->uid;
	if (in->valid & FATTR_GID)
		a->gid = in->gid;
	if (in->valid & FATTR_SIZE)
		a->size = in->size;
	return say_attr(n);
}

/* NULL: the name is there already. */
static struct floortree_node *make(const struct fuse_in_header *h,
				   const char *text, uint32_t mode)
{
	struct floortree_node *dir = node_of(h->nodeid), *n = NULL;

	if (!*floortree_slot(dir, text)) {
		n = floortree_new(mode, h->uid, h->gid);
		floortree_add(dir, text, n);
	}
	return n;
}

static int do_mknod(const struct fuse_in_header *h)
{
	const struct fuse_mknod_in *in = (const void *)(h + 1);
	struct floortree_node *n =
		make(h, (const char *)(in + 1), in->mode & ~in->umask);

	return n ? say_entry(n) : -EEXIST;
}

static int do_mkdir(const struct fuse_in_header *h)
{
	const struct fuse_mkdir_in *in = (const void *)(h + 1);
	struct floortree_node *n = make(h, (const char *)(in + 1),
					S_IFDIR | (in->mode & ~in->umask));

	return n ? say_entry(n) : -EEXIST;
}

static int do_symlink(const struct fuse_in_header *h)
{
	const char *text = (const char *)(h + 1);
	struct floortree_node *n = make(h, text, S_IFLNK | 0777);

	if (!n)
		return -EEXIST;
	n->target = strdup(text + strlen(text) + 1);
	if (!n->target)
		floortree_fail("memory");
	n->attr.size = strlen(n->target);
	return say_entry(n);
}

static int do_readlink(const struct fuse_in_header *h)
{
	const struct floortree_node *n = node_of(h->nodeid);

	memcpy(answer.body, n->target, n->attr.size);
	return (int)n->attr.size;
}

static int do_create(const struct fuse_in_header *h)
{
	const struct fuse_create_in *in = (const void *)(h + 1);
	struct floortree_node *n =
		make(h, (const char *)(in + 1), in->mode & ~in->umask);
	struct fuse_entry_out *out = (void *)answer.body;

	if (!n)
		return -EEXIST;
	n->backing = scratch;
	entry_fill(out, n);
	open_fill((void *)(out + 1), n);
	return sizeof(*out) + sizeof(struct fuse_open_out);
}

static int do_open(const struct fuse_in_header *h)
{
	const struct fuse_open_in *in = (const void *)(h + 1);
	struct floortree_node *n = node_of(h->nodeid);

	if ((in->flags & O_ACCMODE) != O_RDONLY) {
		if (n->lower)
			return -EOPNOTSUPP; /* nothing is copied up here */
		if (!n->backing)
			n->backing = scratch;
	}
	if (in->flags & O_TRUNC)
		n->attr.size = 0;
	open_fill((void *)answer.body, n);
	return sizeof(struct fuse_open_out);
}

static int do_link(const struct fuse_in_header *h)
{
	const struct fuse_link_in *in = (const void *)(h + 1);
	struct floortree_node *n = node_of(in->oldnodeid),
			      *dir = node_of(h->nodeid);
	const char *text = (const char *)(in + 1);

	if (*floortree_slot(dir, text))
		return -EEXIST;
	floortree_add(dir, text, n);
	n->attr.nlink++;
	floortree_touch(n);
	return say_entry(n);
}

/* unlink and rmdir: which of them it may be, the kernel has looked. */
static int do_remove(const struct fuse_in_header *h)
{
	const char *text = (const char *)(h + 1);
	struct floortree_name **slot = floortree_slot(node_of(h->nodeid), text);

	return *slot ? floortree_remove(slot) : -ENOENT;
}

static int do_rename(const struct fuse_in_header *h)
{
	const struct fuse_rename_in *in = (const void *)(h + 1);
	const char *text = (const char *)(in + 1);
	const char *new_text = text + strlen(text) + 1;
	struct floortree_node *from = node_of(h->nodeid),
			      *to = node_of(in->newdir), *n;
	struct floortree_name *e = *floortree_slot(from, text);
	struct floortree_name **over = floortree_slot(to, new_text);
	int r = 0;

	if (!e)
		return -ENOENT;
	n = e->node;
	if (*over)
		r = floortree_remove(over);
	if (r == 0) {
		floortree_drop(floortree_slot(from, text));
		floortree_add(to, new_text, n);
		floortree_touch(n);
	}
	return r;
}

static int do_statfs(const struct fuse_in_header *h)
{
	struct fuse_statfs_out *out = (void *)answer.body;

	(void)h;
	*out = (struct fuse_statfs_out){
		.st = { .bsize = 4096, .frsize = 4096, .namelen = 255 }
	};
	return sizeof(*out);
}

/* --- listing --- */

struct listing {
	size_t used, room;
	bool plus;
};

/* False: it does not fit. `n` is NULL for the dots. */
static bool list_one(struct listing *l, const char *text, uint64_t cookie,
		     struct floortree_node *n)
{
	size_t head = l->plus ? FUSE_NAME_OFFSET_DIRENTPLUS : FUSE_NAME_OFFSET;
	size_t len = strlen(text), size = FUSE_DIRENT_ALIGN(head + len);
	char *at = answer.body + l->used;
	struct fuse_dirent *d = (void *)(at + head - FUSE_NAME_OFFSET);

	if (size > l->room - l->used)
		return false;
	memset(at, 0, size);
	if (l->plus)
		entry_fill((void *)at, n);
	d->ino = n ? n->attr.ino : 1;
	d->off = cookie;
	d->namelen = (uint32_t)len;
	d->type = n ? IFTODT(n->attr.mode) : DT_DIR;
	memcpy(at + head, text, len);
	l->used += size;
	return true;
}

static int do_readdir(const struct fuse_in_header *h)
{
	const struct fuse_read_in *in = (const void *)(h + 1);
	struct listing l = { .plus = h->opcode == FUSE_READDIRPLUS };
	struct floortree_node *dir = node_of(h->nodeid);
	struct floortree_name *e = floortree_after(dir, in->offset);

	l.room = sizeof(answer.body);
	if (in->size < l.room)
		l.room = in->size;
	if (in->offset < FLOORTREE_DOT &&
	    !list_one(&l, ".", FLOORTREE_DOT, NULL))
		return -EINVAL;
	if (in->offset < FLOORTREE_DOTDOT &&
	    !list_one(&l, "..", FLOORTREE_DOTDOT, NULL))
		return -EINVAL;
	for (; e && list_one(&l, e->text, e->cookie, e->node); e = e->next)
		dir->listed = e;
	return (int)l.used;
}

/* --- all of them --- */

static const struct {
	int (*answer)(const struct fuse_in_header *h);
	int always; /* what is said if there is nothing to do */
	bool known;
} table[] = {
	[FUSE_LOOKUP] = { .answer = do_lookup },
	[FUSE_FORGET] = { .answer = do_forget },
	[FUSE_BATCH_FORGET] = { .answer = do_batch_forget },
	[FUSE_GETATTR] = { .answer = do_getattr },
	[FUSE_SETATTR] = { .answer = do_setattr },
	[FUSE_MKNOD] = { .answer = do_mknod },
	[FUSE_MKDIR] = { .answer = do_mkdir },
	[FUSE_SYMLINK] = { .answer = do_symlink },
	[FUSE_READLINK] = { .answer = do_readlink },
	[FUSE_CREATE] = { .answer = do_create },
	[FUSE_OPEN] = { .answer = do_open },
	[FUSE_LINK] = { .answer = do_link },
	[FUSE_UNLINK] = { .answer = do_remove },
	[FUSE_RMDIR] = { .answer = do_remove },
	[FUSE_RENAME] = { .answer = do_rename },
	[FUSE_READDIR] = { .answer = do_readdir },
	[FUSE_READDIRPLUS] = { .answer = do_readdir },
	[FUSE_STATFS] = { .answer = do_statfs },
	[FUSE_GETXATTR] = { .always = -ENODATA, .known = true },
	[FUSE_RELEASE] = { .known = true },
	[FUSE_FSYNC] = { .always = -EOPNOTSUPP, .known = true },
	[FUSE_DESTROY] = { .known = true },
	/* When one comes its request is answered already. */
	[FUSE_INTERRUPT] = { .always = SILENT, .known = true },
};

static int make_answer(const struct fuse_in_header *h)
{
	if (h->opcode >= ARRAY_SIZE(table))
		return -ENOSYS;
	if (table[h->opcode].answer)
		return table[h->opcode].answer(h);
	return table[h->opcode].known ? table[h->opcode].always : -ENOSYS;
}

const struct fuse_out_header *
floorops_handle(const struct fuse_in_header *request)
{
	int r = make_answer(request);

	if (r == SILENT)
		return NULL;
	answer.h.len = (uint32_t)(sizeof(answer.h) + (r > 0 ? (size_t)r : 0));
	answer.h.error = r < 0 ? r : 0;
	answer.h.unique = request->unique;
	return &answer.h;
}

void floorops_root(struct floortree_node *n)
{
	root = n;
}

void floorops_scratch(uint32_t id)
{
	scratch = id;
}
