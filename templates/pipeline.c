/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "templates/pipeline.h"

#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "fs/base/cleanup.h"

/*
 * A job is a file. One of up to SMALL bytes is gathered in memory and queued
 * whole; a larger one is queued when it outgrows that and fed piece by piece,
 * in chunks, to the one worker that took it.
 *
 * job: FEEDING (the feeder's alone) -> QUEUED -> TAKEN (by a worker) -> DONE,
 * in the list `finished`, from where the feeder takes it. Its chunks belong to
 * `lock`, like all the lists and counters. `held` counts bytes in chunks; the
 * feeder waits while it is above BUDGET, so at most that and a chunk for each
 * worker are in memory.
 */

#define SMALL (1024u * 1024u)
#define CHUNK (256u * 1024u)
#define BUDGET (16u * 1024u * 1024u)
#define WORKERS_MAX 4u

struct chunk {
	struct chunk *next;
	uint64_t off;
	size_t len, cap;
	uint8_t data[];
};

struct job {
	struct job *next;
	uint64_t ino, size;
	bool sparse, whole, ended;
	struct chunk *first, *last;
	size_t bytes; /* of a small one */
	int result;
	struct object_put put;
};

struct pipeline {
	const struct object_pool *pool;
	pipeline_done_fn done;
	void *ctx;
	pthread_mutex_t lock;
	pthread_cond_t work, room;
	struct job *queue, *queue_end, *finished;
	struct job *feeding;   /* the feeder's */
	struct chunk *filling; /* of `feeding`, not yet in its list */
	size_t held;
	unsigned pending; /* jobs queued and not yet given to `done` */
	bool stop;
	int error;
	unsigned n_workers;
	pthread_t workers[WORKERS_MAX];
};

static void free_chunks(struct job *j)
{
	while (j->first) {
		struct chunk *c = j->first;

		j->first = c->next;
		free(c);
	}
	j->last = NULL;
}

static void free_job(struct job *j)
{
	if (!j)
		return;
	free_chunks(j);
	free(j);
}

/* ---- workers ------------------------------------------------------------- */

/* The next chunk of a job, or NULL when it has ended; `lock` is held. */
static struct chunk *next_chunk_locked(struct pipeline *p, struct job *j)
{
	struct chunk *c;

	while (!j->first && !j->ended && !p->stop)
		pthread_cond_wait(&p->work, &p->lock);
	c = p->stop ? NULL : j->first;
	if (!c)
		return NULL;
	j->first = c->next;
	if (!j->first)
		j->last = NULL;
	return c;
}

/* All chunks of a large file, also when it cannot be written any more. */
static int run_large(struct pipeline *p, struct job *j, struct object_writer *w)
{
	int r = object_begin(w);
	struct chunk *c;
	bool whole;

	for (;;) {
		pthread_mutex_lock(&p->lock);
		c = next_chunk_locked(p, j);
		whole = j->ended;
		pthread_mutex_unlock(&p->lock);
		if (!c)
			break;
		if (r == 0)
			r = object_write(w, c->off, c->data, c->len);
		pthread_mutex_lock(&p->lock);
		p->held -= c->cap;
		pthread_cond_broadcast(&p->room);
		pthread_mutex_unlock(&p->lock);
		free(c);
	}
	if (!whole)
		return -ECANCELED;
	return r == 0 ? object_end(w, j->size, &j->put) : r;
}

static int run_small(struct pipeline *p, struct job *j, struct object_writer *w)
{
	struct chunk *c = j->first;
	int r = object_put(w, c ? c->data : NULL, (size_t)j->size, j->sparse,
			   &j->put);

	if (!c)
		return r;
	pthread_mutex_lock(&p->lock);
	p->held -= c->cap;
	pthread_mutex_unlock(&p->lock);
	free_chunks(j);
	return r;
}

static struct job *take_locked(struct pipeline *p)
{
	struct job *j;

	while (!p->queue && !p->stop)
		pthread_cond_wait(&p->work, &p->lock);
	if (p->stop)
		return NULL;
	j = p->queue;
	p->queue = j->next;
	if (!p->queue)
		p->queue_end = NULL;
	return j;
}

static void *worker(void *arg)
{
	struct pipeline *p = arg;
	struct object_writer *w = object_writer_new(p->pool);
	struct job *j;

	pthread_mutex_lock(&p->lock);
	while ((j = take_locked(p))) {
		pthread_mutex_unlock(&p->lock);
		if (!w)
			j->result = -ENOMEM;
		else
			j->result = j->whole ? run_small(p, j, w)
					     : run_large(p, j, w);
		pthread_mutex_lock(&p->lock);
		j->next = p->finished;
		p->finished = j;
		if (j->result < 0 && !p->error)
			p->error = j->result;
		pthread_cond_broadcast(&p->room);
	}
	pthread_mutex_unlock(&p->lock);
	object_writer_free(w);
	return NULL;
}

/* ---- the feeder ---------------------------------------------------------- */

static int settle(struct pipeline *p, struct job *list)
{
	int r = 0;

	while (list) {
		struct job *j = list;

		list = j->next;
		if (r == 0 && j->result == 0)
			r = p->done(p->ctx, j->ino, &j->put);
		free_job(j);
		p->pending--;
	}
	return r;
}

/* Take what is done; wait while more than `held` bytes or `jobs` are out. */
static int reap(struct pipeline *p, size_t held, unsigned jobs)
{
	for (;;) {
		struct job *list;
		bool over;
		int error, r;

		pthread_mutex_lock(&p->lock);
		while (!p->finished && !p->error &&
		       (p->held > held || p->pending > jobs))
			pthread_cond_wait(&p->room, &p->lock);
		list = TAKE_PTR(p->finished);
		error = p->error;
		over = p->held > held;
		pthread_mutex_unlock(&p->lock);
		r = settle(p, list);
		if (error < 0)
			return error;
		if (r < 0) {
			pthread_mutex_lock(&p->lock);
			p->error = r;
			pthread_mutex_unlock(&p->lock);
			return r;
		}
		if (!over && p->pending <= jobs)
			return 0;
	}
}

#define JOBS_MAX 4096u

static void queue_job(struct pipeline *p, struct job *j)
{
	pthread_mutex_lock(&p->lock);
	if (p->queue_end)
		p->queue_end->next = j;
	else
		p->queue = j;
	p->queue_end = j;
	p->pending++;
	pthread_cond_broadcast(&p->work);
	pthread_mutex_unlock(&p->lock);
}

int pipeline_begin(struct pipeline *p, uint64_t ino, bool sparse)
{
	int r = reap(p, BUDGET, JOBS_MAX);

	if (r < 0)
		return r;
	p->feeding = calloc(1, sizeof(*p->feeding));
	if (!p->feeding)
		return -ENOMEM;
	p->feeding->ino = ino;
	p->feeding->sparse = sparse;
	p->feeding->whole = true;
	return 0;
}

static struct chunk *new_chunk(struct pipeline *p, uint64_t off, size_t cap)
{
	struct chunk *c = malloc(sizeof(*c) + cap);

	if (!c)
		return NULL;
	*c = (struct chunk){ .off = off, .cap = cap };
	pthread_mutex_lock(&p->lock);
	p->held += cap;
	pthread_mutex_unlock(&p->lock);
	return c;
}

static void hand_over(struct pipeline *p)
{
	struct chunk *c = TAKE_PTR(p->filling);
	struct job *j = p->feeding;

	if (!c)
		return;
	pthread_mutex_lock(&p->lock);
	if (j->last)
		j->last->next = c;
	else
		j->first = c;
	j->last = c;
	pthread_cond_broadcast(&p->work);
	pthread_mutex_unlock(&p->lock);
}

/* Into the one buffer of a file that is small so far. */
static int gather(struct pipeline *p, uint64_t off, const void *data,
		  size_t len)
{
	struct chunk *c = p->filling;
	size_t end = (size_t)off + len, cap = c ? c->cap : 4096;

	while (cap < end)
		cap *= 2;
	if (!c || cap > c->cap) {
		struct chunk *n = new_chunk(p, 0, cap);

		if (!n)
			return -ENOMEM;
		if (c) {
			memcpy(n->data, c->data, c->len);
			n->len = c->len;
			pthread_mutex_lock(&p->lock);
			p->held -= c->cap;
			pthread_mutex_unlock(&p->lock);
			free(c);
		}
		p->filling = c = n;
	}
	memset(c->data + c->len, 0, (size_t)off - c->len);
	memcpy(c->data + off, data, len);
	c->len = end;
	return 0;
}

static int stream(struct pipeline *p, uint64_t off, const uint8_t *data,
		  size_t len)
{
	while (len > 0) {
		struct chunk *c = p->filling;
		size_t n;

		if (c && (c->off + c->len != off || c->len >= c->cap)) {
			hand_over(p);
			c = NULL;
		}
		if (!c) {
			int r = reap(p, BUDGET, JOBS_MAX);

			if (r < 0)
				return r;
			/* the next ends where aligned pieces end */
			c = new_chunk(p, off, CHUNK - off % CHUNK);
			if (!c)
				return -ENOMEM;
			p->filling = c;
		}
		n = c->cap - c->len < len ? c->cap - c->len : len;
		memcpy(c->data + c->len, data, n);
		c->len += n;
		off += n;
		data += n;
		len -= n;
	}
	return 0;
}

int pipeline_data(struct pipeline *p, uint64_t off, const void *data,
		  size_t len)
{
	struct job *j = p->feeding;

	if (!len)
		return 0;
	if (off < j->size || off > INT64_MAX - len)
		return -EINVAL;
	j->size = off + len;
	if (j->whole && off + len <= SMALL)
		return gather(p, off, data, len);
	if (j->whole) {
		j->whole = false;
		hand_over(p);
		queue_job(p, j);
	}
	return stream(p, off, data, len);
}

int pipeline_end(struct pipeline *p, uint64_t size)
{
	struct job *j = p->feeding;

	if (size < j->size)
		return -EINVAL;
	if (j->whole && size > SMALL) {
		j->whole = false;
		hand_over(p);
		queue_job(p, j);
	}
	if (j->whole) {
		int r = size > j->size ? gather(p, size, "", 0) : 0;

		if (r < 0)
			return r;
		hand_over(p);
		j->size = size;
		j->ended = true;
		p->feeding = NULL;
		queue_job(p, j);
		return 0;
	}
	hand_over(p);
	pthread_mutex_lock(&p->lock);
	j->size = size;
	j->ended = true;
	p->feeding = NULL;
	pthread_cond_broadcast(&p->work);
	pthread_mutex_unlock(&p->lock);
	return 0;
}

int pipeline_drain(struct pipeline *p)
{
	return reap(p, BUDGET, 0);
}

/* ---- life ---------------------------------------------------------------- */

static unsigned cpus(void)
{
	cpu_set_t set;
	int n = 1;

	if (sched_getaffinity(0, sizeof(set), &set) == 0)
		n = CPU_COUNT(&set);
	return n < 1 ? 1 : n > (int)WORKERS_MAX ? WORKERS_MAX : (unsigned)n;
}

int pipeline_new(struct pipeline **out, const struct object_pool *pool,
		 pipeline_done_fn done, void *ctx)
{
	struct pipeline *p = calloc(1, sizeof(*p));
	int r = 0;

	if (!p)
		return -ENOMEM;
	p->pool = pool;
	p->done = done;
	p->ctx = ctx;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->work, NULL);
	pthread_cond_init(&p->room, NULL);
	while (p->n_workers < cpus() && r == 0) {
		r = -pthread_create(&p->workers[p->n_workers], NULL, worker, p);
		if (r == 0)
			p->n_workers++;
	}
	if (!p->n_workers) {
		pipeline_free(p);
		return r;
	}
	*out = p;
	return 0;
}

static void free_list(struct job *j)
{
	while (j) {
		struct job *next = j->next;

		free_job(j);
		j = next;
	}
}

void pipeline_free(struct pipeline *p)
{
	bool queued;

	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->stop = true;
	/* one that is fed in pieces is in a list, or a worker's */
	queued = p->feeding && !p->feeding->whole;
	pthread_cond_broadcast(&p->work);
	pthread_mutex_unlock(&p->lock);
	for (unsigned i = 0; i < p->n_workers; i++)
		pthread_join(p->workers[i], NULL);
	free_list(p->queue);
	free_list(p->finished);
	free(p->filling);
	if (!queued)
		free_job(p->feeding);
	pthread_cond_destroy(&p->room);
	pthread_cond_destroy(&p->work);
	pthread_mutex_destroy(&p->lock);
	free(p);
}
