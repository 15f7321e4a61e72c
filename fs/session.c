/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/session.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "fs/base/cleanup.h"
#include "fs/base/crash.h"
#include "fs/base/clock.h"
#include "fs/base/log.h"
#include "fs/control.h"
#include "fs/fuse.h"
#include "fs/fusewire.h"
#include "fs/keeper.h"
#include "fs/stack.h"
#include "fs/state.h"
#include "fs/upgrade.h"
#include "fs/window.h"

#define FLOOR_MIN 32 /* descriptors; the keeper has a few more later */

/* From include/uapi/linux/fuse.h. */
#define DEV_IOC_CLONE _IOR(229, 0, uint32_t)

struct session {
	const struct options *opts;
	const struct session_hooks *hooks;
	struct overlay *overlay;
	struct slot_table *slots;
	struct shm state_mem;
	struct state *state;
	bool mounted;
};

static unsigned long mount_flags(const struct options *o)
{
	const struct {
		bool on;
		unsigned long flag;
	} table[] = {
		{ o->readonly, MS_RDONLY }, { !o->suid, MS_NOSUID },
		{ !o->dev, MS_NODEV },	    { !o->exec, MS_NOEXEC },
		{ o->noatime, MS_NOATIME },
	};
	unsigned long flags = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(table); i++)
		flags |= table[i].on ? table[i].flag : 0;
	return flags;
}

/* Labels are for kernels that know them; others refuse the whole mount. */
static const char *label_options(const struct options *o)
{
	if (!o->context || access("/sys/fs/selinux", F_OK) == 0)
		return o->context;
	log_warn("context: no SELinux on this host, ignored");
	return NULL;
}

static int do_mount(struct session *s, char *err, size_t errlen)
{
	const struct options *o = s->opts;
	const char *label = label_options(o);
	_cleanup_free_ char *data = NULL, *type = NULL;

	s->state->fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (s->state->fd < 0) {
		int r = -errno;

		snprintf(err, errlen, "/dev/fuse: %s%s", strerror(-r),
			 r == -ENOENT || r == -ENODEV
				 ? " (load the fuse module: modprobe fuse)"
				 : "");
		return r;
	}
	if (asprintf(&data,
		     "fd=%d,rootmode=40000,user_id=%u,group_id=%u,allow_other,"
		     "default_permissions%s%s",
		     s->state->fd, geteuid(), getegid(), label ? "," : "",
		     label ? label : "") < 0 ||
	    asprintf(&type, "fuse.%s", o->subtype) < 0)
		return -ENOMEM;
	if (mount(o->source, s->state->target, type, mount_flags(o), data) <
	    0) {
		int r = -errno;

		snprintf(err, errlen, "mounting on '%s': %s%s",
			 s->state->target, strerror(-r),
			 r == -EPERM ? " (mounting needs root, or a user "
				       "namespace of one's own)"
				     : "");
		return r;
	}
	s->mounted = true;
	return 0;
}

/* A second way to the same queue: one that does not block. */
static int clone_device(struct state *s)
{
	uint32_t main_fd = (uint32_t)s->fd;

	s->fd_busy = open("/dev/fuse", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (s->fd_busy < 0 || ioctl(s->fd_busy, DEV_IOC_CLONE, &main_fd) < 0)
		return -errno;
	return 0;
}

/*
 * The kernel's first request is INIT. It is kept: each worker begins with it,
 * the first one answers.
 */
static int read_init(struct state *s)
{
	_cleanup_free_ char *buf = malloc(FUSE_REQUEST_MAX);
	ssize_t n;

	if (!buf)
		return -ENOMEM;
	do
		n = read(s->fd, buf, FUSE_REQUEST_MAX);
	while (n < 0 && (errno == EINTR || errno == EAGAIN));
	if (n < 0)
		return -errno;
	if ((size_t)n > sizeof(s->init))
		return -EPROTO;
	memcpy(s->init, buf, (size_t)n);
	s->init_len = (uint32_t)n;
	return 0;
}

/*
 * From here on only workers open anything, and what is above the floor is
 * theirs. No hole stays below it.
 */
static int raise_floor(struct state *s)
{
	int top = open("/dev/null", O_RDONLY | O_CLOEXEC), fd;

	if (top < 0)
		return -errno;
	top = fcntl(top, F_DUPFD_CLOEXEC, FLOOR_MIN);
	if (top < 0)
		return -errno;
	do
		fd = fcntl(top, F_DUPFD_CLOEXEC, 0);
	while (fd >= 0 && fd < top);
	if (fd < 0)
		return -errno;
	s->fd_floor = fd;
	close(fd);
	return 0;
}

static void raise_limits(void)
{
	struct rlimit rl = { 1 << 20, 1 << 20 };

	if (setrlimit(RLIMIT_NOFILE, &rl) < 0 &&
	    getrlimit(RLIMIT_NOFILE, &rl) == 0) {
		rl.rlim_cur = rl.rlim_max;
		setrlimit(RLIMIT_NOFILE, &rl);
	}
}

static void session_end(struct session *s)
{
	int *const fds[] = { &s->state->fd,	    &s->state->fd_busy,
			     &s->state->fd_ready,   &s->state->fd_signals,
			     &s->state->fd_control, &s->state->fd_reply,
			     &s->state->fd_log,	    &s->state->fd_quota };

	if (s->mounted && umount2(s->state->target, MNT_DETACH) < 0 &&
	    errno != EINVAL && errno != ENOENT)
		log_warn("%s: %s", s->state->target, strerror(errno));
	if (s->state->fd_control >= 0)
		control_unlink(s->state->dev, CONTROL_KEEPER,
			       s->state->control_ino);
	if (s->state->fd_quota >= 0)
		control_unlink(s->state->dev, CONTROL_QUOTA,
			       s->state->quota_ino);
	stack_free(s->overlay);
	slot_table_free(s->slots);
	log_syslog(-1);
	for (unsigned i = 0; i < ARRAY_SIZE(fds); i++) {
		if (*fds[i] >= 0)
			close(*fds[i]);
	}
	shm_free(&s->state_mem);
}

static int prepare(struct session *s, char *err, size_t errlen)
{
	const char *target = s->opts->target;
	struct stat st;
	int r;

	if (!realpath(target, s->state->target) ||
	    stat(s->state->target, &st) < 0) {
		r = -errno;
		snprintf(err, errlen, "mount point '%s': %s", target,
			 strerror(-r));
		return r;
	}
	if (!S_ISDIR(st.st_mode)) {
		snprintf(err, errlen, "mount point '%s': not a directory",
			 target);
		return -ENOTDIR;
	}
	r = stack_new(&s->overlay, s->opts, err, errlen);
	if (r == 0)
		stack_settle(s->overlay);
	return r;
}

/* The mount's own number, without a request to it: nobody answers yet. */
static dev_t device_of(const char *target)
{
	struct statx sx;

	if (statx(AT_FDCWD, target, AT_STATX_DONT_SYNC, 0, &sx) < 0)
		return 0;
	return makedev(sx.stx_dev_major, sx.stx_dev_minor);
}

/* For a version before this one that takes over: it executes this later. */
static void note_program(struct state *s)
{
	ssize_t n = readlink("/proc/self/exe", s->program, PATH_MAX - 1);

	s->program[n > 0 ? n : 0] = '\0';
}

/* What control and upgrade need. Without it the mount works as well. */
static void become_known(struct state *s)
{
	note_program(s);
	s->fd_reply = fcntl(s->fd, F_DUPFD_CLOEXEC, 0);
	s->dev = device_of(s->target);
	s->fd_control = control_listen(s->dev, CONTROL_KEEPER, &s->control_ino);
	if (s->quota >= 0)
		s->fd_quota =
			control_listen(s->dev, CONTROL_QUOTA, &s->quota_ino);
	if (s->fd_control < 0)
		log_debug("no control socket: %s", strerror(-s->fd_control));
}

/* Everything that a worker needs; it is mounted then. */
static int start(struct session *s, char *err, size_t errlen)
{
	struct state *st;
	int r = state_open(&s->state_mem, -1);

	if (r < 0)
		return r;
	s->state = st = state_of(&s->state_mem);
	r = st->fd_signals = keeper_signals();
	if (r < 0)
		return r;
	st->fd_log = log_syslog_open();
	log_syslog(st->fd_log);
	r = prepare(s, err, errlen);
	if (r < 0)
		return r;
	s->slots = slot_table_new(-1);
	st->fd_ready = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (!s->slots || st->fd_ready < 0)
		return -ENOMEM;
	st->slots = slot_table_fd(s->slots);
	stack_save(s->overlay, st);
	if (!s->hooks->wanted(s->hooks->ctx))
		return -ECANCELED;
	r = do_mount(s, err, errlen);
	if (r == 0)
		r = read_init(st);
	if (r == 0)
		r = clone_device(st);
	if (r < 0)
		return r;
	become_known(st);
	return raise_floor(st);
}

/* The same in a program that takes over. */
static int resume(struct session *s, int fd, char *err, size_t errlen)
{
	int r = state_open(&s->state_mem, fd);

	if (r < 0)
		return r;
	s->state = state_of(&s->state_mem);
	s->mounted = true;
	log_syslog(s->state->fd_log);
	close_range(3, ~0u, CLOSE_RANGE_CLOEXEC);
	keeper_signals_again();
	note_program(s->state);
	control_listen_again(s->state->fd_control);
	control_listen_again(s->state->fd_quota);
	/* It may have been executed by another name. */
	prctl(PR_SET_NAME, program_invocation_short_name);
	s->slots = slot_table_new(s->state->slots);
	if (!s->slots)
		return -ENOMEM;
	r = stack_resume(&s->overlay, s->opts, s->state, err, errlen);
	if (r == 0)
		stack_settle(s->overlay);
	return r;
}

static void on_live(void *ctx)
{
	struct session *s = ctx;

	s->hooks->live(s->hooks->ctx);
}

static void on_worker_live(void *ctx)
{
	struct session *s = ctx;

	s->hooks->worker_live(s->hooks->ctx);
}

static void bar_window(void *ctx)
{
	const struct session *s = ctx;

	window_bar(s->state->window);
}

/* The keeper died: another is made, which makes another worker. */
static void on_orphaned(void *ctx)
{
	struct session *s = ctx;
	int r;

	if (getppid() == (pid_t)s->state->keeper)
		return;
	if (!fusewire_can_resend(s->state->init, s->state->init_len)) {
		log_warn("the keeper of %s is gone; serving goes on",
			 s->state->target);
		return;
	}
	log_warn("the keeper of %s is gone: taking its place",
		 s->state->target);
	s->state->died_at = clock_now();
	r = upgrade_take_over(s->hooks->argv, s->state_mem.fd, bar_window, s);
	log_error("%s: %s; serving goes on, but nobody replaces this process "
		  "if it dies, too",
		  s->state->target, strerror(-r));
}

static int keep(struct session *s, bool *is_worker, bool *detached)
{
	struct keeper_config cfg = {
		.worker = { .o = s->overlay,
			    .slots = s->slots,
			    .state = s->state,
			    .opts = s->opts,
			    .live = on_worker_live,
			    .orphaned = on_orphaned,
			    .ctx = s },
		.target = s->state->target,
		.crash_limit = s->opts->crash_limit,
		.can_resend =
			fusewire_can_resend(s->state->init, s->state->init_len),
		.argv = s->hooks->argv,
		.state_fd = s->state_mem.fd,
		.live = on_live,
	};

	return keeper_run(&cfg, is_worker, detached);
}

int session_run(const struct options *opts, const struct session_hooks *hooks,
		char *err, size_t errlen)
{
	/* Static: a worker returns from here and leaves it to the system. */
	static struct session s;
	int from = upgrade_resumes(), r;
	bool is_worker = false, detached = false;

	s = (struct session){ .opts = opts, .hooks = hooks };
	err[0] = '\0';
	crash_setup();
	raise_limits();
	r = from < 0 ? start(&s, err, errlen) : resume(&s, from, err, errlen);
	if (r < 0 && !err[0])
		snprintf(err, errlen, "starting to serve '%s': %s",
			 opts->target, strerror(-r));
	if (r == 0) {
		r = keep(&s, &is_worker, &detached);
		/* Gone already: what is there now was there before. */
		s.mounted = r < 0 && !detached;
		if (r < 0)
			snprintf(err, errlen, "serving '%s' ended",
				 opts->target);
	}
	/* A worker's are the keeper's. */
	if (!is_worker && s.state)
		session_end(&s);
	return r;
}
