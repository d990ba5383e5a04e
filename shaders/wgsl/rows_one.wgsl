// An invocation has the row for itself.
fn whole_{{NAME}}(local: u32, mine: {{TYPE}}) -> {{TYPE}} {
    return mine;
}

