/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_CT_RTNL_H
#define VEFS_TOOLS_CT_RTNL_H

/*
 * rtnl - requests to the kernel's networking, in batches, that can be undone.
 *
 * A socket belongs to the network namespace it was opened in. Requests are
 * built with rtnl_begin() and libmnl's mnl_attr_put_*(), queued with
 * rtnl_add(), and sent by rtnl_run(). The kernel goes on behind one that
 * fails; so each may carry its inverse, and rtnl_rollback() sends those of all
 * that were done, the last first.
 *
 * A failure to queue (no memory, a request too large) is told by rtnl_run().
 * Not locked: one thread at a time.
 */
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stdint.h>

#include "templates/why.h"

struct rtnl;

#define RTNL_MESSAGE 1024u /* bytes of a request at most */
#define RTNL_ANY 0x7fff	   /* any errno */
#define RTNL_GONE 0x7ffe   /* those that say it is not there */

/* An answer, to be looked at; 0, or -errno that rtnl_run() returns. */
typedef int (*rtnl_take)(const struct nlmsghdr *h, void *arg);

/* What is special about a request; all zero is usual. */
struct rtnl_how {
	int forgive;	/* an errno that is as good, or RTNL_*: not undone */
	int exists;	/* what EEXIST is told as: EADDRINUSE */
	rtnl_take take; /* called for answers, in rtnl_run() */
	void *arg;
};

/* -errno. */
int rtnl_open(struct rtnl **out);

/*
 * In the namespace `ns`: the calling thread enters it and comes back. -errno
 * (when it cannot come back, too).
 */
int rtnl_open_in(int ns, struct rtnl **out);
void rtnl_free(struct rtnl *r);

/*
 * A new request, in room that the next rtnl_begin() uses again; `header` is the
 * struct that a request of this type begins with. NLM_F_REQUEST and NLM_F_ACK
 * are added to `flags`.
 */
struct nlmsghdr *rtnl_begin(struct rtnl *r, uint16_t type, uint16_t flags,
			    const void *header, size_t size);

/*
 * Queue it. `how` may be NULL; the text says what is asked for, it comes before
 * the reason when it is refused ("route to 10.0.0.5").
 */
void rtnl_add(struct rtnl *r, struct nlmsghdr *h, const struct rtnl_how *how,
	      const char *fmt, ...) _printf_(4, 5);

/* What undoes the request queued last. */
void rtnl_inverse(struct rtnl *r, const struct nlmsghdr *h);

/*
 * Send what is queued and wait for the answers. 0, or the first error; the
 * queue is empty afterwards.
 */
int rtnl_run(struct rtnl *r, struct why *why);

/*
 * Ask for all there are; `take` for each. The queue must be empty. 1 when
 * things changed meanwhile, so that some may have been left out.
 */
int rtnl_dump(struct rtnl *r, struct nlmsghdr *h, rtnl_take take, void *arg);

/*
 * The same, where the request says which ones: only newer kernels (4.20) leave
 * out the others, so `take` looks for itself.
 */
int rtnl_dump_some(struct rtnl *r, struct nlmsghdr *h, rtnl_take take,
		   void *arg);

/* Undo all that was done since it was opened, or since rtnl_settle(). */
void rtnl_rollback(struct rtnl *r);
void rtnl_settle(struct rtnl *r);

#endif
