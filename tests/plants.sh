#!/bin/bash
# Break one promise at a time on purpose; the crash rig must turn red.  It
# must stay green on what is harmless.
# PLANTS="PLANT_x ..." tries only these; -v shows what the rig saw.
cd "$(dirname "$0")/.." || exit 1
B=${B:-build}
all="PLANT_SKIP_DATA_SYNC PLANT_SKIP_LOG_SYNC PLANT_ACK_BEFORE_APPEND
PLANT_REUSE_BEFORE_CHECKPOINT PLANT_REUSE_UNDER_READER PLANT_NO_CHAIN
PLANT_HALF_WRITE PLANT_REISSUE_SEQ PLANT_REISSUE_ID PLANT_TRIM_LIVE_DRAFT
PLANT_CURSOR_BY_NUMBER PLANT_PART_OF_RECORD PLANT_OUTCOME_LATER
PLANT_REAP_IN_MEMORY"
harmless=PLANT_ALL_LARGE
n=0 bad=0

for p in ${PLANTS:-$all $harmless}; do
	n=$((n + 1))
	if ! grep -rqE "#ifn?def $p\$" vfsd backends --include='*.c'; then
		echo "not ok $n - plants__${p}__is_not_in_the_code"
		bad=1
		continue
	fi
	if ! make -s B="$B" "$B/plants/$p/power"; then
		echo "not ok $n - plants__${p}__builds"
		bad=1
		continue
	fi
	out=$(CRASH_STATES=${PLANT_STATES:-55000} CRASH_SECONDS=60 \
	    timeout -k 5 90 "$B/plants/$p/power" 2>&1)
	why=$(echo "$out" | grep -A1 '^# SEED=' | sed -n '1,2s/^# //p' | tr '\n' ' ')
	if [ "$p" = "$harmless" ]; then
		echo "$out" | grep -q '^ok 1' || { bad=1; printf 'not '; }
		echo "ok $n - plants__${p}__leaves_the_rig_green"
		echo "# $why"
	elif echo "$out" | grep -q '^not ok 1'; then
		echo "ok $n - plants__${p}__turns_the_rig_red"
		echo "# $why"
	else
		echo "not ok $n - plants__${p}__turns_the_rig_red"
		bad=1
	fi
	[ "$1" = -v ] && echo "$out" | sed 's/^/#  /'
	rm -rf "$B/plants/$p"
done
echo "1..$n"
exit $bad
