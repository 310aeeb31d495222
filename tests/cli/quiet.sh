#!/bin/bash
# A script that needs no agent starts none, and no database: it makes no file and leaves no process.
# shellcheck source=support/tap.sh
. "$(dirname "$0")/support/tap.sh"
# An agent cannot be started with this state directory: who tries fails. (A lab takes away what it made.)
export NERV_STATE=/dev/null/state NERV_RUN=$PWD/run

nothing_made() {
	[ "$status" -eq "${2:-0}" ] && [ ! -e run ]
	result $? "$1: no agent, no file" "$(cat err; find run 2>&1)"
}

run -e 'network.create{ name = "blue", archetype = "bridge" }'
exits 1 "a network needs an agent"
run -e 'x = 1'
nothing_made "plain Lua"
run --help
nothing_made "--help"
run -e 'print(#process.run{ argv = { "echo", "hello" } }.stdout)'
prints "a primitive" 6
nothing_made "a primitive"
run -e 'for _, f in ipairs(link.list{}) do assert(f.name) end'
nothing_made "a list of links"
run -e 'help()'
nothing_made "help()"
run -e 'print(cidr.prefix("10.0.0.0/24"), json.encode{ 1 })'
prints "cidr and json" $'24\t[1]'
nothing_made "cidr and json"
run -e 'error("x")'
nothing_made "an error" 1

# Seen from inside.
run -e 'print(file.read("/proc/self/task/" .. process.self() .. "/children"))'
prints "it has no child" ""
run -e 'io.write(process.run{ argv = { "ls", "-l", "/proc/" .. process.self() .. "/fd" } }.stdout)'
grep -q socket: out
[ $? -eq 1 ]
result $? "and no socket" "$(cat out)"
done_testing
