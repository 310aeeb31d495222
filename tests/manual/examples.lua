-- Every example of the registry runs: each by a nervsh of its own. Those of primitives in a new network namespace; those
-- that need a lab in one that has the network `blue`, of archetype ip, with the endpoints h1 and h2, and the node
-- pm1 of a testbed, which has an NVE. A testbed's own examples have a lab of their own.
local tap <const> = require "tap"
local reference <const> = require "nerv.reference"

local nervsh <const> = process.exe()
local LIMIT <const> = 30

-- What none is asked of: it wants a person at a terminal, ends what runs, or says all in its text.
local exempt <const> = {
  ["prompt.read"] = true, ["prompt.remember"] = true, ["prompt.completer"] = true, ["prompt.foreground"] = true,
  ["prompt.background"] = true, ["endpoint:shell"] = true, exit = true, source = true, apply = true, ["stream:secure"] = true, ["switch:add_port"] = true,
  ["switch:remove_port"] = true, ["switch_client:add_port"] = true, ["switch_client:remove_port"] = true,
}

local function excused(f) return exempt[f.full] or f.name == "close" or f.full:find "^terminal" end

-- How an example runs: "namespace", "lab" (the common one), or "testbed" (a lab of its own).
local function place(entry, text)
  if text:find "testbed%.create" then return "testbed" end
  if entry.what == "command" then return "lab" end
  for _, word in ipairs { "archetype", "blue", "configuration", "h1", "h2", "lab", "network", "node", "nve", "testbed", "uf" } do
    if text:find("%f[%w_]" .. word .. "%f[^%w_]") and not text:find('"' .. word .. '"', 1, true) then return "lab" end
  end
  return "namespace"
end

local function run(argv, options)
  options.argv = argv
  local result, message, _, status = timeout(LIMIT, process.run, options)
  result = result or status or {}
  return result.exit == 0, (result.stderr or "") .. tostring(message or "")
end

local todo <const> = { namespace = {}, lab = {}, testbed = {} }
for _, entry in ipairs(reference.entries()) do
  for _, f in ipairs(entry.functions) do
    if f.example then
      table.insert(todo[place(entry, f.example)], { name = f.full, text = f.example,
        option = entry.what == "command" and "-c" or "-e" })
    else
      tap.ok(excused(f), f.full .. " has an example, or needs none")
    end
  end
end

local function in_namespace(one)
  local path = "/run/netns/example-" .. digest.random(4)
  netns.add { path = path, lo_up = true }
  local _ <close> = setmetatable({}, { __close = function() netns.delete { path = path } end })
  return run({ nervsh, one.option, one.text }, { netns = path, env = { PATH = os.getenv "PATH", NERV_STATE = "/dev/null/none" } })
end

local PRELUDE <const> = 'blue, uf = network.get "blue", network.get "uf"  h1, h2 = blue:get "h1", blue:get "h2"'
local function in_lab(one) return run({ nervsh, "-e", PRELUDE, one.option, one.text }, {}) end

local state <const> = os.getenv "NERV_STATE"
local function in_testbed(one)
  return run({ nervsh, one.option, one.text }, { add_env = { NERV_STATE = state .. "-testbed" } })
end

-- The lab as examples find it; made anew when the last one has changed it.
local function fingerprint()
  local parts = {}
  for _, net in ipairs(network.list()) do
    parts[#parts + 1] = json.encode({ net.name, net.archetype, net.options }, { sorted = true })
    for _, e in ipairs(net:endpoints()) do parts[#parts + 1] = e.id end
  end
  return table.concat(parts, "\n")
end

local function restore()
  for _, net in ipairs(network.list()) do
    if net.archetype ~= "testbed" then net:delete() end
  end
  network.create({ name = "blue", archetype = "ip", subnet = "10.1.0.0/24" }):endpoint { { name = "h1" }, { name = "h2" } }
  network.create({ name = "uf", archetype = "etarch" }):endpoint { { name = "e1" }, { name = "e2" } }
end

local function each(list, runner, before)
  for _, one in ipairs(list) do
    if before then before() end
    local began = runtime.now()
    local good, message = runner(one)
    tap.ok(good, ("%s: the example runs"):format(one.name), message, one.text)
    if runtime.now() - began > 2 then tap.note(("%s took %.1f s"):format(one.name, runtime.now() - began)) end
  end
end

tap.ok(#todo.namespace > 100 and #todo.lab > 30 and #todo.testbed > 0, "there are examples of all sorts", #todo.namespace,
  #todo.lab, #todo.testbed)
testbed.create { nodes = 1 }
restore()
local usual <const> = fingerprint()
local tags <const> = nve.open("pm1").tables.tags
local others <const> = spawn(each, todo.namespace, in_namespace)
each(todo.lab, in_lab, function()
  tags:clear()
  if fingerprint() ~= usual then restore() end
end)
each(todo.testbed, in_testbed)
others:wait()
tap.done()
