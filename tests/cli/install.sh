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
prints "it starts an agent and knows its archetypes" $'true\t6\tusr/lib/nerv/p4'
run -e 'local tb = testbed.create{ nodes = 2 }
	local blue = network.create{ name = "blue", archetype = "ip", subnet = "10.9.0.0/24", home = "pm1" }
	local h = blue:endpoint{ { name = "h1", node = "pm1" }, { name = "h2", node = "pm2" } }
	print(expect(h[1]:ping(h[2])).received)'
prints "two nodes reach each other" 1
run -e 'local run_dir = lab.connection().hello.run_dir
	print(("%o %o"):format(file.stat(run_dir .. "/agent.sock").mode, file.stat(run_dir .. "/db.sock").mode))'
prints "the sockets of agent and database are for owner and group" "660 660"
run -c 'help ip'
like "it has help" out '^archetype ip: '

cd root/usr || exit 1
for file in bin/nervsh sbin/nerv-nve share/nerv/scripts/{make-ca,learning-switch.lua,etarch-chat.lua}; do
	same "$file is a program" "$(stat -c %a "$file")" 755
done
for page in man1/nervsh.1 man7/nervsh-reference.7 man7/nerv-archetype.7 man8/nerv-nve.8; do
	same "there is the manual page $page" "$(head -c 4 share/man/$page)" ".TH "
done
same "nothing but that is there" "$(find . -type d | sed 's|^\./||' | grep -vE '^share/nerv/|/man.$' | sort | tr '\n' ' ')" \
	". bin lib lib/nerv lib/nerv/p4 lib/systemd lib/systemd/system lib/sysusers.d sbin share share/bash-completion $(
	)share/bash-completion/completions share/man share/nerv "
cd "$tap_dir" || exit 1

# completes WANT WORD...: what bash gets for the last word of a command; an empty WANT is nothing at all.
completes() {
	local got want=$1
	shift
	got=$(
		compopt() { :; }
		# shellcheck source=../../scripts/install/nervsh.bash
		. root/usr/share/bash-completion/completions/nervsh
		COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMP_LINE="$*" COMP_POINT=1000
		_nervsh "$nervsh" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
		echo "${COMPREPLY[*]}"
	)
	[[ -n $want && " $got " == *" $want "* || $want$got == "" ]]
	result $? "bash completes '${*:2}' to '$want'" "got $got"
}
mkdir directory
touch script.lua
completes --agent nervsh --ag
completes --version nervsh --v
completes nodes nervsh -c nod
completes "net list" nervsh -c '"net li'
completes "help link.add" nervsh -c 'help link.a'
completes script.lua nervsh scr
completes pingall nervsh pinga
completes list nervsh net li
completes json nervsh net -f js
completes link.add nervsh help link.a
completes script.lua nervsh apply scr
completes "" nervsh script.lua li
completes directory nervsh --state dir
completes debug nerv-nve --log-level de
completes "" nervsh -e x

unit=root/usr/lib/systemd/system/nerv-agent.service
like "the unit starts what was installed" $unit '^ExecStart=/usr/bin/nervsh --agent$'
like "what runs goes on without the agent" $unit '^KillMode=process$'
if command -v systemd-analyze >/dev/null; then
	sed "s|/usr/bin/|$PWD/root/usr/bin/|" $unit >nerv-agent.service
	# A unit of its own need not know those of the system.
	systemd-analyze verify --man=no "$PWD/nerv-agent.service" 2>&1 | grep -v 'sysinit.target not found' >log
	[ ! -s log ]
	result $? "systemd finds nothing wrong with it" "$(cat log)"
	mkdir -p etc/etc
	systemd-sysusers --root="$PWD/etc" "$PWD/root/usr/lib/sysusers.d/nerv.conf" >log 2>&1
	like "and makes the group" etc/etc/group '^nerv:'
else
	echo "ok $((tap_count += 1)) - the unit # SKIP this machine has no systemd-analyze"
fi
done_testing
