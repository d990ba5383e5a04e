//! Real functions of one number: `f32` without branches, so that loops vectorise; `f64` through the standard library.

use crate::simd::{Level, fma};

/// A real number type that the kernels compute in.
pub(crate) trait Real:
    bytemuck::Pod
    + Send
    + Sync
    + PartialOrd
    + std::ops::Neg<Output = Self>
    + std::ops::Add<Output = Self>
    + std::ops::Sub<Output = Self>
    + std::ops::Mul<Output = Self>
    + std::ops::Div<Output = Self>
{
    /// The nearest number.
    fn of(x: f64) -> Self;
    fn exp<L: Level>(self) -> Self;
    fn tanh<L: Level>(self) -> Self;
    fn erf<L: Level>(self) -> Self;
    fn ln(self) -> Self;
    fn sqrt(self) -> Self;
    fn sin(self) -> Self;
    fn cos(self) -> Self;
    fn abs(self) -> Self;
    fn floor(self) -> Self;
    fn round_even(self) -> Self;
    fn powf(self, e: Self) -> Self;
    fn atan2(self, x: Self) -> Self;
    fn is_nan(self) -> bool;
    fn is_sign_negative(self) -> bool;
}

macro_rules! through_std {
    ($t:ty) => {
        #[inline(always)]
        fn of(x: f64) -> Self {
            x as $t
        }
        through_std!(@ $t, ln sqrt sin cos abs floor);
        #[inline(always)]
        fn round_even(self) -> Self {
            self.round_ties_even()
        }
        #[inline(always)]
        fn powf(self, e: Self) -> Self {
            <$t>::powf(self, e)
        }
        #[inline(always)]
        fn atan2(self, x: Self) -> Self {
            <$t>::atan2(self, x)
        }
        #[inline(always)]
        fn is_nan(self) -> bool {
            <$t>::is_nan(self)
        }
        #[inline(always)]
        fn is_sign_negative(self) -> bool {
            <$t>::is_sign_negative(self)
        }
    };
    (@ $t:ty, $($f:ident)*) => {$(
        #[inline(always)]
        fn $f(self) -> Self {
            <$t>::$f(self)
        }
    )*};
}

impl Real for f32 {
    through_std!(f32);

    #[inline(always)]
    fn exp<L: Level>(self) -> Self {
        exp::<L>(self)
    }

    #[inline(always)]
    fn tanh<L: Level>(self) -> Self {
        tanh::<L>(self)
    }

    #[inline(always)]
    fn erf<L: Level>(self) -> Self {
        erf::<L>(self)
    }
}

impl Real for f64 {
    through_std!(f64);

    #[inline(always)]
    fn exp<L: Level>(self) -> Self {
        f64::exp(self)
    }

    #[inline(always)]
    fn tanh<L: Level>(self) -> Self {
        f64::tanh(self)
    }

    fn erf<L: Level>(self) -> Self {
        erf_f64(self)
    }
}

/// `1.5 * 2^23`: adding it leaves the nearest integer in the low bits.
const ROUNDING: f32 = 12_582_912.0;
// ln 2 in two parts; the first has few enough bits that its products with exponents are exact.
const LN2_HIGH: f32 = 355.0 / 512.0;
const LN2_LOW: f32 = -2.121_944_4e-4;

/// `2^n` by its bits, for `-126 <= n <= 127`.
#[inline(always)]
fn power_of_two(n: i32) -> f32 {
    f32::from_bits((n.wrapping_add(127) as u32) << 23)
}

/// `x = n ln 2 + r` with `|r| <= ln 2 / 2`.
#[inline(always)]
fn reduce<L: Level>(x: f32) -> (i32, f32) {
    let t = fma::<L>(x, std::f32::consts::LOG2_E, ROUNDING);
    let n = t - ROUNDING;
    let r = fma::<L>(n, -LN2_LOW, fma::<L>(n, -LN2_HIGH, x));
    ((t.to_bits() as i32).wrapping_sub(ROUNDING.to_bits() as i32), r)
}

/// `(e^r - 1 - r) / r^2` by its Taylor series; the next term is below 1e-8 of `e^r` for `|r| <= 0.35`.
#[inline(always)]
fn tail<L: Level>(r: f32) -> f32 {
    let p = fma::<L>(r, 1.0 / 5040.0, 1.0 / 720.0);
    let p = fma::<L>(r, p, 1.0 / 120.0);
    let p = fma::<L>(r, p, 1.0 / 24.0);
    let p = fma::<L>(r, p, 1.0 / 6.0);
    fma::<L>(r, p, 0.5)
}

/// `x` within `low..=high`; NaN stays.
#[inline(always)]
fn clamp(x: f32, low: f32, high: f32) -> f32 {
    let x = if x < low { low } else { x };
    if x > high { high } else { x }
}

/// `e^x` to within 2 units in the last place, with subnormal results, infinities and NaN.
#[inline(always)]
pub(crate) fn exp<L: Level>(x: f32) -> f32 {
    let (n, r) = reduce::<L>(clamp(x, -105.0, 89.0));
    let y = fma::<L>(r * r, tail::<L>(r), r) + 1.0;
    // Two factors, since 2^n alone may overflow or be subnormal.
    let half = n >> 1;
    y * power_of_two(half) * power_of_two(n.wrapping_sub(half))
}

/// `tanh x = m / (m + 2)` with `m = e^(2|x|) - 1` built without cancellation.
#[inline(always)]
pub(crate) fn tanh<L: Level>(x: f32) -> f32 {
    let (n, r) = reduce::<L>(clamp(2.0 * x.abs(), 0.0, 20.0));
    let scale = power_of_two(n);
    let m = fma::<L>(scale, fma::<L>(r * r, tail::<L>(r), r), scale - 1.0);
    (m / (m + 2.0)).copysign(x)
}

/// Error function: an odd polynomial below 1, `1 - e^p` above. The coefficients are Chebyshev fits; errors stay below 1e-7.
#[inline(always)]
pub(crate) fn erf<L: Level>(x: f32) -> f32 {
    let a = clamp(x.abs(), 0.0, 4.0);
    let t = a * a;
    let mut small = -9.667_045e-6;
    for c in [
        1.126_595_9e-4,
        -8.484_08e-4,
        5.221_032e-3,
        -0.026_865_43,
        0.112_837_83,
        -0.376_126_38,
        std::f32::consts::FRAC_2_SQRT_PI,
    ] {
        small = fma::<L>(small, t, c);
    }
    let mut log = 1.637_151_4e-6;
    for c in [
        -4.605_804e-5,
        5.968_056_3e-4,
        -0.004_759_596,
        0.026_421_137,
        -0.110_080_08,
        -0.631_826_05,
        -1.130_233_4,
        3.201_380_5e-4,
    ] {
        log = fma::<L>(log, a, c);
    }
    let large = 1.0 - exp::<L>(log);
    (if a < 1.0 { small * a } else { large }).copysign(x)
}

/// Error function to about 1e-15: the series `2/sqrt(pi) e^(-x^2) sum 2^n x^(2n+1) / (2n+1)!!`, whose terms are all positive,
/// and beyond 1.5 the continued fraction of the complement (Abramowitz and Stegun 7.1.6, 7.1.14).
pub(crate) fn erf_f64(x: f64) -> f64 {
    let a = x.abs();
    if a.is_nan() {
        return x;
    }
    if a > 6.0 {
        return 1f64.copysign(x);
    }
    let value = if a < 1.5 {
        let (mut term, mut sum, mut n) = (a, a, 0.0);
        while term > sum * 1e-17 {
            n += 1.0;
            term *= 2.0 * a * a / (2.0 * n + 1.0);
            sum += term;
        }
        std::f64::consts::FRAC_2_SQRT_PI * (-a * a).exp() * sum
    } else {
        let mut fraction = a;
        for k in (1..=120).rev() {
            fraction = a + 0.5 * k as f64 / fraction;
        }
        1.0 - (-a * a).exp() * std::f64::consts::FRAC_2_SQRT_PI / (2.0 * fraction)
    };
    value.copysign(x)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{Kernel, dispatch};

    struct Apply<'a>(fn(f64) -> f64, u8, &'a [f32], &'a mut f64);
    impl Kernel for Apply<'_> {
        type Output = ();
        #[inline(always)]
        fn run<L: Level>(self) {
            for &x in self.2 {
                let y = match self.1 {
                    0 => exp::<L>(x),
                    1 => tanh::<L>(x),
                    _ => erf::<L>(x),
                };
                let want = (self.0)(x as f64);
                // In units of the last place of the exact result.
                let unit = (want.abs() as f32).max(f32::MIN_POSITIVE) as f64 * f32::EPSILON as f64 * 0.5;
                *self.3 = self.3.max((y as f64 - want).abs() / unit);
            }
        }
    }

    fn worst(f: fn(f64) -> f64, which: u8, low: f32, high: f32) -> f64 {
        let xs: Vec<f32> = (0..200_000).map(|i| low + (high - low) * (i as f32 / 200_000.0)).collect();
        let mut worst = 0.0;
        dispatch(Apply(f, which, &xs, &mut worst));
        Apply(f, which, &xs, &mut worst).run::<crate::simd::Baseline>();
        worst
    }

    #[test]
    fn functions_are_accurate() {
        assert!(worst(f64::exp, 0, -87.0, 88.7) < 4.0, "{}", worst(f64::exp, 0, -87.0, 88.7));
        assert!(worst(f64::tanh, 1, -12.0, 12.0) < 6.0, "{}", worst(f64::tanh, 1, -12.0, 12.0));
        assert!(worst(f64::tanh, 1, -0.01, 0.01) < 6.0);
        assert!(worst(erf_f64, 2, -5.0, 5.0) < 6.0, "{}", worst(erf_f64, 2, -5.0, 5.0));
        assert!(worst(erf_f64, 2, -0.01, 0.01) < 6.0);
    }

    #[test]
    fn special_values() {
        type B = crate::simd::Baseline;
        assert_eq!(exp::<B>(f32::NEG_INFINITY), 0.0);
        assert_eq!(exp::<B>(f32::INFINITY), f32::INFINITY);
        assert!(exp::<B>(f32::NAN).is_nan() && tanh::<B>(f32::NAN).is_nan() && erf::<B>(f32::NAN).is_nan());
        assert_eq!(exp::<B>(0.0), 1.0);
        assert_eq!((tanh::<B>(f32::INFINITY), erf::<B>(f32::NEG_INFINITY)), (1.0, -1.0));
        assert!((exp::<B>(-100.0) as f64 / (-100f64).exp() - 1.0).abs() < 0.02);
        // Values of the error function to 16 digits.
        for (x, want) in [
            (0.5, 0.520_499_877_813_046_5),
            (1.0, 0.842_700_792_949_714_9),
            (2.5, 0.999_593_047_982_555),
            (3.0, 0.999_977_909_503_001_4),
            (3.5, 0.999_999_256_901_627_7),
        ] {
            assert!((erf_f64(x) - want).abs() < 2e-16 * 4.0, "{x}");
            assert_eq!(erf_f64(-x), -erf_f64(x));
        }
    }
}
