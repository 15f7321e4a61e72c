/* SPDX-License-Identifier: GPL-2.0-or-later */
/* quota: footprint */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "fs/base/cleanup.h"
#include "fs/base/fdio.h"
#include "quota/footprint.h"

START_TEST(whiteouts_do_not_count)
{
	struct footprint_fs fs = { .block = 4096, .ahead = true };
	struct stat st = { .st_mode = S_IFCHR, .st_blocks = 8 };

	ck_assert(!footprint_counts(&st));
	ck_assert_uint_eq(footprint_of(&fs, &st, -1), 0);
	ck_assert_uint_eq(footprint_at(&fs, &st, -1, "none"), 0);
	st.st_rdev = makedev(1, 3);
	ck_assert(footprint_counts(&st));
	ck_assert_uint_eq(footprint_of(&fs, &st, -1), 4096);
	/* a block device 0:0 is none, nor is a file */
	st.st_rdev = 0;
	st.st_mode = S_IFBLK;
	ck_assert(footprint_counts(&st));
	st.st_mode = S_IFREG;
	ck_assert(footprint_counts(&st));
}
END_TEST

/* Without asking: its size, or what it had, where there may be more. */
START_TEST(grown)
{
	struct footprint_fs fs = { .block = 4096, .ahead = false };
	struct stat st = { .st_mode = S_IFREG,
			   .st_size = 9000,
			   .st_blocks = 80 };

	ck_assert_uint_eq(footprint_grown(&fs, &st, 4096), 80 * 512);
	fs.ahead = true;
	ck_assert_uint_eq(footprint_grown(&fs, &st, 4096), 12288);
	ck_assert_uint_eq(footprint_grown(&fs, &st, 16384), 16384);
	st.st_blocks = 16; /* holes */
	ck_assert_uint_eq(footprint_grown(&fs, &st, 4096), 8192);
}
END_TEST

/* Where st_blocks is all that it needs nothing is opened. */
START_TEST(blocks)
{
	struct footprint_fs fs = { .block = 4096, .ahead = false };
	struct stat st = { .st_mode = S_IFREG, .st_size = 1, .st_blocks = 80 };

	ck_assert_uint_eq(footprint_of(&fs, &st, -1), 80 * 512);
	fs.ahead = true;
	/* it cannot be looked at: nothing is left out */
	ck_assert_uint_eq(footprint_of(&fs, &st, -1), 80 * 512);
	ck_assert_uint_eq(footprint_at(&fs, &st, -1, "none"), 80 * 512);
	st.st_size = 40 * 1024;
	ck_assert_uint_eq(footprint_of(&fs, &st, -1), 80 * 512);
	st.st_mode = S_IFDIR;
	st.st_size = 1;
	ck_assert_uint_eq(footprint_of(&fs, &st, -1), 80 * 512);
}
END_TEST

START_TEST(filesystems)
{
	int dir = unit_tmpdir(NULL), proc = open("/proc", O_PATH | O_CLOEXEC);
	struct footprint_fs fs = { 0 }, was;
	struct statfs s;

	ck_assert_int_eq(footprint_fs(dir, &fs), 0);
	ck_assert_int_eq(fstatfs(dir, &s), 0);
	ck_assert_uint_eq(fs.block, s.f_frsize);
	if (s.f_type == EXT4_SUPER_MAGIC)
		ck_assert(!fs.ahead && fs.dirs_grow && fs.xattr_block);
	/* one that nobody has heard of: cautious */
	ck_assert_int_eq(footprint_fs(proc, &fs), 0);
	ck_assert(!fs.ahead && fs.dirs_grow && fs.xattr_block);
	ck_assert_uint_ge(fs.block, 512);
	was = fs;
	ck_assert_int_eq(footprint_fs(-1, &fs), -EBADF);
	ck_assert_mem_eq(&fs, &was, sizeof(fs));
	close(proc);
	close(dir);
}
END_TEST

/* Runs a program; its exit status. */
static int run(const char *const argv[])
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		int null = open("/dev/null", O_WRONLY);

		dup2(null, 1);
		dup2(null, 2);
		execvp(argv[0], (char *const *)argv);
		_exit(127);
	}
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status)
		       ? WEXITSTATUS(status)
		       : -1;
}

/*
 * A filesystem of its own, mounted where only this process sees it; or -1 and
 * the reason in `why`.
 */
static int mount_image(const char *type, char *top, const char **why)
{
	char image[UNIT_PATH_MAX + 16], at[UNIT_PATH_MAX + 16], mkfs[32];
	const char *const make[] = { mkfs, image, NULL };
	const char *const mounts[] = { "mount", "-t",  type, "-o",
				       "loop",	image, at,   NULL };
	int fd;

	snprintf(image, sizeof(image), "%s/image", top);
	snprintf(at, sizeof(at), "%s/at", top);
	snprintf(mkfs, sizeof(mkfs), "mkfs.%s", type);
	*why = NULL;
	if (unshare(CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		*why = "no mount namespace of one's own";
	fd = open(image, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, 320 << 20), 0);
	close(fd);
	ck_assert_int_eq(mkdir(at, 0700), 0);
	if (!*why && strcmp(type, "tmpfs") == 0)
		return mount("none", at, type, 0, NULL) < 0
			       ? -1
			       : open(at, O_RDONLY | O_CLOEXEC);
	if (!*why && run(make) != 0)
		*why = "mkfs of this filesystem is missing";
	if (!*why && run(mounts) != 0)
		*why = "no loop devices, or this kernel lacks the filesystem";
	return *why ? -1 : open(at, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static uint64_t takes(int dir, const char *name, int fd)
{
	_cleanup_close_ int path = fdio_openat(dir, name, O_PATH, 0);
	struct footprint_fs fs;
	struct stat st;
	uint64_t n;

	ck_assert_int_eq(footprint_fs(dir, &fs), 0);
	ck_assert_int_eq(fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW), 0);
	n = footprint_at(&fs, &st, dir, name);
	/* by a descriptor, of whatever kind, it is the same */
	ck_assert_uint_eq(footprint_of(&fs, &st, fd), n);
	ck_assert_uint_eq(footprint_of(&fs, &st, path), n);
	return n;
}

START_TEST(xfs_reserves_ahead)
{
	char top[UNIT_PATH_MAX], data[65536] = "";
	const char *why;
	struct footprint_fs fs;
	struct stat st;
	int dir, fd;

	close(unit_tmpdir(top));
	dir = mount_image("xfs", top, &why);
	if (dir < 0) {
		unit_skip(why);
		return;
	}
	ck_assert_int_eq(footprint_fs(dir, &fs), 0);
	ck_assert(fs.ahead && fs.dirs_grow && fs.xattr_block &&
		  fs.block == 4096);
	fd = openat(dir, "f", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	for (int i = 0; i < 16; i++)
		ck_assert_int_eq(write(fd, data, sizeof(data)), sizeof(data));
	ck_assert_int_eq(write(fd, data, 5), 5);
	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert_int_gt(st.st_blocks * 512, st.st_size + 4096);
	ck_assert_uint_eq(takes(dir, "f", fd), (1 << 20) + 4096);
	/* what was asked for counts */
	ck_assert_int_eq(fallocate(fd, FALLOC_FL_KEEP_SIZE, 4 << 20, 1 << 20),
			 0);
	ck_assert_uint_ge(takes(dir, "f", fd), 2 << 20);
	close(fd);
	/* another inode of that name by now: as it was asked */
	ck_assert_int_eq(mkfifoat(dir, "p", 0600), 0);
	ck_assert_uint_eq(footprint_at(&fs, &st, dir, "p"),
			  (uint64_t)st.st_blocks * 512);
	close(dir);
}
END_TEST

/* What others say of themselves is right. */
START_TEST(what_others_do)
{
	static const struct {
		const char *type;
		bool dirs_grow, xattr_block;
	} rows[] = {
		{ "tmpfs", false, false },
		{ "btrfs", false, false },
		{ "ext4", true, true },
	};
	char top[UNIT_PATH_MAX], name[200], value[700] = "";
	struct footprint_fs fs;
	const char *why = NULL;
	struct stat a, b;
	int dir;

	close(unit_tmpdir(top));
	unit_row(rows[_i].type);
	dir = mount_image(rows[_i].type, top, &why);
	if (dir < 0) {
		unit_skip(why ? why : "no tmpfs here");
		return;
	}
	ck_assert_int_eq(footprint_fs(dir, &fs), 0);
	ck_assert(!fs.ahead);
	ck_assert_int_eq(fs.dirs_grow, rows[_i].dirs_grow);
	ck_assert_int_eq(fs.xattr_block, rows[_i].xattr_block);
	ck_assert_int_eq(mkdirat(dir, "d", 0700), 0);
	ck_assert_int_eq(fstatat(dir, "d", &a, 0), 0);
	for (int i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "d/%0*d", 100, i);
		ck_assert_int_eq(mknodat(dir, name, S_IFREG, 0), 0);
	}
	syncfs(dir);
	ck_assert_int_eq(fstatat(dir, "d", &b, 0), 0);
	ck_assert_int_eq(b.st_blocks > a.st_blocks, fs.dirs_grow);
	ck_assert_int_eq(fstatat(dir, name, &a, 0), 0);
	ck_assert_int_eq(fchdir(dir), 0);
	ck_assert_int_eq(setxattr(name, "trusted.x", value, sizeof(value), 0),
			 0);
	syncfs(dir);
	ck_assert_int_eq(fstatat(dir, name, &b, 0), 0);
	ck_assert_int_eq(b.st_blocks > a.st_blocks, fs.xattr_block);
	ck_assert_int_eq(chdir("/"), 0);
	close(dir);
}
END_TEST

Suite *test_footprint_suite(void)
{
	Suite *s = suite_create("footprint");
	TCase *c = tcase_create("footprint");

	tcase_set_timeout(c, 60);
	tcase_add_test(c, whiteouts_do_not_count);
	tcase_add_test(c, blocks);
	tcase_add_test(c, grown);
	tcase_add_test(c, filesystems);
	tcase_add_test(c, xfs_reserves_ahead);
	tcase_add_loop_test(c, what_others_do, 0, 3);
	suite_add_tcase(s, c);
	return s;
}
