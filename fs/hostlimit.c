/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/hostlimit.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "fs/base/cleanup.h"
#include "fs/base/creds.h"
#include "fs/base/fdio.h"
#include "fs/base/log.h"
#include "fs/gate.h"
#include "quota/hostquota.h"

/*
 * `limit` is what the host has when nobody lends; `lenders` changes are at work
 * that may have lent[] more. All below the lock. A worker that dies while it
 * lends leaves the larger limit until its successor begins.
 *
 * A project counts the directories of work, the ledger does not: its limit is
 * larger by what they take. Of a subvolume all counts that its tree takes.
 */
static const uint64_t lent[] = {
	[HOSTQUOTA_PROJECT] = 1ull << 20,
	/* It reserves much more than it needs. */
	[HOSTQUOTA_SUBVOLUME] = 32ull << 20,
};

struct hostlimit {
	struct hostquota *quota;
	pthread_mutex_t lock;
	uint64_t limit; /* 0: none */
	unsigned lenders;
	bool known; /* the host has `limit` */
};

int hostlimit_new(struct hostlimit **out, struct overlay *o, int folder,
		  char *why, size_t len)
{
	struct hostlimit *h = calloc(1, sizeof(*h));
	int fds[WORKDIR_FDS], r = -ENOMEM;

	snprintf(why, len, "no memory");
	upper_fds(o->upper, fds);
	if (h)
		r = hostquota_open(&h->quota,
				   &(struct hostquota_place){ fds[0], fds[3],
							      folder },
				   why, len);
	if (r < 0) {
		free(h);
		return r;
	}
	pthread_mutex_init(&h->lock, NULL);
	gate_host_keeps_space(o->gate, true);
	*out = h;
	return 0;
}

void hostlimit_free(struct hostlimit *h)
{
	if (!h)
		return;
	pthread_mutex_destroy(&h->lock);
	hostquota_free(h->quota);
	free(h);
}

void hostlimit_begin(const struct overlay *o)
{
	int r;

	if (!o->hostlimit)
		return;
	pthread_mutex_init(&o->hostlimit->lock, NULL);
	o->hostlimit->lenders = 0;
	o->hostlimit->known = false;
	/* With it ext4 lets us, and whoever writes by passthrough, have more. */
	r = creds_drop_resource();
	if (r < 0)
		log_warn("quota: the host's limit does not hold for this "
			 "process: %s",
			 strerror(-r));
}

/* What the limit is now, and in how many seconds it may be another. */
static uint64_t limit_now(struct overlay *o, int64_t *again)
{
	struct ledger *l = gate_ledger(o->gate);
	int64_t now = time(NULL);
	const struct limit *space;
	struct limit_rec rec;

	*again = -1;
	if (!ledger_enforces(l, LEDGER_CONTAINER))
		return 0;
	ledger_get(l, LEDGER_CONTAINER, 0, &rec);
	space = &rec.of[LIMIT_SPACE];
	if (!space->deadline)
		return space->hard;
	if (space->deadline > now) {
		*again = space->deadline - now;
		return space->hard;
	}
	/* The grace is over: no more above the soft one. */
	return space->soft;
}

/* Directories that a project counts and the ledger does not. */
static uint64_t aside(const struct overlay *o)
{
	int fds[WORKDIR_FDS];
	_cleanup_close_ int parent = -1;
	uint64_t sum = 0;
	struct stat st;

	if (hostquota_kind(o->hostlimit->quota) != HOSTQUOTA_PROJECT)
		return 0;
	upper_fds(o->upper, fds);
	fds[0] = parent =
		openat(fds[0], "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (unsigned i = 0; i < 4; i++) {
		if (fds[i] >= 0 && hostquota_has(o->hostlimit->quota, fds[i]) &&
		    fdio_stat(fds[i], &st) == 0)
			sum += (uint64_t)st.st_blocks * 512;
	}
	return sum;
}

static int give_locked(struct hostlimit *h)
{
	uint64_t more = h->lenders ? lent[hostquota_kind(h->quota)] : 0;

	return hostquota_set(h->quota, h->limit ? h->limit + more : 0);
}

int64_t hostlimit_update(struct overlay *o)
{
	struct hostlimit *h = o->hostlimit;
	int64_t again;
	uint64_t limit;
	int r = 0;

	if (!h)
		return -1;
	limit = limit_now(o, &again);
	if (limit)
		limit += aside(o);
	pthread_mutex_lock(&h->lock);
	if (!h->known || h->limit != limit) {
		h->limit = limit;
		r = give_locked(h);
		h->known = r == 0;
	}
	pthread_mutex_unlock(&h->lock);
	if (r < 0)
		log_error("quota: the host does not take the limit of %s: %s; "
			  "the daemon keeps it, for files that are opened from "
			  "now on",
			  o->opts->quota, strerror(-r));
	gate_host_keeps_space(o->gate, r == 0);
	return again;
}

static bool lend(struct hostlimit *h)
{
	bool may = false;

	pthread_mutex_lock(&h->lock);
	if (h->limit) {
		may = h->lenders++ > 0 || give_locked(h) == 0;
		if (!may)
			h->lenders--;
	}
	pthread_mutex_unlock(&h->lock);
	return may;
}

static void take_back(struct hostlimit *h)
{
	pthread_mutex_lock(&h->lock);
	if (--h->lenders == 0 && give_locked(h) < 0)
		h->known = false;
	pthread_mutex_unlock(&h->lock);
}

/* Did the host refuse it, and shall it not have? */
static bool wrongly(const struct hostlimit_loan *l, int r)
{
	if ((r != -ENOSPC && r != -EDQUOT) || gate_said() == r)
		return false;
	return l->forced ||
	       hostquota_kind(l->o->hostlimit->quota) == HOSTQUOTA_SUBVOLUME;
}

bool hostlimit_again(struct hostlimit_loan *l, int r)
{
	bool again;

	if (!l->o->hostlimit)
		return false;
	again = l->tries < 2 && wrongly(l, r);
	if (again && l->tries == 0 && !lend(l->o->hostlimit))
		return false;
	/* btrfs keeps what changes asked for until it commits. */
	if (again && l->tries == 1)
		again = syncfs(upper_workfd(l->o->upper)) == 0;
	if (!again && l->tries > 0)
		take_back(l->o->hostlimit);
	l->tries++;
	return again;
}

int hostlimit_error(const struct overlay *o, int r)
{
	if (r != -EDQUOT || !o->hostlimit || gate_said() == r)
		return r;
	return -ENOSPC;
}
