/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a run came to, as lines that begin with "# ". */
#include <string.h>

#include "fs/base/clock.h"
#include "fs/base/crash.h"
#include "tests/stress/kill.h"

#define SLOW (3 * CLOCK_MS)

/* FUSE's, by number; those that are not here show as numbers. */
static const char *const opcodes[CRASH_OPCODES] = {
	[0] = "-",
	[1] = "LOOKUP",
	[2] = "FORGET",
	[3] = "GETATTR",
	[4] = "SETATTR",
	[5] = "READLINK",
	[6] = "SYMLINK",
	[8] = "MKNOD",
	[9] = "MKDIR",
	[10] = "UNLINK",
	[11] = "RMDIR",
	[12] = "RENAME",
	[13] = "LINK",
	[14] = "OPEN",
	[15] = "READ",
	[16] = "WRITE",
	[17] = "STATFS",
	[18] = "RELEASE",
	[20] = "FSYNC",
	[21] = "SETXATTR",
	[22] = "GETXATTR",
	[23] = "LISTXATTR",
	[24] = "REMOVEXATTR",
	[25] = "FLUSH",
	[26] = "INIT",
	[27] = "OPENDIR",
	[28] = "READDIR",
	[29] = "RELEASEDIR",
	[30] = "FSYNCDIR",
	[31] = "GETLK",
	[32] = "SETLK",
	[33] = "SETLKW",
	[34] = "ACCESS",
	[35] = "CREATE",
	[36] = "INTERRUPT",
	[37] = "BMAP",
	[38] = "DESTROY",
	[39] = "IOCTL",
	[40] = "POLL",
	[42] = "BATCH_FORGET",
	[43] = "FALLOCATE",
	[44] = "READDIRPLUS",
	[45] = "RENAME2",
	[46] = "LSEEK",
	[47] = "COPY_FILE_RANGE",
	[50] = "SYNCFS",
	[51] = "TMPFILE",
	[52] = "STATX",
};

static double ms(uint64_t ns)
{
	return (double)ns / 1e6;
}

static void times(const char *what, const struct kill_hist *h, uint64_t from)
{
	printf("# %-22s %8llu  p50 %8.2f  p99 %8.2f  max %8.2f ms\n", what,
	       (unsigned long long)kill_hist_count(h, from),
	       ms(kill_hist_part(h, from, 0.5)),
	       ms(kill_hist_part(h, from, 0.99)), ms(atomic_load(&h->max)));
}

static void counts(void)
{
	const struct kill_state *s = kill_state;

	printf("# kills %u, calls %llu, errors %llu, mismatches %llu, interrupted %llu, forgets %llu\n",
	       s->kills, (unsigned long long)kill_hist_count(&s->calls, 0),
	       (unsigned long long)s->errors, (unsigned long long)s->mismatches,
	       (unsigned long long)s->interrupted,
	       (unsigned long long)s->forgets);
	printf("# locks: %u got, %u refused\n", s->got_locks, s->refused_locks);
	for (unsigned n = 0; n < s->procs; n++)
		printf("# p%u: %u of %u lower files changed, tree %u\n", n,
		       s->proc[n].next_low, s->lows, s->proc[n].era);
}

/* One line for each point, an item for each operation: died/came by. */
static void points(const struct crash_control *c)
{
	for (unsigned w = 0; w < CRASH_MAX; w++) {
		bool any = false;

		printf("# %-18s", crash_name((enum crash_where)w));
		for (unsigned op = 0; op < CRASH_OPCODES; op++) {
			if (!c->hits[w][op])
				continue;
			any = true;
			if (opcodes[op])
				printf(" %s", opcodes[op]);
			else
				printf(" %u", op);
			printf(" %llu/%llu",
			       (unsigned long long)c->deaths[w][op],
			       (unsigned long long)c->hits[w][op]);
		}
		puts(any ? "" : " never reached");
	}
	printf("# points: %llu deaths; %u were armed and not come by\n",
	       (unsigned long long)c->fired, kill_state->missed_points);
}

int kill_report(const struct kill_options *o, int top)
{
	const struct crash_control *c = o->control ? kill_control(o->control)
						   : NULL;

	(void)top;
	counts();
	if (kill_state->kills)
		times("kill to next answer", &kill_state->stalls, 0);
	times("calls over 3 ms", &kill_state->calls, SLOW);
	times("passthrough", &kill_state->passes, 0);
	times("passthrough over 3 ms", &kill_state->passes, SLOW);
	if (c)
		points(c);
	return kill_state->errors || kill_state->mismatches;
}
