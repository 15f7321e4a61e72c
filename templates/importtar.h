/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TEMPLATES_IMPORTTAR_H
#define VEFS_TEMPLATES_IMPORTTAR_H

/*
 * importtar - the entries of a tar, plain or compressed, into the tree.
 */
#include "templates/importpriv.h"
#include "templates/tarstream.h"

int importtar_read(struct import *im, const struct tarstream_source *s);

#endif
