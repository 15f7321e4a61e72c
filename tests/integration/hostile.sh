#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# hostile - bad arguments, full and failing disks, and a host or an image that
# puts traps in the way: a clear error, nothing lost, no way out of the tree.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

# refused PATTERN OPTIONS [TARGET]: no mount, a non-zero status, and a message
# on stderr that names the thing.
refused() {
	local pattern=$1 opts=$2 target=${3:-$M} rc=0

	mount_fs "$opts" "$target" 2>"$D/message" || rc=$?
	if [ "$rc" = 0 ]; then
		fail "mounted: $opts"
	fi
	assert_ne 124 "$rc" "status (124: it hangs)"
	assert_le "$rc" 125 "status (more: killed)"
	if mountpoint -q "$target"; then
		fail "failed with $rc, but something is mounted"
	fi
	[ -s "$D/message" ] || fail "no message for: $opts"
	if [ "$VEFS_FS" = vefs ]; then
		grep -qiE -- "$pattern" "$D/message" ||
			fail "the message lacks $pattern: $(cat "$D/message")"
	fi
}

# Nothing of what happened may have come here.
outside() {
	mkdir -p "$D/outside/d"
	put "$D/outside/secret" "secret"
	put "$D/outside/d/secret" "secret"
	tree_of "$D/outside" >"$D/outside.before"
}

assert_outside_untouched() {
	tree_of "$D/outside" | cmp -s "$D/outside.before" - ||
		fail "something outside changed: $(tree_of "$D/outside" |
			diff "$D/outside.before" - | head -3)"
}

# Run a command that may fail as it likes, but must end and tell no secret.
tells_no_secret() {
	local rc=0

	timeout 20 "$@" >"$D/told" 2>&1 || rc=$?
	assert_ne 124 "$rc" "status of $* (124: it hangs)"
	if grep -q '^secret' "$D/told"; then
		fail "a secret from outside came by: $*"
	fi
}

# ---- arguments ---------------------------------------------------------------

t_missing_lower() {
	refused "$D/none" "lowerdir=$D/none,upperdir=$U,workdir=$W"
	refused "$D/none" "lowerdir=$L:$D/none:$D/l2,upperdir=$U,workdir=$W"
	refused "$D/none" "lowerdir=$D/none:$L"
	mnt
}

t_lower_is_a_file() {
	put "$D/file" x
	refused "$D/file" "lowerdir=$D/file,upperdir=$U,workdir=$W"
	refused "$D/file" "lowerdir=$L:$D/file"
}

t_bad_upper_and_work() {
	put "$D/file" x
	refused "$D/none" "lowerdir=$L,upperdir=$D/none,workdir=$W"
	refused "$D/none" "lowerdir=$L,upperdir=$U,workdir=$D/none/work"
	refused "$D/file" "lowerdir=$L,upperdir=$D/file,workdir=$W"
	refused "$D/file" "lowerdir=$L,upperdir=$U,workdir=$D/file"
	differs overlay "mounts without"
	refused "workdir" "lowerdir=$L,upperdir=$U"
	assert_names "$U" ""
}

t_upper_and_work_in_each_other() {
	mkdir "$U/work" "$W/upper"
	differs fuse-overlayfs "does not look"
	refused "upper.*work|work.*upper" "lowerdir=$L,upperdir=$U,workdir=$U/work"
	refused "upper.*work|work.*upper" "lowerdir=$L,upperdir=$W/upper,workdir=$W"
	refused "upper.*work|work.*upper" "lowerdir=$L,upperdir=$U,workdir=$U"
}

t_upper_and_work_on_two_filesystems() {
	new_fs tmpfs 4M "$D/other"
	mkdir "$D/other/work"
	differs fuse-overlayfs "notices at the first copy-up"
	refused "filesystem|device" "lowerdir=$L,upperdir=$U,workdir=$D/other/work"
	assert_names "$U" ""
}

t_bad_target() {
	put "$D/file" x
	refused "$D/none" "lowerdir=$L,upperdir=$U,workdir=$W" "$D/none"
	refused "$D/file" "lowerdir=$L,upperdir=$U,workdir=$W" "$D/file"
}

t_upper_is_in_use() {
	mkdir "$D/m2" "$D/work2" "$D/upper2"
	put "$L/f" x
	differs fuse-overlayfs "mounts it twice"
	mnt
	put "$M/f" mine
	refused "in use" \
		"lowerdir=$L,upperdir=$U,workdir=$D/work2" "$D/m2"
	refused "$W.*in use" \
		"lowerdir=$L,upperdir=$D/upper2,workdir=$W" "$D/m2"
	refused "in use" "lowerdir=$L,upperdir=$U,workdir=$W" "$D/m2"
	assert_text "$M/f" mine
	umnt
	mount_fs "lowerdir=$L,upperdir=$U,workdir=$D/work2" "$D/m2"
	assert_text "$D/m2/f" mine
}

t_lower_is_shared() {
	mkdir "$D/m2" "$D/work2" "$D/upper2"
	put "$L/f" x
	mnt
	mount_fs "lowerdir=$L,upperdir=$D/upper2,workdir=$D/work2" "$D/m2"
	put "$M/f" one
	put "$D/m2/f" two
	assert_text "$M/f" one
	assert_text "$D/m2/f" two
	assert_text "$L/f" x
}

# A folder that somebody keeps things in is not ours to clean.
t_work_has_other_things() {
	put "$W/precious" "keep me"
	put "$W/letters/a" "keep me"
	if [ "$VEFS_FS" = vefs ]; then
		refused "$W" "lowerdir=$L,upperdir=$U,workdir=$W"
	else
		mnt
		umnt
	fi
	assert_text "$W/precious" "keep me"
	assert_text "$W/letters/a" "keep me"
}

t_work_of_overlayfs_is_taken() {
	put "$L/f" x
	mount -t overlay overlay \
		-o "lowerdir=$L,upperdir=$U,workdir=$W,index=on" "$M"
	printf y >>"$M/f"
	umount "$M"
	mnt
	assert_text "$M/f" xy
	printf z >>"$M/f"
	remnt
	assert_text "$M/f" xyz
}

t_leftovers_in_work_are_cleaned() {
	put "$L/f" x
	mnt
	rm "$M/f"
	umnt
	daemons_end
	mkdir -p "$W/work/#1/sub"
	put "$W/work/#2" "half a copy"
	mknod "$W/work/#3" c 0 0
	mnt
	put "$M/f" y
	assert_text "$M/f" y
	umnt
	daemons_end
	assert_eq "" "$(find "$W" -type f)" "files left in work"
}

t_no_xattrs_in_upper() {
	new_fs ramfs 0 "$D/plain"
	if setfattr -n trusted.x -v y "$D/plain"; then
		skip "ramfs has xattrs here"
	fi
	mkdir "$D/plain/u" "$D/plain/w"
	differs overlay "goes on with less"
	differs fuse-overlayfs "goes on with less"
	refused "xattr|attribute" \
		"lowerdir=$L,upperdir=$D/plain/u,workdir=$D/plain/w"
}

t_upper_is_readonly() {
	new_fs tmpfs 4M "$D/ro"
	mkdir "$D/ro/u" "$D/ro/w"
	mount -o remount,ro "$D/ro"
	refused "read.only" "lowerdir=$L,upperdir=$D/ro/u,workdir=$D/ro/w"
}

# ---- full and failing disks ---------------------------------------------------

small_upper() {
	new_fs "$1" "$2" "$D/small"
	U=$D/small/u
	W=$D/small/w
	mkdir "$U" "$W"
}

# The copy-up of a file that does not fit.
copy_up_does_not_fit() {
	head -c 33554432 /dev/urandom >"$L/big"
	put "$L/little" "little"
	cp "$L/big" "$D/want"
	mnt
	assert_errno ENOSPC "$VT" write "$M/big" 0 x
	cmp "$D/want" "$M/big"
	assert_errno ENOSPC "$VT" write "$M/big" 0 x rdwr
	assert_stat %s 33554432 "$M/big"
	printf more >>"$M/little"
	assert_text "$M/little" littlemore
	assert_eq "" "$(find "$D/small" -type f -size +100k)" "left behind"
	remnt
	cmp "$D/want" "$M/big"
	assert_text "$M/little" littlemore
	rm "$M/big"
	remnt
	assert_names "$M" little
}

t_full_ext4() {
	small_upper ext4 16M
	copy_up_does_not_fit
}

t_full_tmpfs() {
	small_upper tmpfs 16M
	copy_up_does_not_fit
}

t_full_while_writing() {
	put "$L/f" x
	small_upper tmpfs 4M
	mnt
	assert_errno ENOSPC "$VT" fill "$M/big" 32M
	assert_le 3000000 "$(stat -c %s "$M/big")" "written before the end"
	assert_errno ENOSPC "$VT" fill "$M/big2" 1M
	assert_text "$M/f" x
	rm "$M/big"
	put "$M/f" again
	assert_text "$M/f" again
}

t_out_of_inodes() {
	local i

	new_fs tmpfs 4M "$D/small"
	mount -o remount,nr_inodes=40 "$D/small"
	U=$D/small/u
	W=$D/small/w
	mkdir "$U" "$W"
	for i in $(seq 1 60); do
		put "$L/f$i" "text $i"
	done
	mnt
	i=1
	while [ "$i" -le 60 ] && chmod 600 "$M/f$i" 2>"$D/message"; do
		i=$((i + 1))
	done
	assert_le "$i" 60 "files copied up into 40 inodes"
	grep -q "No space" "$D/message"
	for i in $(seq 1 60); do
		assert_text "$M/f$i" "text $i"
	done
	i=1
	while [ "$i" -le 20 ] && "$VT" open "$M/new$i" wronly,creat; do
		i=$((i + 1))
	done
	assert_errno ENOSPC "$VT" open "$M/new$i" wronly,creat
	assert_errno ENOSPC "$VT" mkdir "$M/new$i"
	assert_absent "$M/new$i"
}

# The lower's image ends before the file's data: every read is EIO.
t_eio_from_below() {
	local block

	need debugfs
	new_fs ext4 64M "$D/img"
	head -c 8388608 /dev/urandom >"$D/img/blob"
	put "$D/img/fine" fine
	sync "$D/img/blob" "$D/img/fine"
	umount "$D/img"
	block=$(debugfs -R "bmap /blob 0" "$D/img.img" 2>/dev/null)
	[ "${block:-0}" -gt 0 ] || skip "no data block found"
	mount -o loop,ro "$D/img.img" "$D/img"
	LOWERS=$D/img
	mnt
	assert_text "$M/fine" fine
	assert_stat %s 8388608 "$M/blob"
	truncate -s $((block * $(stat -f -c %S "$D/img"))) "$D/img.img"
	dd if="$D/img/blob" of=/dev/null bs=4k count=1 2>"$D/message" &&
		skip "reads go on without the data"
	assert_errno EIO dd if="$M/blob" of=/dev/null bs=4k count=1
	assert_errno EIO "$VT" write "$M/blob" 0 x
	assert_stat %s 8388608 "$M/blob"
	assert_eq "" "$(find "$U" "$W" -type f -size +100k)" "left behind"
	assert_text "$M/fine" fine
	chmod 600 "$M/fine"
	put "$M/new" new
	assert_text "$M/new" new
}

# ---- traps -------------------------------------------------------------------

t_symlink_in_a_lower_is_no_folder() {
	outside
	ln -s "$D/outside" "$D/l2/d"
	mkdir "$D/l1/d"
	put "$D/l1/d/mine" m
	use_lowers 2
	mnt
	assert_names "$M/d" mine
	put "$M/d/new" x
	tells_no_secret cat "$M/d/secret"
	remnt
	assert_names "$M/d" "mine new"
	assert_outside_untouched
}

t_symlink_in_upper_before_the_mount() {
	outside
	mkdir "$L/d"
	put "$L/d/f" f
	ln -s "$D/outside" "$U/d"
	mnt
	assert_stat %F "symbolic link" "$M/d"
	rm "$M/d"
	mkdir "$M/d"
	put "$M/d/secret" mine
	remnt
	assert_text "$M/d/secret" mine
	assert_outside_untouched
}

# The host swaps a folder of upper that the guest is using.
t_symlink_in_upper_during_the_mount() {
	outside
	put "$L/d/low" low
	mnt
	put "$M/d/up" up
	cd "$M/d"
	mv "$U/d" "$U/d.away"
	ln -s "$D/outside" "$U/d"
	tells_no_secret cat secret
	tells_no_secret ls -l .
	tells_no_secret touch new
	tells_no_secret chmod 700 .
	tells_no_secret rm -f secret up
	tells_no_secret mv low secret
	tells_no_secret ls -l "$M"
	cd "$D"
	drop_caches
	# By now the guest may see a symlink there: its own to follow or not.
	if [ ! -L "$M/d" ]; then
		tells_no_secret cat "$M/d/secret"
		tells_no_secret touch "$M/d/new2"
		tells_no_secret mkdir "$M/d/dir2"
		tells_no_secret chown 5 "$M/d/low"
		tells_no_secret setfattr -n user.a -v b "$M/d/low"
	fi
	assert_outside_untouched
	put "$M/elsewhere" fine
	assert_text "$M/elsewhere" fine
}

t_mount_in_upper() {
	outside
	put "$L/d/low" low
	mnt
	put "$M/d/up" up
	mount --bind "$D/outside" "$U/d"
	drop_caches
	tells_no_secret cat "$M/d/secret"
	tells_no_secret touch "$M/d/new"
	tells_no_secret rm -f "$M/d/secret"
	tells_no_secret ls "$M/d"
	assert_outside_untouched
	umount "$U/d"
	put "$M/elsewhere" fine
	assert_text "$M/elsewhere" fine
}

t_mount_in_a_lower() {
	outside
	mkdir -p "$L/d" "$L/e"
	put "$L/e/f" f
	mount --bind "$D/outside" "$L/d"
	differs fuse-overlayfs "crosses"
	mnt
	tells_no_secret cat "$M/d/secret"
	tells_no_secret touch "$M/d/new"
	assert_outside_untouched
	assert_text "$M/e/f" f
}

# A redirect that climbs: from an image, the guest's own are escaped.
t_redirects_that_climb() {
	local to n=0

	outside
	put "$D/l2/real/f" f
	ln -s "$D/outside" "$D/l2/link"
	put "$D/l1/ok/f" fine
	for to in ../outside ../../outside /../outside /../../outside / . .. \
		"$D/outside" /link /link/d link real/../../outside \
		"real/../link" "" /none /none/at/all //real "$(printf '%05000d' 0 |
			head -c 3000)"; do
		n=$((n + 1))
		mkdir "$D/l1/r$n"
		if [ -n "$to" ]; then
			setfattr -n trusted.overlay.redirect -v "$to" "$D/l1/r$n"
		else
			setfattr -n trusted.overlay.redirect "$D/l1/r$n"
		fi
	done
	use_lowers 2
	mnt
	while [ "$n" -gt 0 ]; do
		tells_no_secret ls -l "$M/r$n"
		tells_no_secret cat "$M/r$n/secret"
		tells_no_secret touch "$M/r$n/new"
		tells_no_secret rm -f "$M/r$n/secret"
		tells_no_secret mv "$M/r$n" "$M/moved$n"
		tells_no_secret cat "$M/moved$n/secret"
		n=$((n - 1))
	done
	assert_outside_untouched
	assert_text "$M/ok/f" fine
	assert_text "$M/real/f" f
}

t_redirect_to_itself() {
	mkdir "$D/l2/a" "$D/l2/b"
	put "$D/l3/a/f" f
	setfattr -n trusted.overlay.redirect -v /b "$D/l2/a"
	setfattr -n trusted.overlay.redirect -v /a "$D/l2/b"
	mkdir "$D/l1/a"
	setfattr -n trusted.overlay.redirect -v /a "$D/l1/a"
	use_lowers 3
	mnt
	tells_no_secret ls -lR "$M"
	tells_no_secret rm -r "$M/a" "$M/b"
	put "$M/new" x
	assert_text "$M/new" x
}

t_nonsense_in_attributes() {
	local n=0 name

	for name in origin metacopy redirect opaque impure nlink upper uuid \
		whiteout protattr; do
		n=$((n + 1))
		mkdir "$U/d$n" "$L/d$n"
		put "$U/f$n" "upper $n"
		put "$L/f$n" "lower $n"
		put "$L/d$n/low" x
		setfattr -n "trusted.overlay.$name" -v "$(printf '\x01\xfb%0300d' 7)" \
			"$U/d$n" "$U/f$n"
	done
	put "$U/fine" fine
	mnt
	tells_no_secret ls -lR "$M"
	for n in $(seq 1 "$n"); do
		tells_no_secret cat "$M/f$n"
		tells_no_secret sh -c "echo x >>'$M/f$n'"
		tells_no_secret touch "$M/d$n/new"
		tells_no_secret mv "$M/d$n" "$M/e$n"
		tells_no_secret rm -rf "$M/f$n" "$M/d$n" "$M/e$n"
	done
	assert_text "$M/fine" fine
	put "$M/new" new
	remnt
	assert_text "$M/fine" fine
	assert_text "$M/new" new
}

# The image was changed while nobody looked.
t_lower_changed_offline() {
	put "$L/gone" "some text"
	put "$L/shrunk" "0123456789"
	put "$L/d/f" f
	put "$L/becomes-file/f" f
	put "$L/links/a" shared
	ln "$L/links/a" "$L/links/b"
	mnt
	chmod 600 "$M/gone" "$M/shrunk"
	if [ "$VEFS_FS" != fuse-overlayfs ]; then
		"$VT" rename "$M/d" "$M/e"
	fi
	put "$M/becomes-file/g" g
	printf x >>"$M/links/a"
	put "$M/fine" fine
	umnt
	rm -r "$L/gone" "$L/d" "$L/becomes-file" "$L/links/b"
	printf 01 >"$L/shrunk"
	put "$L/becomes-file" "now a file"
	put "$L/new" new
	mnt
	tells_no_secret ls -lR "$M"
	tells_no_secret cat "$M/gone"
	tells_no_secret cat "$M/shrunk"
	tells_no_secret sh -c "echo x >>'$M/gone'"
	tells_no_secret sh -c "echo x >>'$M/shrunk'"
	tells_no_secret ls "$M/e"
	assert_names "$M/becomes-file" g
	assert_text "$M/links/a" sharedx
	assert_text "$M/new" new
	assert_text "$M/fine" fine
	tells_no_secret rm -rf "$M/gone" "$M/shrunk" "$M/e"
	put "$M/e2" x
	remnt
	assert_text "$M/fine" fine
	assert_text "$M/e2" x
}

t_upper_changed_offline() {
	put "$L/f" low
	put "$L/d/g" low
	mnt
	printf x >>"$M/f"
	put "$M/d/new" new
	umnt
	rm "$U/f"
	put "$U/added" "by the host"
	mknod "$U/d/g" c 0 0
	mnt
	assert_text "$M/f" low
	assert_text "$M/added" "by the host"
	assert_names "$M/d" new
}

# The guest plays with its own tree as wildly as it can.
t_guest_swaps_folders() {
	local i

	outside
	put "$L/a/x/f" f
	put "$L/b/x/f" f
	mnt
	ln -s "$D/outside" "$M/link"
	(
		trap - ERR
		set +e
		for i in $(seq 1 150); do
			"$VT" rename "$M/a" "$M/link" exchange
			"$VT" rename "$M/a" "$M/b" exchange
		done
	) >/dev/null 2>&1 &
	(
		trap - ERR
		set +e
		for i in $(seq 1 150); do
			echo "$i" >"$M/a/x/n$i"
			mkdir "$M/b/d$i"
			rm -f "$M/a/x/n$((i - 3))"
		done
	) >/dev/null 2>&1 &
	# Their last command may have failed: that is no verdict.
	wait
	# The links do lead outside, for the one who follows them: that is
	# the guest's own doing, in its own namespace. Only its names may
	# have come there, nothing may be gone.
	assert_text "$D/outside/secret" secret
	put "$M/after" fine
	tells_no_secret find "$M"
	remnt
	assert_text "$M/after" fine
}

t_mount_point_inside_a_layer() {
	put "$L/f" x
	mkdir "$L/m" "$U/m"
	differs overlay "works there by its own means"
	mount_fs "lowerdir=$L,upperdir=$U,workdir=$W" "$L/m"
	tells_no_secret ls "$L/m/m"
	assert_text "$L/m/f" x
	tells_no_secret find "$L/m" -maxdepth 4
	umnt_at "$L/m"
	mount_fs "lowerdir=$L,upperdir=$U,workdir=$W" "$U/m"
	tells_no_secret ls "$U/m/m"
	tells_no_secret touch "$U/m/m/x"
	assert_text "$U/m/f" x
	umnt_at "$U/m"
}

run_all
