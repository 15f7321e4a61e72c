/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/ct/netend.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/ct/netplan.h"

#define DUMPS_MAX 5

struct ends {
	const char *name;
	char alias[NETMSG_ALIAS];
	struct netmsg_link *list;
	size_t n, room;
};

void netend_alias(const char *name, char out[NETMSG_ALIAS])
{
	snprintf(out, NETMSG_ALIAS, "vefs %s", name);
}

static bool is_own(const struct ends *e, const struct netmsg_link *l)
{
	if (strcmp(l->kind, "veth") != 0 || l->group != NETMSG_GROUP)
		return false;
	/* who made it may have been killed before it had its alias */
	return l->alias[0] ? strcmp(l->alias, e->alias) == 0
			   : netplan_is_name(l->name, e->name);
}

static int take_end(const struct nlmsghdr *h, void *arg)
{
	struct netmsg_link l = { 0 };
	struct ends *e = arg;

	(void)netmsg_take_link(h, &l);
	if (!is_own(e, &l))
		return 0;
	if (e->n == e->room) {
		size_t room = e->room ? e->room * 2 : 8;
		struct netmsg_link *list =
			reallocarray(e->list, room, sizeof(*list));

		if (!list)
			return -ENOMEM;
		e->list = list;
		e->room = room;
	}
	e->list[e->n++] = l;
	return 0;
}

int netend_drop(struct rtnl *r, const char *name, struct why *why)
{
	struct ends e = { .name = name };
	int err = 1;

	netend_alias(name, e.alias);
	/* others come and go meanwhile: what was left out is seen again */
	for (int i = 0; err == 1 && i < DUMPS_MAX; i++) {
		e.n = 0;
		err = rtnl_dump(r, netmsg_veths(r), take_end, &e);
	}
	for (size_t i = 0; err >= 0 && i < e.n; i++)
		netmsg_drop_link(r, e.list[i].index, e.list[i].name);
	free(e.list);
	return err < 0 ? why_sys(why, err, "looking for interfaces")
		       : rtnl_run(r, why);
}
