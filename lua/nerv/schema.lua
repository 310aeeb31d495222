--- The OVSDB schema `NERV`: what the state manager keeps.
--
-- A row refers to its parent. Allocations and ports belong to one row and go with it (strong
-- references into tables that are no roots). Optional references to Change are weak: they
-- empty by themselves when an old Change is removed.
local function column(kind)
  return { type = kind }
end

local function optional(kind) return column { key = kind, min = 0, max = 1 } end
local function set_of(kind) return column { key = kind, min = 0, max = "unlimited" } end
local function ref(name, strength) return { type = "uuid", refTable = name, refType = strength } end
local function map(key, value) return column { key = key, value = value, min = 0, max = "unlimited" } end
local text <const>, integer <const>, boolean <const> = column "string", column "integer", column "boolean"

local change_ref <const> = optional(ref("Change", "weak"))

return {
  name = "NERV", version = "1.3.0",
  tables = {
    -- A machine that runs NERV. `seen` counts up while its agent lives. `address` is where the agent answers other
    -- machines: "ssl:ADDRESS:PORT" or "". `number`, from 1 on, tells it apart where its name does not fit: in an
    -- address. 0: it has none yet.
    Node = { isRoot = true, indexes = { { "name" } }, columns = {
      name = text, instance = text, state = text, seen = integer, run_dir = text, address = text,
      number = integer, options = text, change = change_ref,
      allocations = set_of(ref("Allocation", "strong")) } },
    -- A virtual network. `options` is JSON, as its archetype describes; `parked` holds what the
    -- present archetype does not know. `generation` counts the changes of the row.
    Network = { isRoot = true, indexes = { { "name" } }, columns = {
      name = text, archetype = text, digest = text, options = text, parked = text, home = text,
      generation = integer, link_group = integer, doomed = boolean, change = change_ref,
      ports = set_of(ref("Port", "strong")), allocations = set_of(ref("Allocation", "strong")) } },
    -- An NVE ingress port of a network: its VLAN tag on the trunk, its number on the switch.
    Port = { columns = { name = text, tag = integer, number = integer } },
    -- An access point to a network. `allocated` is JSON: options whose values NERV chose.
    Endpoint = { isRoot = true, indexes = { { "network", "name" } }, columns = {
      network = column { key = ref("Network", "strong") }, name = text, node = text, mac = text,
      options = text, allocated = text, doomed = boolean, change = change_ref,
      allocations = set_of(ref("Allocation", "strong")) } },
    -- What exists once in its scope: a tag, a port number, an address of a network, a MAC address.
    Allocation = { indexes = { { "scope", "value" } }, columns = { scope = text, value = text } },
    -- The text of an archetype, and the digests of those it is composed of.
    Archetype = { isRoot = true, indexes = { { "digest" } }, columns = {
      name = text, digest = text, text = text, uses = map("string", "string") } },
    -- One call of the Standard API, on its way through make, switch, sweep.
    Change = { isRoot = true, columns = {
      text = text, objects = text, nodes = set_of "string", phase = text,
      reports = map("string", "string"), error = text, serial = integer } },
    -- What is wrong with an object on a node; no row: nothing.
    Status = { isRoot = true, indexes = { { "owner", "node" } }, columns = {
      owner = text, node = text, state = text, error = text } },
    -- A P4 switch of a node and the Unix socket of its control interface.
    Switch = { isRoot = true, indexes = { { "node", "name" } }, columns = {
      node = text, name = text, program = text, socket = text } },
    -- A supervised process of a node.
    Service = { isRoot = true, indexes = { { "node", "name" } }, columns = {
      node = text, name = text, owner = text, state = text, pid = integer, restarts = integer } },
    -- The titles of an ETArch network: see etarch/domain.lua. Only its DTSA reads them; `place` is a switch's port,
    -- `answered` says which request was the last that changed anything, also of who departed by it a moment ago.
    -- `members` are titles, and numbers that grow from one to the next.
    Entity = { isRoot = true, indexes = { { "network", "title" } }, columns = {
      network = column { key = ref("Network", "strong") }, title = text, place = text, mac = text, dialect = text,
      requirements = text, capabilities = text, answered = text } },
    Workspace = { isRoot = true, indexes = { { "network", "title" } }, columns = {
      network = column { key = ref("Network", "strong") }, title = text, number = integer, owner = text,
      level = integer, public = boolean, capabilities = text,
      members = map("string", "integer"), allowed = set_of "string" } },
  },
}
