// For each place the first source that names it, and for each source the next one for the same place, so that sums can be taken in the
// order of the sources. One workgroup goes through the sources from the end, 256 at a time. 0xffffffff: none; the firsts begin as that.
@group(0) @binding(0) var<uniform> P: Params;
@group(0) @binding(1) var<storage, read> S: array<{{INDEX}}>;
@group(0) @binding(2) var<storage, read_write> F: array<u32>;
@group(0) @binding(3) var<storage, read_write> N: array<u32>;

var<workgroup> W: array<u32, 256>;

fn place(j: u32) -> u32 {
    let index = S[P.base.x + i32(j) * P.steps[0].x];
    return {{PLACE}};
}

@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) local: u32) {
    for (var chunk = (P.count + 255u) / 256u; chunk > 0u; chunk -= 1u) {
        let j = (chunk - 1u) * 256u + local;
        var p = 0xffffffffu;
        if (j < P.count) {
            p = place(j);
            if (p >= P.flags) {
                p = 0xffffffffu;
            }
        }
        W[local] = p;
        workgroupBarrier();
        var first = false;
        if (p != 0xffffffffu) {
            var next = 0xffffffffu;
            for (var k = local + 1u; k < 256u; k += 1u) {
                if (W[k] == p) {
                    next = j - local + k;
                    break;
                }
            }
            if (next == 0xffffffffu) {
                next = F[p];
            }
            N[j] = next;
            first = true;
            for (var k = 0u; k < local; k += 1u) {
                if (W[k] == p) {
                    first = false;
                    break;
                }
            }
        }
        storageBarrier();
        workgroupBarrier();
        if (first) {
            F[p] = j;
        }
        storageBarrier();
        workgroupBarrier();
    }
}
