/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Moving another process costs a wait of 5 to 15 ms for the first one in a
 * while, whatever the hierarchy: the kernel stops all forks for it. Moving
 * itself, a process of one thread that writes 0 to v1's `tasks`, does not, nor
 * does being born there (CLONE_INTO_CGROUP, v2).
 *
 * Counting and killing look at one hierarchy, in which nothing that runs
 * inside can leave the payload: the unified, or on v1 one of the controllers'.
 */
#include "tools/ct/cgtask.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#include "fs/base/cleanup.h"
#include "tools/ct/cgtree.h"
#include "tools/ct/knob.h"

#define ENTERED "entered" /* where the container has divided its group */
#define ENTERED_MAX 16
#define FREEZE_MS 10000
#define PATH 128

static void cleanup_filep(FILE **f)
{
	if (*f)
		fclose(*f);
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Longer each time, from half a millisecond to 20. */
static void pause_for(unsigned n)
{
	struct timespec t = { .tv_nsec = 500000L << (n < 6 ? n : 6) };

	if (t.tv_nsec > 20000000)
		t.tv_nsec = 20000000;
	nanosleep(&t, NULL);
}

static const char *file_of(char path[PATH], const char *dir, const char *file)
{
	snprintf(path, PATH, "%s/%s", dir, file);
	return path;
}

/* ---- bringing processes in ----------------------------------------------- */

/* A group of ours in the payload's, which cannot have processes itself. */
static int attach_beside(int dir, const char *pid)
{
	char name[PATH], path[PATH + 16];
	int r = -EBUSY;

	for (unsigned n = 0; n < ENTERED_MAX; n++) {
		snprintf(name, sizeof(name), "payload/" ENTERED);
		if (n)
			snprintf(name, sizeof(name), "payload/" ENTERED ".%u",
				 n);
		if (mkdirat(dir, name, 0755) && errno != EEXIST)
			return -errno;
		snprintf(path, sizeof(path), "%s/cgroup.procs", name);
		r = knob_write(dir, path, pid);
		if (r != -EBUSY && r != -EOPNOTSUPP && r != -ENOENT)
			return r;
	}
	return r;
}

static int attach_one(const struct cgroup *g, unsigned i, enum cgroup_part part,
		      const char *pid)
{
	const char *dir = cgrouppriv_dir(g, i, part);
	char path[PATH];
	int r = knob_write(g->dir[i], file_of(path, dir, "cgroup.procs"), pid);

	if (part == CGROUP_PAYLOAD && g->hiers.h[i].version == 2 &&
	    (r == -EBUSY || r == -EOPNOTSUPP))
		return attach_beside(g->dir[i], pid);
	return r;
}

/*
 * Does a line of /proc/PID/cgroup, "4:cpu,cpuacct:/path", tell of `h`? Then
 * its path; in place.
 */
static char *path_in(const struct hier *h, char *line)
{
	char *word = strchr(line, ':'), *path;

	if (!word)
		return NULL;
	path = strchr(++word, ':');
	if (!path)
		return NULL;
	*path++ = '\0';
	path[strcspn(path, "\n")] = '\0';
	if (h->version == 2)
		return *word || strncmp(line, "0:", 2) ? NULL : path;
	return strcmp(word, h->word) ? NULL : path;
}

/* Back where `before`, its /proc/PID/cgroup, says it was. Best effort. */
static void put_back(const struct hier *h, const char *before, const char *pid)
{
	_cleanup_free_ char *text = strdup(before);
	char *rest = NULL, file[512];

	for (char *l = text ? strtok_r(text, "\n", &rest) : NULL; l;
	     l = strtok_r(NULL, "\n", &rest)) {
		const char *path = path_in(h, l);

		if (!path || *path != '/')
			continue;
		snprintf(file, sizeof(file), "%s%scgroup.procs", path + 1,
			 path[1] ? "/" : "");
		(void)knob_write(h->top, file, pid);
	}
}

int cgtask_attach(const struct cgroup *g, enum cgroup_part part, pid_t pid,
		  struct why *why)
{
	char text[16], path[64], before[4096];
	int r;

	snprintf(text, sizeof(text), "%d", pid);
	snprintf(path, sizeof(path), "/proc/%d/cgroup", pid);
	r = knob_read(AT_FDCWD, path, before, sizeof(before));
	if (r < 0)
		return why_sys(why, r == -ENOENT ? -ESRCH : r, "process %d",
			       pid);
	for (unsigned i = 0; i < g->hiers.n; i++) {
		if (g->dir[i] < 0)
			continue;
		r = attach_one(g, i, part, text);
		if (r >= 0)
			continue;
		while (i-- > 0)
			if (g->dir[i] >= 0)
				put_back(&g->hiers.h[i], before, text);
		return why_sys(why, r, "bringing process %d into the %s of %s",
			       pid, cgrouppriv_part(part), g->name);
	}
	return 0;
}

/* Is the calling process in `group` (from vefs/ on) of hierarchy `i`, or below? */
static bool is_in(const struct cgroup *g, unsigned i, const char *group)
{
	char text[4096], want[PATH + CGROUPPRIV_NAME], *rest = NULL;
	size_t len;

	if (knob_read(AT_FDCWD, "/proc/self/cgroup", text, sizeof(text)) < 0)
		return false;
	snprintf(want, sizeof(want), "/" CGROUPPRIV_TOP "/%s", group);
	len = strlen(want);
	for (char *l = strtok_r(text, "\n", &rest); l;
	     l = strtok_r(NULL, "\n", &rest)) {
		const char *path = path_in(&g->hiers.h[i], l);

		if (path && !strncmp(path, want, len) &&
		    (path[len] == '\0' || path[len] == '/'))
			return true;
	}
	return false;
}

bool cgtask_is_inside(const struct cgroup *g, unsigned i)
{
	return is_in(g, i, g->name);
}

/* By cgroup_fork() it is. */
static bool is_born_there(const struct cgroup *g, unsigned i,
			  enum cgroup_part part)
{
	char group[PATH];

	snprintf(group, sizeof(group), "%s/%s", g->name, cgrouppriv_part(part));
	return is_in(g, i, group);
}

int cgtask_enter(const struct cgroup *g, enum cgroup_part part, struct why *why)
{
	char path[PATH];
	int r = 0;

	for (unsigned i = 0; i < g->hiers.n && r == 0; i++) {
		const struct hier *h = &g->hiers.h[i];

		if (g->dir[i] < 0)
			continue;
		if (h->version == 1)
			r = knob_write(g->dir[i],
				       file_of(path, cgrouppriv_dir(g, i, part),
					       "tasks"),
				       "0");
		else if (!is_born_there(g, i, part))
			r = attach_one(g, i, part, "0");
		if (r < 0)
			why_sys(why, r, "entering the %s of %s in %s",
				cgrouppriv_part(part), g->name, h->path);
	}
	return r;
}

/* To the topmost group; the caller itself on v1 without waiting. */
static int expel_one(const struct hier *h, const char *pid)
{
	bool own = h->version == 1 && atoi(pid) == getpid();
	int r = knob_write(h->top, own ? "tasks" : "cgroup.procs",
			   own ? "0" : pid);

	return r == -ESRCH ? 0 : r;
}

int cgtask_expel(const struct cgroup *g, unsigned i, enum cgroup_part part)
{
	_cleanup_(cleanup_filep) FILE *f = NULL;
	char path[PATH], pid[16];
	int fd, r = 0;

	for (unsigned n = 0; n < ENTERED_MAX; n++) {
		bool any = false;

		file_of(path, cgrouppriv_dir(g, i, part), "cgroup.procs");
		fd = openat(g->dir[i], path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			return errno == ENOENT ? 0 : -errno;
		cleanup_filep(&f);
		f = fdopen(fd, "r");
		if (!f) {
			close(fd);
			return -ENOMEM;
		}
		while (r == 0 && fscanf(f, "%15s", pid) == 1) {
			any = true;
			r = expel_one(&g->hiers.h[i], pid);
		}
		if (r < 0 || !any)
			return r;
	}
	return 0;
}

/* ---- counting ------------------------------------------------------------ */

static int counting_hier(const struct cgroup *g)
{
	int i = hier_unified(&g->hiers);

	if (i < 0 || g->dir[i] < 0)
		i = hier_of(&g->hiers, HIER_PIDS);
	for (unsigned k = 0; (i < 0 || g->dir[i] < 0) && k < g->hiers.n; k++)
		i = cgrouppriv_is_flat(g, k) ? i : (int)k;
	return i;
}

static int open_part(const struct cgroup *g, unsigned i, enum cgroup_part part)
{
	int fd = openat(g->dir[i], cgrouppriv_part(part),
			O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int count_one(pid_t pid _unused_, void *arg)
{
	(*(int *)arg)++;
	return 0;
}

static int is_one(pid_t pid _unused_, void *arg _unused_)
{
	return 1;
}

/* v2 knows at once; deeper groups than we look into count by that too. */
static bool is_empty_v2(int dir)
{
	uint64_t populated = 1;

	return !knob_key(dir, "cgroup.events", "populated", &populated) &&
	       !populated;
}

int cgtask_any(const struct cgroup *g, unsigned i, enum cgroup_part part)
{
	_cleanup_close_ int dir = open_part(g, i, part);

	/* flat: the others tell */
	if (dir < 0)
		return dir == -ENOENT ? 0 : dir;
	if (g->hiers.h[i].version == 2)
		return !is_empty_v2(dir);
	return cgtree_each(dir, is_one, NULL);
}

int cgtask_count(const struct cgroup *g, enum cgroup_part part)
{
	_cleanup_close_ int dir = -1;
	int i = counting_hier(g);
	int n = 0, r;

	dir = open_part(g, (unsigned)i, part);
	if (dir < 0)
		return dir == -ENOENT ? 0 : dir;
	if (g->hiers.h[i].version == 2 && is_empty_v2(dir))
		return 0;
	r = cgtree_each(dir, count_one, &n);
	if (r < 0)
		return r;
	return !n && g->hiers.h[i].version == 2 && !is_empty_v2(dir) ? 1 : n;
}

/* ---- freezing ------------------------------------------------------------ */

/* 1: it is as wanted, 0: not yet. */
static int look_frozen(const struct cgroup *g, int i, bool frozen)
{
	char state[32];
	uint64_t v;
	int r;

	if (g->hiers.h[i].version == 2) {
		r = knob_key(g->dir[i], "payload/cgroup.events", "frozen", &v);
		return r < 0 ? r : v == frozen;
	}
	r = knob_read(g->dir[i], "payload/freezer.state", state, sizeof(state));
	return r < 0 ? r : !strcmp(state, frozen ? "FROZEN" : "THAWED");
}

static int write_frozen(const struct cgroup *g, int i, bool frozen)
{
	if (g->hiers.h[i].version == 2)
		return knob_write(g->dir[i], "payload/cgroup.freeze",
				  frozen ? "1" : "0");
	return knob_write(g->dir[i], "payload/freezer.state",
			  frozen ? "FROZEN" : "THAWED");
}

static int freezing_hier(const struct cgroup *g)
{
	int i = hier_of(&g->hiers, HIER_FREEZER);

	return i >= 0 && g->dir[i] >= 0 ? i : -1;
}

/* v1 stops new processes only when told again. */
static int freeze_until(const struct cgroup *g, bool frozen, uint64_t end)
{
	int i = freezing_hier(g);
	int r = i < 0 ? -EOPNOTSUPP : 0;

	for (unsigned n = 0; r == 0; n++) {
		r = write_frozen(g, i, frozen);
		if (r == 0)
			r = look_frozen(g, i, frozen);
		if (r)
			break;
		if (now_ms() >= end)
			r = -ETIMEDOUT;
		else
			pause_for(n);
	}
	return r < 0 ? r : 0;
}

int cgtask_freeze(const struct cgroup *g, bool frozen, struct why *why)
{
	int r = freeze_until(g, frozen, now_ms() + FREEZE_MS);

	if (r == -EOPNOTSUPP || r == -ENOENT)
		return why_set(why, -EOPNOTSUPP,
			       "%s: there is no freezer in the cgroups here",
			       g->name);
	if (r == -ETIMEDOUT && frozen) {
		(void)write_frozen(g, freezing_hier(g), false);
		return why_set(why, r,
			       "%s: a process does not stop, it waits in the "
			       "kernel; it all runs on",
			       g->name);
	}
	return r < 0 ? why_sys(why, r, "%s %s", frozen ? "freezing" : "thawing",
			       g->name)
		     : 0;
}

bool cgtask_is_frozen(const struct cgroup *g)
{
	int i = freezing_hier(g);

	return i >= 0 && look_frozen(g, i, true) == 1;
}

/* ---- killing ------------------------------------------------------------- */

struct batch {
	struct victim {
		pid_t pid;
		int fd; /* of the process */
		bool still;
	} v[128];
	unsigned n;
};

static int add_victim(pid_t pid, void *arg)
{
	struct batch *b = arg;
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	if (fd >= 0)
		b->v[b->n++] = (struct victim){ .pid = pid, .fd = fd };
	return b->n == ARRAY_SIZE(b->v);
}

static int confirm_victim(pid_t pid, void *arg)
{
	struct batch *b = arg;

	for (unsigned i = 0; i < b->n; i++)
		b->v[i].still |= b->v[i].pid == pid;
	return 0;
}

static void forget_batch(struct batch *b)
{
	for (unsigned i = 0; i < b->n; i++)
		close(b->v[i].fd);
	b->n = 0;
}

/* Who is in there: on the list after it was opened, so surely that process. */
static int list_batch(int dir, struct batch *b)
{
	int r = cgtree_each(dir, add_victim, b);

	if (r >= 0)
		r = cgtree_each(dir, confirm_victim, b);
	return r < 0 ? r : 0;
}

/*
 * One round by hand. No other process is hit that got a number meanwhile.
 */
static int kill_listed(int dir)
{
	struct batch b = { .n = 0 };
	int r = list_batch(dir, &b);

	for (unsigned i = 0; i < b.n; i++)
		if (r >= 0 && b.v[i].still)
			syscall(SYS_pidfd_send_signal, b.v[i].fd, SIGKILL, NULL,
				0);
	forget_batch(&b);
	return r;
}

/*
 * v1 kills no frozen process, and lets others fork meanwhile: frozen while the
 * signals are sent (as far as it stops in time), they all have theirs when
 * they run again.
 */
static int kill_round(const struct cgroup *g, enum cgroup_part part, int dir,
		      uint64_t end)
{
	int freezer = part == CGROUP_PAYLOAD ? freezing_hier(g) : -1;
	int r = knob_write(dir, "cgroup.kill", "1");

	if (r == -ENOENT || r == -EOPNOTSUPP) {
		uint64_t soon = now_ms() + 50;

		if (freezer >= 0)
			(void)freeze_until(g, true, soon < end ? soon : end);
		r = kill_listed(dir);
	}
	if (freezer >= 0)
		(void)write_frozen(g, freezer, false);
	return r == -ENODEV ? 0 : r;
}

int cgtask_kill(const struct cgroup *g, enum cgroup_part part, unsigned ms,
		struct why *why)
{
	uint64_t end = now_ms() + ms;
	int i = counting_hier(g);
	_cleanup_close_ int dir = open_part(g, (unsigned)i, part);
	int r = dir;

	if (dir == -ENOENT)
		return 0;
	for (unsigned n = 0; r >= 0; n++) {
		r = cgtask_any(g, (unsigned)i, part);
		if (r == 0)
			return 0;
		if (r > 0)
			r = kill_round(g, part, dir, end);
		if (r < 0 || cgtask_any(g, (unsigned)i, part) == 0)
			break;
		if (now_ms() >= end)
			return why_set(why, -ETIMEDOUT,
				       "%s: %d processes in its %s do not end",
				       g->name, cgtask_count(g, part),
				       cgrouppriv_part(part));
		pause_for(n);
	}
	return r < 0 ? why_sys(why, r, "killing the %s of %s",
			       cgrouppriv_part(part), g->name)
		     : 0;
}

/* ---- waiting ------------------------------------------------------------- */

int cgtask_wait(const struct cgroup *g, enum cgroup_part part, unsigned ms)
{
	_cleanup_close_ int dir =
		open_part(g, (unsigned)counting_hier(g), part);
	uint64_t end = now_ms() + ms, now = now_ms();
	struct batch b = { .n = 0 };
	int r = dir < 0 ? dir : list_batch(dir, &b);

	for (unsigned i = 0; i < b.n && r == 0; i++, now = now_ms()) {
		struct pollfd p = { .fd = b.v[i].fd, .events = POLLIN };

		if (b.v[i].still &&
		    poll(&p, 1, now < end ? (int)(end - now) : 0) == 0)
			r = -ETIMEDOUT;
	}
	forget_batch(&b);
	return r == -ENOENT ? 0 : r;
}
