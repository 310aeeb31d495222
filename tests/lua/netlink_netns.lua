-- Network namespaces as files: made, listed, deleted, next to those of `ip netns`.
local tap <const> = require "tap"
local kernel <const> = require "support.kernel"
local netns <const> = require "nerv.netns"
local link <const> = require "nerv.link"
local sh <const> = kernel.shell

local function contains(list, value)
  for _, v in ipairs(list) do if v == value then return true end end
  return false
end

local dir <const> = os.tmpname() .. ".d"
local names <const> = { "nltn-a", "nltn-b", "nltn-c" }

local function clean()
  for _, name in ipairs(names) do
    if netns.exists(name) then netns.delete{ path = name } end
  end
end

local function test()
  tap.eq({ netns.add{ path = "nltn-a" } }, { true }, "a namespace by name")
  tap.ok(netns.exists "nltn-a", "it exists")
  tap.like(sh "ip netns list", "nltn%-a", "ip netns sees it")
  tap.eq(link.get{ name = "lo", netns = "nltn-a" }.up, false, "lo stays down")
  local value, message, code = netns.add{ path = "nltn-a" }
  tap.eq(value, nil, "the same again fails")
  tap.eq(message, "netns.add /run/netns/nltn-a: File exists", "and says so")
  tap.eq(code, "EEXIST", "with its code")
  tap.ok(netns.exists "nltn-a", "the first is not harmed")

  local identity = netns.identity{ netns = "nltn-a" }
  tap.like(identity, "^%d+:" .. sh "stat -Lc %i /run/netns/nltn-a":match "%d+" .. ":%d+$", "its identity holds its inode")
  tap.eq(netns.identity{ netns = "/run/netns/nltn-a" }, identity, "by path, too")
  tap.eq(netns.identity(), netns.identity{ netns = process.self() }, "one's own by process")
  tap.ok(netns.identity() ~= identity, "another namespace has another one")
  value, message, code = netns.identity{ netns = "nltn-none" }
  tap.ok(value == nil and message:find "nltn%-none" and code == "ENOENT", "one that is not there", message, code)
  tap.raises(function() netns.identity{ netns = "" } end, "netns", "a bad name is refused")
  netns.delete{ path = "nltn-a" }
  tap.ok(tap.eventually(3, function() return netns.add{ path = "nltn-a" } end), "the name again")
  tap.ok(netns.identity{ netns = "nltn-a" } ~= identity, "is another namespace")

  tap.ok(netns.add{ path = "nltn-b", lo_up = true }, "one with lo up")
  tap.like(sh "ip -n nltn-b -o link show lo", "LOOPBACK,UP", "ip sees lo up")
  tap.ok(contains(netns.list(), "/run/netns/nltn-a") and contains(netns.list(), "/run/netns/nltn-b"),
    "both are listed")

  sh("mkdir -p " .. dir)
  tap.ok(netns.add{ path = dir .. "/x" }, "a namespace by path")
  sh("touch " .. dir .. "/plain")
  tap.eq(netns.list(dir), { dir .. "/x" }, "a plain file is not listed")
  tap.eq(netns.exists(dir .. "/plain"), false, "a plain file is no namespace")
  tap.eq(select(3, netns.add{ path = dir .. "/plain" }), "EEXIST", "a file is not overwritten")
  tap.ok(netns.delete{ path = dir .. "/plain" }, "an empty left-over file can be deleted")
  sh("echo text > " .. dir .. "/text")
  tap.eq(select(3, netns.delete{ path = dir .. "/text" }), "EINVAL", "a file with content is not deleted")
  tap.ok(io.open(dir .. "/text"):close(), "it is still there")
  tap.ok(netns.add{ path = dir .. "/y" }, "a second one")
  sh("mount --bind " .. dir .. "/y " .. dir .. "/y")
  tap.ok(netns.delete{ path = dir .. "/y" }, "one that is mounted twice goes whole")
  tap.eq(netns.exists(dir .. "/y"), false, "it is gone")
  tap.ok(netns.delete{ path = dir .. "/x" }, "delete by path")
  tap.eq(netns.list(dir), {}, "nothing is listed")
  tap.eq(netns.list(dir .. "/none"), {}, "a directory that is not there holds none")

  sh "ip netns add nltn-c"
  tap.ok(contains(netns.list(), "/run/netns/nltn-c"), "one of `ip netns` is listed")
  tap.ok(netns.delete{ path = "nltn-c" }, "and can be deleted")
  sh "ip netns del nltn-b"
  tap.eq(netns.exists "nltn-b", false, "`ip netns` deletes one of ours")
  tap.ok(netns.delete{ path = "nltn-a" }, "delete by name")
  tap.eq(sh "ip netns list | grep nltn", "", "nothing is left")
  tap.eq({ netns.delete{ path = "nltn-a" } },
    { nil, "netns.delete /run/netns/nltn-a: No such file or directory", "ENOENT" }, "gone is gone")
  tap.eq(sh "grep -c nltn /proc/self/mountinfo", "0\n", "no mount is left")
  tap.eq(select(3, netns.add{ path = "/nowhere/at/all" }), "ENOENT", "a directory that is missing")

  tap.raises(function() netns.add{} end, "netns%.add: option 'path' is missing", "path is required")
  tap.raises(function() netns.add{ path = "" } end, "netns%.add: path \"\" is no namespace", "empty name")
  tap.raises(function() netns.add{ path = ".." } end, "is no namespace", "dots")
  tap.raises(function() netns.add{ path = "a\0b" } end, "NUL", "a NUL byte")
  tap.raises(function() netns.add{ path = "nltn-a", lo = true } end, "unknown option 'lo'", "unknown option")
  tap.raises(function() netns.exists() end, "argument 'path' is missing", "exists needs a path")
end

clean()
local good, problem = pcall(test)
clean()
os.execute("rm -rf " .. dir .. " " .. dir:gsub("%.d$", ""))
if not good then error(problem, 0) end
tap.done()
