/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TESTS_STRESS_FAULTS_H
#define VEFS_TESTS_STRESS_FAULTS_H

/*
 * faults - what its parts share.
 *
 * A scenario is one operation on a small tree. A trial is that operation in a
 * directory of its own, with one fault or none.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "tests/stress/faultlib.h"

/* Tell what is wrong with the test or the machine, and end with status 2. */
void faults_die(const char *fmt, ...)
	__attribute__((format(printf, 1, 2), noreturn));
/* A sentence of its own, allocated. */
char *faults_text(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Times that a state tells from the present. */
#define FAULTS_TIME_OLD 1000000000L /* all that was prepared */
#define FAULTS_TIME_SET 4000000000L /* what a trial sets; no read is later */

#define FAULTS_UID 3
#define FAULTS_GID 4
#define FAULTS_USER 70 /* owns nothing */

/* What stands in a trial's directory before the operation. */
struct faults_node {
	/* '1', '2': in the lowers, 1 is on top; 'u': made on the mount */
	char where;
	/*
	 * f: file of `n` bytes; d: directory; s: symlink to `arg`; h: another
	 * name of `arg`; p: fifo; c: device; w: whiteout; o: opaque directory;
	 * x: user.key is `arg`; m: mode is `n`; A: default ACL; C: file
	 * capability; r, R: removed, a directory; v: moved to `arg`.
	 */
	char what;
	const char *path; /* NULL ends a tree */
	const char *arg;
	long n;
};

#define FAULTS_NODES 24

/* What can be seen of a tree, as text. */
struct faults_state {
	char *text;
	struct faults_ino {
		uint64_t ino;
		char path[48];
	} inos[FAULTS_NODES];
	unsigned n_inos;
};

struct faults_trial;

struct faults_scenario {
	const char *name;
	const struct faults_node *tree;
	/* What the operation needs open, not armed; NULL: nothing. */
	void (*open)(struct faults_trial *t);
	/* The operation: 0 or a count, or -errno. */
	long (*op)(struct faults_trial *t);
	const char *a, *b; /* its arguments */
	long n, off;
	unsigned flags;
};

enum {
	FAULTS_COLD = 1,    /* the kernel knows nothing of the directory */
	FAULTS_PARTIAL = 2, /* the operation may do less than it was asked */
	FAULTS_STRIPS = 4,  /* setuid may go though it fails */
	FAULTS_UNDOES = 32, /* it may fail late: directories get new times */
	FAULTS_PASS = 8,    /* worth a run with passthrough */
	FAULTS_STRICT = 16, /* worth a run with fsync=strict */
	FAULTS_BELOW = 64,  /* worth a run over a template, at any depth */
};

struct faults_trial {
	const struct faults_scenario *s;
	const struct faults_state *base; /* before it */
	int dir;			 /* its directory on the mount */
	int fd;				 /* from `open`, or -1 */
	long done;			 /* bytes, of a PARTIAL operation */
	char *out; /* what a reading operation saw; owned */
};

/* The table (faults_table.c); a NULL name ends it. */
extern const struct faults_scenario faults_table[];

/* Operations for it (faults_ops.c). */
typedef long faults_op(struct faults_trial *t);
faults_op faults_op_create, faults_op_tmpfile, faults_op_mkdir, faults_op_mknod,
	faults_op_symlink, faults_op_link, faults_op_link_fd, faults_op_unlink,
	faults_op_rmdir, faults_op_rename;
faults_op faults_op_chmod, faults_op_chown, faults_op_utimes,
	faults_op_setxattr, faults_op_removexattr, faults_op_acl,
	faults_op_chattr;
faults_op faults_op_write, faults_op_write_as_user, faults_op_append,
	faults_op_truncate, faults_op_open_trunc, faults_op_fallocate,
	faults_op_copy_range, faults_op_fsync;
faults_op faults_op_list, faults_op_stat, faults_op_read, faults_op_getxattr,
	faults_op_listxattr, faults_op_readlink, faults_op_statfs;
void faults_open_rw(struct faults_trial *t);
void faults_open_ro(struct faults_trial *t);
void faults_open_dir(struct faults_trial *t);
void faults_open_tmp(struct faults_trial *t);
/* Open to read, then written through another descriptor. */
void faults_open_moved(struct faults_trial *t);

/* What a file of the tree holds at `off`; what operations write there. */
unsigned char faults_byte(const char *path, long off);
unsigned char faults_new_byte(const struct faults_trial *t, long off);

/* Make the nodes of one place below `dir`. */
void faults_tree_make(const struct faults_node *tree, char where, int dir);
/* The node that made the file at `path`, under this name or another. */
const struct faults_node *faults_tree_file(const struct faults_node *tree,
					   const char *path);

/*
 * Look at all below `dir`. Inodes are told by the path that they had in
 * `base`; NULL: by their own.
 */
void faults_state_take(struct faults_state *out, int dir,
		       const struct faults_state *base);
void faults_state_free(struct faults_state *s);
const char *faults_state_label(const struct faults_state *s, uint64_t ino);
/* The first line that differs, as "was; is", or NULL. Allocated. */
char *faults_state_differ(const char *was, const char *is);
/* Copies without the times of directories, without setuid and setgid. */
char *faults_state_undated(const char *text);
char *faults_state_stripped(const char *text);
/* Of everything that must not change in a lower. */
uint64_t faults_state_sum(const char *path);

/* The mount and its daemon. */
struct faults_mount {
	char base[128]; /* below it: l1 l2 up work mnt store */
	const char *opts;
	bool template; /* the lower layer is one, made of l2 */
	struct fault_control *control;
	int pid, keeper; /* who serves, and who waits for it; or the same */
	uint32_t pids;
};

/* The control, and what is in $FAULT_CONTROL. */
void faults_mount_init(struct faults_mount *m, const char *base);
/* Empty folders. */
void faults_mount_fresh(struct faults_mount *m);
/* What is in l2 becomes the template, if there is one. */
void faults_mount_import(const struct faults_mount *m);
/* These give NULL, or a sentence that says what is wrong; allocated. */
char *faults_mount_begin(struct faults_mount *m); /* disarms */
char *faults_mount_end(struct faults_mount *m);
/* After that failed: nothing is left of it, and it has said why. */
char *faults_mount_refused(const struct faults_mount *m);
/* The process that was there at the beginning still serves. */
char *faults_mount_alive(const struct faults_mount *m);
/* It holds no descriptor that it should not when nothing is open. */
char *faults_mount_leaks(const struct faults_mount *m);
/* How many things are in work that nobody needs any more. */
unsigned faults_mount_leftover(const struct faults_mount *m, bool mounted);
/* Files in the index that have no name which shows. */
unsigned faults_mount_orphans(const struct faults_mount *m);
/* The kernel forgets what nobody uses. */
void faults_mount_shrink(const struct faults_mount *m);

/* A folder's descriptor: faults_mount_open(m, "mnt"). */
int faults_mount_open(const struct faults_mount *m, const char *folder);

#endif
