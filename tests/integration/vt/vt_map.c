/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vt - coherence: several descriptors and mappings of one file, before and
 * after it was copied up, and locks over a copy-up; what mappings store.
 */
#include "vt.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096

static char *map_of(int fd, int prot, int flags)
{
	char *p = mmap(NULL, PAGE, prot, flags, fd, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* MAP_SHARED for writing and read/write on one file see each other. */
static int run_mmap_shared(int argc, char **argv)
{
	int fd = open(argv[1], O_RDWR | O_CLOEXEC);
	char buf[8] = "";
	char *p;

	(void)argc;
	if (fd < 0)
		return vt_errno("open");
	p = map_of(fd, PROT_READ | PROT_WRITE, MAP_SHARED);
	if (!p)
		return vt_errno("mmap");
	memcpy(p, "MAPPED", 6);
	if (pread(fd, buf, 6, 0) != 6 || memcmp(buf, "MAPPED", 6) != 0)
		return vt_fail("read misses the mapping's store: %s", buf);
	if (pwrite(fd, "wrote!", 6, 8) != 6)
		return vt_errno("write");
	if (memcmp(p + 8, "wrote!", 6) != 0)
		return vt_fail("the mapping misses the write");
	if (msync(p, PAGE, MS_SYNC) != 0)
		return vt_errno("msync");
	munmap(p, PAGE);
	return close(fd) == 0 ? 0 : vt_errno("close");
}

/* A private mapping's stores stay private. */
static int run_mmap_private(int argc, char **argv)
{
	int fd = open(argv[1], O_RDONLY | O_CLOEXEC);
	char before[6], after[6];
	char *p;

	(void)argc;
	if (fd < 0)
		return vt_errno("open");
	p = map_of(fd, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	if (!p)
		return vt_errno("mmap");
	if (pread(fd, before, 6, 0) != 6 || memcmp(p, before, 6) != 0)
		return vt_fail("the mapping differs from the file");
	memcpy(p, "PRIVAT", 6);
	if (pread(fd, after, 6, 0) != 6 || memcmp(before, after, 6) != 0)
		return vt_fail("a private store reached the file");
	return 0;
}

/* Two processes share stores through one file. */
static int run_mmap_two(int argc, char **argv)
{
	int status = -1;
	int fd = open(argv[1], O_RDWR | O_CLOEXEC);
	char *p;
	pid_t pid;

	(void)argc;
	if (fd < 0)
		return vt_errno("open");
	p = map_of(fd, PROT_READ | PROT_WRITE, MAP_SHARED);
	if (!p)
		return vt_errno("mmap");
	pid = fork();
	if (pid == 0) {
		int own = open(argv[1], O_RDWR | O_CLOEXEC);
		char *q = own < 0 ? NULL
				  : map_of(own, PROT_READ | PROT_WRITE,
					   MAP_SHARED);

		if (!q)
			_exit(1);
		memcpy(q + 100, "CHILD", 5);
		_exit(0);
	}
	if (waitpid(pid, &status, 0) < 0 || status != 0)
		return vt_fail("the second mapping failed");
	return memcmp(p + 100, "CHILD", 5) == 0
		       ? 0
		       : vt_fail("the child's store is not seen");
}

/*
 * Store some bytes through a mapping of the file, and run a program while it is
 * mapped and nothing was written back by hand.
 */
static int run_map_store(int argc, char **argv)
{
	int fd = open(argv[1], O_RDWR | O_CLOEXEC), status = -1;
	off_t at = vt_number(argv[2]);
	pid_t pid;
	char *p;

	(void)argc;
	if (fd < 0)
		return vt_errno("open");
	p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		 at / PAGE * PAGE);
	/* A child that lets go of its half would have it written. */
	if (p == MAP_FAILED || madvise(p, PAGE, MADV_DONTFORK) != 0)
		return vt_errno("mmap");
	memcpy(p + at % PAGE, "MAPPED", 6);
	pid = fork();
	if (pid == 0) {
		execvp(argv[3], argv + 3);
		_exit(127);
	}
	if (waitpid(pid, &status, 0) < 0)
		return vt_errno("waitpid");
	munmap(p, PAGE);
	return status == 0 ? 0 : vt_fail("%s: status %d", argv[3], status);
}

/*
 * The rpm database: a read-only descriptor and mapping of a lower file, then a
 * write by another descriptor. read and mapping must show it.
 */
static int run_stale(int argc, char **argv)
{
	int with_map = argc > 2 && strcmp(argv[2], "mmap") == 0;
	int ro = open(argv[1], O_RDONLY | O_CLOEXEC);
	char buf[8] = "";
	char *p = NULL;
	int rw;

	if (ro < 0)
		return vt_errno("open rdonly");
	if (pread(ro, buf, 6, 0) != 6)
		return vt_errno("read");
	if (with_map) {
		p = map_of(ro, PROT_READ, MAP_SHARED);
		if (!p || p[0] != buf[0])
			return vt_errno("mmap");
	}
	rw = open(argv[1], O_RDWR | O_CLOEXEC);
	if (rw < 0)
		return vt_errno("open rdwr");
	if (pwrite(rw, "FRESH!", 6, 0) != 6)
		return vt_errno("write");
	if (pread(ro, buf, 6, 0) != 6 || memcmp(buf, "FRESH!", 6) != 0)
		return vt_fail("the old reader reads: %s", buf);
	if (p && memcmp(p, "FRESH!", 6) != 0)
		return vt_fail("the old mapping shows: %.6s", p);
	return 0;
}

/*
 * The same inside a program tree: the old reader may see old or new bytes but
 * no error; a new open sees the new ones; truncation and growth too.
 */
static int run_stale_program(int argc, char **argv)
{
	int ro = open(argv[1], O_RDONLY | O_CLOEXEC);
	char old[8] = "", buf[8] = "";
	int rw, again;
	char *p;

	(void)argc;
	if (ro < 0)
		return vt_errno("open rdonly");
	p = map_of(ro, PROT_READ | PROT_EXEC, MAP_PRIVATE);
	if (!p || pread(ro, old, 6, 0) != 6)
		return vt_errno("read");
	rw = open(argv[1], O_RDWR | O_CLOEXEC);
	if (rw < 0)
		return vt_errno("open rdwr");
	if (pwrite(rw, "FRESH!", 6, 0) != 6)
		return vt_errno("write");
	if (pread(ro, buf, 6, 0) != 6)
		return vt_errno("old reader");
	if (memcmp(buf, old, 6) != 0 && memcmp(buf, "FRESH!", 6) != 0)
		return vt_fail("the old reader reads neither: %s", buf);
	again = open(argv[1], O_RDONLY | O_CLOEXEC);
	if (again < 0)
		return vt_errno("open again");
	if (pread(again, buf, 6, 0) != 6 || memcmp(buf, "FRESH!", 6) != 0)
		return vt_fail("a new reader reads: %s", buf);
	if (close(ro) != 0 || close(rw) != 0 || close(again) != 0)
		return vt_errno("close");
	again = open(argv[1], O_RDWR | O_CLOEXEC);
	if (again < 0)
		return vt_errno("last open");
	if (pread(again, buf, 6, 0) != 6 || memcmp(buf, "FRESH!", 6) != 0)
		return vt_fail("the last reader reads: %s", buf);
	return 0;
}

/* A writer's inode and a reader's earlier descriptor are one file by stat. */
static int run_same_inode(int argc, char **argv)
{
	int ro = open(argv[1], O_RDONLY | O_CLOEXEC);
	struct stat a, b, c;
	int rw;

	(void)argc;
	if (ro < 0 || fstat(ro, &a) != 0)
		return vt_errno("open rdonly");
	rw = open(argv[1], O_RDWR | O_CLOEXEC);
	if (rw < 0 || fstat(rw, &b) != 0 || fstat(ro, &c) != 0)
		return vt_errno("open rdwr");
	if (a.st_ino != b.st_ino || a.st_ino != c.st_ino)
		return vt_fail("st_ino %llu, writer %llu, reader after %llu",
			       (unsigned long long)a.st_ino,
			       (unsigned long long)b.st_ino,
			       (unsigned long long)c.st_ino);
	return a.st_dev == b.st_dev ? 0 : vt_fail("st_dev changed");
}

/* A child tries the lock of KIND; its exit status is 0 when it got it. */
static int child_gets_lock(const char *path, int posix)
{
	struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		int fd = open(path, O_RDWR | O_CLOEXEC);
		int rc;

		if (fd < 0)
			_exit(2);
		rc = posix ? fcntl(fd, F_SETLK, &fl)
			   : flock(fd, LOCK_EX | LOCK_NB);
		if (rc == 0)
			_exit(0);
		_exit(errno == EWOULDBLOCK || errno == EACCES ? 1 : 2);
	}
	if (waitpid(pid, &status, 0) < 0 || !WIFEXITED(status))
		return 2;
	return WEXITSTATUS(status);
}

/* A lock taken on a lower file holds against a writer that copies it up. */
static int run_lock(int argc, char **argv)
{
	struct flock fl = { .l_type = F_RDLCK, .l_whence = SEEK_SET };
	int posix = strcmp(argv[2], "fcntl") == 0;
	int fd = open(argv[1], O_RDONLY | O_CLOEXEC);
	int got;

	(void)argc;
	if (fd < 0)
		return vt_errno("open");
	if (posix ? fcntl(fd, F_SETLK, &fl) : flock(fd, LOCK_SH | LOCK_NB))
		return vt_errno("lock");
	got = child_gets_lock(argv[1], posix);
	if (got != 1)
		return vt_fail("a second locker: %s",
			       got == 0 ? "got it" : "failed oddly");
	fl.l_type = F_UNLCK;
	if (posix ? fcntl(fd, F_SETLK, &fl) : flock(fd, LOCK_UN))
		return vt_errno("unlock");
	got = child_gets_lock(argv[1], posix);
	return got == 0 ? 0 : vt_fail("the freed lock cannot be taken");
}

/* A blocked F_SETLKW is woken by the unlock; bounded by an alarm. */
static int run_lock_wait(int argc, char **argv)
{
	struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int fd = open(argv[1], O_RDWR | O_CLOEXEC);
	int status = -1, ready[2];
	char byte;
	pid_t pid;

	(void)argc;
	if (fd < 0 || pipe(ready) != 0)
		return vt_errno("open");
	if (fcntl(fd, F_SETLK, &fl) != 0)
		return vt_errno("lock");
	pid = fork();
	if (pid == 0) {
		int own = open(argv[1], O_RDWR | O_CLOEXEC);

		alarm(10);
		if (own < 0 || write(ready[1], "r", 1) != 1)
			_exit(2);
		_exit(fcntl(own, F_SETLKW, &fl) == 0 ? 0 : 1);
	}
	if (read(ready[0], &byte, 1) != 1)
		return vt_errno("read");
	usleep(20000);
	if (waitpid(pid, &status, WNOHANG) != 0)
		return vt_fail("the waiter did not wait");
	fl.l_type = F_UNLCK;
	if (fcntl(fd, F_SETLK, &fl) != 0)
		return vt_errno("unlock");
	if (waitpid(pid, &status, 0) < 0 || status != 0)
		return vt_fail("the waiter was not woken");
	return 0;
}

static int copy_range(const char *path, int fd, off_t to)
{
	int in = open(path, O_RDONLY | O_CLOEXEC);
	off_t from = 0;

	if (in < 0)
		return -1;
	return copy_file_range(in, &from, fd, &to, PAGE, 0) < 0 ? -1 : 0;
}

/*
 * Blocks that a mapping could take unasked. A file that others have open to
 * read is mapped, `size` bytes; then its holes are made by `how`, and stored to
 * as far as the file goes.
 */
static int make_holes(const char *path, int fd, const char *how, off_t size)
{
	const int punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
	char page[PAGE] = "x";
	off_t last = size - PAGE;

	if (strcmp(how, "truncate") == 0)
		return truncate(path, size);
	if (strcmp(how, "write") == 0)
		return pwrite(fd, page, PAGE, last) < 0 ? -1 : 0;
	if (strcmp(how, "fallocate") == 0)
		return fallocate(fd, 0, last, PAGE);
	if (strcmp(how, "copy") == 0)
		return copy_range(path, fd, last);
	return strcmp(how, "punch") == 0 ? fallocate(fd, punch, 0, size) : 0;
}

static int store_all(const char *path, char *p, off_t size)
{
	struct stat st;
	long long n = 0;

	if (stat(path, &st) != 0)
		return vt_errno("stat");
	for (off_t at = 0; at < size && at < st.st_size; at += PAGE, n += PAGE)
		p[at] = 'y';
	if (msync(p, (size_t)size, MS_SYNC) != 0)
		return vt_errno("msync");
	printf("stored %lld\n", n);
	return 0;
}

static int run_map_holes(int argc, char **argv)
{
	off_t size = (off_t)vt_number(argv[3]);
	int reader = open(argv[1], O_RDONLY | O_CLOEXEC);
	int fd = open(argv[1], O_RDWR | O_CLOEXEC);
	char *p, go;

	if (fd < 0 || reader < 0)
		return vt_errno("open");
	p = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return vt_errno("mmap");
	for (int i = 4; i < argc; i++) {
		if (strcmp(argv[i], "closed") == 0) {
			close(reader);
			close(fd);
			fd = open(argv[1], O_WRONLY | O_CLOEXEC);
		}
		if (strcmp(argv[i], "wait") == 0) {
			printf("mapped\n");
			fflush(stdout);
			if (read(STDIN_FILENO, &go, 1) < 0)
				return vt_errno("read");
		}
	}
	if (make_holes(argv[1], fd, argv[2], size) != 0)
		vt_errno(argv[2]);
	return store_all(argv[1], p, size);
}

const struct vt_command vt_map_commands[] = {
	{ "mmap-shared", "PATH", 1, run_mmap_shared },
	{ "mmap-private", "PATH", 1, run_mmap_private },
	{ "mmap-two", "PATH", 1, run_mmap_two },
	{ "map-holes",
	  "PATH truncate|write|fallocate|copy|punch|none SIZE [closed] [wait]",
	  3, run_map_holes },
	{ "map-store", "PATH OFFSET COMMAND...", 3, run_map_store },
	{ "stale", "PATH [mmap]", 1, run_stale },
	{ "stale-program", "PATH", 1, run_stale_program },
	{ "same-inode", "PATH", 1, run_same_inode },
	{ "lock", "PATH flock|fcntl", 2, run_lock },
	{ "lock-wait", "PATH", 1, run_lock_wait },
	{ NULL, NULL, 0, NULL },
};
