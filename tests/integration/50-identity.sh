#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Who an app is: several names and addresses, one of either kind, or none; who may join, and who may not.
# timeout: 240
. "$(dirname "$0")/lib.sh"
need_command curl dig

echo_py=$PROGRAMS/echo.py load=$PROGRAMS/load.py

# app_json APP KEY...: a property of an app as JSON
app_json() {
    host ax list --json=short | /usr/bin/python3 -c 'import json, sys
for app in json.load(sys.stdin):
    if app["id"] == sys.argv[1]:
        print(json.dumps([app[k] for k in sys.argv[2:]] if len(sys.argv) > 3 else app[sys.argv[2]]))' "$@"
}
# property APP NAME: as busctl has it
property() {
    host busctl get-property io.appswitch1 "/io/appswitch1/app/$(host_sh 'busctl call --json=short io.appswitch1 /io/appswitch1 \
        io.appswitch1.Manager GetApp s "$1" | sed "s,.*/app/,,; s,\".*,,"' "$1")" io.appswitch1.App "$2"
}
# refused STATUS-REGEX TEXT COMMAND...: nothing is run, and one line says why
refused() {
    local regex=$1 text=$2
    shift 2
    run "$@"
    is "$STATUS" 1 "$text: refused"
    like "$ERR" "$regex" "$text: says what is in the way"
    is "$OUT" '' "$text: nothing is run"
}
in_dig() {
    client -- dig +tries=1 +time=2 +short "$@"
}

for who in root alice; do
    case $who in
        root) AS_USER='' net=198.18.50 ;;
        alice) AS_USER=alice net=198.18.150 ;;
    esac
    p=id-$who

    ### several names
    start_app --name "$p-web" --name "$p-WWW" --name "shop.$p" --name "$p-www" -- python3 -m http.server 80
    web=$APP
    wait_for_listen "$web" 80
    is "$(app_json "$web" name names)" "[\"$p-web\", [\"$p-web\", \"$p-www\", \"shop.$p\"]]" "$who: an app of three names, each once"
    like "$web" "^$p-web_[0-9]+$" "$who: its id is made of the first one"
    is "$(property "$web" Names)" "as 3 \"$p-web\" \"$p-www\" \"shop.$p\"" "$who: property Names"
    is "$(property "$web" Name)" "s \"$p-web\"" "$who: property Name is the first"
    address=$(app_address "$web") address6=$(app_address "$web" 6)
    for name in "$p-web" "$p-www" "shop.$p" "$p-www.ax.internal" "shop.$p.ax.internal" "$p-WWW"; do
        is "$(in_dig "$name")" "$address" "$who: $name is found"
        is "$(in_dig "$name" AAAA)" "$address6" "$who: $name is found by IPv6"
    done
    is "$(in_dig -x "$address" | sort | tr '\n' ' ')" "$p-web.ax.internal. $p-www.ax.internal. shop.$p.ax.internal. " "$who: an address has all names"
    run client -- sh -c 'for n; do curl -s -o /dev/null -w "%{http_code} %{remote_ip}\n" "http://$n/"; done' sh "$p-web" "$p-www.ax.internal" "shop.$p"
    is "$OUT" "200 $address"$'\n'"200 $address"$'\n'"200 $address" "$who: curl reaches it by each"
    is "$(host ax status --no-pager "$p-www" | sed -n 's/^ *Name: //p')" "$p-web" "$who: ax means it by a further name"
    is "$(host_sh 'busctl call --json=short io.appswitch1 /io/appswitch1 io.appswitch1.Manager GetAppsByName s "$1"' "shop.$p" | grep -o /app/ | wc -l)" 1 "$who: so does GetAppsByName"

    ### who joins
    run client --name "$p-web" -- ip -brief -4 address show lo
    like "$OUT" "${address//./\\.}" "$who: others join by the first name"
    run client --name "shop.$p" -- ip -brief -4 address show lo
    like "$OUT" "${address//./\\.}" "$who: by another one"
    run client --name "$p-www" --name "$p-web" --ip "$address6" -- ip -brief -4 address show lo
    like "$OUT" "${address//./\\.}" "$who: by several, and an address"
    run client --ip "$address" -- sh -c 'ip -brief -6 address show lo; curl -s -o /dev/null -w "%{http_code}\n" http://127.0.0.1/'
    like "$OUT" "${address6}" "$who: by an address alone"
    like "$OUT" '200$' "$who: and has the others' loopback"

    ### who does not
    start_app --name "$p-db" --ip "$net.2" --ip "$net.3" -- sleep 1000
    db=$APP
    start_app --ip "$net.4" -- sleep 1000
    bare=$APP
    refused "Name $p-web and name $p-db belong to different apps" "$who: names of two apps" client --name "$p-web" --name "$p-db" -- id
    refused "Name $p-www belongs to an app with the names $p-web, $p-www, shop\\.$p, and $p-new is none of them" \
        "$who: a name that the app has not" client --name "$p-new" --name "$p-www" -- id
    refused "Name $p-web and address ${net//./\\.}\\.3 belong to different apps" "$who: name and address of two apps" client --name "$p-web" --ip "$net.3" -- id
    refused "Name $p-db belongs to an app with the addresses ${net//./\\.}\\.2, ${net//./\\.}\\.3, .*, and ${net//./\\.}\\.9 is none of them" \
        "$who: an address that the app has not" client --name "$p-db" --ip "$net.9" -- id
    refused "Address ${net//./\\.}\\.4 belongs to an app without a name, so that it cannot be named $p-new" "$who: a name for one without" client --name "$p-new" --ip "$net.4" -- id
    is "$(in_dig "$p-new")" '' "$who: nothing of that is left in the name service"
    run client --name "$p-new" -- echo good
    is "$OUT" good "$who: nor elsewhere"
    is "$(app_json "$web" names)" "[\"$p-web\", \"$p-www\", \"shop.$p\"]" "$who: the app is as it was"

    ### address only; neither
    is "$(app_json "$bare" name names)" '["", []]' "$who: an app of an address has no name"
    is "$(app_address "$bare")" "$net.4" "$who: but that address"
    like "$(app_address "$bare" 6)" '^fe80:' "$who: and a link-local one of the other family"
    run client -- ip -brief address show lo
    like "$OUT" '169\.254\.[0-9]+\.[0-9]+.*fe80:' "$who: one with neither has link-local addresses"
    run client --ip "$net.4" -- true
    is "$STATUS" 0 "$who: another joins it by its address"

    ### the address follows from the name
    host ax stop "$web"
    is "$(in_dig "$p-www")" '' "$who: with the app all its names are gone"
    for i in 1 2; do
        start_app --name "$p-web" --name "$p-other$i" -- sleep 1000
        is "$(app_address "$APP") $(app_address "$APP" 6)" "$address $address6" "$who: addresses are those of the first name ($i)"
        host ax stop "$APP"
    done

    ### one distributed app: a common port space, a common loopback, by whichever name
    start_app --name "$p-dist" --name "$p-alt" -- python3 "$echo_py" a 1001
    a=$APP
    start_app --name "$p-alt" -- python3 "$echo_py" b 1002
    b=$APP
    start_app --name "$p-dist" -- python3 "$echo_py" c 1001
    c=$APP
    wait_for_listen "$a" 1001
    wait_for_listen "$b" 1002
    wait_for_listen "$c" 1001
    is "$(app_json "$b" names addresses)" "$(app_json "$a" names addresses)" "$who: who joined by the second name has both"
    for to in "$p-dist" "$p-alt" 127.0.0.1 ::1 localhost; do
        run client --name "$p-alt" -- sh -c 'python3 "$0" connects "$1" 1001 4; python3 "$0" connects "$1" 1002 2' "$load" "$to"
        is "$OUT" $'a:2 c:2\nb:2' "$who: a distributed app at $to"
    done
    run client -- sh -c 'python3 "$0" connects "$1" 1001 4; python3 "$0" connects "$1" 1002 2' "$load" "$p-alt"
    is "$OUT" $'a:2 c:2\nb:2' "$who: by the second name for everybody"
    run client -- python3 "$load" connects 127.0.0.1 1001 1
    like "$OUT" 'refused' "$who: whose loopback is nobody else's"

    ### a restart keeps it all
    before=$(host ax list --json=short)
    host systemctl restart appswitchd
    ok "$who: restart: the daemon is back" wait_until 20 host ax list
    is "$(host ax list --json=short)" "$before" "$who: restart: ax list is the same"
    is "$(in_dig "$p-alt")" "$(app_address "$a")" "$who: restart: further names are known"
    run client --name "$p-alt" -- python3 "$load" connects 127.0.0.1 1001 4
    is "$OUT" 'a:2 c:2' "$who: restart: and join"
    refused "belong to different apps" "$who: restart: names of two apps" client --name "$p-alt" --name "$p-db" -- id
    for app in "$a" "$b" "$c" "$db" "$bare"; do
        host ax stop "$app"
    done
done

### whose it is
AS_USER=
AS_USER='' start_app --name id-owned --name id-owned2 --ip 198.18.50.60 -- sleep 1000
AS_USER=alice start_app --name id-hers --name id-hers2 --ip 198.18.50.61 -- sleep 1000
for claim in '--name id-owned2' '--name mine --name id-owned2' '--name ID-OWNED2' '--name mine --ip 198.18.50.60' '--ip 198.18.50.60' \
    '--name id-hers --name id-owned2' '--name id-hers --ip 198.18.50.60'; do
    # shellcheck disable=SC2086
    refused 'belongs to an app of user 0' "alice: $claim" host_as alice ax run $claim -- id
done
is "$(in_dig mine)" '' 'nothing is left of that'
run client --name id-hers2 -- id -un
is "$OUT" root 'root joins an app of alice'
run host_as alice ax run --name id-hers2 -- id -un
is "$OUT" alice 'alice joins her own'

### the interface
run host busctl --json=short call io.appswitch1 /io/appswitch1 io.appswitch1.Manager RunApp 'asasa{sv}' 2 sleep 1000 1 PATH=/usr/bin \
    3 Names as 2 id-bus-b id-bus-c Name s id-bus-a Weight u 7
is "$STATUS" 0 'RunApp with Name and Names'
bus=$(grep -o 'id-bus-a_[0-9]*' <<<"$OUT" | head -n 1)
APPS+=("$bus")
is "$(app_json "$bus" names weight)" '[["id-bus-a", "id-bus-b", "id-bus-c"], 7]' 'Name comes first, in whatever order the options are'
bus_run() {
    host busctl call io.appswitch1 /io/appswitch1 io.appswitch1.Manager RunApp 'asasa{sv}' 1 true 0 "$@"
}
refused 'Invalid name .a_b.: it may have only' 'a bad name among Names' bus_run 1 Names as 2 good a_b
refused 'Invalid name ..: it is empty' 'an empty name among Names' bus_run 1 Names as 1 ''
refused 'More than 8 names were given' 'nine names' bus_run 1 Names as 9 a b c d e f g h i
refused 'More than 8 names were given' 'one and eight' bus_run 2 Name s x Names as 8 a b c d e f g h
refused 'another type' 'Names of another type' bus_run 1 Names s a
refused 'given twice' 'Names twice' bus_run 2 Names as 1 a Names as 1 b
# shellcheck disable=SC2046
run client $(printf -- '--name id-eight-%s ' 1 2 3 4 5 6 7 8) -- echo good
is "$OUT" good 'eight names are good'

### how many a user may have
host_sh 'mkdir -p /run/appswitch/appswitchd.conf.d; printf "[AppSwitch]\nNamesPerUserMax=4\n" >/run/appswitch/appswitchd.conf.d/names.conf
    systemctl restart appswitchd'
ok 'the daemon is back' wait_until 20 host ax list
refused 'User 5001 would have 5 names, more than the 4 that NamesPerUserMax= allows' 'alice: one name too many' \
    host_as alice ax run --name id-max1 --name id-max2 --name id-max3 -- id
run host_as alice ax run --name id-max1 --name id-max2 -- echo good
is "$OUT" good 'alice: as many as she may'
run host_as alice ax run --name id-hers -- echo good
is "$OUT" good 'alice: those she has count once'
# shellcheck disable=SC2046
run client $(printf -- '--name id-root-%s ' 1 2 3 4 5) -- echo good
is "$OUT" good 'root is not bound'
host_sh 'rm -r /run/appswitch/appswitchd.conf.d; systemctl restart appswitchd'
ok 'the daemon is back' wait_until 20 host ax list

done_testing
