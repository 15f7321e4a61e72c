/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/ctinside.h"

#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/sendfile.h>

#include "fs/base/cleanup.h"
#include "tools/ctscript.h"
#include "tools/relay.h"

bool ctinside_is_there(const char *store, const struct attach_plan *where,
		       const char *when)
{
	char path[PATH_MAX];

	return ctscript_path(store, where->spec->id, when, path, NULL) == 0 &&
	       access(path, F_OK) == 0;
}

/* What it reads is not the file itself, which it could open for writing where
 * its root is the host's. */
static int open_copy(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	_cleanup_close_ int copy = -1;
	ssize_t n;

	if (fd < 0)
		return -errno;
	copy = memfd_create("script", MFD_CLOEXEC);
	if (copy < 0)
		return -errno;
	while ((n = sendfile(copy, fd, NULL, 1 << 20)) > 0)
		;
	if (n < 0 || lseek(copy, 0, SEEK_SET) < 0)
		return -errno;
	return TAKE_FD(copy);
}

/* Its output comes to ours. */
static int run_shell(const struct attach_plan *plan, const char *path,
		     struct why *why)
{
	struct attach_plan p = *plan;
	struct relay relay = { .n = 0 };
	struct attach a = { .pid = -1, .tty = -1 };
	int r = 0;

	for (int fd = 1; fd < 3; fd++) {
		p.stdio[fd] = relay_stdio(&relay, fd);
		if (p.stdio[fd] < 0)
			r = why_sys(why, p.stdio[fd], "%s", path);
	}
	if (r == 0)
		r = attach_run(&p, &a, why);
	for (int fd = 1; fd < 3; fd++)
		cleanup_closep(&p.stdio[fd]);
	if (r < 0)
		return r;
	relay.child = a.pid;
	return ctscript_ended(relay_run(&relay), path, why);
}

int ctinside_script(const char *store, const struct attach_plan *where,
		    const char *when, struct why *why)
{
	static const char *const argv[] = {
		"/bin/sh", "-c",
		"[ -x /bin/bash ] && exec /bin/bash -s; exec /bin/sh -s", NULL
	};
	struct attach_plan plan = *where;
	_cleanup_close_ int fd = -1;
	char path[PATH_MAX];
	int r = ctscript_path(store, where->spec->id, when, path, why);

	if (r < 0)
		return r;
	r = fd = open_copy(path);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return why_sys(why, r, "%s", path);
	plan.argv = (char *const *)(uintptr_t)argv;
	plan.cwd = "/";
	plan.tty = false;
	plan.stdio[0] = fd;
	return run_shell(&plan, path, why);
}
