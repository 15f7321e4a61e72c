/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One directory in which all processes are at once: here a result need not be
 * the one that a model says, but what each of them did must add up.
 *
 *	sN	slots: made and removed by whoever comes; made - removed is
 *		whether it is there
 *	mN	mutexes: whoever can make the directory is alone in it
 *	lN	locks, held for long
 *	hP.N	links to hub, of process P
 *	t/N	lower files that all write one byte of, at the same time
 *	log	records appended by all: each once, those of one in order
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "tests/stress/kill.h"

static int put_file(int dir, const char *path, size_t size)
{
	char dots[KILL_PROCS];
	int fd = openat(dir, path, O_CREAT | O_EXCL | O_WRONLY, 0644), r = 0;

	memset(dots, '.', sizeof(dots));
	if (fd < 0)
		return -1;
	if (write(fd, dots, size) != (ssize_t)size)
		r = -1;
	return close(fd) || r ? -1 : 0;
}

int kill_meet_fill(int top)
{
	char path[64];

	if (mkdirat(top, "shared", 0755) || mkdirat(top, "shared/t", 0755))
		return -1;
	if (put_file(top, "shared/hub", 1) || put_file(top, "shared/log", 0))
		return -1;
	for (unsigned n = 0; n < KILL_SHARED; n++) {
		snprintf(path, sizeof(path), "shared/l%u", n);
		if (put_file(top, path, 1))
			return -1;
	}
	for (unsigned n = 0; n < KILL_TOGETHER; n++) {
		snprintf(path, sizeof(path), "shared/t/%u", n);
		if (put_file(top, path, KILL_PROCS))
			return -1;
	}
	return 0;
}

static void op_slot(struct kill_proc *p)
{
	unsigned k = kill_random(p, KILL_SHARED),
		 to = kill_random(p, KILL_SHARED);
	char path[32], other[32];

	snprintf(path, sizeof(path), "s%u", k);
	snprintf(other, sizeof(other), "s%u", to);
	if (kill_chance(p, 3)) {
		if (KILL_ONE_OF(p, path,
				mknodat(p->shared_fd, path, S_IFREG, 0), 0,
				EEXIST) >= 0)
			atomic_fetch_add(&kill_state->made[k], 1);
	} else if (kill_chance(p, 2)) {
		if (KILL_ONE_OF(p, path, unlinkat(p->shared_fd, path, 0), 0,
				ENOENT) >= 0)
			atomic_fetch_add(&kill_state->gone[k], 1);
	} else if (KILL_ONE_OF(p, path,
			       renameat2(p->shared_fd, path, p->shared_fd,
					 other, RENAME_NOREPLACE),
			       0, ENOENT, EEXIST) >= 0) {
		atomic_fetch_add(&kill_state->gone[k], 1);
		atomic_fetch_add(&kill_state->made[to], 1);
	}
}

static void op_mutex(struct kill_proc *p)
{
	unsigned k = kill_random(p, KILL_SHARED);
	uint32_t nobody = 0;
	char path[32];

	snprintf(path, sizeof(path), "m%u", k);
	if (KILL_ONE_OF(p, path, mkdirat(p->shared_fd, path, 0700), 0, EEXIST) <
	    0)
		return;
	if (!atomic_compare_exchange_strong(&kill_state->mutex[k], &nobody,
					    p->self + 1))
		KILL_WRONG(p, "%s: process %u is in", path, nobody - 1);
	atomic_store(&kill_state->mutex[k], 0);
	KILL_DO(p, 0, path, unlinkat(p->shared_fd, path, AT_REMOVEDIR));
}

static int lock(int fd, unsigned kind, bool on)
{
	struct flock l = { .l_type = on ? F_WRLCK : F_UNLCK, .l_start = kind };

	if (kind == 0)
		return flock(fd, on ? LOCK_EX | LOCK_NB : LOCK_UN);
	return fcntl(fd, kind == 1 ? F_SETLK : F_OFD_SETLK, &l);
}

static void unlock(struct kill_proc *p, unsigned k)
{
	char path[32];

	snprintf(path, sizeof(path), "l%u", k);
	atomic_store(&kill_state->lock[k], 0);
	if (kill_chance(p, 2))
		KILL_DO(p, 0, path, lock(p->lock_fd[k], k % 3, false));
	kill_close(p, p->lock_fd[k], path);
	p->lock_fd[k] = 0;
}

/*
 * Take a lock and keep it over many operations; nobody else may get it. Each
 * lock is always of one kind: flock, fcntl, one of an open file.
 */
static void op_lock(struct kill_proc *p)
{
	unsigned k = kill_random(p, KILL_SHARED);
	uint32_t nobody = 0;
	char path[32];
	int fd;

	if (p->lock_fd[k]) {
		unlock(p, k);
		return;
	}
	snprintf(path, sizeof(path), "l%u", k);
	fd = (int)KILL_DO(p, 0, path,
			  openat(p->shared_fd, path, O_RDWR | O_CLOEXEC));
	if (fd < 0)
		return;
	if (KILL_ONE_OF(p, path, lock(fd, k % 3, true), 0, EAGAIN, EACCES) <
	    0) {
		atomic_fetch_add(&kill_state->refused_locks, 1);
		kill_close(p, fd, path);
		return;
	}
	atomic_fetch_add(&kill_state->got_locks, 1);
	p->lock_fd[k] = fd;
	if (!atomic_compare_exchange_strong(&kill_state->lock[k], &nobody,
					    p->self + 1))
		KILL_WRONG(p, "%s: process %u has this lock", path, nobody - 1);
}

static void op_hub(struct kill_proc *p)
{
	unsigned k = kill_random(p, KILL_SHARED);
	char path[32];

	snprintf(path, sizeof(path), "h%u.%u", p->self, k);
	if (p->hub[k]) {
		if (KILL_DO(p, 0, path, unlinkat(p->shared_fd, path, 0)) >= 0)
			p->hub[k] = false;
		return;
	}
	if (KILL_DO(p, 0, path,
		    linkat(p->shared_fd, "hub", p->shared_fd, path, 0)) >= 0)
		p->hub[k] = true;
}

static void op_shared_log(struct kill_proc *p)
{
	char record[KILL_RECORD + 1];
	long n;

	if (!p->shared_log) {
		n = KILL_DO(p, 0, "log",
			    openat(p->shared_fd, "log",
				   O_WRONLY | O_APPEND | O_CLOEXEC));
		p->shared_log = n < 0 ? 0 : (int)n;
		return;
	}
	snprintf(record, sizeof(record), "%4u %26u\n", p->self,
		 p->shared_logged);
	n = KILL_DO(p, 0, "log", write(p->shared_log, record, KILL_RECORD));
	if (n != KILL_RECORD && !p->broken)
		KILL_WRONG(p, "log: %ld bytes of a record written", n);
	p->shared_logged++;
	if (!kill_chance(p, 20))
		return;
	kill_close(p, p->shared_log, "log");
	p->shared_log = 0;
}

static void check_together(struct kill_proc *p, int fd, uint32_t bits,
			   const char *path)
{
	char bytes[KILL_PROCS] = "";

	if (KILL_DO(p, 0, path, pread(fd, bytes, sizeof(bytes), 0)) < 0)
		return;
	for (unsigned n = 0; n < KILL_PROCS; n++)
		if ((bits & (1u << n)) && bytes[n] != (char)('a' + n)) {
			KILL_WRONG(p, "%s: byte %u is %02x", path, n,
				   (unsigned char)bytes[n]);
			return;
		}
}

/* The same lower file by all at once, as far as the run has come. */
static void op_together(struct kill_proc *p)
{
	uint64_t most = (uint64_t)atomic_load(&kill_state->progress) *
			KILL_TOGETHER / 65536;
	char byte = (char)('a' + p->self), path[32];
	unsigned k = p->next_together;
	uint32_t bits;
	int fd;

	if (k >= most || k >= KILL_TOGETHER)
		return;
	p->next_together++;
	snprintf(path, sizeof(path), "t/%u", k);
	fd = (int)KILL_DO(p, 0, path,
			  openat(p->shared_fd, path, O_RDWR | O_CLOEXEC));
	if (fd < 0)
		return;
	if (kill_put(p, fd, &byte, 1, p->self, path)) {
		bits = atomic_fetch_or(&kill_state->together[k], 1u << p->self);
		check_together(p, fd, bits | (1u << p->self), path);
	}
	kill_close(p, fd, path);
}

void kill_meet_end(struct kill_proc *p)
{
	for (unsigned k = 0; k < KILL_SHARED; k++)
		if (p->lock_fd[k])
			unlock(p, k);
	if (p->shared_log)
		kill_close(p, p->shared_log, "log");
	p->shared_log = 0;
}

void kill_meet_again(struct kill_proc *p)
{
	char path[32];

	for (unsigned k = 0; k < KILL_SHARED; k++) {
		snprintf(path, sizeof(path), "h%u.%u", p->self, k);
		p->hub[k] = !faccessat(p->shared_fd, path, F_OK, 0);
	}
}

/* ---- afterwards, by one ---------------------------------------------------- */

static void check_log(struct kill_proc *p)
{
	uint32_t next[KILL_PROCS] = { 0 };
	char record[KILL_RECORD + 1] = "";
	unsigned who = 0, n = 0;
	int fd = (int)KILL_DO(
		p, 0, "log", openat(p->shared_fd, "log", O_RDONLY | O_CLOEXEC));

	if (fd < 0)
		return;
	while (KILL_DO(p, 0, "log", read(fd, record, KILL_RECORD)) ==
	       KILL_RECORD) {
		if (sscanf(record, "%u %u", &who, &n) != 2 ||
		    who >= KILL_PROCS || next[who] != n) {
			KILL_WRONG(p, "log: '%.31s' where %u of %u is due",
				   record, next[who % KILL_PROCS], who);
			break;
		}
		next[who]++;
	}
	for (unsigned k = 0; k < kill_state->procs && !p->broken; k++)
		if (next[k] != kill_state->proc[k].shared_logged)
			KILL_WRONG(p, "log: %u records of %u, expected %u",
				   next[k], k,
				   kill_state->proc[k].shared_logged);
	kill_close(p, fd, "log");
}

static void check_names(struct kill_proc *p)
{
	char path[32];

	for (unsigned k = 0; k < KILL_SHARED; k++) {
		snprintf(path, sizeof(path), "s%u", k);
		KILL_DO(p,
			kill_state->made[k] == kill_state->gone[k] ? ENOENT : 0,
			path, faccessat(p->shared_fd, path, F_OK, 0));
		snprintf(path, sizeof(path), "m%u", k);
		KILL_DO(p, ENOENT, path,
			faccessat(p->shared_fd, path, F_OK, 0));
	}
}

static void check_locks(struct kill_proc *p)
{
	char path[32];
	int fd;

	for (unsigned k = 0; k < KILL_SHARED; k++) {
		snprintf(path, sizeof(path), "l%u", k);
		fd = (int)KILL_DO(p, 0, path,
				  openat(p->shared_fd, path,
					 O_RDWR | O_CLOEXEC));
		if (fd < 0)
			continue;
		KILL_DO(p, 0, path, lock(fd, k % 3, true));
		kill_close(p, fd, path);
	}
}

static void check_hub(struct kill_proc *p)
{
	unsigned links = 1;
	struct stat st = { 0 };

	for (unsigned n = 0; n < kill_state->procs; n++)
		for (unsigned k = 0; k < KILL_SHARED; k++)
			links += kill_state->proc[n].hub[k];
	if (KILL_DO(p, 0, "hub", fstatat(p->shared_fd, "hub", &st, 0)) >= 0 &&
	    st.st_nlink != links)
		KILL_WRONG(p, "hub: %u links, expected %u",
			   (unsigned)st.st_nlink, links);
}

void kill_meet_check(struct kill_proc *p)
{
	char path[32];
	int fd;

	check_log(p);
	check_names(p);
	check_locks(p);
	check_hub(p);
	for (unsigned k = 0; k < KILL_TOGETHER; k++) {
		snprintf(path, sizeof(path), "t/%u", k);
		fd = (int)KILL_DO(p, 0, path,
				  openat(p->shared_fd, path,
					 O_RDONLY | O_CLOEXEC));
		if (fd < 0)
			return;
		check_together(p, fd, kill_state->together[k], path);
		kill_close(p, fd, path);
	}
}

const struct kill_op kill_meet_ops[] = {
	{ "slot", 8, op_slot },
	{ "mutex", 4, op_mutex },
	{ "lock", 6, op_lock },
	{ "hub", 4, op_hub },
	{ "shared-log", 6, op_shared_log },
	{ "together", 2, op_together },
	{ NULL, 0, NULL },
};
