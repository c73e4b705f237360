#!/bin/bash
# diod's tools, which speak 9P2000.L too, against the front.
. "$(dirname "$0")/lib.sh"
PATH=$PATH:/usr/sbin
need diodls diodcat python3

port=$(python3 -c 'import socket
s = socket.socket()
s.bind(("127.0.0.1", 0))
print(s.getsockname()[1])')
"$vfsd" -f -o "listen=9p:unix:$work/9p,listen=9p:tcp:127.0.0.1:$port" "$store" \
    2>>"$work/daemon.log" &
daemon=$!
for _ in $(seq 100); do
	[ -S "$work/9p" ] && break
	sleep 0.05
done

# Put things into the store beside it.
cat >"$work/fill.py" <<'END'
import os, socket, struct, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
def call(kind, body, tag=1):
    s.sendall(struct.pack("<IBH", 7 + len(body), kind, tag) + body)
    head = s.recv(7, socket.MSG_WAITALL)
    n, got, _ = struct.unpack("<IBH", head)
    rest = s.recv(n - 7, socket.MSG_WAITALL) if n > 7 else b""
    assert got == kind + 1, (kind, got, rest)
    return rest
def text(t):
    return struct.pack("<H", len(t)) + t.encode()
def put(name, data):
    call(110, struct.pack("<IIH", 0, 1, 0))
    call(14, struct.pack("<I", 1) + text(name) +
         struct.pack("<III", 2, 0o644, os.getgid()))
    for at in range(0, len(data), 60000):
        part = data[at:at + 60000]
        call(118, struct.pack("<IQI", 1, at, len(part)) + part)
    call(120, struct.pack("<I", 1))
call(100, struct.pack("<I", 65536) + text("9P2000.L"))
call(104, struct.pack("<II", 0, 0xffffffff) + text("") + text("/") +
     struct.pack("<I", 0xffffffff))
call(72, struct.pack("<I", 0) + text("dir") +
     struct.pack("<II", 0o755, os.getgid()))
put("hello", b"hello from the store\n")
put("big", open(sys.argv[2], "rb").read())
call(110, struct.pack("<IIHH", 0, 2, 1, 3) + b"dir")
for i in range(500):
    call(72, struct.pack("<I", 2) + text("name%d" % i) +
         struct.pack("<II", 0o755, os.getgid()))
END
head -c 3000000 /dev/urandom >"$work/big"
check "a client of few lines" python3 "$work/fill.py" "$work/9p" "$work/big"

is "diodls" "$(diodls -s "$work/9p" -a / / | sort | tr '\n' ' ')" \
    "big dir hello "
is "diodls -l" "$(diodls -s "$work/9p" -a / -l / |
    awk '$NF == "hello" { print $1, $5 }' | tr -d .)" "-rw-r--r-- 21"
is "diodls of many names" \
    "$(diodls -s "$work/9p" -a / /dir | grep -c '^name')" 500
is "diodls below aname" \
    "$(diodls -s "$work/9p" -a /dir / | grep -c '^name')" 500
is "diodcat" "$(diodcat -s "$work/9p" -a / hello)" "hello from the store"
for msize in 4096 8192 65536 1048576; do
	check "diodcat of 3 MB, msize $msize" bash -c \
	    "diodcat -m $msize -s '$work/9p' -a / big | cmp - '$work/big'"
done
refuse "what is not there" diodcat -s "$work/9p" -a / nothing
refuse "an aname that is not there" diodls -s "$work/9p" -a /nothing /
is "TCP without a token" "$(diodls -s "127.0.0.1:$port" -a / / 2>&1 |
    grep -c 'Permission denied')" 1
kill "$daemon" && wait "$daemon"
daemon=
check "the store is sound" store_is_clean
finish
