#!/bin/bash
# What is said when Lua fails, and the exit status.
# shellcheck source=support/tap.sh
. "$(dirname "$0")/support/tap.sh"

# one_line TEXT REGEX: stderr is this one line.
one_line() {
	[ "$(wc -l <err)" -eq 1 ] && grep -qE -- "$2" err
	result $? "$1" "wanted the one line $2, got:" "$(cat err)"
}

printf 'print("before")\nlocal x = = 1\n' >syntax.lua
run syntax.lua
exits 1 "a syntax error"
one_line "it names file and line" '^nervsh: syntax\.lua:2: unexpected symbol near .=.$'
silent out "nothing has run"
run -e 'x = = 1'
exits 1 "a syntax error in -e"
one_line "it names the option" '^nervsh: -e:1: unexpected symbol'

printf 'print("before")\n\nlocal t = nil\nprint(t.x)\n' >index.lua
run index.lua
exits 1 "an error in Lua"
one_line "it names file and line" "^nervsh: index\.lua:4: attempt to index a nil value \(local 't'\)$"
prints "what was printed before is there" before
run -e 'error("plain")'
one_line "error() in -e" '^nervsh: -e:1: plain$'
run -e 'error("bare", 0)'
one_line "error() without a place" '^nervsh: bare$'
run -e 'error({ code = 7 })'
exits 1 "an error that is a table"
one_line "it is told" '^nervsh: table: '
run -e 'error(setmetatable({}, { __tostring = function() return "as text" end }))'
one_line "an error that knows its text" '^nervsh: as text$'
run -e 'error()'
exits 1 "an error that is nil"
one_line "it is told, too" '^nervsh: nil$'

cat >nested.lua <<'LUA'
local function inner(v)
  error("too deep: " .. v)
end
local function middle(v)
  inner(v)
  return 1
end
function outer()
  middle(3)
  return 2
end
outer()
LUA
run nested.lua
exits 1 "an error in nested functions"
same "the message comes first" "$(head -n 1 err)" "nervsh: nested.lua:2: too deep: 3"
like "then who raised it" err '^  nested\.lua:2: in (local )?(function )?.?inner'
like "its caller" err '^  nested\.lua:5: in .*middle'
like "the caller's caller" err '^  nested\.lua:9: in .*outer'
like "and the script" err '^  nested\.lua:12: in main chunk'
same "and nothing else" "$(wc -l <err)" 5
run -e 'local function f() f() end f()'
exits 1 "a stack overflow"
like "it is told" err 'attempt to call|stack overflow'
run -e 'local function f() return 1 + f() end f()'
exits 1 "endless recursion"

printf 'link.add{ kind = "veth", nmae = "x" }\n' >misuse.lua
run misuse.lua
exits 1 "misuse of a primitive"
one_line "the user's line and the nearest name" "^nervsh: misuse\.lua:1: .*nmae.*name"

for case in 0:0 7:7 255:255 true:0 false:1 :0; do
	run -e "os.exit(${case%:*})" -e 'print("not reached")'
	exits "${case#*:}" "os.exit(${case%:*})"
	[ ! -s out ] && [ ! -s err ]
	result $? "os.exit(${case%:*}) ends the run without a word" "$(cat out err)"
done
run -e 'spawn(function() os.exit(5) end) sleep(60)'
exits 5 "os.exit in a background task"
run -e 'local function f() os.exit(6) end f() print("not reached")'
exits 6 "os.exit in a function"
run -e 'pcall(os.exit, 9) print("not reached")'
exits 9 "os.exit under pcall"
silent out "nothing runs after it"

cat >task.lua <<'LUA'
spawn(function()
  error("in the background")
end)
sleep(0.01)
print("goes on")
LUA
run task.lua
like "an error in a background task is told with its place" err 'task\.lua:2: in the background$'
same "once" "$(grep -c 'in the background' err)" 1
prints "the script goes on" "goes on"
run -e 'local t = spawn(function() error("kept", 0) end) print(pcall(t.wait, t))'
prints "who waits for a task gets its error" $'false\tkept'
silent err "and nobody else"
run -e 'spawn(function() error("waited for", 0) end):wait()'
exits 1 "an error of a task that the script waits for"
like "it is told" err '^nervsh: waited for'
run -e 'expect(nil, "no answer")'
exits 1 "expect"
one_line "it says what was expected" '^nervsh: -e:1: expect: no answer$'
run -e 'print(timeout(0.01, sleep, 60))'
prints "timeout" $'nil\tno end within 0.01 s\ttimeout'
done_testing
