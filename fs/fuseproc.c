/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/fuseproc.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/uio.h>

#include "fs/base/cleanup.h"
#include "fs/base/clock.h"
#include "fs/base/log.h"
#include "fs/fuseprocops.h"
#include "fs/fuseproctext.h"
#include "fs/fusewire.h"
#include "fs/proc/procgather.h"

/*
 * Each mount has a thread; what is shared is the source of the numbers, under
 * its lock. Of a former server there is nothing left but the state: the INIT
 * request, by which the kernel and the library agree on how they speak.
 */
#define REQUEST_MAX 16384u
#define STACK 262144u

/*
 * Who has opened a file reads it at once, and who has got a text asks whether
 * there is more: to be awake then spares us a waking, which takes longer than
 * all the rest. Not where it does not pay: where the reader wants our
 * processor, or others do.
 */
#define SOON (60 * CLOCK_US)
#define PUSHED_OFF (50 * CLOCK_US) /* one turn that took this long */
#define PAUSE_MIN (CLOCK_MS / 2)
#define PAUSE_MAX (64 * CLOCK_MS)

/* The session. */

static ssize_t io_writev(int fd, struct iovec *iov, int count, void *userdata)
{
	(void)userdata;
	return writev(fd, iov, count);
}

static ssize_t io_read(int fd, void *buf, size_t len, void *userdata)
{
	(void)userdata;
	return read(fd, buf, len);
}

static int mount_open(struct fuseproc_mount *m)
{
	static const struct fuse_custom_io io = { .writev = io_writev,
						  .read = io_read };
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	int fd = fcntl(m->fd, F_DUPFD_CLOEXEC, 0); /* libfuse closes it */
	int flags = fcntl(m->fd, F_GETFL);

	m->next_fh = clock_now();
	m->image = calloc(m->s->n_rows, sizeof(*m->image));
	if (fd >= 0 && flags >= 0)
		fcntl(m->fd, F_SETFL, flags | O_NONBLOCK);
	if (fuse_opt_add_arg(&args, "vefs-proc") == 0)
		m->se = fuse_session_new(&args, &fuseprocops,
					 sizeof(fuseprocops), m);
	fuse_opt_free_args(&args);
	if (m->se && fd >= 0 &&
	    fuse_session_custom_io(m->se, &io, sizeof(io), fd) == 0)
		fd = -1;
	if (fd >= 0)
		close(fd);
	return m->image && m->se && fd == -1 ? 0 : -ENOMEM;
}

static void mount_close(struct fuseproc_mount *m)
{
	if (m->se)
		fuse_session_destroy(m->se);
	fuseprocops_free(m);
}

static void process(struct fuseproc_mount *m, void *request, size_t len)
{
	struct fuse_buf buf = { .mem = request, .size = len };

	fuse_session_process_buf(m->se, &buf);
}

/* A request that comes at once; 0: none has. */
static ssize_t take_soon(struct fuseproc_mount *m, void *buf)
{
	uint64_t began = clock_now(), last = began, now;
	ssize_t n;

	if (!m->expects || backoff_is_on(&m->vain, clock_now))
		return 0;
	do {
		n = read(m->fd, buf, REQUEST_MAX);
		now = clock_now();
		if (n > 0) {
			m->vain.pause /= 2;
			return n;
		}
		if (now - last > PUSHED_OFF)
			break;
		last = now;
	} while (now - began < SOON);
	backoff_pause(&m->vain, now, PAUSE_MIN, PAUSE_MAX);
	return 0;
}

/* Wait for a request: its length, 0: end, or -errno. */
static ssize_t take(struct fuseproc_mount *m, void *buf)
{
	struct pollfd p[] = {
		{ .fd = m->fd, .events = POLLIN },
		{ .fd = m->s->ended, .events = POLLIN },
		{ .fd = m->kind == 0 ? m->s->cfg->stop : -1, .events = POLLIN },
	};

	for (;;) {
		ssize_t n = take_soon(m, buf);

		m->expects = false;
		if (n <= 0)
			n = read(m->fd, buf, REQUEST_MAX);
		if (n > 0)
			return n;
		if (n == 0 || errno == ENODEV)
			return 0;
		if (errno != EAGAIN && errno != EINTR && errno != ENOENT)
			return -errno;
		if (errno != EAGAIN)
			continue;
		if (poll(p, ARRAY_SIZE(p), -1) < 0)
			continue;
		if (p[1].revents || p[2].revents)
			return 0;
	}
}

/*
 * The first request ever is INIT; it is kept for servers to come, which answer
 * it again: the kernel, if it has an answer, does not listen.
 */
static int begin(struct fuseproc_mount *m, void *buf)
{
	struct fuseproc_state *state = m->s->cfg->state;
	unsigned char *init = state->mount[m->kind].init;
	uint32_t *len = &state->mount[m->kind].len;
	ssize_t n;

	if (*len == 0) {
		/* Another server may have taken it and not come further. */
		if (state->mount[m->kind].begun)
			fusewire_resend(m->fd);
		state->mount[m->kind].begun = 1;
		n = take(m, buf);
		if (n <= 0)
			return (int)n;
		if (n > (ssize_t)FUSEPROC_INIT_MAX)
			return -EPROTO;
		memcpy(init, buf, (size_t)n);
		/* After its bytes: we may be killed in between. */
		__atomic_store_n(len, (uint32_t)n, __ATOMIC_RELEASE);
		process(m, buf, (size_t)n);
	} else {
		memcpy(buf, init, *len);
		process(m, buf, *len);
		if (fusewire_can_resend(init, *len))
			fusewire_resend(m->fd);
	}
	return m->ready ? 1 : -EPROTO;
}

static void tell_ready(struct fuseproc_mount *m)
{
	const uint32_t all = (1u << FUSEPROC_MOUNTS) - 1;
	uint32_t bit = 1u << m->kind;
	uint64_t one = 1;

	if ((atomic_fetch_or(&m->s->cfg->state->ready, bit) | bit) == all &&
	    m->s->cfg->ready >= 0 &&
	    write(m->s->cfg->ready, &one, sizeof(one)) < 0)
		log_debug("vefs-proc: %s", strerror(errno));
}

static int serve(struct fuseproc_mount *m)
{
	/* In memory before it is read into: a kill while the kernel waits for
	 * a page of it would cost somebody an error. */
	_cleanup_free_ void *buf = malloc(REQUEST_MAX);
	ssize_t n;
	int r;

	if (!buf)
		return -ENOMEM;
	memset(buf, 0, REQUEST_MAX);
	r = begin(m, buf);
	if (r <= 0)
		return r;
	tell_ready(m);
	while ((n = take(m, buf)) > 0)
		process(m, buf, (size_t)n);
	return (int)n;
}

static void *serve_opened(void *arg)
{
	struct fuseproc_mount *m = arg;
	int r = serve(m);

	if (r < 0)
		log_error("vefs-proc: %s", strerror(-r));
	return NULL;
}

static int run(struct fuseproc_server *s)
{
	uint64_t one = 1;
	pthread_attr_t attr;
	pthread_t thread;
	int r;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK);
	r = pthread_create(&thread, &attr, serve_opened,
			   &s->mount[FUSEPROC_OPENED]);
	pthread_attr_destroy(&attr);
	if (r != 0)
		return -r;
	r = serve(&s->mount[FUSEPROC_SHARED]);
	if (write(s->ended, &one, sizeof(one)) < 0)
		r = -errno;
	pthread_join(thread, NULL);
	return r;
}

static int open_all(struct fuseproc_server *s)
{
	struct source_config source = s->cfg->source;
	int r;

	source.state = &s->cfg->state->numbers;
	r = source_open(&s->source, &source);
	s->gather = procgather_new();
	if (r == 0 && !s->gather)
		r = -ENOMEM;
	memcpy(s->kept, s->cfg->state->numbers.bean, sizeof(s->kept));
	for (unsigned i = 0; i < FUSEPROC_MOUNTS && r == 0; i++) {
		s->mount[i] = (struct fuseproc_mount){
			.s = s, .kind = i, .fd = s->cfg->device[i]
		};
		r = mount_open(&s->mount[i]);
	}
	return r;
}

int fuseproc_run(const struct fuseproc_config *cfg)
{
	struct fuseproc_server s = { .cfg = cfg,
				     .begun = (uint64_t)time(NULL) };
	int r;

	atomic_store(&cfg->state->ready, 0);
	s.rows = procfiles_table(&s.n_rows);
	s.ended = eventfd(0, EFD_CLOEXEC);
	if (s.ended < 0)
		return -errno;
	r = open_all(&s);
	if (r == 0)
		r = run(&s);
	if (r == 0)
		fuseproctext_last(&s);
	procgather_free(s.gather);
	for (unsigned i = 0; i < FUSEPROC_MOUNTS; i++)
		if (s.mount[i].s)
			mount_close(&s.mount[i]);
	source_free(s.source);
	close(s.ended);
	atomic_store(&cfg->state->error, r);
	return r;
}
