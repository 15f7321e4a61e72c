/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * vefsd, mount.vefs: mount a merged tree and serve it. In the background once
 * the mount answers; whoever started us reads its errors on stderr until then
 * and the exit status says how it went.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fs/base/cleanup.h"
#include "fs/base/log.h"
#include "fs/options.h"
#include "fs/session.h"

#ifndef VEFS_VERSION
#define VEFS_VERSION "unknown"
#endif

/* mount(8)'s exit codes. */
#define EXIT_USAGE 1
#define EXIT_MOUNT 32

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

struct waiter {
	int fd; /* tells the starter that the mount is live, or -1 */
};

/* Descriptors keep their place: other processes share the table (keeper.h). */
static void detach(int starter)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return;
	for (int fd = 0; fd <= 2; fd++)
		dup2(null, fd);
	dup3(null, starter, O_CLOEXEC);
	if (null > 2)
		close(null);
}

static void leave_folder(void)
{
	if (chdir("/") < 0)
		log_warn("chdir /: %s", strerror(errno));
}

static void on_live(void *ctx)
{
	struct waiter *w = ctx;

	leave_folder();
	if (w->fd < 0)
		return;
	log_to_syslog();
	if (write(w->fd, "", 1) != 1)
		log_warn("the starter went away before the mount was live");
	detach(w->fd);
}

static void on_worker_live(void *ctx)
{
	const struct waiter *w = ctx;

	leave_folder();
	if (w->fd >= 0)
		log_to_syslog();
}

static int run(const struct options *o, struct waiter *w)
{
	char err[512] = "";
	const struct session_hooks hooks = { on_live, on_worker_live, w };
	int r = session_run(o, &hooks, err, sizeof(err));

	if (r < 0 && err[0])
		log_error("%s", err);
	return r < 0 ? EXIT_MOUNT : EXIT_SUCCESS;
}

/* In the background: wait for the byte that says live, or for the end. */
static int run_detached(const struct options *o)
{
	struct waiter w = { .fd = -1 };
	int pipefd[2], status;
	ssize_t n;
	pid_t pid;
	char byte;

	if (pipe2(pipefd, O_CLOEXEC) < 0 || (pid = fork()) < 0) {
		log_error("cannot start a process: %s", strerror(errno));
		return EXIT_MOUNT;
	}
	if (pid == 0) {
		close(pipefd[0]);
		setsid();
		log_prepare_syslog();
		w.fd = pipefd[1];
		return run(o, &w);
	}
	close(pipefd[1]);
	do
		n = read(pipefd[0], &byte, 1);
	while (n < 0 && errno == EINTR);
	close(pipefd[0]);
	if (n == 1)
		return EXIT_SUCCESS;
	if (waitpid(pid, &status, 0) < 0 || !WIFEXITED(status)) {
		log_error("the daemon died while it was starting");
		return EXIT_MOUNT;
	}
	return WEXITSTATUS(status) ? WEXITSTATUS(status) : EXIT_MOUNT;
}

static int start(const struct options *o)
{
	struct waiter none = { .fd = -1 };

	for (size_t i = 0; i < o->n_unknown; i++)
		log_warn("option '%s' is not known, ignored", o->unknown[i]);
	if (o->debug)
		log_set_level(LOG_LEVEL_DEBUG);
	return o->foreground || o->debug ? run(o, &none) : run_detached(o);
}

int main(int argc, char **argv)
{
	struct options o;
	char err[512];
	int r;

	log_open(base_name(argv[0]));
	/* What our starter has open is not ours to keep open. */
	close_range(STDERR_FILENO + 1, ~0u, 0);
	if (options_parse(&o, argc, argv, err, sizeof(err)) < 0) {
		log_error("%s", err);
		return EXIT_USAGE;
	}
	if (o.help) {
		fputs(options_usage(), stdout);
		r = EXIT_SUCCESS;
	} else if (o.version) {
		printf("%s: version %s\n", base_name(argv[0]), VEFS_VERSION);
		r = EXIT_SUCCESS;
	} else {
		r = start(&o);
	}
	options_free(&o);
	return r;
}
