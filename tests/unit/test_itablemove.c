/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <errno.h>
#include <sys/stat.h>

#include "fs/itableset.h"
#include "tests/unit/itab.h"

static uint64_t count(struct itable *t)
{
	return itab_stats(t).inodes;
}

/* Whoever asked the layers during a copy-up has the one or the other name. */
START_TEST(a_copy_up_meets_those_who_look)
{
	struct ref low = itab_ref(1, 50), up = itab_ref(0, 60);
	struct itable_seed below = { .ino = 50,
				     .parent = ITABLE_ROOT,
				     .type = S_IFREG,
				     .upper = REF_NONE,
				     .lower = &low,
				     .n_lower = 1,
				     .name = "f" };
	struct itable_seed above = { .ino = 50,
				     .parent = ITABLE_ROOT,
				     .type = S_IFREG,
				     .flags = INODE_UPPER | INODE_RECORD,
				     .upper = up,
				     .name = "f" };
	struct inode *i, *j;
	struct itable *t;

	t = itab_new();
	ck_assert_int_eq(itable_intern(t, &below, &i), 0);
	below.moves = above.moves = itable_moves(t);
	itable_move_begin(t, i);
	ck_assert_int_eq(itable_intern(t, &below, &j), 0);
	ck_assert_ptr_eq(i, j);
	itable_unpin(t, j);
	ck_assert_int_eq(itable_intern(t, &above, &j), 0);
	ck_assert_ptr_eq(i, j);
	itable_unpin(t, j);
	lock_acquire(&i->lock);
	ck_assert_int_eq(itableset_upper_locked(t, i, &up), 0);
	lock_release(&i->lock);

	/* Too late, from now on: what was below has moved on. */
	j = NULL;
	ck_assert_int_eq(itable_intern(t, &below, &j), -EAGAIN);
	ck_assert_ptr_null(j);
	itable_move_end(t, i);
	ck_assert_int_eq(itable_intern(t, &below, &j), -EAGAIN);
	ck_assert_ptr_null(j);
	ck_assert_uint_eq(count(t), 2);
	ck_assert_int_eq(itable_intern(t, &above, &j), 0);
	ck_assert_ptr_eq(i, j);
	itable_unpin(t, j);
	itable_unpin(t, i);
	ck_assert_uint_eq(count(t), 1);
	itable_free(t);
}
END_TEST

Suite *test_itablemove_suite(void)
{
	Suite *s = suite_create("itablemove");
	TCase *c = tcase_create("itablemove");

	tcase_add_test(c, a_copy_up_meets_those_who_look);
	suite_add_tcase(s, c);
	return s;
}
