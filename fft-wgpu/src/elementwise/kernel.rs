//! The kernel of all operations element by element: loads, an expression, a store.

use fft_core::Result;

use crate::context::Context;
use crate::store::Store;
use crate::walk::Walk;

/// Invocations of a workgroup.
const GROUP: usize = 256;

/// How places are found and results stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Form {
    /// Every operand has one stride along at most one axis.
    pub(crate) linear: bool,
    /// How packed results reach their words.
    pub(crate) words: Words,
}

/// How several elements come into one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Words {
    /// An element is a word or more.
    Whole,
    /// Elements follow one another: an invocation owns a word and computes its elements.
    Owned,
    /// They do not: elements enter their words by atomic operations on their own bits.
    Shared,
}

/// Every way a result of this storage reaches its words.
fn ways(store: Store) -> &'static [Words] {
    if store.packed() { &[Words::Owned, Words::Shared] } else { &[Words::Whole] }
}

impl Form {
    pub(crate) fn every(to: Store) -> Vec<Self> {
        let ways = ways(to).iter();
        ways.flat_map(|&words| [true, false].map(|linear| Self { linear, words })).collect()
    }
}

/// A function of up to three elements, called `a`, `b` and `c`.
#[derive(Debug)]
pub(crate) struct Map {
    name: String,
    pub(crate) to: Store,
    from: Vec<Store>,
    /// The body of a function of the places `at`.
    body: String,
    /// `P.more` of the kernel.
    pub(crate) words: [u32; 12],
}

const NAMES: [&str; 3] = ["a", "b", "c"];

impl Map {
    /// `name` stands for `text`, a WGSL expression of the value that `to` stores.
    pub(crate) fn new(name: String, to: Store, from: Vec<Store>, text: String) -> Self {
        let mut body = String::new();
        for (i, from) in from.iter().enumerate() {
            let load = from.load(&format!("S{i}"), &format!("at.{}", ["y", "z", "w"][i]));
            body += &format!("    let {} = {load};\n", NAMES[i]);
        }
        body += &format!("    return {text};\n");
        Self::with_body(name, to, from, body)
    }

    /// The same with a body of its own, which reads the storages `S0`, `S1`, .. as it likes.
    pub(crate) fn with_body(name: String, to: Store, from: Vec<Store>, body: String) -> Self {
        Self { name, to, from, body, words: [0; 12] }
    }

    /// Every form of the shader, by name.
    pub(crate) fn every_shader(&self) -> Vec<(String, String)> {
        let forms = Form::every(self.to).into_iter();
        forms.map(|form| (self.label(form), self.source(form))).collect()
    }

    /// The name of the pipeline.
    pub(crate) fn label(&self, form: Form) -> String {
        let layout = if form.linear { "linear" } else { "strided" };
        format!("{} {:?}>{:?} {layout} {:?}", self.name, self.from, self.to, form.words)
    }

    /// The shader.
    pub(crate) fn source(&self, form: Form) -> String {
        let mut out = String::from("@group(0) @binding(0) var<uniform> P: Params;\n");
        for (i, from) in self.from.iter().enumerate() {
            out += &format!(
                "@group(0) @binding({}) var<storage, read> S{i}: array<{}>;\n",
                i + 1,
                from.element()
            );
        }
        let element = if form.words == Words::Shared { "atomic<u32>" } else { self.to.element() };
        let last = self.from.len() + 1;
        out += &format!("@group(0) @binding({last}) var<storage, read_write> D: array<{element}>;\n");
        // The places of operands: of the strides only those of one axis, or the whole walk.
        let find = if form.linear { "P.base + i32(item) * P.steps[0]" } else { "places(item)" };
        out += &format!("fn value_at(at: vec4<i32>) -> {} {{\n", self.to.value());
        out += &self.body;
        out += "}\n";
        out += &format!(
            "@compute @workgroup_size({GROUP})\nfn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) \
             local: u32) {{\n    let item = item_of(group, local, {GROUP}u);\n    if (item >= P.count) {{\n        return;\n    }}\n"
        );
        let (per, bits) = (self.to.per_word(), self.to.bytes() * 8);
        match form.words {
            Words::Whole | Words::Shared => {
                let store = self.to.put("at.x", "value_at(at)");
                out += &format!("    let at = {find};\n    {store}\n}}\n");
            }
            Words::Owned => {
                // `item` is a word; its first element may lie before the first of the walk, its last behind the last.
                out = out.replace("item >= P.count", "item >= P.more[2].x");
                out += &format!(
                    "    let first = P.base.x & {};\n    let word = (P.base.x >> {}u) + i32(item);\n    var bits = 0u;\n    var mask = \
                     0u;\n    for (var k = 0; k < {per}; k += 1) {{\n        let element = i32(item) * {per} + k - first;\n        \
                     if (element >= 0 && u32(element) < P.count) {{\n            let shift = u32(k) * {bits}u;\n            \
                     bits |= {} << shift;\n            mask |= {}u << shift;\n        }}\n    }}\n    if (mask != 0xffffffffu) {{\n        \
                     bits |= D[word] & ~mask;\n    }}\n    D[word] = bits;\n}}\n",
                    per - 1,
                    per.trailing_zeros(),
                    self.to.encode(&format!("value_at({})", find.replace("item", "u32(element)"))),
                    (1u64 << bits) - 1,
                );
            }
        }
        out
    }

    /// Runs it over a walk whose operands are the destination and the sources in order.
    pub(crate) fn run(&self, context: &Context, walk: &Walk<'_>, value: [f32; 4]) -> Result<()> {
        walk.parts(context, "elementwise", &mut |walk| self.part(context, walk, value))
    }

    fn part(&self, context: &Context, walk: &Walk<'_>, value: [f32; 4]) -> Result<()> {
        let (count, rank) = (walk.len(), walk.shape.len());
        // `parts` made it fit.
        let Some((mut params, mut bindings)) = walk.params(context, walk.operands.len()) else {
            return Ok(());
        };
        params.value = value;
        params.more = self.words;
        bindings.rotate_left(1);
        let words = match self.to.packed() {
            false => Words::Whole,
            true if walk.contiguous(0) => Words::Owned,
            true => Words::Shared,
        };
        let form = Form { linear: rank <= 1, words };
        let mut items = count;
        if words == Words::Owned {
            let per = self.to.per_word();
            items = (params.base[0] as usize % per + count).div_ceil(per);
            params.more[8] = items as u32;
        }
        context.dispatch(&self.label(form), &bindings, &params, items.div_ceil(GROUP), || self.source(form))
    }
}
