/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * micro: times single filesystem operations inside one directory.
 *
 *   micro -l                        list the operations
 *   micro [-t SECONDS] DIR OP...    run them, one JSON line each on stdout
 *   micro -m MIB                    only touch and give back so much memory
 *
 * DIR must show the "lower" and "upper" files of mkfiles merged; how it does
 * that (one plain directory, an overlay) is what is being compared. Most
 * operations use their files up: each runs once per freshly made tree.
 * "First" operations count on nobody having looked the names up before;
 * the caller mounts anew and drops the kernel's dentries.
 *
 * A sample is the mean of `batch` calls, so that calls near the cost of the
 * clock (some 40 ns) are not measured by it. An operation ends after its
 * count or after SECONDS, whichever is first. The exit status is 1 when an
 * operation failed; its line then carries "error" in place of figures.
 *
 * Free memory of a virtual machine may have to be fetched from the host, some
 * 11 us a page: it is touched before every operation (and by -m), so that the
 * page cache need not pay for it.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#define KIB 1024UL
#define MIB (1024UL * KIB)
#define MEMORY_TOUCHED (32UL * MIB)
#define NAMES_MAX 16000
#define BLOCK_MAX MIB
#define READDIR_ENTRIES 1000
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

struct run {
	const struct op *op;
	int root;
	int dir;
	int fd;
};

enum fill {
	FILL_NONE,
	FILL_FILES, /* op->n empty files */
	FILL_DIRS,  /* op->n empty directories */
	FILL_DATA,  /* one file, op->file, of op->span bytes */
};

struct op {
	const char *name;
	const char *title;
	const char *dir;  /* NULL: a fresh directory run/NAME */
	const char *file; /* opened with flags before the clock starts, */
	int flags;	  /* else by each call of once_open */
	enum fill fill;
	int n;	   /* calls */
	int batch; /* calls per sample, 0 is 1 */
	int warm;  /* calls before the clock starts */
	int files; /* names are taken round robin out of so many, 0: n */
	size_t block;
	size_t span;  /* offsets wrap here */
	int as_speed; /* print MB/s, not us */
	int (*once)(struct run *r, int i);
};

static char names[NAMES_MAX][8];
static char others[NAMES_MAX][8];
static char block[BLOCK_MAX];

static void names_init(void)
{
	unsigned int seed = 1;
	size_t i;

	for (i = 0; i < NAMES_MAX; i++) {
		snprintf(names[i], sizeof(names[i]), "f%05zu", i);
		snprintf(others[i], sizeof(others[i]), "g%05zu", i);
	}
	for (i = 0; i < sizeof(block); i++) {
		seed = seed * 1103515245U + 12345U;
		block[i] = (char)(seed >> 16);
	}
}

static double now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

static const char *name_of(const struct run *r, int i)
{
	return names[r->op->files ? i % r->op->files : i];
}

static int err(ssize_t rc)
{
	return rc < 0 ? -errno : 0;
}

static int exact(ssize_t rc, size_t want)
{
	if (rc < 0)
		return -errno;
	return (size_t)rc == want ? 0 : -EIO;
}

static off_t offset_of(const struct run *r, int i)
{
	size_t blocks = r->op->span / r->op->block;

	return (off_t)((size_t)i % blocks * r->op->block);
}

/* --- operations: each is one call of what its title says --- */

static int once_open(struct run *r, int i)
{
	int flags = r->op->flags;
	int fd = openat(r->dir, name_of(r, i), flags | O_CLOEXEC, 0644);
	size_t len = r->op->block;
	int rc = 0;

	if (fd < 0)
		return -errno;
	if (len && (flags & O_ACCMODE) == O_RDONLY)
		rc = exact(pread(fd, block, len, 0), len);
	else if (len)
		rc = exact(pwrite(fd, block, len, 0), len);
	if (close(fd) < 0 && !rc)
		rc = -errno;
	return rc;
}

static int once_stat(struct run *r, int i)
{
	struct stat st;

	return err(fstatat(r->dir, name_of(r, i), &st, AT_SYMLINK_NOFOLLOW));
}

static int once_stat_missing(struct run *r, int i)
{
	struct stat st;

	if (!fstatat(r->dir, others[i % READDIR_ENTRIES], &st, 0))
		return -EEXIST;
	return errno == ENOENT ? 0 : -errno;
}

static int once_getxattr(struct run *r, int i)
{
	char value[16];

	(void)i;
	if (fgetxattr(r->fd, "user.none", value, sizeof(value)) >= 0)
		return -EEXIST;
	return errno == ENODATA ? 0 : -errno;
}

static int once_mkdir(struct run *r, int i)
{
	return err(mkdirat(r->dir, name_of(r, i), 0755));
}

static int once_rmdir(struct run *r, int i)
{
	return err(unlinkat(r->dir, name_of(r, i), AT_REMOVEDIR));
}

static int once_unlink(struct run *r, int i)
{
	return err(unlinkat(r->dir, name_of(r, i), 0));
}

static int once_rename(struct run *r, int i)
{
	return err(renameat(r->dir, names[i], r->dir, others[i]));
}

static int once_link(struct run *r, int i)
{
	return err(linkat(r->dir, names[i], r->dir, others[i], 0));
}

static int once_symlink(struct run *r, int i)
{
	static const char target[] = "somewhere/else";
	const size_t len = sizeof(target) - 1;
	char text[64];

	if (symlinkat(target, r->dir, name_of(r, i)) < 0)
		return -errno;
	return exact(readlinkat(r->dir, name_of(r, i), text, sizeof(text)),
		     len);
}

static int once_chmod(struct run *r, int i)
{
	return err(fchmodat(r->dir, name_of(r, i), 0600, 0));
}

static int once_readdir(struct run *r, int i)
{
	int fd = openat(r->dir, name_of(r, i),
			O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int seen = 0;
	DIR *d;

	if (fd < 0)
		return -errno;
	d = fdopendir(fd);
	if (!d) {
		int rc = -errno;

		close(fd);
		return rc;
	}
	while (readdir(d))
		seen++;
	closedir(d);
	return seen >= READDIR_ENTRIES ? 0 : -EIO;
}

static int once_read(struct run *r, int i)
{
	size_t len = r->op->block;

	return exact(pread(r->fd, block, len, offset_of(r, i)), len);
}

static int once_write(struct run *r, int i)
{
	size_t len = r->op->block;

	return exact(pwrite(r->fd, block, len, offset_of(r, i)), len);
}

static int once_append(struct run *r, int i)
{
	(void)i;
	return exact(write(r->fd, block, r->op->block), r->op->block);
}

static int once_fsync(struct run *r, int i)
{
	int rc = once_write(r, i);

	return rc ? rc : err(fsync(r->fd));
}

/*
 * In the order they run: what must see a cold cache comes first, what removes
 * comes last, for ext4 without a journal is slow to reuse fresh inodes.
 */
#define CREATE_NEW (O_CREAT | O_EXCL | O_WRONLY)
#define ROUND_ROBIN .files = 64, .warm = 64, .n = 2000
#define BLOCKS(size, of) .block = (size), .span = (of)
#define HOT_4K BLOCKS(4 * KIB, 4 * MIB), .warm = 1024, .n = 16000, .batch = 16
#define SEQ(size, over, calls) BLOCKS(size, over), .as_speed = 1, .n = (calls)

/* clang-format off */
static const struct op ops[] = {
	{ .name = "stat_first_lower", .title = "stat, first, lower file",
	  .once = once_stat, .dir = "l/stat", .n = 1000 },
	{ .name = "stat_first_upper", .title = "stat, first, upper file",
	  .once = once_stat, .dir = "u/stat", .n = 1000 },
	{ .name = "stat_missing", .title = "stat of a missing name, first",
	  .once = once_stat_missing, .dir = "l/stat", .n = 1000 },
	{ .name = "stat_missing_hot", .title = "stat of a missing name, again",
	  .once = once_stat_missing, .dir = "l/stat", .warm = READDIR_ENTRIES,
	  .n = 16000, .batch = 16 },
	{ .name = "stat_hot", .title = "stat, hot", .once = once_stat,
	  .dir = "l/stat", .files = 64, .warm = 64, .n = 16000, .batch = 16 },
	{ .name = "getxattr", .title = "getxattr, absent",
	  .once = once_getxattr, .dir = "u", .file = "file", .n = 1000 },
	{ .name = "readdir_cold", .title = "readdir of 1000, cold",
	  .once = once_readdir, .dir = "l/rd", .n = 8 },
	{ .name = "readdir_hot", .title = "readdir of 1000, hot",
	  .once = once_readdir, .dir = "l/rd", .files = 1, .warm = 2, .n = 50 },
	{ .name = "read_first_lower",
	  .title = "first read of a lower file, 128 KiB blocks",
	  .once = once_read, .dir = "usr", .file = "big",
	  SEQ(128 * KIB, 16 * MIB, 128) },
	{ .name = "open_read_prog", .title = "open+read 4k+close, lower, /usr",
	  .once = once_open, .dir = "usr/read", .block = 4 * KIB,
	  ROUND_ROBIN },
	{ .name = "open_read_lower", .title = "open+read 4k+close, lower, else",
	  .once = once_open, .dir = "l/read", .block = 4 * KIB,
	  ROUND_ROBIN },
	{ .name = "open_read", .title = "open+read 4k+close, upper",
	  .once = once_open, .dir = "u/read", .block = 4 * KIB,
	  ROUND_ROBIN },
	{ .name = "open_write", .title = "open+write 4k+close, upper",
	  .once = once_open, .flags = O_WRONLY, .dir = "u/write",
	  .block = 4 * KIB, ROUND_ROBIN },
	{ .name = "create", .title = "create+close",
	  .once = once_open, .flags = CREATE_NEW, .n = 1000 },
	{ .name = "create_4k", .title = "create+write 4k+close",
	  .once = once_open, .flags = CREATE_NEW, .block = 4 * KIB, .n = 1000 },
	{ .name = "mkdir", .title = "mkdir", .once = once_mkdir, .n = 500 },
	{ .name = "rename", .title = "rename", .once = once_rename,
	  .fill = FILL_FILES, .n = 1000 },
	{ .name = "link", .title = "link", .once = once_link,
	  .fill = FILL_FILES, .n = 500 },
	{ .name = "symlink", .title = "symlink+readlink",
	  .once = once_symlink, .n = 500 },
	{ .name = "rename_dir_lower", .title = "rename, lower directory",
	  .once = once_rename, .dir = "l/mvdir", .n = 64 },
	{ .name = "chmod_4k", .title = "chmod, lower file, 4 KiB",
	  .once = once_chmod, .dir = "l/chmod4k", .n = 200 },
	{ .name = "chmod_1m", .title = "chmod, lower file, 1 MiB",
	  .once = once_chmod, .dir = "l/chmod1m", .n = 16 },
	{ .name = "copyup_4k", .title = "first write, lower file, 4 KiB",
	  .once = once_open, .flags = O_WRONLY, .dir = "l/write4k",
	  .block = 4 * KIB, .n = 100 },
	{ .name = "copyup_1m", .title = "first write, lower file, 1 MiB",
	  .once = once_open, .flags = O_WRONLY, .dir = "l/write1m",
	  .block = 4 * KIB, .n = 16 },
	{ .name = "read_4k", .title = "read 4k, upper, cached",
	  .once = once_read, .dir = "u", .file = "file", HOT_4K },
	{ .name = "read_4k_lower", .title = "read 4k, lower, cached",
	  .once = once_read, .dir = "l", .file = "file", HOT_4K },
	{ .name = "write_4k", .title = "write 4k, upper, overwrite",
	  .once = once_write, .dir = "u", .file = "file", .flags = O_WRONLY,
	  HOT_4K },
	{ .name = "append_4k", .title = "append 4k", .once = once_append,
	  .file = "log", .flags = O_WRONLY | O_CREAT | O_APPEND,
	  .block = 4 * KIB, .n = 2000 },
	{ .name = "write_128k", .title = "overwrite, 128 KiB blocks",
	  .once = once_write, .fill = FILL_DATA, .file = "seq",
	  .flags = O_WRONLY, SEQ(128 * KIB, 32 * MIB, 1024) },
	{ .name = "write_1m", .title = "overwrite, 1 MiB blocks",
	  .once = once_write, .fill = FILL_DATA, .file = "seq",
	  .flags = O_WRONLY, SEQ(MIB, 32 * MIB, 128) },
	{ .name = "read_128k", .title = "read, 128 KiB blocks",
	  .once = once_read, .fill = FILL_DATA, .file = "seq", .warm = 256,
	  SEQ(128 * KIB, 32 * MIB, 1024) },
	{ .name = "read_1m", .title = "read, 1 MiB blocks",
	  .once = once_read, .fill = FILL_DATA, .file = "seq", .warm = 32,
	  SEQ(MIB, 32 * MIB, 128) },
	{ .name = "fsync", .title = "write 4k+fsync", .once = once_fsync,
	  .file = "small", .flags = O_WRONLY | O_CREAT, .n = 40,
	  BLOCKS(4 * KIB, 64 * KIB) },
	{ .name = "rmdir", .title = "rmdir", .once = once_rmdir,
	  .fill = FILL_DIRS, .n = 500 },
	{ .name = "unlink", .title = "unlink", .once = once_unlink,
	  .fill = FILL_FILES, .n = 1000 },
	{ .name = "unlink_lower", .title = "unlink, lower file (whiteout)",
	  .once = once_unlink, .dir = "l/unlink", .n = 500 },
};
/* clang-format on */

/* --- running and reporting --- */

static int file_make(int dir, const char *name, size_t size)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
			0644);
	int rc = 0;

	if (fd < 0)
		return -errno;
	while (size && !rc) {
		size_t len = size < BLOCK_MAX ? size : BLOCK_MAX;

		rc = exact(write(fd, block, len), len);
		size -= len;
	}
	if (close(fd) < 0 && !rc)
		rc = -errno;
	return rc;
}

static int dir_open(int at, const char *path)
{
	int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int run_fill(struct run *r)
{
	const struct op *op = r->op;
	int rc = 0;
	int i;

	if (op->fill == FILL_DATA)
		return file_make(r->dir, op->file, op->span);
	for (i = 0; i < op->n && !rc; i++) {
		if (op->fill == FILL_FILES)
			rc = file_make(r->dir, names[i], 0);
		else if (op->fill == FILL_DIRS)
			rc = err(mkdirat(r->dir, names[i], 0755));
	}
	return rc;
}

static int run_setup(struct run *r)
{
	const struct op *op = r->op;
	char path[64];
	int rc;
	int i;

	snprintf(path, sizeof(path), "run/%s", op->name);
	if (!op->dir && mkdirat(r->root, path, 0755) < 0)
		return -errno;
	r->dir = dir_open(r->root, op->dir ? op->dir : path);
	if (r->dir < 0)
		return r->dir;
	rc = run_fill(r);
	if (rc)
		return rc;
	if (op->file) {
		r->fd = openat(r->dir, op->file, op->flags | O_CLOEXEC, 0644);
		if (r->fd < 0)
			return -errno;
	}
	for (i = 0; i < op->warm && !rc; i++)
		rc = op->once(r, i);
	return rc;
}

/* The number of samples taken, or -errno of the call that failed. */
static int run_timed(struct run *r, double *samples, double limit_us)
{
	int batch = r->op->batch ? r->op->batch : 1;
	double begin = now_us();
	int taken = 0;
	int i = 0;
	int rc;

	while (i + batch <= r->op->n) {
		double t0 = now_us();
		double t1;
		int k;

		for (k = 0; k < batch; k++) {
			rc = r->op->once(r, i++);
			if (rc)
				return rc;
		}
		t1 = now_us();
		samples[taken++] = (t1 - t0) / batch;
		if (t1 - begin > limit_us)
			break;
	}
	return taken;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;

	return (x > y) - (x < y);
}

static void report(const struct op *op, double *samples, int n)
{
	double v[3];
	size_t i;

	qsort(samples, (size_t)n, sizeof(*samples), by_value);
	v[0] = samples[0];
	v[1] = samples[n / 2];
	v[2] = samples[(n * 99 - 1) / 100];
	for (i = 0; op->as_speed && i < ARRAY_SIZE(v); i++)
		v[i] = (double)op->block / v[i];
	printf("{\"op\":\"%s\",\"title\":\"%s\",\"unit\":\"%s\",\"n\":%d,"
	       "\"best\":%.3f,\"median\":%.3f,\"p99\":%.3f}\n",
	       op->name, op->title, op->as_speed ? "MB/s" : "us",
	       n * (op->batch ? op->batch : 1), v[0], v[1], v[2]);
}

/* Freed at once: the next to want pages gets these. */
static void memory_touch(size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (p != MAP_FAILED)
		munmap(p, len);
}

static int run_op(int root, const struct op *op, double limit_us)
{
	struct run r = { .op = op, .root = root, .dir = -1, .fd = -1 };
	double *samples = calloc((size_t)op->n, sizeof(*samples));
	int rc;

	if (!samples)
		abort();
	rc = run_setup(&r);
	memory_touch(MEMORY_TOUCHED);
	if (!rc)
		rc = run_timed(&r, samples, limit_us);
	if (rc > 0)
		report(op, samples, rc);
	else
		printf("{\"op\":\"%s\",\"title\":\"%s\",\"unit\":\"%s\","
		       "\"error\":\"%s\"}\n",
		       op->name, op->title, op->as_speed ? "MB/s" : "us",
		       strerrorname_np(-rc));
	if (r.fd >= 0)
		close(r.fd);
	if (r.dir >= 0)
		close(r.dir);
	free(samples);
	return rc > 0 ? 0 : 1;
}

static const struct op *op_find(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		if (!strcmp(ops[i].name, name))
			return &ops[i];
	}
	return NULL;
}

static int usage(void)
{
	fprintf(stderr, "usage: micro [-t SECONDS] DIR OP...\n"
			"       micro -l | -m MIB\n");
	return 2;
}

static int list(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(ops); i++)
		puts(ops[i].name);
	return 0;
}

int main(int argc, char **argv)
{
	double limit_us = 5e6;
	int failed = 0;
	int root;
	int c;

	while ((c = getopt(argc, argv, "lm:t:")) != -1) {
		if (c == 'l')
			return list();
		if (c == 'm') {
			memory_touch(strtoul(optarg, NULL, 10) * MIB);
			return 0;
		}
		if (c != 't')
			return usage();
		limit_us = strtod(optarg, NULL) * 1e6;
	}
	if (optind + 1 >= argc)
		return usage();
	names_init();
	root = dir_open(AT_FDCWD, argv[optind]);
	if (root < 0) {
		fprintf(stderr, "micro: %s: %s\n", argv[optind],
			strerror(-root));
		return 2;
	}
	for (c = optind + 1; c < argc; c++) {
		const struct op *op = op_find(argv[c]);

		if (!op) {
			fprintf(stderr, "micro: no operation %s\n", argv[c]);
			return 2;
		}
		failed |= run_op(root, op, limit_us);
	}
	return failed;
}
