// Real functions to about two units in the last place. WGSL's own are looser: its sine may err by 2^-11.

// x times 2^n in two factors, since 2^n alone may overflow or be subnormal.
fn scaled(x: f32, n: i32) -> f32 {
    let half = n >> 1u;
    return x * power_of_two(half) * power_of_two(n - half);
}

// 2^n for -126 <= n <= 127.
fn power_of_two(n: i32) -> f32 {
    return bitcast<f32>(u32(n + 127) << 23u);
}

// (e^r - 1 - r) / r^2 by its Taylor series; the next term is below 1e-8 of e^r for |r| <= 0.35.
fn exp_tail(r: f32) -> f32 {
    var p = fma(r, 1.0 / 5040.0, 1.0 / 720.0);
    p = fma(r, p, 1.0 / 120.0);
    p = fma(r, p, 1.0 / 24.0);
    p = fma(r, p, 1.0 / 6.0);
    return fma(r, p, 0.5);
}

// What is left of x after n ln 2; ln 2 in two parts, the first of which has so few bits that its products with n are exact.
fn exp_rest(x: f32, n: f32) -> f32 {
    return fma(n, 2.1219444e-4, fma(n, -0.693359375, x));
}

fn exp_(x: f32) -> f32 {
    if (is_nan(x)) {
        return x;
    }
    if (x > 89.0) {
        return infinity();
    }
    if (x < -105.0) {
        return 0.0;
    }
    let n = round(x * 1.4426950408889634);
    let r = exp_rest(x, n);
    return scaled(fma(r * r, exp_tail(r), r) + 1.0, i32(n));
}

// ln(1 + s) = 2 artanh(s / (2 + s)); the series' next term is below 4e-10 of it.
fn ln_(x: f32) -> f32 {
    let bits = bitcast<u32>(x);
    let a = bits & 0x7fffffffu;
    if (a == 0u) {
        return negated(infinity());
    }
    if (a > 0x7f800000u || (bits >> 31u) == 1u) {
        return nan();
    }
    if (a == 0x7f800000u) {
        return x;
    }
    var m = a;
    var n = -127;
    if (a < 0x800000u) {
        // Subnormal: an integer times 2^-149.
        m = bitcast<u32>(f32(a));
        n = -127 - 149;
    }
    // The mantissa within sqrt(1/2)..sqrt(2).
    let shifted = m + (0x3f800000u - 0x3f3504f3u);
    n += i32(shifted >> 23u);
    let mantissa = bitcast<f32>((shifted & 0x7fffffu) + 0x3f3504f3u);
    let f = mantissa - 1.0;
    let s = f / (2.0 + f);
    let t = s * s;
    var p = fma(t, 2.0 / 11.0, 2.0 / 9.0);
    p = fma(t, p, 2.0 / 7.0);
    p = fma(t, p, 2.0 / 5.0);
    p = fma(t, p, 2.0 / 3.0);
    // 2 s = f - s f, exact enough near 1.
    let e = f32(n);
    return fma(e, 0.693359375, f + (s * (t * p) - s * f + e * -2.1219444e-4));
}

// tanh x = m / (m + 2) with m = e^(2|x|) - 1 built without cancellation.
fn tanh_(x: f32) -> f32 {
    if (is_nan(x)) {
        return x;
    }
    let a = min(2.0 * magnitude(x), 20.0);
    let n = round(a * 1.4426950408889634);
    let r = exp_rest(a, n);
    let scale = power_of_two(i32(n));
    let m = fma(scale, fma(r * r, exp_tail(r), r), scale - 1.0);
    return with_sign(m / (m + 2.0), x);
}

// An odd polynomial below 1, 1 - e^p above; the coefficients are Chebyshev fits.
fn erf_(x: f32) -> f32 {
    if (is_nan(x)) {
        return x;
    }
    let a = min(magnitude(x), 4.0);
    if (a < 1.0) {
        let t = a * a;
        var p = fma(t, -9.667045e-6, 1.1265959e-4);
        p = fma(t, p, -8.48408e-4);
        p = fma(t, p, 5.221032e-3);
        p = fma(t, p, -0.02686543);
        p = fma(t, p, 0.11283783);
        p = fma(t, p, -0.37612638);
        p = fma(t, p, 1.1283791670955126);
        return with_sign(p * a, x);
    }
    var q = fma(a, 1.6371514e-6, -4.605804e-5);
    q = fma(a, q, 5.9680563e-4);
    q = fma(a, q, -0.004759596);
    q = fma(a, q, 0.026421137);
    q = fma(a, q, -0.11008008);
    q = fma(a, q, -0.63182605);
    q = fma(a, q, -1.1302334);
    q = fma(a, q, 3.2013805e-4);
    return with_sign(1.0 - exp_(q), x);
}

fn sigmoid(x: f32) -> f32 {
    return 1.0 / (1.0 + exp_(negated(x)));
}

fn silu(x: f32) -> f32 {
    return x / (1.0 + exp_(negated(x)));
}

fn gelu(x: f32) -> f32 {
    return 0.5 * x * (1.0 + erf_(x * 0.7071067811865476));
}

fn gelu_tanh(x: f32) -> f32 {
    let inner = 0.7978845608028654 * (x + 0.044715 * x * x * x);
    return 0.5 * x * (1.0 + tanh_(inner));
}

// An angle's quadrant, and what is left of it within -pi/4..pi/4.
struct Angle {
    quadrant: u32,
    rest: f32,
}

// 2 / pi in binary, after 32 zeros.
const TWO_OVER_PI = array<u32, 8>(
    0x0u, 0xa2f9836eu, 0x4e441529u, 0xfc2757d1u, 0xf534ddc0u, 0xdb629599u, 0x3c439041u, 0xfe5163abu,
);

fn two_over_pi(bit: u32) -> u32 {
    var table = TWO_OVER_PI;
    let word = bit >> 5u;
    let shift = bit & 31u;
    let high = table[word];
    if (shift == 0u) {
        return high;
    }
    return (high << shift) | (table[word + 1u] >> (32u - shift));
}

// x is a mantissa times 2^e, and multiples of 4 quadrants do not matter: of 2 / pi only 96 bits do (Payne and Hanek 1983).
fn large_angle(x: f32) -> Angle {
    let a = bitcast<u32>(x) & 0x7fffffffu;
    let m = (a & 0x7fffffu) | 0x800000u;
    let from_bit = (a >> 23u) - 120u;
    let p2 = wide_product(two_over_pi(from_bit + 64u), m);
    let p1 = wide_product(two_over_pi(from_bit + 32u), m);
    let p0 = two_over_pi(from_bit) * m;
    let lower = add64(vec2<u32>(p1.x, p1.y), vec2<u32>(p2.y, 0u));
    let fraction = vec2<u32>(lower.x, p0 + lower.y);
    // Two bits of quadrant, then the fraction.
    var q = fraction.y >> 30u;
    var high = (fraction.y << 2u) | (fraction.x >> 30u);
    var low = fraction.x << 2u;
    if ((high >> 31u) == 1u) {
        q += 1u;
    }
    let signed = bitcast<i32>(high);
    let turns = f32(signed) * 2.3283064365386963e-10 + f32(low) * 5.421010862427522e-20;
    let rest = turns * 1.5707963267948966;
    if (sign_bit(x)) {
        return Angle((4u - q) & 3u, -rest);
    }
    return Angle(q & 3u, rest);
}

fn angle(x: f32) -> Angle {
    if (magnitude(x) > 10000.0) {
        return large_angle(x);
    }
    // pi / 2 in three parts whose products with n are exact.
    let n = round(x * 0.6366197723675814);
    var r = fma(n, -1.5703125, x);
    r = fma(n, -4.837512969970703e-4, r);
    r = fma(n, -7.549789954891882e-8, r);
    return Angle(u32(i32(n)) & 3u, r);
}

fn sine_part(r: f32) -> f32 {
    let t = r * r;
    var p = fma(t, 1.0 / 362880.0, -1.0 / 5040.0);
    p = fma(t, p, 1.0 / 120.0);
    p = fma(t, p, -1.0 / 6.0);
    return fma(r * t, p, r);
}

fn cosine_part(r: f32) -> f32 {
    let t = r * r;
    var p = fma(t, -1.0 / 3628800.0, 1.0 / 40320.0);
    p = fma(t, p, -1.0 / 720.0);
    p = fma(t, p, 1.0 / 24.0);
    p = fma(t, p, -0.5);
    return fma(t, p, 1.0);
}

fn sin_(x: f32) -> f32 {
    if ((bitcast<u32>(x) & 0x7fffffffu) >= 0x7f800000u) {
        return nan();
    }
    let a = angle(x);
    let y = select(sine_part(a.rest), cosine_part(a.rest), (a.quadrant & 1u) == 1u);
    return select(y, -y, (a.quadrant & 2u) == 2u);
}

fn cos_(x: f32) -> f32 {
    if ((bitcast<u32>(x) & 0x7fffffffu) >= 0x7f800000u) {
        return nan();
    }
    let a = angle(x);
    let y = select(cosine_part(a.rest), sine_part(a.rest), (a.quadrant & 1u) == 1u);
    return select(y, -y, ((a.quadrant + 1u) & 2u) == 2u);
}

// atan q / q for 0 <= q <= tan(pi / 8), as a Chebyshev fit in t = q^2; relative error below 1e-9.
fn arctangent_part(q: f32) -> f32 {
    let t = q * q;
    var p = fma(t, -0.06026207948, 0.1056979111);
    p = fma(t, p, -0.1423952761);
    p = fma(t, p, 0.1999818277);
    p = fma(t, p, -0.3333330689);
    return fma(q * t, p, q);
}

// The angle of the point (x, y).
fn atan2_(y: f32, x: f32) -> f32 {
    if (is_nan(x) || is_nan(y)) {
        return nan();
    }
    let a = magnitude(x);
    let b = magnitude(y);
    let large = select(b, a, a > b);
    let small = select(a, b, a > b);
    // Scaled, since the quotient of two subnormal or two huge numbers may be inexact.
    var theta = 0.0;
    if (is_inf(small)) {
        theta = 0.7853981633974483;
    } else if (large != 0.0 && !is_inf(large)) {
        let s = select(select(1.0, 1.2676506002282294e30, large < 1e-20), 7.888609052210118e-31, large > 1e20);
        let l = large * s;
        let m = small * s;
        if (m > 0.4142135623730951 * l) {
            theta = 0.7853981633974483 + arctangent_signed((m - l) / (m + l));
        } else {
            theta = arctangent_part(m / l);
        }
    }
    if (b > a) {
        theta = 1.5707963267948966 - theta;
    }
    if (sign_bit(x)) {
        theta = 3.141592653589793 - theta;
    }
    return with_sign(theta, y);
}

fn arctangent_signed(q: f32) -> f32 {
    return with_sign(arctangent_part(magnitude(q)), q);
}

// x^y as in C: 1 for y = 0 and for x = 1, NaN for a negative x unless y is an integer.
fn pow_(x: f32, y: f32) -> f32 {
    if (y == 0.0 || equal_f(x, 1.0)) {
        return 1.0;
    }
    if (is_nan(x) || is_nan(y)) {
        return nan();
    }
    let a = magnitude(x);
    if (is_inf(y)) {
        if (a == 1.0) {
            return 1.0;
        }
        return select(0.0, infinity(), (a > 1.0) != sign_bit(y));
    }
    let whole = floor(y) == y;
    let odd = whole && magnitude(y) < 16777216.0 && (i32(limited(y, -16777216.0, 16777216.0)) & 1) == 1;
    var r: f32;
    if (a == 0.0) {
        r = select(0.0, infinity(), sign_bit(y));
    } else if (is_inf(a)) {
        r = select(infinity(), 0.0, sign_bit(y));
    } else {
        if (sign_bit(x) && !whole) {
            return nan();
        }
        r = exp_(y * ln_(a));
    }
    return select(r, negated(r), sign_bit(x) && odd);
}

fn sqrt_(x: f32) -> f32 {
    let bits = bitcast<u32>(x);
    // The root of a zero, an infinity or a NaN is itself, that of a number below 0 NaN.
    if ((bits & 0x7fffffffu) == 0u || (bits & 0x7fffffffu) > 0x7f800000u || bits == 0x7f800000u) {
        return x;
    }
    if ((bits >> 31u) == 1u) {
        return nan();
    }
    return sqrt(x);
}

// Slopes of gates.
fn silu_slope(x: f32) -> f32 {
    let s = sigmoid(x);
    return s * (x * (1.0 - s) + 1.0);
}

// Phi(x) + x phi(x).
fn gelu_slope(x: f32) -> f32 {
    let below = fma(erf_(x * 0.7071067811865476), 0.5, 0.5);
    return below + x * exp_(-0.5 * x * x) * 0.3989422804014327;
}

fn gelu_tanh_slope(x: f32) -> f32 {
    let square = x * x;
    let t = tanh_(0.7978845608028654 * (x * (0.044715 * square + 1.0)));
    let slope = 0.1070322244089 * square + 0.7978845608028654;
    return fma(t, 0.5, 0.5) + 0.5 * (x * (1.0 - t * t) * slope);
}

// The magnitude of a log8 code m: largest * 2^((m - 127) step), 0 for m = 0. The step is cut in two, so that multiples of its first part are
// exact.
fn log8_magnitude(m: u32, largest: f32, step: f32) -> f32 {
    if (m == 0u) {
        return 0.0;
    }
    let below = f32(m) - 127.0;
    let high = bitcast<f32>(bitcast<u32>(step) & 0xffff8000u);
    let exponent = below * high;
    let n = round(exponent);
    let r = fma(below, step - high, exponent - n) * 0.6931471805599453;
    let part = largest * (fma(r * r, exp_tail(r), r) + 1.0);
    // 2^n in steps, since it may be far below the smallest number.
    if (n > -126.0) {
        return part * power_of_two(i32(n));
    }
    return scaled(part * power_of_two(-126), i32(n) + 126);
}

// The number that a log8 code stands for.
fn log8_value(code: u32, largest: f32, step: f32) -> f32 {
    return with_sign(log8_magnitude(code & 0x7fu, largest, step), bitcast<f32>(code << 24u));
}
