/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/proc/grouppids.h"

#include <stdlib.h>
#include <string.h>

#include "fs/base/cleanup.h"
#include "fs/proc/groupwalk.h"
#include "fs/proc/procfd.h"
#include "fs/proc/proctext.h"

#define STEP 256u

static int add(struct grouppids *p, uint32_t pid)
{
	uint32_t *more;

	if (p->n % STEP == 0) {
		more = reallocarray(p->pid, p->n + STEP, sizeof(*more));
		if (!more)
			return -ENOMEM;
		p->pid = more;
	}
	p->pid[p->n++] = pid;
	return 0;
}

int grouppids_take(struct grouppids *p, const char *text)
{
	struct proctext line;
	uint64_t pid;
	int r = 0;

	while (r == 0 && p->n < GROUPPIDS_MAX && proctext_line(&text, &line))
		/* 0 is somebody in another namespace */
		if (proctext_u64(&line, &pid) && pid > 0 && pid <= INT32_MAX)
			r = add(p, (uint32_t)pid);
	return r;
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

void grouppids_sort(struct grouppids *p)
{
	unsigned n = 0;

	if (p->n)
		qsort(p->pid, p->n, sizeof(*p->pid), by_number);
	/* who moves meanwhile may be seen twice */
	for (unsigned i = 0; i < p->n; i++)
		if (n == 0 || p->pid[n - 1] != p->pid[i])
			p->pid[n++] = p->pid[i];
	p->n = n;
}

/* One of threads has none to tell; its domain above has. */
static int take_group(void *ctx, int dir, unsigned depth)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;

	(void)depth;
	if (procfd_read_at(dir, "cgroup.procs", &text) < 0)
		return 0;
	return grouppids_take(ctx, strbuf_get(&text));
}

int grouppids_read(int dir, struct grouppids *out)
{
	struct grouppids p = { .n = 0 };
	int r = dir < 0 ? -EBADF : groupwalk(dir, take_group, &p);

	if (r < 0) {
		grouppids_free(&p);
		return r;
	}
	grouppids_sort(&p);
	*out = p;
	return 0;
}

void grouppids_free(struct grouppids *p)
{
	free(p->pid);
	*p = (struct grouppids){ .n = 0 };
}

bool grouppids_has(const struct grouppids *p, uint64_t pid)
{
	uint32_t key = (uint32_t)pid;

	return pid <= INT32_MAX && p->n &&
	       bsearch(&key, p->pid, p->n, sizeof(key), by_number);
}
