/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/proc/procubc.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "fs/base/cleanup.h"
#include "fs/proc/procstate.h"
#include "fs/proc/proctext.h"

#define PAGE 4096u

/* Every row that has something to tell. */
struct counts {
	const struct numbers *n;
	const struct procextra *x;
};

static void kmemsize(const struct counts *c, struct procubc_row *r)
{
	r->held = c->n->mem[NUMBERS_KERNEL];
	r->maxheld = c->n->kernel_peak;
	r->failcnt = c->n->kernel_hits;
}

static void lockedpages(const struct counts *c, struct procubc_row *r)
{
	r->held = c->n->mem[NUMBERS_UNEVICTABLE] / PAGE;
}

static void privvmpages(const struct counts *c, struct procubc_row *r)
{
	r->held = (c->n->mem[NUMBERS_ANON] + c->n->swap_used) / PAGE;
}

static void shmpages(const struct counts *c, struct procubc_row *r)
{
	r->held = c->n->mem[NUMBERS_SHMEM] / PAGE;
}

static uint64_t limit_of(uint64_t v)
{
	return v >= PROCUBC_UNLIMITED ? PROCUBC_UNLIMITED : v;
}

static void numproc(const struct counts *c, struct procubc_row *r)
{
	r->held = c->n->tasks;
	r->maxheld = c->n->tasks_peak;
	r->barrier = r->limit = limit_of(c->n->tasks_max);
	r->failcnt = c->n->tasks_hits;
}

static void physpages(const struct counts *c, struct procubc_row *r)
{
	r->held = c->n->mem_used / PAGE;
	r->maxheld = c->n->mem_peak / PAGE;
	r->failcnt = c->n->mem_hits;
	if (c->n->mem_limited) {
		r->barrier = 0;
		r->limit = c->n->mem_total / PAGE;
	}
}

/* A guarantee: the barrier is what is given. */
static void vmguarpages(const struct counts *c, struct procubc_row *r)
{
	if (c->n->mem_low)
		r->barrier = limit_of(c->n->mem_low / PAGE);
}

static void oomguarpages(const struct counts *c, struct procubc_row *r)
{
	r->held = (c->n->mem[NUMBERS_ANON] + c->n->mem[NUMBERS_UNEVICTABLE] +
		   c->n->swap_used) /
		  PAGE;
	r->failcnt = c->n->ooms;
	if (c->n->mem_min)
		r->barrier = limit_of(c->n->mem_min / PAGE);
}

static void numtcpsock(const struct counts *c, struct procubc_row *r)
{
	r->held = c->x->tcp_sockets;
}

static void numflock(const struct counts *c, struct procubc_row *r)
{
	r->held = c->x->locks;
}

static void numpty(const struct counts *c, struct procubc_row *r)
{
	r->held = c->x->ptys;
}

static void numsiginfo(const struct counts *c, struct procubc_row *r)
{
	r->held = c->x->signals;
}

/* The group knows sending and receiving as one number only. */
static void tcpsndbuf(const struct counts *c, struct procubc_row *r)
{
	r->held = c->x->has_buffers ? c->x->tcp_send : c->n->tcp_used;
}

static void tcprcvbuf(const struct counts *c, struct procubc_row *r)
{
	r->held = c->x->tcp_receive;
}

static void othersockbuf(const struct counts *c, struct procubc_row *r)
{
	r->held = c->x->other_send;
}

static void dgramrcvbuf(const struct counts *c, struct procubc_row *r)
{
	r->held = c->x->dgram_receive;
}

static void numothersock(const struct counts *c, struct procubc_row *r)
{
	r->held = c->x->other_sockets;
}

static void dcachesize(const struct counts *c, struct procubc_row *r)
{
	r->held = c->n->mem[NUMBERS_SLAB_RECLAIMABLE];
}

static void numfile(const struct counts *c, struct procubc_row *r)
{
	r->held = c->x->files;
}

static void numiptent(const struct counts *c, struct procubc_row *r)
{
	r->held = c->x->rules;
}

static const struct {
	const char *name;
	void (*get)(const struct counts *c, struct procubc_row *r);
} table[PROCUBC_ROWS] = {
	{ "kmemsize", kmemsize },
	{ "lockedpages", lockedpages },
	{ "privvmpages", privvmpages },
	{ "shmpages", shmpages },
	{ "dummy", NULL },
	{ "numproc", numproc },
	{ "physpages", physpages },
	{ "vmguarpages", vmguarpages },
	{ "oomguarpages", oomguarpages },
	{ "numtcpsock", numtcpsock },
	{ "numflock", numflock },
	{ "numpty", numpty },
	{ "numsiginfo", numsiginfo },
	{ "tcpsndbuf", tcpsndbuf },
	{ "tcprcvbuf", tcprcvbuf },
	{ "othersockbuf", othersockbuf },
	{ "dgramrcvbuf", dgramrcvbuf },
	{ "numothersock", numothersock },
	{ "dcachesize", dcachesize },
	{ "numfile", numfile },
	{ "dummy", NULL },
	{ "dummy", NULL },
	{ "dummy", NULL },
	{ "numiptent", numiptent },
};

const char *procubc_name(unsigned row)
{
	return table[row].get ? table[row].name : NULL;
}

/* Over all starts: the most is the kernel's word, or what we saw. */
static void keep(struct procubc_row *r, struct procstate_bean *bean)
{
	if (r->maxheld < r->held)
		r->maxheld = r->held;
	if (!bean)
		return;
	if (bean->most > r->maxheld)
		r->maxheld = bean->most;
	bean->most = r->maxheld;
	r->failcnt += bean->before;
	if (bean->failed > r->failcnt)
		r->failcnt = bean->failed;
	bean->failed = r->failcnt;
}

void procubc_rows(const struct procview *v,
		  struct procubc_row out[PROCUBC_ROWS])
{
	static const struct procextra nothing;
	const struct counts c = { v->n, v->extra ? v->extra : &nothing };

	_Static_assert(PROCUBC_ROWS <= PROCSTATE_ROWS, "no room for them");
	for (unsigned i = 0; i < PROCUBC_ROWS; i++) {
		bool is_known = table[i].get != NULL;

		out[i] = (struct procubc_row){ .name = table[i].name };
		if (!is_known)
			continue;
		out[i].barrier = out[i].limit = PROCUBC_UNLIMITED;
		table[i].get(&c, &out[i]);
		keep(&out[i], v->bean ? &v->bean[i] : NULL);
	}
}

void procubc_head(struct strbuf *out)
{
	strbuf_addf(out, "Version: 2.5\n%10s  %-12s %20s %20s %20s %20s %20s\n",
		    "uid", "resource", "held", "maxheld", "barrier", "limit",
		    "failcnt");
}

void procubc_line(const char *id, const struct procubc_row *r,
		  struct strbuf *out)
{
	char uid[80] = "";

	if (id)
		snprintf(uid, sizeof(uid), "%.70s:", id);
	strbuf_addf(out,
		    "%10s  %-12s %20" PRIu64 " %20" PRIu64 " %20" PRIu64
		    " %20" PRIu64 " %20" PRIu64 "\n",
		    uid, r->name, r->held, r->maxheld, r->barrier, r->limit,
		    r->failcnt);
}

void procubc_render(const struct procview *v, struct strbuf *out)
{
	const char *id = v->names->id ? v->names->id : "0";
	struct procubc_row rows[PROCUBC_ROWS];

	procubc_rows(v, rows);
	procubc_head(out);
	for (unsigned i = 0; i < PROCUBC_ROWS; i++)
		procubc_line(i == 0 ? id : NULL, &rows[i], out);
}

/* A line of the table, with "101:" in front or not. */
static bool parse_row(struct proctext line, struct procubc_row *r)
{
	uint64_t *const to[] = { &r->held, &r->maxheld, &r->barrier, &r->limit,
				 &r->failcnt };
	struct proctext word;

	if (!proctext_word(&line, &word))
		return false;
	if (word.s[word.len - 1] == ':' && !proctext_word(&line, &word))
		return false;
	if (!proctext_is(&word, r->name))
		return false;
	for (unsigned i = 0; i < ARRAY_SIZE(to); i++)
		if (!proctext_word(&line, &word) || !proctext_u64(&word, to[i]))
			return false;
	return !proctext_word(&line, &word);
}

int procubc_parse(const char *text, struct procubc_row out[PROCUBC_ROWS])
{
	struct procubc_row rows[PROCUBC_ROWS];
	struct proctext line;

	if (!proctext_line(&text, &line) || !proctext_is(&line, "Version: 2.5"))
		return -EINVAL;
	if (!proctext_line(&text, &line)) /* the titles */
		return -EINVAL;
	for (unsigned i = 0; i < PROCUBC_ROWS; i++) {
		rows[i] = (struct procubc_row){ .name = table[i].name };
		if (!proctext_line(&text, &line) || !parse_row(line, &rows[i]))
			return -EINVAL;
	}
	memcpy(out, rows, sizeof(rows));
	return 0;
}

/* Names that are no numbers are 0 there: it has no room for them. */
static uint64_t number_of(const struct procview *v)
{
	return v->names->id ? proctext_number(v->names->id, 0) : 0;
}

void procubc_veinfo(const struct procview *v, struct strbuf *out)
{
	struct proctext rest = { v->extra ? v->extra->addresses : "", 0 }, one;

	strbuf_addf(out, "%10" PRIu64 " %5u %5" PRIu64, number_of(v), 0,
		    v->extra && v->extra->processes ? v->extra->processes
						    : v->n->tasks);
	rest.len = strlen(rest.s);
	while (proctext_word(&rest, &one))
		strbuf_addf(out,
			    memchr(one.s, ':', one.len) ? " %39.*s" : " %15.*s",
			    (int)one.len, one.s);
	strbuf_putc(out, '\n');
}

/* Ticks, but for "uptime" and what follows the second one: ns. */
void procubc_vestat(const struct procview *v, struct strbuf *out)
{
	const uint64_t tick = 10000000;
	const struct numbers *n = v->n;
	struct cpuacc_cpu sum = { .alive = 0 };
	uint64_t up = proctext_less(n->at, n->start);

	if (n->times)
		cpuacc_total(n->times, &sum);
	strbuf_addf(out,
		    "Version: 2.2\n%10s %20s %20s %20s %20s %20s %20s %20s "
		    "%20s %20s %20s %20s\n",
		    "VEID", "user", "nice", "system", "uptime", "idle", "strv",
		    "uptime", "used", "maxlat", "totlat", "numsched");
	strbuf_addf(out,
		    "%10" PRIu64 " %20" PRIu64 " %20" PRIu64 " %20" PRIu64
		    " %20" PRIu64 " %20" PRIu64 " %20u %20" PRIu64 " %20" PRIu64
		    " %20u %20u %20u\n",
		    number_of(v), sum.time[CPUACC_USER] / tick,
		    sum.time[CPUACC_NICE] / tick,
		    sum.time[CPUACC_SYSTEM] / tick, up / tick,
		    sum.time[CPUACC_IDLE], 0u, up, n->cpu_used, 0u, 0u, 0u);
}
