// Adds to each element the sources that name its place, in their order, rounded to the type at each step.
@group(0) @binding(0) var<uniform> P: Params;
@group(0) @binding(1) var<storage, read> S: array<{{SOURCE}}>;
@group(0) @binding(2) var<storage, read> F: array<u32>;
@group(0) @binding(3) var<storage, read> N: array<u32>;
@group(0) @binding(4) var<storage, read_write> D: array<{{DESTINATION}}>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let item = item_of(group, local, 256u);
    if (item >= P.count) {
        return;
    }
    let at = places(item);
    var j = F[at.z];
    if (j == 0xffffffffu) {
        return;
    }
    var value = {{OLD}};
    while (j != 0xffffffffu) {
        let source = at.y + i32(j) * bitcast<i32>(P.more[0].x);
        let x = {{LOAD}};
        value = {{SUM}};
        j = N[j];
    }
    {{STORE}}
}
