#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# RabbitMQ: Erlang's gen_tcp, whose sockets are known to epoll early and late; two nodes that make a cluster over Erlang's
# distribution, with a port mapper each; clients in C, and rabbitmqctl as one more node.
# timeout: 240
. "$(dirname "$0")/lib.sh"
need_command rabbitmqctl amqp-publish amqp-consume
getent passwd rabbitmq >/dev/null || skip_all 'there is no user rabbitmq'

host_sh 'rm -rf /srv/rabbit; mkdir -p /srv/rabbit/1 /srv/rabbit/2 /srv/rabbit/ctl
    for d in 1 2 ctl; do echo APPSWITCHTEST >/srv/rabbit/$d/.erlang.cookie; chmod 400 /srv/rabbit/$d/.erlang.cookie; done
    echo "[]." >/srv/rabbit/plugins
    cat >/srv/rabbit/rabbitmq.conf <<CONF
loopback_users = none
log.console = true
log.console.level = info
log.file = false
CONF
    chown -R rabbitmq: /srv/rabbit'
settings=(RABBITMQ_CONFIG_FILE=/srv/rabbit/rabbitmq RABBITMQ_CONF_ENV_FILE=/dev/null
    RABBITMQ_ENABLED_PLUGINS_FILE=/srv/rabbit/plugins RABBITMQ_LOGS=-)
# node I
node() {
    start_app --name "bunny$1" --ip "198.18.46.$1" --uid rabbitmq --gid rabbitmq -- env HOME="/srv/rabbit/$1" "${settings[@]}" \
        RABBITMQ_NODENAME="rabbit@bunny$1" RABBITMQ_MNESIA_BASE="/srv/rabbit/$1" RABBITMQ_LOG_BASE="/srv/rabbit/$1" \
        RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS='+S 2:2 +sbwt none' /usr/lib/rabbitmq/bin/rabbitmq-server
}
# ctl SCRIPT: rabbitmqctl in an app of its own. It is a node that others connect to, so the host's name must be that of
# the app. Its port mapper would outlive it.
ctl() {
    client --name bunnyctl -- unshare --uts sh -c 'hostname bunnyctl; exec runuser -u rabbitmq -- "$@"' sh \
        env HOME=/srv/rabbit/ctl "${settings[@]}" sh -c '
            ctl() { /usr/lib/rabbitmq/bin/rabbitmqctl -q -n "rabbit@$@"; }
            '"$1"'
            s=$?; epmd -kill >/dev/null; exit $s'
}

node 1
first_log=$APP_LOG
node 2
second=$APP
wait_for_listen "${APPS[0]}" 5672 60
wait_for_listen "$second" 5672 60
amqp=(--server 198.18.46.1)

run client -- amqp-declare-queue "${amqp[@]}" -q work
is "$OUT" work 'a queue is made'
run client -- amqp-publish -s bunny1 -r work -b 'hello rabbit'
is "$STATUS" 0 'a message is sent, by name'
run client -- amqp-get "${amqp[@]}" -q work
is "$OUT" 'hello rabbit' 'and fetched, by address'
run client -- amqp-publish --url "amqp://[$(app_address "${APPS[0]}" 6)]:5672" -r work -b 'hello again'
is "$STATUS$(client -- amqp-get "${amqp[@]}" -q work)" '0hello again' 'and sent by IPv6 address'
host_sh 'head -c 3000000 /dev/urandom >/srv/rabbit/big'
run client -- sh -c 'amqp-publish -s bunny1 -r work </srv/rabbit/big; amqp-get -s bunny1 -q work >/srv/rabbit/got'
is "$(sum_of /srv/rabbit/got)" "$(sum_of /srv/rabbit/big)" 'three million bytes there and back'
run client -- sh -c 'for i in $(seq 12); do (seq $i 12 600 | amqp-publish -s bunny1 -r work -l) & done; wait
    amqp-consume -s bunny1 -q work -c 600 cat'
is "$(sort -n <<<"$OUT" | sum_of)" "$(seq 600 | sum_of)" 'twelve publishers at once, 600 messages, and a consumer that gets them all'

# Distribution: the second node joins the first.
run ctl 'ctl bunny2 stop_app && ctl bunny2 join_cluster rabbit@bunny1 && ctl bunny2 start_app'
is "$STATUS" 0 'the second node joins the first'
run client -- sh -c 'amqp-publish -s bunny2 -r work -b far; amqp-get -s bunny1 -q work'
is "$OUT" far 'what is sent to the second node comes from the first'

# A consumer that waits; the server sees who it is.
start_app --name consumer --ip 198.18.46.9 -- amqp-consume -s 198.18.46.1 -q work -c 1 cat
consumer_log=$APP_LOG
connected() {
    [[ $(app_log "$first_log") =~ 198\.18\.46\.9:[0-9]+\ -\>\ 198\.18\.46\.1:5672 ]]
}
ok 'the log tells who is connected' wait_until 10 connected
run ctl 'ctl bunny1 list_connections peer_host host port && ctl bunny2 cluster_status --formatter json'
like "$OUT" $'198\.18\.46\.9\t198\.18\.46\.1\t5672' 'so does rabbitmqctl, from an app of its own'
like "$OUT" '"running_nodes":\["rabbit@bunny[12]","rabbit@bunny[12]"\]' 'and that both nodes run as a cluster'
run client -- amqp-publish "${amqp[@]}" -r work -b late
waited() {
    [[ $(app_log "$consumer_log") == *late ]]
}
ok 'the consumer gets what comes' wait_until 5 waited

done_testing
