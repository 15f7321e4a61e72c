/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/overlay.h"

#include "fs/dirlayer.h"

int overlay_upper_dir(struct overlay *o, const struct itable_view *v,
		      struct fdcache_ent **out)
{
	return dirlayer_dir(o->layers[REF_UPPER], &v->upper, out);
}

void overlay_attr_stale(struct overlay *o, const struct inode *i)
{
	if (o->stale)
		o->stale(o->stale_ctx, itable_nodeid(o->inodes, i));
}
