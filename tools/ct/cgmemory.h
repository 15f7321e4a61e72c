/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_CT_CGMEMORY_H
#define VEFS_TOOLS_CT_CGMEMORY_H

/* cgmemory - RAM and swap of a payload. */
#include "tools/ct/cgchange.h"

/*
 * SPEC_RAM and SPEC_SWAP of `c`. A limit below what is in use is made by
 * freeing the rest; -EBUSY where that cannot be: nobody is killed for it.
 */
int cgmemory_set(struct cgchange *c);

#endif
