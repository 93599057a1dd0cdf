//! How large an expression may be, and that the largest does not break the stack it is read on.

use super::World;

#[test]
fn brackets_nest_thirty_two_deep_and_no_deeper() {
    let world = World::new();
    let ways = [("(", ")"), ("[", "]"), ("{'a': ", "}"), ("dyn(", ")"), ("!dyn(", ")"), ("[1][", "]")];
    for (open, close) in ways {
        let nested = |depth: usize| format!("dyn({}0{})", open.repeat(depth), close.repeat(depth));
        let told = world.told(&nested(31));
        assert!(!told.contains("deep") && !told.contains("cannot be read"), "{open}: {told}");
        let told = world.told(&nested(32));
        assert!(told.contains("brackets nest more than 32 deep"), "{open}: {told}");
    }
}

#[test]
fn chains_are_as_long_as_the_tree_may_be_deep() {
    let world = World::new();
    let sum = |count: usize| format!("1 == {}", vec!["1"; count].join(" + "));
    assert_eq!(world.value(&sum(95)), "false");
    assert!(world.told(&sum(105)).contains("more than 100 operators hang together here"));
    let members = format!("dyn(1){}", ".a".repeat(101));
    assert!(world.told(&members).contains("more than 100 operators"));
    let choices = |count: usize| format!("{}false", "true ? true : ".repeat(count));
    assert_eq!(world.value(&choices(32)), "true");
    assert!(world.told(&choices(33)).contains("`?` nests more than 32 deep"));
    // Conditions side by side make no depth.
    let wide = vec!["request.method == 'POST'"; 200].join(" && ");
    assert_eq!(world.value(&wide), "true");
}

#[test]
fn the_deepest_and_longest_still_runs_on_a_small_stack() {
    let world = World::new();
    let sum = vec!["1"; 60].join(" + ");
    let text = format!("{}{sum}{}", "[".repeat(31), "]".repeat(31));
    let expr = world.compile(&text).unwrap();
    let run = || expr.evaluate(&world.view()).is_ok();
    let runs = std::thread::scope(|scope| {
        std::thread::Builder::new().stack_size(2 << 20).spawn_scoped(scope, run).unwrap().join().unwrap()
    });
    assert!(runs);
}

#[test]
fn an_expression_has_an_end() {
    let world = World::new();
    assert!(world.told(&" ".repeat(9000)).contains("at most 8192 bytes long, and this one 9000"));
    let elements = |count: usize| format!("size([{}]) > 0", vec!["1"; count].join(","));
    assert_eq!(world.told(&elements(2000)), "nothing");
    assert!(world.told(&elements(2100)).contains("at most 2048 parts"));
    let nested = "[1].all(a, [1].all(b, [1].all(c, [1].all(d, [1].all(e, true)))))";
    assert!(world.told(nested).contains("`all` and its like nest at most 4 deep"), "{}", world.told(nested));
}
