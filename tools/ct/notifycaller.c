/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/ct/notifycaller.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "fs/base/array.h"
#include "fs/base/cleanup.h"
#include "fs/base/parse.h"

#define PAGE 4096u
#define STATUS_MAX (1u << 20) /* 65536 groups, and the rest */

void notifycaller_close(struct notifycaller *c)
{
	if (c->mem >= 0)
		close(c->mem);
	if (c->proc >= 0)
		close(c->proc);
	c->mem = c->proc = -1;
}

bool notifycaller_waits(const struct notifycaller *c)
{
	uint64_t id = c->id;

	return ioctl(c->listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0;
}

int notifycaller_open(struct notifycaller *c, int listener,
		      const struct seccomp_notif *n)
{
	char path[32];

	*c = (struct notifycaller){ .listener = listener,
				    .id = n->id,
				    .abi = notifyabi_find(n->data.arch),
				    .proc = -1,
				    .mem = -1 };
	if (!c->abi)
		return -ENOSYS;
	snprintf(path, sizeof(path), "/proc/%u", n->pid);
	c->proc = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (c->proc >= 0)
		c->mem = openat(c->proc, "mem", O_RDWR | O_CLOEXEC);
	if (c->mem < 0 && (errno == EMFILE || errno == ENFILE))
		goto failed;
	if (c->mem < 0 || !notifycaller_waits(c)) {
		errno = ESRCH;
		goto failed;
	}
	return 0;
failed:
	notifycaller_close(c);
	return -errno;
}

/* Memory. */

/* Offsets of files are signed: what is above is no address of a program. */
static bool is_address(uint64_t at, size_t len)
{
	return at <= INT64_MAX - len;
}

int notifycaller_read(const struct notifycaller *c, uint64_t at, void *buf,
		      size_t len)
{
	return is_address(at, len) && pread(c->mem, buf, len, (off_t)at) ==
					      (ssize_t)len
		       ? 0
		       : -EFAULT;
}

int notifycaller_write(const struct notifycaller *c, uint64_t at,
		       const void *buf, size_t len)
{
	return is_address(at, len) && pwrite(c->mem, buf, len, (off_t)at) ==
					      (ssize_t)len
		       ? 0
		       : -EFAULT;
}

int notifycaller_string(const struct notifycaller *c, uint64_t at, char *buf,
			size_t len)
{
	size_t n = 0;

	if (!is_address(at, len))
		return -EFAULT;
	/* A page at a time: the next one may not be there. */
	while (n < len) {
		size_t k = PAGE - (at + n) % PAGE;
		ssize_t got;

		if (k > len - n)
			k = len - n;
		got = pread(c->mem, buf + n, k, (off_t)(at + n));
		if (got <= 0)
			return -EFAULT;
		if (memchr(buf + n, 0, (size_t)got))
			return 0;
		n += (size_t)got;
	}
	return -ENAMETOOLONG;
}

/* Who it is. */

/* All of a small file of /proc, NUL behind it; the caller's. */
static char *read_all(int dir, const char *name)
{
	_cleanup_close_ int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	_cleanup_free_ char *text = NULL;
	size_t room = 0, n = 0;
	ssize_t k;

	if (fd < 0)
		return NULL;
	do {
		if (n + 1 >= room) {
			char *more;

			room = room ? 4 * room : 4096;
			more = room <= STATUS_MAX ? realloc(text, room) : NULL;
			if (!more)
				return NULL;
			text = more;
		}
		k = read(fd, text + n, room - 1 - n);
		if (k < 0)
			return NULL;
		n += (size_t)k;
	} while (k > 0);
	text[n] = '\0';
	return TAKE_PTR(text);
}

/* What stands behind `key` at the beginning of a line, or NULL. */
static const char *find_line(const char *text, const char *key)
{
	const char *at = strstr(text, key);

	return at ? at + strlen(key) : NULL;
}

static const char *skip_blanks(const char *p)
{
	return p + strspn(p, " \t");
}

/* The `at`th number of a line. */
static int take_number(const char *p, unsigned at, uint32_t *out)
{
	uint64_t n;

	if (!p)
		return -EINVAL;
	do {
		p = skip_blanks(p);
		if (parse_u64_at(&p, UINT32_MAX, &n) < 0)
			return -EINVAL;
	} while (at-- > 0);
	*out = (uint32_t)n;
	return 0;
}

static int take_groups(const char *p, struct notifycaller_who *w)
{
	size_t room = 0;
	uint64_t n;

	for (p = skip_blanks(p ? p : ""); *p && *p != '\n';
	     p = skip_blanks(p)) {
		if (parse_u64_at(&p, UINT32_MAX, &n) < 0)
			return -EINVAL;
		if (ARRAY_FIT(w->groups, room, w->n_groups + 1) < 0)
			return -ENOMEM;
		w->groups[w->n_groups++] = (gid_t)n;
	}
	return 0;
}

int notifycaller_who(const struct notifycaller *c, struct notifycaller_who *w)
{
	_cleanup_free_ char *text = read_all(c->proc, "status");
	const char *caps;
	struct stat st;
	int r;

	*w = (struct notifycaller_who){ .groups = NULL };
	if (!text || fstatat(c->proc, "ns/user", &st, 0) < 0)
		return -ESRCH;
	w->userns = st.st_ino;
	/* Newlines in its name are written as \n: a line is the kernel's. */
	caps = find_line(text, "\nCapEff:\t");
	if (!caps || take_number(find_line(text, "\nUid:"), 1, &w->euid) < 0 ||
	    take_number(find_line(text, "\nGid:"), 1, &w->egid) < 0)
		return -ESRCH;
	w->caps = strtoull(caps, NULL, 16);
	r = take_groups(find_line(text, "\nGroups:"), w);
	if (r < 0)
		notifycaller_who_free(w);
	return r;
}

void notifycaller_who_free(struct notifycaller_who *w)
{
	free(w->groups);
	*w = (struct notifycaller_who){ .groups = NULL };
}

int notifycaller_tid(const struct notifycaller *c, uint32_t *tid)
{
	_cleanup_free_ char *text = read_all(c->proc, "status");
	const char *line = text ? find_line(text, "\nNSpid:") : NULL;
	unsigned at = 0;

	/* From our namespace down to its own. */
	while (take_number(line, at, tid) == 0)
		at++;
	return at ? 0 : -ESRCH;
}

bool notifycaller_in_group(const struct notifycaller_who *w, gid_t gid)
{
	if (w->egid == gid)
		return true;
	for (size_t i = 0; i < w->n_groups; i++)
		if (w->groups[i] == gid)
			return true;
	return false;
}

int notifycaller_host_id(const struct notifycaller *c, bool group, uint32_t id,
			 uint32_t *host)
{
	_cleanup_free_ char *text =
		read_all(c->proc, group ? "gid_map" : "uid_map");

	for (const char *line = text; line && *line;) {
		uint32_t first, below, count;
		const char *end = strchr(line, '\n');

		if (take_number(line, 0, &first) == 0 &&
		    take_number(line, 1, &below) == 0 &&
		    take_number(line, 2, &count) == 0 && id >= first &&
		    id - first < count) {
			*host = below + (id - first);
			return 0;
		}
		line = end ? end + 1 : NULL;
	}
	return -EINVAL;
}

int notifycaller_device(const struct notifycaller *c, int fd, dev_t *dev)
{
	_cleanup_close_ int its = -1;
	struct statx sx;
	char name[24];

	snprintf(name, sizeof(name), "fd/%d", fd);
	if (fd >= 0)
		its = openat(c->proc, name, O_PATH | O_CLOEXEC);
	if (its < 0 ||
	    statx(its, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, 0, &sx) < 0)
		return -EBADF;
	*dev = makedev(sx.stx_dev_major, sx.stx_dev_minor);
	return 0;
}
