/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/proc/procgather.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fs/base/cleanup.h"
#include "fs/base/clock.h"
#include "fs/proc/procfd.h"
#include "fs/proc/procinside.h"
#include "fs/proc/procsock.h"
#include "fs/proc/proctext.h"

/*
 * What of the container is opened is opened when it is asked for first: by
 * then it has begun. What was gathered is shown again until it is SOURCE_FRESH
 * old, or twenty times as old as its gathering took: each process costs two
 * microseconds, each socket one.
 */
#define SHARE 20u
#define AGE_MAX CLOCK_S
#define FILES_MAX 1000000u /* that are counted one by one */
#define ENTRIES 8192u

struct procgather {
	struct procsock *sock;
	int pts;
	uint64_t counted; /* files, of this time */
	uint64_t next;	  /* not gathered anew before */
	struct procextra last;
};

/* ---- texts --------------------------------------------------------------------- */

/* "TCP: inuse 5 orphan 0 tw 2 alloc 9 mem 1"; fragments are no sockets. */
void procgather_sockets(const char *text, struct procextra *out)
{
	struct proctext line, name, key, value;

	while (proctext_line(&text, &line)) {
		uint64_t n;
		bool tcp;

		if (!proctext_word(&line, &name) ||
		    proctext_is(&name, "sockets:") ||
		    proctext_is(&name, "FRAG:") || proctext_is(&name, "FRAG6:"))
			continue;
		tcp = proctext_is(&name, "TCP:") || proctext_is(&name, "TCP6:");
		while (proctext_word(&line, &key) &&
		       proctext_word(&line, &value)) {
			if (!proctext_is(&key, "inuse") ||
			    !proctext_u64(&value, &n))
				continue;
			if (tcp)
				out->tcp_sockets += n;
			else
				out->other_sockets += n;
		}
	}
}

uint64_t procgather_lines(const char *text)
{
	struct proctext line;
	uint64_t n = 0;

	while (proctext_line(&text, &line))
		n++;
	return n;
}

/* The n-th word from here, from 1; the line goes on behind it. */
static bool word_at(struct proctext *line, unsigned n, struct proctext *word)
{
	while (n-- > 0)
		if (!proctext_word(line, word))
			return false;
	return true;
}

/* "sk Eth Pid ...": each namespace has some of the kernel's, of no process. */
uint64_t procgather_netlink(const char *text)
{
	struct proctext line, word;
	uint64_t n = 0, pid;

	while (proctext_line(&text, &line))
		if (word_at(&line, 3, &word) && proctext_u64(&word, &pid))
			n += pid != 0;
	return n;
}

/* "1: POSIX  ADVISORY  WRITE 3568 fd:00:2531452 0 EOF"; who waits for one has
 * "->" behind the number. */
uint64_t procgather_locks(const char *text, const struct grouppids *who)
{
	struct proctext line, word;
	uint64_t n = 0, pid;

	while (proctext_line(&text, &line)) {
		bool is_one = word_at(&line, 2, &word) &&
			      (proctext_is(&word, "POSIX") ||
			       proctext_is(&word, "FLOCK"));

		if (is_one && word_at(&line, 3, &word) &&
		    proctext_u64(&word, &pid))
			n += grouppids_has(who, pid);
	}
	return n;
}

static void add_address(struct procextra *out, const char *one)
{
	struct proctext rest = { out->addresses, strlen(out->addresses) };
	struct proctext word;
	size_t at = rest.len;

	while (proctext_word(&rest, &word))
		if (proctext_is(&word, one))
			return;
	if (at + strlen(one) + 2 <= sizeof(out->addresses))
		snprintf(out->addresses + at, sizeof(out->addresses) - at,
			 "%s%s", at ? " " : "", one);
}

/* "|-- 10.0.0.5", then "/32 host LOCAL". */
void procgather_ipv4(const char *text, struct procextra *out)
{
	char last[INET_ADDRSTRLEN] = "";
	struct proctext line, word;
	struct in_addr valid;

	while (proctext_line(&text, &line)) {
		if (!proctext_word(&line, &word))
			continue;
		if (proctext_is(&word, "|--") && proctext_word(&line, &word)) {
			snprintf(last, sizeof(last), "%.*s", (int)word.len,
				 word.s);
		} else if (proctext_is(&word, "/32") &&
			   proctext_word(&line, &word) &&
			   proctext_is(&word, "host") &&
			   proctext_word(&line, &word) &&
			   proctext_is(&word, "LOCAL") &&
			   strncmp(last, "127.", 4) != 0 &&
			   inet_pton(AF_INET, last, &valid) == 1) {
			add_address(out, last);
		}
	}
}

/* "fd00000000000000000000000000000005 02 80 00 80  venet0": the fourth is how
 * far it reaches, 00 everywhere. */
void procgather_ipv6(const char *text, struct procextra *out)
{
	struct proctext line, hex, word;

	while (proctext_line(&text, &line)) {
		char name[INET6_ADDRSTRLEN], two[3] = "";
		struct in6_addr a;

		if (!proctext_word(&line, &hex) || hex.len != 32 ||
		    strspn(hex.s, "0123456789abcdef") < 32)
			continue;
		for (unsigned i = 0; i < 3; i++)
			proctext_word(&line, &word);
		if (!proctext_is(&word, "00"))
			continue;
		for (unsigned i = 0; i < 16; i++) {
			memcpy(two, hex.s + (size_t)2 * i, 2);
			a.s6_addr[i] = (uint8_t)strtoul(two, NULL, 16);
		}
		if (inet_ntop(AF_INET6, &a, name, sizeof(name)))
			add_address(out, name);
	}
}

/* ---- the network ------------------------------------------------------------------ */

static int read_net(int proc, int init, const char *what, struct strbuf *buf)
{
	char name[64];

	snprintf(name, sizeof(name), "%d/net/%s", init, what);
	return procfd_read_at(proc, name, buf);
}

/* Where sockets cannot be asked for: how many there are. */
static void count_sockets(int proc, int init, struct strbuf *buf,
			  struct procextra *out)
{
	if (read_net(proc, init, "sockstat", buf) == 0)
		procgather_sockets(strbuf_get(buf), out);
	if (read_net(proc, init, "sockstat6", buf) == 0)
		procgather_sockets(strbuf_get(buf), out);
	if (read_net(proc, init, "unix", buf) == 0 && buf->len)
		out->other_sockets += procgather_lines(strbuf_get(buf)) - 1;
}

static void gather_net(struct procgather *g, int proc, int init,
		       struct strbuf *buf, struct procextra *out)
{
	if (!procinside_has_own(proc, init, "net"))
		return;
	if (!g->sock && procsock_open(&g->sock, proc, init) < 0)
		g->sock = NULL;
	if (!g->sock || procsock_read(g->sock, out) < 0)
		count_sockets(proc, init, buf, out);
	if (read_net(proc, init, "packet", buf) == 0 && buf->len)
		out->other_sockets += procgather_lines(strbuf_get(buf)) - 1;
	if (read_net(proc, init, "netlink", buf) == 0)
		out->other_sockets +=
			proctext_less(procgather_netlink(strbuf_get(buf)),
				      g->sock ? procsock_own(g->sock) : 0);
	if (read_net(proc, init, "fib_trie", buf) == 0)
		procgather_ipv4(strbuf_get(buf), out);
	if (read_net(proc, init, "if_inet6", buf) == 0)
		procgather_ipv6(strbuf_get(buf), out);
}

/* ---- processes -------------------------------------------------------------------- */

/* Where the directory's size does not say it. */
static uint64_t count_entries(struct procgather *g, int proc, const char *name)
{
	_cleanup_close_ int fd =
		openat(proc, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char buf[ENTRIES] __attribute__((aligned(8)));
	uint64_t count = 0;
	ssize_t n;

	while (fd >= 0 && g->counted + count < FILES_MAX &&
	       (n = getdents64(fd, buf, sizeof(buf))) > 0)
		for (ssize_t at = 0; at < n;) {
			const struct dirent64 *e = (const void *)(buf + at);

			count += e->d_name[0] != '.';
			at += e->d_reclen;
		}
	g->counted += count;
	return count;
}

/* A directory of descriptors says how many there are (Linux 6.2). */
static void gather_process(struct procgather *g, int proc, uint32_t pid,
			   struct procextra *out)
{
	char name[48];
	struct stat st;

	snprintf(name, sizeof(name), "%u/fd", pid);
	if (fstatat(proc, name, &st, 0) < 0)
		return;
	out->files += st.st_size ? (uint64_t)st.st_size
				 : count_entries(g, proc, name);
}

/* "SigQ:\t3/95000" */
static void gather_signals(int proc, int init, struct strbuf *buf,
			   struct procextra *out)
{
	struct proctext line, word;
	const char *cursor;
	char name[48];

	snprintf(name, sizeof(name), "%d/status", init);
	/* they are counted by user: else they are the host's root's */
	if (!procinside_has_own(proc, init, "user") ||
	    procfd_read_at(proc, name, buf) < 0)
		return;
	cursor = strbuf_get(buf);
	while (proctext_line(&cursor, &line)) {
		const char *slash;

		if (!proctext_word(&line, &word) ||
		    !proctext_is(&word, "SigQ:") ||
		    !proctext_word(&line, &word))
			continue;
		slash = memchr(word.s, '/', word.len);
		if (slash)
			word.len = (size_t)(slash - word.s);
		proctext_u64(&word, &out->signals);
	}
}

static void gather_processes(struct procgather *g, struct source *s,
			     struct strbuf *buf, struct procextra *out)
{
	struct grouppids who;
	int proc = source_host_fd(s);

	if (grouppids_read(group_fd(source_group(s), GROUP_PIDS), &who) < 0)
		return;
	out->processes = who.n;
	g->counted = 0;
	for (unsigned i = 0; i < who.n; i++)
		gather_process(g, proc, who.pid[i], out);
	if (procfd_read_at(proc, "locks", buf) == 0)
		out->locks = procgather_locks(strbuf_get(buf), &who);
	grouppids_free(&who);
}

/* ---- all of it -------------------------------------------------------------------- */

struct procgather *procgather_new(void)
{
	struct procgather *g = calloc(1, sizeof(*g));

	if (g)
		g->pts = -1;
	return g;
}

void procgather_free(struct procgather *g)
{
	if (!g)
		return;
	procsock_close(g->sock);
	if (g->pts >= 0)
		close(g->pts);
	free(g);
}

static void gather(struct procgather *g, struct source *s,
		   struct procextra *out)
{
	_cleanup_strbuf_ struct strbuf buf = STRBUF_INIT;
	int proc = source_host_fd(s), init = source_init(s);

	memset(out, 0, sizeof(*out));
	if (init > 0) {
		gather_net(g, proc, init, &buf, out);
		gather_signals(proc, init, &buf, out);
		if (g->pts < 0)
			g->pts = procinside_pts(proc, init);
		out->ptys = procinside_count_ptys(g->pts);
	}
	gather_processes(g, s, &buf, out);
}

uint64_t procgather_age(uint64_t cost)
{
	uint64_t age = proctext_scale(cost, SHARE, 1);

	if (age < SOURCE_FRESH)
		return SOURCE_FRESH;
	return proctext_min(age, AGE_MAX);
}

void procgather(struct procgather *g, struct source *s, struct procextra *out)
{
	uint64_t began = clock_now(), ended;

	if (began >= g->next) {
		gather(g, s, &g->last);
		ended = clock_now();
		g->next = ended + procgather_age(ended - began);
	}
	*out = g->last;
}
