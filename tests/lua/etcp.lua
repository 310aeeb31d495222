-- ETCP: the bytes that public implementations of ETArch wrote, a peer of another hand (protoc), and bad input.
local tap <const> = require "tap"
local system <const> = require "support.system"

local function unhex(text) return (text:gsub("%s", ""):gsub("..", function(d) return string.char(tonumber(d, 16)) end)) end

-- Frames of 2013 and 2014, without their Ethernet header.
local ROOM <const>, BOB <const> = "room", { workspace_title = "room", entity_title = "bob" }
for hex, request in pairs {
  ["0400 08001000 0700 0a05616c696365"] = { type = "entity_register", id = 0, body = { title = "alice" } },
  ["0400 08021001 0f00 0a04726f6f6d1205616c6963651801"] = { type = "workspace_create", id = 1,
    body = { workspace_title = ROOM, entity_title = "alice", attach_too = true } },
  ["0400 08031001 0b00 0a04726f6f6d1203626f62"] = { type = "workspace_attach", id = 1, body = BOB },
  ["0400 08041002 0b00 0a04726f6f6d1203626f62"] = { type = "workspace_detach", id = 2, body = BOB },
  ["0400 08051003 0600 0a04726f6f6d"] = { type = "workspace_delete", id = 3, body = { title = ROOM } },
  ["0400 08011004 0700 0a05616c696365"] = { type = "entity_unregister", id = 4, body = { title = "alice" } },
  ["0400 08021001 3d00 0a04726f6f6d1205616c696365180120032801320a080110011a04547275653209080210011a03353030"
    .. "3211080310011a0b4d4d73747265616d696e67"] = { type = "workspace_create", id = 1, body = { workspace_title = ROOM,
    entity_title = "alice", attach_too = true, level = 3, public_access = true, capabilities = {
      { type = 1, length = 1, value = "True" }, { type = 2, length = 1, value = "500" },
      { type = 3, length = 1, value = "MMstreaming" } } } },
  ["0400 08081005 1300 0a04726f6f6d1207647473612d683118002003"] = { type = "workspace_advertise", id = 5,
    body = { workspace_title = ROOM, dtsa_title = "dtsa-h1", operation = "insert", level = 3 } },
  ["0400 08091006 1200 0a07647473612d68311207647473612d6832"] = { type = "dtsa_register", id = 6,
    body = { title = "dtsa-h1", neighbor_titles = { "dtsa-h2" } } },
} do
  tap.eq(etcp.request(request), unhex(hex), "written: " .. request.type)
  tap.eq(etcp.read_request(unhex(hex)), request, "read: " .. request.type)
  tap.eq(etcp.read_request(unhex(hex) .. ("\0"):rep(46)), request, "with padding")
end
for hex, response in pairs {
  ["0400 08001000"] = { status = "success", request_id = 0 }, ["0400 08011001"] = { status = "failure", request_id = 1 },
  ["0800 08001007 1a 02 6831"] = { status = "success", request_id = 7, src_title = "h1" },
} do
  tap.eq(etcp.response(response), unhex(hex), "a response written: " .. hex)
  tap.eq(etcp.read_response(unhex(hex)), response, "and read")
end

-- A title's label (the vector of "wor" is printed in a public one's documentation, too).
for title, label in pairs { room = { "1f:1c:5b:2f:ad:77", "84:34:02:4f:15:37" }, wor = { "32:c0:44:df:ea:70", "a1:f4:be:e5:e8:66" },
  chat = { "31:e0:6f:7d:89:fe", "b9:9a:0e:6c:0a:ff" }, Default = { "21:b1:11:cb:fe:6e", "8f:ca:2d:18:1c:43" } } do
  tap.eq({ etcp.label(title) }, label, "label of " .. title)
end

-- protoc knows the same messages.
local PROTO <const> = [[
syntax = "proto2"; package dts;
message Requirements { optional int32 type = 1; optional int32 length = 2; optional string value = 3; }
message EntityRegister { optional string title = 1; repeated Requirements requirements = 2;
  repeated Requirements capabilities = 3; optional string bound_entity_title = 4; }
message WorkspaceModify { optional string workspace_title = 1; optional string entity_title = 2; optional bool attach_too = 3;
  required int32 level = 4; required bool public_access = 5; repeated Requirements capabilities = 6; }
message DTSAMessage { enum T { HO_Candidate_Query = 0; HO_Commit = 1; HO_Complete = 2; } optional T message_type = 1;
  optional uint32 operation_id = 2; optional string src_title = 3; optional EntityRegister entity = 4;
  optional string candidate_address = 6; }
]]
local dir <close> = system.state()
assert(file.write(dir.path .. "/dts.proto", PROTO))
local function protoc(verb, message, input)
  local run = assert(process.run { argv = { "protoc", ("--%s=dts.%s"):format(verb, message), "-I", dir.path, dir.path .. "/dts.proto" }, input = input })
  return run.exit == 0 and run.stdout or error(run.stderr)
end
local function body_of(bytes) return (bytes:sub(3 + string.unpack("<I2", bytes)):sub(3)) end
for message, case in pairs {
  EntityRegister = { "entity_register", { title = "ação", requirements = { { type = -1, length = 2147483647, value = "" } },
    capabilities = { { value = "a" }, { type = 0 } }, bound_entity_title = "b" },
    'title: "a\\303\\247\\303\\243o" requirements { type: -1 length: 2147483647 value: "" } capabilities { value: "a" } '
      .. 'capabilities { type: 0 } bound_entity_title: "b"' },
  WorkspaceModify = { "workspace_modify", { workspace_title = "room", level = -2147483648, public_access = false },
    'workspace_title: "room" level: -2147483648 public_access: false' },
  DTSAMessage = { "dtsa_message", { message_type = "complete", operation_id = 4294967295, src_title = "x", entity = { title = "y" },
    candidate_address = "z" }, 'message_type: HO_Complete operation_id: 4294967295 src_title: "x" entity { title: "y" } candidate_address: "z"' },
} do
  local bytes = etcp.request { type = case[1], id = 9, body = case[2] }
  tap.eq((protoc("decode", message, body_of(bytes)):gsub("%s+", " "):gsub(" $", "")), case[3], message .. ": protoc reads what is written")
  local theirs = protoc("encode", message, case[3])
  tap.eq(etcp.read_request(bytes:sub(1, 6) .. ("<s2"):pack(theirs)).body, case[2], message .. ": what protoc writes is read")
end

-- What is more than a message, or less.
local good <const> = etcp.request { type = "workspace_attach", id = 300, body = BOB }
for n = 0, #good - 1 do
  local request, message, code = etcp.read_request(good:sub(1, n))
  tap.ok(request == nil and code == "EBADMSG" and message:find "^etcp: ", ("cut to %d bytes"):format(n), message)
end
tap.eq(etcp.read_request(unhex "0200 0863 0000"), { type = 99 }, "a type that is not known")
tap.eq(etcp.read_request(unhex "0c00 0800 7a026869 f50101020304 0000"), { type = "entity_register", body = {} },
  "fields that are not known are skipped")
tap.eq(etcp.read_request(unhex "0600 0801 0803 0800 0000"), { type = "entity_register", body = {} }, "of several the last one counts")
for hex, fault in pairs { ["0000 0000"] = "request: a required field is missing", ["0200 1001 0000"] = "request: a required field is missing",
  ["0300 080080 0000"] = "request: a field's number is cut or too long", ["0200 0b00 0000"] = "request: a field is of a kind",
  ["0400 0800 0200 0000"] = "request: a field's number is out of range", ["0200 0800 0300 0a0541"] = "entity_register: a field is longer than its message",
  ["0c00 08ffffffffffffffffffff01 0000"] = "request: a number is cut or too long" } do
  local request, message, code = etcp.read_request(unhex(hex))
  tap.eq({ request, code }, { nil, "EBADMSG" }, "malformed: " .. fault)
  tap.like(message, fault, "and why")
end
for _ = 1, 3000 do
  local bytes = {}
  for i = 1, math.random(0, 40) do bytes[i] = string.char(math.random(0, 255)) end
  local text = table.concat(bytes)
  local request, _, code = etcp.read_request(text)
  if not request and code ~= "EBADMSG" then tap.ok(false, "random bytes", text) end
end
tap.ok(true, "random bytes are read or refused")

-- Misuse.
for fault, request in pairs {
  ["etcp: request: type: there is no 'workspace_atach'; did you mean 'workspace_attach'%?"] = { type = "workspace_atach" },
  ["etcp: request: type: it is missing"] = { id = 1 },
  ["etcp: request: unknown field 'idd'; did you mean 'id'%?"] = { type = "entity_register", idd = 1 },
  ["etcp: request: body: a table is expected"] = { type = "entity_register", body = 1 },
  ["etcp: request: id: an integer is expected"] = { type = "entity_register", id = "1" },
  ["etcp: entity_register: title: a string is expected"] = { type = "entity_register", body = { title = 1 } },
  ["etcp: entity_register: unknown field 'titel'; did you mean 'title'%?"] = { type = "entity_register", body = { titel = "x" } },
  ["etcp: entity_register: requirements: an array is expected"] = { type = "entity_register", body = { requirements = 1 } },
  ["etcp: requirement: type: it does not fit into 32 bits"] = { type = "entity_register", body = { requirements = { { type = 1 << 31 } } } },
  ["etcp: workspace_modify: level: it is missing"] = { type = "workspace_modify", body = { public_access = true } },
  ["etcp: workspace_create: attach_too: true or false is expected"] = { type = "workspace_create", body = { attach_too = 1 } },
  ["etcp: entity_register: 65541 bytes are too many"] = { type = "entity_register", body = { title = ("x"):rep(65537) } },
} do
  local ok, message = pcall(etcp.request, request)
  tap.ok(not ok and message:find(fault), "refused: " .. fault, message)
end
tap.done()
