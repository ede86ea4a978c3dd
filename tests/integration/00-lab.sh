#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The hosts are what the other tests take them for.
. "$(dirname "$0")/lib.sh"

run host systemctl is-system-running
is "$OUT" running 'the host has booted without a failed unit'
[[ $OUT == running ]] || diag "$(host systemctl --failed --no-pager --plain --no-legend)"

is "$(host hostname)" h1 'it has a name of its own'
isnt "$(host cat /etc/machine-id)" "$(cat /etc/machine-id)" 'it has an identity of its own'
is "$(host ip route show default)" '' 'it has no way out'
is "$(host_as alice id -un)" alice 'commands run as a user'
like "$(host_as alice id -Gn)" testers 'alice is in the extra group'

run host sh -c 'echo out; echo err >&2; exit 42'
is "$STATUS $OUT $ERR" '42 out err' 'status and outputs come through'
is "$(printf 'a\nb' | host cat)" $'a\nb' 'input comes through'
is "$(host printf '[%s]' '$HOME' '${HOME} $$' '' 'a  b' '%%')" '[$HOME][${HOME} $$][][a  b][%%]' 'arguments come through'

run host_as bob busctl call org.freedesktop.hostname1 /org/freedesktop/hostname1 \
    org.freedesktop.hostname1 SetHostname sb nobody false
isnt "$STATUS" 0 'polkit refuses what bob may not do'

done_testing
