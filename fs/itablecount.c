/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/itablecount.h"

#include "fs/base/cleanup.h"
#include "fs/base/clock.h"
#include "fs/base/crash.h"
#include "fs/itablepriv.h"

/* Seconds; only differences count. */
static uint32_t told_now(void)
{
	return (uint32_t)(clock_coarse() / CLOCK_S);
}

static void suspect_locked(struct itable *t, struct inode *i)
{
	bool first = !t->suspects;

	i->suspect = 1;
	t->suspects = true;
	if (first && t->on_suspect)
		t->on_suspect();
}

uint64_t itablecount_add(struct itable *t, struct inode *i)
{
	uint64_t id;

	pthread_mutex_lock(&t->mutex);
	itablepriv_rec(t, i)->nlookup++;
	i->told = told_now();
	t->n_lookups++;
	id = itablepriv_rec(t, i)->nodeid;
	pthread_mutex_unlock(&t->mutex);
	return id;
}

/* Its record, if there is such an inode (any more). */
static struct itable_rec *find_nodeid(struct itable *t, uint64_t nodeid)
{
	uint32_t x = (uint32_t)nodeid;

	return nodeid && x < t->head->high && t->recs[x].nodeid == nodeid
		       ? &t->recs[x]
		       : NULL;
}

void itablecount_commit(struct itable *t, uint64_t nodeid, uint64_t *count,
			_Atomic uint32_t *where, uint32_t state)
{
	struct itable_rec *rec;

	pthread_mutex_lock(&t->mutex);
	rec = find_nodeid(t, nodeid);
	*count = rec ? rec->nlookup + 1 : 0;
	atomic_store(where, state);
	CRASH_POINT(SLOT_DONE);
	if (rec) {
		rec->nlookup = *count;
		t->inodes[rec - t->recs].told = told_now();
		t->n_lookups++;
	}
	pthread_mutex_unlock(&t->mutex);
}

void itablecount_set(struct itable *t, uint64_t nodeid, uint64_t count)
{
	struct itable_rec *rec;

	pthread_mutex_lock(&t->mutex);
	rec = find_nodeid(t, nodeid);
	/* One that came after it was counted, and answered, already. */
	if (rec && count > rec->nlookup) {
		t->n_lookups += count - rec->nlookup;
		rec->nlookup = count;
	}
	pthread_mutex_unlock(&t->mutex);
}

void itablecount_forget(struct itable *t, uint64_t nodeid, uint64_t n)
{
	struct itable_rec *rec;

	pthread_mutex_lock(&t->mutex);
	rec = find_nodeid(t, nodeid);
	if (rec && nodeid != ITABLE_ROOT) {
		struct inode *i = &t->inodes[rec - t->recs];

		if (n > rec->nlookup)
			n = rec->nlookup;
		CRASH_POINT(FORGET_BEFORE);
		rec->nlookup -= n;
		t->n_lookups -= n;
		CRASH_POINT(FORGET_AFTER);
		/* The kernel forgets all at once: the rest may be nobody's. */
		if (rec->nlookup > 0)
			suspect_locked(t, i);
		itablepriv_reap(t, i);
	}
	pthread_mutex_unlock(&t->mutex);
}
