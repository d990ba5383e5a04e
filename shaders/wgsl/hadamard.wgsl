// Walsh-Hadamard transforms of runs of a power of two elements, 2048 elements a workgroup. P.more[0]: elements of a run, their distance, length of
// the rows that have signs, runs. P.flags: 1 when signs come before, 2 when they come after. P.value.x: the factor.
var<workgroup> W: array<f32, 2048>;

// The place of slot `e` of a workgroup whose first run is `first`; neighbours are neighbours in memory.
fn place_of(first: u32, e: u32) -> u32 {
    let length = P.more[0].x;
    let apart = P.more[0].y;
    let lines = 2048u / length;
    let along = apart == 1u;
    let line = min(first + select(e % lines, e / length, along), P.more[0].w - 1u);
    let i = select(e / lines, e % length, along);
    return line / apart * (length * apart) + line % apart + i * apart;
}

fn slot_of(e: u32) -> u32 {
    let length = P.more[0].x;
    let lines = 2048u / length;
    return select(e % lines * length + e / lines, e, P.more[0].y == 1u);
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let item = min(group.y * P.groups_x + group.x, P.count - 1u);
    let lines = 2048u / P.more[0].x;
    let first = item * lines;
    for (var e = local; e < 2048u; e += 256u) {
        let place = place_of(first, e);
        var value = X[u32(P.base.x) + place];
        if (P.flags % 2u == 1u) {
            value *= S[u32(P.base.y) + place % P.more[0].z];
        }
        W[slot_of(e)] = value;
    }
    workgroupBarrier();
    for (var half = 1u; half < P.more[0].x; half = half << 1u) {
        for (var t = local; t < 1024u; t += 256u) {
            let at = t / half * 2u * half + t % half;
            let a = W[at];
            let b = W[at + half];
            W[at] = a + b;
            W[at + half] = a - b;
        }
        workgroupBarrier();
    }
    if (group.y * P.groups_x + group.x >= P.count) {
        return;
    }
    for (var e = local; e < 2048u; e += 256u) {
        let line = select(e % lines, e / P.more[0].x, P.more[0].y == 1u);
        if (first + line < P.more[0].w) {
            let place = place_of(first, e);
            var value = W[slot_of(e)] * P.value.x;
            if (P.flags >= 2u) {
                value *= S[u32(P.base.y) + place % P.more[0].z];
            }
            D[u32(P.base.z) + place] = value;
        }
    }
}
