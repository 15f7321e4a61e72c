/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TESTS_STRESS_POWERCUT_DO_H
#define VEFS_TESTS_STRESS_POWERCUT_DO_H

/*
 * powercut_do - what filling the lowers and the load both do to a file. 0, or
 * -1 with errno.
 */
#include "tests/stress/powercut_model.h"

/* The bytes of an operation with that number. */
int pc_put_bytes(int fd, const struct pc_model *m, const struct pc_op *op,
		 uint32_t number);
int pc_set_attr(int fd, unsigned value);

#endif
