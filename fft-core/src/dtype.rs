//! Element types.

use half::{bf16, f16};
use num_complex::{Complex32, Complex64};

/// The type of a tensor's elements.
///
/// `F64` and `C128` are the precision of the oracles and exist on the processor only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DType {
    /// IEEE binary32.
    F32,
    /// IEEE binary64.
    F64,
    /// IEEE binary16 (storage; sums are at least `F32`).
    F16,
    /// bfloat16 (storage; sums are at least `F32`).
    BF16,
    /// A complex number of two `F32`: real, imaginary.
    C64,
    /// A complex number of two `F64`: real, imaginary.
    C128,
    /// Unsigned 8-bit integer; also the type of comparisons (0 or 1).
    U8,
    /// Signed 8-bit integer.
    I8,
    /// Unsigned 16-bit integer.
    U16,
    /// Unsigned 32-bit integer.
    U32,
    /// Signed 64-bit integer.
    I64,
}

impl DType {
    /// Every element type.
    pub const ALL: [DType; 11] = [
        DType::F32,
        DType::F64,
        DType::F16,
        DType::BF16,
        DType::C64,
        DType::C128,
        DType::U8,
        DType::I8,
        DType::U16,
        DType::U32,
        DType::I64,
    ];

    /// Bytes of one element.
    pub const fn size(self) -> usize {
        match self {
            DType::U8 | DType::I8 => 1,
            DType::F16 | DType::BF16 | DType::U16 => 2,
            DType::F32 | DType::U32 => 4,
            DType::F64 | DType::C64 | DType::I64 => 8,
            DType::C128 => 16,
        }
    }

    /// Whether elements are real floating-point numbers.
    pub const fn is_float(self) -> bool {
        matches!(self, DType::F32 | DType::F64 | DType::F16 | DType::BF16)
    }

    /// Whether elements are complex.
    pub const fn is_complex(self) -> bool {
        matches!(self, DType::C64 | DType::C128)
    }

    /// Whether elements are integers.
    pub const fn is_integer(self) -> bool {
        !self.is_float() && !self.is_complex()
    }

    /// The complex type of the same precision: `C128` for `F64` and `C128`, otherwise `C64`.
    pub const fn to_complex(self) -> DType {
        match self {
            DType::F64 | DType::C128 => DType::C128,
            _ => DType::C64,
        }
    }

    /// The real type of a complex type; other types stay as they are.
    pub const fn to_real(self) -> DType {
        match self {
            DType::C64 => DType::F32,
            DType::C128 => DType::F64,
            other => other,
        }
    }

    /// The machine epsilon of the floating-point parts (`2^-23` for `F32`); 0 for integers.
    pub const fn epsilon(self) -> f64 {
        match self {
            DType::F32 | DType::C64 => f32::EPSILON as f64,
            DType::F64 | DType::C128 => f64::EPSILON,
            DType::F16 => 0.000_976_562_5,
            DType::BF16 => 0.007_812_5,
            _ => 0.0,
        }
    }
}

impl std::fmt::Display for DType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            DType::F32 => "f32",
            DType::F64 => "f64",
            DType::F16 => "f16",
            DType::BF16 => "bf16",
            DType::C64 => "c64",
            DType::C128 => "c128",
            DType::U8 => "u8",
            DType::I8 => "i8",
            DType::U16 => "u16",
            DType::U32 => "u32",
            DType::I64 => "i64",
        })
    }
}

mod sealed {
    pub trait Sealed {}
}

/// A Rust type that is the element of a tensor.
pub trait Element:
    bytemuck::Pod + Send + Sync + PartialEq + std::fmt::Debug + Default + sealed::Sealed + 'static
{
    /// The corresponding element type.
    const DTYPE: DType;
}

macro_rules! element {
    ($($t:ty => $d:ident),* $(,)?) => {$(
        impl sealed::Sealed for $t {}
        impl Element for $t { const DTYPE: DType = DType::$d; }
    )*};
}
element!(f32 => F32, f64 => F64, f16 => F16, bf16 => BF16, Complex32 => C64, Complex64 => C128,
         u8 => U8, i8 => I8, u16 => U16, u32 => U32, i64 => I64);
