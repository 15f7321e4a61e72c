/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vt - growing until somebody refuses: files by every way to write, names of
 * every kind, by one process or several at once.
 *
 * What was accepted is told as
 *
 *	piece TAG OFFSET LENGTH PATH
 *	end PATH BYTES ERRNO SHORT
 *
 * ERRNO is the error's name, or "ok" when all was taken; SHORT how many calls
 * took less than they were given. The pieces are what `grown` reads. Where the
 * offset is not known before (append) the process's letter is the data, else
 * it follows from the offset.
 */
#include "vt.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/falloc.h>
#include <linux/fuse.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "fs/base/crash.h"

#define CHUNK_MAX (4 << 20)
#define PAGE 4096
#define BY_OFFSET '-'

struct grow {
	const char *verb, *path;
	int flags, number, of;
	long long chunk, max;
	int fd, source;
	char tag;
	/* What is told. */
	off_t piece, length;
	long long bytes, shorts;
};

static void pattern(unsigned char *to, size_t n, off_t off, char tag)
{
	for (size_t i = 0; i < n; i++) {
		unsigned long long at = (unsigned long long)off + i;

		to[i] = tag != BY_OFFSET ? (unsigned char)tag
					 : (unsigned char)(at ^ (at >> 9) * 13);
	}
}

/* Several processes. */

typedef int (*child_fn)(void *ctx, int number);

/* All begin at once; non-zero when one of them failed. */
static int at_once(int n, child_fn fn, void *ctx)
{
	int failed = 0, status, pipes[2];
	char go;

	if (pipe(pipes) != 0)
		return vt_errno("pipe");
	for (int i = 0; i < n; i++) {
		pid_t pid = fork();

		if (pid < 0)
			return vt_errno("fork");
		if (pid != 0)
			continue;
		close(pipes[1]);
		if (read(pipes[0], &go, 1) != 0) /* EOF: the starting shot */
			_exit(vt_fail("no start"));
		status = fn(ctx, i);
		fflush(stdout);
		_exit(status);
	}
	close(pipes[1]);
	while (wait(&status) > 0)
		failed |= status != 0;
	return failed;
}

/* "%" in a path is the process's number. */
static char *path_of(const char *path, int number)
{
	const char *at = strchr(path, '%');
	char *out = NULL;

	if (!at)
		return strdup(path);
	if (asprintf(&out, "%.*s%d%s", (int)(at - path), path, number, at + 1) <
	    0)
		return NULL;
	return out;
}

/* Files. */

static void tell_piece(struct grow *g)
{
	if (g->length > 0)
		printf("piece %c %lld %lld %s\n", g->tag, (long long)g->piece,
		       (long long)g->length, g->path);
	g->length = 0;
}

static void accepted(struct grow *g, off_t off, long long n)
{
	if (off != g->piece + g->length) {
		tell_piece(g);
		g->piece = off;
	}
	g->length += n;
	g->bytes += n;
}

/* One call; the bytes it took, or -1. */
static long long grow_once(struct grow *g, unsigned char *buf, off_t off,
			   long long n)
{
	off64_t from = off, to = off;
	int mode = strcmp(g->verb, "keep") == 0	  ? FALLOC_FL_KEEP_SIZE
		   : strcmp(g->verb, "zero") == 0 ? FALLOC_FL_ZERO_RANGE
						  : 0;

	if (strcmp(g->verb, "copy") == 0)
		return copy_file_range(g->source, &from, g->fd, &to, (size_t)n,
				       0);
	if (strcmp(g->verb, "write") != 0 && strcmp(g->verb, "pwrite") != 0)
		return fallocate(g->fd, mode, off, n) < 0 ? -1 : n;
	pattern(buf, (size_t)n, off, g->tag);
	return strcmp(g->verb, "write") == 0
		       ? write(g->fd, buf, (size_t)n)
		       : pwrite(g->fd, buf, (size_t)n, off);
}

/* 0, or the error that ended it. */
static int grow_all(struct grow *g, unsigned char *buf)
{
	bool strided = strcmp(g->verb, "write") != 0 && g->of > 1;
	bool data = strstr(g->verb, "write") || strcmp(g->verb, "copy") == 0;
	long long at = strided ? g->number * g->chunk : 0, in_chunk = 0;

	while (g->bytes < g->max) {
		long long n = g->chunk - in_chunk, left = g->max - g->bytes;
		long long done;
		off_t off;

		n = n < left ? n : left;
		done = grow_once(g, buf, at, n);
		if (done < 0)
			return errno;
		if (done == 0)
			return 0;
		off = g->flags & O_APPEND ? lseek(g->fd, 0, SEEK_CUR) - done
					  : at;
		if (data)
			accepted(g, off, done);
		else
			g->bytes += done;
		g->shorts += done < n;
		in_chunk = (in_chunk + done) % g->chunk;
		at += done;
		if (strided && in_chunk == 0)
			at += (g->of - 1) * g->chunk;
	}
	return 0;
}

static int grow_one(void *ctx, int number)
{
	struct grow g = *(const struct grow *)ctx;
	unsigned char *buf = aligned_alloc(PAGE, CHUNK_MAX);
	bool shared = !strchr(g.path, '%');
	int err;

	g.number = number;
	g.of = shared ? g.of : 1;
	g.path = path_of(g.path, number);
	g.tag = (char)(g.flags & O_APPEND ? 'a' + number : BY_OFFSET);
	g.fd = open(g.path, g.flags | O_CREAT, 0644);
	err = g.fd < 0 ? errno : grow_all(&g, buf);
	tell_piece(&g);
	if (g.fd >= 0 && close(g.fd) != 0 && err == 0)
		err = errno;
	printf("end %s %lld %s %lld\n", g.path, g.bytes,
	       err ? strerrorname_np(err) : "ok", g.shorts);
	return 0;
}

static int run_grow(int argc, char **argv)
{
	struct grow g = { .verb = argv[1],
			  .flags = vt_open_flags(argv[2]),
			  .chunk = vt_number(argv[3]),
			  .max = vt_number(argv[4]),
			  .of = (int)vt_number(argv[5]),
			  .path = argv[6] };

	if (g.chunk > CHUNK_MAX)
		return vt_fail("chunks of %d bytes at most", CHUNK_MAX);
	if (strcmp(g.verb, "copy") == 0) {
		g.source = open(argv[argc - 1], O_RDONLY | O_CLOEXEC);
		if (g.source < 0)
			return vt_errno("open");
	}
	return at_once(g.of, grow_one, &g);
}

/* One piece; 0 when it is there. */
static int check_piece(const char *path, off_t off, long long n, char tag)
{
	static unsigned char want[1 << 16], got[1 << 16];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int bad = 0;

	if (fd < 0)
		return vt_errno(path);
	while (n > 0 && !bad) {
		size_t len = n < (long long)sizeof(want) ? (size_t)n
							 : sizeof(want);

		pattern(want, len, off, tag);
		bad = pread(fd, got, len, off) != (ssize_t)len;
		for (size_t i = 0; i < len && !bad; i++)
			if (want[i] != got[i])
				bad = vt_fail("%s: byte %lld is 0x%02x, not "
					      "0x%02x",
					      path,
					      (long long)off + (long long)i,
					      got[i], want[i]);
		off += (off_t)len;
		n -= (long long)len;
	}
	close(fd);
	return bad ? vt_fail("%s: what was accepted is not there", path) : 0;
}

static int run_grown(int argc, char **argv)
{
	long long off, n, pieces = 0;
	char line[PAGE + 100], path[PAGE + 1], tag;
	int bad = 0;

	(void)argc;
	(void)argv;
	while (!bad && fgets(line, sizeof(line), stdin)) {
		if (sscanf(line, "piece %c %lld %lld %4096s", &tag, &off, &n,
			   path) != 4)
			continue;
		bad = check_piece(path, off, n, tag);
		pieces++;
	}
	return bad || pieces ? bad : vt_fail("no piece");
}

/* Stores through a mapping, then msync by STEP bytes. */
static int run_grow_map(int argc, char **argv)
{
	off_t off = vt_number(argv[2]);
	long long len = vt_number(argv[3]), step = vt_number(argv[4]);
	struct grow g = { .path = argv[1], .tag = BY_OFFSET };
	int fd = open(argv[1], O_RDWR | O_CLOEXEC), err = 0;
	unsigned char *p;

	(void)argc;
	if (fd < 0)
		return vt_errno("open");
	p = mmap(NULL, (size_t)len, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		 off);
	if (p == MAP_FAILED)
		return vt_errno("mmap");
	for (long long at = 0; at < len; at += step) {
		pattern(p + at, (size_t)step, off + at, BY_OFFSET);
		if (msync(p + at, (size_t)step, MS_SYNC) == 0) {
			accepted(&g, off + at, step);
			continue;
		}
		err = err ? err : errno;
		g.shorts++;
	}
	tell_piece(&g);
	munmap(p, (size_t)len);
	close(fd);
	printf("end %s %lld %s %lld\n", argv[1], g.bytes,
	       err ? strerrorname_np(err) : "ok", g.shorts);
	return 0;
}

/* Room that only the last close of PATH gives is there when it returns. */
static int run_last_close(int argc, char **argv)
{
	static const char text[PAGE] = "text";
	int fd = open(argv[1], O_RDONLY | O_CLOEXEC);
	int other = open(argv[2], O_WRONLY | O_CLOEXEC);
	off_t end = other < 0 ? -1 : lseek(other, 0, SEEK_END);

	(void)argc;
	if (fd < 0 || end < 0)
		return vt_errno("open");
	if (unlink(argv[1]) != 0)
		return vt_errno("unlink");
	if (pwrite(other, text, PAGE, end) >= 0)
		return vt_fail("a write is not refused");
	if (close(fd) != 0)
		return vt_errno("close");
	return pwrite(other, text, PAGE, end) == PAGE ? 0 : vt_errno("write");
}

/* Names. */

static int make_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	return fd < 0 ? -1 : close(fd);
}

static int make_node(const char *path)
{
	return mknod(path, S_IFREG | 0644, 0);
}

static int make_fifo(const char *path)
{
	return mkfifo(path, 0644);
}

static int make_dir(const char *path)
{
	return mkdir(path, 0755);
}

static int make_symlink(const char *path)
{
	return symlink("target", path);
}

/* In the folder of the path; it gets its name then. */
static int make_unnamed(const char *path)
{
	char *slash = strrchr(path, '/'), proc[64];
	char *dir = strndup(path, (size_t)(slash - path));
	int fd = open(dir, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0644), r;

	free(dir);
	if (fd < 0)
		return -1;
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	r = linkat(AT_FDCWD, proc, AT_FDCWD, path, AT_SYMLINK_FOLLOW);
	close(fd);
	return r;
}

static int make_attribute(const char *path)
{
	char value[3000];

	memset(value, 'v', sizeof(value));
	return setxattr(path, "user.grown", value, sizeof(value), 0);
}

static const struct kind {
	const char *name;
	int (*make)(const char *path);
} kinds[] = {
	{ "file", make_file },	     { "node", make_node },
	{ "fifo", make_fifo },	     { "dir", make_dir },
	{ "symlink", make_symlink }, { "unnamed", make_unnamed },
	{ "xattr", make_attribute },
};
#define N_MAKERS 6 /* of inodes */

struct make {
	const struct kind *kind;
	const char *dir;
	int count;
};

static int make_some(void *ctx, int number)
{
	const struct make *m = ctx;
	int n, err = 0;

	for (n = 0; n < m->count && !err; n++) {
		char *path = NULL;

		if (asprintf(&path, "%s/%d-%d", m->dir, number, n) < 0)
			return 1;
		if (m->kind->make(path) != 0)
			err = errno;
		free(path);
	}
	printf("end %s %d %s 0\n", m->dir, n - !!err,
	       err ? strerrorname_np(err) : "ok");
	return 0;
}

static int run_make(int argc, char **argv)
{
	struct make m = { .dir = argv[2], .count = (int)vt_number(argv[3]) };

	(void)argc;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].name, argv[1]) == 0)
			m.kind = &kinds[i];
	if (!m.kind)
		return vt_fail("not a kind: %s", argv[1]);
	return at_once((int)vt_number(argv[4]), make_some, &m);
}

/*
 * As many as are wanted make a name each, keep it for a moment and remove it,
 * again and again, while a limit lets some of them: how many had one at a time? In folders of their
 * own, 0 and on: who is asking keeps a folder locked.
 */
#define KEPT_US 300

struct crowd {
	const char *dir, *stop;
	struct shared {
		_Atomic int now, most, made;
	} * seen;
};

static void have_one(struct shared *s)
{
	int now = ++s->now, most = s->most;

	while (now > most &&
	       !atomic_compare_exchange_weak(&s->most, &most, now))
		;
	s->made++;
	usleep(KEPT_US);
	s->now--;
}

static int crowd_one(void *ctx, int number)
{
	const struct crowd *c = ctx;
	const struct kind *k = &kinds[number % N_MAKERS];
	char path[4096];

	for (int n = 0; n < 1000000 && access(c->stop, F_OK) != 0; n++) {
		snprintf(path, sizeof(path), "%s/%d/%d", c->dir, number, n);
		if (k->make(path) == 0) {
			have_one(c->seen);
			if (remove(path) != 0)
				return vt_errno(path);
		} else if (errno != EDQUOT && errno != ENOSPC) {
			return vt_errno(path);
		} else {
			usleep(KEPT_US);
		}
	}
	return 0;
}

static int run_crowd(int argc, char **argv)
{
	struct crowd c = { .dir = argv[1], .stop = argv[3] };
	int r;

	(void)argc;
	c.seen = mmap(NULL, sizeof(*c.seen), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (c.seen == MAP_FAILED)
		return vt_errno("mmap");
	r = at_once((int)vt_number(argv[2]), crowd_one, &c);
	printf("%d %d\n", c.seen->most, c.seen->made);
	return r;
}

/*
 * The daemon, built with crash points, dies whenever it has made an inode of
 * these kinds and nothing else, for so long.
 */
static int run_dies_making(int argc, char **argv)
{
	static const unsigned ops[] = { FUSE_CREATE, FUSE_MKNOD, FUSE_MKDIR,
					FUSE_SYMLINK };
	int fd = open(argv[1], O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	struct crash_control *c = MAP_FAILED;
	int rounds = (int)vt_number(argv[2]) * 20;

	(void)argc;
	if (fd >= 0 && ftruncate(fd, sizeof(*c)) == 0)
		c = mmap(NULL, sizeof(*c), PROT_READ | PROT_WRITE, MAP_SHARED,
			 fd, 0);
	if (c == MAP_FAILED)
		return vt_errno(argv[1]);
	c->size = sizeof(*c);
	c->points = CRASH_MAX;
	c->magic = CRASH_MAGIC;
	for (int i = 0; i < rounds; i++) {
		if (atomic_load(&c->armed) == 0)
			atomic_store(&c->armed, crash_arm_word(CRASH_INODE_MADE,
							       ops[i % 4], 0));
		usleep(50000);
	}
	atomic_store(&c->armed, 0);
	printf("%llu\n", (unsigned long long)atomic_load(&c->fired));
	return 0;
}

/* Truth. */

static long long sum_bytes;

static int sum_one(const char *path, const struct stat *st, int type,
		   struct FTW *ftw)
{
	(void)path;
	(void)type;
	(void)ftw;
	sum_bytes += st->st_blocks * 512LL;
	return 0;
}

/* The most that a tree took, in bytes, until there is a file STOP. */
static int run_sample(int argc, char **argv)
{
	long long most = 0, rounds = 0;

	(void)argc;
	do {
		sum_bytes = 0;
		nftw(argv[1], sum_one, 16, FTW_PHYS);
		most = sum_bytes > most ? sum_bytes : most;
		usleep(1000);
	} while (access(argv[2], F_OK) != 0 && ++rounds < 60000);
	printf("%lld\n", most);
	return 0;
}

const struct vt_command vt_quota_commands[] = {
	{ "crowd", "DIR PROCESSES STOP", 3, run_crowd },
	{ "dies-making", "CONTROL SECONDS", 2, run_dies_making },
	{ "grow", "VERB FLAGS CHUNK MAX PROCESSES PATH [SOURCE]", 6, run_grow },
	{ "grow-map", "PATH OFFSET LENGTH STEP", 4, run_grow_map },
	{ "grown", "<PIECES", 0, run_grown },
	{ "last-close", "PATH OTHER", 2, run_last_close },
	{ "make", "KIND DIR COUNT PROCESSES", 4, run_make },
	{ "sample", "DIR STOP", 2, run_sample },
	{ NULL, NULL, 0, NULL },
};
