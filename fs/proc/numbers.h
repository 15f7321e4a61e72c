/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_PROC_NUMBERS_H
#define VEFS_FS_PROC_NUMBERS_H

/*
 * numbers - what is known of a container at one moment, in plain values:
 * whatever hierarchies they came from. All that a virtual file says of a
 * container is made of these. And the parsers of the texts that they are
 * from: pure, for any text.
 *
 * Bytes, and ns since the host's boot, unless a name says otherwise. What is
 * not known is 0.
 */
#include <stdbool.h>
#include <stdint.h>

#include "fs/proc/cpuacc.h"

/* Rows of memory.stat, by v2's names. Bytes, but for events. */
enum numbers_mem {
	NUMBERS_ANON,
	NUMBERS_FILE, /* the page cache, shmem too */
	NUMBERS_KERNEL,
	NUMBERS_KERNEL_STACK,
	NUMBERS_PAGETABLES,
	NUMBERS_SEC_PAGETABLES,
	NUMBERS_PERCPU,
	NUMBERS_SOCK,
	NUMBERS_VMALLOC,
	NUMBERS_SHMEM,
	NUMBERS_ZSWAP,
	NUMBERS_ZSWAPPED,
	NUMBERS_MAPPED,
	NUMBERS_DIRTY,
	NUMBERS_WRITEBACK,
	NUMBERS_SWAPCACHED,
	NUMBERS_ANON_THP,
	NUMBERS_FILE_THP,
	NUMBERS_SHMEM_THP,
	NUMBERS_INACTIVE_ANON,
	NUMBERS_ACTIVE_ANON,
	NUMBERS_INACTIVE_FILE,
	NUMBERS_ACTIVE_FILE,
	NUMBERS_UNEVICTABLE,
	NUMBERS_SLAB_RECLAIMABLE,
	NUMBERS_SLAB_UNRECLAIMABLE,
	NUMBERS_SWAP, /* v1 only */
	NUMBERS_REFAULT_ANON,
	NUMBERS_REFAULT_FILE,
	NUMBERS_ACTIVATE_ANON,
	NUMBERS_ACTIVATE_FILE,
	NUMBERS_RESTORE_ANON,
	NUMBERS_RESTORE_FILE,
	NUMBERS_NODERECLAIM,
	NUMBERS_PGSCAN_KSWAPD,
	NUMBERS_PGSCAN_DIRECT,
	NUMBERS_PGSTEAL_KSWAPD,
	NUMBERS_PGSTEAL_DIRECT,
	NUMBERS_PGFAULT,
	NUMBERS_PGMAJFAULT,
	NUMBERS_PGREFILL,
	NUMBERS_PGACTIVATE,
	NUMBERS_PGDEACTIVATE,
	NUMBERS_PSWPIN, /* pages */
	NUMBERS_PSWPOUT,
	NUMBERS_THP_FAULT,
	NUMBERS_THP_COLLAPSE,
	NUMBERS_MEM
};

struct numbers_io {
	uint64_t read, written, discarded; /* bytes */
	uint64_t reads, writes, discards;
};

struct numbers {
	uint64_t at;	/* CLOCK_BOOTTIME */
	uint64_t start; /* when the container began */
	uint64_t btime; /* that, in seconds since the epoch */

	uint64_t mem_total, mem_used;
	uint64_t mem_peak, mem_hits; /* hits: of the limit */
	bool mem_limited;
	uint64_t swap_total, swap_used, swap_peak, swap_hits;
	uint64_t tcp_used;
	uint64_t kernel_peak, kernel_hits; /* v1 only */
	uint64_t mem_low, mem_min;	   /* v2 only */
	uint64_t mem[NUMBERS_MEM];
	uint64_t ooms;

	uint32_t cpus;	/* 1.. */
	uint64_t milli; /* processors, in thousandths; never more than them */
	uint64_t cpu_used;	    /* ns */
	const struct cpuacc *times; /* borrowed; NULL: none */
	const uint32_t *cpu_ids;    /* host's, `n_ids` of them */
	uint32_t n_ids;

	struct numbers_io io;

	uint64_t tasks, tasks_peak, tasks_max, tasks_hits;
	uint64_t running, waiting, blocked;
	uint64_t last_pid;
	uint64_t load[3]; /* PROCLOAD_ONE is 1 */
};

/* Rows of a memory.stat; those it lacks are 0. */
void numbers_parse_mem(const char *text, bool v2, uint64_t out[NUMBERS_MEM]);

/* User, nice and system of a v2 cpu.stat, in ns. */
void numbers_parse_cpu(const char *text, struct cpuacc_used *out);
/* How long it was throttled, ns; of either kind. */
uint64_t numbers_parse_throttled(const char *text);

/*
 * A v1 cpuacc.usage_all: by host processor, at most `max`; how many there are
 * (the highest and one).
 */
uint32_t numbers_parse_usage(const char *text, uint64_t (*out)[2],
			     uint32_t max);

/* A v2 io.stat; v1's two files. All devices together. */
void numbers_parse_io(const char *text, struct numbers_io *out);
void numbers_parse_io_v1(const char *bytes, const char *ops,
			 struct numbers_io *out);

#endif
