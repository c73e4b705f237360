# lib.sh - what the end-to-end suites share; read by ". tests/e2e/lib.sh"
#
# Each suite works in a directory of its own ($work), with a store and a
# mount point that are gone when it ends, whatever happens.  Results are
# TAP: "check NAME COMMAND..." runs a command, "is NAME GOT WANT" compares,
# "skip NAME REASON" says why not, "finish" closes.
#
# PLAIN=1 puts a plain directory in the place of the mount: what fails
# there is the suite's mistake.  VFSD_FULL=1 asks for the long form.

set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
bin=${BIN:-$here/../../build/bin}
bin=$(realpath "$bin")
# as make knows it: dependencies are by name
build=$(realpath --relative-to="$here/../.." "$bin/..")
vfsd=$bin/vfsd
vfsctl=$bin/vfsctl
probe=$bin/probe
full=${VFSD_FULL:-}
plain=${PLAIN:-}
work=$(mktemp -d "${TMPDIR:-/tmp}/vfsd-e2e.XXXXXX") || exit 1
chmod 755 "$work"
store=$work/store
mnt=$work/mnt
log=$work/log
daemon=
tests=0 failures=0
undo=()

# Run at the end, last one first.
at_end() {
	undo+=("$*")
}

unmount_all() {
	local m
	# deepest first; only what lies in our own directory
	awk -v w="$work/" 'index($5, w) == 1 { print $5 }' \
	    /proc/self/mountinfo | sort -r | while read -r m; do
		umount "$m" 2>/dev/null || fusermount3 -u "$m" 2>/dev/null ||
		    umount -l "$m" 2>/dev/null || fusermount3 -uz "$m"
	done
}

cleanup() {
	local i
	cd /
	for ((i = ${#undo[@]} - 1; i >= 0; i--)); do
		eval "${undo[i]}"
	done
	unmount_all
	[ "$daemon" ] && kill -9 "$daemon" 2>/dev/null
	if [ "${KEEP:-}" ]; then
		echo "# kept: $work"
	else
		rm -rf "$work"
	fi
}
trap cleanup EXIT
trap 'exit 1' INT TERM HUP

check() {	# NAME COMMAND...
	local name=$1
	shift
	tests=$((tests + 1))
	if "$@" >"$log" 2>&1; then
		echo "ok $tests - $name"
		return 0
	fi
	failures=$((failures + 1))
	echo "not ok $tests - $name"
	tail -n 15 "$log" | sed 's/^/# /'
	return 1
}

refuse() {	# NAME COMMAND...: it must fail
	local name=$1
	shift
	check "$name" not "$@"
}

not() {
	! "$@"
}

is() {		# NAME GOT WANT
	tests=$((tests + 1))
	if [ "$2" = "$3" ]; then
		echo "ok $tests - $1"
		return 0
	fi
	failures=$((failures + 1))
	echo "not ok $tests - $1"
	echo "# got  '${2:0:300}'"
	echo "# want '${3:0:300}'"
	return 1
}

at_most() {	# NAME GOT LIMIT
	tests=$((tests + 1))
	if [ -n "$2" ] && [ "$2" -le "$3" ]; then
		echo "ok $tests - $1 ($2, at most $3)"
		return 0
	fi
	failures=$((failures + 1))
	echo "not ok $tests - $1: $2, at most $3"
}

skip() {	# NAME REASON
	tests=$((tests + 1))
	echo "ok $tests - $1 # SKIP $2"
}

finish() {
	echo "1..$tests"
	exit $((failures > 0))
}

is_mounted() {	# [DIR]
	awk -v m="${1:-$mnt}" '$5 == m { f = 1 } END { exit !f }' \
	    /proc/self/mountinfo
}

# Start a daemon that stays our child; returns when the mount answers.
mount_store() {	# [vfsd options]
	local i
	mkdir -p "$mnt" 2>/dev/null
	if [ "$plain" ]; then
		return 0
	fi
	"$vfsd" -f "$@" "$store" "$mnt" 2>>"$work/daemon.log" &
	daemon=$!
	for ((i = 0; i < 1000; i++)); do
		[ "$(stat -f -c %t "$mnt" 2>/dev/null)" = 65735546 ] &&
		    return 0
		kill -0 "$daemon" 2>/dev/null || break
		sleep 0.02
	done
	echo "# vfsd did not mount:"
	tail -n 5 "$work/daemon.log" | sed 's/^/# /'
	return 1
}

# From here on an ordinary user mounts, and "${user[@]}" COMMAND asks as him.
user=()
become_user() {
	[ "$plain" ] && return 1
	[ "$(id -u)" = 0 ] || return 0
	command -v setpriv >/dev/null || return 1
	at_end "chmod $(stat -c %a /dev/fuse) /dev/fuse"
	chmod 666 /dev/fuse
	mkdir "$work/user" "$work/user/mnt"
	cp "$bin/vfsd" "$bin/posix-run" "$bin/vfsctl" "$work/user"
	chown -R 1000:1000 "$work/user"
	bin=$work/user vfsctl=$work/user/vfsctl
	store=$work/user/store mnt=$work/user/mnt
	user=(setpriv --reuid 1000 --regid 1000 --groups 2000
	    env PATH=/usr/bin:/bin)
	mount_store() {
		"${user[@]}" "$bin/vfsd" "$@" "$store" "$mnt"
	}
	unmount_store() {
		"${user[@]}" fusermount3 -u "$mnt" && sleep 1
	}
}

# Unmount and wait until the store is closed; its exit status.
unmount_store() {
	local rc
	[ "$plain" ] && return 0
	umount "$mnt" 2>/dev/null || fusermount3 -u "$mnt" || return 1
	wait "$daemon"
	rc=$?
	daemon=
	return $rc
}

# kill -9, as a crash of the daemon would be, and the dead mount stays.
kill_daemon() {
	[ "$plain" ] && return 0
	# launcher and server at once, or the launcher would unmount
	local all c
	all="$daemon $(pgrep -P "$daemon" | tr '\n' ' ')"
	# shellcheck disable=SC2086
	kill -9 $all
	wait "$daemon" 2>/dev/null
	for c in $all; do
		while grep -q '^State:.[^Z]' "/proc/$c/status" 2>/dev/null; do
			sleep 0.01
		done
	done
	daemon=
	return 0
}

remount() {	# [vfsd options]
	unmount_store && mount_store "$@"
}

store_is_clean() {
	if [ "$plain" ]; then
		return 0
	fi
	"$vfsctl" check "$store"
}

# Everything that stat tells about a tree, and its contents.
manifest() {	# DIR
	(cd "$1" && find . -mindepth 1 \
	    \( -type d -printf '%P d %m %U %G %T@ %n\n' \) -o \
	    \( -type l -printf '%P l %U %G %T@ %l\n' \) -o \
	    -printf '%P %y %m %U %G %s %T@ %n\n' | LC_ALL=C sort
	find . -type f -print0 | LC_ALL=C sort -z | xargs -0 -r md5sum)
}

same_tree() {	# A B
	manifest "$1" >"$work/a.manifest"
	manifest "$2" >"$work/b.manifest"
	diff "$work/a.manifest" "$work/b.manifest"
}

need() {	# COMMAND...: end with a skip when one is missing
	local c
	for c; do
		command -v "$c" >/dev/null && continue
		skip "$(basename "$0" .sh)" "no $c here"
		finish
	done
}

linux_since() {	# MAJOR.MINOR
	[ "$(printf '%s\n' "$1" "$(uname -r)" | sort -V | head -n 1)" = "$1" ]
}

need_root() {
	[ "$(id -u)" = 0 ] && return
	skip "$(basename "$0" .sh)" "needs root"
	finish
}

# What is in the mount: names alone, and bytes of what can be read.
mounted_names() {
	(cd "$mnt" && find . -mindepth 1 ! -name lost+found | LC_ALL=C sort)
}
mounted_sums() {
	(cd "$mnt" && find . -type f -exec md5sum {} + | LC_ALL=C sort)
}
