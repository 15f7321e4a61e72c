/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/jailed.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fs/base/cleanup.h"
#include "tools/ct/jail.h"

/* What both processes see. */
struct shared {
	int result;
	struct why why;
	char out[JAILED_TEXT];
};

const char *jailed_lack(void)
{
	pid_t pid;
	int status;

	if (geteuid() != 0)
		return "needs root";
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		_exit(unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWCGROUP) !=
		      0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return status ? "no user namespaces here" : NULL;
}

void jailed_make(struct jailed *j, uint32_t base, uint32_t count)
{
	memset(j, 0, sizeof(*j));
	j->tree = unit_tmpdir(j->path);
	snprintf(j->s.id, sizeof(j->s.id), "unit");
	j->s.base = base;
	j->s.count = count;
	close(openat(j->tree, "marker", O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
	jailed_own(j);
}

static uint32_t owner;

static int own(const char *path, const struct stat *st, int type,
	       struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return lchown(path, owner, owner);
}

void jailed_own(struct jailed *j)
{
	owner = j->s.base;
	ck_assert_int_eq(nftw(j->path, own, 16, FTW_PHYS | FTW_MOUNT), 0);
}

void jailed_say(struct jailed_out *out, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(out->text + out->len, out->size - out->len, fmt, ap);
	va_end(ap);
	if (n > 0 && (size_t)n < out->size - out->len)
		out->len += (size_t)n;
}

static int enter(const struct jailed *j, const int mounts[3], struct why *why)
{
	int master, r;

	if (setgroups(0, NULL) || setresgid(0, 0, 0) || setresuid(0, 0, 0))
		return why_sys(why, -errno, "ids");
	if (unshare(CLONE_NEWCGROUP) < 0)
		return why_sys(why, -errno, "unshare");
	r = jail_enter(&j->s, mounts[0], mounts[1], mounts[2], why);
	if (r < 0 || j->last)
		return r;
	master = jail_console(&j->s, why);
	if (master < 0)
		return master;
	r = jail_caps(&j->s, why);
	return r < 0 ? r : jail_filter(&j->s, why);
}

static void map_ids(const struct jailed *j, pid_t pid)
{
	static const char *const maps[] = { "uid_map", "gid_map" };
	char path[64], line[64];

	snprintf(line, sizeof(line), "0 %u %u\n", j->s.base, j->s.count);
	for (size_t i = 0; j->s.count && i < ARRAY_SIZE(maps); i++) {
		_cleanup_close_ int fd = -1;

		snprintf(path, sizeof(path), "/proc/%d/%s", pid, maps[i]);
		fd = open(path, O_WRONLY | O_CLOEXEC);
		ck_assert_int_eq(write(fd, line, strlen(line)),
				 (ssize_t)strlen(line));
	}
}

static pid_t begin(const struct jailed *j)
{
	struct clone_args args = {
		.flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC |
			 CLONE_NEWUTS,
		.exit_signal = SIGCHLD,
	};

	if (j->s.count)
		args.flags |= CLONE_NEWUSER;
	if (j->s.net.mode != SPEC_NET_HOST)
		args.flags |= CLONE_NEWNET;
	return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

void jailed_run(struct jailed *j, void (*inside)(struct jailed_out *out))
{
	struct shared *sh = mmap(NULL, sizeof(*sh), PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	_cleanup_close_ int root = -1, dev = -1, sys = -1;
	int go[2];
	pid_t pid;

	ck_assert_ptr_ne(sh, MAP_FAILED);
	dev = jail_dev(&j->s, &sh->why);
	root = dev < 0 ? dev : jail_root(j->path, &sh->why);
	sys = jail_sys(&j->s, &sh->why);
	sh->result = root < 0 ? root : 0;
	if (sys < 0 && sys != -ENODATA)
		sh->result = sys;
	j->status = 0;
	if (sh->result == 0) {
		const int mounts[3] = { root, dev, sys };

		ck_assert_int_eq(pipe2(go, O_CLOEXEC), 0);
		pid = begin(j);
		ck_assert_int_ge(pid, 0);
		if (pid == 0) {
			struct jailed_out out = { sh->out, 0, sizeof(sh->out) };
			char c;

			prctl(PR_SET_PDEATHSIG, SIGKILL);
			if (read(go[0], &c, 1) != 1)
				_exit(1);
			sh->result = enter(j, mounts, &sh->why);
			/* as after an exec */
			if (sh->result == 0)
				prctl(PR_SET_DUMPABLE, 1);
			if (sh->result == 0 && inside)
				inside(&out);
			_exit(0);
		}
		map_ids(j, pid);
		ck_assert_int_eq(write(go[1], "g", 1), 1);
		close(go[0]);
		close(go[1]);
		ck_assert_int_eq(waitpid(pid, &j->status, 0), pid);
	}
	j->result = sh->result;
	j->why = sh->why;
	memcpy(j->out, sh->out, sizeof(j->out));
	munmap(sh, sizeof(*sh));
}
