// Reductions. ACC is what a sum is kept in; parts of 32 terms are joined before they join the whole, so that a long sum of floats errs
// as a tree of that depth.
@group(0) @binding(0) var<uniform> P: Params;
@group(0) @binding(1) var<storage, read> S: array<{{SOURCE}}>;
@group(0) @binding(2) var<storage, read_write> D: array<{{DESTINATION}}>;

fn join(a: {{ACC}}, b: {{ACC}}) -> {{ACC}} {
    return {{JOIN}};
}

// The r-th element to be reduced.
fn element(start: i32, r: u32) -> {{ACC}} {
    var at = start;
    {{PLACE}}
    let x = {{LOAD}};
    let number = P.more[1].x + r;
    return {{ENTER}};
}

// The elements begin, begin + stride, .. below end.
fn run_of(start: i32, begin: u32, end: u32, stride: u32) -> {{ACC}} {
    var whole = {{INIT}};
    var r = begin;
    while (r < end) {
        var part = element(start, r);
        r += stride;
        for (var i = 1u; i < 32u && r < end; i += 1u) {
            part = join(part, element(start, r));
            r += stride;
        }
        whole = join(whole, part);
    }
    return whole;
}

fn store(at: vec4<i32>, a: {{ACC}}) {
    {{STORE}}
}
