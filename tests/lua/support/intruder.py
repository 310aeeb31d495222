# Sends from an interface whatever might reach the machine behind it, and tells who answered.
#	intruder.py IFACE OWN4 OWN6 PORT MAC,MAC... ADDRESS,ADDRESS...
# Writes one line "MAC WHAT" for each frame that came back which answers one of ours.
import sys
from scapy.all import (ARP, ICMP, IP, IPv6, TCP, UDP, Ether, ICMPv6EchoRequest, ICMPv6ND_NS, ICMPv6ND_RS,
                       AsyncSniffer, Raw, conf, get_if_hwaddr)

conf.verb = 0
iface, own4, own6, port = sys.argv[1:4] + [int(sys.argv[4])]
macs, addresses = sys.argv[5].split(","), sys.argv[6].split(",")
me = get_if_hwaddr(iface)
# Everybody, group addresses that a bridge keeps to itself, those of IP multicast, and the node's own.
everywhere = ["ff:ff:ff:ff:ff:ff", "33:33:00:00:00:01", "01:00:5e:00:00:01", "01:00:5e:00:00:fb", "33:33:00:00:00:fb"]
everywhere += ["01:80:c2:00:00:%02x" % i for i in (0, 1, 2, 3, 0xe, 0xf)]
frames = []


def add(mac, rest):
    frames.append(Ether(src=me, dst=mac) / rest)


for mac in everywhere + macs:
    for to in addresses:
        if ":" in to:
            ip = IPv6(src=own6, dst=to, hlim=255)
            add(mac, ip / ICMPv6ND_NS(tgt=to))
            add(mac, ip / ICMPv6EchoRequest(data=b"intruder"))
        else:
            ip = IP(src=own4, dst=to)
            for source in (own4, "0.0.0.0", to):
                add(mac, ARP(op=1, hwsrc=me, psrc=source, pdst=to))
            add(mac, ip / ICMP() / Raw(b"intruder"))
            add(mac, IP(src="0.0.0.0", dst=to) / UDP(sport=68, dport=port) / Raw(b"intruder"))
        add(mac, ip / TCP(sport=4242, dport=port, flags="S"))
        add(mac, ip / UDP(sport=4242, dport=port) / Raw(b"intruder"))
        add(mac, ip / UDP(sport=5353, dport=5353) / Raw(b"\0" * 4 + b"\0\1" + b"\0" * 6 + b"\x05nerv0\x05local\0\0\1\0\1"))
    for to in ("255.255.255.255", "224.0.0.1", "224.0.0.251"):
        for source in (own4, "0.0.0.0"):
            add(mac, IP(src=source, dst=to, ttl=1) / UDP(sport=68, dport=port) / Raw(b"intruder"))
        add(mac, IP(src=own4, dst=to, ttl=1) / ICMP() / Raw(b"intruder"))
    for to in ("ff02::1", "ff02::2", "ff02::fb"):
        add(mac, IPv6(src=own6, dst=to, hlim=255) / ICMPv6EchoRequest(data=b"intruder"))
        add(mac, IPv6(src=own6, dst=to, hlim=255) / UDP(sport=4242, dport=port) / Raw(b"intruder"))
    add(mac, IPv6(src=own6, dst="ff02::2", hlim=255) / ICMPv6ND_RS())

sniffer = AsyncSniffer(iface=iface, store=True, lfilter=lambda p: Ether in p and p[Ether].src != me)
sniffer.start()
while not getattr(sniffer, "running", False) or not getattr(sniffer, "stop_cb", None):
    pass
socket = conf.L2socket(iface=iface)
for frame in frames:
    socket.send(bytes(frame))
sniffer.stop_cb and __import__("time").sleep(0.5)
print("sent", len(frames), flush=True)
for line in sorted({"%s %s" % (p[Ether].src, p.summary()) for p in sniffer.stop()}):
    print(line)
