-- What an IP network answers it answers when a call has returned, and from then on: no question to its server is lost.
local tap <const> = require "tap"

local ROUNDS <const>, QUESTIONS <const> = 3, 60
-- Asks for a name by DNS for each line on stdin, so many times, 5 ms apart, and says how many answers were which: their
-- codes and the last addresses in them.
local ASK <const> = [[
import collections, json, socket, struct, sys, time
count = int(sys.argv[1])
name = b"".join(bytes([len(part)]) + part.encode() for part in sys.argv[2].split("."))
for line in sys.stdin:
    said = collections.Counter()
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.connect(("10.1.0.1", 53))
    s.settimeout(3)
    for i in range(count):
        try:
            s.send(struct.pack(">HHHHHH", i, 0x100, 1, 0, 0, 0) + name + b"\0\0\1\0\1")
        except OSError as e:
            said[str(e)] += 1
        time.sleep(0.005)
    try:
        for i in range(count - sum(said.values())):
            answer = s.recv(512)
            said["%d %s" % (answer[3] & 15, ".".join(map(str, answer[-4:])) if answer[7] else "none")] += 1
    except OSError as e:
        said[str(e)] += 1
    print(json.dumps(said), flush=True)
]]
local UNKNOWN <const> = "3 none"   -- NXDOMAIN of RFC 1035

local blue <const> = network.create { name = "blue", archetype = "ip", subnet = "10.1.0.0/24" }
local h1 <const> = blue:endpoint { name = "h1" }
local client <const> = assert(process.spawn { argv = { "python3", "-c", ASK, tostring(QUESTIONS), "h2.blue" },
  netns = h1.netns, stdin = "pipe", stdout = "pipe" })
local function asks(what, want)
  assert(client.stdin:write "\n")
  tap.eq(json.decode(client.stdout:read_line()), { [want] = QUESTIONS }, what)
end

for i = 1, ROUNDS do
  blue:update { gateway = true, dns = true, dhcp = true }
  asks("a server that was turned on answers", UNKNOWN)
  local h2 <const> = blue:endpoint { name = "h2", address = "10.1.0.50" }
  asks("a new name is known", "0 10.1.0.50")
  h2:update { address = "10.1.0." .. 100 + i }
  asks("a name that has another address", "0 10.1.0." .. 100 + i)
  h2:delete()
  asks("a name that is gone", UNKNOWN)
  blue:update { dns = false, dhcp = false, gateway = false }
end
client:kill "KILL"
client:wait()
tap.done()
