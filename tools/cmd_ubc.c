/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * vefs ubc: beancounters, as OpenVZ's host shows them in
 * /proc/user_beancounters: one table, the rows of each container under its id.
 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "fs/base/cleanup.h"
#include "fs/base/log.h"
#include "tools/cmd_ct.h"
#include "tools/ctfiles.h"
#include "tools/masspick.h"
#include "tools/runstate.h"

struct table {
	struct catalog *catalog;
	bool failed; /* only rows that have failures */
	bool named;  /* what does not run is an error */
	struct strbuf text;
	json_t *all; /* or NULL */
};

static json_t *number(uint64_t n)
{
	return n >= PROCUBC_UNLIMITED ? json_null()
				      : json_integer((json_int_t)n);
}

static void add_object(struct table *t, const char *id,
		       const struct procubc_row rows[PROCUBC_ROWS])
{
	json_t *one = json_pack("{s:s}", "ctid", id);
	bool any = false;

	for (unsigned i = 0; i < PROCUBC_ROWS; i++) {
		const struct procubc_row *r = &rows[i];

		if (!procubc_name(i) || (t->failed && !r->failcnt))
			continue;
		any = true;
		json_object_set_new(one, r->name,
				    json_pack("{s:o, s:o, s:o, s:o, s:o}",
					      "held", number(r->held),
					      "maxheld", number(r->maxheld),
					      "barrier", number(r->barrier),
					      "limit", number(r->limit),
					      "failcnt", number(r->failcnt)));
	}
	if (any)
		json_array_append(t->all, one);
	json_decref(one);
}

static void add_lines(struct table *t, const char *id,
		      const struct procubc_row rows[PROCUBC_ROWS])
{
	for (unsigned i = 0; i < PROCUBC_ROWS; i++) {
		if (t->failed && !rows[i].failcnt)
			continue;
		procubc_line(id, &rows[i], &t->text);
		id = NULL;
	}
}

/* What cannot be told of one that was chosen because it runs, and has ended
 * since, is nobody's fault. */
static int not_running(const struct table *t, const char *id)
{
	if (!t->named)
		return CMD_OK;
	log_error("container %s is not running: 'vefs start %s'", id, id);
	return CMD_CT_NOT_RUNNING;
}

static int add_one(struct table *t, const char *id)
{
	struct container one = CONTAINER_NONE;
	struct procubc_row rows[PROCUBC_ROWS];
	struct why why = { "" };
	struct runstate run = { .init = 0 };
	int r = container_open(t->catalog, id, false, &one, &why);

	if (r == 0 || r == -EUCLEAN)
		r = runstate_read(&one, &run, &why);
	if (r < 0) {
		container_close(&one);
		return cmd_fail(r, &why);
	}
	if (!run.init) {
		int status = not_running(t, one.id);

		container_close(&one);
		return status;
	}
	r = ctfiles_beans(&one, rows);
	if (r < 0)
		why_sys(&why, r, "container %s: nobody serves its beancounters",
			one.id);
	else if (t->all)
		add_object(t, one.id, rows);
	else
		add_lines(t, one.id, rows);
	container_close(&one);
	return r < 0 ? cmd_fail(r, &why) : CMD_OK;
}

static int show(struct table *t, const struct masspick_list *l)
{
	int status = CMD_OK;

	procubc_head(&t->text);
	for (size_t i = 0; i < l->n; i++) {
		int one = add_one(t, l->id[i]);

		if (one != CMD_OK)
			status = l->n == 1 ? one : CMD_FAILED;
	}
	if (t->all) {
		json_dumpf(t->all, stdout, JSON_INDENT(2));
		putchar('\n');
	} else if (status == CMD_OK || l->n > 1) {
		fputs(strbuf_get(&t->text), stdout);
	}
	return cmd_flush(status);
}

static int run_ubc(const struct cmd *self, struct cmd_common *common, int argc,
		   char **argv)
{
	static const int any[] = { 0, INT_MAX - 1 };
	struct masspick pick = { .state = MASSPICK_UP };
	struct table t = { .failed = false };
	struct masspick_list l = { .n = 0 };
	bool all = false;
	const struct cmd_option own[] = {
		{ "all", &all, NULL },
		{ "match", NULL, &pick.match },
		{ "failed", &t.failed, NULL },
		{ NULL, NULL, NULL },
	};
	int n = cmd_parse(self, common, own, argc, argv, any), status;

	if (n < 0)
		return cmd_parse_status(common);
	if (n > 0 && (all || pick.match)) {
		cmd_show_help(self, true);
		return CMD_USAGE;
	}
	t.named = n > 0;
	status = n > 0 ? masspick_words(n, argv, &l)
		       : masspick_store(common, &pick, &l);
	if (status == CMD_OK) {
		t.catalog = cmd_open(common, false);
		status = t.catalog ? CMD_OK : CMD_FAILED;
	}
	if (status == CMD_OK) {
		t.all = common->json ? json_array() : NULL;
		status = show(&t, &l);
	}
	json_decref(t.all);
	strbuf_free(&t.text);
	catalog_free(t.catalog);
	masspick_free(&l);
	return status;
}

const struct cmd cmd_ubc = {
	CMD_CT_ubc,
	.help = "Prints, as /proc/user_beancounters of an OpenVZ host, what the "
		"containers use\n(held, maxheld), may use (barrier, limit), and "
		"how often they were refused\n(failcnt): of those that run, or "
		"of these. Sizes are in pages, or in bytes where\nthe resource "
		"is called size or buf; man vefs-ubc says where each is from.\n\n"
		"  --all        all that run; so it is if none is named\n"
		"  --match P    those whose id or name is like 'web*'\n"
		"  --failed     only rows with a failcnt\n"
		"  --json       objects, for programs; unlimited is null\n\n"
		"Inside a container its own are in "
		"/dev/vefs/user_beancounters.\n\n"
		"Examples:\n"
		"  vefs ubc 101\n"
		"  vefs ubc --failed\n",
	.run = run_ubc,
};
