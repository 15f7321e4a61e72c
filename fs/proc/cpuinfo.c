/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/proc/cpuinfo.h"

#include <inttypes.h>
#include <string.h>

#include "fs/base/cleanup.h"
#include "fs/proc/proctext.h"

/*
 * The text is blocks with an empty line between them. One that begins with
 * "processor" is one of the processors; others are of the machine and stay.
 */
struct block {
	const char *s, *end;
	bool is_cpu;
	uint64_t id;
};

/* "key \t: value"; *value is where the value begins in it. */
static bool split(const struct proctext *line, struct proctext *key,
		  struct proctext *value)
{
	const char *colon = memchr(line->s, ':', line->len);
	size_t n;

	if (!colon)
		return false;
	n = (size_t)(colon - line->s);
	key->s = line->s;
	key->len = n;
	while (key->len &&
	       (key->s[key->len - 1] == ' ' || key->s[key->len - 1] == '\t'))
		key->len--;
	value->s = colon + 1;
	value->len = line->len - n - 1;
	return true;
}

static void look(struct block *b, struct proctext line)
{
	struct proctext key, value, id;

	b->is_cpu = split(&line, &key, &value) &&
		    proctext_is(&key, "processor") &&
		    proctext_word(&value, &id) && proctext_u64(&id, &b->id);
}

static bool next_block(const char **cursor, struct block *b)
{
	struct proctext line;

	b->s = *cursor;
	b->is_cpu = false;
	if (!proctext_line(cursor, &line))
		return false;
	look(b, line);
	while (line.len > 0 && proctext_line(cursor, &line))
		;
	b->end = *cursor;
	return true;
}

/* Rows that count the machine's processors. */
static bool number_of(const struct proctext *key, uint32_t cpu, uint32_t cpus,
		      uint64_t *out)
{
	const struct {
		const char *key;
		uint64_t value;
	} rows[] = {
		{ "processor", cpu },	   { "siblings", cpus },
		{ "core id", cpu },	   { "cpu cores", cpus },
		{ "physical id", 0 },	   { "apicid", cpu },
		{ "initial apicid", cpu },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		if (!proctext_is(key, rows[i].key))
			continue;
		*out = rows[i].value;
		return true;
	}
	return false;
}

static void put_block(const struct block *b, uint32_t cpu, uint32_t cpus,
		      struct strbuf *out)
{
	struct proctext line, key, value;
	const char *cursor = b->s;
	uint64_t number;

	while (cursor < b->end && proctext_line(&cursor, &line)) {
		if (split(&line, &key, &value) &&
		    number_of(&key, cpu, cpus, &number)) {
			strbuf_add(out, line.s, (size_t)(value.s - line.s));
			strbuf_addf(out, " %" PRIu64 "\n", number);
		} else {
			strbuf_add(out, line.s, line.len);
			strbuf_putc(out, '\n');
		}
	}
	/* Not after the last one of a text that was cut off. */
	if (b->end[-1] != '\n' || b->end - b->s < 2 || b->end[-2] != '\n')
		strbuf_putc(out, '\n');
}

static bool is_ours(const struct numbers *n, uint64_t id)
{
	for (uint32_t i = 0; i < n->n_ids; i++)
		if (n->cpu_ids[i] == id)
			return true;
	return false;
}

void cpuinfo_render(const struct procview *v, struct strbuf *out)
{
	const char *cursor = v->host;
	struct block b, like = { .s = NULL };
	uint32_t cpu = 0;

	while (next_block(&cursor, &b)) {
		if (!b.is_cpu) {
			/* Before it those that the host has no more of. */
			strbuf_add(out, b.s, (size_t)(b.end - b.s));
			continue;
		}
		if (!like.s)
			like = b;
		if (cpu < v->n->cpus && is_ours(v->n, b.id))
			put_block(&b, cpu++, v->n->cpus, out);
	}
	/* As many as there are said to be, also where one has gone offline. */
	while (like.s && cpu < v->n->cpus)
		put_block(&like, cpu++, v->n->cpus, out);
}

/* /sys/devices/system/cpu */

void cpuinfo_range(const struct procview *v, struct strbuf *out)
{
	if (v->n->cpus > 1)
		strbuf_addf(out, "0-%" PRIu32 "\n", v->n->cpus - 1);
	else
		strbuf_puts(out, "0\n");
}

void cpuinfo_none(const struct procview *v, struct strbuf *out)
{
	(void)v;
	strbuf_putc(out, '\n');
}

void cpuinfo_one(const struct procview *v, struct strbuf *out)
{
	(void)v;
	strbuf_puts(out, "1\n");
}

void cpuinfo_zero(const struct procview *v, struct strbuf *out)
{
	(void)v;
	strbuf_puts(out, "0\n");
}

void cpuinfo_core(const struct procview *v, struct strbuf *out)
{
	strbuf_addf(out, "%" PRIu32 "\n", v->cpu);
}

void cpuinfo_self_list(const struct procview *v, struct strbuf *out)
{
	cpuinfo_core(v, out);
}

/* Words of 32 bits, the highest first, commas between: "1,00000003". */
static void put_mask(uint32_t from, uint32_t to, uint32_t cpus,
		     struct strbuf *out)
{
	uint32_t words = (cpus + 31) / 32;

	for (uint32_t w = words; w-- > 0;) {
		uint32_t bits = 0;

		for (uint32_t i = 0; i < 32; i++)
			if (w * 32 + i >= from && w * 32 + i <= to)
				bits |= 1u << i;
		if (w == words - 1 && words == 1)
			strbuf_addf(out, "%" PRIx32, bits);
		else
			strbuf_addf(out, "%08" PRIx32, bits);
		strbuf_putc(out, w ? ',' : '\n');
	}
}

void cpuinfo_self_mask(const struct procview *v, struct strbuf *out)
{
	put_mask(v->cpu, v->cpu, v->n->cpus, out);
}

void cpuinfo_all_mask(const struct procview *v, struct strbuf *out)
{
	put_mask(0, v->n->cpus - 1, v->n->cpus, out);
}

void cpuinfo_kernel_max(const struct procview *v, struct strbuf *out)
{
	strbuf_addf(out, "%" PRIu32 "\n", v->n->cpus - 1);
}
