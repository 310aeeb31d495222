-- `capture`: frames of an endpoint, a network or a node's interface, as lines or as a pcap file.
local command <const> = require "nerv.command"
local capture <const> = require "nerv.capture"
local network <const> = require "nerv.network"
local node <const> = require "nerv.node"
local context <const> = require "nerv.context"
local options <const> = require "nerv.options"
local packet_text <const> = require "nerv.command.packet_text"

local function class_of(value)
  local meta = getmetatable(value)
  return type(meta) == "table" and meta.__name or nil
end

local function is_place(value)
  local class = class_of(value)
  return class == "endpoint" or class == "network"
end

-- What a word names: an endpoint, a network, or an interface as NODE:INTERFACE.
-- @return object, interface; or nil, message
local function place(word)
  if is_place(word) then return word end
  local variable = rawget(_G, word)
  if is_place(variable) then return variable end
  local found = command.find_endpoint(word) or context.valid_name(word) and network.get(word)
  if found then return found end
  local name, interface = word:match("^([^:]+):(.+)$")
  local n = name and context.valid_name(name) and node.get(name)
  if n then return n, interface end
  return nil, ("'%s' is no endpoint, no network and no NODE:INTERFACE"):format(word)
end

-- What was captured at all is worth more than an error: a reader that has left is an end.
local function finish(running)
  local result, message, code = running:wait()
  if not result then return nil, code ~= "closed" and message or nil end
  io.stderr:write(("%d packets captured, %d dropped\n"):format(result.count, result.dropped))
  return nil
end

local function show(running)
  local p, message
  repeat
    p, message = running:next()
    if p then print(packet_text.line(p, running.linktype)) end
  until not p
  if message then return nil, message end
  return finish(running)
end

local OPTION_NAMES <const> = { filter = "f", count = "c", seconds = "t", snaplen = "s", interface = "i" }

local spec <const> = {
  name = "capture", text = "capture packets: show them, or write them to a pcap file, until Ctrl-C",
  args = {
    { name = "place", type = "any", names = { "endpoint", "network" }, required = true,
      text = "an endpoint, a network (its bridge) or NODE:INTERFACE" },
    { name = "file", type = "string", text = "pcap file to write; - for standard output, as into tcpdump -r -; "
      .. "by default packets are shown" },
  },
  options = {},
  example = "capture h1 -t 0.1 -f 'icmp or arp'",
  run = function(a)
    local where, interface = place(a.place)
    if not where then return nil, interface end
    local given = { file = a.file, interface = interface }
    for name in pairs(OPTION_NAMES) do given[name] = given[name] or a[name] end
    local running <close>, message = where:capture(given)
    if not running then return nil, message end
    if a.file then return finish(running) end
    return show(running)
  end,
}
for name, short in pairs(OPTION_NAMES) do
  spec.options[name] = options.join(capture.OPTIONS[name], { short = short })
end
return spec
