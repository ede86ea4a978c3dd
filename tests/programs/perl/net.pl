#!/usr/bin/perl
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# net.pl fork PORT           echoes lines with IO::Socket::INET, a process for each connection; says who is there first
# net.pl select PORT         the same in one process around IO::Select, with IO::Socket::IP on both families
# net.pl line HOST PORT N    N lines there and back, one at a time; prints the greeting and how many came back right
# net.pl many HOST PORT N    N connections at once, a process each; prints how many went well
# net.pl timeout HOST PORT   IO::Socket::INET with a timeout, which connects without blocking; prints what became of it
# net.pl get URL             with HTTP::Tiny
use strict;
use warnings;
use IO::Select;
use IO::Socket::INET;
use IO::Socket::IP;
use Socket qw(SOCK_STREAM);

my ($what, @args) = @ARGV;

sub greeting {
    my ($s) = @_;
    return sprintf("%s %s %d\n", $s->peerhost, $s->sockhost, $s->sockport);
}

sub serve_forking {
    my $listener = IO::Socket::INET->new(LocalPort => $args[0], Listen => 64, ReuseAddr => 1) or die "listen: $@";
    $SIG{CHLD} = 'IGNORE';
    while (1) {
        my $s = $listener->accept or next;
        my $pid = fork // die "fork: $!";
        if (!$pid) {
            $listener->close;
            $s->autoflush(1);
            print $s greeting($s);
            print $s $_ while <$s>;
            exit 0;
        }
        $s->close;
    }
}

sub serve_selecting {
    my $listener = IO::Socket::IP->new(LocalHost => '::', LocalPort => $args[0], Listen => 64, ReuseAddr => 1, V6Only => 0,
        Blocking => 0) or die "listen: $@";
    my $set = IO::Select->new($listener);
    while (my @ready = $set->can_read) {
        for my $s (@ready) {
            if ($s == $listener) {
                while (my $new = $listener->accept) {
                    $new->blocking(1);
                    $new->syswrite(greeting($new));
                    $set->add($new);
                }
            } elsif (sysread $s, my $data, 65536) {
                $s->syswrite($data);
            } else {
                $set->remove($s);
                $s->close;
            }
        }
    }
}

sub lines {
    my ($host, $port, $n, $class) = @_;
    my $s = ($class // 'IO::Socket::IP')->new(PeerHost => $host, PeerPort => $port, Type => SOCK_STREAM) or die "connect: $@\n";
    $s->autoflush(1);
    my $greeting = <$s>;
    my $good = 0;
    for my $i (1 .. $n) {
        print $s "line $i\n";
        $good++ if (<$s> // '') eq "line $i\n";
    }
    shutdown $s, 1;
    $good = -1 if defined <$s>;
    return ($greeting, $good);
}

if ($what eq 'fork') {
    serve_forking();
} elsif ($what eq 'select') {
    serve_selecting();
} elsif ($what eq 'line') {
    my ($greeting, $good) = lines(@args);
    print $greeting, "$good\n";
} elsif ($what eq 'many') {
    my ($host, $port, $n) = @args;
    my @pids = map {
        my $pid = fork // die "fork: $!";
        exit((lines($host, $port, 10, 'IO::Socket::INET'))[1] == 10 ? 0 : 1) if !$pid;
        $pid;
    } 1 .. $n;
    my $good = grep { waitpid($_, 0) > 0 && $? == 0 } @pids;
    print "$good\n";
} elsif ($what eq 'timeout') {
    my $s = IO::Socket::INET->new(PeerAddr => $args[0], PeerPort => $args[1], Proto => 'tcp', Timeout => 5);
    print $s ? 'connected to ' . $s->peerhost . ':' . $s->peerport . "\n" : "not connected: $!\n";
} elsif ($what eq 'get') {
    require HTTP::Tiny;
    my $answer = HTTP::Tiny->new->get($args[0]);
    print "$answer->{status} $answer->{content}";
}
