/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The operations of scenarios, each on `a` (and `b`, `n`) of its scenario.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tests/stress/faults.h"

static long result(long r)
{
	return r < 0 ? -errno : r;
}

/* For calls that take no directory. */
static const char *full(const struct faults_trial *t, char buf[256])
{
	snprintf(buf, 256, "/proc/self/fd/%d/%s", t->dir, t->s->a);
	return buf;
}

/* Open for one call, unless the scenario has it open. */
static int get_fd(const struct faults_trial *t, int flags)
{
	int fd = t->fd;

	if (fd < 0)
		fd = openat(t->dir, t->s->a, flags | O_CLOEXEC | O_NOFOLLOW);
	return fd < 0 ? -errno : fd;
}

static void put_fd(const struct faults_trial *t, int fd)
{
	if (fd != t->fd)
		close(fd);
}

/* What is open before. */

static void must_open(struct faults_trial *t, int flags)
{
	t->fd = openat(t->dir, t->s->a, flags | O_CLOEXEC, 0640);
	if (t->fd < 0)
		faults_die("%s: opening %s: %s", t->s->name, t->s->a,
			   strerror(errno));
}

void faults_open_rw(struct faults_trial *t)
{
	must_open(t, O_RDWR);
}

void faults_open_ro(struct faults_trial *t)
{
	must_open(t, O_RDONLY);
}

void faults_open_dir(struct faults_trial *t)
{
	must_open(t, O_RDONLY | O_DIRECTORY);
}

void faults_open_tmp(struct faults_trial *t)
{
	must_open(t, O_RDWR | O_TMPFILE);
	if (write(t->fd, "unnamed", 7) != 7)
		faults_die("%s: writing: %s", t->s->name, strerror(errno));
}

void faults_open_moved(struct faults_trial *t)
{
	struct timespec times[2] = { { .tv_sec = FAULTS_TIME_SET },
				     { .tv_sec = FAULTS_TIME_OLD } };
	char byte = 'x';
	int fd;

	must_open(t, O_RDONLY);
	if (pread(t->fd, &byte, 1, 0) != 1)
		faults_die("%s: reading: %s", t->s->name, strerror(errno));
	fd = openat(t->dir, t->s->a, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || pwrite(fd, "new", 3, 0) != 3 || futimens(fd, times) < 0)
		faults_die("%s: writing: %s", t->s->name, strerror(errno));
	close(fd);
	posix_fadvise(t->fd, 0, 0, POSIX_FADV_DONTNEED);
}

/* Names. */

long faults_op_create(struct faults_trial *t)
{
	int fd = openat(t->dir, t->s->a, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC,
			0640);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

long faults_op_tmpfile(struct faults_trial *t)
{
	int fd = openat(t->dir, t->s->a, O_TMPFILE | O_RDWR | O_CLOEXEC, 0640);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

long faults_op_mkdir(struct faults_trial *t)
{
	return result(mkdirat(t->dir, t->s->a, 0750));
}

long faults_op_mknod(struct faults_trial *t)
{
	return result(mknodat(t->dir, t->s->a, (mode_t)t->s->n | 0640,
			      makedev(1, 3)));
}

long faults_op_symlink(struct faults_trial *t)
{
	return result(symlinkat(t->s->b, t->dir, t->s->a));
}

long faults_op_link(struct faults_trial *t)
{
	return result(linkat(t->dir, t->s->a, t->dir, t->s->b, 0));
}

long faults_op_link_fd(struct faults_trial *t)
{
	return result(linkat(t->fd, "", t->dir, t->s->b, AT_EMPTY_PATH));
}

long faults_op_unlink(struct faults_trial *t)
{
	return result(unlinkat(t->dir, t->s->a, 0));
}

long faults_op_rmdir(struct faults_trial *t)
{
	return result(unlinkat(t->dir, t->s->a, AT_REMOVEDIR));
}

long faults_op_rename(struct faults_trial *t)
{
	return result(
		renameat2(t->dir, t->s->a, t->dir, t->s->b, (unsigned)t->s->n));
}

/* Metadata. */

long faults_op_chmod(struct faults_trial *t)
{
	return result(fchmodat(t->dir, t->s->a, (mode_t)t->s->n, 0));
}

long faults_op_chown(struct faults_trial *t)
{
	return result(fchownat(t->dir, t->s->a, (uid_t)t->s->n,
			       (gid_t)t->s->n + 1, AT_SYMLINK_NOFOLLOW));
}

long faults_op_utimes(struct faults_trial *t)
{
	struct timespec times[2] = { { .tv_sec = FAULTS_TIME_SET + 1 },
				     { .tv_sec = FAULTS_TIME_SET } };

	return result(utimensat(t->dir, t->s->a, times, AT_SYMLINK_NOFOLLOW));
}

long faults_op_setxattr(struct faults_trial *t)
{
	char path[256];

	return result(
		lsetxattr(full(t, path), t->s->b, "a value", 7, (int)t->s->n));
}

long faults_op_removexattr(struct faults_trial *t)
{
	char path[256];

	return result(lremovexattr(full(t, path), t->s->b));
}

/* An ACL with a named user, so that it is more than the mode. */
long faults_op_acl(struct faults_trial *t)
{
	static const struct {
		uint32_t version;
		struct {
			uint16_t tag, perm;
			uint32_t id;
		} e[5];
	} acl = { 2,
		  { { 1, 6, ~0u },
		    { 2, 4, 55 },
		    { 4, 4, ~0u },
		    { 16, 4, ~0u },
		    { 32, 0, ~0u } } };
	char path[256];

	return result(setxattr(full(t, path), t->s->b, &acl, sizeof(acl), 0));
}

/* "No dump": a flag that every filesystem has and nobody minds. */
long faults_op_chattr(struct faults_trial *t)
{
	int fd = get_fd(t, O_RDONLY), flags = 0;
	long r;

	if (fd < 0)
		return fd;
	r = result(ioctl(fd, FS_IOC_GETFLAGS, &flags));
	flags |= FS_NODUMP_FL;
	if (r == 0)
		r = result(ioctl(fd, FS_IOC_SETFLAGS, &flags));
	put_fd(t, fd);
	return r;
}

/* Data. */

static long write_on(struct faults_trial *t, int fd)
{
	long left = t->s->n - t->done, at = t->s->off + t->done, n;
	char *buf = malloc((size_t)left + 1);

	if (!buf)
		faults_die("no memory");
	for (long i = 0; i < left; i++)
		buf[i] = (char)faults_new_byte(t, at + i);
	n = result(pwrite(fd, buf, (size_t)left, at));
	free(buf);
	if (n > 0)
		t->done += n;
	return n < 0 ? n : t->done;
}

long faults_op_write(struct faults_trial *t)
{
	int fd = get_fd(t, O_WRONLY);
	long r;

	if (fd < 0)
		return fd;
	r = write_on(t, fd);
	put_fd(t, fd);
	return r;
}

/* Root may write and keep setuid. */
long faults_op_write_as_user(struct faults_trial *t)
{
	long r;

	if (seteuid(FAULTS_USER) < 0)
		return -errno;
	r = faults_op_write(t);
	if (seteuid(0) < 0)
		faults_die("seteuid: %s", strerror(errno));
	return r;
}

/* `off` of the scenario is where the file ends. */
long faults_op_append(struct faults_trial *t)
{
	int fd = get_fd(t, O_WRONLY | O_APPEND);
	long r;

	if (fd < 0)
		return fd;
	r = write_on(t, fd);
	put_fd(t, fd);
	return r;
}

long faults_op_truncate(struct faults_trial *t)
{
	char path[256];

	return t->fd >= 0 ? result(ftruncate(t->fd, t->s->n))
			  : result(truncate(full(t, path), t->s->n));
}

long faults_op_open_trunc(struct faults_trial *t)
{
	int fd = openat(t->dir, t->s->a, O_WRONLY | O_TRUNC | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

long faults_op_fallocate(struct faults_trial *t)
{
	int fd = get_fd(t, O_WRONLY);
	long r;

	if (fd < 0)
		return fd;
	r = result(fallocate(fd, 0, t->s->off, t->s->n));
	put_fd(t, fd);
	return r;
}

/* From `a`, which only this reads, to `b`, at the same place. */
long faults_op_copy_range(struct faults_trial *t)
{
	off_t in = t->s->off + t->done, out = in;
	int from = openat(t->dir, t->s->a, O_RDONLY | O_CLOEXEC), to;
	long n;

	if (from < 0)
		return -errno;
	to = openat(t->dir, t->s->b, O_WRONLY | O_CLOEXEC);
	if (to < 0) {
		n = -errno;
	} else {
		n = result(copy_file_range(from, &in, to, &out,
					   (size_t)(t->s->n - t->done), 0));
		close(to);
	}
	close(from);
	if (n > 0)
		t->done += n;
	return n < 0 ? n : t->done;
}

long faults_op_fsync(struct faults_trial *t)
{
	return result(t->s->n ? fdatasync(t->fd) : fsync(t->fd));
}

/* Reading: what they saw is their result too. */

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* scandir(3) would not tell an error in the middle from the end. */
static long list_dir(DIR *dir, char **lines)
{
	struct dirent *de;
	long n = 0;

	while (errno = 0, (de = readdir(dir)) != NULL) {
		if (strcmp(de->d_name, ".") == 0 ||
		    strcmp(de->d_name, "..") == 0)
			continue;
		if (n == FAULTS_NODES)
			faults_die("no room for a listing");
		lines[n++] = faults_text("%s %d", de->d_name, de->d_type);
	}
	return errno ? -errno : n;
}

long faults_op_list(struct faults_trial *t)
{
	char *lines[FAULTS_NODES] = { NULL };
	int fd = openat(t->dir, t->s->a, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	size_t len;
	FILE *to;
	long n;

	if (!dir)
		return -errno;
	n = list_dir(dir, lines);
	closedir(dir);
	if (n > 0)
		qsort(lines, (size_t)n, sizeof(*lines), by_text);
	to = open_memstream(&t->out, &len);
	if (!to)
		faults_die("no memory");
	for (long i = 0; i < n; i++)
		fprintf(to, "%s\n", lines[i]);
	fclose(to);
	for (int i = 0; i < FAULTS_NODES; i++)
		free(lines[i]);
	return n;
}

long faults_op_stat(struct faults_trial *t)
{
	struct stat st;

	if (fstatat(t->dir, t->s->a, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	t->out = faults_text("%o %u:%u n%lu s%lld m%ld a%ld =%s", st.st_mode,
			     st.st_uid, st.st_gid,
			     S_ISDIR(st.st_mode) ? 0 : st.st_nlink,
			     S_ISDIR(st.st_mode) ? 0 : (long long)st.st_size,
			     (long)st.st_mtime, (long)st.st_atime,
			     faults_state_label(t->base, st.st_ino));
	return 0;
}

long faults_op_read(struct faults_trial *t)
{
	static unsigned char buf[1 << 17];
	int fd = get_fd(t, O_RDONLY);
	unsigned long all = 0, sum = 0;
	ssize_t n = 0;

	if (fd < 0)
		return fd;
	while ((n = pread(fd, buf, sizeof(buf), (off_t)all)) > 0) {
		for (ssize_t i = 0; i < n; i++)
			sum = sum * 31 + buf[i];
		all += (unsigned long)n;
	}
	n = result(n);
	put_fd(t, fd);
	t->out = faults_text("%lu bytes, %lx", all, sum);
	return n;
}

long faults_op_getxattr(struct faults_trial *t)
{
	char path[256], value[128];
	long n =
		result(lgetxattr(full(t, path), t->s->b, value, sizeof(value)));

	t->out = faults_text("%.*s", (int)(n > 0 ? n : 0), value);
	return n;
}

long faults_op_listxattr(struct faults_trial *t)
{
	char path[256], names[512];
	long n = result(llistxattr(full(t, path), names, sizeof(names)));

	for (long i = 0; i + 1 < n; i++)
		names[i] = names[i] ? names[i] : ' ';
	t->out = faults_text("%.*s", (int)(n > 0 ? n : 0), names);
	return n;
}

long faults_op_readlink(struct faults_trial *t)
{
	char target[256];
	long n = result(readlinkat(t->dir, t->s->a, target, sizeof(target)));

	t->out = faults_text("%.*s", (int)(n > 0 ? n : 0), target);
	return n;
}

long faults_op_statfs(struct faults_trial *t)
{
	struct statfs st;

	if (fstatfs(t->dir, &st) < 0)
		return -errno;
	t->out = faults_text("%lx %ld %ld %ld", (unsigned long)st.f_type,
			     (long)st.f_bsize, (long)st.f_namelen,
			     (long)st.f_blocks);
	return 0;
}
