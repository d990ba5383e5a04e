// Numbers by their bits: WGSL lets an implementation assume that NaN and infinities do not occur, so they are recognised
// and made through integers. A value that comes from a variable is not folded when the shader is compiled.

fn is_nan(x: f32) -> bool {
    return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u;
}

fn is_inf(x: f32) -> bool {
    return (bitcast<u32>(x) & 0x7fffffffu) == 0x7f800000u;
}

fn sign_bit(x: f32) -> bool {
    return (bitcast<u32>(x) >> 31u) == 1u;
}

fn nan() -> f32 {
    var bits = 0x7fc00000u;
    return bitcast<f32>(bits);
}

fn infinity() -> f32 {
    var bits = 0x7f800000u;
    return bitcast<f32>(bits);
}

fn negated(x: f32) -> f32 {
    return bitcast<f32>(bitcast<u32>(x) ^ 0x80000000u);
}

fn magnitude(x: f32) -> f32 {
    return bitcast<f32>(bitcast<u32>(x) & 0x7fffffffu);
}

// The magnitude of x with the sign of s.
fn with_sign(x: f32, s: f32) -> f32 {
    return bitcast<f32>((bitcast<u32>(x) & 0x7fffffffu) | (bitcast<u32>(s) & 0x80000000u));
}

// x within low..=high; NaN stays, since it compares false.
fn limited(x: f32, low: f32, high: f32) -> f32 {
    let y = select(x, low, x < low);
    let z = select(y, high, y > high);
    return select(z, x, is_nan(x));
}

fn signum(x: f32) -> f32 {
    if (is_nan(x)) {
        return x;
    }
    return select(select(x, -1.0, x < 0.0), 1.0, x > 0.0);
}

fn relu(x: f32) -> f32 {
    return select(x, 0.0, x < 0.0 && !is_nan(x));
}

fn larger(a: f32, b: f32) -> f32 {
    if (is_nan(a) || is_nan(b)) {
        return nan();
    }
    return select(b, a, a > b);
}

fn smaller(a: f32, b: f32) -> f32 {
    if (is_nan(a) || is_nan(b)) {
        return nan();
    }
    return select(b, a, a < b);
}

fn equal_f(a: f32, b: f32) -> bool {
    return a == b && !is_nan(a) && !is_nan(b);
}

fn less_f(a: f32, b: f32) -> bool {
    return a < b && !is_nan(a) && !is_nan(b);
}

fn less_equal_f(a: f32, b: f32) -> bool {
    return a <= b && !is_nan(a) && !is_nan(b);
}

// binary16 to f32, exact; subnormals by a product, since hardware may flush them as f32 bits are built.
fn from_half(h: u32) -> f32 {
    let sign = (h & 0x8000u) << 16u;
    let e = (h >> 10u) & 31u;
    let m = h & 0x3ffu;
    if (e == 0u) {
        return bitcast<f32>(bitcast<u32>(f32(m) * 5.9604644775390625e-8) | sign);
    }
    let bits = select(((e + 112u) << 23u) | (m << 13u), 0x7f800000u | (m << 13u), e == 31u);
    return bitcast<f32>(bits | sign);
}

// f32 to binary16: to nearest, ties to even, beyond the range to infinity. (pack2x16float leaves overflow open.)
fn to_half(x: f32) -> u32 {
    let bits = bitcast<u32>(x);
    let sign = (bits >> 16u) & 0x8000u;
    let a = bits & 0x7fffffffu;
    if (a > 0x7f800000u) {
        return sign | 0x7e00u;
    }
    if (a >= 0x47800000u) {
        return sign | 0x7c00u;
    }
    if (a < 0x38800000u) {
        if (a < 0x33000000u) {
            return sign;
        }
        let m = (a & 0x7fffffu) | 0x800000u;
        let shift = 126u - (a >> 23u);
        let q = m >> shift;
        let rest = m & ((1u << shift) - 1u);
        let half = 1u << (shift - 1u);
        return sign | (q + select(0u, 1u, rest > half || (rest == half && (q & 1u) == 1u)));
    }
    let r = a + 0xfffu + ((a >> 13u) & 1u);
    return sign | ((r - 0x38000000u) >> 13u);
}

fn from_brain(b: u32) -> f32 {
    return bitcast<f32>(b << 16u);
}

// f32 to bfloat16: to nearest, ties to even.
fn to_brain(x: f32) -> u32 {
    let bits = bitcast<u32>(x);
    if ((bits & 0x7fffffffu) > 0x7f800000u) {
        return (bits >> 16u) | 0x40u;
    }
    return (bits + 0x7fffu + ((bits >> 16u) & 1u)) >> 16u;
}

// f32 to an unsigned integer of at most top: truncated, limited, NaN to 0.
fn to_unsigned(x: f32, top: u32) -> u32 {
    if (is_nan(x) || sign_bit(x)) {
        return 0u;
    }
    if (x >= 4294967296.0) {
        return top;
    }
    return min(u32(x), top);
}

// f32 to a signed byte.
fn to_byte(x: f32) -> i32 {
    if (is_nan(x)) {
        return 0;
    }
    return i32(limited(x, -128.0, 127.0));
}
