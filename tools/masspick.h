/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_MASSPICK_H
#define VEFS_TOOLS_MASSPICK_H

/* masspick - which of the containers there are a command is for. */
#include "tools/cmd.h"
#include "tools/container.h"

enum masspick_state {
	MASSPICK_ANY,
	MASSPICK_DOWN,
	MASSPICK_UP, /* running or suspended */
	MASSPICK_RUNNING,
	MASSPICK_SUSPENDED,
};

enum masspick_order {
	MASSPICK_BY_ID,
	MASSPICK_BOOT,	   /* BOOTORDER, the highest first; then by id */
	MASSPICK_SHUTDOWN, /* the other way round */
};

struct masspick {
	const char *match; /* a pattern of ids and names, or NULL: all */
	enum masspick_state state;
	enum masspick_order order;
	bool onboot;	/* with ONBOOT only */
	bool startable; /* none that are DISABLED */
	bool lost;	/* also those that ended when nobody looked */
};

struct masspick_list {
	char (*id)[CONTAINER_ID_MAX + 1]; /* n of them; owned */
	size_t n;
};

void masspick_free(struct masspick_list *l);

/* Those of the store. An exit code, told: no store; no memory; the pattern is
 * like none, whatever its state. */
int masspick_store(const struct cmd_common *common, const struct masspick *p,
		   struct masspick_list *out);

/* Those of operands, "101" or "101,web,103", each once. The same. */
int masspick_words(int n, char **words, struct masspick_list *out);

#endif
