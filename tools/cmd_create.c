/* SPDX-License-Identifier: GPL-2.0-or-later */

/* vefs create, destroy. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fs/base/cleanup.h"
#include "fs/base/log.h"
#include "tools/ctchange.h"
#include "tools/ctnet.h"
#include "tools/quotaconf.h"
#include "tools/runstate.h"
#include "tools/work.h"

/* How long one waits for a mount to end before what cannot be undone. */
#define END_MS 5000u

/* What a sample cannot say of a container. */
static const char *const never[] = {
	"OSTEMPLATE", "VE_ROOT",  "VE_PRIVATE", "ENFORCE",
	"UIDBASE",    "HOSTNAME", "NAME",	"IP_ADDRESS",
};

static int parse_enforce(const char *word, enum container_enforce *out,
			 struct why *why)
{
	static const char *const words[] = {
		[CONTAINER_DAEMON] = "daemon",
		[CONTAINER_HOST] = "host",
		[CONTAINER_AUTO] = "auto",
	};

	for (unsigned i = 0; word && i < ARRAY_SIZE(words); i++) {
		if (strcmp(word, words[i]) == 0) {
			*out = (enum container_enforce)i;
			return 0;
		}
	}
	return !word ? 0
		     : why_set(why, -EINVAL,
			       "--enforce %s: it is auto, daemon or host",
			       word);
}

/* ---- create ---------------------------------------------------------------- */

struct making {
	const char *id, *template, *target, *config, *enforce;
	struct conf *conf, *global;
	struct container_plan plan;
	char named[CONTAINER_SPEC_MAX]; /* the template of a file */
	char name[CONTAINER_ID_MAX + 1];
	char usual[CATALOG_NAME_MAX]; /* the sample where none is named */
};

static void making_end(struct making *m)
{
	conf_free(m->conf);
	conf_free(m->global);
}

/* The lines of a sample, and which template it would have. */
static int take_sample(struct work *w, struct making *m)
{
	_cleanup_(conf_freep) struct conf *sample = NULL;
	int r = 0;

	if (!m->config &&
	    conf_get(m->global, "CONFIGFILE", m->usual, sizeof(m->usual)) ==
		    0 &&
	    m->usual[0])
		m->config = m->usual;
	if (m->config)
		r = ctwords_sample(catalog_dir(w->c), m->config, &sample,
				   &w->why);
	if (r == 0 && sample) {
		if (!m->template)
			conf_get(sample, "OSTEMPLATE", m->named,
				 sizeof(m->named));
		r = conf_merge(m->conf, sample);
		if (r == 0)
			r = conf_set(m->conf, "ORIGIN_SAMPLE", m->config);
	}
	for (unsigned i = 0; r == 0 && i < ARRAY_SIZE(never); i++)
		r = conf_set(m->conf, never[i], NULL);
	if (r == 0 && !m->template && !m->named[0])
		conf_get(m->global, "DEF_OSTEMPLATE", m->named,
			 sizeof(m->named));
	if (!m->template && m->named[0])
		m->template = m->named;
	return r;
}

/* All lines together: are they right? */
static int check_lines(struct making *m, const char *store, struct why *why)
{
	_cleanup_(conf_freep) struct conf *c = conf_new();
	struct quotaconf quota;
	struct spec spec = { .base = 0 };
	int r = c ? conf_merge(c, m->conf) : -ENOMEM;

	/* It gets one when it is made. */
	if (r == 0)
		r = conf_set(c, "UIDBASE", "65536");
	if (r == 0)
		r = ctwords_parse(c, m->global, m->id, &spec, why);
	if (r == 0)
		r = ctnet_check(store, m->id, &spec, why);
	if (r == 0)
		r = quotaconf_parse(m->conf, m->id, &quota, why);
	spec_free(&spec);
	return r;
}

/* All that can be told before anything is made; an exit code. */
static int plan(struct work *w, struct making *m,
		const struct cmd_common *common)
{
	struct container_plan *p = &m->plan;
	struct catalog_id id;
	int r = container_check_id(m->id, &w->why);

	if (r == 0 && m->template)
		r = catalog_parse(m->template, &id, &w->why);
	if (r == 0 && m->target && m->target[0] != '/')
		r = why_set(&w->why, -EINVAL,
			    "--target %s: the mount point must be an absolute "
			    "path",
			    m->target);
	if (r == 0)
		r = parse_enforce(m->enforce, &p->enforce, &w->why);
	/* once without a sample: they can be wrong without a store, too */
	p->passing = common->passing;
	m->conf = conf_new();
	if (r == 0)
		r = m->conf ? ctchange_apply(m->conf, &common->words, false,
					     &w->why)
			    : -ENOMEM;
	if (r < 0)
		return work_misused(w, r);
	w->c = cmd_open(common, false);
	if (!w->c)
		return CMD_FAILED;
	conf_free(m->conf);
	m->conf = conf_new();
	r = ctwords_global(catalog_dir(w->c), &m->global, &w->why);
	if (r == 0)
		r = m->conf ? take_sample(w, m) : -ENOMEM;
	if (r == 0 && !m->template) {
		log_error("--template is missing: say what it is made of");
		return CMD_USAGE;
	}
	if (r == 0)
		r = ctchange_apply(m->conf, &common->words, false, &w->why);
	if (r == 0)
		r = check_lines(m, common->root, &w->why);
	if (r < 0)
		return work_fail(w, r);
	if (conf_get(m->conf, "NAME", m->name, sizeof(m->name)) == 0)
		p->name = m->name;
	p->userns = ctwords_wants_userns(m->conf, m->global);
	p->id = m->id;
	p->template = m->template;
	p->root = m->target;
	p->conf = m->conf;
	return CMD_OK;
}

static int run_create(const struct cmd *self, struct cmd_common *common,
		      int argc, char **argv)
{
	static const int one[] = { 1, 1 };
	_cleanup_(making_end) struct making m = { .id = NULL };
	struct cmd_option own[CTCHANGE_OPTIONS + 5] = {
		{ "template", NULL, &m.template },
		{ "ostemplate", NULL, &m.template },
		{ "target", NULL, &m.target },
		{ "config", NULL, &m.config },
		{ "enforce", NULL, &m.enforce },
	};
	int status, r;
	WORK(w);

	ctchange_options(own + 5);
	if (cmd_parse(self, common, own, argc, argv, one) < 0)
		return cmd_parse_status(common);
	m.id = argv[0];
	status = plan(&w, &m, common);
	if (status != CMD_OK)
		return status;
	r = container_create(w.c, common->root, &m.plan, &w.why);
	if (r < 0)
		return work_fail(&w, r);
	ctchange_notes(&common->words);
	if (!common->quiet)
		printf("container %s is made of %s\n", m.id, m.template);
	return cmd_flush(CMD_OK);
}

/* ---- destroy --------------------------------------------------------------- */

static int run_destroy(const struct cmd *self, struct cmd_common *common,
		       int argc, char **argv)
{
	struct runstate state = { .init = 0 };
	_cleanup_close_ int idle = -1;
	bool found;
	int r;
	WORK(w);

	found = work_operand(&w, self, common, argc, argv, true);
	/* or who asks again after being killed is told that there is none */
	if (w.c)
		container_sweep(w.c);
	if (!found)
		return w.status;
	if (container_is_mounted(&w.one)) {
		bool runs = runstate_read(&w.one, &state, NULL) == 0 &&
			    state.init;

		log_error("container %s is %s: 'vefs %s %s' first", w.one.id,
			  runs ? "running" : "mounted",
			  runs ? "stop" : "umount", w.one.id);
		return CMD_FAILED;
	}
	r = container_idle(&w.one, END_MS, &idle, &w.why);
	if (r < 0)
		return cmd_fail(r, &w.why);
	r = container_destroy(w.c, &w.one, &w.why);
	if (r < 0)
		return work_fail(&w, r);
	if (!common->quiet)
		printf("container %s is gone\n", w.one.id);
	return cmd_flush(CMD_OK);
}

/* ---- the records ------------------------------------------------------------ */

const struct cmd cmd_create = {
	.name = "create",
	.args = "create ID --template NAME[:VERSION] [OPTION VALUE ...]",
	.brief = "make a container of a template",
	.help = "ID is a number from 101 on, or a name. However large the "
		"template is, nothing is\ncopied. All options are looked at "
		"before anything is made.\n\n"
		"  --template T   what it is made of; the latest version if "
		"none is named\n"
		"  --ostemplate T the same, as vzctl calls it\n"
		"  --config NAME  begin with a sample, as basic, small: "
		"/etc/vefs/vefs.d\n"
		"  --target DIR   where it is mounted; root/ID in the store\n"
		"  --enforce W    who keeps the limit on its space: the daemon "
		"(exact, everywhere), or\n"
		"                 the host's filesystem, so that the kernel "
		"writes files itself; auto: the\n"
		"                 host where it can\n\n" CTCHANGE_HELP "\n"
		"Examples:\n"
		"  vefs create 101 --template debian:12\n"
		"  vefs create 102 --template debian:12 --config basic "
		"--name web --ram 512M \\\n"
		"      --ipadd 10.0.0.5 --nameserver inherit --diskspace "
		"10G\n",
	.run = run_create,
};

const struct cmd cmd_destroy = {
	.name = "destroy",
	.args = "destroy ID",
	.brief = "remove a container that is not mounted, and all it changed",
	.run = run_destroy,
};
