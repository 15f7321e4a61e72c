/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/conf.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "fs/base/cleanup.h"
#include "fs/base/fdio.h"
#include "fs/base/smallfile.h"
#include "fs/base/strbuf.h"

struct conf {
	char **lines; /* without newlines */
	size_t n;
};

struct conf *conf_new(void)
{
	return calloc(1, sizeof(struct conf));
}

void conf_free(struct conf *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->n; i++)
		free(c->lines[i]);
	free(c->lines);
	free(c);
}

static int add_line(struct conf *c, const char *s, size_t len)
{
	char *line = strndup(s, len), **more;

	more = line ? reallocarray(c->lines, c->n + 1, sizeof(*more)) : NULL;
	if (!more) {
		free(line);
		return -ENOMEM;
	}
	c->lines = more;
	c->lines[c->n++] = line;
	return 0;
}

static int split(struct conf *c, const char *text)
{
	int r = 0;

	while (r == 0 && *text) {
		size_t len = strcspn(text, "\n");

		r = add_line(c, text, len);
		text += len + (text[len] == '\n');
	}
	return r;
}

/* What stands behind "KEY=" in the line, or NULL. */
static const char *behind_key(const char *line, const char *key)
{
	size_t len = strlen(key);

	line += strspn(line, " \t");
	if (strncmp(line, key, len) != 0 || line[len] != '=')
		return NULL;
	return line + len + 1;
}

/* The value that `s` begins with; what follows it is a comment. */
static int take_value(const char *s, struct strbuf *out)
{
	char quote = *s == '"' || *s == '\'' ? *s++ : '\0';

	if (!quote)
		return strbuf_add(out, s, strcspn(s, " \t\r#"));
	for (; *s && *s != quote; s++) {
		if (quote == '"' && *s == '\\' && s[1])
			s++;
		strbuf_putc(out, *s);
	}
	return strbuf_error(out);
}

int conf_read(int dir, const char *name, struct conf **out)
{
	_cleanup_close_ int fd =
		fdio_openat(dir, name, O_RDONLY | O_NONBLOCK, 0);
	_cleanup_(conf_freep) struct conf *c = NULL;
	_cleanup_free_ char *text = NULL;
	struct stat st;
	ssize_t n;
	int r;

	if (fd < 0)
		return fd == -ELOOP ? -EUCLEAN : fd;
	r = fdio_stat(fd, &st);
	if (r < 0)
		return r;
	if (!S_ISREG(st.st_mode) || st.st_size > CONF_MAX)
		return -EUCLEAN;
	c = conf_new();
	text = malloc((size_t)st.st_size + 1);
	if (!c || !text)
		return -ENOMEM;
	n = fdio_pread_full(fd, text, (size_t)st.st_size, 0);
	if (n < 0)
		return (int)n;
	text[n] = '\0';
	if (strlen(text) != (size_t)n)
		return -EUCLEAN;
	r = split(c, text);
	if (r == 0)
		*out = TAKE_PTR(c);
	return r;
}

/* The line that counts, or -1; what stands behind its key. */
static ssize_t find(const struct conf *c, const char *key, const char **value)
{
	for (size_t i = c->n; i > 0; i--) {
		*value = behind_key(c->lines[i - 1], key);
		if (*value)
			return (ssize_t)i - 1;
	}
	return -1;
}

int conf_get(const struct conf *c, const char *key, char *value, size_t size)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	const char *written = NULL;
	int r;

	find(c, key, &written);
	if (!written)
		return -ENOENT;
	r = take_value(written, &b);
	if (r < 0)
		return r;
	if (b.len >= size)
		return -ENAMETOOLONG;
	memcpy(value, strbuf_get(&b), b.len + 1);
	return 0;
}

static void remove_key(struct conf *c, const char *key)
{
	size_t kept = 0;

	for (size_t i = 0; i < c->n; i++) {
		if (behind_key(c->lines[i], key))
			free(c->lines[i]);
		else
			c->lines[kept++] = c->lines[i];
	}
	c->n = kept;
}

int conf_set(struct conf *c, const char *key, const char *value)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	const char *old = NULL;
	ssize_t at = find(c, key, &old);
	char *line;

	if (!value) {
		remove_key(c, key);
		return 0;
	}
	if (strchr(value, '\n'))
		return -EINVAL;
	strbuf_addf(&b, "%s=\"", key);
	for (; *value; value++) {
		/* A shell may read it. */
		if (strchr("\"\\$`", *value))
			strbuf_putc(&b, '\\');
		strbuf_putc(&b, *value);
	}
	strbuf_putc(&b, '"');
	if (at < 0 && strbuf_error(&b) == 0)
		return add_line(c, strbuf_get(&b), b.len);
	line = strbuf_take(&b);
	if (!line)
		return -ENOMEM;
	free(c->lines[at]);
	c->lines[at] = line;
	return 0;
}

static int to_text(const struct conf *c, struct strbuf *b)
{
	for (size_t i = 0; i < c->n; i++) {
		strbuf_puts(b, c->lines[i]);
		strbuf_putc(b, '\n');
	}
	return strbuf_error(b);
}

int conf_write(const struct conf *c, int dir, const char *name)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	int r = to_text(c, &b);

	return r < 0 ? r : smallfile_write(dir, name, strbuf_get(&b));
}

int conf_put(const struct conf *c, int dir, const char *name)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	int r = to_text(c, &b);

	return r < 0 ? r : smallfile_put(dir, name, strbuf_get(&b));
}

int conf_create(const struct conf *c, int dir, const char *name, bool sync)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	_cleanup_close_ int fd = -1;
	int r = to_text(c, &b);
	ssize_t n;

	if (r < 0)
		return r;
	fd = fdio_openat(dir, name, O_CREAT | O_EXCL | O_WRONLY, 0600);
	if (fd < 0)
		return fd;
	n = fdio_pwrite_full(fd, strbuf_get(&b), b.len, 0);
	if (n < 0)
		return (int)n;
	if ((size_t)n < b.len)
		return -ENOSPC;
	return sync && fsync(fd) < 0 ? -errno : 0;
}

bool conf_same(const struct conf *a, const struct conf *b)
{
	bool same = a->n == b->n;

	for (size_t i = 0; same && i < a->n; i++)
		same = strcmp(a->lines[i], b->lines[i]) == 0;
	return same;
}

int conf_merge(struct conf *c, const struct conf *from)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < from->n; i++)
		r = add_line(c, from->lines[i], strlen(from->lines[i]));
	return r;
}
