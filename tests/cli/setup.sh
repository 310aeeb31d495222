#!/bin/bash
# scripts/setup: what it leaves when it is killed is known to the next run. Nothing is installed: its programs are
# replaced, and /usr/sbin is one of its own.
setup=$(realpath scripts/setup)
# shellcheck source=support/tap.sh
. "$(dirname "$0")/support/tap.sh"

policy=/usr/sbin/policy-rc.d
mkdir bin tmp
# shellcheck disable=SC2016 # they are for another shell
printf '#!/bin/sh\n[ -z "$LACKING" ] && printf "ii %%s\\n" "$@"; exit 0\n' >bin/dpkg-query
# shellcheck disable=SC2016
printf '#!/bin/sh\necho at work; echo $$ $PPID >%q; cat %s >%q; exec sleep 1000\n' "$PWD/pid" $policy "$PWD/policy" >bin/apt-get
chmod 755 bin/*
# run_setup [NAME=VALUE]...: in mounts of its own; then a look at the policy
run_setup() {
	# shellcheck disable=SC2016
	env TMPDIR="$PWD/tmp" PATH="$PWD/bin:/usr/bin:/bin" "$@" unshare -m bash -c 'mount -t tmpfs tmpfs /usr/sbin
		[ -z "$FORMER" ] || cp "$FORMER" /usr/sbin/policy-rc.d
		"$0"; status=$?
		ls -A /usr/sbin; exit $status' "$setup" >out 2>err
}
run_setup LACKING=1 & child=$!
for ((i = 0; i < 200; i++)); do [ -s policy ] && [ -s pid ] && break; sleep 0.1; done
like "while it installs no service may start" policy '^exit 101$'
read -ra pids <pid
kill -KILL "${pids[@]}"
wait $child
same "killed, it leaves that, and no log" "$(cat out) $(ls -A tmp)" 'policy-rc.d '
run_setup FORMER=policy
same "the next run takes it away" "$(cat out)" ''
sed "s/process .*/process $$/" policy >living
run_setup FORMER=living
same "that of one that lives stays" "$(cat out)" policy-rc.d
echo 'exit 101' >theirs
run_setup FORMER=theirs
same "and somebody else's" "$(cat out)" policy-rc.d
done_testing
