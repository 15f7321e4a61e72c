/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/ct/knob.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "fs/base/cleanup.h"
#include "fs/base/parse.h"

/* The largest that v1's page counters hold is less than a page below this. */
#define V1_UNLIMITED ((uint64_t)INT64_MAX - 65535)

int knob_read(int dir, const char *path, char *text, size_t size)
{
	_cleanup_close_ int fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t n;

	if (fd < 0)
		return -errno;
	while ((n = read(fd, text + len, size - len)) > 0) {
		len += (size_t)n;
		if (len == size)
			return -E2BIG;
	}
	if (n < 0)
		return -errno;
	if (len && text[len - 1] == '\n')
		len--;
	text[len] = '\0';
	return (int)len;
}

static int number_of(const char *text, uint64_t *out)
{
	uint64_t value;
	int r;

	if (!strcmp(text, "max") || !strcmp(text, "-1")) {
		*out = UINT64_MAX;
		return 0;
	}
	r = parse_u64(text, UINT64_MAX, &value);
	if (r < 0)
		return r;
	*out = value >= V1_UNLIMITED ? UINT64_MAX : value;
	return 0;
}

int knob_number(int dir, const char *path, uint64_t *out)
{
	char text[64];
	int r = knob_read(dir, path, text, sizeof(text));

	return r < 0 ? r : number_of(text, out);
}

int knob_key(int dir, const char *path, const char *key, uint64_t *out)
{
	size_t len = strlen(key);
	char text[8192], *rest = NULL;
	int r = knob_read(dir, path, text, sizeof(text));

	if (r < 0)
		return r;
	for (char *l = strtok_r(text, "\n", &rest); l;
	     l = strtok_r(NULL, "\n", &rest))
		if (!strncmp(l, key, len) && l[len] == ' ')
			return number_of(l + len + 1, out);
	return -ENOENT;
}

int knob_write(int dir, const char *path, const char *text)
{
	_cleanup_close_ int fd = openat(dir, path, O_WRONLY | O_CLOEXEC);
	size_t len = strlen(text);

	if (fd < 0)
		return -errno;
	if (!len)
		return write(fd, "\n", 1) < 0 ? -errno : 0;
	return write(fd, text, len) < 0 ? -errno : 0;
}

static int add_step(struct knob_journal *j, int dir, const char *path,
		    const char *undo)
{
	struct knob_step step = { .dir = dir };

	if (j->n == j->room) {
		size_t room = j->room ? 2 * j->room : 16;
		void *p = reallocarray(j->step, room, sizeof(*j->step));

		if (!p)
			return -ENOMEM;
		j->step = p;
		j->room = room;
	}
	step.path = strdup(path);
	step.undo = strdup(undo);
	if (!step.path || !step.undo) {
		free(step.path);
		free(step.undo);
		return -ENOMEM;
	}
	j->step[j->n++] = step;
	return 0;
}

static void drop_last(struct knob_journal *j)
{
	j->n--;
	free(j->step[j->n].path);
	free(j->step[j->n].undo);
}

int knob_change_as(struct knob_journal *j, int dir, const char *path,
		   const char *text, const char *undo)
{
	int r = add_step(j, dir, path, undo);

	if (r < 0)
		return r;
	r = knob_write(dir, path, text);
	if (r < 0)
		drop_last(j);
	return r;
}

int knob_change(struct knob_journal *j, int dir, const char *path,
		const char *text)
{
	char was[1024];
	int r = knob_read(dir, path, was, sizeof(was));

	return r < 0 ? r : knob_change_as(j, dir, path, text, was);
}

void knob_undo(struct knob_journal *j)
{
	for (size_t i = j->n; i-- > 0;)
		(void)knob_write(j->step[i].dir, j->step[i].path,
				 j->step[i].undo);
	knob_forget(j);
}

void knob_forget(struct knob_journal *j)
{
	while (j->n)
		drop_last(j);
	free(j->step);
	*j = (struct knob_journal){ .n = 0 };
}
