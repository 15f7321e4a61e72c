/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_QUOTA_DBRECORD_H
#define VEFS_QUOTA_DBRECORD_H

/*
 * dbrecord - what stands in a quota.mdb, as bytes: the head and the records.
 * Each carries a sum of itself, a record's with its key: what can be decoded
 * is what was encoded. fs/FORMAT.md has the format.
 */
#include <stddef.h>
#include <stdint.h>

#include "quota/ledger.h"
#include "quota/quotadb.h"

/* Records: a key, an id that sorts, and a value. */

#define DBRECORD_KEY 4u
#define DBRECORD_VALUE (8u * 4u * LIMIT_RESOURCES + 8u)

struct dbrecord {
	uint8_t kind; /* for the sum */
	uint8_t key[DBRECORD_KEY];
	uint8_t value[DBRECORD_VALUE];
};

void dbrecord_put_id(uint8_t key[DBRECORD_KEY], uint32_t id);
uint32_t dbrecord_id(const uint8_t key[DBRECORD_KEY]);

/* Returns the sum. */
uint64_t dbrecord_encode(struct dbrecord *d, enum ledger_kind kind, uint32_t id,
			 const struct limit_rec *r);
/* 0, or -EUCLEAN: another length, another sum, or not possible. */
int dbrecord_decode(struct dbrecord *d, struct limit_rec *out);

/* The head. */

#define DBRECORD_BOOT 40u
#define DBRECORD_HEAD                                                          \
	(16u + 8u * LEDGER_KINDS * LIMIT_RESOURCES + DBRECORD_BOOT +           \
	 QUOTADB_ID_MAX + 8u)

struct dbrecord_head {
	uint32_t version;
	bool clean;
	uint32_t enforce; /* a bit for each kind */
	uint64_t grace[LEDGER_KINDS][LIMIT_RESOURCES];
	char boot[DBRECORD_BOOT]; /* with a NUL */
	char id[QUOTADB_ID_MAX + 1];
};

void dbrecord_encode_head(uint8_t to[DBRECORD_HEAD],
			  const struct dbrecord_head *h);
/*
 * 0; -EUCLEAN; -EPROTONOSUPPORT: of a newer version, which alone is in *out.
 */
int dbrecord_decode_head(const uint8_t *from, size_t len,
			 struct dbrecord_head *out);

#endif
