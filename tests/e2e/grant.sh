#!/bin/bash
# A client that is given one directory and nothing else, by vfsctl grant:
# what it sees, what it may do, how it ends.
. "$(dirname "$0")/lib.sh"
plain=
need python3

json() {
	python3 -c "import json,sys
d=json.load(sys.stdin)
print($1)"
}
as() {		# TOKEN WHAT ARG...
	python3 "$here/grant.py" "$store/sock" "$@" 2>>"$work/py.log"
}

begin() {	# a client of $tok, until it is there and waits
	: >"$work/waits"
	as "$tok" wait "$work/go" "$inside" >"$work/waits" &
	client=$!
	for ((i = 0; i < 500; i++)); do
		[ -s "$work/waits" ] && break
		sleep 0.01
	done
}
go_on() {	# it asks once more, and ends; it may be gone
	timeout 20 sh -c 'echo >"$1"' - "$work/go"
	wait "$client"
}

for c in grant sessions; do
	check "help_$c" "$vfsctl" "$c" --help
done
check "mount" mount_store || finish
mkdir -p "$mnt/proj/src" "$mnt/secret"
echo hello >"$mnt/proj/src/f"
echo no >"$mnt/secret/f"
root=$(stat -c %i "$mnt/proj")
inside=$(stat -c %i "$mnt/proj/src/f")
outside=$(stat -c %i "$mnt/secret/f")

# --- what is given
tok=$("$vfsctl" grant --root /proj --rights r --ttl 1h --label ci "$mnt")
is "grant__prints_a_token" "$(expr "$tok" : '[0-9a-f]*$')" 64
is "walk__inside" "$(as "$tok" walk src/f)" "$inside"
is "walk__up_and_out__stays_inside" "$(as "$tok" walk ../../proj)" NOENT
is "walk__up__is_the_root" "$(as "$tok" walk ../..)" "$root"
is "stat__inside_by_id" "$(as "$tok" stat "$inside")" "$inside"
is "stat__outside_by_id" "$(as "$tok" stat "$outside")" NO_SUCH_ID
is "stat__never_existed" "$(as "$tok" stat 999999999)" NO_SUCH_ID
is "make__without_the_right" "$(as "$tok" make x)" ACCESS
is "a_wrong_token" "$(as "$(tr 0-9a-f 1-9a-f0 <<<"$tok")" walk src)" ACCESS
is "grant__by_a_path_in_the_mount" "$("$vfsctl" grant --json \
    --root "$mnt/proj" --rights r,w,delegate --ttl 7d "$mnt" |
    json 'd["root"]')" "$root"
is "grant__by_a_relative_path_in_the_mount" "$(cd "$work" &&
    "$vfsctl" grant --json --root mnt/proj mnt | json 'd["root"]')" "$root"
ln -s "$mnt" "$work/link"
is "grant__by_a_link_to_the_mount" "$("$vfsctl" grant --json \
    --root "$work/link/proj" "$store" | json 'd["root"]')" "$root"
is "grant__by_a_path_from_the_root" "$("$vfsctl" grant --json \
    --root proj/src "$mnt" | json 'd["root"]')" \
    "$(stat -c %i "$mnt/proj/src")"
check "grant__a_file__fails" not "$vfsctl" grant --root "$mnt/secret/f" "$mnt"
check "grant__no_such_directory__fails" not "$vfsctl" grant --root /none "$mnt"
"$vfsctl" grant --rights r,frob "$mnt" >/dev/null 2>&1
is "grant__no_such_right__is_usage" $? 2
"$vfsctl" grant --ttl soon "$mnt" >/dev/null 2>&1
is "grant__no_time__is_usage" $? 2
"$vfsctl" grant --uid 5 "$mnt" >/dev/null 2>&1
is "grant__uid_without_gid__is_usage" $? 2

# --- how much
few=$("$vfsctl" grant --root /proj --rights r,w --max handles=4,tx=2 "$mnt")
is "max__handles_at_the_limit" "$(as "$few" opens 3)" 3
is "max__handles_one_past" "$(as "$few" opens 4)" QUOTA
is "max__transactions_at_the_limit" "$(as "$few" begins 2)" 2
is "max__transactions_one_past" "$(as "$few" begins 3)" QUOTA
for l in handles=0 handles= files=3 tx=2x tx=-1; do
	"$vfsctl" grant --max "$l" "$mnt" >/dev/null 2>&1
	is "max__${l}__is_usage" $? 2
done

# --- who is there, what was denied
is "sessions__lists_the_token" "$("$vfsctl" sessions --json "$mnt" |
    json '[t["root"] for t in d if t["label"] == "ci"][0]')" "$root"
check "sessions__for_people" "$vfsctl" sessions "$mnt"
is "sessions__tells_the_path" "$("$vfsctl" sessions "$mnt" |
    grep -c 'token .* /proj .*ci')" 1
is "sessions__do_not_tell_the_token" "$("$vfsctl" sessions --json "$mnt" |
    grep -c "$tok")" 0
is "sessions__name_the_client" "$("$vfsctl" sessions --json "$mnt" |
    json '[t["label"] for t in d if t["kind"] == "session"]')" "['vfsctl']"
esc=$'\e]0;x\a\302\2332J\342\200\256'
mkdir "$mnt/$esc" && "$vfsctl" grant --root "$mnt/$esc" --label odd "$mnt" >"$log"
is "sessions__the_path_is_escaped" "$("$vfsctl" sessions "$mnt" |
    grep -c ' /\\033]0;x\\007\\302\\2332J\\342\\200\\256 .*odd')" 1
rmdir "$mnt/$esc"
is "audit__create_was_denied" "$("$vfsctl" sessions --audit --json "$mnt" |
    json '[a["op"] for a in d if "lacks create" in a["text"]][0]')" CREATE
is "audit__a_wrong_token" "$("$vfsctl" sessions --audit --json "$mnt" |
    json 'any("refused" in a["text"] for a in d)')" True

# --- taken back, while somebody is at work
number=$("$vfsctl" sessions --json "$mnt" |
    json '[t["number"] for t in d if t["label"] == "ci"][0]')
mkfifo "$work/go"
begin
is "sessions__name_who_came_with_a_token" "$("$vfsctl" sessions --json "$mnt" |
    json '[t["label"] for t in d if t["kind"] == "session" and
	t["parent"] > 0]')" "['second']"
check "revoke" "$vfsctl" sessions --revoke "$number" "$mnt"
go_on
is "revoked__at_once" "$(tail -n 1 "$work/waits")" REVOKED
is "revoked__for_good" "$(as "$tok" walk src)" ACCESS
check "revoke__twice__fails" not "$vfsctl" sessions --revoke "$number" "$mnt"

# --- its time is over, while somebody is at work
tok=$("$vfsctl" grant --root /proj --ttl 5s "$mnt")
begin
for ((i = 0; i < 500; i++)); do
	[ "$(as "$tok" walk src)" = "$(stat -c %i "$mnt/proj/src")" ] || break
	sleep 0.1
done
go_on
is "expired__ends_at_once" "$(tail -n 1 "$work/waits")" EXPIRED
is "expired__is_nobodys" "$(as "$tok" walk src | tr '\n' ' ' |
    sed 's/EXPIRED/ACCESS/')" "ACCESS "

# --- after a restart and a kill
gone=$("$vfsctl" grant --root /proj --label gone "$mnt")
number=$("$vfsctl" sessions --json "$mnt" |
    json '[t["number"] for t in d if t["label"] == "gone"][0]')
tok=$("$vfsctl" grant --root /proj --rights r,w "$mnt")
check "revoke_and_kill" "$vfsctl" sessions --revoke "$number" "$mnt"
kill_daemon
umount -l "$mnt" 2>/dev/null || fusermount3 -uz "$mnt"
check "mount_again" mount_store || finish
is "killed__what_was_revoked_is_gone" "$(as "$gone" walk src/f)" ACCESS
is "killed__the_token_is_good" "$(as "$tok" walk src/f)" "$inside"
check "remount" remount
is "restarted__the_token_is_good" "$(as "$tok" walk src/f)" "$inside"
mv "$mnt/proj" "$mnt/secret/proj"
is "root_moved_away__nothing_is_left" "$(as "$tok" walk src/f)" GONE
check "unmount" unmount_store
check "store_is_clean" store_is_clean
is "dump__knows_the_row" "$("$vfsctl" dump --kind=M --json "$store" |
    tail -n 1 | json 'd["row"]')" token
finish
