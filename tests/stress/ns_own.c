/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Operations in a process's own subtree. Each picks names at random, says by
 * the model what must come out, does it, and brings the model up to date.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tests/stress/ns_model.h"

/* Open a file's name. */
static int open_node(struct ns_proc *p, unsigned node, int flags)
{
	char path[NS_PATH];
	int fd = openat(p->dir, ns_path(p, node, path),
			flags | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		ns_fail(p, "open %s: %s", path, strerror(errno));
	return fd;
}

static void put_bytes(struct ns_proc *p, unsigned char *bytes, unsigned len)
{
	unsigned first = ns_random(p, 256);

	for (unsigned n = 0; n < len; n++)
		bytes[n] = (unsigned char)(first + n * 7);
}

static void op_create(struct ns_proc *p)
{
	struct ns_place at = ns_pick_place(p);
	unsigned data = ns_free_data(p), node = ns_free_node(p);
	char path[NS_PATH];
	int fd;

	if (!node || data == NS_DATAS)
		return;
	fd = openat(p->dir, ns_place_path(p, &at, path),
		    O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0640);
	if (!ns_expect(p, fd, at.node ? EEXIST : 0, "create", path))
		return;
	ns_add_node(p, node, &at, NS_FILE);
	p->nodes[node].data = (uint16_t)data;
	p->datas[data] = (struct ns_data){ .links = 1, .mode = 0640 };
	close(fd);
}

static void op_make(struct ns_proc *p)
{
	static const uint8_t types[] = { NS_DIR, NS_DIR, NS_DIR, NS_LINK,
					 NS_FIFO };
	struct ns_place at = ns_pick_place(p);
	uint8_t type = types[ns_random(p, 5)];
	unsigned node = ns_free_node(p), number = ns_random(p, 1000);
	char path[NS_PATH], target[16];
	int r;

	if (!node)
		return;
	ns_place_path(p, &at, path);
	snprintf(target, sizeof(target), "to-%u", number);
	if (type == NS_DIR)
		r = mkdirat(p->dir, path, 0751);
	else if (type == NS_LINK)
		r = symlinkat(target, p->dir, path);
	else
		r = mknodat(p->dir, path, S_IFIFO | 0604, 0);
	if (!ns_expect(p, r, at.node ? EEXIST : 0, "make", path))
		return;
	ns_add_node(p, node, &at, type);
	p->nodes[node].mode = type == NS_DIR	? 0751
			      : type == NS_LINK ? number
						: 0604;
}

static void op_write(struct ns_proc *p)
{
	unsigned node = ns_pick(p, NS_FILE), off, len;
	struct ns_data *d;
	int fd, flags = O_RDWR;

	if (!node)
		return;
	d = &p->datas[p->nodes[node].data];
	off = ns_random(p, 2) ? ns_random(p, NS_BYTES / 2)
			      : ns_random(p, d->size + 1);
	len = 1 + ns_random(p, ns_random(p, 3) ? 300 : NS_BYTES / 2);
	if (ns_random(p, 8) == 0) {
		flags |= O_TRUNC;
		memset(d->bytes, 0, sizeof(d->bytes));
		d->size = 0;
	} else if (ns_random(p, 4) == 0) {
		flags |= O_APPEND;
		off = d->size;
	}
	if (off + len > NS_BYTES)
		len = NS_BYTES - off;
	put_bytes(p, d->bytes + off, len);
	fd = open_node(p, node, flags);
	if (len && pwrite(fd, d->bytes + off, len, (off_t)off) != (ssize_t)len)
		ns_fail(p, "write: %s", strerror(errno));
	if (off + len > d->size && len)
		d->size = off + len;
	d->mtime = 0;
	ns_check_bytes(p, fd, d, "after writing");
	close(fd);
}

static void op_mmap(struct ns_proc *p)
{
	unsigned node = ns_pick(p, NS_FILE), off, len;
	struct ns_data *d;
	unsigned char *map;
	int fd;

	if (!node || !p->datas[p->nodes[node].data].size)
		return;
	d = &p->datas[p->nodes[node].data];
	off = ns_random(p, d->size);
	len = 1 + ns_random(p, d->size - off);
	fd = open_node(p, node, O_RDWR);
	map = mmap(NULL, d->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		ns_fail(p, "mmap: %s", strerror(errno));
	if (memcmp(map, d->bytes, d->size) != 0)
		ns_fail(p, "mapped bytes differ");
	put_bytes(p, d->bytes + off, len);
	memcpy(map + off, d->bytes + off, len);
	munmap(map, d->size);
	d->mtime = 0;
	ns_check_bytes(p, fd, d, "after writing by a map");
	close(fd);
}

static void op_truncate(struct ns_proc *p)
{
	unsigned node = ns_pick(p, NS_FILE), size;
	struct ns_data *d;
	int fd;

	if (!node)
		return;
	d = &p->datas[p->nodes[node].data];
	size = ns_random(p, 3) ? ns_random(p, NS_BYTES) : 0;
	fd = open_node(p, node, O_WRONLY);
	if (ftruncate(fd, (off_t)size))
		ns_fail(p, "truncate: %s", strerror(errno));
	close(fd);
	if (size < d->size)
		memset(d->bytes + size, 0, d->size - size);
	d->size = size;
	d->mtime = 0;
	ns_check_node(p, node);
}

static void op_unlink(struct ns_proc *p)
{
	unsigned node = ns_pick(p, ns_random(p, 4) ? NS_FILE : NS_ANY), keep;
	struct ns_node *n = &p->nodes[node];
	char path[NS_PATH];
	int fd = -1;

	if (!node)
		return;
	for (keep = 0; keep < NS_OPEN && p->open[keep].fd; keep++)
		;
	if (n->type == NS_FILE && p->datas[n->data].links == 1 &&
	    keep < NS_OPEN && ns_random(p, 2))
		fd = open_node(p, node, O_RDWR);
	if (!ns_expect(p, unlinkat(p->dir, ns_path(p, node, path), 0),
		       n->type == NS_DIR ? EISDIR : 0, "unlink", path))
		return;
	if (fd >= 0) {
		p->open[keep].fd = fd;
		p->open[keep].was = p->datas[n->data];
	}
	ns_drop_node(p, node);
	ns_check_absent(p, path);
}

/* Files whose last name is gone go on as if it were not. */
static void op_nameless(struct ns_proc *p)
{
	unsigned k = ns_random(p, NS_OPEN), off, len;
	struct ns_data *d = &p->open[k].was;
	struct stat st;

	if (!p->open[k].fd)
		return;
	off = ns_random(p, NS_BYTES - 1);
	len = 1 + ns_random(p, NS_BYTES - off < 100 ? NS_BYTES - off : 100);
	put_bytes(p, d->bytes + off, len);
	if (pwrite(p->open[k].fd, d->bytes + off, len, (off_t)off) !=
	    (ssize_t)len)
		ns_fail(p, "write without a name: %s", strerror(errno));
	if (off + len > d->size)
		d->size = off + len;
	ns_check_bytes(p, p->open[k].fd, d, "without a name");
	if (fstat(p->open[k].fd, &st) || st.st_nlink != 0)
		ns_fail(p, "without a name: %u links", (unsigned)st.st_nlink);
	if (ns_random(p, 2)) {
		close(p->open[k].fd);
		p->open[k].fd = 0;
	}
}

static void op_rmdir(struct ns_proc *p)
{
	unsigned node = ns_pick(p, ns_random(p, 6) ? NS_DIR : NS_ANY);
	char path[NS_PATH];
	int want = 0;

	if (!node)
		return;
	if (p->nodes[node].type != NS_DIR)
		want = ENOTDIR;
	else if (ns_has_children(p, node))
		want = ENOTEMPTY;
	if (!ns_expect(p,
		       unlinkat(p->dir, ns_path(p, node, path), AT_REMOVEDIR),
		       want, "rmdir", path))
		return;
	ns_drop_node(p, node);
	ns_check_absent(p, path);
}

/* What renaming `from` to that place must give. */
static int rename_result(const struct ns_proc *p, unsigned from,
			 const struct ns_place *to, unsigned flags)
{
	bool from_dir = p->nodes[from].type == NS_DIR, to_dir;

	if ((flags & RENAME_NOREPLACE) && to->node)
		return EEXIST;
	if ((flags & RENAME_EXCHANGE) && !to->node)
		return ENOENT;
	if (from_dir && ns_is_above(p, from, to->parent))
		return EINVAL;
	if (!to->node)
		return 0;
	if (ns_is_above(p, to->node, p->nodes[from].parent))
		return flags & RENAME_EXCHANGE ? EINVAL : ENOTEMPTY;
	if ((flags & RENAME_EXCHANGE) || to->node == from)
		return 0;
	to_dir = p->nodes[to->node].type == NS_DIR;
	if (from_dir != to_dir)
		return from_dir ? ENOTDIR : EISDIR;
	return to_dir && ns_has_children(p, to->node) ? ENOTEMPTY : 0;
}

static void op_rename(struct ns_proc *p)
{
	static const unsigned kinds[] = {
		0, 0, 0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_EXCHANGE
	};
	unsigned from = ns_pick(p, ns_random(p, 3) ? NS_ANY : NS_DIR);
	struct ns_place to = ns_pick_place(p);
	unsigned flags = kinds[ns_random(p, 7)];
	char old[NS_PATH], new[NS_PATH], what[64];
	struct ns_node *n = &p->nodes[from], was = *n;

	if (!from)
		return;
	ns_path(p, from, old);
	ns_place_path(p, &to, new);
	snprintf(what, sizeof(what), "rename (%u)", flags);
	if (!ns_expect(p, renameat2(p->dir, old, p->dir, new, flags),
		       rename_result(p, from, &to, flags), what, new))
		return;
	if (to.node == from)
		return;
	if (flags & RENAME_EXCHANGE) {
		struct ns_node *o = &p->nodes[to.node];

		n->parent = o->parent;
		memcpy(n->name, o->name, NS_NAME);
		o->parent = was.parent;
		memcpy(o->name, was.name, NS_NAME);
		ns_check_node(p, to.node);
	} else {
		/* Two names of one file: nothing happens. */
		if (to.node && n->type == NS_FILE &&
		    p->nodes[to.node].type == NS_FILE &&
		    p->nodes[to.node].data == n->data)
			return;
		if (to.node)
			ns_drop_node(p, to.node);
		n->parent = (uint16_t)to.parent;
		memcpy(n->name, to.name, NS_NAME);
		ns_check_absent(p, old);
	}
	ns_check_node(p, from);
}

static void op_link(struct ns_proc *p)
{
	unsigned from = ns_pick(p, NS_FILE), node = ns_free_node(p);
	struct ns_place at = ns_pick_place(p);
	char old[NS_PATH], new[NS_PATH];

	if (p->no_links || !from || !node)
		return;
	ns_path(p, from, old);
	ns_place_path(p, &at, new);
	if (!ns_expect(p, linkat(p->dir, old, p->dir, new, 0),
		       at.node ? EEXIST : 0, "link", new))
		return;
	ns_add_node(p, node, &at, NS_FILE);
	p->nodes[node].data = p->nodes[from].data;
	p->datas[p->nodes[from].data].links++;
	ns_check_node(p, node);
	ns_check_node(p, from);
}

static void op_chmod(struct ns_proc *p)
{
	unsigned node = ns_pick(p, NS_ANY);
	struct ns_node *n = &p->nodes[node];
	uint32_t mode = 0400 | (ns_random(p, 01000) & 0377) |
			(n->type == NS_DIR ? 0300 : 0);
	char path[NS_PATH];

	if (!node || n->type == NS_LINK)
		return;
	if (fchmodat(p->dir, ns_path(p, node, path), mode, 0))
		ns_fail(p, "chmod %s: %s", path, strerror(errno));
	if (n->type == NS_FILE)
		p->datas[n->data].mode = mode;
	else
		n->mode = mode;
	ns_check_node(p, node);
}

static void op_owner(struct ns_proc *p)
{
	unsigned node = ns_pick(p, NS_FILE);
	struct ns_data *d = &p->datas[p->nodes[node].data];
	char path[NS_PATH];

	if (!node)
		return;
	d->uid = ns_random(p, 3000);
	d->gid = ns_random(p, 3000);
	if (fchownat(p->dir, ns_path(p, node, path), d->uid, d->gid,
		     AT_SYMLINK_NOFOLLOW))
		ns_fail(p, "chown %s: %s", path, strerror(errno));
	ns_check_node(p, node);
}

static void op_times(struct ns_proc *p)
{
	unsigned node = ns_pick(p, NS_FILE);
	struct ns_data *d = &p->datas[p->nodes[node].data];
	struct timespec t[2] = { { .tv_sec = 5 } };
	char path[NS_PATH];

	if (!node)
		return;
	d->mtime = 1 + ns_random(p, 1000000000);
	t[1].tv_sec = d->mtime;
	t[1].tv_nsec = NS_NSEC;
	if (utimensat(p->dir, ns_path(p, node, path), t, AT_SYMLINK_NOFOLLOW))
		ns_fail(p, "utimes %s: %s", path, strerror(errno));
	ns_check_node(p, node);
}

static void op_xattr(struct ns_proc *p)
{
	unsigned node = ns_pick(p, NS_FILE);
	struct ns_data *d = &p->datas[p->nodes[node].data];
	bool had = d->attr != 0;
	int fd, r;

	if (!node)
		return;
	fd = open_node(p, node, O_RDONLY);
	if (ns_random(p, 3) == 0) {
		r = fremovexattr(fd, "user.ns");
		ns_expect(p, r, had ? 0 : ENODATA, "removexattr", "");
		d->attr = 0;
	} else {
		uint32_t value = 1 + ns_random(p, 1u << 30);
		int flags = ns_random(p, 3);

		r = fsetxattr(fd, "user.ns", &value, sizeof(value), flags);
		if (ns_expect(p, r,
			      flags == XATTR_CREATE && had     ? EEXIST
			      : flags == XATTR_REPLACE && !had ? ENODATA
							       : 0,
			      "setxattr", ""))
			d->attr = value;
	}
	close(fd);
	ns_check_node(p, node);
}

static void op_look(struct ns_proc *p)
{
	unsigned node = ns_pick(p, NS_ANY);

	if (node)
		ns_check_node(p, node);
}

static void op_list(struct ns_proc *p)
{
	ns_check_dir(p, ns_pick(p, NS_DIR));
}

static void op_absent(struct ns_proc *p)
{
	struct ns_place at = ns_pick_place(p);
	char path[NS_PATH];

	ns_place_path(p, &at, path);
	if (at.node)
		ns_check_node(p, at.node);
	else
		ns_check_absent(p, path);
}

static const struct {
	void (*fn)(struct ns_proc *p);
	unsigned weight;
} ops[] = {
	{ op_create, 14 },  { op_make, 9 },	{ op_write, 14 },
	{ op_mmap, 4 },	    { op_truncate, 4 }, { op_unlink, 9 },
	{ op_nameless, 4 }, { op_rmdir, 6 },	{ op_rename, 14 },
	{ op_link, 6 },	    { op_chmod, 5 },	{ op_owner, 4 },
	{ op_times, 4 },    { op_xattr, 6 },	{ op_look, 10 },
	{ op_list, 6 },	    { op_absent, 6 },
};

void ns_own(struct ns_proc *p)
{
	unsigned sum = 0, at;

	for (unsigned n = 0; n < sizeof(ops) / sizeof(ops[0]); n++)
		sum += ops[n].weight;
	at = ns_random(p, sum);
	for (unsigned n = 0;; at -= ops[n++].weight) {
		if (at < ops[n].weight) {
			ops[n].fn(p);
			return;
		}
	}
}

void ns_own_end(struct ns_proc *p)
{
	for (unsigned k = 0; k < NS_OPEN; k++) {
		if (p->open[k].fd)
			close(p->open[k].fd);
		p->open[k].fd = 0;
	}
}
