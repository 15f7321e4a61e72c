#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# dirrename - directories of lowers change their names and places: the content
# comes along, nothing stays behind, no data moves, and it holds over remounts.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

tree() {
	put "$L/d/f" "file f"
	put "$L/d/sub/g" "file g"
	put "$L/d/sub/deep/h" "file h"
	ln -s f "$L/d/s"
	put "$L/other/o" "file o"
}

# The tree of tree() is whole at $1.
assert_tree() {
	assert_names "$1" "f s sub"
	assert_text "$1/f" "file f"
	assert_text "$1/sub/g" "file g"
	assert_text "$1/sub/deep/h" "file h"
	assert_eq f "$(readlink "$1/s")"
}

rename_dir() {
	"$VT" rename "$1" "$2"
}

t_rename() {
	tree
	seal
	differs fuse-overlayfs "EXDEV"
	mnt
	rename_dir "$M/d" "$M/e"
	assert_names "$M" "e other"
	assert_tree "$M/e"
	assert_errno ENOENT "$VT" stat "$M/d/f"
	remnt
	assert_names "$M" "e other"
	assert_tree "$M/e"
	assert_sealed
}

t_moves_no_data() {
	tree
	fill_random "$L/d/blob" 3000000
	differs fuse-overlayfs "EXDEV"
	mnt
	rename_dir "$M/d" "$M/e"
	umnt
	daemons_end
	assert_eq "" "$(find "$U" -type f)"
	assert_eq "" "$(find "$W" -type f)"
	getfattr -d -m trusted.overlay.redirect "$U/e" 2>&1 | grep -q redirect
}

t_into_another() {
	tree
	differs fuse-overlayfs "EXDEV"
	mnt
	rename_dir "$M/d" "$M/other/d2"
	assert_tree "$M/other/d2"
	assert_names "$M/other" "d2 o"
	assert_names "$M" other
	remnt
	assert_tree "$M/other/d2"
	assert_names "$M" other
}

t_out_of_its_parent() {
	tree
	differs fuse-overlayfs "EXDEV"
	mnt
	rename_dir "$M/d/sub" "$M/sub2"
	assert_text "$M/sub2/deep/h" "file h"
	assert_names "$M/d" "f s"
	remnt
	assert_text "$M/sub2/deep/h" "file h"
	assert_names "$M/d" "f s"
	assert_names "$M" "d other sub2"
}

t_merged_with_upper() {
	tree
	put "$U/d/mine" "upper file"
	put "$U/d/sub/mine" "upper file"
	differs fuse-overlayfs "EXDEV"
	mnt
	rename_dir "$M/d" "$M/e"
	assert_names "$M/e" "f mine s sub"
	assert_names "$M/e/sub" "deep g mine"
	remnt
	assert_names "$M/e" "f mine s sub"
	assert_names "$M/e/sub" "deep g mine"
	assert_text "$M/e/sub/g" "file g"
}

t_pure_upper() {
	mnt
	put "$M/d/f" x
	rename_dir "$M/d" "$M/e"
	assert_text "$M/e/f" x
	remnt
	assert_names "$M" e
	assert_text "$M/e/f" x
}

t_child_then_parent() {
	tree
	differs fuse-overlayfs "EXDEV"
	mnt
	rename_dir "$M/d/sub" "$M/d/sub2"
	rename_dir "$M/d" "$M/e"
	assert_names "$M/e" "f s sub2"
	assert_text "$M/e/sub2/deep/h" "file h"
	remnt
	assert_names "$M/e" "f s sub2"
	assert_text "$M/e/sub2/deep/h" "file h"
	rename_dir "$M/e/sub2/deep" "$M/deep"
	remnt
	assert_text "$M/deep/h" "file h"
	assert_names "$M/e/sub2" g
}

t_parent_then_child() {
	tree
	differs fuse-overlayfs "EXDEV"
	mnt
	rename_dir "$M/d" "$M/e"
	rename_dir "$M/e/sub" "$M/e/sub2"
	rename_dir "$M/e/sub2/deep" "$M/e/deep2"
	assert_text "$M/e/deep2/h" "file h"
	assert_text "$M/e/sub2/g" "file g"
	remnt
	assert_text "$M/e/deep2/h" "file h"
	assert_text "$M/e/sub2/g" "file g"
	assert_names "$M/e" "deep2 f s sub2"
	assert_names "$M/e/sub2" g
}

t_parent_over_remount_then_child() {
	tree
	differs fuse-overlayfs "EXDEV"
	mnt
	rename_dir "$M/d" "$M/other/d2"
	remnt
	rename_dir "$M/other" "$M/other2"
	remnt
	assert_tree "$M/other2/d2"
	rename_dir "$M/other2/d2/sub/deep" "$M/deep"
	remnt
	assert_text "$M/deep/h" "file h"
	assert_text "$M/other2/d2/sub/g" "file g"
	assert_names "$M" "deep other2"
}

t_back_to_the_old_name() {
	tree
	differs fuse-overlayfs "EXDEV"
	mnt
	rename_dir "$M/d" "$M/e"
	rename_dir "$M/e" "$M/d"
	assert_tree "$M/d"
	assert_names "$M" "d other"
	remnt
	assert_tree "$M/d"
	rename_dir "$M/d" "$M/e"
	remnt
	rename_dir "$M/e" "$M/d"
	remnt
	assert_tree "$M/d"
	assert_names "$M" "d other"
}

t_chain() {
	local n

	tree
	differs fuse-overlayfs "EXDEV"
	mnt
	rename_dir "$M/d" "$M/e0"
	for n in 0 1 2 3 4 5 6 7 8 9; do
		rename_dir "$M/e$n" "$M/e$((n + 1))"
	done
	assert_tree "$M/e10"
	remnt
	assert_tree "$M/e10"
	assert_names "$M" "e10 other"
}

t_swap() {
	tree
	differs fuse-overlayfs "EXDEV"
	mnt
	rename_dir "$M/d" "$M/tmp"
	rename_dir "$M/other" "$M/d"
	rename_dir "$M/tmp" "$M/other"
	assert_tree "$M/other"
	assert_names "$M/d" o
	remnt
	assert_tree "$M/other"
	assert_names "$M/d" o
	assert_names "$M" "d other"
}

t_exchange_two() {
	tree
	differs fuse-overlayfs "EXDEV"
	mnt
	"$VT" rename "$M/d" "$M/other" exchange
	assert_tree "$M/other"
	assert_names "$M/d" o
	remnt
	assert_tree "$M/other"
	assert_names "$M/d" o
	"$VT" rename "$M/d" "$M/other/sub" exchange
	assert_names "$M/d" "deep g"
	assert_names "$M/other/sub" o
	remnt
	assert_text "$M/d/deep/h" "file h"
	assert_text "$M/other/sub/o" "file o"
}

t_exchange_with_a_file() {
	tree
	differs fuse-overlayfs "EXDEV"
	mnt
	put "$M/file" "upper file"
	"$VT" rename "$M/d" "$M/file" exchange
	assert_tree "$M/file"
	assert_text "$M/d" "upper file"
	remnt
	assert_tree "$M/file"
	assert_text "$M/d" "upper file"
}

t_exchange_with_a_new_folder() {
	tree
	differs fuse-overlayfs "EXDEV"
	mnt
	put "$M/new/n" n
	"$VT" rename "$M/d" "$M/new" exchange
	assert_tree "$M/new"
	assert_names "$M/d" n
	remnt
	assert_tree "$M/new"
	assert_names "$M/d" n
}

t_old_name_again() {
	tree
	differs fuse-overlayfs "EXDEV"
	mnt
	rename_dir "$M/d" "$M/e"
	mkdir "$M/d"
	assert_names "$M/d" ""
	put "$M/d/f" "another f"
	remnt
	assert_names "$M/d" f
	assert_text "$M/d/f" "another f"
	assert_tree "$M/e"
	rm -r "$M/d"
	assert_tree "$M/e"
	remnt
	assert_names "$M" "e other"
	assert_tree "$M/e"
}

t_over_an_empty_lower() {
	tree
	mkdir "$L/empty"
	differs fuse-overlayfs "EXDEV"
	mnt
	rename_dir "$M/d" "$M/empty"
	assert_tree "$M/empty"
	remnt
	assert_tree "$M/empty"
	assert_names "$M" "empty other"
}

t_over_an_emptied_one() {
	tree
	differs fuse-overlayfs "EXDEV"
	mnt
	rm "$M/other/o"
	rename_dir "$M/d" "$M/other"
	assert_tree "$M/other"
	remnt
	assert_tree "$M/other"
	assert_names "$M" other
}

t_errors() {
	tree
	differs fuse-overlayfs "EXDEV"
	mnt
	assert_errno ENOTEMPTY "$VT" rename "$M/d" "$M/other"
	assert_errno EINVAL "$VT" rename "$M/d" "$M/d/sub/in"
	assert_errno EINVAL "$VT" rename "$M/d" "$M/d/sub" exchange
	assert_errno ENOTDIR "$VT" rename "$M/d" "$M/other/o"
	assert_errno EEXIST "$VT" rename "$M/d" "$M/other" noreplace
	assert_errno ENOTEMPTY "$VT" rename "$M/d/sub/deep" "$M/d"
	assert_tree "$M/d"
	assert_names "$M/other" o
}

t_five_layers() {
	local i

	for i in 1 2 3 4 5; do
		put "$D/l$i/d/f$i" "f$i"
		put "$D/l$i/d/sub/g$i" "g$i"
		put "$D/l$i/d/same" "same $i"
	done
	use_lowers 5
	seal
	differs fuse-overlayfs "EXDEV"
	mnt
	rename_dir "$M/d/sub" "$M/sub"
	rename_dir "$M/d" "$M/e"
	assert_names "$M/e" "f1 f2 f3 f4 f5 same"
	assert_names "$M/sub" "g1 g2 g3 g4 g5"
	assert_text "$M/e/same" "same 1"
	remnt
	assert_names "$M/e" "f1 f2 f3 f4 f5 same"
	assert_names "$M/sub" "g1 g2 g3 g4 g5"
	assert_text "$M/sub/g5" g5
	printf x >>"$M/sub/g4"
	rm "$M/sub/g3"
	remnt
	assert_names "$M/sub" "g1 g2 g4 g5"
	assert_text "$M/sub/g4" g4x
	assert_sealed
}

t_starting_below_the_top() {
	put "$D/l1/x" x
	put "$D/l3/a/b/f" three
	put "$D/l5/a/b/g" five
	use_lowers 5
	differs fuse-overlayfs "EXDEV"
	mnt
	rename_dir "$M/a/b" "$M/b2"
	assert_names "$M/b2" "f g"
	remnt
	assert_names "$M/b2" "f g"
	assert_names "$M/a" ""
}

t_stops_at_an_opaque_one() {
	put "$D/l1/d/one" 1
	put "$D/l2/d/two" 2
	setfattr -n trusted.overlay.opaque -v y "$D/l2/d"
	put "$D/l3/d/three" 3
	use_lowers 3
	differs fuse-overlayfs "EXDEV"
	mnt
	rename_dir "$M/d" "$M/e"
	assert_names "$M/e" "one two"
	remnt
	assert_names "$M/e" "one two"
}

# What a lower brings along, made by overlayfs or by us, both forms.
t_redirects_in_lowers() {
	put "$D/l3/old/f" "f"
	put "$D/l3/old/sub/g" "g"
	put "$D/l3/p/rel-old/h" "h"
	mknod "$D/l2/old" c 0 0
	mkdir "$D/l2/new" "$D/l2/p" "$D/l2/p/rel-new"
	setfattr -n trusted.overlay.redirect -v /old "$D/l2/new"
	setfattr -n trusted.overlay.redirect -v rel-old "$D/l2/p/rel-new"
	mknod "$D/l2/p/rel-old" c 0 0
	put "$D/l1/new/top" "top"
	use_lowers 3
	differs fuse-overlayfs "knows no redirects"
	mnt
	assert_names "$M" "new p"
	assert_names "$M/new" "f sub top"
	assert_text "$M/new/sub/g" g
	assert_names "$M/p" "rel-new"
	assert_text "$M/p/rel-new/h" h
	rename_dir "$M/new" "$M/newer"
	rename_dir "$M/p" "$M/q"
	assert_text "$M/newer/sub/g" g
	remnt
	assert_names "$M/newer" "f sub top"
	assert_text "$M/newer/sub/g" g
	assert_text "$M/q/rel-new/h" h
	assert_names "$M" "newer q"
}

t_redirect_chain_in_lowers() {
	put "$D/l3/one/f" "f"
	mkdir "$D/l2/two" "$D/l1/three"
	mknod "$D/l2/one" c 0 0
	mknod "$D/l1/two" c 0 0
	setfattr -n trusted.overlay.redirect -v /one "$D/l2/two"
	setfattr -n trusted.overlay.redirect -v /two "$D/l1/three"
	use_lowers 3
	differs fuse-overlayfs "knows no redirects"
	mnt
	assert_names "$M" three
	assert_text "$M/three/f" f
}

t_write_inside() {
	tree
	differs fuse-overlayfs "EXDEV"
	mnt
	rename_dir "$M/d" "$M/e"
	printf ' more' >>"$M/e/sub/g"
	put "$M/e/sub/deep/new" new
	rm "$M/e/f"
	chmod 600 "$M/e/sub/deep/h"
	remnt
	assert_text "$M/e/sub/g" "file g more"
	assert_names "$M/e" "s sub"
	assert_names "$M/e/sub/deep" "h new"
	assert_text "$M/e/sub/deep/h" "file h"
	assert_stat %a 600 "$M/e/sub/deep/h"
}

t_open_files_and_cwd_come_along() {
	tree
	differs fuse-overlayfs "EXDEV"
	mnt
	exec 5<"$M/d/sub/g" 6<>"$M/d/f"
	cd "$M/d/sub"
	rename_dir "$M/d" "$M/e"
	assert_eq "file g" "$(cat <&5)"
	printf FILE >&6
	assert_text "$M/e/f" "FILE f"
	assert_names . "deep g"
	put new here
	assert_text "$M/e/sub/new" here
	assert_eq "$M/e/sub" "$(/bin/pwd -P)"
	printf ' more' >>g
	assert_text "$M/e/sub/g" "file g more"
	assert_text ../f "FILE f"
	exec 5<&- 6<&-
	cd "$D"
}

t_delete_after_rename() {
	tree
	differs fuse-overlayfs "EXDEV"
	mnt
	rename_dir "$M/d" "$M/e"
	assert_errno ENOTEMPTY "$VT" rmdir "$M/e"
	rm -r "$M/e"
	assert_names "$M" other
	remnt
	assert_names "$M" other
	mkdir "$M/e" "$M/d"
	assert_names "$M/e" ""
	assert_names "$M/d" ""
}

t_number_and_times_stay() {
	local before ino

	tree
	touch -d @1000000000.123456789 "$L/d" "$L/d/sub"
	chmod 2750 "$L/d"
	chown 5:6 "$L/d"
	differs fuse-overlayfs "EXDEV"
	mnt
	before=$(stat -c '%a %u %g %.9Y %i' "$M/d")
	ino=$(stat -c %i "$M/d/sub/g")
	rename_dir "$M/d" "$M/e"
	assert_stat '%a %u %g %.9Y %i' "$before" "$M/e"
	assert_stat %.9Y 1000000000.123456789 "$M/e/sub"
	remnt
	assert_stat '%a %u %g %.9Y %i' "$before" "$M/e"
	assert_stat %i "$ino" "$M/e/sub/g"
}

t_deep_tree() {
	local p=d i

	for i in $(seq 1 40); do
		p=$p/level$i
	done
	put "$L/$p/leaf" leaf
	differs fuse-overlayfs "EXDEV"
	mnt
	rename_dir "$M/d/level1/level2" "$M/two"
	rename_dir "$M/two/level3/level4" "$M/four"
	assert_text "$M/four/${p#d/level1/level2/level3/level4/}/leaf" leaf
	remnt
	assert_text "$M/four/${p#d/level1/level2/level3/level4/}/leaf" leaf
	assert_names "$M/two/level3" ""
}

# The old path is longer than overlayfs is ready to note down.
t_long_old_path() {
	local p i n

	differs overlay "EXDEV beyond 256 bytes"
	differs fuse-overlayfs "EXDEV"
	n=$(printf '%0200d' 0)
	p=$n
	for i in $(seq 1 12); do
		p=$p/$n$i
	done
	put "$L/$p/d/leaf" leaf
	mnt
	rename_dir "$M/$p/d" "$M/short"
	assert_text "$M/short/leaf" leaf
	remnt
	assert_text "$M/short/leaf" leaf
	assert_names "$M/$p" ""
}

t_odd_names() {
	local n

	differs fuse-overlayfs "EXDEV"
	for n in 'back\slash' 'co:lon' $'new\nline' ' lead' '..dots' '%2f'; do
		put "$L/$n/f" "in $n"
	done
	mnt
	for n in 'back\slash' 'co:lon' $'new\nline' ' lead' '..dots' '%2f'; do
		rename_dir "$M/$n" "$M/$n.new"
	done
	remnt
	for n in 'back\slash' 'co:lon' $'new\nline' ' lead' '..dots' '%2f'; do
		assert_text "$M/$n.new/f" "in $n"
	done
}

t_by_mv_and_git_style() {
	tree
	differs fuse-overlayfs "mv copies"
	mnt
	mv "$M/d" "$M/d.dpkg-new"
	mv "$M/other" "$M/d"
	mv "$M/d.dpkg-new" "$M/d/inner"
	assert_tree "$M/d/inner"
	assert_names "$M/d" "inner o"
	remnt
	assert_tree "$M/d/inner"
}

t_lower_links_in_renamed() {
	tree
	ln "$L/d/f" "$L/other/f2"
	differs fuse-overlayfs "EXDEV"
	mnt
	rename_dir "$M/d" "$M/e"
	printf x >>"$M/e/f"
	assert_text "$M/other/f2" "file fx"
	remnt
	assert_text "$M/other/f2" "file fx"
	assert_stat %h 2 "$M/e/f"
}

t_inner_files_to_and_fro() {
	tree
	differs fuse-overlayfs "EXDEV"
	mnt
	rename_dir "$M/d" "$M/e"
	mv "$M/e/sub/g" "$M/g"
	mv "$M/other/o" "$M/e/sub/o"
	remnt
	assert_names "$M/e/sub" "deep o"
	assert_text "$M/g" "file g"
	assert_text "$M/e/sub/o" "file o"
}

t_listing_in_renamed() {
	tree
	differs fuse-overlayfs "EXDEV"
	mnt
	rename_dir "$M/d" "$M/e"
	assert_eq 3 "$("$VT" check-dir "$M/e")"
	assert_eq 2 "$("$VT" check-dir "$M/e/sub")"
	assert_eq "$(stat -c %i "$M")" "$(stat -c %i "$M/e/..")"
	rename_dir "$M/e" "$M/other/e"
	assert_eq "$(stat -c %i "$M/other")" "$(stat -c %i "$M/other/e/..")"
	remnt
	assert_eq 3 "$("$VT" check-dir "$M/other/e")"
	assert_eq 2 "$("$VT" check-dir "$M/other")"
}

run_all
