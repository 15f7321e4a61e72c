# SPDX-License-Identifier: GPL-2.0-or-later
#
# A result file to the table of what the project promises: goal, the figure
# that comes closest to missing it or misses it most, met or not.
include "stat";

# How far from the limit: above 1 misses it.
def strain:
	if .figure == null then 0
	elif .least then .limit / ([.figure, 1e-9] | max)
	elif .limit == 0 then (if .figure > 0 then 1e9 else 0 end)
	else .figure / .limit end;

def verdict:
	(.checks | length) as $all |
	(.checks | map(select(.met == false)) | length) as $missed |
	(.checks | map(select(.met == null)) | length) as $untold |
	if $untold == $all then "not measured"
	elif $missed > 0 then "**no**, \($missed) of \($all) missed"
	elif $untold > 0 then "so far, \($untold) of \($all) not measured"
	else "yes" end;

"| goal | figure nearest to its limit | met? |", "|---|---|---|",
(.goals[] | (.checks | map(select(.figure != null)) | max_by(strain)) as $worst |
	"| \(.goal) | " + (if $worst == null then "–" else
		($worst | "\(.set): \(line_of)") end) + " | \(verdict) |"),
"",
(.goals[] | .checks[] | select(.met == false) | "- \(.set): \(line_of)")
