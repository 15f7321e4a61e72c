#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Whole trees, side by side: unpacking, copying, walking, git, a compile,
# removal, on a plain directory, kernel overlayfs, fuse-overlayfs and vefs.
# All are mounted at once and take every step in turn, as in run.sh.
#
# usage: trees.sh [-q]    -q: 2 rounds of a small tree.
# Environment: see lib.sh, and
#   LAYERS   lower directories the trees are spread over, "1 5": one table each
#   FILES    files of the source tree (4000; -q: 1000)
#   BIG      files of the one big folder (100000; -q: 10000)
#   UNITS    files of the C project (100)
#   STEPS    only these, in this order (see the table "steps" below)
set -u
. "$(dirname "$0")/lib.sh"

usage()
{
	say "usage: ${0##*/} [-q]   (see ${0%/*}/README.md)"
	exit 2
}

rounds=${ROUNDS:-3}
files=4000 big=100000
while getopts q option; do
	case $option in
	q) rounds=${ROUNDS:-2} files=1000 big=10000 ;;
	*) usage ;;
	esac
done
FILES=${FILES:-$files}
BIG=${BIG:-$big}
MAX_SECONDS=${MAX_SECONDS:-540}
UNITS=${UNITS:-100}

# NAME:TITLE; step_NAME does it, before_NAME what must not be timed; both are
# told where the peer is mounted.
steps=(
	"untar:untar"
	"cp:cp -a, lower to upper"
	"find_cold:find with stat, inodes forgotten"
	"find_warm:find with stat, again"
	"du:du -s"
	"list_big:ls -f of one folder of $BIG files, cold"
	"find_big:find with stat in it, cold"
	"grep:grep -r through all files"
	"git_status_first:git status, first (reads all files)"
	"git_status_cold:git status, inodes forgotten"
	"git_status_warm:git status, again"
	"git_clone:git clone, lower to upper"
	"compile:make -j2 of a C project"
	"make_again:make, nothing to do"
	"chown:chown -R of a lower tree"
	"rm_upper:rm -rf of an upper tree"
	"rm_lower:rm -rf of a lower tree"
	"rm_big:rm -rf of that folder"
)

git_quiet()
{
	GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 git \
		-c safe.directory='*' -c user.name=bench \
		-c user.email=bench@localhost -c gc.auto=0 "$@"
}

step_untar() { mkdir "$1/new" && tar -xf "$work_dir/src.tar" -C "$1/new"; }
step_cp() { cp -a "$1/src" "$1/copy"; }
before_find_cold() { drop_inodes; }
step_find_cold() { find "$1/src" -printf '%s\n' >/dev/null; }
# Forgetting is for all: the peers that had their turn must look again.
before_find_warm() { step_find_cold "$1"; }
step_find_warm() { find "$1/src" -printf '%s\n' >/dev/null; }
step_du() { du -s "$1/src" >/dev/null; }
before_list_big() { drop_inodes; }
step_list_big() { ls -f "$1/big" >/dev/null; }
before_find_big() { drop_inodes; }
step_find_big() { find "$1/big" -printf '%s\n' >/dev/null; }
step_grep() { ! grep -rq "no such words" "$1/src"; }
step_git_status_first() { git_quiet -C "$1/src" status >/dev/null; }
before_git_status_cold() { drop_inodes; }
step_git_status_cold() { git_quiet -C "$1/src" status >/dev/null; }
before_git_status_warm() { step_git_status_cold "$1"; }
step_git_status_warm() { git_quiet -C "$1/src" status >/dev/null; }
step_git_clone() { git_quiet clone -q --no-hardlinks "$1/src" "$1/clone"; }
step_compile() { make -s -j2 -C "$1/project"; }
step_make_again() { make -s -C "$1/project"; }
step_chown() { chown -R 1000:1000 "$1/owned"; }
step_rm_upper() { rm -rf "$1/copy"; }
step_rm_lower() { rm -rf "$1/src"; }
step_rm_big() { rm -rf "$1/big"; }

# Is there a step of which the name ends so?
wants()
{
	local step

	for step in "${chosen[@]}"; do
		[[ ${step%%:*} != *_"$1" ]] || return 0
	done
	return 1
}

# The trees as they are to be seen, and the tar, once.
base_make()
{
	local base=$work_dir/base

	mkdir -p "$base/src" "$base/project" "$base/owned"
	"$mkfiles" source "$FILES" "$base/src" || die "disk full?"
	"$mkfiles" source "$((FILES / 4))" "$base/owned" || die "disk full?"
	"$mkfiles" project "$UNITS" "$base/project" || die "disk full?"
	if wants big; then
		mkdir "$base/big"
		"$mkfiles" flat "$BIG" "$base/big" || die "disk full?"
	fi
	tar -cf "$work_dir/src.tar" -C "$base" src || die "disk full?"
	git_quiet -C "$base/src" init -q || die "git init failed"
	git_quiet -C "$base/src" add -A || die "git add failed"
	git_quiet -C "$base/src" commit -q -m all || die "git commit failed"
	git_quiet -C "$base/src" repack -q -a -d || die "git repack failed"
}

# The base spread over $2 lowers of a peer, file by file in turn, so that
# every directory is merged of all of them; git's own files in the first.
lowers_make()
{
	local dir=$work_dir/$1 layers=$2 i

	mkdir -p "$dir/mnt"
	cp -a "$work_dir/base" "$dir/lower1"
	for ((i = 2; i <= layers; i++)); do
		mkdir "$dir/lower$i"
		(
			cd "$dir/lower1" || exit
			find . -name .git -prune -o -type f -print | sort |
				awk -v n="$layers" -v i="$i" 'NR % n == i - 1' |
				tar -cf - -T - | tar -xf - -C "../lower$i"
			cd "../lower$i" || exit
			find . -type f -print0 |
				(cd ../lower1 && xargs -0 rm)
		) || die "cannot spread the tree over $layers layers"
	done
}

lowers_of()
{
	local i

	for ((i = 1; i < $2; i++)); do
		printf '%s/lower%d:' "$work_dir/$1" "$i"
	done
	printf '%s/lower%d' "$work_dir/$1" "$2"
}

round_begin()
{
	local peer dir

	for peer in "${peers[@]}"; do
		dir=$work_dir/$peer
		if [ "$peer" = plain ]; then
			mkdir -p "$dir"
			cp -a "$work_dir/base" "$dir/mnt" || die "disk full?"
		else
			mkdir -p "$dir/upper" "$dir/work"
		fi
	done
	drop_inodes
	for peer in "${peers[@]}"; do
		dir=$work_dir/$peer
		peer_mount "$peer" "$(lowers_of "$peer" "$1")" "$dir/upper" \
			"$dir/work" "$dir/mnt"
	done
}

# Milliseconds of one step on one peer. The disk is quiet and the page cache
# has memory before it begins.
measure()
{
	local peer=$1 step=${2%%:*} title=${2#*:} status ms line

	if declare -F "before_$step" >/dev/null; then
		"before_$step" "$work_dir/$peer/mnt"
	else
		sync -f "$work_dir"
	fi
	"$micro" -m 256
	# shellcheck disable=SC2016 # for the inner shell
	timeout -k 5 120 "${bench_pin[@]}" bash -c \
		'begin=$EPOCHREALTIME; "$1" "$2"; status=$?
		echo "$begin $EPOCHREALTIME" >&3; exit $status' timed \
		"step_$step" "$work_dir/$peer/mnt" \
		>"$bench_dir/output" 2>&1 3>"$bench_dir/times"
	status=$?
	ms=$(awk '{ printf "%.3f", ($2 - $1) * 1000 }' "$bench_dir/times")
	line="{\"op\":\"$step\",\"title\":\"$title\",\"unit\":\"ms\""
	if [ "$status" = 0 ]; then
		line="$line,\"median\":$ms}"
	else
		say "$peer: $step: status $status: $(head -1 "$bench_dir/output")"
		line="$line,\"error\":\"status $status\"}"
	fi
	sample "$out" "$round" "$peer" "$line"
}

measure_all()
{
	round_begin "$layers"
	in_turns "${chosen[@]}"
	round_end
}

steps_without()
{
	local step left=()

	for step in "${chosen[@]}"; do
		[[ ${step%%:*} = *_"$1" ]] || left+=("$step")
	done
	chosen=("${left[@]}")
}

# All rounds with so many lowers, and their table.
with_layers()
{
	local layers=$1 out peer

	[ ${#chosen[@]} -gt 0 ] || return
	out=$(set_file "trees-$1" "$bench_dir")

	for peer in "${peers[@]}"; do
		[ "$peer" = plain ] || lowers_make "$peer" "$layers"
	done
	set_begin "$out" "trees-$layers" "Trees of $FILES files, $layers lower, \
$(cpus_text "${CPUS:-any}")" "${peers[@]}"
	outs+=("$out")
	bench_began=$SECONDS
	rounds_run "$rounds" "$layers lower"
	for peer in "${peers[@]}"; do
		rm -rf "${work_dir:?}/$peer"
	done
}

for tool in git make cc; do
	command -v "$tool" >/dev/null || die "needs $tool: make deps installs it"
done
bench_init "$@"
steps_choose
read -r -a layer_counts <<<"${LAYERS:-1 5}"
MAX_SECONDS=$((MAX_SECONDS / ${#layer_counts[@]}))
[ "${CPUS:-any}" = one ] && cpus_choose one
# the steps run in shells of their own, so that timeout can end them
mapfile -t functions < <(compgen -A function step_)
export -f git_quiet "${functions[@]}"
export work_dir
base_make
outs=()
for layers in "${layer_counts[@]}"; do
	with_layers "$layers"
	# once is enough of the big folder
	rm -rf "${work_dir:?}/base/big"
	steps_without big
done
set_end "Trees of $FILES files" "${outs[@]}"
