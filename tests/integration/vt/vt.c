/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vt - the frame: the table of tables, reporting, and words turned to values.
 */
#include "vt.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct vt_command *const tables[] = {
	vt_name_commands, vt_data_commands, vt_map_commands,   vt_dir_commands,
	vt_wait_commands, vt_ops_commands,  vt_quota_commands, vt_own_commands,
};

#define N_TABLES (sizeof(tables) / sizeof(tables[0]))

static const struct {
	const char *word;
	int flag;
} open_words[] = {
	{ "rdonly", O_RDONLY },	      { "wronly", O_WRONLY },
	{ "rdwr", O_RDWR },	      { "creat", O_CREAT },
	{ "excl", O_EXCL },	      { "trunc", O_TRUNC },
	{ "append", O_APPEND },	      { "direct", O_DIRECT },
	{ "nofollow", O_NOFOLLOW },   { "path", O_PATH },
	{ "directory", O_DIRECTORY }, { "nonblock", O_NONBLOCK },
	{ "tmpfile", O_TMPFILE },     { "noatime", O_NOATIME },
	{ "sync", O_SYNC },
};

int vt_errno(const char *what)
{
	fprintf(stderr, "vt %s: %s\n", what, strerrorname_np(errno));
	return 1;
}

int vt_fail(const char *fmt, ...)
{
	va_list ap;

	fputs("vt: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return 1;
}

long long vt_number(const char *text)
{
	char *end;
	long long n = strtoll(text, &end, 0);

	if (end != text && *end == 'K')
		return n << 10;
	if (end != text && *end == 'M')
		return n << 20;
	if (end != text && *end == 'G')
		return n << 30;
	if (end != text && *end == '\0')
		return n;
	exit(vt_fail("not a number: %s", text) + 1);
}

int vt_open_flags(const char *words)
{
	char *copy = strdup(words);
	char *save = NULL;
	int flags = O_CLOEXEC;

	for (char *w = strtok_r(copy, ",", &save); w;
	     w = strtok_r(NULL, ",", &save)) {
		size_t i;

		for (i = 0; i < sizeof(open_words) / sizeof(open_words[0]); i++)
			if (strcmp(w, open_words[i].word) == 0)
				break;
		if (i == sizeof(open_words) / sizeof(open_words[0]))
			exit(vt_fail("not an open flag: %s", w) + 1);
		flags |= open_words[i].flag;
	}
	free(copy);
	return flags;
}

int vt_write_all(int fd, const void *buf, size_t len, off_t at)
{
	const char *p = buf;

	while (len > 0) {
		ssize_t n = pwrite(fd, p, len, at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		p += n;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

static int usage(void)
{
	for (size_t t = 0; t < N_TABLES; t++)
		for (const struct vt_command *c = tables[t]; c->name; c++)
			fprintf(stderr, "vt %s %s\n", c->name, c->usage);
	return 2;
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return usage();
	/* Several write at a time: each line whole. */
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (size_t t = 0; t < N_TABLES; t++) {
		for (const struct vt_command *c = tables[t]; c->name; c++) {
			if (strcmp(c->name, argv[1]) != 0)
				continue;
			if (argc - 2 < c->min_args)
				return vt_fail("%s %s", c->name, c->usage) + 1;
			return c->run(argc - 1, argv + 1);
		}
	}
	return usage();
}
