/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests are numbered; `first` is the number of the queue's first one. Each
 * has a record in `asked`, its bytes are in `out`; an inverse waits in `back`
 * until its request is known to be done, and is in `done` then. The answers to
 * a batch are all there when sending it returns: the kernel has no queue of its
 * own for these requests, so the time limit is for what cannot happen.
 */
#include "tools/ct/rtnl.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>

#include "fs/base/cleanup.h"
#include "fs/base/strbuf.h"

#define BATCH 64u   /* requests; their answers fit a socket's buffer */
#define ROOM 32768u /* of one receive; a dump's parts are no larger */
#define WAIT_SECONDS 30

struct asked {
	struct rtnl_how how;
	char what[96];
	size_t back, back_len; /* its inverse in `back`; no length: none */
	bool answered;
};

struct rtnl {
	struct mnl_socket *nl;
	uint32_t first; /* sequence number of asked[0] */
	size_t n;
	struct asked asked[BATCH];
	struct strbuf out, back;
	struct strbuf done; /* inverses, one after the other */
	int err;	    /* the first that was met, with its text */
	char text[512];
	_Alignas(8) char message[RTNL_MESSAGE];
	_Alignas(8) char in[ROOM];
};

static int set_up(struct rtnl *r)
{
	struct timeval wait = { .tv_sec = WAIT_SECONDS };
	int fd, on = 1;

	r->nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!r->nl || mnl_socket_bind(r->nl, 0, MNL_SOCKET_AUTOPID) < 0)
		return -errno;
	fd = mnl_socket_get_fd(r->nl);
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) < 0)
		return -errno;
	/* only what the kernel says in words depends on these */
	(void)mnl_socket_setsockopt(r->nl, NETLINK_EXT_ACK, &on, sizeof(on));
	(void)mnl_socket_setsockopt(r->nl, NETLINK_CAP_ACK, &on, sizeof(on));
	return 0;
}

int rtnl_open(struct rtnl **out)
{
	struct rtnl *r = calloc(1, sizeof(*r));
	int err = r ? set_up(r) : -ENOMEM;

	if (err < 0) {
		rtnl_free(r);
		return err;
	}
	r->first = 1;
	*out = r;
	return 0;
}

int rtnl_open_in(int ns, struct rtnl **out)
{
	_cleanup_close_ int own =
		open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	struct rtnl *made = NULL;
	int r;

	if (own < 0 || setns(ns, CLONE_NEWNET) < 0)
		return -errno;
	r = rtnl_open(&made);
	if (setns(own, CLONE_NEWNET) < 0)
		r = -errno;
	if (r < 0) {
		rtnl_free(made);
		return r;
	}
	*out = made;
	return 0;
}

void rtnl_free(struct rtnl *r)
{
	if (!r)
		return;
	if (r->nl)
		mnl_socket_close(r->nl);
	strbuf_free(&r->out);
	strbuf_free(&r->back);
	strbuf_free(&r->done);
	free(r);
}

/* ---- queueing ------------------------------------------------------------- */

struct nlmsghdr *rtnl_begin(struct rtnl *r, uint16_t type, uint16_t flags,
			    const void *header, size_t size)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(r->message);

	h->nlmsg_type = type;
	h->nlmsg_flags = (uint16_t)(flags | NLM_F_REQUEST | NLM_F_ACK);
	memcpy(mnl_nlmsg_put_extra_header(h, size), header, size);
	return h;
}

static void fail(struct rtnl *r, int err, const char *text)
{
	if (r->err)
		return;
	r->err = err;
	snprintf(r->text, sizeof(r->text), "%s", text);
}

static void flush(struct rtnl *r);

void rtnl_add(struct rtnl *r, struct nlmsghdr *h, const struct rtnl_how *how,
	      const char *fmt, ...)
{
	struct asked *a;
	va_list ap;

	if (r->n == BATCH)
		flush(r);
	h->nlmsg_seq = r->first + (uint32_t)r->n;
	a = &r->asked[r->n++];
	*a = (struct asked){ .how = how ? *how : (struct rtnl_how){ 0 } };
	va_start(ap, fmt);
	vsnprintf(a->what, sizeof(a->what), fmt, ap);
	va_end(ap);
	strbuf_add(&r->out, h, MNL_ALIGN(h->nlmsg_len));
}

void rtnl_inverse(struct rtnl *r, const struct nlmsghdr *h)
{
	struct asked *a = &r->asked[r->n - 1];

	a->back = r->back.len;
	if (strbuf_add(&r->back, h, MNL_ALIGN(h->nlmsg_len)) == 0)
		a->back_len = r->back.len - a->back;
}

/* ---- answers -------------------------------------------------------------- */

static int take_words(const struct nlattr *attr, void *arg)
{
	const char **text = arg;

	if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_MSG &&
	    mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0)
		*text = mnl_attr_get_str(attr);
	return MNL_CB_OK;
}

/* What the kernel says of it in words, or "". */
static const char *words(const struct nlmsghdr *h)
{
	const char *text = "";

	if (h->nlmsg_flags & NLM_F_ACK_TLVS)
		(void)mnl_attr_parse(h, sizeof(struct nlmsgerr), take_words,
				     &text);
	return text;
}

static bool is_forgiven(const struct rtnl_how *how, int err)
{
	switch (how->forgive) {
	case RTNL_ANY:
		return true;
	case RTNL_GONE:
		return err == ENODEV || err == ENOENT || err == ESRCH ||
		       err == EADDRNOTAVAIL;
	default:
		return how->forgive == err;
	}
}

static void take_result(struct rtnl *r, struct asked *a,
			const struct nlmsghdr *h)
{
	const struct nlmsgerr *e = mnl_nlmsg_get_payload(h);
	const char *more = words(h);
	int err = e->error;
	char text[512];

	a->answered = true;
	if (err == 0) {
		if (a->back_len)
			strbuf_add(&r->done, strbuf_get(&r->back) + a->back,
				   a->back_len);
		return;
	}
	if (is_forgiven(&a->how, -err))
		return;
	if (err == -EEXIST && a->how.exists)
		err = -a->how.exists;
	snprintf(text, sizeof(text), "%s: %s%s%s%s", a->what, strerror(-err),
		 *more ? " (" : "", more, *more ? ")" : "");
	fail(r, err, text);
}

static void take_answer(struct rtnl *r, const struct nlmsghdr *h)
{
	uint32_t i = h->nlmsg_seq - r->first;
	struct asked *a;
	int err;

	if (i >= r->n)
		return;
	a = &r->asked[i];
	if (h->nlmsg_type == NLMSG_ERROR &&
	    mnl_nlmsg_get_payload_len(h) >= sizeof(struct nlmsgerr)) {
		take_result(r, a, h);
		return;
	}
	err = a->how.take ? a->how.take(h, a->how.arg) : 0;
	if (err < 0)
		fail(r, err, a->what);
}

/* One receive's worth; -errno. */
static ssize_t receive(struct rtnl *r)
{
	ssize_t n = mnl_socket_recvfrom(r->nl, r->in, sizeof(r->in));

	return n < 0 ? (errno == EAGAIN ? -ETIMEDOUT : -errno) : n;
}

static size_t count_unanswered(const struct rtnl *r)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n; i++)
		n += !r->asked[i].answered;
	return n;
}

static int collect(struct rtnl *r)
{
	while (count_unanswered(r) > 0) {
		ssize_t got = receive(r);
		int left = (int)got;

		if (got < 0)
			return (int)got;
		for (struct nlmsghdr *h = (struct nlmsghdr *)r->in;
		     mnl_nlmsg_ok(h, left); h = mnl_nlmsg_next(h, &left))
			take_answer(r, h);
	}
	return 0;
}

/* ---- sending -------------------------------------------------------------- */

static int send_out(struct rtnl *r, const void *bytes, size_t len)
{
	return mnl_socket_sendto(r->nl, bytes, len) < 0 ? -errno : 0;
}

/* What is queued behind an error is not sent. */
static void flush(struct rtnl *r)
{
	int err = strbuf_error(&r->out);

	if (err == 0)
		err = strbuf_error(&r->back);
	/* what is done can then be remembered */
	if (err == 0)
		err = strbuf_reserve(&r->done, r->back.len);
	if (err == 0 && !r->err && r->n) {
		err = send_out(r, strbuf_get(&r->out), r->out.len);
		if (err == 0)
			err = collect(r);
	}
	if (err < 0)
		fail(r, err, strerror(-err));
	r->first += (uint32_t)r->n;
	r->n = 0;
	strbuf_clear(&r->out);
	strbuf_clear(&r->back);
}

int rtnl_run(struct rtnl *r, struct why *why)
{
	int err;

	flush(r);
	err = r->err;
	r->err = 0;
	return err < 0 ? why_set(why, err, "%s", r->text) : 0;
}

struct dump {
	uint32_t seq;
	rtnl_take take;
	void *arg;
	int err; /* take's first */
	bool torn;
};

/* One part of a dump: 1 at its end. */
static int take_part(struct rtnl *r, struct dump *d, int left)
{
	for (struct nlmsghdr *h = (struct nlmsghdr *)r->in;
	     mnl_nlmsg_ok(h, left); h = mnl_nlmsg_next(h, &left)) {
		const struct nlmsgerr *e = mnl_nlmsg_get_payload(h);

		if (h->nlmsg_seq != d->seq)
			continue;
		d->torn |= h->nlmsg_flags & NLM_F_DUMP_INTR;
		if (h->nlmsg_type == NLMSG_DONE)
			return 1;
		if (h->nlmsg_type == NLMSG_ERROR)
			return e->error ? e->error : 1;
		if (d->err == 0)
			d->err = d->take(h, d->arg);
	}
	return 0;
}

int rtnl_dump(struct rtnl *r, struct nlmsghdr *h, rtnl_take take, void *arg)
{
	struct dump d = { .seq = r->first++, .take = take, .arg = arg };
	int end;

	h->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	h->nlmsg_seq = d.seq;
	end = send_out(r, h, h->nlmsg_len);
	while (end == 0) {
		ssize_t got = receive(r);

		end = got < 0 ? (int)got : take_part(r, &d, (int)got);
	}
	if (end < 0)
		return end;
	return d.err < 0 ? d.err : d.torn;
}

int rtnl_dump_some(struct rtnl *r, struct nlmsghdr *h, rtnl_take take,
		   void *arg)
{
	int on = 1, off = 0, end;

	/* not for all: it refuses flags that other requests need */
	(void)mnl_socket_setsockopt(r->nl, NETLINK_GET_STRICT_CHK, &on,
				    sizeof(on));
	end = rtnl_dump(r, h, take, arg);
	(void)mnl_socket_setsockopt(r->nl, NETLINK_GET_STRICT_CHK, &off,
				    sizeof(off));
	return end;
}

void rtnl_settle(struct rtnl *r)
{
	strbuf_clear(&r->done);
}

/* The inverse before `end`, by going there from the start: there are few. */
static size_t last_before(const struct rtnl *r, size_t end)
{
	size_t at = 0, next = 0;

	while (next < end) {
		const struct nlmsghdr *h =
			(const struct nlmsghdr *)(strbuf_get(&r->done) + next);

		at = next;
		next += MNL_ALIGN(h->nlmsg_len);
	}
	return at;
}

void rtnl_rollback(struct rtnl *r)
{
	size_t end = r->done.len;

	r->err = 0;
	r->n = 0;
	strbuf_clear(&r->out);
	strbuf_clear(&r->back);
	while (end > 0) {
		size_t at = last_before(r, end);

		memcpy(r->message, strbuf_get(&r->done) + at, end - at);
		rtnl_add(r, (struct nlmsghdr *)r->message,
			 &(struct rtnl_how){ .forgive = RTNL_ANY }, "undo");
		end = at;
	}
	flush(r);
	r->err = 0;
	strbuf_clear(&r->done);
}
