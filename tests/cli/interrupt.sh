#!/bin/bash
# Ctrl-C: SIGINT ends what runs, with exit status 130.
# shellcheck source=support/tap.sh
. "$(dirname "$0")/support/tap.sh"

# The last test's output must not look like this one's: a program in the background truncates it late.
rm_output() { rm -f out err; }

# signal NAME: sends it to $pid when that has written something; leaves $status.
signal() {
	until_true test -s out
	kill "-$1" "$pid"
	until_true ended || kill -KILL "$pid"
	status=0
	wait "$pid" 2>/dev/null || status=$?
}
ended() { ! kill -0 "$pid" || grep -q '^State:.Z' "/proc/$pid/status"; }

# interrupt TEXT CODE: sends SIGINT when the code has printed its first line.
interrupt() {
	rm_output
	"$nervsh" -e "io.stdout:setvbuf('no') $2" >out 2>err &
	pid=$!
	local began=$SECONDS
	signal INT
	exits 130 "$1"
	[ $((SECONDS - began)) -le 5 ]
	result $? "$1: at once" "it took $((SECONDS - began)) s"
}

interrupt "a busy loop" 'print("on") while true do end'
silent err "it needs no words"
interrupt "a sleep" 'print("on") sleep(60)'
silent err "nor does this"
interrupt "a wait for a task" 'local t = spawn(sleep, 60) print("on") t:wait()'
interrupt "a child process" 'print("on") process.run{ argv = { "sleep", "60" } }'
interrupt "a busy loop in a function that others call" 'function f() while true do local x = 1 end end
	function g() f() end print("on") g()'
interrupt "a script that closes what it opened" '
	local held <close> = setmetatable({}, { __close = function() print("closed") end }) print("on") sleep(60)'
prints "to-be-closed variables are closed" $'on\nclosed'

rm_output
"$nervsh" - >out 2>err < <(echo 'io.stdout:setvbuf("no") print("on") sleep(60)') &
pid=$!
signal INT
exits 130 "a script on standard input"

rm_output
"$nervsh" -e 'io.stdout:setvbuf("no") print("on") sleep(60)' >out 2>err &
pid=$!
signal TERM
exits 143 "SIGTERM"
done_testing
