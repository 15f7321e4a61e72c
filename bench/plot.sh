#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A result file as pictures: how many times as long vefs takes as overlayfs and
# as fuse-overlayfs, a bar for each row. NAME.json becomes NAME.png and NAME.svg
# (operations, trees, programs, templates), NAME-data.png and .svg (fio, quota).
#
# usage: plot.sh NAME.json
set -u
. "$(dirname "$0")/report.sh"

json=${1:?usage: plot.sh NAME.json}
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT

# rows SET...: number, title, ratio to overlayfs, to fuse-overlayfs; those of
# the sets that there are, the last at the bottom.
rows()
{
	jq -r -L "$bench_here" 'include "stat";
		.rows as $rows |
		[$ARGS.positional[] as $set |
			($rows | map(select(.set == $set)) | map(.row) |
			reduce .[] as $o ({}; .[$o] = 1) | keys_unsorted[]) as $op |
			[$rows[] | select(.set == $set)] as $r |
			{title: ($r | any_row($op) | .title // $op),
			 o: ($r | ratio($set; $op; "vefs"; "overlayfs"; "median")),
			 f: ($r | ratio($set; $op; "vefs"; "fuse-overlayfs";
				"median"))} |
			select(.o != null or .f != null)] |
		reverse | to_entries[] |
		[.key, .value.title, .value.o // "NaN", .value.f // "NaN"] | @tsv' \
		"$json" --args "$@"
}

# plot OUT TITLE SET...
plot()
{
	local out=$1 title=$2 n

	shift 2
	# the JSON comes before what --args takes
	rows "$@" >"$dir/rows" || die "cannot read $json"
	n=$(wc -l <"$dir/rows")
	[ "$n" -gt 0 ] || return 0
	gnuplot <<-END || die "gnuplot failed"
		set datafile separator "\t"
		set termoption noenhanced
		set title "$title"
		set xlabel "times as long as the peer (below 1: vefs is faster)"
		set logscale x
		set xrange [0.02:50]
		set xtics (0.02, 0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 20, 50)
		set yrange [-1:$n]
		set ytics scale 0 font ",9"
		set grid xtics lc rgb "#dddddd"
		set key outside top right horizontal
		set style fill solid 1.0 noborder
		set arrow from 1, -1 to 1, $n nohead lc rgb "#333333"
		set arrow from 3, -1 to 3, $n nohead lc rgb "#cc3333" dt 2
		do for [form in "png svg"] {
			if (form eq "png") {
				set terminal pngcairo size 1000, $((120 + n * 20)) noenhanced
			} else {
				set terminal svg size 1000, $((120 + n * 20)) noenhanced
			}
			set output "$out." . form
			plot "$dir/rows" using 3:1:(1):3:(\$1+0.02):(\$1+0.4):ytic(2) \
				with boxxyerror lc rgb "#3b6ea5" title "to overlayfs", \
				"" using 4:1:(1):4:(\$1-0.4):(\$1-0.02) \
				with boxxyerror lc rgb "#e0912f" title "to fuse-overlayfs"
		}
	END
	say "$out.png, $out.svg"
}

command -v gnuplot >/dev/null || {
	say "no pictures: gnuplot is not installed (apt-get install gnuplot-nox)"
	exit 0
}
base=${json%.json}
have() { jq -e --arg s "$1" 'any(.rows[]; .set == $s)' "$json" >/dev/null; }
one=micro-one
have "$one" || one=micro-any
plot "$base" "vefs beside its peers: operations, trees, programs, templates" \
	"$one" trees-1 programs templates
plot "$base-data" "vefs beside its peers: fio, and writing with quotas" \
	fio quota-one
