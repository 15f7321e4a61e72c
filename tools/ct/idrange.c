/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * idrange - two lists of ranges, sorted by nothing, searched in full: what the
 * user "vefs" was given (where to look), and what is in use or another's
 * (where not). With a thousand containers that is a thousand short readlinks.
 */
#include "tools/ct/idrange.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "fs/base/cleanup.h"
#include "fs/base/fdio.h"
#include "fs/base/parse.h"

#define FOLDER "idranges"
#define USER "vefs"
/* the last one is "no id" */
#define IDS ((uint64_t)UINT32_MAX)

struct range {
	uint64_t from, to; /* to is behind it */
	bool stale;	   /* a link that can be taken over */
};

struct ranges {
	struct range *list; /* owned */
	size_t n, room;
};

static void ranges_freep(const struct ranges *r)
{
	free(r->list);
}
#define _cleanup_ranges_ _cleanup_(ranges_freep)

static int add(struct ranges *r, struct range one)
{
	if (one.from >= one.to)
		return 0;
	if (r->n == r->room) {
		size_t room = r->room ? 2 * r->room : 16;
		struct range *more = reallocarray(r->list, room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		r->list = more;
		r->room = room;
	}
	r->list[r->n++] = one;
	return 0;
}

/*
 * Is all of the range at `at` to be had? A stale link that stands exactly
 * there does not matter; one that only meets it keeps its ids.
 */
static bool is_free(const struct ranges *taken, uint64_t at)
{
	for (size_t i = 0; i < taken->n; i++) {
		const struct range *t = &taken->list[i];

		if (t->from < at + IDRANGE_COUNT && at < t->to &&
		    !(t->stale && t->from == at))
			return false;
	}
	return true;
}

/* ---- /etc/subuid, /etc/subgid -------------------------------------------- */

/* "user:first:count"; false: no such line. */
static bool parse_line(char *line, const char **user, struct range *out)
{
	char *first = strchr(line, ':'), *count;
	uint64_t from, n;

	if (!first || first == line)
		return false;
	*first++ = '\0';
	count = strchr(first, ':');
	if (!count)
		return false;
	*count++ = '\0';
	if (parse_u64(first, UINT32_MAX, &from) ||
	    parse_u64(count, UINT32_MAX, &n))
		return false;
	*user = line;
	*out = (struct range){ from, from + n < IDS ? from + n : IDS, false };
	return true;
}

/* What a file gives to us, and to others; one that is not there gives none. */
static int read_file(const char *path, struct ranges *ours,
		     struct ranges *others)
{
	FILE *f = fopen(path, "re");
	_cleanup_free_ char *line = NULL;
	size_t size = 0;
	ssize_t len;
	int r = 0;

	if (!f)
		return errno == ENOENT ? 0 : -errno;
	while (r == 0 && (len = getline(&line, &size, f)) >= 0) {
		const char *user;
		struct range one;

		while (len && strchr("\n\r\t ", line[len - 1]))
			line[--len] = '\0';
		if (parse_line(line, &user, &one))
			r = add(strcmp(user, USER) ? others : ours, one);
	}
	if (r == 0 && ferror(f))
		r = -EIO;
	fclose(f);
	return r;
}

/* What is in both. */
static int intersect(const struct ranges *a, const struct ranges *b,
		     struct ranges *out)
{
	int r = 0;

	for (size_t i = 0; i < a->n; i++)
		for (size_t k = 0; r == 0 && k < b->n; k++) {
			const struct range *x = &a->list[i], *y = &b->list[k];

			r = add(out,
				(struct range){
					x->from > y->from ? x->from : y->from,
					x->to < y->to ? x->to : y->to, false });
		}
	return r;
}

/* Where to look, and what is not to be had there. */
static int read_files(const struct idrange_files *files, struct ranges *where,
		      struct ranges *taken, struct why *why)
{
	struct ranges uids _cleanup_ranges_ = { NULL, 0, 0 };
	struct ranges gids _cleanup_ranges_ = { NULL, 0, 0 };
	int r = read_file(files->subuid, &uids, taken);

	if (r < 0)
		return why_sys(why, r, "%s", files->subuid);
	r = read_file(files->subgid, &gids, taken);
	if (r < 0)
		return why_sys(why, r, "%s", files->subgid);
	r = intersect(&uids, &gids, where);
	if (r == 0 && !where->n)
		r = add(where,
			(struct range){ IDRANGE_FIRST,
					(uint64_t)IDRANGE_LAST + IDRANGE_COUNT,
					false });
	return r;
}

/* ---- the links ----------------------------------------------------------- */

/* The container that `name` in `dir` is a link to. */
static int read_link(int dir, const char *name, char id[NAME_MAX + 1])
{
	ssize_t len = readlinkat(dir, name, id, NAME_MAX + 1);

	if (len < 0)
		return -errno;
	if (len > NAME_MAX)
		return -ENAMETOOLONG;
	id[len] = '\0';
	return 0;
}

/* Is a link to `id`, made at `made`, one that nobody uses? */
static int is_stale(int store, const char *id, time_t made)
{
	char path[NAME_MAX + 16];
	int r;

	/* not ours to judge */
	if (!*id || strchr(id, '/') || !strcmp(id, ".") || !strcmp(id, ".."))
		return 0;
	snprintf(path, sizeof(path), "containers/%s", id);
	r = fdio_exists(store, path);
	if (r != 0)
		return r < 0 ? r : 0;
	return time(NULL) - made > IDRANGE_YOUNG;
}

/*
 * All links, as ranges that are taken. 1: one is of `id` already, *base.
 * Only names that are numbers count, as only those are made.
 */
static int read_links(int store, int dir, const char *id, struct ranges *taken,
		      uint32_t *base)
{
	_cleanup_closedir_ DIR *d = NULL;
	int own = fdio_openat(dir, ".", O_RDONLY | O_DIRECTORY, 0);
	int r = fdio_opendir(own, &d);
	const struct dirent *e;

	if (r < 0)
		return r;
	errno = 0;
	while ((e = readdir(d))) {
		char owner[NAME_MAX + 1] = "";
		struct stat st;
		uint32_t from;

		if (parse_u32(e->d_name, UINT32_MAX, &from))
			continue;
		r = fdio_statat(dir, e->d_name, &st);
		if (r == 0 && !S_ISLNK(st.st_mode))
			r = -EUCLEAN;
		if (r == 0)
			r = read_link(dir, e->d_name, owner);
		if (r < 0)
			return r;
		if (!strcmp(owner, id)) {
			*base = from;
			return 1;
		}
		r = is_stale(store, owner, st.st_mtim.tv_sec);
		if (r >= 0)
			r = add(taken,
				(struct range){ from,
						(uint64_t)from + IDRANGE_COUNT,
						r > 0 });
		if (r < 0)
			return r;
		errno = 0;
	}
	return errno ? -errno : 0;
}

/* The first free one, or 0, which is the host's own root's. */
static uint32_t find_free(const struct ranges *where,
			  const struct ranges *taken)
{
	for (size_t i = 0; i < where->n; i++) {
		uint64_t at = where->list[i].from;

		if (at == 0)
			at = IDRANGE_COUNT;
		for (; at + IDRANGE_COUNT <= where->list[i].to;
		     at += IDRANGE_COUNT)
			if (is_free(taken, at))
				return (uint32_t)at;
	}
	return 0;
}

/* ---- taking -------------------------------------------------------------- */

/* The directory of the links, locked until it is closed. */
static int open_locked(int store)
{
	_cleanup_close_ int dir = -1;

	if (mkdirat(store, FOLDER, 0700) < 0 && errno != EEXIST)
		return -errno;
	dir = fdio_openat(store, FOLDER, O_RDONLY | O_DIRECTORY, 0);
	if (dir < 0)
		return dir;
	while (flock(dir, LOCK_EX) < 0)
		if (errno != EINTR)
			return -errno;
	return TAKE_FD(dir);
}

/* After a power cut nobody else may be given the same. */
static int make_link(int dir, const char *id, uint32_t base, bool sync)
{
	char name[16];

	snprintf(name, sizeof(name), "%u", base);
	if (unlinkat(dir, name, 0) < 0 && errno != ENOENT)
		return -errno;
	if (symlinkat(id, dir, name) < 0)
		return -errno;
	if (sync && fsync(dir) < 0) {
		int r = -errno;

		unlinkat(dir, name, 0);
		return r;
	}
	return 0;
}

static int take(int store, const char *id, const struct idrange_files *files,
		uint32_t *base, bool sync, struct why *why)
{
	struct ranges where _cleanup_ranges_ = { NULL, 0, 0 };
	struct ranges taken _cleanup_ranges_ = { NULL, 0, 0 };
	_cleanup_close_ int dir = -1;
	uint32_t found = 0;
	int r;

	dir = open_locked(store);
	if (dir < 0)
		return why_sys(why, dir, "cannot use %s in the store", FOLDER);
	r = read_links(store, dir, id, &taken, &found);
	if (r < 0)
		return why_sys(why, r, "cannot read %s in the store", FOLDER);
	if (r > 0) {
		*base = found;
		return 0;
	}
	r = read_files(files, &where, &taken, why);
	if (r < 0)
		return why_sys(why, r, "cannot find a range of ids");
	found = find_free(&where, &taken);
	if (!found)
		return why_set(why, -ENOSPC,
			       "no range of %u ids is free for %s: destroy "
			       "containers that are not needed, or give the "
			       "user " USER " more in %s and %s",
			       IDRANGE_COUNT, id, files->subuid, files->subgid);
	r = make_link(dir, id, found, sync);
	if (r < 0)
		return why_sys(why, r, "cannot write %s in the store", FOLDER);
	*base = found;
	return 0;
}

static const struct idrange_files usual = { "/etc/subuid", "/etc/subgid" };

int idrange_take_by(int store, const char *id,
		    const struct idrange_files *files, uint32_t *base,
		    struct why *why)
{
	return take(store, id, files, base, true, why);
}

int idrange_take(int store, const char *id, uint32_t *base, struct why *why)
{
	return take(store, id, &usual, base, true, why);
}

int idrange_take_passing(int store, const char *id, uint32_t *base,
			 struct why *why)
{
	return take(store, id, &usual, base, false, why);
}

int idrange_is_of(int store, const char *id, uint32_t base)
{
	char path[sizeof(FOLDER) + 16], owner[NAME_MAX + 1];
	int r;

	snprintf(path, sizeof(path), FOLDER "/%u", base);
	r = read_link(store, path, owner);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	return !strcmp(owner, id);
}

/* Whose is some of it, of those that are there? 1, 0 or -errno. */
static int find_other(int store, int dir, const char *id, uint32_t base,
		      char *other)
{
	_cleanup_closedir_ DIR *d = NULL;
	int own = fdio_openat(dir, ".", O_RDONLY | O_DIRECTORY, 0);
	int r = fdio_opendir(own, &d);
	const struct dirent *e;
	uint32_t from;

	if (r < 0)
		return r;
	while ((errno = 0, e = readdir(d))) {
		if (parse_u32(e->d_name, UINT32_MAX, &from) ||
		    from >= (uint64_t)base + IDRANGE_COUNT ||
		    base >= (uint64_t)from + IDRANGE_COUNT)
			continue;
		r = read_link(dir, e->d_name, other);
		if (r < 0)
			return r;
		/* as if it were made before anybody can remember */
		r = strcmp(other, id) ? is_stale(store, other, 0) : 1;
		if (r <= 0)
			return r < 0 ? r : 1;
	}
	return errno ? -errno : 0;
}

int idrange_claim(int store, const char *id, uint32_t base, char *other,
		  struct why *why)
{
	_cleanup_close_ int dir = open_locked(store);
	int r = dir;

	if (r >= 0)
		r = find_other(store, dir, id, base, other);
	if (r > 0)
		return why_set(why, -EADDRINUSE,
			       "the ids on the host from %u on are container "
			       "%s's",
			       base, other);
	if (r == 0)
		r = idrange_is_of(store, id, base);
	if (r == 0)
		r = make_link(dir, id, base, true);
	return r < 0 ? why_sys(why, r, "cannot claim %u in %s in the store",
			       base, FOLDER)
		     : 0;
}

int idrange_release(int store, const char *id, uint32_t base)
{
	_cleanup_close_ int dir = open_locked(store);
	char name[16], owner[NAME_MAX + 1];
	int r;

	if (dir < 0)
		return dir;
	snprintf(name, sizeof(name), "%u", base);
	r = read_link(dir, name, owner);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (strcmp(owner, id))
		return -EPERM;
	return unlinkat(dir, name, 0) < 0 && errno != ENOENT ? -errno : 0;
}
