//! Reading and writing of a kernel for any kind of transform: what points are and what they are multiplied by is told by flags.
//!
//! Only lengths that are used most have kernels for each kind: compiling costs more than they gain. This one fills workgroup memory first and empties
//! it last, so that the text for one point is there once.

use super::kernel::{Factor, Key, Load, Save, UNFOLDED, two_tables};

/// The flags of a kernel's kind, beside those of every kernel.
pub(super) fn flags(key: &Key) -> u32 {
    let load = match key.load {
        Load::Complex => 0,
        Load::Real => 1,
        Load::Pairs => 2,
        Load::Mirrored => 3,
        Load::Folded => 4,
    };
    let save = match key.save {
        Save::Complex => 0,
        Save::Half => 1,
        Save::Real => 2,
        Save::Pairs => 3,
        Save::Unfolded => 4,
    };
    let factor = |f: Factor| match f {
        Factor::None => 0,
        Factor::Chirp => 1,
        Factor::Spectrum => 2,
        Factor::Roots => 3,
    };
    factor(key.read) << 3
        | factor(key.write) << 5
        | u32::from(key.load_across) << 7
        | load << 24
        | save << 27
        | u32::from(key.save_across) << 30
}

const LOAD: &str = "
fn whole(at: i32, n: u32) -> vec2<f32> {
    let i = 2 * (at + i32(min(n, P.more[0].y - 1u)) * bitcast<i32>(P.more[0].x));
    return select(vec2<f32>(0.0, 0.0), vec2<f32>(S[i], S[i + 1]), n < P.more[0].y);
}

fn real(at: i32, n: u32) -> f32 {
    return select(0.0, S[at + i32(min(n, P.more[0].y - 1u)) * bitcast<i32>(P.more[0].x)], n < P.more[0].y);
}

fn load(at: vec4<i32>, j: u32) -> vec2<f32> {
    let n = j * P.more[0].z + select(u32(at.z), 0u, (P.flags & 4u) != 0u);
    let factor = (P.flags >> 3u) & 3u;
    // Behind the line there is nothing, whatever a longer source holds there.
    if (factor == 1u && n >= P.shape[1].w) {
        return vec2<f32>(0.0, 0.0);
    }
    var v: vec2<f32>;
    switch ((P.flags >> 24u) & 7u) {
        case 0u: {
            v = whole(at.y, n);
        }
        case 1u: {
            v = vec2<f32>(real(at.y, n), 0.0);
        }
        case 2u: {
            v = vec2<f32>(real(at.y, 2u * n), real(at.y, 2u * n + 1u));
        }
        case 3u: {
            let mirrored = 2u * n > P.more[0].w;
            v = whole(at.y, select(n, P.more[0].w - n, mirrored));
            v.y = select(select(v.y, -v.y, mirrored), 0.0, n == 0u);
        }
        default: {
            var a = whole(at.y, n);
            var b = whole(at.y, P.more[0].w / 2u - n);
            a.y = select(a.y, 0.0, n == 0u);
            b.y = select(-b.y, 0.0, n == 0u);
            let d = cmul_conj(a - b, root(n));
            v = a + b + vec2<f32>(-d.y, d.x);
        }
    }
    if ((P.flags & 1u) != 0u) {
        v = v.yx;
    }
    if (factor == 1u) {
        v = cmul(v, T[P.more[1].z + n]);
    }
    if (factor == 2u) {
        v = cmul(v, T[P.more[1].w + n]).yx;
    }
    return v;
}
";

const SAVE: &str = "
fn write(at: i32, q: u32, x: vec2<f32>) {
    let i = 2 * (at + i32(q) * bitcast<i32>(P.more[1].x));
    D[i] = x.x;
    D[i + 1] = x.y;
}

fn save(at: vec4<i32>, k: u32, value: vec2<f32>) {
    var x = value;
    let q = u32(at.w) + k * P.more[1].y;
    let factor = (P.flags >> 5u) & 3u;
    if (factor == 3u) {
        x = cmul(x, turn(u32(at.z) * k));
    }
    if (factor == 1u) {
        if (q >= P.shape[1].w) {
            return;
        }
        x = cmul(x.yx, T[P.more[1].z + q]);
    }
    x = select(x, x.yx, (P.flags & 2u) != 0u) * P.value.x;
    let step = bitcast<i32>(P.more[1].x);
    switch ((P.flags >> 27u) & 7u) {
        case 0u: {
            write(at.x, q, x);
        }
        case 1u: {
            if (2u * q <= P.more[0].w) {
                x.y = select(x.y, 0.0, q == 0u);
                write(at.x, q, x);
            }
        }
        case 2u: {
            D[at.x + i32(q) * step] = x.x;
        }
        default: {
            D[at.x + i32(2u * q) * step] = x.x;
            D[at.x + i32(2u * q + 1u) * step] = x.y;
        }
    }
}
";

/// `load` and `save`, and what they use.
pub(super) fn functions() -> String {
    let root = two_tables("root", "P.more[2].x", "P.more[2].y", "(P.flags >> 8u) & 31u");
    let turn = two_tables("turn", "P.more[2].z", "P.more[2].w", "(P.flags >> 16u) & 31u");
    [&root, &turn, UNFOLDED, LOAD, SAVE].concat()
}

/// Fills workgroup memory.
pub(super) fn fill(points: usize, lines: usize, pitch: usize, group: usize) -> String {
    format!(
        "    for (var i = local; i < {}u; i += {group}u) {{
        let across = (P.flags & 128u) != 0u;
        let line = select(i / {points}u, i % {lines}u, across);
        let j = select(i % {points}u, i / {lines}u, across);
        // Behind the last line it is read again, and not written.
        W[line * {pitch}u + j] = load(places(min(line0 + line, P.count - 1u)), j);
    }}
    workgroupBarrier();
",
        points * lines
    )
}

/// Empties it; half spectra of real lines are made from the spectra of their pairs.
pub(super) fn empty(points: usize, lines: usize, pitch: usize, group: usize, chirped: bool) -> String {
    // After a convolution with a chirp its factor and the exchange of parts are still to come, and the line is shorter.
    let length = if chirped { "P.shape[1].w".to_owned() } else { format!("{points}u") };
    let value = |k: &str| match chirped {
        true => format!("cmul(W[line * {pitch}u + {k}].yx, T[P.more[1].z + {k}])"),
        false => format!("W[line * {pitch}u + {k}]"),
    };
    let (a, b) = (value("(k % length)"), value("((length - k) % length)"));
    format!(
        "    let unfolds = ((P.flags >> 27u) & 7u) == 4u;
    let length = {length};
    let count = select({points}u, length + 1u, unfolds);
    for (var i = local; i < count * {lines}u; i += {group}u) {{
        let across = (P.flags >> 30u) != 0u;
        let line = select(i / count, i % {lines}u, across);
        let k = select(i % count, i / {lines}u, across);
        if (line0 + line < P.count) {{
            let at = places(line0 + line);
            if (unfolds) {{
                write(at.x, k, unfolded(k, length, {a}, {b}) * P.value.x);
            }} else {{
                save(at, k, W[line * {pitch}u + k]);
            }}
        }}
    }}
"
    )
}
