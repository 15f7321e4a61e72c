/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/state.h"

#include "fs/base/cleanup.h"
#include "fs/htable.h"
#include "fs/slot.h"
#include "quota/ledger.h"

#define STATE_BYTES                                                            \
	((sizeof(struct state) + SHM_PAGE - 1) & ~(size_t)(SHM_PAGE - 1))

uint32_t state_layout(void)
{
	return (uint32_t)LEDGER_LAYOUT << 28 | STATE_LAYOUT << 24 |
	       SLOT_LAYOUT << 16 | HTABLE_LAYOUT << 8 | ITABLE_LAYOUT;
}

int state_open(struct shm *mem, int fd)
{
	struct shm m;
	struct state *s;
	int r = fd < 0 ? shm_new(&m, "vefs-state", STATE_BYTES)
		       : shm_attach(&m, fd, STATE_BYTES);

	if (r < 0)
		return r;
	s = state_of(&m);
	if (fd < 0) {
		s->magic = STATE_MAGIC;
		s->layout = state_layout();
		s->fd = s->fd_busy = s->fd_ready = s->fd_signals = -1;
		s->fd_control = s->fd_reply = s->fd_quota = -1;
		s->quota = s->quota_dir = s->quota_lock = -1;
		s->window[0] = s->window[1] = -1;
	} else if (s->magic != STATE_MAGIC || s->layout != state_layout()) {
		shm_free(&m);
		return -EPROTO;
	}
	*mem = m;
	return 0;
}
