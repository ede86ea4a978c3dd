#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Units of users' service managers with a section [X-AppSwitch]: they run as apps of the user, or not at all.
# timeout: 90
. "$(dirname "$0")/lib.sh"
need_command curl nginx
mark_journal

uid=$(host id -u alice)
at_exit() {
    as alice systemctl --user stop 'uu-*' >/dev/null 2>&1
    host_sh 'systemctl stop "user@$1" "user@$2"; rm -rf /home/{alice,bob}/.config/systemd/user/uu-* /home/alice/.local/share/systemd/user/uu-* \
        /etc/systemd/user/uu-* /run/systemd/user/uu-* /tmp/uu-*' "$uid" "$(host id -u bob)" >/dev/null 2>&1
}
# as USER CMD...: with that user's service manager
as() {
    host_sh 'exec runuser -u "$1" -- env HOME="/home/$1" XDG_RUNTIME_DIR="/run/user/$(id -u "$1")" "${@:2}"' "$@"
}
# unit_in DIRECTORY NAME LINE...
unit_in() {
    host_sh 'mkdir -p "$1" && printf "%s\n" "${@:3}" >"$1/$2"' "$@"
}
unit() {
    unit_in /home/alice/.config/systemd/user "$@"
}
start() {
    run as alice systemctl --user start "$@"
}
show() {
    as alice systemctl --user show -P "$@"
}
nothing_is_left() {
    [[ $(host ax list --no-legend) != *uu-* && ! $(host pgrep -u alice -f 'uu-|7707') ]]
}

host_sh 'mkdir -p /home/bob/.config/systemd/user /home/alice/.config/systemd/user; chown -R alice: /home/alice/.config; chown -R bob: /home/bob/.config
    systemctl start "user@$(id -u alice)" "user@$(id -u bob)"' || bail 'managers of alice and bob'

### one that does not end when it is told to, which takes a while: the rest of it is at the end
unit uu-deaf.service '[Service]' TimeoutStopSec=1 'ExecStart=/bin/sh -c "trap : TERM; echo deaf; while :; do sleep 0.1; done; : ud-deaf"' '[X-AppSwitch]'
as alice systemctl --user daemon-reload
start uu-deaf
logs() {
    [[ $(host journalctl -q -o cat -t uu-deaf --since "@$since") == deaf ]]
}
ok 'what a unit writes is in the journal by its name' wait_until 10 logs
as alice systemctl --user stop --no-block uu-deaf

### nginx, as a unit of alice's
answer() {
    host_sh 'cat >/tmp/uu-nginx.conf' <<CONF
daemon off; pid /tmp/uu-nginx/pid; error_log stderr; events {}
http {
    access_log off;
    client_body_temp_path /tmp/uu-nginx/a; proxy_temp_path /tmp/uu-nginx/b; fastcgi_temp_path /tmp/uu-nginx/c;
    uwsgi_temp_path /tmp/uu-nginx/d; scgi_temp_path /tmp/uu-nginx/e;
    server { listen 8080; return 200 "$1"; }
}
CONF
}
answer one
unit uu-nginx.service '[Service]' 'ExecStartPre=/bin/mkdir -p /tmp/uu-nginx' 'ExecStartPre=nginx -t -q -e stderr -c ${CONF}' \
    'ExecStart=nginx -e stderr -c ${CONF}' 'ExecReload=/bin/kill -HUP $MAINPID' Environment=CONF=/tmp/uu-nginx.conf \
    '[X-AppSwitch]' Name=uu-nginx Address=198.18.77.77 Tag=zone=default
as alice systemctl --user daemon-reload
start uu-nginx
is "$STATUS" 0 'nginx starts' || diag "$(as alice systemctl --user status --no-pager uu-nginx 2>&1)"
APP=$(host_sh 'ax list --no-legend | awk "/uu-nginx/ {print \$1; exit}"')
wait_for_listen "$APP" 8080
run client -- curl -s http://uu-nginx:8080/
is "$OUT" one 'is an app that is reached by its name'
run client -- curl -s http://198.18.77.77:8080/
is "$OUT" one 'and by its address'
run host curl -s -m 5 http://127.0.0.1:8080/
is "$STATUS" 7 'the host itself has no such port'
like "$(host ax status "$APP")" "alice|$uid" 'it is one of alice'
pid=$(show MainPID uu-nginx)
answer two
run as alice systemctl --user reload uu-nginx
is "$STATUS" 0 'a reload' || diag "$ERR"
says_two() {
    [[ $(client -- curl -s http://uu-nginx:8080/) == two ]]
}
ok 'is one of nginx' wait_until 10 says_two
is "$(show MainPID uu-nginx)" "$pid" 'which goes on'
run as alice systemctl --user restart uu-nginx
is "$STATUS" 0 'a restart'
ok 'and it is there again' wait_until 10 says_two
run as alice systemctl --user stop uu-nginx
is "$STATUS $(show Result uu-nginx) $(show ActiveState uu-nginx)" '0 success inactive' 'a stop'
ok 'leaves nothing' wait_until 10 nothing_is_left

### types, ends, templates
unit uu-one.service '[Service]' Type=oneshot Environment=A=a 'ExecStartPre=/bin/sh -c "getent hosts uu-one >/tmp/uu-one-pre"' \
    'ExecStart=/bin/sh -c "id -un; getent hosts uu-one; echo $A $${#A} %n; exit 7"' StandardOutput=file:/tmp/uu-one '[X-AppSwitch]' Name=uu-one
unit uu-kids.service '[Service]' Type=exec 'ExecStart=/bin/sh -c "sleep 7707 & sleep 7707 & wait"' '[X-AppSwitch]' Name=uu-kids
unit uu-again.service '[Service]' Restart=on-failure RestartSec=50ms \
    'ExecStart=/bin/sh -c "sleep 7707 & echo x >>/tmp/uu-again; [ $$(wc -l </tmp/uu-again) -gt 1 ] || kill -SEGV $$$$; wait"' '[X-AppSwitch]'
unit_in /home/alice/.local/share/systemd/user 'uu-of@.service' '[Service]' 'ExecStart=-:/bin/sh -c "getent hosts uu-of-a; exec sleep 7707"' \
    StandardOutput=file:/tmp/uu-of '[X-AppSwitch]' Name=uu-of-%i
unit_in /etc/systemd/user uu-global.service '[Service]' Type=oneshot 'ExecStart=/bin/true ; /bin/sh -c "getent hosts uu-global"' StandardOutput=file:/tmp/uu-global
unit_in /run/systemd/user/uu-global.service.d a.conf '[X-AppSwitch]' Name=uu-global
as alice systemctl --user daemon-reload
start uu-one
is "$STATUS $(show ExecMainStatus uu-one)" '1 7' 'oneshot: the exit status is that of the command'
like "$(host cat /tmp/uu-one)" $'^alice\n.*uu-one.*\na 1 uu-one.service$' 'which is an app of alice; variables and specifiers mean what they did'
like "$(host cat /tmp/uu-one-pre)" uu-one 'and so is what runs before it'
start uu-kids uu-again uu-of@a uu-global
is "$STATUS" 0 'exec, simple, an instance and a unit of all users start' || diag "$ERR"
like "$(host cat /tmp/uu-global)" uu-global 'the one of all users is an app'
of_a() {
    [[ $(host cat /tmp/uu-of) == *uu-of-a* ]]
}
ok 'and the instance is one of its own name' wait_until 10 of_a
again() {
    [[ $(show NRestarts uu-again) == 1 && $(show SubState uu-again) == running && $(host pgrep -c -u alice -f 'wc -l.*7707|7707.*wc -l') -ge 1 ]]
}
ok 'one that dies of a signal is started again' wait_until 10 again
run as alice systemctl --user stop 'uu-*'
is "$STATUS" 0 'all of them are stopped'
ok 'and nothing is left, children included' wait_until 15 nothing_is_left

### what cannot be
touch='ExecStart=/bin/touch /tmp/uu-unfenced'
bad=()
# refused WHY LINE...: a unit that is not to start
refused() {
    local name=uu-bad${#bad[@]}
    bad+=("$1")
    unit "$name.service" '[Service]' "${@:2}" '[X-AppSwitch]' Name=uu-bad
}
refused 'Type=notify is not for' Type=notify "$touch"
refused 'Type=forking is not for' Type=forking "$touch"
refused 'BusName= would not hold' BusName=io.example "$touch"
refused 'ProtectHome= would not hold' ProtectHome=yes PrivateTmp=no "$touch"
refused 'MemoryMax= would not hold' MemoryMax=100M "$touch"
refused "ExecStart= with the prefix '@'" 'ExecStart=-@/bin/touch touch /tmp/uu-unfenced'
refused "ExecStart= with the prefix '!'" Type=oneshot 'ExecStart=/bin/touch /tmp/uu-unfenced ; !/bin/true'
refused 'StandardInput=socket' StandardInput=socket "$touch"
refused 'Listen= is not for units of a user' "$touch" '[X-AppSwitch]' Listen=80/tcp StartOnConnect=yes '[Service]'
refused 'JoinsNamespaceOf= is not for' "$touch" '[Unit]' JoinsNamespaceOf=uu-one.service
refused 'It is started by uu-door.socket' "$touch"
refused "Unknown key 'Nmae='" "$touch" '[X-AppSwitch]' Nmae=x
unit uu-door.socket '[Socket]' ListenStream=/tmp/uu-door Service=uu-bad10.service
as alice systemctl --user daemon-reload
names=("${!bad[@]}")
run as alice ax verify --user uu-nginx uu-global uu-of@a
is "$STATUS $ERR" '0 ' 'ax verify --user finds nothing wrong with the good ones'
run as alice ax verify --user uu-bad0 uu-bad10
is "$STATUS" 1 'and with others it does'
like "$ERR" "${bad[0]}.*${bad[10]}" 'and says what'
start "${names[@]/#/uu-bad}"
isnt "$STATUS" 0 'units that cannot be apps do not start'
is "$(as alice systemctl --user is-failed "${names[@]/#/uu-bad}" | sort -u)" failed 'none of them'
journal=$(host journalctl --no-pager -o cat --since "@$since" -t appswitch-generator)
refusals=$(host_sh 'cat /run/user/"$1"/systemd/generator/uu-bad*.service.d/*' "$uid")
for i in "${!bad[@]}"; do
    like "$journal" "uu-bad$i\.service: \[X-AppSwitch\]: ${bad[i]}" "the journal says why: ${bad[i]}"
    like "$refusals" "${bad[i]}" 'and so does the start'
done
is "$(host_sh 'ls /tmp/uu-unfenced 2>/dev/null')" '' 'and nothing of them ran outside of its fence'

### polkit
unit_in /home/bob/.config/systemd/user uu-bob.service '[Service]' Type=oneshot "$touch" '[X-AppSwitch]' Address=198.18.77.78
as bob systemctl --user daemon-reload
run as bob systemctl --user start uu-bob
isnt "$STATUS" 0 'who may not have an address'
is "$(host_sh 'ls /tmp/uu-unfenced 2>/dev/null')" '' 'does not run without it, either'

### the deaf one
is "$(show ActiveState uu-deaf) $(show Result uu-deaf)" 'failed timeout' 'one that does not end is killed when it is time'
deaf_is_gone() {
    [[ ! $(host pgrep -u alice -f ud-deaf) ]]
}
ok 'with all that it has' wait_until 20 deaf_is_gone

done_testing
