/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/proc/groupwalk.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "fs/base/cleanup.h"
#include "fs/base/fdio.h"

#define GROUPS_MAX 1024u
#define DEPTH_MAX 16u

struct walk {
	groupwalk_fn fn;
	void *ctx;
	unsigned left; /* groups that may still be looked at */
};

static int walk(struct walk *w, int dir, unsigned depth)
{
	_cleanup_closedir_ DIR *d = NULL;
	const struct dirent *e;
	struct stat st;
	int r;

	if (w->left == 0)
		return 0;
	w->left--;
	r = w->fn(w->ctx, dir, depth);
	/* Two links where there is nothing below. */
	if (r < 0 || depth >= DEPTH_MAX || fstat(dir, &st) < 0 ||
	    st.st_nlink <= 2)
		return r;
	r = fdio_opendir(fdio_openat(dir, ".", O_RDONLY | O_DIRECTORY, 0), &d);
	if (r < 0)
		return depth ? 0 : r;
	while (r == 0 && (e = readdir(d)) != NULL) {
		_cleanup_close_ int fd = -1;

		if (e->d_type != DT_DIR || e->d_name[0] == '.')
			continue;
		fd = fdio_openat(dir, e->d_name, O_RDONLY | O_DIRECTORY, 0);
		if (fd >= 0)
			r = walk(w, fd, depth + 1);
	}
	return r;
}

int groupwalk(int dir, groupwalk_fn fn, void *ctx)
{
	struct walk w = { .fn = fn, .ctx = ctx, .left = GROUPS_MAX };

	return walk(&w, dir, 0);
}
