/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * vefsd, mount.vefs: mount a merged tree and serve it. In the background once
 * the mount answers; whoever started us reads its errors on stderr until then
 * and the exit status says how it went.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fs/base/cleanup.h"
#include "fs/base/fdio.h"
#include "fs/base/log.h"
#include "fs/control.h"
#include "fs/options.h"
#include "fs/session.h"
#include "fs/upgrade.h"

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
	char *const *argv;
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

/* A starter that was killed has had enough of it. */
static bool is_wanted(void *ctx)
{
	const struct waiter *w = ctx;
	struct pollfd p = { .fd = w->fd };

	return w->fd < 0 || poll(&p, 1, 0) <= 0 || !(p.revents & POLLERR);
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
	const struct session_hooks hooks = {
		.wanted = is_wanted,
		.live = on_live,
		.worker_live = on_worker_live,
		.ctx = w,
		.argv = w->argv,
	};
	int r = session_run(o, &hooks, err, sizeof(err));

	if (r < 0 && err[0])
		log_error("%s", err);
	return r < 0 ? EXIT_MOUNT : EXIT_SUCCESS;
}

/* In the background: wait for the byte that says live, or for the end. */
static int run_detached(const struct options *o, char *const *argv)
{
	struct waiter w = { .fd = -1, .argv = argv };
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

static int start(const struct options *o, char *const *argv)
{
	struct waiter none = { .fd = -1, .argv = argv };
	bool in_front = o->foreground || o->debug;

	/* Whoever takes over finds the descriptor in the state. */
	if (upgrade_resumes() >= 0) {
		if (!in_front)
			log_to_syslog();
		return run(o, &none);
	}

	for (size_t i = 0; i < o->n_unknown; i++)
		log_warn("option '%s' is not known, ignored", o->unknown[i]);
	if (o->debug)
		log_set_level(LOG_LEVEL_DEBUG);
	return in_front ? run(o, &none) : run_detached(o, argv);
}

/* Have this program take the mount at `target` over. */
static int upgrade(const char *target)
{
	char request[CONTROL_LINE] = "upgrade ", answer[CONTROL_LINE];
	ssize_t n =
		readlink("/proc/self/exe", request + 8, sizeof(request) - 9);
	int r;

	if (n < 0) {
		log_error("/proc/self/exe: %s", strerror(errno));
		return EXIT_MOUNT;
	}
	request[8 + n] = '\0';
	r = control_ask(target, request, answer);
	if (r == -ENXIO)
		log_error(
			"'%s': no vefs mount, or one whose keeper does not "
			"listen (is VEFS_ROOT as it was when it was mounted?)",
			target);
	else if (r < 0)
		log_error("'%s': %s", target, strerror(-r));
	else if (strncmp(answer, "ok", 2) != 0)
		log_error("'%s': %s", target,
			  strncmp(answer, "error: ", 7) == 0 ? answer + 7
							     : answer);
	else
		return EXIT_SUCCESS;
	return EXIT_MOUNT;
}

/*
 * By this name mount(8) alone calls us, whose -f is "do all but that": its -f
 * is --fake. Everywhere else it is fuse's: stay in the foreground.
 */
static bool is_fake(const struct options *o, const char *name)
{
	return o->foreground && !o->debug &&
	       strcmp(base_name(name), "mount.fuse.vefs") == 0;
}

int main(int argc, char **argv)
{
	struct options o;
	char err[512];
	int r;

	if (fdio_keep_stdio() < 0)
		return EXIT_USAGE;
	/* Who ignores it has no children to wait for. */
	signal(SIGCHLD, SIG_DFL);
	log_open(base_name(argv[0]));
	if (argc == 3 && strcmp(argv[1], "--layout-is") == 0)
		return upgrade_answer(argv[2]);
	if (argc >= 2 && strcmp(argv[1], "--upgrade") == 0) {
		if (argc == 3)
			return upgrade(argv[2]);
		log_error("--upgrade has one word behind it, the mount point");
		return EXIT_USAGE;
	}
	/* What our starter has open is not ours to keep open. */
	if (upgrade_resumes() < 0)
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
	} else if (is_fake(&o, argv[0])) {
		r = EXIT_SUCCESS;
	} else {
		r = start(&o, argv);
	}
	options_free(&o);
	return r;
}
