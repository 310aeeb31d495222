--- The titles of an ETArch network: entities, workspaces, and who may do what. What a DTSA decides is decided here; it
-- knows nothing of frames, switches and databases.
--
-- An entity is pinned to where its registration came from: the place (a port of a switch) and the MAC address. Public
-- DTSAs believe any title that a request claims to come from; this one does not.
--
-- Dialects: in all of them a workspace's label is the destination of what its members send. In "d3" they get that as it
-- was sent. In "d3a" the source is the label, and the destination everybody's, for interfaces that drop other
-- addresses. In "d2", which has no addresses of entities, source and destination are the label's two halves. Who speaks
-- d2 shows by himself (control.lua), who speaks d3a says so as he registers, or the network's option says it.
local etcp <const> = require "nerv.etcp"

local M = {}
local Domain <const> = {}
Domain.__index = Domain

--- The Ethernet address of the Domain Title Service.
M.DTS = "44:54:53:00:00:00"
--- Everybody's.
M.BROADCAST = "ff:ff:ff:ff:ff:ff"
-- What addresses of bridges' protocols begin with; no label may be such a one.
local BRIDGES <const> = "01:80:c2:"
local RESERVED <const> = { DTS = true, DTSA = true }
-- Types of requirements in public code: bandwidth is a decimal text in kbit/s.
local BANDWIDTH <const>, CLASS <const> = 2, 3
-- What an entity can do, in its registration: a type of our own, with a dialect's name.
M.DIALECT = 880
local DIALECTS <const> = { d3 = true, d3a = true }
-- Classes of service in public code.
M.CLASSES = { "NC", "telephony", "MMconferencing", "RT", "MMstreaming", "bVideo" }
local TITLE_MOST <const> = 255
-- Of a workspace that does not say; it has no effect with one DTSA.
local LEVEL <const> = 3

--- A domain without titles.
-- @tparam table options policy ("open", the default: anybody attaches; "strict": who is let in), rate (kbit/s that the
--   workspaces may ask for together; nil: any), dialect (of who does not say which; "d3"), label (function of a title;
--   etcp.label)
function M.new(options)
  return setmetatable({ policy = options.policy or "open", rate = options.rate, label = options.label or etcp.label,
    dialect = options.dialect or "d3", entities = {}, workspaces = {},
    departed = {},      -- title -> {title=, place=, mac=, answered=} of who has unregistered, for a while
    at = {},            -- place -> title -> entity
    addresses = {},     -- MAC address -> how many entities have it
    labels = {},        -- label -> title of the workspace
    numbers = {},       -- number -> title of the workspace
    promised = 0, sequence = 0, changes = {} }, Domain)
end

-- Ends a request: nothing may have been changed by then.
local function refuse(fmt, ...) error({ refusal = fmt:format(...) }, 0) end

--- What is wrong with the title of an entity or a workspace, or nil.
function M.title_problem(title)
  if type(title) ~= "string" or title == "" then return "there is no title" end
  if #title > TITLE_MOST then return ("a title has at most %d bytes, not %d"):format(TITLE_MOST, #title) end
  if title:find("\0", 1, true) or not utf8.len(title) then return "a title is UTF-8 without NUL" end
  return RESERVED[title] and ("the title %s is the service's own"):format(title) or nil
end

local function check_title(title)
  local problem <const> = M.title_problem(title)
  if problem then refuse("%s", problem) end
end

-- What must be written and programmed: see take_changes.
function Domain:note(kind, title, member)
  self.changes[#self.changes + 1] = { kind = kind, title = title, member = member }
end

-- Whether a request comes from where an entity is.
local function speaks_for(from, entity) return entity.place == from.place and entity.mac == from.mac end

-- The entity of that title, when the request comes from it.
function Domain:caller(from, title)
  local entity = self.entities[title] or refuse("there is no entity '%s'", tostring(title))
  if not speaks_for(from, entity) then refuse("entity '%s' is elsewhere", title) end
  return entity
end

function Domain:workspace(title)
  return self.workspaces[title] or refuse("there is no workspace '%s'", tostring(title))
end

-- Whether the request comes from the entity that owns the workspace. Requests without the caller's title are taken for
-- those of any entity at that place.
function Domain:is_owner(from, workspace)
  local owner = workspace.owner and self.entities[workspace.owner]
  return owner ~= nil and speaks_for(from, owner)
end

--- The class of service that a list of requirements asks for, or nil. It is kept and not enforced: that would need
-- queues, which Open vSwitch has with a datapath in the kernel only.
function M.class_of(requirements)
  for _, one in ipairs(requirements or {}) do
    if one.type == CLASS then return one.value or "" end
  end
end

local function check_class(requirements)
  local class <const> = M.class_of(requirements)
  for _, name in ipairs(M.CLASSES) do
    if class == nil or class == name then return end
  end
  refuse("there is no class of service '%s'", class)
end

-- kbit/s that a list of requirements asks for; 0 for none.
local function bandwidth_of(requirements)
  for _, one in ipairs(requirements or {}) do
    if one.type == BANDWIDTH then
      local rate = math.tointeger(tonumber(one.value))
      if not rate or rate < 1 then refuse("a bandwidth is a number of kbit/s, not '%s'", tostring(one.value)) end
      return rate
    end
  end
  return 0
end

-- That a workspace may have another bandwidth.
function Domain:check_rate(former, rate)
  local left <const> = self.rate and self.rate - self.promised + former
  if left and rate > math.max(left, former) then
    refuse("%d kbit/s are more than the %d that are left", rate, math.max(left, 0))   -- the network's rate has shrunk
  end
end

-- The label that a new workspace has.
function Domain:new_label(title)
  local label = self.label(title)
  if self.labels[label] then refuse("its label %s is that of '%s'", label, self.labels[label]) end
  if label == M.DTS or label == M.BROADCAST or label:sub(1, #BRIDGES) == BRIDGES then
    refuse("its label %s is a reserved address", label)
  end
  if self.addresses[label] then refuse("its label %s is an entity's address", label) end
  return label
end

-- -- entities --

function Domain:place_entity(entity)
  entity.workspaces = {}
  self.entities[entity.title], self.departed[entity.title] = entity, nil
  self.at[entity.place] = self.at[entity.place] or {}
  self.at[entity.place][entity.title] = entity
  self.addresses[entity.mac] = (self.addresses[entity.mac] or 0) + 1
end

-- The dialect of who registers.
function Domain:dialect_of(from, body)
  if from.dialect then return from.dialect end
  for _, one in ipairs(body.capabilities or {}) do
    if one.type == M.DIALECT then
      if not DIALECTS[one.value] then refuse("there is no dialect '%s'", tostring(one.value)) end
      return one.value
    end
  end
  return self.dialect
end

-- Who registers again is a new program at the same place: it is in no workspace yet.
function Domain:register(from, body)
  check_title(body.title)
  local entity = self.entities[body.title]
  local dialect <const> = self:dialect_of(from, body)
  if entity and not speaks_for(from, entity) then refuse("the title '%s' is taken", body.title) end
  if entity then self:leave_all(entity)
  elseif self.labels[from.mac] then refuse("the address %s is a workspace's label", from.mac)
  else
    entity = { title = body.title, place = from.place, mac = from.mac }
    self:place_entity(entity)
  end
  entity.dialect, entity.requirements, entity.capabilities = dialect, body.requirements, body.capabilities
  self:note("entity", body.title)
end

-- The member that has been there longest.
local function eldest(workspace)
  local first
  for title, sequence in pairs(workspace.members) do
    if not first or sequence < workspace.members[first] then first = title end
  end
  return first
end

-- An owner that leaves passes the workspace on; the last one keeps it.
function Domain:leave(workspace, entity)
  workspace.members[entity.title], entity.workspaces[workspace.title] = nil, nil
  self:note("member", workspace.title, entity.title)
  if workspace.owner == entity.title then
    workspace.owner = eldest(workspace) or workspace.owner
    self:note("workspace", workspace.title)
  end
end

function Domain:leave_all(entity)
  for title in pairs(entity.workspaces) do self:leave(self.workspaces[title], entity) end
end

function Domain:forget_entity(entity)
  self:leave_all(entity)
  for _, workspace in pairs(self.workspaces) do
    if workspace.owner == entity.title then self:orphan(workspace) end
  end
  local here = self.at[entity.place]
  here[entity.title] = nil
  if not next(here) then self.at[entity.place] = nil end
  local count <const> = self.addresses[entity.mac] - 1
  self.addresses[entity.mac] = count > 0 and count or nil
  self.entities[entity.title] = nil
  self:note("entity", entity.title)
end

-- A workspace whose owner goes and was no member any more, or the last one. Empty, nobody could delete it.
function Domain:orphan(workspace)
  workspace.owner = eldest(workspace)
  if workspace.owner then self:note("workspace", workspace.title) else self:forget_workspace(workspace) end
end

function Domain:unregister(from, body) self:forget_entity(self:caller(from, body.title)) end

--- Keeps which request was the last that was done for somebody: with the entity that it names, or any other that is
-- where it came from; else with who has gone by it.
function M.keep_answered(domain, from, title, request)
  local entity = domain.entities[title]
  if not entity or not speaks_for(from, entity) then
    entity = nil
    for _, one in pairs(domain.at[from.place] or {}) do entity = one.mac == from.mac and one or entity end
  end
  if not entity and (title == "" or domain.entities[title]) then return end
  if not entity then
    entity = { title = title, place = from.place, mac = from.mac }
    domain.departed[title] = entity
  end
  entity.answered = request
  domain:note("entity", entity.title)
end

--- Forgets who has gone, and been known for so many seconds since.
-- @return whether there is something to write
function M.forget_departed(domain, now, seconds)
  local some = false
  for title, one in pairs(domain.departed) do
    one.seen = one.seen or now
    if now - one.seen >= seconds then
      domain.departed[title], some = nil, true
      domain:note("entity", title)
    end
  end
  return some
end

--- The entities of a place have gone with it.
-- @return their titles, in order
function M.vacate(domain, place)
  local titles = {}
  for title in pairs(domain.at[place] or {}) do titles[#titles + 1] = title end
  table.sort(titles)
  for _, title in ipairs(titles) do domain:forget_entity(domain.entities[title]) end
  return titles
end

-- -- workspaces --

function Domain:enter(workspace, entity)
  self.sequence = self.sequence + 1
  workspace.members[entity.title], entity.workspaces[workspace.title] = self.sequence, true
  self:note("member", workspace.title, entity.title)
end

-- The least number that no workspace has: switches know groups and meters by it.
function Domain:free_number()
  local number = 1
  while self.numbers[number] do number = number + 1 end
  return number
end

function Domain:place_workspace(workspace)
  self.workspaces[workspace.title] = workspace
  self.labels[workspace.label], self.numbers[workspace.number] = workspace.title, workspace.title
  self.promised = self.promised + workspace.rate
end

function Domain:forget_workspace(workspace)
  self.workspaces[workspace.title] = nil
  self.labels[workspace.label], self.numbers[workspace.number] = nil, nil
  self.promised = self.promised - workspace.rate
  self:note("workspace", workspace.title)
end

function Domain:create(from, body)
  local title <const> = body.workspace_title
  check_title(title)
  if self.workspaces[title] then refuse("there is a workspace '%s'", title) end
  local entity <const> = body.entity_title and self:caller(from, body.entity_title)
  if body.attach_too and not entity then refuse "who is to be attached is not said" end
  check_class(body.capabilities)
  local label <const>, rate <const> = self:new_label(title), bandwidth_of(body.capabilities)
  self:check_rate(0, rate)
  local workspace <const> = { title = title, label = label, number = self:free_number(),
    owner = entity and entity.title, level = body.level or LEVEL, public = body.public_access or false,
    capabilities = body.capabilities, rate = rate, members = {}, allowed = {} }
  self:place_workspace(workspace)
  self:note("workspace", title)
  if body.attach_too then self:enter(workspace, entity) end
end

function Domain:attach(from, body)
  local workspace <const> = self:workspace(body.workspace_title)
  local entity <const> = self:caller(from, body.entity_title)
  if workspace.members[entity.title] then refuse("'%s' is attached to '%s'", entity.title, workspace.title) end
  local let_in <const> = self.policy == "open" or workspace.public or workspace.owner == entity.title
    or workspace.allowed[entity.title]
  if not let_in then refuse("'%s' is not let into '%s'", entity.title, workspace.title) end
  self:enter(workspace, entity)
end

function Domain:detach(from, body)
  local workspace <const>, entity <const> = self:workspace(body.workspace_title), self.entities[body.entity_title]
  if not entity or not workspace.members[entity.title] then
    refuse("'%s' is not attached to '%s'", tostring(body.entity_title), workspace.title)
  end
  if not speaks_for(from, entity) and not self:is_owner(from, workspace) then
    refuse("neither '%s' nor the owner of '%s' asks", entity.title, workspace.title)
  end
  self:leave(workspace, entity)
end

-- The workspace, for what only its owner may do.
function Domain:owned(from, title)
  local workspace <const> = self:workspace(title)
  if not self:is_owner(from, workspace) then refuse("who asks does not own '%s'", title) end
  return workspace
end

function Domain:delete(from, body)
  local workspace <const> = self:owned(from, body.title)
  if next(workspace.members) then refuse("'%s' has members", body.title) end
  self:forget_workspace(workspace)
end

-- With an entity's title it lets that entity in.
function Domain:modify(from, body)
  local workspace <const> = self:owned(from, body.workspace_title)
  check_class(body.capabilities)
  local rate <const> = body.capabilities and bandwidth_of(body.capabilities)
  if rate then
    self:check_rate(workspace.rate, rate)
    self.promised = self.promised - workspace.rate + rate
    workspace.rate, workspace.capabilities = rate, body.capabilities
  end
  workspace.level, workspace.public = body.level, body.public_access
  if body.entity_title then workspace.allowed[body.entity_title] = true end
  self:note("workspace", workspace.title)
end

function Domain:lookup(from, body)
  if not self.at[from.place] then refuse "no entity is there" end
  self:workspace(body.workspace_title)
end

local handlers <const> = { entity_register = Domain.register, entity_unregister = Domain.unregister,
  workspace_create = Domain.create, workspace_attach = Domain.attach, workspace_detach = Domain.detach,
  workspace_delete = Domain.delete, workspace_modify = Domain.modify, workspace_lookup = Domain.lookup }

--- Does what a request asks for, whole or not at all.
-- @tparam table from place (any string: the port of a switch), mac, dialect ("d2", or nil where the frame does not say)
-- @tparam table request as etcp.read_request returns it
-- @return true, or nil and the reason
function M.request(domain, from, request)
  local handler <const> = handlers[request.type]
  if not handler then return nil, ("requests of type %s are not answered here"):format(request.type) end
  local good, problem = pcall(handler, domain, from, request.body)
  if good then return true end
  if type(problem) == "table" and problem.refusal then return nil, problem.refusal end
  error(problem, 0)
end

--- What has changed since the last call: array of {kind="entity", title=}, {kind="workspace", title=} and
-- {kind="member", title=, member=}; what it is now is in the domain, or no more.
function M.take_changes(domain)
  local changes = domain.changes
  domain.changes = {}
  return changes
end

--- Puts back what was stored, into a new domain.
-- @tparam table entities array of {title=, place=, mac=, dialect=, requirements=, capabilities=, answered=}; those
--   without a dialect have departed
-- @tparam table workspaces array of {title=, number=, owner=, level=, public=, capabilities=, members= title -> number,
--   allowed= set}
function M.restore(domain, entities, workspaces)
  for _, entity in ipairs(entities) do
    if entity.dialect then domain:place_entity(entity) else domain.departed[entity.title] = entity end
  end
  for _, workspace in ipairs(workspaces) do
    workspace.label, workspace.rate = domain.label(workspace.title), bandwidth_of(workspace.capabilities)
    domain:place_workspace(workspace)
    for title, sequence in pairs(workspace.members) do
      domain.sequence = math.max(domain.sequence, sequence)
      domain.entities[title].workspaces[workspace.title] = true
    end
  end
end

return M
