var<workgroup> W_{{NAME}}: array<{{TYPE}}, 256>;
var<workgroup> V_{{NAME}}: array<{{TYPE}}, 32>;

// What the invocations of a row have, joined in two steps of ROOT each: two barriers, where halving would need one a step.
fn whole_{{NAME}}(local: u32, mine: {{TYPE}}) -> {{TYPE}} {
    W_{{NAME}}[local] = mine;
    workgroupBarrier();
    let lane = local % {{LANES}}u;
    let row = local / {{LANES}}u * {{ROOT}}u;
    if (lane < {{ROOT}}u) {
        var a = W_{{NAME}}[local];
        for (var k = {{ROOT}}u; k < {{LANES}}u; k += {{ROOT}}u) {
            a = join_{{NAME}}(a, W_{{NAME}}[local + k]);
        }
        V_{{NAME}}[row + lane] = a;
    }
    workgroupBarrier();
    var a = V_{{NAME}}[row];
    for (var k = 1u; k < {{ROOT}}u; k += 1u) {
        a = join_{{NAME}}(a, V_{{NAME}}[row + k]);
    }
    return a;
}

