/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/optline.h"

#include <check.h>
#include <string.h>

#include "fs/base/strbuf.h"

int optline_parse(struct options *o, const struct optline *l, char *err,
		  size_t errlen)
{
	const char *argv[OPTLINE_MAX + 2] = { "mount.vefs" };
	int argc = 1;

	while (argc <= OPTLINE_MAX && l->args[argc - 1]) {
		argv[argc] = l->args[argc - 1];
		argc++;
	}
	memset(o, 0xa5, sizeof(*o));
	return options_parse(o, argc, (char *const *)argv, err, errlen);
}

void optline_must(struct options *o, const struct optline *l)
{
	char err[512] = "unset";
	int rc = optline_parse(o, l, err, sizeof(err));

	ck_assert_msg(!rc, "refused: %s", err);
	ck_assert_str_eq(err, "");
}

void optline_words(struct options *o, const char *words)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	strbuf_addf(&b, "lowerdir=/l,%s", words);
	OPTLINE(o, "-o", strbuf_get(&b), "/t");
}

void optline_check_same(const struct options *a, const struct options *b)
{
	ck_assert_uint_eq(a->n_lower, b->n_lower);
	ck_assert_uint_eq(a->uids.n, b->uids.n);
	ck_assert_uint_eq(a->gids.n, b->gids.n);
	ck_assert_uint_eq(a->squash_uid, b->squash_uid);
	ck_assert_uint_eq(a->squash_gid, b->squash_gid);
	ck_assert_int_eq(a->fsync, b->fsync);
	ck_assert_double_eq(a->timeout, b->timeout);
	ck_assert_uint_eq(a->busy_poll, b->busy_poll);
	ck_assert_uint_eq(a->threads, b->threads);
	ck_assert_int_eq(a->readonly, b->readonly);
	ck_assert_int_eq(a->noacl, b->noacl);
	ck_assert_int_eq(a->noxattrs, b->noxattrs);
	ck_assert_int_eq(a->suid, b->suid);
	ck_assert_int_eq(a->dev, b->dev);
	ck_assert_int_eq(a->exec, b->exec);
	ck_assert_int_eq(a->noatime, b->noatime);
	ck_assert_int_eq(a->allow_other, b->allow_other);
	ck_assert_int_eq(a->userxattr, b->userxattr);
	ck_assert_int_eq(a->passthrough, b->passthrough);
	ck_assert_int_eq(a->follow, b->follow);
	ck_assert_int_eq(a->redirect_dir, b->redirect_dir);
	ck_assert_int_eq(a->xattr_permissions, b->xattr_permissions);
	ck_assert_int_eq(a->foreground, b->foreground);
	ck_assert_int_eq(a->debug, b->debug);
	ck_assert_int_eq(a->help, b->help);
	ck_assert_int_eq(a->version, b->version);
	ck_assert_uint_eq(a->n_unknown, b->n_unknown);
}

void optline_check_empty(const struct options *o)
{
	static const struct options zero;

	optline_check_same(o, &zero);
	ck_assert_ptr_null(o->lower);
	ck_assert_ptr_null(o->upper);
	ck_assert_ptr_null(o->work);
	ck_assert_ptr_null(o->target);
	ck_assert_ptr_null(o->source);
	ck_assert_ptr_null(o->subtype);
	ck_assert_ptr_null(o->program);
	ck_assert_ptr_null(o->context);
	ck_assert_ptr_null(o->uids.runs);
	ck_assert_ptr_null(o->gids.runs);
	ck_assert_ptr_null(o->unknown);
}
