/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/mass.h"

#include <sched.h>
#include <stdlib.h>

#include "fs/base/log.h"
#include "fs/base/parse.h"
#include "tools/massrun.h"

#define WIDTH_MAX 1024u

void mass_options(struct mass *m, struct cmd_option *out)
{
	out[0] = (struct cmd_option){ "all", &m->all, NULL };
	out[1] = (struct cmd_option){ "match", NULL, &m->match };
	out[2] = (struct cmd_option){ "width", NULL, &m->width };
}

bool mass_chooses(const struct mass *m)
{
	return m->all || m->match;
}

/* An exit code, told. */
static int take_width(const struct mass *m, uint32_t *width)
{
	cpu_set_t cpus;

	*width = 2;
	if (sched_getaffinity(0, sizeof(cpus), &cpus) == 0)
		*width = 2 * (uint32_t)CPU_COUNT(&cpus);
	if (!m->width ||
	    (parse_u32(m->width, WIDTH_MAX, width) == 0 && *width > 0))
		return CMD_OK;
	log_error("--width %s: a number from 1 to %u", m->width, WIDTH_MAX);
	return CMD_USAGE;
}

int mass_list(const struct mass *m, const struct cmd_common *common,
	      const struct mass_work *work, int n, char **operands,
	      struct masspick_list *out)
{
	struct masspick pick = work->pick;

	if ((n > 0) == mass_chooses(m)) {
		log_error(n > 0 ? "%s: containers are named, or chosen by "
				  "options; not both"
				: "which containers?%s",
			  n > 0 ? operands[0] : "");
		cmd_show_help(work->self, true);
		return CMD_USAGE;
	}
	pick.match = m->match;
	return n > 0 ? masspick_words(n, operands, out)
		     : masspick_store(common, &pick, out);
}

int mass_run(const struct mass *m, struct cmd_common *common,
	     const struct mass_work *work, int n, char **operands)
{
	struct masspick_list l = { .n = 0 };
	uint32_t width;
	int status = take_width(m, &width);

	if (status == CMD_OK)
		status = mass_list(m, common, work, n, operands, &l);
	if (status != CMD_OK)
		return status;
	if (n == 1 && l.n == 1)
		status = work->one(work->ctx, common, l.id[0]);
	else
		status = massrun(work, common, &l, width);
	masspick_free(&l);
	return status;
}
