/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vt - an ioctl; a random walk: the same seed makes the same operations in any folder,
 * so that a mount can be compared with a plain filesystem, answer by answer.
 *
 * Paths come from a small set of names, so that most operations meet
 * something: up to three components out of eight names. Every answer (0 or the
 * error's name, and what was read) is one line of output.
 */
#include "vt.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

static uint64_t state;

static unsigned pick(unsigned n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (unsigned)(state >> 33) % n;
}

/* A path below `dir` in one of two buffers, the same for the same state. */
static const char *some_path(void)
{
	static char buf[2][64];
	static int turn;
	char *p = buf[turn ^= 1];
	unsigned depth = 1 + pick(3);
	size_t len = 0;

	for (unsigned i = 0; i < depth; i++)
		len += (size_t)sprintf(p + len, "%sn%u", i ? "/" : "", pick(8));
	return p;
}

static int op_mkdir(int dir, const char *a)
{
	return mkdirat(dir, a, 0700 | pick(64));
}

static int op_rmdir(int dir, const char *a)
{
	return unlinkat(dir, a, AT_REMOVEDIR);
}

static int op_unlink(int dir, const char *a)
{
	return unlinkat(dir, a, 0);
}

static int write_some(int dir, const char *a, int flags)
{
	char text[32];
	int len = snprintf(text, sizeof(text), "text %u;", pick(100000));
	int fd =
		openat(dir, a, flags | O_WRONLY | O_NONBLOCK | O_CLOEXEC, 0644);
	int rc;

	if (fd < 0)
		return -1;
	rc = write(fd, text, (size_t)len) == len ? 0 : -1;
	close(fd);
	return rc;
}

static int op_create(int dir, const char *a)
{
	return write_some(dir, a, O_CREAT | O_TRUNC | O_NOFOLLOW);
}

static int op_append(int dir, const char *a)
{
	return write_some(dir, a, O_APPEND | O_NOFOLLOW);
}

static int op_excl(int dir, const char *a)
{
	return write_some(dir, a, O_CREAT | O_EXCL);
}

static int op_truncate(int dir, const char *a)
{
	unsigned size = pick(30);
	int fd = openat(dir, a, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	int rc;

	if (fd < 0)
		return -1;
	rc = ftruncate(fd, size);
	close(fd);
	return rc;
}

static int op_rename(int dir, const char *a)
{
	return renameat2(dir, a, dir, some_path(), 0);
}

static int op_noreplace(int dir, const char *a)
{
	return renameat2(dir, a, dir, some_path(), RENAME_NOREPLACE);
}

static int op_exchange(int dir, const char *a)
{
	return renameat2(dir, a, dir, some_path(), RENAME_EXCHANGE);
}

/* Beside the old name: anywhere else would hardly ever succeed. */
static int op_link(int dir, const char *a)
{
	char beside[64];

	snprintf(beside, sizeof(beside), "%.*sn%u",
		 (int)(strrchr(a, '/') ? strrchr(a, '/') - a + 1 : 0), a,
		 pick(8));
	return linkat(dir, a, dir, beside, 0);
}

static int op_symlink(int dir, const char *a)
{
	return symlinkat("some/target", dir, a);
}

static int op_mkfifo(int dir, const char *a)
{
	return mkfifoat(dir, a, 0600);
}

static int op_chmod(int dir, const char *a)
{
	unsigned mode = 0600 | pick(64);
	struct stat st;

	if (fstatat(dir, a, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return -1;
	if (S_ISLNK(st.st_mode))
		return 0;
	return fchmodat(dir, a, mode | (S_ISDIR(st.st_mode) ? 0100 : 0), 0);
}

static int op_chown(int dir, const char *a)
{
	return fchownat(dir, a, pick(5), pick(5), AT_SYMLINK_NOFOLLOW);
}

static int op_times(int dir, const char *a)
{
	struct timespec ts[2] = { { .tv_sec = pick(1000000) },
				  { .tv_sec = pick(1000000) } };

	return utimensat(dir, a, ts, AT_SYMLINK_NOFOLLOW);
}

static int op_xattr(int dir, const char *a)
{
	int fd = openat(dir, a, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	int rc;

	if (fd < 0)
		return -1;
	rc = fsetxattr(fd, "user.walk", &(char){ (char)('a' + pick(26)) }, 1,
		       0);
	close(fd);
	return rc;
}

static int op_read(int dir, const char *a)
{
	char buf[4096];
	unsigned sum = 0;
	ssize_t n;
	int fd = openat(dir, a, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return -1;
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		for (ssize_t i = 0; i < n; i++)
			sum = sum * 31 + (unsigned char)buf[i];
	close(fd);
	printf("sum %u ", sum);
	return n < 0 ? -1 : 0;
}

static int op_stat(int dir, const char *a)
{
	struct stat st;

	if (fstatat(dir, a, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return -1;
	printf("mode %o uid %u gid %u ", st.st_mode, st.st_uid, st.st_gid);
	if (!S_ISDIR(st.st_mode))
		printf("nlink %lu size %lld ", (unsigned long)st.st_nlink,
		       (long long)st.st_size);
	return 0;
}

static const struct {
	const char *name;
	int (*run)(int dir, const char *a);
} ops[] = {
	{ "mkdir", op_mkdir },	       { "mkdir", op_mkdir },
	{ "create", op_create },       { "create", op_create },
	{ "append", op_append },       { "excl", op_excl },
	{ "rmdir", op_rmdir },	       { "unlink", op_unlink },
	{ "truncate", op_truncate },   { "rename", op_rename },
	{ "rename", op_rename },       { "rename", op_rename },
	{ "noreplace", op_noreplace }, { "exchange", op_exchange },
	{ "unlink", op_unlink },       { "rmdir", op_rmdir },
	{ "link", op_link },	       { "link", op_link },
	{ "symlink", op_symlink },     { "mkfifo", op_mkfifo },
	{ "chmod", op_chmod },	       { "chown", op_chown },
	{ "times", op_times },	       { "xattr", op_xattr },
	{ "read", op_read },	       { "stat", op_stat },
	{ "stat", op_stat },
};

static int run_walk(int argc, char **argv)
{
	int dir = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	long long count = vt_number(argv[3]);

	(void)argc;
	if (dir < 0)
		return vt_errno("open");
	umask(0);
	state = 0x9e3779b97f4a7c15ULL * (uint64_t)(vt_number(argv[2]) + 1);
	for (long long i = 0; i < count; i++) {
		unsigned op = pick(sizeof(ops) / sizeof(ops[0]));
		const char *a = some_path();
		int rc;

		printf("%lld %s %s ", i, ops[op].name, a);
		rc = ops[op].run(dir, a);
		printf("%s\n", rc == 0 ? "0" : strerrorname_np(errno));
	}
	return 0;
}

/* Set a flag of FS_IOC_FSSETXATTR, with sizes for the extents; or as it is. */
static int run_fsxattr(int argc, char **argv)
{
	static const struct {
		const char *word;
		unsigned flag;
	} words[] = { { "same", 0 },
		      { "noatime", FS_XFLAG_NOATIME },
		      { "extsize", FS_XFLAG_EXTSIZE },
		      { "extszinherit", FS_XFLAG_EXTSZINHERIT },
		      { "cowextsize", FS_XFLAG_COWEXTSIZE } };
	int fd = open(argv[1], O_RDONLY | O_CLOEXEC);
	struct fsxattr x;

	if (fd < 0)
		return vt_errno("open");
	if (ioctl(fd, FS_IOC_FSGETXATTR, &x) != 0)
		return vt_errno("fsgetxattr");
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(words[i].word, argv[2]) == 0)
			x.fsx_xflags |= words[i].flag;
	if (argc > 3)
		*(strcmp(argv[2], "cowextsize") == 0
			  ? &x.fsx_cowextsize
			  : &x.fsx_extsize) = (unsigned)vt_number(argv[3]);
	return ioctl(fd, FS_IOC_FSSETXATTR, &x) == 0 ? 0
						     : vt_errno("fssetxattr");
}

const struct vt_command vt_ops_commands[] = {
	{ "fsxattr", "PATH WORD [SIZE]", 2, run_fsxattr },
	{ "walk", "DIR SEED COUNT", 3, run_walk },
	{ NULL, NULL, 0, NULL },
};
