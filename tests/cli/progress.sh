#!/bin/bash
# The line that tells of long work: on a terminal only, and gone when it is done.
# shellcheck source=support/tap.sh
. "$(dirname "$0")/support/tap.sh"

work='local p = require("nerv.progress").start(function() return "at work on a long name" end)'
run -e "$work sleep(1.4) p:close() print('done')"
silent err "without a terminal there is no progress"
# terminal CODE [COLUMNS]: what a terminal got. The quoting is that of bash.
terminal() {
	SHELL=/bin/bash script -qefc "stty cols ${2:-80}; $(printf '%q ' "$nervsh" -e "$1")" seen </dev/null >/dev/null 2>&1
	sed '1d;/^Script done/d' seen | tr '\r' '\n' >out
}
terminal "$work sleep(1.6) p:close() print('done')"
like "on a terminal it shows" out '^at work on a long name \(1 s\)$'
same "its end: blanks over it, then what comes" "$(grep -v '^$' out | tail -n 2)" "$(printf '%*s\n%s' 28 '' 'done')"
terminal "$work sleep(0.3) p:close() print('done')"
same "not for what is quick" "$(grep -v '^$' out)" 'done'
terminal "$work sleep(1.6) p:close()" 12
like "it is cut to the terminal" out '^at work on $'
terminal "$work sleep(1.4) print('between') sleep(0.4) p:close() print('done')"
like "what is printed meanwhile has a line of its own" out '^between$'
same "and the line comes back" "$(grep -v '^ *$' out | sed -n '/between/,$p' | uniq)" $'between\nat work on a long name (1 s)\ndone'

# A Change whose agent is stopped for a while.
terminal 'local blue = network.create { name = "blue", archetype = "bridge" }
	local agent = process.adopt(lab.connection().hello.pid)
	agent:kill("STOP")
	spawn(function() sleep(1.8) agent:kill("CONT") end)
	blue:endpoint { name = "h1" } print("done")'
like "a change: its phase, and who is at work" out "^create 1 endpoint of network blue: make on $(cat /proc/sys/kernel/hostname) \\(1 s\\)\$"
same "it is gone at the end" "$(grep -v '^$' out | tail -n 1)" 'done'
done_testing
