#!/bin/bash
# What `make install` puts below a prefix runs from there and uses nothing of the source tree.
source_dir=$(realpath "$(dirname "$0")/../..")
# shellcheck source=support/tap.sh
. "$(dirname "$0")/support/tap.sh"

make -s -C "$source_dir" install DESTDIR="$PWD/root" PREFIX=/usr BUILD="$(dirname "$nervsh")" >log 2>&1
result $? "make install with DESTDIR" "$(tail log)"
nervsh=$PWD/root/usr/bin/nervsh
run --version
prints "its version" "$("$nervsh" --version)"
run -e 'print(lab.here() ~= nil, #archetype.list(), (require("nerv.paths").p4():gsub("^.*/root/", "")))'
prints "it starts an agent and knows its archetypes" $'true\t3\tusr/lib/nerv/p4'
run -e 'local tb = testbed.create{ nodes = 2 }
	local blue = network.create{ name = "blue", archetype = "ip", subnet = "10.9.0.0/24", home = "pm1" }
	local h = blue:endpoint{ { name = "h1", node = "pm1" }, { name = "h2", node = "pm2" } }
	print(expect(h[1]:ping(h[2])).received)'
prints "two nodes reach each other" 1
done_testing
