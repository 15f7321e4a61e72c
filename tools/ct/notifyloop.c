/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/ct/notifyloop.h"

#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "fs/base/cleanup.h"
#include "fs/base/log.h"
#include "tools/ct/notifycaller.h"
#include "tools/ct/notifycpus.h"
#include "tools/ct/notifyquota.h"

/*
 * The first thread receives, and answers at once; what concerns the quota it
 * queues for the second. One slot is never queued, so that there is always
 * one to receive into; calls that find all others taken are told EBUSY.
 *
 * A slot is taken by the first thread, given back by who answered. The queue
 * is the only thing that is locked.
 */
#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#endif
#define SYNC_WAKE_UP 1ull /* SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP */
#define EVENTS 32
#define TRIES_MAX 6u /* a call that they died of is answered with EIO */
#define STACK_BYTES (256 * 1024)
#define LINK UINT32_MAX /* where events have the row of a listener */

struct loop {
	const struct notify_config *config;
	void *self; /* the operations' */
	struct notifyloop_state *state;
	int link, epoll;
	unsigned n_listeners;
	struct {
		uint64_t serial;
		int fd;
	} listeners[NOTIFYLOOP_LISTENERS]; /* ours; fd -1: an empty row */
	unsigned cursor;		   /* a slot that may be empty */
	/* The queue, of slots. */
	pthread_mutex_t lock;
	pthread_cond_t more;
	unsigned head, n;
	struct {
		unsigned slot;
		int fd;
	} queue[NOTIFYLOOP_SLOTS];
	_Atomic unsigned queued; /* and not yet answered */
};

/* Messages. */

int notifyloop_send(int sock, int fd, const void *data, size_t len, int flags)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { .room = { 0 } };
	struct iovec io = { .iov_base = (void *)data, .iov_len = len };
	struct msghdr m = { .msg_iov = &io,
			    .msg_iovlen = 1,
			    .msg_control = &control,
			    .msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	while (sendmsg(sock, &m, MSG_NOSIGNAL | flags) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

int notifyloop_receive(int sock, int *fd, void *data, size_t len)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec io = { .iov_base = data, .iov_len = len };
	struct msghdr m = { .msg_iov = &io,
			    .msg_iovlen = 1,
			    .msg_control = &control,
			    .msg_controllen = sizeof(control) };
	const struct cmsghdr *c;
	ssize_t n;

	*fd = -1;
	do
		n = recvmsg(sock, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return n < 0 ? -errno : 0;
	c = CMSG_FIRSTHDR(&m);
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
	    c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(fd, CMSG_DATA(c), sizeof(int));
	if ((size_t)n == len)
		return 1;
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	return 1;
}

bool notifyloop_is_listener(int fd)
{
	uint64_t id = 0;

	return ioctl(fd, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0 ||
	       errno == ENOENT;
}

/* Answers. */

static void give_back(struct notifyloop_slot *s)
{
	s->notif.id = 0;
	atomic_store(&s->taken, 0);
}

/* Nobody may be there to hear it: that is theirs. */
static void reply(int listener, const struct seccomp_notif *n, int result)
{
	struct seccomp_notif_resp r = { .id = n->id };

	if (result == NOTIFY_CONTINUE)
		r.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
	else if (result < 0)
		r.error = result;
	else
		r.val = result;
	while (ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &r) < 0)
		if (errno != EINTR)
			return;
}

static int answer_sysinfo(struct loop *l, int listener,
			  const struct seccomp_notif *n)
{
	struct notifyabi_sysinfo s = { .uptime = 0 };
	unsigned char buf[NOTIFYABI_BYTES];
	struct notifycaller c;
	int r = notifycaller_open(&c, listener, n);

	if (r < 0)
		return r;
	r = l->config->ops.sysinfo(l->self, &s);
	if (r == 0)
		r = notifycaller_write(
			&c, notifyabi_pointer(c.abi, n->data.args[0]), buf,
			notifyabi_put_sysinfo(c.abi, &s, buf));
	notifycaller_close(&c);
	return r;
}

/* The second thread. */

static void *answer_quota(void *arg)
{
	struct loop *l = arg;

	for (;;) {
		struct notifyloop_slot *s;
		int fd;

		pthread_mutex_lock(&l->lock);
		while (l->n == 0)
			pthread_cond_wait(&l->more, &l->lock);
		s = &l->state->slots[l->queue[l->head].slot];
		fd = l->queue[l->head].fd;
		l->head = (l->head + 1) % NOTIFYLOOP_SLOTS;
		l->n--;
		pthread_mutex_unlock(&l->lock);
		reply(fd, &s->notif,
		      notifyquota_answer(l->config, l->self, fd, &s->notif));
		/* A descriptor of the queue's own: listeners may go. */
		close(fd);
		give_back(s);
		atomic_fetch_sub(&l->queued, 1);
	}
	return NULL;
}

static int enqueue(struct loop *l, struct notifyloop_slot *s, int listener)
{
	int fd;

	if (atomic_load(&l->queued) >= NOTIFYLOOP_SLOTS - 1)
		return -EBUSY;
	fd = fcntl(listener, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return -EBUSY;
	atomic_fetch_add(&l->queued, 1);
	pthread_mutex_lock(&l->lock);
	l->queue[(l->head + l->n) % NOTIFYLOOP_SLOTS].slot =
		(unsigned)(s - l->state->slots);
	l->queue[(l->head + l->n) % NOTIFYLOOP_SLOTS].fd = fd;
	l->n++;
	pthread_cond_signal(&l->more);
	pthread_mutex_unlock(&l->lock);
	return 0;
}

/* The first thread. */

static void handle(struct loop *l, struct notifyloop_slot *s, int listener)
{
	const struct seccomp_notif *n = &s->notif;
	const struct notifyabi *abi = notifyabi_find(n->data.arch);
	int r = -ENOSYS;

	switch (abi ? notifyabi_call(abi, n->data.nr) : NOTIFYABI_NONE) {
	case NOTIFYABI_SYSINFO:
		r = answer_sysinfo(l, listener, n);
		break;
	case NOTIFYABI_AFFINITY:
		r = notifycpus_answer(l->config, l->self, listener, n);
		break;
	case NOTIFYABI_QUOTACTL:
	case NOTIFYABI_QUOTACTL_FD:
		r = enqueue(l, s, listener);
		if (r == 0)
			return;
		break;
	default:
		break;
	}
	reply(listener, n, r);
	give_back(s);
}

/* An empty one; there is one always, see above. */
static struct notifyloop_slot *take_slot(struct loop *l)
{
	for (unsigned i = 0; i < NOTIFYLOOP_SLOTS; i++) {
		unsigned at = (l->cursor + i) % NOTIFYLOOP_SLOTS;
		struct notifyloop_slot *s = &l->state->slots[at];

		if (atomic_load(&s->taken))
			continue;
		l->cursor = at;
		memset(s->room, 0, sizeof(s->room));
		s->tries = 1;
		atomic_store(&s->taken, 1);
		return s;
	}
	return NULL;
}

static void receive(struct loop *l, uint64_t serial, int listener)
{
	struct notifyloop_slot *s = take_slot(l);

	if (!s)
		return;
	s->serial = serial;
	atomic_signal_fence(memory_order_seq_cst);
	/* ENOENT: the caller died before. */
	if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &s->notif) < 0)
		give_back(s);
	else
		handle(l, s, listener);
}

/* Listeners. */

static void listener_add(struct loop *l, uint64_t serial, int fd)
{
	struct epoll_event e = { .events = EPOLLIN };
	unsigned at = 0;

	while (at < NOTIFYLOOP_LISTENERS && l->listeners[at].fd >= 0)
		at++;
	e.data.u32 = at;
	if (at == NOTIFYLOOP_LISTENERS || !notifyloop_is_listener(fd) ||
	    epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &e) < 0) {
		log_error("a listener of system calls cannot be taken: %s",
			  strerror(errno));
		close(fd);
		return;
	}
	/* Older kernels wake otherwise. */
	(void)ioctl(fd, SECCOMP_IOCTL_NOTIF_SET_FLAGS, SYNC_WAKE_UP);
	l->listeners[at].serial = serial;
	l->listeners[at].fd = fd;
	l->n_listeners++;
}

static void listener_drop(struct loop *l, unsigned at)
{
	/* Others have copies: closing would not take it out. */
	epoll_ctl(l->epoll, EPOLL_CTL_DEL, l->listeners[at].fd, NULL);
	close(l->listeners[at].fd);
	l->listeners[at].fd = -1;
	l->n_listeners--;
}

/* False: the monitor is gone. */
static bool take_new(struct loop *l)
{
	struct notifyloop_message m;
	int fd, r = notifyloop_receive(l->link, &fd, &m, sizeof(m));

	if (r == 1 && fd >= 0)
		listener_add(l, m.serial, fd);
	return r == 1 || r == -EAGAIN;
}

/* What the supervisor before left. */

static int find_listener(const struct loop *l, uint64_t serial)
{
	for (unsigned i = 0; i < NOTIFYLOOP_LISTENERS; i++)
		if (l->listeners[i].fd >= 0 && l->listeners[i].serial == serial)
			return l->listeners[i].fd;
	return -1;
}

static void take_over(struct loop *l)
{
	for (unsigned i = 0; i < NOTIFYLOOP_SLOTS; i++) {
		struct notifyloop_slot *s = &l->state->slots[i];
		struct notifycaller c = NOTIFYCALLER_NONE;

		if (!atomic_load(&s->taken))
			continue;
		c.id = s->notif.id;
		c.listener = find_listener(l, s->serial);
		if (!c.id || c.listener < 0 || !notifycaller_waits(&c)) {
			give_back(s);
		} else if (s->tries++ >= TRIES_MAX) {
			reply(c.listener, &s->notif, -EIO);
			give_back(s);
		} else {
			handle(l, s, c.listener);
		}
	}
}

static int begin(struct loop *l, const struct notifyloop_listener *given)
{
	struct epoll_event e = { .events = EPOLLIN, .data.u32 = LINK };
	pthread_attr_t attr;
	pthread_t thread;
	int r;

	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (l->epoll < 0 || epoll_ctl(l->epoll, EPOLL_CTL_ADD, l->link, &e) < 0)
		return -errno;
	for (unsigned i = 0; i < NOTIFYLOOP_LISTENERS; i++)
		l->listeners[i].fd = -1;
	for (unsigned i = 0; i < NOTIFYLOOP_LISTENERS; i++) {
		if (given[i].serial)
			listener_add(l, given[i].serial, given[i].fd);
	}
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	r = -pthread_create(&thread, &attr, answer_quota, l);
	pthread_attr_destroy(&attr);
	return r;
}

static void serve(struct loop *l)
{
	struct epoll_event e[EVENTS];
	bool monitored = true;

	while (monitored || l->n_listeners) {
		int n = epoll_wait(l->epoll, e, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			unsigned at = e[i].data.u32;

			if (at == LINK) {
				monitored = take_new(l);
				if (!monitored)
					epoll_ctl(l->epoll, EPOLL_CTL_DEL,
						  l->link, NULL);
			} else if (e[i].events & EPOLLIN) {
				receive(l, l->listeners[at].serial,
					l->listeners[at].fd);
			} else {
				listener_drop(l, at);
			}
		}
	}
}

int notifyloop_run(const struct notify_config *config,
		   struct notifyloop_state *state,
		   const struct notifyloop_listener *given, int link)
{
	/* Threads use it until the process ends. */
	struct loop *l = calloc(1, sizeof(*l));
	struct seccomp_notif_sizes sizes;
	int r;

	if (!l)
		return -ENOMEM;
	*l = (struct loop){ .config = config,
			    .state = state,
			    .link = link,
			    .lock = PTHREAD_MUTEX_INITIALIZER,
			    .more = PTHREAD_COND_INITIALIZER };
	if (syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) < 0)
		return -errno;
	if (sizes.seccomp_notif > NOTIFYLOOP_NOTIF ||
	    sizes.seccomp_notif_resp > sizeof(struct seccomp_notif_resp))
		return -EPROTO;
	l->self = config->ops.begin(config->ctx);
	if (!l->self)
		return -ENOMEM;
	r = begin(l, given);
	if (r < 0)
		return r;
	take_over(l);
	serve(l);
	return 0;
}
