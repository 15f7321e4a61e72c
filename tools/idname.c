/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/idname.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "fs/base/cleanup.h"
#include "fs/base/fdio.h"
#include "fs/base/parse.h"
#include "fs/base/smallfile.h"
#include "templates/index.h"

#define FILE_MAX (16u << 20)
#define NAME_LEN_MAX 255u

static const char *const files[LEDGER_KINDS] = {
	[LEDGER_USER] = "passwd",
	[LEDGER_GROUP] = "group",
};

struct idname {
	struct idname_row {
		uint32_t id;
		uint32_t order; /* in the file */
		char *name;
	} * rows; /* by id, then by order */
	size_t n;
};

/* ---- text ----------------------------------------------------------------- */

void idname_free(struct idname *n)
{
	if (!n)
		return;
	for (size_t i = 0; i < n->n; i++)
		free(n->rows[i].name);
	free(n->rows);
	free(n);
}

static int by_id(const void *a, const void *b)
{
	const struct idname_row *x = a, *y = b;

	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

/* NAME:anything:ID:...; what is not of this form names nobody. */
static int take_line(struct idname *n, const char *line, size_t len)
{
	const char *first = memchr(line, ':', len), *second, *end;
	char digits[16];
	uint32_t id;

	second =
		first ? memchr(first + 1, ':', len - (size_t)(first + 1 - line))
		      : NULL;
	if (!second || first == line || first - line > NAME_LEN_MAX ||
	    memchr(line, '\0', len))
		return 0;
	second++;
	end = memchr(second, ':', len - (size_t)(second - line));
	if (!end)
		end = line + len;
	if (end - second >= (ssize_t)sizeof(digits))
		return 0;
	memcpy(digits, second, (size_t)(end - second));
	digits[end - second] = '\0';
	if (parse_id(digits, &id) < 0)
		return 0;
	n->rows[n->n].name = strndup(line, (size_t)(first - line));
	if (!n->rows[n->n].name)
		return -ENOMEM;
	n->rows[n->n].id = id;
	n->rows[n->n].order = (uint32_t)n->n;
	n->n++;
	return 0;
}

static size_t count_lines(const char *text, size_t len)
{
	size_t lines = 1;

	for (size_t i = 0; i < len; i++)
		lines += text[i] == '\n';
	return lines;
}

int idname_parse(const char *text, size_t len, struct idname **out)
{
	struct idname *n = calloc(1, sizeof(*n));
	int r = 0;

	if (n)
		n->rows = calloc(count_lines(text, len), sizeof(*n->rows));
	if (!n || !n->rows)
		r = -ENOMEM;
	while (r == 0 && len > 0) {
		const char *newline = memchr(text, '\n', len);
		size_t line = newline ? (size_t)(newline - text) : len;

		r = take_line(n, text, line);
		line += newline != NULL;
		text += line;
		len -= line;
	}
	if (r < 0) {
		idname_free(n);
		return r;
	}
	qsort(n->rows, n->n, sizeof(*n->rows), by_id);
	*out = n;
	return 0;
}

const char *idname_of(const struct idname *n, uint32_t id)
{
	size_t low = 0, high = n ? n->n : 0;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (n->rows[middle].id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return n && low < n->n && n->rows[low].id == id ? n->rows[low].name
							: NULL;
}

int idname_find(const struct idname *n, const char *name, uint32_t *id)
{
	const struct idname_row *found = NULL;

	for (size_t i = 0; n && i < n->n; i++)
		if (strcmp(n->rows[i].name, name) == 0 &&
		    (!found || n->rows[i].order < found->order))
			found = &n->rows[i];
	if (!found)
		return -ENOENT;
	*id = found->id;
	return 0;
}

/* ---- where it is ---------------------------------------------------------- */

static int read_file(int path, struct idname **out)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	int r = smallfile_add(path, FILE_MAX, &text);

	return r < 0 ? r : idname_parse(strbuf_get(&text), text.len, out);
}

/* As a program in the container would find it, links and all. */
static int read_mounted(const struct container *one, const char *file,
			struct idname **out)
{
	_cleanup_close_ int root =
		open(one->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int fd = -1;
	char path[32];

	if (root < 0)
		return -errno;
	snprintf(path, sizeof(path), "etc/%s", file);
	fd = fdio_resolve(root, path, O_PATH,
			  RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS |
				  RESOLVE_NO_XDEV);
	return fd < 0 ? fd : read_file(fd, out);
}

static int read_template(struct catalog *c, const struct container *one,
			 const char *file, struct idname **out, struct why *why)
{
	_cleanup_close_ int version = -1, object = -1;
	struct object_pool pool = catalog_pool(c);
	struct index *x = NULL;
	struct catalog_id id;
	struct node n;
	uint64_t ino = 0;
	int r = catalog_parse(one->template, &id, why);

	if (r == 0)
		r = version = catalog_hold(c, &id, why);
	if (r >= 0)
		r = index_open(version, 0, &x);
	if (r == 0)
		r = index_lookup(x, NODE_ROOT, "etc", 3, &ino, &n);
	if (r == 0 && S_ISLNK(n.mode))
		r = -ELOOP;
	if (r == 0)
		r = index_lookup(x, ino, file, strlen(file), &ino, &n);
	if (r == 0 && S_ISLNK(n.mode))
		r = -ELOOP;
	else if (r == 0 && !S_ISREG(n.mode))
		r = -EUCLEAN;
	else if (r == 0 && n.size == 0)
		r = idname_parse("", 0, out);
	else if (r == 0)
		r = object = object_open(&pool, &n.object, O_RDONLY);
	index_free(x);
	return r < 0 || object < 0 ? r : read_file(object, out);
}

static bool has_mark(int fd, const char *mark)
{
	char path[FDIO_PROC_MAX], name[64];

	snprintf(name, sizeof(name), "trusted.overlay.%s", mark);
	return getxattr(fdio_proc(path, fd), name, NULL, 0) >= 0;
}

/*
 * Open `name` in a directory of upper, O_PATH. -ENOENT: the template's is
 * meant; -ENODATA: it was removed; -ELOOP.
 */
static int open_upper(int dir, const char *name)
{
	_cleanup_close_ int fd = fdio_openat(dir, name, O_PATH, 0);
	struct stat st;
	int r = fd < 0 ? fd : fdio_stat(fd, &st);

	if (r < 0)
		return r;
	if (S_ISCHR(st.st_mode) && st.st_rdev == 0)
		return -ENODATA;
	if (S_ISLNK(st.st_mode) || has_mark(fd, "redirect"))
		return -ELOOP;
	if (has_mark(fd, "metacopy"))
		return -ENOENT;
	return TAKE_FD(fd);
}

static int read_unmounted(struct catalog *c, const struct container *one,
			  const char *file, struct idname **out,
			  struct why *why)
{
	_cleanup_close_ int upper =
		fdio_openat(one->data, "upper", O_RDONLY | O_DIRECTORY, 0);
	_cleanup_close_ int etc = -1, fd = -1;
	struct stat st;
	int r;

	if (upper < 0)
		return upper;
	etc = open_upper(upper, "etc");
	if (etc == -ENOENT)
		return read_template(c, one, file, out, why);
	if (etc == -ENODATA)
		return -ENOENT;
	if (etc < 0)
		return etc;
	r = fdio_stat(etc, &st);
	if (r < 0)
		return r;
	if (!S_ISDIR(st.st_mode))
		return -ENOENT;
	fd = open_upper(etc, file);
	if (fd == -ENODATA || (fd == -ENOENT && has_mark(etc, "opaque")))
		return -ENOENT;
	if (fd == -ENOENT)
		return read_template(c, one, file, out, why);
	return fd < 0 ? fd : read_file(fd, out);
}

int idname_read(struct catalog *c, const struct container *one,
		enum ledger_kind kind, struct idname **out, struct why *why)
{
	const char *file = files[kind];
	bool mounted = container_is_mounted(one);
	int r = mounted ? read_mounted(one, file, out)
			: read_unmounted(c, one, file, out, why);

	if (r == 0)
		return 0;
	if (r == -ELOOP && !mounted)
		return why_set(why, r,
			       "container %s: its etc/%s cannot be told while "
			       "it is not mounted: give a number, or 'vefs "
			       "mount %s' first",
			       one->id, file, one->id);
	return why_sys(why, r, "container %s: its etc/%s (a number will do)",
		       one->id, file);
}
