/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_CT_NOTIFY_H
#define VEFS_TOOLS_CT_NOTIFY_H

/*
 * notify - system calls of a container that we answer instead of the kernel,
 * by seccomp user notification: sysinfo(2) tells the container's numbers,
 * sched_getaffinity(2) as many processors as it has, quotactl(2) and quotactl_fd(2) on its root are those of its ledger, so that
 * ordinary quota tools work inside.
 *
 * A process that begins in a container (its init; what exec and enter start)
 * installs a filter for itself and all that come from it, and sends the
 * filter's listener away. The monitor keeps all listeners: while one copy is
 * open the calls wait, when the last one is closed they fail with ENOSYS for
 * good. A child of the monitor, the supervisor, answers; when it dies, the
 * monitor makes another, which goes on with what the first had not answered.
 *
 *	monitor				processes of the container
 *	notify_new(), notify_sender()
 *	fork, clone, ...	---->	jail_filter()
 *	notify_begin()			notify_install(), notify_send()
 *	poll notify_fd(), when		execve()
 *	 readable notify_serve()
 *	notify_free()
 *
 * Policy is the kernel's: anyone may ask for the state, everybody about
 * themselves and their groups, who has CAP_SYS_ADMIN in the container's own
 * user namespace about everybody, and change limits. What concerns other
 * devices is left to the kernel.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "templates/why.h"
#include "tools/ct/notifyabi.h"

/* In the process that begins. */

#define NOTIFY_QUOTA 1u
#define NOTIFY_SYSINFO 2u
#define NOTIFY_AFFINITY 4u

/*
 * A filter for this thread and what comes from it; the last one to be loaded,
 * by a thread that has CAP_SYS_ADMIN in its user namespace or no_new_privs.
 * The listener, or -errno: -EBUSY there is a listener already, -ENOSYS or
 * -EINVAL the kernel has none: then the calls are as they were.
 */
int notify_install(unsigned features, struct why *why);

/*
 * Send the listener by `sender` (notify_sender()); it stays the caller's to
 * close. Calls that are made from now on wait until somebody answers.
 */
int notify_send(int sender, int listener);

/*
 * For who stands between: what notify_send() sent into the other end of
 * `sock`, a socket pair (SOCK_SEQPACKET) of one's own; the caller's to close.
 * -EAGAIN nothing is there yet, -ENOTCONN nobody is, -EBADF it was none.
 */
int notify_receive(int sock, int *listener);

/*
 * In the monitor, of one thread. The supervisor is its child; that a waitpid()
 * for any child takes it does no harm. If the monitor dies, the supervisor
 * goes on until nobody is left who could call.
 */

struct notify_ops {
	/*
	 * First in each new supervisor: connect, open; what it returns is
	 * handed to the others. It is never ended. NULL: out of order.
	 */
	void *(*begin)(void *ctx);
	/*
	 * Run a line of quota/command.h; the lines of data into answer[len].
	 * 0, or -errno. May be run twice for one call.
	 */
	int (*quota)(void *self, const char *request, char *answer, size_t len);
	/* 0 or -errno. By another thread than quota(). */
	int (*sysinfo)(void *self, struct notifyabi_sysinfo *out);
	/* How many processors it has; 0: not known. By the same thread. */
	unsigned (*cpus)(void *self);
};

#define NOTIFY_CONTINUE 1 /* an answer: it is the kernel's matter */

#define NOTIFY_KEEP 32u

struct notify_config {
	struct notify_ops ops;
	void *ctx; /* for begin() */
	/* The root's device, and how it is called inside; borrowed. */
	dev_t dev;
	const char *dev_name; /* "/dev/simfs" */
	/* The host's id of its root, ids from there; no ids: they are equal. */
	uint32_t base, count;
	/* Who has one of these in `userns` is the administrator of quotas. */
	uint64_t admin_caps;
	ino_t userns;
	bool lazy; /* the first one is made when somebody calls */
	/* Descriptors that a supervisor needs beside 0, 1, 2; others are closed
	 * in it. */
	int keep[NOTIFY_KEEP];
	unsigned n_keep;
};

struct notify;

/*
 * `state` is NULL, or notify_state_size() bytes of shared memory, zeros at
 * first: what a later process needs that was executed in the monitor's place
 * and has inherited its descriptors; it calls notify_new() with the same.
 */
size_t notify_state_size(void);
int notify_new(struct notify **out, void *state);
/* The supervisor ends, listeners are closed. */
void notify_free(struct notify *n);

/* Where listeners are sent to: borrowed, close-on-exec. */
int notify_sender(const struct notify *n);

/*
 * Take a listener that came another way; it is closed if that fails. -EBADF it
 * is none, -ENFILE there are too many.
 */
int notify_add(struct notify *n, int listener);

/* Of the process `pid`, for the config. */
int notify_userns(pid_t pid, ino_t *userns);

/* Make the first supervisor, or be ready to. `config` is copied. */
int notify_begin(struct notify *n, const struct notify_config *config);

/* Readable when notify_serve() has something to do. Borrowed. */
int notify_fd(const struct notify *n);
/*
 * Take what was sent, let go of listeners that nobody calls any more, make a
 * new supervisor if there is none. Never waits. 0, or -errno: there is no
 * supervisor, and the next one is tried later.
 */
int notify_serve(struct notify *n);

/* Is this descriptor one of those that come and go with listeners and
 * supervisors? */
bool notify_has(const struct notify *n, int fd);

/* The supervisor that there is, 0: none. Listeners. For those who look. */
pid_t notify_supervisor(const struct notify *n);
unsigned notify_listeners(const struct notify *n);

#endif
