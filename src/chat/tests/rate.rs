use super::*;
use crate::chat::rate::{Budget, Cost, Limits, Verdict};

const SECOND: Duration = Duration::from_secs(1);

/// Limits of so many messages a second and at once, and no others.
fn messages(rate: u32, burst: u32) -> Limits {
    Limits::new(&Settings { rate, burst, byte_rate: 0, fan_out_rate: 0, room_rate: 0, ..Settings::default() })
}

/// Judges a message and charges it if it is accepted.
fn judge(limits: &mut Limits, budget: &mut Budget, now: Instant) -> Verdict {
    let verdict = limits.judge(budget, now);
    if verdict == Verdict::Accept {
        limits.charge(budget, now, Cost::of(1));
    }
    verdict
}

const REFUSE: Verdict = Verdict::Refuse(Excess::Messages);

#[test]
fn a_quiet_client_may_send_the_burst_and_no_more() {
    let start = Instant::now();
    for (burst, accepted) in [(0, 1), (1, 1), (2, 2), (100, 100)] {
        let mut limits = messages(50, burst);
        let mut budget = Budget::default();
        for n in 0..accepted {
            assert_eq!(judge(&mut limits, &mut budget, start), Verdict::Accept, "{n} of {burst}");
        }
        assert_eq!(judge(&mut limits, &mut budget, start), REFUSE);
        assert_eq!(judge(&mut limits, &mut budget, start + SECOND / 50 - Duration::from_nanos(1)), REFUSE);
        assert_eq!(judge(&mut limits, &mut budget, start + SECOND / 50), Verdict::Accept);
        assert_eq!(judge(&mut limits, &mut budget, start + SECOND / 50), REFUSE);
        // However long it is quiet, it saves no more than the burst.
        let later = start + 1000 * SECOND;
        let at_once = (0..200).filter(|_| judge(&mut limits, &mut budget, later) == Verdict::Accept).count();
        assert_eq!(at_once, accepted);
    }
}

#[test]
fn exactly_the_rate_is_never_refused() {
    let start = Instant::now();
    let mut limits = messages(50, 1);
    let mut budget = Budget::default();
    for n in 0..10_000 {
        assert_eq!(judge(&mut limits, &mut budget, start + SECOND / 50 * n), Verdict::Accept);
    }
}

#[test]
fn a_rate_of_0_is_no_limit_and_extremes_do_no_harm() {
    let start = Instant::now();
    let mut budget = Budget::default();
    for (rate, burst) in [(0, 1), (0, 0), (u32::MAX, 1), (1, u32::MAX)] {
        let mut limits = messages(rate, burst);
        for _ in 0..1_000 {
            assert_eq!(judge(&mut limits, &mut budget, start), Verdict::Accept, "{rate} {burst}");
        }
    }
    let mut budget = Budget::default();
    let extremes =
        Settings { rate: 0, byte_rate: 1, byte_burst: 1 << 40, fan_out_rate: 1 << 40, ..Settings::default() };
    let mut limits = Limits::new(&extremes);
    let mut cost = Cost::of(1 << 28);
    cost.message(1 << 30, 1 << 28);
    limits.charge(&mut budget, start, cost);
    limits.charge(&mut budget, start + 1_000_000 * SECOND, cost);
    assert_eq!(limits.judge(&mut budget, start), Verdict::Refuse(Excess::FanOut));
}

#[test]
fn refusals_that_go_on_for_ten_seconds_are_enough() {
    let start = Instant::now();
    let mut limits = messages(1, 1);
    let mut budget = Budget::default();
    for tenth in 0..=100 {
        // Now and then one is accepted; what counts are the refusals.
        let verdict = judge(&mut limits, &mut budget, start + SECOND / 10 * tenth);
        assert_ne!(verdict, Verdict::GiveUp(Excess::Messages), "{tenth}");
    }
    let after = start + SECOND * 101 / 10;
    assert_eq!(judge(&mut limits, &mut budget, after), Verdict::GiveUp(Excess::Messages));
}

#[test]
fn a_pause_of_more_than_a_second_begins_anew() {
    let start = Instant::now();
    let mut limits = messages(1, 1);
    for (pause, expected) in [(SECOND, Verdict::GiveUp(Excess::Messages)), (SECOND + SECOND / 100, REFUSE)] {
        let mut budget = Budget::default();
        let mut now = start;
        judge(&mut limits, &mut budget, now);
        // Two at a time: the second of them is always refused.
        let mut last = Verdict::Accept;
        for _ in 0..=10 {
            judge(&mut limits, &mut budget, now);
            last = judge(&mut limits, &mut budget, now);
            now += pause;
        }
        assert_eq!(last, expected, "{pause:?}");
    }
}

#[test]
fn a_new_name_costs_by_those_who_hear_of_it() {
    let mut stage = Stage::new();
    let ann = stage.enter(Format::Json, "room0", "ann");
    for room in 0..32 {
        for _ in 0..99 {
            stage.enter_as(entry(Format::Lines, &format!("room{room}")));
        }
    }
    for room in 1..32 {
        stage.receive(ann, &format!(r#"{{"type":"join","room":"room{room}"}}"#));
    }
    assert!(stage.out.rate_limited.is_empty(), "it joins all rooms at once");
    stage.later(10 * SECOND);
    let mut renamed = 0;
    for n in 0..500 {
        stage.receive(ann, &format!(r#"{{"type":"nick","name":"ann{n}"}}"#));
        renamed += usize::from(stage.out.rate_limited.is_empty());
        stage.out.rate_limited.clear();
        stage.later(SECOND / 50);
    }
    // A burst of two, and then 3,200 deliveries a second.
    assert!((10..=14).contains(&renamed), "{renamed} changes of name in 10 seconds");
}

#[test]
fn to_ask_again_for_what_one_knows_costs_more_than_to_ask_once() {
    let mut stage = Stage::unlimited(|_| {});
    let ann = stage.enter(Format::Json, "lobby", "ann");
    for _ in 0..100 {
        stage.receive(ann, &format!(r#"{{"message":"{}"}}"#, "x".repeat(600)));
    }
    let mut limits = Limits::new(&Settings::default());
    let mut answered = [0, 0];
    for (asked, repeats) in [false, true].into_iter().enumerate() {
        let mut budget = Budget::default();
        let mut cost = Cost::of(40);
        cost.answer(60 << 10);
        if repeats {
            cost.repeats();
        }
        for n in 0..500 {
            let now = stage.now.instant + SECOND / 50 * n;
            if limits.judge(&mut budget, now) == Verdict::Accept {
                limits.charge(&mut budget, now, cost);
                answered[asked] += 1;
            }
        }
    }
    assert!(answered[0] == 500 && answered[1] < 60, "{answered:?}");
}

#[test]
fn bytes_are_limited_as_they_are_sent_or_received_whichever_is_more() {
    // A text of one byte that takes many in a request, and one that takes six for each of its bytes where it is heard.
    let padded = format!(r#"{{"message":"x"{}}}"#, " ".repeat(999 - 15));
    for (format, request, each) in
        [(Format::Json, padded, 999), (Format::Lines, "\"".repeat(400), 400 * "&quot;".len() + 137)]
    {
        let mut stage =
            Stage::unlimited(|settings| (settings.byte_rate, settings.byte_burst) = (1_000, 10_000));
        let ann = stage.enter(format, "lobby", "ann");
        let _reader = stage.enter(Format::Html, "lobby", "reader");
        let accepted = (0..50)
            .take_while(|_| {
                stage.receive(ann, &request);
                stage.out.rate_limited.is_empty()
            })
            .count();
        assert_eq!(accepted, 10_000usize.div_ceil(each), "{}", format.name());
        assert_eq!(stage.out.rate_limited, [Excess::Bytes]);
        let refused = stage.heard(ann).pop().unwrap();
        assert!(refused.contains("1000 bytes a second and 10000 at once"), "{refused}");
    }
}

#[test]
fn bytes_are_limited_by_those_who_receive_them() {
    for (readers, accepted) in [(0, 40), (9, 14), (99, 2)] {
        let mut stage = Stage::unlimited(|settings| settings.fan_out_rate = 100_000);
        let ann = stage.enter(Format::Lines, "lobby", "ann");
        for _ in 0..readers {
            stage.enter_as(entry(Format::Lines, "lobby"));
        }
        // "01:23:45 ann say: " and the text.
        let line = "x".repeat(1000 - 18 - 240);
        let said = (0..40)
            .take_while(|_| {
                stage.receive(ann, &line);
                stage.out.rate_limited.is_empty()
            })
            .count();
        assert_eq!(said, accepted, "{readers} readers");
    }
}

#[test]
fn what_is_said_in_a_room_is_limited_whoever_says_it() {
    let mut stage = Stage::unlimited(|settings| settings.room_rate = 80_000);
    let speakers: Vec<ClientId> =
        (0..50).map(|n| stage.enter(Format::Json, "lobby", &format!("speaker{n}"))).collect();
    let aside = stage.enter(Format::Json, "attic", "aside");
    for &speaker in &speakers {
        stage.receive(speaker, &format!(r#"{{"message":"{}","id":"7"}}"#, "x".repeat(850)));
    }
    // Ten of about a thousand bytes are an eighth of a second's.
    let refused = stage.out.rate_limited.len();
    assert!((39..=41).contains(&refused) && stage.out.rate_limited[0] == Excess::Room, "{refused}");
    let error: Value = serde_json::from_str(stage.heard(speakers[49]).last().unwrap()).unwrap();
    assert_eq!(
        (code(&error), &error["rule"], &error["limit"], &error["id"]),
        ("rate_limited", &"room".into(), &80_000.into(), &"7".into())
    );
    assert_eq!(stage.ask_json(aside, r#"{"message":"undisturbed"}"#)["type"], "message");
    stage.later(SECOND);
    assert_eq!(stage.ask_json(speakers[49], r#"{"message":"again"}"#)["type"], "message");
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
        assert!(stage.out.rate_limited.is_empty());
        assert_eq!(stage.ask(ann, request), [expected]);
        assert_eq!(stage.out.rate_limited, [Excess::Messages]);
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
    assert_eq!(
        stage.dismissal(ann),
        Some(Dismissal::RateLimited { excess: Excess::Messages, per_second: 2 })
    );
    assert_eq!(stage.dismissal(ann).unwrap().to_string(), "Too many messages: the limit is 2 a second");
}
