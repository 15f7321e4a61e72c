/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A process for each container, in a process group of its own: what a terminal
 * sends reaches us alone, and we pass it on. It has done when it has ended and
 * what it wrote until then was read; who else holds its output open (a service
 * that was started in a container) is not waited for.
 */
#include "tools/massrun.h"

#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "fs/base/cleanup.h"
#include "fs/base/clock.h"
#include "fs/base/log.h"
#include "fs/base/strbuf.h"
#include "tools/jsontext.h"

#define CHUNK 65536u
#define LINE_MAX_KEPT 65536u		 /* longer ones are shown in parts */
#define JSON_MAX_KEPT ((size_t)16 << 20) /* of one container's output */
#define LAST_READS 32 /* of one that has ended; a pipe has 16 to 64 KiB */

struct job {
	const char *id;
	pid_t pid;  /* 0: it was not begun */
	int out[2]; /* where its standard output and error come; -1 */
	struct strbuf text[2];
	bool cut; /* not all of it is kept */
	bool ended;
	int status; /* of wait(2) */
	uint64_t began, took;
};

struct run {
	const struct mass_work *work;
	const struct cmd_common *common;
	struct job *job;
	size_t n, next, running, failed;
	unsigned width;
	struct pollfd *poll; /* of signals, and two for each that runs */
	struct job **polled;
	int signals;
	sigset_t before;
	int stop; /* the signal that ends it all */
	int lost; /* why what they said could not be written */
	bool terminal, shown;
};

/* ---- showing ----------------------------------------------------------------- */

static void hide_progress(struct run *r)
{
	if (r->shown && write(STDERR_FILENO, "\r\033[K", 4) < 0)
		r->terminal = false;
	r->shown = false;
}

static void show_progress(struct run *r)
{
	struct winsize size;
	size_t done = r->next - r->running, columns = 80;
	char line[256];
	int n;

	if (!r->terminal)
		return;
	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20)
		columns = size.ws_col;
	n = snprintf(line, sizeof(line), "%s: %zu of %zu, %zu failed, now",
		     r->work->self->name, done, r->n, r->failed);
	for (size_t i = 0; i < r->next && (size_t)n < columns; i++)
		if (!r->job[i].ended && (size_t)n < sizeof(line) - 80)
			n += snprintf(line + n, sizeof(line) - (size_t)n, " %s",
				      r->job[i].id);
	hide_progress(r);
	fprintf(stderr, "%.*s", (int)columns - 1, line);
	fflush(stderr);
	r->shown = true;
}

/* All of it, or nobody wants it. */
static bool put(int fd, const char *s, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, s, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		s += n;
		len -= (size_t)n;
	}
	return true;
}

static void pass_on(struct run *r, int sig)
{
	if (!r->stop)
		r->stop = sig;
	for (size_t i = 0; i < r->next; i++)
		if (r->job[i].pid && !r->job[i].ended)
			kill(-r->job[i].pid, sig);
}

/* Who does not want to hear of it stops it; who cannot is told at the end. */
static void lose(struct run *r, int reason)
{
	if (reason == EPIPE && !r->stop)
		pass_on(r, SIGPIPE);
	else if (reason != EPIPE)
		r->lost = reason;
}

/* The lines that it has so far, all of them at its end. */
static void show_lines(struct run *r, struct job *j, int which, bool all)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct strbuf *text = &j->text[which];
	const char *s = strbuf_get(text), *end = s + text->len, *nl;

	while (s < end) {
		size_t len = (size_t)(end - s);

		nl = memchr(s, '\n', len);
		if (!nl && !all && len < LINE_MAX_KEPT)
			break;
		strbuf_addf(&b, "%s: ", j->id);
		strbuf_add(&b, s, nl ? (size_t)(nl - s) : len);
		strbuf_putc(&b, '\n');
		s = nl ? nl + 1 : end;
	}
	if (b.len == 0)
		return;
	hide_progress(r);
	if (!r->lost &&
	    !put(which ? STDERR_FILENO : STDOUT_FILENO, strbuf_get(&b), b.len))
		lose(r, errno);
	/* What is left is less than a line. */
	strbuf_clear(&b);
	strbuf_add(&b, s, (size_t)(end - s));
	strbuf_clear(text);
	strbuf_add(text, strbuf_get(&b), b.len);
}

/* ---- what it writes ---------------------------------------------------------- */

/* False: there is nothing (more) for now. */
static bool take_output(struct run *r, struct job *j, int which)
{
	char data[CHUNK];
	ssize_t n = read(j->out[which], data, sizeof(data));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return errno == EINTR;
	if (n <= 0) {
		close(j->out[which]);
		j->out[which] = -1;
		return false;
	}
	if (!r->common->json) {
		strbuf_add(&j->text[which], data, (size_t)n);
		show_lines(r, j, which, false);
	} else if (j->text[which].len + (size_t)n <= JSON_MAX_KEPT) {
		strbuf_add(&j->text[which], data, (size_t)n);
	} else {
		j->cut = true;
	}
	return true;
}

static void end_job(struct run *r, struct job *j, int status)
{
	j->status = status;
	j->ended = true;
	j->took = clock_now() - j->began;
	r->running--;
	if (status != 0)
		r->failed++;
	for (int k = 0; k < 2; k++) {
		for (int i = 0; i < LAST_READS && j->out[k] >= 0; i++)
			if (!take_output(r, j, k))
				break;
		if (j->out[k] >= 0)
			close(j->out[k]);
		j->out[k] = -1;
		if (!r->common->json) {
			show_lines(r, j, k, true);
			strbuf_free(&j->text[k]);
		}
	}
}

/* ---- the processes ----------------------------------------------------------- */

static int open_input(const struct run *r)
{
	char path[64] = "/dev/null";

	/* Opened anew it has a position of its own. */
	if (r->work->input >= 0)
		snprintf(path, sizeof(path), "/proc/self/fd/%d",
			 r->work->input);
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* The new process: does it, and ends. What it leaves behind (monitors) must
 * not hold anything of ours. */
static void be_job(const struct run *r, const struct job *j, int out, int err)
{
	struct cmd_common common = *r->common;
	int in = open_input(r), status = CMD_FAILED;

	setpgid(0, 0);
	for (size_t i = 0; i < r->next; i++)
		for (int k = 0; k < 2; k++)
			cleanup_closep(&r->job[i].out[k]);
	close(r->signals);
	signal(SIGPIPE, SIG_DFL);
	sigprocmask(SIG_SETMASK, &r->before, NULL);
	common.json = false;
	if (in >= 0 && dup2(in, STDIN_FILENO) >= 0 &&
	    dup2(out, STDOUT_FILENO) >= 0 && dup2(err, STDERR_FILENO) >= 0) {
		close(in);
		close(out);
		close(err);
		status = r->work->one(r->work->ctx, &common, j->id);
		status = cmd_flush(status);
	}
	_exit(status);
}

static int open_pipes(int of[4])
{
	if (pipe2(of, O_CLOEXEC) < 0)
		return -errno;
	if (pipe2(of + 2, O_CLOEXEC) < 0) {
		int saved = -errno;

		close(of[0]);
		close(of[1]);
		return saved;
	}
	fcntl(of[0], F_SETFL, O_NONBLOCK);
	fcntl(of[2], F_SETFL, O_NONBLOCK);
	return 0;
}

/* 0, or -errno: none can be made now. */
static int begin_job(struct run *r)
{
	struct job *j = &r->job[r->next];
	int of[4], e = open_pipes(of);
	pid_t pid;

	if (e < 0)
		return e;
	j->out[0] = of[0];
	j->out[1] = of[2];
	r->next++;
	fflush(NULL);
	pid = fork();
	if (pid == 0)
		be_job(r, j, of[1], of[3]);
	e = pid < 0 ? -errno : 0;
	close(of[1]);
	close(of[3]);
	if (e < 0) {
		r->next--;
		close(of[0]);
		close(of[2]);
		j->out[0] = j->out[1] = -1;
		return e;
	}
	setpgid(pid, pid);
	j->pid = pid;
	j->began = clock_now();
	r->running++;
	return 0;
}

static void reap(struct run *r)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (size_t i = 0; i < r->next; i++)
			if (r->job[i].pid == pid && !r->job[i].ended)
				end_job(r, &r->job[i], status);
}

static void on_signal(struct run *r)
{
	struct signalfd_siginfo si;

	while (read(r->signals, &si, sizeof(si)) == sizeof(si)) {
		if (si.ssi_signo == SIGCHLD)
			reap(r);
		else
			pass_on(r, (int)si.ssi_signo);
	}
}

static void wait_for_some(struct run *r)
{
	size_t n = 1;

	r->poll[0] = (struct pollfd){ .fd = r->signals, .events = POLLIN };
	for (size_t i = 0; i < r->next; i++) {
		for (int k = 0; !r->job[i].ended && k < 2; k++) {
			r->polled[n] = &r->job[i];
			r->poll[n++] = (struct pollfd){ .fd = r->job[i].out[k],
							.events = POLLIN };
		}
	}
	if (poll(r->poll, n, -1) < 0)
		return;
	for (size_t i = 1; i < n; i++)
		if (r->poll[i].revents)
			take_output(r, r->polled[i], (i - 1) % 2);
	if (r->poll[0].revents)
		on_signal(r);
}

static void run_all(struct run *r)
{
	int e;

	while (r->running > 0 || (r->next < r->n && !r->stop)) {
		while (!r->stop && r->next < r->n && r->running < r->width) {
			e = begin_job(r);
			if (e == 0)
				continue;
			if (r->running > 0)
				break; /* there will be room */
			log_error("a process: %s", strerror(-e));
			return;
		}
		show_progress(r);
		if (r->running > 0)
			wait_for_some(r);
	}
	hide_progress(r);
}

/* ---- the end ----------------------------------------------------------------- */

static void add_json(json_t *all, const struct job *j)
{
	json_t *o = json_pack("{s:s, s:b}", "ctid", j->id, "begun", j->pid > 0);

	if (j->pid && WIFEXITED(j->status))
		json_object_set_new(o, "exit",
				    json_integer(WEXITSTATUS(j->status)));
	else if (j->pid)
		json_object_set_new(o, "signal",
				    json_integer(WTERMSIG(j->status)));
	if (j->pid) {
		json_object_set_new(
			o, "seconds",
			json_real((double)j->took / (double)CLOCK_S));
		for (int k = 0; k < 2; k++)
			json_object_set_new(
				o, k ? "stderr" : "stdout",
				jsontext_new(strbuf_get(&j->text[k]),
					     j->text[k].len));
	}
	if (j->cut)
		json_object_set_new(o, "truncated", json_true());
	json_array_append_new(all, o);
}

static void show_json(const struct run *r)
{
	json_t *all = json_array();

	for (size_t i = 0; i < r->n; i++)
		add_json(all, &r->job[i]);
	if (json_dumpf(all, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(6)) <
	    0)
		log_error("no memory for the output");
	putchar('\n');
	fflush(stdout);
	json_decref(all);
}

static bool same_end(const struct job *a, const struct job *b)
{
	return !a->pid == !b->pid && (!a->pid || a->status == b->status);
}

/* Of all that ended as this one did, which is the first of them. */
static void tell_end(const struct run *r, const struct job *first)
{
	size_t n = 0;

	for (const struct job *j = first; j < r->job + r->n; j++)
		n += same_end(j, first);
	if (!first->pid)
		fprintf(stderr, "vefs: %zu not begun:", n);
	else if (WIFEXITED(first->status))
		fprintf(stderr, "vefs: %zu with exit status %d:", n,
			WEXITSTATUS(first->status));
	else
		fprintf(stderr, "vefs: %zu killed by SIG%s:", n,
			sigabbrev_np(WTERMSIG(first->status))
				? sigabbrev_np(WTERMSIG(first->status))
				: "?");
	for (const struct job *j = first; j < r->job + r->n; j++)
		if (same_end(j, first))
			fprintf(stderr, " %s", j->id);
	fputc('\n', stderr);
}

static int tell(const struct run *r)
{
	size_t good = 0;

	for (size_t i = 0; i < r->n; i++)
		good += r->job[i].pid && r->job[i].status == 0;
	if (r->n == 0 && !r->common->quiet)
		fprintf(stderr, "vefs: there is no container to %s\n",
			r->work->self->name);
	else if (good < r->n || !r->common->quiet)
		fprintf(stderr, "vefs: %s: %zu of %zu succeeded\n",
			r->work->self->name, good, r->n);
	for (size_t i = 0; i < r->n; i++) {
		bool told = r->job[i].pid && r->job[i].status == 0;

		for (size_t k = 0; k < i && !told; k++)
			told = same_end(&r->job[k], &r->job[i]);
		if (!told)
			tell_end(r, &r->job[i]);
	}
	if (r->stop)
		return 128 + r->stop;
	return good == r->n ? CMD_OK : CMD_FAILED;
}

/* ---- all of it --------------------------------------------------------------- */

static int hear(struct run *r)
{
	static const int heard[] = { SIGCHLD, SIGINT, SIGTERM, SIGHUP };
	sigset_t set;

	sigemptyset(&set);
	for (unsigned i = 0; i < ARRAY_SIZE(heard); i++)
		sigaddset(&set, heard[i]);
	sigprocmask(SIG_BLOCK, &set, &r->before);
	signal(SIGPIPE, SIG_IGN);
	r->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return r->signals < 0 ? -errno : 0;
}

static void end(struct run *r)
{
	for (size_t i = 0; r->job && i < r->n; i++)
		for (int k = 0; k < 2; k++)
			strbuf_free(&r->job[i].text[k]);
	free(r->job);
	free(r->poll);
	free(r->polled);
	if (r->signals >= 0) {
		close(r->signals);
		signal(SIGPIPE, SIG_DFL);
		sigprocmask(SIG_SETMASK, &r->before, NULL);
	}
}

int massrun(const struct mass_work *work, const struct cmd_common *common,
	    const struct masspick_list *list, unsigned width)
{
	struct run r = { .work = work,
			 .common = common,
			 .n = list->n,
			 .width = width,
			 .signals = -1,
			 .terminal = !common->quiet && isatty(STDERR_FILENO) };
	int status;

	r.job = calloc(r.n + 1, sizeof(*r.job));
	r.poll = calloc(2 * (size_t)width + 1, sizeof(*r.poll));
	r.polled = calloc(2 * (size_t)width + 1, sizeof(struct job *));
	for (size_t i = 0; r.job && i < r.n; i++)
		r.job[i] = (struct job){ .id = list->id[i], .out = { -1, -1 } };
	if (!r.job || !r.poll || !r.polled || hear(&r) < 0) {
		end(&r);
		return cmd_fail(-ENOMEM, &(struct why){ "" });
	}
	run_all(&r);
	if (common->json)
		show_json(&r);
	status = cmd_flush(tell(&r));
	if (r.lost)
		log_error("writing what they said: %s", strerror(r.lost));
	if (r.lost && status == CMD_OK)
		status = CMD_FAILED;
	end(&r);
	return status;
}
