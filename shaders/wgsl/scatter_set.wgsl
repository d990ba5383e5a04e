// Writes the sources that are the last for their places, of which there are P.more[0].y from number P.more[0].z on.
@group(0) @binding(0) var<uniform> P: Params;
@group(0) @binding(1) var<storage, read> S: array<{{SOURCE}}>;
@group(0) @binding(2) var<storage, read> I: array<{{INDEX}}>;
@group(0) @binding(3) var<storage, read> L: array<u32>;
@group(0) @binding(4) var<storage, read_write> D: array<{{DESTINATION}}>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let item = item_of(group, local, 256u);
    if (item >= P.count) {
        return;
    }
    var at = places(item);
    let index = I[at.z];
    let p = {{PLACE}};
    if (p >= P.flags || p < P.more[0].z || p - P.more[0].z >= P.more[0].y) {
        return;
    }
    if (L[p] != u32(at.w) + 1u) {
        return;
    }
    at.x += i32(p - P.more[0].z) * bitcast<i32>(P.more[0].x);
    let value = {{LOAD}};
    {{STORE}}
}
