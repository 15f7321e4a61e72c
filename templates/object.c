/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "templates/object.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "fs/base/cleanup.h"
#include "fs/base/fdio.h"
#include "fs/base/parse.h"
#include "templates/content.h"

/*
 * An object is written without a name in the staging directory (whose place on
 * the disk all of an import's files share), gets its mode and its generation,
 * and last its name by linkat(). Nothing is synced here: who publishes an index
 * syncs the filesystem once before.
 *
 * Of an object that is there its generation is raised, under the shard's lock,
 * unless it is high enough already; gc.c tells why that is safe.
 */

#define HOLE_MIN 65536u /* shorter runs of zeros are written as they are */
#define BUFFER (256u * 1024u)
#define SUFFIX_MAX 1000u
#define MODE 0444

struct object_writer {
	const struct object_pool *pool;
	struct content content;
	int fd;	       /* what is being written, or -1 */
	bool named;    /* the filesystem makes no nameless files: "t" + fd */
	uint64_t done; /* bytes written or skipped */
	uint8_t buffer[BUFFER];
	uint8_t other[BUFFER];
};

const char *object_name(const struct object_id *id, char name[OBJECT_NAME_MAX])
{
	char hex[DIGEST_HEX + 1];

	digest_hex(&id->digest, hex);
	if (id->suffix)
		snprintf(name, OBJECT_NAME_MAX, "%.2s/%s.%" PRIu32, hex,
			 hex + 2, id->suffix);
	else
		snprintf(name, OBJECT_NAME_MAX, "%.2s/%s", hex, hex + 2);
	return name;
}

int object_open(const struct object_pool *p, const struct object_id *id,
		int flags)
{
	char name[OBJECT_NAME_MAX];
	int fd = openat(p->dir, object_name(id, name),
			flags | O_CLOEXEC | O_NOFOLLOW);

	return fd < 0 ? -errno : fd;
}

int object_init(int dir)
{
	char name[3];

	for (unsigned i = 0; i < 256; i++) {
		snprintf(name, sizeof(name), "%02x", i);
		if (mkdirat(dir, name, 0700) < 0 && errno != EEXIST)
			return -errno;
	}
	return 0;
}

int object_lock_shard(const struct object_pool *p, unsigned shard)
{
	_cleanup_close_ int fd = -1;
	char name[4];

	snprintf(name, sizeof(name), "%02x", shard & 255);
	fd = openat(p->dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	while (flock(fd, LOCK_EX) < 0)
		if (errno != EINTR)
			return -errno;
	return TAKE_FD(fd);
}

/* ---- writing ------------------------------------------------------------- */

struct object_writer *object_writer_new(const struct object_pool *p)
{
	struct object_writer *w = malloc(sizeof(*w));

	if (!w)
		return NULL;
	w->pool = p;
	w->fd = -1;
	w->named = false;
	if (content_init(&w->content) < 0) {
		free(w);
		return NULL;
	}
	return w;
}

static const char *temp_name(const struct object_writer *w, char name[16])
{
	snprintf(name, 16, "t%d", w->fd);
	return name;
}

/* What was begun is not wanted any more. */
static void drop(struct object_writer *w)
{
	char name[16];

	if (w->fd < 0)
		return;
	if (w->named)
		unlinkat(w->pool->staging, temp_name(w, name), 0);
	close(w->fd);
	w->fd = -1;
}

void object_writer_free(struct object_writer *w)
{
	if (!w)
		return;
	drop(w);
	content_free(&w->content);
	free(w);
}

/* Without O_TMPFILE: a name that no other descriptor of ours has. */
static int make_named(struct object_writer *w)
{
	_cleanup_close_ int place = open("/dev/null", O_PATH | O_CLOEXEC);
	char name[16];
	int fd;

	if (place < 0)
		return -errno;
	w->fd = place;
	temp_name(w, name);
	fd = openat(w->pool->staging, name,
		    O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, MODE);
	if (fd < 0 || dup3(fd, place, O_CLOEXEC) < 0) {
		int r = -errno;

		if (fd >= 0)
			close(fd);
		w->fd = -1;
		return r;
	}
	close(fd);
	TAKE_FD(place);
	w->named = true;
	return 0;
}

static int make(struct object_writer *w)
{
	w->done = 0;
	w->named = false;
	w->fd = openat(w->pool->staging, ".", O_RDWR | O_TMPFILE | O_CLOEXEC,
		       MODE);
	if (w->fd >= 0)
		return 0;
	if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)
		return -errno;
	return make_named(w);
}

int object_begin(struct object_writer *w)
{
	drop(w);
	content_reset(&w->content);
	return make(w);
}

static int put_bytes(struct object_writer *w, uint64_t off, const uint8_t *p,
		     size_t len)
{
	ssize_t n;

	if (!len)
		return 0;
	n = fdio_pwrite_full(w->fd, p, len, (off_t)off);
	if (n >= 0 && (size_t)n < len) {
		/* the rest tells why: the disk was full in the middle */
		n = fdio_pwrite_full(w->fd, p + n, len - (size_t)n,
				     (off_t)off + n);
		if (n >= 0)
			n = -ENOSPC;
	}
	return n < 0 ? (int)n : 0;
}

/* Write what is not a run of at least `hole` zero bytes in aligned blocks. */
static int put_sparse(struct object_writer *w, uint64_t off, const uint8_t *p,
		      size_t len, size_t hole)
{
	size_t begin = 0, at = 0, run;
	int r;

	at = (CONTENT_BLOCK - off % CONTENT_BLOCK) % CONTENT_BLOCK;
	while (at + hole <= len) {
		for (run = 0; at + run + CONTENT_BLOCK <= len &&
			      content_is_zero(p + at + run, CONTENT_BLOCK);
		     run += CONTENT_BLOCK)
			;
		if (run >= hole) {
			r = put_bytes(w, off + begin, p + begin, at - begin);
			if (r < 0)
				return r;
			begin = at + run;
		}
		at += run + CONTENT_BLOCK;
	}
	return put_bytes(w, off + begin, p + begin, len - begin);
}

int object_write(struct object_writer *w, uint64_t off, const void *data,
		 size_t len)
{
	int r;

	if (off < w->done || off + len < off || off + len > INT64_MAX)
		return -EINVAL;
	if (off > w->done)
		content_hole(&w->content, off - w->done);
	content_data(&w->content, data, len);
	r = put_sparse(w, off, data, len, HOLE_MIN);
	if (r < 0)
		return r;
	w->done = off + len;
	return 0;
}

/* ---- what is there already ----------------------------------------------- */

/* The next data of `fd` from *off on: -ENXIO, none before `size`. */
static int data_at(int fd, uint64_t *off, uint64_t size)
{
	off_t at = lseek(fd, (off_t)*off, SEEK_DATA);

	if (at < 0)
		return -errno;
	if ((uint64_t)at >= size)
		return -ENXIO;
	*off = (uint64_t)at;
	return 0;
}

/* 1: the same `len` bytes at `off` in both, 0: not. */
static int same_bytes(struct object_writer *w, int a, int b, uint64_t off,
		      size_t len)
{
	ssize_t n = fdio_pread_full(a, w->buffer, len, (off_t)off);
	ssize_t m = fdio_pread_full(b, w->other, len, (off_t)off);

	if (n < 0 || m < 0)
		return n < 0 ? (int)n : (int)m;
	return n == m && memcmp(w->buffer, w->other, (size_t)n) == 0;
}

/* 1: files of equal size have equal content. Holes in both cost nothing. */
static int same_files(struct object_writer *w, int a, int b, uint64_t size)
{
	uint64_t off = 0;

	while (off < size) {
		uint64_t in_a = off, in_b = off, left;
		int r = data_at(a, &in_a, size), s = data_at(b, &in_b, size);

		if ((r < 0 && r != -ENXIO) || (s < 0 && s != -ENXIO))
			return r < 0 && r != -ENXIO ? r : s;
		if (r < 0 && s < 0)
			return 1;
		off = r < 0 ? in_b : s < 0 ? in_a : in_a < in_b ? in_a : in_b;
		left = size - off;
		if (left > BUFFER)
			left = BUFFER;
		r = same_bytes(w, a, b, off, (size_t)left);
		if (r <= 0)
			return r;
		off += left;
	}
	return 1;
}

static int same_data(struct object_writer *w, int fd, const uint8_t *data,
		     size_t len)
{
	for (size_t at = 0; at < len;) {
		size_t want = len - at < BUFFER ? len - at : BUFFER;
		ssize_t n = fdio_pread_full(fd, w->buffer, want, (off_t)at);

		if (n < 0)
			return (int)n;
		if ((size_t)n < want || memcmp(w->buffer, data + at, want))
			return 0;
		at += want;
	}
	return 1;
}

/* What is being put in: bytes in memory, or w->fd. */
struct given {
	const uint8_t *data; /* or NULL */
	uint64_t size;
};

static int raise_generation(const struct object_pool *p, int fd)
{
	struct timespec times[2] = { { .tv_sec = (time_t)p->epoch },
				     { .tv_sec = (time_t)p->epoch } };

	return futimens(fd, times) < 0 ? -errno : 0;
}

/* Open `id` and stat it; *fd is to be closed, also after an error. */
static int look(const struct object_pool *p, const struct object_id *id,
		int *fd, struct stat *st)
{
	*fd = object_open(p, id, O_RDONLY);
	if (*fd < 0)
		return *fd;
	return fstat(*fd, st) < 0 ? -errno : 0;
}

/*
 * 1: `id` is there with this content and keeps its place for us; 0: it is
 * there with other content; -ENOENT.
 */
static int share(struct object_writer *w, const struct given *g,
		 const struct object_id *id, uint64_t *blocks)
{
	_cleanup_close_ int fd = -1, lock = -1;
	struct stat st;
	int r = look(w->pool, id, &fd, &st);

	if (r < 0)
		return r;
	if ((uint64_t)st.st_mtime < w->pool->epoch) {
		lock = object_lock_shard(w->pool, id->digest.bytes[0]);
		if (lock < 0)
			return lock;
		/* gone or not is decided under the lock */
		close(fd);
		r = look(w->pool, id, &fd, &st);
		if (r == 0 && (uint64_t)st.st_mtime < w->pool->epoch)
			r = raise_generation(w->pool, fd);
		if (r < 0)
			return r;
		close(lock);
		lock = -1;
	}
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != g->size)
		return 0;
	*blocks = (uint64_t)st.st_blocks;
	return g->data ? same_data(w, fd, g->data, (size_t)g->size)
		       : same_files(w, fd, w->fd, g->size);
}

/* Give what is in w->fd the name of `id`. -EEXIST: somebody was faster. */
static int publish(struct object_writer *w, const struct object_id *id,
		   uint64_t *blocks)
{
	char name[OBJECT_NAME_MAX], path[FDIO_PROC_MAX];
	struct stat st;
	int r;

	if (fstat(w->fd, &st) < 0)
		return -errno;
	if ((st.st_mode & 07777) != MODE && fchmod(w->fd, MODE) < 0)
		return -errno;
	r = raise_generation(w->pool, w->fd);
	if (r < 0)
		return r;
	object_name(id, name);
	if (linkat(AT_FDCWD, fdio_proc(path, w->fd), w->pool->dir, name,
		   AT_SYMLINK_FOLLOW) < 0)
		return -errno;
	*blocks = (uint64_t)st.st_blocks;
	return 0;
}

/* Put what is in memory into w->fd. */
static int spill(struct object_writer *w, const struct given *g, bool sparse)
{
	int r = make(w);

	if (r == 0)
		r = put_sparse(w, 0, g->data, (size_t)g->size,
			       sparse ? CONTENT_BLOCK : HOLE_MIN);
	if (r == 0 && sparse && ftruncate(w->fd, (off_t)g->size) < 0)
		r = -errno;
	return r;
}

static int settle(struct object_writer *w, const struct given *g, bool sparse,
		  struct object_put *out)
{
	struct object_put p = { .size = g->size, .shared = true };
	int r;

	content_final(&w->content, &p.id.digest);
	while (p.id.suffix < SUFFIX_MAX) {
		r = share(w, g, &p.id, &p.blocks);
		if (r == 0) {
			p.id.suffix++;
			continue;
		}
		if (r == -ENOENT) {
			r = w->fd < 0 ? spill(w, g, sparse) : 0;
			if (r == 0)
				r = publish(w, &p.id, &p.blocks);
			p.shared = false;
		}
		if (r == -EEXIST) {
			p.shared = true;
			continue;
		}
		drop(w);
		if (r < 0)
			return r;
		*out = p;
		return 0;
	}
	drop(w);
	return -EUCLEAN;
}

int object_end(struct object_writer *w, uint64_t size, struct object_put *out)
{
	struct given g = { .size = size };

	if (w->fd < 0 || size < w->done || size > INT64_MAX)
		return -EINVAL;
	content_hole(&w->content, size - w->done);
	if (ftruncate(w->fd, (off_t)size) < 0) {
		int r = -errno;

		drop(w);
		return r;
	}
	return settle(w, &g, true, out);
}

int object_put(struct object_writer *w, const void *data, size_t len,
	       bool sparse, struct object_put *out)
{
	struct given g = { .data = data ? data : w->buffer, .size = len };

	drop(w);
	content_reset(&w->content);
	content_data(&w->content, g.data, len);
	return settle(w, &g, sparse || len >= HOLE_MIN, out);
}

/* ---- reading ------------------------------------------------------------- */

/* Feed the content of `fd`, holes unread. */
static int digest_file(struct content *c, int fd, uint64_t size, uint8_t *buf)
{
	uint64_t off = 0, hole;
	ssize_t n;
	int r;

	while (off < size) {
		hole = off;
		r = data_at(fd, &off, size);
		if (r == -ENXIO)
			off = size;
		else if (r < 0)
			return r;
		content_hole(c, off - hole);
		if (off == size)
			break;
		n = fdio_pread_full(fd, buf,
				    size - off < BUFFER ? (size_t)(size - off)
							: BUFFER,
				    (off_t)off);
		if (n <= 0)
			return n < 0 ? (int)n : -EUCLEAN;
		content_data(c, buf, (size_t)n);
		off += (uint64_t)n;
	}
	return 0;
}

int object_verify(const struct object_pool *p, const struct object_id *id,
		  uint64_t size)
{
	_cleanup_free_ uint8_t *buf = NULL;
	_cleanup_close_ int fd = -1;
	struct content c;
	struct digest d;
	struct stat st;
	int r;

	fd = object_open(p, id, O_RDONLY);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != size)
		return -EUCLEAN;
	buf = malloc(BUFFER);
	if (!buf || content_init(&c) < 0)
		return -ENOMEM;
	r = digest_file(&c, fd, size, buf);
	if (r == 0) {
		content_final(&c, &d);
		if (memcmp(&d, &id->digest, sizeof(d)) != 0)
			r = -EUCLEAN;
	}
	content_free(&c);
	return r;
}

static bool parse_name(unsigned shard, const char *name, struct object_id *id)
{
	char hex[DIGEST_HEX + 1];
	size_t len = strlen(name);

	if (len < DIGEST_HEX - 2 ||
	    (name[DIGEST_HEX - 2] != '.' && len != DIGEST_HEX - 2))
		return false;
	snprintf(hex, sizeof(hex), "%02x%.*s", shard & 255, DIGEST_HEX - 2,
		 name);
	id->suffix = 0;
	if (digest_parse(hex, &id->digest) < 0)
		return false;
	return len == DIGEST_HEX - 2 ||
	       parse_u32(name + DIGEST_HEX - 1, SUFFIX_MAX, &id->suffix) == 0;
}

int object_each(const struct object_pool *p, unsigned shard, object_each_fn fn,
		void *ctx)
{
	_cleanup_closedir_ DIR *d = NULL;
	struct dirent *e;
	char dir[4], name[sizeof(dir) + sizeof(e->d_name)];
	struct object_id id;
	int fd, r;

	snprintf(dir, sizeof(dir), "%02x", shard & 255);
	fd = openat(p->dir, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = fdio_opendir(fd < 0 ? -errno : fd, &d);
	if (r < 0)
		return r;
	for (errno = 0; (e = readdir(d)); errno = 0) {
		if (!parse_name(shard, e->d_name, &id))
			continue;
		snprintf(name, sizeof(name), "%s/%s", dir, e->d_name);
		r = fn(ctx, &id, name);
		if (r)
			return r;
	}
	return -errno;
}
