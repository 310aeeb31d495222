#!/bin/bash
# What scripts test with: check, timeout, scenario with its verdicts.
# shellcheck source=support/tap.sh
. "$(dirname "$0")/support/tap.sh"

cat >check.lua <<'LUA'
print(check(7, "unused"))
check(1 == 2, "one is two")
check(nil)
check(nil, "no answer", "timeout")
print("end")
LUA
run check.lua
exits 1 "a check that failed"
prints "the script goes on; check returns its arguments" $'7\tunused\nend'
same "each is told with its place, at the end how many" "$(cat err)" \
	$'check.lua:2: check: one is two\ncheck.lua:3: check: the value is nil\ncheck.lua:4: check: no answer\nnervsh: 3 of 4 checks failed'
run -e 'check(true) check(1, "x")'
exits 0 "checks that hold"
silent err "they need no words"
run -e 'check(false, "x") os.exit(0)'
exits 1 "os.exit(0) does not hide a failed check"
run -e 'check(false, "x") os.exit(5)'
exits 5 "another status stays"
run -e 'check(false, "x") error("later")'
exits 1 "an error after it"
like "the error is told, too" err '^nervsh: -e:1: later$'

run -e 'print(timeout(0.1, function() while true do end end))'
prints "timeout ends what is busy" $'nil\tno end within 0.1 s\ttimeout'
run -e 'print(timeout(5, function(...) return nil, ... end, 1, nil))'
prints "timeout hands over all results" $'nil\t1\tnil'
run -e 'timeout(5, error, "bad")'
exits 1 "timeout hands over an error"

cat >steps.lua <<'LUA'
local s = scenario { name = "try", format = arg[1], timeout = tonumber(arg[2]) }
local count = 0
s:defer("first", function() sleep(0.01) print("# first is done last") end)
s:defer(function() print("# last is done first") end)
assert(select("#", s:step("good", function() return 1, nil, 3 end)) == 3)
assert(s:step("nothing", function() end) == true)
s:step("flaky", { retries = 5, interval = 0.01 }, function()
  count = count + 1
  check(count == 3, "not yet")
end)
local good, why = s:step("fails # here", function() check(false, "one") check(false, "two") end)
print("#", good, why)
s:step("skipped", function() error("not reached") end)
s:step("says no", { always = true }, function() return nil, "the world says no", "ENO" end)
s:step("raises", { always = true, retries = 1, interval = 0 }, function() error("bad \"end\"", 0) end)
s:step("hangs", { always = true, timeout = 0.05, retries = 3 }, function() sleep(60) end)
s:step("waits", { always = true, timeout = 0.05 }, function() sleep(60) end)
s:step("busy", { always = true, timeout = 0.05 }, function() while true do end end)
LUA
run steps.lua tap
exits 1 "a scenario that failed"
silent err "its verdict needs no words on stderr"
same "the verdict as TAP" "$(sed 's/duration_ms: [0-9.]*/duration_ms: N/' out)" 'TAP version 13
ok 1 - good
  ---
  duration_ms: N
  ...
ok 2 - nothing
  ---
  duration_ms: N
  ...
ok 3 - flaky
  ---
  duration_ms: N
  attempts: 3
  ...
not ok 4 - fails   here
  ---
  duration_ms: N
  message: "steps.lua:11: check: one; steps.lua:11: check: two"
  ...
#	nil	steps.lua:11: check: one; steps.lua:11: check: two
ok 5 - skipped # SKIP an earlier step failed
not ok 6 - says no
  ---
  duration_ms: N
  message: "the world says no"
  ...
not ok 7 - raises
  ---
  duration_ms: N
  attempts: 2
  message: "bad \"end\""
  ...
not ok 8 - hangs
  ---
  duration_ms: N
  message: "no end within 0.05 s"
  ...
not ok 9 - waits
  ---
  duration_ms: N
  message: "no end within 0.05 s"
  ...
not ok 10 - busy
  ---
  duration_ms: N
  message: "no end within 0.05 s"
  ...
# last is done first
# first is done last
1..10'

# json FIELD...: what a program finds in the verdict.
json() { sed -n '/^{/p' out | "$nervsh" -e "local v = json.decode(io.read('a')) print($1)"; }
run steps.lua json
exits 1 "the verdict as JSON"
same "name and verdict" "$(json 'v.name, v.verdict, v.message, v.duration > 0.1')" $'try\tfailed\tnil\ttrue'
same "the steps" "$(json '#v.steps, v.steps[1].verdict, v.steps[3].attempts, v.steps[5].verdict, v.steps[9].message')" \
	$'10\tpassed\t3\tskipped\tno end within 0.05 s'
same "the clean-up" "$(json '#v.cleanup, v.cleanup[2].name, v.cleanup[2].verdict')" $'2\tfirst\tpassed'
run steps.lua text
like "the verdict for people" out '^failed: 6 of 10 steps failed, [0-9.]+ s$'
like "a step of it" out '^  passed +flaky +[0-9.]+ s +\(3 attempts\)$'
run steps.lua text 0
like "a scenario whose time is over" out "^  failed +good +[0-9.]+ s +the scenario's 0 s are over$"

cat >good.lua <<'LUA'
local s = scenario { name = "good", format = arg[1] }
s:step("one", function() end)
print(s:finish())
print(s.verdict, s:finish())
print(pcall(s.step, s, "two", function() end))
LUA
run good.lua json
exits 0 "a scenario that went well"
same "its verdict" "$(json v.verdict)" passed
like "finish returns it" out $'^true\tpassed$'
like "once" out $'^passed\ttrue\tpassed$'
like "no step after it" out $'^false\tgood.lua:5: scenario:step: scenario good has its verdict already$'

# scenario CODE: a scenario `s` that prints TAP.
scenario() { run -e "s = scenario { name = 'x', format = 'tap' } $1"; }
scenario ''
exits 1 "a scenario without a step"
like "it is none" out '^Bail out! no step ran$'
scenario 's:step("a", function() end) error("outside")'
exits 1 "an error between the steps"
like "is told" err '^nervsh: -e:1: outside$'
like "and ends the scenario" out '^Bail out! the script failed$'
scenario 's:step("a", function() os.exit(0) end)'
exits 1 "os.exit in a step"
like "is its failure" out '^not ok 1 - a$'
scenario 's:step("a", function() end) s:defer("tidy", function() error("mess", 0) end)'
exits 1 "a clean-up that fails"
like "is told" out '^not ok 2 - clean-up: tidy$'
scenario 's:step("a", function() end) s:defer(function() check(false, "late") end)'
exits 1 "a check that fails in the clean-up"
scenario 's:step("a", function() s:step("b", function() end) end)'
like "a step within a step" out 'scenario:step: step a of scenario x runs still'
for bad in 's:step("a")' 's:step("a", {}, 7)' 's:step("a", { retires = 1 }, print)' 's:step(7, print)' 's:defer("a")' \
	'scenario { name = "y", format = "xml" }' 'scenario()' 's.step("a", print)' 'scenario { nmae = "y" }'; do
	scenario "$bad"
	exits 1 "$bad"
	like "it names the place" err '^nervsh: -e:1: '
done
run -e 's = scenario { name = "x", foramt = "tap" }'
like "the nearest option" err "unknown option 'foramt'; did you mean 'format'\?"

for body in 'sleep(60)' 'while true do end'; do
	rm -f out err
	"$nervsh" -e "io.stdout:setvbuf('no') s = scenario { name = 'x', format = 'tap' }
		s:defer('tidy', function() sleep(0.1) print('# tidy') end)
		s:step('a', function() print('# on') $body end) s:step('b', function() end)" >out 2>err &
	pid=$!
	until_true grep -q on out
	kill -INT $pid
	status=0
	wait $pid || status=$?
	exits 130 "Ctrl-C in a step, $body"
	same "it cleans up and says so" "$(grep -v '^  ' out)" $'TAP version 13\n# on\nnot ok 1 - a\n# tidy\nBail out! interrupted\n1..1'
done
done_testing
