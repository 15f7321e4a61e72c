/* SPDX-License-Identifier: GPL-2.0-or-later */

/*
 * vefs set: what a container is, from now on or from its next start. All of a
 * command line is understood, and what comes out of it is right as a whole,
 * before anything is done; then all of it is done, or nothing.
 */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "fs/base/cleanup.h"
#include "fs/base/log.h"
#include "fs/base/parse.h"
#include "tools/cmd_ct.h"
#include "tools/ct/idrange.h"
#include "tools/ctchange.h"
#include "tools/ctlive.h"
#include "tools/ctname.h"
#include "tools/ctnet.h"
#include "tools/ctpasswd.h"
#include "tools/ctquota.h"
#include "tools/ctwork.h"
#include "tools/mass.h"
#include "tools/quotaconf.h"
#include "tools/work.h"

struct setting {
	struct work w;
	const char *sample, *mode;
	bool save, force;
	const struct cmd_words *words;
	const struct ctpasswd *password; /* or NULL */
	struct runstate run;
	bool mounted;
	bool lent_net; /* it runs in a network that is not its own */
	struct conf *global;
	/* vefs.conf, what it is while it runs, both before and after */
	struct conf *own[2], *live[2];
	struct spec spec[2]; /* of what it is, before and after */
	bool new_base, new_name;
	char name[CONTAINER_ID_MAX + 1], was[CONTAINER_ID_MAX + 1];
	uint32_t base;
};

static void setting_end(struct setting *s)
{
	for (int i = 0; i < 2; i++) {
		conf_free(s->own[i]);
		conf_free(s->live[i]);
		spec_free(&s->spec[i]);
	}
	conf_free(s->global);
	work_end(&s->w);
}

/* ---- the words ---------------------------------------------------------------- */

/* Has one of the options this key? The sample's are none of them. */
static bool says(const struct setting *s, const char *key)
{
	for (size_t i = 0; i < s->words->n; i++)
		if (strcmp(ctwords_option(s->words->of[i].name)->key, key) == 0)
			return true;
	return false;
}

/* Lines about addresses and interfaces, which need a network of its own. */
static bool is_of_net(const char *key)
{
	return strcmp(key, "IP_ADDRESS") == 0 || strcmp(key, "NETIF") == 0;
}

static bool is_late(const struct setting *s, const struct ctword *w)
{
	return (w->when == CTWORD_START && s->run.init) ||
	       (s->save && s->lent_net && is_of_net(w->key)) ||
	       (w->when == CTWORD_MOUNT && s->mounted);
}

/* Lines before become lines after. */
static int change(struct setting *s, struct conf *const from, struct conf **to,
		  const struct conf *sample, bool lenient)
{
	int r;

	*to = conf_new();
	r = *to ? conf_merge(*to, from) : -ENOMEM;
	if (r == 0 && sample)
		r = ctchange_sample(*to, sample);
	if (r == 0)
		r = ctchange_apply(*to, s->words, lenient, &s->w.why);
	return r;
}

/* Lines that mean nothing before its next start or mount stay as they were. */
static int keep_late(struct setting *s)
{
	char value[CTWORDS_VALUE];
	int r = 0;

	for (const struct ctword *w = ctwords_table; r >= 0 && w->key; w++) {
		if (!is_late(s, w))
			continue;
		r = conf_get(s->live[0], w->key, value, sizeof(value));
		if (r == 0)
			r = conf_set(s->live[1], w->key, value);
		else if (r == -ENOENT)
			r = conf_set(s->live[1], w->key, NULL);
	}
	return r;
}

static int read_all(struct setting *s)
{
	struct spec as = { .base = 0 };
	int r = ctwords_own(&s->w.one, &s->own[0], &s->w.why);

	if (r == 0)
		r = ctwords_global(catalog_dir(s->w.c), &s->global, &s->w.why);
	if (r == 0)
		r = runstate_read(&s->w.one, &s->run, &s->w.why);
	if (r == 0)
		r = ctlive_read(&s->w.one, &s->run, s->own[0], &s->live[0]);
	s->mounted = container_is_mounted(&s->w.one);
	if (r == 0 && s->run.init) {
		ctwork_as_started(&s->run, &as);
		s->lent_net = as.net.mode != SPEC_NET_PRIVATE;
	}
	return r;
}

static bool differs(const struct conf *a, const struct conf *b, const char *key)
{
	char x[CTWORDS_VALUE] = "", y[CTWORDS_VALUE] = "";

	conf_get(a, key, x, sizeof(x));
	conf_get(b, key, y, sizeof(y));
	return strcmp(x, y) != 0;
}

/* Is its network to be another? */
static bool changes_net(const struct setting *s)
{
	return differs(s->own[0], s->own[1], "NET") ||
	       differs(s->own[0], s->own[1], "IP_ADDRESS") ||
	       differs(s->own[0], s->own[1], "NETIF");
}

/* What is wrong with the lines before is nobody's fault now. */
static int understand(struct setting *s, const char *store)
{
	struct why *why = &s->w.why, old = { "" };
	const char *id = s->w.one.id;
	struct quotaconf quota;
	struct spec saved;
	int r;

	ctwords_parse(s->live[0], s->global, id, &s->spec[0], &old);
	r = ctwords_parse(s->live[1], s->global, id, &s->spec[1], why);
	/* whose network it has may have been written anew, for its next start */
	for (int i = 0; s->run.init && i < 2; i++)
		ctwork_as_started(&s->run, &s->spec[i]);
	if (r == 0)
		r = ctwords_parse(s->own[1], s->global, id, &saved, why);
	else
		saved = (struct spec){ .base = 0 };
	if (r == 0 && s->save && changes_net(s))
		r = ctnet_check(store, id, &saved, why);
	spec_free(&saved);
	if (r == 0)
		r = quotaconf_parse(s->own[1], id, &quota, why);
	return r;
}

/* An exit code. */
static int plan(struct setting *s)
{
	_cleanup_(conf_freep) struct conf *sample = NULL;
	struct why *why = &s->w.why;
	int r = read_all(s);

	if (r == 0 && s->sample)
		r = ctwords_sample(catalog_dir(s->w.c), s->sample, &sample,
				   why);
	if (r < 0)
		return work_fail(&s->w, r);
	r = change(s, s->live[0], &s->live[1], sample, false);
	if (r == 0)
		r = change(s, s->own[0], &s->own[1], sample, true);
	if (r == 0)
		r = keep_late(s);
	return r < 0 ? work_misused(&s->w, r) : CMD_OK;
}

/* ---- names, ids ---------------------------------------------------------------- */

/* It has none yet, or only says so, as a copy does (ctclaim.h). */
static bool lacks_ids(const struct setting *s)
{
	const char *id = s->w.one.id;
	char other[NAME_MAX + 1];
	uint32_t base;

	if (!s->w.one.uidbase[0])
		return true;
	return !s->run.init && !s->mounted &&
	       parse_u32(s->w.one.uidbase, UINT32_MAX, &base) == 0 &&
	       idrange_claim(catalog_dir(s->w.c), id, base, other, NULL) ==
		       -EADDRINUSE;
}

/* Ids of the host, and a name. */
static int take_names(struct setting *s)
{
	int store = catalog_dir(s->w.c), r = 0;
	const char *id = s->w.one.id;
	char text[16];

	if (says(s, "USERNS") && lacks_ids(s) &&
	    ctwords_wants_userns(s->own[1], s->global)) {
		r = idrange_take(store, id, &s->base, &s->w.why);
		s->new_base = r == 0;
		snprintf(text, sizeof(text), "%u", s->base);
		if (r == 0)
			r = conf_set(s->own[1], "UIDBASE", text);
		/* while it runs it has none */
		if (r == 0 && !s->run.init)
			r = conf_set(s->live[1], "UIDBASE", text);
	}
	if (r < 0 || !says(s, "NAME"))
		return r;
	if (ctname_of(store, id, s->was) < 0)
		s->was[0] = '\0';
	if (conf_get(s->own[1], "NAME", s->name, sizeof(s->name)) < 0 ||
	    strcmp(s->name, s->was) == 0)
		return 0;
	r = ctname_take(store, s->name, id, &s->w.why);
	s->new_name = r == 0;
	return r;
}

static void untake_names(struct setting *s)
{
	int store = catalog_dir(s->w.c);

	if (s->new_base)
		idrange_release(store, s->w.one.id, s->base);
	if (s->new_name)
		ctname_release(store, s->w.one.id, s->was[0] ? s->was : NULL);
}

/* ---- doing --------------------------------------------------------------------- */

static int apply_quota(struct setting *s, bool back)
{
	_cleanup_(conf_freep) struct conf *from = conf_new();
	char value[CTWORDS_VALUE];
	int r = from ? conf_merge(from, s->live[back]) : -ENOMEM;

	/* what was set without a line is set again, whatever the lines say */
	for (size_t i = 0; r == 0 && i < s->words->n; i++) {
		const char *key = ctwords_option(s->words->of[i].name)->key;

		if (conf_get(s->live[!back], key, value, sizeof(value)) == 0)
			r = conf_set(from, key, NULL);
	}
	if (r < 0 || !s->mounted)
		return r;
	return ctquota_change(&s->w.one, from, s->live[!back], &s->w.why);
}

static int write_conf(struct setting *s, int which)
{
	int r = conf_write(s->own[which], s->w.one.dir, CONTAINER_CONF);

	return r < 0 ? why_sys(&s->w.why, r, "container %s: " CONTAINER_CONF,
			       s->w.one.id)
		     : 0;
}

/* vefs.conf first: it is what can fail, and be put back, most easily. */
static int apply(struct setting *s)
{
	bool saved = s->save && !conf_same(s->own[0], s->own[1]);
	struct why first;
	int r = saved ? write_conf(s, 1) : 0;

	if (r < 0)
		return r;
	r = apply_quota(s, false);
	if (r == 0 && s->run.init) {
		r = ctlive_change(&s->w.one, &s->run, &s->spec[0], &s->spec[1],
				  &s->w.why);
		if (r == 0)
			r = ctlive_write(&s->w.one, &s->run, s->live[1]);
		if (r < 0) {
			first = s->w.why;
			apply_quota(s, true);
			s->w.why = first;
		}
	}
	if (r < 0 && saved) {
		first = s->w.why;
		if (write_conf(s, 0) < 0)
			log_warn("container %s: " CONTAINER_CONF
				 " could not be put back",
				 s->w.one.id);
		s->w.why = first;
	}
	return r;
}

/* ---- telling ------------------------------------------------------------------- */

/* The next word that was said and cannot be so now; or NULL. */
static const struct ctword *next_late(const struct setting *s,
				      const struct ctword *from)
{
	for (const struct ctword *w = from; w->key; w++)
		if (is_late(s, w) && differs(s->live[0], s->own[1], w->key) &&
		    (says(s, w->key) || differs(s->own[0], s->own[1], w->key)))
			return w;
	return NULL;
}

/* Is anything to change that needs no vefs.conf? */
static bool is_live(const struct setting *s)
{
	for (size_t i = 0; i < s->words->n; i++) {
		const struct ctword *w = ctwords_option(s->words->of[i].name);
		bool quota = strncmp(w->option, "disk", 4) == 0 ||
			     strncmp(w->option, "quota", 5) == 0;

		if (w->when != CTWORD_LIVE ||
		    !(s->run.init || (quota && s->mounted)))
			return false;
	}
	return s->words->n > 0;
}

/* Without --save only what can be changed now is; an exit code. */
static int check_live(const struct setting *s)
{
	const struct ctword *w = next_late(s, ctwords_table);

	if (!s->run.init && !is_live(s)) {
		log_error("container %s is not running: with --save it will "
			  "be so when it does",
			  s->w.one.id);
		return CMD_CT_NOT_RUNNING;
	}
	if (w) {
		log_error("--%s cannot be changed while container %s is %s: "
			  "with --save it is from its next %s on",
			  w->option, s->w.one.id,
			  w->when != CTWORD_MOUNT ? "running" : "mounted",
			  w->when != CTWORD_MOUNT ? "start" : "mount");
		return CMD_FAILED;
	}
	for (size_t i = 0; i < s->words->n; i++) {
		w = ctwords_option(s->words->of[i].name);
		if (w->when == CTWORD_KEPT) {
			log_error(
				"--%s is nothing but a line of its " CONTAINER_CONF
				": --save is missing",
				w->option);
			return CMD_FAILED;
		}
	}
	return CMD_OK;
}

/* A line may have several options: the one that was said. */
static const char *option_of(const struct setting *s, const struct ctword *w)
{
	for (size_t i = 0; i < s->words->n; i++) {
		const struct ctword *said =
			ctwords_option(s->words->of[i].name);

		if (strcmp(said->key, w->key) == 0)
			return said->option;
	}
	return w->option;
}

static void tell(const struct setting *s, const struct cmd_common *common)
{
	const struct ctword *w = ctwords_table;
	const char *done = "";

	if (s->w.why.text[0])
		log_warn("%s", s->w.why.text);
	ctchange_notes(s->words);
	ctquota_warn_above(&s->w.one, says(s, "DISKSPACE"),
			   says(s, "DISKINODES"));
	while ((w = next_late(s, w))) {
		if (strcmp(done, w->key) != 0 && !s->mode)
			log_warn("container %s: --%s is for its next %s",
				 s->w.one.id, option_of(s, w),
				 w->when != CTWORD_MOUNT ? "start" : "mount");
		done = w->key;
		w++;
	}
	if (common->quiet)
		return;
	if (s->save)
		printf("container %s: saved\n", s->w.one.id);
	else
		printf("container %s is changed until it %s; --save would "
		       "keep it\n",
		       s->w.one.id, s->run.init ? "stops" : "is mounted again");
}

/* ---- set ----------------------------------------------------------------------- */

static int restart(struct setting *s, struct cmd_common *common)
{
	char id[CONTAINER_ID_MAX + 1];
	char *argv[] = { id, id, NULL };
	bool late = s->run.init && next_late(s, ctwords_table);

	if (!late || !s->mode || strcmp(s->mode, "restart") != 0)
		return CMD_OK;
	snprintf(id, sizeof(id), "%s", s->w.one.id);
	work_end(&s->w);
	return cmd_restart.run(&cmd_restart, common, 2, argv);
}

/* What was begun failed. It is ours: somebody else's lock it is not. */
static int failed(struct setting *s, int r)
{
	untake_names(s);
	work_fail(&s->w, r);
	return CMD_FAILED;
}

/* All of it; an exit code. */
static int do_set(struct setting *s, struct cmd_common *common)
{
	_cleanup_close_ int ids = -1;
	int status = plan(s), r;

	if (status == CMD_OK && !s->save)
		status = check_live(s);
	if (status != CMD_OK)
		return status;
	if (s->save && (says(s, "NAME") || says(s, "USERNS")))
		ids = container_lock_ids(s->w.c, false, &s->w.why);
	r = s->save ? take_names(s) : 0;
	if (r == 0)
		r = understand(s, common->root);
	if (r == 0)
		r = apply(s);
	if (r < 0)
		return failed(s, r);
	if (s->save && says(s, "NAME"))
		ctname_release(catalog_dir(s->w.c), s->w.one.id,
			       s->name[0] ? s->name : NULL);
	tell(s, common);
	/* a mount may take them, too */
	cleanup_closep(&ids);
	ids = -1;
	return restart(s, common);
}

/* `ctx` is what the command line says. */
static int set_this(void *ctx, struct cmd_common *common, const char *id)
{
	_cleanup_(setting_end) struct setting s = *(const struct setting *)ctx;
	bool lines = s.words->n || s.sample;
	int status = lines ? work_begin(&s.w, common, id, false) : CMD_OK;

	if (status == CMD_OK && lines)
		status = do_set(&s, common);
	work_end(&s.w);
	s.w = (struct work){ .one = CONTAINER_NONE };
	if (status != CMD_OK || !s.password)
		return cmd_flush(status);
	status = ctpasswd_set(s.password, common, id);
	if (status == CMD_OK && !common->quiet)
		printf("container %s: the password of %s is set\n", id,
		       s.password->user);
	return cmd_flush(status);
}

/* An exit code, told. */
static int take_password(const char *word, struct ctpasswd *out,
			 struct setting *s)
{
	struct why why = { "" };
	int r = word ? ctpasswd_take(out, (char *)(uintptr_t)word, &why) : 0;

	if (r < 0) {
		cmd_fail(r, &why);
		return CMD_USAGE;
	}
	s->password = word ? out : NULL;
	return CMD_OK;
}

static int run_set(const struct cmd *self, struct cmd_common *common, int argc,
		   char **argv)
{
	static const int any[] = { 0, INT_MAX - 1 };
	struct setting s = { .w = { .one = CONTAINER_NONE } };
	struct mass mass = { .all = false };
	struct ctpasswd password = { .user = "" };
	const char *userpasswd = NULL;
	struct cmd_option own[CTCHANGE_OPTIONS + MASS_OPTIONS + 5] = {
		{ "save", &s.save, NULL },
		{ "force", &s.force, NULL },
		{ "setmode", NULL, &s.mode },
		{ "applyconfig", NULL, &s.sample },
		{ "userpasswd", NULL, &userpasswd },
	};
	struct mass_work work = {
		.self = self, .input = -1, .one = set_this, .ctx = &s
	};
	int n;

	mass_options(&mass, own + 5);
	ctchange_options(own + 5 + MASS_OPTIONS);
	n = cmd_parse(self, common, own, argc, argv, any);
	if (n < 0)
		return cmd_parse_status(common);
	if (take_password(userpasswd, &password, &s) != CMD_OK)
		return CMD_USAGE;
	s.words = &common->words;
	if (s.mode && strcmp(s.mode, "restart") != 0 &&
	    strcmp(s.mode, "ignore") != 0) {
		log_error("--setmode %s: it is restart or ignore", s.mode);
		return CMD_USAGE;
	}
	if (!s.words->n && !s.sample && !s.password) {
		log_error("nothing is to be set: an option is missing");
		return CMD_USAGE;
	}
	work.pick.state = s.save ? MASSPICK_ANY : MASSPICK_UP;
	return mass_run(&mass, common, &work, n, argv);
}

const struct cmd cmd_set = {
	CMD_CT_set,
	.help = "Changes a container that runs at once; with --save its "
		"vefs.conf as well, for\n"
		"every start from now on. All of it is done, or nothing. An "
		"empty value takes a\n"
		"word away.\n\n"
		"  --save             keep it\n"
		"  --setmode restart  restart the container if something of it "
		"needs that\n"
		"  --setmode ignore   say nothing of what it does need\n"
		"  --applyconfig NAME what a sample says, but names and "
		"addresses\n"
		"  --userpasswd USER:PASSWORD, or - and that on standard "
		"input: of a user in it\n" MASS_HELP "\n" CTCHANGE_HELP "\n"
		"Examples:\n"
		"  vefs set 101 --ram 1G --swap 512M --save\n"
		"  vefs set web --cpulimit 50\n"
		"  vefs set --match 'web*' --ram 2G --save\n"
		"  vefs set 101 --ipdel all --ipadd 10.0.0.5 --save\n",
	.run = run_set,
};
