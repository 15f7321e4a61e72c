/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A directory whose content is known: names from a lower and from upper that
 * stay, names of the lower that are gone, and names that come and go. A
 * listing has each name once; one that takes long has those that stay once,
 * and the others at most once.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/stress/kill.h"

#define GONE 60 /* names of the lower that the load removes first */
#define ENTRIES (KILL_STABLE + KILL_CHURN + 2)

int kill_dir_fill(int top, unsigned procs)
{
	char path[64];
	int fd;

	for (unsigned k = 0; k < procs; k++) {
		snprintf(path, sizeof(path), "p%u/many", k);
		if (mkdirat(top, path, 0755))
			return -1;
		for (unsigned n = 0; n < KILL_STABLE; n += 2) {
			snprintf(path, sizeof(path), "p%u/many/s%u", k, n);
			fd = openat(top, path, O_CREAT | O_WRONLY, 0644);
			if (fd < 0 || ftruncate(fd, n) || close(fd))
				return -1;
		}
		for (unsigned n = 0; n < GONE; n++) {
			snprintf(path, sizeof(path), "p%u/many/x%u", k, n);
			if (mknodat(top, path, S_IFREG | 0644, 0))
				return -1;
		}
	}
	return 0;
}

/* The half that upper has, and the whiteouts. */
void kill_dir_begin(struct kill_proc *p)
{
	char path[32];
	int fd;

	for (unsigned n = 1; n < KILL_STABLE; n += 2) {
		snprintf(path, sizeof(path), "many/s%u", n);
		fd = (int)KILL_DO(p, 0, path,
				  openat(p->top, path,
					 O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
		if (fd < 0)
			continue;
		KILL_DO(p, 0, path, ftruncate(fd, n));
		kill_close(p, fd, path);
	}
	for (unsigned n = 0; n < GONE; n++) {
		snprintf(path, sizeof(path), "many/x%u", n);
		KILL_DO(p, 0, path, unlinkat(p->top, path, 0));
	}
}

static bool see(uint32_t *seen, unsigned n)
{
	uint32_t bit = 1u << (n % 32);
	bool was = seen[n / 32] & bit;

	seen[n / 32] |= bit;
	return !was;
}

static void see_name(struct kill_proc *p, struct kill_stream *s,
		     const char *name)
{
	unsigned n = (unsigned)strtoul(name + 1, NULL, 10);

	if (name[0] == '.')
		return;
	if (name[0] == 's' && n < KILL_STABLE && see(s->seen, n))
		return;
	if (name[0] == 'c' && n < KILL_CHURN && see(s->seen_churn, n))
		return;
	KILL_WRONG(p, "many: lists %s, which is %s", name,
		   name[0] == 'x' ? "gone" : "there already");
}

/* One getdents64 of at most `size` bytes: > 0 there was something. */
static long see_some(struct kill_proc *p, struct kill_stream *s, size_t size)
{
	_Alignas(8) char buf[8192];
	const struct dirent64 *d;
	long n = KILL_DO(p, 0, "many",
			 syscall(SYS_getdents64, s->fd, buf, size));

	for (long at = 0; at < n; at += d->d_reclen) {
		d = (const void *)(buf + at);
		see_name(p, s, d->d_name);
	}
	return n;
}

static void see_stable(struct kill_proc *p, const struct kill_stream *s)
{
	for (unsigned n = 0; n < KILL_STABLE; n++)
		if (!(s->seen[n / 32] & (1u << (n % 32)))) {
			KILL_WRONG(p, "many: s%u is not listed", n);
			return;
		}
}

static int open_many(struct kill_proc *p)
{
	return (int)KILL_DO(p, 0, "many",
			    openat(p->top, "many",
				   O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

static void op_list(struct kill_proc *p)
{
	struct kill_stream s = { .fd = open_many(p) };
	long n = 1;

	if (s.fd < 0)
		return;
	while (n > 0 && !p->broken)
		n = see_some(p, &s, 300 + kill_random(p, 7800));
	if (!p->broken)
		see_stable(p, &s);
	for (unsigned k = 0; k < KILL_CHURN && !p->broken; k++)
		if (see(s.seen_churn, k) == p->churn[k])
			KILL_WRONG(p, "many: c%u is %slisted", k,
				   p->churn[k] ? "not " : "");
	kill_close(p, s.fd, "many");
}

/* A listing that goes on while the directory changes and workers die. */
static void op_stream(struct kill_proc *p)
{
	struct kill_stream *s = &p->stream;
	long n;

	if (!s->fd) {
		*s = (struct kill_stream){ .fd = open_many(p) };
		if (s->fd < 0)
			s->fd = 0;
		return;
	}
	n = see_some(p, s, 300 + kill_random(p, 1200));
	if (n || p->broken)
		return;
	see_stable(p, s);
	if (kill_chance(p, 2) && !p->broken) {
		KILL_DO(p, 0, "many", lseek(s->fd, 0, SEEK_SET));
		memset(s->seen, 0, sizeof(s->seen));
		memset(s->seen_churn, 0, sizeof(s->seen_churn));
		return;
	}
	kill_close(p, s->fd, "many");
	s->fd = 0;
}

void kill_dir_end(struct kill_proc *p)
{
	if (p->stream.fd)
		kill_close(p, p->stream.fd, "many");
	p->stream.fd = 0;
}

struct entry {
	long at;
	uint64_t ino;
	unsigned char type;
	char name[8];
};

static DIR *open_stream(struct kill_proc *p)
{
	int fd = open_many(p);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (fd >= 0 && !d)
		kill_close(p, fd, "many");
	return d;
}

/* Readdir that says an error in the way KILL_DO wants it. */
static long next_entry(DIR *d, struct dirent **entry)
{
	errno = 0;
	*entry = readdir(d);
	return !*entry && errno ? -1 : 0;
}

static unsigned read_all(struct kill_proc *p, DIR *d, struct entry *e)
{
	struct dirent *entry = NULL;
	unsigned n = 0;

	for (;;) {
		e[n].at = telldir(d);
		if (KILL_DO(p, 0, "many", next_entry(d, &entry)) < 0 || !entry)
			return n;
		if (n + 1 >= ENTRIES + 1) {
			KILL_WRONG(p, "many: there is no end");
			return n;
		}
		e[n].ino = entry->d_ino;
		e[n].type = entry->d_type;
		snprintf(e[n].name, sizeof(e[n].name), "%.7s", entry->d_name);
		n++;
	}
}

/*
 * The kernel keeps one copy of a listing for all readers and looks only at
 * its beginning whether the directory changed since; what it was filled with
 * by a reader that never came to the end may be older than this stream.
 */
static void at_the_beginning(struct kill_proc *p, DIR *d)
{
	struct dirent *entry;

	rewinddir(d);
	KILL_DO(p, 0, "many", next_entry(d, &entry));
}

/* Each position leads to the name that was read there. */
static void op_seek(struct kill_proc *p)
{
	struct entry e[ENTRIES + 1];
	DIR *d = open_stream(p);
	struct dirent *entry = NULL;
	unsigned n, k;

	if (!d)
		return;
	n = read_all(p, d, e);
	for (unsigned tries = 0; tries < 12 && n && !p->broken; tries++) {
		k = kill_random(p, n);
		at_the_beginning(p, d);
		seekdir(d, e[k].at);
		if (KILL_DO(p, 0, "many", next_entry(d, &entry)) < 0)
			break;
		if (!entry || strcmp(entry->d_name, e[k].name) != 0)
			KILL_WRONG(p, "many: %s where %s was read",
				   entry ? entry->d_name : "the end",
				   e[k].name);
	}
	KILL_DO(p, 0, "many", closedir(d));
}

/* As ls -l does: the kernel asks for names and attributes at once. */
static void op_plus(struct kill_proc *p)
{
	struct entry e[ENTRIES + 1];
	DIR *d = open_stream(p);
	char path[32];
	struct stat st = { 0 };
	unsigned n;

	if (!d)
		return;
	n = read_all(p, d, e);
	KILL_DO(p, 0, "many", closedir(d));
	for (unsigned k = kill_random(p, 5); k < n && !p->broken;
	     k += 1 + kill_random(p, 9)) {
		if (e[k].name[0] != 's')
			continue;
		snprintf(path, sizeof(path), "many/%s", e[k].name);
		if (KILL_DO(p, 0, path,
			    fstatat(p->top, path, &st, AT_SYMLINK_NOFOLLOW)) <
		    0)
			return;
		if (st.st_ino != e[k].ino || e[k].type != DT_REG)
			KILL_WRONG(p, "%s: number %llu, listed as %llu", path,
				   (unsigned long long)st.st_ino,
				   (unsigned long long)e[k].ino);
		if (st.st_size != (off_t)strtoul(e[k].name + 1, NULL, 10))
			KILL_WRONG(p, "%s: size is %lld", path,
				   (long long)st.st_size);
	}
}

static void op_churn(struct kill_proc *p)
{
	unsigned k = kill_random(p, KILL_CHURN),
		 to = kill_random(p, KILL_CHURN);
	char path[32], other[32];
	int want;

	snprintf(path, sizeof(path), "many/c%u", k);
	snprintf(other, sizeof(other), "many/c%u", to);
	if (kill_chance(p, 4)) {
		want = !p->churn[k] ? ENOENT : p->churn[to] ? EEXIST : 0;
		if (KILL_DO(p, want, path,
			    renameat2(p->top, path, p->top, other,
				      RENAME_NOREPLACE)) < 0)
			return;
		p->churn[k] = false;
		p->churn[to] = true;
	} else if (p->churn[k]) {
		if (KILL_DO(p, 0, path, unlinkat(p->top, path, 0)) >= 0)
			p->churn[k] = false;
	} else if (KILL_DO(p, 0, path,
			   mknodat(p->top, path, S_IFREG | 0600, 0)) >= 0) {
		p->churn[k] = true;
	}
}

void kill_dir_again(struct kill_proc *p)
{
	char path[32];

	for (unsigned k = 0; k < KILL_CHURN; k++) {
		snprintf(path, sizeof(path), "many/c%u", k);
		p->churn[k] = !faccessat(p->top, path, F_OK, 0);
	}
}

void kill_dir_check(struct kill_proc *p)
{
	op_list(p);
	op_plus(p);
}

const struct kill_op kill_dir_ops[] = {
	{ "list", 2, op_list },	  { "stream", 6, op_stream },
	{ "seek", 1, op_seek },	  { "plus", 1, op_plus },
	{ "churn", 8, op_churn }, { NULL, 0, NULL },
};
