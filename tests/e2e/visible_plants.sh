#!/bin/bash
# The steps of visible.h left out one at a time, on purpose: readers must
# see it.
. "$(dirname "$0")/lib.sh"
if [ "$plain" ]; then
	skip visible_plants "needs a daemon"
	finish
fi
need make
said() {
	sed -n "s/^$1 \([0-9]*\)$/\1/p" "$log" | tail -n 1
}
for plant in NO_MARK NO_TELL TELL_AFTER KEEP_PAGES NO_WARY; do
	readers="readers 1500"
	[ $plant = NO_WARY ] && readers="first 8000"
	name=PLANT_VISIBLE_$plant
	dir=$build/plants/$name
	at_end "rm -rf '$here/../../$dir'"
	check "$name builds" make -s -C "$here/../.." B="$build" "$dir/vfsd" ||
	    continue
	vfsd=$here/../../$dir/vfsd
	mount_store || { check "mount" false; continue; }
	timeout 60 "$probe" visible ${readers% *} "$store" "$mnt" \
	    ${readers#* } 4 >"$log" 2>&1
	wrong=$(said wrong)
	check "$name is seen" [ "${wrong:-0}" -gt 0 ]
	echo "# ${wrong:-?} observations were wrong"
	unmount_store
done
finish
