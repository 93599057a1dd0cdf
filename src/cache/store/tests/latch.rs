//! One fetches, the others wait.

use super::*;

const FOREVER: Duration = Duration::from_secs(3600);

fn mine(locked: Locked) -> Guard {
    match locked {
        Locked::Mine(guard) => guard,
        Locked::Wait(_) => panic!("it is locked"),
    }
}

fn wait(locked: Locked) -> Waiter {
    match locked {
        Locked::Wait(waiter) => waiter,
        Locked::Mine(_) => panic!("it is free"),
    }
}

fn latches(zone: &Zone) -> usize {
    (0..zone.core().shards()).map(|index| zone.core().nth(index).latches.len()).sum()
}

async fn turn(waiter: &Waiter, age: Duration) -> Turn {
    tokio::time::timeout(LIMIT, waiter.wait(age)).await.expect("is woken")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_hundred_who_ask_one_fetches_and_the_others_follow() {
    let place = Arc::new(Place::new());
    let zone = place.zone(&place.settings());
    let fetched = Arc::new(AtomicU64::new(0));
    let ask = |zone: Arc<Zone>, place: Arc<Place>, fetched: Arc<AtomicU64>| async move {
        let mut own = None;
        loop {
            let variant = match zone.look_up(&key("h/a"), place.now(), plain).await {
                Lookup::Hit(hit) => return drain(hit.body).await.unwrap(),
                Lookup::Filling(follow) => return read_along(follow).await.unwrap(),
                Lookup::Miss { variant, .. } => variant,
            };
            let Some(guard) = own.take() else {
                // Between the look and the lock another one may have begun or ended: it looks again with the lock.
                match zone.lock(&key("h/a"), variant) {
                    Locked::Mine(guard) => own = Some(guard),
                    Locked::Wait(waiter) => {
                        if let Turn::Mine(guard) = turn(&waiter, FOREVER).await {
                            own = Some(guard);
                        }
                    }
                }
                continue;
            };
            fetched.fetch_add(1, Ordering::Relaxed);
            let mut fill = begun(guard.begin(variant, place.head("h/a")));
            for chunk in body(1, 100_000).chunks(3000) {
                fill.write(Bytes::copy_from_slice(chunk));
                tokio::task::yield_now().await;
            }
            fill.finish().unwrap();
        }
    };
    let asked: Vec<_> =
        (0..200).map(|_| tokio::spawn(ask(Arc::clone(&zone), Arc::clone(&place), Arc::clone(&fetched)))).collect();
    for asked in asked {
        assert!(asked.await.unwrap() == body(1, 100_000));
    }
    assert_eq!((fetched.load(Ordering::Relaxed), latches(&zone)), (1, 0));
}

#[tokio::test]
async fn when_the_one_who_fetches_gives_up_it_is_the_next_ones_turn_one_by_one() {
    let place = Place::new();
    let zone = place.zone(&place.settings());
    let mut guard = mine(zone.lock(&key("h/a"), Variant::NONE));
    let mut waiters: Vec<_> = (0..3).map(|_| wait(zone.lock(&key("h/a"), Variant::NONE))).collect();
    assert!(matches!(zone.lock(&key("h/b"), Variant::NONE), Locked::Mine(_)));
    while let Some(waiter) = waiters.pop() {
        drop(guard);
        let Turn::Mine(next) = turn(&waiter, FOREVER).await else { panic!("not its turn") };
        guard = next;
        for other in &waiters {
            assert!(tokio::time::timeout(Duration::from_millis(20), other.wait(FOREVER)).await.is_err());
        }
    }
    drop(guard);
    assert_eq!(latches(&zone), 0);
}

#[tokio::test]
async fn one_who_was_woken_and_left_passes_it_on() {
    let place = Place::new();
    let zone = place.zone(&place.settings());
    let guard = mine(zone.lock(&key("h/a"), Variant::NONE));
    let (one, other) = (wait(zone.lock(&key("h/a"), Variant::NONE)), wait(zone.lock(&key("h/a"), Variant::NONE)));
    let woken = tokio::spawn(async move { turn(&other, FOREVER).await });
    tokio::task::yield_now().await;
    let mut waiting = Box::pin(one.wait(FOREVER));
    assert!(futures_poll(&mut waiting).await);
    drop(guard);
    drop(waiting);
    drop(one);
    assert!(matches!(woken.await.unwrap(), Turn::Mine(_)));
    assert_eq!(latches(&zone), 0);
    // With nobody left it is free.
    let guard = mine(zone.lock(&key("h/a"), Variant::NONE));
    let left = wait(zone.lock(&key("h/a"), Variant::NONE));
    drop(guard);
    drop(left);
    assert_eq!(latches(&zone), 0);
}

/// True if it is pending after one poll.
async fn futures_poll(future: &mut (impl Future + Unpin)) -> bool {
    std::future::poll_fn(|context| std::task::Poll::Ready(std::pin::Pin::new(&mut *future).poll(context).is_pending()))
        .await
}

#[tokio::test]
async fn one_who_fetches_for_too_long_is_overtaken_by_one() {
    let place = Place::new();
    let zone = place.zone(&place.settings());
    let slow = mine(zone.lock(&key("h/a"), Variant::NONE));
    let (one, other) = (wait(zone.lock(&key("h/a"), Variant::NONE)), wait(zone.lock(&key("h/a"), Variant::NONE)));
    let Turn::Mine(overtaking) = turn(&one, Duration::from_millis(10)).await else { panic!("not its turn") };
    assert!(tokio::time::timeout(Duration::from_millis(20), other.wait(FOREVER)).await.is_err());
    // The slow one has no right to let go of.
    drop(slow);
    assert!(tokio::time::timeout(Duration::from_millis(20), other.wait(FOREVER)).await.is_err());
    drop(overtaking);
    assert!(matches!(turn(&other, FOREVER).await, Turn::Mine(_)));
}

#[tokio::test]
async fn what_is_not_stored_is_waited_for_by_nobody() {
    let place = Place::new();
    let zone = place.zone(&place.settings());
    let guard = mine(zone.lock(&key("h/a"), Variant::NONE));
    let waiters: Vec<_> = (0..3).map(|_| wait(zone.lock(&key("h/a"), Variant::NONE))).collect();
    guard.release_all();
    for waiter in waiters {
        assert!(matches!(turn(&waiter, FOREVER).await, Turn::LookAgain));
    }
    assert_eq!(latches(&zone), 0);
}

#[tokio::test]
async fn a_purge_reaches_the_answer_to_a_request_that_had_the_lock() {
    let place = Place::new();
    let zone = place.zone(&place.settings());
    let guard = mine(zone.lock(&key("h/a"), Variant::NONE));
    zone.purge(Purge::Url(&key("h/a")), false);
    assert!(matches!(guard.begin(Variant::NONE, place.head("h/a")), Begun::Refused));
}
