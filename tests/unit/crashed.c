/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/crashed.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "fs/base/cleanup.h"
#include "fs/base/parse.h"
#include "fs/copyup.h"
#include "fs/htable.h"
#include "fs/itablecount.h"
#include "fs/itablerecover.h"
#include "fs/stack.h"

/* Like fork(), sharing descriptors. */
static pid_t make_process(void)
{
	return (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL,
			      NULL, NULL);
}

/* The C library believes that it is in the other process: not raise(). */
static void stop(void)
{
	if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
		_exit(1);
	kill(getpid(), SIGSTOP);
}

/* From here on the kernel says which stops are at system calls. */
static bool is_stopped(pid_t pid)
{
	int status;

	return waitpid(pid, &status, 0) == pid && WIFSTOPPED(status) &&
	       ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_TRACESYSGOOD) == 0;
}

static void finish(pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

const char *crashed_possible(void)
{
	pid_t pid = make_process();

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		stop();
		_exit(0);
	}
	if (!is_stopped(pid))
		return "no ptrace";
	finish(pid);
	return NULL;
}

/* Descriptors. */

static unsigned each_fd(void (*fn)(void *ctx, int fd), void *ctx)
{
	_cleanup_closedir_ DIR *dir = opendir("/proc/self/fd");
	struct dirent *de;
	unsigned n = 0;
	uint32_t fd;

	ck_assert_ptr_nonnull(dir);
	while ((de = readdir(dir)) != NULL) {
		if (parse_u32(de->d_name, CRASHED_FDS - 1, &fd) != 0 ||
		    (int)fd == dirfd(dir))
			continue;
		fn(ctx, (int)fd);
		n++;
	}
	return n;
}

static void mark(void *ctx, int fd)
{
	uint8_t *set = ctx;

	ck_assert_int_lt(fd, CRASHED_FDS);
	if (fd >= 0)
		set[fd] = 1;
}

static void unmark(void *ctx, int fd)
{
	uint8_t *set = ctx;

	if (fd >= 0)
		set[fd] = 0;
}

static void mark_pin(void *ctx, struct slot *s)
{
	mark(ctx, s->note.pin - 1);
}

static void unmark_pin(void *ctx, struct slot *s)
{
	unmark(ctx, s->note.pin - 1);
}

/* What stays open whatever the operation does: nothing that a table names. */
static void mark_ours(struct crashed *c)
{
	memset(c->open, 0, sizeof(c->open));
	each_fd(mark, c->open);
	htable_fds(c->v->o->handles, unmark, c->open);
	itablerecover_fds(c->v->o->inodes, unmark, c->open);
	slot_each(c->slots, SLOT_EXEC, unmark_pin, c->open);
}

static void close_other(void *ctx, int fd)
{
	const uint8_t *set = ctx;

	if (!set[fd])
		close(fd);
}

static void sweep_fds(const struct crashed *c)
{
	uint8_t kept[CRASHED_FDS];

	memcpy(kept, c->open, sizeof(kept));
	htable_fds(c->v->o->handles, mark, kept);
	itablerecover_fds(c->v->o->inodes, mark, kept);
	slot_each(c->slots, SLOT_EXEC, mark_pin, kept);
	each_fd(close_other, kept);
}

/* A request. */

void crashed_begin(struct crashed *c, struct ovl *v)
{
	*c = (struct crashed){ .v = v, .unique = 1000 };
	c->slots = slot_table_new(-1);
	ck_assert_ptr_nonnull(c->slots);
	slot_table_begin(c->slots);
	stack_settle(v->o);
	c->n_open = each_fd(mark, c->open);
}

void crashed_end(struct crashed *c)
{
	slot_table_free(c->slots);
}

void crashed_know(struct crashed *c, const char *path)
{
	char part[256];

	for (size_t n = 0; path[n]; n++) {
		struct inode *i;
		int err;

		n += strcspn(path + n, "/");
		snprintf(part, sizeof(part), "%.*s", (int)n, path);
		i = ovl_walk(c->v, part, NULL, &err);
		if (!i)
			return;
		ck_assert_uint_lt(c->n_known, CRASHED_KNOWN);
		c->known[c->n_known++] = itablecount_add(c->v->o->inodes, i);
		ovl_put_back(c->v, i);
		if (!path[n])
			return;
	}
}

/*
 * Those that change nothing: to be killed before or after one is to be killed
 * after or before its neighbour.
 */
static bool is_reading(uint64_t number)
{
	static const uint64_t reading[] = {
		SYS_newfstatat, SYS_statx,	SYS_name_to_handle_at,
		SYS_flistxattr, SYS_llistxattr, SYS_open_by_handle_at,
		SYS_fgetxattr,	SYS_lgetxattr,	SYS_getdents64,
		SYS_read,	SYS_pread64,	SYS_lseek,
		SYS_fstat,	SYS_fcntl,	SYS_readlinkat,
		SYS_brk,	SYS_mmap,	SYS_munmap,
		SYS_mprotect,	SYS_madvise,	SYS_getxattr,
	};

	for (unsigned k = 0; k < ARRAY_SIZE(reading); k++) {
		if (reading[k] == number)
			return true;
	}
	return false;
}

/* Let it come to its next stop at a system call that may change something. */
static bool go_on(pid_t pid, uint64_t *number)
{
	struct __ptrace_syscall_info info;
	int status;

	do {
		ck_assert_int_eq(ptrace(PTRACE_SYSCALL, pid, NULL, NULL), 0);
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		if (WIFEXITED(status)) {
			ck_assert_int_eq(WEXITSTATUS(status), 0);
			return false;
		}
		ck_assert_msg(WIFSTOPPED(status) &&
				      WSTOPSIG(status) == (SIGTRAP | 0x80),
			      "status %x", (unsigned)status);
		ck_assert_int_gt(ptrace(PTRACE_GET_SYSCALL_INFO, pid,
					sizeof(info), &info),
				 0);
		ck_assert(info.op == PTRACE_SYSCALL_INFO_ENTRY ||
			  info.op == PTRACE_SYSCALL_INFO_EXIT);
		if (info.op == PTRACE_SYSCALL_INFO_ENTRY)
			*number = info.entry.nr;
	} while (is_reading(*number));
	return true;
}

bool crashed_run(struct crashed *c, int (*op)(const struct ovl *v), unsigned n)
{
	uint64_t number = 0;
	pid_t pid;

	stack_settle(c->v->o);
	mark_ours(c);
	pid = make_process();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		slot_begin(c->slots, c->unique, 0, -1, c->again);
		stop();
		op(c->v);
		_exit(0);
	}
	ck_assert(is_stopped(pid));
	for (unsigned k = 0; k < n; k++) {
		if (!go_on(pid, &number))
			return false;
	}
	finish(pid);
	return true;
}

static bool keep_all(_unused_ void *ctx, _unused_ const struct handle *h)
{
	return true;
}

static void settle(void *ctx, struct inode *i)
{
	struct overlay *o = ctx;

	if (itable_flags(o->inodes, i) & INODE_MOVING)
		ck_assert_int_eq(copyup_settle(o, i), 0);
	ck_assert(!(itable_flags(o->inodes, i) & INODE_MOVING));
}

void crashed_recover(struct crashed *c)
{
	struct overlay *o = c->v->o;

	c->again = true;
	slot_table_begin(c->slots);
	ck_assert_int_eq(itablerecover(o->inodes), 0);
	slot_redo(c->slots, o);
	htable_recover(o->handles, keep_all, NULL);
	itablerecover_drop(o->inodes);
	sweep_fds(c);
	ck_assert_int_eq(upper_sweep(o->upper), 0);
	itablerecover_each(o->inodes, settle, o);
}

int crashed_again(struct crashed *c, int (*op)(const struct ovl *v))
{
	int r;

	slot_begin(c->slots, c->unique, 0, -1, true);
	r = op(c->v);
	slot_end();
	c->again = false;
	c->unique++;
	return r;
}

static void no_slot(_unused_ void *ctx, struct slot *s)
{
	ck_abort_msg("a slot in use: %llu", (unsigned long long)s->unique);
}

static void nothing(_unused_ void *ctx, _unused_ int fd)
{
}

/* But for what all whiteouts are links of. */
static int is_leftover(const struct dirent *de)
{
	return de->d_name[0] != '.' && strcmp(de->d_name, "whiteout") != 0;
}

void crashed_forget(struct crashed *c)
{
	char dir[UNIT_PATH_MAX + 16];
	struct dirent **list;

	while (c->n_known > 0)
		itablecount_forget(c->v->o->inodes, c->known[--c->n_known], 1);
	ovl_check_idle(c->v);
	for (unsigned s = SLOT_EXEC; s <= SLOT_APPLIED; s++)
		slot_each(c->slots, (enum slot_state)s, no_slot, NULL);
	stack_settle(c->v->o);
	ck_assert_uint_eq(each_fd(nothing, NULL), c->n_open);
	snprintf(dir, sizeof(dir), "%s/w/work", c->v->path);
	ck_assert_int_eq(scandir(dir, &list, is_leftover, NULL), 0);
	free(list);
}

/* Pictures. */

struct seen {
	ino_t inos[128];
	unsigned n;
};

/* Which of the inodes seen so far it is. */
static unsigned number(struct seen *seen, ino_t ino)
{
	for (unsigned k = 0; k < seen->n; k++) {
		if (seen->inos[k] == ino)
			return k;
	}
	ck_assert_uint_lt(seen->n, ARRAY_SIZE(seen->inos));
	seen->inos[seen->n] = ino;
	return seen->n++;
}

static void tell_stat(FILE *to, struct seen *seen, const char *path,
		      const struct stat *st)
{
	if (S_ISCHR(st->st_mode) && st->st_rdev == 0) {
		fprintf(to, "%s whiteout", path);
		return;
	}
	fprintf(to, "%s #%u %o %u:%u", path, number(seen, st->st_ino),
		st->st_mode, st->st_uid, st->st_gid);
	if (!S_ISDIR(st->st_mode))
		fprintf(to, " links %u size %u dev %u", (unsigned)st->st_nlink,
			(unsigned)st->st_size, (unsigned)st->st_rdev);
}

static void tell_shown(FILE *to, struct seen *seen, const struct ovl *v,
		       const char *dir)
{
	char names[4096], path[512], text[4096], *save = NULL;

	ovl_names(v, dir, names);
	for (char *name = strtok_r(names, " ", &save); name;
	     name = strtok_r(NULL, " ", &save)) {
		struct stat st;

		snprintf(path, sizeof(path), "%s%s%s", dir, *dir ? "/" : "",
			 name);
		ovl_put_back(v, ovl_get(v, path, &st));
		tell_stat(to, seen, path, &st);
		if (S_ISREG(st.st_mode))
			fprintf(to, " '%s'", ovl_read(v, path, text));
		fputc('\n', to);
		if (S_ISDIR(st.st_mode))
			tell_shown(to, seen, v, path);
	}
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names of attributes, and values of those that say no inode number. */
static void tell_attributes(FILE *to, const char *path)
{
	char list[1024], value[256], *name[32] = { NULL };
	ssize_t n = llistxattr(path, list, sizeof(list)), len;
	unsigned k = 0;

	ck_assert_int_ge(n, 0);
	for (char *p = list; p < list + n; p += strlen(p) + 1) {
		ck_assert_uint_lt(k, ARRAY_SIZE(name));
		name[k++] = p;
	}
	qsort(name, k, sizeof(*name), by_name);
	for (unsigned x = 0; x < k; x++) {
		fprintf(to, " %s", name[x]);
		if (strstr(name[x], ".vefs"))
			continue;
		len = lgetxattr(path, name[x], value, sizeof(value));
		ck_assert_int_ge(len, 0);
		fprintf(to, "=%.*s", (int)len, value);
	}
}

static void tell_disk(FILE *to, struct seen *seen, const char *top,
		      const char *below)
{
	struct dirent **list;
	char path[1024], sub[512];
	int n;

	snprintf(path, sizeof(path), "%s%s", top, below);
	n = scandir(path, &list, NULL, alphasort);
	ck_assert_int_ge(n, 0);
	for (int k = 0; k < n; k++) {
		const char *name = list[k]->d_name;
		struct stat st;

		if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0) {
			snprintf(sub, sizeof(sub), "%s/%s", below, name);
			snprintf(path, sizeof(path), "%s%s", top, sub);
			ck_assert_int_eq(lstat(path, &st), 0);
			tell_stat(to, seen, sub, &st);
			tell_attributes(to, path);
			fputc('\n', to);
			if (S_ISDIR(st.st_mode))
				tell_disk(to, seen, top, sub);
		}
		free(list[k]);
	}
	free(list);
}

/* Names in work/index say nothing: which of upper's inodes are in it? */
static void tell_index(FILE *to, const struct seen *seen, const char *dir)
{
	struct dirent **list;
	unsigned others = 0;
	int n = scandir(dir, &list, NULL, NULL);

	ck_assert_int_ge(n, 2);
	others = (unsigned)n - 2;
	for (unsigned x = 0; x < seen->n; x++) {
		for (int k = 0; k < n; k++) {
			if (list[k]->d_ino != seen->inos[x])
				continue;
			fprintf(to, "index #%u\n", x);
			others--;
		}
	}
	fprintf(to, "index and %u more\n", others);
	while (n-- > 0)
		free(list[n]);
	free(list);
}

char *crashed_picture(const struct ovl *v)
{
	struct seen shown = { .n = 0 }, disk = { .n = 0 };
	char top[UNIT_PATH_MAX + 16], *text = NULL;
	size_t len;
	FILE *to = open_memstream(&text, &len);

	ck_assert_ptr_nonnull(to);
	tell_shown(to, &shown, v, "");
	fputs("--\n", to);
	snprintf(top, sizeof(top), "%s/u", v->path);
	tell_disk(to, &disk, top, "");
	snprintf(top, sizeof(top), "%s/w/index", v->path);
	tell_index(to, &disk, top);
	fclose(to);
	return text;
}
