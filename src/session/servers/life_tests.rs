use super::*;

const FENCE: Duration = Duration::from_secs(2);
const PERIOD: Duration = Duration::from_secs(1);

/// A life with a clock that only the test moves.
struct Case {
    life: Life,
    now: Instant,
}

impl Case {
    fn new() -> Case {
        let now = Instant::now();
        Case { life: Life::new(FENCE, PERIOD, false, now), now }
    }

    fn telling() -> Case {
        let now = Instant::now();
        Case { life: Life::new(FENCE, PERIOD, true, now), now }
    }

    /// Up, alone, as the first instance.
    fn up() -> Case {
        let mut case = Case::new();
        case.see(Sight::Up);
        case.hear(|_| {});
        assert_eq!(case.life.state(), State::Up);
        case
    }

    /// Up, and another edge sees it too.
    fn up_for_two() -> Case {
        let mut case = Case::up();
        case.hear(|h| (h.others, h.up) = (true, true));
        case
    }

    fn after(&mut self, millis: u64) -> &mut Case {
        self.now += Duration::from_millis(millis);
        self.life.tick(self.now);
        self
    }

    fn see(&mut self, sight: Sight) -> State {
        self.now += Duration::from_millis(1);
        self.life.see(sight, None, self.now);
        self.life.state()
    }

    fn see_token(&mut self, token: u64) -> u64 {
        self.now += Duration::from_millis(1);
        self.life.see(Sight::Up, Some(token), self.now);
        self.life.instance()
    }

    /// A reading of the board that begins now, finds nothing but what is changed, and after which this edge's word stands there.
    fn hear(&mut self, change: impl FnOnce(&mut Hearsay)) -> State {
        let published = self.life.word(self.now);
        let began = self.now;
        let mut hearsay =
            Hearsay { began, board: true, others: false, up: false, accused: false, count: None, published };
        change(&mut hearsay);
        self.now += Duration::from_millis(1);
        self.life.hear(hearsay, self.now);
        self.life.state()
    }

    /// Nobody accuses it any more; how it is once each edge must have read that.
    fn is_back_after_a_period(&mut self) -> State {
        assert_eq!(self.hear(|h| (h.others, h.up) = (true, true)), State::Suspect);
        assert!(!self.life.wants_news(self.now), "what is read before does not count");
        assert_eq!(self.after(900).hear(|h| (h.others, h.up) = (true, true)), State::Suspect);
        assert!(self.life.deadline(self.now).is_some_and(|at| at <= self.now + PERIOD / 5), "it looks again");
        self.after(200);
        assert!(self.life.wants_news(self.now) && self.life.state() == State::Suspect);
        self.hear(|h| (h.others, h.up) = (true, true))
    }

    fn count(&self) -> String {
        self.life.count().map(|count| count.to_string()).unwrap_or_default()
    }
}

#[test]
fn a_server_counts_as_up_once_it_answers_and_the_board_was_read() {
    let mut case = Case::new();
    assert_eq!(case.life.state(), State::Unknown);
    assert_eq!(case.see(Sight::Up), State::Unknown);
    assert!(case.life.is_open(case.now));
    assert_eq!(case.hear(|h| h.count = Count::parse(b"1 up")), State::Up);
    assert_eq!((case.life.instance(), case.life.restarted()), (1, None));
}

#[test]
fn without_other_edges_a_refusal_is_a_death_at_once() {
    let mut case = Case::up();
    assert_eq!(case.see(Sight::Refused), State::Dead);
    assert_eq!((case.count().as_str(), case.life.word(case.now)), ("1 dead", Word::Dead));
}

#[test]
fn without_a_board_too() {
    let mut case = Case::up_for_two();
    case.hear(|h| h.board = false);
    assert_eq!(case.see(Sight::Refused), State::Dead);
}

#[test]
fn with_other_edges_a_refusal_is_a_death_when_none_sees_it_up() {
    let mut case = Case::up_for_two();
    assert_eq!(case.see(Sight::Refused), State::Suspect);
    assert_eq!(case.life.word(case.now), Word::Nothing);
    assert_eq!(case.hear(|h| (h.others, h.up) = (true, true)), State::Suspect);
    assert_eq!(case.after(20).hear(|h| h.others = true), State::Dead);
    assert_eq!(case.count(), "1 dead");
}

#[test]
fn what_was_read_before_the_refusal_does_not_agree() {
    let mut case = Case::up_for_two();
    let before = case.now;
    case.see(Sight::Refused);
    assert_eq!(case.hear(|h| (h.began, h.others) = (before, true)), State::Suspect);
}

#[test]
fn what_refuses_this_edge_alone_is_fenced_and_keeps_its_instance() {
    let mut case = Case::up_for_two();
    case.see(Sight::Refused);
    case.hear(|h| (h.others, h.up) = (true, true));
    case.after(299);
    assert_eq!(case.life.word(case.now), Word::Suspect);
    assert_eq!(case.hear(|h| (h.others, h.up) = (true, true)), State::Suspect);
    assert_eq!(case.after(1999).life.state(), State::Suspect);
    assert_eq!(case.after(1).life.state(), State::Fenced);
    assert_eq!(case.count(), "1 up");
    assert_eq!(case.see(Sight::Up), State::Fenced);
    assert_eq!(case.is_back_after_a_period(), State::Up);
    assert_eq!(case.life.instance(), 1);
    // Nobody knows whether it was restarted meanwhile: its sessions are looked at.
    assert!(case.life.restarted().is_some());
}

#[test]
fn once_the_other_edge_has_gone_what_still_refuses_is_dead() {
    let mut case = Case::up_for_two();
    case.see(Sight::Refused);
    case.after(300).hear(|h| (h.others, h.up) = (true, true));
    assert_eq!(case.after(2000).life.state(), State::Fenced);
    assert_eq!(case.hear(|_| {}), State::Dead);
    assert_eq!(case.count(), "1 dead");
}

#[test]
fn a_silent_server_is_fenced_when_the_others_may_know_and_the_fence_is_over() {
    let mut case = Case::up_for_two();
    assert_eq!(case.see(Sight::Silent), State::Suspect);
    // The word does not stand on the board yet: the fence does not begin.
    case.hear(|h| (h.others, h.up, h.published) = (true, true, Word::Up));
    assert_eq!(case.after(5000).life.state(), State::Suspect);
    case.hear(|h| (h.others, h.up) = (true, true));
    assert_eq!(case.life.deadline(case.now), Some(case.now + FENCE));
    assert_eq!(case.after(2000).life.state(), State::Fenced);
    assert_eq!(case.see(Sight::Up), State::Fenced);
    assert_eq!(case.is_back_after_a_period(), State::Up);
    assert_eq!((case.life.instance(), case.life.restarted()), (1, None));
}

#[test]
fn an_edge_that_is_cut_off_and_says_nothing_fences_nothing() {
    let mut case = Case::up_for_two();
    case.see(Sight::Silent);
    case.hear(|h| h.published = Word::Nothing);
    assert_eq!(case.after(60_000).life.state(), State::Suspect);
}

#[test]
fn a_word_of_another_edge_outweighs_what_is_seen() {
    let mut case = Case::up_for_two();
    assert_eq!(case.hear(|h| (h.others, h.accused) = (true, true)), State::Suspect);
    assert_eq!(case.life.word(case.now), Word::Up);
    assert_eq!(case.after(2000).life.state(), State::Fenced);
    assert_eq!(case.is_back_after_a_period(), State::Up);
    assert_eq!((case.life.instance(), case.life.restarted()), (1, None));
}

#[test]
fn what_is_accused_again_while_it_comes_back_is_given_up_at_once() {
    let mut case = Case::up_for_two();
    case.hear(|h| (h.others, h.accused) = (true, true));
    assert_eq!(case.after(2000).life.state(), State::Fenced);
    assert_eq!(case.hear(|h| h.others = true), State::Suspect);
    assert_eq!(case.after(500).hear(|h| (h.others, h.accused) = (true, true)), State::Fenced);
    assert_eq!(case.is_back_after_a_period(), State::Up);
}

#[test]
fn what_no_edge_can_have_given_up_yet_is_back_at_once() {
    let mut case = Case::up_for_two();
    case.life.fence = Duration::from_secs(10);
    case.hear(|h| (h.others, h.accused) = (true, true));
    assert_eq!(case.after(7900).life.state(), State::Suspect);
    assert_eq!(case.hear(|h| h.others = true), State::Up);
    case.hear(|h| (h.others, h.accused) = (true, true));
    assert_eq!(case.after(8100).life.state(), State::Suspect);
    assert_eq!(case.is_back_after_a_period(), State::Up);
}

#[test]
fn who_is_alone_waits_for_nobody() {
    let mut case = Case::up();
    case.see(Sight::Silent);
    case.hear(|_| {});
    assert_eq!(case.after(2000).life.state(), State::Fenced);
    case.see(Sight::Up);
    assert_eq!(case.hear(|_| {}), State::Up);
}

#[test]
fn a_restart_is_a_new_instance() {
    let mut case = Case::up();
    case.see(Sight::Refused);
    // Whoever reads that it is up here may use it: this edge takes no session from it any more.
    assert_eq!((case.see(Sight::Up), case.life.word(case.now)), (State::Suspect, Word::Up));
    assert_eq!(case.hear(|h| (h.others, h.accused) = (true, true)), State::Suspect);
    assert_eq!(case.hear(|h| h.others = true), State::Up);
    assert_eq!((case.count().as_str(), case.life.instance()), ("2 up", 2));
    assert!(case.life.restarted().is_some());
}

#[test]
fn one_that_was_dead_and_is_accused_for_long_comes_back_after_a_period_too() {
    let mut case = Case::up();
    case.see(Sight::Refused);
    case.see(Sight::Up);
    case.hear(|h| (h.others, h.accused) = (true, true));
    assert_eq!(case.after(1000).life.state(), State::Suspect);
    assert_eq!(case.is_back_after_a_period(), State::Up);
}

#[test]
fn a_dead_server_whose_host_goes_silent_is_still_dead() {
    let mut case = Case::up();
    case.see(Sight::Refused);
    assert_eq!(case.see(Sight::Silent), State::Dead);
    assert_eq!(case.life.word(case.now), Word::Dead);
}

#[test]
fn a_frozen_server_that_is_killed_then_is_dead() {
    let mut case = Case::up();
    case.see(Sight::Silent);
    case.hear(|h| h.others = true);
    assert_eq!(case.see(Sight::Refused), State::Suspect);
    // What was said is not taken back while the others are asked.
    assert_eq!(case.life.word(case.now), Word::Suspect);
    assert_eq!(case.hear(|h| h.others = true), State::Dead);
}

#[test]
fn a_restart_that_only_others_saw_is_learned_from_the_board() {
    let mut case = Case::up_for_two();
    case.hear(|h| (h.others, h.up, h.count) = (true, true, Count::parse(b"1 up")));
    assert_eq!(case.life.restarted(), None);
    case.hear(|h| (h.others, h.up, h.count) = (true, true, Count::parse(b"2 up")));
    assert_eq!((case.life.state(), case.life.instance()), (State::Up, 2));
    assert_eq!(case.life.restarted(), Some(case.now));
}

#[test]
fn a_death_that_was_counted_by_an_edge_that_is_gone_is_followed_by_the_next_instance() {
    let mut case = Case::up();
    assert_eq!(case.hear(|h| h.count = Count::parse(b"4 dead")), State::Up);
    assert_eq!(case.count(), "5 up");
}

#[test]
fn what_another_edge_counted_before_is_not_counted_again() {
    let mut case = Case::up_for_two();
    case.hear(|h| (h.others, h.up, h.count) = (true, true, Count::parse(b"7 up")));
    case.see(Sight::Refused);
    case.hear(|h| (h.others, h.accused, h.count) = (true, true, Count::parse(b"7 dead")));
    assert_eq!((case.life.state(), case.count().as_str()), (State::Dead, "7 dead"));
    case.see(Sight::Up);
    case.hear(|h| (h.others, h.up, h.count) = (true, true, Count::parse(b"8 up")));
    assert_eq!((case.life.state(), case.count().as_str()), (State::Up, "8 up"));
}

#[test]
fn a_server_that_tells_its_instance_is_believed() {
    let mut case = Case::telling();
    case.see(Sight::Up);
    assert_eq!(case.hear(|_| {}), State::Unknown);
    case.see_token(5);
    assert_eq!((case.life.state(), case.life.instance()), (State::Up, 1));
    case.see(Sight::Refused);
    case.see(Sight::Up);
    assert_eq!(case.hear(|_| {}), State::Dead);
    case.see_token(5);
    assert_eq!((case.life.state(), case.life.instance()), (State::Up, 1));
    assert_eq!(case.see_token(6), 2);
    assert!(case.life.restarted().is_some());
    // Another edge was quicker.
    case.hear(|h| h.count = case_count(6, 3));
    assert_eq!(case.see_token(6), 3);
}

fn case_count(token: u64, instance: u64) -> Option<Count> {
    Count::parse(format!("{instance} up {token:x}").as_bytes())
}

#[test]
fn a_restart_that_may_have_been_is_doubted_by_all_until_one_is_counted() {
    let mut case = Case::up_for_two();
    let now = case.after(100).now;
    case.life.interrupted(now);
    assert_eq!((case.life.restarted(), case.life.is_uncounted(), case.count().as_str()), (Some(now), true, "1 up ?"));
    // Another edge, and one that begins later.
    let mut other = Case::up_for_two();
    let mut late = Case::new();
    late.see(Sight::Up);
    for case in [&mut other, &mut late] {
        assert!(!case.life.is_uncounted());
        case.hear(|h| (h.others, h.up, h.count) = (true, true, Count::parse(b"1 up ?")));
        assert_eq!((case.life.state(), case.life.is_uncounted()), (State::Up, true));
        assert_eq!(case.life.restarted(), Some(case.now));
        let heard = case.now;
        case.after(100).hear(|h| (h.others, h.up, h.count) = (true, true, Count::parse(b"1 up ?")));
        assert_eq!(case.life.restarted(), Some(heard), "once");
        case.hear(|h| (h.others, h.up, h.count) = (true, true, Count::parse(b"2 up")));
        assert_eq!((case.life.restarted(), case.life.is_uncounted()), (Some(case.now), false));
    }
}

#[test]
fn an_edge_that_begins_later_has_looked_at_no_session_since_the_restart() {
    let mut case = Case::new();
    case.see(Sight::Up);
    case.hear(|h| h.count = Count::parse(b"3 up"));
    assert_eq!((case.life.state(), case.life.restarted()), (State::Up, Some(case.now)));
}

#[test]
fn one_that_tells_its_instance_is_not_doubted() {
    let mut case = Case::telling();
    case.see(Sight::Up);
    case.hear(|_| {});
    case.see_token(5);
    case.life.interrupted(case.now);
    assert!(case.life.is_uncounted());
    assert_eq!(case.see_token(5), 1);
    assert!(!case.life.is_uncounted());
    case.see(Sight::Refused);
    case.hear(|h| (h.others, h.up) = (true, true));
    case.see(Sight::Up);
    case.see_token(5);
    case.hear(|h| (h.others, h.up) = (true, true));
    assert_eq!((case.life.state(), case.life.is_uncounted(), case.life.instance()), (State::Up, false, 1));
}
