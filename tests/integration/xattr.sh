#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# xattr - extended attributes of every kind and node, the guest's own
# trusted.overlay.*, and a kernel overlayfs inside the mount.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

value() {
	"$VT" lgetxattr "$1" "$2"
}

t_user_attributes() {
	put "$L/f" x
	setfattr -n user.low -v 1 "$L/f"
	mnt
	assert_eq 1 "$(value "$M/f" user.low)"
	setfattr -n user.new -v 2 "$M/f"
	assert_eq 1 "$(value "$M/f" user.low)"
	assert_eq "user.low user.new" \
		"$("$VT" llistxattr "$M/f" | sort | paste -sd' ')"
	setfattr -x user.low "$M/f"
	assert_errno ENODATA "$VT" lgetxattr "$M/f" user.low
	remnt
	assert_eq 2 "$(value "$M/f" user.new)"
	assert_eq "user.new" "$("$VT" llistxattr "$M/f")"
	assert_eq 1 "$(value "$L/f" user.low)"
}

t_all_namespaces() {
	put "$L/f" x
	mkdir "$L/d"
	for n in f d; do
		setfattr -n user.a -v u "$L/$n"
		setfattr -n trusted.a -v t "$L/$n"
		setfattr -n security.a -v s "$L/$n"
	done
	mnt
	chmod 700 "$M/f" "$M/d"
	printf x >>"$M/f"
	for n in f d; do
		assert_eq "u t s" "$(value "$M/$n" user.a) $(value "$M/$n" \
			trusted.a) $(value "$M/$n" security.a)"
	done
	setfattr -n trusted.b -v t2 "$M/d"
	setfattr -n security.b -v s2 "$M/d"
	remnt
	for n in f d; do
		assert_eq "u t s" "$(value "$M/$n" user.a) $(value "$M/$n" \
			trusted.a) $(value "$M/$n" security.a)"
	done
	assert_eq "t2 s2" "$(value "$M/d" trusted.b) $(value "$M/d" security.b)"
}

t_create_and_replace() {
	put "$L/f" x
	setfattr -n user.a -v 1 "$L/f"
	mnt
	assert_errno EEXIST "$VT" lsetxattr "$M/f" user.a 2 create
	assert_errno ENODATA "$VT" lsetxattr "$M/f" user.b 2 replace
	"$VT" lsetxattr "$M/f" user.a 3 replace
	"$VT" lsetxattr "$M/f" user.b 4 create
	assert_eq "3 4" "$(value "$M/f" user.a) $(value "$M/f" user.b)"
	"$VT" lremovexattr "$M/f" user.b
	assert_errno ENODATA "$VT" lremovexattr "$M/f" user.b
	assert_errno ENODATA "$VT" lgetxattr "$M/f" user.none
}

t_sizes() {
	put "$L/f" x
	mkdir "$L/d"
	setfattr -n user.long -v "$(printf '%02000d' 7)" "$L/f"
	mnt
	setfattr -n user.long -v "$(printf '%02000d' 8)" "$M/d"
	setfattr -n user.empty "$M/d"
	assert_eq "" "$(value "$M/d" user.empty)"
	"$VT" llistxattr "$M/d" | grep -qx user.empty
	assert_errno ERANGE "$VT" lsetxattr "$M/d" "user.$(printf '%0251d' 0)" x
	setfattr -n "user.$(printf '%0250d' 0)" -v x "$M/d"
	assert_eq x "$(value "$M/d" "user.$(printf '%0250d' 0)")"
	remnt
	assert_eq 2000 "$(value "$M/f" user.long | wc -c)"
	assert_eq x "$(value "$M/d" "user.$(printf '%0250d' 0)")"
}

# Just enough is enough, a byte less is ERANGE, and the size is the truth.
t_buffer_sizes() {
	differs overlay "announces too much for the list"
	put "$L/f" x
	mkdir "$L/d"
	setfattr -n user.long -v "$(printf '%02000d' 7)" "$L/f"
	mnt
	"$VT" xattr-range "$M/f" user.long
	setfattr -n user.short -v abc "$M/f"
	"$VT" xattr-range "$M/f" user.short
	setfattr -n user.long -v "$(printf '%02000d' 8)" "$M/d"
	put "$M/d/new" x
	"$VT" xattr-range "$M/d" user.long
}

t_binary_values() {
	put "$L/f" x
	setfattr -n user.bin -v 0x00ff0a00e9 "$L/f"
	mnt
	chmod 600 "$M/f"
	assert_eq "00 ff 0a 00 e9" "$(value "$M/f" user.bin | od -An -tx1 |
		xargs)"
	remnt
	assert_eq "00 ff 0a 00 e9" "$(value "$M/f" user.bin | od -An -tx1 |
		xargs)"
}

# The target is outside: nothing may ever reach it through the symlink.
t_symlinks_are_not_followed() {
	put "$D/outside" "untouched"
	put "$L/inside" "untouched"
	setfattr -n trusted.mark -v outside "$D/outside"
	ln -s "$D/outside" "$L/abs"
	ln -s inside "$L/rel"
	ln -s /proc/self/mem "$L/proc"
	mnt
	ln -s "$D/outside" "$M/new"
	for n in abs rel new; do
		"$VT" lsetxattr "$M/$n" trusted.evil 1
		assert_eq 1 "$(value "$M/$n" trusted.evil)"
		assert_errno ENODATA "$VT" lgetxattr "$M/$n" trusted.mark
		assert_errno EPERM "$VT" lsetxattr "$M/$n" user.evil 1
		chown -h 77:77 "$M/$n"
		touch -h -d @5 "$M/$n"
		assert_stat '%u %Y' "77 5" "$M/$n"
	done
	"$VT" lsetxattr "$M/proc" trusted.evil 1
	"$VT" lremovexattr "$M/abs" trusted.evil
	assert_errno ENODATA "$VT" lgetxattr "$M/abs" trusted.evil
	assert_errno ENODATA "$VT" lgetxattr "$D/outside" trusted.evil
	assert_errno ENODATA "$VT" lgetxattr "$M/inside" trusted.evil
	assert_stat '%u %g' "0 0" "$D/outside"
	assert_ne 5 "$(stat -c %Y "$D/outside")"
	assert_eq outside "$(value "$D/outside" trusted.mark)"
	remnt
	assert_eq 1 "$(value "$M/rel" trusted.evil)"
	assert_eq 1 "$(value "$M/new" trusted.evil)"
	assert_errno ENODATA "$VT" lgetxattr "$M/abs" trusted.evil
}

t_special_nodes() {
	mkfifo "$L/p"
	"$VT" mknod "$L/n" c 600 1 3
	"$VT" mknod "$L/s" s 600
	mnt
	for n in p n s; do
		"$VT" lsetxattr "$M/$n" trusted.a "on $n"
		assert_errno EPERM "$VT" lsetxattr "$M/$n" user.a x
	done
	remnt
	for n in p n s; do
		assert_eq "on $n" "$(value "$M/$n" trusted.a)"
	done
}

t_by_descriptor() {
	put "$L/f" x
	put "$L/usr/f" x
	mnt
	"$VT" fsetxattr "$M/f" user.a 1
	"$VT" fsetxattr "$M/usr/f" user.a 1
	assert_eq "1 1" "$(value "$M/f" user.a) $(value "$M/usr/f" user.a)"
	remnt
	assert_eq "1 1" "$(value "$M/f" user.a) $(value "$M/usr/f" user.a)"
}

t_own_attributes_are_hidden() {
	put "$L/d/f" x
	put "$L/g" x
	put "$L/m/in" x
	mnt
	put "$M/d/new" x
	chmod 600 "$M/g"
	ln "$M/g" "$M/h"
	rm -r "$M/d"
	mkdir "$M/d"
	if [ "$VEFS_FS" != fuse-overlayfs ]; then
		"$VT" rename "$M/m" "$M/m2"
	fi
	assert_eq "" "$(find "$M" -print0 | xargs -0 getfattr -h -d -m - \
		2>/dev/null)"
	remnt
	assert_eq "" "$(find "$M" -print0 | xargs -0 getfattr -h -d -m - \
		2>/dev/null)"
	getfattr -h -R -d -m - "$U" 2>&1 | grep -q overlay
}

# A guest uses overlayfs's names for itself: kept, invisible to us.
t_guest_overlay_attributes() {
	differs fuse-overlayfs "EPERM"
	put "$L/d/low" x
	put "$L/f" x
	mnt
	for n in opaque redirect origin impure metacopy nlink upper whiteout \
		protattr uuid xwhiteouts anything overlay.opaque; do
		"$VT" lsetxattr "$M/d" "trusted.overlay.$n" "d $n"
		"$VT" lsetxattr "$M/f" "trusted.overlay.$n" "f $n"
	done
	assert_eq 13 "$("$VT" llistxattr "$M/d" | grep -c '^trusted.overlay')"
	put "$M/d/new" x
	printf x >>"$M/f"
	assert_names "$M/d" "low new"
	remnt
	assert_names "$M/d" "low new"
	for n in opaque redirect origin impure metacopy nlink upper whiteout \
		protattr uuid xwhiteouts anything overlay.opaque; do
		assert_eq "d $n" "$(value "$M/d" "trusted.overlay.$n")"
		assert_eq "f $n" "$(value "$M/f" "trusted.overlay.$n")"
	done
	assert_eq 13 "$("$VT" llistxattr "$M/f" | grep -c '^trusted.overlay')"
	assert_errno EEXIST "$VT" lsetxattr "$M/d" trusted.overlay.opaque y create
	"$VT" lremovexattr "$M/d" trusted.overlay.opaque
	assert_errno ENODATA "$VT" lgetxattr "$M/d" trusted.overlay.opaque
	assert_names "$M/d" "low new"
	assert_text "$M/f" xx
}

# Escaped attributes of a lower: an image that was itself built in a guest.
t_escaped_in_a_lower() {
	differs fuse-overlayfs "knows no escapes"
	needs_dir_lower "no overlay's layer: attributes are as they were"
	put "$L/d/low" x
	setfattr -n trusted.overlay.overlay.opaque -v y "$L/d"
	mnt
	assert_names "$M/d" low
	assert_eq y "$(value "$M/d" trusted.overlay.opaque)"
	put "$M/d/new" x
	assert_eq y "$(value "$M/d" trusted.overlay.opaque)"
	remnt
	assert_names "$M/d" "low new"
	assert_eq y "$(value "$M/d" trusted.overlay.opaque)"
}

t_many_attributes() {
	local i

	put "$L/f" x
	for i in $(seq 1 20); do
		setfattr -n "user.low$i" -v "v$i" "$L/f"
	done
	mnt
	for i in $(seq 1 20); do
		setfattr -n "user.up$i" -v "w$i" "$M/f"
	done
	assert_eq 40 "$("$VT" llistxattr "$M/f" | sort -u | wc -l)"
	remnt
	assert_eq 40 "$("$VT" llistxattr "$M/f" | sort -u | wc -l)"
	assert_eq v13 "$(value "$M/f" user.low13)"
}

caps_of() {
	getcap -n "$1" | sed 's/.* //'
}

# A file's data follows its metadata, and nothing is written yet.
brings_data() {
	exec 5>>"$1"
	exec 5>&-
}

t_capabilities_stay_when_data_follows() {
	local n want=cap_net_raw=ep

	need setcap
	for n in linked moved chmod set removed owned written again; do
		fill_random "$L/$n" 300000
		setcap cap_net_raw=ep "$L/$n"
	done
	fill_random "$L/bare" 300000
	differs fuse-overlayfs "copies"
	mnt
	ln "$M/linked" "$M/linked.bak"
	mv "$M/moved" "$M/moved.away"
	chmod 700 "$M"/{chmod,set,removed,owned,written,again,bare}
	for n in linked moved.away chmod; do
		brings_data "$M/$n"
		assert_eq "$want" "$(caps_of "$M/$n")" "$n"
		assert_eq "$want" "$(caps_of "$U/$n")" "$n in upper"
		cmp "$L/${n%.away}" "$U/$n"
	done
	assert_eq "$want" "$(caps_of "$M/linked.bak")"
	setcap cap_sys_time=ep "$M/set"
	setcap cap_sys_time=ep "$M/bare"
	setcap -r "$M/removed"
	chown 5 "$M/owned"
	for n in set bare removed owned; do
		brings_data "$M/$n"
	done
	assert_eq "cap_sys_time=ep" "$(caps_of "$M/set")"
	assert_eq "cap_sys_time=ep" "$(caps_of "$M/bare")"
	printf x >>"$M/written"
	for n in removed owned written; do
		assert_eq "" "$(caps_of "$M/$n")" "$n"
	done
	: >"$M/again"
	assert_eq "" "$(caps_of "$M/again")" "emptied"
	remnt
	assert_eq "$want" "$(caps_of "$M/linked")"
	assert_eq "" "$(caps_of "$M/owned")"
	assert_eq "" "$(getfattr -dm- "$U"/* 2>/dev/null | grep vefs.caps)"
}

# The power went while the data came: the capability was gone, kept in a mark.
t_capabilities_of_a_copy_cut_off() {
	local i n want=cap_net_raw=ep

	need setcap
	only_vefs "its own mark"
	for n in run list data owned set removed emptied; do
		cp "$(type -P true)" "$L/$n"
		setcap cap_net_raw=ep "$L/$n"
	done
	mnt
	chmod 711 "$M"/*
	umnt
	for n in run list data owned set removed emptied; do
		setfattr -n trusted.overlay.vefs.caps -v "$(getfattr \
			--only-values -n security.capability "$U/$n" |
			base64 | sed 's/^/0s/')" "$U/$n"
		setcap -r "$U/$n"
		dd if="$L/$n" of="$U/$n" bs=4K count=1 conv=notrunc status=none
	done
	rm -f "$U.quota"
	mnt
	assert_eq "$want" "$(caps_of "$M/run")"
	getfattr -dm- "$M/list" 2>/dev/null | grep -q ^security.capability
	brings_data "$M/data"
	chown 5 "$M/owned"
	setcap cap_sys_time=ep "$M/set"
	setcap -r "$M/removed"
	: >"$M/emptied"
	for i in 1 2; do
		assert_eq "$want" "$(caps_of "$M/list")"
		assert_eq "$want" "$(caps_of "$M/data")"
		assert_eq "cap_sys_time=ep" "$(caps_of "$M/set")" "remount $i"
		for n in owned removed emptied; do
			assert_eq "" "$(caps_of "$M/$n")" "$n"
		done
		remnt
	done
	for n in run list data owned set removed; do
		brings_data "$M/$n"
		cmp "$L/$n" "$M/$n"
	done
	assert_eq "$want" "$(caps_of "$M/run")"
	assert_eq "$want" "$(caps_of "$U/data")"
	assert_eq "" "$(caps_of "$M/owned")$(caps_of "$M/removed")"
	assert_eq "" "$(getfattr -dm- "$U"/* 2>/dev/null | grep vefs.caps)"
}

# A lower filesystem may have kinds of its own.
t_kinds_that_upper_does_not_know() {
	local n

	need mkfs.btrfs
	differs fuse-overlayfs "keeps no trusted attributes"
	new_fs btrfs 128M "$D/btrfs" || skip "no btrfs here"
	L=$D/btrfs/l
	LOWERS=$L
	mkdir "$L"
	[ "$(stat -f -c %T "$UP")" = btrfs ] && skip "upper knows it"
	put "$L/f" text
	put "$L/g" text
	mkdir "$L/d"
	setfattr -n btrfs.compression -v zstd "$L/f" "$L/g" "$L/d" ||
		skip "it has no attributes of its own here"
	setfattr -n user.x -v y "$L/f" "$L/g" "$L/d"
	mnt
	chmod 700 "$M/f" "$M/d"
	printf x >>"$M/g"
	put "$M/d/new" text
	assert_text "$M/g" "textx"
	for n in f g d; do
		assert_eq y "$(getfattr --only-values -n user.x "$M/$n")"
	done
}

# Who may do what is another matter.
t_acls_that_upper_does_not_know() {
	need mkfs.btrfs
	new_fs btrfs 128M "$D/up" || skip "no btrfs here"
	umount "$D/up"
	mount -o loop,noacl "$D/up.img" "$D/up" ||
		skip "it cannot go without ACLs"
	U=$D/up/upper
	W=$D/up/work
	mkdir "$U" "$W"
	put "$L/f" text
	setfacl -m u:7:r "$L/f"
	put "$L/g" text
	only_vefs "mounts without ACLs then"
	mnt
	chmod 700 "$M/g"
	assert_errno EOPNOTSUPP chmod 700 "$M/f"
	[ ! -e "$U/f" ]
}

t_renamed_and_linked() {
	put "$L/f" x
	setfattr -n user.a -v 1 "$L/f"
	mnt
	mv "$M/f" "$M/g"
	ln "$M/g" "$M/h"
	setfattr -n user.b -v 2 "$M/h"
	assert_eq "1 2" "$(value "$M/g" user.a) $(value "$M/g" user.b)"
	rm "$M/g"
	remnt
	assert_eq "1 2" "$(value "$M/h" user.a) $(value "$M/h" user.b)"
}

t_unlinked_open_file() {
	put "$L/f" x
	mnt
	exec 5<>"$M/f"
	rm "$M/f"
	setfattr -n user.a -v 1 /proc/self/fd/5
	assert_eq 1 "$(getfattr --only-values -n user.a /proc/self/fd/5 \
		2>/dev/null)"
	exec 5<&-
}

# ---- a kernel overlayfs on the mount -----------------------------------------

# Its lower, upper, work and merged folder, all below M.
inner_mount() {
	mkdir -p "$M/in/l" "$M/in/u" "$M/in/w" "$M/in/m"
	mount -t overlay inner -o \
		"lowerdir=$M/in/l,upperdir=$M/in/u,workdir=$M/in/w${1:+,$1}" \
		"$M/in/m"
}

t_inner_basic() {
	differs overlay "no upper on an overlayfs"
	differs fuse-overlayfs "refused"
	put "$L/in/l/f" "from the outer lower"
	put "$L/in/l/d/g" g
	mnt
	inner_mount
	assert_text "$M/in/m/f" "from the outer lower"
	printf ' more' >>"$M/in/m/f"
	put "$M/in/m/new" new
	mkdir "$M/in/m/dir"
	assert_text "$M/in/m/f" "from the outer lower more"
	assert_text "$M/in/u/f" "from the outer lower more"
	assert_text "$M/in/l/f" "from the outer lower"
	umnt_at "$M/in/m"
	remnt
	inner_mount
	assert_text "$M/in/m/f" "from the outer lower more"
	assert_names "$M/in/m" "d dir f new"
}

t_inner_whiteouts() {
	differs overlay "no upper on an overlayfs"
	differs fuse-overlayfs "refused"
	put "$L/in/l/f" x
	put "$L/in/l/d/g" g
	put "$L/in/l/d/h" h
	put "$L/in/l/o/p" p
	mnt
	inner_mount
	rm "$M/in/m/f" "$M/in/m/d/g"
	rm -r "$M/in/m/o"
	mkdir "$M/in/m/o"
	put "$M/in/m/o/mine" m
	assert_names "$M/in/m" "d o"
	assert_names "$M/in/m/o" mine
	umnt_at "$M/in/m"
	is_whiteout "$M/in/u/f"
	is_whiteout "$M/in/u/d/g"
	assert_eq y "$(value "$M/in/u/o" trusted.overlay.opaque)"
	inner_mount
	assert_names "$M/in/m" "d o"
	umnt_at "$M/in/m"
	remnt
	is_whiteout "$M/in/u/f"
	inner_mount
	assert_names "$M/in/m" "d o"
	assert_names "$M/in/m/d" h
	assert_names "$M/in/m/o" mine
	put "$M/in/m/f" again
	rm -r "$M/in/m/d"
	assert_names "$M/in/m" "f o"
}

t_inner_rename() {
	differs overlay "no upper on an overlayfs"
	differs fuse-overlayfs "refused"
	put "$L/in/l/f" x
	put "$L/in/l/d/g" g
	mnt
	inner_mount redirect_dir=on,metacopy=on
	mv "$M/in/m/f" "$M/in/m/f2"
	"$VT" rename "$M/in/m/d" "$M/in/m/e"
	"$VT" rename "$M/in/m/f2" "$M/in/m/e" exchange
	assert_text "$M/in/m/f2/g" g
	assert_text "$M/in/m/e" x
	assert_names "$M/in/m" "e f2"
	chmod 600 "$M/in/m/f2/g"
	umnt_at "$M/in/m"
	remnt
	inner_mount redirect_dir=on,metacopy=on
	assert_text "$M/in/m/f2/g" g
	assert_stat %a 600 "$M/in/m/f2/g"
	assert_text "$M/in/m/e" x
	assert_names "$M/in/m" "e f2"
}

t_inner_on_fresh_folders() {
	differs overlay "no upper on an overlayfs"
	differs fuse-overlayfs "refused"
	mnt
	mkdir -p "$M/in/l/d"
	put "$M/in/l/d/f" text
	inner_mount
	rm -r "$M/in/m/d"
	assert_names "$M/in/m" ""
	mkdir "$M/in/m/d"
	put "$M/in/m/d/x" x
	ln "$M/in/m/d/x" "$M/in/m/d/y"
	ln -s x "$M/in/m/d/s"
	# The inner one refuses O_TMPFILE on Linux 6.1, on ext4 as well.
	if since_linux 6 6; then
		"$VT" tmpfile "$M/in/m/d" text "$M/in/m/d/t"
	else
		put "$M/in/m/d/t" text
	fi
	setfattr -n user.a -v 1 "$M/in/m/d/x"
	assert_names "$M/in/m/d" "s t x y"
	"$VT" mmap-shared "$M/in/m/d/t" || "$VT" truncate "$M/in/m/d/t" 8192
	rm -r "$M/in/m/d"
	assert_names "$M/in/m" ""
}

t_inner_index_and_links() {
	differs overlay "no upper on an overlayfs"
	differs fuse-overlayfs "refused"
	put "$L/in/l/a" text
	ln "$L/in/l/a" "$L/in/l/b"
	mnt
	inner_mount
	printf x >>"$M/in/m/a"
	assert_text "$M/in/m/a" textx
	assert_text "$M/in/l/b" text
}

# Copied by tar as a container engine does, with attributes and nodes.
t_inner_upper_copied_by_tar() {
	differs overlay "no upper on an overlayfs"
	differs fuse-overlayfs "refused"
	put "$L/in/l/f" x
	put "$L/in/l/o/p" p
	mnt
	inner_mount
	rm "$M/in/m/f"
	rm -r "$M/in/m/o"
	mkdir "$M/in/m/o"
	umnt_at "$M/in/m"
	tar -C "$M/in/u" --xattrs --xattrs-include='*' -cf "$D/u.tar" .
	rm -r "$M/in/u"
	mkdir "$M/in/u"
	tar -C "$M/in/u" --xattrs --xattrs-include='*' -xf "$D/u.tar"
	is_whiteout "$M/in/u/f"
	assert_eq y "$(value "$M/in/u/o" trusted.overlay.opaque)"
	inner_mount
	assert_names "$M/in/m" o
	assert_names "$M/in/m/o" ""
}

t_rename_whiteout_flag() {
	put "$L/f" x
	put "$L/d/y" y
	differs overlay "EINVAL"
	differs fuse-overlayfs "ENOENT"
	mnt
	put "$M/up" up
	"$VT" rename "$M/f" "$M/g" whiteout
	"$VT" rename "$M/up" "$M/d/up2" whiteout
	is_whiteout "$M/f"
	is_whiteout "$M/up"
	assert_text "$M/g" x
	assert_text "$M/d/up2" up
	remnt
	is_whiteout "$M/f"
	is_whiteout "$M/up"
	assert_names "$M" "d f g up"
	rm "$M/f" "$M/up"
	assert_names "$M" "d g"
}

run_all
