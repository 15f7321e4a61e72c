/* SPDX-License-Identifier: GPL-2.0-or-later */
/* templates: catalog, staging, gc, import of directories */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fs/base/cleanup.h"
#include "fs/base/fdio.h"
#include "fs/base/smallfile.h"
#include "templates/catalogchange.h"
#include "templates/gc.h"
#include "templates/import.h"
#include "templates/index.h"
#include "templates/staging.h"
#include "templates/verify.h"

struct bench {
	char path[UNIT_PATH_MAX], source[UNIT_PATH_MAX + 16],
		root[UNIT_PATH_MAX + 16];
	int top;
	struct catalog *c;
	struct why why;
};

static void set_up(struct bench *b)
{
	int fd;

	b->top = unit_tmpdir(b->path);
	b->why.text[0] = '\0';
	snprintf(b->root, sizeof(b->root), "%s/store", b->path);
	snprintf(b->source, sizeof(b->source), "%s/src", b->path);
	ck_assert_int_eq(mkdir(b->source, 0755), 0);
	fd = openat(b->top, "src/file", O_CREAT | O_WRONLY, 0644);
	ck_assert_int_eq(write(fd, "content", 7), 7);
	close(fd);
	ck_assert_int_eq(catalog_open(b->root, true, &b->c, &b->why), 0);
}

static void tear_down(struct bench *b)
{
	catalog_free(b->c);
	close(b->top);
}

static struct catalog_id id_of(const char *spec)
{
	struct catalog_id id;

	ck_assert_int_eq(catalog_parse(spec, &id, NULL), 0);
	return id;
}

static int import(struct bench *b, const char *spec)
{
	struct import_options o = { .source = b->source, .no_sync = true };
	struct catalog_id id = id_of(spec);
	struct seal seal;

	b->why.text[0] = '\0';
	return import_run(b->c, &id, &o, &seal, NULL, &b->why);
}

static void good_import(struct bench *b, const char *spec)
{
	int r = import(b, spec);

	ck_assert_msg(r == 0, "%s: %d %s", spec, r, b->why.text);
}

static size_t versions(struct bench *b)
{
	_cleanup_free_ struct catalog_version *v = NULL;
	size_t n;

	ck_assert_int_eq(catalog_list(b->c, &v, &n, &b->why), 0);
	return n;
}

static int dir_entries(struct bench *b, const char *name)
{
	_cleanup_closedir_ DIR *d = NULL;
	int n = -2;

	d = fdopendir(fdio_open_beneath(b->top, name, O_RDONLY));
	ck_assert_ptr_nonnull(d);
	while (readdir(d))
		n++;
	return n;
}

START_TEST(the_reason_has_room_behind_any_path)
{
	char path[2000];
	struct why why = { "" };

	memset(path, 'd', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	ck_assert_int_eq(why_sys(&why, -ENOENT, "%s", path), -ENOENT);
	ck_assert_ptr_nonnull(strstr(why.text, "ddd...: No such file"));
	why.text[0] = '\0';
	why_sys(&why, -ENOENT, "short");
	ck_assert_str_eq(why.text, "short: No such file or directory");
}
END_TEST

START_TEST(names)
{
	static const char *const bad[] = {
		"",	 ":",	"a:",  ":a", ".a",  "-a",  "a/b",
		"a:b:c", "a b", "a\n", "..", "a:.", "a:/", "\303\244",
	};
	struct catalog_id id;
	struct why why = { "" };
	char name[CATALOG_NAME_MAX + 2];

	ck_assert_int_eq(catalog_parse("debian-12.1+x_y:1.0-2", &id, &why), 0);
	ck_assert_str_eq(id.name, "debian-12.1+x_y");
	ck_assert_str_eq(id.version, "1.0-2");
	ck_assert_int_eq(catalog_parse("9", &id, &why), 0);
	ck_assert_str_eq(id.version, "");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		unit_row(bad[i]);
		ck_assert_int_eq(catalog_parse(bad[i], &id, &why), -EINVAL);
	}
	memset(name, 'n', sizeof(name));
	name[CATALOG_NAME_MAX + 1] = '\0';
	ck_assert_int_eq(catalog_parse(name, &id, &why), -EINVAL);
	name[CATALOG_NAME_MAX] = '\0';
	ck_assert_int_eq(catalog_parse(name, &id, &why), 0);
}
END_TEST

START_TEST(opening)
{
	struct catalog *c = NULL;
	char other[UNIT_PATH_MAX + 16];
	struct bench b;
	size_t fds;

	set_up(&b);
	fds = unit_count_fds();
	ck_assert_int_eq(catalog_open(b.source, false, &c, &b.why), -ENOENT);
	b.why.text[0] = '\0';
	ck_assert_int_eq(catalog_open(b.source, true, &c, &b.why), -EINVAL);
	ck_assert_ptr_nonnull(strstr(b.why.text, "'file'"));
	snprintf(other, sizeof(other), "%s/a/b/c", b.path);
	ck_assert_int_eq(catalog_open(other, false, &c, NULL), -ENOENT);
	ck_assert_int_eq(catalog_open(other, true, &c, NULL), 0);
	catalog_free(c);
	ck_assert_int_eq(smallfile_write(catalog_dir(b.c), "version",
					 "vefs-store 2\n"),
			 0);
	ck_assert_int_eq(catalog_open(b.root, true, &c, NULL),
			 -EPROTONOSUPPORT);
	ck_assert_int_eq(smallfile_write(catalog_dir(b.c), "version", "hm\n"),
			 0);
	ck_assert_int_eq(catalog_open(b.root, true, &c, NULL), -EINVAL);
	ck_assert_uint_eq(unit_count_fds(), fds);
	tear_down(&b);
}
END_TEST

START_TEST(add_find_rename_remove)
{
	struct catalog_id id = id_of("t"), to = id_of("u:x");
	struct catalog_version v;
	struct bench b;

	set_up(&b);
	ck_assert_int_eq(catalog_find(b.c, &id, &v, NULL), -ENOENT);
	good_import(&b, "t");
	good_import(&b, "t:b");
	good_import(&b, "t:a");
	ck_assert_int_eq(import(&b, "t:a"), -EEXIST);
	ck_assert_int_eq(dir_entries(&b, "store/staging"), 0);
	ck_assert_int_eq(catalog_find(b.c, &id, &v, NULL), 0);
	ck_assert_str_eq(v.id.version, "a");
	ck_assert_uint_eq(v.seal.serial, 3);
	ck_assert_int_eq(catalogchange_rename(b.c, &id, &to, NULL, NULL),
			 -EINVAL);
	id = id_of("t:b");
	ck_assert_int_eq(catalogchange_rename(b.c, &id, &to, NULL, NULL), 0);
	ck_assert_int_eq(catalog_find(b.c, &id, &v, NULL), -ENOENT);
	ck_assert_int_eq(catalog_find(b.c, &to, &v, NULL), 0);
	ck_assert_uint_eq(v.seal.serial, 2);
	ck_assert_int_eq(catalogchange_rename(b.c, &id, &to, NULL, NULL),
			 -ENOENT);
	ck_assert_uint_eq(versions(&b), 3);
	ck_assert_int_eq(catalogchange_remove(b.c, &to, NULL, NULL), 0);
	ck_assert_int_eq(catalogchange_remove(b.c, &to, NULL, NULL), -ENOENT);
	ck_assert_uint_eq(versions(&b), 2);
	ck_assert_int_eq(dir_entries(&b, "store/templates"), 1);
	ck_assert_int_eq(dir_entries(&b, "store/staging"), 0);
	tear_down(&b);
}
END_TEST

static int one_user(void *ctx, const struct catalog_id *id,
		    char one[CATALOG_NAME_MAX + 1])
{
	ck_assert_str_eq(id->name, "t");
	snprintf(one, CATALOG_NAME_MAX + 1, "container 101");
	return *(int *)ctx;
}

START_TEST(in_use)
{
	struct catalog_id id = id_of("t:1"), to = id_of("x:1");
	int users = 1, fd;
	struct catalogchange_users u = { one_user, &users };
	struct bench b;

	set_up(&b);
	good_import(&b, "t:1");
	ck_assert_int_eq(catalogchange_remove(b.c, &id, &u, &b.why), -EBUSY);
	ck_assert_ptr_nonnull(strstr(b.why.text, "container 101"));
	ck_assert_int_eq(catalogchange_rename(b.c, &id, &to, &u, NULL), -EBUSY);
	users = 0;
	fd = catalog_hold(b.c, &id, NULL);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(catalogchange_remove(b.c, &id, &u, NULL), -EBUSY);
	ck_assert_int_eq(catalogchange_rename(b.c, &id, &to, &u, NULL), -EBUSY);
	close(fd);
	ck_assert_int_eq(catalogchange_remove(b.c, &id, &u, NULL), 0);
	ck_assert_int_eq(catalog_hold(b.c, &id, NULL), -ENOENT);
	tear_down(&b);
}
END_TEST

START_TEST(leftovers_of_the_dead)
{
	struct staging s, mine;
	struct bench b;
	pid_t pid;
	int status;

	set_up(&b);
	ck_assert_int_eq(staging_new(b.c, &mine, NULL), 0);
	pid = fork();
	if (pid == 0)
		_exit(staging_new(b.c, &s, NULL) < 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	ck_assert_int_eq(dir_entries(&b, "store/staging"), 2);
	ck_assert_int_eq(staging_sweep(b.c, NULL), 1);
	ck_assert_int_eq(dir_entries(&b, "store/staging"), 1);
	staging_free(b.c, &mine);
	ck_assert_int_eq(dir_entries(&b, "store/staging"), 0);
	staging_free(b.c, &mine);
	tear_down(&b);
}
END_TEST

/* ---- gc ------------------------------------------------------------------ */

static struct gc_result collect(struct bench *b)
{
	const struct gc_options o = { .dry = false };
	struct gc_result res;
	int r = gc_run(b->c, &o, &res, &b->why);

	ck_assert_msg(r == 0, "%d %s", r, b->why.text);
	return res;
}

static struct object_put put_by(struct bench *b, const struct staging *s,
				const char *text)
{
	struct object_pool pool = staging_pool(b->c, s);
	struct object_writer *w = object_writer_new(&pool);
	struct object_put p;

	ck_assert_int_eq(object_put(w, text, strlen(text), false, &p), 0);
	object_writer_free(w);
	return p;
}

/* What a living import has put or found stays; with it gone, it goes. */
START_TEST(gc_and_a_living_import)
{
	struct staging early, late;
	struct object_put a, old;
	struct gc_result r;
	struct bench b;

	set_up(&b);
	ck_assert_int_eq(staging_new(b.c, &early, NULL), 0);
	old = put_by(&b, &early, "found again");
	staging_free(b.c, &early);

	ck_assert_int_eq(staging_new(b.c, &early, NULL), 0);
	a = put_by(&b, &early, "mine");
	r = collect(&b);
	ck_assert_uint_eq(r.freed, 0);
	ck_assert_uint_eq(r.young, 2);
	ck_assert_int_eq(staging_new(b.c, &late, NULL), 0);
	ck_assert_uint_gt(late.epoch, early.epoch);
	ck_assert(put_by(&b, &late, "found again").shared);
	staging_free(b.c, &early);
	r = collect(&b);
	ck_assert_uint_eq(r.freed, 1);
	ck_assert_int_eq(
		object_verify(
			&(struct object_pool){ .dir = catalog_pool(b.c).dir },
			&a.id, 4),
		-ENOENT);
	ck_assert_int_eq(
		object_verify(
			&(struct object_pool){ .dir = catalog_pool(b.c).dir },
			&old.id, 11),
		0);
	staging_free(b.c, &late);
	r = collect(&b);
	ck_assert_uint_eq(r.freed, 1);
	tear_down(&b);
}
END_TEST

/* One that has not said its epoch yet: nothing is freed. */
START_TEST(gc_and_an_import_that_begins)
{
	struct gc_result r;
	struct staging s;
	struct bench b;

	set_up(&b);
	ck_assert_int_eq(staging_new(b.c, &s, NULL), 0);
	put_by(&b, &s, "left");
	staging_free(b.c, &s);
	ck_assert_int_eq(staging_new(b.c, &s, NULL), 0);
	ck_assert_int_eq(unlinkat(s.dir, "epoch", 0), 0);
	r = collect(&b);
	ck_assert_uint_eq(r.freed, 0);
	staging_free(b.c, &s);
	r = collect(&b);
	ck_assert_uint_eq(r.freed, 1);
	tear_down(&b);
}
END_TEST

START_TEST(gc_keeps_what_versions_hold)
{
	struct catalog_id id = id_of("t:1");
	const struct gc_options dry = { .dry = true };
	struct gc_result r;
	struct bench b;

	set_up(&b);
	good_import(&b, "t:1");
	good_import(&b, "u:1");
	collect(&b);
	r = collect(&b);
	ck_assert_uint_eq(r.kept, 1);
	ck_assert_uint_eq(r.freed, 0);
	ck_assert_int_eq(catalogchange_remove(b.c, &id, NULL, NULL), 0);
	r = collect(&b);
	ck_assert_uint_eq(r.kept, 1);
	id = id_of("u:1");
	ck_assert_int_eq(catalogchange_remove(b.c, &id, NULL, NULL), 0);
	ck_assert_int_eq(gc_run(b.c, &dry, &r, NULL), 0);
	ck_assert_uint_eq(r.freed, 1);
	r = collect(&b);
	ck_assert_uint_eq(r.freed, 1);
	tear_down(&b);
}
END_TEST

/*
 * umount(2) returns before the daemon that held the version has ended: who
 * removes or renames it then is not told that it is in use.
 */
START_TEST(the_end_is_waited_for)
{
	const struct timespec pause = { .tv_nsec = 100 * 1000 * 1000 };
	struct catalog_id id = id_of("t:1"), to = id_of("u:1");
	struct bench b;

	set_up(&b);
	good_import(&b, "t:1");
	for (int renamed = 0; renamed < 2; renamed++) {
		int fd = catalog_hold(b.c, renamed ? &to : &id, NULL), status;
		pid_t pid;

		ck_assert_int_ge(fd, 0);
		pid = fork();
		if (pid == 0) {
			nanosleep(&pause, NULL);
			_exit(0);
		}
		close(fd);
		ck_assert_int_gt(pid, 0);
		if (renamed)
			ck_assert_int_eq(
				catalogchange_remove(b.c, &to, NULL, NULL), 0);
		else
			ck_assert_int_eq(catalogchange_rename(b.c, &id, &to,
							      NULL, NULL),
					 0);
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	}
	tear_down(&b);
}
END_TEST

START_TEST(gc_does_not_guess)
{
	const struct gc_options o = { .dry = false };
	struct catalog_id id = id_of("t:1");
	struct gc_result r;
	struct bench b;
	int fd;

	set_up(&b);
	good_import(&b, "t:1");
	fd = fdio_open_beneath(b.top, "store/templates/t/1/index.mdb", O_RDWR);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pwrite(fd, "damage", 6, 9000), 6);
	close(fd);
	b.why.text[0] = '\0';
	ck_assert_int_eq(gc_run(b.c, &o, &r, &b.why), -EUCLEAN);
	ck_assert_ptr_nonnull(strstr(b.why.text, "t:1"));
	ck_assert_uint_eq(r.freed, 0);
	ck_assert_int_eq(catalogchange_remove(b.c, &id, NULL, NULL), 0);
	collect(&b);
	tear_down(&b);
}
END_TEST

/* ---- import -------------------------------------------------------------- */

static int cancel(_unused_ void *ctx, _unused_ const struct import_state *s)
{
	return 1;
}

START_TEST(import_that_fails_leaves_nothing)
{
	struct import_options o = { .source = "/nonexistent" };
	struct catalog_id id = id_of("t:1");
	struct seal seal = { .nodes = 77 };
	struct bench b;
	size_t fds;

	set_up(&b);
	fds = unit_count_fds();
	ck_assert_int_eq(import_run(b.c, &id, &o, &seal, NULL, &b.why),
			 -ENOENT);
	ck_assert_ptr_nonnull(strstr(b.why.text, "/nonexistent"));
	o.source = b.source;
	o.progress = cancel;
	ck_assert_int_eq(import_run(b.c, &id, &o, &seal, NULL, NULL),
			 -ECANCELED);
	o.progress = NULL;
	o.max_entries = 1;
	good_import(&b, "x:1");
	o.digest = "00000000000000000000000000000000";
	o.max_entries = 0;
	ck_assert_int_eq(import_run(b.c, &id, &o, &seal, NULL, NULL),
			 -EKEYREJECTED);
	o.digest = "x";
	ck_assert_int_eq(import_run(b.c, &id, &o, &seal, NULL, NULL), -EINVAL);
	ck_assert_int_eq(dir_entries(&b, "store/staging"), 0);
	ck_assert_uint_eq(versions(&b), 1);
	ck_assert_uint_eq(unit_count_fds(), fds);
	tear_down(&b);
}
END_TEST

START_TEST(verifying)
{
	const struct verify_options o = { .quick = false };
	struct catalog_id id = id_of("t:1");
	struct bench b;

	set_up(&b);
	good_import(&b, "t:1");
	ck_assert_int_eq(verify_run(b.c, &id, &o, NULL), 0);
	id = id_of("t:2");
	ck_assert_int_eq(verify_run(b.c, &id, &o, NULL), -ENOENT);
	tear_down(&b);
}
END_TEST

Suite *test_catalog_suite(void)
{
	Suite *s = suite_create("catalog");
	TCase *c = tcase_create("catalog");

	tcase_add_test(c, the_reason_has_room_behind_any_path);
	tcase_add_test(c, names);
	tcase_add_test(c, opening);
	tcase_add_test(c, add_find_rename_remove);
	tcase_add_test(c, in_use);
	tcase_add_test(c, the_end_is_waited_for);
	tcase_add_test(c, leftovers_of_the_dead);
	tcase_add_test(c, gc_and_a_living_import);
	tcase_add_test(c, gc_and_an_import_that_begins);
	tcase_add_test(c, gc_keeps_what_versions_hold);
	tcase_add_test(c, gc_does_not_guess);
	tcase_add_test(c, import_that_fails_leaves_nothing);
	tcase_add_test(c, verifying);
	tcase_set_timeout(c, 60);
	suite_add_tcase(s, c);
	return s;
}
