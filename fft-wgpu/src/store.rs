//! How elements lie in storage, and the WGSL that reads and writes them.

use fft_core::DType;

/// An element as a kernel sees it: a number of its type, or its bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Store {
    F32,
    F16,
    BF16,
    C64,
    U8,
    I8,
    U16,
    U32,
    I64,
    /// One byte as it is.
    Raw1,
    /// Two bytes.
    Raw2,
    /// Four bytes.
    Raw4,
    /// Eight bytes.
    Raw8,
}

impl Store {
    /// The storage of a type, when the device has it.
    pub(crate) fn of(dtype: DType) -> Option<Self> {
        Some(match dtype {
            DType::F32 => Self::F32,
            DType::F16 => Self::F16,
            DType::BF16 => Self::BF16,
            DType::C64 => Self::C64,
            DType::U8 => Self::U8,
            DType::I8 => Self::I8,
            DType::U16 => Self::U16,
            DType::U32 => Self::U32,
            DType::I64 => Self::I64,
            _ => return None,
        })
    }

    /// The bits of elements of a type.
    pub(crate) fn raw(dtype: DType) -> Option<Self> {
        Self::of(dtype).map(|_| match dtype.size() {
            1 => Self::Raw1,
            2 => Self::Raw2,
            4 => Self::Raw4,
            _ => Self::Raw8,
        })
    }

    /// Every storage.
    pub(crate) const ALL: [Self; 13] = [
        Self::F32,
        Self::F16,
        Self::BF16,
        Self::C64,
        Self::U8,
        Self::I8,
        Self::U16,
        Self::U32,
        Self::I64,
        Self::Raw1,
        Self::Raw2,
        Self::Raw4,
        Self::Raw8,
    ];

    pub(crate) fn bytes(self) -> usize {
        match self {
            Self::U8 | Self::I8 | Self::Raw1 => 1,
            Self::F16 | Self::BF16 | Self::U16 | Self::Raw2 => 2,
            Self::F32 | Self::U32 | Self::Raw4 => 4,
            Self::C64 | Self::I64 | Self::Raw8 => 8,
        }
    }

    /// Whether several elements share a word.
    pub(crate) fn packed(self) -> bool {
        self.bytes() < 4
    }

    /// Elements in a word.
    pub(crate) fn per_word(self) -> usize {
        (4 / self.bytes()).max(1)
    }

    /// The type that kernels compute in.
    pub(crate) fn value(self) -> &'static str {
        match self {
            Self::F32 | Self::F16 | Self::BF16 => "f32",
            Self::C64 => "vec2<f32>",
            Self::I8 => "i32",
            Self::U8 | Self::U16 | Self::U32 | Self::Raw1 | Self::Raw2 | Self::Raw4 => "u32",
            Self::I64 | Self::Raw8 => "vec2<u32>",
        }
    }

    /// The type of the elements of a binding.
    pub(crate) fn element(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::C64 => "vec2<f32>",
            Self::I64 | Self::Raw8 => "vec2<u32>",
            _ => "u32",
        }
    }

    /// The element of `array` at the `i32` expression `index`.
    pub(crate) fn load(self, array: &str, index: &str) -> String {
        self.decode(&match self.bytes() {
            1 => format!("(({array}[({index}) >> 2u] >> (u32(({index}) & 3) * 8u)) & 0xffu)"),
            2 => format!("(({array}[({index}) >> 1u] >> (u32(({index}) & 1) * 16u)) & 0xffffu)"),
            _ => format!("{array}[{index}]"),
        })
    }

    /// The value of what a word or element holds.
    pub(crate) fn decode(self, bits: &str) -> String {
        match self {
            Self::F16 => format!("from_half({bits})"),
            Self::BF16 => format!("from_brain({bits})"),
            Self::I8 => format!("extractBits(bitcast<i32>({bits}), 0u, 8u)"),
            _ => bits.to_owned(),
        }
    }

    /// What is stored for a value; for packed types the bits in the low end of a word.
    pub(crate) fn encode(self, value: &str) -> String {
        match self {
            Self::F16 => format!("to_half({value})"),
            Self::BF16 => format!("to_brain({value})"),
            Self::I8 => format!("(bitcast<u32>({value}) & 0xffu)"),
            Self::U8 | Self::Raw1 => format!("(({value}) & 0xffu)"),
            Self::U16 | Self::Raw2 => format!("(({value}) & 0xffffu)"),
            _ => value.to_owned(),
        }
    }

    /// The type of the elements of a destination whose elements are written one by one.
    pub(crate) fn target(self) -> &'static str {
        if self.packed() { "atomic<u32>" } else { self.element() }
    }

    /// A statement that stores `value` as the element of `D` at the `i32` expression `place`. Packed elements enter their words by atomic
    /// operations on their own bits, so that neighbours may be written at the same time.
    pub(crate) fn put(self, place: &str, value: &str) -> String {
        self.put_into("D", place, value)
    }

    /// [`put`](Self::put) into another destination.
    pub(crate) fn put_into(self, array: &str, place: &str, value: &str) -> String {
        let bits = self.encode(value);
        if !self.packed() {
            return format!("{array}[{place}] = {bits};");
        }
        let (per, width) = (self.per_word(), self.bytes() * 8);
        let (mask, log) = ((1u64 << width) - 1, per.trailing_zeros());
        format!(
            "let shift = u32({place} & {}) * {width}u;\n    let bits = ({bits}) << shift;\n    \
             atomicAnd(&{array}[{place} >> {log}u], ~({mask}u << shift));\n    \
             atomicOr(&{array}[{place} >> {log}u], bits);",
            per - 1
        )
    }

    /// The element of `D` at the `i32` expression `place`, in a kernel that stores by [`put`](Self::put).
    pub(crate) fn old(self, place: &str) -> String {
        if !self.packed() {
            return self.decode(&format!("D[{place}]"));
        }
        let (log, last) = (self.per_word().trailing_zeros(), self.per_word() - 1);
        let (width, mask) = (self.bytes() * 8, (1u64 << (self.bytes() * 8)) - 1);
        let word = format!("atomicLoad(&D[{place} >> {log}u])");
        self.decode(&format!("(({word} >> (u32({place} & {last}) * {width}u)) & {mask}u)"))
    }

    /// A value of this type converted to another; see `SpectralBackend::copy`.
    pub(crate) fn convert(self, to: Self, x: &str) -> String {
        use Store::*;
        if self == to || (self.value() == to.value() && matches!(self.value(), "f32")) {
            return x.to_owned();
        }
        match (self, to) {
            (C64, _) => F32.convert(to, &format!("({x}).x")),
            (_, C64) => format!("vec2<f32>({}, 0.0)", self.convert(F32, x)),
            (F32 | F16 | BF16, U8) => format!("to_unsigned({x}, 0xffu)"),
            (F32 | F16 | BF16, U16) => format!("to_unsigned({x}, 0xffffu)"),
            (F32 | F16 | BF16, U32) => format!("to_unsigned({x}, 0xffffffffu)"),
            (F32 | F16 | BF16, I8) => format!("to_byte({x})"),
            (F32 | F16 | BF16, I64) => format!("to_integer64({x})"),
            // bfloat16 has so few bits that a rounding to f32 before it could be seen.
            (U32, BF16) => format!("float64_odd(vec2<u32>({x}, 0u))"),
            (U32, F32 | F16) => format!("float64(vec2<u32>({x}, 0u))"),
            (U8 | U16, F32 | F16 | BF16) => format!("f32({x})"),
            (I8, F32 | F16 | BF16) => format!("f32({x})"),
            (I64, BF16) => format!("float64_odd({x})"),
            (I64, F32 | F16) => format!("float64({x})"),
            (U8 | U16 | U32, U8) => format!("min({x}, 0xffu)"),
            (U8 | U16 | U32, U16) => format!("min({x}, 0xffffu)"),
            (U8 | U16 | U32, I8) => format!("i32(min({x}, 127u))"),
            (U8 | U16 | U32, I64) => format!("vec2<u32>({x}, 0u)"),
            (I8, U8 | U16 | U32) => format!("u32(max({x}, 0))"),
            (I8, I64) => format!("widen_signed({x})"),
            (I64, U8) => format!("limit64_unsigned({x}, 0xffu)"),
            (I64, U16) => format!("limit64_unsigned({x}, 0xffffu)"),
            (I64, U32) => format!("limit64_unsigned({x}, 0xffffffffu)"),
            (I64, I8) => format!("limit64_byte({x})"),
            _ => x.to_owned(),
        }
    }
}
