/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/proc/lastpid.h"

#include <dirent.h>
#include <string.h>
#include <unistd.h>

#include "fs/proc/proctext.h"

/*
 * A listing of /proc goes through the ids in ascending order, and its position
 * is the id that comes next and an offset: so the last one is found by halving.
 */
#define OFFSET 258	  /* fs/proc/base.c: TGID_OFFSET */
#define PID_LIMIT 4194304 /* of any kernel */

/* The first id from `from` on, or 0. */
static uint64_t next_pid(int proc, uint64_t from)
{
	char buf[512] __attribute__((aligned(8)));
	const struct dirent64 *e = (const void *)buf;
	struct proctext name;
	uint64_t pid;
	ssize_t n;

	if (lseek(proc, (off_t)(OFFSET + from), SEEK_SET) < 0)
		return 0;
	n = getdents64(proc, buf, sizeof(buf));
	if (n <= 0)
		return 0;
	name.s = e->d_name;
	name.len = strnlen(e->d_name, (size_t)n);
	return proctext_u64(&name, &pid) ? pid : 0;
}

uint64_t lastpid(int proc)
{
	uint64_t low = 0, high = PID_LIMIT, pid;

	if (proc < 0)
		return 0;
	/* There is one at or above `low` (or there is none at all). */
	while (low + 1 < high) {
		uint64_t middle = low + (high - low) / 2;

		pid = next_pid(proc, middle);
		if (pid >= middle)
			low = pid;
		else
			high = middle;
	}
	return low;
}
