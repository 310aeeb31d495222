-- An existing interface of the node that becomes a bridge's port: borrowed, and given back as it was.
-- What it was is written to a file before the first change, and read from there by whoever gives it
-- back: the agent that borrowed it, its successor, or `clean`. The file names the interface by index,
-- so that another one of the same name is not taken for it.
local address <const> = require "nerv.address"
local file <const> = require "nerv.file"
local json <const> = require "nerv.json"
local link <const> = require "nerv.link"
local link_kind <const> = require "nerv.kinds.link"
local netns <const> = require "nerv.netns"
local qdisc <const> = require "nerv.qdisc"

local M = { name = "interface", text = "an existing interface that becomes a bridge's port", class = "call", rank = 25 }

M.properties = {
  id = { type = "string", doc = "owner; by default who wants it" },
  name = { type = "interface", doc = "the interface", required = true },
  master = { doc = "bridge that it becomes a port of", required = true },
  mac = { type = "mac", doc = "MAC address; by default its own" },
  mtu = { type = "mtu", doc = "MTU in bytes" },
  up = { type = "boolean", doc = "whether it is up", default = true },
}

function M.key(p) return p.name end
function M.claims(p)
  local list = { "interface " .. p.name }
  if p.master and not p.master.sink then list[2] = link_kind.port_claim("interface " .. p.name, "main") end
  return list
end
function M.place(p) return { name = p.name } end

local function directory(run_dir) return run_dir .. "/borrowed" end
local function record_path(run_dir, name) return directory(run_dir) .. "/" .. name end

local function read_record(run_dir, name)
  return json.decode(file.read(record_path(run_dir, name)) or "")
end

--- The record of a borrowed interface that is still the one it was, or nil.
function M.record(node, name, have)
  local record = read_record(node.run_dir, name)
  return record and have and record.index == have.index and record or nil
end

--- Disciplines of an interface that somebody put there: the kernel's own have no handle.
-- @return the kind of the one that sends; whether there is a hook for what arrives
function M.disciplines(name)
  local root, hook
  for _, one in ipairs(qdisc.list { link = name } or {}) do
    if one.parent == "root" and one.handle then root = one.kind end
    if one.kind == "ingress" or one.kind == "clsact" then hook = one.kind end
  end
  return root, hook
end

local function write_record(node, p, have)
  local root, hook = M.disciplines(p.name)
  local addresses = {}
  for i, one in ipairs(address.list { link = p.name } or {}) do addresses[i] = one.address end
  local good, message, code = file.mkdir(directory(node.run_dir), { parents = true, mode = 448 })
  if not good then return nil, message, code end
  return file.write(record_path(node.run_dir, p.name), json.encode { owner = p.id, index = have.index,
    place = netns.identity(), former = { mac = have.mac, mtu = have.mtu, up = have.up, master = have.master,
      bridge_port = have.bridge_port, addresses = addresses, root = root, hook = hook } }, { atomic = true })
end

-- Whether it is a port of that bridge, "" for none, and has been told what ours are told: who made it one may have died
-- in between.
local function is_port(have, master)
  if (link_kind.real_master(have.master) or "") ~= master then return false end
  for name, value in pairs(master ~= "" and link_kind.PORT or {}) do
    if (have.bridge_port or {})[name] ~= value then return false end
  end
  return true
end

-- What differs, in one message each, so that the error names what cannot be.
local function adjust(p, have, node)
  local master = link_kind.master_name(p.master, node) or ""
  local now = link_kind.real_master(have.master) or ""
  local steps = { { mtu = p.mtu ~= have.mtu and p.mtu or nil }, { mac = p.mac ~= have.mac and p.mac or nil },
    { master = master ~= now and master or nil },
    { bridge_port = master ~= "" and not is_port(have, master) and link_kind.PORT or nil },
    { up = p.up ~= have.up and p.up or nil } }
  for _, step in ipairs(steps) do
    if next(step) then
      step.name = p.name
      local good, message, code = link.set(step)
      if not good then return nil, message, code end
    end
  end
  return true
end

-- Which interface has the name now.
local function note(p, have, node) node.seen["interface " .. p.name] = have and tostring(have.index) or "gone" end

local function borrow(p, node)
  local have = link.get { name = p.name }
  if not have then return nil, ("interface %s is gone"):format(p.name), "ENODEV" end
  note(p, have, node)
  if not M.record(node, p.name, have) then
    local good, message, code = write_record(node, p, have)
    if not good then return nil, message, code end
  end
  return adjust(p, have, node)
end

-- The settings of a port that can be written.
local function port_settings(settings)
  local writable = {}
  for name, value in pairs(settings or {}) do
    if name ~= "state" then writable[name] = value end
  end
  return next(writable) and writable or nil
end

-- What shaped it goes, in case that whoever put it there died before.
local function unshape(name, former)
  local root, hook = M.disciplines(name)
  if root and not former.root then qdisc.delete { link = name, parent = "root" } end
  if hook and not former.hook then qdisc.delete { link = name, kind = hook } end
end

local function give_back(have, former, log)
  local name = have.name
  local function set(options)
    options.name = name
    local good, message = link.set(options)
    if not good then log(("interface %s is not given back whole: %s"):format(name, message)) end
  end
  unshape(name, former)
  if have.master and have.master ~= former.master then set { master = "" } end
  if have.mac ~= former.mac then set { mac = former.mac } end
  if have.mtu ~= former.mtu then set { mtu = former.mtu } end
  if former.master and have.master ~= former.master then set { master = former.master } end
  -- An agent that died may have come as far as the bridge, which gave it the usual settings.
  local settings = port_settings(former.bridge_port)
  if former.master and settings then set { bridge_port = settings } end
  if have.up ~= former.up then set { up = former.up } end
  local there = {}
  for _, one in ipairs(address.list { link = name } or {}) do there[one.address] = true end
  for _, one in ipairs(former.addresses) do
    local good, message = true, nil
    if not there[one] then good, message = address.add { link = name, address = one } end
    if not good then log(("interface %s has lost its address %s: %s"):format(name, one, message)) end
  end
end

-- Gives an interface back by its record; one that is gone has nothing to be given back to.
local function restore(run_dir, name, log)
  local record = read_record(run_dir, name)
  if record and record.place == netns.identity() then
    for _, have in ipairs(link.list()) do
      if have.index == record.index then give_back(have, record.former, log) end
    end
  end
  file.remove(record_path(run_dir, name))
end

-- One that cannot be had whole is given back.
function M.create(list, node)
  for i, action in ipairs(list) do
    local good, message, code = borrow(action.need.p, node)
    if not good then
      restore(node.run_dir, action.need.p.name, node.log)
      return nil, message, code, i
    end
  end
  return true
end

-- Without an address of its own any more it gets back the one that it had.
function M.change(list, node)
  for i, action in ipairs(list) do
    local old, p = action.old.p, action.need.p
    local record = old.mac and not p.mac and read_record(node.run_dir, p.name)
    local wanted = setmetatable({ mac = p.mac or record and record.former.mac or nil }, { __index = p })
    local good, message, code = borrow(wanted, node)
    if not good then return nil, message, code, i end
  end
  return true
end

--- As a link's: what the bridge is to forward comes with the carrier.
function M.settle(p) return p.up and { { "link.settle", { name = p.name, missing_ok = true } } } or {} end

function M.remove(list, node)
  for _, action in ipairs(list) do restore(node.run_dir, action.need.p.name, node.log) end
  return true
end

function M.read(p, snapshot, node)
  local have = snapshot:link(nil, p.name)
  local record = read_record(node.run_dir, p.name)
  note(p, have, node)
  if record and not have then return { id = p.id, name = p.name, after = p.after, up = false } end
  if not record or record.index ~= have.index then return nil end
  local same = is_port(have, link_kind.master_name(p.master, node) or "")
  return { id = p.id, name = p.name, after = p.after, up = have.up, mac = p.mac and have.mac, mtu = p.mtu and have.mtu,
    master = same and p.master or have.master }
end

function M.look(p)
  local have, message = link.get { name = p.name }
  if not have then return nil, ("interface %s is gone: %s"):format(p.name, message) end
  return tostring(have.index)
end

function M.list(_, node)
  local found = {}
  for _, name in ipairs(file.list(directory(node.run_dir)) or {}) do
    local record = read_record(node.run_dir, name)
    found[#found + 1] = { owner = record and record.owner, key = name, p = { name = name } }
  end
  return found
end

--- Gives back all that a dead agent has borrowed.
function M.restore_all(run_dir)
  for _, name in ipairs(file.list(directory(run_dir)) or {}) do restore(run_dir, name, function() end) end
end

return M
