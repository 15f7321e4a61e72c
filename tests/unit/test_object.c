/* SPDX-License-Identifier: GPL-2.0-or-later */
/* templates: content, object, pipeline, gunzip */
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
#include <zlib.h>

#include "fs/base/fdio.h"
#include "templates/content.h"
#include "templates/gunzip.h"
#include "templates/object.h"
#include "templates/pipeline.h"

#define MIB (1024u * 1024u)

/* A pool in a fresh directory. */
struct bench {
	int top;
	struct object_pool pool;
	struct object_writer *w;
};

static void set_up(struct bench *b)
{
	b->top = unit_tmpdir(NULL);
	ck_assert_int_eq(mkdirat(b->top, "objects", 0700), 0);
	ck_assert_int_eq(mkdirat(b->top, "staging", 0700), 0);
	b->pool.dir = openat(b->top, "objects", O_RDONLY | O_DIRECTORY);
	b->pool.staging = openat(b->top, "staging", O_RDONLY | O_DIRECTORY);
	b->pool.epoch = 5;
	ck_assert_int_eq(object_init(b->pool.dir), 0);
	ck_assert_int_eq(object_init(b->pool.dir), 0);
	b->w = object_writer_new(&b->pool);
	ck_assert_ptr_nonnull(b->w);
}

static void tear_down(struct bench *b)
{
	object_writer_free(b->w);
	close(b->pool.dir);
	close(b->pool.staging);
	close(b->top);
}

static struct object_put put_text(struct bench *b, const char *text)
{
	struct object_put p;

	ck_assert_int_eq(object_put(b->w, text, strlen(text), false, &p), 0);
	return p;
}

static void stat_object(struct bench *b, const struct object_id *id,
			struct stat *st)
{
	char name[OBJECT_NAME_MAX];

	ck_assert_int_eq(fstatat(b->pool.dir, object_name(id, name), st, 0), 0);
}

static void digest_parts(const uint8_t *data, size_t len, size_t part,
			 struct digest *out)
{
	struct content c;

	ck_assert_int_eq(content_init(&c), 0);
	for (size_t at = 0; at < len; at += part)
		content_data(&c, data + at, len - at < part ? len - at : part);
	content_final(&c, out);
	content_free(&c);
}

START_TEST(content_of_any_pieces)
{
	static const size_t parts[] = { 1000000, 4096, 1, 511, 5000, 65536 };
	uint8_t *data = calloc(1, 300000);
	struct digest plain, whole, d;
	struct unit_rand rnd;
	struct content c;

	unit_rand_start(&rnd);
	for (size_t i = 0; i < 300000; i++)
		data[i] = (uint8_t)(1 + unit_rand(&rnd, 255));
	digest_of(data, 300000, &plain);
	digest_parts(data, 300000, 300000, &d);
	ck_assert_mem_eq(&plain, &d, sizeof(d));

	/* two blocks of zeros, three quarters of another, a zero tail */
	memset(data + 8192, 0, 8192);
	memset(data + 40000, 0, 3000);
	memset(data + 299008, 0, 992);
	digest_parts(data, 300000, 300000, &whole);
	digest_of(data, 300000, &plain);
	ck_assert_mem_ne(&plain, &whole, sizeof(d));
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		digest_parts(data, 300000, parts[i], &d);
		ck_assert_mem_eq(&whole, &d, sizeof(d));
	}
	/* zeros as holes, not aligned */
	ck_assert_int_eq(content_init(&c), 0);
	content_data(&c, data, 8192);
	content_hole(&c, 5000);
	content_hole(&c, 3192);
	content_data(&c, data + 16384, 40000 - 16384);
	content_hole(&c, 3000);
	content_data(&c, data + 43000, 299008 - 43000);
	content_hole(&c, 992);
	content_final(&c, &d);
	content_free(&c);
	ck_assert_mem_eq(&whole, &d, sizeof(d));
	free(data);
}
END_TEST

START_TEST(holes_of_other_lengths_differ)
{
	struct digest a, b;
	struct content c;

	ck_assert_int_eq(content_init(&c), 0);
	content_hole(&c, 1ull << 60);
	content_final(&c, &a);
	content_reset(&c);
	content_hole(&c, (1ull << 60) + 4096);
	content_final(&c, &b);
	ck_assert_mem_ne(&a, &b, sizeof(a));
	content_free(&c);
}
END_TEST

START_TEST(put_and_share)
{
	struct object_put a, c, none;
	struct bench b;
	struct stat st;
	size_t fds;

	set_up(&b);
	fds = unit_count_fds();
	a = put_text(&b, "hello");
	ck_assert(!a.shared);
	ck_assert_uint_eq(a.id.suffix, 0);
	stat_object(&b, &a.id, &st);
	ck_assert_uint_eq(st.st_mode, S_IFREG | 0444);
	ck_assert_int_eq(st.st_size, 5);
	ck_assert_int_eq(st.st_nlink, 1);
	ck_assert_int_eq(st.st_mtime, 5);
	c = put_text(&b, "hello");
	ck_assert(c.shared);
	ck_assert_mem_eq(&a.id, &c.id, sizeof(a.id));
	none = put_text(&b, "");
	ck_assert_int_eq(object_verify(&b.pool, &none.id, 0), 0);
	ck_assert_int_eq(object_verify(&b.pool, &a.id, 5), 0);
	ck_assert_int_eq(object_verify(&b.pool, &a.id, 6), -EUCLEAN);
	a.id.suffix = 3;
	ck_assert_int_eq(object_verify(&b.pool, &a.id, 5), -ENOENT);
	ck_assert_uint_eq(unit_count_fds(), fds);
	tear_down(&b);
}
END_TEST

START_TEST(generations_only_rise)
{
	struct object_put a;
	struct bench b;
	struct stat st;

	set_up(&b);
	a = put_text(&b, "x");
	b.pool.epoch = 9;
	put_text(&b, "x");
	stat_object(&b, &a.id, &st);
	ck_assert_int_eq(st.st_mtime, 9);
	b.pool.epoch = 7;
	put_text(&b, "x");
	stat_object(&b, &a.id, &st);
	ck_assert_int_eq(st.st_mtime, 9);
	tear_down(&b);
}
END_TEST

/* Else one of an older epoch might write what it saw before another's. */
START_TEST(generations_rise_one_at_a_time)
{
	struct object_put a;
	struct bench b;
	struct stat st;
	char shard[3];
	int lock, status;
	pid_t pid;

	set_up(&b);
	a = put_text(&b, "x");
	snprintf(shard, sizeof(shard), "%02x", a.id.digest.bytes[0]);
	lock = openat(b.pool.dir, shard, O_RDONLY | O_DIRECTORY);
	ck_assert_int_eq(flock(lock, LOCK_SH), 0);
	pid = fork();
	if (pid == 0) {
		close(lock);
		b.pool.epoch = 9;
		_exit(object_put(b.w, "x", 1, false, &a) < 0);
	}
	usleep(100000);
	ck_assert_int_eq(waitpid(pid, &status, WNOHANG), 0);
	stat_object(&b, &a.id, &st);
	ck_assert_int_eq(st.st_mtime, 5);
	close(lock);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	stat_object(&b, &a.id, &st);
	ck_assert_int_eq(st.st_mtime, 9);
	tear_down(&b);
}
END_TEST

/* Other content under the name: what a collision would look like. */
START_TEST(equal_digests_of_other_bytes)
{
	struct object_put a, c;
	char name[OBJECT_NAME_MAX];
	struct bench b;
	int fd;

	set_up(&b);
	a = put_text(&b, "hello");
	ck_assert_int_eq(unlinkat(b.pool.dir, object_name(&a.id, name), 0), 0);
	fd = openat(b.pool.dir, name, O_CREAT | O_WRONLY, 0444);
	ck_assert_int_eq(write(fd, "jello", 5), 5);
	close(fd);
	c = put_text(&b, "hello");
	ck_assert(!c.shared);
	ck_assert_uint_eq(c.id.suffix, 1);
	ck_assert_int_eq(object_verify(&b.pool, &c.id, 5), 0);
	ck_assert_int_eq(object_verify(&b.pool, &a.id, 5), -EUCLEAN);
	c = put_text(&b, "hello");
	ck_assert(c.shared);
	ck_assert_uint_eq(c.id.suffix, 1);
	tear_down(&b);
}
END_TEST

START_TEST(piece_by_piece)
{
	uint8_t *data = malloc(3 * MIB);
	struct object_put a, c;
	struct unit_rand rnd;
	struct bench b;

	set_up(&b);
	unit_rand_start(&rnd);
	for (size_t i = 0; i < 3 * MIB; i++)
		data[i] = (uint8_t)unit_rand(&rnd, 256);
	memset(data + MIB, 0, 200000);
	ck_assert_int_eq(object_put(b.w, data, 3 * MIB, false, &a), 0);
	ck_assert_int_eq(object_begin(b.w), 0);
	for (size_t at = 0; at < 3 * MIB; at += 100000) {
		size_t n = 3 * MIB - at < 100000 ? 3 * MIB - at : 100000;

		ck_assert_int_eq(object_write(b.w, at, data + at, n), 0);
	}
	ck_assert_int_eq(object_end(b.w, 3 * MIB, &c), 0);
	ck_assert(c.shared);
	ck_assert_mem_eq(&a.id, &c.id, sizeof(a.id));
	ck_assert_uint_lt(a.blocks * 512, 3 * MIB - 100000);
	ck_assert_int_eq(object_verify(&b.pool, &a.id, 3 * MIB), 0);
	free(data);
	tear_down(&b);
}
END_TEST

START_TEST(a_hole_of_terabytes)
{
	struct object_put a, c;
	struct bench b;

	set_up(&b);
	ck_assert_int_eq(object_begin(b.w), 0);
	ck_assert_int_eq(object_write(b.w, 1ull << 40, "end", 3), 0);
	ck_assert_int_eq(object_end(b.w, (1ull << 40) + 50000, &a), 0);
	ck_assert_uint_lt(a.blocks, 200);
	ck_assert_int_eq(object_verify(&b.pool, &a.id, (1ull << 40) + 50000),
			 0);
	ck_assert_int_eq(object_begin(b.w), 0);
	ck_assert_int_eq(object_write(b.w, 1ull << 40, "end", 3), 0);
	ck_assert_int_eq(object_end(b.w, (1ull << 40) + 50000, &c), 0);
	ck_assert(c.shared);
	tear_down(&b);
}
END_TEST

START_TEST(wrong_use)
{
	struct object_put p = { .blocks = 77 };
	struct bench b;

	set_up(&b);
	ck_assert_int_eq(object_end(b.w, 0, &p), -EINVAL);
	ck_assert_int_eq(object_begin(b.w), 0);
	ck_assert_int_eq(object_write(b.w, 10, "abc", 3), 0);
	ck_assert_int_eq(object_write(b.w, 12, "abc", 3), -EINVAL);
	ck_assert_int_eq(object_write(b.w, UINT64_MAX - 1, "abc", 3), -EINVAL);
	ck_assert_int_eq(object_end(b.w, 12, &p), -EINVAL);
	ck_assert_uint_eq(p.blocks, 77);
	/* begun anew: what was before is forgotten */
	ck_assert_int_eq(object_begin(b.w), 0);
	ck_assert_int_eq(object_end(b.w, 0, &p), 0);
	tear_down(&b);
}
END_TEST

static int count_one(void *ctx, const struct object_id *id, const char *name)
{
	char own[OBJECT_NAME_MAX];

	ck_assert_str_eq(object_name(id, own), name);
	++*(unsigned *)ctx;
	return 0;
}

START_TEST(listing)
{
	struct object_put a;
	unsigned n = 0;
	struct bench b;
	char text[16];

	set_up(&b);
	for (int i = 0; i < 500; i++) {
		snprintf(text, sizeof(text), "%d", i);
		a = put_text(&b, text);
	}
	/* what is not ours is passed over */
	close(openat(b.pool.dir, "00/README", O_CREAT | O_WRONLY, 0600));
	a.id.suffix = 12;
	close(openat(b.pool.dir, object_name(&a.id, (char[OBJECT_NAME_MAX]){}),
		     O_CREAT | O_WRONLY, 0444));
	for (unsigned shard = 0; shard < 256; shard++)
		ck_assert_int_eq(object_each(&b.pool, shard, count_one, &n), 0);
	ck_assert_uint_eq(n, 501);
	tear_down(&b);
}
END_TEST

/* ---- pipeline ------------------------------------------------------------ */

#define FILES 300

struct taken {
	struct object_put put[FILES];
	unsigned n;
	int fail;
};

static int take(void *ctx, uint64_t ino, const struct object_put *put)
{
	struct taken *t = ctx;

	if (t->fail)
		return t->fail;
	ck_assert_uint_lt(ino, FILES);
	t->put[ino] = *put;
	t->n++;
	return 0;
}

/* The size of file number i: small ones, some at the bound, a few large. */
static size_t size_of(unsigned i)
{
	if (i % 50 == 0)
		return 5 * MIB + i;
	if (i % 50 == 1)
		return MIB + i / 50 % 2;
	return i * 97 % 30000;
}

static void feed(struct pipeline *p, const uint8_t *data, unsigned i)
{
	size_t size = size_of(i), step = 1 + i * 7919 % 200000;

	ck_assert_int_eq(pipeline_begin(p, i, i % 3 == 0), 0);
	for (size_t at = 0; at < size; at += step) {
		size_t n = size - at < step ? size - at : step;

		/* every third has a gap in it */
		if (i % 3 == 0 && at / step % 4 == 1)
			continue;
		ck_assert_int_eq(pipeline_data(p, at, data + at + i, n), 0);
	}
	ck_assert_int_eq(pipeline_end(p, size), 0);
}

START_TEST(pipeline_of_many)
{
	uint8_t *data = malloc(6 * MIB);
	struct taken taken = { .n = 0 };
	struct unit_rand rnd;
	struct pipeline *p;
	struct bench b;

	set_up(&b);
	unit_rand_start(&rnd);
	for (size_t i = 0; i < 6 * MIB; i++)
		data[i] = (uint8_t)unit_rand(&rnd, 256);
	ck_assert_int_eq(pipeline_new(&p, &b.pool, take, &taken), 0);
	for (unsigned i = 0; i < FILES; i++)
		feed(p, data, i);
	ck_assert_int_eq(pipeline_drain(p), 0);
	pipeline_free(p);
	ck_assert_uint_eq(taken.n, FILES);
	for (unsigned i = 0; i < FILES; i++) {
		struct object_put q;

		ck_assert_int_eq(object_verify(&b.pool, &taken.put[i].id,
					       size_of(i)),
				 0);
		if (i % 3 == 0)
			continue;
		ck_assert_int_eq(
			object_put(b.w, data + i, size_of(i), false, &q), 0);
		ck_assert_mem_eq(&q.id, &taken.put[i].id, sizeof(q.id));
	}
	free(data);
	tear_down(&b);
}
END_TEST

/* Ended in the middle, of a large file too: no leak, no hang. */
START_TEST(pipeline_given_up)
{
	uint8_t *data = calloc(1, 4 * MIB);
	struct taken taken = { .n = 0 };
	struct pipeline *p;
	struct bench b;

	set_up(&b);
	for (int large = 0; large < 2; large++) {
		ck_assert_int_eq(pipeline_new(&p, &b.pool, take, &taken), 0);
		ck_assert_int_eq(pipeline_begin(p, 1, false), 0);
		ck_assert_int_eq(
			pipeline_data(p, 0, data, large ? 4 * MIB : 1000), 0);
		pipeline_free(p);
	}
	/* an error of the taker comes out, and stays */
	taken.fail = -EDOM;
	ck_assert_int_eq(pipeline_new(&p, &b.pool, take, &taken), 0);
	ck_assert_int_eq(pipeline_begin(p, 1, false), 0);
	ck_assert_int_eq(pipeline_end(p, 0), 0);
	ck_assert_int_eq(pipeline_drain(p), -EDOM);
	ck_assert_int_eq(pipeline_begin(p, 2, false), -EDOM);
	pipeline_free(p);
	free(data);
	tear_down(&b);
}
END_TEST

START_TEST(pipeline_cannot_write)
{
	struct taken taken = { .n = 0 };
	struct pipeline *p;
	struct bench b;

	set_up(&b);
	b.pool.staging = -1;
	ck_assert_int_eq(pipeline_new(&p, &b.pool, take, &taken), 0);
	ck_assert_int_eq(pipeline_begin(p, 1, false), 0);
	ck_assert_int_eq(pipeline_data(p, 0, "x", 1), 0);
	ck_assert_int_eq(pipeline_end(p, 1), 0);
	ck_assert_int_eq(pipeline_drain(p), -EBADF);
	ck_assert_uint_eq(taken.n, 0);
	pipeline_free(p);
	object_writer_free(b.w);
	close(b.pool.dir);
	close(b.top);
}
END_TEST

/* ---- gunzip -------------------------------------------------------------- */

/* Append `text` as a gzip member to out[], which has *len bytes. */
static void gzip(const char *text, uint8_t out[4000], size_t *len)
{
	z_stream z = { .next_in = (unsigned char *)text,
		       .avail_in = (unsigned)strlen(text),
		       .avail_out = 1000 };

	z.next_out = out;
	z.next_out += *len;
	ck_assert_int_eq(deflateInit2(&z, 9, Z_DEFLATED, 31, 8, 0), Z_OK);
	ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
	*len += z.total_out;
	deflateEnd(&z);
}

/* What comes out of data fed in pieces; bytes, or the error. */
static long unzip(const uint8_t *data, size_t len, size_t piece, char *out,
		  bool *whole)
{
	struct gunzip *g = gunzip_new();
	long n, done = 0;

	for (size_t at = 0; at < len; at += piece) {
		gunzip_feed(g, data + at, len - at < piece ? len - at : piece);
		while ((n = gunzip_take(g, out + done, 3)) > 0)
			done += n;
		if (n < 0) {
			gunzip_free(g);
			return n;
		}
	}
	*whole = gunzip_is_whole(g);
	gunzip_free(g);
	out[done] = '\0';
	return done;
}

START_TEST(gunzip_members)
{
	uint8_t data[4000] = { 0 };
	char out[200];
	size_t len = 0, one;
	bool whole;

	gzip("first", data, &len);
	one = len;
	gzip("second", data, &len);
	ck_assert(gunzip_is(data, len));
	ck_assert(!gunzip_is("\x1f", 1));
	for (size_t piece = 1; piece < 40; piece++) {
		/* with zeros behind, as on a tape */
		ck_assert_int_eq(unzip(data, len + 100, piece, out, &whole),
				 11);
		ck_assert_str_eq(out, "firstsecond");
		ck_assert(whole);
	}
	for (size_t cut = 1; cut < len; cut++) {
		long n = unzip(data, cut, 1000, out, &whole);

		ck_assert(n >= 0 && whole == (cut == one));
	}
	/* any bit of a member's data, sum or length (or one that means nothing) */
	for (size_t at = 10; at < one; at++) {
		long n;

		data[at] ^= 16;
		n = unzip(data, one, 1000, out, &whole);
		ck_assert(n < 0 || !whole || !strcmp(out, "first"));
		data[at] ^= 16;
	}
	data[one - 1] ^= 1;
	ck_assert_int_eq(unzip(data, one, 1000, out, &whole), -EBADMSG);
	data[one - 1] ^= 1;
	data[one - 5] ^= 1;
	ck_assert_int_eq(unzip(data, one, 1000, out, &whole), -EBADMSG);
}
END_TEST

Suite *test_object_suite(void)
{
	Suite *s = suite_create("object");
	TCase *c = tcase_create("object");

	tcase_add_test(c, content_of_any_pieces);
	tcase_add_test(c, holes_of_other_lengths_differ);
	tcase_add_test(c, put_and_share);
	tcase_add_test(c, generations_only_rise);
	tcase_add_test(c, generations_rise_one_at_a_time);
	tcase_add_test(c, equal_digests_of_other_bytes);
	tcase_add_test(c, piece_by_piece);
	tcase_add_test(c, a_hole_of_terabytes);
	tcase_add_test(c, wrong_use);
	tcase_add_test(c, listing);
	tcase_add_test(c, pipeline_of_many);
	tcase_add_test(c, pipeline_given_up);
	tcase_add_test(c, pipeline_cannot_write);
	tcase_add_test(c, gunzip_members);
	tcase_set_timeout(c, 300);
	suite_add_tcase(s, c);
	return s;
}
