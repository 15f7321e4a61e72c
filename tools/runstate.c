/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/runstate.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "fs/base/cleanup.h"
#include "fs/base/digest.h"
#include "fs/base/fdio.h"
#include "fs/base/parse.h"
#include "tools/conf.h"

#define STORE "/var/lib/vefs"
#define BOOT "/proc/sys/kernel/random/boot_id"

/* What the file has, as numbers. */
enum {
	INIT,
	BORN,
	MONITOR,
	MONITOR_BORN,
	STARTED,
	BASE,
	COUNT,
	/* of struct runstate_start */
	NET_MODE,
	CAPS_ADD,
	CAPS_DROP,
	FEATURES,
	NUMBERS
};
static const char *const keys[NUMBERS] = {
	"INIT",	 "INIT_BORN", "MONITOR",  "MONITOR_BORN", "STARTED",  "BASE",
	"COUNT", "NET_MODE",  "CAPS_ADD", "CAPS_DROP",	  "FEATURES",
};

/* The bits of FEATURES; they are in files of containers that run. */
static const size_t features[] = {
	offsetof(struct spec, fuse),	 offsetof(struct spec, tun),
	offsetof(struct spec, nesting),	 offsetof(struct spec, ppp),
	offsetof(struct spec, sysinfo),	 offsetof(struct spec, quotactl),
	offsetof(struct spec, affinity), offsetof(struct spec, writable_sys),
	offsetof(struct spec, io_uring),
};

static void read_boot(char boot[64])
{
	_cleanup_close_ int fd = open(BOOT, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, boot, 63);

	boot[n > 0 ? n : 0] = '\0';
	boot[strcspn(boot, "\n")] = '\0';
}

/* When a process began, in the kernel's ticks; 0: there is none. */
static uint64_t born(pid_t pid)
{
	char path[64], text[1024];
	_cleanup_close_ int fd = -1;
	unsigned long long ticks;
	char *p, state;
	ssize_t n;

	if (pid <= 0)
		return 0;
	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	/* Its name may have any bytes, parentheses too. */
	p = strrchr(text, ')');
	if (!p ||
	    sscanf(p + 1,
		   " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d "
		   "%*d %*d %*d %*d %*d %llu",
		   &state, &ticks) != 2)
		return 0;
	return state == 'Z' || state == 'X' ? 0 : ticks;
}

static bool take(const struct conf *c, int key, uint64_t max, uint64_t *n)
{
	char text[32];

	return conf_get(c, keys[key], text, sizeof(text)) == 0 &&
	       parse_u64(text, max, n) == 0;
}

static uint64_t number(const struct conf *c, int key)
{
	uint64_t n = 0;

	take(c, key, UINT64_MAX, &n);
	return n;
}

/* All of it, or nothing. */
static struct runstate_start read_start(const struct conf *c)
{
	struct runstate_start s = { .noted = false };
	uint64_t mode = 0;

	s.noted = take(c, NET_MODE, SPEC_NET_HOST, &mode) &&
		  take(c, CAPS_ADD, UINT64_MAX, &s.caps_add) &&
		  take(c, CAPS_DROP, UINT64_MAX, &s.caps_drop) &&
		  take(c, FEATURES, UINT64_MAX, &s.features);
	s.mode = (enum spec_net_mode)mode;
	return s;
}

/* One that had ended when it was noted has no time of birth. */
static pid_t alive(const struct conf *c, int who, int since)
{
	uint64_t pid = number(c, who), then = number(c, since);

	return pid > 0 && pid < INT32_MAX && then && born((pid_t)pid) == then
		       ? (pid_t)pid
		       : 0;
}

int runstate_read(const struct container *one, struct runstate *out,
		  struct why *why)
{
	_cleanup_(conf_freep) struct conf *c = NULL;
	_cleanup_close_ int dir = fdio_openat(one->dir, RUNSTATE_FOLDER,
					      O_RDONLY | O_DIRECTORY, 0);
	struct runstate s = { .init = 0 };
	char then[64] = "", boot[64];
	int r = dir < 0 ? dir : conf_read(dir, RUNSTATE_FILE, &c);

	if (r == -ENOENT) {
		*out = s;
		return 0;
	}
	if (r < 0)
		return why_sys(why, r,
			       "container %s: " RUNSTATE_FOLDER
			       "/" RUNSTATE_FILE,
			       one->id);
	read_boot(boot);
	conf_get(c, "BOOT", then, sizeof(then));
	if (strcmp(boot, then) == 0) {
		s.init = alive(c, INIT, BORN);
		s.monitor = alive(c, MONITOR, MONITOR_BORN);
		s.lost = !s.init && number(c, INIT) != 0;
	}
	s.started = number(c, STARTED);
	s.base = (uint32_t)number(c, BASE);
	s.count = (uint32_t)number(c, COUNT);
	s.with = read_start(c);
	conf_get(c, "GROUP", s.group, sizeof(s.group));
	conf_get(c, "NET", s.net, sizeof(s.net));
	conf_get(c, "ENDED", s.ended, sizeof(s.ended));
	*out = s;
	return 0;
}

int runstate_write(const struct container *one, const struct runstate *s)
{
	_cleanup_(conf_freep) struct conf *c = conf_new();
	_cleanup_close_ int dir = -1;
	const uint64_t values[NUMBERS] = {
		[INIT] = (uint64_t)s->init,
		[BORN] = born(s->init),
		[MONITOR] = (uint64_t)s->monitor,
		[MONITOR_BORN] = born(s->monitor),
		[STARTED] = s->started,
		[BASE] = s->base,
		[COUNT] = s->count,
		[NET_MODE] = (uint64_t)s->with.mode,
		[CAPS_ADD] = s->with.caps_add,
		[CAPS_DROP] = s->with.caps_drop,
		[FEATURES] = s->with.features,
	};
	const int n = s->with.noted ? NUMBERS : NET_MODE;
	const char *const words[][2] = { { "GROUP", s->group },
					 { "NET", s->net },
					 { "ENDED", s->ended } };
	char text[64];
	int r = c ? 0 : -ENOMEM;

	read_boot(text);
	if (r == 0)
		r = conf_set(c, "BOOT", text);
	for (int i = 0; r == 0 && i < n; i++) {
		snprintf(text, sizeof(text), "%" PRIu64, values[i]);
		r = conf_set(c, keys[i], text);
	}
	for (unsigned i = 0; r == 0 && i < ARRAY_SIZE(words); i++)
		r = conf_set(c, words[i][0], words[i][1]);
	if (r < 0)
		return r;
	if (mkdirat(one->dir, RUNSTATE_FOLDER, 0700) < 0 && errno != EEXIST)
		return -errno;
	dir = fdio_openat(one->dir, RUNSTATE_FOLDER, O_RDONLY | O_DIRECTORY, 0);
	/* Another boot does not believe it. */
	return dir < 0 ? dir : conf_put(c, dir, RUNSTATE_FILE);
}

void runstate_note(struct runstate *run, const struct spec *s)
{
	run->base = s->base;
	run->count = s->count;
	run->with = (struct runstate_start){ .noted = true,
					     .mode = s->net.mode,
					     .caps_add = s->caps_add,
					     .caps_drop = s->caps_drop };
	for (unsigned i = 0; i < ARRAY_SIZE(features); i++)
		if (*(const bool *)((const char *)s + features[i]))
			run->with.features |= 1ull << i;
}

void runstate_recall(const struct runstate *run, struct spec *s)
{
	s->base = run->base;
	s->count = run->count;
	if (!run->with.noted)
		return;
	s->net.mode = run->with.mode;
	s->caps_add = run->with.caps_add;
	s->caps_drop = run->with.caps_drop;
	for (unsigned i = 0; i < ARRAY_SIZE(features); i++)
		*(bool *)((char *)s + features[i]) = run->with.features >> i &
						     1;
}

int runstate_pidfd(const struct container *one, const struct runstate *s)
{
	_cleanup_close_ int fd =
		s->init ? (int)syscall(SYS_pidfd_open, s->init, 0) : -1;
	struct runstate now = { .init = 0 };
	int r;

	if (!s->init)
		return -ESRCH;
	if (fd < 0)
		return -errno;
	/* Still that process, now that it cannot become another. */
	r = runstate_read(one, &now, NULL);
	if (r < 0)
		return r;
	return now.init == s->init ? TAKE_FD(fd) : -ESRCH;
}

void runstate_names(const char *store, const char *id, struct runstate *out)
{
	static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz";
	char key[PATH_MAX + 80], real[PATH_MAX];
	struct digest d;
	uint64_t n;
	bool plain;

	if (!realpath(store, real))
		snprintf(real, sizeof(real), "%s", store);
	plain = strcmp(real, STORE) == 0;
	snprintf(key, sizeof(key), "%s\n%s", real, id);
	digest_of(key, strlen(key), &d);
	memcpy(&n, d.bytes, sizeof(n));
	if (plain)
		snprintf(out->group, sizeof(out->group), "%s", id);
	else
		snprintf(out->group, sizeof(out->group), "%s-%08x", id,
			 (unsigned)(n & 0xffffffff));
	if (plain && id[0] >= '0' && id[0] <= '9') {
		snprintf(out->net, sizeof(out->net), "%s", id);
		return;
	}
	out->net[0] = 'x'; /* no number */
	for (unsigned i = 1; i < sizeof(out->net) - 1; i++, n /= 36)
		out->net[i] = digits[n % 36];
	out->net[sizeof(out->net) - 1] = '\0';
}
