/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/base/forkshare.h"

#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

pid_t forkshare(void)
{
	struct clone_args args = { .flags = CLONE_FILES,
				   .exit_signal = SIGCHLD };
	int *tid = NULL;

	/* The C library's idea of its thread id, which the child inherits. */
	if (prctl(PR_GET_TID_ADDRESS, &tid) == 0 && tid) {
		args.flags |= CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID;
		args.child_tid = (uintptr_t)tid;
	}
	return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

void *forkshare_memory(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

void forkshare_free(void *memory, size_t size)
{
	if (memory)
		munmap(memory, size);
}
