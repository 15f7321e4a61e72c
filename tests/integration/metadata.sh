#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# metadata - owners, modes, times, ACLs and capabilities: exact over copy-up,
# without moving data, and with the kernel's rules about special bits.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

# A lower file of this size in MiB, stored for real: while it is being written
# back ext4 counts other blocks.
big_file() {
	dd if=/dev/zero of="$1" bs=1M count="$2" status=none
	printf start | dd of="$1" conv=notrunc,fsync status=none
}

# Upper holds no data of this name: at most a block or two of attributes.
assert_no_data() {
	assert_le "$(blocks "$1")" 64 "blocks of $1"
}

t_chmod_moves_no_data() {
	local before

	big_file "$L/f" 64
	seal
	differs fuse-overlayfs "copies"
	mnt
	# A template has holes where there were zeros.
	before=$(blocks "$M/f")
	[ "$VEFS_LOWER" = template ] || assert_eq "$(blocks "$L/f")" "$before"
	chmod 640 "$M/f"
	assert_stat '%a %s' "640 67108864" "$M/f"
	assert_no_data "$U/f"
	assert_stat %b "$before" "$M/f"
	cmp "$L/f" "$M/f"
	remnt
	assert_stat '%a %s' "640 67108864" "$M/f"
	assert_no_data "$U/f"
	cmp "$L/f" "$M/f"
	assert_sealed
}

t_each_change_moves_no_data() {
	local n

	for n in chmod chown times xattr rename link acl; do
		big_file "$L/$n" 4
	done
	differs fuse-overlayfs "copies"
	mnt
	chmod 600 "$M/chmod"
	chown 3:4 "$M/chown"
	touch -h -d @5 "$M/times"
	setfattr -n user.x -v y "$M/xattr"
	mv "$M/rename" "$M/renamed"
	ln "$M/link" "$M/linked"
	setfacl -m u:7:r "$M/acl"
	for n in chmod chown times xattr renamed link linked acl; do
		assert_no_data "$U/$n"
		assert_stat %s 4194304 "$M/$n"
		assert_eq start "$(head -c 5 "$M/$n")"
	done
	remnt
	for n in chmod chown times xattr renamed link linked acl; do
		assert_no_data "$U/$n"
		cmp "$L/chmod" "$M/$n"
	done
}

t_write_after_metadata() {
	big_file "$L/f" 2
	cp "$L/f" "$D/want"
	mnt
	chmod 751 "$M/f"
	chown 3:4 "$M/f"
	setfattr -n user.x -v y "$M/f"
	printf END | dd of="$M/f" bs=1 seek=1000000 conv=notrunc status=none
	printf END | dd of="$D/want" bs=1 seek=1000000 conv=notrunc status=none
	cmp "$D/want" "$M/f"
	assert_stat '%a %u %g' "751 3 4" "$M/f"
	remnt
	cmp "$D/want" "$M/f"
	cmp "$D/want" "$U/f"
	assert_stat '%a %u %g' "751 3 4" "$M/f"
	assert_eq y "$(getfattr --only-values -n user.x "$M/f")"
}

t_read_while_metadata_only() {
	big_file "$L/f" 1
	mnt
	exec 5<"$M/f"
	chmod 600 "$M/f"
	assert_eq start "$(head -c 5 <&5)"
	exec 5<&-
	exec 5<"$M/f"
	printf START | dd of="$M/f" conv=notrunc status=none
	assert_eq START "$(head -c 5 <&5)"
	exec 5<&-
	assert_stat %a 600 "$M/f"
}

t_times_are_kept() {
	put "$L/d/f" text
	mkdir "$L/d/sub"
	ln -s x "$L/d/s"
	touch -d '1999-12-31 23:59:59.123456789' "$L/d/f"
	touch -h -d '1980-01-01 01:01:01.000000001' "$L/d/s"
	touch -d '2030-05-05 05:05:05.555555555' "$L/d/sub"
	mnt
	chmod 600 "$M/d/f"
	chown -h 5 "$M/d/s"
	chmod 700 "$M/d/sub"
	for f in f s sub; do
		assert_stat %.9Y "$(stat -c %.9Y "$L/d/$f")" "$M/d/$f"
	done
	remnt
	for f in f s sub; do
		assert_stat %.9Y "$(stat -c %.9Y "$L/d/$f")" "$M/d/$f"
	done
	differs overlay "the late copy of the data sets mtime"
	"$VT" open "$M/d/f" rdwr
	assert_stat %.9Y "$(stat -c %.9Y "$L/d/f")" "$M/d/f"
}

t_times_are_set() {
	put "$L/f" text
	ln -s nowhere "$L/s"
	mnt
	touch -a -d @1111111111.111111111 "$M/f"
	touch -m -d @1222222222.222222222 "$M/f"
	touch -h -d @1333333333.333333333 "$M/s"
	touch -d @-1000.5 "$M/neg"
	assert_stat '%.9X %.9Y' "1111111111.111111111 1222222222.222222222" "$M/f"
	assert_stat %.9Y 1333333333.333333333 "$M/s"
	assert_stat %.9Y -1000.500000000 "$M/neg"
	remnt
	assert_stat '%.9X %.9Y' "1111111111.111111111 1222222222.222222222" "$M/f"
	assert_stat %.9Y 1333333333.333333333 "$M/s"
}

t_copy_up_leaves_the_parent_alone() {
	put "$L/d/e/f" text
	touch -d @1000000000 "$L/d/e" "$L/d"
	mnt
	chmod 600 "$M/d/e/f"
	printf x >>"$M/d/e/f"
	assert_stat %Y 1000000000 "$M/d/e"
	assert_stat %Y 1000000000 "$M/d"
	remnt
	assert_stat %Y 1000000000 "$M/d/e"
	assert_stat %Y 1000000000 "$M/d"
}

t_changes_touch_the_parent() {
	put "$L/d/f" x
	put "$L/d/g" x
	mkdir "$L/e"
	touch -d @1000000000 "$L/d" "$L/e"
	mnt
	rm "$M/d/f"
	assert_ne 1000000000 "$(stat -c %Y "$M/d")" "mtime after unlink"
	touch -d @1000000000 "$M/d"
	mv "$M/d/g" "$M/e/g"
	assert_ne 1000000000 "$(stat -c %Y "$M/d")" "mtime after rename from"
	assert_ne 1000000000 "$(stat -c %Y "$M/e")" "mtime after rename to"
}

t_ctime_moves() {
	local before

	put "$L/f" x
	put "$L/l" x
	mnt
	before=$(stat -c %.9Z "$M/f")
	sleep 0.02
	chmod 600 "$M/f"
	assert_ne "$before" "$(stat -c %.9Z "$M/f")" "ctime after chmod"
	before=$(stat -c %.9Z "$M/f")
	sleep 0.02
	ln "$M/f" "$M/g"
	assert_ne "$before" "$(stat -c %.9Z "$M/f")" "ctime after link"
	before=$(stat -c %.9Z "$M/f")
	sleep 0.02
	mv "$M/g" "$M/h"
	assert_ne "$before" "$(stat -c %.9Z "$M/f")" "ctime after rename"
	before=$(stat -c '%.9Z' "$M/f")
	sleep 0.02
	rm "$M/h"
	assert_ne "$before" "$(stat -c %.9Z "$M/f")" "ctime after unlink"
}

t_mtime_moves_with_writes() {
	put "$L/f" text
	touch -d @1000000000 "$L/f"
	put "$L/usr/g" text
	touch -d @1000000000 "$L/usr/g"
	mnt
	printf x >>"$M/f"
	assert_ne 1000000000 "$(stat -c %Y "$M/f")" "mtime after append"
	touch -d @1000000000 "$M/f"
	truncate -s 2 "$M/f"
	assert_ne 1000000000 "$(stat -c %Y "$M/f")" "mtime after truncate"
	printf x >>"$M/usr/g"
	assert_ne 1000000000 "$(stat -c %Y "$M/usr/g")" "mtime after append"
	assert_stat %s 5 "$M/usr/g"
}

t_lower_atime_stays() {
	put "$L/d/f" text
	touch -a -d @1000000000 "$L/d/f" "$L/d"
	touch -m -d @1000000001 "$L/d/f" "$L/d"
	mnt
	cat "$M/d/f" >/dev/null
	ls "$M/d" >/dev/null
	cat "$M/d/f" >/dev/null
	umnt
	assert_stat %X 1000000000 "$L/d/f"
	differs overlay "reads a lower folder with atime"
	assert_stat %X 1000000000 "$L/d"
}

t_owner_and_mode() {
	put "$L/f" x
	mkdir "$L/d"
	chown 10:20 "$L/f" "$L/d"
	chmod 4751 "$L/f"
	chmod 3770 "$L/d"
	mnt
	assert_stat '%u %g %a' "10 20 4751" "$M/f"
	assert_stat '%u %g %a' "10 20 3770" "$M/d"
	touch "$M/f" "$M/d/new"
	assert_stat '%u %g %a' "10 20 4751" "$M/f"
	assert_stat '%u %g %a' "10 20 3770" "$M/d"
	assert_stat '%u %g' "0 20" "$M/d/new"
	chown 4000000000:4000000001 "$M/f"
	assert_stat '%u %g' "4000000000 4000000001" "$M/f"
	chown :30 "$M/d"
	assert_stat '%u %g' "10 30" "$M/d"
	remnt
	assert_stat '%u %g' "4000000000 4000000001" "$M/f"
}

t_creator_owns() {
	mkdir "$L/d"
	chmod 777 "$L/d"
	mnt
	as_user 1000 1001 "$VT" open "$M/d/f" wronly,creat
	as_user 1000 1001 "$VT" mkdir "$M/d/sub" 755
	as_user 1000 1001 "$VT" symlink x "$M/d/s"
	as_user 1000 1001 "$VT" mknod "$M/d/p" p 600
	as_user 1000 1001 "$VT" tmpfile "$M/d" text "$M/d/t"
	for f in f sub s p t; do
		assert_stat '%u %g' "1000 1001" "$M/d/$f"
	done
	remnt
	for f in f sub s p t; do
		assert_stat '%u %g' "1000 1001" "$M/d/$f"
	done
}

t_permissions_are_checked() {
	put "$L/d/secret" x
	put "$L/d/open" x
	chmod 600 "$L/d/secret"
	mkdir -m 700 "$L/closed"
	put "$L/closed/f" x
	mkdir "$L/tmp"
	chmod 1777 "$L/tmp"
	put "$L/tmp/roots" x
	mnt
	assert_errno EACCES as_user 1000 1000 "$VT" open "$M/d/secret"
	assert_errno EACCES as_user 1000 1000 "$VT" open "$M/d/open" rdwr
	as_user 1000 1000 "$VT" open "$M/d/open" rdonly
	assert_errno EACCES as_user 1000 1000 "$VT" unlink "$M/d/open"
	assert_errno EACCES as_user 1000 1000 "$VT" open "$M/d/new" wronly,creat
	assert_errno EACCES as_user 1000 1000 "$VT" stat "$M/closed/f"
	assert_errno EPERM as_user 1000 1000 "$VT" unlink "$M/tmp/roots"
	assert_errno EPERM as_user 1000 1000 "$VT" rename "$M/tmp/roots" "$M/tmp/r2"
	assert_errno EPERM as_user 1000 1000 "$VT" chmod "$M/d/open" 777
	assert_errno EPERM as_user 1000 1000 "$VT" chown "$M/d/open" 1000 1000
	assert_errno EPERM as_user 1000 1000 "$VT" mknod "$M/tmp/dev" c 600 1 3
	assert_errno EPERM as_user 1000 1000 "$VT" lsetxattr "$M/d/open" trusted.x y
	assert_errno EACCES as_user 1000 1000 "$VT" lsetxattr "$M/d/open" user.x y
	umnt
	assert_names "$U" ""
}

t_supplementary_groups() {
	mkdir "$L/d"
	chown 0:50 "$L/d"
	chmod 770 "$L/d"
	put "$L/d/f" x
	chown 0:50 "$L/d/f"
	chmod 660 "$L/d/f"
	mnt
	assert_errno EACCES as_user 1000 1000 "$VT" open "$M/d/f" rdwr
	setpriv --reuid=1000 --regid=1000 --groups=50 "$VT" write "$M/d/f" 0 y
	setpriv --reuid=1000 --regid=1000 --groups=50 \
		"$VT" open "$M/d/new" wronly,creat
	assert_text "$M/d/f" y
	assert_stat '%u %g' "1000 1000" "$M/d/new"
}

t_umask() {
	mkdir "$L/d"
	mnt
	(
		umask 027
		touch "$M/d/f"
		mkdir "$M/d/sub"
		"$VT" mknod "$M/d/p" p 666
		"$VT" tmpfile "$M/d" x "$M/d/t"
	)
	assert_stat %a 640 "$M/d/f"
	assert_stat %a 750 "$M/d/sub"
	assert_stat %a 640 "$M/d/p"
	assert_stat %a 640 "$M/d/t"
}

t_sgid_directory() {
	mkdir "$L/d"
	chown 0:70 "$L/d"
	chmod 2777 "$L/d"
	mnt
	as_user 1000 1001 "$VT" open "$M/d/f" wronly,creat
	as_user 1000 1001 "$VT" mkdir "$M/d/sub" 755
	as_user 1000 1001 "$VT" mknod "$M/d/p" p 600
	as_user 1000 1001 "$VT" symlink x "$M/d/s"
	assert_stat '%u %g %a' "1000 70 644" "$M/d/f"
	assert_stat '%u %g %a' "1000 70 2755" "$M/d/sub"
	assert_stat '%u %g' "1000 70" "$M/d/p"
	assert_stat '%u %g' "1000 70" "$M/d/s"
	as_user 1000 1001 "$VT" mkdir "$M/d/sub/deeper" 755
	assert_stat '%g %a' "70 2755" "$M/d/sub/deeper"
	as_user 1000 1001 "$VT" tmpfile "$M/d" x "$M/d/t"
	assert_stat '%u %g' "1000 70" "$M/d/t"
	remnt
	assert_stat '%u %g %a' "1000 70 2755" "$M/d/sub"
}

# A lower file with both bits; each way to write must clear them.
t_special_bits_go() {
	local n

	for n in write append truncate otrunc falloc cfr mmapped; do
		put "$L/$n" "some text"
		chmod 6777 "$L/$n"
	done
	put "$L/source" "some text"
	for n in chown chgrp; do
		put "$L/$n" "some text"
		chown 1000:1000 "$L/$n"
		chmod 6755 "$L/$n"
	done
	mnt
	as_user 1000 1000 "$VT" write "$M/write" 0 x
	as_user 1000 1000 "$VT" write "$M/append" 0 x wronly,append
	as_user 1000 1000 "$VT" truncate "$M/truncate" 3
	as_user 1000 1000 "$VT" open "$M/otrunc" wronly,trunc
	as_user 1000 1000 "$VT" fallocate "$M/falloc" alloc 0 8192
	as_user 1000 1000 "$VT" cfr "$M/source" 0 "$M/cfr" 0 4
	as_user 1000 1000 "$VT" chown "$M/chgrp" 1000 1000
	chown 0:1 "$M/chown"
	for n in write append truncate otrunc falloc cfr; do
		assert_stat "$n %a" "$n 777" "$M/$n"
	done
	assert_stat "chown %a" "chown 755" "$M/chown"
	assert_stat "chgrp %a" "chgrp 755" "$M/chgrp"
	remnt
	for n in write append truncate otrunc falloc cfr; do
		assert_stat "$n %a" "$n 777" "$M/$n"
	done
	assert_stat %a 6777 "$L/write"
}

# Again on files that are in upper already, inside the program trees too.
t_special_bits_go_in_upper() {
	local n

	mnt
	mkdir -p "$M/usr"
	chmod 777 "$M/usr"
	for n in write append truncate otrunc falloc usr/write; do
		put "$M/$n" "some text"
		chmod 6777 "$M/$n"
	done
	as_user 1000 1000 "$VT" write "$M/write" 0 x
	as_user 1000 1000 "$VT" write "$M/usr/write" 0 x
	as_user 1000 1000 "$VT" write "$M/append" 0 x wronly,append
	as_user 1000 1000 "$VT" truncate "$M/truncate" 3
	as_user 1000 1000 "$VT" open "$M/otrunc" wronly,trunc
	as_user 1000 1000 "$VT" fallocate "$M/falloc" alloc 0 8192
	for n in write append truncate otrunc falloc usr/write; do
		assert_stat "$n %a" "$n 777" "$M/$n"
	done
}

t_special_bits_stay() {
	put "$L/f" text
	chmod 6755 "$L/f"
	put "$L/locking" text
	chmod 2644 "$L/locking"
	mnt
	mv "$M/f" "$M/g"
	ln "$M/g" "$M/h"
	touch -h -d @5 "$M/h"
	setfattr -n user.x -v y "$M/h"
	assert_stat %a 6755 "$M/g"
	remnt
	assert_stat %a 6755 "$M/g"
	printf x >>"$M/h"
	assert_stat %a 6755 "$M/h"
}

t_acl_survives_copy_up() {
	put "$L/f" x
	mkdir "$L/d"
	setfacl -m u:7:rw,g:8:r,m::rw "$L/f"
	setfacl -m u:7:rwx -d -m u:9:r,g:8:rx "$L/d"
	getfacl -cn "$L/f" >"$D/f.acl"
	getfacl -cn "$L/d" >"$D/d.acl"
	mnt
	getfacl -cpn "$M/f" | diff "$D/f.acl" -
	getfacl -cpn "$M/d" | diff "$D/d.acl" -
	touch "$M/f"
	touch "$M/d/new"
	printf x >>"$M/f"
	getfacl -cpn "$M/f" | diff "$D/f.acl" -
	getfacl -cpn "$M/d" | diff "$D/d.acl" -
	remnt
	getfacl -cpn "$M/f" | diff "$D/f.acl" -
	getfacl -cpn "$M/d" | diff "$D/d.acl" -
	getfacl -cpn "$U/d" | diff "$D/d.acl" -
}

t_acl_decides() {
	put "$L/f" x
	chmod 600 "$L/f"
	mnt
	assert_errno EACCES as_user 1000 1000 "$VT" open "$M/f" rdwr
	setfacl -m u:1000:rw "$M/f"
	as_user 1000 1000 "$VT" write "$M/f" 0 y
	assert_errno EACCES as_user 1001 1001 "$VT" open "$M/f"
	assert_stat %a 660 "$M/f"
	chmod 640 "$M/f"
	assert_errno EACCES as_user 1000 1000 "$VT" open "$M/f" rdwr
	as_user 1000 1000 "$VT" open "$M/f" rdonly
	setfacl -b "$M/f"
	assert_stat %a 600 "$M/f"
	assert_errno EACCES as_user 1000 1000 "$VT" open "$M/f"
}

t_acl_default_is_inherited() {
	mkdir "$L/d"
	setfacl -d -m u::rwx,g::rx,o::-,u:1000:rwx "$L/d"
	mkdir "$D/reference"
	setfacl -d -m u::rwx,g::rx,o::-,u:1000:rwx "$D/reference"
	mnt
	for top in "$D/reference" "$M/d"; do
		(
			umask 077
			touch "$top/f"
			mkdir "$top/sub"
			mkdir "$top/sub/deeper"
			"$VT" mknod "$top/p" p 666
			"$VT" tmpfile "$top" text "$top/t"
			ln -s x "$top/s"
		)
	done
	for f in f sub sub/deeper p t; do
		getfacl -cpn "$D/reference/$f" >"$D/want"
		getfacl -cpn "$M/d/$f" | diff "$D/want" -
		assert_stat %a "$(stat -c %a "$D/reference/$f")" "$M/d/$f"
	done
	remnt
	for f in f sub sub/deeper p t; do
		getfacl -cpn "$D/reference/$f" >"$D/want"
		getfacl -cpn "$M/d/$f" | diff "$D/want" -
	done
	as_user 1000 1000 "$VT" write "$M/d/f" 0 x
}

# Every chown takes them, one that changes no owner too.
t_empty_chown_takes_setuid() {
	put "$L/f" x
	put "$L/g" x
	chmod 6755 "$L/f"
	chmod 644 "$L/g"
	mnt
	"$VT" chown "$M/f" -1 -1
	"$VT" chown "$M/g" -1 -1
	assert_stat %a 755 "$M/f"
	[ ! -e "$U/g" ] || fail "copied up for nothing"
}

# As chmod does: an owner outside the file's group loses setgid with it.
t_acl_takes_setgid() {
	put "$L/f" x
	put "$L/g" x
	chown 1000:2000 "$L/f"
	chown 1000:1000 "$L/g"
	chmod 2775 "$L/f" "$L/g"
	mnt
	as_user 1000 1000 setfacl -m u:33:r "$M/f"
	as_user 1000 1000 setfacl -m u:33:r "$M/g"
	assert_stat %a 775 "$M/f"
	assert_stat %a 2775 "$M/g"
	remnt
	assert_stat %a 775 "$M/f"
}

t_acl_is_removed() {
	put "$L/f" x
	mkdir "$L/d"
	setfacl -m u:7:rw "$L/f"
	setfacl -d -m u:7:rwx "$L/d"
	mnt
	setfacl -b "$M/f"
	setfacl -k "$M/d"
	assert_eq 3 "$(getfacl -cpn "$M/f" | grep -c :)"
	remnt
	assert_eq 3 "$(getfacl -cpn "$M/f" | grep -c :)"
	assert_eq 3 "$(getfacl -cpn "$M/d" | grep -c :)"
	touch "$M/d/new"
	assert_eq 3 "$(getfacl -cpn "$M/d/new" | grep -c :)"
}

t_capabilities() {
	need setcap
	need getcap
	put "$L/f" text
	put "$L/g" text
	setcap cap_net_raw,cap_net_admin=ep "$L/f"
	setcap cap_net_raw=ep "$L/g"
	mnt
	getcap -n "$M/f" | grep -q cap_net_raw
	chmod 700 "$M/f"
	mv "$M/f" "$M/h"
	getcap -n "$M/h" | grep -q 'cap_net_admin,cap_net_raw=ep'
	remnt
	getcap -n "$M/h" | grep -q 'cap_net_admin,cap_net_raw=ep'
	setcap cap_sys_time=ep "$M/h"
	getcap -n "$M/h" | grep -q 'cap_sys_time=ep'
	printf x >>"$M/g"
	assert_eq "" "$(getcap -n "$M/g")" "capabilities after a write"
	chown 5 "$M/h"
	assert_eq "" "$(getcap -n "$M/h")" "capabilities after chown"
	getcap -n "$L/g" | grep -q cap_net_raw
}

t_capability_works() {
	need setcap
	cp "$(type -P cat)" "$L/cat"
	setcap cap_dac_read_search=ep "$L/cat"
	put "$L/secret" x
	chmod 600 "$L/secret"
	mnt
	assert_eq x "$(as_user 1000 1000 "$M/cat" "$M/secret")"
	cp --preserve=all "$M/cat" "$M/cat2"
	assert_eq x "$(as_user 1000 1000 "$M/cat2" "$M/secret")"
	touch "$M/cat"
	remnt
	assert_eq x "$(as_user 1000 1000 "$M/cat" "$M/secret")"
}

t_setuid_works() {
	cp "$(type -P id)" "$L/id"
	chown 1234 "$L/id"
	chmod 4755 "$L/id"
	mnt
	assert_eq 1234 "$(as_user 1000 1000 "$M/id" -u)"
	touch "$M/id"
	assert_eq 1234 "$(as_user 1000 1000 "$M/id" -u)"
}

t_chown_r_of_a_tree() {
	local i

	differs fuse-overlayfs "copies"
	for i in $(seq 1 20); do
		mkdir -p "$L/t/d$i"
		fill_random "$L/t/d$i/f" 100000
		touch -d @1000000000 "$L/t/d$i/f"
	done
	seal
	mnt
	chown -R 77:88 "$M/t"
	assert_eq "" "$(find "$M/t" -not -uid 77 -o -not -gid 88)"
	assert_eq 20 "$(find "$M/t" -name f -not -newermt @1000000000 | wc -l)"
	assert_eq "" "$(find "$U" -type f -size +0 -printf '%p %b\n' |
		awk '$2 > 64')" "data in upper"
	remnt
	assert_eq "" "$(find "$M/t" -not -uid 77 -o -not -gid 88)"
	for i in $(seq 1 20); do
		cmp "$L/t/d$i/f" "$M/t/d$i/f"
	done
	assert_sealed
}

run_all
