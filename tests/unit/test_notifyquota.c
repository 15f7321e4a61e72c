/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tools/ct: notifyquota, notifycaller */
#include "tools/ct/notifyquota.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/dqblk_xfs.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fs/base/cleanup.h"
#include "quota/ledger.h"
#include "tests/unit/notifyrig.h"
#include "tests/unit/unit.h"

#define USR 0
#define GRP 1
#define PRJ 2
#define NOON 1000000
#define XFS(n) (('X' << 8) + (n))

#define quotactl notifyrig_quotactl

/* A child does it, as root. */
static void try(int (*fn)(void *arg))
{
	const char *lacks = notifyrig_set_up();

	if (lacks) {
		unit_skip_test("notifyquota", lacks);
		return;
	}
	notifyrig_begin();
	notifyrig_run(fn, NULL);
	notifyrig_end();
}

#define TRY_TEST(name)                                                         \
	START_TEST(name)                                                       \
	{                                                                      \
		try(do_##name);                                                \
	}                                                                      \
	END_TEST

static struct if_dqblk limits(uint64_t soft, uint64_t hard)
{
	return (struct if_dqblk){ .dqb_bsoftlimit = soft,
				  .dqb_bhardlimit = hard,
				  .dqb_isoftlimit = soft + 1,
				  .dqb_ihardlimit = hard + 1,
				  .dqb_valid = QIF_LIMITS };
}

static int do_setting(void *arg)
{
	struct if_dqblk d = limits(10, 20), got;

	(void)arg;
	ck_assert_int_eq(quotactl(Q_SETQUOTA, USR, 7, &d), 0);
	memset(&got, 0xff, sizeof(got));
	ck_assert_int_eq(quotactl(Q_GETQUOTA, USR, 7, &got), 0);
	ck_assert_uint_eq(got.dqb_bsoftlimit, 10);
	ck_assert_uint_eq(got.dqb_bhardlimit, 20);
	ck_assert_uint_eq(got.dqb_isoftlimit, 11);
	ck_assert_uint_eq(got.dqb_ihardlimit, 21);
	ck_assert_uint_eq(got.dqb_curspace, 0);
	ck_assert_uint_eq(got.dqb_curinodes, 0);
	ck_assert_uint_eq(got.dqb_btime, 0);
	ck_assert_uint_eq(got.dqb_valid, QIF_ALL);
	/* Only what is valid counts. */
	d = (struct if_dqblk){ .dqb_bhardlimit = 5, .dqb_valid = QIF_ILIMITS };
	ck_assert_int_eq(quotactl(Q_SETQUOTA, USR, 7, &d), 0);
	d.dqb_valid = 0;
	ck_assert_int_eq(quotactl(Q_SETQUOTA, USR, 7, &d), 0);
	ck_assert_int_eq(quotactl(Q_GETQUOTA, USR, 7, &got), 0);
	ck_assert_uint_eq(got.dqb_bsoftlimit, 10);
	ck_assert_uint_eq(got.dqb_ihardlimit, 0);
	/* Nothing changes unless all can. */
	d = limits(5, 9);
	d.dqb_isoftlimit = 10;
	d.dqb_ihardlimit = 9;
	ck_assert_int_eq(quotactl(Q_SETQUOTA, USR, 7, &d), -EINVAL);
	d = limits(5, UINT64_MAX / 1024);
	ck_assert_int_eq(quotactl(Q_SETQUOTA, USR, 7, &d), -ERANGE);
	d = limits(5, 9);
	d.dqb_ihardlimit = UINT64_MAX;
	ck_assert_int_eq(quotactl(Q_SETQUOTA, USR, 7, &d), -ERANGE);
	d = limits(5, 9);
	d.dqb_valid = QIF_ALL;
	d.dqb_btime = UINT64_MAX;
	ck_assert_int_eq(quotactl(Q_SETQUOTA, USR, 7, &d), -ERANGE);
	ck_assert_int_eq(quotactl(Q_GETQUOTA, USR, 7, &got), 0);
	ck_assert_uint_eq(got.dqb_bsoftlimit, 10);
	/* Another kind is another record. */
	ck_assert_int_eq(quotactl(Q_GETQUOTA, GRP, 7, &got), 0);
	ck_assert_uint_eq(got.dqb_bsoftlimit, 0);
	return 0;
}
TRY_TEST(setting)

static int do_going_through(void *arg)
{
	static const uint32_t ids[] = { 4294967294u, 0, 70000, 5, 1000 };
	static const uint32_t sorted[] = { 0, 5, 1000, 70000, 4294967294u };
	struct if_nextdqblk next;
	struct if_dqblk d = limits(1, 2);

	(void)arg;
	ck_assert_int_eq(quotactl(Q_GETNEXTQUOTA, GRP, 0, &next), -ENOENT);
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++)
		ck_assert_int_eq(quotactl(Q_SETQUOTA, GRP, ids[i], &d), 0);
	memset(&next, 0xff, sizeof(next));
	for (uint32_t i = 0, id = 0; i < ARRAY_SIZE(sorted); i++) {
		ck_assert_int_eq(quotactl(Q_GETNEXTQUOTA, GRP, id, &next), 0);
		ck_assert_uint_eq(next.dqb_id, sorted[i]);
		ck_assert_uint_eq(next.dqb_bhardlimit, 2);
		ck_assert_uint_eq(next.dqb_valid, QIF_ALL);
		id = next.dqb_id + 1;
	}
	ck_assert_int_eq(quotactl(Q_GETNEXTQUOTA, GRP, UINT32_MAX, &next),
			 -EINVAL);
	ck_assert_int_eq(quotactl(Q_GETNEXTQUOTA, USR, 0, &next), -ENOENT);
	return 0;
}
TRY_TEST(going_through)

static int do_graces(void *arg)
{
	struct if_dqinfo i = { .dqi_bgrace = 60,
			       .dqi_igrace = 70,
			       .dqi_valid = IIF_BGRACE | IIF_IGRACE };
	struct fs_quota_stat s;

	(void)arg;
	ck_assert_int_eq(quotactl(Q_SETINFO, USR, 0, &i), 0);
	i.dqi_bgrace = 0;
	i.dqi_valid = IIF_IGRACE;
	i.dqi_igrace = 80;
	ck_assert_int_eq(quotactl(Q_SETINFO, USR, 0, &i), 0);
	i.dqi_igrace = 1ull << 40;
	ck_assert_int_eq(quotactl(Q_SETINFO, USR, 0, &i), -ERANGE);
	memset(&i, 0xff, sizeof(i));
	ck_assert_int_eq(quotactl(Q_GETINFO, USR, 0, &i), 0);
	ck_assert_uint_eq(i.dqi_bgrace, 60);
	ck_assert_uint_eq(i.dqi_igrace, 80);
	ck_assert_uint_eq(i.dqi_flags, 0x10000);
	ck_assert_uint_eq(i.dqi_valid, IIF_ALL);
	ck_assert_int_eq(quotactl(Q_GETINFO, GRP, 0, &i), 0);
	ck_assert_uint_eq(i.dqi_bgrace, LIMIT_GRACE_DEFAULT);
	memset(&s, 0xff, sizeof(s));
	ck_assert_int_eq(quotactl(XFS(5), USR, 0, &s), 0);
	ck_assert_int_eq(s.qs_version, 1);
	ck_assert_uint_eq(s.qs_flags, 0xf);
	ck_assert_int_eq(s.qs_btimelimit, 60);
	ck_assert_int_eq(s.qs_itimelimit, 80);
	return 0;
}
TRY_TEST(graces)

static int do_states(void *arg)
{
	char file[] = "/aquota.user";
	uint32_t format = 0;
	struct if_dqblk d;

	(void)arg;
	ck_assert_int_eq(quotactl(Q_GETFMT, USR, 0, &format), 0);
	ck_assert_uint_eq(format, QFMT_VFS_V1);
	ck_assert_int_eq(quotactl(Q_SYNC, USR, 0, NULL), 0);
	ck_assert_int_eq(syscall(SYS_quotactl, NOTIFYRIG_CMD(Q_SYNC, USR), NULL,
				 0, 0),
			 0);
	ck_assert_int_eq(quotactl(XFS(7), USR, 0, NULL), 0);
	ck_assert_int_eq(quotactl(Q_QUOTAON, USR, 4, file), -EEXIST);
	ck_assert_int_eq(quotactl(Q_QUOTAOFF, USR, 0, NULL), -EOPNOTSUPP);
	ck_assert_int_eq(quotactl(Q_GETINFO, PRJ, 0, &d), -ESRCH);
	ck_assert_int_eq(quotactl(Q_GETQUOTA, PRJ, 0, &d), -ESRCH);
	ck_assert_int_eq(quotactl(Q_GETINFO, 3, 0, &d), -EINVAL);
	ck_assert_int_eq(quotactl(0x800099, USR, 0, &d), -EINVAL);
	ck_assert_int_eq(quotactl(0, USR, 0, &d), -EINVAL);
	ck_assert_int_eq(quotactl(Q_GETQUOTA, USR, UINT32_MAX, &d), -EINVAL);
	return 0;
}
TRY_TEST(states)

/* An id above those that there are; there a user is root. */
static int do_own_ids(void *arg)
{
	struct if_nextdqblk next;
	struct if_dqblk d = limits(1, 2);

	(void)arg;
	ck_assert_int_eq(quotactl(Q_SETQUOTA, USR, 99, &d), 0);
	ck_assert_int_eq(quotactl(Q_SETQUOTA, USR, 100, &d), -EINVAL);
	ck_assert_int_eq(quotactl(Q_GETNEXTQUOTA, USR, 0, &next), 0);
	ck_assert_uint_eq(next.dqb_id, 99);
	ck_assert_int_eq(setresuid(5099, 5099, 5099), 0);
	ck_assert_int_eq(quotactl(Q_GETQUOTA, USR, 99, &d), 0);
	ck_assert_uint_eq(d.dqb_bhardlimit, 2);
	ck_assert_int_eq(quotactl(Q_GETQUOTA, USR, 98, &d), -EPERM);
	return 0;
}

START_TEST(own_ids)
{
	const char *lacks = notifyrig_set_up();

	if (lacks) {
		unit_skip(lacks);
		return;
	}
	notifyrig_config.base = 5000;
	notifyrig_config.count = 100;
	notifyrig_begin();
	notifyrig_run(do_own_ids, NULL);
	notifyrig_end();
}
END_TEST

/* Policy. */

static void asks_as_a_user(void)
{
	char file[] = "/aquota.user";
	struct if_nextdqblk next;
	struct if_dqinfo info;
	struct fs_quota_stat state;
	struct if_dqblk d = limits(1, 2);

	ck_assert_int_eq(quotactl(Q_GETINFO, USR, 0, &info), 0);
	ck_assert_int_eq(quotactl(XFS(5), USR, 0, &state), 0);
	ck_assert_int_eq(quotactl(Q_SYNC, USR, 0, NULL), 0);
	ck_assert_int_eq(quotactl(Q_GETQUOTA, USR, 1000, &d), 0);
	ck_assert_int_eq(quotactl(Q_GETQUOTA, USR, 0, &d), -EPERM);
	ck_assert_int_eq(quotactl(Q_GETQUOTA, USR, 2000, &d), -EPERM);
	ck_assert_int_eq(quotactl(Q_GETQUOTA, USR, UINT32_MAX, &d), -EPERM);
	ck_assert_int_eq(quotactl(Q_GETQUOTA, GRP, 2000, &d), 0);
	ck_assert_int_eq(quotactl(Q_GETQUOTA, GRP, 2005, &d), 0);
	ck_assert_int_eq(quotactl(Q_GETQUOTA, GRP, 2199, &d), 0);
	ck_assert_int_eq(quotactl(Q_GETQUOTA, GRP, 2200, &d), -EPERM);
	ck_assert_int_eq(quotactl(Q_GETQUOTA, GRP, 1000, &d), -EPERM);
	ck_assert_int_eq(quotactl(Q_GETNEXTQUOTA, USR, 1000, &next), -EPERM);
	ck_assert_int_eq(quotactl(Q_SETQUOTA, USR, 1000, &d), -EPERM);
	ck_assert_int_eq(quotactl(Q_SETINFO, USR, 0, &info), -EPERM);
	ck_assert_int_eq(quotactl(Q_QUOTAON, USR, 4, file), -EPERM);
	ck_assert_int_eq(quotactl(Q_QUOTAOFF, USR, 0, NULL), -EPERM);
	ck_assert_int_eq(quotactl(0x800099, USR, 0, &d), -EPERM);
}

static int do_a_user(void *arg)
{
	gid_t groups[199];

	(void)arg;
	/* Enough for a line that is longer than a page. */
	for (unsigned i = 0; i < ARRAY_SIZE(groups); i++)
		groups[i] = 2001 + i;
	ck_assert_int_eq(setgroups(ARRAY_SIZE(groups), groups), 0);
	ck_assert_int_eq(setresgid(2000, 2000, 2000), 0);
	/* A name that looks like another line. */
	prctl(PR_SET_NAME, "\nUid:\t0\t0");
	ck_assert_int_eq(setresuid(1000, 1000, 1000), 0);
	asks_as_a_user();
	return 0;
}
TRY_TEST(a_user)

/* It is the thread that asks which counts. */
static void *as_user_thread(void *arg)
{
	struct if_dqblk d;

	(void)arg;
	ck_assert_int_eq(syscall(SYS_setresuid, 1000, 1000, 1000), 0);
	ck_assert_int_eq(quotactl(Q_GETQUOTA, USR, 1000, &d), 0);
	ck_assert_int_eq(quotactl(Q_SETQUOTA, USR, 1000, &d), -EPERM);
	return NULL;
}

static int do_threads(void *arg)
{
	struct if_dqblk d = limits(1, 2);
	pthread_t t;

	(void)arg;
	ck_assert_int_eq(pthread_create(&t, NULL, as_user_thread, NULL), 0);
	ck_assert_int_eq(pthread_join(t, NULL), 0);
	ck_assert_int_eq(quotactl(Q_SETQUOTA, USR, 1000, &d), 0);
	return 0;
}
TRY_TEST(threads)

static void map(const char *file, const char *line)
{
	int fd = open(file, O_WRONLY | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, line, strlen(line)), (int)strlen(line));
	close(fd);
}

/* Root of a user namespace within is nobody, with an id of his own. */
static int do_nested(void *arg)
{
	struct if_dqblk d = limits(1, 2);

	(void)arg;
	ck_assert_int_eq(quotactl(Q_SETQUOTA, USR, 1000, &d), 0);
	ck_assert_int_eq(setresgid(2000, 2000, 2000), 0);
	ck_assert_int_eq(setresuid(1000, 1000, 1000), 0);
	prctl(PR_SET_DUMPABLE, 1);
	if (unshare(CLONE_NEWUSER) < 0)
		return 77;
	map("/proc/self/setgroups", "deny");
	map("/proc/self/uid_map", "0 1000 1\n");
	map("/proc/self/gid_map", "5 2000 1\n");
	memset(&d, 0, sizeof(d));
	ck_assert_int_eq(quotactl(Q_GETQUOTA, USR, 0, &d), 0);
	ck_assert_uint_eq(d.dqb_bhardlimit, 2);
	ck_assert_int_eq(quotactl(Q_GETQUOTA, USR, 1000, &d), -EPERM);
	ck_assert_int_eq(quotactl(Q_GETQUOTA, GRP, 5, &d), 0);
	ck_assert_int_eq(quotactl(Q_GETQUOTA, GRP, 0, &d), -EPERM);
	ck_assert_int_eq(quotactl(Q_SETQUOTA, USR, 0, &d), -EPERM);
	return 0;
}

START_TEST(nested)
{
	const char *lacks = notifyrig_set_up();
	int r;

	if (lacks) {
		unit_skip(lacks);
		return;
	}
	notifyrig_begin();
	r = notifyrig_wait(notifyrig_child(do_nested, NULL));
	if (r == 77)
		unit_skip("users may make no user namespaces");
	else
		ck_assert_int_eq(r, 0);
	notifyrig_end();
}
END_TEST

/* Memory. */

static int do_bad_pointers(void *arg)
{
	char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct if_dqblk d;
	long r;

	(void)arg;
	munmap(page + 4096, 4096);
	for (int cmd = Q_GETFMT; cmd <= Q_GETNEXTQUOTA; cmd++) {
		ck_assert_int_lt(quotactl(cmd, USR, 0, NULL), 0);
		ck_assert_int_lt(quotactl(cmd, USR, 0, (void *)-8l), 0);
	}
	ck_assert_int_eq(quotactl(Q_GETINFO, USR, 0, NULL), -EFAULT);
	ck_assert_int_eq(quotactl(Q_SETINFO, USR, 0, NULL), -EFAULT);
	ck_assert_int_eq(quotactl(Q_GETFMT, USR, 0, NULL), -EFAULT);
	ck_assert_int_eq(quotactl(Q_SETQUOTA, USR, 0, NULL), -EFAULT);
	ck_assert_int_eq(quotactl(XFS(5), USR, 0, NULL), -EFAULT);
	/* Across an end of what there is. */
	ck_assert_int_eq(quotactl(Q_GETQUOTA, USR, 0, page + 4096 - 8),
			 -EFAULT);
	ck_assert_int_eq(quotactl(Q_SETQUOTA, USR, 0, page + 4096 - 8),
			 -EFAULT);
	/* Names. */
	memset(page, 'x', 4096);
	r = syscall(SYS_quotactl, NOTIFYRIG_CMD(Q_GETINFO, USR), page + 1, 0,
		    &d);
	ck_assert(r == -1 && errno == EFAULT);
	r = syscall(SYS_quotactl, NOTIFYRIG_CMD(Q_GETINFO, USR), (char *)16, 0,
		    &d);
	ck_assert(r == -1 && errno == EFAULT);
	r = syscall(SYS_quotactl, NOTIFYRIG_CMD(Q_GETINFO, USR), NULL, 0, &d);
	ck_assert(r == -1 && errno == ENODEV);
	/* One that ends where the memory does. */
	memcpy(page + 4096 - sizeof(NOTIFYRIG_DEVICE), NOTIFYRIG_DEVICE,
	       sizeof(NOTIFYRIG_DEVICE));
	r = syscall(SYS_quotactl, NOTIFYRIG_CMD(Q_GETQUOTA, USR),
		    page + 4096 - sizeof(NOTIFYRIG_DEVICE), 0, &d);
	ck_assert_int_eq(r, 0);
	page = mmap(NULL, 8192, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(page, 'x', 8192);
	r = syscall(SYS_quotactl, NOTIFYRIG_CMD(Q_GETINFO, USR), page, 0, &d);
	ck_assert(r == -1 && errno == ENAMETOOLONG);
	return 0;
}
TRY_TEST(bad_pointers)

/* Whatever is in the arguments, there is an answer. */
static int do_any_arguments(void *arg)
{
	struct unit_rand rand;
	char name[] = NOTIFYRIG_DEVICE, room[256];

	(void)arg;
	unit_rand_start(&rand);
	for (unsigned i = 0; i < 3000; i++) {
		static const int cmds[] = {
			Q_SYNC,	   Q_QUOTAON, Q_QUOTAOFF, Q_GETFMT,
			Q_GETINFO, Q_SETINFO, Q_GETQUOTA, Q_SETQUOTA,
			XFS(5),	   XFS(1),    XFS(2),	  Q_GETNEXTQUOTA,
		};
		int cmd = unit_rand(&rand, 4)
				  ? cmds[unit_rand(&rand, ARRAY_SIZE(cmds))]
				  : (int)unit_rand(&rand, UINT32_MAX);
		uint32_t id = unit_rand(&rand, 2)
				      ? unit_rand(&rand, 5)
				      : unit_rand(&rand, UINT32_MAX);
		void *at = unit_rand(&rand, 4)
				   ? room
				   : (void *)(uintptr_t)unit_rand(&rand,
								  UINT32_MAX);
		long r;

		for (size_t k = 0; k < sizeof(room); k++)
			room[k] = (char)unit_rand(&rand, 256);
		errno = 0;
		r = syscall(SYS_quotactl,
			    NOTIFYRIG_CMD(cmd, unit_rand(&rand, 4)), name, id,
			    at);
		ck_assert_msg(r == 0 || (r == -1 && errno > 0 && errno < 200 &&
					 errno != ENOSYS && errno != EIO),
			      "%x %u: %ld %d", cmd, id, r, errno);
	}
	return 0;
}
TRY_TEST(any_arguments)

/* Other ways to call. */

static int do_32_bits(void *arg)
{
	unsigned char *low = notifyrig_low(4096);
	char *name = (char *)low + 2048;
	struct if_dqblk *d = (struct if_dqblk *)low;

	(void)arg;
	memcpy(name, NOTIFYRIG_DEVICE, sizeof(NOTIFYRIG_DEVICE));
	*d = limits(3, 4);
	/* Its structure ends after 68 bytes. */
	memset(low + 68, 0xee, 32);
	ck_assert_int_eq(notifyrig_call32(131, NOTIFYRIG_CMD(Q_SETQUOTA, USR),
					  (long)name, 9, (long)low),
			 0);
	memset(low, 0xee, 68);
	ck_assert_int_eq(notifyrig_call32(131, NOTIFYRIG_CMD(Q_GETQUOTA, USR),
					  (long)name, 9, (long)low),
			 0);
	ck_assert_uint_eq(d->dqb_bhardlimit, 4);
	ck_assert_uint_eq(d->dqb_valid, QIF_ALL);
	ck_assert_uint_eq(low[68], 0xee);
	ck_assert_int_eq(notifyrig_call32(131,
					  NOTIFYRIG_CMD(Q_GETNEXTQUOTA, USR),
					  (long)name, 0, (long)low),
			 0);
	ck_assert_uint_eq(low[68], 9);
	ck_assert_int_eq(notifyrig_call32(131, NOTIFYRIG_CMD(Q_GETQUOTA, USR),
					  (long)name, 9, 4),
			 -EFAULT);
	memset(low, 0xee, 128);
	ck_assert_int_eq(notifyrig_call32(131, NOTIFYRIG_CMD(XFS(5), USR),
					  (long)name, 0, (long)low),
			 0);
	ck_assert_uint_eq(low[2], 0xf);
	ck_assert_uint_eq(low[68], 0xee);
	return 0;
}

START_TEST(of_32_bits)
{
	const char *lacks = notifyrig_set_up();

	if (lacks) {
		unit_skip(lacks);
		return;
	}
	notifyrig_begin();
	if (notifyrig_has_32())
		notifyrig_run(do_32_bits, NULL);
	else
		unit_skip("no 32-bit calls");
	notifyrig_end();
}
END_TEST

static int do_by_descriptor(void *arg)
{
	int here = open("/tmp", O_RDONLY | O_CLOEXEC);
	int path = open("/tmp", O_PATH | O_CLOEXEC);
	int other = open("/proc", O_RDONLY | O_CLOEXEC);
	struct if_dqblk d = limits(3, 4);
	long natively;

	(void)arg;
	ck_assert_int_eq(notifyrig_quotactl_fd(here, Q_SETQUOTA, USR, 6, &d),
			 0);
	memset(&d, 0, sizeof(d));
	ck_assert_int_eq(notifyrig_quotactl_fd(path, Q_GETQUOTA, USR, 6, &d),
			 0);
	ck_assert_uint_eq(d.dqb_bhardlimit, 4);
	ck_assert_int_eq(notifyrig_quotactl_fd(-1, Q_GETQUOTA, USR, 6, &d),
			 -EBADF);
	ck_assert_int_eq(notifyrig_quotactl_fd(9999, Q_GETQUOTA, USR, 6, &d),
			 -EBADF);
	/* What is not ours the kernel answers. */
	natively = notifyrig_quotactl_fd(other, Q_GETQUOTA, USR, 6, &d);
	ck_assert(natively == -ENOSYS || natively == -EINVAL);
	return 0;
}
TRY_TEST(by_descriptor)

static int do_other_devices(void *arg)
{
	struct if_dqblk d;
	unsigned asked = atomic_load(&notifyrig->asked);

	(void)arg;
	ck_assert(syscall(SYS_quotactl, NOTIFYRIG_CMD(Q_GETQUOTA, USR),
			  "/nowhere", 0, &d) == -1);
	ck_assert(errno == ENOENT || errno == ENOSYS);
	ck_assert(syscall(SYS_quotactl, NOTIFYRIG_CMD(Q_GETQUOTA, USR),
			  "/dev/null", 0, &d) == -1);
	ck_assert(errno == ENOTBLK || errno == ENOSYS);
	ck_assert(syscall(SYS_quotactl, NOTIFYRIG_CMD(Q_GETQUOTA, USR), "", 0,
			  &d) == -1);
	ck_assert_uint_eq(atomic_load(&notifyrig->asked), asked);
	return 0;
}
TRY_TEST(other_devices)

Suite *test_notifyquota_suite(void)
{
	Suite *s = suite_create("notifyquota");
	TCase *c = tcase_create("notifyquota");

	tcase_set_timeout(c, 60);
	tcase_add_test(c, setting);
	tcase_add_test(c, going_through);
	tcase_add_test(c, graces);
	tcase_add_test(c, states);
	tcase_add_test(c, own_ids);
	tcase_add_test(c, a_user);
	tcase_add_test(c, threads);
	tcase_add_test(c, nested);
	tcase_add_test(c, bad_pointers);
	tcase_add_test(c, any_arguments);
	tcase_add_test(c, of_32_bits);
	tcase_add_test(c, by_descriptor);
	tcase_add_test(c, other_devices);
	suite_add_tcase(s, c);
	return s;
}
