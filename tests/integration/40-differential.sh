#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What a program sees of TCP natively and under "ax run", case by case (tests/differential). A case fails if the
# lines that it says differ, but for those of tests/differential/known-differences.
#
#   DIFFTEST_FILTER='streams/*' tools/test 40-differential     # some cases only
#   DIFFTEST_REPORT=FILE                                       # what differs goes there, too
# timeout: 400
. "$(dirname "$0")/lib.sh"

# NAME KIND [OPTION OF AX RUN...]: both halves in one app (same) or each in an app of its own (two).
MODES=(
    'same same'
    'two two --shortcut=unix'
    'two-tcp two --shortcut=tcp'
)

BUILD=${BUILD_DIR:-$TESTS/../../build}
[[ $BUILD == /* ]] || BUILD=$TESTS/../../$BUILD
DIFFTEST=/run/difftest/difftest         # in the host
SERVER=(198.18.40.1 fd00:40::1)
CLIENT=(198.18.40.2 fd00:40::2)
CLIENT_TIMEOUT=300
JOBS=4

[[ -x $BUILD/tests/differential/difftest ]] || skip_all 'difftest is not built'
host mkdir -p /run/difftest
push "$BUILD/tests/differential/difftest" "$DIFFTEST"

[[ ! ${DIFFTEST_REPORT:-} ]] || : >"$DIFFTEST_REPORT"
filter=(${DIFFTEST_FILTER:+--filter "$DIFFTEST_FILTER"})

# addresses KIND: as options of difftest.
addresses() {
    local -n other=CLIENT
    [[ $1 == two ]] || local -n other=SERVER
    options=(--server4 "${SERVER[0]}" --server6 "${SERVER[1]}" --client4 "${other[0]}" --client6 "${other[1]}")
}

# run_native KIND
run_native() {
    addresses "$1"
    host "$DIFFTEST" --mode native --jobs "$JOBS" "${options[@]}" "${filter[@]}" --output "/run/difftest/native-$1"
}

# run_ax NAME KIND [OPTION...]
run_ax() {
    local name=$1 kind=$2 server
    local -a options where=(--ip "${SERVER[0]}" --ip "${SERVER[1]}")
    shift 2
    addresses "$kind"
    options+=(--mode "$kind" --jobs "$JOBS" "${filter[@]}" --output "/run/difftest/$name")
    if [[ $kind == two ]]; then
        start_app --name difs "${where[@]}" "$@" -- "$DIFFTEST" --serve /run/difftest/socket
        server=$APP
        wait_until 10 host test -S /run/difftest/socket
        options+=(--client /run/difftest/socket)
        where=(--ip "${CLIENT[0]}" --ip "${CLIENT[1]}")
    fi
    client --name difc "${where[@]}" "$@" -- "$DIFFTEST" "${options[@]}" 2>&1
    STATUS=$?
    [[ $kind != two ]] || stop_app "$server" >/dev/null
    return "$STATUS"
}

globs=()
declare -A reasons=() trace=() native=()
while read -r glob reason; do
    [[ $glob && $glob != \#* ]] || continue
    # shellcheck disable=SC2004
    reasons[$glob]=$reason
    [[ $glob == *:* && $glob != *[*@!]* ]] || globs+=("$glob")
done <"$TESTS/../differential/known-differences"

# reason_of MODE CASE: sets REASON
reason_of() {
    local glob
    if [[ -v reasons[$1:$2] ]]; then
        REASON=${reasons[$1:$2]}
        return 0
    fi
    for glob in "${globs[@]}"; do
        # shellcheck disable=SC2053
        if [[ $2 == $glob || $1:$2 == $glob ]]; then
            REASON=${reasons[$glob]}
            return 0
        fi
    done
    return 1
}

# load ARRAY FILE-IN-HOST: the lines of each case, by its name
load() {
    # shellcheck disable=SC2178
    local -n into=$1
    local name lines
    into=()
    while IFS=$'\t' read -r name lines; do
        # shellcheck disable=SC2004,SC2034
        into[$name]=$lines
    done < <(host cat "/run/difftest/$2")
}

report() {
    [[ ! ${DIFFTEST_REPORT:-} ]] || printf '%s\n' "$@" >>"$DIFFTEST_REPORT"
}

# as_expected MODE CASE NATIVE-LINES AX-LINES: whether they are the same, or differ as is known. Sets REASON.
# A reason that begins with "?" is of a case that differs now and then.
as_expected() {
    REASON=
    if reason_of "$1" "$2"; then
        [[ $3 != "$4" || $REASON == \?* ]]
    else
        [[ $3 == "$4" ]]
    fi
}

# once_more CASE NAME KIND [OPTION...]: runs one case by itself. Cases run side by side, and in the way of each other
# they can be too slow for what they show.
once_more() {
    local -a filter=(--filter "$1")
    local -A native=() trace=()
    shift
    host cp "/run/difftest/native-$2" "/run/difftest/native-$2.all"
    run run_native "$2"
    load native "native-$2"
    host mv "/run/difftest/native-$2.all" "/run/difftest/native-$2"
    run run_ax "$@"
    load trace "$1"
    as_expected "$1" "${filter[1]}" "${native[${filter[1]}]-}" "${trace[${filter[1]}]-no record}"
}

# compare MODE KIND [OPTION...]
compare() {
    local mode=$1 name difference expected same=0 differ=0 repeated=0
    while read -r name; do
        expected=yes
        as_expected "$mode" "$name" "${native[$name]}" "${trace[$name]-no record}" || expected=no
        if [[ ${native[$name]} == "${trace[$name]-no record}" ]]; then
            same=$((same + 1))
            difference=
        else
            differ=$((differ + 1))
            difference=$(diff -U 2 --label native --label ax \
                <(tr '\t' '\n' <<<"${native[$name]}") <(tr '\t' '\n' <<<"${trace[$name]-no record}"))
            report "=== $mode: $name" "$difference"
        fi
        if [[ $expected == no && $repeated -lt 30 ]]; then
            repeated=$((repeated + 1))
            once_more "$name" "$@" && expected=yes
        fi
        reason_of "$mode" "$name" || REASON=
        if [[ $expected == yes ]]; then
            pass "$mode: $name${REASON:+ (differs as documented: $REASON)}"
        elif [[ $difference ]]; then
            fail "$mode: $name" "$difference"
        else
            fail "$mode: $name" "differs no more: $REASON"
        fi
    done < <(printf '%s\n' "${!native[@]}" | sort)
    printf '# %s: %d cases are the same, %d differ, %d were run once more\n' "$mode" "$same" "$differ" "$repeated"
}

for kind in same two; do
    run run_native "$kind"
    [[ $STATUS == 0 ]] || bail "the native run ($kind)" "$OUT" "$ERR"
done
for mode in "${MODES[@]}"; do
    read -ra words <<<"$mode"
    run run_ax "${words[@]}"
    is "$STATUS" 0 "${words[0]}: all cases run"
    load native "native-${words[1]}"
    load trace "${words[0]}"
    compare "${words[@]}"
done

done_testing
