/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The two lower layers, as all models begin: the directories are in both, each
 * file is in one of them, with all its names.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fs/base/cleanup.h"
#include "tests/stress/powercut_do.h"
#include "tests/stress/powercut_found.h"
#include "tests/stress/powercut_model.h"

static int make_lower(const struct pc_model *m, int node, const char *path)
{
	uint32_t id = m->nodes[node].obj;
	const struct pc_obj *o = &m->objs[id];
	_cleanup_close_ int fd = -1;
	const struct pc_op *op = m->initial;
	int r;

	if (o->type == PC_SYMLINK) {
		r = symlink("nowhere", path);
		return r < 0 ? r
			     : lchown(path, o->owner, pc_group_of(o->owner));
	}
	if (o->type == PC_DIR && mkdir(path, 0700) < 0 && errno != EEXIST)
		return -1;
	fd = open(path,
		  o->type == PC_DIR ? O_RDONLY | O_CLOEXEC
				    : O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
		  0600);
	if (fd < 0)
		return -1;
	while (o->type == PC_FILE && op->obj != id)
		op++;
	if (o->type == PC_FILE && pc_put_bytes(fd, m, op, ~id) < 0)
		return -1;
	if (fchown(fd, o->owner, pc_group_of(o->owner)) < 0 ||
	    fchmod(fd, o->mode) < 0)
		return -1;
	return o->value ? pc_set_attr(fd, o->value) : 0;
}

static void fill_layer(const struct pc_model *m, unsigned layer)
{
	char path[PC_PATH], first[PC_PATH];

	for (int n = 0; n < PC_NODES; n++) {
		const struct pc_node *node = &m->nodes[n];
		int same = 0, r;

		if (!node->used)
			continue;
		if (m->objs[node->obj].type != PC_DIR &&
		    pc_model_layer(m, node->obj) != layer)
			continue;
		pc_model_path(m, n, "", path);
		while (m->nodes[same].obj != node->obj)
			same++;
		if (same < n)
			r = link(pc_model_path(m, same, "", first), path);
		else
			r = make_lower(m, n, path);
		if (r < 0)
			pc_fail("lower %s: %s", path, strerror(errno));
	}
}

int pc_lower(const char *a, const char *b, uint64_t tree)
{
	struct pc_seeds seeds = { .tree = tree };

	for (unsigned p = 0; p < PC_PROCS; p++) {
		struct pc_model *m = pc_model_new(&seeds, p, 0);

		for (unsigned layer = 0; layer < 2; layer++) {
			_cleanup_close_ int back =
				open(".", O_RDONLY | O_CLOEXEC);

			if (chdir(layer ? b : a) < 0)
				pc_fail("%s: %s", layer ? b : a,
					strerror(errno));
			fill_layer(m, layer);
			if (fchdir(back) < 0)
				pc_fail("fchdir: %s", strerror(errno));
		}
		free(m);
	}
	return 0;
}
