/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/unit.h"

#include <string.h>

#include "fs/base/cleanup.h"
#include "fs/base/strbuf.h"
#include "tests/unit/optline.h"

/* ---- whole command lines ---- */

START_TEST(the_least_there_is)
{
	struct options o;

	OPTLINE(&o, "-o", "lowerdir=/l", "/t");
	ck_assert_uint_eq(o.n_lower, 1);
	ck_assert_str_eq(o.lower[0], "/l");
	ck_assert_ptr_null(o.upper);
	ck_assert_ptr_null(o.work);
	ck_assert_str_eq(o.target, "/t");
	ck_assert_str_eq(o.source, "vefs");
	ck_assert_str_eq(o.subtype, "vefs");
	ck_assert_ptr_null(o.program);
	ck_assert_ptr_null(o.context);
	ck_assert_uint_eq(o.uids.n, 0);
	ck_assert_uint_eq(o.gids.n, 0);
	ck_assert_uint_eq(o.squash_uid, OPTIONS_NOID);
	ck_assert_uint_eq(o.squash_gid, OPTIONS_NOID);
	ck_assert_int_eq(o.fsync, OPTIONS_FSYNC_DATA);
	ck_assert_double_lt(o.timeout, 0);
	ck_assert_uint_eq(o.busy_poll, OPTIONS_BUSY_POLL);
	ck_assert_uint_eq(o.threads, 0);
	ck_assert(o.readonly && o.suid && o.dev && o.exec && o.passthrough);
	ck_assert(o.follow);
	ck_assert(o.redirect_dir);
	ck_assert(!o.noacl && !o.noxattrs && !o.noatime && !o.allow_other);
	ck_assert(!o.userxattr && !o.xattr_permissions && !o.foreground);
	ck_assert(!o.debug && !o.help && !o.version);
	ck_assert_uint_eq(o.n_unknown, 0);
	options_free(&o);
	optline_check_empty(&o);
	options_free(&o);
}
END_TEST

START_TEST(podman_with_an_upper)
{
	struct options o;

	OPTLINE(&o, "-o",
		"lowerdir=/r/overlay/l/ID1:/r/overlay/l/ID2,upperdir=/r/diff,"
		"workdir=/r/work,,volatile,uidmapping=:0:100000:65536,"
		"gidmapping=:0:100000:65536,"
		"context=\"system_u:object_r:t:s0:c1,c2\",private",
		"/r/merged");
	ck_assert_uint_eq(o.n_lower, 2);
	ck_assert_str_eq(o.lower[1], "/r/overlay/l/ID2");
	ck_assert_str_eq(o.upper, "/r/diff");
	ck_assert_str_eq(o.work, "/r/work");
	ck_assert_int_eq(o.fsync, OPTIONS_FSYNC_NONE);
	ck_assert_uint_eq(o.uids.n, 1);
	ck_assert_uint_eq(o.gids.runs[0].shown, 100000);
	ck_assert_uint_eq(o.gids.runs[0].count, 65536);
	ck_assert_str_eq(o.context, "context=\"system_u:object_r:t:s0:c1,c2\"");
	ck_assert_uint_eq(o.n_unknown, 1);
	ck_assert_str_eq(o.unknown[0], "private");
	ck_assert_str_eq(o.target, "/r/merged");
	ck_assert(!o.readonly);
	options_free(&o);
}
END_TEST

START_TEST(podman_read_only)
{
	struct options o;

	OPTLINE(&o, "-o", "lowerdir=/r/diff:/r/empty", "/r/merged");
	ck_assert_uint_eq(o.n_lower, 2);
	ck_assert(o.readonly);
	options_free(&o);
}
END_TEST

START_TEST(containerd)
{
	struct options o;

	OPTLINE(&o, "overlay", "/run/t", "-o", "workdir=/w", "-o",
		"upperdir=/u", "-o", "lowerdir=/a:/b", "-t", "fuse.peer");
	ck_assert_str_eq(o.source, "overlay");
	ck_assert_str_eq(o.target, "/run/t");
	ck_assert_str_eq(o.subtype, "peer");
	ck_assert_str_eq(o.upper, "/u");
	ck_assert_str_eq(o.work, "/w");
	ck_assert_uint_eq(o.n_lower, 2);
	ck_assert_uint_eq(o.n_unknown, 0);
	options_free(&o);
}
END_TEST

START_TEST(mount8)
{
	struct options o;

	OPTLINE(&o, "spec", "/t", "-n", "-s", "-v", "-o",
		"rw,nosuid,nodev,lowerdir=/l,upperdir=/u,workdir=/w");
	ck_assert_str_eq(o.source, "spec");
	ck_assert(!o.readonly && !o.suid && !o.dev && o.exec);
	ck_assert_uint_eq(o.n_unknown, 0);
	options_free(&o);

	OPTLINE(&o, "-nsv", "-rolowerdir=/l,upperdir=/u,workdir=/w", "/t");
	ck_assert(o.readonly);
	ck_assert_str_eq(o.upper, "/u");
	options_free(&o);

	OPTLINE(&o, "-r", "-olowerdir=/l,upperdir=/u,workdir=/w", "-w", "/t");
	ck_assert(!o.readonly);
	options_free(&o);
}
END_TEST

START_TEST(letters_may_stand_together)
{
	static const char *const letters[] = { "-nf", "-sf", "-vf", "-rf",
					       "-wf", "-df", "-ff" };

	for (size_t i = 0; i < ARRAY_SIZE(letters); i++) {
		struct options o;

		unit_row(letters[i]);
		OPTLINE(&o, letters[i], "-nolowerdir=/l", "/t");
		ck_assert(o.foreground);
		options_free(&o);
	}
}
END_TEST

START_TEST(options_may_come_last_or_in_between)
{
	struct options o;

	OPTLINE(&o, "a", "-o", "lowerdir=/l", "b", "-f");
	ck_assert_str_eq(o.source, "a");
	ck_assert_str_eq(o.target, "b");
	ck_assert(o.foreground);
	options_free(&o);
}
END_TEST

START_TEST(two_dashes_end_the_options)
{
	struct options o;

	OPTLINE(&o, "-o", "lowerdir=/l", "--", "-f");
	ck_assert_str_eq(o.target, "-f");
	ck_assert(!o.foreground);
	options_free(&o);

	OPTLINE(&o, "-olowerdir=/l", "--", "--", "-");
	ck_assert_str_eq(o.source, "--");
	ck_assert_str_eq(o.target, "-");
	options_free(&o);
}
END_TEST

START_TEST(long_flags)
{
	struct options o;

	OPTLINE(&o, "--options=lowerdir=/l", "--foreground", "--types",
		"fuse.x", "/t");
	ck_assert(o.foreground && !o.debug);
	ck_assert_str_eq(o.subtype, "x");
	options_free(&o);

	OPTLINE(&o, "--debug", "--options", "lowerdir=/l", "/t");
	ck_assert(o.foreground && o.debug);
	options_free(&o);
}
END_TEST

START_TEST(debug_stays_in_the_foreground)
{
	struct options o;

	OPTLINE(&o, "-d", "-olowerdir=/l", "/t");
	ck_assert(o.foreground && o.debug);
	options_free(&o);
	optline_words(&o, "debug");
	ck_assert(o.foreground && o.debug);
	options_free(&o);
}
END_TEST

static const struct {
	struct optline line;
	bool help, version;
} asking[] = {
	{ { { "-h" } }, true, false },
	{ { { "--help" } }, true, false },
	{ { { "-V" } }, false, true },
	{ { { "--version" } }, false, true },
	{ { { "-hV" } }, true, true },
	{ { { "-f", "-V" } }, false, true },
	{ { { "--nonsense", "-o", "ro=1", "a", "b", "c", "-h" } }, true, false },
	{ { { "-o", "lowerdir=/l,what", "/t", "--help" } }, true, false },
};

START_TEST(help_and_version_win)
{
	for (size_t i = 0; i < ARRAY_SIZE(asking); i++) {
		char err[100] = "unset";
		struct options o;

		unit_row(asking[i].line.args[0]);
		ck_assert_int_eq(optline_parse(&o, &asking[i].line, err,
					       sizeof(err)),
				 0);
		ck_assert_str_eq(err, "");
		ck_assert_int_eq(o.help, asking[i].help);
		ck_assert_int_eq(o.version, asking[i].version);
		o.help = o.version = false;
		optline_check_empty(&o);
	}
}
END_TEST

static const struct {
	struct optline line;
	const char *source, *target, *subtype;
} names[] = {
	{ { { "-olowerdir=/l", "/t" } }, "vefs", "/t", "vefs" },
	{ { { "-olowerdir=/l", "s", "/t" } }, "s", "/t", "vefs" },
	{ { { "-olowerdir=/l", "", "/t" } }, "vefs", "/t", "vefs" },
	{ { { "-olowerdir=/l,source=o", "s", "/t" } }, "o", "/t", "vefs" },
	{ { { "-olowerdir=/l,fsname=f,source=o", "s", "/t" } },
	  "f",
	  "/t",
	  "vefs" },
	{ { { "-olowerdir=/l,fsname=f,fsname=g", "/t" } }, "g", "/t", "vefs" },
	{ { { "-olowerdir=/l,mountpoint=/m" } }, "vefs", "/m", "vefs" },
	{ { { "-olowerdir=/l,mountpoint=/m", "/t" } }, "vefs", "/t", "vefs" },
	{ { { "-olowerdir=/l", "-tfuse.n", "/t" } }, "vefs", "/t", "n" },
	{ { { "-olowerdir=/l", "-t", "n", "/t" } }, "vefs", "/t", "n" },
	{ { { "-olowerdir=/l", "-tfuse", "/t" } }, "vefs", "/t", "vefs" },
	{ { { "-olowerdir=/l", "-tfuse3", "/t" } }, "vefs", "/t", "vefs" },
	{ { { "-olowerdir=/l", "-tfuse.a", "-tfuse.b", "/t" } },
	  "vefs",
	  "/t",
	  "b" },
	{ { { "-olowerdir=/l,subtype=z", "-tfuse.n", "/t" } },
	  "vefs",
	  "/t",
	  "z" },
};

START_TEST(source_target_and_subtype)
{
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct options o;

		unit_row(names[i].line.args[0]);
		optline_must(&o, &names[i].line);
		ck_assert_str_eq(o.source, names[i].source);
		ck_assert_str_eq(o.target, names[i].target);
		ck_assert_str_eq(o.subtype, names[i].subtype);
		options_free(&o);
	}
}
END_TEST

/* ---- errors ---- */

static const struct {
	struct optline line;
	const char *says[3];
} errors[] = {
	/* the command line as a whole */
	{ { { NULL } }, { "no mount point" } },
	{ { { "-o", "lowerdir=/l" } }, { "no mount point" } },
	{ { { "-o", "lowerdir=/l", "" } }, { "no mount point" } },
	{ { { "/t" } }, { "lowerdir is missing", "lowerdir=DIR" } },
	{ { { "-o", "", "/t" } }, { "lowerdir is missing" } },
	{ { { "-o", "upperdir=/u,workdir=/w", "/t" } },
	  { "lowerdir is missing" } },
	{ { { "-olowerdir=/l,workdir=/w", "/t" } },
	  { "workdir=/w without upperdir", "upperdir=DIR", "read-only" } },
	{ { { "-olowerdir=/l,upperdir=/u", "/t" } },
	  { "upperdir=/u without workdir", "workdir=DIR" } },
	{ { { "-olowerdir=/l", "a", "b", "c" } }, { "c: ", "too many" } },
	{ { { "-olowerdir=/l", "/t", "-x" } }, { "flag -x", "--help" } },
	{ { { "-olowerdir=/l", "/t", "-fx" } }, { "flag -x", "--help" } },
	{ { { "-olowerdir=/l", "/t", "--ex" } }, { "flag --ex", "--help" } },
	{ { { "-olowerdir=/l", "/t", "--debug=1" } },
	  { "--debug=1", "without a value" } },
	{ { { "/t", "-o" } }, { "-o needs OPT" } },
	{ { { "/t", "-fo" } }, { "-o needs OPT" } },
	{ { { "/t", "--options" } }, { "-o needs OPT" } },
	{ { { "/t", "-t" } }, { "-t needs fuse.NAME" } },
	{ { { "/t", "-t", "fuse." } }, { "-t fuse.", "fuse.NAME" } },
	{ { { "/t", "-t", "" } }, { "fuse.NAME" } },
	{ { { "-oremount,lowerdir=/l", "/t" } }, { "remount", "mount -i" } },

	/* words */
	{ { { "-olowerdir", "/t" } }, { "lowerdir needs", "lowerdir=DIR" } },
	{ { { "-olowerdir=", "/t" } }, { "lowerdir needs", "lowerdir=DIR" } },
	{ { { "-olowerdir=/a::/b", "/t" } },
	  { "lowerdir=/a::/b", "empty", "\\:" } },
	{ { { "-olowerdir=/a:", "/t" } }, { "lowerdir=/a:", "empty" } },
	{ { { "-olowerdir=:/a", "/t" } }, { "lowerdir=:/a", "empty" } },
	{ { { "-olowerdir+=", "/t" } }, { "lowerdir+ needs" } },
	{ { { "-oupperdir=", "/t" } }, { "upperdir needs", "upperdir=DIR" } },
	{ { { "-oworkdir", "/t" } }, { "workdir needs", "workdir=DIR" } },
	{ { { "-ofsname=", "/t" } }, { "fsname needs" } },
	{ { { "-osource=", "/t" } }, { "source needs" } },
	{ { { "-osubtype=", "/t" } }, { "subtype needs" } },
	{ { { "-omountpoint=", "/t" } }, { "mountpoint needs" } },
	{ { { "-ocontext=", "/t" } }, { "context needs" } },
	{ { { "-ocontext=\"a,b", "/t" } }, { "context=\"a,b", "quotes" } },
	{ { { "-oro,rootcontext=\"", "/t" } }, { "rootcontext", "quotes" } },
	{ { { "-ouidmapping=0:1", "/t" } },
	  { "uidmapping=0:1", "threes", "DISK:SHOWN:COUNT" } },
	{ { { "-ogidmapping=0:0:5:3:9:1", "/t" } },
	  { "gidmapping=0:0:5:3:9:1", "on disk" } },
	{ { { "-osquash_to_root=1", "/t" } },
	  { "squash_to_root=1", "without a value" } },
	{ { { "-osquash_to_uid=root", "/t" } }, { "squash_to_uid=root" } },
	{ { { "-osquash_to_uid=-1", "/t" } }, { "squash_to_uid=-1" } },
	{ { { "-osquash_to_gid=4294967295", "/t" } },
	  { "squash_to_gid=4294967295" } },
	{ { { "-oxattr_permissions=1", "/t" } },
	  { "xattr_permissions=1", "=2" } },
	{ { { "-oquota-enforce=kernel", "/t" } },
	  { "quota-enforce=kernel", "=host" } },
	{ { { "-olowerdir=/l,quota-enforce=host", "/t" } },
	  { "quota-enforce=host without quota", "quota=FILE" } },
	{ { { "-onoxattrs=2", "/t" } }, { "noxattrs=2", "0 or =1" } },
	{ { { "-ofsync=2", "/t" } }, { "fsync=2", "strict" } },
	{ { { "-ofsync", "/t" } }, { "fsync needs" } },
	{ { { "-otimeout=soon", "/t" } }, { "timeout=soon", "SECONDS" } },
	{ { { "-otimeout=-2", "/t" } }, { "timeout=-2", "forever" } },
	{ { { "-otimeout=1e30", "/t" } }, { "timeout=1e30" } },
	{ { { "-obusy_poll=10001", "/t" } }, { "busy_poll=10001", "10000" } },
	{ { { "-obusy_poll=on", "/t" } }, { "busy_poll=on", "off" } },
	{ { { "-obusy_poll=1d", "/t" } }, { "busy_poll=1d" } },
	{ { { "-oquota-window=1M", "/t" } }, { "quota-window=1M", "16M" } },
	{ { { "-oquota-window=x", "/t" } }, { "quota-window=x", "16M" } },
	{ { { "-oquota-window", "/t" } }, { "quota-window needs" } },
	{ { { "-othreads=257", "/t" } }, { "threads=257", "256" } },
	{ { { "-othreads=-1", "/t" } }, { "threads=-1" } },
	{ { { "-othreaded=2", "/t" } }, { "threaded=2", "0 or =1" } },
	{ { { "-opassthrough=maybe", "/t" } },
	  { "passthrough=maybe", "on or =off" } },
	{ { { "-opassthrough", "/t" } }, { "passthrough needs" } },
	{ { { "-oprogram_trees=usr", "/t" } },
	  { "program_trees=usr", "absolute", "none" } },
	{ { { "-oprogram_trees=", "/t" } }, { "program_trees needs" } },
	{ { { "-ovolatile=1", "/t" } }, { "volatile=1", "without a value" } },
	{ { { "-onosuid=", "/t" } }, { "nosuid=", "without a value" } },
	{ { { "-oro=1,rw", "/t" } }, { "ro=1: write" } },
	{ { { "-oindex=", "/t" } }, { "index needs", "on|off" } },

	/* the first one is told */
	{ { { "-ofsync=2", "-othreads=x", "-z" } }, { "fsync=2" } },
	{ { { "-z", "-ofsync=2" } }, { "flag -z" } },
};

START_TEST(errors_name_the_thing_and_the_way_out)
{
	for (size_t i = 0; i < ARRAY_SIZE(errors); i++) {
		char err[512] = "unset";
		struct options o;

		unit_row(errors[i].line.args[0]);
		ck_assert_int_eq(optline_parse(&o, &errors[i].line, err,
					       sizeof(err)),
				 -EINVAL);
		for (size_t k = 0; k < 3 && errors[i].says[k]; k++)
			ck_assert_msg(strstr(err, errors[i].says[k]),
				      "\"%s\" is not in: %s", errors[i].says[k],
				      err);
		ck_assert_ptr_null(strstr(err, "(null)"));
		ck_assert_ptr_null(strchr(err, '\n'));
		optline_check_empty(&o);
	}
}
END_TEST

START_TEST(a_message_is_cut_to_its_room)
{
	static const struct optline line = { { "-ofsync=something", "/t" } };
	struct options o;
	char err[9] = "unset";

	ck_assert_int_eq(optline_parse(&o, &line, err, 8), -EINVAL);
	ck_assert_str_eq(err, "fsync=s");
	err[0] = 'x';
	ck_assert_int_eq(optline_parse(&o, &line, err, 0), -EINVAL);
	ck_assert_int_eq(err[0], 'x');
	ck_assert_int_eq(optline_parse(&o, &line, NULL, 0), -EINVAL);
}
END_TEST

START_TEST(no_arguments_at_all)
{
	struct options o;
	char err[100];

	ck_assert_int_eq(options_parse(&o, 0, (char *[]){ NULL }, err,
				       sizeof(err)),
			 -EINVAL);
	optline_check_empty(&o);
}
END_TEST

/* Whatever --help names is understood. */
START_TEST(usage_tells_the_truth)
{
	static const char *const told[] = {
		"lowerdir=",	  "upperdir=",
		"workdir=",	  "uidmapping=",
		"gidmapping=",	  "squash_to_root",
		"squash_to_uid=", "squash_to_gid=",
		"noacl",	  "noxattrs",
		"userxattr",	  "xattr_permissions=2",
		"allow_other",	  "ro",
		"nosuid",	  "nodev",
		"noexec",	  "noatime",
		"context=",	  "fscontext=",
		"defcontext=",	  "rootcontext=",
		"fsync=",	  "volatile",
		"timeout=",	  "busy_poll=",
		"threads=",	  "passthrough=",
		"follow=",	  "quota=",
		"quota-window=",  "program_trees=",
		"fsname=",	  "subtype=",
	};
	const char *usage = options_usage();

	for (size_t i = 0; i < ARRAY_SIZE(told); i++) {
		struct optline l = { { "-o", told[i], "-o", "lowerdir=/l",
				       "/t" } };
		char err[200];
		struct options o;

		ck_assert_msg(strstr(usage, told[i]), "%s", told[i]);
		if (!optline_parse(&o, &l, err, sizeof(err)))
			ck_assert_uint_eq(o.n_unknown, 0);
		else
			ck_assert_msg(strstr(err, "needs a value"), "%s", err);
		options_free(&o);
	}
	for (const char *s = usage; *s; s += strcspn(s, "\n") + 1)
		ck_assert_uint_le(strcspn(s, "\n"), 79);
}
END_TEST

Suite *test_options_suite(void)
{
	Suite *s = suite_create("options");
	TCase *lines = tcase_create("lines");
	TCase *wrong = tcase_create("errors");

	tcase_add_test(lines, the_least_there_is);
	tcase_add_test(lines, podman_with_an_upper);
	tcase_add_test(lines, podman_read_only);
	tcase_add_test(lines, containerd);
	tcase_add_test(lines, mount8);
	tcase_add_test(lines, letters_may_stand_together);
	tcase_add_test(lines, options_may_come_last_or_in_between);
	tcase_add_test(lines, two_dashes_end_the_options);
	tcase_add_test(lines, long_flags);
	tcase_add_test(lines, debug_stays_in_the_foreground);
	tcase_add_test(lines, help_and_version_win);
	tcase_add_test(lines, source_target_and_subtype);
	suite_add_tcase(s, lines);

	tcase_add_test(wrong, errors_name_the_thing_and_the_way_out);
	tcase_add_test(wrong, a_message_is_cut_to_its_room);
	tcase_add_test(wrong, no_arguments_at_all);
	tcase_add_test(wrong, usage_tells_the_truth);
	suite_add_tcase(s, wrong);
	return s;
}
