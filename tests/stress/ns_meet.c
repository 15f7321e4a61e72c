/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What several processes do in one directory. No process knows what the
 * others do, but much can never be.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/stress/ns.h"

/* A result must be 0 or one of these. */
static void allow(const struct ns_proc *p, int r, const char *what, int a,
		  int b)
{
	if (r < 0 && errno != a && errno != b)
		ns_fail(p, "shared: %s: %s", what, strerror(errno));
}

static void slot(struct ns_proc *p, char name[16])
{
	snprintf(name, 16, "s%u", ns_random(p, NS_SLOTS));
}

static void fight(struct ns_proc *p, int dir)
{
	char a[16], b[16];
	int fd;

	slot(p, a);
	slot(p, b);
	switch (ns_random(p, 6)) {
	case 0:
		fd = openat(dir, a, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC,
			    0644);
		allow(p, fd, "create", EEXIST, 0);
		if (fd >= 0) {
			if (write(fd, "whole", 5) != 5)
				ns_fail(p, "shared: write: %s",
					strerror(errno));
			close(fd);
		}
		break;
	case 1:
		allow(p, unlinkat(dir, a, 0), "unlink", ENOENT, EISDIR);
		break;
	case 2:
		if (strcmp(a, b) != 0)
			allow(p, renameat(dir, a, dir, b), "rename", ENOENT,
			      EISDIR);
		break;
	case 3:
		allow(p, linkat(dir, a, dir, b, 0), "link", ENOENT, EEXIST);
		break;
	case 4:
		fd = openat(dir, a, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		allow(p, fd, "open", ENOENT, 0);
		if (fd >= 0) {
			char text[8] = "";

			/* Written a moment after it was made. */
			if (read(fd, text, 8) > 0 && strcmp(text, "whole") != 0)
				ns_fail(p, "shared: %s holds '%s'", a, text);
			close(fd);
		}
		break;
	default:
		allow(p,
		      renameat2(dir, a, dir, b,
				ns_random(p, 2) ? RENAME_NOREPLACE
						: RENAME_EXCHANGE),
		      "renameat2", ENOENT, EEXIST);
	}
}

/* A lock that is a name: whoever makes it is alone. */
static void count(struct ns_proc *p, struct ns_shared *s, int dir)
{
	char text[16] = "";
	unsigned long value;
	int lock = openat(dir, "lock", O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC,
			  0600);
	int fd, n;

	allow(p, lock, "lock", EEXIST, 0);
	if (lock < 0)
		return;
	close(lock);
	fd = openat(dir, "counter", O_RDWR | O_CLOEXEC);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
		ns_fail(p, "shared/counter: %s", strerror(errno));
	value = strtoul(text, NULL, 10);
	if (value != s->counter)
		ns_fail(p, "shared/counter is %lu, not %u", value, s->counter);
	n = snprintf(text, sizeof(text), "%lu", value + 1);
	if (pwrite(fd, text, (size_t)n, 0) != n)
		ns_fail(p, "shared/counter: %s", strerror(errno));
	close(fd);
	s->counter++;
	if (unlinkat(dir, "lock", 0))
		ns_fail(p, "shared/lock: %s", strerror(errno));
}

static void append(struct ns_proc *p, struct ns_shared *s, int dir)
{
	char line[NS_LINE + 1];
	int fd = openat(dir, "log", O_WRONLY | O_APPEND | O_CLOEXEC);

	snprintf(line, sizeof(line), "%2u %11u\n", p->self, p->ops % 1000000);
	line[NS_LINE - 1] = '\n';
	if (fd < 0 || write(fd, line, NS_LINE) != NS_LINE)
		ns_fail(p, "shared/log: %s", strerror(errno));
	close(fd);
	s->appended++;
}

/* No name twice, and none that nobody ever made. */
static void list(struct ns_proc *p, int dir)
{
	char seen[512][NS_NAME];
	unsigned n = 0;
	struct dirent *e;
	DIR *d =
		fdopendir(openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));

	if (!d)
		ns_fail(p, "shared: %s", strerror(errno));
	while ((e = readdir(d)) != NULL) {
		struct stat st;

		if (strlen(e->d_name) >= NS_NAME || n == 512)
			ns_fail(p, "shared: '%s' is listed", e->d_name);
		for (unsigned k = 0; k < n; k++) {
			/* What was renamed meanwhile may come twice. */
			if (e->d_name[0] != 's' &&
			    strcmp(e->d_name, "lock") != 0 &&
			    strcmp(seen[k], e->d_name) == 0)
				ns_fail(p, "shared: '%s' is listed twice",
					e->d_name);
		}
		memcpy(seen[n++], e->d_name, strlen(e->d_name) + 1);
		allow(p, fstatat(dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW),
		      "stat of a listed name", ENOENT, 0);
	}
	closedir(d);
	for (unsigned k = 0; k < NS_TOGETHER; k++) {
		char name[16];
		unsigned found = 0;

		snprintf(name, sizeof(name), "t%u", k);
		for (unsigned j = 0; j < n; j++)
			found += strcmp(seen[j], name) == 0;
		if (found != 1)
			ns_fail(p, "shared: '%s' is listed %u times", name,
				found);
	}
}

static void never(const struct ns_proc *p, int dir)
{
	struct stat st;

	if (!fstatat(dir, "never", &st, 0) || errno != ENOENT)
		ns_fail(p, "shared/never: %s", strerror(errno));
	if (unlinkat(dir, "gone", 0) && errno != ENOENT)
		ns_fail(p, "shared/gone: %s", strerror(errno));
	if (!fstatat(dir, "gone", &st, 0) || errno != ENOENT)
		ns_fail(p, "shared/gone is back");
}

/* Each writes its byte into the same files in the same order. */
static void together(struct ns_proc *p, struct ns_shared *s, int dir)
{
	char name[16], byte = (char)('A' + p->self);

	for (unsigned n = 0; n < NS_TOGETHER; n++) {
		int fd;

		if (s->written[n] & (1u << p->self))
			continue;
		snprintf(name, sizeof(name), "t%u", n);
		fd = openat(dir, name, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			ns_fail(p, "shared/%s: open: %s", name,
				strerror(errno));
		if (pwrite(fd, &byte, 1, (off_t)p->self) != 1)
			ns_fail(p, "shared/%s: write: %s", name,
				strerror(errno));
		close(fd);
		atomic_fetch_or(&s->written[n], 1u << p->self);
		ns_check_together(p, s, dir, n);
		if (n % 4 == 3)
			return; /* the others catch up */
	}
}

void ns_check_together(struct ns_proc *p, const struct ns_shared *s, int dir,
		       unsigned n)
{
	uint32_t sure = s->written[n];
	char name[16], text[NS_PROCS + 1] = "";
	int fd;

	snprintf(name, sizeof(name), "t%u", n);
	fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, text, NS_PROCS + 1) != NS_PROCS)
		ns_fail(p, "shared/%s: '%s', %s", name, text, strerror(errno));
	close(fd);
	for (unsigned k = 0; k < NS_PROCS; k++) {
		if ((sure & (1u << k)) && text[k] != (char)('A' + k))
			ns_fail(p, "shared/%s is '%s', process %u's is lost",
				name, text, k);
	}
}

void ns_meet_begin(struct ns_shared *s)
{
	s->arrived = 0;
}

void ns_meet(struct ns_proc *p, struct ns_shared *s, int dir)
{
	/* All at once, for the first time. */
	if (!(s->written[0] & (1u << p->self))) {
		s->arrived++;
		for (int n = 0; n < 5000 && s->arrived < NS_PROCS; n++)
			usleep(200);
	}
	together(p, s, dir);
	switch (ns_random(p, 8)) {
	case 0:
		count(p, s, dir);
		break;
	case 1:
		append(p, s, dir);
		break;
	case 2:
		list(p, dir);
		break;
	case 3:
		never(p, dir);
		break;
	default:
		fight(p, dir);
	}
}
