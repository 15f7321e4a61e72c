/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_MASS_H
#define VEFS_TOOLS_MASS_H

/*
 * mass - one command on many containers: a process for each, so many at a
 * time. What each says is shown line by line, its id in front; what came of
 * them in the end on standard error. With --json there is an object for each
 * instead, in an array.
 *
 * SIGINT, SIGTERM and SIGHUP: no more are begun, those that run get it too.
 */
#include "tools/masspick.h"

/* What the options say. */
struct mass {
	bool all;
	const char *match, *width;
};

#define MASS_OPTIONS 3u
#define MASS_ARGS "ID[,ID...] | --all | --match PATTERN"
#define MASS_HELP                                                              \
	"\nOn many, a few at a time:\n"                                        \
	"  --all        those that it can be meant for\n"                      \
	"  --match P    the same, of those whose id or name is like 'web*'\n"  \
	"  --width N    so many at once; two for each CPU if not given\n"

/* Put --all, --match and --width at out[0..MASS_OPTIONS-1]. */
void mass_options(struct mass *m, struct cmd_option *out);

/* Are they chosen by options, not by operands? */
bool mass_chooses(const struct mass *m);

struct mass_work {
	const struct cmd *self;
	struct masspick pick; /* but for match */
	int input; /* each one's standard input, from its start on; -1: none */
	/* Do it with one. An exit code, told. */
	int (*one)(void *ctx, struct cmd_common *common, const char *id);
	void *ctx;
};

/*
 * Do it with those that the options choose, or else with those of the
 * operands. A single one that is named is done in this process, with its own
 * exit code. Else 0 when all have succeeded, 1, or 128 and the signal that
 * ended it.
 */
int mass_run(const struct mass *m, struct cmd_common *common,
	     const struct mass_work *work, int n, char **operands);

/* Only tell whom it would be done with. An exit code. */
int mass_list(const struct mass *m, const struct cmd_common *common,
	      const struct mass_work *work, int n, char **operands,
	      struct masspick_list *out);

#endif
