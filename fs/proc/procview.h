/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_PROC_PROCVIEW_H
#define VEFS_FS_PROC_PROCVIEW_H

/*
 * procview - what the text of a virtual file is made of. A renderer is a pure
 * function of it: it adds its text to `out`, whose error is the only one, and
 * looks at nothing else. Fields have widths that do not change, so that a
 * reader who gets two moments' halves still finds every field.
 */
#include "fs/base/strbuf.h"
#include "fs/proc/numbers.h"

/* What a container is called, and what no group knows. */
struct procnames {
	const char *id;	     /* "101" */
	const char *cmdline; /* /proc/cmdline; NULL: "quiet" */
	/* The line of / in /proc/mounts: device and type that it shows instead
	 * of its own, and options besides "rw,relatime". NULL: the line is as
	 * it is. */
	const char *root_device, *root_type, *root_options;
	/* Mounts that /proc/mounts leaves out are of this source; or NULL. */
	const char *own_source;
	/* Its one disk, "simfs", in diskstats, partitions, /sys/block. */
	uint32_t disk_major, disk_minor;
	uint64_t disk_size; /* bytes; 0: not in partitions */
};

#define PROCEXTRA_ADDRESSES 2048u

/* What no group tells, as far as known. */
struct procextra {
	uint64_t tcp_sockets, other_sockets;
	uint64_t tcp_send, tcp_receive; /* bytes in their buffers */
	uint64_t other_send, dgram_receive;
	bool has_buffers; /* these were counted */
	uint64_t rules;	  /* of packet filters */
	uint64_t files, locks, ptys, signals;
	uint64_t processes;
	char addresses[PROCEXTRA_ADDRESSES]; /* blanks between them */
};

struct procstate_bean;

struct procview {
	const struct numbers *n;
	const struct procnames *names;
	const char *host; /* the host's file of this name, "" if not asked */
	const struct procextra *extra;
	struct procstate_bean *bean; /* of each row; NULL: not kept */
	uint32_t cpu; /* which one, where a file is a processor's */
};

typedef void procview_render(const struct procview *v, struct strbuf *out);

#endif
