-- What switches of an ETArch network are told: flows, groups and meters from who is where, and the way from one state
-- to the next.
local tap <const> = require "tap"
local domains <const> = require "nerv.etarch.domain"
local programme <const> = require "nerv.etarch.programme"

local domain <const> = domains.new {}
local HOME <const> = { alice = { "s1", "a", "02:00:00:00:00:01" }, bob = { "s1", "b", "02:00:00:00:00:02" },
  carol = { "s2", "c", "02:00:00:00:00:03" }, dana = { "s1", "d", "00:00:00:00:00:00", "d2" }, fred = { "s1", "f", "02:00:00:00:00:06", nil, "d3a" },
  erin = { "s1", "a", "02:00:00:00:00:05" } }
local function ask(who, kind, body)
  local home <const> = HOME[who]
  assert(domains.request(domain, { place = programme.place(home[1], home[2]), mac = home[3], dialect = home[4] },
    { type = kind, id = 0, body = body }))
end
for who, home in pairs(HOME) do
  ask(who, "entity_register", { title = who, capabilities = home[5] and { { type = domains.DIALECT, value = home[5] } } or nil })
end
local SWITCHES <const> = { s1 = { id = "s1", ports = { a = 1, b = 2, d = 4, f = 6, up = 60000 }, trunk = 60000 },
  s2 = { id = "s2", ports = { c = 1, up = 60000 }, trunk = 60000 }, s3 = { id = "s3", ports = {}, trunk = 60000 } }
local function of(switch) return programme.workspace(domain, domain.workspaces.room, SWITCHES[switch]) end

-- In words, sorted.
local function text(spec)
  if not spec then return {} end
  local lines = {}
  for _, f in pairs(spec.flows) do
    local actions = {}
    for i, a in ipairs(f.actions) do actions[i] = a.output and "output " .. a.output or "group " .. a.group end
    lines[#lines + 1] = ("%d in %s from %s to %s: %s%s"):format(f.priority, f.match.in_port, f.match.eth_src or "any", f.match.eth_dst or "any",
      f.meter and "meter " .. f.meter .. " " or "", f.goto_table and "to table " .. f.goto_table or table.concat(actions, " "))
  end
  for i, b in ipairs(spec.buckets or {}) do
    lines[#lines + 1] = ("group %d, bucket %d: %s"):format(spec.number, i, json.encode(b.actions))
  end
  table.sort(lines)
  return lines
end
local ROOM <const>, ROOM2 <const> = "1f:1c:5b:2f:ad:77", "84:34:02:4f:15:37"

tap.eq({ programme.split(programme.place("00000000000000aa", "v/1")) }, { "00000000000000aa", "v/1" }, "a place")
local base <const> = text(programme.base())
tap.eq(base, { "0 in nil from any to any: ", "10 in nil from any to any: ", "100 in nil from any to any: to table 1", "290 in nil from 44:54:53:00:00:00 to any: ",
  "300 in nil from any to 44:54:53:00:00:00: output controller" }, "control frames go to the DTSA, all else nowhere")
for _, f in pairs(programme.base().flows) do
  tap.eq(f.match.eth_type, f.priority > 0 and 0x0880 or nil, "EtherType at priority " .. f.priority)
  tap.eq(f.table, f.priority == 10 and 1 or 0, "and its table")
end

local guard <const> = programme.port(7)
tap.eq(text(guard), { "310 in 7 from any to 44:54:53:00:00:00: meter 100007 output controller" }, "a port's control frames have a meter of their own")
tap.eq(programme.messages(nil, guard)[1], { "meter_mod", { command = "add", meter = 100007, flags = { pktps = true, burst = true },
  bands = { { drop = 10000, burst = 2000 } } } }, "which counts frames")

ask("alice", "workspace_create", { workspace_title = "room", entity_title = "alice", attach_too = true })
tap.eq(text(of "s1"), { "200 in 1 from 02:00:00:00:00:01 to " .. ROOM .. ": group 1", 'group 1, bucket 1: [{"output":1}]' }, "one member")
tap.eq({ of "s2", of "s3" }, {}, "nothing where nobody is")
ask("bob", "workspace_attach", { workspace_title = "room", entity_title = "bob" })
ask("carol", "workspace_attach", { workspace_title = "room", entity_title = "carol" })
tap.eq(text(of "s1"), { "200 in 1 from 02:00:00:00:00:01 to " .. ROOM .. ": group 1", "200 in 2 from 02:00:00:00:00:02 to " .. ROOM .. ": group 1",
  "200 in 60000 from any to " .. ROOM .. ": group 1", 'group 1, bucket 1: [{"output":1}]', 'group 1, bucket 2: [{"output":2}]',
  'group 1, bucket 3: [{"output":60000}]' }, "members here and elsewhere: the trunk once")
tap.eq(text(of "s2"), { "200 in 1 from 02:00:00:00:00:03 to " .. ROOM .. ": group 1", "200 in 60000 from any to " .. ROOM .. ": group 1",
  'group 1, bucket 1: [{"output":1}]', 'group 1, bucket 2: [{"output":60000}]' }, "and there")
ask("erin", "workspace_attach", { workspace_title = "room", entity_title = "erin" })
ask("dana", "workspace_attach", { workspace_title = "room", entity_title = "dana" })
local full <const> = text(of "s1")
tap.ok(table.concat(full, "\n"):find("200 in 1 from 02:00:00:00:00:05 to " .. ROOM .. ": group 1", 1, true), "two entities at one port: a flow each")
tap.ok(table.concat(full, "\n"):find("200 in 4 from " .. ROOM2 .. " to " .. ROOM .. ": group 1", 1, true), "the oldest dialect's source is the label", full)
tap.ok(table.concat(full, "\n"):find('{"set_field":{"eth_src":"' .. ROOM2 .. '"}},{"output":4}]', 1, true), "and is what it gets", full)
tap.eq(#of("s1").buckets, 4, "one bucket for each port")
ask("fred", "workspace_attach", { workspace_title = "room", entity_title = "fred" })
tap.ok(table.concat(text(of "s1"), "\n"):find("200 in 6 from 02:00:00:00:00:06 to " .. ROOM .. ": group 1", 1, true), "d3a: from its own address")
tap.ok(table.concat(text(of "s1"), "\n"):find('{"set_field":{"eth_src":"' .. ROOM .. '"}},{"set_field":{"eth_dst":"ff:ff:ff:ff:ff:ff"}},{"output":6}]', 1, true),
  "and it gets messages of the label to everybody", text(of "s1"))
ask("fred", "workspace_detach", { workspace_title = "room", entity_title = "fred" })
ask("erin", "workspace_detach", { workspace_title = "room", entity_title = "erin" })
tap.eq({ #of("s1").buckets, table.concat(text(of "s1"), "\n"):find("00:05", 1, true) }, { 4 }, "one of two leaves: the port stays, its flow goes")
local unknown <const> = programme.workspace(domain, domain.workspaces.room, { id = "s1", ports = { a = 1 } })
tap.eq(text(unknown), { "200 in 1 from 02:00:00:00:00:01 to " .. ROOM .. ": group 1", 'group 1, bucket 1: [{"output":1}]' },
  "ports that are not there, and no trunk")

-- From one state to the next: nothing that stays the same is touched, and no flow names a group that is not there.
local function names(messages)
  local list = {}
  for i, m in ipairs(messages) do list[i] = m[1]:gsub("_mod", "") .. " " .. (m[2].command or "add") end
  return list
end
local before <const> = of "s1"
tap.eq(programme.messages(before, of "s1"), {}, "nothing has changed")
tap.eq(names(programme.messages(nil, of "s2")), { "group add", "flow add", "flow add" }, "all of it is new: the group first")
tap.eq(names(programme.messages(of "s2", nil)), { "flow delete_strict", "flow delete_strict", "group delete" }, "all of it goes: the group last")
ask("bob", "workspace_detach", { workspace_title = "room", entity_title = "bob" })
tap.eq(names(programme.messages(before, of "s1")), { "group modify", "flow delete_strict" }, "one leaves")
local without <const> = of "s1"
ask("alice", "workspace_modify", { workspace_title = "room", level = 3, public_access = false, capabilities = { { type = 2, value = "500" } } })
local limited <const> = of "s1"
tap.eq(names(programme.messages(without, limited)), { "meter add", "flow add", "flow add" }, "a limit: the meter before who uses it")
for _, f in pairs(limited.flows) do tap.eq(f.meter, f.match.in_port ~= 60000 and 1 or nil, "port " .. f.match.in_port .. ": limited where it enters") end
tap.eq(programme.messages(without, limited)[1][2], { command = "add", meter = 1, flags = { kbps = true, burst = true }, bands = { { drop = 500, burst = 500 } } },
  "the meter")
ask("alice", "workspace_modify", { workspace_title = "room", level = 3, public_access = false, capabilities = { { type = 2, value = "600" } } })
tap.eq(names(programme.messages(limited, of "s1")), { "meter modify" }, "another limit")
tap.eq(names(programme.messages(nil, of "s3")), { "meter add" }, "where nobody is the meter is there already")
tap.eq(names(programme.messages(of "s1", nil)), { "flow delete_strict", "flow delete_strict", "flow delete_strict", "group delete", "meter delete" },
  "all of it goes, the meter last")
tap.done()
