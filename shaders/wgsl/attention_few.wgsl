
// Up to {{ROWS}} rows a workgroup, and 128 keys, one for each invocation. The values are summed by {{LANES}} invocations along their dim, side by
// side for {{TEAMS}} parts of the keys.
const ROWS: u32 = {{ROWS}}u;
const LANES: u32 = {{LANES}}u;
const TEAMS: u32 = {{TEAMS}}u;

var<workgroup> W: array<f32, 2176>;
var<workgroup> R: array<f32, 128>;
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
    let dim = P.more[0].z;
    var scores = array<f32, ROWS>();
    for (var k0 = 0u; k0 < dim; k0 += 16u) {
        workgroupBarrier();
        // Neighbours read neighbours of a row, and each then has a row of its own.
        let k = k0 + local % 16u;
        for (var i = local / 16u; i < 128u; i += 8u) {
            var e = 0.0;
            if (k < dim) {
                e = element_K(place_K(at, key0 + i) + i32(k) * P.steps[1].w);
            }
            W[i * 17u + local % 16u] = e;
        }
        if (local / 16u < ROWS) {
            var e = 0.0;
            if (k < dim) {
                e = element_Q(place_Q(at, row0 + local / 16u) + i32(k) * P.steps[0].w);
            }
            R[local] = e;
        }
        workgroupBarrier();
        for (var i = 0u; i < 16u; i += 1u) {
            let e = W[local * 17u + i];
            for (var r = 0u; r < ROWS; r += 1u) {
                scores[r] = fma(R[r * 16u + i], e, scores[r]);
            }
        }
    }
    for (var r = 0u; r < ROWS; r += 1u) {
        S[r * 128u + local] = select(LOWEST, scores[r] * P.value.x, key0 + local < seen(row0 + r));
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
    var highs: array<f32, ROWS>;
    for (var r = 0u; r < ROWS; r += 1u) {
        var high = R[r * 16u];
        for (var j = 1u; j < 16u; j += 1u) {
            high = max(high, R[r * 16u + j]);
        }
        highs[r] = high;
        S[r * 128u + local] = select(0.0, exp_(S[r * 128u + local] - high), key0 + local < seen(row0 + r));
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
    let width = P.more[0].w;
    let lane = local % LANES;
    let team = local / LANES;
    let length = min(128u, P.more[0].y - key0);
    for (var column0 = 0u; column0 < width; column0 += LANES) {
        let column = column0 + lane;
        var sums = array<f32, ROWS>();
        // In parts of 32 keys at most.
        for (var i0 = team * (128u / TEAMS); i0 < (team + 1u) * (128u / TEAMS); i0 += 32u) {
            var inner = array<f32, ROWS>();
            if (column < width) {
                for (var i = i0; i < min(min(i0 + 32u, (team + 1u) * (128u / TEAMS)), length); i += 1u) {
                    let e = element_V(place_V(at, key0 + i) + i32(column) * P.steps[2].w);
                    for (var r = 0u; r < ROWS; r += 1u) {
                        inner[r] = fma(S[r * 128u + i], e, inner[r]);
                    }
                }
            }
            for (var r = 0u; r < ROWS; r += 1u) {
                sums[r] += inner[r];
            }
        }
        workgroupBarrier();
        for (var r = 0u; r < ROWS; r += 1u) {
            W[r * 128u + local] = sums[r];
        }
        workgroupBarrier();
        if (team == 0u && column < width && stored) {
            for (var r = 0u; r < min(ROWS, P.more[1].x - row0); r += 1u) {
                var sum = 0.0;
                for (var t = 0u; t < TEAMS; t += 1u) {
                    sum += W[r * 128u + t * LANES + lane];
                }
                var total = 0.0;
                for (var j = 0u; j < 16u; j += 1u) {
                    total += R[r * 16u + j];
                }
                finish(group * P.more[1].x + row0 + r, part, column, sum, highs[r], total);
            }
        }
    }
}
