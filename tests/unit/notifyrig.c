/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/notifyrig.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "quota/command.h"
#include "tests/unit/unit.h"

struct notifyrig_shared *notifyrig;
struct notify *notifyrig_notify;
struct notify_config notifyrig_config;

const struct notifyabi_sysinfo notifyrig_sysinfo = {
	.uptime = 12345,
	.load = { 65536, 2 * 65536, 98304 },
	.total_ram = 512ull << 20,
	.free_ram = 100ull << 20,
	.shared_ram = 3ull << 20,
	.buffer_ram = 4ull << 20,
	.total_swap = 64ull << 20,
	.free_swap = 63ull << 20,
	.procs = 42,
};

static struct ledger *ledger;

static int64_t at_noon(void)
{
	return 1000000;
}

/* In the supervisor. */

static void *take_ledger(void *ctx)
{
	int fd = dup(ledger_fd(ctx));

	atomic_fetch_add(&notifyrig->begun, 1);
	return ledger_new(fd, at_noon);
}

static int run_command(void *self, const char *request, char *answer,
		       size_t len)
{
	const struct command_ctx c = { .ledger = self };
	const struct timespec pause = { .tv_nsec = 1000000 };
	char *text = NULL;
	size_t n = 0;
	FILE *f;
	int r;

	atomic_fetch_add(&notifyrig->asked, 1);
	if (atomic_load(&notifyrig->deadly))
		raise(SIGKILL);
	while (atomic_load(&notifyrig->shut))
		nanosleep(&pause, NULL);
	f = open_memstream(&text, &n);
	r = command_run(&c, request, f);
	fclose(f);
	if (r == 0)
		snprintf(answer, len, "%s", text + 3);
	free(text);
	atomic_fetch_add(&notifyrig->answered, 1);
	return r;
}

static int tell_sysinfo(void *self, struct notifyabi_sysinfo *out)
{
	int r = atomic_load(&notifyrig->sysinfo_fails);

	(void)self;
	if (r == 0)
		*out = notifyrig_sysinfo;
	return r;
}

static unsigned tell_cpus(void *self)
{
	(void)self;
	return atomic_load(&notifyrig->cpus);
}

/* In the test. */

static int probe(void *arg)
{
	int fd = notify_install(NOTIFY_SYSINFO, NULL);

	(void)arg;
	_exit(fd < 0 ? -fd : 0);
}

const char *notifyrig_set_up(void)
{
	int status = 0;
	struct stat st;
	pid_t pid;

	if (geteuid() != 0)
		return "needs root";
	pid = fork();
	if (pid == 0)
		probe(NULL);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	if (status != 0) {
		static char why[128];

		snprintf(why, sizeof(why), "no seccomp listener: %s",
			 strerror(WEXITSTATUS(status)));
		return why;
	}
	notifyrig = mmap(NULL, sizeof(*notifyrig), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_ptr_ne(notifyrig, MAP_FAILED);
	ledger = ledger_new(-1, at_noon);
	ck_assert_ptr_nonnull(ledger);
	ck_assert_int_eq(stat("/tmp", &st), 0);
	notifyrig_config = (struct notify_config){
		.ops = { take_ledger, run_command, tell_sysinfo, tell_cpus },
		.ctx = ledger,
		.dev = st.st_dev,
		.dev_name = NOTIFYRIG_DEVICE,
		.admin_caps = 1ull << 21,
		.keep = { ledger_fd(ledger) },
		.n_keep = 1,
	};
	ck_assert_int_eq(notify_userns(getpid(), &notifyrig_config.userns), 0);
	ck_assert_int_eq(notify_new(&notifyrig_notify, NULL), 0);
	return NULL;
}

void notifyrig_begin(void)
{
	ck_assert_int_eq(notify_begin(notifyrig_notify, &notifyrig_config), 0);
}

void notifyrig_end(void)
{
	notify_free(notifyrig_notify);
	notifyrig_notify = NULL;
	ledger_free(ledger);
	munmap(notifyrig, sizeof(*notifyrig));
}

pid_t notifyrig_child(int (*fn)(void *arg), void *arg)
{
	pid_t pid = fork();
	int fd;

	ck_assert_int_ge(pid, 0);
	if (pid > 0)
		return pid;
	fd = notify_install(NOTIFY_QUOTA | NOTIFY_SYSINFO | NOTIFY_AFFINITY,
			    NULL);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(notify_send(notify_sender(notifyrig_notify), fd), 0);
	close(fd);
	_exit(fn(arg));
}

int notifyrig_wait(pid_t pid)
{
	struct pollfd p[2] = {
		{ .fd = notify_fd(notifyrig_notify), .events = POLLIN },
		{ .fd = (int)syscall(SYS_pidfd_open, pid, 0),
		  .events = POLLIN },
	};
	int status;

	ck_assert_int_ge(p[1].fd, 0);
	do {
		ck_assert_int_ge(poll(p, 2, 240000), 1);
		if (p[0].revents)
			notify_serve(notifyrig_notify);
	} while (!p[1].revents);
	close(p[1].fd);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

void notifyrig_run(int (*fn)(void *arg), void *arg)
{
	ck_assert_int_eq(notifyrig_wait(notifyrig_child(fn, arg)), 0);
}

void notifyrig_until(bool (*fn)(void *arg), void *arg)
{
	struct pollfd p = { .fd = notify_fd(notifyrig_notify),
			    .events = POLLIN };

	for (unsigned i = 0; i < 20000 && !fn(arg); i++)
		if (poll(&p, 1, 1) > 0)
			notify_serve(notifyrig_notify);
	ck_assert_msg(fn(arg), "it did not come true");
}

/* In a child. */

static bool is_rigged(const struct sysinfo *s)
{
	const struct notifyabi_sysinfo *want = &notifyrig_sysinfo;

	return s->uptime == want->uptime && s->loads[0] == want->load[0] &&
	       s->loads[1] == want->load[1] && s->loads[2] == want->load[2] &&
	       s->totalram == want->total_ram && s->freeram == want->free_ram &&
	       s->sharedram == want->shared_ram &&
	       s->bufferram == want->buffer_ram &&
	       s->totalswap == want->total_swap &&
	       s->freeswap == want->free_swap && s->procs == want->procs &&
	       s->totalhigh == 0 && s->freehigh == 0 && s->mem_unit == 1;
}

bool notifyrig_sysinfo_is_right(void)
{
	struct sysinfo s;

	memset(&s, 0xff, sizeof(s));
	return sysinfo(&s) == 0 && is_rigged(&s);
}

int notifyrig_ask(void *arg)
{
	struct if_dqinfo info;

	(void)arg;
	return notifyrig_quotactl(Q_GETINFO, 0, 0, &info) != 0;
}

bool notifyrig_was_asked(void *arg)
{
	return atomic_load(&notifyrig->asked) >= *(unsigned *)arg;
}

int notifyrig_quotactl(int cmd, int type, uint32_t id, void *at)
{
	long r = syscall(SYS_quotactl, NOTIFYRIG_CMD(cmd, type),
			 NOTIFYRIG_DEVICE, id, at);

	return r < 0 ? -errno : (int)r;
}

int notifyrig_quotactl_fd(int fd, int cmd, int type, uint32_t id, void *at)
{
	long r = syscall(SYS_quotactl_fd, fd, NOTIFYRIG_CMD(cmd, type), id, at);

	return r < 0 ? -errno : (int)r;
}

#ifdef __x86_64__
long notifyrig_call32(long nr, long a, long b, long c, long d)
{
	long r;

	__asm__ volatile("int $0x80"
			 : "=a"(r)
			 : "a"(nr), "b"(a), "c"(b), "d"(c), "S"(d)
			 : "memory", "r8", "r9", "r10", "r11");
	return (int)r;
}

bool notifyrig_has_32(void)
{
	pid_t pid = fork();
	int status = 1;

	if (pid == 0)
		_exit(notifyrig_call32(20, 0, 0, 0, 0) != getpid());
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return status == 0;
}

void *notifyrig_low(size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);

	ck_assert_ptr_ne(p, MAP_FAILED);
	return p;
}
#else
long notifyrig_call32(long nr, long a, long b, long c, long d)
{
	(void)nr, (void)a, (void)b, (void)c, (void)d;
	return -ENOSYS;
}

bool notifyrig_has_32(void)
{
	return false;
}

void *notifyrig_low(size_t len)
{
	return calloc(1, len);
}
#endif
