/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/optword.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "fs/base/cleanup.h"
#include "fs/base/parse.h"
#include "fs/optvalue.h"

/*
 * One table, `words`, says all that -o understands. What an entry does is its
 * take() function; `at` is where in struct optword_state it puts the value.
 */
enum value {
	BARE,	/* WORD */
	NEEDED, /* WORD=VALUE, not empty */
	MAYBE,	/* either; take() gets NULL for the first */
};

struct word {
	const char *name; /* with '*' at its end: every word so begun */
	enum value value;
	int (*take)(struct optword_state *p, const struct word *w,
		    const char *value);
	size_t at;
	const char *hint; /* how its value is written */
};

#define AT(member) offsetof(struct optword_state, member)

static void *field(struct optword_state *p, size_t at)
{
	return (char *)p + at;
}

int optword_fail(struct optword_state *p, const char *fmt, ...)
{
	va_list ap;

	if (p->rc)
		return p->rc;
	p->rc = -EINVAL;
	va_start(ap, fmt);
	if (p->errlen)
		vsnprintf(p->err, p->errlen, fmt, ap);
	va_end(ap);
	return p->rc;
}

int optword_no_memory(struct optword_state *p)
{
	optword_fail(p, "out of memory while reading the options");
	p->rc = -ENOMEM;
	return p->rc;
}

/* What a value's own parser gave, as a message. WHY may be NULL. */
static int bad_value(struct optword_state *p, int rc, const struct word *w,
		     const char *value, const char *why)
{
	if (!rc)
		return 0;
	if (rc == -ENOMEM)
		return optword_no_memory(p);
	return optword_fail(p, "%s=%s: %s%swrite it as %s=%s", w->name, value,
			    why ? why : "", why ? "; " : "", w->name, w->hint);
}

static int add_string(struct optword_state *p, char ***list, size_t *n, char *s)
{
	char **more = realloc(*list, (*n + 1) * sizeof(**list));

	if (!more) {
		free(s);
		return optword_no_memory(p);
	}
	more[(*n)++] = s;
	*list = more;
	return 0;
}

static int add_unknown(struct optword_state *p, const char *text, size_t len)
{
	char *copy;

	for (size_t i = 0; i < p->o.n_unknown; i++)
		if (!strncmp(p->o.unknown[i], text, len) &&
		    !p->o.unknown[i][len])
			return 0;
	copy = strndup(text, len);
	if (!copy)
		return optword_no_memory(p);
	return add_string(p, &p->o.unknown, &p->o.n_unknown, copy);
}

static int take_nothing(_unused_ struct optword_state *p,
			_unused_ const struct word *w,
			_unused_ const char *value)
{
	return 0;
}

static int take_set(struct optword_state *p, const struct word *w,
		    _unused_ const char *value)
{
	*(bool *)field(p, w->at) = true;
	return 0;
}

static int take_clear(struct optword_state *p, const struct word *w,
		      _unused_ const char *value)
{
	*(bool *)field(p, w->at) = false;
	return 0;
}

static int take_switch(struct optword_state *p, const struct word *w,
		       const char *value)
{
	bool *to = field(p, w->at);

	if (!value) {
		*to = true;
		return 0;
	}
	return bad_value(p, parse_bool(value, to), w, value, NULL);
}

static int take_text(struct optword_state *p, const struct word *w,
		     const char *value)
{
	char **to = field(p, w->at), *text = NULL;
	int rc = optvalue_unescape(value, strlen(value), &text);

	if (rc)
		return optword_no_memory(p);
	free(*to);
	*to = text;
	return 0;
}

static int take_id(struct optword_state *p, const struct word *w,
		   const char *value)
{
	return bad_value(p, parse_id(value, field(p, w->at)), w, value, NULL);
}

/* Values that ask for no more than we always do: the hint names them. */
static int take_covered(struct optword_state *p, const struct word *w,
			const char *value)
{
	size_t len = strlen(value), part;
	_cleanup_free_ char *word = NULL;

	for (const char *s = w->hint; *s; s += part + (s[part] == '|')) {
		part = strcspn(s, "|");
		if (part == len && !memcmp(s, value, len))
			return 0;
	}
	if (asprintf(&word, "%s=%s", w->name, value) < 0) {
		word = NULL;
		return optword_no_memory(p);
	}
	return add_unknown(p, word, strlen(word));
}

static int take_redirect(struct optword_state *p, const struct word *w,
			 const char *value)
{
	bool on = !strcmp(value, "on");

	/* As in overlayfs: "follow" reads redirects but makes none. */
	if (on || !strcmp(value, "off") || !strcmp(value, "follow"))
		p->o.redirect_dir = on;
	return take_covered(p, w, value);
}

static int take_lower(struct optword_state *p, const struct word *w,
		      const char *value)
{
	char **dirs;
	size_t n;
	int rc = optvalue_dirs(value, &dirs, &n);

	if (rc)
		return bad_value(p, rc, w, value,
				 "a directory's name in it is empty");
	optvalue_free_list(p->o.lower, p->o.n_lower);
	p->o.lower = dirs;
	p->o.n_lower = n;
	return 0;
}

static int take_lower_more(struct optword_state *p,
			   _unused_ const struct word *w, const char *value)
{
	char *dir;

	if (optvalue_unescape(value, strlen(value), &dir))
		return optword_no_memory(p);
	return add_string(p, &p->o.lower, &p->o.n_lower, dir);
}

static int take_template(struct optword_state *p, _unused_ const struct word *w,
			 const char *value)
{
	char *spec = strdup(value);

	if (!spec)
		return optword_no_memory(p);
	return add_string(p, &p->o.template, &p->o.n_template, spec);
}

static int take_idmap(struct optword_state *p, const struct word *w,
		      const char *value)
{
	struct options_idmap *to = field(p, w->at), map = { 0 };
	const char *why = NULL;
	int rc = optvalue_idmap(value, &map, &why);

	if (rc)
		return bad_value(p, rc, w, value, why);
	free(to->runs);
	*to = map;
	return 0;
}

static int take_trees(struct optword_state *p, const struct word *w,
		      const char *value)
{
	const char *why = NULL;
	char *trees;
	int rc = optvalue_trees(value, &trees, &why);

	if (rc)
		return bad_value(p, rc, w, value, why);
	free(p->o.program);
	p->o.program = trees;
	return 0;
}

static int take_context(struct optword_state *p, const struct word *w,
			const char *value)
{
	const char *old = p->o.context;
	char *text;

	if (asprintf(&text, "%s%s%s=%s", old ? old : "", old ? "," : "",
		     w->name, value) < 0)
		return optword_no_memory(p);
	free(p->o.context);
	p->o.context = text;
	return 0;
}

static int take_fsync(struct optword_state *p, const struct word *w,
		      const char *value)
{
	bool on = true;
	int rc = 0;

	if (!strcmp(value, "strict")) {
		p->o.fsync = OPTIONS_FSYNC_STRICT;
		return 0;
	}
	rc = parse_bool(value, &on);
	if (!rc)
		p->o.fsync = on ? OPTIONS_FSYNC_DATA : OPTIONS_FSYNC_NONE;
	return bad_value(p, rc, w, value, NULL);
}

static int take_volatile(struct optword_state *p, _unused_ const struct word *w,
			 _unused_ const char *value)
{
	p->o.fsync = OPTIONS_FSYNC_NONE;
	return 0;
}

static int take_timeout(struct optword_state *p, const struct word *w,
			const char *value)
{
	uint64_t ns;
	int rc;

	if (!strcmp(value, "forever") || !strcmp(value, "-1")) {
		p->o.timeout = -1;
		return 0;
	}
	rc = parse_duration(value, 1000000000, &ns);
	if (!rc)
		p->o.timeout = (double)ns / 1e9;
	return bad_value(p, rc, w, value, NULL);
}

static int take_busy_poll(struct optword_state *p, const struct word *w,
			  const char *value)
{
	uint64_t ns = 0;
	bool on = true;
	int rc = 0;

	if (parse_bool(value, &on) || on) {
		rc = parse_duration(value, 1000, &ns);
		if (!rc && ns > OPTIONS_BUSY_POLL_MAX * 1000ull)
			rc = -ERANGE;
	}
	if (!rc)
		p->o.busy_poll = (unsigned)((ns + 999) / 1000);
	return bad_value(p, rc, w, value, NULL);
}

static int take_crash_limit(struct optword_state *p, const struct word *w,
			    const char *value)
{
	uint32_t n = 0;
	int rc = parse_u32(value, OPTIONS_CRASH_LIMIT_MAX, &n);

	if (!rc)
		p->o.crash_limit = n;
	return bad_value(p, rc, w, value, NULL);
}

static int take_threads(struct optword_state *p, const struct word *w,
			const char *value)
{
	uint32_t n = 0;
	int rc = 0;

	if (strcmp(value, "auto") != 0)
		rc = parse_u32(value, OPTIONS_THREADS_MAX, &n);
	if (!rc)
		p->o.threads = n;
	return bad_value(p, rc, w, value, NULL);
}

static int take_threaded(struct optword_state *p, const struct word *w,
			 const char *value)
{
	bool on = true;
	int rc = parse_bool(value, &on);

	if (!rc && !on)
		p->o.threads = 1;
	else if (!rc && p->o.threads == 1)
		p->o.threads = 0;
	return bad_value(p, rc, w, value, NULL);
}

static int either(const char *value, const char *yes, const char *no, bool *to)
{
	*to = !strcmp(value, yes);
	return *to || !strcmp(value, no) ? 0 : -EINVAL;
}

static int take_quota_check(struct optword_state *p, const struct word *w,
			    const char *value)
{
	return bad_value(p,
			 either(value, "background", "before",
				&p->o.quota_background),
			 w, value, NULL);
}

static int take_quota_window(struct optword_state *p, const struct word *w,
			     const char *value)
{
	uint64_t size = 0;
	int rc = strcmp(value, "off") ? parse_size(value, &size) : 0;

	p->o.quota_window = size;
	return bad_value(p, size && size < OPTIONS_WINDOW_MIN ? -EINVAL : rc, w,
			 value, NULL);
}

static int take_quota_enforce(struct optword_state *p, const struct word *w,
			      const char *value)
{
	return bad_value(p, either(value, "host", "daemon", &p->o.quota_host),
			 w, value, NULL);
}

static int take_xattr_permissions(struct optword_state *p, const struct word *w,
				  const char *value)
{
	return bad_value(p, either(value, "2", "0", &p->o.xattr_permissions), w,
			 value, NULL);
}

/* As mount(8): who may mount it is not trusted, unless a later word says so. */
static int take_user(struct optword_state *p, _unused_ const struct word *w,
		     _unused_ const char *value)
{
	p->o.suid = p->o.dev = p->o.exec = false;
	return 0;
}

static int take_owner(struct optword_state *p, _unused_ const struct word *w,
		      _unused_ const char *value)
{
	p->o.suid = p->o.dev = false;
	return 0;
}

static int take_remount(struct optword_state *p, _unused_ const struct word *w,
			_unused_ const char *value)
{
	return optword_fail(
		p, "remount: a live mount keeps its options; unmount it "
		   "and mount it anew (for ro, nosuid, nodev, noexec: "
		   "mount -i -o remount,...)");
}

static int take_debug(struct optword_state *p, _unused_ const struct word *w,
		      _unused_ const char *value)
{
	p->o.debug = p->o.foreground = true;
	return 0;
}

#define IDMAP_HINT "DISK:SHOWN:COUNT[:DISK:SHOWN:COUNT...]"

static const struct word words[] = {
	/* what is mounted */
	{ "lowerdir", NEEDED, take_lower, 0,
	  "DIR[:DIR...] (a colon in a name as \\:, a comma as \\,)" },
	{ "lowerdir+", NEEDED, take_lower_more, 0, "DIR" },
	{ "template", NEEDED, take_template, 0, "NAME or =NAME:VERSION" },
	{ "store", NEEDED, take_text, AT(o.store), "DIR" },
	{ "upperdir", NEEDED, take_text, AT(o.upper), "DIR" },
	{ "workdir", NEEDED, take_text, AT(o.work), "DIR" },
	{ "quota", NEEDED, take_text, AT(o.quota), "FILE" },
	{ "quota-id", NEEDED, take_text, AT(o.quota_id), "NAME" },
	{ "quota-enforce", NEEDED, take_quota_enforce, 0, "daemon or =host" },
	{ "quota-check", NEEDED, take_quota_check, 0, "before or =background" },
	{ "quota-window", NEEDED, take_quota_window, 0, "SIZE (16M+) or =off" },
	{ "mountpoint", NEEDED, take_text, AT(mountpoint), "DIR" },
	{ "fsname", NEEDED, take_text, AT(fsname), "NAME" },
	{ "source", NEEDED, take_text, AT(source), "NAME" },
	{ "subtype", NEEDED, take_text, AT(o.subtype), "NAME" },
	{ "context", NEEDED, take_context, 0, "\"LABEL\"" },
	{ "fscontext", NEEDED, take_context, 0, "\"LABEL\"" },
	{ "defcontext", NEEDED, take_context, 0, "\"LABEL\"" },
	{ "rootcontext", NEEDED, take_context, 0, "\"LABEL\"" },

	/* who owns what */
	{ "uidmapping", NEEDED, take_idmap, AT(o.uids), IDMAP_HINT },
	{ "gidmapping", NEEDED, take_idmap, AT(o.gids), IDMAP_HINT },
	{ "squash_to_root", BARE, take_set, AT(squash_root), NULL },
	{ "squash_to_uid", NEEDED, take_id, AT(o.squash_uid), "UID" },
	{ "squash_to_gid", NEEDED, take_id, AT(o.squash_gid), "GID" },
	{ "xattr_permissions", NEEDED, take_xattr_permissions, 0,
	  "0 or =2 (user.containers.override_stat)" },
	{ "userxattr", BARE, take_set, AT(o.userxattr), NULL },
	{ "noxattrs", MAYBE, take_switch, AT(o.noxattrs), "0 or =1" },
	{ "noacl", BARE, take_set, AT(o.noacl), NULL },
	{ "acl", BARE, take_clear, AT(o.noacl), NULL },
	{ "allow_other", BARE, take_set, AT(o.allow_other), NULL },
	{ "default_permissions", BARE, take_nothing, 0, NULL },

	/* how it is done */
	{ "fsync", NEEDED, take_fsync, 0, "0, =1 or =strict" },
	{ "volatile", BARE, take_volatile, 0, NULL },
	{ "timeout", NEEDED, take_timeout, 0, "SECONDS or =forever" },
	{ "busy_poll", NEEDED, take_busy_poll, 0,
	  "MICROSECONDS (at most 10000) or =off" },
	{ "crash_limit", NEEDED, take_crash_limit, 0, "N (at most 1000000)" },
	{ "threads", NEEDED, take_threads, 0, "N (at most 256) or =auto" },
	{ "max_threads", NEEDED, take_threads, 0, "N (at most 256)" },
	{ "threaded", NEEDED, take_threaded, 0, "0 or =1" },
	{ "follow", NEEDED, take_switch, AT(o.follow), "on or =off" },
	{ "passthrough", NEEDED, take_switch, AT(o.passthrough), "on or =off" },
	{ "program_trees", NEEDED, take_trees, 0, "/DIR[:/DIR...] or =none" },
	{ "debug", BARE, take_debug, 0, NULL },
	/* of fuse-overlayfs and libfuse: how we are anyway, or no matter */
	{ "static_nlink", BARE, take_nothing, 0, NULL },
	{ "fast_ino", MAYBE, take_nothing, 0, NULL },
	{ "writeback", MAYBE, take_nothing, 0, NULL },
	{ "clone_fd", BARE, take_nothing, 0, NULL },
	{ "max_idle_threads", MAYBE, take_nothing, 0, NULL },

	/* of overlayfs */
	{ "index", NEEDED, take_covered, 0, "on|off" },
	{ "metacopy", NEEDED, take_covered, 0, "on|off" },
	{ "redirect_dir", NEEDED, take_redirect, 0, "on|off|follow" },
	{ "xino", NEEDED, take_covered, 0, "on|off|auto" },
	{ "nfs_export", NEEDED, take_covered, 0, "off" },
	{ "uuid", NEEDED, take_covered, 0, "auto|null|off" },
	{ "verity", NEEDED, take_covered, 0, "off" },

	/* of mount(8), for every filesystem */
	{ "ro", BARE, take_set, AT(o.readonly), NULL },
	{ "rw", BARE, take_clear, AT(o.readonly), NULL },
	{ "suid", BARE, take_set, AT(o.suid), NULL },
	{ "nosuid", BARE, take_clear, AT(o.suid), NULL },
	{ "dev", BARE, take_set, AT(o.dev), NULL },
	{ "nodev", BARE, take_clear, AT(o.dev), NULL },
	{ "exec", BARE, take_set, AT(o.exec), NULL },
	{ "noexec", BARE, take_clear, AT(o.exec), NULL },
	{ "user", MAYBE, take_user, 0, NULL },
	{ "users", MAYBE, take_user, 0, NULL },
	{ "owner", MAYBE, take_owner, 0, NULL },
	{ "group", MAYBE, take_owner, 0, NULL },
	{ "noatime", BARE, take_set, AT(o.noatime), NULL },
	{ "atime", BARE, take_clear, AT(o.noatime), NULL },
	{ "relatime", BARE, take_clear, AT(o.noatime), NULL },
	{ "strictatime", BARE, take_clear, AT(o.noatime), NULL },
	{ "norelatime", BARE, take_nothing, 0, NULL },
	{ "nostrictatime", BARE, take_nothing, 0, NULL },
	{ "diratime", BARE, take_nothing, 0, NULL },
	{ "nodiratime", BARE, take_nothing, 0, NULL },
	{ "lazytime", BARE, take_nothing, 0, NULL },
	{ "nolazytime", BARE, take_nothing, 0, NULL },
	{ "remount", MAYBE, take_remount, 0, NULL },
	{ "defaults", BARE, take_nothing, 0, NULL },
	{ "auto", BARE, take_nothing, 0, NULL },
	{ "noauto", BARE, take_nothing, 0, NULL },
	{ "nofail", BARE, take_nothing, 0, NULL },
	{ "nouser", BARE, take_nothing, 0, NULL },
	{ "nousers", BARE, take_nothing, 0, NULL },
	{ "noowner", BARE, take_nothing, 0, NULL },
	{ "nogroup", BARE, take_nothing, 0, NULL },
	{ "_netdev", BARE, take_nothing, 0, NULL },
	{ "_rnetdev", BARE, take_nothing, 0, NULL },
	{ "async", BARE, take_nothing, 0, NULL },
	{ "silent", BARE, take_nothing, 0, NULL },
	{ "loud", BARE, take_nothing, 0, NULL },
	{ "nomand", BARE, take_nothing, 0, NULL },
	{ "noiversion", BARE, take_nothing, 0, NULL },
	{ "seclabel", BARE, take_nothing, 0, NULL },
	{ "comment", MAYBE, take_nothing, 0, NULL },
	{ "helper", MAYBE, take_nothing, 0, NULL },
	{ "uhelper", MAYBE, take_nothing, 0, NULL },
	{ "x-*", MAYBE, take_nothing, 0, NULL },
	{ "X-*", MAYBE, take_nothing, 0, NULL },
};

/* The entry for the LEN bytes at NAME, or NULL. */
static const struct word *find_word(const char *name, size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		size_t n = strlen(words[i].name);
		bool prefix = words[i].name[n - 1] == '*';

		n -= prefix;
		if ((prefix ? len >= n : len == n) &&
		    !strncmp(words[i].name, name, n))
			return &words[i];
	}
	return NULL;
}

int optword_span(struct optword_state *p, const char *s, size_t *len)
{
	size_t name = strcspn(s, "=,"), quoted = 0;
	const struct word *w = find_word(s, name);

	if (w && w->take == take_context && s[name] == '=' &&
	    s[name + 1] == '"') {
		const char *end = strchr(s + name + 2, '"');

		if (!end)
			return optword_fail(p, "%s: the quotes do not end", s);
		quoted = (size_t)(end - s);
	}
	*len = quoted + optvalue_span(s + quoted, ',');
	return 0;
}

int optword_take(struct optword_state *p, const char *text, size_t len)
{
	size_t name = strcspn(text, "=,");
	_cleanup_free_ char *value = NULL;
	const struct word *w;

	if (!len)
		return 0;
	if (name > len)
		name = len;
	w = find_word(text, name);
	if (!w)
		return add_unknown(p, text, len);
	if (name < len) {
		value = strndup(text + name + 1, len - name - 1);
		if (!value)
			return optword_no_memory(p);
	}
	if (w->value == BARE && value)
		return optword_fail(p, "%.*s: write it without a value, as %s",
				    (int)len, text, w->name);
	if (w->value == NEEDED && (!value || !*value))
		return optword_fail(p, "%s needs a value: write it as %s=%s",
				    w->name, w->name, w->hint);
	return w->take(p, w, value);
}
