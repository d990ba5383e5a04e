// The last key that is taken, down to the digit that H counts: its bits, and how many of the keys with these bits are taken. Behind the
// counts H has the same of the digits above. Each invocation has 8 digits.
var<workgroup> FOUND: vec2<u32>;

fn pick(local: u32) -> vec2<u32> {
    let counts = P.base.z + i32(local * 8u);
    let bits = H[P.base.z + i32(DIGITS)];
    let wanted = H[P.base.z + i32(DIGITS) + 1];
    var own = 0u;
    for (var i = 0; i < 8; i += 1) {
        own += H[counts + i];
    }
    let sums = sum_to(local, own);
    var above = sums.y - sums.x;
    if (above < wanted && wanted <= above + own) {
        for (var i = 7; i >= 0; i -= 1) {
            let here = H[counts + i];
            if (wanted <= above + here) {
                FOUND = vec2<u32>(bits | ((local * 8u + u32(i)) << {{ABOVE}}u), wanted - above);
                break;
            }
            above += here;
        }
    }
    workgroupBarrier();
    return FOUND;
}
