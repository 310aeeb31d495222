--- Errors as the prompt tells them: the message, then the user's own lines that led to it.
local live <const> = require "nerv.prompt.live"
local literal <const> = require "nerv.prompt.literal"

local M = {}

-- Frames that are told, and levels that are looked at: a recursion has thousands, and each look walks down to them.
local MOST <const>, DEEPEST <const> = 8, 100

-- A chunk of the prompt is named after the input's number.
local function input_number(source) return math.tointeger(tonumber(source:match("^=prompt:(%d+)$"))) end

--- The name of the chunk of an input.
function M.chunk_name(number) return "=prompt:" .. number end

local function ours(source) return source:find("^@nerv:") ~= nil end

--- For xpcall: the error with the functions that were running. Those of NERV are left out, unless the fault
-- is in one of them.
function M.collect(value)
  local message = literal.is_object(value) and tostring(value) or type(value) == "string" and value
    or literal.inline(value, 200) or tostring(value)
  local fault = { message = message, frames = {} }
  local internal = message:find("^nerv:") ~= nil
  for level = 2, DEEPEST do
    local info = debug.getinfo(level, "Sln")
    if not info then break end
    fault.deeper = level == DEEPEST
    if info.currentline > 0 and (internal or not ours(info.source)) then
      table.insert(fault.frames, { source = info.source, short = info.short_src, line = info.currentline,
        name = info.what ~= "main" and info.name or nil })
    end
  end
  return fault
end

local function file_line(path, wanted)
  local file = io.open(path)
  local number = 0
  for line in file and file:lines() or function() end do
    number = number + 1
    if number == wanted then
      file:close()
      return line
    end
  end
  if file then file:close() end
end

local function source_line(frame, inputs)
  local number = input_number(frame.source)
  if number then
    local at = 0
    for line in ((inputs[number] or "") .. "\n"):gmatch("([^\n]*)\n") do
      at = at + 1
      if at == frame.line then return line end
    end
  end
  local path = frame.source:match("^@(.*)")
  return path and not ours(frame.source) and file_line(path, frame.line) or nil
end

local function place(frame, inputs)
  local number = input_number(frame.source)
  local where = number and "input " .. number or frame.short
  if not frame.whole and (not number or (inputs[number] or ""):find("\n")) then
    where = where .. (number and ", line " or ":") .. frame.line
  end
  return frame.name and ("%s, in %s"):format(where, frame.name) or where
end

-- A syntax error has no frame, but a position.
local function syntax_frame(message)
  local number, line = message:match("^prompt:(%d+):(%d+): ")
  if not number then return nil end
  return { source = "=prompt:" .. number, short = "prompt:" .. number, line = math.tointeger(tonumber(line)) }
end

-- The position at the start of the message is that of the first frame: it is told below.
local function without_position(message, frame)
  local position = frame and ("%s:%d: "):format(frame.short, frame.line)
  if position and message:sub(1, #position) == position then return message:sub(#position + 1) end
  return message
end

--- Where to find what was made by a command, and so has no variable: "network.get ... is the network", or nil.
function M.whereabouts(name)
  local net = live.network_of(name)
  if net then return ("network.get(%q):get %q is the endpoint"):format(net, name) end
  return live.is_network(name) and ("network.get %q is the network"):format(name) or nil
end

local function hint(message)
  local name = message:match("nil value %(global '([%w_]+)'%)")
  local where = name and M.whereabouts(name)
  return where and "; " .. where or ""
end

--- The text of an error.
-- @tparam table fault as M.collect made it
-- @tparam table inputs number -> text of what has been typed
-- @tparam boolean obvious true: the last input is the line above
-- @tparam boolean colour
function M.text(fault, inputs, obvious, colour)
  local frames = fault.frames
  if #frames == 0 then
    frames = { syntax_frame(fault.message) }
  elseif input_number(frames[#frames].source) ~= #inputs then   -- a tail call has left no frame of it
    frames[#frames + 1] = { source = "=prompt:" .. #inputs, short = "prompt", line = 1, whole = true }
  end
  local lines = { literal.paint("fault", "error: ", colour) .. without_position(fault.message, frames[1])
    .. hint(fault.message) }
  if #frames == 1 and obvious and input_number(frames[1].source) == #inputs then return lines[1] end
  for i, frame in ipairs(frames) do
    if i <= MOST or i == #frames then
      local line = source_line(frame, inputs)
      lines[#lines + 1] = "  " .. place(frame, inputs) .. (line and ":  " .. line:match("^%s*(.-)%s*$") or "")
    elseif i == MOST + 1 then
      lines[#lines + 1] = fault.deeper and "  ... and many more" or ("  ... and %d more"):format(#frames - MOST - 1)
    end
  end
  return table.concat(lines, "\n")
end

return M
