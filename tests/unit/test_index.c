/* SPDX-License-Identifier: GPL-2.0-or-later */
/* templates: tree, treepath, freeze, seal, index, diff */
#include "tests/unit/unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/base/cleanup.h"
#include "fs/base/fdio.h"
#include "templates/diff.h"
#include "templates/freeze.h"
#include "templates/index.h"
#include "templates/treepath.h"

/* ---- tree to index ------------------------------------------------------- */

/* Trees by name in a directory; `why` has the last reason. */
struct bench {
	int dir;
	struct tree *t;
	struct why why;
};

static void set_up(struct bench *b)
{
	static const struct tree_limits limits = { 100000, 10 };

	b->dir = unit_tmpdir(NULL);
	b->why.text[0] = '\0';
	ck_assert_int_eq(tree_new(&b->t, b->dir, &limits, &b->why), 0);
}

static void tear_down(struct bench *b)
{
	tree_free(b->t);
	close(b->dir);
}

static int add(struct bench *b, const char *path, uint32_t mode, time_t mtime)
{
	struct node n = { .mode = mode, .mtime = { .tv_sec = mtime } };
	uint64_t ino;

	if (S_ISLNK(mode)) {
		n.target = "somewhere";
		n.target_len = 9;
		n.size = 9;
	}
	return treepath_add(b->t, path, &n, &ino);
}

static void good(struct bench *b, const char *path, uint32_t mode)
{
	int r = add(b, path, mode, 1);

	ck_assert_msg(r == 0, "%s: %d %s", path, r, b->why.text);
}

/* Refused with `err` and a reason that says `what`. */
#define REFUSED(b, call, err, what)                                            \
	do {                                                                   \
		(b)->why.text[0] = '\0';                                       \
		ck_assert_int_eq(call, err);                                   \
		ck_assert_msg(strstr((b)->why.text, what), "'%s' lacks '%s'",  \
			      (b)->why.text, what);                            \
	} while (0)

/* Make the index and open it. */
static struct index *freeze(struct bench *b, struct seal *s)
{
	static const struct freeze_text texts[] = {
		{ INDEX_SOURCE, "here", 4 },
		{ NULL, NULL, 0 },
	};
	struct index *x;
	int r;

	ck_assert_int_eq(tree_finish(b->t), 0);
	r = freeze_write(b->t, b->dir, texts, s, &b->why);
	ck_assert_msg(r == 0, "%d %s", r, b->why.text);
	s->serial = 1;
	ck_assert_int_eq(seal_write(b->dir, s), 0);
	ck_assert_int_eq(index_open(b->dir, INDEX_CHECK, &x), 0);
	return x;
}

/* The number of a path, or 0. */
static uint64_t find(struct index *x, const char *path)
{
	uint64_t ino = NODE_ROOT;

	while (*path) {
		size_t len = strcspn(path, "/");

		if (index_lookup(x, ino, path, len, &ino, NULL) < 0)
			return 0;
		path += len + (path[len] == '/');
	}
	return ino;
}

static int join(void *ctx, const char *name, size_t len,
		const struct node_dirent *d)
{
	ck_assert_uint_gt(d->ino, NODE_ROOT);
	strbuf_add(ctx, name, len);
	return strbuf_putc(ctx, ' ');
}

static void check_list(struct index *x, const char *path, const char *after,
		       const char *want)
{
	_cleanup_strbuf_ struct strbuf got = STRBUF_INIT;

	ck_assert_int_eq(index_list(x, find(x, path), after,
				    after ? strlen(after) : 0, join, &got),
			 0);
	ck_assert_str_eq(strbuf_get(&got), want);
}

START_TEST(tree_to_index)
{
	_cleanup_strbuf_ struct strbuf path = STRBUF_INIT;
	struct seal s;
	struct index *x;
	struct bench b;
	struct node n;
	const char *text;
	uint64_t ino;
	size_t len;

	set_up(&b);
	good(&b, "./", S_IFDIR | 0700);
	good(&b, "b/c/file", S_IFREG | 0644);
	good(&b, "b/", S_IFDIR | 01777);
	good(&b, "a", S_IFLNK | 0777);
	good(&b, "b/c/z", S_IFREG | 0600);
	good(&b, ".//b/./c//a", S_IFIFO | 0600);
	ck_assert_int_eq(treepath_link(b.t, "hard", "./b/c/file"), 0);
	ck_assert_int_eq(treepath_link(b.t, "b/hard", "hard"), 0);
	ck_assert_int_eq(treepath_link(b.t, "alink", "a"), 0);
	x = freeze(&b, &s);
	check_list(x, "", NULL, "a alink b hard ");
	check_list(x, "", "alink", "b hard ");
	check_list(x, "", "alinks", "b hard ");
	check_list(x, "", "zzz", "");
	check_list(x, "b", NULL, "c hard ");
	check_list(x, "b/c", NULL, "a file z ");
	check_list(x, "hard", NULL, "");
	ck_assert_uint_eq(find(x, "hard"), find(x, "b/c/file"));
	ck_assert_uint_eq(find(x, "a"), find(x, "alink"));
	ck_assert_int_eq(index_node(x, find(x, "hard"), &n), 0);
	ck_assert_uint_eq(n.nlink, 3);
	ck_assert_int_eq(index_node(x, NODE_ROOT, &n), 0);
	ck_assert_uint_eq(n.mode, S_IFDIR | 0700);
	ck_assert_uint_eq(n.nlink, 3);
	ck_assert_int_eq(index_lookup(x, NODE_ROOT, "b", 1, &ino, &n), 0);
	ck_assert_uint_eq(n.mode, S_IFDIR | 01777);
	ck_assert_uint_eq(n.parent, NODE_ROOT);
	ck_assert_int_eq(index_lookup(x, NODE_ROOT, "", 0, &ino, &n), -ENOENT);
	ck_assert_int_eq(index_lookup(x, NODE_ROOT, "ab", 2, &ino, &n),
			 -ENOENT);
	ck_assert_int_eq(index_lookup(x, 4711, "a", 1, &ino, &n), -ENOENT);
	ck_assert_int_eq(index_path(x, find(x, "b/c/z"), &path), 0);
	ck_assert_str_eq(strbuf_get(&path), "b/c/z");
	ck_assert_int_eq(index_text(x, INDEX_SOURCE, &text, &len), 0);
	ck_assert(len == 4 && !memcmp(text, "here", 4));
	ck_assert_int_eq(index_text(x, "nothing", &text, &len), -ENOENT);
	ck_assert_uint_eq(s.nodes, 7);
	index_free(x);
	tear_down(&b);
}
END_TEST

/* The order of entries, and what was replaced, leave no trace. */
START_TEST(equal_trees_equal_indices)
{
	struct seal s[2];
	struct bench b;

	for (int i = 0; i < 2; i++) {
		struct index *x;

		set_up(&b);
		if (i) {
			good(&b, "z/y", S_IFREG | 0644);
			good(&b, "z/y", S_IFIFO | 0644);
			good(&b, "gone", S_IFDIR | 0755);
			good(&b, "gone", S_IFREG | 0755);
			ck_assert_int_eq(treepath_link(b.t, "l", "gone"), 0);
		}
		good(&b, "", S_IFDIR | 0755);
		good(&b, "z", S_IFDIR | 0755);
		good(&b, "z/y", S_IFREG | 0640);
		good(&b, "k", S_IFREG | 0644);
		if (!i)
			good(&b, "gone", S_IFREG | 0755);
		if (!i)
			ck_assert_int_eq(treepath_link(b.t, "l", "gone"), 0);
		x = freeze(&b, &s[i]);
		index_free(x);
		tear_down(&b);
	}
	ck_assert_mem_eq(&s[0].digest, &s[1].digest, sizeof(s[0].digest));
	ck_assert_uint_eq(s[0].nodes, s[1].nodes);
}
END_TEST

START_TEST(refused_entries)
{
	char name[400];
	struct bench b;

	set_up(&b);
	good(&b, "l", S_IFLNK | 0777);
	good(&b, "f", S_IFREG | 0644);
	good(&b, "d/x", S_IFREG | 0644);
	REFUSED(&b, add(&b, "../x", S_IFREG, 1), -EINVAL, "out of the tree");
	REFUSED(&b, add(&b, "d/../../x", S_IFREG, 1), -EINVAL, "out of");
	REFUSED(&b, add(&b, "d/..", S_IFREG, 1), -EINVAL, "out of");
	REFUSED(&b, add(&b, "/x", S_IFREG, 1), -EINVAL, "absolute");
	REFUSED(&b, add(&b, "l/x", S_IFREG, 1), -ELOOP, "a symlink");
	REFUSED(&b, add(&b, "l/y/x", S_IFREG, 1), -ELOOP, "a symlink");
	REFUSED(&b, add(&b, "f/x", S_IFREG, 1), -ENOTDIR, "not a dir");
	REFUSED(&b, add(&b, "d", S_IFREG, 1), -ENOTEMPTY, "comes again");
	REFUSED(&b, add(&b, ".", S_IFREG, 1), -ENOTDIR, "the root");
	memset(name, 'n', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	REFUSED(&b, add(&b, name, S_IFREG, 1), -ENAMETOOLONG, "255");
	memcpy(name, "d/", 2);
	REFUSED(&b, add(&b, name, S_IFREG, 1), -ENAMETOOLONG, "255");
	good(&b, "d/y", S_IFREG | 0644);
	REFUSED(&b, add(&b, name, S_IFREG, 1), -ENAMETOOLONG, "255");
	REFUSED(&b, treepath_link(b.t, "h", "../f"), -EINVAL, "out of");
	REFUSED(&b, treepath_link(b.t, "h", "/f"), -EINVAL, "out of");
	REFUSED(&b, treepath_link(b.t, "h", "later"), -ENOENT, "not come");
	REFUSED(&b, treepath_link(b.t, "h", "l/x"), -ENOENT, "not come");
	REFUSED(&b, treepath_link(b.t, "h", "d"), -EISDIR, "directory");
	REFUSED(&b, treepath_link(b.t, "l/h", "f"), -ELOOP, "a symlink");
	/* to itself: it stays */
	ck_assert_int_eq(treepath_link(b.t, "f", "f"), 0);
	for (int i = 0; i < 10; i++)
		good(&b, "dev", S_IFCHR | 0600);
	REFUSED(&b, add(&b, "dev", S_IFBLK, 1), -E2BIG, "device");
	tear_down(&b);
}
END_TEST

START_TEST(layers)
{
	struct index *x;
	struct bench b;
	struct seal s;

	set_up(&b);
	good(&b, "a/old", S_IFREG | 0644);
	good(&b, "a/b/old", S_IFREG | 0644);
	good(&b, "gone/x/y", S_IFREG | 0644);
	good(&b, "file", S_IFREG | 0644);
	good(&b, "dir/x", S_IFREG | 0644);
	ck_assert_int_eq(tree_next_layer(b.t), 0);
	/* the mark may come before or behind what is in its own layer */
	good(&b, "a/new", S_IFREG | 0644);
	good(&b, "a/b/new", S_IFREG | 0644);
	ck_assert_int_eq(treepath_opaque(b.t, "a"), 0);
	ck_assert_int_eq(treepath_whiteout(b.t, "gone"), 0);
	good(&b, "gone/again", S_IFREG | 0644);
	ck_assert_int_eq(treepath_whiteout(b.t, "gone"), 0);
	ck_assert_int_eq(treepath_whiteout(b.t, "never/was"), 0);
	ck_assert_int_eq(treepath_opaque(b.t, "never"), 0);
	/* another kind in another layer: no conflict */
	good(&b, "dir", S_IFREG | 0644);
	REFUSED(&b, add(&b, "file/x", S_IFREG, 1), -ENOTDIR, "not a dir");
	x = freeze(&b, &s);
	check_list(x, "", NULL, "a dir file gone ");
	check_list(x, "a", NULL, "b new ");
	check_list(x, "a/b", NULL, "new ");
	check_list(x, "gone", NULL, "again ");
	index_free(x);
	tear_down(&b);
}
END_TEST

START_TEST(whiteouts_that_lead_out)
{
	struct bench b;

	set_up(&b);
	REFUSED(&b, treepath_whiteout(b.t, "../x"), -EINVAL, "out of");
	REFUSED(&b, treepath_whiteout(b.t, "/x"), -EINVAL, "out of");
	REFUSED(&b, treepath_whiteout(b.t, ""), -EINVAL, "out of");
	REFUSED(&b, treepath_opaque(b.t, "a/../.."), -EINVAL, "out of");
	tear_down(&b);
}
END_TEST

START_TEST(a_late_object_of_a_file_that_is_gone)
{
	struct object_put put = { .blocks = 8 };
	struct node n = { .mode = S_IFREG | 0644 };
	struct index *x;
	struct bench b;
	struct seal s;
	uint64_t first, second;

	set_up(&b);
	ck_assert_int_eq(treepath_add(b.t, "f", &n, &first), 0);
	ck_assert_int_eq(treepath_add(b.t, "f", &n, &second), 0);
	ck_assert_uint_ne(first, second);
	memset(put.id.digest.bytes, 1, DIGEST_BYTES);
	ck_assert_int_eq(tree_set_object(b.t, second, &put), 0);
	memset(put.id.digest.bytes, 2, DIGEST_BYTES);
	ck_assert_int_eq(tree_set_object(b.t, first, &put), 0);
	x = freeze(&b, &s);
	ck_assert_int_eq(index_node(x, find(x, "f"), &n), 0);
	ck_assert_uint_eq(n.object.digest.bytes[0], 1);
	index_free(x);
	tear_down(&b);
}
END_TEST

/* ---- damage -------------------------------------------------------------- */

START_TEST(damaged_index)
{
	struct index *x = NULL;
	struct bench b;
	struct seal s;
	size_t fds;
	char byte;
	int fd;

	set_up(&b);
	for (int i = 0; i < 200; i++) {
		char name[16];

		snprintf(name, sizeof(name), "f%d", i);
		good(&b, name, S_IFREG | 0644);
	}
	index_free(freeze(&b, &s));
	fds = unit_count_fds();
	fd = fdio_openat(b.dir, SEAL_INDEX, O_RDWR, 0);
	ck_assert_int_ge(fd, 0);
	for (off_t at = 0; at < (off_t)s.index_size; at += 997) {
		ck_assert_int_eq(pread(fd, &byte, 1, at), 1);
		byte = (char)~byte;
		ck_assert_int_eq(pwrite(fd, &byte, 1, at), 1);
		ck_assert_int_eq(index_open(b.dir, INDEX_CHECK, &x), -EUCLEAN);
		byte = (char)~byte;
		ck_assert_int_eq(pwrite(fd, &byte, 1, at), 1);
	}
	ck_assert_int_eq(index_open(b.dir, INDEX_CHECK, &x), 0);
	index_free(x);
	ck_assert_int_eq(ftruncate(fd, (off_t)s.index_size - 1), 0);
	ck_assert_int_eq(index_open(b.dir, 0, &x), -EUCLEAN);
	close(fd);
	ck_assert_int_eq(unlinkat(b.dir, SEAL_INDEX, 0), 0);
	ck_assert_int_eq(index_open(b.dir, 0, &x), -ENOENT);
	ck_assert_uint_eq(unit_count_fds(), fds);
	tear_down(&b);
}
END_TEST

static void write_seal(int dir, const char *text)
{
	int fd = openat(dir, SEAL_NAME, O_CREAT | O_WRONLY | O_TRUNC, 0600);

	ck_assert_int_eq(write(fd, text, strlen(text)), (int)strlen(text));
	close(fd);
}

START_TEST(seals)
{
	struct seal s = { .serial = 7, .created = 8, .nodes = 9 }, t;
	int dir = unit_tmpdir(NULL);

	ck_assert_int_eq(seal_read(dir, &t), -ENOENT);
	ck_assert_int_eq(seal_write(dir, &s), 0);
	ck_assert_int_eq(seal_write(dir, &s), -EEXIST);
	ck_assert_int_eq(seal_read(dir, &t), 0);
	ck_assert_mem_eq(&s, &t, sizeof(s));
	write_seal(dir, "");
	ck_assert_int_eq(seal_read(dir, &t), -EUCLEAN);
	write_seal(dir, "format=2\n");
	ck_assert_int_eq(seal_read(dir, &t), -EPROTONOSUPPORT);
	write_seal(dir, "format=0\n");
	ck_assert_int_eq(seal_read(dir, &t), -EUCLEAN);
	write_seal(dir, "format=1\nserial=1\n");
	ck_assert_int_eq(seal_read(dir, &t), -EUCLEAN);
	write_seal(dir, "format=1\nserial=x\n");
	ck_assert_int_eq(seal_read(dir, &t), -EUCLEAN);
	close(dir);
}
END_TEST

/* ---- many threads -------------------------------------------------------- */

#define THREADS 24
#define NAMES 500

static void *reader(void *arg)
{
	struct index *x = arg;

	for (int i = 0; i < 4000; i++) {
		char name[16];
		struct node n;
		uint64_t ino = 0;
		int len = snprintf(name, sizeof(name), "f%d", (i * 31) % NAMES);

		if (index_lookup(x, NODE_ROOT, name, (size_t)len, &ino, &n) ||
		    n.name_len != (size_t)len ||
		    memcmp(n.name, name, n.name_len))
			return arg;
		if (i % 400 == 0) {
			_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

			if (index_list(x, NODE_ROOT, NULL, 0, join, &b))
				return arg;
		}
	}
	return NULL;
}

START_TEST(reading_from_many_threads)
{
	pthread_t threads[THREADS];
	struct index *x;
	struct bench b;
	struct seal s;
	void *bad;

	set_up(&b);
	for (int i = 0; i < NAMES; i++) {
		char name[16];

		snprintf(name, sizeof(name), "f%d", i);
		good(&b, name, S_IFREG | 0644);
	}
	x = freeze(&b, &s);
	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, reader, x),
				 0);
	for (int i = 0; i < THREADS; i++) {
		ck_assert_int_eq(pthread_join(threads[i], &bad), 0);
		ck_assert_ptr_null(bad);
	}
	index_free(x);
	tear_down(&b);
}
END_TEST

/* ---- diff ---------------------------------------------------------------- */

static int tell(void *ctx, const char *path, unsigned what,
		const struct node *a, const struct node *b)
{
	ck_assert(!a == (what == DIFF_ADDED));
	ck_assert(!b == (what == DIFF_REMOVED));
	return strbuf_addf(ctx, "%u%s ", what, path);
}

START_TEST(differences)
{
	_cleanup_strbuf_ struct strbuf got = STRBUF_INIT;
	struct bench b[2];
	struct index *x[2];
	struct seal s;

	for (int i = 0; i < 2; i++) {
		set_up(&b[i]);
		good(&b[i], "", S_IFDIR | 0755);
		good(&b[i], "same/x", S_IFREG | 0644);
		good(&b[i], "mode", S_IFREG | (i ? 0600 : 0644));
		ck_assert_int_eq(add(&b[i], "time", S_IFREG | 0644, i), 0);
		good(&b[i], "type", i ? S_IFIFO | 0644 : S_IFREG | 0644);
		if (i)
			good(&b[i], "new/in", S_IFREG | 0644);
		else
			good(&b[i], "old/in", S_IFREG | 0644);
		x[i] = freeze(&b[i], &s);
	}
	ck_assert_int_eq(diff_run(x[0], x[1], tell, &got), 0);
	ck_assert_str_eq(strbuf_get(&got),
			 "16/mode 1/new 2/old 16/time 4/type 2/old/in "
			 "1/new/in ");
	strbuf_clear(&got);
	ck_assert_int_eq(diff_run(x[0], x[0], tell, &got), 0);
	ck_assert_str_eq(strbuf_get(&got), "");
	for (int i = 0; i < 2; i++) {
		index_free(x[i]);
		tear_down(&b[i]);
	}
}
END_TEST

Suite *test_index_suite(void)
{
	Suite *s = suite_create("index");
	TCase *c = tcase_create("index");

	tcase_add_test(c, tree_to_index);
	tcase_add_test(c, equal_trees_equal_indices);
	tcase_add_test(c, refused_entries);
	tcase_add_test(c, layers);
	tcase_add_test(c, whiteouts_that_lead_out);
	tcase_add_test(c, a_late_object_of_a_file_that_is_gone);
	tcase_add_test(c, damaged_index);
	tcase_add_test(c, seals);
	tcase_add_test(c, reading_from_many_threads);
	tcase_add_test(c, differences);
	tcase_set_timeout(c, 60);
	suite_add_tcase(s, c);
	return s;
}
