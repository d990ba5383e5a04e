//! The element types of the safetensors format.

use fft_core::DType;

/// The type of a stored tensor's elements: one that [`fft_core`] computes with, or one that is only carried along.
///
/// A file may hold tensors of any type of the format; a type unknown to [`DType`] is an error only where the tensor is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoredType {
    /// A type that tensors can have.
    Known(DType),
    /// A type of the format that has no [`DType`]: its name in the header and its bits an element.
    Other {
        /// The name in the header, such as `F8_E4M3`.
        name: &'static str,
        /// Bits of one element; types of fewer than eight bits are packed.
        bits: usize,
    },
}

const KNOWN: [(&str, DType); 10] = [
    ("F32", DType::F32),
    ("F16", DType::F16),
    ("BF16", DType::BF16),
    ("F64", DType::F64),
    ("C64", DType::C64),
    ("U8", DType::U8),
    ("I8", DType::I8),
    ("U16", DType::U16),
    ("U32", DType::U32),
    ("I64", DType::I64),
];

const OTHER: [(&str, usize); 10] = [
    ("BOOL", 8),
    ("F8_E4M3", 8),
    ("F8_E5M2", 8),
    ("F8_E8M0", 8),
    ("I16", 16),
    ("I32", 32),
    ("U64", 64),
    ("F4", 4),
    ("F6_E2M3", 6),
    ("F6_E3M2", 6),
];

impl StoredType {
    /// The type of that name in a header.
    pub fn from_name(name: &str) -> Option<Self> {
        let known = KNOWN.iter().find(|(n, _)| *n == name).map(|&(_, dtype)| Self::Known(dtype));
        known.or_else(|| {
            OTHER.iter().find(|(n, _)| *n == name).map(|&(name, bits)| Self::Other { name, bits })
        })
    }

    /// The name in a header. `C128` has none in the format and is called so.
    pub fn name(self) -> &'static str {
        match self {
            Self::Known(dtype) => KNOWN.iter().find(|(_, d)| *d == dtype).map_or("C128", |&(name, _)| name),
            Self::Other { name, .. } => name,
        }
    }

    /// Bits of one element.
    pub fn bits(self) -> usize {
        match self {
            Self::Known(dtype) => 8 * dtype.size(),
            Self::Other { bits, .. } => bits,
        }
    }

    /// The tensor type, when there is one.
    pub fn dtype(self) -> Option<DType> {
        match self {
            Self::Known(dtype) => Some(dtype),
            Self::Other { .. } => None,
        }
    }

    /// Bytes of a tensor of `shape`; `None` when they overflow or are not whole.
    pub fn bytes(self, shape: &[usize]) -> Option<u64> {
        let len = shape.iter().try_fold(1u64, |len, &n| len.checked_mul(u64::try_from(n).ok()?))?;
        let bits = len.checked_mul(self.bits() as u64)?;
        bits.is_multiple_of(8).then_some(bits / 8)
    }
}

impl From<DType> for StoredType {
    fn from(dtype: DType) -> Self {
        Self::Known(dtype)
    }
}

impl std::fmt::Display for StoredType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
