//! The product of many small matrices that lie across one another: neighbouring invocations have neighbouring matrices, such as the channels of neighbouring
//! frequencies.

use std::fmt::Write;

use super::Types;

/// Rows and columns of an invocation: 1, 2 or 4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Modes {
    pub(super) rows: usize,
    pub(super) columns: usize,
}

/// Invocations of a workgroup.
pub(super) const GROUP: usize = 64;

impl Modes {
    /// For matrices of so many rows and columns.
    pub(super) fn new(rows: usize, columns: usize) -> Self {
        let most = |n: usize| n.next_power_of_two().min(4);
        Self { rows: most(rows), columns: most(columns) }
    }

    /// Parts of a result.
    pub(super) fn tiles(self, rows: usize, columns: usize) -> [usize; 2] {
        [rows.div_ceil(self.rows), columns.div_ceil(self.columns)]
    }

    /// The kernel behind `matmul.wgsl`. `P.more[2]`: also, last, the matrices of the batch.
    pub(super) fn body(self, types: Types) -> String {
        let Self { rows, columns } = self;
        let mut out = format!(
            "@compute @workgroup_size({GROUP})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {{
    let item = item_of(group, local, {GROUP}u);
    if (item >= P.count) {{
        return;
    }}
    let tile = item / P.more[2].w;
    let at = places(item - tile * P.more[2].w);
    let row = tile / P.more[0].w * {rows}u;
    let column = tile % P.more[0].w * {columns}u;
"
        );
        let each = || (0..rows).flat_map(|r| (0..columns).map(move |c| (r, c)));
        for (r, c) in each() {
            let _ = writeln!(out, "    var s{r}{c} = {}();", types.a.value());
        }
        out += "    for (var k = 0u; k < P.more[0].z; k += 1u) {\n";
        // Rows and columns behind the last are the last one again, and are not stored.
        for r in 0..rows {
            let _ = writeln!(out, "        let a{r} = left(at, min(row + {r}u, P.more[0].x - 1u), k);");
        }
        for c in 0..columns {
            let _ = writeln!(out, "        let b{c} = right(at, k, min(column + {c}u, P.more[0].y - 1u));");
        }
        for (r, c) in each() {
            let _ = writeln!(out, "        s{r}{c} = sum_of(s{r}{c}, a{r}, b{c});");
        }
        out += "    }\n";
        for (r, c) in each() {
            let _ = writeln!(
                out,
                "    if (row + {r}u < P.more[0].x && column + {c}u < P.more[0].y) {{\n        \
                 put(at, row + {r}u, column + {c}u, s{r}{c});\n    }}"
            );
        }
        out + "}\n"
    }
}
