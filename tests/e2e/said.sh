#!/bin/bash
# What somebody is told who has made a mistake, or whose store has lost
# something: one line, which names the thing and the reason once.
. "$(dirname "$0")/lib.sh"
plain=
said() {	# NAME STATUS TEXT COMMAND...: TEXT is all of the first line
	local name=$1 want=$2 text=$3 rc
	shift 3
	timeout 60 "$@" >"$work/out" 2>"$work/said"
	rc=$?
	is "$name" "$rc $(head -n 1 "$work/said")" "$want $text"
}

check "mount" mount_store || finish
mkdir "$mnt/d" "$work/src"
umount "$mnt" && wait "$daemon"
daemon=
mv "$store" "$work/good"
fresh() {
	rm -rf "$store"
	cp -a --sparse=always "$work/good" "$store"
}

# --- a store that has lost a file
fresh
rm "$store/log"
said "no_log__mount" 1 "vfsd: $store: cannot open the store: the log is \
missing (checksum or structure is wrong): vfsctl check --repair makes a new \
one, but what was acknowledged since the last checkpoint may be lost" "$vfsd" "$store" "$mnt"
said "no_log__check" 4 "" "$vfsctl" check "$store"
is "no_log__check_tells_it" "$(cat "$work/out")" \
    "meta: the log is missing: what was acknowledged since the last \
checkpoint, unpublished bytes included, may be lost
damaged, 1 found, 1 left"
said "no_log__dump" 1 "vfsctl: $store: the log is missing (checksum or \
structure is wrong)" "$vfsctl" dump "$store"
fresh
rm "$store/lock"
check "no_lock__is_made_again" mount_store
check "no_lock__is_there" test -e "$store/lock"
check "no_lock__unmount" unmount_store
fresh
rm "$store/lock"
check "no_lock__repair" "$vfsctl" check --repair "$store"
fresh
truncate -s 0 "$store/log"
"$vfsd" "$store" "$mnt" 2>"$work/said"
is "empty_log__the_reason_is_told_once" "$(grep -o 'structure is wrong' \
    "$work/said" | wc -l)" 1
if [ "$(id -u)" = 0 ]; then
	fresh
	mkdir "$work/ro"
	mount --bind "$store" "$work/ro"
	mount -o remount,bind,ro "$work/ro"
	said "repair_on_a_read_only_disk" 8 "vfsctl: $work/ro: open the lock \
file (store is read-only)" "$vfsctl" check --repair "$work/ro"
	umount "$work/ro"
	mount -t tmpfs -o size=3500k tmpfs "$work/ro"
	said "no_room_for_a_store" 1 "vfsd: $work/ro/s: cannot make the store: \
no space left: make room on the disk and try again" \
	    "$vfsd" "$work/ro/s" "$mnt"
	umount "$work/ro"
fi

# --- what is no store, and what nobody serves
fresh
no="neither a store nor in a mount of vfsd"
for p in "$work/src" /etc/passwd; do
	said "status_$(basename "$p")" 1 "vfsctl: $p: $no" \
	    "$vfsctl" status "$p"
	said "changes_$(basename "$p")" 1 "vfsctl: $p: $no" \
	    "$vfsctl" changes "$p"
done
said "check_passwd" 8 "vfsctl: /etc/passwd: $no" "$vfsctl" check /etc/passwd
said "dump_passwd" 1 "vfsctl: /etc/passwd: $no" "$vfsctl" dump /etc/passwd
said "status_unserved" 1 "vfsctl: $store: no daemon serves this store" \
    "$vfsctl" status "$store"
said "tx_in_no_store" 1 "vfsctl: $work/src:d: not in a mount of vfsd, nor \
STORE:PATH" "$vfsctl" tx --at="$work/src:d" /dev/null
said "dump_kind" 2 "vfsctl dump: no kind of row: bogus (meta inode name slot \
link xattr inline extent share orphan journal txid token moved draft \
draft-inline draft-extent or their letters)" \
    "$vfsctl" dump --kind=bogus "$store"
check "dump_a_kind_by_letter" "$vfsctl" dump --kind=B "$store"

# --- words that mean nothing
check "mount_for_more" mount_store
label=$(printf %065d 0)
said "grant_no_rights" 2 "vfsctl grant: --rights needs a right" \
    "$vfsctl" grant --rights "" "$mnt"
said "grant_long_label" 2 "vfsctl grant: the label is longer than 64 bytes" \
    "$vfsctl" grant --label "$label" "$mnt"
check "grant_label_at_the_limit" "$vfsctl" grant --label "${label#0}" "$mnt"
said "revoke_no_number" 2 "vfsctl sessions: not a number: x" \
    "$vfsctl" sessions --revoke=x "$mnt"
said "why_no_trace" 2 "vfsctl why: not a number in hexadecimal: zz" \
    "$vfsctl" why "$mnt" zz
said "why_empty_trace" 2 "vfsctl why: not a number in hexadecimal: " \
    "$vfsctl" why "$mnt" ""
said "why_trace_beyond_64_bits" 2 "vfsctl why: not a number in hexadecimal: \
11111111111111111" "$vfsctl" why "$mnt" 11111111111111111
said "why_no_pid" 2 "vfsctl why: not a number: abc" \
    "$vfsctl" why --pid=abc "$mnt"
said "why_pid_beyond_32_bits" 2 "vfsctl why: not a number: 4294967296" \
    "$vfsctl" why --pid 4294967296 "$mnt"
said "paths_no_id" 2 "vfsctl paths: not a number: abc" \
    "$vfsctl" paths "$mnt" abc
said "dump_no_id" 2 "vfsctl dump: not a number: x" \
    "$vfsctl" dump --id=x "$store"
said "dump_empty_id" 2 "vfsctl dump: not a number: " \
    "$vfsctl" dump --id= "$store"
said "revoke_nobody" 1 "vfsctl: 99: no session and no token has this number" \
    "$vfsctl" sessions --revoke=99 "$mnt"
said "since_nothing" 2 "vfsctl changes: --since needs a value" \
    "$vfsctl" changes "$mnt" --since
said "an_option_that_is_none" 2 "vfsctl changes: unexpected: --sinc" \
    "$vfsctl" changes "$mnt" --sinc
for two in "--replace --exchange" "--noreplace --replace" \
    "--exchange=x --noreplace"; do
	# shellcheck disable=SC2086
	said "publish $two" 2 "vfsctl publish: --noreplace, --replace and \
--exchange exclude each other" "$vfsctl" publish $two "$work/src" "$mnt/x"
done
for root in "$mnt" "$mnt/" "$store:/" "$store:"; do
	said "publish over the root: $(basename "$root")" 1 "vfsctl: $root: \
that is the root, which nothing can replace: name something in it" \
	    "$vfsctl" publish --replace "$work/src" "$root"
done

# --- output that goes nowhere
for c in "$vfsd --help" "$vfsd -V" "$vfsctl --help" "$vfsctl -V" \
    "$vfsctl tx --help" "$vfsctl status $mnt"; do
	$c >/dev/full 2>"$work/said"
	is "${c#"$bin/"} to a full disk" "$? $(grep -c 'No space left' \
	    "$work/said")" "1 1"
done
check "vfsctl -h" "$vfsctl" -h
is "vfsctl -V" "$("$vfsctl" -V)" "$("$vfsctl" version)"
is "the usage tells of both" "$("$vfsctl" -h | grep -cE "vfsctl -h .* -V ")" 1
check "unmount" unmount_store
finish
