/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every allocation of a call fails once, the first, then the second, and so
 * on to the last: the call must say -ENOMEM, leave nothing behind and change
 * nothing. (Or do without: libc's asprintf() shrinks its text only if it can.)
 */
#include "tests/unit/unit.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "fs/base/cleanup.h"
#include "fs/base/strbuf.h"
#include "fs/optvalue.h"
#include "tests/unit/optline.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)

/* A sanitizer has the allocator for itself. */
static bool oom_start(_unused_ unsigned nth)
{
	return false;
}

static long oom_stop(_unused_ bool *fired)
{
	return 0;
}

#else

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t nmemb, size_t size);
void *__libc_realloc(void *ptr, size_t size);
void __libc_free(void *ptr);

static struct {
	bool armed;
	unsigned left; /* allocations until the one that fails */
	long live;     /* pieces allocated and not freed since the start */
} oom;

/* The NTH allocation from now on fails, the first being 1. */
static bool oom_start(unsigned nth)
{
	oom.left = nth;
	oom.live = 0;
	oom.armed = true;
	return true;
}

/* How many pieces are still allocated; did one fail? */
static long oom_stop(bool *fired)
{
	oom.armed = false;
	*fired = !oom.left;
	return oom.live;
}

static bool is_due(void)
{
	if (!oom.armed || !oom.left || --oom.left)
		return false;
	errno = ENOMEM;
	return true;
}

static void *count(void *p)
{
	if (oom.armed && p)
		oom.live++;
	return p;
}

void *malloc(size_t size)
{
	return is_due() ? NULL : count(__libc_malloc(size));
}

void *calloc(size_t nmemb, size_t size)
{
	return is_due() ? NULL : count(__libc_calloc(nmemb, size));
}

void *realloc(void *ptr, size_t size)
{
	void *to = is_due() ? NULL : __libc_realloc(ptr, size);

	return ptr ? to : count(to);
}

void free(void *ptr)
{
	if (oom.armed && ptr)
		oom.live--;
	__libc_free(ptr);
}

#endif

/* More allocations than any call here makes. */
#define OOM_MOST 200

START_TEST(options)
{
	static const struct optline line = {
		{ "-t", "fuse.x", "-t", "fuse.y", "-o",
		  "lowerdir=/a:/b\\:c:/d,lowerdir+=/e,upperdir=/u,workdir=/w,"
		  "source=s,mountpoint=/m,what,xino=no,what,"
		  "uidmapping=0:1:2:3:4:5,gidmapping=:0:9:1,uidmapping=0:0:1,"
		  "context=\"a,b\",rootcontext=c,program_trees=/usr:/bin,"
		  "program_trees=/opt,lowerdir=/x:/y",
		  "src", "/t" }
	};
	unsigned failed = 0;
	bool fired = true;

	for (unsigned n = 1; fired; n++) {
		struct options o;
		char err[200];
		long left;
		int rc;

		ck_assert_uint_lt(n, OOM_MOST);
		if (!oom_start(n)) {
			unit_skip("a sanitizer has the allocator");
			return;
		}
		rc = optline_parse(&o, &line, err, sizeof(err));
		left = oom_stop(&fired);
		if (!rc) {
			ck_assert_int_gt(left, 0);
			options_free(&o);
			continue;
		}
		failed++;
		ck_assert(fired);
		ck_assert_int_eq(rc, -ENOMEM);
		ck_assert_ptr_nonnull(strstr(err, "out of memory"));
		ck_assert_int_eq(left, 0);
		optline_check_empty(&o);
	}
	ck_assert_uint_gt(failed, 40);
}
END_TEST

START_TEST(help_needs_no_memory)
{
	static const struct optline line = { { "-olowerdir=/a:/b", "--help" } };

	for (unsigned n = 1; n < 5; n++) {
		struct options o;
		char err[200];
		bool fired;
		long left;
		int rc;

		if (!oom_start(n)) {
			unit_skip("a sanitizer has the allocator");
			return;
		}
		rc = optline_parse(&o, &line, err, sizeof(err));
		left = oom_stop(&fired);
		ck_assert_int_eq(rc, 0);
		ck_assert(o.help);
		ck_assert_int_eq(left, 0);
	}
}
END_TEST

START_TEST(strbufs)
{
	struct strbuf b = STRBUF_INIT;
	bool fired;
	char *text;
	int rc;

	if (!oom_start(2)) {
		unit_skip("a sanitizer has the allocator");
		return;
	}
	rc = strbuf_puts(&b, "first");
	while (!rc && b.len < 4096)
		rc = strbuf_addf(&b, "-%s", "more");
	oom_stop(&fired);
	ck_assert(fired);
	ck_assert_int_eq(rc, -ENOMEM);
	ck_assert_int_eq(strncmp(strbuf_get(&b), "first-more-more", 15), 0);
	ck_assert_uint_eq(strlen(strbuf_get(&b)), b.len);
	ck_assert_int_eq(strbuf_putc(&b, 'x'), -ENOMEM);
	ck_assert_ptr_null(strbuf_take(&b));

	oom_start(1);
	text = strbuf_take(&b);
	oom_stop(&fired);
	ck_assert(fired);
	ck_assert_ptr_null(text);
	ck_assert_int_eq(strbuf_error(&b), 0);
}
END_TEST

Suite *test_oom_suite(void)
{
	Suite *s = suite_create("oom");
	TCase *t = tcase_create("oom");

	tcase_add_test(t, options);
	tcase_add_test(t, help_needs_no_memory);
	tcase_add_test(t, strbufs);
	suite_add_tcase(s, t);
	return s;
}
