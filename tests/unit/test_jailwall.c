/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tools/ct: jail's masks, capabilities and system calls */
#include "tests/unit/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fs/base/cleanup.h"
#include "tests/unit/jailed.h"
#include "tools/ct/jail.h"

#define BIT(cap) (UINT64_C(1) << (cap))

/* ---- masks --------------------------------------------------------------- */

enum kind { USERNS, HOSTROOT, HOSTROOT_NET, KINDS };

/*
 * What is found there, for each kind: (n)ull, an (e)mpty directory, (d)enied
 * when opened for writing, (w)ritable. What the kernel does not have is
 * nowhere.
 */
static const struct {
	const char *path, *want;
} masks[] = {
	{ "/proc/kcore", "nnn" },
	{ "/proc/keys", "nnn" },
	{ "/proc/timer_list", "nnn" },
	{ "/proc/sched_debug", "nnn" },
	{ "/proc/vmallocinfo", "?nn" },
	{ "/proc/kpageflags", "dnn" },
	{ "/proc/acpi", "eee" },
	{ "/proc/scsi", "eee" },
	{ "/proc/kmsg", "ddd" },
	{ "/proc/sysrq-trigger", "ddd" },
	{ "/proc/irq/default_smp_affinity", "ddd" },
	{ "/proc/mtrr", "ddd" },
	{ "/proc/sys/fs/file-max", "ddd" },
	{ "/proc/sys/kernel/core_pattern", "ddd" },
	{ "/proc/sys/kernel/modprobe", "ddd" },
	{ "/proc/sys/kernel/panic", "ddd" },
	{ "/proc/sys/kernel/randomize_va_space", "ddd" },
	{ "/proc/sys/kernel/sysrq", "ddd" },
	{ "/proc/sys/vm/overcommit_memory", "ddd" },
	{ "/proc/sys/vm/drop_caches", "ddd" },
	/* its own namespaces' */
	{ "/proc/sys/kernel/hostname", "dww" },
	{ "/proc/sys/kernel/domainname", "dww" },
	{ "/proc/sys/fs/mqueue/msg_max", "?ww" },
	{ "/proc/sys/kernel/shmmax", "?ww" },
	{ "/proc/sys/kernel/sem", "?ww" },
	{ "/proc/sys/net/ipv4/ip_forward", "wwd" },
	{ "/proc/sys/net/core/somaxconn", "?wd" },
	{ "/proc/self/oom_score_adj", "www" },
	{ "/proc/1/comm", "www" },
	{ "/sys/firmware", "eee" },
	{ "/sys/fs/bpf", "eee" },
	{ "/sys/kernel/debug", "eee" },
	{ "/sys/kernel/security", "eee" },
	{ "/sys/kernel/mm/ksm/run", "ddd" },
	{ "/sys/kernel/uevent_helper", "ddd" },
	{ "/sys/power/state", "ddd" },
	{ "/sys/class/net/lo/ifalias", "ddd" },
};

static char look(const char *path)
{
	_cleanup_close_ int fd = -1;
	_cleanup_closedir_ DIR *dir = NULL;
	char sub[64];
	struct stat st;
	int n = 0;

	if (stat(path, &st))
		return '-';
	if (S_ISCHR(st.st_mode))
		return st.st_rdev == makedev(1, 3) ? 'n' : '?';
	if (S_ISDIR(st.st_mode)) {
		dir = opendir(path);
		while (dir && readdir(dir))
			n++;
		snprintf(sub, sizeof(sub), "%s/x", path);
		return dir && n == 2 && mkdir(sub, 0700) ? 'e' : 'f';
	}
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd >= 0)
		return 'w';
	return errno == EROFS || errno == EACCES || errno == EPERM ? 'd' : '!';
}

static void look_at_masks(struct jailed_out *out)
{
	for (size_t i = 0; i < ARRAY_SIZE(masks); i++)
		jailed_say(out, "%c", look(masks[i].path));
}

static void make_kind(struct jailed *j, enum kind kind)
{
	static const char *const names[] = { "user namespace", "host's root",
					     "host's root and network" };

	unit_row(names[kind]);
	jailed_make(j, kind == USERNS ? 0x20000000 : 0,
		    kind == USERNS ? 65536 : 0);
	if (kind == HOSTROOT_NET)
		j->s.net.mode = SPEC_NET_HOST;
}

START_TEST(what_is_masked)
{
	if (jailed_lack()) {
		unit_skip(jailed_lack());
		return;
	}
	for (enum kind k = USERNS; k < KINDS; k++) {
		struct jailed j;

		make_kind(&j, k);
		jailed_run(&j, look_at_masks);
		ck_assert_str_eq(j.why.text, "");
		ck_assert_uint_eq(strlen(j.out), ARRAY_SIZE(masks));
		for (size_t i = 0; i < ARRAY_SIZE(masks); i++) {
			char want = masks[i].want[k];

			if (want == '?' || j.out[i] == '-')
				continue;
			ck_assert_msg(j.out[i] == want, "%s: %c, not %c",
				      masks[i].path, j.out[i], want);
		}
	}
}
END_TEST

/* Whoever is the host's root may not take them off again. */
static void take_off(struct jailed_out *out)
{
	static const char *const paths[] = { "/proc/kcore", "/proc/sys", "/sys",
					     "/proc/sysrq-trigger" };

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		jailed_say(out, "%d", umount2(paths[i], MNT_DETACH));
		jailed_say(out, "%d ",
			   mount(NULL, paths[i], NULL, MS_REMOUNT | MS_BIND,
				 NULL));
	}
	jailed_say(out, "%d", mount("proc", "/proc", "proc", 0, NULL));
}

START_TEST(masks_stay)
{
	struct jailed j;

	if (jailed_lack()) {
		unit_skip(jailed_lack());
		return;
	}
	make_kind(&j, HOSTROOT);
	jailed_run(&j, take_off);
	ck_assert_str_eq(j.why.text, "");
	ck_assert_str_eq(j.out, "-1-1 -1-1 -1-1 -1-1 -1");
}
END_TEST

/* ---- capabilities -------------------------------------------------------- */

static void say_line(struct jailed_out *out, const char *key)
{
	FILE *f = fopen("/proc/self/status", "re");
	char line[256];

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, key, strlen(key)))
			jailed_say(out, "%s", line);
	if (f)
		fclose(f);
}

static void look_at_caps(struct jailed_out *out)
{
	static const char *const keys[] = { "CapInh:", "CapPrm:", "CapEff:",
					    "CapBnd:", "CapAmb:", "NoNewPrivs:",
					    "Seccomp:" };

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		say_line(out, keys[i]);
}

/* All that the kernel knows. */
static uint64_t known_caps(void)
{
	FILE *f = fopen("/proc/sys/kernel/cap_last_cap", "re");
	unsigned last = 0;

	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(fscanf(f, "%u", &last), 1);
	fclose(f);
	return BIT(last) | (BIT(last) - 1);
}

static void check_caps(struct jailed *j, uint64_t want)
{
	char text[512];

	want &= known_caps();
	snprintf(text, sizeof(text),
		 "CapInh:\t%016x\nCapPrm:\t%016llx\nCapEff:\t%016llx\n"
		 "CapBnd:\t%016llx\nCapAmb:\t%016x\nNoNewPrivs:\t0\n"
		 "Seccomp:\t2\n",
		 0, (unsigned long long)want, (unsigned long long)want,
		 (unsigned long long)want, 0);
	jailed_run(j, look_at_caps);
	ck_assert_str_eq(j->why.text, "");
	ck_assert_str_eq(j->out, text);
}

START_TEST(caps)
{
	static const uint64_t never = BIT(CAP_SYS_MODULE) | BIT(CAP_SYS_RAWIO) |
				      BIT(CAP_SYS_TIME) | BIT(CAP_MAC_ADMIN) |
				      BIT(CAP_SYSLOG) | BIT(CAP_BPF);
	static const uint64_t not_hostroot =
		BIT(CAP_SYS_ADMIN) | BIT(CAP_MKNOD) | BIT(CAP_SYS_PTRACE) |
		BIT(CAP_DAC_READ_SEARCH) | BIT(CAP_SYS_RESOURCE);
	struct jailed j;
	uint64_t usual;

	if (jailed_lack()) {
		unit_skip(jailed_lack());
		return;
	}
	for (enum kind k = USERNS; k < KINDS; k++) {
		make_kind(&j, k);
		usual = jail_usual_caps(&j.s);
		ck_assert_uint_eq(usual & never, 0);
		ck_assert_uint_eq(usual & not_hostroot,
				  k == USERNS ? not_hostroot : 0);
		ck_assert_int_eq(!(usual & BIT(CAP_NET_ADMIN)),
				 k == HOSTROOT_NET);
		check_caps(&j, usual);
		j.s.caps_add = BIT(CAP_SYS_TIME) | BIT(CAP_NET_RAW);
		j.s.caps_drop = BIT(CAP_CHOWN) | BIT(CAP_NET_RAW);
		check_caps(&j, (usual | BIT(CAP_SYS_TIME)) &
				       ~(BIT(CAP_CHOWN) | BIT(CAP_NET_RAW)));
		j.s.caps_add = 0;
		j.s.caps_drop = UINT64_MAX;
		check_caps(&j, 0);
	}
}
END_TEST

START_TEST(cap_names)
{
	static const struct {
		const char *word;
		int cap;
	} words[] = {
		{ "sys_time", CAP_SYS_TIME },
		{ "SYS_TIME", CAP_SYS_TIME },
		{ "CAP_SYS_TIME", CAP_SYS_TIME },
		{ "cap_chown", CAP_CHOWN },
		{ "checkpoint_restore", CAP_CHECKPOINT_RESTORE },
		{ "", -EINVAL },
		{ "cap_", -EINVAL },
		{ "cap_cap_chown", -EINVAL },
		{ "25", -EINVAL },
		{ "cap_25", -EINVAL },
		{ "sys_time,chown", -EINVAL },
		{ "sys_time ", -EINVAL },
		{ " sys_time", -EINVAL },
		{ "nothing", -EINVAL },
		{ "all", -EINVAL },
		{ "a_word_that_is_longer_than_any_capability_has_ever_been_or_is",
		  -EINVAL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		unit_row(words[i].word);
		ck_assert_int_eq(jail_parse_cap(words[i].word), words[i].cap);
	}
}
END_TEST

/* ---- system calls -------------------------------------------------------- */

#ifdef __x86_64__
#define NR(name, i386) SYS_##name, (i386)
#else
#define NR(name, i386) SYS_##name, -1
#endif

/* Calls that do nothing even where they are allowed. */
static const struct call {
	const char *name;
	long nr, nr32; /* -1: not there */
	long args[4];
	int err;	/* with the filter */
	bool any_other; /* any but that one */
} calls[] = {
	{ "kexec_load", NR(kexec_load, 283), { 0, 0, 0, 0xfff0 }, EPERM, false },
	{ "kexec_file_load",
	  NR(kexec_file_load, -1),
	  { -1, -1, 0, 0 },
	  EPERM,
	  false },
	{ "init_module", NR(init_module, 128), { 0, 0, 0, 0 }, EPERM, false },
	{ "finit_module", NR(finit_module, 350), { -1, 0, 0, 0 }, EPERM, false },
	{ "delete_module",
	  NR(delete_module, 129),
	  { 0, 0, 0, 0 },
	  EPERM,
	  false },
	{ "open_by_handle_at",
	  NR(open_by_handle_at, 342),
	  { -1, 0, 0, 0 },
	  EPERM,
	  false },
	{ "swapon", NR(swapon, 87), { 0, 0, 0, 0 }, EPERM, false },
	{ "swapoff", NR(swapoff, 115), { 0, 0, 0, 0 }, EPERM, false },
	{ "acct", NR(acct, 51), { 1, 0, 0, 0 }, EPERM, false },
	{ "bpf", NR(bpf, 357), { -1, 0, 0, 0 }, EPERM, false },
	{ "perf_event_open",
	  NR(perf_event_open, 336),
	  { 0, 0, 0, 0 },
	  EACCES,
	  false },
	{ "userfaultfd", NR(userfaultfd, 374), { -1, 0, 0, 0 }, EPERM, false },
	{ "add_key", NR(add_key, 286), { 0, 0, 0, 0 }, ENOSYS, false },
	{ "request_key", NR(request_key, 287), { 0, 0, 0, 0 }, ENOSYS, false },
	{ "keyctl", NR(keyctl, 288), { -1, 0, 0, 0 }, ENOSYS, false },
	{ "io_uring_setup", NR(io_uring_setup, 425), { 0 }, ENOSYS, false },
	{ "io_uring_enter", NR(io_uring_enter, 426), { -1 }, ENOSYS, false },
	{ "io_uring_register",
	  NR(io_uring_register, 427),
	  { -1, 0, 0, 0 },
	  ENOSYS,
	  false },
	{ "syslog", NR(syslog, 103), { -1, 0, 0, 0 }, EPERM, false },
	{ "TIOCSTI", NR(ioctl, 54), { -1, TIOCSTI, 0, 0 }, EPERM, false },
	{ "TIOCLINUX", NR(ioctl, 54), { -1, TIOCLINUX, 0, 0 }, EPERM, false },
	/* the upper half counts for nothing, CVE-2019-10063 */
	{ "TIOCSTI, long",
	  SYS_ioctl,
	  -1,
	  { -1, TIOCSTI | 1L << 32, 0, 0 },
	  EPERM,
	  false },
	{ "vsock", SYS_socket, -1, { AF_VSOCK, 15, 0, 0 }, EAFNOSUPPORT, false },
	{ "vsock, long",
	  SYS_socket,
	  -1,
	  { AF_VSOCK | 1L << 32, 15, 0, 0 },
	  EAFNOSUPPORT,
	  false },
	/* by the host's root: no user namespace, however it is asked for */
	{ "unshare NEWUSER",
	  NR(unshare, 310),
	  { CLONE_NEWUSER | 1 },
	  EPERM,
	  false },
	{ "clone NEWUSER",
	  NR(clone, 120),
	  { CLONE_NEWUSER | CLONE_FS },
	  EPERM,
	  false },
	{ "clone3", NR(clone3, 435), { 0, 0, 0, 0 }, ENOSYS, false },
#ifdef __x86_64__
	{ "iopl", NR(iopl, 110), { 4, 0, 0, 0 }, EPERM, false },
	{ "ioperm", NR(ioperm, 101), { -1, 1, 1, 0 }, EPERM, false },
	{ "x32 getpid", 0x40000000 + SYS_getpid, -1, { 0 }, ENOSYS, false },
	{ "x32 finit_module",
	  0x40000000 + SYS_finit_module,
	  -1,
	  { -1 },
	  ENOSYS,
	  false },
#endif
	/* and these are left to it */
	{ "mount", NR(mount, 21), { 0, 0, 0, 0 }, EPERM, true },
	{ "quotactl", NR(quotactl, 131), { -1, 0, 0, 0 }, EPERM, true },
	{ "reboot", NR(reboot, 88), { 0, 0, 0, 0 }, EPERM, true },
	{ "unshare", NR(unshare, 310), { 1, 0, 0, 0 }, EPERM, true },
	{ "TIOCGWINSZ", NR(ioctl, 54), { -1, TIOCGWINSZ, 0, 0 }, EPERM, true },
	{ "socket", SYS_socket, -1, { AF_UNIX, 15, 0, 0 }, EAFNOSUPPORT, true },
	{ "socketcall", -1, 102, { 1, 0, 0, 0 }, EAFNOSUPPORT, true },
};

/* An i386 call from here; what does not fit in 32 bits is lost. */
static int call32(long nr, const long *args)
{
#ifdef __x86_64__
	long r = nr;

	__asm__ volatile("int $0x80"
			 : "+a"(r)
			 : "b"(args[0]), "c"(args[1]), "d"(args[2]),
			   "S"(args[3])
			 : "memory", "r8", "r9", "r10", "r11");
	return r < 0 && r > -4096 ? (int)-r : 0;
#else
	(void)nr;
	(void)args;
	return ENOSYS;
#endif
}

static int call64(long nr, const long *args)
{
	errno = 0;
	syscall(nr, args[0], args[1], args[2], args[3]);
	return errno;
}

/* Does this kernel have i386's calls? */
static bool has_32(void)
{
	static const long none[4];
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(call32(20, none) ? 1 : 0); /* getpid */
	return pid > 0 && waitpid(pid, &status, 0) == pid && !status;
}

/*
 * With the filter alone, all of root's rights left: what is refused is refused
 * by the filter. [0] native, [1] 32-bit.
 */
static void call_all(const struct spec *s, int (*got)[2], bool with_32)
{
	pid_t pid = fork();
	int status;

	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		if (jail_filter(s, NULL) < 0)
			_exit(1);
		for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
			const struct call *c = &calls[i];

			if (c->nr >= 0)
				got[i][0] = call64(c->nr, c->args);
			if (c->nr32 >= 0 && with_32)
				got[i][1] = call32(c->nr32, c->args);
		}
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}

static void check_call(const struct call *c, int got, bool bits32)
{
	unit_row(c->name);
	ck_assert_msg((got == c->err) != c->any_other, "%s%s: %s", c->name,
		      bits32 ? " of i386" : "", strerror(got));
}

START_TEST(filter)
{
	int(*got)[2] = mmap(NULL, sizeof(int[ARRAY_SIZE(calls)][2]),
			    PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			    -1, 0);
	struct spec s = { .base = 0 };
	bool with_32 = has_32();

	if (geteuid() != 0) {
		unit_skip("needs root");
		return;
	}
	call_all(&s, got, with_32);
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		if (calls[i].nr >= 0)
			check_call(&calls[i], got[i][0], false);
		if (calls[i].nr32 >= 0 && with_32)
			check_call(&calls[i], got[i][1], true);
	}
	if (!with_32)
		unit_skip("no i386 system calls");
}
END_TEST

/* A capability or feature that is given by name takes its calls with it. */
START_TEST(filter_lifted)
{
	int(*got)[2] = mmap(NULL, sizeof(int[ARRAY_SIZE(calls)][2]),
			    PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			    -1, 0);
	struct spec s = { .caps_add = BIT(CAP_SYS_MODULE) | BIT(CAP_BPF),
			  .caps_drop = BIT(CAP_BPF),
			  .io_uring = true };
	/* a kernel without says the same */
	bool uring = syscall(SYS_io_uring_setup, 0, NULL) < 0 &&
		     errno != ENOSYS;

	if (geteuid() != 0) {
		unit_skip("needs root");
		return;
	}
	call_all(&s, got, false);
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		bool lifted = (strstr(calls[i].name, "_module") ||
			       (uring && strstr(calls[i].name, "io_uring"))) &&
			      calls[i].nr < 0x40000000;

		if (calls[i].nr < 0 || calls[i].any_other)
			continue;
		unit_row(calls[i].name);
		ck_assert_int_eq(got[i][0] != calls[i].err, lifted);
	}
}
END_TEST

Suite *test_jailwall_suite(void)
{
	Suite *s = suite_create("jailwall");
	TCase *t = tcase_create("jailwall");

	tcase_add_test(t, what_is_masked);
	tcase_add_test(t, masks_stay);
	tcase_add_test(t, caps);
	tcase_add_test(t, cap_names);
	tcase_add_test(t, filter);
	tcase_add_test(t, filter_lifted);
	suite_add_tcase(s, t);
	return s;
}
