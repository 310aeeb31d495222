#!/bin/bash
# The manual pages: groff has nothing to say against them, and they name everything that there is.
source_dir=$(realpath "$(dirname "$0")/../..")
# shellcheck source=../cli/support/tap.sh
. "$source_dir/tests/cli/support/tap.sh"

"$nervsh" "$source_dir/scripts/manual.lua" man >log 2>&1
result $? "the pages are made" "$(cat log)"
same "these pages" "$(cd man && echo *)" "nerv-archetype.7 nerv-nve.8 nervsh-reference.7 nervsh.1"
for page in man/*; do
	groff -man -ww -K utf8 -T utf8 -z "$page" 2>log
	[ ! -s log ]
	result $? "$page: groff warns of nothing" "$(head -n 5 log)"
	groff -man -K utf8 -T utf8 -P-cbou -rLL=100n "$page" 2>/dev/null >"${page##*/}.txt"
	[ "$(wc -l <"${page##*/}.txt")" -gt 40 ]
	result $? "$page: it has a text"
	! grep -nE 'table: 0x|function: 0x|<!--|```' "${page##*/}.txt" >log
	result $? "$page: nothing is left of how it was made" "$(head -n 5 log)"
done

# named FILE WORD...: words that begin a line.
named() {
	local file=$1 missing=() word
	shift
	for word in "$@"; do grep -qE "^ +(-[a-z], )?$word( |,|$|\(|\{)" "$file" || missing+=("$word"); done
	[ ${#missing[@]} -eq 0 ] && [ $# -gt 0 ]
	result $? "$file tells of all $#" "${missing[@]}"
}
mapfile -t words < <("$nervsh" --help | grep -oE '^ +(-[a-z]|--[a-z-]+)' | tr -d ' ')
named nervsh.1.txt "${words[@]}"
mapfile -t words < <("$nervsh" -e 'for _, name in ipairs(command.names()) do print(name) end')
named nervsh.1.txt "${words[@]}"
mapfile -t words < <("$(dirname "$nervsh")/nerv-nve" --help | grep -oE '^ +(-[a-z], )?--[a-z-]+' | grep -oE '\-\-.*')
named nerv-nve.8.txt "${words[@]}"
mapfile -t words < <("$nervsh" -e 'for _, e in ipairs(require("nerv.reference").entries()) do
	if e.what ~= "command" then for _, f in ipairs(e.functions) do print(f.full) end end end')
named nervsh-reference.7.txt "${words[@]}"
mapfile -t words < <("$nervsh" -e 'for _, name in ipairs(kinds.names()) do print("need." .. name) end
	for _, name in ipairs(archetype.list()) do print(name) end')
named nerv-archetype.7.txt "${words[@]}"
done_testing
