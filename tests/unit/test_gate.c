/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "fs/base/cleanup.h"
#include "fs/change.h"
#include "fs/create.h"
#include "fs/exattr.h"
#include "fs/file.h"
#include "fs/gate.h"
#include "fs/link.h"
#include "fs/quotafile.h"
#include "fs/slot.h"
#include "quota/scan.h"
#include "tests/unit/ovl.h"

#define SET_UP(n_lower)                                                        \
	struct ovl v;                                                          \
	const char *why = ovl_set_up(&v, n_lower);                             \
                                                                               \
	if (why) {                                                             \
		unit_skip(why);                                                \
		return;                                                        \
	}

static struct ledger *ledger(const struct ovl *v)
{
	return gate_ledger(v->o->gate);
}

/* A quota for an overlay that has none: counted, not limited. */
static void begin(struct ovl *v)
{
	ovl_begin(v, true);
	ck_assert_int_eq(gate_new(&v->o->gate, ledger_new(-1, NULL),
				  upper_workfd(v->o->upper)),
			 0);
	ck_assert_int_ge(quotafile_check(v->o, true, NULL, NULL), 1);
	for (int k = 0; k < LEDGER_KINDS; k++)
		ledger_enforce(ledger(v), (enum ledger_kind)k, true);
}

static void say_drift(void *ctx, const struct scan_drift *d)
{
	(void)ctx;
	fprintf(stderr, "%s %u: space %llu counted %llu, inodes %llu/%llu\n",
		ledger_kinds[d->kind], d->id, (unsigned long long)d->ledger[0],
		(unsigned long long)d->counted[0],
		(unsigned long long)d->ledger[1],
		(unsigned long long)d->counted[1]);
	++*(unsigned *)ctx;
}

static void add_doomed(void *ctx, const struct charge *c)
{
	ck_assert_int_eq(scan_add(ctx, c->owner, c->space), 0);
}

/*
 * What is counted is what is there, without looking again at what was changed
 * (quotafile_check() does).
 */
static void check_exact(const struct ovl *v, const char *after)
{
	int roots[] = { openat(v->dir, "u", O_DIRECTORY | O_CLOEXEC),
			upper_indexfd(v->o->upper) };
	struct scan_config cfg = { .roots = roots, .n_roots = 2 };
	struct scan_result *found;
	unsigned drifts = 0;

	ck_assert_int_eq(scan_run(&found, &cfg), 0);
	charge_each_doomed(ledger(v), add_doomed, found);
	scan_compare(found, ledger(v), say_drift, &drifts);
	ck_assert_msg(drifts == 0, "after %s", after);
	scan_free(found);
	close(roots[0]);
}

static uint64_t usage(const struct ovl *v, enum ledger_kind kind, uint32_t id,
		      enum limit_resource what)
{
	struct limit_rec r;

	ledger_get(ledger(v), kind, id, &r);
	return r.of[what].usage;
}

static int own(const struct ovl *v, const char *path, uid_t uid, gid_t gid)
{
	struct change c = {
		.uid = true, .gid = true, .new_uid = uid, .new_gid = gid
	};
	struct inode *i = ovl_get(v, path, NULL);
	struct stat st;
	int r = change_attr(v->o, i, &c, &st);

	ovl_put_back(v, i);
	return r;
}

/* Write so many bytes at an offset: what was written, or -errno. */
static ssize_t put(const struct ovl *v, const char *path, size_t size,
		   off_t off)
{
	_cleanup_free_ char *buf = malloc(size + 1);
	struct inode *i = ovl_get(v, path, NULL);
	struct file_opened f;
	ssize_t n;

	memset(buf, 'x', size);
	n = file_open(v->o, i, O_WRONLY, false, &f);
	if (n == 0) {
		n = file_write(v->o, f.fh, buf, size, off, 0);
		file_release(v->o, f.fh);
	}
	ovl_put_back(v, i);
	return n;
}

static int resize(const struct ovl *v, const char *path, off_t size)
{
	struct change c = { .size = true, .new_size = size };
	struct inode *i = ovl_get(v, path, NULL);
	struct stat st;
	int r = change_attr(v->o, i, &c, &st);

	ovl_put_back(v, i);
	return r;
}

static int allocate(const struct ovl *v, const char *path, int mode,
		    const off_t range[2])
{
	struct inode *i = ovl_get(v, path, NULL);
	struct file_opened f;
	int r = file_open(v->o, i, O_WRONLY, false, &f);

	if (r == 0) {
		r = file_fallocate(v->o, f.fh, mode, range[0], range[1]);
		file_release(v->o, f.fh);
	}
	ovl_put_back(v, i);
	return r;
}

static int attribute(const struct ovl *v, const char *path, size_t size)
{
	struct exattr_value value = { .data = "", .size = 0 };
	struct inode *i = ovl_get(v, path, NULL);
	_cleanup_free_ char *data = calloc(1, size + 1);
	int r;

	value.data = data;
	value.size = size;
	r = size ? exattr_set(v->o, i, "user.x", &value)
		 : exattr_remove(v->o, i, "user.x");
	ovl_put_back(v, i);
	return r;
}

static int name_again(const struct ovl *v, const char *path, const char *name)
{
	struct inode *i = ovl_get(v, path, NULL), *dir = ovl_get(v, "", NULL);
	struct stat st;
	int r = link_name(v->o, i, dir, name, &st);

	ovl_put_back(v, i);
	ovl_put_back(v, dir);
	return r;
}

static int nothing(const struct ovl *v)
{
	(void)v;
	return 0;
}

/* One operation each, all counted. */
static int do_file(const struct ovl *v)
{
	return ovl_make(v, "", "f", S_IFREG | 0644);
}

static int do_dir(const struct ovl *v)
{
	return ovl_make(v, "", "d", S_IFDIR | 0755);
}

static int do_symlink(const struct ovl *v)
{
	return ovl_make(v, "", "s", S_IFLNK);
}

static int do_write(const struct ovl *v)
{
	return put(v, "f", 10000, 0) == 10000 ? 0 : -EIO;
}

static int do_sparse(const struct ovl *v)
{
	return put(v, "f", 1, 100000) == 1 ? 0 : -EIO;
}

static int do_shorter(const struct ovl *v)
{
	return resize(v, "f", 5000);
}

static int do_longer(const struct ovl *v)
{
	return resize(v, "f", 1 << 20);
}

static int do_allocate(const struct ovl *v)
{
	return allocate(v, "f", FALLOC_FL_KEEP_SIZE,
			(off_t[]){ 1 << 21, 1 << 16 });
}

static int do_punch(const struct ovl *v)
{
	return allocate(v, "f", FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			(off_t[]){ 1 << 21, 1 << 15 });
}

static int do_owner(const struct ovl *v)
{
	return own(v, "f", 1000, 2000);
}

static int do_attribute(const struct ovl *v)
{
	return attribute(v, "f", 2000);
}

static int do_no_attribute(const struct ovl *v)
{
	return attribute(v, "f", 0);
}

static int do_link(const struct ovl *v)
{
	return name_again(v, "f", "g");
}

static int do_unlink_one(const struct ovl *v)
{
	return ovl_remove(v, "", "g", false);
}

static int do_move(const struct ovl *v)
{
	return ovl_rename(v, "", "f", "d", "h", 0);
}

static int do_over(const struct ovl *v)
{
	int r = ovl_make(v, "", "victim", S_IFREG | 0644);

	return r < 0 ? r : ovl_rename(v, "d", "h", "", "victim", 0);
}

static int do_unlink(const struct ovl *v)
{
	return ovl_remove(v, "", "victim", false);
}

static int do_rmdir(const struct ovl *v)
{
	return ovl_remove(v, "", "d", true);
}

static int do_copy_up(const struct ovl *v)
{
	return put(v, "low/big", 1, 0) == 1 ? 0 : -EIO;
}

static int do_reference(const struct ovl *v)
{
	return own(v, "low/other", 5, 6);
}

static int do_real(const struct ovl *v)
{
	return put(v, "low/other", 3, 100) == 3 ? 0 : -EIO;
}

static int do_whiteout(const struct ovl *v)
{
	return ovl_remove(v, "", "small", false);
}

static int do_empty(const struct ovl *v)
{
	return ovl_write(v, "low/third", "");
}

static int do_move_lower(const struct ovl *v)
{
	return ovl_rename(v, "", "low", "", "high", 0);
}

static const struct step {
	const char *what;
	int (*run)(const struct ovl *v);
} steps[] = {
	{ "nothing", nothing },
	{ "a file", do_file },
	{ "a directory", do_dir },
	{ "a symlink", do_symlink },
	{ "a write", do_write },
	{ "a sparse write", do_sparse },
	{ "truncate down", do_shorter },
	{ "truncate up", do_longer },
	{ "fallocate", do_allocate },
	{ "punch", do_punch },
	{ "chown", do_owner },
	{ "setxattr", do_attribute },
	{ "removexattr", do_no_attribute },
	{ "link", do_link },
	{ "unlink of one of two", do_unlink_one },
	{ "rename", do_move },
	{ "rename over", do_over },
	{ "unlink", do_unlink },
	{ "rmdir", do_rmdir },
	{ "copy-up", do_copy_up },
	{ "a reference", do_reference },
	{ "making it real", do_real },
	{ "a whiteout", do_whiteout },
	{ "emptying", do_empty },
	{ "moving a lower directory", do_move_lower },
};

START_TEST(every_change_is_counted)
{
	char big[4096];

	SET_UP(1);
	memset(big, 'b', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	ovl_mkdir(&v, "l1/low");
	ovl_put(&v, "l1/low/big", big);
	ovl_put(&v, "l1/low/other", big);
	ovl_put(&v, "l1/low/third", big);
	ovl_put(&v, "l1/small", "s");
	begin(&v);
	for (unsigned k = 0; k < ARRAY_SIZE(steps); k++) {
		int r = steps[k].run(&v);

		ck_assert_msg(r == 0, "%s: %s", steps[k].what, strerror(-r));
		check_exact(&v, steps[k].what);
	}
	ovl_tear_down(&v);
}
END_TEST

/* Up to the limit, to the block; then ENOSPC, or EDQUOT. */
static const struct {
	enum ledger_kind kind;
	uint32_t id;
	int err;
} full_rows[] = {
	{ LEDGER_CONTAINER, 0, -ENOSPC },
	{ LEDGER_USER, 77, -EDQUOT },
	{ LEDGER_GROUP, 78, -EDQUOT },
};

static void set_room(const struct ovl *v, unsigned row, uint64_t room)
{
	enum ledger_kind kind = full_rows[row].kind;
	uint32_t id = full_rows[row].id;
	uint64_t hard = usage(v, kind, id, LIMIT_SPACE) + room;

	ck_assert_int_eq(ledger_set(ledger(v), kind, id, LIMIT_SPACE, 0, hard),
			 0);
}

static void check_not_above(const struct ovl *v, unsigned row)
{
	struct limit_rec r;

	ledger_get(ledger(v), full_rows[row].kind, full_rows[row].id, &r);
	ck_assert_uint_le(r.of[LIMIT_SPACE].usage, r.of[LIMIT_SPACE].hard);
}

START_TEST(written_to_the_limit)
{
	uint64_t block;
	int err = full_rows[_i].err;

	SET_UP(1);
	begin(&v);
	block = gate_round(v.o, 1);
	ck_assert_int_eq(ovl_make(&v, "", "f", S_IFREG | 0644), 0);
	ck_assert_int_eq(own(&v, "f", 77, 78), 0);
	set_room(&v, (unsigned)_i, 10 * block);
	/* A short write, then none. */
	ck_assert_int_eq(put(&v, "f", 4 * block, 0), (ssize_t)(4 * block));
	ck_assert_int_eq(put(&v, "f", 8 * block + 5, (off_t)(4 * block)),
			 (ssize_t)(6 * block));
	ck_assert_int_eq(put(&v, "f", 1, (off_t)(10 * block)), err);
	ck_assert_int_eq(put(&v, "f", 1, 1 << 30), err);
	check_not_above(&v, (unsigned)_i);
	/* What is there may be written again. */
	ck_assert_int_eq(put(&v, "f", 10 * block, 0), (ssize_t)(10 * block));
	ck_assert_int_eq(allocate(&v, "f", 0, (off_t[]){ 0, 1 << 20 }), err);
	ck_assert_int_eq(attribute(&v, "f", 3000),
			 gate_fs(v.o->gate)->xattr_block ? err : 0);
	/* Half a block can be appended where a block is half full. */
	ck_assert_int_eq(resize(&v, "f", (off_t)(9 * block) + 10), 0);
	ck_assert_int_eq(put(&v, "f", block, (off_t)(9 * block) + 10),
			 (ssize_t)block - 10);
	check_exact(&v, "being full");
	/* Room again. */
	ck_assert_int_eq(resize(&v, "f", (off_t)block), 0);
	ck_assert_int_eq(put(&v, "f", 2 * block, (off_t)block),
			 (ssize_t)(2 * block));
	ck_assert_int_eq(ovl_remove(&v, "", "f", false), 0);
	check_exact(&v, "removing it");
	ovl_tear_down(&v);
}
END_TEST

START_TEST(no_more_inodes)
{
	SET_UP(1);
	ovl_put(&v, "l1/low", "text");
	ovl_put(&v, "l1/gone", "text");
	begin(&v);
	ck_assert_int_eq(ledger_set(ledger(&v), LEDGER_CONTAINER, 0,
				    LIMIT_INODES, 0, 3),
			 0);
	ck_assert_int_eq(ovl_make(&v, "", "a", S_IFREG | 0644), 0);
	ck_assert_int_eq(ovl_make(&v, "", "b", S_IFDIR | 0755), 0);
	ck_assert_int_eq(ovl_make(&v, "", "c", S_IFREG | 0644), -ENOSPC);
	ck_assert_int_eq(ovl_make(&v, "", "c", S_IFLNK), -ENOSPC);
	ck_assert_int_eq(ovl_make(&v, "b", "c", S_IFIFO | 0600), -ENOSPC);
	/* A copy-up needs one, too; hiding what is below does not. */
	ck_assert_int_eq(own(&v, "low", 1, 1), -ENOSPC);
	ck_assert_int_eq(ovl_write(&v, "low", "new"), -ENOSPC);
	ck_assert_int_eq(ovl_remove(&v, "", "gone", false), 0);
	ck_assert_int_eq(name_again(&v, "a", "second"), 0);
	check_exact(&v, "refusing");
	ck_assert_int_eq(ovl_remove(&v, "", "b", true), 0);
	ck_assert_int_eq(ovl_make(&v, "", "c", S_IFREG | 0644), 0);
	check_exact(&v, "room again");
	ovl_tear_down(&v);
}
END_TEST

/* Hiding a name below needs a directory above: it may exceed. */
START_TEST(removing_is_never_refused)
{
	SET_UP(1);
	ovl_mkdir(&v, "l1/d");
	ovl_mkdir(&v, "l1/d/e");
	ovl_put(&v, "l1/d/e/f", "text");
	begin(&v);
	for (int what = 0; what < LIMIT_RESOURCES; what++)
		ck_assert_int_eq(ledger_set(ledger(&v), LEDGER_CONTAINER, 0,
					    (enum limit_resource)what, 0, 1),
				 0);
	ck_assert_int_eq(ovl_make(&v, "d/e", "g", S_IFREG | 0644), -ENOSPC);
	ck_assert_int_eq(ovl_remove(&v, "d/e", "f", false), 0);
	ck_assert_int_eq(ovl_look(&v, "d/e/f"), -ENOENT);
	check_exact(&v, "hiding");
	ck_assert_uint_eq(usage(&v, LEDGER_CONTAINER, 0, LIMIT_INODES), 3);
	ovl_tear_down(&v);
}
END_TEST

START_TEST(given_away_only_where_there_is_room)
{
	uint64_t block;

	SET_UP(1);
	begin(&v);
	block = gate_round(v.o, 1);
	ck_assert_int_eq(ovl_make(&v, "", "f", S_IFREG | 0644), 0);
	ck_assert_int_eq(put(&v, "f", 4 * block, 0), (ssize_t)(4 * block));
	ck_assert_int_eq(ledger_set(ledger(&v), LEDGER_USER, 7, LIMIT_SPACE, 0,
				    3 * block),
			 0);
	ck_assert_int_eq(
		ledger_set(ledger(&v), LEDGER_GROUP, 8, LIMIT_INODES, 0, 1), 0);
	ck_assert_int_eq(own(&v, "f", 7, 0), -EDQUOT);
	ck_assert_int_eq(own(&v, "f", 6, 8), 0);
	ck_assert_uint_eq(usage(&v, LEDGER_USER, 6, LIMIT_SPACE), 4 * block);
	ck_assert_uint_eq(usage(&v, LEDGER_USER, 7, LIMIT_SPACE), 0);
	ck_assert_uint_eq(usage(&v, LEDGER_GROUP, 8, LIMIT_INODES), 1);
	ck_assert_int_eq(ovl_make(&v, "", "g", S_IFREG | 0644), 0);
	ck_assert_int_eq(own(&v, "g", 6, 8), -EDQUOT);
	check_exact(&v, "giving away");
	ovl_tear_down(&v);
}
END_TEST

/* Removed while open: free when it is closed. */
START_TEST(open_without_a_name_still_counts)
{
	struct file_opened f;
	struct inode *i;
	uint64_t before;

	SET_UP(1);
	begin(&v);
	before = usage(&v, LEDGER_CONTAINER, 0, LIMIT_INODES);
	ck_assert_int_eq(ovl_make(&v, "", "f", S_IFREG | 0644), 0);
	i = ovl_get(&v, "f", NULL);
	ck_assert_int_eq(file_open(v.o, i, O_WRONLY, false, &f), 0);
	ck_assert_int_eq(ovl_remove(&v, "", "f", false), 0);
	ck_assert_int_eq(file_write(v.o, f.fh, "text", 4, 0, 0), 4);
	check_exact(&v, "writing");
	ck_assert_uint_eq(usage(&v, LEDGER_CONTAINER, 0, LIMIT_INODES),
			  before + 1);
	file_release(v.o, f.fh);
	ovl_put_back(&v, i);
	ck_assert_uint_eq(usage(&v, LEDGER_CONTAINER, 0, LIMIT_INODES), before);
	check_exact(&v, "closing");
	ovl_tear_down(&v);
}
END_TEST

/* A process that changes a file and dies before it has counted that. */
static void change_and_die(const struct ovl *v, struct slot_table *slots,
			   struct inode *i)
{
	struct gate_pass p = { .o = v->o };
	_cleanup_close_ int fd = openat(v->dir, "u/f", O_WRONLY | O_CLOEXEC);
	pid_t pid = fork();
	int status;

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		char some[20000] = "text";

		if (!slot_now(slots) || gate_watch(&p, i, fd) < 0 ||
		    gate_enter(&p, NULL, 0) < 0 ||
		    pwrite(fd, some, sizeof(some), 0) != sizeof(some))
			_exit(1);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}

/*
 * Before the request that changed it is done again: others are about to ask,
 * too, and would find more room than there is.
 */
START_TEST(who_takes_over_counts_what_was_changed)
{
	struct slot_table *slots;
	struct inode *i;

	SET_UP(1);
	begin(&v);
	slots = slot_table_new(-1);
	ck_assert_ptr_nonnull(slots);
	slot_table_begin(slots);
	ck_assert_int_eq(ovl_make(&v, "", "f", S_IFREG | 0644), 0);
	i = ovl_get(&v, "f", NULL);
	change_and_die(&v, slots, i);
	slot_table_begin(slots);
	ck_assert_int_eq(gate_begin(v.o->gate), 0);
	gate_recover(v.o, slots);
	check_exact(&v, "a death");
	ovl_put_back(&v, i);
	slot_table_free(slots);
	ovl_tear_down(&v);
}
END_TEST

Suite *test_gate_suite(void)
{
	Suite *s = suite_create("gate");
	TCase *tc = tcase_create("gate");

	tcase_add_test(tc, every_change_is_counted);
	tcase_add_loop_test(tc, written_to_the_limit, 0,
			    (int)ARRAY_SIZE(full_rows));
	tcase_add_test(tc, no_more_inodes);
	tcase_add_test(tc, removing_is_never_refused);
	tcase_add_test(tc, given_away_only_where_there_is_room);
	tcase_add_test(tc, open_without_a_name_still_counts);
	tcase_add_test(tc, who_takes_over_counts_what_was_changed);
	suite_add_tcase(s, tc);
	return s;
}
