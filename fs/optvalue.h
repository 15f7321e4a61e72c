/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_FS_OPTVALUE_H
#define VEFS_FS_OPTVALUE_H

/*
 * optvalue - the structured values of mount options: escaped names, lists of
 * directories, id mappings, program trees. Pure functions on strings.
 *
 * Each returns 0 and sets its out-parameters, which the caller then owns; or
 * leaves them alone and returns -ENOMEM, or -EINVAL with *why (where there is
 * one) a static text for people that says what is wrong.
 */
#include <stddef.h>

#include "fs/options.h"

/* Room for a list of strings: N of them at V, all malloc()ed. */
void optvalue_free_list(char **v, size_t n);

/*
 * The LEN bytes at S without their escapes: a backslash stands for the byte
 * behind it, and for itself at the end.
 */
int optvalue_unescape(const char *s, size_t len, char **out);

/*
 * How many bytes of S lie before the first unescaped STOP, or before its end.
 */
size_t optvalue_span(const char *s, char stop);

/* A:B:C, unescaped. -EINVAL: one of the names is empty. */
int optvalue_dirs(const char *s, char ***dirs, size_t *n);

/* [:]DISK:SHOWN:COUNT[:DISK:SHOWN:COUNT...], see struct options_idrun. */
int optvalue_idmap(const char *s, struct options_idmap *map, const char **why);

/* /usr:/opt//local/: as struct options.program holds it; "" and "none": "". */
int optvalue_trees(const char *s, char **out, const char **why);

#endif
