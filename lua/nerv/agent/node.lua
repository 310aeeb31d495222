--- The node as kinds and the supervisor see it: names, paths, its switches.
local context <const> = require "nerv.context"
local file <const> = require "nerv.file"
local kinds <const> = require "nerv.kinds"
local management <const> = require "nerv.agent.management"
local nve <const> = require "nerv.nve"
local paths <const> = require "nerv.paths"
local task <const> = require "nerv.task"
local vswitch <const> = require "nerv.agent.vswitch"

local M = {}

-- Seconds that a switch of this node has for an answer: a Change asks it twice at most, to make and to undo.
local SWITCH_LIMIT <const> = 5

--- @tparam table agent instance, name, cgroup, remote (once it is known)
-- @tparam function log writes a line
function M.new(agent, log)
  local inst = agent.instance
  local node = { instance = inst.id, seed = inst.seed, run_dir = inst.run_dir, name = agent.name, log = log,
    cgroup = agent.cgroup, switches = {}, seen = {} }

  function node.alias(owner) return ("nerv:%s:%s"):format(inst.id, owner) end
  function node.owner_of_alias(alias)
    local id, owner = tostring(alias or ""):match("^nerv:(%x+):(.+)$")
    return id == inst.id and owner or nil
  end
  function node.namespace_path(ns) return kinds.get("netns").path(ns.p, node) end

  node.vswitch = vswitch.new(node)
  node.vswitch.management = management.new(node.vswitch, function(name) agent:tell_again(name) end,
    function(name) agent:make_again(name) end)
  --- What follows when the engine has applied actions.
  function node.applied()
    node.vswitch.management:refresh_told()
    node.vswitch:look_through()
    node.moves:tell()
    node.supervisor:reload_stale()
  end
  local words = { node = agent.name, exe = paths.exe(), libexec = paths.libexec(), p4 = paths.p4(),
    run = inst.run_dir, state = inst.state_dir, ovs = node.vswitch.sockets,
    scripts = context.data_dir .. "/scripts" }
  function node.substitute(text)
    words.db = agent.remote
    return (text:gsub("%${(%w+)}", words))
  end
  function node.mount_bpf()
    local dir = inst.run_dir .. "/bpf"
    local good, message, code = file.mkdir(dir, { parents = true })
    if not good then return nil, message, code end
    if file.stat(dir).dev ~= file.stat(inst.run_dir).dev then return true end
    return file.mount { source = "bpf", target = dir, type = "bpf" }
  end
  function node.open_switch(name)
    local known = node.switches[name]
    if known and not known:connected() then node.close_switch(name) end
    if not node.switches[name] then
      local sw, message, code = nve.connect(inst.run_dir .. "/" .. name .. ".sock", SWITCH_LIMIT)
      if not sw then return nil, message, code end
      node.switches[name] = sw
    end
    return node.switches[name]
  end
  function node.close_switch(name)
    if node.switches[name] then node.switches[name]:close() end
    node.switches[name] = nil
  end
  -- Tells the others, once there is a database to tell them by.
  function node.services_changed()
    if agent.state and agent.state.db:connected() and agent.engine and not agent.closing then
      task.spawn(agent.publish, agent)   -- a database that is stopped must not hold up who tells of it
    end
  end
  function node.service_restarted(p)
    node.close_switch(p.name)
    if p.kind == "vswitch" then task.spawn(node.vswitch.restarted, node.vswitch) end
    agent:hurry()   -- what failed may have failed for want of it
  end
  return node
end

return M
