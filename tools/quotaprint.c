/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/quotaprint.h"

#include <inttypes.h>
#include <string.h>

#include "fs/base/printable.h"
#include "tools/quotaword.h"

#define NAME_MIN 9
#define NAME_MAX_SHOWN 32

static const char *const vz_names[LIMIT_RESOURCES] = {
	[LIMIT_SPACE] = "1k-blocks",
	[LIMIT_INODES] = "inodes",
};
static const enum limit_resource resources[] = { LIMIT_SPACE, LIMIT_INODES };

/* A limit in units; none is `none`. */
static const char *limit_text(enum limit_resource what, uint64_t n,
			      const char *none, char text[QUOTAWORD_SIZE])
{
	if (n || !none)
		snprintf(text, QUOTAWORD_SIZE, "%" PRIu64,
			 quotaword_units(what, n));
	else
		snprintf(text, QUOTAWORD_SIZE, "%s", none);
	return text;
}

/* A name of the container's own, what a terminal would obey as "?". */
static int put_name(FILE *out, const char *name)
{
	size_t len = strlen(name);

	printable_put(out, name, len);
	return (int)len;
}

/* ---- vzquota --------------------------------------------------------------- */

void quotaprint_stat(const struct quotaprint *p, enum ledger_kind kind,
		     const struct limit_rec *r)
{
	/* There 0 is no limit of users, and none at all of a container. */
	const char *none = kind == LEDGER_CONTAINER ? "unlimited" : "0";
	char soft[QUOTAWORD_SIZE], hard[QUOTAWORD_SIZE], left[QUOTAWORD_SIZE];

	fprintf(p->out, "%11s %14s  %14s %14s %8s\n", "resource", "usage",
		"softlimit", "hardlimit", "grace");
	for (unsigned i = 0; i < ARRAY_SIZE(resources); i++) {
		enum limit_resource what = resources[i];
		const struct limit *l = &r->of[i];

		fprintf(p->out, "%11s %14" PRIu64 "%c %14s %14s %8s\n",
			vz_names[i], quotaword_units(what, l->usage),
			quotaword_is_over(l) ? '*' : ' ',
			limit_text(what, l->soft, none, soft),
			limit_text(what, l->hard, none, hard),
			quotaword_print_grace(l, p->now, left));
	}
}

static void put_object(const struct quotaprint *p, enum ledger_kind kind,
		       const struct quotastate_rec *rec)
{
	char left[QUOTAWORD_SIZE];

	for (unsigned i = 0; i < ARRAY_SIZE(resources); i++) {
		const struct limit *l = &rec->r.of[i];

		fprintf(p->out,
			"%-11u %5s %9s %11" PRIu64 " %11" PRIu64 " %11" PRIu64
			" %8s %6s\n",
			rec->id, ledger_kinds[kind], vz_names[i],
			quotaword_units(resources[i], l->usage),
			quotaword_units(resources[i], l->soft),
			quotaword_units(resources[i], l->hard),
			quotaword_print_grace(l, p->now, left), "loaded");
	}
}

void quotaprint_vzquota(const struct quotaprint *p)
{
	const struct quotastate *s = p->state;
	const struct limit_rec r = quotastate_get(s, LEDGER_CONTAINER, 0);
	bool on = s->enforce[LEDGER_USER] || s->enforce[LEDGER_GROUP];
	size_t n = s->of[LEDGER_USER].n + s->of[LEDGER_GROUP].n;
	char block[QUOTAWORD_SIZE], inode[QUOTAWORD_SIZE];

	quotaprint_stat(p, LEDGER_CONTAINER, &r);
	fprintf(p->out, "User/group quota: %s\n",
		on ? "on,active" : "off,inactive");
	/* There is no limit on them: as many as there are. */
	fprintf(p->out, "Ugids: loaded %zu, total %zu, limit %zu\n", n, n, n);
	fprintf(p->out, "Ugid limit was exceeded: no\n\n");
	fprintf(p->out, "User/group grace times and quotafile flags:\n");
	fprintf(p->out, "%5s %14s %14s %10s\n", "type", "block_exp_time",
		"inode_exp_time", "dqi_flags");
	for (int k = LEDGER_USER; k < LEDGER_KINDS; k++)
		fprintf(p->out, "%5s %14s %14s %9Xh\n", ledger_kinds[k],
			quotaword_print_time(s->grace[k][LIMIT_SPACE], block),
			quotaword_print_time(s->grace[k][LIMIT_INODES], inode),
			0u);
	fprintf(p->out, "\nUser/group objects:\n");
	fprintf(p->out, "%-11s %5s %9s %11s %11s %11s %8s %6s\n", "ID", "type",
		"resource", "usage", "softlimit", "hardlimit", "grace",
		"status");
	for (int k = LEDGER_USER; k < LEDGER_KINDS; k++)
		for (size_t i = 0; p->kinds[k] && i < s->of[k].n; i++)
			put_object(p, (enum ledger_kind)k, &s->of[k].recs[i]);
}

/* ---- repquota -------------------------------------------------------------- */

/* "anna", "#1000" where nobody is called so, or the container. */
static const char *row_name(const struct quotaprint *p, enum ledger_kind kind,
			    uint32_t id, char text[QUOTAWORD_SIZE])
{
	const char *name = idname_of(p->names[kind], id);

	if (kind == LEDGER_CONTAINER)
		return p->id;
	if (name)
		return name;
	snprintf(text, QUOTAWORD_SIZE, "#%u", id);
	return text;
}

static int name_width(const struct quotaprint *p, enum ledger_kind kind)
{
	const struct quotastate_list *l = &p->state->of[kind];
	char text[QUOTAWORD_SIZE];
	size_t width = NAME_MIN;

	for (size_t i = 0; i < l->n; i++) {
		size_t len = strlen(row_name(p, kind, l->recs[i].id, text));

		if (len > width)
			width = len;
	}
	return (int)(width < NAME_MAX_SHOWN ? width : NAME_MAX_SHOWN);
}

static void put_row(const struct quotaprint *p, enum ledger_kind kind,
		    const struct quotastate_rec *rec, int width)
{
	const struct limit *l = rec->r.of;
	char text[QUOTAWORD_SIZE];
	int n = put_name(p->out, row_name(p, kind, rec->id, text));

	fprintf(p->out, "%*s %c%c", n < width ? width - n : 0, "",
		quotaword_is_over(&l[LIMIT_SPACE]) ? '+' : '-',
		quotaword_is_over(&l[LIMIT_INODES]) ? '+' : '-');
	for (unsigned i = 0; i < ARRAY_SIZE(resources); i++) {
		int w = resources[i] == LIMIT_SPACE ? 11 : 9;

		fprintf(p->out, " %*" PRIu64 " %*" PRIu64 " %*" PRIu64 " %7s",
			w, quotaword_units(resources[i], l[i].usage), w,
			quotaword_units(resources[i], l[i].soft), w,
			quotaword_units(resources[i], l[i].hard),
			quotaword_print_grace(&l[i], p->now, text));
	}
	fputc('\n', p->out);
}

static void put_kind(const struct quotaprint *p, enum ledger_kind kind)
{
	static const char *const titles[] = { "Container", "User", "Group" };
	const struct quotastate *s = p->state;
	const struct quotastate_rec none = { 0 };
	char block[QUOTAWORD_SIZE], inode[QUOTAWORD_SIZE];
	int width = name_width(p, kind), all;

	fprintf(p->out, "*** Report for %s quotas on container %s%s\n",
		ledger_kinds[kind], p->id,
		s->enforce[kind] ? "" : " (limits are off)");
	fprintf(p->out, "Block grace time: %s; Inode grace time: %s\n",
		quotaword_print_time(s->grace[kind][LIMIT_SPACE], block),
		quotaword_print_time(s->grace[kind][LIMIT_INODES], inode));
	fprintf(p->out, "%-*s    %*s%*s\n", width, "", 27, "Block limits", 41,
		"File limits");
	all = fprintf(p->out, "%-*s    %11s %11s %11s %7s %9s %9s %9s %7s\n",
		      width, titles[kind], "used", "soft", "hard", "grace",
		      "used", "soft", "hard", "grace");
	for (int i = 1; i < all; i++)
		fputc('-', p->out);
	fputc('\n', p->out);
	if (kind == LEDGER_CONTAINER && s->of[kind].n == 0)
		put_row(p, kind, &none, width);
	for (size_t i = 0; i < s->of[kind].n; i++)
		put_row(p, kind, &s->of[kind].recs[i], width);
}

void quotaprint_table(const struct quotaprint *p)
{
	bool first = true;

	for (int k = 0; k < LEDGER_KINDS; k++) {
		if (!p->kinds[k])
			continue;
		if (!first)
			fputc('\n', p->out);
		first = false;
		put_kind(p, (enum ledger_kind)k);
	}
}

/* ---- json ------------------------------------------------------------------ */

static json_t *limit_json(const struct limit *l)
{
	return json_pack("{s:I, s:I, s:I, s:o, s:b}", "usage",
			 (json_int_t)l->usage, "soft", (json_int_t)l->soft,
			 "hard", (json_int_t)l->hard, "deadline",
			 l->deadline ? json_integer(l->deadline) : json_null(),
			 "over", quotaword_is_over(l));
}

json_t *quotaprint_rec_json(const struct limit_rec *r)
{
	return json_pack("{s:o, s:o}", "space", limit_json(&r->of[LIMIT_SPACE]),
			 "inodes", limit_json(&r->of[LIMIT_INODES]));
}

static json_t *kind_json(const struct quotaprint *p, enum ledger_kind kind)
{
	const struct quotastate_list *l = &p->state->of[kind];
	json_t *all = json_array();

	for (size_t i = 0; i < l->n; i++) {
		json_t *j = quotaprint_rec_json(&l->recs[i].r);
		const char *name = idname_of(p->names[kind], l->recs[i].id);

		json_object_set_new(j, "id", json_integer(l->recs[i].id));
		if (name)
			json_object_set_new(j, "name", json_string(name));
		if (json_array_append_new(all, j) < 0) {
			json_decref(all);
			return NULL;
		}
	}
	return all;
}

static json_t *grace_json(const struct quotastate *s, int kind)
{
	return json_pack("{s:I, s:I}", "space",
			 (json_int_t)s->grace[kind][LIMIT_SPACE], "inodes",
			 (json_int_t)s->grace[kind][LIMIT_INODES]);
}

json_t *quotaprint_grace_json(const struct quotastate *s,
			      const bool kinds[LEDGER_KINDS])
{
	json_t *all = json_object();

	for (int k = 0; k < LEDGER_KINDS; k++)
		if (kinds[k])
			json_object_set_new(all, ledger_kinds[k],
					    grace_json(s, k));
	return all;
}

json_t *quotaprint_json(const struct quotaprint *p)
{
	static const char *const lists[] = { "container", "users", "groups" };
	const struct quotastate *s = p->state;
	static const bool every[LEDGER_KINDS] = { true, true, true };
	json_t *enforce = json_object();
	json_t *j = json_pack("{s:s, s:o, s:o}", "id", p->id, "enforce",
			      enforce, "grace",
			      quotaprint_grace_json(s, every));

	for (int k = 0; k < LEDGER_KINDS; k++) {
		const struct limit_rec r =
			quotastate_get(s, LEDGER_CONTAINER, 0);

		json_object_set_new(enforce, ledger_kinds[k],
				    json_boolean(s->enforce[k]));
		if (!p->kinds[k])
			continue;
		json_object_set_new(j, lists[k],
				    k == LEDGER_CONTAINER
					    ? quotaprint_rec_json(&r)
					    : kind_json(p,
							(enum ledger_kind)k));
	}
	return j;
}
