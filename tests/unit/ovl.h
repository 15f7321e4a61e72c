/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TESTS_UNIT_OVL_H
#define VEFS_TESTS_UNIT_OVL_H

/*
 * ovl - an overlay of real directories without a mount, for the suites of
 * what works on one.
 *
 * Directories "l1" (the topmost lower), "l2", ... "u" and "w" are made in a
 * temporary directory; tests fill the lowers, then ovl_begin().
 */
#include <stdbool.h>
#include <sys/stat.h>

#include "fs/overlay.h"
#include "tests/unit/unit.h"

struct ovl {
	char path[UNIT_PATH_MAX]; /* the temporary directory */
	int dir;
	unsigned n_lower;
	const char *more; /* further options, ",x=y", or NULL */
	struct options opts;
	struct overlay *o; /* between ovl_begin() and ovl_end() */
};

/*
 * Make the directories. NULL, or why this test cannot be run here (give it to
 * unit_skip()); nothing is open then.
 */
const char *ovl_set_up(struct ovl *v, unsigned n_lower);
void ovl_tear_down(struct ovl *v);

/* Assemble the overlay; with `rw` false without an upper. */
void ovl_begin(struct ovl *v, bool rw);
void ovl_end(struct ovl *v);
/* Both, as an unmount and a mount. */
void ovl_again(struct ovl *v);

/* In the temporary directory: a file with this text; a directory. */
void ovl_put(const struct ovl *v, const char *path, const char *text);
void ovl_mkdir(const struct ovl *v, const char *path);
/* A whiteout, as layers have it. */
void ovl_whiteout(const struct ovl *v, const char *path);
/* An attribute. */
void ovl_mark(const struct ovl *v, const char *path, const char *attr,
	      const char *value);
/* The text of a file in the temporary directory; "-" if it is none. */
const char *ovl_text(const struct ovl *v, const char *path, char buf[4096]);
/* lstat there; false: it does not exist. */
bool ovl_stat(const struct ovl *v, const char *path, struct stat *st);

/*
 * The inode of a path in the overlay ("" or "a/b"), pinned; NULL with *err
 * set. `st` may be NULL.
 */
struct inode *ovl_walk(const struct ovl *v, const char *path, struct stat *st,
		       int *err);
/* The same, must be there. */
struct inode *ovl_get(const struct ovl *v, const char *path, struct stat *st);
void ovl_put_back(const struct ovl *v, struct inode *i);
/* The error of looking it up, or 0. */
int ovl_look(const struct ovl *v, const char *path);

/* What reading the file in the overlay gives; "-EXXX" number on an error. */
const char *ovl_read(const struct ovl *v, const char *path, char buf[4096]);
/* Open it for writing (with O_TRUNC) and write the text; 0 or -errno. */
int ovl_write(const struct ovl *v, const char *path, const char *text);
/* Make something; the mode says what. 0 or -errno. */
int ovl_make(const struct ovl *v, const char *parent, const char *name,
	     mode_t mode);
int ovl_remove(const struct ovl *v, const char *parent, const char *name,
	       bool is_dir);
int ovl_rename(const struct ovl *v, const char *from_dir, const char *from,
	       const char *to_dir, const char *to, unsigned flags);

/* Names in a directory of the overlay, sorted, with spaces between. */
const char *ovl_names(const struct ovl *v, const char *path, char buf[4096]);

/* Nobody holds anything: no inode but the root, no handle. */
void ovl_check_idle(const struct ovl *v);

#endif
