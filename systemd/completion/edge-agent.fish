# fish completion for edge-agent; the command itself says what can follow.
set -l asked "env _EDGE_AGENT_COMPLETE=complete_fish _TYPER_COMPLETE_ARGS=(commandline -cp) _TYPER_COMPLETE_FISH_ACTION"
complete --command edge-agent --no-files --arguments "($asked=get-args edge-agent)" --condition "$asked=is-args edge-agent"
