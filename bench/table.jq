# SPDX-License-Identifier: GPL-2.0-or-later
#
# Lines of samples (-s) to Markdown: a table for each set, with the median of
# each peer and half its range, the ratios of vefs to its rivals (and of the floor
# to overlayfs), and what became of the goals.
#
# usage: jq -rs -L bench --arg stat median|best|p99 --arg heads 0|1 \
#            --rawfile goals goals.txt -f table.jq FILE...
include "stat";

# The disk itself is no rival, unless a goal names it.
def is_rival($goals):
	. as $peer | $peer == "overlayfs" or $peer == "fuse-overlayfs" or
	$peer == "before" or $peer == "lxcfs" or $peer == "floor" or
	any($goals[]; .peer == $peer and .who == "vefs");

def cell($stat):
	if . == null then "–"
	elif .error then .error
	else (if $stat == "best" then .best else .median end) as $x |
		($x | number) + (if .samples < 2 or $x <= 0 then ""
			else " ±\(.spread)%" end)
	end;

def missed($checks):
	($checks | map(select(.met == true)) | length) as $met |
	($checks | map(select(.met == null)) | length) as $untold |
	"Goals: \($met) of \(($checks | length) - $untold) met" +
	(if $untold > 0 then ", \($untold) not measured" else "" end),
	($checks[] | select(.met == false) | "- " + line_of);

def table($head; $rows; $all; $stat):
	($head.set) as $set |
	($all | map(. as $g | select($set | of_set($g)))) as $goals |
	($head.peers | map(. as $p | select(any($rows[]; .peer == $p)))) as $peers |
	($peers | map(select(. != "vefs" and is_rival($goals)))) as $rivals |
	((if any($rows[]; .peer == "vefs") then $rivals | map(["vefs", .])
		else [] end) + (if ["floor", "overlayfs"] - $peers == []
		then [["floor", "overlayfs"]] else [] end)) as $pairs |
	def shown: if . == "plain" then $head.disk else . end;
	"| operation | unit |" + ($peers | map(" \(shown) |") | add // "") +
		($pairs | map(" \(.[0]) / \(.[1] | shown) |") | add // ""),
	"|---|---|" + ($peers + $pairs | map("---:|") | add // ""),
	(($rows | map(.row) | reduce .[] as $o ({}; .[$o] = 1) |
		keys_unsorted[]) as $op |
		($rows | any_row($op)) as $any |
		"| \($any.title // $op) | \($any.unit // "–") |" +
		($peers | map(. as $p | " " +
			($rows | row($set; $op; $p) | cell($stat)) + " |") |
			add // "") +
		($pairs | map(. as $p | " " + ($rows |
			ratio($set; $op; $p[0]; $p[1]; $stat) | number) + " |") |
			add // "")),
	"",
	([$rows[].values | length] | max // 0) as $rounds |
	(if $rounds < 2 then "One round."
	else "\(if $stat == "best" then "Best" else "Medians" end) of " +
		"\($rounds) rounds, ± half the range." end),
	"",
	missed([$goals[] as $g | check($rows; $goals; $g; $stat)[]] |
		unique_by([.text, .in, .limit]));

goals($goals) as $all | rows($stat) as $rows |
sets[] | .head as $h |
(if $heads == "1" then "", "### \($h.title)", "", "`\($h.command)`", ""
	else empty end),
table($h; [$rows[] | select(.set == $h.set)]; $all; $stat)
