/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/ctquota.h"

#include <string.h>

#include "fs/base/cleanup.h"
#include "fs/base/log.h"
#include "tools/qchange.h"

/* What differs; is there anything? */
static bool plan(const struct quotaconf *a, const struct quotaconf *b,
		 struct qchange *ch)
{
	bool any = false;

	for (int i = 0; i < LIMIT_RESOURCES; i++) {
		bool had = a->has_limits[i], has = b->has_limits[i];

		if (has != had || a->limits[i].soft != b->limits[i].soft ||
		    a->limits[i].hard != b->limits[i].hard) {
			/* a line that is gone is no limit */
			ch->has_limits[i] = any = true;
			ch->limits[i] = b->limits[i];
		}
		if (b->has_grace &&
		    (!a->has_grace || a->grace[i] != b->grace[i])) {
			ch->has_grace[i] = ch->kinds[LEDGER_CONTAINER] = true;
			ch->grace[i] = b->grace[i];
			any = true;
		}
	}
	if (b->has_level2 && (!a->has_level2 || a->level2 != b->level2)) {
		ch->has_enforce[LEDGER_USER] = true;
		ch->has_enforce[LEDGER_GROUP] = true;
		ch->enforce = b->level2;
		any = true;
	}
	return any;
}

int ctquota_change(const struct container *one, const struct conf *from,
		   const struct conf *to, struct why *why)
{
	struct qcmd q = { .one = *one };
	struct qchange ch = { .kind = LEDGER_CONTAINER, .keep_conf = true };
	struct quotastate before = { .enforce = { false } };
	struct quotaconf a, b;
	int r;

	quotaconf_parse(from, one->id, &a, NULL);
	r = quotaconf_parse(to, one->id, &b, why);
	if (r < 0 || b.off || !plan(&a, &b, &ch))
		return r;
	r = quotaask_open(&q.ask, one, QUOTAASK_CHANGE, &q.why);
	if (r == 0)
		r = quotastate_read(q.ask, &before, &q.why);
	if (r == 0)
		r = qchange_apply(&q, &ch, &before);
	quotastate_free(&before);
	quotaask_free(q.ask);
	/* it was mounted without: the lines are for its next mount */
	if (r == -ENXIO)
		return 0;
	if (r < 0)
		return q.why.text[0]
			       ? why_set(why, r, "%s", q.why.text)
			       : why_sys(why, r, "container %s: its quota",
					 one->id);
	return 0;
}

static int take(void *ctx, char *line)
{
	return quotastate_take(ctx, line);
}

int ctquota_look(const struct container *one, struct limit_rec *out)
{
	struct quotastate s = { .enforce = { false } };
	struct quotaask *q = NULL;
	struct quotaconf conf;
	struct why why = { "" };
	int r = quotaconf_read(one, &conf, &why);

	if (r == 0 && conf.off)
		return -ENODATA;
	r = quotaask_open(&q, one, QUOTAASK_LOOK, &why);
	if (r == 0 && quotaask_ledger(q))
		r = quotaconf_apply(&conf, q);
	if (r == 0)
		r = quotaask_run(q, "get container 0", take, &s, &why);
	if (r == 0)
		*out = quotastate_get(&s, LEDGER_CONTAINER, 0);
	quotastate_free(&s);
	quotaask_free(q);
	return r;
}

void ctquota_warn_above(const struct container *one, bool space, bool inodes)
{
	struct limit_rec rec;

	if ((!space && !inodes) || ctquota_look(one, &rec) < 0)
		return;
	if (space)
		qchange_warn_above(LEDGER_CONTAINER, one->id, LIMIT_SPACE,
				   &rec.of[LIMIT_SPACE]);
	if (inodes)
		qchange_warn_above(LEDGER_CONTAINER, one->id, LIMIT_INODES,
				   &rec.of[LIMIT_INODES]);
}
