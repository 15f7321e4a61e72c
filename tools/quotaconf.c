/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/quotaconf.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "fs/base/cleanup.h"
#include "fs/base/fdio.h"
#include "fs/base/parse.h"

#define VALUE_MAX 128

const char *const quotaconf_keys[LIMIT_RESOURCES] = {
	[LIMIT_SPACE] = "DISKSPACE",
	[LIMIT_INODES] = "DISKINODES",
};

static int take_off(struct quotaconf *c, const char *value, struct why *why)
{
	bool on;

	if (parse_bool(value, &on) < 0)
		return why_set(why, -EINVAL, "it is yes or no");
	c->off = !on;
	return 0;
}

static int take_limits(struct quotaconf *c, enum limit_resource what,
		       const char *value, struct why *why)
{
	int r = quotaword_limits(what, QUOTAWORD_CONF, value, &c->limits[what],
				 why);

	c->has_limits[what] = r == 0;
	return r;
}

static int take_space(struct quotaconf *c, const char *value, struct why *why)
{
	return take_limits(c, LIMIT_SPACE, value, why);
}

static int take_inodes(struct quotaconf *c, const char *value, struct why *why)
{
	return take_limits(c, LIMIT_INODES, value, why);
}

/* SECONDS, or SPACE:INODES: no dd:hh:mm:ss here. */
static int take_grace(struct quotaconf *c, const char *value, struct why *why)
{
	const char *s = value;
	uint64_t a = 0, b;
	int r = parse_u64_at(&s, QUOTAWORD_TIME_MAX, &a);

	b = a;
	if (r == 0 && *s == ':') {
		s++;
		r = parse_u64_at(&s, QUOTAWORD_TIME_MAX, &b);
	}
	if (r < 0 || *s)
		return why_set(why, r < 0 ? r : -EINVAL,
			       "it is a number of seconds, 100 years at most");
	c->grace[LIMIT_SPACE] = a;
	c->grace[LIMIT_INODES] = b;
	c->has_grace = true;
	return 0;
}

static int take_level2(struct quotaconf *c, const char *value, struct why *why)
{
	uint64_t n = 1;

	if (strcasecmp(value, "unlimited") != 0 &&
	    parse_u64(value, UINT64_MAX, &n) < 0)
		return why_set(why, -EINVAL, "it is a number, or unlimited");
	c->has_level2 = true;
	c->level2 = n != 0;
	return 0;
}

static int take_check(struct quotaconf *c, const char *value, struct why *why)
{
	c->background = !strcmp(value, "background");
	if (!c->background && strcmp(value, "before") != 0)
		return why_set(why, -EINVAL, "it is before or background");
	return 0;
}

static int take_window(struct quotaconf *c, const char *value, struct why *why)
{
	uint64_t size;

	if (!strcmp(value, "off"))
		return 0;
	if (parse_size(value, &size) < 0 ||
	    snprintf(c->window, sizeof(c->window), "%s", value) >=
		    (int)sizeof(c->window))
		return why_set(why, -EINVAL, "it is a size, or off");
	return 0;
}

static const struct {
	const char *key;
	int (*take)(struct quotaconf *c, const char *value, struct why *why);
} words[] = {
	{ "DISK_QUOTA", take_off },	   { "DISKSPACE", take_space },
	{ "DISKINODES", take_inodes },	   { "QUOTATIME", take_grace },
	{ "QUOTAUGIDLIMIT", take_level2 }, { "QUOTA_CHECK", take_check },
	{ "QUOTA_WINDOW", take_window },
};

int quotaconf_parse(const struct conf *c, const char *id, struct quotaconf *out,
		    struct why *why)
{
	char value[VALUE_MAX];
	int first = 0, r;

	*out = (struct quotaconf){ .off = false };
	for (unsigned i = 0; i < ARRAY_SIZE(words); i++) {
		struct why said = { "" };

		r = conf_get(c, words[i].key, value, sizeof(value));
		if (r == -ENOENT)
			continue;
		if (r == 0 && !value[0])
			continue;
		if (r == 0)
			r = words[i].take(out, value, &said);
		if (r < 0 && first == 0)
			first = why_set(
				why, r,
				"container %s: %s in its " CONTAINER_CONF
				": %.500s",
				id, words[i].key,
				said.text[0] ? said.text : strerror(-r));
	}
	return first;
}

int quotaconf_read(const struct container *one, struct quotaconf *out,
		   struct why *why)
{
	struct conf *c = NULL;
	int r = conf_read(one->dir, CONTAINER_CONF, &c);

	if (r < 0)
		return why_sys(why, r, "container %s: " CONTAINER_CONF,
			       one->id);
	r = quotaconf_parse(c, one->id, out, why);
	conf_free(c);
	return r;
}

static int apply_limits(const struct quotaconf *c, struct ledger *l)
{
	struct limit_rec now;
	int r = 0;

	ledger_get(l, LEDGER_CONTAINER, 0, &now);
	for (int i = 0; i < LIMIT_RESOURCES && r == 0; i++) {
		enum limit_resource what = (enum limit_resource)i;
		const struct quotaword *w = &c->limits[i];

		if (c->has_limits[i] &&
		    (now.of[i].soft != w->soft || now.of[i].hard != w->hard))
			r = ledger_set(l, LEDGER_CONTAINER, 0, what, w->soft,
				       w->hard);
		if (c->has_grace &&
		    ledger_grace(l, LEDGER_CONTAINER, what) != c->grace[i])
			ledger_set_grace(l, LEDGER_CONTAINER, what,
					 c->grace[i]);
	}
	return r;
}

static void enforce(struct ledger *l, enum ledger_kind kind, bool on)
{
	if (ledger_enforces(l, kind) != on)
		ledger_enforce(l, kind, on);
}

int quotaconf_apply(const struct quotaconf *c, struct quotaask *q)
{
	struct ledger *l = quotaask_ledger(q);
	bool fresh = quotaask_is_new(q);

	if (fresh)
		enforce(l, LEDGER_CONTAINER, true);
	if (fresh || c->has_level2) {
		bool on = !c->has_level2 || c->level2;

		enforce(l, LEDGER_USER, on);
		enforce(l, LEDGER_GROUP, on);
	}
	return apply_limits(c, l);
}

static bool says_nothing(const struct quotaconf *c)
{
	bool limits = false;

	for (int i = 0; i < LIMIT_RESOURCES; i++)
		limits |= c->has_limits[i];
	return !limits && !c->has_grace && !c->has_level2;
}

int quotaconf_before_mount(const struct container *one, struct quotaconf *out,
			   struct why *why)
{
	struct quotaask *q = NULL;
	struct why said = { "" };
	int r = quotaconf_read(one, out, why);

	if (r < 0)
		return r;
	/* The daemon makes one that has nothing in it. */
	if (out->off || says_nothing(out)) {
		r = fdio_exists(one->dir, QUOTAASK_FILE);
		if (r <= 0)
			return r;
	}
	r = quotaask_open(&q, one,
			  out->off ? QUOTAASK_CHANGE : QUOTAASK_REBUILD, &said);
	/* A file that nobody will use may be as it likes. */
	if (out->off && (r == -EUCLEAN || r == -EPROTONOSUPPORT || r == -EXDEV))
		return 0;
	if (r == 0 && !out->off)
		r = quotaconf_apply(out, q);
	if (r == 0)
		r = quotaask_save(q, out->off, &said);
	quotaask_free(q);
	if (r == 0)
		return 0;
	if (said.text[0])
		return why_set(why, r, "%s", said.text);
	return why_sys(why, r, "container %s: its quota", one->id);
}
