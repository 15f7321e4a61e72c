# SPDX-License-Identifier: GPL-2.0-or-later
#
# Samples, as the scripts write them, to rows; ratios of rows; what became of
# goals. A samples file has a line for the set, then one for each measurement:
#
#	{"set":"micro-one","title":"...","command":"...","disk":"ext4",
#	 "peers":["plain",...]}
#	{"round":1,"peer":"vefs","op":"stat","title":"...","unit":"us",
#	 "median":1.2,"best":1.1,"p99":3}		or "error" for figures
#
# A row is one operation of one peer: the median over the rounds, the best,
# half the range in percent, and the rounds' values, by which peers are
# compared: they ran side by side. Units that end in "/s" are speeds; ratios
# always count time, below 1 is faster.

def is_speed: . // "" | endswith("/s");

def median:
	map(select(. != null)) | sort | length as $n |
	if $n == 0 then null
	elif $n % 2 == 1 then .[($n - 1) / 2]
	else (.[$n / 2 - 1] + .[$n / 2]) / 2 end;

def best_of($unit):
	map(select(. != null)) | if $unit | is_speed then max else min end;

# Half the range, percent of the middle.
def spread($mid):
	map(select(. != null)) |
	if length < 2 or $mid == null or $mid <= 0 then 0
	else 50 * (max - min) / $mid end;

def tidy: if . == null then null else (. * 1000 | round) / 1000 end;

# ---- samples to rows ----------------------------------------------------------

# Lines of several files, one after the other: [{head, samples}].
def sets:
	reduce .[] as $l ([]; if $l.set then . + [{head: $l, samples: []}]
		elif length > 0 then .[-1].samples += [$l] else . end);

def row_of($set; $op; $peer; $stat):
	(map(.round) | max) as $rounds |
	(map(select(.error == null))) as $good |
	(map(.unit) | map(select(. != null)) | first) as $unit |
	[range(1; $rounds + 1) as $r | $good | map(select(.round == $r)) |
		last | if . == null then null else (.[$stat] // .median) end
	] as $values |
	($values | median) as $mid |
	{
		set: $set, row: $op, 
		title: (map(.title) | map(select(. != null)) | first),
		unit: $unit,
		peer: $peer, samples: ($good | length), median: ($mid | tidy),
		best: ($good | map(.best // .median) | best_of($unit) | tidy),
		spread: ($values | spread($mid) | round),
		values: ($values | map(tidy))
	} + (($good | map(.p99) | median) as $p |
		if $p == null then {} else {p99: ($p | tidy)} end)
	+ (if $good == [] then {error: (map(.error) | last)} else {} end);

def ops: reduce .[] as $s ({}; .[$s.op] += 1) | keys_unsorted;

# Rows in the order of the operations, and of the head's peers.
def rows($stat):
	[sets[] | .head as $h | .samples as $s | ($s | ops)[] as $op |
		$h.peers[] as $peer |
		$s | map(select(.op == $op and .peer == $peer)) |
		select(length > 0) | row_of($h.set; $op; $peer; $stat)];

# ---- ratios -------------------------------------------------------------------

def row($set; $op; $peer):
	map(select(.set == $set and .row == $op and .peer == $peer)) | first;

# One that knows its title and unit, if there is one.
def any_row($op):
	map(select(.row == $op)) | map(select(.unit != null)) + . | first;

# $stat "best": of the best ones. null when it cannot be said.
def ratio_of($mine; $other; $stat):
	if $mine == null or $other == null then null
	elif $stat == "best" then
		if ($mine.best // 0) <= 0 or ($other.best // 0) <= 0 then null
		else $mine.best / $other.best end
	else
		[range(0; [($mine.values | length), ($other.values | length)] |
			min) as $i | [$mine.values[$i], $other.values[$i]] |
			select((.[0] // 0) > 0 and (.[1] // 0) > 0) |
			.[0] / .[1]] | median
	end |
	if . == null then null elif $mine.unit | is_speed then 1 / . else . end;

def ratio($set; $op; $who; $peer; $stat):
	ratio_of(row($set; $op; $who); row($set; $op; $peer); $stat);

# ---- goals --------------------------------------------------------------------

# Lines of goals.txt: SET [WHO:]OPERATION PEER LIMIT, below a heading or none.
def goals($text):
	reduce ($text | split("\n"))[] as $line ({of: null, list: []};
		if $line | startswith("= ") then .of = $line[2:]
		elif $line | test("^(#|\\s*$)") then .
		else .of as $of | ($line | [splits("\\s+")]) as $w |
			($w[1] | capture("^((?<who>[a-z]+):)?(?<op>.*)$")) as $m |
			.list += [{of: $of, set: $w[0], who: ($m.who // "vefs"),
				op: $m.op, peer: $w[2], limit: ($w[3] | tonumber)}]
		end) | .list;

def peer_name: if . == "plain" then "the plain disk" else . end;

def of_set($goal):
	. == $goal.set or startswith($goal.set + "-");

def named($goals; $g; $op):
	any($goals[]; .set == $g.set and .op == $op and .peer == $g.peer and
		.who == $g.who and .of == $g.of);

# What is asked of one operation of a set: {text, figure, limit, met}.
def checked($rows; $set; $g; $op; $stat):
	($rows | map(select(.set == $set)) | any_row($op)) as $any |
	($rows | row($set; $op; $g.who)) as $mine |
	(if $stat == "best" then $mine.best else $mine.median end) as $own |
	(if $g.peer == "-" then
		{figure: $own, in: ($any.unit // ""),
			least: ($any.unit // "" | is_speed)}
	elif $g.peer | startswith("@") then
		($rows | row($set; $g.peer[1:]; $g.who)) as $o |
		{figure: ratio_of($mine; $o; $stat),
			in: "x \($o.title // $g.peer)"}
	else
		{figure: ($rows | ratio($set; $op; $g.who; $g.peer; $stat)),
			in: "x \($g.peer | peer_name)"}
	end) as $f |
	{set: $set, row: $op, who: $g.who, peer: $g.peer,
		text: ((if $g.who == "vefs" then "" else "\($g.who): " end) +
			($any.title // $op)),
		in: $f.in, figure: ($f.figure | tidy), limit: $g.limit,
		least: ($f.least // false),
		met: (if $f.figure == null then null
			elif $f.least // false then $f.figure >= $g.limit
			else $f.figure <= $g.limit end)};

def geomean($rows; $set; $g; $stat):
	($g.op | ltrimstr("geomean(") | rtrimstr(")")) as $list |
	(if $list == "*" then [$rows[] | select(.set == $set and
		.peer == $g.who and .error == null) | .row]
		else $list | split(",") end) as $of |
	[$of[] as $op | $rows | ratio($set; $op; $g.who; $g.peer; $stat)] as $r |
	(if $r == [] or any($r[]; . == null) and $list != "*" then null
		else $r | map(select(. != null)) |
			if . == [] then null
			else map(log) | add / length | exp end
		end) as $x |
	{set: $set, row: $g.op, who: $g.who, peer: $g.peer,
		text: ((if $g.who == "vefs" then "" else "\($g.who): " end) +
			"geometric mean of " +
			(if $list == "*" then "all" else $list end)),
		in: "x \($g.peer | peer_name)", figure: ($x | tidy),
		limit: $g.limit,
		least: false,
		met: (if $x == null then null else $x <= $g.limit end)};

# All that one line of the goals asks, in all sets that it is about.
def check($rows; $goals; $g; $stat):
	# a set without WHO says nothing of it
	[$rows | map(select(.peer == $g.who) | .set) | unique[] |
		select(of_set($g))] |
	if . == [] then
		[checked([]; $g.set; $g; $g.op; $stat)]
	else
		map(. as $set |
			if $g.op | startswith("geomean(") then
				geomean($rows; $set; $g; $stat)
			elif $g.op == "*" then
				[$rows[] | select(.set == $set) | .row] |
				reduce .[] as $o ({}; .[$o] = 1) |
				keys_unsorted[] |
				select(named($goals; $g; .) | not) |
				checked($rows; $set; $g; .; $stat)
			else
				checked($rows; $set; $g; $g.op; $stat)
			end)
	end;

# ---- text ---------------------------------------------------------------------

def fixed($digits):
	(if . < 0 then "-" else "" end) as $sign | fabs |
	pow(10; $digits) as $p | (. * $p | round) as $n |
	($n / $p | floor | tostring) as $whole |
	if $digits == 0 then $sign + $whole
	else ($n % $p | tostring) as $part |
		"\($sign)\($whole)." +
		("000000"[:$digits - ($part | length)]) + $part
	end;

def number:
	if . == null then "–"
	elif fabs >= 100 or floor == . then fixed(0)
	elif fabs >= 10 then fixed(1)
	elif fabs >= 0.1 then fixed(2)
	else fixed(4) end;

def line_of: "\(.text): \(.figure | number) \(.in), goal " +
	(if .least then "at least " else "" end) + (.limit | tostring);
