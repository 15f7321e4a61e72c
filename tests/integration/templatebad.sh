#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# templatebad.sh - what the template store refuses: bad archives and images,
# damage of what is in it, foreign stores, full disks. Each is told, by name,
# and nothing is published or left.
#
# timeout: 600
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_template.sh"

t_bad_archives() {
	local name why

	mkdir "$D/bad"
	bad_tars "$D/bad"
	while read -r name why; do
		refused "$why" template import bad:1 "$D/bad/$name"
		nothing_left
	done <"$D/bad/list"
	[ "$(wc -l <"$D/bad/list")" -gt 20 ]
	[ ! -e /vefs-test-escaped ]
}

t_bad_images() {
	local name why

	mkdir "$D/bad"
	bad_images "$D/bad"
	while read -r name why; do
		refused "$why" template import bad:1 "$D/bad/$name" \
			--format image
		nothing_left
		tar -C "$D/bad/$name" -cf "$D/bad.tar" .
		refused "$why" template import bad:1 "$D/bad.tar" --format image
		nothing_left
	done <"$D/bad/list"
	[ "$(wc -l <"$D/bad/list")" -gt 15 ]
	only_versions ""
}

# Cut anywhere, and with a byte that is another.
t_damaged_compression() {
	local c size at

	mkdir "$D/src"
	head -c 200000 /dev/urandom >"$D/src/f"
	tar -C "$D/src" -cf "$D/s.tar" .
	for c in gzip bzip2 xz zstd; do
		$c -c <"$D/s.tar" >"$D/s.$c"
		size=$(stat -c %s "$D/s.$c")
		for at in 3 $((size / 3)) $((size / 2)) $((size - 3)); do
			head -c "$at" "$D/s.$c" >"$D/cut.$c"
			refused 'damaged' template import x:1 "$D/cut.$c"
			refused 'damaged' template import x:1 - <"$D/cut.$c"
			nothing_left
		done
		cp "$D/s.$c" "$D/bad.$c"
		printf '\xff\x00\xff' | dd of="$D/bad.$c" bs=1 \
			seek=$((size / 2)) conv=notrunc status=none
		refused 'damaged' template import x:1 "$D/bad.$c"
		nothing_left
	done
	only_versions ""
}

# sparse_tar FILE PIECES: a file of so many, which libarchive all remembers
sparse_tar() {
	python3 - "$@" <<-'END'
		import io, sys, tarfile
		n = int(sys.argv[2])
		m = b"%d\n" % n + b"0\n0\n" * n
		m += b"\0" * (-len(m) % 512)
		i = tarfile.TarInfo("oci-layout")
		i.size = len(m)
		i.pax_headers = {"GNU.sparse.major": "1",
		                 "GNU.sparse.minor": "0",
		                 "GNU.sparse.name": "oci-layout",
		                 "GNU.sparse.realsize": "10"}
		with tarfile.open(sys.argv[1], "w",
		                  format=tarfile.PAX_FORMAT) as t:
		    t.addfile(i, io.BytesIO(m))
	END
}

# A few kilobytes of gzip may not ask for a gigabyte of memory.
t_headers_have_a_limit() {
	local c

	sparse_tar "$D/s.tar" 100000
	vefs template import ok:1 "$D/s.tar" --format tar
	# zeros behind the end are not a header
	head -c 20M /dev/zero >>"$D/s.tar"
	vefs template import ok:2 "$D/s.tar" --format tar
	same_digest ok:1 ok:2
	sparse_tar "$D/s.tar" 3000000
	for c in cat gzip bzip2 xz zstd; do
		$c <"$D/s.tar" >"$D/s.$c"
		refused 'header has more than 8 MiB' \
			template import bad:1 "$D/s.$c" --format tar
		refused 'header has more than 8 MiB' \
			template import bad:1 - <"$D/s.$c"
		refused 'header has more than 8 MiB' \
			template import bad:1 "$D/s.$c" --format image
		nothing_left
	done
	only_versions ok:1 ok:2
}

t_later_entries_win() {
	mkdir "$D/bad"
	bad_tars "$D/bad"
	vefs template import ok:1 "$D/bad/dup.tar"
	vefs template tree ok:1 --long >"$D/said"
	grep -qE '^-.* 3 .* /b$' "$D/said"
	grep -qE '^-.* /d$' "$D/said"
}

t_wrong_digest_and_limits() {
	local sum digest

	make_tree "$D/src"
	tar_tree "$D/src" "$D/s.tar"
	sum=$(sha256sum <"$D/s.tar" | cut -d' ' -f1)
	vefs template import t:1 "$D/s.tar" --digest "sha256:$sum"
	digest=$(digest_of t:1)
	vefs template import t:2 "$D/s.tar" --digest "$digest"
	refused 'not the one wanted' template import t:3 "$D/s.tar" \
		--digest "sha256:${sum/[0-8]/9}"
	refused 'not the one wanted' template import t:3 "$D/s.tar" \
		--digest 00000000000000000000000000000000
	refused 'no digest' template import t:3 "$D/s.tar" --digest 12
	refused 'entries' template import t:3 "$D/s.tar" --max-entries 5
	refused 'device' template import t:3 "$D/s.tar" --max-devices 1
	refused 'bytes' template import t:3 "$D/s.tar" --max-size 10K
	only_versions t:1 t:2
}

# On a tmpfs files may be as long as a number can say.
t_more_bytes_than_can_be_counted() {
	local i

	mkdir "$D/huge"
	mount -t tmpfs -o size=64m,mode=700 none "$D/huge"
	S=$D/huge/store
	mkdir "$D/huge/src"
	for i in 1 2; do truncate -s 9223372036854775807 "$D/huge/src/$i"; done
	vefs template import t:1 "$D/huge/src"
	assert_eq 18446744073709551614 \
		"$(sed -n 's/^size=//p' "$S/templates/t/1/seal")"
	echo x >"$D/huge/src/3"
	refused '2\^64 bytes or more' template import t:2 "$D/huge/src"
	truncate -s 9223372036854775807 "$D/huge/src/3"
	refused '2\^64 bytes or more' template import t:2 "$D/huge/src"
	nothing_left
	only_versions t:1
	vefs template verify
}

t_foreign_stores() {
	mkdir "$D/src" "$D/other"
	echo x >"$D/other/file"
	vefs --root "$D/new" template import t:1 "$D/src"
	echo 'vefs-store 2' >"$D/new/version"
	S=$D/new refused 'format 2' template import t:2 "$D/src"
	S=$D/new refused 'format 2' template list
	echo 'vefs-store 1' >"$D/new/version"
	S=$D/other refused 'no vefs store' template import t:1 "$D/src"
	[ "$(ls "$D/other")" = file ] || [ "$(ls "$D/other")" = $'file\nlock' ]
	S=$D/nothing refused 'No such file' template list
	sed -i 's/^format=.*/format=2/' "$D/new/templates/t/1/seal"
	S=$D/new refused 'newer format' template show t:1
	S=$D/new refused '.' template gc
}

t_damage_is_told() {
	local file size i

	make_tree "$D/src"
	vefs template import t:1 "$D/src"
	vefs template import t:2 "$D/src"
	file=$S/templates/t/1/index.mdb
	size=$(stat -c %s "$file")
	cp "$file" "$D/index"
	for i in 3 20 50 80 97; do
		printf '\xa5\x5a\xff' | dd of="$file" bs=1 \
			seek=$((size * i / 100)) conv=notrunc status=none
		refused 'damaged' template show t:1
		refused 'damaged' template export t:1 "$D/e.tar"
		refused 'damaged' template verify t:1
		refused 'nothing is freed' template gc
		cp "$D/index" "$file"
	done
	truncate -s $((size / 2)) "$file"
	refused 'damaged' template show t:1
	cp "$D/index" "$file"
	echo x >"$S/templates/t/1/seal"
	refused 'damaged|seal' template show t:1
	vefs template list | grep -q 't:1.*damaged'
	vefs template verify t:2
	vefs template remove t:1
	vefs template gc
	vefs template verify
}

t_a_damaged_object_is_found_by_path() {
	local object

	make_tree "$D/src"
	head -c 50000 /dev/urandom >"$D/src/victim"
	vefs template import t:1 "$D/src"
	object=$(find "$S/objects" -type f -size 50000c)
	chmod 644 "$object"
	printf 'x' | dd of="$object" bs=1 seek=7 conv=notrunc status=none
	chmod 444 "$object"
	refused '/victim: its data: damaged' template verify
	# the next import does not trust it, and does not share it
	vefs template import t:2 "$D/src"
	vefs template verify t:2
	rm "$object"
	refused '/victim: its data: the object is missing' \
		template verify t:1 --fast
	vefs template verify t:2
}

# ---- exports -----------------------------------------------------------------

# What is no regular file is written as it is, and is there after a failure.
t_a_failed_export_removes_nothing() {
	local f pid

	make_tree "$D/src"
	vefs template import t:1 "$D/src"
	mknod "$D/null" c 1 3
	mkfifo "$D/fifo"
	cat "$D/fifo" >"$D/piped" &
	pid=$!
	vefs template export t:1 "$D/fifo"
	wait "$pid"
	vefs template export t:1 "$D/null"
	vefs template import t:2 "$D/piped"
	same_digest t:1 t:2
	mknod "$D/full" c 1 7
	refused 'No space' template export t:1 "$D/full"
	[ -c "$D/full" ]
	find "$S/objects" -type f -delete
	cat "$D/fifo" >"$D/piped" &
	pid=$!
	for f in null fifo; do
		refused 'object' template export t:1 "$D/$f"
	done
	wait "$pid"
	# whoever reads it does not take it for all
	refused 'no tar|cut off' template import t:3 "$D/piped"
	[ -c "$D/null" ]
	[ -p "$D/fifo" ]
	ln -s null "$D/link"
	refused 'object' template export t:1 "$D/link"
	[ -L "$D/link" ]
	[ -c "$D/null" ]
	refused 'object' template export t:1 "$D/new"
	refused 'directory' template export t:1 "$D/src"
	refused 'No such file' template export t:1 "$D/nowhere/new"
	[ -z "$(find "$D" -maxdepth 1 -name 'new*')" ]
}

# only_in DIRECTORY NAME...
only_in() {
	assert_eq "$(printf '%s\n' "${@:2}")" "$(ls "$1")"
}

# Of an older file all is there until the new one is whole.
t_an_export_replaces_what_is_whole() {
	local f

	make_tree "$D/src"
	vefs template import t:1 "$D/src"
	mkdir "$D/to"
	echo older >"$D/to/file"
	chown 12:34 "$D/to/file"
	chmod 640 "$D/to/file"
	ln -s to/file "$D/link"
	ln -s ../link "$D/to/link"
	ln -s to/later "$D/dangling"
	mkdir "$D/kept"
	mv "$S"/objects/* "$D/kept"
	for f in to/file to/link dangling; do
		refused 'object' template export t:1 "$D/$f"
	done
	assert_eq older "$(cat "$D/to/file")"
	only_in "$D/to" file link
	mv "$D"/kept/* "$S/objects"
	(cd "$D/to" && vefs template export t:1 link)
	vefs template import t:2 "$D/to/file"
	same_digest t:1 t:2
	[ -L "$D/to/link" ]
	[ -L "$D/link" ]
	assert_eq "640 12:34" "$(stat -c '%a %u:%g' "$D/to/file")"
	vefs template export t:1 "$D/dangling"
	cmp "$D/to/file" "$D/to/later"
	assert_eq 600 "$(stat -c %a "$D/to/later")"
	only_in "$D/to" file later link
	vefs template export t:1 /dev/stdout >"$D/to/file"
	cmp "$D/to/file" "$D/to/later"
	vefs template export t:1 /dev/stdout | cmp - "$D/to/later"
	# killed in the middle
	timeout -s TERM 0.01 "$VEFS_BIN/vefs" --root "$S" template export \
		t:1 "$D/to/file" || true
	cmp "$D/to/file" "$D/to/later"
	only_in "$D/to" file later link
}

# ---- names -------------------------------------------------------------------

# What a terminal would obey is in no word of ours, in bytes or in UTF-8.
t_names_command_no_terminal() {
	local evil

	evil=$(printf 'x\033[2J\302\233\2332J\177\nb\303\251')
	mkdir "$D/src" "$D/other"
	echo data >"$D/src/$evil"
	ln -s "$evil" "$D/src/link"
	vefs template import t:1 "$D/src"
	vefs template import t:2 "$D/other"
	rm "$S"/objects/*/*
	cp -r "$D/src" "$D/$evil"
	python3 - "$D/s.tar" "$evil" <<-'END'
		import sys, tarfile
		with tarfile.open(sys.argv[1], "w") as t:
		    t.addfile(tarfile.TarInfo(sys.argv[2]))
		    t.addfile(tarfile.TarInfo(sys.argv[2] + "/below"))
	END
	{
		vefs template tree t:1 --long
		vefs template diff t:1 t:2
		! vefs template verify t:1 || fail "nothing is missing"
		! vefs template export t:1 "$D/e.tar" || fail "nothing is missing"
		! vefs template import t:3 "$D/s.tar" || fail "not refused"
		vefs template import t:4 "$D/$evil"
		vefs template show t:4
		! vefs template show "$evil" || fail "there is no such name"
	} >"$D/said" 2>&1
	# no control character, and no line that a name began
	python3 - "$D/said" <<-'END'
		import sys, unicodedata
		text = open(sys.argv[1], "rb").read().decode()
		assert not [c for c in text
		            if unicodedata.category(c) == "Cc" and c != "\n"]
		assert text.count("x?[2J???2J??b\u00e9") >= 9
		assert not [l for l in text.split("\n") if l.startswith("b")]
	END
}

# ---- no space ----------------------------------------------------------------

t_no_space_in_the_middle() {
	mkdir "$D/small" "$D/src"
	mount -t tmpfs -o size=8m,mode=700 none "$D/small"
	head -c 1000000 /dev/urandom >"$D/src/fits"
	S=$D/small vefs template import t:1 "$D/src"
	head -c 20000000 /dev/urandom >"$D/src/not"
	S=$D/small refused 'space' template import t:2 "$D/src"
	tar -C "$D/src" -cf "$D/s.tar" .
	S=$D/small refused 'space' template import t:2 "$D/s.tar"
	S=$D/small vefs template verify
	S=$D/small vefs template gc
	S=$D/small vefs template verify t:1
	[ -z "$(ls "$D/small/staging")" ]
}

# On a disk that is full in earnest; what was there before stays right.
t_no_space_on_a_disk() {
	local n=0 left small=$D/small

	mkdir "$small" "$D/src"
	truncate -s 24M "$D/disk"
	mkfs.ext4 -q -m 0 -N 600 "$D/disk"
	mount -o loop "$D/disk" "$small"
	rm -r "$small/lost+found"
	S=$small
	make_tree "$D/src"
	vefs template import t:1 "$D/src"
	left=$(df --output=avail -B1 "$small" | tail -n 1)
	head -c "$left" /dev/urandom >"$D/src/almost"
	refused 'space' template import t:2 "$D/src"
	nothing_left
	# no inodes before no blocks
	rm "$D/src/almost"
	left=$(df --output=iavail "$small" | tail -n 1)
	for ((n = 0; n <= left; n++)); do echo "$n" >"$D/src/n$n"; done
	vefs template gc
	refused 'space' template import t:2 "$D/src"
	nothing_left
	make_image oci "$D/img"
	head -c 30000000 /dev/urandom >"$D/img/blobs/large"
	tar -C "$D/img" -cf "$D/img.tar" .
	refused 'space' template import t:2 "$D/img.tar"
	nothing_left
	vefs template gc
	only_versions t:1
	vefs template verify
	# a container needs little, but that
	! cat /dev/zero >"$small/objects/filler" 2>/dev/null || return 1
	while mkdir "$small/objects/filler.$((++n))" 2>/dev/null; do :; done
	refused 'space' create 101 --template t:1
	[ -z "$(ls -A "$small/containers")" ]
	rm -r "$small"/objects/filler*
	vefs create 101 --template t:1
	vefs destroy 101
	vefs template verify
	umount "$small"
}

run_all "$@"
