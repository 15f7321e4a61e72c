/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/ctchange.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "fs/base/cleanup.h"
#include "fs/base/log.h"
#include "fs/base/parse.h"
#include "fs/base/strbuf.h"
#include "tools/ct/netip.h"
#include "tools/ctmean.h"
#include "tools/quotaword.h"

#define BLANKS " \t"
#define PART 512u

/* ---- lines --------------------------------------------------------------------- */

static int get(const struct conf *c, const char *key, char value[CTWORDS_VALUE],
	       struct why *why)
{
	int r = conf_get(c, key, value, CTWORDS_VALUE);

	if (r == -ENOENT) {
		value[0] = '\0';
		return 0;
	}
	return r < 0 ? why_sys(why, r, "the line %s", key) : 0;
}

/* An empty value is no line. */
static int put(struct conf *c, const char *key, const char *value,
	       struct why *why)
{
	int r = conf_set(c, key, *value ? value : NULL);

	return r < 0 ? why_set(why, r,
			       r == -EINVAL ? "it is more than one line"
					    : "no memory")
		     : 0;
}

static int put_buffer(struct conf *c, const char *key, const struct strbuf *b,
		      struct why *why)
{
	int r = strbuf_error(b);

	return r < 0 ? why_sys(why, r, "its line")
		     : put(c, key, strbuf_get(b), why);
}

static void add_part(struct strbuf *b, char between, const char *part)
{
	if (strbuf_get(b)[0])
		strbuf_putc(b, between);
	strbuf_puts(b, part);
}

/* ---- numbers, lists -------------------------------------------------------------- */

CTCHANGE(bytes)
{
	char text[48];
	uint64_t n;
	int r = ctvalue_amount(value, 1, &n, why);

	(void)again;
	if (r < 0)
		return r;
	if (n == SPEC_UNLIMITED)
		return put(c, w->key, "0:unlimited", why);
	snprintf(text, sizeof(text), "0:%" PRIu64,
		 n / (uint64_t)sysconf(_SC_PAGESIZE));
	return put(c, w->key, text, why);
}

CTCHANGE(iolimit)
{
	char text[32];
	uint64_t n;
	int r = ctvalue_amount(value, 1024 * 1024, &n, why);

	(void)again;
	if (r < 0)
		return r;
	snprintf(text, sizeof(text), "%" PRIu64, n == SPEC_UNLIMITED ? 0 : n);
	return put(c, w->key, text, why);
}

CTCHANGE(list)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	char old[CTWORDS_VALUE] = "";
	int r = again ? get(c, w->key, old, why) : 0;

	if (r < 0)
		return r;
	strbuf_puts(&b, old);
	if (*value)
		add_part(&b, ' ', value);
	return put_buffer(c, w->key, &b, why);
}

/* ---- addresses ------------------------------------------------------------------- */

static bool same_ip(const char *a, const struct spec_ip *b)
{
	struct spec_ip ip = { .family = 0 };

	return netip_parse(a, &ip) == 0 && ip.family == b->family &&
	       memcmp(ip.bytes, b->bytes, sizeof(ip.bytes)) == 0;
}

/* The line without one address; how many it was there, or -errno. */
static int without_ip(const struct conf *c, const char *key,
		      const struct spec_ip *ip, struct strbuf *b,
		      struct why *why)
{
	char old[CTWORDS_VALUE], part[PART];
	const char *p = old;
	int r = get(c, key, old, why), found = 0;

	if (r < 0)
		return r;
	while ((r = ctvalue_next(&p, BLANKS, part, sizeof(part))) > 0) {
		if (same_ip(part, ip))
			found++;
		else
			add_part(b, ' ', part);
	}
	return r < 0 ? r : found;
}

CTCHANGE(ipadd)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct spec_ip ip = { .family = 0 };
	char text[NETIP_TEXT];
	int r = netip_parse(value, &ip);

	(void)again;
	if (r < 0)
		return why_set(why, r,
			       "it is an address, as 10.0.0.5 or fd00::5");
	r = without_ip(c, w->key, &ip, &b, why);
	if (r < 0)
		return r;
	add_part(&b, ' ', netip_print(&ip, text));
	return put_buffer(c, w->key, &b, why);
}

CTCHANGE(ipdel)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	struct spec_ip ip = { .family = 0 };
	int r;

	(void)again;
	if (strcmp(value, "all") == 0)
		return put(c, w->key, "", why);
	r = netip_parse(value, &ip);
	if (r < 0)
		return why_set(why, r,
			       "it is an address, as 10.0.0.5 or fd00::5, or "
			       "all");
	r = without_ip(c, w->key, &ip, &b, why);
	if (r == 0)
		return why_set(why, -ENODATA, "it does not have that address");
	return r < 0 ? r : put_buffer(c, w->key, &b, why);
}

/* ---- interfaces ------------------------------------------------------------------ */

/* The line without the interface `name`; how often it was there, or -errno. */
static int without_netif(const struct conf *c, const char *key,
			 const char *name, struct strbuf *b, struct why *why)
{
	char old[CTWORDS_VALUE], part[PART];
	const char *p = old;
	int r = get(c, key, old, why), found = 0;

	if (r < 0)
		return r;
	while ((r = ctvalue_next(&p, ";", part, sizeof(part))) > 0) {
		struct spec_netif n = { .name = "" };

		if (ctmean_one_netif(part, &n, NULL) == 0 &&
		    strcmp(n.name, name) == 0)
			found++;
		else
			add_part(b, ';', part);
	}
	return r < 0 ? r : found;
}

CTCHANGE(netif_add)
{
	static const char *const fields[] = { "ifname", "mac", "host_ifname",
					      "host_mac", "bridge" };
	_cleanup_strbuf_ struct strbuf part = STRBUF_INIT, b = STRBUF_INIT;
	struct spec_netif n = { .name = "" };
	bool good = *value && !strpbrk(value, "=;");
	const char *p = value;
	unsigned i = 0;
	int r;

	(void)again;
	for (; p && i < ARRAY_SIZE(fields); i++) {
		size_t len = strcspn(p, ",");

		if (len)
			strbuf_addf(&part, "%s%s=%.*s", i ? "," : "", fields[i],
				    (int)len, p);
		p = p[len] ? p + len + 1 : NULL;
	}
	if (p || !good)
		return why_set(why, -EINVAL,
			       "it is IFNAME[,MAC,HOST_IFNAME,HOST_MAC,BRIDGE]"
			       ", what is left out empty: eth0,,,,br0");
	r = strbuf_error(&part);
	if (r == 0)
		r = ctmean_one_netif(strbuf_get(&part), &n, why);
	if (r == 0)
		r = without_netif(c, w->key, n.name, &b, why);
	if (r > 0)
		return why_set(why, -EEXIST, "it has an interface %s already",
			       n.name);
	if (r < 0)
		return r;
	add_part(&b, ';', strbuf_get(&part));
	return put_buffer(c, w->key, &b, why);
}

CTCHANGE(netif_del)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	int r;

	(void)again;
	if (strcmp(value, "all") == 0)
		return put(c, w->key, "", why);
	r = without_netif(c, w->key, value, &b, why);
	if (r == 0)
		return why_set(why, -ENODATA, "it has no such interface");
	return r < 0 ? r : put_buffer(c, w->key, &b, why);
}

/* ---- NAME:WORD ------------------------------------------------------------------- */

/* The line without what is said of `name`. */
static int without_name(const char *old, const char *name, struct strbuf *b)
{
	char part[PART], was[PART];
	const char *word;
	int r;

	while ((r = ctvalue_next(&old, BLANKS, part, sizeof(part))) > 0) {
		if (ctvalue_pair(part, was, sizeof(was), &word) == 0 &&
		    strcasecmp(was, name) == 0)
			continue;
		add_part(b, ' ', part);
	}
	return r < 0 ? r : strbuf_error(b);
}

/* Each part replaces what was said of its name; "none" takes it away. */
static int merge(const struct ctword *w, struct conf *c, const char *value,
		 struct why *why)
{
	char old[CTWORDS_VALUE], part[PART], name[PART];
	const char *word;
	int r;

	while ((r = ctvalue_next(&value, BLANKS ",", part, sizeof(part))) > 0) {
		_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

		if (ctvalue_pair(part, name, sizeof(name), &word) < 0)
			return why_set(why, -EINVAL,
				       "'%.80s' has no ':' and a word behind "
				       "its name",
				       part);
		r = get(c, w->key, old, why);
		if (r == 0)
			r = without_name(old, name, &b);
		if (r == 0 && strcmp(word, "none") != 0)
			add_part(&b, ' ', part);
		if (r == 0)
			r = put_buffer(c, w->key, &b, why);
		if (r < 0)
			return r;
	}
	return r;
}

CTCHANGE(switches)
{
	(void)again;
	return merge(w, c, value, why);
}

CTCHANGE(devnodes)
{
	struct spec_device d;
	int r = ctmean_one_devnode(value, &d, why);

	(void)again;
	return r < 0 ? r : merge(w, c, value, why);
}

CTCHANGE(devices)
{
	struct spec_device d;
	int r = ctmean_one_device(value, &d, why);

	(void)again;
	return r < 0 ? r : merge(w, c, value, why);
}

CTCHANGE(features)
{
	char part[PART], name[PART];
	const char *p = value, *word;

	(void)again;
	while (ctvalue_next(&p, BLANKS ",", part, sizeof(part)) > 0)
		if (ctvalue_pair(part, name, sizeof(name), &word) == 0 &&
		    !ctmean_has_feature(name))
			return why_set(why, -EINVAL,
				       "'%.60s' is no feature: there are %s",
				       name, ctmean_features_text);
	return merge(w, c, value, why);
}

/* ---- quota ----------------------------------------------------------------------- */

static int change_limits(const struct ctword *w, enum limit_resource what,
			 struct conf *c, const char *value, struct why *why)
{
	char text[2 * QUOTAWORD_SIZE];
	struct quotaword q;
	int r = quotaword_limits(what, QUOTAWORD_OPTION, value, &q, why);

	return r < 0 ? r
		     : put(c, w->key, quotaword_print_limits(what, &q, text),
			   why);
}

CTCHANGE(diskspace)
{
	(void)again;
	return change_limits(w, LIMIT_SPACE, c, value, why);
}

CTCHANGE(diskinodes)
{
	(void)again;
	return change_limits(w, LIMIT_INODES, c, value, why);
}

CTCHANGE(quotatime)
{
	char text[32];
	uint64_t n;
	int r = quotaword_time(value, &n, why);

	(void)again;
	if (r < 0)
		return r;
	snprintf(text, sizeof(text), "%" PRIu64, n);
	return put(c, w->key, text, why);
}

CTCHANGE(ugidlimit)
{
	uint64_t n;

	(void)again;
	if (strcasecmp(value, "unlimited") != 0 &&
	    parse_u64(value, UINT64_MAX, &n) < 0)
		return why_set(why, -EINVAL,
			       "'%.100s': 0, users and groups are not limited, "
			       "or another number, they are",
			       value);
	return put(c, w->key, value, why);
}

/* ---- all of them ----------------------------------------------------------------- */

/* Is the line right that the option has made? */
static int check(const struct ctword *w, const struct conf *c, struct why *why)
{
	struct spec s = { .base = 0 };
	char value[CTWORDS_VALUE];
	int r = get(c, w->key, value, why);

	if (r == 0 && value[0] && w->take)
		r = w->take(w, value, &s, why);
	spec_free(&s);
	return r;
}

/*
 * Addresses and interfaces are added to a line and taken from it one by one:
 * nothing there is more likely a variable that is not set than all of them.
 */
static bool may_be_empty(const struct ctword *w)
{
	return w->change != ctchange_ipadd && w->change != ctchange_ipdel &&
	       w->change != ctchange_netif_add &&
	       w->change != ctchange_netif_del &&
	       /* it knows which is the first of several */
	       w->change != ctchange_list;
}

static int apply_one(struct conf *c, const struct cmd_word *word, bool again,
		     bool lenient, struct why *why)
{
	const struct ctword *w = ctwords_option(word->name);
	struct why said = { "" };
	int r;

	if (!w)
		return why_set(why, -EINVAL, "--%s: no such option",
			       word->name);
	if (!w->change || (!word->value[0] && may_be_empty(w)))
		r = put(c, w->key, word->value, &said);
	else
		r = w->change(w, c, word->value, again, &said);
	if (r == -ENODATA && lenient)
		return 0;
	if (r >= 0)
		r = check(w, c, &said);
	if (r >= 0)
		return 0;
	/* the quota's sentences have the word in them */
	if (!w->take)
		return why_set(why, r, "--%s: %.600s", word->name,
			       said.text[0] ? said.text : strerror(-r));
	return why_set(why, r, "--%s %.100s: %.600s", word->name, word->value,
		       said.text[0] ? said.text : strerror(-r));
}

static bool deletes(const struct cmd_word *word)
{
	const struct ctword *w = ctwords_option(word->name);

	return w &&
	       (w->change == ctchange_ipdel || w->change == ctchange_netif_del);
}

/* Has one before it the same key? */
static bool is_again(const struct cmd_words *words, size_t at)
{
	const struct ctword *w = ctwords_option(words->of[at].name);

	for (size_t i = 0; w && i < at; i++) {
		const struct ctword *o = ctwords_option(words->of[i].name);

		if (o && strcmp(o->key, w->key) == 0)
			return true;
	}
	return false;
}

int ctchange_apply(struct conf *c, const struct cmd_words *words, bool lenient,
		   struct why *why)
{
	int r = 0;

	for (int pass = 0; pass < 2; pass++)
		for (size_t i = 0; r == 0 && i < words->n; i++)
			if (deletes(&words->of[i]) == (pass == 0))
				r = apply_one(c, &words->of[i],
					      is_again(words, i), lenient, why);
	return r;
}

void ctchange_notes(const struct cmd_words *words)
{
	for (size_t i = 0; i < words->n; i++) {
		const struct cmd_word *word = &words->of[i];
		const char *note = ctwords_note(word->name, word->value);

		if (note)
			log_warn("--%s %s: %s", word->name, word->value, note);
	}
}

void ctchange_options(struct cmd_option out[CTCHANGE_OPTIONS])
{
	size_t n = 0;

	for (const struct ctword *w = ctwords_table; w->key; w++) {
		if (n + 2 >= CTCHANGE_OPTIONS)
			break;
		out[n++] = (struct cmd_option){ w->option, NULL, NULL };
		if (w->alias)
			out[n++] = (struct cmd_option){ w->alias, NULL, NULL };
	}
	out[n] = (struct cmd_option){ NULL, NULL, NULL };
}

int ctchange_sample(struct conf *c, const struct conf *from)
{
	static const char *const own[] = { "NAME", "HOSTNAME", "IP_ADDRESS" };
	char value[CTWORDS_VALUE];
	int r = 0;

	for (const struct ctword *w = ctwords_table; r == 0 && w->key; w++) {
		bool skip = false;

		for (unsigned i = 0; i < ARRAY_SIZE(own); i++)
			skip |= strcmp(own[i], w->key) == 0;
		if (!skip && conf_get(from, w->key, value, sizeof(value)) == 0)
			r = conf_set(c, w->key, value);
	}
	return r;
}
