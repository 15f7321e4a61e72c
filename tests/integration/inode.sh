#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# inode - a file keeps its number over copy-up and remount, no two files share
# one, and a listing tells the same number as stat.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

# Every kind of file in a lower.
all_kinds() {
	put "$L/file" text
	put "$L/dir/in" text
	mkdir -p "$L/dir/sub"
	ln -s file "$L/link"
	mkfifo "$L/fifo"
	"$VT" mknod "$L/dev" c 600 1 3
	"$VT" mknod "$L/sock" s 600
}

# Path and number of everything below M, as text.
numbers() {
	find "$M" -printf './%P %D %i\n' | sort
}

t_copy_up_keeps_the_number() {
	all_kinds
	mnt
	numbers >"$D/before"
	printf x >>"$M/file"
	chmod 700 "$M/dir"
	put "$M/dir/sub/new" x
	rm "$M/dir/sub/new"
	chown -h 5 "$M/link"
	chmod 640 "$M/fifo" "$M/dev" "$M/sock"
	numbers >"$D/after"
	diff "$D/before" "$D/after"
	drop_caches
	numbers >"$D/after"
	diff "$D/before" "$D/after"
}

t_remount_keeps_the_number() {
	all_kinds
	mnt
	put "$M/new" x
	put "$M/newdir/new" x
	printf x >>"$M/file"
	chmod 700 "$M/dir"
	numbers | awk '{ print $1, $3 }' >"$D/before"
	remnt
	numbers | awk '{ print $1, $3 }' >"$D/after"
	diff "$D/before" "$D/after"
}

t_copy_up_after_remount() {
	local ino

	put "$L/d/f" text
	mnt
	ino=$(stat -c %i "$M/d/f")
	remnt
	assert_stat %i "$ino" "$M/d/f"
	printf x >>"$M/d/f"
	assert_stat %i "$ino" "$M/d/f"
	remnt
	assert_stat %i "$ino" "$M/d/f"
}

t_rename_keeps_the_number() {
	local f d

	put "$L/f" text
	put "$L/d/in" text
	mnt
	f=$(stat -c %i "$M/f")
	d=$(stat -c %i "$M/d")
	mv "$M/f" "$M/g"
	mv "$M/d" "$M/e"
	assert_stat %i "$f" "$M/g"
	assert_stat %i "$d" "$M/e"
	remnt
	assert_stat %i "$f" "$M/g"
	assert_stat %i "$d" "$M/e"
}

t_link_keeps_the_number() {
	local ino

	put "$L/f" text
	mnt
	ino=$(stat -c %i "$M/f")
	ln "$M/f" "$M/g"
	assert_stat %i "$ino" "$M/f"
	assert_stat %i "$ino" "$M/g"
	rm "$M/f"
	remnt
	assert_stat %i "$ino" "$M/g"
}

t_open_file_over_copy_up() {
	put "$L/f" "some text"
	put "$L/usr/bin/f" "some text"
	mnt
	"$VT" same-inode "$M/f"
	"$VT" same-inode "$M/usr/bin/f"
}

t_listing_tells_the_number() {
	local dir

	all_kinds
	put "$D/l2/dir/below" x
	put "$D/l2/dir/sub/below" x
	use_lowers 2
	mnt
	put "$M/new" x
	put "$M/dir/new" x
	printf x >>"$M/dir/in"
	mv "$M/file" "$M/dir/moved"
	mkdir "$M/newdir"
	for dir in "$M" "$M/dir" "$M/dir/sub" "$M/newdir"; do
		"$VT" check-dir "$dir"
	done
	drop_caches
	for dir in "$M" "$M/dir" "$M/dir/sub" "$M/newdir"; do
		"$VT" check-dir "$dir"
	done
	remnt
	for dir in "$M" "$M/dir" "$M/dir/sub" "$M/newdir"; do
		"$VT" check-dir "$dir"
	done
}

t_one_device() {
	new_fs tmpfs 4M "$D/l2"
	put "$D/l1/one" x
	put "$D/l2/two" x
	put "$D/l2/d/in" x
	use_lowers 2
	mnt
	put "$M/three" x
	assert_eq 1 "$(find "$M" -printf '%D\n' | sort -u | wc -l)" "devices"
	assert_eq "$(stat -c %d "$M")" "$(stat -c %d "$M/two")"
	assert_eq "$(mountpoint -d "$M")" \
		"$(stat -c '%Hd:%Ld' "$M/three")" "mountinfo's device"
}

# tmpfs numbers its files alike: without care many would collide.
xdev_layers() {
	local i

	for i in 1 2 3; do
		new_fs tmpfs 8M "$D/l$i"
		mkdir -p "$D/l$i/d" "$D/l$i/only$i"
		"$VT" many "$D/l$i" "top$i-" 20
		"$VT" many "$D/l$i/d" "in$i-" 20
		put "$D/l$i/only$i/f" "f$i"
	done
	use_lowers 3
}

t_xdev_numbers_are_unique() {
	differs fuse-overlayfs "collide"
	xdev_layers
	mnt
	"$VT" many "$M/d" new 20
	assert_eq "" "$(find "$M" -printf '%D:%i\n' | sort | uniq -d)" "doubles"
	"$VT" check-dir "$M/d"
	"$VT" check-dir "$M"
}

t_xdev_numbers_are_stable() {
	differs fuse-overlayfs "change"
	xdev_layers
	mnt
	numbers >"$D/before"
	printf x >>"$M/only2/f"
	printf x >>"$M/d/in3-7"
	chmod 600 "$M/top3-1"
	chmod 700 "$M/only3"
	numbers >"$D/after"
	diff "$D/before" "$D/after"
	remnt
	numbers | awk '{ print $1, $3 }' >"$D/after"
	awk '{ print $1, $3 }' "$D/before" | diff - "$D/after"
	"$VT" check-dir "$M/d"
}

t_xdev_rename_and_links() {
	local ino

	differs fuse-overlayfs "change"
	xdev_layers
	mnt
	ino=$(stat -c %i "$M/top2-3")
	mv "$M/top2-3" "$M/d/moved"
	ln "$M/d/moved" "$M/linked"
	assert_stat %i "$ino" "$M/linked"
	remnt
	assert_stat %i "$ino" "$M/linked"
	assert_stat %i "$ino" "$M/d/moved"
	assert_eq "" "$(find "$M" -links 1 -printf '%D:%i\n' | sort | uniq -d)"
}

# Layers that another image stacks differently: same files, same numbers.
t_layer_order_does_not_matter() {
	needs_dir_lower "its numbers are its own, not those of a directory"
	put "$D/l1/one" x
	put "$D/l2/two" x
	put "$D/l3/three" x
	use_lowers 2
	mnt
	numbers | awk '$1 == "./one" || $1 == "./two" { print $1, $3 }' >"$D/before"
	umnt
	LOWERS=$D/l3:$D/l2:$D/l1
	U=$UP/upper2
	W=$UP/work2
	mkdir "$U" "$W"
	mnt
	numbers | awk '$1 == "./one" || $1 == "./two" { print $1, $3 }' >"$D/after"
	assert_eq 2 "$(wc -l <"$D/before")" "files compared"
	diff "$D/before" "$D/after"
}

t_recreated_is_another() {
	local old

	put "$L/f" old
	mnt
	exec 5<"$M/f"
	old=$(stat -L -c %i /proc/self/fd/5)
	rm "$M/f"
	put "$M/f" new
	assert_ne "$old" "$(stat -c %i "$M/f")" "number of the new file"
	assert_eq old "$(cat <&5)"
	exec 5<&-
	assert_text "$M/f" new
}

t_numbers_are_not_zero() {
	all_kinds
	mnt
	put "$M/new" x
	assert_eq "" "$(find "$M" -inum 0)"
	assert_ne 0 "$(stat -c %i "$M")"
}

t_find_and_du_agree() {
	mkdir -p "$L/a/b/c" "$D/l2/a/b/d"
	put "$D/l2/a/b/d/f" x
	use_lowers 2
	mnt
	put "$M/a/b/new" x
	assert_eq "" "$(find "$M" -xdev -type f 2>&1 >/dev/null)"
	assert_eq "" "$(du -s "$M" 2>&1 >/dev/null)"
	find "$M" -inum "$(stat -c %i "$M/a/b/d/f")" | grep -qx "$M/a/b/d/f"
	rm -r "$M/a"
	assert_names "$M" ""
}

t_tar_does_not_complain() {
	mkdir -p "$L/d" "$D/l2/d"
	"$VT" many "$L/d" f 300
	"$VT" many "$D/l2/d" g 300
	fill_random "$L/d/blob" 300000
	use_lowers 2
	mnt
	printf x >>"$M/d/f7"
	rm "$M/d/g8"
	assert_eq "" "$(tar -C "$M" -cf "$D/out.tar" . 2>&1)"
	assert_eq 600 "$(tar -tf "$D/out.tar" | grep -vc '/$')"
	assert_eq "" "$(tar -C "$M" -df "$D/out.tar" 2>&1)"
}

# A daemon with one descriptor per file meets EMFILE on a real root.
t_no_descriptor_per_file() {
	local pid

	only_vefs "its own promise"
	mkdir "$L/d" "$L/e"
	"$VT" many "$L/d" f 3000
	"$VT" many "$L/e" g 1000
	mnt
	assert_eq 3000 "$(find "$M/d" -type f -size 0 | wc -l)"
	chmod 600 "$M"/e/*
	for pid in $(daemon_pids); do
		assert_le "$(find "/proc/$pid/fd" -mindepth 1 | wc -l)" 400 \
			"descriptors of the daemon"
	done
}

t_mount_root_number() {
	local ino

	put "$L/f" x
	mnt
	ino=$(stat -c %i "$M")
	put "$M/new" x
	assert_stat %i "$ino" "$M"
	assert_eq "$ino" "$("$VT" stat "$M/.")"
	remnt
	assert_stat %i "$ino" "$M"
}

# A lower on FUSE forgets its inodes when memory is short; a handle of one
# leads nowhere then.
t_lower_that_forgets() {
	local i drops got never

	only_vefs "no matter of ours"
	mkdir -p "$D/b"
	for i in $(seq 40); do
		put "$L/d$i/f" "text $i"
	done
	"$VEFS_BIN/mount.vefs" -o "lowerdir=$LOWERS" "$D/b"
	LOWERS=$D/b
	mnt
	exec {never}<> <(:)
	while :; do
		echo 2 >/proc/sys/vm/drop_caches || exit
		read -r -t 0.002 -u "$never" || continue
	done &
	drops=$!
	# without a process for each
	for i in $(seq 400); do
		got=$(<"$M/d$((i % 40 + 1))/f")
		assert_eq "text $((i % 40 + 1))" "$got"
	done
	kill "$drops"
	umnt
	umnt_at "$D/b"
}

run_all
