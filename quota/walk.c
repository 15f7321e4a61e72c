/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "quota/walk.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>

#include "fs/base/cleanup.h"
#include "fs/base/fdio.h"
#include "fs/base/strbuf.h"

/*
 * All threads share one stack of *batches*, the newest on top: names of
 * subdirectories that nobody has opened yet, taken one by one, or names of
 * anything, as getdents64() gave them, taken whole: what a thread gives away
 * of a large directory when others have nothing to do. The walk is over when
 * the stack is empty and nobody works.
 *
 * A *dir* lives as long as a batch, a thread or a dir below it refers to it.
 * Its descriptor is open while a thread uses it, and while it has batches,
 * unless too many are open: then it is closed, and whoever needs it opens one
 * of his own, by the names below the nearest ancestor that has one. The
 * roots' stay open to the end.
 *
 * The lock guards the stack, and all counters and descriptors of dirs. It is
 * not held over a system call that looks at the tree.
 */

#define BUFFER (64u << 10) /* of names */
#define WAITING_MAX 256u   /* directories that wait with their descriptors */
#define PIECE 4000u	   /* of a path: below PATH_MAX */

struct dir {
	struct dir *parent;
	unsigned refs;	  /* batches, threads and dirs below */
	unsigned users;	  /* threads that use fd now */
	unsigned batches; /* that will need it */
	int fd;
	char name[];
};

struct batch {
	struct batch *next;
	struct dir *dir;
	bool raw; /* linux_dirent64, else names with a NUL each */
	size_t at, len;
	char data[];
};

struct walk {
	const struct walk_config *cfg;
	dev_t dev;
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct batch *stack;
	unsigned working, open, open_max;
	_Atomic unsigned idle;
	_Atomic int err;
};

struct thread {
	struct walk *w;
	unsigned number;
	pthread_t id;
	char *buffer;
	struct strbuf names; /* subdirectories of the one that is read */
};

/* The first one counts; 0 is none. */
static void fail(struct walk *w, int r)
{
	int none = 0;

	if (r)
		atomic_compare_exchange_strong(&w->err, &none, r);
}

/* Dirs; all of these with the lock held. */

static void put_dir(struct dir *d)
{
	while (d && --d->refs == 0) {
		struct dir *parent = d->parent;

		free(d);
		d = parent;
	}
}

/* What is to be closed after the lock was released, or -1. */
static int idle_fd(struct walk *w, struct dir *d)
{
	bool wanted = d->batches && w->open <= w->open_max;
	int fd = d->fd;

	if (d->users || wanted || fd < 0 || !d->parent)
		return -1;
	d->fd = -1;
	w->open--;
	return fd;
}

static void use(struct dir *d)
{
	d->refs++;
	d->users++;
}

/* Takes and releases the lock. */
static void unuse(struct walk *w, struct dir *d)
{
	int fd;

	pthread_mutex_lock(&w->lock);
	d->users--;
	fd = idle_fd(w, d);
	put_dir(d);
	pthread_mutex_unlock(&w->lock);
	if (fd >= 0)
		close(fd);
}

/* Opening. */

static int open_dir(int dirfd, const char *path, bool beneath)
{
	int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW;
	int fd = beneath ? fdio_open_beneath(dirfd, path, flags | O_NOATIME)
			 : fdio_openat(dirfd, path, flags | O_NOATIME, 0);

	if (fd != -EPERM)
		return fd;
	return beneath ? fdio_open_beneath(dirfd, path, flags)
		       : fdio_openat(dirfd, path, flags, 0);
}

/* Is it that there is nothing any more, or not of ours? */
static bool is_gone(int r)
{
	return r == -ENOENT || r == -ENOTDIR || r == -ELOOP || r == -EXDEV ||
	       r == -ESTALE;
}

/* The names from `top` down to `d`, in pieces that a path may have. */
static int open_below(struct dir *const *chain, size_t n, int top)
{
	_cleanup_strbuf_ struct strbuf path = STRBUF_INIT;
	_cleanup_close_ int at = -1;

	while (n > 0) {
		int fd;

		strbuf_clear(&path);
		do {
			strbuf_puts(&path, path.len ? "/" : "");
			strbuf_puts(&path, chain[--n]->name);
		} while (n > 0 && path.len < PIECE - NAME_MAX - 1);
		if (strbuf_error(&path))
			return -ENOMEM;
		fd = open_dir(at >= 0 ? at : top, strbuf_get(&path), true);
		if (fd < 0)
			return fd;
		if (at >= 0)
			close(at);
		at = fd;
	}
	return TAKE_FD(at);
}

/* The caller's own descriptor of a used dir whose own was closed. */
static int reopen(struct walk *w, struct dir *d)
{
	_cleanup_free_ struct dir **chain = NULL;
	size_t n = 0, i = 0;
	struct dir *top;
	int fd;

	pthread_mutex_lock(&w->lock);
	for (top = d; top->fd < 0; top = top->parent)
		n++;
	use(top);
	pthread_mutex_unlock(&w->lock);
	chain = calloc(n + 1, sizeof(struct dir *));
	for (struct dir *p = d; chain && p != top; p = p->parent)
		chain[i++] = p;
	fd = chain ? open_below(chain, n, top->fd) : -ENOMEM;
	unuse(w, top);
	return fd;
}

/* A descriptor of a used dir; *own: to be closed. */
static int fd_of(struct walk *w, struct dir *d, int *own)
{
	int fd;

	pthread_mutex_lock(&w->lock);
	fd = d->fd;
	pthread_mutex_unlock(&w->lock);
	if (fd < 0)
		fd = *own = reopen(w, d);
	return fd;
}

/* Batches. */

static void push(struct walk *w, struct batch *b)
{
	pthread_mutex_lock(&w->lock);
	b->dir->refs++;
	b->dir->batches++;
	b->next = w->stack;
	w->stack = b;
	if (w->idle)
		pthread_cond_signal(&w->more);
	pthread_mutex_unlock(&w->lock);
}

static int push_copy(struct walk *w, struct dir *d, bool raw, const char *data,
		     size_t len)
{
	struct batch *b = malloc(sizeof(*b) + len);

	if (!b)
		return -ENOMEM;
	*b = (struct batch){ .dir = d, .raw = raw, .len = len };
	memcpy(b->data, data, len);
	push(w, b);
	return 0;
}

/*
 * With the lock held: what comes next, of a dir that is used from now on. A
 * name is copied; a raw batch, or a used up one, is the caller's to free.
 */
static struct dir *pop(struct walk *w, char name[NAME_MAX + 1],
		       struct batch **done)
{
	struct batch *b = w->stack;
	struct dir *d = b->dir;

	use(d);
	if (!b->raw) {
		size_t len = strlen(b->data + b->at) + 1;

		memcpy(name, b->data + b->at, len);
		b->at += len;
	}
	if (!b->raw && b->at < b->len)
		return d;
	w->stack = b->next;
	*done = b;
	d->batches--;
	d->refs--; /* not the last one */
	return d;
}

/* Reading. */

static int count_name(struct thread *t, int dirfd, const char *name)
{
	const struct walk *w = t->w;
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT))
		return is_gone(-errno) ? 0 : -errno;
	if (S_ISDIR(st.st_mode))
		return strbuf_add(&t->names, name, strlen(name) + 1);
	if (st.st_dev != w->dev)
		return 0;
	return w->cfg->fn(w->cfg->ctx, t->number, dirfd, name, &st);
}

static bool is_dots(const char *name)
{
	return name[0] == '.' &&
	       (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

static int count_names(struct thread *t, int dirfd, const char *data,
		       size_t len)
{
	int r = 0;

	for (size_t at = 0; at < len && r == 0;) {
		const struct dirent64 *e = (const void *)(data + at);

		at += e->d_reclen;
		if (is_dots(e->d_name))
			continue;
		if (e->d_type == DT_DIR)
			r = strbuf_add(&t->names, e->d_name,
				       strlen(e->d_name) + 1);
		else
			r = count_name(t, dirfd, e->d_name);
	}
	return r;
}

/* What of `d` are directories is for whoever comes first. */
static int push_names(struct thread *t, struct dir *d)
{
	int r = 0;

	if (t->names.len)
		r = push_copy(t->w, d, false, strbuf_get(&t->names),
			      t->names.len);
	strbuf_truncate(&t->names, 0);
	return r;
}

static int read_dir(struct thread *t, struct dir *d, int fd)
{
	struct walk *w = t->w;
	bool first = true;
	int r = 0;

	while (r == 0 && !w->err) {
		ssize_t n = getdents64(fd, t->buffer, BUFFER);

		if (n < 0 && errno != ENOENT)
			return -errno;
		if (n <= 0)
			break;
		if (!first && w->idle)
			r = push_copy(w, d, true, t->buffer, (size_t)n);
		else
			r = count_names(t, fd, t->buffer, (size_t)n);
		first = false;
	}
	return r ? r : push_names(t, d);
}

/* A new dir, used by the caller; takes `fd`. NULL: no memory. */
static struct dir *new_dir(struct walk *w, struct dir *parent, const char *name,
			   int fd)
{
	size_t len = strlen(name) + 1;
	struct dir *d = malloc(sizeof(*d) + len);

	if (!d) {
		close(fd);
		return NULL;
	}
	*d = (struct dir){ .parent = parent, .refs = 1, .users = 1, .fd = fd };
	memcpy(d->name, name, len);
	pthread_mutex_lock(&w->lock);
	parent->refs++;
	w->open++;
	pthread_mutex_unlock(&w->lock);
	return d;
}

static int work_dir(struct thread *t, struct dir *d, bool itself)
{
	const struct walk_config *cfg = t->w->cfg;
	struct stat st;
	int r = 0;

	if (fstat(d->fd, &st) < 0)
		return -errno;
	if (st.st_dev != t->w->dev)
		return 0;
	if (itself)
		r = cfg->fn(cfg->ctx, t->number, d->fd, ".", &st);
	return r ? r : read_dir(t, d, d->fd);
}

static int work_name(struct thread *t, struct dir *parent, const char *name)
{
	_cleanup_close_ int own = -1;
	int at = fd_of(t->w, parent, &own);
	int fd = at < 0 ? at : open_dir(at, name, false);
	struct dir *d = NULL;
	int r = 0;

	if (fd >= 0) {
		d = new_dir(t->w, parent, name, fd);
		r = d ? 0 : -ENOMEM;
	} else if (!is_gone(fd)) {
		r = fd;
	}
	/* Before it goes deeper: a chain of them needs one descriptor. */
	unuse(t->w, parent);
	if (d) {
		r = work_dir(t, d, true);
		unuse(t->w, d);
	}
	return r;
}

static int work_raw(struct thread *t, struct dir *d, const struct batch *b)
{
	_cleanup_close_ int own = -1;
	int fd = fd_of(t->w, d, &own);
	int r = is_gone(fd) ? 0 : fd;

	if (fd >= 0)
		r = count_names(t, fd, b->data, b->len);
	if (r == 0)
		r = push_names(t, d);
	unuse(t->w, d);
	return r;
}

/* Threads. */

/* Wait for something to do, with the lock held; false: it is over. */
static bool wait_for_work(struct walk *w)
{
	while (!w->stack && w->working && !w->err) {
		w->idle++;
		pthread_cond_wait(&w->more, &w->lock);
		w->idle--;
	}
	return w->stack && !w->err;
}

static void *work(void *arg)
{
	struct thread *t = arg;
	struct walk *w = t->w;
	char name[NAME_MAX + 1];

	pthread_mutex_lock(&w->lock);
	while (wait_for_work(w)) {
		struct batch *done = NULL;
		struct dir *d = pop(w, name, &done);

		w->working++;
		pthread_mutex_unlock(&w->lock);
		if (done && done->raw)
			fail(w, work_raw(t, d, done));
		else
			fail(w, work_name(t, d, name));
		free(done);
		pthread_mutex_lock(&w->lock);
		w->working--;
	}
	pthread_cond_broadcast(&w->more);
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

/* No signal of the process is handled by ours. Fewer threads do it too. */
static void run_threads(struct thread *threads, unsigned n)
{
	sigset_t all, old;
	unsigned started = 1;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	while (started < n && pthread_create(&threads[started].id, NULL, work,
					     &threads[started]) == 0)
		started++;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	work(&threads[0]);
	for (unsigned i = 1; i < started; i++)
		pthread_join(threads[i].id, NULL);
}

/* The roots are read by this thread; what is below them by all. */
static int begin_root(struct thread *t, struct dir **out, int root, bool first)
{
	_cleanup_close_ int fd = open_dir(root, ".", false);
	struct walk *w = t->w;
	struct stat st;
	struct dir *d;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (first)
		w->dev = st.st_dev;
	else if (st.st_dev != w->dev)
		return -EXDEV;
	d = calloc(1, sizeof(*d) + 1);
	if (!d)
		return -ENOMEM;
	d->refs = d->users = 1;
	d->fd = TAKE_FD(fd);
	*out = d;
	return work_dir(t, d, first);
}

/* What a walk that failed has left. */
static void drop_batches(struct walk *w)
{
	char name[NAME_MAX + 1];

	while (w->stack) {
		struct batch *done = NULL;

		unuse(w, pop(w, name, &done));
		free(done);
	}
}

static unsigned waiting_max(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) < 0 || l.rlim_cur / 8 > WAITING_MAX)
		return WAITING_MAX;
	return (unsigned)l.rlim_cur / 8;
}

int walk_run(const struct walk_config *cfg)
{
	struct walk w = { .cfg = cfg, .open_max = waiting_max() };
	_cleanup_free_ struct dir **roots = NULL;
	_cleanup_free_ char *buffers = NULL;
	struct thread threads[WALK_THREADS_MAX];

	if (cfg->threads == 0 || cfg->threads > WALK_THREADS_MAX)
		return -EINVAL;
	roots = calloc(cfg->n_roots + 1, sizeof(struct dir *));
	buffers = malloc((size_t)cfg->threads * BUFFER);
	if (!roots || !buffers)
		return -ENOMEM;
	pthread_mutex_init(&w.lock, NULL);
	pthread_cond_init(&w.more, NULL);
	for (unsigned i = 0; i < WALK_THREADS_MAX; i++)
		threads[i] = (struct thread){ .w = &w, .number = i };
	for (unsigned i = 0; i < cfg->threads; i++)
		threads[i].buffer = buffers + (size_t)i * BUFFER;
	for (unsigned i = 0; i < cfg->n_roots && !w.err; i++)
		fail(&w,
		     begin_root(&threads[0], &roots[i], cfg->roots[i], i == 0));
	if (!w.err)
		run_threads(threads, cfg->threads);
	drop_batches(&w);
	for (unsigned i = 0; i < cfg->n_roots; i++) {
		if (roots[i])
			close(roots[i]->fd);
		put_dir(roots[i]);
	}
	for (unsigned i = 0; i < cfg->threads; i++)
		strbuf_free(&threads[i].names);
	pthread_cond_destroy(&w.more);
	pthread_mutex_destroy(&w.lock);
	return w.err;
}
