/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/qchange.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "fs/base/log.h"

/*
 * vefs.conf is written first: what happens to us after that, the next mount
 * brings the ledger up to it. When the ledger refuses, both become what they
 * were.
 */

static const enum limit_resource resources[] = { LIMIT_SPACE, LIMIT_INODES };

/* ---- vefs.conf -------------------------------------------------------------- */

static int put_grace(struct conf *conf, const uint64_t grace[LIMIT_RESOURCES])
{
	char text[2 * QUOTAWORD_SIZE];

	if (grace[LIMIT_SPACE] == grace[LIMIT_INODES])
		snprintf(text, sizeof(text), "%" PRIu64, grace[LIMIT_SPACE]);
	else
		snprintf(text, sizeof(text), "%" PRIu64 ":%" PRIu64,
			 grace[LIMIT_SPACE], grace[LIMIT_INODES]);
	return conf_set(conf, "QUOTATIME", text);
}

/* The lines that the change is about. */
static int edit(struct conf *conf, const struct qchange *ch,
		const struct quotastate *before)
{
	char text[2 * QUOTAWORD_SIZE];
	uint64_t grace[LIMIT_RESOURCES];
	bool has_grace = false;
	int r = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(resources) && r == 0; i++) {
		grace[i] = ch->has_grace[i]
				   ? ch->grace[i]
				   : before->grace[LEDGER_CONTAINER][i];
		has_grace |= ch->has_grace[i] && ch->kinds[LEDGER_CONTAINER];
		if (ch->kind == LEDGER_CONTAINER && ch->has_limits[i])
			r = conf_set(conf, quotaconf_keys[i],
				     quotaword_print_limits(resources[i],
							    &ch->limits[i],
							    text));
	}
	if (r == 0 && has_grace)
		r = put_grace(conf, grace);
	if (r == 0 && ch->ugidlimit)
		r = conf_set(conf, "QUOTAUGIDLIMIT", ch->ugidlimit);
	if (r == 0 && ch->diskquota)
		r = conf_set(conf, "DISK_QUOTA", ch->diskquota);
	if (r == 0 && ch->window)
		r = conf_set(conf, "QUOTA_WINDOW", ch->window);
	return r;
}

/* ---- doing ------------------------------------------------------------------ */

static int ask_limits(struct qcmd *q, const struct qchange *ch, int i,
		      const struct quotaword *w)
{
	return qcmd_ask(q, "set %s %u %s %" PRIu64 " %" PRIu64,
			ledger_kinds[ch->kind], ch->id, limit_names[i], w->soft,
			w->hard);
}

static int ask_kind(struct qcmd *q, const struct qchange *ch, int k)
{
	int r = 0;

	for (int i = 0; i < LIMIT_RESOURCES && r == 0; i++)
		if (ch->has_grace[i] && ch->kinds[k])
			r = qcmd_ask(q, "grace %s %s %" PRIu64, ledger_kinds[k],
				     limit_names[i], ch->grace[i]);
	if (r == 0 && ch->has_enforce[k])
		r = qcmd_ask(q, "enforce %s %s", ledger_kinds[k],
			     ch->enforce ? "on" : "off");
	return r;
}

static int ask_all(struct qcmd *q, const struct qchange *ch,
		   const struct limit_rec *rec)
{
	int r = 0;

	for (int i = 0; i < LIMIT_RESOURCES && r == 0; i++) {
		const struct limit *l = &rec->of[i];
		bool above = l->soft && l->usage > l->soft;

		if (ch->has_limits[i])
			r = ask_limits(q, ch, i, &ch->limits[i]);
		if (r == 0 && ch->has_deadline && above)
			r = qcmd_ask(q, "deadline %s %u %s %" PRIu64,
				     ledger_kinds[ch->kind], ch->id,
				     limit_names[i], ch->deadline);
	}
	for (int k = 0; k < LEDGER_KINDS && r == 0; k++)
		r = ask_kind(q, ch, k);
	return r;
}

/* Back to what it was, as far as that goes: something is broken already. */
static void undo(struct qcmd *q, const struct qchange *ch,
		 const struct quotastate *before, const struct limit_rec *rec)
{
	struct why first = q->why;
	int r = 0;

	for (int i = 0; i < LIMIT_RESOURCES; i++) {
		const struct quotaword old = { rec->of[i].soft,
					       rec->of[i].hard };

		if (ch->has_limits[i])
			r |= ask_limits(q, ch, i, &old);
		for (int k = 0; k < LEDGER_KINDS; k++)
			if (ch->has_grace[i] && ch->kinds[k])
				r |= qcmd_ask(q, "grace %s %s %" PRIu64,
					      ledger_kinds[k], limit_names[i],
					      before->grace[k][i]);
	}
	for (int k = 0; k < LEDGER_KINDS; k++)
		if (ch->has_enforce[k])
			r |= qcmd_ask(q, "enforce %s %s", ledger_kinds[k],
				      before->enforce[k] ? "on" : "off");
	if (r < 0)
		log_warn("container %s: some of it may have changed",
			 q->one.id);
	q->why = first;
}

int qchange_apply(struct qcmd *q, const struct qchange *ch,
		  const struct quotastate *before)
{
	struct limit_rec rec = quotastate_get(before, ch->kind, ch->id);
	_cleanup_(conf_freep) struct conf *old = NULL;
	_cleanup_(conf_freep) struct conf *conf = NULL;
	int r = conf_read(q->one.dir, CONTAINER_CONF, &old), back;

	if (r == 0) {
		conf = conf_new();
		r = conf ? conf_merge(conf, old) : -ENOMEM;
	}
	if (r == 0 && !ch->keep_conf)
		r = edit(conf, ch, before);
	if (r == 0 && !conf_same(conf, old))
		r = conf_write(conf, q->one.dir, CONTAINER_CONF);
	if (r < 0)
		return why_sys(&q->why, r, "container %s: " CONTAINER_CONF,
			       q->one.id);
	if (!q->ask)
		return 0;
	r = ask_all(q, ch, &rec);
	if (r == 0)
		return 0;
	if (!conf_same(conf, old)) {
		back = conf_write(old, q->one.dir, CONTAINER_CONF);
		if (back < 0)
			log_warn("container %s: " CONTAINER_CONF
				 " could not be put back: %s",
				 q->one.id, strerror(-back));
	}
	undo(q, ch, before, &rec);
	return r;
}

void qchange_warn_above(enum ledger_kind kind, const char *name,
			enum limit_resource what, const struct limit *l)
{
	bool hard = l->hard && l->usage > l->hard;

	if (quotaword_is_over(l))
		log_warn("%s %s: its %s, %" PRIu64
			 "%s, is above the %s limit now",
			 ledger_kinds[kind], name, limit_names[what],
			 quotaword_units(what, l->usage),
			 what == LIMIT_SPACE ? " KiB" : "",
			 hard ? "hard" : "soft");
}
