/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * On a host with thousands of mounts it is mountinfo that takes the time (1 ms
 * for 2000): reading ends when as many hierarchies were seen as
 * /proc/self/cgroup has lines. Only mounts of a whole hierarchy count, which a
 * bind mount of a part is not.
 */
#include "tools/ct/hier.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/base/cleanup.h"
#include "tools/ct/knob.h"

static const struct {
	const char *v1, *v2;
} names[HIER_CONTROLLERS] = {
	[HIER_CPU] = { "cpu", "cpu" },
	[HIER_CPUACCT] = { "cpuacct", "cpu" },
	[HIER_CPUSET] = { "cpuset", "cpuset" },
	[HIER_MEMORY] = { "memory", "memory" },
	[HIER_PIDS] = { "pids", "pids" },
	[HIER_IO] = { "blkio", "io" },
	[HIER_DEVICES] = { "devices", "devices" },
	[HIER_FREEZER] = { "freezer", "freezer" },
};

#define IN_ALL_V2 (1u << HIER_CPUACCT | 1u << HIER_DEVICES | 1u << HIER_FREEZER)

const char *hier_name(enum hier_controller c, int version)
{
	return version == 1 ? names[c].v1 : names[c].v2;
}

int hier_controller_named(const char *name)
{
	for (int c = 0; c < HIER_CONTROLLERS; c++)
		if (!strcmp(name, names[c].v1) || !strcmp(name, names[c].v2))
			return c;
	return -1;
}

static void cleanup_filep(FILE **f)
{
	if (*f)
		fclose(*f);
}

/* The bits of those named in `list`, which is taken to pieces. */
static unsigned bits_of(char *list, const char *separators, int version)
{
	unsigned bits = 0;
	char *rest = NULL;

	for (char *w = strtok_r(list, separators, &rest); w;
	     w = strtok_r(NULL, separators, &rest))
		for (int c = 0; c < HIER_CONTROLLERS; c++)
			if (!strcmp(w, hier_name(c, version)))
				bits |= 1u << c;
	return bits;
}

/* "\040" in a path. */
static void unescape(char *s)
{
	char *to = s;

	for (; *s; s++) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] &&
		    s[3]) {
			*to++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 |
				       (s[3] - '0'));
			s += 3;
		} else {
			*to++ = *s;
		}
	}
	*to = '\0';
}

/* What of a v1 superblock's options names the hierarchy, in place. */
static char *only_words(char *options)
{
	static const char *const others[] = { "rw",
					      "ro",
					      "none",
					      "xattr",
					      "noprefix",
					      "clone_children",
					      "cpuset_v2_mode",
					      "favordynmods" };
	char *to = options, *rest = NULL;

	for (char *w = strtok_r(options, ",", &rest); w;
	     w = strtok_r(NULL, ",", &rest)) {
		bool other = !strncmp(w, "release_agent=", 14);
		size_t len = strlen(w);

		for (size_t i = 0; i < ARRAY_SIZE(others); i++)
			other |= !strcmp(w, others[i]);
		if (other)
			continue;
		if (to != options)
			*to++ = ',';
		memmove(to, w, len);
		to += len;
	}
	*to = '\0';
	return options;
}

static bool is_known(const struct hier_set *s, int version, const char *word)
{
	for (unsigned i = 0; i < s->n; i++)
		if (s->h[i].version == version && !strcmp(s->h[i].word, word))
			return true;
	return false;
}

int hier_add(struct hier_set *s, char *line)
{
	char *field[5], *rest = NULL, *type, *word;
	struct hier h = { .top = -1 };

	line[strcspn(line, "\n")] = '\0';
	type = strstr(line, " - ");
	if (!type || strncmp(type + 3, "cgroup", 6))
		return 0;
	*type = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(field); i++) {
		field[i] = strtok_r(i ? NULL : line, " ", &rest);
		if (!field[i])
			return 0;
	}
	type = strtok_r(type + 3, " ", &rest);
	word = strtok_r(NULL, " ", &rest);
	word = strtok_r(NULL, " ", &rest);
	if (!word || strcmp(field[3], "/"))
		return 0;
	h.version = strcmp(type, "cgroup2") ? 1 : 2;
	if (h.version == 2)
		*word = '\0';
	if (is_known(s, h.version, only_words(word)))
		return 0;
	if (s->n == HIER_MAX)
		return -E2BIG;
	unescape(field[4]);
	h.path = strdup(field[4]);
	h.word = strdup(word);
	if (!h.path || !h.word) {
		free(h.path);
		free(h.word);
		return -ENOMEM;
	}
	h.controllers = h.version == 2 ? IN_ALL_V2 : bits_of(word, ",", 1);
	s->h[s->n++] = h;
	return 1;
}

static unsigned count_lines(const char *path)
{
	_cleanup_(cleanup_filep) FILE *f = fopen(path, "re");
	unsigned n = 0;
	int c;

	while (f && (c = getc(f)) != EOF)
		n += c == '\n';
	return n ? n : HIER_MAX;
}

static int read_mounts(struct hier_set *s)
{
	_cleanup_(cleanup_filep) FILE *f = fopen("/proc/self/mountinfo", "re");
	unsigned wanted = count_lines("/proc/self/cgroup");
	_cleanup_free_ char *line = NULL;
	size_t size = 0;
	int r = 0;

	if (!f)
		return -errno;
	while (r >= 0 && s->n < wanted && getline(&line, &size, f) > 0)
		r = hier_add(s, line);
	return r < 0 ? r : 0;
}

static int open_top(struct hier *h)
{
	char list[512];
	int r;

	h->top = open(h->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (h->top < 0)
		return -errno;
	if (h->version == 1)
		return 0;
	r = knob_read(h->top, "cgroup.controllers", list, sizeof(list));
	if (r < 0)
		return r;
	h->controllers |= bits_of(list, " ", 2);
	return 0;
}

int hier_find(struct hier_set *s, struct why *why)
{
	int r;

	*s = (struct hier_set){ .n = 0 };
	r = read_mounts(s);
	for (unsigned i = 0; r == 0 && i < s->n; i++) {
		r = open_top(&s->h[i]);
		if (r < 0)
			why_sys(why, r, "%s", s->h[i].path);
	}
	if (r == 0 && !s->n)
		r = why_set(why, -ENODEV,
			    "no cgroup hierarchy is mounted: mount -t cgroup2 "
			    "cgroup2 /sys/fs/cgroup");
	if (r < 0) {
		why_sys(why, r, "/proc/self/mountinfo");
		hier_free(s);
	}
	return r;
}

void hier_free(struct hier_set *s)
{
	for (unsigned i = 0; i < s->n; i++) {
		free(s->h[i].path);
		free(s->h[i].word);
		cleanup_closep(&s->h[i].top);
	}
	s->n = 0;
}

int hier_of(const struct hier_set *s, enum hier_controller c)
{
	for (int version = 1; version <= 2; version++)
		for (unsigned i = 0; i < s->n; i++)
			if (s->h[i].version == version &&
			    s->h[i].controllers & 1u << c)
				return (int)i;
	return -1;
}

int hier_unified(const struct hier_set *s)
{
	for (unsigned i = 0; i < s->n; i++)
		if (s->h[i].version == 2)
			return (int)i;
	return -1;
}
