/* SPDX-License-Identifier: GPL-2.0-or-later */

/* vefs start, stop, restart, kill, suspend, resume. */
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "fs/base/cleanup.h"
#include "fs/base/log.h"
#include "fs/base/parse.h"
#include "tools/bootwait.h"
#include "tools/ctbegin.h"
#include "tools/ctmount.h"
#include "tools/ctorphan.h"
#include "tools/ctwords.h"
#include "tools/ctwork.h"
#include "tools/mass.h"
#include "tools/monitor.h"
#include "tools/monitormake.h"
#include "tools/progress.h"

#define REPORT 1024
#define REPORT_FD 3    /* the monitor's */
#define SPARE_MS 30000 /* beyond its own time to stop */
#define GONE_MS 10000

/* ---- start ------------------------------------------------------------------ */

/* One that is starting or ending has things to make or take away still. */
static int wait_for_end(struct ctwork *w)
{
	const struct timespec pause = { .tv_nsec = 20 * 1000 * 1000 };

	for (unsigned ms = 0; !w->state.init && monitor_is_there(&w->one);
	     ms += 20) {
		if (ms >= GONE_MS)
			return why_set(&w->why, -EBUSY,
				       "container %s is still starting or "
				       "ending",
				       w->one.id);
		nanosleep(&pause, NULL);
		if (runstate_read(&w->one, &w->state, &w->why) < 0)
			return -EIO;
	}
	/* It writes the last of it before it goes. */
	return runstate_read(&w->one, &w->state, &w->why);
}

/* DISABLED in its vefs.conf. */
static int may_start(struct ctwork *w, bool force)
{
	struct ctwords_boot boot = { .on = false };
	int r = ctwords_boot(&w->one, &boot, &w->why);

	if (r < 0 || !boot.disabled || force)
		return r;
	return why_set(&w->why, -EPERM,
		       "container %s is not to be started, its " CONTAINER_CONF
		       " says: DISABLED (--force does)",
		       w->one.id);
}

/* Locked, and nothing of it is there but its mount, maybe. */
static int begin_start(struct ctwork *w, struct cmd_common *common,
		       const char *id, bool force)
{
	int status = ctwork_begin(w, common, id, true), r;

	if (status != CMD_OK)
		return status;
	r = may_start(w, force);
	if (r == 0)
		r = wait_for_end(w);
	if (r < 0)
		return ctwork_fail(w, r);
	if (!w->state.init && !w->one.template[0])
		return ctwork_fail(w, -EUCLEAN);
	if (!w->state.init)
		return CMD_OK;
	log_error("container %s is running already", id);
	return CMD_CT_RUNNING;
}

static int start_all_of(struct cmd_common *common, const char *id, bool force)
{
	struct cgroup *group = NULL;
	struct why why = { "" };
	CTWORK(w);
	bool mounted;
	int status = begin_start(&w, common, id, force), r;

	if (status != CMD_OK)
		return status;
	ctorphan_clear(&w, common->root);
	status = ctbegin(&w, common, &group, &mounted);
	if (status != CMD_OK)
		return status;
	r = monitormake(&w.one, common, group, mounted, &w.why);
	cgroup_free(group);
	if (r == 0)
		return CMD_OK;
	/* It takes its groups away, unless it was killed. */
	ctorphan_clear(&w, common->root);
	if (mounted && ctmount_down(common->root, &w.one, GONE_MS, &why) < 0)
		log_warn("container %s: %s", id, why.text);
	return ctwork_fail(&w, r);
}

/* Nobody who loses patience leaves half a container: it comes up, or not. */
static int start_one(struct cmd_common *common, const char *id, bool force)
{
	int status;

	progress_catch_signals();
	status = start_all_of(common, id, force);
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	signal(SIGPIPE, SIG_DFL);
	return status == CMD_OK && progress_cancelled() ? 128 + SIGINT : status;
}

struct starting {
	bool wait, force;
	uint32_t seconds; /* to boot in */
};

static int wait_for_boot(struct cmd_common *common, const char *id,
			 uint32_t seconds)
{
	CTWORK(w);
	int status = ctwork_begin(&w, common, id, false);

	if (status == CMD_OK)
		status = ctwork_running(&w);
	if (status == CMD_OK && bootwait(&w, seconds) < 0)
		status = ctwork_fail(&w, -ETIMEDOUT);
	return status;
}

/* What --timeout says. An exit code, told. */
static int take_seconds(const char *word, uint32_t *seconds)
{
	if (parse_u32(word, 86400, seconds) == 0)
		return CMD_OK;
	log_error("--timeout %s: seconds, 86400 at most", word);
	return CMD_USAGE;
}

static int start_this(void *ctx, struct cmd_common *common, const char *id)
{
	const struct starting *how = ctx;
	int status = start_one(common, id, how->force);

	if (status == CMD_OK && how->wait)
		status = wait_for_boot(common, id, how->seconds);
	if (status == CMD_OK && !common->quiet)
		printf("container %s is running\n", id);
	return cmd_flush(status);
}

static int run_start(const struct cmd *self, struct cmd_common *common,
		     int argc, char **argv)
{
	static const int any[] = { 0, INT_MAX - 1 };
	struct starting how = { .seconds = BOOTWAIT_SECONDS };
	struct mass mass = { .all = false };
	bool fast = false, onboot = false;
	const char *timeout = NULL;
	struct cmd_option own[MASS_OPTIONS + 6] = {
		{ "wait", &how.wait, NULL }, { "timeout", NULL, &timeout },
		{ "fast", &fast, NULL },     { "force", &how.force, NULL },
		{ "onboot", &onboot, NULL },
	};
	struct mass_work work = {
		.self = self,
		.pick = { .state = MASSPICK_DOWN, .order = MASSPICK_BOOT },
		.input = -1,
		.one = start_this,
		.ctx = &how,
	};
	int n;

	mass_options(&mass, own + 5);
	n = cmd_parse(self, common, own, argc, argv, any);
	if (n < 0)
		return cmd_parse_status(common);
	if (timeout && !how.wait) {
		log_error("--timeout is how long --wait waits: give that, too");
		return CMD_USAGE;
	}
	if (timeout && take_seconds(timeout, &how.seconds) != CMD_OK)
		return CMD_USAGE;
	mass.all |= onboot;
	work.pick.onboot = onboot;
	work.pick.startable = !how.force;
	return mass_run(&mass, common, &work, n, argv);
}

/* ---- stop, restart ---------------------------------------------------------- */

/* Seconds it is given. An exit code, told. */
static int take_timeout(const struct ctwork *w, const char *word,
			uint32_t *seconds)
{
	struct spec words;

	if (word)
		return take_seconds(word, seconds);
	ctwork_words(&w->one, &words);
	*seconds = words.stop_timeout;
	spec_free(&words);
	return CMD_OK;
}

struct stopping {
	bool restart, fast, wait;
	const char *timeout;
};

/*
 * What the monitor said of a restart is `r`. 1: it is down, and that is no
 * reason to leave it so that somebody is in its mount.
 */
static int after_end(struct ctwork *w, int r)
{
	const struct why said = w->why;
	struct why why = { "" };

	if (runstate_read(&w->one, &w->state, &why) < 0 || w->state.init)
		return r;
	/* It answers before it goes. */
	w->why.text[0] = '\0';
	if (r < 0 && (wait_for_end(w) < 0 || w->state.init)) {
		w->why = said;
		return r;
	}
	if (r < 0)
		log_warn("container %s: %s", w->one.id, said.text);
	return 1;
}

/*
 * By its monitor: 0, it is as was asked for. 1: it is down, and to be started
 * if that was asked for. Or -errno.
 */
static int end_it(struct ctwork *w, const struct cmd_common *common,
		  const struct stopping *how, uint32_t seconds)
{
	char request[64];
	int r;

	snprintf(request, sizeof(request), "%s %u%s",
		 how->restart ? "restart" : "stop", seconds,
		 how->fast ? " fast" : "");
	r = monitor_ask(&w->one, request, seconds * 1000 + SPARE_MS, &w->why);
	if (r != -ENXIO && r != -EPIPE)
		return how->restart ? after_end(w, r) : r;
	/* It has gone meanwhile, its container with it or not. */
	r = runstate_read(&w->one, &w->state, &w->why);
	if (r == 0)
		r = wait_for_end(w);
	if (r == 0 && (w->state.init || w->state.lost))
		r = ctorphan_stop(w, common->root);
	return r < 0 ? r : 1;
}

static int end_this(void *ctx, struct cmd_common *common, const char *id)
{
	const struct stopping *how = ctx;
	uint32_t seconds = 0;
	CTWORK(w);
	int status, r;
	bool was_up;

	status = ctwork_begin(&w, common, id, true);
	if (status == CMD_OK)
		status = take_timeout(&w, how->timeout, &seconds);
	if (status != CMD_OK)
		return status;
	was_up = w.state.init || w.state.lost || monitor_is_there(&w.one);
	r = was_up ? end_it(&w, common, how, seconds) : 1;
	if (r < 0) {
		cmd_fail(r, &w.why);
		return CMD_CT_STOP;
	}
	if (how->restart && r > 0) {
		ctwork_end(&w);
		w = (struct ctwork){ .one = CONTAINER_NONE, .pidfd = -1 };
		/* It was, whatever is to become of it after a stop. */
		status = start_one(common, id, was_up);
	} else if (!was_up) {
		log_error("container %s is not running", w.one.id);
		return CMD_CT_NOT_RUNNING;
	}
	/* not locked any more */
	ctwork_end(&w);
	w = (struct ctwork){ .one = CONTAINER_NONE, .pidfd = -1 };
	if (status == CMD_OK && how->wait)
		status = wait_for_boot(common, id, BOOTWAIT_SECONDS);
	if (status != CMD_OK)
		return status;
	if (!common->quiet)
		printf("container %s %s\n", id,
		       how->restart ? "runs again" : "is down");
	return cmd_flush(CMD_OK);
}

static int end_some(const struct cmd *self, struct cmd_common *common, int argc,
		    char **argv, bool restart)
{
	static const int any[] = { 0, INT_MAX - 1 };
	struct stopping how = { .restart = restart };
	struct mass mass = { .all = false };
	struct cmd_option own[MASS_OPTIONS + 4] = {
		{ "fast", &how.fast, NULL },
		{ "timeout", NULL, &how.timeout },
	};
	const size_t n_own = restart ? 3 : 2;
	const struct mass_work work = {
		.self = self,
		.pick = { .state = MASSPICK_UP,
			  .lost = !restart,
			  .order = restart ? MASSPICK_BOOT
					   : MASSPICK_SHUTDOWN },
		.input = -1,
		.one = end_this,
		.ctx = &how,
	};
	int n;

	if (restart)
		own[2] = (struct cmd_option){ "wait", &how.wait, NULL };
	mass_options(&mass, own + n_own);
	n = cmd_parse(self, common, own, argc, argv, any);
	return n < 0 ? cmd_parse_status(common)
		     : mass_run(&mass, common, &work, n, argv);
}

static int run_stop(const struct cmd *self, struct cmd_common *common, int argc,
		    char **argv)
{
	return end_some(self, common, argc, argv, false);
}

static int run_restart(const struct cmd *self, struct cmd_common *common,
		       int argc, char **argv)
{
	return end_some(self, common, argc, argv, true);
}

/* ---- kill -------------------------------------------------------------------- */

/* "9", "KILL", "SIGKILL", "RTMIN+4"; -1. */
static int parse_signal(const char *word)
{
	uint32_t n;

	if (parse_u32(word, SIGRTMAX, &n) == 0 && n > 0)
		return (int)n;
	if (strncmp(word, "SIG", 3) == 0)
		word += 3;
	if (strncmp(word, "RTMIN+", 6) == 0 &&
	    parse_u32(word + 6, (uint32_t)(SIGRTMAX - SIGRTMIN), &n) == 0)
		return SIGRTMIN + (int)n;
	for (int sig = 1; sig < SIGRTMIN; sig++)
		if (sigabbrev_np(sig) && strcmp(sigabbrev_np(sig), word) == 0)
			return sig;
	return -1;
}

/* Who else has it locked clears it up himself. */
static int clear_up(struct cmd_common *common, const char *id)
{
	CTWORK(w);
	int status = ctwork_begin(&w, common, id, true);

	if (status == CMD_OK && ctorphan_stop(&w, common->root) < 0)
		return ctwork_fail(&w, -EIO);
	return status;
}

static int run_kill(const struct cmd *self, struct cmd_common *common, int argc,
		    char **argv)
{
	static const int two[] = { 1, 2 };
	int n = cmd_parse(self, common, NULL, argc, argv, two), status, sig;
	CTWORK(w);

	if (n < 0)
		return cmd_parse_status(common);
	sig = n == 2 ? parse_signal(argv[1]) : SIGKILL;
	if (sig < 0) {
		log_error("%s: no such signal; KILL, TERM, RTMIN+4, 9 ...",
			  argv[1]);
		return CMD_USAGE;
	}
	status = ctwork_begin(&w, common, argv[0], false);
	if (status == CMD_OK)
		status = ctwork_running(&w);
	if (status != CMD_OK)
		return status;
	/* What is frozen does not even die. */
	if (sig == SIGKILL && cgroup_is_frozen(w.group))
		cgroup_freeze(w.group, false, &w.why);
	if (syscall(SYS_pidfd_send_signal, w.pidfd, sig, NULL, 0) < 0)
		return ctwork_fail(&w, -errno);
	return sig == SIGKILL && !monitor_is_there(&w.one)
		       ? clear_up(common, argv[0])
		       : CMD_OK;
}

/* ---- suspend, resume --------------------------------------------------------- */

static int freeze_this(void *ctx, struct cmd_common *common, const char *id)
{
	const bool frozen = *(const bool *)ctx;
	CTWORK(w);
	int status, r;

	status = ctwork_begin(&w, common, id, true);
	if (status == CMD_OK)
		status = ctwork_running(&w);
	if (status != CMD_OK)
		return status;
	if (cgroup_is_frozen(w.group) == frozen) {
		log_error("container %s is %s", id,
			  frozen ? "suspended already" : "not suspended");
		return CMD_FAILED;
	}
	r = cgroup_freeze(w.group, frozen, &w.why);
	if (r < 0)
		return ctwork_fail(&w, r);
	if (!common->quiet)
		printf("container %s %s\n", id,
		       frozen ? "is suspended" : "goes on");
	return cmd_flush(CMD_OK);
}

static int freeze(const struct cmd *self, struct cmd_common *common, int argc,
		  char **argv, bool frozen)
{
	static const int any[] = { 0, INT_MAX - 1 };
	struct mass mass = { .all = false };
	struct cmd_option own[MASS_OPTIONS + 1] = { { .name = NULL } };
	const struct mass_work work = {
		.self = self,
		.pick = { .state = frozen ? MASSPICK_RUNNING
					  : MASSPICK_SUSPENDED },
		.input = -1,
		.one = freeze_this,
		.ctx = &frozen,
	};
	int n;

	mass_options(&mass, own);
	n = cmd_parse(self, common, own, argc, argv, any);
	return n < 0 ? cmd_parse_status(common)
		     : mass_run(&mass, common, &work, n, argv);
}

static int run_suspend(const struct cmd *self, struct cmd_common *common,
		       int argc, char **argv)
{
	return freeze(self, common, argc, argv, true);
}

static int run_resume(const struct cmd *self, struct cmd_common *common,
		      int argc, char **argv)
{
	return freeze(self, common, argc, argv, false);
}

/* ---- the records ------------------------------------------------------------- */

const struct cmd cmd_start = {
	CMD_CT_start,
	.help = "It is mounted first if it is not. What it writes on its "
		"console: 'vefs logs ID'.\n\n"
		"  --wait       until it has booted (systemd, sysvinit)\n"
		"  --timeout S  how long that may take; else 120\n"
		"  --force      one that is DISABLED, too\n"
		"  --onboot     those that are to run when the host does: "
		"ONBOOT, in their BOOTORDER\n" MASS_HELP "\n"
		"Examples:\n"
		"  vefs start 101 --wait && vefs exec 101 systemctl status\n"
		"  vefs start --all\n",
	.run = run_start,
};

const struct cmd cmd_stop = {
	CMD_CT_stop,
	.help = "Its first process is told to end the system, and killed when "
		"its time is over.\n\n"
		"  --fast       kill it at once\n"
		"  --timeout S  how long it has; STOP_TIMEOUT of its vefs.conf, "
		"else 120\n" MASS_HELP,
	.run = run_stop,
};

const struct cmd cmd_restart = {
	CMD_CT_restart,
	.help = "One that is down is started.\n\n"
		"  --wait       until it has booted (systemd, sysvinit)\n"
		"  --fast       kill it at once\n"
		"  --timeout S  how long it has to end\n" MASS_HELP,
	.run = run_restart,
};

const struct cmd cmd_kill = {
	CMD_CT_kill,
	.help = "SIGNAL is a number or a name, KILL if none is given. From "
		"outside only what the\nprocess has a handler for arrives, and "
		"KILL, which ends the container.\n",
	.run = run_kill,
};

const struct cmd cmd_suspend = {
	CMD_CT_suspend,
	.help = "They keep what they have, and get no CPU." MASS_HELP,
	.run = run_suspend,
};

const struct cmd cmd_resume = {
	CMD_CT_resume,
	.help = "What suspend has stopped." MASS_HELP,
	.run = run_resume,
};
