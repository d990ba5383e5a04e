// Products of matrices. P.more[0]: rows, columns, inner length, tiles of a row of tiles; [1]: strides of the left matrix along rows and
// inner axis, of the right one along inner axis and columns; [2]: strides of the result, groups of a batch.
@group(0) @binding(0) var<uniform> P: Params;
@group(0) @binding(1) var<storage, read> A: array<{{A}}>;
@group(0) @binding(2) var<storage, read> B: array<{{B}}>;
@group(0) @binding(3) var<storage, read_write> D: array<{{D}}>;

fn put(batch: vec4<i32>, row: u32, column: u32, value: {{V}}) {
    let at = vec4<i32>(batch.x + i32(row) * bitcast<i32>(P.more[2].x) + i32(column) * bitcast<i32>(P.more[2].y), 0, 0, 0);
    {{STORE}}
}

