/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The lower files: what lies there, and is it what it must be? */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tests/stress/kill_low.h"

#define LARGEST 400000u
#define PER_DIR 64
#define UNKNOWN UINT8_MAX /* it went wrong once, do not tell again */

static unsigned char expected[LARGEST + 100];

static bool has_second(uint32_t k)
{
	return k % 8 == 7;
}

static bool is_link(uint32_t k)
{
	return k % 16 == 5;
}

static uint32_t size_of(uint32_t k)
{
	uint32_t any = k * 2654435761u >> 8;

	if (k % 32 == 0)
		return 100000 + any % (LARGEST - 100000);
	return k % 4 == 0 ? any % 200 : any % 9000;
}

/* As it lies in the lower. */
static struct kill_want below(uint32_t k)
{
	struct kill_want w = { .is_link = is_link(k),
			       .size = size_of(k),
			       .mode = k % 3 ? 0644 : 0750,
			       .uid = k % 5,
			       .gid = k % 7,
			       .attr = k % 6 || is_link(k) ? 0 : k + 1,
			       .mtime = 1000000000 + (int64_t)k,
			       .names = 1u << KILL_LOW_F,
			       .bytes = expected };

	if (has_second(k))
		w.names |= 1u << KILL_LOW_G;
	return w;
}

static char *path_of(uint32_t k, enum kill_low_name name, char *path)
{
	snprintf(path, KILL_PATH, "low/%u/%c%u", k / PER_DIR, "fgrh"[name], k);
	return path;
}

static int fill_one(int dir, uint32_t k)
{
	struct kill_want w = below(k);
	struct timespec times[2] = { { .tv_sec = 1 }, { .tv_sec = w.mtime } };
	char path[KILL_PATH], second[KILL_PATH];
	int fd;

	path_of(k, KILL_LOW_F, path);
	if (w.is_link) {
		if (symlinkat("to/low", dir, path) ||
		    fchownat(dir, path, w.uid, w.gid, AT_SYMLINK_NOFOLLOW))
			return -1;
		return utimensat(dir, path, times, AT_SYMLINK_NOFOLLOW);
	}
	fd = openat(dir, path, O_CREAT | O_EXCL | O_WRONLY, 0600);
	if (fd < 0)
		return -1;
	kill_pattern(expected, w.size, 0, k);
	if (write(fd, expected, w.size) != (ssize_t)w.size ||
	    fchown(fd, w.uid, w.gid) || fchmod(fd, w.mode) ||
	    (w.attr && fsetxattr(fd, "user.low", &w.attr, sizeof(w.attr), 0)) ||
	    futimens(fd, times) || close(fd))
		return -1;
	return has_second(k) ? linkat(dir, path, dir,
				      path_of(k, KILL_LOW_G, second), 0)
			     : 0;
}

int kill_low_fill(int top, unsigned procs, unsigned lows)
{
	char path[64];
	int dir;

	for (unsigned n = 0; n < procs; n++) {
		snprintf(path, sizeof(path), "p%u", n);
		if (mkdirat(top, path, 0755))
			return -1;
		dir = openat(top, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (dir < 0 || mkdirat(dir, "low", 0755))
			return -1;
		for (uint32_t k = 0; k < lows; k++) {
			snprintf(path, sizeof(path), "low/%u", k / PER_DIR);
			if ((k % PER_DIR == 0 && mkdirat(dir, path, 0755)) ||
			    fill_one(dir, k))
				return -1;
		}
		close(dir);
	}
	return 0;
}

static void look_content(struct kill_proc *p, const struct kill_want *w,
			 const char *path)
{
	int fd = kill_low_open(p, path, O_RDONLY);
	uint32_t attr = 0;

	if (fd < 0)
		return;
	kill_compare(p, fd, w->bytes, w->size, 0, path);
	KILL_DO(p, w->attr ? 0 : ENODATA, path,
		fgetxattr(fd, "user.low", &attr, sizeof(attr)));
	if (attr != w->attr && !p->broken)
		KILL_WRONG(p, "%s: user.low is %u, expected %u", path, attr,
			   w->attr);
	kill_close(p, fd, path);
}

static void look_low(struct kill_proc *p, const struct kill_want *w,
		     const struct stat *st, const char *path)
{
	const struct kill_row rows[] = {
		{ "type", w->is_link ? S_IFLNK : S_IFREG,
		  st->st_mode & S_IFMT },
		{ "size", w->is_link ? 6 : w->size, (uint64_t)st->st_size },
		{ "mode", w->is_link ? 0777 : w->mode, st->st_mode & 07777 },
		{ "uid", w->uid, st->st_uid },
		{ "gid", w->gid, st->st_gid },
		{ "links", (uint64_t)__builtin_popcount(w->names),
		  st->st_nlink },
		{ "mtime", (uint64_t)w->mtime,
		  w->mtime ? (uint64_t)st->st_mtim.tv_sec : 0 },
	};

	kill_same(p, path, rows, sizeof(rows) / sizeof(rows[0]));
}

static void verify(struct kill_proc *p, uint32_t k, bool content)
{
	struct kill_low *low = &p->lows[k];
	struct kill_want w = below(k);
	char path[KILL_PATH];
	struct stat st = { 0 };

	kill_pattern(expected, w.size, 0, k);
	if (low->done) {
		const struct kill_low_change *c =
			&kill_low_changes[low->done - 1];

		c->want(&w, k);
		if (c->want_then)
			c->want_then(&w, k);
	}
	for (enum kill_low_name n = 0; n < KILL_LOW_NAMES && !p->broken; n++) {
		path_of(k, n, path);
		if (KILL_DO(p, w.names & (1u << n) ? 0 : ENOENT, path,
			    fstatat(p->top, path, &st, AT_SYMLINK_NOFOLLOW)) <
		    0)
			continue;
		look_low(p, &w, &st, path);
		kill_number(p, &low->ino, st.st_ino, path);
		if (content && !w.is_link && !p->broken)
			look_content(p, &w, path);
	}
}

static void op_low(struct kill_proc *p)
{
	uint64_t most = (uint64_t)atomic_load(&kill_state->progress) *
			kill_state->lows / 65536;
	unsigned kind = kill_random(p, kill_low_n_changes);
	struct kill_doing d = { .k = p->next_low };

	if (d.k >= most || d.k >= kill_state->lows)
		return;
	while (is_link(d.k) && !kill_low_changes[kind].on_links)
		kind = kill_random(p, kill_low_n_changes);
	p->next_low++;
	path_of(d.k, KILL_LOW_F, d.f);
	path_of(d.k, KILL_LOW_R, d.r);
	path_of(d.k, KILL_LOW_H, d.h);
	d.size = size_of(d.k);
	if (kill_chance(p, 2))
		verify(p, d.k, kill_chance(p, 2));
	if (!p->broken) {
		p->lows[d.k].done = (uint8_t)(kind + 1);
		kill_low_changes[kind].run(p, &d);
		if (kill_low_changes[kind].run_then && !p->broken)
			kill_low_changes[kind].run_then(p, &d);
	}
	if (!p->broken)
		verify(p, d.k, true);
	if (p->broken)
		p->lows[d.k].done = UNKNOWN;
}

/* One of those that were changed some time ago, or not yet. */
static void op_low_again(struct kill_proc *p)
{
	uint32_t k = kill_random(p, kill_state->lows);

	if (p->lows[k].done != UNKNOWN)
		verify(p, k, true);
	if (p->broken)
		p->lows[k].done = UNKNOWN;
}

void kill_low_check(struct kill_proc *p)
{
	for (uint32_t k = 0; k < kill_state->lows; k++) {
		p->broken = false;
		if (p->lows[k].done != UNKNOWN)
			verify(p, k, true);
	}
}

const struct kill_op kill_low_ops[] = {
	{ "low", 16, op_low },
	{ "low-again", 4, op_low_again },
	{ NULL, 0, NULL },
};
