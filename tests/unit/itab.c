/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/itab.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "fs/itablecount.h"
#include "tests/unit/unit.h"

struct itable *itab_new(void)
{
	struct ref low = itab_ref(1, 1);
	struct itable_seed seed = { .ino = 1,
				    .type = S_IFDIR,
				    .upper = REF_NONE,
				    .lower = &low,
				    .n_lower = 1,
				    .name = "" };
	struct itable *t = itable_new(NULL);

	ck_assert_ptr_nonnull(t);
	ck_assert_int_eq(itable_set_root(t, &seed), 0);
	return t;
}

struct ref itab_ref(uint8_t layer, uint64_t ino)
{
	struct ref r = { .layer = layer, .len = 12, .type = 1, .fd = -1 };

	memcpy(r.bytes, &ino, sizeof(ino));
	memcpy(r.bytes + 8, "gene", 4);
	return r;
}

struct ref itab_pin(uint8_t layer, uint64_t ino)
{
	struct ref r = { .layer = layer, .len = 8, .type = REF_PINNED };

	memcpy(r.bytes, &ino, sizeof(ino));
	r.fd = open("/", O_PATH | O_CLOEXEC);
	ck_assert_int_ge(r.fd, 0);
	return r;
}

struct inode *itab_intern(struct itable *t, struct itable_seed *seed,
			  const struct ref *low)
{
	struct inode *i;

	seed->lower = low;
	seed->n_lower = low ? 1 : 0;
	seed->moves = itable_moves(t);
	ck_assert_int_eq(itable_intern(t, seed, &i), 0);
	return i;
}

struct inode *itab_add(struct itable *t, uint64_t ino, uint32_t parent,
		       const char *name)
{
	struct ref low = itab_ref(1, ino);
	struct itable_seed seed = { .ino = ino,
				    .parent = parent,
				    .type = S_IFREG,
				    .upper = REF_NONE,
				    .name = name };

	return itab_intern(t, &seed, &low);
}

uint64_t itab_tell(struct itable *t, struct inode *i)
{
	uint64_t id = itablecount_add(t, i);

	itable_unpin(t, i);
	return id;
}

bool itab_known(struct itable *t, uint64_t nodeid)
{
	struct inode *i = itable_get(t, nodeid);

	itable_unpin(t, i);
	return i != NULL;
}

uint64_t itab_found(struct itable *t, struct ref key)
{
	struct inode *i = itable_find(t, &key);
	uint64_t id = i ? itable_nodeid(t, i) : 0;

	itable_unpin(t, i);
	return id;
}

struct itable_stats itab_stats(struct itable *t)
{
	struct itable_stats s;

	itable_stats(t, &s);
	return s;
}
