var<workgroup> W_{{NAME}}: array<{{TYPE}}, 256>;

// What the invocations of a row have, joined by each of them.
fn whole_{{NAME}}(local: u32, mine: {{TYPE}}) -> {{TYPE}} {
    W_{{NAME}}[local] = mine;
    workgroupBarrier();
    let first = local - local % {{LANES}}u;
    var a = W_{{NAME}}[first];
    for (var k = 1u; k < {{LANES}}u; k += 1u) {
        a = join_{{NAME}}(a, W_{{NAME}}[first + k]);
    }
    return a;
}

