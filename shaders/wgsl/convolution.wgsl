// A convolution as a sum over taps. An invocation has a tile of outputs: channels, rows, and columns that lie `spread` apart, so that the input that one output
// takes with a tap is the next one's with a tap before. Of depth, height and width P.steps[0..3] have input, output, taps and zeros before, P.steps[3..6] stride,
// dilation, how far apart the outputs of a tile and the taps that share inputs lie; P.steps[6] the strides of the input along batch, channels, depth and
// height, P.more: groups, channels in and out of a group, tiles along channels; tiles along rows and columns, pieces of a row of taps, taps of a piece;
// pieces of a part, pieces, the input's stride along the width, inputs in the batch.
fn element(row: i32, here: bool, column: i32) -> f32 {
    let inside = here && column >= 0 && column < P.steps[2].x;
    return select(0.0, X[row + clamp(column, 0, P.steps[2].x - 1) * bitcast<i32>(P.more[2].z)], inside);
}

// `at` is where the outputs of the group at this depth begin, of its first channel.
fn put(at: i32, channel: i32, row: i32, column: i32, sum: f32) {
    if (channel < i32(P.more[0].z) && row < P.steps[1].y && column < P.steps[2].y) {
        let area = P.steps[1].y * P.steps[2].y;
        let place = at + channel * P.steps[0].y * area + row * P.steps[2].y + column;
        D[place] = sum;
    }
}

fn put4(at: i32, channel: i32, row: i32, column: i32, sums: vec4<f32>) {
    put(at, channel, row, column, sums.x);
    put(at, channel + 1, row, column, sums.y);
    put(at, channel + 2, row, column, sums.z);
    put(at, channel + 3, row, column, sums.w);
}

@compute @workgroup_size({{GROUP}})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let item = item_of(group, local, {{GROUP}}u);
    if (item >= P.count) {
        return;
    }
    var rest = item;
    let across = rest % P.more[1].y;
    rest /= P.more[1].y;
    let row = i32(rest % P.more[1].x) * {{ROWS}};
    rest /= P.more[1].x;
    let depth = i32(rest % u32(P.steps[0].y));
    rest /= u32(P.steps[0].y);
    let tile = i32(rest % P.more[0].w);
    rest /= P.more[0].w;
    let family = i32(rest % P.more[0].x);
    rest /= P.more[0].x;
    let batch = i32(rest % P.more[2].w);
    let part = rest / P.more[2].w;

    let spread = P.steps[5].z;
    let column = i32(across) / spread * spread * {{COLUMNS}} + i32(across) % spread;
    let apart = spread * P.steps[5].x;
    let onward = P.steps[5].w * P.steps[5].y;
    let channels_in = i32(P.more[0].y);
    let taps = P.steps[0].z * P.steps[1].z * P.steps[2].z;
    let source = P.base.x + batch * P.steps[6].x + family * channels_in * P.steps[6].y;
    let weights = P.base.y + (family * i32(P.more[0].w) + tile) * channels_in * taps;
{{BEGIN}}
    // A piece of a row of taps: where it begins, height and depth in the kernel, channel. Counted on, since divisions are slow.
    var piece = part * P.more[2].x;
    let stop = min(piece + P.more[2].x, P.more[2].y);
    let first_line = i32(piece / P.more[1].z);
    var begin = i32(piece % P.more[1].z) * i32(P.more[1].w);
    var ky = first_line % P.steps[1].z;
    var kz = first_line / P.steps[1].z % P.steps[0].z;
    var c = first_line / P.steps[1].z / P.steps[0].z;
    var w = weights + first_line * P.steps[2].z;
    loop {
        if (piece >= stop) {
            break;
        }
        let z = depth * P.steps[3].x + kz * P.steps[3].y - P.steps[0].w;
        if (z < 0 || z >= P.steps[0].x) {
            continue;
        }
        let plane = source + c * P.steps[6].y + z * P.steps[6].z;
        let end = min(begin + i32(P.more[1].w), P.steps[2].z);
{{AROUND}}
        for (var first = begin; first < min(begin + P.steps[5].w, end); first += 1) {
            var x = column * P.steps[5].x + first * P.steps[5].y - P.steps[2].w;
{{TAPS}}
        }
        continuing {
            piece += 1u;
            begin += i32(P.more[1].w);
            let next_line = begin >= P.steps[2].z;
            begin = select(begin, 0, next_line);
            w = select(w, w + P.steps[2].z, next_line);
            ky += i32(next_line);
            let next_plane = ky == P.steps[1].z;
            ky = select(ky, 0, next_plane);
            kz += i32(next_plane);
            let next_channel = kz == P.steps[0].z;
            kz = select(kz, 0, next_channel);
            c += i32(next_channel);
        }
    }
    let channel = tile * {{CHANNELS}};
    let image = i32(part) * i32(P.more[2].w) + batch;
    let area = P.steps[1].y * P.steps[2].y;
    let out = P.base.w + (image * i32(P.more[0].x) + family) * i32(P.more[0].z) * P.steps[0].y * area + depth * area;
    if (P.flags == 1u) {
{{BIAS}}
    }
{{END}}
}
