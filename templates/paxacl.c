/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "templates/paxacl.h"

#include <archive.h>
#include <archive_entry.h>
#include <endian.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* The attribute: a version, then rows; all little endian. */
#define VERSION 2u
#define ROWS_MAX 4096u
#define NO_ID UINT32_MAX

enum {
	USER_OBJ = 1,
	USER = 2,
	GROUP_OBJ = 4,
	GROUP = 8,
	MASK = 16,
	OTHER = 32,
};

struct row {
	uint16_t tag, perm;
	uint32_t id;
};

static const struct {
	int archive;
	uint16_t tag;
} tags[] = {
	{ ARCHIVE_ENTRY_ACL_USER_OBJ, USER_OBJ },
	{ ARCHIVE_ENTRY_ACL_USER, USER },
	{ ARCHIVE_ENTRY_ACL_GROUP_OBJ, GROUP_OBJ },
	{ ARCHIVE_ENTRY_ACL_GROUP, GROUP },
	{ ARCHIVE_ENTRY_ACL_MASK, MASK },
	{ ARCHIVE_ENTRY_ACL_OTHER, OTHER },
};

static int by_tag(const void *a, const void *b)
{
	const struct row *l = a, *r = b;

	if (l->tag != r->tag)
		return l->tag < r->tag ? -1 : 1;
	return l->id < r->id ? -1 : l->id > r->id;
}

/* Exactly one of each that must be, a mask where there are names. */
static bool rows_are_sane(const struct row *rows, size_t n)
{
	unsigned seen = 0;

	for (size_t i = 0; i < n; i++) {
		bool named = rows[i].tag == USER || rows[i].tag == GROUP;

		if (rows[i].perm > 7 || (named && rows[i].id == NO_ID))
			return false;
		if (i && rows[i].tag == rows[i - 1].tag &&
		    (!named || rows[i].id == rows[i - 1].id))
			return false;
		seen |= rows[i].tag;
	}
	if ((seen & (USER_OBJ | GROUP_OBJ | OTHER)) !=
	    (USER_OBJ | GROUP_OBJ | OTHER))
		return false;
	return !(seen & (USER | GROUP)) || (seen & MASK);
}

static int put_rows(struct row *rows, size_t n, struct strbuf *out)
{
	uint32_t version = htole32(VERSION);

	qsort(rows, n, sizeof(*rows), by_tag);
	if (!rows_are_sane(rows, n))
		return -EINVAL;
	strbuf_clear(out);
	strbuf_add(out, &version, sizeof(version));
	for (size_t i = 0; i < n; i++) {
		struct row le = {
			.tag = htole16(rows[i].tag),
			.perm = htole16(rows[i].perm),
			.id = htole32(rows[i].id),
		};

		strbuf_add(out, &le, sizeof(le));
	}
	return strbuf_error(out);
}

static int get_rows(const void *raw, size_t len, struct row **rows, size_t *n)
{
	uint32_t version;

	if (len < sizeof(version) || (len - 4) % sizeof(struct row) ||
	    (len - 4) / sizeof(struct row) > ROWS_MAX)
		return -EINVAL;
	memcpy(&version, raw, sizeof(version));
	if (le32toh(version) != VERSION)
		return -EINVAL;
	*n = (len - 4) / sizeof(struct row);
	*rows = calloc(*n + 1, sizeof(struct row));
	if (!*rows)
		return -ENOMEM;
	for (size_t i = 0; i < *n; i++) {
		struct row le, *r = &(*rows)[i];

		memcpy(&le, (const char *)raw + 4 + i * sizeof(le), sizeof(le));
		r->tag = le16toh(le.tag);
		r->perm = le16toh(le.perm);
		r->id = r->tag == USER || r->tag == GROUP ? le32toh(le.id)
							  : NO_ID;
	}
	return 0;
}

int paxacl_sort(const void *raw, size_t len, struct strbuf *out)
{
	_cleanup_free_ struct row *rows = NULL;
	size_t n;
	int r = get_rows(raw, len, &rows, &n);

	return r < 0 ? r : put_rows(rows, n, out);
}

int paxacl_mask(const void *raw, size_t len, uint32_t *mode)
{
	_cleanup_free_ struct row *rows = NULL;
	size_t n = 0;
	int r = get_rows(raw, len, &rows, &n);

	for (size_t i = 0; i < n && r == 0; i++)
		if (rows[i].tag == MASK)
			*mode = (*mode & ~070u) | (rows[i].perm & 7u) << 3;
	return r;
}

/* ---- from an archive ----------------------------------------------------- */

/*
 * Names as tar does: this machine's. libarchive's ids are an int: what is
 * beyond comes as the largest, or less than nothing.
 */
static int id_of(uint16_t tag, int id, const char *name, uint32_t *out)
{
	*out = NO_ID;
	if (tag != USER && tag != GROUP)
		return 0;
	if (id == INT_MAX)
		return -ERANGE;
	if (id >= 0) {
		*out = (uint32_t)id;
	} else if (name && tag == USER) {
		const struct passwd *pw = getpwnam(name);

		*out = pw ? pw->pw_uid : NO_ID;
	} else if (name) {
		const struct group *gr = getgrnam(name);

		*out = gr ? gr->gr_gid : NO_ID;
	}
	return *out == NO_ID ? -ENOENT : 0;
}

int paxacl_get(struct archive_entry *e, bool access, uint32_t *mode,
	       struct strbuf *out, const char **name)
{
	int want = access ? ARCHIVE_ENTRY_ACL_TYPE_ACCESS
			  : ARCHIVE_ENTRY_ACL_TYPE_DEFAULT;
	_cleanup_free_ struct row *rows = NULL;
	int count, type, perm, tag, id, r;
	uint32_t masked = *mode;
	bool mask = false;
	size_t n = 0;

	/* of access ACLs those with no more than a mode says are none */
	count = archive_entry_acl_reset(e, want);
	if (count <= (access ? 3 : 0) || count > (int)ROWS_MAX)
		return 0;
	rows = calloc((size_t)count + 1, sizeof(*rows));
	if (!rows)
		return -ENOMEM;
	while (n < (size_t)count &&
	       archive_entry_acl_next(e, want, &type, &perm, &tag, &id, name) ==
		       ARCHIVE_OK) {
		for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++)
			if (tags[i].archive == tag)
				rows[n].tag = tags[i].tag;
		rows[n].perm = (uint16_t)(perm & 7);
		r = id_of(rows[n].tag, id, *name, &rows[n].id);
		if (r < 0)
			return r;
		if (access && rows[n].tag == MASK) {
			masked = (*mode & ~070u) | (uint32_t)(perm & 7) << 3;
			mask = true;
		}
		n++;
	}
	r = put_rows(rows, n, out);
	if (r < 0 || (access && !mask))
		return r;
	*mode = masked;
	return 1;
}

/*
 * Where libarchive's ids end. It would write user 0 for those beyond, and what
 * it reads as the last one may have been any.
 */
static bool is_large(const struct row *row)
{
	return row->id != NO_ID && row->id >= INT_MAX;
}

static int add_row(struct archive_entry *e, int want, const struct row *row)
{
	char name[16];
	int tag = 0, id = row->id == NO_ID || is_large(row) ? -1 : (int)row->id;

	for (size_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++)
		if (tags[i].tag == row->tag)
			tag = tags[i].archive;
	snprintf(name, sizeof(name), "%u", row->id);
	return archive_entry_acl_add_entry(e, want, row->perm, tag, id,
					   is_large(row) ? name : NULL) ==
			       ARCHIVE_OK
		       ? 0
		       : -EINVAL;
}

int paxacl_set(struct archive_entry *e, bool access, const void *raw,
	       size_t len)
{
	int want = access ? ARCHIVE_ENTRY_ACL_TYPE_ACCESS
			  : ARCHIVE_ENTRY_ACL_TYPE_DEFAULT;
	_cleanup_free_ struct row *rows = NULL;
	bool large = false;
	size_t n = 0;
	int r = get_rows(raw, len, &rows, &n);

	for (size_t i = 0; i < n && r == 0; i++) {
		r = add_row(e, want, &rows[i]);
		large |= is_large(&rows[i]);
	}
	if (r == 0 && large)
		archive_entry_xattr_add_entry(
			e, access ? PAXACL_ACCESS : PAXACL_DEFAULT, raw, len);
	return r;
}
