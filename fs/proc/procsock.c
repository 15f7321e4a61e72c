/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/proc/procsock.h"

#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "fs/base/cleanup.h"
#include "fs/base/log.h"
#include "fs/proc/procinside.h"

#define ANSWER 32768u
#define MESSAGES_MAX 200000u /* of a dump: a bound for a hostile one */

/* As in the kernel's net/tcp_states.h. */
#define TCP_SYN_RECV 3u
#define TCP_TIME_WAIT 6u
#define TCP_NEW_SYN_RECV 12u

/* Those are no sockets of a program. */
#define STATES                                                                 \
	(~(1u << TCP_SYN_RECV | 1u << TCP_TIME_WAIT | 1u << TCP_NEW_SYN_RECV))

struct procsock {
	int diag, filter;
	bool no_rules; /* this kernel has no such filters */
	uint32_t seq;
	char *answer; /* ANSWER bytes */
};

/* ---- what is told ------------------------------------------------------------ */

/* The attribute of a kind with room for `len` bytes; NULL: not there. */
static const void *attr_of(const char *at, size_t n, uint16_t type, size_t len)
{
	while (n >= NLA_HDRLEN) {
		struct nlattr a;
		size_t step;

		memcpy(&a, at, sizeof(a));
		step = NLA_ALIGN((size_t)a.nla_len);
		if (a.nla_len < NLA_HDRLEN || a.nla_len > n)
			return NULL;
		if ((a.nla_type & NLA_TYPE_MASK) == type)
			return a.nla_len >= NLA_HDRLEN + len ? at + NLA_HDRLEN
							     : NULL;
		if (step >= n)
			return NULL;
		at += step;
		n -= step;
	}
	return NULL;
}

/* SK_MEMINFO_* of a socket. */
static void memory_of(const char *attrs, size_t n, uint16_t type,
		      uint32_t mem[SK_MEMINFO_VARS])
{
	const size_t len = (SK_MEMINFO_WMEM_QUEUED + 1) * sizeof(*mem);
	const void *found = attr_of(attrs, n, type, len);

	memset(mem, 0, SK_MEMINFO_VARS * sizeof(*mem));
	if (found)
		memcpy(mem, found, len);
}

static void take_inet(const char *data, size_t len, bool tcp,
		      struct procextra *out)
{
	const size_t head = NLMSG_ALIGN(sizeof(struct inet_diag_msg));
	uint32_t mem[SK_MEMINFO_VARS];

	if (len < sizeof(struct inet_diag_msg))
		return;
	memory_of(data + head, len > head ? len - head : 0, INET_DIAG_SKMEMINFO,
		  mem);
	if (tcp) {
		out->tcp_sockets++;
		out->tcp_send += mem[SK_MEMINFO_WMEM_QUEUED];
		out->tcp_receive += mem[SK_MEMINFO_RMEM_ALLOC];
	} else {
		out->other_sockets++;
		out->other_send += mem[SK_MEMINFO_WMEM_ALLOC];
		out->dgram_receive += mem[SK_MEMINFO_RMEM_ALLOC];
	}
}

/* What waits for a reader is the sender's. */
static void take_unix(const char *data, size_t len, struct procextra *out)
{
	const size_t head = NLMSG_ALIGN(sizeof(struct unix_diag_msg));
	uint32_t mem[SK_MEMINFO_VARS];

	if (len < sizeof(struct unix_diag_msg))
		return;
	memory_of(data + head, len > head ? len - head : 0, UNIX_DIAG_MEMINFO,
		  mem);
	out->other_sockets++;
	out->other_send += mem[SK_MEMINFO_WMEM_ALLOC];
}

/* A request's number says which dump it is of. */
enum dump { TCP4, TCP6, UDP4, UDP6, LOCAL, RULES, DUMPS };

void procsock_take(const void *message, size_t len, struct procextra *out)
{
	const char *data = (const char *)message + NLMSG_HDRLEN;
	struct nlmsghdr h;

	if (len < NLMSG_HDRLEN)
		return;
	memcpy(&h, message, sizeof(h));
	if (h.nlmsg_len < NLMSG_HDRLEN || h.nlmsg_len > len)
		return;
	len = h.nlmsg_len - NLMSG_HDRLEN;
	if (h.nlmsg_type == (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWRULE))
		out->rules++;
	else if (h.nlmsg_type != SOCK_DIAG_BY_FAMILY)
		return;
	else if (h.nlmsg_seq % DUMPS == LOCAL)
		take_unix(data, len, out);
	else
		take_inet(data, len, h.nlmsg_seq % DUMPS <= TCP6, out);
}

/* ---- asking ------------------------------------------------------------------- */

struct request {
	struct nlmsghdr h;
	union {
		struct inet_diag_req_v2 inet;
		struct unix_diag_req local;
		struct nfgenmsg rules;
	} of;
};

static size_t fill(struct request *q, enum dump d)
{
	q->h.nlmsg_type = SOCK_DIAG_BY_FAMILY;
	if (d == RULES) {
		q->h.nlmsg_type = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETRULE;
		q->of.rules.version = NFNETLINK_V0;
		return sizeof(q->of.rules);
	}
	if (d == LOCAL) {
		q->of.local.sdiag_family = AF_UNIX;
		q->of.local.udiag_states = ~0u;
		q->of.local.udiag_show = UDIAG_SHOW_MEMINFO;
		return sizeof(q->of.local);
	}
	q->of.inet.sdiag_family = d == TCP4 || d == UDP4 ? AF_INET : AF_INET6;
	q->of.inet.sdiag_protocol = d <= TCP6 ? IPPROTO_TCP : IPPROTO_UDP;
	q->of.inet.idiag_ext = 1u << (INET_DIAG_SKMEMINFO - 1);
	q->of.inet.idiag_states = d <= TCP6 ? STATES : ~0u;
	return sizeof(q->of.inet);
}

/* The messages of one answer. 1: there is more; 0: that was all; -errno. */
static int take_all(struct procsock *s, size_t n, unsigned *left,
		    struct procextra *out)
{
	size_t at = 0;

	while (n - at >= NLMSG_HDRLEN) {
		struct nlmsghdr h;
		int error = 0;

		memcpy(&h, s->answer + at, sizeof(h));
		if (h.nlmsg_len < NLMSG_HDRLEN || h.nlmsg_len > n - at)
			return -EPROTO;
		if (h.nlmsg_seq != s->seq)
			return 1; /* of one that was given up */
		if (h.nlmsg_type == NLMSG_DONE)
			return 0;
		if (h.nlmsg_type == NLMSG_ERROR) {
			if (h.nlmsg_len >= NLMSG_LENGTH(sizeof(error)))
				memcpy(&error, s->answer + at + NLMSG_HDRLEN,
				       sizeof(error));
			return error < 0 ? error : -EPROTO;
		}
		if (*left == 0)
			return -EOVERFLOW;
		--*left;
		procsock_take(s->answer + at, n - at, out);
		at += NLMSG_ALIGN((size_t)h.nlmsg_len);
		if (at > n)
			break;
	}
	return 1;
}

static int dump(struct procsock *s, int fd, enum dump d, struct procextra *out)
{
	const struct sockaddr_nl to = { .nl_family = AF_NETLINK };
	struct request q = { .h = { .nlmsg_flags = NLM_F_REQUEST |
						   NLM_F_DUMP } };
	unsigned left = MESSAGES_MAX;
	int r;

	q.h.nlmsg_len = (uint32_t)NLMSG_LENGTH(fill(&q, d));
	s->seq += DUMPS;
	s->seq -= s->seq % DUMPS;
	q.h.nlmsg_seq = s->seq += d;
	if (sendto(fd, &q, q.h.nlmsg_len, 0, (const void *)&to, sizeof(to)) < 0)
		return -errno;
	do {
		ssize_t n = recv(fd, s->answer, ANSWER, 0);

		if (n < 0)
			return -errno;
		r = n == 0 ? -EPROTO : take_all(s, (size_t)n, &left, out);
	} while (r > 0);
	return r;
}

int procsock_read(struct procsock *s, struct procextra *out)
{
	int done = 0, first = 0, r;

	for (int d = TCP4; d <= LOCAL; d++) {
		r = dump(s, s->diag, (enum dump)d, out);
		done += r == 0;
		if (r < 0 && first == 0)
			first = r;
	}
	/* A kernel without them is asked once: it looks for a module. */
	if (s->filter >= 0 && !s->no_rules)
		s->no_rules = dump(s, s->filter, RULES, out) < 0;
	out->has_buffers = done > 0;
	/* Some of them would be fewer than there are. */
	if (first < 0)
		out->tcp_sockets = out->other_sockets = 0;
	return first;
}

/* ---- being there --------------------------------------------------------------- */

static int open_netlink(int protocol)
{
	const struct sockaddr_nl any = { .nl_family = AF_NETLINK };
	const struct timeval patience = { .tv_sec = 2 };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	/* It is listed as a process's from now on, not from some time on. */
	if (bind(fd, (const void *)&any, sizeof(any)) < 0) {
		close(fd);
		return -errno;
	}
	return fd;
}

static int open_there(struct procsock *s, int host, pid_t init)
{
	_cleanup_close_ int own = -1, there = -1;
	char name[48];

	own = openat(host, "thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (own < 0)
		return -errno;
	snprintf(name, sizeof(name), "%d/ns/net", init);
	there = openat(host, name, O_RDONLY | O_CLOEXEC);
	if (there < 0 || setns(there, CLONE_NEWNET) < 0)
		return -errno;
	s->diag = open_netlink(NETLINK_SOCK_DIAG);
	s->filter = open_netlink(NETLINK_NETFILTER);
	if (setns(own, CLONE_NEWNET) < 0)
		log_error("vefs-proc: its own network: %s", strerror(errno));
	return s->diag < 0 ? s->diag : 0;
}

int procsock_open(struct procsock **out, int host, pid_t init)
{
	struct procsock *s;
	int r;

	if (init <= 0 || !procinside_has_own(host, init, "net"))
		return -EXDEV;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->diag = s->filter = -1;
	s->answer = malloc(ANSWER);
	r = s->answer ? open_there(s, host, init) : -ENOMEM;
	if (r < 0) {
		procsock_close(s);
		return r;
	}
	*out = s;
	return 0;
}

uint64_t procsock_own(const struct procsock *s)
{
	return (uint64_t)(s->diag >= 0) + (s->filter >= 0);
}

void procsock_close(struct procsock *s)
{
	if (!s)
		return;
	if (s->diag >= 0)
		close(s->diag);
	if (s->filter >= 0)
		close(s->filter);
	free(s->answer);
	free(s);
}
