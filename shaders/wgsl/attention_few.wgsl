
// Up to {{ROWS}} rows a workgroup, and 128 keys. Four invocations share a key, along its elements, and have four keys each. Then {{LANES}} invocations
// share the columns of values, four each, side by side for {{TEAMS}} parts of the keys.
const ROWS: u32 = {{ROWS}}u;
const LANES: u32 = {{LANES}}u;
const TEAMS: u32 = {{TEAMS}}u;

var<workgroup> W: array<f32, {{WORDS}}>;
var<workgroup> R: array<f32, 128>;
// For each row: its place, and how many keys it sees; its maximum, and its sum of exponentials.
var<workgroup> Q0: array<vec2<i32>, ROWS>;
var<workgroup> M: array<vec2<f32>, ROWS>;
var<workgroup> S: array<f32, {{SCORES}}>;

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let item = min(id.y * P.groups_x + id.x, P.count - 1u);
    let stored = id.y * P.groups_x + id.x < P.count;
    let rest = item / P.more[1].z;
    let row0 = (item - rest * P.more[1].z) * ROWS;
    let group = rest / P.more[1].w;
    let part = rest - group * P.more[1].w;
    let at = {{ORIGINS}};
    let key0 = part * 128u;
    if (local < ROWS) {
        Q0[local] = vec2<i32>(place_Q(at, row0 + local), i32(seen(row0 + local)));
    }
    workgroupBarrier();
    var keys: array<i32, 4>;
    for (var p = 0u; p < 4u; p += 1u) {
        keys[p] = place_K(at, key0 + p * 32u + local / 4u);
    }
    var scores = array<f32, {{FOUR_ROWS}}>();
    for (var c = local % 4u * 4u; c < P.more[0].z; c += 16u) {
        var k: array<vec4<f32>, 4>;
        for (var p = 0u; p < 4u; p += 1u) {
            k[p] = four_K(keys[p], c);
        }
        for (var r = 0u; r < ROWS; r += 1u) {
            let q = four_Q(Q0[r].x, c);
            for (var p = 0u; p < 4u; p += 1u) {
                scores[r * 4u + p] += dot(q, k[p]);
            }
        }
    }
    // A key for each invocation, four rows at a time.
    for (var r0 = 0u; r0 < ROWS; r0 += 4u) {
        workgroupBarrier();
        for (var r = 0u; r < min(ROWS, 4u); r += 1u) {
            for (var p = 0u; p < 4u; p += 1u) {
                W[r * 512u + p * 128u + local] = scores[(r0 + r) * 4u + p];
            }
        }
        workgroupBarrier();
        for (var r = 0u; r < min(ROWS, 4u); r += 1u) {
            let e = r * 512u + local * 4u;
            let score = ((W[e] + W[e + 1u]) + (W[e + 2u] + W[e + 3u])) * P.value.x;
            S[(r0 + r) * 128u + local] = select(LOWEST, score, i32(key0 + local) < Q0[r0 + r].y);
        }
    }
    // The maximum of each row: of 8 keys, then of 16 such.
    workgroupBarrier();
    for (var i = local; i < ROWS * 16u; i += 128u) {
        var high = S[i * 8u];
        for (var j = 1u; j < 8u; j += 1u) {
            high = max(high, S[i * 8u + j]);
        }
        R[i] = high;
    }
    workgroupBarrier();
    if (local < ROWS) {
        var high = R[local * 16u];
        for (var j = 1u; j < 16u; j += 1u) {
            high = max(high, R[local * 16u + j]);
        }
        M[local].x = high;
    }
    workgroupBarrier();
    for (var r = 0u; r < ROWS; r += 1u) {
        let weight = exp_(S[r * 128u + local] - M[r].x);
        S[r * 128u + local] = select(0.0, weight, i32(key0 + local) < Q0[r].y);
    }
    workgroupBarrier();
    for (var i = local; i < ROWS * 16u; i += 128u) {
        var sum = 0.0;
        for (var j = 0u; j < 8u; j += 1u) {
            sum += S[i * 8u + j];
        }
        R[i] = sum;
    }
    workgroupBarrier();
    if (local < ROWS) {
        var sum = 0.0;
        for (var j = 0u; j < 16u; j += 1u) {
            sum += R[local * 16u + j];
        }
        M[local].y = sum;
    }
    let width = P.more[0].w;
    let lane = local % LANES;
    let length = min(128u, P.more[0].y - key0);
    for (var column0 = 0u; column0 < width; column0 += LANES * 4u) {
        let c = column0 + lane * 4u;
        var sums = array<vec4<f32>, ROWS>();
        if (c < width) {
            for (var i = local / LANES; i < length; i += TEAMS) {
                let v = four_V(place_V(at, key0 + i), c);
                for (var r = 0u; r < ROWS; r += 1u) {
                    // What is not seen has the weight 0, and may be anything.
                    let weight = S[r * 128u + i];
                    sums[r] = select(sums[r], fma(vec4<f32>(weight), v, sums[r]), weight != 0.0);
                }
            }
        }
        for (var r0 = 0u; r0 < ROWS; r0 += 4u) {
            workgroupBarrier();
            for (var r = 0u; r < min(ROWS, 4u); r += 1u) {
                for (var j = 0u; j < 4u; j += 1u) {
                    W[r * 512u + j * 128u + local] = sums[r0 + r][j];
                }
            }
            workgroupBarrier();
            let column = column0 + local;
            if (local < LANES * 4u && column < width && stored) {
                for (var r = 0u; r < min(min(ROWS, 4u), P.more[1].x - min(row0 + r0, P.more[1].x)); r += 1u) {
                    var sum = 0.0;
                    for (var t = 0u; t < TEAMS; t += 1u) {
                        sum += W[r * 512u + local % 4u * 128u + t * LANES + local / 4u];
                    }
                    let row = M[r0 + r];
                    finish(group * P.more[1].x + row0 + r0 + r, part, column, sum, row.x, row.y);
                }
            }
        }
    }
}
