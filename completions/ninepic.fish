function __ninepic_has_answers
    set --local line (commandline --cut-at-cursor --current-process | string collect)
    set --global __ninepic_answers (env _NINEPIC_COMPLETE=complete_fish _TYPER_COMPLETE_FISH_ACTION=get-args \
        _TYPER_COMPLETE_ARGS=$line ninepic)
    test -n "$__ninepic_answers"
end

complete --command ninepic --no-files --condition __ninepic_has_answers --arguments '$__ninepic_answers'
