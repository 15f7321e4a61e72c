/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/proc/procinside.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "fs/base/cleanup.h"
#include "fs/base/fdio.h"
#include "fs/proc/procfd.h"
#include "fs/proc/proctext.h"

#define PTYS_MAX 65536u
#define ENTRIES 8192u

/* "36 35 0:3 ROOT AT opts ... - TYPE source SUPEROPTIONS" */
static bool find_type(const char *mountinfo, uint64_t id, struct proctext *type)
{
	struct proctext line, word;
	uint64_t n;

	while (proctext_line(&mountinfo, &line)) {
		if (!proctext_word(&line, &word) || !proctext_u64(&word, &n) ||
		    n != id)
			continue;
		while (proctext_word(&line, &word))
			if (proctext_is(&word, "-"))
				return proctext_word(&line, type);
	}
	return false;
}

bool procinside_is_type(const char *mountinfo, uint64_t id, const char *type)
{
	struct proctext found;

	return find_type(mountinfo, id, &found) && proctext_is(&found, type);
}

bool procinside_is_quick(const char *mountinfo, uint64_t id)
{
	static const char *const slow[] = { "fuse", "nfs",    "cifs",	 "9p",
					    "ceph", "autofs", "virtiofs" };
	struct proctext type;

	if (!find_type(mountinfo, id, &type))
		return false;
	for (unsigned i = 0; i < ARRAY_SIZE(slow); i++)
		if (type.len >= strlen(slow[i]) &&
		    strncmp(type.s, slow[i], strlen(slow[i])) == 0)
			return proctext_is(&type, "fuse.vefs");
	return true;
}

/* Which mount is it on? Asks no filesystem, as fstatfs(2) would. */
static bool mount_of(int fd, uint64_t *id)
{
	struct statx st;

	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_MNT_ID,
		  &st) < 0 ||
	    !(st.stx_mask & STATX_MNT_ID))
		return false;
	*id = st.stx_mnt_id;
	return true;
}

/* A name in a directory on a filesystem of the kernel's own, or ours. */
static int step(const char *mounts, int dir, const char *name)
{
	uint64_t id;

	if (!mount_of(dir, &id) || !procinside_is_quick(mounts, id))
		return -EXDEV;
	return fdio_resolve(dir, name, O_PATH | O_DIRECTORY,
			    RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH);
}

int procinside_open(int host, pid_t init, const char *path, const char *type)
{
	_cleanup_strbuf_ struct strbuf mounts = STRBUF_INIT;
	_cleanup_close_ int at = -1;
	char name[48];
	uint64_t id;

	snprintf(name, sizeof(name), "%d/mountinfo", init);
	procfd_read_at(host, name, &mounts);
	snprintf(name, sizeof(name), "%d/root", init);
	at = openat(host, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (at < 0)
		return -errno;
	while (*path) {
		int next;

		snprintf(name, sizeof(name), "%.*s", (int)strcspn(path, "/"),
			 path);
		path += strcspn(path, "/");
		path += *path == '/';
		next = step(strbuf_get(&mounts), at, name);
		if (next < 0)
			return next;
		close(at);
		at = next;
	}
	if (!mount_of(at, &id) ||
	    !procinside_is_type(strbuf_get(&mounts), id, type))
		return -EXDEV;
	return fdio_reopen(at, O_RDONLY | O_DIRECTORY);
}

bool procinside_has_own(int host, pid_t init, const char *kind)
{
	struct stat own, its;
	char name[64];

	snprintf(name, sizeof(name), "thread-self/ns/%s", kind);
	if (fstatat(host, name, &own, 0) < 0)
		return false;
	snprintf(name, sizeof(name), "%d/ns/%s", init, kind);
	return fstatat(host, name, &its, 0) == 0 && own.st_ino != its.st_ino;
}

int procinside_proc(int host, pid_t init)
{
	_cleanup_close_ int proc = -1;
	struct stat its, there;
	char name[48];

	if (!procinside_has_own(host, init, "pid"))
		return -EXDEV;
	proc = procinside_open(host, init, "proc", "proc");
	if (proc < 0)
		return proc;
	/* Before it has a root of its own, it sees ours. */
	snprintf(name, sizeof(name), "%d/ns/pid", init);
	if (fstatat(host, name, &its, 0) < 0 ||
	    fstatat(proc, "1/ns/pid", &there, 0) < 0)
		return -errno;
	return its.st_ino == there.st_ino ? TAKE_FD(proc) : -EXDEV;
}

int procinside_pts(int host, pid_t init)
{
	_cleanup_close_ int pts =
		procinside_open(host, init, "dev/pts", "devpts");
	struct stat own, its;

	if (pts < 0)
		return pts;
	if (fstat(pts, &its) < 0)
		return -errno;
	if (fstatat(host, "self/root/dev/pts", &own, 0) == 0 &&
	    own.st_dev == its.st_dev)
		return -EXDEV;
	return TAKE_FD(pts);
}

uint64_t procinside_count_ptys(int devpts)
{
	char buf[ENTRIES] __attribute__((aligned(8)));
	uint64_t count = 0;
	ssize_t n;

	if (devpts < 0 || lseek(devpts, 0, SEEK_SET) < 0)
		return 0;
	while (count < PTYS_MAX &&
	       (n = getdents64(devpts, buf, sizeof(buf))) > 0)
		for (ssize_t at = 0; at < n;) {
			const struct dirent64 *e = (const void *)(buf + at);

			count += e->d_name[0] >= '0' && e->d_name[0] <= '9';
			at += e->d_reclen;
		}
	return count;
}
