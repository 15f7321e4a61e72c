/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tools/ct: idrange */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fs/base/cleanup.h"
#include "fs/base/fdio.h"
#include "tools/ct/idrange.h"

/* A store, and the two files. */
struct place {
	int store;
	char path[UNIT_PATH_MAX];
	char subuid[UNIT_PATH_MAX + 8], subgid[UNIT_PATH_MAX + 8];
	struct idrange_files files;
};

static void put(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	ck_assert_ptr_nonnull(f);
	ck_assert_int_ge(fputs(text, f), 0);
	ck_assert_int_eq(fclose(f), 0);
}

static void make(struct place *p, const char *subuid, const char *subgid)
{
	p->store = unit_tmpdir(p->path);
	snprintf(p->subuid, sizeof(p->subuid), "%s/subuid", p->path);
	snprintf(p->subgid, sizeof(p->subgid), "%s/subgid", p->path);
	p->files = (struct idrange_files){ p->subuid, p->subgid };
	ck_assert_int_eq(mkdirat(p->store, "containers", 0700), 0);
	if (subuid)
		put(p->subuid, subuid);
	if (subgid)
		put(p->subgid, subgid);
}

/* A container of the store. */
static void exist(const struct place *p, const char *id)
{
	char path[96];

	snprintf(path, sizeof(path), "containers/%s", id);
	ck_assert_int_eq(mkdirat(p->store, path, 0700), 0);
}

static int take(const struct place *p, const char *id, uint32_t *base)
{
	struct why why = { "" };
	int r = idrange_take_by(p->store, id, &p->files, base, &why);

	ck_assert_int_eq(r < 0, why.text[0] != '\0');
	return r;
}

static void check_take(const struct place *p, const char *id, uint32_t want)
{
	uint32_t base = 1;

	ck_assert_int_eq(take(p, id, &base), 0);
	ck_assert_uint_eq(base, want);
}

/* Make a link look as old as this. */
static void age(const struct place *p, uint32_t base, int seconds)
{
	struct timespec t[2];
	char path[64];

	clock_gettime(CLOCK_REALTIME, &t[0]);
	t[0].tv_sec -= seconds;
	t[1] = t[0];
	snprintf(path, sizeof(path), "idranges/%u", base);
	ck_assert_int_eq(utimensat(p->store, path, t, AT_SYMLINK_NOFOLLOW), 0);
}

START_TEST(one_each)
{
	struct place p;

	make(&p, NULL, NULL);
	check_take(&p, "101", IDRANGE_FIRST);
	check_take(&p, "102", IDRANGE_FIRST + IDRANGE_COUNT);
	check_take(&p, "101", IDRANGE_FIRST);
	ck_assert_int_eq(idrange_release(p.store, "102", IDRANGE_FIRST),
			 -EPERM);
	check_take(&p, "103", IDRANGE_FIRST + 2 * IDRANGE_COUNT);
	ck_assert_int_eq(idrange_release(p.store, "101", IDRANGE_FIRST), 0);
	ck_assert_int_eq(idrange_release(p.store, "101", IDRANGE_FIRST), 0);
	check_take(&p, "104", IDRANGE_FIRST);
	check_take(&p, "101", IDRANGE_FIRST + 3 * IDRANGE_COUNT);
}
END_TEST

static int claim(const struct place *p, const char *id, uint32_t base,
		 const char *whose)
{
	char other[NAME_MAX + 1] = "";
	struct why why = { "" };
	int r = idrange_claim(p->store, id, base, other, &why);

	ck_assert_int_eq(r < 0, why.text[0] != '\0');
	if (r == -EADDRINUSE)
		ck_assert_str_eq(other, whose);
	return r;
}

START_TEST(claimed)
{
	const uint32_t first = IDRANGE_FIRST, next = first + IDRANGE_COUNT;
	struct place p;

	make(&p, NULL, NULL);
	ck_assert_int_eq(idrange_is_of(p.store, "101", first), 0);
	/* what is free, in a store that has none */
	exist(&p, "101");
	ck_assert_int_eq(claim(&p, "101", first, NULL), 0);
	ck_assert_int_eq(claim(&p, "101", first, NULL), 0);
	ck_assert_int_eq(idrange_is_of(p.store, "101", first), 1);
	ck_assert_int_eq(idrange_is_of(p.store, "102", first), 0);
	/* so that nobody else gets it */
	check_take(&p, "102", next);
	/* what is another's, or meets it */
	ck_assert_int_eq(claim(&p, "103", first, "101"), -EADDRINUSE);
	ck_assert_int_eq(claim(&p, "103", first - 1, "101"), -EADDRINUSE);
	ck_assert_int_eq(claim(&p, "103", next - 1, "101"), -EADDRINUSE);
	ck_assert_int_eq(idrange_is_of(p.store, "101", first), 1);
	/* of one that is not there, however young */
	ck_assert_int_eq(claim(&p, "103", next, NULL), 0);
	ck_assert_int_eq(idrange_is_of(p.store, "103", next), 1);
}
END_TEST

START_TEST(leaves_no_descriptor)
{
	uint32_t base = 0;
	struct place p;
	size_t fds;

	make(&p, "vefs:100000:65536\n", "vefs:100000:65536\n");
	fds = unit_count_fds();
	ck_assert_int_eq(take(&p, "a", &base), 0);
	ck_assert_int_eq(take(&p, "a", &base), 0);
	ck_assert_int_eq(take(&p, "b", &base), -ENOSPC);
	ck_assert_int_eq(idrange_release(p.store, "a", base), 0);
	ck_assert_uint_eq(unit_count_fds(), fds);
}
END_TEST

/* ---- the files ----------------------------------------------------------- */

static const struct {
	const char *name, *subuid, *subgid;
	uint32_t want[3]; /* 0: none is free */
} given[] = {
	{ "ours",
	  "vefs:100000:131072\n",
	  "vefs:100000:131072\n",
	  { 100000, 165536, 0 } },
	{ "what both have",
	  "vefs:100000:131072\nvefs:500000:65536\n",
	  "vefs:165536:200000\nvefs:500000:65536\n",
	  { 165536, 500000, 0 } },
	{ "only one has it",
	  "vefs:100000:131072\n",
	  "",
	  { IDRANGE_FIRST, IDRANGE_FIRST + IDRANGE_COUNT,
	    IDRANGE_FIRST + 2 * IDRANGE_COUNT } },
	{ "too small",
	  "vefs:100000:65535\n",
	  "vefs:100000:65535\n",
	  { 0, 0, 0 } },
	{ "others' are left out",
	  "u:536870912:65536\n",
	  "v:537001983:2\n",
	  { IDRANGE_FIRST + 3 * IDRANGE_COUNT,
	    IDRANGE_FIRST + 4 * IDRANGE_COUNT,
	    IDRANGE_FIRST + 5 * IDRANGE_COUNT } },
	{ "also from ours",
	  "u:100000:65536\nvefs:100000:196608",
	  "vefs:100000:196608\n",
	  { 165536, 231072, 0 } },
	{ "never the host's root",
	  "vefs:0:196608\n",
	  "vefs:0:196608\n",
	  { 65536, 131072, 0 } },
	{ "nor what is no id",
	  "vefs:4294836224:4294967295\n",
	  "vefs:4294836224:4294967295\n",
	  { 4294836224u, 0, 0 } },
	{ "lines that are none",
	  "#\n\n:\nvefs\nvefs:\nvefs:1\nvefs:a:b\nvefs:-1:70000\n:5:70000\n"
	  "vefs:99999999999:70000\nvefs:1:99999999999\nvefs:7:0\n"
	  "vefs:200000:65536 \r\n",
	  "vefs:200000:65536:x\nvefs:200000:65536\t",
	  { 200000, 0, 0 } },
};

START_TEST(what_is_given)
{
	for (size_t i = 0; i < ARRAY_SIZE(given); i++) {
		struct place p;

		unit_row(given[i].name);
		make(&p, given[i].subuid, given[i].subgid);
		for (size_t k = 0; k < ARRAY_SIZE(given[i].want); k++) {
			uint32_t base = 7;
			char id[8];
			int r;

			snprintf(id, sizeof(id), "c%zu", k);
			r = take(&p, id, &base);
			if (given[i].want[k]) {
				ck_assert_int_eq(r, 0);
				ck_assert_uint_eq(base, given[i].want[k]);
			} else {
				ck_assert_int_eq(r, -ENOSPC);
				ck_assert_uint_eq(base, 7);
			}
		}
	}
}
END_TEST

START_TEST(unreadable_files)
{
	uint32_t base = 7;
	struct place p;

	make(&p, NULL, NULL);
	ck_assert_int_eq(mkdirat(p.store, "subgid", 0700), 0);
	ck_assert_int_lt(take(&p, "a", &base), 0);
	ck_assert_uint_eq(base, 7);
}
END_TEST

/* ---- links --------------------------------------------------------------- */

START_TEST(stale_links)
{
	struct place p;

	make(&p, NULL, NULL);
	exist(&p, "here");
	check_take(&p, "gone", IDRANGE_FIRST);
	check_take(&p, "here", IDRANGE_FIRST + IDRANGE_COUNT);
	check_take(&p, "young", IDRANGE_FIRST + 2 * IDRANGE_COUNT);
	check_take(&p, "old", IDRANGE_FIRST + 3 * IDRANGE_COUNT);
	age(&p, IDRANGE_FIRST, IDRANGE_YOUNG + 10);
	age(&p, IDRANGE_FIRST + IDRANGE_COUNT, 10 * IDRANGE_YOUNG);
	age(&p, IDRANGE_FIRST + 3 * IDRANGE_COUNT, 10 * IDRANGE_YOUNG);
	/* one that comes back has its own again */
	check_take(&p, "old", IDRANGE_FIRST + 3 * IDRANGE_COUNT);
	check_take(&p, "new", IDRANGE_FIRST);
	check_take(&p, "newer", IDRANGE_FIRST + 3 * IDRANGE_COUNT);
	check_take(&p, "newest", IDRANGE_FIRST + 4 * IDRANGE_COUNT);
	check_take(&p, "here", IDRANGE_FIRST + IDRANGE_COUNT);
	check_take(&p, "gone", IDRANGE_FIRST + 5 * IDRANGE_COUNT);
}
END_TEST

/* A stale link is no right to what the administrator gave to others since. */
START_TEST(stale_and_given)
{
	struct place p;

	make(&p, NULL, NULL);
	check_take(&p, "gone", IDRANGE_FIRST);
	age(&p, IDRANGE_FIRST, 10 * IDRANGE_YOUNG);
	put(p.subuid, "u:536871000:1\n");
	check_take(&p, "new", IDRANGE_FIRST + IDRANGE_COUNT);
}
END_TEST

/* Links that the next range would only partly cover keep all their ids. */
START_TEST(odd_links)
{
	uint32_t base = 7;
	struct place p;

	make(&p, NULL, NULL);
	ck_assert_int_eq(mkdirat(p.store, "idranges", 0700), 0);
	ck_assert_int_eq(symlinkat("x", p.store, "idranges/536870913"), 0);
	age(&p, IDRANGE_FIRST + 1, 10 * IDRANGE_YOUNG);
	ck_assert_int_eq(symlinkat("../..", p.store, "idranges/537001984"), 0);
	age(&p, IDRANGE_FIRST + 2 * IDRANGE_COUNT, 10 * IDRANGE_YOUNG);
	ck_assert_int_eq(symlinkat("a", p.store, "idranges/note"), 0);
	check_take(&p, "a", IDRANGE_FIRST + 3 * IDRANGE_COUNT);
	ck_assert_int_eq(mkdirat(p.store, "idranges/99", 0700), 0);
	ck_assert_int_eq(take(&p, "b", &base), -EUCLEAN);
	ck_assert_uint_eq(base, 7);
}
END_TEST

/* ---- at the same time ---------------------------------------------------- */

#define PROCESSES 8
#define TAKES 25

/* Each takes its own, and all of them take one that is common. */
static void take_many(const struct place *p, int who)
{
	uint32_t base;
	char id[32];

	for (int i = 0; i < TAKES; i++) {
		snprintf(id, sizeof(id), "p%d-%d", who, i);
		if (idrange_take_by(p->store, id, &p->files, &base, NULL))
			_exit(1);
		snprintf(id, sizeof(id), "all-%d", i);
		if (idrange_take_by(p->store, id, &p->files, &base, NULL))
			_exit(1);
		/* and one for a moment */
		snprintf(id, sizeof(id), "t%d-%d", who, i);
		if (idrange_take_by(p->store, id, &p->files, &base, NULL) ||
		    idrange_release(p->store, id, base))
			_exit(1);
	}
	_exit(0);
}

START_TEST(races)
{
	_cleanup_closedir_ DIR *d = NULL;
	const struct dirent *e;
	struct place p;
	size_t n = 0;
	int status;

	make(&p, NULL, NULL);
	for (int i = 0; i < PROCESSES; i++) {
		pid_t pid = fork();

		ck_assert_int_ge(pid, 0);
		if (pid == 0)
			take_many(&p, i);
	}
	for (int i = 0; i < PROCESSES; i++) {
		ck_assert_int_gt(wait(&status), 0);
		ck_assert_int_eq(status, 0);
	}
	/* a link for each name, no name twice */
	d = fdopendir(openat(p.store, "idranges", O_RDONLY | O_CLOEXEC));
	ck_assert_ptr_nonnull(d);
	while ((e = readdir(d)))
		n += e->d_name[0] != '.';
	ck_assert_uint_eq(n, PROCESSES * TAKES + TAKES);
	for (int i = 0; i < TAKES; i++) {
		uint32_t base, again;
		char id[32];

		snprintf(id, sizeof(id), "all-%d", i);
		ck_assert_int_eq(take(&p, id, &base), 0);
		ck_assert_int_eq(idrange_release(p.store, id, base), 0);
		/* there is no second link of it */
		ck_assert_int_eq(take(&p, "probe", &again), 0);
		ck_assert_uint_le(again, base);
		ck_assert_int_eq(idrange_release(p.store, "probe", again), 0);
	}
}
END_TEST

Suite *test_idrange_suite(void)
{
	Suite *s = suite_create("idrange");
	TCase *t = tcase_create("idrange");

	/* many syncs of a slow disk */
	tcase_set_timeout(t, 120);
	tcase_add_test(t, one_each);
	tcase_add_test(t, claimed);
	tcase_add_test(t, leaves_no_descriptor);
	tcase_add_test(t, what_is_given);
	tcase_add_test(t, unreadable_files);
	tcase_add_test(t, stale_links);
	tcase_add_test(t, stale_and_given);
	tcase_add_test(t, odd_links);
	tcase_add_test(t, races);
	suite_add_tcase(s, t);
	return s;
}
