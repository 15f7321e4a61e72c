/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "fs/base/cleanup.h"
#include "fs/base/fdio.h"
#include "fs/copydata.h"

#define HOLE (4 << 20)

static int file(int dir, const char *name)
{
	int fd = fdio_openat(dir, name, O_CREAT | O_RDWR | O_TRUNC, 0600);

	ck_assert_int_ge(fd, 0);
	return fd;
}

static void fill(int fd, off_t off, size_t len, unsigned seed)
{
	unsigned char *buf = malloc(len);

	for (size_t n = 0; n < len; n++)
		buf[n] = (unsigned char)(rand_r(&seed) >> 8);
	ck_assert_int_eq(fdio_pwrite_full(fd, buf, len, off), (ssize_t)len);
	free(buf);
}

static void check_same(int a, int b)
{
	static char x[65536], y[65536];
	struct stat sa, sb;

	ck_assert_int_eq(fstat(a, &sa), 0);
	ck_assert_int_eq(fstat(b, &sb), 0);
	ck_assert_int_eq(sa.st_size, sb.st_size);
	for (off_t off = 0; off < sa.st_size; off += (off_t)sizeof(x)) {
		ssize_t n = fdio_pread_full(a, x, sizeof(x), off);

		ck_assert_int_eq(fdio_pread_full(b, y, sizeof(y), off), n);
		ck_assert_mem_eq(x, y, (size_t)n);
	}
}

/* A small filesystem that is mounted nowhere; -1 where that cannot be. */
static int detached_tmpfs(const char *size)
{
	_cleanup_close_ int ctx =
		(int)syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC);

	if (ctx < 0 ||
	    syscall(SYS_fsconfig, ctx, FSCONFIG_SET_STRING, "size", size, 0) ||
	    syscall(SYS_fsconfig, ctx, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		return -1;
	return (int)syscall(SYS_fsmount, ctx, FSMOUNT_CLOEXEC, 0);
}

/* From the disk to `to_dir`, which may be another filesystem. */
static void copy_sizes(int to_dir)
{
	static const off_t sizes[] = { 0, 1, 511, 4096, 4097, 1 << 20, 3000001 };
	int dir = unit_tmpdir(NULL);

	for (size_t n = 0; n < ARRAY_SIZE(sizes); n++) {
		_cleanup_close_ int from = file(dir, "from");
		_cleanup_close_ int to = file(to_dir, "to");

		if (sizes[n])
			fill(from, 0, (size_t)sizes[n], (unsigned)n + 1);
		ck_assert_int_eq(copydata(from, to, sizes[n]), 0);
		check_same(from, to);
	}
	close(dir);
}

START_TEST(every_size_on_one_filesystem)
{
	int dir = unit_tmpdir(NULL);

	copy_sizes(dir);
	close(dir);
}
END_TEST

START_TEST(every_size_to_another_filesystem)
{
	int dir = detached_tmpfs("64m");

	if (dir < 0) {
		unit_skip("no detached tmpfs");
		return;
	}
	copy_sizes(dir);
	close(dir);
}
END_TEST

static void copy_holes(int dir, int to_dir)
{
	_cleanup_close_ int from = file(dir, "from");
	_cleanup_close_ int to = file(to_dir, "to");
	struct stat st;

	fill(from, HOLE, 8192, 1);
	fill(from, 3 * (off_t)HOLE + 100, 5000, 2);
	ck_assert_int_eq(ftruncate(from, 5 * (off_t)HOLE), 0);
	ck_assert_int_eq(copydata(from, to, 5 * (off_t)HOLE), 0);
	check_same(from, to);
	ck_assert_int_eq(fstat(to, &st), 0);
	ck_assert_int_gt(st.st_blocks, 0);
	ck_assert_int_lt(st.st_blocks, 256);
	ck_assert_int_eq(lseek(to, 0, SEEK_DATA), HOLE);

	/* Nothing but a hole. */
	ck_assert_int_eq(ftruncate(from, 0), 0);
	ck_assert_int_eq(ftruncate(from, HOLE), 0);
	ck_assert_int_eq(ftruncate(to, 0), 0);
	ck_assert_int_eq(copydata(from, to, HOLE), 0);
	check_same(from, to);
	ck_assert_int_eq(fstat(to, &st), 0);
	ck_assert_int_lt(st.st_blocks, 16);
}

START_TEST(holes_stay_holes)
{
	int dir = unit_tmpdir(NULL), other;

	copy_holes(dir, dir);
	other = detached_tmpfs("64m");
	if (other >= 0) {
		copy_holes(dir, other);
		copy_holes(other, dir);
		close(other);
	}
	close(dir);
}
END_TEST

START_TEST(the_space_of_what_has_holes)
{
	int dir = unit_tmpdir(NULL), from = file(dir, "from");

	ck_assert_uint_eq(copydata_space(from, 0, 4096), 0);
	ck_assert_int_eq(ftruncate(from, 5 * (off_t)HOLE), 0);
	ck_assert_uint_eq(copydata_space(from, 5 * (off_t)HOLE, 4096), 0);
	fill(from, HOLE, 8192, 1);
	fill(from, 3 * (off_t)HOLE + 100, 5000, 2);
	ck_assert_uint_eq(copydata_space(from, 5 * (off_t)HOLE, 4096), 16384);
	ck_assert_uint_eq(copydata_space(from, HOLE + 4096, 4096), 4096);
	ck_assert_uint_eq(copydata_space(from, HOLE, 4096), 0);
	ck_assert_uint_eq(copydata_space(from, HOLE + 4096, 65536), 65536);
	close(from);
	/* Where nobody knows of holes. */
	from = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(from, 0);
	ck_assert_uint_eq(copydata_space(from, 100000, 4096), 102400);
	close(from);
	close(dir);
}
END_TEST

START_TEST(a_full_disk)
{
	int dir = unit_tmpdir(NULL), small = detached_tmpfs("1m"), from, to;

	if (small < 0) {
		unit_skip("no detached tmpfs");
		return;
	}
	from = file(dir, "from");
	to = file(small, "to");
	fill(from, 0, 3 << 20, 1);
	ck_assert_int_eq(copydata(from, to, 3 << 20), -ENOSPC);
	close(from);
	close(to);
	close(small);
	close(dir);
}
END_TEST

START_TEST(errors_come_through)
{
	struct rlimit small = { 65536, RLIM_INFINITY };
	int dir = unit_tmpdir(NULL), from = file(dir, "from");
	int to = file(dir, "to"), p[2];
	_cleanup_close_ int ro = fdio_openat(dir, "to", O_RDONLY, 0);

	fill(from, 0, 100000, 1);
	ck_assert_int_lt(copydata(from, ro, 100000), 0);
	ck_assert_int_eq(pipe2(p, O_CLOEXEC), 0);
	ck_assert_int_eq(copydata(p[0], to, 100), -ESPIPE);
	signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
	ck_assert_int_eq(ftruncate(to, 0), 0);
	ck_assert_int_eq(copydata(from, to, 100000), -EFBIG);
	close(p[0]);
	close(p[1]);
	close(from);
	close(to);
	close(dir);
}
END_TEST

Suite *test_copydata_suite(void)
{
	Suite *s = suite_create("copydata");
	TCase *c = tcase_create("copydata");

	tcase_set_timeout(c, 60);
	tcase_add_test(c, every_size_on_one_filesystem);
	tcase_add_test(c, every_size_to_another_filesystem);
	tcase_add_test(c, holes_stay_holes);
	tcase_add_test(c, the_space_of_what_has_holes);
	tcase_add_test(c, a_full_disk);
	tcase_add_test(c, errors_come_through);
	suite_add_tcase(s, c);
	return s;
}
