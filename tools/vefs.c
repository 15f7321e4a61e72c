/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * vefs: templates and containers made of them. `vefs --help`.
 *
 * Exit status: 0 done, 1 failed, 2 wrong usage, 9 somebody else works on the
 * container.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fs/base/cleanup.h"
#include "fs/base/fdio.h"
#include "fs/base/log.h"
#include "tools/cmd_ct.h"

#ifndef VEFS_VERSION
#define VEFS_VERSION "unknown"
#endif

#define ROOT "/var/lib/vefs"
#define LIST_COMMANDS "--list-commands"
#define LIST_OPTIONS "--list-options"

static const struct cmd *const commands[] = { &cmd_template,	  &cmd_create,
					      &cmd_mount,	  &cmd_umount,
					      &cmd_destroy,	  &cmd_quota,
#define RECORD(c) &cmd_##c,
					      CMD_CT_LIST(RECORD)
#undef RECORD
};

static void show_help(FILE *to)
{
	fprintf(to, "usage: vefs [--root DIR] [--json] [--quiet] COMMAND ...\n"
		    "\n"
		    "Commands:\n");
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		fprintf(to, "  %-12s %s\n", commands[i]->name,
			commands[i]->brief);
	fprintf(to, "\n"
		    "Options, before or behind the command:\n"
		    "  --root DIR   the store (VEFS_ROOT, else " ROOT ")\n"
		    "  --json       print for programs\n"
		    "  --quiet      print nothing but errors\n"
		    "  --help       of vefs, or of a command\n"
		    "  --version\n");
}

/* ---- what commands share ------------------------------------------------- */

void cmd_show_help(const struct cmd *self, bool error)
{
	FILE *to = error ? stderr : stdout;

	fprintf(to, "usage: vefs %s\n", self->args);
	if (error) {
		fprintf(to, "('--help' tells more)\n");
		return;
	}
	fprintf(to, "\n%s\n", self->brief);
	for (const struct cmd *c = self->children; c && c->name; c++) {
		if (c == self->children)
			fprintf(to, "\nCommands:\n");
		fprintf(to, "  %-8s %s\n", c->name, c->brief);
	}
	if (self->help)
		fprintf(to, "\n%s", self->help);
}

static int bad_option(const struct cmd *self, const char *what, const char *arg)
{
	log_error("%s: %s", arg, what);
	cmd_show_help(self, true);
	return -1;
}

/* Options that every command has. */
static size_t common_options(struct cmd_common *c, struct cmd_option out[5])
{
	size_t n = 0;

	out[n++] = (struct cmd_option){ "root", NULL, &c->root };
	out[n++] = (struct cmd_option){ "json", &c->json, NULL };
	out[n++] = (struct cmd_option){ "quiet", &c->quiet, NULL };
	out[n++] = (struct cmd_option){ "help", &c->help, NULL };
	out[n] = (struct cmd_option){ NULL, NULL, NULL };
	return n;
}

static const struct cmd_option *find_option(const struct cmd_option *o,
					    const char *name, size_t len)
{
	for (; o && o->name; o++)
		if (strlen(o->name) == len && !memcmp(o->name, name, len))
			return o;
	return NULL;
}

/* The value of an option: into its place, or to the words. */
static int give_value(const struct cmd_option *o, struct cmd_common *common,
		      const char *value)
{
	struct cmd_words *w = &common->words;
	struct cmd_word *more;

	if (o->value) {
		*o->value = value;
		return 0;
	}
	more = reallocarray(w->of, w->n + 1, sizeof(*more));
	if (!more) {
		log_error("no memory");
		return -1;
	}
	w->of = more;
	w->of[w->n++] = (struct cmd_word){ o->name, value };
	return 0;
}

/* One "--..." at argv[i]; how many words it took, or -1. */
static int take_option(const struct cmd *self, struct cmd_common *common,
		       const struct cmd_option *own,
		       const struct cmd_option *shared, char **argv)
{
	const char *name = argv[0] + 2, *equal = strchr(name, '=');
	size_t len = equal ? (size_t)(equal - name) : strlen(name);
	const struct cmd_option *o = find_option(own, name, len);

	if (!o)
		o = find_option(shared, name, len);
	if (!o)
		return bad_option(self, "no such option", argv[0]);
	if (o->set) {
		if (equal && !o->value)
			return bad_option(self, "takes no value", argv[0]);
		*o->set = true;
		if (equal)
			*o->value = equal + 1;
		return 1;
	}
	if (!equal && !argv[1])
		return bad_option(self, "its value is missing", argv[0]);
	if (give_value(o, common, equal ? equal + 1 : argv[1]) < 0)
		return -1;
	return equal ? 1 : 2;
}

/* "-a", "-an", "-o VALUE", "-oVALUE"; how many words it took, or -1. */
static int take_letters(const struct cmd *self, struct cmd_common *common,
			const struct cmd_option *own, char **argv)
{
	for (const char *p = argv[0] + 1; *p; p++) {
		const struct cmd_option *o = find_option(own, p, 1);

		if (!o)
			return bad_option(self, "no such option", argv[0]);
		if (o->set) {
			*o->set = true;
			continue;
		}
		if (p[1])
			return give_value(o, common, p + 1) < 0 ? -1 : 1;
		if (!argv[1])
			return bad_option(self, "its value is missing",
					  argv[0]);
		return give_value(o, common, argv[1]) < 0 ? -1 : 2;
	}
	return 1;
}

/* For vefs.bash-completion: what may stand here, a line each; "=" behind an
 * option that takes a value. */
static bool list_words(const struct cmd *self, const struct cmd_option *own,
		       const struct cmd_option *shared, const char *arg)
{
	const struct cmd_option *const of[] = { own, shared };

	if (strcmp(arg, LIST_COMMANDS) == 0) {
		for (const struct cmd *c = self->children; c && c->name; c++)
			puts(c->name);
		return true;
	}
	if (strcmp(arg, LIST_OPTIONS) != 0)
		return false;
	for (unsigned i = 0; i < 2; i++)
		for (const struct cmd_option *o = of[i]; o && o->name; o++)
			printf("%s%s%s\n", o->name[1] ? "--" : "-", o->name,
			       o->set ? "" : "=");
	return true;
}

int cmd_parse(const struct cmd *self, struct cmd_common *common,
	      const struct cmd_option *own, int argc, char **argv,
	      const int limits[2])
{
	struct cmd_option shared[5];
	bool words = true;
	int n = 0, took;

	common_options(common, shared);
	for (int i = 1; i < argc; i += took) {
		took = 1;
		if (limits[1] == CMD_REST && n > 0)
			words = false;
		if (words && list_words(self, own, shared, argv[i])) {
			common->help = true;
			return -1;
		}
		if (words && !strcmp(argv[i], "--")) {
			words = false;
		} else if (words && !strncmp(argv[i], "--", 2)) {
			took = take_option(self, common, own, shared, argv + i);
			if (took < 0)
				return -1;
		} else if (words && argv[i][0] == '-' && argv[i][1]) {
			took = take_letters(self, common, own, argv + i);
			if (took < 0)
				return -1;
		} else {
			argv[n++] = argv[i];
		}
	}
	if (common->help) {
		cmd_show_help(self, false);
		return -1;
	}
	if (n < limits[0] || n > limits[1]) {
		cmd_show_help(self, true);
		return -1;
	}
	return n;
}

int cmd_parse_status(const struct cmd_common *common)
{
	return common->help ? cmd_flush(CMD_OK) : CMD_USAGE;
}

struct catalog *cmd_open(const struct cmd_common *common, bool create)
{
	struct why why = { "" };
	struct catalog *c = NULL;
	int r = catalog_open(common->root, create, &c, &why);

	if (r < 0)
		cmd_fail(r, &why);
	return c;
}

int cmd_fail(int err, const struct why *why)
{
	log_error("%s", why->text[0] ? why->text : strerror(-err));
	return CMD_FAILED;
}

int cmd_flush(int status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	log_error("writing to standard output failed");
	return CMD_FAILED;
}

/* ---- choosing ------------------------------------------------------------ */

static int run(const struct cmd *c, struct cmd_common *common, int argc,
	       char **argv)
{
	static const int any[] = { 0, 0 };

	while (c->children) {
		const struct cmd *child = c->children;

		/* options may stand between a family and its command */
		if (argc < 2 || !strncmp(argv[1], "--", 2)) {
			if (cmd_parse(c, common, NULL, argc, argv, any) >= 0)
				cmd_show_help(c, true);
			return cmd_parse_status(common);
		}
		while (child->name && strcmp(child->name, argv[1]) != 0)
			child++;
		if (!child->name) {
			log_error("%s: no such command", argv[1]);
			cmd_show_help(c, true);
			return CMD_USAGE;
		}
		c = child;
		argc--;
		argv++;
	}
	return c->run(c, common, argc, argv);
}

/* Options before the command; the index of the command, or an exit code. */
static int take_common(struct cmd_common *common, int argc, char **argv,
		       int *status)
{
	static const struct cmd none = { .args = "COMMAND ..." };
	struct cmd_option shared[5];
	int i = 1, took;

	common_options(common, shared);
	while (i < argc && argv[i][0] == '-') {
		if (!strcmp(argv[i], "--version")) {
			printf("vefs %s\n", VEFS_VERSION);
			*status = cmd_flush(CMD_OK);
			return -1;
		}
		if (!strcmp(argv[i], LIST_COMMANDS)) {
			for (size_t k = 0; k < ARRAY_SIZE(commands); k++)
				puts(commands[k]->name);
			*status = cmd_flush(CMD_OK);
			return -1;
		}
		if (list_words(&none, NULL, shared, argv[i])) {
			*status = cmd_flush(CMD_OK);
			return -1;
		}
		took = strncmp(argv[i], "--", 2)
			       ? bad_option(&none, "no such option", argv[i])
			       : take_option(&none, common, NULL, shared,
					     argv + i);
		if (took < 0) {
			*status = CMD_USAGE;
			return -1;
		}
		i += took;
	}
	if (common->help || i >= argc) {
		show_help(common->help ? stdout : stderr);
		*status = common->help ? cmd_flush(CMD_OK) : CMD_USAGE;
		return -1;
	}
	return i;
}

int main(int argc, char *argv[])
{
	struct cmd_common common = { .root = getenv("VEFS_ROOT") };
	int status = CMD_USAGE, i;

	if (fdio_keep_stdio() < 0)
		return CMD_FAILED;
	/* Who ignores it has no children to wait for. */
	signal(SIGCHLD, SIG_DFL);
	log_open("vefs");
	umask(022);
	if (!common.root || !*common.root)
		common.root = ROOT;
	i = take_common(&common, argc, argv, &status);
	if (i < 0)
		return status;
	for (size_t k = 0; k < ARRAY_SIZE(commands); k++)
		if (!strcmp(argv[i], commands[k]->name)) {
			status = run(commands[k], &common, argc - i, argv + i);
			free(common.words.of);
			return status;
		}
	log_error("%s: no such command; 'vefs --help' names them", argv[i]);
	return CMD_USAGE;
}
