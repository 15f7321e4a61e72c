#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# soak.sh - the load of ns.sh in rounds, for an hour, on one mount. After each
# round the kernel is made to forget, and what the daemon holds is written
# down: it must not grow. Prints the table.
#
# DURATION=3600		seconds
# ROUND=60		seconds of load in a round
# SEED=N
# timeout: 7200
cd "$(dirname "$0")" || exit 1
# shellcheck source=tests/stress/lib.sh
. ./lib.sh

DURATION=${DURATION:-3600}
ROUND=${ROUND:-60}
SEED=${SEED:-$(date +%s)}
# How much more than after the first round may be held: descriptors, KiB.
FDS_MORE=128
TABLE_MORE=512
PSS_MORE=3072

# Fails the run when a sample is too far above the first.
judge()
{
	local what=$1 first=$2 most=$3 bound=$4

	if [ "$most" -le $((first + bound)) ]; then
		st_ok "$what # $first after the first round, $most at most"
	else
		st_not_ok "$what - $most, $first after the first round"
	fi
}

max()
{
	if [ "$1" -gt "$2" ]; then echo "$1"; else echo "$2"; fi
}

st_begin
echo "# SEED=$SEED DURATION=$DURATION"
[ "$ROUND" -le "$DURATION" ] || ROUND=$DURATION
st_dmesg_begin
mkdir "$W/lower"
"$NS" init "$W/lower" "$W/state" "$SEED" || exit 1
cp "$W/state" "$W/state.lower"
st_mount "$W/lower" "$W/upper" || {
	st_not_ok mount
	exit 1
}
printf '# %5s %7s %5s %7s %9s %9s\n' round seconds fds threads table-KiB PSS-KiB
printf '# %5s %7s %5s %7s %9s %9s\n' start 0 "$(st_fds)" "$(st_threads)" \
	"$(st_table)" "$(st_pss)"

began=$SECONDS round=0
fds1=0 table1=0 pss1=0 threads1=0 fds2=0 table2=0 pss2=0 threads2=0
while [ $((SECONDS - began)) -lt "$DURATION" ]; do
	round=$((round + 1))
	if ! out=$(timeout $((ROUND + 60 * VEFS_SLOW)) "$NS" run "$M" \
		"$W/state" $((SEED + round)) "$ROUND" 2>&1) ||
		! out=$("$NS" check "$M" "$W/state" 2>&1); then
		st_not_ok "round-$round - $(tail -n 3 <<<"$out" | paste -sd' ')"
		exit 1
	fi
	st_forget
	fds=$(st_fds) threads=$(st_threads) table=$(st_table) pss=$(st_pss)
	printf '# %5d %7d %5d %7d %9d %9d\n' "$round" $((SECONDS - began)) \
		"$fds" "$threads" "$table" "$pss"
	if [ "$round" -eq 1 ]; then
		fds1=$fds threads1=$threads table1=$table pss1=$pss
	fi
	fds2=$(max "$fds" "$fds2") threads2=$(max "$threads" "$threads2")
	table2=$(max "$table" "$table2") pss2=$(max "$pss" "$pss2")
done
st_ok "$round-rounds"
judge fds "$fds1" "$fds2" "$FDS_MORE"
judge threads "$threads1" "$threads2" 0
judge table "$table1" "$table2" "$TABLE_MORE"
if [ "$D" = opt ]; then
	judge memory "$pss1" "$pss2" "$PSS_MORE"
else
	st_skip "memory # a sanitizer keeps memory"
fi
if st_umount; then st_ok unmount; else st_not_ok unmount; fi
if out=$("$NS" check "$W/lower" "$W/state.lower" 2>&1); then
	st_ok lower-unchanged
else
	st_not_ok "lower-unchanged - $out"
fi
said=$(st_dmesg_new)
if [ -z "$said" ]; then
	st_ok kernel-silent
else
	st_not_ok "kernel-silent - $(head -n 1 <<<"$said")"
fi
[ "$FAILED" -eq 0 ]
