/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TESTS_UNIT_OPTLINE_H
#define VEFS_TESTS_UNIT_OPTLINE_H

/* optline - command lines for the suites of options and its words. */
#include <stddef.h>

#include "fs/options.h"

#define OPTLINE_MAX 12

/* A command line, without the program's name; ends with NULL or when full. */
struct optline {
	const char *args[OPTLINE_MAX];
};

/* options_parse() of it, into an *o full of rubbish. */
int optline_parse(struct options *o, const struct optline *l, char *err,
		  size_t errlen);

/* The same; the test fails unless it is taken. */
void optline_must(struct options *o, const struct optline *l);
#define OPTLINE(o, ...) optline_must(o, &(struct optline){ { __VA_ARGS__ } })

/* "-o lowerdir=/l,WORDS /t", which must be taken. */
void optline_words(struct options *o, const char *words);

/* The test fails unless all values that are no strings are the same. */
void optline_check_same(const struct options *a, const struct options *b);

/* The test fails unless nothing is set and nothing is owned. */
void optline_check_empty(const struct options *o);

#endif
