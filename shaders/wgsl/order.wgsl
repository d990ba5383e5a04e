// Keys whose order as unsigned numbers is that of the values; a NaN is above all.

fn float_key(x: f32) -> u32 {
    let bits = bitcast<u32>(x);
    if ((bits & 0x7fffffffu) > 0x7f800000u) {
        return 0xffffffffu;
    }
    if ((bits & 0x7fffffffu) == 0u) {
        return 0x80000000u;
    }
    return select(bits | 0x80000000u, ~bits, (bits >> 31u) == 1u);
}

// The same with the order turned round, but a NaN above all again.
fn float_key_reversed(x: f32) -> u32 {
    return select(~float_key(x), 0xffffffffu, is_nan(x));
}

fn float_of_key(key: u32) -> f32 {
    if (key == 0xffffffffu) {
        return nan();
    }
    return bitcast<f32>(select(~key, key & 0x7fffffffu, (key >> 31u) == 1u));
}

fn float_of_key_reversed(key: u32) -> f32 {
    if (key == 0xffffffffu) {
        return nan();
    }
    return float_of_key(~key);
}

// The bits of a float in the order of IEEE 754's totalOrder: NaN too has its place by its sign and bits.
fn total_order(bits: u32) -> u32 {
    return bits ^ select(0x80000000u, 0xffffffffu, (bits >> 31u) == 1u);
}

fn larger64(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
    return select(a, b, b.y > a.y || (b.y == a.y && b.x > a.x));
}

// A key and its place: the larger key, of equal ones the first place.
fn larger_place(a: vec2<u32>, b: vec2<u32>) -> vec2<u32> {
    return select(a, b, b.x > a.x || (b.x == a.x && b.y < a.y));
}

// The same for keys of two words, place last.
fn larger_place64(a: vec3<u32>, b: vec3<u32>) -> vec3<u32> {
    let above = b.y > a.y || (b.y == a.y && b.x > a.x);
    let same = b.y == a.y && b.x == a.x;
    return select(a, b, above || (same && b.z < a.z));
}
