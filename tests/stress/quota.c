/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * quota - random changes by several processes, for a mount with a quota; and
 * asking that mount's quota.
 *
 *	quota load DIR PROCESSES OPERATIONS SEED
 *	quota ask DIR WORD...
 *
 * Each process works in a folder of its own and in one of all, on files from
 * below (DIR/low) as well. Errors that such a load brings are expected, also
 * those of a limit; any other is told and fails. `ask` prints the answer;
 * it exits with 1 unless that begins with "ok", with 2 when it tells a drift.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "fs/quotactl.h"

#define FILES 48
#define FOLDERS 6
#define OWNERS 8
#define KEPT 8
#define PATH 64
#define BLOCK 4096

static uint64_t state;
static int kept[KEPT];
static unsigned self;

static uint32_t rnd(uint32_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 24) % below;
}

/* A file: mine, everybody's, or one of the lower's. */
static const char *file(char path[PATH])
{
	uint32_t n = rnd(FILES);

	switch (rnd(4)) {
	case 0:
		snprintf(path, PATH, "all/f%u", n);
		break;
	case 1:
		snprintf(path, PATH, "low/f%u", n);
		break;
	case 2:
		snprintf(path, PATH, "p%u/d%u/f%u", self, rnd(FOLDERS), n);
		break;
	default:
		snprintf(path, PATH, "p%u/f%u", self, n);
	}
	return path;
}

static const char *folder(char path[PATH])
{
	if (rnd(2))
		snprintf(path, PATH, "p%u/d%u", self, rnd(FOLDERS));
	else
		snprintf(path, PATH, "all/d%u", rnd(FOLDERS));
	return path;
}

static int expected(int err)
{
	static const int list[] = { ENOENT,  EEXIST, ENOTEMPTY, EISDIR,
				    ENOTDIR, ENOSPC, EDQUOT,	EINVAL,
				    ELOOP,   EMLINK, ENXIO,	ENODATA,
				    EPERM,   EXDEV,  EFBIG,	ENOTSUP };

	for (unsigned i = 0; i < sizeof(list) / sizeof(*list); i++) {
		if (list[i] == err)
			return 1;
	}
	return 0;
}

static int open_one(int flags)
{
	char path[PATH];

	return open(file(path), flags | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW,
		    0644);
}

static int with_fd(int fd, long r)
{
	int saved = errno;

	close(fd);
	errno = saved;
	return r < 0 ? -1 : 0;
}

static int op_write(void)
{
	static char buf[16 * BLOCK];
	int fd = open_one(O_CREAT | (rnd(2) ? O_RDWR : O_WRONLY));

	return fd < 0 ? -1
		      : with_fd(fd, pwrite(fd, buf, 1 + rnd(sizeof(buf)),
					   rnd(64 * BLOCK)));
}

static int op_append(void)
{
	static const char buf[5000] = "x";
	int fd = open_one(O_CREAT | O_WRONLY | O_APPEND);

	return fd < 0 ? -1 : with_fd(fd, write(fd, buf, 1 + rnd(5000)));
}

static int op_truncate(void)
{
	char path[PATH];

	return truncate(file(path), rnd(80 * BLOCK));
}

static int op_empty(void)
{
	int fd = open_one(O_WRONLY | O_TRUNC);

	return fd < 0 ? -1 : with_fd(fd, 0);
}

static int op_allocate(void)
{
	static const int modes[] = { 0, FALLOC_FL_KEEP_SIZE,
				     FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				     FALLOC_FL_ZERO_RANGE };
	int fd = open_one(O_WRONLY);

	return fd < 0 ? -1
		      : with_fd(fd,
				fallocate(fd, modes[rnd(4)], rnd(64 * BLOCK),
					  1 + rnd(16 * BLOCK)));
}

static int op_map(void)
{
	int fd = open_one(O_RDWR);
	struct stat st;
	char *p;

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) < 0 || st.st_size < BLOCK)
		return with_fd(fd, 0);
	p = mmap(NULL, BLOCK, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		 rnd((uint32_t)(st.st_size / BLOCK)) * BLOCK);
	if (p == MAP_FAILED)
		return with_fd(fd, -1);
	/* Others may cut it off: write by the file, not by the page. */
	msync(p, BLOCK, MS_SYNC);
	munmap(p, BLOCK);
	return with_fd(fd, 0);
}

static int op_copy(void)
{
	int in = open_one(O_RDONLY), out, r;
	loff_t from = rnd(8 * BLOCK), to = rnd(64 * BLOCK);

	if (in < 0)
		return -1;
	out = open_one(O_WRONLY | O_CREAT);
	if (out < 0)
		return with_fd(in, -1);
	r = with_fd(out, copy_file_range(in, &from, out, &to,
					 1 + rnd(16 * BLOCK), 0));
	return with_fd(in, r);
}

static int op_unlink(void)
{
	char path[PATH];

	return unlink(file(path));
}

static int op_link(void)
{
	char a[PATH], b[PATH];

	return link(file(a), file(b));
}

static int op_rename(void)
{
	char a[PATH], b[PATH];

	return renameat2(AT_FDCWD, file(a), AT_FDCWD, file(b),
			 rnd(4) ? 0 : RENAME_EXCHANGE);
}

static int op_move_folder(void)
{
	char a[PATH], b[PATH];

	return rename(folder(a), folder(b));
}

static int op_mkdir(void)
{
	char path[PATH];

	return mkdir(folder(path), 0755);
}

static int op_rmdir(void)
{
	char path[PATH];

	return rmdir(folder(path));
}

static int op_symlink(void)
{
	static char target[200];
	char path[PATH];

	memset(target, 't', sizeof(target) - 1);
	return symlink(target + rnd(199), file(path));
}

static int op_chown(void)
{
	char path[PATH];

	return lchown(file(path), 1000 + rnd(OWNERS), 2000 + rnd(OWNERS));
}

static int op_chown_folder(void)
{
	char path[PATH];

	return lchown(folder(path), 1000 + rnd(OWNERS), 2000 + rnd(OWNERS));
}

static int op_chmod(void)
{
	char path[PATH];

	return chmod(file(path), 0600 + rnd(0100));
}

static int op_attribute(void)
{
	static const char value[3000] = "v";
	char path[PATH], name[16];

	snprintf(name, sizeof(name), "user.a%u", rnd(3));
	file(path);
	return rnd(3) ? lsetxattr(path, name, value, 1 + rnd(3000), 0)
		      : lremovexattr(path, name);
}

/* Open, and stay so for a while: its name may go. */
static int op_keep(void)
{
	static const char buf[BLOCK] = "k";
	int *at = &kept[rnd(KEPT)];

	if (*at > 0) {
		if (pwrite(*at, buf, sizeof(buf), rnd(64 * BLOCK)) < 0 &&
		    !expected(errno))
			return -1;
		close(*at);
	}
	*at = open_one(O_RDWR | O_CREAT);
	return *at < 0 ? -1 : 0;
}

static int op_unnamed(void)
{
	static const char buf[3 * BLOCK] = "u";
	char path[PATH], proc[PATH];
	int fd = open("all", O_TMPFILE | O_RDWR | O_CLOEXEC, 0644), r;

	if (fd < 0)
		return -1;
	r = pwrite(fd, buf, sizeof(buf), 0) < 0 ? -1 : 0;
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	if (r == 0 && rnd(2))
		r = linkat(AT_FDCWD, proc, AT_FDCWD, file(path),
			   AT_SYMLINK_FOLLOW);
	return with_fd(fd, r);
}

static int (*const ops[])(void) = {
	op_write,  op_write,	op_write,     op_append,  op_truncate,
	op_empty,  op_allocate, op_map,	      op_copy,	  op_unlink,
	op_unlink, op_link,	op_rename,    op_mkdir,	  op_move_folder,
	op_rmdir,  op_symlink,	op_chown,     op_chown,	  op_chown_folder,
	op_chmod,  op_keep,	op_attribute, op_unnamed,
};

#define N_OPS (sizeof(ops) / sizeof(*ops))

static int load(unsigned long n)
{
	unsigned long bad = 0, full = 0;
	char path[PATH];

	snprintf(path, sizeof(path), "p%u", self);
	mkdir(path, 0755);
	for (unsigned long i = 0; i < n; i++) {
		uint32_t op = rnd(N_OPS);

		if (ops[op]() == 0)
			continue;
		if (errno == ENOSPC || errno == EDQUOT)
			full++;
		if (expected(errno))
			continue;
		fprintf(stderr, "process %u: operation %lu, number %u: %s\n",
			self, i, op, strerror(errno));
		if (++bad > 10)
			break;
	}
	printf("process %u: %lu operations, %lu refused by a limit\n", self, n,
	       full);
	fflush(stdout);
	return bad ? 1 : 0;
}

static int run_load(char **argv)
{
	unsigned n = (unsigned)atoi(argv[3]);
	unsigned long each = strtoul(argv[4], NULL, 10) / n;
	int bad = 0, status;

	if (chdir(argv[2]) < 0) {
		perror(argv[2]);
		return 1;
	}
	mkdir("all", 0755);
	for (self = 0; self < n; self++) {
		if (fork() == 0) {
			state = strtoull(argv[5], NULL, 10) * 1000003 + self +
				1;
			exit(load(each));
		}
	}
	while (wait(&status) > 0)
		bad |= status;
	return bad ? 1 : 0;
}

static int run_ask(int argc, char **argv)
{
	char line[512] = "", first = 0, buf[512];
	int drift = 0, r;
	FILE *f;

	for (int i = 3; i < argc; i++) {
		strncat(line, i > 3 ? " " : "",
			sizeof(line) - strlen(line) - 1);
		strncat(line, argv[i], sizeof(line) - strlen(line) - 1);
	}
	r = quotactl_ask(argv[2], line, &f);
	if (r < 0) {
		fprintf(stderr, "%s: %s\n", argv[2], strerror(-r));
		return 1;
	}
	while (fgets(buf, sizeof(buf), f)) {
		if (!first)
			first = buf[0];
		drift |= strncmp(buf, "drift ", 6) == 0;
		fputs(buf, stdout);
	}
	fclose(f);
	return first != 'o' ? 1 : drift ? 2 : 0;
}

int main(int argc, char **argv)
{
	if (argc == 6 && strcmp(argv[1], "load") == 0)
		return run_load(argv);
	if (argc > 3 && strcmp(argv[1], "ask") == 0)
		return run_ask(argc, argv);
	fprintf(stderr, "usage: quota load DIR PROCESSES OPERATIONS SEED\n"
			"       quota ask DIR WORD...\n");
	return 2;
}
