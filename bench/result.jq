# SPDX-License-Identifier: GPL-2.0-or-later
#
# Lines of samples (-s) to the document that a run is kept in, and that compare
# and plot.sh read.
include "stat";

def facts: $facts | split("\n") | map(select(. != "") | split("\t"));

goals($goals) as $all | rows("median") as $rows |
{
	format: 1, commit: $commit, date: $date,
	machine: (facts | map(select(.[0] != "not measured") |
		{key: .[0], value: .[1]}) | from_entries),
	missing: (facts | map(select(.[0] == "not measured") | .[1])),
	noise: {
		"load at start": $load, "idle percent at start": ($idle | tonumber),
		"stolen ticks": ($stolen | tonumber),
		"spread of the disk's own rows, percent":
			([$rows[] | select(.peer == "plain" and .samples > 1) |
				.spread] | median)
	},
	sets: [sets[].head],
	goals: [reduce ($all[] | .of | select(. != null)) as $o ({}; .[$o] = 1) |
		keys_unsorted[] as $of |
		{goal: $of, checks: [$all[] as $g | select($g.of == $of) |
			check($rows; $all; $g; "median")[]]} |
		.met = (if any(.checks[]; .met == false) then false
			elif any(.checks[]; .met == null) then null
			else true end)],
	rows: $rows
}
