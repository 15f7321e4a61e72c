/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Readers and writers of files of upper that they have open all the time. The
 * kernel serves them without the daemon where it can: they must go on while
 * there is none.
 */
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fs/base/clock.h"
#include "tests/stress/kill.h"

static void page_of(const struct kill_pass *s, unsigned n, unsigned block,
		    unsigned char *page)
{
	kill_pattern(page, KILL_PAGE, 0, n * 1000 + block + s->block[block]);
}

static bool is_writer(unsigned n)
{
	return n % 2;
}

/* Its file, made new and opened again as it is then used. */
static int open_own(struct kill_proc *p, unsigned n, int top, const char *path)
{
	struct kill_pass *s = &kill_state->pass[n];
	unsigned char page[KILL_PAGE];
	int fd = (int)KILL_DO(p, 0, path,
			      openat(top, path,
				     O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC,
				     0644));

	if (fd < 0)
		return -1;
	for (unsigned b = 0; b < KILL_BLOCKS; b++) {
		page_of(s, n, b, page);
		kill_put(p, fd, page, KILL_PAGE, b * KILL_PAGE, path);
	}
	kill_close(p, fd, path);
	return (int)KILL_DO(p, 0, path,
			    openat(top, path,
				   (is_writer(n) ? O_RDWR : O_RDONLY) |
					   O_CLOEXEC));
}

/* One page written or read; its time goes where those of passes go. */
static void one_page(struct kill_proc *p, unsigned n, int fd, const char *path)
{
	struct kill_pass *s = &kill_state->pass[n];
	unsigned b = kill_random(p, KILL_BLOCKS);
	unsigned char want[KILL_PAGE], got[KILL_PAGE];
	uint64_t from = clock_now();
	long r = KILL_PAGE;

	if (is_writer(n)) {
		s->block[b] += 1000000;
		page_of(s, n, b, want);
		r = KILL_DO(p, 0, path,
			    pwrite(fd, want, KILL_PAGE, b * KILL_PAGE));
	}
	page_of(s, n, b, want);
	if (r == KILL_PAGE)
		r = KILL_DO(p, 0, path,
			    pread(fd, got, KILL_PAGE, b * KILL_PAGE));
	kill_hist_add(&kill_state->passes, clock_now() - from);
	if (!p->broken && (r != KILL_PAGE || memcmp(got, want, KILL_PAGE) != 0))
		KILL_WRONG(p, "%s: page %u differs", path, b);
	p->broken = false;
	atomic_fetch_add(&s->done, 1);
}

void kill_pass_run(unsigned n, int top)
{
	static struct kill_proc self;
	struct timespec pause = { .tv_nsec = 500000 };
	char path[32];
	int fd;

	self.self = 100 + n;
	self.random = kill_state->seed + self.self;
	snprintf(path, sizeof(path), "pass/%u", n);
	fd = open_own(&self, n, top, path);
	kill_state->pass[n].pid = getpid();
	atomic_fetch_add(&kill_state->ready, 1);
	if (fd < 0)
		return;
	while (!kill_stopping()) {
		one_page(&self, n, fd, path);
		nanosleep(&pause, NULL);
	}
	kill_close(&self, fd, path);
}

void kill_pass_check(struct kill_proc *p, int top)
{
	unsigned char page[KILL_PAGE];
	char path[32];
	int fd;

	for (unsigned n = 0; n < KILL_PASSES; n++) {
		if (!kill_state->pass[n].pid)
			continue;
		snprintf(path, sizeof(path), "pass/%u", n);
		fd = (int)KILL_DO(p, 0, path,
				  openat(top, path, O_RDONLY | O_CLOEXEC));
		if (fd < 0)
			continue;
		for (unsigned b = 0; b < KILL_BLOCKS; b++) {
			page_of(&kill_state->pass[n], n, b, page);
			kill_compare(p, fd, page, KILL_PAGE, b * KILL_PAGE,
				     path);
		}
		kill_close(p, fd, path);
	}
}
