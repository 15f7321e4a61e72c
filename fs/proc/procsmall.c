/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/proc/procsmall.h"

#include <inttypes.h>
#include <string.h>

#include "fs/base/cleanup.h"
#include "fs/proc/meminfo.h"
#include "fs/proc/proctext.h"

#define PAGE 4096u
#define SECTOR 512u

/* The one area that a container has, as OpenVZ called it. */
void procsmall_swaps(const struct procview *v, struct strbuf *out)
{
	const struct numbers *n = v->n;

	strbuf_puts(out, "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n");
	if (n->swap_total == 0)
		return;
	strbuf_addf(out, "%-40spartition\t%" PRIu64 "\t\t%" PRIu64 "\t\t-1\n",
		    "/dev/null", n->swap_total / 1024,
		    proctext_min(n->swap_used, n->swap_total) / 1024);
}

/* How long requests took is not told by group. */
void procsmall_disk_stat(const struct procview *v, struct strbuf *out)
{
	const struct numbers_io *io = &v->n->io;

	strbuf_addf(out,
		    "%" PRIu64 " 0 %" PRIu64 " 0 %" PRIu64 " 0 %" PRIu64
		    " 0 0 0 0 %" PRIu64 " 0 %" PRIu64 " 0 0 0\n",
		    io->reads, io->read / SECTOR, io->writes,
		    io->written / SECTOR, io->discards, io->discarded / SECTOR);
}

void procsmall_diskstats(const struct procview *v, struct strbuf *out)
{
	strbuf_addf(out, "%4" PRIu32 " %7" PRIu32 " " PROCSMALL_DISK " ",
		    v->names->disk_major, v->names->disk_minor);
	procsmall_disk_stat(v, out);
}

void procsmall_disk_dev(const struct procview *v, struct strbuf *out)
{
	strbuf_addf(out, "%" PRIu32 ":%" PRIu32 "\n", v->names->disk_major,
		    v->names->disk_minor);
}

void procsmall_disk_size(const struct procview *v, struct strbuf *out)
{
	strbuf_addf(out, "%" PRIu64 "\n", v->names->disk_size / SECTOR);
}

void procsmall_partitions(const struct procview *v, struct strbuf *out)
{
	strbuf_puts(out, "major minor  #blocks  name\n\n");
	if (v->names->disk_size)
		strbuf_addf(out,
			    "%4" PRIu32 "  %7" PRIu32 " %10" PRIu64
			    " " PROCSMALL_DISK "\n",
			    v->names->disk_major, v->names->disk_minor,
			    v->names->disk_size / 1024);
}

/* vmstat: rows that a group counts in bytes are shown in pages. */

#define FREE (-1)
#define READ_KIB (-2)
#define WRITTEN_KIB (-3)
#define OOMS (-4)

static const struct {
	const char *key;
	int from; /* enum numbers_mem, or one of the above */
	bool pages;
} vm[] = {
	{ "nr_free_pages", FREE, true },
	{ "nr_zone_inactive_anon", NUMBERS_INACTIVE_ANON, true },
	{ "nr_zone_active_anon", NUMBERS_ACTIVE_ANON, true },
	{ "nr_zone_inactive_file", NUMBERS_INACTIVE_FILE, true },
	{ "nr_zone_active_file", NUMBERS_ACTIVE_FILE, true },
	{ "nr_zone_unevictable", NUMBERS_UNEVICTABLE, true },
	{ "nr_mlock", NUMBERS_UNEVICTABLE, true },
	{ "nr_inactive_anon", NUMBERS_INACTIVE_ANON, true },
	{ "nr_active_anon", NUMBERS_ACTIVE_ANON, true },
	{ "nr_inactive_file", NUMBERS_INACTIVE_FILE, true },
	{ "nr_active_file", NUMBERS_ACTIVE_FILE, true },
	{ "nr_unevictable", NUMBERS_UNEVICTABLE, true },
	{ "nr_slab_reclaimable", NUMBERS_SLAB_RECLAIMABLE, true },
	{ "nr_slab_unreclaimable", NUMBERS_SLAB_UNRECLAIMABLE, true },
	{ "nr_anon_pages", NUMBERS_ANON, true },
	{ "nr_mapped", NUMBERS_MAPPED, true },
	{ "nr_file_pages", NUMBERS_FILE, true },
	{ "nr_dirty", NUMBERS_DIRTY, true },
	{ "nr_writeback", NUMBERS_WRITEBACK, true },
	{ "nr_shmem", NUMBERS_SHMEM, true },
	{ "nr_page_table_pages", NUMBERS_PAGETABLES, true },
	{ "nr_sec_page_table_pages", NUMBERS_SEC_PAGETABLES, true },
	{ "nr_swapcached", NUMBERS_SWAPCACHED, true },
	{ "workingset_nodereclaim", NUMBERS_NODERECLAIM, false },
	{ "workingset_refault_anon", NUMBERS_REFAULT_ANON, false },
	{ "workingset_refault_file", NUMBERS_REFAULT_FILE, false },
	{ "workingset_activate_anon", NUMBERS_ACTIVATE_ANON, false },
	{ "workingset_activate_file", NUMBERS_ACTIVATE_FILE, false },
	{ "workingset_restore_anon", NUMBERS_RESTORE_ANON, false },
	{ "workingset_restore_file", NUMBERS_RESTORE_FILE, false },
	{ "pgpgin", READ_KIB, false },
	{ "pgpgout", WRITTEN_KIB, false },
	{ "pswpin", NUMBERS_PSWPIN, false },
	{ "pswpout", NUMBERS_PSWPOUT, false },
	{ "pgfault", NUMBERS_PGFAULT, false },
	{ "pgmajfault", NUMBERS_PGMAJFAULT, false },
	{ "pgrefill", NUMBERS_PGREFILL, false },
	{ "pgactivate", NUMBERS_PGACTIVATE, false },
	{ "pgdeactivate", NUMBERS_PGDEACTIVATE, false },
	{ "pgscan_kswapd", NUMBERS_PGSCAN_KSWAPD, false },
	{ "pgscan_direct", NUMBERS_PGSCAN_DIRECT, false },
	{ "pgsteal_kswapd", NUMBERS_PGSTEAL_KSWAPD, false },
	{ "pgsteal_direct", NUMBERS_PGSTEAL_DIRECT, false },
	{ "thp_fault_alloc", NUMBERS_THP_FAULT, false },
	{ "thp_collapse_alloc", NUMBERS_THP_COLLAPSE, false },
	{ "oom_kill", OOMS, false },
};

static uint64_t vm_get(const struct numbers *n, int from)
{
	switch (from) {
	case FREE:
		return meminfo_free(n);
	case READ_KIB:
		return n->io.read / 1024;
	case WRITTEN_KIB:
		return n->io.written / 1024;
	case OOMS:
		return n->ooms;
	default:
		return n->mem[from];
	}
}

static uint64_t vm_value(const struct numbers *n, const struct proctext *key)
{
	for (size_t i = 0; i < ARRAY_SIZE(vm); i++)
		if (proctext_is(key, vm[i].key))
			return vm_get(n, vm[i].from) / (vm[i].pages ? PAGE : 1);
	return 0;
}

void procsmall_vmstat(const struct procview *v, struct strbuf *out)
{
	const char *cursor = v->host;
	struct proctext line, key;

	while (proctext_line(&cursor, &line))
		if (proctext_word(&line, &key))
			strbuf_addf(out, "%.*s %" PRIu64 "\n", (int)key.len,
				    key.s, vm_value(v->n, &key));
}

/* Lists of which only some lines are the container's business. */

static bool is_in(const struct proctext *word, const char *const *list)
{
	for (; *list; list++)
		if (proctext_is(word, *list))
			return true;
	return false;
}

/*
 * As on a host of the unified hierarchy, the one that a container is given:
 * runtimes go by the numbers here, and look for others in vain.
 */
void procsmall_cgroups(const struct procview *v, struct strbuf *out)
{
	const char *cursor = v->host;
	struct proctext line, name, word;

	strbuf_puts(out, "#subsys_name\thierarchy\tnum_cgroups\tenabled\n");
	while (proctext_line(&cursor, &line))
		if (proctext_word(&line, &name) && name.s[0] != '#' &&
		    proctext_word(&line, &word) &&
		    proctext_word(&line, &word) && proctext_word(&line, &word))
			strbuf_addf(out, "%.*s\t0\t1\t%.*s\n", (int)name.len,
				    name.s, (int)word.len, word.s);
}

/* What the usual nodes of a container's /dev are. */
void procsmall_devices(const struct procview *v, struct strbuf *out)
{
	static const char *const kept[] = { "mem",	    "/dev/tty",
					    "/dev/console", "/dev/ptmx",
					    "misc",	    "ptm",
					    "pts",	    NULL };
	const char *cursor = v->host;
	struct proctext line;

	strbuf_puts(out, "Character devices:\n");
	while (proctext_line(&cursor, &line)) {
		struct proctext rest = line, major, name;

		if (proctext_is(&line, "Block devices:"))
			break;
		if (!proctext_word(&rest, &major) ||
		    !proctext_word(&rest, &name) || !is_in(&name, kept))
			continue;
		strbuf_add(out, line.s, line.len);
		strbuf_putc(out, '\n');
	}
	strbuf_puts(out, "\nBlock devices:\n");
	if (v->names->disk_size)
		strbuf_addf(out, "%3" PRIu32 " " PROCSMALL_DISK "\n",
			    v->names->disk_major);
}

/* What a container's root may mount, and what its / says it is. */
void procsmall_filesystems(const struct procview *v, struct strbuf *out)
{
	static const char *const kept[] = { "sysfs",  "tmpfs",	 "proc",
					    "cgroup", "cgroup2", "devpts",
					    "ramfs",  "mqueue",	 "bpf",
					    "fuse",   "overlay", NULL };
	const char *cursor = v->host, *type = v->names->root_type;
	struct proctext line;

	while (proctext_line(&cursor, &line)) {
		struct proctext rest = line, nodev, name;

		if (!proctext_word(&rest, &nodev) ||
		    !proctext_word(&rest, &name) || !is_in(&name, kept))
			continue;
		strbuf_add(out, line.s, line.len);
		strbuf_putc(out, '\n');
	}
	if (type)
		strbuf_addf(out, "\t%s\n", type);
}

void procsmall_cmdline(const struct procview *v, struct strbuf *out)
{
	strbuf_puts(out, v->names->cmdline ? v->names->cmdline : "quiet");
	strbuf_putc(out, '\n');
}

void procsmall_host(const struct procview *v, struct strbuf *out)
{
	strbuf_puts(out, v->host);
}
