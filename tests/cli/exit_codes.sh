#!/bin/bash
# The exit status says how it went: what --help and the README promise, one case for each promise.
# shellcheck source=support/tap.sh
. "$(dirname "$0")/support/tap.sh"

run -e 'x = 1'
exits 0 "success"
run -e 'error("wrong")'
exits 1 "an error in Lua"
run -e 'x = = 1'
exits 1 "a syntax error in -e"
echo 'local x = = 1' >syntax.lua
run syntax.lua
exits 1 "a syntax error in a file"
run nosuchfile.lua
exits 1 "a missing file"
run -l nosuchmodule
exits 1 "a missing module"
run -c nosuch
exits 1 "an unknown command"
run --nosuch
exits 2 "an unknown option"
run -e
exits 2 "an option without its value"
run -e 'expect(false, "no")'
exits 1 "a failed expect"
run -e 'check(false, "no")'
exits 1 "a failed check"
run -e 's = scenario { name = "s" } s:step("a", function() error("no") end)'
exits 1 "a failed scenario"
run -e 's = scenario { name = "s" } s:step("a", function() end)'
exits 0 "a scenario that went well"
run -e 'os.exit(7)'
exits 7 "os.exit"
run -c 'exit 9'
exits 9 "the command exit"
rm -f out
"$nervsh" -e 'io.stdout:setvbuf("no") print("on") sleep(60)' >out 2>err &
pid=$!
until_true test -s out
kill -INT $pid
status=0
wait $pid || status=$?
exits 130 "interrupted"

# What needs a lab.
cat >lab.lua <<'LUA'
local blue = network.create { name = "blue", archetype = "ip", subnet = "10.1.0.0/24" }
blue:endpoint { { name = "A" }, { name = "B" } }
LUA
# in_lab COMMAND...: runs command lines where the endpoints A and B are.
in_lab() {
	local words=() line
	for line in "$@"; do words+=(-c "$line"); done
	run -e 'dofile "lab.lua"' "${words[@]}"
}
in_lab 'A true'
exits 0 "a program in an endpoint that succeeds"
in_lab 'A false'
exits 1 "one that fails"
in_lab "A sh -c 'exit 7'"
exits 7 "one with a status of its own"
in_lab "A sh -c 'kill -TERM \$\$'"
exits 143 "one that a signal ends"
in_lab 'A nosuchprogram'
[ "$status" -ne 0 ]
result $? "one that is not there" "$(cat err)"
in_lab "A sh -c 'exit 7'" 'A true'
exits 7 "the first command that fails ends the run"
in_lab 'A ping -c1 B'
exits 0 "a ping that is answered"
in_lab 'A ping -c1 -W1 10.1.0.99'
exits 1 "a ping that is not"
in_lab pingall
exits 0 "pingall where all answer"
in_lab 'A ip link set eth0 down' pingall
exits 1 "pingall where one does not"
run -e 'dofile "lab.lua" expect(network.get("blue"):get("A"):ping("10.1.0.99"))'
exits 1 "expect of a ping that is not answered"
same "it says why" "$(cat err)" "nervsh: -e:1: expect: blue:A does not reach 10.1.0.99: 0 of 1 answers"
done_testing
