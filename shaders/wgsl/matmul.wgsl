fn left(at: vec4<i32>, row: u32, k: u32) -> {{V}} {
    let i = at.y + i32(row) * bitcast<i32>(P.more[1].x) + i32(k) * bitcast<i32>(P.more[1].y);
    return {{LOAD_A}};
}

fn right(at: vec4<i32>, k: u32, column: u32) -> {{V}} {
    let i = at.z + i32(k) * bitcast<i32>(P.more[1].z) + i32(column) * bitcast<i32>(P.more[1].w);
    return {{LOAD_B}};
}

fn sum_of(sum: {{V}}, a: {{V}}, b: {{V}}) -> {{V}} {
    return {{FMA}};
}
