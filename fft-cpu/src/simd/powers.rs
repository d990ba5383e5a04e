//! Powers of two with a factor: `max * 2^(steps * step)` for integers `steps` of -127 to 0, where 126 steps are at most 280 octaves. Results
//! are within `2e-7` of that, relatively, where it is a normal number.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;

/// `ln(2)^k / k!` from `k = 7` down to 0: Taylor's polynomial of `2^x`. At `|x| <= 0.5` what is cut off is below 6e-9.
const TAYLOR: [f32; 8] = [
    1.525_273_4e-5,
    1.540_353e-4,
    1.333_355_8e-3,
    9.618_129e-3,
    5.550_411e-2,
    0.240_226_5,
    std::f32::consts::LN_2,
    1.0,
];

/// One of them.
#[inline(always)]
pub(crate) fn scaled_power(max: f32, steps: f32, step: f32) -> f32 {
    // Seven bits times the step's upper seventeen are exact, so that the fraction below is accurate.
    let high = f32::from_bits(step.to_bits() & 0xffff_ff80);
    let exponent = steps * high;
    // Adding 1.5 * 2^23 rounds to an integer, which then stands in the low bits: a conversion that every machine vectorises.
    const ROUND: f32 = 12_582_912.0;
    let rounded = exponent + ROUND;
    let whole = (rounded.to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32);
    let x = (exponent - (rounded - ROUND)) + steps * (step - high);
    let mut e = TAYLOR[0];
    for c in &TAYLOR[1..] {
        e = e * x + c;
    }
    // In four factors, since 2^whole may be far below the normal numbers where the product is not, or is 0.
    let quarter = whole >> 2;
    let power = |n: i32| f32::from_bits(((n + 127) as u32) << 23);
    let factor = power(quarter);
    max * factor * factor * factor * e * power(whole - 3 * quarter)
}

/// Eight of them.
///
/// # Safety
/// The machine has AVX2 and FMA.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(super) unsafe fn eight(max: __m256, steps: __m256, step: __m256) -> __m256 {
    // SAFETY: promised by the caller.
    unsafe {
        let exponent = _mm256_mul_ps(steps, step);
        let rounded = _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(exponent);
        // With what the product was rounded by.
        let x = _mm256_add_ps(_mm256_sub_ps(exponent, rounded), _mm256_fmsub_ps(steps, step, exponent));
        let mut e = _mm256_set1_ps(TAYLOR[0]);
        for c in &TAYLOR[1..] {
            e = _mm256_fmadd_ps(e, x, _mm256_set1_ps(*c));
        }
        // In four factors, as above.
        let whole = _mm256_cvtps_epi32(rounded);
        let quarter = _mm256_srai_epi32::<2>(whole);
        let thrice = _mm256_add_epi32(quarter, _mm256_add_epi32(quarter, quarter));
        let bias = _mm256_set1_epi32(127);
        let factor = _mm256_castsi256_ps(_mm256_slli_epi32::<23>(_mm256_add_epi32(quarter, bias)));
        let rest = _mm256_add_epi32(_mm256_sub_epi32(whole, thrice), bias);
        let rest = _mm256_castsi256_ps(_mm256_slli_epi32::<23>(rest));
        let max = _mm256_mul_ps(_mm256_mul_ps(_mm256_mul_ps(max, factor), factor), factor);
        _mm256_mul_ps(_mm256_mul_ps(max, e), rest)
    }
}

/// Sixteen of them.
///
/// # Safety
/// The machine has AVX-512 F.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(super) unsafe fn sixteen(max: __m512, steps: __m512, step: __m512) -> __m512 {
    // SAFETY: promised by the caller.
    unsafe {
        let exponent = _mm512_mul_ps(steps, step);
        let rounded = _mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(exponent);
        // With what the product was rounded by.
        let x = _mm512_add_ps(_mm512_sub_ps(exponent, rounded), _mm512_fmsub_ps(steps, step, exponent));
        let mut e = _mm512_set1_ps(TAYLOR[0]);
        for c in &TAYLOR[1..] {
            e = _mm512_fmadd_ps(e, x, _mm512_set1_ps(*c));
        }
        // Half of it and twice that, since `max * e` may be too large where the result is not.
        let half = _mm512_mul_ps(_mm512_mul_ps(max, _mm512_set1_ps(0.5)), e);
        _mm512_scalef_ps(half, _mm512_add_ps(rounded, _mm512_set1_ps(1.0)))
    }
}
