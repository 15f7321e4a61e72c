/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TEMPLATES_PIPELINE_H
#define VEFS_TEMPLATES_PIPELINE_H

/*
 * pipeline - digesting and writing files in threads of their own, while the
 * one that reads goes on to the next. Memory is bounded: who is ahead waits.
 *
 * One thread feeds. Files come one after the other: begin, data in the order
 * of offsets, end. What became of each is given to `done` by the feeding
 * thread, inside its own calls. An error of any file is given back by the next
 * call, and by all after it.
 */
#include <stdbool.h>
#include <stdint.h>

#include "templates/object.h"

struct pipeline;

typedef int (*pipeline_done_fn)(void *ctx, uint64_t ino,
				const struct object_put *put);

/* 0, -ENOMEM, -EAGAIN no threads. `pool` is borrowed. */
int pipeline_new(struct pipeline **out, const struct object_pool *pool,
		 pipeline_done_fn done, void *ctx);
/* What is under way is forgotten. */
void pipeline_free(struct pipeline *p);

int pipeline_begin(struct pipeline *p, uint64_t ino, bool sparse);
int pipeline_data(struct pipeline *p, uint64_t off, const void *data,
		  size_t len);
int pipeline_end(struct pipeline *p, uint64_t size);

/* Wait until all is done. */
int pipeline_drain(struct pipeline *p);

#endif
