#!/bin/bash
# help: an overview that fits a screen, every kind of topic, what is misspelt; the width of the terminal.
# shellcheck source=support/tap.sh
. "$(dirname "$0")/support/tap.sh"
# Nothing here may need an agent: none can be started with this state directory.
export NERV_STATE=/dev/null/state

run -e 'help()'
exits 0 "help()"
for word in 'Commands: .* help' 'Archetypes: bridge etarch ip' 'Platform: .* network' 'Primitives: .* link' 'Globals: .* expect'; do
	like "the overview has $word" out "^$word"
done
[ "$(wc -l <out)" -le 24 ]
result $? "it fits a screen of 24 lines" "$(wc -l <out)"
silent err "and is all that is said"
run -e 'local n = select("#", help()) print("values", n)'
like "help returns nothing" out '^values	0$'
run -e 'io.write(help.text "ip")'
mv out text
run -e 'help "ip"'
same "help.text returns what help prints" "$(cat text)" "$(cat out)"
run -c 'help ip'
same "the command says the same" "$(cat text)" "$(cat out)"
run -c 'help graph'
mv out text
run graph --help
exits 0 "a command with --help"
same "says what help says of it" "$(cat text)" "$(cat out)"

# topic WHAT REGEX...: what help says of it has lines like these.
topic() {
	local what=$1 line
	shift
	run -e "help($what)"
	exits 0 "help($what)"
	for line in "$@"; do like "help($what) has $line" out "$line"; done
}
topic '"ip"' '^archetype ip: ' '^network options:' '  subnet +cidr4 ' '  mtu .*\(default 1500\)' '^endpoint options:' '  address '
topic '"link"' '^module link: ' '  link.add\{...\} +makes' '^need.link' '  kind +string +veth' '  name .*' 'derived from it \(required\)'
topic '"link.add"' '^link.add\{...\}: makes' '^  name +string .*\(required\)' '^  peer +table' '^    name ' '^example:' '^  link.add'
topic 'link.add' '^link.add\{...\}: makes'
topic 'network.create' '^network.create\{...\}: ' '^  name +name .*\(required\)'
topic 'require "nerv.network".create' '^network.create\{...\}: '
topic '"network:endpoint"' '^network:endpoint\{...\}: '
topic '"network.endpoint"' '^network:endpoint\{...\}: '
topic '"network"' '^module network: ' '^class network: ' '^fields:' '  home ' '  network:verify\(\) '
topic 'network' '^module network: ' '  network.create'
topic 'link' '^module link: '
topic '"pnig" and "ping"' '^endpoint:ping\(target, \[options\]\): '
topic '"net"' '^net \[ACTION\]' '  -f, --format +table\|json\|csv .*\(default table\)' '  net list -f json'
topic '"nodes"' '^columns: name, '
topic '"expect"' '^expect\('
topic 'expect' '^expect\('
topic 'sleep' '^sleep\(seconds\)'
topic '"needs"' '^need.link' '^need.address' '  address .*\(required\)'
topic '"need.route"' '^need.route'
topic '"types"' '^cidr +a range' '^mtu +bytes'
topic '"commands"' '^nodes +list the nodes'
topic '"modules"' '^link +network interfaces'
topic '"classes"' '^stream +'
topic '"archetypes"' '^bridge +'
topic '"programs"' 'iperf3.* ping'
topic 'spawn(function() end)' '^task .*: task, ' '  task:wait\(\) '
run -e 'x = stream.pair() help "x"'
like "a variable's name means the object" out '^stream .*: stream, '
run -e 'help "zzyzx"' -c 'help ip'
exits 1 "what nothing is near to"
like "it says where to look" err "^nervsh: -e:1: help: nothing is known of 'zzyzx'; help\(\) lists what there is$"
while read -r word near; do
	run -e "help '$word'"
	like "'$word' is near to $near" err "nothing is known of '$word'; did you mean '$near'"
done <<-'END'
	newtork network
	brigde bridge
	lnik.add link.add
	h1:pnig endpoint:ping
	comands commands
	nodess nodes
END
run -e 'help(function() end)'
like "an unknown function" err 'help: nothing is known of function'
run -e 'network.creat{}'
like "a function that is not there" err "^nervsh: -e:1: there is no 'network.creat'; did you mean 'create'\?$"

# On a terminal no line is wider than it.
for columns in 40 60 132; do
	script -qec "stty cols $columns; $nervsh -e 'for _, topic in ipairs { \"link.add\", \"needs\", \"ip\", \"net\", \"nve\" } do help(topic) end help()'" \
		/dev/null </dev/null | tr -d '\r' >out
	wide=$(awk -v most="$columns" 'length > most && !/[a-z]+\.[a-z_]+\(|=|\{/' out)
	[ -z "$wide" ] && [ "$(wc -l <out)" -gt 100 ]
	result $? "it fits $columns columns" "$wide" "$(wc -l <out)"
done
done_testing
