/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/session.h"

#include <fcntl.h>
#include <limits.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "fs/base/cleanup.h"
#include "fs/base/creds.h"
#include "fs/base/log.h"
#include "fs/fuse.h"
#include "fs/loop.h"
#include "fs/overlay.h"
#include "fs/stack.h"

/* From include/uapi/linux/fuse.h. */
#define DEV_IOC_CLONE _IOR(229, 0, uint32_t)

struct session {
	const struct options *opts;
	char target[PATH_MAX];
	struct overlay *overlay;
	struct fuse_server *server;
	int fd, fd_busy;
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

	s->fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (s->fd < 0) {
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
		     s->fd, geteuid(), getegid(), label ? "," : "",
		     label ? label : "") < 0 ||
	    asprintf(&type, "fuse.%s", o->subtype) < 0)
		return -ENOMEM;
	if (mount(o->source, s->target, type, mount_flags(o), data) < 0) {
		int r = -errno;

		snprintf(err, errlen, "mounting on '%s': %s%s", s->target,
			 strerror(-r),
			 r == -EPERM ? " (mounting needs root, or a user "
				       "namespace of one's own)"
				     : "");
		return r;
	}
	s->mounted = true;
	return 0;
}

/* A second way to the same queue: one that does not block. */
static int clone_device(struct session *s)
{
	uint32_t main_fd = (uint32_t)s->fd;

	s->fd_busy = open("/dev/fuse", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (s->fd_busy < 0 || ioctl(s->fd_busy, DEV_IOC_CLONE, &main_fd) < 0)
		return -errno;
	return 0;
}

/* The kernel's first request is INIT; only then does the mount answer. */
static int first_request(struct session *s)
{
	_cleanup_free_ char *buf = malloc(FUSE_REQUEST_MAX);
	struct pollfd p = { .fd = s->fd, .events = POLLIN };

	if (!buf)
		return -ENOMEM;
	while (!fuse_server_ready(s->server)) {
		ssize_t n;

		if (poll(&p, 1, -1) < 0 && errno != EINTR)
			return -errno;
		n = read(s->fd, buf, FUSE_REQUEST_MAX);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (n < 0)
			return -errno;
		fuse_server_handle(s->server, buf, (size_t)n, s->fd);
	}
	return 0;
}

/* Signals. */

static void *signal_main(void *arg)
{
	struct session *s = arg;
	sigset_t set;
	int sig;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	for (;;) {
		if (sigwait(&set, &sig) != 0)
			continue;
		log_info("signal %d: unmounting %s", sig, s->target);
		if (umount2(s->target, MNT_DETACH) < 0)
			log_error("%s: %s", s->target, strerror(errno));
	}
	return NULL;
}

static void block_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
}

/* Serving. */

static unsigned thread_count(const struct options *o)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	if (o->threads)
		return o->threads < LOOP_THREADS_MAX ? o->threads
						     : LOOP_THREADS_MAX;
	/* One that leads, one that watches it, and who helps. */
	return cpus < 2 ? 2 : cpus > 4 ? 4 : (unsigned)cpus + 1;
}

static int thread_begin(void *ctx)
{
	(void)ctx;
	return creds_thread_init();
}

static void handle(void *ctx, void *request, size_t len, int fd)
{
	fuse_server_handle(ctx, request, len, fd);
}

static int serve(struct session *s)
{
	struct loop_config cfg = {
		.fd = s->fd,
		.fd_busy = s->fd_busy,
		.threads = thread_count(s->opts),
		.busy_poll = s->opts->busy_poll,
		.buffer = FUSE_REQUEST_MAX,
		.thread_begin = thread_begin,
		.is_slow = fuse_request_is_slow,
		.handle = handle,
		.ctx = s->server,
	};
	pthread_attr_t attr;
	pthread_t signals;
	int r;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 128 * 1024);
	if (pthread_create(&signals, &attr, signal_main, s) == 0) {
		r = loop_run(&cfg);
		pthread_cancel(signals);
		pthread_join(signals, NULL);
	} else {
		r = -EAGAIN;
	}
	pthread_attr_destroy(&attr);
	return r;
}

static void raise_limits(void)
{
	struct rlimit rl = { 1 << 20, 1 << 20 };

	if (setrlimit(RLIMIT_NOFILE, &rl) < 0 &&
	    getrlimit(RLIMIT_NOFILE, &rl) == 0) {
		rl.rlim_cur = rl.rlim_max;
		setrlimit(RLIMIT_NOFILE, &rl);
	}
	/* Few arenas: an idle mount shall be small. */
	mallopt(M_ARENA_MAX, 2);
	mallopt(M_TRIM_THRESHOLD, 256 * 1024);
	mallopt(M_MMAP_THRESHOLD, 128 * 1024);
}

static void session_end(struct session *s)
{
	if (s->mounted && umount2(s->target, MNT_DETACH) < 0 &&
	    errno != EINVAL && errno != ENOENT)
		log_warn("%s: %s", s->target, strerror(errno));
	fuse_server_free(s->server);
	stack_free(s->overlay);
	if (s->fd_busy >= 0)
		close(s->fd_busy);
	if (s->fd >= 0)
		close(s->fd);
}

static int prepare(struct session *s, char *err, size_t errlen)
{
	struct stat st;
	int r;

	if (!realpath(s->opts->target, s->target) || stat(s->target, &st) < 0) {
		r = -errno;
		snprintf(err, errlen, "mount point '%s': %s", s->opts->target,
			 strerror(-r));
		return r;
	}
	if (!S_ISDIR(st.st_mode)) {
		snprintf(err, errlen, "mount point '%s': not a directory",
			 s->opts->target);
		return -ENOTDIR;
	}
	return stack_new(&s->overlay, s->opts, err, errlen);
}

int session_run(const struct options *opts, void (*live)(void *ctx), void *ctx,
		char *err, size_t errlen)
{
	struct session s = { .opts = opts, .fd = -1, .fd_busy = -1 };
	int r;

	block_signals();
	raise_limits();
	r = prepare(&s, err, errlen);
	if (r == 0)
		r = do_mount(&s, err, errlen);
	if (r == 0) {
		s.server = fuse_server_new(s.overlay, s.fd);
		r = s.server ? first_request(&s) : -ENOMEM;
		if (r == 0)
			r = clone_device(&s);
		if (r < 0)
			snprintf(err, errlen, "starting to serve '%s': %s",
				 s.target, strerror(-r));
	}
	if (r == 0) {
		live(ctx);
		r = serve(&s);
		/* The mount is gone already; do not unmount what came after. */
		s.mounted = r != 0;
		if (r < 0)
			snprintf(err, errlen, "serving '%s': %s", s.target,
				 strerror(-r));
	}
	session_end(&s);
	return r;
}
