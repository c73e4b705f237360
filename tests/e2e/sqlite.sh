#!/bin/bash
# SQLite with a rollback journal and with a WAL, two writers at a time,
# and the daemon killed under it.
. "$(dirname "$0")/lib.sh"
need sqlite3
mount_store || { check "mount" false; finish; }

load() {	# DB MODE
	{
		echo "pragma journal_mode=$2; pragma synchronous=full;"
		echo "create table t(a integer primary key, b text, c blob);"
		echo "create index i on t(b);"
		echo "begin;"
		for i in $(seq 2000); do
			echo "insert into t values($i,'row $i',randomblob(100));"
		done
		echo "commit;"
		for i in $(seq 50); do
			echo "update t set b='changed $i' where a%50=$i;"
		done
		echo "delete from t where a%3=0; vacuum;"
	} | sqlite3 -bail "$1"
}
writer() {	# DB N
	local i
	for i in $(seq 40); do
		echo ".timeout 20000
		begin immediate; insert into t(b) values('w$2 $i'); commit;"
	done | sqlite3 -bail "$1"
}
two_writers() {	# DB
	local a b
	writer "$1" 1 & a=$!
	writer "$1" 2 & b=$!
	wait $a && wait $b
}
for mode in delete truncate persist wal; do
	db=$mnt/$mode.db
	check "$mode: create, change, vacuum" load "$db" $mode
	is "$mode: integrity" "$(sqlite3 "$db" 'pragma integrity_check')" ok
	is "$mode: rows" "$(sqlite3 "$db" 'select count(*) from t')" 1334
	check "$mode: two writers" two_writers "$db"
	is "$mode: both are in" \
	    "$(sqlite3 "$db" "select count(*) from t where b like 'w%'")" 80
done
check "remount" remount
for mode in delete truncate persist wal; do
	is "$mode: integrity after a remount" \
	    "$(sqlite3 "$mnt/$mode.db" 'pragma integrity_check')" ok
	is "$mode: rows after a remount" \
	    "$(sqlite3 "$mnt/$mode.db" 'select count(*) from t')" 1414
done

# Each acknowledged commit prints its number outside the mount.
counting() {	# DB
	local i
	for i in $(seq 5000); do
		sqlite3 -bail "$1" "insert into t(b) values('k $i')" || return
		echo "$i"
	done
}
if [ -z "$plain" ]; then
	for mode in delete wal; do
		db=$mnt/$mode.db
		counting "$db" >"$work/acked" 2>/dev/null &
		pid=$!
		sleep 1.5
		kill_daemon
		wait $pid 2>/dev/null
		acked=$(tail -n 1 "$work/acked")
		check "$mode: mount after kill -9" mount_store
		is "$mode: integrity after kill -9" \
		    "$(sqlite3 "$db" 'pragma integrity_check')" ok
		n=$(sqlite3 "$db" "select count(*) from t where b like 'k %'")
		check "$mode: all $acked acknowledged rows are there ($n)" \
		    test "$n" -ge "$acked" -a "$n" -le $((acked + 1))
	done
fi
check "unmount" unmount_store
check "the store is clean" store_is_clean
finish
