/* SPDX-License-Identifier: GPL-2.0-or-later */
/* quota: scan, walk, tally */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "fs/base/fdio.h"
#include "quota/scan.h"
#include "quota/tally.h"
#include "quota/walk.h"

/* What a tree should be found to take, told while it is made. */
struct truth {
	int dir;
	struct tally tally;
};

static void own(struct truth *t, const char *path, uint32_t uid, uint32_t gid)
{
	struct stat st;

	ck_assert_int_eq(fchownat(t->dir, path, uid, gid, AT_SYMLINK_NOFOLLOW),
			 0);
	ck_assert_int_eq(fstatat(t->dir, path, &st, AT_SYMLINK_NOFOLLOW), 0);
	ck_assert_int_eq(tally_add(&t->tally, uid, gid,
				   (uint64_t)st.st_blocks * 512),
			 0);
}

static void make_file(struct truth *t, const char *path, size_t size)
{
	int fd = openat(t->dir, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
			0600);
	char data[9000];

	memset(data, 'x', sizeof(data));
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fdio_pwrite_full(fd, data, size, 0), (ssize_t)size);
	ck_assert(size == 0 || fsync(fd) == 0);
	close(fd);
}

static void add_file(struct truth *t, const char *path, size_t size,
		     uint32_t id)
{
	make_file(t, path, size);
	own(t, path, id, id + 1);
}

static void begin(struct truth *t)
{
	*t = (struct truth){ .dir = unit_tmpdir(NULL) };
}

/* A directory counts as it is at the end. */
static void end(struct truth *t)
{
	tally_free(&t->tally);
	close(t->dir);
}

static struct scan_result *scan(int dir, unsigned threads)
{
	struct scan_config cfg = { .roots = &dir,
				   .n_roots = 1,
				   .threads = threads };
	struct scan_result *r = NULL;
	size_t fds = unit_count_fds();

	ck_assert_int_eq(scan_run(&r, &cfg), 0);
	ck_assert_uint_eq(unit_count_fds(), fds);
	return r;
}

struct found {
	const struct tally *truth;
	unsigned n;
};

static void compare(void *ctx, enum ledger_kind kind, uint32_t id,
		    const uint64_t usage[LIMIT_RESOURCES])
{
	uint64_t want[LIMIT_RESOURCES];
	struct found *f = ctx;

	f->n++;
	tally_get(f->truth, kind, id, want);
	for (int i = 0; i < LIMIT_RESOURCES; i++)
		ck_assert_msg(usage[i] == want[i],
			      "%s %u: %s %llu instead of %llu",
			      ledger_kinds[kind], id, limit_names[i],
			      (unsigned long long)usage[i],
			      (unsigned long long)want[i]);
}

static void count_one(void *ctx, enum ledger_kind kind, uint32_t id,
		      const uint64_t usage[LIMIT_RESOURCES])
{
	(void)kind;
	(void)id;
	(void)usage;
	++*(unsigned *)ctx;
}

static void ck_truth(struct truth *t, unsigned threads)
{
	struct scan_result *r = scan(t->dir, threads);
	struct found f = { .truth = &t->tally };
	unsigned n = 0;

	scan_each(r, compare, &f);
	tally_each(&t->tally, count_one, &n);
	ck_assert_uint_eq(f.n, n);
	ck_assert_uint_eq(scan_inodes(r), t->tally.total[LIMIT_INODES]);
	scan_free(r);
}

START_TEST(each_kind_of_inode)
{
	struct truth t;

	begin(&t);
	add_file(&t, "empty", 0, 1000);
	add_file(&t, "file", 9000, 1000);
	add_file(&t, "other", 1, UINT32_MAX - 2);
	ck_assert_int_eq(symlinkat("file", t.dir, "link"), 0);
	own(&t, "link", 7, 8);
	ck_assert_int_eq(symlinkat("/", t.dir, "root"), 0);
	own(&t, "root", 7, 8);
	ck_assert_int_eq(mknodat(t.dir, "pipe", S_IFIFO | 0600, 0), 0);
	own(&t, "pipe", 0, 8);
	ck_assert_int_eq(mknodat(t.dir, "null", S_IFCHR | 0600, makedev(1, 3)),
			 0);
	own(&t, "null", 0, 8);
	/* a whiteout is nothing */
	ck_assert_int_eq(mknodat(t.dir, "wh", S_IFCHR | 0600, makedev(0, 0)),
			 0);
	ck_assert_int_eq(linkat(t.dir, "wh", t.dir, "wh2", 0), 0);
	/* names of one inode count once */
	ck_assert_int_eq(mkdirat(t.dir, "d", 0700), 0);
	ck_assert_int_eq(linkat(t.dir, "file", t.dir, "d/again", 0), 0);
	ck_assert_int_eq(linkat(t.dir, "link", t.dir, "d/link", 0), 0);
	own(&t, "d", 0, 0);
	own(&t, ".", 0, 0);
	ck_truth(&t, 1);
	ck_truth(&t, 4);
	end(&t);
}
END_TEST

/* Random trees, links across them, threads; and by a path that is gone. */
START_TEST(random_trees)
{
	struct unit_rand rnd;

	unit_rand_start(&rnd);
	for (int round = 0; round < 6; round++) {
		char dirs[120][600] = { "." }, path[900], last[900] = "";
		unsigned n = 1;
		struct truth t;

		begin(&t);
		for (unsigned i = 0; i < 1500; i++) {
			unsigned d = unit_rand(&rnd, n);

			if (snprintf(path, sizeof(path), "%s/%u", dirs[d], i) >=
			    (int)sizeof(dirs[0]))
				continue;
			if (n < 120 && unit_rand(&rnd, 8) == 0) {
				ck_assert_int_eq(mkdirat(t.dir, path, 0700), 0);
				memcpy(dirs[n++], path, strlen(path) + 1);
			} else if (*last && unit_rand(&rnd, 5) == 0) {
				ck_assert_int_eq(
					linkat(t.dir, last, t.dir, path, 0), 0);
			} else {
				add_file(&t, path, 0, unit_rand(&rnd, 50));
				memcpy(last, path, sizeof(last));
			}
		}
		for (unsigned i = 0; i < n; i++)
			own(&t, dirs[i], i % 3, i % 5);
		for (unsigned threads = 0; threads < 5; threads++)
			ck_truth(&t, threads);
		end(&t);
	}
}
END_TEST

/* Names of many buffers: idle threads take some. */
START_TEST(a_large_directory)
{
	char name[64];
	struct truth t;

	begin(&t);
	for (unsigned i = 0; i < 20000; i++) {
		snprintf(name, sizeof(name), "a-name-that-takes-some-%u", i);
		if (i % 100) {
			ck_assert_int_eq(mknodat(t.dir, name, S_IFREG, 0), 0);
			own(&t, name, i % 11, 1);
		} else {
			ck_assert_int_eq(mkdirat(t.dir, name, 0700), 0);
			own(&t, name, 0, 0);
		}
	}
	own(&t, ".", 0, 0);
	for (unsigned threads = 1; threads < 5; threads++)
		ck_truth(&t, threads);
	end(&t);
}
END_TEST

#define DEEP 2200

/*
 * Deeper than a path (4096 bytes, two a level) or the descriptors reach; with
 * `wide` each level has directories that wait beside it.
 */
static void dig(struct truth *t, unsigned wide)
{
	int at = fcntl(t->dir, F_DUPFD_CLOEXEC, 0);

	for (unsigned i = 0; i < DEEP; i++) {
		int next;

		for (unsigned k = 0; k <= wide; k++) {
			char name[8] = { (char)('a' + k), '\0' };

			ck_assert_int_eq(mkdirat(at, name, 0700), 0);
			ck_assert_int_eq(fchownat(at, name, k, i % 3, 0), 0);
		}
		/* neither the first nor the last that is found, always */
		next = openat(at, i % 2 ? "a" : "b", O_RDONLY | O_CLOEXEC);
		if (next < 0)
			next = openat(at, "a", O_RDONLY | O_CLOEXEC);
		ck_assert_int_ge(next, 0);
		close(at);
		at = next;
	}
	close(at);
}

static void remove_deep(int dir)
{
	for (unsigned i = 0; i < DEEP; i++) {
		/* pull the second level up, the first is empty then */
		for (int c = 'a'; c <= 'c'; c++) {
			char name[8] = { (char)c }, up[8] = { 'x' };

			for (int k = 'a'; k <= 'c'; k++) {
				char from[8] = { (char)c, '/', (char)k };

				up[1] = (char)k;
				if (renameat(dir, from, dir, up) < 0)
					continue;
			}
			unlinkat(dir, name, AT_REMOVEDIR);
		}
		for (int k = 'a'; k <= 'c'; k++) {
			char up[8] = { 'x', (char)k }, name[8] = { (char)k };

			renameat(dir, up, dir, name);
		}
	}
	for (int k = 'a'; k <= 'c'; k++) {
		char name[8] = { (char)k };

		unlinkat(dir, name, AT_REMOVEDIR);
	}
}

START_TEST(deep_trees)
{
	for (unsigned wide = 0; wide < 3; wide += 2) {
		struct truth t;

		begin(&t);
		dig(&t, wide);
		for (unsigned threads = 1; threads < 4; threads++) {
			struct scan_result *r = scan(t.dir, threads);

			ck_assert_uint_eq(scan_inodes(r),
					  1 + DEEP * (1 + wide));
			scan_free(r);
		}
		remove_deep(t.dir);
		end(&t);
	}
}
END_TEST

/* With hardly any descriptors every directory is opened by its path. */
START_TEST(few_descriptors)
{
	struct rlimit was, few;
	struct truth t;
	char path[64];

	begin(&t);
	for (unsigned i = 0; i < 400; i++) {
		snprintf(path, sizeof(path), "%u", i / 20);
		mkdirat(t.dir, path, 0700);
		snprintf(path, sizeof(path), "%u/%u", i / 20, i);
		ck_assert_int_eq(mkdirat(t.dir, path, 0700), 0);
		snprintf(path, sizeof(path), "%u/%u/%u", i / 20, i, i);
		ck_assert_int_eq(mkdirat(t.dir, path, 0700), 0);
		snprintf(path, sizeof(path), "%u/%u/%u/f", i / 20, i, i);
		make_file(&t, path, 0);
	}
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &was), 0);
	few = (struct rlimit){ .rlim_cur = 40, .rlim_max = was.rlim_max };
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	for (unsigned threads = 1; threads < 5; threads++) {
		struct scan_result *r = scan(t.dir, threads);

		ck_assert_uint_eq(scan_inodes(r), 1 + 20 + 3 * 400);
		scan_free(r);
	}
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &was), 0);
	end(&t);
}
END_TEST

START_TEST(several_roots)
{
	struct scan_config cfg = { .n_roots = 2 };
	struct scan_result *r;
	struct stat st;
	struct truth t;
	int roots[2];

	begin(&t);
	ck_assert_int_eq(mkdirat(t.dir, "upper", 0700), 0);
	ck_assert_int_eq(mkdirat(t.dir, "index", 0700), 0);
	roots[0] = openat(t.dir, "upper", O_PATH | O_CLOEXEC);
	roots[1] = openat(t.dir, "index", O_RDONLY | O_CLOEXEC);
	make_file(&t, "upper/f", 5000);
	ck_assert_int_eq(linkat(t.dir, "upper/f", t.dir, "index/f", 0), 0);
	make_file(&t, "index/g", 5000);
	cfg.roots = roots;
	ck_assert_int_eq(scan_run(&r, &cfg), 0);
	/* upper, f, g */
	ck_assert_uint_eq(scan_inodes(r), 3);
	scan_free(r);

	cfg.n_roots = 0;
	ck_assert_int_eq(scan_run(&r, &cfg), -EINVAL);
	close(roots[1]);
	roots[1] = open("/proc", O_RDONLY | O_CLOEXEC);
	cfg.n_roots = 2;
	ck_assert_int_eq(fstat(roots[1], &st), 0);
	ck_assert_int_eq(scan_run(&r, &cfg), -EXDEV);
	close(roots[1]);
	roots[1] = -1;
	ck_assert_int_eq(scan_run(&r, &cfg), -EBADF);
	close(roots[0]);
	end(&t);
}
END_TEST

START_TEST(not_out_of_the_tree)
{
	char path[UNIT_PATH_MAX], on[UNIT_PATH_MAX + 16];
	struct scan_result *r;
	struct truth t;

	close(unit_tmpdir(path));
	if (unshare(CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
		unit_skip("no mount namespace of one's own");
		return;
	}
	/* a descriptor from before would not see the mounts */
	t = (struct truth){ .dir = open(path, O_RDONLY | O_CLOEXEC) };
	for (int i = 0; i < 3; i++) {
		snprintf(on, sizeof(on), "%s/%c", path, '0' + i);
		ck_assert_int_eq(mkdirat(t.dir, on + strlen(path) + 1, 0700),
				 0);
		if (i < 2)
			ck_assert_int_eq(mount(i ? path : "tmpfs", on,
					       i ? NULL : "tmpfs",
					       i ? MS_BIND : 0, NULL),
					 0);
	}
	make_file(&t, "0/inside", 0);
	make_file(&t, "2/inside", 0);
	ck_assert_int_eq(symlinkat("/", t.dir, "2/slash"), 0);
	ck_assert_int_eq(symlinkat("..", t.dir, "2/up"), 0);
	r = scan(t.dir, 2);
	/* the root, 2, and what is in that */
	ck_assert_uint_eq(scan_inodes(r), 5);
	scan_free(r);
	end(&t);
}
END_TEST

/* Owners. */

static int odd_owner(void *ctx, int dirfd, const char *name, struct stat *st)
{
	struct stat again;

	/* what it is told names the inode that it is about */
	if (fstatat(dirfd, name, &again, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (again.st_ino != st->st_ino)
		return -EIO;
	if (strcmp(name, "gone") == 0)
		return -ENOENT;
	if (strcmp(name, "bad") == 0)
		return -EINVAL;
	st->st_uid = *(uint32_t *)ctx;
	st->st_gid += 1;
	return 0;
}

START_TEST(owners_from_elsewhere)
{
	uint32_t uid = 4711;
	struct scan_config cfg = { .n_roots = 1,
				   .owner = odd_owner,
				   .ctx = &uid };
	struct found f = { .n = 0 };
	struct scan_result *r;
	struct tally want = { .rows = NULL };
	struct stat st;
	struct truth t;

	begin(&t);
	ck_assert_int_eq(mkdirat(t.dir, "d", 0700), 0);
	make_file(&t, "d/f", 100);
	make_file(&t, "d/gone", 100);
	for (int i = 0; i < 3; i++) {
		const char *const names[] = { ".", "d", "d/f" };

		ck_assert_int_eq(fstatat(t.dir, names[i], &st, 0), 0);
		ck_assert_int_eq(tally_add(&want, uid, st.st_gid + 1,
					   (uint64_t)st.st_blocks * 512),
				 0);
	}
	cfg.roots = &t.dir;
	ck_assert_int_eq(scan_run(&r, &cfg), 0);
	f.truth = &want;
	scan_each(r, compare, &f);
	ck_assert_uint_eq(f.n, 3);
	scan_free(r);
	make_file(&t, "d/bad", 0);
	ck_assert_int_eq(scan_run(&r, &cfg), -EINVAL);
	tally_free(&want);
	end(&t);
}
END_TEST

/* Somebody makes and removes meanwhile; that is no error. */
struct churn {
	int dir;
	_Atomic bool stop;
};

static void *churn(void *arg)
{
	struct churn *c = arg;
	char name[32], sub[40];

	for (unsigned i = 0; !c->stop; i++) {
		snprintf(name, sizeof(name), "%u", i % 50);
		snprintf(sub, sizeof(sub), "%s/%u", name, i % 3);
		if (mkdirat(c->dir, name, 0700) == 0) {
			mkdirat(c->dir, sub, 0700);
		} else {
			unlinkat(c->dir, sub, AT_REMOVEDIR);
			unlinkat(c->dir, name, AT_REMOVEDIR);
			mknodat(c->dir, name, S_IFREG, 0);
			unlinkat(c->dir, name, 0);
		}
	}
	return NULL;
}

START_TEST(while_it_changes)
{
	struct churn c = { .stop = false };
	struct truth t;
	pthread_t id;

	begin(&t);
	c.dir = t.dir;
	ck_assert_int_eq(pthread_create(&id, NULL, churn, &c), 0);
	for (unsigned i = 0; i < 300; i++) {
		struct scan_config cfg = { .roots = &t.dir,
					   .n_roots = 1,
					   .threads = i % 4 };
		struct scan_result *r;

		ck_assert_int_eq(scan_run(&r, &cfg), 0);
		scan_free(r);
	}
	c.stop = true;
	pthread_join(id, NULL);
	end(&t);
}
END_TEST

/* With a ledger. */

static void no_drift(void *ctx, const struct scan_drift *d)
{
	(void)ctx;
	ck_abort_msg("%s %u differs", ledger_kinds[d->kind], d->id);
}

static void keep_drift(void *ctx, const struct scan_drift *d)
{
	struct scan_drift *to = ctx;

	to[d->kind] = *d;
}

START_TEST(ledgers)
{
	const uint64_t wrong[LIMIT_RESOURCES] = { 512, 9 };
	struct scan_drift d[LEDGER_KINDS] = { { .id = 0 } };
	struct ledger *l = ledger_new(-1, NULL);
	struct scan_result *r;
	struct limit_rec rec;
	struct truth t;

	begin(&t);
	add_file(&t, "a", 9000, 10);
	add_file(&t, "b", 9000, 20);
	r = scan(t.dir, 2);
	ck_assert_uint_gt(scan_compare(r, l, NULL, NULL), 0);
	/* of somebody who has nothing at all, and a limit that stays */
	ck_assert_int_eq(ledger_set_usage(l, LEDGER_USER, 77, wrong), 0);
	ck_assert_int_eq(ledger_set(l, LEDGER_USER, 77, LIMIT_INODES, 5, 6), 0);
	ledger_get(l, LEDGER_USER, 77, &rec);
	ck_assert_int_ne(rec.of[LIMIT_INODES].deadline, 0);
	ck_assert_int_eq(scan_apply(r, l), 0);
	ck_assert_uint_eq(scan_compare(r, l, no_drift, NULL), 0);
	ledger_get(l, LEDGER_USER, 77, &rec);
	ck_assert_uint_eq(rec.of[LIMIT_SPACE].usage, 0);
	ck_assert_uint_eq(rec.of[LIMIT_INODES].usage, 0);
	ck_assert_int_eq(rec.of[LIMIT_INODES].deadline, 0);
	ck_assert_uint_eq(rec.of[LIMIT_INODES].hard, 6);
	ledger_get(l, LEDGER_CONTAINER, 0, &rec);
	ck_assert_uint_eq(rec.of[LIMIT_INODES].usage, 3);

	ck_assert_int_eq(ledger_set_usage(l, LEDGER_USER, 77, wrong), 0);
	ck_assert_int_eq(ledger_set_usage(l, LEDGER_GROUP, 11, wrong), 0);
	ck_assert_uint_eq(scan_compare(r, l, keep_drift, d), 2);
	ck_assert_uint_eq(d[LEDGER_USER].id, 77);
	ck_assert_uint_eq(d[LEDGER_USER].ledger[LIMIT_SPACE], 512);
	ck_assert_uint_eq(d[LEDGER_USER].counted[LIMIT_SPACE], 0);
	ck_assert_uint_eq(d[LEDGER_GROUP].ledger[LIMIT_INODES], 9);
	ck_assert_uint_eq(d[LEDGER_GROUP].counted[LIMIT_INODES], 1);
	/* what it could not see itself */
	ck_assert_int_eq(scan_add(r, (struct charge_owner){ 77, 11 }, 512), 0);
	ck_assert_int_eq(scan_apply(r, l), 0);
	ledger_get(l, LEDGER_USER, 77, &rec);
	ck_assert_uint_eq(rec.of[LIMIT_SPACE].usage, 512);
	ck_assert_uint_eq(scan_inodes(r), 4);
	scan_free(r);
	ledger_free(l);
	end(&t);
}
END_TEST

Suite *test_scan_suite(void)
{
	Suite *s = suite_create("scan");
	TCase *c = tcase_create("scan");

	tcase_set_timeout(c, 120);
	tcase_add_test(c, each_kind_of_inode);
	tcase_add_test(c, random_trees);
	tcase_add_test(c, a_large_directory);
	tcase_add_test(c, deep_trees);
	tcase_add_test(c, few_descriptors);
	tcase_add_test(c, several_roots);
	tcase_add_test(c, not_out_of_the_tree);
	tcase_add_test(c, owners_from_elsewhere);
	tcase_add_test(c, while_it_changes);
	tcase_add_test(c, ledgers);
	suite_add_tcase(s, c);
	return s;
}
