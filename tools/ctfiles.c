/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/ctfiles.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fs/base/cleanup.h"
#include "fs/base/clock.h"
#include "fs/proc/procfd.h"
#include "tools/ct/procserve.h"
#include "tools/ct/wire.h"
#include "tools/monitor.h"

#define PATIENCE_MS 3000
#define TEXT_MAX (1u << 20)

/* The mount that has it, from the monitor: a descriptor, or -errno. */
static int ask_mount(const struct container *one, const char *path, unsigned ms)
{
	_cleanup_close_ int fd = -1;
	struct pollfd p = { .events = POLLIN };
	struct wire_message m;
	char request[32];
	int mount = -1, r;

	snprintf(request, sizeof(request), "files %u", procserve_kind(path));
	fd = monitor_connect(one, request);
	if (fd < 0)
		return fd;
	p.fd = fd;
	if (poll(&p, 1, (int)ms) <= 0)
		return -ETIMEDOUT;
	r = wire_hear(fd, &m, &mount);
	if (r <= 0 || m.what != WIRE_FILES) {
		cleanup_closep(&mount);
		return r < 0 ? r : -ENXIO;
	}
	return mount < 0 ? -ENXIO : mount;
}

/*
 * Who waits for a server that does not answer can only be killed: that is
 * another process.
 */
static void read_it(int mount, const char *path, int to)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	const char *at;
	size_t left;
	int r = procfd_read_at(mount, path, &text);

	at = strbuf_get(&text);
	left = text.len;
	while (r == 0 && left > 0) {
		ssize_t n = write(to, at, left);

		if (n < 0)
			_exit(1);
		at += n;
		left -= (size_t)n;
	}
	_exit(r < 0);
}

/* Until its end: 0, or -errno. */
static int take(int from, uint64_t until, struct strbuf *out)
{
	struct pollfd p = { .fd = from, .events = POLLIN };
	char chunk[4096];
	ssize_t n;
	int r = 0;

	do {
		uint64_t now = clock_now();

		if (now >= until ||
		    poll(&p, 1, (int)((until - now) / CLOCK_MS) + 1) == 0)
			return -ETIMEDOUT;
		n = read(from, chunk, sizeof(chunk));
		if (n < 0 && errno != EINTR)
			r = -errno;
		else if (n > 0)
			r = out->len < TEXT_MAX
				    ? strbuf_add(out, chunk, (size_t)n)
				    : -EFBIG;
	} while (n != 0 && r == 0);
	return r;
}

static int read_beside(int mount, const char *path, uint64_t until,
		       struct strbuf *out)
{
	int ends[2], status = 0, r;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid == 0) {
		close(ends[0]);
		read_it(mount, path, ends[1]);
	}
	r = pid < 0 ? -errno : 0;
	close(ends[1]);
	if (r == 0)
		r = take(ends[0], until, out);
	close(ends[0]);
	if (pid <= 0)
		return r;
	if (r < 0)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return r == 0 && status != 0 ? -EIO : r;
}

int ctfiles_read(const struct container *one, const char *path, unsigned ms,
		 struct strbuf *out)
{
	uint64_t until = clock_now() + ms * CLOCK_MS;
	_cleanup_close_ int mount = ask_mount(one, path, ms);
	int r = mount;

	strbuf_clear(out);
	if (r >= 0)
		r = read_beside(mount, path, until, out);
	if (r < 0)
		strbuf_clear(out);
	return r;
}

int ctfiles_beans(const struct container *one,
		  struct procubc_row out[PROCUBC_ROWS])
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	int r = ctfiles_read(one, "proc/user_beancounters", PATIENCE_MS, &text);

	return r < 0 ? r : procubc_parse(strbuf_get(&text), out);
}

int ctfiles_load(const struct container *one, double out[3])
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	int r = ctfiles_read(one, "proc/loadavg", PATIENCE_MS, &text);

	if (r < 0)
		return r;
	return sscanf(strbuf_get(&text), "%lf %lf %lf", &out[0], &out[1],
		      &out[2]) == 3
		       ? 0
		       : -EINVAL;
}
