/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/inside.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "fs/base/cleanup.h"
#include "fs/base/clock.h"
#include "fs/base/fdio.h"
#include "fs/base/log.h"
#include "fs/proc/procfiles.h"
#include "fs/proc/procmount.h"
#include "fs/quotalink.h"
#include "tools/ct/jailmount.h"
#include "tools/ct/notify.h"
#include "tools/ct/procserve.h"

/*
 * sysinfo(2) says what /proc/meminfo and /proc/loadavg say, by reading them,
 * and sched_getaffinity(2) what /sys/devices/system/cpu does: two ways to ask
 * cannot have two answers.
 *
 * The supervisor lives in the container's time, by which uptime counts; the
 * server of /proc works that out itself.
 *
 * A server that dies again and again is not made again: `quick` counts.
 */
#define QUICK_NS (200 * CLOCK_MS)
#define QUICK_MOST 20
#define QUOTA_MS 5000
#define COVERS 64
#define CPUS_MAX 8192
#define ROOT_DEVICE "/dev/simfs"

enum { MEMINFO, LOADAVG, CPU, TEXTS };
static const char *const texts[TEXTS] = { "proc/meminfo", "proc/loadavg",
					  "sys/devices/system/cpu" };
/* What is read of a directory. */
static const char *const within[TEXTS] = { [CPU] = "online" };

struct inside {
	struct inside_plan plan;
	dev_t dev;
	struct group_paths groups; /* owned */
	struct procserve *server;
	struct notify *notify;
	/*
	 * As paths only: whoever dies with a file of FUSE open waits for its
	 * server to take note.
	 */
	int text[TEXTS];
	/*
	 * Its run/, opened once more: that of the plan is locked by the monitor
	 * for as long as one has it, and the server may live longer.
	 */
	int kept;
	pid_t init;
	uint64_t began;
	unsigned quick;
};

/* ---- virtual files ----------------------------------------------------------- */

/*
 * Shares, processors and disks are counted by the group above its payload's.
 * Tasks are those of any hierarchy of v1.
 */
static const struct place {
	enum group_dir dir;
	const char *controller;
	int part;
} places[] = {
	{ GROUP_MEMORY, "memory", CGROUP_PAYLOAD },
	{ GROUP_CPU, "cpu", -1 },
	{ GROUP_CPUACCT, "cpuacct", -1 },
	{ GROUP_CPUSET, "cpuset", -1 },
	{ GROUP_BLKIO, "blkio", -1 },
	{ GROUP_PIDS, "pids", CGROUP_PAYLOAD },
	{ GROUP_TASKS, "pids", CGROUP_PAYLOAD },
	{ GROUP_TASKS, "memory", CGROUP_PAYLOAD },
	{ GROUP_TASKS, "cpu", CGROUP_PAYLOAD },
	{ GROUP_TASKS, "cpuacct", CGROUP_PAYLOAD },
	{ GROUP_UNIFIED, "", -1 },
};

static bool has_tasks(const char *dir)
{
	char path[PATH_MAX + 8];

	snprintf(path, sizeof(path), "%s/tasks", dir);
	return access(path, F_OK) == 0;
}

static int find_groups(struct inside *in)
{
	char path[PATH_MAX];

	for (unsigned i = 0; i < ARRAY_SIZE(places); i++) {
		const char **dir = &in->groups.dir[places[i].dir];

		if (*dir || cgroup_path(in->plan.group, places[i].controller,
					places[i].part, path, sizeof(path)) < 0)
			continue;
		if (places[i].dir == GROUP_TASKS && !has_tasks(path))
			continue;
		*dir = strdup(path);
		if (!*dir)
			return -ENOMEM;
	}
	return 0;
}

static int start_server(struct inside *in, struct why *why)
{
	const struct spec *s = in->plan.spec;
	struct fuseproc_config cfg = {
		.source = { .init = in->init, .proc = -1 },
		.names = { .id = s->id,
			   .root_device = ROOT_DEVICE,
			   .root_type = "ext4",
			   .root_options = "usrquota,grpquota",
			   .own_source = PROCMOUNT_SOURCE,
			   .disk_major = major(in->dev),
			   .disk_minor = minor(in->dev) },
		.uid = s->base,
		.gid = s->base,
		.kept = in->kept,
	};
	int r = find_groups(in);

	if (r < 0)
		return why_sys(why, r, "its control groups");
	cfg.source.groups = in->groups;
	in->began = clock_now();
	return procserve_start(&in->server, &cfg, why);
}

/*
 * A stock procfs has no such names, and none can be made in it; /dev is ours.
 * Where the kernel has them (OpenVZ's, or a module) they are there too.
 */
static const struct {
	const char *path, *at;
} elsewhere[] = {
	{ "proc/user_beancounters", "/dev/vefs/user_beancounters" },
	{ "proc/vz", "/dev/vefs/vz" },
};

struct cover {
	const char *path;
	char at[64];
};

static void add_cover(struct cover covers[COVERS], unsigned *n,
		      const char *path, const char *at)
{
	if (*n == COVERS)
		return;
	covers[*n].path = path;
	snprintf(covers[*n].at, sizeof(covers[*n].at), "%s%s", at ? "" : "/",
		 at ? at : path);
	++*n;
}

static bool is_below(const char *path, const char *const *dirs)
{
	for (; *dirs; dirs++) {
		size_t len = strlen(*dirs);

		if (strncmp(path, *dirs, len) == 0 && path[len] == '/')
			return true;
	}
	return false;
}

/* What is to be put over files; how many. */
static unsigned list_covers(struct cover covers[COVERS])
{
	const char *const *dirs = procfiles_dirs();
	const struct procfiles_row *rows;
	unsigned n = 0, count;

	rows = procfiles_table(&count);
	for (unsigned i = 0; dirs[i]; i++)
		add_cover(covers, &n, dirs[i], NULL);
	for (unsigned i = 0; i < count; i++)
		if (rows[i].bind && !is_below(rows[i].path, dirs))
			add_cover(covers, &n, rows[i].path, NULL);
	for (unsigned i = 0; i < ARRAY_SIZE(elsewhere); i++)
		add_cover(covers, &n, elsewhere[i].path, elsewhere[i].at);
	return n;
}

/* One part, which is closed. */
static int put_cover(struct inside *in, struct launch *l, const struct cover *c,
		     int part)
{
	int r = launch_cover(l, c->at, part);

	for (unsigned i = 0; r >= 0 && i < TEXTS; i++)
		if (strcmp(c->path, texts[i]) == 0)
			r = in->text[i] = fcntl(part, F_DUPFD_CLOEXEC, 3);
	close(part);
	return r < 0 ? r : 0;
}

/* Pressure, by the group's own files, which can be waited for; what its group
 * does not tell is the host's, and is not there. */
static int cover_pressure(const struct inside *in, struct launch *l)
{
	static const char *const names[] = { "cpu", "io", "memory" };
	const char *group = in->groups.dir[GROUP_UNIFIED];
	static const struct jailmount_option option[] = { { "mode", "0555" },
							  { NULL, NULL } };
	int r = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(names) && r == 0; i++) {
		_cleanup_close_ int file = procserve_pressure(
			group, names[i], in->plan.spec->base);
		char at[64];

		r = file;
		snprintf(at, sizeof(at), "/proc/pressure/%s", names[i]);
		if (r >= 0)
			r = launch_cover(l, at, file);
	}
	if (r == -ENOENT || r == -EOPNOTSUPP) {
		_cleanup_close_ int none = jailmount_new(
			"tmpfs",
			MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID |
				MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
			option);

		r = none < 0 ? none : launch_cover(l, "/proc/pressure", none);
	}
	return r < 0 ? r : 0;
}

static int cover_all(struct inside *in, struct launch *l, struct why *why)
{
	struct cover covers[COVERS];
	const char *paths[COVERS], *failed = "all";
	unsigned n = list_covers(covers);
	int parts[COVERS];
	int r, err;

	for (unsigned i = 0; i < n; i++)
		paths[i] = covers[i].path;
	r = err = procserve_parts(in->server, paths, n, parts);
	for (unsigned i = 0; r == 0 && i < n; i++) {
		int one = put_cover(in, l, &covers[i], parts[i]);

		if (one < 0 && err == 0) {
			err = one;
			failed = covers[i].path;
		}
	}
	if (err == 0) {
		err = cover_pressure(in, l);
		failed = "pressure";
	}
	return err < 0 ? why_sys(why, err, "virtual files: %s", failed) : 0;
}

/* ---- system calls, in the supervisor ------------------------------------------ */

struct answers {
	struct quotalink *link;
	int text[TEXTS];
};

static void *answers_begin(void *ctx)
{
	static struct answers a;
	struct inside *in = ctx;

	launch_enter_time(in->init);
	for (int i = 0; i < TEXTS; i++)
		a.text[i] = within[i] ? openat(in->text[i], within[i],
					       O_RDONLY | O_CLOEXEC)
				      : fdio_reopen(in->text[i], O_RDONLY);
	a.link = quotalink_new(in->dev, QUOTA_MS);
	return a.link ? &a : NULL;
}

static int answers_quota(void *self, const char *request, char *answer,
			 size_t len)
{
	const struct answers *a = self;

	return quotalink_ask(a->link, request, answer, len);
}

/* "MemTotal:  123 kB", in bytes; 0: it has no such row. */
static uint64_t row(const char *text, const char *name)
{
	const char *at = strstr(text, name);
	unsigned long long kib = 0;

	if (at && sscanf(at + strlen(name), ": %llu", &kib) != 1)
		kib = 0;
	return kib * 1024;
}

static int read_text(const struct answers *a, int which, char *text,
		     size_t size)
{
	ssize_t n = fdio_pread_full(a->text[which], text, size - 1, 0);

	if (n < 0)
		return (int)n;
	text[n] = '\0';
	return 0;
}

static int answers_sysinfo(void *self, struct notifyabi_sysinfo *out)
{
	const struct answers *a = self;
	struct notifyabi_sysinfo s = { .uptime = 0 };
	char mem[4096], load[128];
	struct timespec now;
	double avg[3] = { 0, 0, 0 };
	int r = read_text(a, MEMINFO, mem, sizeof(mem));

	if (r == 0)
		r = read_text(a, LOADAVG, load, sizeof(load));
	if (r < 0)
		return r;
	clock_gettime(CLOCK_BOOTTIME, &now);
	s.uptime = now.tv_sec;
	s.total_ram = row(mem, "MemTotal");
	s.free_ram = row(mem, "MemFree");
	s.shared_ram = row(mem, "Shmem");
	s.buffer_ram = row(mem, "Buffers");
	s.total_swap = row(mem, "SwapTotal");
	s.free_swap = row(mem, "SwapFree");
	if (sscanf(load, "%lf %lf %lf %*u/%u", &avg[0], &avg[1], &avg[2],
		   &s.procs) != 4)
		return -EIO;
	for (int i = 0; i < 3; i++)
		s.load[i] = (uint32_t)(avg[i] * 65536);
	*out = s;
	return 0;
}

/* "0-3" or "0". */
static unsigned answers_cpus(void *self)
{
	unsigned first = 0, last = 0;
	char text[64];
	int n;

	if (read_text(self, CPU, text, sizeof(text)) < 0)
		return 0;
	n = sscanf(text, "%u-%u", &first, &last);
	if (n < 1 || first > 0 || last >= CPUS_MAX)
		return 0;
	return last + 1;
}

/* ---- from beginning to end ----------------------------------------------------- */

int inside_new(struct inside **out, const struct inside_plan *p,
	       struct why *why)
{
	struct inside *in = calloc(1, sizeof(*in));
	struct stat st;
	int r;

	if (!in)
		return why_sys(why, -ENOMEM, "virtual files");
	in->plan = *p;
	for (unsigned i = 0; i < TEXTS; i++)
		in->text[i] = -1;
	in->kept = fdio_openat(p->run, ".", O_RDONLY | O_DIRECTORY, 0);
	r = in->kept < 0 ? in->kept : 0;
	if (r == 0)
		r = stat(p->root, &st) < 0 ? -errno
					   : notify_new(&in->notify, NULL);
	if (r < 0) {
		cleanup_closep(&in->kept);
		free(in);
		return why_sys(why, r, "%s", p->root);
	}
	in->dev = st.st_dev;
	*out = in;
	return 0;
}

void inside_end(struct inside *in)
{
	/* Who answers has files that are served. */
	notify_free(in->notify);
	in->notify = NULL;
	if (in->server)
		procserve_end(in->server);
}

void inside_free(struct inside *in)
{
	if (!in)
		return;
	inside_end(in);
	if (in->server)
		procserve_stop(in->server);
	for (unsigned i = 0; i < TEXTS; i++)
		cleanup_closep(&in->text[i]);
	cleanup_closep(&in->kept);
	for (unsigned i = 0; i < GROUP_DIRS; i++)
		free((void *)(uintptr_t)in->groups.dir[i]);
	free(in);
}

int inside_sender(const struct inside *in, unsigned *answered)
{
	const struct spec *s = in->plan.spec;

	*answered = (s->quotactl ? NOTIFY_QUOTA : 0) |
		    (s->sysinfo ? NOTIFY_SYSINFO : 0) |
		    (s->affinity ? NOTIFY_AFFINITY : 0);
	return notify_sender(in->notify);
}

int inside_begin(struct inside *in, struct launch *l, struct why *why)
{
	int r;

	in->init = l->pid;
	r = start_server(in, why);
	return r < 0 ? r : cover_all(in, l, why);
}

int inside_go(struct inside *in, struct why *why)
{
	const struct spec *s = in->plan.spec;
	struct notify_config cfg = {
		.ops = { .begin = answers_begin,
			 .quota = answers_quota,
			 .sysinfo = answers_sysinfo,
			 .cpus = answers_cpus },
		.ctx = in,
		.dev = in->dev,
		.dev_name = ROOT_DEVICE,
		.base = s->base,
		.count = s->count,
		/* Without a user namespace its root has not all of them. */
		.admin_caps = 1ull << CAP_SYS_ADMIN |
			      (s->count ? 0 : 1ull << CAP_CHOWN),
		/* A system does call, and is to be answered without us. */
		.lazy = in->plan.once,
		.keep = { in->text[MEMINFO], in->text[LOADAVG], in->text[CPU] },
		.n_keep = TEXTS,
	};
	unsigned answered;
	int r = 0;

	inside_sender(in, &answered);
	if (!answered)
		return 0;
	r = notify_userns(in->init, &cfg.userns);
	if (r == 0)
		r = notify_begin(in->notify, &cfg);
	return r < 0 ? why_sys(why, r, "answering its system calls") : 0;
}

int inside_files(const struct inside *in, unsigned kind)
{
	return in && in->server ? procserve_mount(in->server, kind) : -1;
}

int inside_fd(const struct inside *in)
{
	return notify_fd(in->notify);
}

void inside_handle(struct inside *in)
{
	int r = notify_serve(in->notify);

	if (r < 0)
		log_warn("container %s: nobody answers its system calls: %s",
			 in->plan.spec->id, strerror(-r));
}

bool inside_has(const struct inside *in, int fd)
{
	return notify_has(in->notify, fd);
}

bool inside_reaped(struct inside *in, pid_t pid)
{
	int r;

	if (!in->server || pid != procserve_pid(in->server))
		return false;
	procserve_reaped(in->server);
	in->quick = clock_now() - in->began < QUICK_NS ? in->quick + 1 : 0;
	in->began = clock_now();
	r = in->quick < QUICK_MOST ? procserve_again(in->server, in->init)
				   : -EIO;
	if (r < 0) {
		log_error("container %s: its /proc is not served any more: %s",
			  in->plan.spec->id, strerror(-r));
		/* Who reads it gets an error and does not wait. */
		procserve_stop(in->server);
		in->server = NULL;
	} else {
		log_warn("container %s: the server of its /proc died: another "
			 "one serves",
			 in->plan.spec->id);
	}
	return true;
}
