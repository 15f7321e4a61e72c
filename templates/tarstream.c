/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "templates/tarstream.h"

#include <archive.h>
#include <archive_entry.h>
#include <nettle/sha2.h>
#include <string.h>

#include "fs/base/cleanup.h"
#include "templates/gunzip.h"

/*
 * Two of libarchive's readers, one fed by the other:
 *
 *	fd -> (gunzip) -> packed: bzip2, xz, zstd -> tar
 *
 * so that all plain bytes pass through our hands on their way to the tar's,
 * which holds in memory what a header says: of a sparse file all its pieces,
 * a hundred million of them in a megabyte of gzip.
 */

#define BUFFER (256u * 1024u)
#define HEADER_MIB 8u
#define HEADER_MAX (HEADER_MIB * 1024u * 1024u)

struct tarstream {
	struct import *im;
	const struct tarstream_source *source;
	struct archive *packed, *tar;
	struct gunzip *gunzip; /* where it is gzip */
	bool looked;	       /* at the first bytes */
	bool in_header, too_large;
	uint64_t header; /* bytes that this one took */
	uint8_t buffer[BUFFER];
	uint8_t plain[BUFFER]; /* what gunzip made */
};

/* ---- bytes --------------------------------------------------------------- */

/* At least `least` bytes unless it ends, 0 at the end. */
static ssize_t fill(struct archive *a, struct tarstream *t, size_t least)
{
	size_t done = 0;
	ssize_t n = 1;

	while (done < least && n > 0) {
		n = read(t->source->fd, t->buffer + done, BUFFER - done);
		if (n < 0 && errno == EINTR)
			n = 1;
		else if (n > 0)
			done += (size_t)n;
	}
	if (n < 0) {
		archive_set_error(a, errno, "%s", strerror(errno));
		return -1;
	}
	if (t->source->sum)
		sha256_update(t->source->sum, done, t->buffer);
	if (importpriv_read(t->im, done) < 0) {
		archive_set_error(a, ECANCELED, "cancelled");
		return -1;
	}
	return (ssize_t)done;
}

static la_ssize_t fill_unzipped(struct archive *a, struct tarstream *t,
				ssize_t have)
{
	long n;

	if (have > 0)
		gunzip_feed(t->gunzip, t->buffer, (size_t)have);
	while ((n = gunzip_take(t->gunzip, t->plain, BUFFER)) == 0) {
		have = fill(a, t, 1);
		if (have < 0)
			return -1;
		if (have == 0 && gunzip_is_whole(t->gunzip))
			return 0;
		if (have == 0) {
			archive_set_error(a, EIO, "truncated gzip input");
			return -1;
		}
		gunzip_feed(t->gunzip, t->buffer, (size_t)have);
	}
	if (n < 0)
		archive_set_error(a, n == -ENOMEM ? ENOMEM : EIO,
				  "gzip's check sum or data is wrong");
	return n < 0 ? -1 : n;
}

static la_ssize_t on_packed(struct archive *a, void *ctx, const void **buf)
{
	struct tarstream *t = ctx;
	ssize_t n = 0;

	if (!t->looked) {
		n = fill(a, t, 2);
		if (n < 0)
			return -1;
		t->looked = true;
		if (gunzip_is(t->buffer, (size_t)n)) {
			t->gunzip = gunzip_new();
			if (!t->gunzip) {
				archive_set_error(a, ENOMEM, "no memory");
				return -1;
			}
		}
	} else if (!t->gunzip) {
		n = fill(a, t, 1);
	}
	*buf = t->gunzip ? t->plain : t->buffer;
	return t->gunzip ? fill_unzipped(a, t, n) : n;
}

static bool is_zero(const uint8_t *data, size_t len)
{
	return !data[0] && !memcmp(data, data + 1, len - 1);
}

/* Zeros cost nothing: they are what may follow a tar, as much as there is. */
static bool fits_header(struct tarstream *t, const void *data, size_t len)
{
	if (t->in_header && !is_zero(data, len))
		t->header += len;
	t->too_large = t->header > HEADER_MAX;
	return !t->too_large;
}

static la_ssize_t on_plain(struct archive *a, void *ctx, const void **buf)
{
	struct tarstream *t = ctx;
	la_int64_t off;
	size_t len = 0;
	int got;

	do
		got = archive_read_data_block(t->packed, buf, &len, &off);
	while (got >= ARCHIVE_WARN && got != ARCHIVE_EOF && !len);
	if (got == ARCHIVE_EOF)
		return 0;
	if (got < ARCHIVE_WARN) {
		archive_copy_error(a, t->packed);
		return -1;
	}
	if (fits_header(t, *buf, len))
		return (la_ssize_t)len;
	archive_set_error(a, E2BIG, "a header is too large");
	return -1;
}

int tarstream_failed(struct tarstream *t)
{
	const char *name = t->source->name;
	struct why *why = t->im->why;
	int e = archive_errno(t->tar);

	if (t->too_large)
		return why_set(why, -E2BIG,
			       "%s has an entry whose header has more than %u "
			       "MiB: a sparse file of too many pieces?",
			       name, HEADER_MIB);
	if (e == ECANCELED)
		return why_set(why, -ECANCELED, "cancelled");
	if (e == ENOMEM)
		return why_sys(why, -ENOMEM, "reading %s", name);
	return why_set(why, -EBADMSG, "%s is damaged or no tar: %s", name,
		       archive_error_string(t->tar)
			       ? archive_error_string(t->tar)
			       : "unknown error");
}

/* ---- opening ------------------------------------------------------------- */

static int open_packed(struct tarstream *t)
{
	struct archive *a = t->packed;
	struct archive_entry *none;

	archive_read_support_filter_bzip2(a);
	archive_read_support_filter_xz(a);
	archive_read_support_filter_zstd(a);
	archive_read_support_format_raw(a);
	archive_read_support_format_empty(a);
	if (archive_read_open(a, t, NULL, on_packed, NULL) == ARCHIVE_OK &&
	    archive_read_next_header(a, &none) >= ARCHIVE_WARN)
		return ARCHIVE_OK;
	archive_copy_error(t->tar, a);
	return ARCHIVE_FATAL;
}

static int open_both(struct tarstream *t)
{
	struct archive *a = t->tar;

	if (open_packed(t) != ARCHIVE_OK)
		return tarstream_failed(t);
	archive_read_support_format_tar(a);
	/* read all there is: check sums of compression stand at the end */
	archive_read_set_format_option(a, "tar", "read_concatenated_archives",
				       "1");
	if (archive_read_open(a, t, NULL, on_plain, NULL) != ARCHIVE_OK)
		return tarstream_failed(t);
	return 0;
}

int tarstream_open(struct import *im, const struct tarstream_source *s,
		   struct tarstream **out)
{
	struct tarstream *t = calloc(1, sizeof(*t));
	int r = -ENOMEM;

	if (t) {
		t->im = im;
		t->source = s;
		t->packed = archive_read_new();
		t->tar = archive_read_new();
		r = t->packed && t->tar ? open_both(t) : -ENOMEM;
	}
	if (r < 0) {
		tarstream_free(t);
		return why_sys(im->why, r, "reading %s", s->name);
	}
	*out = t;
	return 0;
}

void tarstream_free(struct tarstream *t)
{
	if (!t)
		return;
	/* it may still read, of the other */
	archive_read_free(t->tar);
	archive_read_free(t->packed);
	gunzip_free(t->gunzip);
	free(t);
}

struct archive *tarstream_archive(struct tarstream *t)
{
	return t->tar;
}

int tarstream_next(struct tarstream *t, struct archive_entry **e)
{
	int got;

	t->header = 0;
	t->in_header = true;
	got = archive_read_next_header(t->tar, e);
	t->in_header = false;
	return got;
}
