/* SPDX-License-Identifier: GPL-2.0-or-later */

/* vefs template: the family, and what its members share. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tools/tcmd.h"

static const struct cmd children[] = {
	{ .name = "import",
	  .args = "template import NAME[:VERSION] SOURCE [options]",
	  .brief = "take a tree into the store",
	  .help = "SOURCE is a tar (also gz, bz2, xz, zst; - for standard "
		  "input), a directory,\n"
		  "an OCI image layout or docker archive (directory or tar), "
		  "an OpenVZ template,\n"
		  "or debian[:SUITE], which mmdebstrap makes.\n\n"
		  "  --format F       tar, dir, image or debian; found out by "
		  "itself\n"
		  "  --digest D       refuse anything else: 32 digits (the "
		  "version's), or\n"
		  "                   sha256:... of the archive or image\n"
		  "  --max-entries N, --max-devices N, --max-size SIZE\n"
		  "                   refuse what is larger\n"
		  "  --no-sync        do not wait for the disk\n\n"
		  "Examples:\n"
		  "  vefs template import debian:12 "
		  "debian-12-x86_64-minimal.tar.gz\n"
		  "  vefs template import web /srv/roots/web\n"
		  "  podman save --format oci-archive app | vefs template "
		  "import app - --format image\n"
		  "  vefs template import bookworm debian:bookworm\n",
	  .run = tcmd_import },
	{ .name = "list",
	  .args = "template list [NAME[:VERSION]] [--bytes]",
	  .brief = "what there is, and how much of it is shared",
	  .help = "OWN is what only that version holds; removing it frees "
		  "that much.\n\n"
		  "  --bytes   sizes in bytes\n",
	  .run = tcmd_list },
	{ .name = "show",
	  .args = "template show NAME[:VERSION]",
	  .brief = "one version: origin, digest, sizes, configuration",
	  .run = tcmd_show },
	{ .name = "tree",
	  .args = "template tree NAME[:VERSION] [PATH] [--long]",
	  .brief = "the paths of a version",
	  .help = "  --long   with mode, owner, size and time\n",
	  .run = tcmd_tree },
	{ .name = "diff",
	  .args = "template diff NAME[:VERSION] NAME[:VERSION]",
	  .brief = "what two versions differ in",
	  .help = "A line for each path: + only in the second, - only in the "
		  "first, T another type,\n"
		  "C other content, M other metadata. Exit status 0 also when "
		  "they differ.\n\n"
		  "Example:\n"
		  "  vefs template diff debian:12.5 debian:12.6\n",
	  .run = tcmd_diff },
	{ .name = "verify",
	  .args = "template verify [NAME[:VERSION]...] [--fast]",
	  .brief = "read all again and compare; all versions if none is named",
	  .help = "  --fast   only that objects are there and of the right "
		  "size\n",
	  .run = tcmd_verify },
	{ .name = "rename",
	  .args = "template rename NAME[:VERSION] NAME[:VERSION]",
	  .brief = "give a version, or all of a name, another name",
	  .run = tcmd_rename },
	{ .name = "remove",
	  .args = "template remove NAME:VERSION... | NAME... --all",
	  .brief = "remove versions that nothing uses",
	  .help = "The space is freed by 'vefs template gc'.\n\n"
		  "  --all   every version of the names given\n",
	  .run = tcmd_remove },
	{ .name = "mount",
	  .args = "template mount NAME[:VERSION] TARGET",
	  .brief = "show a version, read-only; umount TARGET ends it",
	  .run = tcmd_mount },
	{ .name = "gc",
	  .args = "template gc [--dry-run]",
	  .brief = "free what no version holds",
	  .help = "May run beside anything and be killed at any time.\n",
	  .run = tcmd_gc },
	{ .name = "export",
	  .args = "template export NAME[:VERSION] FILE|-",
	  .brief = "write a version as a tar",
	  .help = "Importing it gives a version of the same digest.\n\n"
		  "Example:\n"
		  "  vefs template export debian - | zstd > debian.tar.zst\n",
	  .run = tcmd_export },
	{ .name = NULL },
};

const struct cmd cmd_template = {
	.name = "template",
	.args = "template COMMAND ...",
	.brief = "immutable trees that containers share",
	.children = children,
};

int tcmd_parse(const char *spec, struct catalog_id *id)
{
	struct why why = { "" };
	int r = catalog_parse(spec, id, &why);

	if (r == 0)
		return CMD_OK;
	cmd_fail(r, &why);
	return CMD_USAGE;
}

int tcmd_open(struct catalog *c, const char *spec, struct tcmd_version *out)
{
	struct catalog_id id;
	struct why why = { "" };
	int r = tcmd_parse(spec, &id);

	*out = (struct tcmd_version){ .dir = -1 };
	if (r != CMD_OK)
		return r;
	r = catalog_find(c, &id, &out->v, &why);
	if (r == 0)
		r = out->dir = catalog_hold(c, &out->v.id, &why);
	if (r >= 0) {
		r = index_open(out->dir, INDEX_CHECK, &out->x);
		if (r == -EUCLEAN || r == -ENOENT)
			why_set(&why, r,
				"%s:%s is damaged: its index is not what the "
				"seal says; remove it, and import it anew",
				out->v.id.name, out->v.id.version);
		else if (r == -EPROTONOSUPPORT)
			why_set(&why, r,
				"%s:%s is of a newer format: use the vefs "
				"that made it",
				out->v.id.name, out->v.id.version);
		else
			why_sys(&why, r, "%s:%s", out->v.id.name,
				out->v.id.version);
	}
	if (r < 0) {
		tcmd_close(out);
		return cmd_fail(r, &why);
	}
	return CMD_OK;
}

void tcmd_close(struct tcmd_version *v)
{
	index_free(v->x);
	if (v->dir >= 0)
		close(v->dir);
	*v = (struct tcmd_version){ .dir = -1 };
}

int tcmd_begin(struct tcmd_work *w, const struct cmd_common *common,
	       const char *spec)
{
	w->c = cmd_open(common, false);
	if (!w->c)
		return CMD_FAILED;
	return spec ? tcmd_open(w->c, spec, &w->v) : CMD_OK;
}

void tcmd_end(struct tcmd_work *w)
{
	tcmd_close(&w->v);
	catalog_free(w->c);
	w->c = NULL;
}

int tcmd_print_json(json_t *j)
{
	int r = j ? json_dumpf(j, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY)
		  : -1;

	json_decref(j);
	putchar('\n');
	if (r < 0) {
		cmd_fail(-ENOMEM, &(struct why){ "no memory for the output" });
		return CMD_FAILED;
	}
	return CMD_OK;
}
