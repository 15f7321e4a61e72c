/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TESTS_UNIT_CONFLINES_H
#define VEFS_TESTS_UNIT_CONFLINES_H

/*
 * conflines - what a vefs.conf says, from "KEY=value" lines that "\n" ends; to
 * be freed (conf_free()).
 */
#include "tools/conf.h"

struct conf *conflines_new(const char *text);

#endif
