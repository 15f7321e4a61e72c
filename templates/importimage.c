/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "templates/importimage.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <jansson.h>
#include <linux/openat2.h>
#include <locale.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "fs/base/cleanup.h"
#include "fs/base/fdio.h"
#include "templates/importtar.h"

/*
 * An image in a tar is first written into the staging directory, because its
 * manifest may come last. What its names say is resolved by the kernel inside
 * that directory alone (RESOLVE_IN_ROOT): old docker archives have symlinks
 * between layers. Blobs named by a digest are checked against it while they
 * are read.
 */

#define TEXT_MAX (8u * 1024u * 1024u)
#define LAYERS_MAX 4096u
#define HEX256 64

struct image {
	struct import *im;
	int dir;
	const char *name;
	uint64_t entries, bytes; /* of the tar, as far as unpacked */
};

bool importimage_is_first(const char *path)
{
	static const char *const known[] = {
		"manifest.json", "oci-layout", "index.json",
		"repositories",	 "blobs/",
	};
	size_t hex;

	while (path[0] == '.' && path[1] == '/')
		path += 2;
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (!strncmp(path, known[i], strlen(known[i])))
			return true;
	hex = strspn(path, "0123456789abcdef");
	return hex == HEX256 &&
	       (path[hex] == '/' || !strcmp(path + hex, ".json") ||
		!strcmp(path + hex, ".tar"));
}

/* ---- files of an image --------------------------------------------------- */

static int open_in(int dir, const char *path)
{
	return fdio_resolve(dir, path, O_RDONLY | O_NONBLOCK,
			    RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
}

static int bad(struct image *g, const char *what)
{
	return why_set(g->im->why, -EBADMSG, "the image %s is damaged: %s",
		       g->name, what);
}

static int missing(struct image *g, int r, const char *path)
{
	if (r == -ENOENT)
		return why_set(g->im->why, -EBADMSG,
			       "the image %s: its file '%s' is missing",
			       g->name, path);
	return why_sys(g->im->why, r, "the image %s, file '%s'", g->name, path);
}

/* Open what is a regular file. */
static int open_file(struct image *g, const char *path)
{
	int fd = open_in(g->dir, path);
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return -ENOENT;
	}
	return fd;
}

static bool sum_is(struct sha256_ctx *sum, const char *hex)
{
	char got[2 * SHA256_DIGEST_SIZE + 1];
	uint8_t bytes[SHA256_DIGEST_SIZE];

	sha256_digest(sum, sizeof(bytes), bytes);
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(got + 2 * i, 3, "%02x", bytes[i]);
	return strcasecmp(got, hex) == 0;
}

/* The text of a small file; its sum is checked if `hex` is given. */
static int read_text(struct image *g, const char *path, const char *hex,
		     struct strbuf *out)
{
	_cleanup_close_ int fd = open_file(g, path);
	struct sha256_ctx sum;
	struct stat st;
	ssize_t n;
	int r;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (st.st_size > (off_t)TEXT_MAX)
		return bad(g, "a description beyond all measure");
	strbuf_clear(out);
	r = strbuf_reserve(out, (size_t)st.st_size);
	if (r < 0)
		return r;
	n = fdio_pread_full(fd, out->s, (size_t)st.st_size, 0);
	if (n < 0)
		return (int)n;
	out->s[n] = '\0';
	out->len = (size_t)n;
	if (!hex)
		return 0;
	sha256_init(&sum);
	sha256_update(&sum, out->len, (const uint8_t *)out->s);
	return sum_is(&sum, hex) ? 0
				 : why_set(g->im->why, -EKEYREJECTED,
					   "the image %s: '%s' has another "
					   "digest than its name",
					   g->name, path);
}

static int read_json(struct image *g, const char *path, const char *hex,
		     json_t **out)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	int r = read_text(g, path, hex, &text);

	if (r < 0)
		return r;
	*out = json_loadb(strbuf_get(&text), text.len, 0, NULL);
	return *out ? 0 : bad(g, "a description is no JSON");
}

/* One layer; with `hex` it must have that sum. */
static int put_layer(struct image *g, const char *path, const char *hex)
{
	_cleanup_close_ int fd = open_file(g, path);
	struct sha256_ctx sum = { 0 };
	struct tarstream_source s = {
		.fd = fd,
		.name = path,
		.layer = true,
		.sum = hex ? &sum : NULL,
	};
	int r;

	if (fd < 0)
		return missing(g, fd, path);
	sha256_init(&sum);
	r = tree_next_layer(g->im->tree);
	if (r == 0)
		r = importtar_read(g->im, &s);
	if (r == 0 && hex && !sum_is(&sum, hex))
		return why_set(g->im->why, -EKEYREJECTED,
			       "the image %s: layer '%s' has another digest "
			       "than its name",
			       g->name, path);
	return r;
}

static int keep_config(struct image *g, const char *path, const char *hex)
{
	int r = read_text(g, path, hex, &g->im->config);

	return r < 0 ? missing(g, r, path) : 0;
}

/* ---- OCI image layout ---------------------------------------------------- */

/* A descriptor's blob: its path, in which its hexadecimal digest stands. */
static int blob_of(struct image *g, const json_t *descriptor, char path[128],
		   const char **hex)
{
	const char *digest =
		json_string_value(json_object_get(descriptor, "digest"));

	if (!digest || strncmp(digest, "sha256:", 7) != 0 ||
	    strlen(digest + 7) != HEX256 ||
	    strspn(digest + 7, "0123456789abcdef") != HEX256)
		return bad(g, "a digest is none, or not of sha256");
	snprintf(path, 128, "blobs/sha256/%s", digest + 7);
	*hex = path + strlen("blobs/sha256/");
	return 0;
}

static const char *machine_arch(void)
{
#if defined(__x86_64__)
	return "amd64";
#elif defined(__aarch64__)
	return "arm64";
#else
	return "";
#endif
}

/* A platform that says nothing is ours. */
static bool is_linux(const json_t *platform)
{
	const char *os = json_string_value(json_object_get(platform, "os"));

	return !os || !strcmp(os, "linux");
}

/* Of several manifests the one for this machine, else the only one. */
static const json_t *choose(const json_t *index)
{
	const json_t *all = json_object_get(index, "manifests"), *one = NULL;
	size_t n = json_array_size(all);

	for (size_t i = 0; i < n; i++) {
		const json_t *m = json_array_get(all, i);
		const json_t *platform = json_object_get(m, "platform");
		const char *arch = json_string_value(
			json_object_get(platform, "architecture"));

		if (!is_linux(platform))
			continue;
		if (arch && !strcmp(arch, machine_arch()))
			return m;
		one = m;
	}
	return n == 1 ? one : NULL;
}

static int put_layers(struct image *g, const json_t *manifest)
{
	const json_t *layers = json_object_get(manifest, "layers");
	size_t n = json_array_size(layers);
	const char *hex = NULL;
	char path[128];
	int r = blob_of(g, json_object_get(manifest, "config"), path, &hex);

	if (r == 0)
		r = keep_config(g, path, hex);
	if (r == 0 && (n == 0 || n > LAYERS_MAX))
		return bad(g, "it has no layers, or far too many");
	for (size_t i = 0; i < n && r == 0; i++) {
		r = blob_of(g, json_array_get(layers, i), path, &hex);
		if (r == 0)
			r = put_layer(g, path, hex);
	}
	return r;
}

/* The manifest must be the one that --digest=sha256:... names. */
static int check_wanted(struct image *g, const char *hex)
{
	const char *want = g->im->options->digest;

	if (!want || strncmp(want, "sha256:", 7) != 0)
		return 0;
	return strcasecmp(want + 7, hex) == 0
		       ? 0
		       : why_set(g->im->why, -EKEYREJECTED,
				 "the image's digest is sha256:%s, not the "
				 "one wanted",
				 hex);
}

static int put_oci(struct image *g)
{
	const char *hex = NULL;
	json_t *j = NULL;
	char path[128];
	int r = read_json(g, "index.json", NULL, &j);

	if (r < 0)
		return missing(g, r, "index.json");
	/* an index may lead to another, of platforms */
	for (int depth = 0; r == 0 && depth < 4; depth++) {
		const json_t *m = json_object_get(j, "manifests") ? choose(j)
								  : NULL;
		json_t *next = NULL;

		if (json_object_get(j, "layers"))
			break;
		if (!m)
			r = bad(g, "no manifest for this machine");
		else
			r = blob_of(g, m, path, &hex);
		if (r == 0) {
			r = read_json(g, path, hex, &next);
			if (r < 0)
				missing(g, r, path);
		}
		json_decref(j);
		j = next;
	}
	if (r == 0)
		r = hex ? check_wanted(g, hex) : bad(g, "no manifest");
	if (r == 0)
		r = put_layers(g, j);
	json_decref(j);
	return r;
}

/* ---- docker archive ------------------------------------------------------ */

static int put_docker(struct image *g)
{
	const json_t *one, *layers;
	const char *config, *path;
	json_t *j = NULL;
	size_t n;
	int r = read_json(g, "manifest.json", NULL, &j);

	if (r < 0)
		return missing(g, r, "manifest.json");
	one = json_array_get(j, 0);
	layers = json_object_get(one, "Layers");
	config = json_string_value(json_object_get(one, "Config"));
	n = json_array_size(layers);
	if (json_array_size(j) != 1)
		r = why_set(g->im->why, -EBADMSG,
			    "%s holds %zu images: save one alone", g->name,
			    json_array_size(j));
	else if (!config || n == 0 || n > LAYERS_MAX)
		r = bad(g, "manifest.json lacks Config or Layers");
	else if (g->im->options->digest &&
		 !strncmp(g->im->options->digest, "sha256:", 7))
		r = why_set(g->im->why, -EINVAL,
			    "a docker archive has no manifest digest: give "
			    "the template's, or save as OCI");
	if (r == 0)
		r = keep_config(g, config, NULL);
	for (size_t i = 0; i < n && r == 0; i++) {
		path = json_string_value(json_array_get(layers, i));
		r = path ? put_layer(g, path, NULL) : bad(g, "a layer's name");
	}
	json_decref(j);
	return r;
}

int importimage_dir(struct import *im, int dir, const char *name)
{
	struct image g = { .im = im, .dir = dir, .name = name };
	int oci = open_file(&g, "oci-layout");
	int docker = open_file(&g, "manifest.json");

	if (oci >= 0)
		close(oci);
	if (docker >= 0)
		close(docker);
	if (oci >= 0)
		return put_oci(&g);
	if (docker >= 0)
		return put_docker(&g);
	return -ENOENT;
}

/* ---- an image in a tar --------------------------------------------------- */

/*
 * The directory of `path` below `dir`, made where it is missing, through no
 * symlink; *last is the name in it. A descriptor or -errno.
 */
static int open_parent(int dir, const char *path, const char **last)
{
	_cleanup_close_ int at = fdio_reopen(dir, O_RDONLY | O_DIRECTORY);
	char part[256];

	for (;;) {
		size_t len = strcspn(path, "/");
		int next;

		if (at < 0 || !path[len]) {
			*last = path;
			return TAKE_FD(at);
		}
		if (len >= sizeof(part))
			return -ENAMETOOLONG;
		memcpy(part, path, len);
		part[len] = '\0';
		path += len + strspn(path + len, "/");
		if (!len || !strcmp(part, "."))
			continue;
		if (mkdirat(at, part, 0700) < 0 && errno != EEXIST)
			return -errno;
		next = fdio_openat(at, part, O_RDONLY | O_DIRECTORY, 0);
		close(at);
		at = next;
	}
}

static bool is_plain(const char *path)
{
	unsigned depth = 0;

	if (!*path || *path == '/' || strlen(path) >= 512)
		return false;
	for (const char *p = path; *p; p += strcspn(p, "/")) {
		while (*p == '/')
			p++;
		if (!strncmp(p, "..", 2) && (p[2] == '/' || !p[2]))
			return false;
		if (++depth > 8)
			return false;
	}
	return true;
}

/* The archive's own files are held to the limits of the tree's. */
static int count(struct image *g, uint64_t entries, uint64_t bytes)
{
	uint64_t max = g->im->options->max_bytes;

	g->entries += entries;
	g->bytes += bytes;
	if (g->entries > g->im->limits.entries)
		return why_set(g->im->why, -E2BIG,
			       "unpacking %s: more than %llu entries", g->name,
			       (unsigned long long)g->im->limits.entries);
	if (max && g->bytes > max)
		return why_set(g->im->why, -E2BIG,
			       "unpacking %s: more than %llu bytes of data",
			       g->name, (unsigned long long)max);
	return 0;
}

static int unpack_data(struct image *g, struct tarstream *t, int fd)
{
	struct archive *a = tarstream_archive(t);
	const void *data;
	la_int64_t off;
	size_t len;
	ssize_t n;
	int got, r;

	while ((got = archive_read_data_block(a, &data, &len, &off)) ==
	       ARCHIVE_OK) {
		r = count(g, 0, len);
		if (r < 0)
			return r;
		n = fdio_pwrite_full(fd, data, len, off);
		if (n < 0 || (size_t)n < len)
			return why_sys(g->im->why, n < 0 ? (int)n : -ENOSPC,
				       "unpacking %s into the store", g->name);
	}
	return got == ARCHIVE_EOF ? 0 : tarstream_failed(t);
}

static int unpack_failed(struct image *g, int r, const char *path)
{
	if (r == -EEXIST)
		return bad(g, "a name that comes twice");
	return why_sys(g->im->why, r, "unpacking '%s' of %s", path, g->name);
}

static int unpack_one(struct image *g, struct tarstream *t,
		      struct archive_entry *e)
{
	const char *path = archive_entry_pathname(e), *name = "";
	const char *link = archive_entry_symlink(e);
	_cleanup_close_ int fd = -1, parent = -1;

	if (!path || archive_entry_hardlink(e))
		return bad(g, "a hard link, or a name that cannot be read");
	if (archive_entry_filetype(e) == AE_IFDIR)
		return 0;
	if (!is_plain(path))
		return bad(g, "a name that is absolute, has '..' or is deep");
	if (!link && archive_entry_filetype(e) != AE_IFREG)
		return bad(g, "something that is no file");
	parent = open_parent(g->dir, path, &name);
	if (parent < 0)
		return unpack_failed(g, parent, path);
	if (link)
		return symlinkat(link, parent, name) < 0
			       ? unpack_failed(g, -errno, path)
			       : 0;
	fd = fdio_openat(parent, name, O_WRONLY | O_CREAT | O_EXCL, 0600);
	return fd < 0 ? unpack_failed(g, fd, path) : unpack_data(g, t, fd);
}

static int unpack(struct image *g, const struct tarstream_source *s)
{
	struct archive_entry *e;
	struct tarstream *t;
	int r = tarstream_open(g->im, s, &t), got = ARCHIVE_OK;

	if (r < 0)
		return r;
	while (r == 0 && (got = tarstream_next(t, &e)) >= ARCHIVE_WARN) {
		if (got == ARCHIVE_EOF)
			break;
		r = count(g, 1, 0);
		if (r == 0)
			r = unpack_one(g, t, e);
	}
	if (r == 0 && got != ARCHIVE_EOF)
		r = tarstream_failed(t);
	tarstream_free(t);
	return r;
}

int importimage_tar(struct import *im, int fd, const char *name)
{
	struct tarstream_source s = { .fd = fd, .name = name };
	struct image g = { .im = im, .name = name };
	_cleanup_close_ int dir = -1;
	int r;

	if (mkdirat(im->staging.dir, "image", 0700) < 0)
		return why_sys(im->why, -errno, "the staging directory");
	dir = fdio_openat(im->staging.dir, "image", O_RDONLY | O_DIRECTORY, 0);
	if (dir < 0)
		return why_sys(im->why, dir, "the staging directory");
	g.dir = dir;
	im->state.doing = "unpacking";
	r = unpack(&g, &s);
	im->state.doing = "reading";
	im->state.bytes_read = 0;
	if (r == 0)
		r = importimage_dir(im, dir, name);
	return r == -ENOENT && !im->why->text[0]
		       ? bad(&g, "neither oci-layout nor manifest.json")
		       : r;
}
