-- file.watch: changes of files and directories, with time limits.
local tap <const> = require "tap"

local dir <const> = file.temp_dir "nerv-w-"
local path <const> = dir .. "/f.lua"
local before <const> = #file.list "/proc/self/fd"

local function code(_, _, c) return c end

-- A file that is not there yet.
do
  local w <close> = file.watch(path)
  tap.eq({ w:next(0) }, { nil, dir .. ": no change in time", "timeout" }, "nothing happens in no time")
  local began = runtime.now()
  tap.eq(code(w:next(0.05)), "timeout", "nor in 50 ms")
  tap.ok(runtime.now() - began >= 0.049, "which it waited")
  task.spawn(function() file.write(path, "a") end)
  tap.eq(w:next(5), { event = "created", name = "f.lua", path = path }, "it is made")
  tap.eq(w:next(5).event, "changed", "and written")
  file.write(path, "b", { atomic = true })
  tap.eq(w:next(5).event, "changed", "another takes its place")
  tap.eq({ file.write(path, "now"), w:next(0.02).event }, { true, "changed" }, "what is there needs no wait")
  file.write(dir .. "/other", "c")
  tap.eq(code(w:next(0.02)), "timeout", "other files are not meant, nor a time limit that is over")
  tap.ok(io.popen("echo d >> " .. path):close(), "a shell appends")
  tap.eq(w:next(5).event, "changed", "which is seen")
  file.rename(path, dir .. "/moved")
  tap.eq(w:next(5).event, "removed", "moved away")
  file.rename(dir .. "/moved", path)
  tap.eq(w:next(5).event, "changed", "and back")
  file.remove(path)
  tap.eq(w:next(5).event, "removed", "removed")
end

-- A directory, as an iterator.
do
  local w <close> = file.watch(dir .. "//")
  file.write(dir .. "/one", "1")
  file.mkdir(dir .. "/sub")
  file.write(dir .. "/sub/below", "2")
  file.remove(dir .. "/one")
  local seen = {}
  for change in w:each(0.1) do seen[#seen + 1] = change.event .. " " .. change.path:sub(#dir + 2) end
  tap.eq(seen, { "created one", "changed one", "created sub", "removed one" }, "in order, nothing below")
  file.remove_tree(dir .. "/sub")
  for _ in w:each(0.05) do end
end

-- More than the kernel keeps.
do
  local w <close> = file.watch(dir)
  local most = math.tointeger(file.read "/proc/sys/fs/inotify/max_queued_events")
  for i = 1, most // 2 + 10 do
    file.write(dir .. "/q" .. i % 2, "")
    file.remove(dir .. "/q" .. i % 2)
  end
  local lost, count = 0, 0
  for change in w:each(0.05) do
    count = count + 1
    if change.event == "lost" then lost = lost + 1 end
  end
  tap.eq({ lost, count }, { 1, most + 1 }, "an overflow is told")
end

-- The end of a watch.
do
  local w = file.watch(dir)
  local waiter = task.spawn(function() return w:next() end)
  sleep(0)
  tap.raises(function() w:next() end, "another task waits", "one waits at a time")
  w:close()
  tap.eq({ waiter:wait() }, { nil, dir .. ": the watch was closed", "closed" }, "who waits hears of the close")
  w:close()
  tap.raises(function() w:next() end, "is closed", "closed is closed")
  local other <close> = file.watch(dir)
  waiter = task.spawn(function() other:next(10) end)
  sleep(0)
  waiter:cancel()
  tap.ok(waiter:join(5) and waiter:status() == "failed", "a wait can be cancelled")
  file.write(path, "x")
  tap.eq(other:next(5).event, "created", "and the watch goes on")
  local sub = dir .. "/gone"
  file.mkdir(sub)
  local third <close> = file.watch(sub)
  file.remove(sub)
  tap.eq({ third:next(5) }, { nil, sub .. ": No such file or directory", "ENOENT" }, "the directory went")
end

tap.eq(code(file.watch(dir .. "/none/f")), "ENOENT", "no such directory")
tap.eq(code(file.watch "/proc/self/exe/x"), "ENOTDIR", "no directory")
tap.eq(code(file.watch ""), "ENOENT", "no path")
tap.raises(function() file.watch "a\0b" end, "NUL", "NUL in a path")
tap.raises(function() local w <close> = file.watch(dir) w:next(-1) end, "timeout must be 0 or more", "negative time")
tap.raises(function() local w <close> = file.watch(dir) w:each(0 / 0) end, "timeout must be 0 or more", "no number")

collectgarbage()
tap.eq(#file.list "/proc/self/fd", before, "no descriptor is left")
file.remove_tree(dir)
tap.done()
