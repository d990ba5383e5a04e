// How many keys of each block are above the last key that is taken, and how many are equal to it; behind all blocks that key's bits, and how
// many of its equals are taken.
var<workgroup> TOTALS: array<atomic<u32>, 2>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    if (local < 2u) {
        atomicStore(&TOTALS[local], 0u);
    }
    workgroupBarrier();
    let found = pick(local);
    let block = item_of(group, 0u, 1u);
    let end = min((block + 1u) * P.more[0].y, P.count);
    var greater = 0u;
    var equal = 0u;
    for (var i = block * P.more[0].y + local; i < end; i += 256u) {
        let bits = key(i);
        greater += select(0u, 1u, bits > found.x);
        equal += select(0u, 1u, bits == found.x);
    }
    atomicAdd(&TOTALS[0], greater);
    atomicAdd(&TOTALS[1], equal);
    workgroupBarrier();
    if (local < 2u) {
        if (block < P.more[0].z) {
            D[P.base.y + i32(2u * block + local)] = atomicLoad(&TOTALS[local]);
        }
        if (block == 0u) {
            D[P.base.y + i32(2u * P.more[0].z + local)] = select(found.x, found.y, local == 1u);
        }
    }
}
