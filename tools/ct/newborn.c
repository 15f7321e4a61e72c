/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/ct/newborn.h"

#include <grp.h>
#include <linux/close_range.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "fs/base/cleanup.h"
#include "tools/ct/notify.h"
#include "tools/ct/usual.h"

#define SIGNALS 64 /* that the kernel has */

void newborn_hide(void)
{
	prctl(PR_SET_DUMPABLE, 0);
	usual_newborn();
}

int newborn_root(const struct spec *s, struct why *why)
{
	if (setgroups(0, NULL) < 0 || setresgid(0, 0, 0) < 0 ||
	    setresuid(0, 0, 0) < 0)
		return why_sys(why, -errno, "becoming the container's root");
	/* Whoever becomes another can be looked at again. */
	prctl(PR_SET_DUMPABLE, 0);
	(void)s;
	return 0;
}

int newborn_listen(int sender, unsigned answered, struct why *why)
{
	_cleanup_close_ int listener = -1;
	struct why none = { "" };
	int r;

	if (sender < 0 || !answered)
		return 0;
	r = listener = notify_install(answered, &none);
	/* An old kernel; or one who made us is asked already. */
	if (r == -ENOSYS || r == -EINVAL || r == -EBUSY)
		return 0;
	if (r >= 0)
		r = notify_send(sender, listener);
	return r < 0 ? why_set(why, r, "%s",
			       none.text[0] ? none.text : "a listener")
		     : 0;
}

int newborn_strip(struct why *why)
{
	/*
	 * The kernel's struct, all zeros. By the C library those that are its
	 * own could not be set, which posix_spawn() leaves ignored.
	 */
	static const uint64_t by_default[4];
	sigset_t none;

	if (close_range(3, ~0u, CLOSE_RANGE_CLOEXEC) < 0)
		return why_sys(why, -errno, "closing what is the host's");
	for (int sig = 1; sig < NSIG; sig++)
		syscall(SYS_rt_sigaction, sig, by_default, NULL, SIGNALS / 8);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	return 0;
}
