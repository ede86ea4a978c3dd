#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# OpenSSH between apps, with separated privileges and filters of its own: commands, scp, sftp, forwarding, many at
# once, and a session at a terminal that is a pane of tmux.
. "$(dirname "$0")/lib.sh"
need_command sshd ssh scp ssh-keygen tmux curl

host_sh 'rm -rf /srv/ssh /home/alice/.ssh /root/.ssh; mkdir -p /srv/ssh /run/sshd
    ssh-keygen -q -t ed25519 -N "" -f /srv/ssh/host_key
    ssh-keygen -q -t ed25519 -N "" -f /srv/ssh/user_key
    install -d -o alice -g alice -m 700 /home/alice/.ssh
    install -o alice -g alice -m 600 /srv/ssh/user_key.pub /home/alice/.ssh/authorized_keys
    cat >/srv/ssh/sshd_config <<CONF
Port 22
HostKey /srv/ssh/host_key
PidFile none
UsePAM yes
PasswordAuthentication no
PrintMotd no
PrintLastLog no
MaxStartups 50
Subsystem sftp /usr/lib/openssh/sftp-server
CONF
    cat >/srv/ssh/config <<CONF
Host *
    User alice
    IdentityFile /srv/ssh/user_key
    UserKnownHostsFile /srv/ssh/known_hosts
    StrictHostKeyChecking accept-new
    BatchMode yes
    LogLevel error
    ExitOnForwardFailure yes
CONF'
ssh=(ssh -F /srv/ssh/config)

start_app --name shell --ip 198.18.33.1 -- /usr/sbin/sshd -D -e -f /srv/ssh/sshd_config
shell=$APP shell_log=$APP_LOG
wait_for_listen "$shell" 22

run client --ip 198.18.33.9 -- "${ssh[@]}" 198.18.33.1 'echo $SSH_CONNECTION; id -un'
like "$OUT" $'^198\.18\.33\.9 [0-9]+ 198\.18\.33\.1 22\nalice$' 'a command, by address; both ends are right'
like "$(app_log "$shell_log")" 'Accepted publickey for alice from 198\.18\.33\.9 port' 'the log has the true client'
run client -- "${ssh[@]}" shell 'exit 7'
is "$STATUS" 7 'by name; its status is passed on'
run client --name caller -- "${ssh[@]}" "$(app_address "$shell" 6)" 'echo $SSH_CONNECTION'
like "$OUT" "^fdaa:.* $(app_address "$shell" 6) 22\$" 'by IPv6 address'
run client -- sh -c 'head -c 5000000 /dev/zero | "$@"' sh "${ssh[@]}" shell 'wc -c; echo to stderr >&2'
is "$OUT $ERR" '5000000 to stderr' 'five million bytes go in, and errors come apart'

host_sh 'head -c 20000000 /dev/urandom >/srv/ssh/file; chmod 644 /srv/ssh/file'
run client -- scp -q -F /srv/ssh/config /srv/ssh/file shell:copy
is "$STATUS $(sum_of /home/alice/copy)" "0 $(sum_of /srv/ssh/file)" 'scp brings twenty million bytes there'
run client -- scp -q -O -F /srv/ssh/config shell:copy /srv/ssh/back
is "$STATUS $(sum_of /srv/ssh/back)" "0 $(sum_of /srv/ssh/file)" 'and back, by its old protocol'
run client -- sh -c 'for i in $(seq 12); do "$@" "echo $i" & done; wait' sh "${ssh[@]}" shell
is "$(sort -n <<<"$OUT" | tr '\n' ' ')" '1 2 3 4 5 6 7 8 9 10 11 12 ' 'twelve at once'

# What goes through: connections that the client's app and the server's app make for each other.
start_app --name sshweb --ip 198.18.33.3 -- python3 "$PROGRAMS/http-echo.py" 80 0.0.0.0
wait_for_listen "$APP" 80
run client -- sh -c '"$@" -f -L 8080:198.18.33.3:80 shell "sleep 1"; curl -sS http://127.0.0.1:8080/l; curl -sS http://[::1]:8080/6' sh "${ssh[@]}"
like "$OUT" '"client": "198\.18\.33\.1".*"path": "/l".*"path": "/6"' 'a port of the client leads on from the server'
run client --ip 198.18.33.9 -- "${ssh[@]}" -R 8081:198.18.33.3:80 shell 'curl -sS http://127.0.0.1:8081/r'
like "$OUT" '"client": "198\.18\.33\.9".*"path": "/r"' 'a port of the server leads on from the client'
run client -- sh -c '"$@" -f -D 1080 shell "sleep 1"; curl -sS -x socks5h://127.0.0.1:1080 http://sshweb/d' sh "${ssh[@]}"
like "$OUT" '"client": "198\.18\.33\.1".*"path": "/d"' 'and so does SOCKS, where the server looks the name up'

# At a terminal. The server of tmux goes on in an app of its own.
start_app --name desk --ip 198.18.33.4 -- tmux -L desk -f /dev/null new-session -d -x 93 -y 31 \
    "$(printf '%s ' "${ssh[@]}") -o RequestTTY=force shell 'PS1=\"ready> \" bash --norc'"
pane() {
    host tmux -L desk capture-pane -p
}
pane_has() {
    [[ $(pane) =~ $1 ]]
}
type_in() {
    host tmux -L desk send-keys "$@"
}
ok 'a session at a terminal in tmux comes up' wait_until 10 pane_has 'ready>'
type_in 'tty; stty size; echo $SSH_TTY' Enter
ok 'with a terminal of its size' wait_until 5 pane_has $'/dev/pts/[0-9]+\n3[01] 93\n/dev/pts/'
type_in 'sleep 100' Enter
sleep 0.3
type_in C-c 'echo interrupted: $?' Enter
ok 'Ctrl-C goes through' wait_until 5 pane_has 'interrupted: 130'
host tmux -L desk resize-window -x 71 -y 20
type_in 'clear; stty size' Enter
ok 'so does a new size' wait_until 5 pane_has '(19|20) 71'
type_in 'exit' Enter
tmux_is_gone() {
    ! host tmux -L desk has-session
}
ok 'it ends with the session' wait_until 5 tmux_is_gone

run stop_app "$shell"
is "$STATUS" 0 'the server can be stopped'

done_testing
