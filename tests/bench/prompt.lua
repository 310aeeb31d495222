-- complete_ms: from the tab key to the rest of an endpoint's name, one of 5,000, on the terminal. The endpoints want
-- nothing of the system: completion looks at rows only.
-- rss_mb_shell: the memory of a shell that has just shown its prompt.
local here <const> = arg[0]:match("^(.*)/[^/]*$")
package.path = ("%s/?.lua;%s/../lua/?.lua;%s"):format(here, here, package.path)
local measure <const> = require "measure"
local terminal <const> = require "support.terminal"

local COUNT <const> = measure.rounds(5000, 500)

local wanted <const>, results <const> = {}, {}
for _, name in ipairs(arg) do wanted[name] = true end

local function rss_mb(pid)
  return tonumber(expect(file.read(("/proc/%d/status"):format(pid))):match("VmRSS:%s+(%d+)")) / 1024
end

local function memory()
  local samples = {}
  for i = 1, measure.rounds(9, 2) do
    local t <close> = terminal.nervsh()
    t:prompt()
    samples[i] = rss_mb(t.child.pid)
  end
  measure.progress("an idle shell: %.1f MB", measure.median(samples))
  return measure.result(samples)
end

-- Types the beginning of a name, then the tab key; milliseconds until its end is seen.
local function complete(t, i)
  t:keys(("shell e%04d"):format(i))
  t:line(("nerv> shell e%04d"):format(i))
  local began = runtime.now()
  t:keys("\t")
  while not t.screen:line():find("-end", 1, true) do
    expect(runtime.now() < began + 20, "nothing is completed")
    sleep(0.0002)
  end
  local took = (runtime.now() - began) * 1000
  t:keys("\21")   -- Ctrl-U
  t:prompt()
  return took
end

local function completion()
  local dir = expect(file.temp_dir "nerv-prompt.")
  expect(file.write(dir .. "/nothing.lua", [[return archetype { name = "nothing", summary = "rows alone",
    on_network = function() end, on_endpoint = function() end }]]))
  local t <close> = terminal.nervsh({}, { env = { NERV_PATH = dir } })
  t:ask('net, specs = network.create { name = "net", archetype = "nothing" }, {}')
  t:ask(("for i = 1, %d do specs[i] = { name = ('e%%04d-end'):format(i) } end"):format(COUNT))
  t:prompt()
  t:keys("net:endpoint(specs) print('ma' .. 'de')\r")
  t:see("\nmade", 120)
  local samples = {}
  for i = 1, measure.rounds(41, 5) do samples[i] = complete(t, i * COUNT // 50 + 1) end
  measure.progress("completion among %d: %.2f ms", COUNT, measure.median(samples))
  t:prompt()
  t:keys("\4")    -- Ctrl-D: the lab ends
  t:wait_end(120)
  file.remove_tree(dir)
  return measure.result(samples)
end

if wanted.rss_mb_shell then results.rss_mb_shell = memory() end
if wanted.complete_ms then results.complete_ms = completion() end
measure.hand_over(results)
