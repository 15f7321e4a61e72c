/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "templates/why.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "fs/base/printable.h"

/* Did it have nothing to say yet? It has now. */
static bool say(struct why *w, const char *fmt, va_list ap)
{
	if (!w || w->text[0])
		return false;
	vsnprintf(w->text, sizeof(w->text), fmt, ap);
	printable_mask(w->text, strlen(w->text), "");
	return true;
}

int why_set(struct why *w, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(w, fmt, ap);
	va_end(ap);
	return err;
}

int why_sys(struct why *w, int err, const char *fmt, ...)
{
	const char *reason = strerror(-err);
	size_t len, max;
	va_list ap;
	bool first;

	va_start(ap, fmt);
	first = say(w, fmt, ap);
	va_end(ap);
	if (!first)
		return err;
	/* however long the path is, the reason has room */
	len = strlen(w->text);
	max = sizeof(w->text) - strnlen(reason, sizeof(w->text) / 2) - 3;
	if (len > max) {
		len = max;
		memcpy(w->text + len - 3, "...", 3);
	}
	snprintf(w->text + len, sizeof(w->text) - len, ": %s", reason);
	return err;
}
