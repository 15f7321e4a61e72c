/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/proc/procmounts.h"

#include <string.h>

#include "fs/proc/proctext.h"

struct mount {
	struct proctext device, dir, type, options;
};

static bool parse(struct proctext line, struct mount *m)
{
	return proctext_word(&line, &m->device) &&
	       proctext_word(&line, &m->dir) &&
	       proctext_word(&line, &m->type) &&
	       proctext_word(&line, &m->options);
}

static bool is_read_only(const struct proctext *options)
{
	return options->len >= 2 && options->s[0] == 'r' &&
	       options->s[1] == 'o' &&
	       (options->len == 2 || options->s[2] == ',');
}

/* What lies over another root is the one that counts. */
static const char *last_root(const char *text)
{
	struct proctext line;
	struct mount m;
	const char *last = NULL;

	while (proctext_line(&text, &line))
		if (parse(line, &m) && proctext_is(&m.dir, "/"))
			last = line.s;
	return last;
}

/* Pressure is by its group's files, or hidden. */
static bool is_ours(const struct mount *m, const char *source)
{
	static const char pressure[] = "/proc/pressure";
	const size_t len = sizeof(pressure) - 1;

	return proctext_is(&m->device, source) ||
	       (m->dir.len >= len && memcmp(m->dir.s, pressure, len) == 0 &&
		(m->dir.len == len || m->dir.s[len] == '/'));
}

void procmounts_render(const struct procview *v, struct strbuf *out)
{
	const struct procnames *names = v->names;
	const char *cursor = v->host, *root = last_root(v->host);
	struct proctext line;
	struct mount m;

	while (proctext_line(&cursor, &line)) {
		if (!parse(line, &m))
			continue;
		if (names->own_source && is_ours(&m, names->own_source))
			continue;
		if (names->root_device && proctext_is(&m.dir, "/")) {
			if (line.s == root)
				strbuf_addf(
					out, "%s / %s %s,relatime%s%s 0 0\n",
					names->root_device, names->root_type,
					is_read_only(&m.options) ? "ro" : "rw",
					names->root_options ? "," : "",
					names->root_options
						? names->root_options
						: "");
			continue;
		}
		strbuf_add(out, line.s, line.len);
		strbuf_putc(out, '\n');
	}
}
