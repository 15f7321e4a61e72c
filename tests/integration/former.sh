#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# former.sh - what was an upper is a lower now: its redirects on the way to
# where ours lead.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"

# A folder on the way to where a redirect leads has one itself, and that layer
# does not have the rest of the way.
t_redirect_through_a_redirect() {
	differs fuse-overlayfs "EXDEV"
	mkdir -p "$L/a/b" "$D/former"
	put "$L/a/b/f" "text below"
	mnt
	mv -T "$M/a" "$M/x"
	umnt
	mv "$U" "$D/former/u"
	rm -rf "$W"
	mkdir "$U" "$W"
	LOWERS=$D/former/u:$LOWERS
	mnt
	mv -T "$M/x/b" "$M/y"
	assert_text "$M/y/f" "text below"
	remnt
	assert_text "$M/y/f" "text below"
	assert_names "$M/y" "f"
	chmod 600 "$M/y/f"
	remnt
	assert_text "$M/y/f" "text below"
}

# It may also lie in a folder that hides what is below, and lead out of it.
t_redirect_out_of_an_opaque_one() {
	mkdir -p "$L/a/sub" "$D/former"
	put "$L/a/sub/f" "text below"
	differs fuse-overlayfs "EXDEV"
	mnt
	mkdir "$M/new"
	mv -T "$M/a" "$M/new/x"
	umnt
	setfattr -n trusted.overlay.opaque -v y "$U/new"
	mv "$U" "$D/former/u"
	rm -rf "$W"
	mkdir "$U" "$W"
	LOWERS=$D/former/u:$LOWERS
	mnt
	assert_text "$M/new/x/sub/f" "text below"
	mv -T "$M/new/x/sub" "$M/y"
	remnt
	assert_text "$M/y/f" "text below"
}

run_all
