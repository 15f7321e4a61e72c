#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# hardlink - several names of one lower file are one file, before and after it
# is copied up, and after a remount.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

# A lower file with the names a, b and d/c.
three_names() {
	put "$L/a" original
	mkdir "$L/d"
	ln "$L/a" "$L/b"
	ln "$L/a" "$L/d/c"
}

assert_one_file() {
	local ino first=$1 p

	ino=$(stat -c %i "$first")
	for p in "$@"; do
		assert_stat %i "$ino" "$p"
	done
}

t_lower_names_are_one() {
	three_names
	mnt
	assert_stat %h 3 "$M/a"
	assert_one_file "$M/a" "$M/b" "$M/d/c"
}

# What link(2) answers is what stat(2) says then: its time, too.
t_link_is_a_change() {
	local f before

	three_names
	mnt
	put "$M/new" text
	for f in a new; do
		before=$(stat -c %.Z "$M/$f")
		sleep 0.05
		ln "$M/$f" "$M/$f.link"
		assert_ne "$before" "$(stat -c %.Z "$M/$f")" "ctime of $f"
		assert_stat %.Z "$(stat -c %.Z "$U/$f")" "$M/$f"
	done
}

t_write_one_read_all() {
	three_names
	seal
	mnt
	printf ' changed' >>"$M/b"
	assert_text "$M/a" "original changed"
	assert_text "$M/d/c" "original changed"
	assert_stat %h 3 "$M/a"
	assert_one_file "$M/a" "$M/b" "$M/d/c"
	assert_sealed
}

t_write_one_remount_read_all() {
	differs fuse-overlayfs "loses the links"
	three_names
	mnt
	printf ' changed' >>"$M/b"
	remnt
	assert_text "$M/d/c" "original changed"
	assert_text "$M/a" "original changed"
	assert_text "$M/b" "original changed"
	assert_stat %h 3 "$M/d/c"
	assert_one_file "$M/a" "$M/b" "$M/d/c"
	printf ' twice' >>"$M/d/c"
	assert_text "$M/a" "original changed twice"
	remnt
	assert_text "$M/a" "original changed twice"
	assert_text "$M/b" "original changed twice"
}

t_metadata_one_see_all() {
	three_names
	mnt
	chmod 640 "$M/a"
	chown 5:6 "$M/d/c"
	touch -d @1000000000 "$M/b"
	assert_stat '%a %u %g %Y' "640 5 6 1000000000" "$M/b"
	assert_one_file "$M/a" "$M/b" "$M/d/c"
	assert_stat %h 3 "$M/b"
	remnt
	assert_stat '%a %u %g %Y %h' "640 5 6 1000000000 3" "$M/a"
	assert_stat '%a %u %g %Y %h' "640 5 6 1000000000 3" "$M/d/c"
	assert_text "$M/d/c" original
}

t_unlink_each_before_copy_up() {
	three_names
	seal
	mnt
	rm "$M/a"
	assert_stat %h 2 "$M/b"
	assert_text "$M/b" original
	rm "$M/d/c"
	assert_stat %h 1 "$M/b"
	remnt
	assert_names "$M" "b d"
	assert_names "$M/d" ""
	assert_stat %h 1 "$M/b"
	assert_text "$M/b" original
	rm "$M/b"
	remnt
	assert_names "$M" d
	assert_sealed
}

t_unlink_each_after_copy_up() {
	three_names
	mnt
	printf ' changed' >>"$M/a"
	rm "$M/a"
	assert_stat %h 2 "$M/b"
	assert_text "$M/b" "original changed"
	remnt
	assert_text "$M/b" "original changed"
	assert_text "$M/d/c" "original changed"
	assert_stat %h 2 "$M/d/c"
	rm "$M/b"
	remnt
	assert_names "$M" d
	assert_text "$M/d/c" "original changed"
	assert_stat %h 1 "$M/d/c"
	rm "$M/d/c"
	remnt
	assert_names "$M/d" ""
}

t_add_names() {
	three_names
	mnt
	ln "$M/b" "$M/e"
	assert_stat %h 4 "$M/a"
	assert_one_file "$M/a" "$M/b" "$M/d/c" "$M/e"
	printf ' changed' >>"$M/d/c"
	assert_text "$M/e" "original changed"
	remnt
	assert_text "$M/a" "original changed"
	assert_text "$M/e" "original changed"
	assert_stat %h 4 "$M/e"
	rm "$M/a" "$M/b" "$M/d/c"
	assert_stat %h 1 "$M/e"
	assert_text "$M/e" "original changed"
	remnt
	assert_stat %h 1 "$M/e"
	assert_text "$M/e" "original changed"
}

t_link_a_single_lower_file() {
	put "$L/a" text
	seal
	mnt
	ln "$M/a" "$M/b"
	assert_stat %h 2 "$M/a"
	assert_one_file "$M/a" "$M/b"
	assert_text "$M/b" text
	remnt
	assert_stat %h 2 "$M/a"
	assert_one_file "$M/a" "$M/b"
	printf x >>"$M/a"
	assert_text "$M/b" textx
	rm "$M/a"
	remnt
	assert_text "$M/b" textx
	assert_stat %h 1 "$M/b"
	assert_sealed
}

t_upper_links() {
	mnt
	put "$M/a" one
	ln "$M/a" "$M/b"
	mkdir "$M/d"
	ln "$M/b" "$M/d/c"
	printf ' two' >>"$M/d/c"
	assert_text "$M/a" "one two"
	assert_stat %h 3 "$M/b"
	remnt
	assert_one_file "$M/a" "$M/b" "$M/d/c"
	rm "$M/b"
	assert_stat %h 2 "$M/a"
}

t_rename_a_name() {
	three_names
	mnt
	mv "$M/a" "$M/d/a2"
	assert_stat %h 3 "$M/d/a2"
	assert_one_file "$M/d/a2" "$M/b" "$M/d/c"
	printf ' changed' >>"$M/d/a2"
	assert_text "$M/b" "original changed"
	remnt
	assert_text "$M/d/c" "original changed"
	assert_names "$M" "b d"
	assert_stat %h 3 "$M/b"
	assert_one_file "$M/d/a2" "$M/b" "$M/d/c"
}

t_rename_onto_another_name() {
	three_names
	mnt
	"$VT" rename "$M/a" "$M/b"
	assert_names "$M" "a b d"
	assert_stat %h 3 "$M/a"
	chmod 600 "$M/a"
	"$VT" rename "$M/a" "$M/b"
	assert_names "$M" "a b d"
	put "$M/other" other
	"$VT" rename "$M/other" "$M/b"
	assert_text "$M/b" other
	assert_stat %h 2 "$M/a"
	assert_text "$M/d/c" original
	remnt
	assert_text "$M/b" other
	assert_stat %h 2 "$M/a"
}

t_exchange_a_name() {
	three_names
	put "$L/z" other
	mnt
	"$VT" rename "$M/a" "$M/z" exchange
	assert_text "$M/a" other
	assert_one_file "$M/z" "$M/b" "$M/d/c"
	printf x >>"$M/z"
	remnt
	assert_text "$M/b" originalx
	assert_text "$M/a" other
	assert_stat %h 3 "$M/z"
}

t_truncate_by_a_name() {
	three_names
	mnt
	: >"$M/d/c"
	assert_text "$M/a" ""
	put "$M/b" fresh
	assert_text "$M/d/c" fresh
	remnt
	assert_text "$M/a" fresh
}

t_reader_by_another_name() {
	three_names
	mnt
	exec 5<"$M/a"
	printf 'CHANGED!' >"$M/b"
	assert_eq 'CHANGED!' "$(cat <&5)"
	exec 5<&-
	assert_text "$M/d/c" 'CHANGED!'
}

t_name_hidden_by_a_layer() {
	put "$D/l2/a" shared
	ln "$D/l2/a" "$D/l2/b"
	put "$D/l1/a" above
	use_lowers 2
	mnt
	assert_text "$M/a" above
	assert_text "$M/b" shared
	printf ' b' >>"$M/b"
	assert_text "$M/a" above
	assert_text "$M/b" "shared b"
	remnt
	assert_text "$M/a" above
	assert_text "$M/b" "shared b"
}

# The same inode number on two filesystems is not the same file.
t_equal_numbers_are_not_links() {
	new_fs tmpfs 4M "$D/l1"
	new_fs tmpfs 4M "$D/l2"
	put "$D/l1/a" one
	ln "$D/l1/a" "$D/l1/a2"
	put "$D/l2/b" two
	ln "$D/l2/b" "$D/l2/b2"
	assert_eq "$(stat -c %i "$D/l1/a")" "$(stat -c %i "$D/l2/b")" \
		"tmpfs inode numbers"
	use_lowers 2
	mnt
	printf x >>"$M/a"
	printf y >>"$M/b2"
	assert_text "$M/a" onex
	assert_text "$M/b" twoy
	assert_text "$M/a2" onex
	remnt
	assert_text "$M/a2" onex
	assert_text "$M/b" twoy
	assert_stat %h 2 "$M/b"
}

t_other_types() {
	mkfifo "$L/p"
	ln "$L/p" "$L/p2"
	ln -s x "$L/s"
	ln "$L/s" "$L/s2"
	"$VT" mknod "$L/n" c 600 1 3
	ln "$L/n" "$L/n2"
	mnt
	chmod 640 "$M/p"
	chown -h 5 "$M/s"
	chown 6 "$M/n2"
	assert_stat '%a %h' "640 2" "$M/p2"
	assert_stat '%u %h' "5 2" "$M/s2"
	assert_stat '%u %h' "6 2" "$M/n"
	remnt
	assert_stat '%a %h' "640 2" "$M/p2"
	assert_stat '%u %h' "5 2" "$M/s2"
	assert_stat '%u %h' "6 2" "$M/n"
	assert_eq x "$(readlink "$M/s2")"
}

t_errors() {
	three_names
	mnt
	assert_errno EEXIST "$VT" link "$M/a" "$M/b"
	assert_errno EPERM "$VT" link "$M/d" "$M/d2"
	assert_errno ENOENT "$VT" link "$M/none" "$M/n"
	assert_errno EXDEV "$VT" link "$M/a" "$D/outside"
	assert_names "$M" "a b d"
	assert_stat %h 3 "$M/a"
}

t_link_of_a_symlink() {
	put "$L/f" x
	ln -s f "$L/s"
	mnt
	"$VT" link "$M/s" "$M/s2"
	assert_stat %F "symbolic link" "$M/s2"
	assert_stat %h 2 "$M/s"
	assert_stat %h 1 "$M/f"
}

t_fd_link() {
	put "$L/f" text
	mnt
	"$VT" fdlink "$M/f" "$M/g"
	assert_one_file "$M/f" "$M/g"
	assert_stat %h 2 "$M/f"
}

t_replaced_dir_keeps_links() {
	three_names
	mnt
	"$VT" rename "$M/d" "$M/e"
	printf x >>"$M/e/c"
	assert_text "$M/a" originalx
	remnt
	assert_text "$M/b" originalx
	assert_one_file "$M/a" "$M/b" "$M/e/c"
}

t_many_names() {
	local i

	put "$L/n0" text
	for i in $(seq 1 100); do
		mkdir -p "$L/d$((i % 10))"
		ln "$L/n0" "$L/d$((i % 10))/n$i"
	done
	mnt
	printf ' one' >>"$M/d5/n25"
	assert_eq "101" "$(find "$M" -type f -links 101 | wc -l)"
	assert_eq 1 "$(find "$M" -type f -printf '%i\n' | sort -u | wc -l)"
	remnt
	assert_eq 1 "$(find "$M" -type f -exec cat {} + | sed 's/text one/&\n/g' |
		sort -u | wc -l)"
	find "$M" -type f -name 'n*5' -delete
	assert_stat %h 91 "$M/n0"
	remnt
	assert_stat %h 91 "$M/n0"
	find "$M" -type f -not -name n0 -delete
	assert_stat %h 1 "$M/n0"
	assert_text "$M/n0" "text one"
}

t_unlinked_with_other_names() {
	three_names
	mnt
	exec 5<"$M/a"
	rm "$M/a"
	assert_eq 2 "$(stat -L -c %h /proc/self/fd/5)"
	printf x >>"$M/b"
	assert_eq originalx "$(cat <&5)"
	rm "$M/b" "$M/d/c"
	assert_eq 0 "$(stat -L -c %h /proc/self/fd/5)"
	exec 5<&-
}

t_copied_tree_keeps_links() {
	three_names
	mnt
	cp -a "$M" "$D/copy"
	assert_stat %h 3 "$D/copy/a"
	mkdir "$M/x"
	cp -a "$L/." "$M/x/"
	assert_stat %h 3 "$M/x/a"
	assert_stat %h 3 "$M/a"
}

t_concurrent_writers_by_names() {
	local i

	printf '%0100d' 0 >"$L/n0"
	for i in 1 2 3 4 5 6 7; do
		ln "$L/n0" "$L/n$i"
	done
	mnt
	for i in 0 1 2 3 4 5 6 7; do
		"$VT" write "$M/n$i" $((i * 10)) "writer0$i" &
	done
	wait
	for i in 0 1 2 3 4 5 6 7; do
		assert_eq "writer0$i" "$(dd if="$M/n3" bs=1 skip=$((i * 10)) \
			count=8 status=none)"
	done
	assert_one_file "$M"/n?
	assert_stat %h 8 "$M/n0"
	remnt
	assert_one_file "$M"/n?
	assert_stat %h 8 "$M/n0"
}

run_all
