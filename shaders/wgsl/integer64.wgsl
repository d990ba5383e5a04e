// 64-bit integers as two words, the low one first, in two's complement.

fn add64(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
    let low = a.x + b.x;
    return vec2<u32>(low, a.y + b.y + select(0u, 1u, low < a.x));
}

fn negate64(a: vec2<u32>) -> vec2<u32> {
    return add64(~a, vec2<u32>(1u, 0u));
}

fn sub64(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
    return add64(a, negate64(b));
}

fn abs64(a: vec2<u32>) -> vec2<u32> {
    return select(a, negate64(a), (a.y >> 31u) == 1u);
}

// The whole product of two words.
fn wide_product(a: u32, b: u32) -> vec2<u32> {
    let a0 = a & 0xffffu;
    let a1 = a >> 16u;
    let b0 = b & 0xffffu;
    let b1 = b >> 16u;
    let low = a0 * b0;
    let middle = a1 * b0 + (low >> 16u);
    let other = a0 * b1 + (middle & 0xffffu);
    return vec2<u32>((other << 16u) | (low & 0xffffu), a1 * b1 + (middle >> 16u) + (other >> 16u));
}

fn mul64(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
    let low = wide_product(a.x, b.x);
    return vec2<u32>(low.x, low.y + a.x * b.y + a.y * b.x);
}

fn equal64(a: vec2<u32>, b: vec2<u32>) -> bool {
    return a.x == b.x && a.y == b.y;
}

fn less64(a: vec2<u32>, b: vec2<u32>) -> bool {
    let ah = bitcast<i32>(a.y);
    let bh = bitcast<i32>(b.y);
    return ah < bh || (ah == bh && a.x < b.x);
}

fn max64(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
    return select(a, b, less64(a, b));
}

fn min64(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
    return select(b, a, less64(a, b));
}

fn widen_signed(x: i32) -> vec2<u32> {
    let bits = bitcast<u32>(x);
    return vec2<u32>(bits, select(0u, 0xffffffffu, x < 0));
}

// To an unsigned integer of at most top.
fn limit64_unsigned(a: vec2<u32>, top: u32) -> u32 {
    if ((a.y >> 31u) == 1u) {
        return 0u;
    }
    return select(min(a.x, top), top, a.y != 0u);
}

fn limit64_byte(a: vec2<u32>) -> i32 {
    if ((a.y >> 31u) == 1u) {
        return select(-128, max(bitcast<i32>(a.x), -128), a.y == 0xffffffffu && (a.x >> 31u) == 1u);
    }
    return select(127, i32(min(a.x, 127u)), a.y == 0u);
}

// The magnitude a at the precision of a given number of bits, as f32 bits. With `odd` what is cut off sets the last bit, so that a
// second rounding comes out as if it were the only one; otherwise to nearest, ties to even.
fn float64_bits(a: vec2<u32>, odd: bool) -> u32 {
    if (a.x == 0u && a.y == 0u) {
        return 0u;
    }
    var top = a;
    var e = 190u; // 127 + 63
    if (top.y == 0u) {
        top = vec2<u32>(0u, top.x);
        e -= 32u;
    }
    let shift = countLeadingZeros(top.y);
    if (shift > 0u) {
        top = vec2<u32>(top.x << shift, (top.y << shift) | (top.x >> (32u - shift)));
    }
    e -= shift;
    // 24 bits stay: the top word without its low 8.
    let kept = top.y >> 8u;
    let cut = (top.y << 24u) | select(0u, 1u, top.x != 0u);
    var up = 0u;
    if (odd) {
        return (((e - 1u) << 23u) + kept) | select(0u, 1u, cut != 0u);
    }
    if (cut > 0x80000000u || (cut == 0x80000000u && (kept & 1u) == 1u)) {
        up = 1u;
    }
    return ((e - 1u) << 23u) + kept + up;
}

fn float64(a: vec2<u32>) -> f32 {
    return bitcast<f32>(float64_bits(abs64(a), false) | (a.y & 0x80000000u));
}

fn float64_odd(a: vec2<u32>) -> f32 {
    return bitcast<f32>(float64_bits(abs64(a), true) | (a.y & 0x80000000u));
}

// f32 to 64 bits: truncated, limited, NaN to 0.
fn to_integer64(x: f32) -> vec2<u32> {
    let bits = bitcast<u32>(x);
    let a = bits & 0x7fffffffu;
    if (a > 0x7f800000u || a < 0x3f800000u) {
        return vec2<u32>(0u, 0u);
    }
    let negative = (bits >> 31u) == 1u;
    if (a >= 0x5f000000u) { // 2^63
        return select(vec2<u32>(0xffffffffu, 0x7fffffffu), vec2<u32>(0u, 0x80000000u), negative);
    }
    let m = (a & 0x7fffffu) | 0x800000u;
    let e = a >> 23u;
    var value: vec2<u32>;
    if (e <= 150u) {
        value = vec2<u32>(m >> (150u - e), 0u);
    } else {
        let left = e - 150u;
        if (left >= 32u) {
            value = vec2<u32>(0u, m << (left - 32u));
        } else {
            value = vec2<u32>(m << left, m >> (32u - left));
        }
    }
    return select(value, negate64(value), negative);
}
