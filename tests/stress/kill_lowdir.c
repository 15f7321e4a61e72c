/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lower directories with something in them, each of which is changed once:
 * renamed, removed, made again empty where it was full.
 *
 * Number j is dirs/dJ with the files a, b and c and the empty directory s; the
 * other names that begin with e and i and end with J are what changes make.
 * Making and removing something in one is its first change, too: each such
 * operation has a directory to copy up.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tests/stress/kill.h"

#define UNKNOWN UINT8_MAX

static const char *const files[] = { "a", "b", "c" };

struct dir {
	unsigned j;
	char d[32], e[32], i[32], in[40], s[40], new[40];
};

static struct dir dir_of(unsigned j)
{
	struct dir d = { .j = j };

	snprintf(d.d, sizeof(d.d), "dirs/d%u", j);
	snprintf(d.e, sizeof(d.e), "dirs/e%u", j);
	snprintf(d.i, sizeof(d.i), "dirs/i%u", j);
	snprintf(d.in, sizeof(d.in), "dirs/i%u/in", j);
	snprintf(d.s, sizeof(d.s), "dirs/d%u/s", j);
	snprintf(d.new, sizeof(d.new), "dirs/d%u/new", j);
	return d;
}

static int content_of(const char *dir, const char *file, unsigned j, char *path,
		      char *text)
{
	snprintf(path, KILL_PATH, "%s/%s", dir, file);
	return snprintf(text, 32, "%s of %u", file, j);
}

static unsigned dirs_of(unsigned lows)
{
	return lows / 4 < KILL_LOW_DIRS ? lows / 4 : KILL_LOW_DIRS;
}

int kill_lowdir_fill(int top, unsigned procs, unsigned lows)
{
	unsigned dirs = dirs_of(lows);
	char path[KILL_PATH], full[KILL_PATH + 16], text[32];
	int fd;

	for (unsigned n = 0; n < procs * dirs; n++) {
		struct dir d = dir_of(n % dirs);

		snprintf(full, sizeof(full), "p%u/dirs", n / dirs);
		if (d.j == 0 && mkdirat(top, full, 0755))
			return -1;
		snprintf(full, sizeof(full), "p%u/linked", n / dirs);
		if (d.j == 0 && mknodat(top, full, S_IFREG | 0600, 0))
			return -1;
		snprintf(full, sizeof(full), "p%u/%s", n / dirs, d.d);
		if (mkdirat(top, full, 0755))
			return -1;
		snprintf(full, sizeof(full), "p%u/%s", n / dirs, d.s);
		if (mkdirat(top, full, 0755))
			return -1;
		for (unsigned f = 0; f < 3; f++) {
			int len = content_of(d.d, files[f], d.j, path, text);

			snprintf(full, sizeof(full), "p%u/%s", n / dirs, path);
			fd = openat(top, full, O_CREAT | O_EXCL | O_WRONLY,
				    0644);
			if (fd < 0 || write(fd, text, len) != len || close(fd))
				return -1;
		}
	}
	return 0;
}

/* ---- what can be done ------------------------------------------------------ */

static void do_rename(struct kill_proc *p, const struct dir *d)
{
	KILL_DO(p, 0, d->d, renameat(p->top, d->d, p->top, d->e));
}

static void do_remove(struct kill_proc *p, const struct dir *d)
{
	char path[KILL_PATH], text[32];

	KILL_DO(p, ENOTEMPTY, d->d, unlinkat(p->top, d->d, AT_REMOVEDIR));
	for (unsigned f = 0; f < 3; f++) {
		content_of(d->d, files[f], d->j, path, text);
		KILL_DO(p, 0, path, unlinkat(p->top, path, 0));
	}
	KILL_DO(p, 0, d->s, unlinkat(p->top, d->s, AT_REMOVEDIR));
	KILL_DO(p, 0, d->d, unlinkat(p->top, d->d, AT_REMOVEDIR));
}

static void do_remake(struct kill_proc *p, const struct dir *d)
{
	do_remove(p, d);
	KILL_DO(p, 0, d->d, mkdirat(p->top, d->d, 0755));
}

static void do_exchange(struct kill_proc *p, const struct dir *d)
{
	KILL_DO(p, 0, d->e, mkdirat(p->top, d->e, 0755));
	KILL_DO(p, 0, d->d,
		renameat2(p->top, d->d, p->top, d->e, RENAME_EXCHANGE));
}

static void do_into(struct kill_proc *p, const struct dir *d)
{
	KILL_DO(p, 0, d->i, mkdirat(p->top, d->i, 0755));
	KILL_DO(p, 0, d->d, renameat(p->top, d->d, p->top, d->in));
}

static void do_chmod(struct kill_proc *p, const struct dir *d)
{
	KILL_DO(p, 0, d->d, fchmodat(p->top, d->d, 0711, 0));
}

/* A directory that is full cannot be renamed over, one that is empty can. */
static void do_over(struct kill_proc *p, const struct dir *d)
{
	KILL_DO(p, 0, d->e, mkdirat(p->top, d->e, 0755));
	KILL_DO(p, ENOTEMPTY, d->e, renameat(p->top, d->e, p->top, d->d));
	KILL_DO(p, 0, d->d, renameat(p->top, d->d, p->top, d->e));
}

static void do_create(struct kill_proc *p, const struct dir *d)
{
	int fd = (int)KILL_DO(p, 0, d->new,
			      openat(p->top, d->new,
				     O_CREAT | O_WRONLY | O_CLOEXEC, 0600));

	if (fd >= 0)
		kill_close(p, fd, d->new);
}

static void do_mkdir(struct kill_proc *p, const struct dir *d)
{
	KILL_DO(p, 0, d->new, mkdirat(p->top, d->new, 0700));
}

static void do_mknod(struct kill_proc *p, const struct dir *d)
{
	KILL_DO(p, 0, d->new, mknodat(p->top, d->new, S_IFIFO | 0600, 0));
}

static void do_symlink(struct kill_proc *p, const struct dir *d)
{
	KILL_DO(p, 0, d->new, symlinkat("to", p->top, d->new));
}

static void do_link(struct kill_proc *p, const struct dir *d)
{
	KILL_DO(p, 0, d->new, linkat(p->top, "linked", p->top, d->new, 0));
}

static void do_move_here(struct kill_proc *p, const struct dir *d)
{
	KILL_DO(p, 0, d->e, mknodat(p->top, d->e, S_IFREG | 0600, 0));
	KILL_DO(p, 0, d->e, renameat(p->top, d->e, p->top, d->new));
}

static void do_tmpfile(struct kill_proc *p, const struct dir *d)
{
	int fd = (int)KILL_DO(p, 0, d->d,
			      openat(p->top, d->d,
				     O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
	char path[32];

	if (fd < 0)
		return;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	KILL_DO(p, 0, d->new,
		linkat(AT_FDCWD, path, p->top, d->new, AT_SYMLINK_FOLLOW));
	kill_close(p, fd, d->new);
}

static void do_rmdir(struct kill_proc *p, const struct dir *d)
{
	KILL_DO(p, 0, d->s, unlinkat(p->top, d->s, AT_REMOVEDIR));
}

static void do_setxattr(struct kill_proc *p, const struct dir *d)
{
	char path[40];

	snprintf(path, sizeof(path), "../%s", d->d);
	KILL_DO(p, 0, d->d, lsetxattr(path, "user.dir", "x", 1, 0));
}

enum place { AT_NONE, AT_D, AT_E, AT_IN };

static const struct {
	void (*run)(struct kill_proc *p, const struct dir *d);
	enum place full, empty;
	mode_t mode;
	int more; /* names in the full one */
} changes[] = {
	{ NULL, AT_D, AT_NONE, 0755, 0 },
	{ do_rename, AT_E, AT_NONE, 0755, 0 },
	{ do_remove, AT_NONE, AT_NONE, 0755, 0 },
	{ do_remake, AT_NONE, AT_D, 0755, 0 },
	{ do_exchange, AT_E, AT_D, 0755, 0 },
	{ do_into, AT_IN, AT_NONE, 0755, 0 },
	{ do_chmod, AT_D, AT_NONE, 0711, 0 },
	{ do_over, AT_E, AT_NONE, 0755, 0 },
	{ do_create, AT_D, AT_NONE, 0755, 1 },
	{ do_mkdir, AT_D, AT_NONE, 0755, 1 },
	{ do_mknod, AT_D, AT_NONE, 0755, 1 },
	{ do_symlink, AT_D, AT_NONE, 0755, 1 },
	{ do_link, AT_D, AT_NONE, 0755, 1 },
	{ do_move_here, AT_D, AT_NONE, 0755, 1 },
	{ do_tmpfile, AT_D, AT_NONE, 0755, 1 },
	{ do_rmdir, AT_D, AT_NONE, 0755, -1 },
	{ do_setxattr, AT_D, AT_NONE, 0755, 0 },
};

#define N_CHANGES (sizeof(changes) / sizeof(changes[0]))

/* ---- is it so? -------------------------------------------------------------- */

/* How many names are there, but for "." and "..". */
static unsigned count_names(struct kill_proc *p, const char *path)
{
	_Alignas(8) char buf[4096];
	const struct dirent64 *e;
	unsigned count = 0;
	long n;
	int fd = (int)KILL_DO(p, 0, path,
			      openat(p->top, path,
				     O_RDONLY | O_DIRECTORY | O_CLOEXEC));

	if (fd < 0)
		return 0;
	while ((n = KILL_DO(p, 0, path,
			    syscall(SYS_getdents64, fd, buf, sizeof(buf)))) > 0)
		for (long at = 0; at < n; at += e->d_reclen) {
			e = (const void *)(buf + at);
			count += e->d_name[0] != '.';
		}
	kill_close(p, fd, path);
	return count;
}

static void look_full(struct kill_proc *p, const char *dir, unsigned j)
{
	char path[KILL_PATH], text[32];
	int fd, len;

	for (unsigned f = 0; f < 3 && !p->broken; f++) {
		len = content_of(dir, files[f], j, path, text);
		fd = (int)KILL_DO(p, 0, path,
				  openat(p->top, path, O_RDONLY | O_CLOEXEC));
		if (fd < 0)
			return;
		kill_compare(p, fd, (unsigned char *)text, (size_t)len, 0,
			     path);
		kill_close(p, fd, path);
	}
}

static void verify(struct kill_proc *p, unsigned j)
{
	unsigned done = p->low_dirs[j].done, names;
	struct dir d = dir_of(j);
	const char *const paths[] = {
		[AT_D] = d.d, [AT_E] = d.e, [AT_IN] = d.in
	};
	struct stat st = { 0 };

	for (unsigned at = AT_D; at <= AT_IN && !p->broken; at++) {
		bool full = changes[done].full == at;

		if (!full && changes[done].empty != at) {
			KILL_DO(p, ENOENT, paths[at],
				fstatat(p->top, paths[at], &st, 0));
			continue;
		}
		if (KILL_DO(p, 0, paths[at],
			    fstatat(p->top, paths[at], &st, 0)) < 0)
			return;
		if (full)
			kill_number(p, &p->low_dirs[j].ino, st.st_ino,
				    paths[at]);
		if ((st.st_mode & 07777) != changes[done].mode)
			KILL_WRONG(p, "%s: mode %o", paths[at], st.st_mode);
		names = count_names(p, paths[at]);
		if (!p->broken &&
		    names != (full ? (unsigned)(4 + changes[done].more) : 0u))
			KILL_WRONG(p, "%s: has %u names", paths[at], names);
		if (full && !p->broken)
			look_full(p, paths[at], j);
	}
}

static void op_lowdir(struct kill_proc *p)
{
	unsigned kind = 1 + kill_random(p, N_CHANGES - 1), j = p->next_low_dir;
	struct dir d = dir_of(j);

	if ((uint64_t)j * 65536 >=
	    (uint64_t)atomic_load(&kill_state->progress) *
		    dirs_of(kill_state->lows))
		return;
	p->next_low_dir++;
	if (kill_chance(p, 2))
		verify(p, j);
	if (!p->broken) {
		p->low_dirs[j].done = (uint8_t)kind;
		changes[kind].run(p, &d);
	}
	if (!p->broken)
		verify(p, j);
	if (p->broken)
		p->low_dirs[j].done = UNKNOWN;
}

void kill_lowdir_check(struct kill_proc *p)
{
	for (unsigned j = 0; j < dirs_of(kill_state->lows); j++) {
		p->broken = false;
		if (p->low_dirs[j].done != UNKNOWN)
			verify(p, j);
	}
}

const struct kill_op kill_lowdir_ops[] = {
	{ "lowdir", 8, op_lowdir },
	{ NULL, 0, NULL },
};
