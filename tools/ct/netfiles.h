/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef VEFS_TOOLS_CT_NETFILES_H
#define VEFS_TOOLS_CT_NETFILES_H

/*
 * netfiles - the names of a container's network, in its own files:
 * /etc/hostname, /etc/resolv.conf and a line in /etc/hosts.
 *
 * The root may be of someone who wishes the host ill, and may be running:
 * nothing is reached through a symlink, a device or a FIFO is not opened, and
 * a new file takes an old one's place by a rename. New files are the
 * container's root's, 0644. What is the same already is not written.
 */
#include "templates/why.h"
#include "tools/ct/spec.h"

/*
 * Write what `s` says into the tree of `root` (a directory's descriptor):
 *
 * /etc/hostname  the hostname, or the id where none is given.
 * /etc/hosts     a line with it and its first part, for the first IPv4 of the
 *                routed addresses, else the first of them, else 127.0.1.1. It
 *                ends in "# vefs" and takes the place of the one before. A
 *                symlink or anything else that is no file is left alone.
 * /etc/resolv.conf  with a nameserver: its lines instead of all nameserver
 *                lines, and instead of the whole where a symlink stands there;
 *                with a searchdomain: likewise search and domain lines, a
 *                symlink is left alone. "inherit" stands for what the host
 *                has, but for nameservers that are the host itself by a
 *                loopback address, unless the network is the host's: where
 *                only such are left, those of systemd-resolved are taken, and
 *                without any the lines stay as they are.
 *
 * -EINVAL: a hostname, nameserver or searchdomain that is none; -ENOTDIR: /etc
 * is none, or a symlink; -EISDIR; -EDQUOT and others of writing. What was written
 * before an error stays.
 */
int netfiles_write(int root, const struct spec *s, struct why *why);

/*
 * The same with other files for the host's: of its resolver, and behind a
 * resolver that it runs itself. For tests.
 */
int netfiles_write_from(int root, const struct spec *s,
			const char *const host[2], struct why *why);

#endif
