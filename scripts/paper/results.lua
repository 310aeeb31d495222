--- The table of results, in a file, so that a run that was interrupted goes on where it was.
--
-- Beside what was found it holds for each finished step what that was made with (`steps`), and for each failed one the
-- reason (`failed`). A step that was made with something else counts as not made.
local page <const> = require "page"

local VERSION <const> = 1

local Results <const> = {}
Results.__index = Results

-- What an earlier run left, when it can be read and is of this version.
local function former(path)
  local text <const> = file.read(path)
  local data <const> = text and json.decode(text)
  if text and not (type(data) == "table" and data.version == VERSION) then
    print(("paper: %s is none of this version's tables of results: all is done anew"):format(path))
    return nil
  end
  return data
end

local function same(a, b) return json.encode(a, { sorted = true }) == json.encode(b, { sorted = true }) end

--- The results in a directory, which is made if it is missing.
-- @tparam string dir
-- @tparam boolean again forget what is there
-- @tparam table head what stands at the table's head: seconds, rate, machine ...
local function open(dir, again, head)
  expect(file.mkdir(dir, { parents = true }))
  local self <const> = setmetatable({ dir = dir, path = dir .. "/results.json" }, Results)
  self.data = not again and former(self.path)
    or { video = {}, chat = {}, throughput = {}, views = {}, steps = {}, started = os.date "!%Y-%m-%dT%H:%M:%SZ" }
  self.data.version, self.data.failed = VERSION, {}
  for name, value in pairs(head) do self.data[name] = value end
  return self
end

--- Whether a step was made, with the same.
function Results:has(step, made_with)
  local have <const> = self.data.steps[step]
  return have ~= nil and same(have, made_with)
end

-- An empty list is one for JSON, too; what is not there shall not be an object.
local function save(self)
  for _, name in ipairs { "video", "chat" } do json.array(self.data[name]) end
  expect(file.write(self.path, json.encode(self.data, { pretty = true }) .. "\n", { atomic = true }))
  page.write(self.dir, self.data)
end

--- Notes that a step was made, and what it put into the table.
function Results:keep(step, made_with)
  self.data.steps[step] = made_with
  save(self)
end

--- Notes that a step failed.
function Results:fail(step, reason)
  self.data.steps[step], self.data.failed[step] = nil, reason
  save(self)
end

return { open = open }
