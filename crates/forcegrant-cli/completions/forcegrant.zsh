#compdef forcegrant

autoload -U is-at-least

_forcegrant() {
    typeset -A opt_args
    typeset -a _arguments_options
    local ret=1

    if is-at-least 5.2; then
        _arguments_options=(-s -S -C)
    else
        _arguments_options=(-s -C)
    fi

    local context curcontext="$curcontext" state line
    _arguments "${_arguments_options[@]}" : \
":: :_forcegrant_commands" \
"*::: :->forcegrant" \
&& ret=0
    case $state in
    (forcegrant)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:forcegrant-command-$line[1]:"
        case $line[1] in
            (token)
_arguments "${_arguments_options[@]}" : \
'--connection=[a saved connection, in place of the credentials below]:ID:' \
'--folder=[where the connections are (default\: FORCEGRANT_CONNECTIONS)]:DIR:_files -/' \
'--login-url=[the org'\''s My Domain, or any address of the org]:HOST:' \
'--client-id=[the app'\''s consumer key]:KEY:' \
'--client-secret-file=[a file that holds the app'\''s consumer secret alone]:FILE:_files' \
'--auth-style=[how the app authenticates itself\: body (default) or basic]:STYLE:(body basic)' \
'--token-url=[the whole token endpoint, for a gateway or custom domain]:URL:' \
'--trusted-host=[one more host that may see secret and token; repeatable]:HOST:' \
'--roots=[certificate authorities\: platform (default), bundled or a file]:FROM:' \
'--proxy=[env (default), none or a URL]:PROXY:' \
'--resolve=[reach a host at this address; repeatable]:HOST=ADDR:PORT:' \
'--timeout=[for the whole login (default\: 30)]:SECONDS:' \
'--header[as an HTTP header, for curl -H @-]' \
'--json[as JSON]' \
'--client-secret-stdin[read the consumer secret from standard input]' \
&& ret=0
;;
(verify)
_arguments "${_arguments_options[@]}" : \
'--connection=[a saved connection, in place of the credentials below]:ID:' \
'--folder=[where the connections are (default\: FORCEGRANT_CONNECTIONS)]:DIR:_files -/' \
'--login-url=[the org'\''s My Domain, or any address of the org]:HOST:' \
'--client-id=[the app'\''s consumer key]:KEY:' \
'--client-secret-file=[a file that holds the app'\''s consumer secret alone]:FILE:_files' \
'--auth-style=[how the app authenticates itself\: body (default) or basic]:STYLE:(body basic)' \
'--token-url=[the whole token endpoint, for a gateway or custom domain]:URL:' \
'--trusted-host=[one more host that may see secret and token; repeatable]:HOST:' \
'--roots=[certificate authorities\: platform (default), bundled or a file]:FROM:' \
'--proxy=[env (default), none or a URL]:PROXY:' \
'--resolve=[reach a host at this address; repeatable]:HOST=ADDR:PORT:' \
'--timeout=[for the whole login (default\: 30)]:SECONDS:' \
'--client-secret-stdin[read the consumer secret from standard input]' \
&& ret=0
;;
(doctor)
_arguments "${_arguments_options[@]}" : \
'--connection=[a saved connection, in place of the credentials below]:ID:' \
'--folder=[where the connections are (default\: FORCEGRANT_CONNECTIONS)]:DIR:_files -/' \
'--login-url=[the org'\''s My Domain, or any address of the org]:HOST:' \
'--client-id=[the app'\''s consumer key]:KEY:' \
'--client-secret-file=[a file that holds the app'\''s consumer secret alone]:FILE:_files' \
'--auth-style=[how the app authenticates itself\: body (default) or basic]:STYLE:(body basic)' \
'--token-url=[the whole token endpoint, for a gateway or custom domain]:URL:' \
'--trusted-host=[one more host that may see secret and token; repeatable]:HOST:' \
'--roots=[certificate authorities\: platform (default), bundled or a file]:FROM:' \
'--proxy=[env (default), none or a URL]:PROXY:' \
'--resolve=[reach a host at this address; repeatable]:HOST=ADDR:PORT:' \
'--timeout=[for the whole login (default\: 30)]:SECONDS:' \
'--client-secret-stdin[read the consumer secret from standard input]' \
&& ret=0
;;
(call)
_arguments "${_arguments_options[@]}" : \
'--data=[the body\: a text, a file, or standard input]:TEXT|@FILE|-:' \
'--header=[one more header; repeatable]:NAME:VALUE:' \
'--connection=[a saved connection, in place of the credentials below]:ID:' \
'--folder=[where the connections are (default\: FORCEGRANT_CONNECTIONS)]:DIR:_files -/' \
'--login-url=[the org'\''s My Domain, or any address of the org]:HOST:' \
'--client-id=[the app'\''s consumer key]:KEY:' \
'--client-secret-file=[a file that holds the app'\''s consumer secret alone]:FILE:_files' \
'--auth-style=[how the app authenticates itself\: body (default) or basic]:STYLE:(body basic)' \
'--token-url=[the whole token endpoint, for a gateway or custom domain]:URL:' \
'--trusted-host=[one more host that may see secret and token; repeatable]:HOST:' \
'--roots=[certificate authorities\: platform (default), bundled or a file]:FROM:' \
'--proxy=[env (default), none or a URL]:PROXY:' \
'--resolve=[reach a host at this address; repeatable]:HOST=ADDR:PORT:' \
'--timeout=[for the whole login (default\: 30)]:SECONDS:' \
'--include[status and headers too, on standard error]' \
'--client-secret-stdin[read the consumer secret from standard input]' \
'::word:(GET POST PATCH PUT DELETE HEAD)' \
&& ret=0
;;
(connect)
_arguments "${_arguments_options[@]}" : \
'--name=[a name in any characters]:TEXT:' \
'--port=[the page'\''s port on 127.0.0.1 (default\: any free one)]:N:' \
'--login-url=[the org'\''s My Domain, or any address of the org]:HOST:' \
'--client-id=[the app'\''s consumer key]:KEY:' \
'--client-secret-file=[a file that holds the app'\''s consumer secret alone]:FILE:_files' \
'--label=[a label of the connection; repeatable]:KEY=VALUE:' \
'--folder=[where the connections are (default\: FORCEGRANT_CONNECTIONS)]:DIR:_files -/' \
'--roots=[certificate authorities\: platform (default), bundled or a file]:FROM:' \
'--proxy=[env (default), none or a URL]:PROXY:' \
'--resolve=[reach a host at this address; repeatable]:HOST=ADDR:PORT:' \
'--timeout=[for the whole login (default\: 30)]:SECONDS:' \
'--replace[replace a connection that exists]' \
'--other-org[even if it was one of another org]' \
'--terminal[ask in the terminal, not by the page]' \
'--no-browser[print the link of the page, and open nothing]' \
'--client-secret-stdin[read the consumer secret from standard input]' \
&& ret=0
;;
(connections)
_arguments "${_arguments_options[@]}" : \
'--label=[a label of the connection; repeatable]:KEY=VALUE:' \
'--folder=[where the connections are (default\: FORCEGRANT_CONNECTIONS)]:DIR:_files -/' \
'--json[as JSON]' \
":: :_forcegrant__subcmd__connections_commands" \
"*::: :->connections" \
&& ret=0

    case $state in
    (connections)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:forcegrant-connections-command-$line[1]:"
        case $line[1] in
            (show)
_arguments "${_arguments_options[@]}" : \
'--folder=[where the connections are (default\: FORCEGRANT_CONNECTIONS)]:DIR:_files -/' \
'--json[as JSON]' \
&& ret=0
;;
(verify)
_arguments "${_arguments_options[@]}" : \
'--folder=[where the connections are (default\: FORCEGRANT_CONNECTIONS)]:DIR:_files -/' \
'--roots=[certificate authorities\: platform (default), bundled or a file]:FROM:' \
'--proxy=[env (default), none or a URL]:PROXY:' \
'--resolve=[reach a host at this address; repeatable]:HOST=ADDR:PORT:' \
'--timeout=[for the whole login (default\: 30)]:SECONDS:' \
'--all[all connections]' \
&& ret=0
;;
(remove)
_arguments "${_arguments_options[@]}" : \
'--folder=[where the connections are (default\: FORCEGRANT_CONNECTIONS)]:DIR:_files -/' \
&& ret=0
;;
(label)
_arguments "${_arguments_options[@]}" : \
'--remove=[remove this label; repeatable]:KEY:' \
'--folder=[where the connections are (default\: FORCEGRANT_CONNECTIONS)]:DIR:_files -/' \
&& ret=0
;;
(reseal)
_arguments "${_arguments_options[@]}" : \
'--folder=[where the connections are (default\: FORCEGRANT_CONNECTIONS)]:DIR:_files -/' \
'--all[all connections]' \
&& ret=0
;;
(key)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
        esac
    ;;
esac
;;
(emulator)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(errors)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(completions)
_arguments "${_arguments_options[@]}" : \
'::word:(bash zsh fish powershell)' \
&& ret=0
;;
        esac
    ;;
esac
}

(( $+functions[_forcegrant_commands] )) ||
_forcegrant_commands() {
    local commands; commands=(
'token:log in and print the access token, alone on its line' \
'verify:log in and make one API call; say in a few lines what works' \
'doctor:check everything step by step, and say what to fix and where' \
'call:call an API of the org with the token' \
'connect:enter three values; what they give is verified and saved' \
'connections:list, show, verify, remove, label or reseal connections' \
'emulator:run the Salesforce emulator, where it is installed' \
'errors:explain an error code, or list them all' \
'completions:print the script that completes commands in a shell' \
    )
    _describe -t commands 'forcegrant commands' commands "$@"
}
(( $+functions[_forcegrant__subcmd__call_commands] )) ||
_forcegrant__subcmd__call_commands() {
    local commands; commands=()
    _describe -t commands 'forcegrant call commands' commands "$@"
}
(( $+functions[_forcegrant__subcmd__completions_commands] )) ||
_forcegrant__subcmd__completions_commands() {
    local commands; commands=()
    _describe -t commands 'forcegrant completions commands' commands "$@"
}
(( $+functions[_forcegrant__subcmd__connect_commands] )) ||
_forcegrant__subcmd__connect_commands() {
    local commands; commands=()
    _describe -t commands 'forcegrant connect commands' commands "$@"
}
(( $+functions[_forcegrant__subcmd__connections_commands] )) ||
_forcegrant__subcmd__connections_commands() {
    local commands; commands=(
'show:show one connection, without its secret' \
'verify:log in with one or all, and make one API call' \
'remove:remove a connection; Salesforce is told nothing' \
'label:set or remove labels of a connection; the others stay' \
'reseal:seal the secret of a connection, or of all, anew' \
'key:print a new key for FORCEGRANT_CONNECTIONS_KEY' \
    )
    _describe -t commands 'forcegrant connections commands' commands "$@"
}
(( $+functions[_forcegrant__subcmd__connections__subcmd__key_commands] )) ||
_forcegrant__subcmd__connections__subcmd__key_commands() {
    local commands; commands=()
    _describe -t commands 'forcegrant connections key commands' commands "$@"
}
(( $+functions[_forcegrant__subcmd__connections__subcmd__label_commands] )) ||
_forcegrant__subcmd__connections__subcmd__label_commands() {
    local commands; commands=()
    _describe -t commands 'forcegrant connections label commands' commands "$@"
}
(( $+functions[_forcegrant__subcmd__connections__subcmd__remove_commands] )) ||
_forcegrant__subcmd__connections__subcmd__remove_commands() {
    local commands; commands=()
    _describe -t commands 'forcegrant connections remove commands' commands "$@"
}
(( $+functions[_forcegrant__subcmd__connections__subcmd__reseal_commands] )) ||
_forcegrant__subcmd__connections__subcmd__reseal_commands() {
    local commands; commands=()
    _describe -t commands 'forcegrant connections reseal commands' commands "$@"
}
(( $+functions[_forcegrant__subcmd__connections__subcmd__show_commands] )) ||
_forcegrant__subcmd__connections__subcmd__show_commands() {
    local commands; commands=()
    _describe -t commands 'forcegrant connections show commands' commands "$@"
}
(( $+functions[_forcegrant__subcmd__connections__subcmd__verify_commands] )) ||
_forcegrant__subcmd__connections__subcmd__verify_commands() {
    local commands; commands=()
    _describe -t commands 'forcegrant connections verify commands' commands "$@"
}
(( $+functions[_forcegrant__subcmd__doctor_commands] )) ||
_forcegrant__subcmd__doctor_commands() {
    local commands; commands=()
    _describe -t commands 'forcegrant doctor commands' commands "$@"
}
(( $+functions[_forcegrant__subcmd__emulator_commands] )) ||
_forcegrant__subcmd__emulator_commands() {
    local commands; commands=()
    _describe -t commands 'forcegrant emulator commands' commands "$@"
}
(( $+functions[_forcegrant__subcmd__errors_commands] )) ||
_forcegrant__subcmd__errors_commands() {
    local commands; commands=()
    _describe -t commands 'forcegrant errors commands' commands "$@"
}
(( $+functions[_forcegrant__subcmd__token_commands] )) ||
_forcegrant__subcmd__token_commands() {
    local commands; commands=()
    _describe -t commands 'forcegrant token commands' commands "$@"
}
(( $+functions[_forcegrant__subcmd__verify_commands] )) ||
_forcegrant__subcmd__verify_commands() {
    local commands; commands=()
    _describe -t commands 'forcegrant verify commands' commands "$@"
}

if [ "$funcstack[1]" = "_forcegrant" ]; then
    _forcegrant "$@"
else
    compdef _forcegrant forcegrant
fi
