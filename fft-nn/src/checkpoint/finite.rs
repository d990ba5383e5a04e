//! Looks for NaN and infinity in stored bytes.

use fft_core::DType;

/// The index of the first element that is NaN or infinite among little-endian floats; `None` for other types.
///
/// An element is not finite when all its exponent bits are set. Blocks are tested without branches, which the compiler
/// vectorises, and only the block with a hit is searched. Bytes beyond the last whole element are ignored.
pub fn first_non_finite(dtype: DType, bytes: &[u8]) -> Option<usize> {
    match dtype {
        DType::F32 | DType::C64 => {
            find(bytes, |b: [u8; 4]| u32::from_le_bytes(b) & 0x7f80_0000 == 0x7f80_0000)
        }
        DType::F16 => find(bytes, |b: [u8; 2]| u16::from_le_bytes(b) & 0x7c00 == 0x7c00),
        DType::BF16 => find(bytes, |b: [u8; 2]| u16::from_le_bytes(b) & 0x7f80 == 0x7f80),
        DType::F64 | DType::C128 => {
            find(bytes, |b: [u8; 8]| u64::from_le_bytes(b) & 0x7ff0_0000_0000_0000 == 0x7ff0_0000_0000_0000)
        }
        _ => None,
    }
    .map(|index| if dtype.is_complex() { index / 2 } else { index })
}

fn find<const N: usize>(bytes: &[u8], is_bad: impl Fn([u8; N]) -> bool) -> Option<usize> {
    const BLOCK: usize = 1024;
    let (elements, _) = bytes.as_chunks::<N>();
    let mut start = 0;
    for block in elements.chunks(BLOCK) {
        if block.iter().fold(false, |bad, &b| bad | is_bad(b)) {
            return block.iter().position(|&b| is_bad(b)).map(|i| start + i);
        }
        start += block.len();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use fft_core::{bf16, f16};

    #[test]
    fn finds_the_first_bad_element_of_each_type() {
        let mut values = vec![1.5f32; 5000];
        values[7] = f32::MAX;
        values[8] = -0.0;
        values[9] = f32::MIN_POSITIVE / 8.0;
        let bytes = |v: &[f32]| v.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<_>>();
        assert_eq!(first_non_finite(DType::F32, &bytes(&values)), None);
        values[4999] = f32::NAN;
        assert_eq!(first_non_finite(DType::F32, &bytes(&values)), Some(4999));
        values[2047] = f32::NEG_INFINITY;
        assert_eq!(first_non_finite(DType::F32, &bytes(&values)), Some(2047));
        assert_eq!(first_non_finite(DType::C64, &bytes(&values)), Some(1023));
        let halves: Vec<u8> = values.iter().flat_map(|&x| bf16::from_f32(x).to_le_bytes()).collect();
        assert_eq!(first_non_finite(DType::BF16, &halves), Some(7), "f32::MAX rounds to infinity in bf16");
        let halves: Vec<u8> = [f16::MAX, f16::MIN, f16::NAN].iter().flat_map(|x| x.to_le_bytes()).collect();
        assert_eq!(first_non_finite(DType::F16, &halves), Some(2));
        let doubles: Vec<u8> = [1.0, f64::MAX, f64::INFINITY].iter().flat_map(|x| x.to_le_bytes()).collect();
        assert_eq!(first_non_finite(DType::F64, &doubles), Some(2));
        assert_eq!(first_non_finite(DType::U8, &[255; 100]), None);
    }
}
