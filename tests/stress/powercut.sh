#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# powercut.sh - what fsync acknowledged outlives a power cut, and nothing that
# is left over stands in the way of the next mount.
# timeout: 3600
#
# CUTS=4		on each filesystem; the long run is CUTS=100
# SEED=N		repeats a run's choices (not its timing)
# FS="ext4 xfs"
# KEEP=DIR		a failing cut's image, journal and report go there
# LOWER="dir template"	what the lower of the two layers below is, by turns
# QUOTA="off on"	two cuts each by turns: without a quota, and with one
# VIA=vefs		plain: the filesystem itself, overlay: the kernel's; to
#			try the test, and to see what these promise
#
# A filesystem with upper and work stands on a device that can lose its power;
# directories below are elsewhere, a template is beside upper, so that its data
# is cloned where the filesystem can. Processes do everything that can be done with names
# and files on the mount (powercut_plan.c), until the power goes. Then the
# image is mounted as it is, the filesystem replays its journal and is checked,
# and the mount must come up and show a state that may be there.
#
# The device is a loop device over a file that the helper program serves by
# FUSE (powercut_disk.c): a disk with a write cache. A flush of the filesystem,
# which arrives as an fsync of that file, brings the cache to the image. At the
# cut, which is between two requests, all that was flushed is in the image, and
# of the rest as chance will have it: all, nothing, or some writes, whole or in
# part, in sectors of 4 KiB. Nothing is copied while the filesystem writes,
# so no copy is torn: the image is one that a disk could have. And it is known
# exactly which operations had been acknowledged (read before the cut) and
# which begun (read after it).
#
# What may be there (powercut_model.c, powercut_data.c): ext4 and xfs journal
# names and attributes in the order in which they were changed. So what is found
# must be the state after the first k operations of each process, completely and
# exactly: names, types, owners, modes, attributes, links, inode numbers of the
# names of one file. k is not below the last change that an acknowledged fsync
# of that file or directory made certain. A file's data is that of the last
# sync, exactly; what was written later may be there, byte by byte; a lower file
# that was not written is whole, copied up or not, and so is the template. In work nothing is left after
# the mount; a whiteout in upper hides something; files with several names can
# be written and removed by each; everything can be removed and stays so, and
# then nothing is left in the index either.
#
# With a quota, whose file is on that device too, what is counted after the cut
# is what is there: it was not put away in peace, so the mount counts anew.
#
# With -o fsync=strict moreover: what an acknowledged operation copied up is in
# upper. With -o volatile nothing is promised: the mount
# must come up and let itself be walked and emptied; how often something was
# lost is in the table, and shows that the check sees it. Three of ten cuts are
# strict; a volatile one comes on top of each ten.
cd "$(dirname "$0")" || exit 1
# shellcheck source=tests/stress/lib.sh
. ./lib.sh

# In namespaces of its own: whoever makes one of his own meanwhile would have a
# copy of our mounts, and they would stay when we unmount them. And all that
# runs here ends with us.
if [ -z "${POWERCUT_APART:-}" ]; then
	export POWERCUT_APART=1
	exec unshare --mount --pid --fork --kill-child --mount-proc \
		bash "$PWD/powercut.sh"
fi

CUTS=${CUTS:-4}
SEED=${SEED:-$(date +%s)}
FS=${FS:-ext4 xfs}
KEEP=${KEEP:-}
VIA=${VIA:-vefs}
PC=${VEFS_PROGS:-$ST_TOP/build/$D/tests}/stress/powercut
LOWER=${LOWER:-dir template}
QUOTA=${QUOTA:-off on}
QUOTA_ASK=${VEFS_PROGS:-$ST_TOP/build/$D/tests}/stress/quota
SIZE=320M
B='' DISK='' LOOP=''

# Undo what is there of: mount, filesystem, loop device, disk.
take_down()
{
	if [ -n "$W" ] && st_is_mounted; then not_over || umount -l "$M"; fi
	if [ -n "$B" ] && mountpoint -q "$B"; then
		detach || umount -l "$B"
	fi
	[ -z "$DISK" ] || take_disk_away
}

take_disk_away()
{
	timeout "$LIMIT" umount "$W/disk" || kill "$DISK"
	wait "$DISK"
	DISK_STATUS=$?
	DISK=
}

cleanup()
{
	trap - EXIT
	take_down
	st_cleanup
}

# An empty filesystem with the directories, for all cuts.
make_pristine()
{
	local fs=$1 image=$W/pristine.$1

	truncate -s "$SIZE" "$image" || return 1
	case $fs in
	ext4)
		mkfs.ext4 -q -b 4096 -J size=8 -E \
			lazy_itable_init=0,lazy_journal_init=0,nodiscard "$image"
		;;
	xfs) mkfs.xfs -q -K "$image" ;;
	esac || return 1
	attach "$image" "$fs" || return 1
	mkdir "$B/upper" "$B/upper.work" || return 1
	if [ "$VIA" = plain ]; then
		cp -a "$W/b/." "$B/upper" && cp -a "$W/a/." "$B/upper" ||
			return 1
	fi
	[[ $VIA != vefs || " $LOWER " != *" template "* ]] ||
		store template import --format dir low:1 "$W/b" || return 1
	detach
}

store()
{
	"$VEFS_BIN/vefs" --quiet --root "$B/store" "$@"
}

lowers()
{
	case $low in
	template) echo "lowerdir=$W/a,template=low:1,store=$B/store" ;;
	*) echo "lowerdir=$W/a:$W/b" ;;
	esac
}

# attach FILE FS: a filesystem at $B. The loop device goes with it.
attach()
{
	local status

	LOOP=$(losetup --find --show "$1") || return 1
	mount -t "$2" -o noatime "$LOOP" "$B"
	status=$?
	losetup -d "$LOOP"
	return "$status"
}

# A daemon has a copy of the mount that upper is in, and ends a moment after its
# own was unmounted: only then has the filesystem gone from its device.
detach()
{
	local i file=/sys/block/${LOOP#/dev/}/loop/backing_file name

	timeout "$LIMIT" umount "$B" || return 1
	for ((i = 0; i < LIMIT * 50; i++)); do
		# by now it may be somebody else's
		read -r name 2>"$W/null" <"$file" || return 0
		case $name in
		"$W"/*) sleep 0.02 ;;
		*) return 0 ;;
		esac
	done
	echo "$LOOP is still in use"
	return 1
}

# with_quota OPTIONS
with_quota()
{
	case $quota in
	on) echo "$1,quota=$B/quota.mdb" ;;
	*) echo "$1" ;;
	esac
}

# A limit that is far away: all writers go through the daemon.
limit()
{
	[ "$quota" = off ] || "$QUOTA_ASK" ask "$M" set container 0 space 0 \
		$((1 << 50))
}

counted()
{
	[ "$quota" = off ] || "$QUOTA_ASK" ask "$M" check
}

# over OPTIONS: the mount at $M
over()
{
	case $VIA in
	vefs)
		timeout "$LIMIT" "$VEFS_BIN/mount.vefs" -o \
			"$(lowers),upperdir=$B/upper,$(with_quota "$1")" \
			-o "workdir=$B/upper.work" "$M"
		;;
	overlay)
		mount -t overlay -o "lowerdir=$W/a:$W/b,upperdir=$B/upper" \
			-o "workdir=$B/upper.work,metacopy=on,index=on" \
			-o redirect_dir=on overlay "$M"
		;;
	plain) mount --bind "$B/upper" "$M" ;;
	esac
}

not_over()
{
	timeout "$LIMIT" umount "$M"
}

# with_power FS OPTIONS OPS: load until the cut, and put all away.
with_power()
{
	local i

	cp --sparse=always "$W/pristine.$1" "$W/image" || return 1
	rm -f "$W/journal"
	: >"$W/disk"
	"$PC" disk "$W/image" "$W/disk" "$W/journal" "$3" &
	DISK=$!
	for ((i = 0; i < LIMIT * 50; i++)); do
		if mountpoint -q "$W/disk"; then break; fi
		sleep 0.02
	done
	attach "$W/disk" "$1" || return 1
	over "$2" || return 1
	limit || return 1
	timeout $((60 * VEFS_SLOW)) "$PC" load "$M" "$B" "$W/journal" "$SEED" \
		"$3" || return 1
	not_over || return 1
	detach || return 1
	take_disk_away
	[ "$DISK_STATUS" -eq 0 ]
}

check_fs()
{
	case $1 in
	ext4) e2fsck -fn "$W/image" ;;
	xfs) xfs_repair -n "$W/image" ;;
	esac
}

nothing_in_work()
{
	local left

	[ "$VIA" = vefs ] || return 0
	left=$(ls -A "$B/upper.work/work") || return 1
	[ -z "$left" ] || {
		echo "left in work: $left"
		return 1
	}
}

whiteouts()
{
	[ "$VIA" != vefs ] || "$PC" marks "$B/upper" "$W/a" "$W/b"
}

empty()
{
	local left

	rm -rf "${M:?}"/* || return 1
	left=$(ls -A "$M") || return 1
	[ -z "$left" ] || {
		echo "not removed: $left"
		return 1
	}
}

still_empty()
{
	local left

	left=$(ls -A "$M") || return 1
	[ -z "$left" ] || {
		echo "it is back: $left"
		return 1
	}
	[ "$VIA" = vefs ] || return 0
	left=$(ls -A "$B/upper.work/index") || return 1
	[ -z "$left" ] || {
		echo "left in index: $left"
		return 1
	}
}

verify()
{
	[ "$low" != template ] || store template verify low:1
}

# What fsync promised; without a promise all that there is to see.
what_is_there()
{
	local mode=$1 ops=$2 upper=()

	[ "$mode" != strict ] || [ "$VIA" != vefs ] || upper=("$B/upper")
	"$PC" check "$M" "$W/journal" "$SEED" "$ops" "${upper[@]}" && return
	[ "$mode" = volatile ] || return 1
	lost=1
	find "$M" -type f -exec cat {} + >"$W/null"
}

# aftermath FS OPTIONS OPS MODE: the first step that fails ends it
aftermath()
{
	step replay attach "$W/image" "$1" &&
		step detach detach &&
		step fsck check_fs "$1" &&
		step attach attach "$W/image" "$1" &&
		step verify verify &&
		step mount over "$2" &&
		step counted counted &&
		step work nothing_in_work &&
		step whiteouts whiteouts &&
		step content what_is_there "$4" "$3" &&
		{ [ "$4" = volatile ] || step use "$PC" use "$M"; } &&
		step remove empty &&
		step counted-empty counted &&
		step unmount not_over &&
		step mount-again over "$2" &&
		step removed still_empty &&
		step counted-again counted &&
		step unmount-again not_over &&
		step detach-again detach
}

# step NAME COMMAND...: what it says is in $W/said, its name in AT
step()
{
	AT=$1
	shift
	"$@" >"$W/said" 2>&1
}

keep()
{
	[ -n "$KEEP" ] || return 0
	mkdir -p "$KEEP" || return 0
	cp --sparse=always "$W/image" "$KEEP/$1.image"
	cp "$W/journal" "$KEEP/$1.journal"
	cp "$W/said" "$KEEP/$1.said"
}

# one_cut FS MODE OPS
one_cut()
{
	local fs=$1 mode=$2 ops=$3 options shown
	local name=$1-$2-$low-quota-$quota-$3

	case $mode in
	default) options=fsync=1 ;;
	strict) options=fsync=strict ;;
	*) options=volatile ;;
	esac
	AT=load lost=0
	if with_power "$fs" "$options" "$ops" >"$W/said" 2>&1 &&
		cp --sparse=always "$W/image" "$W/image.cut" &&
		aftermath "$fs" "$options" "$ops" "$mode"; then
		st_ok "$name"
		bad=0
	else
		st_not_ok "$name - $AT (SEED=$SEED)"
		sed 's/^/#   /' "$W/said"
		take_down
		[ ! -f "$W/image.cut" ] || mv "$W/image.cut" "$W/image"
		keep "$name"
		bad=1
	fi
	rm -f "$W/image.cut"
	shown=$("$PC" show "$W/journal")
	table="$table$fs $mode:$low:$quota $bad $lost $shown"$'\n'
}

# What is below in the cut with that number; the kernel has no templates.
lower_of()
{
	local all

	read -ra all <<<"$LOWER"
	[ "$VIA" = vefs ] || all=(dir)
	echo "${all[$1 % ${#all[@]}]}"
}

# Has the cut with that number a quota?
quota_of()
{
	local all

	read -ra all <<<"$QUOTA"
	[ "$VIA" = vefs ] || all=(off)
	echo "${all[$1 / 2 % ${#all[@]}]}"
}

# How the cut with that number is mounted.
mode_of()
{
	case $(($1 % 10)) in
	2 | 5 | 8) echo strict ;;
	*) echo default ;;
	esac
}

print_table()
{
	echo "# $VIA; operations, and what the device did, until the cut: sums"
	awk '{
			k = $1 " " $2
			if (!(k in n)) order[++keys] = k
			n[k]++
			for (i = 3; i <= 11; i++) sum[k, i] += $i
		}
		END {
			printf "# %-5s %-22s %5s %5s %5s", "fs", "mode", "cuts",
				"bad", "lost"
			printf " %8s %8s %8s %8s %7s %6s %5s\n", "begun",
				"acked", "writes", "flushes", "cached", "kept",
				"torn"
			for (j = 1; j <= keys; j++) {
				k = order[j]; split(k, w, " ")
				printf "# %-5s %-22s %5s %5s %5s", w[1], w[2],
					n[k], sum[k, 3], sum[k, 4]
				printf " %8s %8s %8s %8s %7s %6s %5s\n",
					sum[k, 5], sum[k, 6], sum[k, 7],
					sum[k, 8], sum[k, 9], sum[k, 10],
					sum[k, 11]
			}
		}' <<<"${table%$'\n'}"
}

st_begin
trap cleanup EXIT
[ -x "$PC" ] || {
	echo "$0: no $PC: build it (make)" >&2
	exit 1
}
echo "# SEED=$SEED CUTS=$CUTS LOWER=$LOWER QUOTA=$QUOTA VIA=$VIA"
B=$W/fs
mkdir "$B" "$W/a" "$W/b"
"$PC" lower "$W/a" "$W/b" "$SEED" || exit 1
before=$(cd "$W" && tar -c a b | sha256sum)
table=
for fs in $FS; do
	if ! command -v "mkfs.$fs" >"$W/said"; then
		st_skip "$fs # there is no mkfs.$fs"
		continue
	fi
	if ! make_pristine "$fs" >"$W/said" 2>&1; then
		take_down
		st_skip "$fs # $(tail -n 1 "$W/said")"
		continue
	fi
	for ((cut = 0; cut < CUTS; cut++)); do
		low=$(lower_of "$cut")
		quota=$(quota_of "$cut")
		one_cut "$fs" "$(mode_of "$cut")" $((SEED + cut))
		[ $((cut % 10)) -ne 3 ] ||
			one_cut "$fs" volatile $((SEED + cut))
	done
	rm -f "$W/pristine.$fs"
done
after=$(cd "$W" && tar -c a b | sha256sum)
if [ "$before" = "$after" ]; then
	st_ok lowers-unchanged
else
	st_not_ok lowers-unchanged
fi
[ -z "$table" ] || print_table
[ "$FAILED" -eq 0 ]
