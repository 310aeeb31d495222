--- Where NERV's own programs and P4 files lie: beside the running nervsh in a source tree,
-- else where `make install` put them.
local process <const> = require "nerv.process"
local file <const> = require "nerv.file"

local M = {}

local function directory(path) return path:match("^(.*)/[^/]*$") end

--- This program.
function M.exe() return process.exe() end

--- The directory of nerv-nve.
function M.libexec()
  local here = directory(process.exe())
  if file.stat(here .. "/nerv-nve") then return here end
  return directory(here) .. "/sbin"
end

--- The directory of P4 descriptions.
function M.p4()
  local here = directory(process.exe())
  if file.stat(here .. "/p4") then return here .. "/p4" end
  return directory(here) .. "/lib/nerv/p4"
end

return M
