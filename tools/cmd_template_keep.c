/* SPDX-License-Identifier: GPL-2.0-or-later */

/* vefs template verify, export, rename, remove, gc. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fs/base/log.h"
#include "templates/export.h"
#include "templates/gc.h"
#include "templates/verify.h"
#include "tools/container.h"
#include "tools/jsontext.h"
#include "tools/mounting.h"
#include "tools/outfile.h"
#include "tools/progress.h"
#include "tools/tcmd.h"

#define OPERANDS_MAX 100000

/* ---- verify -------------------------------------------------------------- */

struct check {
	struct progress progress;
	const struct catalog_id *id;
	json_t *bad;
};

static void on_bad(void *ctx, const char *path, const char *what)
{
	struct check *k = ctx;

	progress_end(&k->progress);
	if (k->bad)
		json_array_append_new(
			k->bad,
			json_pack("{s:s, s:s, s:o, s:s}", "name", k->id->name,
				  "version", k->id->version, "path",
				  jsontext_new(path, strlen(path)), "what",
				  what));
	log_error("%s:%s%s%s: %s", k->id->name, k->id->version,
		  *path ? " " : "", path, what);
}

static int on_verified(void *ctx, uint64_t done, uint64_t total)
{
	struct check *k = ctx;

	progress_show(&k->progress, "verifying", done, total, 0);
	return progress_cancelled();
}

/* The number of faults, or -errno told. */
static int verify_one(struct catalog *c, const struct cmd_common *common,
		      const struct catalog_id *id, struct check *k, bool fast)
{
	struct verify_options o = {
		.bad = on_bad, .progress = on_verified, .ctx = k, .quick = fast
	};
	struct why why = { "" };
	int r;

	k->id = id;
	progress_start(&k->progress, common->quiet || common->json);
	r = verify_run(c, id, &o, &why);
	progress_end(&k->progress);
	if (r < 0)
		cmd_fail(r, &why);
	else if (r == 0 && !common->quiet && !common->json)
		printf("%s:%s is as it was imported\n", id->name, id->version);
	return r;
}

/* What the operands name, or all; none of them when one is not there. */
static int which(struct catalog *c, int n, char **argv,
		 struct catalog_version **out, size_t *count)
{
	struct why why = { "" };
	struct catalog_id id;
	int r = 0;

	if (!n) {
		r = catalog_list(c, out, count, &why);
		return r < 0 ? cmd_fail(r, &why) : CMD_OK;
	}
	*out = calloc((size_t)n, sizeof(**out));
	if (!*out)
		return cmd_fail(-ENOMEM, &why);
	for (int i = 0; i < n; i++) {
		r = tcmd_parse(argv[i], &id);
		if (r != CMD_OK)
			return r;
		r = catalog_find(c, &id, &(*out)[i], &why);
		if (r < 0)
			return cmd_fail(r, &why);
	}
	*count = (size_t)n;
	return CMD_OK;
}

TCMD_RUN(verify)
{
	static const int limits[] = { 0, OPERANDS_MAX };
	_cleanup_free_ struct catalog_version *v = NULL;
	struct check k = { .bad = NULL };
	bool fast = false;
	const struct cmd_option options[] = {
		{ "fast", &fast, NULL },
		{ NULL, NULL, NULL },
	};
	size_t count = 0;
	int n = cmd_parse(self, common, options, argc, argv, limits), status;
	TCMD_WORK(w);

	if (n < 0)
		return cmd_parse_status(common);
	status = tcmd_begin(&w, common, NULL);
	if (status != CMD_OK)
		return status;
	progress_catch_signals();
	status = which(w.c, n, argv, &v, &count);
	if (status == CMD_OK && common->json)
		k.bad = json_array();
	for (size_t i = 0; i < count && v && !progress_cancelled(); i++) {
		if (verify_one(w.c, common, &v[i].id, &k, fast))
			status = CMD_FAILED;
	}
	if (k.bad && tcmd_print_json(k.bad) != CMD_OK)
		status = CMD_FAILED;
	return cmd_flush(status);
}

/* ---- export -------------------------------------------------------------- */

static int on_exported(void *ctx, uint64_t entries, uint64_t bytes)
{
	progress_show(ctx, "writing", bytes, 0, entries);
	return progress_cancelled();
}

static int export(struct tcmd_work *w, const struct cmd_common *common,
		  const char *file)
{
	_cleanup_(outfile_free) struct outfile to = OUTFILE_NONE;
	struct progress p;
	struct export_options o = { .progress = on_exported, .ctx = &p };
	bool out = !strcmp(file, "-");
	int fd, r = out ? 0 : outfile_open(&to, file);

	if (r < 0) {
		why_sys(&w->why, r, "%s", file);
		return cmd_fail(r, &w->why);
	}
	fd = out ? STDOUT_FILENO : to.fd;
	if (isatty(fd)) {
		log_error("a tar is not for a terminal: give a file or a pipe");
		return CMD_USAGE;
	}
	progress_catch_signals();
	progress_start(&p, common->quiet);
	r = export_tar(w->c, w->v.x, fd, &o, &w->why);
	progress_end(&p);
	if (r == 0 && !out) {
		r = outfile_finish(&to);
		if (r < 0)
			why_sys(&w->why, r, "%s", file);
	}
	return r < 0 ? cmd_fail(r, &w->why) : CMD_OK;
}

TCMD_RUN(export)
{
	static const int limits[] = { 2, 2 };
	int status;
	TCMD_WORK(w);

	if (cmd_parse(self, common, NULL, argc, argv, limits) < 0)
		return cmd_parse_status(common);
	status = tcmd_begin(&w, common, argv[0]);
	return status != CMD_OK ? status : export(&w, common, argv[1]);
}

/* ---- rename, remove ------------------------------------------------------ */

TCMD_RUN(rename)
{
	static const int limits[] = { 2, 2 };
	struct catalog_id from, to;
	struct catalogchange_users users;
	int status, r;
	TCMD_WORK(w);

	if (cmd_parse(self, common, NULL, argc, argv, limits) < 0)
		return cmd_parse_status(common);
	status = tcmd_parse(argv[0], &from);
	if (status == CMD_OK)
		status = tcmd_parse(argv[1], &to);
	if (status == CMD_OK)
		status = tcmd_begin(&w, common, NULL);
	if (status != CMD_OK)
		return status;
	users = container_users(w.c);
	r = catalogchange_rename(w.c, &from, &to, &users, &w.why);
	return r < 0 ? cmd_fail(r, &w.why) : CMD_OK;
}

/* Every version of `name`, or the one that is named. */
static int remove_named(struct catalog *c, const struct cmd_common *common,
			const struct catalog_id *id)
{
	_cleanup_free_ struct catalog_version *v = NULL;
	struct catalogchange_users users = container_users(c);
	struct why why = { "" };
	size_t n = 0;
	bool found = false;
	int r = catalog_list(c, &v, &n, &why);

	for (size_t i = 0; i < n && r == 0; i++) {
		if (strcmp(v[i].id.name, id->name) != 0 ||
		    (id->version[0] &&
		     strcmp(v[i].id.version, id->version) != 0))
			continue;
		found = true;
		r = catalogchange_remove(c, &v[i].id, &users, &why);
		if (r == 0 && !common->quiet)
			printf("removed %s:%s\n", v[i].id.name,
			       v[i].id.version);
	}
	if (r == 0 && !found)
		r = why_set(&why, -ENOENT, "there is no template %s%s%s",
			    id->name, id->version[0] ? ":" : "", id->version);
	return r < 0 ? cmd_fail(r, &why) : CMD_OK;
}

TCMD_RUN(remove)
{
	static const int limits[] = { 1, OPERANDS_MAX };
	struct catalog_id id;
	bool all = false;
	const struct cmd_option options[] = {
		{ "all", &all, NULL },
		{ NULL, NULL, NULL },
	};
	int n = cmd_parse(self, common, options, argc, argv, limits);
	int status = CMD_OK;
	TCMD_WORK(w);

	if (n < 0)
		return cmd_parse_status(common);
	for (int i = 0; i < n; i++) {
		status = tcmd_parse(argv[i], &id);
		if (status != CMD_OK)
			return status;
		if (!id.version[0] && !all) {
			log_error("which version of %s? Say %s:VERSION, or "
				  "--all",
				  id.name, id.name);
			return CMD_USAGE;
		}
	}
	status = tcmd_begin(&w, common, NULL);
	if (status != CMD_OK)
		return status;
	for (int i = 0; i < n; i++)
		if (tcmd_parse(argv[i], &id) != CMD_OK ||
		    remove_named(w.c, common, &id) != CMD_OK)
			status = CMD_FAILED;
	return cmd_flush(status);
}

/* ---- gc ------------------------------------------------------------------ */

static int on_swept(void *ctx, unsigned shard, const struct gc_result *r)
{
	progress_show(ctx, "sweeping", shard, 256, r->freed);
	return progress_cancelled();
}

TCMD_RUN(gc)
{
	static const int limits[] = { 0, 0 };
	struct gc_options o = { .progress = on_swept };
	const struct cmd_option options[] = {
		{ "dry-run", &o.dry, NULL },
		{ NULL, NULL, NULL },
	};
	char text[CMD_SIZE_MAX];
	struct gc_result res;
	struct progress p;
	int status, r;
	TCMD_WORK(w);

	if (cmd_parse(self, common, options, argc, argv, limits) < 0)
		return cmd_parse_status(common);
	status = tcmd_begin(&w, common, NULL);
	if (status != CMD_OK)
		return status;
	if (!o.dry)
		container_sweep(w.c);
	progress_catch_signals();
	progress_start(&p, true);
	o.ctx = &p;
	r = gc_run(w.c, &o, &res, &w.why);
	if (r < 0)
		return cmd_fail(r, &w.why);
	if (common->json)
		return cmd_flush(tcmd_print_json(json_pack(
			"{s:I, s:I, s:I, s:I, s:I}", "freed",
			(json_int_t)res.freed, "bytes",
			(json_int_t)res.blocks * 512, "kept",
			(json_int_t)res.kept, "young", (json_int_t)res.young,
			"leftovers", (json_int_t)res.swept)));
	if (!common->quiet)
		printf("%s %llu objects, %s; %llu are in use, %llu may be "
		       "soon; %u leftovers of dead imports\n",
		       o.dry ? "would free" : "freed",
		       (unsigned long long)res.freed,
		       cmd_size(res.blocks * 512, text),
		       (unsigned long long)res.kept,
		       (unsigned long long)res.young, res.swept);
	return cmd_flush(CMD_OK);
}

/* ---- mount --------------------------------------------------------------- */

int tcmd_mount(const struct cmd *self, struct cmd_common *common, int argc,
	       char **argv)
{
	_cleanup_(strbuf_free) struct strbuf b = STRBUF_INIT;
	static const int limits[] = { 2, 2 };

	if (cmd_parse(self, common, NULL, argc, argv, limits) < 0)
		return cmd_parse_status(common);
	mounting_option(&b, "template", argv[0], "");
	mounting_option(&b, "store", common->root, "");
	mounting_option(&b, "fsname", "vefs:", argv[0]);
	return mounting_run(&b, argv[1], NULL) < 0 ? CMD_FAILED : CMD_OK;
}
