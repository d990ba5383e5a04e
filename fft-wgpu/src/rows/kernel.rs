//! The kernel of all operations along rows: sums and maxima over a row, one after another, then the row's results.

use fft_core::{Result, View, ViewMut};

use crate::call::{Call, declare, fits_bytes};
use crate::context::Context;
use crate::store::Store;

/// Invocations of a workgroup.
const GROUP: usize = 256;
/// Invocations that may share a row.
const LANES: [usize; 4] = [1, 8, 64, 256];
/// Elements of a piece where a tensor has no rows.
const PIECE: usize = 2048;

/// What an element of an operand belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Per {
    Element,
    Column,
    Row,
}

/// A maximum, or a sum of numbers of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Join {
    Max,
    Sum(&'static str),
}

/// A sum or maximum over a row, which what follows knows by its name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pass {
    pub(super) name: &'static str,
    pub(super) join: Join,
    /// Of the operands of the row's `r`-th element.
    pub(super) term: &'static str,
    /// Statements after it, of things that are the same for the whole row.
    pub(super) then: &'static str,
}

/// An operand that is written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Output {
    pub(super) per: Per,
    /// The name of what it held, where that is used.
    pub(super) old: &'static str,
    pub(super) value: &'static str,
}

/// An operation along rows of `n` elements.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rows {
    pub(super) name: &'static str,
    pub(super) inputs: &'static [(&'static str, Per)],
    /// Statements before the passes, of the operands of the row.
    pub(super) before: &'static str,
    pub(super) passes: &'static [Pass],
    /// Statements before an element's results.
    pub(super) each: &'static str,
    pub(super) outputs: &'static [Output],
}

/// How many rows of how many elements; the last row may be shorter.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extent {
    rows: usize,
    n: usize,
    total: usize,
}

impl Extent {
    /// The rows of a shape, of which there is at least one.
    pub(super) fn of(shape: &[usize]) -> Self {
        let n = shape.last().copied().unwrap_or(1);
        let total = shape.iter().product();
        Self { rows: total / n, n, total }
    }

    /// So many elements in pieces.
    pub(super) fn flat(total: usize) -> Self {
        let n = total.min(PIECE);
        Self { rows: total.div_ceil(n), n, total }
    }

    pub(super) fn rows(self) -> usize {
        self.rows
    }

    /// As many rows as a binding holds of elements of so many bytes, beginning where a word does; 0 where it does not hold one.
    pub(super) fn rows_at_once(self, context: &Context, bytes: usize) -> usize {
        self.rows_of(context, self.total * bytes, self.n * bytes)
    }

    /// The same of numbers of so many bytes, one a row.
    fn numbers_at_once(self, context: &Context, bytes: usize) -> usize {
        self.rows_of(context, self.rows * bytes, bytes)
    }

    fn rows_of(self, context: &Context, total: usize, row: usize) -> usize {
        if fits_bytes(context, total) {
            return self.rows;
        }
        let most = (context.limits.binding as usize).saturating_sub(512) / row;
        if row.is_multiple_of(4) { most } else { most / 4 * 4 }
    }

    /// So many rows from `first` on.
    fn part(self, first: usize, rows: usize) -> Self {
        let rows = rows.min(self.rows - first);
        Self { rows, total: (self.total - first * self.n).min(rows * self.n), ..self }
    }

    /// As many invocations as leave each some elements to work on, and read whole sectors of memory.
    fn lanes(self) -> usize {
        match self.n {
            0..=8 => 1,
            9..=128 => 8,
            129..=1024 => 64,
            _ => 256,
        }
    }

    /// Whether elements of this storage that share a word belong to the same row.
    fn whole_words(self, store: Store) -> bool {
        self.n.is_multiple_of(store.per_word()) && self.total.is_multiple_of(store.per_word())
    }
}

/// Whether a text uses a name.
fn mentions(text: &str, name: &str) -> bool {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').any(|word| word == name)
}

/// The first element of the `i`-th operand.
fn base(i: usize) -> String {
    if i < 4 { format!("P.base[{i}]") } else { format!("P.steps[7][{}]", i - 4) }
}

impl Rows {
    /// The loads of the operands that a text uses, at the element `r` of the row.
    fn loads(&self, stores: &[Store], per: &[Per], text: &str) -> String {
        let outputs = self.outputs.iter().enumerate().map(|(i, o)| (o.old, o.per, format!("D{i}")));
        let inputs = self.inputs.iter().enumerate().map(|(i, &(name, per))| (name, per, format!("S{i}")));
        let mut out = String::new();
        for (i, (name, of, array)) in inputs.chain(outputs).enumerate() {
            if !name.is_empty() && per.contains(&of) && mentions(text, name) {
                let place = match of {
                    Per::Element => "start + r",
                    Per::Column => "r",
                    Per::Row => "row",
                };
                let load = stores[i].load(&array, &format!("{} + i32({place})", base(i)));
                out += &format!("let {name} = {load};\n            ");
            }
        }
        out
    }

    /// What is stored when all passes are done.
    fn stores(&self, stores: &[Store], whole_words: bool) -> String {
        let in_row = [Per::Element, Per::Column];
        let (mut of_row, mut of_element, mut all) = (String::new(), String::new(), self.each.to_owned());
        let first = self.inputs.len();
        self.outputs.iter().filter(|o| o.per == Per::Element).for_each(|o| {
            all += " ";
            all += o.value;
        });
        let loads = self.loads(stores, &in_row, &all);
        let (mut begin, mut add, mut end, mut per_word) = (String::new(), String::new(), String::new(), 1);
        for (i, output) in self.outputs.iter().enumerate() {
            let store = stores[first + i];
            if output.per != Per::Row && store.packed() && whole_words {
                // An invocation owns whole words.
                let bits = store.bytes() * 8;
                per_word = store.per_word();
                begin += &format!("        var bits{i} = 0u;\n");
                add += &format!("            bits{i} |= {} << (k * {bits}u);\n", store.encode(output.value));
                let word = format!("(u32({}) + start) / {per_word}u + word", base(first + i));
                end += &format!("        D{i}[{word}] = bits{i};\n");
                continue;
            }
            let place = if output.per == Per::Row { "row" } else { "start + r" };
            let put = if store.packed() {
                store.put_into(&format!("D{i}"), "place", output.value)
            } else {
                format!("D{i}[place] = {};", output.value)
            };
            let place = format!("let place = {} + i32({place});", base(first + i));
            let to = if output.per == Per::Row { &mut of_row } else { &mut of_element };
            *to += &format!("        {{\n            {place}\n            {put}\n        }}\n");
        }
        let mut out = String::new();
        if !of_row.is_empty() {
            out += &format!("    if (lane == 0u) {{\n{of_row}    }}\n");
        }
        if !add.is_empty() {
            out += &format!(
                "    for (var word = lane; word < n / {per_word}u; word += LANES) {{\n{begin}        \
                 for (var k = 0u; k < {per_word}u; k += 1u) {{\n            let r = word * {per_word}u + k;\n            \
                 {loads}{}\n{add}        }}\n{end}    }}\n",
                self.each
            );
        }
        if !of_element.is_empty() {
            out += &format!(
                "    for (var r = lane; r < n; r += LANES) {{\n            {loads}{}\n{of_element}    }}\n",
                self.each
            );
        }
        out
    }

    fn source(&self, stores: &[Store], lanes: usize, whole_words: bool) -> String {
        let names: Vec<String> = (0..self.inputs.len())
            .map(|i| format!("S{i}"))
            .chain((0..self.outputs.len()).map(|i| format!("D{i}")))
            .collect();
        let operands = names.iter().zip(stores).enumerate().map(|(i, (name, store))| {
            let output = i.checked_sub(self.inputs.len()).map(|i| self.outputs[i]);
            let written = output.is_some();
            // Results of rows lie beside those of other workgroups.
            let shared = output.is_some_and(|o| !whole_words || o.per == Per::Row);
            (name.as_str(), if shared { store.target() } else { store.element() }, written)
        });
        let mut out = declare(&operands.collect::<Vec<_>>());
        let count = lanes.to_string();
        let root = lanes.isqrt().to_string();
        out += &format!("const LANES = {lanes}u;\n\n");
        let whole = match lanes {
            1 => fft_shaders::ROWS_ONE,
            8 => fft_shaders::ROWS_FEW,
            _ => fft_shaders::ROWS_MANY,
        };
        let mut passes = String::new();
        for pass in self.passes {
            let (kind, join, init) = match pass.join {
                // A NaN is never the maximum; the sums that follow have it.
                Join::Max => ("f32", "select(a, b, b > a)", "negated(infinity())".to_owned()),
                Join::Sum(kind) => (kind, "a + b", format!("{kind}()")),
            };
            let loads = self.loads(stores, &[Per::Element, Per::Column], pass.term);
            let words = [
                ("NAME", pass.name),
                ("TYPE", kind),
                ("JOIN", join),
                ("INIT", &init),
                ("LOADS", &loads),
                ("TERM", pass.term),
                ("THEN", pass.then),
                ("LANES", &count),
                ("ROOT", &root),
            ];
            out += &fft_shaders::fill(fft_shaders::ROWS_JOIN, &words);
            out += &fft_shaders::fill(whole, &words);
            passes += &fft_shaders::fill(fft_shaders::ROWS_PASS, &words);
        }
        let every: String = self.texts().collect::<Vec<_>>().join(" ");
        let before = self.loads(stores, &[Per::Row], &every) + self.before;
        let words = [
            ("LANES", count.as_str()),
            ("ROWS", &(GROUP / lanes).to_string()),
            ("BEFORE", &before),
            ("PASSES", &passes),
            ("STORE", &self.stores(stores, whole_words)),
        ];
        out + &fft_shaders::fill(fft_shaders::ROWS, &words)
    }

    /// Every expression and statement.
    fn texts(&self) -> impl Iterator<Item = &'static str> {
        let passes = self.passes.iter().flat_map(|p| [p.term, p.then]);
        [self.before, self.each].into_iter().chain(passes).chain(self.outputs.iter().map(|o| o.value))
    }

    fn label(&self, stores: &[Store], lanes: usize, whole_words: bool) -> String {
        format!("rows:{} {stores:?} {lanes} {whole_words}", self.name)
    }

    /// Runs it over operands whose elements follow one another, as many rows at once as bindings hold; `stores` are those of the inputs, then of the outputs. A complex number is
    /// two real ones where the storage says so. `more` goes into the last eight of `P.more`.
    pub(super) fn run<'a>(
        &self,
        context: &'a Context,
        stores: &[Store],
        inputs: &[View<'a>],
        outputs: impl IntoIterator<Item = ViewMut<'a>>,
        extent: Extent,
        (value, more): ([f32; 4], [f32; 8]),
    ) -> Result<()> {
        let outputs: Vec<_> = outputs
            .into_iter()
            .map(|x| View { buffer: x.buffer, layout: x.layout, dtype: x.dtype })
            .collect();
        let per = self.inputs.iter().map(|i| i.1).chain(self.outputs.iter().map(|o| o.per));
        let operands: Vec<_> = inputs.iter().copied().chain(outputs).zip(per).zip(stores).collect();
        let at_once = operands.iter().filter_map(|((_, per), store)| match per {
            Per::Element => Some(extent.rows_at_once(context, store.bytes())),
            Per::Row => Some(extent.numbers_at_once(context, store.bytes())),
            Per::Column => None,
        });
        let most = at_once.min().unwrap_or(extent.rows);
        let whole_words = extent.whole_words(stores[self.inputs.len()]);
        let lanes = extent.lanes();
        let label = self.label(stores, lanes, whole_words);
        for first in (0..extent.rows).step_by(most.max(1)) {
            let part = extent.part(first, most.max(1));
            let mut call = Call::new(context, self.name);
            for (i, &((x, per), store)) in operands.iter().enumerate() {
                let items = match per {
                    Per::Element => first * extent.n..first * extent.n + part.total,
                    Per::Column => 0..extent.n,
                    Per::Row => first..first + part.rows,
                };
                // A complex number may be two real ones.
                let apart = x.dtype.size() / store.bytes();
                call.part(x, items.start / apart..items.end / apart, i >= self.inputs.len())?;
                let at = if i < 4 { &mut call.params.base[i] } else { &mut call.params.steps[7][i - 4] };
                *at *= apart as i32;
            }
            call.params.count = part.rows as u32;
            call.params.value = value;
            call.params.more[0] = part.n as u32;
            call.params.more[1] = part.total as u32;
            call.params.more[4..].copy_from_slice(&more.map(f32::to_bits));
            call.run(&label, part.rows.div_ceil(GROUP / lanes), || self.source(stores, lanes, whole_words))?;
        }
        Ok(())
    }

    /// Every shader of the operation for these storages.
    pub(super) fn every_shader(&self, stores: &[Store]) -> Vec<(String, String)> {
        let mut out = Vec::new();
        for lanes in LANES {
            for whole_words in [true, false] {
                out.push((self.label(stores, lanes, whole_words), self.source(stores, lanes, whole_words)));
            }
        }
        out
    }
}
