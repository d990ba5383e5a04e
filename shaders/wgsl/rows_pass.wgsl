    // Parts of 32 terms join before they join the whole, so that a long sum errs as a tree does.
    var mine_{{NAME}} = {{INIT}};
    for (var r = lane; r < n;) {
        var part = {{INIT}};
        for (var i = 0u; i < 32u && r < n; i += 1u) {
            {{LOADS}}
            part = join_{{NAME}}(part, {{TERM}});
            r += {{LANES}}u;
        }
        mine_{{NAME}} = join_{{NAME}}(mine_{{NAME}}, part);
    }
    let {{NAME}} = whole_{{NAME}}(local, mine_{{NAME}});
    {{THEN}}
