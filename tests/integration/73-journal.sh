#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What the journal tells about apps: fields, catalog, and that units and records find each other.
# timeout: 120
. "$(dirname "$0")/lib.sh"

POLICY=/etc/appswitch/policy.d/99-journal.conf
at_exit() {
    host_sh 'rm -f "$1"; ax policy reload' "$POLICY" >/dev/null 2>&1
}

subtests catalog host /usr/bin/python3 "$PROGRAMS/catalog.py" /usr/src/appswitch

### the catalog of the host
ok 'the catalog is taken' host journalctl --update-catalog
run host journalctl --no-pager --list-catalog
like "$OUT" 'AppSwitch: App @APPSWITCH_APP@ was started' 'and has us'

# The one record since the mark that matches, with its explanation.
explained() {
    run host journalctl --no-pager --catalog --since "@$since" "$@"
}
recorded() {
    [[ $(host journalctl --no-pager --quiet --output=cat --since "@$since" "$@") ]]
}

### an app
mark_journal
start_app --name journal --tag zone=journal -- python3 -m http.server 80
wait_for_listen "$APP" 80
unit=appswitch-$APP.scope
ok 'a start is recorded' wait_until 10 recorded "APPSWITCH_APP=$APP"
explained "APPSWITCH_APP=$APP"
like "$OUT" "$APP started \($unit, uid 0, $(app_address "$APP" 4), $(app_address "$APP" 6)\)" 'in a sentence'
like "$OUT" "░░ Subject: App $APP was started" 'with its subject'
like "$OUT" "░░ The app $APP runs now, in the unit $unit" 'and the explanation has its id'
run host journalctl --no-pager --quiet --output=cat --since "@$since" --unit="$unit"
like "$OUT" "$APP started" 'it is found by the unit of the app, too'
run host systemctl status --no-pager "$unit"
like "$OUT" "$APP started .*, $(app_address "$APP" 4)," 'so that systemctl status shows it, and its addresses'
is "$(host systemctl show -P Description "$unit")" 'journal: python3' 'the description of the unit has its name'
run host journalctl --no-pager --quiet --output=export --since "@$since" "APPSWITCH_APP=$APP"
is "$(sed -n 's/^APPSWITCH_UNIT=//p' <<<"$OUT" | sort -u)" "$unit" 'with the unit as a field'

### ax finds a unit
is "$(host ax status --json=short "$unit" | /usr/bin/python3 -c 'import json, sys; print(json.load(sys.stdin)[0]["id"])')" "$APP" \
    'ax status finds an app by its unit'
run host ax status "appswitch-nosuch_1.scope"
like "$STATUS $ERR" '^1 .*There is no app "appswitch-nosuch_1.scope"; see "ax list"' 'and says so if there is none'
start_app --name looks.service -- sleep 1000
run host ax stop looks.service
is "$STATUS" 1 'a name that looks like a unit is none'

### a connection, and a name, that are refused
mark_journal
run client --name curious -- curl -sS -m 5 "http://$(app_address "${APPS[0]}")/"
isnt "$STATUS" 0 'a connection is refused'
ok 'which is recorded' wait_until 10 recorded MESSAGE_ID=6ac3df0b1d1b4f5c9a1b0f7a2f0f6d11
run host journalctl --no-pager --catalog --since "@$since" MESSAGE_ID=6ac3df0b1d1b4f5c9a1b0f7a2f0f6d11
like "$OUT" "░░ Subject: App curious_[0-9]+ was refused a connection to $(app_address "${APPS[0]}"):80" 'and explained'
like "$OUT" '░░ "ax explain curious_[0-9]+ ' 'with what to do next'

### a broken policy
mark_journal
host_sh 'mkdir -p "${1%/*}"; printf "[Rule]\nAktion=deny\n" >"$1"' "$POLICY"
run host ax policy reload
isnt "$STATUS" 0 'a policy with an error is not taken'
explained PRIORITY=3
like "$OUT" '░░ Subject: The policy has errors' 'and that is explained'

### its end
host ax stop "$unit"
ok 'its end is recorded, after it was stopped by its unit' wait_until 10 recorded "APPSWITCH_APP=${APPS[0]}" MESSAGE_ID="$(
    sed -n 's/^#define MESSAGE_APP_ENDED "\(.*\)"/\1/p' "$TESTS/../../src/model/journal.h")"

done_testing
