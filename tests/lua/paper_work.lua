-- The directories in which VLC works for scripts/paper.lua: those of killed runs go, those of living ones stay.
local tap <const> = require "tap"
local system <const> = require "support.system"

local dir <const> = system.directory()
local _ <close> = dir
local function nervsh(code, ...)
  return { argv = { process.exe(), "-e", "package.path = 'scripts/paper/?.lua;' .. package.path  local work = require 'work' " .. code, ... },
    add_env = { TMPDIR = dir.path }, stdin = "null", stdout = "pipe" }
end
local function start()
  local child <const> = process.spawn(nervsh [[
    local dir <close> = work.directory "nobody"
    file.write(dir.path .. "/clip", "x")
    print(dir.path)
    io.stdout:flush()
    sleep(1000)]])
  return child, child.stdout:read_line()
end
local function stop(child, signal)
  child:kill(signal)
  child:wait()
end

local living <const>, its <const> = start()
local dead <const>, left <const> = start()
tap.eq({ file.stat(its).mode, file.stat(its).uid > 0, file.stat(dir.path .. "/nerv-paper").mode }, { 448, true, 457 },
  "a directory for who is not root, which nobody else looks into")
stop(dead, "KILL")
tap.ok(file.stat(left .. "/clip"), "a killed run has left one")
tap.eq(process.run(nervsh "work.sweep()").exit, 0, "the next run")
tap.eq({ file.stat(left) ~= nil, file.stat(left .. ".lock") ~= nil, file.stat(its .. "/clip") ~= nil }, { false, false, true },
  "it goes, and that of a run that lives stays")
stop(living, "INT")
tap.eq(file.list(dir.path), {}, "the last one leaves nothing")

-- Somebody else's directory of that name, and a link.
local victim <const> = dir.path .. "/victim"
assert(file.mkdir(victim) and file.write(victim .. "/a.lock", "") and file.mkdir(victim .. "/a"))
assert(file.symlink(victim, dir.path .. "/nerv-paper"))
tap.eq(process.run(nervsh "work.sweep()").exit, 0, "a link in its place")
tap.eq(#file.list(victim), 2, "is not followed")
tap.like(process.run(nervsh "work.directory 'nobody'").stderr, "/nerv%-paper is in the way\n", "nor used")
tap.done()
