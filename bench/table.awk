# SPDX-License-Identifier: GPL-2.0-or-later
#
# Samples (JSON lines of "round", "peer", "op", "title", "unit" and the figure
# named by stat, or "error") to a Markdown table: the median over the rounds
# with half the range in percent of it, and the ratios of vefs to its peers.
# Ratios are taken within each round, where the peers ran side by side, and
# then their median; they count time, so below 1 is faster, for speeds too.
# With stat=best the best of all rounds counts, for the ratios as well.
#
# usage: awk -v peers="ext4 overlayfs" -v disk=ext4 -v set=micro -v stat=median \
#            -f table.awk goals.txt FILE

function field(line, name,    at, rest)
{
	at = index(line, "\"" name "\":")
	if (!at)
		return ""
	rest = substr(line, at + length(name) + 3)
	if (substr(rest, 1, 1) == "\"") {
		rest = substr(rest, 2)
		return substr(rest, 1, index(rest, "\"") - 1)
	}
	match(rest, /^[-+.eE0-9]+/)
	return substr(rest, 1, RLENGTH)
}

function sort(v, n,    i, j, x)
{
	for (i = 2; i <= n; i++) {
		x = v[i]
		for (j = i - 1; j >= 1 && v[j] > x; j--)
			v[j + 1] = v[j]
		v[j + 1] = x
	}
}

function middle(v, n)
{
	return n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2
}

# Of the sorted rounds: their median, or with stat=best the best one.
function chosen(v, n, op)
{
	if (stat == "best")
		return unit[op] == "MB/s" ? v[n] : v[1]
	return middle(v, n)
}

function number(x)
{
	if (x >= 100)
		return sprintf("%.0f", x)
	if (x >= 10)
		return sprintf("%.1f", x)
	return sprintf("%.2f", x)
}

# The values of one peer and operation, by round; how many there are.
function collect(peer, op, v,    r, n)
{
	for (r = 1; r <= rounds; r++) {
		if ((r, peer, op) in value)
			v[++n] = value[r, peer, op]
	}
	return n + 0
}

function cell(peer, op,    v, n, mid)
{
	if ((peer, op) in error)
		return error[peer, op]
	n = collect(peer, op, v)
	if (!n)
		return "–"
	sort(v, n)
	mid = chosen(v, n, op)
	if (n == 1 || mid <= 0)
		return number(mid)
	return number(mid) sprintf(" ±%.0f%%", 50 * (v[n] - v[1]) / mid)
}

function best_ratio(op, peer,    n, mine, other)
{
	n = collect("vefs", op, mine)
	sort(mine, n)
	mine[0] = n ? chosen(mine, n, op) : 0
	n = collect(peer, op, other)
	sort(other, n)
	other[0] = n ? chosen(other, n, op) : 0
	if (mine[0] <= 0 || other[0] <= 0)
		return 0
	return unit[op] == "MB/s" ? other[0] / mine[0] : mine[0] / other[0]
}

# How many times as long vefs takes as the peer; 0 when it cannot be said.
function ratio(op, peer,    r, n, v, mine, other)
{
	if (stat == "best")
		return best_ratio(op, peer)
	for (r = 1; r <= rounds; r++) {
		mine = value[r, "vefs", op] + 0
		other = value[r, peer, op] + 0
		if (mine <= 0 || other <= 0)
			continue
		v[++n] = unit[op] == "MB/s" ? other / mine : mine / other
	}
	if (!n)
		return 0
	sort(v, n)
	return middle(v, n)
}

function geomean(list, peer,    op, n, i, sum, x)
{
	n = split(list, op, ",")
	for (i = 1; i <= n; i++) {
		x = ratio(op[i], peer)
		if (!x)
			return 0
		sum += log(x)
	}
	return exp(sum / n)
}

# The disk itself is no rival, unless a goal names it.
function is_rival(peer)
{
	return peer in aimed || peer == "overlayfs" || peer == "fuse-overlayfs" ||
		peer == "before"
}

function ratio_cell(op, peer,    x)
{
	x = ratio(op, peer)
	return x ? number(x) : "–"
}

function verdict(text, peer, x, limit,    line)
{
	if (!x) {
		untold++
		return
	}
	total++
	if (x <= limit) {
		met++
		return
	}
	line = sprintf("- %s: %s %s, goal %s", text, number(x), peer, limit)
	missed = missed line "\n"
}

# What vefs itself is at, in the row's unit; a little more, as 0 is unknown.
function own(op,    n, v)
{
	n = collect("vefs", op, v)
	sort(v, n)
	return n ? chosen(v, n, op) + 1e-9 : 0
}

function check_own(op, of, limit,    x, other)
{
	x = own(op)
	if (of == "-") {
		verdict(title[op], unit[op], x, limit)
		return
	}
	other = own(substr(of, 2))
	verdict(title[op], "x " title[substr(of, 2)], other ? x / other : 0,
		limit)
}

function check_goal(op, peer, limit,    i, list)
{
	if (peer == "-" || peer ~ /^@/) {
		check_own(op, peer, limit)
	} else if (op == "*") {
		for (i = 1; i <= nops; i++) {
			if (!((ops[i], peer) in named))
				verdict(title[ops[i]], "x " peer,
					ratio(ops[i], peer), limit)
		}
	} else if (op ~ /^geomean\(/) {
		list = op
		sub(/^geomean\(/, "", list)
		sub(/\)$/, "", list)
		verdict("geometric mean of " list, "x " peer,
			geomean(list, peer), limit)
	} else {
		verdict(title[op] ? title[op] : op, "x " peer,
			ratio(op, peer), limit)
	}
}

FNR == NR {
	if ($1 == set && NF == 4) {
		ngoals++
		who = $3 == "plain" ? disk : $3
		goal_op[ngoals] = $2
		goal_peer[ngoals] = who
		goal_limit[ngoals] = $4
		named[$2, who] = 1
		aimed[who] = 1
	}
	next
}

{
	op = field($0, "op")
	peer = field($0, "peer")
	round = field($0, "round") + 0
	if (op == "")
		next
	if (!(op in unit)) {
		ops[++nops] = op
		unit[op] = field($0, "unit")
		title[op] = field($0, "title")
	}
	if (round > rounds)
		rounds = round
	if (field($0, "error") != "")
		error[peer, op] = field($0, "error")
	else
		value[round, peer, op] = field($0, field($0, stat) == "" ? \
			"median" : stat) + 0
}

END {
	npeers = split(peers, peer_of, " ")
	for (i = 1; i <= npeers; i++)
		have[peer_of[i]] = 1
	head = "| operation | unit |"
	rule = "|---|---|"
	for (i = 1; i <= npeers; i++) {
		head = head " " peer_of[i] " |"
		rule = rule "---:|"
	}
	for (i = 1; i <= npeers; i++) {
		if (is_rival(peer_of[i])) {
			head = head " vefs / " peer_of[i] " |"
			rule = rule "---:|"
		}
	}
	print head
	print rule
	for (i = 1; i <= nops; i++) {
		line = "| " title[ops[i]] " | " unit[ops[i]] " |"
		for (j = 1; j <= npeers; j++)
			line = line " " cell(peer_of[j], ops[i]) " |"
		for (j = 1; j <= npeers; j++)
			if (is_rival(peer_of[j]))
				line = line " " ratio_cell(ops[i], \
					peer_of[j]) " |"
		print line
	}
	printf "\n%s of %d rounds, ± half the range.\n", \
		stat == "best" ? "Best" : "Medians", rounds
	if (!("vefs" in have))
		exit
	for (i = 1; i <= ngoals; i++)
		check_goal(goal_op[i], goal_peer[i], goal_limit[i])
	printf "\nGoals: %d of %d met%s\n", met, total,
		untold ? sprintf(", %d not measured", untold) : ""
	printf "%s", missed
}
