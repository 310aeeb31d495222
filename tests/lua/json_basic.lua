-- json: texts to values and back, what JSON has not, hostile texts.
local tap <const> = require "tap"
local json <const> = require "nerv.json"

local function back(text, options) return json.encode(json.decode(text, { null = true }), options) end

local function test_encode()
  tap.eq(json.encode { 1, "a", true, false }, '[1,"a",true,false]', "an array")
  tap.eq(json.encode { a = 1 }, '{"a":1}', "an object")
  tap.eq({ json.encode {}, json.encode(json.array()), json.encode(json.array { 1 }) }, { "{}", "[]", "[1]" }, "empty ones")
  tap.eq({ json.encode(nil), json.encode(json.null), json.encode(5), json.encode "x" }, { "null", "null", "5", '"x"' },
    "scalars")
  tap.eq(json.encode { 1, nil, 3 }, "[1,null,3]", "a hole")
  tap.eq(json.encode({ [1] = 1, [1000] = 2 }, { sorted = true }), '{"1":1,"1000":2}', "too many holes make an object")
  tap.eq(json.encode { math.maxinteger, math.mininteger, 9007199254740993 },
    "[9223372036854775807,-9223372036854775808,9007199254740993]", "integers are kept")
  tap.eq(json.encode { 0.1, 1 / 3, 1e300, -2.5, 2.0 }, "[0.1,0.3333333333333333,1e+300,-2.5,2]", "numbers, as short as can be")
  tap.eq(json.encode 'a"\\/\b\f\n\r\t\0\x1f\x7fé', [["a\"\\/\b\f\n\r\t\u0000\u001f\u007fé"]], "escapes")
  tap.eq(json.encode "\xff\xfe", '"\xff\xfe"', "bytes pass")
  local t = { b = { 2, { d = 1, c = {} } }, a = 1, [3] = "x" }
  tap.eq(json.encode(t, { sorted = true }), '{"3":"x","a":1,"b":[2,{"c":{},"d":1}]}', "sorted")
  tap.eq(json.encode(t, { pretty = true }),
    '{\n  "3": "x",\n  "a": 1,\n  "b": [\n    2,\n    {\n      "c": {},\n      "d": 1\n    }\n  ]\n}', "pretty")
  tap.eq(next(t) ~= nil and t[3], "x", "keys stay what they were")
end

local function test_refused()
  tap.raises(function() json.encode(print) end, "^[^:]*json_basic.lua:%d+: json.encode: JSON has no function$", "a function")
  tap.raises(function() json.encode { a = { 1, { b = print } } } end, "no function, as is at .a%[2%].b", "its place")
  tap.raises(function() json.encode { 0 / 0 } end, "no NaN, as is at %[1%]", "NaN")
  tap.raises(function() json.encode(-1 / 0) end, "no infinity", "infinity")
  tap.raises(function() json.encode { [true] = 1 } end, "no name that is no string or number", "a name")
  tap.raises(function() json.encode({ a = { [true] = 1 } }, { sorted = true }) end, "as is at .a", "a name, sorted")
  tap.raises(function() json.encode { io.stdout } end, "no userdata", "userdata")
  local loop = {}
  loop.loop = loop
  tap.raises(function() json.encode(loop) end, "a table in itself, or more than 500", "a table in itself")
  tap.raises(function() json.encode({}, { prety = true }) end, "did you mean 'pretty'", "options are checked")
end

local function test_decode()
  tap.eq(json.decode ' {"a" : [ 1 , 2.5 , "x" , true , false , null ] } \n', { a = { 1, 2.5, "x", true, false } }, "all of it")
  tap.eq(json.decode("[null,1]", { null = true }), { json.null, 1 }, "null can be kept")
  tap.eq({ json.decode "null", json.decode "0", json.decode '"a"' }, { json.null, 0, "a" }, "scalars")
  tap.eq({ json.decode "[]", json.decode "{}", json.decode "[[],{}]" }, { {}, {}, { {}, {} } }, "empty ones")
  local n = json.decode "[9223372036854775807,-9223372036854775808,9223372036854775808,5.0,1e3,-0,0.5E-1]"
  tap.eq({ n[1], n[2], n[4], n[5], n[6], n[7] }, { math.maxinteger, math.mininteger, 5, 1000, 0, 0.05 }, "numbers")
  tap.eq(math.type(n[3]), "float", "past 64 bits it is a float")
  tap.eq(json.decode [["\u0041\u00e9\u20ac\ud83d\ude00\n\/\u0000"]], "Aé€😀\n/\0", "escapes")
  tap.eq(json.decode '{"a":1,"a":2,"":3}', { a = 2, [""] = 3 }, "the last of equal names; an empty name")
  tap.eq(json.decode '"\xff"', "\xff", "bytes pass")
  tap.eq(back(('['):rep(500) .. (']'):rep(499) .. "]"), ('['):rep(499) .. "{}" .. (']'):rep(499), "500 levels")
  local big = {}
  for i = 1, 20000 do big[i] = { id = i, name = "n" .. i } end
  tap.eq(#json.decode(json.encode(big)), 20000, "many values")
  local long = ("é\n"):rep(100000)
  tap.ok(json.decode(json.encode(long)) == long, "a long string")
end

local function test_faults()
  local function fault(text, place, why)
    tap.eq({ json.decode(text) }, { nil, ("json.decode: line %s: %s"):format(place, why), "EINVAL" },
      ("fault: %q"):format((text:sub(1, 30):gsub("\n", " "))))
  end
  fault("", "1, column 1", "the text ends where a value is expected")
  fault('{ "a": 1,\n  "é": tru }', "2, column 8", "a value is expected")
  fault("[1,]", "1, column 4", "a value is expected")
  fault("[1 2]", "1, column 4", "a comma or ] is expected")
  fault('{"a" 1}', "1, column 6", "a colon is expected after a name")
  fault('{"a":1,}', "1, column 8", "a name in double quotes is expected")
  fault("{a:1}", "1, column 2", "a name in double quotes is expected")
  fault('{"a":1]', "1, column 7", "a comma or } is expected")
  fault('{"a":1', "1, column 7", "the text ends too early")
  fault("{", "1, column 2", "the text ends inside an object")
  fault("[", "1, column 2", "the text ends where a value is expected")
  fault('"abc', "1, column 5", "the text ends inside a string")
  fault('"a\nb"', "1, column 3", "a control character must be escaped in a string")
  fault([["\x"]], "1, column 2", "there is no such escape in a string")
  fault([["\u12g4"]], "1, column 2", "there is no such escape in a string")
  fault([["\ud800x"]], "1, column 2", "half of a character (a surrogate without its other)")
  fault([["\udc00"]], "1, column 2", "half of a character (a surrogate without its other)")
  fault("1 2", "1, column 3", "something follows the value")
  fault("]", "1, column 1", "a value is expected")
  fault(("["):rep(501), "1, column 501", "too many objects and arrays in one another")
  for _, number in ipairs { "01", "-", "1.", ".5", "1e", "+1", "0x10", "1e+" } do
    tap.eq(select(3, json.decode(number)), "EINVAL", "no number: " .. number)
  end
  for _, text in ipairs { "nan", "Infinity", "nul", "TRUE", "'a'", "[1]\0", "\xef\xbb\xbf1" } do
    tap.eq(select(3, json.decode(text)), "EINVAL", ("no JSON: %q"):format(text))
  end
end

-- Every prefix of a text is a fault, and none is a crash.
local function test_prefixes()
  local text, good = [[{"a":[1,-2.5e3,"x\u00e9\ud83d\ude00",true,null,{}],"b":{"c":false}}]], true
  for i = 0, #text - 1 do good = good and json.decode(text:sub(1, i)) == nil end
  tap.ok(good, "every beginning of a text is refused")
  local other = require "cjson"
  tap.eq(json.encode(json.decode(text), { sorted = true }),
    '{"a":[1,-2500,"xé😀",true,null,{}],"b":{"c":false}}', "and the whole is read")
  tap.eq(other.decode(json.encode(json.decode(text))).a[3], "xé😀", "another reader agrees")
end

test_encode()
test_refused()
test_decode()
test_faults()
test_prefixes()
tap.done()
