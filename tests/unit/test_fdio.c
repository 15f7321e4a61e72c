/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "fs/base/cleanup.h"
#include "fs/base/fdio.h"

static void make_file(int dir, const char *name, const char *text)
{
	_cleanup_close_ int fd = openat(
		dir, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (int)strlen(text));
}

static void check_cloexec(int fd)
{
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
}

static void check_text(int fd, const char *text)
{
	char buf[64] = "";

	ck_assert_int_eq(fdio_pread_full(fd, buf, sizeof(buf) - 1, 0),
			 (int)strlen(text));
	ck_assert_str_eq(buf, text);
}

START_TEST(the_proc_path)
{
	static const struct {
		int fd;
		const char *path;
	} rows[] = {
		{ 0, "/proc/self/fd/0" },
		{ 7, "/proc/self/fd/7" },
		{ 10, "/proc/self/fd/10" },
		{ 1048576, "/proc/self/fd/1048576" },
		{ INT_MAX, "/proc/self/fd/2147483647" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char buf[FDIO_PROC_MAX];

		memset(buf, 'x', sizeof(buf));
		ck_assert_ptr_eq(fdio_proc(buf, rows[i].fd), buf);
		ck_assert_str_eq(buf, rows[i].path);
	}
}
END_TEST

/* No descriptor must not name anything that exists: not the folder itself. */
START_TEST(the_proc_path_of_no_descriptor)
{
	static const int none[] = { -1, -9, INT_MIN };

	for (size_t i = 0; i < ARRAY_SIZE(none); i++) {
		char buf[FDIO_PROC_MAX];
		struct stat st;

		ck_assert_int_eq(lstat(fdio_proc(buf, none[i]), &st), -1);
		ck_assert_int_lt(fdio_reopen(none[i], O_RDONLY), 0);
	}
}
END_TEST

START_TEST(reopen_gives_other_rights)
{
	_cleanup_close_ int dir = unit_tmpdir(NULL), path = -1, fd = -1;

	make_file(dir, "f", "text");
	path = fdio_openat(dir, "f", O_PATH, 0);
	ck_assert_int_ge(path, 0);
	ck_assert_int_eq(fdio_pread_full(path, &(char){ 0 }, 1, 0), -EBADF);
	fd = fdio_reopen(path, O_RDWR);
	ck_assert_int_ge(fd, 0);
	check_cloexec(fd);
	check_text(fd, "text");
	ck_assert_int_eq(fdio_pwrite_full(fd, "T", 1, 0), 1);
	check_text(fd, "Text");
}
END_TEST

START_TEST(reopen_finds_the_inode_not_the_name)
{
	_cleanup_close_ int dir = unit_tmpdir(NULL), path = -1, fd = -1;

	make_file(dir, "f", "old");
	path = fdio_openat(dir, "f", O_PATH, 0);
	ck_assert_int_eq(unlinkat(dir, "f", 0), 0);
	make_file(dir, "f", "new");
	fd = fdio_reopen(path, O_RDONLY);
	ck_assert_int_ge(fd, 0);
	check_text(fd, "old");
}
END_TEST

START_TEST(reopen_fails)
{
	_cleanup_close_ int dir = unit_tmpdir(NULL), link = -1;
	size_t before = unit_count_fds();

	ck_assert_int_eq(fdio_reopen(dir, O_RDWR), -EISDIR);
	ck_assert_int_lt(fdio_reopen(900, O_RDONLY), 0);
	ck_assert_int_eq(symlinkat("/etc/passwd", dir, "l"), 0);
	link = fdio_openat(dir, "l", O_PATH, 0);
	ck_assert_int_eq(fdio_reopen(link, O_RDONLY), -ELOOP);
	ck_assert_uint_eq(unit_count_fds(), before + 1);
}
END_TEST

START_TEST(openat_makes_and_opens)
{
	_cleanup_close_ int dir = unit_tmpdir(NULL), fd = -1, again = -1;
	struct stat st;

	umask(0);
	fd = fdio_openat(dir, "f", O_CREAT | O_EXCL | O_RDWR, 0640);
	ck_assert_int_ge(fd, 0);
	check_cloexec(fd);
	ck_assert_int_eq(fdio_stat(fd, &st), 0);
	ck_assert_uint_eq(st.st_mode, S_IFREG | 0640);
	ck_assert_int_eq(fdio_openat(dir, "f", O_CREAT | O_EXCL | O_RDWR, 0),
			 -EEXIST);
	again = fdio_openat(dir, "f", O_RDONLY, 0);
	ck_assert_int_ge(again, 0);
	ck_assert_int_eq(fdio_openat(dir, "none", O_RDONLY, 0), -ENOENT);
	ck_assert_int_eq(fdio_openat(fd, "f", O_RDONLY, 0), -ENOTDIR);
	ck_assert_int_eq(fdio_openat(-1, "f", O_RDONLY, 0), -EBADF);
}
END_TEST

START_TEST(openat_follows_no_symlink)
{
	_cleanup_close_ int dir = unit_tmpdir(NULL), fd = -1;
	struct stat st;

	make_file(dir, "f", "text");
	ck_assert_int_eq(symlinkat("f", dir, "l"), 0);
	ck_assert_int_eq(symlinkat(".", dir, "d"), 0);
	ck_assert_int_eq(fdio_openat(dir, "l", O_RDONLY, 0), -ELOOP);
	ck_assert_int_eq(fdio_openat(dir, "l", O_CREAT | O_WRONLY, 0600),
			 -ELOOP);
	ck_assert_int_lt(fdio_openat(dir, "d", O_RDONLY | O_DIRECTORY, 0), 0);
	fd = fdio_openat(dir, "l", O_PATH, 0);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fdio_stat(fd, &st), 0);
	ck_assert(S_ISLNK(st.st_mode));
}
END_TEST

START_TEST(openat_does_not_go_up)
{
	_cleanup_close_ int dir = unit_tmpdir(NULL);

	ck_assert_int_lt(fdio_openat(dir, "..", O_RDONLY | O_DIRECTORY, 0), 0);
}
END_TEST

/* Path PATH of the folder made below must be refused with RC. */
static const struct {
	const char *path;
	int rc;
} ways_out[] = {
	{ "..", -EXDEV },	   { "a/../..", -EXDEV }, { "/", -EXDEV },
	{ "/etc/passwd", -EXDEV }, { "up", -ELOOP },	  { "abs", -ELOOP },
	{ "up/x", -ELOOP },	   { "in", -ELOOP },	  { "in/f", -ELOOP },
	{ "a/in/f", -ELOOP },	   { "a/none", -ENOENT }, { "a/f/x", -ENOTDIR },
	{ "", -ENOENT },
};

START_TEST(there_is_no_way_out)
{
	_cleanup_close_ int top = unit_tmpdir(NULL), dir = -1, a = -1;
	size_t before;

	ck_assert_int_eq(mkdirat(top, "d", 0755), 0);
	dir = openat(top, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert_int_eq(mkdirat(dir, "a", 0755), 0);
	a = openat(dir, "a", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	make_file(a, "f", "text");
	make_file(top, "x", "outside");
	ck_assert_int_eq(symlinkat("..", dir, "up"), 0);
	ck_assert_int_eq(symlinkat("/etc/passwd", dir, "abs"), 0);
	ck_assert_int_eq(symlinkat("a", dir, "in"), 0);
	ck_assert_int_eq(symlinkat("../a", a, "in"), 0);

	before = unit_count_fds();
	ck_assert_int_eq(fdio_open_beneath(dir, ways_out[_i].path, O_RDONLY),
			 ways_out[_i].rc);
	ck_assert_uint_eq(unit_count_fds(), before);
}
END_TEST

START_TEST(beneath_opens_what_is_inside)
{
	_cleanup_close_ int dir = unit_tmpdir(NULL), a = -1, fd = -1, back = -1;

	ck_assert_int_eq(mkdirat(dir, "a", 0755), 0);
	a = fdio_open_beneath(dir, "a", O_RDONLY | O_DIRECTORY);
	ck_assert_int_ge(a, 0);
	check_cloexec(a);
	make_file(a, "f", "text");
	fd = fdio_open_beneath(dir, "a/f", O_RDONLY);
	ck_assert_int_ge(fd, 0);
	check_cloexec(fd);
	check_text(fd, "text");
	back = fdio_open_beneath(dir, "a/..", O_PATH);
	ck_assert_int_ge(back, 0);
	ck_assert_int_eq(fdio_open_beneath(-1, "a", O_RDONLY), -EBADF);
}
END_TEST

#define LONG_NAME 200
#define LONG_DEPTH 45

/* Directories in each other, two PATH_MAX long; their path, to be freed. */
static char *make_long(int top)
{
	_cleanup_close_ int at = fdio_openat(top, ".", O_RDONLY, 0);
	char name[LONG_NAME + 1] = "";
	char *path = calloc(LONG_DEPTH, LONG_NAME + 1), *end = path;

	ck_assert_ptr_nonnull(path);
	memset(name, 'd', LONG_NAME);
	for (int i = 0; i < LONG_DEPTH; i++) {
		int next;

		ck_assert_int_eq(mkdirat(at, name, 0755), 0);
		next = fdio_openat(at, name, O_RDONLY | O_DIRECTORY, 0);
		ck_assert_int_ge(next, 0);
		close(at);
		at = next;
		memcpy(end, name, LONG_NAME);
		end += LONG_NAME;
		*end++ = '/';
	}
	*--end = '\0';
	ck_assert_uint_gt(strlen(path), 2 * PATH_MAX);
	make_file(at, "f", "text");
	ck_assert_int_eq(symlinkat("f", at, "l"), 0);
	return path;
}

static const struct {
	const char *more;
	int flags, rc;
} long_paths[] = {
	{ "", O_RDONLY | O_DIRECTORY, 0 },
	{ "/", O_RDONLY | O_DIRECTORY, 0 },
	{ "/f", O_RDONLY, 0 },
	{ "/f/", O_RDONLY, -ENOTDIR },
	{ "/f/x", O_RDONLY, -ENOTDIR },
	{ "/l", O_RDONLY, -ELOOP },
	{ "/none", O_RDONLY, -ENOENT },
	{ "/none/f", O_RDONLY, -ENOENT },
};

START_TEST(beneath_takes_paths_of_any_length)
{
	_cleanup_close_ int top = unit_tmpdir(NULL);
	_cleanup_free_ char *path = make_long(top), *many = NULL;
	char whole[3 * PATH_MAX];
	size_t before = unit_count_fds();
	int fd;

	for (size_t i = 0; i < ARRAY_SIZE(long_paths); i++) {
		unit_row(long_paths[i].more);
		snprintf(whole, sizeof(whole), "%s%s", path,
			 long_paths[i].more);
		fd = fdio_open_beneath(top, whole, long_paths[i].flags);
		ck_assert_int_eq(fd < 0 ? fd : 0, long_paths[i].rc);
		if (fd >= 0) {
			check_cloexec(fd);
			close(fd);
		}
		ck_assert_uint_eq(unit_count_fds(), before);
	}
	/* out of it, at the end of a piece and in the middle of one */
	many = calloc(PATH_MAX, 8);
	ck_assert_ptr_nonnull(many);
	for (size_t i = 0; i < PATH_MAX; i++)
		memcpy(many + 3 * i, "../", 4);
	ck_assert_int_eq(fdio_open_beneath(top, many, O_PATH), -EXDEV);
	for (size_t i = 0; i < PATH_MAX; i++)
		memcpy(many + 2 * i, "./", 3);
	fd = fdio_open_beneath(top, many, O_PATH);
	ck_assert_int_ge(fd, 0);
	close(fd);
	memcpy(many + 2 * PATH_MAX, "..", 3);
	ck_assert_int_eq(fdio_open_beneath(top, many, O_PATH), -EXDEV);
	/* a name longer than all, an absolute path */
	memset(many, 'x', 2 * PATH_MAX);
	many[2 * PATH_MAX] = '\0';
	ck_assert_int_eq(fdio_open_beneath(top, many, O_PATH), -ENAMETOOLONG);
	memset(many, '/', 2 * PATH_MAX);
	ck_assert_int_lt(fdio_open_beneath(top, many, O_PATH), 0);
	ck_assert_uint_eq(unit_count_fds(), before);
}
END_TEST

/* In a process and a mount namespace of its own: 77 = cannot be tried. */
static int try_mount_point(const char *path, bool beneath)
{
	char name[UNIT_PATH_MAX + 8];
	int dir, r;

	snprintf(name, sizeof(name), "%s/m", path);
	if (mkdir(name, 0755))
		return 1;
	if (unshare(CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("unit", name, "tmpfs", 0, NULL))
		return 77;
	/* Only a descriptor of this namespace leads to its mounts. */
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = beneath ? fdio_open_beneath(dir, "m", O_RDONLY | O_DIRECTORY)
		    : fdio_openat(dir, "m", O_RDONLY | O_DIRECTORY, 0);
	return r == -EXDEV ? 0 : 2;
}

/* The kernel is unsure of each ".." beside a rename. */
struct renaming {
	int dir;
	_Atomic bool over;
};

static void *rename_on(void *arg)
{
	struct renaming *r = arg;

	while (!atomic_load(&r->over)) {
		renameat(r->dir, "x", r->dir, "y");
		renameat(r->dir, "y", r->dir, "x");
	}
	return NULL;
}

START_TEST(renames_elsewhere_keep_nobody_out)
{
	_cleanup_close_ int dir = unit_tmpdir(NULL), other = unit_tmpdir(NULL);
	struct renaming r = { .dir = other };
	pthread_t thread;

	ck_assert_int_eq(mkdirat(dir, "a", 0755), 0);
	ck_assert_int_eq(mkdirat(other, "x", 0755), 0);
	make_file(dir, "f", "text");
	ck_assert_int_eq(symlinkat("/../a/../f", dir, "l"), 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, rename_on, &r), 0);
	for (int i = 0; i < 20000; i++) {
		_cleanup_close_ int fd =
			fdio_resolve(dir, "a/../l", O_RDONLY, RESOLVE_IN_ROOT);
		_cleanup_close_ int same =
			fdio_open_beneath(dir, "a/../a/../f", O_RDONLY);

		ck_assert_int_ge(fd, 0);
		ck_assert_int_ge(same, 0);
		check_cloexec(fd);
		check_text(fd, "text");
	}
	atomic_store(&r.over, true);
	pthread_join(thread, NULL);
}
END_TEST

START_TEST(a_mount_is_not_entered)
{
	char path[UNIT_PATH_MAX];
	_cleanup_close_ int dir = unit_tmpdir(path);
	int status = 0;
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (!pid)
		_exit(try_mount_point(path, _i));
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77) {
		unit_skip("no right to mount");
		return;
	}
	ck_assert_int_eq(WEXITSTATUS(status), 0);
}
END_TEST

START_TEST(a_directory_is_read)
{
	_cleanup_close_ int dir = unit_tmpdir(NULL);
	size_t before = unit_count_fds();
	DIR *d = NULL;
	struct dirent *e;
	bool seen = false;

	make_file(dir, "f", "");
	ck_assert_int_eq(
		fdio_opendir(fdio_openat(dir, ".", O_RDONLY | O_DIRECTORY, 0),
			     &d),
		0);
	ck_assert_uint_eq(unit_count_fds(), before + 1);
	check_cloexec(dirfd(d));
	while ((e = readdir(d)))
		seen = seen || strcmp(e->d_name, "f") == 0;
	ck_assert(seen);
	closedir(d);
	ck_assert_uint_eq(unit_count_fds(), before);
}
END_TEST

START_TEST(what_is_no_directory_is_closed)
{
	_cleanup_close_ int dir = unit_tmpdir(NULL);
	size_t before = unit_count_fds();
	DIR *d = NULL;

	make_file(dir, "f", "");
	ck_assert_int_eq(fdio_opendir(fdio_openat(dir, "f", O_RDONLY, 0), &d),
			 -ENOTDIR);
	ck_assert_int_eq(fdio_opendir(fdio_openat(dir, "x", O_RDONLY, 0), &d),
			 -ENOENT);
	ck_assert_ptr_null(d);
	ck_assert_uint_eq(unit_count_fds(), before);
}
END_TEST

START_TEST(full_reads_and_writes)
{
	static char in[300000], out[300000];
	_cleanup_close_ int dir = unit_tmpdir(NULL), fd = -1;

	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (char)(i * 31 >> 3);
	fd = fdio_openat(dir, "f", O_CREAT | O_RDWR, 0600);
	ck_assert_int_eq(fdio_pwrite_full(fd, in, sizeof(in), 5000),
			 sizeof(in));
	ck_assert_int_eq(fdio_pread_full(fd, out, sizeof(out), 5000),
			 sizeof(out));
	ck_assert_mem_eq(in, out, sizeof(in));
	ck_assert_int_eq(fdio_pread_full(fd, out, 6000, 0), 6000);
	for (size_t i = 0; i < 5000; i++)
		ck_assert_int_eq(out[i], 0);

	ck_assert_int_eq(fdio_pread_full(fd, out, 100, 5000 + sizeof(in) - 30),
			 30);
	ck_assert_int_eq(fdio_pread_full(fd, out, 100, 5000 + sizeof(in)), 0);
	ck_assert_int_eq(fdio_pread_full(fd, out, 100, 1 << 30), 0);
	ck_assert_int_eq(fdio_pread_full(fd, out, 0, 0), 0);
	ck_assert_int_eq(fdio_pwrite_full(fd, in, 0, 0), 0);
	ck_assert_int_eq(lseek(fd, 0, SEEK_CUR), 0);
}
END_TEST

START_TEST(synced_writes)
{
	static const int how[] = { 0, RWF_DSYNC, RWF_SYNC };
	_cleanup_close_ int dir = unit_tmpdir(NULL), fd = -1, ro = -1;
	char c;

	fd = fdio_openat(dir, "f", O_CREAT | O_RDWR, 0600);

	for (unsigned i = 0; i < ARRAY_SIZE(how); i++) {
		ck_assert_int_eq(fdio_pwrite_sync(fd, "abc", 3, i, how[i]), 3);
		ck_assert_int_eq(fdio_pread_full(fd, &c, 1, i + 2), 1);
		ck_assert_int_eq(c, 'c');
	}
	/* The kernel looks at it: it is not left out. */
	ck_assert_int_eq(fdio_pwrite_sync(fd, "abc", 3, 0, 1 << 30),
			 -EOPNOTSUPP);
	ro = open("/", O_PATH | O_CLOEXEC);
	ck_assert_int_eq(fdio_pwrite_sync(ro, "a", 1, 0, RWF_SYNC), -EBADF);
}
END_TEST

START_TEST(reads_and_writes_fail)
{
	_cleanup_close_ int dir = unit_tmpdir(NULL), rd = -1, wr = -1;
	int ends[2];
	char byte = 0;

	wr = fdio_openat(dir, "f", O_CREAT | O_WRONLY, 0600);
	rd = fdio_openat(dir, "f", O_RDONLY, 0);
	ck_assert_int_eq(fdio_pread_full(wr, &byte, 1, 0), -EBADF);
	ck_assert_int_eq(fdio_pwrite_full(rd, &byte, 1, 0), -EBADF);
	ck_assert_int_eq(fdio_pread_full(-1, &byte, 1, 0), -EBADF);
	ck_assert_int_eq(fdio_pwrite_full(-1, &byte, 1, 0), -EBADF);
	ck_assert_int_eq(fdio_pread_full(dir, &byte, 1, 0), -EISDIR);
	ck_assert_int_eq(fdio_pread_full(rd, &byte, 1, -1), -EINVAL);
	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_int_eq(fdio_pread_full(ends[0], &byte, 1, 0), -ESPIPE);
	close(ends[0]);
	close(ends[1]);
}
END_TEST

/* A file that may not grow beyond some size stands for a full disk. */
START_TEST(what_went_in_before_an_error_counts)
{
	_cleanup_close_ int dir = unit_tmpdir(NULL), fd = -1;
	struct rlimit limit = { 8192, RLIM_INFINITY };
	static char data[20000];

	fd = fdio_openat(dir, "f", O_CREAT | O_RDWR, 0600);
	signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	ck_assert_int_eq(fdio_pwrite_full(fd, data, sizeof(data), 0), 8192);
	ck_assert_int_eq(fdio_pwrite_full(fd, data, sizeof(data), 8000), 192);
	ck_assert_int_eq(fdio_pwrite_full(fd, data, 1, 8192), -EFBIG);
	limit.rlim_cur = RLIM_INFINITY;
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}
END_TEST

START_TEST(stat_of_descriptors_and_names)
{
	_cleanup_close_ int dir = unit_tmpdir(NULL), path = -1;
	struct stat st, via;

	make_file(dir, "f", "four");
	ck_assert_int_eq(symlinkat("f", dir, "l"), 0);
	ck_assert_int_eq(fdio_statat(dir, "f", &st), 0);
	ck_assert_int_eq(st.st_size, 4);
	ck_assert_int_eq(fdio_statat(dir, "l", &st), 0);
	ck_assert(S_ISLNK(st.st_mode));
	path = fdio_openat(dir, "l", O_PATH, 0);
	ck_assert_int_eq(fdio_stat(path, &via), 0);
	ck_assert_uint_eq(via.st_ino, st.st_ino);
	ck_assert(S_ISLNK(via.st_mode));
	ck_assert_int_eq(fdio_statat(dir, "none", &st), -ENOENT);
	ck_assert_int_eq(fdio_statat(path, "x", &st), -ENOTDIR);
	ck_assert_int_eq(fdio_stat(-1, &st), -EBADF);
}
END_TEST

START_TEST(existence)
{
	_cleanup_close_ int dir = unit_tmpdir(NULL), fd = -1;
	char longname[300];

	memset(longname, 'x', sizeof(longname));
	longname[sizeof(longname) - 1] = '\0';
	make_file(dir, "f", "");
	ck_assert_int_eq(symlinkat("nowhere", dir, "dangling"), 0);
	ck_assert_int_eq(fdio_exists(dir, "f"), 1);
	ck_assert_int_eq(fdio_exists(dir, "dangling"), 1);
	ck_assert_int_eq(fdio_exists(dir, "none"), 0);
	ck_assert_int_eq(fdio_exists(dir, longname), -ENAMETOOLONG);
	ck_assert_int_eq(fdio_exists(-1, "f"), -EBADF);
	fd = fdio_openat(dir, "f", O_RDONLY, 0);
	ck_assert_int_eq(fdio_exists(fd, "f"), -ENOTDIR);
}
END_TEST

Suite *test_fdio_suite(void)
{
	Suite *s = suite_create("fdio");
	TCase *t = tcase_create("fdio");

	tcase_add_test(t, the_proc_path);
	tcase_add_test(t, the_proc_path_of_no_descriptor);
	tcase_add_test(t, reopen_gives_other_rights);
	tcase_add_test(t, reopen_finds_the_inode_not_the_name);
	tcase_add_test(t, reopen_fails);
	tcase_add_test(t, openat_makes_and_opens);
	tcase_add_test(t, openat_follows_no_symlink);
	tcase_add_loop_test(t, there_is_no_way_out, 0, ARRAY_SIZE(ways_out));
	tcase_add_test(t, beneath_opens_what_is_inside);
	tcase_add_test(t, beneath_takes_paths_of_any_length);
	tcase_add_test(t, renames_elsewhere_keep_nobody_out);
	tcase_add_loop_test(t, a_mount_is_not_entered, 0, 2);
	tcase_add_test(t, openat_does_not_go_up);
	tcase_add_test(t, a_directory_is_read);
	tcase_add_test(t, what_is_no_directory_is_closed);
	tcase_add_test(t, full_reads_and_writes);
	tcase_add_test(t, synced_writes);
	tcase_add_test(t, reads_and_writes_fail);
	tcase_add_test(t, what_went_in_before_an_error_counts);
	tcase_add_test(t, stat_of_descriptors_and_names);
	tcase_add_test(t, existence);
	suite_add_tcase(s, t);
	return s;
}
