/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/proc/source.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "fs/base/cleanup.h"
#include "fs/base/clock.h"
#include "fs/proc/lastpid.h"
#include "fs/proc/procfd.h"
#include "fs/proc/procinside.h"
#include "fs/proc/proctasks.h"
#include "fs/proc/proctext.h"

/*
 * Each part has the time at which it was read; parts are read anew when they
 * are older than SOURCE_FRESH. Counting tasks costs by their number: not more
 * often than that it costs a fiftieth of the time.
 */
#define PARTS 7u
#define TASKS_SHARE 50u

struct source {
	pthread_mutex_t lock;
	struct group *group;
	struct proctasks_counter *counter;
	struct procstate *state;
	int init, proc, host;
	int own_proc;	    /* the container's, where nobody gave it; or -1 */
	uint64_t look_next; /* for it */
	int host_meminfo;
	uint64_t ahead; /* ns that the host's clock is ahead of ours */
	uint64_t read_at[PARTS];
	uint64_t tasks_next;
	struct numbers now;
	uint32_t n_ids;
	uint32_t ids[CPUACC_MAX];
	uint64_t (*usage)[2]; /* CPUACC_MAX of them, v1 only */
	struct strbuf text, more;
};

/* The host's, though we may live in the container's time namespace. */
static uint64_t boottime(const struct source *s)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (uint64_t)t.tv_sec * CLOCK_S + (uint64_t)t.tv_nsec + s->ahead;
}

/* When it began: what init's own clock calls 0, else when init began. */

/* "boottime -12 500000000" of a process's time namespace: ns since our boot. */
static bool namespace_start(const char *text, uint64_t *start)
{
	struct proctext line, word;

	while (proctext_line(&text, &line)) {
		uint64_t s, ns = 0;
		struct proctext digits;

		if (!proctext_word(&line, &word) ||
		    !proctext_is(&word, "boottime") ||
		    !proctext_word(&line, &word) || word.s[0] != '-')
			continue;
		digits.s = word.s + 1;
		digits.len = word.len - 1;
		if (!proctext_u64(&digits, &s))
			return false;
		if (proctext_word(&line, &word))
			proctext_u64(&word, &ns);
		/* -12 s and 0.5 s is -11.5 s */
		*start = proctext_less(proctext_scale(s, CLOCK_S, 1), ns);
		return true;
	}
	return false;
}

static uint64_t find_start(struct source *s)
{
	char name[64], letter;
	uint64_t start = 0, ticks;

	if (s->init <= 0)
		return 0;
	snprintf(name, sizeof(name), "%d/timens_offsets", s->init);
	if (procfd_read_at(s->host, name, &s->text) == 0 &&
	    namespace_start(strbuf_get(&s->text), &start))
		return start;
	snprintf(name, sizeof(name), "%d/stat", s->init);
	if (procfd_read_at(s->host, name, &s->text) == 0 &&
	    proctasks_parse(strbuf_get(&s->text), &letter, &ticks) == 0)
		start = proctext_scale(ticks, CLOCK_S,
				       (uint64_t)sysconf(_SC_CLK_TCK));
	return start + s->ahead;
}

static void find_ahead(struct source *s)
{
	if (procfd_read_at(s->host, "self/timens_offsets", &s->text) == 0)
		namespace_start(strbuf_get(&s->text), &s->ahead);
}

static void read_btime(struct source *s)
{
	struct timespec real;
	uint64_t now;

	clock_gettime(CLOCK_REALTIME, &real);
	now = (uint64_t)real.tv_sec * CLOCK_S + (uint64_t)real.tv_nsec;
	s->now.btime = (now - boottime(s) + s->now.start) / CLOCK_S;
}

/* Memory. */

static void read_swap(struct source *s, uint64_t host_swap)
{
	struct numbers *n = &s->now;
	bool v2 = group_is_v2(s->group, GROUP_MEMORY);
	uint64_t v;

	if (group_swap_limit(s->group, &v))
		n->swap_total = proctext_min(v, host_swap);
	if (!v2)
		n->swap_used = n->mem[NUMBERS_SWAP];
	else
		group_number(s->group, GROUP_SWAP_USED, &n->swap_used);
	group_number(s->group, GROUP_SWAP_PEAK, &n->swap_peak);
	if (group_text(s->group, GROUP_SWAP_EVENTS, &s->text) == 0) {
		if (!v2)
			n->swap_hits = proctext_number(strbuf_get(&s->text), 0);
		else
			proctext_key(strbuf_get(&s->text), "max",
				     &n->swap_hits);
	}
}

static void read_mem_events(struct source *s)
{
	struct numbers *n = &s->now;
	const char *text = strbuf_get(&s->text);

	if (group_text(s->group, GROUP_MEM_EVENTS, &s->text) < 0)
		return;
	text = strbuf_get(&s->text);
	if (!group_is_v2(s->group, GROUP_MEMORY)) {
		n->mem_hits = proctext_number(text, n->mem_hits);
		if (group_text(s->group, GROUP_OOMS, &s->text) == 0)
			proctext_key(strbuf_get(&s->text), "oom_kill",
				     &n->ooms);
		return;
	}
	proctext_key(text, "max", &n->mem_hits);
	proctext_key(text, "oom_kill", &n->ooms);
}

static void read_mem(struct source *s)
{
	uint64_t host_total = 0, host_swap = 0, v;
	struct numbers *n = &s->now;
	bool v2 = group_is_v2(s->group, GROUP_MEMORY);

	if (procfd_read(s->host_meminfo, &s->text) == 0) {
		proctext_key(strbuf_get(&s->text), "MemTotal", &host_total);
		proctext_key(strbuf_get(&s->text), "SwapTotal", &host_swap);
	}
	host_total *= 1024;
	if (!group_has(s->group, GROUP_MEMORY)) {
		n->mem_total = host_total;
		return;
	}
	if (group_memory_limit(s->group, &v)) {
		n->mem_total = proctext_min(v, host_total);
		n->mem_limited = v < host_total;
	}
	/* Programs divide by it. */
	if (n->mem_total < 4096)
		n->mem_total = 4096;
	group_number(s->group, GROUP_MEM_USED, &n->mem_used);
	group_number(s->group, GROUP_MEM_PEAK, &n->mem_peak);
	group_number(s->group, GROUP_TCP_USED, &n->tcp_used);
	if (group_text(s->group, GROUP_MEM_STAT, &s->text) == 0)
		numbers_parse_mem(strbuf_get(&s->text), v2, n->mem);
	if (!v2)
		group_number(s->group, GROUP_KERNEL_USED,
			     &n->mem[NUMBERS_KERNEL]);
	group_number(s->group, GROUP_KERNEL_PEAK, &n->kernel_peak);
	group_number(s->group, GROUP_KERNEL_EVENTS, &n->kernel_hits);
	group_number(s->group, GROUP_MEM_LOW, &n->mem_low);
	group_number(s->group, GROUP_MEM_MIN, &n->mem_min);
	if (v2)
		n->tcp_used = n->mem[NUMBERS_SOCK];
	read_mem_events(s);
	read_swap(s, host_swap * 1024);
}

/* Processors. */

static void read_cpus(struct source *s)
{
	struct numbers *n = &s->now;
	uint64_t milli = GROUP_UNLIMITED;
	unsigned ids = 0;

	if (group_text(s->group, GROUP_CPUS, &s->text) == 0)
		ids = proctext_cpus(strbuf_get(&s->text), s->ids, CPUACC_MAX);
	if (ids == 0 && n->n_ids == 0) {
		/* No such controller: all that there are. */
		long online = sysconf(_SC_NPROCESSORS_ONLN);

		for (ids = 0; (long)ids < online && ids < CPUACC_MAX; ids++)
			s->ids[ids] = ids;
	}
	if (ids > 0)
		n->n_ids = ids;
	if (n->n_ids == 0)
		n->n_ids = 1;
	n->cpu_ids = s->ids;
	if (group_cpu_limit(s->group, &milli))
		n->milli = proctext_min(milli, n->n_ids * 1000ull);
	else if (n->milli == 0)
		n->milli = n->n_ids * 1000ull;
	n->cpus = (uint32_t)((n->milli + 999) / 1000);
	if (n->cpus == 0)
		n->cpus = 1;
}

static void read_cpu(struct source *s)
{
	struct numbers *n = &s->now;
	struct cpuacc_sample sample = { .at = n->at, .start = n->start };
	bool known = false;

	read_cpus(s);
	sample.n = n->cpus;
	if (group_text(s->group, GROUP_CPU_STAT, &s->text) == 0) {
		sample.throttled =
			numbers_parse_throttled(strbuf_get(&s->text));
		known = group_is_v2(s->group, GROUP_CPU);
		if (known)
			numbers_parse_cpu(strbuf_get(&s->text), &sample.used);
	}
	if (!known && s->usage &&
	    group_text(s->group, GROUP_CPU_USAGE, &s->text) == 0) {
		sample.n_real = numbers_parse_usage(strbuf_get(&s->text),
						    s->usage, CPUACC_MAX);
		for (uint32_t i = 0; i < sample.n_real; i++) {
			sample.used.user += s->usage[i][0];
			sample.used.system += s->usage[i][1];
		}
		group_number(s->group, GROUP_CPU_TOTAL, &sample.exact);
		sample.real = (const uint64_t(*)[2])s->usage;
		/* All of them are the container's: they can be told apart. */
		if (n->cpus == n->n_ids)
			sample.id = s->ids;
		known = true;
	}
	if (known || s->state->cpu.bank[0].at + s->state->cpu.bank[1].at == 0) {
		cpuacc_update(&s->state->cpu, &sample);
		n->cpu_used = sample.exact
				      ? sample.exact
				      : sample.used.user + sample.used.nice +
						sample.used.system;
	}
	n->times = &s->state->cpu;
}

/* The rest. */

static void read_io(struct source *s)
{
	if (group_text(s->group, GROUP_IO_BYTES, &s->text) < 0)
		return;
	if (group_is_v2(s->group, GROUP_BLKIO)) {
		numbers_parse_io(strbuf_get(&s->text), &s->now.io);
		return;
	}
	if (group_text(s->group, GROUP_IO_OPS, &s->more) == 0)
		numbers_parse_io_v1(strbuf_get(&s->text), strbuf_get(&s->more),
				    &s->now.io);
}

static void read_tasks(struct source *s)
{
	struct numbers *n = &s->now;
	const char *text;

	group_number(s->group, GROUP_PIDS_NOW, &n->tasks);
	group_number(s->group, GROUP_PIDS_PEAK, &n->tasks_peak);
	group_number(s->group, GROUP_PIDS_MAX, &n->tasks_max);
	if (group_text(s->group, GROUP_PIDS_EVENTS, &s->text) == 0) {
		text = strbuf_get(&s->text);
		proctext_key(text, "max", &n->tasks_hits);
	}
}

/* It is there once the container has begun. */
static int container_proc(struct source *s)
{
	uint64_t now = clock_now();

	if (s->proc >= 0 || s->own_proc >= 0 || s->init <= 0 ||
	    now < s->look_next)
		return s->proc >= 0 ? s->proc : s->own_proc;
	s->own_proc = procinside_proc(s->host, s->init);
	s->look_next = now + CLOCK_S;
	return s->own_proc;
}

static void read_running(struct source *s)
{
	uint64_t began = clock_now(), cost, pid;
	struct proctasks t = { 0 };
	struct numbers *n = &s->now;
	int dir = group_fd(s->group, GROUP_TASKS);
	bool v2 = dir < 0;

	if (began < s->tasks_next)
		return;
	if (v2 && group_is_v2(s->group, GROUP_PIDS))
		dir = group_fd(s->group, GROUP_PIDS);
	if (dir >= 0 && (v2 || s->counter) &&
	    proctasks_count(s->counter, dir, v2, s->host, &t) == 0) {
		n->running = t.running;
		n->waiting = t.waiting;
		n->blocked = t.disk;
	}
	pid = lastpid(container_proc(s));
	if (pid > s->state->last_pid)
		s->state->last_pid = pid;
	n->last_pid = s->state->last_pid;
	cost = clock_now() - began;
	s->tasks_next = began + cost * TASKS_SHARE;
}

static void read_load(struct source *s)
{
	struct procload *l = &s->state->load;
	struct numbers *n = &s->now;

	if (procload_is_due(l, n->at)) {
		const struct procload_sample sample = {
			.at = n->at,
			.start = n->start,
			.used = n->cpu_used,
			.active = n->running + n->waiting,
			.milli = n->milli,
		};

		procload_update(l, &sample);
	}
	memcpy(n->load, l->avg, sizeof(n->load));
}

/* Reading one part may need others: those come before it. */
static const struct {
	void (*read)(struct source *s);
	unsigned needs;
} parts[PARTS] = {
	{ read_btime, 0 },
	{ read_mem, 0 },
	{ read_cpu, SOURCE_TIME },
	{ read_io, 0 },
	{ read_tasks, 0 },
	{ read_running, SOURCE_TASKS },
	{ read_load, SOURCE_TIME | SOURCE_CPU | SOURCE_RUNNING },
};

const struct numbers *source_get(struct source *s, unsigned wanted)
{
	uint64_t now = boottime(s);

	for (unsigned i = PARTS; i-- > 0;)
		if (wanted & (1u << i))
			wanted |= parts[i].needs;
	s->now.at = now;
	for (unsigned i = 0; i < PARTS; i++) {
		if (!(wanted & (1u << i)) ||
		    (s->read_at[i] && now - s->read_at[i] < SOURCE_FRESH))
			continue;
		parts[i].read(s);
		s->read_at[i] = now;
	}
	/* Those who run may have been counted earlier than all. */
	if (s->now.tasks && s->now.running > s->now.tasks)
		s->now.running = s->now.tasks;
	return &s->now;
}

int source_host(struct source *s, const char *name, struct strbuf *out)
{
	return procfd_read_at(s->host, name, out);
}

int source_host_fd(const struct source *s)
{
	return s->host;
}

const struct group *source_group(const struct source *s)
{
	return s->group;
}

struct procstate *source_state(const struct source *s)
{
	return s->state;
}

int source_init(const struct source *s)
{
	return s->init;
}

void source_lock(struct source *s)
{
	pthread_mutex_lock(&s->lock);
}

void source_unlock(struct source *s)
{
	pthread_mutex_unlock(&s->lock);
}

static int open_all(struct source *s, const struct source_config *cfg)
{
	int r = procstate_begin(cfg->state);

	if (r == 0)
		r = group_open(&s->group, &cfg->groups);
	if (r < 0)
		return r;
	if (group_has(s->group, GROUP_CPUACCT) &&
	    !group_is_v2(s->group, GROUP_CPUACCT)) {
		s->usage = calloc(CPUACC_MAX, sizeof(*s->usage));
		if (!s->usage)
			return -ENOMEM;
	}
	s->host = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->host < 0)
		return -errno;
	s->host_meminfo = openat(s->host, "meminfo", O_RDONLY | O_CLOEXEC);
	find_ahead(s);
	/* Without it the tasks that wait are not known. */
	if (proctasks_open(&s->counter) < 0)
		s->counter = NULL;
	return 0;
}

int source_open(struct source **out, const struct source_config *cfg)
{
	struct source *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	pthread_mutex_init(&s->lock, NULL);
	s->state = cfg->state;
	s->init = cfg->init;
	s->proc = cfg->proc;
	s->host = s->host_meminfo = s->own_proc = -1;
	r = open_all(s, cfg);
	if (r < 0) {
		source_free(s);
		return r;
	}
	if (s->state->start == 0)
		s->state->start = find_start(s);
	s->now.start = s->state->start;
	/* What can be read no more later is known at least as it is now. */
	source_get(s, (1u << PARTS) - 1);
	*out = s;
	return 0;
}

void source_free(struct source *s)
{
	if (!s)
		return;
	group_free(s->group);
	proctasks_close(s->counter);
	if (s->host >= 0)
		close(s->host);
	if (s->host_meminfo >= 0)
		close(s->host_meminfo);
	if (s->own_proc >= 0)
		close(s->own_proc);
	free(s->usage);
	strbuf_free(&s->text);
	strbuf_free(&s->more);
	pthread_mutex_destroy(&s->lock);
	free(s);
}
