/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/fusewire.h"

#include <linux/fuse.h>
#include <sys/uio.h>

#include "fs/base/cleanup.h"

/* Newer than the headers that we build with. */
#define NOTIFY_RESEND 7
#define INIT_EXT (1u << 30)
#define HAS_RESEND (1u << (39 - 32)) /* in flags2 */

static const char *const names[] = {
	[FUSE_LOOKUP] = "LOOKUP",
	[FUSE_FORGET] = "FORGET",
	[FUSE_GETATTR] = "GETATTR",
	[FUSE_SETATTR] = "SETATTR",
	[FUSE_READLINK] = "READLINK",
	[FUSE_SYMLINK] = "SYMLINK",
	[FUSE_MKNOD] = "MKNOD",
	[FUSE_MKDIR] = "MKDIR",
	[FUSE_UNLINK] = "UNLINK",
	[FUSE_RMDIR] = "RMDIR",
	[FUSE_RENAME] = "RENAME",
	[FUSE_LINK] = "LINK",
	[FUSE_OPEN] = "OPEN",
	[FUSE_READ] = "READ",
	[FUSE_WRITE] = "WRITE",
	[FUSE_STATFS] = "STATFS",
	[FUSE_RELEASE] = "RELEASE",
	[FUSE_FSYNC] = "FSYNC",
	[FUSE_SETXATTR] = "SETXATTR",
	[FUSE_GETXATTR] = "GETXATTR",
	[FUSE_LISTXATTR] = "LISTXATTR",
	[FUSE_REMOVEXATTR] = "REMOVEXATTR",
	[FUSE_FLUSH] = "FLUSH",
	[FUSE_INIT] = "INIT",
	[FUSE_OPENDIR] = "OPENDIR",
	[FUSE_READDIR] = "READDIR",
	[FUSE_RELEASEDIR] = "RELEASEDIR",
	[FUSE_FSYNCDIR] = "FSYNCDIR",
	[FUSE_ACCESS] = "ACCESS",
	[FUSE_CREATE] = "CREATE",
	[FUSE_INTERRUPT] = "INTERRUPT",
	[FUSE_IOCTL] = "IOCTL",
	[FUSE_BATCH_FORGET] = "BATCH_FORGET",
	[FUSE_FALLOCATE] = "FALLOCATE",
	[FUSE_READDIRPLUS] = "READDIRPLUS",
	[FUSE_RENAME2] = "RENAME2",
	[FUSE_LSEEK] = "LSEEK",
	[FUSE_COPY_FILE_RANGE] = "COPY_FILE_RANGE",
	[FUSEWIRE_TMPFILE] = "TMPFILE",
	[52] = "STATX",
};

bool fusewire_parse(const void *request, size_t len,
		    struct fusewire_request *out)
{
	const struct fuse_in_header *h = request;

	if (len < sizeof(*h))
		return false;
	out->unique = h->unique & ~FUSEWIRE_AGAIN;
	out->again = h->unique & FUSEWIRE_AGAIN;
	out->nodeid = h->nodeid;
	out->opcode = h->opcode;
	return true;
}

const char *fusewire_name(uint32_t opcode)
{
	return opcode < ARRAY_SIZE(names) && names[opcode] ? names[opcode]
							   : "request";
}

bool fusewire_is_silent(uint32_t opcode)
{
	return opcode == FUSE_FORGET || opcode == FUSE_BATCH_FORGET ||
	       opcode == FUSE_INTERRUPT;
}

uint32_t fusewire_caller(const void *request, size_t len)
{
	const struct fuse_in_header *h = request;

	if (len < sizeof(*h) || fusewire_is_silent(h->opcode) ||
	    h->opcode == FUSE_RELEASE || h->opcode == FUSE_RELEASEDIR)
		return 0;
	return h->pid;
}

bool fusewire_can_resend(const void *init, size_t len)
{
	/* major, minor, max_readahead, flags, flags2 */
	const uint32_t *in =
		(const void *)((const struct fuse_in_header *)init + 1);

	return len >= sizeof(struct fuse_in_header) + 5 * sizeof(*in) &&
	       (in[3] & INIT_EXT) && (in[4] & HAS_RESEND);
}

static int send_header(int fd, uint64_t unique, int32_t error)
{
	struct fuse_out_header h = { sizeof(h), error, unique };

	return write(fd, &h, sizeof(h)) < 0 ? -errno : 0;
}

int fusewire_resend(int fd)
{
	return send_header(fd, 0, NOTIFY_RESEND);
}

int fusewire_refuse(int fd, uint64_t unique, int r)
{
	return send_header(fd, unique, r);
}

/* Nothing is stored: only an unknown inode is an error. */
int fusewire_knows(int fd, uint64_t nodeid)
{
	struct fuse_notify_store_out store = { .nodeid = nodeid };
	struct fuse_out_header h = { sizeof(h) + sizeof(store),
				     FUSE_NOTIFY_STORE, 0 };
	struct iovec iov[] = { { &h, sizeof(h) }, { &store, sizeof(store) } };

	if (writev(fd, iov, ARRAY_SIZE(iov)) >= 0)
		return 1;
	return errno == ENOENT ? 0 : -errno;
}
