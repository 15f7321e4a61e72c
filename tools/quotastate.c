/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/quotastate.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static int find_word(const char *const *words, unsigned n, const char *word)
{
	for (unsigned i = 0; i < n; i++)
		if (!strcmp(words[i], word))
			return (int)i;
	return -EPROTO;
}

static int find_kind(const char *word)
{
	return find_word(ledger_kinds, LEDGER_KINDS, word);
}

static int add_rec(struct quotastate_list *l, const struct quotastate_rec *rec)
{
	if (l->n == l->room) {
		size_t room = l->room ? 2 * l->room : 64;
		struct quotastate_rec *more =
			reallocarray(l->recs, room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		l->recs = more;
		l->room = room;
	}
	l->recs[l->n++] = *rec;
	return 0;
}

static int take_enforce(struct quotastate *s, const char *line)
{
	char kind[16], on[4], more;
	int k;

	if (sscanf(line, "%15s %3s %c", kind, on, &more) != 2)
		return -EPROTO;
	k = find_kind(kind);
	if (k < 0)
		return k;
	s->enforce[k] = !strcmp(on, "on");
	return s->enforce[k] || !strcmp(on, "off") ? 0 : -EPROTO;
}

static int take_grace(struct quotastate *s, const char *line)
{
	char kind[16], what[16], more;
	uint64_t seconds;
	int k, i;

	if (sscanf(line, "%15s %15s %" SCNu64 " %c", kind, what, &seconds,
		   &more) != 3)
		return -EPROTO;
	k = find_kind(kind);
	i = find_word(limit_names, LIMIT_RESOURCES, what);
	if (k < 0 || i < 0)
		return -EPROTO;
	s->grace[k][i] = seconds;
	return 0;
}

static int take_record(struct quotastate *s, const char *line)
{
	struct quotastate_rec rec = { 0 };
	struct limit *a = &rec.r.of[LIMIT_SPACE], *b = &rec.r.of[LIMIT_INODES];
	char kind[16], more;
	int k;

	if (sscanf(line,
		   "%15s %" SCNu32 " %" SCNu64 " %" SCNu64 " %" SCNu64
		   " %" SCNd64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNd64
		   " %c",
		   kind, &rec.id, &a->usage, &a->soft, &a->hard, &a->deadline,
		   &b->usage, &b->soft, &b->hard, &b->deadline, &more) != 10)
		return -EPROTO;
	k = find_kind(kind);
	return k < 0 ? k : add_rec(&s->of[k], &rec);
}

int quotastate_take(struct quotastate *s, char *line)
{
	static const struct {
		const char *word;
		int (*take)(struct quotastate *s, const char *line);
	} words[] = {
		{ "enforce ", take_enforce },
		{ "grace ", take_grace },
		{ "record ", take_record },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(words); i++) {
		size_t len = strlen(words[i].word);

		if (!strncmp(line, words[i].word, len))
			return words[i].take(s, line + len);
	}
	return -EPROTO;
}

static int take(void *ctx, char *line)
{
	return quotastate_take(ctx, line);
}

static int by_id(const void *a, const void *b)
{
	const struct quotastate_rec *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

int quotastate_read(struct quotaask *q, struct quotastate *out, struct why *why)
{
	int r;

	*out = (struct quotastate){ .enforce = { false } };
	r = quotaask_run(q, "get", take, out, why);
	for (int k = 0; k < LEDGER_KINDS; k++)
		if (out->of[k].n > 1)
			qsort(out->of[k].recs, out->of[k].n,
			      sizeof(*out->of[k].recs), by_id);
	return r;
}

void quotastate_free(struct quotastate *s)
{
	for (int k = 0; k < LEDGER_KINDS; k++)
		free(s->of[k].recs);
	*s = (struct quotastate){ .enforce = { false } };
}

struct limit_rec quotastate_get(const struct quotastate *s,
				enum ledger_kind kind, uint32_t id)
{
	const struct quotastate_rec wanted = { .id = id };
	const struct quotastate_rec *found = NULL;

	if (s->of[kind].n)
		found = bsearch(&wanted, s->of[kind].recs, s->of[kind].n,
				sizeof(wanted), by_id);
	return found ? found->r : (struct limit_rec){ 0 };
}

int quotastate_drift(const char *line, enum ledger_kind *kind, uint32_t *id,
		     uint64_t of[2 * LIMIT_RESOURCES])
{
	char word[16], more;
	int k;

	if (sscanf(line,
		   "drift %15s %" SCNu32 " %" SCNu64 " %" SCNu64 " %" SCNu64
		   " %" SCNu64 " %c",
		   word, id, &of[0], &of[1], &of[2], &of[3], &more) != 6)
		return -EPROTO;
	k = find_kind(word);
	if (k < 0)
		return k;
	*kind = (enum ledger_kind)k;
	return 0;
}

int quotastate_checked(const char *line, uint64_t *inodes, uint64_t *ms)
{
	char more;

	return sscanf(line, "checked %" SCNu64 " %" SCNu64 " %c", inodes, ms,
		      &more) == 2
		       ? 0
		       : -EPROTO;
}
