/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_BASE_PARSE_H
#define VEFS_FS_BASE_PARSE_H

/*
 * parse - numbers, ids, sizes, durations and booleans as people write them.
 *
 * Every call takes the whole of a NUL-terminated string: no leading or
 * trailing blanks, no sign, decimal digits only (leading zeroes are decimal
 * too), independent of the locale. Each returns 0 and sets *out, or leaves
 * *out as it was and returns
 *	-EINVAL	what is written is not of this kind (the empty string too);
 *	-ERANGE	it is, but lies beyond what is allowed or can be held.
 * Nothing is allocated; errno is not used.
 */
#include <stdbool.h>
#include <stdint.h>

/* A number of at most MAX. */
int parse_u64(const char *s, uint64_t max, uint64_t *out);
int parse_u32(const char *s, uint32_t max, uint32_t *out);

/*
 * The digits at *cursor, which is moved behind them; whatever follows is the
 * caller's. On an error *cursor stays.
 */
int parse_u64_at(const char **cursor, uint64_t max, uint64_t *out);

/* A user or group id: UINT32_MAX is "no id" and gives -ERANGE. */
int parse_id(const char *s, uint32_t *out);

/*
 * A size in bytes: a number, then nothing or one of B K M G T in either case,
 * of 1024 each; K to T may be followed by "B" or "iB". There is no P: in
 * OpenVZ's files it means pages.
 */
int parse_size(const char *s, uint64_t *bytes);

/*
 * A duration in nanoseconds: one or more numbers, each followed by ns us ms s
 * m min h or d ("1h30m"). A single number without a unit counts UNIT_NS. Every
 * number may have a fraction ("1.5s"); what is below a nanosecond is dropped.
 */
int parse_duration(const char *s, uint64_t unit_ns, uint64_t *ns);

/* 1 on yes true, or 0 off no false; case does not matter. */
int parse_bool(const char *s, bool *out);

#endif
