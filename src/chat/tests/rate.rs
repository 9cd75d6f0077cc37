use super::*;
use crate::chat::rate::{Bucket, Rate, Verdict};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_quiet_client_may_send_the_burst_and_no_more() {
    let start = Instant::now();
    for (burst, accepted) in [(0, 1), (1, 1), (2, 2), (100, 100)] {
        let rate = Rate::new(50, burst);
        let mut bucket = Bucket::default();
        for n in 0..accepted {
            assert_eq!(rate.judge(&mut bucket, start), Verdict::Accept, "{n} of {burst}");
        }
        assert_eq!(rate.judge(&mut bucket, start), Verdict::Refuse);
        assert_eq!(rate.judge(&mut bucket, start + SECOND / 50 - Duration::from_nanos(1)), Verdict::Refuse);
        assert_eq!(rate.judge(&mut bucket, start + SECOND / 50), Verdict::Accept);
        assert_eq!(rate.judge(&mut bucket, start + SECOND / 50), Verdict::Refuse);
        // However long it is quiet, it saves no more than the burst.
        let later = start + 1000 * SECOND;
        let at_once = (0..200).filter(|_| rate.judge(&mut bucket, later) == Verdict::Accept).count();
        assert_eq!(at_once, accepted);
    }
}

#[test]
fn exactly_the_rate_is_never_refused() {
    let start = Instant::now();
    let rate = Rate::new(50, 1);
    let mut bucket = Bucket::default();
    for n in 0..10_000 {
        assert_eq!(rate.judge(&mut bucket, start + SECOND / 50 * n), Verdict::Accept);
    }
}

#[test]
fn a_rate_of_0_is_no_limit_and_extremes_do_no_harm() {
    let start = Instant::now();
    let mut bucket = Bucket::default();
    for (rate, burst) in [(0, 1), (0, 0), (u32::MAX, 1), (1, u32::MAX)] {
        for _ in 0..1_000 {
            assert_eq!(Rate::new(rate, burst).judge(&mut bucket, start), Verdict::Accept, "{rate} {burst}");
        }
    }
}

#[test]
fn refusals_that_go_on_for_ten_seconds_are_enough() {
    let start = Instant::now();
    let rate = Rate::new(1, 1);
    let mut bucket = Bucket::default();
    for tenth in 0..=100 {
        // Now and then one is accepted; what counts are the refusals.
        assert_ne!(rate.judge(&mut bucket, start + SECOND / 10 * tenth), Verdict::GiveUp, "{tenth}");
    }
    assert_eq!(rate.judge(&mut bucket, start + SECOND * 101 / 10), Verdict::GiveUp);
}

#[test]
fn a_pause_of_more_than_a_second_begins_anew() {
    let start = Instant::now();
    let rate = Rate::new(1, 1);
    for (pause, expected) in [(SECOND, Verdict::GiveUp), (SECOND + SECOND / 100, Verdict::Refuse)] {
        let mut bucket = Bucket::default();
        let mut now = start;
        rate.judge(&mut bucket, now);
        // Two at a time: the second of them is always refused.
        let mut last = Verdict::Accept;
        for _ in 0..=10 {
            rate.judge(&mut bucket, now);
            last = rate.judge(&mut bucket, now);
            now += pause;
        }
        assert_eq!(last, expected, "{pause:?}");
    }
}

#[test]
fn a_message_over_the_rate_is_refused_in_the_clients_format_and_not_said() {
    let sentence = "Too fast: the limit is 2 messages a second and 3 at once. This one was not handled.";
    for (format, request, expected) in [
        (
            Format::Json,
            r#"{"type":"say","text":"x","id":"7"}"#,
            format!(r#"{{"type":"error","code":"rate_limited","message":"{sentence}","limit":2,"id":"7"}}"#),
        ),
        (Format::Lines, "x", sentence.to_owned()),
        (Format::Html, "x", format!("<div class=\"notice\">{sentence}</div>")),
    ] {
        let mut stage = Stage::with(|settings| (settings.rate, settings.burst) = (2, 3));
        let watcher = stage.enter(Format::Json, "lobby", "watcher");
        let ann = stage.enter(format, "lobby", "ann");
        stage.heard(watcher);
        for _ in 0..3 {
            assert_ne!(stage.ask(ann, request), std::slice::from_ref(&expected));
        }
        assert_eq!(stage.out.rate_limited, 0);
        assert_eq!(stage.ask(ann, request), [expected]);
        assert_eq!(stage.out.rate_limited, 1);
        assert_eq!(stage.heard(watcher).len(), 3);
        stage.later(SECOND / 2);
        stage.receive(ann, request);
        assert_eq!(stage.heard_json(watcher)[0]["offset"], 4, "nothing was lost by it");
    }
}

#[test]
fn a_client_that_floods_for_ten_seconds_is_dismissed() {
    let mut stage = Stage::with(|settings| (settings.rate, settings.burst) = (2, 3));
    let ann = stage.enter(Format::Lines, "lobby", "ann");
    for n in 0..=10 {
        assert_eq!(stage.dismissal(ann), None, "{n}");
        for _ in 0..6 {
            stage.receive(ann, "x");
        }
        stage.later(SECOND);
    }
    assert_eq!(stage.dismissal(ann), Some(Dismissal::RateLimited { per_second: 2 }));
    assert_eq!(stage.dismissal(ann).unwrap().to_string(), "Too many messages: the limit is 2 a second");
}
