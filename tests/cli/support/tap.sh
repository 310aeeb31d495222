# shellcheck shell=bash
# TAP for tests of the command line: `run` starts nervsh, the rest looks at what it did.
set -u
nervsh=$(realpath "${NERVSH:-build/nervsh}")
tap_dir=$(mktemp -d) || exit 1
tap_count=0 tap_failed=0
status=0
# A program that is killed before it has become one is still a copy of this shell, traps included.
trap '[ "$BASHPID" = $$ ] && rm -rf "$tap_dir"' EXIT
cd "$tap_dir" || exit 1

# run ARGUMENT...: nervsh with these; its standard input is ours. Leaves $status and the files out and err.
run() {
	status=0
	"$nervsh" "$@" >out 2>err || status=$?
}

# result STATUS TEXT [DETAIL...]
result() {
	tap_count=$((tap_count + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $tap_count - $2"
		return
	fi
	tap_failed=$((tap_failed + 1))
	echo "not ok $tap_count - $2"
	shift 2
	printf '%s\n' "$@" | sed 's/^/# /'
}

# same TEXT GOT WANT
same() {
	[ "$2" = "$3" ]
	result $? "$1" "got  $2" "want $3"
}

# like TEXT FILE REGEX: a line of the file matches the extended expression.
like() {
	grep -qE -- "$3" "$2"
	result $? "$1" "wanted a line like $3 in:" "$(cat "$2")"
}

# exits STATUS TEXT: how the last run ended.
exits() {
	[ "$status" -eq "$1" ]
	result $? "$2: exit status $1" "got $status" "$(cat out err)"
}

# prints TEXT WANT: what the last run wrote on stdout, without the last line feed.
prints() {
	same "$1" "$(cat out)" "$2"
}

# silent FILE TEXT
silent() {
	[ ! -s "$1" ]
	result $? "$2" "$(cat "$1")"
}

# until_true COMMAND...: polls for at most 10 s.
until_true() {
	local i
	for ((i = 0; i < 200; i++)); do
		"$@" >/dev/null 2>&1 && return
		sleep 0.05
	done
	return 1
}

done_testing() {
	echo "1..$tap_count"
	[ "$tap_failed" -eq 0 ] && [ "$tap_count" -gt 0 ]
	exit
}
