/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Operations on the content of files in a process's own tree. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/stress/kill.h"

void kill_pattern(unsigned char *bytes, size_t len, uint64_t off,
		  uint32_t number)
{
	for (size_t n = 0; n < len; n++) {
		uint64_t at = off + n;
		uint64_t z = (at >> 3) * 0x9e3779b97f4a7c15u +
			     number * 0xbf58476d1ce4e5b9u;

		z ^= z >> 29;
		bytes[n] = (unsigned char)(z >> (8 * (at & 7)));
	}
}

void kill_close(struct kill_proc *p, int fd, const char *path)
{
	KILL_DO(p, 0, path, close(fd));
}

void kill_compare(struct kill_proc *p, int fd, const unsigned char *bytes,
		  size_t len, off_t off, const char *path)
{
	unsigned char buf[16384];
	size_t done = 0;

	while (done < len) {
		size_t most = 1 + kill_random(p, sizeof(buf)), at = 0;
		long n;

		if (most > len - done)
			most = len - done;
		n = KILL_DO(p, 0, path,
			    pread(fd, buf, most, off + (off_t)done));
		if (n < 0)
			return;
		while (at < (size_t)n && buf[at] == bytes[done + at])
			at++;
		if (at < (size_t)n) {
			KILL_WRONG(p, "%s: byte %llu is %02x, expected %02x",
				   path, (unsigned long long)off + done + at,
				   buf[at], bytes[done + at]);
			return;
		}
		if (n == 0) {
			KILL_WRONG(p, "%s: ends at %llu, expected %llu", path,
				   (unsigned long long)off + done,
				   (unsigned long long)off + len);
			return;
		}
		done += (size_t)n;
	}
}

static void look_fd(struct kill_proc *p, int fd, struct kill_file *f,
		    const char *path)
{
	struct stat st = { 0 };

	if (KILL_DO(p, 0, path, fstat(fd, &st)) >= 0)
		kill_look_file(p, &st, f, path);
}

void kill_check_bytes(struct kill_proc *p, int fd, struct kill_file *f,
		      const char *path)
{
	char more;

	look_fd(p, fd, f, path);
	if (p->broken)
		return;
	kill_compare(p, fd, f->bytes, f->size, 0, path);
	if (!p->broken && KILL_DO(p, 0, path, pread(fd, &more, 1, f->size)) > 0)
		KILL_WRONG(p, "%s: goes on behind its %u bytes", path, f->size);
}

bool kill_put(struct kill_proc *p, int fd, const void *bytes, size_t len,
	      off_t off, const char *path)
{
	const char *at = bytes;

	while (len) {
		long n = KILL_DO(p, 0, path, pwrite(fd, at, len, off));

		if (n < 0)
			return false;
		at += n;
		off += n;
		len -= (size_t)n;
	}
	return true;
}

/* ---- changes of an open file ---------------------------------------------- */

struct change {
	int fd, flags;
	struct kill_file *f;
	const char *path;
};

static void put_random(struct kill_proc *p, const struct change *c,
		       uint32_t off, uint32_t len)
{
	struct kill_file *f = c->f;

	if (c->flags & O_APPEND)
		off = f->size;
	if (off + len > KILL_BYTES)
		len = KILL_BYTES - off;
	kill_pattern(f->bytes + off, len, 0, kill_random(p, 1u << 30));
	f->mtime = 0;
	kill_put(p, c->fd, f->bytes + off, len, off, c->path);
	if (len && off + len > f->size)
		f->size = off + len;
	if ((c->flags & O_ACCMODE) == O_RDWR && !p->broken)
		kill_compare(p, c->fd, f->bytes + off, len, off, c->path);
}

static void change_write(struct kill_proc *p, const struct change *c)
{
	put_random(p, c, kill_random(p, c->f->size + 1),
		   1 + kill_random(p, kill_chance(p, 3) ? 20000 : 400));
}

static void change_far(struct kill_proc *p, const struct change *c)
{
	put_random(p, c, kill_random(p, KILL_BYTES), 1 + kill_random(p, 5000));
}

static void cut(struct kill_file *f, uint32_t size)
{
	if (size < f->size)
		memset(f->bytes + size, 0, f->size - size);
	f->size = size;
	f->mtime = 0;
}

static void change_size(struct kill_proc *p, const struct change *c)
{
	uint32_t size = kill_chance(p, 3) ? 0 : kill_random(p, KILL_BYTES);

	if (KILL_DO(p, 0, c->path, ftruncate(c->fd, size)) >= 0)
		cut(c->f, size);
}

/* In a map a page that cannot be had is a signal: named as a call. */
static int compare_map(const unsigned char *map, const struct kill_file *f)
{
	return memcmp(map, f->bytes, f->size) != 0;
}

static int fill_map(unsigned char *map, const unsigned char *from, size_t len)
{
	memcpy(map, from, len);
	return 0;
}

static void change_map(struct kill_proc *p, const struct change *c)
{
	struct kill_file *f = c->f;
	uint32_t off, len;
	unsigned char *map;

	if (!f->size || (c->flags & O_ACCMODE) != O_RDWR)
		return;
	off = kill_random(p, f->size);
	len = 1 + kill_random(p, f->size - off);
	map = (void *)KILL_DO(p, 0, c->path,
			      mmap(NULL, f->size, PROT_READ | PROT_WRITE,
				   MAP_SHARED, c->fd, 0));
	if (p->broken)
		return;
	if (KILL_DO(p, 0, c->path, compare_map(map, f)) > 0)
		KILL_WRONG(p, "%s: mapped bytes differ", c->path);
	kill_pattern(f->bytes + off, len, 0, kill_random(p, 1u << 30));
	KILL_DO(p, 0, c->path, fill_map(map + off, f->bytes + off, len));
	f->mtime = 0;
	if (kill_chance(p, 2))
		KILL_DO(p, 0, c->path, msync(map, f->size, MS_SYNC));
	KILL_DO(p, 0, c->path, munmap(map, f->size));
	if (!p->broken)
		kill_compare(p, c->fd, f->bytes, f->size, 0, c->path);
}

static void change_punch(struct kill_proc *p, const struct change *c)
{
	struct kill_file *f = c->f;
	uint32_t off, len;

	if (!f->size)
		return;
	off = kill_random(p, f->size);
	len = 1 + kill_random(p, f->size - off);
	if (KILL_DO(p, 0, c->path,
		    fallocate(c->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			      off, len)) < 0)
		return;
	memset(f->bytes + off, 0, len);
	f->mtime = 0;
}

static void change_sync(struct kill_proc *p, const struct change *c)
{
	if (kill_chance(p, 2))
		KILL_DO(p, 0, c->path, fsync(c->fd));
	else
		KILL_DO(p, 0, c->path, fdatasync(c->fd));
}

void kill_change(struct kill_proc *p, int fd, struct kill_file *f, int flags,
		 const char *path)
{
	static void (*const changes[])(struct kill_proc * p,
				       const struct change *c) = {
		change_write, change_write, change_write, change_far,
		change_size,  change_map,   change_punch,
	};
	struct change c = { fd, flags, f, path };
	unsigned kind = kill_random(p, sizeof(changes) / sizeof(changes[0]));

	changes[kind](p, &c);
	if (!p->broken && kill_chance(p, 12))
		change_sync(p, &c);
}

/* ---- operations ----------------------------------------------------------- */

static void op_write(struct kill_proc *p)
{
	static const int kinds[] = { O_RDWR,
				     O_RDWR,
				     O_WRONLY,
				     O_WRONLY | O_APPEND,
				     O_RDWR | O_APPEND,
				     O_RDWR | O_TRUNC };
	struct kill_place at = kill_place_of(p, kill_pick(p, KILL_FILE));
	struct kill_file *f = &p->files[p->nodes[at.node].file];
	int flags = kinds[kill_random(p, 6)], fd;

	if (!at.node)
		return;
	fd = (int)KILL_DO(p, 0, at.path,
			  openat(p->dir, at.path, flags | O_CLOEXEC));
	if (fd < 0)
		return;
	if (flags & O_TRUNC)
		cut(f, 0);
	kill_change(p, fd, f, flags, at.path);
	if (!p->broken)
		look_fd(p, fd, f, at.path);
	kill_close(p, fd, at.path);
}

static void op_read(struct kill_proc *p)
{
	struct kill_place at = kill_place_of(p, kill_pick(p, KILL_FILE));
	int fd;

	if (!at.node)
		return;
	fd = (int)KILL_DO(p, 0, at.path,
			  openat(p->dir, at.path, O_RDONLY | O_CLOEXEC));
	if (fd < 0)
		return;
	kill_check_bytes(p, fd, &p->files[p->nodes[at.node].file], at.path);
	kill_close(p, fd, at.path);
}

static void op_truncate(struct kill_proc *p)
{
	struct kill_place at = kill_place_of(p, kill_pick(p, KILL_FILE));
	uint32_t size = kill_random(p, KILL_BYTES);

	if (!at.node)
		return;
	if (KILL_DO(p, 0, at.path, truncate(at.path, size)) >= 0)
		cut(&p->files[p->nodes[at.node].file], size);
	if (!p->broken)
		kill_look(p, &at);
}

/* What is written to a private map stays there. */
static void op_private_map(struct kill_proc *p)
{
	struct kill_place at = kill_place_of(p, kill_pick(p, KILL_FILE));
	struct kill_file *f = &p->files[p->nodes[at.node].file];
	unsigned char *map;
	int fd;

	if (!at.node || !f->size)
		return;
	fd = (int)KILL_DO(p, 0, at.path,
			  openat(p->dir, at.path, O_RDONLY | O_CLOEXEC));
	if (fd < 0)
		return;
	map = (void *)KILL_DO(p, 0, at.path,
			      mmap(NULL, f->size, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE, fd, 0));
	kill_close(p, fd, at.path);
	if (p->broken)
		return;
	if (KILL_DO(p, 0, at.path, compare_map(map, f)) > 0)
		KILL_WRONG(p, "%s: mapped bytes differ", at.path);
	memset(map, 0, f->size);
	KILL_DO(p, 0, at.path, munmap(map, f->size));
	if (!p->broken)
		op_read(p);
}

static void copy_range(struct kill_proc *p, const struct kill_place *from,
		       int in, const struct kill_place *to, int out)
{
	struct kill_file *f = &p->files[p->nodes[from->node].file];
	struct kill_file *t = &p->files[p->nodes[to->node].file];
	loff_t off = kill_random(p, f->size), at = kill_random(p, t->size + 1);
	size_t len = 1 + kill_random(p, f->size - (uint32_t)off);

	if ((size_t)at + len > KILL_BYTES)
		len = KILL_BYTES - (size_t)at;
	while (len) {
		loff_t src = off, dst = at;
		long n = KILL_DO(p, 0, to->path,
				 copy_file_range(in, &src, out, &dst, len, 0));

		if (n <= 0)
			break;
		memcpy(t->bytes + at, f->bytes + off, (size_t)n);
		if (at + n > t->size)
			t->size = (uint32_t)(at + n);
		off += n;
		at += n;
		len -= (size_t)n;
	}
	if (len && !p->broken)
		KILL_WRONG(p, "%s: copies nothing", from->path);
	t->mtime = 0;
	if (!p->broken)
		kill_compare(p, out, t->bytes, t->size, 0, to->path);
}

static void op_copy(struct kill_proc *p)
{
	struct kill_place from = kill_place_of(p, kill_pick(p, KILL_FILE));
	struct kill_place to = kill_place_of(p, kill_pick(p, KILL_FILE));
	const struct kill_node *n = p->nodes;
	int in, out;

	if (!from.node || !to.node || n[from.node].file == n[to.node].file ||
	    !p->files[n[from.node].file].size)
		return;
	in = (int)KILL_DO(p, 0, from.path,
			  openat(p->dir, from.path, O_RDONLY | O_CLOEXEC));
	out = (int)KILL_DO(p, 0, to.path,
			   openat(p->dir, to.path, O_RDWR | O_CLOEXEC));
	if (in >= 0 && out >= 0)
		copy_range(p, &from, in, &to, out);
	if (in >= 0)
		kill_close(p, in, from.path);
	if (out >= 0)
		kill_close(p, out, to.path);
}

const struct kill_op kill_data_ops[] = {
	{ "write", 24, op_write },	{ "read", 12, op_read },
	{ "truncate", 4, op_truncate }, { "copy", 3, op_copy },
	{ "map", 3, op_private_map },	{ NULL, 0, NULL },
};
