/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_command - requests to a ledger, a line each: the answer is whole lines,
 * the first one "ok" or an error without anything a terminal obeys; the ledger
 * keeps possible limits whatever it was asked.
 */
#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "quota/command.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static int64_t at_noon(void)
{
	return 1000000;
}

static int64_t check(void *ctx, bool fix,
		     void (*fn)(void *ctx, const struct scan_drift *d),
		     void *fn_ctx)
{
	const struct scan_drift d = { .kind = LEDGER_GROUP, .id = 5 };

	(void)ctx;
	fn(fn_ctx, &d);
	return fix ? 1 : -5;
}

static void look_answer(const char *answer, size_t len)
{
	bool ok = strncmp(answer, "ok\n", 3) == 0;

	if (len == 0 || answer[len - 1] != '\n' || strlen(answer) != len ||
	    (!ok && strncmp(answer, "error: ", 7) != 0))
		abort();
	for (size_t i = 0; i < len; i++)
		if (answer[i] != '\n' && !isprint((unsigned char)answer[i]))
			abort();
	if (!ok && strchr(answer, '\n') != answer + len - 1)
		abort();
}

static void look_rec(void *ctx, uint32_t id, const struct limit_rec *r)
{
	(void)ctx;
	if (id == UINT32_MAX)
		abort();
	for (int i = 0; i < LIMIT_RESOURCES; i++) {
		const struct limit *l = &r->of[i];

		if (l->soft > LIMIT_MAX || l->hard > LIMIT_MAX ||
		    (l->hard && l->soft > l->hard) || l->deadline < 0)
			abort();
	}
}

static void run(const struct command_ctx *c, const char *line)
{
	char *answer = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&answer, &len);

	if (!f)
		abort();
	command_run(c, line, f);
	fclose(f);
	look_answer(answer, len);
	free(answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const uint64_t usage[LIMIT_RESOURCES] = { 8192, 5 };
	struct ledger *l = ledger_new(-1, at_noon);
	struct command_ctx c = { .ledger = l, .check = check };
	char *text = malloc(len + 1), *line, *rest = text;

	if (!l || !text || ledger_set_usage(l, LEDGER_USER, 1, usage) < 0)
		abort();
	memcpy(text, data, len);
	text[len] = '\0';
	while ((line = strsep(&rest, "\n")))
		run(&c, line);
	for (int k = 0; k < LEDGER_KINDS; k++)
		ledger_each(l, (enum ledger_kind)k, look_rec, NULL);
	free(text);
	ledger_free(l);
	return 0;
}
