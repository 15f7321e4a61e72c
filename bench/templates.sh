#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Templates, side by side with what does the same without them: importing a
# tar and unpacking it, a container of a template and a mount over directories.
# Each step makes and mounts what it needs, so that all is cold and untouched.
#
# usage: templates.sh [-q]    -q: 2 rounds of small trees.
# Environment: see lib.sh, and
#   SIZE     MiB of files in the tar that is imported (1024)
#   FILES    files of the tree for find and chown (30000)
#   LAYERS   directories that tree is spread over, for the peers (5)
#   BIG      MiB that every container reads (500)
#   READERS  containers that read it (10)
#   STEPS    only these, in this order (see the table "steps" below)
set -u
. "$(dirname "$0")/lib.sh"

# NAME:PEERS, step_NAME measures a peer; the peers are those that can.
steps=(
	"import:plain vefs before"
	"import_nosync:plain vefs before"
	"start_1k:plain overlayfs fuse-overlayfs vefs before"
	"start_100k:plain overlayfs fuse-overlayfs vefs before"
	"start_root:vefs before"
	"find:plain overlayfs fuse-overlayfs vefs before"
	"chown:plain overlayfs fuse-overlayfs vefs before"
	"cache:overlayfs fuse-overlayfs vefs before"
)

usage()
{
	say "usage: ${0##*/} [-q]   (see ${0%/*}/README.md)"
	exit 2
}

rounds=${ROUNDS:-3}
MAX_SECONDS=${MAX_SECONDS:-420}
quick=0
while getopts q option; do
	case $option in
	q) rounds=${ROUNDS:-2} quick=1 ;;
	*) usage ;;
	esac
done
if [ "$quick" = 1 ]; then
	SIZE=${SIZE:-256} FILES=${FILES:-4000} BIG=${BIG:-100}
fi
SIZE=${SIZE:-1024}
FILES=${FILES:-30000}
LAYERS=${LAYERS:-5}
BIG=${BIG:-500}
READERS=${READERS:-10}

# Each row's title and unit, by its name.
declare -A row=(
	[import]="ms:import of a tar of $SIZE MiB; tar -x and sync"
	[import_peak]="MiB:the same, peak of memory"
	[import_nosync]="ms:import --no-sync; tar -x"
	[start_1k]="ms:create, mount, first stat, 1,000 files; cp -a"
	[start_100k]="ms:create, mount, first stat, 100,000 files; cp -a"
	[start_root]="ms:create, mount, first stat, a template of $SIZE MiB"
	[destroy_root]="ms:destroy it again, untouched, of $SIZE MiB"
	[destroy_1k]="ms:destroy it again, untouched, 1,000 files; rm -rf"
	[destroy_100k]="ms:destroy it again, untouched, 100,000 files; rm -rf"
	[find]="ms:find /, cold, $FILES files"
	[find_stat]="ms:find / -size, cold, $FILES files"
	[chown]="ms:chown -R of $FILES files"
	[chown_disk]="MiB:the same, blocks of files in upper"
	[cache]="x:page cache after $READERS read the same $BIG MiB, /usr"
	[cache_time]="ms:the same, reading"
	[cache_else]="x:page cache after $READERS read $((BIG / 5)) MiB, elsewhere"
)

has_store() { [ "$1" = vefs ] || [ "$1" = before ]; }

# vefs of that peer, on its own store.
vefs_of()
{
	local peer=$1 bin=$VEFS_BIN

	shift
	[ "$peer" = before ] && bin=$BEFORE_BIN
	VEFS_ROOT=$work_dir/$peer/store "$bin/vefs" "$@"
}

# ---- the trees --------------------------------------------------------------

# find's and chown's tree dealt out to all layers, so that every directory is
# merged of all of them.
layers_make()
{
	local i dir=$work_dir/layers

	mkdir "$dir"
	for ((i = 1; i <= LAYERS; i++)); do
		mkdir "$dir/$i"
		(
			cd "$work_dir/base/tree" || exit
			find . -type f -print | sort |
				awk -v n="$LAYERS" -v i="$i" 'NR % n == i - 1' |
				tar -cf - -T - | tar -xf - -C "$dir/$i"
		) || die "cannot spread the tree over $LAYERS layers"
	done
}

# Under /usr, and a fifth as much elsewhere, which is served differently.
big_make()
{
	local dir=$work_dir/base/big

	mkdir -p "$dir/usr" "$dir/srv"
	"$mkfiles" root "$((BIG + BIG / 5))" "$dir/usr" || die "disk full?"
	find "$dir/usr" -mindepth 1 -maxdepth 1 | sort |
		awk 'NR % 6 == 0' | xargs mv -t "$dir/srv"
}

# MiB of data of that part.
big_size()
{
	find "$work_dir/base/big/$1" -type f -printf '%s\n' |
		awk '{ n += $1 } END { print n / 1048576 }'
}

tar_make()
{
	say "making a tar of $SIZE MiB"
	mkdir "$work_dir/root"
	"$mkfiles" root "$SIZE" "$work_dir/root" || die "disk full?"
	tar -cf "$work_dir/root.tar" -C "$work_dir/root" . || die "disk full?"
	rm -rf "$work_dir/root"
}

wants()
{
	local step

	for step in "${chosen[@]}"; do
		[[ "$step" = "$1"* ]] && return
	done
	return 1
}

base_make()
{
	local base=$work_dir/base peer tree

	mkdir "$base"
	wants import || wants start_root && tar_make
	say "making trees"
	for tree in 1k 100k; do
		wants "start_$tree" || continue
		mkdir "$base/$tree"
		"$mkfiles" names "${tree/k/000}" "$base/$tree" ||
			die "disk full?"
	done
	if wants find || wants chown; then
		mkdir "$base/tree"
		"$mkfiles" source "$FILES" "$base/tree" || die "disk full?"
		layers_make
	fi
	wants cache && big_make
	for peer in "${peers[@]}"; do
		mkdir "$work_dir/$peer"
		has_store "$peer" || continue
		for tree in "$base"/*; do
			[ -e "$tree" ] || continue
			vefs_of "$peer" template import "${tree##*/}" "$tree" \
				--quiet || die "$peer: cannot import $tree"
		done
		! wants start_root || vefs_of "$peer" template import root \
			"$work_dir/root.tar" --quiet ||
			die "$peer: cannot import root.tar"
	done
}

# ---- one measurement --------------------------------------------------------

# record PEER ROW VALUE
record()
{
	figure "$out" "$round" "$1" "$2" "${row[$2]%%:*}" "${row[$2]#*:}" "$3"
}

# timed FUNCTION ARGUMENT...: sets `ms`, to nothing if it fails.
timed()
{
	local status

	"$micro" -m 256
	# shellcheck disable=SC2016 # for the inner shell
	timeout -k 5 120 "${bench_pin[@]}" bash -c \
		'begin=$EPOCHREALTIME; "$@"; status=$?
		echo "$begin $EPOCHREALTIME" >&3; exit $status' timed "$@" \
		>"$bench_dir/output" 2>&1 3>"$bench_dir/times"
	status=$?
	ms=$(awk '{ printf "%.3f", ($2 - $1) * 1000 }' "$bench_dir/times")
	[ "$status" = 0 ] && return
	say "$*: status $status: $(head -1 "$bench_dir/output")"
	ms=
}

# Nothing of it is in memory: neither inodes nor blocks of the disk, as far
# as that can be had without dropping everybody's page cache.
all_cold()
{
	local index

	drop_inodes
	index=("$work_dir"/*/store/templates/*/*/index.mdb)
	[ -e "${index[0]}" ] && "$aside" uncache "${index[@]}"
	[ -z "$bench_loop" ] || blockdev --flushbufs "$bench_loop"
}

# The smaller of two numbers; of one, that.
least() { awk -v a="${1:-$2}" -v b="$2" 'BEGIN { print b < a ? b : a }'; }

# ---- containers -------------------------------------------------------------

# Where container ID of a peer is seen.
root_of()
{
	if [ "$1" = plain ]; then
		echo "$work_dir/plain/$2"
	elif has_store "$1"; then
		echo "$work_dir/$1/store/root/$2"
	else
		echo "$work_dir/$1/$2/mnt"
	fi
}

lower_of()
{
	local i

	if [ "$1" != tree ]; then
		printf '%s/base/%s' "$work_dir" "$1"
		return
	fi
	for ((i = 1; i <= LAYERS; i++)); do
		printf '%s%s/layers/%d' "$([ "$i" = 1 ] || echo :)" \
			"$work_dir" "$i"
	done
}

# container_make PEER TREE ID: makes it and mounts it.
container_make()
{
	local peer=$1 tree=$2 id=$3 dir=$work_dir/$1/$3

	if [ "$peer" = plain ]; then
		cp -a "$work_dir/base/$tree" "$dir"
	elif has_store "$peer"; then
		vefs_of "$peer" create "$id" --template "$tree" --quiet &&
			vefs_of "$peer" mount "$id" --quiet
	else
		mkdir -p "$dir/upper" "$dir/work" "$dir/mnt" || return
		local options

		options=$(peer_options "$peer" "$(lower_of "$tree")" \
			"$dir/upper" "$dir/work")
		if [ "$peer" = overlayfs ]; then
			mount -t overlay bench -o "$options" "$dir/mnt"
		else
			fuse-overlayfs -o "$options" "$dir/mnt"
		fi
	fi
}

# container_start PEER TREE ID FILE; the first stat is the shell's own.
container_start()
{
	container_make "$1" "$2" "$3" && [ -e "$4" ]
}

container_umount()
{
	[ "$1" = plain ] || umount "$(root_of "$1" "$2")"
}

container_destroy()
{
	if has_store "$1"; then
		vefs_of "$1" destroy "$2" --quiet
	else
		rm -rf "${work_dir:?}/$1/$2"
	fi
}

# Not timed: away with it, whatever state it is in.
container_end()
{
	mountpoint -q "$(root_of "$1" "$2")" &&
		{ container_umount "$1" "$2" || return; }
	container_destroy "$1" "$2"
}

container_upper()
{
	if has_store "$1"; then
		echo "$work_dir/$1/store/containers/$2/upper"
	else
		echo "$work_dir/$1/$2/upper"
	fi
}

# ---- steps ------------------------------------------------------------------

# import_one PEER SYNC: prints milliseconds and KiB.
import_one()
{
	local peer=$1 sync=$2 to=$work_dir/import bin=$VEFS_BIN

	[ "$peer" = before ] && bin=$BEFORE_BIN
	if [ "$peer" != plain ]; then
		VEFS_ROOT=$to/store "$aside" run "$bin/vefs" template import t \
			"$work_dir/root.tar" --quiet "$sync"
	elif [ "$sync" = --no-sync ]; then
		"$aside" run tar -xf "$work_dir/root.tar" -C "$to"
	else
		# shellcheck disable=SC2016 # for the inner shell
		"$aside" run sh -c 'tar -xf "$1/root.tar" -C "$2" &&
			sync -f "$1"' import "$work_dir" "$to"
	fi
}

# measure_import PEER ROW SYNC
measure_import()
{
	local used=

	mkdir "$work_dir/import"
	cat "$work_dir/root.tar" >/dev/null
	timed import_one "$1" "$3"
	if [ -n "$ms" ]; then
		read -r ms used <"$bench_dir/output"
		used=$(awk -v k="$used" 'BEGIN { print k / 1024 }')
	fi
	record "$1" "$2" "$ms"
	[ "$3" = --no-sync ] || record "$1" import_peak "$used"
	rm -rf "$work_dir/import"
}

step_import() { measure_import "$1" import --; }
step_import_nosync() { measure_import "$1" import_nosync --no-sync; }

# One container after the other; the quickest counts, a copy is made once.
measure_start()
{
	local peer=$1 tree=$2 i n=5 begin='' end=''

	[ "$peer" = plain ] && [ "$tree" = 100k ] && n=1
	for ((i = 0; i < n; i++)); do
		timed container_start "$peer" "$tree" "c$i" \
			"$(root_of "$peer" "c$i")/sub000/mod00/file000000"
		[ -n "$ms" ] && begin=$(least "$begin" "$ms")
		container_umount "$peer" "c$i"
		timed container_destroy "$peer" "c$i"
		[ -n "$ms" ] && end=$(least "$end" "$ms")
	done
	record "$peer" "start_$tree" "$begin"
	record "$peer" "destroy_$tree" "$end"
}

step_start_1k() { measure_start "$1" 1k; }
step_start_100k() { measure_start "$1" 100k; }
step_start_root() { measure_start "$1" root; }

do_find() { [ "$(find "$1" "${@:3}" | wc -l)" -gt "$2" ]; }

step_find()
{
	local root

	root=$(root_of "$1" c)
	[ "$1" = plain ] && root=$work_dir/base/tree
	[ "$1" = plain ] || timed container_make "$1" tree c
	all_cold
	timed do_find "$root" "$FILES"
	record "$1" find "$ms"
	all_cold
	timed do_find "$root" "$FILES" -size -1000000
	record "$1" find_stat "$ms"
	[ "$1" = plain ] || container_end "$1" c
}

step_chown()
{
	local used root id=$round

	if [ "$1" = plain ]; then
		all_cold
		timed chown -R "$id:$id" "$work_dir/base/tree"
		record "$1" chown "$ms"
		return
	fi
	timed container_make "$1" tree c
	root=$(root_of "$1" c)
	# a container has ids of its own on the host
	id=$((id + $(stat -c %u "$root")))
	all_cold
	timed chown -R "$id:$id" "$root"
	record "$1" chown "$ms"
	used=$(find "$(container_upper "$1" c)" -type f -printf '%b\n' |
		awk '{ n += $1 } END { if (NR) print n / 2048 }')
	record "$1" chown_disk "$used"
	container_end "$1" c
}

# KiB in the page cache: what our group brought in, or, where there is no
# group, the whole machine's, so that others' reading counts as well.
cached()
{
	if [ -z "$bench_group" ]; then
		awk '/^Cached:/ { print $2 }' /proc/meminfo
	else
		awk '$1 == "total_cache" || $1 == "file" { print $2 / 1024 }' \
			"$bench_group/memory.stat"
	fi
}

# in_group COMMAND...: it, and the daemons it starts, are charged.
in_group()
{
	[ -z "$bench_group" ] || echo "$BASHPID" >"$bench_group/cgroup.procs"
	"$@"
}

do_read()
{
	local root

	for root; do
		find "$root" -type f -exec cat {} + >/dev/null || return
	done
}

# How many times as large as what they read the page cache has become.
measure_growth()
{
	local before

	before=$(cached)
	timed in_group do_read "${roots[@]/%//$3}"
	# less than before: somebody else drops the machine's caches
	record "$1" "$2" "$(awk -v was="$before" -v is="$(cached)" \
		-v read="$(big_size "$3")" \
		'is + 0 >= was + 0 { printf "%.3f", (is - was) / 1024 / read }' \
		<<<"")"
}

step_cache()
{
	local i roots=()

	bench_group_new
	for ((i = 0; i < READERS; i++)); do
		timed in_group container_make "$1" big "c$i"
		roots+=("$(root_of "$1" "c$i")")
	done
	drop_inodes
	find "$work_dir/base/big" "$work_dir/$1" -xdev -type f -size +0 \
		-exec "$aside" uncache {} +
	measure_growth "$1" cache usr
	record "$1" cache_time "$ms"
	measure_growth "$1" cache_else srv
	for ((i = 0; i < READERS; i++)); do
		container_end "$1" "c$i"
	done
	bench_group_end
}

# A step tells whose it is.
measure()
{
	[[ " ${2#*:} " = *" $1 "* ]] || return 0
	sync -f "$work_dir"
	"step_${2%%:*}" "$1"
}

measure_all()
{
	in_turns "${chosen[@]}"
}

bench_init "$@"
bench_program aside
steps_choose
[ "${CPUS:-any}" = one ] && cpus_choose one
# what is timed runs in shells of its own, so that timeout can end it
export -f has_store vefs_of peer_options lower_of root_of container_make \
	container_start container_destroy import_one do_find do_read \
	in_group
export bench_group work_dir bench_dir VEFS_BIN BEFORE_BIN LAYERS OVERLAY_OPTS
base_make
out=$(set_file templates "$bench_dir")
set_begin "$out" templates "Templates, $(cpus_text "${CPUS:-any}")" \
	"${peers[@]}"
# a round is measured by itself, the trees are not made again
bench_began=$SECONDS
rounds_run "$rounds"
set_end Templates "$out"
