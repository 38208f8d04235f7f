# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_forcegrant_global_optspecs
    string join \n
end

function __fish_forcegrant_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_forcegrant_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_forcegrant_using_subcommand
    set -l cmd (__fish_forcegrant_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c forcegrant -n "__fish_forcegrant_needs_command" -f -a "token" -d 'log in and print the access token, alone on its line'
complete -c forcegrant -n "__fish_forcegrant_needs_command" -f -a "verify" -d 'log in and make one API call; say in a few lines what works'
complete -c forcegrant -n "__fish_forcegrant_needs_command" -f -a "doctor" -d 'check everything step by step, and say what to fix and where'
complete -c forcegrant -n "__fish_forcegrant_needs_command" -f -a "call" -d 'call an API of the org with the token'
complete -c forcegrant -n "__fish_forcegrant_needs_command" -f -a "connect" -d 'enter three values; what they give is verified and saved'
complete -c forcegrant -n "__fish_forcegrant_needs_command" -f -a "connections" -d 'list, show, verify, remove, label or reseal connections'
complete -c forcegrant -n "__fish_forcegrant_needs_command" -f -a "emulator" -d 'run the Salesforce emulator, where it is installed'
complete -c forcegrant -n "__fish_forcegrant_needs_command" -f -a "errors" -d 'explain an error code, or list them all'
complete -c forcegrant -n "__fish_forcegrant_needs_command" -f -a "completions" -d 'print the script that completes commands in a shell'
complete -c forcegrant -n "__fish_forcegrant_using_subcommand token" -l connection -d 'a saved connection, in place of the credentials below' -r -f
complete -c forcegrant -n "__fish_forcegrant_using_subcommand token" -l folder -d 'where the connections are (default: FORCEGRANT_CONNECTIONS)' -r -f -a "(__fish_complete_directories)"
complete -c forcegrant -n "__fish_forcegrant_using_subcommand token" -l login-url -d 'the org\'s My Domain, or any address of the org' -r -f
complete -c forcegrant -n "__fish_forcegrant_using_subcommand token" -l client-id -d 'the app\'s consumer key' -r -f
complete -c forcegrant -n "__fish_forcegrant_using_subcommand token" -l client-secret-file -d 'a file that holds the app\'s consumer secret alone' -r -F
complete -c forcegrant -n "__fish_forcegrant_using_subcommand token" -l auth-style -d 'how the app authenticates itself: body (default) or basic' -r -f -a "body\t''
basic\t''"
complete -c forcegrant -n "__fish_forcegrant_using_subcommand token" -l token-url -d 'the whole token endpoint, for a gateway or custom domain' -r -f
complete -c forcegrant -n "__fish_forcegrant_using_subcommand token" -l trusted-host -d 'one more host that may see secret and token; repeatable' -r -f
complete -c forcegrant -n "__fish_forcegrant_using_subcommand token" -l roots -d 'certificate authorities: platform (default), bundled or a file' -r -f
complete -c forcegrant -n "__fish_forcegrant_using_subcommand token" -l proxy -d 'env (default), none or a URL' -r -f
complete -c forcegrant -n "__fish_forcegrant_using_subcommand token" -l resolve -d 'reach a host at this address; repeatable' -r -f
complete -c forcegrant -n "__fish_forcegrant_using_subcommand token" -l timeout -d 'for the whole login (default: 30)' -r -f
complete -c forcegrant -n "__fish_forcegrant_using_subcommand token" -l header -d 'as an HTTP header, for curl -H @-'
complete -c forcegrant -n "__fish_forcegrant_using_subcommand token" -l json -d 'as JSON'
complete -c forcegrant -n "__fish_forcegrant_using_subcommand token" -l client-secret-stdin -d 'read the consumer secret from standard input'
complete -c forcegrant -n "__fish_forcegrant_using_subcommand verify" -l connection -d 'a saved connection, in place of the credentials below' -r -f
complete -c forcegrant -n "__fish_forcegrant_using_subcommand verify" -l folder -d 'where the connections are (default: FORCEGRANT_CONNECTIONS)' -r -f -a "(__fish_complete_directories)"
complete -c forcegrant -n "__fish_forcegrant_using_subcommand verify" -l login-url -d 'the org\'s My Domain, or any address of the org' -r -f
complete -c forcegrant -n "__fish_forcegrant_using_subcommand verify" -l client-id -d 'the app\'s consumer key' -r -f
complete -c forcegrant -n "__fish_forcegrant_using_subcommand verify" -l client-secret-file -d 'a file that holds the app\'s consumer secret alone' -r -F
complete -c forcegrant -n "__fish_forcegrant_using_subcommand verify" -l auth-style -d 'how the app authenticates itself: body (default) or basic' -r -f -a "body\t''
basic\t''"
complete -c forcegrant -n "__fish_forcegrant_using_subcommand verify" -l token-url -d 'the whole token endpoint, for a gateway or custom domain' -r -f
complete -c forcegrant -n "__fish_forcegrant_using_subcommand verify" -l trusted-host -d 'one more host that may see secret and token; repeatable' -r -f
complete -c forcegrant -n "__fish_forcegrant_using_subcommand verify" -l roots -d 'certificate authorities: platform (default), bundled or a file' -r -f
complete -c forcegrant -n "__fish_forcegrant_using_subcommand verify" -l proxy -d 'env (default), none or a URL' -r -f
complete -c forcegrant -n "__fish_forcegrant_using_subcommand verify" -l resolve -d 'reach a host at this address; repeatable' -r -f
complete -c forcegrant -n "__fish_forcegrant_using_subcommand verify" -l timeout -d 'for the whole login (default: 30)' -r -f
complete -c forcegrant -n "__fish_forcegrant_using_subcommand verify" -l client-secret-stdin -d 'read the consumer secret from standard input'
complete -c forcegrant -n "__fish_forcegrant_using_subcommand doctor" -l connection -d 'a saved connection, in place of the credentials below' -r -f
complete -c forcegrant -n "__fish_forcegrant_using_subcommand doctor" -l folder -d 'where the connections are (default: FORCEGRANT_CONNECTIONS)' -r -f -a "(__fish_complete_directories)"
complete -c forcegrant -n "__fish_forcegrant_using_subcommand doctor" -l login-url -d 'the org\'s My Domain, or any address of the org' -r -f
complete -c forcegrant -n "__fish_forcegrant_using_subcommand doctor" -l client-id -d 'the app\'s consumer key' -r -f
complete -c forcegrant -n "__fish_forcegrant_using_subcommand doctor" -l client-secret-file -d 'a file that holds the app\'s consumer secret alone' -r -F
complete -c forcegrant -n "__fish_forcegrant_using_subcommand doctor" -l auth-style -d 'how the app authenticates itself: body (default) or basic' -r -f -a "body\t''
basic\t''"
complete -c forcegrant -n "__fish_forcegrant_using_subcommand doctor" -l token-url -d 'the whole token endpoint, for a gateway or custom domain' -r -f
complete -c forcegrant -n "__fish_forcegrant_using_subcommand doctor" -l trusted-host -d 'one more host that may see secret and token; repeatable' -r -f
complete -c forcegrant -n "__fish_forcegrant_using_subcommand doctor" -l roots -d 'certificate authorities: platform (default), bundled or a file' -r -f
complete -c forcegrant -n "__fish_forcegrant_using_subcommand doctor" -l proxy -d 'env (default), none or a URL' -r -f
complete -c forcegrant -n "__fish_forcegrant_using_subcommand doctor" -l resolve -d 'reach a host at this address; repeatable' -r -f
complete -c forcegrant -n "__fish_forcegrant_using_subcommand doctor" -l timeout -d 'for the whole login (default: 30)' -r -f
complete -c forcegrant -n "__fish_forcegrant_using_subcommand doctor" -l client-secret-stdin -d 'read the consumer secret from standard input'
complete -c forcegrant -n "__fish_forcegrant_using_subcommand call" -l data -d 'the body: a text, a file, or standard input' -r -f
complete -c forcegrant -n "__fish_forcegrant_using_subcommand call" -l header -d 'one more header; repeatable' -r -f
complete -c forcegrant -n "__fish_forcegrant_using_subcommand call" -l connection -d 'a saved connection, in place of the credentials below' -r -f
complete -c forcegrant -n "__fish_forcegrant_using_subcommand call" -l folder -d 'where the connections are (default: FORCEGRANT_CONNECTIONS)' -r -f -a "(__fish_complete_directories)"
complete -c forcegrant -n "__fish_forcegrant_using_subcommand call" -l login-url -d 'the org\'s My Domain, or any address of the org' -r -f
complete -c forcegrant -n "__fish_forcegrant_using_subcommand call" -l client-id -d 'the app\'s consumer key' -r -f
complete -c forcegrant -n "__fish_forcegrant_using_subcommand call" -l client-secret-file -d 'a file that holds the app\'s consumer secret alone' -r -F
complete -c forcegrant -n "__fish_forcegrant_using_subcommand call" -l auth-style -d 'how the app authenticates itself: body (default) or basic' -r -f -a "body\t''
basic\t''"
complete -c forcegrant -n "__fish_forcegrant_using_subcommand call" -l token-url -d 'the whole token endpoint, for a gateway or custom domain' -r -f
complete -c forcegrant -n "__fish_forcegrant_using_subcommand call" -l trusted-host -d 'one more host that may see secret and token; repeatable' -r -f
complete -c forcegrant -n "__fish_forcegrant_using_subcommand call" -l roots -d 'certificate authorities: platform (default), bundled or a file' -r -f
complete -c forcegrant -n "__fish_forcegrant_using_subcommand call" -l proxy -d 'env (default), none or a URL' -r -f
complete -c forcegrant -n "__fish_forcegrant_using_subcommand call" -l resolve -d 'reach a host at this address; repeatable' -r -f
complete -c forcegrant -n "__fish_forcegrant_using_subcommand call" -l timeout -d 'for the whole login (default: 30)' -r -f
complete -c forcegrant -n "__fish_forcegrant_using_subcommand call" -l include -d 'status and headers too, on standard error'
complete -c forcegrant -n "__fish_forcegrant_using_subcommand call" -l client-secret-stdin -d 'read the consumer secret from standard input'
complete -c forcegrant -n "__fish_forcegrant_using_subcommand connect" -l name -d 'a name in any characters' -r -f
complete -c forcegrant -n "__fish_forcegrant_using_subcommand connect" -l port -d 'the page\'s port on 127.0.0.1 (default: any free one)' -r -f
complete -c forcegrant -n "__fish_forcegrant_using_subcommand connect" -l login-url -d 'the org\'s My Domain, or any address of the org' -r -f
complete -c forcegrant -n "__fish_forcegrant_using_subcommand connect" -l client-id -d 'the app\'s consumer key' -r -f
complete -c forcegrant -n "__fish_forcegrant_using_subcommand connect" -l client-secret-file -d 'a file that holds the app\'s consumer secret alone' -r -F
complete -c forcegrant -n "__fish_forcegrant_using_subcommand connect" -l label -d 'a label of the connection; repeatable' -r -f
complete -c forcegrant -n "__fish_forcegrant_using_subcommand connect" -l folder -d 'where the connections are (default: FORCEGRANT_CONNECTIONS)' -r -f -a "(__fish_complete_directories)"
complete -c forcegrant -n "__fish_forcegrant_using_subcommand connect" -l roots -d 'certificate authorities: platform (default), bundled or a file' -r -f
complete -c forcegrant -n "__fish_forcegrant_using_subcommand connect" -l proxy -d 'env (default), none or a URL' -r -f
complete -c forcegrant -n "__fish_forcegrant_using_subcommand connect" -l resolve -d 'reach a host at this address; repeatable' -r -f
complete -c forcegrant -n "__fish_forcegrant_using_subcommand connect" -l timeout -d 'for the whole login (default: 30)' -r -f
complete -c forcegrant -n "__fish_forcegrant_using_subcommand connect" -l replace -d 'replace a connection that exists'
complete -c forcegrant -n "__fish_forcegrant_using_subcommand connect" -l other-org -d 'even if it was one of another org'
complete -c forcegrant -n "__fish_forcegrant_using_subcommand connect" -l terminal -d 'ask in the terminal, not by the page'
complete -c forcegrant -n "__fish_forcegrant_using_subcommand connect" -l no-browser -d 'print the link of the page, and open nothing'
complete -c forcegrant -n "__fish_forcegrant_using_subcommand connect" -l client-secret-stdin -d 'read the consumer secret from standard input'
complete -c forcegrant -n "__fish_forcegrant_using_subcommand connections; and not __fish_seen_subcommand_from show verify remove label reseal key" -l label -d 'a label of the connection; repeatable' -r -f
complete -c forcegrant -n "__fish_forcegrant_using_subcommand connections; and not __fish_seen_subcommand_from show verify remove label reseal key" -l folder -d 'where the connections are (default: FORCEGRANT_CONNECTIONS)' -r -f -a "(__fish_complete_directories)"
complete -c forcegrant -n "__fish_forcegrant_using_subcommand connections; and not __fish_seen_subcommand_from show verify remove label reseal key" -l json -d 'as JSON'
complete -c forcegrant -n "__fish_forcegrant_using_subcommand connections; and not __fish_seen_subcommand_from show verify remove label reseal key" -f -a "show" -d 'show one connection, without its secret'
complete -c forcegrant -n "__fish_forcegrant_using_subcommand connections; and not __fish_seen_subcommand_from show verify remove label reseal key" -f -a "verify" -d 'log in with one or all, and make one API call'
complete -c forcegrant -n "__fish_forcegrant_using_subcommand connections; and not __fish_seen_subcommand_from show verify remove label reseal key" -f -a "remove" -d 'remove a connection; Salesforce is told nothing'
complete -c forcegrant -n "__fish_forcegrant_using_subcommand connections; and not __fish_seen_subcommand_from show verify remove label reseal key" -f -a "label" -d 'set or remove labels of a connection; the others stay'
complete -c forcegrant -n "__fish_forcegrant_using_subcommand connections; and not __fish_seen_subcommand_from show verify remove label reseal key" -f -a "reseal" -d 'seal the secret of a connection, or of all, anew'
complete -c forcegrant -n "__fish_forcegrant_using_subcommand connections; and not __fish_seen_subcommand_from show verify remove label reseal key" -f -a "key" -d 'print a new key for FORCEGRANT_CONNECTIONS_KEY'
complete -c forcegrant -n "__fish_forcegrant_using_subcommand connections; and __fish_seen_subcommand_from show" -l folder -d 'where the connections are (default: FORCEGRANT_CONNECTIONS)' -r -f -a "(__fish_complete_directories)"
complete -c forcegrant -n "__fish_forcegrant_using_subcommand connections; and __fish_seen_subcommand_from show" -l json -d 'as JSON'
complete -c forcegrant -n "__fish_forcegrant_using_subcommand connections; and __fish_seen_subcommand_from verify" -l folder -d 'where the connections are (default: FORCEGRANT_CONNECTIONS)' -r -f -a "(__fish_complete_directories)"
complete -c forcegrant -n "__fish_forcegrant_using_subcommand connections; and __fish_seen_subcommand_from verify" -l roots -d 'certificate authorities: platform (default), bundled or a file' -r -f
complete -c forcegrant -n "__fish_forcegrant_using_subcommand connections; and __fish_seen_subcommand_from verify" -l proxy -d 'env (default), none or a URL' -r -f
complete -c forcegrant -n "__fish_forcegrant_using_subcommand connections; and __fish_seen_subcommand_from verify" -l resolve -d 'reach a host at this address; repeatable' -r -f
complete -c forcegrant -n "__fish_forcegrant_using_subcommand connections; and __fish_seen_subcommand_from verify" -l timeout -d 'for the whole login (default: 30)' -r -f
complete -c forcegrant -n "__fish_forcegrant_using_subcommand connections; and __fish_seen_subcommand_from verify" -l all -d 'all connections'
complete -c forcegrant -n "__fish_forcegrant_using_subcommand connections; and __fish_seen_subcommand_from remove" -l folder -d 'where the connections are (default: FORCEGRANT_CONNECTIONS)' -r -f -a "(__fish_complete_directories)"
complete -c forcegrant -n "__fish_forcegrant_using_subcommand connections; and __fish_seen_subcommand_from label" -l remove -d 'remove this label; repeatable' -r -f
complete -c forcegrant -n "__fish_forcegrant_using_subcommand connections; and __fish_seen_subcommand_from label" -l folder -d 'where the connections are (default: FORCEGRANT_CONNECTIONS)' -r -f -a "(__fish_complete_directories)"
complete -c forcegrant -n "__fish_forcegrant_using_subcommand connections; and __fish_seen_subcommand_from reseal" -l folder -d 'where the connections are (default: FORCEGRANT_CONNECTIONS)' -r -f -a "(__fish_complete_directories)"
complete -c forcegrant -n "__fish_forcegrant_using_subcommand connections; and __fish_seen_subcommand_from reseal" -l all -d 'all connections'
