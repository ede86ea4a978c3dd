# SPDX-License-Identifier: LGPL-2.1-or-later
# Completion of ax(1) for fish. Commands and options are those that ax itself tells.

# The words behind the command $argv[1], if it is that: those that are neither options nor their arguments.
function __ax_words
    set -l tokens (commandline -opc)[2..]
    set -l command
    set -l words
    while set -q tokens[1]
        set -l token $tokens[1]
        set -e tokens[1]
        switch $token
            case --
                set -a words $tokens
                break
            case '--*=*'
            case '-*'
                contains -- $token $__ax_takes_argument; and set -e tokens[1]
            case '*'
                if not set -q command[1]
                    set command $token
                else if test "$command" = run
                    set -a words $token $tokens
                    break
                else
                    set -a words $token
                end
        end
    end
    test "$command" = "$argv[1]"; and set -q words[1]; and printf '%s\n' $words
    test "$command" = "$argv[1]"
end

# Whether the command is $argv[1], with at most $argv[2] words behind it.
function __ax_is
    set -l words (__ax_words "$argv[1]"); or return 1
    not set -q argv[2]; or test (count $words) -le $argv[2]
end

function __ax_has_word
    set -l words (__ax_words "$argv[1]"); and set -q words[1]
end

# What there is on this host; nothing while another one is to be asked, as that may take long.
function __ax_list
    string match -qr -- '^(-[HM]|--host|--machine)' (commandline -opc); and return
    ax list $argv --no-legend --no-pager --full 2>/dev/null
end

# Ids and names of the apps that run; their units, too, if that is what is being written.
function __ax_apps
    __ax_list | while read -l -d ' ' id names _ _ _ _ unit _
        printf '%s\t%s\n' $id $unit
        test $names = -; or printf '%s\tapps of this name\n' (string split , -- $names)
        string match -q '*.*' -- (commandline -ct); and printf '%s\t%s\n' $unit $id
    end
end

function __ax_tags
    __ax_list | while read -l -d ' ' _ _ _ tags _
        test $tags = -; or printf "$argv[1]%s\n" (string split , -- $tags)
    end | sort -u
end

function __ax_services
    __ax_list services | while read -l -d ' ' _ address port names _
        test $names = -; and set names $address
        printf "%s:$port\n" (string split , -- $names)
    end
end

function __ax_virtual_services
    __ax_list virtual-services | string replace -r ' .*' ''
end

function __ax_units
    systemctl list-units --no-legend --plain --full --all --type=$argv[1] 2>/dev/null | string replace -r ' .*' ''
end

# The arguments of the option $argv[1], which is called $argv[2], for complete -a.
function __ax_values
    switch $argv[1]
        case json
            echo 'short pretty off'
        case signal
            echo '(__fish_make_completion_signals; string replace -r "^[0-9]+ " "" -- $__kill_signals)'
        case strategy
            echo 'round-robin random least-connections source-hash'
        case unit
            echo '(__ax_units scope)'
        case slice
            echo '(__ax_units slice)'
        case tag
            echo '(__ax_tags)'
        case host
            echo '(__fish_print_hostnames)'
        case machine
            echo '(machinectl list --no-legend --no-pager 2>/dev/null | string replace -r " .*" "")'
        case backend
            echo 'app: tag: host:'
        case expose-from
            echo 'any localhost'
        case '*'
            switch $argv[2]
                case USER
                    echo '(__fish_complete_users)'
                case GROUP
                    echo '(__fish_complete_groups)'
                case '*|*'
                    string match -ra '(?<![^|])[a-z-]+(?![^|])' -- $argv[2] | string join ' '
            end
    end
end

# Options of a command, or of all without one.
function __ax_add_options
    set -l condition -n "__ax_is '$argv[1]'"
    set -l pattern '^  (-.|  ) --([a-z-]+)=?(\S*) *(.*)$'
    set -l lines (ax (string match -r -- "..*" $argv[1]) --help 2>/dev/null)
    for i in (seq (count $lines))
        set -l part (string match -r -- $pattern $lines[$i]); or continue
        set -l letter (string trim -lc "- " -- $part[2])
        set -l name $part[3]
        set -l argument $part[4]
        set -l help $part[5]
        # An explanation that does not fit is on the next line.
        test -n "$help"; or set help (string trim -- $lines[(math $i + 1)])
        set -l row -l $name -d $help
        test -n "$letter"; and set -a row -s $letter
        if test -n "$argument"
            set -ga __ax_takes_argument --$name
            test -n "$letter"; and set -ga __ax_takes_argument -$letter
            set -l values (__ax_values $name $argument)
            set -a row -x
            test -n "$values"; and set -a row -a $values
        end
        complete -c ax $condition $row
    end
end

set -g __ax_takes_argument --user --group
complete -c ax -f
__ax_add_options ''
for line in (ax --help 2>/dev/null | string match -r '^  [a-z].*')
    set -l command (string match -r '[a-z-]+' -- $line)
    set -l help (string match -r '  +(\S.*)$' -- (string sub -s 3 -- $line))[2]
    complete -c ax -n "__ax_is ''" -a $command -d "$help"
    __ax_add_options $command
end
complete -c ax -n '__ax_has_word run' -xa '(complete -C (string join " " -- (__ax_words run | string escape) (commandline -ct)))'
complete -c ax -n '__ax_is run; and not __ax_has_word run' -xa '(__fish_complete_command)'
complete -c ax -n '__ax_is list 0' -a "(ax list --help | string match -rg '\[([a-z|-]*)\]\$' | string split '|')"
for command in status stop kill drain
    complete -c ax -n "__ax_is $command" -a '(__ax_apps)'
end
complete -c ax -n '__ax_is tag' -a '(__ax_apps)'
complete -c ax -n '__ax_is tag' -a '(__ax_tags +; __ax_tags -)'
complete -c ax -n '__ax_is explain 0' -a '(__ax_apps)'
complete -c ax -n '__ax_is explain 1; and __ax_has_word explain' -a '(__ax_services)'
complete -c ax -n '__ax_is wait 0' -a '(__ax_services)'
complete -c ax -n '__ax_is edit 0; or __ax_is remove' -a '(__ax_virtual_services)'
complete -c ax -n '__ax_is policy 0' -a 'show check reload'
complete -c ax -n '__ax_is policy 1; and contains check (__ax_words policy)' -a '(__fish_complete_directories)'
complete -c ax -n '__ax_is verify' -a '(__ax_units service)'
