# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Tells what the process is allowed and what it has, a line each, so that two of them can be compared.
import ctypes
import errno
import os
import resource
import socket
import sys

libc = ctypes.CDLL(None, use_errno=True)
SYS_seccomp = {'x86_64': 317, 'aarch64': 277}[os.uname().machine]


def outcome(name, f):
    try:
        f()
        print(name, 'ok')
    except OSError as e:
        print(name, errno.errorcode[e.errno])


def syscall(*args):
    if libc.syscall(*args) < 0:
        e = ctypes.get_errno()
        raise OSError(e, os.strerror(e))


wanted = ('Uid', 'Gid', 'Groups', 'CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb', 'NoNewPrivs', 'Umask', 'SigBlk', 'SigIgn')
for line in open('/proc/self/status'):
    if line.split(':')[0] in wanted:
        print(' '.join(line.split()))
print('securebits', libc.prctl(27, 0, 0, 0, 0))
print('personality', libc.personality(0xffffffff))
for name in sorted(n for n in dir(resource) if n.startswith('RLIMIT_')):
    print(name, resource.getrlimit(getattr(resource, name)))
print('nice', os.getpriority(os.PRIO_PROCESS, 0))
print('cwd', os.getcwd())
print('arguments', sys.argv[1:], sys.orig_argv[0])
print('command', open('/proc/self/comm').read().strip())
print('fds', sorted(int(fd) for fd in os.listdir('/proc/self/fd') if os.path.exists('/proc/self/fd/' + fd)))
for key in sorted(os.environ):
    if key not in ('INVOCATION_ID', 'JOURNAL_STREAM', 'SYSTEMD_EXEC_PID') and not key.startswith('XAPP'):
        print(key, os.environ[key].replace('app', 'native') if key.endswith('DIRECTORY') else os.environ[key])
for family in ('AF_UNIX', 'AF_INET', 'AF_NETLINK'):
    outcome(family, lambda: socket.socket(getattr(socket, family), socket.SOCK_DGRAM))
if '--kill' not in sys.argv:
    outcome('seccomp', lambda: syscall(SYS_seccomp, 99, 0, 0))
outcome('write /etc', lambda: os.close(os.open('/etc/sandbox-test', os.O_WRONLY | os.O_CREAT)))
outcome('unshare', lambda: syscall({'x86_64': 272, 'aarch64': 97}[os.uname().machine], 0x04000000))
