/* SPDX-License-Identifier: GPL-2.0-or-later */

/* vefs template import */
#include <stdio.h>
#include <string.h>

#include "fs/base/log.h"
#include "fs/base/parse.h"
#include "templates/import.h"
#include "tools/progress.h"
#include "tools/tcmd.h"

static const struct {
	const char *name;
	enum import_kind kind;
} formats[] = {
	{ "tar", IMPORT_TAR },	    { "dir", IMPORT_DIR },
	{ "image", IMPORT_IMAGE },  { "oci", IMPORT_IMAGE },
	{ "docker", IMPORT_IMAGE }, { "debian", IMPORT_DEBIAN },
};

static int on_progress(void *ctx, const struct import_state *s)
{
	progress_show(ctx, s->doing, s->bytes_read, s->bytes_total, s->entries);
	return progress_cancelled();
}

static void on_warn(void *ctx, const char *text)
{
	progress_end(ctx);
	log_warn("%s", text);
}

static int set_format(const char *text, enum import_kind *kind)
{
	if (!text)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++)
		if (!strcmp(text, formats[i].name)) {
			*kind = formats[i].kind;
			return 0;
		}
	log_error("--format %s: there are tar, dir, image and debian", text);
	return -1;
}

static int set_limit(const char *name, const char *text, bool size,
		     uint64_t *out)
{
	if (!text)
		return 0;
	if ((size ? parse_size(text, out) : parse_u64(text, UINT64_MAX, out)) ==
		    0 &&
	    *out > 0)
		return 0;
	log_error("--%s %s: not a %s", name, text, size ? "size" : "number");
	return -1;
}

static int print(const struct cmd_common *common, const struct catalog_id *id,
		 const struct seal *seal, const struct import_state *s,
		 const struct progress *p)
{
	char hex[DIGEST_HEX + 1], all[CMD_SIZE_MAX], new[CMD_SIZE_MAX];
	char disk[CMD_SIZE_MAX];

	digest_hex(&seal->digest, hex);
	if (common->json)
		return tcmd_print_json(json_pack(
			"{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:f}",
			"name", id->name, "version", id->version, "digest", hex,
			"files", (json_int_t)seal->nodes, "bytes",
			(json_int_t)seal->size, "objects_new",
			(json_int_t)s->objects_new, "objects_shared",
			(json_int_t)s->objects_shared, "bytes_new",
			(json_int_t)s->bytes_new, "disk_new",
			(json_int_t)s->blocks_new * 512, "seconds",
			progress_seconds(p)));
	if (!common->quiet)
		printf("%s:%s: %llu files, %s, of it %s new in the store "
		       "(%llu objects, %s on the disk; %llu shared), %.1f s\n"
		       "digest %s\n",
		       id->name, id->version, (unsigned long long)seal->nodes,
		       cmd_size(seal->size, all), cmd_size(s->bytes_new, new),
		       (unsigned long long)s->objects_new,
		       cmd_size(s->blocks_new * 512, disk),
		       (unsigned long long)s->objects_shared,
		       progress_seconds(p), hex);
	return CMD_OK;
}

static int import(const struct cmd_common *common, const char *spec,
		  struct import_options *o)
{
	struct import_state state;
	struct why why = { "" };
	struct catalog_id id;
	struct progress p;
	struct catalog *c;
	struct seal seal;
	int r = tcmd_parse(spec, &id);

	if (r != CMD_OK)
		return r;
	c = cmd_open(common, true);
	if (!c)
		return CMD_FAILED;
	progress_catch_signals();
	progress_start(&p, common->quiet || common->json);
	o->progress = on_progress;
	o->warn = on_warn;
	o->ctx = &p;
	r = import_run(c, &id, o, &seal, &state, &why);
	o->ctx = NULL;
	progress_end(&p);
	catalog_free(c);
	if (r < 0)
		return cmd_fail(r, &why);
	return cmd_flush(print(common, &id, &seal, &state, &p));
}

TCMD_RUN(import)
{
	static const int limits[] = { 2, 2 };
	const char *format = NULL, *entries = NULL, *devices = NULL;
	const char *size = NULL;
	struct import_options o = { .kind = IMPORT_AUTO };
	const struct cmd_option options[] = {
		{ "format", NULL, &format },
		{ "digest", NULL, &o.digest },
		{ "max-entries", NULL, &entries },
		{ "max-devices", NULL, &devices },
		{ "max-size", NULL, &size },
		{ "no-sync", &o.no_sync, NULL },
		{ NULL, NULL, NULL },
	};

	if (cmd_parse(self, common, options, argc, argv, limits) < 0)
		return cmd_parse_status(common);
	if (set_format(format, &o.kind) < 0 ||
	    set_limit("max-entries", entries, false, &o.max_entries) < 0 ||
	    set_limit("max-devices", devices, false, &o.max_devices) < 0 ||
	    set_limit("max-size", size, true, &o.max_bytes) < 0)
		return CMD_USAGE;
	o.source = argv[1];
	return import(common, argv[0], &o);
}
