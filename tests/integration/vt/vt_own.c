/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vt - files that each hold something of their own: who reads or writes
 * another's sees it.
 */
#include "vt.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WORDS 512 /* a page */
#define FAULTS_MOST 20

struct own {
	int dir;
	const char *stop;
	unsigned long done, faults;
};

static void fill(uint64_t *words, uint64_t own)
{
	for (unsigned i = 0; i < WORDS; i++)
		words[i] = own << 16 | i;
}

static void fault(struct own *o, const char *name, const char *what)
{
	o->faults++;
	vt_fail("%s: %s", name, what);
}

static void fault_errno(struct own *o, const char *name, const char *what)
{
	char text[64];

	snprintf(text, sizeof(text), "%s: %s", what, strerrorname_np(errno));
	fault(o, name, text);
}

/* A page of it; `at` is the page's number. */
static int write_page(struct own *o, const char *name, int fd, uint64_t own,
		      off_t at)
{
	uint64_t words[WORDS];

	fill(words, own);
	if (vt_write_all(fd, words, sizeof(words), at * (off_t)sizeof(words)) ==
	    0)
		return 0;
	fault_errno(o, name, "write");
	return -1;
}

/* Not from what the kernel keeps. */
static void read_page(struct own *o, const char *name, int fd, uint64_t own,
		      off_t at)
{
	uint64_t want[WORDS], got[WORDS];
	ssize_t n;

	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	fill(want, own);
	n = pread(fd, got, sizeof(got), at * (off_t)sizeof(got));
	if (n < 0)
		fault_errno(o, name, "read");
	else if ((size_t)n != sizeof(got))
		fault(o, name, "another length");
	else if (memcmp(want, got, sizeof(got)) != 0)
		fault(o, name, "another file's bytes");
}

static int open_own(struct own *o, const char *name, int flags)
{
	int fd = openat(o->dir, name, flags | O_CLOEXEC, 0644);

	if (fd < 0)
		fault_errno(o, name, "open");
	return fd;
}

/* Some are held open: over what happens to who serves them. */
#define HELD 64

struct held {
	int fd; /* 0: none */
	uint64_t own;
	char name[64];
};

static bool goes_on(const struct own *o)
{
	return o->faults < FAULTS_MOST && access(o->stop, F_OK) != 0;
}

static int verdict(const struct own *o)
{
	printf("%lu files\n", o->done);
	if (o->faults)
		return vt_fail("%lu faults", o->faults);
	return o->done > 0 ? 0 : vt_fail("nothing was done");
}

static bool begin(struct own *o, const char *dir)
{
	o->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return o->dir >= 0;
}

static int run_make(int argc, char **argv)
{
	struct own o = { .stop = "" };
	uint64_t n = (uint64_t)vt_number(argv[2]);
	char name[32];

	(void)argc;
	if (!begin(&o, argv[1]))
		return vt_errno("open");
	for (uint64_t i = 0; i < n && !o.faults; i++) {
		int fd;

		snprintf(name, sizeof(name), "%llu", (unsigned long long)i);
		fd = open_own(&o, name, O_WRONLY | O_CREAT | O_EXCL);
		if (fd >= 0)
			write_page(&o, name, fd, i, 0);
		close(fd);
	}
	return o.faults > 0;
}

static void read_and_let_go(struct own *o, struct held *h)
{
	if (h->fd <= 0)
		return;
	read_page(o, h->name, h->fd, h->own, 0);
	close(h->fd);
}

/* Each seed another order, in which each file comes once in a round. */
static int run_read(int argc, char **argv)
{
	struct own o = { .stop = argv[3] };
	uint64_t n = (uint64_t)vt_number(argv[2]), at = 0;
	uint64_t step = 7919 * (uint64_t)vt_number(argv[4]);
	static struct held all[HELD];

	(void)argc;
	if (!begin(&o, argv[1]))
		return vt_errno("open");
	while (goes_on(&o)) {
		struct held *h = &all[o.done++ % HELD];

		read_and_let_go(&o, h);
		h->own = at = (at + step) % n;
		snprintf(h->name, sizeof(h->name), "%llu",
			 (unsigned long long)at);
		h->fd = open_own(&o, h->name, O_RDONLY);
		if (h->fd > 0)
			read_page(&o, h->name, h->fd, at, 0);
	}
	for (unsigned i = 0; i < HELD; i++)
		read_and_let_go(&o, &all[i]);
	return verdict(&o);
}

/* As many as can be, N at most: held until there is a STOP-FILE, read again. */
static int run_hold(int argc, char **argv)
{
	struct own o = { .stop = argv[3] };
	long long n = vt_number(argv[2]), held = 0;
	struct held *all = calloc((size_t)n, sizeof(*all));

	(void)argc;
	if (!all || !begin(&o, argv[1]))
		return vt_errno("open");
	for (; held < n && !o.faults; held++) {
		struct held *h = &all[held];

		h->own = (uint64_t)held;
		snprintf(h->name, sizeof(h->name), "%lld", held);
		h->fd = openat(o.dir, h->name, O_RDONLY | O_CLOEXEC);
		/* Who serves it is asked for its bytes. */
		if (h->fd >= 0 && pread(h->fd, &(char){ 0 }, 1, 0) == 1) {
			read_page(&o, h->name, h->fd, h->own, 0);
			continue;
		}
		if (errno != EMFILE)
			fault_errno(&o, h->name, "open");
		if (h->fd >= 0)
			close(h->fd);
		break;
	}
	printf("held %lld\n", held);
	while (goes_on(&o))
		usleep(20000);
	for (o.done = 0; held-- > 0; o.done++)
		read_and_let_go(&o, &all[held]);
	free(all);
	return verdict(&o);
}

static void check_both(struct own *o, const char *name, uint64_t own)
{
	int fd = open_own(o, name, O_RDONLY);

	if (fd < 0)
		return;
	read_page(o, name, fd, own, 0);
	read_page(o, name, fd, own, 1);
	close(fd);
}

static void write_and_let_go(struct own *o, struct held *h)
{
	if (h->fd <= 0)
		return;
	write_page(o, h->name, h->fd, h->own, 1);
	close(h->fd);
	check_both(o, h->name, h->own);
}

/* The last ones stay, for who looks at them elsewhere. */
static int run_write(int argc, char **argv)
{
	struct own o = { .stop = argv[2] };
	uint64_t seed = (uint64_t)vt_number(argv[3]);
	static struct held all[HELD];

	(void)argc;
	if (!begin(&o, argv[1]))
		return vt_errno("open");
	while (goes_on(&o)) {
		struct held *h = &all[o.done++ % HELD];

		write_and_let_go(&o, h);
		if (h->fd > 0 && unlinkat(o.dir, h->name, 0) < 0)
			fault_errno(&o, h->name, "unlink");
		h->own = seed << 32 | o.done;
		snprintf(h->name, sizeof(h->name), "w%llu",
			 (unsigned long long)h->own);
		h->fd = open_own(&o, h->name, O_WRONLY | O_CREAT | O_EXCL);
		if (h->fd > 0)
			write_page(&o, h->name, h->fd, h->own, 0);
	}
	for (unsigned i = 0; i < HELD; i++)
		write_and_let_go(&o, &all[i]);
	return verdict(&o);
}

/* What run_write() left. */
static int run_check(int argc, char **argv)
{
	struct own o = { .stop = "" };

	if (!begin(&o, argv[1]))
		return vt_errno("open");
	for (int i = 2; i < argc; i++) {
		check_both(&o, argv[i], (uint64_t)vt_number(argv[i] + 1));
		o.done++;
	}
	return verdict(&o);
}

const struct vt_command vt_own_commands[] = {
	{ "own-make", "DIR N", 2, run_make },
	{ "own-read", "DIR N STOP-FILE SEED", 4, run_read },
	{ "own-hold", "DIR N STOP-FILE", 3, run_hold },
	{ "own-write", "DIR STOP-FILE SEED", 3, run_write },
	{ "own-check", "DIR NAME...", 2, run_check },
	{ NULL, NULL, 0, NULL },
};
