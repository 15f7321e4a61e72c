/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_PROC_LASTPID_H
#define VEFS_FS_PROC_LASTPID_H

/* lastpid - the highest process id that a /proc shows. */
#include <stdint.h>

/* `proc`: a directory opened for reading; its position is used up. 0: not
 * known. Costs the same however many processes there are. */
uint64_t lastpid(int proc);

#endif
