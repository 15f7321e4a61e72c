/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/ct/netip.h"
#include "tools/ctfield.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fs/base/cleanup.h"
#include "tools/ctfiles.h"
#include "tools/ctlive.h"
#include "tools/ctmean.h"
#include "tools/ctquota.h"
#include "tools/quotaword.h"

#define GET(name)                                                              \
	static void get_##name(const struct ctfield *f,                        \
			       struct ctfield_row *row,                        \
			       struct ctfield_value *out)

/* ---- values -------------------------------------------------------------------- */

static void put_text(struct ctfield_value *v, const char *text)
{
	if (!text[0])
		return;
	v->text = strdup(text);
	v->known = v->text != NULL;
}

static void put_number(struct ctfield_value *v, uint64_t n)
{
	v->known = v->is_number = true;
	v->is_endless = n == SPEC_UNLIMITED;
	v->n = n;
}

void ctfield_free(struct ctfield_value *v)
{
	free(v->text);
	*v = (struct ctfield_value){ .known = false };
}

static bool line(const struct ctfield_row *row, const char *key,
		 char value[CTWORDS_VALUE])
{
	int r = conf_get(row->own, key, value, CTWORDS_VALUE);

	if (r == -ENOENT)
		r = conf_get(row->global, key, value, CTWORDS_VALUE);
	return r == 0 && value[0];
}

static bool runs(const struct ctfield_row *row)
{
	return row->look.state >= CTLOOK_RUNNING;
}

/* ---- who it is ------------------------------------------------------------------- */

GET(id)
{
	(void)f;
	put_text(out, row->one->id);
}

GET(status)
{
	(void)f;
	put_text(out, ctlook_words[row->look.state]);
}

GET(line)
{
	char value[CTWORDS_VALUE];

	if (line(row, f->key, value))
		put_text(out, value);
}

GET(bool)
{
	char value[CTWORDS_VALUE];
	bool on = false;

	if (line(row, f->key, value))
		ctvalue_bool(value, &on, NULL);
	put_text(out, on ? "yes" : "no");
}

GET(order)
{
	char value[CTWORDS_VALUE];
	uint64_t n;

	if (line(row, f->key, value) &&
	    ctvalue_number(value, 0, UINT32_MAX, &n, NULL) == 0)
		put_number(out, n);
}

GET(hostname)
{
	(void)f;
	put_text(out, row->spec.hostname);
}

GET(template)
{
	(void)f;
	put_text(out, row->one->template);
}

GET(root)
{
	(void)f;
	put_text(out, row->one->root);
}

GET(private)
{
	char path[PATH_MAX + 80], real[PATH_MAX];

	(void)f;
	if (!realpath(row->store, real))
		return;
	snprintf(path, sizeof(path), "%s/containers/%s", real, row->one->id);
	put_text(out, path);
}

GET(uptime)
{
	uint64_t now = (uint64_t)time(NULL), s;
	char text[48];

	(void)f;
	if (!runs(row))
		return;
	s = now > row->look.run.started ? now - row->look.run.started : 0;
	put_number(out, s);
	snprintf(text, sizeof(text), "%" PRIu64 "d%02uh:%02um:%02us", s / 86400,
		 (unsigned)(s / 3600 % 24), (unsigned)(s / 60 % 60),
		 (unsigned)(s % 60));
	out->text = strdup(text);
}

/* As vzlist: over 1, 5 and 15 minutes; sorted by the first. */
GET(laverage)
{
	double load[3];
	char text[64];

	(void)f;
	if (!runs(row) || ctfiles_load(row->one, load) < 0)
		return;
	put_number(out, (uint64_t)(load[0] * 100));
	snprintf(text, sizeof(text), "%1.2f/%1.2f/%1.2f", load[0], load[1],
		 load[2]);
	out->text = strdup(text);
}

/* ---- limits ---------------------------------------------------------------------- */

GET(limit)
{
	enum spec_number n = (enum spec_number)f->arg;
	const struct spec_limits *l = &row->spec.limits;

	if (spec_gives(l, n))
		put_number(out, l->number[n]);
	else if (n == SPEC_CPUUNITS)
		put_number(out, 1000);
	else if (n == SPEC_IOPRIO)
		put_number(out, 4);
	else
		put_number(out, SPEC_UNLIMITED);
}

GET(cpus)
{
	char value[CTWORDS_VALUE];
	uint64_t n;

	if (line(row, f->key, value) &&
	    ctvalue_number(value, 1, 10000, &n, NULL) == 0)
		put_number(out, n);
	else
		put_number(out, SPEC_UNLIMITED);
}

static const struct cgroup_usage *usage(struct ctfield_row *row)
{
	if (!row->look.group)
		return NULL;
	if (!row->has_usage)
		cgroup_usage(row->look.group, &row->usage);
	row->has_usage = true;
	return &row->usage;
}

/* The number in a file of its group, behind `word` if that is not NULL. */
static bool from_group(struct ctfield_row *row, const char *controller,
		       const char *file, const char *word, uint64_t *out)
{
	_cleanup_close_ int dir = -1, fd = -1;
	char path[PATH_MAX], text[256], *p = text;
	ssize_t n;

	if (!row->look.group ||
	    cgroup_path(row->look.group, controller, CGROUP_PAYLOAD, path,
			sizeof(path)) < 0)
		return false;
	dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir >= 0)
		fd = openat(dir, file, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n < 0)
		return false;
	text[n] = '\0';
	if (word)
		p = strstr(text, word);
	return p && sscanf(p + (word ? strlen(word) : 0), "%" SCNu64, out) == 1;
}

/* What of the kernel's counts a beancounter is. */
static const struct counted {
	const char *key, *controller, *peaks[2], *events, *word;
	size_t at; /* in struct cgroup_usage */
	bool pages;
} counted[] = {
	{ .key = "NUMPROC",
	  .controller = "pids",
	  .peaks = { "pids.peak" },
	  .events = "pids.events",
	  .word = "max ",
	  .at = offsetof(struct cgroup_usage, processes) },
	{ .key = "PHYSPAGES",
	  .controller = "memory",
	  .peaks = { "memory.peak", "memory.max_usage_in_bytes" },
	  .at = offsetof(struct cgroup_usage, ram),
	  .pages = true },
	{ .key = "SWAPPAGES",
	  .controller = "memory",
	  .peaks = { "memory.swap.peak" },
	  .events = "memory.swap.events",
	  .word = "fail ",
	  .at = offsetof(struct cgroup_usage, swap),
	  .pages = true },
};

/* `what` as of get_bean(); is it known? */
static bool held(struct ctfield_row *row, const char *key, unsigned what,
		 uint64_t *out)
{
	const struct cgroup_usage *u = usage(row);
	const struct counted *c = counted;
	bool known = false;

	while (c < counted + ARRAY_SIZE(counted) && strcmp(c->key, key) != 0)
		c++;
	if (!u || c == counted + ARRAY_SIZE(counted))
		return false;
	*out = SPEC_UNLIMITED;
	if (what == 'h')
		memcpy(out, (const char *)u + c->at, sizeof(*out));
	else if (what == 'f' && !c->events)
		*out = u->oom_kills;
	else if (what == 'f')
		from_group(row, c->controller, c->events, c->word, out);
	for (int i = 0; what == 'm' && i < 2 && c->peaks[i] && !known; i++)
		known = from_group(row, c->controller, c->peaks[i], NULL, out);
	if (*out == SPEC_UNLIMITED)
		return false;
	if (c->pages && what != 'f')
		*out /= (uint64_t)sysconf(_SC_PAGESIZE);
	return true;
}

static const struct ctword *bean_of(const char *key)
{
	for (const struct ctword *w = ctwords_table; w->key; w++)
		if (w->take == ctmean_beans && strcmp(w->key, key) == 0)
			return w;
	return NULL;
}

/* The row of user_beancounters; NULL: it has none, or cannot be asked for. */
static const struct procubc_row *served(struct ctfield_row *row,
					const char *name)
{
	size_t len = strcspn(name, ".");

	if (!row->asked_beans && runs(row))
		row->has_beans = ctfiles_beans(row->one, row->bean) == 0;
	row->asked_beans = true;
	for (unsigned i = 0; row->has_beans && i < PROCUBC_ROWS; i++)
		if (procubc_name(i) && strlen(procubc_name(i)) == len &&
		    strncmp(procubc_name(i), name, len) == 0)
			return &row->bean[i];
	return NULL;
}

/* What it uses: what the kernel has at hand, else what its files say, which go
 * back over its starts. */
static bool used(struct ctfield_row *row, const struct ctfield *f,
		 uint64_t *out)
{
	const struct procubc_row *bean;

	if (f->arg == 'h' && held(row, f->key, 'h', out))
		return true;
	bean = served(row, f->name);
	if (!bean)
		return held(row, f->key, f->arg, out);
	*out = f->arg == 'h'   ? bean->held
	       : f->arg == 'm' ? bean->maxheld
			       : bean->failcnt;
	return true;
}

/* f->arg: one of "hmblf", as vzlist has them behind a dot. */
GET(bean)
{
	const struct ctword *w = bean_of(f->key);
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	uint64_t of[2] = { SPEC_UNLIMITED, SPEC_UNLIMITED }, n;
	char value[CTWORDS_VALUE];

	if (f->arg == 'h' || f->arg == 'm' || f->arg == 'f') {
		if (used(row, f, &n))
			put_number(out, n);
		return;
	}
	if (w && line(row, f->key, value))
		ctvalue_limits(value, w->unit, of, NULL);
	n = of[f->arg == 'l'];
	if (w && w->unit == CTVALUE_PAGES && n != SPEC_UNLIMITED)
		n /= page;
	put_number(out, n);
}

/* ---- quota, network ---------------------------------------------------------------- */

static void ask_quota(struct ctfield_row *row)
{
	struct container locked = CONTAINER_NONE;
	struct why why = { "" };

	if (row->asked_quota)
		return;
	row->asked_quota = true;
	/* One that is not mounted is looked at while nobody changes it. */
	if (row->look.mounted)
		row->has_quota = ctquota_look(row->one, &row->quota) == 0;
	else if (container_open(row->catalog, row->one->id, true, &locked,
				&why) == 0)
		row->has_quota = ctquota_look(&locked, &row->quota) == 0;
	container_close(&locked);
}

/* f->arg: the resource, and 's' or 'h' above its low byte. */
GET(quota)
{
	enum limit_resource what = (enum limit_resource)(f->arg & 0xff);
	const struct limit *l = &row->quota.of[what];
	uint64_t n;

	ask_quota(row);
	if (!row->has_quota)
		return;
	n = f->arg >> 8 == 's'	 ? l->soft
	    : f->arg >> 8 == 'h' ? l->hard
				 : l->usage;
	if (f->arg >> 8 && n == 0)
		put_number(out, SPEC_UNLIMITED);
	else
		put_number(out, quotaword_units(what, n));
}

GET(net)
{
	if (!runs(row))
		return;
	if (!row->has_net)
		net_usage(&row->spec.net, row->look.run.net, &row->net);
	row->has_net = true;
	put_number(out, f->arg ? row->net.sent : row->net.received);
}

GET(ip)
{
	char text[NETIP_TEXT], all[CTWORDS_VALUE] = "";
	const bool own = row->spec.net.mode == SPEC_NET_PRIVATE;
	size_t n = 0;

	(void)f;
	/* in no network of its own it has none, whatever is said of it */
	for (size_t i = 0; i < (own ? row->spec.net.n_ip : 0); i++) {
		netip_print(&row->spec.net.ip[i], text);
		n += (size_t)snprintf(all + n, sizeof(all) - n, "%s%s",
				      i ? " " : "", text);
		if (n >= sizeof(all) - NETIP_TEXT)
			break;
	}
	put_text(out, all);
}

/* ---- the table ---------------------------------------------------------------------- */

#define SOFT ((unsigned)'s' << 8)
#define HARD ((unsigned)'h' << 8)

static const struct ctfield fields[] = {
	{ "ctid", "CTID", 10, get_id, 0, NULL, "its id" },
	{ "name", "NAME", -32, get_line, 0, "NAME", "its other name" },
	{ "hostname", "HOSTNAME", -32, get_hostname, 0, NULL, "" },
	{ "description", "DESCRIPTION", -32, get_line, 0, "DESCRIPTION", "" },
	{ "ip", "IP_ADDR", -15, get_ip, 0, NULL, "routed addresses" },
	{ "status", "STATUS", -9, get_status, 0, NULL,
	  "running, suspended, mounted, stopped, damaged" },
	{ "ostemplate", "OSTEMPLATE", -24, get_template, 0, NULL,
	  "what it is made of" },
	{ "root", "ROOT", -32, get_root, 0, NULL, "where it is mounted" },
	{ "private", "PRIVATE", -32, get_private, 0, NULL,
	  "its directory in the store" },
	{ "onboot", "ONBOOT", -6, get_bool, 0, "ONBOOT",
	  "is it started with the host?" },
	{ "bootorder", "BOOTORDER", 9, get_order, 0, "BOOTORDER", "" },
	{ "disabled", "DISABLED", -8, get_bool, 0, "DISABLED", "" },
	{ "cpuunits", "CPUUNITS", 8, get_limit, SPEC_CPUUNITS, NULL, "" },
	{ "cpulimit", "CPU%", 9, get_limit, SPEC_CPULIMIT, NULL,
	  "percent of one CPU" },
	{ "cpus", "CPUS", 9, get_cpus, 0, "CPUS", "" },
	{ "ioprio", "IOPRIO", 6, get_limit, SPEC_IOPRIO, NULL, "" },
	{ "iolimit", "IOLIMIT", 12, get_limit, SPEC_IOLIMIT, NULL,
	  "bytes a second" },
	{ "iopslimit", "IOPSLIMIT", 9, get_limit, SPEC_IOPSLIMIT, NULL, "" },
	{ "laverage", "LAVERAGE", -14, get_laverage, 0, NULL,
	  "over 1, 5, 15 minutes" },
	{ "uptime", "UPTIME", 17, get_uptime, 0, NULL, "" },
	{ "rx", "RX", 14, get_net, 0, NULL, "bytes received" },
	{ "tx", "TX", 14, get_net, 1, NULL, "bytes sent" },
	{ "diskspace", "1KBLOCKS", 10, get_quota, LIMIT_SPACE, NULL,
	  "KiB; .s, .h: its limits" },
	{ "diskspace.s", "DQ_SOFT", 10, get_quota, LIMIT_SPACE | SOFT, NULL,
	  NULL },
	{ "diskspace.h", "DQ_HARD", 10, get_quota, LIMIT_SPACE | HARD, NULL,
	  NULL },
	{ "diskinodes", "DQINODES", 10, get_quota, LIMIT_INODES, NULL,
	  "inodes; .s, .h: its limits" },
	{ "diskinodes.s", "DI_SOFT", 10, get_quota, LIMIT_INODES | SOFT, NULL,
	  NULL },
	{ "diskinodes.h", "DI_HARD", 10, get_quota, LIMIT_INODES | HARD, NULL,
	  NULL },
};

/* Titles of beancounters: vzlist's for those that people look at. */
static const struct ctfield beans[] = {
#define BEAN(n, t, k)                                                          \
	{ n, t, 10, get_bean, 'h', k, NULL },                                  \
		{ n ".m", t ".M", 10, get_bean, 'm', k, NULL },                \
		{ n ".b", t ".B", 10, get_bean, 'b', k, NULL },                \
		{ n ".l", t ".L", 10, get_bean, 'l', k, NULL },                \
	{                                                                      \
		n ".f", t ".F", 10, get_bean, 'f', k, NULL                     \
	}
	BEAN("numproc", "NPROC", "NUMPROC"),
	BEAN("physpages", "PHYSP", "PHYSPAGES"),
	BEAN("swappages", "SWAPP", "SWAPPAGES"),
	BEAN("kmemsize", "KMEMSIZE", "KMEMSIZE"),
	BEAN("lockedpages", "LOCKEDP", "LOCKEDPAGES"),
	BEAN("privvmpages", "PRIVVMP", "PRIVVMPAGES"),
	BEAN("shmpages", "SHMP", "SHMPAGES"),
	BEAN("vmguarpages", "VMGUARP", "VMGUARPAGES"),
	BEAN("oomguarpages", "OOMGUARP", "OOMGUARPAGES"),
	BEAN("numtcpsock", "TCPSOCK", "NUMTCPSOCK"),
	BEAN("numothersock", "OTHSOCK", "NUMOTHERSOCK"),
	BEAN("numflock", "FLOCK", "NUMFLOCK"),
	BEAN("numpty", "PTY", "NUMPTY"),
	BEAN("numsiginfo", "SIGINFO", "NUMSIGINFO"),
	BEAN("tcpsndbuf", "TCPSNDB", "TCPSNDBUF"),
	BEAN("tcprcvbuf", "TCPRCVB", "TCPRCVBUF"),
	BEAN("othersockbuf", "OTHSOCKB", "OTHERSOCKBUF"),
	BEAN("dgramrcvbuf", "DGRAMRB", "DGRAMRCVBUF"),
	BEAN("dcachesize", "DCACHESZ", "DCACHESIZE"),
	BEAN("numfile", "NFILE", "NUMFILE"),
	BEAN("numiptent", "IPTENT", "NUMIPTENT"),
};

const struct ctfield *ctfield_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (strcmp(fields[i].name, name) == 0)
			return &fields[i];
	for (size_t i = 0; i < ARRAY_SIZE(beans); i++)
		if (strcmp(beans[i].name, name) == 0)
			return &beans[i];
	return NULL;
}

const char *ctfield_part(const struct ctfield *f)
{
	if (f->get == get_bean)
		return "held";
	return f->get == get_quota ? "usage" : NULL;
}

const struct ctfield *ctfield_next(const struct ctfield *f)
{
	if (!f)
		return fields;
	if (f == fields + ARRAY_SIZE(fields) - 1)
		return beans;
	if (f == beans + ARRAY_SIZE(beans) - 1)
		return NULL;
	return f + 1;
}

/* ---- rows --------------------------------------------------------------------------- */

int ctfield_begin(struct ctfield_row *row, struct catalog *catalog,
		  const char *store, const struct container *one)
{
	struct why why = { "" };
	struct conf *own = NULL;
	int r;

	*row = (struct ctfield_row){ .catalog = catalog,
				     .store = store,
				     .one = one };
	ctlook_at(one, &row->look);
	if (ctwords_own(one, &own, &why) < 0)
		own = conf_new();
	r = own ? ctlive_read(one, &row->look.run, own, &row->own) : -ENOMEM;
	conf_free(own);
	if (r == 0 &&
	    ctwords_global(catalog_dir(catalog), &row->global, &why) < 0) {
		row->global = conf_new();
		r = row->global ? 0 : -ENOMEM;
	}
	/* what is wrong in them is told by those who use them */
	if (r == 0)
		ctwords_parse(row->own, row->global, one->id, &row->spec, &why);
	return r;
}

void ctfield_end(struct ctfield_row *row)
{
	ctlook_end(&row->look);
	spec_free(&row->spec);
	conf_free(row->own);
	conf_free(row->global);
}
