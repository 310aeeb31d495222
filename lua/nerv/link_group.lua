--- Link groups: numbers by which many links are deleted in one message (kernel: IFLA_GROUP, 32
-- bits). Ours lie above those that administrators use.
local digest <const> = require "nerv.digest"

local M = {}

--- A number that nobody else is likely to use.
function M.random() return 0x40000001 + tonumber(digest.random(4), 16) % 0x3ffffffe end

return M
