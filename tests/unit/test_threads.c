/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Several threads in one overlay, as the loop's are: what one thread may do
 * beside another's copy-up. Changes of one directory's names are one at a
 * time, as the kernel has them.
 */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/attr.h"
#include "fs/base/cleanup.h"
#include "fs/base/creds.h"
#include "fs/copyup.h"
#include "fs/create.h"
#include "fs/dirsnap.h"
#include "fs/file.h"
#include "fs/itablecount.h"
#include "fs/lookup.h"
#include "fs/remove.h"
#include "tests/unit/ovl.h"

#define THREADS 4

static struct ovl v;
static pthread_barrier_t gate;

#define SET_UP(lowers)                                                         \
	do {                                                                   \
		const char *why_ = ovl_set_up(&v, lowers);                     \
                                                                               \
		if (why_) {                                                    \
			unit_skip(why_);                                       \
			return;                                                \
		}                                                              \
	} while (0)

static void run(void *(*fn)(void *))
{
	pthread_t th[THREADS];

	ck_assert_int_eq(pthread_barrier_init(&gate, NULL, THREADS), 0);
	for (uintptr_t n = 0; n < THREADS; n++)
		ck_assert_int_eq(pthread_create(&th[n], NULL, fn, (void *)n),
				 0);
	for (unsigned n = 0; n < THREADS; n++)
		pthread_join(th[n], NULL);
	pthread_barrier_destroy(&gate);
}

#define FILES 150

static uint64_t nodeids[FILES][THREADS];
static int errors[FILES][THREADS];

/* All look the same name up, then all write: one inode, all bytes in it. */
static void *copy_up_together(void *arg)
{
	uintptr_t self = (uintptr_t)arg;
	char name[32];

	creds_thread_init();
	for (unsigned n = 0; n < FILES; n++) {
		struct file_opened f;
		struct inode *i;
		char byte = (char)('A' + self);
		int err;

		snprintf(name, sizeof(name), "d/sub/f%u", n);
		pthread_barrier_wait(&gate);
		i = ovl_walk(&v, name, NULL, &err);
		if (!i) {
			errors[n][self] = err;
			continue;
		}
		nodeids[n][self] = itablecount_add(v.o->inodes, i);
		err = file_open(v.o, i, O_RDWR, false, &f);
		if (err == 0) {
			err = file_write(v.o, f.fh, &byte, 1, (off_t)self, 0) ==
					      1
				      ? 0
				      : -EIO;
			file_release(v.o, f.fh);
		}
		errors[n][self] = err;
		ovl_put_back(&v, i);
	}
	return NULL;
}

START_TEST(looked_up_and_copied_up_at_once)
{
	char name[32], buf[4096];

	SET_UP(1);
	ovl_mkdir(&v, "l1/d");
	ovl_mkdir(&v, "l1/d/sub");
	for (unsigned n = 0; n < FILES; n++) {
		snprintf(name, sizeof(name), "l1/d/sub/f%u", n);
		ovl_put(&v, name, "....end");
	}
	ovl_begin(&v, true);
	run(copy_up_together);
	for (unsigned n = 0; n < FILES; n++) {
		snprintf(name, sizeof(name), "d/sub/f%u", n);
		unit_row(name);
		for (unsigned k = 0; k < THREADS; k++) {
			ck_assert_int_eq(errors[n][k], 0);
			ck_assert_msg(nodeids[n][k] == nodeids[n][0],
				      "one file, two nodeids");
		}
		ck_assert_str_eq(ovl_read(&v, name, buf), "ABCDend");
		for (unsigned k = 0; k < THREADS; k++)
			itablecount_forget(v.o->inodes, nodeids[n][k], 1);
	}
	ovl_check_idle(&v);
	ovl_again(&v);
	ck_assert_str_eq(ovl_read(&v, "d/sub/f0", buf), "ABCDend");
	ovl_tear_down(&v);
}
END_TEST

/* The same for two names of one file below. */
static void *links_together(void *arg)
{
	uintptr_t self = (uintptr_t)arg;
	char name[32];

	creds_thread_init();
	for (unsigned n = 0; n < FILES; n++) {
		struct file_opened f;
		struct inode *i;
		char byte = (char)('A' + self);
		int err;

		snprintf(name, sizeof(name), "f%u.%u", n, (unsigned)self % 2);
		pthread_barrier_wait(&gate);
		i = ovl_walk(&v, name, NULL, &err);
		if (!i) {
			errors[n][self] = err;
			continue;
		}
		err = file_open(v.o, i, O_RDWR, false, &f);
		if (err == 0) {
			err = file_write(v.o, f.fh, &byte, 1, (off_t)self, 0) ==
					      1
				      ? 0
				      : -EIO;
			file_release(v.o, f.fh);
		}
		errors[n][self] = err;
		ovl_put_back(&v, i);
	}
	return NULL;
}

START_TEST(two_names_copied_up_at_once)
{
	char name[32], other[32], buf[4096];

	SET_UP(1);
	for (unsigned n = 0; n < FILES; n++) {
		snprintf(name, sizeof(name), "l1/f%u.0", n);
		snprintf(other, sizeof(other), "l1/f%u.1", n);
		ovl_put(&v, name, "....end");
		ck_assert_int_eq(linkat(v.dir, name, v.dir, other, 0), 0);
	}
	ovl_begin(&v, true);
	run(links_together);
	for (int round = 0; round < 2; round++) {
		for (unsigned n = 0; n < FILES; n++) {
			struct stat st;

			for (unsigned k = 0; k < 2; k++) {
				snprintf(name, sizeof(name), "f%u.%u", n, k);
				unit_row(name);
				for (unsigned j = 0; j < THREADS; j++)
					ck_assert_int_eq(errors[n][j], 0);
				ck_assert_str_eq(ovl_read(&v, name, buf),
						 "ABCDend");
				ovl_put_back(&v, ovl_get(&v, name, &st));
				ck_assert_uint_eq(st.st_nlink, 2);
			}
		}
		ovl_check_idle(&v);
		ovl_again(&v);
	}
	ovl_tear_down(&v);
}
END_TEST

/* A file's data comes up while its other names go. */
static void *written_and_removed(void *arg)
{
	uintptr_t self = (uintptr_t)arg;
	char name[32], dir[8];

	creds_thread_init();
	snprintf(dir, sizeof(dir), "d%u", (unsigned)self);
	for (unsigned n = 0; n < FILES; n++) {
		snprintf(name, sizeof(name), "d0/f%u", n);
		pthread_barrier_wait(&gate);
		errors[n][self] =
			self == 0 ? ovl_write(&v, name, "new")
				  : ovl_remove(&v, dir, name + 3, false);
	}
	return NULL;
}

START_TEST(data_comes_while_names_go)
{
	char name[32], other[32], buf[4096];
	struct stat st;

	SET_UP(1);
	v.more = ",volatile"; /* a sync would keep them apart */
	for (unsigned k = 0; k < THREADS; k++) {
		snprintf(name, sizeof(name), "l1/d%u", k);
		ovl_mkdir(&v, name);
	}
	for (unsigned n = 0; n < FILES; n++) {
		snprintf(name, sizeof(name), "l1/d0/f%u", n);
		ovl_put(&v, name, "old");
		for (unsigned k = 1; k < THREADS; k++) {
			snprintf(other, sizeof(other), "l1/d%u/f%u", k, n);
			ck_assert_int_eq(linkat(v.dir, name, v.dir, other, 0),
					 0);
		}
	}
	ovl_begin(&v, true);
	for (unsigned n = 0; n < FILES; n++) {
		struct inode *i;

		snprintf(name, sizeof(name), "d0/f%u", n);
		i = ovl_get(&v, name, NULL);
		ck_assert_int_eq(copyup(v.o, i, COPYUP_META), 0);
		ovl_put_back(&v, i);
	}
	run(written_and_removed);
	for (int round = 0; round < 2; round++) {
		for (unsigned n = 0; n < FILES; n++) {
			snprintf(name, sizeof(name), "d0/f%u", n);
			unit_row(name);
			for (unsigned k = 0; k < THREADS; k++)
				ck_assert_int_eq(errors[n][k], 0);
			ck_assert_str_eq(ovl_read(&v, name, buf), "new");
			ovl_put_back(&v, ovl_get(&v, name, &st));
			ck_assert_uint_eq(st.st_nlink, 1);
		}
		ovl_check_idle(&v);
		ovl_again(&v);
	}
	ovl_tear_down(&v);
}
END_TEST

/* Everything that needs no lock of the kernel's, in any order. */
#define ROUNDS 400

static int nothing(_unused_ void *ctx, _unused_ const struct dirsnap_entry *e)
{
	return 0;
}

static void one_thing(unsigned *seed, struct inode *i)
{
	struct file_opened f;
	struct stat st;
	char c = 'x';
	int r;

	switch ((unsigned)rand_r(seed) % 6) {
	case 0:
		ck_assert_int_eq(attr_get(v.o, i, &st), 0);
		break;
	case 1:
		ck_assert_int_eq(copyup(v.o, i, COPYUP_META), 0);
		break;
	case 2:
		ck_assert_int_eq(copyup(v.o, i, COPYUP_DATA), 0);
		break;
	default:
		r = file_open(v.o, i, rand_r(seed) % 2 ? O_RDWR : O_RDONLY,
			      false, &f);
		ck_assert_int_eq(r, 0);
		ck_assert_int_eq(file_read(v.o, f.fh, &c, 1, 0), 1);
		ck_assert_int_eq(c, 't');
		file_release(v.o, f.fh);
	}
}

static void *any_of_it(void *arg)
{
	unsigned seed = (unsigned)(uintptr_t)arg + 1;
	char name[32];

	creds_thread_init();
	for (unsigned n = 0; n < ROUNDS; n++) {
		struct inode *i;
		uint64_t id;
		int err;

		snprintf(name, sizeof(name), "d%d/f%d", rand_r(&seed) % 8,
			 rand_r(&seed) % 20);
		if (n % 8 == 0) {
			i = ovl_get(&v, "d1", NULL);
			ck_assert_int_eq(dirsnap_read(v.o, i, 0, true, nothing,
						      NULL),
					 0);
			ovl_put_back(&v, i);
		}
		i = ovl_walk(&v, name, NULL, &err);
		ck_assert_msg(i != NULL, "%s: %s", name, strerror(-err));
		id = itablecount_add(v.o->inodes, i);
		one_thing(&seed, i);
		ovl_put_back(&v, i);
		itablecount_forget(v.o->inodes, id, 1);
	}
	return NULL;
}

START_TEST(anything_at_once)
{
	char path[32], buf[4096];
	size_t fds;

	SET_UP(2);
	for (unsigned d = 0; d < 8; d++) {
		snprintf(path, sizeof(path), "l%u/d%u", 1 + d % 2, d);
		ovl_mkdir(&v, path);
		for (unsigned n = 0; n < 20; n++) {
			snprintf(path, sizeof(path), "l%u/d%u/f%u", 1 + d % 2,
				 d, n);
			ovl_put(&v, path, "text");
		}
	}
	fds = unit_count_fds();
	ovl_begin(&v, true);
	run(any_of_it);
	ovl_check_idle(&v);
	for (unsigned d = 0; d < 8; d++) {
		snprintf(path, sizeof(path), "d%u/f%u", d, d);
		ck_assert_str_eq(ovl_read(&v, path, buf), "text");
	}
	ovl_end(&v);
	ck_assert_uint_eq(unit_count_fds(), fds);
	ovl_tear_down(&v);
}
END_TEST

/* Each in a directory of its own, which all are copied up meanwhile. */
static void *make_and_remove(void *arg)
{
	char dir[8], name[32];

	creds_thread_init();
	snprintf(dir, sizeof(dir), "d%u", (unsigned)(uintptr_t)arg);
	pthread_barrier_wait(&gate);
	for (unsigned n = 0; n < 100; n++) {
		snprintf(name, sizeof(name), "f%u", n % 20);
		ck_assert_int_eq(ovl_remove(&v, dir, name, false), 0);
		ck_assert_int_eq(ovl_look(&v, dir), 0);
		ck_assert_int_eq(ovl_make(&v, dir, name, S_IFREG | 0600), 0);
		ck_assert_int_eq(ovl_make(&v, dir, name, S_IFREG | 0600),
				 -EEXIST);
		ck_assert_int_eq(ovl_rename(&v, dir, name, dir, "moved", 0), 0);
		ck_assert_int_eq(ovl_rename(&v, dir, "moved", dir, name, 0), 0);
		ck_assert_int_eq(ovl_make(&v, dir, "sub", S_IFDIR | 0700), 0);
		ck_assert_int_eq(ovl_remove(&v, dir, "sub", true), 0);
	}
	return NULL;
}

START_TEST(names_in_several_directories)
{
	char path[32], buf[4096], again[4096];

	SET_UP(1);
	for (unsigned d = 0; d < THREADS; d++) {
		snprintf(path, sizeof(path), "l1/d%u", d);
		ovl_mkdir(&v, path);
		for (unsigned n = 0; n < 20; n++) {
			snprintf(path, sizeof(path), "l1/d%u/f%u", d, n);
			ovl_put(&v, path, "text");
		}
	}
	ovl_begin(&v, true);
	ovl_names(&v, "d0", buf);
	run(make_and_remove);
	ovl_check_idle(&v);
	for (int round = 0; round < 2; round++) {
		for (unsigned d = 0; d < THREADS; d++) {
			snprintf(path, sizeof(path), "d%u", d);
			ck_assert_str_eq(ovl_names(&v, path, again), buf);
		}
		ovl_again(&v);
	}
	ovl_tear_down(&v);
}
END_TEST

Suite *test_threads_suite(void)
{
	Suite *s = suite_create("threads");
	TCase *c = tcase_create("threads");

	tcase_set_timeout(c, 240);
	tcase_add_test(c, looked_up_and_copied_up_at_once);
	tcase_add_test(c, two_names_copied_up_at_once);
	tcase_add_test(c, data_comes_while_names_go);
	tcase_add_test(c, anything_at_once);
	tcase_add_test(c, names_in_several_directories);
	suite_add_tcase(s, c);
	return s;
}
