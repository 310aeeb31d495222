-- A terminal for tests: a program on a pseudo-terminal, and what a person would see on its screen.
--
-- The screen understands what readline and NERV send with TERM=xterm: printable characters, CR, LF, BS, TAB, wrapping
-- at the right edge, and the cursor movements, erasures and insertions of ECMA-48. Anything else stops the test.
local M = {}

local Screen = {}
Screen.__index = Screen

function M.screen(rows, cols)
  return setmetatable({ rows = rows, cols = cols, row = 1, col = 1, lines = {}, gone = {}, rest = "",
    modes = {} }, Screen)
end

function Screen:cells()
  local line = self.lines[self.row]
  if not line then
    line = {}
    self.lines[self.row] = line
  end
  return line
end

-- What scrolls off the top is kept: `gone`.
function Screen:line_feed()
  if self.row < self.rows then
    self.row = self.row + 1
    return
  end
  self.gone[#self.gone + 1] = self:text_of(1)
  for i = 1, self.rows do self.lines[i] = self.lines[i + 1] end
end

function Screen:text_of(row)
  local line, last = self.lines[row] or {}, 0
  for col in pairs(line) do last = math.max(last, col) end
  local parts = {}
  for col = 1, last do parts[col] = line[col] or " " end
  return (table.concat(parts):gsub("%s+$", ""))
end

-- The lines are not wrapped anew; those for which there is no room any more go at the top.
function Screen:resize(rows, cols)
  for _ = rows + 1, self.row do
    self.gone[#self.gone + 1] = self:text_of(1)
    for i = 1, self.rows do self.lines[i] = self.lines[i + 1] end
  end
  self.rows, self.cols, self.row = rows, cols, math.min(self.row, rows)
end

-- At the right edge the cursor stays until the next character comes.
function Screen:put(character)
  if self.col > self.cols then
    self.col = 1
    self:line_feed()
  end
  self:cells()[self.col] = character
  self.col = self.col + 1
end

local function clamp(value, low, high) return math.max(low, math.min(high, value)) end

local function erase(screen, from, to)
  local line = screen:cells()
  for col = from, to do line[col] = nil end
end

local sequences <const> = {
  A = function(s, n) s.row = clamp(s.row - math.max(n, 1), 1, s.rows) end,
  B = function(s, n) s.row = clamp(s.row + math.max(n, 1), 1, s.rows) end,
  C = function(s, n) s.col = clamp(s.col + math.max(n, 1), 1, s.cols) end,
  D = function(s, n) s.col = clamp(math.min(s.col, s.cols) - math.max(n, 1), 1, s.cols) end,
  G = function(s, n) s.col = clamp(n, 1, s.cols) end,
  H = function(s, n, m) s.row, s.col = clamp(n, 1, s.rows), clamp(m, 1, s.cols) end,
  J = function(s, n)
    if n == 0 then erase(s, s.col, s.cols) end
    for row = n == 0 and s.row + 1 or 1, s.rows do s.lines[row] = nil end
  end,
  K = function(s, n)
    erase(s, n == 0 and s.col or 1, n == 1 and s.col or s.cols)
  end,
  P = function(s, n)
    local line = s:cells()
    for col = s.col, s.cols do line[col] = line[col + math.max(n, 1)] end
  end,
  ["@"] = function(s, n)
    local line = s:cells()
    n = math.max(n, 1)
    for col = s.cols, s.col + n, -1 do line[col] = line[col - n] end
    for col = s.col, s.col + n - 1 do line[col] = " " end
  end,
  m = function() end,
}

local controls <const> = {
  ["\r"] = function(s) s.col = 1 end,
  ["\n"] = function(s) s:line_feed() end,
  ["\b"] = function(s) s.col = math.max(1, math.min(s.col, s.cols) - 1) end,
  ["\t"] = function(s) s.col = math.min(s.cols, (s.col - 1) // 8 * 8 + 9) end,
  ["\a"] = function(s) s.bells = (s.bells or 0) + 1 end,
}

-- One step at `at`: the place behind it, or nil when more bytes are needed.
function Screen:step(bytes, at)
  local c = bytes:sub(at, at)
  if controls[c] then
    controls[c](self)
    return at + 1
  elseif c == "\27" then
    local private, numbers, final, behind = bytes:match("^\27%[([?>]?)([%d;]*)([@-~])()", at)
    if not final then
      if bytes:match("^\27%[?[?>]?[%d;]*$", at) then return nil end
      local other = bytes:match("^\27[=>78]()", at)
      return assert(other, "the screen does not know " .. ("%q"):format(bytes:sub(at, at + 10)))
    end
    if private ~= "" then
      self.modes[numbers] = final == "h"
      return behind
    end
    local n, m = numbers:match("^(%d*);?(%d*)")
    assert(sequences[final], "the screen does not know " .. ("%q"):format(bytes:sub(at, behind - 1)))
    sequences[final](self, tonumber(n) or (final == "J" or final == "K") and 0 or final == "H" and 1 or 0,
      tonumber(m) or 1)
    return behind
  end
  local character = bytes:match("^[%g ]", at) or bytes:match("^[\xc2-\xf4][\x80-\xbf]*", at)
  if character and character:byte() >= 0xc2 then
    local length = character:byte() >= 0xf0 and 4 or character:byte() >= 0xe0 and 3 or 2
    if #character < length then return nil end
    character = character:sub(1, length)
  end
  self:put(assert(character, "the screen cannot show byte " .. c:byte()))
  return at + #character
end

function Screen:write(bytes)
  bytes = self.rest .. bytes
  local at = 1
  while at and at <= #bytes do
    local behind = self:step(bytes, at)
    if not behind then break end
    at = behind
  end
  self.rest = bytes:sub(at)
end

--- What is on the screen, with what has scrolled away above it if `all`.
function Screen:text(all)
  local lines = {}
  if all then table.move(self.gone, 1, #self.gone, 1, lines) end
  local last = 0
  for row in pairs(self.lines) do last = math.max(last, row) end
  for row = 1, math.max(last, self.row) do lines[#lines + 1] = self:text_of(row) end
  return table.concat(lines, "\n")
end

--- The line in which the cursor is.
function Screen:line() return self:text_of(self.row) end

local Terminal = {}
Terminal.__index = Terminal

-- How long a test waits for what it expects.
local LIMIT <const> = 20

--- Starts a program on a terminal of its own. It goes with the scope.
-- @tparam table argv
-- @tparam[opt] table more { env =, rows = 24, cols = 80, cwd = }
function M.start(argv, more)
  more = more or {}
  local rows, cols = more.rows or 24, more.cols or 80
  local env = { TERM = "xterm", INPUTRC = "/dev/null", NERV_HISTORY = "", NO_COLOR = "1", HOME = "/nonexistent",
    XDG_CONFIG_HOME = false, XDG_STATE_HOME = false, LINES = false, COLUMNS = false, PAGER = false, LESS = false }
  for name, value in pairs(more.env or {}) do env[name] = value end
  local child = assert(process.spawn { argv = argv, session = true, pty = { rows = rows, cols = cols },
    add_env = env, cwd = more.cwd })
  local self = setmetatable({ child = child, screen = M.screen(rows, cols), bytes = {} }, Terminal)
  self.reader = spawn(function()
    while true do
      local bytes = child.pty:read()
      if not bytes then break end
      self.bytes[#self.bytes + 1] = bytes
      self.screen:write(bytes)
    end
    self.closed = true
  end)
  return self
end

--- Starts nervsh on a terminal.
function M.nervsh(arguments, more)
  return M.start({ os.getenv("NERVSH") or process.exe(), table.unpack(arguments or {}) }, more)
end

--- Types keys as they are.
function Terminal:keys(text) return self.child.pty:write(text) end

--- Types a line when a prompt is there, and Enter when it is seen to have come.
function Terminal:type(line)
  self:prompt()
  self:keys(line)
  self:wait(function() return self.screen:line() ~= "nerv>" end, "echo of " .. line)
  return self:keys("\r")
end

--- Waits until a condition holds; what the screen shows is told when it does not.
function Terminal:wait(condition, what, seconds)
  local limit = runtime.now() + (seconds or LIMIT)
  while not condition() do
    if self.reader:status() == "failed" then self.reader:wait() end
    if runtime.now() > limit then
      error(("no %s on the screen:\n%s"):format(what or "such thing", self.screen:text(true):sub(-1500)), 2)
    end
    sleep(0.01)
  end
  return true
end

--- Waits for a Lua pattern in what the screen shows, with what has scrolled away.
function Terminal:see(pattern, seconds)
  return self:wait(function() return self.screen:text(true):find(pattern) end, pattern, seconds)
end

--- Waits until the cursor's line is this.
function Terminal:line(text, seconds)
  return self:wait(function() return self.screen:line() == text end, "line " .. text, seconds)
end

--- Waits for the prompt with nothing behind it.
function Terminal:prompt(seconds) return self:line("nerv>", seconds) end

local function count(text, pattern) return select(2, ("\n" .. text):gsub("\n" .. pattern, "")) end

--- Types a line and returns what it prints until the next prompt.
function Terminal:ask(line)
  self:prompt()
  local before = count(self.screen:text(true), "nerv>")
  self:keys(line .. "\r")
  self:wait(function()
    return self.screen:line() == "nerv>" and count(self.screen:text(true), "nerv>") > before
  end, "end of " .. line)
  return ("\n" .. self.screen:text(true)):match("^.*\nnerv> [^\n]+\n(.-)\n?nerv>$")
end

--- All bytes that it has sent.
function Terminal:sent() return table.concat(self.bytes) end

--- Changes the size, on both sides.
function Terminal:resize(rows, cols)
  self.screen:resize(rows, cols)
  self.child:resize(rows, cols)
end

--- The settings of the terminal: "cooked" or "raw".
function Terminal:mode()
  local settings = process.run { argv = { "stty", "-a", "-F", self:path() } }.stdout
  return settings:find("[ \n]icanon") and settings:find("[ \n]echo[ \n]") and "cooked" or "raw"
end

--- The path of the terminal.
function Terminal:path()
  self.device = self.device or file.realpath(("/proc/%d/fd/0"):format(self.child.pid))
  return self.device
end

--- Waits for the end; returns the status.
function Terminal:wait_end(seconds) return self.child:wait(seconds or LIMIT) end

function Terminal:__close()
  if self.child:running() then
    self.child:kill("KILL")
    self.child:wait(LIMIT)
  end
  self.child.pty:close()
  self.reader:cancel()
end

return M
