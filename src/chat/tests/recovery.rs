use serde_json::json;

use super::*;

/// What a message of "ann" counts without its text: its length in HTML, which is longer than in JSON.
const COUNTED: usize = concat!(
    r#"<div class="message"><time datetime="2026-11-21T01:23:45.678Z">01:23:45</time> "#,
    r#"<b class="name">ann</b> <span class="text"></span></div>"#
)
.len();

/// The offsets and texts of a `joined`'s history.
fn history(joined: &Value) -> Vec<(u64, String)> {
    assert_eq!(joined["type"], "joined");
    let messages = joined["history"].as_array().unwrap();
    messages.iter().map(|m| (m["offset"].as_u64().unwrap(), m["text"].as_str().unwrap().to_owned())).collect()
}

fn offsets(joined: &Value) -> Vec<u64> {
    history(joined).into_iter().map(|(offset, _)| offset).collect()
}

/// A room in which ten messages were said, of which it holds the last `held`.
fn ten_said(held: usize) -> (Stage, ClientId, String) {
    let mut stage = Stage::with(|settings| settings.history_messages = held);
    let ann = stage.enter(Format::Json, "lobby", "ann");
    for n in 1..=10 {
        stage.receive(ann, &format!(r#"{{"message":"{n}"}}"#));
    }
    let epoch =
        stage.ask_json(ann, r#"{"type":"join","room":"lobby"}"#)["epoch"].as_str().unwrap().to_owned();
    (stage, ann, epoch)
}

#[test]
fn what_was_missed_is_replayed_exactly_if_it_is_all_held() {
    let (mut stage, ann, epoch) = ten_said(4);
    for (since, epoch, recovered, replayed) in [
        (10, &*epoch, true, vec![]),
        (9, &epoch, true, vec![10]),
        (6, &epoch, true, vec![7, 8, 9, 10]),
        (5, &epoch, false, vec![7, 8, 9, 10]),
        (0, &epoch, false, vec![7, 8, 9, 10]),
        (11, &epoch, false, vec![7, 8, 9, 10]),
        (u64::MAX, &epoch, false, vec![7, 8, 9, 10]),
        (9, "", false, vec![7, 8, 9, 10]),
        (9, "AAAAAAAAAAAA", false, vec![7, 8, 9, 10]),
    ] {
        let request = json!({"type": "join", "room": "lobby", "since": since, "epoch": epoch});
        let joined = stage.ask_json(ann, &request.to_string());
        assert_eq!(offsets(&joined), replayed, "since {since}");
        assert_eq!(
            (&joined["recovered"], &joined["offset"]),
            (&json!(recovered), &json!(10)),
            "since {since}"
        );

        let resume = Some(Resume { since, epoch });
        let bob = stage.enter_as(Entry { resume, ..entry(Format::Json, "lobby") });
        let entered = stage.heard_json(bob).remove(1);
        assert_eq!((offsets(&entered), &entered["recovered"]), (replayed, &json!(recovered)));
        stage.exit(bob);
    }
}

#[test]
fn a_room_that_was_empty_meanwhile_continues_where_it_was() {
    let (mut stage, ann, epoch) = ten_said(100);
    stage.exit(ann);
    let back = Entry { resume: Some(Resume { since: 8, epoch: &epoch }), ..entry(Format::Json, "lobby") };
    let back = stage.enter_as(back);
    let joined = stage.heard_json(back).remove(1);
    assert_eq!(
        (history(&joined), &joined["recovered"]),
        (vec![(9, "9".into()), (10, "10".into())], &json!(true))
    );
    assert_eq!(stage.ask_json(back, r#"{"message":"on"}"#)["offset"], 11);
}

#[test]
fn a_room_that_has_ended_begins_anew_with_another_epoch() {
    let mut stage = Stage::with(|settings| settings.history_messages = 0);
    let ann = stage.enter(Format::Json, "lobby", "ann");
    let before = stage.ask_json(ann, r#"{"type":"join","room":"lobby"}"#);
    assert_eq!(stage.ask_json(ann, r#"{"message":"x"}"#)["offset"], 1);
    stage.exit(ann);
    let resume = Some(Resume { since: 1, epoch: before["epoch"].as_str().unwrap() });
    let back = stage.enter_as(Entry { resume, ..entry(Format::Json, "lobby") });
    let after = stage.heard_json(back).remove(1);
    assert_ne!(before["epoch"], after["epoch"]);
    assert_eq!((&after["offset"], &after["recovered"]), (&json!(0), &json!(false)));
}

#[test]
fn without_history_only_those_who_missed_nothing_are_recovered() {
    let (mut stage, ann, epoch) = ten_said(0);
    for (since, recovered) in [(10, true), (9, false), (0, false)] {
        let request = json!({"type": "join", "room": "lobby", "since": since, "epoch": epoch});
        let joined = stage.ask_json(ann, &request.to_string());
        assert_eq!((history(&joined), &joined["recovered"]), (vec![], &json!(recovered)));
    }
}

#[test]
fn a_message_too_large_to_be_kept_leaves_an_honest_hole() {
    let mut stage = Stage::with(|settings| settings.history_bytes = 3 * COUNTED);
    let ann = stage.enter(Format::Json, "lobby", "ann");
    for length in [1, 2 * COUNTED + 1, 1] {
        stage.receive(ann, &json!({"message": "x".repeat(length)}).to_string());
    }
    let joined = stage.ask_json(ann, r#"{"type":"join","room":"lobby"}"#);
    assert_eq!(offsets(&joined), [1, 3]);
    for (since, recovered) in [(0, false), (1, false), (2, true), (3, true)] {
        let request = json!({"type": "join", "room": "lobby", "since": since, "epoch": joined["epoch"]});
        assert_eq!(stage.ask_json(ann, &request.to_string())["recovered"], recovered, "since {since}");
    }
    stage.receive(ann, &json!({"message": "x".repeat(2 * COUNTED)}).to_string());
    assert_eq!(
        offsets(&stage.ask_json(ann, r#"{"type":"join","room":"lobby"}"#)),
        [4],
        "the oldest went for it"
    );
}

#[test]
fn history_holds_as_many_messages_and_bytes_as_the_limits() {
    let one = COUNTED + 33;
    for (messages, bytes, held) in [
        (100, 3 * one - 1, 2),
        (100, 3 * one, 3),
        (100, 3 * one + 1, 3),
        (2, 10 * one, 2),
        (3, 10 * one, 3),
        (1, one, 1),
        (1, one - 1, 0),
        (9, 0, 0),
    ] {
        let mut stage = Stage::with(|settings| {
            (settings.history_messages, settings.history_bytes) = (messages, bytes);
        });
        let ann = stage.enter(Format::Json, "lobby", "ann");
        for _ in 0..5 {
            stage.receive(ann, &json!({"message": "x".repeat(33)}).to_string());
        }
        let joined = stage.ask_json(ann, r#"{"type":"join","room":"lobby"}"#);
        assert_eq!(history(&joined).len(), held, "{messages} messages, {bytes} bytes");
        assert_eq!(joined["offset"], 5);
    }
}

#[test]
fn history_keeps_names_and_ids_as_they_were() {
    let mut stage = Stage::new();
    let ann = stage.enter(Format::Json, "lobby", "ann");
    for request in [
        r#"{"message":"one","id":"1"}"#,
        r#"{"type":"nick","name":"éve"}"#,
        r#"{"message":"two","id":""}"#,
        r#"{"message":"three"}"#,
    ] {
        stage.receive(ann, request);
    }
    let joined = stage.ask_json(ann, r#"{"type":"join","room":"lobby"}"#);
    let kept: Vec<_> =
        (0..3).map(|n| &joined["history"][n]).map(|m| (&m["name"], &m["text"], m.get("id"))).collect();
    assert_eq!(
        kept,
        [
            (&json!("ann"), &json!("one"), Some(&json!("1"))),
            (&json!("éve"), &json!("two"), Some(&json!(""))),
            (&json!("éve"), &json!("three"), None),
        ]
    );
}

#[test]
fn history_counts_bytes_as_they_are_sent() {
    let json = concat!(
        r#"{"type":"message","room":"lobby","offset":1,"time":"2026-11-21T01:23:45.678Z","#,
        r#""uid":"0123456789abcdef","name":"ann","text":""}"#
    );
    for (text, one) in [
        ("x", COUNTED + 100),
        ("字", COUNTED + 300),
        ("&", COUNTED + 500),
        ("\"", COUNTED + 600),
        ("\\", json.len() + 200),
    ] {
        for (bytes, held) in [(one - 1, 0), (one, 1), (2 * one, 2)] {
            let mut stage = Stage::with(|settings| settings.history_bytes = bytes);
            let ann = stage.enter(Format::Json, "lobby", "ann");
            for _ in 0..2 {
                stage.receive(ann, &json!({"message": text.repeat(100)}).to_string());
            }
            let joined = stage.ask_json(ann, r#"{"type":"join","room":"lobby"}"#);
            assert_eq!(history(&joined).len(), held, "{text} in {bytes} bytes");
        }
    }
}
