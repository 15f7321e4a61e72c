/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_CT_CGCHANGE_H
#define VEFS_TOOLS_CT_CGCHANGE_H

/*
 * cgchange - a change of several limits that is made as a whole: what those
 * that know one kind of limit (cglimit, cgmemory, cgio) share.
 */
#include "tools/ct/cgrouppriv.h"
#include "tools/ct/knob.h"

struct cgchange {
	const struct cgroup *g;
	const struct spec_limits *l;
	uint32_t may_lack; /* as given to cgroup_set() */
	uint32_t lacks;	   /* those of them that did */
	struct knob_journal journal;
	struct why *why;
};

/*
 * The hierarchy that has `controller`, if vefs/NAME is there; -1: none. Its
 * version goes into *version.
 */
int cgchange_hier(const struct cgchange *c, enum hier_controller controller,
		  int *version);

/* Nothing here can limit `n`: 0 if that may be, else -EOPNOTSUPP. */
int cgchange_lack(struct cgchange *c, enum spec_number n);

/*
 * Write a file below vefs/NAME, to be taken back by what it was. Errors are
 * told, but -ENOENT is not: there is no such file.
 */
int cgchange_write(struct cgchange *c, int i, const char *path,
		   const char *text);
/* The same with a number; SPEC_UNLIMITED as `unlimited`. */
int cgchange_number(struct cgchange *c, int i, const char *path, uint64_t value,
		    const char *unlimited);

/* As people know it: "cpuunits". */
const char *cgchange_word(enum spec_number n);

#endif
