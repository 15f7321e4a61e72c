/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/fuseproctext.h"

#include <stdio.h>
#include <string.h>

#include "fs/base/cleanup.h"
#include "fs/base/clock.h"
#include "fs/base/log.h"
#include "fs/proc/procgather.h"
#include "fs/proc/procubc.h"
#include "fs/proc/ubckept.h"

#define KEEP_NS (10 * CLOCK_S)

/*
 * Each mount has a thread, and everything of it is that thread's; the numbers
 * are shared, under source_lock().
 *
 * shared: an image is a file's text as it was told last. GETATTR makes a new
 * one when the old is older than the file's time to live; if it is another
 * text, the file's time changes, and the kernel drops what it has cached.
 * READs then come for that same image. Images that have had their time are
 * freed when another is made: nobody asks for them before asking for
 * attributes.
 *
 * opened: each opening has its image, until RELEASE. One that a former server
 * made is made anew by the first READ.
 */
uint32_t fuseproctext_cpus(struct fuseproc_server *s)
{
	uint32_t n;

	source_lock(s->source);
	n = source_get(s->source, SOURCE_CPU)->cpus;
	source_unlock(s->source);
	return n;
}

static const char *file_name(const char *path)
{
	return strrchr(path, '/') + 1;
}

static int read_caller(struct fuseproc_server *s, pid_t caller,
		       struct strbuf *out)
{
	char name[48];

	/* A reader whom we cannot see is shown nothing. */
	if (caller <= 0)
		return 0;
	snprintf(name, sizeof(name), "%d/mounts", caller);
	return source_host(s->source, name, out);
}

static bool find_pressure(const char *path, enum group_file *out)
{
	static const struct {
		const char *path;
		enum group_file file;
	} all[] = { { "proc/pressure/cpu", GROUP_PSI_CPU },
		    { "proc/pressure/io", GROUP_PSI_IO },
		    { "proc/pressure/memory", GROUP_PSI_MEMORY } };

	for (unsigned i = 0; i < ARRAY_SIZE(all); i++)
		if (strcmp(path, all[i].path) == 0) {
			*out = all[i].file;
			return true;
		}
	return false;
}

bool fuseproctext_is_there(const struct fuseproc_server *s,
			   const struct procfiles_node *node)
{
	enum group_file f;

	return !node->row || !find_pressure(node->row->path, &f) ||
	       group_tells(source_group(s->source), f);
}

/* Switched off, it says EOPNOTSUPP. */
static int read_pressure(const struct fuseproc_server *s, const char *path,
			 struct strbuf *out)
{
	enum group_file f;

	return find_pressure(path, &f)
		       ? group_text(source_group(s->source), f, out)
		       : -ENOENT;
}

/* Who asks seldom finds what is noted; a crash of the host forgets the rest. */
static void keep_beans(struct fuseproc_server *s)
{
	const struct procstate_bean *bean = s->cfg->state->numbers.bean;
	uint64_t now = clock_now();
	int r;

	if (s->cfg->kept < 0 || (s->kept_at && now - s->kept_at < KEEP_NS) ||
	    memcmp(s->kept, bean, sizeof(s->kept)) == 0)
		return;
	s->kept_at = now;
	memcpy(s->kept, bean, sizeof(s->kept));
	r = ubckept_save(s->cfg->kept, bean);
	if (r < 0)
		log_warn("container %s: " UBCKEPT_FILE ": %s", s->cfg->names.id,
			 strerror(-r));
}

void fuseproctext_last(struct fuseproc_server *s)
{
	const struct procfiles_row *row = s->rows;
	struct procubc_row rows[PROCUBC_ROWS];
	struct procview v = { .names = &s->cfg->names,
			      .bean = s->cfg->state->numbers.bean,
			      .host = "" };

	while (row->render != procubc_render)
		row++;
	source_lock(s->source);
	v.n = source_get(s->source, row->parts);
	procubc_rows(&v, rows);
	source_unlock(s->source);
}

int fuseproctext_render(struct fuseproc_server *s,
			const struct procfiles_node *node, pid_t caller,
			struct strbuf *out)
{
	_cleanup_strbuf_ struct strbuf host = STRBUF_INIT;
	struct procextra extra;
	struct procview v = { .names = &s->cfg->names,
			      .extra = &extra,
			      .bean = s->cfg->state->numbers.bean,
			      .cpu = node->cpu };
	const struct procfiles_row *row = node->row;
	int r = 0;

	if (row->from == PROCFILES_HOST)
		r = source_host(s->source, file_name(row->path), &host);
	else if (row->from == PROCFILES_CALLER)
		r = read_caller(s, caller, &host);
	else if (row->from == PROCFILES_EXTRA)
		procgather(s->gather, s->source, &extra);
	else if (row->from == PROCFILES_PRESSURE)
		r = read_pressure(s, row->path, &host);
	if (row->from != PROCFILES_EXTRA)
		v.extra = NULL;
	if (r < 0 && row->from == PROCFILES_CALLER)
		return -EACCES;
	if (r < 0 && row->from == PROCFILES_PRESSURE)
		return r;
	v.host = strbuf_get(&host);
	source_lock(s->source);
	v.n = source_get(s->source, row->parts);
	row->render(&v, out);
	source_unlock(s->source);
	if (row->render == procubc_render)
		keep_beans(s);
	return strbuf_error(out);
}

static bool is_same(const struct strbuf *a, const struct strbuf *b)
{
	return a->len == b->len &&
	       !memcmp(strbuf_get(a), strbuf_get(b), a->len);
}

void fuseproctext_set(struct fuseproc_image *i, struct strbuf *text)
{
	i->at = clock_now();
	if (i->changed.tv_sec && is_same(&i->text, text)) {
		strbuf_free(text);
		return;
	}
	strbuf_free(&i->text);
	i->text = *text;
	*text = (struct strbuf)STRBUF_INIT;
	clock_gettime(CLOCK_REALTIME, &i->changed);
}

static uint64_t ttl_ns(const struct procfiles_row *row)
{
	return row->ttl * CLOCK_MS;
}

/* Large texts that have had their time. */
static void drop_old(struct fuseproc_mount *m,
		     const struct fuseproc_image *keep)
{
	uint64_t now = clock_now();

	for (unsigned i = 0; i < m->s->n_rows; i++) {
		struct fuseproc_image *one = &m->image[i];

		if (one == keep || one->text.len < 2048 ||
		    now - one->at < 4 * ttl_ns(&m->s->rows[i]))
			continue;
		strbuf_free(&one->text);
		one->at = 0;
		/* whatever it will be, it has changed */
		one->changed.tv_sec = 0;
	}
}

int fuseproctext_get(struct fuseproc_mount *m,
		     const struct procfiles_node *node, bool fresh,
		     struct fuseproc_image **out)
{
	struct fuseproc_image *i = &m->image[node->index];
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	int r;

	*out = i;
	if (i->at && (!fresh || clock_now() - i->at < ttl_ns(node->row)))
		return 0;
	r = fuseproctext_render(m->s, node, 0, &text);
	if (r < 0)
		return r;
	fuseproctext_set(i, &text);
	drop_old(m, i);
	return 0;
}
