/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Doing it: the operations of the model, on the mount. One process more does what the kernel would do after a while, writing
 * back: now and then all of the filesystem, mostly the data of one file.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "fs/base/cleanup.h"
#include "tests/stress/powercut_do.h"
#include "tests/stress/powercut_found.h"
#include "tests/stress/powercut_model.h"

/* What an operation is carried out with; paths below the directory. */
struct job {
	const struct pc_model *m;
	const struct pc_op *op;
	char path[PC_PATH]; /* of the node */
	char to[PC_PATH];   /* of the place */
};

/* Parts of operations: 0 or -1 with errno. */

int pc_put_bytes(int fd, const struct pc_model *m, const struct pc_op *op,
		 uint32_t number)
{
	uint32_t end = op->len, from = 0;
	_cleanup_free_ unsigned char *buf = malloc(end + 1);

	if (!buf)
		return -1;
	pc_bytes(m, number, op->off, buf, end);
	if (op->hole) {
		if (pwrite(fd, buf, op->hole, op->off) != op->hole)
			return -1;
		from = op->hole + 32768;
	}
	if (pwrite(fd, buf + from, end - from, op->off + from) !=
	    (ssize_t)(end - from))
		return -1;
	return 0;
}

static int put_mapped(int fd, const struct pc_model *m, const struct pc_op *op)
{
	size_t skip = op->off % 4096, all = skip + op->len;
	char *at = mmap(NULL, all, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			(off_t)(op->off - skip));
	int r;

	if (at == MAP_FAILED)
		return -1;
	pc_bytes(m, m->n_ops, op->off, at + skip, op->len);
	r = msync(at, all, MS_SYNC);
	munmap(at, all);
	return r;
}

static int sync_as(int fd, unsigned how)
{
	if (how == PC_FSYNC)
		return fsync(fd);
	return how == PC_FDATASYNC ? fdatasync(fd) : 0;
}

int pc_set_attr(int fd, unsigned value)
{
	char text[16];
	int n = snprintf(text, sizeof(text), "%u", value);

	return fsetxattr(fd, PC_ATTR, text, (size_t)n, 0);
}

/* Operations. */

static int with_data(const struct job *j, const char *path, int flags)
{
	const struct pc_op *op = j->op;
	_cleanup_close_ int fd = -1;

	if (op->sync == PC_O_SYNC)
		flags |= O_SYNC;
	if (op->sync == PC_O_DSYNC)
		flags |= O_DSYNC;
	fd = open(path, flags | O_CLOEXEC, op->value);
	if (fd < 0)
		return -1;
	if (op->sync == PC_MSYNC)
		return put_mapped(fd, j->m, op);
	if (op->kind == PC_TRUNCATE) {
		if (ftruncate(fd, op->len) < 0)
			return -1;
	} else if (pc_put_bytes(fd, j->m, op, j->m->n_ops) < 0) {
		return -1;
	}
	return sync_as(fd, op->sync);
}

static int do_create(const struct job *j)
{
	return with_data(j, j->to, O_WRONLY | O_CREAT | O_EXCL);
}

static int do_write(const struct job *j)
{
	return with_data(j, j->path,
			 j->op->sync == PC_MSYNC ? O_RDWR : O_WRONLY);
}

/* pwrite appends, whatever offset it is given */
static int do_append(const struct job *j)
{
	return with_data(j, j->path, O_WRONLY | O_APPEND);
}

static int do_truncate(const struct job *j)
{
	if (!j->op->sync && j->op->obj % 2)
		return truncate(j->path, j->op->len);
	return with_data(j, j->path, O_RDWR);
}

static int do_rewrite(const struct job *j)
{
	return with_data(j, j->path, O_WRONLY | O_TRUNC);
}

static int do_tmpfile(const struct job *j)
{
	char dir[PC_PATH], proc[32];
	_cleanup_close_ int fd = -1;

	pc_model_path(j->m, j->op->dir, "", dir);
	fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, j->op->value);
	if (fd < 0 || pc_put_bytes(fd, j->m, j->op, j->m->n_ops) < 0 ||
	    sync_as(fd, j->op->sync) < 0)
		return -1;
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	if (linkat(AT_FDCWD, proc, AT_FDCWD, j->to, AT_SYMLINK_FOLLOW) < 0)
		return -1;
	/* once more: now its name counts too */
	return sync_as(fd, j->op->sync);
}

static int do_sync(const struct job *j)
{
	_cleanup_close_ int fd = open(j->path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -1 : sync_as(fd, j->op->sync);
}

static int do_link(const struct job *j)
{
	return link(j->path, j->to);
}

static int do_unlink(const struct job *j)
{
	return unlink(j->path);
}

static int do_rmdir(const struct job *j)
{
	return rmdir(j->path);
}

static int do_rename(const struct job *j)
{
	return rename(j->path, j->to);
}

static int do_exchange(const struct job *j)
{
	return renameat2(AT_FDCWD, j->path, AT_FDCWD, j->to, RENAME_EXCHANGE);
}

static int do_mkdir(const struct job *j)
{
	return mkdir(j->to, j->op->value);
}

static int do_symlink(const struct job *j)
{
	return symlink("nowhere", j->to);
}

static int do_mkfifo(const struct job *j)
{
	return mkfifo(j->to, j->op->value);
}

/* Opened before, so that it is the lower's descriptor that is synced. */
static int do_attr(const struct job *j)
{
	_cleanup_close_ int fd = open(j->path, O_RDONLY | O_CLOEXEC);
	const struct pc_op *op = j->op;
	int r;

	if (fd < 0)
		return -1;
	if (op->kind == PC_CHMOD)
		r = op->sync ? fchmod(fd, op->value)
			     : chmod(j->path, op->value);
	else if (op->kind == PC_CHOWN)
		r = fchown(fd, op->value, pc_group_of(op->value));
	else
		r = pc_set_attr(fd, op->value);
	return r < 0 ? r : sync_as(fd, op->sync);
}

static int (*const actions[PC_KINDS])(const struct job *j) = {
	[PC_CREATE] = do_create,     [PC_WRITE] = do_write,
	[PC_APPEND] = do_append,     [PC_TRUNCATE] = do_truncate,
	[PC_REWRITE] = do_rewrite,   [PC_TMPFILE] = do_tmpfile,
	[PC_FSYNC_FILE] = do_sync,   [PC_FDATASYNC_FILE] = do_sync,
	[PC_FSYNC_DIR] = do_sync,    [PC_LINK] = do_link,
	[PC_UNLINK] = do_unlink,     [PC_RENAME] = do_rename,
	[PC_EXCHANGE] = do_exchange, [PC_MKDIR] = do_mkdir,
	[PC_RMDIR] = do_rmdir,	     [PC_MKSYMLINK] = do_symlink,
	[PC_MKFIFO] = do_mkfifo,     [PC_CHMOD] = do_attr,
	[PC_CHOWN] = do_attr,	     [PC_SETXATTR] = do_attr,
};

static void carry_out(const struct pc_model *m, const struct pc_op *op)
{
	struct job j = { .m = m, .op = op, .path = "", .to = "" };

	if (op->node >= 0)
		pc_model_path(m, op->node, "", j.path);
	if (op->dir >= 0)
		pc_model_path(m, op->dir, op->name, j.to);
	if (actions[op->kind](&j) < 0)
		pc_fail("process %u, operation %u, %s %s %s: %s", m->proc,
			m->n_ops, pc_model_kind(op->kind), j.path, j.to,
			strerror(errno));
}

static int work(struct pc_journal *j, const struct pc_seeds *seeds,
		unsigned proc)
{
	struct pc_model *m = pc_model_new(seeds, proc, 0);
	struct pc_op op;

	while (m->n_ops < PC_OPS && !atomic_load(&j->dead)) {
		pc_model_choose(m, &op);
		atomic_store(&j->now[proc].begun, m->n_ops + 1);
		carry_out(m, &op);
		pc_model_apply(m, &op);
		atomic_store(&j->now[proc].done, m->n_ops);
	}
	free(m);
	return 0;
}

/* Writing back. */

/* Some file in or below a directory: its data goes out, if there is one. */
static void write_back_one(int top, uint64_t *rng)
{
	char path[PC_PATH];
	int n = snprintf(path, sizeof(path), "s%u", pc_random(rng, PC_SHARED));
	_cleanup_close_ int fd = -1;

	while (n + PC_NAME < PC_PATH) {
		int dirfd =
			openat(top, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		_cleanup_closedir_ DIR *dir = dirfd < 0 ? NULL
							: fdopendir(dirfd);
		struct dirent *de, *last = NULL;
		unsigned skip = pc_random(rng, 40);

		if (!dir)
			break;
		while ((de = readdir(dir)) && (skip-- || !last)) {
			if (de->d_name[0] == 'p')
				last = de;
		}
		if (!last || last->d_type == DT_LNK || last->d_type == DT_FIFO)
			return;
		n += snprintf(path + n, PC_NAME, "/%s", last->d_name);
	}
	fd = openat(top, path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0)
		sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
}

static void write_back(struct pc_journal *j, const char *backing, uint64_t rng)
{
	_cleanup_close_ int fs = open(backing, O_RDONLY | O_CLOEXEC);
	_cleanup_close_ int top = openat(fs, "upper", O_RDONLY | O_CLOEXEC);

	if (fs < 0)
		pc_fail("%s: %s", backing, strerror(errno));
	while (!atomic_load(&j->dead)) {
		struct timespec pause = { .tv_nsec = 0 };

		pause.tv_nsec = (long)pc_random(&rng, 15000) * 1000;
		nanosleep(&pause, NULL);
		if (pc_random(&rng, 8) == 0)
			syncfs(fs);
		else if (top >= 0)
			write_back_one(top, &rng);
	}
}

/* After how many writes and flushes: few as likely as many. */
static uint32_t choose_moment(uint64_t rng)
{
	unsigned most = 16u << pc_random(&rng, 9);

	return 1 + pc_random(&rng, most);
}

static pid_t child(struct pc_journal *j, const char *backing,
		   const struct pc_seeds *seeds, unsigned n)
{
	pid_t pid = fork();

	if (pid < 0)
		pc_fail("fork: %s", strerror(errno));
	if (pid > 0)
		return pid;
	if (n < PC_PROCS)
		exit(work(j, seeds, n));
	write_back(j, backing, seeds->ops);
	exit(0);
}

int pc_load(const char *dir, const char *backing, struct pc_journal *j,
	    const struct pc_seeds *seeds)
{
	uint32_t unarmed = 0;
	pid_t pids[PC_PROCS + 1];
	int failed = 0, status;

	if (chdir(dir) < 0)
		pc_fail("%s: %s", dir, strerror(errno));
	atomic_compare_exchange_strong(&j->countdown, &unarmed,
				       choose_moment(seeds->ops));
	for (unsigned n = 0; n <= PC_PROCS; n++)
		pids[n] = child(j, backing, seeds, n);
	for (unsigned n = 0; n < PC_PROCS; n++) {
		if (waitpid(pids[n], &status, 0) < 0 || status)
			failed = 1;
	}
	/* What is not dead by now dies when it is unmounted. */
	if (!atomic_load(&j->dead))
		atomic_store(&j->countdown, 1);
	kill(pids[PC_PROCS], SIGKILL);
	waitpid(pids[PC_PROCS], &status, 0);
	return failed;
}
