/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TEMPLATES_IMPORT_H
#define VEFS_TEMPLATES_IMPORT_H

/*
 * import - a tree from outside becomes a version of a template.
 *
 * Either all of it is in the store when import_run() returns 0, or nothing is
 * (but objects that gc takes). What the source says is never a path of this
 * machine, and memory does not grow with it.
 */
#include <stdbool.h>

#include "templates/catalog.h"

enum import_kind {
	IMPORT_AUTO,   /* by what the source is */
	IMPORT_TAR,    /* a tar, compressed or not; "-" is standard input */
	IMPORT_DIR,    /* a directory as it is */
	IMPORT_IMAGE,  /* an OCI layout or docker archive, tar or directory */
	IMPORT_DEBIAN, /* "debian" or "debian:SUITE", made by mmdebstrap */
};

/* How far it is. */
struct import_state {
	uint64_t bytes_read;  /* of the source */
	uint64_t bytes_total; /* 0: not known */
	uint64_t entries;
	uint64_t objects_new, objects_shared;
	uint64_t bytes_new;  /* of content, in new objects */
	uint64_t blocks_new; /* of 512 bytes, that they take on the disk */
	const char *doing;   /* "reading", ... */
};

struct import_options {
	const char *source;
	enum import_kind kind;
	/*
	 * NULL, or what it must be: 32 hexadecimal digits are the version's
	 * digest, "sha256:" and 64 the source archive's, for an image its
	 * manifest's.
	 */
	const char *digest;
	uint64_t max_entries, max_devices, max_bytes; /* 0: the default */
	bool no_sync;
	/* Called now and then by the importing thread; non-zero cancels. */
	int (*progress)(void *ctx, const struct import_state *s);
	/* Something was left out or is odd; one line. */
	void (*warn)(void *ctx, const char *text);
	void *ctx;
};

/*
 * `id` may lack a version; on success it has one. `seal` and `state` say what
 * came of it. -EEXIST: the version is there; -EBADMSG: the source is damaged
 * or of no known kind; -EKEYREJECTED: the digest is another; -E2BIG: beyond a
 * limit; -EFBIG: more bytes than can be counted; -ENOSPC, ...
 */
int import_run(struct catalog *c, struct catalog_id *id,
	       const struct import_options *o, struct seal *seal,
	       struct import_state *state, struct why *why);

#endif
