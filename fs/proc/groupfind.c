/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/proc/groupfind.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "fs/base/cleanup.h"
#include "fs/base/strbuf.h"
#include "fs/proc/procfd.h"
#include "fs/proc/proctext.h"

/* By v1's names; v2 has them all in one. */
static const char *const controllers[GROUP_DIRS] = {
	[GROUP_MEMORY] = "memory",   [GROUP_CPU] = "cpu",
	[GROUP_CPUACCT] = "cpuacct", [GROUP_CPUSET] = "cpuset",
	[GROUP_BLKIO] = "blkio",     [GROUP_PIDS] = "pids",
};

/* Is `word` one of a list with commas? */
static bool lists(const struct proctext *list, const char *word)
{
	size_t len = strlen(word);

	for (size_t i = 0; i + len <= list->len; i++)
		if (!memcmp(list->s + i, word, len) &&
		    (i == 0 || list->s[i - 1] == ',') &&
		    (i + len == list->len || list->s[i + len] == ','))
			return true;
	return false;
}

/* "4:memory:/a/b": what is between the colons, and the rest. */
static bool split(const struct proctext *line, struct proctext *names,
		  struct proctext *path)
{
	const char *end = line->s + line->len;
	const char *one = memchr(line->s, ':', line->len), *two;

	if (!one)
		return false;
	one++;
	two = memchr(one, ':', (size_t)(end - one));
	if (!two)
		return false;
	names->s = one;
	names->len = (size_t)(two - one);
	path->s = two + 1;
	path->len = (size_t)(end - path->s);
	return path->len > 0 && path->s[0] == '/';
}

static void cut_tail(struct proctext *path, const char *tail)
{
	size_t len = strlen(tail);

	if (path->len > len && !memcmp(path->s + path->len - len, tail, len))
		path->len -= len;
}

/* The path of a process in a hierarchy; `controller` NULL: the unified one. */
static bool path_in(const char *cgroup, const char *controller,
		    struct proctext *path)
{
	struct proctext line, names;

	while (proctext_line(&cgroup, &line)) {
		if (!split(&line, &names, path))
			continue;
		if (controller ? lists(&names, controller) : names.len == 0) {
			cut_tail(path, "/init.scope");
			return true;
		}
	}
	return false;
}

struct mounted {
	struct proctext root, at;
};

/* "36 35 0:3 ROOT AT opts ... - TYPE source SUPEROPTIONS" */
static bool parse_mount(struct proctext line, const char *controller,
			struct mounted *m)
{
	struct proctext word, type, options;

	for (unsigned i = 0; i < 3; i++)
		if (!proctext_word(&line, &word))
			return false;
	if (!proctext_word(&line, &m->root) || !proctext_word(&line, &m->at))
		return false;
	do {
		if (!proctext_word(&line, &word))
			return false;
	} while (!proctext_is(&word, "-"));
	if (!proctext_word(&line, &type) || !proctext_word(&line, &word) ||
	    !proctext_word(&line, &options))
		return false;
	if (!controller)
		return proctext_is(&type, "cgroup2");
	return proctext_is(&type, "cgroup") && lists(&options, controller);
}

/* Where a group of a hierarchy is to be seen; 0, -ENOENT, -ENOMEM. */
static int place(const char *mountinfo, const char *controller,
		 const struct proctext *path, char **out)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	struct proctext line, below = *path;
	struct mounted m;

	while (proctext_line(&mountinfo, &line)) {
		if (!parse_mount(line, controller, &m))
			continue;
		if (m.root.len > 1) {
			/* only a part of the hierarchy is mounted here */
			if (path->len < m.root.len ||
			    memcmp(path->s, m.root.s, m.root.len) != 0)
				continue;
			below.s = path->s + m.root.len;
			below.len = path->len - m.root.len;
		}
		strbuf_add(&text, m.at.s, m.at.len);
		strbuf_add(&text, below.s, below.len);
		*out = strbuf_take(&text);
		return *out ? 0 : -ENOMEM;
	}
	return -ENOENT;
}

static int find_one(const char *cgroup, const char *mountinfo, enum group_dir d,
		    bool *is_own, struct groupfind *out)
{
	const char *controller = controllers[d];
	struct proctext path;
	int r;

	/* On v2 what is not v1's. */
	if (!path_in(cgroup, controller, &path)) {
		controller = NULL;
		if (!path_in(cgroup, NULL, &path))
			return 0;
	}
	r = place(mountinfo, controller, &path, &out->text[d]);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	out->paths.dir[d] = out->text[d];
	if (path.len > 1)
		*is_own = true;
	return 0;
}

/* The one without controllers does not make it a container. */
static int find_unified(const char *cgroup, const char *mountinfo,
			struct groupfind *out)
{
	struct proctext path;
	int r;

	if (!path_in(cgroup, NULL, &path) || path.len <= 1)
		return 0;
	r = place(mountinfo, NULL, &path, &out->text[GROUP_UNIFIED]);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	out->paths.dir[GROUP_UNIFIED] = out->text[GROUP_UNIFIED];
	return 0;
}

int groupfind_parse(const char *cgroup, const char *mountinfo,
		    struct groupfind *out)
{
	bool is_own = false;
	int r = 0;

	memset(out, 0, sizeof(*out));
	for (unsigned d = 0; d < GROUP_DIRS && r == 0; d++)
		if (controllers[d])
			r = find_one(cgroup, mountinfo, d, &is_own, out);
	if (r == 0)
		r = find_unified(cgroup, mountinfo, out);
	if (r == 0 && !is_own)
		r = -ENOENT;
	return r;
}

/* A v1 group whose tasks can be counted: any that is not the top. */
static void choose_tasks(struct groupfind *f, const char *cgroup)
{
	static const enum group_dir order[] = { GROUP_PIDS, GROUP_MEMORY,
						GROUP_CPU, GROUP_CPUACCT };

	for (unsigned i = 0; i < ARRAY_SIZE(order); i++) {
		struct proctext path;

		if (f->paths.dir[order[i]] &&
		    path_in(cgroup, controllers[order[i]], &path) &&
		    path.len > 1) {
			f->paths.dir[GROUP_TASKS] = f->paths.dir[order[i]];
			return;
		}
	}
}

int groupfind(pid_t pid, struct groupfind *out)
{
	_cleanup_strbuf_ struct strbuf cgroup = STRBUF_INIT;
	_cleanup_strbuf_ struct strbuf mounts = STRBUF_INIT;
	char name[48];
	int r;

	memset(out, 0, sizeof(*out));
	snprintf(name, sizeof(name), "/proc/%d/cgroup", pid);
	r = procfd_read_at(AT_FDCWD, name, &cgroup);
	if (r < 0)
		return r == -ENOENT ? -ESRCH : r;
	r = procfd_read_at(AT_FDCWD, "/proc/self/mountinfo", &mounts);
	if (r == 0)
		r = groupfind_parse(strbuf_get(&cgroup), strbuf_get(&mounts),
				    out);
	if (r == 0)
		choose_tasks(out, strbuf_get(&cgroup));
	return r;
}

void groupfind_above(struct groupfind *f)
{
	static const enum group_dir above[] = { GROUP_CPU, GROUP_CPUACCT,
						GROUP_CPUSET, GROUP_BLKIO,
						GROUP_UNIFIED };
	static const char tail[] = "/payload";
	const size_t cut = sizeof(tail) - 1;

	for (unsigned i = 0; i < ARRAY_SIZE(above); i++) {
		char *path = f->text[above[i]];
		size_t len = path ? strlen(path) : 0;

		if (len > cut && strcmp(path + len - cut, tail) == 0)
			path[len - cut] = '\0';
	}
}

void groupfind_free(struct groupfind *f)
{
	for (unsigned d = 0; d < GROUP_DIRS; d++)
		free(f->text[d]);
	memset(f, 0, sizeof(*f));
}
