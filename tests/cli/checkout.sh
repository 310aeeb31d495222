#!/bin/bash
# A user's own checkout, whose files the user's group may write, too, works for root: for who calls sudo in it.
source_dir=$(realpath "$(dirname "$0")/../..")
# shellcheck source=support/tap.sh
. "$(dirname "$0")/support/tap.sh"

mkdir -p checkout/build
cp -r "$source_dir"/{lua,archetypes} checkout/
cp "$nervsh" checkout/build/
chmod -R g+w checkout
chown -R nobody checkout
nervsh=$PWD/checkout/build/nervsh
run -e 'print(expect(archetype.load "ip").name)'
prints "its archetypes are taken" ip
done_testing
