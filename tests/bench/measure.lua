--- What the measuring scripts share: statistics, progress, and the way to hand results over.
local M = {}

--- A short run that only shows that everything works.
M.quick = (os.getenv "NERV_BENCH_QUICK" or "") ~= ""

--- How often to measure: `full` times, or `short` times in a quick run.
function M.rounds(full, short) return M.quick and short or full end

--- The value below which a share of the samples lies, between neighbours by proportion.
function M.quantile(samples, share)
  local sorted = table.move(samples, 1, #samples, 1, {})
  table.sort(sorted)
  local at = 1 + share * (#sorted - 1)
  local low = math.floor(at)
  local above = sorted[math.min(low + 1, #sorted)]
  return sorted[low] + (at - low) * (above - sorted[low])
end

function M.median(samples) return M.quantile(samples, 0.5) end

--- Tells on stderr how far the measurement is.
function M.progress(text, ...) io.stderr:write("bench: " .. text:format(...) .. "\n") end

--- The result of a figure whose value is the median of its samples.
-- @tparam table samples numbers
-- @tparam ?string note what a reader should know beside the value
function M.result(samples, note)
  return { value = M.median(samples), low = M.quantile(samples, 0.25), high = M.quantile(samples, 0.75),
    count = #samples, note = note }
end

--- Hands results over to bench.lua: one line of JSON on stdout.
-- @tparam table results by the name of the figure
function M.hand_over(results) print(json.encode(results)) end

--- The path of a program or file beside the nervsh that runs.
-- @raise when it has not been built
function M.built(name)
  local path = process.exe():match("^(.*)/[^/]*$") .. "/" .. name
  expect(file.stat(path), path .. " is missing: 'make bench-programs' builds it")
  return path
end

--- Runs a program that must succeed.
-- @return its output
function M.run(options)
  local result = expect(process.run(options))
  expect(result.exit == 0, ("%s: %s"):format(options.argv[1], result.stderr))
  return result.stdout
end

--- Polls until the condition holds.
-- @raise what was waited for, after some seconds
function M.wait_until(what, condition, seconds)
  local limit = runtime.now() + (seconds or 30)
  while not condition() do
    expect(runtime.now() < limit, "there is no end of waiting for " .. what)
    sleep(0.005)
  end
end

return M
