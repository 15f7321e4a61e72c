/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "quota/command.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "fs/base/cleanup.h"
#include "fs/base/clock.h"
#include "fs/base/parse.h"
#include "quota/ledgernext.h"
#include "quota/ledgerpriv.h"

/*
 * A line is cut into words, then each verb takes its own, all of them, before
 * it changes anything: a request that is refused has changed nothing.
 */

#define WORDS_MAX 9u
#define WORD_MAX 63u /* the longest that means something is far shorter */
#define SHOWN 32u    /* of a wrong word, in an error */
#define SECONDS_MAX UINT32_MAX /* some ages */

struct request {
	const struct command_ctx *c;
	FILE *out;
	int err;    /* why it was refused */
	unsigned n; /* words, the verb not counted */
	char words[WORDS_MAX][WORD_MAX + 1];
};

/* Whom and what it is about. */
struct target {
	enum ledger_kind kind;
	uint32_t id;
	enum limit_resource what;
};

/* Says it, and is false. */
static _printf_(2, 3) bool refuse(struct request *q, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("error: ", q->out);
	vfprintf(q->out, fmt, ap);
	fputc('\n', q->out);
	va_end(ap);
	if (!q->err)
		q->err = -EINVAL;
	return false;
}

/* The same with a number of its own. */
#define refuse_as(q, number, ...)                                              \
	do {                                                                   \
		(q)->err = (number);                                           \
		refuse((q), __VA_ARGS__);                                      \
	} while (0)

/* A word as it may stand in an error: nothing that a terminal obeys. */
static const char *shown(const char *word, char to[SHOWN + 4])
{
	size_t i;

	for (i = 0; i < SHOWN && word[i]; i++)
		to[i] = isgraph((unsigned char)word[i]) ? word[i] : '?';
	memcpy(to + i, word[i] ? "..." : "", word[i] ? 4 : 1);
	return to;
}

/* Words. */

static const char *const resources = "space or inodes";
static const char *const kinds = "container, user or group";

/* One of a table of names, or -1. */
static int find(const char *word, const char *const *names, int n)
{
	for (int i = 0; i < n; i++)
		if (strcmp(word, names[i]) == 0)
			return i;
	return -1;
}

static bool take_kind(struct request *q, unsigned at, struct target *t)
{
	int i = find(q->words[at], ledger_kinds, LEDGER_KINDS);
	char word[SHOWN + 4];

	if (i < 0)
		return refuse(q, "'%s' is no kind: %s is expected",
			      shown(q->words[at], word), kinds);
	t->kind = (enum ledger_kind)i;
	return true;
}

static bool take_id(struct request *q, unsigned at, struct target *t)
{
	char word[SHOWN + 4];

	if (parse_id(q->words[at], &t->id) < 0)
		return refuse(q,
			      "'%s' is no id: a number from 0 to %u is "
			      "expected",
			      shown(q->words[at], word), UINT32_MAX - 1);
	if (t->kind == LEDGER_CONTAINER && t->id != 0)
		return refuse(q,
			      "'%" PRIu32 "' is no id of a container: 0 is "
			      "expected",
			      t->id);
	return true;
}

static bool take_resource(struct request *q, unsigned at, struct target *t)
{
	int i = find(q->words[at], limit_names, LIMIT_RESOURCES);
	char word[SHOWN + 4];

	if (i < 0)
		return refuse(q, "'%s' is no resource: %s is expected",
			      shown(q->words[at], word), resources);
	t->what = (enum limit_resource)i;
	return true;
}

static bool take_number(struct request *q, unsigned at, const char *what,
			uint64_t max, uint64_t *out)
{
	char word[SHOWN + 4];

	if (parse_u64(q->words[at], max, out) == 0)
		return true;
	return refuse(q,
		      "'%s' is no %s: a number from 0 to %" PRIu64
		      " is expected",
		      shown(q->words[at], word), what, max);
}

static bool is_left(const struct request *q, unsigned at)
{
	return strcmp(q->words[at], "-") == 0;
}

/* "-" leaves *out. */
static bool take_limit(struct request *q, unsigned at, const char *what,
		       uint64_t *out)
{
	return is_left(q, at) || take_number(q, at, what, LIMIT_MAX, out);
}

/* Two of them, that go together. */
static bool take_limits(struct request *q, unsigned at,
			enum limit_resource what, struct limit *l)
{
	if (!take_limit(q, at, "soft limit", &l->soft) ||
	    !take_limit(q, at + 1, "hard limit", &l->hard))
		return false;
	if (!l->hard || l->soft <= l->hard)
		return true;
	return refuse(q,
		      "%s: the soft limit %" PRIu64
		      " is above the hard limit %" PRIu64
		      ": lower the one or raise the other",
		      limit_names[what], l->soft, l->hard);
}

/* Answers. */

static void print_rec(FILE *out, enum ledger_kind kind, uint32_t id,
		      const struct limit_rec *r)
{
	fprintf(out, "record %s %" PRIu32, ledger_kinds[kind], id);
	for (int i = 0; i < LIMIT_RESOURCES; i++) {
		const struct limit *l = &r->of[i];

		fprintf(out, " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRId64,
			l->usage, l->soft, l->hard, l->deadline);
	}
	fputc('\n', out);
}

struct printing {
	FILE *out;
	enum ledger_kind kind;
};

static void print_one(void *ctx, uint32_t id, const struct limit_rec *r)
{
	static const struct limit_rec zero;
	struct printing *p = ctx;

	if (memcmp(r, &zero, sizeof(zero)) != 0)
		print_rec(p->out, p->kind, id, r);
}

static void print_info(struct ledger *l, enum ledger_kind kind, FILE *out)
{
	fprintf(out, "enforce %s %s\n", ledger_kinds[kind],
		ledger_enforces(l, kind) ? "on" : "off");
	for (int i = 0; i < LIMIT_RESOURCES; i++)
		fprintf(out, "grace %s %s %" PRIu64 "\n", ledger_kinds[kind],
			limit_names[i],
			ledger_grace(l, kind, (enum limit_resource)i));
}

static void print_all(struct ledger *l, FILE *out)
{
	struct printing p = { .out = out };

	for (int k = 0; k < LEDGER_KINDS; k++)
		print_info(l, (enum ledger_kind)k, out);
	for (int k = 0; k < LEDGER_KINDS; k++) {
		p.kind = (enum ledger_kind)k;
		ledger_each(l, p.kind, print_one, &p);
	}
}

/* Something was changed: make it last, and say so. */
static void changed(struct request *q)
{
	int r = q->c->changed ? q->c->changed(q->c->ctx) : 0;

	if (r < 0)
		refuse_as(q, -EIO,
			  "it is changed, but could not be saved and is lost "
			  "with a crash: %s",
			  strerror(-r));
	else
		fputs("ok\n", q->out);
}

/* Verbs. */

static void run_get(struct request *q)
{
	struct target t = { .id = 0 };
	struct limit_rec rec;

	if (q->n == 0) {
		fputs("ok\n", q->out);
		print_all(q->c->ledger, q->out);
		fputs("end\n", q->out);
		return;
	}
	if (!take_kind(q, 0, &t) || !take_id(q, 1, &t))
		return;
	ledger_get(q->c->ledger, t.kind, t.id, &rec);
	fputs("ok\n", q->out);
	print_rec(q->out, t.kind, t.id, &rec);
}

static void run_next(struct request *q)
{
	struct target t = { .id = 0 };
	struct limit_rec rec;
	uint32_t id;

	if (!take_kind(q, 0, &t) || !take_id(q, 1, &t))
		return;
	if (!ledgernext(q->c->ledger, t.kind, t.id, &id, &rec)) {
		refuse_as(q, -ENOENT, "there is no %s from %" PRIu32 " on",
			  ledger_kinds[t.kind], t.id);
		return;
	}
	fputs("ok\n", q->out);
	print_rec(q->out, t.kind, id, &rec);
}

static void run_info(struct request *q)
{
	struct target t = { .id = 0 };

	if (!take_kind(q, 0, &t))
		return;
	fputs("ok\n", q->out);
	print_info(q->c->ledger, t.kind, q->out);
}

static void run_set(struct request *q)
{
	struct target t = { .id = 0 };
	struct limit_rec rec;
	struct limit *l;
	int r;

	if (!take_kind(q, 0, &t) || !take_id(q, 1, &t) ||
	    !take_resource(q, 2, &t))
		return;
	ledger_get(q->c->ledger, t.kind, t.id, &rec);
	l = &rec.of[t.what];
	if (!take_limits(q, 3, t.what, l))
		return;
	r = ledger_set(q->c->ledger, t.kind, t.id, t.what, l->soft, l->hard);
	if (r == 0)
		changed(q);
	else
		refuse_as(q, r, "%s", strerror(-r));
}

/* Everything is looked at before anything is changed. */
static void run_limits(struct request *q)
{
	struct ledger *ledger = q->c->ledger;
	struct target t = { .id = 0 };
	uint64_t until[LIMIT_RESOURCES] = { 0 };
	struct limit_rec rec;
	int r = 0;

	if (!take_kind(q, 0, &t) || !take_id(q, 1, &t))
		return;
	ledger_get(ledger, t.kind, t.id, &rec);
	for (unsigned i = 0; i < LIMIT_RESOURCES; i++)
		if (!take_limits(q, 2 + 3 * i, (enum limit_resource)i,
				 &rec.of[i]) ||
		    !take_limit(q, 4 + 3 * i, "time", &until[i]))
			return;
	for (unsigned i = 0; i < LIMIT_RESOURCES && r == 0; i++) {
		enum limit_resource what = (enum limit_resource)i;

		if (!is_left(q, 2 + 3 * i) || !is_left(q, 3 + 3 * i))
			r = ledger_set(ledger, t.kind, t.id, what,
				       rec.of[i].soft, rec.of[i].hard);
		if (r == 0 && !is_left(q, 4 + 3 * i))
			r = ledger_set_deadline(ledger, t.kind, t.id, what,
						(int64_t)until[i]);
	}
	if (r == 0)
		changed(q);
	else
		refuse_as(q, r, "%s", strerror(-r));
}

static void run_grace(struct request *q)
{
	struct target t = { .id = 0 };
	uint64_t seconds;

	if (!take_kind(q, 0, &t) || !take_resource(q, 1, &t) ||
	    !take_number(q, 2, "grace in seconds", SECONDS_MAX, &seconds))
		return;
	ledger_set_grace(q->c->ledger, t.kind, t.what, seconds);
	changed(q);
}

static void run_deadline(struct request *q)
{
	struct target t = { .id = 0 };
	int64_t deadline = 0;
	uint64_t seconds;
	int r;

	if (!take_kind(q, 0, &t) || !take_id(q, 1, &t) ||
	    !take_resource(q, 2, &t) ||
	    !take_number(q, 3, "time in seconds", SECONDS_MAX, &seconds))
		return;
	if (seconds)
		deadline = q->c->ledger->now() + (int64_t)seconds;
	r = ledger_set_deadline(q->c->ledger, t.kind, t.id, t.what, deadline);
	if (r < 0)
		refuse_as(q, r, "%s", strerror(-r));
	else
		changed(q);
}

static void run_enforce(struct request *q)
{
	static const char *const states[] = { "off", "on" };
	struct target t = { .id = 0 };
	char word[SHOWN + 4];
	int on;

	if (!take_kind(q, 0, &t))
		return;
	on = find(q->words[1], states, ARRAY_SIZE(states));
	if (on < 0) {
		refuse(q, "'%s' is no state: on or off is expected",
		       shown(q->words[1], word));
		return;
	}
	ledger_enforce(q->c->ledger, t.kind, on);
	changed(q);
}

static void print_drift(void *ctx, const struct scan_drift *d)
{
	FILE *out = ctx;

	fprintf(out, "drift %s %" PRIu32, ledger_kinds[d->kind], d->id);
	for (int i = 0; i < LIMIT_RESOURCES; i++)
		fprintf(out, " %" PRIu64 " %" PRIu64, d->ledger[i],
			d->counted[i]);
	fputc('\n', out);
}

/* Whether it is ok is known at the end: what was found waits. */
static void run_check(struct request *q)
{
	bool fix = q->n > 0;
	uint64_t began = clock_now();
	_cleanup_free_ char *found = NULL;
	char word[SHOWN + 4];
	size_t len = 0;
	int64_t n;
	FILE *f;

	if (fix && strcmp(q->words[0], "fix") != 0) {
		refuse(q, "'%s' is not known: check, or check fix, is expected",
		       shown(q->words[0], word));
		return;
	}
	if (!q->c->check) {
		refuse(q, "this cannot be checked: there is no tree to scan");
		return;
	}
	f = open_memstream(&found, &len);
	n = f ? q->c->check(q->c->ctx, fix, print_drift, f) : -ENOMEM;
	if (f && fclose(f) != 0 && n >= 0)
		n = -ENOMEM;
	if (n < 0) {
		refuse_as(q, (int)n, "the scan failed: %s", strerror((int)-n));
		return;
	}
	fputs("ok\n", q->out);
	fwrite(found, 1, len, q->out);
	fprintf(q->out, "checked %" PRId64 " %" PRIu64 "\n", n,
		(uint64_t)((clock_now() - began) / CLOCK_MS));
}

#define REQUESTS                                                               \
	"get, next, info, set, limits, grace, deadline, enforce or check"

static const struct verb {
	const char *name;
	unsigned min, max; /* words */
	const char *usage;
	void (*run)(struct request *q);
} verbs[] = {
	{ "get", 0, 2, "get [KIND ID]", run_get },
	{ "next", 2, 2, "next KIND ID", run_next },
	{ "info", 1, 1, "info KIND", run_info },
	{ "set", 5, 5, "set KIND ID RESOURCE SOFT HARD", run_set },
	{ "limits", 8, 8, "limits KIND ID SOFT HARD UNTIL SOFT HARD UNTIL",
	  run_limits },
	{ "grace", 3, 3, "grace KIND RESOURCE SECONDS", run_grace },
	{ "deadline", 4, 4, "deadline KIND ID RESOURCE SECONDS", run_deadline },
	{ "enforce", 2, 2, "enforce KIND on|off", run_enforce },
	{ "check", 0, 1, "check [fix]", run_check },
};

/* The next word; false: there is none. One that is too long means nothing. */
static bool next_word(const char **line, char to[WORD_MAX + 1])
{
	const char *p = *line + strspn(*line, " \t");
	size_t len = strcspn(p, " \t"), n = len < WORD_MAX ? len : WORD_MAX;

	memcpy(to, p, n);
	to[n] = '\0';
	if (n < len)
		to[n - 1] = '~';
	*line = p + len;
	return len > 0;
}

int command_run(const struct command_ctx *c, const char *line, FILE *out)
{
	struct request q = { .c = c, .out = out };
	char verb[WORD_MAX + 1], word[SHOWN + 4];
	const struct verb *v = NULL;

	if (!next_word(&line, verb)) {
		refuse(&q, "an empty request: " REQUESTS " is expected");
		return q.err;
	}
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (strcmp(verb, verbs[i].name) == 0)
			v = &verbs[i];
	if (!v) {
		refuse(&q, "'%s' is no request: " REQUESTS " is expected",
		       shown(verb, word));
		return q.err;
	}
	while (q.n < WORDS_MAX && next_word(&line, q.words[q.n]))
		q.n++;
	if (q.n > v->max)
		refuse(&q, "'%s' is too much: %s is expected",
		       shown(q.words[v->max], word), v->usage);
	else if (q.n < v->min || (v->run == run_get && q.n == 1))
		refuse(&q, "%s lacks a word: %s is expected", v->name,
		       v->usage);
	else
		v->run(&q);
	return q.err;
}
