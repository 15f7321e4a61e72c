/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/ctmean.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "fs/base/cleanup.h"
#include "fs/base/parse.h"
#include "tools/ct/jailcaps.h"

#define BLANKS " \t"
#define TASKS_MAX 4194304u /* more, no kernel has */

/* ---- who it is ---------------------------------------------------------------- */

CTMEAN(hostname)
{
	int r = ctvalue_hostname(value, why);

	(void)w;
	if (r == 0)
		snprintf(s->hostname, sizeof(s->hostname), "%s", value);
	return r;
}

CTMEAN(name)
{
	(void)w;
	(void)s;
	if (value[0] >= '0' && value[0] <= '9')
		return why_set(why, -EINVAL, "a name begins with a letter");
	return container_check_id(value, why);
}

CTMEAN(bool)
{
	bool on;

	(void)w;
	(void)s;
	return ctvalue_bool(value, &on, why);
}

CTMEAN(range)
{
	uint64_t n;

	(void)s;
	return ctvalue_number(value, w->min, w->max, &n, why);
}

CTMEAN(stop_timeout)
{
	uint64_t n;
	int r = ctvalue_number(value, w->min, w->max, &n, why);

	if (r == 0)
		s->stop_timeout = (unsigned)n;
	return r;
}

CTMEAN(init)
{
	char **words;
	int r = ctvalue_command(value, &words, why);

	(void)w;
	if (r == 0) {
		ctvalue_free_command(s->init);
		s->init = words;
	}
	return r;
}

/* ---- limits ------------------------------------------------------------------- */

CTMEAN(number)
{
	uint64_t n;
	int r = ctvalue_number(value, w->min, w->max, &n, why);

	if (r == 0)
		spec_give(&s->limits, w->number, n);
	return r;
}

static int lifted(const struct ctword *w, const char *value, uint64_t *out,
		  struct why *why)
{
	int r = parse_u64(value, w->max, out);

	if (strcasecmp(value, "unlimited") == 0 || (r == 0 && *out == 0)) {
		*out = SPEC_UNLIMITED;
		return 0;
	}
	if (r == 0 && *out < w->min)
		r = -ERANGE;
	return r < 0 ? why_set(why, r,
			       "it is a number from %" PRIu64 " to %" PRIu64
			       ", or unlimited (0)",
			       w->min, w->max)
		     : 0;
}

CTMEAN(lifted)
{
	uint64_t n;
	int r = lifted(w, value, &n, why);

	if (r == 0)
		spec_give(&s->limits, w->number, n);
	return r;
}

CTMEAN(percent)
{
	char digits[32];
	size_t len = strlen(value);
	uint64_t n;
	int r;

	if (len && value[len - 1] == '%')
		len--;
	snprintf(digits, sizeof(digits), "%.*s",
		 len < sizeof(digits) ? (int)len : 31, value);
	r = lifted(w, digits, &n, why);
	if (r == 0)
		spec_give(&s->limits, w->number, n);
	return r;
}

/* So many CPUs are so much time of one. */
CTMEAN(cpus)
{
	uint64_t n;
	int r = lifted(w, value, &n, why);

	if (r < 0)
		return r;
	if (n != SPEC_UNLIMITED)
		n *= 100;
	if (!spec_gives(&s->limits, SPEC_CPULIMIT) ||
	    s->limits.number[SPEC_CPULIMIT] > n)
		spec_give(&s->limits, SPEC_CPULIMIT, n);
	return 0;
}

CTMEAN(cpumask)
{
	(void)w;
	return ctvalue_list(value, s->limits.cpumask, why);
}

CTMEAN(nodemask)
{
	(void)w;
	return ctvalue_list(value, s->limits.nodemask, why);
}

CTMEAN(beans)
{
	uint64_t of[2];
	int r = ctvalue_limits(value, w->unit, of, why);

	if (r < 0 || w->number == SPEC_NUMBERS)
		return r;
	if (of[1] < w->min)
		return why_set(why, -ERANGE,
			       "the limit is too low, %" PRIu64
			       "%s is the lowest",
			       w->min,
			       w->unit == CTVALUE_COUNT ? "" : " bytes");
	if (w->number == SPEC_NUMPROC && of[1] > TASKS_MAX)
		of[1] = SPEC_UNLIMITED;
	spec_give(&s->limits, w->number, of[1]);
	return 0;
}

CTMEAN(iolimit)
{
	uint64_t n;
	int r = ctvalue_amount(value, 1, &n, why);

	if (r == 0)
		spec_give(&s->limits, w->number, n ? n : SPEC_UNLIMITED);
	return r;
}

/* ---- devices ------------------------------------------------------------------ */

/* Letters r, w; q, of a quota on it, means nothing here; "none". */
static int take_rights(const char *word, struct spec_device *d)
{
	d->read = d->write = false;
	if (strcmp(word, "none") == 0)
		return 0;
	for (const char *p = word; *p; p++) {
		if (*p == 'r')
			d->read = true;
		else if (*p == 'w')
			d->write = true;
		else if (*p != 'q' && *p != '-')
			return -EINVAL;
	}
	return *word ? 0 : -EINVAL;
}

/* Below /dev, and nowhere else. */
static bool is_below(const char *name)
{
	const char *p = name;

	while (p) {
		size_t len = strcspn(p, "/");

		if (len == 0 || (len == 1 && p[0] == '.') ||
		    (len == 2 && p[0] == '.' && p[1] == '.'))
			return false;
		p = p[len] ? p + len + 1 : NULL;
	}
	return true;
}

int ctmean_one_devnode(const char *part, struct spec_device *out,
		       struct why *why)
{
	struct spec_device d = { .type = 'c' };
	char path[sizeof(d.name) + 8];
	const char *rights;
	struct stat st;

	if (ctvalue_pair(part, d.name, sizeof(d.name), &rights) < 0 ||
	    !is_below(d.name) || take_rights(rights, &d) < 0)
		return why_set(why, -EINVAL,
			       "'%.80s': it is a name below /dev and what may "
			       "be done: fuse:rw, sda1:r, or :none",
			       part);
	snprintf(path, sizeof(path), "/dev/%s", d.name);
	if (!d.read && !d.write) {
		*out = d;
		return 0;
	}
	if (stat(path, &st) < 0)
		return why_sys(why, -errno, "%s", path);
	if (!S_ISCHR(st.st_mode) && !S_ISBLK(st.st_mode))
		return why_set(why, -EINVAL, "%s is no device", path);
	d.type = S_ISBLK(st.st_mode) ? 'b' : 'c';
	d.major = major(st.st_rdev);
	d.minor = minor(st.st_rdev);
	*out = d;
	return 0;
}

int ctmean_one_device(const char *part, struct spec_device *out,
		      struct why *why)
{
	struct spec_device d = { .type = part[0] };
	const char *s = part[0] ? part + 1 : part;
	uint64_t n[2] = { 0, 0 };
	bool good = (part[0] == 'b' || part[0] == 'c') && *s == ':';

	for (int i = 0; good && i < 2; i++) {
		s++;
		good = parse_u64_at(&s, i ? 0xfffff : 0xfff, &n[i]) == 0 &&
		       *s == ':';
	}
	if (!good || take_rights(s + 1, &d) < 0)
		return why_set(why, -EINVAL,
			       "'%.80s': it is b or c, the major and the minor "
			       "number and what may be done: c:10:229:rw, or "
			       ":none",
			       part);
	d.major = (uint32_t)n[0];
	d.minor = (uint32_t)n[1];
	*out = d;
	return 0;
}

typedef int (*one_device)(const char *part, struct spec_device *out,
			  struct why *why);

static int add_device(struct spec *s, const struct spec_device *d)
{
	struct spec_device *more =
		reallocarray(s->device, s->n_device + 1, sizeof(*more));

	if (!more)
		return -ENOMEM;
	s->device = more;
	s->device[s->n_device++] = *d;
	return 0;
}

static int take_devices(const char *value, one_device fn, struct spec *s,
			struct why *why)
{
	char part[128];
	int r;

	while ((r = ctvalue_next(&value, BLANKS, part, sizeof(part))) > 0) {
		struct spec_device d = { .type = 0 };

		r = fn(part, &d, why);
		if (r == 0 && (d.read || d.write))
			r = add_device(s, &d);
		if (r < 0)
			return r;
	}
	return r < 0 ? why_set(why, -EINVAL, "one of its words is too long")
		     : 0;
}

CTMEAN(devnodes)
{
	(void)w;
	return take_devices(value, ctmean_one_devnode, s, why);
}

CTMEAN(devices)
{
	(void)w;
	return take_devices(value, ctmean_one_device, s, why);
}

/* ---- capabilities, features ---------------------------------------------------- */

/* NAME:on or NAME:off */
static int take_switch(const char *part, char *name, size_t size, bool *on,
		       struct why *why)
{
	const char *word;

	if (ctvalue_pair(part, name, size, &word) < 0 ||
	    parse_bool(word, on) < 0)
		return why_set(why, -EINVAL,
			       "'%.80s': it is a name with :on or :off behind "
			       "it",
			       part);
	return 0;
}

CTMEAN(capability)
{
	char part[128], name[64];
	bool on = false;
	int r, cap;

	(void)w;
	while ((r = ctvalue_next(&value, BLANKS, part, sizeof(part))) > 0) {
		r = take_switch(part, name, sizeof(name), &on, why);
		if (r < 0)
			return r;
		cap = jailcaps_parse(name);
		if (cap < 0 || cap > 63)
			return why_set(why, -EINVAL,
				       "'%.60s' is no capability: they are in "
				       "capabilities(7), as net_admin",
				       name);
		if (on)
			s->caps_add |= 1ull << cap;
		else
			s->caps_drop |= 1ull << cap;
	}
	return r < 0 ? why_set(why, -EINVAL, "one of its words is too long")
		     : 0;
}

#define RW .type = 'c', .read = true, .write = true

static const struct feature {
	const char *name;
	size_t at;
	struct spec_device device; /* that it needs, if it has a name */
} features[] = {
	{ "fuse",
	  offsetof(struct spec, fuse),
	  { "fuse", .major = 10, .minor = 229, RW } },
	{ "tun",
	  offsetof(struct spec, tun),
	  { "net/tun", .major = 10, .minor = 200, RW } },
	{ "ppp",
	  offsetof(struct spec, ppp),
	  { "ppp", .major = 108, .minor = 0, RW } },
	{ "nesting", offsetof(struct spec, nesting), { .name = "" } },
	{ "sysinfo", offsetof(struct spec, sysinfo), { .name = "" } },
	{ "quotactl", offsetof(struct spec, quotactl), { .name = "" } },
	{ "affinity", offsetof(struct spec, affinity), { .name = "" } },
	{ "syswrite", offsetof(struct spec, writable_sys), { .name = "" } },
	{ "io_uring", offsetof(struct spec, io_uring), { .name = "" } },
};

const char ctmean_features_text[] =
	"fuse, tun, ppp, nesting, sysinfo, quotactl, affinity, syswrite, "
	"io_uring";

/* Of a kernel that had to be told: it needs nothing here, or there is none. */
static const char *const theirs[] = {
	"nfs",	"nfsd",	     "sit",   "ipip",	"ipgre",
	"time", "def_perms", "sysfs", "bridge", "vz",
};

bool ctmean_has_feature(const char *name)
{
	for (unsigned i = 0; i < ARRAY_SIZE(features); i++)
		if (strcmp(features[i].name, name) == 0)
			return true;
	return false;
}

static int take_feature(const char *name, bool on, struct spec *s,
			struct why *why)
{
	for (unsigned i = 0; i < ARRAY_SIZE(features); i++) {
		if (strcmp(features[i].name, name) != 0)
			continue;
		*(bool *)((char *)s + features[i].at) = on;
		return on && features[i].device.name[0]
			       ? add_device(s, &features[i].device)
			       : 0;
	}
	for (unsigned i = 0; i < ARRAY_SIZE(theirs); i++)
		if (strcmp(theirs[i], name) == 0)
			return 0;
	return why_set(why, -EINVAL, "'%.60s' is no feature: there are %s",
		       name, ctmean_features_text);
}

CTMEAN(features)
{
	char part[128], name[64];
	bool on = false;
	int r;

	(void)w;
	while ((r = ctvalue_next(&value, BLANKS, part, sizeof(part))) > 0) {
		r = take_switch(part, name, sizeof(name), &on, why);
		if (r == 0)
			r = take_feature(name, on, s, why);
		if (r < 0)
			return r;
	}
	return r < 0 ? why_set(why, -EINVAL, "one of its words is too long")
		     : 0;
}
