//! The tiled product, written for a tile size: what an invocation sums stays in registers, in vectors of four columns.

use std::fmt::Write;

use super::Types;

/// Rows and columns of a tile of one quad an invocation and axis.
pub(super) const TILE: usize = 64;
/// Invocations along each side of a tile.
const SIDE: usize = 16;

/// The shader of tiles of `64 quads` squared: an invocation has `quads` times four rows and as many columns. Complex numbers are summed by their parts.
pub(super) fn source(types: Types, quads: usize) -> String {
    let complex = types.is_complex();
    let parts: &[&str] = if complex { &["x", "y"] } else { &[""] };
    // Groups of four along a side, and inner elements at a time: 256 vectors of each operand, one an invocation.
    let (groups, depth) = (SIDE * quads, SIDE / quads);
    let mut out = String::new();
    for side in ["A", "B"] {
        for part in parts {
            let _ = writeln!(out, "var<workgroup> W{side}{part}: array<vec4<f32>, 256>;");
        }
    }
    let value = types.a.value();
    out += &format!(
        "fn put4(batch: vec4<i32>, row: u32, column: u32, values: array<{value}, 4>) {{\n    if (row < P.more[0].x) {{\n"
    );
    for c in 0..4 {
        let _ = writeln!(
            out,
            "        if (column + {c}u < P.more[0].y) {{\n            put(batch, row, column + {c}u, values[{c}]);\n        }}"
        );
    }
    out += "    }\n}\n";
    out += "@compute @workgroup_size(256)\nfn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {\n";
    let tile = TILE * quads;
    let _ = write!(
        out,
        "    let item = min(group.y * P.groups_x + group.x, P.count - 1u);
    let batch = item / P.more[2].z;
    let tile = item - batch * P.more[2].z;
    let at = places(batch);
    let row0 = tile / P.more[0].w * {tile}u;
    let column0 = tile % P.more[0].w * {tile}u;
    let inner = P.more[0].z;
    let y = local / {SIDE}u;
    let x = local % {SIDE}u;
    // Neighbouring invocations read neighbours in memory, whichever axis that is.
    let ga = select(local / {depth}u, local % {groups}u, P.flags % 2u == 1u);
    let ka = select(local % {depth}u, local / {groups}u, P.flags % 2u == 1u);
    let gb = select(local % {groups}u, local / {depth}u, P.flags >= 2u);
    let kb = select(local / {groups}u, local % {depth}u, P.flags >= 2u);
    let row = row0 + ga * 4u;
    let column = column0 + gb * 4u;
"
    );
    // The sums: four rows of each group of rows by each group of columns.
    let rows = || (0..quads).flat_map(|i| (0..4).map(move |r| (i, r)));
    for (i, r) in rows() {
        for j in 0..quads {
            for part in parts {
                let _ = writeln!(out, "    var s{i}{r}{j}{part} = vec4<f32>();");
            }
        }
    }
    let _ = writeln!(out, "    for (var k0 = 0u; k0 < inner; k0 += {depth}u) {{");
    for (side, k, at, limit, element) in [
        ("A", "ka", "row", "P.more[0].x", "left(at, row + {c}u, k0 + ka)"),
        ("B", "kb", "column", "P.more[0].y", "right(at, k0 + kb, column + {c}u)"),
    ] {
        let lower = side.to_lowercase();
        for c in 0..4 {
            let element = element.replace("{c}", &c.to_string());
            let _ = writeln!(
                out,
                "        var {lower}{c} = {value}();\n        if (k0 + {k} < inner && {at} + {c}u < {limit}) {{\n            \
                 {lower}{c} = {element};\n        }}"
            );
        }
        for part in parts {
            let dot = if complex { "." } else { "" };
            let list: Vec<String> = (0..4).map(|c| format!("{lower}{c}{dot}{part}")).collect();
            let _ = writeln!(
                out,
                "        W{side}{part}[{k} * {groups}u + g{lower}] = vec4<f32>({});",
                list.join(", ")
            );
        }
    }
    let _ = writeln!(out, "        workgroupBarrier();\n        for (var k = 0u; k < {depth}u; k += 1u) {{");
    for i in 0..quads {
        for part in parts {
            let _ =
                writeln!(out, "            let a{i}{part} = WA{part}[k * {groups}u + y + {}u];", SIDE * i);
            let _ =
                writeln!(out, "            let b{i}{part} = WB{part}[k * {groups}u + x + {}u];", SIDE * i);
        }
    }
    for (i, r) in rows() {
        for j in 0..quads {
            let mut add = |to: &str, a: &str, b: &str, sign: &str| {
                let sum = format!("s{i}{r}{j}{to}");
                let _ =
                    writeln!(out, "            {sum} = fma(vec4<f32>({sign}a{i}{a}[{r}]), b{j}{b}, {sum});");
            };
            if complex {
                add("x", "x", "x", "");
                add("x", "y", "y", "-");
                add("y", "x", "y", "");
                add("y", "y", "x", "");
            } else {
                add("", "", "", "");
            }
        }
    }
    out += "        }\n        workgroupBarrier();\n    }\n    if (group.y * P.groups_x + group.x >= P.count) {\n        return;\n    }\n";
    for (i, r) in rows() {
        for j in 0..quads {
            let sum = format!("s{i}{r}{j}");
            let values: Vec<String> = (0..4)
                .map(|c| {
                    if complex {
                        format!("vec2<f32>({sum}x[{c}], {sum}y[{c}])")
                    } else {
                        format!("{sum}[{c}]")
                    }
                })
                .collect();
            let _ = writeln!(
                out,
                "    put4(at, row0 + (y + {}u) * 4u + {r}u, column0 + (x + {}u) * 4u, array<{value}, 4>({}));",
                SIDE * i,
                SIDE * j,
                values.join(", ")
            );
        }
    }
    out + "}\n"
}
