/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

#include "tests/stress/faults.h"

/* The directories that the daemon's cache may keep open. */
#define DIRS_KEPT 300
/* How often is waited for 5 ms. */
#define WAITS 3000

static const char *need(const char *name)
{
	const char *value = getenv(name);

	if (!value || !*value)
		faults_die("%s is not set", name);
	return value;
}

void faults_mount_init(struct faults_mount *m, const char *base)
{
	const char *path = need("FAULT_CONTROL");
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	struct stat st;
	void *at;

	snprintf(m->base, sizeof(m->base), "%s", base);
	if (fd < 0 || ftruncate(fd, sizeof(*m->control)) < 0)
		faults_die("%s: %s", path, strerror(errno));
	at = mmap(NULL, sizeof(*m->control), PROT_READ | PROT_WRITE, MAP_SHARED,
		  fd, 0);
	if (at == MAP_FAILED || stat(base, &st) < 0)
		faults_die("%s: %s", base, strerror(errno));
	close(fd);
	m->control = at;
	memset(m->control, 0, sizeof(*m->control));
	m->control->devs[0] = st.st_dev;
}

int faults_mount_open(const struct faults_mount *m, const char *folder)
{
	char path[256];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", m->base, folder);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		faults_die("%s: %s", path, strerror(errno));
	return fd;
}

static void run(const char *const argv[])
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		execvp(argv[0], (char *const *)argv);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || status != 0)
		faults_die("%s: it failed", argv[0]);
}

static void remove_tree(const char *path)
{
	run((const char *[]){ "rm", "-rf", "--one-file-system", path, NULL });
}

void faults_mount_fresh(struct faults_mount *m)
{
	static const char *const folders[] = { "l1",   "l2",  "up",
					       "work", "mnt", "store" };
	char path[256];

	for (unsigned i = 0; i < sizeof(folders) / sizeof(*folders); i++) {
		snprintf(path, sizeof(path), "%s/%s", m->base, folders[i]);
		remove_tree(path);
		if (mkdir(path, 0755) < 0)
			faults_die("%s: %s", path, strerror(errno));
	}
}

void faults_mount_import(const struct faults_mount *m)
{
	char *program = faults_text("%s/vefs", need("VEFS_BIN"));
	char *store = faults_text("%s/store", m->base);
	char *from = faults_text("%s/l2", m->base);

	if (m->template)
		run((const char *[]){ program, "--quiet", "--root", store,
				      "template", "import", "--no-sync",
				      "--format", "dir", "low:1", from, NULL });
	free(program);
	free(store);
	free(from);
}

/* A process's state, and its parent in *parent if wanted; 'X': none. */
static char state_of(int pid, int *parent)
{
	char path[64], state = 'X';
	int up = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	if (!f)
		return 'X';
	if (fscanf(f, "%*d (%*[^)]) %c %d", &state, &up) != 2)
		state = 'X';
	fclose(f);
	if (parent)
		*parent = up;
	return state;
}

/* Ended, though perhaps nobody has asked how. */
static bool is_gone(int pid)
{
	char state = state_of(pid, NULL);

	return state == 'Z' || state == 'X';
}

/* Is it the same program? */
static bool is_alike(int a, int b)
{
	char path[64];
	struct stat sa, sb;

	snprintf(path, sizeof(path), "/proc/%d/exe", a);
	if (stat(path, &sa) < 0)
		return false;
	snprintf(path, sizeof(path), "/proc/%d/exe", b);
	return stat(path, &sb) == 0 && sa.st_ino == sb.st_ino &&
	       sa.st_dev == sb.st_dev;
}

static void exec_mount(const struct faults_mount *m)
{
	char *program = faults_text("%s/mount.vefs", need("VEFS_BIN"));
	char *low = faults_text(m->template ? "template=low:1,store=%s/store"
					    : "lowerdir+=%s/l2",
				m->base);
	char *opts = faults_text("lowerdir=%s/l1,%s,upperdir=%s/up,"
				 "workdir=%s/work%s%s",
				 m->base, low, m->base, m->base,
				 *m->opts ? "," : "", m->opts);
	char *target = faults_text("%s/mnt", m->base);
	char said[200];

	/* What it says is looked at if it fails. */
	snprintf(said, sizeof(said), "%s/said", m->base);
	if (!freopen(said, "w", stderr))
		_exit(126);
	setenv("LD_PRELOAD", need("FAULTLIB"), 1);
	execl(program, program, "-o", opts, target, NULL);
	perror(program);
	_exit(127);
}

static bool is_mounted(const struct faults_mount *m)
{
	struct statfs st;
	char path[256];

	snprintf(path, sizeof(path), "%s/mnt", m->base);
	return statfs(path, &st) == 0 && st.f_type == 0x65735546;
}

char *faults_mount_begin(struct faults_mount *m)
{
	struct fault_control *c = m->control;
	pid_t pid = fork();
	int status;

	if (pid == 0)
		exec_mount(m);
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		faults_die("mount.vefs: %s", strerror(errno));
	atomic_store(&c->armed, 0);
	if (status != 0)
		return faults_text("mount.vefs ended with %x", status);
	if (!is_mounted(m))
		return faults_text("mount.vefs mounted nothing");
	/* Who serves is who makes backing calls. */
	c->call = FAULT_CALLS;
	atomic_store(&c->pid, 0);
	atomic_store(&c->armed, 1);
	is_mounted(m);
	close(faults_mount_open(m, "mnt"));
	atomic_store(&c->armed, 0);
	m->pid = atomic_load(&c->pid);
	m->pids = atomic_load(&c->pids);
	if (m->pid <= 0)
		return faults_text("the daemon makes no backing calls");
	state_of(m->pid, &m->keeper);
	if (!is_alike(m->pid, m->keeper))
		m->keeper = m->pid;
	return NULL;
}

char *faults_mount_refused(const struct faults_mount *m)
{
	const struct timespec pause = { .tv_nsec = 5 * 1000 * 1000 };
	int pid = atomic_load(&m->control->pid);
	char said[200];
	struct stat st;

	for (int tries = 0; pid > 0 && !is_gone(pid); tries++) {
		if (tries == WAITS)
			return faults_text("mount.vefs still runs");
		nanosleep(&pause, NULL);
	}
	if (is_mounted(m))
		return faults_text("mount.vefs failed, but it is mounted");
	snprintf(said, sizeof(said), "%s/said", m->base);
	if (stat(said, &st) < 0 || st.st_size == 0)
		return faults_text("mount.vefs failed without a word");
	return NULL;
}

/* What the threads of a process wait for. */
static void tell_threads(int pid)
{
	char path[300], where[64];
	struct dirent *de;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	while (dir && (de = readdir(dir)) != NULL) {
		FILE *f;

		if (de->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%d/task/%s/wchan", pid,
			 de->d_name);
		f = fopen(path, "re");
		if (f && fgets(where, sizeof(where), f))
			printf("# %d: thread %s, %c, in %s\n", pid, de->d_name,
			       state_of(atoi(de->d_name), NULL), where);
		if (f)
			fclose(f);
	}
	if (dir)
		closedir(dir);
}

/* umount(2) may find the mount busy for a moment: releases are not awaited. */
char *faults_mount_end(struct faults_mount *m)
{
	const struct timespec pause = { .tv_nsec = 5 * 1000 * 1000 };
	char path[256];

	snprintf(path, sizeof(path), "%s/mnt", m->base);
	for (int tries = 0; umount(path) < 0; tries++) {
		if (errno != EBUSY || tries == WAITS)
			return faults_text("umount: %s", strerror(errno));
		nanosleep(&pause, NULL);
	}
	for (int tries = 0; !is_gone(m->pid) || !is_gone(m->keeper); tries++) {
		if (tries == WAITS) {
			tell_threads(m->pid);
			tell_threads(m->keeper);
			return faults_text("the daemon does not end");
		}
		nanosleep(&pause, NULL);
	}
	return NULL;
}

char *faults_mount_alive(const struct faults_mount *m)
{
	if (is_gone(m->pid))
		return faults_text("the daemon died");
	if (atomic_load(&m->control->pids) != m->pids)
		return faults_text("the daemon was replaced");
	return is_mounted(m) ? NULL : faults_text("the mount is gone");
}

void faults_mount_shrink(const struct faults_mount *m)
{
	char path[256];

	/* A remount drops every name and inode that is not in use. */
	snprintf(path, sizeof(path), "%s/mnt", m->base);
	if (mount(NULL, path, NULL, MS_REMOUNT, NULL) < 0)
		faults_die("remount: %s", strerror(errno));
}

/* Descriptors: files none, and no directory twice but the mount's own. */

struct held {
	uint64_t dev, ino;
};

static bool is_root_of_layer(const char *base, const char *link)
{
	static const char *const own[] = { "/up",	 "/work",
					   "/work/work", "/work/index",
					   "/l1",	 "/l2",
					   "/objects",	 "/index.mdb" };

	/* A private copy of the mount shows paths from its own root. */
	(void)base;
	for (unsigned i = 0; i < sizeof(own) / sizeof(*own); i++) {
		size_t n = strlen(link), k = strlen(own[i]);

		if (strcmp(link, "/") == 0 ||
		    (n >= k && strcmp(link + n - k, own[i]) == 0))
			return true;
	}
	return false;
}

static char *held_wrongly(struct held *dirs, unsigned *n, const char *link,
			  const struct stat *st)
{
	if (!S_ISDIR(st->st_mode))
		return faults_text("the daemon keeps %s open", link);
	for (unsigned i = 0; i < *n; i++) {
		if (dirs[i].ino == st->st_ino && dirs[i].dev == st->st_dev)
			return faults_text("the daemon keeps %s open twice",
					   link);
	}
	if (*n == DIRS_KEPT)
		return faults_text("the daemon keeps %d directories open",
				   DIRS_KEPT);
	dirs[*n].dev = st->st_dev;
	dirs[(*n)++].ino = st->st_ino;
	return NULL;
}

static char *leaks_now(const struct faults_mount *m)
{
	struct held dirs[DIRS_KEPT];
	struct dirent *de;
	char path[300], link[256], *why = NULL;
	unsigned n = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", m->pid);
	dir = opendir(path);
	while (dir && !why && (de = readdir(dir)) != NULL) {
		struct stat st;
		ssize_t len;

		snprintf(path, sizeof(path), "/proc/%d/fd/%s", m->pid,
			 de->d_name);
		len = readlink(path, link, sizeof(link) - 1);
		if (len < 0 || stat(path, &st) < 0 ||
		    st.st_dev != m->control->devs[0])
			continue;
		link[len] = '\0';
		if (!is_root_of_layer(m->base, link))
			why = held_wrongly(dirs, &n, link, &st);
	}
	if (dir)
		closedir(dir);
	return why;
}

/* What was closed is released a moment later. */
char *faults_mount_leaks(const struct faults_mount *m)
{
	const struct timespec pause = { .tv_nsec = 5 * 1000 * 1000 };
	char *why;

	for (int tries = 0;; tries++) {
		why = leaks_now(m);
		if (!why || tries == 400)
			return why;
		free(why);
		nanosleep(&pause, NULL);
	}
}

/* Work. */

/* A file in the index that has no name left which shows. */
static bool is_orphan(int index, const char *name)
{
	unsigned char rec[16];
	char path[300];
	struct stat st;
	int32_t delta;

	snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", index, name);
	if (fstatat(index, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    lgetxattr(path, "trusted.overlay.vefs", rec, sizeof(rec)) != 16)
		return true;
	memcpy(&delta, rec + 4, sizeof(delta));
	return (int32_t)st.st_nlink + (int32_t)le32toh((uint32_t)delta) < 1;
}

static unsigned left_in(const struct faults_mount *m, const char *folder,
			bool mounted, bool index)
{
	int fd = faults_mount_open(m, folder);
	DIR *dir = fdopendir(fd);
	struct dirent *de;
	unsigned n = 0;

	while (dir && (de = readdir(dir)) != NULL) {
		if (strcmp(de->d_name, ".") == 0 ||
		    strcmp(de->d_name, "..") == 0)
			continue;
		if (index)
			n += is_orphan(fd, de->d_name);
		else
			n += !mounted || strcmp(de->d_name, "whiteout") != 0;
	}
	if (dir)
		closedir(dir);
	return n;
}

unsigned faults_mount_leftover(const struct faults_mount *m, bool mounted)
{
	return left_in(m, "work/work", mounted, false);
}

unsigned faults_mount_orphans(const struct faults_mount *m)
{
	return left_in(m, "work/index", false, true);
}
