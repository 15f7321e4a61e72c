/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <stdbool.h>
#include <stddef.h>

#include "fs/base/cleanup.h"
#include "fs/base/strbuf.h"
#include "tests/unit/optline.h"

static const struct {
	const char *words;
	size_t at;
	bool value;
} switches[] = {
#define ROW(words, member, value)                                              \
	{                                                                      \
		words, offsetof(struct options, member), value                 \
	}
	ROW("noacl", noacl, true),
	ROW("noacl,acl", noacl, false),
	ROW("noxattrs", noxattrs, true),
	ROW("noxattrs=1", noxattrs, true),
	ROW("noxattrs=1,noxattrs=0", noxattrs, false),
	ROW("userxattr", userxattr, true),
	ROW("allow_other", allow_other, true),
	ROW("quota=/q,quota-enforce=host", quota_host, true),
	ROW("xattr_permissions=2", xattr_permissions, true),
	ROW("xattr_permissions=2,xattr_permissions=0", xattr_permissions,
	    false),
	ROW("follow=off", follow, false),
	ROW("passthrough=off", passthrough, false),
	ROW("passthrough=0", passthrough, false),
	ROW("passthrough=off,passthrough=on", passthrough, true),
	ROW("redirect_dir=off", redirect_dir, false),
	ROW("redirect_dir=follow", redirect_dir, false),
	ROW("redirect_dir=off,redirect_dir=on", redirect_dir, true),
	ROW("nosuid", suid, false),
	ROW("nosuid,suid", suid, true),
	ROW("nodev", dev, false),
	ROW("nodev,dev", dev, true),
	ROW("noexec", exec, false),
	ROW("noexec,exec", exec, true),
	ROW("user", suid, false),
	ROW("user", dev, false),
	ROW("user", exec, false),
	ROW("user=joe", exec, false),
	ROW("users", suid, false),
	ROW("user,exec", exec, true),
	ROW("user,exec", suid, false),
	ROW("owner", suid, false),
	ROW("owner", exec, true),
	ROW("group", dev, false),
	ROW("noatime", noatime, true),
	ROW("noatime,atime", noatime, false),
	ROW("noatime,relatime", noatime, false),
	ROW("noatime,strictatime", noatime, false),
	ROW("ro", readonly, true),
	ROW("rw", readonly, true),
	ROW("upperdir=/u,workdir=/w", readonly, false),
	ROW("upperdir=/u,workdir=/w,ro", readonly, true),
	ROW("upperdir=/u,workdir=/w,ro,rw", readonly, false),
	ROW("debug", foreground, true),
#undef ROW
};

START_TEST(switches_are_set)
{
	for (size_t i = 0; i < ARRAY_SIZE(switches); i++) {
		struct options o;

		unit_row(switches[i].words);
		optline_words(&o, switches[i].words);
		ck_assert_msg(*((bool *)&o + switches[i].at) ==
				      switches[i].value,
			      "%s", switches[i].words);
		ck_assert_uint_eq(o.n_unknown, 0);
		options_free(&o);
	}
}
END_TEST

/* Taken, and nothing comes of it. */
static const char *const silent[] = {
	"default_permissions",
	"static_nlink",
	"fast_ino=1",
	"writeback=0",
	"clone_fd",
	"max_idle_threads=3",
	"index=on",
	"index=off",
	"metacopy=on",
	"metacopy=off",
	"redirect_dir=on",
	"xino=on",
	"xino=off",
	"xino=auto",
	"nfs_export=off",
	"uuid=auto",
	"uuid=null",
	"uuid=off",
	"verity=off",
	"suid",
	"dev",
	"exec",
	"acl",
	"norelatime",
	"nostrictatime",
	"diratime",
	"nodiratime",
	"lazytime",
	"nolazytime",
	"defaults",
	"auto",
	"noauto",
	"nofail",
	"nouser",
	"nousers",
	"noowner",
	"nogroup",
	"_netdev",
	"_rnetdev",
	"async",
	"silent",
	"loud",
	"nomand",
	"noiversion",
	"seclabel",
	"comment",
	"comment=any thing",
	"helper=x",
	"uhelper=x",
	"x-systemd.automount",
	"x-systemd.requires=/a",
	"x-",
	"X-mount.mkdir",
	"",
	",",
	",,,",
};

START_TEST(silent_words)
{
	for (size_t i = 0; i < ARRAY_SIZE(silent); i++) {
		struct options plain, o;

		unit_row(silent[i]);
		optline_words(&plain, "");
		optline_words(&o, silent[i]);
		ck_assert_uint_eq(o.n_unknown, 0);
		optline_check_same(&o, &plain);
		ck_assert_str_eq(o.source, plain.source);
		ck_assert_str_eq(o.subtype, plain.subtype);
		ck_assert_ptr_null(o.context);
		ck_assert_ptr_null(o.program);
		options_free(&plain);
		options_free(&o);
	}
}
END_TEST

static const char *const unknown[] = {
	"private",
	"rprivate",
	"nonsense",
	"nonsense=5",
	"nonsense=",
	"index=maybe",
	"redirect_dir=nofollow",
	"nfs_export=on",
	"uuid=on",
	"verity=require",
	"metacopy=o",
	"xino=on|off",
	"xino=n",
	"sync",
	"dirsync",
	"lowerdirs=/x",
	"lowerdi=/x",
	"LOWERDIR=/x",
	"ROx",
	"x",
	"X",
	"xx-y",
	"contexts=\"a\"",
	"=",
	"=x",
	"allow_root",
	"auto_unmount",
};

/* Behind each of them the next word is still read. */
static const char *const before_another[] = {
	"lowerdir=/a:/b",
	"lowerdir+=/b",
	"upperdir=/u,workdir=/w",
	"mountpoint=/m",
	"fsname=f",
	"source=s",
	"subtype=t",
	"context=\"a,b\"",
	"uidmapping=0:1:2",
	"squash_to_root",
	"squash_to_uid=1",
	"xattr_permissions=2",
	"xattr_permissions=0",
	"noxattrs",
	"noxattrs=0",
	"noacl",
	"acl",
	"fsync=0",
	"fsync=strict",
	"volatile",
	"timeout=1",
	"timeout=forever",
	"busy_poll=off",
	"busy_poll=5",
	"threads=auto",
	"threads=2",
	"threaded=0",
	"threaded=1",
	"follow=off",
	"passthrough=off",
	"program_trees=none",
	"debug",
	"static_nlink",
	"index=on",
	"xino=auto",
	"user",
	"owner",
	"x-a",
	"unknown",
	"xino=unknown",
	"",
};

START_TEST(words_follow_one_another)
{
	for (size_t i = 0; i < ARRAY_SIZE(before_another); i++) {
		_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
		struct options o;

		unit_row(before_another[i]);
		strbuf_addf(&b, "%s,behind", before_another[i]);
		optline_words(&o, strbuf_get(&b));
		ck_assert_uint_ge(o.n_unknown, 1);
		ck_assert_str_eq(o.unknown[o.n_unknown - 1], "behind");
		options_free(&o);
	}
}
END_TEST

START_TEST(an_unknown_value_changes_nothing)
{
	struct options o;

	optline_words(&o, "redirect_dir=off,redirect_dir=nofollow");
	ck_assert_uint_eq(o.n_unknown, 1);
	ck_assert(!o.redirect_dir);
	options_free(&o);
}
END_TEST

START_TEST(unknown_words)
{
	for (size_t i = 0; i < ARRAY_SIZE(unknown); i++) {
		struct options o;

		unit_row(unknown[i]);
		optline_words(&o, unknown[i]);
		ck_assert_uint_eq(o.n_unknown, 1);
		ck_assert_str_eq(o.unknown[0], unknown[i]);
		options_free(&o);
	}
}
END_TEST

START_TEST(unknown_words_are_told_once)
{
	struct options o;

	OPTLINE(&o, "-o", "b,lowerdir=/l,a,b,b=1,a,bb", "-o", "a,,b,c\\,d",
		"-o", "xino=no,xino=no", "/t");
	ck_assert_uint_eq(o.n_unknown, 6);
	ck_assert_str_eq(o.unknown[0], "b");
	ck_assert_str_eq(o.unknown[1], "a");
	ck_assert_str_eq(o.unknown[2], "b=1");
	ck_assert_str_eq(o.unknown[3], "bb");
	ck_assert_str_eq(o.unknown[4], "c\\,d");
	ck_assert_str_eq(o.unknown[5], "xino=no");
	options_free(&o);
}
END_TEST

static const struct {
	const char *words;
	const char *lower[4];
} lowers[] = {
	{ "lowerdir=/a", { "/a" } },
	{ "lowerdir=/a:/b:/c", { "/a", "/b", "/c" } },
	{ "lowerdir=/a\\:b:/c\\,d:/e\\\\", { "/a:b", "/c,d", "/e\\" } },
	{ "lowerdir=/a=b:/c\"d", { "/a=b", "/c\"d" } },
	{ "lowerdir=/a:/b,lowerdir=/c", { "/c" } },
	{ "lowerdir=/a,lowerdir+=/b,lowerdir+=/c:d", { "/a", "/b", "/c:d" } },
	{ "lowerdir+=/b,lowerdir=/a", { "/a" } },
	{ "lowerdir+=/a", { "/a" } },
};

START_TEST(lower_directories)
{
	for (size_t i = 0; i < ARRAY_SIZE(lowers); i++) {
		struct options o;
		size_t n = 0;

		unit_row(lowers[i].words);
		OPTLINE(&o, "-o", lowers[i].words, "/t");
		while (lowers[i].lower[n])
			n++;
		ck_assert_uint_eq(o.n_lower, n);
		for (size_t k = 0; k < n; k++)
			ck_assert_str_eq(o.lower[k], lowers[i].lower[k]);
		ck_assert_uint_eq(o.n_unknown, 0);
		options_free(&o);
	}
}
END_TEST

START_TEST(names_are_unescaped)
{
	struct options o;

	optline_words(&o, "upperdir=/u\\,1\\:2:3\\\\,workdir=/w\\,,"
			  "fsname=a\\,b,subtype=s\\,t");
	ck_assert_str_eq(o.upper, "/u,1:2:3\\");
	ck_assert_str_eq(o.work, "/w,");
	ck_assert_str_eq(o.source, "a,b");
	ck_assert_str_eq(o.subtype, "s,t");
	options_free(&o);

	optline_words(&o, "upperdir=/1,workdir=/2,upperdir=/3,workdir=/4");
	ck_assert_str_eq(o.upper, "/3");
	ck_assert_str_eq(o.work, "/4");
	options_free(&o);
}
END_TEST

START_TEST(id_mappings)
{
	struct options o;

	optline_words(&o, "uidmapping=0:10:5:100:2000:1,gidmapping=:7:8:9");
	ck_assert_uint_eq(o.uids.n, 2);
	ck_assert_uint_eq(o.uids.runs[1].disk, 100);
	ck_assert_uint_eq(o.uids.runs[1].shown, 2000);
	ck_assert_uint_eq(o.uids.runs[1].count, 1);
	ck_assert_uint_eq(o.gids.n, 1);
	ck_assert_uint_eq(o.gids.runs[0].disk, 7);
	options_free(&o);

	optline_words(&o, "uidmapping=0:10:5,uidmapping=1:2:3");
	ck_assert_uint_eq(o.uids.n, 1);
	ck_assert_uint_eq(o.uids.runs[0].disk, 1);
	ck_assert_uint_eq(o.gids.n, 0);
	options_free(&o);
}
END_TEST

static const struct {
	const char *words;
	uint32_t uid, gid;
} squashes[] = {
	{ "squash_to_root", 0, 0 },
	{ "squash_to_uid=5", 5, OPTIONS_NOID },
	{ "squash_to_gid=6", OPTIONS_NOID, 6 },
	{ "squash_to_uid=5,squash_to_gid=6", 5, 6 },
	{ "squash_to_uid=5,squash_to_root", 5, 0 },
	{ "squash_to_root,squash_to_gid=6", 0, 6 },
	{ "squash_to_uid=4294967294", 4294967294u, OPTIONS_NOID },
	{ "squash_to_uid=5,squash_to_uid=7", 7, OPTIONS_NOID },
};

START_TEST(squashing)
{
	for (size_t i = 0; i < ARRAY_SIZE(squashes); i++) {
		struct options o;

		unit_row(squashes[i].words);
		optline_words(&o, squashes[i].words);
		ck_assert_uint_eq(o.squash_uid, squashes[i].uid);
		ck_assert_uint_eq(o.squash_gid, squashes[i].gid);
		options_free(&o);
	}
}
END_TEST

static const struct {
	const char *words;
	enum options_fsync fsync;
} fsyncs[] = {
	{ "fsync=0", OPTIONS_FSYNC_NONE },
	{ "fsync=1", OPTIONS_FSYNC_DATA },
	{ "fsync=strict", OPTIONS_FSYNC_STRICT },
	{ "volatile", OPTIONS_FSYNC_NONE },
	{ "volatile,fsync=1", OPTIONS_FSYNC_DATA },
	{ "fsync=strict,volatile", OPTIONS_FSYNC_NONE },
};

START_TEST(fsync_words)
{
	for (size_t i = 0; i < ARRAY_SIZE(fsyncs); i++) {
		struct options o;

		unit_row(fsyncs[i].words);
		optline_words(&o, fsyncs[i].words);
		ck_assert_int_eq(o.fsync, fsyncs[i].fsync);
		options_free(&o);
	}
}
END_TEST

static const struct {
	const char *words;
	double seconds;
} timeouts[] = {
	{ "timeout=0", 0 },	      { "timeout=1.5", 1.5 },
	{ "timeout=500ms", 0.5 },     { "timeout=1000000000.0", 1e9 },
	{ "timeout=forever", -1 },    { "timeout=-1", -1 },
	{ "timeout=3,timeout=4", 4 },
};

START_TEST(timeout)
{
	for (size_t i = 0; i < ARRAY_SIZE(timeouts); i++) {
		struct options o;

		unit_row(timeouts[i].words);
		optline_words(&o, timeouts[i].words);
		ck_assert_double_eq(o.timeout, timeouts[i].seconds);
		options_free(&o);
	}
}
END_TEST

static const struct {
	const char *words;
	unsigned us;
} polls[] = {
	{ "busy_poll=off", 0 },	  { "busy_poll=0", 0 },
	{ "busy_poll=no", 0 },	  { "busy_poll=1", 1 },
	{ "busy_poll=250", 250 }, { "busy_poll=2ms", 2000 },
	{ "busy_poll=1ns", 1 },	  { "busy_poll=10000", 10000 },
};

START_TEST(busy_poll)
{
	for (size_t i = 0; i < ARRAY_SIZE(polls); i++) {
		struct options o;

		unit_row(polls[i].words);
		optline_words(&o, polls[i].words);
		ck_assert_uint_eq(o.busy_poll, polls[i].us);
		options_free(&o);
	}
}
END_TEST

static const struct {
	const char *words;
	uint64_t bytes;
} windows[] = {
	{ "ro", 0 },
	{ "quota-window=64M", 64 << 20 },
	{ "quota-window=16M", OPTIONS_WINDOW_MIN },
	{ "quota-window=1T", 1ull << 40 },
	{ "quota-window=64M,quota-window=off", 0 },
	{ "quota-window=64M,quota-window=0", 0 },
};

START_TEST(quota_window)
{
	for (size_t i = 0; i < ARRAY_SIZE(windows); i++) {
		struct options o;

		unit_row(windows[i].words);
		optline_words(&o, windows[i].words);
		ck_assert_uint_eq(o.quota_window, windows[i].bytes);
		options_free(&o);
	}
}
END_TEST

static const struct {
	const char *words;
	unsigned n;
} thread_rows[] = {
	{ "threads=0", 0 },
	{ "threads=auto", 0 },
	{ "threads=1", 1 },
	{ "threads=256", 256 },
	{ "max_threads=10", 10 },
	{ "threaded=0", 1 },
	{ "threaded=1", 0 },
	{ "threads=5,threaded=1", 5 },
	{ "threaded=0,threaded=1", 0 },
	{ "threads=5,threaded=0", 1 },
};

START_TEST(threads)
{
	for (size_t i = 0; i < ARRAY_SIZE(thread_rows); i++) {
		struct options o;

		unit_row(thread_rows[i].words);
		optline_words(&o, thread_rows[i].words);
		ck_assert_uint_eq(o.threads, thread_rows[i].n);
		options_free(&o);
	}
}
END_TEST

START_TEST(program_trees)
{
	struct options o;

	optline_words(&o, "program_trees=/usr/:/bin");
	ck_assert_str_eq(o.program, "/usr:/bin");
	options_free(&o);
	optline_words(&o, "program_trees=/usr,program_trees=none");
	ck_assert_str_eq(o.program, "");
	options_free(&o);
}
END_TEST

static const struct {
	const char *words, *context;
} contexts[] = {
	{ "context=a:b", "context=a:b" },
	{ "context=\"a,b\"", "context=\"a,b\"" },
	{ "context=\"\"", "context=\"\"" },
	{ "fscontext=\"a,b\",noacl,defcontext=c",
	  "fscontext=\"a,b\",defcontext=c" },
	{ "rootcontext=\"x,y,z\",,", "rootcontext=\"x,y,z\"" },
	{ "context=\"a,b\"c\\,d", "context=\"a,b\"c\\,d" },
};

START_TEST(security_contexts)
{
	for (size_t i = 0; i < ARRAY_SIZE(contexts); i++) {
		struct options o;

		unit_row(contexts[i].words);
		optline_words(&o, contexts[i].words);
		ck_assert_str_eq(o.context, contexts[i].context);
		ck_assert_uint_eq(o.n_unknown, 0);
		options_free(&o);
	}
}
END_TEST

START_TEST(quotes_elsewhere_mean_nothing)
{
	struct options o;

	optline_words(&o, "upperdir=/\"u,workdir=\"/w,fsname=\"a,b\"");
	ck_assert_str_eq(o.upper, "/\"u");
	ck_assert_str_eq(o.work, "\"/w");
	ck_assert_str_eq(o.source, "\"a");
	ck_assert_uint_eq(o.n_unknown, 1);
	ck_assert_str_eq(o.unknown[0], "b\"");
	options_free(&o);
}
END_TEST

Suite *test_optword_suite(void)
{
	Suite *s = suite_create("optword");
	TCase *words = tcase_create("optword");

	tcase_add_test(words, switches_are_set);
	tcase_add_test(words, silent_words);
	tcase_add_test(words, words_follow_one_another);
	tcase_add_test(words, an_unknown_value_changes_nothing);
	tcase_add_test(words, unknown_words);
	tcase_add_test(words, unknown_words_are_told_once);
	tcase_add_test(words, lower_directories);
	tcase_add_test(words, names_are_unescaped);
	tcase_add_test(words, id_mappings);
	tcase_add_test(words, squashing);
	tcase_add_test(words, fsync_words);
	tcase_add_test(words, timeout);
	tcase_add_test(words, busy_poll);
	tcase_add_test(words, quota_window);
	tcase_add_test(words, threads);
	tcase_add_test(words, program_trees);
	tcase_add_test(words, security_contexts);
	tcase_add_test(words, quotes_elsewhere_mean_nothing);
	suite_add_tcase(s, words);
	return s;
}
