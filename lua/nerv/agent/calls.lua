--- The calls that an agent answers on its socket; see protocol.lua.
local attach <const> = require "nerv.agent.attach"
local place <const> = require "nerv.agent.place"
local desired <const> = require "nerv.desired"
local planning <const> = require "nerv.engine.planning"
local file <const> = require "nerv.file"
local instance <const> = require "nerv.instance"
local kinds <const> = require "nerv.kinds"
local links <const> = require "nerv.agent.links"
local process <const> = require "nerv.process"
local protocol <const> = require "nerv.protocol"
local pulse <const> = require "nerv.pulse"
local stream <const> = require "nerv.stream"

--- @tparam table self the agent
-- @return name -> handler
return function(self)
  local calls = {}

  function calls.hello()
    return { node = self.name, instance = self.instance.id, db = self.remote, lab = self.lab,
      run_dir = self.instance.run_dir, state_dir = self.instance.state_dir, pid = process.self(),
      drives = self.state.db:has_lock "nerv" }
  end

  -- Held open by a shell: a lab lives as long as one of these does.
  function calls.hold(_, connection)
    self.holders = self.holders + 1
    protocol.send(connection, calls.hello())
    local leaves = connection:read_frame()   -- a shell that is killed does not say so
    self.holders = self.holders - 1
    local ends = self.lab and self.holders == 0 and not instance.has_shell(self.instance.state_dir)
    if leaves then protocol.send(connection, { ends = ends, others = self.holders }) end
    if ends then self.finish:close() end
  end

  function calls.keep()
    self.lab = false
    file.remove(self.instance.state_dir .. "/temporary")
    return { ok = true }
  end

  function calls.plan(request)
    return self:exclusive(function()
      local view = desired.draft_view(self.state, self.name, request.draft)
      local wanted, message = self:wanted(view, request.objects)
      if not wanted then return nil, message, "EINVAL" end
      local plan
      plan, message = self:plan(wanted)
      if not plan then return nil, message, "EBUSY" end
      return { operations = planning.describe_all(plan) }
    end)
  end

  function calls.attach(request)
    local identities = {}
    for _, ep in ipairs(request.endpoints) do
      local good, identity = attach(self, ep)
      if not good then
        return nil, ("endpoint %s: node %s: %s"):format(ep.id, self.name, identity), "EINVAL"
      end
      identities[ep.id] = identity
    end
    return { identities = identities }
  end

  function calls.stats(request) return place.stats(self, request.owner) end

  function calls.operations(request)
    return { operations = self.journal[request.change] or {} }
  end

  function calls.verify(request)
    return self:exclusive(function()
      local operations, message = self:converge({ request.network }, true)
      if not operations then return nil, message, "EIO" end
      return { operations = operations }
    end)
  end

  function calls.facts(request)
    local facts = {}
    for _, entry in pairs(self.engine.owned[request.network] or {}) do
      local need = entry.need
      local kind = kinds.get(need.kind)
      for _, field in ipairs(kind.facts or {}) do
        facts[("%s.%s"):format(kind.key(need.p), field)] = kind.fact(need.p, field, self.node)
      end
    end
    return { facts = facts }
  end

  function calls.links(request)
    return self:exclusive(function() return { links = links.list(self, request.network) } end)
  end

  function calls.log(request, connection)
    return require("nerv.agent.log").serve(self, request, connection)
  end

  -- From here on the connection is the switch's control interface.
  function calls.switch(request, connection)
    local path = ("%s/%s.sock"):format(self.instance.run_dir, request.name)
    local sw, message, code = stream.connect { path = path, timeout = 5 }
    if not sw then return nil, message, code end
    protocol.send(connection, { ok = true })
    protocol.relay(connection, sw)
  end

  -- Measures the pauses of this process until the connection is closed or says so.
  function calls.pauses(_, connection)
    local beat = pulse.start()
    protocol.send(connection, { ok = true })
    connection:read_frame()
    return { longest = beat:stop() }
  end

  function calls.exec(request, connection)
    return require("nerv.execute").serve(self, request, connection)
  end

  function calls.capture(request, connection)
    return require("nerv.agent.capture").serve(self, request, connection)
  end

  return calls
end
