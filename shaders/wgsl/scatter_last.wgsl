// Which source is the last that names each place: its number plus 1. The places begin as 0.
@group(0) @binding(0) var<uniform> P: Params;
@group(0) @binding(1) var<storage, read> S: array<{{INDEX}}>;
@group(0) @binding(2) var<storage, read_write> D: array<atomic<u32>>;

fn place(j: u32) -> u32 {
    let index = S[P.base.x + i32(j) * P.steps[0].x];
    return {{PLACE}};
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let j = item_of(group, local, 256u);
    if (j >= P.count) {
        return;
    }
    let p = place(j);
    if (p < P.flags) {
        atomicMax(&D[p], j + 1u);
    }
}
