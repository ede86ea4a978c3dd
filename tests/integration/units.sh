# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# For integration tests about units, after lib.sh: writing them, and what the service manager has done with them.

# unit NAME LINE...: writes a file below the directory of units.
unit() {
    printf '%s\n' "${@:2}" | host tee "/etc/systemd/system/$1" >/dev/null
}

# state UNIT; is_state UNIT STATE: active, activating, inactive, ...
state() {
    host systemctl show -P ActiveState "$1"
}
is_state() {
    [[ $(state "$1") == "$2" ]]
}

# app_of UNIT: the id of the app that it is.
app_of() {
    host ax list --json=short | /usr/bin/python3 -c '
import json, sys
for app in json.load(sys.stdin):
    if app["unit"] == sys.argv[1]:
        print(app["id"])' "$1"
}

# starts UNIT: how often it was started since mark_journal.
starts() {
    host journalctl --no-pager -o cat --since "@$since" -u "$1" _PID=1 | grep -c "^Started"
}

# connect_many NAME PORT N [FILE]: tests/programs/connect-many.py in an app; host_connect_many: outside of any.
connect_many() {
    client -- /usr/bin/python3 "$PROGRAMS/connect-many.py" "$@"
}
host_connect_many() {
    host /usr/bin/python3 "$PROGRAMS/connect-many.py" "$@"
}
