/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/ct/notify.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>

#include "fs/base/clock.h"
#include "fs/base/forkshare.h"
#include "fs/base/log.h"
#include "tools/ct/notifyloop.h"

/*
 * A listener: sent -> a row of the state (from then on every supervisor that
 * is forked has it) -> told to the supervisor that runs -> nobody is left who
 * could call (HUP) -> the row is empty.
 *
 * A supervisor: none -> runs -> died, which its pidfd tells -> none; the next
 * one at once, but for those that die too soon too often. The first one comes
 * with the first call if it is to be lazy: most containers that run a command
 * never call.
 */
#define INSTRUCTIONS 64
#define SOON (1 * CLOCK_S)
#define SOON_MAX 4 /* times in a row */
#define PAUSE (CLOCK_S / 5)

/* What events are of; from EVENT_ROW on, a row of the state's listeners. */
enum { EVENT_SENT, EVENT_DIED, EVENT_TIMER, EVENT_ROW };

struct notify {
	struct notifyloop_state *state;
	bool own_state;
	struct notify_config config;
	bool begun;
	int sender, receiver;
	int epoll, timer;
	pid_t supervisor; /* 0: none */
	int pidfd, link;
	uint64_t since;
	unsigned too_soon;
	/* As they were when the last supervisor was made: the state goes on. */
	struct notifyloop_listener given[NOTIFYLOOP_LISTENERS];
};

/* In the process that begins. */

struct program {
	struct sock_filter code[INSTRUCTIONS];
	unsigned short n;
};

static void put(struct program *p, unsigned short code, uint32_t k,
		unsigned char yes, unsigned char no)
{
	if (p->n < INSTRUCTIONS)
		p->code[p->n] = (struct sock_filter){ code, yes, no, k };
	p->n++;
}

static void write_program(struct program *p, unsigned features)
{
	static const unsigned feature_of[NOTIFYABI_CALLS] = {
		[NOTIFYABI_QUOTACTL] = NOTIFY_QUOTA,
		[NOTIFYABI_QUOTACTL_FD] = NOTIFY_QUOTA,
		[NOTIFYABI_SYSINFO] = NOTIFY_SYSINFO,
		[NOTIFYABI_AFFINITY] = NOTIFY_AFFINITY,
	};
	unsigned char calls = 0;

	for (int k = 0; k < NOTIFYABI_CALLS; k++)
		calls += (features & feature_of[k]) != 0;
	p->n = 0;
	put(p, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch), 0,
	    0);
	for (size_t i = 0; i < notifyabi_count; i++) {
		const struct notifyabi *abi = &notifyabi_table[i];

		put(p, BPF_JMP | BPF_JEQ | BPF_K, abi->arch, 0,
		    (unsigned char)(2 * calls + 3));
		put(p, BPF_LD | BPF_W | BPF_ABS,
		    offsetof(struct seccomp_data, nr), 0, 0);
		put(p, BPF_ALU | BPF_AND | BPF_K, ~abi->mask, 0, 0);
		for (int k = 0; k < NOTIFYABI_CALLS; k++) {
			if (!(features & feature_of[k]))
				continue;
			put(p, BPF_JMP | BPF_JEQ | BPF_K, abi->nr[k], 0, 1);
			put(p, BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF, 0, 0);
		}
		put(p, BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
	}
	put(p, BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
}

static int load(const struct program *p, unsigned long flags)
{
	const struct sock_fprog f = { .len = p->n,
				      .filter = (struct sock_filter *)p->code };
	long fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
			  SECCOMP_FILTER_FLAG_NEW_LISTENER | flags, &f);

	return fd < 0 ? -errno : (int)fd;
}

int notify_install(unsigned features, struct why *why)
{
	struct program p;
	int fd;

	write_program(&p, features);
	if (p.n > INSTRUCTIONS)
		return why_set(why, -E2BIG, "the filter of calls is too long");
	fd = load(&p, SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV);
	if (fd == -EINVAL) /* before Linux 5.19 */
		fd = load(&p, 0);
	if (fd >= 0)
		return fd;
	return why_sys(why, fd,
		       "system calls of the container cannot be answered for "
		       "it%s",
		       fd == -EBUSY ? " (those of this process are by somebody "
				      "else: turn the features off)"
				    : "");
}

int notify_send(int sender, int listener)
{
	return notifyloop_send(sender, listener, "L", 1, 0);
}

int notify_receive(int sock, int *listener)
{
	char letter;
	int fd, r = notifyloop_receive(sock, &fd, &letter, 1);

	if (r <= 0)
		return r < 0 ? r : -ENOTCONN;
	if (fd < 0)
		return -EBADF;
	*listener = fd;
	return 0;
}

/* Descriptors. */

static void close_it(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static int watch(const struct notify *n, int fd, uint32_t events, uint32_t what)
{
	struct epoll_event e = { .events = events, .data.u32 = what };

	return epoll_ctl(n->epoll, EPOLL_CTL_ADD, fd, &e) < 0 ? -errno : 0;
}

/* Closed in the child, whatever it is: all but some. */
static int by_number(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return (x > y) - (x < y);
}

static int close_others(const struct notify *n, int link)
{
	size_t room = NOTIFYLOOP_LISTENERS + n->config.n_keep + 4u, k = 0;
	int *kept = calloc(room, sizeof(*kept)), from = 0;

	if (!kept)
		return -ENOMEM;
	kept[k++] = STDIN_FILENO;
	kept[k++] = STDOUT_FILENO;
	kept[k++] = STDERR_FILENO;
	kept[k++] = link;
	for (unsigned i = 0; i < n->config.n_keep; i++)
		if (n->config.keep[i] >= 0)
			kept[k++] = n->config.keep[i];
	for (unsigned i = 0; i < NOTIFYLOOP_LISTENERS; i++)
		if (n->given[i].serial)
			kept[k++] = n->given[i].fd;
	qsort(kept, k, sizeof(*kept), by_number);
	for (size_t i = 0; i < k; i++) {
		if (kept[i] > from)
			close_range((unsigned)from, (unsigned)kept[i] - 1, 0);
		if (kept[i] >= from)
			from = kept[i] + 1;
	}
	close_range((unsigned)from, ~0u, 0);
	free(kept);
	return 0;
}

/* Supervisors. */

static void be_supervisor(struct notify *n, int link)
{
	struct sigaction usual = { .sa_handler = SIG_DFL };
	sigset_t none;
	int r;

	sigemptyset(&none);
	for (int sig = 1; sig < NSIG; sig++)
		(void)sigaction(sig, &usual, NULL);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_NAME, "vefs-notify");
	r = close_others(n, link);
	if (r == 0)
		r = notifyloop_run(&n->config, n->state, n->given, link);
	if (r < 0)
		log_error("the system calls of a container are not answered: "
			  "%s",
			  strerror(-r));
	_exit(r < 0);
}

/* By its pidfd: its number may be another's when somebody else waited. */
static void end_supervisor(const struct notify *n)
{
	if (n->pidfd >= 0)
		syscall(SYS_pidfd_send_signal, n->pidfd, SIGKILL, NULL, 0);
}

/* It is dead, or will be. */
static void bury(struct notify *n)
{
	siginfo_t info;

	if (!n->supervisor)
		return;
	end_supervisor(n);
	while (n->pidfd >= 0 &&
	       waitid(P_PIDFD, (id_t)n->pidfd, &info, WEXITED) < 0 &&
	       errno == EINTR)
		;
	n->supervisor = 0;
	n->state->supervisor = 0;
	/* Children have copies of it: closing does not take it out. */
	if (n->pidfd >= 0)
		epoll_ctl(n->epoll, EPOLL_CTL_DEL, n->pidfd, NULL);
	close_it(&n->pidfd);
	close_it(&n->link);
}

static int spawn(struct notify *n)
{
	int pair[2], r;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	memcpy(n->given, n->state->listeners, sizeof(n->given));
	pid = fork();
	if (pid == 0)
		be_supervisor(n, pair[1]);
	r = pid < 0 ? -errno : 0;
	close(pair[1]);
	if (r < 0) {
		close(pair[0]);
		return r;
	}
	n->supervisor = pid;
	n->state->supervisor = pid;
	n->link = pair[0];
	n->since = clock_now();
	n->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (n->pidfd < 0) {
		r = -errno;
		kill(pid, SIGKILL); /* nobody can have waited for it yet */
	} else {
		r = watch(n, n->pidfd, EPOLLIN, EVENT_DIED);
	}
	if (r < 0)
		bury(n);
	return r;
}

static void set_timer(struct notify *n, uint64_t ns)
{
	const struct itimerspec t = {
		.it_value = { .tv_sec = (time_t)(ns / CLOCK_S),
			      .tv_nsec = (long)(ns % CLOCK_S) }
	};

	timerfd_settime(n->timer, 0, &t, NULL);
}

/* The next supervisor, at once or later. */
static int replace(struct notify *n)
{
	int r = 0;

	n->too_soon = clock_now() - n->since < SOON ? n->too_soon + 1 : 0;
	bury(n);
	log_warn("what answers a container's system calls has died: it is "
		 "replaced");
	if (n->too_soon < SOON_MAX)
		r = spawn(n);
	if (!n->supervisor)
		set_timer(n, PAUSE);
	return r;
}

/* Listeners. */

static void let_go(struct notify *n, unsigned row)
{
	struct notifyloop_listener *l = &n->state->listeners[row];

	l->serial = 0;
	/* As in bury(). */
	epoll_ctl(n->epoll, EPOLL_CTL_DEL, l->fd, NULL);
	close(l->fd);
	l->fd = -1;
}

/* Until there is a supervisor we are told of calls; then it is. */
static uint32_t wanted(const struct notify *n)
{
	return n->begun && n->config.lazy && !n->supervisor ? EPOLLIN : 0;
}

static void watch_rows(struct notify *n, uint32_t events)
{
	for (unsigned i = 0; i < NOTIFYLOOP_LISTENERS; i++) {
		struct epoll_event e = { .events = events,
					 .data.u32 = EVENT_ROW + i };

		if (n->state->listeners[i].serial)
			epoll_ctl(n->epoll, EPOLL_CTL_MOD,
				  n->state->listeners[i].fd, &e);
	}
}

/* Somebody calls, or nobody can any more. */
static int on_row(struct notify *n, unsigned row, uint32_t events)
{
	if (events & (EPOLLHUP | EPOLLERR)) {
		let_go(n, row);
		return 0;
	}
	if (n->supervisor)
		return 0;
	watch_rows(n, 0);
	return spawn(n);
}

int notify_add(struct notify *n, int listener)
{
	struct notifyloop_message m;
	unsigned row = 0;
	int r;

	if (!notifyloop_is_listener(listener)) {
		close(listener);
		return -EBADF;
	}
	while (row < NOTIFYLOOP_LISTENERS && n->state->listeners[row].serial)
		row++;
	r = row < NOTIFYLOOP_LISTENERS
		    ? watch(n, listener, wanted(n), EVENT_ROW + row)
		    : -ENFILE;
	if (r < 0) {
		close(listener);
		return r;
	}
	n->state->listeners[row].fd = listener;
	m.serial = ++n->state->serial;
	n->state->listeners[row].serial = m.serial;
	if (n->supervisor &&
	    notifyloop_send(n->link, listener, &m, sizeof(m), MSG_DONTWAIT) < 0)
		end_supervisor(n); /* the next one will have it */
	return 0;
}

static void take_sent(struct notify *n)
{
	int fd = -1, r;

	/* Those that are none do not end it: others may wait behind them. */
	while ((r = notify_receive(n->receiver, &fd)) == 0 || r == -EBADF) {
		if (r == 0)
			r = notify_add(n, fd);
		if (r < 0)
			log_error("a listener of system calls is not taken: %s",
				  strerror(-r));
	}
}

/* The monitor's. */

static void close_all(struct notify *n)
{
	for (unsigned i = 0; n->epoll >= 0 && i < NOTIFYLOOP_LISTENERS; i++)
		if (n->state->listeners[i].serial)
			let_go(n, i);
	close_it(&n->sender);
	close_it(&n->receiver);
	close_it(&n->timer);
	close_it(&n->epoll);
}

size_t notify_state_size(void)
{
	return sizeof(struct notifyloop_state);
}

/* What the process before this one had. */
static int inherit(struct notify *n)
{
	struct notifyloop_state *s = n->state;
	siginfo_t info;
	int r = 0;

	n->supervisor = (pid_t)s->supervisor;
	/* Ours, or one that has taken its number. */
	if (n->supervisor && waitid(P_PID, (id_t)n->supervisor, &info,
				    WEXITED | WNOHANG | WNOWAIT) == 0)
		n->pidfd = (int)syscall(SYS_pidfd_open, n->supervisor, 0);
	bury(n);
	for (unsigned i = 0; i < NOTIFYLOOP_LISTENERS && r == 0; i++) {
		struct notifyloop_listener *l = &s->listeners[i];

		if (l->serial && !notifyloop_is_listener(l->fd))
			l->serial = 0;
		if (l->serial)
			r = watch(n, l->fd, 0, EVENT_ROW + i);
	}
	return r;
}

static int prepare(struct notify *n)
{
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	n->sender = pair[0];
	n->receiver = pair[1];
	n->epoll = epoll_create1(EPOLL_CLOEXEC);
	n->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (n->epoll < 0 || n->timer < 0)
		return -errno;
	r = watch(n, n->receiver, EPOLLIN, EVENT_SENT);
	if (r == 0)
		r = watch(n, n->timer, EPOLLIN, EVENT_TIMER);
	if (r == 0 && n->state->layout == NOTIFYLOOP_LAYOUT)
		r = inherit(n);
	else if (n->state->layout != 0)
		r = r ? r : -EPROTO;
	n->state->layout = NOTIFYLOOP_LAYOUT;
	return r;
}

int notify_new(struct notify **out, void *state)
{
	struct notify *n = calloc(1, sizeof(*n));
	int r;

	if (!n)
		return -ENOMEM;
	*n = (struct notify){ .sender = -1,
			      .receiver = -1,
			      .epoll = -1,
			      .timer = -1,
			      .pidfd = -1,
			      .link = -1,
			      .state = state,
			      .own_state = !state };
	if (!state)
		n->state = forkshare_memory(sizeof(*n->state));
	if (!n->state) {
		free(n);
		return -ENOMEM;
	}
	r = prepare(n);
	if (r < 0) {
		notify_free(n);
		return r;
	}
	*out = n;
	return 0;
}

void notify_free(struct notify *n)
{
	if (!n)
		return;
	bury(n);
	close_all(n);
	if (n->own_state)
		forkshare_free(n->state, sizeof(*n->state));
	free(n);
}

int notify_sender(const struct notify *n)
{
	return n->sender;
}

int notify_userns(pid_t pid, ino_t *userns)
{
	struct stat st;
	char path[40];

	snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
	if (stat(path, &st) < 0)
		return -errno;
	*userns = st.st_ino;
	return 0;
}

int notify_begin(struct notify *n, const struct notify_config *config)
{
	n->config = *config;
	n->begun = true;
	if (!config->lazy)
		return spawn(n);
	watch_rows(n, wanted(n));
	return 0;
}

int notify_fd(const struct notify *n)
{
	return n->epoll;
}

int notify_serve(struct notify *n)
{
	struct epoll_event e[16];
	uint64_t expired;
	int r = 0, k = epoll_wait(n->epoll, e, ARRAY_SIZE(e), 0);

	for (int i = 0; i < k; i++) {
		uint32_t what = e[i].data.u32;

		if (what >= EVENT_ROW)
			r = on_row(n, what - EVENT_ROW, e[i].events);
		else if (what == EVENT_SENT)
			take_sent(n);
		else if (what == EVENT_DIED)
			r = replace(n);
		else if (read(n->timer, &expired, sizeof(expired)) > 0 &&
			 n->begun && !n->supervisor)
			r = spawn(n);
	}
	if (r < 0 && !n->supervisor)
		set_timer(n, PAUSE);
	return r;
}

bool notify_has(const struct notify *n, int fd)
{
	bool found = fd == n->pidfd || fd == n->link;

	for (unsigned i = 0; i < NOTIFYLOOP_LISTENERS && !found; i++)
		found = n->state->listeners[i].serial &&
			n->state->listeners[i].fd == fd;
	return found;
}

pid_t notify_supervisor(const struct notify *n)
{
	return n->supervisor;
}

unsigned notify_listeners(const struct notify *n)
{
	unsigned k = 0;

	for (unsigned i = 0; i < NOTIFYLOOP_LISTENERS; i++)
		k += n->state->listeners[i].serial != 0;
	return k;
}
