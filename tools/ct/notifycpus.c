/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/ct/notifycpus.h"

#include <sys/syscall.h>
#include <unistd.h>

#include "fs/base/cleanup.h"
#include "tools/ct/notifycaller.h"

#define MASK 1024u /* bytes: 8192 processors */
#define WORD sizeof(unsigned long)

void notifycpus_cut(unsigned char *mask, size_t len, unsigned n)
{
	for (size_t i = 0; i < len; i++)
		for (unsigned bit = 0; bit < 8; bit++) {
			if (!(mask[i] & 1u << bit))
				continue;
			if (n > 0)
				n--;
			else
				mask[i] &= (unsigned char)~(1u << bit);
		}
}

/* As the kernel has it for that thread: bytes, or -errno. */
static int ask_kernel(const struct notifycaller *c, uint32_t tid, uint32_t len,
		      unsigned char mask[MASK])
{
	size_t unit = c->abi->narrow ? sizeof(uint32_t) : WORD, room = MASK;
	long r;

	if (len % unit)
		return -EINVAL;
	if (len < MASK)
		room = (len + WORD - 1) / WORD * WORD;
	r = syscall(SYS_sched_getaffinity, tid, room, mask);
	if (r < 0)
		return -errno;
	return len < (unsigned long)r ? (int)len : (int)r;
}

static int answer(const struct notify_config *config, void *self,
		  const struct notifycaller *c, const struct seccomp_notif *n)
{
	unsigned char mask[MASK] = { 0 };
	uint32_t tid = (uint32_t)n->data.args[0], own;
	unsigned cpus;
	int r, len;

	if (tid != 0) {
		r = notifycaller_tid(c, &own);
		if (r < 0)
			return r;
		if (tid != own)
			return NOTIFY_CONTINUE;
	}
	len = ask_kernel(c, n->pid, (uint32_t)n->data.args[1], mask);
	if (len < 0)
		return len;
	/* That was it, if it still waits. */
	if (!notifycaller_waits(c))
		return -ESRCH;
	cpus = config->ops.cpus ? config->ops.cpus(self) : 0;
	if (cpus > 0)
		notifycpus_cut(mask, (size_t)len, cpus);
	r = notifycaller_write(c, notifyabi_pointer(c->abi, n->data.args[2]),
			       mask, (size_t)len);
	return r < 0 ? r : len;
}

int notifycpus_answer(const struct notify_config *config, void *self,
		      int listener, const struct seccomp_notif *n)
{
	struct notifycaller c;
	int r = notifycaller_open(&c, listener, n);

	if (r < 0)
		return r;
	r = answer(config, self, &c, n);
	notifycaller_close(&c);
	return r;
}
