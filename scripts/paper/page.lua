--- The page of a run: what was measured beside the paper's numbers, pictures, and what is missing. One file that needs
-- no other one, no script and no network.
local plot <const> = require "plot"
local xml <const> = require "xml"

local M = {}
local e <const>, escape <const> = xml.element, xml.escape

-- Section 5 of the paper; it virtualized with an IP network. Its iperf counts bytes in units of 2^20.
local PAPER <const> = {
  raw = { tcp = { bits_per_second = 93.9e6 },
    udp = { bits_per_second = 668 * 2^20 * 8 / 60, datagrams = 476190, lost = 0, jitter_ms = 0.008,
      bytes = 668 * 2^20 } },
  ip = { tcp = { bits_per_second = 40.1e6 },
    udp = { bits_per_second = 283 * 2^20 * 8 / 60, datagrams = 204082, lost = 2125, jitter_ms = 0.242,
      bytes = 283 * 2^20 } },
}

local VIEWS <const> = {
  { name = "ip", figure = 5, title = "IP network" }, { name = "sdn", figure = 6, title = "software-defined network" },
  { name = "etarch", figure = 7, title = "ETArch network" },
}

local STYLE <const> = [[
:root { color-scheme: light dark; --ground: #ffffff; --ink: #1f2328; --quiet: #57606a; --line: #d0d7de;
  --box: #f6f8fa; --end: #dfeefb; --switch: #fdf0d5; --own: #e3f4e1; --grey: #eeeeee; --warn: #9a6700; }
@media (prefers-color-scheme: dark) { :root { --ground: #0d1117; --ink: #e6edf3; --quiet: #9198a1; --line: #3d444d;
  --box: #161b22; --end: #12314f; --switch: #42320f; --own: #173b1c; --grey: #30363d; --warn: #d29922; } }
body { margin: 0 auto; padding: 1rem; max-width: 62rem; background: var(--ground); color: var(--ink);
  font: 16px/1.5 sans-serif; }
h1 { font-size: 1.6rem; line-height: 1.2; } h2 { margin-top: 2.5rem; font-size: 1.25rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; } th, td { padding: .3rem .7rem; border-bottom: 1px solid var(--line); }
th { text-align: left; font-weight: 600; } th[scope=row] { min-width: 9rem; } thead th { vertical-align: bottom; }
td.number, th.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
td.none, figcaption, .quiet { color: var(--quiet); }
.missing { padding: .5rem 1rem; border-left: 4px solid var(--warn); background: var(--box); }
.missing h2 { margin-top: 0; }
figure { margin: 1.5rem 0; } figcaption { margin-top: .4rem; }
.clients { display: grid; grid-template-columns: repeat(auto-fill, minmax(13rem, 1fr)); gap: 1rem; }
.clients figure { margin: 0; } .clients img { width: 100%; border: 1px solid var(--line); }
figure .chart { display: block; min-width: 36rem; max-width: 52rem; }
.view svg { display: block; margin: 0 auto; max-width: 100%; min-width: 26rem; height: auto; }
.view text { fill: var(--ink); } .view :is(polygon, ellipse, path, polyline) { stroke: var(--ink); }
.view .graph > polygon { fill: none; stroke: none; }
.view .cluster > :is(polygon, path) { fill: none; stroke: var(--quiet); }
.view .endpoint > :is(ellipse, path) { fill: var(--end); }
.view :is(.switch, .bridge) > polygon { fill: var(--switch); }
.view .station > polygon { fill: var(--own); } .view .nve > polygon { fill: var(--grey); }
.chat { padding: 0; list-style: none; } .chat li { margin: .4rem 0; padding: .4rem .8rem; background: var(--box); }
]]

local ALPHABET <const> = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

-- RFC 4648, section 4.
local function base64(bytes)
  local text <const> = bytes:gsub("..?.?", function(three)
    local a, b, c = three:byte(1, 3)
    local bits <const> = a << 16 | (b or 0) << 8 | (c or 0)
    local four = ""
    for shift = 18, 0, -6 do
      local i <const> = bits >> shift & 63
      four = four .. ALPHABET:sub(i + 1, i + 1)
    end
    return b and c and four or b and four:sub(1, 3) .. "=" or four:sub(1, 2) .. "=="
  end)
  return text
end

-- What the table holds below these keys, nil where an interrupted run has not come to it.
local function value_at(values, ...)
  for _, key in ipairs { ... } do
    if type(values) ~= "table" then return nil end
    values = values[key]
  end
  return values
end

local function paragraph(words, class) return e("p", { class = class }, escape(words)) end

local function list_of(items, class)
  local lines <const> = {}
  for i, item in ipairs(items) do lines[i] = e("li", nil, item) end
  return e("ul", { class = class }, table.concat(lines, "\n"))
end

local function figure(body, caption) return e("figure", nil, body .. e("figcaption", nil, escape(caption))) end

-- The table: a row for each quantity, as text for one side's throughput.
local function fixed(format, divisor, ...)
  local keys <const> = { ... }
  return function(side)
    local value <const> = value_at(side, table.unpack(keys))
    return value and format:format(value / divisor)
  end
end

local function share_of_raw(protocol)
  return function(side, raw)
    local value <const>, whole <const> = value_at(side, protocol, "bits_per_second"),
      value_at(raw, protocol, "bits_per_second")
    return value and whole and whole > 0 and side ~= raw and ("%.1f %%"):format(100 * value / whole) or nil
  end
end

local function share_lost(side)
  local lost <const>, all <const> = value_at(side, "udp", "lost"), value_at(side, "udp", "datagrams")
  return lost and all and all > 0 and ("%.3f %%"):format(100 * lost / all) or nil
end

local ROWS <const> = {
  { "TCP, Mbit/s", fixed("%.1f", 1e6, "tcp", "bits_per_second") },
  { "TCP, share of that without virtualization", share_of_raw "tcp" },
  { "TCP, segments sent again", fixed("%.0f", 1, "tcp", "retransmits") },
  { "UDP, Mbit/s", fixed("%.1f", 1e6, "udp", "bits_per_second") },
  { "UDP, share of that without virtualization", share_of_raw "udp" },
  { "UDP, datagrams", fixed("%.0f", 1, "udp", "datagrams") },
  { "UDP, lost", fixed("%.0f", 1, "udp", "lost") },
  { "UDP, lost share", share_lost },
  { "UDP, jitter, ms", fixed("%.3f", 1, "udp", "jitter_ms") },
  { "UDP, MiB", fixed("%.0f", 2^20, "udp", "bytes") },
}

local function measured_table(throughput)
  local sides <const> = { { PAPER, "raw" }, { PAPER, "ip" }, { throughput, "raw" }, { throughput, "ip" },
    { throughput, "sdn" } }
  local rows <const> = {}
  for i, row in ipairs(ROWS) do
    local cells <const> = { e("th", { scope = "row" }, escape(row[1])) }
    for j, side in ipairs(sides) do
      local said <const> = row[2](value_at(side[1], side[2]), value_at(side[1], "raw"))
      cells[j + 1] = e("td", { class = said and "number" or "number none" }, escape(said or "–"))
    end
    rows[i] = e("tr", nil, table.concat(cells))
  end
  local function head(span, words)
    return e("th", { colspan = span, class = "number", scope = "col" }, escape(words))
  end
  local heads <const> = e("tr", nil, e("td", nil, "") .. head(2, "the paper (BMv2)") .. head(3, "here (nerv-nve)")) ..
    e("tr", nil, e("td", nil, "") .. head(1, "without") .. head(1, "IP network") .. head(1, "without") ..
      head(1, "IP network") .. head(1, "SDN network"))
  return e("div", { class = "wide" }, e("table", nil, e("thead", nil, heads) ..
    e("tbody", nil, "\n" .. table.concat(rows, "\n") .. "\n")))
end

local function chart(throughput)
  local function series(name, from, side, hue, pale)
    local values <const> = {}
    for i, protocol in ipairs { "tcp", "udp" } do
      local bits <const> = value_at(from, side, protocol, "bits_per_second")
      values[i] = bits and bits / 1e6
    end
    return { name = name, values = values, hue = hue, pale = pale }
  end
  return plot.bars { title = "Throughput with and without virtualization", unit = "Mbit/s", groups = { "TCP", "UDP" },
    series = {
      series("the paper, without", PAPER, "raw", 1, true), series("the paper, IP network", PAPER, "ip", 2, true),
      series("here, without", throughput, "raw", 1), series("here, IP network", throughput, "ip", 2),
      series("here, SDN network", throughput, "sdn", 3),
    } }
end

-- A picture of graphviz as part of a page: no prologue, and no ids, which several pictures have alike.
local function inlined(svg) return (svg:match "<svg.*</svg>" or ""):gsub("(<%w+)( id=\"[^\"]*\")", "%1") end

local function views(dir, results)
  local parts <const> = {}
  for _, view in ipairs(VIEWS) do
    local name <const> = value_at(results.views, view.name)
    local svg <const> = name and file.read(dir .. "/" .. name)
    if svg then
      parts[#parts + 1] = figure(e("div", { class = "view wide" }, (inlined(svg))),
        ("Figure %d: the %s, drawn from the database while it ran"):format(view.figure, view.title))
    end
  end
  return table.concat(parts, "\n")
end

local function video(dir, results)
  local parts <const> = {}
  for i, one in ipairs(results.video or {}) do
    local picture <const> = one.picture and file.read(dir .. "/" .. one.picture)
    local shown <const> = picture and e("img", { src = "data:image/png;base64," .. base64(picture),
      alt = ("a decoded picture of the video, in %s on %s"):format(one.client, one.client_node) }) or ""
    parts[i] = figure(shown, ("%s network: %s on %s serves, %s on %s decoded %d pictures of %.1f MB in %.1f s"):format(
      one.network:upper(), one.server, one.server_node, one.client, one.client_node, one.frames, one.bytes / 1e6,
      one.seconds))
  end
  return e("div", { class = "clients" }, table.concat(parts, "\n"))
end

-- A line for each message, with all who have read it.
local function chat(results)
  local lines, last = {}, {}
  for _, one in ipairs(results.chat or {}) do
    local reader <const> = escape(("%s on %s"):format(one.to, one.to_node))
    if one.from == last.from and one.text == last.text then
      lines[#lines].readers = lines[#lines].readers .. ", " .. reader
    else
      lines[#lines + 1] = { readers = reader,
        said = e("b", nil, escape(one.from)) .. escape((" on %s: %s"):format(one.from_node, one.text)) }
    end
    last = one
  end
  for i, line in ipairs(lines) do
    lines[i] = line.said .. e("span", { class = "quiet" }, " – read by " .. line.readers)
  end
  return list_of(lines, "chat")
end

-- What of a whole run is not there.
local function missing(dir, results)
  local list <const> = {}
  local function want(there, ...)
    if not there then list[#list + 1] = escape((...):format(select(2, ...))) end
  end
  local shown <const> = {}
  for _, one in ipairs(results.video or {}) do
    shown[one.network] = true
    want(one.picture and file.stat(dir .. "/" .. one.picture), "the picture that %s decoded", one.client)
  end
  want(shown.ip, "video in the IP network")
  want(shown.sdn, "video in the SDN network")
  want(value_at(results, "chat", 1), "the chat in the ETArch network")
  for _, side in ipairs { "raw", "ip", "sdn" } do
    for _, protocol in ipairs { "tcp", "udp" } do
      want(value_at(results, "throughput", side, protocol), "%s %s", protocol:upper(),
        side == "raw" and "without virtualization" or ("in the %s network"):format(side:upper()))
    end
  end
  for _, view in ipairs(VIEWS) do
    local name <const> = value_at(results.views, view.name)
    want(name and file.stat(dir .. "/" .. name), "the view of the %s", view.title)
  end
  return list
end

local function trouble(dir, results)
  local list <const>, failed = missing(dir, results), {}
  for step, reason in pairs(results.failed or {}) do failed[#failed + 1] = escape(("%s: %s"):format(step, reason)) end
  table.sort(failed)
  local parts = #failed > 0 and e("h2", nil, "What went wrong") .. list_of(failed) or ""
  if #list > 0 then parts = parts .. e("h2", nil, "What is missing") .. list_of(list) .. paragraph(
    "The run was interrupted or is under way: the same command goes on where it was.") end
  return parts ~= "" and e("section", { class = "missing" }, parts) or ""
end

local function machine(results)
  local m <const>, parts = results.machine or {}, {}
  for name in pairs(m) do parts[#parts + 1] = name end
  table.sort(parts)
  for i, name in ipairs(parts) do parts[i] = ("%s %s"):format(name, tostring(m[name])) end
  return #parts > 0 and "Machine: " .. table.concat(parts, ", ") .. "." or "Machine: not recorded."
end

local function said_of(results)
  return ("Two emulated nodes on one machine, joined by trunk links of %s, and three networks with endpoints on both: "
    .. "one of IP, a software-defined one and one of ETArch. A video is served in the first two, entities chat in the "
    .. "third, and throughput is measured for %s s each, with and without virtualization. Begun %s."):format(
    results.rate or "unknown rate", results.seconds or "?", results.started or "at an unknown time")
end

--- The page as text.
function M.html(dir, results)
  local throughput <const> = results.throughput or {}
  local title <const> = "The testbed of the NERV paper"
  local body <const> = {
    e("h1", nil, title), paragraph(said_of(results)), paragraph(machine(results), "quiet"), trouble(dir, results),
    e("h2", nil, "Throughput, ours and the paper's"), measured_table(throughput),
    figure(e("div", { class = "wide" }, chart(throughput)), "Figure 8: throughput between the two nodes; the paper's "
      .. "bars are pale"),
    e("h2", nil, "The networks"), views(dir, results),
    e("h2", nil, "Video"), paragraph "What each client has decoded, one picture of it.", video(dir, results),
    e("h2", nil, "Chat"),
    paragraph "What entities said in a workspace, and who has read it. Nobody has an address there.", chat(results),
  }
  local head <const> = e("meta", { charset = "utf-8" }) .. e("meta", { name = "viewport",
    content = "width=device-width, initial-scale=1" }) .. e("title", nil, title) .. e("style", nil, "\n" .. STYLE)
  return "<!DOCTYPE html>\n" .. e("html", { lang = "en" }, "\n" .. e("head", nil, head) .. "\n" ..
    e("body", nil, "\n" .. table.concat(body, "\n") .. "\n") .. "\n") .. "\n"
end

--- Writes index.html, and figure 8 as figure-8.svg, into a directory.
-- @tparam string dir where the pictures that the table names are
-- @tparam table results as in results.json; what is not there yet the page calls missing
function M.write(dir, results)
  expect(file.write(dir .. "/figure-8.svg", chart(results.throughput or {}), { atomic = true }))
  expect(file.write(dir .. "/index.html", M.html(dir, results), { atomic = true }))
end

return M
