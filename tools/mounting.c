/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/mounting.h"

#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "fs/base/cleanup.h"
#include "fs/base/log.h"
#include "tools/beside.h"

#define HELPER "mount.vefs"

void mounting_option(struct strbuf *b, const char *key, const char *value,
		     const char *rest)
{
	const char *const parts[] = { value, rest };

	if (b->len)
		strbuf_putc(b, ',');
	strbuf_puts(b, key);
	strbuf_putc(b, '=');
	for (unsigned i = 0; i < ARRAY_SIZE(parts); i++) {
		for (const char *p = parts[i]; *p; p++) {
			if (*p == ',' || *p == '\\')
				strbuf_putc(b, '\\');
			strbuf_putc(b, *p);
		}
	}
}

static int begin(const char *path, char *const argv[],
		 const struct mounting_birth *birth, pid_t *pid)
{
	const pid_t self = getpid();

	*pid = birth ? birth->fork(birth->ctx) : fork();
	if (*pid < 0)
		return birth ? *pid : -errno;
	if (*pid > 0)
		return 0;
	/* Or it might mount when whoever comes after us has unmounted. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != self)
		_exit(127);
	execv(path, argv);
	log_error("%s: %s", path, strerror(errno));
	_exit(127);
}

int mounting_run(const struct strbuf *options, const char *target,
		 const struct mounting_birth *birth)
{
	char path[PATH_MAX] = HELPER;
	char *const argv[] = { (char *)(uintptr_t)HELPER,
			       (char *)(uintptr_t) "-o",
			       (char *)(uintptr_t)strbuf_get(options),
			       (char *)(uintptr_t)target, NULL };
	int r = strbuf_error(options), status;
	pid_t pid = -1;

	if (r == 0)
		r = beside_find(HELPER, path);
	if (r == 0)
		r = begin(path, argv, birth, &pid);
	if (r < 0) {
		log_error("%s: %s", path, strerror(-r));
		return r;
	}
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EIO;
}
