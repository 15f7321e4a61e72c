/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/itableset.h"

#include "fs/base/cleanup.h"
#include "fs/dirlayer.h"
#include "fs/itablepriv.h"
#include "fs/refpack.h"

/* Rebuild the blob with another upper, name or number of lowers. */
static int reblob(struct itable *t, struct inode *i, const struct ref *upper,
		  const char *name, bool keep_lowers)
{
	struct itable_rec *rec = itablepriv_rec(t, i);
	_cleanup_free_ uint8_t *fresh = malloc(ITABLE_BLOB_MAX);
	const uint8_t *old = itablepriv_blob(t, rec), *p = old + 2, *lowers;
	size_t name_len, len, lowers_len;
	struct ref was;
	bool rehash;
	int r;

	if (!fresh)
		return -ENOMEM;
	was = REF_NONE;
	if (rec->flags & INODE_UPPER)
		p += refpack_get(p, &was);
	lowers = p;
	lowers_len = (size_t)(old + itablepriv_blob_len(rec) - old[1] - p);
	if (!keep_lowers)
		lowers_len = 0;
	name_len = name ? strlen(name) : old[1];
	if (!name)
		name = (const char *)old + itablepriv_blob_len(rec) - old[1];
	fresh[0] = keep_lowers ? old[0] : 0;
	fresh[1] = (uint8_t)name_len;
	len = 2;
	if (!upper && ref_is(&was))
		upper = &was;
	if (upper)
		len += refpack_put(fresh + len, upper);
	if (len + lowers_len + name_len > ITABLE_BLOB_MAX)
		return -ENOMEM;
	memcpy(fresh + len, lowers, lowers_len);
	len += lowers_len;
	memcpy(fresh + len, name, name_len);
	len += name_len;

	pthread_mutex_lock(&t->mutex);
	rehash = i->hashed;
	itablepriv_hash_del(t, i);
	r = itablepriv_blob_replace(t, rec, fresh, len);
	if (r == 0 && upper) {
		/* At once: by its lower name it is not found any more. */
		if (!(rec->flags & INODE_UPPER))
			t->moves++;
		rec->flags |= INODE_UPPER;
	}
	if (rehash)
		itablepriv_hash_add(t, i);
	pthread_mutex_unlock(&t->mutex);
	return r;
}

int itableset_upper_locked(struct itable *t, struct inode *i,
			   const struct ref *upper)
{
	return reblob(t, i, upper, NULL, true);
}

int itableset_name_locked(struct itable *t, struct inode *i, uint32_t parent,
			  const char *name)
{
	struct itable_rec *rec = itablepriv_rec(t, i);
	const uint8_t *blob = itablepriv_blob(t, rec);
	uint32_t old = rec->parent;

	if (strlen(name) != blob[1] ||
	    memcmp(blob + itablepriv_blob_len(rec) - blob[1], name, blob[1]) !=
		    0) {
		int r = reblob(t, i, NULL, name, true);

		if (r < 0)
			return r;
	}
	if (old == parent)
		return 0;
	pthread_mutex_lock(&t->mutex);
	rec->parent = parent;
	if (parent)
		t->inodes[parent].refs++;
	if (old) {
		t->inodes[old].refs--;
		itablepriv_reap(t, &t->inodes[old]);
	}
	pthread_mutex_unlock(&t->mutex);
	return 0;
}

void itableset_drop_lowers_locked(struct itable *t, struct inode *i)
{
	struct itable_rec *rec = itablepriv_rec(t, i);
	const uint8_t *p = itablepriv_blob(t, rec);
	_cleanup_free_ struct ref *refs = NULL;
	unsigned n = p[0];

	if (!n || !(rec->flags & INODE_UPPER))
		return;
	refs = calloc(n, sizeof(*refs));
	if (!refs)
		return; /* they stay, unused: the flags say what counts */
	p += 2;
	p += refpack_get(p, &refs[0]);
	for (unsigned k = 0; k < n; k++)
		p += refpack_get(p, &refs[k]);
	if (reblob(t, i, NULL, NULL, false) < 0)
		return;
	for (unsigned k = 0; k < n; k++)
		dirlayer_ref_close(&refs[k]);
}

void itableset_flags_locked(struct itable *t, struct inode *i, uint32_t set,
			    uint32_t clear)
{
	struct itable_rec *rec = itablepriv_rec(t, i);

	pthread_mutex_lock(&t->mutex);
	rec->flags = (rec->flags & ~clear) | set;
	pthread_mutex_unlock(&t->mutex);
}

void itableset_link_delta_locked(struct itable *t, struct inode *i,
				 int32_t delta)
{
	itablepriv_rec(t, i)->link_delta = delta;
}

void itableset_pin_locked(struct itable *t, struct inode *i, int fd)
{
	struct itable_rec *rec = itablepriv_rec(t, i);

	int old = rec->pin - 1;

	rec->pin = fd + 1;
	if (old >= 0 && old != fd)
		close(old);
}

int32_t itableset_backing_get_locked(const struct itable *t,
				     const struct inode *i)
{
	return itablepriv_rec(t, i)->backing;
}

void itableset_backing_locked(struct itable *t, struct inode *i, int32_t id)
{
	itablepriv_rec(t, i)->backing = id;
	if (id > 0)
		t->head->last_backing = id;
}

void itableset_backing_intent(struct itable *t, bool on)
{
	atomic_store(&t->head->registering, on);
}
