/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_CTVALUE_H
#define VEFS_TOOLS_CTVALUE_H

/*
 * ctvalue - the values of a container's configuration, as people write them.
 *
 * Each parser takes a whole string and gives 0, -EINVAL (what is written is not
 * of this kind) or -ERANGE (it is, but beyond what is allowed), with a sentence
 * in `why` that says what is allowed; what does not name it. The result is
 * changed on success only.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "templates/why.h"
#include "tools/ct/spec.h"

/* A plain number from `min` to `max`. */
int ctvalue_number(const char *s, uint64_t min, uint64_t max, uint64_t *out,
		   struct why *why);

/* yes or no, on or off. */
int ctvalue_bool(const char *s, bool *out, struct why *why);

/* What limits of OpenVZ count. */
enum ctvalue_unit {
	CTVALUE_COUNT, /* things */
	CTVALUE_BYTES,
	CTVALUE_PAGES,
};

/*
 * BARRIER[:LIMIT], the barrier alone is both. Numbers in their unit, or with
 * one of B K M G T P (pages) behind; "unlimited", and numbers that OpenVZ's
 * files have for it, are SPEC_UNLIMITED. Pages come out as bytes.
 */
int ctvalue_limits(const char *s, enum ctvalue_unit unit, uint64_t out[2],
		   struct why *why);

/* One amount of those, a number without a suffix counted `unit` bytes. */
int ctvalue_amount(const char *s, uint64_t unit, uint64_t *out,
		   struct why *why);

/* "0-3,8", or "all", which is "". */
int ctvalue_list(const char *s, char out[SPEC_LIST], struct why *why);

/* The name of a host, or of a domain. */
int ctvalue_hostname(const char *s, struct why *why);

/* The name of a network interface. */
int ctvalue_ifname(const char *s, char out[IFNAMSIZ], struct why *why);

/* "02:00:5e:10:00:01" */
int ctvalue_mac(const char *s, uint8_t out[6], struct why *why);
#define CTVALUE_MAC_TEXT 18
const char *ctvalue_print_mac(const uint8_t mac[6],
			      char text[CTVALUE_MAC_TEXT]);

/*
 * NAME:WORD, split at the last colon into name[size] and *word, which is part
 * of `s`. -EINVAL, silently.
 */
int ctvalue_pair(const char *s, char *name, size_t size, const char **word);

/*
 * The next of the parts between bytes of `ends`, of which several count as one:
 * 1 with the part in out[size], 0 at the end, -ENAMETOOLONG.
 */
int ctvalue_next(const char **cursor, const char *ends, char *out, size_t size);

/*
 * A command line: words between blanks; '..' and ".." and a backslash keep them
 * together. Owned, ended by NULL.
 */
int ctvalue_command(const char *s, char ***out, struct why *why);
void ctvalue_free_command(char **words);

#endif
