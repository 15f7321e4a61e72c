/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/masspick.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs/base/cleanup.h"
#include "fs/base/log.h"
#include "tools/ctlook.h"
#include "tools/ctname.h"
#include "tools/ctwords.h"

struct one {
	char id[CONTAINER_ID_MAX + 1];
	size_t at; /* by id */
	struct ctwords_boot boot;
};

struct picking {
	const struct masspick *p;
	struct catalog *catalog;
	struct one *of; /* n of them */
	size_t n;
	bool matched;
};

void masspick_free(struct masspick_list *l)
{
	free(l->id);
	*l = (struct masspick_list){ .n = 0 };
}

/* ---- of the store ------------------------------------------------------------ */

static bool is_like(const struct picking *k, const struct container *one)
{
	char name[CONTAINER_ID_MAX + 1];

	if (!k->p->match || fnmatch(k->p->match, one->id, 0) == 0)
		return true;
	return ctname_of(catalog_dir(k->catalog), one->id, name) == 0 &&
	       fnmatch(k->p->match, name, 0) == 0;
}

static bool has_state(const struct picking *k, const struct container *one)
{
	struct ctlook look = { .state = CTLOOK_DOWN };
	bool is;

	if (k->p->state == MASSPICK_ANY)
		return true;
	ctlook_at(one, &look);
	switch (k->p->state) {
	case MASSPICK_RUNNING:
		is = look.state == CTLOOK_RUNNING;
		break;
	case MASSPICK_SUSPENDED:
		is = look.state == CTLOOK_SUSPENDED;
		break;
	case MASSPICK_UP:
		is = look.state == CTLOOK_RUNNING ||
		     look.state == CTLOOK_SUSPENDED ||
		     (k->p->lost && look.run.lost);
		break;
	default:
		is = look.state == CTLOOK_DOWN || look.state == CTLOOK_MOUNTED;
	}
	ctlook_end(&look);
	return is;
}

static int take(void *ctx, const struct container *one)
{
	struct picking *k = ctx;
	struct one mine = { .at = k->n }, *more;
	struct why why = { "" };

	if (!is_like(k, one))
		return 0;
	k->matched = true;
	if (!has_state(k, one))
		return 0;
	if ((k->p->onboot || k->p->startable ||
	     k->p->order != MASSPICK_BY_ID) &&
	    ctwords_boot(one, &mine.boot, &why) < 0)
		log_warn("container %s: %s", one->id, why.text);
	if ((k->p->onboot && !mine.boot.on) ||
	    (k->p->startable && mine.boot.disabled))
		return 0;
	more = reallocarray(k->of, k->n + 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	k->of = more;
	snprintf(mine.id, sizeof(mine.id), "%s", one->id);
	k->of[k->n++] = mine;
	return 0;
}

static int by_boot(const void *a, const void *b)
{
	const struct one *x = a, *y = b;

	if (x->boot.has_order != y->boot.has_order)
		return x->boot.has_order ? -1 : 1;
	if (x->boot.has_order && x->boot.order != y->boot.order)
		return x->boot.order > y->boot.order ? -1 : 1;
	return x->at < y->at ? -1 : 1;
}

static int by_shutdown(const void *a, const void *b)
{
	return by_boot(b, a);
}

static int give(struct picking *k, struct masspick_list *out)
{
	struct masspick_list l = { .id = calloc(k->n + 1, sizeof(*l.id)) };

	if (!l.id)
		return -ENOMEM;
	if (k->p->order != MASSPICK_BY_ID && k->n)
		qsort(k->of, k->n, sizeof(*k->of),
		      k->p->order == MASSPICK_BOOT ? by_boot : by_shutdown);
	for (; l.n < k->n; l.n++)
		memcpy(l.id[l.n], k->of[l.n].id, sizeof(*l.id));
	*out = l;
	return 0;
}

int masspick_store(const struct cmd_common *common, const struct masspick *p,
		   struct masspick_list *out)
{
	struct picking k = { .p = p };
	struct why why = { "" };
	int r;

	k.catalog = cmd_open(common, false);
	if (!k.catalog)
		return CMD_FAILED;
	r = container_each(k.catalog, take, &k, &why);
	if (r == 0)
		r = give(&k, out);
	catalog_free(k.catalog);
	free(k.of);
	if (r < 0)
		return cmd_fail(r, &why);
	if (!p->match || k.matched)
		return CMD_OK;
	masspick_free(out);
	log_error("no container is like '%s': 'vefs list -a' shows which "
		  "there are",
		  p->match);
	return CMD_FAILED;
}

/* ---- of words ---------------------------------------------------------------- */

static bool has(const struct masspick_list *l, const char *id)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->id[i], id) == 0)
			return true;
	return false;
}

/* An exit code. */
static int add(struct masspick_list *l, const char *id)
{
	struct why why = { "" };
	void *more;
	int r = container_check_id(id, &why);

	if (r < 0) {
		cmd_fail(r, &why);
		return CMD_USAGE;
	}
	if (has(l, id))
		return CMD_OK;
	more = reallocarray(l->id, l->n + 1, sizeof(*l->id));
	if (!more)
		return cmd_fail(-ENOMEM, &why);
	l->id = more;
	snprintf(l->id[l->n++], sizeof(*l->id), "%s", id);
	return CMD_OK;
}

int masspick_words(int n, char **words, struct masspick_list *out)
{
	int status = CMD_OK;

	*out = (struct masspick_list){ .n = 0 };
	for (int i = 0; i < n && status == CMD_OK; i++) {
		_cleanup_free_ char *copy = strdup(words[i]);
		char *rest = copy, *id;

		if (!copy)
			status = cmd_fail(-ENOMEM, &(struct why){ "" });
		while (status == CMD_OK && (id = strsep(&rest, ",")))
			status = add(out, id);
	}
	if (status != CMD_OK)
		masspick_free(out);
	return status;
}
