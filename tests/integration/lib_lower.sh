# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# lib_lower.sh - VEFS_LOWER=template: the bottom lower directory of a mount as
# a template. Sourced by lib.sh and by stress/lib.sh, which set VEFS_BIN,
# VEFS_SLOW, VEFS_LOWER and LOWER_AT, the directory for the store.

# Everything by which a tree shows that it has changed; looked at through a
# mount of its own where one may say noatime (not in a user namespace), because
# looking would change when it was last read.
print_of() {
	local view=$LOWER_AT/lower.view seen=$LOWER_AT/lower.view

	mkdir -p "$view"
	mount --bind -o noatime "$1" "$view" 2>/dev/null || seen=$1
	find "$seen" -printf '%P %D %i %y %m %U %G %n %s %T@ %C@\n' | sort |
		md5sum | cut -c-32
	! mountpoint -q "$view" || umount "$view"
}

# template_of DIRECTORY: what to mount instead of it. It is taken in again, as
# a version of its own, when it has changed since.
template_of() {
	local name number=0 had='' now seen

	name=l$(printf '%s' "$1" | md5sum | cut -c-12)
	seen=$LOWER_AT/lower.$name
	[ ! -f "$seen" ] || read -r number had <"$seen"
	now=$(print_of "$1") || return
	if [ "$now" != "$had" ]; then
		number=$((number + 1))
		timeout $((60 * VEFS_SLOW)) "$VEFS_BIN/vefs" --quiet --root \
			"$LOWER_AT/lower.store" template import --no-sync \
			--format dir "$name:$number" "$1" >&2 || return
		echo "$number $now" >"$seen"
	fi
	echo "template=$name:$number,store=$LOWER_AT/lower.store"
}

# lower_opts OPTIONS: with VEFS_LOWER=template, the bottom lower directory as a
# template. What mounts one already, or no directory at all, stays as it is.
lower_opts() {
	local opts=$1 list bottom above

	case $VEFS_LOWER,$opts in
	template,*template=*) ;;
	template,lowerdir=* | template,*,lowerdir=*)
		list=${opts##*lowerdir=}
		list=${list%%,*}
		bottom=${list##*:}
		above=${list%"$bottom"}
		if [ -d "$bottom" ]; then
			above=${above:+lowerdir=${above%:},}
			bottom=$(template_of "$bottom") || return
			opts=${opts/"lowerdir=$list"/"$above$bottom"}
		fi
		;;
	esac
	echo "$opts"
}
