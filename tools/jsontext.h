/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_JSONTEXT_H
#define VEFS_TOOLS_JSONTEXT_H

/* jsontext - bytes that may be anything, as a string of JSON. */
#include <jansson.h>

/* What is not UTF-8 comes as U+FFFD. NULL: no memory. */
json_t *jsontext_new(const char *s, size_t len);

#endif
