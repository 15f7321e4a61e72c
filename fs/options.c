/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/options.h"

#include <stdio.h>
#include <string.h>

#include "fs/base/cleanup.h"
#include "fs/optvalue.h"
#include "fs/optword.h"

/*
 * The command line: the table `flags` says all that -x and --xyz understand;
 * -o goes word by word to optword.
 *
 * The walk over the arguments goes on behind an error, because a --help or
 * --version behind it wins; only the first error keeps its message.
 */
struct line {
	struct optword_state words;
	char *type; /* -t, without "fuse."; owned */
	const char *positional[2];
	size_t n_positional;
	int argc, next;
	char *const *argv;
};

struct flag {
	char letter;
	const char *name;
	int (*take)(struct line *l, const struct flag *f, const char *arg);
	size_t at;	 /* where in struct options take() puts it */
	const char *arg; /* what its argument is; NULL: it has none */
};

#define AT(member) offsetof(struct options, member)

static bool *field(struct line *l, const struct flag *f)
{
	return (bool *)((char *)&l->words.o + f->at);
}

static int flag_nothing(_unused_ struct line *l, _unused_ const struct flag *f,
			_unused_ const char *arg)
{
	return 0;
}

static int flag_set(struct line *l, const struct flag *f,
		    _unused_ const char *arg)
{
	*field(l, f) = true;
	return 0;
}

static int flag_clear(struct line *l, const struct flag *f,
		      _unused_ const char *arg)
{
	*field(l, f) = false;
	return 0;
}

static int flag_debug(struct line *l, _unused_ const struct flag *f,
		      _unused_ const char *arg)
{
	l->words.o.debug = l->words.o.foreground = true;
	return 0;
}

static int flag_options(struct line *l, _unused_ const struct flag *f,
			const char *arg)
{
	size_t len;

	for (;; arg += len + 1) {
		int rc = optword_span(&l->words, arg, &len);

		if (!rc)
			rc = optword_take(&l->words, arg, len);
		if (rc)
			return rc;
		if (!arg[len])
			return 0;
	}
}

static int flag_type(struct line *l, _unused_ const struct flag *f,
		     const char *arg)
{
	const char *name = strncmp(arg, "fuse.", 5) ? arg : arg + 5;
	char *type;

	if (!*name)
		return optword_fail(&l->words,
				    "-t %s: write it as -t fuse.NAME", arg);
	if (!strcmp(name, "fuse") || !strcmp(name, "fuse3"))
		return 0;
	type = strdup(name);
	if (!type)
		return optword_no_memory(&l->words);
	free(l->type);
	l->type = type;
	return 0;
}

static const struct flag flags[] = {
	{ 'o', "options", flag_options, 0, "OPT[,OPT...]" },
	{ 't', "types", flag_type, 0, "fuse.NAME" },
	{ 'f', "foreground", flag_set, AT(foreground), NULL },
	{ 'd', "debug", flag_debug, 0, NULL },
	{ 'r', "read-only", flag_set, AT(readonly), NULL },
	{ 'w', "rw", flag_clear, AT(readonly), NULL },
	{ 'n', "no-mtab", flag_nothing, 0, NULL },
	{ 's', "sloppy", flag_nothing, 0, NULL },
	{ 'v', "verbose", flag_nothing, 0, NULL },
	{ 'h', "help", flag_set, AT(help), NULL },
	{ 'V', "version", flag_set, AT(version), NULL },
};

/* Run F with the argument ARG, or, when that is NULL, the next one there is. */
static int run_flag(struct line *l, const struct flag *f, const char *arg)
{
	if (f->arg && !arg) {
		if (l->next >= l->argc)
			return optword_fail(&l->words, "-%c needs %s behind it",
					    f->letter, f->arg);
		arg = l->argv[l->next++];
	}
	return f->take(l, f, arg);
}

/* "--name" or "--name=arg", without the dashes. */
static int take_long(struct line *l, const char *text)
{
	size_t len = strcspn(text, "=");
	const char *arg = text[len] ? text + len + 1 : NULL;

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		const struct flag *f = &flags[i];

		if (strlen(f->name) != len || strncmp(f->name, text, len) != 0)
			continue;
		if (arg && !f->arg)
			return optword_fail(&l->words,
					    "--%s: write it without a value",
					    text);
		return run_flag(l, f, arg);
	}
	return optword_fail(&l->words, "unknown flag --%s; see --help", text);
}

/* "-abc" or "-ofoo", without the dash. */
static int take_short(struct line *l, const char *text)
{
	for (; *text; text++) {
		const struct flag *f = flags, *end = flags + ARRAY_SIZE(flags);
		int rc;

		while (f < end && f->letter != *text)
			f++;
		if (f == end)
			return optword_fail(&l->words,
					    "unknown flag -%s; see --help",
					    text);
		if (f->arg)
			return run_flag(l, f, text[1] ? text + 1 : NULL);
		rc = run_flag(l, f, NULL);
		if (rc)
			return rc;
	}
	return 0;
}

static int take_positional(struct line *l, const char *text)
{
	if (l->n_positional == ARRAY_SIZE(l->positional))
		return optword_fail(&l->words,
				    "%s: one argument too many; there are only "
				    "[SOURCE] TARGET, everything else is -o",
				    text);
	l->positional[l->n_positional++] = text;
	return 0;
}

static void take_line(struct line *l)
{
	bool plain = false;

	while (l->next < l->argc) {
		const char *arg = l->argv[l->next++];

		if (plain || arg[0] != '-' || !arg[1])
			take_positional(l, arg);
		else if (!strcmp(arg, "--"))
			plain = true;
		else if (arg[1] == '-')
			take_long(l, arg + 2);
		else
			take_short(l, arg + 1);
	}
}

static int set_copy(struct line *l, char **to, const char *text)
{
	*to = strdup(text);
	return *to ? 0 : optword_no_memory(&l->words);
}

/* Target, source and subtype, each from the first that names it. */
static int finish_names(struct line *l)
{
	struct optword_state *w = &l->words;
	const char *source = "", *target = NULL;
	int rc = 0;

	if (l->n_positional)
		target = l->positional[l->n_positional - 1];
	if (l->n_positional == 2)
		source = l->positional[0];
	if (w->fsname)
		w->o.source = TAKE_PTR(w->fsname);
	else if (w->source)
		w->o.source = TAKE_PTR(w->source);
	else
		rc = set_copy(l, &w->o.source, *source ? source : "vefs");

	if (!w->o.subtype && l->type)
		w->o.subtype = TAKE_PTR(l->type);
	if (!rc && !w->o.subtype)
		rc = set_copy(l, &w->o.subtype, "vefs");

	if (!rc && target)
		rc = set_copy(l, &w->o.target, target);
	else if (!rc)
		w->o.target = TAKE_PTR(w->mountpoint);
	return rc;
}

static int finish(struct line *l)
{
	struct options *o = &l->words.o;
	int rc = finish_names(l);

	if (rc)
		return rc;
	if (!o->target || !*o->target)
		return optword_fail(&l->words,
				    "no mount point: name the directory to "
				    "mount on as the last argument");
	if (!o->n_lower && !o->n_template)
		return optword_fail(&l->words,
				    "lowerdir is missing: say what to mount "
				    "with -o lowerdir=DIR[:DIR...] or "
				    "-o template=NAME[:VERSION]");
	if (o->work && !o->upper)
		return optword_fail(
			&l->words,
			"workdir=%s without upperdir: add upperdir=DIR, or "
			"leave workdir out for a read-only mount",
			o->work);
	if (o->upper && !o->work)
		return optword_fail(
			&l->words,
			"upperdir=%s without workdir: add workdir=DIR, an "
			"empty directory on the filesystem of upperdir",
			o->upper);
	if (o->quota_host && !o->quota)
		return optword_fail(&l->words,
				    "quota-enforce=host without quota: say "
				    "where limits are kept with quota=FILE");
	if (l->words.squash_root && o->squash_uid == OPTIONS_NOID)
		o->squash_uid = 0;
	if (l->words.squash_root && o->squash_gid == OPTIONS_NOID)
		o->squash_gid = 0;
	if (!o->upper)
		o->readonly = true;
	return 0;
}

static const struct options defaults = {
	.squash_uid = OPTIONS_NOID,
	.squash_gid = OPTIONS_NOID,
	.timeout = -1,
	.busy_poll = OPTIONS_BUSY_POLL,
	.crash_limit = OPTIONS_CRASH_LIMIT,
	.suid = true,
	.dev = true,
	.exec = true,
	.passthrough = true,
	.follow = true,
	.redirect_dir = true,
};

static void line_free(struct line *l)
{
	options_free(&l->words.o);
	free(l->words.fsname);
	free(l->words.source);
	free(l->words.mountpoint);
	free(l->type);
}

int options_parse(struct options *o, int argc, char *const argv[], char *err,
		  size_t errlen)
{
	_cleanup_(line_free) struct line l = {
		.words = { .o = defaults, .err = err, .errlen = errlen },
		.argc = argc,
		.next = 1,
		.argv = argv,
	};
	struct options asked = { 0 };

	if (errlen)
		*err = '\0';
	*o = asked;
	take_line(&l);
	asked.help = l.words.o.help;
	asked.version = l.words.o.version;
	if (asked.help || asked.version) {
		if (errlen)
			*err = '\0';
		*o = asked;
		return 0;
	}
	if (!l.words.rc)
		finish(&l);
	if (l.words.rc)
		return l.words.rc;
	*o = l.words.o;
	l.words.o = (struct options){ 0 };
	return 0;
}

void options_free(struct options *o)
{
	optvalue_free_list(o->lower, o->n_lower);
	optvalue_free_list(o->template, o->n_template);
	free(o->store);
	free(o->quota);
	free(o->quota_id);
	optvalue_free_list(o->unknown, o->n_unknown);
	free(o->upper);
	free(o->work);
	free(o->target);
	free(o->source);
	free(o->subtype);
	free(o->program);
	free(o->context);
	free(o->uids.runs);
	free(o->gids.runs);
	*o = (struct options){ 0 };
}

const char *options_store(const struct options *o)
{
	const char *root = secure_getenv("VEFS_ROOT");

	if (o->store)
		return o->store;
	return root && *root ? root : OPTIONS_STORE;
}

const char *options_usage(void)
{
	return "usage: mount.vefs [SOURCE] TARGET -o OPT[,OPT...]\n"
	       "       mount -t fuse.vefs [SOURCE] TARGET -o OPT[,OPT...]\n"
	       "\n"
	       "Show directories, merged, as one filesystem on TARGET.\n"
	       "\n"
	       "What is merged:\n"
	       "  lowerdir=DIR[:DIR...]  never changed; the first lies on top\n"
	       "  template=NAME[:VERSION]  below them, from the store\n"
	       "  store=DIR              $VEFS_ROOT or /var/lib/vefs\n"
	       "  upperdir=DIR           takes all changes; none: read-only\n"
	       "  workdir=DIR            with upperdir, on its filesystem\n"
	       "  quota=FILE             with upperdir: limits and usage, kept\n"
	       "                         in FILE (made if missing)\n"
	       "  quota-enforce=daemon|host  who keeps the limit on all space:\n"
	       "                         the host's filesystem lets the kernel\n"
	       "                         write\n"
	       "  quota-check=before|background  count what is there, if need\n"
	       "                         be, before the mount, or after\n"
	       "  quota-window=SIZE      trust it: no asking before each write\n"
	       "                         while limits are farther than SIZE\n"
	       "                         (in names: \\: \\, \\\\ for : , \\)\n"
	       "\n"
	       "Owners and rights:\n"
	       "  uidmapping=DISK:SHOWN:COUNT[:...]  and gidmapping=\n"
	       "  squash_to_root, squash_to_uid=UID, squash_to_gid=GID\n"
	       "  noacl, noxattrs, userxattr, xattr_permissions=2\n"
	       "  allow_other, ro, nosuid, nodev, noexec, noatime\n"
	       "  context=\"LABEL\", fscontext=, defcontext=, rootcontext=\n"
	       "\n"
	       "Safety and speed:\n"
	       "  fsync=1|strict|0       when a copied file is safe on disk\n"
	       "  volatile               fsync=0: a crash may lose changes\n"
	       "  timeout=SECONDS        for names and attributes (forever)\n"
	       "  busy_poll=US|off       longest wait without sleep (100)\n"
	       "  crash_limit=N          deaths of the worker without an answer\n"
	       "                         until the mount is given up (10)\n"
	       "  threads=N              0: as many as CPUs, at most 4\n"
	       "  follow=on|off          answer on the client's processor\n"
	       "  passthrough=on|off     let the kernel read and write files\n"
	       "  program_trees=/DIR[:/DIR...]|none\n"
	       "                         where lower files are read that way\n"
	       "\n"
	       "Names: fsname=NAME, subtype=NAME (or -t fuse.NAME)\n"
	       "\n"
	       "Flags:\n"
	       "  -f, --foreground       stay in the foreground\n"
	       "  -d, --debug            say what happens; implies -f\n"
	       "  -r, -w                 as -o ro, -o rw\n"
	       "  -h, --help             this text\n"
	       "  -V, --version          the version\n"
	       "  -n, -s, -v             from mount(8), without effect\n"
	       "\n"
	       "An unknown -o word is warned about and ignored. The words of\n"
	       "overlayfs and fuse-overlayfs are understood.\n";
}
