/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/proc/ubckept.h"

#include <inttypes.h>
#include <string.h>

#include "fs/base/cleanup.h"
#include "fs/base/digest.h"
#include "fs/base/smallfile.h"
#include "fs/proc/procfd.h"
#include "fs/proc/proctext.h"
#include "fs/proc/procubc.h"

#define HEAD "vefs-beancounters 1"
#define SUM "sum "

void ubckept_print(const struct procstate_bean bean[PROCSTATE_ROWS],
		   struct strbuf *out)
{
	char hex[DIGEST_HEX + 1];
	struct digest d;

	strbuf_puts(out, HEAD "\n");
	for (unsigned i = 0; i < PROCUBC_ROWS; i++)
		if (procubc_name(i) && (bean[i].most || bean[i].failed))
			strbuf_addf(out, "%s %" PRIu64 " %" PRIu64 "\n",
				    procubc_name(i), bean[i].most,
				    bean[i].failed);
	digest_of(strbuf_get(out), out->len, &d);
	strbuf_addf(out, SUM "%s\n", digest_hex(&d, hex));
}

/* The last line is the digest of what is before it. */
static bool is_whole(const char *text, size_t *len)
{
	struct digest want, got;
	char hex[DIGEST_HEX + 1];
	size_t n = strlen(text), tail = strlen(SUM) + DIGEST_HEX + 1;

	if (n < tail || text[n - 1] != '\n')
		return false;
	*len = n - tail;
	if (strncmp(text + *len, SUM, strlen(SUM)) != 0 ||
	    (*len && text[*len - 1] != '\n'))
		return false;
	memcpy(hex, text + *len + strlen(SUM), DIGEST_HEX);
	hex[DIGEST_HEX] = '\0';
	if (digest_parse(hex, &want) < 0)
		return false;
	digest_of(text, *len, &got);
	return memcmp(&want, &got, sizeof(got)) == 0;
}

static void take_row(struct proctext line, struct procstate_bean *out)
{
	struct proctext name, most, failed;
	struct procstate_bean b = { .before = 0 };

	if (!proctext_word(&line, &name) || !proctext_word(&line, &most) ||
	    !proctext_word(&line, &failed) || !proctext_u64(&most, &b.most) ||
	    !proctext_u64(&failed, &b.failed))
		return;
	b.before = b.failed;
	/* a name that is not known is another version's */
	for (unsigned i = 0; i < PROCUBC_ROWS; i++)
		if (procubc_name(i) && proctext_is(&name, procubc_name(i)))
			out[i] = b;
}

int ubckept_parse(const char *text, struct procstate_bean out[PROCSTATE_ROWS])
{
	struct proctext line;
	const char *end;
	size_t len;

	memset(out, 0, sizeof(*out) * PROCSTATE_ROWS);
	if (!is_whole(text, &len))
		return -EUCLEAN;
	end = text + len;
	if (!proctext_line(&text, &line) || !proctext_is(&line, HEAD))
		return -EUCLEAN;
	while (text < end && proctext_line(&text, &line))
		take_row(line, out);
	return 0;
}

int ubckept_load(int dir, struct procstate_bean out[PROCSTATE_ROWS])
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	int r;

	memset(out, 0, sizeof(*out) * PROCSTATE_ROWS);
	r = procfd_read_at(dir, UBCKEPT_FILE, &text);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	return ubckept_parse(strbuf_get(&text), out);
}

int ubckept_save(int dir, const struct procstate_bean bean[PROCSTATE_ROWS])
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	int r;

	ubckept_print(bean, &text);
	r = strbuf_error(&text);
	return r < 0 ? r : smallfile_put(dir, UBCKEPT_FILE, strbuf_get(&text));
}
