/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/absent.h"

#include <stdlib.h>

#include "fs/base/lock.h"

#define SLOTS 32u /* a power of two */
#define NAME_KEPT 63u

struct slot {
	struct ref dir; /* REF_NONE: free */
	char name[NAME_KEPT + 1];
};

struct absent {
	struct lock lock;
	struct slot slots[SLOTS];
};

struct absent *absent_new(void)
{
	return calloc(1, sizeof(struct absent));
}

void absent_free(struct absent *a)
{
	free(a);
}

/* NULL: it is too long. */
static struct slot *slot_of(struct absent *a, const struct ref *dir,
			    const char *name, size_t *len)
{
	uint64_t h = ref_hash(dir);
	size_t n = 0;

	for (; name[n]; n++) {
		if (n == NAME_KEPT)
			return NULL;
		h = (h ^ (unsigned char)name[n]) * 0x100000001b3ull;
	}
	*len = n;
	return &a->slots[(h ^ (h >> 32)) & (SLOTS - 1)];
}

bool absent_knows(struct absent *a, const struct ref *dir, const char *name)
{
	size_t len;
	struct slot *s = slot_of(a, dir, name, &len);
	bool known;

	if (!s)
		return false;
	lock_acquire(&a->lock);
	known = ref_is(&s->dir) && memcmp(s->name, name, len + 1) == 0 &&
		ref_same(&s->dir, dir);
	lock_release(&a->lock);
	return known;
}

void absent_note(struct absent *a, const struct ref *dir, const char *name)
{
	size_t len;
	struct slot *s = slot_of(a, dir, name, &len);

	if (!s)
		return;
	lock_acquire(&a->lock);
	s->dir = *dir;
	memcpy(s->name, name, len + 1);
	lock_release(&a->lock);
}
