/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_CT_KNOB_H
#define VEFS_TOOLS_CT_KNOB_H

/*
 * knob - the small files of a group, read, written, and changed with a way
 * back. Paths are relative to a directory descriptor and are ours, never a
 * container's.
 */
#include <stddef.h>
#include <stdint.h>

/* Without its last newline. The length, or -errno; -E2BIG: more than fits. */
int knob_read(int dir, const char *path, char *text, size_t size);

/* A number; "max", "-1" and what v1 has for no limit are UINT64_MAX. */
int knob_number(int dir, const char *path, uint64_t *out);

/* The number behind `key` where each line is a key and a number. -ENOENT. */
int knob_key(int dir, const char *path, const char *key, uint64_t *out);

/*
 * In one write. "" is written as an empty line. 0 or what the kernel says;
 * -ENOENT: there is no such file.
 */
int knob_write(int dir, const char *path, const char *text);

/* What was changed, to be taken back. Starts zeroed. */
struct knob_journal {
	struct knob_step {
		int dir;    /* borrowed */
		char *path; /* owned */
		char *undo; /* owned: the text that takes it back */
	} * step;
	size_t n, room;
};

/*
 * Write, and remember what was there; or `undo`, for files that do not read as
 * they are written. Nothing is written when that cannot be remembered.
 */
int knob_change(struct knob_journal *j, int dir, const char *path,
		const char *text);
int knob_change_as(struct knob_journal *j, int dir, const char *path,
		   const char *text, const char *undo);

/* Take all back, the last first; then forget, which knob_forget() does only. */
void knob_undo(struct knob_journal *j);
void knob_forget(struct knob_journal *j);

#endif
