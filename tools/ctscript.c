/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/ctscript.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "fs/base/cleanup.h"

#define STORE "/var/lib/vefs"
#define USUAL "/etc/vefs"

int ctscript_path(const char *store, const char *of, const char *when,
		  char path[PATH_MAX], struct why *why)
{
	char real[PATH_MAX];
	bool usual;

	if (!realpath(store, real))
		return why_sys(why, -errno, "%s", store);
	usual = strcmp(real, STORE) == 0;
	snprintf(path, PATH_MAX, "%.3900s%s/%s.%s", usual ? USUAL : real,
		 usual ? "" : "/etc", of, when);
	return 0;
}

int ctscript_ended(int status, const char *path, struct why *why)
{
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (WIFEXITED(status))
		return why_set(why, -ECANCELED, "%s: exit status %d", path,
			       WEXITSTATUS(status));
	return why_set(why, -ECANCELED, "%s: killed by SIG%s", path,
		       sigabbrev_np(WTERMSIG(status)));
}

static int wait_for(pid_t pid, const char *path, struct why *why)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return why_sys(why, -errno, "%s", path);
	return ctscript_ended(status, path, why);
}

static int run_one(const char *path, char *const env[], struct why *why)
{
	char *const argv[] = { (char *)(uintptr_t)path, NULL };
	posix_spawnattr_t attr;
	sigset_t none, all;
	pid_t pid;
	int r;

	if (access(path, F_OK) < 0)
		return 0;
	r = -posix_spawnattr_init(&attr);
	if (r < 0)
		return why_sys(why, r, "%s", path);
	/* A monitor has signals blocked, and ignored. */
	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK |
						POSIX_SPAWN_SETSIGDEF);
	r = -posix_spawn(&pid, path, NULL, &attr, argv, env);
	posix_spawnattr_destroy(&attr);
	return r < 0 ? why_sys(why, r, "%s", path) : wait_for(pid, path, why);
}

int ctscript_host(const char *store, const struct container *one,
		  const char *when, struct why *why)
{
	const char *const of[] = { "vps", one->id };
	char real[PATH_MAX], path[PATH_MAX];
	char id[96], conf[PATH_MAX + 64], root[PATH_MAX + 16];
	char words[256] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:"
			  "/usr/bin:/sbin:/bin";
	char *const env[] = { id, conf, root, words, NULL };
	int r = 0;

	if (!realpath(store, real))
		return why_sys(why, -errno, "%s", store);
	snprintf(id, sizeof(id), "VEID=%s", one->id);
	snprintf(conf, sizeof(conf),
		 "VE_CONFFILE=%.3900s/containers/%s/" CONTAINER_CONF, real,
		 one->id);
	snprintf(root, sizeof(root), "VE_ROOT=%s", one->root);
	for (unsigned i = 0; i < ARRAY_SIZE(of) && r == 0; i++) {
		r = ctscript_path(real, of[i], when, path, why);
		if (r == 0)
			r = run_one(path, env, why);
	}
	return r;
}
