/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_QUOTA_COMMAND_H
#define VEFS_QUOTA_COMMAND_H

/*
 * command - what can be asked of a ledger, in lines of words: the same whether
 * it is a running container's (by its socket) or a file's.
 *
 * A request is one line. The answer begins with "ok" or "error: SENTENCE" and
 * goes on with lines of data. Numbers are decimal, bytes and seconds. KIND is
 * container, user or group; RESOURCE is space or inodes; ID of a container
 * is 0.
 *
 *	get			everything; the last line is "end": who
 *				answers may die in the middle
 *	get KIND ID		its record alone
 *	next KIND ID		the first record from that id on which is not
 *				all zeros
 *	info KIND		is it enforced, its graces
 *	set KIND ID RESOURCE SOFT HARD
 *				"-" leaves it as it is
 *	limits KIND ID  SOFT HARD UNTIL  SOFT HARD UNTIL
 *				space, then inodes, all or nothing; UNTIL is a
 *				DEADLINE. "-" leaves it as it is
 *	grace KIND RESOURCE SECONDS
 *	deadline KIND ID RESOURCE SECONDS
 *				from now on; 0: a new grace
 *	enforce KIND on|off
 *	check			compare with a scan
 *	check fix		and take the scan's numbers
 *
 * Lines of data:
 *
 *	enforce KIND on|off
 *	grace KIND RESOURCE SECONDS
 *	record KIND ID  USAGE SOFT HARD DEADLINE  USAGE SOFT HARD DEADLINE
 *		space, then inodes; DEADLINE in seconds since 1970, 0: none.
 *		"get" leaves out records of all zeros, "get KIND ID" does not
 *	drift KIND ID  SPACE SPACE-COUNTED INODES INODES-COUNTED
 *	checked INODES MILLISECONDS
 */
#include <stdio.h>

#include "quota/ledger.h"
#include "quota/scan.h"

struct command_ctx {
	struct ledger *ledger;
	/*
	 * Scan what the ledger is about, with nothing changing meanwhile if
	 * that can be helped; NULL: cannot be checked. `fix`: take it over.
	 * Calls `fn` for each drift. The number of inodes, or -errno.
	 */
	int64_t (*check)(void *ctx, bool fix,
			 void (*fn)(void *ctx, const struct scan_drift *d),
			 void *fn_ctx);
	/* Limits changed: make it last. 0 or -errno. NULL: nothing to do. */
	int (*changed)(void *ctx);
	void *ctx;
};

/*
 * Run one request (without its newline), write the answer. 0, or what was
 * refused in one number: -EINVAL a word or a limit that cannot be, -ENOENT no
 * such record, -EIO it is changed and could not be saved, ...
 */
int command_run(const struct command_ctx *c, const char *line, FILE *out);

#endif
