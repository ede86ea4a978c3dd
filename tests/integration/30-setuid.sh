#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Setuid programs inside an app of an ordinary user: they get their rights, and these do not lead out of the app.
. "$(dirname "$0")/lib.sh"
need_command sudo curl

host_sh 'echo "alice ALL=(ALL) NOPASSWD: ALL" >/etc/sudoers.d/50-appswitch-tests && chmod 0440 /etc/sudoers.d/50-appswitch-tests
    install -m 4755 /usr/bin/id /usr/local/bin/id-setuid'
at_exit() {
    host rm -f /etc/sudoers.d/50-appswitch-tests /usr/local/bin/id-setuid
}

start_app --name suidweb --ip 198.18.30.1 -- python3 "$PROGRAMS/http-echo.py" 80
wait_for_listen "$APP" 80

AS_USER=alice
run client -- id -u
is "$OUT" "$(host id -u alice)" 'the app of alice runs as alice'
run client -- id -Gn
like " $OUT " ' testers ' 'with her groups'
run client -- grep NoNewPrivs /proc/self/status
like "$OUT" 'NoNewPrivs:[[:space:]]*0' 'new rights are not barred'
run client -- id-setuid -u
is "$OUT" 0 'a setuid program has the effective user of its owner'
run client -- passwd -S
like "$OUT" '^alice L' "passwd reads what is root's alone"
run client -- sudo -n id -u
is "$STATUS $OUT" '0 0' 'sudo works'
run client -- sudo -n -u bob id -un
is "$OUT" bob 'and to another user, too'

# root inside the app is still inside.
run client -- sudo -n curl -sS http://suidweb/
like "$OUT" '"server"' 'sudo curl reaches another app by name'
run client -- sudo -n curl -sS --max-time 10 http://192.0.2.1/
is "$STATUS" 7 'but not the outside'
run client -- sudo -n ip -o link
is "$(wc -l <<<"$OUT")" 1 'and sees no device but one'
like "$OUT" ' lo: ' 'which is lo'
run client -- sudo -n ip netns identify
is "$OUT" '' 'in a namespace without a name'
own=$(host readlink /proc/self/ns/net)
run client -- sudo -n readlink /proc/self/ns/net
isnt "$OUT" "$own" "that is not the host's"

done_testing
