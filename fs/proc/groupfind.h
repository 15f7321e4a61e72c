/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_PROC_GROUPFIND_H
#define VEFS_FS_PROC_GROUPFIND_H

/*
 * groupfind - which control groups a process is in, as directories: for
 * containers that somebody else has started.
 */
#include <sys/types.h>

#include "fs/proc/group.h"

struct groupfind {
	struct group_paths paths; /* into `text` */
	char *text[GROUP_DIRS];	  /* owned */
};

/*
 * 0; -ESRCH: no such process; -ENOENT: it is in no group but the top ones, the
 * host itself. A service's own group within the container ("init.scope") is
 * not the container's: the one above is.
 */
int groupfind(pid_t pid, struct groupfind *out);
/*
 * Of a container of ours: shares, processors, disks and pressure are counted by the group
 * above its payload's.
 */
void groupfind_above(struct groupfind *f);

void groupfind_free(struct groupfind *f);

/*
 * The pure part: texts of /proc/PID/cgroup and of our mountinfo. `out` is to
 * be freed in any case.
 */
int groupfind_parse(const char *cgroup, const char *mountinfo,
		    struct groupfind *out);

#endif
