/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/handover.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fs/base/cleanup.h"
#include "fs/base/log.h"
#include "tools/beside.h"
#include "tools/ct/jailmount.h"

#define OURS 6 /* words that come before those of the command */

/*
 * Who goes into containers is met by what is in there: nobody shall write to
 * this program by way of the process. Returns when that cannot be had, as on
 * old kernels; a container of other ids than the host's cannot write anyway.
 */
static void run_unwritable(const char *path, const char *const words[])
{
	const char *slash = strrchr(path, '/');
	char dir[PATH_MAX];
	int fd;

	snprintf(dir, sizeof(dir), "%.*s", (int)(slash - path), path);
	fd = jailmount_readonly(dir[0] ? dir : "/");
	if (fd < 0)
		return;
	if (setenv(BESIDE_ENV, dir, 1) == 0)
		syscall(SYS_execveat, fd, slash + 1, words, environ, 0);
	close(fd);
	unsetenv(BESIDE_ENV);
}

int handover(const char *program, const struct cmd_common *common, int argc,
	     char **argv)
{
	const char **words = calloc((size_t)argc + OURS, sizeof(*words));
	char path[PATH_MAX];
	int n = 0, r;

	if (!words)
		return cmd_fail(-ENOMEM, &(struct why){ "" });
	words[n++] = "vefs";
	words[n++] = "--root";
	words[n++] = common->root;
	if (common->json)
		words[n++] = "--json";
	if (common->quiet)
		words[n++] = "--quiet";
	memcpy(words + n, argv, (size_t)argc * sizeof(*argv));
	r = beside_find(program, path);
	if (r == 0) {
		run_unwritable(path, words);
		execv(path, (char *const *)words);
		r = -errno;
	}
	free(words);
	log_error("%s: %s", program, strerror(-r));
	return CMD_FAILED;
}
