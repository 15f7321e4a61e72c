/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What can be done to a lower file, and what it is then. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tests/stress/kill_low.h"

int kill_low_open(struct kill_proc *p, const char *path, int flags)
{
	return (int)KILL_DO(p, 0, path,
			    openat(p->top, path, flags | O_CLOEXEC, 0640));
}

static void do_write(struct kill_proc *p, struct kill_doing *d)
{
	unsigned char part[100];
	int other = kill_low_open(p, d->f, O_RDONLY);
	int fd = kill_low_open(p, d->f, O_RDWR);

	kill_pattern(part, sizeof(part), 0, d->k + 1);
	if (fd >= 0 && kill_put(p, fd, part, 100, d->size / 2, d->f)) {
		kill_compare(p, fd, part, 100, d->size / 2, d->f);
		/* who had it open before reads it too */
		if (other >= 0)
			kill_compare(p, other, part, 100, d->size / 2, d->f);
	}
	if (fd >= 0)
		kill_close(p, fd, d->f);
	if (other >= 0)
		kill_close(p, other, d->f);
}

static void want_write(struct kill_want *w, uint32_t k)
{
	uint32_t end = w->size / 2 + 100;

	kill_pattern(w->bytes + w->size / 2, 100, 0, k + 1);
	w->size = end > w->size ? end : w->size;
	w->mtime = 0;
}

static void do_append(struct kill_proc *p, struct kill_doing *d)
{
	unsigned char part[50];
	int fd = kill_low_open(p, d->f, O_WRONLY | O_APPEND);

	kill_pattern(part, sizeof(part), 0, d->k + 2);
	if (fd < 0)
		return;
	if (KILL_DO(p, 0, d->f, write(fd, part, 50)) != 50 && !p->broken)
		KILL_WRONG(p, "%s: wrote less", d->f);
	kill_close(p, fd, d->f);
}

static void want_append(struct kill_want *w, uint32_t k)
{
	kill_pattern(w->bytes + w->size, 50, 0, k + 2);
	w->size += 50;
	w->mtime = 0;
}

static void do_halve(struct kill_proc *p, struct kill_doing *d)
{
	int fd = kill_low_open(p, d->f, O_WRONLY);

	if (fd < 0)
		return;
	KILL_DO(p, 0, d->f, ftruncate(fd, d->size / 2));
	kill_close(p, fd, d->f);
}

/* By name: the working directory is the tree, a sibling of low. */
static void do_truncate(struct kill_proc *p, struct kill_doing *d)
{
	char path[KILL_PATH + 3];

	snprintf(path, sizeof(path), "../%s", d->f);
	KILL_DO(p, 0, path, truncate(path, d->size / 2));
}

static void want_halve(struct kill_want *w, uint32_t k)
{
	(void)k;
	w->size /= 2;
	w->mtime = 0;
}

static void do_empty(struct kill_proc *p, struct kill_doing *d)
{
	int fd = kill_low_open(p, d->f, O_WRONLY | O_TRUNC);

	if (fd >= 0)
		kill_close(p, fd, d->f);
}

static void want_empty(struct kill_want *w, uint32_t k)
{
	(void)k;
	w->size = 0;
	w->mtime = 0;
}

static void do_map(struct kill_proc *p, struct kill_doing *d)
{
	int fd = kill_low_open(p, d->f, O_RDWR);
	unsigned char *map;

	if (fd < 0)
		return;
	map = (void *)KILL_DO(p, 0, d->f,
			      mmap(NULL, KILL_PAGE, PROT_READ | PROT_WRITE,
				   MAP_SHARED, fd, 0));
	kill_close(p, fd, d->f);
	if (p->broken)
		return;
	if (d->size)
		map[0] = 'm';
	KILL_DO(p, 0, d->f, munmap(map, KILL_PAGE));
}

static void want_map(struct kill_want *w, uint32_t k)
{
	(void)k;
	if (w->size)
		w->bytes[0] = 'm';
	w->mtime = 0;
}

static void do_chmod(struct kill_proc *p, struct kill_doing *d)
{
	KILL_DO(p, 0, d->f, fchmodat(p->top, d->f, 0601, 0));
}

static void want_chmod(struct kill_want *w, uint32_t k)
{
	(void)k;
	w->mode = 0601;
}

static void do_fchmod(struct kill_proc *p, struct kill_doing *d)
{
	int fd = kill_low_open(p, d->f, O_RDONLY);

	if (fd < 0)
		return;
	KILL_DO(p, 0, d->f, fchmod(fd, 0601));
	kill_close(p, fd, d->f);
}

static void do_chown(struct kill_proc *p, struct kill_doing *d)
{
	KILL_DO(p, 0, d->f,
		fchownat(p->top, d->f, 12, 34, AT_SYMLINK_NOFOLLOW));
}

static void want_chown(struct kill_want *w, uint32_t k)
{
	(void)k;
	w->uid = 12;
	w->gid = 34;
}

static void do_utimes(struct kill_proc *p, struct kill_doing *d)
{
	struct timespec times[2] = { { .tv_sec = 5 }, { .tv_sec = 7 } };

	KILL_DO(p, 0, d->f,
		utimensat(p->top, d->f, times, AT_SYMLINK_NOFOLLOW));
}

static void want_utimes(struct kill_want *w, uint32_t k)
{
	(void)k;
	w->mtime = 7;
}

static void do_setxattr(struct kill_proc *p, struct kill_doing *d)
{
	uint32_t value = 4711;
	int fd = kill_low_open(p, d->f, O_RDONLY);

	if (fd < 0)
		return;
	KILL_DO(p, 0, d->f,
		fsetxattr(fd, "user.low", &value, sizeof(value), 0));
	kill_close(p, fd, d->f);
}

static void want_setxattr(struct kill_want *w, uint32_t k)
{
	(void)k;
	w->attr = 4711;
}

static void do_rename(struct kill_proc *p, struct kill_doing *d)
{
	KILL_DO(p, 0, d->f, renameat(p->top, d->f, p->top, d->r));
}

static void want_rename(struct kill_want *w, uint32_t k)
{
	(void)k;
	w->names = (w->names & ~(1u << KILL_LOW_F)) | 1u << KILL_LOW_R;
}

static void do_link(struct kill_proc *p, struct kill_doing *d)
{
	KILL_DO(p, 0, d->f, linkat(p->top, d->f, p->top, d->h, 0));
	KILL_DO(p, EEXIST, d->f, linkat(p->top, d->f, p->top, d->h, 0));
}

static void want_link(struct kill_want *w, uint32_t k)
{
	(void)k;
	w->names |= 1u << KILL_LOW_H;
}

static void do_unlink(struct kill_proc *p, struct kill_doing *d)
{
	KILL_DO(p, 0, d->f, unlinkat(p->top, d->f, 0));
	KILL_DO(p, ENOENT, d->f, unlinkat(p->top, d->f, 0));
}

static void want_unlink(struct kill_want *w, uint32_t k)
{
	(void)k;
	w->names &= ~(1u << KILL_LOW_F);
}

/* Opened to be written, and not written: nothing shows. */
static void do_open(struct kill_proc *p, struct kill_doing *d)
{
	int fd = kill_low_open(p, d->f, O_RDWR);

	if (fd >= 0)
		kill_close(p, fd, d->f);
}

static void want_open(struct kill_want *w, uint32_t k)
{
	(void)w;
	(void)k;
}

static void do_write_renamed(struct kill_proc *p, struct kill_doing *d)
{
	memcpy(d->f, d->r, sizeof(d->f));
	do_write(p, d);
}

static void do_append_linked(struct kill_proc *p, struct kill_doing *d)
{
	memcpy(d->f, d->h, sizeof(d->f));
	do_append(p, d);
}

/* What a line does not name is nothing. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

const struct kill_low_change kill_low_changes[] = {
	{ false, do_write, want_write },
	{ false, do_append, want_append },
	{ false, do_halve, want_halve },
	{ false, do_truncate, want_halve },
	{ false, do_empty, want_empty },
	{ false, do_map, want_map },
	{ false, do_chmod, want_chmod },
	{ false, do_fchmod, want_chmod },
	{ true, do_chown, want_chown },
	{ true, do_utimes, want_utimes },
	{ false, do_setxattr, want_setxattr },
	{ true, do_rename, want_rename },
	{ true, do_link, want_link },
	{ true, do_unlink, want_unlink },
	{ false, do_open, want_open },
	{ false, do_chmod, want_chmod, do_open, want_open },
	{ false, do_chmod, want_chmod, do_write, want_write },
	{ false, do_chmod, want_chmod, do_map, want_map },
	{ false, do_chown, want_chown, do_empty, want_empty },
	{ false, do_chown, want_chown, do_truncate, want_halve },
	{ false, do_utimes, want_utimes, do_open, want_open },
	{ false, do_setxattr, want_setxattr, do_append, want_append },
	{ false, do_rename, want_rename, do_write_renamed, want_write },
	{ false, do_link, want_link, do_append_linked, want_append },
};

const unsigned kill_low_n_changes =
	sizeof(kill_low_changes) / sizeof(kill_low_changes[0]);
