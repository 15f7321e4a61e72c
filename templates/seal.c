/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "templates/seal.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "fs/base/cleanup.h"
#include "fs/base/fdio.h"
#include "fs/base/parse.h"
#include "fs/base/strbuf.h"

#define SEAL_MAX 4096
#define CHUNK 262144

/* Each field is a line KEY=value; lines of keys not known are skipped. */
enum kind { NUMBER, DIGEST };

#define FIELD(key, kind, member)                                               \
	{                                                                      \
		key, kind, offsetof(struct seal, member)                       \
	}
static const struct {
	const char *key;
	enum kind kind;
	size_t offset;
} fields[] = {
	FIELD("serial", NUMBER, serial),
	FIELD("created", NUMBER, created),
	FIELD("index_size", NUMBER, index_size),
	FIELD("index_sum", DIGEST, index_sum),
	FIELD("digest", DIGEST, digest),
	FIELD("nodes", NUMBER, nodes),
	FIELD("size", NUMBER, size),
};

int seal_write(int dir, const struct seal *s)
{
	_cleanup_strbuf_ struct strbuf b = STRBUF_INIT;
	_cleanup_close_ int fd = -1;
	char hex[DIGEST_HEX + 1];
	ssize_t n;

	strbuf_addf(&b, "format=%u\n", SEAL_FORMAT);
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		const void *at = (const char *)s + fields[i].offset;

		if (fields[i].kind == NUMBER)
			strbuf_addf(&b, "%s=%llu\n", fields[i].key,
				    (unsigned long long)*(const uint64_t *)at);
		else
			strbuf_addf(&b, "%s=%s\n", fields[i].key,
				    digest_hex(at, hex));
	}
	if (strbuf_error(&b))
		return strbuf_error(&b);
	fd = openat(dir, SEAL_NAME, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
		    0600);
	if (fd < 0)
		return -errno;
	n = fdio_pwrite_full(fd, strbuf_get(&b), b.len, 0);
	if (n < 0)
		return (int)n;
	if ((size_t)n < b.len)
		return -ENOSPC;
	return fsync(fd) < 0 ? -errno : 0;
}

static int read_format(const char *text)
{
	uint32_t format;

	if (strncmp(text, "format=", 7) != 0)
		return -EUCLEAN;
	if (parse_u32(text + 7, UINT32_MAX, &format) < 0)
		return -EUCLEAN;
	return format > SEAL_FORMAT ? -EPROTONOSUPPORT : format ? 0 : -EUCLEAN;
}

static int read_field(struct seal *s, size_t i, const char *value)
{
	void *at = (char *)s + fields[i].offset;

	return fields[i].kind == NUMBER
		       ? parse_u64(value, UINT64_MAX, (uint64_t *)at)
		       : digest_parse(value, at);
}

int seal_read(int dir, struct seal *out)
{
	_cleanup_close_ int fd = -1;
	char text[SEAL_MAX + 1], *line, *rest = text;
	unsigned seen = 0;
	struct seal s = { 0 };
	ssize_t n;
	int r;

	fd = fdio_openat(dir, SEAL_NAME, O_RDONLY, 0);
	if (fd < 0)
		return fd;
	n = fdio_pread_full(fd, text, SEAL_MAX, 0);
	if (n < 0)
		return (int)n;
	text[n] = '\0';
	line = strsep(&rest, "\n");
	r = read_format(line);
	if (r < 0)
		return r;
	while ((line = strsep(&rest, "\n"))) {
		char *value = strchr(line, '=');

		if (!value)
			continue;
		*value++ = '\0';
		for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
			if (strcmp(line, fields[i].key) != 0)
				continue;
			if (read_field(&s, i, value) < 0)
				return -EUCLEAN;
			seen |= 1u << i;
		}
	}
	if (seen != (1u << ARRAY_SIZE(fields)) - 1)
		return -EUCLEAN;
	*out = s;
	return 0;
}

int seal_sum(int fd, struct digest *out, uint64_t *size)
{
	_cleanup_free_ char *buf = malloc(CHUNK);
	struct digest_state *s;
	uint64_t off = 0;
	ssize_t n;

	if (!buf)
		return -ENOMEM;
	s = digest_new();
	if (!s)
		return -ENOMEM;
	while ((n = fdio_pread_full(fd, buf, CHUNK, (off_t)off)) > 0) {
		digest_update(s, buf, (size_t)n);
		off += (uint64_t)n;
	}
	if (n == 0) {
		digest_final(s, out);
		*size = off;
	}
	digest_free(s);
	return (int)n;
}
