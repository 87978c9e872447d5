# bash completion for edge-agent; the command itself says what can follow.
_edge_agent_completion() {
    local IFS=$'\n'
    mapfile -t COMPREPLY < <(env COMP_WORDS="${COMP_WORDS[*]}" COMP_CWORD="$COMP_CWORD" \
        _EDGE_AGENT_COMPLETE=complete_bash "$1" 2>/dev/null)
    # A key waits for its value: no space after the sign.
    if [[ ${#COMPREPLY[@]} = 1 && ${COMPREPLY[0]} = *= ]]; then compopt -o nospace; fi
}
complete -o default -F _edge_agent_completion edge-agent
