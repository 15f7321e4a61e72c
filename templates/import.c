/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "templates/import.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <nettle/sha2.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "fs/base/clock.h"
#include "fs/base/fdio.h"
#include "templates/aptmirror.h"
#include "templates/freeze.h"
#include "templates/importdir.h"
#include "templates/importimage.h"
#include "templates/importpriv.h"
#include "templates/importtar.h"
#include "templates/index.h"
#include "templates/paxacl.h"

/*
 * An import: a staging directory, in it the tree, beside it the pipeline that
 * feeds the pool; then the index, the sync, the seal and the rename. Whatever
 * fails, the staging directory goes and nothing else was changed.
 */

#define TELL_EVERY (100 * CLOCK_MS)
#define MAX_ENTRIES 100000000u
#define MAX_DEVICES 10000u
#define WARNINGS_MAX 20u

/* ---- what readers share -------------------------------------------------- */

static int tell(struct import *im, bool now)
{
	uint64_t t = clock_now();

	if (!im->options->progress || (!now && t - im->told < TELL_EVERY))
		return 0;
	im->told = t;
	if (im->options->progress(im->options->ctx, &im->state))
		return why_set(im->why, -ECANCELED, "cancelled");
	return 0;
}

int importpriv_read(struct import *im, uint64_t n)
{
	im->state.bytes_read += n;
	return tell(im, false);
}

int importpriv_entry(struct import *im)
{
	im->state.entries++;
	return tell(im, false);
}

void importpriv_warn(struct import *im, const char *fmt, ...)
{
	struct why line = { "" };
	char text[512];
	va_list ap;

	if (!im->options->warn || im->warned > WARNINGS_MAX)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (im->warned++ == WARNINGS_MAX)
		snprintf(text, sizeof(text), "more is not told");
	why_set(&line, 0, "%s", text);
	im->options->warn(im->options->ctx, line.text);
}

static int written(struct import *im, int r)
{
	if (r == -ENOSPC || r == -EDQUOT)
		return why_set(im->why, r,
			       "no space left in the store: free some there, "
			       "or 'vefs template gc'");
	return r < 0 ? why_sys(im->why, r, "writing files' data") : 0;
}

int importpriv_begin(struct import *im, uint64_t ino, bool sparse)
{
	return written(im, pipeline_begin(im->pipeline, ino, sparse));
}

int importpriv_data(struct import *im, uint64_t off, const void *data,
		    size_t len)
{
	uint64_t max = im->options->max_bytes;

	im->bytes_put += len;
	if (max && im->bytes_put > max)
		return why_set(im->why, -E2BIG, "more than %llu bytes of data",
			       (unsigned long long)max);
	return written(im, pipeline_data(im->pipeline, off, data, len));
}

int importpriv_end(struct import *im, uint64_t size)
{
	return written(im, pipeline_end(im->pipeline, size));
}

int importpriv_xattr(struct import *im, struct node_xattrs *to,
		     const char *name, const void *value, size_t len,
		     const char *path)
{
	static const char *const spaces[] = { "user.", "trusted.",
					      "security." };
	_cleanup_strbuf_ struct strbuf sorted = STRBUF_INIT;
	size_t name_len = strlen(name);
	int r;

	if (!strcmp(name, "system.posix_acl_access") ||
	    !strcmp(name, "system.posix_acl_default")) {
		r = paxacl_sort(value, len, &sorted);
		if (r == 0)
			return node_xattrs_add(to, name, name_len,
					       strbuf_get(&sorted), sorted.len);
		if (r != -EINVAL)
			return r;
		importpriv_warn(im, "'%s': %s makes no sense, left out", path,
				name);
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(spaces); i++) {
		size_t n = strlen(spaces[i]);

		if (!strncmp(name, spaces[i], n) && name[n])
			return node_xattrs_add(to, name, name_len, value, len);
	}
	importpriv_warn(im,
			"'%s': attribute '%s' is left out, no file can "
			"have it",
			path, name);
	return 0;
}

static int on_done(void *ctx, uint64_t ino, const struct object_put *put)
{
	struct import *im = ctx;

	if (put->shared) {
		im->state.objects_shared++;
	} else {
		im->state.objects_new++;
		im->state.bytes_new += put->size;
		im->state.blocks_new += put->blocks;
	}
	return tree_set_object(im->tree, ino, put);
}

/* ---- sources ------------------------------------------------------------- */

/* Wanted: the sum of the source's bytes? */
static const char *wanted_sha256(const struct import *im)
{
	const char *d = im->options->digest;

	return d && !strncmp(d, "sha256:", 7) ? d + 7 : NULL;
}

static int check_sum(struct import *im, struct sha256_ctx *sum)
{
	const char *want = wanted_sha256(im);
	uint8_t bytes[SHA256_DIGEST_SIZE];
	char hex[2 * SHA256_DIGEST_SIZE + 1];

	if (!want)
		return 0;
	sha256_digest(sum, sizeof(bytes), bytes);
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
	if (strcasecmp(hex, want) != 0)
		return why_set(im->why, -EKEYREJECTED,
			       "the source's digest is sha256:%s, not the one "
			       "wanted",
			       hex);
	return 0;
}

static int read_tar(struct import *im, int fd, const char *name)
{
	struct sha256_ctx sum;
	struct tarstream_source s = { .fd = fd, .name = name };
	int r;

	if (wanted_sha256(im)) {
		sha256_init(&sum);
		s.sum = &sum;
	}
	r = importtar_read(im, &s);
	if (r == 0 && im->state.entries == 0)
		return why_set(im->why, -EBADMSG, "%s has no entries", name);
	return r < 0 ? r : check_sum(im, &sum);
}

/* 1: the tar in this file, which can be read again, is an image's. */
static int looks_like_image(struct import *im, int fd, const char *name)
{
	struct tarstream_source s = { .fd = fd, .name = name };
	struct archive_entry *e;
	struct tarstream *t;
	int r = tarstream_open(im, &s, &t), got, n = 0;
	const char *path;

	if (r < 0)
		return r;
	/* directories may stand before the first file */
	do
		got = tarstream_next(t, &e);
	while (got == ARCHIVE_OK && archive_entry_filetype(e) == S_IFDIR &&
	       ++n < 8);
	path = got == ARCHIVE_OK ? archive_entry_pathname(e) : NULL;
	r = path && importimage_is_first(path);
	tarstream_free(t);
	im->state.bytes_read = 0;
	if (lseek(fd, 0, SEEK_SET) < 0)
		return why_sys(im->why, -errno, "%s", name);
	return r;
}

static int read_file(struct import *im, int fd, const struct stat *st)
{
	const char *name = im->options->source;
	bool image = im->options->kind == IMPORT_IMAGE;

	if (S_ISREG(st->st_mode)) {
		im->state.bytes_total = (uint64_t)st->st_size;
		posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
		if (im->options->kind == IMPORT_AUTO) {
			int r = looks_like_image(im, fd, name);

			if (r < 0)
				return r;
			image = r;
		}
	}
	return image ? importimage_tar(im, fd, name) : read_tar(im, fd, name);
}

static int read_dir(struct import *im, int fd)
{
	const char *name = im->options->source;
	int r = -ENOENT;

	if (im->options->kind != IMPORT_DIR)
		r = importimage_dir(im, fd, name);
	if (r == -ENOENT && im->options->kind == IMPORT_IMAGE)
		return why_set(im->why, r,
			       "%s holds no image: neither oci-layout nor "
			       "manifest.json",
			       name);
	if (r != -ENOENT || im->why->text[0])
		return r;
	if (wanted_sha256(im))
		return why_set(im->why, -EINVAL,
			       "a directory has no sha256: give the "
			       "template's digest");
	return importdir_read(im, fd, name);
}

static int wait_for(struct import *im, pid_t pid, const char *program, int r)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return why_sys(im->why, -errno, "%s", program);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return r;
	/* its own message stands above; ours of a cut tar is a consequence */
	im->why->text[0] = '\0';
	return why_set(im->why, -EBADMSG, "%s failed (%s %d): see above",
		       program, WIFEXITED(status) ? "exit" : "signal",
		       WIFEXITED(status) ? WEXITSTATUS(status)
					 : WTERMSIG(status));
}

/* What a container needs to be started, entered and looked at. */
#define DEBIAN_MORE "systemd-sysv,dbus,iproute2,procps"

static int read_debian(struct import *im, const char *suite)
{
	char *argv[] = { (char *)"mmdebstrap",
			 (char *)"--variant=minbase",
			 (char *)"--include=" DEBIAN_MORE,
			 (char *)"--format=tar",
			 (char *)"--quiet",
			 (char *)suite,
			 (char *)"-",
			 NULL,
			 NULL };
	posix_spawn_file_actions_t files;
	_cleanup_close_ int from = -1;
	char mirror[PATH_MAX];
	int fds[2], r;
	pid_t pid;

	/* without one, mmdebstrap knows where Debian is */
	if (aptmirror_find(mirror))
		argv[ARRAY_SIZE(argv) - 2] = mirror;
	if (pipe2(fds, O_CLOEXEC) < 0)
		return why_sys(im->why, -errno, "a pipe");
	from = fds[0];
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_adddup2(&files, fds[1], 1);
	r = posix_spawnp(&pid, argv[0], &files, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&files);
	close(fds[1]);
	if (r)
		return why_set(im->why, -r,
			       "mmdebstrap cannot be started (%s): install "
			       "it, or import a tar",
			       strerror(r));
	im->state.doing = "mmdebstrap";
	r = read_tar(im, from, "mmdebstrap's output");
	/* it must not wait for a reader that went away */
	close(from);
	from = -1;
	return wait_for(im, pid, "mmdebstrap", r);
}

static int read_source(struct import *im)
{
	const char *source = im->options->source;
	_cleanup_close_ int fd = -1;
	struct stat st;

	if (!strcmp(source, "-"))
		return read_file(im, 0, &(struct stat){ .st_mode = S_IFIFO });
	if (im->options->kind == IMPORT_DEBIAN ||
	    (im->options->kind == IMPORT_AUTO && stat(source, &st) < 0 &&
	     (!strcmp(source, "debian") || !strncmp(source, "debian:", 7))))
		return read_debian(im, source[6] ? source + 7 : "stable");
	fd = open(source, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return why_sys(im->why, -errno, "%s", source);
	if (S_ISDIR(st.st_mode))
		return read_dir(im, fd);
	if (im->options->kind == IMPORT_DIR)
		return why_sys(im->why, -ENOTDIR, "%s", source);
	return read_file(im, fd, &st);
}

/* ---- the whole ----------------------------------------------------------- */

static int check_digest(struct import *im, const struct seal *seal)
{
	const char *want = im->options->digest;
	char hex[DIGEST_HEX + 1];

	if (!want || wanted_sha256(im))
		return 0;
	digest_hex(&seal->digest, hex);
	if (strcasecmp(hex, want) != 0)
		return why_set(im->why, -EKEYREJECTED,
			       "the version's digest is %s, not the one wanted",
			       hex);
	return 0;
}

static int finish(struct import *im, struct catalog_id *id, struct seal *seal)
{
	const struct freeze_text texts[] = {
		{ INDEX_SOURCE, strbuf_get(&im->source), im->source.len },
		{ INDEX_CONFIG, strbuf_get(&im->config), im->config.len },
		{ NULL, NULL, 0 },
	};
	_cleanup_close_ int out = -1;
	int r = written(im, pipeline_drain(im->pipeline));

	if (r == 0)
		r = tree_finish(im->tree);
	if (r < 0)
		return r;
	im->state.doing = "indexing";
	r = tell(im, true);
	if (r < 0)
		return r;
	out = fdio_openat(im->staging.dir, "out", O_RDONLY | O_DIRECTORY, 0);
	if (out < 0)
		return why_sys(im->why, out, "the staging directory");
	r = freeze_write(im->tree, out, texts, seal, im->why);
	if (r == 0)
		r = check_digest(im, seal);
	if (r < 0)
		return r;
	im->state.doing = "syncing";
	r = tell(im, true);
	if (r == 0)
		r = staging_publish(im->catalog, &im->staging, id, seal,
				    !im->options->no_sync, im->why);
	return r;
}

static int check_options(struct import *im, const struct catalog_id *id)
{
	const char *d = im->options->digest;
	struct catalog_version there;
	size_t digits = d ? strlen(wanted_sha256(im) ? d + 7 : d) : 0;
	struct why none;

	if (d && (digits != (wanted_sha256(im) ? 64 : DIGEST_HEX) ||
		  strspn(wanted_sha256(im) ? d + 7 : d,
			 "0123456789abcdefABCDEF") != digits))
		return why_set(im->why, -EINVAL,
			       "'%s' is no digest: sha256: and 64, or %d, "
			       "hexadecimal digits",
			       d, DIGEST_HEX);
	/* told early; what counts is said at publishing */
	none.text[0] = '\0';
	if (id->version[0] && catalog_find(im->catalog, id, &there, &none) == 0)
		return why_set(im->why, -EEXIST,
			       "%s:%s is there already: take another version, "
			       "or remove it first",
			       id->name, id->version);
	return 0;
}

static int run(struct import *im, struct catalog_id *id, struct seal *seal)
{
	const struct import_options *o = im->options;
	int r = check_options(im, id);

	im->limits = (struct tree_limits){
		.entries = o->max_entries ? o->max_entries : MAX_ENTRIES,
		.devices = o->max_devices ? o->max_devices : MAX_DEVICES,
	};
	if (r == 0)
		r = staging_new(im->catalog, &im->staging, im->why);
	if (r < 0)
		return r;
	im->pool = staging_pool(im->catalog, &im->staging);
	r = tree_new(&im->tree, im->staging.dir, &im->limits, im->why);
	if (r == 0)
		r = pipeline_new(&im->pipeline, &im->pool, on_done, im);
	if (r < 0)
		return why_sys(im->why, r, "starting");
	im->state.doing = "reading";
	r = tell(im, true);
	if (r == 0)
		r = read_source(im);
	return r < 0 ? r : finish(im, id, seal);
}

int import_run(struct catalog *c, struct catalog_id *id,
	       const struct import_options *o, struct seal *seal,
	       struct import_state *state, struct why *why)
{
	struct why none = { "" };
	struct import im = {
		.catalog = c,
		.options = o,
		.staging = STAGING_NONE,
		.why = why ? why : &none,
	};
	int r = strbuf_puts(&im.source, o->source);

	if (r == 0)
		r = run(&im, id, seal);
	pipeline_free(im.pipeline);
	tree_free(im.tree);
	staging_free(c, &im.staging);
	strbuf_free(&im.source);
	strbuf_free(&im.config);
	if (state)
		*state = im.state;
	/* whoever failed said why, or the system does */
	return r < 0 ? why_sys(im.why, r, "import of %s", o->source) : 0;
}
