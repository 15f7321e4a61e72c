/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TESTS_STRESS_NS_H
#define VEFS_TESTS_STRESS_NS_H

/*
 * ns - what its parts share: the model, which lies in a file that all
 * processes map, without a pointer in it.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define NS_PROCS 4
#define NS_NODES 160   /* names of a process */
#define NS_DATAS 80    /* files of a process; a file has one or more names */
#define NS_BYTES 20000 /* the largest file */
#define NS_NAME 24     /* the longest name, with its NUL */
#define NS_FILL 900    /* operations that fill a subtree */
#define NS_OPEN 6      /* files kept open after their names are gone */
#define NS_TOGETHER 64 /* files that all copy up at the same time */
#define NS_SLOTS 24    /* names that all fight for */
#define NS_LINE 16     /* bytes of a line in the shared log */

enum ns_type { NS_FILE, NS_DIR, NS_LINK, NS_FIFO };

/* A name. Node 0 is the subtree's root. */
struct ns_node {
	bool used;
	uint8_t type;
	uint16_t parent;
	uint16_t data; /* of a file */
	char name[NS_NAME];
	uint32_t mode; /* of what is no file */
	uint64_t ino;
};

struct ns_data {
	uint16_t links; /* 0: free */
	uint32_t mode, uid, gid;
	uint32_t size;
	int64_t mtime; /* 0: not known */
	uint32_t attr; /* value of user.ns; 0: none */
	uint64_t ino;  /* 0: not seen yet */
	unsigned char bytes[NS_BYTES];
};

struct ns_proc {
	unsigned self, ops;
	uint64_t rand;
	int dir; /* its subtree, while it runs */
	bool no_links;
	struct ns_node nodes[NS_NODES];
	struct ns_data datas[NS_DATAS];
	struct {
		int fd; /* 0: none */
		struct ns_data was;
	} open[NS_OPEN];
};

struct ns_shared {
	_Atomic uint32_t arrived, round; /* a barrier */
	_Atomic uint32_t counter, appended;
	_Atomic uint32_t written[NS_TOGETHER]; /* a bit for each process */
	_Atomic uint32_t failed;
};

struct ns_state {
	struct ns_shared shared;
	struct ns_proc procs[NS_PROCS];
};

/* Tell what is wrong and end. */
void ns_fail(const struct ns_proc *p, const char *fmt, ...)
	__attribute__((format(printf, 2, 3), noreturn));
unsigned ns_random(struct ns_proc *p, unsigned below);

/* One operation in the process's own subtree. */
void ns_own(struct ns_proc *p);
/* Close what it keeps open. */
void ns_own_end(struct ns_proc *p);
/* The subtree is all that the model says, and nothing else. */
void ns_compare(struct ns_proc *p);
/* What is seen through a mount has numbers of its own. */
void ns_forget_numbers(struct ns_proc *p);

/* One operation in the shared directory. */
void ns_meet(struct ns_proc *p, struct ns_shared *s, int dir);
void ns_meet_begin(struct ns_shared *s);
void ns_check_together(struct ns_proc *p, const struct ns_shared *s, int dir,
		       unsigned n);

#endif
