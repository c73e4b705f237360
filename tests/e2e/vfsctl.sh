#!/bin/bash
# vfsctl on the real thing: each command with --help and --json, online,
# offline, on a damaged store; exit statuses.
. "$(dirname "$0")/lib.sh"
plain=
need python3

# json VALUE: what python3 makes of the JSON on stdin; d is the document
json() {
	python3 -c "import json,sys
d=json.load(sys.stdin)
print($1)"
}

for c in status check id paths dump why grant sessions version; do
	check "help_$c" "$vfsctl" "$c" --help
done
"$vfsctl" >/dev/null 2>&1
is "no_command__is_usage" $? 2
"$vfsctl" frob >/dev/null 2>&1
is "unknown_command__is_usage" $? 2
"$vfsctl" status >/dev/null 2>&1
is "status_without_path__is_usage" $? 2
"$vfsctl" check >/dev/null 2>&1
is "check_without_path__is_16" $? 16
"$vfsctl" check "$work/nowhere" >/dev/null 2>&1
is "check_of_nothing__is_8" $? 8
mkdir "$work/empty"
"$vfsctl" check "$work/empty" >/dev/null 2>&1
is "check_of_no_store__is_8" $? 8
is "check_of_no_store__changes_nothing" "$(ls -A "$work/empty")" ""
check "version" "$vfsctl" version
is "version_json" "$("$vfsctl" version --json | json 'd["protocol"]')" 1

check "mount" mount_store || finish
mkdir -p "$mnt/d/e"
head -c 300000 /dev/urandom >"$mnt/d/big"
echo hello >"$mnt/d/small"
ln "$mnt/d/small" "$mnt/d/e/again"
ln -s small "$mnt/d/link"
odd=$mnt/d/$'odd\n"\\\xff name'
echo odd >"$odd"
setfattr -n user.one -v 1 "$mnt/d/big"
cp "$mnt/d/big" "$mnt/d/copy"

# --- what a terminal would obey, in a name
touch "$mnt/d/"$'\302\2332J\342\200\256txt.exe'
check "settle" sync "$mnt/d"
is "changes__c1_and_direction_are_escaped" \
    "$("$vfsctl" changes --since=oldest "$mnt" | grep -F .exe | head -n 1 |
    grep -cF '\302\2332J\342\200\256txt.exe')" 1
is "changes_json__c1_and_direction_are_escaped" \
    "$("$vfsctl" changes --json --since=oldest "$mnt" | grep -F .exe |
    head -n 1 | grep -cF '\u009b2J\u202etxt.exe')" 1
rm "$mnt/d/"*.exe

# --- finding the daemon
for p in "$mnt" "$mnt/d/big" "$store"; do
	is "status_json_by_${p#"$work"/}" \
	    "$("$vfsctl" status --json "$p" | json 'd["store"]')" "$store"
done
check "status" "$vfsctl" status "$mnt"
is "status_counts_creates" "$("$vfsctl" status --json "$mnt" |
    json 'd["op.CREATE.calls"] >= 6')" True
is "version_of_a_daemon" "$("$vfsctl" version --json "$mnt" |
    json 'd["vfsd"] == d["vfsctl"]')" True
if [ "$(id -u)" = 0 ]; then
	mkdir "$work/bound"
	mount --bind "$mnt/d" "$work/bound"
	is "status_through_a_bind_mount" \
	    "$("$vfsctl" status --json "$work/bound" | json 'd["store"]')" \
	    "$store"
	umount "$work/bound"
fi

# --- ids and paths
id=$(stat -c %i "$mnt/d/small")
is "id_is_st_ino" "$("$vfsctl" id "$mnt/d/small")" "$id"
is "id_of_a_symlink_itself" "$("$vfsctl" id "$mnt/d/link")" \
    "$(stat -c %i "$mnt/d/link")"
is "id_json" "$("$vfsctl" id --json "$mnt/d/small" | json 'd["nlink"]')" 2
ln -s "$mnt" "$work/to-mnt"
ln -s "$mnt/d/small" "$work/to-small"
is "status_by_a_link_to_the_mount" \
    "$("$vfsctl" status --json "$work/to-mnt" | json 'd["store"]')" "$store"
is "status_by_a_link_into_the_mount" \
    "$("$vfsctl" status --json "$work/to-small" | json 'd["store"]')" "$store"
is "paths_by_a_link" "$("$vfsctl" paths "$work/to-mnt" 1)" "$mnt/"
is "id_through_a_link_from_outside" "$("$vfsctl" id "$work/to-small")" "$id"
check "check_by_a_link" "$vfsctl" check "$work/to-mnt"
check "changes_by_a_link" "$vfsctl" changes "$work/to-mnt"
check "tx_by_a_link" "$vfsctl" tx --at="$work/to-mnt" /dev/null
refuse "id_outside_a_mount" "$vfsctl" id /etc/passwd
is "paths" "$("$vfsctl" paths "$mnt" "$id" | sort)" \
    "$mnt/d/e/again
$mnt/d/small"
is "paths_json" "$("$vfsctl" paths --json "$mnt" "$id" |
    json 'len(d["paths"])')" 2
is "paths_of_odd_name__as_changes_has_it" \
    "$("$vfsctl" paths "$mnt" "$(stat -c %i "$odd")")" \
    "$mnt/d/"'odd\012"\134\377 name'
is "paths_of_odd_name_json" "$("$vfsctl" paths --json "$mnt" \
    "$(stat -c %i "$odd")" |
    json 'd["paths"][0].endswith("odd\n\"\\\udcff name")')" True
is "paths_of_the_root" "$("$vfsctl" paths "$mnt" 1)" "$mnt/"
refuse "paths_of_no_id" "$vfsctl" paths "$mnt" 999
"$vfsctl" paths "$mnt" x >/dev/null 2>&1
is "paths_of_no_number__is_usage" $? 2

# --- check, why, dump while it is served
check "check_online__clean" "$vfsctl" check "$mnt"
is "check_online_json" "$("$vfsctl" check --json "$mnt" |
    json 'd["result"], d["online"]')" "clean True"
"$vfsctl" check --repair "$mnt" >/dev/null 2>&1
is "repair_online__is_8" $? 8
check "why__nothing_or_something" "$vfsctl" why "$mnt"
is "why_json" "$("$vfsctl" why --json "$mnt" | json 'type(d).__name__')" list
bash -c 'echo $$ >"$1"; exec setfattr -x user.none "$0/d/big"' "$mnt" \
    "$work/pid" 2>/dev/null
check "why_of_a_process" "$vfsctl" why --pid="$(cat "$work/pid")" "$mnt"
is "why_of_a_process__says_what" "$(grep -c 'XATTR_REMOVE.*attribute' "$log")" 1
trace=$("$vfsctl" why --json --pid="$(cat "$work/pid")" "$mnt" |
    json 'd[0]["trace"]')
check "why_of_a_trace" "$vfsctl" why "$mnt" "$trace"
refuse "why_of_an_unknown_process" "$vfsctl" why --pid=1 "$mnt"
refuse "why_of_an_unknown_trace" "$vfsctl" why "$mnt" deadbeef
refuse "dump_while_served" "$vfsctl" dump "$store"
is "check_progress_not_on_a_pipe" "$("$vfsctl" check "$mnt" 2>&1 >/dev/null)" ""

# a check beside somebody who works
(for i in {1..400}; do
	echo $i >"$mnt/d/t.$i" && mv "$mnt/d/t.$i" "$mnt/d/u" &&
	    head -c 20000 /dev/zero >"$mnt/d/v" && rm "$mnt/d/v"
done) &
for _ in 1 2 3 4 5; do
	check "check_beside_writers__clean" "$vfsctl" check "$mnt"
done
wait $!

# --- offline
check "unmount" unmount_store
refuse "status_offline" "$vfsctl" status "$store"
check "check_offline__clean" "$vfsctl" check "$store"
is "check_offline_json" "$("$vfsctl" check --json "$store" |
    json 'd["result"], d["online"], d["found"]')" "clean False 0"
is "dump_has_the_name" "$("$vfsctl" dump --kind=name "$store" |
    grep -c 'name="small"')" 1
is "dump_json_is_one_object_a_line" "$("$vfsctl" dump --json "$store" |
    python3 -c 'import json,sys
print(all("row" in json.loads(l) for l in sys.stdin))')" True
is "dump_of_an_id" "$("$vfsctl" dump --id="$id" "$store" |
    awk '{ print $1 }' | sort -u | tr '\n' ' ')" "inline inode link moved "

# --- read-only: nothing is written, the daemon answers all the same
before=$(ls -lR --time-style=full-iso "$store" | md5sum)
check "mount_ro" mount_store -o ro
check "status_of_ro" "$vfsctl" status "$mnt"
check "check_of_ro__clean" "$vfsctl" check "$mnt"
check "unmount_ro" unmount_store
is "ro__changes_nothing" "$(ls -lR --time-style=full-iso "$store" | md5sum)" \
    "$before"

# --- damage: a byte of a file's, in the data file
cp -a --sparse=always "$store" "$work/damaged"
place=$("$vfsctl" dump --json --kind=extent "$store" |
    head -n 1 | json 'd["place"]')
python3 - "$work/damaged/data" $((place * 4096 + 17)) <<'PY'
import sys
with open(sys.argv[1], 'r+b') as f:
    f.seek(int(sys.argv[2]))
    b = f.read(1)[0]
    f.seek(-1, 1)
    f.write(bytes([b ^ 1]))
PY
before=$(cd "$work/damaged" && md5sum ./* | md5sum)
"$vfsctl" check "$work/damaged" >"$work/out" 2>&1
is "damaged_bytes__is_4" $? 4
check "damaged_bytes__file_is_named" grep -q '/d/' "$work/out"
"$vfsctl" check --no-data "$work/damaged" >/dev/null 2>&1
is "damaged_bytes_not_read__is_0" $? 0
is "check__modifies_nothing" "$(cd "$work/damaged" && md5sum ./* | md5sum)" \
    "$before"

# --- damage that was met is counted, and remembered whatever else happens
cp -a --sparse=always "$work/damaged" "$work/met"
sound=$store
store=$work/met
corrupt() {
	"$vfsctl" why "$mnt" | grep -c CORRUPT
}
# misses of more names than are remembered, and the kernel's own questions
misses() {
	local i
	for ((i = 0; i < 3000; i++)); do
		[ -e "$mnt/nope$i" ] || [ -e "$mnt/d/nope$i" ]
	done
	for ((i = 0; i < 100; i++)); do
		echo $i >"$mnt/d/probed"
	done
}
check "mount_damaged" mount_store
is "status_json__no_damage_met" "$("$vfsctl" status --json "$mnt" |
    json 'd["faults.corrupt"], d["faults.io"]')" "0 0"
bash -c 'echo $$ >"$1"; exec cat "$0"/d/*' "$mnt" "$work/pid" \
    >/dev/null 2>"$work/out"
check "damaged_file__is_EIO" grep -q 'Input/output error' "$work/out"
is "status__damage_met" "$("$vfsctl" status "$mnt" |
    awk '$1 == "faults.corrupt" { print ($2 > 0) }')" 1
is "status_json__damage_met" "$("$vfsctl" status --json "$mnt" |
    json 'd["faults.corrupt"] > 0, d["faults.io"]')" "True 0"
n=$(corrupt)
check "why__damage_is_told" test "$n" -gt 0
misses
is "why__damage_outlasts_misses" "$(corrupt)" "$n"
is "why__the_kernels_own_questions_are_left_out" \
    "$("$vfsctl" why "$mnt" | grep -c 'NOXATTR')" 0
"$vfsctl" why --pid="$(cat "$work/pid")" "$mnt" >"$work/out"
check "why_of_a_process__damage_outlasts_misses" \
    grep -q 'CORRUPT pid .* READ id ' "$work/out"
check "why_of_a_process__and_where_it_was_met" \
    grep -q 'CORRUPT at .*: object [0-9]*: bytes at' "$work/out"
bash -c 'echo $$ >"$1"; exec cat "$0/nope"' "$mnt" "$work/pid" 2>/dev/null
is "why_of_a_process__a_miss_too" "$("$vfsctl" why \
    --pid="$(cat "$work/pid")" "$mnt" | grep -c 'NOENT pid .* LOOKUP id 1')" 1
bash -c 'echo $$ >"$1"; exec getfattr -n user.none "$0/d/small"' "$mnt" \
    "$work/pid" >/dev/null 2>&1
is "why_of_a_process__an_attribute_too" "$("$vfsctl" why \
    --pid="$(cat "$work/pid")" "$mnt" | grep -c 'NOXATTR pid .* XATTR_GET')" 1
check "unmount_damaged" unmount_store
store=$sound

# --- damage: a byte of a row, found where the row store has it
python3 - "$work/damaged/rows.mdb" <<'PY'
import sys
p = sys.argv[1]
b = bytearray(open(p, 'rb').read())
at = b.rfind(b'user.one')
while at > 9 and b[at - 9] != ord('F'):	# as a key, not in a change record
    at = b.rfind(b'user.one', 0, at)
assert at > 9
b[at + 8] ^= 1				# the value behind the key
open(p, 'wb').write(b)
PY
"$vfsctl" check --no-data "$work/damaged" >"$work/out" 2>&1
is "damaged_row__is_4" $? 4
check "damaged_row__is_named" grep -q '^xattr .*/d/big' "$work/out"
"$vfsctl" check --no-data --repair "$work/damaged" >"$work/out" 2>&1
is "repair__is_1" $? 1
"$vfsctl" check --no-data "$work/damaged" >"$work/out" 2>&1
is "repaired__is_0" $? 0

# --- after kill -9 there is a log to read
mount_store
echo more >"$mnt/d/more"
kill_daemon
umount -l "$mnt" 2>/dev/null || fusermount3 -uz "$mnt"
before=$(cd "$store" && md5sum data log rows.mdb | md5sum)
check "check_after_kill__clean" "$vfsctl" check "$store"
is "check_after_kill__writes_nothing" \
    "$(cd "$store" && md5sum data log rows.mdb | md5sum)" "$before"
is "dump_after_kill__reads_the_log" \
    "$("$vfsctl" dump --kind=name "$store" | grep -c '"more"')" 1
finish
