/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * vefs template, as vefs itself knows it: another program, vefs-template. What
 * reads archives needs so many libraries that loading them would take half of
 * the time in which a container is made and mounted.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/base/cleanup.h"
#include "fs/base/log.h"
#include "tools/beside.h"
#include "tools/cmd.h"

#define PROGRAM "vefs-template"
#define OURS 6 /* words that come before those of the command */

static int run(_unused_ const struct cmd *self, struct cmd_common *common,
	       int argc, char **argv)
{
	const char **words = calloc((size_t)argc + OURS, sizeof(*words));
	char path[PATH_MAX] = PROGRAM;
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
	r = beside_find(PROGRAM, path);
	if (r == 0) {
		execv(path, (char *const *)words);
		r = -errno;
	}
	free(words);
	log_error("%s: %s", path, strerror(-r));
	return CMD_FAILED;
}

const struct cmd cmd_template = {
	.name = "template",
	.args = "template COMMAND ...",
	.brief = "immutable trees that containers share",
	.run = run,
};
