/* SPDX-License-Identifier: GPL-2.0-or-later */

/* vefs exec, exec2, enter, runscript, console, logs. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#include "fs/base/cleanup.h"
#include "fs/base/fdio.h"
#include "fs/base/log.h"
#include "fs/base/printable.h"
#include "fs/base/strbuf.h"
#include "tools/ct/attach.h"
#include "tools/ctwork.h"
#include "tools/mass.h"
#include "tools/monitor.h"
#include "tools/relay.h"

#define ANSWER_MS 5000u
#define FOLLOW_MS 200

/* What a status of wait(2) is as an exit code of ours. */
static int exit_code(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int open_running(struct ctwork *w, const struct cmd_common *common,
			const char *id)
{
	int status = ctwork_begin(w, common, id, false);

	return status == CMD_OK ? ctwork_running(w) : status;
}

/* The same, and what is run in it would run. */
static int open_awake(struct ctwork *w, const struct cmd_common *common,
		      const char *id)
{
	int status = open_running(w, common, id);

	if (status != CMD_OK || !cgroup_is_frozen(w->group))
		return status;
	log_error("container %s is suspended: 'vefs resume %s'", w->one.id,
		  w->one.id);
	return CMD_FAILED;
}

/* ---- exec, exec2, runscript --------------------------------------------------- */

/* Run argv inside with our standard input and output; an exit code. */
static int run_inside(struct ctwork *w, const char *const argv[], bool own_code)
{
	struct attach_plan plan = { .spec = &w->spec,
				    .pidfd = w->pidfd,
				    .group = w->group,
				    .argv = (char *const *)(uintptr_t)argv,
				    .cwd = "/",
				    .sender = -1 };
	struct relay relay = { .n = 0 };
	_cleanup_close_ int sender = -1;
	struct attach a = { .pid = -1, .tty = -1 };
	int r = 0, code;

	for (int fd = 0; fd < 3; fd++) {
		plan.stdio[fd] = relay_stdio(&relay, fd);
		if (plan.stdio[fd] < 0 && r == 0)
			r = why_sys(&w->why, plan.stdio[fd],
				    "standard input, output");
	}
	plan.sender = sender = ctwork_sender(w, &plan.answered);
	if (r == 0)
		r = attach_run(&plan, &a, &w->why);
	for (int fd = 0; fd < 3; fd++)
		cleanup_closep(&plan.stdio[fd]);
	if (r < 0) {
		cmd_fail(r, &w->why);
		return own_code ? (r == -ENOENT ? 127 : 126) : CMD_CT_EXEC;
	}
	relay.child = a.pid;
	code = exit_code(relay_run(&relay));
	if (own_code || code == 0)
		return code;
	return CMD_CT_EXEC;
}

/* The words of a command as a shell's line, as vzctl makes one. */
static char *join(int argc, char **argv)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	for (int i = 0; i < argc; i++) {
		if (i)
			strbuf_putc(&b, ' ');
		strbuf_puts(&b, argv[i]);
	}
	return strbuf_take(&b);
}

/* The shell it has: bash as vzctl takes it, if it is there. */
#define FIND_SHELL "[ -x /bin/bash ] && exec /bin/bash "

struct executing {
	char **words; /* n of them */
	int n;
	bool own_code;
	bool by_stdin; /* lines from there, for each the same */
};

static int exec_this(void *ctx, struct cmd_common *common, const char *id)
{
	static const char by_line[] = FIND_SHELL
		"-c -- \"$1\"; exec /bin/sh -c -- \"$1\"";
	static const char by_stdin[] = FIND_SHELL "-s; exec /bin/sh -s";
	const struct executing *how = ctx;
	_cleanup_free_ char *line = NULL;
	const char *words[] = { "/bin/sh", "-c", by_line, "sh", NULL, NULL };
	CTWORK(w);
	int status = open_awake(&w, common, id);

	if (status != CMD_OK)
		return status;
	if (how->by_stdin) {
		words[2] = by_stdin;
		words[3] = NULL;
	} else {
		line = join(how->n, how->words);
		words[4] = line;
		if (!line)
			return ctwork_fail(&w, -ENOMEM);
	}
	return run_inside(&w, words, how->own_code);
}

/* All of standard input, for several to read; or -errno. */
static int keep_input(void)
{
	_cleanup_close_ int fd = memfd_create("input", MFD_CLOEXEC);
	char data[16384];
	ssize_t n;

	if (fd < 0)
		return -errno;
	while ((n = read(STDIN_FILENO, data, sizeof(data))) > 0)
		if (write(fd, data, (size_t)n) != n)
			return -errno;
	return n < 0 ? -errno : TAKE_FD(fd);
}

static int exec_in(const struct cmd *self, struct cmd_common *common, int argc,
		   char **argv, bool own_code)
{
	static const int some[] = { 1, CMD_REST };
	struct cmd_option own[MASS_OPTIONS + 1] = { { .name = NULL } };
	struct executing how = { .own_code = own_code };
	struct mass mass = { .all = false };
	struct mass_work work = {
		.self = self,
		.pick = { .state = MASSPICK_RUNNING },
		.input = -1,
		.one = exec_this,
		.ctx = &how,
	};
	int n, ids, status;

	mass_options(&mass, own);
	n = cmd_parse(self, common, own, argc, argv, some);
	if (n < 0)
		return cmd_parse_status(common);
	ids = mass_chooses(&mass) ? 0 : 1;
	how.words = argv + ids;
	how.n = n - ids;
	if (how.n > 0 && strcmp(how.words[0], "--") == 0) {
		how.words++;
		how.n--;
	}
	if (how.n <= 0) {
		log_error("%s: which command?", ids ? argv[0] : self->name);
		return CMD_USAGE;
	}
	how.by_stdin = how.n == 1 && strcmp(how.words[0], "-") == 0;
	if (how.by_stdin && (!ids || strchr(argv[0], ','))) {
		work.input = keep_input();
		if (work.input < 0) {
			log_error("standard input: %s", strerror(-work.input));
			return CMD_FAILED;
		}
	}
	status = mass_run(&mass, common, &work, ids, argv);
	if (work.input >= 0)
		close(work.input);
	return status;
}

static int run_exec(const struct cmd *self, struct cmd_common *common, int argc,
		    char **argv)
{
	return exec_in(self, common, argc, argv, false);
}

static int run_exec2(const struct cmd *self, struct cmd_common *common,
		     int argc, char **argv)
{
	return exec_in(self, common, argc, argv, true);
}

static int run_runscript(const struct cmd *self, struct cmd_common *common,
			 int argc, char **argv)
{
	static const int two[] = { 2, 2 };
	static const char *const words[] = { "/bin/sh", "-c",
					     FIND_SHELL "-s; exec /bin/sh -s",
					     NULL };
	_cleanup_close_ int script = -1;
	CTWORK(w);
	int status;

	if (cmd_parse(self, common, NULL, argc, argv, two) < 0)
		return cmd_parse_status(common);
	script = open(argv[1], O_RDONLY | O_CLOEXEC);
	if (script < 0 || dup2(script, STDIN_FILENO) < 0) {
		log_error("%s: %s", argv[1], strerror(errno));
		return CMD_FAILED;
	}
	status = open_awake(&w, common, argv[0]);
	return status == CMD_OK ? run_inside(&w, words, true) : status;
}

/* ---- enter ------------------------------------------------------------------- */

static void resize_tty(void *ctx, unsigned rows, unsigned columns)
{
	const struct winsize size = { .ws_row = (unsigned short)rows,
				      .ws_col = (unsigned short)columns };

	ioctl(*(const int *)ctx, TIOCSWINSZ, &size);
}

static int run_enter(const struct cmd *self, struct cmd_common *common,
		     int argc, char **argv)
{
	static const int some[] = { 1, CMD_REST };
	static const char shell[] = FIND_SHELL "--login; exec /bin/sh -l";
	static const char by_line[] = FIND_SHELL
		"--login -c \"$1\"; exec /bin/sh -l -c \"$1\"";
	_cleanup_free_ char *line = NULL;
	const char *words[] = { "/bin/sh", "-c", shell, "sh", NULL, NULL };
	struct attach_plan plan = { .cwd = "/root", .tty = true, .sender = -1 };
	struct relay relay = { .n = 2, .size = resize_tty };
	_cleanup_close_ int sender = -1;
	struct attach a = { .pid = -1, .tty = -1 };
	CTWORK(w);
	int n = cmd_parse(self, common, NULL, argc, argv, some), status, r;

	if (n < 0)
		return cmd_parse_status(common);
	if (n > 2 && strcmp(argv[1], "--exec") == 0) {
		words[2] = by_line;
		words[4] = line = join(n - 2, argv + 2);
	} else if (n > 1) {
		log_error("%s: a command comes behind --exec", argv[1]);
		return CMD_USAGE;
	}
	status = open_awake(&w, common, argv[0]);
	if (status != CMD_OK)
		return status;
	plan.spec = &w.spec;
	plan.pidfd = w.pidfd;
	plan.group = w.group;
	plan.argv = (char *const *)(uintptr_t)words;
	plan.term = getenv("TERM");
	if (!plan.term)
		plan.term = "linux";
	plan.sender = sender = ctwork_sender(&w, &plan.answered);
	r = attach_run(&plan, &a, &w.why);
	if (r < 0)
		return ctwork_fail(&w, r);
	relay.child = a.pid;
	relay.raw = isatty(STDIN_FILENO);
	relay.ctx = &a.tty;
	relay.way[0] = (struct relay_way){ STDIN_FILENO, a.tty, true, true };
	relay.way[1] = (struct relay_way){ a.tty, STDOUT_FILENO, false, false };
	return exit_code(relay_run(&relay));
}

/* ---- console, logs ----------------------------------------------------------- */

static void resize_console(void *ctx, unsigned rows, unsigned columns)
{
	struct why why = { "" };
	char request[64];

	snprintf(request, sizeof(request), "size %u %u", rows, columns);
	monitor_ask(ctx, request, ANSWER_MS, &why);
}

/* Its "ok" comes before what is on the console. -EPIPE: nothing came. */
static int take_ok(int fd, struct why *why)
{
	char line[512];
	size_t n = 0;

	while (n < sizeof(line) - 1 && recv(fd, line + n, 1, 0) == 1 &&
	       line[n] != '\n')
		n++;
	line[n] = '\0';
	if (!n)
		return -EPIPE;
	return strcmp(line, "ok") == 0 ? 0
				       : why_set(why, -EREMOTEIO, "%s", line);
}

/* A connection to look by, or -errno. */
static int look_at_console(const struct container *one, struct why *why)
{
	unsigned tries = 0;
	int fd, r;

	do {
		r = fd = monitor_connect(one, "console");
		if (r >= 0)
			r = take_ok(fd, why);
		if (r < 0)
			cleanup_closep(&fd);
	} while (r == -EPIPE && monitor_again(one, &tries));
	return r < 0 ? why_sys(why, r, "container %s: its monitor", one->id)
		     : fd;
}

static int run_console(const struct cmd *self, struct cmd_common *common,
		       int argc, char **argv)
{
	static const int one[] = { 1, 1 };
	struct relay relay = { .n = 2, .size = resize_console, .escape = true };
	CTWORK(w);
	int status, fd;

	if (cmd_parse(self, common, NULL, argc, argv, one) < 0)
		return cmd_parse_status(common);
	status = open_running(&w, common, argv[0]);
	if (status != CMD_OK)
		return status;
	fd = look_at_console(&w.one, &w.why);
	if (fd < 0)
		return ctwork_fail(&w, fd);
	relay.raw = isatty(STDIN_FILENO);
	relay.ctx = &w.one;
	if (relay.raw && !common->quiet)
		log_info("console of %s; Esc and then '.' leaves", w.one.id);
	relay.way[0] = (struct relay_way){ STDIN_FILENO, fd, true, false };
	relay.way[1] = (struct relay_way){ fd, STDOUT_FILENO, false, false };
	relay_run(&relay);
	return CMD_OK;
}

/* All that is there from `off` on; how far. */
static off_t print_from(int fd, off_t off)
{
	char data[16384];
	ssize_t n;

	while ((n = pread(fd, data, sizeof(data), off)) > 0) {
		/* it comes from inside, and is read later */
		if (isatty(STDOUT_FILENO))
			printable_mask(data, (size_t)n, "\n\r\t");
		if (write(STDOUT_FILENO, data, (size_t)n) != n)
			return -1;
		off += n;
	}
	return off;
}

static int follow(int dir, int fd)
{
	const struct timespec pause = { .tv_nsec = FOLLOW_MS * 1000 * 1000 };
	struct stat st, now;
	off_t off = 0;

	for (;;) {
		off = print_from(fd, off);
		if (off < 0)
			return CMD_FAILED;
		nanosleep(&pause, NULL);
		/* Another has taken its place. */
		if (fdio_stat(fd, &st) == 0 &&
		    fdio_statat(dir, RUNSTATE_LOG, &now) == 0 &&
		    st.st_ino != now.st_ino) {
			print_from(fd, off);
			close(fd);
			fd = fdio_openat(dir, RUNSTATE_LOG, O_RDONLY, 0);
			off = 0;
			if (fd < 0)
				return CMD_FAILED;
		}
	}
}

static int run_logs(const struct cmd *self, struct cmd_common *common, int argc,
		    char **argv)
{
	static const int one[] = { 1, 1 };
	static const char *const files[] = { RUNSTATE_LOG ".1", RUNSTATE_LOG };
	bool more = false;
	const struct cmd_option own[] = { { "f", &more, NULL },
					  { "follow", &more, NULL },
					  { NULL, NULL, NULL } };
	_cleanup_close_ int dir = -1;
	CTWORK(w);
	int status;

	if (cmd_parse(self, common, own, argc, argv, one) < 0)
		return cmd_parse_status(common);
	status = ctwork_begin(&w, common, argv[0], false);
	if (status != CMD_OK)
		return status;
	dir = fdio_openat(w.one.dir, RUNSTATE_FOLDER, O_RDONLY | O_DIRECTORY,
			  0);
	for (unsigned i = 0; i < ARRAY_SIZE(files); i++) {
		int fd = dir < 0 ? dir
				 : fdio_openat(dir, files[i], O_RDONLY, 0);

		if (fd < 0 && i == 0 && dir >= 0)
			continue;
		if (fd < 0) {
			log_error("container %s has never run", w.one.id);
			return CMD_FAILED;
		}
		if (more && i + 1 == ARRAY_SIZE(files))
			return follow(dir, fd);
		if (print_from(fd, 0) < 0)
			status = CMD_FAILED;
		close(fd);
	}
	return status;
}

/* ---- the records ------------------------------------------------------------- */

const struct cmd cmd_exec = {
	CMD_CT_exec,
	.help = "The words are a line for its bash, or sh; \"-\" reads lines "
		"from standard input.\nThe exit status is 8 when the command "
		"fails. Options stand before the container.\n" MASS_HELP "\n"
		"Examples:\n"
		"  vefs exec 101 ps ax\n"
		"  vefs exec 101 'cd /etc && tar c .' > etc.tar\n"
		"  vefs exec --match 'web*' -- systemctl reload nginx\n",
	.run = run_exec,
};

const struct cmd cmd_exec2 = {
	CMD_CT_exec2,
	.help = "127: there is no shell in it; 126: it cannot be run.\n" MASS_HELP,
	.run = run_exec2,
};

const struct cmd cmd_enter = {
	CMD_CT_enter,
	.help = "Example:\n"
		"  vefs enter 101 --exec top\n",
	.run = run_enter,
};

const struct cmd cmd_runscript = {
	CMD_CT_runscript,
	.run = run_runscript,
};

const struct cmd cmd_console = {
	CMD_CT_console,
	.run = run_console,
};

const struct cmd cmd_logs = {
	CMD_CT_logs,
	.help = "  -f   go on with what comes\n",
	.run = run_logs,
};
