--- Command lines: `nodes`, `net list`, `h1 ping -c1 h2`. Everything else is Lua.
local registry <const> = require "nerv.registry"
local context <const> = require "nerv.context"
local lab <const> = require "nerv.lab"
local network <const> = require "nerv.network"
local node <const> = require "nerv.node"
local suggest <const> = require "nerv.suggest"

local M = {}

local function rows(header, lines)
  local widths = {}
  for _, line in ipairs { header, table.unpack(lines) } do
    for i, cell in ipairs(line) do widths[i] = math.max(widths[i] or 0, #tostring(cell)) end
  end
  for _, line in ipairs { header, table.unpack(lines) } do
    local cells = {}
    for i, cell in ipairs(line) do cells[i] = tostring(cell) .. (" "):rep(widths[i] - #tostring(cell)) end
    print((table.concat(cells, "  "):gsub("%s+$", "")))
  end
end

--- name -> { text =, run = function(words) }
M.commands = {
  nodes = { text = "list the nodes", run = function()
    local lines = {}
    for i, n in ipairs(node.list()) do
      local egress = {}
      for j, port in ipairs(n.egress) do egress[j] = port.interface .. "=" .. port.mode end
      lines[i] = { n.name, n.state, table.concat(egress, " ") }
    end
    rows({ "NAME", "STATE", "EGRESS" }, lines)
  end },
  net = { text = "list the networks", run = function()
    local lines = {}
    for i, n in ipairs(network.list()) do
      lines[i] = { n.name, n.archetype, n.home, table.concat(n.nodes, ","), #n:endpoints(), n.state }
    end
    rows({ "NAME", "ARCHETYPE", "HOME", "NODES", "ENDPOINTS", "STATE" }, lines)
  end },
  ep = { text = "list the endpoints", run = function()
    local lines = {}
    for _, n in ipairs(network.list()) do
      for _, e in ipairs(n:endpoints()) do
        lines[#lines + 1] = { e.id, e.node, e.mac, e.address or "", e.state }
      end
    end
    rows({ "NAME", "NODE", "MAC", "ADDRESS", "STATE" }, lines)
  end },
  clean = { text = "remove what labs left whose agents are dead", run = function()
    for _, dir in ipairs(lab.clean()) do print("removed " .. dir) end
  end },
  help = { text = "explain a command, archetype or function", run = function(words)
    require("nerv.help")(words[1])
  end },
  exit = { text = "leave the shell", run = function() os.exit(0) end },
}

-- An endpoint as NETWORK:NAME, or by bare name: of the preferred network, else of the only one that has it.
local function find_endpoint(word, preferred)
  local net, name = word:match("^([^:]+):(.+)$")
  net, name = net or preferred, name or word
  if net then
    local n = context.valid_name(net) and network.get(net)
    local e = n and n:get(name)
    if e or net ~= preferred then return e or nil end
  end
  local found
  for _, n in ipairs(network.list()) do
    local e = n:get(word)
    if e and found then registry.fail(("endpoint '%s' is in networks %s and %s: name it NETWORK:%s"):format(
      word, found.network, n.name, word)) end
    found = found or e
  end
  return found
end

local function words_of(line)
  local words = {}
  for word in line:gmatch("%S+") do words[#words + 1] = word end
  return words
end

--- Whether a line is a command: a registered word alone or followed by a blank and no Lua operator.
function M.is_command(line)
  local first, rest = line:match("^%s*(%S+)%s*(.-)%s*$")
  if not first then return false end
  local operator = rest:match("^[=~<>({%[.:,;\"']") or rest:match("^and%f[%W]") or rest:match("^or%f[%W]")
  if M.commands[first] then return not operator end
  if rest == "" or operator or not first:match("^%w[%w._:-]*$") then return false end
  local variable = rawget(_G, first)
  if getmetatable(variable) and getmetatable(variable).__name == "endpoint" then return true end
  return lab.active() and variable == nil and find_endpoint(first) ~= nil
end

--- Programs whose arguments may be endpoints' bare names.
M.programs = { "arping", "curl", "iperf3", "mtr", "nc", "ping", "ssh", "tracepath", "traceroute", "wget" }

local function takes_names(program)
  for _, name in ipairs(M.programs) do
    if name == program then return true end
  end
  return false
end

-- @NAME is an address; for some programs a bare name is one, too, where it stands alone.
local function addresses(words, endpoint)
  local bare = takes_names(words[1])
  for i = 2, #words do
    local name = words[i]:match("^@(.+)$")
    local target = (name or bare) and find_endpoint(name or words[i], endpoint.network)
    if target and target.address then
      words[i] = target.address
    elseif name then
      registry.fail(("%s: %s"):format(words[i],
        target and "the endpoint has no address" or "there is no such endpoint"))
    end
  end
end

--- Runs a command line.
-- @raise when the command is unknown or fails
function M.run_line(line)
  local words = words_of(line)
  local first = table.remove(words, 1)
  if not first then return end
  local command = M.commands[first]
  if command then return command.run(words) end
  local variable = rawget(_G, first)
  local endpoint = getmetatable(variable) and getmetatable(variable).__name == "endpoint" and variable
    or find_endpoint(first)
  if not endpoint then
    local names = require("nerv.options").sorted_keys(M.commands)
    registry.fail(("unknown command or endpoint '%s'%s"):format(first,
      suggest(first, names, "; 'help' lists the commands")))
  end
  addresses(words, endpoint)
  local good, message, _, status = endpoint:exec(table.unpack(words))
  if good then return end
  if status and (status.exit or status.signal) then
    io.stderr:write("nervsh: ", message, "\n")
    os.exit(status.exit or 128 + status.signal)
  end
  registry.fail(message)
end

return M
