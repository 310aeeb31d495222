--- The video clip: colour bars, a square that moves through them, and below them each picture's number as eight
-- bits, black or white. So a picture that was encoded, sent and decoded shows whether it is one that was drawn, and
-- which.
local M = {}

M.WIDTH, M.HEIGHT, M.RATE = 320, 240, 25
-- Bytes of one picture: a byte of luma each, and two of chroma for four of them.
M.BYTES = M.WIDTH * M.HEIGHT * 3 // 2
-- As many as their number has values, less the last part of a second: ten seconds.
M.PICTURES = 250

local BITS <const>, STRIP <const>, SQUARE <const> = 8, 48, 32
local BARS_HEIGHT <const> = M.HEIGHT - STRIP
local BLACK <const>, WHITE <const>, NEUTRAL <const> = 16, 235, 128
-- How far a value may be from the one that was drawn.
local TOLERANCE <const> = 12

-- The bars of ITU-R BT.801 at 75 %, as Y, Cb and Cr of BT.601: white, yellow, cyan, green, magenta, red, blue.
local BARS <const> = { { 180, 128, 128 }, { 162, 44, 142 }, { 131, 156, 44 }, { 112, 72, 58 }, { 84, 184, 198 },
  { 65, 100, 212 }, { 35, 212, 114 } }

-- The bar at a column.
local function bar(x) return x * #BARS // M.WIDTH + 1 end

local function bit_value(number, bit) return number >> (BITS - 1 - bit) & 1 == 1 and WHITE or BLACK end

-- One row of a plane, `scale` columns to a byte.
local function bars_row(plane, scale)
  local row <const> = {}
  for x = 0, M.WIDTH - 1, scale do row[#row + 1] = string.char(BARS[bar(x)][plane]) end
  return table.concat(row)
end

local luma_row <const> = bars_row(1, 1)
local chroma <const> = {}
for plane = 2, 3 do
  chroma[plane] = bars_row(plane, 2):rep(BARS_HEIGHT // 2) .. string.char(NEUTRAL):rep(M.WIDTH * STRIP // 4)
end

--- Picture `number` as planar YUV 4:2:0. The square passes below the middle, where nobody looks for the bars' colours.
function M.picture(number)
  local x <const> = number * 4 % (M.WIDTH - SQUARE)
  local square_row <const> = luma_row:sub(1, x) .. string.char(WHITE):rep(SQUARE) .. luma_row:sub(x + SQUARE + 1)
  local bits <const> = {}
  for bit = 0, BITS - 1 do bits[bit + 1] = string.char(bit_value(number, bit)):rep(M.WIDTH // BITS) end
  local above <const> = BARS_HEIGHT * 2 // 3
  return luma_row:rep(above) .. square_row:rep(SQUARE) .. luma_row:rep(BARS_HEIGHT - above - SQUARE)
    .. table.concat(bits):rep(STRIP) .. chroma[2] .. chroma[3]
end

local HEADER <const> = ("YUV4MPEG2 W%d H%d F%d:1 Ip A1:1 C420\n"):format(M.WIDTH, M.HEIGHT, M.RATE)

-- A YUV4MPEG2 file of pictures.
local function write(path, count, picture_of)
  local out <close> = assert(io.open(path, "wb"))
  assert(out:write(HEADER))
  for i = 0, count - 1 do assert(out:write("FRAME\n", picture_of(i))) end
end

--- Draws all pictures into a YUV4MPEG2 file.
function M.draw(path) write(path, M.PICTURES, M.picture) end

--- Writes one picture's bytes as a YUV4MPEG2 file.
function M.write_one(path, bytes) write(path, 1, function() return bytes end) end

-- Mean of some values around the middle of a square of a plane.
local function mean(bytes, offset, width, x, y)
  local sum = 0
  for row = y - 1, y + 1 do
    local at <const> = offset + row * width + x
    for i = at, at + 2 do sum = sum + bytes:byte(i) end
  end
  return sum / 9
end

local function differs(have, want) return math.abs(have - want) > TOLERANCE end

-- What is wrong with the bars' colours, or nil.
local function wrong_colour(bytes)
  local size <const> = M.WIDTH * M.HEIGHT
  for i, colour in ipairs(BARS) do
    local x <const>, y <const> = (2 * i - 1) * M.WIDTH // (2 * #BARS), BARS_HEIGHT // 3
    for plane = 1, 3 do
      local have = plane == 1 and mean(bytes, 0, M.WIDTH, x, y)
        or mean(bytes, size + (plane - 2) * size // 4, M.WIDTH // 2, x // 2, y // 2)
      if differs(have, colour[plane]) then
        return ("bar %d of the picture has %.0f in plane %d instead of %d"):format(i, have, plane, colour[plane])
      end
    end
  end
end

--- Looks at a decoded picture.
-- @tparam string bytes planar YUV 4:2:0
-- @return its number; or nil and what is wrong with it
function M.read(bytes)
  local wrong <const> = wrong_colour(bytes)
  if wrong then return nil, wrong end
  local number = 0
  for bit = 0, BITS - 1 do
    local have <const> = mean(bytes, 0, M.WIDTH, (2 * bit + 1) * M.WIDTH // (2 * BITS), M.HEIGHT - STRIP // 2)
    local set <const> = have > NEUTRAL
    if differs(have, set and WHITE or BLACK) then
      return nil, ("bit %d of the picture's number is neither black nor white: %.0f"):format(bit, have)
    end
    number = number << 1 | (set and 1 or 0)
  end
  return number
end

return M
