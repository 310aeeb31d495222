#!/bin/bash
# Where Lua comes from: files, standard input, arguments, a shebang line; where output goes.
# shellcheck source=support/tap.sh
. "$(dirname "$0")/support/tap.sh"

cat >arguments.lua <<'LUA'
print(#arg, arg[0], arg[1], arg[2], select("#", ...), ...)
LUA
run arguments.lua 'one two' '' -e
exits 0 "a script with arguments"
prints "they are in arg and in ..." $'3\targuments.lua\tone two\t\t3\tone two\t\t-e'
run -- arguments.lua --version
prints "what follows the script is its own" $'1\targuments.lua\t--version\tnil\t1\t--version'
run arguments.lua
prints "a script without any" $'0\targuments.lua\tnil\tnil\t0'

run - a b <<<'print("stdin", arg[0], ...)'
exits 0 "a script on standard input, by -"
prints "with arguments" $'stdin\t-\ta\tb'
run <<<'print("stdin", #arg, ...)'
exits 0 "a script on standard input, without a word"
prints "it runs" $'stdin\t0'
run </dev/null
exits 0 "an empty script"
silent out "it prints nothing"
silent err "and no complaint"
printf '' >empty.lua
run empty.lua
exits 0 "an empty file"
run - <<<'error("from stdin")'
exits 1 "an error on standard input"
like "it names the place" err '^nervsh: stdin:1: from stdin$'
run -e 'print(io.read("a"))' <<<"left alone"
prints "-e leaves standard input to the code" "left alone"

printf '#!%s\nprint("shebang", ...)\n' "$nervsh" >script
chmod +x script
./script 1 2 >out 2>err
same "a script with a shebang line runs" "$(cat out err)" $'shebang\t1\t2'
printf '#!/usr/bin/env nervsh\nlocal x = nil\nx()\n' >lines.lua
run lines.lua
like "and its lines keep their numbers" err '^nervsh: lines.lua:3: '
printf '#!/usr/bin/env nervsh' >only.lua
run only.lua
exits 0 "a file with that line alone"

run nosuchfile.lua
exits 1 "a missing file"
like "it names the file and the reason" err '^nervsh: cannot read nosuchfile.lua: No such file or directory$'
silent out "nothing on stdout"
mkdir directory.lua
run directory.lua
exits 1 "a directory"
like "it is named" err 'directory\.lua'

run -e 'print("data") runtime.log("log") warn("warning") io.stderr:write("direct\n")'
prints "stdout holds the output alone" data
same "stderr holds the rest" "$(cat err)" $'log\nwarning\ndirect'
run -e 'io.write "early" sleep(0.01) io.write(" ", file.read "out")'
prints "what was printed is in the file while the script waits" "early early"
run -e 'for i = 1, 100000 do print(i) end'
same "much output arrives whole" "$(tail -n 1 out) $(wc -l <out)" "100000 100000"
"$nervsh" -e 'for i = 1, 100000 do print(i) end' 2>err | head -n 1 >out
prints "a reader that goes away gets what it read" 1
[ "$(wc -l <err)" -le 1 ]
result $? "and at most one line is said about it" "$(head -n 3 err)"
run -e 'io.write("no line feed")' -e 'os.exit(0)'
prints "os.exit does not lose output" "no line feed"
printf 'print(("\\0x"):byte(1, 2))' >nul.lua
run nul.lua
prints "strings may hold NUL" $'0\t120'
done_testing
