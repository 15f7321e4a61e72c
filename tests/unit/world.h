/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TESTS_UNIT_WORLD_H
#define VEFS_TESTS_UNIT_WORLD_H

/*
 * world - real interfaces, in network namespaces of a test's own. The test's
 * process is in `host`; `outside` is another machine on the host's network
 * 192.0.2.0/24 and fd99::/64, 2 at out0 to the host's 1 at up0; `ct` is a
 * container's. Nothing of the machine's own is touched.
 *
 * Everything is asserted, but where a result is returned.
 */
#include <stdbool.h>
#include <sys/socket.h>

#include "fs/base/cleanup.h"
#include "fs/base/strbuf.h"
#include "tools/ct/net.h"

struct world {
	int machine; /* where the process was before */
	int host, outside, ct;
	const char *lack; /* why there is none */
};

extern struct world world;

/* A fixture, and what each test begins with. */
void world_up(void);
void world_down(void);

#define need_world()                                                           \
	do {                                                                   \
		if (world.lack) {                                              \
			unit_skip(world.lack);                                 \
			return;                                                \
		}                                                              \
	} while (0)

/* Namespaces, as descriptors; the process is in a new one afterwards. */
int world_own(void);
int world_new(void);
void world_enter(int ns);

/* The container is gone, and another one comes; back in `host`. */
void world_next(void);

/* What a shell says in a namespace (out may be NULL); it must succeed. */
void world_sh(int ns, struct strbuf *out, const char *fmt, ...) _printf_(3, 4);
bool world_says(int ns, const char *command, const char *text);

/* All there is on the host that a container may leave behind; free(3) it. */
char *world_everything(void);
void world_unchanged(const char *before);

/* Words: addresses, and interfaces as "NAME[,HOST[,BRIDGE]]". */
struct world_plan {
	struct spec_net n;
	struct spec_ip ip[8];
	struct spec_netif netif[8];
};
const struct spec_net *world_plan(struct world_plan *p, const char *words);

/* net_up(), net_down(), net_change() of such plans. */
int world_try(const char *words, const char *name, struct why *why);
void world_raise(const char *words, const char *name);
void world_drop(const char *words, const char *name);
int world_try_change(const char *from, const char *to, const char *name,
		     struct why *why);
void world_change(const char *from, const char *to, const char *name);

/* A socket in a namespace; an address with the port all speak to. */
int world_udp(int ns, int family);
socklen_t world_address(const char *text, struct sockaddr_storage *out);

/* Does a packet from `from` reach the address, which is `to`'s, and back? */
bool world_talk(int from, int to, const char *text);
/* Does one of so many packets get there, at least? */
bool world_reaches(int from, int to, const char *text, int times);

#endif
