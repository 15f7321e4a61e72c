/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_BASE_LOG_H
#define VEFS_FS_BASE_LOG_H

/*
 * log - lines for people: to stderr while there is one, else to syslog.
 *
 * Thread-safe: each line is one write. A line needs no newline at its end.
 * What a terminal would obey in it comes as "?": names may be anybody's.
 */
#include "fs/base/cleanup.h"

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARN,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG
};

/* The program's name in front of each line; a string that lives on. */
void log_open(const char *program);

/* Lines above `level` are dropped; LOG_LEVEL_INFO at first. */
void log_set_level(enum log_level level);

/* A socket to the system's log, the caller's to close; or -errno. */
int log_syslog_open(void);
/* What stderr does not take goes there; borrowed. -1, as at first: nowhere. */
void log_syslog(int fd);
/* From now on all lines do: stderr belongs to nobody any more. */
void log_to_syslog(void);

/* One line. Errno is kept. */
void log_line(enum log_level level, const char *fmt, ...) _printf_(2, 3);

#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...) log_line(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...) log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif
