/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/procinto.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fs/base/cleanup.h"
#include "fs/base/strbuf.h"
#include "fs/proc/procfd.h"
#include "fs/proc/proctext.h"
#include "tools/ct/jailmount.h"

/*
 * What other runtimes' containers have of the host. Not what is told otherwise
 * there: which hierarchies of groups, which mounts, filesystems and devices.
 */
static const char *const covered[] = {
	"proc/cpuinfo",
	"proc/diskstats",
	"proc/loadavg",
	"proc/meminfo",
	"proc/partitions",
	"proc/stat",
	"proc/swaps",
	"proc/uptime",
	"proc/vmstat",
	"sys/block",
	"sys/devices/system/cpu",
};
#define COVERED ARRAY_SIZE(covered)
#define THERE_S 10

/* ---- in its mount namespace ------------------------------------------------- */

static bool is_kernels(const struct statfs *fs)
{
	return fs->f_type == PROC_SUPER_MAGIC || fs->f_type == SYSFS_MAGIC;
}

/* The places: descriptors; -ENOENT for what is not there. */
static int open_places(int at[COVERED])
{
	_cleanup_close_ int root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (root < 0)
		return -errno;
	for (size_t i = 0; i < COVERED; i++) {
		struct statfs fs;

		at[i] = jailmount_open(root, covered[i], O_PATH);
		if (at[i] < 0)
			continue;
		if (fstatfs(at[i], &fs) < 0)
			return -errno;
		if (!is_kernels(&fs))
			return fs.f_type == FUSE_SUPER_MAGIC ? -EBUSY
							     : -EMEDIUMTYPE;
	}
	return 0;
}

static int cover(const int parts[COVERED])
{
	int at[COVERED], r;

	for (size_t i = 0; i < COVERED; i++)
		at[i] = -1;
	r = open_places(at);

	for (size_t i = 0; r == 0 && i < COVERED; i++)
		if (at[i] >= 0)
			r = jailmount_attach(parts[i], at[i]);
	return r;
}

static int uncover(const int parts[COVERED])
{
	char path[64];

	(void)parts;
	for (size_t i = 0; i < COVERED; i++) {
		struct statfs fs;

		snprintf(path, sizeof(path), "/%s", covered[i]);
		if (statfs(path, &fs) == 0 && fs.f_type == FUSE_SUPER_MAGIC)
			umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW);
	}
	return 0;
}

/* ---- by a child that goes there ---------------------------------------------- */

static int do_there(int pidfd, int (*fn)(const int parts[COVERED]),
		    const int *parts)
{
	int status, r;
	pid_t pid = fork();

	if (pid < 0)
		return -errno;
	if (pid == 0) {
		/* what the container has mounted there may never answer */
		alarm(THERE_S);
		r = setns(pidfd, CLONE_NEWNS) < 0 ? -errno : fn(parts);
		_exit(-r);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -EINTR;
}

/* ---- whose mounts they are --------------------------------------------------- */

/* The peer group of a line of mountinfo; 0: it has none. */
static uint64_t peers(struct proctext line, struct proctext *where)
{
	struct proctext word;
	uint64_t n = 0;

	for (unsigned i = 0; i < 5; i++)
		if (!proctext_word(&line, where))
			return 0;
	while (proctext_word(&line, &word) && !proctext_is(&word, "-")) {
		struct proctext id = { word.s + 7, word.len - 7 };

		if (word.len > 7 && memcmp(word.s, "shared:", 7) == 0)
			proctext_u64(&id, &n);
	}
	return n;
}

static bool has_peers(const char *mounts, uint64_t group)
{
	struct proctext line, where;

	while (proctext_line(&mounts, &line))
		if (peers(line, &where) == group)
			return true;
	return false;
}

/* What is mounted on its /proc or /sys would be on ours as well. */
static bool comes_to_us(pid_t pid)
{
	_cleanup_strbuf_ struct strbuf its = STRBUF_INIT, own = STRBUF_INIT;
	struct proctext line, where;
	const char *cursor;
	char name[64];

	snprintf(name, sizeof(name), "/proc/%d/mountinfo", pid);
	procfd_read_at(AT_FDCWD, name, &its);
	procfd_read_at(AT_FDCWD, "/proc/self/mountinfo", &own);
	cursor = strbuf_get(&its);
	while (proctext_line(&cursor, &line)) {
		uint64_t group = peers(line, &where);

		if (group && has_peers(strbuf_get(&own), group))
			return true;
	}
	return false;
}

static bool has_our_mounts(pid_t pid)
{
	struct stat own, its;
	char name[64];

	snprintf(name, sizeof(name), "/proc/%d/ns/mnt", pid);
	return stat("/proc/self/ns/mnt", &own) < 0 || stat(name, &its) < 0 ||
	       own.st_ino == its.st_ino;
}

int procinto_cover(struct procserve *p, pid_t pid, int pidfd, struct why *why)
{
	int parts[COVERED];
	int r;

	if (has_our_mounts(pid) || comes_to_us(pid))
		return why_set(why, -EINVAL,
			       "process %d has no mounts of its own: what is "
			       "put over its /proc would be over the host's",
			       pid);
	r = procserve_parts(p, covered, COVERED, parts);
	if (r < 0)
		return why_sys(why, r, "virtual files");
	r = do_there(pidfd, cover, parts);
	for (size_t i = 0; i < COVERED; i++)
		close(parts[i]);
	if (r == -EBUSY)
		return why_set(why, r, "/proc of process %d is covered already",
			       pid);
	return r < 0 ? why_sys(why, r, "/proc of process %d", pid) : 0;
}

void procinto_uncover(int pidfd)
{
	do_there(pidfd, uncover, NULL);
}
