#!/bin/bash
# git inside: clone, commit, branch, gc, fsck.
. "$(dirname "$0")/lib.sh"
need git
export HOME=$work GIT_CONFIG_NOSYSTEM=1
git config --global user.name t
git config --global user.email t@example.org
git config --global init.defaultBranch main
git config --global --add safe.directory '*'
mount_store || { check "mount" false; finish; }

# A history to work with, made beside.
origin=$work/origin
make_origin() {
	local i
	git init -q "$origin" && cd "$origin" || return 1
	for i in $(seq 40); do
		mkdir -p "d$((i % 7))"
		seq "$i" $((i * 37)) >"d$((i % 7))/f$i"
		cp "$bin/posix-run" blob
		echo "$i" >>blob
		git add -A && git commit -qm "change $i" || return 1
	done
	cd / || return 1
}
work_inside() {
	cd "$mnt/clone" || return 1
	git checkout -qb topic &&
	    sed -i s/1/one/ d*/f* && git commit -qam topic &&
	    git checkout -q main && echo more >more && git add more &&
	    git commit -qm more && git rebase -q main topic &&
	    git merge -q --no-ff main -m merge || return 1
	cd / || return 1
}
check "a history beside" make_origin
check "clone" git clone -q "$origin" "$mnt/clone"
check "branch, commit, rebase" work_inside
is "status is clean" "$(git -C "$mnt/clone" status --porcelain)" ""
check "gc" git -C "$mnt/clone" gc -q --prune=now
check "fsck" git -C "$mnt/clone" fsck --full --strict
check "a worktree" git -C "$mnt/clone" worktree add -q "$mnt/wt" main
check "clone inside (hard links)" git clone -q "$mnt/clone" "$mnt/second"
check "fsck of that" git -C "$mnt/second" fsck --full
check "repack" git -C "$mnt/second" repack -adq
head=$(git -C "$mnt/clone" rev-parse HEAD)
check "remount" remount
is "the same head" "$(git -C "$mnt/clone" rev-parse HEAD)" "$head"
check "fsck after a remount" git -C "$mnt/clone" fsck --full
is "status is still clean" "$(git -C "$mnt/clone" status --porcelain)" ""
check "unmount" unmount_store
check "the store is clean" store_is_clean
finish
