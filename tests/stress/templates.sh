#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# templates.sh - the template store on what people have: Debian roots and an
# upgrade between two, images that podman built, a large node_modules, and
# containers that are worked in. Each tree is imported, verified, mounted and
# compared with its source path by path, exported and imported again.
#
# All of it comes by the machine's own apt, mmdebstrap, podman and npm as they
# are set up; what is missing is skipped. Numbers are told, not judged.
#
# NODE_PACKAGES="..."	what npm installs: about 45,000 files
# timeout: 1200
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/../integration/lib.sh"
# shellcheck source=tests/integration/lib_template.sh
. "$(dirname "$0")/../integration/lib_template.sh"

NODE_PACKAGES=${NODE_PACKAGES:-next typescript eslint webpack webpack-cli
	date-fns lodash core-js rxjs @angular/core @angular/common
	@angular/cli}
# mmdebstrap makes the same tar of the same packages then
export SOURCE_DATE_EPOCH=1700000000
# shellcheck disable=SC2034 # the frame reads them
{
	t_debian_12_limit=300
	t_debian_13_limit=300
	t_debian_upgraded_limit=600
	t_container_is_worked_in_limit=300
	t_three_at_once_limit=300
	t_podman_images_limit=400
	t_node_modules_limit=600
}

# Cases write into a log that only failures show.
exec 6>&1

# told TEXT: a number of the run, in the script's own output.
told() {
	echo "# $*" >&6
}

# What cases share: the sources, made by the first that wants them.
begin() {
	SOURCES=$LIB_WORK/sources
	S=$D/store
	mkdir -p "$SOURCES"
}

seconds() {
	local began=$EPOCHREALTIME what=$1

	shift
	"$@"
	told "$what: $(awk -v a="$began" -v b="$EPOCHREALTIME" \
		'BEGIN { printf "%.1f s", b - a }')"
}

# debian_tar SUITE: $SOURCES/SUITE.tar, made once, and what is in it beside.
# Packages beyond the minimum: capabilities and many owners.
debian_tar() {
	local suite=$1 mirror

	need mmdebstrap
	[ ! -e "$SOURCES/$suite" ] || return 0
	mirror=$("$LIB_ROOT/tools/deps.sh" mirror | cut -d' ' -f1)
	timeout 200 mmdebstrap --quiet --variant=minbase \
		--include=iputils-ping,adduser --format=tar "$suite" \
		"$SOURCES/$suite.tar" ${mirror:+"$mirror"} >"$D/said" 2>&1 ||
		skip "no $suite by mmdebstrap: $(tail -n 1 "$D/said")"
	unpack "$SOURCES/$suite.tar" "$SOURCES/$suite.new"
	mv "$SOURCES/$suite.new" "$SOURCES/$suite"
}

unpack() {
	rm -rf "$2"
	mkdir "$2"
	tar -C "$2" --xattrs --xattrs-include='*' --acls --numeric-owner \
		--same-owner -xpf "$1"
}

# As same_trees, without the directory itself.
same_below() {
	same_trees "$1" "$2" >"$D/odd" || [ -s "$D/odd" ]
	grep -v "^b'\.' " "$D/odd" | assert_empty
}

# as_it_was VERSION DIRECTORY [COMPARE]: verified, the mount equals the
# directory, and what an export gives is the same template again.
as_it_was() {
	local name=${1%%:*}

	seconds "$1: verify" vefs template verify "$1"
	mkdir -p "$D/look"
	vefs template mount "$1" "$D/look"
	seconds "$1: $(find "$D/look" | wc -l) paths compared" \
		"${3:-same_trees}" "$2" "$D/look"
	umount "$D/look"
	vefs --quiet template export "$1" "$D/export.tar"
	vefs --quiet template import "$name:again" "$D/export.tar"
	same_digest "$1" "$name:again"
	vefs --quiet template remove "$name:again"
	rm "$D/export.tar"
}

# tell_list: sizes of all versions, as `list` has them.
tell_list() {
	local line

	vefs template list | while read -r line; do
		told "$line"
	done
}

debian() {
	local suite=$1 version=$2

	begin
	debian_tar "$suite"
	seconds "debian:$version: import of a tar of $(
		du -m "$SOURCES/$suite.tar" | cut -f1) MiB" \
		vefs --quiet template import "debian:$version" \
		"$SOURCES/$suite.tar"
	as_it_was "debian:$version" "$SOURCES/$suite"
	vefs --quiet template import "debian:dir" "$SOURCES/$suite"
	same_digest "debian:$version" debian:dir
	seconds "debian:$suite: mmdebstrap and import" \
		vefs --quiet template import "debian:own" "debian:$suite"
	vefs template tree debian:own /usr/bin/dpkg
	vefs template verify debian:own
	tell_list
}

t_debian_12() {
	debian bookworm 12
}

t_debian_13() {
	debian trixie 13
}

# ---- containers --------------------------------------------------------------

# inside ID COMMAND: by its own shell, with a /proc and /dev of its own and
# the way to packages that this machine has.
inside() {
	# shellcheck disable=SC2016 # for the other shell
	unshare --mount --pid --fork --kill-child --propagation private \
		bash -ec '
			mount -t proc proc "$1/proc"
			mount -t tmpfs -o mode=755 dev "$1/dev"
			cd "$1/dev"
			for n in null:1:3 zero:1:5 random:1:8 urandom:1:9; do
				IFS=: read -r name major minor <<<"$n"
				mknod -m 666 "$name" c "$major" "$minor"
			done
			mkdir -m 1777 shm
			ln -s /proc/self/fd fd
			exec chroot "$1" /usr/bin/env -i HOME=/root \
				LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
				PATH=/usr/sbin:/usr/bin:/sbin:/bin \
				/bin/sh -ec "$2"
		' _ "$S/root/$1" "$2"
}

# A container of debian:12 that reaches the archive as this machine does.
debian_container() {
	local id=$1 r=$S/root/$1

	[ -d "$S/templates/debian/12" ] || {
		debian_tar bookworm
		vefs --quiet template import debian:12 "$SOURCES/bookworm.tar"
	}
	seconds "container $id: create" vefs --quiet create "$id" \
		--template debian:12
	seconds "container $id: mount" vefs --quiet mount "$id"
	cp -L /etc/resolv.conf "$r/etc/resolv.conf"
	apt-config dump | grep -E '^Acquire::(http|https|Check)[^"]*"' \
		>"$r/etc/apt/apt.conf.d/00here" || :
	printf '#!/bin/sh\nexit 101\n' >"$r/usr/sbin/policy-rc.d"
	chmod 755 "$r/usr/sbin/policy-rc.d"
}

update() {
	inside "$1" 'apt-get -qq update' >"$D/said" 2>&1 ||
		skip "no package archive is reached: $(tail -n 1 "$D/said")"
}

# What packages say of their files; mmdebstrap may have left some out.
dpkg_right() {
	inside "$1" 'test -z "$(dpkg --audit)"'
	inside "$1" 'dpkg --verify || :' |
		grep -vE '^missing +/usr/share/(doc|man|locale)' | assert_empty
}

t_container_is_worked_in() {
	local before after

	begin
	debian_container 101
	update 101
	seconds "container 101: apt-get install" \
		inside 101 'apt-get -qqy install git less python3-minimal'
	dpkg_right 101
	inside 101 'git init -q /srv/r; cd /srv/r; echo 1 >f; git add f
		git -c user.name=a -c user.email=a@b commit -qm 1; git fsck'
	same_trees "$SOURCES/bookworm" "$S/root/101" | wc -l >"$D/changed"
	told "container 101: $(cat "$D/changed") paths changed," \
		"$(du -sm "$S/containers/101/upper" | cut -f1) MiB its own"
	cp -a "$S/root/101" "$D/kept"
	before=$(cd "$S/root/101" && find . -printf '%p %i %n %T@ %s\n' | sort |
		sha256sum)
	vefs --quiet umount 101
	vefs --quiet mount 101
	after=$(cd "$S/root/101" && find . -printf '%p %i %n %T@ %s\n' | sort |
		sha256sum)
	assert_eq "$before" "$after" "what find shows after a remount"
	same_trees "$D/kept" "$S/root/101"
	dpkg_right 101
	inside 101 'cd /srv/r; git fsck; test -z "$(git status --porcelain)"'
	refused 'is mounted' destroy 101
	vefs --quiet umount 101
	seconds "container 101: destroy" vefs --quiet destroy 101
	[ ! -e "$S/containers/101" ] && [ ! -e "$S/root/101" ]
	vefs template verify
}

t_three_at_once() {
	local id pids=()

	begin
	for id in 101 102 web; do
		debian_container "$id"
	done
	update 101
	for id in 101 102 web; do
		inside "$id" 'apt-get -qq update
			apt-get -qqy install make less' >"$D/$id.log" 2>&1 &
		pids+=($!)
	done
	for id in "${pids[@]}"; do
		wait "$id"
	done
	for id in 101 102 web; do
		dpkg_right "$id"
		inside "$id" "echo $id >/etc/hostname; make --version" |
			grep -q 'GNU Make'
	done
	for id in 101 102 web; do
		assert_eq "$id" "$(cat "$S/root/$id/etc/hostname")"
		vefs --quiet umount "$id"
	done
	assert_eq "101 102 web" "$(vefs list --all --json | python3 -c \
		'import json, sys; print(*[c["ctid"] for c in json.load(sys.stdin)])')"
	refused 'in use by' template remove debian:12
	for id in 101 102 web; do
		vefs --quiet destroy "$id"
	done
	vefs --quiet template remove debian:12
	vefs template gc
	[ "$(objects)" = 0 ]
}

# ---- an upgrade between two versions -----------------------------------------

# sum_new A B: bytes of the data that only B has, by what `diff` says.
sum_new() {
	vefs template diff "$1" "$2" |
		sed -n 's/^\(+ \|C[M ]\|T \) //p' | sort >"$D/differ"
	vefs template tree "$2" --long | awk '/^-/ {
		size = $5; sub(/^([^ ]+ +){6}/, ""); print $0 "\t" size }' |
		sort -t"$(printf '\t')" -k1,1 |
		join -t"$(printf '\t')" -j1 "$D/differ" - |
		awk -F'\t' '{ s += int(($2 + 4095) / 4096) * 4096 }
			END { printf "%d\n", s }'
}

# shares A B: B is B's own by what it differs in from A, not more.
shares() {
	local own differs

	own=$(vefs --json template list | python3 -c 'import json, sys
print([v["own"] for v in json.load(sys.stdin)
       if v["name"] + ":" + v["version"] == sys.argv[1]][0])' "$2")
	differs=$(sum_new "$1" "$2")
	told "$2 beside $1: $(wc -l <"$D/differ") paths differ in content," \
		"$((differs / 1048576)) MiB; own $((own / 1048576)) MiB"
	assert_le "$own" "$differs"
}

t_debian_upgraded() {
	local r=$D/store/root/101 mirror before

	begin
	need mmdebstrap
	mirror=$("$LIB_ROOT/tools/deps.sh" mirror | cut -d' ' -f1)
	timeout 200 mmdebstrap --quiet --variant=minbase --format=tar \
		--include=iputils-ping,adduser bookworm "$D/release.tar" \
		"deb $mirror bookworm main" >"$D/said" 2>&1 ||
		skip "no bookworm by mmdebstrap: $(tail -n 1 "$D/said")"
	vefs --quiet template import debian:12 "$D/release.tar"
	debian_container 101
	update 101
	inside 101 'apt-get -qqy install git' >"$D/log" 2>&1
	seconds "debian:12.git: import of the container's mount" \
		vefs template import debian:12.git "$r"
	shares debian:12 debian:12.git
	as_it_was debian:12.git "$r"
	before=$(du -sk "$S/objects" | cut -f1)
	# the next release, over what is there
	sed -i 's/bookworm/trixie/' "$r/etc/apt/sources.list"
	update 101
	seconds "container 101: apt-get full-upgrade" \
		inside 101 'apt-get -qqy full-upgrade' >"$D/log" 2>&1
	dpkg_right 101
	grep -q '^VERSION_CODENAME=trixie' "$r/etc/os-release"
	seconds "debian:13: import of the container's mount" \
		vefs template import debian:13 "$r"
	told "debian:13: $(($(du -sk "$S/objects" | cut -f1) - before)) KiB" \
		"more in the store"
	shares debian:12.git debian:13
	tell_list
	as_it_was debian:13 "$r"
	vefs --quiet umount 101
	vefs --quiet destroy 101
	vefs template verify
}

# ---- images ------------------------------------------------------------------

pod() {
	podman --root "$SOURCES/pr" --runroot "$POD_RUN" --tmpdir "$POD_RUN/tmp" \
		--storage-driver overlay "$@"
}

# An image of several layers that remove, replace and rename what is below.
built_image() {
	local from=$D/from

	mkdir "$from"
	debian_tar bookworm
	pod import -q "$SOURCES/bookworm.tar" localhost/base:1 ||
		skip "podman does not work here: $(tail -n 1 "$D.log")"
	for n in {1..500}; do echo "$n" >"$from/n$n"; done
	cat >"$from/Containerfile" <<-'END'
		FROM localhost/base:1
		ENV GREETING=hello
		ENTRYPOINT ["/bin/sh", "-c"]
		RUN mkdir -p /data/a/b && echo one >/data/a/b/f && \
		 ln /data/a/b/f /data/hard && ln -s a /data/sym && \
		 cp /bin/true /data/suid && chmod 4711 /data/suid && \
		 mkfifo /data/fifo && touch -d '2001-02-03 04:05:06.789' /data/hard
		RUN rm -rf /data/a && mkdir /data/a && echo two >/data/a/g
		RUN mv /data /data2 && mkdir /data && echo new >/data/n
		COPY . /copied
		RUN rm -rf /usr/share/doc && mkdir /usr/share/doc && \
		 rm /etc/debian_version && mkdir /etc/debian_version && \
		 chown -R 7:8 /copied && rm /copied/n7 && mv /opt /opt2 && \
		 rm -r /usr/share/perl5 && echo file >/usr/share/perl5
		RUN echo hi >/small
	END
	pod build -q --network=host --isolation=chroot --pull=never --layers \
		--ulimit "nofile=$(ulimit -Hn):$(ulimit -Hn)" \
		-t localhost/app:1 "$from" ||
		skip "podman builds nothing here: $(tail -n 1 "$D.log")"
}

podman_images() {
	local root

	built_image
	pod save -q --format oci-archive -o "$D/oci.tar" localhost/app:1
	pod save -q --format docker-archive -o "$D/docker.tar" localhost/app:1
	pod save -q --format oci-dir -o "$D/oci" localhost/app:1
	seconds "app:oci: import of $(du -m "$D/oci.tar" | cut -f1) MiB" \
		vefs --quiet template import app:oci "$D/oci.tar"
	vefs --quiet template import app:dir "$D/oci"
	seconds "app:docker: import of $(du -m "$D/docker.tar" | cut -f1) MiB" \
		vefs --quiet template import app:docker "$D/docker.tar"
	vefs --quiet template import app:pipe - --format image <"$D/oci.tar"
	same_digest app:oci app:docker
	same_digest app:oci app:dir
	same_digest app:oci app:pipe
	vefs --json template show app:docker |
		json '["config"]["config"]["Env"]' | grep GREETING=hello
	root=$(pod image mount localhost/app:1)
	# the root's own directory is podman's there, not the image's
	as_it_was app:oci "$root" same_below
}

pod_end() {
	pod image umount -a
	if mountpoint -q "$SOURCES/pr/overlay"; then
		umount "$SOURCES/pr/overlay"
	fi
	rm -rf --one-file-system "$POD_RUN" "$SOURCES/pr"
}

t_podman_images() {
	begin
	need podman
	POD_RUN=$(mktemp -d /tmp/vt.XXXXXX) # it takes no long name
	mkdir "$POD_RUN/tmp"
	trap pod_end EXIT
	podman_images
}

# ---- node_modules ------------------------------------------------------------

t_node_modules() {
	begin
	need npm
	mkdir "$D/node"
	cd "$D/node"
	echo '{ "name": "t", "version": "1.0.0", "private": true }' \
		>package.json
	# shellcheck disable=SC2086 # names are words
	timeout 400 npm install --ignore-scripts --no-audit --no-fund \
		--cache "$D/cache" --loglevel=error $NODE_PACKAGES ||
		skip "npm gets no packages: $(tail -n 1 "$D.log")"
	cd "$D"
	assert_le 30000 "$(find node | wc -l)" "files"
	seconds "node:dir: import of $(du -sm node | cut -f1) MiB" \
		vefs template import node:dir "$D/node"
	as_it_was node:dir "$D/node"
	tar_tree "$D/node" "$D/node.tar"
	seconds "node:tar: import of $(du -m node.tar | cut -f1) MiB" \
		vefs template import node:tar "$D/node.tar"
	same_digest node:dir node:tar
	tell_list
}

run_all "$@"
