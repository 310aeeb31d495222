-- The page and the plot of the paper's testbed: well-formed for a parser that we did not write, whatever texts come in,
-- and with what an interrupted run has.
local tap <const> = require "tap"
local system <const> = require "support.system"
local scripts <const> = arg[0]:match "^(.*)/" .. "/../../scripts/paper"
package.path = scripts .. "/?.lua;" .. package.path
local page <const> = require "page"
local plot <const> = require "plot"
local xml <const> = require "xml"

local dir <close> = system.directory()

-- A value of an XPath in a file, as xmllint sees it; nil when it is not well-formed.
local function look(name, path)
  local result <const> = assert(process.run { argv = { "xmllint", "--noout", "--xpath", path, dir.path .. "/" .. name } })
  return result.exit == 0 and result.stderr == "" and result.stdout:gsub("\n$", "") or nil, result.stderr
end

local function count(name, path) return math.tointeger(tonumber((look(name, ("count(//*[%s])"):format(path))))) end
local function read(name) return assert(file.read(dir.path .. "/" .. name)) end

-- texts
local UGLY <const> = "<b a=\"1\" c='2'>&amp;\0\1\27\xff\xc3(\u{FFFE}]]>\u{20AC}\n\t"
file.write(dir.path .. "/ugly.xml", xml.element("a", { b = UGLY, a = 1 }, xml.escape(UGLY) .. xml.element("c")))
tap.eq(look("ugly.xml", "string(/a)"), (UGLY:gsub("[\0\1\27\xff]", "\u{FFFD}"):gsub("\xc3%(", "\u{FFFD}("):gsub(
  "\u{FFFE}", "\u{FFFD}"):gsub("\n\t$", "\n\t")), "a text is what it was, but for what XML cannot hold")
tap.eq(look("ugly.xml", "string(/a/@b)"):sub(1, 20), UGLY:sub(1, 20), "in an attribute, too")
tap.like(read "ugly.xml", "^<a a=\"1\" b=.*<c/></a>$", "attributes in the order of their names")

-- bars
for most, want in pairs { [93.9] = { 20, 100 }, [40] = { 10, 40 }, [0] = { 1, 1 }, [0.007] = { 0.002, 0.008 }, [1] = { 0.2, 1 },
  [9.4e9] = { 2e9, 1e10 } } do
  local step, top = plot.scale(most)
  tap.ok(math.abs(step - want[1]) < 1e-9 and math.abs(top - want[2]) < 1e-9, "marks of an axis up to " .. most, step, top)
end
file.write(dir.path .. "/bars.svg", plot.bars { title = "A < B & \"C\"", unit = "m/s", groups = { "one", "two", "three" },
  series = { { name = "first", hue = 1, values = { 1, 2, nil } }, { name = "<second>", hue = 2, pale = true, values = { 4, 8, 6 } } } })
local rect <const> = "local-name()='rect'"
tap.eq(count("bars.svg", rect), 7, "a bar for each value, and one for each series in the legend")
tap.eq(count("bars.svg", "text()='none'"), 1, "what has no value says so")
tap.eq(count("bars.svg", "text()='<second>'"), 1, "a legend with any text")
tap.eq(count("bars.svg", "text()='m/s'"), 1, "and the unit")
local heights <const> = {}
for height in read "bars.svg":gmatch '<rect [^>]-height="([%d.]+)"[^>]-width="[%d]' do heights[#heights + 1] = tonumber(height) end
table.sort(heights)
tap.ok(math.abs(heights[#heights] / heights[#heights - 3] - 4) < 0.05 and heights[#heights] > 200, "bars are as high as their values", heights)

-- a whole run
local PNG <const> = "\137PNG\r\n\26\n not a real one, but bytes \0\255"
file.write(dir.path .. "/video-ip-pm2.png", PNG)
for _, name in ipairs { "ip", "sdn", "etarch" } do
  local result <const> = assert(process.run { argv = { "dot", "-Tsvg" }, input = "graph a { " .. name .. " -- b }" })
  file.write(("%s/view-%s.svg"):format(dir.path, name), result.stdout)
end
local function side(tcp, lost)
  return { tcp = { bits_per_second = tcp * 1e6, seconds = 60, retransmits = 3 },
    udp = { bits_per_second = 90.04e6, datagrams = 482143, lost = lost, jitter_ms = 0.0123, bytes = 675000000 } }
end
local function client(net) return { network = net, server = "tv", server_node = "pm1", client = "tv2", client_node = "pm2", frames = 250,
  bytes = 2500000, seconds = 10.25, picture = "video-ip-pm2.png" } end
local results <const> = { version = 1, seconds = 60, rate = "100mbit", started = "2026-01-02T03:04:05Z",
  machine = { kernel = "6.1 <custom>", cores = 2 }, video = { client "ip", client "sdn" },
  chat = { { from = "alice", from_node = "pm1", to = "bob", to_node = "pm2", text = "<script>alert('x')</script>" },
    { from = "alice", from_node = "pm1", to = "carol", to_node = "pm1", text = "<script>alert('x')</script>" } },
  throughput = { raw = side(94.2, 0), ip = side(94.1, 17), sdn = side(93.8, 0) },
  views = { ip = "view-ip.svg", sdn = "view-sdn.svg", etarch = "view-etarch.svg" } }
page.write(dir.path, results)
local INDEX <const> = "index.html"
local words <const>, problem = look(INDEX, "string(/)")
tap.ok(words, "the page of a whole run is well-formed", problem)
tap.eq(count(INDEX, "@class='missing'"), 0, "it misses nothing")
tap.eq(count(INDEX, "local-name()='svg'"), 4, "three views and the plot are in it")
tap.eq(count(INDEX, "local-name()='script' or @id"), 0, "no script, and no id twice")
tap.ok(not read(INDEX):find "src=\"[^d]" and not read(INDEX):find "url%(" and not read(INDEX):find "<link", "nothing is loaded from elsewhere")
local image <const> = look(INDEX, "string(//*[local-name()='img']/@src)")
local decoded <const> = process.run { argv = { "base64", "-d" }, input = image:match "^data:image/png;base64,(.*)$" }
tap.eq(decoded.stdout, PNG, "a picture, byte by byte")
for _, want in ipairs { "93.9", "94.2", "93.8", "42.7 %", "99.9 %", "476190", "482143", "0.242", "0.012", "6.1 <custom>", "100mbit", "alert('x')",
  "250 pictures of 2.5 MB", "read by bob on pm2, carol on pm1", "2125" } do
  tap.ok(words:find(want, 1, true), "it says " .. want)
end
tap.eq(count("figure-8.svg", rect), 15, "figure 8 is a file of its own, too: two bars and a sample for each of five series")

-- interrupted runs
local function partial(what, change, ...)
  local part <const> = json.decode(json.encode(results))
  change(part)
  page.write(dir.path, part)
  local said <const> = look(INDEX, "string(//*[@class='missing'])")
  for _, want in ipairs { ... } do tap.ok(said and said:find(want, 1, true), what .. ": says " .. want, said) end
end
page.write(dir.path, { version = 1 })
local nothing <const> = look(INDEX, "string(//*[@class='missing'])")
tap.ok(nothing and nothing:find "UDP without virtualization" and nothing:find "chat", "a run that has nothing yet", nothing)
partial("half of the throughput", function(part) part.throughput.sdn, part.throughput.ip.udp = nil, nil end, "UDP in the IP network",
  "TCP in the SDN network", "UDP in the SDN network", "goes on where it was")
partial("no video", function(part) part.video = {} end, "video in the IP network", "video in the SDN network")
partial("no chat", function(part) part.chat = nil end, "chat in the ETArch network")
partial("a view that is no file", function(part) part.views.sdn = "gone.svg" end, "view of the software-defined network")
partial("a picture that is no file", function(part) part.video[1].picture = "gone.png" end, "picture that tv2 decoded")
partial("a failed step", function(part) part.failed = { ["video ip"] = "vlc <died>" } end, "video ip: vlc <died>")
tap.done()
