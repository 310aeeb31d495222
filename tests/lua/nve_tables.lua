-- A P4 switch's tables as Lua values: many entries in one call, whose work lets others run.
local tap <const> = require "tap"
local paths <const> = require "nerv.paths"

local COUNT <const> = 12000   -- more than one message to the switch takes
local dir <const> = assert(file.temp_dir "nerv-tables.")
local space <const>, socket <const> = dir .. "/ns", dir .. "/sock"
assert(netns.add { path = space })
local switch <const> = assert(process.spawn { netns = space, pdeathsig = "TERM", argv = { paths.libexec() .. "/nerv-nve",
  "--log-level", "error", "--thrift-socket", socket, paths.p4() .. "/nve_vlan.json" } })
local sw <const> = tap.eventually(20, function() return (nve.connect(socket)) end)
local tags <const> = sw.tables.tags

local function entry(i) return { key = { i // 4096, i % 4096 }, action = "to_port", data = { i % 500 } } end
local entries <const> = {}
for i = 1, COUNT do entries[i] = entry(i) end

local turns, over = 0, false
local other <const> = spawn(function()
  repeat
    turns = turns + 1
    sleep(0)
  until over
end)
local handles <const> = assert(tags:add_many(entries))
over = true
other:wait()
tap.eq(#handles, COUNT, "each entry has a handle")
tap.ok(turns > 3, "others ran meanwhile", turns)
local wrong, by_handle = 0, {}
for _, e in ipairs(assert(tags:dump())) do by_handle[e.handle] = e end
for i, handle in ipairs(handles) do
  local e = by_handle[handle]
  if not e or e.key[1] ~= i // 4096 or e.key[2] ~= i % 4096 or e.data[1] ~= i % 500 then wrong = wrong + 1 end
end
tap.eq(wrong, 0, "the handles are in the order of the entries")
assert(tags:clear())
tap.eq(tags:add_many {}, {}, "no entry at all")

entries[7002] = entry(7000)
tap.eq({ tags:add_many(entries) }, { nil, "table 'tags' has an entry with this key already", "DUPLICATE_ENTRY", 7002 },
  "the place of the first that the switch refuses")
tap.eq(#tags:dump(), 0, "none of them is there")
entries[7002] = { key = { 1, 70000 }, action = "to_port", data = { 1 } }
tap.raises(function() tags:add_many(entries) end, "70000", "a value that is too large, far behind")
tap.eq(#tags:dump(), 0, "then nothing was sent")

entries[7002] = entry(7002)
-- Cancelled or closed at any time, from the first entry to the last.
for passes = 0, 12 do
  local adding = spawn(tags.add_many, tags, entries)
  for _ = 1, passes do sleep(0) end
  adding:cancel()
  adding:join()
  local left = tap.eventually(10, function()
    local there = #tags:dump()
    return (there == 0 or there == COUNT) and there
  end)
  if left ~= 0 and left ~= COUNT then tap.ok(false, "cancelled after " .. passes .. " passes", left) end
  assert(tags:clear())
end
tap.ok(true, "one that is cancelled leaves all or none")
for passes = 0, 12 do
  local other_one = assert(nve.connect(socket))
  local adding = spawn(function() return other_one.tables.tags:add_many(entries) end)
  for _ = 1, passes do sleep(0) end
  other_one:close()
  local good, added, message, code = pcall(adding.wait, adding)
  if good and not added and code ~= "closed" then tap.ok(false, "closed meanwhile", message, code) end
end
tap.ok(true, "a connection that is closed meanwhile")

sw:close()
switch:kill()
switch:wait(10)
assert(netns.delete { path = space })
file.remove_tree(dir)
tap.done()
