/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TESTS_UNIT_NOTIFYRIG_H
#define VEFS_TESTS_UNIT_NOTIFYRIG_H

/*
 * notifyrig - a monitor with made-up numbers and a real ledger, and children
 * whose system calls it answers.
 */
#include <linux/quota.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "tools/ct/notify.h"

#define NOTIFYRIG_DEVICE "/dev/simfs"

/* Shared by all processes of a test. */
struct notifyrig_shared {
	_Atomic unsigned begun;	   /* supervisors */
	_Atomic unsigned asked;	   /* requests that arrived */
	_Atomic unsigned answered; /* of these */
	_Atomic bool shut;	   /* requests wait while it is set */
	_Atomic bool deadly;	   /* a request kills the supervisor */
	_Atomic int sysinfo_fails; /* -errno */
	_Atomic unsigned cpus;	   /* 0: the machine's */
	_Atomic unsigned count;	   /* the test's own */
	_Atomic bool flag;
};

extern struct notifyrig_shared *notifyrig;
extern struct notify *notifyrig_notify;
extern struct notify_config notifyrig_config;

/* What its sysinfo tells. */
extern const struct notifyabi_sysinfo notifyrig_sysinfo;

/*
 * NULL, or why it cannot be tried here. The config may be changed before
 * notifyrig_begin(); notifyrig_end() ends what is left.
 */
const char *notifyrig_set_up(void);
#define NOTIFYRIG_OR_SKIP()                                                    \
	do {                                                                   \
		const char *lacks_ = notifyrig_set_up();                       \
		if (lacks_) {                                                  \
			unit_skip(lacks_);                                     \
			return;                                                \
		}                                                              \
	} while (0)

void notifyrig_begin(void);
void notifyrig_end(void);

/*
 * A child with a filter that runs `fn`, whose failed assertions are the
 * test's; fn's result, 0..255, comes from notifyrig_wait(), which serves
 * meanwhile; -SIGNAL when it was killed.
 */
pid_t notifyrig_child(int (*fn)(void *arg), void *arg);
int notifyrig_wait(pid_t pid);
/* Both; the result must be 0. */
void notifyrig_run(int (*fn)(void *arg), void *arg);

/* In a child: one call of each kind, which is right (0). */
bool notifyrig_sysinfo_is_right(void);
int notifyrig_ask(void *arg);
/* Have so many (an unsigned at `arg`) requests arrived? */
bool notifyrig_was_asked(void *arg);

/* Serve until it is true; fails the test after some seconds. */
void notifyrig_until(bool (*fn)(void *arg), void *arg);

/* QCMD(), without a shift out of an int. */
#define NOTIFYRIG_CMD(cmd, type) (long)QCMD((unsigned)(cmd), (unsigned)(type))

/* 0 or -errno. */
int notifyrig_quotactl(int cmd, int type, uint32_t id, void *at);
int notifyrig_quotactl_fd(int fd, int cmd, int type, uint32_t id, void *at);

/* As 32-bit programs call; pointers must lie low. 0.., or -errno. */
long notifyrig_call32(long nr, long a, long b, long c, long d);
/* Does this kernel take such calls? */
bool notifyrig_has_32(void);
/* Zeros, below 2 GiB. */
void *notifyrig_low(size_t len);

#endif
