-- Option tables: each type's limits, defaults, what is missing, what is unknown.
local tap <const> = require "tap"
local options <const> = require "nerv.options"

local function check(option, value) return options.check("call", { x = option }, { x = value }) end

local good <const> = {
  string = { "", "x", "ä", "a b\n" }, name = { "a", "0", "A.b_c-d", ("a"):rep(63) }, boolean = { true, false },
  integer = { 0, -1, math.maxinteger, math.mininteger }, mtu = { 68, 1500, 65535 }, count = { 1, 1000 },
  cidr = { "10.0.0.0/8", "0.0.0.0/0", "fd00::/8" }, address = { "10.0.0.1", "255.255.255.255", "::1" },
  cidr4 = { "10.0.0.0/8" }, cidr6 = { "fd00::/8" }, address4 = { "10.0.0.1" }, address6 = { "fd00::1" },
  host = { "10.0.0.1/8", "fd00::1/128" }, interface4 = { "10.0.0.1/8" }, interface6 = { "fd00::1/128" },
  mac = { "02:00:00:00:00:01", "00:00:00:00:00:01", "AA:bb:CC:dd:EE:ff" }, rate = { 1, 1e9, 0.5, "1bit", "100mbit", "1.5gbit", "10KBIT",
    "2tbit" },
  table = { {}, { 1 } }, list = { {}, { 1 } }, any = { 1, "x", false, {} }, bytes = { "", "a\0b" }, number = { 0, -1.5, 1 / 0 }, ["function"] = { print },
  line = { "net list", "" }, network = { "blue" }, endpoint = { "h1", "blue:h1" }, node = { "pm1" }, archetype = { "ip" }, file = { "/tmp/x", "" },
  netns = { "blue", "/proc/1/ns/net", 1 }, seconds = { 0, 0.5, 10 }, choice = { "red", "green" },
  duration = { 0, 0.5, 3600, "10ms", "1.5s", "250us", "0s" }, share = { 0, 0.5, 1, "0%", "2.5%", "100%" },
  interface = { "eth0", "a", "enp0s31f6.100-x" }, user = { "nobody", 0, 65534 },
}
local choices <const> = { "red", "green" }
local bad <const> = {
  string = { 1, true, {}, "a\0b" }, name = { "", "-a", ".a", "_a", "a b", "a/b", "a:b", "a\n", ("a"):rep(64), 1, true, {} },
  boolean = { 0, 1, "true", "" }, integer = { 1.5, 1.0, "1", true, {}, 0 / 0, 1 / 0 }, mtu = { 67, 65536, 1500.0, "1500", -1 },
  cidr4 = { "fd00::/8", "10.0.0.1/8" }, cidr6 = { "10.0.0.0/8", "fd00::1/8" }, address4 = { "fd00::1", 1 }, address6 = { "10.0.0.1", "x" },
  host = { "10.0.0.1", "10.0.0.1/33", "x/1", 1 }, interface4 = { "10.0.0.1", "10.0.0.1/33", "fd00::1/8", 1 }, interface6 = { "10.0.0.1/8", "x/1" },
  count = { 0, 1001, 1.5, "1" }, cidr = { "10.0.0.1/8", "10.0.0.0", 10, true }, address = { "10.0.0.0/8", "x", 1 },
  mac = { "00:00:00:00:00:00", "01:00:00:00:00:01", "ff:ff:ff:ff:ff:ff", "02:00:00:00:00", "02:00:00:00:00:01:02", "02-00-00-00-00-01",
    "02:00:00:00:00:0g", 1, " 02:00:00:00:00:01" },
  rate = { 0, -1, "0mbit", "mbit", "fast", "-1mbit", "1 mbit", "1mb", true, {}, "1..5mbit", "", 0 / 0 }, table = { 1, "x", true }, list = { 1, "x" },
  any = {}, bytes = { 1, true, {} }, number = { "1", true, {} }, ["function"] = { "print", 1, {} }, line = { 1, {}, true }, network = { 1, {}, true },
  endpoint = { 1, {}, true }, node = { 1, {}, true }, archetype = { "", "a/b", 1 }, file = { 1, {}, true }, netns = { 1.5, {}, true },
  seconds = { -1, 1 / 0, 0 / 0, "1", {} }, choice = { "rde", "", 1, true },
  duration = { -1, 3601, 0 / 0, "10", "ms", "-1ms", "1 ms", "1h", "4000s", true, {} },
  share = { -0.1, 1.1, 0 / 0, "101%", "%", "0.5", "-1%", true, {} },
  interface = { "", "a b", "a/b", "a:b", "a%d", ".", "..", ("a"):rep(16), 1, true }, user = { "", -1, 1.5, true, {} },
}
for _, name in ipairs(options.type_names()) do
  tap.ok(good[name] and bad[name], "type " .. name .. " has cases here")
  for _, value in ipairs(good[name] or {}) do
    local values, message = check({ type = name, choices = choices }, value)
    tap.ok(values and values.x ~= nil, ("%s takes %s"):format(name, tap.show(value):gsub("\n", "n")), message)
  end
  for _, value in ipairs(bad[name] or {}) do
    local values, message = check({ type = name, choices = choices }, value)
    tap.ok(values == nil and message:find "^call: x = .+: .+" and not message:find "\n",
      ("%s refuses %s"):format(name, tap.show(value):gsub("[\n\0]", "?")), values, message)
  end
end

-- rates are numbers, whatever they were written as
for text, want in pairs { ["1bit"] = 1, ["100mbit"] = 1e8, ["1.5gbit"] = 1.5e9, ["10KBIT"] = 1e4, ["2tbit"] = 2e12 } do
  tap.eq(check({ type = "rate" }, text).x, want, "rate " .. text)
end

-- the table itself
local description <const> = { subnet = { type = "cidr", required = true, doc = "address range" },
  mtu = { type = "mtu", default = 1500, doc = "size" }, dhcp = { type = "boolean", default = true, doc = "leases" },
    note = { type = "string", doc = "text" } }
tap.eq(options.check("call", description, { subnet = "10.0.0.0/8" }), { subnet = "10.0.0.0/8", mtu = 1500, dhcp = true },
  "defaults are filled in")
tap.eq(options.check("call", description, { subnet = "10.0.0.0/8", dhcp = false, mtu = 68, note = "" }),
  { subnet = "10.0.0.0/8", mtu = 68, dhcp = false, note = "" }, "false and empty are values")
local given <const> = { subnet = "10.0.0.0/8" }
options.check("call", description, given)
tap.eq(given, { subnet = "10.0.0.0/8" }, "what is given is not changed")
for _, case in ipairs {
  { {}, "call: option 'subnet' is missing (address range)" },
  { { subnet = "10.0.0.0/8", dchp = true }, "call: unknown option 'dchp'; did you mean 'dhcp'?" },
  { { subnet = "10.0.0.0/8", quite_else = 1 }, "call: unknown option 'quite_else'; there are dhcp, mtu, note, subnet" },
  { { "10.0.0.0/8" }, "call: options are given by name" },
  { { [true] = 1 }, "call: options are given by name" },
  { { subnet = "10.0.0.0/8", mtu = "a\nb" }, 'call: mtu = "a\\nb": an integer from 68 to 65535 is expected' },
} do
  local values, message = options.check("call", description, case[1])
  tap.eq({ values, message }, { nil, case[2] }, case[2]:gsub("\n", "n"))
end
for _, value in ipairs { 5, "x", true } do
  tap.eq({ options.check("call", description, value) }, { nil, "call: a table of options is expected" }, "no table: " .. tostring(value))
end
tap.eq({ options.check("call", description) }, { nil, "call: a table of options is expected" }, "nothing is no table")

-- descriptions
for _, case in ipairs {
  { { x = { type = "mtu", doc = "d" } }, nil }, { {}, nil }, { { x = { type = "mtu", doc = "d", default = 1400 } }, nil },
  { { x = 5 }, "option x: a table is expected" }, { { x = { doc = "d" } }, "option x: unknown type 'nil'; the types are address, " },
  { { x = { type = "numbre", doc = "d" } }, "option x: unknown type 'numbre'; the types are " },
  { { x = { type = "choice", doc = "d" } }, "option x: a choice needs `choices`" },
  { { x = { type = "choice", doc = "d", choices = choices, default = "blue" } }, "option x: default: one of red, green is expected" }, { { x = { type = "mtu" } },
    "option x has no doc" },
  { { x = { type = "mtu", doc = "d", default = 1 } }, "option x: default: an integer from 68 to 65535 is expected" },
  { { x = { type = "boolean", doc = "d", default = false } }, nil },
} do
  local problem = options.problem(case[1])
  tap.ok(problem == case[2] or (problem and case[2] and problem:find(case[2], 1, true) == 1), "description: " .. tostring(case[2]), problem)
end
tap.eq(options.sorted_keys { b = 1, a = 2, c = 3 }, { "a", "b", "c" }, "keys in order")
tap.eq(options.join({ a = 1, b = 1 }, { b = 2 }, {}), { a = 1, b = 2 }, "later tables win")
tap.done()
