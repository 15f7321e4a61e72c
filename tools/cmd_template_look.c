/* SPDX-License-Identifier: GPL-2.0-or-later */

/* vefs template list, show, tree, diff: looking, changing nothing. */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "fs/base/log.h"
#include "templates/diff.h"
#include "templates/usage.h"
#include "tools/jsontext.h"
#include "tools/tcmd.h"

static const char *date(uint64_t t, char text[32])
{
	time_t s = (time_t)t;
	struct tm tm;

	if (!gmtime_r(&s, &tm) ||
	    !strftime(text, 32, "%Y-%m-%dT%H:%M:%SZ", &tm))
		snprintf(text, 32, "%llu", (unsigned long long)t);
	return text;
}

static json_t *version_json(const struct catalog_version *v,
			    const struct usage *u)
{
	char hex[DIGEST_HEX + 1], when[32];

	if (v->error)
		return json_pack("{s:s, s:s, s:s}", "name", v->id.name,
				 "version", v->id.version, "error",
				 strerror(-v->error));
	return json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I}",
			 "name", v->id.name, "version", v->id.version, "digest",
			 digest_hex(&v->seal.digest, hex), "created",
			 date(v->seal.created, when), "files",
			 (json_int_t)v->seal.nodes, "bytes",
			 (json_int_t)v->seal.size, "disk",
			 (json_int_t)u->blocks * 512, "own",
			 (json_int_t)u->own * 512, "shared",
			 (json_int_t)(u->blocks - u->own) * 512, "index",
			 (json_int_t)v->seal.index_size);
}

/* ---- list ---------------------------------------------------------------- */

static void print_row(const struct catalog_version *v, const struct usage *u,
		      bool bytes)
{
	uint64_t sizes[3] = { u->blocks * 512, u->own * 512,
			      (u->blocks - u->own) * 512 };
	char spec[CATALOG_NAME_MAX + CATALOG_VERSION_MAX + 2], text[32];

	snprintf(spec, sizeof(spec), "%s:%s", v->id.name, v->id.version);
	printf("%-28s", spec);
	if (v->error) {
		printf(" damaged: %s\n", strerror(-v->error));
		return;
	}
	for (int i = 0; i < 3; i++) {
		if (bytes)
			printf(" %14llu", (unsigned long long)sizes[i]);
		else
			printf(" %10s", cmd_size(sizes[i], text));
	}
	printf(" %9llu  %s\n", (unsigned long long)v->seal.nodes,
	       date(v->seal.created, text));
}

/* Is `v` what was asked for? Empty parts are no question. */
static bool is_asked(const struct catalog_version *v,
		     const struct catalog_id *asked)
{
	return (!asked->name[0] || !strcmp(v->id.name, asked->name)) &&
	       (!asked->version[0] || !strcmp(v->id.version, asked->version));
}

static int print_list(const struct cmd_common *common,
		      const struct catalog_version *v, const struct usage *u,
		      size_t n, const struct catalog_id *asked, bool bytes)
{
	json_t *all = common->json ? json_array() : NULL;
	int width = bytes ? 14 : 10;

	if (!all && !common->quiet)
		printf("%-28s %*s %*s %*s %9s  %s\n", "TEMPLATE", width, "SIZE",
		       width, "OWN", width, "SHARED", "FILES", "CREATED");
	for (size_t i = 0; i < n; i++) {
		if (!is_asked(&v[i], asked))
			continue;
		if (all)
			json_array_append_new(all, version_json(&v[i], &u[i]));
		else
			print_row(&v[i], &u[i], bytes);
	}
	return all ? tcmd_print_json(all) : CMD_OK;
}

/* What was named and is not there is told, as by any other command. */
static int check_asked(struct catalog *c, const struct catalog_version *v,
		       size_t n, const struct catalog_id *asked,
		       struct why *why)
{
	struct catalog_version one;

	for (size_t i = 0; i < n; i++)
		if (is_asked(&v[i], asked))
			return 0;
	return asked->name[0] ? catalog_find(c, asked, &one, why) : 0;
}

TCMD_RUN(list)
{
	static const int limits[] = { 0, 1 };
	_cleanup_free_ struct catalog_version *v = NULL;
	_cleanup_free_ struct usage *u = NULL;
	bool bytes = false;
	const struct cmd_option options[] = {
		{ "bytes", &bytes, NULL },
		{ NULL, NULL, NULL },
	};
	struct catalog_id asked = { "", "" };
	size_t n = 0;
	int operands = cmd_parse(self, common, options, argc, argv, limits);
	int status, r;
	TCMD_WORK(w);

	if (operands < 0)
		return cmd_parse_status(common);
	status = operands ? tcmd_parse(argv[0], &asked) : CMD_OK;
	if (status == CMD_OK)
		status = tcmd_begin(&w, common, NULL);
	if (status != CMD_OK)
		return status;
	r = catalog_list(w.c, &v, &n, &w.why);
	if (r == 0)
		r = check_asked(w.c, v, n, &asked, &w.why);
	u = calloc(n + 1, sizeof(*u));
	if (r == 0)
		r = u ? usage_count(w.c, v, n, u) : -ENOMEM;
	if (r < 0 || !u)
		return cmd_fail(r, &w.why);
	return cmd_flush(print_list(common, v, u, n, &asked, bytes));
}

/* ---- show ---------------------------------------------------------------- */

static void print_version(struct tcmd_version *v)
{
	const struct seal *s = &v->v.seal;
	char hex[DIGEST_HEX + 1], text[32];
	const char *t;
	size_t len;

	printf("name      %s\nversion   %s\n", v->v.id.name, v->v.id.version);
	printf("digest    %s\n", digest_hex(&s->digest, hex));
	printf("created   %s\n", date(s->created, text));
	printf("files     %llu\n", (unsigned long long)s->nodes);
	printf("data      %s\n", cmd_size(s->size, text));
	printf("index     %s\n", cmd_size(s->index_size, text));
	if (index_text(v->x, INDEX_SOURCE, &t, &len) == 0) {
		printf("source    ");
		cmd_print_name(t, len);
		printf("\n");
	}
	if (index_text(v->x, INDEX_CONFIG, &t, &len) == 0 && len) {
		printf("config    ");
		cmd_print_name(t, len);
		printf("\n");
	}
}

static json_t *show_json(struct tcmd_version *v)
{
	const struct usage none = { 0, 0 };
	json_t *j = version_json(&v->v, &none), *config;
	const char *t;
	size_t len;

	json_object_del(j, "disk");
	json_object_del(j, "own");
	json_object_del(j, "shared");
	if (index_text(v->x, INDEX_SOURCE, &t, &len) == 0)
		json_object_set_new(j, "source", jsontext_new(t, len));
	if (index_text(v->x, INDEX_CONFIG, &t, &len) == 0 && len) {
		config = json_loadb(t, len, 0, NULL);
		json_object_set_new(j, "config", config ? config : json_null());
	}
	return j;
}

TCMD_RUN(show)
{
	static const int limits[] = { 1, 1 };
	int status;
	TCMD_WORK(w);

	if (cmd_parse(self, common, NULL, argc, argv, limits) < 0)
		return cmd_parse_status(common);
	status = tcmd_begin(&w, common, argv[0]);
	if (status != CMD_OK)
		return status;
	if (common->json)
		status = tcmd_print_json(show_json(&w.v));
	else
		print_version(&w.v);
	return cmd_flush(status);
}

/* ---- tree ---------------------------------------------------------------- */

struct walk {
	struct index *x;
	bool details;
	json_t *all; /* or NULL */
	struct strbuf stack, path;
};

static void walk_end(struct walk *w)
{
	json_decref(w->all);
	strbuf_free(&w->stack);
	strbuf_free(&w->path);
}

static void mode_text(uint32_t mode, char text[11])
{
	static const char types[] = "?pc?d?b?-?l?s???";
	static const char bits[] = "rwxrwxrwx";

	text[0] = types[(mode & S_IFMT) >> 12];
	for (int i = 0; i < 9; i++)
		text[1 + i] = mode & (0400u >> i) ? bits[i] : '-';
	if (mode & S_ISUID)
		text[3] = mode & 0100 ? 's' : 'S';
	if (mode & S_ISGID)
		text[6] = mode & 010 ? 's' : 'S';
	if (mode & S_ISVTX)
		text[9] = mode & 1 ? 't' : 'T';
	text[10] = '\0';
}

static void print_path(struct walk *w, const struct node *n)
{
	char mode[11], when[32];

	if (w->details) {
		mode_text(n->mode, mode);
		printf("%s %3u %5u %5u ", mode, n->nlink, n->uid, n->gid);
		if (S_ISCHR(n->mode) || S_ISBLK(n->mode))
			printf("%6u, %4u", n->rdev_major, n->rdev_minor);
		else
			printf("%12llu", (unsigned long long)n->size);
		printf(" %s ", date((uint64_t)n->mtime.tv_sec, when));
	}
	cmd_print_name(strbuf_get(&w->path), w->path.len);
	if (S_ISLNK(n->mode)) {
		printf(" -> ");
		cmd_print_name(n->target, n->target_len);
	}
	putchar('\n');
}

static int add_path(struct walk *w, uint64_t ino, const struct node *n)
{
	char mode[11];
	json_t *j;

	mode_text(n->mode, mode);
	j = json_pack("{s:o, s:s, s:I, s:i, s:I, s:I, s:I, s:I, s:i}", "path",
		      jsontext_new(strbuf_get(&w->path), w->path.len), "mode",
		      mode, "ino", (json_int_t)ino, "nlink", (int)n->nlink,
		      "uid", (json_int_t)n->uid, "gid", (json_int_t)n->gid,
		      "size", (json_int_t)n->size, "mtime",
		      (json_int_t)n->mtime.tv_sec, "mtime_ns",
		      (int)n->mtime.tv_nsec);
	if (j && S_ISLNK(n->mode))
		json_object_set_new(j, "target",
				    jsontext_new(n->target, n->target_len));
	return json_array_append_new(w->all, j) < 0 ? -ENOMEM : 0;
}

/* A child onto the stack: its number and the path's length without it. */
static int walk_one(void *ctx, const char *name, size_t len,
		    const struct node_dirent *d)
{
	struct walk *w = ctx;
	size_t base = w->path.len;
	struct node n;
	int r = index_node(w->x, d->ino, &n);

	if (r < 0)
		return r;
	if (base != 1)
		strbuf_putc(&w->path, '/');
	r = strbuf_add(&w->path, name, len);
	if (r == 0 && w->all)
		r = add_path(w, d->ino, &n);
	else if (r == 0)
		print_path(w, &n);
	if (r == 0 && d->type == DT_DIR) {
		strbuf_add(&w->stack, strbuf_get(&w->path), w->path.len + 1);
		r = strbuf_add(&w->stack, &d->ino, sizeof(d->ino));
	}
	strbuf_truncate(&w->path, base);
	return r;
}

static int walk(struct walk *w, uint64_t ino)
{
	int r = index_list(w->x, ino, NULL, 0, walk_one, w);

	while (r == 0 && w->stack.len) {
		const char *s = strbuf_get(&w->stack);
		size_t end = w->stack.len - sizeof(ino), at;

		memcpy(&ino, s + end, sizeof(ino));
		for (at = end - 1; at > 0 && s[at - 1]; at--)
			;
		strbuf_clear(&w->path);
		strbuf_puts(&w->path, s + at);
		strbuf_truncate(&w->stack, at);
		r = index_list(w->x, ino, NULL, 0, walk_one, w);
	}
	return r;
}

/* Go down to `path`; what it is comes first. */
static int walk_from(struct walk *w, const char *path)
{
	uint64_t ino = NODE_ROOT;
	struct node n;
	int r = index_node(w->x, ino, &n);

	while (r == 0 && *path) {
		size_t len = strcspn(path, "/");

		if (len) {
			r = index_lookup(w->x, ino, path, len, &ino, &n);
			strbuf_putc(&w->path, '/');
			strbuf_add(&w->path, path, len);
		}
		path += len + (path[len] == '/');
	}
	if (r < 0)
		return r;
	if (!w->path.len)
		strbuf_putc(&w->path, '/');
	if (w->all)
		r = add_path(w, ino, &n);
	else
		print_path(w, &n);
	return r == 0 && S_ISDIR(n.mode) ? walk(w, ino) : r;
}

TCMD_RUN(tree)
{
	static const int limits[] = { 1, 2 };
	_cleanup_(walk_end) struct walk k = { .details = false };
	const struct cmd_option options[] = {
		{ "long", &k.details, NULL },
		{ NULL, NULL, NULL },
	};
	int n = cmd_parse(self, common, options, argc, argv, limits);
	const char *path = n > 1 ? argv[1] : "/";
	int status, r;
	TCMD_WORK(w);

	if (n < 0)
		return cmd_parse_status(common);
	status = tcmd_begin(&w, common, argv[0]);
	if (status != CMD_OK)
		return status;
	k.x = w.v.x;
	k.all = common->json ? json_array() : NULL;
	r = walk_from(&k, path);
	if (r < 0) {
		why_sys(&w.why, r, "%s of %s", path, argv[0]);
		status = cmd_fail(r, &w.why);
	} else if (k.all) {
		status = tcmd_print_json(TAKE_PTR(k.all));
	}
	return cmd_flush(status);
}

/* ---- diff ---------------------------------------------------------------- */

struct differences {
	json_t *all; /* or NULL */
	bool quiet;
};

static const struct {
	unsigned what;
	char letter;
	const char *name;
} kinds[] = {
	{ DIFF_ADDED, '+', "added" },	    { DIFF_REMOVED, '-', "removed" },
	{ DIFF_TYPE, 'T', "type" },	    { DIFF_CONTENT, 'C', "content" },
	{ DIFF_METADATA, 'M', "metadata" },
};

static int on_difference(void *ctx, const char *path, unsigned what,
			 _unused_ const struct node *a,
			 _unused_ const struct node *b)
{
	struct differences *d = ctx;
	json_t *names = d->all ? json_array() : NULL;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (!(what & kinds[i].what))
			continue;
		if (names)
			json_array_append_new(names,
					      json_string(kinds[i].name));
		else
			putchar(kinds[i].letter);
	}
	if (names)
		return json_array_append_new(
			       d->all,
			       json_pack("{s:o, s:o}", "path",
					 jsontext_new(path, strlen(path)),
					 "what", names)) < 0
			       ? -ENOMEM
			       : 0;
	printf(what & DIFF_CONTENT && what & DIFF_METADATA ? " " : "  ");
	cmd_print_name(path, strlen(path));
	putchar('\n');
	return 0;
}

TCMD_RUN(diff)
{
	static const int limits[] = { 2, 2 };
	struct differences d = { .all = NULL };
	int status, r;
	TCMD_WORK(w);
	TCMD_VERSION(other);

	if (cmd_parse(self, common, NULL, argc, argv, limits) < 0)
		return cmd_parse_status(common);
	status = tcmd_begin(&w, common, argv[0]);
	if (status == CMD_OK)
		status = tcmd_open(w.c, argv[1], &other);
	if (status != CMD_OK)
		return status;
	d.all = common->json ? json_array() : NULL;
	r = diff_run(w.v.x, other.x, on_difference, &d);
	if (r < 0)
		status = cmd_fail(r, &w.why);
	else if (d.all)
		status = tcmd_print_json(TAKE_PTR(d.all));
	json_decref(d.all);
	return cmd_flush(status);
}
