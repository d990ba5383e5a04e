// Sums along columns, in parts of P.more[0].z rows: an invocation for each column of each part.
@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let item = item_of(group, local, 256u);
    if (item >= P.count) {
        return;
    }
    let n = P.more[0].x;
    let part = item / n;
    let column = item - part * n;
    let end = min((part + 1u) * P.more[0].z, P.more[0].y);
    var whole = vec2<f32>();
    for (var row = part * P.more[0].z; row < end;) {
        var some = vec2<f32>();
        for (var i = 0u; i < 32u && row < end; i += 1u) {
            let at = i32(row * n + column);
            let r = i32(row);
            some += {{TERM}};
            row += 1u;
        }
        whole += some;
    }
    let to = i32(item);
    {{STORE}}
}
