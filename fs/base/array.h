/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_BASE_ARRAY_H
#define VEFS_FS_BASE_ARRAY_H

/*
 * array - an array that doubles when it is full. Its owner keeps a pointer,
 * for free(3), and how many elements fit.
 */
#include <errno.h>
#include <stddef.h>

/*
 * Room for `n` elements of `unit` bytes, n > 0. `p` is the array, NULL where
 * there is none yet; `*room` how many fit. Returns where it is now, with *room
 * at least n; NULL without memory: `p` and *room are as they were.
 */
void *array_fit(void *p, size_t *room, size_t n, size_t unit);

/* The same for the variables `p` and `room`: 0 or -ENOMEM. */
#define ARRAY_FIT(p, room, n)                                                  \
	({                                                                     \
		void *fit_ = array_fit((p), &(room), (n), sizeof(*(p)));       \
		if (fit_)                                                      \
			(p) = fit_;                                            \
		fit_ ? 0 : -ENOMEM;                                            \
	})

#endif
