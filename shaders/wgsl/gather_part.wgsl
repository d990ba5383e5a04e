// Elements by index, those that come from P.more[0].y slices of the source, the first of which is number P.more[0].z.
@group(0) @binding(0) var<uniform> P: Params;
@group(0) @binding(1) var<storage, read> S: array<{{SOURCE}}>;
@group(0) @binding(2) var<storage, read> I: array<{{INDEX}}>;
@group(0) @binding(3) var<storage, read_write> D: array<{{DESTINATION}}>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let item = item_of(group, local, 256u);
    if (item >= P.count) {
        return;
    }
    let at = places(item);
    let index = I[at.z];
    let slice = {{PLACE}};
    if (slice < P.more[0].z || slice - P.more[0].z >= P.more[0].y) {
        return;
    }
    let i = at.y + i32(slice - P.more[0].z) * bitcast<i32>(P.more[0].x);
    let value = {{LOAD}};
    {{STORE}}
}
