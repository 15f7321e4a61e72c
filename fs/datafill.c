/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/datafill.h"

#include <endian.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

#include "fs/attr.h"
#include "fs/base/cleanup.h"
#include "fs/base/crash.h"
#include "fs/base/fdio.h"
#include "fs/base/log.h"
#include "fs/base/xattrio.h"
#include "fs/copydata.h"
#include "fs/gate.h"
#include "fs/turn.h"
#include "fs/xattrs.h"

#define CAPS "security.capability"
#define CAPS_MAX 64 /* more than any has */

/*
 * While the marks say that the data is below nothing shows of what is written
 * here, except the size of a file that is emptied and the times; taking the
 * marks away is what makes it so. Before that everything can be undone.
 *
 * The times, which change with every byte that is copied, are kept in a mark
 * from before the first until after the last: who does it again after a crash
 * finds them there, and not in the inode. Who sets them meanwhile sets these.
 *
 * The capabilities, which the first byte takes away, are kept in another. Who
 * changes them has the turn, so there is no copy then: only one that was cut
 * off, whose mark counts until it is removed.
 */

/* The mark as it is on disk, little endian. */
struct times_disk {
	struct {
		uint64_t sec;
		uint32_t nsec, zero;
	} at[2]; /* access, modification */
};

/* 1, 0: there is no mark, or -errno. */
static int times_get(int fd, struct timespec times[2])
{
	struct times_disk d;
	ssize_t n = xattrs_private_get(fd, XATTRS_TIMES, &d, sizeof(d));

	if (n == -ENODATA || n == -EOPNOTSUPP)
		return 0;
	if (n >= 0 && n != (ssize_t)sizeof(d))
		n = -ERANGE;
	if (n < 0)
		return n == -ERANGE ? -EUCLEAN : (int)n;
	for (int k = 0; k < 2; k++) {
		times[k].tv_sec = (time_t)le64toh(d.at[k].sec);
		times[k].tv_nsec = le32toh(d.at[k].nsec);
	}
	return 1;
}

static int times_set(int fd, const struct timespec times[2])
{
	struct times_disk d;

	for (int k = 0; k < 2; k++) {
		d.at[k].sec = htole64((uint64_t)times[k].tv_sec);
		d.at[k].nsec = htole32((uint32_t)times[k].tv_nsec);
		d.at[k].zero = 0;
	}
	return xattrs_private_set(fd, XATTRS_TIMES, &d, sizeof(d));
}

int datafill_times(int fd, const struct timespec set[2])
{
	struct timespec times[2];
	int r = times_get(fd, times);

	if (r <= 0)
		return r;
	for (int k = 0; k < 2; k++) {
		if (set[k].tv_nsec == UTIME_NOW)
			clock_gettime(CLOCK_REALTIME, &times[k]);
		else if (set[k].tv_nsec != UTIME_OMIT)
			times[k] = set[k];
	}
	return times_set(fd, times);
}

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

/*
 * What the lower takes says little where it is compressed: what has holes is
 * looked at. Its blocks may be shared with, though, those without data too.
 */
uint64_t datafill_space(struct overlay *o, const struct itable_view *v,
			off_t size)
{
	uint64_t whole = gate_round(o, (uint64_t)size), has, data;
	_cleanup_close_ int fd = -1;
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
	if (has >= whole)
		return whole;
	fd = l->ops->open(l, &low, O_RDONLY);
	if (fd < 0)
		return whole;
	data = copydata_space(fd, size, gate_round(o, 1));
	has = data > has ? data : has;
	return has < whole ? has : whole;
}

/* Before the first byte. */
static int keep_times(int fd, const struct stat *up)
{
	struct timespec times[2] = { up->st_atim, up->st_mtim }, kept[2];
	int r = times_get(fd, kept);

	return r == 0 ? times_set(fd, times) : r < 0 ? r : 0;
}

/* Those of the mark; where there is none, of before. */
static int put_times(int fd, const struct stat *up)
{
	struct timespec times[2] = { up->st_atim, up->st_mtim };
	int r = times_get(fd, times);

	if (r >= 0 && utimensat(fd, "", times, AT_EMPTY_PATH) < 0)
		r = -errno;
	return r < 0 ? r : 0;
}

/* The kept ones, their length; 0: there are none, or -errno. */
static ssize_t caps_kept(int fd, char value[CAPS_MAX])
{
	ssize_t n = xattrs_private_get(fd, XATTRS_CAPS, value, CAPS_MAX);

	return n == -ENODATA || n == -EOPNOTSUPP ? 0 : n;
}

/* Before the first byte. */
static int keep_caps(int fd)
{
	char value[CAPS_MAX];
	ssize_t n = caps_kept(fd, value);

	if (n != 0)
		return n < 0 ? (int)n : 0;
	n = xattrio_get(fd, CAPS, value, sizeof(value));
	if (n == -ENODATA || n == -EOPNOTSUPP)
		return 0;
	return n < 0 ? (int)n
		     : xattrs_private_set(fd, XATTRS_CAPS, value, (size_t)n);
}

/* Those of the mark, if there is one. */
static int put_caps(int fd)
{
	char value[CAPS_MAX];
	ssize_t n = caps_kept(fd, value);

	return n > 0 ? xattrio_set(fd, CAPS, value, (size_t)n, 0) : (int)n;
}

int datafill_caps_changed(int fd)
{
	int r = xattrs_private_has(fd, XATTRS_CAPS);

	return r > 0 ? xattrs_private_remove(fd, XATTRS_CAPS) : r;
}

void datafill_caps_look(struct overlay *o, struct inode *i,
			const struct itable_view *v, int fd)
{
	TURN(mine);
	GATE_PASS(pass, o);
	int r;

	if (!(v->flags & INODE_METACOPY) || (v->flags & INODE_BARE) ||
	    xattrs_private_has(fd, XATTRS_CAPS) <= 0)
		return;
	mine = turn_take(i);
	r = gate_watch(&pass, i, fd);
	if (r == 0)
		r = gate_enter(&pass, NULL, 0);
	if (r == 0)
		r = put_caps(fd);
	if (r == 0)
		r = datafill_caps_changed(fd);
	if (r < 0)
		log_error("capabilities that a copy-up took away: %s",
			  strerror(-r));
}

static int fill(struct overlay *o, const struct itable_view *v, int fd,
		const struct stat *up)
{
	int r = datafill_copy(o, v, fd, up->st_size);

	CRASH_POINT(FILL_DATA);
	if (r == 0)
		r = upper_sync_data(o->upper, fd);
	if (r == 0)
		r = put_times(fd, up);
	return r < 0 ? r : put_caps(fd);
}

/*
 * Where there is a record it decides; the kernel's overlayfs looks at the
 * mark. Under the inode's lock, as names.c says.
 */
static int unmark(int fd)
{
	struct xattrs_record rec;
	int r = xattrs_record_get(fd, &rec);
	bool recorded = r > 0;

	if (r >= 0)
		r = xattrs_private_remove(fd, XATTRS_METACOPY);
	CRASH_POINT(FILL_UNMARKED);
	if (r == 0 && recorded) {
		rec.metacopy = false;
		r = xattrs_record_set(fd, &rec);
	}
	if (r < 0)
		return r;
	/* Without the mark they mean nothing. */
	xattrs_private_remove(fd, XATTRS_REDIRECT);
	xattrs_private_remove(fd, XATTRS_TIMES);
	datafill_caps_changed(fd);
	return 0;
}

/* One hole again, of the old size and times. Emptying has kept none. */
static void undo(int fd, const struct stat *up)
{
	int size = ftruncate(fd, up->st_size) < 0 ? -errno : 0;
	int times, caps, mark;

	/* What was copied would only take space. */
	fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
		  up->st_size);
	times = put_times(fd, up);
	caps = put_caps(fd);
	mark = xattrs_private_set(fd, XATTRS_METACOPY, "", 0);
	if (size < 0 || times < 0 || caps < 0 || mark < 0) {
		log_error("undoing a copy-up that failed: size %s, times %s, "
			  "capabilities %s, mark %s",
			  strerror(-size), strerror(-times), strerror(-caps),
			  strerror(-mark));
		return;
	}
	xattrs_private_remove(fd, XATTRS_TIMES);
	datafill_caps_changed(fd);
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
	if (r == 0 && !empty)
		r = keep_times(fd, &up);
	if (r == 0 && !empty && !(v->flags & INODE_BARE))
		r = keep_caps(fd);
	if (r < 0)
		return r;
	CRASH_POINT(FILL_BEGUN);
	if (empty)
		r = ftruncate(fd, 0) < 0 ? -errno : 0;
	else
		r = fill(o, v, fd, &up);
	CRASH_POINT(FILL_TIMES);
	if (r == 0) {
		lock_acquire(&i->lock);
		r = unmark(fd);
		lock_release(&i->lock);
	}
	CRASH_POINT(FILL_DONE);
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
