/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vt - the content of files: descriptors, holes, allocation, copies, races.
 */
#include "vt.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define BLOCK 4096

static int run_open(int argc, char **argv)
{
	int fd = open(argv[1], vt_open_flags(argc > 2 ? argv[2] : "rdonly"),
		      0644);

	return fd >= 0 ? 0 : vt_errno("open");
}

static int run_write(int argc, char **argv)
{
	int fd = open(argv[1], vt_open_flags(argc > 4 ? argv[4] : "wronly"),
		      0644);

	if (fd < 0)
		return vt_errno("open");
	if (vt_write_all(fd, argv[3], strlen(argv[3]), vt_number(argv[2])) != 0)
		return vt_errno("write");
	if (close(fd) != 0)
		return vt_errno("close");
	return 0;
}

/* write SIZE bytes of 'x' until an error, told with what was written. */
static int run_fill(int argc, char **argv)
{
	static char block[1 << 16];
	long long left = vt_number(argv[2]);
	int fd = open(argv[1], O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	(void)argc;
	if (fd < 0)
		return vt_errno("open");
	memset(block, 'x', sizeof(block));
	while (left > 0) {
		size_t n = left < (long long)sizeof(block) ? (size_t)left
							   : sizeof(block);
		ssize_t done = write(fd, block, n);

		if (done <= 0)
			return vt_errno("write");
		left -= done;
	}
	if (close(fd) != 0)
		return vt_errno("close");
	return 0;
}

static int run_truncate(int argc, char **argv)
{
	(void)argc;
	return truncate(argv[1], vt_number(argv[2])) == 0
		       ? 0
		       : vt_errno("truncate");
}

static int run_fsync(int argc, char **argv)
{
	int fd = open(argv[1], O_RDONLY | O_CLOEXEC);

	(void)argc;
	if (fd < 0)
		return vt_errno("open");
	if (fdatasync(fd) != 0)
		return vt_errno("fdatasync");
	return fsync(fd) == 0 ? 0 : vt_errno("fsync");
}

/* "data FROM TO" per line, then "end SIZE". */
static int run_map(int argc, char **argv)
{
	int fd = open(argv[1], vt_open_flags(argc > 2 ? argv[2] : "rdonly"));
	off_t at = 0, hole;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) != 0)
		return vt_errno("open");
	for (int i = 0; i < 100000; i++) {
		at = lseek(fd, at, SEEK_DATA);
		if (at < 0 && errno == ENXIO) {
			printf("end %lld\n", (long long)st.st_size);
			return 0;
		}
		if (at < 0)
			return vt_errno("SEEK_DATA");
		hole = lseek(fd, at, SEEK_HOLE);
		if (hole < 0)
			return vt_errno("SEEK_HOLE");
		printf("data %lld %lld\n", (long long)at, (long long)hole);
		at = hole;
	}
	return vt_fail("SEEK_DATA never ends");
}

static int run_fallocate(int argc, char **argv)
{
	static const struct {
		const char *word;
		int mode;
	} modes[] = {
		{ "alloc", 0 },
		{ "keep", FALLOC_FL_KEEP_SIZE },
		{ "punch", FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE },
		{ "zero", FALLOC_FL_ZERO_RANGE },
		{ "zerokeep", FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE },
		{ "collapse", FALLOC_FL_COLLAPSE_RANGE },
		{ "insert", FALLOC_FL_INSERT_RANGE },
	};
	int fd = open(argv[1], O_WRONLY | O_CLOEXEC);

	(void)argc;
	if (fd < 0)
		return vt_errno("open");
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (strcmp(modes[i].word, argv[2]) == 0)
			return fallocate(fd, modes[i].mode, vt_number(argv[3]),
					 vt_number(argv[4])) == 0
				       ? 0
				       : vt_errno("fallocate");
	return vt_fail("not a fallocate mode: %s", argv[2]);
}

/* copy_file_range until LEN bytes went over; prints how many. */
static int run_cfr(int argc, char **argv)
{
	off64_t from = vt_number(argv[2]), to = vt_number(argv[4]);
	long long left = vt_number(argv[5]), done = 0;
	int in = open(argv[1], O_RDONLY | O_CLOEXEC);
	int out = open(argv[3], O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	(void)argc;
	if (in < 0 || out < 0)
		return vt_errno("open");
	while (left > 0) {
		ssize_t n =
			copy_file_range(in, &from, out, &to, (size_t)left, 0);

		if (n < 0)
			return vt_errno("copy_file_range");
		if (n == 0)
			break;
		left -= n;
		done += n;
	}
	printf("%lld\n", done);
	return 0;
}

static int run_sendfile(int argc, char **argv)
{
	int in = open(argv[1], O_RDONLY | O_CLOEXEC);
	int out = open(argv[2], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	long long done = 0;
	ssize_t n;

	(void)argc;
	if (in < 0 || out < 0)
		return vt_errno("open");
	while ((n = sendfile(out, in, NULL, 1 << 20)) > 0)
		done += n;
	if (n < 0)
		return vt_errno("sendfile");
	printf("%lld\n", done);
	return 0;
}

static int run_clone(int argc, char **argv)
{
	int in = open(argv[1], O_RDONLY | O_CLOEXEC);
	int out = open(argv[2], O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	(void)argc;
	if (in < 0 || out < 0)
		return vt_errno("open");
	return ioctl(out, FICLONE, in) == 0 ? 0 : vt_errno("FICLONE");
}

/* Two appenders taking turns: nothing may be overwritten. */
static int run_append(int argc, char **argv)
{
	int a = open(argv[1], O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
	int b = open(argv[1], O_WRONLY | O_APPEND | O_CLOEXEC);

	if (a < 0 || b < 0)
		return vt_errno("open");
	for (int i = 2; i < argc; i++)
		if (write(i % 2 ? b : a, argv[i], strlen(argv[i])) !=
		    (ssize_t)strlen(argv[i]))
			return vt_errno("write");
	return 0;
}

/* N processes append LINES lines each; every line must be there, whole. */
static int run_append_race(int argc, char **argv)
{
	long long n = vt_number(argv[2]), lines = vt_number(argv[3]);
	int failed = 0, status;

	(void)argc;
	for (long long p = 0; p < n; p++) {
		if (fork() != 0)
			continue;
		int fd = open(argv[1], O_WRONLY | O_APPEND | O_CLOEXEC);
		char line[32];

		for (long long i = 0; i < lines && fd >= 0; i++) {
			int len = snprintf(line, sizeof(line),
					   "%03lld %06lld\n", p, i);
			if (write(fd, line, (size_t)len) != len)
				_exit(vt_errno("write"));
		}
		_exit(fd < 0 ? vt_errno("open") : 0);
	}
	while (wait(&status) > 0)
		failed |= status != 0;
	return failed;
}

/*
 * O_DIRECT write, then a buffered read; a buffered write, then an O_DIRECT
 * read: each must see the other.
 */
static int run_direct(int argc, char **argv)
{
	static char buf[BLOCK] __attribute__((aligned(BLOCK)));
	char seen[BLOCK];
	int d = open(argv[1], O_RDWR | O_DIRECT | O_CLOEXEC);
	int fd = open(argv[1], O_RDWR | O_CLOEXEC);

	(void)argc;
	if (d < 0 || fd < 0)
		return vt_errno("open");
	memset(buf, 'D', BLOCK);
	if (pread(fd, seen, BLOCK, BLOCK) < 0)
		return vt_errno("read");
	if (pwrite(d, buf, BLOCK, BLOCK) != BLOCK)
		return vt_errno("direct write");
	if (pread(fd, seen, BLOCK, BLOCK) != BLOCK)
		return vt_errno("read");
	if (memcmp(seen, buf, BLOCK) != 0)
		return vt_fail("a buffered read misses the direct write");
	memset(seen, 'B', BLOCK);
	if (pwrite(fd, seen, BLOCK, BLOCK) != BLOCK)
		return vt_errno("write");
	if (pread(d, buf, BLOCK, BLOCK) != BLOCK)
		return vt_errno("direct read");
	if (memcmp(seen, buf, BLOCK) != 0)
		return vt_fail("a direct read misses the buffered write");
	return 0;
}

/* Open, unlink, then: nlink 0, the data readable, writable when asked. */
static int run_unlinked(int argc, char **argv)
{
	int writable = argc > 3 && strcmp(argv[3], "rdwr") == 0;
	int fd = open(argv[1], (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC);
	size_t len = strlen(argv[2]);
	char buf[256] = "";
	struct stat st;

	if (fd < 0)
		return vt_errno("open");
	if (unlink(argv[1]) != 0)
		return vt_errno("unlink");
	if (access(argv[1], F_OK) == 0)
		return vt_fail("the name is still there");
	if (fstat(fd, &st) != 0)
		return vt_errno("fstat");
	if (st.st_nlink != 0)
		return vt_fail("nlink is %lu", (unsigned long)st.st_nlink);
	if (pread(fd, buf, len, 0) != (ssize_t)len || memcmp(buf, argv[2], len))
		return vt_fail("the data is not what it was: %s", buf);
	if (!writable)
		return 0;
	if (pwrite(fd, "NEW", 3, 0) != 3 || ftruncate(fd, 3) != 0)
		return vt_errno("write");
	if (fchmod(fd, 0600) != 0)
		return vt_errno("fchmod");
	if (pread(fd, buf, 8, 0) != 3 || memcmp(buf, "NEW", 3) != 0)
		return vt_fail("the data is not what was written");
	return 0;
}

/* A copy-up race: N processes each write their block of one lower file. */
static int race_one(const char *path, int start, long long i)
{
	char block[BLOCK];
	char go;
	int fd;

	if (read(start, &go, 1) != 0) /* EOF is the starting shot */
		return vt_fail("no start");
	fd = open(path, (i & 1 ? O_RDWR : O_WRONLY) | O_CLOEXEC);
	if (fd < 0)
		return vt_errno("open");
	memset(block, 'a' + (int)(i % 26), sizeof(block));
	if (vt_write_all(fd, block, sizeof(block), i * 2 * BLOCK) != 0)
		return vt_errno("write");
	return close(fd) == 0 ? 0 : vt_errno("close");
}

static int run_race(int argc, char **argv)
{
	long long n = vt_number(argv[2]);
	int failed = 0, status, pipes[2];

	(void)argc;
	if (pipe(pipes) != 0)
		return vt_errno("pipe");
	for (long long i = 0; i < n; i++) {
		pid_t pid = fork();

		if (pid < 0)
			return vt_errno("fork");
		if (pid == 0) {
			close(pipes[1]);
			_exit(race_one(argv[1], pipes[0], i));
		}
	}
	close(pipes[1]);
	while (wait(&status) > 0)
		failed |= status != 0;
	return failed;
}

/* Check what run_race left: odd blocks are FILL, even ones the writers'. */
static int run_race_check(int argc, char **argv)
{
	long long n = vt_number(argv[2]);
	int fd = open(argv[1], O_RDONLY | O_CLOEXEC);
	char block[BLOCK];

	(void)argc;
	if (fd < 0)
		return vt_errno("open");
	for (long long i = 0; i < 2 * n; i++) {
		char want = i & 1 ? argv[3][0] : (char)('a' + i / 2 % 26);

		if (pread(fd, block, BLOCK, i * BLOCK) != BLOCK)
			return vt_errno("read");
		for (int j = 0; j < BLOCK; j++)
			if (block[j] != want)
				return vt_fail("block %lld byte %d is 0x%02x",
					       i, j, (unsigned char)block[j]);
	}
	return 0;
}

/*
 * One descriptor: `count` pieces behind each other, then a change far behind
 * them. Here and not in a shell, for a close would end what the filesystem has
 * reserved meanwhile.
 */
static int run_behind(int argc, char **argv)
{
	static char piece[1 << 16];
	const char *what = argv[4];
	size_t size = (size_t)vt_number(argv[2]);
	long long count = vt_number(argv[3]);
	off_t far = 5 * (off_t)size * count, from = 0;
	int fd = open(argv[1], O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	ssize_t n = -1;

	(void)argc;
	if (fd < 0 || size > sizeof(piece))
		return vt_errno(argv[1]);
	memset(piece, 'x', sizeof(piece));
	for (long long i = 0; i < count; i++) {
		if (write(fd, piece, size) != (ssize_t)size)
			return vt_errno("write");
	}
	if (strcmp(what, "write") == 0)
		n = pwrite(fd, piece, size, far);
	else if (strcmp(what, "truncate") == 0)
		n = ftruncate(fd, far);
	else if (strcmp(what, "fallocate") == 0)
		n = fallocate(fd, 0, far, (off_t)size);
	else if (strcmp(what, "copy") == 0)
		n = copy_file_range(fd, &from, fd, &far, size, 0);
	return n < 0 ? vt_errno(what) : 0;
}

const struct vt_command vt_data_commands[] = {
	{ "behind", "PATH SIZE COUNT write|truncate|fallocate|copy", 4,
	  run_behind },
	{ "open", "PATH [FLAGS]", 1, run_open },
	{ "write", "PATH OFFSET TEXT [FLAGS]", 3, run_write },
	{ "fill", "PATH SIZE", 2, run_fill },
	{ "truncate", "PATH SIZE", 2, run_truncate },
	{ "fsync", "PATH", 1, run_fsync },
	{ "map", "PATH [FLAGS]", 1, run_map },
	{ "fallocate", "PATH MODE OFFSET LENGTH", 4, run_fallocate },
	{ "cfr", "SRC OFFSET DST OFFSET LENGTH", 5, run_cfr },
	{ "sendfile", "SRC DST", 2, run_sendfile },
	{ "clone", "SRC DST", 2, run_clone },
	{ "append", "PATH TEXT...", 2, run_append },
	{ "append-race", "PATH PROCESSES LINES", 3, run_append_race },
	{ "direct", "PATH", 1, run_direct },
	{ "unlinked", "PATH TEXT [rdwr]", 2, run_unlinked },
	{ "race", "PATH PROCESSES", 2, run_race },
	{ "race-check", "PATH PROCESSES FILL", 3, run_race_check },
	{ NULL, NULL, 0, NULL },
};
