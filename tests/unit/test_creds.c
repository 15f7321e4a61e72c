/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fs/base/cleanup.h"
#include "fs/base/creds.h"
#include "fs/base/fdio.h"

#define UID 12345
#define GID 23456

static bool is_root(void)
{
	if (!geteuid())
		return true;
	unit_skip("only root may change its ids");
	return false;
}

/* Create NAME with all permissions asked for: whose is it, with which? */
static void check_new(int dir, const char *name, uid_t uid, gid_t gid,
		      mode_t mode)
{
	_cleanup_close_ int fd =
		fdio_openat(dir, name, O_CREAT | O_EXCL | O_WRONLY, 0777);
	struct stat st;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fdio_stat(fd, &st), 0);
	ck_assert_uint_eq(st.st_uid, uid);
	ck_assert_uint_eq(st.st_gid, gid);
	ck_assert_uint_eq(st.st_mode & 07777, mode);
}

START_TEST(new_files_belong_to_somebody_else)
{
	_cleanup_close_ int dir = unit_tmpdir(NULL);
	struct creds saved;

	if (!is_root())
		return;
	umask(077);
	ck_assert_int_eq(creds_thread_init(), 0);
	check_new(dir, "own", 0, 0, 0777);
	creds_enter(&saved, UID, GID, 027);
	check_new(dir, "theirs", UID, GID, 0750);
	creds_leave(&saved);
	check_new(dir, "own again", 0, 0, 0777);

	creds_enter(&saved, UID, 0, 0);
	check_new(dir, "user only", UID, 0, 0777);
	creds_leave(&saved);
	creds_enter(&saved, 0, GID, 0777);
	check_new(dir, "group only", 0, GID, 0);
	creds_leave(&saved);
	creds_enter(&saved, 0, 0, 07);
	check_new(dir, "mask only", 0, 0, 0770);
	creds_leave(&saved);
	check_new(dir, "own at last", 0, 0, 0777);
}
END_TEST

START_TEST(rights_stay)
{
	_cleanup_close_ int dir = unit_tmpdir(NULL);
	struct creds saved;
	struct stat st;

	if (!is_root())
		return;
	ck_assert_int_eq(fchmod(dir, 0700), 0);
	ck_assert_int_eq(creds_thread_init(), 0);
	creds_enter(&saved, UID, GID, 0);
	check_new(dir, "f", UID, GID, 0777);
	ck_assert_int_eq(mknodat(dir, "dev", S_IFCHR | 0600, makedev(1, 3)), 0);
	ck_assert_int_eq(fchownat(dir, "dev", 7, 8, 0), 0);
	creds_leave(&saved);
	ck_assert_int_eq(fdio_statat(dir, "dev", &st), 0);
	ck_assert_uint_eq(st.st_uid, 7);
}
END_TEST

START_TEST(a_setgid_directory_gives_its_group)
{
	_cleanup_close_ int dir = unit_tmpdir(NULL);
	struct creds saved;

	if (!is_root())
		return;
	ck_assert_int_eq(fchown(dir, 0, 777), 0);
	ck_assert_int_eq(fchmod(dir, 02777), 0);
	ck_assert_int_eq(creds_thread_init(), 0);
	creds_enter(&saved, UID, GID, 0);
	check_new(dir, "f", UID, 777, 0777);
	creds_leave(&saved);
}
END_TEST

static void *other_thread(void *dir)
{
	struct creds saved;

	ck_assert_int_eq(creds_thread_init(), 0);
	creds_enter(&saved, UID, GID, 0777);
	check_new(*(int *)dir, "in the thread", UID, GID, 0);
	return NULL;
}

/* A thread that never leaves: the others are as they were. */
START_TEST(other_threads_are_not_touched)
{
	_cleanup_close_ int dir = unit_tmpdir(NULL);
	pthread_t thread;

	if (!is_root())
		return;
	umask(022);
	ck_assert_int_eq(pthread_create(&thread, NULL, other_thread, &dir), 0);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	check_new(dir, "outside", 0, 0, 0755);
}
END_TEST

START_TEST(without_rights_it_says_so)
{
	int status = 0;
	pid_t pid;

	if (!is_root())
		return;
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (!pid)
		_exit(setresuid(UID, UID, UID) ? 99 : -creds_thread_init());
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), EPERM);
}
END_TEST

Suite *test_creds_suite(void)
{
	Suite *s = suite_create("creds");
	TCase *t = tcase_create("creds");

	tcase_add_test(t, new_files_belong_to_somebody_else);
	tcase_add_test(t, rights_stay);
	tcase_add_test(t, a_setgid_directory_gives_its_group);
	tcase_add_test(t, other_threads_are_not_touched);
	tcase_add_test(t, without_rights_it_says_so);
	suite_add_tcase(s, t);
	return s;
}
