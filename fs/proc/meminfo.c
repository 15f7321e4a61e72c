/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/proc/meminfo.h"

#include <inttypes.h>

#include "fs/base/cleanup.h"
#include "fs/proc/proctext.h"

uint64_t meminfo_free(const struct numbers *n)
{
	return proctext_less(n->mem_total, n->mem_used);
}

uint64_t meminfo_available(const struct numbers *n)
{
	uint64_t v = meminfo_free(n) + n->mem[NUMBERS_ACTIVE_FILE] +
		     n->mem[NUMBERS_INACTIVE_FILE] +
		     n->mem[NUMBERS_SLAB_RECLAIMABLE];

	return proctext_min(v, n->mem_total);
}

uint64_t meminfo_swap_free(const struct numbers *n)
{
	return proctext_less(n->swap_total, n->swap_used);
}

/* The counters of a group are read one after the other. */
static uint64_t cached(const struct numbers *n)
{
	return proctext_min(n->mem[NUMBERS_FILE],
			    proctext_min(n->mem_used, n->mem_total));
}

static uint64_t total(const struct numbers *n)
{
	return n->mem_total;
}

static uint64_t swap_total(const struct numbers *n)
{
	return n->swap_total;
}

static uint64_t active(const struct numbers *n)
{
	return n->mem[NUMBERS_ACTIVE_ANON] + n->mem[NUMBERS_ACTIVE_FILE];
}

static uint64_t inactive(const struct numbers *n)
{
	return n->mem[NUMBERS_INACTIVE_ANON] + n->mem[NUMBERS_INACTIVE_FILE];
}

/* v1 knows only the kernel's memory as a whole. */
static uint64_t unreclaimable(const struct numbers *n)
{
	uint64_t split = n->mem[NUMBERS_SLAB_RECLAIMABLE] +
			 n->mem[NUMBERS_SLAB_UNRECLAIMABLE] +
			 n->mem[NUMBERS_KERNEL_STACK] +
			 n->mem[NUMBERS_PAGETABLES] + n->mem[NUMBERS_PERCPU];

	return split ? n->mem[NUMBERS_SLAB_UNRECLAIMABLE]
		     : n->mem[NUMBERS_KERNEL];
}

static uint64_t slab(const struct numbers *n)
{
	return n->mem[NUMBERS_SLAB_RECLAIMABLE] + unreclaimable(n);
}

static uint64_t commit_limit(const struct numbers *n)
{
	return n->mem_total + n->swap_total;
}

/* At least this much was asked for. */
static uint64_t committed(const struct numbers *n)
{
	return n->mem[NUMBERS_ANON] + n->mem[NUMBERS_SHMEM] + n->swap_used;
}

#define HOST (-2) /* the machine's make */
#define BY(fn) -1, (fn)
#define MEM(row) NUMBERS_##row, NULL

static const struct row {
	const char *key;
	int mem; /* enum numbers_mem */
	uint64_t (*get)(const struct numbers *n);
} rows[] = {
	{ "MemTotal", BY(total) },
	{ "MemFree", BY(meminfo_free) },
	{ "MemAvailable", BY(meminfo_available) },
	{ "Cached", BY(cached) },
	{ "SwapCached", MEM(SWAPCACHED) },
	{ "Active", BY(active) },
	{ "Inactive", BY(inactive) },
	{ "Active(anon)", MEM(ACTIVE_ANON) },
	{ "Inactive(anon)", MEM(INACTIVE_ANON) },
	{ "Active(file)", MEM(ACTIVE_FILE) },
	{ "Inactive(file)", MEM(INACTIVE_FILE) },
	{ "Unevictable", MEM(UNEVICTABLE) },
	{ "Mlocked", MEM(UNEVICTABLE) },
	{ "SwapTotal", BY(swap_total) },
	{ "SwapFree", BY(meminfo_swap_free) },
	{ "Zswap", MEM(ZSWAP) },
	{ "Zswapped", MEM(ZSWAPPED) },
	{ "Dirty", MEM(DIRTY) },
	{ "Writeback", MEM(WRITEBACK) },
	{ "AnonPages", MEM(ANON) },
	{ "Mapped", MEM(MAPPED) },
	{ "Shmem", MEM(SHMEM) },
	{ "KReclaimable", MEM(SLAB_RECLAIMABLE) },
	{ "Slab", BY(slab) },
	{ "SReclaimable", MEM(SLAB_RECLAIMABLE) },
	{ "SUnreclaim", BY(unreclaimable) },
	{ "KernelStack", MEM(KERNEL_STACK) },
	{ "PageTables", MEM(PAGETABLES) },
	{ "SecPageTables", MEM(SEC_PAGETABLES) },
	{ "CommitLimit", BY(commit_limit) },
	{ "Committed_AS", BY(committed) },
	{ "VmallocTotal", HOST, NULL },
	{ "VmallocUsed", MEM(VMALLOC) },
	{ "Percpu", MEM(PERCPU) },
	{ "AnonHugePages", MEM(ANON_THP) },
	{ "ShmemHugePages", MEM(SHMEM_THP) },
	{ "FileHugePages", MEM(FILE_THP) },
	{ "Hugepagesize", HOST, NULL },
};

static uint64_t value(const struct proctext *key, const struct numbers *n,
		      uint64_t host)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *r = &rows[i];

		if (!proctext_is(key, r->key))
			continue;
		if (r->mem == HOST)
			return host;
		return (r->get ? r->get(n) : n->mem[r->mem]) / 1024;
	}
	return 0;
}

/* One row as the host has it: "Key:", a number, and "kB" or nothing. */
static void put_row(struct proctext line, const struct numbers *n,
		    struct strbuf *out)
{
	struct proctext key, number, unit;
	uint64_t host = 0;
	int pad;

	if (!proctext_word(&line, &key) || key.s[key.len - 1] != ':')
		return;
	key.len--;
	if (proctext_word(&line, &number))
		proctext_u64(&number, &host);
	pad = key.len < 15 ? 15 - (int)key.len : 0;
	strbuf_addf(out, "%.*s:%*s%8" PRIu64 "%s\n", (int)key.len, key.s, pad,
		    "", value(&key, n, host),
		    proctext_word(&line, &unit) ? " kB" : "");
}

/* Where there is nothing to go by. */
static const char usual[] =
	"MemTotal: 0 kB\nMemFree: 0 kB\nMemAvailable: 0 kB\nBuffers: 0 kB\n"
	"Cached: 0 kB\nSwapCached: 0 kB\nActive: 0 kB\nInactive: 0 kB\n"
	"SwapTotal: 0 kB\nSwapFree: 0 kB\nDirty: 0 kB\nWriteback: 0 kB\n"
	"AnonPages: 0 kB\nMapped: 0 kB\nShmem: 0 kB\nSlab: 0 kB\n"
	"SReclaimable: 0 kB\nSUnreclaim: 0 kB\n";

void meminfo_render(const struct procview *v, struct strbuf *out)
{
	const char *cursor = v->host && *v->host ? v->host : usual;
	struct proctext line;

	while (proctext_line(&cursor, &line))
		put_row(line, v->n, out);
}
