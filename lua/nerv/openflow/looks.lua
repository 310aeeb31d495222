--- When Open vSwitch has looked through what it remembers of flows. What became of a frame it remembers, and does the
-- same with its like without a look at its bridges. When those have changed it looks through all that it remembers, but
-- after it has said that the change is done, and at most every 5 ms.
local file <const> = require "nerv.file"
local json <const> = require "nerv.json"
local stream <const> = require "nerv.stream"
local task <const> = require "nerv.task"

local M = {}

-- Seconds in which a look must have ended.
local PATIENCE <const> = 1
-- Seconds that one gets of which nothing is heard; measured: 2 to 7 ms, on a machine with nothing else to do.
local BLIND <const> = 0.02
-- Seconds between two changes that have the daemon look.
local AGAIN <const> = 0.002
-- A MAC address that nobody has.
local NOBODY <const> = "0a:6e:65:72:76:00"

--- The socket by which a system's daemon takes commands, in the directory that it has.
function M.system_socket(dir)
  local pid <const> = file.read(dir .. "/ovs-vswitchd.pid")
  return ("%s/ovs-vswitchd.%d.ctl"):format(dir, pid and math.tointeger(tonumber(pid)) or 0)
end

-- Sends a command and waits for its answer.
-- @tparam table words its name and parameters
-- @return its result; or nil and a message
local function command(path, words)
  local daemon <close>, message = stream.connect { path = path }
  if not daemon then return nil, message end
  daemon:write(('{"id":0,"method":%s,"params":%s}'):format(json.encode(words[1]),
    #words > 1 and json.encode { table.unpack(words, 2) } or "[]"))
  local text = ""
  repeat
    local more, why = daemon:read()
    if not more then return nil, why end
    text = text .. more
  until text:find "}%s*$"
  local answer <const> = json.decode(text) or { error = "what it says is not understood" }
  if type(answer.error) == "string" then return nil, (answer.error:gsub("\n.*", "")) end
  return answer.result
end

--- Waits until the daemon ends the look that it is at, or else the next.
-- @tparam string path of its socket
-- @return true, or nil and why it is not known
function M.await_end(path)
  local result <const>, why = command(path, { "revalidator/wait" })
  return result and true, why
end

-- Two looks, the second of which has begun after the call. The daemon looks because a bridge learns and forgets an
-- address; one such change alone it may see too late to look at once.
local function two_looks(path, bridge)
  local learns = false
  local changing <close> = task.every(AGAIN, function()   -- luacheck: ignore (it ends with this scope)
    learns = not learns
    command(path, learns and { "fdb/add", bridge, bridge, "0", NOBODY } or { "fdb/del", bridge, "0", NOBODY })
  end)
  local good, why = M.await_end(path)
  if good then good, why = M.await_end(path) end
  return good, why
end

-- Whether anything is remembered.
local function is_empty(path)
  local text <const> = command(path, { "dpctl/show" })
  for count in (text or "flows: ?"):gmatch "flows: (%S+)" do
    if count ~= "0" then return false end
  end
  return true
end

local function look(path, bridge)
  if is_empty(path) then return true end
  local good, why = two_looks(path, bridge)
  command(path, { "fdb/del", bridge, "0", NOBODY })
  return good, why
end

--- Waits until Open vSwitch does with every frame what its bridges say by now.
-- @tparam string path of the daemon's socket
-- @tparam string bridge name of one of the bridges
-- @return true; or nil and why that is not certain
function M.through(path, bridge)
  local looking <close> = task.spawn(look, path, bridge)
  local good, done, why = looking:join(PATIENCE), nil, "it does not end"
  if good then good, done, why = pcall(looking.wait, looking) end
  if good and done then return true end
  task.sleep(BLIND)
  return nil, tostring(why or done)
end

return M
