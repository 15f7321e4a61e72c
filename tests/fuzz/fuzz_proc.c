/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_proc - texts and messages of a kernel, as the virtual files of a
 * container take them apart, and those files made of them. The first byte says
 * which; what comes out is within its bounds, lines of text that end, and what
 * was printed is read back as it was.
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fs/base/cleanup.h"
#include "fs/proc/cpuinfo.h"
#include "fs/proc/groupfind.h"
#include "fs/proc/meminfo.h"
#include "fs/proc/procgather.h"
#include "fs/proc/procinside.h"
#include "fs/proc/procmounts.h"
#include "fs/proc/procsmall.h"
#include "fs/proc/procsock.h"
#include "fs/proc/procstat.h"
#include "fs/proc/procstate.h"
#include "fs/proc/proctasks.h"
#include "fs/proc/proctext.h"
#include "fs/proc/procubc.h"
#include "fs/proc/ubckept.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define USAGES 16u

static void must(bool is_true)
{
	if (!is_true)
		abort();
}

/* ---- parsers ----------------------------------------------------------------- */

static void words(const char *text, size_t len)
{
	static const char *const keys[] = { "anon", "MemTotal", "max", "" };
	struct proctext line, word;
	uint64_t v = 0;

	(void)len;
	for (unsigned i = 0; i < ARRAY_SIZE(keys); i++)
		proctext_key(text, keys[i], &v);
	proctext_number(text, 0);
	while (proctext_line(&text, &line)) {
		must(!memchr(line.s, '\n', line.len));
		while (proctext_word(&line, &word))
			must(word.len > 0 && !memchr(word.s, ' ', word.len));
		must(line.len == 0);
	}
}

static void processors(const char *text, size_t len)
{
	uint32_t cpu[USAGES + 1];

	(void)len;
	cpu[USAGES] = 4711;
	must(proctext_cpus(text, cpu, USAGES) <= USAGES && cpu[USAGES] == 4711);
}

static void counters(const char *text, size_t len)
{
	uint64_t mem[NUMBERS_MEM], usage[USAGES][2];
	struct cpuacc_used used;
	struct numbers_io io;

	(void)len;
	numbers_parse_mem(text, true, mem);
	numbers_parse_mem(text, false, mem);
	numbers_parse_cpu(text, &used);
	numbers_parse_throttled(text);
	must(numbers_parse_usage(text, usage, USAGES) <= USAGES);
	numbers_parse_io(text, &io);
	numbers_parse_io_v1(text, text, &io);
}

static void a_process(const char *text, size_t len)
{
	uint64_t start;
	char state;

	(void)len;
	if (proctasks_parse(text, &state, &start) == 0)
		must(strchr(text, ')') != NULL);
}

static void sockets(const char *text, size_t len)
{
	static struct procextra x;
	struct grouppids who = { .n = 0 };

	(void)len;
	memset(&x, 0, sizeof(x));
	must(grouppids_take(&who, text) == 0);
	grouppids_sort(&who);
	for (unsigned i = 1; i < who.n; i++)
		must(who.pid[i - 1] < who.pid[i]);
	procgather_locks(text, &who);
	grouppids_free(&who);
	procgather_sockets(text, &x);
	must(procgather_netlink(text) <= procgather_lines(text));
	procgather_ipv4(text, &x);
	procgather_ipv6(text, &x);
	must(memchr(x.addresses, '\0', sizeof(x.addresses)) != NULL);
}

/* Messages one after the other, each of a buffer of its own size. */
static void netlink(const char *text, size_t len)
{
	static struct procextra x;

	while (len > 0) {
		size_t n = (unsigned char)text[0] % 96u;
		void *one;

		if (n > len - 1)
			n = len - 1;
		one = malloc(n ? n : 1);
		must(one != NULL);
		memcpy(one, text + 1, n);
		procsock_take(one, n, &x);
		free(one);
		text += n + 1;
		len -= n + 1;
	}
}

/* A process's cgroup and mountinfo: what is behind a line "--" is the second. */
static void groups(const char *text, size_t len)
{
	char *copy = strdup(text), *second;
	struct groupfind found;

	(void)len;
	must(copy != NULL);
	second = strstr(copy, "\n--\n");
	if (second) {
		second[1] = '\0';
		second += 4;
	}
	groupfind_parse(copy, second ? second : copy, &found);
	groupfind_above(&found);
	groupfind_free(&found);
	for (unsigned i = 0; i < 40; i++) {
		procinside_is_type(text, i, "devpts");
		procinside_is_quick(text, i);
	}
	free(copy);
}

static void same_rows(const struct procubc_row *a, const struct procubc_row *b)
{
	for (unsigned i = 0; i < PROCUBC_ROWS; i++)
		must(strcmp(a[i].name, b[i].name) == 0 &&
		     a[i].held == b[i].held && a[i].maxheld == b[i].maxheld &&
		     a[i].barrier == b[i].barrier && a[i].limit == b[i].limit &&
		     a[i].failcnt == b[i].failcnt);
}

static void beancounters(const char *text, size_t len)
{
	struct procubc_row rows[PROCUBC_ROWS], again[PROCUBC_ROWS];
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	(void)len;
	if (procubc_parse(text, rows) < 0)
		return;
	procubc_head(&b);
	for (unsigned i = 0; i < PROCUBC_ROWS; i++)
		procubc_line(i ? NULL : "101", &rows[i], &b);
	must(procubc_parse(strbuf_get(&b), again) == 0);
	same_rows(rows, again);
}

static void kept(const char *text, size_t len)
{
	struct procstate_bean bean[PROCSTATE_ROWS], again[PROCSTATE_ROWS];
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;

	memset(bean, 0, sizeof(bean));
	ubckept_parse(text, again);
	/* its bytes as numbers, too: any can be kept */
	for (unsigned i = 0; i < PROCUBC_ROWS && len >= 16; i++) {
		if (procubc_name(i)) {
			memcpy(&bean[i].most, text, 8);
			memcpy(&bean[i].failed, text + 8, 8);
		}
		text += 16;
		len -= 16;
	}
	ubckept_print(bean, &b);
	must(ubckept_parse(strbuf_get(&b), again) == 0);
	for (unsigned i = 0; i < PROCUBC_ROWS; i++)
		must(again[i].most == bean[i].most &&
		     again[i].failed == bean[i].failed);
}

/* ---- the files ---------------------------------------------------------------- */

static struct numbers n;

/* Numbers of the first bytes, and a host's file of the others. */
static void render(procview_render *fn, const char *text, size_t len)
{
	static struct procextra extra;
	static struct procnames names = { .id = "101",
					  .root_device = "/dev/simfs",
					  .root_type = "ext4",
					  .own_source = "vefs-proc" };
	struct procstate_bean bean[PROCSTATE_ROWS];
	_cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
	struct procview v = { .n = &n,
			      .names = &names,
			      .host = text,
			      .extra = &extra,
			      .bean = bean };
	const char *s;

	for (unsigned i = 0; i < NUMBERS_MEM && len; i++)
		memcpy(&n.mem[i], text + i * 8 % len,
		       len - i * 8 % len < 8 ? 1 : 8);
	memset(bean, 0, sizeof(bean));
	n.mem_total = n.mem[0];
	n.mem_used = n.mem[1];
	n.swap_total = n.mem[2];
	n.swap_used = n.mem[3];
	n.at = n.mem[4];
	n.start = n.mem[5];
	n.tasks = n.mem[6];
	n.cpus = 1 + (uint32_t)n.mem[7] % 64;
	n.io.read = n.mem[8];
	n.load[0] = n.mem[9];
	fn(&v, &out);
	must(strbuf_error(&out) == 0);
	s = strbuf_get(&out);
	must(strlen(s) == out.len);
	if (len == 0 || text[len - 1] == '\n')
		must(out.len == 0 || s[out.len - 1] == '\n');
	if (fn == procmounts_render)
		must(strncmp(s, "vefs-proc ", 10) != 0 &&
		     !strstr(s, "\nvefs-proc "));
}

static void (*const parsers[])(const char *text, size_t len) = {
	words,	 processors, counters,	   a_process, sockets,
	netlink, groups,     beancounters, kept,
};

static procview_render *const files[] = {
	meminfo_render,	       procstat_render,	    procstat_uptime,
	procstat_loadavg,      cpuinfo_render,	    cpuinfo_all_mask,
	procsmall_swaps,       procsmall_diskstats, procsmall_partitions,
	procsmall_cgroups,     procsmall_vmstat,    procsmall_devices,
	procsmall_filesystems, procmounts_render,   procubc_render,
	procubc_vestat,	       procubc_veinfo,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const unsigned all = ARRAY_SIZE(parsers) + ARRAY_SIZE(files);
	unsigned which;
	char *text;

	if (len == 0)
		return 0;
	which = data[0] % all;
	len--;
	text = malloc(len + 1);
	must(text != NULL);
	memcpy(text, data + 1, len);
	text[len] = '\0';
	if (which < ARRAY_SIZE(parsers))
		parsers[which](text, len);
	else
		render(files[which - ARRAY_SIZE(parsers)], text, strlen(text));
	free(text);
	return 0;
}
