/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/quotaask.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

#include "fs/base/cleanup.h"
#include "fs/base/fdio.h"
#include "fs/base/flockwait.h"
#include "fs/base/log.h"
#include "fs/quotactl.h"
#include "quota/command.h"
#include "quota/quotadb.h"

struct quotaask {
	const struct container *one;
	struct ledger *ledger; /* NULL: live */
	struct quotadb *db;    /* NULL: live, or there is no file */
	int upper;	       /* locked as a mount would, or -1 */
	bool fresh, certain;
};

static void close_file(FILE **f)
{
	if (*f)
		fclose(*f);
}

/* ---- a container that is not mounted -------------------------------------- */

/* umount(2) returns before the daemon has ended, and written its file. */
static int lock_upper(struct quotaask *q, struct why *why)
{
	int r;

	q->upper =
		fdio_openat(q->one->data, "upper", O_RDONLY | O_DIRECTORY, 0);
	if (q->upper < 0)
		return why_sys(why, q->upper, "container %s: upper",
			       q->one->id);
	r = flockwait(q->upper, LOCK_EX, FLOCKWAIT_ENDING);
	if (r == -EBUSY)
		return why_set(why, r,
			       "container %s: its upper is in use by a mount "
			       "that 'vefs' did not make, or that has not "
			       "ended yet",
			       q->one->id);
	return r < 0 ? why_sys(why, r, "container %s: upper", q->one->id) : 0;
}

static int refuse_file(const struct quotaask *q, int err, const char *said,
		       struct why *why)
{
	const char *id = q->one->id;

	switch (err) {
	case -EUCLEAN:
		return why_set(why, err,
			       "container %s: its " QUOTAASK_FILE
			       " is damaged (%s): the next mount sets it aside "
			       "and counts anew, or 'vefs quota check %s "
			       "--fix' does",
			       id, said, id);
	case -EPROTONOSUPPORT:
		return why_set(why, err,
			       "container %s: its " QUOTAASK_FILE
			       " is of a newer version (%s): use the vefs that "
			       "made it",
			       id, said);
	case -EXDEV:
		return why_set(why, err,
			       "container %s: its " QUOTAASK_FILE
			       " is another container's (%s): move it away, "
			       "the next mount counts anew",
			       id, said);
	default:
		return why_set(why, err, "container %s: " QUOTAASK_FILE ": %s",
			       id, said[0] ? said : strerror(-err));
	}
}

static int open_db(struct quotaask *q, enum quotaask_mode mode, struct why *why)
{
	char said[256] = "", aside[NAME_MAX + 1] = "";
	int r = quotadb_open(&q->db, q->one->dir, QUOTAASK_FILE, q->one->id,
			     said, sizeof(said));

	if (r == -EUCLEAN && mode == QUOTAASK_REBUILD) {
		r = quotadb_set_aside(q->one->dir, QUOTAASK_FILE, aside,
				      sizeof(aside));
		if (r < 0)
			return why_sys(
				why, r,
				"container %s: setting its damaged " QUOTAASK_FILE
				" aside",
				q->one->id);
		log_warn("container %s: its " QUOTAASK_FILE
			 " was damaged (%s): it is called %s now; limits of "
			 "users and groups are lost, usage is counted anew",
			 q->one->id, said, aside);
		r = quotadb_open(&q->db, q->one->dir, QUOTAASK_FILE, q->one->id,
				 said, sizeof(said));
	}
	return r < 0 ? refuse_file(q, r, said, why) : 0;
}

static int open_private(struct quotaask *q, enum quotaask_mode mode,
			struct why *why)
{
	int r = lock_upper(q, why);

	if (r < 0)
		return r;
	q->ledger = ledger_new(-1, NULL);
	if (!q->ledger)
		return why_sys(why, -ENOMEM, "container %s", q->one->id);
	q->fresh = true;
	if (mode == QUOTAASK_LOOK) {
		r = fdio_exists(q->one->dir, QUOTAASK_FILE);
		if (r <= 0)
			return r;
	}
	r = open_db(q, mode, why);
	if (r < 0)
		return r;
	q->fresh = quotadb_state(q->db) == QUOTADB_NEW;
	q->certain = quotadb_state(q->db) == QUOTADB_CLEAN;
	r = quotadb_load(q->db, q->ledger);
	return r < 0 ? refuse_file(q, r, strerror(-r), why) : 0;
}

int quotaask_save(struct quotaask *q, bool forget, struct why *why)
{
	int r;

	if (!q->db)
		return 0;
	if (forget)
		q->certain = false;
	r = quotadb_save(q->db, q->ledger, q->certain);
	return r < 0 ? refuse_file(q, r, strerror(-r), why) : 0;
}

static int changed(void *ctx)
{
	return quotaask_save(ctx, false, NULL);
}

static int64_t check(void *ctx, bool fix,
		     void (*fn)(void *ctx, const struct scan_drift *d),
		     void *fn_ctx)
{
	struct quotaask *q = ctx;
	_cleanup_close_ int index = fdio_open_beneath(
		q->one->data, "work/index", O_RDONLY | O_DIRECTORY);
	int roots[] = { q->upper, index };
	struct scan_config cfg = { .roots = roots,
				   .n_roots = index < 0 ? 1 : 2 };
	struct scan_result *found = NULL;
	int64_t n;
	int r;

	if (index < 0 && index != -ENOENT)
		return index;
	r = scan_run(&found, &cfg);
	if (r < 0)
		return r;
	n = (int64_t)scan_inodes(found);
	scan_compare(found, q->ledger, fn, fn_ctx);
	if (fix)
		r = scan_apply(found, q->ledger);
	scan_free(found);
	if (r == 0 && fix) {
		q->certain = true;
		r = quotaask_save(q, false, NULL);
	}
	return r < 0 ? r : n;
}

/* ---- both ------------------------------------------------------------------ */

int quotaask_open(struct quotaask **out, const struct container *one,
		  enum quotaask_mode mode, struct why *why)
{
	struct quotaask *q = calloc(1, sizeof(*q));
	int r = 0;

	if (!q)
		return why_sys(why, -ENOMEM, "container %s", one->id);
	q->one = one;
	q->upper = -1;
	if (container_is_mounted(one))
		q->certain = true;
	else
		r = open_private(q, mode, why);
	if (r < 0) {
		quotaask_free(q);
		return r;
	}
	*out = q;
	return 0;
}

void quotaask_free(struct quotaask *q)
{
	if (!q)
		return;
	quotadb_free(q->db);
	ledger_free(q->ledger);
	if (q->upper >= 0)
		close(q->upper);
	free(q);
}

struct ledger *quotaask_ledger(struct quotaask *q)
{
	return q->ledger;
}

bool quotaask_is_new(const struct quotaask *q)
{
	return q->fresh;
}

bool quotaask_is_certain(const struct quotaask *q)
{
	return q->certain;
}

/* The answer of the private ledger, as a file. */
static int run_private(struct quotaask *q, const char *request, char **text,
		       FILE **answer)
{
	struct command_ctx c = { .ledger = q->ledger,
				 .check = check,
				 .changed = changed,
				 .ctx = q };
	size_t len = 0;
	FILE *f = open_memstream(text, &len);

	if (!f)
		return -ENOMEM;
	command_run(&c, request, f);
	if (fclose(f) != 0)
		return -ENOMEM;
	*answer = fmemopen(*text, len, "r");
	return *answer ? 0 : -ENOMEM;
}

static int refuse_answer(const struct quotaask *q, int err, struct why *why)
{
	const char *id = q->one->id;

	if (err == -ENXIO)
		return why_set(why, err,
			       "container %s is mounted without quota: 'vefs "
			       "umount %s' and 'vefs mount %s'",
			       id, id, id);
	if (err == -EPIPE)
		return why_set(why, err,
			       "container %s: no answer, its daemon is being "
			       "restarted: try again",
			       id);
	return why_sys(why, err, "container %s: asking its daemon", id);
}

/* The first line: "ok", or "error: SENTENCE". */
static int take_verdict(const struct quotaask *q, const char *line,
			struct why *why)
{
	static const char error[] = "error: ";

	if (!strcmp(line, "ok"))
		return 0;
	if (!strncmp(line, error, strlen(error)))
		return why_set(why, -EREMOTEIO, "container %s: %s", q->one->id,
			       line + strlen(error));
	return why_set(why, -EPROTO,
		       "container %s: its daemon answered '%.200s'", q->one->id,
		       line);
}

int quotaask_run(struct quotaask *q, const char *request, quotaask_fn fn,
		 void *ctx, struct why *why)
{
	_cleanup_free_ char *text = NULL, *line = NULL;
	_cleanup_(close_file) FILE *answer = NULL;
	size_t room = 0;
	bool first = true, complete = strcmp(request, "get") != 0;
	int r = q->ledger ? run_private(q, request, &text, &answer)
			  : quotactl_ask(q->one->root, request, &answer);

	while (r == 0 && getline(&line, &room, answer) > 0) {
		char *newline = strchr(line, '\n');

		/* Who answered has died over it. */
		if (!newline) {
			r = -EPIPE;
			break;
		}
		*newline = '\0';
		if (first)
			r = take_verdict(q, line, why);
		else if (!complete && !strcmp(line, "end"))
			complete = true;
		else if (fn)
			r = fn(ctx, line);
		first = false;
	}
	if (r == 0 && (first || !complete || ferror(answer)))
		r = -EPIPE;
	return r < 0 ? refuse_answer(q, r, why) : r;
}
