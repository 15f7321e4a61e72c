/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz_words - what people write of containers: a vefs.conf, options of create
 * and set, limits and times of quotas, and what a worker answers. The first
 * byte says which. All are taken, or refused with a sentence; values that were
 * written are read back.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/base/cleanup.h"
#include "tools/conf.h"
#include "tools/ctchange.h"
#include "tools/ctvalue.h"
#include "tools/ctwords.h"
#include "tools/quotaconf.h"
#include "tools/quotastate.h"
#include "tools/quotaword.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define DIR "/dev/shm"
#define OPTIONS 16u

static void must(bool is_true)
{
	if (!is_true)
		abort();
}

/* Taken, or refused as it should be. */
static void told(int r, const struct why *why)
{
	must(r <= 0 && r != -ENOMEM);
	must(memchr(why->text, '\0', sizeof(why->text)) != NULL);
	must(r == 0 || why->text[0]);
}

static void look_conf(const struct conf *c)
{
	struct quotaconf quota;
	struct spec spec;
	struct why why = { .text = "" };

	told(ctwords_parse(c, NULL, "101", &spec, &why), &why);
	must(spec.stop_timeout <= 86400);
	spec_free(&spec);
	why.text[0] = '\0';
	told(ctwords_parse(c, c, "101", &spec, &why), &why);
	spec_free(&spec);
	why.text[0] = '\0';
	told(quotaconf_parse(c, "101", &quota, &why), &why);
	ctwords_wants_userns(c, c);
}

/* ---- files -------------------------------------------------------------------- */

static void a_file(const char *text, size_t len)
{
	_cleanup_(conf_freep) struct conf *c = NULL;
	_cleanup_(conf_freep) struct conf *again = conf_new();
	char name[64], value[4096], back[4096];
	int dir = open(DIR, O_PATH | O_DIRECTORY | O_CLOEXEC), fd, r;

	snprintf(name, sizeof(name), "vefs-fuzz-words-%d", getpid());
	fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	must(fd >= 0 && again != NULL && write(fd, text, len) == (ssize_t)len);
	close(fd);
	r = conf_read(dir, name, &c);
	unlinkat(dir, name, 0);
	close(dir);
	if (r < 0) {
		must(r == -EUCLEAN);
		return;
	}
	look_conf(c);
	if (conf_get(c, "HOSTNAME", value, sizeof(value)) == 0) {
		must(conf_set(again, "HOSTNAME", value) == 0 ||
		     strchr(value, '\n'));
		if (conf_get(again, "HOSTNAME", back, sizeof(back)) == 0)
			must(strcmp(value, back) == 0);
	}
	must(conf_merge(again, c) == 0);
}

/* ---- options: a byte that says which, its value, a newline --------------------- */

static unsigned n_words(void)
{
	unsigned n = 0;

	while (ctwords_table[n].option)
		n++;
	return n;
}

static void options(char *text, size_t len)
{
	_cleanup_(conf_freep) struct conf *c = conf_new();
	struct why why = { .text = "" };
	struct cmd_word word[OPTIONS];
	struct cmd_words words = { .of = word, .n = 0 };
	const unsigned all = n_words();
	char *line;

	(void)len;
	must(c != NULL && all > 0);
	while (words.n < OPTIONS && (line = strsep(&text, "\n"))) {
		if (!line[0])
			continue;
		word[words.n++] = (struct cmd_word){
			.name = ctwords_table[(unsigned char)line[0] % all]
					.option,
			.value = line + 1,
		};
	}
	told(ctchange_apply(c, &words, words.n % 2, &why), &why);
	look_conf(c);
}

/* ---- values -------------------------------------------------------------------- */

static void limits(const char *s)
{
	for (int what = 0; what < LIMIT_RESOURCES; what++)
		for (int from = QUOTAWORD_OURS; from <= QUOTAWORD_CONF;
		     from++) {
			char text[2 * QUOTAWORD_SIZE];
			struct why why = { .text = "" };
			struct quotaword w, back;
			int r = quotaword_limits((enum limit_resource)what,
						 (enum quotaword_from)from, s,
						 &w, &why);

			told(r, &why);
			if (r < 0)
				continue;
			must(w.soft <= LIMIT_MAX && w.hard <= LIMIT_MAX &&
			     (!w.hard || w.soft <= w.hard));
			quotaword_print_limits((enum limit_resource)what, &w,
					       text);
			r = quotaword_limits((enum limit_resource)what,
					     QUOTAWORD_OURS, text, &back, &why);
			if (from == QUOTAWORD_OURS)
				must(r == 0 && back.soft == w.soft &&
				     back.hard == w.hard);
		}
}

static void command(const char *s)
{
	struct why why = { .text = "" };
	char **words = NULL;
	int r = ctvalue_command(s, &words, &why);

	told(r, &why);
	if (r == 0)
		ctvalue_free_command(words);
}

static void values(const char *s, size_t len)
{
	char list[SPEC_LIST], ifname[IFNAMSIZ], name[32];
	struct why why = { .text = "" };
	uint64_t v[2], seconds;
	const char *behind;
	uint8_t mac[6];
	bool yes;
	int r;

	(void)len;
	for (int unit = CTVALUE_COUNT; unit <= CTVALUE_PAGES; unit++) {
		r = ctvalue_limits(s, (enum ctvalue_unit)unit, v, &why);
		told(r, &why);
	}
	told(ctvalue_list(s, list, &why), &why);
	told(ctvalue_ifname(s, ifname, &why), &why);
	told(ctvalue_mac(s, mac, &why), &why);
	told(ctvalue_bool(s, &yes, &why), &why);
	told(ctvalue_hostname(s, &why), &why);
	told(ctvalue_amount(s, 4096, v, &why), &why);
	if (ctvalue_pair(s, name, sizeof(name), &behind) == 0)
		must(behind > s && behind <= s + strlen(s));
	r = quotaword_time(s, &seconds, &why);
	told(r, &why);
	must(r < 0 || seconds <= UINT32_MAX);
	limits(s);
	command(s);
}

/* ---- what a worker answers ------------------------------------------------------ */

static void answers(char *text, size_t len)
{
	struct quotastate s = { .enforce = { false } };
	uint64_t of[2 * LIMIT_RESOURCES], inodes, ms;
	enum ledger_kind kind;
	char *line;
	uint32_t id;

	(void)len;
	while ((line = strsep(&text, "\n"))) {
		quotastate_drift(line, &kind, &id, of);
		quotastate_checked(line, &inodes, &ms);
		quotastate_take(&s, line);
	}
	quotastate_get(&s, LEDGER_USER, 5);
	quotastate_free(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *text;

	if (len == 0)
		return 0;
	text = malloc(len);
	must(text != NULL);
	memcpy(text, data + 1, --len);
	text[len] = '\0';
	switch (data[0] % 4) {
	case 0:
		a_file(text, len);
		break;
	case 1:
		options(text, len);
		break;
	case 2:
		values(text, len);
		break;
	default:
		answers(text, len);
	}
	free(text);
	return 0;
}
