use super::*;
use std::time::Duration;

fn nodes(text: &str) -> Vec<(String, String)> {
    crate::config::nodes::parse_nodes(text).unwrap()
}

fn store(text: &str) -> Arc<Store> {
    Store::new(StoreSettings { nodes: nodes(text), failover: Vec::new(), limits: Limits::default() })
}

fn node_of<'s>(store: &'s Store, id: &str) -> Option<&'s str> {
    store.node_of(&Id::parse(id.as_bytes()).unwrap()).map(|node| node.name())
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

#[tokio::test]
async fn a_node_for_failover_has_the_backup_only_if_no_other_is_left() {
    let settings = |failover: &[&str]| StoreSettings {
        // Nobody listens there.
        nodes: nodes("n1:127.0.0.1:1,n2:h:2,n3:127.0.0.1:1"),
        failover: failover.iter().map(|name| (*name).to_owned()).collect(),
        limits: Limits::default(),
    };
    let store = Store::new(settings(&["n2"]));
    let next = |name: &str| store.next(store.node(name).unwrap()).map(|node| node.name());
    assert_eq!([next("n1"), next("n2"), next("n3")], [Some("n3"), Some("n3"), Some("n1")]);
    let key = crate::memcached::Key::checked("a".to_owned()).unwrap();
    for name in ["n1", "n3"] {
        let node = store.node(name).unwrap();
        for _ in 0..10 {
            assert!(!node.is_up() || node.get(&key).await.is_err());
        }
    }
    assert_eq!([next("n1"), next("n2"), next("n3")], [Some("n2"), None, Some("n2")]);
}

#[test]
fn a_store_that_stays_as_it_is_outlives_a_reload_and_one_that_was_given_up_does_not() {
    let stores = Stores::default();
    let settings = |text: &str| StoreSettings { nodes: nodes(text), failover: Vec::new(), limits: Limits::default() };
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
