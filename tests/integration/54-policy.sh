#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Rules: which decides, what is broken, what is told, and whose names are hidden from whom.
# timeout: 300
. "$(dirname "$0")/lib.sh"
need_command dig ping

manager=(io.appswitch1 /io/appswitch1 io.appswitch1.Manager)
POLICY=/etc/appswitch/policy.d

at_exit() {
    host_sh 'rm -rf /etc/appswitch /run/appswitch/policy.d /usr/lib/appswitch/policy.d /tmp/policy-*; ax remove policy-door;
        systemctl restart appswitchd' >/dev/null 2>&1
}

# rules FILE: from the standard input, in place of the file there was.
rules() {
    local text
    text=$(cat)
    host_sh 'mkdir -p "$(dirname "$1")"; printf "%s\n" "$2" >"$1"' "$1" "$text"
}

# get NAME URL: an app of this name asks for it; prints the status of HTTP, or the error of connect(2).
get() {
    client --name "$1" -- python3 -c '
import sys, urllib.request, urllib.error
try:
    print(urllib.request.urlopen(sys.argv[1], timeout=20).status)
except urllib.error.URLError as e:
    print(type(e.reason).__name__)' "$2"
}

start_app --name policy-web --ip 198.18.54.1 --ip fdaa:a55:317c::5401 -- python3 -m http.server 80 --bind ::
web=$APP
wait_for_listen "$web" 80
start_app --name policy-admin --ip 198.18.54.2 --ip fdaa:a55:317c::5402 -- python3 -m http.server 8080 --bind 198.18.54.2
admin=$APP
wait_for_listen "$admin" 8080
start_app --name policy-far --ip 198.18.54.3 --tag zone=far -- python3 -m http.server 80
wait_for_listen "$APP" 80

### which rule decides
run host ax policy show
like "$OUT" '^0 rules in force' 'no rules at first'
is "$(get policy-client http://198.18.54.1/)" 200 'without rules, all is allowed'
rules $POLICY/10-web.conf <<'RULES'
# who may read
[Rule]
From=app:policy-client app:policy-reader
To=app:policy-web
Ports=80 8000-8100
Action=allow
Log=yes
Description=clients may read

[Rule]
From=*
To=198.18.54.1 fdaa:a55:317c::5401
Action=deny
Description=nobody else
RULES
rules $POLICY/20-users.conf <<'RULES'
[Rule]
From=app:policy-client
To=app:policy-far
Action=allow
[Rule]
From=user:alice
To=app:policy-admin
Ports=8080
Action=deny
[Rule]
From=app:policy-thief
To=app:policy-web
Action=allow
RULES
is "$(get policy-other http://198.18.54.1/)" 200 'files alone change nothing'
mark_journal
run host ax policy reload
is "$STATUS" 0 'the policy is reloaded'
is "$(get policy-client http://198.18.54.1/)" 200 'a rule allows it'
is "$(get policy-other http://198.18.54.1/)" PermissionError 'the next refuses others, with EACCES'
is "$(get policy-other 'http://[fdaa:a55:317c::5401]/')" PermissionError 'by IPv6, too'
is "$(get policy-thief http://198.18.54.1/)" PermissionError 'a later file does not open what an earlier one refuses'
is "$(get policy-other http://198.18.54.2:8080/)" 200 'what no rule is about goes on as ever'
is "$(get policy-client http://198.18.54.3/)" PermissionError 'a rule does not open what tags keep shut'
AS_USER=alice run get policy-alice http://198.18.54.2:8080/
is "$OUT" PermissionError 'a rule about a user'
run client --name policy-web -- python3 -c '
import urllib.request
print(urllib.request.urlopen("http://127.0.0.1/").status, urllib.request.urlopen("http://198.18.54.1/").status)'
is "$OUT" '200 200' 'instances of one identity reach each other'

### what is recorded
run journal_since
like "$OUT" "policy-other_[0-9]+ was refused a connection to 198\.18\.54\.1:80 of $web: the rule at $POLICY/10-web\.conf:10 denies it \(nobody else\)\." \
    'a refusal names the rule, its place and what it is for'
like "$OUT" "policy-client_[0-9]+ was allowed a connection to 198\.18\.54\.1:80 of $web: the rule at $POLICY/10-web\.conf:2 allows it \(clients may read\)\." \
    'a rule with Log=yes records what it allows'
like "$OUT" 'policy-client_[0-9]+ was refused a connection to 198\.18\.54\.3:80 of .*: they share no tag\.' 'tags are still told as that'
run journal_since "APPSWITCH_RULE=$POLICY/10-web.conf:10"
is "$(wc -l <<<"$OUT")" 3 'the rule is a field of the record'
mark_journal
client --name policy-client -- python3 -c '
import socket
for i in range(40):
    socket.create_connection(("198.18.54.1", 80)).close()'
run journal_since "APPSWITCH_RULE=$POLICY/10-web.conf:2"
within "$(wc -l <<<"$OUT")" 10 20 'records are held back when there are many'
run host ax policy show
like "$OUT" "$POLICY/10-web\.conf:2 +allow +app:policy-client app:policy-reader +app:policy-web +80 8000-8100 +yes +41 +clients may read" \
    'the rules in force, and how often each decided'
like "$OUT" '5 rules in force' 'all of them'
run host_as alice ax policy show --json=short
like "$OUT" "\"file\":\"$POLICY/20-users.conf\",\"line\":5,\"action\":\"deny\",\"from\":\"user:alice\"" 'as JSON, to everybody'

### why
start_app --name policy-client -- sleep 1000
client=$APP
start_app --name policy-other -- sleep 1000
other=$APP
run host ax explain policy-client policy-web:80
is "$STATUS" 0 'explain: allowed'
like "$OUT" "Allowed: $client may connect to 198\.18\.54\.1:80 of $web.*Tag: zone=default.*Rule: $POLICY/10-web\.conf:2.*Backend: $web.*Target: 198\.18\.54\.1:80.*resolves for $client" \
    'with tag, rule, backend and name'
run host_as alice ax explain "$other" policy-web.ax.internal:80
is "$STATUS" 1 'explain: refused'
like "$OUT" "Refused: .*nobody else.*Rule: $POLICY/10-web\.conf:10.*does not resolve for $other" 'with the rule, and what that means for the name'
unlike "$OUT" 'Backend' 'and no backend'
run host ax explain policy-client policy-far:80
like "$STATUS $OUT" '^1 .*they share no tag' 'explain: for want of a tag'
run host ax explain policy-client policy-web:22
like "$STATUS $OUT" "^1 .*Nobody listens on port 22 of $web; if somebody did, it would be refused: the rule at $POLICY/10-web\.conf:10" \
    'explain: a port that nobody listens on, and a rule refuses'
run host ax explain policy-client '[fdaa:a55:317c::5402]:8080'
like "$STATUS $OUT" '^0 .*Nobody listens on port 8080' 'explain: an address that nobody listens on'
run host ax explain policy-client policy-admin:8080
like "$OUT" "Backend: $admin" 'explain: by name, at the address that is listened on'
run host ax explain policy-client nosuch:80
like "$STATUS $OUT" "^1 .*Nobody has the name 'nosuch', so it does not resolve" 'explain: a name that nobody has'
run host ax explain policy-client 198.18.99.99:80
like "$STATUS $OUT" '^1 .*Nobody has the address' 'explain: an address that nobody has'
run host ax explain policy-client 192.0.2.1:80
like "$STATUS $OUT" '^1 .*outside' 'explain: the outside'
run host ax explain "appswitch-$client.scope" "appswitch-$web.scope:22"
like "$STATUS $OUT" "^1 .*Nobody listens on port 22 of $web; if somebody did, it would be refused" 'explain: both by their units'
run host ax explain appswitch-nosuch_1.scope policy-web:80
like "$STATUS $ERR" "^1 .*There is no app 'appswitch-nosuch_1.scope'.*Hint: .*ax list" 'explain: a unit that is not there'
run host ax explain nosuch policy-web:80
like "$STATUS $ERR" "^1 .*There is no app 'nosuch'" 'explain: a client that is not there'
for word in policy-web policy-web: policy-web:0 policy-web:65536 :80 policy-web:http; do
    run host ax explain policy-client "$word"
    like "$STATUS $ERR" '^1 .*is no service; allowed is NAME:PORT' "explain: $word is no service"
done
run host busctl call "${manager[@]}" Explain ssq policy-client policy-web 0
like "$ERR" 'There is no port 0' 'Explain of port 0'
before=$(host ax policy show --json=short)
host ax explain policy-client policy-web:80 >/dev/null
is "$(host ax policy show --json=short)" "$before" 'to ask does not count'

### who may not
run host_as alice ax --no-ask-password policy reload
like "$STATUS $ERR" '^1 .*[Nn]ot authorized|^1 .*password' 'alice may not reload the policy'
run host_as alice ax --no-ask-password policy check
like "$STATUS $ERR" '^1 .*[Nn]ot authorized|^1 .*password' 'nor try one'
host_sh 'mkdir -p /etc/polkit-1/rules.d; cat >/etc/polkit-1/rules.d/10-policy-test.rules <<RULES
polkit.addRule(function(action, subject) {
    if (action.id == "io.appswitch1.manage-policy" && subject.user == "bob" && action.lookup("verb") == "check")
        return polkit.Result.YES;
});
RULES'
tried() {
    host_as bob ax --no-ask-password policy check
}
ok 'bob may try one, by a rule of polkit' wait_until 20 tried
run host_as bob ax --no-ask-password policy reload
isnt "$STATUS" 0 'but not reload'
host rm /etc/polkit-1/rules.d/10-policy-test.rules

### a dry run
host_sh 'mkdir /tmp/policy-try; cp /etc/appswitch/policy.d/* /tmp/policy-try'
rules /tmp/policy-try/05-new.conf <<'RULES'
[Rule]
From=app:policy-client
To=app:policy-web
Action=deny
[Rule]
From=app:policy-other
To=app:policy-web
Ports=80
Action=allow
[Rule]
From=app:policy-client
To=app:policy-web
Ports=443
Action=allow
RULES
run host ax policy check /tmp/policy-try
is "$STATUS" 0 'a dry run'
like "$OUT" "would cut:  $client to policy-web:80 \(by /tmp/policy-try/05-new\.conf:1\)" 'says what would be cut'
like "$OUT" "would open: $other to policy-web:80 \(by /tmp/policy-try/05-new\.conf:5\)" 'and what opened'
like "$OUT" '/tmp/policy-try/05-new\.conf:10: warning: This rule never decides: that of /tmp/policy-try/05-new\.conf:1' \
    'and warns of a rule that nothing gets to'
like "$OUT" ' 2 connections would be decided otherwise\.' 'and no more'
is "$(get policy-client http://198.18.54.1/)" 200 'it changes nothing'
rules /tmp/policy-try/99-wrong.conf <<'RULES'
[Rule]
From=app:policy-client
To=apple:policy-web
Port=80
Action=perhaps
[Rule]
From=10.0.0.1/8
Action=deny
RULES
run host ax policy check /tmp/policy-try
is "$STATUS" 1 'errors are a failure'
for line in '3: error: To= does not take .apple:policy-web.; allowed: app:NAME' "4: error: Unknown key 'Port'; allowed: From=, To=, Ports=" \
    "5: error: Action= does not take 'perhaps'; allowed: allow or deny" '7: error: From= does not take .10\.0\.0\.1/8.' '6: error: This rule has no To='; do
    like "$OUT" "/tmp/policy-try/99-wrong\.conf:$line" "line $line"
done
run host ax policy check /tmp/policy-try --json=short
like "$OUT" '"error":true,"file":"/tmp/policy-try/99-wrong\.conf","line":3' 'as JSON'
host_sh 'mkdir /tmp/policy-empty'
run host ax policy check /tmp/policy-empty
like "$OUT" "would open: $other to policy-web:80" 'a directory without rules opens what rules had shut'
run host ax policy check /tmp/policy-nothing
like "$STATUS $ERR" '^1 .*Failed to find the directory' 'a directory that is not there'
run host ax policy check
like "$OUT" '^0 errors, 0 warnings; 0 connections would be decided otherwise' 'without a directory it is about the files as they are'
run host ax policy frobnicate
like "$STATUS $ERR" '^1 .*there are show, check and reload' 'no such command'

### a broken file when it is reloaded
rules $POLICY/15-typo.conf <<'RULES'
[Rule]
From=app:policy-client
To=app:policy-web
Action=alow
RULES
rules $POLICY/05-first.conf <<'RULES'
[Rule]
From=app:policy-client
To=app:policy-web
Action=deny
RULES
mark_journal
run host ax policy reload
is "$STATUS" 1 'a broken file is not taken'
like "$ERR" "$POLICY/15-typo\.conf:4: Action= does not take 'alow'; allowed: allow or deny; the policy stays as it was" 'and who asked is told where and why'
run journal_since
like "$OUT" "$POLICY/15-typo\.conf:4: Action= does not take" 'so is the journal'
is "$(get policy-client http://198.18.54.1/)" 200 'nothing of the new files is in force, not of the good ones either'
is "$(get policy-other http://198.18.54.1/)" PermissionError 'and all of the old'
run host systemctl reload appswitchd
isnt "$STATUS" 0 'systemctl reload fails, too'
is "$(get policy-client http://198.18.54.1/)" 200 'and leaves all as it was'
run host ax policy show
like "$OUT" '5 rules in force' 'the rules in force are the old ones'

### a broken file when the daemon starts
host rm $POLICY/05-first.conf
host mv $POLICY/15-typo.conf $POLICY/07-typo.conf
mark_journal
host systemctl restart appswitchd
run host ax policy show
like "$OUT" "$POLICY/07-typo\.conf:1 +deny \(error\) +app:policy-client +app:policy-web" 'a broken rule denies'
is "$(get policy-client http://198.18.54.1/)" PermissionError 'what it is about is refused, though a later rule allows it'
is "$(get policy-reader http://198.18.54.1/)" 200 'what it is not about is not'
is "$(get policy-client http://198.18.54.2:8080/)" 200 'nor are other apps'
run journal_since
like "$OUT" "$POLICY/07-typo\.conf:4: Action= does not take" 'the journal says what is wrong'
like "$OUT" 'The policy has 1 error: until it is corrected and the policy is reloaded, connections that a broken rule might be about are refused' \
    'and what that means'
like "$OUT" "policy-client_[0-9]+ was refused .*the rule at $POLICY/07-typo\.conf:1 has an error, and so denies it" 'so does each refusal'
rules $POLICY/07-typo.conf <<'RULES'
[Rule]
From=app:policy-client
T0=app:policy-web
Action=allow
RULES
host systemctl restart appswitchd
is "$(get policy-client http://198.18.54.2:8080/)" PermissionError 'a rule that could be about anybody denies to all'
is "$(get policy-other http://198.18.54.2:8080/)" PermissionError 'and from all'
run host ax policy reload
isnt "$STATUS" 0 'it is still broken'
host rm $POLICY/07-typo.conf
run host ax policy reload
is "$STATUS" 0 'without it the policy is taken'
is "$(get policy-client http://198.18.54.1/)" 200 'and all is well'
host_sh "mkdir $POLICY/30-directory.conf"
run host ax policy reload
like "$ERR" "$POLICY/30-directory\.conf: The file cannot be read" 'what is no file is an error'
host rmdir $POLICY/30-directory.conf

### directories
rules /usr/lib/appswitch/policy.d/01-vendor.conf <<'RULES'
[Rule]
From=app:policy-client
To=app:policy-web
Action=deny
RULES
host ax policy reload
is "$(get policy-client http://198.18.54.1/)" PermissionError 'files of packages count'
host ln -s /dev/null $POLICY/01-vendor.conf
host ax policy reload
is "$(get policy-client http://198.18.54.1/)" 200 'and can be masked'
host_sh 'rm -r /usr/lib/appswitch/policy.d; rm /etc/appswitch/policy.d/01-vendor.conf; ax policy reload'

### names
run client --name policy-client -- getent ahostsv4 policy-web
like "$OUT" '198\.18\.54\.1 ' 'who may connect finds the name'
run client --name policy-other -- getent ahosts policy-web
is "$STATUS $OUT" '2 ' 'who may not does not: glibc'
for args in policy-web.ax.internal 'policy-web.ax.internal AAAA' policy-web '-x 198.18.54.1' '-x fdaa:a55:317c::5401' '+tcp policy-web.ax.internal'; do
    # shellcheck disable=SC2086
    run client --name policy-other -- dig +tries=1 +time=5 $args
    like "$OUT" 'status: NXDOMAIN' "dig $args"
    # shellcheck disable=SC2086
    run client --name policy-client -- dig +tries=1 +time=5 $args
    like "$OUT" 'status: NOERROR.*ANSWER: 1' "dig $args, of who may"
done
run client --name policy-other -- dig +short -x 198.18.54.2
is "$OUT" policy-admin.ax.internal. 'other names are found'
run client --name policy-client -- dig policy-far.ax.internal
like "$OUT" 'status: NXDOMAIN' 'without a common tag a name is hidden'
run client --name policy-web -- dig +short policy-web.ax.internal
is "$OUT" 198.18.54.1 'to its own instances it never is'
run client --name policy-other -- ping -n -c 1 -W 5 198.18.54.1
like "$STATUS $OUT" '^1 .*Unreachable' 'an app that may not connect gets no echo'
run client --name policy-client -- ping -n -c 1 -W 5 198.18.54.1
is "$STATUS" 0 'who may for some port does'
start_app --name sub.policy-hidden --ip 198.18.54.9 --tag zone=far -- sleep 1000
run client -- dig policy-hidden.ax.internal
like "$OUT" 'status: NXDOMAIN' 'above a hidden name there is nothing, either'
run client --tag zone=far -- dig policy-hidden.ax.internal
like "$OUT" 'status: NOERROR' 'but for those that may know of it'
if host_sh 'command -v go >/dev/null'; then
    host_sh 'mkdir -p /tmp/policy-go && cat >/tmp/policy-go/main.go <<GO
package main

import (
	"fmt"
	"net"
)

func main() {
	addresses, err := net.LookupHost("policy-web")
	e, ok := err.(*net.DNSError)
	fmt.Println(len(addresses), ok && e.IsNotFound)
	names, err := net.LookupAddr("198.18.54.1")
	fmt.Println(names, err != nil)
}
GO
cd /tmp/policy-go && HOME=/root GOFLAGS=-mod=mod GO111MODULE=off CGO_ENABLED=0 go build -o names main.go'
    run client --name policy-other -- env GODEBUG=netdns=go /tmp/policy-go/names
    is "$OUT" $'0 true\n[] true' 'Go'
    run client --name policy-client -- env GODEBUG=netdns=go /tmp/policy-go/names
    is "$OUT" $'2 false\n[policy-web.ax.internal.] false' 'Go, of who may'
else
    skip 'Go' 'no Go'
fi

# An app that runs sees the change at once, also one that is in a view with others.
host_sh 'cat >/tmp/policy-look.py <<PY
import socket, sys, time
def there():
    try:
        socket.getaddrinfo("policy-web", None)
        return True
    except socket.gaierror:
        return False
while True:
    now = there()
    print("there" if now else "hidden", flush=True)
    while there() == now:
        time.sleep(0.05)
PY'
start_app --name policy-late -- python3 /tmp/policy-look.py
look=$APP_LOG
seen() {
    [[ $(app_log "$look" | grep -v '^Running' | tr '\n' ' ') == "$1" ]]
}
ok 'a name is hidden' wait_until 20 seen 'hidden '
rules $POLICY/02-late.conf <<'RULES'
[Rule]
From=app:policy-late
To=app:policy-web
Ports=443
Action=allow
RULES
host ax policy reload
ok 'it is there when the policy says so' wait_until 20 seen 'hidden there '
host_sh "rm $POLICY/02-late.conf; ax policy reload"
ok 'and hidden again' wait_until 20 seen 'hidden there hidden '
host systemctl restart appswitch-dnsd
run client --name policy-other -- dig +tries=3 +time=2 policy-web.ax.internal
like "$OUT" 'status: NXDOMAIN' 'a name service that starts anew hides the same'
run client --name policy-client -- dig +tries=3 +time=2 +short policy-web.ax.internal
is "$OUT" 198.18.54.1 'and shows the same'
host systemctl restart appswitchd
run client --name policy-other -- dig +tries=3 +time=2 policy-web.ax.internal
like "$OUT" 'status: NXDOMAIN' 'so it is after a restart of the daemon'
run host ax explain policy-late policy-web:80
like "$OUT" 'does not resolve' 'which knows the rules about apps that it found'

host_sh 'mkdir -p /etc/appswitch; printf "[AppSwitch]\nHideNames=no\n" >/etc/appswitch/appswitchd.conf; systemctl restart appswitchd'
run client --name policy-other -- getent ahostsv4 policy-web
like "$OUT" '198\.18\.54\.1 ' 'with HideNames=no names are there for everybody'
is "$(get policy-other http://policy-web/)" PermissionError 'but not what they name'
run host ax explain policy-other policy-web:80
like "$OUT" 'resolves for .*HideNames=no' 'explain says so'
host_sh 'rm /etc/appswitch/appswitchd.conf; systemctl restart appswitchd'

### virtual services
run host ax create policy-door --runtime --ip 198.18.54.20 --port 80 --backend app:policy-web
is "$STATUS" 0 'a virtual service before the app'
is "$(get policy-other http://198.18.54.20/)" PermissionError 'a rule about all is about it as a client, too'
rules $POLICY/03-door.conf <<'RULES'
[Rule]
From=app:policy-door
To=app:policy-web
Action=allow
[Rule]
From=app:policy-thief
To=app:policy-door
Action=deny
RULES
host ax policy reload
is "$(get policy-other http://198.18.54.20/)" 200 'a rule lets it through'
is "$(get policy-thief http://198.18.54.20/)" PermissionError 'a rule keeps a client from it'
run client --name policy-other -- dig +short policy-door.ax.internal
is "$OUT" 198.18.54.20 'its name is found'
run client --name policy-thief -- dig policy-door.ax.internal
like "$OUT" 'status: NXDOMAIN' 'but not by whom it is closed to'
run host ax explain policy-other policy-door:80
like "$OUT" "Backend: $web" 'explain: by way of the service'
host ax edit policy-door --tag zone=far
is "$(get policy-other http://198.18.54.20/)" PermissionError 'a service with other tags is closed to who had one in common'
run client --name policy-other -- dig policy-door.ax.internal
like "$OUT" 'status: NXDOMAIN' 'and its name is gone for him'
run client --name policy-other --tag zone=far -- dig +short policy-door.ax.internal
is "$OUT" 198.18.54.20 'and there for others'
host ax edit policy-door --name policy-gate --tag zone=default
run client --name policy-thief -- dig +short policy-gate.ax.internal
is "$OUT" 198.18.54.20 'a rule about its old name is not about the new one'
is "$(get policy-other http://198.18.54.20/)" PermissionError 'nor is the one that let it through'

done_testing
