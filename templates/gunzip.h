/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TEMPLATES_GUNZIP_H
#define VEFS_TEMPLATES_GUNZIP_H

/*
 * gunzip - what gzip compressed, with its check sums looked at (libarchive's
 * own filter does not). Bytes are fed in as they come and taken out.
 */
#include <stdbool.h>
#include <stddef.h>

struct gunzip;

/* NULL: no memory. */
struct gunzip *gunzip_new(void);
void gunzip_free(struct gunzip *g);

/* Do these bytes (two or more) begin like gzip? */
bool gunzip_is(const void *data, size_t len);

/* More input, borrowed until gunzip_take() has used it up. */
void gunzip_feed(struct gunzip *g, const void *data, size_t len);

/*
 * Up to `size` bytes of output. 0: feed more, or with no more to feed it is
 * the end. -EBADMSG: damaged. What follows the last member is left out.
 */
long gunzip_take(struct gunzip *g, void *out, size_t size);

/* With all fed: is it whole? */
bool gunzip_is_whole(const struct gunzip *g);

#endif
