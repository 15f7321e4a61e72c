/* SPDX-License-Identifier: GPL-2.0-or-later */

/* vefs create, mount, umount, destroy, list: containers of templates. */
#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/base/cleanup.h"
#include "fs/base/log.h"
#include "fs/base/strbuf.h"
#include "tools/cmd.h"
#include "tools/container.h"
#include "tools/mounting.h"

#define CMD_LOCKED 9 /* as vzctl's */

/* The catalog and one container, for a command. */
struct work {
	struct catalog *c;
	struct container one;
	struct why why;
};

static void work_end(struct work *w)
{
	container_close(&w->one);
	catalog_free(w->c);
}

#define WORK(name)                                                             \
	_cleanup_(work_end) struct work name = { .one = CONTAINER_NONE }

static int fail(const struct work *w, int r)
{
	cmd_fail(r, &w->why);
	return r == -EBUSY ? CMD_LOCKED : CMD_FAILED;
}

/* The command line says what nothing can be called. */
static int misused(const struct work *w, int r)
{
	cmd_fail(r, &w->why);
	return CMD_USAGE;
}

/* Open the store and the container argv names, locked; with `damaged`
 * also one without a usable vefs.conf. An exit code. */
static int work_begin(struct work *w, const struct cmd_common *common,
		      const char *id, bool damaged)
{
	int r = container_check_id(id, &w->why);

	if (r < 0)
		return misused(w, r);
	w->c = cmd_open(common, false);
	if (!w->c)
		return CMD_FAILED;
	r = container_open(w->c, id, true, &w->one, &w->why);
	return r < 0 && !(damaged && r == -EUCLEAN) ? fail(w, r) : CMD_OK;
}

/* One operand, no options. 1: go on; else *status is the exit code. */
static int one_operand(const struct cmd *self, struct cmd_common *common,
		       int argc, char **argv, int *status)
{
	static const int one[] = { 1, 1 };

	if (cmd_parse(self, common, NULL, argc, argv, one) >= 0)
		return 1;
	*status = cmd_parse_status(common);
	return 0;
}

/* ---- create, destroy ------------------------------------------------------ */

static int run_create(const struct cmd *self, struct cmd_common *common,
		      int argc, char **argv)
{
	static const int one[] = { 1, 1 };
	const char *spec = NULL, *target = NULL;
	const struct cmd_option own[] = { { "template", NULL, &spec },
					  { "target", NULL, &target },
					  { NULL, NULL, NULL } };
	struct catalog_id id;
	WORK(w);
	int r;

	if (cmd_parse(self, common, own, argc, argv, one) < 0)
		return cmd_parse_status(common);
	if (!spec) {
		log_error("--template is missing: say what it is made of");
		return CMD_USAGE;
	}
	r = container_check_id(argv[0], &w.why);
	if (r == 0)
		r = catalog_parse(spec, &id, &w.why);
	if (r == 0 && target && target[0] != '/')
		r = why_set(&w.why, -EINVAL,
			    "--target %s: the mount point must be an absolute "
			    "path",
			    target);
	if (r < 0)
		return misused(&w, r);
	w.c = cmd_open(common, false);
	if (!w.c)
		return CMD_FAILED;
	r = container_create(w.c, common->root, argv[0], spec, target, &w.why);
	if (r < 0)
		return fail(&w, r);
	if (!common->quiet)
		printf("container %s is made of %s\n", argv[0], spec);
	return cmd_flush(CMD_OK);
}

static int run_destroy(const struct cmd *self, struct cmd_common *common,
		       int argc, char **argv)
{
	int status = CMD_OK, r;
	WORK(w);

	if (!one_operand(self, common, argc, argv, &status))
		return status;
	status = work_begin(&w, common, argv[0], true);
	if (status != CMD_OK)
		return status;
	if (container_is_mounted(&w.one)) {
		log_error("container %s is mounted: 'vefs umount %s' first",
			  w.one.id, w.one.id);
		return CMD_FAILED;
	}
	r = container_destroy(w.c, &w.one, &w.why);
	if (r < 0)
		return fail(&w, r);
	if (!common->quiet)
		printf("container %s is gone\n", w.one.id);
	return cmd_flush(CMD_OK);
}

/* ---- mount ----------------------------------------------------------------- */

/* The mount point and what leads to it. */
static int make_target(const char *target)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s", target);
	for (char *p = strchr(path + 1, '/'); p; p = strchr(p + 1, '/')) {
		*p = '\0';
		if (mkdir(path, 0755) < 0 && errno != EEXIST)
			return -errno;
		*p = '/';
	}
	return mkdir(path, 0755) < 0 && errno != EEXIST ? -errno : 0;
}

static int do_mount(struct work *w, const char *store)
{
	_cleanup_(strbuf_free) struct strbuf b = STRBUF_INIT;
	char absolute[PATH_MAX], folder[PATH_MAX + 96];
	int r = make_target(w->one.root);

	/* What is below would be hidden, and be nobody's to unmount. */
	if (r == 0 && container_root_is_taken(&w->one)) {
		log_error("%s: something else is mounted there, see findmnt",
			  w->one.root);
		return CMD_FAILED;
	}
	if (r == 0 && !realpath(store, absolute))
		r = -errno;
	if (r < 0) {
		log_error("%s: %s", w->one.root, strerror(-r));
		return CMD_FAILED;
	}
	snprintf(folder, sizeof(folder), "%s/containers/%s", absolute,
		 w->one.id);
	mounting_option(&b, "template", w->one.template, "");
	mounting_option(&b, "store", absolute, "");
	mounting_option(&b, "upperdir", folder, "/upper");
	mounting_option(&b, "workdir", folder, "/work");
	mounting_option(&b, "fsname", "vefs:", w->one.id);
	return mounting_run(&b, w->one.root) < 0 ? CMD_FAILED : CMD_OK;
}

static int run_mount(const struct cmd *self, struct cmd_common *common,
		     int argc, char **argv)
{
	int status = CMD_OK;
	WORK(w);

	if (!one_operand(self, common, argc, argv, &status))
		return status;
	status = work_begin(&w, common, argv[0], false);
	if (status != CMD_OK)
		return status;
	if (container_is_mounted(&w.one)) {
		log_error("container %s is mounted already, on %s", w.one.id,
			  w.one.root);
		return CMD_FAILED;
	}
	status = do_mount(&w, common->root);
	if (status == CMD_OK && !common->quiet)
		printf("container %s is mounted on %s\n", w.one.id, w.one.root);
	return cmd_flush(status);
}

static int run_umount(const struct cmd *self, struct cmd_common *common,
		      int argc, char **argv)
{
	int status = CMD_OK;
	WORK(w);

	if (!one_operand(self, common, argc, argv, &status))
		return status;
	status = work_begin(&w, common, argv[0], false);
	if (status != CMD_OK)
		return status;
	if (!container_is_mounted(&w.one)) {
		log_error("container %s is not mounted", w.one.id);
		return CMD_FAILED;
	}
	if (umount2(w.one.root, 0) < 0) {
		log_error("%s: %s%s", w.one.root, strerror(errno),
			  errno == EBUSY ? " (fuser -m tells by whom)" : "");
		return CMD_FAILED;
	}
	if (!common->quiet)
		printf("container %s is unmounted\n", w.one.id);
	return cmd_flush(CMD_OK);
}

/* ---- list ------------------------------------------------------------------ */

static int print_one(void *ctx, const struct container *c)
{
	json_t *all = ctx;
	const char *status = !c->template[0]	       ? "damaged"
			     : container_is_mounted(c) ? "mounted"
						       : "down";

	if (all)
		return json_array_append_new(
			all, json_pack("{s:s, s:s, s:s, s:s}", "id", c->id,
				       "status", status, "template",
				       c->template, "root", c->root));
	printf("%-16s %-8s %-24s %s\n", c->id, status, c->template, c->root);
	return 0;
}

static int run_list(const struct cmd *self, struct cmd_common *common, int argc,
		    char **argv)
{
	static const int none[] = { 0, 0 };
	json_t *all = NULL;
	WORK(w);
	int r;

	if (cmd_parse(self, common, NULL, argc, argv, none) < 0)
		return cmd_parse_status(common);
	w.c = cmd_open(common, false);
	if (!w.c)
		return CMD_FAILED;
	if (common->json)
		all = json_array();
	else if (!common->quiet)
		printf("%-16s %-8s %-24s %s\n", "CTID", "STATUS", "TEMPLATE",
		       "ROOT");
	r = container_each(w.c, print_one, all, &w.why);
	if (all) {
		json_dumpf(all, stdout, JSON_INDENT(2));
		putchar('\n');
		json_decref(all);
	}
	return r < 0 ? fail(&w, r) : cmd_flush(CMD_OK);
}

/* ---- the records ------------------------------------------------------------ */

const struct cmd cmd_create = {
	.name = "create",
	.args = "create ID --template NAME[:VERSION] [--target DIR]",
	.brief = "make a container of a template",
	.help = "ID is a number from 101 on, or a name. However large the "
		"template is, nothing is\ncopied.\n\n"
		"  --template T   what it is made of; the latest version if "
		"none is named\n"
		"  --target DIR   where it is mounted; root/ID in the store\n\n"
		"Example:\n"
		"  vefs create 101 --template debian:12\n",
	.run = run_create,
};

const struct cmd cmd_mount = {
	.name = "mount",
	.args = "mount ID",
	.brief = "mount a container's root",
	.run = run_mount,
};

const struct cmd cmd_umount = {
	.name = "umount",
	.args = "umount ID",
	.brief = "unmount it",
	.run = run_umount,
};

const struct cmd cmd_destroy = {
	.name = "destroy",
	.args = "destroy ID",
	.brief = "remove a container that is not mounted, and all it changed",
	.run = run_destroy,
};

const struct cmd cmd_list = {
	.name = "list",
	.args = "list",
	.brief = "which containers there are",
	.run = run_list,
};
