/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/fusewire.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fs/base/cleanup.h"
#include "tests/unit/unit.h"

/* A device that keeps messages apart, as the real one does. */
static int ours = -1, kernels = -1;

static void set_up(void)
{
	int fds[2];

	ck_assert_int_eq(
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	ours = fds[0];
	kernels = fds[1];
	signal(SIGPIPE, SIG_IGN);
}

static void tear_down(void)
{
	close(ours);
	close(kernels);
}

/* The one message that was written. */
static size_t message(void *buf, size_t room)
{
	ssize_t n = recv(kernels, buf, room, MSG_DONTWAIT);
	char more;

	ck_assert_int_gt(n, 0);
	ck_assert_int_lt(recv(kernels, &more, 1, MSG_DONTWAIT), 0);
	return (size_t)n;
}

START_TEST(a_request)
{
	struct fuse_in_header h = { .len = sizeof(h),
				    .opcode = FUSE_MKDIR,
				    .unique = 42,
				    .nodeid = 7 };
	struct fusewire_request q;

	ck_assert(fusewire_parse(&h, sizeof(h), &q));
	ck_assert_uint_eq(q.unique, 42);
	ck_assert_uint_eq(q.nodeid, 7);
	ck_assert_uint_eq(q.opcode, FUSE_MKDIR);
	ck_assert(!q.again);
	h.unique |= FUSEWIRE_AGAIN;
	ck_assert(fusewire_parse(&h, sizeof(h) + 100, &q));
	ck_assert_uint_eq(q.unique, 42);
	ck_assert(q.again);
	/* An interrupt's number is odd, and stays so. */
	h.unique = 43;
	ck_assert(fusewire_parse(&h, sizeof(h), &q));
	ck_assert_uint_eq(q.unique, 43);
	h.unique = UINT64_MAX;
	ck_assert(fusewire_parse(&h, sizeof(h), &q));
	ck_assert_uint_eq(q.unique, UINT64_MAX >> 1);
}
END_TEST

START_TEST(who_waits)
{
	struct fuse_in_header h = { .len = sizeof(h),
				    .opcode = FUSE_MKDIR,
				    .pid = 4711 };

	ck_assert_uint_eq(fusewire_caller(&h, sizeof(h)), 4711);
	ck_assert_uint_eq(fusewire_caller(&h, sizeof(h) - 1), 0);
	h.opcode = FUSE_FORGET;
	ck_assert_uint_eq(fusewire_caller(&h, sizeof(h)), 0);
	h.opcode = FUSE_RELEASE;
	ck_assert_uint_eq(fusewire_caller(&h, sizeof(h)), 0);
}
END_TEST

START_TEST(what_is_no_request)
{
	struct fuse_in_header h = { .unique = 1 };
	struct fusewire_request q = { .unique = 99 };

	for (size_t n = 0; n < sizeof(h); n++)
		ck_assert(!fusewire_parse(&h, n, &q));
	ck_assert_uint_eq(q.unique, 99);
}
END_TEST

START_TEST(words_of_operations)
{
	static const struct {
		uint32_t opcode;
		const char *name;
		bool silent;
	} rows[] = {
		{ FUSE_LOOKUP, "LOOKUP", false },
		{ FUSE_FORGET, "FORGET", true },
		{ FUSE_BATCH_FORGET, "BATCH_FORGET", true },
		{ FUSE_INTERRUPT, "INTERRUPT", true },
		{ FUSE_RENAME2, "RENAME2", false },
		{ FUSE_RELEASE, "RELEASE", false },
		{ FUSE_WRITE, "WRITE", false },
		{ FUSEWIRE_TMPFILE, "TMPFILE", false },
		{ 52, "STATX", false },
		{ 0, "request", false },
		{ 7, "request", false },
		{ 53, "request", false },
		{ 4096, "request", false },
		{ UINT32_MAX, "request", false },
	};

	for (unsigned k = 0; k < ARRAY_SIZE(rows); k++) {
		unit_row(rows[k].name);
		ck_assert_str_eq(fusewire_name(rows[k].opcode), rows[k].name);
		ck_assert_int_eq(fusewire_is_silent(rows[k].opcode),
				 rows[k].silent);
	}
}
END_TEST

#define EXT (1u << 30)
#define RESEND (1u << 7)

START_TEST(what_the_kernel_can)
{
	static const struct {
		const char *what;
		uint32_t minor, flags, flags2;
		size_t len;
		bool can;
	} rows[] = {
		{ "6.18", 45, EXT | 0x3fffffff, 0xffff, 104, true },
		{ "6.9", 40, EXT, RESEND, 104, true },
		{ "as short as can be", 40, EXT, RESEND, 60, true },
		{ "6.8", 39, EXT, 0x7f, 104, false },
		{ "all but it", 40, EXT, ~RESEND, 104, false },
		{ "no second word of flags", 40, ~EXT, RESEND, 104, false },
		{ "5.10, short", 31, 0x3fffffff, 0, 56, false },
		{ "cut off", 40, EXT, RESEND, 59, false },
		{ "a header alone", 40, EXT, RESEND, 40, false },
		{ "nothing", 40, EXT, RESEND, 0, false },
	};

	for (unsigned k = 0; k < ARRAY_SIZE(rows); k++) {
		union {
			struct {
				struct fuse_in_header h;
				uint32_t in[16];
			};
			char bytes[104];
		} m = { .in = { 7, rows[k].minor, 131072, rows[k].flags,
				rows[k].flags2 } };

		unit_row(rows[k].what);
		ck_assert_int_eq(fusewire_can_resend(&m, rows[k].len),
				 rows[k].can);
	}
}
END_TEST

START_TEST(send_again)
{
	struct fuse_out_header h;

	set_up();
	ck_assert_int_eq(fusewire_resend(ours), 0);
	ck_assert_uint_eq(message(&h, sizeof(h)), sizeof(h));
	ck_assert_uint_eq(h.len, sizeof(h));
	ck_assert_uint_eq(h.unique, 0);
	ck_assert_int_eq(h.error, 7);
	tear_down();
}
END_TEST

START_TEST(refuse)
{
	struct fuse_out_header h;

	set_up();
	ck_assert_int_eq(fusewire_refuse(ours, 42 | FUSEWIRE_AGAIN, -EIO), 0);
	ck_assert_uint_eq(message(&h, sizeof(h)), sizeof(h));
	ck_assert_uint_eq(h.len, sizeof(h));
	ck_assert_uint_eq(h.unique, 42 | FUSEWIRE_AGAIN);
	ck_assert_int_eq(h.error, -EIO);
	tear_down();
}
END_TEST

/* Asking is storing nothing into the page cache of the inode. */
START_TEST(ask_about_an_inode)
{
	struct {
		struct fuse_out_header h;
		struct fuse_notify_store_out store;
	} m;

	set_up();
	ck_assert_int_eq(fusewire_knows(ours, 0x500000007), 1);
	ck_assert_uint_eq(message(&m, sizeof(m)), sizeof(m));
	ck_assert_uint_eq(m.h.len, sizeof(m));
	ck_assert_uint_eq(m.h.unique, 0);
	ck_assert_int_eq(m.h.error, FUSE_NOTIFY_STORE);
	ck_assert_uint_eq(m.store.nodeid, 0x500000007);
	ck_assert_uint_eq(m.store.offset, 0);
	ck_assert_uint_eq(m.store.size, 0);
	tear_down();
}
END_TEST

START_TEST(a_device_that_is_gone)
{
	_cleanup_close_ int full = open("/dev/full", O_RDWR | O_CLOEXEC);

	set_up();
	close(kernels);
	ck_assert_int_eq(fusewire_resend(ours), -EPIPE);
	ck_assert_int_eq(fusewire_refuse(ours, 1, -EIO), -EPIPE);
	ck_assert_int_eq(fusewire_knows(ours, 1), -EPIPE);
	close(ours);
	ck_assert_int_eq(fusewire_resend(ours), -EBADF);
	ck_assert_int_eq(fusewire_refuse(ours, 1, -EIO), -EBADF);
	ck_assert_int_eq(fusewire_knows(ours, 1), -EBADF);
	ck_assert_int_ge(full, 0);
	ck_assert_int_eq(fusewire_resend(full), -ENOSPC);
	ck_assert_int_eq(fusewire_knows(full, 1), -ENOSPC);
}
END_TEST

/* A device that was opened and never mounted. */
START_TEST(a_device_without_a_mount)
{
	_cleanup_close_ int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	if (fd < 0) {
		unit_skip("no /dev/fuse");
		return;
	}
	ck_assert_int_lt(fusewire_resend(fd), 0);
	ck_assert_int_lt(fusewire_refuse(fd, 1, -EIO), 0);
	ck_assert_int_lt(fusewire_knows(fd, 1), 0);
}
END_TEST

Suite *test_fusewire_suite(void)
{
	Suite *s = suite_create("fusewire");
	TCase *c = tcase_create("fusewire");

	tcase_add_test(c, a_request);
	tcase_add_test(c, who_waits);
	tcase_add_test(c, what_is_no_request);
	tcase_add_test(c, words_of_operations);
	tcase_add_test(c, what_the_kernel_can);
	tcase_add_test(c, send_again);
	tcase_add_test(c, refuse);
	tcase_add_test(c, ask_about_an_inode);
	tcase_add_test(c, a_device_that_is_gone);
	tcase_add_test(c, a_device_without_a_mount);
	suite_add_tcase(s, c);
	return s;
}
