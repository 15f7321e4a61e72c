/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/base/array.h"

#include <stdlib.h>

#define FIRST 64u

void *array_fit(void *p, size_t *room, size_t n, size_t unit)
{
	size_t more = *room ? *room : FIRST, bytes;

	if (n <= *room)
		return p;
	while (more < n) {
		if (__builtin_mul_overflow(more, 2, &more))
			return NULL;
	}
	if (__builtin_mul_overflow(more, unit, &bytes))
		return NULL;
	p = realloc(p, bytes);
	if (p)
		*room = more;
	return p;
}
