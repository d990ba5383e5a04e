fn join_{{NAME}}(a: {{TYPE}}, b: {{TYPE}}) -> {{TYPE}} {
    return {{JOIN}};
}

