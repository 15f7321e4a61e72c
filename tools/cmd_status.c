/* SPDX-License-Identifier: GPL-2.0-or-later */

/* vefs status: in vzctl's words. */
#include <jansson.h>
#include <limits.h>
#include <stdio.h>

#include "fs/base/cleanup.h"
#include "tools/cmd_ct.h"
#include "tools/ctlook.h"
#include "tools/mass.h"
#include "tools/work.h"

static void print(const struct work *w, const char *word, bool exists,
		  const struct ctlook *look)
{
	const bool frozen = look->state == CTLOOK_SUSPENDED;
	const bool running = frozen || look->state == CTLOOK_RUNNING;

	printf("CTID %s %s %s %s%s\n", exists ? w->one.id : word,
	       exists ? "exist" : "deleted",
	       look->mounted ? "mounted" : "unmounted",
	       running ? "running" : "down", frozen ? " suspended" : "");
}

static json_t *object(const struct work *w, const char *word, bool exists,
		      const struct ctlook *look)
{
	const bool frozen = look->state == CTLOOK_SUSPENDED;
	const bool running = frozen || look->state == CTLOOK_RUNNING;

	return json_pack("{s:s, s:b, s:b, s:b, s:b, s:s}", "ctid",
			 exists ? w->one.id : word, "exist", exists, "mounted",
			 look->mounted, "running", running, "suspended", frozen,
			 "status", exists ? ctlook_words[look->state] : "");
}

/* To `all` or, if that is none, to standard output. */
static int look_at(const struct cmd_common *common, const char *word,
		   json_t *all)
{
	struct ctlook look = { .state = CTLOOK_DOWN };
	WORK(w);
	int r;

	w.c = cmd_open(common, false);
	if (!w.c)
		return CMD_FAILED;
	r = container_open(w.c, word, false, &w.one, &w.why);
	if (r < 0 && r != -ENOENT && r != -EUCLEAN)
		return work_fail(&w, r);
	if (r != -ENOENT)
		ctlook_at(&w.one, &look);
	if (all)
		json_array_append_new(all,
				      object(&w, word, r != -ENOENT, &look));
	else
		print(&w, word, r != -ENOENT, &look);
	ctlook_end(&look);
	return CMD_OK;
}

static void show(json_t *j)
{
	json_dumpf(j, stdout, JSON_INDENT(2));
	putchar('\n');
}

static int run_status(const struct cmd *self, struct cmd_common *common,
		      int argc, char **argv)
{
	static const int any[] = { 0, INT_MAX - 1 };
	struct cmd_option own[MASS_OPTIONS + 1] = { { .name = NULL } };
	const struct mass_work work = { .self = self };
	struct masspick_list l = { .n = 0 };
	struct mass mass = { .all = false };
	json_t *all = NULL;
	int n, status;

	mass_options(&mass, own);
	n = cmd_parse(self, common, own, argc, argv, any);
	if (n < 0)
		return cmd_parse_status(common);
	status = mass_list(&mass, common, &work, n, argv, &l);
	if (status != CMD_OK)
		return status;
	if (common->json)
		all = json_array();
	for (size_t i = 0; i < l.n && status == CMD_OK; i++)
		status = look_at(common, l.id[i], all);
	if (all && status == CMD_OK)
		show(n == 1 && l.n == 1 ? json_array_get(all, 0) : all);
	json_decref(all);
	masspick_free(&l);
	return cmd_flush(status);
}

const struct cmd cmd_status = {
	CMD_CT_status,
	.help = "Prints 'CTID ID exist|deleted mounted|unmounted "
		"running|down', and 'suspended'\n"
		"behind it when it is frozen. The exit status is 0 whatever "
		"they are.\n\n"
		"  --all      all there are\n"
		"  --match P  those whose id or name is like 'web*'\n",
	.run = run_status,
};
