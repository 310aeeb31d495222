-- TLS on streams: handshake, data both ways, and who is refused.
local tap <const> = require "tap"

local dir <const> = file.temp_dir "nerv-tls-"
local function authority(name, ...) assert(process.run { argv = { "scripts/make-ca", dir .. "/" .. name, ... } }.exit == 0) end
authority("ours", "a", "b")
authority("other", "c")

local function who(path, server)
  return { ca = dir .. "/" .. path .. "/ca.pem", certificate = dir .. "/" .. path .. "/certificate.pem",
    key = dir .. "/" .. path .. "/key.pem", server = server }
end

-- Both ends of a connection after the handshake, or what each was told.
local function connect(client, server)
  local listener <close> = assert(stream.listen { host = "127.0.0.1", port = 0 })
  local accepted
  local serving <close> = spawn(function()
    accepted = table.pack(assert(listener:accept()):secure(server))
    if accepted[1] then return end
  end)
  local connection = assert(stream.connect { host = "127.0.0.1", port = listener:port() })
  local mine = table.pack(connection:secure(client))
  -- With TLS 1.3 a client learns only by reading that it was refused.
  if mine[1] and not serving:join(2) then mine = { nil, "the server waits" } end
  serving:join(2)
  return mine, accepted
end

local a, b = connect(who "ours/a", who("ours/b", true))
tap.ok(a[1] and b[1], "two of one authority", a[2], b[2])
a, b = a[1], b[1]
a:write "hello\n"
tap.eq(b:read_line(), "hello", "one way")
b:write_frame(7, "payload")
tap.eq({ a:read_frame() }, { 7, "payload" }, "and the other")
local much <const> = ("0123456789"):rep(400000)
local _ <close> = spawn(function() a:write(much) a:shutdown() end)
local got = b:read_exactly(#much)
tap.ok(got == much, "four million bytes", got and #got)
tap.eq({ (select(3, b:read())) }, { "closed" }, "the end is seen")
b:close()

for _, case in ipairs { { "other/c", "ours/b" }, { "ours/a", "other/c" } } do
  local mine, its = connect(who(case[1]), who(case[2], true))
  tap.ok(not mine[1] and mine[3] == "EPROTO" and mine[2]:find "TLS: the other end's certificate: ", case[2] .. " is none of ours", mine[2])
  tap.ok(not its[1] and its[3] == "EPROTO" and its[2]:find "TLS: .*alert", "and learns it", its[2])
end

for case, want in pairs { ca = "ca%-none.pem: No such file", certificate = "certificate%-none.pem: No such file", key = "key%-none.pem: No such file" } do
  local options <const> = who "ours/a"
  options[case] = options[case]:gsub("%.pem", "-none.pem")
  local x, _ = stream.pair()
  local good, message, code = x:secure(options)
  tap.ok(not good and message:find(want) and code == "ENOENT", "no file for " .. case, message, code)
end
file.write(dir .. "/junk.pem", "junk")
for _, case in ipairs { "ca", "certificate", "key" } do
  local options <const> = who "ours/a"
  options[case] = dir .. "/junk.pem"
  local x, _ = stream.pair()
  local good, message, code = x:secure(options)
  tap.ok(not good and message:find("junk.pem is no ", 1, true) and code == "EINVAL", "junk for " .. case, message, code)
end
local options <const> = who "ours/a"
options.key = dir .. "/ours/b/key.pem"
local x <const> = stream.pair()
local good, message = x:secure(options)
tap.ok(not good and message:find("is no key of that certificate", 1, true), "another one's key", message)

local plain, other = stream.pair()
local _ <close> = spawn(function() other:write "GET / HTTP/1.0\r\n\r\n" end)
good, message = plain:secure(who("ours/b", true))
tap.ok(not good, "a client without TLS", message)
plain, other = stream.pair()
other:close()
good, message = plain:secure(who "ours/a")
tap.ok(not good and message:find "closed", "an end that is gone", message)
plain, other = stream.pair()
tap.eq({ select(3, timeout(0.2, plain.secure, plain, who "ours/a")) }, { "timeout" }, "an end that says nothing")
other:close()
tap.raises(function() a:secure(who "ours/a") end, "closed", "a closed one")
file.remove_tree(dir)
tap.done()
