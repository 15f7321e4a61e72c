/* SPDX-License-Identifier: GPL-2.0-or-later */
/* quota: hostquota, where there is nothing to be had */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "fs/base/cleanup.h"
#include "fs/base/fdio.h"
#include "quota/hostquota.h"

/* A directory of a filesystem that has no such quotas; -1: there is none. */
static int open_memory(void)
{
	int fd = open("/dev/shm", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct statfs fs;

	if (fd >= 0 && (fstatfs(fd, &fs) < 0 || fs.f_type != TMPFS_MAGIC)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

START_TEST(says_what_is_missing)
{
	_cleanup_close_ int fd = open_memory();
	struct hostquota_place at = { fd, fd, fd };
	struct hostquota *q = NULL;
	char why[256] = "", name[64];

	if (fd < 0) {
		unit_skip("no tmpfs on /dev/shm");
		return;
	}
	snprintf(name, sizeof(name), "vefs-unit-%d", getpid());
	ck_assert_int_eq(hostquota_probe(fd, why, sizeof(why)), -EOPNOTSUPP);
	ck_assert(strstr(why, "neither XFS, ext4 nor btrfs"));
	why[0] = '\0';
	ck_assert_int_eq(hostquota_mkdir(fd, name, why, sizeof(why)),
			 -EOPNOTSUPP);
	ck_assert(why[0]);
	ck_assert_int_eq(fdio_exists(fd, name), 0);
	why[0] = '\0';
	ck_assert_int_eq(hostquota_open(&q, &at, why, sizeof(why)),
			 -EOPNOTSUPP);
	ck_assert(why[0]);
	ck_assert_ptr_null(q);
}
END_TEST

/* What is a plain directory, or not there, has nothing to give back. */
START_TEST(releases_nothing)
{
	_cleanup_close_ int fd = open_memory();
	char name[64];

	if (fd < 0) {
		unit_skip("no tmpfs on /dev/shm");
		return;
	}
	snprintf(name, sizeof(name), "vefs-unit-%d", getpid());
	ck_assert_int_eq(hostquota_release(fd, name), 0);
	ck_assert_int_eq(mkdirat(fd, name, 0700), 0);
	ck_assert_int_eq(hostquota_release(fd, name), 0);
	ck_assert_int_eq(fdio_exists(fd, name), 1);
	ck_assert_int_eq(unlinkat(fd, name, AT_REMOVEDIR), 0);
}
END_TEST

Suite *test_hostquota_suite(void)
{
	Suite *s = suite_create("hostquota");
	TCase *t = tcase_create("hostquota");

	tcase_add_test(t, says_what_is_missing);
	tcase_add_test(t, releases_nothing);
	suite_add_tcase(s, t);
	return s;
}
