/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tools/ct: jail, from inside: with a user namespace and without */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/magic.h>

#include "fs/base/cleanup.h"
#include "fs/base/fdio.h"
#include "tests/unit/jailed.h"
#include "tools/ct/jail.h"

/* Both kinds of container. */
static const struct {
	const char *name;
	uint32_t base, count;
} kinds[] = {
	{ "with a user namespace", 0x20000000, 65536 },
	{ "without", 0, 0 },
};

static void make(struct jailed *j, size_t kind)
{
	unit_row(kinds[kind].name);
	jailed_make(j, kinds[kind].base, kinds[kind].count);
}

static void check_entered(const struct jailed *j)
{
	ck_assert_str_eq(j->why.text, "");
	ck_assert_int_eq(j->result, 0);
	ck_assert_msg(j->status == 0, "it ended with status %x", j->status);
}

#define CHECK_LACK()                                                           \
	if (jailed_lack()) {                                                   \
		unit_skip(jailed_lack());                                      \
		return;                                                        \
	}

/* ---- what is there ------------------------------------------------------- */

static void look_around(struct jailed_out *out)
{
	_cleanup_close_ int console = -1, pty = -1, mem = -1;
	char name[32] = "";
	struct stat st;
	ssize_t n;

	n = readlink("/proc/self", name, sizeof(name) - 1);
	jailed_say(out, "self %s\n", n > 0 ? name : strerror(errno));
	jailed_say(out, "marker %d\n", access("/marker", F_OK));
	console = open("/dev/console", O_RDWR | O_NOCTTY | O_CLOEXEC);
	jailed_say(out, "console %d\n", isatty(console));
	pty = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
	jailed_say(out, "pty %d\n", isatty(pty));
	mem = open("/dev/shm/x", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	jailed_say(out, "shm %d %d\n", mem >= 0,
		   !stat("/dev/shm", &st) && (st.st_mode & 07777) == 01777);
	jailed_say(out, "net %d\n", !access("/sys/class/net/lo", F_OK));
	jailed_say(out, "sys %d\n", mkdir("/sys/x", 0755));
}

START_TEST(is_whole)
{
	CHECK_LACK();
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		for (int host = 0; host < 2; host++) {
			struct jailed j;

			make(&j, i);
			j.s.net.mode = host ? SPEC_NET_HOST : SPEC_NET_PRIVATE;
			jailed_run(&j, look_around);
			check_entered(&j);
			ck_assert_str_eq(j.out,
					 "self 1\nmarker 0\nconsole 1\n"
					 "pty 1\nshm 1 1\nnet 1\nsys -1\n");
		}
}
END_TEST

/* Every mount that there is, and every way up that people have found. */
static void look_out(struct jailed_out *out)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	char line[1024], root[512], at[512];
	int n = 0;

	while (f && fgets(line, sizeof(line), f)) {
		n++;
		if (sscanf(line, "%*s %*s %*s %511s %511s", root, at) != 2)
			jailed_say(out, "what is %s", line);
		else if (strcmp(at, "/") && strncmp(at, "/dev", 4) &&
			 strncmp(at, "/proc", 5) && strncmp(at, "/sys", 4) &&
			 strcmp(at, "/run"))
			jailed_say(out, "mounted: %s\n", line);
	}
	if (f)
		fclose(f);
	jailed_say(out, "some mounts %d\n", n > 5);
	/* CVE-2015-2925 and its like: above the root there is the root */
	jailed_say(out, "up %d\n", access("/../../../../marker", F_OK));
	jailed_say(out, "off %d\n", umount2("/", MNT_DETACH));
	if (mkdir("/sub", 0755) || chroot("/sub") ||
	    chdir("../../../../../../../.."))
		jailed_say(out, "chroot: %s\n", strerror(errno));
	jailed_say(out, "chrooted %d\n", access("marker", F_OK));
}

START_TEST(nothing_of_the_host)
{
	CHECK_LACK();
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct jailed j;

		make(&j, i);
		jailed_run(&j, look_out);
		check_entered(&j);
		ck_assert_str_eq(j.out, "some mounts 1\nup 0\noff -1\n"
					"chrooted 0\n");
	}
}
END_TEST

static void look_at_cgroups(struct jailed_out *out)
{
	struct statvfs vfs;
	struct statfs fs;
	struct stat st;

	if (statfs("/sys/fs/cgroup", &fs) || fs.f_type != CGROUP2_SUPER_MAGIC ||
	    stat("/sys/fs/cgroup", &st) || statvfs("/sys/fs/cgroup", &vfs)) {
		jailed_say(out, "none");
		return;
	}
	/* its own group, or the host's to look at */
	jailed_say(out, "%s",
		   st.st_ino == 1 && !(vfs.f_flag & ST_RDONLY) ? "the host's"
							       : "good");
}

START_TEST(cgroups)
{
	CHECK_LACK();
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct jailed j;

		make(&j, i);
		jailed_run(&j, look_at_cgroups);
		check_entered(&j);
		if (!strcmp(j.out, "none")) {
			unit_skip("no unified cgroup hierarchy");
			return;
		}
		ck_assert_str_eq(j.out, "good");
	}
}
END_TEST

/* ---- nothing remains ----------------------------------------------------- */

static size_t count_mounts(void)
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	size_t n = 0;
	int c;

	ck_assert_ptr_nonnull(f);
	while ((c = fgetc(f)) != EOF)
		n += c == '\n';
	fclose(f);
	return n;
}

START_TEST(leaves_nothing)
{
	CHECK_LACK();
	/* what others mount meanwhile is not to be counted */
	ck_assert_int_eq(unshare(CLONE_NEWNS), 0);
	ck_assert_int_eq(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		size_t mounts = count_mounts(), fds;
		struct jailed j;

		make(&j, i);
		fds = unit_count_fds();
		jailed_run(&j, NULL);
		check_entered(&j);
		ck_assert_uint_eq(unit_count_fds(), fds);
		ck_assert_uint_eq(count_mounts(), mounts);
		ck_assert_int_eq(waitpid(-1, NULL, __WALL | WNOHANG), -1);
		ck_assert_int_eq(errno, ECHILD);
	}
}
END_TEST

/* ---- what a tree may hold ------------------------------------------------ */

static const struct hostile {
	const char *name;
	const char *link; /* NULL: a file */
	int result;
	bool hostroot; /* looked at only without a user namespace */
} hostile[] = {
	{ "dev", "TARGET", -ELOOP, false },
	{ "dev", "../../../../../../../../dev", -ELOOP, false },
	{ "dev", NULL, -ENOTDIR, false },
	{ "proc", "TARGET", -ELOOP, false },
	{ "proc", "dev", -ELOOP, false },
	{ "proc", "nowhere", -ELOOP, false },
	{ "proc", NULL, -ENOTDIR, false },
	{ "sys", "/proc/self/root", -ELOOP, false },
	{ "sys", NULL, -ENOTDIR, false },
	{ "run", "TARGET", -ELOOP, true },
	{ "run", NULL, -ENOTDIR, true },
};

static void try_hostile(const struct hostile *h, size_t kind)
{
	char target[UNIT_PATH_MAX], text[64];
	_cleanup_close_ int elsewhere = unit_tmpdir(target);
	struct jailed j;

	make(&j, kind);
	if (h->link)
		ck_assert_int_eq(symlinkat(strcmp(h->link, "TARGET") ? h->link
								     : target,
					   j.tree, h->name),
				 0);
	else
		ck_assert_int_eq(mknodat(j.tree, h->name, S_IFREG | 0644, 0),
				 0);
	/* an open door, if it went that way */
	ck_assert_int_eq(fchmod(elsewhere, 0777), 0);
	jailed_own(&j);
	jailed_run(&j, NULL);
	ck_assert_int_eq(j.result, h->hostroot && j.s.count ? 0 : h->result);
	snprintf(text, sizeof(text), "/%s of the container is ", h->name);
	if (j.result)
		ck_assert_msg(strstr(j.why.text, text), "%s", j.why.text);
	ck_assert_int_eq(unlinkat(AT_FDCWD, target, AT_REMOVEDIR), 0);
}

START_TEST(hostile_roots)
{
	CHECK_LACK();
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		for (size_t k = 0; k < ARRAY_SIZE(hostile); k++) {
			unit_row(hostile[k].name);
			try_hostile(&hostile[k], i);
		}
}
END_TEST

/* A tree that has no /dev, /proc and /sys, and cannot get them. */
START_TEST(places_are_made)
{
	struct jailed j;

	CHECK_LACK();
	make(&j, 0);
	jailed_run(&j, NULL);
	check_entered(&j);
	ck_assert_int_eq(fdio_exists(j.tree, "dev"), 1);
	ck_assert_int_eq(fdio_exists(j.tree, "proc"), 1);
	ck_assert_int_eq(fdio_exists(j.tree, "sys"), 1);
	make(&j, 0);
	ck_assert_int_eq(fchown(j.tree, 0, 0), 0);
	jailed_run(&j, NULL);
	ck_assert_int_lt(j.result, 0);
	ck_assert_msg(strstr(j.why.text, "/dev of the container"), "%s",
		      j.why.text);
}
END_TEST

START_TEST(root_is_a_directory)
{
	char path[UNIT_PATH_MAX + 16];
	struct why why = { "" };
	struct jailed j;

	CHECK_LACK();
	make(&j, 0);
	snprintf(path, sizeof(path), "%s/marker", j.path);
	ck_assert_int_eq(jail_root(path, &why), -ENOTDIR);
	ck_assert_msg(strstr(why.text, path), "%s", why.text);
	snprintf(path, sizeof(path), "%s/link", j.path);
	ck_assert_int_eq(symlink(j.path, path), 0);
	ck_assert_int_eq(jail_root(path, NULL), -ENOTDIR);
	snprintf(path, sizeof(path), "%s/nowhere", j.path);
	ck_assert_int_eq(jail_root(path, NULL), -ENOENT);
}
END_TEST

/* ---- devices ------------------------------------------------------------- */

static void open_node(struct jailed_out *out, const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDWR | O_CLOEXEC);

	jailed_say(out, "%s %s\n", path, fd < 0 ? strerror(errno) : "opened");
}

static void try_nodes(struct jailed_out *out)
{
	open_node(out, "/node");
	jailed_say(out, "remount %d\n",
		   mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL));
	open_node(out, "/node");
	jailed_say(out, "mknod %d\n",
		   mknod("/dev/mine", S_IFBLK | 0600, makedev(7, 0)));
	open_node(out, "/dev/null");
	open_node(out, "/dev/full");
}

/* A device that came with a template, or by the host's hand. */
START_TEST(no_device_of_the_tree)
{
	CHECK_LACK();
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct jailed j;

		make(&j, i);
		ck_assert_int_eq(mknodat(j.tree, "node", S_IFCHR | 0666,
					 makedev(1, 3)),
				 0);
		jailed_own(&j);
		jailed_run(&j, try_nodes);
		check_entered(&j);
		ck_assert_str_eq(j.out, "/node Permission denied\n"
					"remount -1\n"
					"/node Permission denied\n"
					"mknod -1\n"
					"/dev/null opened\n"
					"/dev/full opened\n");
	}
}
END_TEST

START_TEST(devices)
{
	static struct spec_device extra[] = {
		{ "a/b/disk", 'b', 7, 5, true, false },
		{ "net/other", 'c', 10, 200, true, true },
		{ "null", 'c', 1, 3, true, true },
		{ "", 'b', 8, 0, true, true },
	};
	static const struct {
		const char *name;
		mode_t mode;
		unsigned major, minor;
	} want[] = {
		{ "null", S_IFCHR | 0666, 1, 3 },
		{ "urandom", S_IFCHR | 0666, 1, 9 },
		{ "tty", S_IFCHR | 0666, 5, 0 },
		{ "fuse", S_IFCHR | 0666, 10, 229 },
		{ "net/tun", S_IFCHR | 0666, 10, 200 },
		{ "a/b/disk", S_IFBLK | 0440, 7, 5 },
		{ "net/other", S_IFCHR | 0660, 10, 200 },
		{ "console", S_IFREG | 0600, 0, 0 },
		{ "a/b", S_IFDIR | 0755, 0, 0 },
		{ "ptmx", S_IFLNK | 0777, 0, 0 },
	};
	struct spec s = { .base = 70000,
			  .count = 65536,
			  .fuse = true,
			  .tun = true,
			  .device = extra,
			  .n_device = ARRAY_SIZE(extra) };
	_cleanup_close_ int dev = -1;
	struct stat st;

	CHECK_LACK();
	umask(077);
	dev = jail_dev(&s, NULL);
	ck_assert_int_ge(dev, 0);
	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		unit_row(want[i].name);
		ck_assert_int_eq(fdio_statat(dev, want[i].name, &st), 0);
		ck_assert_uint_eq(st.st_mode, want[i].mode);
		ck_assert_uint_eq(st.st_uid, 70000);
		if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode))
			ck_assert_uint_eq(st.st_rdev, makedev(want[i].major,
							      want[i].minor));
	}
	ck_assert_int_eq(fdio_statat(dev, "", &st), -ENOENT);
	ck_assert_int_eq(fdio_exists(dev, "ppp"), 0);
}
END_TEST

START_TEST(device_list)
{
	struct spec_device extra = { "disk", 'b', 7, 5, true, false };
	struct spec s = { .base = 0 };
	struct spec_device *list = NULL;

	ck_assert_int_eq(jail_devices(&s, &list), 0);
	ck_assert_ptr_nonnull(list);
	free(list);
	s.fuse = s.ppp = true;
	s.device = &extra;
	s.n_device = 1;
	ck_assert_int_eq(jail_devices(&s, &list), 3);
	ck_assert_str_eq(list[0].name, "fuse");
	ck_assert_uint_eq(list[0].minor, 229);
	ck_assert(list[0].write);
	ck_assert_str_eq(list[1].name, "ppp");
	ck_assert_str_eq(list[2].name, "disk");
	ck_assert(!list[2].write);
	free(list);
}
END_TEST

START_TEST(bad_device_names)
{
	static const char *const names[] = { "/dev/x", "../x",	  "a/../../x",
					     "a//b",   "a/",	  ".",
					     "pts/..", "stdin/x", "fd/9" };

	CHECK_LACK();
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct spec_device d = { .type = 'c', .major = 1, .minor = 3 };
		struct spec s = { .device = &d, .n_device = 1 };
		struct why why = { "" };

		unit_row(names[i]);
		snprintf(d.name, sizeof(d.name), "%s", names[i]);
		ck_assert_int_lt(jail_dev(&s, &why), 0);
		ck_assert_ptr_nonnull(strstr(why.text, "the device /dev/"));
	}
}
END_TEST

/* ---- nested -------------------------------------------------------------- */

static void write_map(const char *path)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (write(fd, "0 0 1\n", 6) != 6)
		_exit(9);
}

/* A container in the container: an errno. */
static int nest(void)
{
	int status;
	pid_t pid;

	if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID))
		return errno;
	write_map("/proc/self/uid_map");
	pid = fork();
	if (pid == 0)
		_exit(mount("proc", "/proc", "proc", 0, NULL) ? errno : 0);
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return errno;
	return WEXITSTATUS(status);
}

static void try_nested(struct jailed_out *out)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0)
		_exit(nest());
	waitpid(pid, &status, 0);
	jailed_say(out, "%s", strerror(WEXITSTATUS(status)));
}

START_TEST(nesting)
{
	struct jailed j;

	CHECK_LACK();
	make(&j, 0);
	jailed_run(&j, try_nested);
	check_entered(&j);
	ck_assert_str_eq(j.out, strerror(EPERM));
	j.s.nesting = true;
	jailed_run(&j, try_nested);
	check_entered(&j);
	ck_assert_str_eq(j.out, strerror(0));
	/* the host's root gets no whole one */
	make(&j, 1);
	j.s.nesting = true;
	jailed_run(&j, try_nested);
	check_entered(&j);
	ck_assert_str_eq(j.out, strerror(EPERM));
}
END_TEST

/* ---- what is run --------------------------------------------------------- */

static struct spec inits;

static void find_init(struct jailed_out *out)
{
	struct why why = { "" };
	char *const *argv = NULL;
	int r = jail_find_init(&inits, &argv, &why);

	jailed_say(out, "%d %s", r, r ? why.text : argv[0]);
}

static void check_init(struct jailed *j, const char *want)
{
	jailed_run(j, find_init);
	check_entered(j);
	ck_assert_msg(!strncmp(j->out, want, strlen(want)), "%s, not %s",
		      j->out, want);
}

START_TEST(init)
{
	char word[] = "job", path[] = "/bin/job", *argv[] = { word, NULL };
	struct jailed j;

	CHECK_LACK();
	make(&j, 0);
	check_init(&j, "-2 the container has no init: neither /sbin/init");
	ck_assert_int_eq(mkdirat(j.tree, "sbin", 0755), 0);
	ck_assert_int_eq(mkdirat(j.tree, "bin", 0755), 0);
	ck_assert_int_eq(mkdirat(j.tree, "sbin/init", 0755), 0);
	ck_assert_int_eq(symlinkat("init", j.tree, "bin/init"), 0);
	jailed_own(&j);
	check_init(&j, "-2 ");
	ck_assert_int_eq(mknodat(j.tree, "init", S_IFREG | 0755, 0), 0);
	jailed_own(&j);
	check_init(&j, "0 /init");
	inits.init = argv;
	check_init(&j, "-2 the container has no program job");
	ck_assert_int_eq(mknodat(j.tree, "bin/job", S_IFREG | 0644, 0), 0);
	jailed_own(&j);
	check_init(&j, "-2 ");
	ck_assert_int_eq(fchmodat(j.tree, "bin/job", 0755, 0), 0);
	check_init(&j, "0 job");
	argv[0] = path;
	check_init(&j, "0 /bin/job");
	inits.init = NULL;
}
END_TEST

START_TEST(environment)
{
	char *const *env = jail_environment(&inits);
	unsigned found = 0;

	for (; *env; env++)
		found += !strcmp(*env, "container=lxc") ||
			 !strcmp(*env, "TERM=linux") ||
			 !strncmp(*env, "PATH=/", 6) ||
			 !strcmp(*env, "HOME=/root");
	ck_assert_uint_eq(found, 4);
}
END_TEST

Suite *test_jail_suite(void)
{
	Suite *s = suite_create("jail");
	TCase *t = tcase_create("jail");

	tcase_add_test(t, is_whole);
	tcase_add_test(t, nothing_of_the_host);
	tcase_add_test(t, cgroups);
	tcase_add_test(t, leaves_nothing);
	tcase_add_test(t, hostile_roots);
	tcase_add_test(t, places_are_made);
	tcase_add_test(t, root_is_a_directory);
	tcase_add_test(t, no_device_of_the_tree);
	tcase_add_test(t, devices);
	tcase_add_test(t, device_list);
	tcase_add_test(t, bad_device_names);
	tcase_add_test(t, nesting);
	tcase_add_test(t, init);
	tcase_add_test(t, environment);
	suite_add_tcase(s, t);
	return s;
}
