#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# template.sh - the template store by its program: every kind of source in,
# the same out again path by path, the store whole after kill -9, concurrent
# imports. Images: templateimage.sh; what is refused: templatebad.sh.
#
# timeout: 600
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_template.sh"

# ---- what goes in comes out --------------------------------------------------

t_dir_tar_and_back() {
	make_tree "$D/src"
	vefs template import t:dir "$D/src"
	tar_tree "$D/src" "$D/src.tar" --format=posix
	vefs template import t:tar "$D/src.tar"
	same_digest t:dir t:tar
	out_again t:dir "$D/out"
	same_trees "$D/src" "$D/out"
	vefs template import t:again "$D/out.tar"
	same_digest t:dir t:again
	vefs template verify
}

# What is another's can be read, its times of reading then change.
t_dir_by_anybody() {
	mkdir -p "$D/src/a" "$D/store"
	echo x >"$D/src/a/f"
	chmod 755 "$D" "$D/src" "$D/src/a"
	chown 1000:1000 "$D/store"
	setpriv --reuid=1000 --regid=1000 --clear-groups \
		"$VEFS_BIN/vefs" --root "$D/store" --quiet \
		template import t:1 "$D/src"
	vefs template tree t:1 /a/f
}

t_sockets_survive_an_export() {
	mkdir "$D/src"
	python3 -c 'import socket, sys
socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$D/src/sock"
	vefs template import t:1 "$D/src"
	vefs template tree t:1 --long | grep -q '^s.* /sock$'
	vefs template export t:1 "$D/e.tar"
	vefs template import t:2 "$D/e.tar"
	same_digest t:1 t:2
}

# The archive hides bytes of these names; tar and we find them again.
t_attributes_names_are_bytes() {
	local f

	mkdir "$D/src"
	: >"$D/src/f"
	setfattr -n 'user.a=b' -v 1 "$D/src/f"
	setfattr -n 'user.a%3Db' -v 2 "$D/src/f"
	setfattr -n 'user.%' -v 3 "$D/src/f"
	setfattr -n 'user.100%x%4' -v 4 "$D/src/f"
	vefs template import t:1 "$D/src"
	out_again t:1 "$D/out"
	same_trees "$D/src" "$D/out"
	# this one tar does not know
	setfattr -n "user.$(printf '\303\251 \377')" -v 5 "$D/src/f"
	vefs template import t:2 "$D/src"
	vefs template export t:2 "$D/e.tar"
	vefs template import t:3 "$D/e.tar"
	same_digest t:2 t:3
	tar_tree "$D/src" "$D/s.tar"
	vefs template import t:4 "$D/s.tar"
	same_digest t:2 t:4
	# nothing but a name: what is no code stays
	python3 - "$D/p.tar" <<-'END'
		import sys, tarfile
		i = tarfile.TarInfo("f")
		i.pax_headers = {"SCHILY.xattr.user.%s" % n: "v" for n in
		                 ("%", "%4", "%zz", "%00", "%4g", "%%41")}
		with tarfile.open(sys.argv[1], "w",
		                  format=tarfile.PAX_FORMAT) as t:
		    t.addfile(i)
	END
	vefs template import t:5 "$D/p.tar"
	vefs template export t:5 - | tar -C "$D/src" --xattrs -xf - ./f
	for f in % %4 %zz %00 %4g %A; do
		assert_eq v "$(getfattr --only-values -n "user.$f" "$D/src/f")"
	done
}

# Ids that libarchive's ACLs have no room for; never may they become root.
t_acls_of_large_ids() {
	mkdir -p "$D/src/dir"
	echo x >"$D/src/file"
	setfacl -m u:3000000000:rwx,g:2147483648:r,u:5:r "$D/src/file"
	setfacl -d -m u:4294967294:rwx,g:2147483647:rx "$D/src/dir"
	setfacl -m u:2147483646:x "$D/src/dir"
	vefs template import t:1 "$D/src"
	out_again t:1 "$D/out"
	vefs template import t:2 "$D/out.tar"
	same_digest t:1 t:2
	same_trees "$D/src" "$D/out"
	# as others write it, with the attribute and without
	tar_tree "$D/src" "$D/s.tar"
	vefs template import t:3 "$D/s.tar"
	same_digest t:1 t:3
	tar -C "$D/src" --acls --numeric-owner -cf "$D/s.tar" .
	vefs template import t:4 "$D/s.tar" 2>"$D/said"
	assert_eq 2 "$(grep -c 'left out, it has an id that is too large' \
		"$D/said")"
	out_again t:4 "$D/less"
	getfacl -Rn "$D/less" | grep -qE 'user:2147483646:--x'
	! getfacl -Rn "$D/less" | grep -E '(user|group):(0|2147483647):' ||
		fail "an id became another"
	assert_eq 644 "$(stat -c %a "$D/less/file")"
}

t_gnu_format_and_bsdtar() {
	local f

	make_tree "$D/src" plain
	vefs template import t:dir "$D/src"
	tar -C "$D/src" -S --format=gnu --numeric-owner -cf "$D/gnu.tar" .
	vefs template import t:gnu "$D/gnu.tar"
	# whole seconds only, in that format
	find "$D/src" -exec touch -h -d @1000000000 {} +
	tar -C "$D/src" -S --format=gnu --numeric-owner -cf "$D/gnu.tar" .
	vefs template import t:gnu2 "$D/gnu.tar"
	vefs template import t:dir2 "$D/src"
	same_digest t:gnu2 t:dir2
	command -v bsdtar >/dev/null || return 0
	for f in pax gnutar; do
		bsdtar -C "$D/src" --format "$f" --numeric-owner --no-fflags \
			-cf "$D/b.tar" .
		vefs template import "t:bsd$f" "$D/b.tar"
		same_digest "t:bsd$f" t:dir2
	done
}

t_compressed_and_by_a_pipe() {
	local c

	make_tree "$D/src"
	tar_tree "$D/src" "$D/s.tar"
	vefs template import t:plain "$D/s.tar"
	vefs template import t:pipe - <"$D/s.tar"
	same_digest t:plain t:pipe
	for c in gzip bzip2 xz zstd; do
		$c -c <"$D/s.tar" >"$D/s.$c"
		vefs template import "t:$c" "$D/s.$c"
		same_digest t:plain "t:$c"
		vefs template import "t:p$c" - < <(cat "$D/s.$c")
		same_digest t:plain "t:p$c"
	done
}

t_names_are_bytes() {
	mkdir "$D/src"
	# composed and not: two names; not UTF-8; what a terminal obeys
	: >"$D/src/$(printf 'e\314\201')"
	: >"$D/src/$(printf '\303\251')"
	: >"$D/src/$(printf 'raw\377\376')"
	: >"$D/src/$(printf 'new\nline\033[31m')"
	: >"$D/src/$(printf 'n%.0s' {1..255})"
	vefs template import t:dir "$D/src"
	tar_tree "$D/src" "$D/s.tar"
	vefs template import t:tar "$D/s.tar"
	same_digest t:dir t:tar
	out_again t:dir "$D/out"
	same_trees "$D/src" "$D/out"
	# each is one line, and JSON is whole
	[ "$(vefs template tree t:dir | wc -l)" = 6 ]
	vefs --json template tree t:dir | python3 -m json.tool >"$D/json"
}

# Deeper than any path that the kernel takes, as a directory and as a tar.
t_paths_beyond_path_max() {
	local deep

	mkdir "$D/src"
	"$VT" deep mk "$D/src" 200 45 text
	deep=$(printf "/$(printf 'd%.0s' {1..200})%.0s" {1..45})
	vefs template import t:dir "$D/src"
	assert_eq "$deep/leaf" "$(vefs template tree t:dir | tail -n 1)"
	vefs template verify
	vefs template export t:dir "$D/e.tar"
	vefs template import t:tar "$D/e.tar"
	same_digest t:dir t:tar
	vefs template diff t:dir t:tar | assert_empty
	mkdir -p "$D/m"
	vefs template mount t:dir "$D/m"
	assert_eq text "$("$VT" deep cat "$D/m" 200 45)"
	umount "$D/m"
	# what is there by a link is not followed, however deep
	mkdir "$D/out"
	echo secret >"$D/out/leaf"
	"$VT" deep mk "$D/src" 200 44 text
	(
		# by steps: the whole is too long for a shell as well
		cd "$D/src"
		for _ in {1..44}; do cd -P "$(printf 'd%.0s' {1..200})"; done
		mv "$(printf 'd%.0s' {1..200})" moved
		ln -s "$D/out" "$(printf 'd%.0s' {1..200})"
	)
	vefs template import t:link "$D/src"
	vefs template tree t:link --long | grep -c leaf | grep -qx 2
	! grep -rq secret "$S/objects" || fail "a symlink was followed"
}

# 13 GB are compared twice: zeros, but a machine that does other things too.
# shellcheck disable=SC2034 # for the frame
t_sparse_files_cost_nothing_limit=180
t_sparse_files_cost_nothing() {
	local f before after

	mkdir "$D/src"
	truncate -s 10G "$D/src/big"
	printf 'in the middle' | dd of="$D/src/big" bs=1 seek=5000000000 \
		conv=notrunc status=none
	truncate -s 3G "$D/src/void"
	vefs template import t:dir "$D/src"
	for f in gnu posix; do
		tar -C "$D/src" -S --numeric-owner --format="$f" -cf "$D/s.tar" .
		vefs template import "t:$f" "$D/s.tar"
		vefs template diff t:dir "t:$f" | awk '!/^M  /' | assert_empty
	done
	before=$(vefs --json template list t | json '[0]["disk"]')
	[ "$before" -lt 100000 ]
	out_again t:dir "$D/out"
	cmp "$D/src/big" "$D/out/big"
	after=$(du -sk "$D/out" | cut -f1)
	[ "$after" -lt 1000 ]
	vefs template verify
}

# What is new is never more than what there is, however small the files are.
t_what_is_new_is_told() {
	mkdir "$D/src"
	for i in {1..20}; do echo "text $i" >"$D/src/f$i"; done
	cp "$D/src/f1" "$D/src/same"
	vefs --json template import t:1 "$D/src" >"$D/said"
	assert_eq "$(cat "$D"/src/f* | wc -c)" "$(json '["bytes_new"]' <"$D/said")"
	assert_le "$(json '["bytes_new"]' <"$D/said")" \
		"$(json '["bytes"]' <"$D/said")"
	assert_le "$(json '["bytes_new"]' <"$D/said")" \
		"$(json '["disk_new"]' <"$D/said")"
	assert_eq "20 1" "$(json '["objects_new"]' <"$D/said") $(
		json '["objects_shared"]' <"$D/said")"
	echo more >"$D/src/more"
	vefs template import t:2 "$D/src" >"$D/said"
	grep -q ' 5 B new in the store (1 objects, ' "$D/said" ||
		fail "told: $(cat "$D/said")"
}

t_objects_are_shared() {
	mkdir "$D/a" "$D/b"
	head -c 3000000 /dev/urandom >"$D/a/one"
	cp "$D/a/one" "$D/b/other"
	cp "$D/a/one" "$D/b/third"
	echo small >"$D/b/small"
	vefs template import a:1 "$D/a"
	[ "$(objects)" = 1 ]
	vefs template import b:1 "$D/b"
	[ "$(objects)" = 2 ]
	[ "$(vefs --json template list a | json '[0]["own"]')" = 0 ]
	[ "$(vefs --json template list b | json '[0]["own"]')" -gt 0 ]
	find "$S/objects" -type f ! -perm 0444 | assert_empty
	find "$S/objects" -type f -links +1 | assert_empty
}

t_diff_tells_each_path() {
	make_tree "$D/a" plain
	cp -a "$D/a" "$D/b"
	echo more >>"$D/b/etc/hosts"
	chmod 600 "$D/b/etc/motd"
	rm "$D/b/usr/link"
	mkdir "$D/b/new"
	echo x >"$D/b/new/file"
	rm "$D/b/etc/abs"
	echo x >"$D/b/etc/abs"
	touch -r "$D/a" "$D/b"
	touch -r "$D/a/etc" "$D/b/etc"
	touch -r "$D/a/usr" "$D/b/usr"
	vefs template import d:a "$D/a"
	vefs template import d:b "$D/b"
	vefs template diff d:a d:b | sort >"$D/said"
	# those with other links than before are another matter
	sort >"$D/want" <<-'END'
		M  /etc/abs2
		M  /usr/bin/prog
		+  /new
		+  /new/file
		-  /usr/link
		CM /etc/hosts
		M  /etc/motd
		T  /etc/abs
	END
	diff "$D/want" "$D/said"
	vefs template diff d:a d:a | assert_empty
}

# ---- names and versions ------------------------------------------------------

t_versions() {
	mkdir "$D/src"
	echo 1 >"$D/src/f"
	vefs template import t "$D/src"
	vefs template import t "$D/src"
	vefs template import t:zz "$D/src"
	vefs template import t "$D/src"
	only_versions t:1 t:2 t:3 t:zz
	# the latest is the last imported, not the highest
	vefs template show t | grep -qx 'version   3'
	refused 'there already' template import t:zz "$D/src"
	vefs template rename t:zz u:x
	vefs template rename t w
	only_versions u:x w:1 w:2 w:3
	refused 'there already' template rename w:1 w:2
	refused 'there already' template rename w u
	refused 'no template' template rename nope x
	vefs template remove w:2
	refused 'no template' template remove w:2
	usage_error template remove w
	vefs template remove --all w
	only_versions u:x
	usage_error template import '../x' "$D/src"
	usage_error template import 'a/b:c' "$D/src"
	usage_error template import '.hid' "$D/src"
	usage_error template import "x:$(printf 'v%.0s' {1..65})" "$D/src"
	usage_error template frobnicate
	usage_error template list 'a/b'
	refused 'no template nope' template list nope
	refused 'no template u:y' template list u:y
	vefs template list u:x | grep -q '^u:x '
	refused 'no template nope' template verify nope u:x
	[ "$(wc -l <"$D/refused.err")" = 1 ]
	usage_error template import x
	usage_error template list --nope
	vefs template import --help | grep -q Examples
}

t_remove_refuses_what_is_held() {
	mkdir "$D/src"
	vefs template import t:1 "$D/src"
	exec 7<"$S/templates/t/1"
	flock -s 7
	refused 'in use' template remove t:1
	refused 'in use' template rename t:1 t:2
	exec 7<&-
	vefs template remove t:1
}

t_gc_frees_what_nothing_holds() {
	make_tree "$D/a"
	mkdir "$D/b"
	cp "$D/a/etc/hosts" "$D/b"
	vefs template import a:1 "$D/a"
	vefs template import b:1 "$D/b"
	vefs template gc
	vefs template verify
	vefs template remove a:1
	vefs template gc --dry-run
	vefs template verify
	vefs template gc
	[ "$(objects)" = 1 ]
	vefs template verify
	vefs template remove b:1
	vefs template gc
	[ "$(objects)" = 0 ]
	vefs template import a:2 "$D/a"
	vefs template verify
}

# What makes room needs none.
t_gc_of_a_full_store() {
	local n

	mkdir "$D/small" "$D/src"
	mount -t tmpfs -o size=8m,mode=700 none "$D/small"
	S=$D/small
	head -c 1000000 /dev/urandom >"$D/src/f"
	vefs template import a:1 "$D/src"
	vefs template import b:1 "$D/src"
	! cat /dev/zero >"$D/small/others" || fail "it worked"
	for n in {1..9}; do
		vefs template gc --dry-run
	done
	vefs template remove a:1
	vefs template verify b:1
	vefs template remove b:1
	vefs template gc
	[ "$(objects)" = 0 ]
	assert_eq 11 "$(cat "$D/small/epoch")"
	assert_empty < <(ls "$D/small/staging")
}

# ---- several at once, and the end of some ------------------------------------

t_concurrent_imports() {
	local i pids=()

	for i in 1 2 3 4; do
		mkdir "$D/src$i"
		make_tree "$D/src$i" plain
		head -c 300000 /dev/urandom >"$D/src$i/own"
	done
	head -c 2000000 /dev/urandom | tee "$D"/src{1,2,3,4}/shared >"$D/s"
	vefs template import t:0 "$D/src1"
	for i in 1 2 3 4; do
		vefs template import "t:$i" "$D/src$i" --quiet &
		pids+=($!)
	done
	vefs template gc --quiet &
	pids+=($!)
	for i in "${pids[@]}"; do
		wait "$i"
	done
	only_versions t:0 t:1 t:2 t:3 t:4
	vefs template verify
	vefs template gc
	vefs template verify
}

t_killed_imports_leave_nothing() {
	local i pid

	make_tree "$D/src"
	head -c 60000000 /dev/urandom >"$D/src/large"
	vefs template import keep:1 "$D/src"
	echo changed >>"$D/src/etc/hosts"
	for i in {1..40}; do
		# other data each time, or there would be nothing to write
		head -c 100000 /dev/urandom >"$D/src/own"
		"$VEFS_BIN/vefs" --root "$S" --quiet template import \
			"kill:$i" "$D/src" &
		pid=$!
		sleep "0.0$((RANDOM % 10))$((RANDOM % 10))"
		kill -9 "$pid" || true_if_gone "$pid"
		wait "$pid" || killed $?
	done
	vefs template verify
	vefs template gc
	nothing_left
	vefs template verify
	vefs template remove --all kill || refused 'no template' \
		template remove --all kill
	vefs template gc
	vefs template verify keep:1
}

t_killed_gc_loses_nothing() {
	local i pid

	make_tree "$D/src"
	for i in {1..400}; do echo "$i" >"$D/src/n$i"; done
	vefs template import keep:1 "$D/src"
	for i in {1..25}; do
		mkdir "$D/x"
		echo "$i and $RANDOM" | tee "$D/x/a" >"$D/x/b"
		vefs template import "x:$i" "$D/x" --quiet
		vefs template remove "x:$i" --quiet
		rm -r "$D/x"
		"$VEFS_BIN/vefs" --root "$S" --quiet template gc &
		pid=$!
		sleep "0.00$((RANDOM % 10))"
		kill -9 "$pid" || true_if_gone "$pid"
		wait "$pid" || killed $?
	done
	vefs template verify
	vefs template gc
	vefs template verify
	[ "$(objects)" = "$(vefs --json template gc | json '["kept"]')" ]
}

# Imports that share what gc is about to free.
t_gc_beside_imports() {
	local i

	make_tree "$D/src" plain
	for i in {1..300}; do echo "$i" >"$D/src/n$i"; done
	vefs template import other:1 "$D/empty"
	(
		for i in {1..40}; do
			vefs template gc --quiet
		done
	) &
	for i in {1..25}; do
		vefs template import "t:$i" "$D/src" --quiet --no-sync
		vefs template verify "t:$i" --fast --quiet
		vefs template remove "t:$i" --quiet
	done
	vefs template import t:last "$D/src"
	wait $!
	vefs template verify
}

# Stands for programs of this machine: what apt says, what mmdebstrap is asked.
t_debian_of_the_mirror_of_apt() {
	local real more=--include=systemd-sysv,dbus,iproute2,procps

	real=$PATH
	mkdir "$D/bin" "$D/src"
	echo x >"$D/src/f"
	tar -C "$D/src" -cf "$D/s.tar" .
	printf '#!/bin/sh\necho "$@" >"%s"\ncat "%s"\n' "$D/asked" \
		"$D/s.tar" >"$D/bin/mmdebstrap"
	{
		echo '#!/bin/sh'
		echo '[ "$1" = indextargets ] || exit 1'
		echo 'echo "Other Other file:/other/"'
		echo 'echo "Debian Debian-Security file:/security/"'
		echo 'echo "Debian Debian file:/mirror/"'
		echo 'echo "Debian Debian file:/second/"'
		echo 'yes | head -n 100000'
	} >"$D/bin/apt-get"
	chmod 755 "$D"/bin/*
	PATH=$D/bin:$real
	vefs --quiet template import deb:1 debian:some
	assert_eq "--variant=minbase $more --format=tar --quiet some - \
file:/mirror/" "$(cat "$D/asked")"
	# none that can be used: mmdebstrap's own
	printf '#!/bin/sh\necho broken >&2\nexit 100\n' >"$D/bin/apt-get"
	vefs --quiet template import deb:2 debian:some 2>"$D/said"
	assert_eq "--variant=minbase $more --format=tar --quiet some -" \
		"$(cat "$D/asked")"
	assert_empty <"$D/said"
	PATH=$real
	same_digest deb:1 deb:2
}

t_debian_by_mmdebstrap() {
	command -v mmdebstrap >/dev/null || skip "mmdebstrap is not installed"
	[ "${VEFS_DEBIAN:-}" = 1 ] ||
		skip "takes the network and a minute: VEFS_DEBIAN=1"
	vefs template import deb "debian:bookworm"
	vefs template tree deb /etc/debian_version
	# it can be started, and what the manual says works in it
	vefs template tree deb /usr/sbin/init
	vefs template tree deb /usr/bin/systemctl
	vefs template tree deb /usr/bin/ps
}

run_all "$@"
