// How often each value of a digit occurs among the keys whose digits above are those of the last key that is taken. D begins as zeros.
var<workgroup> COUNTS: array<atomic<u32>, 2048>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    for (var i = local; i < DIGITS; i += 256u) {
        atomicStore(&COUNTS[i], 0u);
    }
    workgroupBarrier();
    let found = {{FOUND}};
    let block = item_of(group, 0u, 1u);
    let end = min((block + 1u) * P.more[0].y, P.count);
    for (var i = block * P.more[0].y + local; i < end; i += 256u) {
        let bits = key(i);
        if ({{AMONG}}) {
            atomicAdd(&COUNTS[(bits >> {{SHIFT}}u) & {{MASK}}u], 1u);
        }
    }
    workgroupBarrier();
    for (var i = local; i < DIGITS; i += 256u) {
        let n = atomicLoad(&COUNTS[i]);
        if (n > 0u) {
            atomicAdd(&D[P.base.y + i32(i)], n);
        }
    }
    if (block == 0u && local == 0u) {
        atomicStore(&D[P.base.y + i32(DIGITS)], found.x);
        atomicStore(&D[P.base.y + i32(DIGITS) + 1], found.y);
    }
}
