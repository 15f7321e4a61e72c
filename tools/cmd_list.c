/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * vefs list: containers, as vzlist shows them. Values are looked up while a
 * container is at hand, those that are to be shown, filtered or sorted by, and
 * no others; then they are sorted and printed.
 */
#include <fnmatch.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/base/cleanup.h"
#include "fs/base/log.h"
#include "tools/ct/netip.h"
#include "tools/cmd_ct.h"
#include "tools/ctfield.h"
#include "tools/work.h"

#define COLUMNS_MAX 192u
#define DEFAULT "ctid,numproc,status,ip,hostname"
#define BY_NAME "ctid,numproc,status,ip,name"

struct row {
	struct ctfield_value v[COLUMNS_MAX];
};

struct listing {
	struct work w;
	const char *store;
	bool all, stopped, no_header, only_ids, by_name, help_fields, json;
	const char *output, *sort;
	const char *name, *hostname, *description; /* patterns */
	char **ids; /* n_ids of them; none: all containers */
	int n_ids;
	const struct ctfield *columns[COLUMNS_MAX];
	size_t n_columns;
	const struct ctfield *by; /* in the last column, which is not shown */
	bool reverse;
	struct row *rows;
	size_t n_rows;
	int missing;
};

static void listing_end(struct listing *l)
{
	for (size_t i = 0; i < l->n_rows; i++)
		for (size_t k = 0; k < COLUMNS_MAX; k++)
			ctfield_free(&l->rows[i].v[k]);
	free(l->rows);
	work_end(&l->w);
}

/* ---- which columns --------------------------------------------------------------- */

static int no_field(const char *name)
{
	log_error("%s: no such field; 'vefs list -L' names them", name);
	return CMD_USAGE;
}

/* An exit code. The last column is the key of sorting. */
static int take_columns(struct listing *l)
{
	const char *p = l->output, *key = l->sort ? l->sort : "ctid";
	char name[64];
	int r;

	if (!p)
		p = l->only_ids ? "ctid" : l->by_name ? BY_NAME : DEFAULT;
	if (!l->output && l->json)
		for (const struct ctfield *f = NULL; (f = ctfield_next(f));)
			l->columns[l->n_columns++] = f;
	while (l->n_columns < COLUMNS_MAX - 1 && !(l->json && !l->output) &&
	       (r = ctvalue_next(&p, ",", name, sizeof(name))) != 0) {
		l->columns[l->n_columns] = r > 0 ? ctfield_find(name) : NULL;
		if (!l->columns[l->n_columns++])
			return no_field(r > 0 ? name : l->output);
	}
	if (!l->n_columns)
		return no_field("-o");
	l->reverse = key[0] == '-';
	l->by = ctfield_find(key + l->reverse);
	return l->by ? CMD_OK : no_field(key);
}

static int show_fields(const struct listing *l)
{
	if (!l->no_header)
		printf("%-16s %-12s %s\n", "FIELD", "HEADER", "");
	for (const struct ctfield *f = NULL; (f = ctfield_next(f));)
		printf("%-16s %-12s %s\n", f->name, f->title,
		       f->brief ? f->brief : "");
	return cmd_flush(CMD_OK);
}

/* ---- which containers -------------------------------------------------------------- */

static bool is_named(const struct listing *l, const struct container *one)
{
	for (int i = 0; i < l->n_ids; i++)
		if (strcmp(l->ids[i], one->id) == 0)
			return true;
	return l->n_ids == 0;
}

static bool matches(struct ctfield_row *row, const char *field,
		    const char *pattern)
{
	struct ctfield_value v = { .known = false };
	const struct ctfield *f = ctfield_find(field);
	bool same;

	if (!pattern)
		return true;
	f->get(f, row, &v);
	same = fnmatch(pattern, v.text ? v.text : "", 0) == 0;
	ctfield_free(&v);
	return same;
}

static bool is_wanted(struct listing *l, struct ctfield_row *row)
{
	bool runs = row->look.state >= CTLOOK_RUNNING;

	if (l->stopped ? runs : !(runs || l->all || l->n_ids))
		return false;
	return matches(row, "name", l->name) &&
	       matches(row, "hostname", l->hostname) &&
	       matches(row, "description", l->description);
}

static int take_row(struct listing *l, struct ctfield_row *row)
{
	struct row *more = reallocarray(l->rows, l->n_rows + 1, sizeof(*more)),
		   *r;

	if (!more)
		return -ENOMEM;
	l->rows = more;
	r = &l->rows[l->n_rows++];
	memset(r, 0, sizeof(*r));
	for (size_t i = 0; i < l->n_columns; i++)
		l->columns[i]->get(l->columns[i], row, &r->v[i]);
	l->by->get(l->by, row, &r->v[COLUMNS_MAX - 1]);
	return 0;
}

static int look_at(void *ctx, const struct container *one)
{
	struct listing *l = ctx;
	struct ctfield_row row;
	int r = 0;

	if (!is_named(l, one))
		return 0;
	r = ctfield_begin(&row, l->w.c, l->store, one);
	if (r == 0 && is_wanted(l, &row))
		r = take_row(l, &row);
	ctfield_end(&row);
	return r;
}

/* Names become ids; what there is none of is told. */
static int resolve(struct listing *l)
{
	for (int i = 0; i < l->n_ids; i++) {
		struct container one = CONTAINER_NONE;
		struct why why = { "" };
		int r = container_open(l->w.c, l->ids[i], false, &one, &why);

		if (r == 0 || r == -EUCLEAN) {
			l->ids[i] = strdup(one.id);
			container_close(&one);
			if (!l->ids[i])
				return -ENOMEM;
			continue;
		}
		container_close(&one);
		cmd_fail(r, &why);
		l->ids[i] = strdup("");
		l->missing++;
	}
	return 0;
}

/* ---- sorting, printing ---------------------------------------------------------------- */

static int by_key(const void *a, const void *b)
{
	const struct ctfield_value *x =
		&((const struct row *)a)->v[COLUMNS_MAX - 1];
	const struct ctfield_value *y =
		&((const struct row *)b)->v[COLUMNS_MAX - 1];

	if (x->known != y->known)
		return x->known ? 1 : -1;
	if (!x->known)
		return 0;
	if (x->is_number)
		return x->n < y->n ? -1 : x->n > y->n;
	return strverscmp(x->text, y->text);
}

static void sort(struct listing *l)
{
	if (l->n_rows)
		qsort(l->rows, l->n_rows, sizeof(*l->rows), by_key);
	for (size_t i = 0; l->reverse && i < l->n_rows / 2; i++) {
		struct row swap = l->rows[i];

		l->rows[i] = l->rows[l->n_rows - 1 - i];
		l->rows[l->n_rows - 1 - i] = swap;
	}
}

/* As people read it, as much of it as a column has room for. */
static void print_cell(const struct ctfield *f, const char *text, bool last)
{
	int len = (int)strlen(text),
	    width = f->width < 0 ? -f->width : f->width;

	/* of several addresses the first, where something comes behind */
	if (!last && strcmp(f->name, "ip") == 0)
		len = (int)strcspn(text, " ");
	if (f->width > 0)
		printf("%*s", len < width ? width - len : 0, "");
	cmd_print_name(text, (size_t)len);
	if (!last)
		printf("%*s", f->width < 0 && len < width ? width - len + 1 : 1,
		       "");
}

static void print_value(const struct ctfield *f, const struct ctfield_value *v,
			bool last)
{
	char number[32];

	if (v->known && v->is_number && !v->text)
		snprintf(number, sizeof(number),
			 v->is_endless ? "unlimited" : "%" PRIu64, v->n);
	print_cell(f, !v->known ? "-" : v->text ? v->text : number, last);
}

static void print_table(const struct listing *l, bool quiet)
{
	bool header = !l->no_header && !l->only_ids && !quiet;

	for (size_t k = 0; header && k < l->n_columns; k++)
		print_cell(l->columns[k], l->columns[k]->title,
			   k + 1 == l->n_columns);
	if (header)
		putchar('\n');
	for (size_t i = 0; i < l->n_rows; i++) {
		for (size_t k = 0; k < l->n_columns; k++)
			print_value(l->columns[k], &l->rows[i].v[k],
				    k + 1 == l->n_columns);
		putchar('\n');
	}
}

static json_t *ip_json(const char *text)
{
	json_t *all = json_array();
	char one[NETIP_TEXT];

	while (ctvalue_next(&text, " ", one, sizeof(one)) > 0)
		json_array_append_new(all, json_string(one));
	return all;
}

static json_t *load_json(const char *text)
{
	json_t *all = json_array();
	double load[3];

	if (sscanf(text, "%lf/%lf/%lf", &load[0], &load[1], &load[2]) == 3)
		for (unsigned i = 0; i < 3; i++)
			json_array_append_new(all, json_real(load[i]));
	return all;
}

static json_t *value_json(const struct ctfield *f,
			  const struct ctfield_value *v)
{
	if (strcmp(f->name, "ip") == 0)
		return ip_json(v->known ? v->text : "");
	if (!v->known || v->is_endless)
		return json_null();
	if (strcmp(f->name, "laverage") == 0)
		return load_json(v->text ? v->text : "");
	if (v->is_number)
		return json_integer((json_int_t)v->n);
	if (strcmp(v->text, "yes") == 0 || strcmp(v->text, "no") == 0)
		return json_boolean(v->text[0] == 'y');
	return json_string(v->text);
}

/* "diskspace.s" is "softlimit" in "diskspace". */
static void put_json(json_t *one, const struct ctfield *f, json_t *value)
{
	static const char *const parts[] = {
		['s'] = "softlimit", ['h'] = "hardlimit", ['m'] = "maxheld",
		['b'] = "barrier",   ['l'] = "limit",	  ['f'] = "failcnt",
	};
	const char *dot = strchr(f->name, '.'), *part = ctfield_part(f);
	char name[32];
	json_t *in;

	if (!dot && !part) {
		json_object_set_new(one, f->name, value);
		return;
	}
	snprintf(name, sizeof(name), "%.31s", f->name);
	name[strcspn(name, ".")] = '\0';
	in = json_object_get(one, name);
	if (!in) {
		in = json_object();
		json_object_set_new(one, name, in);
	}
	json_object_set_new(in, dot ? parts[(unsigned char)dot[1]] : part,
			    value);
}

static void print_json(const struct listing *l)
{
	json_t *all = json_array();

	for (size_t i = 0; i < l->n_rows; i++) {
		json_t *one = json_object();

		for (size_t k = 0; k < l->n_columns; k++)
			put_json(one, l->columns[k],
				 value_json(l->columns[k], &l->rows[i].v[k]));
		json_array_append_new(all, one);
	}
	json_dumpf(all, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(all);
}

/* ---- list -------------------------------------------------------------------------------- */

static int do_list(struct listing *l, const struct cmd_common *common)
{
	int status = take_columns(l), r;

	if (status != CMD_OK)
		return status;
	l->w.c = cmd_open(common, false);
	if (!l->w.c)
		return CMD_FAILED;
	r = resolve(l);
	if (r == 0)
		r = container_each(l->w.c, look_at, l, &l->w.why);
	for (int i = 0; i < l->n_ids; i++)
		free(l->ids[i]);
	if (r < 0)
		return work_fail(&l->w, r);
	sort(l);
	if (l->json)
		print_json(l);
	else
		print_table(l, common->quiet);
	return cmd_flush(l->missing ? CMD_FAILED : CMD_OK);
}

static int run_list(const struct cmd *self, struct cmd_common *common, int argc,
		    char **argv)
{
	const int any[] = { 0, argc };
	_cleanup_(listing_end) struct listing l = {
		.w = { .one = CONTAINER_NONE },
		.store = common->root,
		.ids = argv,
	};
	bool json = false;
	const struct cmd_option own[] = {
		{ "a", &l.all, NULL },
		{ "all", &l.all, NULL },
		{ "S", &l.stopped, NULL },
		{ "stopped", &l.stopped, NULL },
		{ "H", &l.no_header, NULL },
		{ "no-header", &l.no_header, NULL },
		{ "1", &l.only_ids, NULL },
		{ "n", &l.by_name, NULL },
		{ "j", &json, NULL },
		{ "L", &l.help_fields, NULL },
		{ "list", &l.help_fields, NULL },
		{ "o", NULL, &l.output },
		{ "output", NULL, &l.output },
		{ "s", NULL, &l.sort },
		{ "sort", NULL, &l.sort },
		{ "N", NULL, &l.name },
		{ "name_filter", NULL, &l.name },
		{ "h", NULL, &l.hostname },
		{ "hostname", NULL, &l.hostname },
		{ "d", NULL, &l.description },
		{ "description", NULL, &l.description },
		{ NULL, NULL, NULL },
	};

	l.n_ids = cmd_parse(self, common, own, argc, argv, any);
	if (l.n_ids < 0) {
		l.n_ids = 0;
		return cmd_parse_status(common);
	}
	l.json = json || common->json;
	if (l.help_fields)
		return show_fields(&l);
	return do_list(&l, common);
}

const struct cmd cmd_list = {
	CMD_CT_list,
	.help = "Shows containers that run, or those that are named.\n\n"
		"  -a, --all           those that do not run, too\n"
		"  -S, --stopped       only those that do not run\n"
		"  -H, --no-header     no line of titles\n"
		"  -1                  ids alone\n"
		"  -n                  the name, not the hostname\n"
		"  -o FIELD[,FIELD...] these columns; -L names all there are\n"
		"  -s [-]FIELD         sorted by that; with - from the largest "
		"on\n"
		"  -j, --json          all fields, for programs\n"
		"  -N PATTERN          whose name is like that\n"
		"  -h PATTERN          whose hostname is\n"
		"  -d PATTERN          whose description is\n\n"
		"What is not known is '-'; physpages, swappages are in pages, "
		"diskspace in KiB.\n\n"
		"Examples:\n"
		"  vefs list -a\n"
		"  vefs list -o ctid,physpages,physpages.l,diskspace -s "
		"-physpages\n"
		"  vefs list -aH -o ctid -N 'web*'\n",
	.run = run_list,
};
