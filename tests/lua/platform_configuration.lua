-- Configurations as text, without a lab: order, quoting, what a file may not do; words that set options.
local tap <const> = require "tap"
local assignment <const> = require "nerv.command.assignment"
local options <const> = require "nerv.options"
local text <const> = require "nerv.configuration.text"

local conf <const> = { version = 1, networks = {
  zoo = { archetype = "testbed", count = 2, rate = "1.5gbit" },
  ["a-b"] = { archetype = "ip", home = "pm1", subnet = "10.1.0.0/24", forwarders = { "10.0.0.1", "10.0.0.2" }, dns = true, endpoints = {
    h10 = {}, h2 = { node = "pm2", address = "10.1.0.9" }, h1 = { kind = "tap", node = "pm1", mtu = 1400 }, ["end"] = { loss = 0.5 } } },
  empty = { archetype = "bridge", note = "a \"quote\"\nand a line\\", table = { b = 1, a = { true, false } }, endpoints = {} },
} }
local written <const> = text.write(conf)
tap.eq(written, [[
-- Networks and endpoints: `nervsh apply FILE` makes the system equal to this file.
return {
  version = 1,
  networks = {
    zoo = {
      archetype = "testbed",
      count = 2,
      rate = "1.5gbit",
    },
    ["a-b"] = {
      archetype = "ip",
      home = "pm1",
      dns = true,
      forwarders = { "10.0.0.1", "10.0.0.2" },
      subnet = "10.1.0.0/24",
      endpoints = {
        ["end"] = { loss = 0.5 },
        h1 = { node = "pm1", kind = "tap", mtu = 1400 },
        h2 = { node = "pm2", address = "10.1.0.9" },
        h10 = {},
      },
    },
    empty = {
      archetype = "bridge",
      note = "a \"quote\"\nand a line\\",
      table = { a = { true, false }, b = 1 },
    },
  },
}
]], "testbeds first, then by name as people count; archetype and home before the others")
conf.networks.empty.endpoints = nil
tap.eq(text.read(written, "x"), conf, "read back")
tap.eq(text.write(text.read(written, "x")), written, "and written again")
tap.eq(text.read("#!/usr/bin/env x\nreturn { a = 1 }", "x"), { a = 1 }, "a first line for the system")
tap.eq(text.read("local t = {} for i = 1, 3 do t['h' .. i] = { i = i } end return t", "x"), { h1 = { i = 1 }, h2 = { i = 2 }, h3 = { i = 3 } }, "it may compute")
for source, message in pairs {
  ["return {"] = "^x:1: ", ["return os"] = "^x: there is no global 'os' here", ["y = 1"] = "^x: a global 'y' is set",
  ["return 1"] = "^x: it returns no table, but number",
  ["return setmetatable({}, {})"] = "^x: there is no global 'setmetatable'",
  ["local t = nil return t.x"] = "^x:1: attempt to index", ["\27Lua"] = "^x: attempt to load a binary chunk",
  ["while true do end"] = "^x: it ran for longer than it may",
} do
  local value, problem = text.read(source, "x")
  tap.ok(value == nil and problem:find(message), "refused: " .. source:gsub("\27", "ESC"), problem)
end

for value, want in pairs { [100000000] = "100mbit", [1000000000] = "1gbit", [1500] = "1500", [64000] = "64kbit", ["2mbit"] = "2mbit" } do
  tap.eq(tostring(options.rate_text(value)), want, "a rate: " .. value)
end

local description <const> = { mtu = { type = "mtu", doc = "" }, on = { type = "boolean", doc = "" }, name = { type = "name", doc = "" },
  rate = { type = "rate", doc = "" },
  list = { type = "table", doc = "" }, any = { type = "any", doc = "" } }
local names, given = assignment.split { "a", "mtu=1400", "b=c=d", "x-y=1", "=z" }
tap.eq({ names, given }, { { "a", "x-y=1", "=z" }, { mtu = "1400", b = "c=d" } }, "names and options")
tap.eq(assignment.read({ mtu = "1400", on = "false", name = "5", rate = "2mbit", list = "a,b", any = "7" }, description),
  { mtu = 1400, on = false, name = "5", rate = "2mbit", list = { "a", "b" }, any = 7 }, "read by their types")
tap.eq(assignment.read({ list = '["a", 1]', rate = "100" }, description), { list = { "a", 1 }, rate = 100 }, "a list in JSON, a rate as a number")
for key, word in pairs { mtu = "x", on = "yes", name = "a b", rate = "fast", list = "{" } do
  tap.like(select(2, assignment.read({ [key] = word }, description)), "^" .. key .. "=", ("refused: %s=%s"):format(key, word))
end
tap.like(select(2, assignment.read({ mut = "1" }, description)), "^unknown option 'mut'; did you mean 'mtu'%?", "an unknown option")
tap.done()
