// The largest of P.count keys K, whose bits are compared as unsigned numbers. P.more[0]: how many are taken, the keys of a workgroup's
// block, and the number of blocks.
const DIGITS: u32 = 2048u;

var<workgroup> SUMS: array<u32, 256>;

fn key(i: u32) -> u32 {
    return total_order(K[P.base.x + i32(i)]);
}

// The sum of what this invocation and those before it have, and that of all. Two barriers: runs of 16 are added up, then the runs.
fn sum_to(local: u32, own: u32) -> vec2<u32> {
    SUMS[local] = own;
    workgroupBarrier();
    if (local < 16u) {
        var sum = 0u;
        for (var i = 16u * local; i < 16u * local + 16u; i += 1u) {
            sum += SUMS[i];
            SUMS[i] = sum;
        }
    }
    workgroupBarrier();
    var through = SUMS[local];
    var all = 0u;
    for (var i = 0u; i < 16u; i += 1u) {
        let run = SUMS[16u * i + 15u];
        through += select(0u, run, i < local / 16u);
        all += run;
    }
    return vec2<u32>(through, all);
}
