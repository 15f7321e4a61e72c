#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# data - contents: holes, allocation, coherence of readers, writers and maps,
# copies up while many want them.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

# 4 KiB of data at 0, 8 MiB and the last block of 64 MiB; holes between.
sparse_file() {
	truncate -s 64M "$1"
	printf 'BEGIN' | dd of="$1" conv=notrunc status=none
	printf 'MIDDLE' | dd of="$1" bs=1M seek=8 conv=notrunc status=none
	printf 'END' | dd of="$1" bs=1 seek=$((67108864 - 3)) conv=notrunc \
		status=none
	sync "$1"
}

t_copy_up_keeps_holes() {
	sparse_file "$L/f"
	cp --sparse=always "$L/f" "$D/want"
	seal
	differs fuse-overlayfs "inflates"
	mnt
	"$VT" write "$M/f" 100 "a byte"
	"$VT" write "$D/want" 100 "a byte"
	cmp "$D/want" "$M/f"
	assert_stat %s 67108864 "$M/f"
	differs overlay "holes are seen by the MiB"
	assert_le "$(blocks "$U/f")" $(($(blocks "$D/want") + 64)) \
		"blocks in upper"
	assert_eq "$("$VT" map "$D/want" | head -1)" \
		"$("$VT" map "$M/f" | head -1)"
	remnt
	cmp "$D/want" "$M/f"
	assert_sealed
}

# Where the filesystem shares blocks, a copy-up takes none.
t_copy_up_shares_blocks() {
	local before used

	dd if=/dev/urandom of="$L/f" bs=1M count=64 status=none
	"$VT" clone "$L/f" "$UP/probe" 2>"$D/message" ||
		skip "no reflink from lower to upper here"
	rm "$UP/probe"
	differs fuse-overlayfs "copies"
	mnt
	# What has no place on the disk yet would be counted.
	sync -f "$UP"
	before=$(stat -f -c '%f' "$UP")
	"$VT" write "$M/f" 5000 "a few bytes"
	sync -f "$UP"
	used=$(((before - $(stat -f -c %f "$UP")) * $(stat -f -c %S "$UP")))
	assert_le "$used" 16777216 "bytes that the copy-up took"
	"$VT" write "$L/f" 5000 "a few bytes"
	cmp "$L/f" "$M/f"
}

t_seek_hole_and_data() {
	sparse_file "$L/f"
	put "$L/dense" "0123456789"
	truncate -s 1M "$L/empty"
	differs fuse-overlayfs "no lseek"
	mnt
	assert_eq "$("$VT" map "$L/f")" "$("$VT" map "$M/f")"
	assert_eq "data 0 10 end 10" "$("$VT" map "$M/dense" | paste -sd' ')"
	assert_eq "end 1048576" "$("$VT" map "$M/empty")"
	chmod 600 "$M/f"
	assert_eq "$("$VT" map "$L/f")" "$("$VT" map "$M/f")"
	cp --sparse=always "$L/f" "$M/new"
	assert_eq "$("$VT" map "$L/f")" "$("$VT" map "$M/new")"
	"$VT" write "$M/new" 1048576 x
	assert_eq "data 1048576 1052672" "$("$VT" map "$M/new" | sed -n 2p)"
	# by the daemon alone, who has it open for both sees no holes
	[ "$VEFS_QUOTA" = 1 ] ||
		assert_eq "data 1048576 1052672" \
			"$("$VT" map "$M/new" rdwr | sed -n 2p)"
}

# stored_is_data FILE: what a mapping holds is no hole, for nobody; afterwards
# all others are holes again.
stored_is_data() {
	local n

	"$VT" map-store "$1" 512K cp "$1" "$D/copy"
	assert_eq MAPPED "$(tail -c +524289 "$D/copy" | head -c 6)" \
		"what was copied of $1"
	for n in rdonly wronly rdwr; do
		"$VT" map-store "$1" 600K "$VT" map "$1" "$n" >"$D/map"
		awk '$1 == "data" && $2 <= 614400 && $3 > 614400 { n = 1 }
			$1 == "end" && $2 != 1048576 { exit 1 }
			END { exit !n }' "$D/map" ||
			fail "$1 by $n: $(paste -sd' ' "$D/map")"
	done
	"$VT" map "$1" | grep -qx "data 524288 528384"
}

t_mapped_stores_are_no_holes() {
	truncate -s 1M "$L/below"
	differs fuse-overlayfs "no lseek"
	mnt
	truncate -s 1M "$M/f"
	stored_is_data "$M/f"
	exec 5<"$M/below"
	stored_is_data "$M/below"
	exec 5<&-
}

# Who only appends has no mapping.
t_holes_beside_a_writer() {
	sparse_file "$L/f"
	differs fuse-overlayfs "no lseek"
	differs overlay "holes are seen by the MiB"
	mnt
	exec 5<"$M/f" 6>>"$M/f"
	assert_eq "$("$VT" map "$L/f")" "$("$VT" map "$M/f")"
	exec 5<&- 6>&-
	assert_eq "$("$VT" map "$L/f")" "$("$VT" map "$M/f")"
}

t_fallocate_modes() {
	local m zero=1

	head -c 65536 /dev/zero | tr '\0' x >"$D/source"
	if "$VT" fallocate "$D/source" zero 0 1 2>&1 | grep -q EOPNOTSUPP; then
		zero=0
	fi
	head -c 65536 /dev/zero | tr '\0' x >"$D/source"
	cp "$D/source" "$L/f"
	mnt
	cp "$D/source" "$M/g"
	for m in "$M/f" "$M/g"; do
		cp "$D/source" "$D/want"
		for f in "$m" "$D/want"; do
			"$VT" fallocate "$f" alloc 60000 10000
			"$VT" fallocate "$f" keep 70000 100000
			"$VT" fallocate "$f" punch 4096 8192
			if [ "$zero" = 1 ]; then
				"$VT" fallocate "$f" zero 20000 300
				"$VT" fallocate "$f" zerokeep 69000 3000
			fi
		done
		cmp "$D/want" "$m"
		assert_stat %s 70000 "$m"
		assert_le 273 "$(blocks "$m")" "blocks after keep"
	done
	remnt
	cmp "$D/want" "$M/f"
	cmp "$D/want" "$U/f"
}

t_fallocate_shifts() {
	head -c 65536 /dev/urandom >"$L/f"
	cp "$L/f" "$D/want"
	"$VT" fallocate "$D/want" collapse 4096 8192 ||
		skip "the filesystem below has no collapse"
	mnt
	if ! "$VT" fallocate "$M/f" collapse 4096 8192; then
		assert_errno EOPNOTSUPP "$VT" fallocate "$M/f" collapse 4096 8192
		skip "the kernel passes no collapse on: EOPNOTSUPP"
	fi
	"$VT" fallocate "$D/want" insert 16384 4096
	"$VT" fallocate "$M/f" insert 16384 4096
	cmp "$D/want" "$M/f"
}

t_copy_file_range() {
	fill_random "$L/f" 300000
	head -c 5 "$L/f" >"$D/head"
	mnt
	assert_eq 300000 "$("$VT" cfr "$M/f" 0 "$M/copy" 0 300000)"
	cmp "$L/f" "$M/copy"
	assert_eq 5 "$("$VT" cfr "$M/f" 0 "$M/copy" 300000 5)"
	assert_stat %s 300005 "$M/copy"
	tail -c 5 "$M/copy" | cmp "$D/head" -
	"$VT" cfr "$M/copy" 1000 "$M/f" 0 2000 >"$D/n"
	assert_text "$D/n" $'2000\n'
	cmp <(tail -c +1001 "$L/f" | head -c 2000) <(head -c 2000 "$M/f")
	cmp <(tail -c +2001 "$L/f") <(tail -c +2001 "$M/f")
	assert_eq 0 "$("$VT" cfr "$M/f" 400000 "$M/past" 0 10)"
	remnt
	assert_stat %s 300005 "$M/copy"
}

t_sendfile_and_cp() {
	fill_random "$L/f" 3000001
	mnt
	"$VT" sendfile "$M/f" "$M/g" >"$D/n"
	assert_text "$D/n" $'3000001\n'
	cmp "$L/f" "$M/g"
	cp --reflink=auto "$M/g" "$M/h"
	cat "$M/h" >"$M/i"
	cmp "$L/f" "$M/i"
}

t_mmap_shared() {
	fill_random "$L/f" 20000
	cp "$L/f" "$D/want"
	fill_random "$L/usr-f" 20000
	mnt
	"$VT" mmap-shared "$M/f"
	"$VT" mmap-shared "$D/want"
	cmp "$D/want" "$M/f"
	"$VT" mmap-two "$M/f"
	mkdir "$M/usr"
	cp "$M/usr-f" "$M/usr/f"
	"$VT" mmap-shared "$M/usr/f"
	"$VT" mmap-two "$M/usr/f"
	remnt
	assert_eq MAPPED "$(head -c 6 "$M/f")"
	assert_eq CHILD "$(dd if="$M/usr/f" bs=1 skip=100 count=5 status=none)"
}

t_mmap_private() {
	fill_random "$L/f" 20000
	mkdir "$L/usr"
	fill_random "$L/usr/f" 20000
	mnt
	"$VT" mmap-private "$M/f"
	"$VT" mmap-private "$M/usr/f"
	cmp "$L/f" "$M/f"
	umnt
	assert_names "$U" ""
}

t_mmap_of_new_file() {
	mnt
	truncate -s 20000 "$M/f"
	"$VT" mmap-shared "$M/f"
	"$VT" mmap-two "$M/f"
	drop_caches
	assert_eq MAPPED "$(head -c 6 "$M/f")"
	assert_eq MAPPED "$(head -c 6 "$U/f")"
}

t_old_reader_sees_a_write() {
	put "$L/db" "0123456789"
	put "$L/var/lib/rpm/db" "0123456789"
	mnt
	"$VT" stale "$M/db"
	"$VT" stale "$M/var/lib/rpm/db"
	assert_text "$M/db" "FRESH!6789"
	assert_text "$L/db" "0123456789"
}

t_old_mapping_sees_a_write() {
	fill_random "$L/db" 20000
	differs overlay "the old mapping is stale"
	mnt
	"$VT" stale "$M/db" mmap
	assert_eq "FRESH!" "$(head -c 6 "$M/db")"
}

t_old_reader_in_a_program_tree() {
	local n

	for n in usr/bin/x lib/x bin/x usr/lib/y opt/z; do
		mkdir -p "$L/$(dirname "$n")"
		fill_random "$L/$n" 20000
	done
	seal
	mnt
	for n in usr/bin/x lib/x bin/x usr/lib/y opt/z; do
		"$VT" stale-program "$M/$n"
		assert_eq "FRESH!" "$(head -c 6 "$M/$n")"
		cmp <(tail -c +7 "$L/$n") <(tail -c +7 "$M/$n")
	done
	assert_sealed
	remnt
	assert_eq "FRESH!" "$(head -c 6 "$M/usr/bin/x")"
}

# Who had it open before it was written in place has another nodeid, of the
# same file: what that one changes is seen by the name at once.
t_old_reader_changes_attributes() {
	mkdir -p "$L/usr/bin"
	fill_random "$L/usr/bin/x" 20000
	chmod 644 "$L/usr/bin/x"
	mnt
	exec 5<"$M/usr/bin/x"
	"$VT" write "$M/usr/bin/x" 0 FRESH!
	assert_stat %a 644 "$M/usr/bin/x"
	chmod 4711 /proc/self/fd/5
	assert_stat %a 4711 "$M/usr/bin/x"
	chown 7:8 /proc/self/fd/5
	assert_stat '%a %u %g' "711 7 8" "$M/usr/bin/x"
	touch -d @1000 /proc/self/fd/5
	assert_stat %Y 1000 "$M/usr/bin/x"
	assert_eq 7 "$(stat -L -c %u /proc/self/fd/5)" "owner by the old reader"
	chmod 600 "$M/usr/bin/x"
	assert_eq 600 "$(stat -L -c %a /proc/self/fd/5)" "mode by the old reader"
	exec 6<"$M/usr/bin/x"
	rm "$M/usr/bin/x"
	assert_eq 0 "$(stat -L -c %h /proc/self/fd/5)" "links by the old reader"
	exec 5<&- 6<&-
}

t_tail_f() {
	local i

	put "$L/log" $'one\n'
	put "$L/usr/log" $'one\n'
	mnt
	exec 5<"$M/log"
	read -r line <&5
	assert_eq one "$line"
	for i in two three four; do
		echo "$i" >>"$M/log"
		read -r line <&5
		assert_eq "$i" "$line"
	done
	exec 5<&-
}

t_many_open_modes_of_one_file() {
	local where

	put "$L/f" "0123456789"
	put "$L/usr/f" "0123456789"
	mnt
	for where in f usr/f; do
		exec 5<"$M/$where" 6<>"$M/$where" 7>>"$M/$where" 8<"$M/$where"
		printf X >&6
		printf END >&7
		assert_eq "X123456789END" "$(cat <&8)"
		exec 9<"$M/$where"
		exec 6>&-
		assert_eq "X123456789END" "$(cat <&9)"
		exec 6<>"$M/$where"
		printf Y >&6
		assert_text "$M/$where" "Y123456789END"
		exec 5<&- 6<&- 7>&- 8<&- 9<&-
		assert_text "$M/$where" "Y123456789END"
	done
}

t_append() {
	put "$L/f" start
	mnt
	"$VT" append "$M/f" one two three four
	assert_text "$M/f" startonetwothreefour
	"$VT" append "$M/new" a b c
	assert_text "$M/new" abc
	"$VT" write "$M/f" 0 END wronly,append
	assert_text "$M/f" startonetwothreefourEND
	assert_text "$U/f" startonetwothreefourEND
}

t_append_by_many() {
	put "$L/f" ""
	mnt
	"$VT" append-race "$M/f" 4 500
	assert_eq 2000 "$(sort -u "$M/f" | wc -l)"
	assert_eq 22000 "$(stat -c %s "$M/f")"
	put "$M/usr/f" ""
	"$VT" append-race "$M/usr/f" 4 500
	assert_eq 2000 "$(sort -u "$M/usr/f" | wc -l)"
}

t_direct_io() {
	fill_random "$L/f" 40000
	mnt
	"$VT" open "$M/f" rdwr,direct || skip "no O_DIRECT below"
	"$VT" direct "$M/f"
	mkdir "$M/usr"
	cp "$L/f" "$M/usr/f"
	"$VT" direct "$M/usr/f"
	cmp <(tail -c +8193 "$L/f") <(tail -c +8193 "$M/f")
	dd if="$M/f" iflag=direct bs=4096 status=none | cmp - "$M/f"
}

t_truncate_while_open() {
	put "$L/f" "0123456789"
	mnt
	exec 5<"$M/f" 6<>"$M/f"
	truncate -s 4 "$M/f"
	assert_eq 0123 "$(cat <&5)"
	assert_eq 4 "$(stat -L -c %s /proc/self/fd/6)"
	truncate -s 100000 "$M/f"
	assert_eq 100000 "$(stat -L -c %s /proc/self/fd/5)"
	: >"$M/f"
	assert_eq "" "$(cat <&6)"
	exec 5<&- 6<&-
	assert_stat %s 0 "$M/f"
}

t_o_trunc_moves_no_data() {
	dd if=/dev/zero of="$L/f" bs=1M count=32 status=none
	chmod 640 "$L/f"
	chown 5:6 "$L/f"
	mnt
	"$VT" open "$M/f" wronly,trunc
	assert_stat '%s %b %a %u %g' "0 0 640 5 6" "$M/f"
	remnt
	assert_stat '%s %a %u %g' "0 640 5 6" "$M/f"
}

t_beyond_4_gib() {
	truncate -s 5G "$L/f" || skip "no such sizes below"
	"$VT" write "$L/f" 4831838208 "at 4.5 GiB"
	mnt
	assert_eq "at 4.5 GiB" "$(dd if="$M/f" bs=1M skip=4608 count=1 \
		status=none | head -c 10)"
	"$VT" write "$M/f" 4294967296 "at 4 GiB"
	assert_eq "at 4.5 GiB" "$(dd if="$M/f" bs=1M skip=4608 count=1 \
		status=none | head -c 10)"
	assert_eq "at 4 GiB" "$(dd if="$M/f" bs=1M skip=4096 count=1 \
		status=none | head -c 8)"
	assert_stat %s 5368709120 "$M/f"
	differs fuse-overlayfs "inflates"
	assert_le "$(blocks "$U/f")" 4096 "blocks in upper"
	truncate -s 6G "$M/new"
	"$VT" write "$M/new" 6442450943 z
	assert_stat %s 6442450944 "$M/new"
	remnt
	assert_eq "at 4 GiB" "$(dd if="$M/f" bs=1M skip=4096 count=1 \
		status=none | head -c 8)"
	assert_stat %s 6442450944 "$M/new"
}

t_sizes_around_blocks() {
	local n

	for n in 0 1 4095 4096 4097 131071 131072 131073 1048576 1048577; do
		fill_random "$L/f$n" "$n"
	done
	mnt
	for n in 0 1 4095 4096 4097 131071 131072 131073 1048576 1048577; do
		cmp "$L/f$n" "$M/f$n"
		cp "$L/f$n" "$D/want"
		printf tail >>"$D/want"
		printf tail >>"$M/f$n"
		cmp "$D/want" "$M/f$n"
		cp "$M/f$n" "$M/copy"
		cmp "$D/want" "$M/copy"
	done
	drop_caches
	cmp "$D/want" "$M/copy"
}

t_race_for_one_file() {
	head -c $((64 * 4096)) /dev/zero | tr '\0' Z >"$L/f"
	mkdir "$L/usr"
	cp "$L/f" "$L/usr/f"
	mnt
	"$VT" race "$M/f" 32
	"$VT" race-check "$M/f" 32 Z
	"$VT" race "$M/usr/f" 32
	"$VT" race-check "$M/usr/f" 32 Z
	remnt
	"$VT" race-check "$M/f" 32 Z
	"$VT" race-check "$M/usr/f" 32 Z
	"$VT" race-check "$U/f" 32 Z
}

t_race_in_one_folder() {
	local i pids=

	mkdir -p "$L/a/b/c"
	for i in $(seq 1 40); do
		put "$L/a/b/c/f$i" "lower $i"
	done
	mnt
	for i in $(seq 1 40); do
		"$VT" write "$M/a/b/c/f$i" 0 "UPPER" &
		pids="$pids $!"
	done
	for i in $pids; do
		wait "$i"
	done
	for i in $(seq 1 40); do
		assert_text "$M/a/b/c/f$i" "UPPER $i"
	done
	remnt
	assert_eq 40 "$("$VT" check-dir "$M/a/b/c")"
	assert_text "$M/a/b/c/f17" "UPPER 17"
}

# Everything at once to the same names: errors only of the expected kinds.
t_race_of_everything() {
	local i pids=

	mkdir -p "$L/d/e"
	for i in $(seq 1 50); do
		put "$L/d/e/f$i" "lower $i"
	done
	mnt
	(for i in $(seq 1 50); do chmod 600 "$M/d/e/f$i"; done) &
	pids="$pids $!"
	(for i in $(seq 50 -1 1); do printf x >>"$M/d/e/f$i"; done) &
	pids="$pids $!"
	(for i in $(seq 1 50); do ln "$M/d/e/f$i" "$M/d/l$i"; done) &
	pids="$pids $!"
	(for i in $(seq 1 50); do touch -d @5 "$M/d/e/f$i"; done) &
	pids="$pids $!"
	for i in $pids; do
		wait "$i"
	done
	for i in $(seq 1 50); do
		assert_text "$M/d/l$i" "lower ${i}x"
		assert_stat '%a %h' "600 2" "$M/d/e/f$i"
	done
	remnt
	assert_stat '%a %h' "600 2" "$M/d/l50"
	assert_text "$M/d/e/f50" "lower 50x"
}

t_unlinked_while_open() {
	differs overlay "nlink of a lower descriptor"
	put "$L/low" "lower text"
	put "$L/low2" "lower text"
	put "$L/usr/low" "lower text"
	mnt
	put "$M/up" "upper text"
	put "$M/usr/up" "upper text"
	"$VT" unlinked "$M/low" "lower text"
	"$VT" unlinked "$M/low2" "lower text" rdwr
	"$VT" unlinked "$M/usr/low" "lower text"
	"$VT" unlinked "$M/up" "upper text"
	"$VT" unlinked "$M/usr/up" "upper text" rdwr
	remnt
	assert_names "$M" usr
	assert_names "$M/usr" ""
}

t_renamed_over_while_open() {
	put "$L/f" old
	put "$L/g" new
	mnt
	exec 5<"$M/f"
	mv "$M/g" "$M/f"
	assert_eq old "$(cat <&5)"
	exec 6<&5 5<&-
	assert_text "$M/f" new
	differs overlay "nlink of a lower descriptor"
	assert_eq 0 "$(stat -L -c %h /proc/self/fd/6)"
	exec 6<&-
}

t_unlink_open_copied_up_later() {
	put "$L/f" "lower text"
	mnt
	exec 5<"$M/f" 6<>"$M/f"
	rm "$M/f"
	printf UPPER >&6
	assert_eq "UPPER text" "$(cat <&5)"
	put "$M/f" other
	exec 5<&- 6<&-
	assert_text "$M/f" other
}

t_fsync() {
	put "$L/f" text
	mkdir "$L/d"
	mnt
	printf x >>"$M/f"
	"$VT" fsync "$M/f"
	"$VT" fsync "$M/d"
	"$VT" fsync "$M"
	sync -f "$M"
	sync "$M/f"
	assert_text "$M/f" textx
}

t_sqlite() {
	need sqlite3
	sqlite3 "$L/db" 'create table t(a); insert into t values (1), (2);'
	mnt
	sqlite3 "$M/db" 'insert into t select a + 2 from t;'
	assert_eq 10 "$(sqlite3 "$M/db" 'select sum(a) from t')"
	sqlite3 "$M/db" 'pragma journal_mode=wal; insert into t values (5);' \
		>"$D/out"
	assert_eq ok "$(sqlite3 "$M/db" 'pragma integrity_check')"
	remnt
	assert_eq 15 "$(sqlite3 "$M/db" 'select sum(a) from t')"
	assert_eq 3 "$(sqlite3 "$L/db" 'select sum(a) from t')"
}

run_all
