#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# readdir - listings: merged, huge, positions that survive, changes under way.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

t_merged_once() {
	local i

	for i in 1 2 3 4 5; do
		mkdir "$D/l$i/d"
		"$VT" many "$D/l$i/d" "own$i-" 50
		"$VT" many "$D/l$i/d" same 50
	done
	use_lowers 5
	mnt
	"$VT" many "$M/d" upper 50
	assert_eq 350 "$("$VT" check-dir "$M/d")"
	"$VT" many-rm "$M/d" same 20
	assert_eq 330 "$("$VT" check-dir "$M/d")"
	remnt
	assert_eq 330 "$("$VT" check-dir "$M/d")"
}

t_types() {
	put "$L/file" x
	mkdir "$L/dir"
	ln -s x "$L/link"
	mkfifo "$L/fifo"
	"$VT" mknod "$L/chr" c 600 1 3
	"$VT" mknod "$L/blk" b 600 7 99
	"$VT" mknod "$L/sock" s 600
	mnt
	assert_eq "1 fifo 10 link 12 sock 2 chr 4 . 4 .. 4 dir 6 blk 8 file" \
		"$("$VT" readdir "$M" | sort | paste -sd' ')"
	chmod 600 "$M/file" "$M/fifo" "$M/dir"
	assert_eq "1 fifo 10 link 12 sock 2 chr 4 . 4 .. 4 dir 6 blk 8 file" \
		"$("$VT" readdir "$M" | sort | paste -sd' ')"
}

t_empty() {
	mkdir "$L/d"
	mnt
	mkdir "$M/e"
	assert_eq 0 "$("$VT" check-dir "$M/d")"
	assert_eq 0 "$("$VT" check-dir "$M/e")"
	"$VT" check-dir "$M"
}

t_small_buffer() {
	mkdir "$L/d" "$D/l2/d"
	"$VT" many "$L/d" a 200
	"$VT" many "$D/l2/d" b 200
	use_lowers 2
	mnt
	assert_eq 402 "$("$VT" readdir "$M/d" 64 | sort -u | wc -l)"
	assert_eq 402 "$("$VT" readdir "$M/d" 64 | wc -l)"
}

t_seek_after_reopen() {
	mkdir "$L/d" "$D/l2/d"
	"$VT" many "$L/d" a 300
	"$VT" many "$D/l2/d" b 300
	use_lowers 2
	mnt
	"$VT" many "$M/d" c 300
	"$VT" many-rm "$M/d" a 100
	differs fuse-overlayfs "another entry"
	"$VT" seek "$M/d" 1000
}

t_seek_in_pure_folders() {
	mkdir "$L/d"
	"$VT" many "$L/d" a 300
	mnt
	differs fuse-overlayfs "another entry"
	"$VT" seek "$M/d" 400
	mkdir "$M/up"
	"$VT" many "$M/up" a 300
	"$VT" seek "$M/up" 400
}

t_rewind_sees_changes() {
	mkdir "$L/d" "$D/l2/d"
	"$VT" many "$L/d" a 20
	"$VT" many "$D/l2/d" b 20
	use_lowers 2
	mnt
	"$VT" rewind "$M/d" a7
	assert_eq 40 "$("$VT" check-dir "$M/d")"
	mkdir "$M/e"
	"$VT" many "$M/e" a 20
	"$VT" rewind "$M/e" a7
}

t_change_while_reading() {
	mkdir "$L/d" "$D/l2/d"
	"$VT" many "$L/d" keep 300
	"$VT" many "$D/l2/d" gone 300
	use_lowers 2
	mnt
	"$VT" change "$M/d" 300 300
	mkdir "$M/e"
	"$VT" many "$M/e" keep 300
	"$VT" many "$M/e" gone 300
	"$VT" change "$M/e" 300 300
	"$VT" check-dir "$M/d"
	"$VT" check-dir "$M/e"
}

t_change_and_reopen() {
	mkdir "$L/d" "$D/l2/d"
	"$VT" many "$L/d" keep 200
	"$VT" many "$D/l2/d" gone 200
	use_lowers 2
	mnt
	differs overlay "positions of a merged folder are lost"
	differs fuse-overlayfs "another entry"
	"$VT" change "$M/d" 200 200 reopen
	assert_eq 400 "$("$VT" check-dir "$M/d")"
}

t_remove_while_reading() {
	mkdir "$L/d" "$D/l2/d"
	"$VT" many "$L/d" a 1000
	"$VT" many "$D/l2/d" b 1000
	use_lowers 2
	mnt
	"$VT" many "$M/d" c 1000
	"$VT" empty "$M/d"
	rmdir "$M/d"
	mkdir "$M/e"
	"$VT" many "$M/e" c 1000
	"$VT" empty "$M/e"
	rmdir "$M/e"
	remnt
	assert_names "$M" ""
}

t_rm_rf_mixed_tree() {
	local i

	for i in $(seq 1 20); do
		mkdir -p "$L/t/d$i/s" "$D/l2/t/d$i/s"
		"$VT" many "$L/t/d$i" a 30
		"$VT" many "$D/l2/t/d$i/s" b 30
	done
	use_lowers 2
	mnt
	for i in $(seq 1 20); do
		"$VT" many "$M/t/d$i/s" c 30
		rm "$M/t/d$i/a$i"
		mv "$M/t/d$i/a0" "$M/t/d$i/s/moved"
	done
	rm -rf "$M/t"
	assert_names "$M" ""
	remnt
	assert_names "$M" ""
}

t_removed_folder() {
	mkdir "$L/d"
	mnt
	"$VT" removed-dir "$M/d"
	mkdir "$M/e"
	"$VT" removed-dir "$M/e"
}

t_listing_after_each_change() {
	put "$L/d/a" x
	put "$L/d/b" x
	mnt
	assert_names "$M/d" "a b"
	put "$M/d/c" x
	assert_names "$M/d" "a b c"
	rm "$M/d/a"
	assert_names "$M/d" "b c"
	mv "$M/d/b" "$M/d/z"
	assert_names "$M/d" "c z"
	mkdir "$M/d/m"
	assert_names "$M/d" "c m z"
	mv "$M/d/c" "$M/d/m/"
	assert_names "$M/d" "m z"
	assert_names "$M/d/m" "c"
	ln "$M/d/z" "$M/d/y"
	ln -s z "$M/d/x"
	assert_names "$M/d" "m x y z"
	"$VT" rename "$M/d/m" "$M/d/x" exchange
	assert_eq "10 m 4 x" "$("$VT" readdir "$M/d" | grep ' [mx]$' |
		sort -k2 | paste -sd' ')"
}

t_attributes_after_listing() {
	put "$L/d/f" 12345
	mnt
	ls -l "$M/d" >/dev/null
	printf 67890 >>"$M/d/f"
	chmod 640 "$M/d/f"
	assert_stat '%s %a' "10 640" "$M/d/f"
	ls -l "$M/d" >/dev/null
	assert_stat '%s %a' "10 640" "$M/d/f"
	assert_eq "10" "$(find "$M/d" -type f -printf %s)"
}

t_two_readers() {
	mkdir "$L/d"
	"$VT" many "$L/d" a 3000
	mnt
	"$VT" check-dir "$M/d" >"$D/one" &
	"$VT" check-dir "$M/d" >"$D/two" &
	wait
	assert_text "$D/one" $'3000\n'
	assert_text "$D/two" $'3000\n'
}

# Readers and changers together for a bounded number of rounds.
t_readers_and_changers() {
	local i pids=

	mkdir "$L/d"
	"$VT" many "$L/d" keep 400
	mnt
	for i in 1 2; do
		(
			for _ in $(seq 1 20); do
				"$VT" many "$M/d" "c$i-" 50
				"$VT" many-rm "$M/d" "c$i-" 50
			done
		) &
		pids="$pids $!"
	done
	for i in $(seq 1 30); do
		assert_eq 400 "$("$VT" readdir "$M/d" 512 | grep -c ' keep')"
	done
	for i in $pids; do
		wait "$i"
	done
	assert_eq 400 "$("$VT" check-dir "$M/d")"
}

# shellcheck disable=SC2034 # for the frame
t_100000_entries_limit=120
t_100000_entries() {
	mkdir "$L/d" "$D/l2/d"
	"$VT" many "$L/d" a-name-of-usual-length- 60000
	"$VT" many "$D/l2/d" b-name-of-usual-length- 40000
	"$VT" many "$D/l2/d" a-name-of-usual-length- 1000
	use_lowers 2
	mnt
	"$VT" many "$M/d" upper 500
	"$VT" many-rm "$M/d" b-name-of-usual-length- 500
	assert_eq 100000 "$("$VT" check-dir "$M/d")"
	assert_eq 100000 "$(find "$M/d" -mindepth 1 | sort -u | wc -l)"
	if [ "$VEFS_FS" = vefs ]; then
		"$VT" seek "$M/d" 10
		rss_below 65536
		find "$M/d" -newer "$M/d" -printf x >"$D/out"
		rss_below 65536
		drop_caches
		ls "$M" >"$D/out"
		rss_below 32768
	fi
}

# No daemon of this mount is larger than KiB (a sanitizer's is, always).
rss_below() {
	local pid rss

	for pid in $(daemon_pids); do
		grep -qE 'lib(a|t)san' "/proc/$pid/maps" && continue
		rss=$(awk '/^VmRSS/ { print $2 }' "/proc/$pid/status")
		assert_le "${rss:-0}" "$1" "VmRSS in KiB"
	done
}

# shellcheck disable=SC2034 # for the frame
t_100000_rm_rf_limit=180
t_100000_rm_rf() {
	mkdir "$L/d"
	"$VT" many "$L/d" a 50000
	mnt
	"$VT" many "$M/d" b 50000
	rm -rf "$M/d"
	assert_names "$M" ""
	mkdir "$M/d"
	assert_names "$M/d" ""
	remnt
	assert_names "$M/d" ""
}

t_long_names() {
	local i

	mkdir "$L/d"
	for i in $(seq 100 160); do
		put "$L/d/$(printf "%0255d" "$i")" x
	done
	mnt
	assert_eq 61 "$("$VT" check-dir "$M/d")"
	assert_eq 63 "$("$VT" readdir "$M/d" 300 | wc -l)"
	rm -r "$M/d"
	assert_names "$M" ""
}

run_all
