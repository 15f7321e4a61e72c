/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tests/stress/faults.h"

unsigned char faults_byte(const char *path, long off)
{
	return (unsigned char)(1 + ((unsigned long)off * 7 +
				    (unsigned long)off / 251 +
				    (unsigned char)path[0]) %
					   255);
}

unsigned char faults_new_byte(const struct faults_trial *t, long off)
{
	/* copy_file_range(2) has a source, write(2) has not. */
	if (t->s->op == faults_op_copy_range)
		return faults_byte(t->s->a, off);
	return (unsigned char)(255 - (unsigned long)off % 250);
}

const struct faults_node *faults_tree_file(const struct faults_node *tree,
					   const char *path)
{
	const struct faults_node *n = tree;

	while (n->path)
		n++;
	/* Back from the last that happened to the first. */
	while (n-- > tree) {
		if (n->what == 'f' && strcmp(n->path, path) == 0)
			return n;
		if (n->what == 'h' && strcmp(n->path, path) == 0)
			path = n->arg;
		else if (n->what == 'v' && strcmp(n->arg, path) == 0)
			path = n->path;
	}
	faults_die("no file %s in the tree", path);
}

/* A file capability, version 2: net_bind_service. */
static const unsigned char capability[20] = { 1, 0, 0, 2, 0, 4 };

/* A default ACL: rwx r-x r-x, and one named user, so that it has a mask. */
static const struct {
	uint32_t version;
	struct {
		uint16_t tag, perm;
		uint32_t id;
	} e[5];
} acl = { 2,
	  { { 1, 7, ~0u },
	    { 2, 7, 77 },
	    { 4, 5, ~0u },
	    { 16, 7, ~0u },
	    { 32, 5, ~0u } } };

static int make_file(const struct faults_node *n, int dir)
{
	int fd = openat(dir, n->path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC,
			0640);
	char *buf = malloc((size_t)n->n + 1);
	int r = -1;

	if (fd >= 0 && buf) {
		for (long i = 0; i < n->n; i++)
			buf[i] = (char)faults_byte(n->path, i);
		r = write(fd, buf, (size_t)n->n) == n->n ? 0 : -1;
	}
	free(buf);
	if (fd >= 0)
		close(fd);
	return r;
}

static int make_attr(const struct faults_node *n, int dir)
{
	char path[128];

	snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", dir, n->path);
	switch (n->what) {
	case 'o':
		return mkdirat(dir, n->path, 0755) ||
		       lsetxattr(path, "trusted.overlay.opaque", "y", 1, 0);
	case 'x':
		return lsetxattr(path, "user.key", n->arg, strlen(n->arg), 0);
	case 'A':
		return lsetxattr(path, "system.posix_acl_default", &acl,
				 sizeof(acl), 0);
	default:
		return lsetxattr(path, "security.capability", capability,
				 sizeof(capability), 0);
	}
}

static int make_one(const struct faults_node *n, int dir)
{
	switch (n->what) {
	case 'f':
		return make_file(n, dir);
	case 'd':
		return mkdirat(dir, n->path, 0755);
	case 's':
		return symlinkat(n->arg, dir, n->path);
	case 'h':
		return linkat(dir, n->arg, dir, n->path, 0);
	case 'p':
		return mknodat(dir, n->path, S_IFIFO | 0640, 0);
	case 'c':
		return mknodat(dir, n->path, S_IFCHR | 0640, makedev(1, 3));
	case 'w':
		return mknodat(dir, n->path, S_IFCHR, 0);
	case 'm':
		return fchmodat(dir, n->path, (mode_t)n->n, 0);
	case 'r':
		return unlinkat(dir, n->path, 0);
	case 'R':
		return unlinkat(dir, n->path, AT_REMOVEDIR);
	case 'v':
		return renameat(dir, n->path, dir, n->arg);
	default:
		return make_attr(n, dir);
	}
}

static void set_time(int dir, const char *path)
{
	struct timespec t[2] = { { .tv_sec = FAULTS_TIME_SET },
				 { .tv_sec = FAULTS_TIME_OLD } };

	if (utimensat(dir, path, t, AT_SYMLINK_NOFOLLOW) < 0 && errno != ENOENT)
		faults_die("utimensat %s: %s", path, strerror(errno));
}

static void set_parents_time(int dir, const char *path)
{
	char up[128];
	char *slash;

	snprintf(up, sizeof(up), "%s", path);
	while ((slash = strrchr(up, '/')) != NULL) {
		*slash = '\0';
		set_time(dir, up);
	}
	set_time(dir, ".");
}

void faults_tree_make(const struct faults_node *tree, char where, int dir)
{
	for (const struct faults_node *n = tree; n->path; n++) {
		if (n->where != where)
			continue;
		if (make_one(n, dir) != 0)
			faults_die("making %c %s: %s", n->what, n->path,
				   strerror(errno));
		if (strchr("fdspcho", n->what) &&
		    fchownat(dir, n->path, FAULTS_UID, FAULTS_GID,
			     AT_SYMLINK_NOFOLLOW) < 0)
			faults_die("chown %s: %s", n->path, strerror(errno));
	}
	for (const struct faults_node *n = tree; n->path; n++) {
		if (n->where != where)
			continue;
		if (strchr("fdspco", n->what))
			set_time(dir, n->path);
		set_parents_time(dir, n->path);
		if (n->what == 'v')
			set_parents_time(dir, n->arg);
	}
}
