#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# quotacmd.sh - "vefs quota" and what vefs.conf says of it: a container that is
# mounted and one that is not, and what is refused.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "$0")/lib.sh"
# shellcheck source=tests/integration/lib_template.sh
. "$(dirname "$0")/lib_template.sh"

# Container 101 of a template with some users, to be mounted on $D/m.
container() {
	local src=$D/src

	mkdir -p "$src/etc"
	printf 'root:x:0:0::/:/bin/sh\nanna:x:1000:50::/:/bin/sh\n' \
		>"$src/etc/passwd"
	printf 'root:x:0:\nstaff:x:50:anna\n' >"$src/etc/group"
	vefs --quiet template import t:1 "$src"
	vefs --quiet create 101 --template t --target "$D/m" "$@"
	CONF=$D/store/containers/101/vefs.conf
	MDB=$D/store/containers/101/quota.mdb
	UPPER=$D/store/containers/101/upper
}

quota() {
	vefs quota "$@"
}

# expect EXPRESSION VALUE [ARGUMENT...]: of "show 101" in JSON
expect() {
	local at=$1 want=$2

	shift 2
	assert_eq "$want" "$(vefs --json quota show 101 "$@" 2>"$D/err" |
		json "$at")" "$at"
}

# limits RESOURCE SOFT HARD [ARGUMENT...]
limits() {
	local what=$1 soft=$2 hard=$3

	shift 3
	expect "['$what']['soft']" "$soft" "$@"
	expect "['$what']['hard']" "$hard" "$@"
}

# misused PATTERN ARGUMENT...: exit status 2 and a message like that
misused() {
	local pattern=$1

	shift
	usage_error quota "$@"
	grep -qE -e "$pattern" "$D/usage.out" ||
		fail "$*: told '$(cat "$D/usage.out")', not '$pattern'"
}

# A file of $1 bytes by user 1000, group 50
write_as_anna() {
	setpriv --reuid=1000 --regid=50 --clear-groups \
		dd if=/dev/zero of="$D/m/$2" bs=4096 count=$(($1 / 4096)) \
		2>"$D/dd.err"
}

# differs_now ARGUMENT...: a check that finds something
differs_now() {
	local status=0

	quota check 101 "$@" >"$D/drift" || status=$?
	assert_eq 1 "$status" "exit status of the check"
}

worker() {
	local keeper

	for keeper in $(pgrep -f "mount.vefs.*$D/m\$"); do
		pgrep -P "$keeper" && return
	done
}

t_not_mounted() {
	container --diskspace 10M:12M --diskinodes 1000
	grep -qx 'DISKSPACE="10240:12288"' "$CONF"
	grep -qx 'DISKINODES="1000:1000"' "$CONF"
	limits space 10485760 12582912
	limits inodes 1000 1000
	expect "['certain']" False
	quota show 101 2>"$D/err" >"$D/out"
	grep -q "not been counted" "$D/err"
	assert_absent "$MDB"
	quota set 101 --space 1G --inodes unlimited >"$D/out"
	grep -q 'space 1048576:1048576 KiB, inodes unlimited' "$D/out"
	grep -qx 'DISKSPACE="1048576:1048576"' "$CONF"
	grep -qx 'DISKINODES="unlimited:unlimited"' "$CONF"
	limits space 1073741824 1073741824
	limits inodes 0 0
	quota set 101 --user anna --space 5:unlimited
	limits space 5120 0 --user 1000
	quota set 101 --group 7 --inodes 0:9
	limits inodes 0 9 --group 7
	quota grace 101 --user --inodes 12:00 --space 1w
	quota grace 101 --space 01:00:00
	grep -qx 'QUOTATIME="3600:259200"' "$CONF"
	vefs --quiet mount 101
	limits space 5120 0 --user anna
	limits inodes 0 9 --group 7
	assert_eq "3600 259200 604800 720" "$(quota report 101 --format json |
		python3 -c 'import json, sys
g = json.load(sys.stdin)["grace"]
print(g["container"]["space"], g["container"]["inodes"], g["user"]["space"],
      g["user"]["inodes"])')"
	assert_eq 1048576 "$(df --output=size "$D/m" | tail -n 1 | tr -d ' ')"
	vefs --quiet umount 101
}

t_mounted() {
	container
	vefs --quiet mount 101
	mkdir -m 777 "$D/m/d"
	quota set 101 --space 8M --user staff --inodes 5 2>"$D/err" &&
		fail "a group is a user"
	grep -q "no user 'staff'" "$D/err"
	limits space 0 0
	quota set 101 --space 8M >"$D/out"
	grep -qx 'DISKSPACE="8192:8192"' "$CONF"
	! dd if=/dev/zero of="$D/m/big" bs=64k count=200 2>"$D/dd.err" ||
		fail "it worked"
	grep -q "No space left" "$D/dd.err"
	expect "['space']['over']" False
	rm "$D/m/big"
	quota set 101 --user anna --space 1M
	! write_as_anna 2097152 d/a || fail "it worked"
	grep -q "Disk quota exceeded" "$D/dd.err"
	assert_eq 1048576 "$(stat -c %s "$D/m/d/a")"
	quota set 101 --group staff --inodes 1
	! write_as_anna 0 d/b || fail "it worked"
	# more is there than may be: told, and done
	quota set 101 --user anna --space 100K:200K >"$D/out" 2>"$D/err"
	grep -q "anna: its space, 1024 KiB, is above the hard limit" "$D/err"
	quota report 101 --user >"$D/out"
	grep -qE '^anna +\+- +1024 +100 +200 +3days +[0-9]' "$D/out"
	grep -qE '^root +-- ' "$D/out"
	quota report 101 -n --group >"$D/out"
	grep -qE '^#50 +-- ' "$D/out"
	quota check 101
	vefs --quiet umount 101
	limits space 102400 204800 --user anna
	quota check 101
}

t_graces() {
	local soon

	container --diskspace 1K:10M
	vefs --quiet mount 101
	mkdir -m 777 "$D/m/d"
	quota show 101 >"$D/out"
	grep -qE '^  1k-blocks +[0-9]+\* +1 +10240 +3days$' "$D/out"
	quota set 101 --grace 1:00:00
	quota show 101 | grep -qE '\* +1 +10240 +0[01]:[0-9][0-9]$'
	# it is not the grace of others, nor of the next time
	quota grace 101 | grep -qE '^container +space 3days, inodes 3days$'
	quota set 101 --grace 0
	quota show 101 | grep -qE '\* +1 +10240 +3days$'
	soon=$(vefs --json quota show 101 | json "['space']['deadline']")
	[ "$soon" -gt "$(($(date +%s) + 259000))" ] || fail "deadline $soon"
	quota set 101 --user 1000 --space 100K
	refused "no grace runs" quota set 101 --user 1000 --grace 5
	misused "no time" set 101 --grace soon
	quota set 101 --quotatime 600
	grep -qx 'QUOTATIME="600"' "$CONF"
	quota grace 101 --container | grep -qE 'space 10min, inodes 10min$'
	# what is printed means the same when it is given
	for said in 1min 10s 90s 7days 1day 36h 0s; do
		quota grace 101 --user --space "$said"
		quota grace 101 --user | grep -q "^user .*space $said,"
	done
	quota grace 101 --user --space 90
	assert_eq 90 "$(vefs --json quota grace 101 |
		json '["grace"]["user"]["space"]')"
	assert_eq "['container']" "$(vefs --json quota grace 101 --container |
		python3 -c 'import json,sys; print(list(json.load(sys.stdin)["grace"]))')"
	vefs --quiet umount 101
}

t_formats() {
	container --diskspace 2097152:2306868 --diskinodes 131072:144179
	vefs --quiet mount 101
	quota grace 101 --space 1:00:00 --user
	mkdir -m 777 "$D/m/d"
	write_as_anna 8192 d/a
	quota set 101 --user anna --space 4K:1M
	quota show 101 | sed -E 's/ [ 0-9]{13}[0-9]  /             N   /; s/ +$//' \
		>"$D/out"
	diff - "$D/out" <<-'END'
		   resource          usage       softlimit      hardlimit    grace
		  1k-blocks             N          2097152        2306868
		     inodes             N           131072         144179
	END
	quota report 101 --format vzquota >"$D/out"
	sed 1,3d "$D/out" | grep -v ' inodes \|^0 \|^50 ' >"$D/rest"
	diff - "$D/rest" <<-'END'
		User/group quota: on,active
		Ugids: loaded 4, total 4, limit 4
		Ugid limit was exceeded: no

		User/group grace times and quotafile flags:
		 type block_exp_time inode_exp_time  dqi_flags
		 user          01:00          3days         0h
		group          3days          3days         0h

		User/group objects:
		ID           type  resource       usage   softlimit   hardlimit    grace status
		1000         user 1k-blocks           8           4        1024    01:00 loaded
	END
	assert_eq 8192 "$(vefs --json quota report 101 |
		json "['users'][1]['space']['usage']")"
	assert_eq anna "$(quota report 101 --format json |
		json "['users'][1]['name']")"
	quota report 101 --user >"$D/out"
	! grep -q "group quotas\|container quotas" "$D/out" || fail "all of it"
	misused "table, json and vzquota" report 101 --format yaml
	misused "one of them" report 101 --names -n
	vefs --quiet umount 101
}

t_watch() {
	local pid n=0

	container
	quota report 101 --watch 1 >"$D/out" 2>"$D/err" &
	pid=$!
	until [ "$(grep -c "for user quotas" "$D/out")" -ge 3 ]; do
		n=$((n + 1))
		[ "$n" -lt 300 ] || fail "no three reports in 30 s"
		sleep 0.1
	done
	kill -INT "$pid" 2>/dev/null || fail "it is gone"
	kill -TERM "$pid"
	! wait "$pid" || fail "it was not interrupted"
	misused "seconds, from 1" report 101 --watch=0
	misused "seconds, from 1" report 101 --watch often
	misused usage report 101 5
}

t_names() {
	container
	quota set 101 --user anna --space 1M
	# what the container changed counts, whether it is mounted or not
	vefs --quiet mount 101
	echo 'bert:x:2000:50::/:' >>"$D/m/etc/passwd"
	quota set 101 --user bert --space 1M
	vefs --quiet umount 101
	limits space 1048576 1048576 --user bert
	limits space 1048576 1048576 --user anna
	quota report 101 --user | grep -qE '^bert '
	refused "no group 'bert'" quota show 101 --group bert
	# its attributes alone
	vefs --quiet mount 101
	chmod 600 "$D/m/etc/group"
	vefs --quiet umount 101
	expect "['group']" 50 --group staff
	# removed
	vefs --quiet mount 101
	rm "$D/m/etc/group"
	refused "etc/group" quota show 101 --group staff
	vefs --quiet umount 101
	refused "etc/group.*a number will do" quota show 101 --group staff
	expect "['group']" 50 --group 50
}

# A container's links lead nowhere but into itself, and nothing hangs.
t_hostile_names() {
	container
	vefs --quiet mount 101
	for how in "ln -s /etc/passwd $D/m/etc/passwd" \
		"ln -s ../../../../../../../../../../etc/passwd $D/m/etc/passwd" \
		"ln -s /proc/self/root/etc/passwd $D/m/etc/passwd" \
		"mkfifo $D/m/etc/passwd" \
		"mkdir $D/m/etc/passwd" \
		"mknod $D/m/etc/passwd c 1 5" \
		"truncate -s 1G $D/m/etc/passwd"; do
		rm -rf "$D/m/etc/passwd"
		$how
		refused "etc/passwd" quota show 101 --user root
		quota report 101 >"$D/out"
		grep -qE '^#0 ' "$D/out"
		refused "etc/passwd" quota report 101 --names
	done
	rm "$D/m/etc/passwd"
	ln -s /etc/../../etc/real "$D/m/etc/passwd"
	printf 'evil\033[2J:x:0:\ncarl:x:77:\n' >"$D/m/etc/real"
	expect "['user']" 77 --user carl
	quota report 101 | grep -qF 'evil?[2J'
	vefs --quiet umount 101
	refused "cannot be told while it is not mounted.*vefs mount" \
		quota show 101 --user carl
	expect "['user']" 77 --user 77
}

t_vefs_conf() {
	container
	printf '# mine\nOTHER=x\nDISKSPACE="2048:4096" # by hand\n' >>"$CONF"
	echo 'QUOTAUGIDLIMIT="0"' >>"$CONF"
	limits space 2097152 4194304
	vefs --quiet mount 101
	limits space 2097152 4194304
	expect "['enforced']" False --user 0
	expect "['enforced']" True
	quota set 101 --diskspace 3M:4M --quotaugidlimit 100 >"$D/out"
	expect "['enforced']" True --user 0
	vefs --quiet umount 101
	assert_eq '# mine OTHER=x DISKSPACE="3072:4096" QUOTAUGIDLIMIT="100"' \
		"$(tail -n 4 "$CONF" | xargs -d '\n')"
	sed -i 's/^DISKSPACE.*/DISKSPACE="5M:6M"/' "$CONF"
	vefs --quiet mount 101
	limits space 5242880 6291456
	vefs --quiet umount 101
	for bad in DISKSPACE=0:0 DISKSPACE=2:1 DISKINODES=x QUOTATIME=1w \
		DISKSPACE=4P QUOTAUGIDLIMIT=-1 DISK_QUOTA=perhaps; do
		cp "$CONF" "$D/conf"
		echo "${bad%%=*}=\"${bad#*=}\"" >>"$CONF"
		refused "101: ${bad%%=*} in its vefs.conf" mount 101
		! findmnt "$D/m" >/dev/null || fail "it is mounted"
		[ "$bad" != DISKSPACE=0:0 ] || {
			grep -q 'write "unlimited"' "$D/refused.err"
			# the way out
			quota set 101 --space 7M >"$D/out"
			vefs --quiet mount 101
			limits space 7340032 7340032
			vefs --quiet umount 101
		}
		cp "$D/conf" "$CONF"
	done
}

t_on_off() {
	container --diskspace 1M
	vefs --quiet mount 101
	quota off 101
	dd if=/dev/zero of="$D/m/big" bs=64k count=32 2>"$D/dd.err"
	expect "['space']['over']" True
	quota set 101 --space 1M 2>"$D/err" >"$D/out"
	grep -q "limits of the container are off.*vefs quota on" "$D/err"
	quota show 101 2>&1 | grep -q "limits of the container are off"
	quota show 101 --user 0 2>&1 | grep -q "limits of users and groups are"
	quota on 101 --level 1
	! quota show 101 2>&1 | grep -q "limits of the container" ||
		fail "they are on"
	! dd if=/dev/zero of="$D/m/more" bs=4k count=1 2>"$D/dd.err" ||
		fail "it worked"
	expect "['enforced']" False --user 0
	grep -qx 'QUOTAUGIDLIMIT="0"' "$CONF"
	vefs --quiet umount 101
	expect "['enforced']" False --user 0
	expect "['enforced']" True
	quota off 101 --level 1
	vefs --quiet mount 101
	expect "['enforced']" False
	quota on 101
	expect "['enforced']" True
	expect "['enforced']" True --group 0
	misused "level" on 101 --level 3
	quota check 101
	vefs --quiet umount 101
}

t_no_quota() {
	container --diskspace 1M
	vefs --quiet mount 101
	quota set 101 --diskquota no 2>"$D/err"
	grep -q "next mount" "$D/err"
	refused "no quota .*vefs quota on 101" quota show 101
	vefs --quiet umount 101
	vefs --quiet mount 101
	dd if=/dev/zero of="$D/m/big" bs=64k count=32 2>"$D/dd.err"
	for what in "show 101" "set 101 --space 5M" "report 101" "check 101" \
		"grace 101" "off 101"; do
		# shellcheck disable=SC2086 # words
		refused "no quota .*vefs quota on 101" quota $what
	done
	grep -qx 'DISKSPACE="1024:1024"' "$CONF"
	quota on 101 2>"$D/err"
	grep -q "from the next mount on" "$D/err"
	refused "mounted without quota" quota show 101
	vefs --quiet umount 101
	# what it grew meanwhile counts
	vefs --quiet mount 101
	expect "['space']['over']" True
	! touch "$D/m/more" 2>/dev/null || fail "it worked"
	quota check 101
	vefs --quiet umount 101
}

t_check() {
	local status

	container
	vefs --quiet mount 101
	mkdir -m 777 "$D/m/d"
	write_as_anna 8192 d/a
	quota check 101
	vefs --quiet umount 101
	quota check 101 | grep -q "all is as it should be"
	# behind its back
	chown 2000 "$UPPER/d/a"
	differs_now
	assert_eq 2 "$(grep -c ^user "$D/drift")"
	grep -qE '^user +1000 +8192 +0 +1 +0$' "$D/drift"
	grep -qE '^user +2000 +0 +8192 +0 +1$' "$D/drift"
	differs_now --fix
	quota check 101
	ln "$UPPER/d/a" "$UPPER/d/b"
	rm -r "$UPPER/d"
	status=0
	vefs --json quota check 101 >"$D/drift" || status=$?
	assert_eq 1 "$status"
	assert_eq 5 "$(json "['drift'].__len__()" <"$D/drift")"
	differs_now --fix
	vefs --quiet mount 101
	quota check 101
	expect "['inodes']['usage']" 0 --user 2000
	vefs --quiet umount 101
}

t_bad_input() {
	local before

	container --diskspace 5M:6M
	vefs --quiet mount 101
	for n in 1 2; do
		before=$(md5sum "$CONF" "$MDB")
		misused "soft limit is above" set 101 --space 2:1
		misused "--inodes.*soft limit is above" set 101 --space 5 --inodes 5:4
		misused "no limit" set 101 --space lots
		misused "no limit" set 101 --space -1
		misused "no limit" set 101 --inodes 1K
		misused "no limit" set 101 --user anna --space 1:2:3
		misused "too large" set 101 --space 99999999999999999999
		misused "too large" set 101 --space 4096P
		misused "pages" set 101 --diskspace 5P
		misused "said twice" set 101 --space 1 --diskspace 1
		misused "for the container" set 101 --user anna --diskspace 1
		misused "one at a time" set 101 --user anna --group staff --space 1
		misused "nothing is to be set" set 101
		misused "nothing is to be set" set 101 --user anna
		misused "quotaugidlimit" set 101 --quotaugidlimit many
		misused "yes or no" set 101 --diskquota perhaps
		misused "no such option" set 101 --blocks 5
		misused "value is missing" set 101 --space
		misused usage set --space 5
		misused usage set 101 102 --space 5
		misused "no time" grace 101 --space 5x
		misused "too long" grace 101 --inodes 200y
		misused "no such command" frobnicate 101
		misused "between 101 and" show 5
		refused "no user 'nobody'" quota set 101 --user nobody --space 5
		refused "no such id" quota set 101 --user 4294967295 --space 5
		refused "no such id" quota set 101 --group 99999999999 --space 5
		refused "no container 102" quota show 102
		refused "no container 102" quota set 102 --space 5
		assert_eq "$before" "$(md5sum "$CONF" "$MDB")"
		[ "$n" = 2 ] || vefs --quiet umount 101
		# it is written a moment after
		quota check 101
	done
	limits space 5242880 6291456
	assert_eq 2 "$(vefs create 102 --template t --diskspace x 2>"$D/err" ||
		echo $?)"
	grep -q -e "--diskspace: 'x' is no limit" "$D/err"
	refused "no container 102" quota show 102
}

t_damaged_file() {
	container --diskspace 5M
	quota set 101 --user anna --space 1M
	vefs --quiet mount 101
	mkdir "$D/m/d"
	vefs --quiet umount 101
	quota check 101
	cp "$MDB" "$D/good"
	for how in "truncate -s 5000 $MDB" "cp /bin/true $MDB" ": >$MDB"; do
		cp "$D/good" "$MDB"
		eval "$how"
		for what in "show 101" "report 101" "check 101" "grace 101" \
			"set 101 --space 9M" "off 101" "grace 101 --space 5"; do
			cp "$MDB" "$D/before"
			# shellcheck disable=SC2086 # words
			refused "quota.mdb is damaged.*vefs quota check 101 --fix" \
				quota $what
			cmp "$MDB" "$D/before"
			grep -qx 'DISKSPACE="5120:5120"' "$CONF"
		done
		cp "$MDB" "$D/before"
		refused "is called quota.mdb.damaged-[0-9]+ now" \
			quota check 101 --fix
		cmp "$(find "$UPPER/.." -name 'quota.mdb.damaged-*' | sort -V |
			tail -n 1)" "$D/before"
		quota check 101
		limits space 5242880 5242880
		limits space 0 0 --user anna
	done
	# or the next mount
	truncate -s 5000 "$MDB"
	vefs --quiet mount 101 2>"$D/err"
	grep -q "quota.mdb was damaged.*counted anew" "$D/err"
	limits space 5242880 5242880
	expect "['enforced']" True
	expect "['enforced']" True --user 0
	quota check 101
	vefs --quiet umount 101
	# another container's
	vefs --quiet create 102 --template t
	cp "$MDB" "$D/store/containers/102/quota.mdb"
	refused "102: its quota.mdb is another container's" quota show 102
	refused "102: its quota.mdb is another container's" quota check 102 --fix
	refused "102: its quota.mdb is another container's" mount 102
	assert_absent "$D/store/containers/102/quota.mdb.damaged-1"
	rm "$D/store/containers/102/quota.mdb"
	vefs --quiet mount 102
	quota check 102
	vefs --quiet umount 102
}

t_locked() {
	local status=0

	container
	vefs --quiet mount 101
	exec 9<"$D/store/containers/101"
	flock 9
	quota show 101 >"$D/out"
	quota set 101 --space 5M 2>"$D/err" || status=$?
	assert_eq 9 "$status"
	grep -q "101 is locked" "$D/err"
	exec 9<&-
	vefs --quiet umount 101
	exec 9<"$D/store/containers/101"
	flock 9
	status=0
	quota show 101 2>"$D/err" || status=$?
	assert_eq 9 "$status"
	exec 9<&-
	limits space 0 0
}

# What was set and said "ok" is kept, and asking goes on.
t_worker_killed() {
	local pid

	container
	vefs --quiet mount 101
	for n in 1 2 3 4; do
		quota set 101 --space "${n}M" --inodes "${n}00" >"$D/out"
		quota set 101 --user anna --space "${n}K" >"$D/out"
		pid=$(worker)
		[ -n "$pid" ] || fail "no worker is found"
		kill -KILL "$pid"
		stat "$D/m/etc" >"$D/out"
		limits space "$((n * 1048576))" "$((n * 1048576))"
		limits space "$((n * 1024))" "$((n * 1024))" --user anna
	done
	"$VEFS_BIN/vefsd" --upgrade "$D/m"
	limits inodes 400 400
	quota check 101
	vefs --quiet umount 101
	limits inodes 400 400
}

run_all "$@"
