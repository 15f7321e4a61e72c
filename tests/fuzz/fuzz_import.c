/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_import - any bytes as an archive. The first byte says how they are
 * read: as a tar or as an image in a tar. What is accepted must verify, and
 * export to something that imports to the same digest.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "fs/base/fdio.h"
#include "templates/export.h"
#include "templates/gc.h"
#include "templates/catalogchange.h"
#include "templates/import.h"
#include "templates/index.h"
#include "templates/verify.h"

#define DATA_MAX (8u << 20) /* of what comes out of an archive */
#define GC_EVERY 500

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct catalog *store;

static _Noreturn void fault(const char *what, const struct why *why)
{
	fprintf(stderr, "%s: %s\n", what, why->text);
	abort();
}

static void set_up(void)
{
	static char root[] = "vefs-fuzz-XXXXXX";
	struct why why = { "" };
	/* holes must not become data */
	const struct rlimit files = { 1u << 30, 1u << 30 };

	setrlimit(RLIMIT_FSIZE, &files);
	if (!mkdtemp(root) || catalog_open(root, true, &store, &why) < 0)
		fault("no store", &why);
}

static int import(int fd, const char *name, enum import_kind kind,
		  struct seal *seal, struct why *why)
{
	struct import_options o = { .kind = kind,
				    .max_bytes = DATA_MAX,
				    .max_entries = 5000,
				    .no_sync = true };
	char path[FDIO_PROC_MAX];
	struct catalog_id id;

	lseek(fd, 0, SEEK_SET);
	o.source = fdio_proc(path, fd);
	if (catalog_parse(name, &id, why) < 0)
		abort();
	return import_run(store, &id, &o, seal, NULL, why);
}

/* Before 1970 by less than a second: tar's writer has no sign for that. */
static int is_odd(void *ctx, uint64_t ino, const struct node *n)
{
	(void)ctx;
	(void)ino;
	return n->mtime.tv_sec == -1 && n->mtime.tv_nsec > 0;
}

/* Out and in again. */
static void turn(const struct catalog_id *id, const struct seal *seal)
{
	int fd = memfd_create("export", MFD_CLOEXEC), dir;
	struct why why = { "" };
	struct index *x = NULL;
	struct seal again;

	dir = catalog_hold(store, id, &why);
	if (dir < 0 || index_open(dir, INDEX_CHECK, &x) < 0)
		fault("cannot be opened", &why);
	/* sparse files beyond all measure take minutes to write out */
	if (seal->size < (64u << 20) && index_each(x, is_odd, NULL) == 0) {
		struct catalog_id b;

		if (export_tar(store, x, fd, NULL, &why) < 0)
			fault("export", &why);
		if (import(fd, "b:1", IMPORT_TAR, &again, &why) < 0)
			fault("import of an export", &why);
		if (memcmp(&again.digest, &seal->digest,
			   sizeof(again.digest)) != 0)
			fault("another digest", &why);
		catalog_parse("b:1", &b, NULL);
		if (catalogchange_remove(store, &b, NULL, &why) < 0)
			fault("remove", &why);
	}
	index_free(x);
	close(dir);
	close(fd);
}

static void on_bad(void *ctx, const char *path, const char *what)
{
	(void)ctx;
	fprintf(stderr, "%s: %s\n", path, what);
}

static void accepted(const struct seal *seal)
{
	static const struct verify_options verify = { .bad = on_bad,
						      .quick = true };
	struct why why = { "" };
	struct catalog_id id;

	catalog_parse("a:1", &id, NULL);
	if (verify_run(store, &id, &verify, &why) != 0)
		fault("what was imported does not verify", &why);
	turn(&id, seal);
	if (catalogchange_remove(store, &id, NULL, &why) < 0)
		fault("remove", &why);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static unsigned runs;
	struct why why = { "" };
	struct seal seal;
	int fd;

	if (len < 1)
		return 0;
	if (!store)
		set_up();
	fd = memfd_create("archive", MFD_CLOEXEC);
	if (write(fd, data + 1, len - 1) != (ssize_t)(len - 1))
		abort();
	if (import(fd, "a:1", data[0] & 1 ? IMPORT_IMAGE : IMPORT_TAR, &seal,
		   &why) == 0)
		accepted(&seal);
	else if (!why.text[0])
		fault("an error without a reason", &why);
	close(fd);
	if (++runs % GC_EVERY == 0) {
		const struct gc_options o = { .dry = false };
		struct gc_result res;

		if (gc_run(store, &o, &res, &why) < 0)
			fault("gc", &why);
	}
	return 0;
}
