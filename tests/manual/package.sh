#!/bin/bash
# `make deb`: a package that holds what `make install` installs, says what it needs, and runs where it is unpacked.
source_dir=$(realpath "$(dirname "$0")/../..")
# shellcheck source=../cli/support/tap.sh
. "$source_dir/tests/cli/support/tap.sh"
build=$(dirname "$nervsh")

make -s -C "$source_dir" deb BUILD="$build" >log 2>&1
result $? "make deb" "$(tail log)"
deb=$(tail -n 1 log)
version=$("$nervsh" --version)
same "it is named for version and architecture" "${deb##*/}" "nerv_${version#* }_$(dpkg --print-architecture).deb"
field() { dpkg-deb -f "$deb" "$1"; }
same "its name" "$(field Package)" nerv
same "its version" "$(field Version)" "${version#* }"
field Depends | tr ',' '\n' | sed 's/^ *//; s/ .*//' | sort >depends
for name in adduser dnsmasq-base iputils-ping openvswitch-common libc6; do like "it needs $name" depends "^$name$"; done

# Every library that the programs are linked with belongs to a package that is needed.
missing=()
for library in $(objdump -p "$nervsh" "$build/nerv-nve" | awk '$1 == "NEEDED" { print $2 }' | sort -u); do
	path=$(realpath "$(ldconfig -p | awk -v name="$library" '$1 == name { print $NF; exit }')")
	owner=$(dpkg-query -S "$path" "${path#/usr}" 2>/dev/null | sed 's/:.*//; q')
	grep -qx "$owner" depends || missing+=("$library of $owner")
done
[ ${#missing[@]} -eq 0 ]
result $? "and every package of a library" "${missing[@]}"

dpkg-deb -x "$deb" unpacked
dpkg-deb -e "$deb" control
make -s -C "$source_dir" install DESTDIR="$PWD/installed" PREFIX=/usr BUILD="$build" >log 2>&1
list() { (cd "$1" && find . ! -type d | sed 's|\(/man/.*\)\.gz$|\1|' | grep -vE '/doc/|/lintian/' | sort); }
same "it holds what make install installs" "$(list unpacked)" "$(list installed)"
same "all of it belongs to root" "$(dpkg-deb -c "$deb" | awk '{ print $2 }' | sort -u)" root/root
(cd unpacked && md5sum -c --quiet ../control/md5sums) >log 2>&1
result $? "its sums are right" "$(cat log)"
for script in postinst prerm postrm; do
	sh -n control/$script && [ -x control/$script ]
	result $? "$script is a script"
done
for file in copyright changelog.gz README.md; do
	[ -s unpacked/usr/share/doc/nerv/$file ]
	result $? "it has a $file"
done

nervsh=$PWD/unpacked/usr/bin/nervsh
run --version
prints "the program in it runs" "$version"
run -e 'local tb = testbed.create{ nodes = 1 }
	local blue = network.create{ name = "blue", archetype = "ip", subnet = "10.9.0.0/24", home = "pm1" }
	local h = blue:endpoint{ { name = "h1", node = "pm1" }, { name = "h2", node = "pm1" } }
	print(expect(h[1]:ping(h[2])).received)'
prints "and makes a lab" 1
done_testing
