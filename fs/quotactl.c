/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/quotactl.h"

#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "fs/base/cleanup.h"
#include "fs/base/clock.h"
#include "fs/base/log.h"
#include "fs/control.h"
#include "fs/gate.h"
#include "fs/hostlimit.h"
#include "fs/quotafile.h"
#include "fs/quotarecount.h"
#include "fs/window.h"
#include "quota/command.h"

/*
 * The thread sleeps until somebody asks, or the ledger changes; a change is
 * written SAVE_MS later, with what came after it. An idle mount makes no
 * wake-ups.
 */
#define SAVE_MS 5000
#define PATIENCE_MS 10000 /* with who asks, on a busy machine */
#define STACK_BYTES (256 * 1024)

struct quotactl {
	struct overlay *o;
	struct state *state;
	struct quotadb *db;
	pthread_t thread;
	int bell;	   /* an eventfd: the ledger changed, or it is over */
	uint64_t host_due; /* when hostlimit_update() must be called; 0: never */
	uint64_t deaf;	   /* until when nobody is listened to; 0: all are */
	_Atomic bool over;
	FILE *sessions[QUOTACTL_SESSIONS];
};

static void ring(void *ctx)
{
	struct quotactl *q = ctx;
	uint64_t one = 1;

	if (write(q->bell, &one, sizeof(one)) < 0)
		log_debug("quota: %s", strerror(errno));
}

static void tell(void *ctx, const struct ledger_event *e)
{
	static const char *const what[] = {
		[LEDGER_SOFT] = "is above its soft limit: the grace begins",
		[LEDGER_HARD] = "has reached its hard limit",
		[LEDGER_EXPIRED] = "has been above its soft limit too long",
	};
	struct quotactl *q = ctx;
	const char *id = q->o->opts->quota_id;

	if (e->kind == LEDGER_CONTAINER)
		log_warn("quota of %s: %s of the container %s",
			 id ? id : q->state->target, limit_names[e->what],
			 what[e->event]);
	else
		log_warn("quota of %s: %s of %s %u %s",
			 id ? id : q->state->target, limit_names[e->what],
			 ledger_kinds[e->kind], e->id, what[e->event]);
}

static int save(struct quotactl *q, bool clean)
{
	int r = q->db ? 0 : quotafile_open(q->o, q->state->quota_dir, &q->db);

	if (r < 0)
		return r;
	r = quotadb_save(q->db, gate_ledger(q->o->gate), clean);
	if (r < 0)
		log_error("quota: writing %s: %s", q->o->opts->quota,
			  strerror(-r));
	return r;
}

/* What the host is to keep may be another limit now. */
static void tell_host(struct quotactl *q)
{
	int64_t again = hostlimit_update(q->o);

	q->host_due = again < 0 ? 0
				: clock_now() + ((uint64_t)again + 1) * CLOCK_S;
}

static int changed(void *ctx)
{
	tell_host(ctx);
	return save(ctx, false);
}

static int64_t check(void *ctx, bool fix,
		     void (*fn)(void *ctx, const struct scan_drift *d),
		     void *fn_ctx)
{
	struct quotactl *q = ctx;
	int64_t n;

	/* Should we die in the middle of setting it right: once more. */
	if (fix)
		atomic_store(&q->state->quota_scan, 1);
	n = quotafile_check(q->o, fix, fn, fn_ctx);
	if (fix && n >= 0)
		atomic_store(&q->state->quota_scan, 0);
	return n;
}

static int run(struct quotactl *q, const char *line, FILE *out)
{
	struct ledger *l = gate_ledger(q->o->gate);
	struct command_ctx c = {
		.ledger = l, .check = check, .changed = changed, .ctx = q
	};
	uint64_t version = ledger_version(l);
	int r = command_run(&c, line, out);

	if (ledger_version(l) != version)
		window_changed(q->o->window);
	return r;
}

/* Who asks more than once. NULL in it: one may come. */
static FILE **free_session(struct quotactl *q)
{
	for (unsigned i = 0; i < QUOTACTL_SESSIONS; i++)
		if (!q->sessions[i])
			return &q->sessions[i];
	return NULL;
}

static void answer(struct quotactl *q)
{
	char line[CONTROL_LINE];
	int fd = control_accept(q->state->fd_quota, PATIENCE_MS, line);
	FILE *out = fd < 0 ? NULL : fdopen(fd, "w");
	FILE **session = free_session(q);

	if (control_is_full(fd))
		q->deaf = clock_now() + CONTROL_DEAF_MS * CLOCK_MS;
	if (!out) {
		if (fd >= 0)
			close(fd);
		return;
	}
	if (strcmp(line, "session") != 0) {
		run(q, line, out);
	} else if (session) {
		fputs("ok\n. 0\n", out);
		if (fflush(out) == 0) {
			*session = out;
			return;
		}
	}
	fclose(out);
}

static void answer_session(struct quotactl *q, FILE **session)
{
	char line[CONTROL_LINE];
	int r = control_read(fileno(*session), line);

	if (r == 0) {
		int err = -run(q, line, *session);

		fprintf(*session, ". %d\n", err);
	}
	if (r < 0 || fflush(*session) != 0) {
		fclose(*session);
		*session = NULL;
	}
}

static void count_in_background(struct quotactl *q)
{
	int64_t n;

	if (!atomic_load(&q->state->quota_scan))
		return;
	n = quotarecount(q->o);
	if (n >= 0)
		atomic_store(&q->state->quota_scan, 0);
	else
		n = check(q, true, NULL, NULL);
	if (n < 0)
		log_error("quota: counting what is there: %s",
			  strerror((int)-n));
	else
		log_info("quota: counted %lld inodes", (long long)n);
}

/* The first of two times, of which 0 is never. */
static uint64_t first_of(uint64_t a, uint64_t b)
{
	return !a || (b && b < a) ? b : a;
}

/* Milliseconds until a time, of which 0 is never. */
static int until(uint64_t now, uint64_t then)
{
	uint64_t ms;

	if (!then)
		return -1;
	ms = then > now ? (then - now) / CLOCK_MS + 1 : 0;
	return ms < INT_MAX ? (int)ms : INT_MAX;
}

/* Unless one that cannot be taken waits there. */
static void listen_to_new(struct quotactl *q, struct pollfd *p, uint64_t now)
{
	if (q->deaf <= now)
		q->deaf = 0;
	p->fd = q->deaf ? -1 : q->state->fd_quota;
}

static void listen_to_sessions(const struct quotactl *q, struct pollfd *p)
{
	for (unsigned i = 0; i < QUOTACTL_SESSIONS; i++)
		p[i] = (struct pollfd){
			.fd = q->sessions[i] ? fileno(q->sessions[i]) : -1,
			.events = POLLIN,
		};
}

static void *serve(void *arg)
{
	struct quotactl *q = arg;
	struct pollfd p[2 + QUOTACTL_SESSIONS] = {
		{ .fd = q->state->fd_quota, .events = POLLIN },
		{ .fd = q->bell, .events = POLLIN },
	};
	uint64_t due = 0, look = 0, n;
	int pause;

	/* What our predecessor would have looked at. */
	if (q->state->generation > 1)
		look = clock_now();
	count_in_background(q);
	while (!atomic_load(&q->over)) {
		uint64_t now = clock_now();

		if (q->host_due && q->host_due <= now)
			tell_host(q);
		if (look && look <= now) {
			pause = gate_look_late(q->o);
			look = pause < 0 ? 0 : now + (uint64_t)pause * CLOCK_MS;
		}
		if (due && due <= now) {
			due = 0;
			ledger_arm(gate_ledger(q->o->gate));
			save(q, false);
			tell_host(q);
		}
		listen_to_new(q, p, now);
		listen_to_sessions(q, p + 2);
		if (poll(p, ARRAY_SIZE(p),
			 until(now,
			       first_of(first_of(due, look),
					first_of(q->host_due, q->deaf)))) <= 0)
			continue;
		if (p[1].revents && read(q->bell, &n, sizeof(n)) > 0) {
			due = due ? due : clock_now() + SAVE_MS * CLOCK_MS;
			look = look ? look : due;
		}
		for (unsigned i = 0; i < QUOTACTL_SESSIONS; i++)
			if (p[2 + i].revents)
				answer_session(q, &q->sessions[i]);
		if (p[0].revents)
			answer(q);
	}
	return NULL;
}

static void quotactl_free(struct quotactl *q)
{
	for (unsigned i = 0; i < QUOTACTL_SESSIONS; i++)
		if (q->sessions[i])
			fclose(q->sessions[i]);
	if (q->bell >= 0)
		close(q->bell);
	quotadb_free(q->db);
	free(q);
}

int quotactl_start(struct quotactl **out, struct overlay *o, struct state *s)
{
	struct quotactl *q;
	pthread_attr_t attr;
	int r;

	*out = NULL;
	if (!o->gate)
		return 0;
	q = calloc(1, sizeof(*q));
	if (!q)
		return -ENOMEM;
	q->o = o;
	q->state = s;
	q->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r = q->bell < 0 ? -errno : 0;
	/* What is served does not depend on it: the next save tries again. */
	if (r == 0 && quotafile_open(o, s->quota_dir, &q->db) < 0)
		q->db = NULL;
	if (r < 0) {
		quotactl_free(q);
		return r;
	}
	ledger_on_change(gate_ledger(o->gate), ring, q);
	ledger_on_event(gate_ledger(o->gate), tell, q);
	tell_host(q);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	r = -pthread_create(&q->thread, &attr, serve, q);
	pthread_attr_destroy(&attr);
	if (r < 0) {
		quotactl_free(q);
		return r;
	}
	*out = q;
	return 0;
}

/* What was removed while open, and closed with the mount. */
static void forget(void *ctx, uint32_t row)
{
	charge_forget(ctx, row);
}

void quotactl_stop(struct quotactl *q)
{
	struct ledger *l;
	bool known;

	if (!q)
		return;
	atomic_store(&q->over, true);
	ring(q);
	pthread_join(q->thread, NULL);
	l = gate_ledger(q->o->gate);
	known = quotafile_rest(q->o) && !atomic_load(&q->state->quota_scan);
	charge_each_row(l, forget, l);
	save(q, known);
	quotactl_free(q);
}

int quotactl_ask(const char *path, const char *request, FILE **answer)
{
	int fd = control_connect(path, CONTROL_QUOTA, request);
	/* A check may take long. */
	const struct timeval forever = { .tv_sec = 0 };
	FILE *f;

	if (fd < 0)
		return fd;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &forever, sizeof(forever));
	f = fdopen(fd, "r");
	if (!f) {
		close(fd);
		return -ENOMEM;
	}
	*answer = f;
	return 0;
}
