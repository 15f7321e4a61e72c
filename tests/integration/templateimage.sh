#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# templateimage.sh - templates of container images: OCI layouts and docker
# archives, as directories and in tars.
#
# timeout: 600
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib_template.sh"

t_oci_layout() {
	make_image oci "$D/img"
	vefs template import i:dir "$D/img"
	tar -C "$D/img" -cf "$D/img.tar" .
	vefs template import i:tar "$D/img.tar"
	vefs template import i:pipe - --format image <"$D/img.tar"
	same_digest i:dir i:tar
	same_digest i:dir i:pipe
	check_image i:dir
	vefs template show i:dir | grep -q '"Entrypoint"'
	vefs --json template show i:dir |
		json '["config"]["config"]["Env"][0]' | grep -qx A=b
}

# of_platforms FILE OS...: the image in $D/img, once for each, the last is it
of_platforms() {
	python3 - "$@" <<-'END'
		import json, os, sys
		name, *all = sys.argv[1:]
		index = json.load(open(name + ".one"))
		one = index["manifests"][0]
		arch = {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]
		index["manifests"] = [
		    dict(one, platform={"architecture": arch, "os": o},
		         digest=one["digest"] if n == len(all) - 1
		         else "sha256:" + "0" * 64)
		    for n, o in enumerate(all)]
		json.dump(index, open(name, "w"))
	END
}

# What is unpacked before a layer is looked at is not left out of the count.
t_an_images_own_files_are_limited() {
	local size

	make_image oci "$D/img"
	tar -C "$D/img" -cf "$D/img.tar" .
	size=$(cat "$D"/img/{*.json,oci-layout} "$D"/img/blobs/*/* | wc -c)
	vefs template import i:1 "$D/img.tar" --max-size "$size" \
		--max-entries 25
	refused "unpacking .*more than $((size - 1)) bytes of data" \
		template import i:2 "$D/img.tar" --max-size $((size - 1))
	nothing_left
	head -c 3000000 /dev/zero >"$D/img/large"
	for i in {1..100}; do : >"$D/img/small$i"; done
	tar -C "$D/img" -cf "$D/img.tar" .
	gzip -k "$D/img.tar"
	refused 'unpacking .*more than 50 entries' \
		template import i:2 "$D/img.tar.gz" --format image \
		--max-entries 50
	refused 'unpacking .*more than 2097152 bytes of data' \
		template import i:2 - --format image --max-size 2M \
		<"$D/img.tar.gz"
	nothing_left
	# a directory is read where it is
	vefs template import i:2 "$D/img" --max-entries 25 --max-size 10K
	same_digest i:1 i:2
}

t_an_image_of_another_system_is_passed_over() {
	make_image oci "$D/img"
	cp "$D/img/index.json" "$D/img/index.json.one"
	vefs template import i:1 "$D/img"
	of_platforms "$D/img/index.json" windows freebsd linux
	vefs template import i:2 "$D/img"
	same_digest i:1 i:2
	of_platforms "$D/img/index.json" windows
	refused 'no manifest for this machine' template import i:3 "$D/img"
}

t_docker_archive() {
	make_image oci "$D/oci"
	make_image docker "$D/img"
	tar -C "$D/img" -cf "$D/img.tar" .
	vefs template import i:docker "$D/img.tar"
	vefs template import i:oci "$D/oci"
	same_digest i:docker i:oci
	check_image i:docker
}

t_an_image_with_another_digest_is_refused() {
	local blob want

	make_image oci "$D/img"
	want=$(json '["manifests"][0]["digest"]' <"$D/img/index.json")
	vefs template import i:1 "$D/img" --digest "$want"
	refused 'digest' template import i:2 "$D/img" \
		--digest "sha256:$(printf '0%.0s' {1..64})"
	for blob in "$D"/img/blobs/sha256/*; do
		cp "$blob" "$D/kept"
		printf 'x' | dd of="$blob" bs=1 seek=20 conv=notrunc status=none
		refused 'digest|damaged|no JSON|no tar' \
			template import i:3 "$D/img"
		cp "$D/kept" "$blob"
		mv "$blob" "$D/gone"
		refused 'missing' template import i:3 "$D/img"
		mv "$D/gone" "$blob"
	done
	only_versions i:1
}

t_podman_saves_and_we_read() {
	local run

	command -v podman >/dev/null || skip "podman is not installed"
	run=$(mktemp -d /tmp/vt.XXXXXX) # it takes no long name
	# shellcheck disable=SC2064 # its value now
	trap "rm -rf '$run'" EXIT
	mkdir "$D/root"
	cp "$(command -v busybox)" "$D/root/sh" || skip "no busybox"
	tar -C "$D/root" -cf "$D/root.tar" .
	podman --root "$D/pr" --runroot "$run" --storage-driver vfs \
		import -q "$D/root.tar" localhost/t:1 >"$D/id" 2>"$D/said" ||
		skip "podman does not work here: $(tail -n 1 "$D/said")"
	podman --root "$D/pr" --runroot "$run" --storage-driver vfs \
		save -q --format oci-archive -o "$D/oci.tar" localhost/t:1
	podman --root "$D/pr" --runroot "$run" --storage-driver vfs \
		save -q --format docker-archive -o "$D/docker.tar" localhost/t:1
	vefs template import p:oci "$D/oci.tar"
	vefs template import p:docker "$D/docker.tar"
	same_digest p:oci p:docker
	vefs template tree p:oci | grep -qx /sh
}

run_all "$@"
