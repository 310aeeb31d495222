#!/bin/bash
# Options: what each does, and what is said about wrong ones.
# shellcheck source=support/tap.sh
. "$(dirname "$0")/support/tap.sh"

run --help
exits 0 "--help"
like "it says how to call the program" out '^Usage: nervsh '
for option in -e -c -l -i --agent --lab --keep --db --state --node --help --version; do
	like "it explains $option" out "(^| )$option( |$)"
done
like "it explains the exit statuses" out '^Exit status: 0 .*1 .*2 .*130'
silent err "nothing on stderr"
run --version
exits 0 "--version"
like "one line with name and version" out '^nervsh [0-9]+\.[0-9]+\.[0-9]+$'

run -e 'print(1 + 1)'
exits 0 "-e"
prints "-e runs code" 2
run -e 'x = 20' -e 'x = x + 1' -e 'print(x * 2)'
prints "several -e share their globals, in order" 42
run -e 'a = 1' -e 'error("second")' -e 'print("third")'
exits 1 "the first -e that fails"
silent out "it ends the run"
printf 'print("script sees " .. shared)' >shared.lua
run -e 'shared = "it"' shared.lua
prints "-e comes before the script" "script sees it"

mkdir lib
echo 'return { answer = 42 }' >lib/greeting.lua
LUA_PATH="$PWD/lib/?.lua;;" run -l greeting -e 'print(greeting.answer)'
prints "-l loads a module into a global of its name" 42
run -l nosuchmodule
exits 1 "-l with no such module"
like "it names the module" err "module 'nosuchmodule' not found"

run --verzion
exits 2 "an unknown option"
like "it names the nearest" err "unknown option '--verzion'; did you mean '--version'\?"
silent out "nothing on stdout"
run --completely-unlike
exits 2 "an option that is like no other"
like "it names the way to the list" err "'--completely-unlike'; 'nervsh --help' lists the options"
run -x
exits 2 "an unknown letter"
like "it names the letter" err "unknown option '-x'"
run -iz -e 'print(1)'
exits 2 "an unknown letter among others"
like "it names it" err "unknown option '-(iz|z)'"
silent out "and nothing has run"
for option in -e -c -l --db --state --node; do
	run $option
	exits 2 "$option without a value"
	like "it says so" err "option '$option' needs a value"
done
run --version=3
exits 2 "a value for an option that takes none"
run -e 'print(1)' --nosuch
exits 2 "a wrong option after a good one"
silent out "nothing has run"

run -c nosuch
exits 1 "-c with an unknown command"
like "it names the command" err "unknown command or endpoint 'nosuch'"
run -c 'help ip'
exits 0 "-c with a command"
like "it runs" out 'subnet'
done_testing
