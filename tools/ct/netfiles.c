/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/ct/netfiles.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "fs/base/cleanup.h"
#include "fs/base/fdio.h"
#include "fs/base/smallfile.h"
#include "fs/base/strbuf.h"
#include "tools/ct/netip.h"

#define FILE_MAX (1u << 20)
#define NAME_MAX_LEN 64u
#define TRIES_MAX 100
#define INHERIT "inherit"
#define MARK "# vefs"

static const char *const host_files[2] = {
	"/etc/resolv.conf",
	"/run/systemd/resolve/resolv.conf",
};

struct writer {
	const struct spec *s;
	const char *const *host;
	int etc;
	char hostname[NAME_MAX_LEN + 1];
	struct why *why;
};

/* ---- files ---------------------------------------------------------------- */

/* -ENOENT; -ELOOP, -EUCLEAN for whatever is no file. */
static int read_file(int etc, const char *name, struct strbuf *out)
{
	_cleanup_close_ int path =
		openat(etc, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	return path < 0 ? -errno : smallfile_add(path, FILE_MAX, out);
}

/* A new file of a name nobody can know before. */
static int make_temporary(int etc, char name[32])
{
	for (int i = 0; i < TRIES_MAX; i++) {
		uint64_t random;
		int fd;

		if (getrandom(&random, sizeof(random), 0) != sizeof(random))
			return -EIO;
		snprintf(name, 32, ".vefs-%016llx", (unsigned long long)random);
		fd = fdio_openat(etc, name, O_WRONLY | O_CREAT | O_EXCL, 0600);
		if (fd != -EEXIST)
			return fd;
	}
	return -EEXIST;
}

/* Not synced: the next start writes again what a power cut took. */
static int fill(int fd, const struct spec *s, const struct strbuf *text)
{
	ssize_t n = fdio_pwrite_full(fd, strbuf_get(text), text->len, 0);

	if (n != (ssize_t)text->len)
		return n < 0 ? (int)n : -ENOSPC;
	if (fchown(fd, s->base, s->base) < 0 || fchmod(fd, 0644) < 0)
		return -errno;
	return 0;
}

static int replace(const struct writer *w, const char *name,
		   const struct strbuf *text)
{
	_cleanup_close_ int fd = -1;
	char temporary[32];
	int r;

	fd = make_temporary(w->etc, temporary);
	if (fd < 0)
		return fd;
	r = fill(fd, w->s, text);
	if (r == 0 && renameat(w->etc, temporary, w->etc, name) < 0)
		r = -errno;
	if (r < 0)
		unlinkat(w->etc, temporary, 0);
	return r;
}

/* `was` is what read_file() found, with what it returned. */
static int put(const struct writer *w, const char *name, int found,
	       const struct strbuf *was, const struct strbuf *text)
{
	int r = strbuf_error(text);

	if (r == 0 && found == 0 && was->len == text->len &&
	    memcmp(strbuf_get(was), strbuf_get(text), text->len) == 0)
		return 0;
	if (r == 0)
		r = replace(w, name, text);
	return r < 0 ? why_sys(w->why, r, "writing the container's /etc/%s",
			       name)
		     : 0;
}

/* ---- lines ---------------------------------------------------------------- */

/* The next line with its newline; NULL at the end. */
static const char *next_line(const char **at, const char *end, size_t *len)
{
	const char *line = *at, *newline;

	if (line == end)
		return NULL;
	newline = memchr(line, '\n', (size_t)(end - line));
	*at = newline ? newline + 1 : end;
	*len = (size_t)(*at - line);
	return line;
}

/* Does a resolver's line begin with this word? */
static bool has_word(const char *line, size_t len, const char *word)
{
	size_t n = strlen(word);

	return len > n && memcmp(line, word, n) == 0 &&
	       isspace((unsigned char)line[n]);
}

static bool is_search(const char *line, size_t len)
{
	return has_word(line, len, "search") || has_word(line, len, "domain");
}

static bool is_server(const char *line, size_t len)
{
	return has_word(line, len, "nameserver");
}

static void add_line(struct strbuf *out, const char *line, size_t len)
{
	strbuf_add(out, line, len);
	if (len && line[len - 1] != '\n')
		strbuf_putc(out, '\n');
}

/* ---- hostname ------------------------------------------------------------- */

static bool is_hostname(const char *s)
{
	size_t len = strlen(s);

	if (len == 0 || len > NAME_MAX_LEN || s[0] == '-' || s[0] == '.')
		return false;
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)s[i]) && !strchr("-._", s[i]))
			return false;
	return true;
}

static int find_hostname(struct writer *w)
{
	const char *name = w->s->hostname[0] ? w->s->hostname : w->s->id;

	if (!is_hostname(name))
		return why_set(w->why, -EINVAL,
			       "'%s' is no hostname: letters, digits, - and "
			       "., at most %u of them",
			       name, NAME_MAX_LEN);
	memcpy(w->hostname, name, strlen(name) + 1);
	return 0;
}

static int write_hostname(const struct writer *w)
{
	_cleanup_strbuf_ struct strbuf was = STRBUF_INIT, text = STRBUF_INIT;
	int found = read_file(w->etc, "hostname", &was);

	strbuf_addf(&text, "%s\n", w->hostname);
	return put(w, "hostname", found, &was, &text);
}

/* ---- hosts ---------------------------------------------------------------- */

static void add_own_line(const struct writer *w, struct strbuf *out)
{
	const struct spec_net *n = &w->s->net;
	const char *dot = strchr(w->hostname, '.');
	struct spec_ip ip = { AF_INET, { 127, 0, 1, 1 }, 32 };
	char text[NETIP_TEXT];

	for (size_t i = n->n_ip; i-- > 0;)
		if (n->ip[i].family == AF_INET || ip.family == AF_INET6 ||
		    ip.bytes[0] == 127)
			ip = n->ip[i];
	ip.prefix = (uint8_t)netip_bits(ip.family);
	strbuf_addf(out, "%s\t%s", netip_print(&ip, text), w->hostname);
	if (dot)
		strbuf_addf(out, " %.*s", (int)(dot - w->hostname),
			    w->hostname);
	strbuf_puts(out, "\t" MARK "\n");
}

static bool is_marked(const char *line, size_t len)
{
	size_t n = strlen(MARK);

	if (len && line[len - 1] == '\n')
		len--;
	return len >= n && memcmp(line + len - n, MARK, n) == 0;
}

static int write_hosts(const struct writer *w)
{
	_cleanup_strbuf_ struct strbuf was = STRBUF_INIT, text = STRBUF_INIT;
	int found = read_file(w->etc, "hosts", &was);
	const char *at = strbuf_get(&was), *line;
	const char *end = at + was.len;
	bool done = false;
	size_t len;

	if (found == -ENOENT)
		strbuf_puts(&text, "127.0.0.1\tlocalhost\n"
				   "::1\tlocalhost ip6-localhost "
				   "ip6-loopback\n");
	else if (found < 0)
		return found == -ENOMEM ? found : 0;
	while ((line = next_line(&at, end, &len))) {
		if (!is_marked(line, len)) {
			add_line(&text, line, len);
			continue;
		}
		if (!done)
			add_own_line(w, &text);
		done = true;
	}
	if (!done)
		add_own_line(w, &text);
	return put(w, "hosts", found, &was, &text);
}

/* ---- resolver ------------------------------------------------------------- */

typedef int (*each_word)(const struct writer *w, const char *word,
			 struct strbuf *out);

static int for_words(const struct writer *w, const char *words, each_word each,
		     struct strbuf *out)
{
	char word[256];
	int r = 0;

	while (r == 0) {
		size_t len;

		words += strspn(words, " \t");
		len = strcspn(words, " \t");
		if (len == 0)
			break;
		if (len >= sizeof(word))
			return -EINVAL;
		memcpy(word, words, len);
		word[len] = '\0';
		r = each(w, word, out);
		words += len;
	}
	return r;
}

static int add_server(const struct writer *w, const char *word,
		      struct strbuf *out)
{
	struct spec_ip ip;

	if (strchr(word, '/') || netip_parse(word, &ip) < 0)
		return why_set(w->why, -EINVAL,
			       "nameserver '%s' is not an address", word);
	strbuf_addf(out, "nameserver %s\n", word);
	return 0;
}

static int add_domain(const struct writer *w, const char *word,
		      struct strbuf *out)
{
	for (const char *p = word; *p; p++)
		if (!isalnum((unsigned char)*p) && !strchr("-._", *p))
			return why_set(w->why, -EINVAL,
				       "searchdomain '%s' is not a domain",
				       word);
	strbuf_addf(out, " %s", word);
	return 0;
}

/* A nameserver that is the host itself, seen from the host. */
static bool is_loopback(const char *line, size_t len)
{
	size_t start = strlen("nameserver");

	while (start < len && isspace((unsigned char)line[start]))
		start++;
	line += start;
	len -= start;
	return (len >= 4 && memcmp(line, "127.", 4) == 0) ||
	       (len >= 3 && memcmp(line, "::1", 3) == 0 &&
		(len == 3 || isspace((unsigned char)line[3])));
}

/* The lines of a resolv.conf, by kind. */
struct lines {
	struct strbuf server, search, other;
};

static void lines_free(struct lines *l)
{
	strbuf_free(&l->server);
	strbuf_free(&l->search);
	strbuf_free(&l->other);
}

static int inherit_from(const struct writer *w, const char *file,
			struct lines *in)
{
	_cleanup_close_ int fd = open(file, O_PATH | O_CLOEXEC);
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	bool all = w->s->net.mode == SPEC_NET_HOST;
	const char *at, *end, *line;
	size_t len;
	int r;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	r = smallfile_add(fd, FILE_MAX, &text);
	if (r < 0)
		return r;
	strbuf_clear(&in->server);
	strbuf_clear(&in->search);
	strbuf_clear(&in->other);
	at = strbuf_get(&text);
	end = at + text.len;
	while ((line = next_line(&at, end, &len))) {
		if (is_search(line, len))
			add_line(&in->search, line, len);
		else if (has_word(line, len, "options") ||
			 has_word(line, len, "sortlist"))
			add_line(&in->other, line, len);
		else if (is_server(line, len) &&
			 (all || !is_loopback(line, len)))
			add_line(&in->server, line, len);
	}
	return 0;
}

static int inherit(const struct writer *w, struct lines *in)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < 2 && !in->server.len; i++)
		r = inherit_from(w, w->host[i], in);
	return r < 0 ? why_sys(w->why, r, "the host's resolv.conf") : 0;
}

/* What replaces the lines of a kind; none: they stay. */
static int wanted_lines(const struct writer *w, struct lines *l)
{
	_cleanup_(lines_free) struct lines in = { 0 };
	const struct spec *s = w->s;
	bool servers = strcmp(s->nameserver, INHERIT) == 0;
	bool search = strcmp(s->searchdomain, INHERIT) == 0;
	int r = servers || search ? inherit(w, &in) : 0;

	if (r == 0 && servers) {
		strbuf_puts(&l->server, strbuf_get(&in.server));
		strbuf_puts(&l->other, strbuf_get(&in.other));
	} else if (r == 0) {
		r = for_words(w, s->nameserver, add_server, &l->server);
	}
	/* who inherits the servers and says nothing else inherits all */
	if (r == 0 && (search || (servers && !s->searchdomain[0]))) {
		strbuf_puts(&l->search, strbuf_get(&in.search));
	} else if (r == 0 && s->searchdomain[0]) {
		strbuf_puts(&l->search, "search");
		r = for_words(w, s->searchdomain, add_domain, &l->search);
		strbuf_putc(&l->search, '\n');
	}
	return r < 0 ? why_sys(w->why, r, "nameserver and searchdomain") : 0;
}

static int write_resolver(const struct writer *w)
{
	_cleanup_strbuf_ struct strbuf was = STRBUF_INIT, text = STRBUF_INIT;
	_cleanup_(lines_free) struct lines l = { 0 };
	const char *at, *end, *line;
	size_t len;
	int r = wanted_lines(w, &l), found;

	if (r < 0 || (!l.server.len && !l.search.len))
		return r;
	found = read_file(w->etc, "resolv.conf", &was);
	if (found == -ENOMEM)
		return found;
	if (found < 0 && found != -ENOENT && !l.server.len)
		return 0;
	strbuf_puts(&text, strbuf_get(&l.search));
	strbuf_puts(&text, strbuf_get(&l.server));
	strbuf_puts(&text, strbuf_get(&l.other));
	at = strbuf_get(&was);
	end = at + was.len;
	while ((line = next_line(&at, end, &len))) {
		bool ours = (l.server.len && is_server(line, len)) ||
			    (l.search.len && is_search(line, len)) ||
			    (l.other.len && (has_word(line, len, "options") ||
					     has_word(line, len, "sortlist")));

		if (!ours)
			add_line(&text, line, len);
	}
	return put(w, "resolv.conf", found, &was, &text);
}

/* ---- all ------------------------------------------------------------------ */

static int make_etc(int root, const struct spec *s)
{
	_cleanup_close_ int fd = -1;

	if (mkdirat(root, "etc", 0755) < 0)
		return -errno;
	fd = fdio_openat(root, "etc", O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return fd;
	if (fchown(fd, s->base, s->base) < 0 || fchmod(fd, 0755) < 0)
		return -errno;
	return TAKE_FD(fd);
}

static int open_etc(int root, const struct spec *s, struct why *why)
{
	int fd = fdio_openat(root, "etc", O_RDONLY | O_DIRECTORY, 0);

	if (fd == -ENOENT)
		fd = make_etc(root, s);
	if (fd == -ENOTDIR || fd == -ELOOP)
		return why_set(why, -ENOTDIR,
			       "the container's /etc is no directory, or a "
			       "symlink: nothing is written through it");
	return fd < 0 ? why_sys(why, fd, "the container's /etc") : fd;
}

int netfiles_write_from(int root, const struct spec *s,
			const char *const host[2], struct why *why)
{
	struct writer w = { .s = s, .host = host, .why = why };
	_cleanup_close_ int etc = -1;
	int r = find_hostname(&w);

	if (r < 0)
		return r;
	etc = open_etc(root, s, why);
	if (etc < 0)
		return etc;
	w.etc = etc;
	r = write_hostname(&w);
	if (r == 0)
		r = write_hosts(&w);
	if (r == 0)
		r = write_resolver(&w);
	return r < 0 ? why_sys(why, r, "the container's /etc") : 0;
}

int netfiles_write(int root, const struct spec *s, struct why *why)
{
	return netfiles_write_from(root, s, host_files, why);
}
