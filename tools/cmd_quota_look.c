/* SPDX-License-Identifier: GPL-2.0-or-later */

/* vefs quota show, report: looking, changing nothing. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "fs/base/log.h"
#include "fs/base/parse.h"
#include "tools/qcmd.h"
#include "tools/quotaprint.h"

#define WATCH_DEFAULT 2
#define WATCH_MAX 86400

static int print_json(json_t *j)
{
	int r = j ? json_dumpf(j, stdout, JSON_INDENT(2)) : -1;

	json_decref(j);
	putchar('\n');
	if (r < 0)
		log_error("no memory for the output");
	return r < 0 ? CMD_FAILED : CMD_OK;
}

/* ---- show ------------------------------------------------------------------ */

struct showing {
	enum ledger_kind kind;
	uint32_t id;
	const char *name; /* of whom; NULL: the container */
};

static int show(struct qcmd *q, const struct showing *s, bool json)
{
	struct quotaprint p = { .out = stdout, .id = q->one.id };
	struct quotastate state;
	struct limit_rec rec;
	json_t *j;
	int r = quotastate_read(q->ask, &state, &q->why);

	rec = quotastate_get(&state, s->kind, s->id);
	p.now = time(NULL);
	if (r == 0 && json) {
		j = quotaprint_rec_json(&rec);
		json_object_set_new(j, "container", json_string(q->one.id));
		json_object_set_new(j, "enforced",
				    json_boolean(state.enforce[s->kind]));
		json_object_set_new(j, "certain",
				    json_boolean(quotaask_is_certain(q->ask)));
		if (s->name)
			json_object_set_new(j, ledger_kinds[s->kind],
					    json_integer(s->id));
		r = print_json(j) == CMD_OK ? 0 : -ENOMEM;
	} else if (r == 0) {
		qcmd_warn_uncertain(q);
		if (!state.enforce[s->kind])
			qcmd_warn_off(q, s->kind);
		quotaprint_stat(&p, s->kind, &rec);
	}
	quotastate_free(&state);
	return r;
}

QCMD_RUN(show)
{
	static const int one[] = { 1, 1 };
	const char *user = NULL, *group = NULL;
	const struct cmd_option own[] = { { "user", NULL, &user },
					  { "group", NULL, &group },
					  { NULL, NULL, NULL } };
	struct showing s = { .kind = LEDGER_CONTAINER };
	int status, r = 0;
	QCMD(q);

	if (cmd_parse(self, common, own, argc, argv, one) < 0)
		return cmd_parse_status(common);
	if (user && group) {
		log_error("--user or --group: one at a time");
		return CMD_USAGE;
	}
	status = qcmd_begin(&q, common, argv[0], QCMD_LOOK);
	if (status != CMD_OK)
		return status;
	s.name = user ? user : group;
	if (s.name) {
		s.kind = user ? LEDGER_USER : LEDGER_GROUP;
		r = qcmd_id(&q, s.kind, s.name, &s.id);
	}
	if (r == 0)
		r = show(&q, &s, common->json);
	return r < 0 ? qcmd_fail(&q, r) : cmd_flush(CMD_OK);
}

/* ---- report ---------------------------------------------------------------- */

enum format { TABLE, JSON, VZQUOTA };

static const char *const formats[] = { "table", "json", "vzquota" };

struct reporting {
	enum format format;
	bool user, group, names, numeric, letter, watch;
	uint64_t seconds;
};

static int find_format(const char *word, enum format *out)
{
	for (unsigned i = 0; i < ARRAY_SIZE(formats); i++) {
		if (!strcmp(formats[i], word)) {
			*out = (enum format)i;
			return 0;
		}
	}
	log_error("--format %s: there are table, json and vzquota", word);
	return -EINVAL;
}

/* Names where they are to be had; without them numbers will do. */
static int read_names(struct qcmd *q, const struct reporting *rep,
		      struct quotaprint *p)
{
	for (int k = LEDGER_USER; k < LEDGER_KINDS && !rep->numeric; k++) {
		struct why before = q->why;
		int r;

		if (!p->kinds[k] || rep->format == VZQUOTA)
			continue;
		r = qcmd_names(q, (enum ledger_kind)k);
		if (r < 0 && rep->names)
			return r;
		q->why = before;
		p->names[k] = q->names[k];
	}
	return 0;
}

static int print_report(struct qcmd *q, const struct reporting *rep)
{
	bool all = !rep->user && !rep->group;
	struct quotaprint p = { .out = stdout,
				.id = q->one.id,
				.kinds = { all, all || rep->user,
					   all || rep->group },
				.now = time(NULL) };
	struct quotastate state;
	json_t *j;
	int r = quotastate_read(q->ask, &state, &q->why);

	p.state = &state;
	if (r == 0)
		r = read_names(q, rep, &p);
	if (r < 0) {
		quotastate_free(&state);
		return r;
	}
	if (rep->format == JSON) {
		j = quotaprint_json(&p);
		json_object_set_new(j, "certain",
				    json_boolean(quotaask_is_certain(q->ask)));
		r = print_json(j) == CMD_OK ? 0 : -ENOMEM;
	} else {
		qcmd_warn_uncertain(q);
		if (rep->format == TABLE)
			quotaprint_table(&p);
		else
			quotaprint_vzquota(&p);
	}
	quotastate_free(&state);
	return r;
}

static int report_once(const struct cmd_common *common, const char *id,
		       const struct reporting *rep)
{
	int status, r;
	QCMD(q);

	status = qcmd_begin(&q, common, id, QCMD_LOOK);
	if (status != CMD_OK)
		return status;
	r = print_report(&q, rep);
	return r < 0 ? qcmd_fail(&q, r) : cmd_flush(CMD_OK);
}

/* Until it fails, or the user has seen enough. */
static int report_again(const struct cmd_common *common, const char *id,
			const struct reporting *rep)
{
	const struct timespec pause = { .tv_sec = (time_t)rep->seconds };
	bool terminal = isatty(STDOUT_FILENO);
	int status;

	for (bool first = true;; first = false) {
		if (terminal)
			fputs("\033[H\033[J", stdout);
		else if (!first)
			putchar('\n');
		status = report_once(common, id, rep);
		if (status != CMD_OK)
			return status;
		nanosleep(&pause, NULL);
	}
}

QCMD_RUN(report)
{
	static const int limits[] = { 1, 2 };
	struct reporting rep = { .seconds = WATCH_DEFAULT };
	const char *format = NULL, *every = NULL;
	const struct cmd_option own[] = {
		{ "format", NULL, &format },
		{ "user", &rep.user, NULL },
		{ "group", &rep.group, NULL },
		{ "names", &rep.names, NULL },
		{ "numeric", &rep.numeric, NULL },
		{ "n", &rep.letter, NULL },
		{ "watch", &rep.watch, &every },
		{ NULL, NULL, NULL },
	};
	int n = cmd_parse(self, common, own, argc, argv, limits);

	if (n < 0)
		return cmd_parse_status(common);
	rep.numeric |= rep.letter;
	rep.format = common->json ? JSON : TABLE;
	if (format && find_format(format, &rep.format) < 0)
		return CMD_USAGE;
	if (rep.names && rep.numeric) {
		log_error("--names or --numeric: one of them");
		return CMD_USAGE;
	}
	/* "101 --watch 5" */
	if (n == 2 && rep.watch && !every)
		every = argv[--n];
	if (n != 1) {
		cmd_show_help(self, true);
		return CMD_USAGE;
	}
	if (every && (parse_u64(every, WATCH_MAX, &rep.seconds) < 0 ||
		      rep.seconds == 0)) {
		log_error("--watch %s: seconds, from 1 to %d", every,
			  WATCH_MAX);
		return CMD_USAGE;
	}
	return rep.watch ? report_again(common, argv[0], &rep)
			 : report_once(common, argv[0], &rep);
}
