/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_CT_DEVPROG_H
#define VEFS_TOOLS_CT_DEVPROG_H

/*
 * devprog - a device list as a program that the kernel asks (v2 has no
 * devices controller): assembled here, instruction by instruction.
 */
#include <linux/bpf.h>
#include <stddef.h>
#include <stdint.h>

#define DEVPROG_ANY UINT32_MAX /* every minor, or major */

enum {
	DEVPROG_READ = 1,
	DEVPROG_WRITE = 2,
	DEVPROG_MKNOD = 4,
	DEVPROG_ALL = 7
};

struct devprog_rule {
	char type; /* 'c' or 'b' */
	uint32_t major, minor;
	unsigned access; /* what is allowed; a request must be in one rule */
};

/* Room that a program of `n` rules takes, in instructions. */
#define DEVPROG_SIZE(n) (8 + 10 * (n))

/*
 * The program for these rules into `code`, which has DEVPROG_SIZE(n): it
 * allows what a rule does, and nothing else. The number of instructions.
 */
size_t devprog_assemble(struct bpf_insn *code, const struct devprog_rule *rules,
			size_t n);

/*
 * Let the program decide for the group `dir` (and those below), in place of an
 * earlier one of ours: at no time is there none. Programs of others stay.
 * -EOPNOTSUPP: the kernel has no such programs; -EPERM, -ENOMEM and others.
 */
int devprog_attach(int dir, const struct devprog_rule *rules, size_t n);

/* Take ours away. 0 also where there is none. */
int devprog_detach(int dir);

#endif
