/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <stdlib.h>
#include <string.h>

#include "fs/base/cleanup.h"
#include "fs/base/strbuf.h"
#include "tests/unit/optline.h"

/* options, with random command lines. */

static const char *const pieces[] = {
	"lowerdir=",
	"lowerdir+=",
	"upperdir=",
	"workdir=",
	"/a",
	"/b",
	":",
	",",
	"\\",
	"\\:",
	"\\,",
	"=",
	"\"",
	"context=\"",
	"rootcontext=",
	"uidmapping=",
	"gidmapping=",
	"0",
	"1",
	"65536",
	"4294967295",
	"-",
	"fsync=",
	"strict",
	"volatile",
	"timeout=",
	"1.5",
	"forever",
	"ro",
	"rw",
	"noacl",
	"user",
	"x-",
	"comment=",
	"threads=",
	"busy_poll=",
	"off",
	"program_trees=",
	"none",
	"follow=",
	"passthrough=",
	"squash_to_root",
	"squash_to_uid=",
	"xino=",
	"auto",
	"what",
	"remount",
	"\xff",
	" ",
	"fsname=",
	"subtype=",
	"mountpoint=",
	"-o",
	"-t",
	"fuse.",
	"--",
	"-h",
	"-f",
	"options",
};

static char *random_arg(struct unit_rand *r)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	uint32_t n = unit_rand(r, 10);

	if (unit_rand(r, 2))
		strbuf_puts(&b, "-olowerdir=/l,");
	for (uint32_t i = 0; i < n; i++)
		strbuf_puts(&b, pieces[unit_rand(r, ARRAY_SIZE(pieces))]);
	return strbuf_take(&b);
}

/* What must hold of any options that were accepted. */
static void check_sane(const struct options *o)
{
	ck_assert_uint_ge(o->n_lower, 1);
	for (size_t i = 0; i < o->n_lower; i++)
		ck_assert(*o->lower[i]);
	ck_assert_int_eq(!o->upper, !o->work);
	ck_assert(o->readonly || o->upper);
	ck_assert(o->target && *o->target);
	ck_assert(o->source && *o->source);
	ck_assert(o->subtype && *o->subtype);
	ck_assert_uint_le(o->threads, OPTIONS_THREADS_MAX);
	ck_assert_uint_le(o->busy_poll, OPTIONS_BUSY_POLL_MAX);
	ck_assert(!o->debug || o->foreground);
	for (size_t i = 0; i < o->n_unknown; i++)
		for (size_t k = 0; k < i; k++)
			ck_assert_str_ne(o->unknown[i], o->unknown[k]);
}

START_TEST(random_command_lines)
{
	unsigned good = 0, bad = 0;
	struct unit_rand r;

	unit_rand_start(&r);
	for (int i = 0; i < 50000; i++) {
		int n = 1 + (int)unit_rand(&r, 4), rc;
		char program[] = "vefsd", *argv[6] = { program };
		struct options o;
		char err[300];

		for (int k = 1; k <= n; k++)
			argv[k] = random_arg(&r);
		rc = options_parse(&o, n + 1, argv, err, sizeof(err));
		ck_assert(rc == 0 || rc == -EINVAL);
		ck_assert_int_eq(!rc, !*err);
		if (rc)
			optline_check_empty(&o);
		else if (!o.help)
			check_sane(&o);
		good += !rc;
		bad += !!rc;
		options_free(&o);
		for (int k = 1; k <= n; k++)
			free(argv[k]);
	}
	/* Both halves were really tried. */
	ck_assert_uint_gt(good, 500);
	ck_assert_uint_gt(bad, 500);
}
END_TEST

/* Any name survives being escaped and parsed. */
START_TEST(random_names_come_back)
{
	static const char alphabet[] = "ab/:,\\\"= \n\xc3\xa4";
	struct unit_rand r;

	unit_rand_start(&r);
	for (int i = 0; i < 20000; i++) {
		_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
		size_t n = 1 + unit_rand(&r, 4);
		char name[4][12];
		struct options o;

		strbuf_puts(&b, "lowerdir=");
		for (size_t k = 0; k < n; k++) {
			size_t len = 1 + unit_rand(&r, 11);

			for (size_t c = 0; c < len; c++) {
				char byte = alphabet[unit_rand(
					&r, sizeof(alphabet) - 1)];

				if (strchr(":,\\", byte))
					strbuf_putc(&b, '\\');
				strbuf_putc(&b, byte);
				name[k][c] = byte;
			}
			name[k][len] = '\0';
			if (k + 1 < n)
				strbuf_putc(&b, ':');
		}
		strbuf_puts(&b, ",noacl");
		OPTLINE(&o, "-o", strbuf_get(&b), "/t");
		ck_assert(o.noacl);
		ck_assert_uint_eq(o.n_lower, n);
		for (size_t k = 0; k < n; k++)
			ck_assert_str_eq(o.lower[k], name[k]);
		options_free(&o);
	}
}
END_TEST

Suite *test_optfuzz_suite(void)
{
	Suite *s = suite_create("optfuzz");
	TCase *any = tcase_create("optfuzz");

	tcase_set_timeout(any, 60);
	tcase_add_test(any, random_command_lines);
	tcase_add_test(any, random_names_come_back);
	suite_add_tcase(s, any);
	return s;
}
