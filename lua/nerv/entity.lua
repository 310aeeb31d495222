--- Entities of ETArch: who has a title, enters workspaces, and sends and gets their messages. An entity speaks ETCP
-- with the Domain Title Service (DTSA) of the network that its interface is in; it has no address but its title.
local api <const> = require "nerv.api"
local control <const> = require "nerv.etarch.control"
local domains <const> = require "nerv.etarch.domain"
local etcp <const> = require "nerv.etcp"
local link <const> = require "nerv.link"
local mailbox <const> = require "nerv.mailbox"
local options <const> = require "nerv.options"
local packet <const> = require "nerv.packet"
local registry <const> = require "nerv.registry"
local runtime <const> = require "nerv.runtime"
local task <const> = require "nerv.task"
local turns <const> = require "nerv.turns"

local M = {}

-- Messages that wait to be read, and bytes of one: a frame of 1500, which public receivers take, has a header.
local WAITING_MOST <const>, MESSAGE_MOST <const> = 10000, 1486
local HEADER <const>, ADDRESS <const> = 14, 6
-- What public clients say; it has no effect with one DTSA.
local LEVEL <const> = 3
local BANDWIDTH <const>, REQUIRED <const>, CLASS <const> = 2, 1, 3

local OPTIONS <const> = {
  title = { type = "string", required = true, doc = "1 to 255 bytes of UTF-8; unique in the network" },
  link = { type = "interface", default = "eth0", doc = "interface in the ETArch network" },
  netns = { type = "netns", doc = "where that is; by default here" },
  dialect = { type = "choice", choices = { "d3", "d3a" }, doc = "d3a: messages come from their workspace's label and "
    .. "to everybody's address; by default what the network's option `dialect` says" },
  timeout = { type = "seconds", default = 0.5, doc = "how long an answer is waited for, before it is asked again" },
  tries = { type = "count", default = 3, doc = "how often it is asked" },
}
local WORKSPACE <const> = {
  attach = { type = "boolean", default = true, doc = "become its first member" },
  bandwidth = { type = "rate", doc = "bits per second that it may carry and needs" },
  class = { type = "choice", choices = domains.CLASSES,
    doc = "class of service; it is kept and not enforced" },
  public = { type = "boolean", default = false, doc = "anybody may enter, whatever the network's policy" },
}
local MODIFY <const> = { admit = { type = "string", doc = "title of an entity that may enter" },
  bandwidth = WORKSPACE.bandwidth, class = WORKSPACE.class, public = WORKSPACE.public }

local methods <const> = {}
local Entity <const> = { __name = "entity", __index = methods }
function Entity.__tostring(self)
  return ("entity %s on %s%s"):format(self.title, self.link, self.answers.closed and " (closed)" or "")
end

local function address_bytes(text)
  return (text:gsub("(%x%x):?", function(digits) return string.char(tonumber(digits, 16)) end))
end

-- A message of a workspace: its label is the destination, or the source where a switch has rewritten the addresses.
local function message_of(self, frame)
  local to <const>, from <const> = frame:sub(1, ADDRESS), frame:sub(ADDRESS + 1, 2 * ADDRESS)
  local workspace <const> = self.labels[to] or self.labels[from]
  if not workspace or from == self.address then return nil end
  return { workspace = workspace, bytes = frame:sub(HEADER + 1) }
end

local function is_answer(self, frame)
  return frame:sub(ADDRESS + 1, 2 * ADDRESS) == control.DTS and frame:sub(1, ADDRESS) == self.address
end

-- Sorts what arrives until the socket is closed, or the interface is gone.
local function listen(self)
  while true do
    local frame, info = self.socket:recv()
    if not frame then break end
    local message <const> = not info.outgoing and message_of(self, frame)
    if not info.outgoing and is_answer(self, frame) then self.answers:put(frame:sub(HEADER + 1))
    elseif message then self.inbox:put(message)
    end
  end
  self:close()
end

-- The response to a request, or nil; others are late ones.
local function response_to(self, id)
  local deadline <const> = runtime.now() + self.timeout
  while true do
    local bytes = self.answers:take(math.max(0, deadline - runtime.now()))
    if not bytes then return nil end
    local response = etcp.read_response(bytes)
    if response and response.request_id == id then return response end
  end
end

-- What has come unasked is for another program with this address, or late: its number may be that of the next request.
local function forget_answers(self)
  while self.answers:count() > 0 do self.answers:take(0) end
end

local function execute(self, kind, body)
  forget_answers(self)
  local id <const> = self.next_id
  self.next_id = id + 1
  local frame <const> = control.padded(control.DTS .. self.address .. control.TYPE
    .. etcp.request { type = kind, id = id, body = body })
  for _ = 1, self.tries do
    if self.answers.closed then break end
    local good, message, code = self.socket:send(frame)
    if not good then return nil, message, code end
    local response = response_to(self, id)
    if response and response.status == "success" then return true end
    if response then return nil, ("%s: the DTSA refuses: %s"):format(self.title, response.reason or kind), "EACCES" end
  end
  if self.answers.closed then return nil, self.title .. " is closed", "closed" end
  return nil, ("%s: no DTSA answers on %s"):format(self.title, self.link), "timeout"
end

-- One request at a time: answers are told apart by their number, but a DTSA remembers the last request only.
local function ask(self, kind, body) return self.in_turn(execute, self, kind, body) end

local function requirements_of(given)
  local list = {}
  local bandwidth <const> = options.value(WORKSPACE.bandwidth, given.bandwidth)
  if bandwidth then
    list[1] = { type = REQUIRED, length = 1, value = "True" }
    list[2] = { type = BANDWIDTH, length = 1, value = ("%d"):format(math.max(1, bandwidth // 1000)) }
  end
  if given.class then list[#list + 1] = { type = CLASS, length = 1, value = given.class } end
  return #list > 0 and list or nil
end

-- A DTSA would refuse them without a word: its answers are yes or no.
local function check_title(call, title)
  local problem <const> = domains.title_problem(title)
  if problem then registry.fail(("%s: %s"):format(call, problem)) end
end

function M.register(o)
  check_title("entity.register", o.title)
  local interface, message, code = link.get { name = o.link, netns = o.netns }
  if not interface then return nil, message, code end
  local socket
  socket, message, code = packet.open { link = o.link, netns = o.netns, protocol = control.ETHERTYPE,
    promiscuous = true }
  if not socket then return nil, message, code end
  local self <const> = setmetatable({ title = o.title, link = o.link, mac = interface.mac, timeout = o.timeout,
    tries = o.tries, socket = socket, address = address_bytes(interface.mac), labels = {}, next_id = 0,
    answers = mailbox.new(WAITING_MOST), inbox = mailbox.new(WAITING_MOST), in_turn = turns() }, Entity)
  self.listener = task.spawn(listen, self)
  local good
  local dialect <const> = o.dialect and { { type = domains.DIALECT, length = 1, value = o.dialect } } or nil
  good, message, code = ask(self, "entity_register", { title = o.title, capabilities = dialect })
  if good then return self end
  self:close()
  return nil, message, code
end

local function entered(self, workspace) self.labels[address_bytes((etcp.label(workspace)))] = workspace end
local function left(self, workspace) self.labels[address_bytes((etcp.label(workspace)))] = nil end

function methods.create(self, workspace, given)
  check_title("entity:create", workspace)
  local o <const> = given or {}
  local attach <const> = o.attach ~= false or nil
  local good, message, code = ask(self, "workspace_create", { workspace_title = workspace, entity_title = self.title,
    attach_too = attach, public_access = o.public or nil, capabilities = requirements_of(o) })
  if not good then return nil, message, code end
  if attach then entered(self, workspace) end
  return true
end

function methods.attach(self, workspace)
  local good, message, code = ask(self, "workspace_attach", { workspace_title = workspace, entity_title = self.title })
  if not good then return nil, message, code end
  entered(self, workspace)
  return true
end

function methods.detach(self, workspace)
  local good, message, code = ask(self, "workspace_detach", { workspace_title = workspace, entity_title = self.title })
  if not good then return nil, message, code end
  left(self, workspace)
  return true
end

function methods.expel(self, workspace, title)
  return ask(self, "workspace_detach", { workspace_title = workspace, entity_title = title })
end

function methods.delete(self, workspace) return ask(self, "workspace_delete", { title = workspace }) end

function methods.modify(self, workspace, o)
  return ask(self, "workspace_modify", { workspace_title = workspace, entity_title = o.admit, level = LEVEL,
    public_access = o.public or false, capabilities = requirements_of(o) })
end

function methods.lookup(self, workspace) return ask(self, "workspace_lookup", { workspace_title = workspace }) end

function methods.send(self, workspace, bytes)
  if #bytes > MESSAGE_MOST then
    registry.fail(("entity:send: a message has at most %d bytes, not %d"):format(MESSAGE_MOST, #bytes))
  end
  if self.answers.closed then return nil, self.title .. " is closed", "closed" end
  local label <const> = address_bytes((etcp.label(workspace)))
  return self.socket:send(control.padded(label .. self.address .. control.TYPE .. bytes))
end

function methods.receive(self, timeout) return self.inbox:take(timeout) end

function methods.messages(self, timeout)
  return function() return (self.inbox:take(timeout)) end
end

function methods.close(self)
  self.answers:close()
  self.inbox:close()
  self.socket:close()
end
Entity.__close = methods.close

function methods.unregister(self)
  local good, message, code = ask(self, "entity_unregister", { title = self.title })
  self:close()
  if not good then return nil, message, code end
  return true
end

local SPACE <const> = { name = "workspace", type = "string", required = true,
  text = "title of the workspace, 1 to 255 bytes of UTF-8" }
local TIMEOUT <const> = { name = "timeout", type = "seconds", text = "longest wait; by default for ever" }
local OUTCOME <const> = "returns true, or nil, message, code (EACCES: the DTSA refuses; its log says why)"

-- How examples begin: `uf` is an etarch network with the endpoints e1 and e2.
local ALICE <const> = 'local alice <close> = expect(entity.register{ title = "alice", netns = uf:get("e1").netns })\n'
local BOB <const> = ALICE
  .. 'local bob <close> = expect(entity.register{ title = "bob", netns = uf:get("e2").netns })\n'
local ROOM <const> = BOB .. 'if not alice:attach "room" then alice:create "room" end\nbob:attach "room"\n'

api.class("entity", "somebody with a title in an ETArch network", methods, {
  create = { text = "makes a workspace, owned by this entity; " .. OUTCOME, args = { SPACE,
    { name = "options", type = "table", text = "what it is like", fields = WORKSPACE } },
    example = ALICE .. 'print(alice:create("video", { bandwidth = "500kbit", class = "MMstreaming" }))' },
  attach = { text = "enters a workspace; " .. OUTCOME, args = { SPACE },
    example = ALICE .. 'if not alice:attach "hall" then alice:create "hall" end' },
  detach = { text = "leaves a workspace; an owner passes it on to the member that is there longest; " .. OUTCOME,
    args = { SPACE }, example = ROOM .. 'bob:detach "room"' },
  expel = { text = "detaches another entity from a workspace of this one's; " .. OUTCOME, args = { SPACE,
    { name = "title", type = "string", required = true, text = "title of the other" } },
    example = ROOM .. 'alice:expel("room", "bob")' },
  delete = { text = "deletes an empty workspace of this entity's; " .. OUTCOME, args = { SPACE },
    example = ALICE .. 'alice:create("yard", { attach = false })\nexpect(alice:delete "yard")' },
  modify = { text = "changes a workspace of this entity's, or lets somebody in. `public` is false unless it is given; "
    .. "bandwidth and class stay unless one of them is, and then the other one goes; " .. OUTCOME, args = { SPACE,
    { name = "options", type = "table", required = true, text = "what changes", fields = MODIFY } },
    example = ROOM .. 'alice:modify("room", { admit = "carol", bandwidth = "1mbit" })' },
  lookup = { text = "asks whether there is a workspace; " .. OUTCOME, args = { SPACE },
    example = ALICE .. 'print(alice:lookup "nowhere")' },
  send = { text = "sends a message to all other members of a workspace; returns true, or nil, message, code",
    args = { SPACE, { name = "bytes", type = "bytes", required = true,
      text = "1486 at most; receivers see short ones padded with zeros" } },
    example = ROOM .. 'alice:send("room", "hello\\n")' },
  receive = { text = "returns the next message, {workspace=, bytes= as they came, padding included}; or nil and "
    .. "\"timeout\" or \"closed\"", args = { TIMEOUT },
    example = ROOM .. 'alice:send("room", "hello\\n")\nprint(bob:receive(1).bytes:match "^[^\\n]*")' },
  messages = { text = "iterates over messages; ends with the time limit, which counts from message to message",
    args = { TIMEOUT },
    example = ROOM .. 'alice:send("room", "hello\\n")\n'
      .. 'for m in bob:messages(0.2) do print(m.workspace, #m.bytes) end' },
  unregister = { text = "gives the title up and closes; " .. OUTCOME, example = ALICE .. "expect(alice:unregister())" },
  close = { text = "closes the socket; the title stays registered", example = ALICE .. "alice:close()" },
}, { title = "its title", link = "its interface", mac = "the interface's MAC address" })

return api.module("entity", "entities of ETArch networks", M, {
  register = { text = "registers a title with the DTSA of an interface's network; returns an entity, or nil, "
    .. "message, code", example = ALICE .. "print(alice)",
    args = { { name = "options", type = "table", required = true, text = "who, and where", fields = OPTIONS } } },
})
