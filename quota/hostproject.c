/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "quota/hostproject.h"

#include <fcntl.h>
#include <linux/dqblk_xfs.h>
#include <linux/fs.h>
#include <linux/quota.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "fs/base/cleanup.h"
#include "fs/base/flockwait.h"
#include "fs/base/parse.h"

#define UNIT (1u << QIF_DQBLKSIZE_BITS)
/* What holds an id until it gets its first limit. */
#define CLAIM (1ull << 50)
#define DEPTH 256 /* directories to the root of a mount, at most */

static int quota_call(int fd, unsigned cmd, uint32_t id, void *arg)
{
	if (syscall(SYS_quotactl_fd, fd, QCMD(cmd, PRJQUOTA), id, arg) < 0)
		return -errno;
	return 0;
}

int hostproject_probe(int fd, char *why, size_t len)
{
	struct fs_quota_statv st = { .qs_version = FS_QSTATV_VERSION1 };
	int r = quota_call(fd, Q_XGETQSTATV, 0, &st);

	if (r == 0 && (st.qs_flags & FS_QUOTA_PDQ_ENFD))
		return 0;
	if (r < 0 && r != -ENOSYS && r != -ESRCH && r != -EINVAL &&
	    r != -EOPNOTSUPP) {
		snprintf(why, len, "asking for its project quota: %s",
			 strerror(-r));
		return r;
	}
	if (r == 0 && (st.qs_flags & FS_QUOTA_PDQ_ACCT))
		snprintf(
			why, len,
			"its project quota is counted but not enforced: "
			"mount it with prjquota (XFS), or 'quotaon -P' (ext4)");
	else
		snprintf(why, len,
			 "its project quota is off: mount it with prjquota "
			 "(ext4 needs 'tune2fs -O project -Q prjquota' before, "
			 "both need a kernel that has it)");
	return -EOPNOTSUPP;
}

/* Choosing an id. */

/* Does a file of lines NAME:ID (or, `first`, ID:NAME) have it? */
static bool is_named_in(const char *path, bool first, uint32_t id)
{
	FILE *f = fopen(path, "re");
	_cleanup_free_ char *line = NULL;
	size_t room = 0;
	bool found = false;

	while (f && !found && getline(&line, &room, f) > 0) {
		char *colon = strchr(line, ':'), *word = line;
		uint32_t n;

		if (!colon || line[0] == '#')
			continue;
		*colon = '\0';
		if (!first)
			word = colon + 1;
		word[strcspn(word, " \t\n:")] = '\0';
		found = parse_u32(word, UINT32_MAX, &n) == 0 && n == id;
	}
	if (f)
		fclose(f);
	return found;
}

static bool is_named(uint32_t id)
{
	return is_named_in("/etc/projid", false, id) ||
	       is_named_in("/etc/projects", true, id);
}

static int choose(int fd, uint32_t *out)
{
	uint32_t id = HOSTPROJECT_FIRST;

	for (; id <= HOSTPROJECT_LAST; id++) {
		struct if_nextdqblk next = { .dqb_id = 0 };
		int r = quota_call(fd, Q_GETNEXTQUOTA, id, &next);

		if (r < 0 && r != -ENOENT && r != -ESRCH)
			return r;
		if ((r < 0 || next.dqb_id > id) && !is_named(id)) {
			*out = id;
			return 0;
		}
	}
	return -ENOSPC;
}

/* The root of the mount that a directory is in. */
static int open_root(int fd)
{
	_cleanup_close_ int at =
		openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct statx sx;

	for (int i = 0; at >= 0 && i < DEPTH; i++) {
		int up;

		if (statx(at, "", AT_EMPTY_PATH, STATX_INO, &sx) < 0)
			return -errno;
		if (sx.stx_attributes & STATX_ATTR_MOUNT_ROOT)
			return TAKE_FD(at);
		up = openat(at, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		close(at);
		at = up;
	}
	return at < 0 ? -errno : -ELOOP;
}

static int lock_root(int fd)
{
	_cleanup_close_ int root = open_root(fd);
	int r = root < 0 ? root : flockwait(root, LOCK_EX, FLOCKWAIT_ENDING);

	return r < 0 ? r : TAKE_FD(root);
}

static int put_id(int fd, uint32_t id)
{
	struct fsxattr x;

	if (ioctl(fd, FS_IOC_FSGETXATTR, &x) < 0)
		return -errno;
	x.fsx_projid = id;
	x.fsx_xflags |= FS_XFLAG_PROJINHERIT;
	return ioctl(fd, FS_IOC_FSSETXATTR, &x) < 0 ? -errno : 0;
}

int hostproject_give(int fd, char *why, size_t len)
{
	_cleanup_close_ int lock = lock_root(fd);
	uint32_t id = 0;
	int r = lock < 0 ? lock : choose(fd, &id);

	if (r == 0)
		r = hostproject_set(fd, id, CLAIM);
	if (r == 0) {
		r = put_id(fd, id);
		if (r < 0)
			hostproject_set(fd, id, 0);
	}
	if (r < 0)
		snprintf(why, len, "giving it a project: %s",
			 r == -ENOSPC ? "no id is free" : strerror(-r));
	return r;
}

int hostproject_of(int fd, uint32_t *id)
{
	struct fsxattr x;

	if (ioctl(fd, FS_IOC_FSGETXATTR, &x) < 0)
		return -errno;
	*id = x.fsx_xflags & FS_XFLAG_PROJINHERIT ? x.fsx_projid : 0;
	return 0;
}

/* Limits. */

int hostproject_set(int fd, uint32_t id, uint64_t limit)
{
	struct if_dqblk dq = { .dqb_valid = QIF_BLIMITS };

	dq.dqb_bhardlimit = limit / UNIT;
	if (limit && !dq.dqb_bhardlimit)
		dq.dqb_bhardlimit = 1;
	return quota_call(fd, Q_SETQUOTA, id, &dq);
}

int hostproject_get(int fd, uint32_t id, uint64_t *limit, uint64_t *used)
{
	struct if_dqblk dq = { .dqb_valid = 0 };
	int r = quota_call(fd, Q_GETQUOTA, id, &dq);

	if (r == -ENOENT)
		r = 0; /* XFS: nothing yet */
	if (r < 0)
		return r;
	*limit = dq.dqb_bhardlimit * UNIT;
	*used = dq.dqb_curspace;
	return 0;
}
