/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ctrun - a process in the namespaces of a container, as far as quota tools
 * can tell, with its system calls answered.
 *
 *	ctrun [-b BASE] [-n COUNT] [-k MS] ROOT COMMAND [ARGUMENT]...
 *	ctrun [-b BASE] [-n COUNT] ROOT bench CALLS
 *
 * ROOT is a mount with a quota; its ids are BASE.. of the host (0, 65536).
 * With -k the supervisor is killed every so often. The exit status is the
 * command's, 125 what could not be set up. `bench` tells microseconds a call.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/quota.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fs/base/cleanup.h"
#include "fs/base/clock.h"
#include "fs/quotalink.h"
#include "tools/ct/notify.h"

#define CANNOT 125
#define DEVICE "/dev/simfs"
#define ANSWER_MS 20000

static struct {
	unsigned base, count, kill_ms;
	const char *root;
	char **command;
} options = { .count = 65536 };

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "ctrun: %s: %s\n", what, strerror(errno));
	_exit(CANNOT);
}

#define TRY(call)                                                              \
	do {                                                                   \
		if ((call) < 0)                                                \
			die(#call);                                            \
	} while (0)

/* The supervisor's. */

static void *begin(void *ctx)
{
	return quotalink_new(*(dev_t *)ctx, ANSWER_MS);
}

static int quota(void *self, const char *request, char *answer, size_t len)
{
	return quotalink_ask(self, request, answer, len);
}

static int numbers(void *self, struct notifyabi_sysinfo *out)
{
	(void)self;
	*out = (struct notifyabi_sysinfo){ .uptime = 777,
					   .load = { 65536, 65536, 65536 },
					   .total_ram = 256ull << 20,
					   .free_ram = 128ull << 20,
					   .total_swap = 64ull << 20,
					   .free_swap = 64ull << 20,
					   .procs = 3 };
	return 0;
}

/* The host's part. */

static void make_node(const char *name, mode_t mode, dev_t dev)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s%s", options.root, name);
	TRY(mknod(path, mode, dev));
	TRY(chmod(path, mode & 07777));
	TRY(chown(path, options.base, options.base));
}

static void make_dev(dev_t dev)
{
	char path[4096];

	TRY(unshare(CLONE_NEWNS));
	TRY(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL));
	snprintf(path, sizeof(path), "%s/dev", options.root);
	TRY(mount("dev", path, "tmpfs", MS_NOSUID, "mode=755"));
	make_node("/dev/null", S_IFCHR | 0666, makedev(1, 3));
	make_node("/dev/zero", S_IFCHR | 0666, makedev(1, 5));
	make_node("/dev/urandom", S_IFCHR | 0666, makedev(1, 9));
	make_node(DEVICE, S_IFBLK | 0600, dev);
	make_node("/dev/.mounts", S_IFREG | 0444, 0);
}

static void write_file(const char *path, const char *text)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		die(path);
}

static void map_ids(pid_t pid)
{
	char path[64], line[64];

	snprintf(line, sizeof(line), "0 %u %u\n", options.base, options.count);
	snprintf(path, sizeof(path), "/proc/%d/uid_map", pid);
	write_file(path, line);
	snprintf(path, sizeof(path), "/proc/%d/gid_map", pid);
	write_file(path, line);
}

/* Inside. */

static FILE *open_file(const char *path, const char *mode)
{
	FILE *f = fopen(path, mode);

	if (!f)
		die(path);
	return f;
}

/* /proc/mounts as the tools want it: over the link, not where it leads. */
static void cover_mounts(void)
{
	FILE *in = open_file("/proc/self/mounts", "re");
	FILE *out = open_file("/dev/.mounts", "we");
	char line[8192], at[4096];
	int tree, link;

	while (fgets(line, sizeof(line), in)) {
		if (sscanf(line, "%*s %4095s", at) != 1)
			continue;
		if (strcmp(at, "/") == 0)
			fputs(DEVICE " / ext4 rw,relatime,usrquota,grpquota "
				     "0 0\n",
			      out);
		else
			fputs(line, out);
	}
	fclose(in);
	fclose(out);
	tree = (int)syscall(SYS_open_tree, AT_FDCWD, "/dev/.mounts",
			    OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	link = open("/proc/mounts", O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (tree < 0 || link < 0 ||
	    syscall(SYS_move_mount, tree, "", link, "",
		    MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		die("/proc/mounts");
	close(tree);
	close(link);
}

static void enter(const char *root)
{
	if (!root)
		die("no root");
	TRY(setgroups(0, NULL));
	TRY(setresgid(0, 0, 0));
	TRY(setresuid(0, 0, 0));
	TRY(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL));
	TRY(mount(root, root, NULL, MS_BIND | MS_REC, NULL));
	TRY(chdir(root));
	TRY(mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC,
		  NULL));
	TRY((int)syscall(SYS_pivot_root, ".", "."));
	TRY(umount2(".", MNT_DETACH));
	TRY(chdir("/"));
	cover_mounts();
}

static void install(int sender)
{
	struct why why = { "" };
	int fd = notify_install(NOTIFY_QUOTA | NOTIFY_SYSINFO, &why);

	if (fd < 0) {
		fprintf(stderr, "ctrun: %s\n", why.text);
		_exit(CANNOT);
	}
	TRY(notify_send(sender, fd));
	close(fd);
}

static void bench_one(const char *name, unsigned calls, int (*call)(void))
{
	uint64_t began = clock_now();

	for (unsigned i = 0; i < calls; i++)
		TRY(call());
	printf("%s %.2f\n", name,
	       (double)(clock_now() - began) / CLOCK_US / calls);
	fflush(stdout);
}

static int call_sysinfo(void)
{
	struct sysinfo s;

	return sysinfo(&s);
}

static int call_getquota(void)
{
	struct if_dqblk d;

	return (int)syscall(SYS_quotactl, QCMD((unsigned)Q_GETQUOTA, USRQUOTA),
			    DEVICE, 0, &d);
}

static int call_getppid(void)
{
	return (int)syscall(SYS_getppid);
}

static void bench(unsigned calls, int sender)
{
	bench_one("sysinfo-native", calls, call_sysinfo);
	bench_one("getppid-native", calls, call_getppid);
	install(sender);
	bench_one("getppid", calls, call_getppid);
	bench_one("sysinfo", calls, call_sysinfo);
	bench_one("quotactl", calls, call_getquota);
	_exit(0);
}

static void be_container(int go, int sender)
{
	static char *const environment[] = {
		(char *)(uintptr_t) "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
		(char *)(uintptr_t) "HOME=/root",
		(char *)(uintptr_t) "LC_ALL=C", (char *)(uintptr_t) "TERM=dumb",
		NULL
	};
	char c;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (read(go, &c, 1) != 1)
		_exit(CANNOT);
	enter(options.root);
	if (strcmp(options.command[0], "bench") == 0 && options.command[1])
		bench((unsigned)atoi(options.command[1]), sender);
	install(sender);
	execvpe(options.command[0], options.command, environment);
	die(options.command[0]);
}

/* The monitor. */

static int serve(struct notify *n, int pidfd)
{
	struct pollfd p[2] = { { .fd = notify_fd(n), .events = POLLIN },
			       { .fd = pidfd, .events = POLLIN } };
	int ms = options.kill_ms ? (int)options.kill_ms : -1;

	while (!p[1].revents) {
		if (poll(p, 2, ms) == 0 && notify_supervisor(n))
			kill(notify_supervisor(n), SIGKILL);
		if (p[0].revents)
			notify_serve(n);
	}
	return 0;
}

static int run(void)
{
	int go[2], pidfd = -1, status;
	struct clone_args args = {
		.flags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID |
			 CLONE_NEWIPC | CLONE_NEWUTS | CLONE_PIDFD,
		.pidfd = (uintptr_t)&pidfd,
		.exit_signal = SIGCHLD,
	};
	struct notify_config config = {
		.ops = { begin, quota, numbers },
		.dev_name = DEVICE,
		.base = options.base,
		.count = options.count,
		.admin_caps = 1ull << 21, /* CAP_SYS_ADMIN */
	};
	struct notify *n;
	struct stat st;
	pid_t pid;

	TRY(stat(options.root, &st));
	config.dev = st.st_dev;
	config.ctx = &st.st_dev;
	make_dev(st.st_dev);
	TRY(pipe2(go, O_CLOEXEC));
	TRY(notify_new(&n, NULL));
	TRY(pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args)));
	if (pid == 0) {
		close(go[1]);
		be_container(go[0], notify_sender(n));
	}
	map_ids(pid);
	TRY(notify_userns(pid, &config.userns));
	TRY(notify_begin(n, &config));
	TRY(write(go[1], "g", 1));
	serve(n, pidfd);
	TRY(waitpid(pid, &status, 0));
	notify_free(n);
	return WIFEXITED(status) ? WEXITSTATUS(status) : CANNOT + 1;
}

int main(int argc, char **argv)
{
	int o;

	while ((o = getopt(argc, argv, "+b:n:k:")) != -1) {
		switch (o) {
		case 'b':
			options.base = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'n':
			options.count = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 'k':
			options.kill_ms = (unsigned)strtoul(optarg, NULL, 10);
			break;
		default:
			return CANNOT;
		}
	}
	if (argc - optind < 2 || !argv[optind]) {
		fprintf(stderr, "usage: ctrun [-b BASE] [-n COUNT] [-k MS] "
				"ROOT COMMAND [ARGUMENT]...\n");
		return CANNOT;
	}
	options.root = argv[optind];
	options.command = argv + optind + 1;
	return run();
}
