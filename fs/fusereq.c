/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/fusereq.h"

#include "fs/hostlimit.h"
#include "fs/itablecount.h"

_Thread_local bool fusereq_acl_kills_sgid;

struct fuse_server *fusereq_server(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

struct overlay *fusereq_overlay(fuse_req_t req)
{
	return fusereq_server(req)->o;
}

void fusereq_err(fuse_req_t req, int r)
{
	fuse_reply_err(req, -hostlimit_error(fusereq_overlay(req), r));
}

double fusereq_ttl(fuse_req_t req, struct inode *i)
{
	/* What two nodeids share can change by the other one. */
	if (itable_flags(fusereq_overlay(req)->inodes, i) & INODE_SPLIT)
		return 0;
	return fusereq_server(req)->ttl;
}

/* The kernel is told of `i` once more; undone if it did not listen. */
void fusereq_fill(fuse_req_t req, struct inode *i, const struct stat *st,
		  struct fuse_entry_param *e)
{
	struct itable *t = fusereq_overlay(req)->inodes;
	uint64_t nodeid = itable_nodeid(t, i);

	if (slot_current())
		slot_tell(nodeid);
	else
		itablecount_add(t, i);
	*e = (struct fuse_entry_param){
		.ino = nodeid,
		.attr = *st,
		.attr_timeout = fusereq_ttl(req, i),
		.entry_timeout = fusereq_server(req)->ttl,
	};
}

void fusereq_entry(fuse_req_t req, struct inode *i, const struct stat *st)
{
	struct overlay *o = fusereq_overlay(req);
	struct fuse_entry_param e;

	fusereq_fill(req, i, st, &e);
	if (fuse_reply_entry(req, &e) != 0)
		itablecount_forget(o->inodes, e.ino, 1);
}

void fusereq_attr(fuse_req_t req, struct inode *i, const struct stat *st)
{
	fuse_reply_attr(req, st, fusereq_ttl(req, i));
}

struct create_spec fusereq_spec(fuse_req_t req, mode_t mode)
{
	const struct fuse_ctx *c = fuse_req_ctx(req);

	return (struct create_spec){
		.mode = mode, .uid = c->uid, .gid = c->gid, .umask = c->umask
	};
}
