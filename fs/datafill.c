/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/datafill.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "fs/attr.h"
#include "fs/base/cleanup.h"
#include "fs/base/fdio.h"
#include "fs/base/log.h"
#include "fs/copydata.h"
#include "fs/gate.h"
#include "fs/xattrs.h"

/*
 * While the marks say that the data is below nothing shows of what is written
 * here, except the size of a file that is emptied and the times; taking the
 * marks away is what makes it so. Before that everything can be undone.
 */

int datafill_copy(struct overlay *o, const struct itable_view *v, int fd,
		  off_t size)
{
	_cleanup_close_ int data = -1;
	struct layer *l;
	struct ref low;

	itable_view_data(v, &low);
	l = overlay_layer(o, &low);
	data = l->ops->open(l, &low, O_RDONLY);
	return data < 0 ? data : copydata(data, fd, size);
}

uint64_t datafill_space(struct overlay *o, const struct itable_view *v,
			off_t size)
{
	uint64_t whole = gate_round(o, (uint64_t)size), has;
	struct stat st;
	struct layer *l;
	struct ref low;

	if (v->n_lower == 0)
		return whole;
	itable_view_data(v, &low);
	l = overlay_layer(o, &low);
	if (l->ops->stat(l, &low, &st) < 0)
		return whole;
	has = gate_round(o, (uint64_t)st.st_blocks * 512);
	return has < whole ? has : whole;
}

static int put_times(int fd, const struct stat *st)
{
	struct timespec times[2] = { st->st_atim, st->st_mtim };

	return utimensat(fd, "", times, AT_EMPTY_PATH) < 0 ? -errno : 0;
}

static int fill(struct overlay *o, const struct itable_view *v, int fd,
		const struct stat *up)
{
	int r = datafill_copy(o, v, fd, up->st_size);

	if (r == 0)
		r = upper_sync_data(o->upper, fd);
	return r < 0 ? r : put_times(fd, up);
}

/*
 * Where there is a record it decides; the kernel's overlayfs looks at the
 * mark.
 */
static int unmark(int fd)
{
	struct xattrs_record rec;
	int r = xattrs_record_get(fd, &rec);
	bool recorded = r > 0;

	if (r >= 0)
		r = xattrs_private_remove(fd, XATTRS_METACOPY);
	if (r == 0 && recorded) {
		rec.metacopy = false;
		r = xattrs_record_set(fd, &rec);
	}
	if (r < 0)
		return r;
	/* Without the mark it means nothing. */
	xattrs_private_remove(fd, XATTRS_REDIRECT);
	return 0;
}

/* One hole again, of the old size and times. */
static void undo(int fd, const struct stat *up)
{
	int size = ftruncate(fd, up->st_size) < 0 ? -errno : 0, times, mark;

	/* What was copied would only take space. */
	fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
		  up->st_size);
	times = put_times(fd, up);
	mark = xattrs_private_set(fd, XATTRS_METACOPY, "", 0);
	if (size < 0 || times < 0 || mark < 0)
		log_error("undoing a copy-up that failed: size %s, times %s, "
			  "mark %s",
			  strerror(-size), strerror(-times), strerror(-mark));
}

int datafill(struct overlay *o, struct inode *i, const struct itable_view *v,
	     bool empty)
{
	_cleanup_close_ int fd = attr_open_meta(o, v, O_RDWR);
	struct charge_want want = { .space = 0 };
	GATE_PASS(pass, o);
	struct stat up;
	int r;

	if (fd < 0)
		return fd;
	r = fdio_stat(fd, &up);
	if (r == 0)
		r = gate_watch(&pass, i, fd);
	if (r == 0 && o->gate) {
		want.owner = (struct charge_owner){ up.st_uid, up.st_gid };
		want.space = datafill_space(o, v, up.st_size);
		r = gate_enter(&pass, &want, empty ? 0 : 1);
	}
	if (r < 0)
		return r;
	if (empty)
		r = ftruncate(fd, 0) < 0 ? -errno : 0;
	else
		r = fill(o, v, fd, &up);
	if (r == 0)
		r = unmark(fd);
	if (r < 0) {
		undo(fd, &up);
		return r;
	}
	if (!empty)
		return upper_sync_marks(o->upper, fd);
	/* It shows as empty already. */
	upper_sync_names(o->upper, fd);
	return 0;
}
