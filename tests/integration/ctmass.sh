#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# ctmass.sh - many containers at a time, those that start with the host,
# scripts around a container; and the words that bash completes.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/integration/lib_template.sh
. "$(dirname "$0")/lib_template.sh"

IDS='101 102 103 104 105 106 107 108'

stop_all() {
	local id

	rm -rf "${S:?}/etc"
	vefs --quiet stop --all --fast
	for id in $(vefs list -aHo ctid,status | awk '$2 == "mounted" { print $1 }')
	do
		vefs --quiet umount "$id"
	done
}

# Containers with a busybox, which all have one first process: it ends when it
# is asked to.
make_all() {
	local r=$D/src name id

	need busybox
	! ldd "$(command -v busybox)" >"$D/said" 2>&1 ||
		skip "busybox is not static"
	mkdir -p "$r"/{bin,dev,proc,sys,tmp,etc,run}
	cp "$(command -v busybox)" "$r/bin/busybox"
	for name in sh cat hostname sleep head yes; do
		ln -s busybox "$r/bin/$name"
	done
	put "$r/bin/first" "#!/bin/sh
trap 'exit 0' TERM
while :; do
	sleep 1000 &
	wait
done
"
	chmod 755 "$r/bin/first"
	vefs --quiet template import b:1 "$r"
	for id in ${1:-$IDS}; do
		vefs --quiet create "$id" --template b --init /bin/first
	done
	trap stop_all EXIT
}

# status_is STATUS ARGUMENT...: of vefs; what it said is in said and told
status_is() {
	local want=$1 status=0

	shift
	vefs "$@" >"$D/said" 2>"$D/told" || status=$?
	[ "$status" = "$want" ] ||
		fail "exit status $status, not $want: $* $(cat "$D/told")"
}

said() {
	sort "$D/said" | paste -sd' '
}

told() {
	grep -qxF -e "$1" "$D/told" || fail "told '$(cat "$D/told")', not '$1'"
}

# those that run
up() {
	vefs list -1 | xargs
}

# How many containers of this store have groups.
with_groups() {
	local name n=0

	while read -r name; do
		[ -z "$(find /sys/fs/cgroup -maxdepth 3 -path "*/vefs/$name")" ] ||
			n=$((n + 1))
	done < <(sed -n 's/^GROUP="\(.*\)"/\1/p' "$S"/containers/*/run/state)
	echo "$n"
}

nothing_is_left() {
	assert_eq "" "$(up)"
	assert_eq "" "$(findmnt -rno TARGET | sed -n "\\|^$D/|p")"
	assert_eq 0 "$(with_groups)"
}

t_all() {
	make_all
	status_is 0 start --all
	told "vefs: start: 8 of 8 succeeded"
	assert_eq "$IDS" "$(up)"
	assert_eq 8 "$(with_groups)"
	status_is 0 start --all
	told "vefs: there is no container to start"
	status_is 0 exec --all hostname
	assert_eq "101: 101 102: 102 103: 103 104: 104 105: 105 106: 106 107: 107 108: 108" \
		"$(said)"
	status_is 0 exec --match '10[2-4]' -- 'echo a; echo b >&2'
	assert_eq "102: a 103: a 104: a" "$(said)"
	assert_eq "102: b 103: b 104: b" \
		"$(grep : "$D/told" | grep -v ^vefs: | sort | paste -sd' ')"
	status_is 0 suspend 101,103 105
	assert_eq "101 103 105" "$(vefs --json status --all | python3 -c \
		'import json, sys; print(*[c["ctid"] for c in json.load(sys.stdin) if c["suspended"]])')"
	status_is 0 exec --all hostname
	assert_eq "102: 102 104: 104 106: 106 107: 107 108: 108" "$(said)"
	status_is 0 resume --all
	assert_eq 3 "$(wc -l <"$D/said")"
	status_is 0 set --all --numproc 40
	assert_eq "40 40 40 40 40 40 40 40" "$(vefs list -Ho numproc.l | xargs)"
	status_is 0 set --match 107 --name web --save
	status_is 0 exec --match 'w*' 'echo $((6 * 7))'
	assert_eq "107: 42" "$(said)"
	status_is 0 restart --match '10[12]'
	assert_eq "$IDS" "$(up)"
	status_is 0 status 101 102 web
	assert_eq 3 "$(grep -c 'exist mounted running' "$D/said")"
	status_is 0 stop 101,web 108
	assert_eq "102 103 104 105 106" "$(up)"
	status_is 0 stop --all
	told "vefs: stop: 5 of 5 succeeded"
	nothing_is_left
}

# Also where others have copied the mounts of the host meanwhile.
t_gone_at_once() {
	local id

	make_all
	vefs --quiet start --all
	unshare --mount --propagation private sleep 600 &
	until [ "$(readlink "/proc/$!/exe")" = "$(readlink -f "$(command -v sleep)")" ]
	do
		sleep 0.01
	done
	status_is 0 stop --all
	for id in $IDS; do
		status_is 0 destroy "$id"
	done
	kill $!
	assert_eq "" "$(find "$S/containers" "$S/root" -name '10*')"
}

t_codes() {
	make_all "101 102 103 104"
	vefs --quiet start --all
	status_is 1 exec2 --all 'case $(hostname) in
		101) exit 3;; 102) kill -9 $$;; 103) exit 3;; esac'
	told "vefs: exec2: 1 of 4 succeeded"
	told "vefs: 2 with exit status 3: 101 103"
	told "vefs: 1 with exit status 137: 102"
	status_is 1 exec 101,104 'exit $(($(hostname) == 101))'
	told "vefs: 1 with exit status 8: 101"
	status_is 3 exec2 101 'exit 3'
	status_is 1 start 101 102
	told "vefs: 2 with exit status 32: 101 102"
	vefs --quiet stop 103
	status_is 1 stop 103 104
	told "vefs: 1 with exit status 31: 103"
	status_is 1 start nosuch 104
	told "vefs: 1 with exit status 1: nosuch"
	status_is 1 --json exec2 --all 'printf "\377x"; echo e >&2; exit 4'
	assert_eq "3 101 4 True" "$(python3 -c 'import json, sys
all = json.load(sys.stdin)
one = all[0]
print(len(all), one["ctid"], one["exit"],
      one["stdout"] == "\ufffdx" and one["stderr"] == "e\n")' <"$D/said")"
}

# Much of it, long lines, no newline at the end, and one that goes on.
t_output() {
	make_all "101 102"
	vefs --quiet start --all
	status_is 0 exec --all 'printf "no newline"'
	assert_eq "101: no newline 102: no newline" "$(said)"
	status_is 0 exec --all 'head -c 3000000 /dev/zero | cat'
	assert_le 6000000 "$(tr -dc '\0' <"$D/said" | wc -c)"
	status_is 0 exec --all 'sleep 1000 & echo begun'
	assert_eq "101: begun 102: begun" "$(said)"
	vefs exec --all 'echo hello' >/dev/full 2>"$D/told" && fail "it worked"
	grep -q "writing what they said: No space left" "$D/told"
	printf 'x=$(hostname)\necho "$x" $0\n' | vefs --quiet exec --all - \
		>"$D/said"
	assert_eq "101: 101 /bin/sh 102: 102 /bin/sh" "$(said)"
}

t_usage() {
	local id

	make_all "101 102"
	for id in "" "--all 101" "--match 1* 101" "101, 102" "1" "--width 0 --all" \
		"--width x --all" "--timeout 5 101" "--wait --timeout x 101"; do
		# shellcheck disable=SC2086 # words
		status_is 2 start $id
	done
	status_is 2 exec --all
	status_is 2 exec 101
	status_is 2 set --all
	status_is 1 start --match 'x*'
	told "vefs: no container is like 'x*': 'vefs list -a' shows which there are"
	assert_eq "" "$(up)"
	status_is 0 exec --all hostname
	told "vefs: there is no container to exec"
	status_is 0 --json exec --all hostname
	assert_eq "[]" "$(cat "$D/said")"
}

# script NAME LINE...: of this store, run by the host
script() {
	mkdir -p "$S/etc"
	printf '%s\n' '#!/bin/sh' "${@:2}" >"$S/etc/$1"
	chmod 755 "$S/etc/$1"
}

t_width() {
	make_all
	mkdir "$D/now"
	script vps.premount "mkdir $D/now/\$VEID; ls $D/now | wc -l >>$D/seen" \
		"sleep 0.1; rmdir $D/now/\$VEID"
	status_is 0 start --all --width 3
	assert_eq 8 "$(wc -l <"$D/seen")"
	assert_le "$(sort -n "$D/seen" | tail -n 1)" 3
	rm "$D/seen"
	status_is 0 stop --all --fast
	status_is 0 start --all --width 1
	assert_eq "1 1 1 1 1 1 1 1" "$(xargs <"$D/seen")"
}

t_interrupted() {
	local pid status=0

	make_all
	vefs --quiet start --all
	: >"$D/said"
	"$VEFS_BIN/vefs" --root "$S" exec2 --all --width 2 \
		'echo begun; exec sleep 1000' >"$D/said" 2>"$D/told" &
	pid=$!
	for _ in {1..500}; do
		[ "$(wc -l <"$D/said")" != 2 ] || break
		sleep 0.02
	done
	kill -TERM "$pid"
	wait "$pid" || status=$?
	assert_eq 143 "$status"
	assert_eq "101: begun 102: begun" "$(said)"
	told "vefs: 6 not begun: 103 104 105 106 107 108"
	told "vefs: 2 with exit status 143: 101 102"
}

t_onboot() {
	make_all
	script vps.mount "echo \$VEID >>$D/order"
	script vps.umount "echo \$VEID >>$D/order"
	vefs --quiet set 103,105,107,108 --onboot yes --save
	vefs --quiet set 107 --bootorder 7 --save
	vefs --quiet set 105 --bootorder 70 --save
	vefs --quiet set 102,108 --disabled yes --save
	status_is 0 start --onboot --width 1
	assert_eq "105 107 103" "$(xargs <"$D/order")"
	rm "$D/order"
	status_is 0 stop --all --width 1
	assert_eq "103 107 105" "$(xargs <"$D/order")"
	status_is 1 start 102
	grep -q 'DISABLED' "$D/told" || fail "told $(cat "$D/told")"
	status_is 1 restart 102
	assert_eq "" "$(up)"
	status_is 0 start 102 --force
	status_is 0 start --all
	assert_eq "101 102 103 104 105 106 107" "$(up)"
}

log_scripts() {
	local of when

	for of in vps 101; do
		for when in premount mount umount postumount; do
			script "$of.$when" \
				"[ \$VE_ROOT = $S/root/101 ] && [ -f \$VE_CONFFILE ] || exit 9" \
				"echo $of.$when \$(mountpoint -q \$VE_ROOT && echo mounted) >>$D/log" \
				"[ ! -e $D/fail.$of.$when ]"
		done
	done
}

log() {
	[ ! -e "$D/log" ] || paste -sd, "$D/log"
	rm -f "$D/log"
}

PRE='vps.premount,101.premount'
MNT='vps.mount mounted,101.mount mounted'
UMNT='vps.umount mounted,101.umount mounted'
POST='vps.postumount,101.postumount'

t_scripts_of_mount() {
	local one

	make_all "101 102"
	log_scripts
	vefs --quiet mount 101
	assert_eq "$PRE,$MNT" "$(log)"
	vefs --quiet umount 101
	assert_eq "$UMNT,$POST" "$(log)"
	for one in "vps.premount|vps.premount" "101.premount|$PRE" \
		"vps.mount|$PRE,${MNT%,*},$POST" "101.mount|$PRE,$MNT,$POST"; do
		: >"$D/fail.${one%%|*}"
		refused "${one%%|*}: exit status 1" mount 101
		assert_eq "${one#*|}" "$(log)" "$one"
		refused "is not mounted" umount 101
		refused "${one%%|*}: exit status 1" start 101
		assert_eq "${one#*|}" "$(log)" "$one"
		assert_eq "CTID 101 exist unmounted down" "$(vefs status 101)"
		rm "$D/fail.${one%%|*}"
	done
	for one in "vps.umount|${UMNT%,*}" "101.umount|$UMNT"; do
		vefs --quiet mount 101
		log
		: >"$D/fail.${one%%|*}"
		refused "${one%%|*}: exit status 1" umount 101
		assert_eq "${one#*|}" "$(log)" "$one"
		assert_eq "CTID 101 exist mounted down" "$(vefs status 101)"
		rm "$D/fail.${one%%|*}"
		vefs --quiet umount 101
		log
	done
	: >"$D/fail.101.postumount"
	vefs --quiet mount 101
	refused "101.postumount: exit status 1" umount 101
	assert_eq "CTID 101 exist unmounted down" "$(vefs status 101)"
}

t_scripts_of_start() {
	make_all "101 102"
	log_scripts
	put "$S/etc/101.start" 'hostname >/tmp/started; echo $$ >>/tmp/started'
	put "$S/etc/101.stop" 'cat /tmp/started >/tmp/stopped'
	vefs --quiet start 101
	assert_eq "$PRE,$MNT" "$(log)"
	assert_eq 101 "$(vefs exec 101 head -n 1 /tmp/started)"
	vefs --quiet stop 101
	assert_eq "$UMNT,$POST" "$(log)"
	assert_eq 101 "$(head -n 1 "$S/containers/101/upper/tmp/stopped")"
	# all is undone
	put "$S/etc/101.start" 'exit 7'
	refused "101.start: exit status 7" start 101
	assert_eq "$PRE,$MNT,$UMNT,$POST" "$(log)"
	assert_eq "CTID 101 exist unmounted down" "$(vefs status 101)"
	rm "$S/etc/101.start"
	# it ends, and stays mounted
	vefs --quiet start 101
	: >"$D/fail.vps.umount"
	status_is 33 stop 101
	grep -q 'vps.umount: exit status 1' "$D/told" ||
		fail "told $(cat "$D/told")"
	assert_eq "CTID 101 exist mounted down" "$(vefs status 101)"
	rm "$D/fail.vps.umount"
	vefs --quiet start 101
	vefs --quiet stop 101 --fast
	assert_eq "CTID 101 exist unmounted down" "$(vefs status 101)"
}

# offered WORD...: what bash would offer for the last of them
offered() {
	COMP_WORDS=("$VEFS_BIN/vefs" "$@") COMP_CWORD=$# COMPREPLY=() \
		VEFS_ROOT=$S bash -c '. "$1"; shift
		COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
		_vefs
		echo "${COMPREPLY[*]}"' - \
		"$LIB_ROOT/tools/vefs.bash-completion" "$VEFS_BIN/vefs" "$@"
}

# The commands that a help names.
commands_of() {
	vefs "$@" --help | sed -n '/^Commands:/,/^$/s/^  \([^ ]*\) .*/\1/p' |
		xargs
}

# The long options that a help has at the beginning of a line.
options_of() {
	vefs "$@" --help | sed -nE 's/^  (-., )?--([a-z_-]+).*/--\2/p' | sort -u
}

t_completion() {
	local command option

	make_all "101 102"
	vefs --quiet set 102 --name web --save
	[ "$(commands_of | wc -w)" -gt 20 ] || fail "no commands: $(commands_of)"
	assert_eq "$(commands_of)" "$(offered "")"
	for command in template quota; do
		assert_eq "$(commands_of "$command")" "$(offered "$command" "")"
	done
	for command in $(commands_of); do
		# run takes create's
		[ "$command" != run ] || continue
		for option in $(options_of "$command"); do
			[[ " $(offered "$command" "$option") " == *" $option "* ]] ||
				fail "$command: $option is not offered"
		done
	done
	assert_eq "101 102 web" "$(offered start "")"
	assert_eq "101 102" "$(offered stop --timeout 5 1)"
	assert_eq b "$(offered create 103 --template "")"
	assert_eq b "$(offered create 103 --template = b)"
	assert_eq "" "$(offered stop --timeout "")"
	assert_eq "101,web" "$(offered exec 101,w)"
	assert_eq "b" "$(offered --root "$S" run "")"
}

run_all "$@"
