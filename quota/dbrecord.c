/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "quota/dbrecord.h"

#include <errno.h>
#include <string.h>

#include "fs/base/digest.h"

#define SUM 8u
#define VALUES (DBRECORD_VALUE - SUM)

/* Of a head; its sum is the last. */
enum { AT_VERSION = 0, AT_STATE = 4, AT_ENFORCE = 8, AT_GRACE = 16 };
#define AT_BOOT (AT_GRACE + 8u * LEDGER_KINDS * LIMIT_RESOURCES)
#define AT_ID (AT_BOOT + DBRECORD_BOOT)
#define AT_SUM (AT_ID + QUOTADB_ID_MAX)

enum { STATE_DIRTY, STATE_CLEAN };

/* The sum is taken over all that is before it. */
_Static_assert(offsetof(struct dbrecord, value) == 1 + DBRECORD_KEY,
	       "a record without gaps");
_Static_assert(AT_SUM + SUM == DBRECORD_HEAD, "a head without gaps");

static void put_number(uint8_t *to, uint64_t v, unsigned bytes)
{
	for (; bytes > 0; bytes--, v >>= 8)
		*to++ = (uint8_t)v;
}

static uint64_t get_number(const uint8_t *from, unsigned bytes)
{
	uint64_t v = 0;

	while (bytes-- > 0)
		v = v << 8 | from[bytes];
	return v;
}

static uint64_t sum_of(const void *data, size_t len)
{
	struct digest d;

	digest_of(data, len, &d);
	return get_number(d.bytes, SUM);
}

/* Records. */

void dbrecord_put_id(uint8_t key[DBRECORD_KEY], uint32_t id)
{
	for (unsigned i = 0; i < DBRECORD_KEY; i++)
		key[i] = (uint8_t)(id >> 8 * (DBRECORD_KEY - 1 - i));
}

uint32_t dbrecord_id(const uint8_t key[DBRECORD_KEY])
{
	uint32_t id = 0;

	for (unsigned i = 0; i < DBRECORD_KEY; i++)
		id = id << 8 | key[i];
	return id;
}

uint64_t dbrecord_encode(struct dbrecord *d, enum ledger_kind kind, uint32_t id,
			 const struct limit_rec *r)
{
	uint8_t *p = d->value;
	uint64_t sum;

	d->kind = (uint8_t)kind;
	dbrecord_put_id(d->key, id);
	for (int i = 0; i < LIMIT_RESOURCES; i++, p += 32) {
		const struct limit *l = &r->of[i];

		put_number(p, l->usage, 8);
		put_number(p + 8, l->soft, 8);
		put_number(p + 16, l->hard, 8);
		put_number(p + 24, (uint64_t)l->deadline, 8);
	}
	sum = sum_of(d, offsetof(struct dbrecord, value) + VALUES);
	put_number(p, sum, SUM);
	return sum;
}

static bool is_possible(const struct limit *l)
{
	return l->usage <= LIMIT_MAX && l->soft <= LIMIT_MAX &&
	       l->hard <= LIMIT_MAX && (!l->hard || l->soft <= l->hard) &&
	       l->deadline >= 0;
}

int dbrecord_decode(struct dbrecord *d, struct limit_rec *out)
{
	const uint8_t *p = d->value;
	struct limit_rec r;

	if (get_number(p + VALUES, SUM) !=
	    sum_of(d, offsetof(struct dbrecord, value) + VALUES))
		return -EUCLEAN;
	for (int i = 0; i < LIMIT_RESOURCES; i++, p += 32) {
		r.of[i] = (struct limit){
			.usage = get_number(p, 8),
			.soft = get_number(p + 8, 8),
			.hard = get_number(p + 16, 8),
			.deadline = (int64_t)get_number(p + 24, 8),
		};
		if (!is_possible(&r.of[i]))
			return -EUCLEAN;
	}
	*out = r;
	return 0;
}

/* The head. */

void dbrecord_encode_head(uint8_t to[DBRECORD_HEAD],
			  const struct dbrecord_head *h)
{
	uint8_t *grace = to + AT_GRACE;

	memset(to, 0, DBRECORD_HEAD);
	put_number(to + AT_VERSION, h->version, 4);
	put_number(to + AT_STATE, h->clean ? STATE_CLEAN : STATE_DIRTY, 4);
	put_number(to + AT_ENFORCE, h->enforce, 4);
	for (int k = 0; k < LEDGER_KINDS; k++)
		for (int i = 0; i < LIMIT_RESOURCES; i++, grace += 8)
			put_number(grace, h->grace[k][i], 8);
	memcpy(to + AT_BOOT, h->boot, strnlen(h->boot, DBRECORD_BOOT - 1));
	memcpy(to + AT_ID, h->id, strnlen(h->id, QUOTADB_ID_MAX));
	put_number(to + AT_SUM, sum_of(to, AT_SUM), SUM);
}

int dbrecord_decode_head(const uint8_t *from, size_t len,
			 struct dbrecord_head *out)
{
	const uint8_t *grace = from + AT_GRACE;
	struct dbrecord_head h = { 0 };
	uint64_t state;

	/* Of every version: the version first, the sum last. */
	if (len < AT_STATE + SUM ||
	    get_number(from + len - SUM, SUM) != sum_of(from, len - SUM))
		return -EUCLEAN;
	h.version = (uint32_t)get_number(from + AT_VERSION, 4);
	if (h.version > QUOTADB_VERSION) {
		out->version = h.version;
		return -EPROTONOSUPPORT;
	}
	if (h.version != QUOTADB_VERSION || len != DBRECORD_HEAD)
		return -EUCLEAN;
	state = get_number(from + AT_STATE, 4);
	h.clean = state == STATE_CLEAN;
	h.enforce = (uint32_t)get_number(from + AT_ENFORCE, 4);
	if (state > STATE_CLEAN || h.enforce >> LEDGER_KINDS)
		return -EUCLEAN;
	for (int k = 0; k < LEDGER_KINDS; k++)
		for (int i = 0; i < LIMIT_RESOURCES; i++, grace += 8) {
			h.grace[k][i] = get_number(grace, 8);
			if (h.grace[k][i] > LIMIT_MAX)
				return -EUCLEAN;
		}
	memcpy(h.boot, from + AT_BOOT, DBRECORD_BOOT - 1);
	memcpy(h.id, from + AT_ID, QUOTADB_ID_MAX);
	*out = h;
	return 0;
}
