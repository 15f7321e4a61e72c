/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * vefs proc: the virtual files of a container in a directory, in lxcfs's
 * layout, so that any runtime can bind them; or over those that it has.
 */

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "fs/base/cleanup.h"
#include "fs/base/clock.h"
#include "fs/base/log.h"
#include "fs/base/parse.h"
#include "fs/proc/groupfind.h"
#include "fs/proc/procfd.h"
#include "fs/proc/procmount.h"
#include "fs/proc/proctext.h"
#include "tools/cmd_ct.h"
#include "tools/ct/procserve.h"
#include "tools/procinto.h"
#include "tools/runstate.h"

/* A server that dies sooner than this again and again is not begun anew. */
#define QUICK_NS (1 * CLOCK_S)
#define QUICK_MOST 10

struct work {
	struct groupfind groups;
	struct fuseproc_config cfg;
	char id[80];
	char target[PATH_MAX];
	pid_t init;
	int pidfd;    /* of it; -1: we do not end with it */
	bool is_ours; /* a container of vefs */
	bool inside;  /* over its own */
};

/* ---- what is known of the container -------------------------------------- */

/* The host's id of a user namespace's 0; 0 where it has no map. */
static uint32_t root_of(pid_t pid, const char *map)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	struct proctext line, word[2];
	const char *cursor;
	char name[64];
	uint64_t v[2];

	snprintf(name, sizeof(name), "/proc/%d/%s", pid, map);
	procfd_read_at(AT_FDCWD, name, &text);
	cursor = strbuf_get(&text);
	while (proctext_line(&cursor, &line)) {
		if (proctext_word(&line, &word[0]) &&
		    proctext_word(&line, &word[1]) &&
		    proctext_u64(&word[0], &v[0]) &&
		    proctext_u64(&word[1], &v[1]) && v[0] == 0)
			return (uint32_t)v[1];
	}
	return 0;
}

/* The device of its /, "0:52" in mountinfo. */
static void find_disk(struct work *w)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	struct proctext line, word;
	const char *cursor;
	char name[64];

	snprintf(name, sizeof(name), "/proc/%d/mountinfo", w->init);
	procfd_read_at(AT_FDCWD, name, &text);
	cursor = strbuf_get(&text);
	while (proctext_line(&cursor, &line)) {
		struct proctext dev = { NULL, 0 };
		unsigned major, minor;

		for (unsigned i = 0; i < 5 && proctext_word(&line, &word); i++)
			if (i == 2)
				dev = word;
		if (!proctext_is(&word, "/") || !dev.s ||
		    sscanf(dev.s, "%u:%u", &major, &minor) != 2)
			continue;
		w->cfg.names.disk_major = major;
		w->cfg.names.disk_minor = minor;
	}
}

static int describe(struct work *w, struct why *why)
{
	int r = groupfind(w->init, &w->groups);

	if (r == -ENOENT)
		return why_set(why, r,
			       "process %d is in no control group of its own: "
			       "there is nothing to tell of it that is not the "
			       "host's",
			       w->init);
	if (r < 0)
		return why_sys(why, r, "the control groups of process %d",
			       w->init);
	if (w->is_ours) {
		groupfind_above(&w->groups);
		w->cfg.names.root_device = "/dev/simfs";
		w->cfg.names.root_type = "ext4";
		w->cfg.names.root_options = "usrquota,grpquota";
	}
	w->cfg.names.id = w->id;
	w->cfg.names.own_source = PROCMOUNT_SOURCE;
	w->cfg.source.groups = w->groups.paths;
	w->cfg.source.init = w->init;
	w->cfg.uid = root_of(w->init, "uid_map");
	w->cfg.gid = root_of(w->init, "gid_map");
	find_disk(w);
	return 0;
}

/* ---- keeping the server -------------------------------------------------- */

static int open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

/* It has ended, or a signal has come. */
static bool wait_for_it(int signals, int pidfd)
{
	struct pollfd fd[2] = { { .fd = signals, .events = POLLIN },
				{ .fd = pidfd, .events = POLLIN } };

	return poll(fd, 2, -1) > 0 && fd[1].revents;
}

/* Until we are told to end, or its mounts are gone, or it. */
static int keep(struct procserve *p, int signals, int pidfd)
{
	uint64_t began = clock_now();
	unsigned quick = 0;
	int status, r;

	for (;;) {
		struct signalfd_siginfo si;

		if (wait_for_it(signals, pidfd))
			return CMD_OK;
		if (read(signals, &si, sizeof(si)) != sizeof(si))
			continue;
		if (si.ssi_signo != SIGCHLD)
			return CMD_OK;
		if (waitpid(procserve_pid(p), &status, WNOHANG) <= 0)
			continue;
		procserve_reaped(p);
		if (WIFEXITED(status))
			return WEXITSTATUS(status) ? CMD_FAILED : CMD_OK;
		quick = clock_now() - began < QUICK_NS ? quick + 1 : 0;
		began = clock_now();
		r = quick < QUICK_MOST ? procserve_again(p, -1) : -EIO;
		if (r < 0) {
			log_error("the server of /proc was killed: %s",
				  strerror(-r));
			return CMD_FAILED;
		}
		log_warn("the server of /proc was killed: another one serves");
	}
}

/* Who waited for us may have others wait for the end of its output. */
static void leave(int tell)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	log_syslog(log_syslog_open());
	log_to_syslog();
	for (int fd = 0; null >= 0 && fd <= 2; fd++)
		dup2(null, fd);
	if (null > 2)
		close(null);
	if (write(tell, "", 1) < 0)
		log_debug("nobody waits");
	close(tell);
}

/* Does another one serve there? */
static int check_target(const struct work *w, struct why *why)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	struct proctext line, where, word;
	const char *cursor;
	bool taken = false;

	procfd_read_at(AT_FDCWD, "/proc/self/mountinfo", &text);
	cursor = strbuf_get(&text);
	while (proctext_line(&cursor, &line)) {
		for (unsigned i = 0; i < 5; i++)
			proctext_word(&line, &where);
		if (!proctext_is(&where, w->target))
			continue;
		taken = false;
		while (proctext_word(&line, &word))
			taken |= proctext_is(&word, PROCMOUNT_SOURCE);
	}
	return taken ? why_set(why, -EBUSY,
			       "%s has such files already: end who serves them, "
			       "or take another directory",
			       w->target)
		     : 0;
}

static int put(const struct work *w, struct procserve *p, struct why *why)
{
	if (w->inside)
		return procinto_cover(p, w->init, w->pidfd, why);
	return procserve_attach(p, w->target, why);
}

static int serve(struct work *w, int tell)
{
	struct why why = { "" };
	struct procserve *p = NULL;
	int signals = open_signals();
	int r = signals < 0 ? -errno : describe(w, &why);

	if (r == 0 && !w->inside)
		r = check_target(w, &why);
	if (r == 0)
		r = procserve_start(&p, &w->cfg, &why);
	if (r == 0) {
		r = put(w, p, &why);
		if (r == 0) {
			if (tell >= 0)
				leave(tell);
			r = keep(p, signals, w->pidfd);
			if (w->inside)
				procinto_uncover(w->pidfd);
			else
				procserve_detach(w->target);
			procserve_stop(p);
			return r;
		}
		procserve_stop(p);
	}
	return cmd_fail(r, &why);
}

/* A process of its own; we end when it serves. */
static int serve_behind(struct work *w)
{
	int told[2], status;
	pid_t pid;
	char c;

	if (pipe2(told, O_CLOEXEC) < 0)
		return cmd_fail(-errno, &(struct why){ "" });
	pid = fork();
	if (pid < 0)
		return cmd_fail(-errno, &(struct why){ "" });
	if (pid == 0) {
		close(told[0]);
		setsid();
		_exit(serve(w, told[1]));
	}
	close(told[1]);
	if (read(told[0], &c, 1) == 1)
		return CMD_OK;
	return waitpid(pid, &status, 0) == pid && WIFEXITED(status)
		       ? WEXITSTATUS(status)
		       : CMD_FAILED;
}

/* ---- the command --------------------------------------------------------- */

static int find_container(const struct cmd_common *common, const char *id,
			  struct work *w)
{
	struct container one = CONTAINER_NONE;
	struct catalog *c = cmd_open(common, false);
	struct why why = { "" };
	struct runstate state;
	int r;

	if (!c)
		return -EIO;
	r = container_open(c, id, false, &one, &why);
	if (r == 0)
		r = runstate_read(&one, &state, &why);
	if (r == 0 && state.init == 0)
		r = why_set(&why, -ESRCH, "container %s does not run", id);
	if (r == 0) {
		w->init = state.init;
		w->is_ours = true;
		snprintf(w->id, sizeof(w->id), "%s", one.id);
	} else {
		cmd_fail(r, &why);
	}
	container_close(&one);
	catalog_free(c);
	return r;
}

/* An exit code, told. */
static int find_process(struct work *w, const char *word)
{
	uint32_t number;

	if (parse_u32(word, INT32_MAX, &number) < 0 || number == 0) {
		log_error("--pid %s: not a process id", word);
		return CMD_USAGE;
	}
	w->init = (pid_t)number;
	snprintf(w->id, sizeof(w->id), "%s", word);
	return CMD_OK;
}

static int run_proc(const struct cmd *self, struct cmd_common *common, int argc,
		    char **argv)
{
	struct work w = { .cfg = { .source = { .proc = -1 }, .kept = -1 },
			  .pidfd = -1 };
	const char *pid = NULL;
	bool foreground = false;
	const struct cmd_option own[] = {
		{ "pid", NULL, &pid },
		{ "f", &foreground, NULL },
		{ "inside", &w.inside, NULL },
		{ NULL, NULL, NULL },
	};
	static const int limits[2] = { 0, 2 };
	int n = cmd_parse(self, common, own, argc, argv, limits), status;

	if (n < 0)
		return cmd_parse_status(common);
	if (n != !pid + !w.inside || (w.inside && !pid)) {
		cmd_show_help(self, true);
		return CMD_USAGE;
	}
	if (!w.inside && !realpath(argv[n - 1], w.target)) {
		log_error("%s: %s", argv[n - 1], strerror(errno));
		return CMD_FAILED;
	}
	status = pid ? find_process(&w, pid) : CMD_OK;
	if (!pid && find_container(common, argv[0], &w) < 0)
		status = CMD_FAILED;
	if (status != CMD_OK)
		return status;
	if (w.inside || w.is_ours) {
		w.pidfd = (int)syscall(SYS_pidfd_open, w.init, 0);
		if (w.pidfd < 0) {
			log_error("process %d: %s", w.init, strerror(errno));
			return CMD_FAILED;
		}
	}
	status = foreground ? serve(&w, -1) : serve_behind(&w);
	groupfind_free(&w.groups);
	cleanup_closep(&w.pidfd);
	return status;
}

const struct cmd cmd_proc = {
	CMD_CT_proc,
	.help = "In lxcfs's layout, for other runtimes to bind: proc/meminfo, "
		"sys/devices/system/cpu\nand so on. It returns when they are "
		"served.\n\n"
		"  --pid PID   of any process in control groups of its own\n"
		"  --inside    no directory: over what the process has itself in "
		"/proc and /sys\n"
		"  -f          stay in the foreground\n\n"
		"Example:\n"
		"  podman init web\n"
		"  vefs proc --pid $(podman inspect -f '{{.State.Pid}}' web) "
		"--inside\n"
		"  podman start web\n",
	.run = run_proc,
};
