#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Completion in real shells: every command, every option of each as its --help has it, and what there is, live.
# timeout: 120
. "$(dirname "$0")/lib.sh"

at_exit() {
    host ax remove completion-shop >/dev/null 2>&1
}

start_app --name completion --name www.completion --tag zone=completion --tag b=c -- python3 -m http.server 80
wait_for_listen "$APP" 80
ok 'a virtual service' host ax create completion-shop --port 80 --backend app:completion --runtime

commands=$(host ax --help | sed -n '/^Commands:/,/^$/s/^  \([a-z-]*\).*/\1/p' | sort | xargs)
like "$commands" '(^| )run( |$)' 'ax tells its commands'
kinds=$(host ax list nosuch 2>&1 | sed -n 's/.*there are \([a-z, -]*\)\..*/\1/p' | tr -d , | xargs -n1 | sort | xargs)
# Words as Python sorts them.
sorted() {
    tr ' ' '\n' <<<"$1" | LC_ALL=C sort | paste -sd ' '
}

# A question, and the answer.
questions=(
    'ax ' "$commands"
    'ax r' "$(xargs -n1 <<<"$commands" | grep ^r | xargs)"
    'ax list ' "$kinds"
    'ax run --shortcut=' 'auto tcp unix'
    'ax run --strategy ' 'least-connections random round-robin source-hash'
    'ax run --uid ali' 'alice'
    'ax run -t zone=comp' 'zone=completion'
    'ax run --name x -- ax expl' 'explain'
    'ax --json ' 'off pretty short'
    'ax status comp' "$APP completion"
    'ax stop www.compl' 'www.completion'
    "ax stop appswitch-$APP.s" "appswitch-$APP.scope"
    'ax tag completion +b' '+b=c'
    'ax explain completion www.' 'www.completion:80'
    'ax edit completion-' 'completion-shop'
    'ax policy ' 'check reload show'
    'ax kill --signal HU' 'HUP'
    'ax -H elsewhere expl' 'explain'
    'ax --machine=elsewhere status comp' ''
)
read -ra names <<<"$commands"
while read -r command options; do
    # What systemd-run takes is systemd's.
    [[ $command == systemd-run ]] || questions+=("ax $command --" "$options")
done < <(host_sh 'for c; do echo "$c" $(ax "$c" --help | sed -nE "s/^  (-.|  ) (--[a-z-]+).*/\2/p"); done' "${names[@]}")

for shell in bash zsh fish; do
    if ! host_sh 'command -v "$1" >/dev/null && { [[ $1 != bash ]] || [[ -e /usr/share/bash-completion/bash_completion ]]; }' "$shell"; then
        skip "$shell" 'is not installed'
        continue
    fi
    for ((i = 0; i < ${#questions[@]}; i += 2)); do
        printf '%s\n' "${questions[i]}"
    done >"$scratch/questions"
    run host /usr/bin/python3 "$PROGRAMS/complete.py" "$shell" <"$scratch/questions"
    is "$STATUS $ERR" '0 ' "$shell: nothing is complained about"
    mapfile -t answers <<<"$OUT"
    for ((i = 0; i < ${#questions[@]}; i += 2)); do
        is "${answers[i / 2]}" "$(sorted "${questions[i + 1]}")" "$shell: ${questions[i]}"
    done
done
done_testing
