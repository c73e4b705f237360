#!/bin/sh
# Install what is missing of tests/packages; arguments: which groups.
cd "$(dirname "$0")/.." || exit 1
want=
for group; do
	want="$want $(awk -v g="$group" '$1 == g { print $2 }' tests/packages)"
done
missing=
for p in $want; do
	dpkg-query -W -f '${Status}' "$p" 2>/dev/null |
	    grep -q 'ok installed' || missing="$missing $p"
done
[ -z "$missing" ] && exit 0

echo "installing:$missing"
sudo=
if [ "$(id -u)" != 0 ]; then
	if ! command -v sudo >/dev/null; then
		echo "not root and no sudo: please install:$missing" >&2
		exit 1
	fi
	sudo=sudo
fi
# shellcheck disable=SC2086
$sudo env DEBIAN_FRONTEND=noninteractive sh -c "
	apt-get install -y -q --no-install-recommends $missing >/dev/null 2>&1 ||
	{ apt-get update -q >/dev/null &&
	  apt-get install -y -q --no-install-recommends $missing >/dev/null; }" && exit 0
echo "could not install:$missing" >&2
exit 1
