use super::*;
use std::time::Duration;

fn nodes(text: &str) -> Vec<(String, String)> {
    parse_nodes(text).unwrap()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, address)| ((*name).to_owned(), (*address).to_owned())).collect()
}

fn store(text: &str) -> Arc<Store> {
    Store::new(StoreSettings { nodes: nodes(text), limits: Limits::default() })
}

fn node_of<'s>(store: &'s Store, id: &str) -> Option<&'s str> {
    store.node_of(&Id::parse(id.as_bytes()).unwrap()).map(|node| node.name())
}

#[test]
fn memcached_nodes_are_read_as_msm_reads_them() {
    let two = pairs(&[("n1", "10.0.0.1:11211"), ("n2", "cache.example:11212")]);
    for text in [
        "n1:10.0.0.1:11211,n2:cache.example:11212",
        "n1:10.0.0.1:11211 n2:cache.example:11212",
        " n1:10.0.0.1:11211,\n  n2:cache.example:11212 ",
    ] {
        assert_eq!(nodes(text), two, "{text:?}");
    }
    assert_eq!(nodes("localhost:11211"), pairs(&[("", "localhost:11211")]));
    assert_eq!(nodes("n1:localhost:11211"), pairs(&[("n1", "localhost:11211")]));
    assert_eq!(nodes("[::1]:11211"), pairs(&[("", "[::1]:11211")]));
    assert_eq!(nodes("n1:[::1]:1,n2:[fe80::1]:2"), pairs(&[("n1", "[::1]:1"), ("n2", "[fe80::1]:2")]));
}

#[test]
fn what_edge_cannot_read_is_said() {
    for (text, told) in [
        ("", "no memcached is named"),
        (" , ", "no memcached is named"),
        ("redis://u:secret@h:6379", "`redis://…`: sessions that MSM keeps in Redis are not supported"),
        ("rediss://h", "not supported"),
        ("http://h:8091/pools", "Couchbase are not supported"),
        ("h", "`h` is no address"),
        ("n1:h", "`n1:h` is no address"),
        ("n1:h:0", "`h:0` is no address"),
        ("n1:h:70000", "is no address"),
        ("n1:h:+1", "is no address"),
        ("n1:::1:11211", "is no address"),
        ("n1:[::x]:1", "is no address"),
        (":h:1", "is no name"),
        ("n-1:h:1", "`n-1` is no name of a node"),
        ("n1:h:1,n1:h:2", "two nodes are called `n1`"),
        ("n1:h:1,h:2", "`h:2` has no name, and is not the only node"),
    ] {
        let mistake = parse_nodes(text).unwrap_err().to_string();
        assert!(mistake.contains(told), "{text:?}: {mistake}");
        assert!(!mistake.contains("secret"), "{mistake}");
    }
}

#[test]
fn a_session_lies_on_the_node_its_id_names() {
    let two = store("n1:h:1,n2:h:2");
    assert_eq!(node_of(&two, "a-n2.t1"), Some("n2"));
    assert_eq!(node_of(&two, "a-n3.t1"), None);
    assert_eq!(node_of(&two, "a.t1"), None);
    assert_eq!(node_of(&store("h:1"), "a.t1"), Some(""));
    assert_eq!(node_of(&store("n1:h:1"), "a.t1"), None);
}

#[test]
fn the_backup_lies_on_the_next_node_that_is_up() {
    let three = store("n1:h:1,n2:h:2,n3:h:3");
    let next = |name: &str| three.next(three.node(name).unwrap()).map(|node| node.name());
    assert_eq!([next("n1"), next("n2"), next("n3")], [Some("n2"), Some("n3"), Some("n1")]);
    assert_eq!(store("n1:h:1").next(three.node("n1").unwrap()).map(|n| n.name()), None);
}

#[test]
fn a_store_that_stays_as_it_is_outlives_a_reload_and_one_that_was_given_up_does_not() {
    let stores = Stores::default();
    let settings = |text: &str| StoreSettings { nodes: nodes(text), limits: Limits::default() };
    let one = BTreeMap::from([("msm".to_owned(), settings("n1:h:1"))]);
    let in_force = stores.apply(&one);
    // A configuration that was refused in the end.
    let refused = stores.apply(&BTreeMap::from([("msm".to_owned(), settings("n1:h:2"))]));
    assert!(!Arc::ptr_eq(&in_force["msm"], &refused["msm"]));
    drop(refused);
    assert!(Arc::ptr_eq(&in_force["msm"], &stores.apply(&one)["msm"]));
    let mut slower = one.clone();
    slower.get_mut("msm").unwrap().limits.timeout = Duration::from_secs(1);
    assert!(!Arc::ptr_eq(&in_force["msm"], &stores.apply(&slower)["msm"]));
    let weak = Arc::downgrade(&in_force["msm"]);
    drop(in_force);
    assert!(weak.upgrade().is_none());
    assert!(stores.apply(&BTreeMap::new()).is_empty());
    assert!(stores.0.lock().unwrap().is_empty());
}
