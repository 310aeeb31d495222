#!/bin/bash
# System test of nerv-nve on real links: needs root. TAP on stdout. Everything is made in namespaces of its own (network,
# mount, pid), which vanish with the last process, so nothing of the machine is touched and nothing is left.
#	test_nve.sh BUILD-DIR SOURCE-DIR	(BUILD-DIR holds nerv-nve, nvectl, frame_tool and p4/nve_vlan.bpf.o)
set -u
if [ -z "${NVE_TEST_INSIDE-}" ]; then
	exec env NVE_TEST_INSIDE=1 unshare --mount --net --pid --fork --mount-proc --kill-child --propagation private "$0" "$@"
fi
build=$(realpath "$1") source=$(realpath "$2")
json=$source/p4/nve_vlan.json
dir=$(mktemp -d)
number=0 failures=0
trap 'rm -rf --one-file-system "$dir" 2>/dev/null' EXIT
mkdir "$dir/bpf" /run/netns 2>/dev/null
mount -t tmpfs none /run/netns || exit 2
mount -t bpf none "$dir/bpf" || { echo "1..0 # SKIP no bpffs"; exit 0; }

result() { # STATUS TEXT
	number=$((number + 1))
	if [ "$1" -eq 0 ]; then echo "ok $number - $2"; else echo "not ok $number - $2"; failures=$((failures + 1)); fi
}
check() { # TEXT COMMAND...
	local text=$1; shift
	"$@" >"$dir/out" 2>&1
	local status=$?
	[ $status -eq 0 ] || sed 's/^/# /' "$dir/out"
	result $status "$text"
}
same() { # TEXT WANT GOT
	[ "$2" = "$3" ]
	local status=$?
	[ $status -eq 0 ] || echo "# wanted '$2', got '$3'"
	result $status "$1"
}
fails() { # TEXT WORD COMMAND...: the command fails and says WORD
	local text=$1 word=$2; shift 2
	"$@" >"$dir/out" 2>&1
	[ $? -ne 0 ] && grep -q -- "$word" "$dir/out"
	local status=$?
	[ $status -eq 0 ] || sed 's/^/# /' "$dir/out"
	result $status "$text"
}
until_true() { # COMMAND...: at most 10 s
	local i
	for ((i = 0; i < 200; i++)); do "$@" >/dev/null 2>&1 && return 0; sleep 0.05; done
	return 1
}
ctl() { "$build/nvectl" "$dir/a" "$@"; }
ctlb() { "$build/nvectl" "$dir/b" "$@"; }
start() { # OPTIONS...: nerv-nve on socket a, until it answers
	"$build/nerv-nve" --thrift-socket "$dir/a" "$@" 2>>"$dir/log" &
	pid=$!
	until_true ctl info || { sed 's/^/# /' "$dir/log"; echo "Bail out! nerv-nve did not start"; exit 1; }
}
stop() { kill "-$1" $pid 2>/dev/null; wait $pid 2>/dev/null; }
zeros=$(printf '00%.0s' {1..46})
packets() { ctl counter verdicts "$1" | cut -d' ' -f1; }
# seen NETNS IFACE WANTED-PREFIX SENDER-NETNS SENDER-IFACE FRAME: 0 when the frame sent at one place is seen at the other
seen() {
	local tell="$dir/tell" waiter
	rm -f "$tell"
	ip netns exec "$1" "$build/frame_tool" wait "$2" "$3" 1500 >"$tell" &
	waiter=$!
	until_true grep -q listening "$tell"
	ip netns exec "$4" "$build/frame_tool" send "$5" "$6$zeros"
	wait $waiter
}
unseen() { ! seen "$@"; }
ping_ok() { ip netns exec "$1" ping -q -c 2 -i 0.2 -W 1 "$2"; }
no_ping() { ! ping_ok "$@"; }

# The node under test is this namespace: n1, n2 to its networks' hosts h1, h2; up0 is its wire to another machine.
ip link set lo up
for n in h1 h2 wire x1; do
	ip netns add $n
	ip netns exec $n sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1 2>/dev/null
done
sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1 2>/dev/null
ip link add n1 type veth peer name h1 netns h1
ip link add n2 type veth peer name h2 netns h2
ip link add up0 type veth peer name w0 netns wire
ip -n wire link add m1 type veth peer name x1 netns x1
for l in n1 n2 up0; do ip link set $l up; done
for n in h1 h2 x1; do ip -n $n link set $n up; done
ip -n wire link set w0 up; ip -n wire link set m1 up
ip -n h1 addr add 10.1.0.1/24 dev h1
ip -n x1 addr add 10.1.0.2/24 dev x1
ip addr add 192.0.2.1/24 dev up0
ip -n wire addr add 192.0.2.2/24 dev w0
here=$(mktemp -u "$dir/nsXXXX"); touch "$here"; mount --bind /proc/self/ns/net "$here"; ln -s "$here" /run/netns/node

# --- options and refusals
fails "a pin directory must be in a bpffs" "bpffs" "$build/nerv-nve" --thrift-socket "$dir/a" --pin "$dir/plain" "$json"
fails "an interface that is not there is named" "nosuch" "$build/nerv-nve" --thrift-socket "$dir/a" -i 1@nosuch --pin "$dir/bpf/a" "$json"
check "and a start that failed leaves no pins" test ! -e "$dir/bpf/a"
sed 's/"match_type": "exact", "name": "vlan.vid"/"match_type": "ternary", "name": "vlan.vid"/' "$json" >"$dir/ternary.json"
fails "a table that is not exact is refused by name and kind" "'tags'.*ternary" "$build/nerv-nve" --thrift-socket "$dir/a" "$dir/ternary.json"
sed 's/"program": "nve_vlan"/"program": "..\/x"/' "$json" >"$dir/evil.json"
fails "a program name cannot leave the objects' directory" "other characters" "$build/nerv-nve" --thrift-socket "$dir/a" "$dir/evil.json"
sed 's/"bitwidth": 12/"bitwidth": 90/' "$json" >"$dir/misfit.json"
fails "a program that does not fit the description is refused" "does not fit" "$build/nerv-nve" --thrift-socket "$dir/a" "$dir/misfit.json"

# --- the VLAN edge
start -i 1@n1 -i 2@n2 -i 10@up0 --pin "$dir/bpf/a" --thrift-port 0 --device-id 7 "$json"
port=$(ctl info | cut -d' ' -f2)
same "the socket has mode 660" 660 "$(stat -c %a "$dir/a")"
same "device id" 7 "$(ctl info | cut -d' ' -f1)"
same "TCP gives the same" "$(ctl info)" "$("$build/nvectl" "127.0.0.1:$port" info)"
same "the description comes back unchanged" "$(sha256sum <"$json")" "$(ctl config | sha256sum)"
same "three ports" "1 n1 up,2 n2 up,10 up0 up," "$(ctl ports | tr '\n' ,)"
fails "a second switch with these pins is refused" "another switch" "$build/nerv-nve" --thrift-socket "$dir/c" --pin "$dir/bpf/a" "$json"
fails "a socket that answers is not taken" "answers there" "$build/nerv-nve" --thrift-socket "$dir/a" "$json"

b1=ffffffffffff0200000000 h=88b5
check "with no entry a frame goes nowhere" unseen wire w0 "${b1}01" h1 h1 "${b1}01$h"
same "and is counted" 1 "$(packets 2)"
ctl add ingress_ports to_tag 1 '=>' 100 10 >/dev/null
ctl add ingress_ports to_tag 2 '=>' 200 10 >/dev/null
ctl add tags to_port 10 100 '=>' 1 >/dev/null
ctl add tags to_port 10 200 '=>' 2 >/dev/null
ctl add uplinks shared 10 '=>' >/dev/null
check "network 1 leaves with tag 100" seen wire w0 "${b1}0181000064$h" h1 h1 "${b1}01$h"
check "network 2 leaves with tag 200" seen wire w0 "${b1}02810000c8$h" h2 h2 "${b1}02$h"
check "tag 100 arrives at network 1 without it" seen h1 h1 "${b1}03$h" wire w0 "${b1}0381000064$h"
check "and not at network 2" unseen h2 h2 "${b1}03$h" wire w0 "${b1}0381000064$h"
check "priority bits of the arriving tag do not matter" seen h1 h1 "${b1}04$h" wire w0 "${b1}048100e064$h"
check "a tenant's tag stays inside on the way out" seen wire w0 "${b1}05810000648100000788b5" h1 h1 "${b1}058100000788b5"
check "and on the way in" seen h1 h1 "${b1}068100000788b5" wire w0 "${b1}06810000648100000788b5"
check "two tenant tags stay inside" seen h1 h1 "${b1}0788a800098100000788b5" wire w0 "${b1}078100006488a800098100000788b5"
host=$(packets 0)
check "a tag that no network owns reaches none" unseen h1 h1 "${b1}08" wire w0 "${b1}088100006588b5"
check "nor does the tag under another type" unseen h1 h1 "${b1}09" wire w0 "${b1}0988a8006488b5"
same "both went on to the host" $((host + 2)) "$(packets 0)"
check "on a shared port the host's own stack answers" ping_ok wire 192.0.2.1
same "uplinks counts what no network owns" "$(ctl counter verdicts 0)" "$(ctl count uplinks 0)"

ctl modify uplinks 0 dedicated
check "on a dedicated port it does not" no_ping wire 192.0.2.1
check "these frames are counted" test "$(packets 1)" -gt 0
ctl modify uplinks 0 shared

# --- errors of the API
fails "DUPLICATE_ENTRY" "^DUPLICATE_ENTRY" ctl add tags to_port 10 100 '=>' 1
fails "BAD_ACTION_DATA" "^BAD_ACTION_DATA" ctl add tags to_port 10 101 '=>' 1 2
fails "BAD_MATCH_KEY" "^BAD_MATCH_KEY" ctl add tags to_port 10 '=>' 1
fails "INVALID_HANDLE" "^INVALID_HANDLE" ctl delete tags 99
fails "INVALID_INDEX" "^INVALID_INDEX" ctl counter verdicts 99
fails "a port over 510" "0 to 510" ctl port_add 511 n1
fails "a port that is taken" "up0" ctl port_add 10 n1
fails "an interface that is a port" "port 1 already" ctl port_add 5 n1
fails "an interface that is not there" "nosuch" ctl port_add 5 nosuch
fails "a port that is not there" "no port 5" ctl port_del 5
check "the same port again is no error" ctl port_add 1 n1

# --- another switch at the far end: real traffic
ip netns exec wire "$build/nerv-nve" --thrift-socket "$dir/b" -i 1@m1 -i 2@w0 "$json" 2>>"$dir/log" &
pidb=$!
until_true ctlb info
ctlb add ingress_ports to_tag 1 '=>' 100 2 >/dev/null
ctlb add tags to_port 2 100 '=>' 1 >/dev/null
ctlb add uplinks shared 2 '=>' >/dev/null
check "ping between two switches" ping_ok h1 10.1.0.2
if command -v iperf3 >/dev/null; then
	ip netns exec x1 iperf3 -s -1 >/dev/null 2>&1 &
	until_true ip netns exec x1 sh -c 'ss -ltn | grep -q 5201'
	rate=$(ip netns exec h1 iperf3 -c 10.1.0.2 -t 2 2>/dev/null | awk '/receiver/ { print $7, $8 }')
	echo "# TCP through two switches: $rate"
	check "TCP with offloads" test -n "$rate"
fi

# --- ports while running
check "a port is removed" ctl port_del 1
check "its frames stay away" no_ping h1 10.1.0.2
same "nothing is left on the interface" "" "$(tc qdisc show dev n1 | grep clsact; ip -d link show n1 | grep -w PROMISC)"
check "and is added again" ctl port_add 1 n1
check "traffic goes on" until_true ping_ok h1 10.1.0.2

# --- foreign things at the hook
ip link add f0 type veth peer name f1
tc qdisc add dev f0 clsact
tc filter add dev f0 egress pref 7 bpf da object-pinned "$dir/bpf/a/current/program"
check "an interface that has a clsact qdisc" ctl port_add 20 f0
check "becomes a port and leaves" ctl port_del 20
check "with its qdisc and filters" sh -c 'tc filter show dev f0 egress | grep -q "pref 7"'
check "our filter is gone" sh -c '! tc filter show dev f0 ingress | grep -q nerv'
check "on a qdisc of our own" ctl port_add 21 f1
tc filter add dev f1 egress pref 7 bpf da object-pinned "$dir/bpf/a/current/program"
ctl port_del 21
check "somebody's filter keeps it" sh -c 'tc filter show dev f1 egress | grep -q "pref 7"'
ip link del f0
fails "an interface of another switch is refused" "somebody else" "$build/nerv-nve" --thrift-socket "$dir/c" -i 1@n1 "$json"
check "which goes on" ping_ok h1 10.1.0.2

# --- a frame that circles between two ports
ip link add l0 type veth peer name l1
ip link set l0 up; ip link set l1 up
ctl port_add 40 l0; ctl port_add 41 l1
ctl add ingress_ports to_tag 40 '=>' 5 40 >/dev/null; ctl add ingress_ports to_tag 41 '=>' 5 41 >/dev/null
"$build/frame_tool" send l0 "${b1}11$h$zeros"
check "is stopped" until_true test "$(packets 5)" -ge 1
ip link del l0
for n in $(ctl dump ingress_ports | awk '$2 == "0x0028" || $2 == "0x0029" { print $1 }'); do ctl delete ingress_ports "$n"; done

# --- interfaces that come and go
ip link add g0 type veth peer name g1
ctl port_add 30 g0
ip link del g0
same "a vanished interface is no port" "" "$(ctl ports | grep '^30')"
ip link add g0 type veth peer name g1
check "its successor takes the same number" ctl port_add 30 g0

# --- the process dies
ctl delete tags 1
handle=$(ctl add tags to_port 10 200 '=>' 2)
same "a freed index comes back with the next version" 16777217 "$handle"
ctl delete tags "$handle"
entries=$(ctl dump tags; ctl dump ingress_ports)
stop KILL
check "traffic goes on without the process" ping_ok h1 10.1.0.2
ip link del g0
start --pin "$dir/bpf/a" "$json"
check "the successor adopts" grep -q "adopted" "$dir/log"
check "and tells that an interface has gone" grep -q "port 30: its interface 'g0'.*removed" "$dir/log"
same "ports" "1 n1 up,2 n2 up,10 up0 up," "$(ctl ports | tr '\n' ,)"
same "entries with their handles" "$entries" "$(ctl dump tags; ctl dump ingress_ports)"
check "counters went on counting" test "$(ctl count ingress_ports 0 | cut -d' ' -f1)" -gt 2
same "versions of freed handles" 33554433 "$(ctl add tags to_port 10 200 '=>' 2)"
check "traffic" ping_ok h1 10.1.0.2
stop TERM
check "a polite end leaves the data plane as well" ping_ok h1 10.1.0.2
start -i 1@n1 -i 10@up0 --pin "$dir/bpf/a" --thrift-port 0 "$json"
check "ports given again are no error" ping_ok h1 10.1.0.2
port=$(ctl info | cut -d' ' -f2)

# --- bad clients
exec 5<>"/dev/tcp/127.0.0.1/$port" 6<>"/dev/tcp/127.0.0.1/$port"
printf '\x80\x01\x00\x01\x00\x00' >&5
for _ in 1 2 3 4 5 6 7 8; do
	head -c 20000 /dev/urandom >"/dev/tcp/127.0.0.1/$port"
	{ printf '\x80\x01\x00\x01\x00\x00\x00\x18standard:bm_mt_add_entry\x00\x00\x00\x00'; head -c 3000 /dev/urandom; } >"/dev/tcp/127.0.0.1/$port"
done 2>/dev/null
check "half-open and garbage-sending clients hold nobody up" timeout 2 "$build/nvectl" "$dir/a" info
exec 5>&- 6>&-
# answer REQUEST-AFTER-VERSION: the type byte of the answer, 2 reply or 3 exception
answer() {
	exec 7<>"/dev/tcp/127.0.0.1/$port"
	# shellcheck disable=SC2059 # the format is the point
	printf "\\x80\\x01\\x00\\x01$1" >&7
	head -c 4 <&7 | od -An -tx1 | tr -d ' \n'
	exec 7>&-
}
same "an unknown method is an exception" 80010003 "$(answer '\x00\x00\x00\x04nope\x00\x00\x00\x01\x00')"
same "another service too" 80010003 "$(answer '\x00\x00\x00\x0fother:bm_get_id\x00\x00\x00\x01\x00')"
same "what the program has not is refused as BMv2 does" 80010002 "$(answer '\x00\x00\x00\x1astandard:bm_register_reset\x00\x00\x00\x01\x00')"
same "a call with no arguments is answered" 80010002 "$(answer '\x00\x00\x00\x18standard:bm_mt_add_entry\x00\x00\x00\x01\x00')"
same "the service's name may be left out" 80010002 "$(answer '\x00\x00\x00\x10bm_mgmt_get_info\x00\x00\x00\x01\x00')"

# --- another program (here: another size) takes over under traffic
before=$(ctl dump tags)
sed 's/"max_size": 16384/"max_size": 131072/' "$json" >"$dir/big.json"
ip netns exec h1 ping -q -i 0.005 -w 8 10.1.0.2 >"$dir/ping" &
pinger=$!
for j in big nve_vlan big; do
	[ -f "$dir/$j.json" ] || cp "$json" "$dir/$j.json"
	stop KILL
	start --pin "$dir/bpf/a" "$dir/$j.json"
done
same "entries and handles are carried over" "$before" "$(ctl dump tags)"
check "with three exchanges" sh -c "[ \$(grep -c 'took the place' '$dir/log') = 3 ]"
wait $pinger
check "no frame was lost" grep -q ' 0% packet loss' "$dir/ping"
same "one plane is left" 1 "$(find "$dir/bpf/a" -maxdepth 1 -name 'g*' | wc -l)"

# --- speed, for information
ctl clear tags
echo "# $(ctl bench 100000)"
same "all of them are there" 100000 "$(ctl num tags)"
same "and can be read" 100000 "$(ctl dump tags | wc -l)"
ctl reset
same "a reset empties every table" "0 0 0" "$(ctl num tags) $(ctl num ingress_ports) $(ctl num uplinks)"

# --- the end
stop TERM
check "--remove takes everything out" "$build/nerv-nve" --remove --pin "$dir/bpf/a"
same "no qdisc, no promiscuous mode, no pins" "" "$(tc qdisc show | grep clsact; ip -d link show up0 | grep -w PROMISC; find "$dir/bpf" -mindepth 1 -not -name '*.debug')"
check "again is no error" "$build/nerv-nve" --remove --pin "$dir/bpf/a"
kill $pidb; wait $pidb
same "a switch with no pins takes its filters along" "" "$(ip netns exec wire tc qdisc show | grep clsact)"
check "and its socket" test ! -e "$dir/b"
check "no complaint of a sanitizer" sh -c "! grep -E 'ERROR: |runtime error|CRITICAL' '$dir/log'"
echo "1..$number"
[ $failures -eq 0 ]
