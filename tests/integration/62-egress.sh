#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What an app reaches of the outside by its --egress=, and that it reaches nothing else there.
# timeout: 300
. "$(dirname "$0")/lib.sh"
need_command curl nginx ip nft ss dnsmasq
mark_journal

outside=$PROGRAMS/outside.py egress=$PROGRAMS/egress.py
conf=/etc/appswitch/appswitchd.conf.d/62-egress.conf

### what is outside
make_outside 62 63
host_sh 'for a in 192.0.2.3/24 169.254.169.254/32 203.0.113.7/32; do ip -n ax-outside address add $a dev ax-near; done
    ip address add 192.0.2.9/24 dev ax-near
    ip route add 169.254.169.254 dev ax-near; ip route add 203.0.113.0/24 via 192.0.2.2
    cp /etc/hosts /tmp/62-hosts'
at_exit() {
    host_sh 'cp /tmp/62-hosts /etc/hosts; rm -f '$conf' /etc/polkit-1/rules.d/30-appswitch-egress.rules
        nft delete table inet ax62; systemctl restart appswitchd polkit
        systemctl stop ax-egress-{dns,near,near6,far,nginx,reset,watch,watch-host}; ip netns del ax-outside' >/dev/null 2>&1
}
# config LINE...: restarts the daemon with these, or with none.
config() {
    printf '%s\n' '[AppSwitch]' "$@" | host sh -c 'mkdir -p /etc/appswitch/appswitchd.conf.d; cat >"$0"; systemctl restart appswitchd' $conf
    wait_until 10 host ax list || bail 'the daemon is back'
}

start_outside ax-egress-near python3 "$outside" serve 192.0.2.2 7 8
start_outside ax-egress-near6 python3 "$outside" serve 2001:db8:62::2 7 8
start_outside ax-egress-far python3 "$outside" serve 198.51.100.2 7007
start_outside ax-egress-reset python3 "$egress" reset 192.0.2.2 10
# Where nobody is to come: each that does is written down.
start_outside ax-egress-watch python3 "$egress" watchman /tmp/62-watch 192.0.2.3:7 169.254.169.254:80 203.0.113.7:80
host systemd-run --quiet --collect --unit=ax-egress-watch-host python3 "$egress" watchman /tmp/62-watch-host '[::]:8062' 0.0.0.0:8063
host_sh 'mkdir -p /srv/egress/tmp; cat >/srv/egress/nginx.conf <<CONF
daemon off; pid /srv/egress/pid; error_log /srv/egress/error.log; events { }
http { access_log off; client_body_temp_path tmp; proxy_temp_path tmp; fastcgi_temp_path tmp; uwsgi_temp_path tmp; scgi_temp_path tmp;
    server { listen 192.0.2.2:80; listen [2001:db8:62::2]:80; location / { return 200 "\$remote_addr\n"; } } }
CONF'
start_outside ax-egress-nginx nginx -p /srv/egress -c nginx.conf
for at in '192.0.2.2 7' '2001:db8:62::2 8' '198.51.100.2 7007' '192.0.2.2 80' '192.0.2.2 10'; do
    # shellcheck disable=SC2086
    wait_until 20 outside_listens $at || bail "the outside listens at $at"
done
wait_until 20 host grep -q ready /tmp/62-watch && wait_until 20 host grep -q ready /tmp/62-watch-host || bail 'the watchmen watch'

OWN4=198.18.62.9 OWN6=fd00:62::9
# out EGRESS CMD...: an app of these addresses.
out() {
    client --egress="$1" --name egress-client --ip "$OWN4" --ip "$OWN6" -- env OWN="$OWN4 $OWN6 ::ffff:$OWN4" "${@:2}"
}
said() {
    app_log "$1" | sed 1d
}

### programs
run out 192.0.2.2:80 curl -sS -w '%{remote_ip} %{local_ip}' http://192.0.2.2/
is "$OUT" $'192.0.2.1\n'"192.0.2.2 $OWN4" 'curl: the server sees the host, curl the server and itself'
run out '[2001:db8:62::]/64:80' curl -sS 'http://[2001:db8:62::2]/'
is "$OUT" 2001:db8:62::1 'curl, IPv6'
for at in "192.0.2.2 7" "2001:db8:62::2 7"; do
    # shellcheck disable=SC2086
    subtests "$at" out yes python3 "$outside" names $at
    # shellcheck disable=SC2086
    run out yes python3 "$outside" loops $at 50
    is "$OUT" 'good: 50' "$at: 50 connections at once, asyncio"
done
run out 192.0.2.0/24:1-7 python3 "$outside" loops ::ffff:192.0.2.2 7 3
is "$OUT" 'good: 3' 'an IPv4-mapped address'
# A name of two addresses, whose IPv6 is refused, or dead.
host_sh 'printf "%s\n" "2001:db8:62::2 refused6.test" "192.0.2.2 refused6.test" "2001:db8:63::77 dead6.test" "192.0.2.2 dead6.test" >>/etc/hosts
    ip -6 route add 2001:db8:63::77 via 2001:db8:63::2; ip -n ax-outside -6 route add blackhole 2001:db8:63::77
    nft add table inet ax62; nft add chain inet ax62 out "{ type filter hook output priority 0; }"
    ip netns exec ax-outside nft add table inet ax62
    ip netns exec ax-outside nft add chain inet ax62 in "{ type filter hook input priority 0; }"
    ip netns exec ax-outside nft add rule inet ax62 in ip6 daddr 2001:db8:62::2 tcp dport 80 reject with tcp reset'
for name in refused6.test dead6.test; do
    run out yes curl -sS -m 30 "http://$name/"
    is "$OUT" 192.0.2.1 "$name: curl falls back to IPv4"
done
run out yes python3 "$egress" eyeballs 80 2001:db8:63::77 192.0.2.2
is "$OUT" 192.0.2.2 'dead6: asyncio does, by happy eyeballs'
if command -v go >/dev/null; then
    cache=${BUILD_DIR:-$TESTS/../../build}/go-cache
    if said=$(cd "$TESTS/../programs/go" && CGO_ENABLED=0 GOFLAGS=-mod=mod GOPROXY=off GOCACHE=$cache GOPATH=$scratch/go \
        go build -trimpath -o "$scratch/web" . 2>&1); then
        push "$scratch/web" /usr/local/bin/go-web
        for name in refused6.test dead6.test; do
            run out yes go-web get "http://$name/"
            is "$OUT" 192.0.2.1 "$name: so does Go"
        done
    else
        fail 'the Go program is built' "$said"
    fi
fi
if node=$(host_sh 'test -x /usr/bin/node && echo /usr/bin/node || command -v node'); then
    run out yes "$node" "$PROGRAMS/node/web.js" get http://192.0.2.2/
    is "$OUT" 192.0.2.1 'Node'
    run out 192.0.2.2:81 "$node" "$PROGRAMS/node/web.js" get http://192.0.2.2/
    like "$ERR" EACCES 'and is told if it may not'
fi
if host_sh 'command -v javac >/dev/null && mkdir -p /srv/java && javac -d /srv/java "$1/java/Web.java"' "$PROGRAMS"; then
    java=(java -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xmx128m -cp /srv/java Web)
    run out yes "${java[@]}" get http://refused6.test/
    is "$OUT" 192.0.2.1 'refused6.test: HttpClient of Java'
    run out yes "${java[@]}" selector 192.0.2.2 80 /
    is "$OUT" 192.0.2.1 'a channel whose selector knew it before it connected'
fi
host_sh 'ip netns exec ax-outside nft delete table inet ax62'

### errors are the kernel's
natively=$(host python3 "$egress" errors 9 192.0.2.2 192.0.2.77 2001:db8:62::2 255.255.255.255 224.0.0.1 192.0.2.255)
run out yes python3 "$egress" errors 9 192.0.2.2 192.0.2.77 2001:db8:62::2 255.255.255.255 224.0.0.1 192.0.2.255
is "$OUT" "$natively" 'who refuses, who is not there, and what is no address of anybody'
run out yes python3 "$egress" errors 10 192.0.2.2
like "$OUT" '^192\.0\.2\.2 (0|ECONNRESET) (0|ECONNRESET)$' 'one that resets what it accepts'
run out yes python3 "$egress" errors 9 10.62.0.1
is "$OUT" "$(host python3 "$egress" errors 9 10.62.0.1)" 'where no way of the host leads to'

### from where
run out yes python3 "$egress" bound 5062 192.0.2.2 7
is "$OUT" '5062 192.0.2.1 5062' 'a port that the app is bound to is that of the host'
run out yes python3 "$egress" bound 5062 2001:db8:62::2 7
is "$OUT" '5062 2001:db8:62::1 5062' 'IPv6, too'
run out yes python3 "$egress" bound 8063 192.0.2.2 7
like "$OUT" '^8063 192\.0\.2\.1 ' 'one that the host has not free is another one there'
unlike "$OUT" ' 8063$' 'and the app does not notice'
run out yes python3 "$egress" bound 62 192.0.2.2 7
unlike "$OUT" ' 62$' 'nor does it get a privileged one'
run out yes python3 "$egress" elsewhere 192.0.2.1 ax-near 192.0.2.2 7
is "$OUT" 'EADDRNOTAVAIL ENODEV' 'addresses and devices of the host are not the app'"'"'s'
host_sh 'nft add rule inet ax62 out tcp flags syn / syn,ack meta skuid alice counter'
run client --uid alice --egress=yes -- python3 -c '
import os, socket
s = socket.create_connection(("192.0.2.2", 7))
print(os.fstat(s.fileno()).st_uid == os.getuid())'
is "$OUT" True 'the socket is the user'"'"'s'
like "$(host nft list chain inet ax62 out)" 'skuid .* counter packets 1 ' 'for the packet filter of the host, too'
config EgressSource=192.0.2.9,2001:db8:62::99
run out yes python3 "$outside" wait 192.0.2.2 7
run out yes python3 "$egress" bound 5063 192.0.2.2 7
is "$OUT" '5063 192.0.2.9 5063' 'EgressSource='
run out yes curl -sS http://192.0.2.2/
is "$OUT" 192.0.2.9 'without a port of its own, too'
run out yes python3 "$egress" errors 7 2001:db8:62::2
is "$OUT" '2001:db8:62::2 EADDRNOTAVAIL EADDRNOTAVAIL' 'one that the host does not have'
config EgressDevice=ax-far
run out yes python3 "$egress" errors 7007 198.51.100.2
is "$OUT" '198.51.100.2 0 0' 'EgressDevice='
run out yes python3 "$egress" bound 5064 192.0.2.2 7
is "$OUT" '5064 198.51.100.1 5064' 'also where the routes lead elsewhere'
config EgressDevice=nosuch0
run out yes python3 "$egress" errors 7007 198.51.100.2
is "$OUT" '198.51.100.2 ENETUNREACH ENETUNREACH' 'a device that the host does not have'
config Egress=192.0.2.2:7

### who may
as_alice() {
    host_as alice timeout 60 ax run --quiet --collect --no-ask-password "$@" </dev/null
}
host_sh 'cat >/etc/polkit-1/rules.d/30-appswitch-egress.rules <<RULES
polkit.addRule(function(action, subject) {
    if (action.id != "io.appswitch1.egress")
        return polkit.Result.NOT_HANDLED;
    return action.lookup("egress") == "192.0.2.2:80 *.example.test" ? polkit.Result.YES : polkit.Result.NO;
});
RULES
    systemctl reset-failed polkit; systemctl restart polkit'
run as_alice --egress=192.0.2.2:80,*.example.test -- curl -sS http://192.0.2.2/
is "$OUT" 192.0.2.1 'a rule of polkit can look at what is asked for'
run as_alice --egress=192.0.2.2:81 -- true
like "$STATUS $ERR" '^1 .*[Nn]ot authorized to have a way out to 192\.0\.2\.2:81.*io\.appswitch1\.egress' 'what it does not allow is refused'
for with in '' --egress=192.0.2.2:7 --egress=no; do
    # shellcheck disable=SC2086
    run as_alice $with -- python3 "$egress" errors 7 192.0.2.2
    wanted=0
    [[ $with != --egress=no ]] || wanted=ENETUNREACH
    is "$OUT" "192.0.2.2 $wanted $wanted" "${with:-the default} takes no authorization"
done
for bad in maybe? 192.0.2.1/24 'a.test,no' 'a.test:0' 'a.test:9-8' '*.*.test' '' 'a..test' "$(printf 'a%s.test,' {1..65})b.test"; do
    run host ax run --egress="$bad" -- true
    like "$STATUS $ERR" '^1 .*([Ii]nvalid|More than|empty|No )' "--egress='${bad:0:20}' is refused"
done
config

### nothing else
refused='192.0.2.3 192.0.2.1 169.254.169.254 203.0.113.7 ::ffff:192.0.2.3 2001:db8:62::2 2002:c000:203::1 64:ff9b::c000:203 ::192.0.2.3'
# shellcheck disable=SC2086
run out 192.0.2.2:7 python3 "$egress" errors 7 $refused
is "$OUT" "$(printf '%s EACCES EACCES\n' $refused)" 'one address permits no other'
run out 192.0.2.2:7,192.0.2.2:9-10 python3 "$egress" errors 8 192.0.2.2 ::ffff:192.0.2.2
is "$OUT" $'192.0.2.2 EACCES EACCES\n::ffff:192.0.2.2 EACCES EACCES' 'nor other ports of it'
run out yes python3 "$egress" errors 8062 192.0.2.1 2001:db8:62::1 169.254.169.254 192.0.2.9 ::ffff:192.0.2.1
is "$OUT" $'192.0.2.1 EACCES EACCES\n2001:db8:62::1 EACCES EACCES\n169.254.169.254 EACCES EACCES\n192.0.2.9 EACCES EACCES\n::ffff:192.0.2.1 EACCES EACCES' \
    'all of the outside is not the host itself, nor what is link-local'
run out yes python3 "$egress" errors 8062 127.0.0.1 ::1 0.0.0.0 :: ::ffff:127.0.0.1 ::ffff:0.0.0.0 127.8.0.62
is "$OUT" $'127.0.0.1 ECONNREFUSED ECONNREFUSED\n::1 ECONNREFUSED ECONNREFUSED\n0.0.0.0 ECONNREFUSED ECONNREFUSED\n:: ECONNREFUSED ECONNREFUSED\n::ffff:127.0.0.1 ECONNREFUSED ECONNREFUSED\n::ffff:0.0.0.0 ECONNREFUSED ECONNREFUSED\n127.8.0.62 ECONNREFUSED ECONNREFUSED' \
    'nor its loopback, however it is called'
run out yes python3 "$egress" errors 80 198.18.62.200 fdaa:a55:317c::62
is "$OUT" $'198.18.62.200 EHOSTUNREACH EHOSTUNREACH\nfdaa:a55:317c::62 EHOSTUNREACH EHOSTUNREACH' 'nor what is virtual'
run client -- python3 "$egress" errors 7 192.0.2.2 2001:db8:62::2
is "$OUT" $'192.0.2.2 ENETUNREACH ENETUNREACH\n2001:db8:62::2 ENETUNREACH ENETUNREACH' 'without --egress there is no way out'
run client --uid alice --egress=192.0.2.2:7 -- python3 "$egress" swap 192.0.2.2 7 192.0.2.3 7 2
is "$OUT" 'done' 'other sockets and addresses while it connects'
mute_outside
subtests 'hostile' client --uid alice --egress=192.0.2.2,198.51.100.2 -- python3 "$outside" hostile 192.0.2.2 7 7007 8063 192.0.2.3 7
unmute_outside
is "$(host cat /tmp/62-watch /tmp/62-watch-host)" $'ready\nready' 'nobody came where nobody is to come'
run out 192.0.2.1:8063 python3 "$egress" errors 8063 192.0.2.1
is "$OUT" '192.0.2.1 0 0' 'but to an address of the host that is an item itself'
run out 169.254.169.254:80 python3 "$egress" errors 80 169.254.169.254
is "$OUT" '169.254.169.254 0 0' 'and so with one that is link-local'

### names
# What the name server outside says; some of it is a lie.
start_outside ax-egress-dns dnsmasq --keep-in-foreground --no-resolv --no-hosts --no-daemon --user=root --pid-file= --bind-interfaces \
    --listen-address=192.0.2.2 --local-ttl=60 --local=/test/ --address=/race.example.test/192.0.2.2 \
    --host-record=api.example.test,192.0.2.2,2001:db8:62::2 --host-record=example.test,192.0.2.2 --host-record=other.test,192.0.2.2 \
    --host-record=cdn.other.test,192.0.2.2 --cname=www.example.test,cdn.other.test --host-record=short.example.test,192.0.2.2,1 \
    --host-record=self.example.test,127.0.0.1 --host-record=host.example.test,192.0.2.1,2001:db8:62::1 \
    --host-record=metadata.example.test,169.254.169.254 --host-record=all.example.test,224.0.0.1 \
    --host-record=tunnel.example.test,2002:c000:201::1 --host-record=virtual.example.test,198.18.62.200
config DNSForward=192.0.2.2
resolves() {
    out yes getent hosts other.test
}
ok 'the name server answers' wait_until 20 resolves
start_app --egress=short.example.test -- python3 "$egress" lapses short.example.test 7
lapses_log=$APP_LOG
run out api.example.test:80 curl -sS -w ' %{remote_ip}\n' http://api.example.test/
like "$OUT" '^(192\.0\.2\.1|2001:db8:62::1)' 'curl by name'
both=$'api.example.test 192.0.2.2 7 0\napi.example.test 2001:db8:62::2 7 0'
run out api.example.test:7 python3 "$egress" by-name api.example.test 7 192.0.2.2 7 192.0.2.2 8 192.0.2.3 7 2001:db8:62::2 8
is "$OUT" "$both"$'\n192.0.2.2 7 0\n192.0.2.2 8 EACCES\n192.0.2.3 7 EACCES\n2001:db8:62::2 8 EACCES' \
    'a name permits what it resolved to, at its ports, and nothing else'
run out api.example.test:7 python3 "$egress" errors 7 192.0.2.2
is "$OUT" '192.0.2.2 EACCES EACCES' 'and only if it was looked up'
run out '*.example.test:7' python3 "$egress" names 7 www.example.test example.test other.test cdn.other.test WWW.Example.test. nosuch.example.test
is "$OUT" $'www.example.test 192.0.2.2 0\nexample.test is no name\nother.test is no name\ncdn.other.test is no name\nWWW.Example.test. 192.0.2.2 0\nnosuch.example.test is no name' \
    'names below one, not that one, nor others, but where they lead to'
run out '*.example.test:1-9000' python3 "$egress" names 8063 host.example.test metadata.example.test all.example.test tunnel.example.test \
    self.example.test virtual.example.test
is "$OUT" $'host.example.test 192.0.2.1 EACCES 2001:db8:62::1 EACCES\nmetadata.example.test 169.254.169.254 EACCES
all.example.test 224.0.0.1 EACCES\ntunnel.example.test 2002:c000:201::1 EACCES\nself.example.test 127.0.0.1 ECONNREFUSED\nvirtual.example.test fails' \
    'what lies about where it is leads nowhere'
like "$(journal_since APPSWITCH_ADDRESS=192.0.2.1:8063)" "Egress= has \\*\\.example\\.test:1-9000, and host\\.example\\.test resolved to it, but it is the host's own" \
    'and the journal has that'
run out '*.example.test:80' python3 "$egress" names 80 metadata.example.test
is "$OUT" 'metadata.example.test 169.254.169.254 EACCES' 'nor to the secrets of a cloud'
is "$(host cat /tmp/62-watch-host)" $'ready\n0.0.0.0:8063 192.0.2.1\n0.0.0.0:8063 192.0.2.1' 'nobody came to the host that way'
run out '*.race.example.test:7' python3 "$egress" race 'a#.race.example.test' 7 200
is "$OUT" '0 200' '200 that connect as soon as they hear of it'
lapsed() {
    [[ $(said "$lapses_log") == '0 EACCES' ]]
}
ok 'a name permits for the time of its answer' wait_until 20 lapsed
like "$(journal_since APPSWITCH_ADDRESS=192.0.2.2:7)" 'has short\.example\.test, and short\.example\.test resolved to it, but too long ago' 'which the journal says, too'
start_app --name egress-once --egress=api.example.test:7 -- python3 "$egress" once api.example.test 7
once=$APP once_log=$APP_LOG
ok 'an app that looks up once connects' wait_until 10 host grep -q '192.0.2.2 0 2001:db8:62::2 0' "$once_log"
like "$(host ax status "$once")" 'Resolved: api\.example\.test (192\.0\.2\.2|2001:db8:62::2), for [0-9]+s' 'ax status knows'
run host ax explain "$once" api.example.test:7
like "$STATUS $OUT" '^0 +Allowed: .*has api\.example\.test:7, and it resolved to .*192\.0\.2\.2' 'ax explain, by name'
run host ax explain "$once" 192.0.2.2:7
like "$STATUS $OUT" '^0 +Allowed: .*has api\.example\.test:7, and api\.example\.test resolved to it' 'and by address'
n=1
for how in 'systemctl restart appswitchd' 'kill -KILL $(systemctl show -P MainPID appswitchd)' 'systemctl restart appswitch-dnsd'; do
    host_sh "$how"
    wait_until 10 host ax list
    n=$((n + 1))
    host ax kill --signal=USR1 "$once"
    ok "it goes on to: $how" wait_until 10 host sh -c '[ $(grep -c "^192.0.2.2 0 2001:db8:62::2 0$" "$0") = $1 ]' "$once_log" $n
done
host ax stop "$once"
no_permits() {
    [[ $(host_sh 'ls -A /run/appswitch/apps | grep -c permits') == 0 ]]
}
ok 'with the apps goes what was written down of them' wait_until 10 no_permits
host systemctl stop ax-egress-dns

### the journal, and what explains it
run out 192.0.2.2:7,*.example.test:443 python3 "$egress" errors 8 192.0.2.3
ok 'a refusal is a record' wait_until 10 sh -c "$LAB exec $HOST -- journalctl -q -u appswitchd --since @$since -o json \
    APPSWITCH_ADDRESS=192.0.2.3:8 | grep -q 'APPSWITCH_RULE\":\"Egress=192.0.2.2:7,\*.example.test:443'"
like "$(journal_since APPSWITCH_ADDRESS=192.0.2.3:8)" 'egress-client_[0-9]+ was refused a connection to 192\.0\.2\.3:8, which is outside: no item of its Egress= is about it\.' \
    'which says why'
before=$(journal_since | wc -l)
run out 192.0.2.2:7 python3 "$egress" storm 192.0.2.3 7 10000
is "$OUT" 'EACCES 10000' '10,000 refusals'
within "$(($(journal_since | wc -l) - before))" 3 60 'are some records'
start_app --name egress-explain --egress=192.0.2.2:7,*.example.test:443,198.51.100.0/24 -- sleep 600
explain() {
    run host ax explain egress-explain "$1"
    like "$STATUS $OUT" "$2" "ax explain $1"
}
explain 192.0.2.2:7 '^0 +Allowed: .* may connect to 192\.0\.2\.2:7, which is outside: its Egress= has 192\.0\.2\.2:7'
explain 192.0.2.2:8 '^1 +Refused: .*its Egress= has 192\.0\.2\.2:7, but for other ports'
explain 192.0.2.3:7 '^1 +Refused: .*no item of its Egress= is about it'
explain 198.51.100.1:7 "^1 +Refused: .*has 198\.51\.100\.0/24, but it is the host's own"
explain a.example.test:443 '^0 +Allowed: .*its Egress= has \*\.example\.test:443, once it looks it up'
explain A.Example.test.:444 '^1 +Refused: .*has \*\.example\.test:443, but for other ports'
explain other.test:443 '^1 +Refused: .*networks'
like "$(host ax status egress-explain)" 'Egress: 192\.0\.2\.2:7' 'ax status'
path=$(host busctl call io.appswitch1 /io/appswitch1 io.appswitch1.Manager GetApp s "$APP" | cut -d'"' -f2)
run host_as bob busctl call io.appswitch1 "$path" io.appswitch1.App ListResolved
like "$STATUS $ERR" '^1 .*(denied|told to)' 'what an app looks up is not for others'

### who does not answer
mute_outside
start_app --name egress-interrupted --egress=yes -- python3 "$outside" interrupted 198.51.100.2 7007
ok 'a signal ends the call' wait_until 20 host grep -q interrupted "$APP_LOG"
log=$APP_LOG
start_app --name egress-restarted --egress=yes -- python3 "$outside" restarted 198.51.100.2 7007
log2=$APP_LOG
ok 'signals without end do not hold up who does not wait' wait_until 20 host grep -q EINPROGRESS "$log2"
subtests 'silence' out yes python3 "$outside" timeout 198.51.100.2 7007
open_files() {
    host_sh 'ls /proc/$(systemctl show -P MainPID appswitchd)/fd | wc -l'
}
syn_sent() {
    host_sh 'ss -Htn state syn-sent dst 198.51.100.2 | wc -l'
}
files=$(open_files)
start_app --name egress-crowd --egress=yes -- python3 "$outside" crowd 198.51.100.2 7007 500
crowded() {
    (($(open_files) > files + 900))
}
ok '500 threads of an app wait' wait_until 30 crowded
run out yes python3 "$outside" loops 192.0.2.2 7 50
is "$OUT" 'good: 50' 'which is nothing to others'
host ax kill --signal=KILL "$APP"
forgotten() {
    (($(open_files) <= files))
}
ok 'they are killed, and forgotten' wait_until 20 forgotten || diag "$files before, $(open_files) now"
one_more() {
    (($(syn_sent) > before))
}
before=$(syn_sent)
start_app --name egress-wait --egress=yes -- python3 "$outside" wait 198.51.100.2 7007
log3=$APP_LOG
wait_until 20 one_more
start_app --name egress-hold --ip 198.18.62.8 --egress=192.0.2.2 -- python3 "$outside" hold 192.0.2.2 7 20
hold=$APP hold_log=$APP_LOG
ok 'connections are held' wait_until 20 host grep -q held "$hold_log"
host kill -KILL "$(host systemctl show -P MainPID appswitchd)"
ok 'the daemon is killed, and back' wait_until 20 host ax list
unmute_outside
ok 'the connect that a signal ended goes on' wait_until 60 host grep -q 'ready 0 198.51.100.2' "$log"
wait_until 60 host sh -c '[ $(grep -c ready "$0") = 2 ]' "$log2"
is "$(said "$log2")" $'EINPROGRESS\n0\nready 0\nready 0' 'one that is interrupted all the time comes to its end'
waited() {
    [[ $(said "$log3") == $'begins\n0\n198.51.100.2' ]]
}
ok 'and so does who waited when the daemon was killed' wait_until 60 waited
start_app --name egress-load --egress=192.0.2.2 -- python3 "$egress" load 192.0.2.2 7 4
for how in 'kill -KILL $(systemctl show -P MainPID appswitchd)' 'systemctl restart appswitchd' 'kill -KILL $(systemctl show -P MainPID appswitchd)'; do
    sleep 0.7
    host_sh "$how"
    wait_until 10 host ax list
done
loaded() {
    [[ $(said "$APP_LOG" | wc -l) == 1 ]]
}
ok 'it is killed and restarted while connections are made' wait_until 30 loaded
like "$(said "$APP_LOG")" '^good [0-2]( |$)' 'of which one may be lost at each kill'
host ax kill --signal=TERM "$hold"
wait_until 10 host grep -q bad "$hold_log"
is "$(said "$hold_log")" $'held\nbad: []' 'connections live on, and their names stay'
run host ax explain egress-explain 192.0.2.2:7
is "$STATUS" 0 'what an app may reach is kept, too'

is "$(journal_since -p err | grep -v 'Failed with result\|Main process exited')" '' 'the journal has no error'
done_testing
