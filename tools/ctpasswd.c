/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/ctpasswd.h"

#include <ctype.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fs/base/cleanup.h"
#include "fs/base/log.h"
#include "tools/cmd_ct.h"
#include "tools/ct/attach.h"
#include "tools/ct/standin.h"
#include "tools/ctmount.h"
#include "tools/ctwork.h"
#include "tools/monitor.h"
#include "tools/progress.h"
#include "tools/relay.h"

#define UMOUNT_MS 10000u
#define SCRIPT_MS 60000u

/* The line comes on standard input, where nobody else sees it. */
static const char script[] = "found=\n"
			     "while IFS=: read -r name rest; do\n"
			     "	[ \"$name\" != \"$1\" ] || found=1\n"
			     "done </etc/passwd\n"
			     "if [ -n \"$found\" ]; then\n"
			     "	:\n"
			     "elif command -v useradd >/dev/null; then\n"
			     "	useradd -m \"$1\" </dev/null || exit\n"
			     "else\n"
			     "	adduser -D \"$1\" </dev/null || exit\n"
			     "fi\n"
			     "exec chpasswd\n";

/* ---- the words ------------------------------------------------------------ */

/* One line, as much as fits; or -errno. */
static int read_line(char *line, size_t size)
{
	size_t n = 0;
	ssize_t r = 1;

	/* byte by byte: what comes behind it is somebody else's */
	while (n < size && (r = read(STDIN_FILENO, line + n, 1)) == 1)
		if (line[n++] == '\n')
			break;
	if (r < 0)
		return -errno;
	if (n == size)
		return -ENAMETOOLONG;
	if (n > 0 && line[n - 1] == '\n')
		n--;
	line[n] = '\0';
	return 0;
}

static bool is_user(const char *s, size_t len)
{
	if (len == 0 || len > CTPASSWD_USER || s[0] == '-')
		return false;
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)s[i]) && !strchr("._-", s[i]))
			return false;
	return true;
}

static int take(struct ctpasswd *p, const char *word, struct why *why)
{
	size_t user = strcspn(word, ":"), len = strlen(word);

	if (!is_user(word, user))
		return why_set(why, -EINVAL,
			       "--userpasswd: it is USER:PASSWORD, or - and "
			       "then that on standard input; a user's name is "
			       "1 to %u letters, digits, '.', '_', '-'",
			       CTPASSWD_USER);
	if (!word[user] || !word[user + 1])
		return why_set(why, -EINVAL,
			       "--userpasswd: user %.*s has no password behind "
			       "a ':'",
			       (int)user, word);
	if (len > sizeof(p->line) - 2)
		return why_set(why, -EINVAL,
			       "--userpasswd: the password is too long");
	for (const char *s = word; *s; s++)
		if (iscntrl((unsigned char)*s))
			return why_set(why, -EINVAL,
				       "--userpasswd: a password is one line "
				       "without control characters");
	snprintf(p->user, sizeof(p->user), "%.*s", (int)user, word);
	snprintf(p->line, sizeof(p->line), "%s\n", word);
	return 0;
}

int ctpasswd_take(struct ctpasswd *p, char *word, struct why *why)
{
	char line[CTPASSWD_TEXT];
	int r;

	if (strcmp(word, "-") == 0) {
		r = read_line(line, sizeof(line));
		if (r < 0)
			return why_sys(why, r, "--userpasswd: standard input");
		r = take(p, line, why);
		explicit_bzero(line, sizeof(line));
		return r;
	}
	r = take(p, word, why);
	/* who lists processes need not read it */
	memset(word, 'x', strlen(word));
	return r;
}

/* ---- running the script ---------------------------------------------------- */

/* The line, to be read; or -errno. */
static int feed(const struct ctpasswd *p)
{
	size_t len = strlen(p->line);
	int pipe[2], r = 0;

	if (pipe2(pipe, O_CLOEXEC) < 0)
		return -errno;
	/* it fits */
	if (write(pipe[1], p->line, len) != (ssize_t)len)
		r = -EIO;
	close(pipe[1]);
	if (r < 0)
		close(pipe[0]);
	return r < 0 ? r : pipe[0];
}

static int make_stdio(const struct ctpasswd *p, struct relay *relay,
		      int stdio[3])
{
	int r = stdio[0] = feed(p);

	for (int fd = 1; fd < 3; fd++) {
		stdio[fd] = relay_stdio(relay, fd);
		if (r >= 0 && stdio[fd] < 0)
			r = stdio[fd];
	}
	return r < 0 ? r : 0;
}

/* In a container that runs: a child of ours, or -errno. */
static int run_attached(struct ctwork *w, const char *const argv[],
			const int stdio[3])
{
	struct attach_plan plan = { .spec = &w->spec,
				    .pidfd = w->pidfd,
				    .group = w->group,
				    .argv = (char *const *)(uintptr_t)argv,
				    .cwd = "/",
				    .stdio = { stdio[0], stdio[1], stdio[2] },
				    .sender = -1 };
	struct attach a = { .pid = -1, .tty = -1 };
	int r = attach_run(&plan, &a, &w->why);

	return r < 0 ? r : a.pid;
}

/* The monitor of one that does not run; ends here. */
static void be_monitor(const struct cmd_common *common, const char *id,
		       pid_t maker, const char *const argv[],
		       const int stdio[3])
{
	struct monitor_plan plan = { .store = common->root,
				     .id = id,
				     .init = (char *const *)(uintptr_t)argv,
				     .stdio = true,
				     .once = true,
				     .bare = true,
				     .viewer = -1,
				     .report = -1 };
	struct why why = { "" };
	int r = -EIO;

	setsid();
	for (int fd = 0; fd < 3; fd++)
		if (dup2(stdio[fd], fd) < 0)
			_exit(1);
	close_range(3, ~0u, 0);
	prctl(PR_SET_PDEATHSIG, SIGHUP);
	if (chdir("/") == 0 && getppid() == maker)
		plan.catalog = cmd_open(common, false);
	if (plan.catalog)
		r = monitor_run(&plan, &why);
	if (r < 0)
		cmd_fail(r, &why);
	_exit(r < 0 || !WIFEXITED(r) ? 1 : WEXITSTATUS(r));
}

static int run_bare(const struct ctwork *w, const struct cmd_common *common,
		    const char *const argv[], const int stdio[3])
{
	char id[CONTAINER_ID_MAX + 1];
	pid_t self = getpid(), pid = fork();

	if (pid == 0) {
		memcpy(id, w->one.id, sizeof(id));
		be_monitor(common, id, self, argv, stdio);
	}
	return pid < 0 ? -errno : pid;
}

/* An exit code, told. */
static int tell_end(const struct ctwork *w, const struct ctpasswd *p,
		    enum relay_cut cut)
{
	static const char *const how[] = {
		[RELAY_TOLD] = "was broken off",
		[RELAY_LATE] = "took more than a minute, and was killed",
	};

	if (cut)
		log_error("container %s: the password of %s may be as it was: "
			  "the container's chpasswd %s",
			  w->one.id, p->user, how[cut]);
	else
		log_error("container %s: the password of %s is as it was: the "
			  "container's chpasswd failed",
			  w->one.id, p->user);
	return CMD_CT_PASSWORD;
}

/* It is mounted, and locked if it does not run. An exit code, told. */
static int run_script(struct ctwork *w, const struct cmd_common *common,
		      const struct ctpasswd *p)
{
	const char *const argv[] = { "/bin/sh", "-c",	 script,
				     "sh",	p->user, NULL };
	/* What the container has for a shell need not end by itself. A monitor
	 * that is hung up ends its container, and has something to take away. */
	struct relay relay = { .ender = w->state.init ? STANDIN_KILL : SIGHUP,
			       .ms = SCRIPT_MS };
	int stdio[3] = { -1, -1, -1 };
	int r = make_stdio(p, &relay, stdio);

	if (r == 0 && w->state.init)
		r = run_attached(w, argv, stdio);
	else if (r == 0)
		r = run_bare(w, common, argv, stdio);
	for (int fd = 0; fd < 3; fd++)
		cleanup_closep(&stdio[fd]);
	if (r < 0) {
		ctwork_fail(w, r);
		return CMD_CT_PASSWORD;
	}
	relay.child = r;
	if (relay_run(&relay) == 0)
		return CMD_OK;
	return tell_end(w, p, relay.cut);
}

/*
 * One that runs is locked for a look only: its own programs are to hold up
 * nobody who wants to stop it, and for them, as for `vefs exec`, it need not be.
 */
static int begin(struct ctwork *w, const struct cmd_common *common,
		 const char *id)
{
	int status = ctwork_begin(w, common, id, true);

	if (status == CMD_OK && w->state.init)
		status = ctwork_running(w);
	if (status == CMD_OK && w->state.init && cgroup_is_frozen(w->group)) {
		log_error("container %s is suspended: 'vefs resume %s'", id,
			  id);
		status = CMD_FAILED;
	}
	if (w->state.init)
		container_unlock(&w->one);
	return status;
}

int ctpasswd_set(const struct ctpasswd *p, struct cmd_common *common,
		 const char *id)
{
	struct cmd_common quiet = *common;
	char name[CONTAINER_ID_MAX + 1];
	char *argv[] = { name, name, NULL };
	bool mounted = true;
	CTWORK(w);
	int status = begin(&w, common, id);

	snprintf(name, sizeof(name), "%s", id);
	quiet.quiet = true;
	if (status == CMD_OK && !w.state.init)
		mounted = container_is_mounted(&w.one);
	if (!mounted) {
		/* that takes the lock itself */
		ctwork_end(&w);
		w = (struct ctwork){ .one = CONTAINER_NONE, .pidfd = -1 };
		status = cmd_mount.run(&cmd_mount, &quiet, 2, argv);
		if (status == CMD_OK)
			status = begin(&w, common, id);
	}
	if (status != CMD_OK)
		return status;
	status = run_script(&w, common, p);
	if (!mounted && !w.state.init &&
	    ctmount_down(common->root, &w.one, UMOUNT_MS, &w.why) < 0)
		log_warn("container %s: %s", id, w.why.text);
	return status;
}
