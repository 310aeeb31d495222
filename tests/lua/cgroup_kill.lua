-- cgroup: create, list, kill of grandchildren, remove.
local tap <const> = require "tap"

local function code(_, _, c) return c end

tap.raises(function() cgroup.create("a/../b") end, "%.%.", "'..' is refused")
tap.eq(code(cgroup.create("/tmp/nerv-p-group")), "EINVAL", "a directory outside of cgroup2")
tap.eq(file.stat("/tmp/nerv-p-group"), nil, "is not made")
tap.eq(code(cgroup.remove("/tmp")), "EINVAL", "nor removed")
tap.eq(code(cgroup.kill("/tmp")), "EINVAL", "nor killed")

local root, message, why = cgroup.root()
if not root then
  tap.ok(why == "ENOENT" or why == "EROFS", "no writable cgroup2 here, and root says so", message)
  tap.done()
  return
end

local top <const> = "nerv-p-" .. digest.random(4)
local group = assert(cgroup.create(top .. "/one/two"))
local _ <close> = setmetatable({}, { __close = function()
  local kill = io.open(root .. "/" .. top .. "/cgroup.kill", "w")
  if kill then kill:write("1") kill:close() end
end })
tap.eq(group, root .. "/" .. top .. "/one/two", "create returns the whole path")
tap.ok(cgroup.create(top .. "/one/two"), "and may be repeated")
tap.eq(cgroup.list(top), { "one" }, "list")
tap.eq(cgroup.populated(top), false, "nobody lives there")
tap.eq(cgroup.pids(top), {}, "no process")
tap.ok(cgroup.kill(top), "killing nobody")

-- grandchildren that have left their session, and one that forks for a while
local p = assert(process.spawn { cgroup = group, stdout = "pipe", argv = { "sh", "-c", [[
  setsid sh -c 'setsid sleep 60 & setsid sleep 60 & sleep 60' &
  (i=0; while [ $i -lt 3000 ]; do i=$((i+1)); sleep 0.001 & done) &
  echo started
  sleep 60 ]] } })
p.stdout:read_line()
tap.ok(tap.eventually(5, function() return #cgroup.pids(top) >= 5 end), "all descendants are in it", #cgroup.pids(top))
tap.eq(cgroup.populated(top), true, "populated")
tap.eq(code(cgroup.remove(top)), "EBUSY", "it cannot be removed now")
local began = runtime.now()
tap.ok(cgroup.kill(top), "kill")
tap.note(("took %.1f ms"):format((runtime.now() - began) * 1000))
tap.eq(cgroup.populated(top), false, "all are gone")
tap.eq(cgroup.pids(top), {}, "really")
tap.eq(p:wait().name, "SIGKILL", "the first one, too")
p.stdout:close()

-- several kills at once, one cancelled
p = assert(process.spawn { cgroup = group, argv = { "sleep", "60" } })
local a = task.spawn(function() return cgroup.kill(top) end)
local b = task.spawn(function() return cgroup.kill(top) end)
a:cancel()
tap.eq(b:wait(), true, "two kills at once")
pcall(a.wait, a)
p:wait()

tap.ok(cgroup.remove(top), "remove with all below")
tap.eq(file.stat(root .. "/" .. top), nil, "it is gone")
tap.ok(cgroup.remove(top), "removing nothing")
tap.ok(cgroup.kill(top), "killing nothing")
tap.eq(code(cgroup.pids(top)), "ENOENT", "pids of nothing")
tap.eq(code(cgroup.list(top)), "ENOENT", "children of nothing")
tap.done()
