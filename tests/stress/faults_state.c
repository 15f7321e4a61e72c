/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tests/stress/faults.h"

/*
 * A line for each inode's name, in the order of the names:
 *
 *	PATH TYPE+MODE UID:GID links size device mtime atime =INODE DATA XATTRS
 *
 * What cannot be looked at is told by its error.
 */
struct walk {
	FILE *to;
	struct faults_state *own;
	const struct faults_state *base;
	int top;
};

char *faults_text(const char *fmt, ...)
{
	char *text;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0)
		faults_die("no memory");
	return text;
}

const char *faults_state_label(const struct faults_state *s, uint64_t ino)
{
	for (unsigned i = 0; s && i < s->n_inos; i++) {
		if (s->inos[i].ino == ino)
			return s->inos[i].path;
	}
	return "new";
}

static const char *label(struct walk *w, const char *path, uint64_t ino)
{
	struct faults_state *own = w->own;
	const char *known = faults_state_label(own, ino);

	if (w->base)
		return faults_state_label(w->base, ino);
	if (strcmp(known, "new") != 0)
		return known;
	if (own->n_inos == FAULTS_NODES)
		faults_die("more than %d inodes in a tree", FAULTS_NODES);
	own->inos[own->n_inos].ino = ino;
	snprintf(own->inos[own->n_inos].path, sizeof(own->inos[0].path), "%s",
		 path);
	return own->inos[own->n_inos++].path;
}

static const char *mtime_of(const struct stat *st)
{
	switch (st->st_mtime) {
	case FAULTS_TIME_OLD:
		return "m-old";
	case FAULTS_TIME_SET:
		return "m-set";
	default:
		return "m-now";
	}
}

static const char *atime_of(const struct stat *st)
{
	switch (st->st_atime) {
	case FAULTS_TIME_SET:
		return "a-old";
	case FAULTS_TIME_SET + 1:
		return "a-set";
	default:
		return "a-now";
	}
}

static uint64_t hash(uint64_t h, const void *data, size_t n)
{
	const unsigned char *p = data;
	uint64_t w;

	for (; n >= sizeof(w); n -= sizeof(w), p += sizeof(w)) {
		memcpy(&w, p, sizeof(w));
		h = (h ^ w) * 0x9e3779b97f4a7c15ull;
		h ^= h >> 29;
	}
	for (; n > 0; n--)
		h = (h ^ *p++) * 0x100000001b3ull;
	return h;
}

static void put_content(struct walk *w, const char *path)
{
	static char buf[1 << 18];
	int fd = openat(w->top, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	uint64_t h = 0;
	ssize_t n = -1;
	long all = 0;

	while (fd >= 0 && (n = read(fd, buf, sizeof(buf))) > 0) {
		h = hash(h, buf, (size_t)n);
		all += n;
	}
	if (n < 0)
		fprintf(w->to, " data!%s", strerrorname_np(errno));
	else
		fprintf(w->to, " data:%ld:%llx", all, (unsigned long long)h);
	if (fd >= 0)
		close(fd);
}

static void put_target(struct walk *w, const char *path)
{
	char target[256];
	ssize_t n = readlinkat(w->top, path, target, sizeof(target) - 1);

	if (n < 0) {
		fprintf(w->to, " target!%s", strerrorname_np(errno));
		return;
	}
	target[n] = '\0';
	fprintf(w->to, " ->%s", target);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void put_xattr(struct walk *w, const char *full, const char *name)
{
	unsigned char value[256];
	ssize_t n = lgetxattr(full, name, value, sizeof(value));

	if (n < 0)
		fprintf(w->to, " {%s!%s}", name, strerrorname_np(errno));
	else
		fprintf(w->to, " {%s:%zd:%llx}", name, n,
			(unsigned long long)hash(1, value, (size_t)n));
}

static void put_xattrs(struct walk *w, const char *path)
{
	char full[128], names[1024];
	const char *sorted[32];
	size_t k = 0;
	ssize_t n;

	snprintf(full, sizeof(full), "/proc/self/fd/%d/%s", w->top, path);
	n = llistxattr(full, names, sizeof(names));
	if (n < 0) {
		fprintf(w->to, " xattrs!%s", strerrorname_np(errno));
		return;
	}
	for (char *p = names; p < names + n && k < 32; p += strlen(p) + 1)
		sorted[k++] = p;
	qsort(sorted, k, sizeof(*sorted), by_name);
	for (size_t i = 0; i < k; i++)
		put_xattr(w, full, sorted[i]);
}

/* Its links and size are nobody's promise for a directory. */
static void put_stat(struct walk *w, const char *path, const struct stat *st,
		     uint64_t listed)
{
	bool dir = S_ISDIR(st->st_mode);

	fprintf(w->to, "%s %06o %u:%u n%lu s%lld d%llx %s%s %s =%s%s", path,
		st->st_mode, st->st_uid, st->st_gid,
		dir ? 0ul : (unsigned long)st->st_nlink,
		dir ? 0ll : (long long)st->st_size,
		(unsigned long long)st->st_rdev, dir ? "dir:" : "",
		mtime_of(st), atime_of(st), label(w, path, st->st_ino),
		listed && listed != st->st_ino ? " listed-otherwise" : "");
}

static void walk_dir(struct walk *w, const char *path);

static void visit(struct walk *w, const char *path, uint64_t listed)
{
	struct stat st;

	if (fstatat(w->top, path, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		fprintf(w->to, "%s !%s\n", path, strerrorname_np(errno));
		return;
	}
	put_stat(w, path, &st, listed);
	if (S_ISREG(st.st_mode))
		put_content(w, path);
	else if (S_ISLNK(st.st_mode))
		put_target(w, path);
	put_xattrs(w, path);
	fputc('\n', w->to);
	if (S_ISDIR(st.st_mode))
		walk_dir(w, path);
}

static int no_dots(const struct dirent *de)
{
	return strcmp(de->d_name, ".") != 0 && strcmp(de->d_name, "..") != 0;
}

static void walk_dir(struct walk *w, const char *path)
{
	struct dirent **list = NULL;
	int n = scandirat(w->top, path, &list, no_dots, alphasort);

	if (n < 0)
		fprintf(w->to, "%s list!%s\n", path, strerrorname_np(errno));
	for (int i = 0; i < n; i++) {
		char sub[512];

		if (strcmp(path, ".") == 0)
			snprintf(sub, sizeof(sub), "%s", list[i]->d_name);
		else
			snprintf(sub, sizeof(sub), "%s/%s", path,
				 list[i]->d_name);
		visit(w, sub, list[i]->d_ino);
		free(list[i]);
	}
	free(list);
}

void faults_state_take(struct faults_state *out, int dir,
		       const struct faults_state *base)
{
	struct walk w = { .own = out, .base = base, .top = dir };
	size_t len;

	*out = (struct faults_state){ .n_inos = 0 };
	w.to = open_memstream(&out->text, &len);
	if (!w.to)
		faults_die("no memory");
	visit(&w, ".", 0);
	fclose(w.to);
}

void faults_state_free(struct faults_state *s)
{
	free(s->text);
	s->text = NULL;
	s->n_inos = 0;
}

char *faults_state_differ(const char *was, const char *is)
{
	for (;;) {
		size_t a = strcspn(was, "\n"), b = strcspn(is, "\n");

		if (a != b || memcmp(was, is, a) != 0)
			return faults_text("should be <%.*s>, is <%.*s>",
					   (int)a, was, (int)b, is);
		if (!was[a] && !is[b])
			return NULL;
		was += was[a] ? a + 1 : a;
		is += is[b] ? b + 1 : b;
	}
}

/* Overwrite what follows `mark` everywhere, by `with`. */
static char *mask(const char *text, const char *mark, const char *with)
{
	char *copy = strdup(text);

	if (!copy)
		faults_die("no memory");
	for (char *p = copy; (p = strstr(p, mark)) != NULL; p++)
		memcpy(p + strlen(mark), with, strlen(with));
	return copy;
}

char *faults_state_undated(const char *text)
{
	return mask(text, " dir:m-", "xxx");
}

char *faults_state_stripped(const char *text)
{
	static const char cap[] = " {security.capability";
	/* A regular file's mode is 10xxxx: its third digit is the special. */
	char *copy = mask(text, " 10", "0"), *p;

	while ((p = strstr(copy, cap)) != NULL)
		memmove(p, strchr(p, '}') + 1, strlen(strchr(p, '}') + 1) + 1);
	return copy;
}

static uint64_t sum;

static int add_to_sum(const char *path, const struct stat *st, int type,
		      struct FTW *ftw)
{
	uint64_t h = hash(type, path, strlen(path));

	(void)ftw;
	h = hash(h, &st->st_ino, sizeof(st->st_ino));
	h = hash(h, &st->st_mode, sizeof(st->st_mode));
	h = hash(h, &st->st_size, sizeof(st->st_size));
	h = hash(h, &st->st_mtim, sizeof(st->st_mtim));
	h = hash(h, &st->st_ctim, sizeof(st->st_ctim));
	sum += h;
	return 0;
}

uint64_t faults_state_sum(const char *path)
{
	sum = 0;
	if (nftw(path, add_to_sum, 20, FTW_PHYS | FTW_MOUNT) < 0)
		faults_die("%s: %s", path, strerror(errno));
	return sum;
}
