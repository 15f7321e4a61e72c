/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_FUSEWIRE_H
#define VEFS_FS_FUSEWIRE_H

/*
 * fusewire - the few messages of the FUSE protocol that are written and read
 * without the library: what a process needs that takes a mount over.
 *
 * Source: include/uapi/linux/fuse.h of Linux 6.9 and newer.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* In `unique`: the kernel sends this request again. Answered as it came. */
#define FUSEWIRE_AGAIN (1ull << 63)

/* Opcodes that are newer than the headers that we build with. */
#define FUSEWIRE_TMPFILE 51

struct fusewire_request {
	uint64_t unique; /* without FUSEWIRE_AGAIN */
	uint64_t nodeid;
	uint32_t opcode;
	bool again;
};

/* What a request says of itself; false: it is none. */
bool fusewire_parse(const void *request, size_t len,
		    struct fusewire_request *out);

/* "LOOKUP" and so on; "request" for what has no name here. */
const char *fusewire_name(uint32_t opcode);

/* Does a request of this kind get no answer? */
bool fusewire_is_silent(uint32_t opcode);

/*
 * The thread that waits for the answer, in the process namespace of who mounted;
 * 0: nobody does, or it is not known.
 */
uint32_t fusewire_caller(const void *request, size_t len);

/* Does this kernel, by its INIT request, send unanswered requests again? */
bool fusewire_can_resend(const void *init, size_t len);

/* All may return -ENODEV or -ENOTCONN: the mount is gone. */

/* Have it do so. -EINVAL: it cannot. */
int fusewire_resend(int fd);

/* Answer a request (unique as it came) with an error, `r` < 0. */
int fusewire_refuse(int fd, uint64_t unique, int r);

/* Does the kernel know this inode? 1, 0, or -errno. */
int fusewire_knows(int fd, uint64_t nodeid);

#endif
