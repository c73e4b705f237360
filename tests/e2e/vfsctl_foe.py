#!/usr/bin/env python3
"""A daemon that means harm to whoever asks it: HOW DIR, DIR/sock is its
socket.  queue: it never takes anybody, and others wait already;
words: its words are for a terminal.  Prints a line when it is ready."""
import os
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)) + "/../second")
import vfp

ODD = b"\x1b]0;x\x07\xc2\x9b\"name"


def reply(op, req_id, values):
    data = vfp.body(vfp.OPS[op].reply, values, vfp.HDR.size)
    return vfp.HDR.pack(vfp.HDR.size + len(data), vfp.OPS[op].number | 0x8000,
                        0, 0, req_id, 0, 0, 1, 0, 0) + data


def queue(listener):
    """Full before anybody comes."""
    mine = []
    for _ in range(8):
        s = socket.socket(socket.AF_UNIX)
        s.setblocking(False)
        try:
            s.connect(listener.getsockname())
        except BlockingIOError:
            break
        mine.append(s)
    print("ready", flush=True)
    time.sleep(60)


def words(listener):
    print("ready", flush=True)
    while True:
        c, _ = listener.accept()
        while True:
            b = c.recv(65536)
            if len(b) < vfp.HDR.size:
                break
            number, = struct.unpack_from("<H", b, 4)
            req_id, = struct.unpack_from("<Q", b, 8)
            op = next(n for n, o in vfp.OPS.items() if o.number == number)
            c.sendall(reply(op, req_id, {
                "version": 1, "max_msg": 1 << 20, "credits": 64,
                "pairs": vfp.texts_record(1, ODD) +
                vfp.texts_record(5, b"op." + ODD + b".calls") +
                vfp.texts_record(0, b"version", ODD)}))
        c.close()


where = socket.socket(socket.AF_UNIX)
where.bind(sys.argv[2] + "/sock")
where.listen(0 if sys.argv[1] == "queue" else 8)
{"queue": queue, "words": words}[sys.argv[1]](where)
