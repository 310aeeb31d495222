-- A guest behind a tap, as a VM is: a namespace with an interface, and a program that opens the tap as some
-- user and carries frames between the two.
local tap <const> = require "tap"
local kernel <const> = require "support.kernel"

local M = {}

-- TUNSETIFF with IFF_TAP | IFF_NO_PI and what more is asked for.
local PROGRAM <const> = [[
import fcntl, os, select, socket, struct, sys
wire, tap, uid, flags = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
s.bind((wire, 0))
s.setsockopt(263, 1, struct.pack("iHH8s", socket.if_nametoindex(wire), 1, 0, b""))
t = os.open("/dev/net/tun", os.O_RDWR)
os.setgroups([])
os.setgid(uid)
os.setuid(uid)
fcntl.ioctl(t, 0x400454ca, struct.pack("16sH22x", tap.encode(), 0x1002 | flags))
print("ready", flush=True)
while True:
    for f in select.select([s, t], [], [])[0]:
        if f is t:
            s.send(os.read(t, 70000))
        else:
            frame, a = s.recvfrom(70000)
            if a[2] != 4:
                os.write(t, frame)
]]

--- Starts one.
-- @tparam table o { name, tap, mac, address = "10.1.0.2/24", uid, flags, netns = where the tap is }
-- @return { netns, stop() }; or nil and what the program said
function M.start(o)
  assert(netns.add { path = o.name, lo_up = true })
  assert(link.add { netns = o.netns, kind = "veth", name = o.name .. "-w", up = true,
    peer = { name = "eth0", netns = o.name, mac = o.mac } })
  assert(link.set { netns = o.name, name = "eth0", up = true })
  if o.address then assert(address.add { netns = o.name, link = "eth0", address = o.address }) end
  local child = assert(process.spawn { argv = { "python3", "-c", PROGRAM, o.name .. "-w", o.tap, tostring(o.uid or 0),
    tostring(o.flags or 0) }, netns = o.netns, stdout = "pipe", stderr = "pipe" })
  local guest = { netns = "/run/netns/" .. o.name }
  function guest.stop()
    if child:running() then child:kill "KILL" end
    child:wait()
    link.delete { netns = o.netns, name = o.name .. "-w" }
    netns.delete { path = o.name }
  end
  function guest.ping(target)
    return process.run { argv = { "ping", "-c1", "-W2", target }, netns = guest.netns }.exit == 0
  end
  if child.stdout:read_line() == "ready" then return guest end
  local said = child.stderr:read() or ""
  guest.stop()
  return nil, said
end

--- Whether a tap is open.
function M.is_open(where, name)
  return tap.eventually(3, function() return kernel.link(where, name).operstate ~= "DOWN" end)
end

return M
