/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/ctwords.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "fs/base/cleanup.h"
#include "fs/base/fdio.h"
#include "tools/ct/idrange.h"
#include "tools/ctchange.h"
#include "tools/ctmean.h"

/*
 * A line is found by its key, in the container's own lines and then in the
 * global ones; an empty value is as good as no line, and hides a global one.
 */
#define GLOBAL "/etc/vefs"
#define STORE "/var/lib/vefs"
#define LAST_UID 0xfffe0000u

/* ---- the table --------------------------------------------------------------- */

#define NUMBER(o, k, n, lo, hi, how)                                           \
	{                                                                      \
		.option = o, .key = k, .when = CTWORD_LIVE,                    \
		.take = ctmean_##how, .number = n, .min = lo, .max = hi        \
	}
#define LIMIT(o, k, n, u, lo, c)                                               \
	{                                                                      \
		.option = o, .key = k, .when = CTWORD_LIVE,                    \
		.take = ctmean_beans, .change = c, .number = n,                \
		.unit = CTVALUE_##u, .min = lo                                 \
	}
#define BEANS(o, k, u)                                                         \
	{                                                                      \
		.option = o, .key = k, .when = CTWORD_KEPT,                    \
		.take = ctmean_beans, .number = SPEC_NUMBERS,                  \
		.unit = CTVALUE_##u                                            \
	}
#define WORD(o, k, w, t, c)                                                    \
	{                                                                      \
		.option = o, .key = k, .when = CTWORD_##w, .take = t,          \
		.change = c, .number = SPEC_NUMBERS                            \
	}
#define TIME(o, a, k, t, lo, hi)                                               \
	{                                                                      \
		.option = o, .alias = a, .key = k, .when = CTWORD_KEPT,        \
		.take = t, .number = SPEC_NUMBERS, .min = lo, .max = hi        \
	}

const struct ctword ctwords_table[] = {
	/* who it is */
	WORD("hostname", "HOSTNAME", LIVE, ctmean_hostname, NULL),
	WORD("name", "NAME", KEPT, ctmean_name, NULL),
	WORD("description", "DESCRIPTION", KEPT, NULL, NULL),
	WORD("onboot", "ONBOOT", KEPT, ctmean_bool, NULL),
	TIME("bootorder", NULL, "BOOTORDER", ctmean_range, 0, UINT32_MAX),
	WORD("disabled", "DISABLED", KEPT, ctmean_bool, NULL),
	TIME("stop-timeout", "stop_timeout", "STOP_TIMEOUT",
	     ctmean_stop_timeout, 0, 86400),
	WORD("init", "INIT", START, ctmean_init, NULL),
	WORD("userns", "USERNS", START, ctmean_bool, NULL),
	/* limits; CPUS comes behind CPULIMIT: the smaller one counts */
	NUMBER("cpuunits", "CPUUNITS", SPEC_CPUUNITS, 8, 500000, number),
	NUMBER("cpulimit", "CPULIMIT", SPEC_CPULIMIT, 1, 1000000, percent),
	NUMBER("cpus", "CPUS", SPEC_CPULIMIT, 1, 10000, cpus),
	WORD("cpumask", "CPUMASK", LIVE, ctmean_cpumask, NULL),
	WORD("nodemask", "NODEMASK", LIVE, ctmean_nodemask, NULL),
	LIMIT("physpages", "PHYSPAGES", SPEC_RAM, PAGES, 1 << 20, NULL),
	LIMIT("ram", "PHYSPAGES", SPEC_RAM, PAGES, 1 << 20, ctchange_bytes),
	LIMIT("swappages", "SWAPPAGES", SPEC_SWAP, PAGES, 0, NULL),
	LIMIT("swap", "SWAPPAGES", SPEC_SWAP, PAGES, 0, ctchange_bytes),
	LIMIT("numproc", "NUMPROC", SPEC_NUMPROC, COUNT, 1, NULL),
	NUMBER("ioprio", "IOPRIO", SPEC_IOPRIO, 0, 7, number),
	{ .option = "iolimit",
	  .key = "IOLIMIT",
	  .when = CTWORD_LIVE,
	  .take = ctmean_iolimit,
	  .change = ctchange_iolimit,
	  .number = SPEC_IOLIMIT },
	NUMBER("iopslimit", "IOPSLIMIT", SPEC_IOPSLIMIT, 1, UINT32_MAX, lifted),
	/* other beancounters: nothing that the host's kernel could keep */
	BEANS("kmemsize", "KMEMSIZE", BYTES),
	BEANS("lockedpages", "LOCKEDPAGES", PAGES),
	BEANS("privvmpages", "PRIVVMPAGES", PAGES),
	BEANS("shmpages", "SHMPAGES", PAGES),
	BEANS("vmguarpages", "VMGUARPAGES", PAGES),
	BEANS("oomguarpages", "OOMGUARPAGES", PAGES),
	BEANS("numtcpsock", "NUMTCPSOCK", COUNT),
	BEANS("numothersock", "NUMOTHERSOCK", COUNT),
	BEANS("numflock", "NUMFLOCK", COUNT),
	BEANS("numpty", "NUMPTY", COUNT),
	BEANS("numsiginfo", "NUMSIGINFO", COUNT),
	BEANS("tcpsndbuf", "TCPSNDBUF", BYTES),
	BEANS("tcprcvbuf", "TCPRCVBUF", BYTES),
	BEANS("othersockbuf", "OTHERSOCKBUF", BYTES),
	BEANS("dgramrcvbuf", "DGRAMRCVBUF", BYTES),
	BEANS("dcachesize", "DCACHESIZE", BYTES),
	BEANS("numfile", "NUMFILE", COUNT),
	BEANS("numiptent", "NUMIPTENT", COUNT),
	BEANS("avnumproc", "AVNUMPROC", COUNT),
	/* network */
	WORD("net", "NET", START, ctmean_net, NULL),
	WORD("ipdel", "IP_ADDRESS", LIVE, ctmean_ip, ctchange_ipdel),
	WORD("ipadd", "IP_ADDRESS", LIVE, ctmean_ip, ctchange_ipadd),
	WORD("nameserver", "NAMESERVER", LIVE, ctmean_nameserver,
	     ctchange_list),
	WORD("searchdomain", "SEARCHDOMAIN", LIVE, ctmean_searchdomain,
	     ctchange_list),
	{ .option = "netfilter",
	  .key = "NETFILTER",
	  .when = CTWORD_KEPT,
	  .take = ctmean_netfilter,
	  .number = SPEC_NUMBERS,
	  .note = "it is kept, and changes nothing: in a network of its own a "
		  "container has all of the kernel's packet filter",
	  .unless = "full" },
	WORD("netif_del", "NETIF", LIVE, ctmean_netif, ctchange_netif_del),
	WORD("netif_add", "NETIF", LIVE, ctmean_netif, ctchange_netif_add),
	/* devices, capabilities, features */
	WORD("devnodes", "DEVNODES", LIVE, ctmean_devnodes, ctchange_devnodes),
	WORD("devices", "DEVICES", LIVE, ctmean_devices, ctchange_devices),
	WORD("capability", "CAPABILITY", START, ctmean_capability,
	     ctchange_switches),
	WORD("features", "FEATURES", START, ctmean_features, ctchange_features),
	/* quota; the ledger reads these itself (quotaconf.h) */
	WORD("diskquota", "DISK_QUOTA", MOUNT, ctmean_bool, NULL),
	WORD("diskspace", "DISKSPACE", LIVE, NULL, ctchange_diskspace),
	WORD("diskinodes", "DISKINODES", LIVE, NULL, ctchange_diskinodes),
	WORD("quotatime", "QUOTATIME", LIVE, NULL, ctchange_quotatime),
	WORD("quotaugidlimit", "QUOTAUGIDLIMIT", LIVE, NULL,
	     ctchange_ugidlimit),
	{ .option = NULL, .key = NULL },
};

const struct ctword *ctwords_option(const char *name)
{
	for (const struct ctword *w = ctwords_table; w->option; w++)
		if (strcmp(w->option, name) == 0 ||
		    (w->alias && strcmp(w->alias, name) == 0))
			return w;
	return NULL;
}

const char *ctwords_note(const char *name, const char *value)
{
	const struct ctword *w = ctwords_option(name);

	if (!w || !w->note || !value[0] || strcmp(value, w->unless) == 0)
		return NULL;
	return w->note;
}

/* ---- files ------------------------------------------------------------------- */

int ctwords_own(const struct container *one, struct conf **out, struct why *why)
{
	int r = conf_read(one->dir, CONTAINER_CONF, out);

	return r < 0 ? why_sys(why, r, "container %s: " CONTAINER_CONF, one->id)
		     : 0;
}

/* The directory of the configuration, and its file's name; or -errno. */
static int open_etc(int store, const char **name)
{
	struct stat usual, st;
	int fd;

	if (fstat(store, &st) == 0 && stat(STORE, &usual) == 0 &&
	    st.st_dev == usual.st_dev && st.st_ino == usual.st_ino) {
		*name = GLOBAL "/" CONTAINER_CONF;
		fd = open(GLOBAL, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	} else {
		*name = "the store's etc/" CONTAINER_CONF;
		fd = openat(store, "etc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	return fd < 0 ? -errno : fd;
}

/* The same for people; `where` is what open_etc() said. */
static const char *etc_path(int store, const char *where, char *path,
			    size_t size)
{
	char self[32];
	ssize_t n;

	if (where[0] == '/')
		return GLOBAL;
	snprintf(self, sizeof(self), "/proc/self/fd/%d", store);
	n = readlink(self, path, size - sizeof("/etc"));
	if (n < 0)
		return "the store's etc";
	memcpy(path + n, "/etc", sizeof("/etc"));
	return path;
}

static int global_of(int store, struct conf **out, const char **where,
		     struct why *why)
{
	_cleanup_close_ int etc = open_etc(store, where);
	int r = etc < 0 ? etc : conf_read(etc, CONTAINER_CONF, out);

	if (r == -ENOENT) {
		*out = conf_new();
		r = *out ? 0 : -ENOMEM;
	}
	return r < 0 ? why_sys(why, r, "%s", *where) : 0;
}

int ctwords_global(int store, struct conf **out, struct why *why)
{
	const char *where;

	return global_of(store, out, &where, why);
}

int ctwords_sample(int store, const char *name, struct conf **out,
		   struct why *why)
{
	static const char *const forms[2][2] = { { "", ".sample" },
						 { "ve-", ".conf-sample" } };
	_cleanup_close_ int etc = -1, dir = -1;
	const char *where = NULL;
	char file[NAME_MAX + 1], path[512];
	int r = -ENOENT;

	if (name[0] == '.' || strchr(name, '/') || strlen(name) > 200)
		return why_set(why, -EINVAL, "'%.100s' is no sample's name",
			       name);
	etc = open_etc(store, &where);
	if (etc >= 0)
		dir = openat(etc, "vefs.d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (unsigned i = 0; dir >= 0 && r == -ENOENT && i < 2; i++) {
		snprintf(file, sizeof(file), "%s%s%s", forms[i][0], name,
			 forms[i][1]);
		r = conf_read(dir, file, out);
	}
	if (r == -ENOENT)
		return why_set(why, r,
			       "there is no sample '%s': neither %s.sample nor "
			       "ve-%s.conf-sample is in %s/vefs.d",
			       name, name, name,
			       etc_path(store, where, path, sizeof(path)));
	return r < 0 ? why_sys(why, r, "sample %s", name) : 0;
}

/* ---- reading ----------------------------------------------------------------- */

struct lines {
	const struct conf *own, *global;
	const char *id, *where; /* of the global ones */
};

/* A value that is not empty: 1, 0, or -errno; is it the container's own? */
static int get(const struct lines *l, const char *key, char *value, bool *own)
{
	int r = conf_get(l->own, key, value, CTWORDS_VALUE);

	*own = r != -ENOENT;
	if (r == -ENOENT && l->global)
		r = conf_get(l->global, key, value, CTWORDS_VALUE);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	return value[0] != '\0';
}

static int wrong(const struct lines *l, const char *key, bool own, int r,
		 const struct why *said, struct why *why)
{
	const char *reason = said->text[0]	  ? said->text
			     : r == -ENAMETOOLONG ? "it is too long"
						  : strerror(-r);

	if (own)
		return why_set(why, r,
			       "container %s: %s in its " CONTAINER_CONF
			       ": %.500s",
			       l->id, key, reason);
	return why_set(why, r, "%s in %s: %.500s", key, l->where, reason);
}

/* Where its ids begin on the host. */
static int take_base(const struct lines *l, struct spec *s, struct why *why)
{
	char value[CTWORDS_VALUE];
	struct why said = { "" };
	bool on = true, own = false, asked;
	uint64_t base = 0;
	int r = get(l, "USERNS", value, &own);

	if (r > 0)
		r = ctvalue_bool(value, &on, &said) < 0 ? -EINVAL : 1;
	if (r < 0)
		return wrong(l, "USERNS", own, r, &said, why);
	asked = r > 0 && own;
	r = conf_get(l->own, "UIDBASE", value, sizeof(value));
	if (!on || (r == -ENOENT && !asked))
		return 0;
	if (r == -ENOENT)
		return why_set(why, -EINVAL,
			       "container %s: USERNS in its " CONTAINER_CONF
			       " is on, but it has no UIDBASE: 'vefs set %s "
			       "--userns on --save' gives it one",
			       l->id, l->id);
	if (r == 0)
		r = ctvalue_number(value, 1, LAST_UID, &base, &said);
	if (r < 0)
		return wrong(l, "UIDBASE", true, r, &said, why);
	s->base = (uint32_t)base;
	s->count = IDRANGE_COUNT;
	return 0;
}

/* Where nothing is said. */
static void say_nothing(const char *id, struct spec *out)
{
	*out = (struct spec){ .stop_timeout = 120,
			      .sysinfo = true,
			      .quotactl = true,
			      .affinity = true };
	snprintf(out->id, sizeof(out->id), "%s", id);
}

static int parse(const struct lines *l, struct spec *out, struct why *why)
{
	char value[CTWORDS_VALUE] = "";
	const char *done = "";
	int first = 0, r;
	bool own = false;

	say_nothing(l->id, out);
	for (const struct ctword *w = ctwords_table; w->key; w++) {
		struct why said = { "" };

		/* options with one key stand together */
		if (!w->take || strcmp(w->key, done) == 0)
			continue;
		done = w->key;
		r = get(l, w->key, value, &own);
		if (r > 0)
			r = w->take(w, value, out, &said);
		if (r < 0 && first == 0)
			first = wrong(l, w->key, own, r, &said, why);
	}
	r = take_base(l, out, why);
	return first < 0 ? first : r;
}

int ctwords_parse(const struct conf *own, const struct conf *global,
		  const char *id, struct spec *out, struct why *why)
{
	const struct lines l = { own, global, id, "the global configuration" };

	return parse(&l, out, why);
}

/* The lines of a container, from both files. */
static int read_lines(const struct container *one, struct lines *l,
		      struct why *why)
{
	_cleanup_close_ int store = -1;
	struct conf *own = NULL, *global = NULL;
	int r = ctwords_own(one, &own, why);

	*l = (struct lines){ .own = own, .id = one->id };
	if (r < 0)
		return r;
	store = openat(one->dir, "../..", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (store < 0)
		return why_sys(why, -errno, "container %s: its store", one->id);
	r = global_of(store, &global, &l->where, why);
	l->global = global;
	return r;
}

static void free_lines(struct lines *l)
{
	conf_free((struct conf *)(uintptr_t)l->own);
	conf_free((struct conf *)(uintptr_t)l->global);
}

int ctwords_read(const struct container *one, struct spec *out, struct why *why)
{
	_cleanup_(free_lines) struct lines l;
	struct why second = { "" };
	int r = read_lines(one, &l, why), err = 0;

	say_nothing(one->id, out);
	if (l.own)
		err = parse(&l, out, r < 0 ? &second : why);
	return r < 0 ? r : err;
}

int ctwords_ids(const struct container *one, struct spec *out, struct why *why)
{
	_cleanup_(free_lines) struct lines l;
	int r = read_lines(one, &l, why);

	*out = (struct spec){ .base = 0 };
	return r < 0 ? r : take_base(&l, out, why);
}

bool ctwords_wants_userns(const struct conf *own, const struct conf *global)
{
	const struct lines l = { own, global, "", "" };
	char value[CTWORDS_VALUE];
	bool on = true, mine;

	if (get(&l, "USERNS", value, &mine) > 0)
		ctvalue_bool(value, &on, NULL);
	return on;
}

int ctwords_boot(const struct container *one, struct ctwords_boot *out,
		 struct why *why)
{
	_cleanup_(free_lines) struct lines l;
	struct ctwords_boot b = { .on = false };
	char value[CTWORDS_VALUE];
	uint64_t order = 0;
	bool mine;
	int r = read_lines(one, &l, why);

	if (r < 0)
		return r;
	if (get(&l, "ONBOOT", value, &mine) > 0)
		ctvalue_bool(value, &b.on, NULL);
	if (get(&l, "DISABLED", value, &mine) > 0)
		ctvalue_bool(value, &b.disabled, NULL);
	if (get(&l, "BOOTORDER", value, &mine) > 0)
		b.has_order =
			ctvalue_number(value, 0, UINT32_MAX, &order, NULL) == 0;
	b.order = (uint32_t)order;
	*out = b;
	return 0;
}
