/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The layers are made up here: what they list is what a test says.
 */
#include "tests/unit/unit.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/base/cleanup.h"
#include "fs/dirmerge.h"

struct fake_entry {
	const char *name;
	uint64_t ino;
	unsigned type;
};

struct fake {
	struct layer pub;
	const struct fake_entry *e;
	size_t n;
	int error; /* after the last entry */
};

static int fake_list(struct layer *l, _unused_ const struct ref *dir,
		     layer_emit_fn emit, void *ctx)
{
	struct fake *f = (struct fake *)l;

	for (size_t n = 0; n < f->n; n++) {
		int r = emit(ctx, f->e[n].name, f->e[n].ino, f->e[n].type);

		if (r)
			return r;
	}
	return f->error;
}

static const struct layer_ops fake_ops = { .list = fake_list };

/* Up to three layers, the topmost first; 0 is upper's. */
static struct overlay o;
static struct fake fakes[3];
static struct itable *t;
static struct itable_view view;

static void set_layer(unsigned n, const struct fake_entry *e, size_t count)
{
	fakes[n].e = e;
	fakes[n].n = count;
	fakes[n].error = 0;
}
#define SET(n, array) set_layer(n, array, ARRAY_SIZE(array))

/* A directory in all three. */
static void set_up(void)
{
	struct ref low[2] = { { .layer = 1, .len = 1, .fd = -1 },
			      { .layer = 2, .len = 1, .fd = -1 } };
	struct itable_seed seed = { .flags = INODE_UPPER,
				    .type = S_IFDIR,
				    .upper = { .len = 1, .fd = -1 },
				    .lower = low,
				    .n_lower = 2,
				    .name = "" };
	struct inode *root;

	for (unsigned n = 0; n < 3; n++) {
		fakes[n].pub =
			(struct layer){ .ops = &fake_ops, .index = (uint8_t)n };
		o.layers[n] = &fakes[n].pub;
		set_layer(n, NULL, 0);
	}
	o.n_layers = 3;
	t = itable_new(NULL);
	ck_assert_int_eq(itable_set_root(t, &seed), 0);
	root = itable_get(t, ITABLE_ROOT);
	itable_view(t, root, &view);
	itable_unpin(t, root);
}

static struct dirmerge *merged(void)
{
	struct dirmerge *m;

	ck_assert_int_eq(dirmerge_new(&m, &o, &view), 0);
	return m;
}

static size_t length(const struct dirmerge *m)
{
	struct dirmerge_entry e;
	size_t n = 0;

	while (dirmerge_get(m, n, &e))
		n++;
	return n;
}

/* The entry of a name; name NULL if there is none. */
static struct dirmerge_entry find(const struct dirmerge *m, const char *name)
{
	struct dirmerge_entry e;

	for (size_t n = 0; dirmerge_get(m, n, &e); n++) {
		if (!strcmp(e.name, name))
			return e;
	}
	return (struct dirmerge_entry){ .name = NULL };
}

/* Sorted, unique, above what "." and ".." have; seeking finds each. */
static void check_cookies(const struct dirmerge *m)
{
	struct dirmerge_entry e;
	uint64_t last = 1;
	size_t n;

	for (n = 0; dirmerge_get(m, n, &e); n++) {
		ck_assert_uint_gt(e.cookie, last);
		/* off_t, which must not be negative */
		ck_assert_uint_lt(e.cookie, INT64_MAX);
		ck_assert_uint_eq(dirmerge_seek(m, e.cookie), n);
		ck_assert_uint_eq(dirmerge_seek(m, last + 1), n);
		last = e.cookie;
	}
	ck_assert_uint_eq(dirmerge_seek(m, last + 1), n);
	ck_assert_uint_eq(dirmerge_seek(m, 0), 0);
	ck_assert_uint_eq(dirmerge_seek(m, UINT64_MAX), n);
}

START_TEST(an_empty_directory)
{
	struct dirmerge *m;
	struct dirmerge_entry e;

	set_up();
	m = merged();
	ck_assert(!dirmerge_get(m, 0, &e));
	ck_assert(!dirmerge_get(m, SIZE_MAX, &e));
	ck_assert_uint_eq(dirmerge_seek(m, 0), 0);
	dirmerge_free(m);
	dirmerge_free(NULL);
	itable_free(t);
}
END_TEST

START_TEST(the_topmost_shows)
{
	static const struct fake_entry up[] = {
		{ "both", 1, DT_REG },
		{ "gone", 0, LAYER_DT_WHITEOUT },
		{ "never", 0, LAYER_DT_WHITEOUT },
		{ "new", 2, DT_LNK },
	};
	static const struct fake_entry mid[] = {
		{ "both", 11, DT_DIR },
		{ "gone", 12, DT_REG },
		{ "mid", 13, DT_CHR },
		{ "covered", 0, LAYER_DT_WHITEOUT },
	};
	static const struct fake_entry low[] = {
		{ "both", 21, DT_FIFO }, { "gone", 22, DT_REG },
		{ "low", 23, DT_SOCK },	 { "covered", 24, DT_REG },
		{ "mid", 25, DT_REG },
	};
	struct dirmerge *m;

	set_up();
	SET(0, up);
	SET(1, mid);
	SET(2, low);
	m = merged();
	check_cookies(m);
	ck_assert_uint_eq(length(m), 4);
	ck_assert_uint_eq(find(m, "both").ino, 1);
	ck_assert_uint_eq(find(m, "both").type, DT_REG);
	ck_assert(find(m, "both").upper);
	ck_assert(find(m, "new").upper);
	ck_assert_uint_eq(find(m, "mid").ino, 13);
	ck_assert(!find(m, "mid").upper);
	ck_assert_uint_eq(find(m, "low").ino, 23);
	ck_assert_uint_eq(find(m, "low").type, DT_SOCK);
	dirmerge_free(m);
	itable_free(t);
}
END_TEST

/* Pairs of names whose 64-bit FNV-1a is the same. */
static const struct fake_entry pairs[] = {
	{ "8yn0iYCKYHlIj4-BwPqk", 1, DT_REG },
	{ "GReLUrM4wMqfg9yzV3KQ", 2, DT_REG },
	{ "gMPflVXtwGDXbIhP73TX", 3, DT_REG },
	{ "LtHf1prlU1bCeYZEdqWf", 4, DT_REG },
	{ "pFuM83THhM-Qw8FI5FKo", 5, DT_REG },
	{ ".jPx7rOtTDteKAwvfOEo", 6, DT_REG },
	{ "7mohtcOFVz", 7, DT_REG },
	{ "c1E51sSEyx", 8, DT_REG },
};

START_TEST(names_with_one_hash)
{
	struct fake_entry turned[ARRAY_SIZE(pairs)];
	uint64_t cookies[ARRAY_SIZE(pairs)] = { 0 };
	struct dirmerge *m;

	set_up();
	SET(1, pairs);
	m = merged();
	ck_assert_uint_eq(length(m), ARRAY_SIZE(pairs));
	check_cookies(m);
	for (size_t n = 0; n < ARRAY_SIZE(pairs); n++) {
		cookies[n] = find(m, pairs[n].name).cookie;
		ck_assert_uint_eq(find(m, pairs[n].name).ino, pairs[n].ino);
	}
	/* Else these names test nothing any more: find others. */
	ck_assert_uint_eq(cookies[0] > cookies[1] ? cookies[0] - cookies[1]
						  : cookies[1] - cookies[0],
			  1);
	dirmerge_free(m);

	/* In which order and from which layer they come does not matter. */
	for (size_t n = 0; n < ARRAY_SIZE(pairs); n++)
		turned[n] = pairs[ARRAY_SIZE(pairs) - 1 - n];
	set_layer(0, turned, 3);
	set_layer(1, pairs, 2);
	set_layer(2, turned, ARRAY_SIZE(turned));
	m = merged();
	ck_assert_uint_eq(length(m), ARRAY_SIZE(pairs));
	check_cookies(m);
	for (size_t n = 0; n < ARRAY_SIZE(pairs); n++)
		ck_assert_uint_eq(find(m, pairs[n].name).cookie, cookies[n]);
	dirmerge_free(m);
	itable_free(t);
}
END_TEST

#define MANY 100000u

START_TEST(positions_survive_changes)
{
	static char text[MANY][16];
	static struct fake_entry all[MANY], half[MANY / 2];
	static uint64_t cookies[MANY];
	struct dirmerge *m;
	struct dirmerge_entry e;

	set_up();
	for (unsigned n = 0; n < MANY; n++) {
		snprintf(text[n], sizeof(text[n]), "file-%u", n);
		all[n] = (struct fake_entry){ text[n], n, DT_REG };
		if (n % 2 == 0)
			half[n / 2] = (struct fake_entry){ text[n], n + MANY,
							   DT_REG };
	}
	SET(2, all);
	m = merged();
	ck_assert_uint_eq(length(m), MANY);
	check_cookies(m);
	for (size_t n = 0; dirmerge_get(m, n, &e); n++)
		cookies[e.ino] = e.cookie;
	dirmerge_free(m);

	/* Half of them copied up, read again. */
	SET(0, half);
	m = merged();
	ck_assert_uint_eq(length(m), MANY);
	for (size_t n = 0; dirmerge_get(m, n, &e); n++) {
		ck_assert_uint_eq(e.cookie, cookies[e.ino % MANY]);
		ck_assert_uint_eq(e.upper, e.ino >= MANY);
	}
	dirmerge_free(m);

	/* The other half gone. */
	set_layer(2, NULL, 0);
	m = merged();
	ck_assert_uint_eq(length(m), MANY / 2);
	for (size_t n = 0; dirmerge_get(m, n, &e); n++)
		ck_assert_uint_eq(e.cookie, cookies[e.ino % MANY]);
	dirmerge_free(m);
	itable_free(t);
}
END_TEST

START_TEST(a_layer_that_cannot_be_read)
{
	struct dirmerge *m = NULL;

	set_up();
	SET(0, pairs);
	SET(1, pairs);
	for (unsigned n = 0; n < 3; n++) {
		fakes[n].error = -EIO;
		ck_assert_int_eq(dirmerge_new(&m, &o, &view), -EIO);
		ck_assert_ptr_null(m);
		fakes[n].error = 0;
	}
	itable_free(t);
}
END_TEST

Suite *test_dirmerge_suite(void)
{
	Suite *s = suite_create("dirmerge");
	TCase *c = tcase_create("dirmerge");

	tcase_set_timeout(c, 60);
	tcase_add_test(c, an_empty_directory);
	tcase_add_test(c, the_topmost_shows);
	tcase_add_test(c, names_with_one_hash);
	tcase_add_test(c, positions_survive_changes);
	tcase_add_test(c, a_layer_that_cannot_be_read);
	suite_add_tcase(s, c);
	return s;
}
