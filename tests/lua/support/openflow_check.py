#!/usr/bin/python3
"""Judges flow_mod messages by os-ken, an OpenFlow library that is not ours.

Each line of stdin is a message in hexadecimal. Prints, a line each, the fields of its match and those that set_field
sets as os-ken reads them - "in_port=7 metadata=4386/65314" - or what os-ken makes of it when it writes other bytes.
"""
import binascii
import sys

from os_ken.ofproto import ofproto_parser, ofproto_protocol
from os_ken.ofproto import ofproto_v1_3, ofproto_v1_3_parser  # noqa: F401 (they register themselves)

DATAPATH = ofproto_protocol.ProtocolDesc(version=4)


def fields(match):
    for one in match.to_jsondict()["OFPMatch"]["oxm_fields"]:
        tlv = one["OXMTlv"]
        mask = "" if tlv["mask"] is None else "/%s" % tlv["mask"]
        yield "%s=%s%s" % (tlv["field"], tlv["value"], mask)


def actions(instructions):
    for instruction in instructions:
        for action in getattr(instruction, "actions", []):
            name = type(action).__name__.replace("OFPAction", "").replace("NXAction", "NX")
            if name == "SetField":
                yield "SetField:%s=%s" % (action.key, action.value)
            else:
                values = [str(v) for k, v in sorted(vars(action).items()) if k not in ("type", "len", "experimenter")]
                yield ":".join([name] + values)


def judge(wire):
    version, kind, length, xid = ofproto_parser.header(wire)
    message = ofproto_parser.msg(DATAPATH, version, kind, length, xid, wire)
    text = " ".join([*fields(message.match), *actions(message.instructions)])
    message.serialize()
    if bytes(message.buf) != wire:
        return "%s is %s" % (text, binascii.hexlify(message.buf).decode())
    return text


for line in sys.stdin:
    print(judge(binascii.unhexlify(line.strip())), flush=True)
