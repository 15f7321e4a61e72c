/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The usual ones may be made (mknod) too; whiteouts, 0:0, always may. Nothing
 * else may be made: a node that cannot be opened is of no use.
 *
 * v1: the list is changed entry by entry, first what is new, then what goes,
 * so that what stays is never denied. Only from "all" to a list there is a
 * moment in which nothing may be opened.
 */
#include "tools/ct/cgdevice.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/base/cleanup.h"
#include "tools/ct/devprog.h"
#include "tools/ct/knob.h"

#define LIST "payload/devices.list"
#define LIST_SIZE 65536u

static const struct devprog_rule usual[] = {
	{ 'c', 1, 3, DEVPROG_ALL },		/* null */
	{ 'c', 1, 5, DEVPROG_ALL },		/* zero */
	{ 'c', 1, 7, DEVPROG_ALL },		/* full */
	{ 'c', 1, 8, DEVPROG_ALL },		/* random */
	{ 'c', 1, 9, DEVPROG_ALL },		/* urandom */
	{ 'c', 5, 0, DEVPROG_ALL },		/* tty */
	{ 'c', 5, 1, DEVPROG_ALL },		/* console */
	{ 'c', 5, 2, DEVPROG_ALL },		/* ptmx */
	{ 'c', 136, DEVPROG_ANY, DEVPROG_ALL }, /* pts, and its further */
	{ 'c', 137, DEVPROG_ANY, DEVPROG_ALL }, /* majors */
	{ 'c', 138, DEVPROG_ANY, DEVPROG_ALL },
	{ 'c', 139, DEVPROG_ANY, DEVPROG_ALL },
	{ 'c', 140, DEVPROG_ANY, DEVPROG_ALL },
	{ 'c', 141, DEVPROG_ANY, DEVPROG_ALL },
	{ 'c', 142, DEVPROG_ANY, DEVPROG_ALL },
	{ 'c', 143, DEVPROG_ANY, DEVPROG_ALL },
};

struct rules {
	struct devprog_rule *r; /* owned */
	size_t n;
};

static void cleanup_rulesp(struct rules *s)
{
	free(s->r);
}

static bool same_device(const struct devprog_rule *a,
			const struct devprog_rule *b)
{
	return a->type == b->type && a->major == b->major &&
	       a->minor == b->minor;
}

/* Room is there. */
static void add_rule(struct rules *s, const struct devprog_rule *rule)
{
	for (size_t i = 0; i < s->n; i++)
		if (same_device(&s->r[i], rule)) {
			s->r[i].access |= rule->access;
			return;
		}
	s->r[s->n++] = *rule;
}

static int make_rules(struct rules *s, const struct spec_device *devices,
		      size_t n)
{
	s->r = calloc(ARRAY_SIZE(usual) + n, sizeof(*s->r));
	if (!s->r)
		return -ENOMEM;
	for (size_t i = 0; i < ARRAY_SIZE(usual); i++)
		add_rule(s, &usual[i]);
	for (size_t i = 0; i < n; i++) {
		const struct spec_device *d = &devices[i];
		struct devprog_rule rule = { d->type, d->major, d->minor,
					     DEVPROG_MKNOD };

		rule.access |= d->read ? DEVPROG_READ : 0;
		rule.access |= d->write ? DEVPROG_WRITE : 0;
		add_rule(s, &rule);
	}
	return 0;
}

/* ---- v1 ------------------------------------------------------------------ */

static void print_id(char *s, size_t size, uint32_t id)
{
	if (id == DEVPROG_ANY)
		snprintf(s, size, "*");
	else
		snprintf(s, size, "%u", id);
}

static int write_rule(int dir, const char *file,
		      const struct devprog_rule *rule, unsigned access)
{
	char text[64], major[16], minor[16];

	print_id(major, sizeof(major), rule->major);
	print_id(minor, sizeof(minor), rule->minor);
	snprintf(text, sizeof(text), "%c %s:%s %s%s%s", rule->type, major,
		 minor, access & DEVPROG_READ ? "r" : "",
		 access & DEVPROG_WRITE ? "w" : "",
		 access & DEVPROG_MKNOD ? "m" : "");
	return knob_write(dir, file, text);
}

static uint32_t parse_id_or_any(const char *s)
{
	return *s == '*' ? DEVPROG_ANY : (uint32_t)strtoul(s, NULL, 10);
}

/* A line of devices.list: "c 1:3 rwm". */
static bool parse_rule(const char *line, struct devprog_rule *rule)
{
	char major[16], minor[16], access[8];

	if (sscanf(line, "%c %15[0-9*]:%15[0-9*] %7s", &rule->type, major,
		   minor, access) != 4)
		return false;
	rule->major = parse_id_or_any(major);
	rule->minor = parse_id_or_any(minor);
	rule->access = (strchr(access, 'r') ? DEVPROG_READ : 0) |
		       (strchr(access, 'w') ? DEVPROG_WRITE : 0) |
		       (strchr(access, 'm') ? DEVPROG_MKNOD : 0);
	return true;
}

static int read_rules(int dir, struct rules *s)
{
	_cleanup_free_ char *text = malloc(LIST_SIZE);
	size_t room = 1;
	char *rest = NULL;
	int r;

	if (!text)
		return -ENOMEM;
	r = knob_read(dir, LIST, text, LIST_SIZE);
	if (r < 0)
		return r;
	for (const char *p = text; *p; p++)
		room += *p == '\n';
	s->r = calloc(room, sizeof(*s->r));
	if (!s->r)
		return -ENOMEM;
	for (char *l = strtok_r(text, "\n", &rest); l;
	     l = strtok_r(NULL, "\n", &rest))
		if (parse_rule(l, &s->r[s->n]))
			s->n++;
	return 0;
}

static unsigned access_in(const struct rules *s,
			  const struct devprog_rule *rule)
{
	for (size_t i = 0; i < s->n; i++)
		if (same_device(&s->r[i], rule))
			return s->r[i].access;
	return 0;
}

/* Say `file` what of `s` is not in `other`. */
static int write_difference(int dir, const char *file, const struct rules *s,
			    const struct rules *other)
{
	int r = 0;

	for (size_t i = 0; i < s->n && r == 0; i++) {
		unsigned more = s->r[i].access & ~access_in(other, &s->r[i]);

		if (more)
			r = write_rule(dir, file, &s->r[i], more);
	}
	return r;
}

static int change_v1(int dir, const struct rules *want)
{
	_cleanup_(cleanup_rulesp) struct rules have = { .n = 0 };
	int r = read_rules(dir, &have);

	if (r < 0)
		return r;
	for (size_t i = 0; i < have.n; i++)
		if (have.r[i].type == 'a') {
			have.n = 0;
			r = knob_write(dir, "payload/devices.deny", "a");
		}
	if (r == 0)
		r = write_difference(dir, "payload/devices.allow", want, &have);
	if (r == 0)
		r = write_difference(dir, "payload/devices.deny", &have, want);
	return r;
}

/* After an error the list is as it was. */
static int set_v1(int dir, const struct rules *want)
{
	_cleanup_(cleanup_rulesp) struct rules was = { .n = 0 };
	int r;

	if (!want)
		return knob_write(dir, "payload/devices.allow", "a");
	r = read_rules(dir, &was);
	if (r < 0)
		return r;
	r = change_v1(dir, want);
	if (r < 0 && was.n && was.r[0].type != 'a')
		(void)change_v1(dir, &was);
	else if (r < 0)
		(void)knob_write(dir, "payload/devices.allow", "a");
	return r;
}

/* ---- both ---------------------------------------------------------------- */

int cgdevice_set(const struct cgroup *g, const struct spec_device *devices,
		 size_t n, struct why *why)
{
	_cleanup_(cleanup_rulesp) struct rules want = { .n = 0 };
	int i = hier_of(&g->hiers, HIER_DEVICES);
	int r = make_rules(&want, devices, devices ? n : 0);

	if (r < 0)
		return why_sys(why, r, "devices of %s", g->name);
	if (i < 0 || g->dir[i] < 0)
		r = -EOPNOTSUPP;
	else if (g->hiers.h[i].version == 1)
		r = set_v1(g->dir[i], devices ? &want : NULL);
	else if (devices)
		r = devprog_attach(g->unified, want.r, want.n);
	else
		r = devprog_detach(g->unified);
	if (r == -EOPNOTSUPP)
		return why_set(why, r,
			       "devices of %s: this kernel has neither v1's "
			       "devices controller nor programs for v2's",
			       g->name);
	return r < 0 ? why_sys(why, r, "devices of %s", g->name) : 0;
}
