/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vt - names: create, link, rename with flags, unnamed files, file handles and
 * paths longer than PATH_MAX.
 */
#include "vt.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

static int run_rename(int argc, char **argv)
{
	unsigned flags = 0;

	for (int i = 3; i < argc; i++) {
		if (strcmp(argv[i], "noreplace") == 0)
			flags |= RENAME_NOREPLACE;
		else if (strcmp(argv[i], "exchange") == 0)
			flags |= RENAME_EXCHANGE;
		else if (strcmp(argv[i], "whiteout") == 0)
			flags |= RENAME_WHITEOUT;
		else
			return vt_fail("not a rename flag: %s", argv[i]);
	}
	if (renameat2(AT_FDCWD, argv[1], AT_FDCWD, argv[2], flags) != 0)
		return vt_errno("rename");
	return 0;
}

static int run_link(int argc, char **argv)
{
	(void)argc;
	return link(argv[1], argv[2]) == 0 ? 0 : vt_errno("link");
}

static int run_symlink(int argc, char **argv)
{
	(void)argc;
	return symlink(argv[1], argv[2]) == 0 ? 0 : vt_errno("symlink");
}

static int run_unlink(int argc, char **argv)
{
	(void)argc;
	return unlink(argv[1]) == 0 ? 0 : vt_errno("unlink");
}

static int run_rmdir(int argc, char **argv)
{
	(void)argc;
	return rmdir(argv[1]) == 0 ? 0 : vt_errno("rmdir");
}

static int run_mkdir(int argc, char **argv)
{
	mode_t mode = argc > 2 ? (mode_t)strtoul(argv[2], NULL, 8) : 0777;

	return mkdir(argv[1], mode) == 0 ? 0 : vt_errno("mkdir");
}

static int run_chmod(int argc, char **argv)
{
	(void)argc;
	return chmod(argv[1], (mode_t)strtoul(argv[2], NULL, 8)) == 0
		       ? 0
		       : vt_errno("chmod");
}

static int run_chown(int argc, char **argv)
{
	(void)argc;
	return lchown(argv[1], (uid_t)vt_number(argv[2]),
		      (gid_t)vt_number(argv[3])) == 0
		       ? 0
		       : vt_errno("chown");
}

static int run_stat(int argc, char **argv)
{
	struct stat st;

	(void)argc;
	if (lstat(argv[1], &st) != 0)
		return vt_errno("stat");
	printf("%llu\n", (unsigned long long)st.st_ino);
	return 0;
}

static int run_mknod(int argc, char **argv)
{
	static const struct {
		char letter;
		mode_t type;
	} types[] = { { 'c', S_IFCHR },
		      { 'b', S_IFBLK },
		      { 'p', S_IFIFO },
		      { 's', S_IFSOCK },
		      { 'f', S_IFREG } };
	mode_t mode = (mode_t)strtoul(argv[3], NULL, 8);
	dev_t dev = 0;

	if (argc > 5)
		dev = makedev((unsigned)vt_number(argv[4]),
			      (unsigned)vt_number(argv[5]));
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (types[i].letter == argv[2][0])
			return mknod(argv[1], types[i].type | mode, dev) == 0
				       ? 0
				       : vt_errno("mknod");
	return vt_fail("not a node type: %s", argv[2]);
}

/* Write TEXT into an unnamed file, check its nlink, name it, check again. */
static int run_tmpfile(int argc, char **argv)
{
	char link_path[64];
	struct stat st;
	int fd = open(argv[1], O_TMPFILE | O_RDWR | O_CLOEXEC, 0640);

	if (fd < 0)
		return vt_errno("open");
	if (vt_write_all(fd, argv[2], strlen(argv[2]), 0) != 0)
		return vt_errno("write");
	if (fstat(fd, &st) != 0)
		return vt_errno("fstat");
	if (st.st_nlink != 0)
		return vt_fail("nlink %lu before it has a name",
			       (unsigned long)st.st_nlink);
	if (argc <= 3)
		return 0;
	snprintf(link_path, sizeof(link_path), "/proc/self/fd/%d", fd);
	if (linkat(AT_FDCWD, link_path, AT_FDCWD, argv[3], AT_SYMLINK_FOLLOW))
		return vt_errno("linkat");
	if (fstat(fd, &st) != 0)
		return vt_errno("fstat");
	if (st.st_nlink != 1)
		return vt_fail("nlink %lu with one name",
			       (unsigned long)st.st_nlink);
	return 0;
}

/* An O_EXCL unnamed file must never get a name. */
static int run_tmpfile_excl(int argc, char **argv)
{
	char link_path[64];
	int fd = open(argv[1], O_TMPFILE | O_EXCL | O_RDWR | O_CLOEXEC, 0600);

	(void)argc;
	if (fd < 0)
		return vt_errno("open");
	snprintf(link_path, sizeof(link_path), "/proc/self/fd/%d", fd);
	if (linkat(AT_FDCWD, link_path, AT_FDCWD, argv[2], AT_SYMLINK_FOLLOW) ==
	    0)
		return vt_fail("linkat named an O_EXCL file");
	return errno == ENOENT ? 0 : vt_errno("linkat");
}

static int run_fdlink(int argc, char **argv)
{
	int fd = open(argv[1], O_PATH | O_NOFOLLOW | O_CLOEXEC);

	(void)argc;
	if (fd < 0)
		return vt_errno("open");
	if (linkat(fd, "", AT_FDCWD, argv[2], AT_EMPTY_PATH) != 0)
		return vt_errno("linkat");
	return 0;
}

/*
 * Either no handle is given out (then says "none"), or it opens the same file
 * with the same content, also after CACHES were dropped.
 */
static int run_handle(int argc, char **argv)
{
	char room[sizeof(struct file_handle) + MAX_HANDLE_SZ]
		__attribute__((aligned(8)));
	struct file_handle *fh = (void *)room;
	struct stat a, b;
	int mount_id, dir, fd;

	(void)argc;
	fh->handle_bytes = MAX_HANDLE_SZ;
	if (name_to_handle_at(AT_FDCWD, argv[2], fh, &mount_id, 0) != 0) {
		if (errno != EOPNOTSUPP)
			return vt_errno("name_to_handle_at");
		puts("none");
		return 0;
	}
	dir = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return vt_errno("open");
	fd = open_by_handle_at(dir, fh, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return vt_errno("open_by_handle_at");
	if (fstat(fd, &a) != 0 || stat(argv[2], &b) != 0)
		return vt_errno("stat");
	if (a.st_ino != b.st_ino || a.st_dev != b.st_dev)
		return vt_fail("the handle opened another file");
	puts("same");
	return 0;
}

/* One step down by name, making the folder first when asked. */
static int step(int dir, const char *name, int make)
{
	int fd;

	if (make && mkdirat(dir, name, 0755) != 0 && errno != EEXIST) {
		close(dir);
		return -1;
	}
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	close(dir);
	return fd;
}

/* deep mk|cat|rm TOP NAMELEN DEPTH TEXT: a chain longer than PATH_MAX. */
static int run_deep(int argc, char **argv)
{
	size_t len = (size_t)vt_number(argv[3]);
	long long depth = vt_number(argv[4]);
	int make = strcmp(argv[1], "mk") == 0;
	char name[256] = "";
	char buf[256] = "";
	int dir = open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fd;

	memset(name, 'd', len < 255 ? len : 255);
	for (long long i = 0; i < depth && dir >= 0; i++)
		dir = step(dir, name, make);
	if (dir < 0)
		return vt_errno("openat");
	if (strcmp(argv[1], "rm") == 0)
		return unlinkat(dir, "leaf", 0) == 0 ? 0 : vt_errno("unlinkat");
	fd = openat(dir, "leaf",
		    O_CLOEXEC | (make ? O_RDWR | O_CREAT | O_TRUNC : O_RDONLY),
		    0644);
	if (fd < 0)
		return vt_errno("openat leaf");
	if (make && argc > 5 && vt_write_all(fd, argv[5], strlen(argv[5]), 0))
		return vt_errno("write");
	if (pread(fd, buf, sizeof(buf) - 1, 0) < 0)
		return vt_errno("read");
	puts(buf);
	return 0;
}

/* fsetxattr through a descriptor opened for reading only. */
static int run_fsetxattr(int argc, char **argv)
{
	int fd = open(argv[1], O_RDONLY | O_CLOEXEC);

	(void)argc;
	if (fd < 0)
		return vt_errno("open");
	if (fsetxattr(fd, argv[2], argv[3], strlen(argv[3]), 0) != 0)
		return vt_errno("fsetxattr");
	return 0;
}

/* lsetxattr with NAME=VALUE and create or replace. */
static int run_lsetxattr(int argc, char **argv)
{
	int flags = 0;

	if (argc > 4)
		flags = strcmp(argv[4], "create") == 0 ? XATTR_CREATE
						       : XATTR_REPLACE;
	if (lsetxattr(argv[1], argv[2], argv[3], strlen(argv[3]), flags) != 0)
		return vt_errno("lsetxattr");
	return 0;
}

static int run_lgetxattr(int argc, char **argv)
{
	char buf[65536];
	ssize_t n = lgetxattr(argv[1], argv[2], buf, sizeof(buf));

	(void)argc;
	if (n < 0)
		return vt_errno("lgetxattr");
	fwrite(buf, 1, (size_t)n, stdout);
	return 0;
}

static int run_lremovexattr(int argc, char **argv)
{
	(void)argc;
	return lremovexattr(argv[1], argv[2]) == 0 ? 0
						   : vt_errno("lremovexattr");
}

/* One name per line; the size asked for beforehand must have been enough. */
static int run_llistxattr(int argc, char **argv)
{
	char buf[65536];
	ssize_t want = llistxattr(argv[1], NULL, 0);
	ssize_t n = llistxattr(argv[1], buf, sizeof(buf));

	(void)argc;
	if (want < 0 || n < 0)
		return vt_errno("llistxattr");
	if (want < n)
		return vt_fail("the list is %zd bytes, announced %zd", n, want);
	for (char *p = buf; p < buf + n; p += strlen(p) + 1)
		puts(p);
	return 0;
}

/* Sizes: exact fits, one byte less is ERANGE, zero asks. */
static int run_xattr_range(int argc, char **argv)
{
	char buf[65536];
	ssize_t value = lgetxattr(argv[1], argv[2], NULL, 0);
	ssize_t list = llistxattr(argv[1], NULL, 0);

	(void)argc;
	if (value < 2 || list < 2)
		return vt_errno("sizes");
	if (lgetxattr(argv[1], argv[2], buf, (size_t)value) != value)
		return vt_errno("exact value");
	if (llistxattr(argv[1], buf, (size_t)list) != list)
		return vt_errno("exact list");
	if (lgetxattr(argv[1], argv[2], buf, (size_t)value - 1) != -1 ||
	    errno != ERANGE)
		return vt_fail("a short value buffer: no ERANGE");
	if (llistxattr(argv[1], buf, (size_t)list - 1) != -1 || errno != ERANGE)
		return vt_fail("a short list buffer: no ERANGE");
	return 0;
}

const struct vt_command vt_name_commands[] = {
	{ "rename", "OLD NEW [noreplace|exchange|whiteout]", 2, run_rename },
	{ "link", "OLD NEW", 2, run_link },
	{ "symlink", "TARGET NEW", 2, run_symlink },
	{ "unlink", "PATH", 1, run_unlink },
	{ "rmdir", "PATH", 1, run_rmdir },
	{ "mkdir", "PATH [MODE]", 1, run_mkdir },
	{ "mknod", "PATH c|b|p|s|f MODE [MAJOR MINOR]", 3, run_mknod },
	{ "chmod", "PATH MODE", 2, run_chmod },
	{ "chown", "PATH UID GID", 3, run_chown },
	{ "stat", "PATH", 1, run_stat },
	{ "tmpfile", "DIR TEXT [NAME]", 2, run_tmpfile },
	{ "tmpfile-excl", "DIR NAME", 2, run_tmpfile_excl },
	{ "fdlink", "OLD NEW", 2, run_fdlink },
	{ "handle", "MOUNT PATH", 2, run_handle },
	{ "deep", "mk|cat|rm TOP NAMELEN DEPTH [TEXT]", 4, run_deep },
	{ "fsetxattr", "PATH NAME VALUE", 3, run_fsetxattr },
	{ "lsetxattr", "PATH NAME VALUE [create|replace]", 3, run_lsetxattr },
	{ "lgetxattr", "PATH NAME", 2, run_lgetxattr },
	{ "lremovexattr", "PATH NAME", 2, run_lremovexattr },
	{ "llistxattr", "PATH", 1, run_llistxattr },
	{ "xattr-range", "PATH NAME", 2, run_xattr_range },
	{ NULL, NULL, 0, NULL },
};
