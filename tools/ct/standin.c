/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/ct/standin.h"

#include <stdbool.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "fs/base/cleanup.h"

pid_t *standin_begin(void)
{
	sigset_t all;
	void *page;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	/* Neither a terminal nor who signals our maker's group means us. */
	setsid();
	prctl(PR_SET_NAME, "vefs-standin");
	page = mmap(NULL, sizeof(pid_t), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return page == MAP_FAILED ? NULL : page;
}

_Noreturn static void end_as(int status)
{
	sigset_t one;
	int sig;

	if (WIFEXITED(status))
		_exit(WEXITSTATUS(status));
	sig = WTERMSIG(status);
	prctl(PR_SET_DUMPABLE, 0);
	signal(sig, SIG_DFL);
	sigemptyset(&one);
	sigaddset(&one, sig);
	sigprocmask(SIG_UNBLOCK, &one, NULL);
	kill(getpid(), sig);
	_exit(128 + sig);
}

/* Not waited for yet: its number is its own. */
static void hand_on(pid_t pid, int sig)
{
	if (sig == STANDIN_KILL)
		sig = SIGKILL;
	if (kill(-pid, sig) < 0)
		kill(pid, sig);
}

/* False: there are no more children. */
static bool reap(pid_t of, bool *ended, int *status)
{
	int how;
	pid_t pid;

	while ((pid = waitpid(-1, &how, WNOHANG)) > 0) {
		if (pid != of)
			continue;
		*ended = true;
		*status = how;
	}
	return pid == 0;
}

_Noreturn void standin_run(const volatile pid_t *of)
{
	static const int heard[] = { SIGCHLD, SIGHUP,  SIGINT,
				     SIGQUIT, SIGTERM, STANDIN_KILL };
	bool ended = false;
	int status = W_EXITCODE(1, 0);
	sigset_t set;

	sigemptyset(&set);
	for (unsigned i = 0; i < ARRAY_SIZE(heard); i++)
		sigaddset(&set, heard[i]);
	close_range(0, ~0u, 0);
	if (chdir("/") < 0)
		_exit(1);
	while (reap(*of, &ended, &status)) {
		int sig = sigwaitinfo(&set, NULL);

		if (sig > 0 && sig != SIGCHLD && *of && !ended)
			hand_on(*of, sig);
	}
	end_as(status);
}
