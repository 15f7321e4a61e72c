#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# remount - everything that was done is there after the mount went and came,
# and a long random walk gives the same answers as on a plain filesystem.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

# Types, modes, owners, times, sizes, links, targets, contents, attributes.
picture() {
	(
		cd "$1"
		find . -mindepth 1 -type d -printf '%p %y %m %U %G %T@\n' -o \
			-mindepth 1 -printf '%p %y %m %U %G %T@ %s %n %l\n' |
			sort
		find . -type f -print0 | sort -z | xargs -0 -r sha256sum
		find . -print0 | sort -z |
			xargs -0 -r getfattr -h -d -m '^user\.' 2>/dev/null
	)
}

t_everything_of_a_session() {
	put "$L/etc/passwd" "root"
	put "$L/usr/bin/tool" "#!"
	put "$L/var/lib/x/db" "db"
	put "$L/var/log/a" "log"
	ln "$L/var/log/a" "$L/var/log/b"
	mkdir -p "$L/home/u"
	mnt
	printf ':x' >>"$M/etc/passwd"
	mv "$M/usr/bin/tool" "$M/usr/bin/tool.old"
	put "$M/usr/bin/tool" "new"
	chmod 4755 "$M/usr/bin/tool"
	rm -r "$M/var/lib/x"
	mkdir "$M/var/lib/x"
	put "$M/var/lib/x/other" o
	printf more >>"$M/var/log/b"
	ln -s ../etc "$M/home/etc"
	mkfifo "$M/home/p"
	"$VT" mknod "$M/home/null" c 666 1 3
	truncate -s 1M "$M/home/sparse"
	setfattr -n user.a -v b "$M/home/sparse"
	touch -h -d @7.000000007 "$M/home/etc" "$M/home/p" "$M/home"
	picture "$M" >"$D/before"
	remnt
	picture "$M" >"$D/after"
	diff "$D/before" "$D/after"
	remnt
	picture "$M" >"$D/after"
	diff "$D/before" "$D/after"
}

# The same walk on the mount and on a plain copy, in pieces between remounts.
walk() {
	local seed=$1 round first

	"$VT" walk "$D/l1" "$((seed + 1000))" 300 >/dev/null
	"$VT" walk "$D/l2" "$((seed + 2000))" 300 >/dev/null
	# A link whose other name is hidden by l1 would have odd counts.
	find "$D/l2" -not -type d -links +1 -exec cp -a {} {}.own \; \
		-exec mv {}.own {} \;
	use_lowers 2
	seal
	mnt
	# What the lowers look like together is this mount's business: see
	# basic.sh. The plain copy starts from it.
	cp -a "$M" "$D/plain"
	for round in 1 2 3 4; do
		"$VT" walk "$M" "$((seed * 10 + round))" 700 >"$D/ours"
		"$VT" walk "$D/plain" "$((seed * 10 + round))" 700 >"$D/theirs"
		if ! cmp -s "$D/ours" "$D/theirs"; then
			first=$(diff "$D/theirs" "$D/ours" | sed -n 2,4p)
			fail "seed $seed round $round: $first"
		fi
		walk_compare "seed $seed round $round"
		remnt
		walk_compare "seed $seed round $round after remount"
	done
	assert_sealed
}

# Directory times are not compared: the walk sets few of them.
walk_compare() {
	picture "$M" | sed 's/^\([^ ]* d [^ ]* [^ ]* [^ ]*\) .*/\1/
		s/^\([^ ]* [a-z] [^ ]* [^ ]* [^ ]*\) [0-9]\{8,\}\.[0-9]* /\1 T /' \
		>"$D/ours.tree"
	picture "$D/plain" | sed 's/^\([^ ]* d [^ ]* [^ ]* [^ ]*\) .*/\1/
		s/^\([^ ]* [a-z] [^ ]* [^ ]* [^ ]*\) [0-9]\{8,\}\.[0-9]* /\1 T /' \
		>"$D/theirs.tree"
	cmp -s "$D/ours.tree" "$D/theirs.tree" ||
		fail "$1: $(diff "$D/theirs.tree" "$D/ours.tree" | head -3)"
}

t_walk_1() {
	differs fuse-overlayfs "EXDEV"
	walk 1
}

t_walk_2() {
	differs fuse-overlayfs "EXDEV"
	walk 2
}

t_walk_3() {
	differs fuse-overlayfs "EXDEV"
	walk 3
}

t_walk_of_today() {
	local seed

	differs fuse-overlayfs "EXDEV"
	seed=${VEFS_SEED:-$(date +%j%H%M | sed 's/^0*//')}
	echo "seed $seed"
	walk "$seed"
}

t_many_times() {
	local i

	put "$L/d/f" start
	mnt
	for i in $(seq 1 25); do
		printf ' %s' "$i" >>"$M/d/f"
		put "$M/d/n$i" "$i"
		rm -f "$M/d/n$((i - 3))"
		remnt
	done
	assert_text "$M/d/f" "start $(seq -s' ' 1 25)"
	assert_names "$M/d" "f n23 n24 n25"
}

# No wait between the two: the next mount must cope with a daemon that is
# still on its way out.
t_at_once() {
	local i

	put "$L/f" x
	mnt
	for i in 1 2 3 4 5 6 7 8 9 10; do
		put "$M/n" "$i"
		umnt
		mnt
		assert_text "$M/n" "$i"
	done
}

t_lazy_unmount() {
	put "$L/f" x
	mnt
	exec 5>>"$M/f"
	umount -l "$M"
	assert_names "$M" ""
	printf y >&5
	exec 5>&-
	daemons_end
	mnt
	assert_text "$M/f" xy
}

t_busy_unmount() {
	put "$L/f" x
	mnt
	exec 5<"$M/f"
	if umount "$M"; then
		fail "a busy mount went away"
	fi
	assert_text "$M/f" x
	exec 5<&-
	umnt
}

t_fusermount() {
	differs overlay "not a FUSE mount"
	need fusermount3
	put "$L/f" x
	mnt
	put "$M/g" y
	fusermount3 -u "$M"
	assert_names "$M" ""
	mnt
	assert_text "$M/g" y
}

t_without_upper_later() {
	put "$L/f" x
	put "$L/d/gone" x
	mnt
	printf y >>"$M/f"
	rm -r "$M/d"
	umnt
	LOWERS=$U:$L
	mnt_ro
	assert_text "$M/f" xy
	assert_names "$M" f
}

t_sync_then_power_cut_of_the_daemon() {
	only_vefs "no daemon of its own to lose"
	put "$L/f" lower
	mnt
	put "$M/new" new
	printf ' more' >>"$M/f"
	mv "$M/new" "$M/new2"
	sync -f "$M"
	kill_daemon
	umount -l "$M"
	mnt
	assert_text "$M/f" "lower more"
	assert_text "$M/new2" new
	assert_names "$M" "f new2"
}

# The daemon dies somewhere in a copy-up: the file is the old or the new one.
t_killed_in_a_copy_up() {
	local i want new sum

	only_vefs "no daemon of its own to lose"
	fill_random "$L/f" 33554432
	want=$(sha256sum <"$L/f")
	cp "$L/f" "$D/new"
	printf END >>"$D/new"
	new=$(sha256sum <"$D/new")
	for i in 1 2 3 4 5 6; do
		mnt
		(printf END >>"$M/f") 2>/dev/null &
		sleep "0.0$i"
		kill_daemon
		umount -l "$M"
		{ wait; } 2>/dev/null
		mnt
		sum=$(sha256sum <"$M/f")
		[ "$sum" = "$want" ] || [ "$sum" = "$new" ] ||
			fail "round $i: neither the old nor the new content"
		rm "$M/f"
		umnt
		daemons_end
		assert_eq "" "$(find "$W" -type f -size +0)" "left in work"
		rm -rf "$U" "$W"
		mkdir "$U" "$W"
	done
}

run_all
