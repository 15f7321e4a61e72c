/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/progress.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "fs/base/clock.h"
#include "tools/cmd.h"

#define BAR_EVERY (100 * CLOCK_MS)
#define LINE_EVERY (10 * CLOCK_S)
#define BAR_MAX 40

static volatile sig_atomic_t cancelled;

static void on_signal(int sig)
{
	cancelled = sig;
}

void progress_catch_signals(void)
{
	struct sigaction a = { .sa_handler = on_signal,
			       .sa_flags = (int)SA_RESETHAND | SA_RESTART };

	sigaction(SIGINT, &a, NULL);
	sigaction(SIGTERM, &a, NULL);
	signal(SIGPIPE, SIG_IGN);
}

bool progress_cancelled(void)
{
	return cancelled != 0;
}

void progress_start(struct progress *p, bool quiet)
{
	*p = (struct progress){
		.quiet = quiet,
		.terminal = isatty(STDERR_FILENO),
		.began = clock_now(),
	};
	p->last = p->began;
}

double progress_seconds(const struct progress *p)
{
	return (double)(clock_now() - p->began) / (double)CLOCK_S;
}

static unsigned width(void)
{
	struct winsize w;

	return ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 20
		       ? w.ws_col
		       : 80;
}

static size_t add_bar(char *to, size_t room, uint64_t done, uint64_t total)
{
	double part = (double)done / (double)total;
	int full = part < 1 ? (int)(part * BAR_MAX) : BAR_MAX;
	char bar[BAR_MAX + 1];

	memset(bar, '.', BAR_MAX);
	memset(bar, '#', (size_t)full);
	bar[BAR_MAX] = '\0';
	return (size_t)snprintf(to, room, "[%s] %3d%% ", bar,
				full * 100 / BAR_MAX);
}

void progress_show(struct progress *p, const char *doing, uint64_t done,
		   uint64_t total, uint64_t files)
{
	char line[256], a[CMD_SIZE_MAX], b[CMD_SIZE_MAX];
	uint64_t now = clock_now();
	double seconds, rate;
	size_t n = 0;

	if (p->quiet || now - p->last < (p->terminal ? BAR_EVERY : LINE_EVERY))
		return;
	p->last = now;
	seconds = progress_seconds(p);
	rate = seconds > 0 ? (double)done / seconds : 0;
	if (p->terminal && total)
		n = add_bar(line, sizeof(line), done, total);
	n += (size_t)snprintf(line + n, sizeof(line) - n,
			      "%s %s, %llu files, %s/s", doing,
			      cmd_size(done, a), (unsigned long long)files,
			      cmd_size((uint64_t)rate, b));
	if (total > done && rate > 0)
		snprintf(line + n, sizeof(line) - n, ", %.0f s left",
			 (double)(total - done) / rate);
	if (p->terminal)
		fprintf(stderr, "\r\033[K%.*s", (int)width() - 1, line);
	else
		fprintf(stderr, "%s\n", line);
	p->shown = p->terminal;
}

void progress_end(struct progress *p)
{
	if (p->shown)
		fprintf(stderr, "\r\033[K");
	p->shown = false;
}
