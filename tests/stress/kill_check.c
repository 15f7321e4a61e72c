/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What lies there after the load, against all that the models know. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/stress/kill.h"

static unsigned find_child(const struct kill_proc *p, unsigned parent,
			   const char *name)
{
	for (unsigned n = 1; n < KILL_NODES; n++)
		if (p->nodes[n].used && p->nodes[n].parent == parent &&
		    !strcmp(p->nodes[n].name, name))
			return n;
	return 0;
}

static unsigned count_children(const struct kill_proc *p, unsigned parent)
{
	unsigned count = 0;

	for (unsigned n = 1; n < KILL_NODES; n++)
		count += p->nodes[n].used && p->nodes[n].parent == parent;
	return count;
}

static void check_list(struct kill_proc *p, const struct kill_place *at)
{
	_Alignas(8) char buf[4096];
	const struct dirent64 *e;
	unsigned count = 0;
	long n;
	int fd = (int)KILL_DO(p, 0, at->path,
			      openat(p->dir, at->path,
				     O_RDONLY | O_DIRECTORY | O_CLOEXEC));

	if (fd < 0)
		return;
	while ((n = KILL_DO(p, 0, at->path,
			    syscall(SYS_getdents64, fd, buf, sizeof(buf)))) > 0)
		for (long off = 0; off < n; off += e->d_reclen) {
			e = (const void *)(buf + off);
			if (e->d_name[0] == '.')
				continue;
			count++;
			if (!find_child(p, at->node, e->d_name))
				KILL_WRONG(p, "%s: has %s", at->path,
					   e->d_name);
		}
	if (!p->broken && count != count_children(p, at->node))
		KILL_WRONG(p, "%s: lists %u names, expected %u", at->path,
			   count, count_children(p, at->node));
	kill_close(p, fd, at->path);
}

static void check_file(struct kill_proc *p, const struct kill_place *at)
{
	struct kill_file *f = &p->files[p->nodes[at->node].file];
	int fd = (int)KILL_DO(p, 0, at->path,
			      openat(p->dir, at->path, O_RDONLY | O_CLOEXEC));

	if (fd < 0)
		return;
	kill_check_bytes(p, fd, f, at->path);
	kill_close(p, fd, at->path);
}

static void check_tree(struct kill_proc *p)
{
	for (unsigned n = 0; n < KILL_NODES; n++) {
		struct kill_place at = kill_place_of(p, n);

		p->broken = false;
		if (!p->nodes[n].used)
			continue;
		if (n)
			kill_look(p, &at);
		if (p->nodes[n].type == KILL_DIR)
			check_list(p, &at);
		else if (p->nodes[n].type == KILL_FILE && !p->broken)
			check_file(p, &at);
	}
}

static int open_dir(struct kill_proc *p, int at, const char *path)
{
	return (int)KILL_DO(p, 0, path,
			    openat(at, path,
				   O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

static void check_proc(struct kill_proc *p, int top)
{
	static void (*const checks[])(struct kill_proc * p) = {
		check_tree,	kill_low_check, kill_lowdir_check,
		kill_dir_check, kill_log_check,
	};
	char path[32];

	snprintf(path, sizeof(path), "p%u", p->self);
	p->lines = 0;
	p->top = open_dir(p, top, path);
	snprintf(path, sizeof(path), "tree%u", p->era);
	p->dir = open_dir(p, p->top, path);
	if (p->dir >= 0 && KILL_DO(p, 0, path, fchdir(p->dir)) >= 0) {
		for (unsigned n = 0; n < sizeof(checks) / sizeof(checks[0]);
		     n++) {
			p->broken = false;
			checks[n](p);
		}
		kill_close(p, p->dir, path);
	}
	if (p->top >= 0)
		kill_close(p, p->top, path);
}

/* Returns how many things are wrong. */
uint64_t kill_check(int top)
{
	struct kill_proc *p = &kill_state->proc[0];

	kill_state->errors = kill_state->mismatches = 0;
	for (unsigned n = 0; n < kill_state->procs; n++)
		check_proc(&kill_state->proc[n], top);
	p->broken = false;
	p->shared_fd = open_dir(p, top, "shared");
	if (p->shared_fd >= 0) {
		kill_meet_check(p);
		kill_close(p, p->shared_fd, "shared");
	}
	kill_pass_check(p, top);
	return kill_state->errors + kill_state->mismatches;
}
