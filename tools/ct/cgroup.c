/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The groups, and who does what with them:
 *	hier		which hierarchies there are
 *	cgtree		directories: made, handed over, removed
 *	cgborn		processes: born in there, and leaving
 *	cgtask		brought in, stopped, counted, killed
 *	cglimit		limits (cgmemory, cgio), as one change (cgchange)
 *	cgdevice	devices, on v2 by a program (devprog)
 *	cgusage		what is used
 *	knob		the files of a group
 *
 * libcgroup is not used: README.md has the reasons and the numbers.
 */
#include "tools/ct/cgroup.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/base/cleanup.h"
#include "tools/ct/cgborn.h"
#include "tools/ct/cgdevice.h"
#include "tools/ct/cgio.h"
#include "tools/ct/cglimit.h"
#include "tools/ct/cgrouppriv.h"
#include "tools/ct/cgtask.h"
#include "tools/ct/cgtree.h"
#include "tools/ct/cgusage.h"

static bool is_name(const char *name)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "abcdefghijklmnopqrstuvwxyz"
				      "0123456789._-";
	size_t len = strlen(name);

	return len && len < CGROUPPRIV_NAME && *name != '.' &&
	       strspn(name, allowed) == len;
}

/* Those are the host's where they delegate nothing. */
static bool is_divided_inside(const struct cgroup *g, unsigned i)
{
	const struct hier *h = &g->hiers.h[i];

	return h->version == 2 || (hier_unified(&g->hiers) < 0 &&
				   !strcmp(h->word, "name=systemd"));
}

static int open_unified(struct cgroup *g, struct why *why)
{
	int i = hier_unified(&g->hiers);

	if (i < 0 || g->dir[i] < 0)
		return 0;
	g->unified = openat(g->dir[i], cgrouppriv_part(CGROUP_PAYLOAD),
			    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return g->unified < 0 && errno != ENOENT
		       ? why_sys(why, -errno, "the payload's group of %s",
				 g->name)
		       : 0;
}

static int make_all(struct cgroup *g, uint32_t owner, struct why *why)
{
	bool made[HIER_MAX] = { false };
	int r = 0;

	for (unsigned i = 0; i < g->hiers.n && r == 0; i++) {
		r = cgtree_open(g, i, true, &made[i], why);
		if (r == 0 && is_divided_inside(g, i))
			r = cgtree_give(g, i, owner, why);
	}
	if (r == 0)
		r = open_unified(g, why);
	for (unsigned i = 0; i < g->hiers.n && r < 0; i++)
		if (made[i])
			(void)cgtree_remove(g, i);
	return r;
}

static int open_all(struct cgroup *g, struct why *why)
{
	bool any = false, made;
	int r = 0;

	for (unsigned i = 0; i < g->hiers.n && r == 0; i++) {
		r = cgtree_open(g, i, false, &made, NULL);
		any |= r == 0;
		if (r == -ENOENT)
			r = 0;
	}
	if (r == 0 && !any)
		r = -ENOENT;
	if (r == 0)
		r = open_unified(g, why);
	return r < 0 ? why_sys(why, r, "cgroups of %s", g->name) : 0;
}

int cgroup_open(struct cgroup **out, const char *name, bool make,
		uint32_t owner, struct why *why)
{
	struct cgroup *g;
	int r;

	if (!is_name(name))
		return why_set(why, -EINVAL,
			       "%.80s: no name for a cgroup: up to %d of A-Z "
			       "a-z 0-9 . _ -, the first no dot",
			       name, CGROUPPRIV_NAME - 1);
	g = calloc(1, sizeof(*g));
	if (!g)
		return why_sys(why, -ENOMEM, "cgroups of %s", name);
	memcpy(g->name, name, strlen(name) + 1);
	g->unified = -1;
	for (unsigned i = 0; i < HIER_MAX; i++)
		g->dir[i] = -1;
	r = hier_find(&g->hiers, why);
	if (r == 0)
		r = make ? make_all(g, owner, why) : open_all(g, why);
	if (r < 0) {
		cgroup_free(g);
		return r;
	}
	*out = g;
	return 0;
}

void cgroup_free(struct cgroup *g)
{
	if (!g)
		return;
	for (unsigned i = 0; i < HIER_MAX; i++)
		cleanup_closep(&g->dir[i]);
	cleanup_closep(&g->unified);
	hier_free(&g->hiers);
	free(g);
}

int cgroup_set(struct cgroup *g, const struct spec_limits *l, uint32_t may_lack,
	       struct why *why)
{
	return cglimit_set(g, l, may_lack, why);
}

int cgroup_devices(struct cgroup *g, const struct spec_device *devices,
		   size_t n, struct why *why)
{
	return cgdevice_set(g, devices, n, why);
}

int cgroup_attach(struct cgroup *g, enum cgroup_part part, pid_t pid,
		  struct why *why)
{
	return cgtask_attach(g, part, pid, why);
}

pid_t cgroup_fork(const struct cgroup *g, int part, uint64_t flags)
{
	return cgborn_fork(g, part, flags);
}

int cgroup_leave(const struct cgroup *g, struct why *why)
{
	return cgborn_leave(g, why);
}

int cgroup_wait(const struct cgroup *g, enum cgroup_part part, unsigned ms)
{
	return cgtask_wait(g, part, ms);
}

int cgroup_enter(struct cgroup *g, enum cgroup_part part, struct why *why)
{
	return cgtask_enter(g, part, why);
}

int cgroup_unified(const struct cgroup *g)
{
	return g->unified;
}

int cgroup_freeze(struct cgroup *g, bool frozen, struct why *why)
{
	return cgtask_freeze(g, frozen, why);
}

bool cgroup_is_frozen(struct cgroup *g)
{
	return cgtask_is_frozen(g);
}

int cgroup_unthrottle(const struct cgroup *g)
{
	return cgio_lift(g);
}

int cgroup_processes(struct cgroup *g, enum cgroup_part part)
{
	return cgtask_count(g, part);
}

int cgroup_kill(struct cgroup *g, enum cgroup_part part, unsigned ms,
		struct why *why)
{
	return cgtask_kill(g, part, ms, why);
}

int cgroup_remove(struct cgroup *g, struct why *why)
{
	int first = 0;

	for (unsigned i = 0; i < g->hiers.n; i++) {
		int r = g->dir[i] < 0 ? 0 : cgtask_any(g, i, CGROUP_PAYLOAD);

		if (r)
			return why_sys(why, r < 0 ? r : -EBUSY,
				       "%s has processes, kill them first",
				       g->name);
	}
	for (unsigned i = 0; i < g->hiers.n; i++) {
		int r = 0;

		if (g->dir[i] < 0)
			continue;
		r = cgtask_expel(g, i, CGROUP_DAEMON);
		if (r == 0)
			r = cgtree_remove(g, i);
		if (r < 0 && !first)
			first = why_sys(why, r,
					"removing %s/" CGROUPPRIV_TOP "/%s",
					g->hiers.h[i].path, g->name);
	}
	return first;
}

void cgroup_usage(struct cgroup *g, struct cgroup_usage *out)
{
	cgusage_read(g, out);
}

/* "" or a controller, or v1's words as mounted. */
static int hier_called(const struct cgroup *g, const char *controller)
{
	int c = hier_controller_named(controller);

	if (!*controller)
		return hier_unified(&g->hiers);
	if (c >= 0)
		return hier_of(&g->hiers, (enum hier_controller)c);
	for (unsigned i = 0; i < g->hiers.n; i++)
		if (!strcmp(g->hiers.h[i].word, controller))
			return (int)i;
	return -1;
}

int cgroup_path(const struct cgroup *g, const char *controller, int part,
		char *path, size_t size)
{
	int i = hier_called(g, controller);
	const char *dir = "";
	int n;

	if (i < 0 || g->dir[i] < 0)
		return -ENOENT;
	if (part >= 0 && !cgrouppriv_is_flat(g, (unsigned)i))
		dir = cgrouppriv_part((enum cgroup_part)part);
	n = snprintf(path, size, "%s/" CGROUPPRIV_TOP "/%s%s%s",
		     g->hiers.h[i].path, g->name, *dir ? "/" : "", dir);
	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}
