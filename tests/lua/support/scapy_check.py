#!/usr/bin/python3
"""Judges packets by scapy, a packet library that is not ours.

Each line of stdin: "build HEX EXPRESSION" - scapy builds the same bytes from the expression - or
"rebuild HEX" - scapy parses the bytes and, with lengths and checksums taken away, builds them again.
Prints "good", or what scapy makes of it, a line each.
"""
import logging
import sys

logging.getLogger("scapy.runtime").setLevel(logging.ERROR)
from scapy.layers import inet, inet6, l2  # noqa: E402
from scapy.packet import NoPayload, Raw  # noqa: E402

NAMES = {name: value for module in (inet, inet6, l2) for name, value in vars(module).items()}
NAMES["Raw"] = Raw
COMPUTED = {"chksum", "cksum", "len", "plen", "ihl", "dataofs"}


def rebuilt(wire):
    packet = l2.Ether(wire)
    layer = packet
    while not isinstance(layer, NoPayload):
        for field in layer.fields_desc:
            if field.name in COMPUTED and field.name in layer.fields:
                layer.delfieldval(field.name)
        layer = layer.payload
    return bytes(packet), packet


def verdict(line):
    verb, wire, *rest = line.split(" ", 2)
    wire = bytes.fromhex(wire)
    if verb == "build":
        packet = eval(rest[0], NAMES)  # pylint: disable=eval-used
        made = bytes(packet)
    else:
        made, packet = rebuilt(wire)
    return "good" if made == wire else "%s %r" % (made.hex(), packet)


for text in sys.stdin:
    print(verdict(text.strip()), flush=True)
