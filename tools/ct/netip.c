/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/ct/netip.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "fs/base/cleanup.h"
#include "fs/base/parse.h"

unsigned netip_bits(int family)
{
	return family == AF_INET ? 32 : 128;
}

int netip_parse(const char *s, struct spec_ip *out)
{
	const char *slash = strchr(s, '/');
	size_t len = slash ? (size_t)(slash - s) : strlen(s);
	struct spec_ip ip = { .family = AF_INET };
	uint32_t prefix;
	char text[NETIP_TEXT];

	if (len >= sizeof(text))
		return -EINVAL;
	memcpy(text, s, len);
	text[len] = '\0';
	if (strchr(text, ':'))
		ip.family = AF_INET6;
	if (inet_pton(ip.family, text, ip.bytes) != 1)
		return -EINVAL;
	prefix = netip_bits(ip.family);
	if (slash && (parse_u32(slash + 1, prefix, &prefix) < 0 || prefix == 0))
		return -EINVAL;
	ip.prefix = (uint8_t)prefix;
	*out = ip;
	return 0;
}

const char *netip_print(const struct spec_ip *ip, char text[NETIP_TEXT])
{
	size_t len;

	if (!inet_ntop(ip->family, ip->bytes, text, NETIP_TEXT)) {
		memcpy(text, "?", 2);
		return text;
	}
	len = strlen(text);
	if (ip->prefix != netip_bits(ip->family))
		snprintf(text + len, NETIP_TEXT - len, "/%u", ip->prefix);
	return text;
}

bool netip_same(const struct spec_ip *a, const struct spec_ip *b)
{
	return a->family == b->family &&
	       memcmp(a->bytes, b->bytes, netip_bits(a->family) / 8) == 0;
}

/* Addresses that are for other things than reaching one machine. */
static const struct fault {
	int family;
	uint8_t bytes[16];
	uint8_t prefix;
	const char *what;
} faults[] = {
	{ AF_INET, { 0 }, 8, "no machine's address" },
	{ AF_INET, { 127 }, 8, "a loopback address" },
	{ AF_INET, { 169, 254 }, 16, "a link-local address" },
	{ AF_INET, { 224 }, 4, "a multicast address" },
	{ AF_INET, { 255, 255, 255, 255 }, 32, "the broadcast address" },
	{ AF_INET6, { 0 }, 127, "no machine's address, or loopback" },
	{ AF_INET6, { [10] = 0xff, 0xff }, 96, "an IPv4 address in disguise" },
	{ AF_INET6, { 0xfe, 0x80 }, 10, "a link-local address" },
	{ AF_INET6, { 0xff }, 8, "a multicast address" },
};

static bool begins(const uint8_t *bytes, const struct fault *f)
{
	unsigned whole = f->prefix / 8, rest = f->prefix % 8;

	if (memcmp(bytes, f->bytes, whole) != 0)
		return false;
	return !rest || (bytes[whole] ^ f->bytes[whole]) >> (8 - rest) == 0;
}

const char *netip_fault(const struct spec_ip *ip)
{
	if (ip->family != AF_INET && ip->family != AF_INET6)
		return "of no family that is known";
	for (size_t i = 0; i < ARRAY_SIZE(faults); i++)
		if (faults[i].family == ip->family &&
		    begins(ip->bytes, &faults[i]))
			return faults[i].what;
	return NULL;
}
