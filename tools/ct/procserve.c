/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/ct/procserve.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "fs/base/cleanup.h"
#include "fs/base/log.h"
#include "fs/base/shm.h"
#include "fs/proc/procmount.h"
#include "fs/proc/ubckept.h"
#include "tools/ct/wire.h"

#define BEGIN_MS 10000
#define END_MS 2000
#define ATTACH_MOST 32u

struct procserve {
	struct fuseproc_config cfg;
	struct procmount mount[FUSEPROC_MOUNTS];
	struct shm state;
	pid_t pid;
};

/* The server. */

static int by_number(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* Who keeps us has others' sockets and terminals open. */
static void close_others(const struct fuseproc_config *cfg)
{
	int keep[] = { 2,
		       cfg->stop,
		       cfg->ready,
		       cfg->kept,
		       cfg->source.proc,
		       cfg->device[0],
		       cfg->device[1] };
	unsigned from = 0;

	qsort(keep, ARRAY_SIZE(keep), sizeof(*keep), by_number);
	for (unsigned i = 0; i < ARRAY_SIZE(keep); i++) {
		if (keep[i] < 0)
			continue;
		if ((unsigned)keep[i] > from)
			close_range(from, (unsigned)keep[i] - 1, 0);
		from = (unsigned)keep[i] + 1;
	}
	close_range(from, ~0u, 0);
}

/* What ends us is `stop`, not what is sent to a terminal's processes. */
static void set_signals(void)
{
	static const int ignored[] = { SIGINT, SIGHUP, SIGTERM, SIGPIPE };
	sigset_t none;

	for (unsigned i = 0; i < ARRAY_SIZE(ignored); i++)
		signal(ignored[i], SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Its keeper's output may be somebody's who waits for its end. */
static void set_output(void)
{
	for (int fd = 0; fd <= 2; fd++)
		if (open("/dev/null", O_RDWR) < 0)
			break;
	log_syslog(log_syslog_open());
	log_to_syslog();
}

static void serve(const struct fuseproc_config *cfg)
{
	int r;

	set_signals();
	close_others(cfg);
	set_output();
	prctl(PR_SET_NAME, "vefs-proc");
	r = chdir("/");
	r = r < 0 ? -errno : fuseproc_run(cfg);
	if (r < 0)
		log_error("the server of %s's /proc: %s",
			  cfg->names.id ? cfg->names.id : "a container",
			  strerror(-r));
	_exit(r < 0);
}

int procserve_again(struct procserve *p, pid_t init)
{
	pid_t pid;

	if (init >= 0)
		p->cfg.source.init = init;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		serve(&p->cfg);
	p->pid = pid;
	return 0;
}

/* Its keeper. */

/* What a container's beancounters came to before. */
static void load_kept(const struct procserve *p)
{
	int r = 0;

	if (p->cfg.kept >= 0)
		r = ubckept_load(p->cfg.kept, p->cfg.state->numbers.bean);
	if (r == -EUCLEAN)
		log_warn("container %s: " UBCKEPT_FILE " is damaged: its "
			 "beancounters begin anew",
			 p->cfg.names.id);
	else if (r < 0)
		log_warn("container %s: " UBCKEPT_FILE ": %s", p->cfg.names.id,
			 strerror(-r));
}

/* The server has noted what they are at the end, if it could. */
static void save_kept(const struct procserve *p)
{
	int r = 0;

	if (p->cfg.kept >= 0 && p->cfg.state)
		r = ubckept_save(p->cfg.kept, p->cfg.state->numbers.bean);
	if (r < 0)
		log_warn("container %s: " UBCKEPT_FILE ": %s", p->cfg.names.id,
			 strerror(-r));
}

static int wait_ready(const struct procserve *p, struct why *why)
{
	_cleanup_close_ int child = (int)syscall(SYS_pidfd_open, p->pid, 0);
	struct pollfd fds[] = { { .fd = p->cfg.ready, .events = POLLIN },
				{ .fd = child, .events = POLLIN } };
	int n;

	do {
		n = poll(fds, ARRAY_SIZE(fds), BEGIN_MS);
	} while (n < 0 && errno == EINTR);
	if (n > 0 && fds[0].revents)
		return 0;
	if (n == 0)
		return why_set(why, -ETIMEDOUT,
			       "the server of /proc does not begin");
	n = atomic_load(&p->cfg.state->error);
	return why_sys(why, n < 0 ? n : -EIO, "the server of /proc");
}

static int make(struct procserve *p, struct why *why)
{
	int r = 0;

	for (unsigned i = 0; i < FUSEPROC_MOUNTS && r == 0; i++) {
		r = procmount_new(&p->mount[i]);
		p->cfg.device[i] = p->mount[i].device;
	}
	if (r < 0)
		return why_sys(why, r, "mounting the files of /proc");
	r = shm_new(&p->state, "vefs-proc", sizeof(struct fuseproc_state));
	if (r < 0)
		return why_sys(why, r, "memory for the files of /proc");
	p->cfg.state = p->state.base;
	load_kept(p);
	p->cfg.stop = eventfd(0, EFD_CLOEXEC);
	p->cfg.ready = eventfd(0, EFD_CLOEXEC);
	if (p->cfg.stop < 0 || p->cfg.ready < 0)
		return why_sys(why, -errno, "the server of /proc");
	r = procserve_again(p, -1);
	if (r < 0)
		return why_sys(why, r, "the server of /proc");
	return wait_ready(p, why);
}

int procserve_start(struct procserve **out, const struct fuseproc_config *cfg,
		    struct why *why)
{
	struct procserve *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return why_sys(why, -ENOMEM, "the server of /proc");
	p->cfg = *cfg;
	p->cfg.stop = p->cfg.ready = -1;
	p->state.fd = -1;
	for (unsigned i = 0; i < FUSEPROC_MOUNTS; i++)
		p->mount[i] = (struct procmount){ -1, -1 };
	r = make(p, why);
	if (r < 0) {
		procserve_stop(p);
		return r;
	}
	*out = p;
	return 0;
}

pid_t procserve_pid(const struct procserve *p)
{
	return p->pid;
}

void procserve_reaped(struct procserve *p)
{
	p->pid = 0;
}

unsigned procserve_kind(const char *path)
{
	const struct procfiles_row *rows;
	size_t len = strlen(path);
	unsigned n;

	rows = procfiles_table(&n);
	for (unsigned i = 0; i < n; i++)
		if (strncmp(rows[i].path, path, len) == 0 &&
		    (!rows[i].path[len] || rows[i].path[len] == '/') &&
		    rows[i].kind == PROCFILES_OPENED)
			return FUSEPROC_OPENED;
	return FUSEPROC_SHARED;
}

int procserve_mount(const struct procserve *p, unsigned kind)
{
	return p->mount[kind].mount;
}

static const struct procmount *mount_of(const struct procserve *p,
					const char *path)
{
	return &p->mount[procserve_kind(path)];
}

struct taking {
	struct procserve *p;
	const char *const *paths;
	unsigned n;
	int *fds;
};

static void close_fds(const int *fds, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		close(fds[i]);
}

static int take(const struct taking *t)
{
	for (unsigned i = 0; i < t->n; i++) {
		t->fds[i] = procmount_part(mount_of(t->p, t->paths[i]),
					   t->paths[i]);
		if (t->fds[i] < 0) {
			int r = t->fds[i];

			close_fds(t->fds, i);
			return r;
		}
	}
	return 0;
}

/*
 * What is cloned must be attached, on kernels before 6.15, and in one's own
 * mount namespace: a child has one for a moment. A thread would do, but those
 * before 6.2 give none to who has another time for his children. What was
 * attached goes with the namespace: clones are sent to take their places, then
 * the parts.
 */
static int send_parts(struct taking *t, int wire)
{
	const struct wire_message m = { .what = WIRE_PART };
	struct procmount *own = t->p->mount;
	int r = 0;

	if (unshare(CLONE_NEWNS) < 0 ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -errno;
	for (unsigned i = 0; i < FUSEPROC_MOUNTS && r == 0; i++) {
		int attached;

		r = procmount_hide(&own[i], &attached);
		if (r < 0)
			break;
		r = wire_say(wire, &m, own[i].mount);
		own[i].mount = attached;
	}
	if (r == 0)
		r = take(t);
	for (unsigned i = 0; i < t->n && r == 0; i++)
		r = wire_say(wire, &m, t->fds[i]);
	return r;
}

static void be_taker(struct taking *t, int wire)
{
	struct wire_message m = { .what = WIRE_FAILED };

	m.number = send_parts(t, wire);
	if (m.number < 0)
		wire_say(wire, &m, -1);
	_exit(m.number < 0);
}

static int hear_part(int wire, int *out)
{
	struct wire_message m;
	_cleanup_close_ int fd = -1;
	int r = wire_hear(wire, &m, &fd);

	if (r <= 0)
		return r < 0 ? r : -ECHILD;
	if (m.what == WIRE_FAILED)
		return m.number < 0 ? m.number : -EIO;
	if (fd < 0)
		return -EMFILE;
	*out = TAKE_FD(fd);
	return 0;
}

static int hear_parts(struct taking *t, int wire)
{
	unsigned got = 0;
	int r = 0;

	for (unsigned i = 0; i < FUSEPROC_MOUNTS && r == 0; i++) {
		int clone = -1;

		r = hear_part(wire, &clone);
		if (r < 0)
			break;
		close(t->p->mount[i].mount);
		t->p->mount[i].mount = clone;
	}
	for (; got < t->n && r == 0; got++) {
		r = hear_part(wire, &t->fds[got]);
		if (r < 0)
			break;
	}
	if (r < 0)
		close_fds(t->fds, got);
	return r;
}

static int take_by_child(struct taking *t)
{
	_cleanup_close_ int near = -1, far = -1;
	int r = wire_pair(&near, &far);
	pid_t pid;

	if (r < 0)
		return r;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0) {
		close(near);
		be_taker(t, far);
	}
	close(far);
	far = -1;
	r = hear_parts(t, near);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return r;
}

int procserve_parts(struct procserve *p, const char *const *paths, unsigned n,
		    int *fds) /* NOLINT(readability-non-const-parameter) */
{
	struct taking t = { .p = p, .paths = paths, .n = n };
	int r;

	t.fds = fds;
	r = take(&t);
	return r == -EINVAL ? take_by_child(&t) : r;
}

/* Its name, if it is one of pressure; or NULL. */
static const char *pressure_of(const char *path)
{
	static const char dir[] = "proc/pressure/";

	return strncmp(path, dir, sizeof(dir) - 1) == 0 ? path + sizeof(dir) - 1
							: NULL;
}

static bool has_pressure(const char *group, const char *what)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s.pressure", group ? group : "",
		 what);
	return group && access(path, F_OK) == 0;
}

/* The files of the other mount that there are. */
static unsigned opened_paths(const struct procserve *p, const char *paths[],
			     unsigned most)
{
	const char *group = p->cfg.source.groups.dir[GROUP_UNIFIED];
	const struct procfiles_row *rows;
	unsigned n, found = 0;

	rows = procfiles_table(&n);
	for (unsigned i = 0; i < n && found < most; i++) {
		const char *what = pressure_of(rows[i].path);

		if (rows[i].kind == PROCFILES_OPENED &&
		    (!what || has_pressure(group, what)))
			paths[found++] = rows[i].path;
	}
	return found;
}

static int cover_all(const char *target, const char *const *paths,
		     const int *fds, unsigned n, struct why *why)
{
	_cleanup_close_ int dir =
		open(target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r = dir < 0 ? why_sys(why, -errno, "%s", target) : 0;

	for (unsigned i = 0; i < n && r == 0; i++) {
		r = procmount_cover(fds[i], dir, paths[i]);
		if (r < 0)
			why_sys(why, r, "%s/%s", target, paths[i]);
	}
	return r;
}

int procserve_pressure(const char *group, const char *what, uint32_t uid)
{
	char path[PATH_MAX];
	int fd;

	if (!group)
		return -ENOENT;
	snprintf(path, sizeof(path), "%s/%s.pressure", group, what);
	if (uid != PROCSERVE_NOBODY && chown(path, uid, uid) < 0)
		return -errno;
	fd = open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* The group's own files can be waited for. */
static void use_pressure(const struct procserve *p, const char *const *paths,
			 int *fds, unsigned n)
{
	const char *group = p->cfg.source.groups.dir[GROUP_UNIFIED];

	for (unsigned i = 0; i < n; i++) {
		const char *what = pressure_of(paths[i]);
		int fd = -1;

		if (what)
			fd = procserve_pressure(group, what, PROCSERVE_NOBODY);
		if (fd < 0)
			continue;
		close(fds[i]);
		fds[i] = fd;
	}
}

int procserve_attach(struct procserve *p, const char *target, struct why *why)
{
	const char *paths[ATTACH_MOST];
	int fds[ATTACH_MOST];
	unsigned n = opened_paths(p, paths, ATTACH_MOST);
	int r = procserve_parts(p, paths, n, fds);

	if (r < 0)
		return why_sys(why, r, "the files of /proc");
	use_pressure(p, paths, fds, n);
	r = procmount_attach(&p->mount[FUSEPROC_SHARED], target);
	if (r < 0) {
		why_sys(why, r, "mounting on %s", target);
	} else {
		r = cover_all(target, paths, fds, n, why);
		if (r < 0)
			procserve_detach(target);
	}
	close_fds(fds, n);
	return r;
}

void procserve_detach(const char *target)
{
	if (umount2(target, MNT_DETACH) < 0 && errno != EINVAL)
		log_error("%s: %s", target, strerror(errno));
}

void procserve_end(struct procserve *p)
{
	const uint64_t one = 1;

	if (p->pid > 0 && write(p->cfg.stop, &one, sizeof(one)) < 0)
		kill(p->pid, SIGKILL);
}

static void end_server(struct procserve *p)
{
	_cleanup_close_ int child = -1;
	struct pollfd fd = { .events = POLLIN };

	if (p->pid <= 0)
		return;
	procserve_end(p);
	child = (int)syscall(SYS_pidfd_open, p->pid, 0);
	fd.fd = child;
	if (poll(&fd, 1, END_MS) <= 0)
		kill(p->pid, SIGKILL);
	waitpid(p->pid, NULL, 0);
}

void procserve_stop(struct procserve *p)
{
	if (!p)
		return;
	end_server(p);
	save_kept(p);
	for (unsigned i = 0; i < FUSEPROC_MOUNTS; i++)
		procmount_close(&p->mount[i]);
	if (p->cfg.stop >= 0)
		close(p->cfg.stop);
	if (p->cfg.ready >= 0)
		close(p->cfg.ready);
	if (p->state.fd >= 0)
		shm_free(&p->state);
	free(p);
}
