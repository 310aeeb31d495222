# bash completion of nervsh and nerv-nve: options from what --help says, command lines behind -c as at the prompt.

# The options of a program.
_nervsh_options() {
	"$1" --help 2>/dev/null | awk '/^ +-/ { for (i = 1; $i ~ /^--?[a-z]/; i++) { sub(",", "", $i); print $i } }'
}

# What may go on with a command line, as whole lines.
_nervsh_lines() {
	# The code is Lua. A lab that runs is asked for names; none is started.
	# shellcheck disable=SC2016
	NERVSH_LINE=$2 "$1" -e '
		local text = os.getenv "NERVSH_LINE"
		local lab = require "nerv.lab"
		if lab.present() then lab.connection() end
		local found = require("nerv.prompt.complete_line").complete(text, function() end)
		local answer = found and found:answer()
		for _, word in ipairs(answer and answer.words or {}) do print(text:sub(1, answer.start - 1) .. word) end
	' 2>/dev/null
}

# Words of `nervsh COMMAND WORD...`: of the first one commands and files, then what the command takes. Fails when
# the first word is a script.
_nervsh_command() {
	local program=$1 word=$2 line=${COMP_LINE:0:COMP_POINT} whole
	line=${line#* }
	if [ "$COMP_CWORD" -eq 1 ]; then
		compopt -o filenames
		mapfile -t COMPREPLY < <(
			compgen -W "$("$program" -e 'print(table.concat(command.names(), "\n"))' 2>/dev/null)" -- "$word"
			compgen -f -- "$word")
		return 0
	fi
	[ -f "${COMP_WORDS[1]}" ] && return 1
	compopt -o nospace
	while IFS= read -r whole; do
		COMPREPLY+=("${whole:$((${#line} - ${#word}))}")
	done < <(_nervsh_lines "$program" "$line")
}

_nervsh() {
	local program=$1 word=$2 before=$3 IFS=$'\n'
	COMPREPLY=()
	case $before in
	-c)
		word=${COMP_WORDS[COMP_CWORD]#[\"\']}
		compopt -o nospace
		mapfile -t COMPREPLY < <(_nervsh_lines "$program" "$word")
		return ;;
	--state | --tls | --pin | --objects)
		compopt -o filenames
		mapfile -t COMPREPLY < <(compgen -d -- "$word")
		return ;;
	-e | -l | --db | --node | --listen | --share | -i | --interface | --thrift-port | --thrift-addr | --device-id)
		[ "$before" = -i ] && [ "${program##*/}" = nervsh ] || return ;;
	--log-level)
		mapfile -t COMPREPLY < <(compgen -W $'error\nwarn\ninfo\ndebug' -- "$word")
		return ;;
	esac
	if [ "${program##*/}" = nervsh ] && [ "$COMP_CWORD" -ge 1 ] && [[ ${COMP_WORDS[1]} != -* ]]; then
		_nervsh_command "$program" "$word" && return
	fi
	if [[ $word == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$(_nervsh_options "$program")" -- "$word")
	else
		compopt -o filenames
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
	fi
}

complete -F _nervsh nervsh nerv-nve
