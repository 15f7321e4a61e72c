/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "fs/base/cleanup.h"
#include "fs/itablecount.h"
#include "fs/itableset.h"
#include "tests/unit/itab.h"

static struct itable *t;

static void set_up(void)
{
	t = itab_new();
}

static uint64_t count(void)
{
	return itab_stats(t).inodes;
}

static uint64_t lookups(void)
{
	return itab_stats(t).lookups;
}

START_TEST(the_root_stays)
{
	struct inode *root;

	set_up();
	ck_assert_uint_eq(count(), 1);
	ck_assert_uint_eq(lookups(), 1);
	itablecount_forget(t, ITABLE_ROOT, 1);
	itablecount_forget(t, ITABLE_ROOT, UINT64_MAX);
	root = itable_get(t, ITABLE_ROOT);
	ck_assert_ptr_nonnull(root);
	ck_assert_uint_eq(itable_nodeid(t, root), ITABLE_ROOT);
	itable_unpin(t, root);
	itable_unpin(t, NULL);
	ck_assert(itab_known(t, ITABLE_ROOT));
	ck_assert_ptr_null(itable_get(t, 0));
	ck_assert_ptr_null(itable_get_index(t, 0));
	ck_assert_ptr_null(itable_get(t, UINT64_MAX));
	ck_assert_ptr_null(itable_get_index(t, UINT32_MAX));
	ck_assert_uint_eq(count(), 1);
	itable_free(t);
	itable_free(NULL);
}
END_TEST

START_TEST(forgetting_frees)
{
	struct inode *i;
	struct ref key = itab_ref(1, 7);
	uint64_t id;

	set_up();
	i = itab_add(t, 7, ITABLE_ROOT, "seven");
	id = itablecount_add(t, i);
	ck_assert_uint_eq(itablecount_add(t, i), id);
	itable_unpin(t, i);
	ck_assert_uint_eq(lookups(), 3);
	itablecount_forget(t, id, 1);
	ck_assert(itab_known(t, id));
	itablecount_forget(t, id + (1ull << 32), 1);
	ck_assert(itab_known(t, id));
	itablecount_forget(t, id, 1);
	ck_assert(!itab_known(t, id));
	ck_assert_ptr_null(itable_find(t, &key));
	ck_assert_uint_eq(count(), 1);
	ck_assert_uint_eq(lookups(), 1);
	itablecount_forget(t, id, 1);
	ck_assert_uint_eq(lookups(), 1);

	/* More than was counted takes no more than was counted. */
	i = itab_add(t, 8, ITABLE_ROOT, "eight");
	id = itablecount_add(t, i);
	itablecount_forget(t, id, 1000);
	ck_assert(itab_known(t, id));
	itable_unpin(t, i);
	ck_assert(!itab_known(t, id));
	ck_assert_uint_eq(lookups(), 1);
	itable_free(t);
}
END_TEST

#define DEPTH 200

START_TEST(children_pin_their_parents)
{
	uint64_t ids[DEPTH];
	uint32_t parent = ITABLE_ROOT;

	set_up();
	for (unsigned n = 0; n < DEPTH; n++) {
		struct inode *i = itab_add(t, 100 + n, parent, "d");

		ids[n] = itablecount_add(t, i);
		parent = itable_index(t, i);
		itable_unpin(t, i);
	}
	for (unsigned n = 0; n < DEPTH - 1; n++)
		itablecount_forget(t, ids[n], 1);
	ck_assert_uint_eq(count(), DEPTH + 1);
	ck_assert(itab_known(t, ids[0]));
	itablecount_forget(t, ids[DEPTH - 1], 1);
	ck_assert_uint_eq(count(), 1);
	for (unsigned n = 0; n < DEPTH; n++)
		ck_assert(!itab_known(t, ids[n]));
	itable_free(t);
}
END_TEST

START_TEST(a_rename_moves_the_pin)
{
	struct inode *a, *b, *i;
	struct itable_view v;
	char name[ITABLE_NAME_MAX + 1];
	uint64_t a_id;

	set_up();
	a = itab_add(t, 10, ITABLE_ROOT, "a");
	b = itab_add(t, 11, ITABLE_ROOT, "b");
	i = itab_add(t, 12, itable_index(t, a), "x");
	a_id = itable_nodeid(t, a);
	itable_unpin(t, a);
	ck_assert(itab_known(t, a_id));
	lock_acquire(&i->lock);
	ck_assert_int_eq(itableset_name_locked(t, i, itable_index(t, b),
					       "longer name"),
			 0);
	lock_release(&i->lock);
	ck_assert(!itab_known(t, a_id));
	itable_view(t, i, &v);
	ck_assert_uint_eq(v.parent, itable_index(t, b));
	ck_assert_str_eq(itable_view_name(&v, name), "longer name");
	ck_assert_uint_eq(v.ino, 12);
	ck_assert_uint_eq(v.n_lower, 1);
	itable_unpin(t, b);
	ck_assert_uint_eq(count(), 3);
	itable_unpin(t, i);
	ck_assert_uint_eq(count(), 1);
	itable_free(t);
}
END_TEST

START_TEST(one_identity_one_inode)
{
	struct inode *a, *b, *i, *j, *k;
	struct ref low = itab_ref(1, 50), up = itab_ref(REF_UPPER, 60);
	struct itable_view v;
	char name[ITABLE_NAME_MAX + 1];

	set_up();
	a = itab_add(t, 10, ITABLE_ROOT, "a");
	b = itab_add(t, 11, ITABLE_ROOT, "b");
	i = itab_add(t, 50, itable_index(t, a), "first");
	j = itab_add(t, 50, itable_index(t, b), "second");
	ck_assert_ptr_eq(i, j);
	itable_view(t, i, &v);
	ck_assert_str_eq(itable_view_name(&v, name), "second");
	ck_assert_uint_eq(v.parent, itable_index(t, b));
	itable_unpin(t, j);
	itable_unpin(t, a);
	ck_assert_uint_eq(count(), 3); /* root, b, i */

	/* A copy-up: from now on the upper inode is its identity. */
	lock_acquire(&i->lock);
	ck_assert_int_eq(itableset_upper_locked(t, i, &up), 0);
	lock_release(&i->lock);
	ck_assert_ptr_null(itable_find(t, &low));
	j = itable_find(t, &up);
	ck_assert_ptr_eq(i, j);
	itable_unpin(t, j);
	itable_view(t, i, &v);
	ck_assert(v.flags & INODE_UPPER);
	ck_assert(ref_same(&v.upper, &up));
	ck_assert_uint_eq(v.n_lower, 1);
	itable_view_lower(&v, 0, &low);
	ck_assert(ref_same(&low, &(struct ref[]){ itab_ref(1, 50) }[0]));

	/* Split: its identity is free, it lives on. */
	lock_acquire(&i->lock);
	itable_split_locked(t, i);
	lock_release(&i->lock);
	ck_assert_ptr_null(itable_find(t, &up));
	ck_assert(itable_flags(t, i) & INODE_SPLIT);
	k = itab_add(t, 50, ITABLE_ROOT, "third");
	ck_assert_ptr_ne(k, i);
	ck_assert_uint_ne(itable_nodeid(t, k), itable_nodeid(t, i));
	itable_unpin(t, k);
	itable_unpin(t, i);
	itable_unpin(t, b);
	ck_assert_uint_eq(count(), 1);
	itable_free(t);
}
END_TEST

/* The same record again and again, and never the same number. */
START_TEST(numbers_are_never_used_twice)
{
	uint64_t last = 0;
	unsigned same_index = 0;

	set_up();
	for (unsigned n = 0; n < 20000; n++) {
		struct inode *i = itab_add(t, 1000 + n % 3, ITABLE_ROOT, "n");
		uint64_t id = itablecount_add(t, i);

		same_index += (uint32_t)id == (uint32_t)last;
		ck_assert_uint_gt(id >> 32, last >> 32);
		last = id;
		itable_unpin(t, i);
		itablecount_forget(t, id, 1);
		ck_assert(!itab_known(t, id));
	}
	/* Else this has shown nothing. */
	ck_assert_uint_gt(same_index, 10000);
	itable_free(t);
}
END_TEST

START_TEST(names_and_lowers_of_every_length)
{
	struct ref low[60];
	char name[ITABLE_NAME_MAX + 1], got[ITABLE_NAME_MAX + 1];

	set_up();
	for (unsigned n = 0; n < ARRAY_SIZE(low); n++)
		low[n] = itab_ref((uint8_t)(n + 1), 7000 + n);
	for (unsigned len = 0; len <= ITABLE_NAME_MAX; len++) {
		struct itable_seed seed = { .ino = len,
					    .parent = ITABLE_ROOT,
					    .flags = INODE_UPPER |
						     INODE_PROGRAM,
					    .type = S_IFDIR,
					    .link_delta = -(int)len,
					    .upper = itab_ref(REF_UPPER, len),
					    .lower = low,
					    .n_lower = len % 61,
					    .name = name };
		struct itable_view v;
		struct inode *i;

		memset(name, 'a' + (int)(len % 26), len);
		name[len] = '\0';
		ck_assert_int_eq(itable_intern(t, &seed, &i), 0);
		itable_view(t, i, &v);
		ck_assert_str_eq(itable_view_name(&v, got), name);
		ck_assert_uint_eq(v.ino, len);
		ck_assert_uint_eq(v.flags, seed.flags);
		ck_assert_uint_eq(v.type, S_IFDIR);
		ck_assert_int_eq(v.link_delta, -(int)len);
		ck_assert_int_eq(v.pin, -1);
		ck_assert_uint_eq(v.nodeid, itable_nodeid(t, i));
		ck_assert(ref_same(&v.upper, &seed.upper));
		ck_assert_uint_eq(v.n_lower, len % 61);
		for (unsigned n = 0; n < v.n_lower; n++) {
			struct ref r;

			itable_view_lower(&v, n, &r);
			ck_assert(ref_same(&r, &low[n]));
		}
		lock_acquire(&i->lock);
		itableset_drop_lowers_locked(t, i);
		lock_release(&i->lock);
		itable_view(t, i, &v);
		ck_assert_uint_eq(v.n_lower, 0);
		ck_assert_str_eq(itable_view_name(&v, got), name);
		ck_assert(ref_same(&v.upper, &seed.upper));
		itable_unpin(t, i);
	}
	ck_assert_uint_eq(count(), 1);
	itable_free(t);
}
END_TEST

/* A ref may hold a descriptor; the table owns it in every case. */
START_TEST(pinned_refs_are_closed)
{
	size_t before;
	struct inode *i, *j;

	set_up();
	before = unit_count_fds();
	for (int round = 0; round < 3; round++) {
		struct ref low[2] = { itab_pin(1, 5), itab_pin(2, 6) };
		struct itable_seed seed = { .ino = 5,
					    .parent = ITABLE_ROOT,
					    .flags = INODE_UPPER,
					    .type = S_IFREG,
					    .upper = itab_pin(REF_UPPER, 4),
					    .lower = low,
					    .n_lower = 2,
					    .name = "p" };

		ck_assert_int_eq(itable_intern(t, &seed, round ? &j : &i), 0);
		if (round)
			itable_unpin(t, j);
		ck_assert_uint_eq(unit_count_fds(), before + 3);
	}
	lock_acquire(&i->lock);
	itableset_drop_lowers_locked(t, i);
	ck_assert_uint_eq(unit_count_fds(), before + 1);
	itableset_pin_locked(t, i, open("/", O_PATH | O_CLOEXEC));
	itableset_pin_locked(t, i, open("/", O_PATH | O_CLOEXEC));
	lock_release(&i->lock);
	ck_assert_uint_eq(unit_count_fds(), before + 2);
	itable_unpin(t, i);
	ck_assert_uint_eq(unit_count_fds(), before);

	/* What is still known at the end is closed too. */
	for (uint64_t n = 0; n < 100; n++) {
		struct ref low = itab_pin(1, 500 + n);
		struct itable_seed seed = { .parent = ITABLE_ROOT,
					    .upper = REF_NONE,
					    .lower = &low,
					    .n_lower = 1,
					    .name = "q" };

		ck_assert_int_eq(itable_intern(t, &seed, &i), 0);
	}
	ck_assert_uint_eq(unit_count_fds(), before + 100);
	itable_free(t);
	ck_assert_uint_eq(unit_count_fds(), before - ITABLE_FDS);
}
END_TEST

START_TEST(too_much_for_one_record)
{
	struct ref low[250];
	struct itable_seed seed = { .parent = ITABLE_ROOT,
				    .upper = REF_NONE,
				    .lower = low,
				    .n_lower = ARRAY_SIZE(low),
				    .name = "big" };
	struct inode *i;
	size_t before;

	set_up();
	before = unit_count_fds();
	for (unsigned n = 0; n < ARRAY_SIZE(low); n++) {
		low[n] = n ? itab_ref(1, n) : itab_pin(1, 99);
		if (n)
			low[n].len = REF_BYTES;
	}
	ck_assert_int_eq(itable_intern(t, &seed, &i), -ENOMEM);
	ck_assert_uint_eq(count(), 1);
	ck_assert_uint_eq(unit_count_fds(), before);
	seed.n_lower = 60;
	low[0] = itab_ref(1, 99);
	ck_assert_int_eq(itable_intern(t, &seed, &i), 0);
	itable_unpin(t, i);
	ck_assert_uint_eq(count(), 1);
	itable_free(t);
}
END_TEST

static unsigned gone_calls;
static int32_t gone_backing;

static void gone(void *ctx, _unused_ struct inode *i, int32_t backing)
{
	gone_calls++;
	gone_backing = backing;
	/* Without locks: the table can be used. */
	ck_assert(itab_known(t, ITABLE_ROOT));
	ck_assert_ptr_eq(ctx, &gone_calls);
}

START_TEST(the_last_word_before_it_goes)
{
	struct inode *i;

	set_up();
	itable_on_gone(t, gone, &gone_calls);
	i = itab_add(t, 3, ITABLE_ROOT, "x");
	lock_acquire(&i->lock);
	itableset_backing_locked(t, i, 77);
	ck_assert_int_eq(itableset_backing_get_locked(t, i), 77);
	lock_release(&i->lock);
	itable_pin(t, i);
	itable_unpin(t, i);
	ck_assert_uint_eq(gone_calls, 0);
	itable_unpin(t, i);
	ck_assert_uint_eq(gone_calls, 1);
	ck_assert_int_eq(gone_backing, 77);
	/* The place is used again: nothing of the old one is left. */
	i = itab_add(t, 4, ITABLE_ROOT, "y");
	ck_assert_int_eq(itableset_backing_get_locked(t, i), 0);
	ck_assert_uint_eq(itable_flags(t, i), 0);
	itable_unpin(t, i);
	itable_free(t);
}
END_TEST

/* Bytes that the table's regions hold. */
static uint64_t memory(void)
{
	uint64_t bytes = 0;

	for (int fd = 0; fd < 100; fd++) {
		char path[32], target[64] = "";
		struct stat st;

		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		if (readlink(path, target, sizeof(target) - 1) < 0 ||
		    !strstr(target, "memfd:vefs-") || fstat(fd, &st))
			continue;
		bytes += (uint64_t)st.st_blocks * 512;
	}
	return bytes;
}

#define MANY 100000u

START_TEST(memory_of_many_and_of_none)
{
	static uint64_t ids[MANY];
	char name[32];
	uint64_t one;

	set_up();
	one = memory();
	ck_assert_uint_gt(one, 0);
	for (unsigned n = 0; n < MANY; n++) {
		struct inode *i;

		snprintf(name, sizeof(name), "a-usual-file-%06u", n);
		i = itab_add(t, 10 + n, ITABLE_ROOT, name);
		ids[n] = itablecount_add(t, i);
		itable_unpin(t, i);
	}
	ck_assert_uint_gt(memory(), MANY * 64);
	ck_assert_uint_lt(memory(), 20u << 20);
	for (unsigned n = 0; n < MANY; n++)
		itablecount_forget(t, ids[(n * 7919ull) % MANY], 1);
	ck_assert_uint_eq(count(), 1);
	ck_assert_uint_lt(memory(), one + (128u << 10));
	itable_free(t);
}
END_TEST

START_TEST(no_room_for_a_table)
{
	struct rlimit small = { 4096, RLIM_INFINITY };
	size_t before = unit_count_fds();

	signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
	ck_assert_ptr_null(itable_new(NULL));
	small.rlim_cur = RLIM_INFINITY;
	setrlimit(RLIMIT_FSIZE, &small);
	ck_assert_uint_eq(unit_count_fds(), before);
}
END_TEST

/* Threads. */

#define KEYS 48
#define ROUNDS 20000
#define THREADS 4

static void *churn(void *arg)
{
	unsigned seed = (unsigned)(uintptr_t)arg;
	char name[16];

	for (unsigned n = 0; n < ROUNDS; n++) {
		uint64_t key = 2 + (unsigned)rand_r(&seed) % KEYS, id;
		struct inode *dir = itab_add(t, key, ITABLE_ROOT, "dir"), *i;
		struct itable_view v;

		snprintf(name, sizeof(name), "n%u", n % 50);
		i = itab_add(t, 1000 + (unsigned)rand_r(&seed) % KEYS,
			     itable_index(t, dir), name);
		id = itablecount_add(t, i);
		itable_view(t, i, &v);
		ck_assert_uint_eq(v.nodeid, id);
		ck_assert_uint_ge(v.ino, 1000);
		itable_unpin(t, dir);
		if (n % 3 == 0) {
			lock_acquire(&i->lock);
			itableset_flags_locked(t, i, INODE_PLAIN, 0);
			lock_release(&i->lock);
		}
		itable_unpin(t, i);
		itablecount_forget(t, id, 1);
	}
	return NULL;
}

START_TEST(many_threads_leave_nothing)
{
	pthread_t th[THREADS];
	set_up();
	for (uintptr_t n = 0; n < THREADS; n++)
		ck_assert_int_eq(pthread_create(&th[n], NULL, churn,
						(void *)(n + 1)),
				 0);
	for (unsigned n = 0; n < THREADS; n++)
		pthread_join(th[n], NULL);
	ck_assert_uint_eq(count(), 1);
	ck_assert_uint_eq(lookups(), 1);
	itable_free(t);
}
END_TEST

Suite *test_itable_suite(void)
{
	Suite *s = suite_create("itable");
	TCase *c = tcase_create("itable");

	tcase_set_timeout(c, 120);
	tcase_add_test(c, the_root_stays);
	tcase_add_test(c, forgetting_frees);
	tcase_add_test(c, children_pin_their_parents);
	tcase_add_test(c, a_rename_moves_the_pin);
	tcase_add_test(c, one_identity_one_inode);
	tcase_add_test(c, numbers_are_never_used_twice);
	tcase_add_test(c, names_and_lowers_of_every_length);
	tcase_add_test(c, pinned_refs_are_closed);
	tcase_add_test(c, too_much_for_one_record);
	tcase_add_test(c, the_last_word_before_it_goes);
	tcase_add_test(c, memory_of_many_and_of_none);
	tcase_add_test(c, no_room_for_a_table);
	tcase_add_test(c, many_threads_leave_nothing);
	suite_add_tcase(s, c);
	return s;
}
