#!/bin/bash
# Do the kernel's own filesystems keep the rules of tests/posix?  A rule
# that they do not keep is our mistake.  Argument: the built programs.
bin=$(realpath "$1") || exit 1
run=$bin/posix-run
work=$(mktemp -d) || exit 1
mounted=()
finish() {
	for m in "${mounted[@]}"; do
		umount "$m"
	done
	rm -rf "$work"
}
trap finish EXIT
trap 'exit 1' INT TERM

bad=0
rules() {	# NAME DIR
	"$run" "$2" >"$work/out"
	[ $? -gt 1 ] && { echo "$1: could not run"; bad=1; return; }
	grep '^not ok' "$work/out" && bad=1
	printf '%-6s %s\n' "$1" "$(tail -n 1 "$work/out")"
}
rules here "$work"
if [ "$(id -u)" != 0 ]; then
	echo "only here: mounting ext4, xfs and tmpfs needs root"
	exit $bad
fi
for fs in ext4 xfs tmpfs; do
	mkdir "$work/$fs"
	if [ $fs = tmpfs ]; then
		mount -t tmpfs none "$work/$fs"
	else
		truncate -s 1G "$work/$fs.img" &&
		    "mkfs.$fs" -q "$work/$fs.img" &&
		    mount -o loop "$work/$fs.img" "$work/$fs"
	fi || { echo "$fs: cannot be mounted here"; continue; }
	mounted+=("$work/$fs")
	rules $fs "$work/$fs"
done
exit $bad
