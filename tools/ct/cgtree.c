/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A group is a directory, so it is made and removed as one, relative to the
 * descriptor of the hierarchy's mount. On v1 a cpuset group is of no use
 * before it has CPUs and memory nodes: each level gets those of the one above
 * as it is made. On v2 a group has the controllers that the one above enables:
 * the top, vefs and vefs/NAME do, payload and daemon have processes and may
 * not. What the kernel does not let us enable is left out here; who needs it
 * will find no file for it.
 *
 * The last container's end takes vefs away, which may be between another's
 * making vefs and making its own below: that one begins anew.
 */
#include "tools/ct/cgtree.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "fs/base/cleanup.h"
#include "fs/base/fdio.h"
#include "tools/ct/knob.h"

#define TRIES 100
/* Groups looked at for one removal: an end to what should have one anyway. */
#define STEPS_MAX 4000000

static int open_dir(int dir, const char *name)
{
	int fd = openat(dir, name,
			O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* ---- making --------------------------------------------------------------- */

/* CPUs come back: what the machine has now is written over, if it may be. */
static int fill_one(int above, int dir, const char *file)
{
	char have[1024], want[1024];
	int r = knob_read(above, file, want, sizeof(want));
	int n = knob_read(dir, file, have, sizeof(have));

	if (r < 0 || n < 0)
		return r < 0 ? r : n;
	if (!strcmp(have, want))
		return 0;
	r = knob_write(dir, file, want);
	return n ? 0 : r;
}

static int fill_cpuset(int above, int dir)
{
	int r = fill_one(above, dir, "cpuset.cpus");

	return r < 0 ? r : fill_one(above, dir, "cpuset.mems");
}

static bool has_word(const char *list, const char *word)
{
	size_t len = strlen(word);

	for (const char *p = list; (p = strstr(p, word)); p += len)
		if ((p == list || p[-1] == ' ') &&
		    (p[len] == ' ' || p[len] == '\0'))
			return true;
	return false;
}

/* The controllers that we use, all at once if that works. */
static int enable_v2(int dir)
{
	static const char *const used[] = { "cpuset", "cpu", "io", "memory",
					    "pids" };
	char offered[512], enabled[512], text[64] = "";
	int r;

	r = knob_read(dir, "cgroup.controllers", offered, sizeof(offered));
	if (r < 0)
		return r;
	r = knob_read(dir, "cgroup.subtree_control", enabled, sizeof(enabled));
	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(used); i++)
		if (has_word(offered, used[i]) && !has_word(enabled, used[i]))
			snprintf(text + strlen(text),
				 sizeof(text) - strlen(text), "%s+%s",
				 *text ? " " : "", used[i]);
	if (!*text || !knob_write(dir, "cgroup.subtree_control", text))
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(used); i++) {
		snprintf(text, sizeof(text), "+%s", used[i]);
		(void)knob_write(dir, "cgroup.subtree_control", text);
	}
	return 0;
}

/*
 * The group `name` in `above`, ready to be used. A descriptor; -errno, then
 * nothing is left of what was made.
 */
static int make_one(const struct hier *h, int above, const char *name,
		    bool *made)
{
	_cleanup_close_ int fd = -1;
	int r = 0;

	*made = !mkdirat(above, name, 0755);
	if (!*made && errno != EEXIST)
		return -errno;
	fd = open_dir(above, name);
	if (fd < 0)
		r = fd;
	else if (h->version == 1 && h->controllers & 1u << HIER_CPUSET)
		r = fill_cpuset(above, fd);
	if (r < 0) {
		if (*made)
			unlinkat(above, name, AT_REMOVEDIR);
		return r;
	}
	return TAKE_FD(fd);
}

static int make_parts(const struct hier *h, int dir)
{
	bool made[2] = { false, false };
	int r = 0;

	for (int part = 0; part < 2 && r >= 0; part++) {
		_cleanup_close_ int fd =
			make_one(h, dir, cgrouppriv_part(part), &made[part]);

		r = fd < 0 ? fd : 0;
	}
	for (int part = 0; part < 2 && r < 0; part++)
		if (made[part])
			unlinkat(dir, cgrouppriv_part(part), AT_REMOVEDIR);
	return r;
}

/* vefs/NAME and its parts, once. */
static int make_all(const struct cgroup *g, unsigned i, bool *made)
{
	const struct hier *h = &g->hiers.h[i];
	_cleanup_close_ int vefs = -1;
	_cleanup_close_ int dir = -1;
	bool made_vefs;
	int r;

	if (h->version == 2)
		enable_v2(h->top);
	vefs = make_one(h, h->top, CGROUPPRIV_TOP, &made_vefs);
	if (vefs < 0)
		return vefs;
	if (h->version == 2)
		enable_v2(vefs);
	dir = make_one(h, vefs, g->name, made);
	if (dir < 0) {
		r = dir;
	} else {
		if (h->version == 2)
			enable_v2(dir);
		r = cgrouppriv_is_flat(g, i) ? 0 : make_parts(h, dir);
		if (r < 0 && *made)
			unlinkat(vefs, g->name, AT_REMOVEDIR);
	}
	if (r < 0) {
		if (made_vefs)
			unlinkat(h->top, CGROUPPRIV_TOP, AT_REMOVEDIR);
		return r;
	}
	return TAKE_FD(dir);
}

int cgtree_open(struct cgroup *g, unsigned i, bool make, bool *made,
		struct why *why)
{
	const struct hier *h = &g->hiers.h[i];
	_cleanup_close_ int vefs = -1;
	int dir = -ENOENT;

	*made = false;
	for (int n = 0; make && n < TRIES && dir == -ENOENT; n++)
		dir = make_all(g, i, made);
	if (!make) {
		vefs = open_dir(h->top, CGROUPPRIV_TOP);
		dir = vefs < 0 ? vefs : open_dir(vefs, g->name);
	}
	if (dir < 0)
		return why_sys(why, dir, "%s/" CGROUPPRIV_TOP "/%s", h->path,
			       g->name);
	g->dir[i] = dir;
	return 0;
}

int cgtree_give(struct cgroup *g, unsigned i, uint32_t owner, struct why *why)
{
	static const struct {
		const char *file;
		bool may_lack;
	} given[] = {
		{ "payload", false },
		{ "payload/cgroup.procs", false },
		{ "payload/cgroup.threads", true },
		{ "payload/cgroup.subtree_control", true },
		{ "payload/tasks", true }, /* v1 */
	};

	for (size_t k = 0; k < ARRAY_SIZE(given); k++)
		if (fchownat(g->dir[i], given[k].file, owner, owner,
			     AT_SYMLINK_NOFOLLOW) &&
		    !(given[k].may_lack && errno == ENOENT))
			return why_sys(why, -errno, "%s/%s/%s/%s",
				       g->hiers.h[i].path, CGROUPPRIV_TOP,
				       g->name, given[k].file);
	return 0;
}

/* ---- removing ------------------------------------------------------------- */

/* What was killed counts for a moment longer. */
static int remove_patiently(int dir, const char *name)
{
	const struct timespec pause = { .tv_nsec = 2000000 };

	for (int n = 0; unlinkat(dir, name, AT_REMOVEDIR); n++) {
		if (errno == ENOENT)
			return 0;
		if (errno != EBUSY || n == TRIES)
			return -errno;
		nanosleep(&pause, NULL);
	}
	return 0;
}

/*
 * Remove the groups in `dir` that can be, up to one that cannot: *busy is its
 * descriptor, or -1. *seen is how many there were.
 */
static int remove_leaves(int dir, unsigned *seen, int *busy)
{
	_cleanup_closedir_ DIR *d = NULL;
	const struct dirent *e;
	int r = fdio_opendir(fdio_openat(dir, ".", O_RDONLY | O_DIRECTORY, 0),
			     &d);
	int fd;

	*seen = 0;
	*busy = -1;
	if (r < 0)
		return r;
	while ((e = readdir(d))) {
		if (e->d_type != DT_DIR || e->d_name[0] == '.')
			continue;
		(*seen)++;
		if (!unlinkat(dir, e->d_name, AT_REMOVEDIR) || errno == ENOENT)
			continue;
		if (errno != EBUSY)
			return -errno;
		fd = open_dir(dir, e->d_name);
		if (fd == -ENOENT)
			continue;
		*busy = fd;
		return fd < 0 ? fd : 0;
	}
	return 0;
}

/*
 * All groups below `top`. However deep they are this holds a few descriptors:
 * it goes down to one that cannot be removed, and up by "..", where it can.
 */
static int remove_nested(int top)
{
	_cleanup_close_ int dir = open_dir(top, ".");
	const struct timespec pause = { .tv_nsec = 2000000 };
	unsigned depth = 0, seen, patience = TRIES;
	bool came_down = false;
	int next, r;

	if (dir < 0)
		return dir;
	for (unsigned n = 0; n < STEPS_MAX; n++) {
		r = remove_leaves(dir, &seen, &next);
		if (r < 0)
			return r;
		if (next >= 0) {
			depth++;
			came_down = true;
		} else if (!depth) {
			return 0;
		} else {
			/* one without groups below: it has processes */
			if (came_down && !seen) {
				if (!patience--)
					return -EBUSY;
				nanosleep(&pause, NULL);
			}
			next = open_dir(dir, "..");
			if (next < 0)
				return next;
			depth--;
			came_down = false;
		}
		close(dir);
		dir = next;
	}
	return -EBUSY;
}

static int remove_part(int above, const char *name)
{
	_cleanup_close_ int dir = -1;
	int r;

	/* Most have no groups below, and no processes. */
	if (!unlinkat(above, name, AT_REMOVEDIR) || errno == ENOENT)
		return 0;
	dir = open_dir(above, name);
	if (dir == -ENOENT)
		return 0;
	r = dir < 0 ? dir : remove_nested(dir);
	return r < 0 ? r : remove_patiently(above, name);
}

int cgtree_remove(struct cgroup *g, unsigned i)
{
	_cleanup_close_ int vefs = open_dir(g->hiers.h[i].top, CGROUPPRIV_TOP);
	int r = 0;

	if (vefs < 0)
		return vefs == -ENOENT ? 0 : vefs;
	for (int part = 0; part < 2 && r == 0; part++)
		r = remove_part(g->dir[i], cgrouppriv_part(part));
	if (r == 0)
		r = remove_patiently(vefs, g->name);
	if (r == 0)
		unlinkat(g->hiers.h[i].top, CGROUPPRIV_TOP, AT_REMOVEDIR);
	return r;
}

/* ---- looking -------------------------------------------------------------- */

static int each_here(int dir, int (*found)(pid_t pid, void *arg), void *arg)
{
	_cleanup_close_ int fd =
		openat(dir, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	char text[4096];
	ssize_t n;
	pid_t pid = 0;
	int r = 0;

	if (fd < 0)
		return errno == ENOENT || errno == ENODEV ? 0 : -errno;
	/* a threaded group of v2 says EOPNOTSUPP: its processes stand above */
	while (r == 0 && (n = read(fd, text, sizeof(text))) > 0) {
		for (ssize_t k = 0; k < n && r == 0; k++) {
			if (text[k] != '\n') {
				pid = pid * 10 + (text[k] - '0');
				continue;
			}
			r = found(pid, arg);
			pid = 0;
		}
	}
	return r;
}

/* A directory's links are two, and one for each below. */
static bool has_below(int dir)
{
	struct stat st;

	return fstatat(dir, "", &st, AT_EMPTY_PATH) < 0 || st.st_nlink != 2;
}

static int each_below(int dir, unsigned depth,
		      int (*found)(pid_t pid, void *arg), void *arg)
{
	_cleanup_closedir_ DIR *d = NULL;
	const struct dirent *e;
	int r = each_here(dir, found, arg);

	if (r || !depth || !has_below(dir))
		return r;
	r = fdio_opendir(fdio_openat(dir, ".", O_RDONLY | O_DIRECTORY, 0), &d);
	if (r < 0)
		return r == -ENOENT || r == -ENODEV ? 0 : r;
	while (r == 0 && (e = readdir(d))) {
		_cleanup_close_ int sub = -1;

		if (e->d_type != DT_DIR || e->d_name[0] == '.')
			continue;
		sub = open_dir(dir, e->d_name);
		if (sub >= 0)
			r = each_below(sub, depth - 1, found, arg);
	}
	return r;
}

int cgtree_each(int dir, int (*found)(pid_t pid, void *arg), void *arg)
{
	return each_below(dir, CGTREE_DEPTH, found, arg);
}
