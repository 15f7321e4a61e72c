/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The device: a file of FUSE, for a loop device to stand on. What is written
 * to it is held in a cache; a flush, which reaches us as an fsync, brings the
 * cache to the image, in order. So the image is at every moment what a disk
 * without power has kept for certain.
 *
 * The cut happens between two requests, of which there is one at a time: what
 * is acknowledged is noted, the image gets no more flushes, what is begun is
 * noted. The device itself goes on, out of memory, so that all that is mounted
 * on it can be unmounted in peace. At the end the image gets some of the writes
 * that were in the cache at the cut: all, none, or some of them and of some
 * only the first or the last sectors, which is all that a disk may do to them.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/stress/powercut.h"

#define SECTOR 512		/* what is addressed */
#define WHOLE 4096		/* what is written as a whole or not at all */
#define MOST (1 << 20)		/* bytes of a write */
#define ROOM (MOST + (1 << 12)) /* of a request */
#define MANY 12	     /* writes in the cache that a cut may wait for */
#define PATIENCE 200 /* for so many requests */
#define IMMEDIATE 16 /* one of so many cuts happens before the load */

struct cached {
	struct cached *next;
	uint64_t off;
	uint32_t len;
	bool before; /* the cut */
	char data[];
};

static struct {
	int dev, image;
	uint64_t size, rng;
	struct pc_journal *j;
	struct cached *first, **last; /* the cache, oldest first */
	unsigned n, enough, patience; /* writes in the cache */
	char *buf, *out;
} disk = { .last = &disk.first };

static void to_image(const char *data, uint32_t len, uint64_t off)
{
	if (pwrite(disk.image, data, len, (off_t)off) != (ssize_t)len)
		pc_fail("the image: %s", strerror(errno));
}

/* Out of the cache, to be freed; NULL: it is empty. */
static struct cached *take_first(void)
{
	struct cached *c = disk.first;

	if (!c)
		return NULL;
	disk.first = c->next;
	if (!disk.first)
		disk.last = &disk.first;
	disk.n--;
	return c;
}

/* The moment. */

static void cut(void)
{
	struct pc_journal *j = disk.j;
	struct cached *c;

	for (int p = 0; p < PC_PROCS; p++)
		j->done[p] = atomic_load(&j->now[p].done);
	for (c = disk.first; c; c = c->next) {
		c->before = true;
		j->held++;
	}
	atomic_store(&j->dead, 1);
	for (int p = 0; p < PC_PROCS; p++)
		j->begun[p] = atomic_load(&j->now[p].begun);
}

/* When it is time, it may wait some requests for a cache that holds more. */
static void maybe_cut(void)
{
	uint32_t left = atomic_load(&disk.j->countdown);

	if (left == 0 || atomic_load(&disk.j->dead))
		return;
	if (left > 1)
		atomic_store(&disk.j->countdown, left - 1);
	else if (disk.n >= disk.enough || disk.patience-- == 0)
		cut();
}

/*
 * Of one write that was in the cache: these bytes got through. ext4 takes for
 * granted that its superblock, two sectors of 512 bytes, is never torn.
 */
static void survive(const struct cached *c)
{
	uint64_t first = c->off / WHOLE + 1,
		 last = (c->off + c->len - 1) / WHOLE;
	uint32_t n;

	if (first > last || pc_random(&disk.rng, 4)) {
		to_image(c->data, c->len, c->off);
		return;
	}
	disk.j->torn++;
	first += pc_random(&disk.rng, (unsigned)(last - first) + 1);
	n = (uint32_t)(first * WHOLE - c->off);
	if (pc_random(&disk.rng, 2))
		to_image(c->data, n, c->off);
	else
		to_image(c->data + n, c->len - n, c->off + n);
}

static void settle(void)
{
	static const unsigned percents[] = { 100, 0, 15, 50, 85 };
	unsigned percent = percents[pc_random(&disk.rng, 5)];
	struct cached *c;

	if (!atomic_load(&disk.j->dead))
		cut();
	while ((c = take_first())) {
		if (c->before && pc_random(&disk.rng, 100) < percent) {
			disk.j->kept++;
			if (percent == 100)
				to_image(c->data, c->len, c->off);
			else
				survive(c);
		}
		free(c);
	}
}

/* The device. */

static int disk_write(uint64_t off, const char *data, uint32_t len)
{
	struct cached *c;

	if (off + len > disk.size || off % SECTOR || len % SECTOR)
		return -EINVAL;
	c = malloc(sizeof(*c) + len);
	if (!c)
		return -ENOMEM;
	c->off = off;
	c->len = len;
	c->before = false;
	memcpy(c->data, data, len);
	c->next = NULL;
	*disk.last = c;
	disk.last = &c->next;
	disk.n++;
	return 0;
}

static void disk_flush(void)
{
	struct cached *c;

	if (atomic_load(&disk.j->dead))
		return;
	while ((c = take_first())) {
		to_image(c->data, c->len, c->off);
		free(c);
	}
}

static int disk_read(uint64_t off, char *data, uint32_t len)
{
	struct cached *c;

	if (off >= disk.size)
		return 0;
	if (len > disk.size - off)
		len = (uint32_t)(disk.size - off);
	if (pread(disk.image, data, len, (off_t)off) != (ssize_t)len)
		return -EIO;
	for (c = disk.first; c; c = c->next) {
		uint64_t from = c->off > off ? c->off : off;
		uint64_t to = c->off + c->len < off + len ? c->off + c->len
							  : off + len;

		if (from < to)
			memcpy(data + (from - off), c->data + (from - c->off),
			       to - from);
	}
	return (int)len;
}

/* Requests. */

static void reply(uint64_t unique, int error, const void *data, size_t len)
{
	struct fuse_out_header h = { .len = (uint32_t)(sizeof(h) + len),
				     .error = error,
				     .unique = unique };
	struct iovec iov[2] = { { &h, sizeof(h) }, { (void *)data, len } };

	/* ENOENT: who asked was interrupted */
	if (writev(disk.dev, iov, len ? 2 : 1) < 0 && errno != ENOENT)
		pc_fail("reply: %s", strerror(errno));
}

static int do_init(const void *in, void *out)
{
	const struct fuse_init_in *i = in;
	struct fuse_init_out *o = out;

	*o = (struct fuse_init_out){
		.major = FUSE_KERNEL_VERSION,
		.minor = FUSE_KERNEL_MINOR_VERSION,
		.max_readahead = i->max_readahead,
		.flags = FUSE_BIG_WRITES | FUSE_MAX_PAGES | FUSE_ASYNC_READ,
		.max_background = 64,
		.congestion_threshold = 48,
		.max_write = MOST,
		.max_pages = MOST / 4096,
		.time_gran = 1,
	};
	return sizeof(*o);
}

static int do_getattr(const void *in, void *out)
{
	struct fuse_attr_out *o = out;

	(void)in;
	*o = (struct fuse_attr_out){ .attr_valid = 3600 };
	o->attr.ino = 1;
	o->attr.size = disk.size;
	o->attr.blocks = disk.size / SECTOR;
	o->attr.mode = S_IFREG | 0600;
	o->attr.nlink = 1;
	o->attr.blksize = 4096;
	return sizeof(*o);
}

static int do_open(const void *in, void *out)
{
	struct fuse_open_out *o = out;

	(void)in;
	*o = (struct fuse_open_out){ .open_flags = FOPEN_DIRECT_IO };
	return sizeof(*o);
}

static int do_read(const void *in, void *out)
{
	const struct fuse_read_in *i = in;

	return disk_read(i->offset, out, i->size < MOST ? i->size : MOST);
}

static int do_write(const void *in, void *out)
{
	const struct fuse_write_in *i = in;
	struct fuse_write_out *o = out;
	int r;

	maybe_cut();
	r = disk_write(i->offset, (const char *)(i + 1), i->size);
	if (!atomic_load(&disk.j->dead))
		disk.j->writes++;
	*o = (struct fuse_write_out){ .size = i->size };
	return r < 0 ? r : (int)sizeof(*o);
}

static int do_fsync(const void *in, void *out)
{
	(void)in;
	(void)out;
	maybe_cut();
	disk_flush();
	if (!atomic_load(&disk.j->dead))
		disk.j->flushes++;
	return 0;
}

static int do_nothing(const void *in, void *out)
{
	(void)in;
	(void)out;
	return 0;
}

static int (*const handlers[])(const void *in, void *out) = {
	[FUSE_INIT] = do_init,	     [FUSE_GETATTR] = do_getattr,
	[FUSE_OPEN] = do_open,	     [FUSE_READ] = do_read,
	[FUSE_WRITE] = do_write,     [FUSE_FSYNC] = do_fsync,
	[FUSE_RELEASE] = do_nothing, [FUSE_FLUSH] = do_nothing,
	[FUSE_ACCESS] = do_nothing,
};

static void handle(const struct fuse_in_header *h)
{
	int r = -ENOSYS;

	if (h->opcode == FUSE_FORGET || h->opcode == FUSE_BATCH_FORGET ||
	    h->opcode == FUSE_INTERRUPT)
		return;
	if (h->opcode < sizeof(handlers) / sizeof(handlers[0]) &&
	    handlers[h->opcode])
		r = handlers[h->opcode](h + 1, disk.out);
	reply(h->unique, r < 0 ? r : 0, disk.out, r > 0 ? (size_t)r : 0);
}

static void serve(void)
{
	for (;;) {
		ssize_t n = read(disk.dev, disk.buf, ROOM);

		if (n < 0 && errno == ENODEV)
			return;
		if (n >= (ssize_t)sizeof(struct fuse_in_header))
			handle((const struct fuse_in_header *)disk.buf);
		else if (n >= 0 ||
			 (errno != EINTR && errno != ENOENT && errno != EAGAIN))
			pc_fail("/dev/fuse: %s", strerror(errno));
	}
}

int pc_disk(const char *image, const char *file, struct pc_journal *j,
	    uint64_t seed)
{
	char options[96];
	struct stat st;

	disk.j = j;
	disk.rng = seed;
	disk.enough = pc_random(&disk.rng, MANY);
	disk.patience = PATIENCE;
	disk.image = open(image, O_RDWR | O_CLOEXEC);
	disk.dev = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (disk.image < 0 || fstat(disk.image, &st) < 0 || disk.dev < 0)
		pc_fail("%s, /dev/fuse: %s", image, strerror(errno));
	disk.size = (uint64_t)st.st_size;
	disk.buf = malloc(ROOM);
	disk.out = malloc(ROOM);
	if (!disk.buf || !disk.out)
		pc_fail("no memory");
	if (pc_random(&disk.rng, IMMEDIATE) == 0)
		atomic_store(&j->countdown, 1 + pc_random(&disk.rng, 120));
	snprintf(options, sizeof(options),
		 "fd=%d,rootmode=100600,user_id=0,group_id=0,max_read=%d",
		 disk.dev, MOST);
	if (mount("powercut", file, "fuse.powercut", MS_NOSUID | MS_NODEV,
		  options) < 0)
		pc_fail("mount %s: %s", file, strerror(errno));
	serve();
	settle();
	return 0;
}
