/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syslog.h>
#include <sys/un.h>

#include "fs/base/printable.h"

/*
 * syslog(3) is not used because it closes and opens its descriptor as it
 * likes: several processes share ours, by number. One datagram socket stays
 * open instead, and is connected again when the other side came back.
 */
#define SYSLOG_SOCKET "/dev/log"

static const char *log_program = "vefs";
static _Atomic int log_level_max = LOG_LEVEL_INFO;
static _Atomic bool log_syslog_only;
static _Atomic int log_syslog_fd = -1;

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

static int reach_syslog(int fd)
{
	static const struct sockaddr_un a = { .sun_family = AF_UNIX,
					      .sun_path = SYSLOG_SOCKET };

	return connect(fd, (const struct sockaddr *)&a, sizeof(a));
}

int log_syslog_open(void)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	/* If nobody is there yet: each line tries again. */
	reach_syslog(fd);
	return fd;
}

void log_syslog(int fd)
{
	atomic_store(&log_syslog_fd, fd);
}

void log_to_syslog(void)
{
	atomic_store(&log_syslog_only, true);
}

static void send_to_syslog(int priority, const char *text)
{
	int fd = atomic_load(&log_syslog_fd);
	char line[1280];
	int n;

	if (fd < 0)
		return;
	n = snprintf(line, sizeof(line), "<%d>%.64s[%d]: %s",
		     LOG_DAEMON | priority, log_program, getpid(), text);
	if (n >= (int)sizeof(line))
		n = sizeof(line) - 1;
	if (send(fd, line, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 &&
	    errno != EAGAIN && reach_syslog(fd) == 0)
		send(fd, line, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT);
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
	printable_mask(line + n, strlen(line + n), "");

	if (!atomic_load(&log_syslog_only)) {
		size_t len = strlen(line);

		line[len] = '\n';
		sent = write(STDERR_FILENO, line, len + 1) >= 0;
		line[len] = '\0';
		if (!sent)
			atomic_store(&log_syslog_only, true);
	}
	if (!sent)
		send_to_syslog(log_levels[level].priority,
			       line + strnlen(log_program, 64) + 2);
	errno = saved;
}
