/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/base/crash.h"

#include <stddef.h>

static const char *const names[CRASH_MAX] = {
#define CRASH_NAME(name) #name,
	CRASH_POINTS(CRASH_NAME)
#undef CRASH_NAME
};

const char *crash_name(enum crash_where where)
{
	return (unsigned)where < CRASH_MAX ? names[where] : NULL;
}

#ifdef VEFS_CRASH

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/base/cleanup.h"
#include "fs/base/log.h"

static struct crash_control *control;
static _Thread_local uint32_t operation;

static bool fits(const struct crash_control *c)
{
	return c->magic == CRASH_MAGIC && c->size == sizeof(*c) &&
	       c->points == CRASH_MAX;
}

void crash_setup(void)
{
	const char *path = getenv("VEFS_CRASH");
	_cleanup_close_ int fd = -1;
	struct stat st;
	void *map;

	if (!path)
		return;
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st)) {
		log_error("crash points: %s: %s", path, strerror(errno));
		return;
	}
	if (st.st_size != sizeof(*control)) {
		log_error("crash points: %s: another size", path);
		return;
	}
	map = mmap(NULL, sizeof(*control), PROT_READ | PROT_WRITE, MAP_SHARED,
		   fd, 0);
	if (map == MAP_FAILED) {
		log_error("crash points: %s: %s", path, strerror(errno));
		return;
	}
	if (!fits(map)) {
		log_error("crash points: %s: another version", path);
		munmap(map, sizeof(*control));
		return;
	}
	control = map;
}

void crash_operation(uint32_t opcode)
{
	operation = opcode < CRASH_OPCODES ? opcode : CRASH_OPCODES - 1;
}

static bool is_meant(uint64_t armed, enum crash_where where)
{
	uint32_t opcode = (uint32_t)(armed >> 16) & 0xffffu;

	return (armed & 0xffffu) == (uint64_t)where + 1 &&
	       (opcode == 0 ||
		opcode == (operation ? operation : CRASH_NO_OPCODE));
}

/* One hit less to let pass; true: none was left, and nobody else fires. */
static bool count_down(enum crash_where where)
{
	uint64_t armed = atomic_load(&control->armed), next;

	do {
		if (!is_meant(armed, where))
			return false;
		next = armed >> 32 ? armed - (1ull << 32) : 0;
	} while (!atomic_compare_exchange_weak(&control->armed, &armed, next));
	return next == 0;
}

void crash_here(enum crash_where where)
{
	if (!control)
		return;
	atomic_fetch_add_explicit(&control->hits[where][operation], 1,
				  memory_order_relaxed);
	if (!count_down(where))
		return;
	atomic_fetch_add(&control->deaths[where][operation], 1);
	atomic_fetch_add(&control->fired, 1);
	kill(getpid(), SIGKILL);
	for (;;)
		pause();
}

#endif
