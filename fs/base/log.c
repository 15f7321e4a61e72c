/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

static const char *log_program = "vefs";
static _Atomic int log_level_max = LOG_LEVEL_INFO;
static _Atomic bool log_syslog;

static const struct {
	int priority;
	const char *word;
} log_levels[] = {
	[LOG_LEVEL_ERROR] = { LOG_ERR, "" },
	[LOG_LEVEL_WARN] = { LOG_WARNING, "warning: " },
	[LOG_LEVEL_INFO] = { LOG_INFO, "" },
	[LOG_LEVEL_DEBUG] = { LOG_DEBUG, "debug: " },
};

void log_open(const char *program)
{
	log_program = program;
}

void log_set_level(enum log_level level)
{
	atomic_store(&log_level_max, level);
}

void log_prepare_syslog(void)
{
	openlog(log_program, LOG_PID | LOG_NDELAY, LOG_DAEMON);
}

void log_to_syslog(void)
{
	log_prepare_syslog();
	atomic_store(&log_syslog, true);
}

void log_line(enum log_level level, const char *fmt, ...)
{
	int saved = errno;
	char line[1024];
	bool sent = false;
	va_list ap;
	int n;

	if ((int)level > atomic_load(&log_level_max))
		return;
	n = snprintf(line, sizeof(line), "%.64s: %s", log_program,
		     log_levels[level].word);
	va_start(ap, fmt);
	vsnprintf(line + n, sizeof(line) - (size_t)n - 1, fmt, ap);
	va_end(ap);

	if (!atomic_load(&log_syslog)) {
		size_t len = strlen(line);

		line[len] = '\n';
		sent = write(STDERR_FILENO, line, len + 1) >= 0;
		line[len] = '\0';
		if (!sent)
			atomic_store(&log_syslog, true);
	}
	if (!sent)
		syslog(log_levels[level].priority, "%s",
		       line + strnlen(log_program, 64) + 2);
	errno = saved;
}
