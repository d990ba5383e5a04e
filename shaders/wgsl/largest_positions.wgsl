// The positions of the keys that are taken, in order. 8192 keys at a time enter words of flags, so that neighbouring invocations read
// neighbouring keys; then each invocation has the 32 flags of one word of each kind. H: what the blocks counted.
var<workgroup> BEFORE: array<atomic<u32>, 2>;
var<workgroup> GREATER: array<atomic<u32>, 256>;
var<workgroup> EQUAL: array<atomic<u32>, 256>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let block = item_of(group, 0u, 1u);
    let last = P.base.z + i32(2u * P.more[0].z);
    let bits_of_last = H[last];
    let ties = H[last + 1];
    if (local < 2u) {
        atomicStore(&BEFORE[local], 0u);
    }
    workgroupBarrier();
    var greater = 0u;
    var equal = 0u;
    for (var i = local; i < min(block, P.more[0].z); i += 256u) {
        greater += H[P.base.z + i32(2u * i)];
        equal += H[P.base.z + i32(2u * i) + 1];
    }
    atomicAdd(&BEFORE[0], greater);
    atomicAdd(&BEFORE[1], equal);
    workgroupBarrier();
    greater = atomicLoad(&BEFORE[0]);
    equal = atomicLoad(&BEFORE[1]);

    let end = min((block + 1u) * P.more[0].y, P.count);
    for (var tile = block * P.more[0].y; tile < end; tile += 8192u) {
        atomicStore(&GREATER[local], 0u);
        atomicStore(&EQUAL[local], 0u);
        workgroupBarrier();
        for (var i = local; i < min(8192u, end - tile); i += 256u) {
            let bits = key(tile + i);
            if (bits > bits_of_last) {
                atomicOr(&GREATER[i >> 5u], 1u << (i & 31u));
            } else if (bits == bits_of_last) {
                atomicOr(&EQUAL[i >> 5u], 1u << (i & 31u));
            }
        }
        workgroupBarrier();
        let above = atomicLoad(&GREATER[local]);
        var left = above | atomicLoad(&EQUAL[local]);
        // Both numbers in one word: neither passes 8192.
        let own = countOneBits(above) | (countOneBits(left ^ above) << 16u);
        let sums = sum_to(local, own);
        let before = sums.x - own;
        var g = greater + (before & 0xffffu);
        var e = equal + (before >> 16u);
        while (left != 0u) {
            let bit = countTrailingZeros(left);
            left &= left - 1u;
            let is_greater = ((above >> bit) & 1u) == 1u;
            if (is_greater || e < ties) {
                D[P.base.y + i32(g + min(e, ties))] = tile + local * 32u + bit;
            }
            g += select(0u, 1u, is_greater);
            e += select(1u, 0u, is_greater);
        }
        greater += sums.y & 0xffffu;
        equal += sums.y >> 16u;
    }
}
