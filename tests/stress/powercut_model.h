/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TESTS_STRESS_POWERCUT_MODEL_H
#define VEFS_TESTS_STRESS_POWERCUT_MODEL_H

/*
 * powercut_model - the names and files of one process, as they are after so
 * many operations. State k is that after k operations. The model computes, it
 * looks at nothing.
 *
 * All processes work in the directories s0, s1 and s2, which nobody renames
 * or removes; what is directly in them bears the process's number. The model
 * has the shared directories as its first nodes.
 */
#include "tests/stress/powercut.h"

#define PC_SHARED 3
#define PC_NODES 320
#define PC_NAME 16
#define PC_PATH 256
#define PC_OBJS (PC_OPS + PC_NODES)

enum pc_type { PC_FILE, PC_DIR, PC_SYMLINK, PC_FIFO };

/* How a change of data, or what was changed before, is made certain. */
enum pc_sync {
	PC_NO_SYNC,
	PC_FSYNC,
	PC_FDATASYNC,
	PC_O_SYNC, /* opened so */
	PC_O_DSYNC,
	PC_MSYNC /* written by mmap */
};

enum pc_kind {
	PC_INITIAL, /* a lower file's content; never carried out */
	PC_CREATE,
	PC_WRITE,
	PC_APPEND,
	PC_TRUNCATE,
	PC_REWRITE, /* O_TRUNC, then a write */
	PC_TMPFILE, /* written without a name, then linked */
	PC_FSYNC_FILE,
	PC_FDATASYNC_FILE,
	PC_FSYNC_DIR,
	PC_LINK,
	PC_UNLINK,
	PC_RENAME,
	PC_EXCHANGE,
	PC_MKDIR,
	PC_RMDIR,
	PC_MKSYMLINK,
	PC_MKFIFO,
	PC_CHMOD,
	PC_CHOWN,
	PC_SETXATTR,
	PC_KINDS
};

/* What is done to `node`, and the place `name` in `dir`, where `over` is. */
struct pc_op {
	uint8_t kind, sync;
	int16_t node, dir, over; /* -1: none */
	uint32_t obj;		 /* that of node, or the one that is made */
	uint32_t value;		 /* mode, owner, or the attribute's value */
	uint32_t off, len;
	uint32_t hole; /* of an initial content: where it begins */
	char name[PC_NAME];
};

struct pc_node {
	bool used;
	int16_t parent; /* -1: the mount's root */
	uint32_t obj;
	char name[PC_NAME];
};

struct pc_obj {
	uint8_t type;
	bool lower;  /* it was there before the first operation */
	bool copied; /* an acknowledged operation copied it up */
	bool linked; /* it had two names once */
	uint32_t mode, owner, value;
	uint32_t links;
	uint32_t size;
	uint32_t unsynced; /* changes of data since the last sync */
	/* The state from which on: its inode or names in it are as now; its
	 * data is certain. */
	uint32_t changed, synced;
};

struct pc_model {
	struct pc_seeds seeds;
	unsigned proc;
	uint64_t rng;
	/* Operations: done here, and acknowledged before the cut. */
	uint32_t n_ops, acked;
	/* The first state that may be found after the cut. */
	uint32_t durable;
	uint32_t n_objs, n_used;
	struct {
		int16_t node, parent; /* -1: no plan */
		uint8_t kind, step;
		char name[PC_NAME];
	} plan;
	struct pc_node nodes[PC_NODES];
	struct pc_obj objs[PC_OBJS];
	/* What was done; the lower files' contents are before it. */
	struct pc_op initial[PC_NODES], log[PC_OPS];
	uint32_t n_initial;
};

/* State 0; `acked` operations are known to be acknowledged. */
struct pc_model *pc_model_new(const struct pc_seeds *seeds, unsigned proc,
			      uint32_t acked);

/* Choose the next operation. (powercut_plan.c) */
void pc_model_choose(struct pc_model *m, struct pc_op *op);
/* Carry it out. */
void pc_model_apply(struct pc_model *m, const struct pc_op *op);

/* The path of a node, or of `name` in it if that is not "". */
const char *pc_model_path(const struct pc_model *m, int node, const char *name,
			  char path[PC_PATH]);
/* -1: nothing there */
int pc_model_child(const struct pc_model *m, int dir, const char *name);
bool pc_model_is_above(const struct pc_model *m, int node, int dir);
const char *pc_model_kind(unsigned kind);

/* What is compared of a name, but for the data. */
struct pc_entry {
	char path[PC_PATH];
	uint8_t type;
	uint32_t mode, owner, value;
};
uint64_t pc_entry_hash(const struct pc_entry *e);
void pc_model_entry(const struct pc_model *m, int node, struct pc_entry *e);
/* The sum over all entries but the shared directories. */
uint64_t pc_model_hash(const struct pc_model *m);

/* The bytes that operation number `n` (or initial content ~obj) writes. */
void pc_bytes(const struct pc_model *m, uint32_t n, uint32_t off, void *buf,
	      uint32_t len);

/* Which of the two lower layers has a file: 0 or 1. */
unsigned pc_model_layer(const struct pc_model *m, uint32_t obj);

#endif
