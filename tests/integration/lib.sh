# shellcheck shell=bash disable=SC2016,SC2034,SC2119,SC2120
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# For the integration tests: TAP on stdout, commands in a host of the lab, apps that do not outlive the test.
#
#   . "$(dirname "$0")/lib.sh"
#   need_command nginx                       # else the file is skipped
#   start_app --name web -- python3 -m http.server 80
#   wait_for_listen "$APP" 80
#   run client -- curl -s http://web/        # sets OUT, ERR, STATUS
#   is "$STATUS" 0 'curl ends well'
#   like "$OUT" '<title>' 'the server answers by name'
#   done_testing
#
# One `ok` line is one test. A file that ends without done_testing has failed.
set -u

TESTS=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
LAB=${LAB:-$TESTS/../../tools/lab}
HOST=${HOST:-1}
PROGRAMS=/usr/src/appswitch/tests/programs      # where hosts see tests/programs

OUT='' ERR='' STATUS=0      # of the last run
OPTIONS=() ARGS=()          # of the last split_options
APP='' APP_LOG='' APPS=()   # of the last start_app, and the ids of all

n_tests=0
n_failed=0
is_done=''
scratch=$(mktemp -d)

### TAP

# The end of what was said, if it was much.
diag() {
    printf '%s\n' "$*" | tail -n 30 | cut -c1-400 | sed 's/^/# /'
}

pass() {
    n_tests=$((n_tests + 1))
    printf 'ok %d - %s\n' "$n_tests" "$1"
}

# fail TEXT [DIAGNOSTIC...]
fail() {
    n_tests=$((n_tests + 1))
    n_failed=$((n_failed + 1))
    printf 'not ok %d - %s\n' "$n_tests" "$1"
    shift
    local line
    for line; do
        [[ ! $line ]] || diag "$line"
    done
    return 1
}

skip() {
    n_tests=$((n_tests + 1))
    printf 'ok %d - %s # SKIP %s\n' "$n_tests" "$1" "${2:-}"
}

# ok TEXT COMMAND...: the command succeeds
ok() {
    local text=$1
    shift
    if "$@"; then
        pass "$text"
    else
        fail "$text" "failed ($?): $*"
    fi
}

# is GOT WANTED TEXT
is() {
    if [[ $1 == "$2" ]]; then
        pass "$3"
    else
        fail "$3" "got:    $1" "wanted: $2" "${ERR:+stderr: $ERR}"
    fi
}

isnt() {
    if [[ $1 != "$2" ]]; then
        pass "$3"
    else
        fail "$3" "got just what was not wanted: $1"
    fi
}

# like GOT REGEX TEXT
like() {
    if [[ $1 =~ $2 ]]; then
        pass "$3"
    else
        fail "$3" "got:     $1" "to match: $2" "${ERR:+stderr: $ERR}"
    fi
}

unlike() {
    if [[ ! $1 =~ $2 ]]; then
        pass "$3"
    else
        fail "$3" "got:         $1" "not to match: $2"
    fi
}

# A bound on a number: within GOT MIN MAX TEXT
within() {
    if [[ $1 =~ ^-?[0-9]+$ ]] && (($1 >= $2 && $1 <= $3)); then
        pass "$4"
    else
        fail "$4" "got: $1" "wanted: $2 to $3"
    fi
}

# subtests PREFIX CMD...: a command that prints `ok TEXT` and `not ok TEXT`, each a test of its own, with what
# there is to say about it in `#` lines below, and at its end the plan `1..N`.
subtests() {
    local prefix=$1 line planned='' before=$n_tests
    shift
    run "$@"
    while IFS= read -r line; do
        case $line in
            'ok '*) pass "$prefix: ${line#ok }" ;;
            'not ok '*) fail "$prefix: ${line#not ok }" ;;
            '#'*) printf '%s\n' "$line" ;;
            1..*) planned=${line#1..} ;;
        esac
    done <<<"$OUT"
    if [[ $STATUS != 0 || $planned != $((n_tests - before)) ]]; then
        fail "$prefix: comes to its end" "status $STATUS, $((n_tests - before)) tests, planned: ${planned:-unknown}" "$ERR"
    fi
}

skip_all() {
    printf '1..0 # SKIP %s\n' "$1"
    is_done=1
    exit 77
}

# For what makes the rest of the file senseless.
bail() {
    fail "$@"
    done_testing
    exit 1
}

done_testing() {
    local turn
    printf '1..%d\n' "$n_tests"
    if turn=$(host_sh 'systemctl is-active --quiet appswitchd && busctl get-property io.appswitch1 /io/appswitch1 \
        io.appswitch1.Manager LongestTurnUSec' 2>/dev/null); then
        printf '# the longest turn of the daemon: %s µs\n' "${turn#t }"
    fi
    is_done=1
}

### commands in the host

host() {
    "$LAB" exec "$HOST" -- "$@"
}

# host_as USER CMD...
host_as() {
    local user=$1
    shift
    "$LAB" exec "$HOST" --uid "$user" -- "$@"
}

# host_sh SCRIPT [ARG...]
host_sh() {
    "$LAB" exec "$HOST" -- bash -c "$1" bash "${@:2}"
}

# Runs a command (a function, too) and keeps its outputs and status.
run() {
    STATUS=0
    "$@" >"$scratch/out" 2>"$scratch/err" || STATUS=$?
    OUT=$(tr -d '\0' <"$scratch/out")
    ERR=$(tr -d '\0' <"$scratch/err")
}

push() {
    "$LAB" push "$HOST" "$@"
}

need_command() {
    local c
    for c; do
        host_sh 'PATH=$PATH:/usr/sbin:/sbin command -v "$1" >/dev/null' "$c" || skip_all "$c is not installed"
    done
}

### apps

# client [OPTION...] -- CMD...: runs a command as an app of its own, in the foreground, for 60 seconds at most.
client() {
    "$LAB" exec "$HOST" ${AS_USER:+--uid "$AS_USER"} -- timeout --foreground -k 5 "${CLIENT_TIMEOUT:-60}" \
        ax run --quiet --collect "$@" </dev/null
}

# split_options [OPTION...] -- ARG...: sets OPTIONS and ARGS, for functions that call client with options of their caller.
split_options() {
    OPTIONS=()
    while [[ $1 != -- ]]; do
        OPTIONS+=("$1")
        shift
    done
    ARGS=("${@:2}")
}

# start_app [OPTION...] -- CMD...: starts an app that goes on in the background; sets APP and APP_LOG (its
# output, a file in the host). AS_USER=alice start_app ... starts it as a user. Ends the test if it cannot.
start_app() {
    APP_LOG=/tmp/app-$$-${#APPS[@]}.log
    local rc=0 said
    "$LAB" exec "$HOST" ${AS_USER:+--uid "$AS_USER"} -- \
        sh -c 'log=$1; shift; exec ax run --no-block "$@" </dev/null >"$log" 2>&1' sh "$APP_LOG" "$@" || rc=$?
    said=$(host cat "$APP_LOG")
    if [[ $rc != 0 || ! $said =~ appswitch-([A-Za-z0-9_.-]+)\.scope ]]; then
        bail "start an app: ax run --no-block $*" "status $rc" "$said"
    fi
    APP=${BASH_REMATCH[1]}
    APPS+=("$APP")
}

stop_app() {
    host ax stop "$1"
}

app_log() {
    host cat "${1:-$APP_LOG}"
}

# wait_for_listen APP PORT [SECONDS]: until the app listens there, as `ax list` has it.
wait_for_listen() {
    if ! host /usr/bin/python3 "$PROGRAMS/wait-listen.py" "$1" "$2" "${3:-20}"; then
        bail "$1 listens on port $2" "$(host ax list 2>&1)" "$(app_log 2>&1 | tail -n 20)"
    fi
}

# app_address APP [4|6]: an address of the app, IPv4 if not said otherwise.
app_address() {
    host ax list --json=short | /usr/bin/python3 -c '
import ipaddress, json, sys
for app in json.load(sys.stdin):
    if app["id"] == sys.argv[1]:
        for address in app["addresses"]:
            if ipaddress.ip_address(address.split("/")[0]).version == int(sys.argv[2]):
                print(address.split("/")[0])
                sys.exit()
sys.exit("no such address")' "$1" "${2:-4}"
}

# wait_until SECONDS COMMAND...: tries until the command succeeds.
wait_until() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < deadline)) || return 1
        sleep 0.1
    done
}

# For what a file wants done at its end; to be defined anew.
at_exit() {
    :
}

# mark_journal, journal_since [OPTION...]: what the daemon has said since, with options of journalctl(1). The hosts of
# one run are those of all tests, so that the journal of the boot is not only that of one file.
mark_journal() {
    since=$(host date +%s.%6N)
}
journal_since() {
    host journalctl --no-pager --output=cat --unit=appswitchd --since "@$since" "$@"
}

# sha256 of the standard input, or of a file in the host.
sum_of() {
    if (($#)); then
        host sha256sum "$1" | cut -d' ' -f1
    else
        sha256sum | cut -d' ' -f1
    fi
}

# make_outside NEAR FAR: two networks beyond the host, in a namespace ax-outside: 192.0.2.0/24 and 2001:db8:NEAR::/64 at
# ax-near, 198.51.100.0/24 and 2001:db8:FAR::/64 at ax-far. The host is .1 and ::1 there, the outside .2 and ::2.
make_outside() {
    host_sh 'ip netns add ax-outside && ip -n ax-outside link set lo up
        join() { # DEVICE NET4 NET6
            ip link add "$1" type veth peer name "$1" netns ax-outside
            ip address add "$2.1/24" dev "$1"; ip address add "$3::1/64" dev "$1" nodad
            ip -n ax-outside address add "$2.2/24" dev "$1"; ip -n ax-outside address add "$3::2/64" dev "$1" nodad
            ip link set "$1" up; ip -n ax-outside link set "$1" up
        }
        join ax-near 192.0.2 "2001:db8:$1"; join ax-far 198.51.100 "2001:db8:$2"' "$@"
}

# start_outside UNIT CMD...
start_outside() {
    host systemd-run --quiet --collect --unit="$1" -p NetworkNamespacePath=/run/netns/ax-outside "${@:2}"
}

# outside_listens ADDRESS PORT
outside_listens() {
    host ip netns exec ax-outside python3 -c 'import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 1)' "$@"
}

# What is at ax-far is silent, and speaks again: answers find no way back.
mute_outside() {
    host ip -n ax-outside route add blackhole 198.51.100.1/32
}
unmute_outside() {
    host ip -n ax-outside route del blackhole 198.51.100.1/32
}

on_exit() {
    local rc=$?
    trap '' HUP INT TERM
    at_exit
    if ((${#APPS[@]})); then
        host_sh 'for a; do ax stop "$a"; done' "${APPS[@]}" >/dev/null 2>&1
    fi
    rm -rf "$scratch"
    if [[ ! $is_done ]]; then
        diag "ended before done_testing (status $rc)"
        exit 99
    fi
    ((rc == 0 && n_failed > 0)) && exit 1
    exit "$rc"
}
trap on_exit EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
