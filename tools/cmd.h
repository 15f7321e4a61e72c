/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_CMD_H
#define VEFS_TOOLS_CMD_H

/*
 * cmd - vefs' commands: a record for each, and what they share.
 */
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "templates/catalog.h"

enum {
	CMD_OK = 0,
	CMD_FAILED = 1,
	CMD_USAGE = 2,
	CMD_LOCKED = 9, /* as vzctl's */
};

/* Options of a command that may come often, in their order. */
struct cmd_word {
	const char *name, *value;
};

struct cmd_words {
	struct cmd_word *of;
	size_t n;
};

/* What comes before a command and holds for it; what stands behind, too. */
struct cmd_common {
	const char *root; /* the store's directory */
	bool json, quiet, help;
	bool passing; /* what is made is not to outlive us: it is not synced */
	struct cmd_words words; /* see struct cmd_option */
};

struct cmd {
	const char *name;
	const char *args;  /* as usage shows them */
	const char *brief; /* one line */
	const char *help;  /* options and examples, whole lines */
	/* A family of commands, ended by an empty record; or what to run. */
	const struct cmd *children;
	int (*run)(const struct cmd *self, struct cmd_common *common, int argc,
		   char **argv);
};

extern const struct cmd cmd_template, cmd_create, cmd_mount, cmd_umount,
	cmd_destroy, cmd_quota;

/*
 * An option of a command; `set` or `value` is filled in. With both the value
 * may be left out, and comes behind a "=" only. One with neither takes a value
 * that goes to common->words with its name, each time. A name of one letter is
 * "-n" and nothing else; letters may stand together, and the value of one
 * directly behind it: "-an", "-oid".
 */
struct cmd_option {
	const char *name; /* without "--" */
	bool *set;
	const char **value;
};

/*
 * Take options (`own`, ended by an empty one, and the common ones) out of
 * argv[1..]; what is left moves to its front. The number of operands, which is
 * between `min` and `max`, or -1 after a message, or when help was asked for
 * (common->help) and shown. With CMD_REST as the most, everything behind the
 * first operand is one as well, options too.
 */
#define CMD_REST INT_MAX
int cmd_parse(const struct cmd *self, struct cmd_common *common,
	      const struct cmd_option *own, int argc, char **argv,
	      const int limits[2]);

/* The exit code after cmd_parse() gave -1. */
int cmd_parse_status(const struct cmd_common *common);

void cmd_show_help(const struct cmd *self, bool error);

/* Open the store, or tell why not. */
struct catalog *cmd_open(const struct cmd_common *common, bool create);

/* Tell an error; returns CMD_FAILED. */
int cmd_fail(int err, const struct why *why);

/* "1.2 GiB" into `text`, which is returned. */
#define CMD_SIZE_MAX 32
const char *cmd_size(uint64_t bytes, char text[CMD_SIZE_MAX]);

/* Print bytes of a name, what a terminal would obey as "?". */
void cmd_print_name(const char *s, size_t len);

/* Write what was printed; CMD_FAILED when it cannot be. */
int cmd_flush(int status);

#endif
