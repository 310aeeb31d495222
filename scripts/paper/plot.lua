--- Bar charts as SVG, readable on light and on dark ground.
local xml <const> = require "xml"

local M = {}

-- All in units of the picture, which scales.
local WIDTH <const>, HEIGHT <const> = 760, 420
local LEFT <const>, RIGHT <const>, TOP <const>, BOTTOM <const> = 70, 16, 46, 112
local LEGEND_COLUMNS <const>, LEGEND_LINE <const> = 2, 22
local GAP <const> = 0.18   -- of a group's width, on both sides of its bars

-- `ink` is text, `line` the grid; a hue is a series' own.
local STYLE <const> = [[
.chart { --ink: #1f2328; --line: #d0d7de; --hue-1: #57606a; --hue-2: #0969da; --hue-3: #bc4c00; --hue-4: #1a7f37; }
@media (prefers-color-scheme: dark) {
.chart { --ink: #e6edf3; --line: #3d444d; --hue-1: #9198a1; --hue-2: #58a6ff; --hue-3: #f0883e; --hue-4: #3fb950; } }
.chart text { fill: var(--ink); font: 14px sans-serif; }
.chart .title { font-size: 17px; font-weight: bold; }
.chart .value { font-size: 12px; }
.chart line { stroke: var(--line); }
.chart .axis { stroke: var(--ink); }
]]

local function text(x, y, class, anchor, words)
  return xml.element("text", { x = ("%.1f"):format(x), y = ("%.1f"):format(y), class = class,
    ["text-anchor"] = anchor }, xml.escape(words))
end

local function line(x1, y1, x2, y2, class)
  return xml.element("line", { x1 = ("%.1f"):format(x1), y1 = ("%.1f"):format(y1), x2 = ("%.1f"):format(x2),
    y2 = ("%.1f"):format(y2), class = class })
end

-- A bar or its sample in the legend. What others measured is paler, with a broken border.
local function bar(x, y, width, height, series)
  local hue <const> = ("var(--hue-%d)"):format(series.hue)
  return xml.element("rect", { x = ("%.1f"):format(x), y = ("%.1f"):format(y), width = ("%.1f"):format(width),
    height = ("%.1f"):format(height), fill = hue, stroke = hue, ["stroke-width"] = 1.5,
    ["fill-opacity"] = series.pale and 0.25 or 0.85, ["stroke-dasharray"] = series.pale and "4 3" or "none" })
end

local function largest(series)
  local most = 0
  for _, one in ipairs(series) do
    for _, value in pairs(one.values) do most = math.max(most, value) end
  end
  return most
end

--- Where an axis that holds `most` has its marks.
-- @return the distance of two, 1, 2 or 5 times a power of ten; the last one
function M.scale(most)
  if most <= 0 then return 1, 1 end
  local power <const> = 10.0 ^ math.floor(math.log(most / 5, 10))
  for _, factor in ipairs { 1, 2, 5, 10 } do
    local step <const> = factor * power
    if step * 6 > most then return step, step * math.ceil(most / step) end
  end
end

local function axes(add, chart, step, top, y_of)
  for i = 0, math.tointeger(top // step) do
    local y <const> = y_of(i * step)
    add(line(LEFT, y, WIDTH - RIGHT, y, i == 0 and "axis" or nil))
    add(text(LEFT - 8, y + 5, nil, "end", ("%.10g"):format(i * step)))
  end
  add(line(LEFT, TOP, LEFT, HEIGHT - BOTTOM, "axis"))
  add(xml.element("text", { transform = ("translate(20 %.1f) rotate(-90)"):format((TOP + HEIGHT - BOTTOM) / 2),
    ["text-anchor"] = "middle" }, xml.escape(chart.unit)))
end

local function bars(add, chart, y_of)
  local group_width <const> = (WIDTH - LEFT - RIGHT) / #chart.groups
  local width <const> = group_width * (1 - 2 * GAP) / #chart.series
  for i, group in ipairs(chart.groups) do
    local left <const> = LEFT + (i - 1 + GAP) * group_width
    add(text(LEFT + (i - 0.5) * group_width, HEIGHT - BOTTOM + 22, nil, "middle", group))
    for j, series in ipairs(chart.series) do
      local value <const>, x <const> = series.values[i], left + (j - 1) * width
      local y <const> = y_of(value or 0)
      if value then add(bar(x + 2, y, width - 4, y_of(0) - y, series)) end
      add(text(x + width / 2, y - 6, "value", "middle", value and ("%.1f"):format(value) or "none"))
    end
  end
end

local function legend(add, chart)
  local column <const> = (WIDTH - LEFT - RIGHT) / LEGEND_COLUMNS
  for i, series in ipairs(chart.series) do
    local x <const> = LEFT + (i - 1) % LEGEND_COLUMNS * column
    local y <const> = HEIGHT - BOTTOM + 46 + (i - 1) // LEGEND_COLUMNS * LEGEND_LINE
    add(bar(x, y - 11, 22, 12, series))
    add(text(x + 30, y, nil, "start", series.name))
  end
end

--- A bar chart.
-- @tparam table chart { title =, unit = of the values, groups = names along the axis, series = array of { name =,
-- hue = 1 to 4, pale = others' values, values = one for each group, nil where there is none } }
-- @return SVG, a document
function M.bars(chart)
  local parts <const> = {}
  local function add(part) parts[#parts + 1] = part end
  local step <const>, top <const> = M.scale(largest(chart.series))
  local function y_of(value) return HEIGHT - BOTTOM - value / top * (HEIGHT - BOTTOM - TOP) end
  add(xml.element("title", nil, xml.escape(chart.title)))
  add(xml.element("style", nil, xml.escape(STYLE)))
  add(text(WIDTH / 2, 22, "title", "middle", chart.title))
  axes(add, chart, step, top, y_of)
  bars(add, chart, y_of)
  legend(add, chart)
  return xml.element("svg", { xmlns = "http://www.w3.org/2000/svg", viewBox = ("0 0 %d %d"):format(WIDTH, HEIGHT),
    class = "chart", role = "img" }, "\n" .. table.concat(parts, "\n") .. "\n") .. "\n"
end

return M
