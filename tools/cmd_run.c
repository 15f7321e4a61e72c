/* SPDX-License-Identifier: GPL-2.0-or-later */

/* vefs run: a container for one command. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#include "fs/base/cleanup.h"
#include "fs/base/clock.h"
#include "fs/base/log.h"
#include "tools/ctbegin.h"
#include "tools/ctmount.h"
#include "tools/ctorphan.h"
#include "tools/ctwork.h"
#include "tools/monitor.h"
#include "tools/relay.h"

#define ASK_MS 5000u
#define GONE_MS 20000u
#define KEPT_FD 3
#define FAILED_TO_RUN 125 /* as podman's and docker's */

/* What there is to run, and how it is to be made. */
struct run {
	struct cmd_common *common;
	char id[48];
	char **create; /* the words for vefs create, borrowed */
	int n_create;
	char *const *command; /* ended by NULL */
};

/* ---- the words ---------------------------------------------------------------- */

static char *const shell[] = {
	(char *)(uintptr_t) "/bin/sh", (char *)(uintptr_t) "-c",
	(char *)(uintptr_t) "[ -x /bin/bash ] && exec /bin/bash -l\n"
			    "exec /bin/sh -l",
	NULL
};

/* TEMPLATE [options of create] [-- COMMAND...]; an exit code. */
static int take_words(const struct cmd *self, struct run *run, int argc,
		      char **argv)
{
	int end = 1;

	if (argc > 1 && strcmp(argv[1], "--help") == 0) {
		run->common->help = true;
		cmd_show_help(self, false);
		return CMD_OK;
	}
	if (argc < 2 || argv[1][0] == '-') {
		cmd_show_help(self, true);
		return CMD_USAGE;
	}
	while (end < argc && strcmp(argv[end], "--") != 0)
		end++;
	run->command = end + 1 < argc ? argv + end + 1 : shell;
	run->create = calloc((size_t)end + 4, sizeof(char *));
	if (!run->create)
		return CMD_FAILED;
	snprintf(run->id, sizeof(run->id), "run-%d-%lx", getpid(),
		 (unsigned long)time(NULL));
	run->create[run->n_create++] = argv[0];
	run->create[run->n_create++] = run->id;
	run->create[run->n_create++] = (char *)(uintptr_t) "--template";
	for (int i = 1; i < end; i++)
		run->create[run->n_create++] = argv[i];
	return CMD_OK;
}

/* ---- running ------------------------------------------------------------------ */

static int exit_code(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int run_monitor(const struct run *run, int viewer)
{
	struct monitor_plan plan = { .catalog = cmd_open(run->common, false),
				     .store = run->common->root,
				     .id = run->id,
				     .has_groups = true,
				     .daemons_in = true,
				     .init = run->command,
				     .stdio = viewer < 0,
				     .once = true,
				     .passing = true,
				     .viewer = viewer,
				     .report = -1 };
	struct why why = { "" };
	int r;

	if (!plan.catalog)
		return FAILED_TO_RUN;
	if (viewer >= 0)
		relay_size(&plan.rows, &plan.columns);
	r = monitor_run(&plan, &why);
	catalog_free(plan.catalog);
	if (r >= 0)
		return exit_code(r);
	cmd_fail(r, &why);
	return FAILED_TO_RUN;
}

/* Who has stopped it has it locked until he has told so. */
static void wait_for_lock(const struct run *run)
{
	const struct timespec pause = { .tv_nsec = 20 * (long)CLOCK_MS };
	struct catalog *c = cmd_open(run->common, false);

	for (unsigned ms = 0; c && ms < GONE_MS; ms += 20) {
		struct container one = CONTAINER_NONE;
		struct why why = { "" };
		int r = container_open(c, run->id, true, &one, &why);

		container_close(&one);
		if (r != -EBUSY)
			break;
		nanosleep(&pause, NULL);
	}
	catalog_free(c);
}

/*
 * It is unmounted already if it ever ran, and its groups are about to go;
 * `orphan`: nobody has done that.
 */
static void destroy(const struct run *run, bool orphan)
{
	const char *store = run->common->root;
	char id[sizeof(run->id)];
	char *words[] = { id, id, NULL };
	int r = 0;
	CTWORK(w);

	memcpy(id, run->id, sizeof(id));
	wait_for_lock(run);
	if (ctwork_begin(&w, run->common, run->id, true) == CMD_OK)
		r = orphan ? ctorphan_stop(&w, store)
			   : ctmount_down(store, &w.one, GONE_MS, &w.why);
	if (r < 0)
		ctwork_fail(&w, r);
	ctwork_end(&w);
	w = (struct ctwork){ .one = CONTAINER_NONE, .pidfd = -1 };
	if (cmd_destroy.run(&cmd_destroy, run->common, 2, words) != CMD_OK)
		log_warn("what is left is container %s", run->id);
}

/* What a monitor has open of ours: its first process' 0, 1, 2, or a viewer of
 * its console, and what tells us that all is gone. */
struct ends {
	int stdio[3], viewer, gone;
};

/* From KEPT_FD on, and nothing else. The viewer's place, or -1. */
static int keep(const struct ends *e)
{
	/* Out of the way first: one may be another's place. */
	int gone = fcntl(e->gone, F_DUPFD_CLOEXEC, KEPT_FD + 2);
	int viewer = e->viewer < 0
			     ? -1
			     : fcntl(e->viewer, F_DUPFD_CLOEXEC, KEPT_FD + 2);

	for (int fd = 0; fd < 3; fd++)
		if (e->stdio[fd] >= 0 && dup2(e->stdio[fd], fd) < 0)
			_exit(FAILED_TO_RUN);
	dup3(gone, KEPT_FD, O_CLOEXEC);
	if (viewer >= 0)
		dup3(viewer, KEPT_FD + 1, O_CLOEXEC);
	close_range(viewer < 0 ? KEPT_FD + 1 : KEPT_FD + 2, ~0u, 0);
	return viewer < 0 ? -1 : KEPT_FD + 1;
}

/*
 * The monitor's process; ends here. It takes all away also when who ran it is
 * gone, and he does, should it be gone.
 */
static void be_monitor(const struct run *run, pid_t maker, const struct ends *e)
{
	int status = FAILED_TO_RUN, viewer;
	bool began;

	setsid();
	viewer = keep(e);
	prctl(PR_SET_PDEATHSIG, SIGHUP);
	began = chdir("/") == 0 && getppid() == maker;
	if (began)
		status = run_monitor(run, viewer);
	destroy(run, !began);
	_exit(status);
}

static void resize(void *ctx, unsigned rows, unsigned columns)
{
	const struct run *run = ctx;
	struct why why = { "" };
	char request[64];
	CTWORK(w);

	snprintf(request, sizeof(request), "size %u %u", rows, columns);
	if (ctwork_begin(&w, run->common, run->id, false) == CMD_OK)
		monitor_ask(&w.one, request, ASK_MS, &why);
}

/* On our terminal the container has one of its own, which we show. */
static int make_ways(const struct run *run, struct relay *relay,
		     struct ends *ends, bool tty)
{
	int pair[2], r = 0;

	if (!tty) {
		for (int fd = 0; fd < 3; fd++) {
			ends->stdio[fd] = relay_stdio(relay, fd);
			if (ends->stdio[fd] < 0)
				r = ends->stdio[fd];
		}
		return r;
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	ends->viewer = pair[1];
	relay->n = 2;
	relay->raw = true;
	relay->size = resize;
	relay->ctx = (void *)(uintptr_t)run;
	relay->way[0] =
		(struct relay_way){ STDIN_FILENO, pair[0], true, false };
	relay->way[1] =
		(struct relay_way){ pair[0], STDOUT_FILENO, false, false };
	return 0;
}

/* What is to end us does so when there is nothing to be left behind. */
static volatile sig_atomic_t stopped;

static void note_stop(int sig)
{
	stopped = sig;
}

/* Just noted from here on, or kept until somebody takes them. */
static void hold_signals(bool back)
{
	static const int heard[] = { SIGINT, SIGTERM, SIGQUIT, SIGHUP };
	const struct sigaction note = { .sa_handler = note_stop,
					.sa_flags = SA_RESTART };
	sigset_t set;

	sigemptyset(&set);
	for (unsigned i = 0; i < ARRAY_SIZE(heard); i++) {
		sigaction(heard[i], &note, NULL);
		sigaddset(&set, heard[i]);
	}
	if (back)
		sigprocmask(SIG_BLOCK, &set, NULL);
}

/* Groups, and the mount in them; an exit code, told. */
static int begin(const struct run *run, struct cgroup **group)
{
	CTWORK(w);
	bool mounted = false;
	int status = ctwork_begin(&w, run->common, run->id, true);

	return status == CMD_OK ? ctbegin(&w, run->common, group, &mounted)
				: status;
}

static void close_ends(struct ends *e)
{
	int *const all[] = { &e->stdio[0], &e->stdio[1], &e->stdio[2],
			     &e->viewer, &e->gone };

	for (unsigned i = 0; i < ARRAY_SIZE(all); i++) {
		cleanup_closep(all[i]);
		*all[i] = -1;
	}
}

/* The monitor, as the relay's child; *gone is what we wait by. */
static int hire(const struct run *run, const struct cgroup *group,
		struct relay *relay, int *gone)
{
	bool tty = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
	struct ends ends = { { -1, -1, -1 }, -1, -1 };
	pid_t self = getpid();
	int pair[2], r = make_ways(run, relay, &ends, tty);

	if (r == 0 && pipe2(pair, O_CLOEXEC) < 0)
		r = -errno;
	if (r == 0) {
		*gone = pair[0];
		ends.gone = pair[1];
		r = relay->child = cgroup_fork(group, CGROUP_DAEMON, 0);
		if (r == 0)
			be_monitor(run, self, &ends);
	}
	close_ends(&ends);
	if (r < 0)
		log_error("%s", strerror(-r));
	return r;
}

/* Until nobody has the other end any more. */
static void wait_for_last(int gone)
{
	struct pollfd p = { .fd = gone, .events = POLLIN };

	while (poll(&p, 1, GONE_MS) < 0 && errno == EINTR)
		;
}

static int run_it(const struct run *run)
{
	_cleanup_(cgroup_freep) struct cgroup *group = NULL;
	_cleanup_close_ int gone = -1;
	struct relay relay = { .n = 0 };
	int status;

	if (begin(run, &group) != CMD_OK) {
		destroy(run, false);
		return FAILED_TO_RUN;
	}
	hold_signals(true);
	if (stopped) {
		destroy(run, true);
		return 128 + stopped;
	}
	if (hire(run, group, &relay, &gone) < 0) {
		destroy(run, true);
		return FAILED_TO_RUN;
	}
	status = relay_run(&relay);
	wait_for_last(gone);
	/* It was killed, and could not take anything away. */
	if (!WIFEXITED(status))
		destroy(run, true);
	return exit_code(status);
}

/* "run TEMPLATE COMMAND": of what is further behind nobody knows. */
static bool misses_dashes(int argc, char **argv)
{
	return argc > 2 && argv[2][0] != '-';
}

static int run_run(const struct cmd *self, struct cmd_common *common, int argc,
		   char **argv)
{
	struct cmd_common quiet = *common;
	struct run run = { .common = &quiet };
	int status = take_words(self, &run, argc, argv);
	struct cmd create = cmd_create;

	if (!run.create)
		return status;
	quiet.quiet = true;
	quiet.passing = true;
	hold_signals(false);
	/* what is said of its options is said of ours */
	create.args = self->args;
	create.brief = self->brief;
	/* It makes words its own. */
	status = cmd_create.run(&create, &quiet, run.n_create, run.create);
	if (status == CMD_USAGE && !quiet.help && misses_dashes(argc, argv))
		log_error("%s: a command stands behind '--'", argv[2]);
	free(run.create);
	/* Its options that repeat; the copy is ours. */
	free(quiet.words.of);
	quiet.words = (struct cmd_words){ .of = NULL };
	if (status != CMD_OK)
		return quiet.help ? CMD_OK : FAILED_TO_RUN;
	return run_it(&run);
}

const struct cmd cmd_run = {
	CMD_CT_run,
	.help = "The options are those of create. COMMAND is its first "
		"process, a shell if none is\ngiven; its exit status is "
		"ours, 125 when it could not be run.\n\n"
		"Examples:\n"
		"  vefs run debian:12\n"
		"  vefs run debian:12 --ram 512M -- make -C /src\n",
	.run = run_run,
};
