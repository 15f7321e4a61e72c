/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel limits each block device apart. Named are all whole disks that
 * have a size: partitions count as their disk; loop devices, device mapper and
 * RAID too, whose I/O is the container's on the disks below also; RAM disks
 * and compressed memory not.
 *
 * The weight is heeded where a disk's scheduler is BFQ (or, v2, where the
 * kernel's own cost model is on); io.weight, io.bfq.weight: all that are there
 * are written.
 */
#include "tools/ct/cgio.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/base/cleanup.h"

#define PRIORITY_USUAL 4u

unsigned cgio_weight(uint64_t priority, unsigned usual)
{
	static const unsigned of_500[] = { 320, 365, 410, 460,
					   500, 550, 600, 640 };

	if (priority >= ARRAY_SIZE(of_500))
		priority = ARRAY_SIZE(of_500) - 1;
	return (of_500[priority] * usual + 250) / 500;
}

static int set_priority(struct cgchange *c, int i, int version)
{
	static const struct {
		int version;
		const char *file;
		unsigned usual;
	} files[] = {
		{ 1, "blkio.bfq.weight", 100 },
		{ 1, "blkio.weight", 500 },
		{ 2, "io.bfq.weight", 100 },
		{ 2, "io.weight", 100 },
	};
	uint64_t p = c->l->number[SPEC_IOPRIO];
	char was[256];
	bool any = false;

	if (p == SPEC_UNLIMITED)
		p = PRIORITY_USUAL;
	for (size_t k = 0; k < ARRAY_SIZE(files) && i >= 0; k++) {
		char text[32];
		int r;

		if (files[k].version != version)
			continue;
		r = knob_read(c->g->dir[i], files[k].file, was, sizeof(was));
		if (r == -ENOENT)
			continue;
		/* the first line is for all disks, "default 100" */
		was[strcspn(was, "\n")] = '\0';
		snprintf(text, sizeof(text), "%u",
			 cgio_weight(p, files[k].usual));
		if (r >= 0)
			r = knob_change_as(&c->journal, c->g->dir[i],
					   files[k].file, text, was);
		if (r < 0)
			return why_sys(c->why, r, "%s of %s", files[k].file,
				       c->g->name);
		any = true;
	}
	return any ? 0 : -ENOENT;
}

/* ---- disks ---------------------------------------------------------------- */

/* "254:0" of a disk by its name in /sys/block; false: none to limit. */
static bool is_disk(int block, const char *name, char dev[32])
{
	char path[300];
	uint64_t size = 0;

	if (!strncmp(name, "ram", 3) || !strncmp(name, "zram", 4))
		return false;
	snprintf(path, sizeof(path), "%s/size", name);
	if (knob_number(block, path, &size) || !size)
		return false;
	snprintf(path, sizeof(path), "%s/dev", name);
	return knob_read(block, path, dev, 32) > 0;
}

/* Call `limit` for each disk. How many there were, or its error. */
static int each_disk(struct cgchange *c, int i,
		     int (*limit)(struct cgchange *c, int i, const char *dev))
{
	_cleanup_closedir_ DIR *d = opendir("/sys/block");
	const struct dirent *e;
	char dev[32];
	int n = 0;

	while (d && (e = readdir(d))) {
		int r;

		if (e->d_name[0] == '.' || !is_disk(dirfd(d), e->d_name, dev))
			continue;
		r = limit(c, i, dev);
		/* gone meanwhile, or none that has requests */
		if (r == -ENODEV || r == -ENXIO || r == -EOPNOTSUPP)
			continue;
		if (r == -ENOENT)
			return r;
		if (r < 0)
			return why_sys(c->why, r, "I/O limits of %s on disk %s",
				       c->g->name, dev);
		n++;
	}
	return n;
}

/* The line of `dev` in a file of them, without it; "" where there is none. */
static int read_line(int dir, const char *file, const char *dev, char *line,
		     size_t size)
{
	size_t len = strlen(dev), room = 65536;
	_cleanup_free_ char *text = malloc(room);
	char *rest = NULL;
	int r;

	*line = '\0';
	if (!text)
		return -ENOMEM;
	r = knob_read(dir, file, text, room);
	if (r < 0)
		return r;
	for (char *l = strtok_r(text, "\n", &rest); l;
	     l = strtok_r(NULL, "\n", &rest))
		if (!strncmp(l, dev, len) && l[len] == ' ')
			snprintf(line, size, "%s", l + len + 1);
	return 0;
}

struct throttle {
	enum spec_number n;
	const char *file; /* of v1 */
	uint64_t most;
};

static int throttle_v1(struct cgchange *c, int i, const char *dev,
		       const struct throttle *t, const char *dir)
{
	uint64_t v = c->l->number[t->n];
	char path[128], was[64], text[64], undo[128];
	int r;

	snprintf(path, sizeof(path), "%s/%s", dir, t->file);
	r = read_line(c->g->dir[i], path, dev, was, sizeof(was));
	if (r < 0)
		return r;
	if (v == SPEC_UNLIMITED)
		v = 0; /* so written there */
	else if (v > t->most)
		v = t->most;
	snprintf(undo, sizeof(undo), "%s %s", dev, *was ? was : "0");
	snprintf(text, sizeof(text), "%s %" PRIu64, dev, v);
	return knob_change_as(&c->journal, c->g->dir[i], path, text, undo);
}

static const struct throttle files[] = {
	{ SPEC_IOLIMIT, "blkio.throttle.read_bps_device", INT64_MAX },
	{ SPEC_IOLIMIT, "blkio.throttle.write_bps_device", INT64_MAX },
	{ SPEC_IOPSLIMIT, "blkio.throttle.read_iops_device", UINT32_MAX },
	{ SPEC_IOPSLIMIT, "blkio.throttle.write_iops_device", UINT32_MAX },
};

/* Each group for itself: where there are two, each has it all. */
static int limit_v1(struct cgchange *c, int i, const char *dev)
{
	int parts = cgrouppriv_is_flat(c->g, (unsigned)i) ? 1 : 2;
	int r = 0;

	for (size_t k = 0; k < ARRAY_SIZE(files); k++)
		for (int part = 0; part < parts && r == 0; part++)
			if (spec_gives(c->l, files[k].n))
				r = throttle_v1(
					c, i, dev, &files[k],
					cgrouppriv_dir(c->g, (unsigned)i,
						       (enum cgroup_part)part));
	return r;
}

static void add_v2(char *text, size_t size, const char *keys[2], uint64_t v)
{
	for (int k = 0; k < 2; k++) {
		size_t len = strlen(text);

		if (v == SPEC_UNLIMITED)
			snprintf(text + len, size - len, " %s=max", keys[k]);
		else
			snprintf(text + len, size - len, " %s=%" PRIu64,
				 keys[k], v);
	}
}

static int limit_v2(struct cgchange *c, int i, const char *dev)
{
	static const char *bps[] = { "rbps", "wbps" };
	static const char *iops[] = { "riops", "wiops" };
	uint64_t n = c->l->number[SPEC_IOPSLIMIT];
	char was[256], text[256], undo[320];
	int r = read_line(c->g->dir[i], "io.max", dev, was, sizeof(was));

	if (r < 0)
		return r;
	snprintf(undo, sizeof(undo), "%s %s", dev,
		 *was ? was : "rbps=max wbps=max riops=max wiops=max");
	snprintf(text, sizeof(text), "%s", dev);
	if (spec_gives(c->l, SPEC_IOLIMIT))
		add_v2(text, sizeof(text), bps, c->l->number[SPEC_IOLIMIT]);
	if (spec_gives(c->l, SPEC_IOPSLIMIT))
		add_v2(text, sizeof(text), iops,
		       n != SPEC_UNLIMITED && n > UINT32_MAX ? UINT32_MAX : n);
	return knob_change_as(&c->journal, c->g->dir[i], "io.max", text, undo);
}

int cgio_set(struct cgchange *c)
{
	static const enum spec_number limits[] = { SPEC_IOLIMIT,
						   SPEC_IOPSLIMIT };
	int version = 0;
	int i = cgchange_hier(c, HIER_IO, &version);
	bool given = false;
	int r = 0;

	if (spec_gives(c->l, SPEC_IOPRIO)) {
		r = set_priority(c, i, version);
		if (r == -ENOENT)
			r = cgchange_lack(c, SPEC_IOPRIO);
	}
	for (size_t k = 0; k < ARRAY_SIZE(limits) && r == 0; k++) {
		given |= spec_gives(c->l, limits[k]);
		if (spec_gives(c->l, limits[k]) && !c->l->number[limits[k]])
			r = why_set(c->why, -EINVAL, "%s of %s: 0 is no limit",
				    cgchange_word(limits[k]), c->g->name);
	}
	if (r < 0 || !given)
		return r;
	if (i >= 0)
		r = each_disk(c, i, version == 1 ? limit_v1 : limit_v2);
	if (r < 0 && r != -ENOENT)
		return r;
	if (i >= 0 && r > 0)
		return 0;
	r = 0;
	for (size_t k = 0; k < ARRAY_SIZE(limits) && r == 0; k++)
		if (spec_gives(c->l, limits[k]))
			r = cgchange_lack(c, limits[k]);
	return r;
}

/* ---- none any more --------------------------------------------------------- */

/* Each line of the file is a disk's: say `none` of it. */
static int lift(int dir, const char *file, const char *none)
{
	size_t room = 65536;
	_cleanup_free_ char *text = malloc(room);
	char *rest = NULL, line[128];
	int r = text ? knob_read(dir, file, text, room) : -ENOMEM;

	for (char *l = r > 0 ? strtok_r(text, "\n", &rest) : NULL; l && r >= 0;
	     l = strtok_r(NULL, "\n", &rest)) {
		l[strcspn(l, " ")] = '\0';
		snprintf(line, sizeof(line), "%.60s %s", l, none);
		r = knob_write(dir, file, line);
		/* gone meanwhile */
		if (r == -ENODEV || r == -ENXIO)
			r = 0;
	}
	return r == -ENOENT || r > 0 ? 0 : r;
}

int cgio_lift(const struct cgroup *g)
{
	int i = hier_of(&g->hiers, HIER_IO), r = 0;
	int parts = i < 0 || cgrouppriv_is_flat(g, (unsigned)i) ? 1 : 2;
	char path[128];

	if (i < 0 || g->dir[i] < 0)
		return 0;
	if (g->hiers.h[i].version != 1)
		return lift(g->dir[i], "io.max",
			    "rbps=max wbps=max riops=max wiops=max");
	for (size_t k = 0; k < ARRAY_SIZE(files); k++)
		for (int part = 0; part < parts && r == 0; part++) {
			snprintf(path, sizeof(path), "%s/%s",
				 cgrouppriv_dir(g, (unsigned)i,
						(enum cgroup_part)part),
				 files[k].file);
			r = lift(g->dir[i], path, "0");
		}
	return r;
}
