/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_CONTAINER_H
#define VEFS_TOOLS_CONTAINER_H

/*
 * container - the directory of a container in the store: which template it
 * is made of, what it changed, where it is mounted.
 *
 *	containers/ID/vefs.conf		KEY="value", see fs/FORMAT.md
 *	containers/ID/upper, work	of its mount; where the host's
 *					filesystem keeps its limit they are
 *					in ID/data
 *	containers/ID/quota.mdb		quotaask.h
 *
 * Errors come as -errno with the reason in `why`.
 */
#include <limits.h>
#include <stdbool.h>

#include "templates/catalog.h"
#include "templates/catalogchange.h"
#include "tools/conf.h"

#define CONTAINER_CONF "vefs.conf"
#define CONTAINER_DATA "data"
#define CONTAINER_ID_MAX 64u
#define CONTAINER_SPEC_MAX (CATALOG_NAME_MAX + CATALOG_VERSION_MAX + 2)

struct container {
	int dir;  /* its directory */
	int data; /* where upper and work are: there, or in its data */
	int lock; /* held until container_close() or _unlock(), or -1 */
	char id[CONTAINER_ID_MAX + 1];
	char template[CONTAINER_SPEC_MAX]; /* NAME:VERSION */
	char root[PATH_MAX];		   /* where it is mounted */
	char enforce[8];  /* who keeps its limit on space: "host" or any */
	char uidbase[12]; /* where its ids begin on the host, or "" */
	char name[CONTAINER_ID_MAX + 1]; /* its second one as it says, or "" */
	bool has_data;			 /* data is not dir */
};

#define CONTAINER_NONE ((struct container){ .dir = -1, .data = -1, .lock = -1 })

/*
 * A number from 101 on, or a name: letters, digits and ". _ -", the first a
 * letter. -EINVAL.
 */
int container_check_id(const char *id, struct why *why);

/* What one is to be. */
struct container_plan {
	const char *id;
	const char *template;	 /* NAME or NAME:VERSION */
	const char *root;	 /* NULL: root/ID in the store */
	const char *name;	 /* a second one (ctname.h), or NULL */
	const struct conf *conf; /* more lines of vefs.conf, or NULL */
	bool passing;		 /* not to outlive us: nothing is synced */
	bool userns;		 /* take ids of the host for it (idrange.h) */
	enum container_enforce {
		CONTAINER_DAEMON,
		CONTAINER_HOST,
		CONTAINER_AUTO, /* the host where it can, else the daemon */
	} enforce;		/* who keeps the limit on space */
};

/*
 * Lock what containers and their names are called: shared, none is taken away;
 * alone, none comes either. Waits. A descriptor to be closed, or -errno.
 */
int container_lock_ids(struct catalog *c, bool shared, struct why *why);

/*
 * Make one, in the store at `store`. However large the template is, this
 * costs the same. -EEXIST, -ENOENT: no such template, -EOPNOTSUPP: the host
 * cannot keep a limit.
 */
int container_create(struct catalog *c, const char *store,
		     const struct container_plan *plan, struct why *why);

/*
 * Open it, by its id or its name; with `lock` for a change: -EBUSY when another command has it.
 * -ENOENT: there is none. -EUCLEAN: vefs.conf is damaged; it is open, with
 * empty `template` and `root`. container_close() in every case.
 */
int container_open(struct catalog *c, const char *id, bool lock,
		   struct container *out, struct why *why);
void container_close(struct container *c);
/* Somebody else may have it from now on; it stays open. */
void container_unlock(struct container *c);

/* Is its root the mount of this container, not only of some other? */
bool container_is_mounted(const struct container *c);

/*
 * Is any process serving a mount of it, wherever that is: below something
 * else, in another mount namespace, unmounted but still busy? One that is about
 * to end is waited for, `ms` milliseconds at most.
 *
 * 0: none is, and none can begin until *fd is closed (-1: there is nothing to
 * mount). -EBUSY: one is. Or -errno with the reason in `why`.
 */
int container_idle(const struct container *c, unsigned ms, int *fd,
		   struct why *why);

/* Is its root a mount point, whoever's? */
bool container_root_is_taken(const struct container *c);

/* Does the host keep its limit on space? */
bool container_host_keeps(const struct container *c);

/* The host is to keep no limit any more, if it does. 0 or -errno. */
int container_free_host(const struct container *c, struct why *why);

/* Remove all of it; the caller has seen that it is idle. */
int container_destroy(struct catalog *c, struct container *one,
		      struct why *why);

/* Remove what was left by those killed while they made or destroyed one. */
void container_sweep(struct catalog *c);

/*
 * Call `fn` for each, by id, unlocked; its non-zero value ends it. Where
 * vefs.conf is damaged `template` and `root` are empty.
 */
int container_each(struct catalog *c,
		   int (*fn)(void *ctx, const struct container *one), void *ctx,
		   struct why *why);

/* For catalogchange_remove() and catalogchange_rename(): who is made of a version. */
struct catalogchange_users container_users(struct catalog *c);

#endif
