#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# whiteout - what is gone stays gone, in every form that layers come with, and
# a guest's own look-alikes are nothing special to it.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

long_name() {
	printf "%0${1}d" 0
}

t_chardev_form() {
	put "$D/l2/f" x
	put "$D/l2/d/g" y
	put "$D/l2/d/h" z
	put "$D/l2/stays" s
	mkdir "$D/l1/d"
	mknod "$D/l1/f" c 0 0
	mknod "$D/l1/d/g" c 0 0
	use_lowers 2
	mnt
	assert_absent "$M/f" "$M/d/g"
	assert_errno ENOENT "$VT" stat "$M/f"
	assert_names "$M" "d stays"
	assert_names "$M/d" h
}

t_chardev_hides_directory() {
	put "$D/l3/d/g" y
	mknod "$D/l2/d" c 0 0
	use_lowers 3
	mnt
	assert_absent "$M/d"
	mkdir "$M/d"
	assert_names "$M/d" ""
	remnt
	assert_names "$M/d" ""
}

t_xattr_form() {
	put "$D/l2/d/g" y
	put "$D/l2/d/h" z
	put "$D/l1/d/g" ""
	setfattr -n trusted.overlay.whiteout -v y "$D/l1/d/g"
	setfattr -n trusted.overlay.opaque -v x "$D/l1/d"
	use_lowers 2
	mnt
	differs fuse-overlayfs "does not know the xattr form"
	assert_absent "$M/d/g"
	assert_names "$M/d" h
	assert_errno ENOENT "$VT" unlink "$M/d/g"
	put "$M/d/g" new
	assert_text "$M/d/g" new
	remnt
	assert_names "$M/d" "g h"
	assert_text "$M/d/g" new
}

t_wh_name_form() {
	differs overlay ".wh. files are ordinary there"
	put "$D/l2/f" x
	put "$D/l2/d/g" y
	put "$D/l2/d/h" z
	put "$D/l1/.wh.f" ""
	put "$D/l1/d/.wh.g" ""
	use_lowers 2
	mnt
	assert_absent "$M/f" "$M/.wh.f" "$M/d/g" "$M/d/.wh.g"
	assert_names "$M" d
	assert_names "$M/d" h
	put "$M/f" new
	rm "$M/d/h"
	remnt
	assert_names "$M" "d f"
	assert_names "$M/d" ""
	rmdir "$M/d"
	assert_names "$M" f
}

t_wh_name_only_hides_below() {
	differs overlay ".wh. files are ordinary there"
	differs fuse-overlayfs "hides the layer's own file too"
	put "$D/l2/f" below
	put "$D/l1/f" "of this layer"
	put "$D/l1/.wh.f" ""
	use_lowers 2
	mnt
	assert_text "$M/f" "of this layer"
	assert_names "$M" f
	rm "$M/f"
	remnt
	assert_absent "$M/f"
}

t_wh_opaque_form() {
	differs overlay ".wh. files are ordinary there"
	put "$D/l2/d/g" y
	put "$D/l2/d/sub/x" z
	put "$D/l1/d/mine" m
	put "$D/l1/d/.wh..wh..opq" ""
	put "$D/l1/d/sub/y" z
	use_lowers 2
	mnt
	assert_names "$M/d" "mine sub"
	assert_names "$M/d/sub" y
	assert_absent "$M/d/g" "$M/d/.wh..wh..opq"
	assert_errno ENOENT "$VT" stat "$M/d/sub/x"
	remnt
	assert_names "$M/d" "mine sub"
}

t_opaque_xattr() {
	put "$D/l3/d/three" 3
	put "$D/l2/d/two" 2
	put "$D/l1/d/one" 1
	setfattr -n trusted.overlay.opaque -v y "$D/l2/d"
	use_lowers 3
	mnt
	assert_names "$M/d" "one two"
	assert_errno ENOENT "$VT" stat "$M/d/three"
}

t_opaque_user_xattr() {
	differs overlay "only with userxattr"
	put "$D/l2/d/two" 2
	put "$D/l1/d/one" 1
	setfattr -n user.overlay.opaque -v y "$D/l1/d"
	use_lowers 2
	mnt
	assert_names "$M/d" one
}

t_middle_layer() {
	put "$D/l4/f" four
	put "$D/l4/g" four
	put "$D/l4/d/old" four
	mknod "$D/l3/f" c 0 0
	mknod "$D/l3/g" c 0 0
	mknod "$D/l3/d" c 0 0
	put "$D/l2/f" two
	put "$D/l2/d/new" two
	put "$D/l1/d/top" one
	use_lowers 4
	mnt
	assert_text "$M/f" two
	assert_absent "$M/g"
	assert_names "$M/d" "new top"
	rm "$M/f"
	remnt
	assert_names "$M" d
}

t_file_between_directories() {
	put "$D/l3/d/three" 3
	put "$D/l2/d" "a file"
	put "$D/l1/d/one" 1
	use_lowers 3
	mnt
	assert_names "$M/d" one
	rm "$M/d/one"
	rmdir "$M/d"
	assert_absent "$M/d"
	remnt
	assert_absent "$M/d"
}

t_name_max() {
	local n d

	n=$(long_name 255)
	d=$(long_name 252)
	put "$L/$n" low
	put "$L/$d/$n" deep
	put "$L/keep$(long_name 251)" k
	mnt
	rm "$M/$n" "$M/$d/$n"
	assert_absent "$M/$n" "$M/$d/$n"
	remnt
	assert_errno ENOENT "$VT" stat "$M/$n"
	rmdir "$M/$d"
	assert_names "$M" "keep$(long_name 251)"
	put "$M/$n" new
	mkdir "$M/$d"
	mv "$M/keep$(long_name 251)" "$M/kept$(long_name 251)"
	remnt
	assert_text "$M/$n" new
	assert_names "$M/$d" ""
	assert_text "$M/kept$(long_name 251)" k
	assert_errno ENAMETOOLONG "$VT" mkdir "$M/$(long_name 256)"
}

t_whiteouts_are_hidden() {
	put "$L/f" x
	mnt
	rm "$M/f"
	is_whiteout "$U/f"
	assert_errno ENOENT "$VT" stat "$M/f"
	assert_errno ENOENT "$VT" chmod "$M/f" 777
	assert_errno ENOENT "$VT" rename "$M/f" "$M/g"
	assert_errno ENOENT "$VT" link "$M/f" "$M/g"
	assert_errno ENOENT "$VT" lgetxattr "$M/f" user.x
	assert_names "$M" ""
	"$VT" open "$M/f" wronly,creat,excl
	assert_stat '%F %s' "regular empty file 0" "$M/f"
}

t_create_every_type_over() {
	local n

	for n in file dir link fifo hard dev sock tmp moved movedd; do
		put "$L/$n/old" x
		put "$L/f$n" "old file"
	done
	mnt
	rm -r "${M:?}"/*
	for n in "" f; do
		put "$M/${n}file" new
		mkdir "$M/${n}dir"
		ln -s new "$M/${n}link"
		mkfifo "$M/${n}fifo"
		ln "$M/${n}file" "$M/${n}hard"
		"$VT" mknod "$M/${n}dev" c 600 1 3
		"$VT" mknod "$M/${n}sock" s 600
		put "$M/x" moved
		mv "$M/x" "$M/${n}moved"
		put "$M/y/in" moved
		mv -T "$M/y" "$M/${n}movedd"
	done
	remnt
	for n in "" f; do
		assert_text "$M/${n}file" new
		assert_names "$M/${n}dir" ""
		assert_eq new "$(readlink "$M/${n}link")"
		assert_stat %F fifo "$M/${n}fifo"
		assert_stat '%F %h' "regular file 2" "$M/${n}hard"
		assert_stat '%F %t:%T' "character special file 1:3" "$M/${n}dev"
		assert_stat %F socket "$M/${n}sock"
		assert_text "$M/${n}moved" moved
		assert_names "$M/${n}movedd" in
	done
}

t_rm_r_then_mkdir() {
	put "$L/d/f" x
	put "$L/d/sub/g" y
	mnt
	rm -r "$M/d"
	mkdir "$M/d"
	assert_names "$M/d" ""
	remnt
	assert_names "$M/d" ""
	assert_errno ENOENT "$VT" stat "$M/d/sub/g"
	put "$M/d/f" new
	mkdir "$M/d/sub"
	remnt
	assert_names "$M/d" "f sub"
	assert_names "$M/d/sub" ""
	rm -r "$M/d"
	remnt
	assert_absent "$M/d"
	assert_names "$M" ""
}

t_many_lives() {
	local i

	put "$L/n/f" x
	mnt
	for i in 1 2 3 4 5; do
		rm -r "$M/n"
		put "$M/n" "file $i"
		assert_text "$M/n" "file $i"
		rm "$M/n"
		mkdir "$M/n"
		assert_names "$M/n" ""
		put "$M/n/g$i" x
		remnt
		assert_names "$M/n" "g$i"
	done
	rm -r "$M/n"
	remnt
	assert_names "$M" ""
}

t_upper_dir_over_hidden_one() {
	put "$L/old/f" x
	mnt
	put "$M/fresh/mine" m
	rm -r "$M/old"
	"$VT" rename "$M/fresh" "$M/old"
	assert_names "$M/old" mine
	remnt
	assert_names "$M/old" mine
	assert_names "$M" old
}

t_exchange_over_hidden_one() {
	put "$L/a" "file a"
	put "$L/d/low" x
	mnt
	"$VT" rename "$M/a" "$M/d" exchange
	rm "$M/d"
	mkdir "$M/d"
	assert_names "$M/d" ""
	assert_names "$M/a" low
	remnt
	assert_names "$M/d" ""
	assert_names "$M/a" low
}

t_emptied_dir_can_go() {
	put "$L/d/a" 1
	put "$L/d/b" 2
	mnt
	rm "$M/d/a" "$M/d/b"
	put "$M/d/c" 3
	assert_errno ENOTEMPTY "$VT" rmdir "$M/d"
	rm "$M/d/c"
	"$VT" rmdir "$M/d"
	assert_absent "$M/d"
	remnt
	assert_absent "$M/d"
}

t_renamed_dir_takes_its_whiteouts() {
	put "$L/d/a" 1
	put "$L/d/b" 2
	mnt
	rm "$M/d/a"
	"$VT" rename "$M/d" "$M/e"
	assert_names "$M/e" b
	remnt
	assert_names "$M/e" b
	assert_names "$M" e
	rm "$M/e/b"
	"$VT" rmdir "$M/e"
	assert_names "$M" ""
}

t_hardlink_over_hidden() {
	put "$L/a" a
	put "$L/b" b
	mnt
	rm "$M/b"
	ln "$M/a" "$M/b"
	assert_text "$M/b" a
	rm "$M/a"
	remnt
	assert_names "$M" b
	assert_text "$M/b" a
}

# An inner overlayfs makes such nodes: they must be plain nodes to the guest.
t_guest_chardev_zero() {
	differs overlay "EPERM"
	differs fuse-overlayfs "hidden"
	put "$L/d/low" x
	mnt
	"$VT" mknod "$M/w" c 640 0 0
	"$VT" mknod "$M/d/low2" c 600 0 0
	rm "$M/d/low"
	"$VT" mknod "$M/d/low" c 600 0 0
	assert_stat '%F %t:%T %a' "character special file 0:0 640" "$M/w"
	assert_names "$M" "d w"
	assert_names "$M/d" "low low2"
	assert_errno EEXIST "$VT" mknod "$M/w" c 640 0 0
	remnt
	assert_stat '%F %t:%T %a' "character special file 0:0 640" "$M/w"
	assert_stat '%F %t:%T' "character special file 0:0" "$M/d/low"
	chmod 600 "$M/w"
	chown 5:6 "$M/w"
	assert_stat '%a %u %g %h' "600 5 6 1" "$M/w"
	ln "$M/w" "$M/w2"
	mv "$M/w" "$M/d/w3"
	remnt
	assert_stat '%F %t:%T %a %u %h' "character special file 0:0 600 5 2" \
		"$M/d/w3"
	assert_names "$M" "d w2"
	assert_eq "3" "$("$VT" check-dir "$M/d")"
	rm "$M/w2" "$M/d/w3" "$M/d/low" "$M/d/low2"
	assert_names "$M/d" ""
	rmdir "$M/d"
	remnt
	assert_names "$M" ""
}

t_guest_wh_names() {
	differs fuse-overlayfs "taken for whiteouts"
	put "$L/x" low
	put "$L/d/y" low
	mnt
	put "$M/.wh.x" mine
	put "$M/d/.wh..wh..opq" mine
	mkdir "$M/.wh.dir"
	ln -s a "$M/d/.wh.y"
	assert_text "$M/x" low
	assert_names "$M" ".wh.dir .wh.x d x"
	assert_names "$M/d" ".wh..wh..opq .wh.y y"
	remnt
	assert_text "$M/.wh.x" mine
	assert_text "$M/d/.wh..wh..opq" mine
	assert_text "$M/x" low
	assert_text "$M/d/y" low
	assert_names "$M" ".wh.dir .wh.x d x"
	assert_names "$M/d" ".wh..wh..opq .wh.y y"
	mv "$M/.wh.x" "$M/.wh.z"
	put "$M/plain" p
	mv "$M/plain" "$M/.wh.plain"
	remnt
	assert_names "$M" ".wh.dir .wh.plain .wh.z d x"
	rm -r "$M/.wh.dir" "$M/.wh.z" "$M/.wh.plain" "$M/d"
	assert_names "$M" x
}

t_guest_wh_name_max() {
	local n

	differs fuse-overlayfs "taken for whiteouts"
	n=.wh.$(long_name 251)
	mnt
	put "$M/$n" mine
	mkdir "$M/.wh.d"
	remnt
	assert_text "$M/$n" mine
	rm "$M/$n"
	assert_names "$M" .wh.d
}

t_guest_xattr_look_alikes() {
	differs fuse-overlayfs "EPERM"
	put "$L/d/low" x
	mnt
	put "$M/d/f" ""
	setfattr -n trusted.overlay.whiteout -v y "$M/d/f"
	setfattr -n trusted.overlay.opaque -v y "$M/d"
	remnt
	assert_names "$M/d" "f low"
	assert_eq y "$(getfattr --only-values -n trusted.overlay.opaque "$M/d")"
	assert_eq y "$("$VT" lgetxattr "$M/d/f" trusted.overlay.whiteout)"
	setfattr -x trusted.overlay.opaque "$M/d"
	assert_names "$M/d" "f low"
}

t_reads_an_overlayfs_upper() {
	only_vefs "this is about what another made"
	put "$L/gone" x
	put "$L/dir/gone" x
	put "$L/dir/stays" s
	put "$L/opaque/gone" x
	put "$L/moved/in" i
	put "$L/changed" before
	mount -t overlay overlay -o \
		"lowerdir=$L,upperdir=$U,workdir=$W,redirect_dir=on,metacopy=on" "$M"
	rm -r "$M/gone" "$M/dir/gone" "$M/opaque"
	put "$M/opaque/mine" m
	mv "$M/moved" "$M/dir/moved2"
	chmod 640 "$M/changed"
	umount "$M"
	mnt
	assert_names "$M" "changed dir opaque"
	assert_names "$M/dir" "moved2 stays"
	assert_text "$M/dir/moved2/in" i
	assert_names "$M/opaque" mine
	assert_stat %a 640 "$M/changed"
	assert_text "$M/changed" before
}

t_overlayfs_reads_our_upper() {
	only_vefs "this is about what another reads"
	put "$L/gone" x
	put "$L/dir/gone" x
	put "$L/dir/stays" s
	put "$L/opaque/gone" x
	put "$L/moved/in" i
	put "$L/changed" before
	mnt
	rm -r "$M/gone" "$M/dir/gone" "$M/opaque"
	put "$M/opaque/mine" m
	mv "$M/moved" "$M/dir/moved2"
	chmod 640 "$M/changed"
	umnt
	daemons_end
	mount -t overlay overlay -o \
		"lowerdir=$U:$L,redirect_dir=follow,metacopy=on" "$M"
	assert_names "$M" "changed dir opaque"
	assert_names "$M/dir" "moved2 stays"
	assert_text "$M/dir/moved2/in" i
	assert_names "$M/opaque" mine
	assert_stat %a 640 "$M/changed"
	assert_text "$M/changed" before
}

# An upper becomes the lower of the next mount: a container's commit.
t_upper_becomes_a_lower() {
	put "$D/l2/gone" x
	put "$D/l2/dir/gone" x
	put "$D/l2/dir/stays" s
	put "$D/l2/opaque/gone" x
	LOWERS=$D/l2
	mnt
	rm -r "$M/gone" "$M/dir/gone" "$M/opaque"
	put "$M/opaque/mine" m
	umnt
	cp -a "$U/." "$D/l1/"
	U=$UP/upper2
	W=$UP/work2
	mkdir "$U" "$W"
	use_lowers 2
	mnt
	assert_names "$M" "dir opaque"
	assert_names "$M/dir" stays
	assert_names "$M/opaque" mine
	rm -r "$M/dir"
	put "$M/gone" back
	remnt
	assert_names "$M" "gone opaque"
}

run_all
