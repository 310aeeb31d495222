#!/usr/bin/python3
"""An ETArch entity that is not ours: frames by hand, and the rules by which public clients tell what is for them.

Usage: etarch_client.py DIALECT TITLE [says]     d2, d3a or d3b; "says": the registration tells the dialect
Commands on stdin, a line each: register, create W, attach W, detach W, unregister - answered by "success", "failure" or
"nothing" - and send W TEXT. What it gets of W is printed as "W: TEXT".
"""
import hashlib
import select
import socket
import sys

DIALECT, TITLE, SAYS = sys.argv[1], sys.argv[2], len(sys.argv) > 3
TYPES = {"register": 0, "unregister": 1, "create": 2, "attach": 3, "detach": 4}
DTS, ETHERTYPE = b"DTS\0\0\0", b"\x08\x80"
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0880))
wire.bind(("eth0", 0x0880))
own = bytes(6) if DIALECT == "d2" else wire.getsockname()[4]
labels = {}


def text(number, value):
    return bytes([number << 3 | 2, len(value)]) + value


def part(message):
    return len(message).to_bytes(2, "little") + message


def body(verb, workspace):
    if verb in ("register", "unregister"):
        dialect = b"\x08\xf0\x06\x10\x01" + text(3, DIALECT.encode()) if SAYS else b""
        return text(1, TITLE.encode()) + (text(3, dialect) if dialect and verb == "register" else b"")
    return text(1, workspace) + text(2, TITLE.encode()) + (b"\x18\x01" if verb == "create" else b"")


def is_answer(frame):
    if DIALECT == "d2":
        return frame[:12] == DTS + own
    return frame[:6] == own and frame[6:12] == DTS


def message_of(frame):
    for workspace, label in labels.items():
        mine = {"d2": frame[:12] == label,
                "d3a": frame[6:12] == label[:6] and frame[:6] == b"\xff" * 6,
                "d3b": frame[:6] == label[:6] and frame[6:12] != own}[DIALECT]
        if mine:
            return workspace.decode() + ": " + frame[14:].split(b"\n")[0].decode()
    return None


def receive():
    frame, info = wire.recvfrom(2000)
    if info[2] == socket.PACKET_OUTGOING:
        return None
    message = message_of(frame)
    if message:
        print(message, flush=True)
    return frame


def ask(verb, workspace, number):
    request = part(bytes([8, TYPES[verb], 16, number])) + part(body(verb, workspace))
    for _ in range(10):
        wire.send((DTS + own + ETHERTYPE + request).ljust(60, b"\0"))
        while select.select([wire], [], [], 1)[0]:
            frame = receive()
            if frame and is_answer(frame) and frame[16] == 8 and frame[18:20] == bytes([16, number]):
                return "failure" if frame[17] else "success"
    return "nothing"


def command(words, number):
    verb, workspace = words[0], words[1].encode() if len(words) > 1 else b""
    label = hashlib.sha256(workspace).digest()[:12]
    if verb == "send":
        source = label[6:] if DIALECT == "d2" else own
        wire.send((label[:6] + source + ETHERTYPE + words[2].encode() + b"\n").ljust(60, b"\0"))
        return
    print(ask(verb, workspace, number), flush=True)
    if verb in ("create", "attach"):
        labels[workspace] = label


def main():
    number, rest = 0, ""
    while True:
        ready = select.select([wire, sys.stdin], [], [])[0]
        if wire in ready:
            receive()
        if sys.stdin in ready:
            more = sys.stdin.buffer.raw.read(4096).decode()
            if not more:
                return
            *lines, rest = (rest + more).split("\n")
            for line in lines:
                command(line.split(" ", 2), number)
                number += 1


main()
