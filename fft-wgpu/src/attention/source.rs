//! The text of the kernels of attention.

use fft_shaders::attention as text;
use fft_shaders::fill;

use super::{LONGEST, TILE};
use crate::call::declare;
use crate::store::Store;

/// What becomes of a row's sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Finish {
    /// All keys were seen: they are the result.
    Whole,
    /// They are joined with those of other keys.
    Part,
    /// The way back needs the row's maximum, the factor of its exponentials and its mean slope.
    Statistics,
}

/// Operands in the order of their bindings: a name, and whether its rows are queries' or keys'.
const Q: (&str, &str) = ("Q", "row");
const K: (&str, &str) = ("K", "key");
const V: (&str, &str) = ("V", "key");
const G: (&str, &str) = ("G", "row");

/// Declarations of the operands and of the results, and the functions that read them; keys and values four elements at a time when they are
/// `by_fours`.
fn head(store: Store, operands: &[(&str, &str)], results: &[(&str, &str, bool)], by_fours: bool) -> String {
    let words = |place: &str| by_fours && place == "key";
    let vector = if store == Store::F32 { "vec4<f32>" } else { "vec2<u32>" };
    let element = |place: &str| if words(place) { vector } else { store.element() };
    let mut all: Vec<_> = operands.iter().map(|o| (o.0, element(o.1), false)).collect();
    all.extend_from_slice(results);
    let mut out = declare(&all) + text::COMMON;
    let four = match store {
        Store::F32 => "w".to_owned(),
        _ => {
            let each = ["w.x & 0xffffu", "w.x >> 16u", "w.y & 0xffffu", "w.y >> 16u"];
            format!("vec4<f32>({})", each.map(|bits| store.decode(bits)).join(", "))
        }
    };
    for (i, (name, place)) in operands.iter().enumerate() {
        let fills = [
            ("X", *name),
            ("PLACE", place),
            ("HEADS", if *place == "row" { "P.more[1].x / P.more[0].x" } else { "1u" }),
            ("BASE", &format!("P.base[{i}]")),
            ("STEPS", &i.to_string()),
            ("LOAD", &store.load(name, "i")),
            ("LENGTH", length(name)),
            ("FOUR", &four),
        ];
        out += &fill(if words(place) { text::WORDS } else { text::OPERAND }, &fills);
        // Kernels that do not call it do not pay for it.
        if !words(place) {
            out += &fill(text::FOUR, &fills);
        }
    }
    out
}

/// The elements of an operand's rows.
fn length(name: &str) -> &'static str {
    if matches!(name, "Q" | "K") { "P.more[0].z" } else { "P.more[0].w" }
}

fn index(operand: (&str, &str)) -> &'static str {
    match operand.0 {
        "Q" => "0",
        "K" => "1",
        "V" => "2",
        _ => "3",
    }
}

/// The first rows of a group in each operand.
const ORIGINS: (&str, &str) = ("ORIGINS", "vec4<i32>(origin_Q(group), origin_K(group), origin_V(group), 0)");
/// The same with gradients.
const ORIGINS_BACK: (&str, &str) =
    ("ORIGINS", "vec4<i32>(origin_Q(group), origin_K(group), origin_V(group), origin_G(group))");

/// The function of products of rows of `a` and `b`.
fn scores(name: &str, a: (&str, &str), b: (&str, &str)) -> String {
    let words = [
        ("NAME", name),
        ("A", a.0),
        ("B", b.0),
        ("STEPS_A", index(a)),
        ("STEPS_B", index(b)),
        ("INNER", length(a.0)),
    ];
    fill(text::SCORES, &words)
}

/// The function of weighted sums of rows of `b`.
fn weighted(name: &str, b: (&str, &str)) -> String {
    fill(text::WEIGHTED, &[("NAME", name), ("B", b.0), ("STEPS_B", index(b)), ("LENGTH", length(b.0))])
}

/// The function `name` that stores elements of the result `array`, which begins at `base`.
fn put(store: Store, name: &str, array: &str, base: &str) -> String {
    fill(text::PUT, &[("NAME", name), ("BASE", base), ("STORE", &store.put_into(array, "place", "value"))])
}

/// Vectors of four that hold four rows of `tiles` times 64 columns over 16 invocations.
fn vectors(tiles: usize) -> String {
    (4 * tiles).to_string()
}

/// Many rows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tile {
    pub(super) store: Store,
    pub(super) finish: Finish,
    /// Tiles along the dim of values.
    pub(super) width: usize,
}

impl Tile {
    pub(super) fn label(self) -> String {
        format!("attention:tile {:?} {:?} {}", self.store, self.finish, self.width)
    }

    pub(super) fn source(self) -> String {
        let Self { store, finish, width } = self;
        let vectors = [("VECTORS", &*vectors(width))];
        let (begin, end) = match finish {
            Finish::Whole => {
                let head = head(store, &[Q, K, V], &[("D", store.target(), true)], false);
                (head + &put(store, "put", "D", "P.base.w") + text::WHOLE, text::FINISH)
            }
            Finish::Part => {
                (head(store, &[Q, K, V], &[("D", "f32", true)], false) + text::PART, text::FINISH)
            }
            Finish::Statistics => {
                (head(store, &[Q, K, V, G], &[("D", "vec4<f32>", true)], false), text::STATISTICS)
            }
        };
        let end = fill(end, &vectors);
        let origins = if finish == Finish::Statistics { ORIGINS_BACK } else { ORIGINS };
        let main = fill(text::TILE, &[vectors[0], origins, ("FINISH", &*end)]);
        [begin, scores("scores", Q, K), weighted("weighted", V), main].concat()
    }
}

/// A few rows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Few {
    pub(super) store: Store,
    pub(super) finish: Finish,
    /// Rows of a workgroup.
    pub(super) rows: usize,
    /// Invocations along the dim of values, four columns each.
    pub(super) lanes: usize,
    /// Whether rows of keys and values begin and end at multiples of four elements.
    pub(super) by_fours: bool,
}

impl Few {
    /// Rows of a workgroup when there are `rows` in all.
    pub(super) fn rows(rows: usize) -> usize {
        rows.next_power_of_two().min(8)
    }

    pub(super) fn lanes(width: usize) -> usize {
        width.div_ceil(4).next_power_of_two().clamp(8, 32)
    }

    pub(super) fn label(self) -> String {
        let Self { store, finish, rows, lanes, by_fours } = self;
        format!("attention:few {store:?} {finish:?} {rows} {lanes} {by_fours}")
    }

    pub(super) fn source(self) -> String {
        let Self { store, finish, rows, lanes, by_fours } = self;
        let begin = if finish == Finish::Part {
            head(store, &[Q, K, V], &[("D", "f32", true)], by_fours) + text::PART
        } else {
            let head = head(store, &[Q, K, V], &[("D", store.target(), true)], by_fours);
            head + &put(store, "put", "D", "P.base.w") + text::WHOLE
        };
        let words = [
            ("ROWS", &*rows.to_string()),
            ("LANES", &*lanes.to_string()),
            ("TEAMS", &*(128 / lanes).to_string()),
            ("FOUR_ROWS", &*(rows * 4).to_string()),
            ("WORDS", &*(rows.min(4) * 512).to_string()),
            ORIGINS,
            ("SCORES", &*(rows * 128).to_string()),
        ];
        begin + &fill(text::FEW, &words)
    }
}

/// Joins parts of the keys.
#[derive(Debug, Clone, Copy)]
pub(super) struct Join(pub(super) Store);

impl Join {
    pub(super) fn label(self) -> String {
        format!("attention:join {:?}", self.0)
    }

    pub(super) fn source(self) -> String {
        let head = declare(&[("A", "f32", false), ("D", self.0.target(), true)]);
        head + &fill(text::JOIN, &[("STORE", &self.0.put("place", "value"))])
    }
}

/// The gradient in queries, with tiles along their dim.
#[derive(Debug, Clone, Copy)]
pub(super) struct Queries {
    pub(super) store: Store,
    pub(super) dim: usize,
}

impl Queries {
    pub(super) fn label(self) -> String {
        format!("attention:queries {:?} {}", self.store, self.dim)
    }

    pub(super) fn source(self) -> String {
        let Self { store, dim } = self;
        let results = [("T", "vec4<f32>", false), ("D", store.target(), true)];
        let main = fill(text::QUERIES, &[("VECTORS", &vectors(dim)), ORIGINS_BACK]);
        [
            head(store, &[Q, K, V, G], &results, false),
            put(store, "put", "D", "P.steps[7].y"),
            scores("scores", Q, K),
            scores("slopes", G, V),
            weighted("weighted", K),
            main,
        ]
        .concat()
    }
}

/// The gradients in keys and values, with tiles along their dims.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keys {
    pub(super) store: Store,
    pub(super) dim: usize,
    pub(super) width: usize,
}

impl Keys {
    pub(super) fn label(self) -> String {
        format!("attention:keys {:?} {} {}", self.store, self.dim, self.width)
    }

    pub(super) fn source(self) -> String {
        let Self { store, dim, width } = self;
        let results = [("T", "vec4<f32>", false), ("DK", store.target(), true), ("DV", store.target(), true)];
        let words = [("VECTORS", &*vectors(dim)), ("VALUE_VECTORS", &*vectors(width)), ORIGINS_BACK];
        [
            head(store, &[Q, K, V, G], &results, false),
            put(store, "put_key", "DK", "P.steps[7].y"),
            put(store, "put_value", "DV", "P.steps[7].z"),
            scores("scores", K, Q),
            scores("slopes", V, G),
            weighted("weighted_queries", Q),
            weighted("weighted_gradients", G),
            fill(text::KEYS, &words),
        ]
        .concat()
    }
}

/// Every shader of attention.
pub(super) fn every_shader() -> Vec<(String, String)> {
    let mut out = Vec::new();
    for store in [Store::F32, Store::F16, Store::BF16] {
        out.push((Join(store).label(), Join(store).source()));
        for width in 1..=LONGEST / TILE {
            for finish in [Finish::Whole, Finish::Part, Finish::Statistics] {
                let kernel = Tile { store, finish, width };
                out.push((kernel.label(), kernel.source()));
            }
            let kernel = Queries { store, dim: width };
            out.push((kernel.label(), kernel.source()));
        }
        for (dim, width) in [(1, 1), (1, 2), (2, 1), (2, 2)] {
            let kernel = Keys { store, dim, width };
            out.push((kernel.label(), kernel.source()));
        }
        for finish in [Finish::Whole, Finish::Part] {
            for rows in [1, 2, 4, 8] {
                for lanes in [8, 16, 32] {
                    for by_fours in [false, true] {
                        let kernel = Few { store, finish, rows, lanes, by_fours };
                        out.push((kernel.label(), kernel.source()));
                    }
                }
            }
        }
    }
    out
}
