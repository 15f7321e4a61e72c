#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# special - nodes that are not plain files, unnamed files, running programs,
# locks, events, flags, names and paths at the limits.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"

t_fifo() {
	mkfifo "$L/p"
	mnt
	mkfifo "$M/q"
	for n in p q; do
		(timeout 10 cat "$M/$n" >"$D/got") &
		timeout 10 bash -c 'echo through >"$1"' - "$M/$n"
		wait
		assert_text "$D/got" $'through\n'
	done
	chmod 600 "$M/p"
	mv "$M/p" "$M/r"
	remnt
	assert_stat '%F %a' "fifo 600" "$M/r"
	(timeout 10 cat "$M/r" >"$D/got") &
	timeout 10 bash -c 'echo again >"$1"' - "$M/r"
	wait
	assert_text "$D/got" $'again\n'
}

t_socket() {
	mnt
	cd "$M"
	"$VT" socket s
	assert_stat %F socket "$M/s"
	assert_errno EADDRINUSE "$VT" socket s
	rm s
	mkdir d
	"$VT" socket d/s
	cd "$D"
	remnt
	assert_stat %F socket "$M/d/s"
}

t_socket_over_changes() {
	local server

	mkdir "$L/run"
	mnt
	cd "$M/run"
	"$VT" serve s "$D/mark" &
	server=$!
	for _ in $(seq 1 200); do
		[ -e "$D/mark" ] && break
		sleep 0.02
	done
	chmod 777 s
	mv s t
	ln t u
	"$VT" connect u
	wait "$server"
	cd "$D"
}

# Bound below, before the mount: connecting reaches the same socket or says
# that nobody listens; it must not hang or crash.
t_socket_of_a_lower() {
	local server

	(cd "$L" && exec "$VT" serve s "$D/mark") &
	server=$!
	for _ in $(seq 1 200); do
		[ -e "$D/mark" ] && break
		sleep 0.02
	done
	mnt
	assert_stat %F socket "$M/s"
	(cd "$M" && assert_errno ECONNREFUSED "$VT" connect s)
	(cd "$L" && "$VT" connect s)
	wait "$server"
}

t_devices() {
	"$VT" mknod "$L/null" c 666 1 3
	"$VT" mknod "$L/zero" c 666 1 5
	mnt
	"$VT" mknod "$M/full" c 666 1 7
	echo x >"$M/null"
	assert_eq 3 "$(head -c 3 "$M/zero" | wc -c)"
	assert_errno ENOSPC "$VT" write "$M/full" 0 x
	chmod 600 "$M/zero"
	mv "$M/zero" "$M/z"
	remnt
	assert_stat '%F %t:%T %a' "character special file 1:5 600" "$M/z"
	assert_eq 3 "$(head -c 3 "$M/z" | wc -c)"
	"$VT" mknod "$M/b" b 600 0x103 0xfff01
	assert_stat '%F %Hr:%Lr' "block special file 259:1048321" "$M/b"
	assert_eq "" "$(find "$U" -name null)"
}

t_devices_not_with_nodev() {
	"$VT" mknod "$L/null" c 666 1 3
	mnt nodev
	assert_errno EACCES "$VT" open "$M/null"
}

t_names_of_255() {
	local n

	n=$(printf '%0255d' 0)
	put "$L/$n/$n" low
	mnt
	assert_text "$M/$n/$n" low
	printf x >>"$M/$n/$n"
	mv "$M/$n/$n" "$M/$n/${n%0}1"
	ln "$M/$n/${n%0}1" "$M/$n/${n%0}2"
	ln -s "$n" "$M/${n%0}3"
	mkfifo "$M/${n%0}4"
	"$VT" tmpfile "$M" text "$M/${n%0}5"
	remnt
	assert_text "$M/${n%0}3/${n%0}2" lowx
	assert_text "$M/${n%0}5" text
	rm -r "${M:?}/$n"
	remnt
	assert_names "$M" "${n%0}3 ${n%0}4 ${n%0}5"
}

t_paths_beyond_path_max() {
	mnt
	assert_eq deep "$("$VT" deep mk "$M" 200 30 deep)"
	assert_eq deep "$("$VT" deep cat "$M" 200 30)"
	remnt
	assert_eq deep "$("$VT" deep cat "$M" 200 30)"
	assert_eq deep "$("$VT" deep cat "$U" 200 30)"
	"$VT" deep rm "$M" 200 30
	assert_errno ENOENT "$VT" deep cat "$M" 200 30
	rm -r "$M"/d*
	assert_names "$M" ""
}

t_deep_lower_path() {
	"$VT" deep mk "$L" 200 30 lower
	mnt
	assert_eq lower "$("$VT" deep cat "$M" 200 30)"
	assert_eq upper "$("$VT" deep mk "$M" 200 30 upper)"
	remnt
	assert_eq upper "$("$VT" deep cat "$M" 200 30)"
	assert_eq lower "$("$VT" deep cat "$L" 200 30)"
	rm -r "$M"/d*
	remnt
	assert_names "$M" ""
}

t_very_deep_tree() {
	mnt
	assert_eq x "$("$VT" deep mk "$M" 3 800 x)"
	remnt
	assert_eq x "$("$VT" deep cat "$M" 3 800)"
	rm -r "$M/ddd"
	assert_names "$M" ""
}

t_tmpfile() {
	mkdir "$L/d"
	mnt
	"$VT" tmpfile "$M" "some text"
	"$VT" tmpfile "$M/d" "some text"
	assert_names "$M/d" ""
	"$VT" tmpfile "$M/d" "some text" "$M/d/named"
	"$VT" tmpfile "$M" "other text" "$M/d/other"
	"$VT" tmpfile-excl "$M/d" "$M/d/never"
	assert_errno EEXIST "$VT" tmpfile "$M" x "$M/d/named"
	assert_names "$M/d" "named other"
	assert_text "$M/d/named" "some text"
	assert_stat '%a %h %U' "640 1 root" "$M/d/named"
	remnt
	assert_text "$M/d/named" "some text"
	assert_text "$M/d/other" "other text"
	umnt
	daemons_end
	assert_eq "" "$(find "$W" -type f)" "left in work"
}

t_tmpfile_over_a_whiteout() {
	put "$L/f" x
	mnt
	rm "$M/f"
	"$VT" tmpfile "$M" "fresh" "$M/f"
	assert_text "$M/f" fresh
	remnt
	assert_text "$M/f" fresh
}

t_exec() {
	local n

	for n in usr/bin sbin home/u; do
		mkdir -p "$L/$n"
		cp "$(type -P true)" "$L/$n/true"
		printf '#!/bin/sh\necho script "$@"\n' >"$L/$n/script"
		chmod 755 "$L/$n/script"
	done
	mnt
	for n in usr/bin sbin home/u; do
		"$M/$n/true"
		assert_eq "script a b" "$("$M/$n/script" a b)"
		cp "$M/$n/true" "$M/$n/copy"
		"$M/$n/copy"
		touch "$M/$n/true"
		"$M/$n/true"
		mv "$M/$n/true" "$M/$n/moved"
		"$M/$n/moved"
		chmod 644 "$M/$n/moved"
		assert_errno EACCES "$M/$n/moved"
	done
}

t_exec_not_with_noexec() {
	cp "$(type -P true)" "$L/true"
	mnt noexec
	assert_errno EACCES "$M/true"
}

t_text_file_busy() {
	local where pid

	mkdir -p "$L/usr/bin" "$L/home"
	cp "$(type -P sleep)" "$L/usr/bin/sleep"
	cp "$(type -P sleep)" "$L/home/sleep"
	mnt
	cp "$(type -P sleep)" "$M/home/upper"
	cp "$(type -P sleep)" "$M/usr/bin/upper"
	for where in home/upper usr/bin/upper home/sleep usr/bin/sleep; do
		"$M/$where" 60 &
		pid=$!
		for _ in $(seq 1 200); do
			[ "$(readlink "/proc/$pid/exe")" = "$M/$where" ] && break
			sleep 0.01
		done
		assert_errno ETXTBSY "$VT" open "$M/$where" wronly
		assert_errno ETXTBSY "$VT" truncate "$M/$where" 0
		kill "$pid"
		wait "$pid" || assert_eq 143 "$?"
		"$VT" open "$M/$where" rdwr
		exec 5>>"$M/$where"
		assert_errno ETXTBSY "$M/$where" 0
		exec 5>&-
		for _ in $(seq 1 200); do
			"$M/$where" 0 && break
			sleep 0.01
		done
		"$M/$where" 0
	done
}

t_running_program_is_replaced() {
	local pid

	mkdir -p "$L/usr/bin"
	cp "$(type -P sleep)" "$L/usr/bin/prog"
	mnt
	"$M/usr/bin/prog" 60 &
	pid=$!
	cp "$(type -P true)" "$M/usr/bin/prog.new"
	mv "$M/usr/bin/prog.new" "$M/usr/bin/prog"
	"$M/usr/bin/prog"
	kill -0 "$pid"
	rm "$M/usr/bin/prog"
	kill -0 "$pid"
	kill "$pid"
	wait "$pid" || assert_eq 143 "$?"
	assert_names "$M/usr/bin" ""
}

# Not in the program trees: a file of a lower that is open there and then
# written in place goes on as another inode (README, limits).
t_locks() {
	put "$L/f" x
	put "$L/g" x
	mnt
	put "$M/up" x
	"$VT" lock "$M/f" flock
	"$VT" lock "$M/g" fcntl
	"$VT" lock "$M/up" flock
	"$VT" lock "$M/up" fcntl
	"$VT" lock-wait "$M/up"
	"$VT" lock-wait "$M/f"
}

t_inotify() {
	put "$L/d/f" x
	put "$L/d/g" x
	mnt
	"$VT" inotify "$M/d/f" "$VT" write "$M/d/f" 0 y >"$D/events"
	grep -qx 'open -' "$D/events"
	grep -qx 'modify -' "$D/events"
	grep -qx 'close_write -' "$D/events"
	"$VT" inotify "$M/d" chmod 600 "$M/d/g" >"$D/events"
	grep -qx 'attrib g' "$D/events"
	"$VT" inotify "$M/d" "$VT" rename "$M/d/g" "$M/d/h" >"$D/events"
	grep -qx 'moved_from g' "$D/events"
	grep -qx 'moved_to h' "$D/events"
	"$VT" inotify "$M/d" "$VT" open "$M/d/n" wronly,creat >"$D/events"
	grep -qx 'create n' "$D/events"
	"$VT" inotify "$M/d" "$VT" unlink "$M/d/f" >"$D/events"
	grep -qx 'delete f' "$D/events"
}

t_birth_time() {
	local before lower

	needs_dir_lower "birth times are not kept: no archive has them"
	put "$L/f" x
	lower=$(stat -c %W "$L/f")
	assert_ne 0 "$lower" "birth time below"
	before=$(date +%s)
	differs fuse-overlayfs "no statx"
	mnt
	put "$M/new" x
	assert_ne 0 "$(stat -c %W "$M/f")" "birth time of a lower file"
	assert_le "$before" "$(stat -c %W "$M/new")" "birth time of a new file"
	assert_le "$(stat -c %W "$M/new")" "$(date +%s)" "birth time"
	chmod 600 "$M/f"
	assert_ne 0 "$(stat -c %W "$M/f")" "birth time after a copy-up"
}

t_chattr() {
	need chattr
	put "$L/f" x
	mkdir "$L/d"
	differs fuse-overlayfs "ENOTTY"
	mnt
	put "$M/new" x
	for n in new f; do
		chattr +i "$M/$n" || skip "the filesystem below has no flags"
		lsattr -d "$M/$n" | grep -q '^[^ ]*i[^ ]* '
		assert_errno EPERM "$VT" write "$M/$n" 0 y
		assert_errno EPERM "$VT" unlink "$M/$n"
		assert_errno EPERM "$VT" chmod "$M/$n" 600
		remnt
		lsattr -d "$M/$n" | grep -q '^[^ ]*i[^ ]* '
		assert_errno EPERM "$VT" unlink "$M/$n"
		chattr -i "$M/$n"
		chmod 666 "$M/$n"
		chattr +a "$M/$n"
		assert_errno EPERM "$VT" write "$M/$n" 0 y
		printf more >>"$M/$n"
		assert_text "$M/$n" xmore
		# Nor after a write that takes setuid and looks at no flags.
		as_user 1000 1000 "$VT" write "$M/$n" 0 Z wronly,append
		assert_errno EPERM "$VT" write "$M/$n" 0 y
		assert_text "$M/$n" xmoreZ
		chattr -a "$M/$n"
		rm "$M/$n"
	done
	chattr +a "$M/d"
	put "$M/d/in" x
	assert_errno EPERM "$VT" unlink "$M/d/in"
	chattr -a "$M/d"
	rm "$M/d/in"
	remnt
	assert_names "$M" d
}

t_chattr_plain_flags() {
	need chattr
	put "$L/f" x
	differs fuse-overlayfs "ENOTTY"
	mnt
	chattr +dA "$M/f" || skip "the filesystem below has no flags"
	assert_eq "dA" "$(lsattr -d "$M/f" | cut -d' ' -f1 | tr -d 'e-')"
	printf y >>"$M/f"
	remnt
	assert_eq "dA" "$(lsattr -d "$M/f" | cut -d' ' -f1 | tr -d 'e-')"
	chattr -dA "$M/f"
	assert_eq "" "$(lsattr -d "$M/f" | cut -d' ' -f1 | tr -d 'e-')"
	assert_text "$M/f" xy
}

t_file_handles() {
	put "$L/f" x
	put "$L/d/g" x
	mnt
	put "$M/new" x
	differs fuse-overlayfs "ESTALE"
	for n in f d/g new; do
		"$VT" handle "$M" "$M/$n" >"$D/says"
		grep -qxE 'same|none' "$D/says"
	done
	printf y >>"$M/f"
	"$VT" handle "$M" "$M/f" >"$D/says"
	grep -qxE 'same|none' "$D/says"
}

t_proc_self_fd() {
	put "$L/f" text
	mnt
	exec 5<"$M/f"
	assert_eq "$M/f" "$(readlink /proc/self/fd/5)"
	assert_eq text "$(cat /proc/self/fd/5)"
	mv "$M/f" "$M/g"
	assert_eq "$M/g" "$(readlink /proc/self/fd/5)"
	rm "$M/g"
	assert_eq "$M/g (deleted)" "$(readlink /proc/self/fd/5)"
	assert_eq text "$(cat /proc/self/fd/5)"
	exec 5<&-
}

t_chroot_and_bind_mounts() {
	mkdir -p "$L/bin" "$L/inner"
	put "$L/inner/f" x
	need busybox
	cp "$(type -P busybox)" "$L/bin/busybox"
	chroot "$L" /bin/busybox true || skip "busybox is not a static one"
	mnt
	assert_eq "bin inner" "$(chroot "$M" /bin/busybox ls / | xargs)"
	chroot "$M" /bin/busybox mkdir /tmp
	chroot "$M" /bin/busybox cp /bin/busybox /tmp/busybox
	chroot "$M" /tmp/busybox rm /inner/f
	assert_names "$M" "bin inner tmp"
	mkdir "$M/at"
	mount --bind "$M/tmp" "$M/at"
	cmp "$M/at/busybox" "$L/bin/busybox"
	mount -t tmpfs over "$M/inner"
	put "$M/inner/g" x
	assert_errno EBUSY "$VT" rmdir "$M/inner"
	umnt_at "$M/inner"
	umnt_at "$M/at"
	assert_names "$M/inner" ""
}

t_open_flags() {
	put "$L/f" x
	ln -s f "$L/s"
	mnt
	assert_errno ELOOP "$VT" open "$M/s" rdonly,nofollow
	assert_errno ENOTDIR "$VT" open "$M/f" rdonly,directory
	"$VT" open "$M/f" rdonly,noatime
	"$VT" open "$M/s" path,nofollow
	"$VT" write "$M/f" 0 y wronly,sync
	assert_text "$M/f" y
	assert_errno EPERM as_user 1000 1000 "$VT" open "$M/f" rdonly,noatime
}

run_all
