/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/ct/wire.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include "fs/base/cleanup.h"

union control {
	struct cmsghdr h;
	char room[CMSG_SPACE(sizeof(int))];
};

int wire_pair(int *near, int *far)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	*near = pair[0];
	*far = pair[1];
	return 0;
}

int wire_say(int wire, const struct wire_message *m, int fd)
{
	union control control = { .room = { 0 } };
	struct iovec part = { (void *)(uintptr_t)m, sizeof(*m) };
	struct msghdr msg = { .msg_iov = &part, .msg_iovlen = 1 };
	ssize_t n;

	if (fd >= 0) {
		control.h = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(fd)),
					      .cmsg_level = SOL_SOCKET,
					      .cmsg_type = SCM_RIGHTS };
		memcpy(CMSG_DATA(&control.h), &fd, sizeof(fd));
		msg.msg_control = control.room;
		msg.msg_controllen = sizeof(control.room);
	}
	do
		n = sendmsg(wire, &msg, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

int wire_hear(int wire, struct wire_message *m, int *fd)
{
	union control control = { .room = { 0 } };
	struct iovec part = { m, sizeof(*m) };
	struct msghdr msg = { .msg_iov = &part,
			      .msg_iovlen = 1,
			      .msg_control = control.room,
			      .msg_controllen = sizeof(control.room) };
	const struct cmsghdr *h;
	bool reset = false;
	ssize_t n;

	/* Who ended with messages unread: what he said comes after that. */
	do {
		n = recvmsg(wire, &msg, MSG_CMSG_CLOEXEC);
		if (n < 0 && errno == ECONNRESET && !reset)
			reset = true;
		else if (n >= 0 || errno != EINTR)
			break;
	} while (true);
	h = n > 0 ? CMSG_FIRSTHDR(&msg) : NULL;
	*fd = -1;
	if (h && h->cmsg_type == SCM_RIGHTS)
		memcpy(fd, CMSG_DATA(h), sizeof(*fd));
	if (n <= 0)
		return n < 0 ? -errno : 0;
	m->why.text[sizeof(m->why.text) - 1] = '\0';
	return n == sizeof(*m) ? 1 : -EBADMSG;
}

int wire_follow(int wire, struct wire_heard *heard, struct why *why)
{
	struct wire_message m;
	int more, fd, r = 0;

	while ((more = wire_hear(wire, &m, &fd)) > 0) {
		if (m.what == WIRE_TTY && heard->tty < 0)
			heard->tty = TAKE_FD(fd);
		cleanup_closep(&fd);
		if (m.what == WIRE_PID)
			heard->pid = m.number;
		if (m.what == WIRE_FAILED)
			r = why_set(why, m.number < 0 ? m.number : -EIO, "%s",
				    m.why.text);
	}
	return r < 0 ? r : more;
}
