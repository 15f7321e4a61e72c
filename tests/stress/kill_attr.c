/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Operations on attributes, and on what belongs to no single file. */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tests/stress/kill.h"

static void op_chmod(struct kill_proc *p)
{
	struct kill_place at = kill_place_of(p, kill_pick(p, KILL_ANY));
	struct kill_node *n = &p->nodes[at.node];
	/* a directory must stay one that can be written to */
	uint32_t mode = 0700 | kill_random(p, 0100);

	if (!at.node || n->type == KILL_LINK)
		return;
	if (KILL_DO(p, 0, at.path, fchmodat(p->dir, at.path, mode, 0)) < 0)
		return;
	if (n->type == KILL_FILE)
		p->files[n->file].mode = mode;
	else
		n->mode = mode;
	kill_look(p, &at);
}

static void op_chown(struct kill_proc *p)
{
	struct kill_place at = kill_place_of(p, kill_pick(p, KILL_FILE));
	struct kill_file *f = &p->files[p->nodes[at.node].file];
	uint32_t uid = kill_random(p, 3000), gid = kill_random(p, 3000);

	if (!at.node)
		return;
	if (KILL_DO(p, 0, at.path,
		    fchownat(p->dir, at.path, uid, gid, AT_SYMLINK_NOFOLLOW)) <
	    0)
		return;
	f->uid = uid;
	f->gid = gid;
	kill_look(p, &at);
}

static void op_utimes(struct kill_proc *p)
{
	struct kill_place at = kill_place_of(p, kill_pick(p, KILL_FILE));
	struct timespec times[2] = {
		{ .tv_sec = 1000000000 + kill_random(p, 1000000) },
		{ .tv_sec = 1000000000 + kill_random(p, 1000000),
		  .tv_nsec = kill_random(p, 1000000000) },
	};

	if (!at.node)
		return;
	if (KILL_DO(p, 0, at.path, utimensat(p->dir, at.path, times, 0)) < 0)
		return;
	p->files[p->nodes[at.node].file].mtime =
		(int64_t)times[1].tv_sec * 1000000000 + times[1].tv_nsec;
	kill_look(p, &at);
}

static void check_attr(struct kill_proc *p, const struct kill_place *at)
{
	const struct kill_file *f = &p->files[p->nodes[at->node].file];
	uint32_t value = 0;

	if (KILL_DO(p, f->attr ? 0 : ENODATA, at->path,
		    lgetxattr(at->path, "user.kill", &value, sizeof(value))) <
	    0)
		return;
	if (value != f->attr)
		KILL_WRONG(p, "%s: user.kill is %u, expected %u", at->path,
			   value, f->attr);
}

static void op_setxattr(struct kill_proc *p)
{
	struct kill_place at = kill_place_of(p, kill_pick(p, KILL_FILE));
	struct kill_file *f = &p->files[p->nodes[at.node].file];
	uint32_t value = 1 + kill_random(p, 1u << 30);
	int flags = (int)kill_random(p, 3); /* 0, XATTR_CREATE, _REPLACE */
	int want = 0;

	if (!at.node)
		return;
	if (flags == XATTR_CREATE && f->attr)
		want = EEXIST;
	if (flags == XATTR_REPLACE && !f->attr)
		want = ENODATA;
	if (KILL_DO(p, want, at.path,
		    lsetxattr(at.path, "user.kill", &value, sizeof(value),
			      flags)) >= 0)
		f->attr = value;
	if (!p->broken)
		check_attr(p, &at);
}

static void op_removexattr(struct kill_proc *p)
{
	struct kill_place at = kill_place_of(p, kill_pick(p, KILL_FILE));
	struct kill_file *f = &p->files[p->nodes[at.node].file];

	if (!at.node)
		return;
	if (KILL_DO(p, f->attr ? 0 : ENODATA, at.path,
		    lremovexattr(at.path, "user.kill")) >= 0)
		f->attr = 0;
	if (!p->broken)
		check_attr(p, &at);
}

static void op_getxattr(struct kill_proc *p)
{
	struct kill_place at = kill_place_of(p, kill_pick(p, KILL_FILE));
	char list[256];
	long n;

	if (!at.node)
		return;
	check_attr(p, &at);
	n = KILL_DO(p, 0, at.path, llistxattr(at.path, list, sizeof(list)));
	if (n >= 0 && !memmem(list, (size_t)n, "user.kill", 10) !=
			      !p->files[p->nodes[at.node].file].attr)
		KILL_WRONG(p, "%s: user.kill is %slisted", at.path,
			   n ? "" : "not ");
}

static void op_statfs(struct kill_proc *p)
{
	struct statvfs st;

	if (KILL_DO(p, 0, ".", fstatvfs(p->dir, &st)) < 0)
		return;
	if (!st.f_bsize || !st.f_blocks || st.f_namemax != 255)
		KILL_WRONG(p,
			   "statfs: blocks of %lu, %lu of them, names of %lu",
			   st.f_bsize, (unsigned long)st.f_blocks,
			   st.f_namemax);
}

static void op_sync_dir(struct kill_proc *p)
{
	struct kill_place at = kill_place_of(p, kill_pick(p, KILL_DIR));
	int fd = (int)KILL_DO(p, 0, at.path,
			      openat(p->dir, at.path,
				     O_RDONLY | O_DIRECTORY | O_CLOEXEC));

	if (fd < 0)
		return;
	KILL_DO(p, 0, at.path, fsync(fd));
	kill_close(p, fd, at.path);
}

static int run_program(const char *path)
{
	char *args[] = { (char *)"prog", (char *)"seven", NULL },
	     *none[] = { NULL };
	int status;
	pid_t pid;

	errno = posix_spawn(&pid, path, NULL, NULL, args, none);
	if (errno)
		return -1;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return status;
}

/* The program is the one that asks: it ends with 7. */
static void op_exec(struct kill_proc *p)
{
	long status = KILL_DO(p, 0, "bin/prog", run_program("../../bin/prog"));

	if (status >= 0 && (!WIFEXITED(status) || WEXITSTATUS(status) != 7))
		KILL_WRONG(p, "bin/prog: ended with %#lx", status);
}

static void op_access(struct kill_proc *p)
{
	struct kill_place at = kill_pick_place(p);

	KILL_DO(p, at.node ? 0 : ENOENT, at.path,
		faccessat(p->dir, at.path, F_OK, AT_SYMLINK_NOFOLLOW));
}

const struct kill_op kill_attr_ops[] = {
	{ "chmod", 4, op_chmod },
	{ "chown", 4, op_chown },
	{ "utimes", 4, op_utimes },
	{ "setxattr", 4, op_setxattr },
	{ "removexattr", 2, op_removexattr },
	{ "getxattr", 3, op_getxattr },
	{ "statfs", 2, op_statfs },
	{ "sync-dir", 1, op_sync_dir },
	{ "exec", 1, op_exec },
	{ "access", 3, op_access },
	{ NULL, 0, NULL },
};
