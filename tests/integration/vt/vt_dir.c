/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vt - directories: raw entries, positions that survive a reopen, and changes
 * under a reader.
 *
 * struct listing is a growing array of entries in the order the kernel gave
 * them; position is d_off, that is where the NEXT entry starts.
 */
#include "vt.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MAX_ENTRIES 2000000

struct entry {
	char *name;
	unsigned long long ino;
	long long next;
	unsigned char type;
};

struct listing {
	struct entry *entry;
	size_t n;
	size_t room;
};

static void listing_free(struct listing *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->entry[i].name);
	free(l->entry);
	*l = (struct listing){ 0 };
}

static void listing_add(struct listing *l, const struct dirent64 *d)
{
	if (l->n == l->room) {
		l->room = l->room ? 2 * l->room : 64;
		l->entry = realloc(l->entry, l->room * sizeof(*l->entry));
		if (!l->entry)
			abort();
	}
	l->entry[l->n++] = (struct entry){ .name = strdup(d->d_name),
					   .ino = d->d_ino,
					   .next = d->d_off,
					   .type = d->d_type };
}

/* One getdents64 of at most `size` bytes; entries read, 0 at the end, -1. */
static int listing_more(struct listing *l, int fd, size_t size)
{
	char buf[65536] __attribute__((aligned(8)));
	int count = 0;
	long n = syscall(SYS_getdents64, fd, buf,
			 size < sizeof(buf) ? size : sizeof(buf));

	for (long at = 0; at < n; count++) {
		const struct dirent64 *d = (void *)(buf + at);

		listing_add(l, d);
		at += d->d_reclen;
	}
	return n < 0 ? -1 : count;
}

/* From where fd stands to the end; 0, or -1 with errno (ELOOP: no end). */
static int listing_rest(struct listing *l, int fd, size_t size)
{
	int n;

	while ((n = listing_more(l, fd, size)) > 0) {
		if (l->n > MAX_ENTRIES) {
			errno = ELOOP;
			return -1;
		}
	}
	return n;
}

static int open_dir(const char *path)
{
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int by_name(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	return strcmp(x->name, y->name);
}

/* "TYPE NAME" per entry, unsorted, with "." and "..". */
static int run_readdir(int argc, char **argv)
{
	struct listing l = { 0 };
	int fd = open_dir(argv[1]);

	if (fd < 0)
		return vt_errno("open");
	if (listing_rest(&l, fd, argc > 2 ? (size_t)vt_number(argv[2]) : 65536))
		return vt_errno("getdents");
	for (size_t i = 0; i < l.n; i++)
		printf("%u %s\n", l.entry[i].type, l.entry[i].name);
	listing_free(&l);
	return 0;
}

/* Every entry once, d_ino = st_ino, d_type = the mode's type; prints count. */
static int run_check_dir(int argc, char **argv)
{
	struct listing l = { 0 };
	int fd = open_dir(argv[1]);
	int dots = 0, bad = 0;
	struct stat st;

	(void)argc;
	if (fd < 0)
		return vt_errno("open");
	if (listing_rest(&l, fd, 32768) != 0)
		return vt_errno("getdents");
	for (size_t i = 0; i < l.n; i++) {
		struct entry *e = &l.entry[i];

		if (strcmp(e->name, ".") == 0 || strcmp(e->name, "..") == 0)
			dots++;
		if (fstatat(fd, e->name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
			bad = vt_fail("%s: listed, but %s", e->name,
				      strerrorname_np(errno));
			continue;
		}
		if (strcmp(e->name, "..") != 0 && e->ino != st.st_ino)
			bad = vt_fail("%s: d_ino %llu, st_ino %llu", e->name,
				      e->ino, (unsigned long long)st.st_ino);
		if (e->type != DT_UNKNOWN && e->type != IFTODT(st.st_mode))
			bad = vt_fail("%s: d_type %u, mode %o", e->name,
				      e->type, st.st_mode);
	}
	if (dots != 2)
		bad = vt_fail("%d entries for . and ..", dots);
	qsort(l.entry, l.n, sizeof(*l.entry), by_name);
	for (size_t i = 1; i < l.n; i++)
		if (strcmp(l.entry[i - 1].name, l.entry[i].name) == 0)
			bad = vt_fail("%s: listed twice", l.entry[i].name);
	printf("%zu\n", l.n - 2);
	listing_free(&l);
	return bad;
}

/* Does the rest after each sampled position equal the first full listing? */
static int check_position(const char *path, const struct listing *all, size_t i)
{
	struct listing rest = { 0 };
	int fd = open_dir(path);
	int bad = 0;

	if (fd < 0)
		return vt_errno("reopen");
	if (lseek(fd, all->entry[i].next, SEEK_SET) < 0)
		bad = vt_errno("lseek");
	else if (listing_rest(&rest, fd, 4096) != 0)
		bad = vt_errno("getdents");
	else if (rest.n != all->n - i - 1)
		bad = vt_fail("after entry %zu of %zu: %zu entries", i, all->n,
			      rest.n);
	for (size_t j = 0; !bad && j < rest.n; j++)
		if (strcmp(rest.entry[j].name, all->entry[i + 1 + j].name) != 0)
			bad = vt_fail("after entry %zu: %s instead of %s", i,
				      rest.entry[j].name,
				      all->entry[i + 1 + j].name);
	listing_free(&rest);
	close(fd);
	return bad;
}

/* seekdir to positions told by an earlier, closed descriptor. */
static int run_seek(int argc, char **argv)
{
	struct listing all = { 0 };
	int fd = open_dir(argv[1]);
	size_t stride;
	int bad = 0;

	(void)argc;
	if (fd < 0)
		return vt_errno("open");
	if (listing_rest(&all, fd, 512) != 0)
		return vt_errno("getdents");
	close(fd);
	stride = all.n / (size_t)vt_number(argv[2]) + 1;
	for (size_t i = 0; !bad && i < all.n; i += stride)
		bad = check_position(argv[1], &all, i);
	listing_free(&all);
	return bad;
}

static int touch_at(int dir, const char *name)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	if (fd < 0)
		return -1;
	return close(fd);
}

/* How often each of the names keepN, N < keep, is in the listing: once? */
static int check_keepers(const struct listing *l, long long keep)
{
	char *seen = calloc((size_t)keep, 1);
	int bad = 0;

	for (size_t i = 0; i < l->n; i++) {
		long long n;

		if (sscanf(l->entry[i].name, "keep%lld", &n) == 1 && n < keep &&
		    seen[n]++)
			bad = vt_fail("keep%lld: twice", n);
	}
	for (long long n = 0; n < keep; n++)
		if (!seen[n])
			bad = vt_fail("keep%lld: never", n);
	free(seen);
	return bad;
}

/*
 * A directory with keep0..keepN-1 and goneN: while it is read in small bites,
 * every gone is removed and new names appear; each keep comes exactly once,
 * also over a reopen in the middle when `reopen` is given.
 */
static int run_change(int argc, char **argv)
{
	long long keep = vt_number(argv[2]), gone = vt_number(argv[3]);
	struct listing l = { 0 };
	int fd = open_dir(argv[1]);
	int dir = open_dir(argv[1]);
	long long i = 0;
	char name[64];
	int n, bad;

	if (fd < 0 || dir < 0)
		return vt_errno("open");
	while ((n = listing_more(&l, fd, 256)) > 0) {
		for (int k = 0; k < 3 && i < gone; k++, i++) {
			snprintf(name, sizeof(name), "gone%lld", i);
			if (unlinkat(dir, name, 0) != 0)
				return vt_errno("unlink");
			snprintf(name, sizeof(name), "new%lld", i);
			if (touch_at(dir, name) != 0)
				return vt_errno("create");
		}
		if (argc > 4) {
			close(fd);
			fd = open_dir(argv[1]);
			if (lseek(fd, l.entry[l.n - 1].next, SEEK_SET) < 0)
				return vt_errno("lseek");
		}
		if (l.n > MAX_ENTRIES)
			return vt_fail("no end");
	}
	if (n < 0)
		return vt_errno("getdents");
	bad = check_keepers(&l, keep);
	listing_free(&l);
	return bad;
}

/* Remove while reading, as rm does; then nothing may be left. */
static int run_empty(int argc, char **argv)
{
	struct listing l = { 0 };
	int fd = open_dir(argv[1]);
	size_t done = 0, left = 0;
	int n;

	(void)argc;
	if (fd < 0)
		return vt_errno("open");
	while ((n = listing_more(&l, fd, 1024)) > 0) {
		for (; done < l.n; done++) {
			const char *name = l.entry[done].name;

			if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
				continue;
			if (unlinkat(fd, name, 0) != 0)
				return vt_errno(name);
		}
	}
	if (n < 0)
		return vt_errno("getdents");
	listing_free(&l);
	if (lseek(fd, 0, SEEK_SET) != 0 || listing_rest(&l, fd, 4096) != 0)
		return vt_errno("rewind");
	left = l.n - 2;
	listing_free(&l);
	return left == 0 ? 0 : vt_fail("%zu entries were left out", left);
}

/* rewinddir shows what came and went since. */
static int run_rewind(int argc, char **argv)
{
	int dir = open_dir(argv[1]);
	DIR *d = opendir(argv[1]);
	int seen_new = 0, seen_old = 0;
	struct dirent *e;

	(void)argc;
	if (!d || dir < 0)
		return vt_errno("open");
	do
		e = readdir(d);
	while (e);
	if (touch_at(dir, "rewound") != 0 || unlinkat(dir, argv[2], 0) != 0)
		return vt_errno("change");
	rewinddir(d);
	while ((e = readdir(d))) {
		seen_new += strcmp(e->d_name, "rewound") == 0;
		seen_old += strcmp(e->d_name, argv[2]) == 0;
	}
	closedir(d);
	if (seen_new != 1 || seen_old != 0)
		return vt_fail("new %d times, removed %d times", seen_new,
			       seen_old);
	return 0;
}

/* A directory removed under its reader: no entries, no hang. */
static int run_removed_dir(int argc, char **argv)
{
	struct listing l = { 0 };
	int fd = open_dir(argv[1]);
	struct stat st;
	int bad = 0;

	(void)argc;
	if (fd < 0)
		return vt_errno("open");
	if (rmdir(argv[1]) != 0)
		return vt_errno("rmdir");
	if (listing_rest(&l, fd, 4096) != 0 && errno != ENOENT)
		bad = vt_errno("getdents");
	for (size_t i = 0; i < l.n; i++)
		if (strcmp(l.entry[i].name, ".") != 0 &&
		    strcmp(l.entry[i].name, "..") != 0)
			bad = vt_fail("%s in a removed folder",
				      l.entry[i].name);
	listing_free(&l);
	if (bad)
		return 1;
	if (touch_at(fd, "new") == 0 || errno != ENOENT)
		return vt_fail("a file made in a removed folder");
	return fstat(fd, &st) == 0 ? 0 : vt_errno("fstat");
}

/* N empty files PREFIX0.. in DIR. */
static int run_many(int argc, char **argv)
{
	long long n = vt_number(argv[3]);
	int dir = open_dir(argv[1]);
	char name[256];

	(void)argc;
	if (dir < 0)
		return vt_errno("open");
	for (long long i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "%s%lld", argv[2], i);
		if (mknodat(dir, name, S_IFREG | 0644, 0) != 0)
			return vt_errno(name);
	}
	return 0;
}

static int run_many_rm(int argc, char **argv)
{
	long long n = vt_number(argv[3]);
	int dir = open_dir(argv[1]);
	char name[256];

	(void)argc;
	if (dir < 0)
		return vt_errno("open");
	for (long long i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "%s%lld", argv[2], i);
		if (unlinkat(dir, name, 0) != 0)
			return vt_errno(name);
	}
	return 0;
}

const struct vt_command vt_dir_commands[] = {
	{ "readdir", "DIR [BUFFER]", 1, run_readdir },
	{ "check-dir", "DIR", 1, run_check_dir },
	{ "seek", "DIR SAMPLES", 2, run_seek },
	{ "change", "DIR KEEP GONE [reopen]", 3, run_change },
	{ "empty", "DIR", 1, run_empty },
	{ "rewind", "DIR VICTIM", 2, run_rewind },
	{ "removed-dir", "DIR", 1, run_removed_dir },
	{ "many", "DIR PREFIX COUNT", 3, run_many },
	{ "many-rm", "DIR PREFIX COUNT", 3, run_many_rm },
	{ NULL, NULL, 0, NULL },
};
