#!/bin/bash
# The prompt, on a pseudo-terminal that script(1) makes.
# shellcheck source=support/tap.sh
. "$(dirname "$0")/support/tap.sh"
# An agent cannot be started with this state directory, and nothing here needs one.
export TERM=dumb INPUTRC=/dev/null NERV_STATE=/dev/null/state

# type_in LINES ARGUMENT...: types the lines, then Ctrl-D; leaves what the terminal showed in out. A line is typed
# when the terminal shows a prompt for it.
type_in() {
	local lines=$1 line pid prompts=0
	shift
	rm -f seen keys
	mkfifo keys
	script -qefc "$(printf '%q ' "$nervsh" "$@")" seen <keys >/dev/null 2>&1 &
	pid=$!
	exec 9<>keys
	while IFS= read -r line; do
		prompts=$((prompts + 1))
		until_true prompted $prompts || break
		printf '%s\r' "$line" >&9
	done <<<"$lines"
	until_true prompted $((prompts + 1)) && printf '\004' >&9
	status=0
	wait $pid || status=$?
	exec 9>&-
	tr -d '\r' <seen >out
	: >err
}
# Or the program has ended: nothing more will come.
prompted() { ! kill -0 "$pid" || [ "$(grep -oE 'nerv> |   >> ' seen | wc -l)" -ge "$1" ]; }

type_in '1 + 1'
exits 0 "the prompt ends with Ctrl-D"
like "an expression is shown" out '^2$'
type_in $'x = 20\nx + 1\n=x * 2'
like "a statement is run" out '^21$'
like "a line that begins with =" out '^40$'
type_in $'for i = 1, 2 do\nprint("line " .. i)\nend'
like "a block over several lines" out '^line 2$'
like "the prompt says that more is expected" out '^   >> print'
type_in $'error("at the prompt")\n7 * 6'
like "an error is told" out 'prompt:1: at the prompt'
like "and the prompt goes on" out '^42$'
type_in $'local = 3\n7 * 6'
like "so it is after a syntax error" out '^42$'
type_in $'os.exit(3)'
exits 3 "os.exit at the prompt"
type_in '{ a = 1, b = "two" }'
like "a table is shown" out '^b = two$'
type_in 'help'
like "a command" out 'Commands:'

type_in 'print("after " .. y)' -e 'y = "code"' -i
like "-i prompts after -e" out '^after code$'
echo 'y = "script"' >before.lua
type_in 'print("after " .. y)' -i before.lua
like "-i prompts after a script" out '^after script$'

type_in $'spawn(function() sleep(0.2) print("from a task") end)\nsleep(1)\n"still here"'
like "a task prints while the prompt is there" out 'from a task'
like "and the prompt goes on" out '^still here$'
done_testing
