/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_CT_SPEC_H
#define VEFS_TOOLS_CT_SPEC_H

/*
 * spec - what a running container is to be: vefs.conf as the machine
 * understands it. Plain values, no descriptors; made by ctwords (tools/), read
 * by everything in tools/ct.
 *
 * What is "not given" is left to the kernel or to the module that uses it.
 */
#include <limits.h>
#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SPEC_UNLIMITED UINT64_MAX

/* Limits that are one number. */
enum spec_number {
	SPEC_CPUUNITS, /* share, 8..500000, 1000 is usual */
	SPEC_CPULIMIT, /* percent of one CPU */
	SPEC_RAM,      /* bytes; physpages */
	SPEC_SWAP,     /* bytes, beside RAM; swappages */
	SPEC_NUMPROC,  /* processes and threads */
	SPEC_IOPRIO,   /* 0..7, 4 is usual */
	SPEC_IOLIMIT,  /* bytes a second, reading and writing each */
	SPEC_IOPSLIMIT,
	SPEC_NUMBERS
};

#define SPEC_LIST 256u /* "0-3,8" */

struct spec_limits {
	uint32_t given; /* bit 1 << enum spec_number; others are unlimited */
	uint64_t number[SPEC_NUMBERS]; /* or SPEC_UNLIMITED */
	/* "": not given, as it is; "all": no limit; else a list */
	char cpumask[SPEC_LIST];
	char nodemask[SPEC_LIST];
};

static inline bool spec_gives(const struct spec_limits *l, enum spec_number n)
{
	return l->given & (1u << n);
}

static inline void spec_give(struct spec_limits *l, enum spec_number n,
			     uint64_t value)
{
	l->given |= 1u << n;
	l->number[n] = value;
}

/* A device that processes inside may use, and that /dev shows by this name. */
struct spec_device {
	char name[64]; /* below /dev, "net/tun"; "": it gets no node */
	char type;     /* 'c' or 'b' */
	uint32_t major, minor;
	bool read, write;
};

/* One network interface of the container, with its end on the host. */
struct spec_netif {
	char name[IFNAMSIZ];	  /* inside: "eth0" */
	char host_name[IFNAMSIZ]; /* "": veID.N */
	uint8_t mac[6], host_mac[6];
	bool has_mac, has_host_mac;
	char bridge[IFNAMSIZ]; /* that its host end joins; "": none */
};

/* A routed address. */
struct spec_ip {
	int family; /* AF_INET, AF_INET6 */
	uint8_t bytes[16];
	uint8_t prefix; /* 32, 128 where none is given */
};

struct spec_net {
	enum spec_net_mode {
		SPEC_NET_PRIVATE, /* a network of its own, as below */
		SPEC_NET_NONE,	  /* nothing but lo */
		SPEC_NET_HOST,	  /* the host's */
	} mode;
	struct spec_netif *netif; /* owned; n_netif */
	size_t n_netif;
	struct spec_ip *ip; /* owned; n_ip: on venet0 */
	size_t n_ip;
};

struct spec {
	char id[72];
	char hostname[65];    /* "": the id */
	char nameserver[512]; /* blanks between; "": left as it is; "inherit" */
	char searchdomain[512];
	uint32_t base;	/* the host's id of its root */
	uint32_t count; /* ids from there; 0: no user namespace */
	struct spec_limits limits;
	struct spec_net net;
	struct spec_device *device; /* owned; beyond the usual ones */
	size_t n_device;
	uint64_t caps_add, caps_drop; /* bits of CAP_*, on what is usual */
	/* Features; runstate.c notes them all. */
	bool fuse, tun, nesting, ppp;
	/* answered for it; on unless said otherwise */
	bool sysinfo, quotactl, affinity;
	bool writable_sys;
	bool io_uring; /* may be used, past the system call filter */
	uint32_t root_major,
		root_minor; /* of its filesystem; 0, 0: not known */
	char **init;	    /* owned, ended by NULL; NULL: found in the root */
	unsigned stop_timeout; /* seconds */
};

/* Free what it owns; it is empty afterwards. */
void spec_free(struct spec *s);

#endif
