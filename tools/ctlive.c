/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/ctlive.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fs/base/cleanup.h"
#include "fs/base/fdio.h"
#include "fs/base/log.h"
#include "tools/ct/jail.h"
#include "tools/ct/jailmount.h"
#include "tools/ct/net.h"
#include "tools/ct/netfiles.h"
#include "tools/ctwords.h"

#define LIVE "live"
#define LIVE_OF "LIVE_OF"

/* Of these the kernel or the host may know nothing. */
#define MAY_LACK                                                               \
	((1u << SPEC_IOPRIO) | (1u << SPEC_IOLIMIT) | (1u << SPEC_IOPSLIMIT) | \
	 (1u << SPEC_SWAP))

/* ---- what it is ----------------------------------------------------------------- */

static void name_run(const struct runstate *run, char text[64])
{
	snprintf(text, 64, "%d:%" PRIu64, run->init, run->started);
}

int ctlive_read(const struct container *one, const struct runstate *run,
		const struct conf *own, struct conf **out)
{
	_cleanup_(conf_freep) struct conf *c = NULL;
	_cleanup_close_ int dir = fdio_openat(one->dir, RUNSTATE_FOLDER,
					      O_RDONLY | O_DIRECTORY, 0);
	char now[64], was[64] = "";
	int r;

	name_run(run, now);
	if (run->init && dir >= 0 && conf_read(dir, LIVE, &c) == 0)
		conf_get(c, LIVE_OF, was, sizeof(was));
	if (strcmp(now, was) != 0) {
		conf_free(c);
		c = conf_new();
		r = c ? conf_merge(c, own) : -ENOMEM;
		if (r < 0)
			return r;
	}
	*out = TAKE_PTR(c);
	return 0;
}

int ctlive_write(const struct container *one, const struct runstate *run,
		 struct conf *live)
{
	_cleanup_close_ int dir = fdio_openat(one->dir, RUNSTATE_FOLDER,
					      O_RDONLY | O_DIRECTORY, 0);
	char now[64];
	int r = dir;

	name_run(run, now);
	if (r >= 0)
		r = conf_set(live, LIVE_OF, now);
	return r < 0 ? r : conf_write(live, dir, LIVE);
}

void ctlive_end(const struct container *one, const char *net)
{
	_cleanup_(conf_freep) struct conf *c = NULL;
	_cleanup_close_ int dir = fdio_openat(one->dir, RUNSTATE_FOLDER,
					      O_RDONLY | O_DIRECTORY, 0);
	struct spec spec = { .base = 0 };
	struct why why = { "" };

	if (dir < 0 || conf_read(dir, LIVE, &c) < 0)
		return;
	/* what is wrong with other lines does not matter */
	ctwords_parse(c, NULL, one->id, &spec, &why);
	why.text[0] = '\0';
	spec.net.mode = SPEC_NET_PRIVATE;
	if (net_down(&spec.net, net, &why) == 0)
		unlinkat(dir, LIVE, 0);
	else
		log_warn("container %s: %s", one->id, why.text);
	spec_free(&spec);
}

/* ---- changing it ---------------------------------------------------------------- */

struct change {
	const struct container *one;
	const struct runstate *run;
	struct cgroup *group;
	int proc;  /* /proc of its init */
	bool back; /* to what it was: as far as that goes */
	struct why *why;
};

/* What has no limit any more has what is usual. */
static const uint64_t usual[SPEC_NUMBERS] = {
	[SPEC_CPUUNITS] = 1000,		 [SPEC_CPULIMIT] = SPEC_UNLIMITED,
	[SPEC_RAM] = SPEC_UNLIMITED,	 [SPEC_SWAP] = SPEC_UNLIMITED,
	[SPEC_NUMPROC] = SPEC_UNLIMITED, [SPEC_IOPRIO] = 4,
	[SPEC_IOLIMIT] = SPEC_UNLIMITED, [SPEC_IOPSLIMIT] = SPEC_UNLIMITED,
};

static void all_of(const char *now, const char *file, char out[SPEC_LIST])
{
	_cleanup_close_ int fd = -1;
	ssize_t n;

	snprintf(out, SPEC_LIST, "%s", now);
	if (now[0])
		return;
	fd = open(file, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? 0 : read(fd, out, SPEC_LIST - 1);
	out[n > 0 ? n : 0] = '\0';
	out[strcspn(out, "\n")] = '\0';
}

/* The limits that differ. */
static struct spec_limits difference(const struct spec_limits *from,
				     const struct spec_limits *to)
{
	struct spec_limits d = { .given = 0 };

	for (unsigned i = 0; i < SPEC_NUMBERS; i++) {
		enum spec_number n = (enum spec_number)i;
		uint64_t a = spec_gives(from, n) ? from->number[n] : usual[n];
		uint64_t b = spec_gives(to, n) ? to->number[n] : usual[n];

		if (a != b)
			spec_give(&d, n, b);
	}
	if (strcmp(from->cpumask, to->cpumask) != 0)
		all_of(to->cpumask, "/sys/devices/system/cpu/online",
		       d.cpumask);
	if (strcmp(from->nodemask, to->nodemask) != 0)
		all_of(to->nodemask, "/sys/devices/system/node/online",
		       d.nodemask);
	return d;
}

static int change_limits(struct change *c, const struct spec *from,
			 const struct spec *to)
{
	struct spec_limits d = difference(&from->limits, &to->limits);
	struct why said = { "" };
	int r;

	if (!d.given && !d.cpumask[0] && !d.nodemask[0])
		return 0;
	r = cgroup_set(c->group, &d, MAY_LACK, &said);
	if (said.text[0])
		why_set(c->why, r, "container %s: %s", c->one->id, said.text);
	return r;
}

static bool same_device(const struct spec_device *a,
			const struct spec_device *b)
{
	return strcmp(a->name, b->name) == 0 && a->type == b->type &&
	       a->major == b->major && a->minor == b->minor &&
	       a->read == b->read && a->write == b->write;
}

static bool has_device(const struct spec *s, const struct spec_device *d)
{
	for (size_t i = 0; i < s->n_device; i++)
		if (same_device(&s->device[i], d))
			return true;
	return false;
}

static bool same_devices(const struct spec *a, const struct spec *b)
{
	bool same = a->n_device == b->n_device;

	for (size_t i = 0; same && i < a->n_device; i++)
		same = has_device(b, &a->device[i]);
	return same;
}

/*
 * Its /dev as a directory: only if that is still the tmpfs that we made, and no
 * link of the container's is followed on the way.
 */
static int open_dev(struct change *c)
{
	_cleanup_close_ int root =
		openat(c->proc, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int dev = -1;
	struct statfs fs;

	if (root < 0)
		return -errno;
	dev = jailmount_open(root, "dev", O_RDONLY | O_DIRECTORY);
	if (dev >= 0 && fstatfs(dev, &fs) < 0)
		return -errno;
	return dev >= 0 && fs.f_type != TMPFS_MAGIC ? -EXDEV : TAKE_FD(dev);
}

/* The directory of a node below /dev, made where it is missing. */
static int open_parent(int dev, const char *name, const char **last)
{
	_cleanup_close_ int at = fcntl(dev, F_DUPFD_CLOEXEC, 0);
	char part[64];

	for (const char *slash; at >= 0 && (slash = strchr(name, '/'));
	     name = slash + 1) {
		int next;

		snprintf(part, sizeof(part), "%.*s", (int)(slash - name), name);
		if (mkdirat(at, part, 0755) < 0 && errno != EEXIST)
			return -errno;
		next = fdio_openat(at, part, O_RDONLY | O_DIRECTORY, 0);
		if (next < 0)
			return next;
		close(at);
		at = next;
	}
	*last = name;
	return at < 0 ? -errno : TAKE_FD(at);
}

static bool is_node(const struct stat *st, const struct spec_device *d)
{
	return (st->st_mode & S_IFMT) == (d->type == 'b' ? S_IFBLK : S_IFCHR) &&
	       st->st_rdev == makedev(d->major, d->minor);
}

/*
 * The node that was just made, to its root. Its root sees it come, and may have
 * put another one there since, or mounted a file of the host's over it: that
 * one is not given away.
 */
static int give_node(struct change *c, int dir, const char *last,
		     const struct spec_device *d)
{
	_cleanup_close_ int fd = fdio_openat(dir, last, O_PATH, 0);
	struct stat in = { 0 }, st = { 0 };
	int r = fd < 0 ? fd : fdio_stat(dir, &in);

	if (r == 0)
		r = fdio_stat(fd, &st);
	if (r < 0)
		return r;
	if (st.st_dev != in.st_dev || !is_node(&st, d))
		return -EXDEV;
	return fchownat(fd, "", c->run->base, c->run->base, AT_EMPTY_PATH) < 0
		       ? -errno
		       : 0;
}

/* 1: it is new; 0: there is something of that name. */
static int make_node(struct change *c, int dev, const struct spec_device *d)
{
	const mode_t type = d->type == 'b' ? S_IFBLK : S_IFCHR;
	const mode_t mode = (d->read ? 0440u : 0) | (d->write ? 0220u : 0);
	_cleanup_close_ int dir = -1;
	const char *last = d->name;
	int r = dir = open_parent(dev, d->name, &last);

	if (r < 0)
		return why_sys(c->why, r, "/dev/%s", d->name);
	if (mknodat(dir, last, type | mode, makedev(d->major, d->minor)) < 0) {
		if (errno == EEXIST)
			return 0;
		return why_sys(c->why, -errno, "/dev/%s", d->name);
	}
	r = give_node(c, dir, last, d);
	if (r < 0) {
		unlinkat(dir, last, 0);
		return why_sys(c->why, r, "/dev/%s", d->name);
	}
	return 1;
}

/* A node that is still that device: was it there? */
static bool remove_node(int dev, const struct spec_device *d)
{
	_cleanup_close_ int dir = -1;
	const char *last = d->name;
	struct stat st;

	dir = open_parent(dev, d->name, &last);
	return dir >= 0 && fdio_statat(dir, last, &st) == 0 &&
	       is_node(&st, d) && unlinkat(dir, last, 0) == 0;
}

/* Does `to` have a node that `from` has not? */
static bool has_new_node(const struct spec *from, const struct spec *to)
{
	bool has = false;

	for (size_t i = 0; i < to->n_device && !has; i++)
		has = to->device[i].name[0] &&
		      !has_device(from, &to->device[i]);
	return has;
}

/* Those that go, then those that come; after an error all are as they were. */
static int change_nodes(struct change *c, int dev, const struct spec *from,
			const struct spec *to)
{
	const size_t n_from = from->n_device, n_to = to->n_device;
	_cleanup_free_ bool *gone = calloc(n_from + n_to + 1, sizeof(*gone));
	struct why none = { "" }, *why = c->why;
	int r = gone ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < n_from; i++)
		gone[i] = from->device[i].name[0] &&
			  !has_device(to, &from->device[i]) &&
			  remove_node(dev, &from->device[i]);
	for (size_t i = 0; r >= 0 && i < n_to; i++) {
		if (!to->device[i].name[0] || has_device(from, &to->device[i]))
			continue;
		r = make_node(c, dev, &to->device[i]);
		gone[n_from + i] = r > 0;
	}
	if (r >= 0 || !gone)
		return r < 0 ? r : 0;
	c->why = &none;
	for (size_t i = 0; i < n_to; i++)
		if (gone[n_from + i])
			remove_node(dev, &to->device[i]);
	for (size_t i = 0; i < n_from; i++)
		if (gone[i])
			make_node(c, dev, &from->device[i]);
	c->why = why;
	return r;
}

static int limit_devices(struct change *c, const struct spec *s)
{
	_cleanup_free_ struct spec_device *list = NULL;
	int r = jail_devices(s, &list);

	return r < 0 ? r : cgroup_devices(c->group, list, (size_t)r, c->why);
}

/*
 * Without its /dev, over which it may have mounted another, it gets nothing
 * new; but what it has is taken away from it, and its node is of no use then.
 */
static int change_devices(struct change *c, const struct spec *from,
			  const struct spec *to)
{
	struct why none = { "" }, *why = c->why;
	_cleanup_close_ int dev = -1;
	int r;

	if (same_devices(from, to))
		return 0;
	r = dev = open_dev(c);
	if (r < 0 && has_new_node(from, to) && !c->back)
		return why_sys(c->why, r, "its /dev");
	r = limit_devices(c, to);
	if (r < 0 || dev < 0)
		return r;
	r = change_nodes(c, dev, from, to);
	if (r < 0) {
		c->why = &none;
		limit_devices(c, from);
		c->why = why;
	}
	return r;
}

static bool same_net(const struct spec_net *a, const struct spec_net *b)
{
	bool same = a->n_ip == b->n_ip && a->n_netif == b->n_netif;

	for (size_t i = 0; same && i < a->n_ip; i++)
		same = a->ip[i].family == b->ip[i].family &&
		       a->ip[i].prefix == b->ip[i].prefix &&
		       memcmp(a->ip[i].bytes, b->ip[i].bytes, 16) == 0;
	for (size_t i = 0; same && i < a->n_netif; i++) {
		const struct spec_netif *x = &a->netif[i], *y = &b->netif[i];

		same = strcmp(x->name, y->name) == 0 &&
		       strcmp(x->host_name, y->host_name) == 0 &&
		       strcmp(x->bridge, y->bridge) == 0 &&
		       x->has_mac == y->has_mac &&
		       x->has_host_mac == y->has_host_mac &&
		       memcmp(x->mac, y->mac, 6) == 0 &&
		       memcmp(x->host_mac, y->host_mac, 6) == 0;
	}
	return same;
}

static int change_net(struct change *c, const struct spec *from,
		      const struct spec *to)
{
	_cleanup_close_ int ns = -1;
	struct spec_net net = to->net;

	if (same_net(&from->net, &to->net))
		return 0;
	/* whose network it is does not change before the next start */
	net.mode = from->net.mode;
	if (net.mode != SPEC_NET_PRIVATE)
		return why_set(c->why, -EINVAL,
			       "container %s has no network of its own to "
			       "change: NET is %s",
			       c->one->id,
			       net.mode == SPEC_NET_HOST ? "host" : "none");
	ns = openat(c->proc, "ns/net", O_RDONLY | O_CLOEXEC);
	if (ns < 0)
		return why_sys(c->why, -errno, "its network");
	return net_change(&from->net, &net, c->run->net, ns, c->why);
}

/* The name is changed by a child: we stay whom we are. */
static int change_hostname(struct change *c, const struct spec *from,
			   const struct spec *to)
{
	const char *name = to->hostname[0] ? to->hostname : to->id;
	const char *was = from->hostname[0] ? from->hostname : from->id;
	_cleanup_close_ int ns = -1;
	int status = 0;
	pid_t pid;

	if (strcmp(name, was) == 0)
		return 0;
	ns = openat(c->proc, "ns/uts", O_RDONLY | O_CLOEXEC);
	pid = ns < 0 ? -1 : fork();
	if (pid == 0)
		_exit(setns(ns, CLONE_NEWUTS) < 0 ||
		      sethostname(name, strlen(name)) < 0);
	if (pid < 0)
		return why_sys(c->why, -errno, "its hostname");
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status ? why_set(c->why, -EPERM, "its hostname cannot be set")
		      : 0;
}

static bool same_names(const struct spec *a, const struct spec *b)
{
	return strcmp(a->hostname, b->hostname) == 0 &&
	       strcmp(a->nameserver, b->nameserver) == 0 &&
	       strcmp(a->searchdomain, b->searchdomain) == 0 &&
	       same_net(&a->net, &b->net);
}

/* In its files, as a start writes them; a line that is taken away stays there. */
static int change_names(struct change *c, const struct spec *from,
			const struct spec *to)
{
	_cleanup_close_ int root = -1;
	struct why none = { "" };
	int r;

	if (same_names(from, to))
		return 0;
	root = open(c->one->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return why_sys(c->why, -errno, "%s", c->one->root);
	r = netfiles_write(root, to, c->why);
	if (r < 0)
		netfiles_write(root, from, &none);
	return r;
}

typedef int (*change_fn)(struct change *c, const struct spec *from,
			 const struct spec *to);

static const change_fn steps[] = {
	change_limits,	 change_devices, change_net,
	change_hostname, change_names,
};

static int run_steps(struct change *c, const struct spec *from,
		     const struct spec *to)
{
	struct why none = { "" }, *why = c->why;
	int r = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(steps); i++) {
		r = steps[i](c, from, to);
		if (r == 0)
			continue;
		/* in the reverse order, each back to what it was */
		c->why = &none;
		c->back = true;
		while (i-- > 0)
			steps[i](c, to, from);
		c->why = why;
		break;
	}
	return r;
}

int ctlive_change(const struct container *one, const struct runstate *run,
		  const struct spec *from, const struct spec *to,
		  struct why *why)
{
	_cleanup_close_ int proc = -1, pidfd = runstate_pidfd(one, run);
	struct change c = { .one = one, .run = run, .why = why };
	char path[32];
	int r = pidfd;

	snprintf(path, sizeof(path), "/proc/%d", run->init);
	if (r >= 0)
		r = proc = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (r < 0)
		return why_set(why, -ESRCH, "container %s has just ended",
			       one->id);
	c.proc = proc;
	r = cgroup_open(&c.group, run->group, false, 0, why);
	if (r == 0)
		r = run_steps(&c, from, to);
	cgroup_free(c.group);
	return r;
}
