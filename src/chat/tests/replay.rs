//! What newcomers receive of a history, whether it is written for them or was kept.

use rand::RngExt;
use serde_json::json;

use super::*;

/// The offsets, or the texts, of a history as a newcomer of this format receives it.
fn received(stage: &mut Stage, format: Format, resume: Option<Resume<'_>>) -> Vec<String> {
    let newcomer = stage.enter_as(Entry { resume, ..entry(format, "lobby") });
    let heard = stage.heard(newcomer);
    stage.exit(newcomer);
    match format {
        Format::Json => {
            let joined: Value = serde_json::from_str(&heard[1]).unwrap();
            joined["history"].as_array().unwrap().iter().map(Value::to_string).collect()
        }
        Format::Lines => heard[1..].to_vec(),
        _ => heard,
    }
}

#[test]
fn a_newcomer_receives_the_same_whether_the_history_was_kept_or_not() {
    for seed in 0..6 {
        let mut rng = StdRng::seed_from_u64(seed);
        let limits = |settings: &mut Settings| {
            (settings.history_messages, settings.history_bytes) = (60, 90_000);
        };
        // The second keeps no replays, since nobody stays in the room.
        let (mut kept, mut fresh) = (Stage::unlimited(limits), Stage::unlimited(limits));
        let ann = kept.enter(Format::Json, "lobby", "ann");
        let epoch = kept.ask_json(ann, r#"{"type":"join","room":"lobby"}"#)["epoch"].clone();
        for said in 1..=100 {
            let most = [30, 600, 5_000, 16_000][rng.random_range(0..4)];
            let text = "\"w&".repeat(rng.random_range(1..=most) / 3 + 1);
            let request = json!({"type": "say", "text": text}).to_string();
            kept.receive(ann, &request);
            let speaker = fresh.enter(Format::Json, "lobby", "ann");
            fresh.receive(speaker, &request);
            fresh.exit(speaker);
            if rng.random_ratio(2, 3) {
                continue;
            }
            for format in [Format::Json, Format::Lines, Format::Html] {
                let expected = without_uid(received(&mut fresh, format, None));
                for _ in 0..2 {
                    assert_eq!(without_uid(received(&mut kept, format, None)), expected, "seed {seed}");
                }
            }
            let since = rng.random_range(0..=said);
            let resume = Resume { since, epoch: epoch.as_str().unwrap() };
            let all = received(&mut kept, Format::Json, None);
            let missed = received(&mut kept, Format::Json, Some(resume));
            assert!(
                all.ends_with(&missed) && missed.len() == all.len().min((said - since) as usize),
                "seed {seed}"
            );
        }
        assert!(kept.out.kept_runs > 0);
    }
}

/// The uids of the two speakers differ.
fn without_uid(messages: Vec<String>) -> Vec<String> {
    let cut = |text: String| match text.find(r#""uid":""#) {
        Some(at) => [&text[..at], &text[at + r#""uid":"0123456789abcdef","#.len()..]].concat(),
        None => text,
    };
    messages.into_iter().map(cut).collect()
}

#[test]
fn all_but_a_few_kilobytes_of_a_history_are_kept_for_the_next_newcomer() {
    let mut stage = Stage::unlimited(|_| {});
    let ann = stage.enter(Format::Json, "lobby", "ann");
    for n in 0..200 {
        stage.receive(ann, &json!({"type": "say", "text": format!("{n} {}", "x".repeat(400))}).to_string());
        for format in [Format::Json, Format::Lines, Format::Html] {
            let newcomer = stage.enter_as(entry(format, "lobby"));
            stage.out.fresh_bytes = 0;
            stage.exit(newcomer);
            let newcomer = stage.enter_as(entry(format, "lobby"));
            let fresh = stage.out.fresh_bytes;
            assert!(fresh < 10 << 10, "{fresh} bytes of {} were written anew after {n}", format.name());
            stage.exit(newcomer);
        }
    }
}

#[test]
fn what_is_forgotten_is_not_kept_for_newcomers() {
    let mut stage = Stage::unlimited(|_| {});
    let ann = stage.enter(Format::Json, "lobby", "ann");
    for _ in 0..100 {
        stage.receive(ann, &json!({"type": "say", "text": "x".repeat(400)}).to_string());
    }
    for format in [Format::Json, Format::Lines, Format::Html] {
        assert!(received(&mut stage, format, None).len() >= 80);
    }
    stage.later(Duration::from_secs(8 * 24 * 60 * 60));
    for format in [Format::Json, Format::Lines, Format::Html] {
        assert_eq!(received(&mut stage, format, None), [""; 0]);
    }
}
