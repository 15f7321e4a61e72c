/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TESTS_VT_H
#define VEFS_TESTS_VT_H

/*
 * vt - the system calls that a shell cannot make, for the integration tests.
 *
 * Each subcommand is one const record. A run function gets argv without the
 * program's name (argv[0] is the subcommand) and returns the exit status: 0
 * when what it promises holds, 1 when not, with the reason on stderr. A failed
 * system call is told by vt_errno() as "vt WHAT: ENAME", which is what the
 * shell's assert_errno looks for.
 */
#include <stddef.h>
#include <sys/types.h>

struct vt_command {
	const char *name;
	const char *usage;
	int min_args; /* without the subcommand itself */
	int (*run)(int argc, char **argv);
};

/* The tables of the other files, each closed by a record without a name. */
extern const struct vt_command vt_name_commands[];
extern const struct vt_command vt_data_commands[];
extern const struct vt_command vt_map_commands[];
extern const struct vt_command vt_dir_commands[];
extern const struct vt_command vt_wait_commands[];
extern const struct vt_command vt_ops_commands[];
extern const struct vt_command vt_own_commands[];
extern const struct vt_command vt_quota_commands[];

/* Print "vt WHAT: ENAME" for the current errno; returns 1. */
int vt_errno(const char *what);

/* Print "vt: " and a formatted reason; returns 1. */
int vt_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* A number with an optional K, M or G; ends the program when it is none. */
long long vt_number(const char *text);

/* Open flags from words as "rdwr,creat,excl,append"; ends on an unknown. */
int vt_open_flags(const char *words);

/* write(2) or pwrite(2) all of it; 0, or -1 with errno. */
int vt_write_all(int fd, const void *buf, size_t len, off_t at);

#endif
