--- What is found out, step by step: sections 4 and 5 of the paper.
local chat <const> = require "chat"
local clip <const> = require "clip"
local throughput <const> = require "throughput"
local video <const> = require "video"
local views <const> = require "views"

local M = {}

-- A video is shown for as long as is measured, at most once through.
local CLIP_SECONDS <const> = clip.PICTURES // clip.RATE

-- The networks as they are drawn from the database. That of ETArch is drawn with those who talk in it.
local function add_views(add, data, o)
  add { name = "views", made_with = {},
    run = function(bed) return views.write(o.out, { ip = bed.ip, sdn = bed.sdn }) end,
    put = function(new) data.views.ip, data.views.sdn = new and new.ip, new and new.sdn end }
end

-- The list with what is new of one network instead of what it has.
local function exchanged(list, name, new)
  local changed <const> = { table.unpack(new or {}) }
  for _, record in ipairs(list) do
    if record.network ~= name then changed[#changed + 1] = record end
  end
  table.sort(changed, function(x, y) return x.network .. x.client < y.network .. y.client end)
  return changed
end

-- Served on one node, shown on both.
local function add_video(add, data, o, name)
  local pictures <const> = math.min(o.seconds, CLIP_SECONDS) * clip.RATE
  add { name = "video " .. name, made_with = { pictures = pictures },
    run = function(bed)
      local dir <close> = video.prepare()
      local net <const> = bed[name]
      return video.show(net, { server = net:get "h1", clients = { net:get "h2", net:get "h3" }, pictures = pictures,
        dir = dir.path, out = o.out })
    end,
    put = function(new) data.video = exchanged(data.video, name, new) end }
end

-- Two on one node, one on the other.
local function add_chat(add, data, o)
  add { name = "chat", made_with = {},
    run = function(bed)
      local net <const>, new <const> = bed.etarch, {}
      new.said = chat.talk({ net:get "h1", net:get "h3", net:get "h2" }, { "alice", "bob", "carol" }, {
        { 1, "does anybody have an address here?" }, { 2, "no, only titles" }, { 3, "and I read you both" } },
        function() new.view = views.write(o.out, { etarch = net }).etarch end)
      return new
    end,
    put = function(new) data.chat, data.views.etarch = new and new.said or {}, new and new.view end }
end

-- The two ends of a measurement, and the address of the second.
local function ends(bed, place)
  if place == "raw" then return bed.testbed:node "pm1", bed.testbed:node "pm2", bed.testbed:address "pm2" end
  local from <const>, to <const> = bed[place]:get "h2", bed[place]:get "h4"
  return from, to, to.address
end

local function add_throughput(add, data, o, place, protocol)
  add { name = protocol .. " " .. place, made_with = { seconds = o.seconds, rate = o.rate },
    run = function(bed)
      local from <const>, to <const>, address <const> = ends(bed, place)
      return throughput[protocol](from, to, address, o.seconds)
    end,
    put = function(new)
      local both <const> = data.throughput[place] or {}
      both[protocol] = new
      data.throughput[place] = next(both) and both or nil
    end }
end

--- The steps, in their order.
-- @tparam table data the table of results
-- @tparam table o { seconds =, rate =, out = }
-- @return array of { name, made_with = what decides over the result, run = function(bed) that returns what was found,
-- put = function(new) that puts this into the table, or with nil takes it out }
function M.list(data, o)
  local list <const> = {}
  local function add(step) list[#list + 1] = step end
  add_views(add, data, o)
  for _, name in ipairs { "ip", "sdn" } do add_video(add, data, o, name) end
  add_chat(add, data, o)
  for _, place in ipairs { "raw", "ip", "sdn" } do
    for _, protocol in ipairs { "tcp", "udp" } do add_throughput(add, data, o, place, protocol) end
  end
  return list
end

return M
