/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/keeper.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "fs/base/cleanup.h"
#include "fs/base/clock.h"
#include "fs/base/forkshare.h"
#include "fs/base/log.h"
#include "fs/control.h"
#include "fs/upgrade.h"
#include "fs/window.h"

/*
 * A worker is a copy of this process with the same descriptor table: whatever
 * it had open stays open under its number when it is killed. The copy is of
 * the keeper as it was before the first worker, so every worker starts alike.
 *
 * `vain` counts deaths since something was last answered, or since a worker
 * lived for long. What a worker lacks, memory or threads, may be there again
 * soon: that is waited for, as for a process.
 */
#define PAUSE_AFTER 3 /* deaths in vain that cost no pause */
#define PAUSE_MAX_MS 1000
#define PATIENCE_MS 200 /* with who asks: nobody else is served */
#define SPAWN_TRIES 600 /* a minute */
#define SPAWN_PAUSE (100 * CLOCK_MS)
#define LONG_LIFE (60 * CLOCK_S)

struct keeper {
	const struct keeper_config *cfg;
	pid_t worker;
	int signals;
	bool live, detached;
	bool deaf; /* who asks cannot be heard for now */
	uint64_t answered, born;
	unsigned vain, lacked;
};

static const int taken[] = {
	SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2
};

static void taken_set(sigset_t *set)
{
	sigemptyset(set);
	for (unsigned i = 0; i < ARRAY_SIZE(taken); i++)
		sigaddset(set, taken[i]);
}

void keeper_signals_again(void)
{
	sigset_t set;

	taken_set(&set);
	sigaddset(&set, SIGPIPE);
	sigaddset(&set, SIGALRM);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

int keeper_signals(void)
{
	sigset_t set;
	int fd;

	keeper_signals_again();
	taken_set(&set);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

/* How likely the system kills us when memory is short: "-1000" is never. */

static void oom_get(char *value)
{
	_cleanup_close_ int fd =
		open("/proc/self/oom_score_adj", O_RDONLY | O_CLOEXEC);
	ssize_t n =
		fd < 0 ? 0
		       : read(fd, value, sizeof(((struct state *)0)->oom) - 1);

	value[n > 0 ? n : 0] = '\0';
}

static void oom_set(const char *value)
{
	_cleanup_close_ int fd =
		open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd >= 0 && *value && write(fd, value, strlen(value)) < 0)
		log_debug("oom_score_adj: %s", strerror(errno));
}

/* How keeping goes: on; the mount is gone; this is the new worker. */
enum { KEEP_ON, KEEP_GONE, KEEP_IS_WORKER };

/* KEEP_ON in the keeper, KEEP_IS_WORKER, or -errno. */
static int spawn(struct keeper *k)
{
	struct state *s = k->cfg->worker.state;
	pid_t pid;

	s->generation++;
	pid = forkshare();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		return KEEP_IS_WORKER;
	k->worker = pid;
	k->born = clock_now();
	return KEEP_ON;
}

/* Only once: the next would take what was mounted there before. */
static void detach(struct keeper *k)
{
	if (k->detached)
		return;
	k->detached = true;
	if (umount2(k->cfg->target, MNT_DETACH) < 0 && errno != EINVAL &&
	    errno != ENOENT)
		log_error("%s: %s", k->cfg->target, strerror(errno));
}

static bool is_fault(int sig)
{
	return sig == SIGSEGV || sig == SIGABRT || sig == SIGBUS ||
	       sig == SIGFPE || sig == SIGILL || sig == SIGSYS ||
	       sig == SIGTRAP;
}

static void pause_before(unsigned vain)
{
	struct timespec t = { .tv_nsec = 0 };
	unsigned ms;

	if (vain <= PAUSE_AFTER)
		return;
	ms = vain - PAUSE_AFTER < 10 ? 1u << (vain - PAUSE_AFTER)
				     : PAUSE_MAX_MS;
	t.tv_sec = ms / 1000;
	t.tv_nsec = ms % 1000 * (long)CLOCK_MS;
	nanosleep(&t, NULL);
}

static void pause_for_more(void)
{
	const struct timespec pause = { .tv_nsec = (long)SPAWN_PAUSE };

	nanosleep(&pause, NULL);
}

/* It ended by itself, and what it had too little of may be there later. */
static bool lacked(struct keeper *k, int sig)
{
	struct state *s = k->cfg->worker.state;

	if (!atomic_exchange(&s->lacks, 0) || sig || !k->live)
		return false;
	if (atomic_load(&s->ready) == s->generation)
		k->lacked = 0;
	if (k->lacked++ >= SPAWN_TRIES)
		return false;
	if (k->lacked == 1)
		log_warn("a worker of %s lacks memory, threads or "
			 "descriptors: trying again",
			 k->cfg->target);
	pause_for_more();
	return true;
}

static bool was_of_use(struct keeper *k)
{
	const struct state *s = k->cfg->worker.state;
	uint64_t answered = slot_answered(k->cfg->worker.slots);
	bool idle = answered == k->answered;

	k->answered = answered;
	return !idle || (atomic_load(&s->ready) == s->generation &&
			 clock_now() - k->born >= LONG_LIFE);
}

/* 0: another worker may try. -errno: the mount is given up. */
static int judge(struct keeper *k, const char *how)
{
	if (!k->live)
		return -EIO; /* it said why */
	if (!k->cfg->can_resend) {
		log_error(
			"the worker of %s %s; this kernel (before 6.9) cannot "
			"go on with another one: unmounting",
			k->cfg->target, how);
		return -ENOTSUP;
	}
	k->vain = was_of_use(k) ? 0 : k->vain + 1;
	if (k->vain > k->cfg->crash_limit) {
		log_error("the worker of %s %s, %u times without an answer: "
			  "giving up, unmounting",
			  k->cfg->target, how, k->vain);
		return -EIO;
	}
	log_warn("the worker of %s %s: starting another", k->cfg->target, how);
	return 0;
}

/* Where there are too many processes there may soon be fewer. */
static int spawn_patiently(struct keeper *k)
{
	int r = spawn(k);

	for (int tries = 0; r == -EAGAIN && tries < SPAWN_TRIES; tries++) {
		if (tries == 0)
			log_warn("no process for a worker of %s: trying again",
				 k->cfg->target);
		pause_for_more();
		r = spawn(k);
	}
	if (r < 0)
		log_error("no process for a worker of %s: %s", k->cfg->target,
			  strerror(-r));
	return r;
}

/* A worker ended: what spawn() returns, or KEEP_GONE. */
static int replace(struct keeper *k, int status)
{
	struct state *s = k->cfg->worker.state;
	int sig = WIFSIGNALED(status) ? WTERMSIG(status) : 0, r;
	char how[64];

	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return KEEP_GONE;
	s->died_at = clock_now();
	s->died_of = sig;
	window_bar(s->window);
	if (sig)
		snprintf(how, sizeof(how), "was killed by SIG%s",
			 sigabbrev_np(sig) ? sigabbrev_np(sig) : "?");
	else
		snprintf(how, sizeof(how), "ended with status %d",
			 WEXITSTATUS(status));
	if (lacked(k, sig)) {
		s->restarts++;
		return spawn_patiently(k);
	}
	r = judge(k, how);
	if (r < 0)
		return r; /* who mounted unmounts, once */
	slot_blame(k->cfg->worker.slots, is_fault(sig));
	pause_before(k->vain);
	s->restarts++;
	return spawn_patiently(k);
}

static int on_signal(struct keeper *k)
{
	struct signalfd_siginfo si;
	int status;

	if (read(k->signals, &si, sizeof(si)) != sizeof(si))
		return KEEP_ON;
	switch (si.ssi_signo) {
	case SIGCHLD:
		if (waitpid(k->worker, &status, WNOHANG) != k->worker)
			return KEEP_ON;
		return replace(k, status);
	case SIGUSR1:
		kill(k->worker, SIGUSR1);
		return KEEP_ON;
	case SIGUSR2:
		return KEEP_ON;
	default:
		log_info("signal %u: unmounting %s", si.ssi_signo,
			 k->cfg->target);
		detach(k);
		return KEEP_ON;
	}
}

/* Tell who waits for an upgrade; the descriptor's place is kept. */
static void answer(struct keeper *k, const char *text)
{
	struct state *s = k->cfg->worker.state;

	control_answer(s->fd_reply, text);
	dup3(k->signals, s->fd_reply, O_CLOEXEC);
	s->reply_wanted = 0;
}

static void refuse_upgrade(struct keeper *k, const char *why)
{
	char text[CONTROL_LINE];

	snprintf(text, sizeof(text), "error: %.4000s", why);
	log_error("upgrade of %s: %s", k->cfg->target, why);
	answer(k, text);
}

/* Does not return if it goes well: another program is in our place. */
static int upgrade(struct keeper *k, const char *program)
{
	struct state *s = k->cfg->worker.state;
	char why[CONTROL_LINE] = "";
	int r = -ENOTSUP, status;

	if (k->cfg->can_resend)
		r = upgrade_check(program, why, sizeof(why));
	else
		snprintf(why, sizeof(why),
			 "this kernel (before 6.9) cannot go on with another "
			 "worker: unmount and mount again");
	if (r < 0) {
		refuse_upgrade(k, why);
		return KEEP_ON;
	}
	log_info("%s: %s takes over", k->cfg->target, program);
	kill(k->worker, SIGKILL);
	while (waitpid(k->worker, &status, 0) < 0 && errno == EINTR)
		;
	s->died_at = clock_now();
	window_bar(s->window);
	r = upgrade_exec(program, k->cfg->argv, k->cfg->state_fd);
	snprintf(why, sizeof(why), "%.4000s: %s", program, strerror(-r));
	refuse_upgrade(k, why);
	return spawn(k);
}

static int on_control(struct keeper *k)
{
	struct state *s = k->cfg->worker.state;
	char line[CONTROL_LINE];
	int fd = control_accept(s->fd_control, PATIENCE_MS, line);

	k->deaf = control_is_full(fd);
	if (fd < 0)
		return KEEP_ON;
	/* Below the floor, where no worker closes it. */
	dup3(fd, s->fd_reply, O_CLOEXEC);
	close(fd);
	s->reply_wanted = 1;
	if (strncmp(line, "upgrade /", 9) == 0)
		return upgrade(k, line + 8);
	answer(k, "error: what is known is \"upgrade PROGRAM\"");
	return KEEP_ON;
}

static void on_ready(struct keeper *k)
{
	uint64_t n;

	struct state *s = k->cfg->worker.state;

	if (read(s->fd_ready, &n, sizeof(n)) < 0)
		return;
	if (s->reply_wanted)
		answer(k, "ok");
	if (k->live)
		return;
	k->live = true;
	k->cfg->live(k->cfg->worker.ctx);
}

static int keep(struct keeper *k)
{
	const struct state *s = k->cfg->worker.state;
	struct pollfd p[] = {
		{ .fd = k->signals, .events = POLLIN },
		{ .fd = s->fd_ready, .events = POLLIN },
		{ .fd = -1, .events = POLLIN },
	};
	int r;

	do {
		r = KEEP_ON;
		/*
		 * A worker that takes over closes what it does not know: no
		 * descriptor may be opened here meanwhile.
		 */
		p[2].fd = atomic_load(&s->ready) == s->generation && !k->deaf
				  ? s->fd_control
				  : -1;
		if (poll(p, ARRAY_SIZE(p), k->deaf ? CONTROL_DEAF_MS : -1) < 0)
			continue;
		k->deaf = false;
		if (p[1].revents)
			on_ready(k);
		if (p[0].revents)
			r = on_signal(k);
		else if (p[2].fd >= 0 && p[2].revents)
			r = on_control(k);
	} while (r == KEEP_ON);
	return r;
}

int keeper_run(const struct keeper_config *cfg, bool *is_worker, bool *detached)
{
	struct state *s = cfg->worker.state;
	struct keeper k = { .cfg = cfg };
	int r;

	*is_worker = false;
	prctl(PR_SET_PDEATHSIG, 0);
	if (!s->keeper)
		oom_get(s->oom);
	s->keeper = getpid();
	k.signals = s->fd_signals;
	k.live = atomic_load(&s->ready) > 0;
	k.answered = slot_answered(cfg->worker.slots);
	/* The mount lives as long as this process. */
	oom_set("-1000");
	r = spawn(&k);
	if (r == KEEP_ON)
		r = keep(&k);
	*detached = k.detached;
	if (r < 0 || r == KEEP_GONE)
		return r < 0 ? r : 0;
	oom_set(s->oom);
	*is_worker = true;
	return worker_run(&cfg->worker);
}
