#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The man pages: that they tell of every command, option, key, error and action that there is and of no others, that their
# links lead somewhere, and that man(1) has nothing to complain about.
# timeout: 60
. "$(dirname "$0")/lib.sh"

need_command man
# shellcheck disable=SC2016 # expanded in the host
subtests pages host_sh '{ echo "@ "; ax --help
    for c in $(ax --help | sed -n "/^Commands:/,/^$/s/^  \([a-z-]*\).*/\1/p"); do echo "@ $c"; ax "$c" --help; done; } |
    /usr/bin/python3 "$1/man-check.py" /usr/src/appswitch' "$PROGRAMS"

while read -r page; do
    # shellcheck disable=SC2016
    run host_sh 'LC_ALL=C.UTF-8 MANROFFSEQ="" MANWIDTH=100 man --warnings=w --encoding=UTF-8 --local-file "$1" >/dev/null' "$page"
    is "$STATUS $ERR" '0 ' "man --warnings ${page##*/}"
done < <(host_sh 'ls /usr/share/man/man*/{ax,appswitch,io.appswitch1}*')
done_testing
