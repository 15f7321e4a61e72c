/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/ct/jailfilter.h"

#include <errno.h>
#include <linux/capability.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "fs/base/cleanup.h"

#if defined(__x86_64__)
#define COMPAT_ARCH SCMP_ARCH_X86
#elif defined(__aarch64__)
#define COMPAT_ARCH SCMP_ARCH_ARM
#else
#define COMPAT_ARCH 0u
#endif

#define NO_CAP (-1)
#define FEATURE (-2) /* io_uring */

static void release(const scmp_filter_ctx *ctx)
{
	if (*ctx)
		seccomp_release(*ctx);
}
#define _cleanup_filter_ _cleanup_(release)

/*
 * What is refused, how, and the capability or feature that lifts it when it is
 * given to the container by name. Calls whose every bad use the kernel refuses
 * for lack of a capability (clocks, fanotify, reboot of the host) are not here,
 * nor are mount and quotactl, which are its own in its namespaces.
 *
 * The kernel's keys are not per container; programs go on where there are
 * none (ENOSYS), and do not where they are refused.
 *
 * What is asked for through an io_uring is seen by no filter, as the sockets
 * that are refused below, and whatever comes with the next kernel. Programs go
 * on without (ENOSYS).
 */
static const struct rule {
	const char *name;
	int err;
	int cap;
} rules[] = {
	{ "acct", EPERM, CAP_SYS_PACCT },
	{ "add_key", ENOSYS, NO_CAP },
	{ "bpf", EPERM, CAP_BPF },
	{ "create_module", EPERM, CAP_SYS_MODULE },
	{ "delete_module", EPERM, CAP_SYS_MODULE },
	{ "finit_module", EPERM, CAP_SYS_MODULE },
	{ "get_kernel_syms", EPERM, CAP_SYS_MODULE },
	{ "init_module", EPERM, CAP_SYS_MODULE },
	{ "io_uring_enter", ENOSYS, FEATURE },
	{ "io_uring_register", ENOSYS, FEATURE },
	{ "io_uring_setup", ENOSYS, FEATURE },
	{ "ioperm", EPERM, CAP_SYS_RAWIO },
	{ "iopl", EPERM, CAP_SYS_RAWIO },
	{ "kexec_file_load", EPERM, NO_CAP },
	{ "kexec_load", EPERM, NO_CAP },
	{ "keyctl", ENOSYS, NO_CAP },
	{ "lookup_dcookie", EPERM, NO_CAP },
	{ "nfsservctl", EPERM, NO_CAP },
	{ "open_by_handle_at", EPERM, CAP_DAC_READ_SEARCH },
	{ "perf_event_open", EACCES, CAP_PERFMON },
	{ "query_module", EPERM, CAP_SYS_MODULE },
	{ "request_key", ENOSYS, NO_CAP },
	{ "swapoff", EPERM, NO_CAP },
	{ "swapon", EPERM, NO_CAP },
	{ "syslog", EPERM, CAP_SYSLOG },
	{ "uselib", EPERM, NO_CAP },
	{ "userfaultfd", EPERM, CAP_SYS_PTRACE },
	{ "vm86", EPERM, NO_CAP },
	{ "vm86old", EPERM, NO_CAP },
};

/*
 * Typing into the terminal that one was entered from, by the command's low 32
 * bits, which are all that the kernel looks at.
 */
static const uint32_t bad_ioctls[] = { TIOCSTI, TIOCLINUX };

/*
 * The host's root may not make a user namespace: in it he would have every
 * capability back, and be the host's root to all files that are mounted there,
 * as those of control groups (CVE-2022-0492). clone3() hides its flags; where
 * there is none the C library takes clone().
 */
static int add_namespaces(scmp_filter_ctx ctx, const struct spec *s)
{
	const struct scmp_arg_cmp user =
		SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_NEWUSER, CLONE_NEWUSER);
	int r;

	if (s->count > 0 || (s->caps_add & ~s->caps_drop) >> CAP_SYS_ADMIN & 1)
		return 0;
	r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(unshare), 1,
			     user);
	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM),
				     SCMP_SYS(clone), 1, user);
	if (r == 0)
		r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS),
				     SCMP_SYS(clone3), 0);
	return r;
}

static bool is_lifted(const struct rule *rule, const struct spec *s)
{
	if (rule->cap == FEATURE)
		return s->io_uring;
	return rule->cap != NO_CAP &&
	       ((s->caps_add & ~s->caps_drop) >> rule->cap & 1);
}

static int add_calls(scmp_filter_ctx ctx, const struct spec *s)
{
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
		const struct rule *rule = &rules[i];
		int nr = seccomp_syscall_resolve_name(rule->name), r;

		if (nr == __NR_SCMP_ERROR) /* newer than the library */
			continue;
		if (is_lifted(rule, s))
			continue;
		r = seccomp_rule_add(ctx, SCMP_ACT_ERRNO((uint32_t)rule->err),
				     nr, 0);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad_ioctls); i++) {
		int r = seccomp_rule_add(
			ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(ioctl), 1,
			SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, bad_ioctls[i]));

		if (r < 0)
			return r;
	}
	return add_namespaces(ctx, s);
}

/*
 * Virtual machine sockets know no namespaces: the host's own services listen
 * there. Only where a filter sees the family: what i386's socketcall() asks
 * for it does not, and the library would then refuse every socket there.
 */
static int add_vsock(scmp_filter_ctx ctx)
{
	return seccomp_rule_add(
		ctx, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1,
		SCMP_A0(SCMP_CMP_MASKED_EQ, UINT32_MAX, AF_VSOCK));
}

/* An empty filter for `arch`, 0 being the native one. */
static int new_filter(scmp_filter_ctx *out, uint32_t arch)
{
	scmp_filter_ctx ctx _cleanup_filter_ = seccomp_init(SCMP_ACT_ALLOW);
	int r;

	if (!ctx)
		return -ENOMEM;
	/* x32, of which the kernel's own tables had holes, does not exist */
	r = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH,
			     SCMP_ACT_ERRNO(ENOSYS));
	if (r == 0)
		r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_NNP, 0);
	if (r == 0 && arch) {
		r = seccomp_arch_remove(ctx, SCMP_ARCH_NATIVE);
		if (r == 0)
			r = seccomp_arch_add(ctx, arch);
	}
	if (r == 0)
		*out = TAKE_PTR(ctx);
	return r;
}

/* The 32-bit calls that the machine has too, into `ctx`. */
static int add_compat(scmp_filter_ctx ctx, const struct spec *s)
{
	scmp_filter_ctx compat _cleanup_filter_ = NULL;
	int r;

	if (!COMPAT_ARCH)
		return 0;
	r = new_filter(&compat, COMPAT_ARCH);
	if (r == 0)
		r = add_calls(compat, s);
	if (r == 0)
		r = seccomp_merge(ctx, compat);
	if (r == 0)
		compat = NULL; /* ctx has it */
	return r;
}

int jailfilter_load(const struct spec *s, struct why *why)
{
	scmp_filter_ctx ctx _cleanup_filter_ = NULL;
	int r = new_filter(&ctx, 0);

	if (r == 0)
		r = add_calls(ctx, s);
	if (r == 0)
		r = add_vsock(ctx);
	if (r == 0)
		r = add_compat(ctx, s);
	/* a tree instead of a list: 2 */
	if (r == 0)
		r = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (r == 0)
		r = seccomp_load(ctx);
	if (r < 0)
		return why_sys(why, r, "cannot load the system call filter");
	return 0;
}
