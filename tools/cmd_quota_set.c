/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * vefs quota set, grace, on, off: what changes something. All of a command
 * line is understood before anything is done.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "fs/base/log.h"
#include "fs/base/parse.h"
#include "tools/qchange.h"
#include "tools/quotaprint.h"

static const enum limit_resource resources[] = { LIMIT_SPACE, LIMIT_INODES };

/* ---- telling ---------------------------------------------------------------- */

static void print_owner(const struct qcmd *q, const struct qchange *ch,
			const char *word)
{
	if (ch->kind == LEDGER_CONTAINER)
		printf("container %s:", q->one.id);
	else
		printf("%s %s of container %s:", ledger_kinds[ch->kind], word,
		       q->one.id);
}

static void warn_above(const struct qchange *ch,
		       const struct quotastate *before, const char *word)
{
	struct limit_rec rec = quotastate_get(before, ch->kind, ch->id);

	for (int i = 0; i < LIMIT_RESOURCES; i++) {
		rec.of[i].soft = ch->limits[i].soft;
		rec.of[i].hard = ch->limits[i].hard;
		if (ch->has_limits[i])
			qchange_warn_above(ch->kind, word, resources[i],
					   &rec.of[i]);
	}
}

static void tell_limits(const struct qcmd *q, const struct qchange *ch,
			const struct quotastate *before, const char *word,
			bool quiet)
{
	char text[2 * QUOTAWORD_SIZE];
	const char *comma = "";

	warn_above(ch, before, word);
	if (!ch->has_enforce[ch->kind] && !before->enforce[ch->kind])
		qcmd_warn_off(q, ch->kind);
	if (quiet)
		return;
	print_owner(q, ch, word);
	for (int i = 0; i < LIMIT_RESOURCES; i++) {
		if (!ch->has_limits[i])
			continue;
		printf("%s %s %s%s", comma, limit_names[i],
		       quotaword_print_limits(resources[i], &ch->limits[i],
					      text),
		       i == LIMIT_SPACE ? " KiB" : "");
		comma = ",";
	}
	putchar('\n');
}

/* ---- set -------------------------------------------------------------------- */

/* The options of set, as they were given. */
struct words {
	const char *space, *inodes, *user, *group, *grace;
	const char *diskspace, *diskinodes, *quotatime, *ugidlimit, *diskquota;
	const char *window;
};

static int take_limits(struct qcmd *q, struct qchange *ch,
		       enum limit_resource what, const char *ours,
		       const char *vz)
{
	const char *option = ours		   ? limit_names[what]
			     : what == LIMIT_SPACE ? "diskspace"
						   : "diskinodes";
	int r;

	if (!ours && !vz)
		return CMD_OK;
	if (ours && vz) {
		why_set(&q->why, -EINVAL, "it is said twice");
		return qcmd_misused(q, -EINVAL, option);
	}
	r = quotaword_limits(what, ours ? QUOTAWORD_OURS : QUOTAWORD_OPTION,
			     ours ? ours : vz, &ch->limits[what], &q->why);
	if (r < 0)
		return qcmd_misused(q, r, option);
	ch->has_limits[what] = true;
	return CMD_OK;
}

static int take_ugidlimit(struct qcmd *q, struct qchange *ch, const char *word)
{
	uint64_t n = 1;

	if (strcasecmp(word, "unlimited") != 0 &&
	    parse_u64(word, UINT64_MAX, &n) < 0) {
		why_set(&q->why, -EINVAL,
			"'%.100s': 0, users and groups are not limited, or "
			"another number, they are",
			word);
		return qcmd_misused(q, -EINVAL, "quotaugidlimit");
	}
	ch->ugidlimit = word;
	ch->has_enforce[LEDGER_USER] = ch->has_enforce[LEDGER_GROUP] = true;
	ch->enforce = n != 0;
	return CMD_OK;
}

static int take_times(struct qcmd *q, struct qchange *ch, const struct words *w)
{
	uint64_t seconds;
	int r;

	if (w->grace) {
		r = quotaword_time(w->grace, &ch->deadline, &q->why);
		if (r < 0)
			return qcmd_misused(q, r, "grace");
		ch->has_deadline = true;
	}
	if (!w->quotatime)
		return CMD_OK;
	r = quotaword_time(w->quotatime, &seconds, &q->why);
	if (r < 0)
		return qcmd_misused(q, r, "quotatime");
	ch->kinds[LEDGER_CONTAINER] = true;
	for (int i = 0; i < LIMIT_RESOURCES; i++) {
		ch->has_grace[i] = true;
		ch->grace[i] = seconds;
	}
	return CMD_OK;
}

static int misused(const char *sentence)
{
	log_error("%s", sentence);
	return CMD_USAGE;
}

/* All that can be told without the container. */
static int take_words(struct qcmd *q, struct qchange *ch, const struct words *w)
{
	bool vz = w->diskspace || w->diskinodes || w->quotatime ||
		  w->ugidlimit || w->diskquota || w->window,
	     on;
	uint64_t size;
	int status;

	if (w->user && w->group)
		return misused("--user or --group: one at a time");
	if (vz && (w->user || w->group))
		return misused("--diskspace, --diskinodes, --quotatime, "
			       "--quotaugidlimit, --diskquota and --window are "
			       "for the container: leave --user and --group "
			       "out");
	if (!vz && !w->space && !w->inodes && !w->grace)
		return misused("nothing is to be set: --space or --inodes are "
			       "missing");
	status = take_limits(q, ch, LIMIT_SPACE, w->space, w->diskspace);
	if (status == CMD_OK)
		status = take_limits(q, ch, LIMIT_INODES, w->inodes,
				     w->diskinodes);
	if (status == CMD_OK && w->ugidlimit)
		status = take_ugidlimit(q, ch, w->ugidlimit);
	if (status == CMD_OK)
		status = take_times(q, ch, w);
	if (status == CMD_OK && w->window && strcmp(w->window, "off") != 0 &&
	    parse_size(w->window, &size) < 0)
		return misused("--window: a size as 256M, or off");
	ch->window = w->window;
	if (status != CMD_OK || !w->diskquota)
		return status;
	if (parse_bool(w->diskquota, &on) < 0)
		return misused("--diskquota: yes or no");
	ch->diskquota = on ? "yes" : "no";
	return CMD_OK;
}

/* Is there a soft limit exceeded, that a deadline could be of? */
static int check_deadline(struct qcmd *q, const struct qchange *ch,
			  const struct limit_rec *rec)
{
	for (int i = 0; i < LIMIT_RESOURCES; i++)
		if (rec->of[i].soft && rec->of[i].usage > rec->of[i].soft)
			return 0;
	return ch->has_deadline
		       ? why_set(&q->why, -EINVAL,
				 "no grace runs: usage is above no soft limit")
		       : 0;
}

static int do_set(struct qcmd *q, struct qchange *ch, const struct words *w,
		  bool quiet)
{
	const char *word = w->user ? w->user : w->group ? w->group : q->one.id;
	struct quotastate before = { .enforce = { false } };
	struct limit_rec rec;
	int r = 0;

	ch->kind = w->user    ? LEDGER_USER
		   : w->group ? LEDGER_GROUP
			      : LEDGER_CONTAINER;
	if (ch->kind != LEDGER_CONTAINER)
		r = qcmd_id(q, ch->kind, word, &ch->id);
	if (r == 0 && q->ask)
		r = quotastate_read(q->ask, &before, &q->why);
	rec = quotastate_get(&before, ch->kind, ch->id);
	if (r == 0)
		r = check_deadline(q, ch, &rec);
	if (r == 0)
		r = qchange_apply(q, ch, &before);
	if (r == 0 && (ch->has_limits[0] || ch->has_limits[1]) && q->ask)
		tell_limits(q, ch, &before, word, quiet);
	if (r == 0 && (ch->diskquota || ch->window))
		log_warn("container %s: --%s is for the next mount", q->one.id,
			 ch->diskquota ? "diskquota" : "window");
	quotastate_free(&before);
	return r < 0 ? qcmd_fail(q, r) : CMD_OK;
}

QCMD_RUN(set)
{
	static const int one[] = { 1, 1 };
	struct words w = { NULL };
	const struct cmd_option own[] = {
		{ "space", NULL, &w.space },
		{ "inodes", NULL, &w.inodes },
		{ "user", NULL, &w.user },
		{ "group", NULL, &w.group },
		{ "grace", NULL, &w.grace },
		{ "diskspace", NULL, &w.diskspace },
		{ "diskinodes", NULL, &w.diskinodes },
		{ "quotatime", NULL, &w.quotatime },
		{ "quotaugidlimit", NULL, &w.ugidlimit },
		{ "diskquota", NULL, &w.diskquota },
		{ "window", NULL, &w.window },
		{ NULL, NULL, NULL },
	};
	struct qchange ch = { .kind = LEDGER_CONTAINER };
	int status;
	QCMD(q);

	if (cmd_parse(self, common, own, argc, argv, one) < 0)
		return cmd_parse_status(common);
	status = take_words(&q, &ch, &w);
	if (status == CMD_OK)
		status = qcmd_begin(&q, common, argv[0],
				    ch.diskquota ? QCMD_ON : QCMD_CHANGE);
	if (status == CMD_OK)
		status = do_set(&q, &ch, &w, common->quiet);
	return status == CMD_OK ? cmd_flush(status) : status;
}

/* ---- grace ------------------------------------------------------------------ */

static void print_graces_json(const struct qcmd *q, const struct qchange *ch,
			      const struct quotastate *s)
{
	json_t *j = json_pack("{s:s, s:o}", "id", q->one.id, "grace",
			      quotaprint_grace_json(s, ch->kinds));

	json_dumpf(j, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(j);
}

static int print_graces(struct qcmd *q, const struct qchange *ch, bool json)
{
	struct quotastate s;
	char text[2][QUOTAWORD_SIZE];
	int r = quotastate_read(q->ask, &s, &q->why);

	if (r == 0 && json)
		print_graces_json(q, ch, &s);
	for (int k = 0; k < LEDGER_KINDS && r == 0 && !json; k++)
		if (ch->kinds[k])
			printf("%-9s  space %s, inodes %s\n", ledger_kinds[k],
			       quotaword_print_exact(s.grace[k][0], text[0]),
			       quotaword_print_exact(s.grace[k][1], text[1]));
	quotastate_free(&s);
	return r;
}

static int do_grace(struct qcmd *q, const struct qchange *ch)
{
	struct quotastate before;
	int r = quotastate_read(q->ask, &before, &q->why);

	if (r == 0)
		r = qchange_apply(q, ch, &before);
	quotastate_free(&before);
	return r;
}

QCMD_RUN(grace)
{
	static const int one[] = { 1, 1 };
	struct qchange ch = { .kind = LEDGER_CONTAINER };
	const char *words[LIMIT_RESOURCES] = { NULL };
	const struct cmd_option own[] = {
		{ "space", NULL, &words[LIMIT_SPACE] },
		{ "inodes", NULL, &words[LIMIT_INODES] },
		{ "container", &ch.kinds[LEDGER_CONTAINER], NULL },
		{ "user", &ch.kinds[LEDGER_USER], NULL },
		{ "group", &ch.kinds[LEDGER_GROUP], NULL },
		{ NULL, NULL, NULL },
	};
	bool look;
	int status, r;
	QCMD(q);

	if (cmd_parse(self, common, own, argc, argv, one) < 0)
		return cmd_parse_status(common);
	look = !words[LIMIT_SPACE] && !words[LIMIT_INODES];
	for (int i = 0; i < LIMIT_RESOURCES; i++) {
		if (!words[i])
			continue;
		r = quotaword_time(words[i], &ch.grace[i], &q.why);
		if (r < 0)
			return qcmd_misused(&q, r, limit_names[i]);
		ch.has_grace[i] = true;
	}
	if (!ch.kinds[LEDGER_USER] && !ch.kinds[LEDGER_GROUP]) {
		ch.kinds[LEDGER_USER] = ch.kinds[LEDGER_GROUP] =
			look && !ch.kinds[LEDGER_CONTAINER];
		ch.kinds[LEDGER_CONTAINER] = true;
	}
	status =
		qcmd_begin(&q, common, argv[0], look ? QCMD_LOOK : QCMD_CHANGE);
	if (status != CMD_OK)
		return status;
	r = look ? print_graces(&q, &ch, common->json) : do_grace(&q, &ch);
	return r < 0 ? qcmd_fail(&q, r) : cmd_flush(CMD_OK);
}

/* ---- on, off ---------------------------------------------------------------- */

/* What vefs.conf is to say of it. */
static void plan_switch(const struct qcmd *q, struct qchange *ch)
{
	if (ch->enforce && q->conf.off)
		ch->diskquota = "yes";
	if (!ch->has_enforce[LEDGER_USER])
		return;
	if (!ch->enforce)
		ch->ugidlimit = "0";
	else if (q->conf.has_level2 && !q->conf.level2)
		ch->ugidlimit = "unlimited";
}

static int do_switch(struct qcmd *q, struct qchange *ch)
{
	struct quotastate before = { .enforce = { false } };
	struct why none = { "" };
	bool was_off = q->conf.off;
	int r = 0;

	plan_switch(q, ch);
	if (was_off && !container_is_mounted(&q->one)) {
		/* Where limits are kept from now on. */
		r = quotaask_open(&q->ask, &q->one, QUOTAASK_CHANGE, &q->why);
		if (r == 0)
			r = quotaconf_apply(&q->conf, q->ask);
	}
	if (r == 0 && q->ask)
		r = quotastate_read(q->ask, &before, &q->why);
	/* DISK_QUOTA was yes again since it was mounted. */
	if (r == -ENXIO && ch->enforce) {
		quotaask_free(TAKE_PTR(q->ask));
		q->why = none;
		was_off = true;
		r = 0;
	}
	if (r == 0)
		r = qchange_apply(q, ch, &before);
	if (r == 0 && was_off && !q->ask)
		log_warn("container %s is mounted without quota: it has one "
			 "from the next mount on",
			 q->one.id);
	quotastate_free(&before);
	return r;
}

static int run_switch(const struct cmd *self, struct cmd_common *common,
		      int argc, char **argv)
{
	static const int one[] = { 1, 1 };
	struct qchange ch = { .kind = LEDGER_CONTAINER,
			      .enforce = !strcmp(self->name, "on") };
	const char *level = NULL;
	const struct cmd_option own[] = { { "level", NULL, &level },
					  { NULL, NULL, NULL } };
	int status, r;
	QCMD(q);

	if (cmd_parse(self, common, own, argc, argv, one) < 0)
		return cmd_parse_status(common);
	if (level && strcmp(level, "1") != 0 && strcmp(level, "2") != 0)
		return misused("--level: 1, the container, or 2, users and "
			       "groups");
	ch.has_enforce[LEDGER_CONTAINER] = !level || *level == '1';
	ch.has_enforce[LEDGER_USER] = !level || *level == '2';
	ch.has_enforce[LEDGER_GROUP] = ch.has_enforce[LEDGER_USER];
	status = qcmd_begin(&q, common, argv[0],
			    ch.enforce ? QCMD_ON : QCMD_CHANGE);
	if (status != CMD_OK)
		return status;
	r = do_switch(&q, &ch);
	return r < 0 ? qcmd_fail(&q, r) : cmd_flush(CMD_OK);
}

QCMD_RUN(on)
{
	return run_switch(self, common, argc, argv);
}

QCMD_RUN(off)
{
	return run_switch(self, common, argc, argv);
}
