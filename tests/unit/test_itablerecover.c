/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/itablerecover.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/base/cleanup.h"
#include "fs/itablecount.h"
#include "fs/itablepriv.h"
#include "fs/itableset.h"
#include "tests/unit/itab.h"
#include "tests/unit/unit.h"

static struct itable *t;

static struct inode *add_upper(uint64_t ino, const char *name)
{
	struct itable_seed seed = { .ino = ino,
				    .parent = ITABLE_ROOT,
				    .flags = INODE_UPPER,
				    .type = S_IFREG,
				    .upper = itab_ref(REF_UPPER, ino),
				    .name = name };

	return itab_intern(t, &seed, NULL);
}

static void set_up(void)
{
	t = itab_new();
}

static void recover(void)
{
	ck_assert_int_eq(itablerecover(t), 0);
}

static struct itable_rec *rec_of(uint64_t nodeid)
{
	return &t->recs[(uint32_t)nodeid];
}

/* What the callback was told. */
static int32_t gone[16];
static unsigned n_gone;

static void note_gone(void *ctx, struct inode *i, int32_t backing)
{
	ck_assert_ptr_eq(ctx, &n_gone);
	(void)i;
	if (backing == 0)
		return;
	ck_assert_uint_lt(n_gone, ARRAY_SIZE(gone));
	gone[n_gone++] = backing;
}

static void check_same(uint64_t id, uint64_t ino, const char *name)
{
	struct inode *i = itable_get(t, id), *same;
	char buf[ITABLE_NAME_MAX + 1];
	struct itable_view v;

	ck_assert_ptr_nonnull(i);
	same = itable_get_index(t, (uint32_t)id);
	ck_assert_ptr_eq(same, i);
	itable_view(t, i, &v);
	ck_assert_uint_eq(v.nodeid, id);
	ck_assert_uint_eq(v.ino, ino);
	ck_assert_str_eq(itable_view_name(&v, buf), name);
	itable_unpin(t, same);
	itable_unpin(t, i);
}

START_TEST(all_is_found_again)
{
	uint64_t a, b, c;
	struct inode *i;

	set_up();
	a = itab_tell(t, itab_add(t, 10, ITABLE_ROOT, "a"));
	b = itab_tell(t, itab_add(t, 11, (uint32_t)a, "b"));
	i = add_upper(12, "c");
	itablecount_add(t, i);
	c = itab_tell(t, i);
	for (unsigned times = 0; times < 3; times++) {
		recover();
		itablerecover_drop(t);
		check_same(ITABLE_ROOT, 1, "");
		check_same(a, 10, "a");
		check_same(b, 11, "b");
		check_same(c, 12, "c");
		ck_assert_uint_eq(itab_found(t, itab_ref(1, 10)), a);
		ck_assert_uint_eq(itab_found(t, itab_ref(1, 11)), b);
		ck_assert_uint_eq(itab_found(t, itab_ref(REF_UPPER, 12)), c);
		ck_assert_uint_eq(itab_found(t, itab_ref(1, 12)), 0);
		ck_assert_uint_eq(itab_stats(t).inodes, 4);
		ck_assert_uint_eq(itab_stats(t).lookups, 5);
	}
	/* It goes on like any other. */
	i = itab_add(t, 10, ITABLE_ROOT, "again");
	ck_assert_uint_eq(itable_nodeid(t, i), a);
	itable_unpin(t, i);
	i = itab_add(t, 13, ITABLE_ROOT, "new");
	ck_assert(itable_nodeid(t, i) != a && itable_nodeid(t, i) != b &&
		  itable_nodeid(t, i) != c);
	itable_unpin(t, i);
	/* And counts are right: it can be forgotten. */
	itablecount_forget(t, a, 1);
	ck_assert_msg(itab_known(t, a), "b's parent");
	itablecount_forget(t, b, 1);
	ck_assert(!itab_known(t, a) && !itab_known(t, b));
	itablecount_forget(t, c, 1);
	ck_assert(itab_known(t, c));
	itablecount_forget(t, c, 1);
	ck_assert_uint_eq(itab_stats(t).inodes, 1);
	itable_free(t);
}
END_TEST

START_TEST(a_table_with_the_root_alone)
{
	set_up();
	recover();
	itablerecover_drop(t);
	ck_assert(itab_known(t, ITABLE_ROOT));
	ck_assert_uint_eq(itab_stats(t).inodes, 1);
	ck_assert(!itablerecover_has_suspects(t));
	itable_free(t);
}
END_TEST

/* Pins were the last process's; what the kernel was not told of goes. */
START_TEST(what_only_the_dead_knew_is_dropped)
{
	uint64_t dir, file, kept;
	struct inode *d, *f, *k;

	set_up();
	d = itab_add(t, 10, ITABLE_ROOT, "d");
	f = itab_add(t, 11, itable_index(t, d), "f");
	k = itab_add(t, 12, ITABLE_ROOT, "k");
	dir = itable_nodeid(t, d);
	file = itable_nodeid(t, f);
	kept = itablecount_add(t, k);
	recover();
	ck_assert_uint_eq(itab_stats(t).inodes, 4);
	d = itable_get(t, dir);
	itablerecover_drop(t);
	ck_assert_msg(itab_known(t, dir), "pinned");
	ck_assert(!itab_known(t, file));
	ck_assert(itab_known(t, kept));
	itable_unpin(t, d);
	ck_assert(!itab_known(t, dir));
	ck_assert_uint_eq(itab_stats(t).inodes, 2);
	itable_free(t);
}
END_TEST

START_TEST(split_is_not_found_by_its_identity)
{
	struct inode *i;
	uint64_t old, new;

	set_up();
	i = itab_add(t, 10, ITABLE_ROOT, "a");
	old = itablecount_add(t, i);
	lock_acquire(&i->lock);
	itable_split_locked(t, i);
	lock_release(&i->lock);
	recover();
	itablerecover_drop(t);
	ck_assert(itab_known(t, old));
	ck_assert_uint_eq(itab_found(t, itab_ref(1, 10)), 0);
	new = itab_tell(t, itab_add(t, 10, ITABLE_ROOT, "a"));
	ck_assert(new != old);
	recover();
	ck_assert_uint_eq(itab_found(t, itab_ref(1, 10)), new);
	itablecount_forget(t, old, 1);
	ck_assert(!itab_known(t, old) && itab_known(t, new));
	itable_free(t);
}
END_TEST

START_TEST(moving_stays_to_be_settled)
{
	struct ref up = itab_ref(REF_UPPER, 99);
	struct inode *i;
	uint64_t id;

	set_up();
	i = itab_add(t, 10, ITABLE_ROOT, "a");
	id = itablecount_add(t, i);
	itable_move_begin(t, i);
	recover();
	i = itable_get(t, id);
	ck_assert(itable_flags(t, i) & INODE_MOVING);
	/* Nobody is in the middle of it any more. */
	lock_acquire(&i->lock);
	ck_assert_int_eq(itableset_upper_locked(t, i, &up), 0);
	itableset_flags_locked(t, i, INODE_UPPER, INODE_MOVING);
	lock_release(&i->lock);
	ck_assert_uint_eq(itab_found(t, up), id);
	ck_assert_uint_eq(itab_found(t, itab_ref(1, 10)), 0);
	itable_move_begin(t, i);
	itable_move_end(t, i);
	ck_assert(!(itable_flags(t, i) & INODE_MOVING));
	itable_unpin(t, i);
	itable_free(t);
}
END_TEST

/* The blob has upper's ref, or not; the flag is the other store. */
START_TEST(flag_and_blob_are_settled)
{
	struct itable_view v;
	struct inode *i;
	uint64_t up, low;
	struct ref r;

	set_up();
	up = itab_tell(t, add_upper(10, "up"));
	low = itab_tell(t, itab_add(t, 11, ITABLE_ROOT, "low"));
	rec_of(up)->flags &= ~(uint32_t)INODE_UPPER;
	rec_of(low)->flags |= INODE_UPPER;
	recover();
	i = itable_get(t, up);
	itable_view(t, i, &v);
	ck_assert(v.flags & INODE_UPPER);
	ck_assert_uint_eq(v.upper.layer, REF_UPPER);
	itable_unpin(t, i);
	i = itable_get(t, low);
	itable_view(t, i, &v);
	ck_assert(!(v.flags & INODE_UPPER));
	ck_assert_uint_eq(v.n_lower, 1);
	itable_view_lower(&v, 0, &r);
	ck_assert_uint_eq(r.layer, 1);
	itable_unpin(t, i);
	ck_assert_uint_eq(itab_found(t, itab_ref(REF_UPPER, 10)), up);
	ck_assert_uint_eq(itab_found(t, itab_ref(1, 11)), low);
	itable_free(t);
}
END_TEST

START_TEST(a_half_made_record_is_cleared)
{
	uint64_t a, b;

	set_up();
	a = itab_tell(t, itab_add(t, 10, ITABLE_ROOT, "a"));
	b = itab_tell(t, itab_add(t, 11, (uint32_t)a, "b"));
	itable_on_gone(t, note_gone, &n_gone);
	/* On its way out, or in: no number. */
	rec_of(b)->nodeid = 0;
	rec_of(b)->backing = 5;
	recover();
	itablerecover_drop(t);
	ck_assert_uint_eq(n_gone, 1);
	ck_assert_int_eq(gone[0], 5);
	ck_assert(!itab_known(t, b));
	ck_assert_uint_eq(rec_of(b)->ino, 0);
	ck_assert_uint_eq(rec_of(b)->parent, 0);
	ck_assert_uint_eq(atomic_load(&rec_of(b)->blob), 0);
	ck_assert_uint_eq(itab_stats(t).inodes, 2);
	/* It no longer holds its parent, and its place is free. */
	itablecount_forget(t, a, 1);
	ck_assert_uint_eq(itab_stats(t).inodes, 1);
	itab_tell(t, itab_add(t, 12, ITABLE_ROOT, "c"));
	itab_tell(t, itab_add(t, 13, ITABLE_ROOT, "d"));
	ck_assert_uint_eq(itab_stats(t).inodes, 3);
	ck_assert_uint_eq(n_gone, 1);
	itable_free(t);
}
END_TEST

START_TEST(backing_ids)
{
	uint64_t kept, leaving;
	struct inode *i;

	set_up();
	itable_on_gone(t, note_gone, &n_gone);
	i = itab_add(t, 10, ITABLE_ROOT, "a");
	lock_acquire(&i->lock);
	itableset_backing_intent(t, true);
	itableset_backing_locked(t, i, 3);
	itableset_backing_intent(t, false);
	lock_release(&i->lock);
	kept = itab_tell(t, i);
	i = itab_add(t, 11, ITABLE_ROOT, "b");
	lock_acquire(&i->lock);
	itableset_backing_locked(t, i, -4);
	lock_release(&i->lock);
	leaving = itab_tell(t, i);
	ck_assert_int_eq(itablerecover_backing(t), -1);
	recover();
	ck_assert_uint_eq(n_gone, 1);
	ck_assert_int_eq(gone[0], 4);
	ck_assert_uint_eq(itab_stats(t).backing, 1);
	ck_assert_int_eq(rec_of(kept)->backing, 3);
	ck_assert_int_eq(rec_of(leaving)->backing, 0);
	recover();
	ck_assert_uint_eq(n_gone, 1);
	/* One that was registered and not written down. */
	itableset_backing_intent(t, true);
	recover();
	ck_assert_int_eq(itablerecover_backing(t), 3);
	ck_assert_int_eq(itablerecover_backing(t), -1);
	itable_free(t);
}
END_TEST

START_TEST(records_that_are_none)
{
	uint64_t a;

	set_up();
	a = itab_tell(t, itab_add(t, 10, ITABLE_ROOT, "a"));
	if (_i == 0)
		rec_of(a)->parent = t->head->high;
	else if (_i == 1)
		rec_of(a)->parent = UINT32_MAX;
	else
		atomic_store(&rec_of(a)->blob, (uint64_t)ARENA_BYTES << 17 | 8);
	ck_assert_int_eq(itablerecover(t), -EUCLEAN);
}
END_TEST

/* Descriptors. */

static int fds[16];
static unsigned n_fds;

static void note_fd(void *ctx, int fd)
{
	ck_assert_ptr_eq(ctx, &n_fds);
	ck_assert_uint_lt(n_fds, ARRAY_SIZE(fds));
	fds[n_fds++] = fd;
}

static bool has_fd(int fd)
{
	for (unsigned k = 0; k < n_fds; k++) {
		if (fds[k] == fd)
			return true;
	}
	return false;
}

START_TEST(descriptors_of_records)
{
	size_t before = unit_count_fds();
	struct itable_seed seed = { .ino = 10,
				    .parent = ITABLE_ROOT,
				    .flags = INODE_UPPER,
				    .type = S_IFREG,
				    .name = "a" };
	struct ref low;
	struct inode *i;
	int pin, up;
	uint64_t a, b;

	set_up();
	itablerecover_fds(t, note_fd, &n_fds);
	ck_assert_uint_eq(n_fds, 0);
	low = itab_pin(1, 10);
	seed.upper = itab_pin(REF_UPPER, 10);
	up = seed.upper.fd;
	a = itab_tell(t, itab_intern(t, &seed, &low));
	i = itab_add(t, 11, ITABLE_ROOT, "b");
	pin = open("/", O_PATH | O_CLOEXEC);
	lock_acquire(&i->lock);
	itableset_pin_locked(t, i, pin);
	lock_release(&i->lock);
	b = itab_tell(t, i);
	itab_tell(t, itab_add(t, 12, ITABLE_ROOT, "c"));
	recover();
	itablerecover_fds(t, note_fd, &n_fds);
	ck_assert_uint_eq(n_fds, 3);
	ck_assert(has_fd(pin) && has_fd(up) && has_fd(low.fd));
	itablecount_forget(t, a, 1);
	ck_assert_int_lt(fcntl(up, F_GETFD), 0);
	ck_assert_int_lt(fcntl(low.fd, F_GETFD), 0);
	itablecount_forget(t, b, 1);
	ck_assert_int_lt(fcntl(pin, F_GETFD), 0);
	n_fds = 0;
	itablerecover_fds(t, note_fd, &n_fds);
	ck_assert_uint_eq(n_fds, 0);
	itable_free(t);
	ck_assert_uint_eq(unit_count_fds(), before);
}
END_TEST

static unsigned visits;

static void visit(void *ctx, struct inode *i)
{
	uint64_t *ids = ctx;

	ids[visits++] = itable_nodeid(t, i);
}

START_TEST(each_is_seen_once)
{
	uint64_t ids[8] = { 0 }, a, b, c;

	set_up();
	a = itab_tell(t, itab_add(t, 10, ITABLE_ROOT, "a"));
	b = itab_tell(t, itab_add(t, 11, ITABLE_ROOT, "b"));
	c = itab_tell(t, itab_add(t, 12, ITABLE_ROOT, "c"));
	itablecount_forget(t, b, 1);
	recover();
	itablerecover_each(t, visit, ids);
	ck_assert_uint_eq(visits, 3);
	ck_assert_uint_eq(ids[0], ITABLE_ROOT);
	ck_assert_uint_eq(ids[1], a);
	ck_assert_uint_eq(ids[2], c);
	itable_free(t);
}
END_TEST

/* Another program has its own object for the same memory. */
START_TEST(another_table_of_the_same_memory)
{
	struct itable *first;
	int mem[ITABLE_FDS], own[ITABLE_FDS];
	uint64_t a, b;

	set_up();
	a = itab_tell(t, itab_add(t, 10, ITABLE_ROOT, "a"));
	b = itab_tell(t, add_upper(11, "b"));
	first = t;
	itable_memfds(first, mem);
	own[0] = dup(mem[0]);
	own[1] = dup(mem[1]);
	t = itable_new(own);
	ck_assert_ptr_nonnull(t);
	recover();
	itablerecover_drop(t);
	check_same(a, 10, "a");
	check_same(b, 11, "b");
	ck_assert_uint_eq(itab_found(t, itab_ref(REF_UPPER, 11)), b);
	ck_assert_uint_eq(itab_stats(t).lookups, 3);
	itab_tell(t, itab_add(t, 12, ITABLE_ROOT, "c"));
	itable_free(t);
	ck_assert_int_lt(fcntl(own[0], F_GETFD), 0);
	ck_assert_int_lt(fcntl(own[1], F_GETFD), 0);
	t = first;
	recover();
	ck_assert_uint_eq(itab_stats(t).inodes, 4);
	itable_free(t);
}
END_TEST

START_TEST(memory_that_is_none)
{
	size_t before = unit_count_fds();
	int pipes[2];

	ck_assert_int_eq(pipe(pipes), 0);
	ck_assert_ptr_null(itable_new(pipes));
	ck_assert_msg(unit_count_fds() == before, "taken in every case");
}
END_TEST

Suite *test_itablerecover_suite(void)
{
	Suite *s = suite_create("itablerecover");
	TCase *c = tcase_create("itablerecover");

	tcase_set_timeout(c, 60);
	tcase_add_test(c, all_is_found_again);
	tcase_add_test(c, a_table_with_the_root_alone);
	tcase_add_test(c, what_only_the_dead_knew_is_dropped);
	tcase_add_test(c, split_is_not_found_by_its_identity);
	tcase_add_test(c, moving_stays_to_be_settled);
	tcase_add_test(c, flag_and_blob_are_settled);
	tcase_add_test(c, a_half_made_record_is_cleared);
	tcase_add_test(c, backing_ids);
	tcase_add_loop_test(c, records_that_are_none, 0, 3);
	tcase_add_test(c, descriptors_of_records);
	tcase_add_test(c, each_is_seen_once);
	tcase_add_test(c, another_table_of_the_same_memory);
	tcase_add_test(c, memory_that_is_none);
	suite_add_tcase(s, c);
	return s;
}
