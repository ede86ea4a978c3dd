#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a shell completes: complete.py bash|zsh|fish, with a line of input for each question. Prints, for each, the words
that it offers, sorted, on one line."""

import os
import pty
import re
import select
import subprocess
import sys
import tempfile

BASH = r"""
. /usr/share/bash-completion/bash_completion
. /usr/share/bash-completion/completions/ax
compopt() { :; }
COMP_LINE=$1
COMP_POINT=${#1}
shift
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_ax
printf '%s\n' "${COMPREPLY[@]}"
"""

# All matches are written to a file as they are added, and the shell ends when completion does.
ZSHRC = r"""
fpath=(/usr/share/zsh/site-functions $fpath)
autoload -Uz compinit
compinit -u -d $ZDOTDIR/dump
compadd() {
    if [[ ${@[1,(i)(-|--)]} == *-(O|A|D)\ * ]]; then
        builtin compadd "$@"
        return
    fi
    local -a hits
    builtin compadd -A hits "$@"
    (( ! $#hits )) || print -rl -- $hits >>$ZDOTDIR/hits
    builtin compadd "$@"
}
comppostfuncs=( exit )
PS1='ready> '
"""


def bash(line):
    # As readline splits it: breaks are words of their own.
    words = [w for part in re.split(r"\s+", line) for w in ([""] if part == "" else re.findall(r"[=:]+|[^=:]+", part))]
    if line.endswith(("=", ":")):
        words.append("")
    return subprocess.run(["bash", "-c", BASH, "bash", line, *words], stdout=subprocess.PIPE, text=True).stdout


def zsh(line):
    hits = os.path.join(os.environ["ZDOTDIR"], "hits")
    open(hits, "w").close()
    pid, fd = pty.fork()
    if pid == 0:
        os.execlp("zsh", "zsh", "-i")
    said = b""
    asked = False
    try:
        while select.select([fd], [], [], 30)[0]:
            said += os.read(fd, 4096)
            if not asked and b"ready> " in said:
                asked = True
                os.write(fd, line.encode() + b"\t")
    except OSError:
        pass  # it has ended
    os.close(fd)
    os.waitpid(pid, 0)
    return open(hits).read()


def answer_all(shell, questions):
    if shell == "fish":
        # It takes a while to begin.
        script = "while read -l line; complete -C $line; printf '\\0'; end"
        return subprocess.run(["fish", "-c", script], input="\n".join(questions) + "\n", stdout=subprocess.PIPE, text=True).stdout.split("\0")
    return [{"bash": bash, "zsh": zsh}[shell](q) for q in questions]


with tempfile.TemporaryDirectory() as home:
    os.environ |= {"HOME": home, "ZDOTDIR": home, "TERM": "dumb"}
    open(os.path.join(home, ".zshrc"), "w").write(ZSHRC)
    questions = [line.rstrip("\n") for line in sys.stdin]
    for _, answer in zip(questions, answer_all(sys.argv[1], questions)):
        # Descriptions are behind a tab; some shells give a value with its option, and some a "=" for one to come.
        words = {re.sub(r"^--[a-z-]+=(?=.)", "", w.split("\t")[0]).rstrip("= ") for w in answer.split("\n")}
        print(*sorted(words - {""}), flush=True)
