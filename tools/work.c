/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/work.h"

#include <errno.h>

void work_end(struct work *w)
{
	container_close(&w->one);
	catalog_free(w->c);
	w->c = NULL;
}

int work_fail(const struct work *w, int r)
{
	cmd_fail(r, &w->why);
	return r == -EBUSY ? CMD_LOCKED : CMD_FAILED;
}

int work_misused(const struct work *w, int r)
{
	cmd_fail(r, &w->why);
	return CMD_USAGE;
}

int work_begin(struct work *w, const struct cmd_common *common, const char *id,
	       bool damaged)
{
	int r = container_check_id(id, &w->why);

	if (r < 0)
		return work_misused(w, r);
	w->passing = common->passing;
	w->c = cmd_open(common, false);
	if (!w->c)
		return CMD_FAILED;
	r = container_open(w->c, id, true, &w->one, &w->why);
	return r < 0 && !(damaged && r == -EUCLEAN) ? work_fail(w, r) : CMD_OK;
}

bool work_operand(struct work *w, const struct cmd *self,
		  struct cmd_common *common, int argc, char **argv,
		  bool damaged)
{
	static const int one[] = { 1, 1 };

	if (cmd_parse(self, common, NULL, argc, argv, one) < 0) {
		w->status = cmd_parse_status(common);
		return false;
	}
	w->status = work_begin(w, common, argv[0], damaged);
	return w->status == CMD_OK;
}
