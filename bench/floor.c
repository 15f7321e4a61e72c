/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * floor: the least that a FUSE filesystem can cost on this machine.
 *
 *   floor -o lowerdir=DIR[:DIR...],upperdir=DIR[,...] TARGET
 *
 * reads the names below these directories, mounts them merged on TARGET, goes
 * into the background and ends when it is unmounted. Options that other peers
 * have are passed over.
 *
 * One thread, and no system calls but the two that no daemon can do without: a
 * read(2) for the request, a write(2) for its answer, which is made up from
 * tables in memory. The kernel is told what vefs tells it (fs/fuse.c: the same
 * flags, no end to what it may keep, opening a directory is no request), so
 * both get the same requests for the same call of a program. What remains is
 * the kernel's part of a round trip.
 *
 * Data is the kernel's, by passthrough: of files that were there their own, of
 * those created here one file in memory for all. So its rows of names mean
 * something, those that write data say little. Where nothing would be like what
 * others do, a first write to a file of lower and an fsync, it is EOPNOTSUPP;
 * what bench/micro.c has no use for is ENOSYS.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "bench/floorops.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

/* Linux 6.9 has these, Debian 12's headers do not. */
#define MINOR 40
#define PASSTHROUGH (1u << (37 - 32))	       /* in flags2 */
#define DIRECT_IO_ALLOW_MMAP (1u << (36 - 32)) /* in flags2 */
struct backing_map {
	int32_t fd;
	uint32_t flags;
	uint64_t padding;
};
#define BACKING_OPEN _IOW(229, 1, struct backing_map)

#define FLAGS                                                                  \
	(FUSE_ASYNC_READ | FUSE_ATOMIC_O_TRUNC | FUSE_BIG_WRITES |             \
	 FUSE_DONT_MASK | FUSE_DO_READDIRPLUS | FUSE_READDIRPLUS_AUTO |        \
	 FUSE_ASYNC_DIO | FUSE_PARALLEL_DIROPS | FUSE_POSIX_ACL |              \
	 FUSE_MAX_PAGES | FUSE_CACHE_SYMLINKS | FUSE_HANDLE_KILLPRIV_V2 |      \
	 FUSE_SETXATTR_EXT | FUSE_INIT_EXT)
#define WRITE_MAX (1u << 20)

static int device = -1;
static _Alignas(8) char request[WRITE_MAX + 4096];

/* The kernel's first request: what it may ask for, as vefs says it. */
static void begin(void)
{
	const struct fuse_in_header *h = (const void *)request;
	const struct fuse_init_in *in = (const void *)(h + 1);
	struct {
		struct fuse_out_header h;
		struct fuse_init_out init;
	} out = { .h.len = sizeof(out) };

	if (read(device, request, sizeof(request)) < 0)
		floortree_fail("the kernel's first request");
	out.h.unique = h->unique;
	out.init = (struct fuse_init_out){
		.major = FUSE_KERNEL_VERSION,
		.minor = MINOR,
		.max_readahead = WRITE_MAX,
		.flags = in->flags & FLAGS,
		.flags2 = in->flags2 & (PASSTHROUGH | DIRECT_IO_ALLOW_MMAP),
		.max_background = 64,
		.congestion_threshold = 48,
		.max_write = WRITE_MAX,
		.max_pages = WRITE_MAX / 4096,
		.time_gran = 1,
		.unused = { 1 }, /* in later headers: max_stack_depth */
	};
	if (write(device, &out, sizeof(out)) < 0)
		floortree_fail("answering the kernel's first request");
}

/* False: it is unmounted. */
static bool serve(void)
{
	const struct fuse_out_header *answer;
	ssize_t n = read(device, request, sizeof(request));

	if (n < 0 && (errno == ENODEV || errno == ECONNABORTED))
		return false;
	if (n < 0 && (errno == EINTR || errno == ENOENT))
		return true; /* who asked is gone */
	if (n < 0)
		floortree_fail("reading a request");
	answer = floorops_handle((const void *)request);
	if (answer && write(device, answer, answer->len) < 0 &&
	    errno != ENOENT && errno != ENODEV)
		floortree_fail("answering");
	return true;
}

static uint32_t backing_open(int fd)
{
	struct backing_map map = { .fd = fd };
	int id = ioctl(device, BACKING_OPEN, &map);

	return id > 0 ? (uint32_t)id : 0;
}

static uint32_t scratch_new(void)
{
	int fd = memfd_create("floor", MFD_CLOEXEC);
	uint32_t id = fd < 0 ? 0 : backing_open(fd);

	if (fd < 0)
		floortree_fail("memfd_create");
	close(fd);
	return id;
}

/* --- starting --- */

struct config {
	char *lower, *upper;
	const char *target;
};

static void device_mount(const struct config *c)
{
	char data[128];

	device = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (device < 0)
		floortree_fail("/dev/fuse");
	snprintf(data, sizeof(data),
		 "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other,"
		 "default_permissions",
		 device);
	if (mount("floor", c->target, "fuse.floor", 0, data) < 0)
		floortree_fail(c->target);
}

/* Requests wait meanwhile, but for the first: before it nothing can be backed. */
static void prepare(const struct config *c)
{
	struct floortree_node *root = floortree_new(S_IFDIR | 0755, 0, 0);
	char *save = NULL, *dir;

	begin();
	floorops_root(root);
	floorops_scratch(scratch_new());
	floortree_load(root, c->upper, false, backing_open);
	for (dir = strtok_r(c->lower, ":", &save); dir;
	     dir = strtok_r(NULL, ":", &save))
		floortree_load(root, dir, true, backing_open);
}

/* `ready` is a pipe: who started us waits for its first byte. */
static int background(const struct config *c, int ready)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	setsid();
	prepare(c);
	if (null < 0 || chdir("/") < 0)
		floortree_fail("/");
	for (int fd = 0; fd <= 2; fd++)
		dup2(null, fd);
	if (write(ready, "", 1) != 1)
		return 1;
	close(ready);
	while (serve())
		;
	return 0;
}

static int options(struct config *c, char *text)
{
	static char lower[] = "lowerdir", upper[] = "upperdir";
	char *const words[] = { lower, upper, NULL };
	char *value;

	while (*text) {
		switch (getsubopt(&text, words, &value)) {
		case 0:
			c->lower = value;
			break;
		case 1:
			c->upper = value;
			break;
		default:
			break;
		}
	}
	return c->lower && c->upper;
}

int main(int argc, char **argv)
{
	struct config c = { .target = argv[argc - 1] };
	int ends[2];
	pid_t child;
	char byte;

	if (argc != 4 || strcmp(argv[1], "-o") != 0 || !options(&c, argv[2])) {
		fprintf(stderr, "usage: floor -o lowerdir=DIR[:DIR...],"
				"upperdir=DIR TARGET\n");
		return 2;
	}
	if (pipe2(ends, O_CLOEXEC) < 0)
		floortree_fail("pipe");
	device_mount(&c);
	child = fork();
	if (child == 0)
		return background(&c, ends[1]);
	close(ends[1]);
	if (child > 0 && read(ends[0], &byte, 1) == 1)
		return 0;
	umount2(c.target, MNT_DETACH);
	return 1;
}
