#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Unmodified programs that reach the outside: curl, wget, apt, git over ssh and https, openssl, and what fetches from many
# hosts at once as browsers do. Each is run on the host itself and then as an app with egress, and says the same. The outside is
# a namespace with servers and a name server of its own.
# timeout: 300
. "$(dirname "$0")/lib.sh"
need_command nginx apache2 dnsmasq sshd ssh git curl wget openssl apt-get dpkg-scanpackages dig

DIR=/srv/out EGRESS='*.out.test'
git_backend=/usr/lib/git-core/git-http-backend
host test -x $git_backend || skip_all 'no git-http-backend'
node=$(host_sh 'test -x /usr/bin/node && echo /usr/bin/node || command -v node') || node=''

at_exit() {
    host_sh 'systemctl stop ax-out-dns ax-out-web ax-out-git ax-out-ssh ax-out-tls; ip netns del ax-out
        [[ ! -e /run/66-resolv.conf ]] || cp /run/66-resolv.conf /etc/resolv.conf; rm -rf /run/66-resolv.conf "$1" /home/alice/.ssh' "$DIR" >/dev/null 2>&1
}

### what is outside
host_sh 'cp /etc/resolv.conf /run/66-resolv.conf
    ip netns add ax-out && ip -n ax-out link set lo up && ip link add ax-out type veth peer name ax-out netns ax-out || exit
    ip address add 192.0.2.1/24 dev ax-out; ip address add 2001:db8:66::1/64 dev ax-out nodad; ip link set ax-out up; ip -n ax-out link set ax-out up
    { for i in 2 3 4 53 $(seq 101 130); do
        printf "address add 192.0.2.%d/24 dev ax-out\naddress add 2001:db8:66::%x/64 dev ax-out nodad\n" $i $i
    done; } | ip -n ax-out -batch -' || bail 'the network outside'
host_sh 'set -e; rm -rf "$1"; mkdir -p "$1"/{html/apt,tmp,repo,native,app}; cd "$1"
    # a certificate authority, and one for all servers
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 9000 -subj "/CN=Test CA" -keyout ca.key -out ca.pem
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=out.test -keyout key -out request
    openssl x509 -req -in request -CA ca.pem -CAkey ca.key -CAcreateserial -days 9000 -out cert \
        -extfile <(echo "subjectAltName=DNS:*.out.test")
    # pages, and a package
    echo "hello from outside" >html/index.html; head -c 20000000 /dev/urandom >html/big
    mkdir -p package/DEBIAN package/usr/share/ax-hello; echo hello >package/usr/share/ax-hello/hello
    printf "Package: ax-hello\nVersion: 1.0\nArchitecture: all\nMaintainer: Nobody <nobody@out.test>\nDescription: says hello\n" >package/DEBIAN/control
    dpkg-deb --build --root-owner-group package html/apt/ax-hello_1.0_all.deb
    (cd html/apt && dpkg-scanpackages . >Packages)
    # a repository
    git init -q -b main work; cd work
    for i in $(seq 20); do echo "line $i" >>file; head -c 100000 /dev/urandom >"blob$i"; git add .; git -c user.name=N -c user.email=n@out.test commit -qm "commit $i"; done
    cd ..; git clone -q --bare work repo/project.git
    # keys of ssh, for alice
    ssh-keygen -q -t ed25519 -N "" -f host_key; ssh-keygen -q -t ed25519 -N "" -f user_key
    install -d -o alice -g alice -m 700 /home/alice/.ssh; install -o alice -g alice -m 600 user_key.pub /home/alice/.ssh/authorized_keys
    printf "git.out.test %s\n" "$(cat host_key.pub)" >known_hosts
    mkdir -p /run/sshd' "$DIR" >/dev/null 2>"$scratch/setup" || bail 'what is served' "$(<"$scratch/setup")"
host_sh 'cd "$1"; cat >nginx.conf <<CONF
daemon off; pid $1/pid; error_log $1/error.log; events { worker_connections 1024; }
http { access_log $1/access.log; client_body_temp_path tmp; proxy_temp_path tmp; fastcgi_temp_path tmp; uwsgi_temp_path tmp; scgi_temp_path tmp;
    server { listen 80; listen [::]:80; listen 192.0.2.2:443 ssl; listen [2001:db8:66::2]:443 ssl; ssl_certificate $1/cert; ssl_certificate_key $1/key;
        root $1/html; location /n/ { return 200 "\$uri\n"; } location = /who { return 200 "\$remote_addr\n"; } } }
CONF
    cat >apache.conf <<CONF
ServerRoot $1
ServerName git.out.test
PidFile $1/apache.pid
DefaultRuntimeDir $1
ErrorLog $1/apache.log
User alice
Group alice
$(for m in mpm_event authz_core unixd ssl cgid env alias; do
    test ! -e /usr/lib/apache2/modules/mod_$m.so || echo "LoadModule ${m}_module /usr/lib/apache2/modules/mod_$m.so"
done)
Listen 192.0.2.3:443
Listen [2001:db8:66::3]:443
SSLEngine on
SSLCertificateFile $1/cert
SSLCertificateKeyFile $1/key
ScriptSock $1/cgid.sock
SetEnv GIT_PROJECT_ROOT $1/repo
SetEnv GIT_HTTP_EXPORT_ALL 1
ScriptAlias /git/ $2/
CONF
    printf "Port 22\nListenAddress 192.0.2.3\nListenAddress 2001:db8:66::3\nHostKey $1/host_key\nPidFile none\nUsePAM yes\nPasswordAuthentication no\n" >sshd_config
    chown -R alice repo
    cat >dnsmasq.conf <<CONF
no-resolv
no-hosts
bind-interfaces
listen-address=192.0.2.53
host-record=web.out.test,192.0.2.2,2001:db8:66::2
host-record=git.out.test,192.0.2.3,2001:db8:66::3
host-record=apt.out.test,192.0.2.2
host-record=tls.out.test,192.0.2.4
host-record=four.out.test,192.0.2.2
host-record=six.out.test,2001:db8:66::2
cname=www.out.test,web.out.test
$(for i in $(seq 30); do printf "host-record=n%d.out.test,192.0.2.%d,2001:db8:66::%s\n" $i $((100 + i)) "$([ $((i % 10)) = 7 ] && echo dead || printf %x $((100 + i)))"; done)
CONF
    printf "nameserver 192.0.2.53\noptions edns0\n" >/etc/resolv.conf' "$DIR" "${git_backend}"
outside() { # UNIT CMD...
    host systemd-run --quiet --collect --unit="$1" -p NetworkNamespacePath=/run/netns/ax-out "${@:2}"
}
outside ax-out-dns dnsmasq --keep-in-foreground --conf-file=$DIR/dnsmasq.conf
outside ax-out-web nginx -p $DIR -c $DIR/nginx.conf
outside ax-out-git apache2 -f $DIR/apache.conf -DFOREGROUND
outside ax-out-ssh /usr/sbin/sshd -D -e -f $DIR/sshd_config
outside ax-out-tls sh -c "exec openssl s_server -accept 192.0.2.4:4433 -cert $DIR/cert -key $DIR/key -www </dev/null"
listens() {
    host ip netns exec ax-out python3 -c 'import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 1)' "$@"
}
for at in '192.0.2.53 53' '192.0.2.2 80' '2001:db8:66::2 443' '192.0.2.3 443' '192.0.2.3 22' '192.0.2.4 4433'; do
    # shellcheck disable=SC2086
    wait_until 20 listens $at || bail "the outside listens at $at" "$(host_sh 'cat /srv/out/*.log; journalctl -n 20')"
done

### the same natively and as an app
app() { # CMD...
    client --collect --egress "$EGRESS" -- "$@"
}
# both TEXT CMD...: what it prints, with WHERE=native and WHERE=app, is the same, and something.
both() {
    local native
    run host env WHERE=native HOME=/root "${@:2}"
    native="$STATUS $OUT"
    if [[ $STATUS != 0 || ! $OUT ]]; then
        fail "$1: natively" "status $STATUS" "$OUT" "$ERR"
        return
    fi
    run app env WHERE=app HOME=/root "${@:2}"
    is "$STATUS $OUT" "$native" "$1"
}

both 'curl' curl -sS http://web.out.test/
both 'curl, IPv4' curl -sS -4 http://web.out.test/who
both 'curl, IPv6' curl -sS -6 http://web.out.test/who
both 'curl, a name with IPv6 alone' curl -sS http://six.out.test/who
both 'curl, by a CNAME' curl -sS http://www.out.test/
both 'curl, https' curl -sS --cacert $DIR/ca.pem https://web.out.test/
both 'curl, twenty million bytes' sh -c 'curl -sS http://web.out.test/big | sha256sum'
both 'curl, https and many at once' sh -c "curl -sS --cacert $DIR/ca.pem --parallel --parallel-max 20 'https://web.out.test/n/[1-100]' | sort"
both 'curl: happy eyeballs, IPv6 is dead' curl -sS --max-time 20 http://n7.out.test/n/7
both 'wget' wget -q -O - http://web.out.test/
both 'wget, https' wget -q -O - --ca-certificate=$DIR/ca.pem https://web.out.test/
both 'openssl s_client' sh -c "openssl s_client -quiet -verify_return_error -CAfile $DIR/ca.pem -servername tls.out.test -connect tls.out.test:4433 2>/dev/null <<END | head -n 1
GET / HTTP/1.0

END"
both 'openssl s_client: the chain' sh -c "openssl s_client -verify_return_error -CAfile $DIR/ca.pem -connect web.out.test:443 2>&1 </dev/null | grep -E 'Verification|subject|issuer'"

host_sh 'cat >"$1/apt.sh" <<CONF
set -e
d=$1/\$WHERE; mkdir -p \$d/state/lists/partial \$d/cache/archives/partial \$d/etc/apt.conf.d \$d/etc/preferences.d; touch \$d/state/status
echo "deb [trusted=yes] http://apt.out.test/apt ./" >\$d/etc/sources.list
o="-q -o Dir::State=\$d/state -o Dir::State::status=\$d/state/status -o Dir::Cache=\$d/cache -o Dir::Etc=\$d/etc -o APT::Sandbox::User=root -o Acquire::Languages=none"
apt-get \$o update >\$d/log 2>&1 || { cat \$d/log >&2; exit 1; }
cd \$d; apt-get \$o download ax-hello >>\$d/log 2>&1; sha256sum ax-hello*.deb
apt-cache \$o show ax-hello | grep -E "^(Package|Version|SHA256)"
CONF' "$DIR"
both 'apt' sh $DIR/apt.sh
host_sh 'cat >"$1/git.sh" <<CONF
set -e
rm -rf $1/\$WHERE/clone; git -c http.sslCAInfo=$1/ca.pem clone -q "\$1" $1/\$WHERE/clone; cd $1/\$WHERE/clone
git log --format="%H %s" | head -n 3; git ls-files | wc -l; git fsck
CONF' "$DIR"
both 'git over https' sh $DIR/git.sh https://git.out.test/git/project.git
both 'git over ssh' env "GIT_SSH_COMMAND=ssh -i $DIR/user_key -o UserKnownHostsFile=$DIR/known_hosts -o BatchMode=yes -o LogLevel=error" \
    sh $DIR/git.sh ssh://alice@git.out.test$DIR/repo/project.git
both 'ssh' ssh -i $DIR/user_key -o UserKnownHostsFile=$DIR/known_hosts -o BatchMode=yes alice@git.out.test 'id -un; echo ${SSH_CONNECTION%% *}'

both 'asyncio: 30 hosts, six connections each' python3 "$PROGRAMS/browse.py" 30 6 5 80 out.test
is "$OUT" '30 good: 900' 'and all of it is right'
if [[ $node ]]; then
    both 'Node: 30 hosts, six connections each' "$node" "$PROGRAMS/node/web.js" browse out.test 30 20
    is "$OUT" 600 'and all of it is right'
fi
if command -v go >/dev/null; then
    cache=${BUILD_DIR:-$TESTS/../../build}/go-cache
    if said=$(cd "$TESTS/../programs/go" && CGO_ENABLED=0 GOFLAGS=-mod=mod GOPROXY=off GOCACHE=$cache GOPATH=$scratch/go \
        go build -trimpath -o "$scratch/web" . 2>&1); then
        push "$scratch/web" /usr/local/bin/go-web
        both 'Go, with its own resolver' go-web get http://web.out.test/
        both 'Go: IPv6 is dead' go-web get http://n17.out.test/n/17
    else
        fail 'the Go program is built' "$said"
    fi
fi

### and nothing else
run client -- curl -sS --max-time 20 http://web.out.test/
like "$STATUS $ERR" '^6 ' 'without egress the name does not exist'
run client --egress 'web.out.test:443' -- curl -sS --cacert $DIR/ca.pem https://web.out.test/
is "$OUT" 'hello from outside' 'one name and port'
run client --egress 'web.out.test:443' -- curl -sS http://web.out.test/
like "$STATUS $ERR" '^7 ' 'not another port'
run client --egress 'web.out.test:443' -- curl -sS http://n1.out.test/
like "$STATUS $ERR" '^6 ' 'nor another name'
run client --egress yes -- curl -sS http://web.out.test/who
like "$OUT" '^(192\.0\.2\.1|2001:db8:66::1)$' 'all of the outside'

done_testing
