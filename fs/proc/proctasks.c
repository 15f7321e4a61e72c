/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/proc/proctasks.h"

#include <fcntl.h>
#include <linux/cgroupstats.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <linux/taskstats.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "fs/base/cleanup.h"
#include "fs/base/strbuf.h"
#include "fs/proc/groupwalk.h"
#include "fs/proc/procfd.h"
#include "fs/proc/proctext.h"

#define TASKS_MAX 4096u /* that are looked at: a bound for hostile ones */
#define ANSWER 4096u

struct proctasks_counter {
	int sock;
	uint16_t family;
	uint32_t seq;
};

/* Netlink. */

struct request {
	struct nlmsghdr n;
	struct genlmsghdr g;
	struct nlattr a;
	char value[16];
};

struct question {
	uint16_t family, attr;
	uint8_t cmd;
	const void *value;
	size_t len;
};

/* Send one attribute, get the answer's attributes: their length, or -errno. */
static ssize_t ask(struct proctasks_counter *c, const struct question *what,
		   char answer[ANSWER])
{
	size_t len = what->len;
	struct request q = {
		.n = { .nlmsg_len = NLMSG_LENGTH(GENL_HDRLEN) +
				    NLA_ALIGN(NLA_HDRLEN + (uint32_t)len),
		       .nlmsg_type = what->family,
		       .nlmsg_flags = NLM_F_REQUEST,
		       .nlmsg_seq = ++c->seq },
		.g = { .cmd = what->cmd, .version = 1 },
		.a = { .nla_len = (uint16_t)(NLA_HDRLEN + len),
		       .nla_type = what->attr },
	};
	const struct sockaddr_nl to = { .nl_family = AF_NETLINK };
	const struct nlmsghdr *h = (const void *)answer;
	const struct nlmsgerr *e = NLMSG_DATA(answer);
	ssize_t n;

	memcpy(q.value, what->value, len);
	if (sendto(c->sock, &q, q.n.nlmsg_len, 0, (const void *)&to,
		   sizeof(to)) < 0)
		return -errno;
	do {
		n = recv(c->sock, answer, ANSWER, 0);
		if (n < 0)
			return -errno;
		if (n < (ssize_t)sizeof(*h))
			return -EPROTO;
	} while (h->nlmsg_seq != c->seq);
	if (h->nlmsg_type == NLMSG_ERROR)
		return n >= NLMSG_LENGTH((ssize_t)sizeof(*e)) && e->error < 0
			       ? e->error
			       : -EPROTO;
	n -= NLMSG_LENGTH(GENL_HDRLEN);
	if (n < 0)
		return -EPROTO;
	memmove(answer, answer + NLMSG_LENGTH(GENL_HDRLEN), (size_t)n);
	return n;
}

/* The value of an attribute, `len` bytes of it at least; NULL: not there. */
static const void *find_attr(const char *attrs, ssize_t n, uint16_t type,
			     size_t len)
{
	while (n >= NLA_HDRLEN) {
		const struct nlattr *a = (const void *)attrs;
		ssize_t step = NLA_ALIGN(a->nla_len);

		if (a->nla_len < NLA_HDRLEN || a->nla_len > n)
			return NULL;
		if ((a->nla_type & NLA_TYPE_MASK) == type)
			return a->nla_len >= NLA_HDRLEN + len ? a + 1 : NULL;
		attrs += step;
		n -= step;
	}
	return NULL;
}

static int find_family(struct proctasks_counter *c)
{
	char answer[ANSWER] __attribute__((aligned(8))) = "";
	const uint16_t *id;
	const struct question q = { GENL_ID_CTRL, CTRL_ATTR_FAMILY_NAME,
				    CTRL_CMD_GETFAMILY, TASKSTATS_GENL_NAME,
				    sizeof(TASKSTATS_GENL_NAME) };
	ssize_t n = ask(c, &q, answer);

	if (n < 0)
		return (int)n;
	id = find_attr(answer, n, CTRL_ATTR_FAMILY_ID, sizeof(*id));
	if (!id)
		return -EPROTO;
	c->family = *id;
	return 0;
}

int proctasks_open(struct proctasks_counter **out)
{
	const struct timeval patience = { .tv_sec = 2 };
	struct proctasks_counter *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return -ENOMEM;
	c->sock = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	if (c->sock < 0) {
		r = -errno;
	} else {
		setsockopt(c->sock, SOL_SOCKET, SO_RCVTIMEO, &patience,
			   sizeof(patience));
		r = find_family(c);
	}
	if (r < 0) {
		proctasks_close(c);
		return r;
	}
	*out = c;
	return 0;
}

void proctasks_close(struct proctasks_counter *c)
{
	if (!c)
		return;
	if (c->sock >= 0)
		close(c->sock);
	free(c);
}

static int count_v1(struct proctasks_counter *c, int dir, struct proctasks *out)
{
	char answer[ANSWER] __attribute__((aligned(8))) = "";
	uint32_t fd = (uint32_t)dir;
	struct cgroupstats st;
	const void *found;
	const struct question q = { c->family, CGROUPSTATS_CMD_ATTR_FD,
				    CGROUPSTATS_CMD_GET, &fd, sizeof(fd) };
	ssize_t n = ask(c, &q, answer);

	if (n < 0)
		return (int)n;
	found = find_attr(answer, n, CGROUPSTATS_TYPE_CGROUP_STATS, sizeof(st));
	if (!found)
		return -EPROTO;
	memcpy(&st, found, sizeof(st));
	out->running += st.nr_running;
	out->waiting += st.nr_uninterruptible;
	out->disk += st.nr_io_wait;
	return 0;
}

/* One by one. */

int proctasks_parse(const char *stat, char *state, uint64_t *start)
{
	const char *end = strrchr(stat, ')');
	struct proctext line, word;

	if (!end)
		return -EINVAL;
	end++;
	if (!proctext_line(&end, &line) || !proctext_word(&line, &word) ||
	    word.len != 1)
		return -EINVAL;
	*state = *word.s;
	for (int field = 4; field <= 22; field++)
		if (!proctext_word(&line, &word))
			return -EINVAL;
	return proctext_u64(&word, start) ? 0 : -EINVAL;
}

static void count_task(int proc, const struct proctext *tid, struct strbuf *buf,
		       struct proctasks *out)
{
	char name[48], state;
	uint64_t start;

	snprintf(name, sizeof(name), "%.*s/stat", (int)tid->len, tid->s);
	if (tid->len > 20 || procfd_read_at(proc, name, buf) < 0 ||
	    proctasks_parse(strbuf_get(buf), &state, &start) < 0)
		return; /* ended */
	if (state == 'R')
		out->running++;
	else if (state == 'D')
		out->waiting++;
}

static int count_v2(int dir, int proc, unsigned *left, struct proctasks *out)
{
	_cleanup_strbuf_ struct strbuf threads = STRBUF_INIT;
	_cleanup_strbuf_ struct strbuf stat = STRBUF_INIT;
	struct proctext line;
	const char *cursor;
	int r = procfd_read_at(dir, "cgroup.threads", &threads);

	cursor = strbuf_get(&threads);
	while (r == 0 && *left > 0 && proctext_line(&cursor, &line)) {
		count_task(proc, &line, &stat, out);
		--*left;
	}
	return r;
}

/* The groups below, too. */

struct counting {
	struct proctasks_counter *c;
	int v2, proc;
	unsigned tasks; /* that may still be looked at */
	struct proctasks sum;
};

/* One below may have gone. */
static int count_group(void *ctx, int dir, unsigned depth)
{
	struct counting *w = ctx;
	int r = w->v2 ? count_v2(dir, w->proc, &w->tasks, &w->sum)
		      : count_v1(w->c, dir, &w->sum);

	return depth ? 0 : r;
}

int proctasks_count(struct proctasks_counter *c, int dir, int v2, int proc,
		    struct proctasks *out)
{
	struct counting w = {
		.c = c, .v2 = v2, .proc = proc, .tasks = TASKS_MAX
	};
	int r = groupwalk(dir, count_group, &w);

	if (r == 0)
		*out = w.sum;
	return r;
}
