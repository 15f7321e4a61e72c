# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What all scripts here tell with: facts about the machine, samples, tables,
# result files. Needs jq (and nothing else of lib.sh).
#
# A script calls set_begin, sample for every measurement, set_end. By itself
# it then prints its table and writes a result file; below all.sh, which sets
# BENCH_RUN to a directory, the samples are left there, also those of a script
# that was cut off, and all.sh tells of everything at once.
#
# Environment: BENCH_RESULTS, STAT, BENCH_RUN

bench_here=${bench_here:-$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)}
VEFS_BIN=${VEFS_BIN:-$bench_here/../build/bin}
BENCH_RESULTS=${BENCH_RESULTS:-$bench_here/results}
OVERLAY_OPTS=${OVERLAY_OPTS-metacopy=on,redirect_dir=on,index=on}
bench_command="bench/${0##*/}${*:+ $*}"
bench_disk=${bench_disk:-ext4}
bench_skipped=()

say()
{
	printf '%s: %s\n' "${0##*/}" "$*" >&2
}

die()
{
	say "$*"
	exit 1
}

# A peer or a row that cannot be had here, and why.
skipped()
{
	say "without $*"
	bench_skipped+=("$*")
	[ -z "${BENCH_RUN:-}" ] ||
		printf '%s: %s\n' "${0##*/}" "$*" >>"$BENCH_RUN/skipped"
}

# ---- the machine ------------------------------------------------------------

# How idle all CPUs were over two seconds, before anything of ours runs.
machine_idle_percent()
{
	local before after

	before=$(head -1 /proc/stat)
	sleep 2
	after=$(head -1 /proc/stat)
	printf '%s\n%s\n' "$before" "$after" | awk '
		{ idle[NR] = $5 + $6; for (i = 2; i <= 9; i++) sum[NR] += $i }
		END { printf "%.0f", 100 * (idle[2] - idle[1]) / (sum[2] - sum[1]) }'
}

# Below all.sh, which has looked already, not again.
machine_begin()
{
	machine_load=$(cut -d' ' -f1-3 /proc/loadavg)
	machine_steal=$(machine_steal_ticks)
	machine_drops=$(machine_drops)
	machine_idle=0
	[ -n "${BENCH_RUN:-}" ] || machine_idle=$(machine_idle_percent)
}

machine_steal_ticks()
{
	awk '/^cpu / { print $9 }' /proc/stat
}

# How often all inodes were dropped by order of somebody, since the start.
machine_drops()
{
	awk '/^drop_slab / { print $2 }' /proc/vmstat
}

vefs_version()
{
	[ -x "$VEFS_BIN/mount.vefs" ] || return
	"$VEFS_BIN/mount.vefs" --version 2>/dev/null | head -1
}

# Facts for the head of a table, one "name<TAB>value" a line.
machine_facts()
{
	printf 'kernel\t%s\n' "$(uname -srm)"
	printf 'cpu\t%s x %s\n' "$(nproc)" "$(awk -F': ' \
		'/model name/ { print $2; exit }' /proc/cpuinfo)"
	printf 'memory\t%s MiB\n' \
		"$(awk '/^MemTotal/ { print int($2 / 1024) }' /proc/meminfo)"
	printf 'disk\t%s\n' "$bench_disk"
	printf 'load at start\t%s, CPUs %s %% idle%s\n' "$machine_load" \
		"$machine_idle" \
		"$([ "${BUSY:-0}" = 1 ] && echo '; then kept awake')"
	printf 'load at end\t%s\n' "$(cut -d' ' -f1-3 /proc/loadavg)"
	printf 'CPU time stolen by the host\t%s ticks of 10 ms\n' \
		$(($(machine_steal_ticks) - machine_steal))
	printf 'inodes dropped, by us or others\t%s times in %s s\n' \
		$(($(machine_drops) - machine_drops)) "$SECONDS"
	printf 'overlayfs options\t%s\n' "${OVERLAY_OPTS:-defaults}"
	[ "${VOLATILE:-0}" = 1 ] && printf 'durability\tvolatile, all peers\n'
	command -v fuse-overlayfs >/dev/null && printf 'fuse-overlayfs\t%s\n' \
		"$(fuse-overlayfs --version 2>&1 |
			awk '/^fuse-overlayfs/ { print $NF }')"
	[ -n "$(vefs_version)" ] && printf 'vefs\t%s\n' "$(vefs_version)"
	printf 'commit\t%s\n' "$(bench_commit)"
	printf 'when\t%s\n' "$(date -u +%FT%TZ)"
	facts_skipped
}

facts_skipped()
{
	if [ -n "${BENCH_RUN:-}" ]; then
		[ ! -s "$BENCH_RUN/skipped" ] ||
			sort -u "$BENCH_RUN/skipped" |
			sed 's/^/not measured\t/'
	elif [ ${#bench_skipped[@]} -gt 0 ]; then
		printf 'not measured\t%s\n' "${bench_skipped[@]}"
	fi
}

# Of the checkout, if this is one; "+" when it was changed since.
bench_commit()
{
	local of

	of=$(git -c safe.directory='*' -C "$bench_here" rev-parse --short=12 \
		HEAD 2>/dev/null) || { echo unknown; return; }
	git -c safe.directory='*' -C "$bench_here" diff --quiet HEAD -- \
		2>/dev/null || of=$of+
	echo "$of"
}

facts_list()
{
	machine_facts | awk -F'\t' '{ printf "- %s: %s\n", $1, $2 }'
}

# ---- samples ----------------------------------------------------------------

# set_file SET SCRATCH: where its samples go.
set_file()
{
	echo "${BENCH_RUN:-$2}/$1.samples"
}

# set_begin FILE SET TITLE PEER...: an empty file of samples of these peers.
set_begin()
{
	local file=$1 set=$2 title=$3

	shift 3
	jq -nc --arg set "$set" --arg title "$title" --arg disk "$bench_disk" \
		--arg command "$bench_command" --args \
		'{set: $set, title: $title, command: $command, disk: $disk,
			peers: $ARGS.positional}' "$@" >"$file" ||
		die "cannot write $file"
}

# sample FILE ROUND PEER JSON: what was measured, as one line.
sample()
{
	printf '{"round":%d,"peer":"%s",%s\n' "$2" "$3" "${4#\{}" >>"$1"
}

# figure FILE ROUND PEER OP UNIT TITLE VALUE: the same of one number; an empty
# one is a failure.
figure()
{
	local line="{\"op\":\"$4\",\"title\":\"$6\",\"unit\":\"$5\""

	if [ -n "$7" ]; then
		line="$line,\"median\":$7}"
	else
		line="$line,\"error\":\"failed\"}"
	fi
	sample "$1" "$2" "$3" "$line"
}

# ---- tables and results -----------------------------------------------------

# table HEADS FILE...: Markdown, and what became of the goals; HEADS 1: each
# with its title.
table()
{
	local heads=$1

	shift
	jq -rs -L "$bench_here" --arg stat "${STAT:-median}" \
		--arg heads "$heads" \
		--rawfile goals "$bench_here/goals.txt" \
		-f "$bench_here/table.jq" "$@"
}

# results_save NAME FILE...: facts, rows and goals as one JSON document.
results_save()
{
	local out=$BENCH_RESULTS/$1.json

	shift
	mkdir -p "$BENCH_RESULTS" || die "cannot make $BENCH_RESULTS"
	machine_facts >"$out.facts"
	jq -s -L "$bench_here" --arg commit "$(bench_commit)" \
		--arg load "$machine_load" \
		--arg idle "$machine_idle" \
		--arg stolen $(($(machine_steal_ticks) - machine_steal)) \
		--arg date "$(date -u +%FT%TZ)" --rawfile facts "$out.facts" \
		--rawfile goals "$bench_here/goals.txt" \
		-f "$bench_here/result.jq" "$@" >"$out.new" &&
		mv "$out.new" "$out" || die "cannot write $out"
	rm -f "$out.facts"
	say "results: $out"
}

# set_end TITLE FILE...: unless all.sh does it for us.
set_end()
{
	local title=$1 heads=0

	shift
	[ -z "${BENCH_RUN:-}" ] || return 0
	[ $# -eq 1 ] || heads=1
	echo "## $title"
	echo
	facts_list
	echo
	table "$heads" "$@"
	results_save "$(basename "$1" .samples)-$(date -u +%Y%m%d-%H%M%S)" "$@"
}
