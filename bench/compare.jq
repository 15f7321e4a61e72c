# SPDX-License-Identifier: GPL-2.0-or-later
#
# Two result files, $a and $b, to what changed between them; see compare.
# The last line is "status 0" or "status 1".
include "stat";

def key: "\(.set)\t\(.row)\t\(.peer)";

# Percent that $y takes longer (or is larger) than $x; null: cannot be said.
def longer($x; $y; $unit):
	if $x == null or $y == null then null
	elif $unit | is_speed then
		if $y <= 0 then null else 100 * ($x / $y - 1) end
	elif $x <= 0 then (if $y <= 0 then 0 else null end)
	else 100 * ($y / $x - 1) end;

# A time that was taken once tells nothing of its own noise.
def once($old; $new):
	if ($old.samples // 9) < 2 and ($new.samples // 9) < 2 and
		($new.unit | . == "ms" or . == "us" or is_speed)
	then 20 else 0 end;

def percent: if . == null then "–" else
	(if . > 0 then "+" else "" end) + (fixed(1)) + " %" end;

($a[0].rows | map({key: key, value: .}) | from_entries) as $x |
($b[0].rows | map({key: key, value: .}) | from_entries) as $y |
["plain", "overlayfs", "fuse-overlayfs", "floor", "native"] as $fixed |
($b[0].rows | map(.peer) | unique) as $there |
[($a[0].rows + $b[0].rows)[] | select(.peer as $p | $ARGS.positional | index($p))] |
(reduce .[] as $r ({}; .[$r | key] //= $r)) as $mine |
[$mine | keys_unsorted[] as $k | $x[$k] as $old | $y[$k] as $new |
	$mine[$k] as $r |
	[$fixed[] as $p | "\($r.set)\t\($r.row)\t\($p)" as $f |
		longer($x[$f].median; $y[$f].median; $r.unit) |
		select(. != null) | fabs] as $drift |
	{
		name: ("\($r.set): \($r.title // $r.row)" +
			(if $r.peer == "vefs" then "" else " (\($r.peer))" end)),
		unit: $r.unit, old: $old.median, new: $new.median,
		change: longer($old.median; $new.median; $r.unit),
		noise: ([$old.spread // 0, $new.spread // 0,
			($drift | median // 0), once($old; $new)] | max),
		only: (if $old.median == null and $new.median == null then "failed in both"
			elif $old.median == null then "after"
			elif $new.median == null then "before"
			else null end),
		failed: ($new.error != null and $old.median != null)
	} |
	.verdict = (if .failed then "fails now"
		elif .only == "failed in both" then .only
		elif .only then "only \(.only)"
		elif .change == null then
			(if .new > .old then "worse" else "–" end)
		elif .change > .noise + $loss then "worse"
		elif .change > .noise then "a little worse"
		elif .change < -(.noise) then "better"
		else "–" end)] as $rows |
"before: \($a[0].commit) \($a[0].date)", "after:  \($b[0].commit) \($b[0].date)",
(if $a[0].machine.cpu != $b[0].machine.cpu or
	$a[0].machine.kernel != $b[0].machine.kernel
	then "not the same machine: \($a[0].machine.kernel), \($a[0].machine.cpu)" +
	" and \($b[0].machine.kernel), \($b[0].machine.cpu)" else empty end),
"",
($rows | map(select(($all or .verdict != "–") and .only == null))) as $shown |
(if $shown == [] then "no row changed by more than its noise" else
	"| row | unit | before | after | change | noise | |",
	"|---|---|---:|---:|---:|---:|---|",
	($shown | sort_by(-(.change // 1e9))[] |
		"| \(.name) | \(.unit) | \(.old | number) | \(.new | number) |" +
		" \(.change | percent) | \(.noise | fixed(0)) % | \(.verdict) |")
end),
"",
($rows | map(select(.only)) | group_by(.verdict)[] |
	"\(.[0].verdict): " + (map(.name) | join("; "))),
([$rows[] | select(.only == null)] | length) as $both |
([$rows[] | select(.verdict == "worse" or .failed)] | length) as $bad |
"\($both) rows compared: \([$rows[] | select(.verdict == "better")] | length) " +
"better, \($bad) worse by more than \($loss) % beyond their noise",
"status \(if $bad > 0 or $both == 0 then 1 else 0 end)"
