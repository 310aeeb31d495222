--- Control frames as a DTSA sees them: what it answers to bytes that arrive at a place.
--
-- A request whose source is zero is of the dialect "d2", and the reply repeats its whole header; any other's source is
-- the entity's own MAC address, and the reply goes to it (dialects: see domain.lua). A reply that is lost is asked for
-- again with the same bytes, so what was executed last is answered once more and not executed: also by a DTSA that
-- takes the place of one that died before it had answered.
local digest <const> = require "nerv.digest"
local etcp <const> = require "nerv.etcp"
local domains <const> = require "nerv.etarch.domain"
local runtime <const> = require "nerv.runtime"

local M = {}
local Control <const> = {}
Control.__index = Control

--- The address of the Domain Title Service (domain.DTS) and the EtherType of ETArch, as they are in a frame.
M.DTS, M.TYPE = "DTS\0\0\0", "\8\128"
M.ETHERTYPE = 0x0880
--- Frames are padded to what Ethernet takes at least, in bytes; P4 programs count on it.
M.FRAME_LEAST = 60
local HEADER <const>, ADDRESS <const> = 14, 6
local NO_ADDRESS <const> = ("\0"):rep(ADDRESS)
-- Seconds in which the same bytes are the same request; an entity asks again after half a second, twice.
local REPEAT <const> = 2
-- Bytes of the reason of a refusal, which may name a title: an answer is one frame.
local REASON_MOST <const> = 400
--- Seconds in which those come again whom a former DTSA has not answered.
M.TAKEOVER = 15

-- Who asks: a place and an address.
local function asker(place, mac) return place .. "\0" .. mac end

-- What was done last for everybody.
local function done_before(domain)
  local done = {}
  for _, entities in ipairs { domain.entities, domain.departed } do
    for _, entity in pairs(entities) do
      if (entity.answered or "") ~= "" then
        local who <const> = asker(entity.place, entity.mac)
        done[who] = done[who] or {}
        done[who][entity.answered] = true
      end
    end
  end
  return done
end

--- @tparam table domain from domain.new; what is in it was done by a former DTSA
-- @tparam table options title (the DTSA's own), clock (function that returns seconds; task.now)
function M.new(domain, options)
  local clock <const> = options.clock or runtime.now
  return setmetatable({ domain = domain, title = options.title, clock = clock, recent = {}, older = {},
    turned = -math.huge, began = clock(), done = done_before(domain) }, Control)
end

-- A MAC address as text.
local function text_of(bytes) return ("%02x:%02x:%02x:%02x:%02x:%02x"):format(bytes:byte(1, ADDRESS)) end

--- A frame padded to Ethernet's least length.
function M.padded(frame) return frame .. ("\0"):rep(M.FRAME_LEAST - #frame) end

-- Answers are kept in two tables that take turns: what is in neither is older than REPEAT.
function Control:turn(now)
  if now - self.turned < REPEAT then return end
  self.older = now - self.turned < 2 * REPEAT and self.recent or {}
  self.recent, self.turned = {}, now
end

function Control:answered(key, frame, now)
  self:turn(now)
  local last <const> = self.recent[key] or self.older[key]
  return last and last.frame == frame and now - last.time < REPEAT and last or nil
end

-- Whose request it is, as far as it says.
local function title_of(body) return body.entity_title or body.title or "" end

function Control:reply(frame, source, request, good, reason)
  local header <const> = source == NO_ADDRESS and frame:sub(1, HEADER) or source .. M.DTS .. M.TYPE
  return M.padded(header .. etcp.response { status = good and "success" or "failure", request_id = request.id,
    src_title = self.title, reason = reason and reason:sub(1, REASON_MOST) })
end

local function name_of(frame) return digest.sha256(frame):sub(1, 32) end

-- The answer to what a former DTSA has done and may not have answered, or nil.
function Control:done_again(from, frame, source, request, now)
  local done <const> = now - self.began < M.TAKEOVER and self.done[asker(from.place, from.mac)]
  if not done or not done[name_of(frame)] then return nil end
  return { reply = self:reply(frame, source, request, true), sent = true }
end

function Control:execute(from, frame, request)
  local changes <const> = #self.domain.changes
  local good, reason = domains.request(self.domain, from, request)
  self.done[asker(from.place, from.mac)] = nil
  if good and #self.domain.changes > changes then
    domains.keep_answered(self.domain, from, title_of(request.body), name_of(frame))
  end
  return good, reason
end

--- What a DTSA does with a frame to the Domain Title Service.
-- @tparam string place the port of a switch from which it came
-- @tparam string frame from its Ethernet header on
-- @return {reply= bytes of a frame to that place, request=, good=, reason= of a refusal, again= true when it was
--   answered before, kept= what is kept of it}; or nil and why it is none that is answered
function M.handle(control, place, frame)
  local source <const> = frame:sub(ADDRESS + 1, 2 * ADDRESS)
  if #frame < HEADER or frame:sub(1, ADDRESS) ~= M.DTS or frame:sub(2 * ADDRESS + 1, HEADER) ~= M.TYPE then
    return nil, "it is no frame to the Domain Title Service"
  end
  local request, message = etcp.read_request(frame:sub(HEADER + 1))
  if not request then return nil, message end
  local now <const>, body <const> = control.clock(), request.body or {}
  local from <const> = { place = place, mac = text_of(source), dialect = source == NO_ADDRESS and "d2" or nil }
  local key <const> = table.concat({ place, source, title_of(body) }, "\0")
  local former <const> = control:answered(key, frame, now) or control:done_again(from, frame, source, request, now)
  if former then return { reply = former.reply, request = request, good = true, again = true, kept = former } end
  local good, reason = control:execute(from, frame, request)
  local kept <const> = { frame = frame, reply = control:reply(frame, source, request, good, reason), time = now }
  control.recent[key] = kept
  return { reply = kept.reply, request = request, good = good == true, reason = reason, kept = kept }
end

return M
